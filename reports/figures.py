"""Figures from the sums that the database added up: the same shapes that the formulae give from rows."""

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal

import msgspec

from fsm.intervals import HOUR
from reports.cost_sql import LineSums
from reports.formulae.meters import METER
from reports.formulae.reliability import (
    Availability,
    TimeBase,
    downtime_left_h,
    inherent_availability,
)
from reports.meters_sql import MeterSums
from reports.reliability_sql import EventSums, TimeSums
from reports.results import Figure, Interval, NullReason, Quantity
from reports.statistics import LEVEL, mean_time_interval


def mtbf_figure(time: TimeSums, failures: EventSums, base: TimeBase) -> Figure:
    """Return time between failures in hours; see `formulae.mtbf`."""
    total_h = (time.up if base is TimeBase.OPERATING else time.exposed) / HOUR
    return _between_failures(total_h, failures, base, ())


def meter_mtbf_figure(ran: MeterSums) -> Figure:
    """Return time between failures in hours of the machines' own counters; see `formulae.meters`."""
    notes = (
        *((f"extrapolated_h:{ran.extrapolated / HOUR}",) if ran.extrapolated else ()),
        *((f"by_duty_h:{ran.by_duty / HOUR}",) if ran.by_duty else ()),
    )
    return _between_failures(ran.us / HOUR, ran.failures, METER, notes)


def _between_failures(
    total_h: float, failures: EventSums, base: str, notes: tuple[str, ...]
) -> Figure:
    reason: NullReason | None = None
    interval: Interval | None = None
    if not total_h:
        reason = NullReason.NO_EXPOSURE
    else:
        reason = None if failures.n else NullReason.NO_FAILURES
        low, high = mean_time_interval(total_h, failures.n)
        method = "poisson_exposure" if failures.n else "poisson_lower_bound"
        interval = Interval(low, high, LEVEL, method)
    return Figure(
        value=None if reason else total_h / failures.n,
        unit="h",
        n=failures.n,
        null_reason=reason,
        numerator=Quantity(total_h, "h"),
        denominator=Quantity(failures.n, "failure"),
        excluded=_sorted(failures.excluded),
        interval=interval,
        notes=(f"time_base:{base}", *_undated(failures), *notes),
    )


def availability_figure(time: TimeSums, variant: Availability) -> Figure:
    """Return the share of required time that the assets were up; see `formulae.availability`."""
    required, idle = time.required, time.idle
    if variant is Availability.PLANNED_OUT:
        required, idle = time.required - time.planned, time.unplanned_idle
    return Figure(
        value=time.up / required if required else None,
        unit="ratio",
        n=time.assets - idle,
        null_reason=None if required else NullReason.NO_EXPOSURE,
        numerator=Quantity(time.up / HOUR, "h"),
        denominator=Quantity(required / HOUR, "h"),
        excluded={"not_required": idle} if idle else {},
        notes=(f"variant:{variant}",),
    )


def against_target(figure: Figure, target: Decimal | None) -> Figure:
    """Return an availability with what its contract promises, and how many hours down that leaves."""
    if target is None:
        return figure
    notes = [*figure.notes, f"target:{target.normalize():f}"]
    if figure.value is not None:
        notes.append(f"downtime_left_h:{downtime_left_h(figure, float(target))}")
    return msgspec.structs.replace(figure, notes=tuple(notes))


def downtime_figure(time: TimeSums, cause: str) -> Figure:
    """Return hours down for a cause, `total` of them or `degraded`; see `formulae.downtime`."""
    lengths = {
        "total": time.required - time.up,
        "failure": time.failure,
        "operational": time.operational,
        "planned": time.planned,
        "degraded": time.degraded,
    }
    hours = lengths[cause] / HOUR
    return Figure(
        value=hours if time.exposed else None,
        unit="h",
        n=time.assets,
        null_reason=None if time.exposed else NullReason.NO_EXPOSURE,
        numerator=Quantity(hours, "h"),
        denominator=None,
        notes=(f"cause:{cause}",),
    )


def inherent_figure(between: Figure, repair: Figure) -> Figure:
    """Return the availability that failures and repairs alone leave; see `formulae.inherent_availability`."""
    excluded = _sorted(Counter(between.excluded) + Counter(repair.excluded))
    value = inherent_availability(between.value, repair.value)  # type: ignore[arg-type]
    if value is None:
        reason = between.null_reason or repair.null_reason
        return Figure(None, "ratio", between.n, reason, None, None, excluded)
    assert between.value is not None
    assert repair.value is not None
    return Figure(
        value=value,
        unit="ratio",
        n=between.n,
        null_reason=None,
        numerator=Quantity(between.value, "h"),
        denominator=Quantity(float(between.value) + float(repair.value), "h"),
        excluded=excluded,
        notes=(f"repairs:{repair.n}",),
    )


def mean_figure(lasted: EventSums, unit: str, notes: tuple[str, ...]) -> Figure:
    """Return the mean length in hours of what ended in the window; a mean has no interval."""
    total_h = lasted.total / HOUR
    return Figure(
        value=total_h / lasted.n if lasted.n else None,
        unit="h",
        n=lasted.n,
        null_reason=None if lasted.n else NullReason.NO_FAILURES,
        numerator=Quantity(total_h, "h"),
        denominator=Quantity(lasted.n, unit),
        excluded=_sorted(lasted.excluded),
        notes=notes,
    )


def percentile_figure(
    lasted: EventSums,
    found: tuple[float, float | None, float | None] | None,
    notes: tuple[str, ...],
) -> Figure:
    """Return a percentile in hours, which has no sides; `found` is it and the ends of its interval."""
    value, low, high = found or (None, None, None)
    return Figure(
        value=value,
        unit="h",
        n=lasted.n,
        null_reason=None if lasted.n else NullReason.NO_FAILURES,
        numerator=None,
        denominator=None,
        excluded=_sorted(lasted.excluded),
        interval=(
            None if low is None or high is None else Interval(low, high, LEVEL, "order_statistics")
        ),
        notes=notes,
    )


def restoration_notes(
    variant: str, lasted: EventSums, open_faults: tuple[int, int], detected_h: float | None
) -> tuple[str, ...]:
    """Return what stands beside time to restoration: undated failures and the faults still open.

    `detected_h` is the median of the faults detected in the window, those still open counted as lasting on.
    """
    count, oldest = open_faults
    still_open = (f"open_faults:{count}", f"oldest_open_h:{oldest / HOUR}") if count else ()
    median = (f"detected_median_h:{detected_h}",) if detected_h is not None else ()
    return (f"variant:{variant}", *_undated(lasted), *still_open, *median)


def cost_figure(
    by_currency: Mapping[str, LineSums], currency: str, notes: tuple[str, ...]
) -> Figure:
    """Return the sum of the ledger in one currency; lines in others are left out and counted.

    Null where there is no line: nothing is known of the cost to be zero.
    """
    found = by_currency.get(currency, LineSums(0, Decimal(0)))
    excluded = {
        "other_currency": sum(
            sums.n + sums.recoveries for each, sums in by_currency.items() if each != currency
        ),
        "recovery": found.recoveries,
    }
    return Figure(
        value=found.amount if found.n else None,
        unit=currency,
        n=found.n,
        null_reason=None if found.n else NullReason.TOO_FEW,
        numerator=Quantity(found.amount, currency) if found.n else None,
        denominator=None,
        excluded={reason: count for reason, count in excluded.items() if count},
        notes=(
            *notes,
            *(f"other_currency:{each}" for each in sorted(by_currency) if each != currency),
        ),
    )


def _undated(events: EventSums) -> tuple[str, ...]:
    return (f"failed_at_unknown:{events.undated}",) if events.undated else ()


def _sorted(excluded: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(excluded.items()))
