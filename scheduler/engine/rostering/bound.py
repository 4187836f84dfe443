"""What no roster can cost less than: people who are alike counted, not named, in a linear program.

A relaxation of the whole. For each kind of people (like skills, hours and contract) it decides how many have
each duty; one duty a day and the hours of each week bind these numbers as they bind the sum of persons. What
a duty costs differs between persons (wishes, fairness, changes): the n people given it cost at least the n
cheapest. Rules about the order of duties are left out: they moved the bound by 0.5 % and took five times as
long.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from ortools.linear_solver import pywraplp

from scheduler.engine.rostering.cover import Cover, Cut
from scheduler.engine.rostering.indexed import MINUTE, IndexedRoster
from scheduler.engine.rostering.state import KINDS
from scheduler.rosters.problem import WEEK

_ROUNDS = 30
_WORTH_A_ROUND = 1.001
"""A round that raises the bound by less is the last."""
_INFINITY = float("inf")


def kinds_of(roster: IndexedRoster) -> list[list[int]]:
    """Return people by kind: those who differ only in what is dear to them."""
    found: dict[object, list[int]] = {}
    for person, one in enumerate(roster.problem.technicians):
        contract = max(one.contract_s, default=0)
        key = (roster.group_of[person], one.zone, one.share_percent, contract, one.patterns)
        found.setdefault(key, []).append(person)
    return list(found.values())


class CountProgram:
    """How many of each kind have each duty. Solved in rounds, each with cuts that the one before lacked."""

    def __init__(self, roster: IndexedRoster, cover: Cover) -> None:
        self.roster, self.cover = roster, cover
        self.kinds = kinds_of(roster)
        self.solver: Any = pywraplp.Solver.CreateSolver("CLP")
        self.objective: Any = self.solver.Objective()
        self.objective.SetMinimization()
        self.constant = roster.base
        self.counts: dict[tuple[int, int, int], Any] = {}
        for kind, people in enumerate(self.kinds):
            self._kind(kind, people)
        self._certain: dict[tuple[int, int], int] = defaultdict(int)
        for (group, _, hour), minutes in roster.standing_cover.items():
            self._certain[group, hour] += minutes
        self._loose: list[list[tuple[int, int, Any]]] = [[] for _ in range(roster.problem.hours)]
        for (kind, day, pattern), count in self.counts.items():
            person = self.kinds[kind][0]
            zone = roster.problem.technicians[person].zone
            for hour, minutes in roster.cover[zone, day, pattern]:
                self._loose[hour].append((roster.group_of[person], minutes, count))
        self._missing = [
            self._variable(_INFINITY, 1) if cover.wanted[hour] else None
            for hour in range(roster.problem.hours)
        ]
        self._known: set[tuple[int, Cut]] = set()

    def _variable(self, most: float, price: float = 0) -> Any:
        variable = self.solver.NumVar(0, most, "")
        if price:
            self.objective.SetCoefficient(variable, price)
        return variable

    def _row(
        self, terms: Iterable[tuple[Any, float]], least: float = -_INFINITY, most: float = _INFINITY
    ) -> None:
        row = self.solver.Constraint(least, most)
        for variable, coefficient in terms:
            row.SetCoefficient(variable, row.GetCoefficient(variable) + coefficient)

    # --- the rules, summed over people ---

    def _kind(self, kind: int, people: list[int]) -> None:
        roster = self.roster
        by_day: dict[int, dict[int, Any]] = {}
        for day in range(roster.problem.days):
            able: dict[int, list[int]] = defaultdict(list)
            for person in people:
                for pattern in roster.cells[person].get(day, ()):
                    able[pattern].append(person)
            if not able:
                continue
            by_day[day] = {}
            for pattern, those in able.items():
                count = self._variable(len(those))
                by_day[day][pattern] = self.counts[kind, day, pattern] = count
                self._convex(
                    [count], sorted(roster.price[each].get((day, pattern), 0) for each in those)
                )
            there = sum(day in roster.cells[person] for person in people)
            self._row([(count, 1) for count in by_day[day].values()], most=there)
        self._hours(people, by_day)
        for burden in KINDS:
            self._fairness(people, burden, by_day)

    def _convex(self, counted: list[Any], prices: list[int]) -> None:
        """Price a sum: the n-th of it costs the n-th of the ascending prices."""
        if not any(prices):
            return
        steps: dict[int, int] = defaultdict(int)
        for price in prices:
            steps[price] += 1
        units = [self._variable(times, price) for price, times in steps.items()]
        terms = [(one, 1.0) for one in counted] + [(unit, -1.0) for unit in units]
        self._row(terms, least=0, most=0)

    def _hours(self, people: list[int], by_day: dict[int, dict[int, Any]]) -> None:
        roster, weights = self.roster, self.roster.problem.weights
        everything: list[tuple[Any, float]] = []
        asked = used = 0
        for week in range(roster.problem.weeks):
            own = [
                (count, roster.at(people[0], (day, pattern)).paid_s // MINUTE)
                for day in range(week * WEEK, (week + 1) * WEEK)
                for pattern, count in by_day.get(day, {}).items()
            ]
            everything += own
            contract = sum(
                roster.problem.technicians[each].contract_s[week] // MINUTE for each in people
            )
            done = sum(roster.standing_s(each, week) // MINUTE for each in people)
            asked += contract
            used += done
            if own:
                rooms = sum(self._room(each, week) for each in people)
                self._row(own, most=rooms)
                over = self._variable(_INFINITY, weights.overtime)
                self._row([*own, (over, -1)], most=contract - done)
        if everything and asked > used:
            under = self._variable(_INFINITY, weights.undertime)
            self._row([*everything, (under, 1)], least=asked - used)
        elif asked > used:
            self.constant += weights.undertime * (asked - used)

    def _room(self, person: int, week: int) -> int:
        """Return the minutes that a person's week can hold: of this many duties of these lengths."""
        roster = self.roster
        days = range(week * WEEK, (week + 1) * WEEK)
        lengths = {
            roster.at(person, (day, pattern)).paid_s // MINUTE
            for day in days
            for pattern in roster.cells[person].get(day, ())
        }
        return _fullest(roster.week_room(person, week), tuple(sorted(lengths)))

    def _fairness(self, people: list[int], burden: str, by_day: dict[int, dict[int, Any]]) -> None:
        roster = self.roster
        counted: list[Any] = []
        weekends: dict[int, list[list[Any]]] = defaultdict(list)
        for day, mine in by_day.items():
            if burden == "weekends":
                if (weekend := roster.problem.weekend_of(day)) is not None:
                    weekends[weekend].append(list(mine.values()))
                continue
            for pattern, count in mine.items():
                duty = roster.at(people[0], (day, pattern))
                is_night = burden == "nights" and roster.is_night(duty)
                if is_night or (
                    burden == "undesired" and roster.problem.patterns[pattern].is_undesired
                ):
                    counted.append(count)
        for days in weekends.values():
            worked = self._variable(len(people))
            for counts in days:
                self._row([*((count, 1) for count in counts), (worked, -1)], most=0)
            counted.append(worked)
        if counted:
            most = len(counted)
            steps = [step for one in people for step in roster.steps(one, burden, most)]
            self._convex(counted, sorted(steps))

    # --- solving ---

    def solve(self, deadline: float | None = None) -> int:
        """Return the bound, adding cuts until none is missing or time is up.

        It holds whenever it stops; 0 where not even the first round ended in time.
        """
        bound = 0
        for _ in range(_ROUNDS):
            self._add_cuts()
            if deadline is not None:
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self.solver.SetTimeLimit(max(1, int(left * 1_000)))
            if self.solver.Solve() != pywraplp.Solver.OPTIMAL:
                break
            # Less than a point is the arithmetic's, not the roster's.
            before = bound
            bound = math.ceil(self.objective.Value() + self.constant - 0.5)
            if bound < before * _WORTH_A_ROUND or not self._find_cuts():
                break
        return bound

    def _add_cuts(self) -> None:
        for hour, missing in enumerate(self._missing):
            if missing is None:
                continue
            for cut in self.cover.cuts[hour]:
                if (hour, cut) in self._known:
                    continue
                self._known.add((hour, cut))
                left = self.cover.wanted_price(hour, cut)
                terms: dict[int, tuple[Any, float]] = {}
                for group, minutes, count in self._loose[hour]:
                    if worth := self.cover.worth(hour, cut, group):
                        terms[count.index()] = (count, worth * minutes)
                for group in range(len(self.roster.groups)):
                    if certain := self._certain.get((group, hour), 0):
                        left -= self.cover.worth(hour, cut, group) * certain
                self._row([(missing, 1), *terms.values()], least=left)

    def _find_cuts(self) -> bool:
        """Whether some hour misses more than its cuts say; the cuts that say so are kept for next time."""
        found = False
        for hour, missing in enumerate(self._missing):
            if missing is None:
                continue
            supply: dict[int, float] = defaultdict(float)
            for group in range(len(self.roster.groups)):
                supply[group] += self._certain.get((group, hour), 0)
            for group, minutes, count in self._loose[hour]:
                supply[group] += minutes * count.solution_value()
            before = len(self.cover.cuts[hour])
            truth = self.cover.missing(hour, supply)
            if truth > missing.solution_value() + 0.5 and len(self.cover.cuts[hour]) > before:
                found = True
        return found


def _fullest(room: int, lengths: tuple[int, ...]) -> int:
    """Return the most of `room` that a week's up to seven duties of these lengths can fill."""
    reach = {0}
    for _ in range(WEEK):
        reach |= {done + each for done in reach for each in lengths if done + each <= room}
    return max(reach)
