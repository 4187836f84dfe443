"""A price put to the customer reaches them by mail and on their own pages, where it is answered once."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from litestar import Litestar
from sqlmodel import select

from fsm.customers.tables import Contact
from fsm.database import Database, run
from fsm.jobs import Job as QueuedJob
from fsm.jobs import decode
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
    client: httpx.AsyncClient,
    company: Company,
    offer_id: str,
    answer: str,
    text: str = "",
    **query: str,
) -> httpx.Response:
    return await client.post(
        f"/api/portal/prices/{offer_id}/answer",
        json={"answer": answer, "text": text},
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


async def test_a_text_longer_than_is_kept_is_refused_by_its_field(
    phone: Phone, client: httpx.AsyncClient, company: Company, link: Followed
) -> None:
    await offered(phone, client, company, link.job)
    (waiting,) = await listed(client, company)
    longest = "x" * 2_000
    long = await say(client, company, waiting["id"], "refuse", longest + "x")
    assert long.status_code == 422
    assert [one["at"] for one in long.json()["errors"]] == ["/text"]
    assert (await say(client, company, waiting["id"], "refuse", longest)).status_code == 200


@dataclass
class Desk:
    """An offer, and the worker's hands over its mail."""

    company: Company
    database: Database
    settings: Settings
    clock: Clock
    mailbox: Any
    job: QueuedJob

    async def mail(self, job: QueuedJob | None = None, **other: Any) -> list[Any]:
        """Do the job and return what the server has taken until now."""
        async with self.database.transaction(self.company.id) as session:
            settings = replace(self.settings, **other)
            await mail_price(session, job or self.job, settings, self.clock())
        return list(self.mailbox.taken)

    async def again(self) -> list[tuple[QueuedJob, timedelta]]:
        """Return the jobs that wait for their time, and for how long."""
        async with self.database.transaction(self.company.id) as session:
            rows = await run(session, _WAITING)
            return [(decode(row.payload), row.wait) for row in rows]

    async def know(self, **about: str | None) -> None:
        """Give the customer's own address, or a contact's (`contact`)."""
        async with self.database.transaction(self.company.id) as session:
            customer = await session.merge(self.company.customer)
            customer.email = about.get("own")
            if "contact" in about:
                whose = {"tenant_id": self.company.id, "customer_id": customer.id}
                session.add(Contact(**whose, name="Zoe", email=about["contact"]))


_WAITING = """
select payload, execute_after - created as wait from pgqueuer
where entrypoint = 'work_order.scope_offered' and execute_after > created
order by id
"""


@pytest.fixture
async def desk(
    phone: Phone,
    client: httpx.AsyncClient,
    company: Company,
    link: Followed,
    database: Database,
    settings: Settings,
    clock: Clock,
    mailbox: Any,
) -> Desk:
    assert "work_order.scope_offered" in REACTIONS
    await offered(phone, client, company, link.job, note="Both are worn through")
    async with database.transaction(company.id) as session:
        (offer,) = await session.exec(select(ScopeOffer))
    told = QueuedJob(company.id, {"offer_id": str(offer.id), "price": "40.00"})
    settings = replace(settings, mail=MailSettings(mailbox.url, "service@acme.example"))
    return Desk(company, database, settings, clock, mailbox, told)


async def test_a_price_that_the_server_does_not_take_is_mailed_hours_later_and_once(
    desk: Desk,
) -> None:
    await desk.know(contact="Zoe@Hotel.example")
    assert await desk.mail(mail=None) == [], "there is no mail server"
    desk.mailbox.refuses = True
    job, waits = desk.job, []
    for _ in range(8):
        assert await desk.mail(job) == []
        job, wait = (await desk.again())[-1]
        waits.append(wait / timedelta(minutes=1))
        desk.clock.forward(seconds=wait.total_seconds())
    assert waits == [5, 10, 20, 40, 80, 160, 320, 360]
    desk.mailbox.refuses = False
    for _ in range(2):
        ((recipients, message),) = await desk.mail(job)
    assert recipients == ["zoe@hotel.example"]
    assert message["Subject"].startswith("Acme: цена на согласование")
    said = message.get_content()
    for shown in (
        "http://fsm.test/o/fsmo_",
        "?lang=ru",
        "Door roller, 2 pc: 40,00",
        "worn through",
    ):
        assert shown in said
    assert len(await desk.again()) == 8, "nothing waits for another try"


async def test_a_price_that_another_replaced_is_neither_mailed_nor_tried_again(
    desk: Desk, client: httpx.AsyncClient
) -> None:
    async with desk.database.transaction(desk.company.id) as session:
        (offer,) = await session.exec(select(ScopeOffer))
    path = f"/api/scope-changes/{offer.scope_change_id}/offer"
    assert (await ask(client, desk.company, path, {})).status_code == 201
    desk.mailbox.refuses = True
    await desk.mail()
    assert await desk.again() == []
    desk.mailbox.refuses = False
    assert await desk.mail() == []


async def test_a_price_goes_to_the_customer_and_to_no_address_that_they_are_not_known_by(
    desk: Desk,
) -> None:
    await desk.know(contact="other@hotel.example")
    assert await desk.mail() == [], "whoever reported is nobody we know"
    await desk.know(own="billing@hotel.example")
    ((recipients, message),) = await desk.mail()
    assert recipients == ["billing@hotel.example"]
    assert message["Subject"].startswith("Acme: a price for you to approve")


async def test_whoever_reported_gets_the_price_if_they_sign_in_for_the_customer(
    desk: Desk,
) -> None:
    await desk.know()
    for role, taken in (("dispatcher", []), ("customer", [["zoe@hotel.example"]])):
        async with desk.database.transaction(desk.company.id) as session:
            user = await session.merge(desk.company.users[role])
            user.email = "zoe@hotel.example"
        assert [recipients for recipients, _ in await desk.mail()] == taken
