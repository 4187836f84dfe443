"""PyVRP: a profile per class of people, clients with prizes, its own search parameters."""

from __future__ import annotations

import numpy as np

from tests.bench.scheduler.answers import Answer, NotMadeForThis, Question
from tests.bench.scheduler.classes import Classes, capacity_of


def solve(question: Question) -> Answer:
    import pyvrp

    problem = question.problem
    if problem.crews or problem.links or problem.depots:
        raise NotMadeForThis("PyVRP knows no linked visits, and refills only by going home.")
    if any(shift.breaks for shift in problem.shifts):
        raise NotMadeForThis("PyVRP knows no breaks.")
    if problem.weights.waiting_permille or any(len(visit.windows) != 1 for visit in problem.visits):
        raise NotMadeForThis("This use of PyVRP knows one window a visit and free waiting.")
    until = _Until(question)
    data, groups = _data(question)
    found = pyvrp.solve(data, stop=until, seed=question.seed, collect_stats=False, display=False)
    tours: dict[int, list[int]] = {}
    free = [list(numbers) for numbers in groups]
    for route in found.best.routes():
        shift = problem.shifts[free[route.vehicle_type()].pop()]
        tours[int(shift.id)] = [
            int(problem.visits[stop.idx].id) for stop in route if stop.is_client()
        ]
    return Answer(tours, until.first_s)


class _Until:
    """PyVRP's stopping rule: the question's clock, which also runs while the model is built."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self.first_s: float | None = None

    def __call__(self, best_cost: int) -> bool:
        is_feasible = best_cost < np.iinfo(np.int64).max
        if is_feasible and self.first_s is None:
            self.first_s = self.question.passed_s
        return self.question.passed_s >= self.question.seconds


def _data(question: Question) -> tuple[object, list[list[int]]]:
    """Return PyVRP's problem, and the shifts of each of its vehicle types."""
    import pyvrp

    problem = question.problem
    classes = Classes.of(problem)
    loads = sorted({part for visit in problem.visits for part, _ in visit.parts})
    visits_of = [
        np.array(
            [
                visit.place
                for visit, own in zip(problem.visits, classes.of_visit, strict=True)
                if own == number
            ]
        )
        for number in range(classes.able.shape[1])
    ]
    matrix = problem.travel_s.astype(np.int64)
    # Beyond every day and every prize. PyVRP's own value for what is out of reach, 2⁴⁴, keeps its first
    # descent busy for minutes on days where few may go anywhere.
    far = 10 * max(
        int(matrix.max(initial=0)),
        max((shift.closes for shift in problem.shifts), default=0),
        max((problem.drop_cost(visit) for visit in problem.visits), default=0),
    )
    profiles: dict[bytes, int] = {}
    matrices = []
    for row in classes.able:
        if row.tobytes() not in profiles:
            profiles[row.tobytes()] = len(matrices)
            matrices.append(_matrix(matrix, visits_of, row, far))
    places = sorted(
        {shift.start_place for shift in problem.shifts}
        | {shift.end_place for shift in problem.shifts}
    )
    groups: dict[tuple[object, ...], list[int]] = {}
    for number, shift in enumerate(problem.shifts):
        carries = capacity_of(problem, shift) if loads else {}
        alike = (
            shift.start_place,
            shift.end_place,
            shift.opens,
            shift.closes,
            tuple(carries.get(load, 0) for load in loads),
            profiles[classes.able[number].tobytes()],
        )
        groups.setdefault(alike, []).append(number)
    limit = {} if question.longest_s is None else {"shift_duration": question.longest_s}
    data = pyvrp.ProblemData(
        locations=[pyvrp.Location(0, 0) for _ in range(len(matrix))],
        clients=[
            pyvrp.Client(
                location=visit.place,
                delivery=[dict(visit.parts).get(load, 0) for load in loads],
                service_duration=visit.duration_s,
                tw_early=visit.windows[0][0],
                tw_late=visit.windows[0][1],
                prize=0 if question.serves_all else problem.drop_cost(visit),
                required=question.serves_all,
            )
            for visit in problem.visits
        ],
        depots=[pyvrp.Depot(location=place) for place in places],
        vehicle_types=[
            pyvrp.VehicleType(
                num_available=len(numbers),
                capacity=list(capacity),
                start_depot=places.index(start),
                end_depot=places.index(end),
                tw_early=opens,
                tw_late=closes,
                profile=profile,
                **limit,
            )
            for (start, end, opens, closes, capacity, profile), numbers in groups.items()
        ],
        distance_matrices=matrices,
        duration_matrices=matrices,
    )
    return data, list(groups.values())


def _matrix(
    matrix: np.ndarray, visits_of: list[np.ndarray], able: np.ndarray, far: int
) -> np.ndarray:
    """Return travel for people of one class: whom they may not visit is out of reach."""
    if able.all():
        return matrix
    own = matrix.copy()
    for places, may in zip(visits_of, able, strict=True):
        if not may:
            own[places, :] = far
            own[:, places] = far
    np.fill_diagonal(own, 0)
    return own
