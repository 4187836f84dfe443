"""A job for two people, from the work order to their two visits."""

import httpx
import pytest

from fsm.database import Database
from tests.company import Company
from tests.conftest import Clock
from tests.scheduler.running import RunningDay, moment, running_day


@pytest.fixture
async def day(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> RunningDay:
    return await running_day(client, database, company, clock)


async def test_a_job_for_two_is_planned_accepted_and_visited_by_two_at_once(
    day: RunningDay,
) -> None:
    # One of the two is nearer and has work of his own before it.
    own = await day.job("own", north_km=8)
    heavy = await day.job("heavy", north_km=9, crew_size=2)
    plan = await day.plan(engine="or-tools")
    assert plan["unplanned"] == []
    done = await day.post(f"/api/plans/{plan['id']}/acceptance", {})
    visits = [each for each in done["visits"] if each["work_order_id"] == str(heavy.id)]
    assert {each["technician_id"] for each in visits} == {str(day.one.id), str(day.two.id)}
    assert len({moment(each["planned_starts_at"]) for each in visits}) == 1
    assert len(done["visits"]) == 3
    assert str(own.id) in {each["work_order_id"] for each in done["visits"]}
    assert (await day.plan())["difference"]["lines"] == [], "both stay where they are"


async def test_a_crew_is_accepted_together_though_the_rest_of_the_plan_is_not(
    day: RunningDay,
) -> None:
    heavy = await day.job("heavy", north_km=9, crew_size=2)
    await day.job("apart", north_km=-40)
    plan = await day.plan(engine="or-tools")
    (group,) = {
        line["group"]
        for line in plan["difference"]["lines"]
        if line["work_order_id"] == str(heavy.id)
    }
    done = await day.post(f"/api/plans/{plan['id']}/acceptance", {"groups": [group]})
    heavies = [each for each in done["visits"] if each["work_order_id"] == str(heavy.id)]
    assert len(heavies) == 2
    assert len({each["planned_starts_at"] for each in heavies}) == 1
