"""Crews formed by hand and days copied: each visit with what comes of it, or with what is against it."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.company import Company
from tests.conftest import Clock
from tests.scheduler.test_board_routes import board, send, wanted


@pytest.fixture
async def visit(client: httpx.AsyncClient, company: Company, clock: Clock) -> dict[str, Any]:
    """A visit on the hotel's lift in two hours."""
    headers = company.headers["dispatcher"]
    job = {"work_type": "repair", "asset_id": str(company.asset.id), "title": "Door sticks"}
    made = (await client.post("/api/work-orders", headers=headers, json=job)).json()
    placed = await send(client, company, "placements", **wanted(company, made, clock, 2))
    assert placed.status_code == 200, placed.text
    read: dict[str, Any] = placed.json()
    return read


async def clara(client: httpx.AsyncClient, company: Company, *days: str) -> str:
    """A second technician, who works on these days of the week."""
    headers = company.headers["administrator"]
    about = {"number": "T-2", "name": "Clara", "zone": "Europe/Paris"}
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
