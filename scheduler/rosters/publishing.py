"""A roster becomes shifts, and is withdrawn again.

Shifts are made and removed by the doors that everybody uses (`fsm.technicians.working_time`), so phones hear
of them and history tells of each. What has begun stays: only days after today are touched.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlmodel import col, func, select

from fsm import events
from fsm.actors import Actor
from fsm.database import Session
from fsm.problems import NotFound
from fsm.technicians.shift_pattern import Break, DayRange, PatternShift, PlannedShift, expand
from fsm.technicians.tables import Shift, Technician
from fsm.technicians.working_time import add_shifts, delete_shift
from fsm.tenants.queries import find_own_tenant
from scheduler.rosters.inputs import list_patterns
from scheduler.rosters.problem import WEEK
from scheduler.rosters.queries import (
    RosterNotReady,
    list_duties,
    lock_published,
    lock_roster,
)
from scheduler.rosters.tables import DutyState, RosterDuty, RosterPattern, RosterRun, RosterStatus


@dataclass(slots=True)
class Published:
    """What publishing did: shifts made, kept as they were, taken away; and what it had to leave out, why."""

    run: RosterRun
    created: int = 0
    kept: int = 0
    removed: int = 0
    skipped: list[dict[str, Any]] = field(default_factory=list)

    def skip(self, duty: RosterDuty, why: str) -> None:
        self.skipped.append(
            {
                "technician_id": str(duty.technician_id),
                "on": duty.worked_on.isoformat(),
                "why": why,
            }
        )


async def publish(session: Session, actor: Actor, now: datetime, roster_id: UUID) -> Published:
    """Turn a roster into shifts, in place of what was published for its days before.

    What changed since it was made is not overridden: somebody who has left, a day that has begun, or a time
    in which a shift has been entered by hand is skipped and said.
    """
    run = await lock_roster(session, actor, roster_id)
    if run.status != RosterStatus.READY:
        raise RosterNotReady(
            f"This roster is {run.status}; only one that is ready can be published.",
            roster_status=run.status,
            failure=run.failure,
        )
    done = Published(run)
    today = await _today(session, actor, now)
    last_on = run.starts_on + timedelta(days=run.weeks * WEEK - 1)
    first_on = max(run.starts_on, today + timedelta(days=1))
    patterns = {one.id: one for one in await list_patterns(session, actor)}
    technicians = await _technicians(session, actor)
    wanted: dict[tuple[UUID, date], RosterDuty] = {}
    for duty in await list_duties(session, actor, run.id):
        if duty.pattern_id is None:
            continue
        if duty.worked_on < first_on:
            done.skip(duty, "begun")
        elif duty.technician_id not in technicians:
            done.skip(duty, "technician_left")
        else:
            wanted[duty.technician_id, duty.worked_on] = duty
    replaced = await _replace(session, actor, now, done, wanted, first_on, last_on)
    await _create(session, actor, now, done, wanted, patterns, technicians)
    await _close_replaced(session, actor, replaced)
    run.status = RosterStatus.PUBLISHED
    run.published_at, run.published_by = now, actor.name
    run.rev += 1
    await session.flush()
    await events.record(
        session,
        actor,
        "roster.published",
        "roster_run",
        run.id,
        now=now,
        created=done.created,
        kept=done.kept,
        removed=done.removed,
        skipped=len(done.skipped),
    )
    return done


async def _replace(
    session: Session,
    actor: Actor,
    now: datetime,
    done: Published,
    wanted: dict[tuple[UUID, date], RosterDuty],
    first_on: date,
    last_on: date,
) -> set[UUID]:
    """Take over shifts that stay as they are and remove the others; return the rosters they were of."""
    rosters = set()
    for old in await lock_published(session, actor, first_on, last_on):
        rosters.add(old.roster_id)
        new = wanted.get((old.technician_id, old.worked_on))
        shift_id, old.shift_id = old.shift_id, None
        old.state = DutyState.REPLACED
        if shift_id is None:
            continue
        if (
            new is not None
            and new.pattern_id == old.pattern_id
            and await _is_there(session, actor, shift_id)
        ):
            new.shift_id, new.state = shift_id, DutyState.PUBLISHED
            done.kept += 1
            continue
        done.removed += await _remove(session, actor, now, shift_id)
    return rosters


async def _create(
    session: Session,
    actor: Actor,
    now: datetime,
    done: Published,
    wanted: dict[tuple[UUID, date], RosterDuty],
    patterns: dict[UUID, RosterPattern],
    technicians: dict[UUID, Technician],
) -> None:
    missing: dict[UUID, list[RosterDuty]] = defaultdict(list)
    for duty in wanted.values():
        if duty.shift_id is None:
            missing[duty.technician_id].append(duty)
    # In order of technicians, whom `add_shifts` locks.
    for technician_id, duties in sorted(missing.items()):
        zone = ZoneInfo(technicians[technician_id].zone)
        planned: dict[date, PlannedShift] = {}
        for duty in duties:
            assert duty.pattern_id is not None
            shift = _shift(patterns[duty.pattern_id], duty.worked_on, zone)
            if shift is not None:
                planned[duty.worked_on] = shift
        shifts = sorted(planned.values(), key=lambda each: each.starts_at)
        made = await add_shifts(session, actor, now, technician_id, shifts, keep_existing=True)
        by_day = {on: shift.id for shift, on in made}
        for duty in duties:
            if duty.worked_on in by_day:
                duty.shift_id, duty.state = by_day[duty.worked_on], DutyState.PUBLISHED
                done.created += 1
            else:
                done.skip(duty, "taken")


def _shift(pattern: RosterPattern, on: date, zone: ZoneInfo) -> PlannedShift | None:
    rest = None
    if pattern.break_s:
        rest = Break(pattern.break_s, pattern.break_earliest_min, pattern.break_latest_min)
    line = PatternShift(on.weekday(), pattern.starts_min, pattern.ends_min, rest)
    return next(iter(expand([line], zone, DayRange(on, on))), None)


async def withdraw(session: Session, actor: Actor, now: datetime, roster_id: UUID) -> Published:
    """Take back a roster: the shifts to come that are still its own go, and it is over.

    One that was never published is put aside.
    """
    run = await lock_roster(session, actor, roster_id)
    if run.status in (RosterStatus.WITHDRAWN, RosterStatus.REPLACED):
        raise RosterNotReady(f"This roster is {run.status} already.", roster_status=run.status)
    done = Published(run)
    today = await _today(session, actor, now)
    for duty in await list_duties(session, actor, run.id):
        if duty.state == DutyState.PUBLISHED and duty.worked_on <= today:
            done.skip(duty, "begun")
        elif duty.state in (DutyState.PUBLISHED, DutyState.PROPOSED):
            shift_id, duty.shift_id = duty.shift_id, None
            duty.state = DutyState.WITHDRAWN
            if shift_id is not None:
                done.removed += await _remove(session, actor, now, shift_id)
    run.status = RosterStatus.WITHDRAWN
    run.rev += 1
    await session.flush()
    await events.record(
        session, actor, "roster.withdrawn", "roster_run", run.id, now=now, removed=done.removed
    )
    return done


async def _close_replaced(session: Session, actor: Actor, rosters: set[UUID]) -> None:
    """Mark the rosters of which nothing is in force any more."""
    await session.flush()
    for roster_id in sorted(rosters):
        statement = (
            select(func.count())
            .select_from(RosterDuty)
            .where(
                RosterDuty.tenant_id == actor.tenant_id,
                RosterDuty.roster_id == roster_id,
                RosterDuty.state == DutyState.PUBLISHED,
            )
        )
        if (await session.exec(statement)).one() == 0:
            (await lock_roster(session, actor, roster_id)).status = RosterStatus.REPLACED


async def _remove(session: Session, actor: Actor, now: datetime, shift_id: UUID) -> int:
    """Remove a shift; return 0 where somebody has done so already."""
    try:
        await delete_shift(session, actor, now, shift_id)
    except NotFound:
        return 0
    return 1


async def _is_there(session: Session, actor: Actor, shift_id: UUID) -> bool:
    statement = select(Shift.id).where(Shift.tenant_id == actor.tenant_id, Shift.id == shift_id)
    return (await session.exec(statement)).one_or_none() is not None


async def _today(session: Session, actor: Actor, now: datetime) -> date:
    tenant = await find_own_tenant(session, actor.tenant_id)
    return now.astimezone(ZoneInfo(tenant.zone)).date()


async def _technicians(session: Session, actor: Actor) -> dict[UUID, Technician]:
    statement = select(Technician).where(
        Technician.tenant_id == actor.tenant_id, col(Technician.is_active)
    )
    return {one.id: one for one in await session.exec(statement)}
