"""The hours of one person's month by day, by the rule of `formulae.people` that the figures are made of.

A day is one of the technician's zone: 23 or 25 hours long where the clocks change. What lies over midnight
counts on both days, each its part, so the days add up to the month. Recorded times that overlap count once:
within their kind, and in `recorded_s` and `paid_s` across kinds.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

import msgspec

from fsm.intervals import SECOND, Interval, clip, instant, interval, length
from fsm.work_orders.records import TimeKind
from reports.formulae.people import Person, Shift, person_time
from reports.months import day_begins, next_month
from reports.results import NullReason, Provisional
from reports.rows import Period, Span, closed

_PAID_BESIDE = (TimeKind.WAIT, TimeKind.ADMIN)


@dataclass(frozen=True, slots=True)
class Entry:
    """A time that was recorded and not corrected since."""

    id: UUID
    kind: str
    during: tuple[datetime, datetime]
    work_order_id: UUID
    number: str
    visit_id: UUID | None
    needs_review: bool


@dataclass(frozen=True, slots=True)
class Recorded:
    """All that is known of one person's month; shifts are whole where the month cuts them."""

    entries: tuple[Entry, ...] = ()
    shifts: tuple[Shift, ...] = ()
    absences: tuple[Span, ...] = ()


class Hours(msgspec.Struct, frozen=True):
    """Seconds, unrounded. Null is not 0: of a kind nothing was recorded, or there was no shift.

    `on_duty_s` is net of absences and the shifts' breaks; `paid_s` adds what was recorded outside shifts, and
    `overtime_s` is the work outside them. Breaks are neither paid nor part of `recorded_s`.
    """

    work_s: float | None
    travel_s: float | None
    wait_s: float | None
    admin_s: float | None
    break_s: float | None
    recorded_s: float | None
    on_duty_s: float | None
    paid_s: float | None
    overtime_s: float | None


class TimesheetLine(msgspec.Struct, frozen=True):
    """What of a recorded time lies on the day. One that goes over midnight has a line on both."""

    entry_id: UUID
    kind: str
    starts_at: datetime
    ends_at: datetime
    seconds: float
    work_order_id: UUID
    number: str
    visit_id: UUID | None
    needs_review: bool
    is_overlapping: bool


class TimesheetDay(msgspec.Struct, frozen=True):
    """A day with a shift or with something recorded; every other day is left out."""

    on: date
    hours: Hours
    lines: list[TimesheetLine]


class Timesheet(msgspec.Struct, frozen=True):
    """One technician's month, as known at `as_of`; `null_reason` where there is nothing to add up."""

    technician_id: UUID
    number: str
    name: str
    month: str
    from_at: datetime = msgspec.field(name="from")
    to_at: datetime = msgspec.field(name="to")
    zone: str
    hours: Hours
    null_reason: NullReason | None
    days: list[TimesheetDay]
    provisional: Provisional | None
    as_of: datetime
    watermark: int
    late_events: int


def month_period(first: date, zone: str, as_of: datetime) -> Period:
    """Return the month of the zone that begins on this day."""
    return Period(day_begins(first, zone), day_begins(next_month(first), zone), as_of)


def hours_of(recorded: Recorded, period: Period) -> Hours:
    """Return what a person's time in a window adds up to."""
    spans = _by_kind(recorded)
    time = person_time(
        Person(
            "",
            recorded.shifts,
            recorded.absences,
            spans[TimeKind.WORK],
            spans[TimeKind.TRAVEL],
            tuple(span for kind in _PAID_BESIDE for span in spans[kind]),
        ),
        period,
    )
    has_shift = bool(_seen((shift.during for shift in recorded.shifts), period))

    def seconds(*kinds: TimeKind) -> float | None:
        pieces = _seen((span for kind in kinds for span in spans[kind]), period)
        return length(pieces) / SECOND if pieces else None

    return Hours(
        work_s=seconds(TimeKind.WORK),
        travel_s=seconds(TimeKind.TRAVEL),
        wait_s=seconds(TimeKind.WAIT),
        admin_s=seconds(TimeKind.ADMIN),
        break_s=seconds(TimeKind.BREAK),
        recorded_s=seconds(*(kind for kind in TimeKind if kind is not TimeKind.BREAK)),
        on_duty_s=time.on_duty / SECOND if has_shift else None,
        paid_s=time.paid / SECOND if time.is_known else None,
        overtime_s=(time.hands_on - time.hands_on_duty) / SECOND if time.is_known else None,
    )


def days_of(recorded: Recorded, first: date, zone: str, as_of: datetime) -> Iterator[TimesheetDay]:
    """Yield the days of the month on which there was anything."""
    on, end_on = first, next_month(first)
    while on < end_on:
        after = on + timedelta(1)
        period = Period(day_begins(on, zone), day_begins(after, zone), as_of)
        hours, lines = hours_of(recorded, period), _lines(recorded.entries, period)
        if lines or not is_nothing(hours):
            yield TimesheetDay(on, hours, lines)
        on = after


def is_nothing(hours: Hours) -> bool:
    """Say whether nothing was recorded and no shift was planned."""
    return all(value is None for value in msgspec.structs.astuple(hours))


def _by_kind(recorded: Recorded) -> dict[TimeKind, tuple[Span, ...]]:
    return {
        kind: tuple(entry.during for entry in recorded.entries if entry.kind == kind)
        for kind in TimeKind
    }


def _seen(spans: Iterator[Span], period: Period) -> tuple[Interval, ...]:
    return clip(closed(tuple(spans), period.until()), period.seen())


def _lines(entries: Sequence[Entry], period: Period) -> list[TimesheetLine]:
    cut: list[tuple[Entry, Interval]] = []
    for entry in entries:
        cut += [(entry, piece) for piece in clip((interval(*entry.during),), period.seen())]
    pieces = [piece for _, piece in cut]
    return [
        TimesheetLine(
            entry.id,
            entry.kind,
            instant(piece[0]),
            instant(piece[1]),
            length((piece,)) / SECOND,
            entry.work_order_id,
            entry.number,
            entry.visit_id,
            entry.needs_review,
            _overlaps(piece, pieces[:place] + pieces[place + 1 :]),
        )
        for place, (entry, piece) in enumerate(cut)
    ]


def _overlaps(piece: Interval, others: Collection[Interval]) -> bool:
    return any(max(piece[0], other[0]) < min(piece[1], other[1]) for other in others)
