"""The search for a roster: person by person at first, then groups of people and weeks again and again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from scheduler.engine.rostering.bound import CountProgram
from scheduler.engine.rostering.cover import Cover
from scheduler.engine.rostering.indexed import Cell, IndexedRoster
from scheduler.engine.rostering.model import RosterModel, Solution
from scheduler.engine.rostering.state import State
from scheduler.rosters.checks import cost, settle_fixed
from scheduler.rosters.problem import (
    WEEK,
    Roster,
    Rostered,
    RosterProblem,
    Search,
    digest,
)

_SECONDS = 60.0
_SEARCH_SHARE = 0.95
"""What is left is for counting what it comes to."""
_BOUND_SHARE = 0.3
"""Of the time that is left once there is a roster, for the bound."""
_LEAST_BOUND_S = 1.0
_WHOLE_CELLS = 400
"""Up to so many possible duties the whole is one model, solved until it is proved or time is up."""
_WHOLE_EFFORT = 1.0
_PERSON_EFFORT = 0.02
_EFFORT = 0.05
"""The solver's own seconds, which are the same on every machine."""
_CELLS = 150
"""Possible duties of a neighbourhood, about."""
_IDLE_ROUNDS = 400
"""So many rounds without a gain end a search that nobody limits."""


@dataclass(slots=True)
class _Clock:
    deadline: float | None

    def left(self) -> float | None:
        return None if self.deadline is None else self.deadline - time.monotonic()

    def is_over(self) -> bool:
        left = self.left()
        return left is not None and left <= 0


def search(
    problem: RosterProblem, *, seconds: float | None, rounds: int | None, seed: int
) -> Roster:
    """Return the best roster found; the arguments are those of `solve_roster`, checked."""
    began = time.monotonic()
    limit = None if rounds is not None else (_SECONDS if seconds is None else seconds)
    clock = _Clock(None if limit is None else began + limit * _SEARCH_SHARE)
    kept, conflicts = settle_fixed(problem)
    roster = IndexedRoster(problem, kept)
    state = State(roster, Cover(roster))
    searching = _Searching(roster, state, clock, random.Random(seed))
    bound: int | None = None
    first_s, done, ended = 0.0, 0, "rounds"
    for step in searching.steps():
        if searching.has_started and bound is None:
            first_s = time.monotonic() - began
            bound = _bound(roster, clock)
        if bound is not None and state.cost <= max(bound, searching.proved):
            break
        if rounds is not None and done >= rounds:
            break
        if clock.is_over() or not step():
            ended = "clock"
            break
        done += 1
    bound = max(_bound(roster, clock) if bound is None else bound, searching.proved)
    if state.cost <= bound:
        ended = "proved"
    duties = sorted(
        Rostered(problem.technicians[person].id, day, pattern)
        for person, days in enumerate(state.days)
        for day, pattern in days.items()
    )
    return Roster(
        problem=digest(problem),
        seed=seed,
        duties=tuple(duties),
        costs=cost(problem, duties),
        bound=min(bound, state.cost),
        conflicts=conflicts,
        search=Search(done, round(first_s, 2), round(time.monotonic() - began, 2), ended),
    )


def _bound(roster: IndexedRoster, clock: _Clock) -> int:
    left = clock.left()
    until = None if left is None else time.monotonic() + max(_LEAST_BOUND_S, left * _BOUND_SHARE)
    # Its cuts are its own: how far it came must not sway the search.
    return CountProgram(roster, Cover(roster)).solve(until)


class _Searching:
    """Neighbourhoods, and how much each kind of them has brought so far."""

    def __init__(
        self, roster: IndexedRoster, state: State, clock: _Clock, lot: random.Random
    ) -> None:
        self.roster, self.state, self.clock, self.lot = roster, state, clock, lot
        self.people = [person for person in roster.people if roster.cells[person]]
        self.brought = dict.fromkeys(("week", "fortnight", "few", "short"), 1.0)
        self.has_started = False
        self.proved = 0
        """No roster costs less, by a model of everything."""
        self.idle = 0
        self._is_whole = False

    def steps(self) -> Iterator[Callable[[], bool]]:
        """Yield what to do next; each step is whole, or False where the clock cut it off."""
        order = list(self.people)
        self.lot.shuffle(order)
        for turn, person in enumerate(order, start=1):
            yield partial(self._person, person, turn / len(order))
        self.has_started = True
        cells = sum(len(each) for mine in self.roster.cells for each in mine.values())
        while cells <= _WHOLE_CELLS and not self._is_whole:
            yield self._whole
        self.idle = 0
        while self.idle < _IDLE_ROUNDS and self.people:
            yield self._neighbourhood

    # --- the start ---

    def _person(self, person: int, share: float) -> bool:
        """Give somebody the duties that help most, seeing as much of the needs as is their turn."""
        free = {person: range(self.roster.problem.days)}
        worth = self._worth(person, share)
        model = RosterModel(self.roster, self.state, free, worth)
        solution = self._solved(model, _PERSON_EFFORT)
        if solution is not None:
            self.state.take(solution.days)
        return not self.clock.is_over()

    def _solved(self, model: RosterModel, effort: float) -> Solution | None:
        """Return what a model comes to by its effort alone; None where there is nothing, or time is up."""
        seed = self.lot.randrange(2**31)
        solution = model.solve(seed=seed, effort=effort, seconds=self.clock.left())
        return None if self.clock.is_over() else solution

    def _worth(self, person: int, share: float) -> dict[Cell, int]:
        """Return what each duty takes off what is missing, of a share of the needs."""
        roster, state = self.roster, self.state
        zone, group = roster.problem.technicians[person].zone, roster.group_of[person]
        there = state.without({person: range(roster.problem.days)})
        gains: dict[tuple[int, int], int] = {}
        found: dict[Cell, int] = {}
        for day, patterns in roster.cells[person].items():
            for pattern in patterns:
                worth = 0
                for hour, minutes in roster.cover[zone, day, pattern]:
                    gain = gains.get((hour, minutes))
                    if gain is None:
                        alone = together = 0
                        for price, per_minute in state.cover.rows(hour):
                            left = int(price * share) - int(per_minute @ there[hour])
                            alone = max(alone, left)
                            together = max(together, left - int(per_minute[group]) * minutes)
                        gain = gains[hour, minutes] = alone - together
                    worth += gain
                found[day, pattern] = worth
        return found

    # --- improving ---

    def _neighbourhood(self) -> bool:
        """Solve some people's days again; kinds of neighbourhoods that brought more come more often."""
        kinds = sorted(self.brought)
        kind = self.lot.choices(kinds, [self.brought[each] for each in kinds])[0]
        before = self.state.cost
        model = RosterModel(self.roster, self.state, getattr(self, f"_{kind}")())
        solution = self._solved(model, _EFFORT)
        if self.clock.is_over():
            return False
        if solution is not None:
            self.state.try_out(solution.days)
        gained = before - self.state.cost
        self.idle = 0 if gained else self.idle + 1
        share = min(10.0, 1_000 * gained / max(1, before))
        self.brought[kind] = max(0.1, 0.9 * self.brought[kind] + 0.1 * share)
        return True

    def _sample(self, people: Collection[int], count: int) -> list[int]:
        pool = sorted(people)
        return self.lot.sample(pool, min(len(pool), max(2, count)))

    def _patterns(self) -> int:
        return max(1, len(self.roster.problem.patterns))

    def _week(self) -> Mapping[int, Collection[int]]:
        first = self.lot.randrange(self.roster.problem.weeks) * WEEK
        people = self._sample(self.people, _CELLS // (WEEK * self._patterns()))
        return dict.fromkeys(people, range(first, first + WEEK))

    def _fortnight(self) -> Mapping[int, Collection[int]]:
        days = self.roster.problem.days
        first = self.lot.randrange(max(1, days - 2 * WEEK + 1))
        people = self._sample(self.people, _CELLS // (2 * WEEK * self._patterns()))
        return dict.fromkeys(people, range(first, min(days, first + 2 * WEEK)))

    def _few(self) -> Mapping[int, Collection[int]]:
        days = self.roster.problem.days
        people = self._sample(self.people, _CELLS // (days * self._patterns()))
        return dict.fromkeys(people, range(days))

    def _short(self) -> Mapping[int, Collection[int]]:
        """Free those who could help where most is missing, or whose own duties are dearest."""
        roster, state = self.roster, self.state
        hours = [hour for hour, missing in enumerate(state.missing) if missing]
        if not hours:
            dear = sorted(self.people, key=lambda person: (-state.own[person], person))
            first = self.lot.randrange(max(1, roster.problem.days - WEEK + 1))
            people = self._sample(
                dear[: max(4, len(dear) // 4)], _CELLS // (WEEK * self._patterns())
            )
            return dict.fromkeys(people, range(first, first + WEEK))
        hour = self.lot.choices(hours, [state.missing[each] for each in hours])[0]
        day = roster.day_of_hour[hour]
        wanted = set(state.cover.wanted[hour])
        able = [
            person
            for person in self.people
            if wanted.intersection(roster.serves(roster.group_of[person], day))
        ]
        first = max(0, min(day - 4, roster.problem.days - 9))
        people = self._sample(able or self.people, _CELLS // (9 * self._patterns()))
        return dict.fromkeys(people, range(first, min(roster.problem.days, first + 9)))

    # --- everything at once ---

    def _whole(self) -> bool:
        """Solve everything as one model. Once it tells the truth about what is missing, it proves a bound."""
        free = dict.fromkeys(self.people, range(self.roster.problem.days))
        model = RosterModel(self.roster, self.state, free)
        counted = sum(self.state.own[person] for person in free)
        counted += sum(self.state.missing[hour] for hour in model.hours)
        rest = self.state.cost - counted
        known = self.state.cover.size()
        solution = self._solved(model, _WHOLE_EFFORT)
        if self.clock.is_over():
            return False
        if solution is None:
            self._is_whole = True
            return True
        self.proved = max(self.proved, solution.bound + rest)
        self.state.try_out(solution.days)
        self._is_whole = not solution.is_best or self.state.cover.size() == known
        return True
