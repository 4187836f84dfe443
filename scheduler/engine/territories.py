"""A day cut into territories that are searched apart: shifts near each other, and what is near them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scheduler.engine.indexed import IndexedDay
from scheduler.engine.insertion import Draft
from scheduler.engine.ties import joined

_FEWEST_VISITS = 60
_FEWEST_PEOPLE = 4
"""Smaller territories are not worth a process."""


@dataclass(frozen=True, slots=True)
class Territory:
    shifts: list[int]
    visits: list[int]


def territories(
    day: IndexedDay, candidates: Sequence[int], start: Draft, count: int
) -> list[Territory]:
    """Return up to `count` territories, every shift and every candidate in one of them.

    All shifts of one person are in one. A visit that has a place in `start` stays where that is, others go
    to the nearest able shift; visits that depend on each other go together.
    """
    people: dict[str, list[int]] = {}
    for number, shift in enumerate(day.shifts):
        people.setdefault(shift.technician, []).append(number)
    count = min(count, len(people) // _FEWEST_PEOPLE, len(candidates) // _FEWEST_VISITS)
    if count < 2:
        return [Territory(list(range(len(day.shifts))), list(candidates))]
    homes = {name: day.terms[shifts[0]].start_place for name, shifts in people.items()}
    groups = _halved(day.problem.travel_s, homes, sorted(people), count)
    part_of = np.empty(len(day.shifts), dtype=np.intp)
    for part, names in enumerate(groups):
        part_of[[number for name in names for number in people[name]]] = part
    found = [Territory(np.flatnonzero(part_of == part).tolist(), []) for part in range(count)]
    for visit, part in sorted(_parts_of(day, candidates, start, part_of).items()):
        found[part].visits.append(visit)
    return found


def _halved(
    travel: npt.NDArray[np.int32], homes: dict[str, int], names: list[str], count: int
) -> list[list[str]]:
    """Divide people into `count` groups as large as each other, between two who live far apart each time."""
    if count == 1:
        return [names]
    places = np.array([homes[name] for name in names])
    one = int(np.argmax(travel[places[0], places]))
    other = int(np.argmax(travel[places[one], places]))
    nearer = travel[places[one], places].astype(np.int64) - travel[places[other], places]
    ranked = [names[number] for number in np.argsort(nearer, kind="stable")]
    first = count // 2
    cut = len(ranked) * first // count
    return [
        *_halved(travel, homes, ranked[:cut], first),
        *_halved(travel, homes, ranked[cut:], count - first),
    ]


def _parts_of(
    day: IndexedDay, candidates: Sequence[int], start: Draft, part_of: npt.NDArray[np.intp]
) -> dict[int, int]:
    found: dict[int, int] = {}
    for visit in candidates:
        if visit in found:
            continue
        together = joined(day.ties, visit, candidates) if visit in day.linked else [visit]
        planned = [start.shift_of[each] for each in together if each in start.shift_of]
        if planned:
            nearest = planned[0]
        else:
            able = np.flatnonzero(day.able[:, visit])
            drives = day.problem.travel_s[day.start_places[able], day.place[visit]]
            nearest = int(able[np.argmin(drives)])
        found |= dict.fromkeys(together, int(part_of[nearest]))
    return found
