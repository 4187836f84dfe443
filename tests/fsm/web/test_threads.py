"""A job's thread: customer, technician and office read one another, strangers only what is theirs."""

from typing import Any

import httpx
import pytest
from litestar import Litestar
from sqlmodel import select

from fsm.database import Database
from fsm.tenants.routes import AddressLimit
from fsm.work_orders.tables import Review
from fsm.work_orders.threads import queries as threads
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.web.status_links import JSON, Followed, followed
from tests.mobile_api.phones import Phone, new_phone


@pytest.fixture
async def link(
    client: httpx.AsyncClient, app: Litestar, database: Database, company: Company, clock: Clock
) -> Followed:
    app.state.report_limit = AddressLimit(100)
    return await followed(client, database, company, clock, contact_name="Zoe")


@pytest.fixture
async def phone(client: httpx.AsyncClient, company: Company, clock: Clock, link: Followed) -> Phone:
    return await new_phone(client, company, clock)


async def office_says(link: Followed, text: str, role: str = "dispatcher") -> httpx.Response:
    path = f"/api/work-orders/{link.job.id}/messages"
    headers = link.job.company.headers[role]
    return await link.client.post(path, json={"text": text}, headers=headers)


async def office_reads(link: Followed) -> list[tuple[str, str, str]]:
    path = f"/api/work-orders/{link.job.id}/messages"
    headers = link.job.company.headers["dispatcher"]
    items = (await link.client.get(path, headers=headers)).json()["items"]
    return [(item["author"], item["name"], item["text"]) for item in items]


async def unread(link: Followed) -> list[Review]:
    async with link.job.database.transaction(link.job.company.id) as session:
        statement = select(Review).where(
            Review.tenant_id == link.job.company.id, Review.kind == threads.UNREAD
        )
        return list(await session.exec(statement))


def on_phone(phone: Phone) -> list[dict[str, Any]]:
    rows = [
        change["d"]
        for page in phone.pages
        for change in page["changes"]
        if change["c"] == "work_orders" and change["op"] == "put"
    ]
    return list(rows[-1]["messages"])


async def test_all_three_read_one_another_and_the_dispatcher_is_in_nobodys_way(
    link: Followed, phone: Phone
) -> None:
    assert (await link.send("messages", text="The door is <open>")).status_code == 303
    await phone.pull()
    (message,) = on_phone(phone)
    assert (message["author"], message["name"], message["text"]) == (
        "customer",
        "Zoe",
        "The door is <open>",
    )
    assert await unread(link) == [], "the technician has it"
    visit = str(link.job.visit_id)
    intent = phone.intent("message.add", visit_id=visit, text="Ten minutes")
    for _ in range(2):
        await phone.push(intent)
    await office_says(link, "A colleague brings the part")
    assert [author for author, _, _ in await office_reads(link)] == [
        "customer",
        "technician",
        "office",
    ]
    page = await link.page()
    for words in ("The door is &lt;open&gt;", "Ten minutes", "A colleague brings the part"):
        assert page.count(words) == 1
    await phone.pull()
    assert len(on_phone(phone)) == 3


async def test_what_a_customer_says_while_nobody_has_the_job_waits_before_the_office(
    link: Followed,
) -> None:
    headers = link.job.company.headers["dispatcher"]
    gone = {"reason": "x"}
    await link.client.post(
        f"/api/visits/{link.job.visit_id}/withdrawal", json=gone, headers=headers
    )
    for text in ("Is anybody there?", "Hello?"):
        await link.send("messages", text=text)
    (waiting,) = await unread(link)
    assert (waiting.work_order_id, waiting.settled_at) == (link.job.id, None)
    await office_says(link, "Tomorrow at nine")
    (waiting,) = await unread(link)
    assert waiting.settlement == "answered"


async def test_a_passer_by_never_reads_what_the_customer_wrote(
    link: Followed, client: httpx.AsyncClient, company: Company
) -> None:
    headers = company.headers["dispatcher"]
    form = {"text": "The same", "impact": "stopped"}
    sent = await client.post(f"/p/{company.passport.code}/report", data=form)
    passer_by = Followed(client, f"/s/{sent.headers['location'].split('/')[2]}", "", link.job)
    own = (await client.get("/api/service-requests", headers=headers)).json()["items"][0]
    merged = await client.post(
        f"/api/service-requests/{own['id']}/merging",
        json={"into_id": link.request_id},
        headers=headers,
    )
    assert merged.is_success, merged.text
    await link.send("messages", text="The key is with Mrs Grand")
    await passer_by.send("messages", text="It smells of smoke")
    await office_says(link, "We are coming")
    seen = [(one["text"], one["is_own"]) for one in (await passer_by.status())["messages"]]
    assert seen == [("It smells of smoke", True), ("We are coming", False)]
    assert len((await link.status())["messages"]) == 3


async def test_strangers_are_limited_and_robots_and_empty_words_leave_nothing(
    link: Followed,
) -> None:
    await link.send("messages", text="Buy", website="http://spam")
    assert (await link.send("messages", text=" ")).status_code == 422
    long = await link.send("messages", text="x" * 2001, headers=JSON)
    assert long.json()["errors"] == [{"at": "/text", "detail": "message_too_long"}]
    assert await office_reads(link) == []
    for turn in range(10):
        assert (await link.send("messages", text=str(turn))).status_code == 303
    assert (await link.send("messages", text="once more")).status_code == 429


async def test_a_cancelled_job_takes_no_more_words(link: Followed) -> None:
    headers = link.job.company.headers["dispatcher"]
    cancelling = f"/api/work-orders/{link.job.id}/cancellation"
    await link.client.post(cancelling, json={"reason": "customer"}, headers=headers)
    assert (await link.send("messages", text="Wait", headers=JSON)).status_code == 409
    assert (await office_says(link, "Sorry")).status_code == 409


async def test_a_customers_user_speaks_as_the_customer_and_a_stranger_not_at_all(
    link: Followed, stranger: Company
) -> None:
    assert (await office_says(link, "Which floor?", "customer")).json()["author"] == "customer"
    path = f"/api/work-orders/{link.job.id}/messages"
    for role in ("dispatcher", "customer"):
        headers = stranger.headers[role]
        said = await link.client.post(path, json={"text": "x"}, headers=headers)
        assert (said.status_code, (await link.client.get(path, headers=headers)).status_code) == (
            404,
            404,
        )
