"""Codes that set up a phone: one phone each, for a day, for nothing but registering it."""

from typing import Any

import httpx
import pytest

from fsm.tenants.enrolments import meant, new_code
from tests.company import Company
from tests.conftest import Clock

SPEND = "/api/sign-in/enrolment"


def address(company: Company, role: str = "technician") -> str:
    return f"/api/users/{company.users[role].id}/enrolment"


@pytest.fixture
async def issued(client: httpx.AsyncClient, company: Company) -> dict[str, Any]:
    answer = await client.post(address(company), headers=company.headers["administrator"])
    assert answer.status_code == 201, answer.text
    shown: dict[str, Any] = answer.json()
    assert shown["url"].endswith(f"/app/index#enrol={shown['code']}")
    assert shown["symbol"].startswith("<svg")
    return shown


async def spend(client: httpx.AsyncClient, code: str) -> httpx.Response:
    return await client.post(SPEND, json={"code": code})


async def test_a_code_registers_a_phone_and_opens_nothing_else(
    client: httpx.AsyncClient, company: Company, issued: dict[str, Any]
) -> None:
    entrance = (await spend(client, issued["code"].lower().replace("-", " "))).json()
    assert entrance["login"] == company.users["technician"].login
    headers = {"Authorization": f"Bearer {entrance['access_token']}"}
    registered = await client.post(
        "/sync/v1/devices", headers=headers, json={"install_id": "new", "schema": 5}
    )
    assert registered.status_code == 200
    me = await client.get("/api/me", headers=headers)
    assert me.json()["permissions"] == ["sync"]


async def test_a_code_is_spent_once_but_for_an_answer_that_was_lost(
    client: httpx.AsyncClient, clock: Clock, issued: dict[str, Any]
) -> None:
    assert (await spend(client, issued["code"])).status_code == 200
    clock.forward(seconds=10)
    assert (await spend(client, issued["code"])).status_code == 200
    clock.forward(seconds=60)
    assert (await spend(client, issued["code"])).status_code == 401


async def test_a_code_lasts_a_day(
    client: httpx.AsyncClient, clock: Clock, issued: dict[str, Any]
) -> None:
    clock.forward(hours=24)
    assert (await spend(client, issued["code"])).status_code == 401


async def test_only_who_manages_users_issues_codes_and_only_for_people_with_phones(
    client: httpx.AsyncClient, company: Company
) -> None:
    dispatcher, administrator = company.headers["dispatcher"], company.headers["administrator"]
    assert (await client.post(address(company), headers=dispatcher)).status_code == 403
    refused = await client.post(address(company, "manager"), headers=administrator)
    assert (refused.status_code, refused.json()["needs"]) == (403, "sync")


async def test_another_companys_user_does_not_exist(
    client: httpx.AsyncClient, company: Company, stranger: Company
) -> None:
    headers = stranger.headers["administrator"]
    assert (await client.post(address(company), headers=headers)).status_code == 404


def test_what_people_type_for_a_code_is_understood() -> None:
    assert meant("oi-l2 3abcd*x") == "01123ABCDX"
    code = new_code()
    assert meant(f" {code[:5]} – {code[5:].lower()} ") == code
