"""Days of Cordeau and Laporte, and of Vidal et al.: who may serve whom, and how long a route may last.

Convention `euclid-x1000-rounded`: distance = travel time = round(1000 · euclid), cost = distance.
"""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from scheduler.problem import DayProblem, Visit
from tests.bench.scheduler.cases import (
    Complaints,
    Tours,
    Verdict,
    day_of_one_depot,
    load_of,
    must_be_served,
)

FACTOR = 1_000


@dataclass(frozen=True)
class SdvrptwDay:
    """A file's numbers by location; location 0 is the depot, visit n is location n + 1."""

    name: str
    at: tuple[tuple[float, float], ...]
    demand: tuple[int, ...]
    service: tuple[int, ...]
    windows: tuple[tuple[int, int], ...]
    capacity: tuple[int, ...]
    """By vehicle."""
    allowed: tuple[frozenset[int], ...]
    """By vehicle: the visits it may make."""
    longest: int
    """The longest a route may last, in the file's unit."""
    serves_all: bool = True

    @staticmethod
    def read(path: Path) -> SdvrptwDay:
        text = path.read_text(encoding="ascii")
        head = dict(re.findall(r"^([A-Z_]+)\s*:\s*(.*?)\s*$", text, re.MULTILINE))
        parts = re.split(r"^([A-Z_]+)_SECTION\s*$|^EOF\s*$", text, flags=re.MULTILINE)
        sections = {
            name: [line.split()[1:] for line in body.splitlines() if line.strip()]
            for name, body in zip(parts[1::2], parts[2::2], strict=True)
            if name is not None
        }
        return SdvrptwDay(
            name=path.stem,
            at=tuple((float(x), float(y)) for x, y in sections["NODE_COORD"]),
            demand=tuple(int(one) for (one,) in sections["DEMAND"]),
            service=tuple(int(one) for (one,) in sections["SERVICE_TIME"]),
            windows=tuple((int(a), int(b)) for a, b in sections["TIME_WINDOW"]),
            capacity=tuple(int(one) for (one,) in sections["CAPACITY"]),
            allowed=tuple(
                frozenset(int(location) - 2 for location in row)
                for row in sections["VEHICLES_ALLOWED_CLIENTS"]
            ),
            longest=int(head["VEHICLES_MAX_DURATION"]),
        )

    @cached_property
    def travel(self) -> npt.NDArray[np.int32]:
        at = np.array(self.at)
        apart = np.hypot(at[:, None, 0] - at[None, :, 0], at[:, None, 1] - at[None, :, 1])
        return np.rint(FACTOR * apart).astype(np.int32)

    @property
    def longest_s(self) -> int | None:
        return FACTOR * self.longest

    def problem(self) -> DayProblem:
        opens, closes = (FACTOR * instant for instant in self.windows[0])
        travel = self.travel
        drop = must_be_served(travel)
        return day_of_one_depot(
            travel,
            (opens, closes),
            self.capacity,
            (
                Visit(
                    id=str(number),
                    place=number + 1,
                    duration_s=FACTOR * self.service[number + 1],
                    windows=((FACTOR * ready, FACTOR * due),),
                    drop_cost=drop,
                    required=tuple(
                        str(vehicle)
                        for vehicle, allowed in enumerate(self.allowed)
                        if number in allowed
                    ),
                    parts=load_of(self.demand[number + 1]),
                )
                for number, (ready, due) in enumerate(self.windows[1:])
            ),
        )

    def judge(self, tours: Tours) -> Verdict:
        complaints = Complaints()
        complaints.each_once(tours, len(self.capacity), len(self.at) - 1, all_of_them=True)
        total = 0
        for vehicle, tour in tours.items():
            total += self._judge_tour(vehicle, list(tour), complaints)
        return Verdict(total, tuple(complaints.said))

    def _judge_tour(self, vehicle: int, tour: list[int], complaints: Complaints) -> int:
        opens, closes = (FACTOR * instant for instant in self.windows[0])
        stops = [0, *(visit + 1 for visit in tour), 0]
        legs = [self._apart(one, other) for one, other in itertools.pairwise(stops)]
        for visit in tour:
            if visit not in self.allowed[vehicle]:
                complaints.say(f"Vehicle {vehicle} may not make visit {visit}.")
        load = sum(self.demand[stop] for stop in stops)
        if load > self.capacity[vehicle]:
            complaints.say(f"Vehicle {vehicle} carries {load} of {self.capacity[vehicle]}.")
        # Backwards: until when the depot can be left without beginning anything too late; forwards:
        # when the route is back at the earliest, and how late it may leave for that.
        clock, slack, waiting = opens, closes - opens, 0
        for leg, stop in zip(legs, stops[1:], strict=True):
            ready, due = (FACTOR * instant for instant in self.windows[stop])
            clock += leg
            waiting += max(0, ready - clock)
            clock = max(clock, ready)
            if clock > due:
                complaints.say(f"Vehicle {vehicle} begins at location {stop} too late.")
            slack = min(slack, waiting + due - clock)
            clock += FACTOR * self.service[stop]
        lasts = clock - (opens + min(slack, waiting))
        if lasts > FACTOR * self.longest:
            complaints.say(f"Vehicle {vehicle} is away for {lasts / FACTOR} of {self.longest}.")
        return sum(legs)

    def _apart(self, one: int, other: int) -> int:
        return round(FACTOR * math.dist(self.at[one], self.at[other]))


def read_routes(path: Path) -> dict[int, list[int]]:
    """Return the tours of a `.sol`: `Route #k` is vehicle k's, clients are counted from 1."""
    found = re.findall(r"^Route #(\d+):(.*)$", path.read_text(encoding="ascii"), re.MULTILINE)
    return {
        int(number) - 1: [int(client) - 1 for client in clients.split()]
        for number, clients in found
    }
