"""Positions: with consent, in shifts, for some days; they tell the customer when, and nobody else where."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import numpy as np
from sqlalchemy.dialects.postgresql import Range
from sqlmodel import select

from fsm.database import Database
from fsm.technicians.positions import KEPT, forget_positions
from fsm.technicians.tables import Absence, TechnicianPosition
from fsm.work_orders.tables import Visit
from scheduler.travel import geodesic_travel
from tests.company import Company
from tests.conftest import Clock

CONSENT = "/api/me/position-consent"
POSITIONS = "/api/me/positions"
LA_DEFENSE = (48.8918, 2.2385)


def fix(at: datetime, place: tuple[float, float] = LA_DEFENSE, **more: Any) -> dict[str, Any]:
    return {"fixed_at": at.isoformat(), "latitude": place[0], "longitude": place[1], **more}


async def agree(
    client: httpx.AsyncClient, company: Company, granted: bool = True
) -> dict[str, Any]:
    answer = await client.put(
        CONSENT, json={"granted": granted}, headers=company.headers["technician"]
    )
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def tell(
    client: httpx.AsyncClient, company: Company, *fixes: dict[str, Any]
) -> httpx.Response:
    return await client.post(
        POSITIONS, json={"positions": list(fixes)}, headers=company.headers["technician"]
    )


async def where(client: httpx.AsyncClient, company: Company, role: str = "dispatcher") -> Any:
    answer = await client.get(
        f"/api/technicians/{company.technician.id}/position", headers=company.headers[role]
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


async def kept(database: Database, company: Company) -> list[datetime]:
    async with database.transaction(company.id) as session:
        statement = select(TechnicianPosition.fixed_at).order_by(TechnicianPosition.fixed_at)
        return list(await session.exec(statement))


async def test_positions_are_kept_with_consent_and_in_shifts_only(
    client: httpx.AsyncClient, database: Database, company: Company, stranger: Company, clock: Clock
) -> None:
    """The shifts are from 7 to 16 UTC each day; the technician is away from 12 to 13."""
    agreed_at = clock()  # Monday, 8:00 UTC
    refused = await tell(client, company, fix(agreed_at))
    assert (refused.status_code, refused.json()["code"]) == (409, "no-position-consent")
    assert await agree(client, company) == {
        "granted_at": "2026-03-23T08:00:00Z",
        "kept_days": KEPT.days,
    }
    async with database.transaction(company.id) as session:
        away = Range(agreed_at + timedelta(hours=4), agreed_at + timedelta(hours=5))
        session.add(Absence(tenant_id=company.id, technician_id=company.technician.id, during=away))
    now = clock.forward(hours=10)  # 18:00: after the shift
    at_work = agreed_at + timedelta(hours=1)
    answer = await tell(
        client,
        company,
        fix(at_work, accuracy_m=12),
        fix(at_work + timedelta(minutes=5)),
        fix(agreed_at - timedelta(minutes=30)),  # in the shift, before the consent
        fix(agreed_at + timedelta(hours=4, minutes=30)),  # absent
        fix(now),  # off duty
        fix(now + timedelta(hours=1)),
        fix(now - KEPT - timedelta(hours=1)),
    )
    assert answer.json() == {
        "kept": 2,
        "ignored": {
            "before_consent": 1,
            "not_in_shift": 2,
            "from_the_future": 1,
            "too_old": 1,
        },
    }
    again = await tell(client, company, fix(at_work))
    assert again.json() == {"kept": 1, "ignored": {}}
    assert await kept(database, company) == [at_work, at_work + timedelta(minutes=5)]
    assert await where(client, company) == {
        "technician_id": str(company.technician.id),
        "consents": True,
        "position": None,
    }
    # Off duty nobody is anywhere; the next morning they are.
    now = clock.forward(hours=15)
    await tell(client, company, fix(now - timedelta(minutes=3)))
    position = (await where(client, company))["position"]
    assert (position["latitude"], position["longitude"]) == LA_DEFENSE
    clock.forward(minutes=20)
    assert (await where(client, company))["position"] is None, "too old to say where somebody is"
    # Others: no position of their own, none of strangers, and a technician sees nobody's.
    path = f"/api/technicians/{company.technician.id}/position"
    for headers, status in (
        (stranger.headers["dispatcher"], 404),
        (company.headers["technician"], 403),
    ):
        assert (await client.get(path, headers=headers)).status_code == status
    nobody = await client.get(CONSENT, headers=company.headers["administrator"])
    assert nobody.status_code == 403
    # Days later they are gone; with the consent, all of them at once.
    clock.forward(days=6, hours=2)
    async with database.transaction(company.id) as session:
        assert await forget_positions(session, company.id, clock()) == 2
    assert len(await kept(database, company)) == 1
    assert (await agree(client, company, granted=False))["granted_at"] is None
    assert await kept(database, company) == []
    assert (await tell(client, company, fix(clock()))).status_code == 409


async def test_the_customer_learns_when_and_not_where(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    office = company.headers["dispatcher"]
    filed = await client.post(
        "/api/service-requests",
        json={"text": "Stuck", "impact": "stopped", "asset_id": str(company.asset.id)},
        headers=office,
    )
    link = filed.json()["status_url"]
    accepted = await client.post(
        f"/api/service-requests/{filed.json()['request']['id']}/acceptance",
        json={"work_type": "repair"},
        headers=office,
    )
    left_at = clock()
    async with database.transaction(company.id) as session:
        session.add(
            Visit(
                tenant_id=company.id,
                work_order_id=UUID(accepted.json()["work_order_id"]),
                technician_id=company.technician.id,
                status="travelling",
                planned_starts_at=left_at,
                planned_ends_at=left_at + timedelta(hours=1),
                travel_s=1_800,
                travel_started_at=left_at,
                created_at=left_at,
            )
        )

    async def arrival() -> tuple[datetime, str]:
        answer = await client.get(link, headers={"Accept": "application/json"})
        assert answer.json()["current"] == "on_the_way"
        return datetime.fromisoformat(answer.json()["arrival_at"]), answer.text

    assert (await arrival())[0] == left_at + timedelta(minutes=30), "as planned"
    await agree(client, company)
    fixed_at = clock.forward(minutes=20)
    await tell(client, company, fix(fixed_at))
    clock.forward(minutes=2)
    site = (company.site.latitude, company.site.longitude)
    drive_s = int(geodesic_travel(np.array([LA_DEFENSE, site])).seconds[0, 1])
    expected, text = await arrival()
    assert expected == fixed_at + timedelta(seconds=drive_s)
    assert "2.2385" not in text
    assert "48.8918" not in text
    clock.forward(minutes=12)
    assert (await arrival())[0] == max(clock(), expected), "never in the past"
    clock.forward(minutes=5)
    assert (await arrival())[0] == left_at + timedelta(minutes=30), "what is known without it"
    await agree(client, company, granted=False)
    assert (await arrival())[0] == left_at + timedelta(minutes=30)
