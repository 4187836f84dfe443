"""The history of a job, a machine, a phone: who did what, when, from which device, and its proof."""

from typing import Any

import httpx
import pytest

from fsm.database import Database
from fsm.events import seal
from tests.company import Company
from tests.conftest import Clock
from tests.reports.packs.proved_job import ProvedJob, prove_job


@pytest.fixture
async def proved(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> ProvedJob:
    return await prove_job(client, database, company, clock)


async def history(
    client: httpx.AsyncClient, company: Company, path: str = "/api/events", **params: Any
) -> list[dict[str, Any]]:
    """Read all pages, three lines at a time."""
    lines: list[dict[str, Any]] = []
    after: str | None = None
    while True:
        answer = await client.get(
            path,
            params={"limit": 3, **params, **({"after": after} if after else {})},
            headers=company.headers["dispatcher"],
        )
        assert answer.status_code == 200, answer.text
        lines += answer.json()["items"]
        after = answer.json()["next"]
        if after is None:
            return lines


async def test_the_history_of_a_job_has_all_that_belongs_to_it_with_who_and_which_phone(
    client: httpx.AsyncClient, proved: ProvedJob, company: Company
) -> None:
    lines = await history(client, company, f"/api/work-orders/{proved.job.id}/history")
    by_kind = {line["kind"]: line for line in lines}
    assert {"visit.dispatched", "photo.received", "work_order.completed"} <= by_kind.keys()
    assert by_kind["visit.dispatched"]["user_id"] == str(company.users["dispatcher"].id)
    for kind in ("visit.started", "photo.received"):
        line = by_kind[kind]
        assert line["device_id"] == proved.phone.device_id
        assert line["user_id"] == str(company.users["technician"].id)
        assert line["occurred_lo_at"] <= line["occurred_at"] <= line["occurred_hi_at"]
    ids = [line["id"] for line in lines]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)


async def test_the_history_of_a_phone_and_of_a_machine_is_theirs_alone(
    client: httpx.AsyncClient,
    proved: ProvedJob,
    database: Database,
    company: Company,
    stranger: Company,
    clock: Clock,
) -> None:
    sent = await history(client, company, device_id=proved.phone.device_id)
    assert {line["device_id"] for line in sent} == {proved.phone.device_id}
    assert {"visit.started", "visit.finished", "photo.received"} <= {one["kind"] for one in sent}
    edited = await client.patch(
        f"/api/assets/{company.asset.id}",
        json={"rev": 1, "place": "Roof"},
        headers=company.headers["dispatcher"],
    )
    assert edited.status_code == 200, edited.text
    async with database.transaction(company.id) as session:
        await seal(session, company.id, clock())
    of_asset = {"entity": "asset", "entity_id": str(company.asset.id)}
    lines = await history(client, company, **of_asset)
    assert [line["kind"] for line in lines][-1] == "asset.edited"
    assert all(len(line["hash"]) == 64 and line["number"] > 0 for line in lines)
    assert await history(client, stranger, **of_asset) == []
    assert len(await history(client, company)) > len(sent) + len(lines)


async def test_history_is_for_the_office(
    client: httpx.AsyncClient, proved: ProvedJob, company: Company
) -> None:
    for role in ("technician", "customer"):
        answer = await client.get("/api/events", headers=company.headers[role])
        assert answer.status_code == 403, role
    half = await client.get(
        "/api/events", params={"entity": "asset"}, headers=company.headers["dispatcher"]
    )
    assert (half.status_code, half.json()["errors"]) == (422, [{"at": "/entity_id"}])
