"""Whether a company has the people for a crew at all: each leg needs somebody else, at the same time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from scheduler.engine.indexed import IndexedDay
from scheduler.engine.insertion import fits_alone


def crews(day: IndexedDay) -> list[list[int]]:
    """Return the legs of each crew, ascending."""
    crew_of: dict[int, set[int]] = {}
    for pair in day.problem.crews:
        one, other = day.visit_no[pair.first], day.visit_no[pair.second]
        together = crew_of.get(one, {one}) | crew_of.get(other, {other})
        crew_of |= dict.fromkeys(together, together)
    return [sorted(legs) for leg, legs in sorted(crew_of.items()) if leg == min(legs)]


def could_come(day: IndexedDay, crew: Sequence[int]) -> int:
    """Return how many legs of a crew could be done at most, each by somebody else who does nothing else.

    That they have to begin at once is not looked at: fewer may be able to, never more.
    """
    # For a leg that as many people could do as there are legs somebody is always left.
    able = [_able(day, leg, len(crew)) for leg in crew]
    leg_of: dict[str, int] = {}

    def give(leg: int, asked: set[str]) -> bool:
        """Give a leg to somebody; who has another one hands it on where that goes."""
        for person in able[leg]:
            if person not in asked:
                asked.add(person)
                if person not in leg_of or give(leg_of[person], asked):
                    leg_of[person] = leg
                    return True
        return False

    return sum(give(leg, set()) for leg in range(len(crew)))


def _able(day: IndexedDay, visit_no: int, most: int) -> list[str]:
    """Return who could do a visit with nothing else but what is fixed, the nearest first, at most `most`."""
    found: dict[str, None] = {}
    for technician in _who_fits(day, visit_no):
        found.setdefault(technician)
        if len(found) == most:
            break
    return list(found)


def _who_fits(day: IndexedDay, visit_no: int) -> Iterator[str]:
    able = np.flatnonzero(day.able[:, visit_no])
    drives = day.problem.travel_s[day.start_places[able], day.place[visit_no]]
    for number in able[np.argsort(drives, kind="stable")].tolist():
        if fits_alone(day, number, visit_no):
            yield day.shifts[number].technician
