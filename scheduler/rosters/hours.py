"""Patterns of working hours laid out on days, with clock changes; and where a day's hours and nights lie.

A pattern is on the wall clock, as people write it, so a night from 22:00 to 06:00 is paid for seven hours
where the clocks go forward within it and for nine where they go back. Times that the clocks skip, and times
that come twice, are read as opening hours are (`fsm.contracts.opening_hours.resolve`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from fsm.contracts.opening_hours import local_day, resolve
from fsm.intervals import SECOND, instant, intersect, length
from scheduler.rosters.problem import HOUR_S, WEEK, Duty

_DAY_MIN = 24 * 60
_MINUTE_S = 60


@dataclass(frozen=True, slots=True)
class Night:
    """When it is night, in minutes of the wall clock; an end at or before the start is the next morning."""

    starts_min: int = 23 * 60
    ends_min: int = 6 * 60

    @property
    def closes_min(self) -> int:
        return self.ends_min + (_DAY_MIN if self.ends_min <= self.starts_min else 0)


@dataclass(frozen=True, slots=True)
class PatternHours:
    """A pattern as it is stored: minutes after the day's midnight, past 1440 is the next day."""

    starts_min: int
    ends_min: int
    break_s: int = 0
    break_earliest_min: int = 0
    break_latest_min: int = 0
    weekdays: frozenset[int] = frozenset(range(WEEK))


def midnights(first_on: date, days: int, zone: ZoneInfo) -> tuple[int, ...]:
    """Return the second of each day's midnight after the first one's, and of the one after the last day."""
    first = resolve(first_on, 0, zone)
    return tuple(
        (resolve(first_on + timedelta(days=day), 0, zone) - first) // SECOND
        for day in range(days + 1)
    )


def duties_of(
    patterns: Sequence[PatternHours],
    zones: Sequence[ZoneInfo],
    first_on: date,
    nights: Sequence[Night],
) -> tuple[Duty, ...]:
    """Return every pattern on every day in every zone; `nights` holds one night for each week.

    Seconds count from the first midnight of the first zone, the company's. A shift that the clocks skip is
    left out. Paid time is in whole minutes.
    """
    zero = resolve(first_on, 0, zones[0])
    found = []
    for number, zone in enumerate(zones):
        for day in range(len(nights) * WEEK):
            on = first_on + timedelta(days=day)
            for pattern, hours in enumerate(patterns):
                if on.weekday() not in hours.weekdays:
                    continue
                begins, ends = (
                    resolve(on, hours.starts_min, zone),
                    resolve(on, hours.ends_min, zone),
                )
                if ends <= begins or local_day(begins, zone) != on:
                    continue
                start, end = (begins - zero) // SECOND, (ends - zero) // SECOND
                paid_s = end - start - min(hours.break_s, end - start - _MINUTE_S)
                found.append(
                    Duty(
                        pattern,
                        day,
                        number,
                        start,
                        end,
                        paid_s // _MINUTE_S * _MINUTE_S,
                        night_s(instant(begins), instant(ends), zone, nights[day // WEEK]),
                    )
                )
    return tuple(found)


def night_s(starts_at: datetime, ends_at: datetime, zone: ZoneInfo, night: Night) -> int:
    """Return how many seconds of a shift lie in the night, where the person is."""
    begins = int(starts_at.timestamp()) * SECOND
    ends = int(ends_at.timestamp()) * SECOND
    first = local_day(begins, zone) - timedelta(days=1)
    nights = [
        (resolve(day, night.starts_min, zone), resolve(day, night.closes_min, zone))
        for day in (first + timedelta(days=more) for more in range(4))
    ]
    spans = [(opens, closes) for opens, closes in nights if closes > opens]
    return length(intersect([(begins, ends)], spans)) // SECOND


@dataclass(frozen=True, slots=True)
class Hour:
    """An hour of the horizon: where it lies on the clock, in the company's zone."""

    number: int
    on: date
    hour: int
    starts_at: datetime


def hours_of(first_on: date, days: int, zone: ZoneInfo) -> list[Hour]:
    """Return the hours of a horizon; the day on which the clocks change has one less or one more."""
    first = resolve(first_on, 0, zone)
    last = resolve(first_on + timedelta(days=days), 0, zone)
    count = -(-(last - first) // (HOUR_S * SECOND))
    found = []
    for number in range(count):
        starts_at = instant(first + number * HOUR_S * SECOND)
        local = starts_at.astimezone(zone)
        found.append(Hour(number, local.date(), local.hour, starts_at.astimezone(UTC)))
    return found


def contract_of(
    week_s: int,
    first_on: date,
    weeks: int,
    away: Iterable[date],
) -> tuple[int, ...]:
    """Return a person's contract hours in each week: a fifth less for each weekday of absence."""
    days = {day for day in away if day.weekday() < 5}
    found = []
    for week in range(weeks):
        first = first_on + timedelta(days=week * WEEK)
        missed = sum(first <= day < first + timedelta(days=WEEK) for day in days)
        found.append(max(0, week_s - week_s * min(missed, 5) // 5) // _MINUTE_S * _MINUTE_S)
    return tuple(found)
