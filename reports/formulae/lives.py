"""How long serial parts last: time to failure over the parts of machines that bear a serial number.

A part's age counts from its installation (the later of commissioning and going into service). One that was
taken out with a failure of its that nobody had put right has failed; other removals, and parts that still
run, are censored: they lasted at least so long. A window that begins later than a part sees it from that age.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from reports.results import Figure, Interval, NullReason, Quantity
from reports.statistics import LEVEL, mean_time_interval
from reports.survival import Life, life_median, weibull

FEWEST = 5
"""From so many failed removals on, a median and a Weibull fit are given beside the mean."""


@dataclass(frozen=True, slots=True)
class PartSums:
    """Hours installed, and removals; `other_removals` and `running` are censored."""

    installed_h: float = 0
    parts: int = 0
    failed: int = 0
    other_removals: int = 0
    running: int = 0


def mttf(sums: PartSums, lives: Sequence[Life]) -> Figure:
    """Return Σ installed time / failed removals, in hours; `lives` may be empty below `FEWEST`."""
    reason = NullReason.NO_EXPOSURE if not sums.installed_h else None
    interval = None
    if reason is None:
        reason = None if sums.failed else NullReason.NO_FAILURES
        low, high = mean_time_interval(sums.installed_h, sums.failed)
        method = "poisson_exposure" if sums.failed else "poisson_lower_bound"
        interval = Interval(low, high, LEVEL, method)
    return Figure(
        value=None if reason else sums.installed_h / sums.failed,
        unit="h",
        n=sums.failed,
        null_reason=reason,
        numerator=Quantity(sums.installed_h, "h"),
        denominator=Quantity(sums.failed, "removal"),
        interval=interval,
        notes=(
            f"parts:{sums.parts}",
            *((f"running:{sums.running}",) if sums.running else ()),
            *((f"other_removals:{sums.other_removals}",) if sums.other_removals else ()),
            *_fitted(sums, lives),
        ),
    )


def _fitted(sums: PartSums, lives: Sequence[Life]) -> tuple[str, ...]:
    if sums.failed < FEWEST:
        return ()
    median, fit = life_median(lives), weibull(lives)
    return (
        *((f"median_h:{median}",) if median is not None else ()),
        *(
            (f"weibull_shape:{fit.shape}", f"weibull_scale_h:{fit.scale}")
            if fit is not None and math.isfinite(fit.scale)
            else ()
        ),
    )
