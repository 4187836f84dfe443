"""Pillac, Guéret and Medaglia's days: technicians with homes, skills, tools and spare parts.

Convention `total-working-time`: travel is Euclidean in double precision; cost is the time from leaving
home, as late as that does not make the return later, to being back.
"""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from scheduler.problem import DAY_S, DayProblem, Depot, Shift, Technician, Visit
from tests.bench.scheduler.cases import (
    DEPOT,
    DISTANCE_ALONE,
    FIRST_MIDNIGHT,
    LONGEST_DAYS,
    LUNCH,
    Complaints,
    Tours,
    Verdict,
    days_for,
    must_be_served,
)

_FINEST = 10_000
_DUST = 1e-6


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the file: a place, when, and what is carried or needed there."""

    x: float
    y: float
    opens: int
    closes: int
    service: int
    skills: frozenset[int]
    tools: frozenset[int]
    parts: tuple[int, ...]


@dataclass(frozen=True)
class PillacDay:
    name: str
    depot: Row
    crew: tuple[Row, ...]
    requests: tuple[Row, ...]
    longest_s: int | None = None
    serves_all: bool = True

    @staticmethod
    def read(path: Path) -> PillacDay:
        lines = path.read_text(encoding="ascii").splitlines()
        sizes = next(line.split() for before, line in itertools.pairwise(lines) if "CREW" in before)
        crew, rows = int(sizes[0]), []
        for line in lines:
            lists = re.findall(r"\[([0-9, ]*)\]", line)
            if len(lists) == 3:
                _, x, y, opens, closes, service = line.partition("[")[0].split()
                skills, tools, parts = (
                    [int(one) for one in re.findall(r"\d+", each)] for each in lists
                )
                rows.append(
                    Row(
                        float(x),
                        float(y),
                        int(opens),
                        int(closes),
                        int(service),
                        frozenset(skills),
                        frozenset(tools),
                        tuple(parts),
                    )
                )
        return PillacDay(path.stem, rows[0], tuple(rows[1 : crew + 1]), tuple(rows[crew + 1 :]))

    @property
    def factor(self) -> int:
        """How many of the product's seconds make a unit: as many as its longest horizon holds."""
        return min(_FINEST, (LONGEST_DAYS + 1) * DAY_S // self.depot.closes)

    def problem(self) -> DayProblem:
        """Return the day; legs are rounded up, so that what it allows is allowed as published."""
        factor = self.factor
        rows = [self.depot, *self.crew, *self.requests]
        at = np.array([(row.x, row.y) for row in rows])
        apart = np.hypot(at[:, None, 0] - at[None, :, 0], at[:, None, 1] - at[None, :, 1])
        travel = np.ceil(factor * apart - _DUST).astype(np.int32)
        drop = must_be_served(travel)
        tools = sorted({tool for row in self.requests for tool in row.tools})
        kinds = range(max((len(row.parts) for row in self.requests), default=0))
        # Tools come back into the van: nobody can run out of one that is there.
        plenty = len(self.requests)
        skills = sorted({skill for row in rows for skill in row.skills})
        return DayProblem(
            first_midnight=FIRST_MIDNIGHT,
            zone="UTC",
            days=days_for(factor * self.depot.closes),
            travel_s=travel,
            travel_m=travel,
            technicians=tuple(
                Technician(
                    str(number),
                    stock=(
                        *((f"tool {tool}", plenty) for tool in sorted(row.tools)),
                        *((f"part {kind}", count) for kind, count in enumerate(row.parts) if count),
                    ),
                )
                for number, row in enumerate(self.crew)
            ),
            shifts=tuple(
                Shift(
                    id=str(number),
                    technician=str(number),
                    day=0,
                    start_place=number + 1,
                    end_place=number + 1,
                    opens=factor * max(row.opens, self.depot.opens),
                    closes=factor * min(row.closes, self.depot.closes),
                    skills=tuple((f"skill {skill}", 1) for skill in sorted(row.skills)),
                )
                for number, row in enumerate(self.crew)
            ),
            visits=tuple(
                Visit(
                    id=str(number),
                    place=len(self.crew) + 1 + number,
                    duration_s=factor * row.service,
                    windows=((factor * row.opens, factor * row.closes),),
                    drop_cost=drop,
                    skills=tuple((f"skill {skill}", 1) for skill in sorted(row.skills)),
                    parts=(
                        *((f"tool {tool}", 1) for tool in sorted(row.tools)),
                        *((f"part {kind}", count) for kind, count in enumerate(row.parts) if count),
                    ),
                )
                for number, row in enumerate(self.requests)
            ),
            skills=tuple(f"skill {skill}" for skill in skills),
            depots=(
                Depot(
                    0,
                    (
                        *(f"tool {tool}" for tool in tools),
                        *(f"part {kind}" for kind in kinds),
                    ),
                ),
            ),
            # Work takes the same time whoever does it, so working time is travel and waiting.
            weights=replace(DISTANCE_ALONE, waiting_permille=1_000),
        )

    def judge(self, tours: Tours) -> Verdict:
        complaints = Complaints()
        complaints.each_once(tours, len(self.crew), len(self.requests), all_of_them=True)
        total = math.fsum(
            self._judge_tour(number, list(tour), complaints)
            for number, tour in tours.items()
            if any(stop >= 0 for stop in tour)
        )
        return Verdict(round(total, 4), tuple(complaints.said))

    def _judge_tour(self, number: int, tour: list[int], complaints: Complaints) -> float:
        who = self.crew[number]
        self._judge_things(number, tour, complaints)
        home = replace(who, opens=self.depot.opens, closes=self.depot.closes, service=0)
        stops = [self.depot if stop == DEPOT else self.requests[stop] for stop in tour]
        began = clock = float(max(who.opens, self.depot.opens))
        at, waiting, slack = who, 0.0, math.inf
        for stop in [*stops, replace(home, closes=min(who.closes, self.depot.closes))]:
            clock += math.hypot(stop.x - at.x, stop.y - at.y)
            waiting += max(0.0, stop.opens - clock)
            clock = max(clock, float(stop.opens))
            if clock > stop.closes + _DUST:
                complaints.say(f"Technician {number} begins at {clock:.3f}, after {stop.closes}.")
            slack = min(slack, waiting + stop.closes - clock)
            clock += stop.service
            at = stop
        return clock - (began + min(slack, waiting))

    def _judge_things(self, number: int, tour: list[int], complaints: Complaints) -> None:
        who, at_hand = self.crew[number], False
        left = list(who.parts)
        for stop in tour:
            if stop == LUNCH:
                complaints.say("Nobody has lunch here.")
                continue
            if stop == DEPOT:
                at_hand = True
                continue
            request = self.requests[stop]
            if not request.skills <= who.skills:
                complaints.say(f"Technician {number} lacks a skill for request {stop}.")
            if at_hand:
                continue
            if not request.tools <= who.tools:
                complaints.say(f"Technician {number} lacks a tool for request {stop}.")
            for kind, count in enumerate(request.parts):
                left[kind] -= count
                if left[kind] < 0:
                    complaints.say(f"Technician {number} has no part {kind} for request {stop}.")
