"""A large day cut into territories that a solver answers one after another, on the one core it has.

Homes are grouped by k-medoids on travel times, no group larger than its share; a visit goes where its
nearest able technician lives. A territory gets time in proportion to its visits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from scheduler.problem import DayProblem
from tests.bench.scheduler.answers import Answer, Question
from tests.bench.scheduler.classes import Classes

TECHNICIANS_EACH = 25
_ROUNDS = 10


def solve(question: Question, solver: Callable[[Question], Answer]) -> Answer:
    problem = question.problem
    groups = _groups(problem, question.seed)
    of_visit = _visits(problem, groups)
    tours: dict[int, list[int]] = {}
    first_s: float | None = None
    to_do = len(problem.visits)
    for number, shifts in enumerate(groups):
        visits = np.flatnonzero(of_visit == number)
        if not len(visits):
            continue
        seconds = question.left_s * len(visits) / to_do
        to_do -= len(visits)
        began_s = question.passed_s
        answer = solver(
            Question(
                _part(problem, shifts, visits),
                question.longest_s,
                question.serves_all,
                seconds,
                question.seed,
            )
        )
        tours |= answer.tours
        # The whole day has a first solution when its last territory has one.
        first_s = None if answer.first_s is None else began_s + answer.first_s
    return Answer(tours, first_s, (f"{len(groups)} territories",))


def _groups(problem: DayProblem, seed: int) -> list[npt.NDArray[np.int64]]:
    """Return the shift numbers of each territory."""
    homes = np.array([shift.start_place for shift in problem.shifts])
    apart = problem.travel_s[np.ix_(homes, homes)].astype(np.int64)
    count = max(1, round(len(homes) / TECHNICIANS_EACH))
    room = -(-len(homes) // count)
    draw = np.random.default_rng(seed)
    medoids = draw.choice(len(homes), size=count, replace=False)
    group = np.zeros(len(homes), dtype=np.int64)
    for _ in range(_ROUNDS):
        group[:] = -1
        left = np.full(count, room)
        # Nearest pairs first, as long as there is room.
        for pair in np.argsort(apart[:, medoids], axis=None, kind="stable"):
            home, medoid = divmod(int(pair), count)
            if group[home] < 0 and left[medoid] > 0:
                group[home] = medoid
                left[medoid] -= 1
        found = []
        for number in range(count):
            members = np.flatnonzero(group == number)
            own = apart[np.ix_(members, members)].sum(axis=1)
            found.append(int(members[own.argmin()]) if len(members) else int(medoids[number]))
        if found == medoids.tolist():
            break
        medoids = np.array(found)
    return [np.flatnonzero(group == number) for number in range(count)]


def _visits(problem: DayProblem, groups: list[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
    """Return the territory of each visit."""
    group_of = np.zeros(len(problem.shifts), dtype=np.int64)
    for number, shifts in enumerate(groups):
        group_of[shifts] = number
    classes = Classes.of(problem)
    homes = np.array([shift.start_place for shift in problem.shifts])
    territory = np.zeros(len(problem.visits), dtype=np.int64)
    for number, visit in enumerate(problem.visits):
        able = np.flatnonzero(classes.able[:, classes.of_visit[number]])
        if len(able):
            nearest = able[problem.travel_s[homes[able], visit.place].argmin()]
            territory[number] = group_of[nearest]
    return territory


def _part(
    problem: DayProblem, shifts: npt.NDArray[np.int64], visits: npt.NDArray[np.int64]
) -> DayProblem:
    """Return the problem of some shifts and visits; they keep their ids, places are numbered anew."""
    own_shifts = [problem.shifts[number] for number in shifts]
    own_visits = [problem.visits[number] for number in visits]
    places = sorted(
        {visit.place for visit in own_visits}
        | {shift.start_place for shift in own_shifts}
        | {shift.end_place for shift in own_shifts}
    )
    new = {place: number for number, place in enumerate(places)}
    people = {shift.technician for shift in own_shifts}
    return replace(
        problem,
        travel_s=problem.travel_s[np.ix_(places, places)],
        travel_m=problem.travel_m[np.ix_(places, places)],
        technicians=tuple(each for each in problem.technicians if each.id in people),
        shifts=tuple(
            replace(each, start_place=new[each.start_place], end_place=new[each.end_place])
            for each in own_shifts
        ),
        visits=tuple(replace(each, place=new[each.place]) for each in own_visits),
    )
