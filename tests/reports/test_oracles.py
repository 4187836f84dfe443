"""Lives and trends against surpyval and lifelines, on the same numbers.

What lifelines makes of them is written down: it needs an older pandas, to which nothing here is held back.
"""

import random

import pytest

from reports.statistics import Observed, crow_amsaa, laplace_z, mean_time_interval, mil_hdbk_chi2
from reports.survival import Life, life_median, weibull
from tests.lazily import Lazily

surpyval = Lazily("surpyval")
recurrent = Lazily("surpyval.recurrent")

FLEET = (
    Observed((5, 40, 43, 175, 389, 712, 747, 795, 1299, 1478), 1500),
    Observed((120, 300, 1000), 1100),
    Observed((700.5,), 900),
)

# Seed and shape of `some_lives`: median life, Weibull shape and scale, and mean life if failures came at a
# constant rate, by lifelines 0.30.3 with `entry`; the last three are where its optimiser stopped.
OF_LIFELINES = {
    (1, 0.7): (259.1745425225841, 0.6234566310772318, 504.40841044754893, 662.2114264434645),
    (2, 1.0): (870.3713919897409, 1.0939471156629454, 1142.1780633349522, 1131.2185558187234),
    (3, 2.5): (869.0418474119716, 2.3941026264081513, 952.0482147546159, 944.0447275065487),
    (4, 6.0): (922.0159023162845, 6.126997158884748, 992.8681660420184, 1134.2666026967718),
}


def some_lives(seed: int, shape: float) -> list[Life]:
    """Forty lives of a Weibull law, a third seen from a later age on, some still going on."""
    chance = random.Random(seed)
    lives = []
    while len(lives) < 40:
        age = 1000 * chance.weibullvariate(1, shape)
        entry = chance.uniform(0, 600) if chance.random() < 1 / 3 else 0.0
        last = chance.uniform(500, 2500)
        if entry < min(age, last):
            lives.append(Life(entry, min(age, last), age <= last))
    return lives


def as_theirs(lives: list[Life]) -> dict[str, list[float]]:
    return {
        "x": [life.end for life in lives],
        "c": [0 if life.has_ended else 1 for life in lives],
        "tl": [life.entry for life in lives],
    }


@pytest.mark.parametrize(("seed", "shape"), [(1, 0.7), (2, 1.0), (3, 2.5), (4, 6.0)])
def test_a_weibull_fit_with_late_entry_is_surpyvals(seed: int, shape: float) -> None:
    lives = some_lives(seed, shape)
    own = weibull(lives)
    assert own is not None
    theirs = surpyval.Weibull.fit(**as_theirs(lives))
    assert own.shape == pytest.approx(theirs.beta, rel=1e-4)
    assert own.scale == pytest.approx(theirs.alpha, rel=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_a_median_life_with_late_entry_is_surpyvals(seed: int) -> None:
    lives = some_lives(seed, 1.5)
    theirs = surpyval.KaplanMeier.fit(**as_theirs(lives))
    expected = next(x for x, share in zip(theirs.x, theirs.R, strict=True) if share <= 0.5 + 1e-12)
    assert life_median(lives) == expected


@pytest.mark.parametrize(("seed", "shape"), OF_LIFELINES)
def test_lives_with_late_entry_are_those_of_lifelines(seed: int, shape: float) -> None:
    lives = some_lives(seed, shape)
    median, theirs_shape, scale, mean = OF_LIFELINES[seed, shape]
    assert life_median(lives) == median
    own = weibull(lives)
    assert own is not None
    assert own.shape == pytest.approx(theirs_shape, rel=1e-6)
    assert own.scale == pytest.approx(scale, rel=1e-6)
    exposure = sum(life.end - life.entry for life in lives)
    assert exposure / sum(life.has_ended for life in lives) == pytest.approx(mean, rel=1e-6)


def test_time_over_failures_is_the_exponential_fit_with_late_entry() -> None:
    lives = some_lives(5, 1.0)
    exposure, n = (
        sum(life.end - life.entry for life in lives),
        sum(life.has_ended for life in lives),
    )
    theirs = surpyval.Exponential.fit(**as_theirs(lives))
    assert exposure / n == pytest.approx(1 / theirs.failure_rate, rel=1e-6)
    low, high = mean_time_interval(exposure, n)
    assert high is not None
    assert low < exposure / n < high


def test_pooled_trends_are_surpyvals() -> None:
    times = [time for system in FLEET for time in system.times]
    items = [number for number, system in enumerate(FLEET) for _ in system.times]
    ends = {number: system.end for number, system in enumerate(FLEET)}
    laplace = recurrent.laplace(times, items, T=ends)
    assert laplace_z(FLEET) == pytest.approx(laplace.statistic, rel=1e-9)
    chi2, df = mil_hdbk_chi2(FLEET)
    military = recurrent.mil_hdbk_189c(times, items, T=ends)
    assert (chi2, df) == (pytest.approx(military.statistic, rel=1e-9), 2 * len(times))


def test_growth_is_surpyvals() -> None:
    one = FLEET[0]
    theirs = surpyval.CrowAMSAA.fit(x=[*one.times, one.end], c=[0] * len(one.times) + [1])
    own = crow_amsaa([one])
    assert own.beta == pytest.approx(theirs.params[1], rel=1e-6)
    # Their scale is the time to the first failure expected: λ = α^−β.
    assert own.scale == pytest.approx(theirs.params[0] ** -theirs.params[1], rel=1e-6)


def test_lives_that_bound_no_law_have_none() -> None:
    assert weibull([Life(0, 5, True), Life(0, 5, True)]) is None
    assert weibull([Life(0, 5, False)]) is None
    assert life_median([Life(0, 5, False)]) is None
