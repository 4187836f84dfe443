"""How people's time is spent: on duty, hands on, on the way. A person's overlapping entries count once."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta

from fsm.intervals import HOUR, Intervals, Micros, clip, intersect, length, subtract, union
from reports.results import Figure, NullReason, Quantity, Share, ratio
from reports.rows import Period, Span, closed


@dataclass(frozen=True, slots=True)
class Shift:
    """A shift and the unpaid break in it."""

    during: Span
    rest: timedelta = timedelta()


@dataclass(frozen=True, slots=True)
class Person:
    """One person's shifts, absences and recorded time; `other` is waiting and office work, paid as well."""

    id: str
    shifts: tuple[Shift, ...] = ()
    absences: tuple[Span, ...] = ()
    work: tuple[Span, ...] = ()
    travel: tuple[Span, ...] = ()
    other: tuple[Span, ...] = ()
    visits: int = 0


@dataclass(frozen=True, slots=True)
class PersonTime:
    """Where a person's time in a window went; `on_duty` is net of breaks, `paid` adds work outside shifts."""

    on_duty: Micros
    paid: Micros
    hands_on: Micros
    hands_on_duty: Micros
    travel: Micros
    is_known: bool
    """Whether the person had a shift, or recorded time, in the window at all."""


def person_time(person: Person, period: Period) -> PersonTime:
    """Return a person's time. Of a shift that is cut, the same share of its break is."""
    seen, until = period.seen(), period.until()
    away = closed(person.absences, until)
    present: list[Intervals] = []
    rest = 0
    for shift in person.shifts:
        whole = closed((shift.during,), until if shift.during[1] is None else 0)
        left = subtract(clip(whole, seen), away)
        present.append(left)
        if whole:
            pause = shift.rest // timedelta(microseconds=1)
            rest += pause * length(left) // length(whole)
    duty = union(part for parts in present for part in parts)
    on_duty = sum(length(parts) for parts in present) - rest
    work, travel, other = (
        clip(closed(spans, until), seen) for spans in (person.work, person.travel, person.other)
    )
    recorded = union((*work, *travel, *other))
    outside = subtract(recorded, duty)
    return PersonTime(
        on_duty,
        on_duty + length(outside),
        length(work),
        length(intersect(work, duty)),
        length(travel),
        bool(recorded)
        or any(clip(closed((shift.during,), until), seen) for shift in person.shifts),
    )


def utilisation(people: Iterable[Person], period: Period) -> Figure:
    """Return hours hands on while on duty / hours on duty."""
    return _of_hours(people, period, lambda time: (time.hands_on_duty, time.on_duty))


def wrench(people: Iterable[Person], period: Period) -> Figure:
    """Return hours hands on / hours paid."""
    return _of_hours(people, period, lambda time: (time.hands_on, time.paid))


def travel(people: Iterable[Person], period: Period) -> Figure:
    """Return hours on the way / hours paid."""
    return _of_hours(people, period, lambda time: (time.travel, time.paid))


def overtime(people: Iterable[Person], period: Period) -> Figure:
    """Return the hours hands on outside shifts."""
    shares = []
    for person in people:
        time = person_time(person, period)
        if time.is_known:
            share = (time.hands_on - time.hands_on_duty) / HOUR
            shares.append(Share("technician", person.id, share))
    total = sum(share.numerator for share in shares)
    return Figure(
        value=float(total) if shares else None,
        unit="h",
        n=len(shares),
        null_reason=None if shares else NullReason.NO_EXPOSURE,
        numerator=Quantity(float(total), "h") if shares else None,
        denominator=None,
        shares=tuple(shares),
    )


def _of_hours(
    people: Iterable[Person],
    period: Period,
    sides: Callable[[PersonTime], tuple[Micros, Micros]],
) -> Figure:
    shares = []
    for person in people:
        time = person_time(person, period)
        above, below = sides(time)
        if not time.is_known:
            continue
        if below > 0:
            shares.append(Share("technician", person.id, above / HOUR, below / HOUR))
        else:
            shares.append(Share("technician", person.id, excluded="no_hours"))
    return ratio(
        shares,
        units=("h", "h"),
        null_reason=NullReason.NO_EXPOSURE,
        n=sum(1 for share in shares if share.excluded is None),
    )
