"""Models, assets, their tree, identifiers and documents over HTTP."""

import asyncio
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlmodel import select
from uuid_utils.compat import uuid7

from fsm.assets import queries, tree
from fsm.assets.tables import Asset
from fsm.customers.tables import Customer, Site
from fsm.database import Database
from fsm.events import Event
from fsm.evidence.tables import Blob
from fsm.problems import NotFound
from tests.company import Company
from tests.conftest import Clock

NOBODY = "0190a0b0-0000-7000-8000-000000000000"
"""An id that no row has."""


async def register(
    client: httpx.AsyncClient, company: Company, number: str, **more: Any
) -> dict[str, Any]:
    body = {
        "site_id": str(company.site.id),
        "model_id": str(company.model.id),
        "number": number,
        "name": f"Lift {number}",
        **more,
    }
    answer = await client.post("/api/assets", json=body, headers=company.headers["dispatcher"])
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def uuid_of(asset: dict[str, Any]) -> UUID:
    return UUID(asset["id"])


async def second_customer(database: Database, company: Company) -> Site:
    """Return the site of another customer of the same company."""
    async with database.transaction(company.id) as session:
        customer = Customer(
            tenant_id=company.id, number="C-2", name="Clinic", created_at=company.tenant.created_at
        )
        session.add(customer)
        await session.flush()
        site = Site(
            tenant_id=company.id,
            customer_id=customer.id,
            number="S-2",
            name="Clinic",
            created_at=company.tenant.created_at,
        )
        session.add(site)
    return site


# --- models -----------------------------------------------------------------------------------------------


async def test_a_model_is_added_found_by_a_piece_of_its_name_and_edited(
    client: httpx.AsyncClient, company: Company
) -> None:
    office = company.headers["dispatcher"]
    body = {"code": "HP-3", "manufacturer": "Thermo", "name": "HP 3 100%", "equipment": "heat pump"}
    added = await client.post("/api/asset-models", json=body, headers=office)
    assert added.status_code == 201
    model = added.json()
    found = await client.get("/api/asset-models", params={"q": "100%"}, headers=office)
    assert [each["code"] for each in found.json()["items"]] == ["HP-3"]
    assert (await client.get("/api/asset-models?q=_", headers=office)).json()["items"] == []
    edit = {"rev": model["rev"], "service_life_months": 180}
    url = f"/api/asset-models/{model['id']}"
    edited = await client.patch(url, json=edit, headers=office)
    assert (edited.json()["service_life_months"], edited.json()["rev"]) == (180, 2)
    stale = await client.patch(url, json=edit, headers=office)
    assert (stale.status_code, stale.json()["code"]) == (409, "stale-change")


async def test_two_models_cannot_share_a_code(client: httpx.AsyncClient, company: Company) -> None:
    body = {"code": "LX-5", "manufacturer": "Other", "name": "Other"}
    answer = await client.post(
        "/api/asset-models", json=body, headers=company.headers["dispatcher"]
    )
    assert answer.status_code == 409
    assert answer.json()["detail"] == "There is already a model with this code."


# --- assets -----------------------------------------------------------------------------------------------


async def test_a_registered_asset_belongs_to_the_customer_of_its_site(
    client: httpx.AsyncClient, company: Company, database: Database, clock: Clock
) -> None:
    asset = await register(
        client, company, "A-2", serial="X 1", warranty_ends_on="2027-03-01", criticality=1
    )
    assert asset["customer_id"] == str(company.customer.id)
    assert asset["zone"] == "Europe/Paris"
    assert datetime.fromisoformat(asset["in_service_from"]) == clock()
    read = await client.get(f"/api/assets/{asset['id']}", headers=company.headers["customer"])
    assert read.json() == asset
    async with database.transaction(company.id) as session:
        kinds = select(Event.kind).where(Event.entity_id == read.json()["id"])
        assert list(await session.exec(kinds)) == ["asset.created"]


async def test_a_page_ends_where_the_next_begins(
    client: httpx.AsyncClient, company: Company
) -> None:
    numbers = ["A-1", "A-2", "A-3", "A-4", "A-5"]
    for number in numbers[1:]:
        await register(client, company, number)
    seen: list[str] = []
    after: str | None = None
    for _ in range(4):
        params = {"limit": "2"} | ({"after": after} if after else {})
        page = await client.get("/api/assets", params=params, headers=company.headers["technician"])
        seen += [each["number"] for each in page.json()["items"]]
        after = page.json()["next"]
        if after is None:
            break
    assert seen == numbers


async def test_search_looks_in_serials_and_identifiers(
    client: httpx.AsyncClient, company: Company
) -> None:
    office = company.headers["dispatcher"]
    other = await register(client, company, "A-2", serial="ZZ-77")
    body = {"scheme": "nfc", "value": "04:A2:1B"}
    url = f"/api/assets/{other['id']}/identifiers"
    assert (await client.post(url, json=body, headers=office)).status_code == 201
    for text in ("zz-77", "a2:1b", "lift a-2"):
        found = await client.get("/api/assets", params={"q": text}, headers=office)
        assert [each["number"] for each in found.json()["items"]] == ["A-2"], text
    by_site = {"site_id": str(company.site.id), "is_retired": "false"}
    assert (
        len((await client.get("/api/assets", params=by_site, headers=office)).json()["items"]) == 2
    )


@pytest.mark.parametrize(
    ("field", "value", "at"),
    [
        ("site_id", NOBODY, "/site_id"),
        ("model_id", NOBODY, "/model_id"),
        ("parent_id", NOBODY, "/parent_id"),
        ("criticality", 6, "/criticality"),
        ("in_service_from", "2026-03-29T02:30:00", "/in_service_from"),
        ("number", "", "/number"),
        ("name", "a\x00b", "/name"),
        ("customer_id", NOBODY, "/customer_id"),
    ],
)
async def test_a_bad_field_is_named(
    client: httpx.AsyncClient, company: Company, field: str, value: Any, at: str
) -> None:
    body = {
        "site_id": str(company.site.id),
        "model_id": str(company.model.id),
        "number": "A-9",
        "name": "Lift",
        field: value,
    }
    answer = await client.post("/api/assets", json=body, headers=company.headers["dispatcher"])
    assert answer.status_code == 422
    assert [error["at"] for error in answer.json()["errors"]] == [at]


async def test_a_technician_reads_assets_but_registers_none(
    client: httpx.AsyncClient, company: Company
) -> None:
    body = {
        "site_id": str(company.site.id),
        "model_id": str(company.model.id),
        "number": "A-9",
        "name": "Lift",
    }
    answer = await client.post("/api/assets", json=body, headers=company.headers["technician"])
    assert (answer.status_code, answer.json()["needs"]) == (403, "edit_assets")


async def test_a_strangers_assets_do_not_exist(
    client: httpx.AsyncClient, company: Company, stranger: Company
) -> None:
    theirs, mine = stranger.asset.id, company.headers["dispatcher"]
    for path in ("", "/tree", "/identifiers", "/documents", "/meters", "/failures", "/history"):
        answer = await client.get(f"/api/assets/{theirs}{path}", headers=mine)
        assert answer.status_code == 404, path
    edit = {"rev": 1, "name": "Mine now"}
    assert (await client.patch(f"/api/assets/{theirs}", json=edit, headers=mine)).status_code == 404
    body = {
        "site_id": str(stranger.site.id),
        "model_id": str(company.model.id),
        "number": "A-9",
        "name": "Lift",
    }
    assert (await client.post("/api/assets", json=body, headers=mine)).status_code == 422
    listed = await client.get("/api/assets", headers=mine)
    assert [each["id"] for each in listed.json()["items"]] == [str(company.asset.id)]


async def test_a_customers_user_sees_no_other_customers_assets(
    client: httpx.AsyncClient, company: Company, database: Database
) -> None:
    site = await second_customer(database, company)
    other = await register(client, company, "A-2", site_id=str(site.id))
    hotel = company.headers["customer"]
    assert (await client.get(f"/api/assets/{other['id']}", headers=hotel)).status_code == 404
    assert (await client.get(f"/api/assets/{other['id']}/tree", headers=hotel)).status_code == 404
    listed = await client.get("/api/assets", headers=hotel)
    assert [each["number"] for each in listed.json()["items"]] == ["A-1"]
    theirs = {"customer_id": str(site.customer_id)}
    assert (await client.get("/api/assets", params=theirs, headers=hotel)).json()["items"] == []
    async with database.transaction(company.id) as session:
        with pytest.raises(NotFound):
            await queries.asset_summary(session, company.actors["customer"], uuid_of(other))


async def test_of_two_edits_from_one_reading_the_second_is_refused(
    client: httpx.AsyncClient, company: Company
) -> None:
    url, office = f"/api/assets/{company.asset.id}", company.headers["dispatcher"]
    edits = [
        client.patch(url, json={"rev": 1, "name": name}, headers=office) for name in ("One", "Two")
    ]
    answers = sorted(answer.status_code for answer in await asyncio.gather(*edits))
    assert answers == [200, 409]


# --- the tree ---------------------------------------------------------------------------------------------


async def test_a_subtree_lists_each_part_right_after_its_whole(
    client: httpx.AsyncClient, company: Company
) -> None:
    root = str(company.asset.id)
    door = await register(client, company, "A-1.2", parent_id=root)
    await register(client, company, "A-1.1", parent_id=root)
    await register(client, company, "A-1.2.1", parent_id=door["id"])
    await register(client, company, "A-7")
    answer = await client.get(f"/api/assets/{root}/tree", headers=company.headers["customer"])
    lines = [(line["number"], line["depth"]) for line in answer.json()["items"]]
    assert lines == [("A-1", 0), ("A-1.1", 1), ("A-1.2", 1), ("A-1.2.1", 2)]


async def test_an_asset_cannot_be_moved_below_itself(
    client: httpx.AsyncClient, company: Company
) -> None:
    office, root = company.headers["dispatcher"], str(company.asset.id)
    door = await register(client, company, "A-2", parent_id=root)
    lock = await register(client, company, "A-3", parent_id=door["id"])
    for parent in (lock["id"], door["id"], root):
        answer = await client.post(
            f"/api/assets/{root}/move", json={"rev": 1, "parent_id": parent}, headers=office
        )
        assert (answer.status_code, answer.json()["code"]) == (409, "asset-ring")
    answer = await client.post(
        f"/api/assets/{root}/move", json={"rev": 1, "parent_id": lock["id"]}, headers=office
    )
    assert answer.json()["ring"] == ["A-1", "A-2", "A-3"]
    freed = await client.post(
        f"/api/assets/{lock['id']}/move", json={"rev": 1, "parent_id": None}, headers=office
    )
    assert freed.json()["parent_id"] is None


async def test_two_moves_at_once_cannot_close_a_ring(
    client: httpx.AsyncClient, company: Company, database: Database, clock: Clock
) -> None:
    one, two = await register(client, company, "A-2"), await register(client, company, "A-3")
    first_moved, second_waits = asyncio.Event(), asyncio.Event()

    async def first() -> None:
        async with database.transaction(company.id) as session:
            await tree.move(
                session, company.system, clock(), uuid_of(one), 1, parent_id=uuid_of(two)
            )
            first_moved.set()
            await second_waits.wait()

    async def second() -> None:
        await first_moved.wait()
        async with database.transaction(company.id) as session:
            asyncio.get_running_loop().call_later(0.2, second_waits.set)
            await tree.move(
                session, company.system, clock(), uuid_of(two), 1, parent_id=uuid_of(one)
            )

    outcomes = await asyncio.gather(first(), second(), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [type(None), tree.RingInTree]
    async with database.transaction(company.id) as session:
        parent = select(Asset.parent_id).where(Asset.id == uuid_of(two))
        assert (await session.exec(parent)).one() is None


async def test_a_part_belongs_to_the_customer_of_the_whole(
    client: httpx.AsyncClient, company: Company, database: Database
) -> None:
    site = await second_customer(database, company)
    other = await register(client, company, "A-2", site_id=str(site.id))
    office = company.headers["dispatcher"]
    move = {"rev": 1, "parent_id": str(company.asset.id)}
    answer = await client.post(f"/api/assets/{other['id']}/move", json=move, headers=office)
    assert (answer.status_code, answer.json()["errors"][0]["at"]) == (422, "/parent_id")
    away = {"rev": 1, "parent_id": None, "site_id": str(site.id)}
    answer = await client.post(f"/api/assets/{company.asset.id}/move", json=away, headers=office)
    assert (answer.status_code, answer.json()["errors"][0]["at"]) == (422, "/site_id")


async def test_what_stood_with_an_asset_goes_with_it_to_another_site(
    client: httpx.AsyncClient, company: Company, database: Database
) -> None:
    async with database.transaction(company.id) as session:
        depot = Site(
            tenant_id=company.id,
            customer_id=company.customer.id,
            number="S-9",
            name="Depot",
            created_at=company.tenant.created_at,
        )
        session.add(depot)
    root = str(company.asset.id)
    part = await register(client, company, "A-2", parent_id=root)
    office = company.headers["dispatcher"]
    move = {"rev": 1, "parent_id": None, "site_id": str(depot.id)}
    moved = await client.post(f"/api/assets/{root}/move", json=move, headers=office)
    assert moved.json()["site"] == "Depot"
    there = await client.get(f"/api/assets/{part['id']}", headers=office)
    assert (there.json()["site"], there.json()["parent_id"]) == ("Depot", root)


# --- in and out of service --------------------------------------------------------------------------------


async def test_retiring_with_parts_retires_what_was_still_in_service(
    client: httpx.AsyncClient, company: Company, clock: Clock
) -> None:
    office, root = company.headers["dispatcher"], str(company.asset.id)
    part = await register(
        client, company, "A-2", parent_id=root, in_service_from="2025-06-01T00:00:00Z"
    )
    body = {"rev": 1, "retired_at": clock().isoformat(), "with_parts": True}
    assert (
        await client.post(f"/api/assets/{root}/retirement", json=body, headers=office)
    ).status_code == 200
    gone = await client.get("/api/assets?is_retired=true", headers=office)
    assert {each["id"] for each in gone.json()["items"]} == {root, part["id"]}
    again = await client.post(
        f"/api/assets/{root}/retirement", json={**body, "rev": 2}, headers=office
    )
    assert again.status_code == 409


async def test_time_out_of_service_is_an_outage_from_outside(
    client: httpx.AsyncClient, company: Company
) -> None:
    office, url = company.headers["dispatcher"], f"/api/assets/{company.asset.id}"
    retired = {"rev": 1, "retired_at": "2026-01-10T00:00:00Z"}
    await client.post(f"{url}/retirement", json=retired, headers=office)
    early = {"rev": 2, "returned_at": "2026-01-09T00:00:00Z"}
    answer = await client.post(f"{url}/return-to-service", json=early, headers=office)
    assert (answer.status_code, answer.json()["errors"][0]["at"]) == (422, "/returned_at")
    back = {"rev": 2, "returned_at": "2026-02-01T00:00:00+01:00"}
    answer = await client.post(f"{url}/return-to-service", json=back, headers=office)
    assert answer.json()["retired_at"] is None
    (line,) = (await client.get(f"{url}/history", headers=office)).json()["items"]
    assert (line["cause"], line["from_at"], line["to_at"]) == (
        "external",
        "2026-01-10T00:00:00Z",
        "2026-01-31T23:00:00Z",
    )


async def test_a_retirement_by_mistake_leaves_no_outage(
    client: httpx.AsyncClient, company: Company
) -> None:
    office, url = company.headers["dispatcher"], f"/api/assets/{company.asset.id}"
    retired = {"rev": 1, "retired_at": "2026-01-10T00:00:00Z"}
    await client.post(f"{url}/retirement", json=retired, headers=office)
    undone = {"rev": 2, "returned_at": None}
    await client.post(f"{url}/return-to-service", json=undone, headers=office)
    assert (await client.get(f"{url}/history", headers=office)).json()["items"] == []


async def test_an_asset_is_not_retired_before_it_went_into_service(
    client: httpx.AsyncClient, company: Company
) -> None:
    body = {"rev": 1, "retired_at": "2024-01-01T00:00:00Z"}
    answer = await client.post(
        f"/api/assets/{company.asset.id}/retirement",
        json=body,
        headers=company.headers["dispatcher"],
    )
    assert (answer.status_code, answer.json()["errors"][0]["at"]) == (422, "/retired_at")


# --- identifiers ------------------------------------------------------------------------------------------


async def test_an_identifier_finds_its_asset_until_it_is_removed(
    client: httpx.AsyncClient, company: Company, stranger: Company
) -> None:
    office, url = company.headers["dispatcher"], f"/api/assets/{company.asset.id}/identifiers"
    body = {"scheme": "gs1:8004", "value": "4012345000010X"}
    added = await client.post(url, json=body, headers=office)
    repeated = await client.post(url, json=body, headers=office)
    assert added.json() == repeated.json()
    find = "/api/assets/by-identifier"
    found = await client.get(find, params=body, headers=company.headers["technician"])
    assert found.json()["number"] == "A-1"
    theirs = await client.get(find, params=body, headers=stranger.headers["technician"])
    assert theirs.status_code == 404
    gone = await client.delete(f"{url}/{added.json()['id']}", headers=office)
    assert gone.status_code == 204
    assert (await client.get(find, params=body, headers=office)).status_code == 404


async def test_one_identifier_names_one_asset(client: httpx.AsyncClient, company: Company) -> None:
    other = await register(client, company, "A-2")
    body = {"scheme": "serial", "value": "OT-0001234"}
    answer = await client.post(
        f"/api/assets/{other['id']}/identifiers", json=body, headers=company.headers["dispatcher"]
    )
    assert answer.status_code == 409
    assert answer.json()["detail"] == "Another asset already carries this identifier."


# --- documents --------------------------------------------------------------------------------------------


async def test_an_asset_shows_its_own_documents_and_its_models(
    client: httpx.AsyncClient, company: Company, database: Database, clock: Clock
) -> None:
    manual, drawing = sha256(b"manual"), sha256(b"drawing")
    async with database.transaction(company.id) as session:
        for digest, size in ((manual, 6), (drawing, 7)):
            session.add(
                Blob(
                    tenant_id=company.id,
                    sha256=digest.digest(),
                    size=size,
                    mime="application/pdf",
                    stored_at=clock(),
                )
            )
    office = company.headers["dispatcher"]
    for url, digest, title in (
        (f"/api/asset-models/{company.model.id}/documents", manual, "Manual"),
        (f"/api/assets/{company.asset.id}/documents", drawing, "Drawing"),
    ):
        body = {"sha256": digest.hexdigest(), "title": title, "language": "en"}
        assert (await client.post(url, json=body, headers=office)).status_code == 201
    url = f"/api/assets/{company.asset.id}/documents"
    shown = (await client.get(url, headers=company.headers["customer"])).json()
    assert [(each["title"], each["size"]) for each in shown] == [("Drawing", 7), ("Manual", 6)]
    gone = await client.delete(f"/api/asset-documents/{shown[0]['id']}", headers=office)
    assert gone.status_code == 204
    assert [each["title"] for each in (await client.get(url, headers=office)).json()] == ["Manual"]


async def test_bytes_that_were_never_stored_cannot_be_attached(
    client: httpx.AsyncClient, company: Company
) -> None:
    body = {"sha256": "0" * 64, "title": "Manual"}
    answer = await client.post(
        f"/api/assets/{company.asset.id}/documents",
        json=body,
        headers=company.headers["dispatcher"],
    )
    assert (answer.status_code, answer.json()["errors"][0]["at"]) == (422, "/sha256")


async def test_a_client_may_bring_the_id_but_not_twice(
    client: httpx.AsyncClient, company: Company
) -> None:
    asset_id = str(uuid7())
    assert (await register(client, company, "A-2", id=asset_id))["id"] == asset_id
    body = {
        "id": asset_id,
        "site_id": str(company.site.id),
        "model_id": str(company.model.id),
        "number": "A-3",
        "name": "Lift",
    }
    answer = await client.post("/api/assets", json=body, headers=company.headers["dispatcher"])
    assert answer.status_code == 409


async def test_a_summary_names_customer_site_and_model(
    database: Database, company: Company
) -> None:
    async with database.transaction(company.id) as session:
        summary = await queries.asset_summary(session, company.system, company.asset.id)
    assert (summary.customer.name, summary.site.zone, summary.model.code) == (
        "Grand Hotel",
        "Europe/Paris",
        "LX-5",
    )
    assert summary.asset.in_service_from == datetime(2025, 1, 1, tzinfo=UTC)
