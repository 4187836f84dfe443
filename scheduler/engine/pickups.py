"""Parts that a van has run out of: where on a route a stop at a depot has to be, and costs least.

After the stop a route has as many of the depot's parts as it wants, before it what its van carries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from scheduler.engine.indexed import FIRST_DEPOT, IndexedDay, Terms
from scheduler.engine.timing import NOTHING_OPENED, Opened, Timetable, timetable

_MOST = 4
"""Stops at depots on one route."""


def timed(
    day: IndexedDay,
    shift_no: int,
    order: Sequence[int],
    van: Mapping[str, int],
    *,
    terms: Terms | None = None,
    opened: Opened = NOTHING_OPENED,
) -> Timetable | None:
    """Return the times of visits in this order, with stops at depots where a van like this runs out.

    None where time does not allow it. `order` may have such stops. Parts that no depot has are not looked at.
    """
    stops = list(order)
    for _ in range(_MOST + 1):
        missing = _first_missing(day, stops, van)
        if missing is None:
            return timetable(day, shift_no, stops, terms=terms, opened=opened)
        best: tuple[int, list[int]] | None = None
        for other in _with_a_stop(day, shift_no, stops, *missing):
            found = timetable(day, shift_no, other, terms=terms, opened=opened)
            if found is not None and (best is None or found.cost < best[0]):
                best = found.cost, other
        if best is None:
            return None
        stops = best[1]
    return None


def taken(day: IndexedDay, stops: Sequence[int]) -> dict[str, int]:
    """Return what a route takes from its van: the parts of all visits before a depot has them."""
    used: dict[str, int] = {}
    at_hand: set[str] = set()
    for stop in stops:
        if stop < 0:
            at_hand |= _parts_at(day, stop)
            continue
        for part, quantity in day.visits[stop].parts:
            if part not in at_hand:
                used[part] = used.get(part, 0) + quantity
    return used


def _first_missing(
    day: IndexedDay, stops: Sequence[int], van: Mapping[str, int]
) -> tuple[int, str] | None:
    """Return the position of the first visit for which a part is missing that depots have, and the part."""
    used: dict[str, int] = {}
    at_hand: set[str] = set()
    for position, stop in enumerate(stops):
        if stop < 0:
            at_hand |= _parts_at(day, stop)
            continue
        for part, quantity in day.visits[stop].parts:
            if part in at_hand or part not in day.decisions.at_depots:
                continue
            used[part] = used.get(part, 0) + quantity
            if used[part] > van.get(part, 0):
                return position, part
    return None


def _with_a_stop(
    day: IndexedDay, shift_no: int, stops: Sequence[int], last: int, part: str
) -> list[list[int]]:
    """Return the ways to fetch a part before a position, behind the fixed beginning where there is one.

    A route is also asked for without it: what could be if nothing had begun.
    """
    prefix = [day.visit_no[each] for each in day.shifts[shift_no].prefix]
    visits = [stop for stop in stops if stop >= 0]
    fixed = len(prefix) if visits[: len(prefix)] == prefix else 0
    seen = [sum(stop >= 0 for stop in stops[:position]) for position in range(last + 1)]
    return [
        [*stops[:position], -1 - FIRST_DEPOT - number, *stops[position:]]
        for number, depot in enumerate(day.problem.depots)
        if part in depot.parts
        for position in range(last + 1)
        if seen[position] >= fixed
    ]


def _parts_at(day: IndexedDay, item: int) -> set[str]:
    number = -1 - item - FIRST_DEPOT
    return set(day.problem.depots[number].parts) if number >= 0 else set()
