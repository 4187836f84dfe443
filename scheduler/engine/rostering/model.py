"""The CP-SAT model of some technicians' days, everybody else's standing as they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from math import gcd
from typing import Any

from ortools.sat.python import cp_model

from scheduler.engine.rostering.indexed import MINUTE, Cell, Days, IndexedRoster
from scheduler.engine.rostering.state import KINDS, State, burden_of
from scheduler.rosters.problem import WEEK

Term = tuple[Any, int]
"""A variable and its coefficient."""


@dataclass(frozen=True, slots=True)
class Solution:
    """What the free people's duties became, and what of the cost hangs on them; no less than `bound` can."""

    days: dict[int, Days]
    cost: int
    bound: int
    is_best: bool


class RosterModel:
    """Free days are variables: `free[person]` names them. The rules bind them to what stands around.

    What it minimises is the cost of these people and of the hours that they can cover; `worth`, where given,
    stands for the hours: what each duty of the one free person takes off what is missing.
    """

    def __init__(
        self,
        roster: IndexedRoster,
        state: State,
        free: Mapping[int, Collection[int]],
        worth: Mapping[Cell, int] | None = None,
    ) -> None:
        self.roster, self.state = roster, state
        self.model: Any = cp_model.CpModel()
        self.x: dict[tuple[int, int, int], Any] = {}
        self.cost: list[Term] = []
        self.constant = 0
        self.stays: dict[int, Days] = {}
        self.hours: list[int] = []
        """Those whose missing people are counted."""
        for person, days in free.items():
            stays = {day: one for day, one in state.days[person].items() if day not in days}
            self.stays[person] = stays
            self.constant += sum(roster.price[person].get(cell, 0) for cell in stays.items())
            self._person(person, sorted(days), stays)
        if worth is None:
            self._needs(free)
        else:
            self.cost += [
                (variable, -worth[day, pattern])
                for (_, day, pattern), variable in self.x.items()
                if worth.get((day, pattern), 0)
            ]
        self.model.minimize(weighted(self.cost) + self.constant)

    # --- one person ---

    def _person(self, person: int, days: list[int], stays: Days) -> None:
        roster = self.roster
        around = [roster.at(person, cell) for cell in sorted(stays.items())]
        by_day: dict[int, dict[int, Any]] = {}
        for day in days:
            mine: dict[int, Any] = {}
            for pattern in roster.cells[person].get(day, ()):
                duty = roster.at(person, (day, pattern))
                if any(
                    roster.clash(duty, other) if duty.day < other.day else roster.clash(other, duty)
                    for other in around
                    if abs(other.day - day) < 6
                ):
                    continue
                variable = self.model.new_bool_var("")
                mine[pattern] = self.x[person, day, pattern] = variable
                if (price := roster.price[person].get((day, pattern), 0)) != 0:
                    self.cost.append((variable, price))
            if roster.fixed.get(person, {}).get(day) is not None:
                self.model.add_exactly_one(mine.values())
            elif len(mine) > 1:
                self.model.add_at_most_one(mine.values())
            if mine:
                by_day[day] = mine
        self._rests(person, by_day)
        self._runs(person, by_day, stays)
        for week in sorted({day // WEEK for day in by_day}):
            self._weekly_rest(person, week, by_day, stays)
        self._hours(person, by_day, stays)
        for kind in KINDS:
            self._fairness(person, kind, by_day, stays)

    def _rests(self, person: int, by_day: dict[int, dict[int, Any]]) -> None:
        after = self.roster.after[self.roster.problem.technicians[person].zone]
        for day, mine in by_day.items():
            # Patterns that exclude the same later duties share one clique.
            alike: dict[tuple[int, tuple[int, ...]], list[Any]] = defaultdict(list)
            for pattern, variable in mine.items():
                for later, patterns in after.get((day, pattern), {}).items():
                    there = tuple(each for each in patterns if each in by_day.get(later, {}))
                    if there:
                        alike[later, there].append(variable)
            for (later, excluded), variables in alike.items():
                self.model.add_at_most_one(
                    [*variables, *(by_day[later][each] for each in excluded)]
                )

    def _runs(self, person: int, by_day: dict[int, dict[int, Any]], stays: Days) -> None:
        roster = self.roster
        standing = roster.problem.technicians[person].commitments
        worked = {each.day for each in standing} | stays.keys()
        nights = {each.day for each in standing if roster.is_night(each)}
        nights |= {day for day, one in stays.items() if self._is_night(person, day, one)}
        after = roster.problem.days + roster.problem.rules[-1].days_in_a_row
        for day in range(after):
            length = roster.problem.rules_on(day).days_in_a_row
            self._run(range(day - length, day + 1), worked, by_day)
        only = {
            day: {one: v for one, v in mine.items() if self._is_night(person, day, one)}
            for day, mine in by_day.items()
        }
        for day in range(roster.problem.days + roster.problem.rules[-1].nights_in_a_row):
            length = roster.problem.rules_on(day).nights_in_a_row
            self._run(range(day - length, day + 1), nights, only)

    def _run(self, window: range, taken: set[int], by_day: dict[int, dict[int, Any]]) -> None:
        """Leave at least one day of the window free, unless that is out of our hands."""
        variables = [v for day in window for v in by_day.get(day, {}).values()]
        most = len(window) - 1 - sum(day in taken for day in window)
        if variables and len({day for day in window if by_day.get(day)}) > most:
            self.model.add(sum(variables) <= max(0, most))

    def _is_night(self, person: int, day: int, pattern: int) -> bool:
        return self.roster.is_night(self.roster.at(person, (day, pattern)))

    def _weekly_rest(
        self, person: int, week: int, by_day: dict[int, dict[int, Any]], stays: Days
    ) -> None:
        """Choose one window of rest in the week; a duty that reaches into it is out."""
        windows = [
            one
            for one in self.roster.windows_of(person, week)
            if not any(cell in one.excludes for cell in stays.items())
        ]
        first = week * WEEK
        cells = {
            (day, pattern): v
            for day in range(first - 2, first + WEEK)
            for pattern, v in by_day.get(day, {}).items()
        }
        if not windows:
            # What stands has broken the rule already: nothing is added to it.
            reach = self.roster.week_bounds(week)
            for cell, variable in cells.items():
                duty = self.roster.at(person, cell)
                if duty.end > reach[0] and duty.start < reach[1]:
                    self.model.add(variable == 0)
            return
        if any(not (one.excludes & cells.keys()) for one in windows):
            return
        chosen = [self.model.new_bool_var("") for _ in windows]
        self.model.add_exactly_one(chosen)
        alike: dict[tuple[int, ...], dict[int, list[Any]]] = defaultdict(lambda: defaultdict(list))
        for cell, variable in cells.items():
            against = tuple(n for n, one in enumerate(windows) if cell in one.excludes)
            if against:
                alike[against][cell[0]].append(variable)
        for against, days in alike.items():
            for variables in days.values():
                self.model.add_at_most_one([*variables, *(chosen[number] for number in against)])

    def _hours(self, person: int, by_day: dict[int, dict[int, Any]], stays: Days) -> None:
        roster = self.roster
        terms: list[list[Term]] = [[] for _ in range(roster.problem.weeks)]
        spent = [0] * roster.problem.weeks
        for day, pattern in stays.items():
            spent[day // WEEK] += roster.at(person, (day, pattern)).paid_s // MINUTE
        for day, mine in by_day.items():
            for pattern, variable in mine.items():
                minutes = roster.at(person, (day, pattern)).paid_s // MINUTE
                terms[day // WEEK].append((variable, minutes))
        for week, own in enumerate(terms):
            if own:
                room = roster.week_room(person, week) - spent[week]
                if sum(_day_most(own, person, by_day, week, roster)) > room:
                    self.model.add(weighted(own) <= max(0, room))
            first = max(0, week + 1 - roster.rules(week).average_weeks)
            inside = [term for each in terms[first : week + 1] for term in each]
            room = roster.average_room(person, week) - sum(spent[first : week + 1])
            most = sum(roster.week_room(person, each) for each in range(first, week + 1))
            if inside and room < most:
                self.model.add(weighted(inside) <= max(0, room))
        self._hours_cost(person, terms, spent)

    def _hours_cost(self, person: int, terms: list[list[Term]], spent: list[int]) -> None:
        roster, weights = self.roster, self.roster.problem.weights
        contract = roster.problem.technicians[person].contract_s
        total, used = 0, 0
        for week, own in enumerate(terms):
            asked = contract[week] // MINUTE
            done = spent[week] + roster.standing_s(person, week) // MINUTE
            total += asked
            used += done
            if not own:
                self.constant += weights.overtime * max(0, done - asked)
                continue
            most = max(0, done + sum(minutes for _, minutes in own) - asked)
            over = self.model.new_int_var(0, most, "")
            self.model.add(over >= weighted(own) + done - asked)
            self.cost.append((over, weights.overtime))
        everything = [term for own in terms for term in own]
        if not everything:
            self.constant += weights.undertime * max(0, total - used)
            return
        under = self.model.new_int_var(0, max(0, total - used), "")
        self.model.add(under + weighted(everything) >= total - used)
        self.cost.append((under, weights.undertime))

    def _fairness(
        self, person: int, kind: str, by_day: dict[int, dict[int, Any]], stays: Days
    ) -> None:
        roster = self.roster
        certain: set[object] = set()
        loose: dict[object, dict[int, list[Any]]] = defaultdict(lambda: defaultdict(list))
        for cell in stays.items():
            if (burden := burden_of(roster, person, kind, cell)) is not None:
                certain.add(burden)
        for day, mine in by_day.items():
            for pattern, variable in mine.items():
                burden = burden_of(roster, person, kind, (day, pattern))
                if burden is not None and burden not in certain:
                    loose[burden][day].append(variable)
        steps = roster.steps(person, kind, len(certain) + len(loose))
        self.constant += sum(steps[: len(certain)])
        rest = steps[len(certain) :]
        if not loose or not rest[-1]:
            return
        counted: list[Any] = []
        for by_its_day in loose.values():
            if len(by_its_day) == 1:
                counted += next(iter(by_its_day.values()))
                continue
            worked = self.model.new_bool_var("")
            for same in by_its_day.values():
                self.model.add(sum(same) <= worked)
            counted.append(worked)
        prices = [price for price in rest if price]
        free = len(rest) - len(prices)
        units = [self.model.new_bool_var("") for _ in prices]
        self.model.add(sum(counted) <= sum(units) + free)
        self.cost += list(zip(units, prices, strict=True))

    # --- everybody together ---

    def _needs(self, free: Mapping[int, Collection[int]]) -> None:
        roster = self.roster
        same: dict[tuple[int, int, int, int], list[Any]] = defaultdict(list)
        for (person, day, pattern), variable in self.x.items():
            zone = roster.problem.technicians[person].zone
            same[roster.group_of[person], zone, day, pattern].append(variable)
        loose: dict[int, list[tuple[int, Any, int]]] = defaultdict(list)
        for (group, zone, day, pattern), those in same.items():
            number = those[0]
            if len(those) > 1:
                number = self.model.new_int_var(0, len(those), "")
                self.model.add(number == sum(those))
            for hour, minutes in roster.cover[zone, day, pattern]:
                loose[hour].append((group, number, minutes))
        there = self.state.without(free)
        self.hours = sorted(loose)
        for hour, present in sorted(loose.items()):
            rows: dict[tuple[tuple[int, int], ...], tuple[int, list[Term]]] = {}
            for price, worth in self.state.cover.rows(hour):
                left = price - int(worth @ there[hour])
                if left <= 0:
                    continue
                terms = [(n, int(worth[group]) * m) for group, n, m in present if worth[group]]
                key = tuple((number.index, coefficient) for number, coefficient in terms)
                if key not in rows or rows[key][0] < left:
                    rows[key] = (left, terms)
            if not rows:
                continue
            unit = gcd(*(left for left, _ in rows.values()), *(c for key in rows for _, c in key))
            missing = self.model.new_int_var(
                max(0, rows.get((), (0, []))[0]) // unit,
                max(left for left, _ in rows.values()) // unit,
                "",
            )
            for left, terms in rows.values():
                if terms:
                    scaled = [(number, coefficient // unit) for number, coefficient in terms]
                    self.model.add(missing + weighted(scaled) >= left // unit)
            self.cost.append((missing, unit))

    # --- solving ---

    def solve(
        self,
        *,
        seed: int,
        effort: float | None = None,
        seconds: float | None = None,
        workers: int = 1,
    ) -> Solution | None:
        """Return the best found within `effort` (the solver's own deterministic seconds) and `seconds`."""
        for (person, day, pattern), variable in self.x.items():
            self.model.add_hint(variable, int(self.state.days[person].get(day) == pattern))
        solver: Any = cp_model.CpSolver()
        settings = solver.parameters
        settings.random_seed = seed
        settings.num_workers = workers
        settings.symmetry_level = 1
        if effort is not None:
            settings.max_deterministic_time = effort
        if seconds is not None:
            settings.max_time_in_seconds = seconds
        status = solver.solve(self.model)
        if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            return None
        days = {person: dict(stays) for person, stays in self.stays.items()}
        for (person, day, pattern), variable in self.x.items():
            if solver.boolean_value(variable):
                days[person][day] = pattern
        return Solution(
            days,
            round(solver.objective_value),
            round(solver.best_objective_bound),
            status == cp_model.OPTIMAL,
        )


def weighted(terms: Iterable[Term]) -> Any:
    """Return the sum of variables times coefficients."""
    listed = list(terms)
    if not listed:
        return 0
    return cp_model.LinearExpr.weighted_sum([v for v, _ in listed], [c for _, c in listed])


def _day_most(
    own: list[Term],
    person: int,
    by_day: dict[int, dict[int, Any]],
    week: int,
    roster: IndexedRoster,
) -> list[int]:
    """Return the longest duty of each free day of a week, in minutes: what the week may come to."""
    return [
        max(roster.at(person, (day, pattern)).paid_s // MINUTE for pattern in mine)
        for day, mine in by_day.items()
        if day // WEEK == week and mine and own
    ]
