"""A weekly pattern of working hours in the technician's zone, expanded into shifts of single days.

Hours are wall-clock times, so a shift from 08:00 to 17:00 stays one whatever the clocks do. Only a shift
that the change itself falls into is an hour shorter or longer. Times that the clocks skip, and times that
come twice, are read as opening hours are (`fsm.contracts.opening_hours.resolve`).
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from fsm.contracts.opening_hours import WEEKDAYS, local_day, resolve
from fsm.intervals import SECOND, instant

_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
_DAY_MIN = 24 * 60

LONGEST_MIN = 23 * 60
"""A shift's greatest length on the wall clock: with the clocks set back within it, still at most a day."""


class InvalidPattern(ValueError):
    """A pattern that contradicts itself; `path` leads to the value at fault."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(reason)
        self.path = path
        self.reason = reason


@dataclass(frozen=True, slots=True)
class DayRange:
    """Calendar days from `first_on` to `last_on`, both included, each in the technician's own zone."""

    first_on: date
    last_on: date

    def __post_init__(self) -> None:
        if self.last_on < self.first_on:
            raise InvalidPattern("/last_on", "the last day comes before the first")

    @property
    def days(self) -> int:
        return (self.last_on - self.first_on).days + 1

    def __contains__(self, day: date) -> bool:
        return self.first_on <= day <= self.last_on

    def instants(self, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """Return when the days begin in a zone and when the day after them does, both UTC."""
        after = self.last_on + timedelta(days=1)
        return instant(resolve(self.first_on, 0, zone)), instant(resolve(after, 0, zone))


@dataclass(frozen=True, slots=True)
class Break:
    """An unpaid break of `length_s` seconds that begins between two minutes after the day's midnight."""

    length_s: int
    earliest_min: int
    latest_min: int


@dataclass(frozen=True, slots=True)
class PatternShift:
    """Hours on one weekday (0 is Monday), in minutes after its midnight; past 1440 is the next day."""

    weekday: int
    starts_min: int
    ends_min: int
    rest: Break | None = None


@dataclass(frozen=True, slots=True)
class PlannedShift:
    """One shift. Instants are UTC; the break's bounds are seconds from the start; no break is three zeros."""

    on: date
    starts_at: datetime
    ends_at: datetime
    break_s: int = 0
    break_earliest_s: int = 0
    break_latest_s: int = 0


def minute_of(clock: str) -> int:
    """Return "07:30" as 450, or raise `ValueError`."""
    match = _CLOCK.fullmatch(clock)
    if match is None:
        raise ValueError("write a time of day as HH:MM")
    return int(match[1]) * 60 + int(match[2])


def pattern_shift(
    day: str, starts: str, ends: str, rest: tuple[int, str, str] | None = None, path: str = ""
) -> PatternShift:
    """Return a line of a pattern as people write it, or raise `InvalidPattern`.

    An end at or before the start is on the next day. `rest` is a break's length in seconds, and when it
    begins at the earliest and latest; it lies within the shift.
    """
    if day not in WEEKDAYS:
        raise InvalidPattern(f"{path}/day", f"write one of {', '.join(WEEKDAYS)}")
    clocks = {"starts": starts, "ends": ends}
    if rest is not None:
        clocks |= {"break/earliest": rest[1], "break/latest": rest[2]}
    minutes = {}
    for name, clock in clocks.items():
        try:
            minutes[name] = minute_of(clock)
        except ValueError as error:
            raise InvalidPattern(f"{path}/{name}", str(error)) from None
    begins, closes = minutes["starts"], minutes["ends"]
    if closes <= begins:
        closes += _DAY_MIN
    if closes - begins > LONGEST_MIN:
        raise InvalidPattern(f"{path}/ends", "a shift lasts at most 23 hours")
    if rest is None:
        return PatternShift(WEEKDAYS.index(day), begins, closes)
    # A break before the start by the clock belongs to the morning after: 22:00–06:00, break at 01:00.
    earliest = minutes["break/earliest"] + (_DAY_MIN if minutes["break/earliest"] < begins else 0)
    latest = minutes["break/latest"] + (_DAY_MIN if minutes["break/latest"] < begins else 0)
    if latest < earliest:
        raise InvalidPattern(f"{path}/break/latest", "the latest begin comes before the earliest")
    if latest * 60 + rest[0] > closes * 60:
        raise InvalidPattern(f"{path}/break", "the break must end before the shift does")
    return PatternShift(WEEKDAYS.index(day), begins, closes, Break(rest[0], earliest, latest))


def expand(
    pattern: Sequence[PatternShift],
    zone: ZoneInfo,
    days: DayRange,
    except_on: Iterable[date] = (),
) -> list[PlannedShift]:
    """Return the shifts of the days in order of start; days in `except_on` have none.

    A shift that the clocks skip altogether is left out. Shifts that overlap raise `InvalidPattern`.
    """
    free = frozenset(except_on)
    shifts = []
    for offset in range(days.days):
        day = days.first_on + timedelta(days=offset)
        if day in free:
            continue
        for line in pattern:
            if line.weekday == day.weekday():
                shift = _on_day(line, zone, day)
                if shift is not None:
                    shifts.append(shift)
    shifts.sort(key=lambda shift: shift.starts_at)
    for earlier, later in pairwise(shifts):
        if later.starts_at < earlier.ends_at:
            raise InvalidPattern("/weekly", f"two shifts overlap on {later.on.isoformat()}")
    return shifts


def _on_day(line: PatternShift, zone: ZoneInfo, day: date) -> PlannedShift | None:
    begins = resolve(day, line.starts_min, zone)
    ends = resolve(day, line.ends_min, zone)
    if ends <= begins or local_day(begins, zone) != day:
        return None
    length_s = (ends - begins) // SECOND
    shift = PlannedShift(day, instant(begins), instant(ends))
    if line.rest is None:
        return shift
    rest_s = min(line.rest.length_s, length_s)
    # Where the clocks change within the shift, its break may have less room than the wall clock says.
    earliest_s, latest_s = (
        min(max((resolve(day, minute, zone) - begins) // SECOND, 0), length_s - rest_s)
        for minute in (line.rest.earliest_min, line.rest.latest_min)
    )
    return PlannedShift(
        day, shift.starts_at, shift.ends_at, rest_s, earliest_s, max(earliest_s, latest_s)
    )
