"""Solomon's and Gehring and Homberger's days: one depot, one kind of vehicle, windows, capacity.

Convention `dimacs`: distance = travel time = floor(10 · euclid) / 10, cost = distance.
"""

from __future__ import annotations

import math
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

FACTOR = 10


@dataclass(frozen=True)
class SolomonDay:
    """A file's numbers. Row 0 is the depot; visit n is row n + 1."""

    name: str
    fleet: int
    capacity: int
    rows: tuple[tuple[int, ...], ...]
    """number, x, y, demand, ready, due, service"""
    longest_s: int | None = None
    serves_all: bool = True

    @staticmethod
    def read(path: Path) -> SolomonDay:
        words = [line.split() for line in path.read_text(encoding="ascii").splitlines()]
        numbers = [
            tuple(int(word) for word in line)
            for line in words
            if line and all(word.lstrip("-").isdigit() for word in line)
        ]
        (fleet, capacity), rows = numbers[0], numbers[1:]
        if any(len(row) != 7 for row in rows):
            raise ValueError(f"{path} is no file of Solomon's: a customer has seven numbers.")
        return SolomonDay(path.stem.upper(), fleet, capacity, tuple(rows))

    @cached_property
    def travel(self) -> npt.NDArray[np.int32]:
        """Tenths of the file's unit, shape (rows, rows)."""
        at = np.array([row[1:3] for row in self.rows], dtype=np.float64)
        apart = np.hypot(at[:, None, 0] - at[None, :, 0], at[:, None, 1] - at[None, :, 1])
        return np.floor(FACTOR * apart + 1e-9).astype(np.int32)

    def problem(self) -> DayProblem:
        _, _, _, _, opens, closes, _ = (FACTOR * number for number in self.rows[0])
        travel = self.travel
        drop = must_be_served(travel)
        fleet = min(self.fleet, len(self.rows) - 1)
        return day_of_one_depot(
            travel,
            (opens, closes),
            [self.capacity] * fleet,
            (
                Visit(
                    id=str(number),
                    place=number + 1,
                    duration_s=FACTOR * service,
                    windows=((FACTOR * ready, FACTOR * due),),
                    drop_cost=drop,
                    parts=load_of(demand),
                )
                for number, (_, _, _, demand, ready, due, service) in enumerate(self.rows[1:])
            ),
        )

    def judge(self, tours: Tours) -> Verdict:
        complaints = Complaints()
        complaints.each_once(tours, self.fleet, len(self.rows) - 1, all_of_them=True)
        _, _, _, _, opens, closes, _ = self.rows[0]
        total = 0
        for vehicle, tour in tours.items():
            clock, at, load = FACTOR * opens, 0, 0
            for visit in tour:
                row = visit + 1
                _, _, _, demand, ready, due, service = self.rows[row]
                leg = self._tenths(at, row)
                total += leg
                clock = max(clock + leg, FACTOR * ready)
                if clock > FACTOR * due:
                    complaints.say(f"Vehicle {vehicle} begins visit {visit} too late.")
                clock, at, load = clock + FACTOR * service, row, load + demand
            leg = self._tenths(at, 0)
            total += leg
            if clock + leg > FACTOR * closes:
                complaints.say(f"Vehicle {vehicle} is back too late.")
            if load > self.capacity:
                complaints.say(f"Vehicle {vehicle} carries {load} of {self.capacity}.")
        return Verdict(total / FACTOR, tuple(complaints.said))

    def _tenths(self, one: int, other: int) -> int:
        (_, ax, ay, *_), (_, bx, by, *_) = self.rows[one], self.rows[other]
        # The square root of a whole number, cut off without rounding errors.
        return math.isqrt(FACTOR * FACTOR * ((ax - bx) ** 2 + (ay - by) ** 2))
