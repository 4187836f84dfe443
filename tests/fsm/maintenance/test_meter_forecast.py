"""A counter's slope foresees when it shows a value, as surely as the readings allow."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm.maintenance.meter_forecast import Forecast, MeterHistory

MONDAY = datetime(2026, 3, 23, 8, tzinfo=UTC)
A_DAY = timedelta(days=1)


def read(*totals: float, every: timedelta = A_DAY) -> MeterHistory:
    """Return readings at equal distances, the last one on Monday."""
    first = MONDAY - (len(totals) - 1) * every
    return MeterHistory(
        tuple((first + n * every, Decimal(str(total))) for n, total in enumerate(totals))
    )


def test_a_steady_counter_is_foreseen_by_its_slope() -> None:
    steady = read(*(100 + 10 * n for n in range(31)))  # 400 on Monday, 10 a day
    forecast = steady.when(Decimal(500))
    assert forecast is not None
    assert forecast.at == MONDAY + 10 * A_DAY
    assert forecast.hi_at is not None
    assert forecast.lo_at < forecast.at < forecast.hi_at
    assert forecast.lo_at > MONDAY + 8 * A_DAY
    assert forecast.hi_at < MONDAY + 12 * A_DAY


def test_what_was_read_is_placed_between_its_readings() -> None:
    history = read(100, 120)
    assert history.when(Decimal(105)) == Forecast(MONDAY - 0.75 * A_DAY, MONDAY - A_DAY, MONDAY)
    assert history.when(Decimal(120)) == Forecast(MONDAY, MONDAY, MONDAY)
    assert history.when(Decimal(50)) == Forecast(*[MONDAY - A_DAY] * 3)
    assert history.total_at(MONDAY - A_DAY / 2) == Decimal(110)
    assert history.total_at(MONDAY - 9 * A_DAY) == Decimal(100)
    assert history.total_at(MONDAY + A_DAY) == Decimal(140)


def test_nothing_is_foreseen_of_a_counter_that_stands_still_or_was_never_read() -> None:
    assert read(100, 100, 100).when(Decimal(101)) is None
    assert MeterHistory(()).when(Decimal(1)) is None
    assert MeterHistory(()).total_at(MONDAY) is None
    assert read(100).when(Decimal(101)) is None
    assert read(0, 0.0001).when(Decimal(10_000)) is None, "not within 50 years"


def test_until_it_has_two_readings_a_counter_runs_as_was_assumed() -> None:
    fresh = MeterHistory(((MONDAY, Decimal(0)),), a_day=Decimal(8))
    forecast = fresh.when(Decimal(80))
    assert forecast is not None
    assert forecast.at == MONDAY + 10 * A_DAY
    assert forecast.hi_at is None, "one day's worth of knowledge bounds nothing"
    read_since = MeterHistory((*fresh.points, (MONDAY + A_DAY, Decimal(4))), a_day=Decimal(8))
    slower = read_since.when(Decimal(80))
    assert slower is not None
    assert slower.at == MONDAY + 20 * A_DAY


def test_the_slope_is_that_of_the_last_year() -> None:
    old = (MONDAY - 700 * A_DAY, Decimal(0))
    history = MeterHistory((old, *read(1_000, 1_010, 1_020).points))
    forecast = history.when(Decimal(1_030))
    assert forecast is not None
    assert forecast.at == MONDAY + A_DAY


def test_the_bounds_hold_nine_times_of_ten() -> None:
    """Use drawn day by day; ten weeks are read, the eleventh and later are foreseen."""
    rng = random.Random(7)
    held = 0
    for _ in range(400):
        shown, total = [0.0], 0.0
        for _ in range(69):
            total += rng.gammavariate(4, 2.5)
            shown.append(total)
        forecast = read(*(round(one, 4) for one in shown)).when(Decimal(round(total + 200, 4)))
        assert forecast is not None
        assert forecast.hi_at is not None
        goal, day = total + 200, 0
        while total < goal:
            before, total, day = total, total + rng.gammavariate(4, 2.5), day + 1
        at = MONDAY + A_DAY * (day - 1 + (goal - before) / (total - before))
        held += forecast.lo_at <= at <= forecast.hi_at
    assert 0.86 < held / 400 < 0.97


@given(
    steps=st.lists(st.integers(0, 50), min_size=2, max_size=30).filter(any),
    target=st.integers(1, 3_000),
)
def test_a_forecast_lies_in_its_bounds_and_a_higher_target_is_reached_later(
    steps: list[int], target: int
) -> None:
    history = read(*(sum(steps[:n]) for n in range(len(steps) + 1)))
    sooner, later = history.when(Decimal(target)), history.when(Decimal(target + 7))
    for one in filter(None, (sooner, later)):
        assert one.lo_at <= one.at
        assert one.hi_at is None or one.at <= one.hi_at
    if sooner and later:
        assert sooner.at <= later.at


@pytest.mark.parametrize("gap", [1, 10, 1_000])
def test_more_readings_of_the_same_kind_make_surer(gap: int) -> None:
    def width(count: int) -> float:
        history = read(*(5 * n + 2 * (n % 2) for n in range(count)))
        forecast = history.when(history.points[-1][1] + gap)
        assert forecast is not None
        if forecast.hi_at is None:
            return float("inf")
        return (forecast.hi_at - forecast.lo_at).total_seconds()

    assert width(60) < width(12) < width(3)
