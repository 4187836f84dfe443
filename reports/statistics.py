"""The statistics behind the figures: quantiles, intervals for small numbers, and trend tests.

Own code on the standard library, because the product does not carry a numerical library for four
functions; the tests hold every one to scipy within 1e-9. Sources: NIST/SEMATECH e-Handbook 8.2 and
8.4 (exponential intervals, trend tests), MIL-HDBK-189C, DLMF chapter 8 (incomplete gamma),
Wilson (1927).
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist
from typing import TypeAlias

LEVEL = 0.9
"""Confidence of every interval, unless a caller says otherwise."""

TREND_FROM_N = 5
"""Fewer failures show no trend."""

Range: TypeAlias = tuple[float, float | None]
"""(low, high); high is None where there is only a lower bound."""

_EPSILON = 2.0**-53
_EXACT_RANKS = 1_000
_TINY = 1e-300


# --- Incomplete gamma function -------------------------------------------------------------------


def regularised_gamma(a: float, x: float) -> tuple[float, float]:
    """Return (P(a, x), Q(a, x)), the lower and upper regularised incomplete gamma function.

    a > 0, x ≥ 0. The smaller of the two is computed and the other is its complement, so that
    neither tail loses digits.
    """
    if not (a > 0 and math.isfinite(a)):
        raise ValueError(f"The incomplete gamma function needs a finite a > 0, not {a}.")
    if not x >= 0:
        raise ValueError(f"The incomplete gamma function needs x >= 0, not {x}.")
    if x == 0:
        return 0.0, 1.0
    if math.isinf(x):
        return 1.0, 0.0
    scale = _gamma_scale(a, x)
    if x < a + 1:
        lower = min(1.0, scale * _lower_series(a, x))
        return lower, 1.0 - lower
    upper = min(1.0, scale * a * _upper_fraction(a, x))
    return 1.0 - upper, upper


def _gamma_scale(a: float, x: float) -> float:
    """Return x^a e^-x / Γ(a+1).

    For large a the logarithms of numerator and denominator are huge and almost equal, so there the
    difference is taken by hand: Stirling's series and the distance of x from a.
    """
    if a < 20:
        exponent = a * math.log(x) - x - math.lgamma(a + 1)
        return math.exp(exponent) if exponent > -745 else 0.0
    distance = (x - a) / a
    exponent = -a * (distance - math.log1p(distance)) if distance > -1 else -math.inf
    inverse = 1 / (a * a)
    correction = (
        1 / 12 - inverse * (1 / 360 - inverse * (1 / 1260 - inverse * (1 / 1680 - inverse / 1188)))
    ) / a
    exponent -= correction
    return math.exp(exponent) / math.sqrt(2 * math.pi * a) if exponent > -745 else 0.0


def _lower_series(a: float, x: float) -> float:
    """Return Σ x^k / ((a+1)…(a+k)), which times the scale is P; converges for x < a + 1."""
    term = total = 1.0
    k = a
    while term > total * _EPSILON:
        k += 1
        term *= x / k
        total += term
    return total


def _upper_fraction(a: float, x: float) -> float:
    """Return Γ(a, x) e^x x^-a as a continued fraction (Lentz); converges for x > a + 1."""
    b = x + 1 - a
    c = 1 / _TINY
    d = 1 / b
    value = d
    k = 0
    while True:
        k += 1
        numerator = -k * (k - a)
        b += 2
        d = numerator * d + b
        c = b + numerator / c
        d = 1 / (d if abs(d) > _TINY else _TINY)
        c = c if abs(c) > _TINY else _TINY
        step = d * c
        value *= step
        if abs(step - 1) <= 4 * _EPSILON:
            return value


def gamma_quantile(a: float, p: float) -> float:
    """Return x with P(a, x) = p, for 0 ≤ p < 1."""
    if not 0 <= p < 1:
        raise ValueError(f"A quantile needs a probability from 0 to below 1, not {p}.")
    if p == 0:
        return 0.0
    low, high = 0.0, math.inf
    x = _first_guess(a, p)
    for _ in range(200):
        lower, upper = regularised_gamma(a, x)
        # The smaller tail carries the digits.
        error = lower - p if p <= 0.5 else (1 - p) - upper
        if error == 0:
            return x
        if error < 0:
            low = x
        else:
            high = x
        density = _gamma_scale(a, x) * a / x
        step = math.nan
        if density > 0:
            newton = error / density
            # Halley's correction, kept below one half so that it cannot turn the step round.
            bend = min(0.5, max(-0.5, newton * ((a - 1) / x - 1) / 2))
            step = newton / (1 - bend)
        better = x - step
        if not low < better < high:
            better = _between(low, high, x)
        if abs(better - x) <= 2 * _EPSILON * x:
            return better
        x = better
    return x


def _first_guess(a: float, p: float) -> float:
    """Wilson–Hilferty's cube where it is positive, else the first term of the series."""
    z = NormalDist().inv_cdf(p)
    root = 1 - 1 / (9 * a) + z / (3 * math.sqrt(a))
    if a >= 1 and root > 0.1:
        return a * root**3
    guess = math.exp((math.log(p) + math.lgamma(a + 1)) / a)
    return max(guess, _TINY) if guess < a + 1 else a + 1


def _between(low: float, high: float, x: float) -> float:
    if math.isinf(high):
        return 2 * x
    if low == 0:
        return high / 2
    return math.sqrt(low * high)


# --- Chi-square and normal -----------------------------------------------------------------------


def chi2_quantile(p: float, df: float) -> float:
    """Return what a chi-square variable on `df` degrees stays below with probability p."""
    return 2 * gamma_quantile(df / 2, p)


def chi2_tails(value: float, df: float) -> tuple[float, float]:
    """Return the probabilities of lying below and above `value` on `df` degrees of freedom."""
    return regularised_gamma(df / 2, value / 2)


def normal_two_sided(z: float) -> float:
    """Return the probability of a standard normal value at least as far from 0 as z."""
    return math.erfc(abs(z) / math.sqrt(2))


# --- Intervals -----------------------------------------------------------------------------------


def mean_time_interval(exposure: float, n: int, level: float = LEVEL) -> Range:
    """Return the interval of exposure/n for n events of a Poisson process, in exposure's unit.

    Time-truncated: [2T/χ²(1−α/2; 2n+2), 2T/χ²(α/2; 2n)]. Without events only the one-sided lower
    bound T/ln(1/α) is known.
    """
    _probability(level)
    if not exposure > 0 or n < 0:
        raise ValueError(f"No interval from {n} events in an exposure of {exposure}.")
    alpha = 1 - level
    if n == 0:
        return exposure / -math.log(alpha), None
    low = 2 * exposure / chi2_quantile(1 - alpha / 2, 2 * n + 2)
    high = 2 * exposure / chi2_quantile(alpha / 2, 2 * n)
    return low, high


def mean_time_lower_bound(exposure: float, n: int, level: float = LEVEL) -> float:
    """Return the one-sided bound that the mean time between events exceeds at `level`."""
    _probability(level)
    return 2 * exposure / chi2_quantile(level, 2 * n + 2)


def wilson_interval(hits: int, n: int, level: float = LEVEL) -> tuple[float, float]:
    """Return Wilson's score interval of the proportion hits/n, within [0, 1]."""
    _probability(level)
    if not 0 <= hits <= n or n == 0:
        raise ValueError(f"No proportion of {hits} in {n}.")
    z = NormalDist().inv_cdf((1 + level) / 2)
    share = hits / n
    middle = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    low = 0.0 if hits == 0 else (middle - half) / scale
    high = 1.0 if hits == n else (middle + half) / scale
    return low, high


def median_interval(values: Sequence[float], level: float = LEVEL) -> tuple[float, float] | None:
    """Return order statistics between which the median lies with at least `level`, else None.

    `values` ascend. None when even the extremes do not suffice (n < 5 at 0.9).
    """
    ranks = median_ranks(len(values), level)
    return (values[ranks[0] - 1], values[ranks[1] - 1]) if ranks else None


def median_ranks(n: int, level: float = LEVEL) -> tuple[int, int] | None:
    """Return the ranks, from 1, of the order statistics that `median_interval` takes of n values.

    The k-th from either end, k the largest with 2·P(Bin(n, ½) < k) ≤ 1 − level.
    """
    _probability(level)
    if n > _EXACT_RANKS:
        return _median_ranks_of_many(n, level)
    below = 0
    k = 0
    while k < n - k:
        below += math.comb(n, k)
        # 2·below/2^n ≤ 1 − level, with whole numbers as far as they go.
        if below / 2 ** (n - 1) > 1 - level:
            break
        k += 1
    return (k, n + 1 - k) if k else None


def _median_ranks_of_many(n: int, level: float) -> tuple[int, int]:
    """Do the same in floating point, a hair on the safe side: whole numbers would have n digits."""
    room = (1 - level) / 2 - 1e-10
    # What lies 20 standard deviations out is below 1e-80 and changes no sum.
    k = max(0, n // 2 - 10 * math.isqrt(n))
    below = 0.0
    while k < n - k:
        log_choices = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
        below += math.exp(log_choices - n * math.log(2))
        if below > room:
            break
        k += 1
    return k, n + 1 - k


def _probability(level: float) -> None:
    if not 0 < level < 1:
        raise ValueError(f"A confidence level lies between 0 and 1, not at {level}.")


# --- Order and survival --------------------------------------------------------------------------


def percentile(values: Sequence[float], share: float) -> float:
    """Return the percentile of ascending `values` by linear interpolation, as `percentile_cont`."""
    if not values or not 0 <= share <= 1:
        raise ValueError(f"No percentile {share} of {len(values)} values.")
    position = share * (len(values) - 1)
    below = math.floor(position)
    above = min(below + 1, len(values) - 1)
    return values[below] + (values[above] - values[below]) * (position - below)


def kaplan_meier_median(observations: Iterable[tuple[float, bool]]) -> float | None:
    """Return the first time at which survival has fallen to one half, None if it never does.

    Observations are (length, ended); ended is False for what is still going on at that length.
    """
    ordered = sorted(observations)
    at_risk = len(ordered)
    survival = 1.0
    index = 0
    while index < len(ordered):
        at = ordered[index][0]
        same = [ended for length, ended in ordered[index:] if length == at]
        ends = sum(same)
        if ends:
            survival *= (at_risk - ends) / at_risk
            # Products of fractions miss one half by the last bit.
            if survival <= 0.5 + 1e-12:
                return at
        at_risk -= len(same)
        index += len(same)
    return None


# --- Trend ---------------------------------------------------------------------------------------


class Direction(StrEnum):
    """Where the rate of failure is going."""

    IMPROVING = "improving"
    DETERIORATING = "deteriorating"
    NO_TREND = "no_trend"


@dataclass(frozen=True, slots=True)
class Observed:
    """Failures of one system on its operating clock: `times` since exposure began, `end` its end.

    Times and `end` in one unit, 0 < time ≤ end. A failure at 0 is set to one second by the caller.
    """

    times: tuple[float, ...]
    end: float

    def __post_init__(self) -> None:
        if not all(0 < time <= self.end for time in self.times):
            raise ValueError(f"A failure time lies outside (0, {self.end}].")


def laplace_z(systems: Iterable[Observed]) -> float:
    """Return Laplace's statistic, pooled: positive when failures come late (deteriorating)."""
    excess = variance = 0.0
    for system in systems:
        n = len(system.times)
        excess += math.fsum(system.times) - n * system.end / 2
        variance += n * system.end**2 / 12
    if variance == 0:
        raise ValueError("Laplace's test needs a failure.")
    return excess / math.sqrt(variance)


def mil_hdbk_chi2(systems: Iterable[Observed]) -> tuple[float, int]:
    """Return (2ΣΣln(T/t), degrees of freedom 2Σn) of MIL-HDBK-189C; large when improving."""
    logs = [math.log(system.end / time) for system in systems for time in system.times]
    if not logs:
        raise ValueError("The MIL-HDBK-189C test needs a failure.")
    return 2 * math.fsum(logs), 2 * len(logs)


@dataclass(frozen=True, slots=True)
class Growth:
    """A Crow–AMSAA (power-law) fit: expected failures λT^β. `beta` < 1 improves.

    `instantaneous_mtbf` is 1/(λβT^{β−1}) at the longest exposure, in its unit.
    """

    beta: float
    beta_unbiased: float
    scale: float
    instantaneous_mtbf: float


def crow_amsaa(systems: Sequence[Observed]) -> Growth:
    """Return the maximum-likelihood fit of time-truncated systems that share one law."""
    logs = math.fsum(math.log(system.end / time) for system in systems for time in system.times)
    n = sum(len(system.times) for system in systems)
    if n == 0 or logs == 0:
        raise ValueError("Crow–AMSAA needs a failure before the end of observation.")
    beta = n / logs
    scale = n / math.fsum(system.end**beta for system in systems)
    longest = max(system.end for system in systems)
    rate = scale * beta * longest ** (beta - 1)
    return Growth(beta, beta * (n - 1) / n, scale, 1 / rate)


@dataclass(frozen=True, slots=True)
class Trend:
    """Both tests and what follows from them. `p` is twice the smaller p, because two were tried.

    `is_improving` is the way it goes, significant or not.
    """

    direction: Direction
    is_improving: bool
    n: int
    laplace_z: float
    laplace_p: float
    mil_hdbk_chi2: float
    mil_hdbk_df: int
    mil_hdbk_p: float
    p: float
    growth: Growth | None


def trend(systems: Sequence[Observed], significance: float = 0.05) -> Trend | None:
    """Return whether failures come faster or more slowly; None below five of them."""
    n = sum(len(system.times) for system in systems)
    if n < TREND_FROM_N:
        return None
    z = laplace_z(systems)
    chi2, df = mil_hdbk_chi2(systems)
    laplace_p = normal_two_sided(z)
    below, above = chi2_tails(chi2, df)
    mil_p = min(1.0, 2 * min(below, above))
    p = min(1.0, 2 * min(laplace_p, mil_p))
    direction = Direction.NO_TREND
    # The sharper test says which way; the two rarely disagree.
    improving = z < 0 if laplace_p <= mil_p else above < below
    if p < significance:
        direction = Direction.IMPROVING if improving else Direction.DETERIORATING
    growth = crow_amsaa(systems) if chi2 > 0 else None
    return Trend(direction, improving, n, z, laplace_p, chi2, df, mil_p, p, growth)


# --- Many at once --------------------------------------------------------------------------------


def benjamini_hochberg(ps: Sequence[float]) -> list[float]:
    """Return the p of each test adjusted for how many were tried, in their order.

    Calling a finding what is at most q keeps the expected share of false findings at q.
    """
    if any(not 0 <= p <= 1 for p in ps):
        raise ValueError("A probability lies between 0 and 1.")
    adjusted = [1.0] * len(ps)
    least = 1.0
    for rank, index in sorted(
        enumerate(sorted(range(len(ps)), key=ps.__getitem__), 1), reverse=True
    ):
        least = min(least, ps[index] * len(ps) / rank)
        adjusted[index] = least
    return adjusted


def binomial_limits(n: int, share: float, level: float) -> tuple[float, float]:
    """Return between which shares k/n of a binomial with this `share` lies with at least `level`.

    Exact: each tail that is left out holds at most half of the rest.
    """
    _probability(level)
    if n < 1 or not 0 <= share <= 1:
        raise ValueError(f"No limits for {n} trials at {share}.")
    if share in (0, 1):
        return float(share), float(share)
    room = (1 - level) / 2
    low, below = 0, 0.0
    while (below := below + _binomial(n, low, share)) <= room:
        low += 1
    high, above = n, 0.0
    while (above := above + _binomial(n, high, share)) <= room:
        high -= 1
    return low / n, high / n


def _binomial(n: int, k: int, share: float) -> float:
    ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return math.exp(ways + k * math.log(share) + (n - k) * math.log1p(-share))
