"""Stops at warehouses that come with a plan's visits: written when it is accepted, put back when undone."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from fsm.actors import Actor
from fsm.database import Session
from fsm.work_orders import pick_ups
from fsm.work_orders.pick_ups import Fetch, PlannedPickUp
from scheduler.fetching import fetched
from scheduler.problem import DayProblem, Plan, StopKind
from scheduler.tables import PlanRun

STEP = "pick_ups"
"""What an applied step that is about pick-ups did."""


def has_pick_ups(run: PlanRun) -> bool:
    return any(
        stop["kind"] == StopKind.PICKUP
        for route in (run.result or {})["routes"]
        for stop in route["stops"]
    )


async def write(
    session: Session,
    actor: Actor,
    now: datetime,
    run: PlanRun,
    plan: tuple[DayProblem, Plan] | None,
    visit_of: Mapping[str, UUID],
    before: Collection[PlannedPickUp],
) -> dict[str, Any] | None:
    """Let a plan's pick-ups take the place of those that its visits had, and return the step that it was.

    `visit_of` are the visits that the plan has now, by their keys in it; `before` is what was to be fetched
    for them and for those it took back. None where there is nothing to fetch, and was not.
    """
    planned = [] if plan is None else list(_planned(run, *plan, visit_of))
    if not planned and not before:
        return None
    visit_ids = set(visit_of.values())
    await pick_ups.plan_pick_ups(session, actor, now, visit_ids, planned)
    return {
        "did": STEP,
        "visits": sorted(str(each) for each in visit_ids),
        "was": [pick_ups.to_stored(each) for each in before],
    }


def _planned(
    run: PlanRun, problem: DayProblem, plan: Plan, visit_of: Mapping[str, UUID]
) -> list[PlannedPickUp]:
    """Return the stops of a plan, as far as they are for visits that it now has."""
    places = [UUID(each["place_id"]) for each in (run.result or {}).get("depots", [])]
    starts_at = datetime.fromisoformat(problem.first_midnight).astimezone(UTC)
    needs = fetched(problem, plan)
    found = []
    for route in plan.routes:
        for number, stop in enumerate(route.stops):
            fetches = tuple(
                Fetch(visit_of[each.visit], each.part, each.quantity)
                for each in needs.get((route.shift, number), ())
                if each.visit in visit_of
            )
            if fetches and stop.number is not None and stop.number < len(places):
                found.append(
                    PlannedPickUp(
                        UUID(route.technician),
                        places[stop.number],
                        starts_at + timedelta(seconds=stop.start),
                        starts_at + timedelta(seconds=stop.end),
                        stop.drive_s,
                        fetches,
                        run.id,
                    )
                )
    return found


async def put_back(
    session: Session,
    actor: Actor,
    now: datetime,
    steps: Collection[Mapping[str, Any]],
    restored: Mapping[UUID, UUID],
) -> None:
    """Let what was to be fetched before a plan take the place of what it had, for visits that are undone.

    `restored` are the visits that stand again where they were, by what they were before. What has begun or
    was changed since keeps what is fetched for it now.
    """
    (step,) = (each for each in steps if each["did"] == STEP)
    changed = {UUID(each["visit_id"]) for each in steps if each["did"] != STEP}
    changed |= {
        UUID(each["was"]["visit_id"]) for each in steps if each["did"] != STEP and each["was"]
    }
    staying = {UUID(each) for each in step["visits"]} - changed
    now_at = {each: each for each in staying} | dict(restored)
    was = []
    for each in map(pick_ups.from_stored, step["was"]):
        fetches = tuple(
            replace(one, visit_id=now_at[one.visit_id])
            for one in each.fetches
            if one.visit_id in now_at
        )
        was.append(replace(each, fetches=fetches))
    await pick_ups.plan_pick_ups(
        session, actor, now, set(now_at.values()), [each for each in was if each.fetches]
    )
