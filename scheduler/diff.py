"""What a plan changes in the one that is in force, visit by visit, and why.

A line's cause is found by what touched its route: an event of the day; else the visit that took its place,
followed to an event; else the search found something better.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from scheduler.problem import DayProblem, Plan, Promise, Published, Shift, StopKind, Visit

_MINUTE_S = 60


class Kind(StrEnum):
    """What happens to a visit."""

    ADDED = "added"
    DROPPED = "dropped"
    MOVED = "moved"
    """To another person or day, or to another place in the order."""
    RETIMED = "retimed"
    """It begins at another time because of what happens around it."""


class Change(StrEnum):
    TECHNICIAN = "technician"
    DAY = "day"
    ORDER = "order"
    START = "start"


class Why(StrEnum):
    EVENT = "event"
    """Something that happened touched its route, or is about this visit."""
    DISPLACED = "displaced"
    """Another visit took its place, and no event stands behind that one."""
    BOUND = "bound"
    """A crew or a link binds it to a visit that is elsewhere now, or that something happened to."""
    ROOM = "room"
    """It was waiting, and there was room for it."""
    IMPROVEMENT = "improvement"
    """Nothing asked for it: the plan becomes cheaper."""


@dataclass(frozen=True, slots=True)
class Touch:
    """What an event of the day is about, in the problem's ids."""

    event: str
    visits: frozenset[str] = frozenset()
    shifts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a plan has a visit."""

    technician: str
    day: int
    start: int
    position: int
    """Its place in the order of the day's visits, from 0."""

    @property
    def route(self) -> tuple[str, int]:
        return self.technician, self.day


@dataclass(frozen=True, slots=True)
class Cause:
    why: Why
    event: str | None = None
    by: str | None = None
    """The visit that took this one's place, or that it is bound to, where the cause goes through it."""


@dataclass(frozen=True, slots=True)
class Line:
    """One visit that is not where it was."""

    visit: str
    kind: Kind
    changes: tuple[Change, ...]
    before: Spot | None
    after: Spot | None
    cause: Cause
    is_at_risk: bool = False
    """A promise that was kept before is not kept now."""
    price: int = 0
    """What moving it costs beside the driving, in seconds of it: another person or day, and its promise."""


def before_of(problem: DayProblem) -> dict[str, Spot]:
    """Return where the plan in force has each visit of the problem."""
    return _placed(problem.published)


def after_of(plan: Plan) -> dict[str, Spot]:
    return _placed(
        Published(stop.visit, route.technician, route.day, stop.start)
        for route in plan.routes
        for stop in route.stops
        if stop.kind is StopKind.VISIT and stop.visit is not None
    )


def _placed(published: Iterable[Published]) -> dict[str, Spot]:
    routes: dict[tuple[str, int], list[Published]] = {}
    for each in published:
        routes.setdefault((each.technician, each.day), []).append(each)
    return {
        each.visit: Spot(each.technician, each.day, each.start, position)
        for route in routes.values()
        for position, each in enumerate(sorted(route, key=lambda one: (one.start, one.visit)))
    }


def compare(
    problem: DayProblem,
    before: Mapping[str, Spot],
    after: Mapping[str, Spot],
    events: Sequence[Touch] = (),
) -> list[Line]:
    """Return a line for each visit of the problem that is elsewhere than it was, in the problem's order.

    A visit that begins less than a minute off on the same route is where it was.
    """
    return list(_Comparison(problem, before, after, events).lines())


class _Comparison:
    def __init__(
        self,
        problem: DayProblem,
        before: Mapping[str, Spot],
        after: Mapping[str, Spot],
        events: Sequence[Touch],
    ) -> None:
        self.problem = problem
        self.before = before
        self.after = after
        self.events = events
        self.visits = {visit.id: visit for visit in problem.visits}
        self.moved_in = self._arrivals()
        self.partners = self._partners()
        self.shifts: dict[tuple[str, int], list[Shift]] = {}
        for shift in problem.shifts:
            self.shifts.setdefault((shift.technician, shift.day), []).append(shift)
        self.ranks = self._ranks()

    def lines(self) -> list[Line]:
        found = []
        for visit in self.problem.visits:
            was, is_ = self.before.get(visit.id), self.after.get(visit.id)
            line = self._line(visit, was, is_)
            if line is not None:
                found.append(replace(line, cause=self._cause(line)))
        return found

    def _line(self, visit: Visit, was: Spot | None, is_: Spot | None) -> Line | None:
        unknown = Cause(Why.IMPROVEMENT)
        if was is None and is_ is None:
            return None
        if was is None:
            return Line(visit.id, Kind.ADDED, (), None, is_, unknown)
        if is_ is None:
            return Line(visit.id, Kind.DROPPED, (), was, None, unknown, visit.promise is not None)
        changes = []
        if was.technician != is_.technician:
            changes.append(Change.TECHNICIAN)
        if was.day != is_.day:
            changes.append(Change.DAY)
        if not changes and self._overtook(visit.id):
            changes.append(Change.ORDER)
        if abs(was.start - is_.start) >= _MINUTE_S:
            changes.append(Change.START)
        if not changes:
            return None
        kind = Kind.RETIMED if changes == [Change.START] else Kind.MOVED
        missed = _missed_s(visit.promise, is_.start)
        return Line(
            visit.id,
            kind,
            tuple(changes),
            was,
            is_,
            unknown,
            is_at_risk=missed > _missed_s(visit.promise, was.start),
            price=self._price(was, is_, missed),
        )

    def _price(self, was: Spot, is_: Spot, missed_s: int) -> int:
        weights = self.problem.weights
        price = weights.other_technician if was.technician != is_.technician else 0
        price += weights.other_day if was.day != is_.day else 0
        if missed_s:
            price += weights.promise_broken + missed_s * weights.promise_late_permille // 1000
        return price

    def _ranks(self) -> dict[str, tuple[int, int]]:
        """Return the places, before and after, among the visits that stay on a route."""
        staying: dict[tuple[str, int], list[str]] = {}
        for visit, was in self.before.items():
            is_ = self.after.get(visit)
            if is_ is not None and is_.route == was.route:
                staying.setdefault(was.route, []).append(visit)
        ranks: dict[str, tuple[int, int]] = {}
        for visits in staying.values():
            first = sorted(visits, key=lambda each: self.before[each].position)
            then = sorted(visits, key=lambda each: self.after[each].position)
            places = {visit: place for place, visit in enumerate(then)}
            ranks |= {visit: (place, places[visit]) for place, visit in enumerate(first)}
        return ranks

    def _overtook(self, visit: str) -> bool:
        """Whether the visit has another place among those that stay on its route."""
        was, is_ = self.ranks[visit]
        return was != is_

    # --- causes ---

    def _arrivals(self) -> dict[tuple[str, int], list[str]]:
        """Return the visits of each route that were not on it before, in order of time."""
        found: dict[tuple[str, int], list[str]] = {}
        for visit, spot in sorted(self.after.items(), key=lambda each: each[1].start):
            was = self.before.get(visit)
            if was is None or was.route != spot.route:
                found.setdefault(spot.route, []).append(visit)
        return found

    def _cause(self, line: Line) -> Cause:
        chain: set[str] = set()
        visit: str | None = line.visit
        by: str | None = None
        while visit is not None and visit not in chain:
            chain.add(visit)
            event = self._event(visit)
            if event is not None:
                return Cause(Why.EVENT, event, by)
            visit = self._displacer(visit, chain)
            by = by or visit
        partners = self.partners.get(line.visit, [])
        for partner in partners:
            if (event := self._event(partner)) is not None:
                return Cause(Why.BOUND, event, partner)
        if by is not None:
            return Cause(Why.DISPLACED, by=by)
        for partner in partners:
            if self._is_elsewhere(partner):
                return Cause(Why.BOUND, by=partner)
        return Cause(Why.ROOM if line.kind is Kind.ADDED else Why.IMPROVEMENT)

    def _partners(self) -> dict[str, list[str]]:
        """Return the visits that a crew or a link binds each visit to."""
        found: dict[str, list[str]] = {}
        pairs = [(crew.first, crew.second) for crew in self.problem.crews]
        pairs += [(link.first, link.second) for link in self.problem.links]
        for one, other in pairs:
            found.setdefault(one, []).append(other)
            found.setdefault(other, []).append(one)
        return found

    def _is_elsewhere(self, visit: str) -> bool:
        """Whether a visit is planned now and was not, or the other way round, or with somebody else."""
        was, is_ = self.before.get(visit), self.after.get(visit)
        return (was and was.route) != (is_ and is_.route)

    def _event(self, visit: str) -> str | None:
        """Return the event that is about the visit, or about the route it was on."""
        routes = [spot.route for spot in (self.before.get(visit),) if spot is not None]
        for touch in self.events:
            touched = {shift.id for route in routes for shift in self.shifts.get(route, ())}
            if visit in touch.visits or touched & touch.shifts:
                return touch.event
        return None

    def _displacer(self, visit: str, chain: set[str]) -> str | None:
        """Return the newcomer on the visit's old route that is in its place, else the last before it."""
        was = self.before.get(visit)
        if was is None:
            return None
        arrived = [each for each in self.moved_in.get(was.route, ()) if each not in chain]
        ends = was.start + self.visits[visit].duration_s
        for each in arrived:
            start = self.after[each].start
            if start < ends and start + self.visits[each].duration_s > was.start:
                return each
        is_ = self.after.get(visit)
        if is_ is None or is_.route != was.route:
            return None
        earlier = [each for each in arrived if self.after[each].start < is_.start]
        return earlier[-1] if earlier else None


def _missed_s(promise: Promise | None, start: int) -> int:
    return 0 if promise is None else max(0, start - promise.closes)
