"""Everybody's next days at a glance: who could take one more visit, asked in a few milliseconds.

A board holds routes as positions and bounds, without a matrix of travel, so that a thousand technicians fit
into a few megabytes. It only chooses whom to look at: absences of part of a day and breaks are not on it, and
whoever is chosen is timed exactly afterwards.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scheduler.problem import Interval, Level
from scheduler.travel import RoadModel, geodesic_m

Position = tuple[float, float]

_NEVER = 1 << 50


@dataclass(frozen=True, slots=True)
class Stop:
    """A visit that is planned or under way; seconds of the board's clock."""

    where: Position
    opens: int
    """Not earlier: as it is planned, or as its promise opens."""
    closes: int
    work_s: int


@dataclass(frozen=True, slots=True)
class Route:
    """One technician's shift with what is in it, in order of time."""

    technician: str
    shift: str
    home: Position
    opens: int
    last: int
    """Back by then, overtime included."""
    skills: tuple[Level, ...]
    territory: str | None
    stops: tuple[Stop, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """A visit that looks for a place."""

    where: Position
    work_s: int
    windows: tuple[Interval, ...]
    skills: tuple[Level, ...] = ()
    required: Collection[str] = ()
    forbidden: Collection[str] = ()
    people: int = 1
    """How many have to come."""


class Board:
    """Routes as flat arrays: one row per gap between two neighbouring stops."""

    def __init__(self, routes: Sequence[Route], road: RoadModel | None = None) -> None:
        self.routes = tuple(routes)
        self.road = road or RoadModel()
        gaps: list[tuple[int, int, int, int, int, int]] = []
        positions: list[Position] = []
        for number, route in enumerate(routes):
            gaps += self._gaps(number, route, len(positions))
            positions += [route.home, *(stop.where for stop in route.stops), route.home]
        table = np.array(gaps, dtype=np.int64).reshape(-1, 6)
        self._route, self._before, self._after = table[:, :3].T
        self._free_from, self._needed_by, self._leg_s = table[:, 3:].T
        self._positions = np.array(positions or [(0.0, 0.0)], dtype=np.float64)
        self._able: dict[tuple[Level, ...], npt.NDArray[np.bool_]] = {}
        self._last_drives: tuple[Position, npt.NDArray[np.int64]] | None = None

    def _gaps(
        self, number: int, route: Route, base: int
    ) -> list[tuple[int, int, int, int, int, int]]:
        places = np.array([route.home, *(stop.where for stop in route.stops), route.home])
        drive = np.rint(self.road.seconds(geodesic_m(places, places) * self.road.detour))
        legs = np.diagonal(drive, 1).astype(np.int64).tolist()
        free = [route.opens]
        for stop, leg in zip(route.stops, legs, strict=False):
            free.append(max(free[-1] + leg, stop.opens) + stop.work_s)
        needed = [route.last]
        for stop, leg in zip(reversed(route.stops), reversed(legs), strict=False):
            needed.append(min(stop.closes, needed[-1] - leg - stop.work_s))
        needed.reverse()
        return [
            (number, base + gap, base + gap + 1, free[gap], needed[gap], leg)
            for gap, leg in enumerate(legs)
        ]

    def closest(self, asked: Asked, most: int) -> list[tuple[str, int]]:
        """Return (technician, seconds of driving added) of those whom it costs least, at most `most`."""
        to_s = self._drives(asked.where)
        there, back = to_s[self._before], to_s[self._after]
        arrive = self._free_from + there
        start = np.full(len(arrive), _NEVER, dtype=np.int64)
        for opens, closes in reversed(asked.windows):
            start = np.where(arrive <= closes, np.maximum(arrive, opens), start)
        fits = (start + asked.work_s + back <= self._needed_by) & self._may(asked)[self._route]
        gaps = np.flatnonzero(fits)
        detour = (there + back - self._leg_s)[gaps]
        found: dict[str, int] = {}
        for index in np.argsort(detour, kind="stable"):
            if len(found) >= most:
                break
            found.setdefault(self.routes[self._route[gaps[index]]].technician, int(detour[index]))
        return list(found.items())

    def nearest(self, asked: Asked, most: int) -> list[str]:
        """Return the able technicians who come nearest to a place, whether or not they have time."""
        to_s = self._drives(asked.where)[self._before]
        may = self._may(asked)[self._route]
        found: dict[str, None] = {}
        for gap in np.argsort(np.where(may, to_s, _NEVER), kind="stable"):
            if not may[gap] or len(found) >= most:
                break
            found.setdefault(self.routes[self._route[gap]].technician)
        return list(found)

    def _drives(self, where: Position) -> npt.NDArray[np.int64]:
        if self._last_drives is None or self._last_drives[0] != where:
            metres = geodesic_m(np.array([where]), self._positions)[0] * self.road.detour
            drives = np.rint(self.road.seconds(metres)).astype(np.int64)
            self._last_drives = where, drives
        return self._last_drives[1]

    def _may(self, asked: Asked) -> npt.NDArray[np.bool_]:
        """Return which routes' people may do the visit."""
        if asked.skills not in self._able:
            self._able[asked.skills] = np.array(
                [
                    all(dict(route.skills).get(skill, 0) >= level for skill, level in asked.skills)
                    for route in self.routes
                ],
                dtype=bool,
            )
        may = self._able[asked.skills]
        if asked.required or asked.forbidden:
            named = [
                (not asked.required or route.technician in asked.required)
                and route.technician not in asked.forbidden
                for route in self.routes
            ]
            may = may & np.array(named, dtype=bool)
        return may
