"""What is fetched at a plan's stops at depots, and for which visits: what the vans lack."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from scheduler.problem import DayProblem, Plan, Route, StopKind, Visit


@dataclass(frozen=True, slots=True)
class Need:
    """Parts of one number that are fetched for a visit."""

    visit: str
    part: str
    quantity: int


Stops = dict[tuple[str, int], tuple[Need, ...]]
"""By shift, and place among the stops of its route."""


def fetched(problem: DayProblem, plan: Plan) -> Stops:
    """Return what is fetched at each stop at a depot.

    What visits take that come before any depot has it stays in the van for them; of the rest a van carries,
    visits behind a stop take first, and the stop is for what is missing then. A stop for which that leaves
    nothing, since another route gave up its share afterwards, is for all that is needed behind it.
    """
    visits = {visit.id: visit for visit in problem.visits}
    found: Stops = {}
    for technician in problem.technicians:
        routes = sorted(
            (route for route in plan.routes if route.technician == technician.id),
            key=lambda each: each.leave,
        )
        if not any(stop.kind is StopKind.PICKUP for route in routes for stop in route.stops):
            continue
        spare = Counter(dict(technician.stock))
        for route in routes:
            spare.subtract(_taken_before(problem, route, visits))
        for route in routes:
            needs = _of_route(problem, route, visits, spare)
            if not all(needs.values()):
                needs = _of_route(problem, route, visits, Counter())
            found |= {key: tuple(each) for key, each in needs.items()}
    return found


def _taken_before(
    problem: DayProblem, route: Route, visits: Mapping[str, Visit]
) -> Mapping[str, int]:
    """Return what a route takes of the van before a depot has it."""
    taken: Counter[str] = Counter()
    at_hand: set[str] = set()
    for stop in route.stops:
        if stop.kind is StopKind.PICKUP and stop.number is not None:
            at_hand.update(problem.depots[stop.number].parts)
        for part, quantity in _parts(visits, stop.visit):
            if part not in at_hand:
                taken[part] += quantity
    return taken


def _of_route(
    problem: DayProblem, route: Route, visits: Mapping[str, Visit], spare: Counter[str]
) -> dict[tuple[str, int], list[Need]]:
    """Return what each stop is for; what visits take of `spare` is gone from it."""
    found: dict[tuple[str, int], list[Need]] = {}
    source: dict[str, tuple[str, int]] = {}
    for number, stop in enumerate(route.stops):
        if stop.kind is StopKind.PICKUP and stop.number is not None:
            key = route.shift, number
            found[key] = []
            for part in problem.depots[stop.number].parts:
                source.setdefault(part, key)
        for part, quantity in _parts(visits, stop.visit):
            if part not in source:
                continue
            carried = max(0, min(spare[part], quantity))
            spare[part] -= carried
            if quantity > carried:
                found[source[part]].append(Need(stop.visit or "", part, quantity - carried))
    return found


def _parts(visits: Mapping[str, Visit], key: str | None) -> Iterable[tuple[str, int]]:
    visit = visits.get(key or "")
    together: Counter[str] = Counter()
    for part, quantity in () if visit is None else visit.parts:
        together[part] += quantity
    return together.items()
