"""Time per failure and repair: restoration, mean repair time, mean active repair time, the split.

"MTTR" means at least two of these, so nothing here bears that name. With a detection, b waiting and
travel, c effective repair and d return to service, restoration is a+b+c+d, mean repair time (MRT)
b+c+d, mean active repair time (MART) c. A figure belongs to the window in which the function came
back and keeps its own length there.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from fsm.intervals import HOUR, Micros, clip, length, micros, subtract, union
from reports.results import Figure, Interval, NullReason, Quantity, Share, count_excluded
from reports.rows import Failure, Period, Repair, closed
from reports.statistics import LEVEL, kaplan_meier_median, median_interval, percentile


@dataclass(frozen=True, slots=True)
class Restoration:
    """Hours from failing to working again, and the faults still open at `as_of`.

    `open_ages_h` ascend. `detected_median_h` is the Kaplan–Meier median over faults detected in
    the window, from detection, with those still open counted as lasting at least so long.
    """

    mean: Figure
    p50: Figure
    p90: Figure
    open_ages_h: tuple[float, ...]
    detected_median_h: float | None


def restoration(failures: Iterable[Failure], period: Period, level: float = LEVEL) -> Restoration:
    """Return `restored_at − failed_at` over failures restored in the window.

    Where `failed_at` is unknown the time runs from detection, and a note says how often. The
    median's interval is of order statistics; the mean has none.
    """
    listed = list(failures)
    shares: list[Share] = []
    lengths: list[Micros] = []
    undated = 0
    for failure in listed:
        if failure.restored_at is None or not period.holds(failure.restored_at):
            continue
        if failure.exclusion is not None:
            shares.append(Share("failure", failure.id, excluded=failure.exclusion))
            continue
        undated += failure.failed_at is None
        lasted = micros(failure.restored_at) - micros(failure.failed_at or failure.detected_at)
        lengths.append(lasted)
        shares.append(Share("failure", failure.id, lasted / HOUR, 1))
    notes = (f"failed_at_unknown:{undated}",) if undated else ()
    hours = sorted(lasted / HOUR for lasted in lengths)
    bounds = median_interval(hours, level)
    return Restoration(
        mean=_mean(lengths, shares, "failure", notes),
        p50=_percentile(
            hours,
            0.5,
            shares,
            notes,
            Interval(*bounds, level, "order_statistics") if bounds else None,
        ),
        p90=_percentile(hours, 0.9, shares, notes, None),
        open_ages_h=_open_ages(listed, period),
        detected_median_h=kaplan_meier_median(_faults_detected(listed, period)),
    )


@dataclass(frozen=True, slots=True)
class Split:
    """Where the time of one repair went; the three add up to `mrt` by construction."""

    mrt: Micros
    hands_on: Micros
    travel: Micros
    wait: Micros


def split(repair: Repair) -> Split | None:
    """Return the split of a restored repair, None of one still open.

    All of it between detection and restoration: work outside, such as paperwork, is no repair.
    Hands-on is the union of work over people and visits without repair pauses, not person-hours;
    travel is what of the union of travel nobody worked through.
    """
    if repair.restored_at is None:
        return None
    span = (micros(repair.detected_at), micros(repair.restored_at))
    whole = union((span,))
    hands_on = subtract(clip(closed(repair.work, span[1]), span), closed(repair.pauses, span[1]))
    travel = subtract(clip(closed(repair.travel, span[1]), span), hands_on)
    mrt, worked, travelled = length(whole), length(hands_on), length(travel)
    return Split(mrt, worked, travelled, mrt - worked - travelled)


def mrt(repairs: Sequence[Repair], period: Period) -> Figure:
    """Return mean repair time in hours: `restored_at − detected_at`."""
    return _over_repairs(repairs, period, lambda parts: parts.mrt)


def mart(repairs: Sequence[Repair], period: Period) -> Figure:
    """Return mean active repair time in hours: hands-on time per repair."""
    return _over_repairs(repairs, period, lambda parts: parts.hands_on)


def mean_split(repairs: Sequence[Repair], period: Period) -> dict[str, Figure]:
    """Return the means in hours of hands_on, travel and wait, which add up to `mrt`."""
    return {
        "hands_on": mart(repairs, period),
        "travel": _over_repairs(repairs, period, lambda parts: parts.travel),
        "wait": _over_repairs(repairs, period, lambda parts: parts.wait),
    }


def _over_repairs(
    repairs: Iterable[Repair], period: Period, part: Callable[[Split], Micros]
) -> Figure:
    shares: list[Share] = []
    lengths: list[Micros] = []
    for repair in repairs:
        parts = split(repair)
        if parts is None or repair.restored_at is None or not period.holds(repair.restored_at):
            continue
        if repair.exclusion is not None:
            shares.append(Share("repair", repair.id, excluded=repair.exclusion))
            continue
        lengths.append(part(parts))
        shares.append(Share("repair", repair.id, part(parts) / HOUR, 1))
    return _mean(lengths, shares, "repair", ())


def _mean(
    lengths: Sequence[Micros], shares: Sequence[Share], unit: str, notes: tuple[str, ...]
) -> Figure:
    total_h = sum(lengths) / HOUR
    return Figure(
        value=total_h / len(lengths) if lengths else None,
        unit="h",
        n=len(lengths),
        null_reason=None if lengths else NullReason.NO_FAILURES,
        numerator=Quantity(total_h, "h"),
        denominator=Quantity(len(lengths), unit),
        excluded=count_excluded(shares),
        notes=notes,
        shares=tuple(shares),
    )


def _percentile(
    hours: Sequence[float],
    share: float,
    shares: Sequence[Share],
    notes: tuple[str, ...],
    interval: Interval | None,
) -> Figure:
    """Return a percentile, which has no sides: the shares list the lengths it was drawn from."""
    return Figure(
        value=percentile(hours, share) if hours else None,
        unit="h",
        n=len(hours),
        null_reason=None if hours else NullReason.NO_FAILURES,
        numerator=None,
        denominator=None,
        excluded=count_excluded(shares),
        interval=interval,
        notes=notes,
        shares=tuple(shares),
    )


def _open_ages(failures: Iterable[Failure], period: Period) -> tuple[float, ...]:
    """Return the ages of the faults open where the window ends by now; none before it begins."""
    begins, until = period.seen()
    if until == begins:
        return ()
    return tuple(
        sorted(
            (until - micros(failure.detected_at)) / HOUR
            for failure in failures
            if failure.exclusion is None
            and micros(failure.detected_at) < until
            and (failure.restored_at is None or micros(failure.restored_at) >= until)
        )
    )


def _faults_detected(failures: Iterable[Failure], period: Period) -> list[tuple[float, bool]]:
    """Return (hours, is restored) per fault detected in the window, as known at its end."""
    until = period.until()
    observed: list[tuple[float, bool]] = []
    for failure in failures:
        if failure.exclusion is not None or not period.holds(failure.detected_at):
            continue
        ended = failure.restored_at is not None and micros(failure.restored_at) < until
        end = micros(failure.restored_at) if failure.restored_at and ended else until
        observed.append(((end - micros(failure.detected_at)) / HOUR, ended))
    return observed
