"""Hours as people really keep them: no one's rows keep the others from being planned."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects.postgresql import Range
from sqlmodel import col, delete

from fsm.database import Database
from fsm.technicians import tables as stored
from fsm.technicians.tables import Technician
from scheduler.day_hours import within
from scheduler.problem import Absence, Break
from tests.company import Company
from tests.conftest import Clock
from tests.scheduler.days import HOUR, a_day, a_shift
from tests.scheduler.running import RunningDay, moment, running_day
from tests.scheduler.test_running_day import stops_of


@pytest.fixture
async def day(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> RunningDay:
    return await running_day(client, database, company, clock)


async def hours(
    day: RunningDay, technician: Technician, *spans: tuple[float, float], **fields: Any
) -> None:
    """Give a technician these shifts alone, in hours from now."""
    async with day.database.transaction(day.company.id) as session:
        gone = delete(stored.Shift).where(col(stored.Shift.technician_id) == technician.id)
        await session.exec(gone)
        for opens, closes in spans:
            during = Range(*(day.clock() + timedelta(hours=each) for each in (opens, closes)))
            session.add(
                stored.Shift(
                    tenant_id=day.company.id, technician_id=technician.id, during=during, **fields
                )
            )


async def away(day: RunningDay, technician: Technician, opens: float, closes: float) -> None:
    async with day.database.transaction(day.company.id) as session:
        during = Range(*(day.clock() + timedelta(hours=each) for each in (opens, closes)))
        session.add(
            stored.Absence(tenant_id=day.company.id, technician_id=technician.id, during=during)
        )


async def test_overtime_of_a_split_day_ends_where_its_next_part_begins(day: RunningDay) -> None:
    """8:00 to 12:00 with an hour of overtime, and again from 12:30: the hour is half an hour there."""
    await hours(day, day.one, (-1, 3), (3.5, 8), overtime_s=3_600)
    urgent, other = await day.job("urgent"), await day.job("other")
    plan = await day.plan()
    assert {urgent.number, other.number} == stops_of(plan).keys()
    answer = await day.post("/api/day/urgent-visits", {"work_order_id": str(urgent.id)}, 201)
    assert urgent.number in stops_of(answer["plan"])
    slots = await day.send("GET", f"/api/planning/work-orders/{urgent.id}/slots")
    assert len(slots["slots"]) >= 2


async def test_a_visit_stays_in_its_half_of_a_split_day(day: RunningDay) -> None:
    await hours(day, day.one, (-1, 3), (3.5, 8))
    morning = await day.visit(await day.job("morning"), day.one, 1)
    evening = await day.visit(await day.job("evening"), day.one, 5)
    urgent = await day.job("urgent")
    answer = await day.post("/api/day/urgent-visits", {"work_order_id": str(urgent.id)}, 201)
    starts = {
        stop["visit_id"]: moment(stop["starts_at"])
        for route in answer["plan"]["routes"]
        for stop in route["stops"]
    }
    assert starts[str(morning.id)] < moment("2026-03-23T11:00:00Z"), (
        "moved aside, not to the evening"
    )
    assert starts[str(evening.id)] >= evening.planned_starts_at


async def test_who_is_late_in_one_half_begins_the_next_when_they_are_done(day: RunningDay) -> None:
    await hours(day, day.one, (-1, 3), (3.5, 8))
    late = await day.visit(await day.job("late"), day.one, 0.5, hours=4)
    after = await day.job("after")
    day.clock.forward(minutes=30)
    await day.begin(late)
    await day.send("GET", f"/api/planning/work-orders/{after.id}/slots")
    plan = await day.plan(
        scope={"moves": "all"}, suppose={"absent_technician_ids": [str(day.two.id)]}
    )
    first, second = (
        (moment(route["leaves_at"]), moment(route["back_at"]))
        for route in plan["routes"]
        if route["technician_id"] == str(day.one.id)
    )
    assert first[1] > moment("2026-03-23T11:30:00Z"), (
        "he is back after the second half was to begin"
    )
    assert first[1] <= second[0]
    assert after.number in stops_of(plan)


_REST = {"break_s": 1_800}
AWKWARD: dict[str, tuple[list[tuple[float, float]], dict[str, int]]] = {
    "break after the end": ([(-1, 8)], {"break_earliest_s": 36_000, "break_latest_s": 40_000}),
    "break that is over": ([(-1, 8)], {"break_earliest_s": 0, "break_latest_s": 60}),
    "break at the very end": ([(-1, 0.1)], {"break_earliest_s": 0, "break_latest_s": 4_000}),
    "a day, a night and overtime": ([(13, 37)], {"overtime_s": 43_200}),
    "three parts without a gap": ([(-1, 3), (3, 8), (8, 14)], {"overtime_s": 43_200}),
    "over midnight": ([(-10, -1), (14, 22)], {"overtime_s": 7_200}),
    "over the night in which the clocks change": (
        [(133, 141), (141.5, 150)],
        {"overtime_s": 7_200, "break_earliest_s": 10_000, "break_latest_s": 14_000},
    ),
}


async def test_no_hours_that_a_row_can_hold_keep_the_others_from_being_planned(
    day: RunningDay,
) -> None:
    await day.visit(await day.job("held"), day.one, 1)
    await away(day, day.one, -2, 0.5)
    await away(day, day.one, 2, 3)
    job = await day.job("job")
    whole_week = {"starts_on": "2026-03-23", "ends_on": "2026-03-29"}
    for name, (spans, fields) in AWKWARD.items():
        await hours(day, day.one, *spans, **(_REST | fields))
        plan = await day.plan(iterations=1, **whole_week)
        assert job.number in stops_of(plan), name
        slots = await day.send("GET", f"/api/planning/work-orders/{job.id}/slots?days=7")
        assert slots["slots"], name


async def test_hours_in_a_zone_far_east_begin_with_the_days_that_are_planned(
    day: RunningDay,
) -> None:
    """In Auckland it is morning while the company's yesterday is not over."""
    async with day.database.transaction(day.company.id) as session:
        east = await session.get(Technician, (day.company.id, day.one.id))
        assert east is not None
        east.zone = "Pacific/Auckland"
    await hours(day, day.one, (11, 19), (12 + 24 - 9, 24 + 11), overtime_s=3_600)
    job = await day.job("job")
    plan = await day.plan(starts_on="2026-03-24")
    assert job.number in stops_of(plan)


async def test_a_job_that_contradicts_itself_is_refused_in_words(day: RunningDay) -> None:
    """No door lets such a row in; were there one, the desk would say so instead of breaking."""
    twice = [{"skill": day.company.skill.code, "level": level} for level in (1, 2)]
    job = await day.job("job", skills=twice)
    await day.visit(await day.job("other"), day.one, 1)
    for method, path, body in (
        ("POST", "/api/day/urgent-visits", {"work_order_id": str(job.id)}),
        ("GET", f"/api/planning/work-orders/{job.id}/slots", None),
        ("GET", f"/api/planning/work-orders/{job.id}/windows", None),
    ):
        refused = await day.send(method, path, body, 409)
        assert refused["code"] == "days-contradictory"
        assert refused["rule"] == "duplicate_id"
        assert refused["detail"].startswith("There are 2 skills")


@given(
    st.integers(-40, 40),
    st.integers(0, 24),
    st.integers(0, 12),
    st.integers(-40, 60),
    st.integers(0, 40),
    st.tuples(st.integers(0, 30), st.integers(0, 6), st.integers(1, 3)),
    st.tuples(st.integers(-20, 60), st.integers(1, 9)),
)
def test_what_is_left_of_a_shift_can_always_be_planned(
    opens: int,
    length: int,
    overtime: int,
    after: int,
    span: int,
    rest: tuple[int, int, int],
    absence: tuple[int, int],
) -> None:
    earliest = opens + rest[0]
    shift = a_shift(
        opens=opens * HOUR,
        closes=(opens + length) * HOUR,
        overtime_limit_s=overtime * HOUR,
        breaks=(Break(earliest * HOUR, (earliest + rest[1]) * HOUR, rest[2] * HOUR),),
        absences=(Absence(absence[0] * HOUR, (absence[0] + absence[1]) * HOUR),),
    )
    first, last = max(0, after) * HOUR, min(48, max(0, after) + span) * HOUR
    found = within(shift, first, last)
    if found is None:
        assert min((opens + length + overtime) * HOUR, last) <= max(opens * HOUR, first)
        return
    cut, _ = found
    a_day((), (cut,)).validate()
    assert first <= cut.opens <= cut.closes <= cut.closes + cut.overtime_limit_s <= last
