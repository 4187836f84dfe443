"""Shifts and absences: who works when.

A shift belongs to the day on which it starts, in its technician's zone.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import literal
from sqlalchemy.dialects.postgresql import TSTZRANGE, Range
from sqlmodel import col, select
from sqlmodel.sql.expression import Select

from fsm import events
from fsm.actors import Actor
from fsm.database import Session, fetch, revise, touch
from fsm.problems import Conflict, Invalid
from fsm.technicians.queries import HeldSkill, find_technician, lock_technician
from fsm.technicians.shift_pattern import DayRange, PlannedShift
from fsm.technicians.tables import Absence, AbsenceKind, Shift, Technician

_LONGEST = timedelta(hours=24)


class Worker(msgspec.Struct, frozen=True, gc=False):
    """Whose shift it is."""

    id: UUID
    number: str
    name: str
    zone: str
    territory: str
    home_latitude: float | None
    home_longitude: float | None


class Hours(msgspec.Struct, frozen=True, gc=False):
    """A shift as it was set."""

    id: UUID
    starts_at: datetime
    ends_at: datetime
    overtime_s: int
    break_s: int
    break_earliest_s: int
    break_latest_s: int
    start_latitude: float | None
    start_longitude: float | None


class Away(msgspec.Struct, frozen=True, gc=False):
    """An absence; None is without an end on that side."""

    starts_at: datetime | None
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class WorkingShift:
    """A shift with what decides whether it can take a visit.

    `skills` are those valid on the shift's day, `absences` those that touch the shift.
    """

    shift: Hours
    on: date
    technician: Worker
    skills: list[HeldSkill]
    absences: list[Away]


def bounds(during: Range[datetime]) -> tuple[datetime, datetime]:
    """Return a shift's first instant and the one it ends before; the table refuses open shifts."""
    assert during.lower is not None
    assert during.upper is not None
    return during.lower, during.upper


def shift_day(shift: Shift, technician: Technician) -> date:
    """Return the calendar day of a shift: where its technician is, when it starts."""
    return bounds(shift.during)[0].astimezone(ZoneInfo(technician.zone)).date()


def _around(days: DayRange) -> Range[datetime]:
    """Return the instants that the days may cover anywhere on Earth (UTC−12 to UTC+14), and a shift more."""
    first = datetime.combine(days.first_on, time.min, UTC)
    last = datetime.combine(days.last_on, time.min, UTC)
    return Range(first - timedelta(hours=14), last + timedelta(hours=24 + 12))


def _shifts_around(
    actor: Actor, days: DayRange, technician_id: UUID | None
) -> Select[Shift, Technician]:
    statement = (
        select(Shift, Technician)
        .join(
            Technician,
            (col(Technician.tenant_id) == Shift.tenant_id)
            & (col(Technician.id) == Shift.technician_id),
        )
        .where(
            Shift.tenant_id == actor.tenant_id,
            col(Shift.during).op("&&")(literal(_around(days), TSTZRANGE)),
        )
    )
    if technician_id is not None:
        statement = statement.where(Shift.technician_id == technician_id)
    return statement


async def list_shifts(
    session: Session,
    actor: Actor,
    days: DayRange,
    *,
    technician_id: UUID | None = None,
    after: UUID | None = None,
    limit: int = 500,
) -> tuple[list[tuple[Shift, date]], UUID | None]:
    """Return shifts with their days in order of id, and where the next page goes on (None: nowhere).

    A page may hold fewer than `limit`: which day a shift is on is known only once it is read.
    """
    statement = _shifts_around(actor, days, technician_id).order_by(col(Shift.id)).limit(limit)
    if after is not None:
        statement = statement.where(Shift.id > after)
    rows = (await session.exec(statement)).all()
    found = [(shift, shift_day(shift, technician)) for shift, technician in rows]
    return (
        [(shift, day) for shift, day in found if day in days],
        rows[-1][0].id if len(rows) == limit else None,
    )


_WORKING = """
select t.id, t.number, t.name, t.zone, t.territory, t.home_latitude, t.home_longitude,
  s.id, lower(s.during), upper(s.during), s.overtime_s, s.break_s, s.break_earliest_s, s.break_latest_s,
  s.start_latitude, s.start_longitude
from shift s join technician t on t.tenant_id = s.tenant_id and t.id = s.technician_id
where s.tenant_id = $1 and t.is_active and s.during && tstzrange($2, $3) {whose}
order by t.number, s.during
"""
_HELD = """
select h.technician_id, k.code, k.name, h.level, h.valid_until
from technician_skill h join skill k on k.tenant_id = h.tenant_id and k.id = h.skill_id
where h.tenant_id = $1 and h.technician_id = any($2) order by k.code
"""
_AWAY = """
select technician_id, lower(during), upper(during) from absence
where tenant_id = $1 and technician_id = any($2) and during && tstzrange($3, $4) order by during
"""


async def list_working(
    session: Session,
    actor: Actor,
    days: DayRange,
    *,
    technician_ids: Collection[UUID] | None = None,
) -> list[WorkingShift]:
    """Return the shifts of active technicians on the days, in order of technician's number and start.

    `technician_ids`: of these alone; None: of all. What is pending in the session is not seen.
    """
    around = _around(days)
    whose = "" if technician_ids is None else "and s.technician_id = any($4)"
    found: list[tuple[Worker, Hours, date]] = []
    for row in await fetch(
        session,
        _WORKING.format(whose=whose),
        actor.tenant_id,
        around.lower,
        around.upper,
        *(() if technician_ids is None else (list(technician_ids),)),
    ):
        values = tuple(row)
        worker, hours = Worker(*values[:7]), Hours(*values[7:])
        on = hours.starts_at.astimezone(ZoneInfo(worker.zone)).date()
        if on in days:
            found.append((worker, hours, on))
    ids = list({worker.id for worker, _, _ in found})
    held: dict[UUID, list[HeldSkill]] = {}
    for technician_id, *skill in map(tuple, await fetch(session, _HELD, actor.tenant_id, ids)):
        held.setdefault(technician_id, []).append(HeldSkill(*skill))
    # A night shift of the last day reaches into the day after it.
    around = _around(DayRange(days.first_on, days.last_on + timedelta(days=1)))
    absences: dict[UUID, list[Away]] = {}
    for technician_id, *during in await fetch(
        session, _AWAY, actor.tenant_id, ids, around.lower, around.upper
    ):
        absences.setdefault(technician_id, []).append(Away(*during))
    return [
        WorkingShift(
            hours,
            on,
            worker,
            [skill for skill in held.get(worker.id, ()) if skill.holds_on(on)],
            [away for away in absences.get(worker.id, ()) if _touches(away, hours)],
        )
        for worker, hours, on in found
    ]


def _touches(away: Away, hours: Hours) -> bool:
    return (away.starts_at is None or away.starts_at < hours.ends_at) and (
        away.ends_at is None or away.ends_at > hours.starts_at
    )


async def add_shifts(
    session: Session,
    actor: Actor,
    now: datetime,
    technician_id: UUID,
    planned: Sequence[PlannedShift],
    *,
    overtime_s: int = 0,
    start_latitude: float | None = None,
    start_longitude: float | None = None,
    keep_existing: bool = False,
) -> list[tuple[Shift, date]]:
    """Create shifts of one technician and return them with their days.

    Where the technician already has a shift in that time: refused, naming the days; with `keep_existing`
    the present shift stays and the planned one is left out, so that doing it twice is doing it once.
    """
    technician = await lock_technician(session, actor, technician_id)
    if not planned:
        return []
    present = await session.exec(
        select(Shift).where(
            Shift.tenant_id == actor.tenant_id,
            Shift.technician_id == technician_id,
            col(Shift.during).op("&&")(
                literal(
                    Range(planned[0].starts_at, max(shift.ends_at for shift in planned)), TSTZRANGE
                )
            ),
        )
    )
    taken = [shift.during for shift in present]
    free: list[PlannedShift] = []
    clashes: list[PlannedShift] = []
    for shift in planned:
        span = Range(shift.starts_at, shift.ends_at)
        (clashes if any(span.overlaps(other) for other in taken) else free).append(shift)
    if clashes and not keep_existing:
        named = [shift.on.isoformat() for shift in clashes]
        raise Conflict(
            f"{technician.name} already has shifts in that time on {', '.join(named[:5])}"
            + (f" and {len(named) - 5} more days." if len(named) > 5 else "."),
            days=named[:366],
        )
    rows = [
        Shift(
            tenant_id=actor.tenant_id,
            technician_id=technician_id,
            during=Range(shift.starts_at, shift.ends_at),
            overtime_s=overtime_s,
            break_s=shift.break_s,
            break_earliest_s=shift.break_earliest_s,
            break_latest_s=shift.break_latest_s,
            start_latitude=start_latitude,
            start_longitude=start_longitude,
        )
        for shift in free
    ]
    session.add_all(rows)
    await session.flush()
    if rows:
        await events.record(
            session,
            actor,
            "shifts.created",
            "technician",
            technician_id,
            now=now,
            count=len(rows),
            first_on=free[0].on.isoformat(),
            last_on=free[-1].on.isoformat(),
        )
        touch(session, *rows)
    return [(row, shift.on) for row, shift in zip(rows, free, strict=True)]


async def lock_shift(session: Session, actor: Actor, shift_id: UUID) -> tuple[Shift, Technician]:
    """Hold a shift and return it with its technician, who is not held."""
    statement = (
        select(Shift)
        .where(Shift.tenant_id == actor.tenant_id, Shift.id == shift_id)
        .with_for_update()
    )
    shift = await session.found(statement, f"No shift {shift_id}.")
    return shift, await find_technician(session, actor, shift.technician_id)


async def edit_shift(
    session: Session,
    actor: Actor,
    now: datetime,
    shift_id: UUID,
    rev: int | None,
    changes: Mapping[str, Any],
) -> tuple[Shift, date]:
    """Edit a shift; `starts_at` and `ends_at` are aware instants. Its break must fit into it."""
    shift, technician = await lock_shift(session, actor, shift_id)
    changes = dict(changes)
    lower, upper = bounds(shift.during)
    starts_at, ends_at = changes.pop("starts_at", lower), changes.pop("ends_at", upper)
    if not timedelta(0) < ends_at - starts_at <= _LONGEST:
        raise Invalid(
            "A shift ends after it starts, and lasts at most 24 hours.",
            errors=[{"at": "/ends_at", "detail": "must be within 24 hours after the start"}],
        )
    changes["during"] = Range(starts_at, ends_at)
    rest = {
        name: changes.get(name, getattr(shift, name))
        for name in ("break_s", "break_earliest_s", "break_latest_s")
    }
    length_s = (ends_at - starts_at) // timedelta(seconds=1)
    if rest["break_s"] and not (
        rest["break_earliest_s"] <= rest["break_latest_s"] <= length_s - rest["break_s"]
    ):
        raise Invalid(
            "The break must lie within the shift.",
            errors=[{"at": "/break_latest_s", "detail": "the break would end after the shift"}],
        )
    if revise(shift, rev, changes):
        await session.flush()
        await events.record(
            session,
            actor,
            "shift.edited",
            "shift",
            shift_id,
            now=now,
            technician_id=str(technician.id),
            starts_at=starts_at.isoformat(),
            ends_at=ends_at.isoformat(),
        )
        touch(session, shift)
    return shift, shift_day(shift, technician)


async def delete_shift(
    session: Session, actor: Actor, now: datetime, shift_id: UUID, rev: int | None = None
) -> None:
    """Remove a shift. With a `rev`, one that somebody changed since stays (`StaleChange`)."""
    shift, technician = await lock_shift(session, actor, shift_id)
    revise(shift, rev, {})
    starts_at, ends_at = bounds(shift.during)
    await session.delete(shift)
    await session.flush()
    await events.record(
        session,
        actor,
        "shift.deleted",
        "shift",
        shift_id,
        now=now,
        technician_id=str(technician.id),
        starts_at=starts_at.isoformat(),
        ends_at=ends_at.isoformat(),
    )
    touch(session, shift)


async def delete_shifts(
    session: Session, actor: Actor, now: datetime, technician_id: UUID, days: DayRange
) -> int:
    """Remove a technician's shifts of the days; return how many there were."""
    technician = await lock_technician(session, actor, technician_id)
    rows = await session.exec(_shifts_around(actor, days, technician_id))
    gone = [shift for shift, _ in rows if shift_day(shift, technician) in days]
    for shift in gone:
        await session.delete(shift)
    await session.flush()
    if gone:
        await events.record(
            session,
            actor,
            "shifts.deleted",
            "technician",
            technician_id,
            now=now,
            count=len(gone),
            first_on=days.first_on.isoformat(),
            last_on=days.last_on.isoformat(),
        )
        touch(session, *gone)
    return len(gone)


# --- absences ---------------------------------------------------------------------------------------------


async def list_absences(
    session: Session,
    actor: Actor,
    *,
    technician_id: UUID | None = None,
    from_at: datetime | None = None,
    until_at: datetime | None = None,
    after: UUID | None = None,
    limit: int = 100,
) -> list[Absence]:
    """Return absences in order of id that touch [from_at, until_at); a missing bound is open."""
    statement = (
        select(Absence)
        .where(
            Absence.tenant_id == actor.tenant_id,
            col(Absence.during).op("&&")(literal(_span(from_at, until_at), TSTZRANGE)),
        )
        .order_by(col(Absence.id))
        .limit(limit)
    )
    if technician_id is not None:
        statement = statement.where(Absence.technician_id == technician_id)
    if after is not None:
        statement = statement.where(Absence.id > after)
    return list(await session.exec(statement))


async def add_absence(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    technician_id: UUID,
    starts_at: datetime,
    ends_at: datetime | None = None,
    kind: AbsenceKind = AbsenceKind.LEAVE,
    note: str = "",
) -> Absence:
    """Record that a technician is away; without an end, until further notice."""
    await find_technician(session, actor, technician_id)
    absence = Absence(
        tenant_id=actor.tenant_id,
        technician_id=technician_id,
        during=_span(starts_at, ends_at),
        kind=kind,
        note=note,
    )
    session.add(absence)
    await session.flush()
    await _record_absence(session, actor, now, "absence.recorded", absence)
    return absence


async def lock_absence(session: Session, actor: Actor, absence_id: UUID) -> Absence:
    statement = (
        select(Absence)
        .where(Absence.tenant_id == actor.tenant_id, Absence.id == absence_id)
        .with_for_update()
    )
    return await session.found(statement, f"No absence {absence_id}.")


async def edit_absence(
    session: Session,
    actor: Actor,
    now: datetime,
    absence_id: UUID,
    rev: int | None,
    changes: Mapping[str, Any],
) -> Absence:
    """Edit an absence; `ends_at` None leaves its end open."""
    absence = await lock_absence(session, actor, absence_id)
    changes = dict(changes)
    changes["during"] = _span(
        changes.pop("starts_at", absence.during.lower),
        changes.pop("ends_at", absence.during.upper),
    )
    if revise(absence, rev, changes):
        await session.flush()
        await _record_absence(session, actor, now, "absence.edited", absence)
    return absence


async def delete_absence(
    session: Session, actor: Actor, now: datetime, absence_id: UUID, rev: int | None = None
) -> None:
    """Remove an absence. With a `rev`, one that somebody changed since stays (`StaleChange`)."""
    absence = await lock_absence(session, actor, absence_id)
    revise(absence, rev, {})
    await session.delete(absence)
    await session.flush()
    await _record_absence(session, actor, now, "absence.deleted", absence)


def _span(starts_at: datetime | None, ends_at: datetime | None) -> Range[datetime]:
    if starts_at is not None and ends_at is not None and ends_at <= starts_at:
        raise Invalid(
            "The end must come after the start.",
            errors=[{"at": "/ends_at", "detail": "not after the start"}],
        )
    return Range(starts_at, ends_at)


async def _record_absence(
    session: Session, actor: Actor, now: datetime, kind: str, absence: Absence
) -> None:
    """Record when somebody is away. Why stays out of history, which nothing can be erased from."""
    await events.record(
        session,
        actor,
        kind,
        "absence",
        absence.id,
        now=now,
        **msgspec.to_builtins(
            {
                "technician_id": absence.technician_id,
                "starts_at": absence.during.lower,
                "ends_at": absence.during.upper,
            }
        ),
    )
