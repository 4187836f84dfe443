"""Distances agree with the geodesic; times follow from them as documented."""

from __future__ import annotations

import math

import numpy as np
import pytest
from geopy.distance import geodesic
from hypothesis import given
from hypothesis import strategies as st

from scheduler.travel import Geodesic, RoadModel, geodesic_m, geodesic_travel


@given(
    st.floats(-89, 89),
    st.floats(-180, 180),
    st.floats(0, 90_000),
    st.floats(0, 360),
)
def test_distances_to_90_km_are_those_of_the_geodesic(
    latitude: float, longitude: float, metres: float, bearing: float
) -> None:
    there = geodesic(meters=metres).destination((latitude, longitude), bearing)
    here = np.array([[latitude, longitude]])
    measured = geodesic_m(here, np.array([[there.latitude, there.longitude]]))[0, 0]
    exact = geodesic((latitude, longitude), there).m
    assert measured == pytest.approx(exact, rel=1e-5, abs=0.01)


def test_the_matrix_has_whole_seconds_and_metres_and_a_zero_diagonal() -> None:
    places = np.array([[55.7558, 37.6173], [55.7512, 37.6184], [59.9343, 30.3351]])
    travel = geodesic_travel(places)
    assert travel.source == "geodesic"
    for matrix in (travel.seconds, travel.metres):
        assert (matrix.shape, matrix.dtype) == ((3, 3), np.int32)
        assert not np.diagonal(matrix).any()
        assert (matrix == matrix.T).all()
    assert travel.metres[0, 2] == round(1.4 * geodesic(places[0], places[2]).m)


def test_more_places_than_one_block_are_all_there() -> None:
    places = np.column_stack((np.linspace(50, 51, 1_100), np.full(1_100, 10.0)))
    travel = geodesic_travel(places)
    assert travel.metres[1_099, 0] == travel.metres[0, 1_099] > 100_000


def test_each_stretch_is_driven_at_the_speed_of_its_band() -> None:
    metres = np.array([0.0, 1_000, 2_000, 10_000, 40_000, 124_000])
    assert RoadModel().seconds(metres).tolist() == [0, 150, 300, 1_100, 2_900, 6_500]


@given(st.lists(st.floats(0, 500_000), min_size=2))
def test_a_longer_trip_never_takes_less_time(metres: list[float]) -> None:
    seconds = RoadModel().seconds(np.array(sorted(metres)))
    assert (np.diff(seconds) >= -1e-6).all()


@pytest.mark.parametrize("place", [(91.0, 0.0), (0.0, 181.0), (math.nan, 0.0)])
def test_a_position_off_the_globe_is_refused(place: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="latitude"):
        geodesic_travel(np.array([place]))


async def test_the_provider_answers_as_the_function_does() -> None:
    places = np.array([[48.1, 11.5], [48.2, 11.6]])
    road = RoadModel(detour=2.0)
    answer = await Geodesic(road).travel(places, hour=8)
    assert (answer.seconds == geodesic_travel(places, road).seconds).all()


def test_no_places_make_an_empty_matrix() -> None:
    assert geodesic_travel(np.empty((0, 2))).seconds.shape == (0, 0)
