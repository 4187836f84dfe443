"""Own statistics against scipy within 1e-9, the NIST example, and cases a person can check."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.statistics import (
    Direction,
    Observed,
    chi2_quantile,
    chi2_tails,
    crow_amsaa,
    gamma_quantile,
    kaplan_meier_median,
    laplace_z,
    mean_time_interval,
    mean_time_lower_bound,
    median_interval,
    median_ranks,
    mil_hdbk_chi2,
    normal_two_sided,
    percentile,
    regularised_gamma,
    trend,
    wilson_interval,
)
from tests.lazily import Lazily

special = Lazily("scipy.special")
stats = Lazily("scipy.stats")

# NIST/SEMATECH e-Handbook 8.2.3.4.
NIST = Observed((5, 40, 43, 175, 389, 712, 747, 795, 1299, 1478), 1500)

probabilities = st.floats(1e-9, 1 - 1e-9)


@given(st.floats(0.5, 1e5), probabilities)
def test_chi_square_quantiles_are_those_of_scipy(df, p):
    expected = stats.chi2.ppf(p, df)
    assert chi2_quantile(p, df) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("df", [1, 2, 3, 10, 38, 39, 40, 41, 1438, 10_000, 2_000_000])
@pytest.mark.parametrize("p", [1e-6, 0.025, 0.05, 0.5, 0.95, 0.975, 1 - 1e-6])
def test_chi_square_quantiles_hold_at_every_size_a_fleet_has(df, p):
    # scipy itself drifts in the far tails of millions of degrees; the distribution function of
    # the quantile must then be the probability.
    value = chi2_quantile(p, df)
    if df <= 10_000 or 0.01 < p < 0.99:
        assert value == pytest.approx(stats.chi2.ppf(p, df), rel=1e-9)
    assert chi2_tails(value, df)[0] == pytest.approx(p, rel=1e-9)


@given(st.floats(0.05, 1e4), st.floats(1e-3, 3))
def test_both_tails_of_the_gamma_function_are_those_of_scipy(a, factor):
    x = a * factor
    lower, upper = regularised_gamma(a, x)
    for own, theirs in ((lower, special.gammainc(a, x)), (upper, special.gammaincc(a, x))):
        assert own == pytest.approx(float(theirs), rel=1e-9, abs=1e-13)


@given(st.floats(0.1, 1e4), probabilities, probabilities)
def test_quantiles_ascend(a, one, other):
    low, high = sorted((one, other))
    assert gamma_quantile(a, low) <= gamma_quantile(a, high) * (1 + 1e-14)


def test_the_ends_of_the_gamma_function():
    assert regularised_gamma(2, 0) == (0, 1)
    assert regularised_gamma(2, math.inf) == (1, 0)
    assert regularised_gamma(30, 1e-300) == (0, 1)
    assert gamma_quantile(3, 0) == 0
    assert chi2_quantile(0.5, 2) == pytest.approx(2 * math.log(2), rel=1e-14)


@pytest.mark.parametrize(
    "act",
    [
        lambda: regularised_gamma(0, 1),
        lambda: regularised_gamma(math.nan, 1),
        lambda: regularised_gamma(1, -1),
        lambda: regularised_gamma(1, math.nan),
        lambda: gamma_quantile(1, 1),
        lambda: gamma_quantile(1, -0.1),
        lambda: wilson_interval(0, 0),
        lambda: wilson_interval(3, 2),
        lambda: wilson_interval(1, 2, 1),
        lambda: mean_time_interval(0, 0),
        lambda: mean_time_interval(10, -1),
        lambda: percentile([], 0.5),
        lambda: Observed((0.0,), 5),
        lambda: Observed((6.0,), 5),
        lambda: laplace_z([]),
        lambda: mil_hdbk_chi2([Observed((), 5)]),
        lambda: crow_amsaa([Observed((5.0,), 5)]),
    ],
)
def test_questions_without_an_answer_are_refused(act):
    with pytest.raises(ValueError):
        act()


@given(st.integers(1, 5_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_is_scipys(counts):
    hits, n = counts
    theirs = stats.binomtest(hits, n).proportion_ci(0.9, method="wilson")
    low, high = wilson_interval(hits, n)
    assert low == pytest.approx(theirs.low, rel=1e-9, abs=1e-12)
    assert high == pytest.approx(theirs.high, rel=1e-9, abs=1e-12)
    assert 0 <= low <= hits / n <= high <= 1


def test_nist_interval_of_the_mean_time_between_failures():
    low, high = mean_time_interval(1500, 10)
    assert low == pytest.approx(88.43182481930471, rel=1e-9)
    assert high == pytest.approx(276.4770201063841, rel=1e-9)
    assert mean_time_lower_bound(1500, 10) == pytest.approx(97.36061113232024, rel=1e-9)


def test_without_failures_only_a_lower_bound_is_known():
    assert mean_time_interval(8760, 0) == (pytest.approx(3804.4196614724856, rel=1e-9), None)
    assert mean_time_interval(8760, 0, 0.6)[0] == pytest.approx(9560.284411130673, rel=1e-9)
    assert mean_time_lower_bound(8760, 0) == pytest.approx(3804.4196614724856, rel=1e-9)


def test_nist_trend():
    found = trend([NIST])
    assert found.laplace_z == pytest.approx(-1.3269491826491824, rel=1e-9)
    assert found.mil_hdbk_chi2 == pytest.approx(37.228081483483166, rel=1e-9)
    assert found.mil_hdbk_df == 20
    assert found.growth.beta == pytest.approx(0.5372288660341876, rel=1e-9)
    assert found.growth.scale == pytest.approx(0.19665821571379197, rel=1e-9)
    assert found.growth.beta_unbiased == pytest.approx(0.4835059794307689, rel=1e-9)
    assert found.growth.instantaneous_mtbf == pytest.approx(279.21061112612375, rel=1e-9)
    assert (round(found.laplace_p, 2), round(found.mil_hdbk_p, 3)) == (0.18, 0.022)
    assert found.p == pytest.approx(2 * found.mil_hdbk_p) == pytest.approx(0.044, abs=5e-4)
    assert found.direction is Direction.IMPROVING


def test_failures_that_crowd_at_the_end_are_deterioration():
    late = Observed(tuple(1500 - time for time in NIST.times), 1500)
    assert laplace_z([late]) == pytest.approx(-laplace_z([NIST]))
    crowded = Observed(tuple(float(time) for time in range(1400, 1500, 10)), 1500)
    assert trend([crowded]).direction is Direction.DETERIORATING
    assert trend([crowded]).growth.beta > 1


def test_even_failures_are_no_trend_and_four_are_not_asked():
    even = Observed(tuple(100.0 * k for k in range(1, 15)), 1500)
    assert trend([even]).direction is Direction.NO_TREND
    assert trend([Observed((1.0, 2.0, 3.0, 4.0), 1500)]) is None


def test_pooling_systems_of_one_length_is_pooling_their_failures():
    halves = [Observed(NIST.times[::2], 1500), Observed(NIST.times[1::2], 1500)]
    assert laplace_z(halves) == pytest.approx(laplace_z([NIST]))
    assert mil_hdbk_chi2(halves) == (pytest.approx(mil_hdbk_chi2([NIST])[0]), 20)
    assert crow_amsaa(halves).beta == pytest.approx(crow_amsaa([NIST]).beta)
    assert crow_amsaa(halves).instantaneous_mtbf == pytest.approx(
        2 * crow_amsaa([NIST]).instantaneous_mtbf
    )


def test_both_trend_tests_keep_their_error_rate():
    chance = random.Random(7)
    alarms = 0
    for _ in range(1_000):
        times = tuple(sorted(chance.uniform(1e-9, 1) for _ in range(12)))
        alarms += trend([Observed(times, 1.0)]).direction is not Direction.NO_TREND
    # Twice the smaller p is conservative: at most 5 % of alarms, and not none.
    assert 10 <= alarms <= 65


@given(st.floats(-8, 8))
def test_two_sided_normal_probabilities_are_scipys(z):
    assert normal_two_sided(z) == pytest.approx(float(2 * stats.norm.sf(abs(z))), rel=1e-9)


@pytest.mark.parametrize(
    ("n", "ranks"),
    # Tables of the sign test at two-sided 10 %: the k-th smallest and k-th largest.
    [(4, None), (5, 1), (7, 1), (8, 2), (10, 2), (11, 3), (13, 4), (20, 6), (50, 19)],
)
def test_the_median_lies_between_tabulated_order_statistics(n, ranks):
    values = [float(k) for k in range(1, n + 1)]
    assert median_interval(values) == (ranks and (float(ranks), float(n + 1 - ranks)))


@given(st.integers(5, 300), st.sampled_from([0.8, 0.9, 0.95]))
def test_the_median_interval_covers_as_promised_and_is_the_narrowest_that_does(n, level):
    found = median_interval([float(k) for k in range(1, n + 1)], level)
    if found is None:
        assert 2 * stats.binom.cdf(0, n, 0.5) > 1 - level
        return
    k = int(found[0])
    assert 2 * stats.binom.cdf(k - 1, n, 0.5) <= 1 - level + 1e-12
    assert k >= n - k or 2 * stats.binom.cdf(k, n, 0.5) > 1 - level - 1e-12


def test_percentiles_interpolate_as_postgresql_does():
    assert percentile([1, 2, 3, 4], 0.5) == 2.5
    assert percentile([1, 2, 3, 4], 0.9) == pytest.approx(3.7)
    assert percentile([5], 0.9) == 5


def test_kaplan_meier_counts_what_is_still_open():
    closed_alone = [(1, True), (2, True), (3, True)]
    assert kaplan_meier_median(closed_alone) == 2
    still_open = [(10, False), (10, False), (10, False)]
    assert kaplan_meier_median(closed_alone + still_open) == 3
    assert kaplan_meier_median([*closed_alone, *still_open, (10, False)]) is None
    assert kaplan_meier_median([]) is None


def test_kaplan_meier_is_scipys():
    chance = random.Random(3)
    ended = [round(chance.expovariate(0.1), 1) for _ in range(60)]
    going_on = [round(chance.expovariate(0.1), 1) for _ in range(30)]
    curve = stats.ecdf(stats.CensoredData(uncensored=ended, right=going_on)).sf
    expected = next(
        t for t, s in zip(curve.quantiles, curve.probabilities, strict=True) if s <= 0.5
    )
    observed = [(t, True) for t in ended] + [(t, False) for t in going_on]
    assert kaplan_meier_median(observed) == pytest.approx(expected)


@pytest.mark.parametrize("n", [1_001, 1_500, 20_000, 1_000_000])
def test_the_ranks_of_many_values_cover_as_promised_and_are_the_narrowest(n):
    low, high = median_ranks(n)
    assert low + high == n + 1
    assert 2 * stats.binom.cdf(low - 1, n, 0.5) <= 0.1
    assert 2 * stats.binom.cdf(low, n, 0.5) > 0.1
