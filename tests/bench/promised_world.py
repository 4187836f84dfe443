"""A made-up service company: its sites, people and jobs, and how its days really go.

The planner knows none of the latter: how slow the roads are at which hour, how long which work takes, who
is slow today, what happens on the way. Every job draws its own luck: the policies compared meet the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import exp

import numpy as np

from scheduler.problem import Break, Shift, Technician

HOUR = 3_600
OPENS, CLOSES = 8 * HOUR, 17 * HOUR
OVERTIME_S = 3 * HOUR
BREAK = Break(int(11.5 * HOUR), int(13.5 * HOUR), 1_800)

SIDE_KM = 50.0
TERRITORIES = ("north-west", "north-east", "south-west", "south-east")
SITES = 400

KINDS = {
    # estimate in minutes, how long it really takes against it, spread, share of jobs, trade
    "inspection": (30, 0.95, 0.18, 0.35, None),
    "repair": (55, 1.05, 0.38, 0.40, "repair"),
    "installation": (90, 1.08, 0.25, 0.25, "installation"),
}
HOURS_SLOWER = {"morning": 1.12, "day": 0.98, "evening": 1.18}
TERRITORY_SLOWER = (1.0, 1.12, 0.95, 1.05)


@dataclass(slots=True)
class Job:
    """Work for somebody, with the luck of its visits: one row for each attempt."""

    id: str
    site: int
    territory: str
    kind: str
    known_on: int
    """The day in whose evening it can be planned first; an urgent one's own day."""
    urgent_at: int | None
    cancelled_at: int | None
    """Second of the day of its first visit."""
    luck: list[tuple[float, float, bool]] = field(default_factory=list)
    """Travel and work as factors, nobody there."""
    attempt: int = 0

    @property
    def estimate_s(self) -> int:
        return KINDS[self.kind][0] * 60

    @property
    def skills(self) -> tuple[tuple[str, int], ...]:
        trade = KINDS[self.kind][4]
        return () if trade is None else ((trade, 1),)

    @property
    def now(self) -> tuple[float, float, bool]:
        return self.luck[min(self.attempt, len(self.luck) - 1)]


class World:
    """A company drawn by a seed."""

    def __init__(self, seed: int, *, people: int, jobs: int, days: int) -> None:
        lot = np.random.default_rng([seed, 1])
        self.days = days
        self.people = people
        towns = lot.uniform(0.1, 0.9, (8, 2)) * SIDE_KM
        near = towns[lot.integers(0, len(towns), SITES)] + lot.normal(0, 3.5, (SITES, 2))
        spread = lot.uniform(0, SIDE_KM, (SITES, 2))
        where = np.where(lot.random((SITES, 1)) < 0.7, near, spread).clip(0, SIDE_KM)
        homes = np.array([_quadrant(number % 4) for number in range(people)])
        homes = homes + lot.uniform(-0.35, 0.35, (people, 2)) * SIDE_KM / 2
        self.at = np.concatenate([where, homes])
        km = np.hypot(*(self.at[:, None] - self.at[None, :]).transpose(2, 0, 1)) * 1.35
        self.travel_s = np.rint(np.where(km < 4, km / 28, 4 / 28 + (km - 4) / 55) * 3_600)
        self.travel_s = np.maximum(self.travel_s, 90).astype(np.int32)
        np.fill_diagonal(self.travel_s, 0)
        self.travel_m = np.rint(km * 1_000).astype(np.int32)
        self.technicians = tuple(Technician(f"t{number}") for number in range(people))
        self.shifts = tuple(
            Shift(
                id=f"t{number}",
                technician=f"t{number}",
                day=0,
                start_place=SITES + number,
                end_place=SITES + number,
                opens=OPENS,
                closes=CLOSES,
                overtime_limit_s=OVERTIME_S,
                skills=_trades(number),
                breaks=(BREAK,),
            )
            for number in range(people)
        )
        # How slow people and days are: a person's pace, a person's day, everybody's day.
        self.pace = np.exp(lot.normal(0, 0.06, (people, 1)) + lot.normal(0, 0.07, (people, days)))
        self.traffic = np.exp(lot.normal(0, 0.06, (1, days)) + lot.normal(0, 0.05, (people, days)))
        self.jobs = [self._job(lot, number, day) for day in range(days) for number in range(jobs)]

    def _job(self, lot: np.random.Generator, number: int, day: int) -> Job:
        kind = str(lot.choice(list(KINDS), p=[each[3] for each in KINDS.values()]))
        site = int(lot.integers(0, SITES))
        urgent = lot.random() < 0.06
        luck = []
        for _ in range(3):
            trip = exp(lot.normal(0, 0.16)) * (lot.uniform(1.4, 2.4) if lot.random() < 0.03 else 1)
            spread = KINDS[kind][2]
            work = KINDS[kind][1] * exp(lot.normal(-(spread**2) / 2, spread))
            luck.append((trip, work, bool(lot.random() < 0.03)))
        cancelled = int(lot.uniform(7, 15) * HOUR) if lot.random() < 0.02 else None
        return Job(
            id=f"d{day}-{number}",
            site=site,
            territory=self.territory_of(site),
            kind=kind,
            known_on=day,
            urgent_at=int(lot.uniform(8.2, 14.5) * HOUR) if urgent else None,
            cancelled_at=None if urgent else cancelled,
            luck=luck,
        )

    def territory_of(self, place: int) -> str:
        x, y = self.at[place]
        return TERRITORIES[int(x > SIDE_KM / 2) + 2 * int(y > SIDE_KM / 2)]

    def technician_territory(self, number: int) -> str:
        return self.territory_of(SITES + number)

    def drive_s(self, day: int, technician: int, begin: int, at: int, job: Job) -> int:
        """Return how long the way to a job, begun at a second of the day, really takes."""
        base = int(self.travel_s[begin, job.site])
        there = TERRITORY_SLOWER[TERRITORIES.index(job.territory)]
        return round(base * self.slowness(day, technician, at) * there * job.now[0])

    def home_s(self, day: int, technician: int, begin: int, at: int) -> int:
        base = int(self.travel_s[begin, SITES + technician])
        return round(base * self.slowness(day, technician, at))

    def slowness(self, day: int, technician: int, at: int) -> float:
        hour = at // HOUR
        band = "morning" if hour < 10 else "day" if hour < 16 else "evening"
        return float(HOURS_SLOWER[band] * self.traffic[technician, day])

    def work_s(self, day: int, technician: int, job: Job) -> int:
        return max(300, round(job.estimate_s * job.now[1] * float(self.pace[technician, day])))


def _quadrant(number: int) -> tuple[float, float]:
    return SIDE_KM * (0.25 + 0.5 * (number % 2)), SIDE_KM * (0.25 + 0.5 * (number // 2))


def _trades(number: int) -> tuple[tuple[str, int], ...]:
    """Return what a person can: two of three do repairs, two of three installations, all inspections."""
    turn = number // 4 % 3
    known = [("repair", turn != 0), ("installation", turn != 1)]
    return tuple((trade, 1) for trade, has in known if has)
