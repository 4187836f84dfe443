"""A roster's problem by number: what may be given to whom, what excludes what, who can serve which need."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from scheduler.rosters.problem import (
    HOUR_S,
    WEEK,
    Commitment,
    Duty,
    Rostered,
    RosterProblem,
    Rules,
    WishKind,
)

Cell = tuple[int, int]
"""(day, pattern): a duty that one technician may be given."""

Days = dict[int, int]
"""day → pattern: what one technician is given."""

MINUTE = 60


@dataclass(frozen=True, slots=True)
class RestWindow:
    """A place where a week's unbroken rest may lie, and the duties it excludes."""

    start: int
    end: int
    excludes: frozenset[Cell]


class IndexedRoster:
    """Everything that does not change while a roster is searched for."""

    def __init__(self, problem: RosterProblem, fixed: Iterable[Rostered]) -> None:
        self.problem = problem
        self.duty: dict[tuple[int, int, int], Duty] = {
            (each.zone, each.day, each.pattern): each for each in problem.duties
        }
        self.people = range(len(problem.technicians))
        self.number = {one.id: number for number, one in enumerate(problem.technicians)}
        self.fixed: dict[int, dict[int, int | None]] = defaultdict(dict)
        for each in fixed:
            self.fixed[self.number[each.technician]][each.day] = each.pattern
        self.after = {zone: self._excluded_after(zone) for zone in self._zones()}
        self.cells: list[dict[int, list[int]]] = [self._cells(number) for number in self.people]
        self.group_of, self.groups = self._group()
        self.price = self._prices()
        self.fewest = {
            kind: min((getattr(one.done, kind) for one in problem.technicians), default=0)
            for kind in ("weekends", "nights", "undesired")
        }

    def _zones(self) -> list[int]:
        return sorted({one.zone for one in self.problem.technicians})

    def at(self, person: int, cell: Cell) -> Duty:
        return self.duty[self.problem.technicians[person].zone, *cell]

    def is_night(self, duty: Duty | Commitment) -> bool:
        return duty.night_s >= self.problem.rules_on(duty.day).night_least_s > 0

    # --- what excludes what ---

    def clash(self, first: Duty | Commitment, then: Duty | Commitment) -> bool:
        """Whether two shifts of one person leave too little rest; `first` begins first."""
        rules = self.problem.rules_on(then.day)
        least = rules.daily_rest_s
        if self.is_night(first) and not self.is_night(then):
            least = max(least, rules.rest_after_nights_s)
        return then.start - first.end < least

    def _excluded_after(self, zone: int) -> dict[Cell, dict[int, list[int]]]:
        """Return duty → day → the patterns of that later day that it leaves too little rest for."""
        own = sorted(
            (each for each in self.problem.duties if each.zone == zone), key=lambda one: one.day
        )
        by_day: dict[int, list[Duty]] = defaultdict(list)
        for each in own:
            by_day[each.day].append(each)
        found: dict[Cell, dict[int, list[int]]] = {}
        for first in own:
            for day in range(first.day + 1, min(first.day + 6, self.problem.days)):
                clashing = [then.pattern for then in by_day[day] if self.clash(first, then)]
                if clashing:
                    found.setdefault((first.day, first.pattern), {})[day] = clashing
        return found

    def _cells(self, person: int) -> dict[int, list[int]]:
        """Return day → patterns that nothing fixed or standing keeps from this person."""
        one = self.problem.technicians[person]
        fixed = self.fixed.get(person, {})
        found: dict[int, list[int]] = {}
        for duty in self.problem.duties:
            if duty.zone != one.zone:
                continue
            if one.patterns is not None and duty.pattern not in one.patterns:
                continue
            if duty.day in fixed and fixed[duty.day] != duty.pattern:
                continue
            if duty.day in fixed or self.is_allowed(person, duty):
                found.setdefault(duty.day, []).append(duty.pattern)
        return found

    def is_allowed(self, person: int, duty: Duty) -> bool:
        """Whether the rules that look at this one duty let the person have it."""
        one = self.problem.technicians[person]
        rules = self.problem.rules_on(duty.day)
        if duty.paid_s > rules.shift_longest_s:
            return False
        if self.is_night(duty) and duty.paid_s > rules.night_longest_s:
            return False
        if any(start < duty.end and duty.start < end for start, end in one.absences):
            return False
        for each in one.commitments:
            if each.day == duty.day or (each.start < duty.end and duty.start < each.end):
                return False
            clashes = self.clash(each, duty) if each.start < duty.start else self.clash(duty, each)
            if clashes:
                return False
        return True

    def rest_windows(self, zone: int, week: int) -> list[RestWindow]:
        """Return where a week's rest may begin: at its first midnight, or when a shift has ended."""
        return self._rest_windows[zone, week]

    @cached_property
    def _rest_windows(self) -> dict[tuple[int, int], list[RestWindow]]:
        return {
            (zone, week): self._windows(zone, week, ())
            for zone in self._zones()
            for week in range(self.problem.weeks)
        }

    def windows_of(self, person: int, week: int) -> list[RestWindow]:
        """Return the rest windows that this person's standing shifts leave, dominated ones left out."""
        one = self.problem.technicians[person]
        opens, closes = self.week_bounds(week)
        standing = tuple(
            each for each in one.commitments if each.end > opens and each.start < closes
        )
        if not standing:
            return self._rest_windows[one.zone, week]
        return self._windows(one.zone, week, standing)

    def week_bounds(self, week: int) -> tuple[int, int]:
        return self.problem.midnights[week * WEEK], self.problem.midnights[(week + 1) * WEEK]

    def _windows(self, zone: int, week: int, standing: Sequence[Commitment]) -> list[RestWindow]:
        opens, closes = self.week_bounds(week)
        length = self.problem.rules[week].weekly_rest_s
        near = [
            each
            for each in self.problem.duties
            if each.zone == zone and each.end > opens and each.start < closes
        ]
        begins = {opens, *(each.end for each in near), *(each.end for each in standing)}
        found: list[RestWindow] = []
        for start in sorted(begins):
            end = start + length
            if start < opens or end > closes:
                continue
            if any(each.start < end and start < each.end for each in standing):
                continue
            excludes = frozenset(
                (each.day, each.pattern) for each in near if each.start < end and start < each.end
            )
            found.append(RestWindow(start, end, excludes))
        return [
            one
            for number, one in enumerate(found)
            if not any(
                other.excludes < one.excludes or (other.excludes == one.excludes and place < number)
                for place, other in enumerate(found)
            )
        ]

    # --- who can serve what ---

    def _group(self) -> tuple[list[int], list[list[int]]]:
        """Return the group of each person, and the groups: people who serve the same needs on each day."""
        keys: dict[tuple[int, ...], int] = {}
        of: list[int] = []
        groups: list[list[int]] = []
        for number in self.people:
            key = self._ability(number)
            if key not in keys:
                keys[key] = len(groups)
                groups.append([])
            of.append(keys[key])
            groups[keys[key]].append(number)
        return of, groups

    def _ability(self, person: int) -> tuple[int, ...]:
        """Return for each need the last day on which this person can serve it; −1 is never."""
        one, last = self.problem.technicians[person], self.problem.days
        found = []
        for need in self.problem.needs:
            if need.skill is None:
                found.append(last)
                continue
            until = [
                last if valid is None else valid
                for skill, level, valid in one.skills
                if skill == need.skill and level >= need.level
            ]
            found.append(max(until, default=-1))
        return tuple(found)

    @cached_property
    def abilities(self) -> list[tuple[int, ...]]:
        return [self._ability(group[0]) for group in self.groups]

    def serves(self, group: int, day: int) -> tuple[int, ...]:
        """Return the needs that people of a group can serve on a day."""
        return self._serves[group][day]

    @cached_property
    def _serves(self) -> list[list[tuple[int, ...]]]:
        return [
            [
                tuple(need for need, until in enumerate(able) if day <= until)
                for day in range(self.problem.days)
            ]
            for able in self.abilities
        ]

    @cached_property
    def cover(self) -> dict[tuple[int, int, int], list[tuple[int, int]]]:
        """(zone, day, pattern) → (hour, minutes of it) that the duty covers, within the horizon."""
        found = {}
        for key, duty in self.duty.items():
            found[key] = [
                (
                    hour,
                    (min(duty.end, (hour + 1) * HOUR_S) - max(duty.start, hour * HOUR_S)) // MINUTE,
                )
                for hour in range(
                    max(0, duty.start // HOUR_S), min(self.problem.hours, -(-duty.end // HOUR_S))
                )
            ]
        return found

    @cached_property
    def standing_cover(self) -> dict[tuple[int, int, int], int]:
        """(group, day, hour) → minutes that shifts cover which stand anyway."""
        found: dict[tuple[int, int, int], int] = defaultdict(int)
        for number, one in enumerate(self.problem.technicians):
            for each in one.commitments:
                for hour in range(
                    max(0, each.start // HOUR_S), min(self.problem.hours, -(-each.end // HOUR_S))
                ):
                    minutes = (
                        min(each.end, (hour + 1) * HOUR_S) - max(each.start, hour * HOUR_S)
                    ) // MINUTE
                    if minutes > 0:
                        found[self.group_of[number], each.day, hour] += minutes
        return found

    @cached_property
    def day_of_hour(self) -> list[int]:
        """The day in which each hour of the horizon begins."""
        midnights = self.problem.midnights
        return [bisect_right(midnights, hour * HOUR_S) - 1 for hour in range(self.problem.hours)]

    # --- prices ---

    def _prices(self) -> list[dict[Cell, int]]:
        """Return for each person what a duty costs by wishes and changes, over what a day off costs.

        What a day off itself costs is in `base`.
        """
        problem, weights = self.problem, self.problem.weights
        found: list[dict[Cell, int]] = [defaultdict(int) for _ in self.people]
        self.base = 0
        for wish in problem.wishes:
            person, price = self.number[wish.technician], wish.weight * weights.wish
            if wish.kind is WishKind.OFF:
                for pattern in self.cells[person].get(wish.day, ()):
                    found[person][wish.day, pattern] += price
                if any(each.day == wish.day for each in problem.technicians[person].commitments):
                    self.base += price
            elif wish.kind is WishKind.AVOID:
                found[person][wish.day, wish.pattern or 0] += price
            else:
                self.base += price
                found[person][wish.day, wish.pattern or 0] -= price
        before = {
            (self.number[each.technician], each.day): each.pattern for each in problem.published
        }
        for day in problem.published_days:
            price = weights.late_change if day < problem.late_until else weights.change
            for person in self.people:
                was = before.get((person, day))
                self.base += price if was is not None else 0
                for pattern in self.cells[person].get(day, ()):
                    if was is None:
                        found[person][day, pattern] += price
                    elif pattern == was:
                        found[person][day, pattern] -= price
        return found

    def steps(self, person: int, kind: str, most: int) -> list[int]:
        """Return what each further weekend, night or undesired shift costs this person, never falling."""
        one = self.problem.technicians[person]
        weight = {
            "weekends": self.problem.weights.weekend,
            "nights": self.problem.weights.night,
            "undesired": self.problem.weights.undesired,
        }[kind]
        ahead = getattr(one.done, kind) - self.fewest[kind]
        return [weight * (ahead + count) * 100 // one.share_percent for count in range(1, most + 1)]

    # --- limits of hours ---

    def week_room(self, person: int, week: int) -> int:
        """Return the minutes that the rules leave this person in a week, beside what stands."""
        limit: int = self.rules(week).week_longest_s
        return max(0, limit - self.standing_s(person, week)) // MINUTE

    def average_room(self, person: int, week: int) -> int:
        """Return the minutes left over the weeks of the horizon that an average up to `week` looks at."""
        one, rules = self.problem.technicians[person], self.rules(week)
        past = rules.average_weeks - (week + 1)
        spent = sum(one.worked_s[-past:]) if past > 0 else 0
        first = max(0, week + 1 - rules.average_weeks)
        spent += sum(self.standing_s(person, each) for each in range(first, week + 1))
        return max(0, rules.average_week_s * rules.average_weeks - spent) // MINUTE

    def standing_s(self, person: int, week: int) -> int:
        days = range(week * WEEK, (week + 1) * WEEK)
        return sum(
            each.paid_s for each in self.problem.technicians[person].commitments if each.day in days
        )

    def rules(self, week: int) -> Rules:
        return self.problem.rules[week]
