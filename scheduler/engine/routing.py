"""The whole day as an OR-Tools routing model.

Travel and work stand in registered matrices, one per pace of work: a Python callback there costs most
of the search. The model decides who does what in which order; the times of the plan are our own
(`engine.timing`), so small liberties of its prices below change what is found, never what is claimed:
a cap on lateness is not modelled, and an end of a promise that may break is priced along a slope.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from scheduler.engine.indexed import Extra, IndexedDay
from scheduler.engine.insertion import Draft
from scheduler.engine.timing import timetable
from scheduler.problem import DAY_S

_LAMBDA = 0.3
"""Weight of guided local search's penalties; the solver's own 0.1 measured worse on dispatch days."""

_KEPT = 1_000
"""How many times the dearest visit it costs to drop one that people have decided on."""

_BROKEN_OVER_S = 3_600
"""The price of breaking a promise is reached this long after its end."""


@dataclass(frozen=True, slots=True)
class _Nodes:
    """Numbers of the model: visits, then stops that absences make, then starts, then ends."""

    visits: list[int]
    shifts: list[int]
    absences: list[tuple[int, int]]
    """(index in `shifts`, number among the shift's extras)."""

    @property
    def first_start(self) -> int:
        return len(self.visits) + len(self.absences)

    @property
    def count(self) -> int:
        return self.first_start + 2 * len(self.shifts)


def search(
    day: IndexedDay,
    candidates: Sequence[int],
    *,
    start: Draft,
    deadline: float | None,
    iterations: int | None,
    seed: int,
) -> list[list[int]] | None:
    """Return an order of visits for each shift, None where the limit passes before the first solution.

    `candidates` fit some shift. `start` is where the search begins where a published plan has to be
    mended. `deadline` is on `time.monotonic`'s clock; `iterations` limits solutions instead.
    """
    shifts = [
        number
        for number in range(len(day.shifts))
        if day.able[number, list(candidates)].any() and _can_be_used(day, number)
    ]
    if not candidates or not shifts:
        return [[] for _ in day.shifts]
    model = _Model(day, list(candidates), shifts)
    return model.solve(start, deadline, iterations, seed)


def first_solution_s(day: IndexedDay, candidates: Sequence[int]) -> float:
    """Return about how long the first solution takes, which no limit interrupts.

    Parallel insertion looks at every pair of visits on every shift. Measured on one core: 400 visits on
    50 shifts 0.3 s, with a break each up to 2 s; 2,000 on 200 more than 30 s.
    """
    pauses = any(extra.place is None for terms in day.terms for extra in terms.extras)
    return len(candidates) ** 2 * len(day.shifts) / 25e6 * (6 if pauses else 1)


def _can_be_used(day: IndexedDay, shift_no: int) -> bool:
    """Whether the fixed beginning of a shift, and the stops its absences make, can be kept at all."""
    prefix = [day.visit_no[each] for each in day.shifts[shift_no].prefix]
    if any(number in day.unsupported or not day.able[shift_no, number] for number in prefix):
        return False
    return timetable(day, shift_no, prefix) is not None


def _milliseconds_to(deadline: float) -> int:
    return max(1, int((deadline - time.monotonic()) * 1_000))


class _Model:
    def __init__(self, day: IndexedDay, visits: list[int], shifts: list[int]) -> None:
        from ortools.constraint_solver import pywrapcp

        self.day = day
        self.nodes = _Nodes(
            visits=visits,
            shifts=shifts,
            absences=[
                (index, number)
                for index, shift in enumerate(shifts)
                for number, extra in enumerate(day.terms[shift].extras)
                if extra.place is not None
            ],
        )
        count, first = len(shifts), self.nodes.first_start
        self.manager = pywrapcp.RoutingIndexManager(
            self.nodes.count,
            count,
            list(range(first, first + count)),
            list(range(first + count, first + 2 * count)),
        )
        self.routing = pywrapcp.RoutingModel(self.manager)
        self.solver = self.routing.solver()
        weights = day.weights
        # Prices are thousandths; the model counts in whole numbers of the largest common unit.
        unit = math.gcd(
            1_000,
            weights.waiting_permille,
            weights.overtime_permille,
            weights.late_permille,
            weights.promise_late_permille,
        )
        self.scale = 1_000 // unit
        self._travel_and_time()
        self._shifts()
        self._visits()
        self._absences()
        self._fixed_prices()
        self._parts()
        self._pauses()
        self._prefixes()

    def _scaled(self, permille: int) -> int:
        return permille * self.scale // 1_000

    def _places(self) -> list[int]:
        day, nodes = self.day, self.nodes
        absences = [
            day.terms[nodes.shifts[index]].extras[number].place for index, number in nodes.absences
        ]
        return (
            [day.place[visit] for visit in nodes.visits]
            + [place for place in absences if place is not None]
            + [day.terms[shift].start_place for shift in nodes.shifts]
            + [day.terms[shift].end_place for shift in nodes.shifts]
        )

    def _work(self, shift_no: int) -> list[int]:
        """Return the time spent at each node by one shift's technician."""
        day, nodes = self.day, self.nodes
        return (
            [day.work_s(shift_no, visit) for visit in nodes.visits]
            + [self._extra(index, number).length_s for index, number in nodes.absences]
            + [0] * (2 * len(nodes.shifts))
        )

    def _extra(self, index: int, number: int) -> Extra:
        return self.day.terms[self.nodes.shifts[index]].extras[number]

    def _travel_and_time(self) -> None:
        places = self._places()
        drive = self.day.problem.travel_s[np.ix_(places, places)].astype(np.int64)
        arcs = self.routing.RegisterTransitMatrix((drive * self.scale).tolist())
        self.routing.SetArcCostEvaluatorOfAllVehicles(arcs)
        paces: dict[int, int] = {}
        evaluators = []
        for shift in self.nodes.shifts:
            pace = self.day.shifts[shift].efficiency_percent
            if pace not in paces:
                work = np.array(self._work(shift), dtype=np.int64)
                paces[pace] = self.routing.RegisterTransitMatrix((drive + work[:, None]).tolist())
            evaluators.append(paces[pace])
        horizon = (self.day.problem.days + 1) * DAY_S
        self.routing.AddDimensionWithVehicleTransits(evaluators, horizon, horizon, False, "time")
        self.time = self.routing.GetDimensionOrDie("time")
        if self.day.weights.waiting_permille:
            self.time.SetSlackCostCoefficientForAllVehicles(
                self._scaled(self.day.weights.waiting_permille)
            )

    def _shifts(self) -> None:
        weights = self.day.weights
        for index, shift in enumerate(self.nodes.shifts):
            terms = self.day.terms[shift]
            start, end = self.routing.Start(index), self.routing.End(index)
            self.time.CumulVar(start).SetRange(terms.opens, terms.last)
            self.time.CumulVar(end).SetRange(terms.opens, terms.last)
            self.routing.AddVariableMaximizedByFinalizer(self.time.CumulVar(start))
            self.routing.AddVariableMinimizedByFinalizer(self.time.CumulVar(end))
            if terms.last > terms.closes and weights.overtime_permille:
                self.time.SetCumulVarSoftUpperBound(
                    end, terms.closes, self._scaled(weights.overtime_permille)
                )
            self.routing.SetFixedCostOfVehicle(weights.first_use * self.scale, index)

    def _visits(self) -> None:
        day = self.day
        kept = _KEPT * max(day.drop, default=0) + 1
        for node, visit in enumerate(self.nodes.visits):
            index = self.manager.NodeToIndex(node)
            begins = self.time.CumulVar(index)
            starts = day.starts[visit]
            begins.SetRange(starts[0][0], starts[-1][1])
            for (_, closes), (opens, _) in pairwise(starts):
                if closes + 1 <= opens - 1:
                    begins.RemoveInterval(closes + 1, opens - 1)
            able = [
                vehicle for vehicle, shift in enumerate(self.nodes.shifts) if day.able[shift, visit]
            ]
            self.routing.VehicleVar(index).SetValues([-1, *able])
            price = day.drop[visit] + (kept if day.is_kept(visit) else 0)
            self.routing.AddDisjunction([index], price * self.scale)
            self._lateness(index, visit)

    def _lateness(self, index: int, visit: int) -> None:
        weights = self.day.weights
        closes, due = self.day.promise_closes[visit], self.day.due[visit]
        if closes is not None:
            slope = weights.promise_late_permille + weights.promise_broken * 1_000 // _BROKEN_OVER_S
            self.time.SetCumulVarSoftUpperBound(index, max(0, closes), self._scaled(slope))
        elif due is not None and weights.late_permille:
            self.time.SetCumulVarSoftUpperBound(
                index, max(0, due), self._scaled(weights.late_permille)
            )

    def _absences(self) -> None:
        for offset, (vehicle, number) in enumerate(self.nodes.absences):
            index = self.manager.NodeToIndex(len(self.nodes.visits) + offset)
            self.routing.VehicleVar(index).SetValues([vehicle])
            self.time.CumulVar(index).SetValue(self._extra(vehicle, number).earliest)

    def _fixed_prices(self) -> None:
        """Charge what depends on the person alone: a dimension that a vehicle pays at its end."""
        fixed = self.day.fixed[np.ix_(self.nodes.shifts, self.nodes.visits)]
        if not fixed.any():
            return
        rest = [0] * (self.nodes.count - len(self.nodes.visits))
        known: dict[bytes, int] = {}
        evaluators = []
        for row in fixed:
            key = row.tobytes()
            if key not in known:
                known[key] = self.routing.RegisterUnaryTransitVector(row.tolist() + rest)
            evaluators.append(known[key])
        most = int(fixed.max(axis=0).sum())
        self.routing.AddDimensionWithVehicleTransits(evaluators, 0, most, True, "prices")
        self.routing.GetDimensionOrDie("prices").SetSpanCostCoefficientForAllVehicles(self.scale)

    def _parts(self) -> None:
        """Keep within van stock; one van serves all shifts of its technician."""
        day, nodes = self.day, self.nodes
        needs = [dict(day.visits[visit].parts) for visit in nodes.visits]
        rest = [0] * (nodes.count - len(nodes.visits))
        owners = [day.shifts[shift].technician for shift in nodes.shifts]
        for part in sorted({part for need in needs for part in need}):
            used = self.routing.RegisterUnaryTransitVector(
                [need.get(part, 0) for need in needs] + rest
            )
            stock = [day.decisions.stock[owner].get(part, 0) for owner in owners]
            name = f"part {part}"
            self.routing.AddDimensionWithVehicleCapacity(used, 0, stock, True, name)
            dimension = self.routing.GetDimensionOrDie(name)
            for owner in sorted(set(owners)):
                ends = [
                    dimension.CumulVar(self.routing.End(vehicle))
                    for vehicle, each in enumerate(owners)
                    if each == owner
                ]
                if len(ends) > 1:
                    has = day.decisions.stock[owner].get(part, 0)
                    self.solver.Add(self.solver.Sum(ends) <= has)

    def _pauses(self) -> None:
        for vehicle, shift in enumerate(self.nodes.shifts):
            pauses = [
                self.solver.FixedDurationIntervalVar(
                    extra.earliest, extra.latest, extra.length_s, False, f"pause {shift} {number}"
                )
                for number, extra in enumerate(self.day.terms[shift].extras)
                if extra.place is None
            ]
            if not pauses:
                continue
            at_node = [0] * self.routing.Size()
            for node, seconds in enumerate(self._work(shift)[: self.nodes.first_start]):
                at_node[self.manager.NodeToIndex(node)] = seconds
            self.time.SetBreakIntervalsOfVehicle(pauses, vehicle, at_node)

    def _prefixes(self) -> None:
        node_of = {visit: node for node, visit in enumerate(self.nodes.visits)}
        for vehicle, shift in enumerate(self.nodes.shifts):
            if any(extra.place is not None for extra in self.day.terms[shift].extras):
                # A stop of an absence may come between; the order is then all that is asked.
                self._ordered(vehicle, shift, node_of)
                continue
            index = self.routing.Start(vehicle)
            for visit in self.day.shifts[shift].prefix:
                follows = self.manager.NodeToIndex(node_of[self.day.visit_no[visit]])
                self.solver.Add(self.routing.NextVar(index) == follows)
                index = follows

    def _ordered(self, vehicle: int, shift: int, node_of: dict[int, int]) -> None:
        prefix = [
            self.manager.NodeToIndex(node_of[self.day.visit_no[visit]])
            for visit in self.day.shifts[shift].prefix
        ]
        for index in prefix:
            self.solver.Add(self.routing.ActiveVar(index) == 1)
        for earlier, later in pairwise(prefix):
            self.solver.Add(self.time.CumulVar(earlier) <= self.time.CumulVar(later))
        for visit, node in node_of.items():
            index = self.manager.NodeToIndex(node)
            if prefix and index not in prefix and self.day.able[shift, visit]:
                elsewhere = self.routing.VehicleVar(index) != vehicle
                after = self.time.CumulVar(index) >= self.time.CumulVar(prefix[-1])
                self.solver.Add(elsewhere + after >= 1)

    def solve(
        self, built: Draft, deadline: float | None, iterations: int | None, seed: int
    ) -> list[list[int]] | None:
        from ortools.constraint_solver import pywrapcp, routing_enums_pb2

        parameters = pywrapcp.DefaultRoutingSearchParameters()
        parameters.first_solution_strategy = (
            routing_enums_pb2.FirstSolutionStrategy.PARALLEL_CHEAPEST_INSERTION
        )
        heuristics = routing_enums_pb2.LocalSearchMetaheuristic
        # Guided search that finds nothing more to change turns until its clock stops it, looking at
        # no other limit: without a clock, and with a single visit, the search is a plain descent.
        parameters.local_search_metaheuristic = (
            heuristics.GUIDED_LOCAL_SEARCH
            if deadline is not None and len(self.nodes.visits) > 1
            else heuristics.GREEDY_DESCENT
        )
        parameters.guided_local_search_lambda_coefficient = _LAMBDA
        if iterations is not None:
            parameters.solution_limit = iterations
        if deadline is not None:
            parameters.time_limit.FromMilliseconds(_milliseconds_to(deadline))
        self.solver.ReSeed(seed)
        self.routing.CloseModelWithParameters(parameters)
        if deadline is not None:
            if time.monotonic() >= deadline:
                return None
            parameters.time_limit.FromMilliseconds(_milliseconds_to(deadline))
            # The solver looks at its clock between neighbourhoods; a solution is another occasion.
            self.routing.AddAtSolutionCallback(self._stop_after(deadline))
        start = self._assignment(built)
        found = None
        if start is not None:
            found = self.routing.SolveFromAssignmentWithParameters(start, parameters)
        if found is None and (deadline is None or time.monotonic() < deadline):
            # Also where the model refuses the start, which it may: its breaks keep stricter places.
            if deadline is not None:
                parameters.time_limit.FromMilliseconds(_milliseconds_to(deadline))
            found = self.routing.SolveWithParameters(parameters)
        return None if found is None else self._orders(found)

    def _stop_after(self, deadline: float) -> Callable[[], None]:
        def stop() -> None:
            if time.monotonic() > deadline:
                self.solver.FinishCurrentSearch()

        return stop

    def _assignment(self, built: Draft) -> Any:
        """Return a mended plan in force as the model's own, None where none is or it does not fit."""
        if not self.day.problem.published:
            return None
        node_of = {visit: node for node, visit in enumerate(self.nodes.visits)}
        stop_of = {each: len(self.nodes.visits) + i for i, each in enumerate(self.nodes.absences)}
        routes: list[list[int]] = []
        for vehicle, shift in enumerate(self.nodes.shifts):
            timed = built.timed[shift]
            nodes = [stop_of[each] for each in self.nodes.absences if each[0] == vehicle]
            if timed is not None:
                nodes = []
                for item in timed.items:
                    if item >= 0:
                        nodes.append(node_of[item])
                    elif (vehicle, -1 - item) in stop_of:
                        nodes.append(stop_of[vehicle, -1 - item])
            routes.append([self.manager.NodeToIndex(node) for node in nodes])
        return self.routing.ReadAssignmentFromRoutes(routes, True)

    def _orders(self, found: Any) -> list[list[int]]:
        orders: list[list[int]] = [[] for _ in self.day.shifts]
        for vehicle, shift in enumerate(self.nodes.shifts):
            index = self.routing.Start(vehicle)
            while not self.routing.IsEnd(index):
                node = self.manager.IndexToNode(index)
                if node < len(self.nodes.visits):
                    orders[shift].append(self.nodes.visits[node])
                index = found.Value(self.routing.NextVar(index))
        return orders
