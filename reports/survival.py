"""How long things live: Kaplan–Meier and Weibull where some were seen late and some still live."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Life:
    """A life seen from age `entry` on to age `end`, and whether it ended there; 0 ≤ entry < end."""

    entry: float
    end: float
    has_ended: bool


@dataclass(frozen=True, slots=True)
class Weibull:
    """Share that outlives t: exp(−(t/scale)^shape); above 1 things wear out."""

    shape: float
    scale: float


def life_median(lives: Iterable[Life]) -> float | None:
    """Return the first age at which survival has fallen to one half (Kaplan–Meier), None if it never does.

    A life that was seen from a later age on is at risk from then on only.
    """
    listed = list(lives)
    survival = 1.0
    for age in sorted({life.end for life in listed if life.has_ended}):
        at_risk = sum((not life.entry or life.entry < age) and age <= life.end for life in listed)
        ends = sum(life.has_ended and life.end == age for life in listed)
        survival *= (at_risk - ends) / at_risk
        if survival <= 0.5 + 1e-12:
            return age
    return None


def weibull(lives: Sequence[Life]) -> Weibull | None:
    """Return the likeliest Weibull life, None where the lives do not bound it.

    The score of the shape k, with the scale taken out, is n/k + Σ ln t − n Σ(t^k ln t − e^k ln e) /
    Σ(t^k − e^k) over ages e at entry and t at the end, and falls as k grows.
    """
    ended = [life.end for life in lives if life.has_ended]
    if len(set(ended)) < 2:
        return None
    # Ages relative to the oldest keep the powers within what a float holds.
    oldest = max(life.end for life in lives)
    spans = [(life.entry / oldest, life.end / oldest) for life in lives]
    logs = math.fsum(math.log(age / oldest) for age in ended)

    def powers(k: float) -> tuple[float, float]:
        total = math.fsum(end**k - entry**k for entry, end in spans)
        weighed = math.fsum(_power_log(end, k) - _power_log(entry, k) for entry, end in spans)
        return total, weighed

    def score(k: float) -> float:
        total, weighed = powers(k)
        return len(ended) / k + logs - len(ended) * weighed / total

    low, high = 1e-3, 1.0
    while score(high) > 0:
        low, high = high, high * 2
        if high > 1e3:
            return None
    if score(low) <= 0:
        return None
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if score(middle) > 0 else (low, middle)
    shape = (low + high) / 2
    return Weibull(shape, oldest * (powers(shape)[0] / len(ended)) ** (1 / shape))


def _power_log(age: float, k: float) -> float:
    return age**k * math.log(age) if age > 0 else 0.0
