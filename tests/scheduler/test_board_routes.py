"""The board over HTTP: all of it at once, what a move would do, the move itself, and who was quicker."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.company import Company
from tests.conftest import Clock


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
