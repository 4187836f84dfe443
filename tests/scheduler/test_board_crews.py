"""Crews formed by hand and days copied: each visit with what comes of it, or with what is against it."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.company import Company
from tests.conftest import Clock
from tests.scheduler.test_board_routes import board, job, send, wanted

__all__ = ["job"]


@pytest.fixture
async def visit(
    client: httpx.AsyncClient, company: Company, clock: Clock, job: dict[str, Any]
) -> dict[str, Any]:
    """A visit on the hotel's lift in two hours."""
    placed = await send(client, company, "placements", **wanted(company, job, clock, 2))
    assert placed.status_code == 200, placed.text
    read: dict[str, Any] = placed.json()
    return read


async def clara(
    client: httpx.AsyncClient,
    company: Company,
    *days: str,
    number: str = "T-2",
    name: str = "Clara",
) -> str:
    """Another technician, who works on these days of the week."""
    headers = company.headers["administrator"]
    about = {"number": number, "name": name, "zone": "Europe/Paris"}
    home = {"home_latitude": 48.8, "home_longitude": 2.3}
    made = await client.post("/api/technicians", headers=headers, json={**about, **home})
    assert made.status_code == 201, made.text
    hers = f"/api/technicians/{made.json()['id']}"
    levels = [{"skill": "lift", "level": 3}]
    await client.put(f"{hers}/skills", headers=headers, json={"skills": levels})
    weekly = [{"day": day, "starts": "08:00", "ends": "17:00"} for day in days]
    week = {"first_on": "2026-03-23", "last_on": "2026-03-27", "weekly": weekly}
    shifts = await client.post(f"{hers}/shifts", headers=headers, json=week)
    assert shifts.status_code == 201, shifts.text
    return str(made.json()["id"])


async def test_who_joins_a_visit_gets_one_at_the_same_time_and_the_job_takes_two(
    client: httpx.AsyncClient, company: Company, visit: dict[str, Any]
) -> None:
    mate = await clara(client, company, "mon")
    order = {"visit_id": visit["id"], "technician_ids": [mate]}
    joined = await send(client, company, "crews", **order)
    assert joined.status_code == 201, joined.text
    shown = {one["technician_id"]: one for one in (await board(client, company))["visits"]}
    hers, his = shown[mate], shown[str(company.technician.id)]
    assert (hers["starts_at"], hers["ends_at"]) == (his["starts_at"], his["ends_at"])
    assert hers["crew_id"] == his["crew_id"] is not None
    assert hers["crew_size"] == 2
    told = joined.json()  # whoever has seen his visit before has seen an earlier one
    assert [(one["id"], one["rev"]) for one in told["joined"]] == [(hers["id"], hers["rev"])]
    assert [(one["id"], one["rev"]) for one in told["bound"]] == [(his["id"], his["rev"])]
    assert his["rev"] > visit["rev"]
    again = await send(client, company, "crews", **order)
    assert (again.status_code, again.json()["code"]) == (422, "invalid-value")


async def test_a_whole_crew_is_planned_in_one_act_or_nobody_is(
    client: httpx.AsyncClient,
    company: Company,
    stranger: Company,
    clock: Clock,
    job: dict[str, Any],
) -> None:
    mate = await clara(client, company, "mon")
    target = {**wanted(company, job, clock, 2), "mate_ids": [mate]}
    foreign = {**target, "mate_ids": [str(stranger.technician.id)]}
    assert (await send(client, company, "placements", **foreign)).status_code == 404
    twice = {**target, "mate_ids": [target["technician_id"]]}
    for path in ("placements", "placement-previews"):
        refused = await send(client, company, path, **twice)
        assert (refused.status_code, refused.json()["errors"][0]["at"]) == (422, "/mate_ids")
    assert (await board(client, company))["visits"] == []

    preview = (await send(client, company, "placement-previews", **target)).json()
    assert (preview["consequences"], preview["asks_reason"]) == ([], False)
    answer = await send(client, company, "placements", **target)
    assert answer.status_code == 200, answer.text
    placed = answer.json()
    (other,) = placed["mates"]
    assert (placed["technician_id"], other["technician_id"]) == (target["technician_id"], mate)
    assert max(placed["planned_ends_at"], other["planned_ends_at"]) == preview["ends_at"]
    shown = (await board(client, company))["visits"]
    assert {(one["id"], one["rev"]) for one in shown} == {
        (one["id"], one["rev"]) for one in (placed, other)
    }
    assert len({(one["starts_at"], one["crew_id"], one["crew_size"]) for one in shown}) == 1
    assert shown[0]["crew_id"] is not None
    assert shown[0]["crew_size"] == 2
    again = await send(client, company, "placements", **target)
    assert (again.status_code, again.json()["code"]) == (422, "invalid-value")
    there = {**target, "visit_id": placed["id"]}
    assert (await send(client, company, "placements", **there)).status_code == 422


async def test_what_is_against_a_crew_is_said_of_whom_it_is_about(
    client: httpx.AsyncClient, company: Company, clock: Clock, job: dict[str, Any]
) -> None:
    mate = await clara(client, company, "tue")
    early = {**wanted(company, job, clock, 2), "mate_ids": [mate]}
    preview = (await send(client, company, "placement-previews", **early)).json()
    assert preview["is_refused"]
    (away,) = preview["consequences"]
    assert (away["code"], away["who"]) == ("no_shift", "Clara")
    assert all(words.startswith("Clara: ") for words in away["said"].values())
    refused = await send(client, company, "placements", **early, reason="please")
    assert (refused.status_code, refused.json()["code"]) == (409, "cannot-be-placed")
    assert refused.json()["detail"].startswith("Clara: ")
    assert (await board(client, company))["visits"] == []

    # The response is due within four hours, whoever comes: that is said once.
    mate = await clara(client, company, "mon", number="T-3", name="Dora")
    late = {**wanted(company, job, clock, 6), "mate_ids": [mate]}
    asked = await send(client, company, "placements", **late)
    assert (asked.status_code, asked.json()["code"]) == (409, "reason-needed")
    due = [one for one in asked.json()["consequences"] if one["code"] == "due"]
    assert [one["who"] for one in due] == [""]
    placed = await send(client, company, "placements", **late, reason="The customer agreed")
    assert placed.status_code == 200, placed.text
    assert len(placed.json()["mates"]) == 1


async def test_nobody_joins_who_does_not_work_then(
    client: httpx.AsyncClient, company: Company, stranger: Company, visit: dict[str, Any]
) -> None:
    mate = await clara(client, company, "tue")
    order = {"visit_id": visit["id"], "technician_ids": [mate]}
    refused = await send(client, company, "crews", **order, reason="please")
    assert (refused.status_code, refused.json()["code"]) == (409, "cannot-be-placed")
    (only,) = (await board(client, company))["visits"]
    assert (only["crew_id"], only["crew_size"]) == (None, 1)
    assert (await send(client, stranger, "crews", **order)).status_code == 404


async def test_a_copied_visit_keeps_person_and_clock_and_says_what_is_against_it(
    client: httpx.AsyncClient,
    company: Company,
    stranger: Company,
    clock: Clock,
    visit: dict[str, Any],
) -> None:
    copies = {"visit_ids": [visit["id"]], "to_on": "2026-03-24"}
    (line,) = (await send(client, company, "day-copies", **copies)).json()["lines"]
    assert (line["copy"], line["asks_reason"]) == (None, True)  # the service level ends today
    assert "due" in {one["code"] for one in line["consequences"]}
    (line,) = (await send(client, company, "day-copies", **copies, reason="goes on")).json()[
        "lines"
    ]
    starts_at = clock() + timedelta(hours=2, days=1)
    assert line["copy"]["planned_starts_at"] == starts_at.isoformat().replace("+00:00", "Z")
    assert line["copy"]["technician_id"] == visit["technician_id"]
    past = {**copies, "to_on": "2026-03-22", "reason": "goes on"}
    (line,) = (await send(client, company, "day-copies", **past)).json()["lines"]
    assert {one["code"] for one in line["consequences"] if one["is_hard"]} >= {"past"}
    assert (await send(client, stranger, "day-copies", **copies)).json()["lines"] == []
