"""What upsets a running day, told over HTTP and answered with a repaired plan and its difference."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from fsm.database import Database
from fsm.events import seal
from fsm.work_orders.tables import Visit, WorkOrder
from scheduler.boards import Kept, board_of
from tests.company import Company
from tests.conftest import Clock
from tests.scheduler.running import RunningDay, moment, running_day
from tests.scheduler.test_running_day import line_of, stops_of, where


@pytest.fixture
async def day(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> RunningDay:
    return await running_day(client, database, company, clock)


async def test_an_urgent_visit_gets_a_place_and_what_moves_says_why(day: RunningDay) -> None:
    mine, his = await day.job("mine", north_km=5), await day.job("his", north_km=-5)
    await day.visit(mine, day.one, 0.5, hours=4)
    await day.visit(his, day.two, 0.5, hours=4)
    urgent = await day.job("urgent", north_km=5.5, priority=1)
    urgent_due = day.clock() + timedelta(hours=1)
    await day.job("other work that waits", north_km=5)
    before = await where(day)
    async with day.database.transaction(day.company.id) as session:
        row = await session.get(type(urgent), (day.company.id, urgent.id))
        assert row is not None
        row.respond_by = urgent_due
    answer = await day.post("/api/day/urgent-visits", {"work_order_id": str(urgent.id)}, 201)
    plan = answer["plan"]
    assert (plan["status"], plan["kind"]) == ("ready", "repair")
    assert answer["event"]["kind"] == "urgent_visit"
    _, stop = stops_of(plan)[urgent.number]
    assert moment(stop["starts_at"]) <= urgent_due + timedelta(minutes=30)
    line = line_of(plan, urgent.number)
    assert (line["kind"], line["cause"]["why"]) == ("added", "event")
    assert "an urgent visit" in line["said"]["en"]
    later = [one for one in plan["difference"]["lines"] if one["number"] != urgent.number]
    assert later
    assert {one["cause"]["why"] for one in later} == {"event"}
    assert {one["cause"]["by"] for one in later} == {urgent.number}
    assert await where(day) == before, "nothing is published before somebody accepts"
    done = await day.post(f"/api/plans/{plan['id']}/acceptance", {})
    assert str(urgent.id) in {visit["work_order_id"] for visit in done["visits"]}


async def test_a_sick_call_hands_the_day_to_others(day: RunningDay) -> None:
    jobs = [await day.job(f"j{number}", north_km=number) for number in (2, 3)]
    for hour, job in enumerate(jobs, 2):
        await day.visit(job, day.one, hour)
    pinned = await day.job("pinned", north_km=4)
    held = await day.visit(pinned, day.one, 5)
    await day.send("PUT", f"/api/planning/visits/{held.id}/pin", {"keeps": "technician"})
    call = {"technician_id": str(day.one.id)}
    refused = await day.send("POST", "/api/day/sick-calls", call, 403, role="technician")
    assert refused["needs"] == "plan"
    answer = await day.post("/api/day/sick-calls", call, 201)
    (absence,) = (await day.send("GET", "/api/absences"))["items"]
    assert answer["event"]["data"]["absence_id"] == absence["id"]
    plan = answer["plan"]
    found = stops_of(plan)
    for job in jobs:
        assert found[job.number][0] == str(day.two.id)
        line = line_of(plan, job.number)
        assert (line["kind"], line["cause"]["event"]) == ("moved", "sick_call")
        assert "somebody called in sick" in line["said"]["en"]
    (left,) = [one for one in plan["unplanned"] if one["number"] == pinned.number]
    assert left["in_any_plan"]
    done = await day.post(f"/api/plans/{plan['id']}/acceptance", {})
    assert done["skipped"] == [{"number": pinned.number, "why": "pinned"}]
    assert {visit["technician_id"] for visit in done["visits"]} == {str(day.two.id)}


async def test_who_is_sick_until_further_notice_is_so_tomorrow_too(day: RunningDay) -> None:
    later, short = await day.job("later"), await day.job("short")
    await day.visit(later, day.one, 26)
    await day.visit(short, day.two, 26)
    call = {"technician_id": str(day.one.id)}
    answer = await day.post("/api/day/sick-calls", call, 201)
    whose, stop = stops_of(answer["plan"])[later.number]
    assert whose == str(day.two.id)
    assert moment(stop["starts_at"]) > day.clock() + timedelta(days=1)
    ends_at = (day.clock() + timedelta(hours=8)).isoformat()
    call = {"technician_id": str(day.two.id), "ends_at": ends_at}
    answer = await day.post("/api/day/sick-calls", call, 201)
    assert answer["plan"]["ends_on"] == answer["plan"]["starts_on"], "tomorrow he is there again"


async def test_an_overrun_times_the_rest_anew_and_cures_a_promise_at_risk(day: RunningDay) -> None:
    begun, next_one = await day.job("begun", north_km=2), await day.job("next", north_km=3)
    visit = await day.visit(begun, day.one, 0)
    opens = day.clock() + timedelta(hours=1.5)
    promised = await day.visit(
        next_one,
        day.one,
        1.5,
        window_starts_at=opens,
        window_ends_at=opens + timedelta(minutes=30),
    )
    early = await day.post(
        "/api/day/overruns",
        {"visit_id": str(visit.id), "ends_at": opens.isoformat()},
        409,
    )
    assert early["code"] == "wrong-status"
    await day.begin(visit)
    ends_at = day.clock() + timedelta(hours=4)
    told = {"visit_id": str(visit.id), "ends_at": ends_at.isoformat()}
    plan = (await day.post("/api/day/overruns", told, 201))["plan"]
    found = stops_of(plan)
    assert moment(found[begun.number][1]["ends_at"]) == ends_at
    assert found[next_one.number][0] == str(day.two.id), "the cheapest cure: somebody else keeps it"
    line = line_of(plan, next_one.number)
    assert (line["visit_id"], line["is_at_risk"]) == (str(promised.id), False)
    assert line["cause"]["event"] == "overrun"


async def test_a_freed_hour_is_offered_to_what_waits_nearby(day: RunningDay) -> None:
    gone, absent = await day.job("gone", north_km=2), await day.job("absent", north_km=3)
    first, second = await day.visit(gone, day.one, 1), await day.visit(absent, day.two, 1)
    waits = await day.job("waits", north_km=2.5)
    far = await day.job("far", north_km=300)
    body = {"visit_id": str(first.id), "reason": "customer is away"}
    plan = (await day.post("/api/day/cancellations", body, 201))["plan"]
    assert (await day.found(first.id)).status == "withdrawn"
    assert set(stops_of(plan)) == {waits.number}
    assert far.number not in str(plan)
    await day.post(f"/api/plans/{plan['id']}/acceptance", {})
    plan = (await day.post("/api/day/no-shows", {"visit_id": str(second.id)}, 201))["plan"]
    assert (await day.found(second.id)).ended_reason == "no_show"
    assert gone.number in stops_of(plan)
    assert absent.number not in stops_of(plan)


@pytest.mark.parametrize("what", ["cancellations", "no-shows"])
async def test_a_visit_that_somebody_changed_meanwhile_is_not_called_off(
    day: RunningDay, what: str
) -> None:
    visit = await day.visit(await day.job("looked at", north_km=2), day.one, 1)
    body: dict[str, Any] = {"visit_id": str(visit.id), "rev": (await day.found(visit.id)).rev}
    if what == "cancellations":
        body["reason"] = "customer is away"
    pin = {"rev": body["rev"], "is_pinned": True}
    await day.send("PATCH", f"/api/visits/{visit.id}", pin)
    refused = await day.post(f"/api/day/{what}", body, 409)
    assert refused["code"] == "moved-meanwhile"
    assert refused["by"]
    assert refused["by"] in refused["detail"]
    assert (await day.found(visit.id)).status == visit.status
    seen_anew = {**body, "rev": refused["rev"]}
    await day.post(f"/api/day/{what}", seen_anew, 201)
    assert (await day.found(visit.id)).status == "withdrawn"


async def test_a_late_part_moves_the_visit_behind_its_arrival(day: RunningDay) -> None:
    job = await day.job("needs a belt", north_km=2)
    await day.visit(job, day.one, 1)
    arrives = day.clock() + timedelta(days=1, hours=2)
    body = {"work_order_id": str(job.id), "earliest_at": arrives.isoformat(), "part": "P-1"}
    plan = (await day.post("/api/day/late-parts", body, 201))["plan"]
    assert moment(stops_of(plan)[job.number][1]["starts_at"]) >= arrives
    line = line_of(plan, job.number)
    assert "day" in line["changes"]
    assert line["cause"]["event"] == "late_part"
    terms = await day.send("GET", f"/api/planning/work-orders/{job.id}/terms")
    assert moment(terms["earliest_at"]) == arrives


async def test_a_caller_is_offered_windows_one_is_held_and_booked(day: RunningDay) -> None:
    job, other = await day.job("caller", north_km=2), await day.job("other", north_km=2.2)
    await day.visit(other, day.two, 2)
    path = f"/api/planning/work-orders/{job.id}"
    slots = (await day.send("GET", f"{path}/slots?days=2&most=3"))["slots"]
    assert [slot["rank"] for slot in slots] == [1, 2, 3]
    assert slots[0]["technician_id"] == str(day.two.id), "he is next door anyway"
    assert slots[0]["said"]["en"].startswith("Cheapest: Mate; ")
    assert "на " in slots[1]["said"]["ru"]
    windows = (await day.send("GET", f"{path}/windows?days=2&most=4"))["windows"]
    assert len(windows) == 4
    best = windows[0]
    hold = {
        "work_order_id": str(job.id),
        "technician_id": best["slot"]["technician_id"],
        "starts_at": best["slot"]["starts_at"],
        "window_starts_at": best["window_starts_at"],
        "window_ends_at": best["window_ends_at"],
    }
    held = await day.post("/api/planning/holds", hold, 201)
    rival = {**hold, "work_order_id": str((await day.job("rival", north_km=2)).id)}
    taken = await day.post("/api/planning/holds", rival, 409)
    assert taken["code"] == "slot-taken"
    visit = await day.post(f"/api/planning/holds/{held['id']}/booking", None, 201)
    assert visit["window_ends_at"] == best["window_ends_at"]
    again = await day.post(f"/api/planning/holds/{held['id']}/booking", None, 409)
    assert again["code"] == "hold-over"


async def test_the_board_is_read_again_only_when_somebody_s_day_has_changed(
    day: RunningDay,
) -> None:
    actor, on = day.company.actors["dispatcher"], day.clock().date()

    async def seen() -> Kept:
        async with day.database.transaction(day.company.id) as session:
            return await board_of(session, actor, day.clock(), on, 1)

    job = await day.job("one")
    first = await seen()
    assert [route.stops for route in first.board.routes] == [()] * len(first.board.routes)
    await day.send("PUT", f"/api/planning/work-orders/{job.id}/terms", {})
    assert (await seen()).board is first.board, "what a job asks changes nobody's day"
    await day.visit(job, day.one, 1)
    second = await seen()
    assert [len(route.stops) for route in second.board.routes].count(1) == 1
    async with day.database.transaction(day.company.id) as session:
        await seal(session, day.company.id, day.clock())
    assert (await seen()).board is second.board, "sealed events are no new ones"
    day.clock.forward(minutes=6)
    assert (await seen()).board is not second.board, "time alone moves people"


async def test_a_hold_expires_and_a_strangers_does_not_exist(
    day: RunningDay, stranger: Company
) -> None:
    job = await day.job("caller", north_km=2)
    starts = day.clock() + timedelta(hours=3)
    hold = {
        "work_order_id": str(job.id),
        "technician_id": str(day.one.id),
        "starts_at": starts.isoformat(),
        "window_starts_at": starts.isoformat(),
        "window_ends_at": (starts + timedelta(hours=2)).isoformat(),
        "minutes": 10,
    }
    held = await day.post("/api/planning/holds", hold, 201)
    for method, path, body in (
        ("POST", f"/api/planning/holds/{held['id']}/booking", None),
        ("DELETE", f"/api/planning/holds/{held['id']}", None),
        ("POST", "/api/planning/holds", hold),
        ("GET", f"/api/planning/work-orders/{job.id}/slots", None),
        ("GET", f"/api/planning/work-orders/{job.id}/windows", None),
        ("POST", "/api/day/urgent-visits", {"work_order_id": str(job.id)}),
        ("POST", "/api/day/sick-calls", {"technician_id": str(day.one.id)}),
    ):
        answer = await day.client.request(
            method, path, headers=stranger.headers["administrator"], json=body
        )
        assert answer.status_code == 404, (method, path, answer.text)
    await day.send("DELETE", f"/api/planning/holds/{held['id']}", status=204)
    held = await day.post("/api/planning/holds", hold, 201)
    await day.post("/api/planning/holds", hold, 409)
    day.clock.forward(minutes=11)
    again = await day.post(f"/api/planning/holds/{held['id']}/booking", None, 409)
    assert again["code"] == "hold-over"
    await day.post("/api/planning/holds", hold, 201)


async def a_crew(day: RunningDay) -> tuple[WorkOrder, list[Visit]]:
    """Plan a job that takes both technicians, three hours from now."""
    job = await day.job("lift", north_km=3, crew_size=2)
    return job, [await day.visit(job, who, 3) for who in (day.one, day.two)]


async def test_a_sick_call_gives_the_crew_another_or_takes_it_out_whole(day: RunningDay) -> None:
    job, legs = await a_crew(day)
    call = {"technician_id": str(day.one.id)}
    plan = (await day.post("/api/day/sick-calls", call, 201))["plan"]
    lines = {line["visit_id"]: line for line in plan["difference"]["lines"]}
    assert {line["kind"] for line in lines.values()} == {"dropped"}
    hers, his = (lines[str(leg.id)] for leg in legs)
    assert (hers["cause"]["why"], his["cause"]["why"]) == ("event", "bound")
    assert "the crew stays together; because of this: somebody called" in his["said"]["en"]
    assert "бригада остаётся вместе; причина: исполнитель заболел" in his["said"]["ru"]
    assert hers["group"] == his["group"]
    (left,) = [one for one in plan["unplanned"] if one["number"] == job.number]
    assert "it needs 2 people at once, and only 1 could come" in left["said"]["en"]
    done = await day.post(f"/api/plans/{plan['id']}/acceptance", {})
    assert done["skipped"] == []
    assert {(await day.found(leg.id)).status for leg in legs} == {"withdrawn"}


async def test_a_crew_moves_together_and_is_called_off_together(day: RunningDay) -> None:
    _, legs = await a_crew(day)
    urgent = await day.job("urgent", north_km=3, priority=1, estimate_s=4 * 3_600)
    await day.visit(urgent, day.one, 0.5, hours=4)
    answer = await day.post("/api/day/urgent-visits", {"work_order_id": str(urgent.id)}, 201)
    found = [
        (route["technician_id"], stop["starts_at"])
        for route in answer["plan"]["routes"]
        for stop in route["stops"]
        if stop["visit_id"] in {str(leg.id) for leg in legs}
    ]
    assert len(found) == 2
    assert len({who for who, _ in found}) == 2
    assert len({at for _, at in found}) == 1
    assert moment(found[0][1]) > legs[0].planned_starts_at
    body = {"visit_id": str(legs[0].id), "reason": "customer is away"}
    await day.post("/api/day/cancellations", body, 201)
    assert {(await day.found(leg.id)).status for leg in legs} == {"withdrawn"}
