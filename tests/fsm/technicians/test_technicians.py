"""Technicians, their skills and their rates."""

import asyncio
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy.dialects.postgresql import Range
from sqlmodel import col, select

from fsm.database import Database
from fsm.events import Event
from fsm.technicians import queries
from fsm.technicians.tables import Rate, RateKind
from tests.company import Company
from tests.conftest import Clock


async def add_technician(client: httpx.AsyncClient, company: Company, **values: Any) -> Any:
    answer = await client.post(
        "/api/technicians",
        headers=company.headers["dispatcher"],
        json={"number": "T-2", "name": "Chloé"} | values,
    )
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_technician_is_added_read_edited_and_put_out_of_service(
    client: httpx.AsyncClient, company: Company
) -> None:
    headers = company.headers["dispatcher"]
    added = await add_technician(client, company, territory="North")
    assert (added["zone"], added["skills"], added["is_active"]) == ("Europe/Paris", [], True)
    path = f"/api/technicians/{added['id']}"
    assert (await client.get(path, headers=headers)).json() == added
    edited = await client.patch(
        path,
        headers=headers,
        json={
            "rev": 1,
            "is_active": False,
            "zone": "America/Martinique",
            "home_latitude": 14.6,
            "home_longitude": -61.0,
        },
    )
    assert (edited.json()["zone"], edited.json()["home_latitude"]) == ("America/Martinique", 14.6)
    stale = await client.patch(path, headers=headers, json={"rev": 1, "name": "Other"})
    assert (stale.status_code, stale.json()["code"]) == (409, "stale-change")
    for params, numbers in (
        ({"q": "chlo"}, ["T-2"]),
        ({"q": "T-"}, ["T-1", "T-2"]),
        ({"is_active": "true"}, ["T-1"]),
        ({"limit": "1"}, ["T-1"]),
    ):
        listed = await client.get("/api/technicians", headers=headers, params=params)
        assert [item["number"] for item in listed.json()["items"]] == numbers
    (first,) = (
        await client.get("/api/technicians", headers=headers, params={"limit": "1"})
    ).json()["items"]
    assert first["skills"] == [{"skill": "lift", "name": "Lifts", "level": 3, "valid_until": None}]


async def test_a_technician_signs_in_as_one_user_of_the_service_company(
    client: httpx.AsyncClient, database: Database, company: Company, stranger: Company
) -> None:
    headers = company.headers["dispatcher"]
    body = {"number": "T-2", "name": "Chloé"}
    for user_id, status in (
        (company.users["manager"].id, 201),
        (company.users["technician"].id, 409),
        (company.users["customer"].id, 422),
        (stranger.users["manager"].id, 422),
        (uuid4(), 422),
    ):
        number = {"number": f"T-{user_id}"}
        answer = await client.post(
            "/api/technicians", headers=headers, json=body | number | {"user_id": str(user_id)}
        )
        assert answer.status_code == status, answer.text
    async with database.transaction(company.id) as session:
        own = await queries.find_technician_of_user(
            session, company.system, company.users["technician"].id
        )
        assert own is not None
        assert own.id == company.technician.id
        for user_id in (company.users["administrator"].id, stranger.users["technician"].id):
            assert await queries.find_technician_of_user(session, company.system, user_id) is None


async def test_skills_are_set_all_at_once(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    headers = company.headers["dispatcher"]
    await client.post("/api/skills", headers=headers, json={"code": "gas", "name": "Газ"})
    path = f"/api/technicians/{company.technician.id}/skills"
    answer = await client.put(
        path,
        headers=headers,
        json={"skills": [{"skill": "gas", "level": 5, "valid_until": "2026-12-31"}]},
    )
    assert answer.status_code == 200
    assert answer.json()["rev"] == 2
    assert answer.json()["skills"] == [
        {"skill": "gas", "name": "Газ", "level": 5, "valid_until": "2026-12-31"}
    ]
    for skills in (
        [{"skill": "magic"}],
        [{"skill": "gas", "level": 6}],
        [{"skill": "gas", "level": 0}],
        [{"skill": "gas"}, {"skill": "gas", "level": 2}],
        [{"skill": "gas", "valid_until": "2026-13-01"}],
    ):
        refused = await client.put(path, headers=headers, json={"skills": skills})
        assert refused.status_code == 422, skills
    async with database.transaction(company.id) as session:
        held = await queries.list_held_skills(session, company.system, [company.technician.id])
        event = (
            await session.exec(select(Event).where(Event.kind == "technician.skills_set"))
        ).one()
    (skill,) = held[company.technician.id]
    assert skill.holds_on(date(2026, 12, 31))
    assert not skill.holds_on(date(2027, 1, 1))
    assert event.data == {"skills": [{"skill": "gas", "level": 5, "valid_until": "2026-12-31"}]}


async def test_a_skill_is_renamed_and_removed_only_when_nothing_needs_it(
    client: httpx.AsyncClient, company: Company
) -> None:
    headers = company.headers["dispatcher"]
    spare = (
        await client.post("/api/skills", headers=headers, json={"code": "gas", "name": "Gas"})
    ).json()
    path = f"/api/skills/{spare['id']}"
    renamed = await client.patch(path, headers=headers, json={"rev": 1, "name": "Gas burners"})
    assert (renamed.json()["name"], renamed.json()["rev"]) == ("Gas burners", 2)
    recoded = await client.patch(path, headers=headers, json={"rev": 2, "code": "x"})
    assert recoded.status_code == 422
    skills = f"/api/technicians/{company.technician.id}/skills"
    await client.put(skills, headers=headers, json={"skills": [{"skill": "gas"}]})
    held = await client.delete(path, headers=headers)
    assert (held.status_code, held.json()["code"]) == (409, "in-use")
    required = await client.delete(f"/api/skills/{company.skill.id}", headers=headers)
    assert (required.status_code, required.json()["code"]) == (409, "in-use")
    await client.put(skills, headers=headers, json={"skills": []})
    assert (await client.delete(path, headers=headers)).status_code == 204
    listed = await client.get("/api/skills", headers=headers)
    assert [item["code"] for item in listed.json()["items"]] == ["lift"]
    again = await client.post("/api/skills", headers=headers, json={"code": "lift", "name": "x"})
    assert again.status_code == 409


async def test_a_technicians_own_rate_comes_before_the_companys(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    technician = company.technician.id
    set_rate = await client.post(
        "/api/rates",
        headers=company.headers["administrator"],
        json={
            "technician_id": str(technician),
            "kind": "labour",
            "amount": "75.50",
            "starts_on": "2026-04-01",
            "ends_on": "2026-04-30",
        },
    )
    assert set_rate.status_code == 201, set_rate.text
    assert (set_rate.json()["amount"], set_rate.json()["currency"]) == ("75.50", "EUR")
    async with database.transaction(company.id) as session:
        for on, kind, amount in (
            (date(2026, 3, 31), RateKind.LABOUR, Decimal(60)),
            (date(2026, 4, 1), RateKind.LABOUR, Decimal("75.50")),
            (date(2026, 4, 30), RateKind.LABOUR, Decimal("75.50")),
            (date(2026, 5, 1), RateKind.LABOUR, Decimal(60)),
            (date(2026, 4, 15), RateKind.TRAVEL, Decimal(40)),
        ):
            rate = await queries.find_rate(session, company.system, technician, kind, on)
            assert rate is not None
            assert rate.amount == amount
        before = date(2023, 12, 31)
        assert (
            await queries.find_rate(session, company.system, technician, RateKind.LABOUR, before)
            is None
        )


async def test_a_new_rate_ends_the_open_one_and_the_past_keeps_its_own(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    headers = company.headers["administrator"]
    raised = await client.post(
        "/api/rates",
        headers=headers,
        json={"kind": "labour", "amount": 66, "starts_on": "2026-07-01"},
    )
    assert raised.status_code == 201
    listed = await client.get("/api/rates", headers=headers, params={"of_company": "true"})
    labour = [item for item in listed.json()["items"] if item["kind"] == "labour"]
    assert [(item["amount"], item["starts_on"], item["ends_on"]) for item in labour] == [
        ("60.00", "2024-01-01", "2026-06-30"),
        ("66.00", "2026-07-01", None),
    ]
    inside = await client.post(
        "/api/rates",
        headers=headers,
        json={"kind": "labour", "amount": 1, "starts_on": "2025-01-01", "ends_on": "2025-01-31"},
    )
    assert (inside.status_code, inside.json()["code"]) == (409, "conflict")
    today = await client.get("/api/rates", headers=headers, params={"on": "2026-06-30"})
    assert sorted(item["amount"] for item in today.json()["items"]) == ["40.00", "60.00"]
    path = f"/api/rates/{raised.json()['id']}"
    ended = await client.post(f"{path}/end", headers=headers, json={"ends_on": "2026-12-31"})
    assert (ended.status_code, ended.json()["ends_on"]) == (200, "2026-12-31")
    back = await client.post(f"{path}/end", headers=headers, json={"ends_on": "2026-06-01"})
    assert back.status_code == 422
    assert (await client.delete(path, headers=headers)).status_code == 204
    async with database.transaction(company.id) as session:
        kinds = await session.exec(
            select(Event.kind).where(Event.entity == "rate").order_by(col(Event.id))
        )
        assert kinds.all() == ["rate.ended", "rate.set", "rate.ended", "rate.deleted"]


async def test_the_companys_rates_cannot_overlap_even_when_two_are_set_at_once(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    async with database.transaction(company.id) as session:
        for rate in await session.exec(select(Rate)):
            await session.delete(rate)
    answers = await asyncio.gather(
        *(
            client.post(
                "/api/rates",
                headers=company.headers["administrator"],
                json={"kind": "labour", "amount": amount, "starts_on": "2026-01-01"},
            )
            for amount in (50, 51, 52)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409]
    async with database.transaction(company.id) as session:
        (rate,) = (await session.exec(select(Rate))).all()
    assert rate.during == Range(date(2026, 1, 1), None)


@pytest.mark.parametrize(
    "change",
    [
        {"amount": -1},
        {"amount": "-0.01"},
        {"amount": "0.001"},
        {"amount": "NaN"},
        {"amount": "1e30"},
        {"currency": "euro"},
        {"kind": "lunch"},
        {"starts_on": "2026-02-30"},
        {"ends_on": "2025-12-31"},
    ],
)
async def test_a_rate_that_makes_no_sense_is_refused(
    client: httpx.AsyncClient, company: Company, change: dict[str, Any]
) -> None:
    answer = await client.post(
        "/api/rates",
        headers=company.headers["administrator"],
        json={"kind": "travel", "amount": 10, "starts_on": "2026-01-01"} | change,
    )
    assert answer.status_code == 422, answer.text


async def test_rates_are_read_by_those_who_may_read_costs(
    client: httpx.AsyncClient, company: Company
) -> None:
    refused = await client.get("/api/rates", headers=company.headers["dispatcher"])
    assert (refused.status_code, refused.json()["needs"]) == (403, "read_costs")
    read = await client.get("/api/rates", headers=company.headers["manager"])
    assert read.status_code == 200


async def test_editing_people_needs_its_permission_and_ends_at_the_company(
    client: httpx.AsyncClient,
    database: Database,
    company: Company,
    stranger: Company,
    clock: Clock,
) -> None:
    async with database.transaction(stranger.id) as session:
        rate = await queries.add_rate(
            session,
            stranger.system,
            clock(),
            kind=RateKind.LABOUR,
            amount=Decimal(99),
            starts_on=date(2026, 1, 1),
            technician_id=stranger.technician.id,
        )
    technician = f"/api/technicians/{stranger.technician.id}"
    skill = f"/api/skills/{stranger.skill.id}"
    new_rate = {
        "technician_id": str(stranger.technician.id),
        "kind": "labour",
        "amount": 1,
        "starts_on": "2026-01-01",
    }
    for method, path, body in (
        ("PATCH", technician, {"rev": 1, "name": "Mine"}),
        ("PUT", f"{technician}/skills", {"skills": []}),
        ("PATCH", skill, {"rev": 1, "name": "Mine"}),
        ("DELETE", skill, None),
        ("POST", "/api/rates", new_rate),
        ("POST", f"/api/rates/{rate.id}/end", {"ends_on": "2026-02-01"}),
        ("DELETE", f"/api/rates/{rate.id}", None),
    ):
        refused = await client.request(method, path, headers=company.headers["manager"], json=body)
        assert (refused.status_code, refused.json()["needs"]) == (403, "edit_technicians")
        unknown = await client.request(
            method, path, headers=company.headers["administrator"], json=body
        )
        assert unknown.status_code == 404, (method, path)
    assert (
        await client.get(technician, headers=company.headers["administrator"])
    ).status_code == 404
