"""Time between failures in the machine's own hours: what its counter ran, not what the calendar did.

Between two readings the counter ran evenly. Up to a week outside its readings it ran on as in the nearest
pair of them; further out it ran as over all of its readings (its duty). A decrease that nobody called a reset
or a rollover adds nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

from fsm.intervals import Interval, Intervals, Micros, clip, length, micros

METER = "meter"
"""The variant of time between failures that is measured so."""

REACH = timedelta(days=7)
"""So far outside its readings a counter is taken to run as it last did."""

_ENDLESS = 2**62


@dataclass(frozen=True, slots=True)
class Reading:
    """What a counter of hours showed; `ran_us` since the reading before, 0 of the first."""

    at: datetime
    ran_us: Micros


@dataclass(frozen=True, slots=True)
class Ran:
    """Microseconds that a counter ran: in all, and of them without readings on both sides."""

    us: Fraction
    extrapolated: Fraction
    by_duty: Fraction


def ran(readings: Sequence[Reading], exposed: Intervals) -> Ran | None:
    """Return how far the counter ran within `exposed`; None below two readings, which say nothing."""
    ordered = sorted(readings, key=lambda reading: micros(reading.at))
    if len(ordered) < 2:
        return None
    times = [micros(reading.at) for reading in ordered]
    rates = [
        Fraction(reading.ran_us, end - begin)
        for begin, end, reading in zip(times, times[1:], ordered[1:], strict=False)
    ]
    duty = Fraction(sum(reading.ran_us for reading in ordered[1:]), times[-1] - times[0])
    week = REACH // timedelta(microseconds=1)
    extrapolated = _during(exposed, (times[0] - week, times[0])) * rates[0]
    extrapolated += _during(exposed, (times[-1], times[-1] + week)) * rates[-1]
    by_duty = _during(exposed, (-_ENDLESS, times[0] - week)) * duty
    by_duty += _during(exposed, (times[-1] + week, _ENDLESS)) * duty
    read = sum(
        (
            _during(exposed, (begin, end)) * rate
            for begin, end, rate in zip(times, times[1:], rates, strict=False)
        ),
        Fraction(0),
    )
    return Ran(read + extrapolated + by_duty, extrapolated, by_duty)


def _during(exposed: Intervals, span: Interval) -> int:
    return length(clip(exposed, span))
