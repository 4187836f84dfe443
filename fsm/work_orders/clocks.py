"""A job's service-level clocks as rows: started under pinned versions, recomputed after every change.

The arithmetic is `fsm.contracts.service_hours`; a due instant is recomputed from history, never edited.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlmodel import col, select

from fsm import events
from fsm.actors import Actor
from fsm.catalogue.tables import Reason
from fsm.contracts.clocks import PinnedPolicy, hours_of
from fsm.contracts.opening_hours import calendar_from_json
from fsm.contracts.service_hours import (
    ClockHistory,
    ClockPause,
    ClockReading,
    ClockState,
    ClockStop,
    Moment,
    NeverDue,
    Retarget,
    read_clock,
)
from fsm.contracts.service_levels import ANSWERS, ClockKind, StopsAt, service_level_from_json
from fsm.contracts.tables import CalendarVersion, ServiceLevelVersion
from fsm.database import Session
from fsm.events import Occurrence
from fsm.work_orders.tables import Clock, Pause, Review, WorkOrder


async def start_clocks(
    session: Session,
    actor: Actor,
    work_order: WorkOrder,
    now: datetime,
) -> None:
    """Start each promised clock at the report, under the versions that the work order has pinned."""
    if work_order.service_level_version_id is None or work_order.calendar_version_id is None:
        return
    level = (await _policy(session, work_order)).service_level
    for kind in ClockKind:
        target = level.target(kind, work_order.priority)
        if target is not None:
            session.add(
                Clock(
                    tenant_id=actor.tenant_id,
                    work_order_id=work_order.id,
                    kind=kind,
                    service_level_version_id=work_order.service_level_version_id,
                    calendar_version_id=work_order.calendar_version_id,
                    zone=work_order.zone,
                    target_s=target.target_s,
                    started_at=work_order.reported_at,
                )
            )
    await session.flush()
    await refresh_clocks(session, actor, work_order, now)


async def stop_clocks(
    session: Session,
    actor: Actor,
    work_order: WorkOrder,
    happened: Collection[StopsAt],
    occurred: Occurrence,
    now: datetime,
) -> None:
    """Stop the clocks whose promise is fulfilled by what `happened`, and recompute.

    The first time counts, whichever phone told of it first: an earlier instant takes the place of the one
    known so far. What happened before a reopening does not stop the clock that runs since.
    """
    clocks = await _lock_clocks(session, work_order)
    if not clocks:
        return
    for clock in await _waiting_for(session, work_order, clocks, happened):
        clock.stops = _with_stop(clock.stops, occurred)
    await refresh_clocks(session, actor, work_order, now)


async def take_back_stop(
    session: Session, actor: Actor, work_order: WorkOrder, happened: StopsAt, now: datetime
) -> None:
    """Let clocks run as if they had never stopped at `happened`: it has turned out not to be so yet.

    Nothing was reopened: all of the time since counts.
    """
    clocks = [
        clock
        for clock in await _lock_clocks(session, work_order)
        if clock.stops and clock.stops[-1]["reopened"] is None
    ]
    if not clocks:
        return
    if wrongly := await _waiting_for(session, work_order, clocks, {happened}):
        for clock in wrongly:
            clock.stops = clock.stops[:-1]
        await refresh_clocks(session, actor, work_order, now)


async def reopen_clocks(
    session: Session, actor: Actor, work_order: WorkOrder, occurred: Occurrence, now: datetime
) -> None:
    """Let clocks that the repair stopped run again after a job was reopened, as the policy has it."""
    for clock in await _lock_clocks(session, work_order):
        if clock.kind not in ANSWERS and clock.stops and not clock.stops[-1]["reopened"]:
            last = {**clock.stops[-1], "reopened": _bounds(occurred)}
            clock.stops = [*clock.stops[:-1], last]
    await refresh_clocks(session, actor, work_order, now)


async def retarget_clocks(
    session: Session, actor: Actor, work_order: WorkOrder, since_at: datetime, now: datetime
) -> None:
    """Measure the clocks against the targets of the work order's present priority from `since_at` on."""
    clocks = await _lock_clocks(session, work_order)
    if not clocks:
        return
    level = (await _policy(session, work_order)).service_level
    for clock in clocks:
        target = level.target(ClockKind(clock.kind), work_order.priority)
        if target is not None:
            entry = {"since_at": since_at.isoformat(), "target_s": target.target_s}
            clock.retargets = [*clock.retargets, entry]
    await refresh_clocks(session, actor, work_order, now)


async def refresh_clocks(
    session: Session, actor: Actor, work_order: WorkOrder, now: datetime
) -> None:
    """Recompute every clock of a job as of `now` from its history; a changed due instant is an event."""
    await session.flush()
    clocks = await _lock_clocks(session, work_order)
    if not clocks:
        return
    policy = await _policy(session, work_order)
    pauses = (await _pauses(session, work_order.tenant_id, [work_order.id]))[work_order.id]
    before = (work_order.respond_by, work_order.restore_by)
    for clock in clocks:
        hours = hours_of(ClockKind(clock.kind), policy.calendar, work_order.zone)
        history = _history(policy, work_order, clock, pauses)
        try:
            reading = read_clock(hours, history, now, policy.service_level.reopening)[-1]
        except NeverDue:
            reading = _never_due(clock, history)
            await _say_never_due(session, actor, work_order, now)
        clock.due_at = reading.due_by
        clock.stopped_at = reading.stopped_at
        clock.elapsed_s = reading.elapsed // timedelta(seconds=1)
        clock.state = reading.state
    if answers := [clock for clock in clocks if clock.kind in ANSWERS]:
        work_order.respond_by = _next_due(answers)
    if repairs := [clock for clock in clocks if clock.kind not in ANSWERS]:
        work_order.restore_by = _next_due(repairs)
    if before != (work_order.respond_by, work_order.restore_by) and before != (None, None):
        await events.record(
            session,
            actor,
            "work_order.due_changed",
            "work_order",
            work_order.id,
            now=now,
            respond_by=work_order.respond_by.isoformat() if work_order.respond_by else None,
            restore_by=work_order.restore_by.isoformat() if work_order.restore_by else None,
        )


def _next_due(clocks: Sequence[Clock]) -> datetime | None:
    """Return what falls due first of the promises still open; once all are through, of all of them."""
    still_open = [clock for clock in clocks if clock.stopped_at is None] or clocks
    return min((clock.due_at for clock in still_open if clock.due_at is not None), default=None)


def _with_stop(stops: list[dict[str, Any]], occurred: Occurrence) -> list[dict[str, Any]]:
    """Return the stops of a clock with one more told of, in whatever order they are told of."""
    stop = {"stopped": _bounds(occurred), "reopened": None}
    is_stopped = bool(stops) and stops[-1]["reopened"] is None
    before = stops[:-1] if is_stopped else stops
    if before and occurred.at < _moment(before[-1]["reopened"]).at:
        return stops
    if is_stopped and occurred.at >= _moment(stops[-1]["stopped"]).at:
        return stops
    return [*before, stop]


async def _waiting_for(
    session: Session, work_order: WorkOrder, clocks: Sequence[Clock], happened: Collection[StopsAt]
) -> list[Clock]:
    """Return those of the clocks whose promise one of these instants fulfils."""
    level = (await _policy(session, work_order)).service_level
    found = []
    for clock in clocks:
        target = level.target(ClockKind(clock.kind), work_order.priority)
        if target is not None and target.stops_at in happened:
            found.append(clock)
    return found


async def list_clocks(session: Session, work_order: WorkOrder) -> list[Clock]:
    statement = (
        select(Clock)
        .where(Clock.tenant_id == work_order.tenant_id, Clock.work_order_id == work_order.id)
        .order_by(col(Clock.kind))
    )
    return list(await session.exec(statement))


async def readings_at(
    session: Session, actor: Actor, clock_ids: Sequence[UUID], as_of: datetime
) -> list[tuple[Clock, tuple[ClockReading, ...]]]:
    """Return what clocks showed at an instant, perhaps past, from their histories; nothing is written.

    A clock that a reopening began anew has several readings, the latest last. One whose calendar never opens
    long enough shows that it runs, or that it was met.
    """
    statement = (
        select(Clock, WorkOrder)
        .join(
            WorkOrder,
            (col(WorkOrder.tenant_id) == Clock.tenant_id)
            & (col(WorkOrder.id) == Clock.work_order_id),
        )
        .where(Clock.tenant_id == actor.tenant_id, col(Clock.id).in_(clock_ids))
        .order_by(col(Clock.id))
    )
    rows = (await session.exec(statement)).all()
    pauses = await _pauses(session, actor.tenant_id, [work_order.id for _, work_order in rows])
    found = []
    for clock, work_order in rows:
        policy = await _policy(session, work_order)
        hours = hours_of(ClockKind(clock.kind), policy.calendar, work_order.zone)
        history = _history(policy, work_order, clock, pauses[work_order.id])
        try:
            readings = read_clock(hours, history, as_of, policy.service_level.reopening)
        except NeverDue:
            readings = (_never_due(clock, history),)
        found.append((clock, readings))
    return found


def _never_due(clock: Clock, history: ClockHistory) -> ClockReading:
    """A promise that cannot run out is kept once the thing has happened, and runs until then."""
    is_open = not history.stops or history.stops[-1].reopened is not None
    state = ClockState.RUNNING if is_open else ClockState.MET
    return ClockReading(state, clock.target_s, clock.started_at)


async def _lock_clocks(session: Session, work_order: WorkOrder) -> list[Clock]:
    statement = (
        select(Clock)
        .where(Clock.tenant_id == work_order.tenant_id, Clock.work_order_id == work_order.id)
        .order_by(col(Clock.kind))
        .with_for_update()
    )
    return list(await session.exec(statement))


async def _policy(session: Session, work_order: WorkOrder) -> PinnedPolicy:
    """Return the pinned service level and calendar: they were checked when they were published."""
    tenant = work_order.tenant_id
    level = await session.get(ServiceLevelVersion, (tenant, work_order.service_level_version_id))
    calendar = await session.get(CalendarVersion, (tenant, work_order.calendar_version_id))
    assert level is not None
    assert calendar is not None
    return PinnedPolicy(
        level.id,
        calendar.id,
        service_level_from_json(level.body),
        calendar_from_json(calendar.body),
    )


def _history(
    policy: PinnedPolicy,
    work_order: WorkOrder,
    clock: Clock,
    pauses: list[tuple[str, ClockPause]],
) -> ClockHistory:
    """Return all that happened to one clock; pauses count where the policy stops it for their reason."""
    kind = ClockKind(clock.kind)
    cancelled = work_order.cancelled_at
    return ClockHistory(
        target_s=clock.target_s,
        started=Moment.exactly(clock.started_at),
        pauses=tuple(pause for reason, pause in pauses if policy.service_level.stops(reason, kind)),
        stops=tuple(_stop(stop) for stop in clock.stops),
        retargets=tuple(
            Retarget(datetime.fromisoformat(one["since_at"]), one["target_s"])
            for one in clock.retargets
        ),
        cancelled=Moment.exactly(cancelled) if cancelled else None,
    )


async def _pauses(
    session: Session, tenant_id: UUID, work_order_ids: Sequence[UUID]
) -> Mapping[UUID, list[tuple[str, ClockPause]]]:
    """Return the pauses of each job with their reasons' codes."""
    statement = (
        select(Reason.code, Pause)
        .join(
            Reason, (col(Reason.tenant_id) == Pause.tenant_id) & (col(Reason.id) == Pause.reason_id)
        )
        .where(Pause.tenant_id == tenant_id, col(Pause.work_order_id).in_(work_order_ids))
        .order_by(col(Pause.id))
    )
    found: dict[UUID, list[tuple[str, ClockPause]]] = {id_: [] for id_ in work_order_ids}
    for code, pause in await session.exec(statement):
        lower, upper = pause.during.lower, pause.during.upper
        assert lower is not None
        ended = Moment.exactly(upper) if upper else None
        found[pause.work_order_id].append((code, ClockPause(Moment.exactly(lower), ended)))
    return found


def _bounds(occurred: Occurrence) -> list[str]:
    return [occurred.at.isoformat(), occurred.lo_at.isoformat(), occurred.hi_at.isoformat()]


def _moment(bounds: list[str]) -> Moment:
    at, lo_at, hi_at = (datetime.fromisoformat(text) for text in bounds)
    return Moment(at, lo_at, hi_at)


def _stop(stored: dict[str, Any]) -> ClockStop:
    reopened = stored.get("reopened")
    return ClockStop(_moment(stored["stopped"]), _moment(reopened) if reopened else None)


async def _say_never_due(
    session: Session, actor: Actor, work_order: WorkOrder, now: datetime
) -> None:
    """Put it before a person, once, that a promise cannot fall due: its calendar never opens that long."""
    statement = select(Review.id).where(
        Review.tenant_id == actor.tenant_id,
        Review.work_order_id == work_order.id,
        Review.kind == "never_due",
    )
    if (await session.exec(statement)).first() is None:
        session.add(
            Review(
                tenant_id=actor.tenant_id,
                work_order_id=work_order.id,
                kind="never_due",
                raised_at=now,
            )
        )
