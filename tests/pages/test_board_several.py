"""The board with several at once: jobs chosen together, crews, a day copied, gaps, a second screen."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest_asyncio

from tests.pages.conftest import BROWSER, Office, playwright
from tests.pages.looking import assert_accessible, take
from tests.pages.test_board import open_board
from tests.patience import PATIENCE_S

pytestmark = BROWSER


@pytest_asyncio.fixture(loop_scope="session")
async def desk(office: Office) -> AsyncIterator[httpx.AsyncClient]:
    headers = office.company.headers["administrator"]
    async with httpx.AsyncClient(
        base_url=office.url, headers=headers, timeout=PATIENCE_S
    ) as client:
        yield client


async def job(desk: httpx.AsyncClient, office: Office, title: str) -> dict[str, Any]:
    about = {"work_type": "repair", "asset_id": str(office.company.asset.id), "title": title}
    answer = await desk.post("/api/work-orders", json=about)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def clara(desk: httpx.AsyncClient) -> str:
    """Another technician, who works on Monday and Tuesday."""
    about = {"number": "T-2", "name": "Clara", "zone": "Europe/Paris"}
    home = {"home_latitude": 48.8, "home_longitude": 2.3}
    made = await desk.post("/api/technicians", json={**about, **home})
    assert made.status_code == 201, made.text
    hers = f"/api/technicians/{made.json()['id']}"
    await desk.put(f"{hers}/skills", json={"skills": [{"skill": "lift", "level": 3}]})
    weekly = [{"day": day, "starts": "08:00", "ends": "17:00"} for day in ("mon", "tue")]
    days = {"first_on": "2026-03-23", "last_on": "2026-03-27", "weekly": weekly}
    assert (await desk.post(f"{hers}/shifts", json=days)).status_code == 201
    return str(made.json()["id"])


async def test_jobs_chosen_together_are_planned_written_to_and_shown_on_a_second_screen(
    office: Office, opened: Any, desk: httpx.AsyncClient
) -> None:
    first, second = [await job(desk, office, f"Chosen {n}") for n in (1, 2)]
    page = await open_board(office, opened, width=1440, height=900)
    await page.locator("#search").fill("Chosen")
    await page.locator(f"[data-job='{first['id']}']").focus()
    await page.keyboard.press("Shift+ArrowDown")
    await page.get_by_text("2 chosen").first.wait_for()
    await page.get_by_role("checkbox", name=f"Choose {second['number']}").uncheck()
    await page.get_by_role("button", name="Choose all 2").click()
    chosen = page.get_by_role("region", name="Chosen jobs")
    await assert_accessible(page)
    await take(page, "board-chosen")
    await chosen.get_by_text("Write to all of them").click()
    await chosen.get_by_label("To the customer and the technician").fill("We come on Monday.")
    await chosen.get_by_role("button", name="Send").click()
    await page.get_by_text("Message sent").wait_for(state="attached")
    await page.keyboard.press("Escape")
    await page.locator(f"[data-job='{second['id']}']").click()
    details = page.get_by_role("region", name="Details")
    await details.get_by_text("Messages").click()
    await details.get_by_text("We come on Monday.").wait_for()
    await details.get_by_label("To the customer and the technician").fill("Between 9 and 11.")
    await details.get_by_role("button", name="Send").click()
    await details.get_by_role("listitem").filter(has_text="Between 9 and 11.").wait_for()
    await assert_accessible(page)
    await page.keyboard.press("Escape")
    async with page.expect_popup() as popping:
        await page.get_by_text("More", exact=True).click()
        await page.get_by_role("button", name="Queue in its own window").click()
    queue = await popping.value
    await queue.locator(f"[data-job='{first['id']}']").click()
    await details.get_by_text(first["number"]).wait_for()  # selected over there, shown here
    await playwright.expect(page.locator("[data-job]")).to_have_count(0)
    await assert_accessible(queue)
    await take(queue, "board-queue-window")
    await queue.close()
    await page.locator(f"[data-job='{first['id']}']").wait_for()


async def test_a_crew_is_formed_a_gap_is_filled_and_a_day_is_copied(
    office: Office, opened: Any, desk: httpx.AsyncClient
) -> None:
    mate = await clara(desk)
    work = await job(desk, office, "Heavy door")
    page = await open_board(office, opened, width=1440, height=900, dark=True)
    dialog = page.get_by_role("dialog")
    await page.keyboard.press("g")
    await dialog.get_by_label("Job for Clara").select_option(work["id"])
    await assert_accessible(page)
    await take(page, "board-gaps")
    await dialog.get_by_role("button", name="Plan it with Clara").click()
    await dialog.get_by_role("button", name="Plan", exact=True).click()
    visits = page.locator(f"[data-visit]:has-text('{work['number']}')")
    await visits.wait_for()
    await page.get_by_role("button", name="Crew…").click()
    await dialog.get_by_role("checkbox", name="Boris").check()
    await dialog.get_by_text("Driving").wait_for()
    await assert_accessible(page)
    await take(page, "board-crew")
    if await dialog.get_by_label("Reason").count():
        await dialog.get_by_label("Reason").fill("Too heavy for one")
    await dialog.get_by_role("button", name="Form the crew").click()
    await dialog.wait_for(state="detached")
    await page.get_by_role("region", name="Details").get_by_role("button", name="Boris").wait_for()
    await playwright.expect(visits).to_have_count(2)
    await page.keyboard.press("c")
    await dialog.get_by_label("Technician").select_option(mate)
    await dialog.get_by_label("Reason").fill("It takes two days")
    await assert_accessible(page)
    await take(page, "board-copy")
    await dialog.get_by_role("button", name="Copy", exact=True).click()
    await dialog.get_by_text("1 visit copied").wait_for()
    await page.keyboard.press("Escape")
    await page.keyboard.press("]")
    await page.locator(f"[data-technician='{mate}'] [data-visit]").wait_for()
    number = work["number"]
    for done in ("1 visit copied", f"{number}: Boris join", f"{number} planned"):
        await page.keyboard.press("u")
        await page.get_by_role("main").get_by_text(f"Undone: {done}").wait_for()
    await page.keyboard.press("[")
    await page.locator(f"[data-job='{work['id']}']").wait_for()
    left = (await desk.get(f"/api/work-orders/{work['id']}")).json()
    assert left["crew_size"] == 1, "it is a job for one again"
