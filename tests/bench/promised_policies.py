"""Ways to plan: the planner with promised windows, the nearest visit next, territories made by hand."""

from __future__ import annotations

import heapq
from dataclasses import replace

import numpy as np

from scheduler.engine import plan_day
from scheduler.problem import DayProblem, Pin, Promise, Published, Shift, Visit
from scheduler.promises.arrivals import Forecast
from scheduler.promises.windows import GRID_S, Calibration, Corrected, Model, Outlook, Window
from scheduler.slots import offers, risks
from scheduler.underway import Underway, continued
from tests.bench.promised_days import EVENING_S, HOUR, Day, Person
from tests.bench.promised_world import CLOSES, OPENS, OVERTIME_S, SITES, Job

LAST_S = 24 * HOUR - 1
PLANNED_OVERTIME_S = 1_800


class Planner:
    """The product: the search in the evening, windows by what its errors have taught, repairs on the day."""

    def __init__(self, model: Model, *, iterations: int) -> None:
        self.model = model
        self.iterations = iterations

    def evening(self, day: Day, jobs: list[Job]) -> None:
        shifts = tuple(
            replace(shift, overtime_limit_s=PLANNED_OVERTIME_S) for shift in day.world.shifts
        )
        problem = _problem(day, shifts, tuple(_visit(job, OPENS) for job in jobs))
        plan = plan_day(problem, iterations=self.iterations, engine="search")
        outlook = self._outlook(day, problem, EVENING_S)
        for job_id, window in outlook.announced(plan.routes).items():
            day.tell(job_id, window, EVENING_S)
        numbers = {shift.id: number for number, shift in enumerate(shifts)}
        for route in plan.routes:
            person = day.people[numbers[route.shift]]
            person.queue = [stop.visit for stop in route.stops if stop.visit is not None]
            person.leaves_at = max(OPENS, route.leave)

    def urgent(self, day: Day, job: Job, now: int) -> bool:
        problem = _underway(day, now, job)
        outlook = self._outlook(day, problem, now)
        found = offers(problem, job.id, [(now, LAST_S)], 1, outlook, fixed=False)
        if not found or found[0].slot.at_risk:
            return False
        offer = found[0]
        self._give(day, job.id, offer.slot.shift, offer.slot.position, now)
        day.tell(job.id, offer.window, now)
        return True

    def review(self, day: Day, now: int) -> None:
        """Hand on what has become unsure, one visit at a time."""
        for _ in range(3):
            problem = _underway(day, now)
            found = risks(problem, self._outlook(day, problem, now), most=3)
            cure = next((each for each in found if each.cure is not None), None)
            if cure is None or cure.cure is None:
                return
            self._give(day, cure.visit, cure.cure.shift, cure.cure.position, now)
            day.result.handed_on += 1

    def _outlook(self, day: Day, problem: DayProblem, now: int) -> Outlook:
        kinds = {job.id: job.kind for job in day.jobs.values()}
        return Outlook(problem, self.model, kinds, told_at=now)

    def _give(self, day: Day, job_id: str, shift: str, position: int, now: int) -> None:
        for person in day.people:
            if job_id in person.queue:
                person.queue.remove(job_id)
        person = day.people[int(shift[1:])]
        begun = int(person.job is not None)
        person.queue.insert(position - begun, job_id)
        if person.at_home:
            person.leaves_at = min(person.leaves_at, max(now, OPENS))
        day.wake(person, now)


class Nearest:
    """Whoever is free goes to the nearest visit; windows lie around the planned instants."""

    def __init__(self, width_s: int) -> None:
        self.width_s = width_s

    def may(self, day: Day, person: Person, job: Job, *, is_lent: bool = False) -> bool:
        known = {trade for trade, _ in day.world.shifts[person.number].skills}
        return all(trade in known for trade, _ in job.skills)

    def evening(self, day: Day, jobs: list[Job]) -> None:
        left = {job.id: job for job in sorted(jobs, key=lambda each: (each.known_on, each.id))}
        free = [(OPENS, person.number, person.place, False) for person in day.people]
        for is_lent in (False, True):
            free = self._hand_out(day, left, free, is_lent=is_lent)

    def _hand_out(
        self,
        day: Day,
        left: dict[str, Job],
        free: list[tuple[int, int, int, bool]],
        *,
        is_lent: bool,
    ) -> list[tuple[int, int, int, bool]]:
        """Let whoever is free first take the nearest visit, until none fits; return where all then are."""
        travel = day.world.travel_s
        heapq.heapify(free)
        through: list[tuple[int, int, int, bool]] = []
        while free:
            now, number, place, rested = heapq.heappop(free)
            person = day.people[number]
            if not rested and now >= 12 * HOUR:
                now, rested = now + 1_800, True
            can = [
                job
                for job in left.values()
                if self.may(day, person, job, is_lent=is_lent)
                and now
                + int(travel[place, job.site])
                + job.estimate_s
                + int(travel[job.site, SITES + number])
                <= CLOSES + PLANNED_OVERTIME_S
            ]
            if not can:
                through.append((now, number, place, rested))
                continue
            job = min(can, key=lambda each: (int(travel[place, each.site]), each.id))
            del left[job.id]
            begins = now + int(travel[place, job.site])
            person.queue.append(job.id)
            day.tell(job.id, self._around(begins), EVENING_S)
            heapq.heappush(free, (begins + job.estimate_s, number, job.site, rested))
        return through

    def urgent(self, day: Day, job: Job, now: int) -> bool:
        people = [each for each in day.people if self.may(day, each, job) and now < CLOSES]
        if not people:
            return False
        travel = day.world.travel_s

        def there(person: Person) -> int:
            place, free = person.place, max(now, person.free_at)
            if person.job is not None:
                place = person.job.site
                free = max(now, person.begins_at + person.job.estimate_s)
            return free + int(travel[place, job.site])

        person = min(people, key=lambda each: (there(each), each.number))
        if there(person) + job.estimate_s > CLOSES + OVERTIME_S:
            return False
        day.tell(job.id, self._around(there(person)), now)
        person.queue.insert(0, job.id)
        day.wake(person, now)
        return True

    def review(self, day: Day, now: int) -> None:
        """Nobody looks again."""

    def _around(self, begins: int) -> Window:
        """Return a window of the usual width, a third of it before the planned instant: late is commoner."""
        opens = max(OPENS, (begins - self.width_s // 3) // GRID_S * GRID_S)
        closes = opens + -(-self.width_s // GRID_S) * GRID_S
        foreseen = Corrected(Forecast(np.array([float(begins)])), Calibration(), 0)
        return Window(opens, closes, 1.0, foreseen)


class Territories(Nearest):
    """Everybody goes to the nearest visit where they belong; who has time left is lent to the others."""

    def may(self, day: Day, person: Person, job: Job, *, is_lent: bool = False) -> bool:
        theirs = day.world.technician_territory(person.number)
        return (is_lent or theirs == job.territory) and super().may(day, person, job)


def _visit(job: Job, opens: int) -> Visit:
    return Visit(
        id=job.id,
        place=job.site,
        duration_s=job.estimate_s,
        windows=((opens, LAST_S),),
        priority=2 if job.attempt or job.urgent_at is not None else 3,
        skills=job.skills,
        territory=job.territory,
    )


def _problem(
    day: Day, shifts: tuple[Shift, ...], visits: tuple[Visit, ...], **fields: object
) -> DayProblem:
    world = day.world
    nothing = DayProblem(
        first_midnight="2026-03-02T00:00:00+00:00",
        zone="UTC",
        days=1,
        travel_s=world.travel_s,
        travel_m=world.travel_m,
        technicians=world.technicians,
        shifts=shifts,
        visits=visits,
        skills=("installation", "repair"),
    )
    return replace(nothing, **fields)


def _underway(day: Day, now: int, extra: Job | None = None) -> DayProblem:
    """Return the rest of the day as it stands now, with one more visit to place."""
    visits: list[Visit] = []
    pins: list[Pin] = []
    published: list[Published] = []
    shifts: list[Shift] = []
    for person in day.people:
        shift = replace(day.world.shifts[person.number], overtime_limit_s=OVERTIME_S + 2 * HOUR)
        if person.has_rested:
            shift = replace(shift, breaks=())
        place, since, begun = person.place, max(now, OPENS), ()
        if person.at_home:
            since = max(since, person.back_at)
        elif person.job is None:
            since = max(now, person.free_at)
        else:
            visit, pin, place, since = _in_hand(day, person, person.job, now)
            begun = (visit,)
            visits.append(visit)
            pins.append(pin)
            published.append(Published(visit.id, shift.technician, 0, now))
        shifts.append(continued(shift, Underway(place, since, begun, ())))
        for number, job_id in enumerate(person.queue):
            told = day.told[job_id].window
            visits.append(
                replace(
                    _visit(day.jobs[job_id], min(now, told.opens)),
                    promise=Promise(told.opens, told.closes, told.probability),
                    drop_cost=100_000,
                )
            )
            published.append(Published(job_id, shift.technician, 0, now + 1 + number))
    if extra is not None:
        visits.append(_visit(extra, now))
    return _problem(
        day,
        tuple(shifts),
        tuple(visits),
        pins=tuple(pins),
        published=tuple(published),
        now=now,
        may_break_promises=True,
    )


def _in_hand(day: Day, person: Person, job: Job, now: int) -> tuple[Visit, Pin, int, int]:
    """Return the visit somebody is at or on the way to, its pin, and from where and when they go on."""
    technician = f"t{person.number}"
    if now >= person.arrives_at:
        since = person.begins_at
        end = max(since + job.estimate_s, now)
        visit = replace(
            _visit(job, since), windows=((since, since),), duration_s=end - since, skills=()
        )
        return visit, Pin(visit.id, technician, start=since, begun=True), job.site, since
    drive = int(day.world.travel_s[person.place, job.site])
    visit = _visit(job, min(now, person.left_at))
    if job.id in day.told:
        told = day.told[job.id].window
        visit = replace(visit, promise=Promise(told.opens, told.closes, told.probability))
    since = max(person.left_at, now - drive)
    return visit, Pin(visit.id, technician), person.place, since
