"""A technician's recorded times, shifts and absences of a month, read in one snapshot."""

from datetime import date, datetime
from typing import Any, Final

from fsm.actors import Actor
from fsm.database import Session, run
from fsm.technicians.tables import Technician
from reports.formulae.people import Shift
from reports.queries import find_known
from reports.questions import Asked, Known, Question
from reports.registry import find_definition
from reports.results import NullReason, Provisional, ProvisionalReason
from reports.rows import Period
from reports.scopes import Cut, Scope
from reports.timesheets.month import (
    Entry,
    Recorded,
    Timesheet,
    days_of,
    hours_of,
    is_nothing,
    month_period,
)
from reports.unsynced_sql import keys_not_synced

SAME_RULE_AS: Final = "utilisation"
"""The figure whose rules of counting, and of what may still move, a timesheet goes by."""


async def timesheet(
    session: Session, actor: Actor, now: datetime, technician: Technician, first: date
) -> Timesheet:
    """Return a technician's month as known now; `first` is its first day."""
    period = month_period(first, technician.zone, now)
    known = await find_known(session, actor, now)
    recorded = await _recorded(session, actor, technician, period)
    hours = hours_of(recorded, period)
    return Timesheet(
        technician_id=technician.id,
        number=technician.number,
        name=technician.name,
        month=first.strftime("%Y-%m"),
        from_at=period.from_at,
        to_at=period.to_at,
        zone=technician.zone,
        hours=hours,
        null_reason=NullReason.NO_EXPOSURE if is_nothing(hours) else None,
        days=list(days_of(recorded, first, technician.zone, now)),
        provisional=await _provisional(session, actor, known, technician, period),
        as_of=now,
        watermark=known.watermark,
        late_events=known.late,
    )


async def _recorded(
    session: Session, actor: Actor, technician: Technician, period: Period
) -> Recorded:
    values = {
        "t": actor.tenant_id,
        "technician": technician.id,
        "from_at": period.from_at,
        "until_at": max(period.from_at, min(period.as_of, period.to_at)),
    }
    entries: Any = await run(session, _ENTRIES, **values)
    shifts: Any = await run(session, _SHIFTS, **values)
    absences: Any = await run(session, _ABSENCES, **values)
    return Recorded(
        tuple(Entry(id_, kind, (begins, ends), *job) for id_, kind, begins, ends, *job in entries),
        tuple(Shift((begins, ends), rest) for begins, ends, rest in shifts),
        tuple((begins, ends) for begins, ends in absences),
    )


async def _provisional(
    session: Session, actor: Actor, known: Known, technician: Technician, period: Period
) -> Provisional | None:
    question = Question(
        find_definition(SAME_RULE_AS), "share", Scope(((Cut.TECHNICIAN, technician.id),)), period
    )
    if await keys_not_synced(Asked(session, actor, known, question)):
        return Provisional(None, (ProvisionalReason.DEVICES_NOT_SYNCED,))
    return None


_ENTRIES: Final = """
select e.id, e.kind, lower(e.during), upper(e.during), e.work_order_id, w.number, e.visit_id, e.needs_review
from time_entry e
join work_order w on w.tenant_id = :t and w.id = e.work_order_id
where e.tenant_id = :t and e.technician_id = :technician
  and e.during && tstzrange(:from_at, :until_at) and not exists (
    select from time_entry c
    where c.tenant_id = :t and c.corrects_id = e.id and c.corrects_id is not null
      and c.work_order_id = e.work_order_id)
order by lower(e.during), upper(e.during), e.id
"""

_SHIFTS: Final = """
select lower(h.during), upper(h.during), make_interval(secs => h.break_s)
from shift h
where h.tenant_id = :t and h.technician_id = :technician and h.during && tstzrange(:from_at, :until_at)
order by lower(h.during)
"""

# An absence may have no end that anybody knows: only what of it lies in the month is read.
_ABSENCES: Final = """
select lower(x.during), upper(x.during)
from (select b.during * tstzrange(:from_at, :until_at) as during
      from absence b
      where b.tenant_id = :t and b.technician_id = :technician
        and b.during && tstzrange(:from_at, :until_at)) x
order by lower(x.during)
"""
