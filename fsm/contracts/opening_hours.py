"""When a service company works: a calendar as an administrator writes it, expanded into UTC.

Its stored form, all keys optional:

    {"weekly": {"mon": [["09:00", "13:00"], ["14:00", "18:00"]], "fri": [["22:00", "06:00"]]},
     "holidays": ["2026-01-01"],
     "special": {"2026-12-24": [["09:00", "13:00"]], "2026-12-31": []},
     "around_the_clock": false}

Hours are local wall-clock times of the site. An opening belongs to the day on which it starts: one
that starts on Thursday at 22:00 runs on into a holiday Friday. A holiday has no openings; a special
day has its own instead of the weekly ones. A closing time at or before the opening time means the
next day, so an opening never lasts longer than a day on the wall clock.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from fsm.intervals import DAY, Interval, Micros, instant, micros

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_MIDNIGHT_MIN = 24 * 60
_ONE_DAY = timedelta(days=1)
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class InvalidCalendar(ValueError):
    """A calendar that says nothing or contradicts itself; `path` leads to the value at fault."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.path = path
        self.reason = reason


@dataclass(frozen=True, slots=True, order=True)
class Hours:
    """One opening, in minutes of the wall clock after the midnight that begins its day.

    `closes_min` exceeds 1440 when the opening runs past the next midnight.
    """

    opens_min: int
    closes_min: int

    def __post_init__(self) -> None:
        if not 0 <= self.opens_min < _MIDNIGHT_MIN:
            raise ValueError(f"An opening starts within its day, not at minute {self.opens_min}.")
        lasts = self.closes_min - self.opens_min
        if not (0 < lasts < _MIDNIGHT_MIN or (lasts, self.opens_min) == (_MIDNIGHT_MIN, 0)):
            raise ValueError("An opening lasts more than nothing and less than a day, or is a day.")


@dataclass(frozen=True, slots=True)
class Calendar:
    """One version of opening hours, without a zone: the site brings that.

    `weekly` holds seven days, Monday first; `special` ascends by day.
    """

    weekly: tuple[tuple[Hours, ...], ...] = ((),) * 7
    holidays: frozenset[date] = frozenset()
    special: tuple[tuple[date, tuple[Hours, ...]], ...] = ()
    around_the_clock: bool = False

    def __post_init__(self) -> None:
        if len(self.weekly) != len(WEEKDAYS):
            raise ValueError(f"A week has seven days, not {len(self.weekly)}.")
        dated = any(self.weekly) or self.holidays or self.special
        if self.around_the_clock and dated:
            raise InvalidCalendar(
                "around_the_clock",
                "a calendar open around the clock has no hours, holidays or special days; "
                'write "00:00" to "24:00" for the open days instead.',
            )

    @property
    def opens_every_week(self) -> bool:
        """Whether openings go on for ever; otherwise the last is on a special day, if any."""
        return self.around_the_clock or any(self.weekly)

    @property
    def last_special_on(self) -> date | None:
        """The last special day that has an opening."""
        return max((day for day, hours in self.special if hours), default=None)


AROUND_THE_CLOCK = Calendar(around_the_clock=True)


def calendar_from_json(stored: object) -> Calendar:
    """Return the calendar of `stored`, or raise `InvalidCalendar` naming the path at fault."""
    fields = _object(stored, "")
    for key in fields:
        if key not in ("weekly", "holidays", "special", "around_the_clock"):
            raise InvalidCalendar(
                key, "unknown; allowed: weekly, holidays, special, around_the_clock."
            )
    always = fields.get("around_the_clock", False)
    if not isinstance(always, bool):
        raise InvalidCalendar("around_the_clock", "must be true or false.")
    weekly = _weekly(fields.get("weekly", {}))
    holidays = _holidays(fields.get("holidays", []))
    special = _special(fields.get("special", {}))
    for day in special:
        if day in holidays:
            raise InvalidCalendar(f"special.{day}", "the day is a holiday too; keep one of them.")
    return Calendar(weekly, holidays, tuple(sorted(special.items())), always)


def calendar_to_json(calendar: Calendar) -> dict[str, object]:
    """Return the stored form; equal calendars give equal JSON, and it reads back as `calendar`."""
    return {
        "weekly": {
            name: _hours_to_json(hours)
            for name, hours in zip(WEEKDAYS, calendar.weekly, strict=True)
            if hours
        },
        "holidays": [day.isoformat() for day in sorted(calendar.holidays)],
        "special": {day.isoformat(): _hours_to_json(hours) for day, hours in calendar.special},
        "around_the_clock": calendar.around_the_clock,
    }


def expand(
    calendar: Calendar, zone: ZoneInfo, first_on: date, last_on: date
) -> tuple[Interval, ...]:
    """Return the openings that start on the local days `first_on` to `last_on`, both included.

    UTC, ascending, disjoint, each at most 24 h of elapsed time: the day on which the clocks go
    back has 25, and its opening comes in two touching parts, because queries look back one day.
    """
    if last_on < first_on:
        raise ValueError(f"No days from {first_on} to {last_on}.")
    openings: list[Interval] = []
    for begins, ends in openings_from(calendar, zone, first_on, last_on):
        while ends - begins > DAY:
            openings.append((begins, begins + DAY))
            begins += DAY
        openings.append((begins, ends))
    return tuple(openings)


def expand_rows(
    calendar: Calendar, zone: ZoneInfo, first_on: date, last_on: date
) -> list[tuple[datetime, datetime]]:
    """Return `expand` as aware UTC (opens_at, closes_at), the rows a database keeps."""
    return [
        (instant(opens), instant(closes))
        for opens, closes in expand(calendar, zone, first_on, last_on)
    ]


def openings_from(
    calendar: Calendar, zone: ZoneInfo, first_on: date, last_on: date = date.max
) -> Iterator[Interval]:
    """Yield the openings of one local day after another: ascending, disjoint, none empty."""
    if calendar.around_the_clock:
        weekly: tuple[tuple[Hours, ...], ...] = ((Hours(0, _MIDNIGHT_MIN),),) * 7
    else:
        weekly = calendar.weekly
    special = dict(calendar.special)
    open_until: Micros | None = None
    # date.max itself is left out: its opening would close in the year 10000.
    for ordinal in range(
        first_on.toordinal(), min(last_on, date.max - 2 * _ONE_DAY).toordinal() + 1
    ):
        day = date.fromordinal(ordinal)
        hours = special.get(day)
        if hours is None:
            hours = () if day in calendar.holidays else weekly[day.weekday()]
        if not hours or not _exists(day, zone):
            continue
        for opening in hours:
            begins = resolve(day, opening.opens_min, zone)
            ends = resolve(day, opening.closes_min, zone)
            if open_until is not None:
                begins = max(begins, open_until)
            if begins < ends:
                open_until = ends
                yield begins, ends


def resolve(day: date, minute: int, zone: ZoneInfo) -> Micros:
    """Return the instant of a wall-clock minute counted from the local midnight beginning `day`.

    A time the clocks skip moves forward over the gap by its width (02:30 becomes 03:30), as
    RFC 5545 and PostgreSQL have it; of a time that comes twice, the first is meant. PostgreSQL
    would take the second, so openings are never expanded in SQL.
    """
    wall = datetime.combine(day, time.min) + timedelta(minutes=minute)
    # fold=0 is precisely both rules: the offset in force before the change (PEP 495).
    return micros(wall.replace(tzinfo=zone, fold=0))


def _exists(day: date, zone: ZoneInfo) -> bool:
    """Say whether any instant has this local date: Samoa had no 30 December 2011."""
    return any(
        instant(resolve(day, minute, zone)).astimezone(zone).date() == day
        for minute in (0, _MIDNIGHT_MIN - 1)
    )


def local_day(at: Micros, zone: ZoneInfo) -> date:
    """Return the local date of an instant."""
    return instant(at).astimezone(zone).date()


def _object(value: object, path: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise InvalidCalendar(path, "must be an object.")
    return value


def _weekly(value: object) -> tuple[tuple[Hours, ...], ...]:
    days = _object(value, "weekly")
    for name in days:
        if name not in WEEKDAYS:
            raise InvalidCalendar(
                f"weekly.{name}", f"not a weekday; allowed: {', '.join(WEEKDAYS)}."
            )
    return tuple(_hours(days.get(name, []), f"weekly.{name}") for name in WEEKDAYS)


def _holidays(value: object) -> frozenset[date]:
    if not isinstance(value, list | tuple):
        raise InvalidCalendar("holidays", "must be a list of days.")
    days: set[date] = set()
    for index, item in enumerate(value):
        path = f"holidays[{index}]"
        day = _date(item, path)
        if day in days:
            raise InvalidCalendar(path, f"{day} is listed twice.")
        days.add(day)
    return frozenset(days)


def _special(value: object) -> dict[date, tuple[Hours, ...]]:
    return {
        _date(key, f"special.{key}"): _hours(hours, f"special.{key}")
        for key, hours in _object(value, "special").items()
    }


def _date(value: object, path: str) -> date:
    if isinstance(value, str) and _DAY.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise InvalidCalendar(path, f"{value!r} is not a day; write YYYY-MM-DD.")


def _hours(value: object, path: str) -> tuple[Hours, ...]:
    if not isinstance(value, list | tuple):
        raise InvalidCalendar(path, "must be a list of [opens, closes] pairs.")
    hours: list[Hours] = []
    for index, pair in enumerate(value):
        here = f"{path}[{index}]"
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise InvalidCalendar(here, 'must be a pair such as ["09:00", "18:00"].')
        opens = _minute(pair[0], f"{here}[0]")
        closes = _minute(pair[1], f"{here}[1]", end_of_day=True)
        if opens == closes:
            raise InvalidCalendar(
                here, 'opens and closes at the same time; a whole day is "00:00" to "24:00".'
            )
        if closes < opens:
            closes += _MIDNIGHT_MIN
        if hours and opens < hours[-1].closes_min:
            raise InvalidCalendar(here, "begins before the opening above it has closed.")
        hours.append(Hours(opens, closes))
    return tuple(hours)


def _minute(value: object, path: str, *, end_of_day: bool = False) -> int:
    if isinstance(value, str):
        if end_of_day and value == "24:00":
            return _MIDNIGHT_MIN
        clock = _CLOCK.fullmatch(value)
        if clock:
            return int(clock[1]) * 60 + int(clock[2])
    allowed = "00:00 to 24:00" if end_of_day else "00:00 to 23:59"
    raise InvalidCalendar(path, f"{value!r} is not a time of day; write HH:MM, {allowed}.")


def _hours_to_json(hours: tuple[Hours, ...]) -> list[list[str]]:
    return [[_clock(each.opens_min), _clock(each.closes_min)] for each in hours]


def _clock(minute: int) -> str:
    if minute > _MIDNIGHT_MIN:
        minute -= _MIDNIGHT_MIN
    return f"{minute // 60:02d}:{minute % 60:02d}"
