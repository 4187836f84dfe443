"""Customers, sites and contacts as the office keeps them."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlmodel import select

from fsm.actors import Permission
from fsm.customers import queries
from fsm.database import Database
from fsm.events import Event
from fsm.problems import Forbidden, Invalid, NotFound
from tests.company import Company
from tests.conftest import Clock


async def add_customer(client: httpx.AsyncClient, company: Company, **values: Any) -> Any:
    answer = await client.post(
        "/api/customers",
        headers=company.headers["dispatcher"],
        json={"number": "C-2", "name": "Corner Bakery"} | values,
    )
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_customer_is_added_read_edited_and_put_out_of_use(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    headers = company.headers["dispatcher"]
    added = await add_customer(
        client, company, name="  Пекарня ", email="a@b.example", phone="+7 (495) 123-45-67"
    )
    assert added["name"] == "Пекарня"
    path = f"/api/customers/{added['id']}"
    assert (await client.get(path, headers=headers)).json() == added
    edited = await client.patch(
        path, headers=headers, json={"rev": 1, "is_active": False, "email": None}
    )
    assert (edited.json()["is_active"], edited.json()["email"], edited.json()["rev"]) == (
        False,
        None,
        2,
    )
    assert edited.json()["phone"] == "+7 (495) 123-45-67"
    async with database.transaction(company.id) as session:
        rows = await session.exec(select(Event.kind, Event.data).where(Event.entity == "customer"))
        history = dict(rows.all())
    assert history["customer.edited"] == {"fields": ["email", "is_active"]}
    assert history["customer.created"] == {"number": "C-2"}


async def test_two_people_editing_at_once_do_not_overwrite_each_other(
    client: httpx.AsyncClient, company: Company
) -> None:
    headers = company.headers["dispatcher"]
    for path in (
        f"/api/customers/{company.customer.id}",
        f"/api/sites/{company.site.id}",
        f"/api/contacts/{company.contact.id}",
    ):
        first = await client.patch(path, headers=headers, json={"rev": 1, "name": "First"})
        second = await client.patch(path, headers=headers, json={"rev": 1, "name": "Second"})
        assert (first.status_code, second.status_code) == (200, 409)
        assert (second.json()["code"], second.json()["rev"]) == ("stale-change", 2)
        assert (await client.get(path, headers=headers)).json()["name"] == "First"


async def test_customers_are_found_by_text_in_name_or_number(
    client: httpx.AsyncClient, company: Company
) -> None:
    await add_customer(client, company)
    await add_customer(client, company, number="100%_X", name="Strange \\ Number")
    headers = company.headers["dispatcher"]
    for q, names in (
        ("hotel", {"Grand Hotel"}),
        ("C-", {"Grand Hotel", "Corner Bakery"}),
        ("%", {"Strange \\ Number"}),
        ("_", {"Strange \\ Number"}),
        ("\\", {"Strange \\ Number"}),
        ("'; drop table customer; --", set()),
    ):
        listed = await client.get("/api/customers", headers=headers, params={"q": q})
        assert {item["name"] for item in listed.json()["items"]} == names, q


async def test_lists_come_in_pages_that_neither_repeat_nor_skip(
    client: httpx.AsyncClient, company: Company
) -> None:
    for number in range(2, 7):
        await add_customer(client, company, number=f"C-{number}")
    headers = company.headers["dispatcher"]
    seen: list[str] = []
    after: dict[str, str] = {}
    while True:
        page = (
            await client.get("/api/customers", headers=headers, params={"limit": 4} | after)
        ).json()
        seen += [item["number"] for item in page["items"]]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert seen == [f"C-{number}" for number in range(1, 7)]
    nonsense = await client.get("/api/customers", headers=headers, params={"after": "page 2"})
    assert nonsense.status_code == 422


async def test_a_site_without_a_zone_keeps_the_companys_time(
    client: httpx.AsyncClient, company: Company
) -> None:
    added = await client.post(
        "/api/sites",
        headers=company.headers["dispatcher"],
        json={"customer_id": str(company.customer.id), "number": "S-2", "name": "Annex"},
    )
    assert (added.status_code, added.json()["zone"]) == (201, "Europe/Paris")
    assert added.json()["position_source"] is None


@pytest.mark.parametrize("zone", ["Europe/Paris", "America/Argentina/Ushuaia", "UTC", "Etc/GMT+5"])
async def test_a_zone_is_an_iana_name(
    client: httpx.AsyncClient, company: Company, zone: str
) -> None:
    edited = await client.patch(
        f"/api/sites/{company.site.id}",
        headers=company.headers["dispatcher"],
        json={"rev": 1, "zone": zone},
    )
    assert (edited.status_code, edited.json()["zone"]) == (200, zone)


@pytest.mark.parametrize(
    "zone",
    [
        "",
        "LMT",
        "MSK",
        "EST5EDT",
        "UTC+3",
        "localtime",
        "Factory",
        "posix/Europe/Paris",
        "right/UTC",
        "../etc/passwd",
        "/etc/localtime",
        "Europe",
        "europe/paris",
    ],
)
async def test_what_names_no_place_is_no_zone(
    client: httpx.AsyncClient, company: Company, zone: str
) -> None:
    answer = await client.patch(
        f"/api/sites/{company.site.id}",
        headers=company.headers["dispatcher"],
        json={"rev": 1, "zone": zone},
    )
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["at"] == "/zone"
    assert "IANA" in error["detail"]


async def test_a_misspelt_zone_is_answered_with_near_ones(
    client: httpx.AsyncClient, company: Company
) -> None:
    answer = await client.patch(
        f"/api/sites/{company.site.id}",
        headers=company.headers["dispatcher"],
        json={"rev": 1, "zone": "europe/moscou"},
    )
    assert "Europe/Moscow" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("change", "at"),
    [
        ({"latitude": 91.0, "longitude": 0.0}, "/latitude"),
        ({"latitude": 0.0, "longitude": -180.5}, "/longitude"),
        ({"latitude": 1.0}, ""),
        ({"latitude": None, "longitude": 1.0}, ""),
        ({"country": "XX"}, "/country"),
        ({"country": "FRA"}, "/country"),
        ({"name": ""}, "/name"),
        ({"name": None}, "/name"),
        ({"name": "a\x00b"}, "/name"),
        ({"address": "x" * 301}, "/address"),
        ({"radius_m": 9}, "/radius_m"),
        ({"radius_m": 50_001}, "/radius_m"),
        ({"customer_id": str(uuid4())}, "/customer_id"),
        ({"rev": 0}, "/rev"),
    ],
)
async def test_a_site_edit_that_makes_no_sense_is_refused_by_its_field(
    client: httpx.AsyncClient, company: Company, change: dict[str, Any], at: str
) -> None:
    path = f"/api/sites/{company.site.id}"
    headers = company.headers["dispatcher"]
    before = (await client.get(path, headers=headers)).json()
    answer = await client.patch(path, headers=headers, json={"rev": 1} | change)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["at"].rstrip("/") == at
    assert (await client.get(path, headers=headers)).json() == before


async def test_a_position_set_by_hand_says_so_and_can_be_taken_away(
    client: httpx.AsyncClient, company: Company
) -> None:
    path = f"/api/sites/{company.site.id}"
    headers = company.headers["dispatcher"]
    placed = await client.patch(
        path, headers=headers, json={"rev": 1, "latitude": -33.86, "longitude": 151.2}
    )
    assert (placed.json()["latitude"], placed.json()["position_source"]) == (-33.86, "hand")
    cleared = await client.patch(
        path, headers=headers, json={"rev": 2, "latitude": None, "longitude": None}
    )
    assert (cleared.json()["latitude"], cleared.json()["position_source"]) == (None, None)


async def test_a_site_reaches_as_far_as_the_office_says(
    client: httpx.AsyncClient, company: Company
) -> None:
    path = f"/api/sites/{company.site.id}"
    headers = company.headers["dispatcher"]
    assert (await client.get(path, headers=headers)).json()["radius_m"] == 300
    edited = await client.patch(path, headers=headers, json={"rev": 1, "radius_m": 2_000})
    assert (edited.status_code, edited.json()["radius_m"]) == (200, 2_000)


async def test_a_country_is_kept_in_capitals(client: httpx.AsyncClient, company: Company) -> None:
    edited = await client.patch(
        f"/api/sites/{company.site.id}",
        headers=company.headers["dispatcher"],
        json={"rev": 1, "country": "de"},
    )
    assert edited.json()["country"] == "DE"


async def test_sites_are_listed_by_customer_and_text(
    client: httpx.AsyncClient, company: Company
) -> None:
    headers = company.headers["dispatcher"]
    bakery = await add_customer(client, company)
    await client.post(
        "/api/sites",
        headers=headers,
        json={"customer_id": bakery["id"], "number": "S-2", "name": "Oven", "city": "Lyon"},
    )
    for params, numbers in (
        ({"customer_id": bakery["id"]}, ["S-2"]),
        ({"q": "rivoli"}, ["S-1"]),
        ({"q": "LYON"}, ["S-2"]),
        ({"customer_id": bakery["id"], "q": "rivoli"}, []),
        ({"is_active": "false"}, []),
    ):
        listed = await client.get("/api/sites", headers=headers, params=params)
        assert [item["number"] for item in listed.json()["items"]] == numbers


async def test_a_contact_is_added_edited_and_erased(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    headers = company.headers["dispatcher"]
    added = await client.post(
        "/api/contacts",
        headers=headers,
        json={
            "customer_id": str(company.customer.id),
            "site_id": str(company.site.id),
            "name": "Иван",
            "language": "ru",
        },
    )
    assert added.status_code == 201
    path = f"/api/contacts/{added.json()['id']}"
    edited = await client.patch(
        path, headers=headers, json={"rev": 1, "site_id": None, "phone": "112"}
    )
    assert (edited.json()["site_id"], edited.json()["phone"]) == (None, "112")
    listed = await client.get("/api/contacts", headers=headers, params={"q": "иван"})
    assert [item["id"] for item in listed.json()["items"]] == [added.json()["id"]]
    assert (await client.delete(path, headers=headers)).status_code == 204
    assert (await client.get(path, headers=headers)).status_code == 404
    async with database.transaction(company.id) as session:
        history = (await session.exec(select(Event.data).where(Event.entity == "contact"))).all()
    assert len(history) == 3
    assert "Иван" not in str(history)


async def test_a_contact_is_at_a_site_of_its_own_customer(
    client: httpx.AsyncClient, company: Company
) -> None:
    headers = company.headers["dispatcher"]
    bakery = await add_customer(client, company)
    body = {"customer_id": bakery["id"], "site_id": str(company.site.id), "name": "Nobody"}
    refused = await client.post("/api/contacts", headers=headers, json=body)
    assert (refused.status_code, refused.json()["errors"][0]["at"]) == (422, "/site_id")


async def test_numbers_are_unique_within_a_company_and_free_in_another(
    client: httpx.AsyncClient, company: Company, stranger: Company
) -> None:
    again = await client.post(
        "/api/customers",
        headers=company.headers["dispatcher"],
        json={"number": "C-1", "name": "Copy"},
    )
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    await add_customer(client, company, number="C-77")
    await add_customer(client, stranger, number="C-77")


async def test_readers_do_not_edit_and_technicians_do_not_read(
    client: httpx.AsyncClient, company: Company
) -> None:
    manager, technician = company.headers["manager"], company.headers["technician"]
    for path in (
        f"/api/customers/{company.customer.id}",
        f"/api/sites/{company.site.id}",
        f"/api/contacts/{company.contact.id}",
    ):
        collection = path.rsplit("/", 1)[0]
        assert (await client.get(path, headers=manager)).status_code == 200
        assert (await client.get(collection, headers=manager)).status_code == 200
        edit = await client.patch(path, headers=manager, json={"rev": 1, "name": "x"})
        assert (edit.status_code, edit.json()["needs"]) == (403, "edit_customers")
        assert (await client.post(collection, headers=manager, json={})).status_code == 403
        assert (await client.get(path, headers=technician)).status_code == 403
        assert (await client.get(collection, headers=technician)).status_code == 403
    erased = await client.delete(f"/api/contacts/{company.contact.id}", headers=manager)
    assert erased.status_code == 403


async def test_another_companys_customers_do_not_exist(
    client: httpx.AsyncClient, company: Company, stranger: Company
) -> None:
    headers = company.headers["administrator"]
    for path in (
        f"/api/customers/{stranger.customer.id}",
        f"/api/sites/{stranger.site.id}",
        f"/api/contacts/{stranger.contact.id}",
    ):
        assert (await client.get(path, headers=headers)).status_code == 404
        edit = await client.patch(path, headers=headers, json={"rev": 1, "name": "x"})
        assert edit.status_code == 404
        listed = await client.get(path.rsplit("/", 1)[0], headers=headers)
        assert len(listed.json()["items"]) == 1
    erased = await client.delete(f"/api/contacts/{stranger.contact.id}", headers=headers)
    assert erased.status_code == 404
    for path in ("/api/sites", "/api/contacts"):
        body = {"customer_id": str(stranger.customer.id), "name": "Mine now"}
        number = {"number": "S-66"} if path == "/api/sites" else {}
        taken = await client.post(path, headers=headers, json=body | number)
        assert (taken.status_code, taken.json()["errors"][0]["at"]) == (422, "/customer_id")


async def test_a_customers_user_sees_that_customer_alone(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    bakery = await add_customer(client, company)
    narrow = replace(
        company.actors["customer"],
        permissions=frozenset({Permission.READ_CUSTOMERS, Permission.EDIT_CUSTOMERS}),
    )
    async with database.transaction(company.id) as session:
        other = (await queries.list_customers(session, company.system, q="Bakery"))[0]
        site = await queries.add_site(
            session, company.system, clock(), customer_id=other.id, number="S-2", name="Oven"
        )
        contact = await queries.add_contact(
            session, company.system, clock(), customer_id=other.id, name="Baker"
        )
    assert str(other.id) == bakery["id"]
    async with database.transaction(company.id) as session:
        own = await queries.list_customers(session, narrow)
        assert [customer.id for customer in own] == [company.customer.id]
        assert [row.id for row in await queries.list_sites(session, narrow)] == [company.site.id]
        assert [row.id for row in await queries.list_contacts(session, narrow)] == [
            company.contact.id
        ]
        for finding in (
            queries.find_customer(session, narrow, other.id),
            queries.lock_customer(session, narrow, other.id),
            queries.find_site(session, narrow, site.id),
            queries.lock_site(session, narrow, site.id),
            queries.find_contact(session, narrow, contact.id),
            queries.lock_contact(session, narrow, contact.id),
        ):
            with pytest.raises(NotFound):
                await finding
        with pytest.raises(Invalid):
            await queries.add_site(
                session, narrow, clock(), customer_id=other.id, number="S-3", name="Sneaked in"
            )
        with pytest.raises(Forbidden):
            await queries.add_customer(session, narrow, clock(), number="C-3", name="Friend")
