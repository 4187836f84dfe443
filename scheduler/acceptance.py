"""Taking a plan in part: which of its changes need each other, and what comes of accepting some.

A group can be accepted alone, and can be left out alone, where every route it touches then keeps a
timetable. Combinations are not promised: what a dispatcher chooses is timed anew and judged by the referee.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace

from scheduler.checks import violations
from scheduler.diff import Kind, Line, after_of, before_of
from scheduler.engine.assembly import assemble
from scheduler.engine.indexed import IndexedDay
from scheduler.engine.insertion import Draft
from scheduler.engine.timing import Timetable, timetable
from scheduler.engine.together import settle
from scheduler.problem import DayProblem, Plan


class NotTogether(Exception):
    """What was chosen is no plan; the referee's sentences say which rules it breaks."""

    def __init__(self, sentences: Sequence[str]) -> None:
        super().__init__(" ".join(sentences))
        self.sentences = tuple(sentences)


@dataclass(frozen=True, slots=True)
class Group:
    """Changes that need each other."""

    visits: tuple[str, ...]
    saving: int | None
    """What the plan costs less with them than without, in seconds of driving; below zero where more, None
    where without them there is no timetable to compare with."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What comes of accepting some groups; the referee has nothing against it."""

    plan: Plan
    stays_broken: tuple[str, ...]
    """Visits left where they are although their route keeps no timetable there, and did not before."""


def grouped(problem: DayProblem, plan: Plan, lines: Sequence[Line]) -> list[Group]:
    """Return the groups of a plan's lines in the order of their first line; retimed visits are in none."""
    return Choice(problem, plan, lines).groups()


def choose(
    problem: DayProblem, plan: Plan, lines: Sequence[Line], accepted: Collection[str]
) -> Chosen:
    """Return the plan in which the lines of these visits are accepted and the other visits stay.

    Raises `NotTogether` where that breaks a rule that was not broken before.
    """
    return Choice(problem, plan, lines).chosen(frozenset(accepted))


class Choice:
    """A plan made ready to be taken in part; `day` is the problem where it was looked up before."""

    def __init__(
        self,
        problem: DayProblem,
        plan: Plan,
        lines: Sequence[Line],
        day: IndexedDay | None = None,
    ) -> None:
        self.problem = problem
        self.plan = plan
        self.day = day or IndexedDay(problem)
        self.before = before_of(problem)
        self.after = after_of(plan)
        self.lines = {line.visit: line for line in lines if line.kind is not Kind.RETIMED}
        named = {route.shift: self.day.shift_no[route.shift] for route in plan.routes}
        self.is_on = {
            stop.visit: named[route.shift]
            for route in plan.routes
            for stop in route.stops
            if stop.visit is not None
        }
        self.was_on = {
            visit: shift_no
            for visit, spot in self.before.items()
            if (shift_no := self.day.shift_at(*spot.route, spot.start)) is not None
        }
        self._routes: dict[tuple[int, frozenset[str]], Timetable | bool | None] = {}
        self._touching = self._lines_by_shift()
        self._staying: dict[int, list[str]] = {}
        for visit, number in self.is_on.items():
            if visit not in self.lines:
                self._staying.setdefault(number, []).append(visit)
        self.fixed = {visit for shift in problem.shifts for visit in shift.prefix}

    def _lines_by_shift(self) -> dict[int, set[str]]:
        found: dict[int, set[str]] = {}
        for visit in self.lines:
            for places in (self.was_on, self.is_on):
                if visit in places:
                    found.setdefault(places[visit], set()).add(visit)
        return found

    # --- one route ---

    def _members(self, shift_no: int, accepted: frozenset[str]) -> list[str]:
        """Return the visits of a shift where these lines are accepted, in order of time."""
        found: list[tuple[int, str]] = []
        for visit in {*self._staying.get(shift_no, ()), *self._touching.get(shift_no, ())}:
            takes_line = visit in accepted or visit not in self.lines
            spots, places = (self.after, self.is_on) if takes_line else (self.before, self.was_on)
            if places.get(visit) == shift_no:
                found.append((spots[visit].start, visit))
        prefix = self.day.shifts[shift_no].prefix
        members = [visit for _, visit in sorted(found)]
        return [
            *(visit for visit in prefix if visit in members),
            *(visit for visit in members if visit not in prefix),
        ]

    def _timed(self, shift_no: int, accepted: frozenset[str]) -> Timetable | bool | None:
        """Return the route's times, True for an empty route, None where it keeps no timetable."""
        key = shift_no, accepted & frozenset(self._touching.get(shift_no, ()))
        if key not in self._routes:
            self._routes[key] = self._time(shift_no, key[1])
        return self._routes[key]

    def _time(self, shift_no: int, accepted: frozenset[str]) -> Timetable | bool | None:
        order = [self.day.visit_no[visit] for visit in self._members(shift_no, accepted)]
        if not order:
            return True
        if not all(self.day.able[shift_no, number] for number in order):
            return None
        timed = timetable(self.day, shift_no, order)
        if timed is None:
            timed = self._inserted(shift_no, order)
        return timed

    def _inserted(self, shift_no: int, order: Sequence[int]) -> Timetable | None:
        """Return the times of a route into which the visits are put one by one, the earliest first.

        An order mixed of two plans need not work where one of its own does.
        """
        draft = Draft(self.day)
        for number in order:
            place = draft.best_place(number, [shift_no])
            if place is None or not draft.insert(number, place):
                return None
        return draft.timed[shift_no]

    def _cost(self, shifts: Iterable[int], accepted: frozenset[str]) -> int | None:
        total = 0
        for shift_no in shifts:
            timed = self._timed(shift_no, accepted)
            if timed is None:
                return None
            total += timed.cost if isinstance(timed, Timetable) else 0
        return total

    # --- groups ---

    def groups(self) -> list[Group]:
        cluster = {visit: frozenset((visit,)) for visit in self.lines}

        def join(one: str, other: str) -> frozenset[str]:
            together = cluster[one] | cluster[other]
            for visit in together:
                cluster[visit] = together
            return together

        for one, other in self._bound():
            join(one, other)
        everything = frozenset(self.lines)
        waiting = list(self.lines)
        while waiting:
            visit = waiting.pop()
            missing = self._misses(cluster[visit], everything)
            helpers = [] if missing is None else self._helpers(visit, missing, everything, cluster)
            for other in helpers:
                join(visit, other)
            if helpers:
                waiting.append(visit)
        return [
            Group(
                tuple(visit for visit in self.lines if visit in members),
                self._saving(members, everything),
            )
            for members in dict.fromkeys(cluster[visit] for visit in self.lines)
        ]

    def _bound(self) -> Iterable[tuple[str, str]]:
        """Yield pairs of changed visits that a crew or a link binds together."""
        for crew in self.problem.crews:
            if crew.first in self.lines and crew.second in self.lines:
                yield crew.first, crew.second
        for link in self.problem.links:
            if link.first in self.lines and link.second in self.lines:
                yield link.first, link.second

    def _shifts_of(self, visits: Iterable[str]) -> list[int]:
        found = {
            places[visit]
            for visit in visits
            for places in (self.was_on, self.is_on)
            if visit in places
        }
        return sorted(found)

    def _misses(
        self, members: frozenset[str], everything: frozenset[str]
    ) -> tuple[int, bool] | None:
        """Return a shift on which the group does not stand alone (True) or cannot be left out (False)."""
        for shift_no in self._shifts_of(members):
            if not self._stands(shift_no, members):
                return shift_no, True
            if not self._stands(shift_no, everything - members):
                return shift_no, False
        return None

    def _stands(self, shift_no: int, accepted: frozenset[str]) -> bool:
        """Whether a route keeps a timetable, or was broken before and is only relieved."""
        if self._timed(shift_no, accepted) is not None:
            return True
        if self._timed(shift_no, frozenset()) is not None:
            return False
        arriving = [visit for visit in accepted if self.is_on.get(visit) == shift_no]
        return not any(self.was_on.get(visit) != shift_no for visit in arriving)

    def _helpers(
        self,
        visit: str,
        missing: tuple[int, bool],
        everything: frozenset[str],
        cluster: Mapping[str, frozenset[str]],
    ) -> list[str]:
        """Return a line whose group mends the route together with this one's, else all that touch it."""
        shift_no, alone = missing
        others = sorted(self._touching[shift_no] - cluster[visit])
        for other in others:
            together = cluster[visit] | cluster[other]
            if self._stands(shift_no, together if alone else everything - together):
                return [other]
        return others

    def _saving(self, members: frozenset[str], everything: frozenset[str]) -> int | None:
        shifts = self._shifts_of(members)
        with_them = self._cost(shifts, everything)
        without = self._cost(shifts, everything - members)
        if with_them is None or without is None:
            return None
        return without - with_them + self._dropped_less(members)

    def _dropped_less(self, members: Iterable[str]) -> int:
        """Return the price of leaving out that these lines save: added ones save, dropped ones cost."""
        signs = {Kind.ADDED: 1, Kind.DROPPED: -1}
        return sum(
            signs.get(self.lines[visit].kind, 0) * self.day.drop[self.day.visit_no[visit]]
            for visit in members
        )

    # --- some of them ---

    def chosen(self, accepted: frozenset[str]) -> Chosen:
        accepted &= frozenset(self.lines)
        routes: dict[int, list[str]] = {}
        broken: set[str] = {
            visit
            for visit in self.before
            if visit not in self.was_on and not (visit in accepted and visit in self.is_on)
        }
        complaints = []
        for shift_no, shift in enumerate(self.day.shifts):
            timed = self._timed(shift_no, accepted)
            if isinstance(timed, Timetable):
                routes[shift_no] = [self.day.visits[number].id for number in timed.visits]
            elif timed is None and self._stands(shift_no, accepted):
                members = self._members(shift_no, accepted)
                routes[shift_no] = [visit for visit in members if visit in self.fixed]
                broken |= {visit for visit in members if visit not in self.fixed}
            elif timed is None:
                complaints.append(
                    f"The route of {self.day.names.get(shift.technician, shift.technician)} "
                    "cannot be driven with what was chosen alone."
                )
        if complaints:
            raise NotTogether(complaints)
        problem = _without(self.problem, broken)
        day = IndexedDay(problem) if broken else self.day
        draft = Draft(day)
        for shift_no, visits in routes.items():
            if not draft.set_order(shift_no, [day.visit_no[visit] for visit in visits]):
                raise NotTogether(["The vans do not carry the parts for what was chosen alone."])
        if not settle(draft):
            raise NotTogether(
                ["What was chosen leaves no time at which a crew can begin together."]
            )
        impossible = {each.visit for each in self.plan.unplanned if each.cause == "impossible"}
        plan = assemble(
            draft,
            impossible=[day.visit_no[visit] for visit in impossible if visit in day.visit_no],
            engine=self.plan.engine,
            seed=self.plan.seed,
            notes=self.plan.notes,
        )
        if found := violations(problem, plan):
            raise NotTogether(found)
        return Chosen(plan, tuple(sorted(broken)))


def _without(problem: DayProblem, visits: Set[str]) -> DayProblem:
    """Return the problem as if these visits were not in it."""
    if not visits:
        return problem
    return replace(
        problem,
        visits=tuple(each for each in problem.visits if each.id not in visits),
        pins=tuple(each for each in problem.pins if each.visit not in visits),
        published=tuple(each for each in problem.published if each.visit not in visits),
        crews=tuple(each for each in problem.crews if not visits & {each.first, each.second}),
        links=tuple(each for each in problem.links if not visits & {each.first, each.second}),
    )
