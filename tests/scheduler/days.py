"""Days to plan: small ones drawn at random, and one a person can read."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from scheduler.problem import (
    Absence,
    Break,
    Crew,
    DayProblem,
    Depot,
    Link,
    Pin,
    Promise,
    Published,
    Shift,
    Technician,
    Visit,
    Weights,
)

HOUR = 3_600
SKILLS = ("electric", "hydraulic")
PLACES = 7


def on_a_line(minutes: list[int]) -> np.ndarray[Any, np.dtype[np.int32]]:
    """Return travel times between places at these minutes along one straight road."""
    at = np.array(minutes, dtype=np.int32) * 60
    return np.abs(at[:, None] - at[None, :])


def a_day(
    visits: tuple[Visit, ...],
    shifts: tuple[Shift, ...] | None = None,
    minutes: tuple[int, ...] = (0, 10, 20, 30, 40),
    **fields: Any,
) -> DayProblem:
    """Return a day of places along a road, worked 8:00 to 17:00 by Ann from place 0 unless told."""
    travel = on_a_line(list(minutes))
    shifts = shifts or (a_shift(),)
    names = dict.fromkeys(shift.technician for shift in shifts)
    fields.setdefault("technicians", tuple(Technician(name, name.capitalize()) for name in names))
    fields.setdefault("skills", SKILLS)
    return DayProblem(
        first_midnight="2026-03-02T00:00:00+01:00",
        zone="Europe/Berlin",
        days=fields.pop("days", 1),
        travel_s=travel,
        travel_m=travel * 10,
        shifts=shifts,
        visits=visits,
        **fields,
    )


def a_shift(technician: str = "ann", **fields: Any) -> Shift:
    given = {"day": 0, "start_place": 0, "end_place": 0, "opens": 8 * HOUR, "closes": 17 * HOUR}
    given.update(fields)
    return Shift(id=given.pop("id", f"{technician}-{given['day']}"), technician=technician, **given)


def a_visit(name: str, place: int, **fields: Any) -> Visit:
    given = {"duration_s": HOUR, "windows": ((8 * HOUR, 17 * HOUR),)}
    given.update(fields)
    return Visit(id=name, place=place, **given)


def _some(draw: st.DrawFn, chance: int) -> bool:
    """Return True once in about `chance` draws, False being the simplest."""
    return draw(st.integers(0, chance - 1)) == chance - 1


@st.composite
def shifts(draw: st.DrawFn, number: int, day: int) -> Shift:
    midnight = day * 86_400
    opens = midnight + draw(st.integers(6, 10)) * HOUR
    closes = opens + draw(st.integers(5, 9)) * HOUR
    breaks: tuple[Break, ...] = ()
    if draw(st.booleans()):
        earliest = opens + draw(st.integers(0, 2)) * HOUR
        span = draw(st.sampled_from((0, 1_800, 2 * HOUR)))
        breaks = (Break(earliest, earliest + span, draw(st.sampled_from((900, 1_800)))),)
    if breaks and _some(draw, 4):
        breaks += (Break(opens + HOUR, closes - HOUR, 600),)
    absences: tuple[Absence, ...] = ()
    if _some(draw, 4):
        start = opens + draw(st.integers(0, 2)) * HOUR + draw(st.sampled_from((0, 1_200)))
        place = draw(st.sampled_from((None, 1)))
        absences = (Absence(start, start + draw(st.sampled_from((900, HOUR))), place),)
    return Shift(
        id=f"t{number}-{day}",
        technician=f"t{number}",
        day=day,
        start_place=draw(st.integers(0, PLACES - 1)),
        end_place=draw(st.integers(0, PLACES - 1)),
        opens=opens,
        closes=closes,
        overtime_limit_s=draw(st.sampled_from((0, HOUR))),
        efficiency_percent=draw(st.sampled_from((100, 80, 130))),
        efficiency_by_kind=draw(st.sampled_from(((), (("wiring", 60),)))),
        rate_permille=draw(st.sampled_from((0, 150))),
        territory=draw(st.sampled_from((None, "north", "south"))),
        stays_in_territory=_some(draw, 4),
        skills=tuple((skill, draw(st.integers(1, 3))) for skill in SKILLS if draw(st.booleans())),
        breaks=breaks,
        absences=absences,
    )


@st.composite
def visits(draw: st.DrawFn, name: str, people: int, days: int) -> Visit:
    windows = []
    for day in range(days):
        begins = day * 86_400 + draw(st.integers(6, 16)) * HOUR
        windows.append((begins, begins + draw(st.sampled_from((0, 1_800, 2 * HOUR)))))
        if draw(st.booleans()):
            windows.append((begins + 3 * HOUR, begins + 3 * HOUR + draw(st.integers(0, HOUR))))
    who = st.lists(st.integers(0, people - 1).map("t{}".format), max_size=1).map(tuple)
    opens = windows[0][0]
    return Visit(
        id=name,
        place=draw(st.integers(0, PLACES - 1)),
        duration_s=draw(st.sampled_from((1_800, 0, 1_799, 2 * HOUR))),
        kind=draw(st.sampled_from((None, "wiring"))),
        windows=tuple(windows),
        priority=draw(st.integers(1, 5)),
        drop_cost=draw(st.sampled_from((None, 0, 500))),
        promise=Promise(opens, opens + draw(st.integers(0, HOUR))) if _some(draw, 3) else None,
        due=opens + draw(st.integers(-HOUR, HOUR)) if _some(draw, 3) else None,
        required=draw(who) if _some(draw, 4) else (),
        forbidden=draw(who) if _some(draw, 4) else (),
        preferred=draw(who),
        skills=tuple((skill, draw(st.integers(1, 3))) for skill in SKILLS if _some(draw, 3)),
        parts=(("belt", draw(st.integers(1, 2))),) if _some(draw, 3) else (),
        territory=draw(st.sampled_from((None, "north", "south"))),
    )


@st.composite
def days(draw: st.DrawFn) -> DayProblem:
    """A valid problem with every kind of rule in it, small enough to plan in a blink."""
    horizon, people = draw(st.integers(1, 2)), draw(st.integers(1, 3))
    team = tuple(draw(shifts(number, day)) for number in range(people) for day in range(horizon))
    jobs = tuple(
        draw(visits(f"v{number}", people, horizon)) for number in range(draw(st.integers(0, 8)))
    )
    cells = st.integers(0, 3_000)
    travel = np.array([[draw(cells) for _ in range(PLACES)] for _ in range(PLACES)])
    np.fill_diagonal(travel, 0)
    problem = DayProblem(
        first_midnight="2026-03-02T00:00:00+01:00",
        zone="Europe/Berlin",
        days=horizon,
        travel_s=travel,
        travel_m=travel * 11,
        technicians=tuple(
            Technician(
                f"t{number}",
                stock=(("belt", draw(st.integers(0, 3))),),
                target_work_s=draw(st.sampled_from((None, 4 * HOUR))),
            )
            for number in range(people)
        ),
        shifts=team,
        visits=jobs,
        skills=SKILLS,
        may_break_promises=draw(st.booleans()),
        weights=draw(
            st.sampled_from(
                (Weights(), Weights(waiting_permille=0, greatest_lateness_permille=333))
            )
        ),
    )
    return draw(decided(problem))


@st.composite
def decided(draw: st.DrawFn, problem: DayProblem) -> DayProblem:
    """Add what people have decided: pins, a fixed beginning, links, a published plan."""
    names = [visit.id for visit in problem.visits]
    if len(names) < 4:
        return problem
    pins, crews, links, published = [], [], [], []
    team = list(problem.shifts)
    if _some(draw, 3):
        visit = problem.visits[0]
        technician = draw(st.sampled_from((None, "t0")))
        start = draw(st.sampled_from((None, visit.windows[0][0]))) if technician else None
        if technician:
            pins.append(Pin(visit.id, technician, start))
        else:
            pins.append(Pin(visit.id, start=visit.windows[0][1]))
    if _some(draw, 4):
        team[-1] = replace(team[-1], prefix=tuple(names[1:3]))
    if _some(draw, 4):
        crews.append(Crew(names[2], names[3]))
    if _some(draw, 4):
        links.append(Link(names[0], names[3], ordered=True, all_or_none=True))
    for name in names:
        if _some(draw, 3):
            shift = draw(st.sampled_from(team))
            published.append(
                Published(
                    name, shift.technician, shift.day, shift.opens + draw(st.integers(0, HOUR))
                )
            )
    return replace(
        problem,
        shifts=tuple(team),
        pins=tuple(pins),
        crews=tuple(crews),
        links=tuple(links),
        published=tuple(published),
    )


@st.composite
def fuller_days(draw: st.DrawFn) -> DayProblem:
    """A valid problem that has depots, longest tours and gaps between visits as well."""
    problem = draw(days())
    links = list(problem.links)
    if len(problem.visits) > 1 and _some(draw, 3):
        links.append(
            Link(
                problem.visits[1].id,
                problem.visits[0].id,
                least_gap_s=draw(st.sampled_from((None, -HOUR, HOUR))),
                greatest_gap_s=draw(st.sampled_from((None, 4 * HOUR))),
                same_technician=draw(st.booleans()),
                same_day=draw(st.booleans()),
            )
        )
    return replace(
        problem,
        shifts=tuple(
            replace(shift, longest_s=5 * HOUR if _some(draw, 4) else None)
            for shift in problem.shifts
        ),
        links=tuple(links),
        depots=draw(st.sampled_from(((), (Depot(PLACES - 1, ("belt",), 300),)))),
    )


def dispatch_day(name: str) -> DayProblem:
    """Return one of the published days of the format `dispatch/1`; skip where there is no data."""
    root = os.environ.get("FSM_TEST_DATA")
    path = Path(root or "/nonexistent") / "instances" / "dispatch" / f"{name}.json"
    if not path.is_file():
        pytest.skip(f"FSM_TEST_DATA names no folder with instances/dispatch/{name}.json")
    data = json.loads(path.read_text())
    where = np.array(data["places"])
    metres = np.hypot(*(where[:, None] - where[None, :]).transpose(2, 0, 1))
    metres *= data["travel"]["detour"]
    people, jobs = data["technicians"], data["visits"]
    team = [
        Shift(
            id=f"s{number}",
            technician=f"t{number}",
            day=0,
            start_place=people["start"][number],
            end_place=people["end"][number],
            opens=people["shift_start"][number],
            closes=people["shift_end"][number],
            skills=tuple(sorted(data["archetypes"][people["archetype"][number]].items())),
        )
        for number in range(len(people["start"]))
    ]
    return DayProblem(
        first_midnight="2026-03-02T00:00:00+00:00",
        zone="UTC",
        days=1,
        travel_s=np.floor(metres / data["travel"]["metres_per_second"]),
        travel_m=np.floor(metres),
        technicians=tuple(Technician(shift.technician) for shift in team),
        shifts=tuple(team),
        visits=tuple(
            Visit(
                id=f"v{number}",
                place=jobs["place"][number],
                duration_s=jobs["duration"][number],
                windows=tuple((opens, closes) for opens, closes in jobs["windows"][number]),
                priority=jobs["priority"][number],
                drop_cost=jobs["drop_cost"][number],
                skills=tuple(sorted(jobs["skills"][number].items())),
            )
            for number in range(len(jobs["place"]))
        ),
        skills=tuple(sorted({skill for profile in data["archetypes"] for skill in profile})),
        weights=Weights(waiting_permille=0, first_use=0, surplus_level=0),
    )
