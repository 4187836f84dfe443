"""What the sets have in common: a day to plan, the tours that answer it, and their own referee's verdict.

A set's referee reads the published numbers, not the problem made from them, and shares no code with the
product: it would find a wrong conversion too.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from scheduler.problem import DayProblem, Plan, Shift, StopKind, Technician, Visit, Weights

DEPOT = -1
"""In a tour: parts are picked up here."""
LUNCH = -2
"""In a tour: the break is taken on the way from the stop before."""

Tours = Mapping[int, Sequence[int]]
"""Vehicle (the problem's shift number) → what it does in order: visit numbers, `DEPOT`, `LUNCH`."""

FIRST_MIDNIGHT = "2026-03-02T00:00:00+00:00"
LONGEST_DAYS = 14

LOAD = "load"
"""The part that a vehicle's capacity is counted in."""

DISTANCE_ALONE = Weights(
    waiting_permille=0,
    overtime_permille=0,
    first_use=0,
    foreign_territory=0,
    surplus_level=0,
    late_permille=0,
    not_preferred=0,
    balance_permille=0,
    other_technician=0,
    other_day=0,
)
"""Travel and what is left out: what most of the sets price."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a referee says of tours. `cost` is in the set's published unit; no rule broken: it counts."""

    cost: float
    broken: tuple[str, ...] = ()
    served: float = 1.0
    """Share of the visits that are served, weighted by what leaving each out costs."""


class Case(Protocol):
    """One day of one set."""

    @property
    def name(self) -> str: ...

    @property
    def longest_s(self) -> int | None:
        """The longest a route may last, from leaving to being back, in the problem's seconds."""

    @property
    def serves_all(self) -> bool:
        """Whether a plan that leaves a visit out is none."""

    def problem(self) -> DayProblem:
        """Return the day as the product plans it."""

    def judge(self, tours: Tours) -> Verdict:
        """Return what the set's own rules say of these tours."""


@dataclass(slots=True)
class Complaints:
    """Sentences on broken rules; the first of a kind say enough."""

    said: list[str] = field(default_factory=list)

    def say(self, sentence: str) -> None:
        if len(self.said) < 10:
            self.said.append(sentence)

    def each_once(self, tours: Tours, vehicles: int, visits: int, *, all_of_them: bool) -> set[int]:
        """Check that visits are done once, by vehicles there are; return those that are done."""
        done: set[int] = set()
        for vehicle, tour in tours.items():
            if not 0 <= vehicle < vehicles:
                self.say(f"There is no vehicle {vehicle}.")
            for stop in tour:
                if stop in (DEPOT, LUNCH):
                    continue
                if not 0 <= stop < visits:
                    self.say(f"There is no visit {stop}.")
                elif stop in done:
                    self.say(f"Visit {stop} is done twice.")
                done.add(stop)
        if all_of_them:
            for stop in range(visits):
                if stop not in done:
                    self.say(f"Visit {stop} is not done.")
        return done


def tours_of(plan: Plan) -> dict[int, list[int]]:
    """Return the tours of a plan whose shifts and visits are named by their numbers."""
    tours: dict[int, list[int]] = {}
    for route in plan.routes:
        tour = tours.setdefault(int(route.shift), [])
        for stop in route.stops:
            if stop.kind is StopKind.VISIT and stop.visit is not None:
                tour.append(int(stop.visit))
            elif stop.kind is StopKind.PICKUP:
                tour.append(DEPOT)
            elif stop.kind is StopKind.BREAK:
                tour.append(LUNCH)
    return tours


def day_of_one_depot(
    travel: npt.NDArray[np.int32],
    hours: tuple[int, int],
    capacities: Sequence[int],
    visits: Iterable[Visit],
) -> DayProblem:
    """Return the day of vehicles that leave one depot, place 0, in these hours and come back to it."""
    opens, closes = hours
    names = [str(number) for number in range(len(capacities))]
    return DayProblem(
        first_midnight=FIRST_MIDNIGHT,
        zone="UTC",
        days=days_for(closes),
        travel_s=travel,
        travel_m=travel,
        technicians=tuple(
            Technician(name, stock=((LOAD, capacity),))
            for name, capacity in zip(names, capacities, strict=True)
        ),
        shifts=tuple(
            Shift(
                id=name,
                technician=name,
                day=0,
                start_place=0,
                end_place=0,
                opens=opens,
                closes=closes,
            )
            for name in names
        ),
        visits=tuple(visits),
        weights=DISTANCE_ALONE,
    )


def load_of(demand: int) -> tuple[tuple[str, int], ...]:
    """Return the parts of a visit that takes so much of a vehicle's capacity."""
    return ((LOAD, demand),) if demand else ()


def must_be_served(travel_s: npt.NDArray[np.int32]) -> int:
    """Return a drop cost that no detour is worth where every visit has to be made."""
    return 100 * max(1, int(travel_s.max(initial=0)))


def days_for(last_s: int) -> int:
    """Return the horizon that holds `last_s`; the product plans one to fourteen days."""
    return min(LONGEST_DAYS, max(1, last_s // 86_400))
