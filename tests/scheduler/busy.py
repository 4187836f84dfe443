"""Days with more work than hours, drawn from a seed: what a search has to choose from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from scheduler.problem import (
    DAY_S,
    Absence,
    Break,
    Crew,
    DayProblem,
    Depot,
    Link,
    Promise,
    Published,
    Shift,
    Technician,
    Visit,
    Weights,
)
from tests.scheduler.days import HOUR, SKILLS

TRAVEL_ALONE = Weights(waiting_permille=0, overtime_permille=0, late_permille=0, balance_permille=0)


def plain(rng: np.random.Generator, people: int = 4, jobs: int = 30, days: int = 1) -> DayProblem:
    """Return a day of skills, people, parts and single windows in a town half an hour wide."""
    at = rng.uniform(0, 1_800, (jobs + people, 2))
    travel = np.hypot(*(at[:, None] - at[None, :]).transpose(2, 0, 1)).astype(np.int32)
    travel += rng.integers(0, 60, travel.shape, dtype=np.int32)  # one-way streets
    np.fill_diagonal(travel, 0)
    technicians = tuple(
        Technician(f"t{number}", stock=(("belt", int(rng.integers(0, 6))),))
        for number in range(people)
    )
    team = tuple(
        Shift(
            id=f"t{number}-{day}",
            technician=f"t{number}",
            day=day,
            start_place=jobs + number,
            end_place=jobs + number,
            opens=day * 86_400 + int(rng.integers(7, 10)) * HOUR,
            closes=day * 86_400 + 16 * HOUR,
            efficiency_percent=int(rng.choice((80, 100, 130))),
            rate_permille=int(rng.choice((0, 150))),
            territory=str(rng.choice(("north", "south"))),
            skills=tuple((skill, int(rng.integers(1, 4))) for skill in SKILLS),
        )
        for number in range(people)
        for day in range(days)
    )
    visits = tuple(_visit(rng, number, people, days) for number in range(jobs))
    return DayProblem(
        first_midnight="2026-03-02T00:00:00+01:00",
        zone="Europe/Berlin",
        days=days,
        travel_s=travel,
        travel_m=travel * 9,
        technicians=technicians,
        shifts=team,
        visits=visits,
        skills=SKILLS,
        weights=TRAVEL_ALONE,
    )


def _visit(rng: np.random.Generator, number: int, people: int, days: int) -> Visit:
    opens = int(rng.integers(0, days)) * 86_400 + int(rng.integers(8, 15)) * HOUR
    somebody = (f"t{rng.integers(0, people)}",)
    return Visit(
        id=f"v{number}",
        place=number,
        duration_s=int(rng.integers(0, 90)) * 60,
        windows=((opens, opens + int(rng.integers(0, 3)) * HOUR),),
        priority=int(rng.integers(1, 6)),
        preferred=somebody if rng.random() < 0.3 else (),
        forbidden=somebody if rng.random() < 0.1 else (),
        skills=((str(rng.choice(SKILLS)), int(rng.integers(1, 3))),) if rng.random() < 0.5 else (),
        parts=(("belt", 1),) if rng.random() < 0.3 else (),
        territory=str(rng.choice(("north", "south"))),
    )


def from_one_depot(rng: np.random.Generator, day: DayProblem) -> DayProblem:
    """Return days of two people who are alike, so many short visits that routes exchange their ends."""
    day = plain(rng, people=2, jobs=60, days=day.days)
    first = day.shifts[0]

    def short(visit: Visit) -> Visit:
        midnight = visit.windows[0][0] // DAY_S * DAY_S
        return replace(
            visit,
            duration_s=120,
            windows=((midnight + 8 * HOUR, midnight + int(rng.integers(12, 17)) * HOUR),),
            preferred=(),
            forbidden=(),
            skills=(),
        )

    return replace(
        day,
        technicians=tuple(replace(each, stock=(("belt", 9),)) for each in day.technicians),
        shifts=tuple(
            replace(
                first,
                id=each.id,
                technician=each.technician,
                day=each.day,
                opens=first.opens + each.day * DAY_S,
                closes=first.closes + each.day * DAY_S,
            )
            for each in day.shifts
        ),
        visits=tuple(short(visit) for visit in day.visits),
    )


def with_breaks(rng: np.random.Generator, day: DayProblem) -> DayProblem:
    """Add lunches, second breaks, meetings without a place and appointments with one."""

    def rested(shift: Shift) -> Shift:
        lunch = Break(shift.opens + 2 * HOUR, shift.opens + 3 * HOUR, 1_800)
        late = Break(shift.closes - 2 * HOUR, shift.closes - HOUR, 900)
        breaks = ((), (lunch,), (lunch, late))[int(rng.integers(0, 3))]
        start = shift.opens + int(rng.integers(60, 240)) * 60
        place = None if rng.random() < 0.5 else int(rng.integers(0, len(day.visits)))
        away = (Absence(start, start + 2_400, place),) if rng.random() < 0.4 else ()
        return replace(shift, breaks=breaks, absences=away)

    return replace(day, shifts=tuple(rested(shift) for shift in day.shifts))


def with_overtime(rng: np.random.Generator, day: DayProblem) -> DayProblem:
    """Let some people stay for up to two hours at a price."""
    return replace(
        day,
        shifts=tuple(
            replace(shift, overtime_limit_s=int(rng.integers(0, 3)) * HOUR) for shift in day.shifts
        ),
        weights=replace(day.weights, overtime_permille=700),
    )


def with_everything(rng: np.random.Generator, day: DayProblem) -> DayProblem:
    """Add further windows, due instants, promises, wishes for balance, a plan in force, longest tours."""

    def wanted(visit: Visit) -> Visit:
        opens, closes = visit.windows[0]
        later = ((closes + HOUR, closes + 2 * HOUR),) if rng.random() < 0.4 else ()
        return replace(
            visit,
            windows=((opens, closes), *later),
            due=opens + int(rng.integers(-60, 90)) * 60 if rng.random() < 0.5 else None,
            promise=Promise(opens, opens + HOUR) if rng.random() < 0.3 else None,
        )

    def limited(shift: Shift) -> Shift:
        return replace(shift, longest_s=6 * HOUR if rng.random() < 0.3 else None)

    return replace(
        day,
        visits=tuple(wanted(visit) for visit in day.visits),
        shifts=tuple(limited(shift) for shift in day.shifts),
        technicians=tuple(
            replace(each, target_work_s=4 * HOUR if rng.random() < 0.7 else None)
            for each in day.technicians
        ),
        published=tuple(
            Published(visit.id, f"t{rng.integers(0, len(day.technicians))}", 0, 9 * HOUR)
            for visit in day.visits
            if rng.random() < 0.2
        ),
        may_break_promises=bool(rng.random() < 0.7),
        weights=Weights(greatest_lateness_permille=int(rng.choice((0, 300)))),
    )


def with_links(rng: np.random.Generator, day: DayProblem) -> DayProblem:
    """Tie half of the visits to each other, in every way there is, and give all more time."""
    patient = tuple(
        replace(
            visit, windows=tuple((opens, closes + 3 * HOUR) for opens, closes in visit.windows[:1])
        )
        for visit in day.visits
    )
    crews: list[Crew] = []
    links: list[Link] = []
    names = [day.visits[number].id for number in rng.permutation(len(day.visits))]
    while len(names) > len(day.visits) // 2:
        one, other = names.pop(), names.pop()
        together = bool(rng.random() < 0.5)
        match int(rng.integers(0, 6)):
            case 0:
                crews.append(Crew(one, other))
            case 1:
                crews += [Crew(one, other), Crew(other, names.pop())]
            case 2:
                one_person = bool(rng.random() < 0.5)
                links.append(
                    Link(one, other, ordered=True, all_or_none=together, same_technician=one_person)
                )
            case 3:
                links.append(
                    Link(
                        one,
                        other,
                        least_gap_s=1_800,
                        greatest_gap_s=2 * HOUR,
                        other_technician=True,
                        all_or_none=True,
                    )
                )
            case 4:
                links.append(Link(one, other, same_day=True, greatest_gap_s=3 * HOUR))
            case _:
                links.append(Link(one, other, least_gap_s=-HOUR, greatest_gap_s=HOUR))
    return replace(day, visits=patient, crews=tuple(crews), links=tuple(links))


def with_depots(rng: np.random.Generator, day: DayProblem) -> DayProblem:
    """Let most visits need parts that vans have few of, or none, and two depots have."""

    def needing(visit: Visit) -> Visit:
        parts = (("belt", int(rng.integers(1, 3))),) if rng.random() < 0.6 else ()
        return replace(visit, parts=(*parts, ("fan", 1)) if rng.random() < 0.3 else parts)

    def stocked(technician: Technician) -> Technician:
        return replace(technician, stock=(("belt", int(rng.integers(0, 3))),))

    one, other = (int(number) for number in rng.integers(0, len(day.visits), 2))
    return replace(
        day,
        visits=tuple(needing(visit) for visit in day.visits),
        technicians=tuple(stocked(technician) for technician in day.technicians),
        depots=(Depot(one, ("belt",), 300), Depot(other, ("belt", "fan"))),
    )
