"""When a counter will show a value: from the slope of its readings, with how sure that is.

A reading's *total* is how far the counter has run in all: resets and rollovers are bridged as in
`fsm.assets.meters.advance`, so totals only rise. Use is taken for a walk with a drift: what accrues in a
time has a mean and a variance in proportion to it. The slope is then what accrued between the first and the
last reading, and the bounds of the instant at which a target is reached are the roots of

    (slope·τ − gap)² = z² · variance · (τ + τ²/T)

with T the time that the slope was measured over (Fieller): the spread of the use still to come, and that of
the slope itself.
"""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from itertools import pairwise
from math import sqrt

LEVEL_Z = 1.6448536269514722
"""Bounds hold with probability 0.9."""

_PRIOR_WEIGHT = 2
"""Increments that the prior counts for: a day's use varies by as much as it is."""
_DAY_S = 86_400.0
_MOST_S = 50 * 365 * _DAY_S
"""Further away, nothing is foreseen."""

SLOPE_OVER = timedelta(days=365)
"""The slope is that of the last year of readings: use changes."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """When a total is reached. Without an upper bound it may never be."""

    at: datetime
    lo_at: datetime
    hi_at: datetime | None


@dataclass(frozen=True)
class MeterHistory:
    """The readings of one counter as (instant, total), in order; `a_day` is assumed until they say."""

    points: tuple[tuple[datetime, Decimal], ...]
    a_day: Decimal | None = None

    @cached_property
    def _measured(self) -> tuple[float, float, float] | None:
        """Return (slope a second, variance a second, seconds measured over); None when nothing says."""
        points = [one for one in self.points if self.points[-1][0] - one[0] <= SLOPE_OVER]
        if len(points) < 2:
            points = list(self.points[-2:])
        if len(points) < 2:
            if not self.a_day:
                return None
            slope = float(self.a_day) / _DAY_S
            return slope, slope**2 * _DAY_S, _DAY_S
        over_s = _seconds(points[0][0], points[-1][0])
        slope = float(points[-1][1] - points[0][1]) / over_s
        squares = sum(
            (float(after[1] - before[1]) - slope * lasted) ** 2 / lasted
            for before, after in pairwise(points)
            if (lasted := _seconds(before[0], after[0])) > 0
        )
        prior = slope**2 * _DAY_S
        freedom = len(points) - 2
        variance = (squares + _PRIOR_WEIGHT * prior) / (freedom + _PRIOR_WEIGHT)
        return slope, variance, over_s

    def total_at(self, at: datetime) -> Decimal | None:
        """Return the total at an instant: between readings in proportion, after the last by the slope.

        Before the first reading it is that reading's; None where there is none at all.
        """
        if not self.points:
            return None
        place = bisect_right(self.points, at, key=lambda one: one[0])
        if place == 0:
            return self.points[0][1]
        before_at, before = self.points[place - 1]
        if place == len(self.points):
            slope = self._measured[0] if self._measured else 0.0
            return before + Decimal(round(slope * _seconds(before_at, at), 4))
        after_at, after = self.points[place]
        share = Decimal(_seconds(before_at, at) / _seconds(before_at, after_at))
        return before + (after - before) * share

    def when(self, target: Decimal) -> Forecast | None:
        """Return when the total is `target`: as read, else as foreseen; None when nothing says.

        What lies between two readings is placed in proportion, and bounded by them.
        """
        if not self.points:
            return None
        last_at, last = self.points[-1]
        if target <= last:
            return self._passed(target)
        if self._measured is None:
            return None
        slope, variance, over_s = self._measured
        gap = float(target - last)
        if slope <= 0 or gap / slope > _MOST_S:
            return None
        soonest, latest = _roots(slope, variance, over_s, gap)
        return Forecast(
            _later(last_at, gap / slope),
            _later(last_at, soonest),
            None if latest is None or latest > _MOST_S else _later(last_at, latest),
        )

    def _passed(self, target: Decimal) -> Forecast:
        place = bisect_left(self.points, target, key=lambda one: one[1])
        after_at, after = self.points[place]
        if place == 0 or after == target:
            return Forecast(after_at, after_at, after_at)
        before_at, before = self.points[place - 1]
        share = float((target - before) / (after - before))
        return Forecast(
            _later(before_at, share * _seconds(before_at, after_at)), before_at, after_at
        )


def _roots(slope: float, variance: float, over_s: float, gap: float) -> tuple[float, float | None]:
    """Return the soonest and latest τ of the equation above, None for a latest that there is not."""
    spread = LEVEL_Z**2 * variance
    a = slope**2 - spread / over_s
    b = 2 * slope * gap + spread
    root = sqrt(max(0.0, b * b - 4 * a * gap * gap))
    # Written so that nothing cancels, whatever the sign of a.
    soonest = 2 * gap * gap / (b + root)
    return soonest, (b + root) / (2 * a) if a > 0 else None


def _seconds(earlier: datetime, later: datetime) -> float:
    return (later - earlier).total_seconds()


def _later(at: datetime, seconds: float) -> datetime:
    return at + timedelta(seconds=round(seconds))
