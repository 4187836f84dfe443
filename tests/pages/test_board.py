"""The dispatcher's board: a job planned, moved and taken back without dragging, by keyboard, by dragging."""

import re
from datetime import timedelta
from typing import Any
from urllib.parse import urlparse
from uuid import UUID

import httpx
import pytest_asyncio

from tests.bench.board_world import day
from tests.fsm.work_orders.steps import plan_a_pick_up
from tests.pages.conftest import BROWSER, Office, playwright, sign_in
from tests.pages.looking import assert_accessible, small_targets, spoken, take
from tests.patience import PATIENCE_S

pytestmark = BROWSER


@pytest_asyncio.fixture(loop_scope="session")
async def job(office: Office) -> str:
    """The number of a job that waits on the lift."""
    async with httpx.AsyncClient(base_url=office.url, timeout=PATIENCE_S) as client:
        answer = await client.post(
            "/api/work-orders",
            headers=office.company.headers["dispatcher"],
            json={"work_type": "repair", "asset_id": str(office.company.asset.id), "title": "Door"},
        )
    assert answer.status_code == 201, answer.text
    return str(answer.json()["number"])


async def open_board(office: Office, opened: Any, path: str = "/office/board", **look: Any) -> Any:
    page = await opened(**look)
    page.watch.forgiven.append("401")  # nobody was signed in at first
    await sign_in(page, office, "dispatcher", path)
    await page.get_by_text("Europe/Paris").wait_for()
    return page


async def test_a_job_is_planned_moved_and_taken_back_by_keyboard_alone(
    office: Office, opened: Any, job: str
) -> None:
    page = await open_board(office, opened)
    await page.keyboard.press("/")
    await page.keyboard.type(job)
    await page.keyboard.press("Escape")
    waiting = page.locator(f"[data-job]:has-text('{job}')")
    await waiting.focus()
    await page.keyboard.press("Enter")
    await page.keyboard.press("m")
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Begins").fill("11:00")
    await dialog.get_by_text("Every promise is kept.").wait_for()
    await assert_accessible(page)
    await page.keyboard.press("Enter")
    await dialog.wait_for(state="detached")
    visit = page.locator(f"[data-visit]:has-text('{job}')")
    await playwright.expect(visit).to_have_attribute("aria-label", re.compile("11:00–12:00"))
    await visit.focus()
    await page.keyboard.press("m")
    await dialog.get_by_role("button", name="Close").and_(page.locator(":focus")).wait_for()
    # "Move" can be reached as soon as the answer to what comes of it is there.
    await playwright.expect(dialog.get_by_role("button", name="Move", exact=True)).to_be_enabled()
    buttons = await spoken(page, "button")
    assert {"Close", "Cancel", "Move"} < buttons
    assert {"Optimise", "Undo"}.isdisjoint(buttons)  # nor is anything else of what lies behind
    assert await spoken(page, "link") == set()
    await page.keyboard.press("Shift+Tab")  # the focus goes round in the dialog
    await dialog.locator("button:enabled").last.and_(page.locator(":focus")).wait_for()
    await page.evaluate("document.querySelector('#search').focus()")  # nor can it be taken away
    assert await page.evaluate("document.activeElement.closest('dialog') !== null")
    await page.keyboard.press("Escape")
    await dialog.wait_for(state="detached")
    await page.locator("[data-visit]:focus").wait_for()
    assert {"Optimise", "Undo"} < await spoken(page, "button")
    await page.keyboard.press("m")
    await dialog.get_by_label("Begins").fill("16:30")  # the service level ends at 13:00
    await dialog.get_by_label("Reason").fill("The customer asked for it")
    await dialog.get_by_label("Reason").press("Enter")
    await page.locator(f"[data-visit][aria-label*='{job}'][aria-label*='16:30–17:30']").wait_for()
    await page.get_by_role("main").get_by_text(f"{job} moved").wait_for()  # it can be undone now
    await page.keyboard.press("u")
    await page.locator(f"[data-visit][aria-label*='{job}'][aria-label*='11:00–12:00']").wait_for()
    await page.keyboard.press("u")
    await page.locator(f"[data-job]:has-text('{job}')").wait_for()


async def test_a_drag_shows_what_comes_of_it_and_others_see_the_change(
    office: Office, opened: Any, job: str
) -> None:
    page = await open_board(office, opened)
    other = await open_board(office, opened, "/office/board?view=table", language="ru", dark=True)
    card = await page.locator(f"[data-job]:has-text('{job}')").bounding_box()
    technician = office.company.technician.id
    track = await page.locator(f"[data-technician='{technician}'] [data-track]").bounding_box()
    await page.mouse.move(card["x"] + 30, card["y"] + 20)
    await page.mouse.down()
    y = track["y"] + track["height"] / 2
    await page.mouse.move(track["x"] + track["width"] * 0.4, y, steps=4)
    await page.get_by_text("Driving").wait_for()
    await take(page, "board-drag")
    await page.mouse.up()
    await page.locator(f"[data-visit]:has-text('{job}')").wait_for()
    row = other.get_by_role("row").filter(has_text=job)
    await row.wait_for()  # nobody touched this page
    await assert_accessible(other)
    await page.get_by_role("button", name="Unplan").click()
    await row.wait_for(state="detached")


async def test_a_sick_call_shows_at_once_what_becomes_of_the_day(
    office: Office, opened: Any, job: str
) -> None:
    headers = office.company.headers["dispatcher"]
    page = await open_board(office, opened, width=320, height=700)
    await page.locator(f"[data-technician='{office.company.technician.id}'] .who").click()
    await assert_accessible(page)
    await take(page, "board-320")
    await page.get_by_role("button", name="Sick today").click()
    await page.get_by_role("dialog", name="What would change").wait_for()
    await assert_accessible(page)
    await page.keyboard.press("Escape")
    assert urlparse(page.url).path == "/office/board"
    async with httpx.AsyncClient(
        base_url=office.url, headers=headers, timeout=PATIENCE_S
    ) as client:
        for absence in (await client.get("/api/absences")).json()["items"]:
            await client.delete(f"/api/absences/{absence['id']}")


async def test_a_technicians_day_goes_on_paper_and_into_a_calendar(
    office: Office, opened: Any
) -> None:
    page = await open_board(office, opened)
    await page.locator(f"[data-technician='{office.company.technician.id}'] .who").click()
    await page.get_by_text("On paper and in a calendar").click()
    async with page.expect_download() as downloading:
        await page.get_by_role("button", name="Route sheet").click()
    sheet = await (await downloading.value).path()
    assert sheet.read_bytes().startswith(b"%PDF-")
    await page.get_by_role("button", name="Calendar link").click()
    link = await page.get_by_label("Address for any calendar program").input_value()
    await assert_accessible(page)
    await take(page, "board-papers")
    async with httpx.AsyncClient(base_url=office.url, timeout=PATIENCE_S) as client:
        calendar = await client.get(urlparse(link).path)
    assert calendar.text.startswith("BEGIN:VCALENDAR")


async def test_of_hundreds_of_visits_those_near_are_drawn_and_all_can_be_reached(
    office: Office, opened: Any
) -> None:
    page = await opened()
    # Nobody was signed in at first, and the server knows none of these jobs.
    page.watch.forgiven += ["401", "404"]
    await page.route("**/api/board?*", lambda route: route.fulfill(json=day(100, 800, 0, 1)))
    await sign_in(page, office, "dispatcher", "/office/board")
    bars = page.locator("[data-visit]")
    await bars.first.wait_for()
    first = await bars.first.get_attribute("data-visit")
    assert await bars.count() < 400
    await playwright.expect(page.locator("[data-technician]")).to_have_count(100)
    await page.locator("[data-technician] .who").last.focus()
    last = page.locator("[data-technician]:last-child [data-visit]")
    await last.first.focus()
    await page.keyboard.press("ArrowUp")
    await page.locator("[data-visit][aria-label*='Technician 098']:focus").wait_for()
    await playwright.expect(page.locator(f"[data-visit='{first}']")).to_have_count(0)
    await playwright.expect(page.locator("[data-visit][tabindex='0']")).to_have_count(1)
    await page.get_by_role("button", name="Table").click()
    table = page.locator("table[aria-rowcount='801']")
    await table.locator("[aria-rowindex='2'] button").focus()
    assert await table.locator("tr").count() < 200
    await assert_accessible(page)
    await page.get_by_role("region", name="Table").evaluate("pane => pane.scrollTo(0, 1e6)")
    await table.locator("[aria-rowindex='801']").wait_for()
    await table.locator("[aria-rowindex='2'] button:focus").wait_for()  # what has the focus stays
    await take(page, "board-table-end")


async def test_who_says_to_be_late_stands_out_on_the_line_and_among_the_details(
    office: Office, opened: Any
) -> None:
    page = await opened(language="de")
    # Nobody was signed in at first, and the server knows none of these jobs.
    page.watch.forgiven += ["401", "404"]
    world = day(3, 6, 0, 1)
    late = world["visits"][0]
    late.update(late_min=20, risks=["late"], status="dispatched")
    await page.route("**/api/board?*", lambda route: route.fulfill(json=world))
    await sign_in(page, office, "dispatcher", "/office/board")
    bar = page.locator(f"[data-visit='{late['id']}']")
    await bar.locator("[data-late='+20 Min.']").wait_for()
    name = await bar.get_attribute("aria-label") or ""
    assert name.startswith(f"+20 Min. {late['number']} ")
    assert name.endswith("Techniker verspätet sich")
    await bar.click()
    details = page.get_by_role("region", name="Einzelheiten")
    await details.get_by_text("Techniker verspätet sich").wait_for()
    await details.get_by_text("20 Min. später, sagt der Techniker").wait_for()
    await assert_accessible(page)
    await take(page, "board-late-de")


async def test_a_technician_is_told_what_is_missing_to_see_the_board(
    office: Office, opened: Any
) -> None:
    page = await opened(language="ru")
    page.watch.forgiven.append("401")
    await sign_in(page, office, "technician")
    await page.get_by_text("не даёт доступа").wait_for()
    await assert_accessible(page)


async def test_a_stop_for_parts_stands_beside_the_visits_and_goes_with_its_own(
    office: Office, opened: Any, job: str
) -> None:
    company = office.company
    async with httpx.AsyncClient(
        base_url=office.url, headers=company.headers["dispatcher"], timeout=PATIENCE_S
    ) as client:
        found = (await client.get("/api/work-orders", params={"q": job})).json()["items"]
        starts = office.clock() + timedelta(hours=5)
        planned = await client.post(
            "/api/visits",
            json={
                "work_order_id": found[0]["id"],
                "technician_id": str(company.technician.id),
                "starts_at": starts.isoformat(),
                "ends_at": (starts + timedelta(hours=1)).isoformat(),
            },
        )
    visit_id = UUID(planned.json()["id"])
    page = await open_board(office, opened)
    other = await open_board(office, opened, "/office/board?view=map", language="ru")
    await plan_a_pick_up(office.database, company, office.clock(), visit_id, 2)
    stop = page.locator("[data-stop]")
    await stop.wait_for()  # the page was told of it
    said = f"Parts from Main, 13:30: 2 × P-1 Door roller ({job})"
    await playwright.expect(stop).to_have_attribute("aria-label", said)
    on_map = other.locator("[data-stop]")
    name = f"Запчасти: Main, 13:30: 2 × P-1 Door roller ({job}), {company.technician.name}"
    await playwright.expect(on_map).to_have_attribute("aria-label", name)
    await assert_accessible(other)
    await stop.click()
    await page.get_by_text("Fetch before").wait_for()
    fetched = re.compile("fetch 2 × P-1 Door roller at Main before")
    bar = page.locator(f"[data-visit='{visit_id}'][aria-pressed=true]")
    await playwright.expect(bar).to_have_attribute("aria-label", fetched)
    # The details have taken room of the pane, in which the afternoon lay.
    await playwright.expect(bar).to_be_in_viewport(ratio=0.95)
    await assert_accessible(page)
    assert await small_targets(page, "main", 32) == []
    await take(page, "board-stop")
    await page.locator(f"[data-technician='{company.technician.id}'] .who").click()
    await page.locator(".route").get_by_text(said).wait_for()
    await page.get_by_role("button", name="Table", exact=True).click()
    row = page.get_by_role("row").filter(has_text=job)
    await row.get_by_text("Door · fetch 2 × P-1 Door roller at Main before").wait_for()
    await row.get_by_role("button").click()
    await page.get_by_role("button", name="Unplan").click()
    await on_map.wait_for(state="detached")
