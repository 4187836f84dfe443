"""A day that has begun: what may move, what stays, what is accepted of it, and taken back."""

from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlmodel import select

from fsm.database import Database
from fsm.work_orders.tables import Visit
from scheduler.reasons import explain
from tests.company import Company
from tests.conftest import Clock
from tests.scheduler import running
from tests.scheduler.running import RunningDay, moment, running_day


@pytest.fixture
async def day(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> RunningDay:
    return await running_day(client, database, company, clock)


def stops_of(plan: dict[str, Any]) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return, by number, whose route a visit is on, and its stop."""
    return {
        stop["number"]: (route["technician_id"], stop)
        for route in plan["routes"]
        for stop in route["stops"]
        if stop["kind"] == "visit"
    }


def line_of(plan: dict[str, Any], number: str) -> dict[str, Any]:
    (line,) = [line for line in plan["difference"]["lines"] if line["number"] == number]
    found: dict[str, Any] = line
    return found


ALL = {"scope": {"moves": "all"}}


async def test_work_in_hand_and_who_is_on_the_way_come_first(day: RunningDay) -> None:
    begun, first = await day.job("begun", north_km=30), await day.job("first", north_km=-20)
    await day.begin(await day.visit(begun, day.one, -0.5, hours=2))
    await day.begin(await day.visit(first, day.two, 0.5), "travelling")
    day.clock.forward(minutes=30)
    next_door, close_by = await day.job("next", north_km=31), await day.job("close", north_km=-0.5)
    plan = await day.plan()
    found = stops_of(plan)
    assert found[begun.number][0] == str(day.one.id)
    whose, stop = found[next_door.number]
    assert whose == str(day.one.id), "the one who is there already goes next door"
    assert moment(stop["starts_at"]) >= moment(found[begun.number][1]["ends_at"])
    assert stop["travel_m"] < 3_000
    assert found[close_by.number][0] == str(day.two.id)
    starts = {number: moment(stop["starts_at"]) for number, (_, stop) in found.items()}
    assert starts[first.number] < starts[close_by.number], "he has left for the first already"


async def test_planned_visits_stay_unless_the_run_may_move_them(day: RunningDay) -> None:
    far, near = await day.job("far", north_km=25), await day.job("near", north_km=25.5)
    kept, chosen = await day.visit(far, day.one, 1), await day.visit(near, day.two, 3)
    assert (await day.plan())["difference"]["lines"] == []

    moved = await day.plan(**ALL)
    found = stops_of(moved)
    assert found[far.number][0] == found[near.number][0], "one drive instead of two"
    after, before = moved["difference"]["after"], moved["difference"]["before"]
    assert after["travel_m"] < before["travel_m"]
    (line,) = [line for line in moved["difference"]["lines"] if line["kind"] == "moved"]
    assert line["cause"]["why"] == "improvement"
    assert line["cause"]["saving"] > 0
    assert line["price"] == 1_800
    assert "nothing forces it" in line["said"]["en"]
    assert "ничто не вынуждает" in line["said"]["ru"]

    some = await day.plan(scope={"moves": "selected", "visit_ids": [str(chosen.id)]})
    assert {line["visit_id"] for line in some["difference"]["lines"]} == {str(chosen.id)}
    assert str(kept.id) not in str(some["routes"])


async def test_a_pin_keeps_the_person_and_a_lock_the_time_as_well(day: RunningDay) -> None:
    far, near = await day.job("far", north_km=25), await day.job("near", north_km=25.5)
    locked, pinned = await day.visit(far, day.one, 4), await day.visit(near, day.two, 3)
    address = f"/api/planning/visits/{pinned.id}/pin"
    pin = await day.send("PUT", address, {"keeps": "technician", "reason": "knows it"})
    assert (pin["set_by"], pin["keeps"]) == (day.company.actors["dispatcher"].name, "technician")
    await day.send("PUT", f"/api/planning/visits/{locked.id}/pin", {})
    found = stops_of(await day.plan(**ALL))
    assert found[near.number][0] == str(day.two.id)
    assert found[far.number][0] == str(day.one.id)
    assert moment(found[far.number][1]["starts_at"]) == locked.planned_starts_at
    await day.send("DELETE", address, status=204)
    assert not (await day.found(pinned.id)).is_pinned
    await day.send("GET", address, status=404)


async def test_a_plan_is_accepted_whole_and_undone(day: RunningDay) -> None:
    far, near = await day.job("far", north_km=25), await day.job("near", north_km=25.5)
    held = [await day.visit(far, day.one, 1), await day.visit(near, day.two, 3)]
    added = await day.job("new", north_km=24)
    before = await where(day)
    plan = await day.plan(**ALL)
    done = await day.post(f"/api/plans/{plan['id']}/acceptance", {})
    assert done["skipped"] == []
    found = stops_of(plan)
    assert {one["work_order_id"]: one["technician_id"] for one in done["visits"]} == {
        found[job.number][1]["work_order_id"]: found[job.number][0] for job in (far, near, added)
    }
    assert len({one["technician_id"] for one in done["visits"]}) == 1
    undone = await day.post(f"/api/plans/{plan['id']}/undoing")
    assert (undone["withdrawn"], undone["restored"], undone["kept"]) == (1, 2, 0)
    assert await where(day) == before
    assert {UUID(one["was"]) for one in undone["visits"]} == {one.id for one in held}
    for told in undone["visits"]:
        back = await day.found(UUID(told["visit"]["id"]))
        assert (back.status, back.rev) == ("planned", told["visit"]["rev"])


async def where(day: RunningDay) -> set[tuple[UUID, UUID, datetime]]:
    """Return which job has a planned visit of whom, and when."""
    async with day.database.transaction(day.company.id) as session:
        rows = await session.exec(select(Visit).where(Visit.status == "planned"))
        return {(row.work_order_id, row.technician_id, row.planned_starts_at) for row in rows}


async def test_groups_are_accepted_alone_and_the_rest_stays(day: RunningDay) -> None:
    one, two = await day.job("one", north_km=10), await day.job("two", north_km=-10)
    plan = await day.plan()
    groups = plan["difference"]["groups"]
    assert [group["numbers"] for group in groups] == [[one.number], [two.number]]
    again = await day.plan()
    nothing = await day.post(f"/api/plans/{again['id']}/acceptance", {"groups": []})
    assert (nothing["visits"], nothing["withdrawn"]) == ([], [])
    done = await day.post(f"/api/plans/{plan['id']}/acceptance", {"groups": [groups[0]["group"]]})
    assert [visit["work_order_id"] for visit in done["visits"]] == [str(one.id)]


async def test_what_was_moved_by_hand_since_is_not_moved_again(day: RunningDay) -> None:
    far, near = await day.job("far", north_km=25), await day.job("near", north_km=25.5)
    first, second = await day.visit(far, day.one, 1), await day.visit(near, day.two, 3)
    plan = await day.plan(**ALL)
    (line,) = [one for one in plan["difference"]["lines"] if one["kind"] == "moved"]
    touched = first if line["visit_id"] == str(first.id) else second
    await day.send(
        "PATCH",
        f"/api/visits/{touched.id}",
        {
            "rev": touched.rev,
            "planned_starts_at": (touched.planned_starts_at + timedelta(minutes=5)).isoformat(),
        },
    )
    done = await day.post(f"/api/plans/{plan['id']}/acceptance", {})
    assert "moved_since" in [one["why"] for one in done["skipped"]]
    assert (await day.found(touched.id)).technician_id == touched.technician_id


async def test_a_simulation_supposes_and_is_never_accepted(day: RunningDay) -> None:
    job = await day.job("one")
    await day.visit(job, day.one, 1)
    plan = await day.plan(suppose={"absent_technician_ids": [str(day.one.id)]}, **ALL)
    assert plan["kind"] == "simulation"
    assert stops_of(plan)[job.number][0] == str(day.two.id)
    refused = await day.post(f"/api/plans/{plan['id']}/acceptance", {}, 409)
    assert refused["code"] == "plan-not-ready"
    real = await day.plan(**ALL)
    assert stops_of(real)[job.number][0] == str(day.one.id)
    other = await day.send("GET", f"/api/plans/{plan['id']}/comparison?with={real['id']}")
    assert [(line["kind"], line["number"]) for line in other["lines"]] == [("moved", job.number)]


async def test_a_promise_is_kept_and_breaking_it_has_a_price(day: RunningDay) -> None:
    job = await day.job("promised", north_km=40)
    promised = await day.visit(
        job,
        day.one,
        1,
        window_starts_at=day.clock() + timedelta(hours=1),
        window_ends_at=day.clock() + timedelta(hours=1.5),
    )
    await day.plan(**ALL)
    busy = await day.job("busy", north_km=-60)
    await day.begin(await day.visit(busy, day.one, -1, hours=2))
    other = await day.job("other", north_km=-60)
    await day.begin(await day.visit(other, day.two, -1, hours=2))
    plan = await day.plan(**ALL)
    line = line_of(plan, job.number)
    assert line["visit_id"] == str(promised.id)
    assert line["is_at_risk"]
    assert line["price"] >= 14_400
    assert plan["costs"]["promise"] >= 14_400
    assert plan["difference"]["after"]["promises_missed"] == 1
    assert "The promised time is then missed." in line["said"]["en"]


async def test_weights_are_versions_and_a_plan_says_which_it_used(day: RunningDay) -> None:
    first = await day.send("GET", "/api/planning/weights")
    assert (first["version"], first["weights"]["first_use"]) == (0, 900)
    assert set(first["units"]) == set(first["weights"])
    changed = {"based_on": 0, "first_use": 50_000}
    refused = await day.send("PUT", "/api/planning/weights", changed, 403)
    assert refused["needs"] == "manage_catalogue"
    admin = {"role": "administrator"}
    await day.send("PUT", "/api/planning/weights", changed, **admin)
    again = await day.send("PUT", "/api/planning/weights", changed, 409, **admin)
    assert again["code"] == "stale-change"
    job = await day.job("one")
    plan = await day.plan()
    assert plan["weights_version"] == 1
    assert plan["costs"]["unplanned"] > 0 or plan["costs"]["first_use"] == 50_000
    assert [one["version"] for one in await day.send("GET", "/api/planning/weights/versions")] == [
        1
    ]
    supposed = await day.plan(suppose={"weights": {"first_use": 1}})
    assert (supposed["kind"], supposed["costs"]["first_use"]) == ("simulation", 1)
    assert job.number in stops_of(supposed)


async def test_work_is_shared_as_the_weight_of_fairness_says(day: RunningDay) -> None:
    for number in range(4):
        await day.job(f"j{number}", north_km=1 + number / 10)

    async def each_has(balance_permille: int) -> list[int]:
        plan = await day.plan(
            iterations=200, suppose={"weights": {"balance_permille": balance_permille}}
        )
        assert len(stops_of(plan)) == 4
        assert (plan["costs"]["balance"] > 0) == (balance_permille == 1)
        return sorted(sum(s["kind"] == "visit" for s in r["stops"]) for r in plan["routes"])

    assert await each_has(0) == [4], "one who drives out does it all"
    assert await each_has(1) == [4]
    assert await each_has(2_000) == [2, 2]


async def test_a_job_says_who_may_come_when_and_with_which_parts(day: RunningDay) -> None:
    job = await day.job("picky")
    opens = day.clock() + timedelta(hours=5)
    terms = {
        "required_ids": [str(day.two.id)],
        "windows": [
            {"opens_at": opens.isoformat(), "closes_at": (opens + timedelta(hours=1)).isoformat()}
        ],
    }
    await day.send("PUT", f"/api/planning/work-orders/{job.id}/terms", terms)
    whose, stop = stops_of(await day.plan())[job.number]
    assert whose == str(day.two.id)
    assert moment(stop["starts_at"]) >= opens
    part = day.company.part.number
    await day.send(
        "PUT",
        f"/api/planning/work-orders/{job.id}/terms",
        {"parts": [{"part": part, "quantity": 9}]},
    )
    (left,) = (await day.plan())["unplanned"]
    assert left["blocking"] == [["parts"]]
    refused = await day.send(
        "PUT",
        f"/api/planning/work-orders/{job.id}/terms",
        {"required_ids": [str(day.two.id)], "forbidden_ids": [str(day.two.id)]},
        422,
    )
    assert refused["errors"][0]["at"] == "/required_ids"


async def test_what_there_was_no_time_to_explain_is_explained_when_asked(
    day: RunningDay, monkeypatch: pytest.MonkeyPatch
) -> None:
    long, fits = await day.job("long", estimate_s=8 * 3_600), await day.job("fits")
    monkeypatch.setattr(running, "explain", partial(explain, seconds=0))
    plan = await day.plan()
    (brief,) = plan["unplanned"]
    assert (brief["is_brief"], brief["blocking"], brief["relaxation"]) == (True, [], None)
    assert "There was no time to look for a way in." in brief["said"]["en"]
    path = f"/api/plans/{plan['id']}/unplanned/{{}}/reason"
    told = await day.send("GET", path.format(long.id))
    assert (told["number"], told["is_brief"], told["in_any_plan"]) == (long.number, False, True)
    assert ["hours"] in told["blocking"]
    assert told["relaxation"]["way"] == "overtime"
    assert "Искать" in brief["said"]["ru"]
    assert "Искать" not in told["said"]["ru"]
    assert {each["technician_id"] for each in told["shifts"]} == {str(day.one.id), str(day.two.id)}
    assert {each["on"] for each in told["shifts"]} == {plan["starts_on"]}
    assert all("cannot be reached in time" in each["said"]["en"] for each in told["shifts"])
    await day.send("GET", path.format(fits.id), status=404)
    await day.send("GET", path.format(long.id), status=403, role="manager")


async def test_a_stranger_sees_and_decides_nothing(day: RunningDay, stranger: Company) -> None:
    job = await day.job("one")
    visit = await day.visit(job, day.one, 1)
    plan = await day.plan()
    for method, path, body in (
        ("PUT", f"/api/planning/visits/{visit.id}/pin", {}),
        ("GET", f"/api/planning/visits/{visit.id}/pin", None),
        ("DELETE", f"/api/planning/visits/{visit.id}/pin", None),
        ("GET", f"/api/planning/work-orders/{job.id}/terms", None),
        ("PUT", f"/api/planning/work-orders/{job.id}/terms", {}),
        ("GET", f"/api/plans/{plan['id']}/comparison?with={plan['id']}", None),
    ):
        answer = await day.client.request(
            method, path, headers=stranger.headers["administrator"], json=body
        )
        assert answer.status_code == 404, (method, path)
