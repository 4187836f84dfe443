"""Stock is the sum of movements: right whoever moves what at the same time, and in whatever order."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy.exc import DBAPIError
from sqlmodel import select

from fsm.database import Database, run
from fsm.events import Event
from fsm.parts import queries, stock
from fsm.parts.tables import Movement, MovementKind
from fsm.problems import Invalid
from tests.company import Company
from tests.conftest import Clock


async def move(client: httpx.AsyncClient, company: Company, **values: Any) -> httpx.Response:
    return await client.post(
        "/api/movements",
        headers=company.headers["administrator"],
        json={"part_id": str(company.part.id)} | values,
    )


async def stock_of(client: httpx.AsyncClient, company: Company) -> dict[str, str]:
    """Return place → quantity, and the total, of the company's part."""
    answer = await client.get(
        f"/api/parts/{company.part.id}/stock", headers=company.headers["technician"]
    )
    body = answer.json()
    return {item["code"]: item["quantity"] for item in body["items"]} | {"": body["total"]}


async def test_a_part_goes_from_supplier_to_warehouse_to_van_to_job_and_back(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    main, van = str(company.warehouse.id), str(company.van.id)
    for values in (
        {"kind": "receipt", "to_place_id": main, "quantity": 10, "unit_cost": "11.50"},
        {"kind": "transfer", "from_place_id": main, "to_place_id": van, "quantity": "4"},
        {"kind": "use", "from_place_id": van, "quantity": "1.5"},
        {"kind": "return", "to_place_id": van, "quantity": "0.25"},
        {"kind": "correction", "from_place_id": main, "quantity": "0.0001"},
        {"kind": "correction", "to_place_id": van, "quantity": 1},
    ):
        answer = await move(client, company, **values)
        assert answer.status_code == 201, answer.text
    assert await stock_of(client, company) == {
        "main": "5.9999",
        "van-1": "3.7500",
        "": "9.7499",
    }
    held = await client.get(f"/api/stock-places/{van}/stock", headers=company.headers["technician"])
    assert held.json() == {
        "place_id": van,
        "items": [
            {
                "part_id": str(company.part.id),
                "number": "P-1",
                "name": "Door roller",
                "unit": "pc",
                "quantity": "3.7500",
            }
        ],
        "next": None,
    }
    listed = await client.get(
        "/api/movements", headers=company.headers["manager"], params={"place_id": main}
    )
    assert [(item["kind"], item["unit_cost"]) for item in listed.json()["items"]] == [
        ("correction", "12.00"),
        ("transfer", "12.00"),
        ("receipt", "11.50"),
    ]
    async with database.transaction(company.id) as session:
        recorded = (await session.exec(select(Event).where(Event.entity == "movement"))).all()
    assert len(recorded) == 6
    assert recorded[2].data["quantity"] == "1.5"


async def test_movements_at_the_same_time_all_count(
    client: httpx.AsyncClient, company: Company
) -> None:
    main, van = str(company.warehouse.id), str(company.van.id)
    await move(client, company, kind="receipt", to_place_id=main, quantity=100)
    answers = await asyncio.gather(
        *(
            move(
                client,
                company,
                kind="transfer",
                from_place_id=main,
                to_place_id=van,
                quantity=quantity,
            )
            for quantity in (1, 2, 4, 8, 16)
        ),
        *(
            move(client, company, kind="use", from_place_id=van, quantity=quantity)
            for quantity in ("0.5", "0.25")
        ),
    )
    assert {answer.status_code for answer in answers} == {201}
    assert await stock_of(client, company) == {
        "main": "69.0000",
        "van-1": "30.2500",
        "": "99.2500",
    }


async def test_use_of_more_than_is_recorded_shows_as_negative_stock(
    client: httpx.AsyncClient, company: Company
) -> None:
    used = await move(client, company, kind="use", from_place_id=str(company.van.id), quantity=2)
    assert used.status_code == 201
    assert await stock_of(client, company) == {"van-1": "-2.0000", "": "-2.0000"}


async def test_use_is_valued_at_the_cost_of_its_day_where_the_company_is(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    await client.post(
        f"/api/parts/{company.part.id}/prices",
        headers=company.headers["administrator"],
        json={"cost": "14.00", "price": 22, "starts_on": "2026-03-01"},
    )
    # Midnight in Paris is 23:00 UTC, an hour before midnight in UTC.
    midnight = datetime(2026, 2, 28, 23, 0, tzinfo=UTC)
    async with database.transaction(company.id) as session:
        for moved_at, cost in (
            (midnight - timedelta(microseconds=1), Decimal(12)),
            (midnight, Decimal(14)),
            (datetime(2023, 6, 1, tzinfo=UTC), Decimal(0)),
        ):
            movement = await queries.record_movement(
                session,
                company.system,
                clock(),
                part_id=company.part.id,
                kind=MovementKind.USE,
                quantity=Decimal(1),
                from_place_id=company.van.id,
                moved_at=moved_at,
            )
            assert (movement.unit_cost, movement.currency) == (cost, "EUR")
    async with database.transaction(company.id) as session:
        rows = (await session.exec(select(Event).where(Event.entity == "movement"))).all()
    assert [row.data["unpriced"] for row in rows] == [False, False, True]


async def test_a_part_bought_on_the_way_is_used_and_was_never_in_stock(
    client: httpx.AsyncClient, company: Company
) -> None:
    used = await move(client, company, kind="use", quantity=1, unit_cost="9.90")
    assert used.status_code == 201
    assert await stock_of(client, company) == {"": "0"}


async def test_a_price_changed_later_moves_no_past_number(
    client: httpx.AsyncClient, company: Company
) -> None:
    moved = await move(client, company, kind="use", from_place_id=str(company.van.id), quantity=1)
    await client.post(
        f"/api/parts/{company.part.id}/prices",
        headers=company.headers["administrator"],
        json={"cost": 99, "price": 100, "starts_on": "2026-01-01"},
    )
    read = await client.get(
        f"/api/movements/{moved.json()['id']}", headers=company.headers["manager"]
    )
    assert read.json()["unit_cost"] == "12.00"
    blind = await client.get(
        f"/api/movements/{moved.json()['id']}", headers=company.headers["dispatcher"]
    )
    assert blind.json()["unit_cost"] is None


async def test_the_same_cause_moves_parts_once(
    database: Database, company: Company, clock: Clock
) -> None:
    async def use() -> UUID:
        async with database.transaction(company.id) as session:
            movement = await queries.record_movement(
                session,
                company.system,
                clock(),
                part_id=company.part.id,
                kind=MovementKind.USE,
                quantity=Decimal(1),
                from_place_id=company.van.id,
                source="part_used",
                source_id="0198",
            )
            return movement.id

    assert await use() == await use()
    async with database.transaction(company.id) as session:
        assert len((await session.exec(select(Movement))).all()) == 1


@pytest.mark.parametrize(
    ("kind", "places"),
    [
        ("receipt", []),
        ("receipt", ["from"]),
        ("receipt", ["from", "to"]),
        ("transfer", ["from"]),
        ("transfer", ["to"]),
        ("transfer", ["from", "same"]),
        ("use", ["to"]),
        ("use", ["from", "to"]),
        ("return", ["from"]),
        ("return", []),
        ("correction", []),
        ("correction", ["from", "to"]),
    ],
)
async def test_a_movement_goes_where_its_kind_goes(
    client: httpx.AsyncClient,
    database: Database,
    company: Company,
    clock: Clock,
    kind: str,
    places: list[str],
) -> None:
    values: dict[str, Any] = {}
    for place in places:
        column = "from_place_id" if place == "from" else "to_place_id"
        values[column] = company.warehouse.id if place == "to" else company.van.id
    answer = await move(
        client,
        company,
        kind=kind,
        quantity=1,
        **{name: str(place) for name, place in values.items()},
    )
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["at"] == "/from_place_id"
    # The table refuses the same, whoever writes to it.
    with pytest.raises(DBAPIError, match="movement_(places|direction)_check"):
        async with database.transaction(company.id) as session:
            session.add(
                Movement(
                    tenant_id=company.id,
                    part_id=company.part.id,
                    kind=kind,
                    quantity=Decimal(1),
                    unit_cost=Decimal(1),
                    moved_at=clock(),
                    **values,
                )
            )


@pytest.mark.parametrize(
    ("change", "at"),
    [
        ({"quantity": 0}, "/quantity"),
        ({"quantity": -3}, "/quantity"),
        ({"quantity": "0.00001"}, "/quantity"),
        ({"quantity": "NaN"}, "/quantity"),
        ({"quantity": "1e20"}, "/quantity"),
        ({"unit_cost": "-1"}, "/unit_cost"),
        ({"moved_at": "2026-03-01T10:00:00"}, "/moved_at"),
        ({"kind": "theft"}, "/kind"),
        ({"part_id": str(uuid4())}, "/part_id"),
        ({"to_place_id": str(uuid4())}, "/to_place_id"),
        ({"by": "somebody else"}, "/by"),
    ],
)
async def test_a_movement_that_makes_no_sense_is_refused_by_its_field(
    client: httpx.AsyncClient, company: Company, change: dict[str, Any], at: str
) -> None:
    values = {"kind": "receipt", "quantity": 1, "to_place_id": str(company.van.id)} | change
    answer = await move(client, company, **values)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["at"] == at
    assert await stock_of(client, company) == {"": "0"}


async def test_a_quantity_that_is_not_a_number_is_refused_behind_the_door_too(
    database: Database, company: Company, clock: Clock
) -> None:
    for quantity in (Decimal("NaN"), Decimal("Infinity"), Decimal(0), Decimal(-1)):
        async with database.transaction(company.id) as session:
            with pytest.raises(Invalid):
                await queries.record_movement(
                    session,
                    company.system,
                    clock(),
                    part_id=company.part.id,
                    kind=MovementKind.RECEIPT,
                    quantity=quantity,
                    to_place_id=company.van.id,
                )


async def test_the_application_can_neither_change_nor_remove_a_movement(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    await move(client, company, kind="receipt", to_place_id=str(company.van.id), quantity=1)
    for statement in ("update movement set quantity = 2", "delete from movement"):
        with pytest.raises(DBAPIError, match="permission denied"):
            async with database.transaction(company.id) as session:
                await run(session, statement)


async def test_what_a_place_holds_comes_in_pages(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    async with database.transaction(company.id) as session:
        for number in range(5):
            part = await queries.add_part(
                session, company.system, clock(), number=f"X-{number}", name="Screw"
            )
            await queries.record_movement(
                session,
                company.system,
                clock(),
                part_id=part.id,
                kind=MovementKind.RECEIPT,
                quantity=Decimal(number + 1),
                to_place_id=company.van.id,
            )
        first = await stock.list_stock_in_place(session, company.system, company.van, limit=3)
        rest = await stock.list_stock_in_place(
            session, company.system, company.van, after=first[-1].part_id, limit=3
        )
    assert [row.number for row in first + rest] == ["X-0", "X-1", "X-2", "X-3", "X-4"]


async def test_a_place_or_part_with_movements_stays(
    client: httpx.AsyncClient, company: Company
) -> None:
    van = str(company.van.id)
    await move(client, company, kind="receipt", to_place_id=van, quantity=1)
    refused = await client.delete(
        f"/api/stock-places/{van}", headers=company.headers["administrator"]
    )
    assert (refused.status_code, refused.json()["code"]) == (409, "in-use")


async def test_movements_stay_within_the_company_and_need_permission(
    client: httpx.AsyncClient, company: Company, stranger: Company
) -> None:
    body = {"kind": "receipt", "quantity": 1, "to_place_id": str(company.van.id)}
    for change in (
        {"part_id": str(stranger.part.id)},
        {"to_place_id": str(stranger.van.id)},
    ):
        answer = await move(client, company, **(body | change))
        assert answer.status_code == 422
    refused = await client.post(
        "/api/movements",
        headers=company.headers["technician"],
        json=body | {"part_id": str(company.part.id)},
    )
    assert (refused.status_code, refused.json()["needs"]) == (403, "edit_parts")
    theirs = await client.post(
        "/api/movements",
        headers=stranger.headers["dispatcher"],
        json={
            "part_id": str(stranger.part.id),
            "kind": "receipt",
            "quantity": 7,
            "to_place_id": str(stranger.van.id),
        },
    )
    assert theirs.status_code == 201
    unseen = await client.get(
        f"/api/movements/{theirs.json()['id']}", headers=company.headers["administrator"]
    )
    assert unseen.status_code == 404
    listed = await client.get("/api/movements", headers=company.headers["administrator"])
    assert listed.json()["items"] == []
    assert await stock_of(client, company) == {"": "0"}
