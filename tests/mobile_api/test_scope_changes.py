"""A job that becomes wider on site: priced by what is in force, agreed, and decided by the office."""

import asyncio
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import httpx
from sqlalchemy.dialects.postgresql import Range
from sqlmodel import select
from uuid_utils.compat import uuid7

from fsm.contracts.tables import PayerRule
from fsm.database import Database
from fsm.technicians.tables import Rate
from fsm.work_orders.tables import Review
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import Job, dispatched_job
from tests.mobile_api.phones import Phone


async def ask(
    client: httpx.AsyncClient, company: Company, path: str, body: Any = None, role: str = "manager"
) -> httpx.Response:
    method = "GET" if body is None else "POST"
    return await client.request(method, path, json=body, headers=company.headers[role])


async def charge_labour(database: Database, company: Company, price: int) -> None:
    async with database.transaction(company.id) as session:
        always = Range(date(2024, 1, 1), None)
        session.add(Rate(tenant_id=company.id, kind="labour_price", amount=price, during=always))


async def told(
    phone: Phone, client: httpx.AsyncClient, company: Company, job: Job, **data: Any
) -> dict[str, Any]:
    """Tell of a wider job on the phone; return it as the office then sees it."""
    intent = phone.intent("scope.change", visit_id=str(job.visit_id), **data)
    (outcome,) = await phone.push(intent)
    assert outcome["status"] == "applied", outcome
    answer = await ask(client, company, f"/api/work-orders/{job.id}/scope-changes")
    assert answer.status_code == 200, answer.text
    (found,) = [one for one in answer.json()["items"] if one["id"] == intent["id"]]
    return dict(found)


async def open_reviews(database: Database, company: Company) -> list[Review]:
    async with database.transaction(company.id) as session:
        statement = select(Review).where(Review.kind == "scope_change")
        return [one for one in await session.exec(statement) if one.settled_at is None]


async def test_a_wider_job_is_priced_by_what_is_in_force_beside_the_price_told_on_site(
    phone: Phone, client: httpx.AsyncClient, company: Company, clock: Clock, database: Database
) -> None:
    await charge_labour(database, company, 90)
    job = await dispatched_job(database, company, clock)
    lines = [
        {"part_id": str(company.part.id), "qty": 2, "text": "rollers"},
        {"kind": "labour", "hours": 1.5},
    ]
    found = await told(phone, client, company, job, lines=lines, price="900 EUR")
    reckoned = [(one["kind"], one["cost"], one["price"]) for one in found["lines"]]
    # 2 rollers at 12, sold at 20; an hour and a half at 60, sold at 90
    assert reckoned == [("parts", "24.00", "40.00"), ("labour", "90.00", "135.00")]
    assert (found["reckoned"], found["currency"]) == ("175.00", "EUR")
    assert (found["told_price"], found["told_lines"]) == ("900 EUR", lines)
    (review,) = await open_reviews(database, company)
    assert (review.data["reckoned"], review.data["price"]) == ("175.00", "900 EUR")


async def test_what_nothing_prices_has_no_price_and_so_has_the_whole(
    phone: Phone, client: httpx.AsyncClient, company: Company, clock: Clock, database: Database
) -> None:
    job = await dispatched_job(database, company, clock)
    lines = [
        {"part_id": str(company.part.id)},
        {"kind": "labour", "hours": 1},  # nobody said what an hour sells for
        {"part_id": str(uuid7()), "text": "a part of last year"},
        {"part_id": str(company.part.id), "qty": 9_999_999_999},  # a slip of the finger
        {"part_id": str(company.part.id), "qty": -1},
        "a new motor",
        [7],
    ]
    found = await told(phone, client, company, job, lines=lines, consent=["?"])
    kinds = ["parts", "labour", "other", "parts", "other", "other", "other"]
    assert [one["kind"] for one in found["lines"]] == kinds
    prices = ["20.00", None, None, None, None, None, None]
    assert [one["price"] for one in found["lines"]] == prices
    assert [one["text"] for one in found["lines"]][-2:] == ["a new motor", "[7]"]
    assert (found["reckoned"], found["consent"]) == (None, None)
    assert found["told_consent"] == ["?"]


async def test_the_price_is_that_of_the_day_on_site(
    phone: Phone, client: httpx.AsyncClient, company: Company, clock: Clock, database: Database
) -> None:
    job = await dispatched_job(database, company, clock)
    day = clock().date()
    dearer = {"cost": "15", "price": "30", "starts_on": (day + timedelta(days=1)).isoformat()}
    answer = await ask(
        client, company, f"/api/parts/{company.part.id}/prices", dearer, "administrator"
    )
    assert answer.status_code == 201, answer.text
    wanted = [{"part_id": str(company.part.id)}]
    intent = phone.intent("scope.change", visit_id=str(job.visit_id), lines=wanted)
    clock.forward(days=2)  # no network until then
    await phone.push(intent)
    answer = await ask(client, company, f"/api/work-orders/{job.id}/scope-changes")
    (found,) = answer.json()["items"]
    assert (found["priced_on"], found["reckoned"]) == (day.isoformat(), "20.00")


async def test_consent_says_who_agreed_when_and_on_which_photo(
    phone: Phone, client: httpx.AsyncClient, company: Company, clock: Clock, database: Database
) -> None:
    job = await dispatched_job(database, company, clock)
    photo_id = await job.declare()
    at = clock().isoformat()
    consent = {"name": "Anne Roux", "at": at, "photo_id": str(photo_id)}
    found = (await told(phone, client, company, job, consent=consent))["consent"]
    assert (found["by"], found["signature_id"]) == ("Anne Roux", str(photo_id))
    assert (found["signature"], found["at"][:19]) == ("declared", at[:19])
    await job.bytes_arrive()
    other = await dispatched_job(database, company, clock)
    (again,) = (await ask(client, company, f"/api/work-orders/{job.id}/scope-changes")).json()[
        "items"
    ]
    assert again["consent"]["signature"] == "verified"
    # another job's photo proves nothing here
    stranger = await told(phone, client, company, other, consent=consent)
    assert stranger["consent"]["signature"] is None


async def test_confirmed_lines_are_what_the_job_may_cost_and_who_pays_what(
    phone: Phone, client: httpx.AsyncClient, company: Company, clock: Clock, database: Database
) -> None:
    await charge_labour(database, company, 90)
    job = await dispatched_job(database, company, clock)
    lines = [
        {"part_id": str(company.part.id), "qty": 2},
        {"kind": "labour", "hours": 1},
        {"text": "Crane for an hour"},
    ]
    found = await told(phone, client, company, job, lines=lines, consent="Anne Roux")
    confirmation = f"/api/scope-changes/{found['id']}/confirmation"
    refused = await ask(client, company, confirmation, {})
    assert (refused.status_code, refused.json()["errors"][0]["at"]) == (422, "/prices")
    assert "line 2" in refused.json()["detail"]
    answer = await ask(client, company, confirmation, {"prices": [{"line": 2, "price": "250"}]})
    assert answer.status_code == 200, answer.text
    agreed = answer.json()
    # by the contract: parts are the customer's, labour is covered, and its kind covers the rest
    assert [(one["kind"], one["price"], one["payer"]) for one in agreed["agreed"]] == [
        ("parts", "40.00", "customer"),
        ("labour", "90.00", "contract"),
        ("other", "250.00", "contract"),
    ]
    assert (agreed["customer_pays"], agreed["decision"]["outcome"]) == ("40.00", "confirmed")
    assert agreed["may_cost"] is None  # nobody said what the crane costs us
    # labour and parts are posted when they are spent; nothing else would post the crane
    posted = (await ask(client, company, f"/api/work-orders/{job.id}/costs")).json()
    assert [(one["kind"], one["price"], one["note"]) for one in posted] == [
        ("other", "250.00", "Crane for an hour")
    ]
    assert await open_reviews(database, company) == []
    again = await ask(client, company, confirmation, {})
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    async with database.transaction(company.id) as session:
        (review,) = await session.exec(select(Review).where(Review.kind == "scope_change"))
        assert review.settlement == "confirmed"


async def test_the_companys_rules_of_who_pays_hold_for_a_wider_job(
    phone: Phone, client: httpx.AsyncClient, company: Company, clock: Clock, database: Database
) -> None:
    job = await dispatched_job(database, company, clock)
    async with database.transaction(company.id) as session:
        session.add(
            PayerRule(
                tenant_id=company.id,
                code="ours",
                name="Ours",
                payer="goodwill",
                starts_on=date(2024, 1, 1),
                conditions={"kinds": ["parts"]},
                ground="Our mistake",
            )
        )
    found = await told(phone, client, company, job, lines=[{"part_id": str(company.part.id)}])
    # nothing is the customer's, so nobody need agree
    answer = await ask(client, company, f"/api/scope-changes/{found['id']}/confirmation", {})
    (line,) = answer.json()["agreed"]
    decided = (line["payer"], line["payer_rule"], line["payer_ground"])
    assert decided == ("goodwill", "rule:ours", "Our mistake")
    assert (answer.json()["may_cost"], answer.json()["customer_pays"]) == ("12.00", "0")


async def test_the_customer_pays_for_nothing_wider_that_nobody_agreed_to(
    phone: Phone, client: httpx.AsyncClient, company: Company, clock: Clock, database: Database
) -> None:
    job = await dispatched_job(database, company, clock)
    found = await told(phone, client, company, job, lines=[{"part_id": str(company.part.id)}])
    confirmation = f"/api/scope-changes/{found['id']}/confirmation"
    refused = await ask(client, company, confirmation, {})
    assert (refused.status_code, refused.json()["code"]) == (409, "consent-missing")
    assert refused.json()["to_pay"] == "20.00"
    answer = await ask(client, company, confirmation, {"consent": {"name": "Anne, by telephone"}})
    assert answer.status_code == 200, answer.text
    assert answer.json()["consent"]["by"] == "Anne, by telephone"


async def test_a_refusal_states_its_ground_and_changes_nothing_else(
    phone: Phone, client: httpx.AsyncClient, company: Company, clock: Clock, database: Database
) -> None:
    job = await dispatched_job(database, company, clock)
    found = await told(phone, client, company, job, lines=[{"text": "Paint"}], consent="Anne")
    path = f"/api/scope-changes/{found['id']}"
    assert (await ask(client, company, f"{path}/refusal", {"ground": ""})).status_code == 422
    answer = await ask(client, company, f"{path}/refusal", {"ground": "Not our paint"})
    decision = answer.json()["decision"]
    assert (decision["outcome"], decision["ground"]) == ("refused", "Not our paint")
    assert (answer.json()["agreed"], await open_reviews(database, company)) == ([], [])
    assert (await ask(client, company, f"/api/work-orders/{job.id}/costs")).json() == []
    late = await ask(client, company, f"{path}/confirmation", {"prices": [{"line": 0, "price": 1}]})
    assert (late.status_code, late.json()["code"]) == (409, "conflict")
    history = (
        await ask(client, company, f"/api/work-orders/{job.id}/history", role="administrator")
    ).json()["items"]
    (told_of,) = [one for one in history if one["kind"] == "work_order.scope_refused"]
    assert told_of["data"]["ground"] == "Not our paint"


async def test_of_two_decisions_at_once_one_counts(
    phone: Phone, client: httpx.AsyncClient, company: Company, clock: Clock, database: Database
) -> None:
    job = await dispatched_job(database, company, clock)
    lines = [{"text": "Crane"}]
    found = await told(phone, client, company, job, lines=lines, consent="Anne")
    path = f"/api/scope-changes/{found['id']}"
    price = {"prices": [{"line": 0, "price": "10"}]}
    answers = await asyncio.gather(
        ask(client, company, f"{path}/confirmation", price),
        ask(client, company, f"{path}/confirmation", price),
        ask(client, company, f"{path}/refusal", {"ground": "no"}),
    )
    assert sorted(one.status_code for one in answers) == [200, 409, 409]
    posted = (await ask(client, company, f"/api/work-orders/{job.id}/costs")).json()
    is_confirmed = 200 in [one.status_code for one in answers[:2]]
    assert [Decimal(one["price"]) for one in posted] == [Decimal(10)] * is_confirmed


async def test_a_cancelled_job_becomes_no_wider_and_only_who_may_decides(
    phone: Phone,
    client: httpx.AsyncClient,
    company: Company,
    stranger: Company,
    clock: Clock,
    database: Database,
) -> None:
    job = await dispatched_job(database, company, clock)
    found = await told(phone, client, company, job, lines=[{"text": "Crane"}], consent="Anne")
    path = f"/api/scope-changes/{found['id']}"
    for role in ("dispatcher", "technician", "customer"):
        denied = await ask(client, company, f"{path}/refusal", {"ground": "no"}, role)
        assert denied.status_code == 403, (role, denied.text)
    for unseen, body in ((f"{path}/confirmation", {}), (f"{path}/refusal", {"ground": "no"})):
        assert (await ask(client, stranger, unseen, body)).status_code == 404
    listed = await ask(client, stranger, f"/api/work-orders/{job.id}/scope-changes")
    assert listed.status_code == 404
    cancelled = await ask(
        client,
        company,
        f"/api/work-orders/{job.id}/cancellation",
        {"reason": "customer"},
        "dispatcher",
    )
    assert cancelled.status_code < 400, cancelled.text
    price = {"prices": [{"line": 0, "price": "10"}]}
    refused = await ask(client, company, f"{path}/confirmation", price)
    assert (refused.status_code, refused.json()["code"]) == (409, "wrong-status")
    assert (await ask(client, company, f"{path}/refusal", {"ground": "late"})).status_code == 200
