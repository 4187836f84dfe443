"""How far plans are off, as finished visits show it: travel by its ratio, work by its difference.

Errors are kept as quantiles, so that skew and long tails stay in them. A group's quantiles mix what it has
itself seen with those of the group it belongs to, which counts for `PRIOR` visits: a territory belongs to
the company, an hour band to its territory; a kind of work to the company, the kind in a territory to the
kind. What the company itself belongs to is assumed.

Errors of one technician on one day hang together: traffic, weather and pace are the same. `together` is their
rank correlation; draws honour it, since windows late in a day would be too narrow without.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import exp
from statistics import NormalDist
from typing import Any, Final
from zlib import crc32

import msgspec
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Group = tuple[str, str]
"""(territory, hour band) of travel, (kind, territory) of work; "" stands for all."""
Quantiles = tuple[float, ...]

LEVELS: Final = (
    0.0,
    *(0.002, 0.005, 0.01, 0.02, 0.03),
    *(step / 20 for step in range(1, 20)),
    *(0.97, 0.98, 0.99, 0.995, 0.998),
    1.0,
)
"""At these shares a group's quantiles are kept."""

PRIOR: Final = 40
"""Visits that a group's parent counts for."""
_PARENT_POINTS: Final = 200
_PAIRS: Final = 200
"""Pairs of visits on one route that the assumption of no connection counts for."""

_WILDEST_RATIO: Final = 4.0
_WILDEST_S: Final = 5 * 3_600
"""What is further off tells of a forgotten tap, not of the day."""
_SHORTEST_TRIP_S: Final = 60

HOUR_BANDS: Final[Mapping[str, tuple[int, ...]]] = {
    "morning": (6, 7, 8, 9),
    "day": (10, 11, 12, 13, 14, 15),
    "evening": (16, 17, 18, 19),
    "night": (20, 21, 22, 23, 0, 1, 2, 3, 4, 5),
}


def band_of(hour: int) -> str:
    return next(name for name, hours in HOUR_BANDS.items() if hour in hours)


@dataclass(frozen=True, slots=True)
class Finished:
    """What became of a visit: planned against actual; None where one of the two is not known."""

    route: str
    """Visits of one technician on one day have the same."""
    territory: str
    hour: int
    """Local, in which the trip began."""
    kind: str
    travel: tuple[float, float] | None = None
    """Seconds planned, seconds taken."""
    work: tuple[float, float] | None = None
    nobody_there: bool = False


@dataclass(frozen=True, slots=True)
class Errors:
    """What plans are off by. Groups without own visits are not in it: their parents answer."""

    travel: Mapping[Group, Quantiles]
    """Taken / planned."""
    work: Mapping[Group, Quantiles]
    """Taken − planned, in seconds."""
    absent: Mapping[str, float]
    """Chance that nobody is there, by kind of work."""
    travel_together: float = 0.0
    work_together: float = 0.0
    visits: int = 0
    """From how many it was learned."""

    def of_travel(self, territory: str, hour: int) -> Quantiles:
        return self._first(self.travel, (territory, band_of(hour)), (territory, ""))

    def of_work(self, kind: str, territory: str) -> Quantiles:
        return self._first(self.work, (kind, territory), (kind, ""))

    def of_absence(self, kind: str) -> float:
        return self.absent.get(kind, self.absent[""])

    @staticmethod
    def _first(groups: Mapping[Group, Quantiles], *wanted: Group) -> Quantiles:
        return next((groups[each] for each in wanted if each in groups), groups["", ""])


def _assumed() -> Errors:
    """Return what holds before anything was seen: travel off by 22 %, work by a quarter of an hour."""
    normal = [NormalDist().inv_cdf(min(0.999, max(0.001, level))) for level in LEVELS]
    return Errors(
        travel={("", ""): tuple(exp(0.22 * each) for each in normal)},
        work={("", ""): tuple(900.0 * each for each in normal)},
        absent={"": 0.02},
    )


ASSUMED: Final = _assumed()


def learn(finished: Sequence[Finished], prior: Errors = ASSUMED) -> Errors:
    """Return the errors of visits that are over."""
    trips = [
        (one, one.travel[1] / one.travel[0])
        for one in finished
        if one.travel is not None and one.travel[0] >= _SHORTEST_TRIP_S
    ]
    trips = [each for each in trips if 1 / _WILDEST_RATIO <= each[1] <= _WILDEST_RATIO]
    works = [
        (one, one.work[1] - one.work[0])
        for one in finished
        if one.work is not None and not one.nobody_there
    ]
    works = [each for each in works if abs(each[1]) <= _WILDEST_S]
    travel = _groups(trips, prior.travel["", ""], lambda one: (one.territory, band_of(one.hour)))
    work = _groups(works, prior.work["", ""], lambda one: (one.kind, one.territory))
    found = Errors(travel, work, _absences(finished, prior.absent[""]), visits=len(finished))
    return Errors(
        found.travel,
        found.work,
        found.absent,
        _together(trips, lambda one: found.of_travel(one.territory, one.hour)),
        _together(works, lambda one: found.of_work(one.kind, one.territory)),
        found.visits,
    )


Seen = Sequence[tuple[Finished, float]]


def _groups(
    seen: Seen, assumed: Quantiles, group_of: Callable[[Finished], Group]
) -> dict[Group, Quantiles]:
    """Return the company's quantiles, those of each first part of a group, those of each whole group."""
    company = _mixed([value for _, value in seen], assumed)
    found: dict[Group, Quantiles] = {("", ""): company}
    wide: dict[str, list[float]] = defaultdict(list)
    narrow: dict[Group, list[float]] = defaultdict(list)
    for one, value in seen:
        group = group_of(one)
        wide[group[0]].append(value)
        narrow[group].append(value)
    for first, values in sorted(wide.items()):
        if first:
            found[first, ""] = _mixed(values, company)
    for group, values in sorted(narrow.items()):
        if group[1]:
            found[group] = _mixed(values, found.get((group[0], ""), company))
    return found


def _mixed(values: Sequence[float], parent: Quantiles) -> Quantiles:
    """Return the quantiles of own values with the parent's, which count for `PRIOR` of them."""
    if not values:
        return parent
    points = np.interp((np.arange(_PARENT_POINTS) + 0.5) / _PARENT_POINTS, LEVELS, parent)
    everything = np.concatenate([np.asarray(values, dtype=np.float64), points])
    weights = np.concatenate([np.ones(len(values)), np.full(len(points), PRIOR / len(points))])
    order = np.argsort(everything, kind="stable")
    reached = (np.cumsum(weights[order]) - weights[order] / 2) / weights.sum()
    return tuple(float(each) for each in np.interp(LEVELS, reached, everything[order]))


def _absences(finished: Iterable[Finished], assumed: float) -> dict[str, float]:
    by_kind: dict[str, list[bool]] = defaultdict(list)
    for one in finished:
        by_kind[one.kind].append(one.nobody_there)
    everybody = [each for several in by_kind.values() for each in several]
    company = _shrunk(everybody, assumed)
    shares = {kind: _shrunk(own, company) for kind, own in sorted(by_kind.items()) if kind}
    return {"": company, **shares}


def _shrunk(values: Sequence[float], parent: float) -> float:
    return (sum(values) + PRIOR * parent) / (len(values) + PRIOR)


def _together(seen: Seen, quantiles_of: Callable[[Finished], Quantiles]) -> float:
    """Return the rank correlation of what was seen on the same route."""
    by_route: dict[str, list[float]] = defaultdict(list)
    for one, value in seen:
        rank = float(np.interp(value, quantiles_of(one), LEVELS))
        by_route[one.route].append(rank - 0.5)
    total, pairs = 0.0, 0
    for ranks in by_route.values():
        several = len(ranks) * (len(ranks) - 1) // 2
        total += (sum(ranks) ** 2 - sum(each**2 for each in ranks)) / 2
        pairs += several
    return float(np.clip(12 * total / (pairs + _PAIRS), 0.0, 0.9))


# --- as data ----------------------------------------------------------------------------------------------


def to_document(errors: Errors) -> dict[str, Any]:
    """Return errors as JSON values; numbers are rounded to what is meant by them."""
    return {
        "travel": [[*group, [round(q, 4) for q in each]] for group, each in errors.travel.items()],
        "work": [[*group, [round(q) for q in each]] for group, each in errors.work.items()],
        "absent": {kind: round(share, 5) for kind, share in errors.absent.items()},
        "together": [round(errors.travel_together, 4), round(errors.work_together, 4)],
        "visits": errors.visits,
    }


def from_document(document: Mapping[str, Any]) -> Errors:
    return Errors(
        travel={(first, second): tuple(each) for first, second, each in document["travel"]},
        work={(first, second): tuple(each) for first, second, each in document["work"]},
        absent=dict(document["absent"]),
        travel_together=document["together"][0],
        work_together=document["together"][1],
        visits=document["visits"],
    )


def digest_of(document: Mapping[str, Any]) -> str:
    """Return the SHA-256 of errors as data: 64 hex digits."""
    canonical = msgspec.json.encode(document, order="deterministic")
    return hashlib.sha256(canonical).hexdigest()


# --- drawn ------------------------------------------------------------------------------------------------


class Lots:
    """Lots by name, each drawn once: two plans are compared on the same days."""

    def __init__(self, count: int, seed: int) -> None:
        self.count = count
        self._seed = seed
        self._drawn: dict[tuple[str, str], Floats] = {}

    def of(self, what: str, name: str) -> Floats:
        """Return two lots between 0 and 1 for each draw; shape (2, draws)."""
        key = (what, name)
        if key not in self._drawn:
            lot = np.random.default_rng([self._seed, crc32(f"{what}/{name}".encode())])
            self._drawn[key] = lot.random((2, self.count))
        return self._drawn[key]


class Draws:
    """Errors of one route in many possible days: arrays with one entry for each of them."""

    def __init__(self, errors: Errors, lots: Lots, route: str) -> None:
        self._errors = errors
        self._lots = lots
        self._travel_day, self._work_day = lots.of("route", route)

    def travel(self, to: str, territory: str, hour: int) -> Floats:
        """Return ratios of one trip's time."""
        ranks = self._ranks("travel", to, self._travel_day, self._errors.travel_together)
        return np.interp(ranks, LEVELS, self._errors.of_travel(territory, hour))

    def work(self, at: str, kind: str, territory: str) -> Floats:
        """Return how many seconds longer work takes."""
        ranks = self._ranks("work", at, self._work_day, self._errors.work_together)
        return np.interp(ranks, LEVELS, self._errors.of_work(kind, territory))

    def absent(self, at: str, kind: str) -> npt.NDArray[np.bool_]:
        nobody: npt.NDArray[np.bool_] = self._lots.of("absent", at)[0] < self._errors.of_absence(
            kind
        )
        return nobody

    def _ranks(self, what: str, name: str, of_day: Floats, together: float) -> Floats:
        """Return ranks that are the day's in the root of `together` of all cases, else their own.

        Each is uniform, and two of a day have that rank correlation.
        """
        own, is_days = self._lots.of(what, name)
        return np.where(is_days < together**0.5, of_day, own)
