"""The service-level clock: how much business time has passed, when a promise is due, was it kept.

Business time is b(S) = |S ∩ opening hours − union of the pauses that stop the clock|, exact to
the microsecond. Due is the *smallest* t with b([start, t)) = target: when the target runs out at
closing time, that is closing time, not the next opening. Everything that happened in the field
carries bounds, because phones have wrong clocks; a verdict is given only where they agree on it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import TypeAlias
from zoneinfo import ZoneInfo

from fsm.contracts.opening_hours import (
    AROUND_THE_CLOCK,
    Calendar,
    local_day,
    openings_from,
)
from fsm.contracts.service_levels import Reopening
from fsm.intervals import (
    DAY,
    SECOND,
    Interval,
    Micros,
    clip,
    instant,
    interval,
    length,
    micros,
    subtract,
)

HORIZON_DAYS = 20 * 366
"""How far ahead a due time is looked for; beyond it the promise means nothing."""

# Later than any instant a datetime can hold: the end of what is still going on.
_FOREVER: Micros = micros(datetime.fromisoformat("9999-12-31T00:00+00:00")) + DAY

# Closing times may be skipped forward by a change of clocks, in Samoa by a day.
_LOOK_BACK = timedelta(days=2)


class NeverDue(ValueError):
    """The calendar has too few openings left for the target to run out."""


@dataclass(frozen=True, slots=True)
class ServiceHours:
    """A calendar version where a site is: opening hours are local to the site's zone."""

    calendar: Calendar
    zone: ZoneInfo


Pause: TypeAlias = tuple[datetime, datetime | None]
"""[from, to) during which the clock stands still; None while it still does."""


def business_time(
    hours: ServiceHours, from_at: datetime, to_at: datetime, pauses: Iterable[Pause] = ()
) -> timedelta:
    """Return the business time in [from_at, to_at), both aware; additive over touching spans."""
    span = interval(from_at, to_at)
    return timedelta(microseconds=_business_us(hours, span, _closed(pauses)))


def due(
    hours: ServiceHours, started_at: datetime, target_s: int, pauses: Iterable[Pause] = ()
) -> datetime | None:
    """Return the first instant, UTC, at which `target_s` of business time have passed.

    None while a pause without an end stands in the way. Raises `NeverDue` when the openings of the
    next twenty years do not suffice, at once when the calendar has none.
    """
    at = _due_us(hours, micros(started_at), _target_us(target_s), _closed(pauses))
    return None if at is None else instant(at)


@dataclass(frozen=True, slots=True)
class Moment:
    """When something happened, and when at the earliest and latest; aware, lo ≤ at ≤ hi."""

    at: datetime
    lo_at: datetime
    hi_at: datetime

    def __post_init__(self) -> None:
        if not micros(self.lo_at) <= micros(self.at) <= micros(self.hi_at):
            raise ValueError(
                f"{self.at.isoformat()} is outside its bounds "
                f"{self.lo_at.isoformat()} to {self.hi_at.isoformat()}."
            )

    @classmethod
    def exactly(cls, at: datetime) -> "Moment":
        """Return a moment known without doubt."""
        return cls(at, at, at)


@dataclass(frozen=True, slots=True)
class ClockPause:
    """A pause that stops this clock; `ended` is None while nobody has ended it."""

    began: Moment
    ended: Moment | None = None


@dataclass(frozen=True, slots=True)
class ClockStop:
    """The promised thing happened; `reopened` when it turned out not to have."""

    stopped: Moment
    reopened: Moment | None = None


@dataclass(frozen=True, slots=True)
class Retarget:
    """Another priority: from `since_at` on, the whole clock is measured against `target_s`.

    Backdating it is allowed and recorded elsewhere; after the old target was breached it comes
    too late.
    """

    since_at: datetime
    target_s: int


@dataclass(frozen=True, slots=True)
class ClockHistory:
    """All that happened to one clock. Stops ascend; each but the last was reopened."""

    target_s: int
    started: Moment | None = None
    pauses: tuple[ClockPause, ...] = ()
    stops: tuple[ClockStop, ...] = ()
    retargets: tuple[Retarget, ...] = ()
    cancelled: Moment | None = None

    def __post_init__(self) -> None:
        for earlier, later in pairwise(self.stops):
            if earlier.reopened is None:
                raise ValueError("A clock that stopped and was not reopened cannot stop again.")
            if micros(later.stopped.at) < micros(earlier.reopened.at):
                raise ValueError("A clock stops after it was reopened, not before.")


class ClockState(StrEnum):
    """What is known of a promise. `met`, `breached` and `disputed` count; the others do not."""

    NOT_STARTED = "not_started"
    RUNNING = "running"
    PAUSED = "paused"
    MET = "met"
    BREACHED = "breached"
    DISPUTED = "disputed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class ClockReading:
    """A clock at one instant.

    `due_by` and `elapsed` follow the stated times, `earliest_due_by` and `latest_due_by` the
    bounds. A due instant is None while a pause keeps it open.
    """

    state: ClockState
    target_s: int
    started_at: datetime | None = None
    stopped_at: datetime | None = None
    due_by: datetime | None = None
    earliest_due_by: datetime | None = None
    latest_due_by: datetime | None = None
    elapsed: timedelta = timedelta()


def read_clock(
    hours: ServiceHours,
    history: ClockHistory,
    as_of: datetime,
    reopening: Reopening = Reopening.RESUME,
) -> tuple[ClockReading, ...]:
    """Return what was true at `as_of`, one reading per clock: reopening may have begun a new one.

    What begins after `as_of` has not happened. For one history a later `as_of` never takes a
    breach back: whatever happens after a due instant cannot move it.
    """
    now = micros(as_of)
    if history.started is None or micros(history.started.lo_at) > now:
        return (ClockReading(ClockState.NOT_STARTED, history.target_s),)
    started = _Span.of(history.started)
    pauses = [
        _Pause(_Span.of(pause.began), _happened(pause.ended, now))
        for pause in history.pauses
        if micros(pause.began.lo_at) <= now
    ]
    readings: list[ClockReading] = []
    stopped: _Span | None = None
    for stop in history.stops:
        stopped = _happened(stop.stopped, now)
        if stopped is None:
            break
        reopened = _happened(stop.reopened, now)
        if reopened is None:
            break
        if reopening is Reopening.RESUME:
            pauses.append(_Pause(stopped, reopened))
        else:
            readings.append(_read(hours, history, started, pauses, stopped, now))
            started = reopened
        stopped = None
    readings.append(_read(hours, history, started, pauses, stopped, now))
    return tuple(readings)


@dataclass(frozen=True, slots=True)
class _Span:
    """A `Moment` in microseconds."""

    at: Micros
    lo: Micros
    hi: Micros

    @classmethod
    def of(cls, moment: Moment) -> "_Span":
        return cls(micros(moment.at), micros(moment.lo_at), micros(moment.hi_at))


@dataclass(frozen=True, slots=True)
class _Pause:
    began: _Span
    ended: _Span | None

    def stated(self) -> Interval:
        return _ordered(self.began.at, self.ended.at if self.ended else _FOREVER)

    def shortest(self) -> Interval:
        return _ordered(self.began.hi, self.ended.lo if self.ended else _FOREVER)

    def longest(self) -> Interval:
        return _ordered(self.began.lo, self.ended.hi if self.ended else _FOREVER)


def _read(
    hours: ServiceHours,
    history: ClockHistory,
    started: _Span,
    pauses: list[_Pause],
    stopped: _Span | None,
    now: Micros,
) -> ClockReading:
    """Read one clock from its start to its stop, its cancellation or `now`."""
    cancelled = None if stopped else _happened(history.cancelled, now)
    ended = stopped or cancelled
    # A pause that is open when the clock ends ends with it, or there would be no due instant.
    cut = ended.hi if ended else _FOREVER
    stated = _cut([pause.stated() for pause in pauses], cut)
    shortest = _cut([pause.shortest() for pause in pauses], cut)
    longest = _cut([pause.longest() for pause in pauses], cut)

    target_s = history.target_s
    latest = _due_us(hours, started.hi, _target_us(target_s), longest)
    over = ended.lo if ended else now
    for change in sorted(history.retargets, key=lambda each: micros(each.since_at)):
        since = micros(change.since_at)
        if since > over or (latest is not None and latest < since):
            break
        target_s = change.target_s
        latest = _due_us(hours, started.hi, _target_us(target_s), longest)
    target = _target_us(target_s)
    earliest = _due_us(hours, started.lo, target, shortest)
    due_at = _due_us(hours, started.at, target, stated)

    if ended is None:
        if latest is not None and latest < now:
            state = ClockState.BREACHED
        elif earliest is not None and earliest < now:
            state = ClockState.DISPUTED
        elif any(begins <= now < ends for begins, ends in stated):
            state = ClockState.PAUSED
        else:
            state = ClockState.RUNNING
    elif earliest is None or ended.hi <= earliest:
        state = ClockState.MET if stopped else ClockState.CANCELLED
    elif latest is not None and ended.lo > latest:
        state = ClockState.BREACHED
    else:
        state = ClockState.DISPUTED
    until = max(started.at, ended.at if ended else now)
    return ClockReading(
        state=state,
        target_s=target_s,
        started_at=instant(started.at),
        stopped_at=instant(stopped.at) if stopped else None,
        due_by=_instant(due_at),
        earliest_due_by=_instant(earliest),
        latest_due_by=_instant(latest),
        elapsed=timedelta(microseconds=_business_us(hours, (started.at, until), stated)),
    )


def _happened(moment: Moment | None, now: Micros) -> _Span | None:
    """Return the moment unless it lies wholly after `now`."""
    if moment is None or micros(moment.lo_at) > now:
        return None
    return _Span.of(moment)


def _ordered(begins: Micros, ends: Micros) -> Interval:
    """Return the pause, empty when its bounds overlap so far that it may have had no length."""
    return begins, max(begins, ends)


def _cut(pauses: Iterable[Interval], at: Micros) -> list[Interval]:
    return [(begins, min(ends, at)) for begins, ends in pauses if begins < at]


def _instant(at: Micros | None) -> datetime | None:
    return None if at is None else instant(at)


def _closed(pauses: Iterable[Pause]) -> list[Interval]:
    closed: list[Interval] = []
    for from_at, to_at in pauses:
        if to_at is None:
            closed.append((micros(from_at), _FOREVER))
        else:
            closed.append(interval(from_at, to_at))
    return closed


def _target_us(target_s: int) -> Micros:
    if target_s < 0:
        raise ValueError(f"A target of {target_s} s lies in the past.")
    return target_s * SECOND


def _openings(hours: ServiceHours, from_us: Micros) -> Iterator[Interval]:
    """Yield the openings that close after `from_us`, the first one clipped to begin there."""
    if hours.calendar.around_the_clock:
        yield from_us, _FOREVER
        return
    today = local_day(from_us, hours.zone)
    # Without a last day, a calendar of special days alone would be searched to the year 9999.
    last_on = today + timedelta(days=HORIZON_DAYS)
    days = openings_from(hours.calendar, hours.zone, today - _LOOK_BACK, last_on)
    for begins, ends in days:
        if ends > from_us:
            yield max(begins, from_us), ends


def _business_us(hours: ServiceHours, span: Interval, pauses: Iterable[Interval]) -> Micros:
    begins, ends = span
    open_time: list[Interval] = []
    if begins < ends:
        if hours.calendar.around_the_clock:
            open_time.append(span)
        else:
            first_on = local_day(begins, hours.zone) - _LOOK_BACK
            last_on = local_day(ends, hours.zone)
            days = openings_from(hours.calendar, hours.zone, first_on, last_on)
            open_time.extend(clip(days, span))
    return length(subtract(open_time, pauses))


def _due_us(
    hours: ServiceHours, started: Micros, target: Micros, pauses: Iterable[Interval]
) -> Micros | None:
    """Return the smallest t with b([started, t)) = target; None when a pause has no end."""
    if target == 0:
        return started
    stops = sorted(pauses)
    paused_for_ever = min((begins for begins, ends in stops if ends >= _FOREVER), default=None)
    _refuse_when_nothing_opens(hours, started)
    horizon = started + HORIZON_DAYS * DAY
    left = target
    for opening in _openings(hours, started):
        for begins, ends in subtract((opening,), stops):
            if ends - begins >= left:
                if begins + left > horizon:
                    break
                return begins + left
            left -= ends - begins
        if paused_for_ever is not None and opening[1] >= paused_for_ever:
            return None
    raise NeverDue(
        f"The calendar has not enough openings within {HORIZON_DAYS} days of "
        f"{instant(started).isoformat()} for {target // SECOND} s of business time."
    )


def _refuse_when_nothing_opens(hours: ServiceHours, started: Micros) -> None:
    """Spare a search of twenty years when the calendar has no openings from `started` on."""
    if hours.calendar.opens_every_week:
        return
    last_on = hours.calendar.last_special_on
    # Two days of grace: the last opening may run past midnight.
    if last_on is None or last_on + _LOOK_BACK < local_day(started, hours.zone):
        raise NeverDue(
            f"The calendar has no opening after {instant(started).isoformat()}, "
            "so nothing can become due."
        )


__all__ = [
    "AROUND_THE_CLOCK",
    "HORIZON_DAYS",
    "Calendar",
    "ClockHistory",
    "ClockPause",
    "ClockReading",
    "ClockState",
    "ClockStop",
    "Moment",
    "NeverDue",
    "Pause",
    "Reopening",
    "Retarget",
    "ServiceHours",
    "business_time",
    "due",
    "read_clock",
]
