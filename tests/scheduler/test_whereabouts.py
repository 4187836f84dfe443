"""Plans of a running day begin where technicians were seen, or finished last, whichever is newer."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from fsm.database import Database
from fsm.technicians.tables import Technician, TechnicianPosition
from fsm.work_orders import visits
from fsm.work_orders.tables import WorkOrder
from tests.company import Company
from tests.conftest import Clock
from tests.scheduler.running import HOME, RunningDay, moment, running_day


@pytest.fixture
async def day(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> RunningDay:
    return await running_day(client, database, company, clock)


async def seen(
    day: RunningDay, north_km: float, minutes_ago: int, accuracy_m: float = 20, agreed: bool = True
) -> None:
    """Let the company's technician have been there, as the phone says."""
    async with day.database.transaction(day.company.id) as session:
        boris = await session.get(Technician, (day.company.id, day.one.id))
        assert boris is not None
        boris.position_consent_at = day.clock() - timedelta(days=30) if agreed else None
        await session.merge(
            TechnicianPosition(
                tenant_id=day.company.id,
                technician_id=boris.id,
                fixed_at=day.clock() - timedelta(minutes=minutes_ago),
                latitude=HOME[0] + north_km / 111.2,
                longitude=HOME[1],
                accuracy_m=accuracy_m,
                received_at=day.clock(),
            )
        )


async def urgent(day: RunningDay, job: WorkOrder) -> tuple[str, dict[str, Any]]:
    """Return to whom a job is given that cannot wait, and its stop."""
    answer = await day.post("/api/day/urgent-visits", {"work_order_id": str(job.id)}, 201)
    return next(
        (route["technician_id"], stop)
        for route in answer["plan"]["routes"]
        for stop in route["stops"]
        if stop["number"] == job.number
    )


async def test_a_job_goes_to_whoever_was_seen_next_to_it(day: RunningDay) -> None:
    job = await day.job("job", north_km=20)
    for too_old_or_vague in ((16, 20.0, True), (5, 5_000.0, True), (4, 20.0, False)):
        await seen(day, 20.5, *too_old_or_vague)
        assert (await urgent(day, job))[1]["travel_m"] > 15_000, "from home"
    await seen(day, 20.5, 3)
    whose, stop = await urgent(day, job)
    assert (whose, stop["travel_m"] < 2_000) == (str(day.one.id), True)


async def test_who_finished_after_being_seen_is_where_the_work_ended(day: RunningDay) -> None:
    done = await day.visit(await day.job("done", north_km=-20), day.one, -1)
    await seen(day, 20.5, 10)
    async with day.database.transaction(day.company.id) as session:
        row = await visits.find_visit(session, day.company.system, done.id)
        row.status, row.finished_at = "finished", day.clock() - timedelta(minutes=5)
    whose, stop = await urgent(day, await day.job("near the last", north_km=-20.5))
    assert (whose, stop["travel_m"] < 2_000) == (str(day.one.id), True)


async def test_who_was_seen_on_the_way_arrives_from_there(day: RunningDay) -> None:
    job = await day.job("far", north_km=60)
    await day.begin(await day.visit(job, day.one, 0), "travelling")
    day.clock.forward(minutes=20)
    other = await day.job("other", north_km=-5)
    answer = await day.post("/api/day/urgent-visits", {"work_order_id": str(other.id)}, 201)
    from_home = _arrival(answer["plan"], job)
    await seen(day, 59, 1)
    answer = await day.post("/api/day/urgent-visits", {"work_order_id": str(other.id)}, 201)
    assert _arrival(answer["plan"], job) < from_home - timedelta(minutes=20)


def _arrival(plan: dict[str, Any], job: WorkOrder) -> Any:
    stops = [stop for route in plan["routes"] for stop in route["stops"]]
    return moment(next(stop["arrives_at"] for stop in stops if stop["number"] == job.number))
