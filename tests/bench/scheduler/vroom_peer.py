"""VROOM, through pyvroom: one thread, highest exploration, its own time limit."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from tests.bench.scheduler.answers import Answer, NotMadeForThis, Question
from tests.bench.scheduler.cases import LUNCH
from tests.bench.scheduler.classes import Classes, capacity_of


def solve(question: Question) -> Answer:
    """Priorities stand in the proportion of the drop costs: all that VROOM knows of them."""
    import vroom

    problem = question.problem
    if problem.crews or problem.links or problem.depots or question.longest_s is not None:
        raise NotMadeForThis("VROOM knows no linked visits, refills or longest duration.")
    if problem.weights.waiting_permille:
        raise NotMadeForThis("VROOM does not price waiting.")
    classes = Classes.of(problem)
    loads = sorted({part for visit in problem.visits for part, _ in visit.parts})
    dearest = max((problem.drop_cost(visit) for visit in problem.visits), default=1)
    day = vroom.Input()
    day.set_durations_matrix("car", problem.travel_s.astype(np.uint32))
    for number, shift in enumerate(problem.shifts):
        carries = capacity_of(problem, shift) if loads else {}
        day.add_vehicle(
            vroom.Vehicle(
                number,
                start=shift.start_place,
                end=shift.end_place,
                time_window=(shift.opens, shift.closes),
                skills=set(np.flatnonzero(classes.able[number]).tolist()),
                capacity=[carries.get(load, 0) for load in loads],
                breaks=[
                    vroom.Break(
                        number, time_windows=[(rest.earliest, rest.latest)], service=rest.length_s
                    )
                    for rest in shift.breaks
                ],
            )
        )
    day.add_job(
        [
            vroom.Job(
                number,
                location=visit.place,
                default_service=visit.duration_s,
                time_windows=list(visit.windows),
                skills={classes.of_visit[number]},
                delivery=[dict(visit.parts).get(load, 0) for load in loads],
                priority=round(100 * problem.drop_cost(visit) / max(1, dearest)),
            )
            for number, visit in enumerate(problem.visits)
        ]
    )
    found = day.solve(exploration_level=5, nb_threads=1, timeout=timedelta(seconds=question.left_s))
    tours: dict[int, list[int]] = {}
    rows = found.routes
    for vehicle, kind, job in zip(rows["vehicle_id"], rows["type"], rows["id"], strict=True):
        tour = tours.setdefault(int(problem.shifts[vehicle].id), [])
        if kind == "break":
            tour.append(LUNCH)
        elif kind == "job":
            tour.append(int(problem.visits[int(job)].id))
    return Answer(tours)
