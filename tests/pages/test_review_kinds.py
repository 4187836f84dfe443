"""Every kind of decision is told in words of its own, and those with choices of their own are decided."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from sqlmodel import col, select
from uuid_utils.compat import uuid7

from fsm.customers.tables import Contact
from fsm.work_orders.tables import Review
from tests.fsm.web.status_links import Followed, followed
from tests.pages.conftest import BROWSER, Office, sign_in
from tests.pages.looking import assert_accessible, take
from tests.patience import PATIENCE_S

pytestmark = BROWSER

DESK = "/office/desk?part=reviews&review="
DAY, TIME = "2026-03-24", "2026-03-24T09:00:00+00:00"
LATER = "2026-03-24T10:30:00+00:00"


@pytest_asyncio.fixture(loop_scope="session")
async def link(office: Office) -> AsyncIterator[Followed]:
    async with httpx.AsyncClient(base_url=office.url, timeout=PATIENCE_S) as client:
        about = {"text": "Of every kind"}
        yield await followed(client, office.database, office.company, office.clock, **about)


def data_of_each_kind(office: Office, link: Followed) -> dict[str, dict[str, Any]]:
    """What the writers of each kind put into it."""
    one = str(uuid7())
    unmet = {"at": "/items/after", "code": "photo_missing", "text": "Photo after repair: missing."}
    return {
        "follow_up": {"reason": "Two people are needed", "skills": [], "occurred_at": TIME},
        "part_request": {"part_id": str(office.company.part.id), "quantity": "2.0000"},
        "late_fact": {"intent_id": one, "type": "note.add", "data": {"text": "Forgot the sill"}},
        "work_on_cancelled_job": {"action": "start"},
        "duplicate_visit": {"other_visit_id": str(link.job.visit_id)},
        "doubtful_time": {
            "entry_id": one,
            "why": "clock_off",
            "claimed_from": TIME,
            "claimed_to": LATER,
            "offset_s": 7200,
        },
        "superseded_checklist": {"version": 3, "missing": [unmet]},
        "rules_differ": {"pinned": "a" * 64, "on_device": "b" * 64},
        "device_chain_broken": {"device_id": one, "breaks": [], "how_many": 2},
        "forged_closure": {"closure_id": one, "findings": ["not_met", "no_event"]},
        "corrective_not_opened": {"item": "rope", "work_type": "x", "why": "No such work type."},
        "never_due": {},
        "no_rate": {"rate": "vehicle", "on": DAY, "entry_id": one},
        "contract_ends": {
            "contract_id": str(office.company.contract.id),
            "ends_on": DAY,
            "number": "K-1",
            "days_left": 20,
        },
        "cloned_device": {"device_id": one, "by": "Boris", "numbers": [3]},
        "scope_price_refused": {
            "intent_id": one,
            "price": "40.00",
            "currency": "EUR",
            "name": "Anne",
            "ground": "Too dear",
        },
        "scope_change": {"intent_id": one, "lines": [], "reckoned": "40.00", "currency": "EUR"},
        "waiting_intents": {"device_id": one, "intents": [one]},
        "orphan_visit": {"visit_id": one, "intent_id": one, "device_id": one, "by": "Boris"},
        "quarantined_intents": {"device_id": one, "reason": "device-revoked", "intents": [one]},
        "a_newer_kind": {},
    }


async def raised(office: Office, link: Followed, kind: str, data: dict[str, Any]) -> Review:
    async with office.database.transaction(office.company.id) as session:
        review = Review(
            tenant_id=office.company.id,
            work_order_id=link.job.id,
            visit_id=link.job.visit_id,
            kind=kind,
            data=data,
            raised_at=office.clock(),
        )
        session.add(review)
        await session.flush()
    return review


async def found(office: Office, review: Review) -> Review:
    async with office.database.transaction(office.company.id) as session:
        return (await session.exec(select(Review).where(Review.id == review.id))).one()


@pytest_asyncio.fixture(loop_scope="session")
async def of_each_kind(office: Office, link: Followed) -> AsyncIterator[list[Review]]:
    """A review of each kind; none waits any more when the test is over."""
    each = data_of_each_kind(office, link)
    reviews = [await raised(office, link, kind, data) for kind, data in each.items()]
    yield reviews
    async with office.database.transaction(office.company.id) as session:
        ids = [one.id for one in reviews]
        for one in await session.exec(select(Review).where(col(Review.id).in_(ids))):
            one.settled_at, one.settlement = office.clock(), "tried"


async def open_at(office: Office, opened: Any, to: str, **look: Any) -> Any:
    page = await opened(**look)
    page.watch.forgiven.append("401")  # nobody was signed in at first
    await sign_in(page, office, "dispatcher", DESK + to)
    return page


@pytest.mark.parametrize(
    ("language", "width", "dark"), [("en", 1280, False), ("ru", 360, True), ("de", 768, False)]
)
async def test_every_kind_is_told_in_words_and_has_a_choice(
    office: Office,
    opened: Any,
    of_each_kind: list[Review],
    language: str,
    width: int,
    dark: bool,
) -> None:
    look = {"language": language, "width": width, "height": 900, "dark": dark}
    page = await open_at(office, opened, str(of_each_kind[0].id), **look)
    said = set()
    for review in of_each_kind:
        await page.goto(f"{DESK}{review.id}")
        detail = page.locator("section.detail")
        # A change that names no lines is decided in its own list, which is empty here.
        own = "summary" if review.kind == "scope_change" else "form :enabled"
        await detail.locator(own).first.wait_for()
        title = await detail.locator("h2").inner_text()
        kind = await detail.locator(".kind").inner_text()
        for slip in ("{", "review.", "undefined", "NaN"):
            assert slip not in title, (review.kind, title)
        if review.kind != "a_newer_kind":
            assert review.kind.replace("_", " ") not in kind, (review.kind, kind)
        said.add(title)
        await assert_accessible(page)
        wide = await page.evaluate("document.documentElement.scrollWidth > innerWidth")
        assert not wide, review.kind
    assert len(said) == len(of_each_kind)
    await take(page, f"desk-kinds-{width}-{language}")


async def test_a_correction_is_taken_over_beside_what_stands_there(
    office: Office, opened: Any, link: Followed
) -> None:
    body = {"customer_id": str(office.company.customer.id), "name": "Anne", "phone": "+33 1 11"}
    headers = office.company.headers["dispatcher"]
    made = (await link.client.post("/api/contacts", json=body, headers=headers)).json()
    wished = {"contact_id": made["id"], "fields": {"phone": "+33 1 22"}, "by": "Boris"}
    review = await raised(office, link, "suggestion", wished)
    page = await open_at(office, opened, str(review.id))
    await page.get_by_role("row", name="Telephone +33 1 11 +33 1 22").wait_for()
    await assert_accessible(page)
    await take(page, "desk-suggestion")
    await page.get_by_role("button", name="Take it over").click()
    await page.locator(f"[data-review='{review.id}']").wait_for(state="detached")
    assert (await found(office, review)).settlement == "Taken over"
    async with office.database.transaction(office.company.id) as session:
        contact = (await session.exec(select(Contact).where(Contact.id == made["id"]))).one()
    assert contact.phone == "+33 1 22"


async def test_an_answer_in_the_thread_settles_an_unread_message(
    office: Office, opened: Any, link: Followed
) -> None:
    review = await raised(office, link, "message_unread", {})
    page = await open_at(office, opened, str(review.id))
    await page.get_by_label("To the customer and the technician").fill("We come at ten")
    await page.get_by_role("button", name="Send", exact=True).click()
    await page.locator(f"[data-review='{review.id}']").wait_for(state="detached")
    assert (await found(office, review)).settlement == "answered"
    assert "We come at ten" in await link.page()
