"""The desk offers the kind of work that a machine's repairs mostly were."""

from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from fsm.catalogue import queries as catalogue
from fsm.catalogue.tables import MaintenanceKind, RequestClass, WorkType
from fsm.database import Database
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import create


@pytest.fixture
async def door(database: Database, company: Company, clock: Clock) -> WorkType:
    """A second kind of repair."""
    async with database.transaction(company.id) as session:
        kind = await catalogue.add_work_type(
            session, company.system, clock(), code="door", name="Door repair"
        )
        await catalogue.publish_version(
            session,
            company.system,
            clock(),
            kind.id,
            names={"en": "Door repair"},
            request_class=RequestClass.INCIDENT,
            maintenance=MaintenanceKind.CORRECTIVE,
            duration_s=3_600,
            priority=2,
            skills=[],
            effective_at=clock() - timedelta(days=400),
        )
    return kind


async def usual(client: httpx.AsyncClient, company: Company, asset_id: Any) -> str | None:
    headers = company.headers["dispatcher"]
    body = {"text": "It stands still", "asset_id": str(asset_id), "impact": "degraded"}
    made = await client.post("/api/service-requests", json=body, headers=headers)
    assert made.status_code == 201, made.text
    request_id = made.json()["request"]["id"]
    answer = await client.get(f"/api/service-requests/{request_id}", headers=headers)
    code: str | None = answer.json()["usual_work_type"]
    return code


async def test_its_own_repairs_say_it_then_those_of_its_model_and_else_nothing(
    client: httpx.AsyncClient, company: Company, database: Database, clock: Clock, door: WorkType
) -> None:
    headers = company.headers["dispatcher"]
    lift = await client.get(f"/api/assets/{company.asset.id}", headers=headers)
    about = {name: lift.json()[name] for name in ("model_id", "site_id")}
    twin = await client.post(
        "/api/assets", json={**about, "number": "A-2", "name": "Twin"}, headers=headers
    )
    assert twin.status_code == 201, twin.text
    other = twin.json()["id"]

    async def repaired(asset_id: Any, code: str, at: datetime) -> str:
        answer = await create(
            client, company, asset_id=str(asset_id), work_type=code, reported_at=at.isoformat()
        )
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    assert await usual(client, company, company.asset.id) is None
    for hours in (3, 4):
        await repaired(other, "door", clock() - timedelta(hours=hours))
    assert await usual(client, company, company.asset.id) == "door"
    once = await repaired(company.asset.id, "repair", clock() - timedelta(hours=2))
    assert await usual(client, company, company.asset.id) == "repair"
    assert await usual(client, company, other) == "door"
    cancelled = await client.post(
        f"/api/work-orders/{once}/cancellation", json={"reason": "customer"}, headers=headers
    )
    assert cancelled.is_success, cancelled.text
    assert await usual(client, company, company.asset.id) == "door"
    async with database.transaction(company.id) as session:
        kind = await session.get_one(WorkType, (company.id, door.id))
        kind.is_active = False
    assert await usual(client, company, company.asset.id) is None
