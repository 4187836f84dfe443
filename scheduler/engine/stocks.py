"""What vans hold, visits need and depots have, as arrays of the compiled search."""

from __future__ import annotations

import numpy as np

from scheduler.engine.columns import Bytes, Ints
from scheduler.engine.indexed import IndexedDay
from scheduler.problem import Depot


def depots_of(day: IndexedDay) -> tuple[Depot, ...]:
    """Return the depots, none of them where no visit needs anything that they have."""
    needed = {part for visit in day.visits for part, _ in visit.parts}
    return () if needed.isdisjoint(day.decisions.at_depots) else day.problem.depots


def parts_of(day: IndexedDay) -> tuple[Ints, Ints, Bytes]:
    """Return what visits need, what vans hold, and which parts depots have, each by part."""
    names = sorted({part for visit in day.visits for part, _ in visit.parts})
    need = np.zeros((len(day.visits), len(names)), np.int64)
    for number, visit in enumerate(day.visits):
        for part, quantity in visit.parts:
            need[number, names.index(part)] = quantity
    stock = np.zeros((len(day.problem.technicians), len(names)), np.int64)
    for number, technician in enumerate(day.problem.technicians):
        held = day.decisions.stock[technician.id]
        stock[number] = [held.get(name, 0) for name in names]
    depots = depots_of(day)
    at_depot = np.zeros((len(depots), len(names)), np.uint8)
    for number, depot in enumerate(depots):
        at_depot[number] = [name in depot.parts for name in names]
    return need, stock, at_depot
