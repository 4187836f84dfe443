"""How many people of each trade are wanted in each hour: from history, contracts and what is known.

For each trade, level, weekday and hour of the company's clock:

1. *History.* The person-minutes that unplanned work (everything but preventive) took in that hour of that
   weekday, driving included, averaged over the past weeks. A week weighs half as much as one that is
   `half_life_weeks` younger. Weeks before the first recorded work do not count: a young company is not
   thinned out. The average is raised by `headroom_percent`, because half of all hours are busier than it.
2. *Known work.* Preventive work that falls due in the horizon: in the hours of its visit where that is
   planned, else spread evenly over the working hours of the days on which it may be done.
3. *Contracts.* While the calendar of a contract that promises a response within `presence_below_s` is open,
   somebody who can do its work is wanted, whatever history says.

Wanted is the larger of 1 + 2 and 3, rounded up to quarters of an hour. What an administrator enters for an
hour replaces it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from scheduler.rosters.hours import Hour
from scheduler.rosters.problem import Need

Trade = tuple[str | None, int]
"""A skill's code and the level asked; (None, 0) is work that anybody can do."""

ANYBODY: Trade = (None, 0)

_QUARTER_MIN = 15
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class ForecastRules:
    """How demand is reckoned: data of the company."""

    history_weeks: int = 13
    half_life_weeks: int = 8
    headroom_percent: int = 115
    presence_below_s: int = 8 * 3_600
    """A response promised within so many business seconds needs somebody there; 0: none does."""
    presence: int = 1
    """How many, for each trade under such a promise."""
    working_hours: tuple[int, int] = (8, 17)
    """Hours of the clock over which known work without a time is spread."""


@dataclass(frozen=True, slots=True)
class Worked:
    """One person's time on past work, driving included."""

    trade: Trade
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Known:
    """Work to come: at its planned time, or `work_s` seconds on some day from `first_on` to `last_on`."""

    trade: Trade
    work_s: int = 0
    first_on: date | None = None
    last_on: date | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Presence:
    """Hours in which a contract promises that somebody of a trade can be asked."""

    trade: Trade
    openings: tuple[tuple[datetime, datetime], ...]


@dataclass(frozen=True, slots=True)
class Entered:
    """What an administrator wants in one hour, instead of what is reckoned."""

    trade: Trade
    on: date
    hour: int
    minutes: int


def trade_of(skills: Sequence[Mapping[str, object]]) -> Trade:
    """Return the trade that work is counted under: the skill asked at the highest level, first by code."""
    asked = [(str(one["skill"]), int(str(one["level"]))) for one in skills]
    return min(asked, key=lambda one: (-one[1], one[0]), default=ANYBODY)


def forecast(
    hours: Sequence[Hour],
    zone: ZoneInfo,
    rules: ForecastRules,
    *,
    worked: Iterable[Worked] = (),
    known: Iterable[Known] = (),
    presence: Iterable[Presence] = (),
    entered: Iterable[Entered] = (),
    prices: Mapping[str, int] | None = None,
) -> tuple[Need, ...]:
    """Return the needs of the horizon, each trade and level once, in order; none that is never wanted."""
    wanted: dict[Trade, list[float]] = defaultdict(lambda: [0.0] * len(hours))
    for trade, by_clock in _history(hours[0].on, zone, rules, worked).items():
        for hour in hours:
            average = by_clock.get((hour.on.weekday(), hour.hour), 0.0)
            wanted[trade][hour.number] += average * rules.headroom_percent / 100
    for each in known:
        _add_known(wanted[each.trade], hours, rules, each)
    for promise in presence:
        least = wanted[promise.trade]
        for opens, closes in promise.openings:
            for hour in _between(hours, opens, closes):
                least[hour.number] = max(least[hour.number], rules.presence * 60.0)
    whole = {trade: [_quarters(value) for value in row] for trade, row in wanted.items()}
    at: dict[tuple[date, int], list[int]] = {}
    for hour in hours:
        at.setdefault((hour.on, hour.hour), []).append(hour.number)
    for one in entered:
        row = whole.setdefault(one.trade, [0] * len(hours))
        for number in at.get((one.on, one.hour), ()):
            row[number] = one.minutes
    return tuple(
        Need(skill, level, tuple(row), (prices or {}).get(skill or "", 100))
        for (skill, level), row in sorted(
            whole.items(), key=lambda one: (one[0][0] or "", one[0][1])
        )
        if any(row)
    )


def _quarters(minutes: float) -> int:
    """Round up to quarters of an hour; a hundredth of a minute is the average's arithmetic."""
    return -(-int(minutes + 0.99) // _QUARTER_MIN) * _QUARTER_MIN if minutes > 0.01 else 0


def _history(
    first_on: date, zone: ZoneInfo, rules: ForecastRules, worked: Iterable[Worked]
) -> dict[Trade, dict[tuple[int, int], float]]:
    """Return trade → (weekday, hour) → average person-minutes, younger weeks weighing more."""
    minutes: dict[Trade, dict[tuple[int, int], dict[int, float]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(float))
    )
    oldest = 0
    for one in worked:
        for on, hour, part in _by_hour(one.starts_at, one.ends_at, zone):
            age = (first_on - on).days
            week = -(-age // 7)
            if 1 <= week <= rules.history_weeks:
                minutes[one.trade][on.weekday(), hour][week] += part
                oldest = max(oldest, week)
    weights = {week: 0.5 ** ((week - 1) / rules.half_life_weeks) for week in range(1, oldest + 1)}
    total = sum(weights.values())
    return {
        trade: {
            clock: sum(weights[week] * value for week, value in weeks.items()) / total
            for clock, weeks in by_clock.items()
        }
        for trade, by_clock in minutes.items()
    }


def _by_hour(
    starts_at: datetime, ends_at: datetime, zone: ZoneInfo
) -> Iterable[tuple[date, int, float]]:
    """Yield (day, hour, minutes) on the clock of a zone for a stretch of time, at most a day of it."""
    cursor, end = starts_at, min(ends_at, starts_at + timedelta(days=1))
    while cursor < end:
        local = cursor.astimezone(zone)
        # Counted in elapsed time: the wall clock may jump in between.
        to_next = _HOUR - timedelta(minutes=local.minute, seconds=local.second)
        until = min(end, cursor + to_next)
        yield local.date(), local.hour, (until - cursor).total_seconds() / 60
        cursor = until


def _between(hours: Sequence[Hour], opens: datetime, closes: datetime) -> Iterable[Hour]:
    """Yield the hours of the horizon that a stretch of time touches."""
    zero = hours[0].starts_at
    first = max(0, (opens - zero) // _HOUR)
    last = min(len(hours), -((zero - closes) // _HOUR))
    return hours[first:last]


def _add_known(row: list[float], hours: Sequence[Hour], rules: ForecastRules, known: Known) -> None:
    if known.starts_at is not None and known.ends_at is not None:
        for hour in _between(hours, known.starts_at, known.ends_at):
            part = min(known.ends_at, hour.starts_at + _HOUR) - max(known.starts_at, hour.starts_at)
            row[hour.number] += part.total_seconds() / 60
        return
    first, last = rules.working_hours
    days = (known.first_on or date.min, known.last_on or date.max)
    open_hours = [
        hour
        for hour in hours
        if days[0] <= hour.on <= days[1] and hour.on.weekday() < 5 and first <= hour.hour < last
    ]
    # A stretch that reaches beyond the horizon is shared with what lies there.
    span = sum(
        (last - first) for day in _days(known.first_on, known.last_on, hours) if day.weekday() < 5
    )
    for hour in open_hours:
        row[hour.number] += known.work_s / 60 / max(span, len(open_hours))


def _days(first_on: date | None, last_on: date | None, hours: Sequence[Hour]) -> Iterable[date]:
    first, last = first_on or hours[0].on, last_on or hours[-1].on
    for more in range((last - first).days + 1):
        yield first + timedelta(days=more)
