"""The service-level share: how many promises due in a window were kept."""

from collections.abc import Iterable
from dataclasses import dataclass

from fsm.contracts.service_hours import ClockReading, ClockState
from fsm.intervals import HOUR, micros
from reports.results import Extremes, Figure, Interval, NullReason, Share, ratio
from reports.rows import Period
from reports.statistics import LEVEL, percentile, wilson_interval

NO_SERVICE_LEVEL = "no_service_level"

_DECIDED = (ClockState.MET, ClockState.BREACHED)


@dataclass(frozen=True, slots=True)
class Promise:
    """One clock of a work order, read at the period's `as_of`; None without a service level."""

    id: str
    reading: ClockReading | None


def sla_share(promises: Iterable[Promise], period: Period, level: float = LEVEL) -> Figure:
    """Return met / (met + breached) of the promises *due* in the window.

    Attributed by due, so that staying open takes nothing out of the sum. Disputed ones are left
    out of the value and shown as its extremes. One without a due instant is a candidate in every
    window that ends after it began, because nobody knows where it will fall.
    """
    shares: list[Share] = []
    met = breached = disputed = 0
    for promise in promises:
        reading = promise.reading
        if reading is None:
            shares.append(Share("clock", promise.id, excluded=NO_SERVICE_LEVEL))
            continue
        # By the window, not by `as_of`: a promise kept early is due later than anything known.
        if reading.due_by is not None and not _due_in(reading, period):
            continue
        if reading.due_by is None and not _began_before(reading, period):
            continue
        if reading.state in _DECIDED:
            kept = reading.state is ClockState.MET
            met += kept
            breached += not kept
            shares.append(Share("clock", promise.id, int(kept), 1))
        else:
            disputed += reading.state is ClockState.DISPUTED
            shares.append(Share("clock", promise.id, excluded=reading.state.value))
    decided = met + breached
    return ratio(
        shares,
        units=("clock", "clock"),
        null_reason=NullReason.NOTHING_DUE,
        n=decided,
        interval=(
            Interval(*wilson_interval(met, decided, level), level, "wilson") if decided else None
        ),
        extremes=(
            Extremes(met / (decided + disputed), (met + disputed) / (decided + disputed))
            if disputed
            else None
        ),
    )


def sla_business_hours(promises: Iterable[Promise], period: Period) -> tuple[float, float] | None:
    """Return p50 and p90 of the business hours that stopped clocks due in the window had used."""
    hours = sorted(
        promise.reading.elapsed.total_seconds() * 1_000_000 / HOUR
        for promise in promises
        if promise.reading is not None
        and promise.reading.stopped_at is not None
        and promise.reading.due_by is not None
        and _due_in(promise.reading, period)
    )
    return (percentile(hours, 0.5), percentile(hours, 0.9)) if hours else None


def _began_before(reading: ClockReading, period: Period) -> bool:
    return reading.started_at is None or micros(reading.started_at) < micros(period.to_at)


def _due_in(reading: ClockReading, period: Period) -> bool:
    return reading.due_by is not None and (
        micros(period.from_at) <= micros(reading.due_by) < micros(period.to_at)
    )
