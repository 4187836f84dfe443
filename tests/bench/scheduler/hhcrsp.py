"""Home health care: visits that need two people at once, or one after the other, and soft due times.

Convention `third-distance-tardiness-maxtardiness`: cost = (distance + tardiness + greatest tardiness) / 3.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from scheduler.problem import DAY_S, Crew, DayProblem, Link, Shift, Technician, Visit
from tests.bench.scheduler.cases import (
    DISTANCE_ALONE,
    FIRST_MIDNIGHT,
    LONGEST_DAYS,
    Complaints,
    Tours,
    Verdict,
    must_be_served,
)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two services of one patient, by number: the second begins `least` … `most` after the first."""

    first: int
    second: int
    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Service:
    """One service of one patient; times in the set's smallest unit."""

    patient: str
    place: int
    kind: str
    duration: int
    opens: int
    due: int


@dataclass(frozen=True)
class CareDay:
    """A file's numbers, whole: minutes × `factor`. Visit n is the n-th service, patient by patient."""

    name: str
    factor: int
    distances: tuple[tuple[int, ...], ...]
    abilities: tuple[frozenset[str], ...]
    caregivers: tuple[str, ...]
    services: tuple[Service, ...]
    pairs: tuple[Pair, ...]
    longest_s: int | None = None
    serves_all: bool = True

    @staticmethod
    def read(path: Path) -> CareDay:
        data = json.loads(path.read_text(encoding="utf-8"))
        distances = data["distances"]
        # Whole minutes throughout mean that windows, too, count whole minutes, whatever they look like.
        whole = all(float(one).is_integer() for row in distances for one in row)
        factor = 1 if whole else 1_000

        def units(minutes: float) -> int:
            return int(minutes) if whole else round(minutes * factor)

        services: list[Service] = []
        pairs: list[Pair] = []
        for number, patient in enumerate(data["patients"]):
            opens, due = (units(each) for each in patient["time_window"])
            needs = patient["required_caregivers"]
            services += [
                Service(
                    patient["id"],
                    number + 1,
                    need["service"],
                    units(need["duration"]),
                    opens,
                    due,
                )
                for need in needs
            ]
            if len(needs) == 2:
                how = patient["synchronization"]
                least, most = (0, 0) if how["type"] == "simultaneous" else how["distance"]
                first = len(services) - 2
                pairs.append(Pair(first, first + 1, units(least), units(most)))
        return CareDay(
            name=path.stem,
            factor=factor,
            distances=tuple(tuple(units(one) for one in row) for row in distances),
            abilities=tuple(frozenset(each["abilities"]) for each in data["caregivers"]),
            caregivers=tuple(each["id"] for each in data["caregivers"]),
            services=tuple(services),
            pairs=tuple(pairs),
        )

    def problem(self) -> DayProblem:
        travel = np.array(self.distances, dtype=np.int32)
        np.fill_diagonal(travel, 0)
        last = (LONGEST_DAYS + 1) * DAY_S
        drop = must_be_served(travel)
        kinds = sorted({kind for each in self.abilities for kind in each})
        names = [str(number) for number in range(len(self.caregivers))]
        return DayProblem(
            first_midnight=FIRST_MIDNIGHT,
            zone="UTC",
            days=LONGEST_DAYS,
            travel_s=travel,
            travel_m=travel,
            technicians=tuple(Technician(name) for name in names),
            shifts=tuple(
                Shift(
                    id=name,
                    technician=name,
                    day=0,
                    start_place=0,
                    end_place=0,
                    opens=0,
                    closes=last,
                    skills=tuple((kind, 1) for kind in sorted(able)),
                )
                for name, able in zip(names, self.abilities, strict=True)
            ),
            visits=tuple(
                Visit(
                    id=str(number),
                    place=service.place,
                    duration_s=service.duration,
                    windows=((service.opens, last),),
                    drop_cost=drop,
                    due=service.due,
                    skills=((service.kind, 1),),
                )
                for number, service in enumerate(self.services)
            ),
            skills=tuple(kinds),
            crews=tuple(
                Crew(str(pair.first), str(pair.second))
                for pair in self.pairs
                if pair.least == pair.most == 0
            ),
            links=tuple(
                Link(
                    str(pair.first),
                    str(pair.second),
                    least_gap_s=pair.least,
                    greatest_gap_s=pair.most,
                    other_technician=True,
                    all_or_none=True,
                )
                for pair in self.pairs
                if (pair.least, pair.most) != (0, 0)
            ),
            weights=replace(DISTANCE_ALONE, late_permille=1_000, greatest_lateness_permille=1_000),
        )

    def judge(self, tours: Tours) -> Verdict:
        complaints = Complaints()
        complaints.each_once(tours, len(self.caregivers), len(self.services), all_of_them=True)
        who: dict[int, int] = {}
        distance = 0
        for caregiver, tour in tours.items():
            places = [0, *(self.services[visit].place for visit in tour), 0]
            distance += sum(self.distances[one][other] for one, other in pairwise(places))
            for visit in tour:
                who[visit] = caregiver
                if self.services[visit].kind not in self.abilities[caregiver]:
                    complaints.say(f"Caregiver {caregiver} is not able to do service {visit}.")
        for pair in self.pairs:
            if pair.first in who and who[pair.first] == who.get(pair.second):
                complaints.say(f"Services {pair.first} and {pair.second} are done by one person.")
        begins = self._earliest(tours, complaints)
        late = [max(0, begins[visit] - self.services[visit].due) for visit in begins]
        total = distance + sum(late) + max(late, default=0)
        return Verdict(round(total / self.factor / 3, 3), tuple(complaints.said))

    def _earliest(self, tours: Tours, complaints: Complaints) -> dict[int, int]:
        """Return when each service begins at the earliest that order and pairs allow.

        Every condition is "no earlier than another plus something", so all of them have one least
        solution, which is at once the least late; where rounds go on raising it, there is none.
        """
        begins = {visit: self.services[visit].opens for tour in tours.values() for visit in tour}
        after: list[tuple[int, int, int]] = []
        for tour in tours.values():
            if tour:
                place = self.services[tour[0]].place
                begins[tour[0]] = max(begins[tour[0]], self.distances[0][place])
            for one, other in pairwise(tour):
                before, service = self.services[one], self.services[other]
                leg = self.distances[before.place][service.place]
                after.append((one, other, before.duration + leg))
        for pair in self.pairs:
            if pair.first in begins and pair.second in begins:
                after.append((pair.first, pair.second, pair.least))
                after.append((pair.second, pair.first, -pair.most))
        for _ in range(len(begins) + 1):
            changed = False
            for one, other, gap in after:
                if begins[one] + gap > begins[other]:
                    begins[other] = begins[one] + gap
                    changed = True
            if not changed:
                return begins
        complaints.say("No timetable keeps these orders and the pairs together.")
        return begins


def read_tours(day: CareDay, path: Path) -> dict[int, list[int]]:
    """Return the tours of a published plan."""
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    number = {(each.patient, each.kind): index for index, each in enumerate(day.services)}
    return {
        day.caregivers.index(route["caregiver_id"]): [
            number[stop["patient"], stop["service"]] for stop in route.get("locations", [])
        ]
        for route in data["routes"]
    }
