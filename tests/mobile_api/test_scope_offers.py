"""The price of a wider job behind a customer's link: answered once, and the words kept as evidence."""

import asyncio
import json
import zipfile
from datetime import timedelta
from decimal import Decimal
from hashlib import sha256
from io import BytesIO
from typing import Any

import httpx
import pytest
from litestar import Litestar
from sqlmodel import select

from fsm.canonical import canonical_json
from fsm.contracts.tables import PayerRule
from fsm.database import Database
from fsm.tenants.routes import AddressLimit
from fsm.work_orders import field_work
from fsm.work_orders.scope_changes.tables import ScopeAnswer
from fsm.work_orders.tables import Review, ServiceRequest
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.web.status_links import JSON, Followed, followed
from tests.fsm.work_orders.steps import Job, dispatched_job
from tests.mobile_api.phones import Phone
from tests.mobile_api.test_scope_changes import ask, told


@pytest.fixture
async def link(
    client: httpx.AsyncClient, app: Litestar, database: Database, company: Company, clock: Clock
) -> Followed:
    """A report that the office took, with a dispatched job."""
    app.state.report_limit = AddressLimit(100)
    return await followed(client, database, company, clock)


async def offered(
    phone: Phone, client: httpx.AsyncClient, company: Company, job: Job, **about: Any
) -> tuple[dict[str, Any], str]:
    """Have two rollers told of on site and offered; return the offer and the path of its link."""
    lines = [{"part_id": str(company.part.id), "qty": 2}]
    found = await told(phone, client, company, job, lines=lines)
    answer = await ask(client, company, f"/api/scope-changes/{found['id']}/offer", about)
    assert answer.status_code == 201, answer.text
    return answer.json()["change"], httpx.URL(answer.json()["url"]).path


async def say(
    client: httpx.AsyncClient, path: str, answer: str = "approve", **fields: str
) -> httpx.Response:
    data = {"answer": answer, "name": "Anne Roux"} | fields
    return await client.post(f"{path}/answer", data=data, headers=JSON)


async def on_the_phone(phone: Phone, job: Job) -> list[dict[str, Any]]:
    await phone.pull()
    return list(phone.of("work_orders")[str(job.id)]["scope_changes"])


async def as_it_stands(client: httpx.AsyncClient, company: Company, job: Job) -> dict[str, Any]:
    answer = await ask(client, company, f"/api/work-orders/{job.id}/scope-changes")
    (found,) = answer.json()["items"]
    return dict(found)


async def test_the_customer_approves_through_their_status_link_and_the_phone_hears_of_it(
    phone: Phone, client: httpx.AsyncClient, company: Company, link: Followed
) -> None:
    _, path = await offered(phone, client, company, link.job, note="Both are worn through")
    (price,) = (await link.status())["prices"]
    assert (price["state"], price["price"], price["url"]) == ("open", "40.00", path)
    assert "You would pay €40.00 for it." in await link.page()
    assert "Вы заплатите" in (await client.get(path, params={"lang": "ru"})).text
    (waiting,) = await on_the_phone(phone, link.job)
    assert (waiting["outcome"], waiting["offer"]["price"]) == (None, 40)
    sent = await client.post(
        f"{path}/answer", data={"answer": "approve", "name": " Anne Roux "}, params={"lang": "en"}
    )
    assert (sent.status_code, sent.headers["location"]) == (303, f"{path}?lang=en#answer")
    assert "The price was approved" in (await client.get(path, params={"lang": "en"})).text
    assert "You approved additional work for €40.00." in await link.page()
    found = await as_it_stands(client, company, link.job)
    assert (found["decision"]["outcome"], found["customer_pays"]) == ("confirmed", "40.00")
    assert (found["consent"]["by"], found["consent"]["via"]) == ("Anne Roux", "link")
    (known,) = await on_the_phone(phone, link.job)
    assert (known["outcome"], known["consent_by"]) == ("confirmed", "Anne Roux")
    assert known["offer"]["outcome"] == "approved"


async def test_the_words_that_were_approved_are_kept_hashed_sealed_and_packed(
    phone: Phone, client: httpx.AsyncClient, company: Company, link: Followed, database: Database
) -> None:
    _, path = await offered(phone, client, company, link.job)
    shown = (await client.get(path, params={"lang": "ru"})).text
    data = {"answer": "approve", "name": "Анна"}
    await client.post(f"{path}/answer", data=data, params={"lang": "ru"})
    async with database.transaction(company.id) as session:
        (kept,) = await session.exec(select(ScopeAnswer))
    wording = kept.wording
    (line,) = wording["lines"]
    assert (wording["language"], line["name"], line["quantity"]) == ("ru", "Door roller", "2 pc")
    for words in (wording["sentence"], line["price"], wording["total"]):
        assert words in shown
    assert kept.wording_sha256 == sha256(canonical_json(wording)).digest()
    history = await ask(
        client, company, f"/api/work-orders/{link.job.id}/history", role="administrator"
    )
    (event,) = [
        one for one in history.json()["items"] if one["kind"] == "work_order.scope_answered"
    ]
    assert event["data"]["wording_sha256"] == kept.wording_sha256.hex()
    pack = await ask(
        client, company, f"/api/work-orders/{link.job.id}/evidence-pack", role="administrator"
    )
    with zipfile.ZipFile(BytesIO(pack.content)) as archive:
        records = json.loads(archive.read("records.json"))
    assert records["scope_answers"][0]["wording"] == wording
    assert records["scope_decisions"][0]["consent_via"] == "link"
    assert [one["price"] for one in records["scope_lines"]] == ["40.00"]
    assert "cost" not in str(records["scope_changes"] + records["scope_lines"])


async def test_a_passer_by_is_shown_no_price_but_whom_the_office_sends_the_link_answers(
    phone: Phone, client: httpx.AsyncClient, company: Company, clock: Clock, database: Database
) -> None:
    scanned = await followed(client, database, company, clock)
    async with database.transaction(company.id) as session:
        (report,) = await session.exec(select(ServiceRequest))
        report.source = "passport"
    _, path = await offered(phone, client, company, scanned.job)
    assert (await scanned.status())["prices"] == []
    assert "€40.00" not in await scanned.page()
    assert (await say(client, path)).status_code == 201


async def test_the_same_answer_twice_is_one_and_another_one_comes_too_late(
    phone: Phone, client: httpx.AsyncClient, company: Company, link: Followed, database: Database
) -> None:
    _, path = await offered(phone, client, company, link.job)
    answers = await asyncio.gather(*(say(client, path) for _ in range(3)))
    assert {one.status_code for one in answers} == {201}
    late = await say(client, path, "refuse", name="Bob")
    assert (late.status_code, late.json()["code"], late.json()["state"]) == (
        409,
        "offer-over",
        "approved",
    )
    async with database.transaction(company.id) as session:
        (kept,) = await session.exec(select(ScopeAnswer))
    assert kept.name == "Anne Roux"


async def test_a_refusal_asks_the_office_which_may_offer_another_price(
    phone: Phone, client: httpx.AsyncClient, company: Company, link: Followed, database: Database
) -> None:
    change, path = await offered(phone, client, company, link.job)
    assert (await say(client, path, "refuse", text="Too dear")).status_code == 201
    (known,) = await on_the_phone(phone, link.job)
    offer = known["offer"]
    assert (known["outcome"], offer["outcome"], offer["ground"]) == (None, "refused", "Too dear")

    async def refusals() -> list[str]:
        async with database.transaction(company.id) as session:
            statement = select(Review).where(Review.kind == "scope_price_refused")
            return [one.settlement for one in await session.exec(statement)]

    assert await refusals() == [""]
    cheaper = {"prices": [{"line": 0, "price": "30"}]}
    again = await ask(client, company, f"/api/scope-changes/{change['id']}/offer", cheaper)
    second = httpx.URL(again.json()["url"]).path
    assert await refusals() == ["offered"]
    body = (await say(client, second)).json()
    assert (body["state"], body["price"]) == ("approved", "30.00")
    assert (await as_it_stands(client, company, link.job))["customer_pays"] == "30.00"


async def test_a_consent_told_on_site_is_gone_once_the_customer_refuses_the_price(
    phone: Phone, client: httpx.AsyncClient, company: Company, link: Followed
) -> None:
    lines = [{"part_id": str(company.part.id)}]
    found = await told(phone, client, company, link.job, lines=lines, consent="Anne Roux")
    path = f"/api/scope-changes/{found['id']}"
    url = (await ask(client, company, f"{path}/offer", {})).json()["url"]
    await say(client, httpx.URL(url).path, "refuse")
    alone = await ask(client, company, f"{path}/confirmation", {})
    assert (alone.status_code, alone.json()["code"]) == (409, "consent-missing")
    called = {"consent": {"name": "Anne Roux", "via": "telephone"}, "note": "Called back"}
    assert (await ask(client, company, f"{path}/confirmation", called)).status_code == 200


async def test_nothing_is_approved_after_its_time(
    phone: Phone, client: httpx.AsyncClient, company: Company, link: Followed, clock: Clock
) -> None:
    change, path = await offered(phone, client, company, link.job)
    office = f"/api/scope-changes/{change['id']}"

    async def refused_as(state: str, of: str = path) -> None:
        late = await say(client, of)
        assert (late.status_code, late.json()["state"]) == (409, state), late.text
        page = await client.post(f"{of}/answer", data={"answer": "approve", "name": "Anne"})
        assert page.status_code == 409
        assert "<form" not in page.text

    assert (await ask(client, company, f"{office}/withdrawal", {})).status_code == 200
    await refused_as("withdrawn")
    ends = clock() + timedelta(hours=2)
    made = await ask(client, company, f"{office}/offer", {"expires_at": ends.isoformat()})
    second = httpx.URL(made.json()["url"]).path
    clock.forward(hours=2)
    await refused_as("expired", second)
    made = await ask(client, company, f"{office}/offer", {})
    third = httpx.URL(made.json()["url"]).path
    await link.job.do(field_work.start)
    await link.job.answer_all()
    await link.job.declare()
    await link.job.do(field_work.finish)
    await refused_as("finished", third)
    assert (await ask(client, company, f"{office}/offer", {})).json()["code"] == "wrong-status"
    by_phone = {"consent": {"name": "Anne Roux"}}
    assert (await ask(client, company, f"{office}/confirmation", by_phone)).status_code == 200
    await refused_as("withdrawn", third)
    clock.forward(days=366)
    assert (await client.get(third, headers=JSON)).json()["code"] == "status-link-expired"


async def test_an_approval_by_telephone_is_at_the_offered_price_and_ends_the_offer(
    phone: Phone, client: httpx.AsyncClient, company: Company, link: Followed
) -> None:
    dearer = [{"line": 0, "price": "55"}]
    change, path = await offered(phone, client, company, link.job, prices=dearer)
    confirmation = f"/api/scope-changes/{change['id']}/confirmation"
    answer = await ask(client, company, confirmation, {"consent": {"name": "Anne Roux"}})
    consent = answer.json()["consent"]
    assert (answer.json()["customer_pays"], consent["via"]) == ("55.00", "telephone")
    assert (await say(client, path)).json()["state"] == "withdrawn"


async def test_a_dispatcher_records_what_the_customer_said_on_the_telephone_and_sees_no_costs(
    phone: Phone, client: httpx.AsyncClient, company: Company, link: Followed, database: Database
) -> None:
    lines = [{"part_id": str(company.part.id), "qty": 2}]
    found = await told(phone, client, company, link.job, lines=lines)
    answer = f"/api/scope-changes/{found['id']}/answer"
    said = {"outcome": "approved", "name": "Anne Roux"}
    early = await ask(client, company, answer, said, "dispatcher")
    assert early.status_code == 404
    await ask(client, company, f"/api/scope-changes/{found['id']}/offer", {})
    recorded = await ask(client, company, answer, said, "dispatcher")
    assert recorded.status_code == 200, recorded.text
    consent = recorded.json()["consent"]
    assert (consent["by"], consent["via"]) == ("Anne Roux", "telephone")
    listing = f"/api/work-orders/{link.job.id}/scope-changes"
    for role, cost in (("dispatcher", None), ("manager", "24.00")):
        (seen,) = (await ask(client, company, listing, role=role)).json()["items"]
        assert (seen["lines"][0]["cost"], seen["agreed"][0]["cost"], seen["may_cost"]) == (
            cost,
        ) * 3
    assert (await ask(client, company, listing, role="customer")).status_code == 403
    async with database.transaction(company.id) as session:
        (kept,) = await session.exec(select(ScopeAnswer))
    assert (kept.wording["via"], kept.wording["total"]) == ("telephone", "40.00")
    again = await ask(client, company, answer, said | {"outcome": "refused"}, "dispatcher")
    assert (again.status_code, again.json()["state"]) == (409, "approved")
    (known,) = await on_the_phone(phone, link.job)
    assert known["outcome"] == "confirmed"


async def test_the_customer_never_pays_more_than_what_they_read(
    phone: Phone, client: httpx.AsyncClient, company: Company, link: Followed, database: Database
) -> None:
    change, path = await offered(phone, client, company, link.job)
    async with database.transaction(company.id) as session:
        session.add(
            PayerRule(
                tenant_id=company.id,
                code="ours",
                name="Ours",
                payer="goodwill",
                starts_on=link.job.clock().date(),
                conditions={"kinds": ["parts"]},
                ground="Our mistake",
            )
        )
    late = await say(client, path)
    assert (late.status_code, late.json()["code"]) == (409, "offer-over")
    page = await client.post(f"{path}/answer", data={"answer": "approve", "name": "Anne"})
    assert "Something has changed since this price was offered" in page.text
    assert (await as_it_stands(client, company, link.job))["decision"] is None
    free = await ask(client, company, f"/api/scope-changes/{change['id']}/offer", {})
    assert (free.status_code, free.json()["errors"][0]["at"]) == (422, "/prices")


async def test_an_answer_needs_a_name_a_choice_and_a_link_of_ours(
    phone: Phone,
    client: httpx.AsyncClient,
    company: Company,
    stranger: Company,
    app: Litestar,
    link: Followed,
    clock: Clock,
) -> None:
    change, path = await offered(phone, client, company, link.job)
    refused = await client.post(f"{path}/answer", data={"text": "x" * 2001}, headers=JSON)
    assert [one["at"] for one in refused.json()["errors"]] == ["/answer", "/name", "/text"]
    page = await client.post(f"{path}/answer", data={"name": "Anne", "text": "<Hm>"})
    assert page.status_code == 422
    assert ('value="Anne"' in page.text, "&lt;Hm&gt;" in page.text) == (True, True)
    robot = await say(client, path, website="https://example.com")
    assert robot.status_code == 303
    for forged in (path[:-2] + "AA", "/o/fsmo_x", link.path.replace("/s/", "/o/")):
        assert (await say(client, forged)).status_code == 404
    assert (await client.get(path, headers=JSON)).json()["state"] == "open"
    office = f"/api/scope-changes/{change['id']}"
    for role in ("dispatcher", "technician", "customer"):
        for unseen in ("offer", "withdrawal"):
            assert (await ask(client, company, f"{office}/{unseen}", {}, role)).status_code == 403
    for unseen in ("offer", "withdrawal"):
        assert (await ask(client, stranger, f"{office}/{unseen}", {})).status_code == 404
    too_long = {"expires_at": (clock() + timedelta(days=31)).isoformat()}
    refused = await ask(client, company, f"{office}/offer", too_long)
    assert (refused.status_code, refused.json()["errors"][0]["at"]) == (422, "/expires_at")
    app.state.report_limit = AddressLimit(1)
    assert (await say(client, path, "")).status_code == 422
    assert (await say(client, path)).status_code == 429


async def test_what_the_contract_covers_costs_the_customer_nothing(
    phone: Phone, client: httpx.AsyncClient, company: Company, link: Followed
) -> None:
    lines = [{"text": "Crane"}, {"part_id": str(company.part.id)}]
    found = await told(phone, client, company, link.job, lines=lines)
    prices = {"prices": [{"line": 0, "price": "99.99"}]}
    answer = await ask(client, company, f"/api/scope-changes/{found['id']}/offer", prices)
    offer = answer.json()["change"]["offer"]
    # the contract covers the crane, so only the part is the customer's
    assert [Decimal(one["price"]) for one in offer["lines"]] == [0, 20]
    page = await client.get(httpx.URL(answer.json()["url"]).path)
    assert ("covered" in page.text, "99.99" in page.text) == (True, False)


async def test_a_job_that_nobody_reported_has_a_link_too(
    phone: Phone, client: httpx.AsyncClient, company: Company, clock: Clock, database: Database
) -> None:
    job = await dispatched_job(database, company, clock)
    _, path = await offered(phone, client, company, job)
    assert (await say(client, path)).json()["answered_by"] == "Anne Roux"
