"""What is missing in an hour, exactly and as cuts: lower bounds that are linear in how many are there.

The groups of people present and the needs they serve form a network. What stays unserved is priced; dearest
needs first is best, since what can be served together is a matroid. The needs that no rearrangement can help
give a cut: with prices `pi` on needs, missing ≥ Σ pi·wanted − Σ max(pi of what a group serves)·its minutes.
Cuts are exact where they were found and below the truth elsewhere, so a model holds the few that matter.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from scheduler.engine.rostering.indexed import IndexedRoster

Cut = tuple[int, ...]
"""A price per missing minute of each need; 0 where the cut does not look at it."""

_LEAST = 1e-6


class Cover:
    """The needs of each hour, who serves them, and the cuts found so far."""

    def __init__(self, roster: IndexedRoster) -> None:
        self.roster = roster
        problem = roster.problem
        self.prices = [
            problem.weights.shortage * need.price_percent // 100 for need in problem.needs
        ]
        self.wanted: list[list[int]] = [
            [
                need
                for need, each in enumerate(problem.needs)
                if each.minutes[hour] and self.prices[need]
            ]
            for hour in range(problem.hours)
        ]
        self._rows: list[list[tuple[int, npt.NDArray[np.int64]]]] = [
            [] for _ in range(problem.hours)
        ]
        self.cuts: list[dict[Cut, None]] = [self._first_cuts(hour) for hour in range(problem.hours)]

    def _first_cuts(self, hour: int) -> dict[Cut, None]:
        """Return the obvious ones: each trade, everything."""
        needs, wanted = self.roster.problem.needs, self.wanted[hour]
        sets = [
            [need for need in wanted if needs[need].skill == skill]
            for skill in dict.fromkeys(needs[need].skill for need in wanted)
        ]
        sets.append(wanted)
        cheapest = {tuple(one): min(self.prices[need] for need in one) for one in sets if one}
        return dict.fromkeys(
            tuple(price if need in one else 0 for need in range(len(needs)))
            for one, price in cheapest.items()
        )

    def size(self) -> int:
        """Return how many cuts there are."""
        return sum(len(each) for each in self.cuts)

    def rows(self, hour: int) -> list[tuple[int, npt.NDArray[np.int64]]]:
        """Return the cuts of an hour as (price with nobody there, what a minute of each group takes off)."""
        known = self._rows[hour]
        for cut in list(self.cuts[hour])[len(known) :]:
            worth = [self.worth(hour, cut, group) for group in range(len(self.roster.groups))]
            known.append((self.wanted_price(hour, cut), np.array(worth, dtype=np.int64)))
        return known

    def wanted_price(self, hour: int, cut: Cut) -> int:
        """Return what would be missing by a cut with nobody there."""
        return sum(
            price * self.roster.problem.needs[need].minutes[hour]
            for need, price in enumerate(cut)
            if price
        )

    def worth(self, hour: int, cut: Cut, group: int) -> int:
        """Return what a minute of somebody of this group is worth by a cut."""
        serves = self.roster.serves(group, self.roster.day_of_hour[hour])
        return max((cut[need] for need in serves), default=0)

    def missing(self, hour: int, supply: Mapping[int, float]) -> float:
        """Return the price of what is missing with these minutes of each group; keep the cut it gives."""
        wanted = self.wanted[hour]
        if not wanted:
            return 0
        day, needs = self.roster.day_of_hour[hour], self.roster.problem.needs
        flow = _Flow(
            {group: minutes for group, minutes in supply.items() if minutes > _LEAST},
            {
                group: frozenset(self.roster.serves(group, day)).intersection(wanted)
                for group, minutes in supply.items()
                if minutes > _LEAST
            },
        )
        cut = [0] * len(needs)
        total = 0.0
        short: dict[int, float] = {}
        levels = sorted({self.prices[need] for need in wanted}, reverse=True)
        for level, below in zip(levels, [*levels[1:], 0], strict=True):
            for need in wanted:
                if self.prices[need] == level:
                    left = needs[need].minutes[hour] - flow.serve(need, needs[need].minutes[hour])
                    if left > _LEAST:
                        short[need] = left
                        total += left * level
            for need in flow.stuck(short):
                cut[need] += level - below
        if total > _LEAST:
            self.cuts[hour].setdefault(tuple(cut))
        return total


class _Flow:
    """Minutes of groups given to needs, rearranged where that frees some."""

    def __init__(self, spare: dict[int, float], serves: dict[int, frozenset[int]]) -> None:
        self.spare, self.serves = spare, serves
        self.given: dict[int, dict[int, float]] = {group: {} for group in spare}

    def serve(self, need: int, minutes: float) -> float:
        """Give a need up to these minutes; return how many it got."""
        served = 0.0
        while minutes - served > _LEAST:
            path = self._path(need)
            if path is None:
                break
            amount = min(minutes - served, self.spare[path[0][0]])
            for _, asks, through in path:
                if through is not None:
                    amount = min(amount, self.given[through][asks])
            self.spare[path[0][0]] -= amount
            for group, asks, through in path:
                self.given[group][asks] = self.given[group].get(asks, 0) + amount
                if through is not None:
                    self.given[through][asks] -= amount
            served += amount
        return served

    def _path(self, need: int) -> list[tuple[int, int, int | None]] | None:
        """Return how somebody with minutes to spare can help: (group, need it takes on, whom from)."""
        came: dict[int, tuple[int, int | None]] = {}
        queue: list[tuple[int, int | None]] = [(need, None)]
        seen = {need}
        for asks, through in queue:
            for group, able in self.serves.items():
                if asks not in able or group in came:
                    continue
                came[group] = (asks, through)
                if self.spare[group] > _LEAST:
                    path = []
                    last: int | None = group
                    while last is not None:
                        path.append((last, *came[last]))
                        last = came[last][1]
                    return path
                for other, held in self.given[group].items():
                    if held > _LEAST and other not in seen:
                        seen.add(other)
                        queue.append((other, group))
        return None

    def stuck(self, short: Mapping[int, float]) -> set[int]:
        """Return the needs that share the fate of those short: whoever serves one is fully taken by them."""
        queue, seen = list(short), set(short)
        for asks in queue:
            for group, able in self.serves.items():
                if asks in able:
                    for other, held in self.given[group].items():
                        if held > _LEAST and other not in seen:
                            seen.add(other)
                            queue.append(other)
        return seen
