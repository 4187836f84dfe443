"""Recorded trips teach how fast one gets on, where and when, as far as there are enough of them."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from math import inf
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsm.technicians.working_time import Hours, Worker, WorkingShift
from scheduler.day_problem import hours_of
from scheduler.travel import RoadModel, geodesic_travel
from scheduler.trips import ANY_HOUR, LearnedGeodesic, LearnedRoad, Trip, learn, shares_of

PRAGUE = (50.08, 14.43)
BRNO = (49.2, 16.61)


def drive(
    pace: float,
    *,
    straight_m: float = 5_000,
    hour: int = 12,
    territory: str = "Prague",
    **more: float,
) -> Trip:
    """Return a trip that took `pace` times as long as is assumed."""
    expected = float(RoadModel().seconds(np.array([straight_m * RoadModel().detour]))[0])
    latitude, longitude = PRAGUE if territory == "Prague" else BRNO
    return Trip(territory, hour, straight_m, expected * pace, latitude, longitude, **more)


def road(learned: list[LearnedRoad], territory: str = "Prague", hours: str = ANY_HOUR) -> RoadModel:
    (found,) = [one.road for one in learned if (one.territory, one.hours) == (territory, hours)]
    return found


def pace(of: RoadModel, straight_m: float) -> float:
    """Return how much longer than assumed a trip takes on a road."""
    there = np.array([straight_m])
    assumed = RoadModel()
    return float(of.seconds(there * of.detour)[0] / assumed.seconds(there * assumed.detour)[0])


ALL_LENGTHS = (1_000, 3_000, 5_000, 15_000, 40_000, 80_000)


def test_many_trips_move_the_estimate_whole_and_a_few_a_little() -> None:
    many = learn([drive(1.5, straight_m=m) for m in ALL_LENGTHS for _ in range(400)])
    few = learn([drive(1.5, straight_m=m) for m in ALL_LENGTHS])
    for straight_m in ALL_LENGTHS:
        assert pace(road(many), straight_m) == pytest.approx(1.5, rel=0.03)
        assert 1.05 < pace(road(few), straight_m) < 1.45
    assert learn([]) == []


def test_what_nobody_drives_in_that_time_is_left_out() -> None:
    usual = [drive(1.0) for _ in range(100)]
    forgotten = [drive(9.0) for _ in range(50)] + [drive(0.05) for _ in range(50)]
    parking = [drive(3.0, straight_m=100) for _ in range(500)]
    assert pace(road(learn([*usual, *forgotten, *parking])), 5_000) == pytest.approx(1.0, abs=0.01)


def test_each_territory_and_hour_has_its_own_roads_and_the_rest_the_companys() -> None:
    trips = [drive(1.2) for _ in range(300)]
    trips += [drive(2.0, hour=8) for _ in range(300)]
    trips += [drive(0.8, territory="Brno") for _ in range(300)]
    learned = learn(trips)
    assert pace(road(learned, hours="day"), 5_000) == pytest.approx(1.2, rel=0.05)
    assert pace(road(learned, hours="morning"), 5_000) == pytest.approx(2.0, rel=0.05)
    assert pace(road(learned, "Brno"), 5_000) == pytest.approx(0.8, rel=0.05)
    # No trip was recorded at night: the territory's mean holds.
    assert 1.2 < pace(road(learned, hours="night"), 5_000) < 2.0
    provider = LearnedGeodesic(learned)
    places = np.array([PRAGUE, (50.12, 14.43), BRNO, (49.24, 16.61), (10.0, 10.0), (10.04, 10.0)])
    assumed = geodesic_travel(places).seconds
    ratio = asyncio.run(provider.travel(places, hour=12)).seconds / np.maximum(assumed, 1)
    assert ratio[0, 1] == pytest.approx(1.2, rel=0.05)
    assert ratio[2, 3] == pytest.approx(0.8, rel=0.05)
    assert 0.8 < ratio[4, 5] < 1.6, "far from all territories: the company's"
    assert provider.estimate(places, hour=8).seconds[0, 1] == pytest.approx(
        2 * assumed[0, 1], rel=0.05
    )
    assert provider.estimate(places).source == "geodesic, learned"
    assert np.array_equal(LearnedGeodesic([]).estimate(places).seconds, assumed)


def test_where_no_hour_is_asked_for_roads_are_as_fast_as_in_the_hours_people_work() -> None:
    learned = learn(
        [drive(2.0, straight_m=m, hour=8) for m in ALL_LENGTHS for _ in range(400)]
        + [drive(1.0, straight_m=m, hour=22) for m in ALL_LENGTHS for _ in range(400)]
    )
    places = np.array([PRAGUE, (50.2, 14.6), (49.9, 14.3)])
    shares = shares_of([7, 8, 9, 22])
    assert shares == {"morning": 0.75, "night": 0.25}
    of_their_hours = LearnedGeodesic(learned, shares).estimate(places).seconds
    morning, night = (LearnedGeodesic(learned).estimate(places, hour).seconds for hour in (8, 22))
    assert of_their_hours == pytest.approx(0.75 * morning + 0.25 * night, abs=1)
    assert (morning > 1.5 * night)[0, 1]
    at_any = LearnedGeodesic(learned).estimate(places).seconds
    assert np.array_equal(LearnedGeodesic(learned, shares_of([])).estimate(places).seconds, at_any)
    assert np.array_equal(LearnedGeodesic(learned, shares).estimate(places, 8).seconds, morning)


@pytest.mark.parametrize(
    ("begins", "lasts_min", "reaches_into"),
    [
        ((8, 0), 120, [8, 9]),
        ((8, 30), 120, [8, 9, 10]),
        ((8, 30), 90, [8, 9]),
        ((22, 15), 180, [22, 23, 0, 1]),
    ],
)
def test_a_shift_reaches_into_every_local_hour_that_any_of_it_lies_in(
    begins: tuple[int, int], lasts_min: int, reaches_into: list[int]
) -> None:
    starts_at = datetime(2026, 3, 2, *begins, tzinfo=ZoneInfo("Asia/Kolkata")).astimezone(UTC)
    none = UUID(int=0)
    hours = Hours(none, starts_at, starts_at + timedelta(minutes=lasts_min), 0, 0, 0, 0, None, None)
    worker = Worker(none, "T-1", "Boris", "Asia/Kolkata", "", None, None)
    shift = WorkingShift(hours, starts_at.date(), worker, [], [])
    assert list(hours_of([shift], ZoneInfo("Asia/Kolkata"))) == reaches_into


def test_a_winding_road_is_longer_and_takes_no_longer_than_it_took() -> None:
    winding = [drive(1.0, straight_m=m, road_m=m * 2.0) for m in ALL_LENGTHS for _ in range(300)]
    found = road(learn(winding))
    assert found.detour == pytest.approx(2.0, rel=0.03)
    for straight_m in ALL_LENGTHS:
        assert pace(found, straight_m) == pytest.approx(1.0, rel=0.02)


def test_learned_times_come_nearer_to_the_truth_than_the_assumptions() -> None:
    """Trips drawn from roads that differ by territory, hour and length; judged on trips not learned from."""
    rng = random.Random(5)
    truth = {"Prague": 1.5, "Brno": 0.85}

    def one() -> tuple[Trip, float]:
        territory, hour = rng.choice(list(truth)), rng.choice([7, 12, 17])
        straight_m = rng.uniform(1_000, 40_000)
        mean = truth[territory] * (1.3 if hour == 7 else 1.0) * (1 + straight_m / 200_000)
        return drive(mean * rng.lognormvariate(0, 0.2), straight_m=straight_m, hour=hour,
                     territory=territory), mean  # fmt: skip

    learned = learn([one()[0] for _ in range(600)])
    bands = {7: "morning", 12: "day", 17: "evening"}
    ours = assumed = 0.0
    for trip, mean in (one() for _ in range(300)):
        said = pace(road(learned, trip.territory, bands[trip.hour]), trip.straight_m)
        ours += abs(said / mean - 1)
        assumed += abs(1 / mean - 1)
    assert ours < 0.35 * assumed
    assert ours / 300 < 0.1


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(st.sampled_from(ALL_LENGTHS), st.floats(0.1, 10), st.floats(1, 5)),
        min_size=1,
        max_size=60,
    )
)
def test_whatever_was_recorded_a_longer_trip_never_takes_less(
    drawn: list[tuple[int, float, float]],
) -> None:
    learned = learn([drive(p, straight_m=m, road_m=m * winding) for m, p, winding in drawn])
    for one in learned:
        lengths = np.linspace(0, 150_000, 400)
        times = one.road.seconds(lengths)
        assert np.all(np.diff(times) > 0)
        assert one.road.bands[-1][0] == inf
        assert one.road.detour >= 1
