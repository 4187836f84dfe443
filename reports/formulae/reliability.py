"""Time per asset: mean time between failures, trend, downtime, availability.

X_i = window ∩ in service (∩ on the contract in scope); R_i = X_i ∩ required time − external
outages; D_i = union of its outages, degraded ones not. Everything is clipped to the window and to
`as_of`, so that adjoining windows add up.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from fsm.intervals import (
    HOUR,
    SECOND,
    Intervals,
    Micros,
    clip,
    contains,
    instant,
    intersect,
    length,
    micros,
    subtract,
)
from reports.results import (
    Figure,
    Interval,
    NullReason,
    Quantity,
    Share,
    count_excluded,
    ratio,
)
from reports.rows import Asset, Cause, Failure, Outage, Period, closed
from reports.statistics import LEVEL, Observed, Trend, mean_time_interval, trend

_FAR_OFF = datetime(9000, 1, 1, tzinfo=UTC)
_PRECEDENCE = (Cause.FAILURE, Cause.OPERATIONAL, Cause.PLANNED)


class TimeBase(StrEnum):
    """What the time between failures is measured in, where it is not the machine's own counter."""

    OPERATING = "operating"
    CALENDAR = "calendar"


class Availability(StrEnum):
    """`operational`: all downtime counts. `planned_out`: planned outages leave both sides."""

    OPERATIONAL = "operational"
    PLANNED_OUT = "planned_out"


@dataclass(frozen=True, slots=True)
class AssetTime:
    """What one asset did in a window; all sets of UTC instants, `down` by cause disjoint.

    `required` = `up` + the union of `down`; `degraded` is time it worked badly while up.
    """

    exposed: Intervals
    required: Intervals
    up: Intervals
    down: tuple[tuple[Cause, Intervals], ...]
    degraded: Intervals

    def down_for(self, cause: Cause) -> Intervals:
        """Return the downtime that `cause` accounts for."""
        return dict(self.down).get(cause, ())


def asset_time(asset: Asset, period: Period) -> AssetTime:
    """Return the time of one asset in a window, each instant of downtime under one cause."""
    until = micros(period.as_of)
    exposed = clip(closed(asset.in_service, until), period.seen())
    if asset.on_contract is not None:
        exposed = intersect(exposed, closed(asset.on_contract, until))
    required = exposed
    if asset.required is not None:
        required = intersect(required, closed(asset.required, until))
    required = subtract(required, _outages(asset.outages, Cause.EXTERNAL, until))
    up = required
    down: list[tuple[Cause, Intervals]] = []
    for cause in _PRECEDENCE:
        taken = intersect(up, _outages(asset.outages, cause, until))
        up = subtract(up, taken)
        down.append((cause, taken))
    degraded = closed(tuple(outage.during for outage in asset.outages if outage.is_degraded), until)
    return AssetTime(exposed, required, up, tuple(down), intersect(up, degraded))


def mtbf(
    assets: Sequence[Asset],
    failures: Iterable[Failure],
    period: Period,
    base: TimeBase = TimeBase.OPERATING,
    level: float = LEVEL,
) -> Figure:
    """Return time between failures in hours: Σ|R_i − D_i| (or Σ|X_i|) / Σn_i.

    Time before the first and after the last failure counts. Without failures the value is null and
    the interval holds the lower bound alone.
    """
    times = {asset.id: asset_time(asset, period) for asset in assets}
    exposure = {asset_id: _exposure(time, base) for asset_id, time in times.items()}
    events, notes = _count_failures(times, failures, period)
    n = sum(1 for share in events if share.excluded is None)
    total_h = sum(exposure.values()) / HOUR
    reason: NullReason | None = None
    interval: Interval | None = None
    if not total_h:
        reason = NullReason.NO_EXPOSURE
    else:
        reason = None if n else NullReason.NO_FAILURES
        low, high = mean_time_interval(total_h, n, level)
        interval = Interval(low, high, level, "poisson_exposure" if n else "poisson_lower_bound")
    return Figure(
        value=None if reason else total_h / n,
        unit="h",
        n=n,
        null_reason=reason,
        numerator=Quantity(total_h, "h"),
        denominator=Quantity(n, "failure"),
        excluded=count_excluded(events),
        interval=interval,
        notes=(f"time_base:{base}", *notes),
        shares=(*(Share("asset", each, us / HOUR) for each, us in exposure.items()), *events),
    )


def mtbf_trend(
    assets: Sequence[Asset],
    failures: Iterable[Failure],
    period: Period,
    base: TimeBase = TimeBase.OPERATING,
) -> Trend | None:
    """Return the pooled trend on each asset's own clock, in hours; None below five failures.

    The clock of an asset begins with its exposure and stands still while it is down (operating
    base). A failure at 0 is set to one second.
    """
    times = {asset.id: asset_time(asset, period) for asset in assets}
    events, _ = _count_failures(times, listed := list(failures), period)
    counted = {share.id for share in events if share.excluded is None}
    on_clock: defaultdict[str, list[float]] = defaultdict(list)
    ends = {asset_id: _exposure(time, base) for asset_id, time in times.items()}
    for failure in listed:
        if failure.id not in counted:
            continue
        time = times[failure.asset_id]
        running = time.up if base is TimeBase.OPERATING else time.exposed
        happened = micros(failure.failed_at or failure.detected_at)
        run = sum(min(end, happened) - begin for begin, end in running if begin < happened)
        on_clock[failure.asset_id].append(max(run, SECOND) / HOUR)
    systems = [
        Observed(tuple(sorted(on_clock[asset_id])), us / HOUR)
        for asset_id, us in ends.items()
        # An asset that was never up has no clock to put its failures on.
        if us > SECOND
    ]
    return trend(systems)


def downtime(assets: Iterable[Asset], period: Period) -> dict[str, Figure]:
    """Return hours down by cause, `total` of them, and `degraded` apart from them.

    Where causes overlap, failure counts before operational before planned; the causes add up to
    the total. Null where no asset was in service: 0 hours down would be said of nothing.
    """
    times = [(asset.id, asset_time(asset, period)) for asset in assets]
    lengths = {
        cause.value: [(key, length(time.down_for(cause))) for key, time in times]
        for cause in _PRECEDENCE
    }
    lengths["total"] = [(key, length(time.required) - length(time.up)) for key, time in times]
    lengths["degraded"] = [(key, length(time.degraded)) for key, time in times]
    is_exposed = any(time.exposed for _, time in times)
    return {name: _hours(listed, is_exposed) for name, listed in lengths.items()}


def mean_downtime(assets: Iterable[Asset], period: Period) -> Figure:
    """Return the mean length in hours of merged outages that ended in the window, each whole.

    External and degraded ones stay out, and what still went on at the end of what is counted. A
    merged outage belongs to the contract of the instant in which it ended. Every outage is a
    candidate; those of one merged outage share its length equally, so that the shares add up.
    """
    shares: list[Share] = []
    n = 0
    for asset in assets:
        left_out, counting = _sort_outages(asset.outages, period)
        shares += left_out
        on_contract = None
        if asset.on_contract is not None:
            on_contract = closed(asset.on_contract, micros(_FAR_OFF))
        merged: defaultdict[tuple[Micros, Micros], list[Outage]] = defaultdict(list)
        whole = closed(tuple(outage.during for outage in counting), period.until())
        for outage in counting:
            begin = micros(outage.during[0])
            merged[next(part for part in whole if part[0] <= begin < part[1])].append(outage)
        for (begin, end), outages in merged.items():
            if any(_is_open(outage, period) for outage in outages):
                shares += [Share("outage", each.id, excluded="open") for each in outages]
            elif not period.holds(instant(end)):
                continue
            elif on_contract is not None and not contains(on_contract, end):
                shares += [Share("outage", each.id, excluded="not_on_contract") for each in outages]
            else:
                n += 1
                hours, part = (end - begin) / HOUR / len(outages), 1 / len(outages)
                shares += [Share("outage", each.id, hours, part) for each in outages]
    total = math.fsum(share.numerator for share in shares)
    return Figure(
        value=total / n if n else None,
        unit="h",
        n=n,
        null_reason=None if n else NullReason.NO_FAILURES,
        numerator=Quantity(total, "h"),
        denominator=Quantity(n, "outage"),
        excluded=count_excluded(shares),
        shares=tuple(shares),
    )


def availability(
    assets: Iterable[Asset], period: Period, variant: Availability = Availability.OPERATIONAL
) -> Figure:
    """Return Σ|R_i − D_i| / Σ|R_i|, from 0 to 1; null when nothing was required."""
    shares: list[Share] = []
    for asset in assets:
        time = asset_time(asset, period)
        required = length(time.required)
        if variant is Availability.PLANNED_OUT:
            required -= length(time.down_for(Cause.PLANNED))
        if required:
            shares.append(Share("asset", asset.id, length(time.up) / HOUR, required / HOUR))
        else:
            shares.append(Share("asset", asset.id, excluded="not_required"))
    return ratio(
        shares,
        units=("h", "h"),
        null_reason=NullReason.NO_EXPOSURE,
        n=sum(1 for share in shares if share.excluded is None),
        notes=(f"variant:{variant}",),
    )


def inherent_availability(mtbf_h: float | None, mrt_h: float | None) -> float | None:
    """Return MTBF / (MTBF + MRT), None unless both are known."""
    if mtbf_h is None or mrt_h is None:
        return None
    return mtbf_h / (mtbf_h + mrt_h)


def downtime_left_h(figure: Figure, target: float) -> float:
    """Return how many more hours may be lost before availability falls below `target`.

    Negative once it has. Of the time required so far: the rest of the window promises nothing.
    """
    if not 0 <= target <= 1:
        raise ValueError(f"A target for availability lies between 0 and 1, not at {target}.")
    if figure.numerator is None or figure.denominator is None:
        raise ValueError("Only an availability has downtime left.")
    required = float(figure.denominator.value)
    return (1 - target) * required - (required - float(figure.numerator.value))


def _sort_outages(outages: Iterable[Outage], period: Period) -> tuple[list[Share], list[Outage]]:
    """Return shares of the outages that do not count in the window, and the outages that may."""
    left_out: list[Share] = []
    counting: list[Outage] = []
    for outage in outages:
        begins_at, ends_at = outage.during
        ends = None if ends_at is None else micros(ends_at)
        if micros(begins_at) >= period.until() or micros(begins_at) == ends:
            continue
        if not outage.is_degraded and outage.cause is not Cause.EXTERNAL:
            counting.append(outage)
        elif ends_at is None or _is_open(outage, period) or period.holds(ends_at):
            reason = "degraded" if outage.is_degraded else "external"
            left_out.append(Share("outage", outage.id, excluded=reason))
    return left_out, counting


def _is_open(outage: Outage, period: Period) -> bool:
    """Say whether the outage still went on at the end of what is counted."""
    ends_at = outage.during[1]
    return ends_at is None or micros(ends_at) >= period.until()


def _outages(outages: Iterable[Outage], cause: Cause, until: Micros) -> Intervals:
    return closed(
        tuple(each.during for each in outages if each.cause is cause and not each.is_degraded),
        until,
    )


def _exposure(time: AssetTime, base: TimeBase) -> Micros:
    return length(time.up if base is TimeBase.OPERATING else time.exposed)


def _count_failures(
    times: dict[str, AssetTime], failures: Iterable[Failure], period: Period
) -> tuple[list[Share], list[str]]:
    """Return a share per failure of these assets in the window, and what to note about them.

    Components that fail in one instant are one failure of their asset: the first listed counts,
    one that counts before one that does not.
    """
    candidates = [
        failure
        for failure in failures
        if failure.asset_id in times and period.holds(failure.failed_at or failure.detected_at)
    ]
    seen: set[tuple[str, Micros]] = set()
    shares: list[Share] = []
    undated = 0
    for failure in candidates:
        at = micros(failure.failed_at or failure.detected_at)
        reason: str | None = None
        if failure.exclusion is not None:
            reason = failure.exclusion
        elif not contains(times[failure.asset_id].exposed, at):
            reason = "not_in_service"
        elif (failure.asset_id, at) in seen:
            reason = "same_instant"
        else:
            seen.add((failure.asset_id, at))
            undated += failure.failed_at is None
        shares.append(Share("failure", failure.id, denominator=0 if reason else 1, excluded=reason))
    return shares, [f"failed_at_unknown:{undated}"] if undated else []


def _hours(lengths: Sequence[tuple[str, Micros]], is_exposed: bool) -> Figure:
    """Return a sum of hours over assets; 0 is a value here, for it divides by nothing."""
    total = sum(us for _, us in lengths) / HOUR
    return Figure(
        value=total if is_exposed else None,
        unit="h",
        n=len(lengths),
        null_reason=None if is_exposed else NullReason.NO_EXPOSURE,
        numerator=Quantity(total, "h"),
        denominator=None,
        shares=tuple(Share("asset", asset_id, us / HOUR) for asset_id, us in lengths),
    )
