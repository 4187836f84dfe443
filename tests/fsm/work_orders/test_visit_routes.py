"""Visits and reviews over HTTP: planned, moved, dispatched, taken back; and settled by name."""

from datetime import timedelta
from uuid import UUID

import httpx
import pytest
from sqlmodel import col, select
from uuid_utils.compat import uuid7

from fsm.database import Database
from fsm.work_orders import field_work
from fsm.work_orders.tables import Review
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import JOBS, create, dispatched_job


async def test_a_visit_is_planned_moved_dispatched_and_taken_back(
    client: httpx.AsyncClient, company: Company, clock: Clock
) -> None:
    job = (await create(client, company)).json()
    headers = company.headers["dispatcher"]
    body = {
        "work_order_id": job["id"],
        "technician_id": str(company.technician.id),
        "starts_at": (clock() + timedelta(hours=1)).isoformat(),
        "ends_at": (clock() + timedelta(hours=2)).isoformat(),
    }
    visit = (await client.post("/api/visits", headers=headers, json=body)).json()
    address = f"/api/visits/{visit['id']}"
    later = (clock() + timedelta(hours=3)).isoformat()
    backwards = await client.patch(
        address, headers=headers, json={"rev": visit["rev"], "planned_starts_at": later}
    )
    assert backwards.status_code == 422
    window = await client.patch(
        address,
        headers=headers,
        json={
            "rev": visit["rev"],
            "window_starts_at": later,
            "window_ends_at": clock().isoformat(),
        },
    )
    assert window.status_code == 422
    moved = await client.patch(
        address, headers=headers, json={"rev": visit["rev"], "is_pinned": True}
    )
    assert (moved.status_code, moved.json()["is_pinned"]) == (200, True)
    stale = await client.patch(
        address, headers=headers, json={"rev": visit["rev"], "is_pinned": False}
    )
    assert (stale.status_code, stale.json()["code"]) == (409, "stale-change")
    released = await client.post(
        "/api/visits/dispatching", headers=headers, json={"visit_ids": [visit["id"]]}
    )
    assert [one["status"] for one in released.json()] == ["dispatched"]
    twice = await client.post(
        "/api/visits/dispatching", headers=headers, json={"visit_ids": [visit["id"]]}
    )
    assert (twice.status_code, twice.json()["code"]) == (409, "wrong-status")
    taken = await client.post(f"{address}/withdrawal", headers=headers, json={"reason": "sick"})
    assert (taken.json()["status"], taken.json()["ended_reason"]) == ("withdrawn", "sick")
    assert (await client.get(f"{JOBS}/{job['id']}", headers=headers)).json()["status"] == "open"
    refused = await client.post("/api/visits", headers=company.headers["manager"], json=body)
    assert (refused.status_code, refused.json()["needs"]) == (403, "plan")


@pytest.mark.parametrize("missing", ["work_order_id", "technician_id"])
async def test_a_visit_needs_a_job_and_a_technician_of_ours(
    missing: str, client: httpx.AsyncClient, company: Company, stranger: Company, clock: Clock
) -> None:
    job = (await create(client, company)).json()
    body = {
        "work_order_id": job["id"],
        "technician_id": str(company.technician.id),
        "starts_at": clock().isoformat(),
        "ends_at": clock().isoformat(),
        missing: str(stranger.technician.id),
    }
    answer = await client.post("/api/visits", headers=company.headers["dispatcher"], json=body)
    assert answer.status_code == 404


@pytest.mark.parametrize(
    "start", ["2026-03-23T09:00:00", "0001-01-01T00:00:00+14:00", "2026-03-29T02:30:00", "today"]
)
async def test_a_span_without_a_zone_or_beyond_time_is_refused(
    start: str, client: httpx.AsyncClient, company: Company, clock: Clock
) -> None:
    span = {"from": start, "to": clock().isoformat()}
    answer = await client.get("/api/visits", headers=company.headers["dispatcher"], params=span)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-value")


async def test_dispatching_is_all_or_nothing(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    job = (await create(client, company)).json()
    headers = company.headers["dispatcher"]
    body = {
        "work_order_id": job["id"],
        "technician_id": str(company.technician.id),
        "starts_at": clock().isoformat(),
        "ends_at": clock().isoformat(),
    }
    visit = (await client.post("/api/visits", headers=headers, json=body)).json()
    answer = await client.post(
        "/api/visits/dispatching",
        headers=headers,
        json={"visit_ids": [visit["id"], str(uuid7())]},
    )
    assert answer.status_code == 404
    kept = (await client.get(f"/api/visits/{visit['id']}", headers=headers)).json()
    assert kept["status"] == "planned"


async def test_a_review_is_settled_once_with_a_name(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    await job.do(field_work.request_follow_up, "a roller is missing", [])
    headers = company.headers["dispatcher"]
    (review,) = (await client.get("/api/reviews", headers=headers)).json()["items"]
    address = f"/api/reviews/{review['id']}/settlement"
    refused = await client.post(
        address, headers=company.headers["technician"], json={"settlement": "fine"}
    )
    assert refused.status_code == 403
    empty = await client.post(address, headers=headers, json={"settlement": " "})
    assert empty.status_code == 422
    for text in ("ordered", "ordered again"):
        settled = await client.post(address, headers=headers, json={"settlement": text})
        assert (settled.status_code, settled.json()["settlement"]) == (200, "ordered")
    assert (await client.get("/api/reviews", headers=headers)).json()["items"] == []
    settled = await client.get("/api/reviews", headers=headers, params={"settled": True})
    done = settled.json()["items"]
    assert [one["id"] for one in done] == [review["id"]]
    async with database.transaction(company.id) as session:
        row = (await session.exec(select(Review).where(col(Review.id) == UUID(review["id"])))).one()
    assert row.settled_by == company.users["dispatcher"].id
