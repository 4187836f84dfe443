"""Plan runs: asked for, stored with what went in, accepted into visits, undone."""

from collections import Counter
from collections.abc import Collection
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlmodel import col, select

from fsm import events, jobs
from fsm.actors import Actor
from fsm.database import Session
from fsm.problems import NotFound, Problem
from fsm.technicians.tables import Technician
from fsm.work_orders import visits
from fsm.work_orders.lifecycle import LIVE_VISITS, VisitStatus, WrongStatus
from fsm.work_orders.orders import list_visits, lock_work_order
from fsm.work_orders.tables import Visit
from scheduler.tables import PlanRun, PlanStatus

SOLVE = "plan.solve"
"""Name of the job that solves a run."""


class PlanNotReady(Problem):
    """The plan is still being made, failed, or was accepted before."""

    code, status, title = "plan-not-ready", 409, "This plan cannot be accepted now"


async def request_plan(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    starts_on: date,
    ends_on: date,
    seconds: float,
    seed: int,
    engine: str,
) -> PlanRun:
    """Ask for a plan of some days; the worker solves it after the commit."""
    run = PlanRun(
        tenant_id=actor.tenant_id,
        starts_on=starts_on,
        ends_on=ends_on,
        seconds=seconds,
        seed=seed,
        engine=engine,
        requested_by=actor.name,
        requested_at=now,
    )
    session.add(run)
    await session.flush()
    await events.record(
        session,
        actor,
        "plan.requested",
        "plan_run",
        run.id,
        now=now,
        starts_on=starts_on.isoformat(),
        ends_on=ends_on.isoformat(),
    )
    await jobs.enqueue(session, SOLVE, actor.tenant_id, priority=10, run_id=str(run.id))
    return run


async def find_run(session: Session, actor: Actor, run_id: UUID) -> PlanRun:
    statement = select(PlanRun).where(PlanRun.tenant_id == actor.tenant_id, PlanRun.id == run_id)
    run = (await session.exec(statement)).one_or_none()
    if run is None:
        raise NotFound(f"No plan {run_id}.")
    return run


async def lock_run(session: Session, actor: Actor, run_id: UUID) -> PlanRun:
    statement = (
        select(PlanRun)
        .where(PlanRun.tenant_id == actor.tenant_id, PlanRun.id == run_id)
        .with_for_update()
    )
    run = (await session.exec(statement)).one_or_none()
    if run is None:
        raise NotFound(f"No plan {run_id}.")
    return run


async def list_runs(
    session: Session, actor: Actor, *, limit: int, after: UUID | None = None
) -> list[PlanRun]:
    """Return runs, newest first."""
    statement = (
        select(PlanRun)
        .where(PlanRun.tenant_id == actor.tenant_id)
        .order_by(col(PlanRun.id).desc())
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(PlanRun.id < after)
    return list(await session.exec(statement))


def proposed(run: PlanRun) -> list[tuple[visits.NewVisit, str]]:
    """Return the visits that a plan proposes, each with its job's number, in order of time."""
    found = []
    for route in (run.result or {}).get("routes", []):
        for stop in route["stops"]:
            if stop["kind"] == "visit":
                visit = visits.NewVisit(
                    work_order_id=UUID(stop["work_order_id"]),
                    technician_id=UUID(route["technician_id"]),
                    starts_at=datetime.fromisoformat(stop["starts_at"]),
                    ends_at=datetime.fromisoformat(stop["ends_at"]),
                    travel_s=stop["travel_s"],
                )
                found.append((visit, stop["number"]))
    return sorted(found, key=lambda one: (one[0].starts_at, one[0].work_order_id))


async def accept(
    session: Session,
    actor: Actor,
    now: datetime,
    run_id: UUID,
    only: Collection[UUID] | None = None,
) -> tuple[PlanRun, list[Visit], list[dict[str, Any]]]:
    """Turn a plan, or the part of it for the jobs in `only`, into visits.

    What has changed since the plan was made is not overridden: a job that is over, has got its visits in
    the meantime, or would go to somebody who has left is skipped and said. Jobs are locked in order of id.
    """
    run = await lock_run(session, actor, run_id)
    if run.status != PlanStatus.READY:
        raise PlanNotReady(
            f"This plan is {run.status}; only a plan that is ready can be accepted.",
            plan_status=run.status,
            failure=run.failure,
        )
    wanted, skipped = [], []
    taken: Counter[UUID] = Counter()
    active = await list_active(session, actor)
    for visit, number in sorted(proposed(run), key=lambda one: one[0].work_order_id):
        if only is not None and visit.work_order_id not in only:
            continue
        work_order = await lock_work_order(session, actor, visit.work_order_id)
        live = visits.live(await list_visits(session, work_order))
        if work_order.crew_size <= len(live) + taken[work_order.id]:
            skipped.append({"number": number, "why": "has_visit"})
        elif work_order.status not in ("open", "scheduled", "in_progress"):
            skipped.append({"number": number, "why": work_order.status})
        elif visit.technician_id not in active:
            skipped.append({"number": number, "why": "technician_left"})
        else:
            taken[work_order.id] += 1
            wanted.append(visit)
    planned = await visits.plan_visits(session, actor, now, wanted, plan_run_id=run.id)
    run.status = PlanStatus.ACCEPTED
    run.accepted_at = now
    run.accepted_by = actor.name
    await session.flush()
    await events.record(
        session,
        actor,
        "plan.accepted",
        "plan_run",
        run.id,
        now=now,
        visits=len(planned),
        skipped=len(skipped),
    )
    return run, planned, skipped


async def list_active(session: Session, actor: Actor) -> set[UUID]:
    """Return the technicians who can be given visits."""
    statement = select(Technician.id).where(
        Technician.tenant_id == actor.tenant_id, Technician.is_active
    )
    return set(await session.exec(statement))


async def undo(
    session: Session, actor: Actor, now: datetime, run_id: UUID
) -> tuple[PlanRun, int, int]:
    """Take back the visits of an accepted plan that have not begun; return how many, and how many stay."""
    run = await lock_run(session, actor, run_id)
    if run.status != PlanStatus.ACCEPTED:
        raise WrongStatus(f"This plan is {run.status}; only an accepted one can be undone.")
    statement = (
        select(Visit)
        .where(Visit.tenant_id == actor.tenant_id, Visit.plan_run_id == run.id)
        .order_by(col(Visit.work_order_id), col(Visit.id))
    )
    withdrawn = kept = 0
    for planned in list(await session.exec(statement)):
        _, visit = await visits.lock_visit(session, actor, planned.id)
        if VisitStatus(visit.status) in visits.NOT_BEGUN:
            await visits.withdraw(session, actor, now, visit.id, reason="plan_undone")
            withdrawn += 1
        elif VisitStatus(visit.status) in LIVE_VISITS or visit.status == VisitStatus.FINISHED:
            kept += 1
    run.status = PlanStatus.UNDONE
    await session.flush()
    await events.record(
        session, actor, "plan.undone", "plan_run", run.id, now=now, withdrawn=withdrawn, kept=kept
    )
    return run, withdrawn, kept
