"""The walk by clicking: a passer-by, a dispatcher, a technician and a manager, all at work at the same time.

The passer-by reads Russian. Nobody's page is loaded anew where its owner would not do so. The server is asked
only at the end.
"""

import csv
import io
from asyncio import gather
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from sqlmodel import select

from fsm.languages import plain_sentences
from fsm.work_orders.lifecycle import Status
from fsm.work_orders.records import CostLine, Photo
from fsm.work_orders.tables import Review, Visit, WorkOrder
from mobile_api.tables import Intent
from tests.fsm.assets.decoding import decoded
from tests.fsm.work_orders.steps import Job
from tests.mobile_api.pwa.conftest import (
    Field,
    Phone,
    chromium,
    office,
    phone_in,
    picture,
    settled,
    standing,
    there,
)
from tests.mobile_api.pwa.test_day import fill_checklist, finish, is_completed
from tests.pages.conftest import BROWSER, Office, opened
from tests.pages.looking import take
from tests.pages.test_board import open_board
from tests.pages.test_desk import entry, open_desk
from tests.pages.test_figures import open_figures
from tests.pages.test_public import NO_ICON

pytestmark = BROWSER

expect = pytest.importorskip("playwright.async_api").expect

__all__ = ["chromium", "office", "opened", "standing", "there"]  # fixtures

WORDS = "The doors do not close, someone is waiting inside the lobby"
TITLE = "Doors stay open"


SAID = plain_sentences("fsm/web/messages", "ru")
"""What the passer-by reads."""


async def scanned(office: Office) -> str:
    """Print the machine's label, and return what a camera reads on it."""
    company = office.company
    async with httpx.AsyncClient(base_url=office.url) as client:
        label = await client.get(
            f"/api/passports/{company.passport.code}/label.png",
            headers=company.headers["dispatcher"],
        )
    (text,) = decoded(label.content)
    return text


async def report(passer: Any, office: Office) -> None:
    """Scan the label, say what is wrong with a photo, and look at what becomes of it."""
    await passer.goto(await scanned(office))
    await passer.get_by_label(SAID["report.text"]).fill(WORDS)
    await passer.get_by_label(SAID["report.impact.stopped"], exact=True).check()
    await passer.get_by_label(SAID["report.photo"]).set_input_files(picture(71))
    await passer.get_by_text(SAID["report.contact"]).click()
    await passer.get_by_label(SAID["report.contact.name"]).fill("Zoe")
    await passer.get_by_label(SAID["report.contact.phone"]).fill("+33 1 99 00")
    await take(passer, "walk-report")
    await passer.get_by_role("button", name=SAID["report.send"]).click()
    await passer.get_by_text(SAID["thanks.photo"]).wait_for()
    await passer.get_by_role("link", name=SAID["thanks.status"]).click()
    await passer.get_by_role("heading", name=SAID["status.title"]).wait_for()


async def reads(passer: Any, words: str) -> None:
    """Look at the status page until it says something, touching nothing."""
    await passer.clock.fast_forward(31_000)  # it looks for news twice a minute
    await passer.get_by_text(words).first.wait_for()


async def make_the_job(desk: Any) -> str:
    """Make a job of the request that has come up by itself; return the job's number."""
    await entry(desk, WORDS).click()
    await desk.get_by_text("Contract ").wait_for()
    await desk.get_by_role("img").first.wait_for()  # the photo
    await desk.get_by_label("In a few words").fill(TITLE)
    await desk.get_by_label("Priority").select_option("1")
    await take(desk, "walk-request")
    await desk.get_by_role("button", name="Make the job").click()
    said = await desk.get_by_text("has become job").first.inner_text()
    number = said.partition("has become job ")[2].split()[0].rstrip(".")
    assert number
    return number


async def send_somebody(board: Any, number: str) -> None:
    """Ask who can do the job that has come up in the queue, take who is named first, and send the phone."""
    waiting = board.locator(f"[data-job]:has-text('{number}')")
    await waiting.click()
    await board.get_by_role("button", name="Who can?").click()
    await board.get_by_role("button", name="Take ").first.wait_for()
    await take(board, "walk-candidates")
    await board.get_by_role("button", name="Take ").first.click()
    visit = board.locator(f"[data-visit]:has-text('{number}')")
    await visit.click()
    send = board.get_by_role("button", name="Send to the phone")
    await send.click()
    await expect(send).to_be_disabled()


async def work_without_a_line(phone: Phone) -> None:
    """Do the whole visit offline: the way there, the checklist with its photos and signature, the end."""
    page = phone.page
    await page.context.set_offline(True)
    await page.get_by_role("link", name=TITLE).first.click()
    for name in ("Travel", "Arrive", "Start work"):
        await phone.press(name)
    # Nothing is answered yet: what is missing is listed, and there is no way past it.
    await phone.press("Finish")
    missing = page.get_by_role("dialog", name="Finish")
    for name in ("Lift secured", "Photo after repair", "Customer"):
        await missing.get_by_role("link", name=name).wait_for()
    await expect(missing.get_by_role("button", name="Finish the visit")).to_have_count(0)
    await take(page, "walk-missing")
    await missing.get_by_role("button", name="Go on").click()
    await fill_checklist(phone, TITLE)
    await use_a_part(page)
    await take(page, "walk-checklist")
    await finish(phone)
    await page.clock.fast_forward(11_000)  # what can be undone is not sent
    await page.get_by_text("arrived.").first.wait_for()
    await take(page, "walk-offline")


async def use_a_part(page: Any) -> None:
    """Type a part's code, as one does whose camera is dirty, and use the part."""
    visit = page.url
    await page.goto("/app/index#/scan")
    await page.get_by_label("Or type the code").fill("p-1")
    await page.get_by_role("button", name="Look up").click()
    await page.get_by_role("button", name=f"Use it for “{TITLE}”").click()
    await page.get_by_role("dialog").get_by_role("button", name="Add", exact=True).click()
    await page.wait_for_url("**/records")
    await page.get_by_text("Door roller").wait_for()
    await page.goto(visit)


async def close_the_job(desk: Any, number: str) -> None:
    """Check the proof of the job that has come up as completed, and close it."""
    await desk.get_by_role("tab", name="To close").click()
    await entry(desk, number).click()
    await desk.get_by_role("img").first.wait_for()
    await take(desk, "walk-closing")
    await desk.get_by_role("button", name="Close the job").click()
    await desk.get_by_text(f"Job {number} is closed.").wait_for()
    await entry(desk, number).wait_for(state="detached")


async def rate(passer: Any) -> None:
    await passer.clock.fast_forward(31_000)
    await passer.locator("#progress li:nth-child(5).reached").wait_for()
    await passer.get_by_label("2 ★").check()
    await passer.get_by_label(SAID["rating.comment"]).fill("An hour late")
    await passer.get_by_role("button", name=SAID["rating.send"]).click()
    await passer.get_by_text(SAID["rating.call"]).wait_for()
    await take(passer, "walk-rated")


async def call_back(desk: Any, number: str) -> None:
    """Find the poor rating among the reviews, and note what was made of it."""
    await desk.get_by_role("tab", name="Reviews").click()
    one = desk.locator("[data-review]", has_text=number)
    await one.click()
    detail = desk.get_by_role("region", name="The decision")
    await detail.get_by_text("An hour late").wait_for()
    await detail.get_by_label("What was made of it").fill("Called her, she is content")
    await detail.get_by_role("button", name="Settle").click()
    await one.wait_for(state="detached")


async def value_of(manager: Any, figure: str) -> str:
    shown = manager.locator(f"[data-figure={figure}] [data-value]")
    return str(await shown.get_attribute("data-value") or "")


async def ask_for(manager: Any, period: str) -> None:
    """Ask for the figures of another period."""
    await manager.get_by_label("Period").select_option(period)
    await manager.wait_for_url(f"**period={period}**")
    await expect(manager.locator("main > [role=status]")).to_have_count(0)


async def look_into(manager: Any, number: str) -> None:
    """Open the time to restoration down to the job itself, and compare the tile with the file."""
    tile = manager.locator("[data-figure=restoration]")
    before = await value_of(manager, "restoration")
    await ask_for(manager, "this_year")
    await expect(tile.locator("[data-value]")).not_to_have_attribute("data-value", before)
    shown = await value_of(manager, "restoration")
    await tile.get_by_role("button").first.click()
    dialog = manager.get_by_role("dialog", name="restoration")
    await dialog.get_by_role("button", name=number).first.click()
    await manager.get_by_role("dialog", name=number).get_by_text("Reported").wait_for()
    await take(manager, "walk-figure")
    await manager.keyboard.press("Escape")
    await manager.keyboard.press("Escape")
    async with manager.expect_download() as download:
        await manager.get_by_role("button", name="These figures as CSV").click()
    text = (await (await download.value).path()).read_text()
    rows = {row["id"]: row["value"] for row in csv.DictReader(io.StringIO(text))}
    found = [value for key, value in rows.items() if key.startswith("restoration")]
    assert float(shown) in [float(value) for value in found if value]


async def test_four_people_take_a_stopped_lift_from_its_label_to_the_managers_figure(
    there: Field, opened: Any, chromium: Any
) -> None:
    office, clock = there.office, there.office.clock
    await there.leave_all()
    async with AsyncExitStack() as stack:
        phone = await stack.enter_async_context(phone_in(there, chromium))
        phone.watch.forgiven += ["Failed to load resource", "net::ERR"]  # there is no line
        passer, desk, board, manager = (
            await opened(language="ru", width=320, height=800),
            await open_desk(office, opened),
            await open_board(office, opened),
            await open_figures(office, opened, width=820, height=1180),
        )
        for page in (passer, desk, board, manager):
            page.watch.forgiven += [NO_ICON, "401"]
        await phone.sign_in()
        await phone.is_quiet()

        await report(passer, office)
        number = await make_the_job(desk)
        await gather(send_somebody(board, number), ask_for(manager, "last_12"))
        await phone.page.get_by_role("link", name=TITLE).first.wait_for()
        await phone.is_quiet()
        await reads(passer, SAID["status.technician"].format(name="Boris"))
        await take(passer, "walk-coming")

        clock.forward(minutes=50)
        await phone.page.clock.fast_forward(50 * 60_000)
        await work_without_a_line(phone)
        await phone.page.context.set_offline(False)
        job = await job_of(office, number)
        await settled(lambda: is_completed(there, job), "the job is completed")
        await phone.is_quiet()  # whoever closes before the last fact has come is told to look again
        await gather(close_the_job(desk, number), rate(passer))
        await gather(call_back(desk, number), look_into(manager, number))
    assert (await job.row()).status == Status.CLOSED
    async with office.database.transaction(office.company.id) as session:
        reviews = list(await session.exec(select(Review).where(Review.work_order_id == job.id)))
        visits = list(await session.exec(select(Visit).where(Visit.work_order_id == job.id)))
        photos = list(await session.exec(select(Photo).where(Photo.work_order_id == job.id)))
        intents = list(await session.exec(select(Intent)))
        costs = list(await session.exec(select(CostLine).where(CostLine.work_order_id == job.id)))
    assert [(one.kind, one.quantity) for one in costs] == [("parts", 1)]
    assert [(one.kind, one.settlement) for one in reviews] == [
        ("callback", "Called her, she is content")
    ]
    assert [one.status for one in visits] == ["finished"]
    assert [one.state for one in photos] == [
        "verified"
    ] * 3  # one was taken again; one is the signature
    assert {one.status for one in intents} == {"applied"}
    assert sum(one.type == "visit.finish" for one in intents) == 1


async def job_of(office: Office, number: str) -> Job:
    async with office.database.transaction(office.company.id) as session:
        found = (await session.exec(select(WorkOrder).where(WorkOrder.number == number))).one()
    return Job(office.database, office.company, office.clock, found.id)
