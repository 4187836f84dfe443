"""Who may do what, by classes of visits that ask the same: how every peer is told of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scheduler.problem import DayProblem, Shift, Visit


@dataclass(frozen=True, slots=True)
class Classes:
    of_visit: tuple[int, ...]
    """The class of each visit."""
    able: npt.NDArray[np.bool_]
    """Shape (shifts, classes)."""

    @staticmethod
    def of(problem: DayProblem) -> Classes:
        number: dict[tuple[object, ...], int] = {}
        first: list[Visit] = []
        of_visit = []
        for visit in problem.visits:
            asks = (visit.skills, visit.required)
            if asks not in number:
                number[asks] = len(first)
                first.append(visit)
            of_visit.append(number[asks])
        required = [frozenset(visit.required) for visit in first]
        able = np.zeros((len(problem.shifts), len(first)), dtype=bool)
        for row, shift in enumerate(problem.shifts):
            levels = dict(shift.skills)
            for column, visit in enumerate(first):
                able[row, column] = _has_skills(levels, visit) and (
                    not visit.required or shift.technician in required[column]
                )
        return Classes(tuple(of_visit), able)


def _has_skills(levels: dict[str, int], visit: Visit) -> bool:
    return all(levels.get(skill, 0) >= level for skill, level in visit.skills)


def capacity_of(problem: DayProblem, shift: Shift) -> dict[str, int]:
    """Return what a shift's vehicle carries, by part."""
    return next(dict(each.stock) for each in problem.technicians if each.id == shift.technician)
