"""A roster while it is being improved: who has which duty, who is there in each hour, what it costs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from scheduler.engine.rostering.cover import Cover
from scheduler.engine.rostering.indexed import MINUTE, Days, IndexedRoster
from scheduler.rosters.problem import WEEK

KINDS = ("weekends", "nights", "undesired")


class State:
    """`cost` is the whole roster's, kept up to date person by person and hour by hour."""

    def __init__(self, roster: IndexedRoster, cover: Cover) -> None:
        self.roster, self.cover = roster, cover
        self.days: list[Days] = [
            {day: one for day, one in roster.fixed.get(person, {}).items() if one is not None}
            for person in roster.people
        ]
        self.there: npt.NDArray[np.int64] = np.zeros(
            (roster.problem.hours, max(1, len(roster.groups))), dtype=np.int64
        )
        for (group, _, hour), minutes in roster.standing_cover.items():
            self.there[hour, group] += minutes
        for person, days in enumerate(self.days):
            for cell in days.items():
                self._count(self.there, person, cell, 1)
        self.own = [person_cost(roster, person, self.days[person]) for person in roster.people]
        self.missing = [self._missing(hour) for hour in range(roster.problem.hours)]
        self.cost = roster.base + sum(self.own) + sum(self.missing)

    def _missing(self, hour: int) -> int:
        present = {group: int(minutes) for group, minutes in enumerate(self.there[hour]) if minutes}
        return round(self.cover.missing(hour, present))

    def without(self, free: Mapping[int, Iterable[int]]) -> npt.NDArray[np.int64]:
        """Return who is there in each hour when some people's days are taken out."""
        there = self.there.copy()
        for person, days in free.items():
            mine = self.days[person]
            for day in days:
                if day in mine:
                    self._count(there, person, (day, mine[day]), -1)
        return there

    def _count(
        self, there: npt.NDArray[np.int64], person: int, cell: tuple[int, int], sign: int
    ) -> list[int]:
        zone = self.roster.problem.technicians[person].zone
        covered = self.roster.cover[zone, *cell]
        for hour, minutes in covered:
            there[hour, self.roster.group_of[person]] += sign * minutes
        return [hour for hour, _ in covered]

    def take(self, changed: Mapping[int, Days]) -> None:
        """Give some people other duties."""
        touched: set[int] = set()
        for person, days in changed.items():
            before = self.days[person]
            for cell in before.items() - days.items():
                touched.update(self._count(self.there, person, cell, -1))
            for cell in days.items() - before.items():
                touched.update(self._count(self.there, person, cell, 1))
            self.days[person] = dict(days)
            cost = person_cost(self.roster, person, days)
            self.cost += cost - self.own[person]
            self.own[person] = cost
        for hour in touched:
            missing = self._missing(hour)
            self.cost += missing - self.missing[hour]
            self.missing[hour] = missing

    def try_out(self, changed: Mapping[int, Days]) -> bool:
        """Take the change if it makes the roster cheaper; else leave everything as it is."""
        before = {person: self.days[person] for person in changed}
        cost = self.cost
        self.take(changed)
        if self.cost < cost:
            return True
        self.take(before)
        return False


def person_cost(roster: IndexedRoster, person: int, days: Days) -> int:
    """Return what one person's duties cost apart from what they cover: hours, wishes, burdens, changes."""
    problem, one = roster.problem, roster.problem.technicians[person]
    weights = problem.weights
    cost = sum(roster.price[person].get(cell, 0) for cell in days.items())
    worked = [roster.standing_s(person, week) // MINUTE for week in range(problem.weeks)]
    for cell in days.items():
        worked[cell[0] // WEEK] += roster.at(person, cell).paid_s // MINUTE
    for done, contract in zip(worked, one.contract_s, strict=True):
        cost += weights.overtime * max(0, done - contract // MINUTE)
    cost += weights.undertime * max(0, sum(one.contract_s) // MINUTE - sum(worked))
    for kind in KINDS:
        burdens = {burden_of(roster, person, kind, cell) for cell in days.items()} - {None}
        cost += sum(roster.steps(person, kind, len(burdens)))
    return cost


def burden_of(
    roster: IndexedRoster, person: int, kind: str, cell: tuple[int, int]
) -> int | tuple[int, int] | None:
    """Return what a duty counts as in fairness: its weekend, or itself; None where it is no burden."""
    duty = roster.at(person, cell)
    if kind == "weekends":
        return roster.problem.weekend_of(duty.day)
    if kind == "nights":
        return cell if roster.is_night(duty) else None
    return cell if roster.problem.patterns[duty.pattern].is_undesired else None
