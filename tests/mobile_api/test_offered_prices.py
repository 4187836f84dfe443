"""A price put to the customer reaches them by mail and on their own pages, where it is answered once."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from litestar import Litestar
from sqlmodel import select

from fsm.database import Database
from fsm.jobs import Job as QueuedJob
from fsm.problems import Busy
from fsm.settings import MailSettings, Settings
from fsm.tenants.routes import AddressLimit
from fsm.web.price_mail import mail_price
from fsm.work_orders.scope_changes.tables import ScopeAnswer, ScopeOffer
from fsm.worker import REACTIONS
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.web.status_links import Followed, followed
from tests.mobile_api.phones import Phone
from tests.mobile_api.test_scope_changes import ask
from tests.mobile_api.test_scope_offers import as_it_stands, offered, on_the_phone
from tests.reports.mailing.test_mailing import mailbox

__all__ = ["mailbox"]


@pytest.fixture
async def link(
    client: httpx.AsyncClient, app: Litestar, database: Database, company: Company, clock: Clock
) -> Followed:
    """A Russian reader's report with a dispatched job."""
    app.state.report_limit = AddressLimit(100)
    who = {"contact_email": "zoe@hotel.example", "language": "ru"}
    return await followed(client, database, company, clock, **who)


async def listed(client: httpx.AsyncClient, company: Company, **query: str) -> list[dict[str, Any]]:
    headers = company.headers["customer"]
    answer = await client.get("/api/portal/prices", params=query, headers=headers)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


async def say(
    client: httpx.AsyncClient, company: Company, offer_id: str, answer: str, **query: str
) -> httpx.Response:
    return await client.post(
        f"/api/portal/prices/{offer_id}/answer",
        json={"answer": answer, "text": ""},
        params=query,
        headers=company.headers["customer"],
    )


async def test_who_signs_in_approves_the_price_that_waits_in_the_words_they_read(
    phone: Phone, client: httpx.AsyncClient, company: Company, link: Followed, database: Database
) -> None:
    await offered(phone, client, company, link.job, note="Both are worn through")
    (waiting,) = await listed(client, company, lang="ru")
    assert waiting["work_order_id"] == str(link.job.id)
    assert (waiting["price"], waiting["note"]) == ("40.00", "Both are worn through")
    said = await say(client, company, waiting["id"], "approve", lang="ru")
    assert (said.status_code, said.json()["state"]) == (200, "approved")
    assert await listed(client, company) == [], "nothing waits any more"
    again = await say(client, company, waiting["id"], "approve")
    assert (again.status_code, again.json()["answered_at"]) == (200, said.json()["answered_at"])
    other = await say(client, company, waiting["id"], "refuse")
    assert (other.status_code, other.json()["code"]) == (409, "offer-over")
    found = await as_it_stands(client, company, link.job)
    assert (found["decision"]["outcome"], found["customer_pays"]) == ("confirmed", "40.00")
    assert found["consent"]["via"] == "portal"
    (known,) = await on_the_phone(phone, link.job)
    assert known["outcome"] == "confirmed"
    async with database.transaction(company.id) as session:
        (kept,) = await session.exec(select(ScopeAnswer))
    assert kept.wording["sentence"] == waiting["sentences"]["approve"]
    assert [kept.wording[one] for one in ("lines", "total", "note")] == [
        waiting[one] for one in ("lines", "total", "note")
    ]
    assert (kept.wording["language"], kept.name) == ("ru", kept.by)


async def test_a_price_is_listed_for_its_own_customer_and_while_it_stands(
    phone: Phone,
    client: httpx.AsyncClient,
    company: Company,
    stranger: Company,
    link: Followed,
    clock: Clock,
) -> None:
    await offered(phone, client, company, link.job)
    (waiting,) = await listed(client, company)
    assert await listed(client, stranger) == []
    theirs = await say(client, stranger, waiting["id"], "approve")
    assert theirs.status_code == 404
    office = await ask(client, company, "/api/portal/prices")
    assert (office.status_code, office.json()["code"]) == (403, "forbidden")
    clock.forward(seconds=timedelta(days=3).total_seconds())
    assert await listed(client, company) == []
    late = await say(client, company, waiting["id"], "approve")
    assert (late.status_code, late.json()["state"]) == (409, "expired")


async def test_the_price_is_mailed_once_in_the_readers_language_until_it_is_taken(
    phone: Phone,
    client: httpx.AsyncClient,
    company: Company,
    link: Followed,
    database: Database,
    settings: Settings,
    clock: Clock,
    mailbox: Any,
) -> None:
    assert "work_order.scope_offered" in REACTIONS
    change, path = await offered(phone, client, company, link.job, note="Both are worn through")
    async with database.transaction(company.id) as session:
        (offer,) = await session.exec(select(ScopeOffer))
    with_mail = replace(settings, mail=MailSettings(mailbox.url, "service@acme.example"))
    told = QueuedJob(company.id, {"offer_id": str(offer.id)})

    async def go(by: Settings = with_mail) -> list[Any]:
        async with database.transaction(company.id) as session:
            await mail_price(session, told, by, clock())
        return list(mailbox.taken)

    assert await go(settings) == [], "there is no mail server"
    mailbox.refuses = True
    with pytest.raises(Busy):
        await go()
    mailbox.refuses = False
    for _ in range(2):
        ((recipients, message),) = await go()
    assert recipients == ["zoe@hotel.example"]
    assert message["Subject"].startswith("Acme: цена на согласование")
    said = message.get_content()
    assert f"http://fsm.test{path}?lang=ru" in said
    for shown in ("Door roller, 2 pc: 40,00", "Both are worn through"):
        assert shown in said
    withdrawn = await ask(client, company, f"/api/scope-changes/{change['id']}/offer", {})
    assert withdrawn.status_code == 201
    mailbox.taken.clear()
    assert await go() == [], "another price took its place"
