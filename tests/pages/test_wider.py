"""A job that becomes wider: the office puts its price to the customer, who answers on any screen."""

from typing import Any

import httpx
import pytest_asyncio
from uuid_utils.compat import uuid7

from fsm.contracts.coverage import Paid
from fsm.work_orders.field_work import Report
from fsm.work_orders.scope_changes import queries as scope_changes
from fsm.work_orders.scope_changes.rules import Wanted
from tests.fsm.web.status_links import Followed, followed
from tests.pages.conftest import BROWSER, Office, playwright, sign_in
from tests.pages.looking import assert_accessible, take
from tests.pages.test_public import LOOKS, NO_ICON, fits
from tests.patience import PATIENCE_S

pytestmark = BROWSER


@pytest_asyncio.fixture(loop_scope="session")
async def link(office: Office) -> Any:
    """A report with a job on which two rollers more are wanted."""
    wanted = [Wanted(Paid.PARTS, quantity=2, part_id=office.company.part.id)]

    async def tell(report: Report) -> None:
        told = {"lines": [], "price": None, "consent": None}
        await scope_changes.tell(report, told=told, wanted=wanted, consent=None, change_id=uuid7())

    async with httpx.AsyncClient(base_url=office.url, timeout=PATIENCE_S) as client:
        found = await followed(client, office.database, office.company, office.clock)
        await found.job.do(tell)
        yield found


async def test_the_office_offers_and_the_customer_approves_on_any_screen(
    office: Office, opened: Any, link: Followed
) -> None:
    number = (await link.job.row()).number
    board = await opened()
    board.watch.forgiven.append("401")  # nobody was signed in at first
    await sign_in(board, office, "administrator")
    visit = board.locator(f"[data-visit]:has-text('{number}')")
    await visit.click()
    await board.get_by_text("More work than agreed").click()
    await board.get_by_text("waits for a price and a decision").wait_for()
    await board.get_by_role("button", name="Put the price to the customer").click()
    await board.get_by_text("The customer is asked to pay €40.00").wait_for()
    await assert_accessible(board)
    await take(board, "board-wider")
    url = await board.get_by_label("The customer answers here").input_value()
    for look in LOOKS:
        page = await opened(**look)
        page.watch.forgiven.append(NO_ICON)
        await page.goto(f"{httpx.URL(url).path}?lang={look['language']}")
        await take(page, f"price-{look['width']}-{look['language']}")
        await assert_accessible(page)
        assert await fits(page), look
    page = await opened(**LOOKS[0])
    page.watch.forgiven.append(NO_ICON)
    await page.goto(f"{link.path}?lang=en")
    await page.get_by_role("link", name="Approve or refuse").click()
    await page.get_by_label("I approve this additional work and will pay €40.00 for it.").check()
    await page.get_by_label("Your name").fill("Anne <Roux>")
    await page.get_by_role("button", name="Send the answer").click()
    await page.get_by_text("The price was approved").wait_for()
    await page.get_by_text("Anne <Roux>").wait_for()
    await assert_accessible(page)
    await take(page, "price-approved")
    await board.get_by_text("More work than agreed").click()
    await board.get_by_text("More work than agreed").click()
    await board.get_by_text("Agreed, by Anne <Roux>").wait_for()


async def test_a_customer_who_signs_in_finds_the_price_on_their_page_and_answers_it_there(
    office: Office, opened: Any, link: Followed
) -> None:
    headers = office.company.headers["administrator"]
    async with httpx.AsyncClient(
        base_url=office.url, headers=headers, timeout=PATIENCE_S
    ) as client:
        path = f"/api/work-orders/{link.job.id}/scope-changes"
        (change,) = (await client.get(path)).json()["items"]
        offered = await client.post(f"/api/scope-changes/{change['id']}/offer", json={})
        assert offered.status_code == 201, offered.text
    number = (await link.job.row()).number
    page = await opened(**LOOKS[0])
    page.watch.forgiven.append("401")  # nobody was signed in at first
    await sign_in(page, office, "customer", "/office/portal")
    notice = page.locator(".notice").filter(has_text=f"{number}, ")
    await notice.wait_for()
    await assert_accessible(page)
    await take(page, "portal-price-waits")
    await notice.get_by_role("button", name="Approve or refuse").click()
    dialog = page.get_by_role("dialog", name=f"Additional work on {number}")
    await dialog.get_by_text("Door roller, 2 pc").wait_for()
    await dialog.get_by_label("I refuse this price.").check()
    await assert_accessible(page)
    assert await fits(page)
    await take(page, "portal-price")
    await dialog.get_by_role("button", name="Send the answer").click()
    await playwright.expect(dialog).to_have_count(0)
    await playwright.expect(notice).to_have_count(0)
