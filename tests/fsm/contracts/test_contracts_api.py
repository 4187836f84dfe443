"""Contracts, what they cover, calendars and service levels over HTTP, and the clocks they promise."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import httpx
import pytest
from sqlmodel import col, select

from fsm.assets.tables import Asset
from fsm.contracts import queries, versions
from fsm.contracts.clocks import start_clocks
from fsm.contracts.coverage import DecidedBy
from fsm.contracts.opening_hours import calendar_from_json, expand_rows
from fsm.contracts.service_levels import ClockKind
from fsm.contracts.tables import CalendarVersion, Opening, ServiceLevel
from fsm.customers.tables import Customer, Site
from fsm.database import Database
from fsm.problems import NotFound
from tests.company import SERVICE_LEVEL, WORKING_HOURS, Company
from tests.conftest import Clock

NOBODY = "0190a0b0-0000-7000-8000-000000000000"
"""An id that no row has."""


async def sign(
    client: httpx.AsyncClient, company: Company, number: str, **more: Any
) -> dict[str, Any]:
    body = {
        "customer_id": str(company.customer.id),
        "number": number,
        "kind": "warranty",
        "starts_on": "2026-01-01",
        **more,
    }
    answer = await client.post("/api/contracts", json=body, headers=company.headers["manager"])
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def question(client: httpx.AsyncClient, company: Company, **more: Any) -> dict[str, Any]:
    body = {
        "asset_id": str(company.asset.id),
        "work_type": "repair",
        "request_class": "incident",
        "maintenance": "corrective",
        **more,
    }
    answer = await client.post("/api/coverage", json=body, headers=company.headers["dispatcher"])
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def other_customers_asset(database: Database, company: Company) -> Asset:
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
        await session.flush()
        asset = Asset(
            tenant_id=company.id,
            customer_id=customer.id,
            site_id=site.id,
            model_id=company.model.id,
            number="A-2",
            name="Clinic lift",
            in_service_from=company.tenant.created_at,
            created_at=company.tenant.created_at,
        )
        session.add(asset)
    return asset


# --- contracts --------------------------------------------------------------------------------------------


async def test_a_contract_is_signed_read_and_edited_with_its_revision(
    client: httpx.AsyncClient, company: Company
) -> None:
    contract = await sign(
        client,
        company,
        "K-2",
        covers={"request_classes": ["incident"], "work_types": ["repair"]},
        payers={"parts": "manufacturer"},
        monthly_fee="120.50",
    )
    assert contract["covers"] == {
        "request_classes": ["incident"],
        "maintenance": None,
        "work_types": ["repair"],
        "all_assets": False,
    }
    url, boss = f"/api/contracts/{contract['id']}", company.headers["manager"]
    edited = await client.patch(url, json={"rev": 1, "ends_on": "2026-12-31"}, headers=boss)
    assert (edited.json()["ends_on"], edited.json()["monthly_fee"]) == ("2026-12-31", "120.50")
    stale = await client.patch(url, json={"rev": 1, "priority": 5}, headers=boss)
    assert stale.status_code == 409
    assert (await client.get(url, headers=company.headers["dispatcher"])).json() == edited.json()


@pytest.mark.parametrize(
    ("more", "at"),
    [
        ({"customer_id": NOBODY}, "/customer_id"),
        ({"service_level_id": NOBODY}, "/service_level_id"),
        ({"ends_on": "2025-12-31"}, "/ends_on"),
        ({"monthly_fee": "-1"}, "/monthly_fee"),
        ({"currency": "euro"}, "/currency"),
        ({"kind": "forever"}, "/kind"),
        ({"covers": {"maintenance": ["magic"]}}, "/covers/maintenance"),
        ({"covers": {"work_types": ["brewing"]}}, "/covers/work_types"),
        ({"covers": {"request_classes": []}}, "/covers/request_classes"),
        ({"payers": {"labour": "nobody"}}, "/payers/labour"),
        ({"payers": {"lunch": "customer"}}, "/payers/lunch"),
    ],
)
async def test_a_contract_that_cannot_be_is_refused_at_its_place(
    client: httpx.AsyncClient, company: Company, more: dict[str, Any], at: str
) -> None:
    body = {
        "customer_id": str(company.customer.id),
        "number": "K-2",
        "kind": "warranty",
        "starts_on": "2026-01-01",
        **more,
    }
    answer = await client.post("/api/contracts", json=body, headers=company.headers["manager"])
    assert answer.status_code == 422
    assert [error["at"] for error in answer.json()["errors"]] == [at]


async def test_contracts_are_edited_by_who_may_and_seen_by_whom_they_concern(
    client: httpx.AsyncClient, company: Company, stranger: Company
) -> None:
    url = f"/api/contracts/{company.contract.id}"
    edit = {"rev": 1, "priority": 5}
    refused = await client.patch(url, json=edit, headers=company.headers["dispatcher"])
    assert (refused.status_code, refused.json()["needs"]) == (403, "edit_contracts")
    for path in ("", "/assets"):
        theirs = await client.get(url + path, headers=stranger.headers["manager"])
        assert theirs.status_code == 404, path
    assert (
        await client.patch(url, json=edit, headers=stranger.headers["manager"])
    ).status_code == 404
    listed = await client.get("/api/contracts", headers=stranger.headers["manager"])
    assert [each["id"] for each in listed.json()["items"]] == [str(stranger.contract.id)]


async def test_a_customers_user_sees_that_customers_contracts_only(
    database: Database, company: Company
) -> None:
    asset = await other_customers_asset(database, company)
    async with database.transaction(company.id) as session:
        contract = await queries.add_contract(
            session,
            company.system,
            company.tenant.created_at,
            {
                "customer_id": asset.customer_id,
                "number": "K-2",
                "kind": "warranty",
                "starts_on": date(2026, 1, 1),
                "covers": {},
                "payers": {},
            },
        )
        customer = company.actors["customer"]
        with pytest.raises(NotFound):
            await queries.find_contract(session, customer, contract.id)
        seen = await queries.list_contracts(session, customer, after=None, limit=10)
        assert [each.number for each in seen] == ["K-1"]
        nothing = await queries.load_terms(
            session, customer, customer_id=asset.customer_id, asset_id=asset.id
        )
        assert nothing == []


async def test_a_warning_before_expiry_lists_what_ends_soon(
    client: httpx.AsyncClient, company: Company
) -> None:
    await sign(client, company, "K-over", starts_on="2025-01-01", ends_on="2026-03-22")
    await sign(client, company, "K-soon", ends_on="2026-04-15")
    await sign(client, company, "K-later", ends_on="2026-12-31")
    answer = await client.get(
        "/api/contracts?ends_by=2026-04-30", headers=company.headers["manager"]
    )
    assert [each["number"] for each in answer.json()["items"]] == ["K-soon"]


async def test_a_renewed_contract_takes_over_the_assets_of_the_last_day(
    client: httpx.AsyncClient, company: Company
) -> None:
    boss = company.headers["manager"]
    old = await sign(client, company, "K-2", ends_on="2026-06-30", payers={"labour": "contract"})
    assets = f"/api/contracts/{old['id']}/assets"
    body = {"asset_id": str(company.asset.id)}
    assert (await client.post(assets, json=body, headers=boss)).status_code == 201
    renewal = {"number": "K-3", "ends_on": "2027-06-30", "monthly_fee": "99"}
    url = f"/api/contracts/{old['id']}/renewal"
    new = (await client.post(url, json=renewal, headers=boss)).json()
    assert (new["starts_on"], new["payers"], new["monthly_fee"]) == (
        "2026-07-01",
        {"labour": "contract"},
        "99.00",
    )
    (line,) = (await client.get(f"/api/contracts/{new['id']}/assets", headers=boss)).json()
    assert (line["number"], line["starts_on"], line["ends_on"]) == ("A-1", "2026-07-01", None)
    endless = await client.post(
        f"/api/contracts/{company.contract.id}/renewal", json={"number": "K-4"}, headers=boss
    )
    assert endless.status_code == 409


async def test_an_asset_is_under_a_contract_from_day_to_day(
    client: httpx.AsyncClient, company: Company, database: Database
) -> None:
    boss = company.headers["manager"]
    contract = await sign(client, company, "K-2", ends_on="2026-12-31")
    url = f"/api/contracts/{contract['id']}/assets"
    days = {"starts_on": "2026-02-01", "ends_on": "2026-02-28"}
    body = {"asset_id": str(company.asset.id), **days}
    line = (await client.post(url, json=body, headers=boss)).json()
    assert (line["starts_on"], line["ends_on"]) == ("2026-02-01", "2026-02-28")
    touching = {**body, "starts_on": "2026-02-28", "ends_on": "2026-03-31"}
    assert (await client.post(url, json=touching, headers=boss)).status_code == 409
    next_day = {**body, "starts_on": "2026-03-01", "ends_on": None}
    assert (await client.post(url, json=next_day, headers=boss)).status_code == 201
    backwards = await client.patch(
        f"{url}/{line['id']}", json={"ends_on": "2026-01-31"}, headers=boss
    )
    assert (backwards.status_code, backwards.json()["errors"][0]["at"]) == (422, "/ends_on")
    assert (await client.delete(f"{url}/{line['id']}", headers=boss)).status_code == 409
    late = {**body, "starts_on": "2027-01-01", "ends_on": None}
    answer = await client.post(url, json=late, headers=boss)
    assert (answer.status_code, answer.json()["errors"][0]["at"]) == (422, "/starts_on")
    theirs = await other_customers_asset(database, company)
    wrong = await client.post(url, json={"asset_id": str(theirs.id)}, headers=boss)
    assert (wrong.status_code, wrong.json()["errors"][0]["at"]) == (422, "/asset_id")


async def test_a_line_that_has_not_begun_can_be_taken_back(
    client: httpx.AsyncClient, company: Company
) -> None:
    boss = company.headers["manager"]
    contract = await sign(client, company, "K-2")
    url = f"/api/contracts/{contract['id']}/assets"
    body = {"asset_id": str(company.asset.id), "starts_on": "2026-05-01"}
    line = (await client.post(url, json=body, headers=boss)).json()
    assert (await client.delete(f"{url}/{line['id']}", headers=boss)).status_code == 204
    assert (await client.get(url, headers=boss)).json() == []
    assert (await client.delete(f"{url}/{line['id']}", headers=boss)).status_code == 404


# --- cover ------------------------------------------------------------------------------------------------


async def test_the_preview_names_contract_rule_payers_due_times_and_why_not_others(
    client: httpx.AsyncClient, company: Company
) -> None:
    await sign(client, company, "K-0")
    answer = await question(client, company, priority=2, at="2026-03-27T16:00:00+01:00")
    assert answer["cover"]["number"] == "K-1"
    assert answer["cover"]["rule"] == "only"
    assert answer["cover"]["payers"]["parts"] == "customer"
    assert [(each["number"], each["miss"]) for each in answer["considered"]] == [
        ("K-0", "asset"),
        ("K-1", None),
    ]
    # Friday 16:00 with four and with eight hours, 9–18 in Paris; the clocks go forward on Sunday.
    assert [(each["clock"], each["due_at"]) for each in answer["due"]] == [
        ("response", "2026-03-30T09:00:00Z"),
        ("restoration", "2026-03-30T13:00:00Z"),
    ]
    none = await question(client, company, maintenance="preventive")
    assert (none["cover"], none["due"]) == (None, [])


async def test_the_day_that_counts_is_the_day_at_the_site(
    client: httpx.AsyncClient, company: Company
) -> None:
    contract = await sign(client, company, "K-2", starts_on="2026-03-23", ends_on="2026-03-23")
    url = f"/api/contracts/{contract['id']}/assets"
    body = {"asset_id": str(company.asset.id)}
    await client.post(url, json=body, headers=company.headers["manager"])
    for at, number in (
        ("2026-03-22T22:59:59Z", "K-1"),
        ("2026-03-22T23:00:00Z", "K-2"),
        ("2026-03-23T22:59:59Z", "K-2"),
        ("2026-03-23T23:00:00Z", "K-1"),
    ):
        answer = await question(client, company, at=at)
        assert answer["cover"]["number"] == number, at


async def test_cover_is_not_told_about_strangers_assets(
    client: httpx.AsyncClient, company: Company, stranger: Company
) -> None:
    body = {
        "asset_id": str(stranger.asset.id),
        "work_type": "repair",
        "request_class": "incident",
        "maintenance": "corrective",
    }
    answer = await client.post("/api/coverage", json=body, headers=company.headers["dispatcher"])
    assert answer.status_code == 404
    technician = company.headers["technician"]
    assert (await client.post("/api/coverage", json=body, headers=technician)).status_code == 403


async def test_a_cost_without_a_contract_is_the_customers(
    database: Database, company: Company
) -> None:
    async with database.transaction(company.id) as session:
        assert await queries.payer_of(session, company.system, None, "parts") == (
            "customer",
            DecidedBy.NO_CONTRACT,
        )
        contract_id = company.contract.id
        found = [
            await queries.payer_of(session, company.system, contract_id, kind)
            for kind in ("labour", "parts", "contractor", "other")
        ]
    assert found == [
        ("contract", "stated"),
        ("customer", "stated"),
        ("contract", "as_labour"),
        ("contract", "kind"),
    ]


# --- calendars and service levels -------------------------------------------------------------------------


async def test_opening_hours_are_published_as_versions_that_never_change(
    client: httpx.AsyncClient, company: Company
) -> None:
    boss = company.headers["administrator"]
    calendar = (
        await client.post("/api/calendars", json={"code": "day", "name": "Day"}, headers=boss)
    ).json()
    url = f"/api/calendars/{calendar['id']}/versions"
    first = {"body": WORKING_HOURS, "effective_at": "2020-01-01T00:00:00Z"}
    assert (await client.post(url, json=first, headers=boss)).json()["version"] == 1
    back = await client.post(url, json=first, headers=boss)
    assert (back.status_code, back.json()["errors"][0]["at"]) == (422, "/effective_at")
    second = await client.post(url, json={"body": {"around_the_clock": True}}, headers=boss)
    assert (second.json()["version"], second.json()["effective_at"]) == (2, "2026-03-23T08:00:00Z")
    history = await client.get(url, headers=company.headers["dispatcher"])
    assert [each["version"] for each in history.json()["items"]] == [1, 2]
    wrong = await client.post(url, json=first, headers=company.headers["manager"])
    assert (wrong.status_code, wrong.json()["needs"]) == (403, "manage_catalogue")


@pytest.mark.parametrize(
    ("body", "at"),
    [
        ({}, "/body"),
        ({"weekly": {"mon": [["09:00", "25:00"]]}}, "/body/weekly/mon/0/1"),
        ({"weekly": {"monday": []}}, "/body/weekly/monday"),
        ({"holidays": ["2026-02-30"]}, "/body/holidays/0"),
        ({"around_the_clock": True, "holidays": ["2026-01-01"]}, "/body/around_the_clock"),
        ({"always": True}, "/body/always"),
    ],
)
async def test_unreadable_opening_hours_are_refused_at_their_place(
    client: httpx.AsyncClient, company: Company, body: dict[str, Any], at: str
) -> None:
    calendar_id = company.calendar_version.calendar_id
    answer = await client.post(
        f"/api/calendars/{calendar_id}/versions",
        json={"body": body},
        headers=company.headers["administrator"],
    )
    assert answer.status_code == 422
    assert [error["at"] for error in answer.json()["errors"]] == [at]


@pytest.mark.parametrize(
    ("change", "at"),
    [
        ({"targets": []}, "/body/targets"),
        (
            {"targets": [{"clock": "response", "priority": 1, "target_s": 60}]},
            "/body/targets/0/stops_at",
        ),
        (
            {"targets": [{"clock": "restoration", "priority": 1, "target_s": -1}]},
            "/body/targets/0/target_s",
        ),
        ({"pauses": {"lunch": ["response"]}}, "/body/pauses/lunch"),
        ({"reopening": "forget"}, "/body/reopening"),
    ],
)
async def test_unreadable_promises_are_refused_at_their_place(
    client: httpx.AsyncClient, company: Company, change: dict[str, Any], at: str
) -> None:
    answer = await client.post(
        f"/api/service-levels/{company.service_level.id}/versions",
        json={"body": {**SERVICE_LEVEL, **change}},
        headers=company.headers["administrator"],
    )
    assert answer.status_code == 422
    assert [error["at"] for error in answer.json()["errors"]] == [at]


async def test_a_service_level_needs_a_calendar_with_opening_hours(
    client: httpx.AsyncClient, company: Company, stranger: Company
) -> None:
    boss = company.headers["administrator"]
    empty = (
        await client.post("/api/calendars", json={"code": "x", "name": "X"}, headers=boss)
    ).json()
    theirs = stranger.calendar_version.calendar_id
    for calendar_id in (empty["id"], str(theirs), str(uuid4())):
        body = {"code": "silver", "name": "Silver", "calendar_id": calendar_id}
        answer = await client.post("/api/service-levels", json=body, headers=boss)
        assert (answer.status_code, answer.json()["errors"][0]["at"]) == (422, "/calendar_id")
    ours = str(company.calendar_version.calendar_id)
    body = {"code": "silver", "name": "Silver", "calendar_id": ours}
    level = await client.post("/api/service-levels", json=body, headers=boss)
    url = f"/api/service-levels/{level.json()['id']}"
    assert (
        await client.post(f"{url}/versions", json={"body": SERVICE_LEVEL}, headers=boss)
    ).status_code == 201
    renamed = await client.patch(url, json={"rev": 1, "name": "Silver+"}, headers=boss)
    assert renamed.json()["name"] == "Silver+"
    listed = await client.get("/api/service-levels", headers=company.headers["dispatcher"])
    assert [each["code"] for each in listed.json()["items"]] == ["gold", "silver"]
    other = await client.get(f"{url}/versions", headers=stranger.headers["administrator"])
    assert other.status_code == 404


async def test_a_job_pins_what_was_in_force_when_its_clocks_started(
    database: Database, company: Company, clock: Clock
) -> None:
    before = clock()
    async with database.transaction(company.id) as session:
        calendar_id = company.calendar_version.calendar_id
        level_id = company.service_level.id
        await versions.publish_calendar(
            session,
            company.system,
            before,
            calendar_id,
            body={"around_the_clock": True},
            effective_at=before + timedelta(days=1),
        )
        old = await queries.pinned_policy(session, company.system, level_id, before)
        new = await queries.pinned_policy(
            session, company.system, level_id, before + timedelta(days=1)
        )
        long_ago = await queries.pinned_policy(
            session, company.system, level_id, before - timedelta(days=999)
        )
        with pytest.raises(NotFound):
            await queries.pinned_policy(session, company.system, uuid4(), before)
    assert long_ago is None
    assert old is not None
    assert new is not None
    assert old.calendar_version_id == company.calendar_version.id
    assert new.calendar_version_id != old.calendar_version_id
    assert new.service_level_version_id == old.service_level_version_id
    saturday = datetime(2026, 3, 28, 11, 0, tzinfo=UTC)  # the night after, the clocks go forward
    due = {clock.kind: clock.due_at for clock in start_clocks(new, "Europe/Paris", 2, saturday)}
    assert due[ClockKind.RESTORATION] == saturday + timedelta(hours=8)
    due = {clock.kind: clock.due_at for clock in start_clocks(old, "Europe/Paris", 2, saturday)}
    assert due[ClockKind.RESTORATION] == datetime(2026, 3, 30, 15, 0, tzinfo=UTC)
    assert start_clocks(old, "Europe/Paris", 9, saturday) == ()


async def test_a_promise_on_a_calendar_that_soon_closes_for_good_is_never_due(
    database: Database, company: Company, clock: Clock
) -> None:
    async with database.transaction(company.id) as session:
        await versions.publish_calendar(
            session,
            company.system,
            clock(),
            company.calendar_version.calendar_id,
            body={"special": {"2026-03-23": [["09:00", "11:00"]]}},
        )
        policy = await queries.pinned_policy(
            session, company.system, company.service_level.id, clock()
        )
    assert policy is not None
    started = start_clocks(policy, "Europe/Paris", 1, clock())
    assert [each.due_at for each in started] == [None, None]


# --- openings ---------------------------------------------------------------------------------------------


async def _openings(
    database: Database, company: Company, version_id: UUID
) -> list[tuple[datetime, datetime]]:
    async with database.transaction(company.id) as session:
        statement = (
            select(Opening.opens_at, Opening.closes_at)
            .where(Opening.calendar_version_id == version_id, Opening.zone == "Europe/Paris")
            .order_by(col(Opening.opens_at))
        )
        return [(opens, closes) for opens, closes in await session.exec(statement)]


async def test_openings_are_the_same_rows_however_they_are_laid_out(
    database: Database, company: Company, clock: Clock
) -> None:
    """Night shifts overlap the next morning, and the clocks go forward and back."""
    hours = {
        "weekly": {
            "mon": [["22:00", "06:00"]],
            "tue": [["05:00", "12:00"], ["22:00", "21:59"]],
            "wed": [["08:00", "24:00"]],
            "sat": [["00:00", "24:00"]],
            "sun": [["00:00", "24:00"]],
        }
    }
    async with database.transaction(company.id) as session:
        calendar = await versions.add_calendar(
            session, company.system, clock(), code="night", name="Night"
        )
        version = await versions.publish_calendar(
            session, company.system, clock(), calendar.id, body=hours
        )

    async def ensure(first_on: date, last_on: date) -> None:
        async with database.transaction(company.id) as session:
            await versions.ensure_openings(
                session, company.system, version.id, "Europe/Paris", first_on, last_on
            )

    day, end = date(2026, 3, 1), date(2026, 11, 30)
    spans = []
    while day <= end:
        spans.append((day, min(day + timedelta(days=30), end)))
        day += timedelta(days=17)
    await asyncio.gather(*(ensure(*span) for span in spans[:4]))
    for span in reversed(spans):
        await ensure(*span)
    whole = expand_rows(calendar_from_json(hours), ZoneInfo("Europe/Paris"), date(2026, 2, 20), end)
    since = datetime(2026, 2, 28, 23, 0, tzinfo=UTC)
    expected = [row for row in whole if row[0] >= since]
    assert await _openings(database, company, version.id) == expected
    assert len(expected) > 200


async def test_a_strangers_calendar_has_no_openings_for_us(
    database: Database, company: Company, stranger: Company
) -> None:
    async with database.transaction(company.id) as session:
        with pytest.raises(NotFound):
            await versions.ensure_openings(
                session,
                company.system,
                stranger.calendar_version.id,
                "Europe/Paris",
                date(2026, 1, 1),
                date(2026, 1, 31),
            )
        with pytest.raises(ValueError, match="No openings"):
            await versions.ensure_openings(
                session,
                company.system,
                company.calendar_version.id,
                "Europe/Paris",
                date(2026, 1, 2),
                date(2026, 1, 1),
            )
        rows = await session.exec(select(CalendarVersion.id))
        assert list(rows) == [company.calendar_version.id]
        assert (await session.exec(select(ServiceLevel.code))).all() == ["gold"]
