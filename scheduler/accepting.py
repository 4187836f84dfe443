"""From a plan to visits: accepted whole or in groups, and undone."""

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlmodel import col, select

from fsm import events
from fsm.actors import Actor
from fsm.database import Session
from fsm.problems import Problem
from fsm.technicians.tables import Technician
from fsm.work_orders import pick_ups, visits
from fsm.work_orders.lifecycle import LIVE_VISITS, VisitStatus, WrongStatus
from fsm.work_orders.orders import list_visits, lock_work_orders
from fsm.work_orders.tables import Visit, WorkOrder
from scheduler import accepted_pick_ups
from scheduler.acceptance import NotTogether, choose
from scheduler.accepted_links import Placed, leave_apart, list_broken, settle_undone
from scheduler.diff import after_of, before_of, compare
from scheduler.problem import DayProblem, Plan, StopKind
from scheduler.queries import PlanNotReady, lock_run, stored_plan, stored_problem
from scheduler.tables import PlanKind, PlanRun, PlanStatus

_MINUTE = timedelta(minutes=1)
_OPEN = ("open", "scheduled", "dispatched", "in_progress")


class NotAPlan(Problem):
    """What was chosen cannot be driven without the rest; `violations` says which rules it breaks."""

    code, status, title = "not-a-plan", 409, "These changes do not work without the others"


@dataclass(slots=True)
class Accepted:
    """What accepting a plan did."""

    run: PlanRun
    planned: list[Visit]
    """New and moved visits."""
    withdrawn: list[Visit]
    skipped: list[dict[str, Any]]
    """Jobs left as they are because something has changed since, with what (`why`)."""


async def accept(
    session: Session,
    actor: Actor,
    now: datetime,
    run_id: UUID,
    *,
    only: Collection[UUID] | None = None,
    groups: Collection[int] | None = None,
) -> Accepted:
    """Turn a plan, or the groups of it named by number or by the jobs in `only`, into visits.

    What has changed since the plan was made is not overridden: a job that is over, has got its visits in
    the meantime, was moved by hand or has begun is skipped with its group, and said. Jobs are locked in
    order of id. Raises `NotAPlan` where the referee has something against the rest.
    """
    run = await lock_run(session, actor, run_id)
    if run.status != PlanStatus.READY or run.kind == PlanKind.SIMULATION:
        raise PlanNotReady(
            "This plan only shows what would be. Ask for one without suppositions to accept it."
            if run.kind == PlanKind.SIMULATION and run.status == PlanStatus.READY
            else f"This plan is {run.status}; only a plan that is ready can be accepted.",
            plan_status=run.status,
            failure=run.failure,
        )
    difference = (run.result or {})["difference"]
    lines = {line["key"]: line for line in difference["lines"]}
    wanted = _wanted(difference, lines, only, groups)
    work_orders = await lock_work_orders(
        session, actor, {UUID(line["work_order_id"]) for line in lines.values()}
    )
    stale = await _stale(session, actor, run, lines, work_orders)
    together = {
        key: set(group["visits"]) for group in difference["groups"] for key in group["visits"]
    }
    left = await leave_apart(session, actor, lines, wanted, stale, together, _as_planned(run))
    chosen = wanted - left
    # Work that waited and has found another way stays out of the plan without upsetting the rest.
    left_behind = {lines[key]["kind"] for key in set(lines) - chosen}
    plan: tuple[DayProblem, Plan] | None = None
    if wanted != set(lines) or not left_behind <= {"added"}:
        plan = await _chosen_alone(run, chosen)
    elif accepted_pick_ups.has_pick_ups(run):
        plan = stored_problem(run), stored_plan(run)
    spots = _as_planned(run) if plan is None else _spots(*plan)
    doing = _Applying(session, actor, now, run, lines, spots, work_orders)
    await doing.apply(chosen, stale, plan)
    run.status = PlanStatus.ACCEPTED
    run.accepted_at = now
    run.accepted_by = actor.name
    run.applied = doing.applied
    await session.flush()
    skipped = [
        {"number": lines[key]["number"], "why": stale.get(key, "belongs_to_another")}
        for key in lines
        if key in left and key in wanted
    ]
    await events.record(
        session,
        actor,
        "plan.accepted",
        "plan_run",
        run.id,
        now=now,
        visits=len(doing.planned),
        withdrawn=len(doing.withdrawn),
        skipped=len(skipped),
    )
    return Accepted(run, doing.planned, doing.withdrawn, skipped)


def _wanted(
    difference: dict[str, Any],
    lines: dict[str, dict[str, Any]],
    only: Collection[UUID] | None,
    groups: Collection[int] | None,
) -> set[str]:
    """Return the keys of the lines that are to be accepted: whole groups, and what follows from them."""
    if only is None and groups is None:
        return set(lines)
    asked = {
        key
        for group in difference["groups"]
        for key in group["visits"]
        if (groups is not None and group["group"] in groups)
        or (
            only is not None
            and any(UUID(lines[each]["work_order_id"]) in only for each in group["visits"])
        )
    }
    # Visits that only begin at another time follow the changes on their route.
    upset = {
        _day_of(spot)
        for key in asked
        for spot in (lines[key]["before"], lines[key]["after"])
        if spot is not None
    }
    return asked | {
        key
        for key, line in lines.items()
        if line["group"] is None and line["after"] and _day_of(line["after"]) in upset
    }


def _day_of(spot: dict[str, Any]) -> tuple[str, str]:
    return spot["technician_id"], spot["starts_at"][:10]


def _as_planned(run: PlanRun) -> dict[str, Placed]:
    """Return where the plan has each visit, by its key."""
    return {
        stop["key"]: Placed(
            technician_id=UUID(route["technician_id"]),
            starts_at=datetime.fromisoformat(stop["starts_at"]),
            ends_at=datetime.fromisoformat(stop["ends_at"]),
            travel_s=stop["travel_s"],
        )
        for route in (run.result or {})["routes"]
        for stop in route["stops"]
        if stop["kind"] == StopKind.VISIT
    }


async def _chosen_alone(run: PlanRun, chosen: set[str]) -> tuple[DayProblem, Plan]:
    """Return a run's problem and the plan of the chosen changes alone: timed anew, judged by the referee."""
    problem, plan = stored_problem(run), stored_plan(run)
    lines = compare(problem, before_of(problem), after_of(plan))
    try:
        found = await asyncio.to_thread(choose, problem, plan, lines, chosen)
    except NotTogether as error:
        raise NotAPlan(
            "Without the other changes this cannot be driven: " + " ".join(error.sentences[:3]),
            violations=list(error.sentences[:50]),
        ) from None
    return problem, found.plan


def _spots(problem: DayProblem, plan: Plan) -> dict[str, Placed]:
    """Return where a plan has each visit, by its key."""
    starts_at = datetime.fromisoformat(problem.first_midnight).astimezone(UTC)
    return {
        stop.visit: Placed(
            technician_id=UUID(route.technician),
            starts_at=starts_at + timedelta(seconds=stop.start),
            ends_at=starts_at + timedelta(seconds=stop.end),
            travel_s=stop.drive_s,
        )
        for route in plan.routes
        for stop in route.stops
        if stop.kind is StopKind.VISIT and stop.visit is not None
    }


async def _stale(
    session: Session,
    actor: Actor,
    run: PlanRun,
    lines: dict[str, dict[str, Any]],
    work_orders: dict[UUID, WorkOrder],
) -> dict[str, str]:
    """Return the lines that the world has overtaken since the plan was made, with what happened."""
    seen: dict[str, list[str]] = (run.result or {})["seen"]
    spots = _as_planned(run)
    present = await _live_between(session, actor, lines)
    active = await list_active(session, actor)
    taken: Counter[UUID] = Counter()
    found: dict[str, str] = {}
    for key, line in sorted(lines.items(), key=lambda each: each[1]["work_order_id"]):
        work_order = work_orders.get(UUID(line["work_order_id"]))
        spot = spots.get(key)
        if work_order is None:
            found[key] = "gone"
        elif line["visit_id"] is not None:
            visit = present.get(UUID(line["visit_id"]))
            if visit is None or visit.status not in visits.NOT_BEGUN:
                found[key] = "begun" if visit is not None else "withdrawn"
            elif _told(visit) != seen[line["visit_id"]]:
                found[key] = "moved_since"
            elif line["kind"] == "dropped" and visit.is_pinned:
                found[key] = "pinned"
        else:
            live = visits.live(await list_visits(session, work_order))
            if work_order.crew_size <= len(live) + taken[work_order.id]:
                found[key] = "has_visit"
            elif work_order.status not in _OPEN:
                found[key] = work_order.status
            else:
                taken[work_order.id] += 1
        if key not in found and spot is not None:
            if spot.technician_id not in active:
                found[key] = "technician_left"
            elif _is_taken(spot, present.values(), seen):
                found[key] = "time_taken"
    return found


def _told(visit: Visit) -> list[str]:
    return [
        str(visit.technician_id),
        visit.planned_starts_at.isoformat(),
        visit.planned_ends_at.isoformat(),
    ]


def _is_taken(spot: Placed, present: Iterable[Visit], seen: dict[str, list[str]]) -> bool:
    """Whether a visit that the plan did not know of now stands where it puts this one."""
    return any(
        visit.technician_id == spot.technician_id
        and seen.get(str(visit.id)) != _told(visit)
        and visit.planned_starts_at < spot.ends_at
        and visit.planned_ends_at > spot.starts_at
        for visit in present
    )


async def _live_between(
    session: Session, actor: Actor, lines: dict[str, dict[str, Any]]
) -> dict[UUID, Visit]:
    """Return the live visits of everybody whom the lines are about, in the time they are about."""
    spots = [
        spot
        for line in lines.values()
        for spot in (line["before"], line["after"])
        if spot is not None
    ]
    if not spots:
        return {}
    times = [datetime.fromisoformat(spot["starts_at"]) for spot in spots]
    statement = select(Visit).where(
        Visit.tenant_id == actor.tenant_id,
        col(Visit.technician_id).in_({UUID(spot["technician_id"]) for spot in spots}),
        Visit.planned_starts_at < max(times) + timedelta(days=1),
        Visit.planned_ends_at > min(times) - timedelta(days=1),
        col(Visit.status).in_([str(one) for one in LIVE_VISITS]),
    )
    return {visit.id: visit for visit in await session.exec(statement)}


class _Applying:
    """Writes the chosen lines as changes of visits, and remembers how to undo them."""

    def __init__(
        self,
        session: Session,
        actor: Actor,
        now: datetime,
        run: PlanRun,
        lines: dict[str, dict[str, Any]],
        spots: dict[str, Placed],
        work_orders: dict[UUID, WorkOrder],
    ) -> None:
        self.session, self.actor, self.now, self.run = session, actor, now, run
        self.lines, self.spots, self.work_orders = lines, spots, work_orders
        self.planned: list[Visit] = []
        self.withdrawn: list[Visit] = []
        self.applied: list[dict[str, Any]] = []
        self.made: dict[str, UUID] = {}
        """The visits that were planned, or moved into others, by their lines."""

    async def apply(
        self, chosen: set[str], stale: Collection[str], plan: tuple[DayProblem, Plan] | None
    ) -> None:
        """Write the chosen lines; `plan` is where they end, None where it has nothing to be fetched."""
        ours = self._ours(stale)
        before = await pick_ups.list_pick_ups(self.session, self.actor, set(ours.values()))
        await self._change(chosen)
        gone = {key for key in chosen if self.lines[key]["kind"] == "dropped"}
        visit_of = {key: each for key, each in (ours | self.made).items() if key not in gone}
        step = await accepted_pick_ups.write(
            self.session, self.actor, self.now, self.run, plan, visit_of, before
        )
        if step is not None:
            self.applied.append(step)

    def _ours(self, stale: Collection[str]) -> dict[str, UUID]:
        """Return the visits that the plan knew, by their keys, but for those that others changed since."""
        seen: dict[str, list[str]] = (self.run.result or {})["seen"]
        keys = self.lines.keys() | _as_planned(self.run).keys()
        return {key: UUID(key) for key in keys if key in seen and key not in stale}

    async def _change(self, chosen: set[str]) -> None:
        # What is taken away comes first, so that nobody is in two places in between.
        def order(key: str) -> tuple[bool, str, str]:
            return self.lines[key]["kind"] != "dropped", self.lines[key]["work_order_id"], key

        for key in sorted(chosen, key=order):
            line, spot = self.lines[key], self.spots.get(key)
            if line["visit_id"] is None and spot is not None:
                self.made[key] = await self._add(line, spot)
            elif line["visit_id"] is not None and spot is not None:
                self.made[key] = await self._move(UUID(line["visit_id"]), spot)
            elif line["visit_id"] is not None and line["kind"] == "dropped":
                await self._drop(UUID(line["visit_id"]))

    async def _add(self, line: dict[str, Any], spot: Placed) -> UUID:
        (visit,) = await visits.plan_visits(
            self.session,
            self.actor,
            self.now,
            [
                visits.NewVisit(
                    work_order_id=UUID(line["work_order_id"]),
                    technician_id=spot.technician_id,
                    starts_at=spot.starts_at,
                    ends_at=spot.ends_at,
                    travel_s=spot.travel_s,
                )
            ],
            plan_run_id=self.run.id,
        )
        self.planned.append(visit)
        self.applied.append({"did": "added", "visit_id": str(visit.id), "was": None})
        return visit.id

    async def _move(self, visit_id: UUID, spot: Placed) -> UUID:
        before = await visits.find_visit(self.session, self.actor, visit_id)
        was = _as_it_was(before)
        same = before.technician_id == spot.technician_id
        if same and abs(before.planned_starts_at - spot.starts_at) < _MINUTE:
            return visit_id
        changes = {
            "technician_id": spot.technician_id,
            "planned_starts_at": spot.starts_at,
            "planned_ends_at": spot.ends_at,
            "travel_s": spot.travel_s,
        }
        visit = await visits.edit_plan(self.session, self.actor, self.now, visit_id, None, changes)
        self.planned.append(visit)
        self.applied.append(
            {"did": "moved", "visit_id": str(visit.id), "was": was, "set": _told(visit)}
        )
        return visit.id

    async def _drop(self, visit_id: UUID) -> None:
        was = _as_it_was(await visits.find_visit(self.session, self.actor, visit_id))
        visit = await visits.withdraw(
            self.session, self.actor, self.now, visit_id, reason="replanned"
        )
        self.withdrawn.append(visit)
        self.applied.append({"did": "dropped", "visit_id": str(visit.id), "was": was})


def _as_it_was(visit: Visit) -> dict[str, Any]:
    return {
        "visit_id": str(visit.id),
        "work_order_id": str(visit.work_order_id),
        "technician_id": str(visit.technician_id),
        "planned_starts_at": visit.planned_starts_at.isoformat(),
        "planned_ends_at": visit.planned_ends_at.isoformat(),
        "window_starts_at": visit.window_starts_at and visit.window_starts_at.isoformat(),
        "window_ends_at": visit.window_ends_at and visit.window_ends_at.isoformat(),
        "travel_s": visit.travel_s,
        "is_dispatched": visit.status != VisitStatus.PLANNED,
    }


async def list_active(session: Session, actor: Actor) -> set[UUID]:
    """Return the technicians who can be given visits."""
    statement = select(Technician.id).where(
        Technician.tenant_id == actor.tenant_id, Technician.is_active
    )
    return set(await session.exec(statement))


@dataclass(slots=True)
class Undone:
    run: PlanRun
    withdrawn: int
    """Visits that the plan had brought and that are taken back."""
    restored: int
    """Visits that are again where they were before the plan."""
    kept: int
    """Visits that have begun or were changed since: they stay as they are."""
    despite: list[dict[str, Any]]
    """What is no longer kept of links between jobs; each names the job (`number`)."""
    back: dict[UUID, Visit]
    """The restored visits, by the ids they had before the plan."""


async def undo(
    session: Session, actor: Actor, now: datetime, run_id: UUID, reason: str | None = None
) -> Undone:
    """Take back what accepting a plan did, as far as it has not begun and nobody changed it since.

    Raises `ReasonNeeded` where that breaks a link between jobs, and there is no reason for it.
    """
    run = await lock_run(session, actor, run_id)
    if run.status != PlanStatus.ACCEPTED:
        raise WrongStatus(f"This plan is {run.status}; only an accepted one can be undone.")
    counts: Counter[str] = Counter()
    steps = run.applied or []
    of_visits = [step for step in steps if step["did"] != accepted_pick_ups.STEP]
    held = await visits.lock_visits(session, actor, {UUID(step["visit_id"]) for step in of_visits})
    jobs = {work_order.id for work_order, _ in held.values()}
    broken = await list_broken(session, actor, jobs)
    back: dict[UUID, Visit] = {}
    for step in reversed(of_visits):
        pair = held.get(UUID(step["visit_id"]))
        what, visit = (
            ("kept", None) if pair is None else await _undo(session, actor, now, step, pair[1])
        )
        counts[what] += 1
        if visit is not None:
            back[UUID(step["was"]["visit_id"])] = visit
    if len(of_visits) < len(steps):
        restored = {was: visit.id for was, visit in back.items()}
        await accepted_pick_ups.put_back(session, actor, now, steps, restored)
    run.status = PlanStatus.UNDONE
    await session.flush()
    despite = settle_undone(broken, await list_broken(session, actor, jobs), reason)
    await events.record(
        session,
        actor,
        "plan.undone",
        "plan_run",
        run.id,
        now=now,
        withdrawn=counts["withdrawn"],
        restored=counts["restored"],
        kept=counts["kept"],
        despite=[each["code"] for each in despite],
        reason=reason,
    )
    return Undone(run, counts["withdrawn"], counts["restored"], counts["kept"], despite, back)


async def _undo(
    session: Session, actor: Actor, now: datetime, step: dict[str, Any], visit: Visit
) -> tuple[str, Visit | None]:
    """Undo one step; return what came of it: `withdrawn`, `restored`, `kept` or, where it is over, `gone`.

    With it comes the visit that was restored.
    """
    not_begun = VisitStatus(visit.status) in visits.NOT_BEGUN
    was = step["was"]
    if step["did"] == "dropped":
        return await _plan_again(session, actor, now, was)
    if not not_begun:
        over = visit.status not in LIVE_VISITS and visit.status != VisitStatus.FINISHED
        return "gone" if over else "kept", None
    if step["did"] == "added":
        await visits.withdraw(session, actor, now, visit.id, reason="plan_undone")
        return "withdrawn", None
    if _told(visit) != step["set"]:
        return "kept", None
    technician_id = UUID(was["technician_id"])
    if technician_id not in await list_active(session, actor):
        return "kept", None
    changes: dict[str, Any] = {
        "technician_id": technician_id,
        "planned_starts_at": datetime.fromisoformat(was["planned_starts_at"]),
        "planned_ends_at": datetime.fromisoformat(was["planned_ends_at"]),
        "travel_s": was["travel_s"],
    }
    back = await visits.edit_plan(session, actor, now, visit.id, None, changes)
    return "restored", back


async def _plan_again(
    session: Session, actor: Actor, now: datetime, was: dict[str, Any]
) -> tuple[str, Visit | None]:
    """Plan a visit anew that accepting withdrew, unless its job is over or has got another one."""
    work_orders = await lock_work_orders(session, actor, {UUID(was["work_order_id"])})
    work_order = work_orders[UUID(was["work_order_id"])]
    live = visits.live(await list_visits(session, work_order))
    technician_id = UUID(was["technician_id"])
    if (
        len(live) >= work_order.crew_size
        or work_order.status not in _OPEN
        or technician_id not in await list_active(session, actor)
    ):
        return "kept", None
    (visit,) = await visits.plan_visits(
        session,
        actor,
        now,
        [
            visits.NewVisit(
                work_order_id=work_order.id,
                technician_id=technician_id,
                starts_at=datetime.fromisoformat(was["planned_starts_at"]),
                ends_at=datetime.fromisoformat(was["planned_ends_at"]),
                travel_s=was["travel_s"],
                window_starts_at=_instant(was["window_starts_at"]),
                window_ends_at=_instant(was["window_ends_at"]),
            )
        ],
    )
    if was["is_dispatched"]:
        await visits.dispatch(session, actor, now, visit.id)
    return "restored", visit


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
