"""What recorded trips say about the roads: how winding they are, and how fast one gets on.

A trip's time is compared with what the assumptions give for it. The ratios are averaged on a logarithmic
scale, each group shrunk to the one it belongs to: all trips to the assumptions, a territory to all trips, an
hour band to its territory, a distance band to that. Ten trips in a corner of the data then move an estimate
a little, a thousand move it whole. What comes out is a `RoadModel` again, so a longer trip never takes less.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, log
from typing import Final

import numpy as np
import numpy.typing as npt

from scheduler.travel import RoadModel, Travel, geodesic_m

PRIOR_TRIPS: Final = 15
"""Trips that a group's parent counts for."""

SHORTEST_M: Final = 300.0
"""Below, a trip's time is parking, not driving."""

_WILDEST: Final = log(4)
"""A trip four times as long as expected, or a quarter, tells of a forgotten tap, not of the road."""
_FASTEST_KM_H: Final = 130.0

HOUR_BANDS: Final[Mapping[str, tuple[int, ...]]] = {
    "morning": (6, 7, 8, 9),
    "day": (10, 11, 12, 13, 14, 15),
    "evening": (16, 17, 18, 19),
    "night": (20, 21, 22, 23, 0, 1, 2, 3, 4, 5),
}
ANY_HOUR: Final = "any"


@dataclass(frozen=True, slots=True)
class Trip:
    """One drive: the straight line, how long it took, its local hour, where it began.

    `road_m` is what was driven, where the technician's positions tell.
    """

    territory: str
    hour: int
    straight_m: float
    seconds: float
    latitude: float
    longitude: float
    road_m: float | None = None


@dataclass(frozen=True, slots=True)
class LearnedRoad:
    """The roads of a territory ("" for all) in a band of hours, from trips that began around a place."""

    territory: str
    hours: str
    road: RoadModel
    trips: int
    latitude: float
    longitude: float


def band_of(hour: int) -> str:
    return next(name for name, hours in HOUR_BANDS.items() if hour in hours)


def learn(trips: Iterable[Trip], prior: RoadModel | None = None) -> list[LearnedRoad]:
    """Return the roads of the whole company first, then of each territory, for any hour and each band."""
    prior = prior or RoadModel()
    usable = [trip for trip in trips if trip.straight_m >= SHORTEST_M and trip.seconds > 0]
    if not usable:
        return []
    by_territory: dict[str, list[Trip]] = defaultdict(list)
    for trip in usable:
        by_territory[trip.territory].append(trip)
    company = _learn(usable, prior, 0.0, prior.detour)
    found = list(_roads("", usable, company, prior))
    for name, own in sorted(by_territory.items()):
        if name:
            found += _roads(name, own, _learn(own, prior, company.pace, company.detour), prior)
    return found


@dataclass(frozen=True, slots=True)
class _Group:
    pace: float
    """The logarithm of how much longer trips take than assumed."""
    detour: float


def _learn(trips: Sequence[Trip], prior: RoadModel, parent: float, detour: float) -> _Group:
    shown = [log(one.road_m / one.straight_m) for one in trips if one.road_m is not None]
    shrunk = _shrunk([each for each in shown if 0 <= each <= _WILDEST], log(detour))
    return _Group(_shrunk(_ratios(trips, prior), parent), exp(shrunk))


def _ratios(trips: Sequence[Trip], prior: RoadModel) -> list[float]:
    if not trips:
        return []
    straight_m = np.array([trip.straight_m for trip in trips])
    expected = prior.seconds(straight_m * prior.detour)
    ratios = np.log(np.array([trip.seconds for trip in trips]) / expected)
    return [float(ratio) for ratio in ratios if abs(ratio) <= _WILDEST]


def _shrunk(values: Sequence[float], parent: float) -> float:
    return (sum(values) + PRIOR_TRIPS * parent) / (len(values) + PRIOR_TRIPS)


def _roads(
    territory: str, trips: Sequence[Trip], group: _Group, prior: RoadModel
) -> Iterable[LearnedRoad]:
    latitude = float(np.mean([trip.latitude for trip in trips]))
    longitude = float(np.mean([trip.longitude for trip in trips]))
    for hours in (ANY_HOUR, *HOUR_BANDS):
        own = [one for one in trips if hours in (ANY_HOUR, band_of(one.hour))]
        pace = group.pace if hours == ANY_HOUR else _shrunk(_ratios(own, prior), group.pace)
        paces = []
        begins = 0.0
        for ends, _ in prior.bands:
            here = [one for one in own if begins <= one.straight_m * prior.detour < ends]
            paces.append(_shrunk(_ratios(here, prior), pace))
            begins = ends
        road = _with_paces(prior, paces, group.detour)
        yield LearnedRoad(territory, hours, road, len(own), latitude, longitude)


def _with_paces(prior: RoadModel, paces: Sequence[float], detour: float) -> RoadModel:
    """Return the road model on which a trip of each band takes so much longer than on the prior one.

    A trip goes through the bands below its own first, so the speed of a band is what brings its trips to
    their time: at the band's end the paces of both sides meet in the middle. A learned detour changes the
    metres alone: the times were compared as they are.
    """
    scale = detour / prior.detour
    bands: list[tuple[float, float]] = []
    begins_m = before_s = 0.0
    for place, (ends_m, km_h) in enumerate(prior.bands):
        last = place == len(prior.bands) - 1
        if last:
            speed = km_h / exp(paces[place])
            bands.append((ends_m, min(speed * scale, _FASTEST_KM_H)))
            break
        between = (paces[place] + paces[place + 1]) / 2
        at_end_s = float(prior.seconds(np.array([ends_m]))[0]) * exp(between)
        fastest_s = (ends_m - begins_m) * 3.6 * scale / _FASTEST_KM_H
        lasts_s = max(at_end_s - before_s, fastest_s)
        bands.append((ends_m * scale, (ends_m - begins_m) * scale * 3.6 / lasts_s))
        begins_m, before_s = ends_m, before_s + lasts_s
    return replace(prior, detour=detour, bands=tuple(bands))


def shares_of(hours: Iterable[int]) -> dict[str, float]:
    """Return which part of some local hours lies in each band; nothing of no hours."""
    bands = [band_of(hour) for hour in hours]
    return {name: bands.count(name) / len(bands) for name in HOUR_BANDS if name in bands}


def mixed(roads: Mapping[str, RoadModel], shares: Mapping[str, float]) -> RoadModel | None:
    """Return the roads on which a trip takes the mean of its times in these bands, by their shares.

    Roads of one territory are learned with the same detour and the same stretches, so that only the paces
    are to be averaged. Those of any hour where a band is not known, or no shares are.
    """
    known = [(roads[band], share) for band, share in shares.items() if band in roads]
    if not known or len(known) < len(shares):
        return roads.get(ANY_HOUR)
    first = known[0][0]
    paces = [
        sum(share / road.bands[stretch][1] for road, share in known)
        for stretch in range(len(first.bands))
    ]
    bands = tuple((ends_m, 1 / pace) for (ends_m, _), pace in zip(first.bands, paces, strict=True))
    return replace(first, bands=bands)


class LearnedGeodesic:
    """The straight line's estimate on learned roads: each trip as on those of the territory it begins in.

    A place belongs to the territory whose trips began nearest, within 60 km; elsewhere the company's roads
    hold, and before any trip was recorded the assumptions. `shares` says which part of the time lies in each
    band of hours: where no hour is asked for, roads are as fast as in these bands at the mean.
    """

    REACH_M: Final = 60_000.0

    def __init__(
        self, learned: Sequence[LearnedRoad], shares: Mapping[str, float] | None = None
    ) -> None:
        self._shares = shares or {}
        self._company = {one.hours: one.road for one in learned if not one.territory}
        self._territories: dict[str, dict[str, RoadModel]] = defaultdict(dict)
        self._centres: dict[str, tuple[float, float]] = {}
        for one in learned:
            if one.territory:
                self._territories[one.territory][one.hours] = one.road
                self._centres[one.territory] = (one.latitude, one.longitude)

    async def travel(self, places: npt.NDArray[np.float64], hour: int | None = None) -> Travel:
        return self.estimate(places, hour)

    def estimate(self, places: npt.NDArray[np.float64], hour: int | None = None) -> Travel:
        """Return travel between `places` at a local hour; None: at any."""
        hours = ANY_HOUR if hour is None else band_of(hour)
        roads, of_place = self._roads_of(places, hours)
        count = len(places)
        seconds = np.zeros((count, count), dtype=np.int32)
        metres = np.zeros((count, count), dtype=np.int32)
        for number, road in enumerate(roads):
            rows = np.flatnonzero(of_place == number)
            for some in np.array_split(rows, len(rows) // 1_024 + 1):
                road_m = geodesic_m(places[some], places) * road.detour
                metres[some] = np.rint(road_m)
                seconds[some] = np.rint(road.seconds(road_m))
        return Travel(seconds, metres, "geodesic, learned" if self._company else "geodesic")

    def _at(self, roads: Mapping[str, RoadModel], hours: str) -> RoadModel | None:
        if hours != ANY_HOUR:
            return roads.get(hours)
        return mixed(roads, self._shares)

    def _roads_of(
        self, places: npt.NDArray[np.float64], hours: str
    ) -> tuple[list[RoadModel], npt.NDArray[np.intp]]:
        """Return road models, the company's first, and for each place the number of its own."""
        roads = [self._at(self._company, hours) or RoadModel()]
        of_place = np.zeros(len(places), dtype=np.intp)
        if not self._centres or not len(places):
            return roads, of_place
        names = list(self._centres)
        away = geodesic_m(places, np.array([self._centres[name] for name in names]))
        nearest = np.argmin(away, axis=1)
        is_near = away[np.arange(len(places)), nearest] <= self.REACH_M
        for number, name in enumerate(names):
            own = self._at(self._territories[name], hours)
            if own is not None:
                of_place[(nearest == number) & is_near] = len(roads)
                roads.append(own)
        return roads, of_place
