"""A caller's slot where it takes a crew: everybody's time is kept and booked, or nobody's."""

from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from fsm.database import Database
from fsm.work_orders import orders
from fsm.work_orders.tables import Visit, WorkOrder
from tests.company import Company
from tests.conftest import Clock
from tests.scheduler.running import RunningDay, running_day


@pytest.fixture
async def day(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> RunningDay:
    return await running_day(client, database, company, clock)


async def slot_of(day: RunningDay, job: WorkOrder) -> dict[str, Any]:
    path = f"/api/planning/work-orders/{job.id}/slots"
    found: dict[str, Any] = (await day.send("GET", path))["slots"][0]
    return found


def holding(job: WorkOrder, slot: dict[str, Any], **more: Any) -> dict[str, Any]:
    starts_at = datetime.fromisoformat(slot["starts_at"])
    return {
        "work_order_id": str(job.id),
        "technician_id": slot["technician_id"],
        "starts_at": slot["starts_at"],
        "window_starts_at": slot["starts_at"],
        "window_ends_at": (starts_at + timedelta(hours=2)).isoformat(),
        **more,
    }


def hours_until(day: RunningDay, instant: str) -> float:
    return (datetime.fromisoformat(instant) - day.clock()).total_seconds() / 3_600


async def visits_of(day: RunningDay, job: WorkOrder) -> list[Visit]:
    async with day.database.transaction(day.company.id) as session:
        row = await orders.find_work_order(session, day.company.system, job.id)
        return await orders.list_visits(session, row)


async def test_booking_a_crew_slot_sends_all_of_them_at_one_time(day: RunningDay) -> None:
    job = await day.job("Winch", crew_size=2)
    slot = await slot_of(day, job)
    mates = [mate["technician_id"] for mate in slot["mates"]]
    held = await day.post("/api/planning/holds", holding(job, slot, mate_ids=mates), 201)
    assert held["mate_ids"] == mates
    await day.post(f"/api/planning/holds/{held['id']}/booking", None, 201)
    booked = await visits_of(day, job)
    assert {str(each.technician_id) for each in booked} == {slot["technician_id"], *mates}
    assert {each.planned_starts_at for each in booked} == {
        datetime.fromisoformat(slot["starts_at"])
    }
    assert all(each.window_ends_at is not None for each in booked)
    again = await day.post(f"/api/planning/holds/{held['id']}/booking", None, 409)
    assert again["code"] == "hold-over"


async def test_a_crew_slot_is_taken_on_the_board_in_one_act(day: RunningDay) -> None:
    job = await day.job("Winch", crew_size=2)
    slot = await slot_of(day, job)
    mates = [mate["technician_id"] for mate in slot["mates"]]
    who = {"technician_id": slot["technician_id"], "mate_ids": mates}
    target = {"work_order_id": str(job.id), "starts_at": slot["starts_at"], **who}
    looked = await day.post("/api/board/placement-previews", target)
    assert looked["consequences"] == []
    assert looked["ends_at"] == slot["ends_at"]
    taken = await day.post("/api/board/placements", target)
    ids = {taken["id"], *(mate["id"] for mate in taken["mates"])}
    planned = await visits_of(day, job)
    assert {str(each.id) for each in planned} == ids
    assert {str(each.technician_id) for each in planned} == {slot["technician_id"], *mates}
    assert {each.crew_id for each in planned} != {None}
    assert len({each.crew_id for each in planned}) == 1
    assert (await day.send("GET", f"/api/work-orders/{job.id}"))["crew_size"] == 2
    # The job is planned whole: nobody is missing, and a plan leaves it where it is.
    board = await day.send("GET", "/api/board")
    assert job.number not in {one["number"] for one in board["waiting"]}


async def test_a_held_crew_keeps_the_mates_time_from_others_until_it_is_let_go(
    day: RunningDay,
) -> None:
    job, rival = await day.job("Winch", crew_size=2), await day.job("Pump")
    slot = await slot_of(day, job)
    held = await day.post("/api/planning/holds", holding(job, slot), 201)
    (mate,) = held["mate_ids"]
    wanted = {**holding(rival, slot), "technician_id": mate}
    assert (await day.post("/api/planning/holds", wanted, 409))["code"] == "slot-taken"
    await day.send("DELETE", f"/api/planning/holds/{held['id']}", status=204)
    await day.post("/api/planning/holds", wanted, 201)


async def test_holding_a_crew_names_who_is_not_free(day: RunningDay) -> None:
    job, other = await day.job("Winch", crew_size=2), await day.job("Pump")
    slot = await slot_of(day, job)
    mate = slot["mates"][0]
    busy = await day.visit(
        other, day.two if mate["technician"] == "Mate" else day.one, 0.5, hours=2
    )
    await day.send("PUT", f"/api/planning/visits/{busy.id}/pin", {"keeps": "both"})
    wanted = holding(job, slot, mate_ids=[mate["technician_id"]])
    refused = await day.post("/api/planning/holds", wanted, 409)
    assert refused["code"] == "slot-taken"
    assert f"not free then: {mate['technician']}" in refused["detail"]


async def test_a_mate_who_was_given_other_work_meanwhile_keeps_the_whole_crew_unbooked(
    day: RunningDay,
) -> None:
    job, other = await day.job("Winch", crew_size=2), await day.job("Pump")
    slot = await slot_of(day, job)
    held = await day.post("/api/planning/holds", holding(job, slot), 201)
    mate = day.two if slot["mates"][0]["technician"] == "Mate" else day.one
    await day.visit(other, mate, hours_until(day, slot["starts_at"]))
    refused = await day.post(f"/api/planning/holds/{held['id']}/booking", None, 409)
    assert refused["code"] == "slot-taken"
    assert f"{mate.name} is at {other.number}" in refused["detail"]
    assert await visits_of(day, job) == []


async def test_a_crew_that_has_its_visits_is_booked_anew_as_a_whole(day: RunningDay) -> None:
    job = await day.job("Winch", crew_size=2)
    slot = await slot_of(day, job)
    after_h = hours_until(day, slot["starts_at"])
    old = [await day.visit(job, each, after_h) for each in (day.one, day.two)]
    held = await day.post("/api/planning/holds", holding(job, slot), 201)
    await day.post(f"/api/planning/holds/{held['id']}/booking", None, 201)
    now = {each.id: each.status for each in await visits_of(day, job)}
    assert {now[each.id] for each in old} == {"withdrawn"}
    assert [status for key, status in now.items() if key not in {one.id for one in old}] == [
        "planned",
        "planned",
    ]


async def test_a_slower_mate_is_held_and_booked_until_they_are_done(day: RunningDay) -> None:
    path = f"/api/planning/technicians/{day.two.id}/terms"
    await day.send("PUT", path, {"efficiency_percent": 50}, role="administrator")
    job, other = await day.job("Winch", crew_size=2), await day.job("Pump")
    slot = await slot_of(day, job)
    wanted = holding(job, slot, technician_id=str(day.one.id))
    held = await day.post("/api/planning/holds", wanted, 201)
    in_the_way = await day.visit(other, day.two, hours_until(day, slot["starts_at"]) + 1.5)
    refused = await day.post(f"/api/planning/holds/{held['id']}/booking", None, 409)
    assert f"Mate is at {other.number}" in refused["detail"]
    await day.post(f"/api/visits/{in_the_way.id}/withdrawal", {"reason": "no part"})
    await day.post(f"/api/planning/holds/{held['id']}/booking", None, 201)
    lasts = {
        each.technician_id: each.planned_ends_at - each.planned_starts_at
        for each in await visits_of(day, job)
    }
    assert lasts == {day.one.id: timedelta(hours=1), day.two.id: timedelta(hours=2)}


async def test_a_crew_is_not_booked_beside_one_who_is_at_work(day: RunningDay) -> None:
    job = await day.job("Winch", crew_size=2)
    slot = await slot_of(day, job)
    held = await day.post("/api/planning/holds", holding(job, slot), 201)
    later_h = hours_until(day, slot["starts_at"]) + 3
    at_work, waiting = [await day.visit(job, each, later_h) for each in (day.one, day.two)]
    await day.begin(at_work)
    refused = await day.post(f"/api/planning/holds/{held['id']}/booking", None, 409)
    assert refused["code"] == "wrong-status"
    assert "has begun" in refused["detail"]
    now = {each.id: each.status for each in await visits_of(day, job)}
    assert now == {at_work.id: "on_site", waiting.id: "planned"}


async def test_a_crew_is_not_booked_where_the_job_takes_fewer_by_now(day: RunningDay) -> None:
    job = await day.job("Winch", crew_size=2)
    held = await day.post("/api/planning/holds", holding(job, await slot_of(day, job)), 201)
    async with day.database.transaction(day.company.id) as session:
        row = await orders.find_work_order(session, day.company.system, job.id)
        row.crew_size = 1
    refused = await day.post(f"/api/planning/holds/{held['id']}/booking", None, 409)
    assert refused["code"] == "slot-taken"
    assert "takes 1 by now, and the time of 2 is held" in refused["detail"]
    assert await visits_of(day, job) == []


async def test_as_many_are_named_as_the_job_takes_and_each_once(day: RunningDay) -> None:
    job = await day.job("Pump")
    slot = await slot_of(day, job)
    two = holding(job, slot, mate_ids=[str(day.two.id)], technician_id=str(day.one.id))
    assert "takes 1" in (await day.post("/api/planning/holds", two, 422))["detail"]
    twice = {**two, "mate_ids": [str(day.one.id)]}
    assert "once" in (await day.post("/api/planning/holds", twice, 422))["detail"]
