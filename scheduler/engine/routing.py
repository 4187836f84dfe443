"""The whole day as an OR-Tools routing model.

Travel and work stand in registered matrices, one per pace of work: a Python callback there costs most
of the search. The model decides who does what in which order; the times of the plan are our own
(`engine.timing`), so small liberties of its prices below change what is found, never what is claimed:
a cap on lateness is not modelled, an end of a promise that may break is priced along a slope, and whoever
has several shifts is to be busy on each by its share of the hours. The greatest lateness is not in it: as
a dimension whose span has a price it made plans of home care 40 % dearer instead of cheaper.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence, Set
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from scheduler.engine.indexed import FIRST_DEPOT, Extra, IndexedDay
from scheduler.engine.insertion import Draft
from scheduler.engine.routing_ties import Nodes, state_ties
from scheduler.engine.timing import timetable
from scheduler.problem import DAY_S

_LAMBDA = 0.3
"""Weight of guided local search's penalties; the solver's own 0.1 measured worse on dispatch days."""

_KEPT = 1_000
"""How many times the dearest visit it costs to drop one that people have decided on."""

_CLOCKLESS_MS = 20_000
"""A run that no clock limits ends after this all the same."""

_BROKEN_OVER_S = 3_600
"""The price of breaking a promise is reached this long after its end."""


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
    mended, or the solver's own first solution would not see what visits ask of each other: where the
    model refuses it, these are left to be put in afterwards. `deadline` is on `time.monotonic`'s clock;
    `iterations` limits solutions instead.
    """
    possible = set(candidates)
    shifts = [
        number
        for number in range(len(day.shifts))
        if day.able[number, list(candidates)].any() and _can_be_used(day, number, possible)
    ]
    if not candidates or not shifts:
        return [[] for _ in day.shifts]
    found = _Model(day, list(candidates), shifts).solve(start, deadline, iterations, seed)
    if found is None and day.linked:
        fixed = {day.visit_no[each] for shift in day.shifts for each in shift.prefix}
        alone = [each for each in candidates if each not in day.linked or each in fixed]
        if alone:
            model = _Model(day, alone, shifts)
            found = model.solve(None, deadline, iterations, seed)
    return found


def first_solution_s(day: IndexedDay, candidates: Sequence[int]) -> float:
    """Return about how long the first solution takes, which no limit interrupts.

    Parallel insertion looks at every pair of visits on every shift. Measured on one core: 400 visits on
    50 shifts 0.3 s, with a break each up to 2 s; 2,000 on 200 more than 30 s.
    """
    pauses = any(extra.place is None for terms in day.terms for extra in terms.extras)
    return len(candidates) ** 2 * len(day.shifts) / 25e6 * (6 if pauses else 1)


def _can_be_used(day: IndexedDay, shift_no: int, possible: Set[int]) -> bool:
    """Whether the fixed beginning of a shift, and the stops its absences make, can be kept at all."""
    prefix = [day.visit_no[each] for each in day.shifts[shift_no].prefix]
    if any(each not in possible or not day.able[shift_no, each] for each in prefix):
        return False
    return timetable(day, shift_no, prefix) is not None


def _useful_pickups(
    day: IndexedDay, visits: Sequence[int], shifts: Sequence[int]
) -> list[tuple[int, int]]:
    """Return the stops at depots that a shift could need: where its van could run out of a part there."""
    found = []
    for index, shift in enumerate(shifts):
        wanted: dict[str, int] = {}
        for visit in visits:
            if day.able[shift, visit]:
                for part, quantity in day.visits[visit].parts:
                    wanted[part] = wanted.get(part, 0) + quantity
        van = day.decisions.stock[day.shifts[shift].technician]
        short = {part for part, quantity in wanted.items() if quantity > van.get(part, 0)}
        found += [
            (index, number)
            for number, depot in enumerate(day.problem.depots)
            if not short.isdisjoint(depot.parts)
        ]
    return found


def _milliseconds_to(deadline: float) -> int:
    return max(1, int((deadline - time.monotonic()) * 1_000))


class _Model:
    def __init__(self, day: IndexedDay, visits: list[int], shifts: list[int]) -> None:
        from ortools.constraint_solver import pywrapcp

        self.day = day
        self.nodes = Nodes(
            visits=visits,
            shifts=shifts,
            absences=[
                (index, number)
                for index, shift in enumerate(shifts)
                for number, extra in enumerate(day.terms[shift].extras)
                if extra.place is not None
            ],
            pickups=_useful_pickups(day, visits, shifts),
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
            weights.balance_permille,
        )
        self.scale = 1_000 // unit
        self._travel_and_time()
        self._shifts()
        self._visits()
        self._absences()
        self._parts()
        self._pauses()
        self._prefixes()
        self._balance()
        state_ties(self.day, self.nodes, self.manager, self.routing)

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
            + [day.problem.depots[number].place for _, number in nodes.pickups]
            + [day.terms[shift].start_place for shift in nodes.shifts]
            + [day.terms[shift].end_place for shift in nodes.shifts]
        )

    def _work(self, shift_no: int) -> list[int]:
        """Return the time spent at each node by one shift's technician."""
        day, nodes = self.day, self.nodes
        return (
            [day.work_s(shift_no, visit) for visit in nodes.visits]
            + [self._extra(index, number).length_s for index, number in nodes.absences]
            + [day.problem.depots[number].service_s for _, number in nodes.pickups]
            + [0] * (2 * len(nodes.shifts))
        )

    def _extra(self, index: int, number: int) -> Extra:
        return self.day.terms[self.nodes.shifts[index]].extras[number]

    def _travel_and_time(self) -> None:
        places = self._places()
        drive = self.day.problem.travel_s[np.ix_(places, places)].astype(np.int64)
        self._arc_prices(drive)
        paces: dict[tuple[object, ...], int] = {}
        evaluators = []
        for shift in self.nodes.shifts:
            pace = self.day.shifts[shift].paces
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

    def _arc_prices(self, drive: npt.NDArray[np.int64]) -> None:
        """Charge the driving, and what a visit costs with this person whenever it begins."""
        fixed = np.zeros((len(self.nodes.shifts), self.nodes.count), dtype=np.int64)
        fixed[:, : len(self.nodes.visits)] = self.day.fixed[
            np.ix_(self.nodes.shifts, self.nodes.visits)
        ]
        known: dict[bytes, int] = {}
        for vehicle, row in enumerate(fixed):
            key = row.tobytes()
            if key not in known:
                prices = (drive + row[:, None]) * self.scale
                known[key] = self.routing.RegisterTransitMatrix(prices.tolist())
            self.routing.SetArcCostEvaluatorOfVehicle(known[key], vehicle)

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
            if terms.longest_s < terms.last - terms.opens:
                self.time.SetSpanUpperBoundForVehicle(terms.longest_s, index)

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
        for offset, (vehicle, _) in enumerate(self.nodes.pickups):
            index = self.manager.NodeToIndex(self.nodes.first_pickup + offset)
            self.routing.VehicleVar(index).SetValues([-1, vehicle])
            self.routing.AddDisjunction([index], 0)

    def _at_nodes(self, values: Sequence[int]) -> int:
        """Register what is added at each node; as a matrix, since the solver's vectors refuse plans.

        A dimension made of `RegisterUnaryTransitVector` allows no route that leaves visits out (9.15).
        """
        column = np.array(values, dtype=np.int64)[:, None]
        return int(
            self.routing.RegisterTransitMatrix(np.repeat(column, len(values), axis=1).tolist())
        )

    def _parts(self) -> None:
        """Keep within van stock; one van serves all shifts of its technician.

        What is taken is counted from more than any route needs; a stop at a depot takes that off, and
        after it there is no limit.
        """
        day, nodes = self.day, self.nodes
        needs = [dict(day.visits[visit].parts) for visit in nodes.visits]
        owners = [day.shifts[shift].technician for shift in nodes.shifts]
        for part in sorted({part for need in needs for part in need}):
            plenty = sum(need.get(part, 0) for need in needs)
            fetched = [
                -plenty if part in day.problem.depots[number].parts else 0
                for _, number in nodes.pickups
            ]
            taken = self._at_nodes(
                [need.get(part, 0) for need in needs]
                + [0] * len(nodes.absences)
                + fetched
                + [0] * (2 * len(nodes.shifts))
            )
            least = plenty if any(fetched) else 0
            stock = [day.decisions.stock[owner].get(part, 0) for owner in owners]
            name = f"part {part}"
            self.routing.AddDimensionWithVehicleCapacity(
                taken, 0, [least + held for held in stock], least == 0, name
            )
            dimension = self.routing.GetDimensionOrDie(name)
            if least:
                for vehicle in range(len(owners)):
                    dimension.CumulVar(self.routing.Start(vehicle)).SetValue(least)
            for owner in sorted(set(owners)):
                ends = [
                    self.solver.Max(dimension.CumulVar(self.routing.End(vehicle)) - least, 0)
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

    def _balance(self) -> None:
        """Price work far from what a technician is to have; a shift that stays empty is not looked at."""
        day, weights = self.day, self.day.weights
        targets = {each.id: each.target_work_s for each in day.problem.technicians}
        owners = [day.shifts[shift].technician for shift in self.nodes.shifts]
        wanted = [owner for owner in owners if targets[owner] is not None]
        if not wanted or not weights.balance_permille:
            return
        paces: dict[tuple[object, ...], int] = {}
        evaluators = []
        for shift in self.nodes.shifts:
            pace = day.shifts[shift].paces
            if pace not in paces:
                work = self._work(shift)
                work[len(self.nodes.visits) :] = [0] * (len(work) - len(self.nodes.visits))
                paces[pace] = self._at_nodes(work)
            evaluators.append(paces[pace])
        horizon = (day.problem.days + 1) * DAY_S
        self.routing.AddDimensionWithVehicleTransits(evaluators, 0, horizon, True, "work")
        dimension = self.routing.GetDimensionOrDie("work")
        price = self._scaled(weights.balance_permille)
        hours = [day.terms[shift].closes - day.terms[shift].opens for shift in self.nodes.shifts]
        for vehicle, owner in enumerate(owners):
            target = targets[owner]
            if target is None:
                continue
            of_all = sum(each for each, other in zip(hours, owners, strict=True) if other == owner)
            share = target * hours[vehicle] // max(1, of_all)
            free = share * weights.balance_tolerance_percent // 100
            end = self.routing.End(vehicle)
            dimension.SetCumulVarSoftUpperBound(end, min(share + free, horizon), price)
            dimension.SetCumulVarSoftLowerBound(end, max(0, share - free), price)

    def solve(
        self, built: Draft | None, deadline: float | None, iterations: int | None, seed: int
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
        self.solver.ReSeed(seed)
        # What stands here limits how long a plan to begin with is looked at: on some days with prices of
        # waiting and lateness the solver tries times for it without end.
        patience = _CLOCKLESS_MS // 10
        if deadline is not None:
            patience = min(patience, max(1, _milliseconds_to(deadline) // 5))
        parameters.time_limit.FromMilliseconds(patience)
        self.routing.CloseModelWithParameters(parameters)
        parameters.time_limit.FromMilliseconds(_CLOCKLESS_MS)
        if deadline is not None:
            if time.monotonic() >= deadline:
                return None
            # The solver looks at its clock between neighbourhoods; a solution is another occasion.
            self.routing.AddAtSolutionCallback(self._stop_after(deadline))
        start = None if built is None else self._assignment(built)
        if deadline is not None:
            parameters.time_limit.FromMilliseconds(_milliseconds_to(deadline))
        found = None
        if start is not None:
            found = self.routing.SolveFromAssignmentWithParameters(start, parameters)
        alone = built is None or not self.day.linked
        if found is None and alone and (deadline is None or time.monotonic() < deadline):
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
        """Return a plan to begin with as the model's own, None where none is needed or it does not fit."""
        if not (self.day.problem.published or self.day.ties or self.nodes.pickups):
            return None
        node_of = {visit: node for node, visit in enumerate(self.nodes.visits)}
        stop_of = {each: len(self.nodes.visits) + i for i, each in enumerate(self.nodes.absences)}
        pickup_of = {each: self.nodes.first_pickup + i for i, each in enumerate(self.nodes.pickups)}
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
                    elif (vehicle, -1 - item - FIRST_DEPOT) in pickup_of:
                        nodes.append(pickup_of[vehicle, -1 - item - FIRST_DEPOT])
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
