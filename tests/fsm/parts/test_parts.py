"""The parts catalogue, prices by day, and the places that hold parts."""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlmodel import col, select

from fsm.database import Database
from fsm.events import Event
from fsm.parts import price_list, queries
from tests.company import Company
from tests.conftest import Clock


async def test_a_part_is_added_found_edited_and_put_out_of_use(
    client: httpx.AsyncClient, company: Company
) -> None:
    headers = company.headers["dispatcher"]
    added = await client.post(
        "/api/parts",
        headers=headers,
        json={
            "number": "OIL-10",
            "name": "Масло",
            "unit": "l",
            "is_original": False,
            "lead_time_days": 3,
        },
    )
    assert added.status_code == 201, added.text
    path = f"/api/parts/{added.json()['id']}"
    assert (await client.get(path, headers=headers)).json() == added.json()
    for params, numbers in (
        ({"q": "масл"}, ["OIL-10"]),
        ({"q": "p-1"}, ["P-1"]),
        ({"limit": "1"}, ["P-1"]),
    ):
        listed = await client.get("/api/parts", headers=headers, params=params)
        assert [item["number"] for item in listed.json()["items"]] == numbers
    edited = await client.patch(
        path, headers=headers, json={"rev": 1, "is_active": False, "lead_time_days": None}
    )
    assert (edited.json()["is_active"], edited.json()["lead_time_days"]) == (False, None)
    stale = await client.patch(path, headers=headers, json={"rev": 1, "name": "x"})
    assert (stale.status_code, stale.json()["code"]) == (409, "stale-change")
    unit = await client.patch(path, headers=headers, json={"rev": 2, "unit": "kg"})
    assert unit.status_code == 422
    again = await client.post(
        "/api/parts", headers=headers, json={"number": "OIL-10", "name": "Copy"}
    )
    assert (again.status_code, again.json()["code"]) == (409, "conflict")


async def test_a_new_price_ends_the_open_one_and_each_day_keeps_its_cost(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    path = f"/api/parts/{company.part.id}/prices"
    headers = company.headers["administrator"]
    added = await client.post(
        path, headers=headers, json={"cost": "13.70", "price": 22, "starts_on": "2026-03-01"}
    )
    assert added.status_code == 201, added.text
    dollars = await client.post(
        path,
        headers=headers,
        json={"cost": 15, "price": 25, "currency": "USD", "starts_on": "2026-01-01"},
    )
    assert dollars.status_code == 201
    listed = (await client.get(path, headers=headers)).json()["items"]
    assert [(row["cost"], row["currency"], row["starts_on"], row["ends_on"]) for row in listed] == [
        ("12.00", "EUR", "2024-01-01", "2026-02-28"),
        ("13.70", "EUR", "2026-03-01", None),
        ("15.00", "USD", "2026-01-01", None),
    ]
    async with database.transaction(company.id) as session:
        for on, currency, cost in (
            (date(2023, 12, 31), "EUR", None),
            (date(2026, 2, 28), "EUR", Decimal(12)),
            (date(2026, 3, 1), "EUR", Decimal("13.70")),
            (date(2026, 3, 1), "USD", Decimal(15)),
            (date(2026, 3, 1), "RUB", None),
        ):
            found = await price_list.find_cost(
                session, company.system, company.part.id, on, currency
            )
            assert found == cost
    overlap = await client.post(
        path,
        headers=headers,
        json={"cost": 1, "price": 1, "starts_on": "2025-01-01", "ends_on": "2025-02-01"},
    )
    assert overlap.status_code == 409
    price = f"/api/part-prices/{added.json()['id']}"
    ended = await client.post(f"{price}/end", headers=headers, json={"ends_on": "2026-03-31"})
    assert (ended.status_code, ended.json()["ends_on"]) == (200, "2026-03-31")
    assert (await client.delete(price, headers=headers)).status_code == 204
    async with database.transaction(company.id) as session:
        kinds = await session.exec(
            select(Event.kind).where(Event.entity == "part").order_by(col(Event.id))
        )
        assert kinds.all() == [
            "part_price.ended",
            "part_price.set",
            "part_price.set",
            "part_price.ended",
            "part_price.deleted",
        ]


@pytest.mark.parametrize(
    "change",
    [
        {"cost": -1},
        {"price": "-0.01"},
        {"cost": "1.999"},
        {"cost": "Infinity"},
        {"cost": "9999999999999.99"},
        {"currency": "€"},
        {"ends_on": "2027-12-31", "starts_on": "2028-01-01"},
        {"starts_on": "yesterday"},
    ],
)
async def test_a_price_that_makes_no_sense_is_refused(
    client: httpx.AsyncClient, company: Company, change: dict[str, Any]
) -> None:
    answer = await client.post(
        f"/api/parts/{company.part.id}/prices",
        headers=company.headers["administrator"],
        json={"cost": 1, "price": 2, "starts_on": "2028-01-01"} | change,
    )
    assert answer.status_code == 422, answer.text


async def test_a_van_belongs_to_one_technician_and_a_warehouse_to_none(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    headers = company.headers["dispatcher"]
    technician = str(company.technician.id)
    for body, status in (
        ({"code": "north", "kind": "warehouse"}, 201),
        ({"code": "v2", "kind": "van"}, 422),
        ({"code": "w2", "kind": "warehouse", "technician_id": technician}, 422),
        ({"code": "v3", "kind": "van", "technician_id": technician}, 409),
        ({"code": "v4", "kind": "van", "technician_id": str(uuid4())}, 422),
        ({"code": "main", "kind": "warehouse"}, 409),
        ({"code": "w3", "kind": "ship"}, 422),
        ({"code": "w4", "kind": "warehouse", "latitude": 3.0}, 422),
    ):
        answer = await client.post(
            "/api/stock-places", headers=headers, json={"name": "Place"} | body
        )
        assert answer.status_code == status, (body, answer.text)
    async with database.transaction(company.id) as session:
        van = await queries.find_van(session, company.system, company.technician.id)
        assert van == company.van.id
        assert await queries.find_van(session, company.system, uuid4()) is None
    vans = await client.get("/api/stock-places", headers=headers, params={"kind": "van"})
    assert [item["code"] for item in vans.json()["items"]] == ["van-1"]


async def test_a_van_passes_to_another_technician_and_an_unused_place_can_go(
    client: httpx.AsyncClient, company: Company
) -> None:
    headers = company.headers["dispatcher"]
    other = (
        await client.post(
            "/api/technicians", headers=headers, json={"number": "T-2", "name": "Chloé"}
        )
    ).json()
    path = f"/api/stock-places/{company.van.id}"
    passed = await client.patch(
        path, headers=headers, json={"rev": 1, "technician_id": other["id"]}
    )
    assert (passed.status_code, passed.json()["technician_id"]) == (200, other["id"])
    orphaned = await client.patch(path, headers=headers, json={"rev": 2, "technician_id": None})
    assert orphaned.status_code == 422
    assert (await client.delete(path, headers=headers)).status_code == 204
    assert (await client.get(path, headers=headers)).status_code == 404


async def test_money_is_for_those_who_may_read_costs(
    client: httpx.AsyncClient, company: Company
) -> None:
    path = f"/api/parts/{company.part.id}/prices"
    refused = await client.get(path, headers=company.headers["dispatcher"])
    assert (refused.status_code, refused.json()["needs"]) == (403, "read_costs")
    read = await client.get(path, headers=company.headers["manager"])
    assert read.json()["items"][0]["cost"] == "12.00"


async def test_parts_are_edited_with_permission_and_within_the_company(
    client: httpx.AsyncClient,
    database: Database,
    company: Company,
    stranger: Company,
    clock: Clock,
) -> None:
    async with database.transaction(stranger.id) as session:
        price = await price_list.add_price(
            session,
            stranger.system,
            clock(),
            stranger.part.id,
            cost=Decimal(1),
            price=Decimal(2),
            starts_on=date(2026, 1, 1),
        )
    part, place = f"/api/parts/{stranger.part.id}", f"/api/stock-places/{stranger.van.id}"
    new_price = {"cost": 1, "price": 1, "starts_on": "2026-01-01"}
    for method, path, body in (
        ("PATCH", part, {"rev": 1, "name": "Mine"}),
        ("POST", f"{part}/prices", new_price),
        ("POST", f"/api/part-prices/{price.id}/end", {"ends_on": "2026-02-01"}),
        ("DELETE", f"/api/part-prices/{price.id}", None),
        ("PATCH", place, {"rev": 1, "name": "Mine"}),
        ("DELETE", place, None),
    ):
        refused = await client.request(
            method, path, headers=company.headers["technician"], json=body
        )
        assert (refused.status_code, refused.json()["needs"]) == (403, "edit_parts")
        unknown = await client.request(
            method, path, headers=company.headers["administrator"], json=body
        )
        assert unknown.status_code == 404, (method, path)
    for path in (part, f"{part}/stock", f"{part}/prices", place, f"{place}/stock"):
        answer = await client.get(path, headers=company.headers["administrator"])
        assert answer.status_code == 404
