"""How long a visit takes: by dragging its edge, by keys and typed, with what comes of it shown before."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest_asyncio

from tests.pages.conftest import BROWSER, Office, playwright
from tests.pages.looking import assert_accessible, take
from tests.pages.test_board import open_board
from tests.patience import PATIENCE_S

pytestmark = BROWSER


@pytest_asyncio.fixture(loop_scope="session")
async def visit(office: Office) -> AsyncIterator[str]:
    """The number of a job with a visit from 11:00 to 12:00; what is left of it goes with the test."""
    asked = {"work_type": "repair", "asset_id": str(office.company.asset.id), "title": "Door"}
    starts_at = office.clock() + timedelta(hours=2)
    headers = office.company.headers["dispatcher"]
    async with httpx.AsyncClient(
        base_url=office.url, headers=headers, timeout=PATIENCE_S
    ) as client:
        job = (await client.post("/api/work-orders", json=asked)).raise_for_status().json()
        where = {
            "work_order_id": job["id"],
            "technician_id": str(office.company.technician.id),
            "starts_at": starts_at.isoformat(),
            "ends_at": (starts_at + timedelta(hours=1)).isoformat(),
        }
        placed = (await client.post("/api/board/placements", json=where)).raise_for_status()
        yield str(job["number"])
        path = f"/api/visits/{placed.json()['id']}/withdrawal"
        (await client.post(path, json={"reason": "over"})).raise_for_status()


async def test_a_visit_is_made_longer_and_shorter_by_pointer_by_keys_and_typed(
    office: Office, opened: Any, visit: str
) -> None:
    page = await open_board(office, opened)
    taking = page.locator(f"[data-visit][aria-label*='{visit}'][aria-label*='11:00–']")

    async def until(clock: str) -> Any:
        bar = taking.and_(page.locator(f"[aria-label*='11:00–{clock}']"))
        await bar.wait_for()
        return bar

    bar = await (await until("12:00")).bounding_box()
    hour = bar["width"]
    await page.mouse.move(bar["x"] + bar["width"] - 3, bar["y"] + 15)
    await page.mouse.down()
    await page.mouse.move(bar["x"] + bar["width"] + hour / 2, bar["y"] + 60, steps=3)
    await page.locator(".ghost").get_by_text("1 h 30 min, until 12:30").wait_for()
    await page.locator(".ghost").get_by_text("Every promise is kept.").wait_for()
    await take(page, "board-stretch")
    await page.mouse.up()
    await (await until("12:30")).focus()
    await page.keyboard.press("Shift+ArrowRight")
    await page.keyboard.press("Shift+ArrowRight")
    await page.locator(".ghost").get_by_text("2 h, until 13:00").wait_for()
    await page.locator(".ghost").get_by_text("Every promise is kept.").wait_for()
    await assert_accessible(page)
    await page.keyboard.press("Enter")
    await (await until("13:00")).focus()
    await page.keyboard.press("Shift+ArrowLeft")
    await page.keyboard.press("Escape")  # let go of: it stays, and is still what is looked at
    await page.locator(".ghost").wait_for(state="detached")
    await page.keyboard.press("l")
    await page.locator("#length:focus").wait_for()
    await page.get_by_label("Length").fill("700")
    await page.get_by_text("Needs a reason:").first.wait_for()
    await playwright.expect(page.get_by_role("button", name="Change")).to_be_disabled()
    await assert_accessible(page)
    await take(page, "board-length")
    await page.get_by_label("Length").fill("45")
    await page.get_by_label("Details").get_by_text("Every promise is kept.").wait_for()
    await page.get_by_role("button", name="Change").click()
    await (await until("11:45")).focus()
    # The key that writes M in English, on a keyboard that writes Russian.
    await page.evaluate(
        "document.activeElement.dispatchEvent(new KeyboardEvent('keydown',"
        " {key: 'г', code: 'KeyU', bubbles: true}))"
    )
    await until("13:00")
    await page.keyboard.press("u")
    await until("12:30")
    await page.keyboard.press("u")
    await until("12:00")


async def test_a_length_is_typed_on_a_phone_in_russian(
    office: Office, opened: Any, visit: str
) -> None:
    page = await open_board(office, opened, language="ru", width=360, height=740, dark=True)
    await page.locator(f"[data-visit]:has-text('{visit}')").click()
    length = page.get_by_label("Длительность")
    await length.fill("700")
    await page.get_by_text("Нужна причина:").first.wait_for()
    await assert_accessible(page)
    await take(page, "board-length-360-ru")
