"""What of a plan falls due on one asset, and when: by the calendar, by a counter, whichever comes first.

A calendar counted *from the plan* gives a set of days, whatever was done. Everything else is a chain: each
occurrence is counted from the one before, from when it was due (`from the plan`) or from when it was done
(`from the completion`). The first occurrences of a chain are history; those nobody has been sent for move
with every new reading and completion.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta

from fsm.maintenance import occurrences
from fsm.maintenance.meter_forecast import MeterHistory
from fsm.maintenance.occurrences import Pause

MOST = 400
"""Occurrences of a plan on one asset that are looked at together."""

LOOK_BACK = timedelta(days=400)
"""How far back is looked for what fell due unnoticed, such as while no worker ran."""


class TriggerKind(StrEnum):
    CALENDAR = "calendar"
    METER = "meter"
    CONDITION = "condition"


class CountsFrom(StrEnum):
    PLAN = "plan"
    COMPLETION = "completion"


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a plan falls due. `rule` is for the calendar; `every` units or `or_months`, for a counter."""

    kind: TriggerKind
    counts_from: CountsFrom
    starts_on: date
    due_min: int
    ends_on: date | None = None
    rule: str | None = None
    every: Decimal | None = None
    or_months: int | None = None
    pauses: tuple[Pause, ...] = ()
    early_days: int | None = None
    late_days: int | None = None
    lead_days: int = 14


@dataclass(frozen=True, slots=True)
class Subject:
    """The asset that a plan is followed on. What fell due before `since_at` is not made up for."""

    zone: ZoneInfo
    in_service_at: datetime
    since_at: datetime
    meter: MeterHistory | None = None


@dataclass(frozen=True, slots=True)
class Due:
    """One occurrence. `lo_at` and `hi_at` bound a forecast (90 %); `hi_at` None: it may never come.

    `interval_s` is the time since the one before, or to the one after; `meter_total` what the counter has
    run then.
    """

    key: str
    due_at: datetime
    cause: TriggerKind
    interval_s: int | None
    lo_at: datetime
    hi_at: datetime | None
    meter_total: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Past:
    """A link of a chain that is history: somebody was sent, or it was passed over.

    `is_over` is false while the work goes on; without `done_at` the next one is counted from `due_at`.
    """

    key: str
    due_at: datetime
    is_over: bool
    done_at: datetime | None = None
    meter_total: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Chain:
    """What a chain goes on from: its history in order, and the keys of what is known but not begun."""

    past: tuple[Past, ...] = ()
    open_keys: tuple[str, ...] = ()
    used: int = 0
    """The highest number given so far, also to what was withdrawn."""


def is_chain(schedule: Schedule) -> bool:
    return schedule.kind is TriggerKind.METER or (
        schedule.kind is TriggerKind.CALENDAR and schedule.counts_from is CountsFrom.COMPLETION
    )


def tolerance(schedule: Schedule, interval_s: int | None) -> tuple[timedelta, timedelta]:
    """Return how much earlier and later than due is in time: a tenth of the interval, unless said."""
    tenth = timedelta(seconds=(interval_s or 0) // 10)
    early, late = schedule.early_days, schedule.late_days
    return (
        tenth if early is None else timedelta(days=early),
        tenth if late is None else timedelta(days=late),
    )


def list_due(
    schedule: Schedule,
    subject: Subject,
    to_at: datetime,
    *,
    chain: Chain | None = None,
    assume_done_at: datetime | None = None,
) -> list[Due]:
    """Return what falls due before `to_at` in order; of a chain, what follows its history.

    `assume_done_at` is for looking ahead: work under way is taken to be done then, later work when due.
    Without it a chain counted from completions ends where work is still to be done.
    """
    match schedule.kind:
        case TriggerKind.CONDITION:
            return []
        case TriggerKind.CALENDAR if schedule.counts_from is CountsFrom.PLAN:
            return _by_calendar(schedule, subject, to_at)
        case _:
            return list(_follow(schedule, subject, to_at, chain or Chain(), assume_done_at))


# --- the calendar, from the plan --------------------------------------------------------------------------


def _by_calendar(schedule: Schedule, subject: Subject, to_at: datetime) -> list[Due]:
    assert schedule.rule is not None
    rule, starts_on = schedule.rule, schedule.starts_on
    found = []
    for day, at in occurrences.expand(
        rule, starts_on, schedule.due_min, subject.zone, subject.since_at, to_at
    ):
        if occurrences.is_paused(schedule.pauses, day) or _has_ended(schedule, day):
            continue
        following = occurrences.next_day(rule, starts_on, day)
        gap = None if following is None else int((following - day).total_seconds())
        found.append(Due(day.isoformat(), at, TriggerKind.CALENDAR, gap, at, at))
    return found[-MOST:]


def _has_ended(schedule: Schedule, day: date) -> bool:
    return schedule.ends_on is not None and day > schedule.ends_on


# --- chains -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Anchor:
    """What the next link is counted from."""

    at: datetime
    total: Decimal | None
    is_first: bool = False


def _follow(
    schedule: Schedule,
    subject: Subject,
    to_at: datetime,
    chain: Chain,
    assume_done_at: datetime | None,
) -> Iterator[Due]:
    anchor = _last_anchor(schedule, subject, chain, assume_done_at)
    keys = _keys(chain)
    for place in range(MOST):
        due = None if anchor is None else _next(schedule, subject, anchor)
        # What is known keeps its place in the chain, however far a new reading moves it away.
        if due is None or (due.due_at >= to_at and place >= len(chain.open_keys)):
            return
        yield replace(due, key=next(keys))
        if schedule.counts_from is CountsFrom.PLAN:
            anchor = _Anchor(due.due_at, due.meter_total)
        elif assume_done_at is None:
            return
        else:
            done_at = max(due.due_at, assume_done_at)
            anchor = _Anchor(done_at, _total(subject, done_at))


def _keys(chain: Chain) -> Iterator[str]:
    """Yield the numbers of what is known and not begun, then new ones."""
    yield from chain.open_keys
    number = chain.used
    while True:
        number += 1
        yield f"#{number}"


def _last_anchor(
    schedule: Schedule, subject: Subject, chain: Chain, assume_done_at: datetime | None
) -> _Anchor | None:
    if not chain.past:
        begins_at = occurrences.due_at(schedule.starts_on, schedule.due_min, subject.zone)
        begins_at = max(begins_at, subject.in_service_at)
        # Targets of the counter that were passed before the plan are not made up for.
        counted_at = max(begins_at, subject.since_at)
        return _Anchor(begins_at, _total(subject, counted_at), is_first=True)
    last = chain.past[-1]
    if schedule.counts_from is CountsFrom.PLAN:
        total = last.meter_total
        return _Anchor(last.due_at, _total(subject, last.due_at) if total is None else total)
    if not last.is_over and assume_done_at is None:
        return None
    done_at = last.done_at or (last.due_at if last.is_over else assume_done_at)
    assert done_at is not None
    return _Anchor(done_at, _total(subject, done_at))


def _total(subject: Subject, at: datetime) -> Decimal | None:
    return None if subject.meter is None else subject.meter.total_at(at)


def _next(schedule: Schedule, subject: Subject, anchor: _Anchor) -> Due | None:
    if schedule.kind is TriggerKind.METER:
        due = _by_meter(schedule, subject, anchor)
    else:
        due = _by_distance(schedule, subject, anchor)
    if due is None:
        return None
    day = due.due_at.astimezone(subject.zone).date()
    if occurrences.is_paused(schedule.pauses, day):
        day = occurrences.resumes_on(schedule.pauses, day)
        at = occurrences.due_at(day, schedule.due_min, subject.zone)
        hi_at = None if due.hi_at is None else max(at, due.hi_at)
        due = replace(due, due_at=at, lo_at=max(at, due.lo_at), hi_at=hi_at)
    return None if _has_ended(schedule, day) else due


def _by_distance(schedule: Schedule, subject: Subject, anchor: _Anchor) -> Due:
    """Return the first due date as the plan states it, later ones at the rule's distance."""
    assert schedule.rule is not None
    step = occurrences.step_of(schedule.rule)
    begins_at = occurrences.due_at(schedule.starts_on, schedule.due_min, subject.zone)
    if anchor.is_first and anchor.at == begins_at:
        at = begins_at
        before = occurrences.due_at(schedule.starts_on - step, schedule.due_min, subject.zone)
    else:
        before = anchor.at
        at = _stepped(schedule, subject, anchor.at, step)
    return Due("", at, TriggerKind.CALENDAR, _whole_seconds(before, at), at, at)


def _stepped(
    schedule: Schedule, subject: Subject, from_at: datetime, step: relativedelta
) -> datetime:
    day = from_at.astimezone(subject.zone).date() + step
    return occurrences.due_at(day, schedule.due_min, subject.zone)


def _by_meter(schedule: Schedule, subject: Subject, anchor: _Anchor) -> Due | None:
    """Return when the counter has run `every` more, or the months are over, whichever comes first.

    The first target is a multiple of `every`: services fall due at 500, 1,000, 1,500 h on the counter.
    """
    assert schedule.every is not None
    target = None
    if anchor.total is not None:
        whole = anchor.total // schedule.every if anchor.is_first else None
        target = anchor.total + schedule.every if whole is None else (whole + 1) * schedule.every
    read = None if target is None or subject.meter is None else subject.meter.when(target)
    cap = _cap(schedule, subject, anchor)
    if read is not None and (cap is None or read.at <= cap):
        # Interpolated, a target may seem passed before what it is counted from.
        at = max(read.at, anchor.at)
        hi_at = read.hi_at if cap is None else min(read.hi_at or cap, cap)
        return Due(
            "",
            at,
            TriggerKind.METER,
            _whole_seconds(anchor.at, at),
            min(read.lo_at, at),
            None if hi_at is None else max(hi_at, at),
            target,
        )
    if cap is None:
        return None
    soonest = cap if read is None else min(read.lo_at, cap)
    return Due(
        "",
        cap,
        TriggerKind.CALENDAR,
        _whole_seconds(anchor.at, cap),
        soonest,
        cap,
        _total(subject, cap),
    )


def _cap(schedule: Schedule, subject: Subject, anchor: _Anchor) -> datetime | None:
    """Return when the months are over; counted from the plan, not before it was made."""
    if schedule.or_months is None:
        return None
    months = schedule.or_months
    cap = _stepped(schedule, subject, anchor.at, relativedelta(months=months))
    while anchor.is_first and schedule.counts_from is CountsFrom.PLAN and cap < subject.since_at:
        months += schedule.or_months
        cap = _stepped(schedule, subject, anchor.at, relativedelta(months=months))
    return cap


def _whole_seconds(from_at: datetime, to_at: datetime) -> int:
    return int((to_at - from_at).total_seconds())
