"""Days of a field service company: priorities, certificates, more work than hands. Format `dispatch/1`.

Convention `drop-cost-plus-travel`: cost = drop costs of what is left out + seconds of travel.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from scheduler.problem import Break, DayProblem, Shift, Technician, Visit
from tests.bench.scheduler.cases import (
    DISTANCE_ALONE,
    FIRST_MIDNIGHT,
    LUNCH,
    Complaints,
    Tours,
    Verdict,
    days_for,
)

Lunch = tuple[int, int, int]
"""Earliest and latest start, duration."""


@dataclass(frozen=True, slots=True)
class Planar:
    """Straight lines with a detour at one speed."""

    detour: float
    metres_per_second: float


@dataclass(frozen=True)
class DispatchDay:
    """A file's columns as rows."""

    name: str
    travel: Planar | npt.NDArray[np.int32]
    places: tuple[tuple[float, float], ...]
    technicians: tuple[DispatchTechnician, ...]
    visits: tuple[DispatchVisit, ...]
    longest_s: int | None = None
    serves_all: bool = False

    @staticmethod
    def read(path: Path) -> DispatchDay:
        return DispatchDay.of(json.loads(path.read_text(encoding="utf-8")), path.parent)

    @staticmethod
    def of(data: Mapping[str, Any], folder: Path | None = None) -> DispatchDay:
        """Return the day a document holds; `folder` is where its matrix lies."""
        if data.get("format") != "dispatch/1":
            raise ValueError(f"This is no dispatch/1 but {data.get('format')!r}.")
        how, people, work = data["travel"], data["technicians"], data["visits"]
        travel: Planar | npt.NDArray[np.int32]
        if how["kind"] == "planar":
            travel = Planar(float(how["detour"]), float(how["metres_per_second"]))
        elif how["kind"] == "matrix" and folder is not None:
            travel = np.load(folder / how["file"], mmap_mode="r", allow_pickle=False)
        else:
            raise ValueError(f"There is no travel of the kind {how['kind']!r}.")
        lunches = people.get("lunch") or [None] * len(people["start"])
        only = work.get("technician") or [None] * len(work["place"])
        return DispatchDay(
            name=data["name"],
            travel=travel,
            places=tuple((float(x), float(y)) for x, y in data["places"]),
            technicians=tuple(
                DispatchTechnician(
                    start=start,
                    end=end,
                    skills=dict(data["archetypes"][archetype]),
                    opens=opens,
                    closes=closes,
                    lunch=None if lunch is None else tuple(lunch),
                )
                for start, end, archetype, opens, closes, lunch in zip(
                    people["start"],
                    people["end"],
                    people["archetype"],
                    people["shift_start"],
                    people["shift_end"],
                    lunches,
                    strict=True,
                )
            ),
            visits=tuple(
                DispatchVisit(
                    place=place,
                    skills=dict(skills),
                    duration=duration,
                    windows=tuple((opens, closes) for opens, closes in windows),
                    priority=priority,
                    drop_cost=drop_cost,
                    technician=technician,
                )
                for place, skills, duration, windows, priority, drop_cost, technician in zip(
                    work["place"],
                    work["skills"],
                    work["duration"],
                    work["windows"],
                    work["priority"],
                    work["drop_cost"],
                    only,
                    strict=True,
                )
            ),
        )

    def with_lunch(self, lunch: Lunch) -> DispatchDay:
        """Return this day with the same lunch for everybody."""
        return replace(
            self,
            name=f"{self.name}-lunch",
            technicians=tuple(replace(each, lunch=lunch) for each in self.technicians),
        )

    def seconds(self) -> npt.NDArray[np.int32]:
        """Return travel times, shape (places, places)."""
        if isinstance(self.travel, Planar):
            return self._planar(self.travel.detour / self.travel.metres_per_second)
        return np.array(self.travel, dtype=np.int32)

    def metres(self) -> npt.NDArray[np.int32]:
        """Return distances, shape (places, places); of a matrix of times alone, those."""
        return (
            self._planar(self.travel.detour) if isinstance(self.travel, Planar) else self.seconds()
        )

    def problem(self) -> DayProblem:
        skills = {skill for each in self.technicians for skill in each.skills}
        skills |= {skill for each in self.visits for skill in each.skills}
        return DayProblem(
            first_midnight=FIRST_MIDNIGHT,
            zone="UTC",
            days=days_for(max((each.closes for each in self.technicians), default=0)),
            travel_s=self.seconds(),
            # Metres beside seconds, as in production: they cost nothing here but memory.
            travel_m=self.metres(),
            technicians=tuple(Technician(str(number)) for number in range(len(self.technicians))),
            shifts=tuple(
                Shift(
                    id=str(number),
                    technician=str(number),
                    day=0,
                    start_place=each.start,
                    end_place=each.end,
                    opens=each.opens,
                    closes=each.closes,
                    skills=tuple(sorted(each.skills.items())),
                    breaks=() if each.lunch is None else (Break(*each.lunch),),
                )
                for number, each in enumerate(self.technicians)
            ),
            visits=tuple(
                Visit(
                    id=str(number),
                    place=each.place,
                    duration_s=each.duration,
                    windows=each.windows,
                    priority=each.priority,
                    drop_cost=each.drop_cost,
                    required=() if each.technician is None else (str(each.technician),),
                    skills=tuple(sorted(each.skills.items())),
                )
                for number, each in enumerate(self.visits)
            ),
            skills=tuple(sorted(skills)),
            weights=DISTANCE_ALONE,
        )

    def judge(self, tours: Tours) -> Verdict:
        complaints = Complaints()
        done = complaints.each_once(
            tours, len(self.technicians), len(self.visits), all_of_them=False
        )
        travel = sum(
            self._judge_tour(number, list(tour), complaints)
            for number, tour in tours.items()
            if any(stop >= 0 for stop in tour)
        )
        prices = [each.drop_cost for each in self.visits]
        dropped = sum(price for number, price in enumerate(prices) if number not in done)
        served = 1.0 - dropped / max(1, sum(prices))
        return Verdict(dropped + travel, tuple(complaints.said), round(served, 5))

    def _judge_tour(self, number: int, tour: Sequence[int], complaints: Complaints) -> int:
        who = self.technicians[number]
        if tour.count(LUNCH) != (0 if who.lunch is None else 1):
            complaints.say(f"Technician {number} has {tour.count(LUNCH)} lunches.")
        left_at, at, total, is_lunch_due = who.opens, who.start, 0, False
        for stop in tour:
            if stop == LUNCH:
                is_lunch_due = True
                continue
            if not 0 <= stop < len(self.visits):
                continue
            visit = self.visits[stop]
            self._judge_permission(number, stop, complaints)
            leg = self._seconds(at, visit.place)
            arrive = self._arrive(number, left_at, leg, complaints, has_lunch=is_lunch_due)
            begins = next((max(a, arrive) for a, b in visit.windows if arrive <= b), None)
            if begins is None:
                complaints.say(f"Technician {number} is at visit {stop} too late, at {arrive}.")
                begins = arrive
            total, at, is_lunch_due = total + leg, visit.place, False
            left_at = begins + visit.duration
        leg = self._seconds(at, who.end)
        back = self._arrive(number, left_at, leg, complaints, has_lunch=is_lunch_due)
        if back > who.closes:
            complaints.say(f"Technician {number} is back at {back}, after {who.closes}.")
        return total + leg

    def _judge_permission(self, number: int, stop: int, complaints: Complaints) -> None:
        who, visit = self.technicians[number], self.visits[stop]
        if visit.technician not in (None, number):
            complaints.say(f"Visit {stop} is technician {visit.technician}'s, not {number}'s.")
        for skill, level in visit.skills.items():
            if who.skills.get(skill, 0) < level:
                complaints.say(f"Technician {number} lacks skill {skill} for visit {stop}.")

    def _arrive(
        self, number: int, left_at: int, leg: int, complaints: Complaints, *, has_lunch: bool
    ) -> int:
        lunch = self.technicians[number].lunch
        if not has_lunch or lunch is None:
            return left_at + leg
        earliest, latest, duration = lunch
        if max(left_at, earliest) > latest:
            complaints.say(f"Technician {number} has lunch at {left_at}, after {latest}.")
        return max(left_at + leg, earliest) + duration

    def _planar(self, factor: float) -> npt.NDArray[np.int32]:
        """Return straight lines times `factor`, cut off; a row at a time, since large days need gigabytes."""
        at = np.array(self.places, dtype=np.float64)
        found = np.empty((len(at), len(at)), dtype=np.int32)
        for row, one in zip(found, at, strict=True):
            row[:] = factor * np.hypot(*(at - one).T) + 1e-9
        return found

    def _seconds(self, one: int, other: int) -> int:
        if not isinstance(self.travel, Planar):
            return int(self.travel[one, other])
        apart = math.dist(self.places[one], self.places[other])
        return math.floor(self.travel.detour / self.travel.metres_per_second * apart + 1e-9)


@dataclass(frozen=True, slots=True)
class DispatchTechnician:
    start: int
    end: int
    skills: Mapping[str, int]
    opens: int
    closes: int
    lunch: Lunch | None = None


@dataclass(frozen=True, slots=True)
class DispatchVisit:
    place: int
    skills: Mapping[str, int]
    duration: int
    windows: tuple[tuple[int, int], ...]
    priority: int
    drop_cost: int
    technician: int | None = None
