"""A repair looks at some people: who is required is among them, and nothing is said of the others."""

from datetime import timedelta

import httpx
import pytest
from sqlalchemy.dialects.postgresql import Range

from fsm.database import Database
from fsm.technicians.tables import Absence, Shift, Technician
from tests.company import Company
from tests.conftest import Clock
from tests.scheduler.running import HOME, RunningDay, running_day
from tests.scheduler.test_running_day import stops_of


@pytest.fixture
async def day(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> RunningDay:
    return await running_day(client, database, company, clock)


async def crowd(day: RunningDay, people: int) -> list[Technician]:
    """Let so many more people work today, each farther from everybody's home than the one before."""
    found = []
    async with day.database.transaction(day.company.id) as session:
        for number in range(people):
            one = Technician(
                tenant_id=day.company.id,
                number=f"C-{number:02}",
                name=f"Far {number}",
                zone="Europe/Paris",
                home_latitude=HOME[0] + (number + 1) / 111.2,
                home_longitude=HOME[1],
            )
            session.add(one)
            await session.flush()
            hours = Range(day.clock() - timedelta(hours=1), day.clock() + timedelta(hours=8))
            session.add(Shift(tenant_id=day.company.id, technician_id=one.id, during=hours))
            found.append(one)
    return found


async def test_who_is_required_is_looked_at_however_far_away(day: RunningDay) -> None:
    farthest = (await crowd(day, 24))[-1]
    job = await day.job("job")
    await day.send(
        "PUT", f"/api/planning/work-orders/{job.id}/terms", {"required_ids": [str(farthest.id)]}
    )
    answer = await day.post("/api/day/urgent-visits", {"work_order_id": str(job.id)}, 201)
    assert stops_of(answer["plan"])[job.number][0] == str(farthest.id)
    found = await day.send("GET", f"/api/planning/work-orders/{job.id}/slots")
    assert [slot["technician_id"] for slot in found["slots"]] == [str(farthest.id)]


async def test_more_are_looked_at_before_a_job_is_called_impossible(day: RunningDay) -> None:
    """The nearest are away for most of the day, which shows only when each one's day is read."""
    *near, last = [day.one, day.two, *await crowd(day, 16)]
    async with day.database.transaction(day.company.id) as session:
        for one in near:
            away = Range(day.clock(), day.clock() + timedelta(hours=8))
            session.add(Absence(tenant_id=day.company.id, technician_id=one.id, during=away))
    job = await day.job("job")
    answer = await day.post("/api/day/urgent-visits", {"work_order_id": str(job.id)}, 201)
    assert stops_of(answer["plan"])[job.number][0] == str(last.id)
    found = await day.send("GET", f"/api/planning/work-orders/{job.id}/slots?most=1")
    assert [slot["technician_id"] for slot in found["slots"]] == [str(last.id)]


async def test_what_some_cannot_do_is_not_said_of_everybody(day: RunningDay) -> None:
    gone, near = await day.job("gone"), await day.job("near", north_km=1.1)
    visit = await day.visit(gone, day.one, 2)
    await day.send(
        "PUT", f"/api/planning/work-orders/{near.id}/terms", {"forbidden_ids": [str(day.one.id)]}
    )
    answer = await day.post(
        "/api/day/cancellations", {"visit_id": str(visit.id), "reason": "not wanted"}, 201
    )
    (left,) = [one for one in answer["plan"]["unplanned"] if one["number"] == near.number]
    assert (left["code"], left["in_any_plan"], left["among"]) == ("impossible", False, 1)
    assert "none of the 1 people who were looked at" in left["said"]["en"]
    assert "даже если они свободны" in left["said"]["ru"]
    assert near.number in stops_of(await day.plan()), "somebody else can do it"
