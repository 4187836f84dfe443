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


async def test_slots_and_windows_of_a_job_for_two_name_both(
    day: RunningDay,
) -> None:
    heavy = await day.job("heavy", north_km=9, crew_size=2)
    path = f"/api/planning/work-orders/{heavy.id}"
    (slot,) = (await day.send("GET", f"{path}/slots"))["slots"]
    both = {slot["technician_id"], *(mate["technician_id"] for mate in slot["mates"])}
    assert both == {str(day.one.id), str(day.two.id)}
    alone = await day.job("alone", north_km=9)
    once = await day.send("GET", f"/api/planning/work-orders/{alone.id}/slots")
    assert slot["travel_s"] == 2 * once["slots"][0]["travel_s"], "both drive there"
    assert once["slots"][0]["mates"] == []
    assert f"together with {slot['mates'][0]['technician']};" in slot["said"]["en"]
    assert f"вместе приезжают: {slot['mates'][0]['technician']};" in slot["said"]["ru"]
    windows = (await day.send("GET", f"{path}/windows?days=1"))["windows"]
    assert all(len(each["slot"]["mates"]) == 1 for each in windows)
    assert windows
    larger = await day.job("larger", north_km=9, crew_size=3)
    path = f"/api/planning/work-orders/{larger.id}"
    assert (await day.send("GET", f"{path}/slots"))["slots"] == []
    answer = await day.post("/api/day/urgent-visits", {"work_order_id": str(larger.id)}, 201)
    (left_out,) = answer["plan"]["unplanned"]
    assert (left_out["code"], left_out["in_any_plan"]) == ("impossible", True)
    assert "needs 3 people at once, and only 2 could come" in left_out["said"]["en"]
