"""OR-Tools' routing library, used as its guide does: registered matrices, guided local search.

`default`: the guide's first solution (cheapest arc) and the library's own parameters. `tuned`: parallel
insertion and λ 0.3, which measured best on dispatch days. Shares nothing with `scheduler.engine`.
"""

from __future__ import annotations

import numpy as np

from tests.bench.scheduler.answers import Answer, NotMadeForThis, Question
from tests.bench.scheduler.classes import Classes, capacity_of


def default(question: Question) -> Answer:
    return _solve(question, is_tuned=False)


def tuned(question: Question) -> Answer:
    return _solve(question, is_tuned=True)


def _solve(question: Question, *, is_tuned: bool) -> Answer:
    from ortools.constraint_solver import pywrapcp, routing_enums_pb2

    problem = question.problem
    if problem.depots or any(shift.breaks for shift in problem.shifts):
        raise NotMadeForThis("Refills and breaks are not modelled for this peer.")
    if problem.weights.waiting_permille or any(len(visit.windows) != 1 for visit in problem.visits):
        raise NotMadeForThis("Paid waiting and several windows are not modelled for this peer.")
    count, vehicles = len(problem.visits), len(problem.shifts)
    manager = pywrapcp.RoutingIndexManager(
        count + 2 * vehicles,
        vehicles,
        list(range(count, count + vehicles)),
        list(range(count + vehicles, count + 2 * vehicles)),
    )
    routing = pywrapcp.RoutingModel(manager)
    _model(question, manager, routing)
    parameters = pywrapcp.DefaultRoutingSearchParameters()
    strategy = routing_enums_pb2.FirstSolutionStrategy
    parameters.first_solution_strategy = strategy.PATH_CHEAPEST_ARC
    parameters.local_search_metaheuristic = (
        routing_enums_pb2.LocalSearchMetaheuristic.GUIDED_LOCAL_SEARCH
    )
    if is_tuned:
        parameters.first_solution_strategy = strategy.PARALLEL_CHEAPEST_INSERTION
        parameters.guided_local_search_lambda_coefficient = 0.3
    first: list[float] = []
    routing.AddAtSolutionCallback(lambda: first or first.append(question.passed_s))
    routing.solver().ReSeed(question.seed)
    parameters.time_limit.FromMilliseconds(int(1_000 * question.left_s) + 1)
    found = routing.SolveWithParameters(parameters)
    if found is None:
        return Answer({}, None, ("found nothing",))
    tours: dict[int, list[int]] = {}
    for vehicle, shift in enumerate(problem.shifts):
        index = routing.Start(vehicle)
        while not routing.IsEnd(index):
            node = manager.IndexToNode(index)
            if node < count:
                tours.setdefault(int(shift.id), []).append(int(problem.visits[node].id))
            index = found.Value(routing.NextVar(index))
    return Answer(tours, first[0] if first else None)


def _model(question: Question, manager, routing) -> None:
    problem = question.problem
    _count, vehicles = len(problem.visits), len(problem.shifts)
    places = (
        [visit.place for visit in problem.visits]
        + [shift.start_place for shift in problem.shifts]
        + [shift.end_place for shift in problem.shifts]
    )
    drive = problem.travel_s[np.ix_(places, places)].astype(np.int64)
    work = np.array([visit.duration_s for visit in problem.visits] + [0] * (2 * vehicles))
    arcs = routing.RegisterTransitMatrix(drive.tolist())
    routing.SetArcCostEvaluatorOfAllVehicles(arcs)
    spent = routing.RegisterTransitMatrix((drive + work[:, None]).tolist())
    horizon = max((shift.closes for shift in problem.shifts), default=0)
    routing.AddDimension(spent, horizon, horizon, False, "time")
    time = routing.GetDimensionOrDie("time")
    for vehicle, shift in enumerate(problem.shifts):
        time.CumulVar(routing.Start(vehicle)).SetRange(shift.opens, shift.closes)
        time.CumulVar(routing.End(vehicle)).SetRange(shift.opens, shift.closes)
        if question.longest_s is not None:
            time.SetSpanUpperBoundForVehicle(question.longest_s, vehicle)
    classes = Classes.of(problem)
    able = [[-1, *np.flatnonzero(column).tolist()] for column in classes.able.T]
    for node, visit in enumerate(problem.visits):
        index = manager.NodeToIndex(node)
        time.CumulVar(index).SetRange(*visit.windows[0])
        routing.VehicleVar(index).SetValues(able[classes.of_visit[node]])
        routing.AddDisjunction([index], problem.drop_cost(visit))
        if visit.due is not None:
            rate = problem.weights.late_permille // 1_000
            time.SetCumulVarSoftUpperBound(index, visit.due, rate)
    _loads(question, routing)
    _pairs(question, manager, routing, time)


def _loads(question: Question, routing) -> None:
    problem = question.problem
    for load in sorted({part for visit in problem.visits for part, _ in visit.parts}):
        used = [dict(visit.parts).get(load, 0) for visit in problem.visits]
        transit = routing.RegisterUnaryTransitVector(used + [0] * (2 * len(problem.shifts)))
        carried = [capacity_of(problem, shift).get(load, 0) for shift in problem.shifts]
        routing.AddDimensionWithVehicleCapacity(transit, 0, carried, True, load)


def _pairs(question: Question, manager, routing, time) -> None:
    """State crews and links as the library can: both or none, two vehicles, times apart."""
    problem, solver = question.problem, routing.solver()
    number = {visit.id: node for node, visit in enumerate(problem.visits)}
    pairs = [(crew.first, crew.second, 0, 0) for crew in problem.crews]
    pairs += [
        (link.first, link.second, link.least_gap_s or 0, link.greatest_gap_s or 0)
        for link in problem.links
    ]
    for first, second, least, most in pairs:
        one, other = manager.NodeToIndex(number[first]), manager.NodeToIndex(number[second])
        solver.Add(routing.ActiveVar(one) == routing.ActiveVar(other))
        together = routing.ActiveVar(one)
        apart = routing.VehicleVar(one) != routing.VehicleVar(other)
        solver.Add(apart >= together)
        gap = time.CumulVar(other) - time.CumulVar(one)
        solver.Add(gap >= least)
        solver.Add(gap <= most)
