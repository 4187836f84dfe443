"""How long it takes to get from place to place.

The default needs no map: the distance over the ellipsoid, times a detour, over a speed that grows with
the length of the trip. Every provider answers in the same shape, so a router can take its place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

# WGS 84.
_SEMI_MAJOR_M = 6_378_137.0
_FLATTENING = 1 / 298.257223563
_ECCENTRICITY_2 = _FLATTENING * (2 - _FLATTENING)

_BLOCK_ROWS = 1_024


@dataclass(frozen=True, slots=True)
class RoadModel:
    """How the straight line becomes a drive, until trips recorded on the spot say better.

    `bands` are (road metres up to, km/h): each stretch of a trip is driven at the speed of its band,
    so a longer trip never takes less time. The numbers are assumptions for mixed town and country:
    2 km of side streets at 24, to 10 km of town at 36, to 40 km of main road at 60, then 84 km/h.
    """

    detour: float = 1.4
    bands: tuple[tuple[float, float], ...] = (
        (2_000.0, 24.0),
        (10_000.0, 36.0),
        (40_000.0, 60.0),
        (float("inf"), 84.0),
    )

    def seconds(self, road_m: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return driving times for road distances in metres; any shape."""
        total = np.zeros_like(road_m)
        begins = 0.0
        for ends, km_h in self.bands:
            total += np.clip(road_m - begins, 0.0, ends - begins) * (3.6 / km_h)
            begins = ends
        return total


@dataclass(frozen=True, slots=True, eq=False)
class Travel:
    """Travel between all places asked for, in their order."""

    seconds: npt.NDArray[np.int32]
    """Shape (n, n), whole seconds from row to column, zero diagonal."""
    metres: npt.NDArray[np.int32]
    """Shape (n, n), whole road metres, zero diagonal."""
    source: str
    """Who answered; a plan names it."""
    notes: tuple[str, ...] = ()
    """What a plan has to say of it, such as that the router was late."""


class TravelProvider(Protocol):
    """Anything that knows the roads. A provider that is late or down is replaced by `Geodesic`."""

    async def travel(self, places: npt.NDArray[np.float64], hour: int | None = None) -> Travel:
        """Return travel between `places`, shape (n, 2): latitude and longitude in degrees.

        `hour` is the local hour of day the trips begin in; None: a typical one.
        """
        ...


class Geodesic:
    """The provider that is always there: no network, no data, the same answer at every hour."""

    def __init__(self, road: RoadModel | None = None) -> None:
        self.road = road or RoadModel()

    async def travel(self, places: npt.NDArray[np.float64], hour: int | None = None) -> Travel:
        return geodesic_travel(places, self.road)


def geodesic_travel(places: npt.NDArray[np.float64], road: RoadModel | None = None) -> Travel:
    """Return travel between `places`, shape (n, 2) in degrees, from the ellipsoid and `road` alone."""
    road = road or RoadModel()
    count = len(places)
    seconds = np.zeros((count, count), dtype=np.int32)
    metres = np.zeros((count, count), dtype=np.int32)
    for top in range(0, count, _BLOCK_ROWS):
        rows = slice(top, min(top + _BLOCK_ROWS, count))
        road_m = geodesic_m(places[rows], places) * road.detour
        metres[rows] = np.rint(road_m)
        seconds[rows] = np.rint(road.seconds(road_m))
    return Travel(seconds=seconds, metres=metres, source="geodesic")


def geodesic_m(
    origins: npt.NDArray[np.float64], targets: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return distances over the WGS 84 ellipsoid in metres, shape (origins, targets).

    Both are latitude and longitude in degrees, shape (n, 2). The straight chord through the earth is
    exact; it is bent into an arc of the ellipsoid's radius of curvature at the mid-latitude in the
    direction of travel (Euler: 1/R = cos²α/M + sin²α/N). Within 1e-5 of the geodesic to 90 km and far
    beyond, across the date line and near the poles. Raises `ValueError` for positions off the globe.
    """
    origins, targets = _radians(origins), _radians(targets)
    here, there = _cartesian(origins), _cartesian(targets)
    chord_2 = np.zeros((len(origins), len(targets)))
    for axis in range(3):
        chord_2 += (here[:, None, axis] - there[None, :, axis]) ** 2
    middle = (origins[:, None, 0] + targets[None, :, 0]) / 2
    flat = 1 - _ECCENTRICITY_2 * np.sin(middle) ** 2
    across = _SEMI_MAJOR_M / np.sqrt(flat)  # N, the prime vertical
    along = across * (1 - _ECCENTRICITY_2) / flat  # M, the meridian
    north = along * (targets[None, :, 0] - origins[:, None, 0])
    # What is not northward is eastward; taken from the chord it needs no care at the date line.
    cos_2 = np.divide(north**2, chord_2, out=np.zeros_like(chord_2), where=chord_2 > 0)
    cos_2 = np.minimum(cos_2, 1.0)
    radius = 1 / (cos_2 / along + (1 - cos_2) / across)
    arc: npt.NDArray[np.float64] = (
        2 * radius * np.arcsin(np.minimum(np.sqrt(chord_2) / (2 * radius), 1.0))
    )
    return arc


def _radians(places: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    places = np.asarray(places, dtype=np.float64).reshape(-1, 2)
    if not np.all(np.isfinite(places)) or np.any(np.abs(places) > (90.0, 180.0)):
        raise ValueError("A position is latitude −90 … 90 and longitude −180 … 180 in degrees.")
    radians: npt.NDArray[np.float64] = np.radians(places)
    return radians


def _cartesian(radians: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return earth-centred coordinates in metres, shape (n, 3), on the ellipsoid's surface."""
    latitude, longitude = radians[:, 0], radians[:, 1]
    across = _SEMI_MAJOR_M / np.sqrt(1 - _ECCENTRICITY_2 * np.sin(latitude) ** 2)
    return np.stack(
        (
            across * np.cos(latitude) * np.cos(longitude),
            across * np.cos(latitude) * np.sin(longitude),
            across * (1 - _ECCENTRICITY_2) * np.sin(latitude),
        ),
        axis=1,
    )
