"""Days of a made-up company as they happen: plans made the evening before, windows told, visits made.

Whoever plans is given the jobs of the evening and hears of what happens on the day, no more.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from scheduler.promises.errors import Finished
from scheduler.promises.windows import Window, class_of, score
from tests.bench.promised_world import BREAK, CLOSES, HOUR, OPENS, OVERTIME_S, SITES, Job, World

AT_THE_DOOR_S = 600
EVENING_S = -7 * HOUR
"""When windows are told: at five the day before."""
REVIEW_S = 1_200


@dataclass(slots=True)
class Told:
    """A window that was told, and what became of it."""

    window: Window
    told_at: int
    arrived: int | None = None
    is_void: bool = False

    @property
    def like(self) -> str:
        return class_of(self.window.foreseen.middle - self.told_at, self.window.foreseen.spread)

    @property
    def is_kept(self) -> bool:
        return self.arrived is not None and self.arrived <= self.window.closes

    @property
    def score(self) -> float | None:
        if self.arrived is None:
            return None
        return score(self.window.foreseen.middle, self.window.foreseen.spread, self.arrived)


@dataclass(slots=True)
class Person:
    """A technician on one day: what is still to be done, and where they are."""

    number: int
    place: int
    queue: list[str] = field(default_factory=list)
    leaves_at: int = OPENS
    at_home: bool = True
    left_home_at: int | None = None
    free_at: int = OPENS
    paid_s: int = 0
    has_rested: bool = False
    job: Job | None = None
    """What they are on the way to, or at."""
    left_at: int = 0
    arrives_at: int = 0
    begins_at: int = 0
    back_at: int = 0


@dataclass(slots=True)
class Result:
    """What a day came to."""

    told: list[Told] = field(default_factory=list)
    finished: list[Finished] = field(default_factory=list)
    paid_s: int = 0
    made: int = 0
    nobody_there: int = 0
    urgent: int = 0
    urgent_refused: int = 0
    handed_on: int = 0


class Policy(Protocol):
    """How a company plans."""

    def evening(self, day: Day, jobs: list[Job]) -> None:
        """Give people their routes, and customers their windows."""

    def urgent(self, day: Day, job: Job, now: int) -> bool:
        """Take a job that cannot wait into the day, with a window; False: not today."""

    def review(self, day: Day, now: int) -> None:
        """Look at the day."""


class Day:
    """One day as it happens."""

    def __init__(self, world: World, number: int, jobs: Iterable[Job]) -> None:
        self.world = world
        self.number = number
        self.jobs: dict[str, Job] = {job.id: job for job in jobs}
        self.people = [Person(each, SITES + each) for each in range(world.people)]
        self.told: dict[str, Told] = {}
        self.result = Result()
        self.over: set[str] = set()
        """Jobs that need no visit any more."""
        self._events: list[tuple[int, int, str, int | str]] = []
        self._turn = 0

    def tell(self, job_id: str, window: Window, now: int) -> None:
        self.told[job_id] = Told(window, now)
        self.result.told.append(self.told[job_id])

    def run(self, policy: Policy, urgent: Mapping[str, Job]) -> list[Job]:
        """Live through the day; return the jobs that are still to be done."""
        policy.evening(self, list(self.jobs.values()))
        for person in self.people:
            self._at(person.leaves_at, "free", person.number)
        for job in self.jobs.values():
            if (
                job.cancelled_at is not None
                and job.attempt == 0
                and job.known_on == self.number - 1
            ):
                self._at(job.cancelled_at, "cancel", job.id)
        for job in urgent.values():
            assert job.urgent_at is not None, "urgent jobs have a time"
            self.jobs[job.id] = job
            self._at(job.urgent_at, "urgent", job.id)
        for at in range(OPENS, CLOSES + 2 * HOUR, REVIEW_S):
            self._at(at, "review", 0)
        while self._events:
            now, _, what, which = heapq.heappop(self._events)
            if what == "free":
                self._free(self.people[int(which)], now)
            elif what == "cancel":
                self._cancel(str(which))
            elif what == "urgent":
                self._urgent(policy, self.jobs[str(which)], now)
            elif any(person.queue for person in self.people):
                policy.review(self, now)
        self.result.paid_s = sum(person.paid_s for person in self.people)
        return [job for job in self.jobs.values() if job.id not in self.over]

    def wake(self, person: Person, now: int) -> None:
        """Send out somebody who is at home and was given work."""
        if person.at_home:
            self._at(max(now, person.back_at, person.leaves_at), "free", person.number)

    def _at(self, when: int, what: str, which: int | str) -> None:
        self._turn += 1
        heapq.heappush(self._events, (when, self._turn, what, which))

    # --- what happens ---

    def _cancel(self, job_id: str) -> None:
        underway = {person.job.id for person in self.people if person.job is not None}
        if job_id in self.over or job_id in underway:
            return
        self.over.add(job_id)
        if job_id in self.told:
            self.told[job_id].is_void = True
        for person in self.people:
            if job_id in person.queue:
                person.queue.remove(job_id)

    def _urgent(self, policy: Policy, job: Job, now: int) -> None:
        self.result.urgent += 1
        if not policy.urgent(self, job, now):
            self.result.urgent_refused += 1

    def _free(self, person: Person, now: int) -> None:
        """Go on: finish what was in hand, rest, leave for the next, or go home."""
        if person.job is not None:
            if now < person.free_at:
                return  # woken while at work
            self._finish(person)
        elif not person.at_home and now < person.free_at:
            return
        if not person.has_rested and now >= BREAK.earliest and not person.at_home:
            person.has_rested = True
            person.free_at = now + BREAK.length_s
            self._at(person.free_at, "free", person.number)
            return
        while person.queue:
            job = self.jobs[person.queue[0]]
            leave = self._way(person, job, now)
            if leave is None:
                person.queue.pop(0)  # too late for today
                continue
            person.queue.pop(0)
            return
        if not person.at_home:
            home = self.world.home_s(self.number, person.number, person.place, now)
            assert person.left_home_at is not None, "who is out has left"
            person.paid_s += now + home - person.left_home_at
            person.at_home, person.place = True, SITES + person.number
            person.back_at = person.free_at = now + home

    def _way(self, person: Person, job: Job, now: int) -> int | None:
        """Drive to a job and do it; None where it is too late to begin it."""
        world, day = self.world, self.number
        expected = int(world.travel_s[person.place, job.site]) + job.estimate_s
        if now + expected > CLOSES + OVERTIME_S:
            return None
        drive = world.drive_s(day, person.number, person.place, now, job)
        arrive = now + drive
        if not person.has_rested and arrive > BREAK.latest:
            person.has_rested = True
            arrive = max(arrive, BREAK.earliest) + BREAK.length_s
        told = self.told.get(job.id)
        begin = arrive
        if told is not None:
            told.arrived = arrive
            begin = max(arrive, told.window.opens)
        if not person.has_rested and begin - max(arrive, BREAK.earliest) >= BREAK.length_s:
            person.has_rested = True
        if person.at_home:
            person.at_home, person.left_home_at = False, now
        person.job, person.left_at, person.arrives_at, person.begins_at = job, now, arrive, begin
        nobody = job.now[2]
        work = AT_THE_DOOR_S if nobody else world.work_s(day, person.number, job)
        person.free_at = begin + work
        self.result.finished.append(
            Finished(
                route=f"{person.number}/{day}",
                territory=job.territory,
                hour=now // HOUR,
                kind=job.kind,
                travel=(float(world.travel_s[person.place, job.site]), float(drive)),
                work=(float(job.estimate_s), float(work)),
                nobody_there=nobody,
            )
        )
        self._at(person.free_at, "free", person.number)
        return now

    def _finish(self, person: Person) -> None:
        job = person.job
        assert job is not None, "asked of somebody at work"
        person.place, person.job = job.site, None
        if job.now[2]:
            self.result.nobody_there += 1
            job.attempt += 1
        else:
            self.result.made += 1
            self.over.add(job.id)


def run_days(world: World, policy: Policy, days: Iterable[int]) -> dict[int, Result]:
    """Live through days; what is left over is planned anew the next evening."""
    results: dict[int, Result] = {}
    left: list[Job] = []
    for number in days:
        jobs = [replace(job) for job in world.jobs if job.known_on in (number - 1, number)]
        known = [job for job in jobs if job.urgent_at is None and job.known_on == number - 1]
        urgent = {
            job.id: job for job in jobs if job.urgent_at is not None and job.known_on == number
        }
        day = Day(world, number, [*left, *known])
        left = day.run(policy, urgent)
        results[number] = day.result
    return results
