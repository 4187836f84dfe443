"""The board over HTTP: all of it at once, what a move would do, the move itself, and who was quicker."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from fsm.database import Database
from fsm.events import seal
from fsm.work_orders import field_work
from scheduler.board_point import Point, find_point, list_happened
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import dispatched_job


@pytest.fixture
async def job(client: httpx.AsyncClient, company: Company) -> dict[str, Any]:
    """A job on the hotel's lift, without a visit."""
    answer = await client.post(
        "/api/work-orders",
        headers=company.headers["dispatcher"],
        json={"work_type": "repair", "asset_id": str(company.asset.id), "title": "Door sticks"},
    )
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def send(
    client: httpx.AsyncClient, company: Company, path: str, **body: Any
) -> httpx.Response:
    headers = company.headers["dispatcher"]
    return await client.post(f"/api/board/{path}", headers=headers, json=body)


async def board(client: httpx.AsyncClient, company: Company) -> dict[str, Any]:
    answer = await client.get("/api/board", headers=company.headers["dispatcher"])
    assert answer.status_code == 200, answer.text
    read: dict[str, Any] = answer.json()
    return read


def wanted(company: Company, job: dict[str, Any], clock: Clock, hours: float) -> dict[str, Any]:
    return {
        "work_order_id": job["id"],
        "technician_id": str(company.technician.id),
        "starts_at": (clock() + timedelta(hours=hours)).isoformat(),
    }


async def test_a_job_waits_on_the_board_until_it_is_put_somewhere(
    client: httpx.AsyncClient, company: Company, clock: Clock, job: dict[str, Any]
) -> None:
    before = await board(client, company)
    assert (before["zone"], [one["number"] for one in before["waiting"]]) == (
        "Europe/Paris",
        [job["number"]],
    )
    target = wanted(company, job, clock, 2)
    preview = (await send(client, company, "placement-previews", **target)).json()
    assert (preview["is_refused"], preview["asks_reason"]) == (False, False)
    placed = await send(client, company, "placements", **target)
    assert placed.status_code == 200, placed.text
    assert placed.json()["planned_ends_at"] == preview["ends_at"]
    after = await board(client, company)
    assert after["waiting"] == []
    assert [(one["number"], one["risks"]) for one in after["visits"]] == [(job["number"], [])]


async def test_what_suffers_needs_a_reason_and_what_cannot_be_is_refused(
    client: httpx.AsyncClient, company: Company, clock: Clock, job: dict[str, Any]
) -> None:
    # The response is due within four hours; the shift goes on.
    late = wanted(company, job, clock, 6)
    refused = await send(client, company, "placements", **late)
    assert (refused.status_code, refused.json()["code"]) == (409, "reason-needed")
    assert "due" in {one["code"] for one in refused.json()["consequences"]}
    accepted = await send(client, company, "placements", **late, reason="The customer agreed")
    assert accepted.status_code == 200
    past = await send(client, company, "placements", **wanted(company, job, clock, -1), reason="x")
    assert (past.status_code, past.json()["code"]) == (409, "cannot-be-placed")


async def test_who_comes_second_is_told_who_was_quicker(
    client: httpx.AsyncClient, company: Company, clock: Clock, job: dict[str, Any]
) -> None:
    target = wanted(company, job, clock, 2)
    visit = (await send(client, company, "placements", **target)).json()
    clock.forward(seconds=12)
    mine = {**wanted(company, job, clock, 1), "visit_id": visit["id"], "rev": visit["rev"]}
    assert (await send(client, company, "placements", **mine)).status_code == 200
    clock.forward(seconds=12)
    second = await send(client, company, "placements", **mine)
    assert (second.status_code, second.json()["code"]) == (409, "moved-meanwhile")
    assert second.json()["by"] == company.actors["dispatcher"].name
    assert "12 s ago" in second.json()["detail"]


async def test_a_visit_is_taken_back_as_it_was_seen_and_not_from_where_another_moved_it(
    client: httpx.AsyncClient, company: Company, clock: Clock, job: dict[str, Any]
) -> None:
    visit = (await send(client, company, "placements", **wanted(company, job, clock, 2))).json()
    moved = {**wanted(company, job, clock, 1), "visit_id": visit["id"], "rev": visit["rev"]}
    now = (await send(client, company, "placements", **moved)).json()
    clock.forward(seconds=12)
    path, headers = f"/api/visits/{visit['id']}/withdrawal", company.headers["dispatcher"]
    stale = {"reason": "Undo", "rev": visit["rev"]}
    refused = await client.post(path, json=stale, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (409, "moved-meanwhile")
    assert refused.json()["by"] == company.actors["dispatcher"].name
    assert [one["id"] for one in (await board(client, company))["visits"]] == [visit["id"]]
    taken = await client.post(path, json={**stale, "rev": now["rev"]}, headers=headers)
    assert (taken.status_code, taken.json()["status"]) == (200, "withdrawn")
    again = await client.post(path, json=stale, headers=headers)
    assert again.json()["code"] == "wrong-status"  # that it is gone says more than who did it


async def test_a_stranger_sees_an_empty_board_and_places_nothing(
    client: httpx.AsyncClient,
    company: Company,
    stranger: Company,
    clock: Clock,
    job: dict[str, Any],
) -> None:
    theirs = await board(client, stranger)
    assert (theirs["waiting"], theirs["visits"]) == ([], [])
    answer = await send(client, stranger, "placements", **wanted(company, job, clock, 2))
    assert answer.status_code == 404


async def test_after_a_change_a_board_fetches_only_the_jobs_that_were_touched(
    client: httpx.AsyncClient,
    company: Company,
    stranger: Company,
    clock: Clock,
    job: dict[str, Any],
) -> None:
    async def changes(owner: Company, since: str) -> dict[str, Any]:
        answer = await client.get(
            "/api/board/changes", params={"since": since}, headers=owner.headers["dispatcher"]
        )
        assert answer.status_code == 200, answer.text
        read: dict[str, Any] = answer.json()
        return read

    as_of, theirs_as_of = [(await board(client, one))["as_of"] for one in (company, stranger)]
    assert (await changes(company, as_of))["work_orders"] == []
    placed = await send(client, company, "placements", **wanted(company, job, clock, 2))
    planned = await changes(company, as_of)
    assert planned["work_orders"] == [job["id"]]
    assert [one["id"] for one in planned["visits"]] == [placed.json()["id"]]
    assert (planned["waiting"], planned["shifts"]) == ([], None)
    assert (await changes(company, planned["as_of"]))["work_orders"] == []
    await client.post(
        f"/api/visits/{placed.json()['id']}/withdrawal",
        headers=company.headers["dispatcher"],
        json={"reason": "other work"},
    )
    back = await changes(company, planned["as_of"])
    assert (back["visits"], [one["number"] for one in back["waiting"]]) == ([], [job["number"]])
    assert (await changes(stranger, theirs_as_of))["work_orders"] == []


async def test_an_event_is_told_once_whether_or_not_it_has_its_number_yet(
    client: httpx.AsyncClient,
    company: Company,
    database: Database,
    clock: Clock,
    job: dict[str, Any],
) -> None:
    async def told(since: Point) -> set[str]:
        async with database.reader(company.actors["dispatcher"]) as reader:
            return {one.kind for one in await list_happened(reader, since, 100)}

    async def point() -> Point:
        async with database.reader(company.actors["dispatcher"]) as reader:
            return Point.read(str(await find_point(reader)))

    waiting = await point()
    assert waiting.waiting
    async with database.transaction(company.id) as session:
        await seal(session, company.id, clock())
    sealed = await point()
    assert (await told(waiting), sealed.waiting) == (set(), ())
    await send(client, company, "placements", **wanted(company, job, clock, 2))
    assert "visit.planned" in await told(waiting)
    assert "visit.planned" in await told(sealed)
    assert "work_order.created" in await told(Point(0, ()))


async def test_a_new_absence_or_a_renamed_technician_is_told_too(
    client: httpx.AsyncClient, company: Company, clock: Clock
) -> None:
    headers = company.headers["administrator"]
    as_of = (await board(client, company))["as_of"]
    body = {
        "technician_id": str(company.technician.id),
        "kind": "leave",
        "starts_at": clock().isoformat(),
        "ends_at": (clock() + timedelta(hours=3)).isoformat(),
    }
    answer = await client.post("/api/absences", headers=headers, json=body)
    assert answer.status_code == 201, answer.text
    since = {"since": as_of}
    told = (await client.get("/api/board/changes", headers=headers, params=since)).json()
    assert [one["kind"] for one in told["absences"]] == ["leave"]
    edited = await client.patch(
        f"/api/technicians/{company.technician.id}",
        headers=headers,
        json={"rev": company.technician.rev, "name": "Olga Neu"},
    )
    assert edited.status_code == 200, edited.text
    since = {"since": told["as_of"]}
    told = (await client.get("/api/board/changes", headers=headers, params=since)).json()
    assert told["is_whole"] is True


async def test_a_technician_who_says_to_be_late_stands_out_until_the_plan_follows(
    client: httpx.AsyncClient, company: Company, database: Database, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)

    async def seen() -> tuple[int | None, list[str]]:
        (visit,) = (await board(client, company))["visits"]
        return visit["late_min"], visit["risks"]

    assert await seen() == (None, [])
    since = (await board(client, company))["as_of"]
    clock.forward(minutes=10)
    await job.do(field_work.delay, 20)
    assert await seen() == (20, ["late"])
    days = {"since": since, "days": 1}
    headers = company.headers["dispatcher"]
    told = (await client.get("/api/board/changes", headers=headers, params=days)).json()
    assert [one["late_min"] for one in told["visits"]] == [20]
    clock.forward(minutes=1)
    await job.do(field_work.delay, 240)  # beyond what was promised to the customer as well
    late_min, risks = await seen()
    assert (late_min, risks[0], len(risks) > 1) == (240, "late", True)
    (visit,) = (await board(client, company))["visits"]
    target = {
        "work_order_id": visit["work_order_id"],
        "technician_id": visit["technician_id"],
        "starts_at": (clock() + timedelta(hours=3)).isoformat(),
        "visit_id": visit["id"],
        "rev": visit["rev"],
        "reason": "Said to be late",
    }
    assert (await send(client, company, "placements", **target)).status_code == 200
    assert (await seen())[0] is None
