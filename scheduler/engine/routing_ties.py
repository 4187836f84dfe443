"""What visits ask of each other, as constraints of an OR-Tools routing model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scheduler.engine.indexed import IndexedDay
from scheduler.engine.ties import NEVER, Tie
from scheduler.problem import DAY_S


@dataclass(frozen=True, slots=True)
class Nodes:
    """Numbers of the model: visits, stops that absences make, stops at depots, starts, ends."""

    visits: list[int]
    shifts: list[int]
    absences: list[tuple[int, int]]
    """(index in `shifts`, number among the shift's extras)."""
    pickups: list[tuple[int, int]]
    """(index in `shifts`, number of the depot): one that this shift may have use for."""

    @property
    def first_pickup(self) -> int:
        return len(self.visits) + len(self.absences)

    @property
    def first_start(self) -> int:
        return self.first_pickup + len(self.pickups)

    @property
    def count(self) -> int:
        return self.first_start + 2 * len(self.shifts)


def state_ties(day: IndexedDay, nodes: Nodes, manager: Any, routing: Any) -> None:
    """State what visits ask of each other: of their times, people and days, and of being planned."""
    node_of = {visit: node for node, visit in enumerate(nodes.visits)}
    if node_of.keys().isdisjoint(day.ties):
        return
    model = _Ties(day, nodes, manager, routing)
    for visit, ties in day.ties.items():
        for tie in ties:
            if visit < tie.other and visit in node_of and tie.other in node_of:
                model.state(tie, node_of[visit], node_of[tie.other])


class _Ties:
    def __init__(self, day: IndexedDay, nodes: Nodes, manager: Any, routing: Any) -> None:
        self.day = day
        self.nodes = nodes
        self.manager = manager
        self.routing = routing
        self.solver = routing.solver()
        self.time = routing.GetDimensionOrDie("time")
        shifts = [day.shifts[shift] for shift in nodes.shifts]
        names = {shift.technician: number for number, shift in enumerate(shifts)}
        self.owners = [names[shift.technician] for shift in shifts]
        self.days = [shift.day for shift in shifts]
        self.horizon_s = (day.problem.days + 1) * DAY_S

    def state(self, tie: Tie, one: int, other: int) -> None:
        solver, routing = self.solver, self.routing
        first, second = self.manager.NodeToIndex(one), self.manager.NodeToIndex(other)
        planned = routing.ActiveVar(first), routing.ActiveVar(second)
        if tie.together:
            solver.Add(planned[0] <= planned[1])
        if tie.is_needed:
            solver.Add(planned[1] <= planned[0])
        # Where one of the two is left out, its instant means nothing.
        missing = 2 - planned[0] - planned[1]
        slack = missing * (2 * self.horizon_s)
        apart = self.time.CumulVar(second) - self.time.CumulVar(first)
        if tie.least > -NEVER:
            solver.Add(apart + slack >= tie.least)
        if tie.greatest < NEVER:
            solver.Add(apart - slack <= tie.greatest)
        if tie.order > 0:
            solver.Add(apart - self._work_at(one) + slack >= 0)
        elif tie.order < 0:
            solver.Add(apart + self._work_at(other) - slack <= 0)
        if tie.one_person or tie.two_people:
            same = self._of_shift(first, self.owners) == self._of_shift(second, self.owners)
            solver.Add((same if tie.one_person else 1 - same) + missing >= 1)
        if tie.same_day:
            same = self._of_shift(first, self.days) == self._of_shift(second, self.days)
            solver.Add(same + missing >= 1)

    def _of_shift(self, index: int, values: list[int]) -> Any:
        """Return the value of the shift that a node is on; 0 where it is on none."""
        return self.solver.Element([0, *values], (self.routing.VehicleVar(index) + 1).Var())

    def _work_at(self, node: int) -> Any:
        """Return how long the visit at a node takes on the shift that it is on."""
        works = [self.day.work_s(shift, self.nodes.visits[node]) for shift in self.nodes.shifts]
        if len(set(works)) == 1:
            return works[0]
        return self._of_shift(self.manager.NodeToIndex(node), works)
