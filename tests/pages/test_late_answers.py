"""Answers that come late and out of order: what was asked last is shown, and nothing asked for is lost."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from fsm.work_orders.tables import WorkOrder
from tests.pages.conftest import BROWSER, Office, playwright
from tests.pages.looking import drawn
from tests.pages.test_board import open_board
from tests.pages.test_board_planning import day, world
from tests.pages.test_desk import desk, entry, open_desk, reported
from tests.pages.test_figures import PAGE, open_figures
from tests.pages.test_portal import open_portal
from tests.pages.test_roster import open_roster, roster
from tests.pages.test_settings import open_settings
from tests.patience import within
from tests.scheduler.running import RunningDay

pytestmark = BROWSER

__all__ = ["day", "desk", "roster", "world"]  # fixtures

expect = playwright.expect


@dataclass
class Held:
    """A route whose requests wait, those that `which` names by their query, until they are let go."""

    page: Any
    which: Callable[[dict[str, str]], bool] = lambda _: True
    asked: list[dict[str, str]] = field(default_factory=list)
    """The queries of all requests, in order."""
    _came: asyncio.Event = field(default_factory=asyncio.Event)
    _go: asyncio.Event = field(default_factory=asyncio.Event)

    async def at(self, pattern: str) -> "Held":
        await self.page.route(pattern, self._carry)
        return self

    async def _carry(self, route: Any) -> None:
        query = {name: one for name, (one,) in parse_qs(urlsplit(route.request.url).query).items()}
        self.asked.append(query)
        if self.which(query) and not self._go.is_set():
            self._came.set()
            await self._go.wait()
        try:
            await route.continue_()
        except playwright.Error:  # the page does not wait for it any more
            return

    async def waits(self) -> None:
        """Wait until one of them has been asked for."""
        await within(self._came.wait(), "the request is on its way")

    def go(self) -> None:
        self._go.set()


async def test_a_customers_machines_are_those_sought_last_and_asked_for_once(
    office: Office, opened: Any, plant: None
) -> None:
    page = await open_portal(office, opened)
    held = await Held(page, lambda query: query.get("q") == "F-1").at("**/api/portal/machines?*")
    await page.get_by_role("link", name="Equipment", exact=True).click()
    names = page.locator("main li h3")
    await expect(names).not_to_have_count(0)
    await page.clock.run_for(5_000)  # nothing is asked for again while nobody seeks
    await page.get_by_label("Search number").fill("F-1")
    await held.waits()
    await page.get_by_label("Search number").fill("F-2")
    await expect(names).to_have_count(1)
    await expect(page.get_by_role("listitem").filter(has_text="F-2")).to_have_count(1)
    held.go()
    await page.clock.run_for(1_000)
    await expect(page.get_by_role("listitem").filter(has_text="F-2")).to_have_count(1)
    assert [query.get("q") for query in held.asked] == [None, "F-1", "F-2"]


async def test_promises_are_those_of_the_period_chosen_last(office: Office, opened: Any) -> None:
    page = await open_portal(office, opened)
    held = await Held(page).at("**/api/portal/promises?*")
    await page.get_by_role("link", name="Service levels", exact=True).click()
    await held.waits()
    await page.get_by_label("Period").select_option(label="The last 30 days")
    held.go()
    await expect(page.locator("main [role=status]")).to_have_count(0)
    first, last = held.asked
    assert first["from"] < last["from"]


async def test_two_shifts_dragged_one_after_the_other_are_both_moved_and_an_open_day_stays(
    office: Office, opened: Any, roster: str
) -> None:
    page = await open_roster(office, opened, roster)

    def day(text: str) -> Any:
        return page.get_by_role("button", name=f"Boris, {text}")

    held = await Held(page).at("**/technicians/*/days/*")
    await day("Mon, Apr 6, Early").drag_to(day("Sun, Apr 12, free"))
    await held.waits()
    await day("Mon, Apr 13, Early").drag_to(day("Sun, Apr 19, free"))
    held.go()
    await day("Sun, Apr 12, Early, fixed").wait_for()
    await day("Sun, Apr 19, Early, fixed").wait_for()
    await page.unroute("**/technicians/*/days/*")
    held = await Held(page).at("**/technicians/*/days/*")
    await day("Wed, Apr 8").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Shift").select_option(label="free")
    await dialog.get_by_role("button", name="Save").click()
    await held.waits()
    await page.keyboard.press("Escape")
    await day("Thu, Apr 9").click()
    held.go()
    await expect(page.locator("[aria-label^='Boris, Wed, Apr 8, free, fixed']")).to_have_count(1)
    await page.get_by_role("dialog", name="Boris, Thu, Apr 9").wait_for()


async def test_what_is_offered_to_narrow_figures_to_is_of_the_kind_that_is_chosen(
    office: Office, opened: Any, plant: None
) -> None:
    page = await open_figures(office, opened)
    held = await Held(page).at("**/api/sites?*")
    await page.get_by_role("button", name="Narrow…").click()
    dialog = page.get_by_role("dialog")
    offered = dialog.get_by_role("listitem").get_by_role("button")
    await dialog.get_by_label("What").select_option("customer")
    await offered.first.wait_for()
    await dialog.get_by_label("What").select_option("site")
    await held.waits()
    await expect(offered).to_have_count(0)  # a customer is not offered as a site
    held.go()
    await offered.first.wait_for()


async def test_jobs_behind_a_figure_are_listed_once_and_all_of_them_can_be_reached(
    office: Office, opened: Any, plant: None
) -> None:
    page = await open_figures(office, opened, PAGE)
    real: dict[str, Any] = {}

    async def in_pages(route: Any) -> None:
        """The one job of the figure as two pages of 200, which a file of rows would take long to make."""
        if not real:
            real.update(await (await route.fetch()).json())
        is_second = "after=" in route.request.url
        one = real["items"][0]
        items = [{**one, "id": f"{is_second} {n}"} for n in range(200)]
        await route.fulfill(json={**real, "items": items, "next": None if is_second else "more"})

    await page.route("**/lineage?*", in_pages)
    await page.locator("[data-figure=cost] button").first.click()
    dialog = page.get_by_role("dialog")
    counted = dialog.get_by_role("button", name="Counted")
    await counted.click()  # before the first page has come
    rows = dialog.locator("[data-candidate]")
    await expect(rows).to_have_count(25)
    for listed in (125, 225, 325, 400):
        await dialog.get_by_role("button", name="Show more").click()
        await expect(rows).to_have_count(listed)
    await expect(dialog.get_by_role("button", name="Show more")).to_have_count(0)


async def test_who_opened_another_one_while_the_first_was_saved_stays_there(
    office: Office, opened: Any
) -> None:
    page = await open_settings(office, opened, "users")
    held = await Held(page).at("**/api/users/*")
    first, second = [page.locator(".list li button").nth(at) for at in (0, 1)]
    await first.click()
    await page.get_by_role("button", name="Save", exact=True).click()
    await held.waits()
    await second.click()
    async with page.expect_response("**/api/users?*"):
        held.go()
    await page.get_by_role("main").get_by_text(": saved").wait_for()
    await drawn(page)
    await expect(second).to_have_attribute("aria-current", "true")
    name = await second.locator("b").inner_text()
    await expect(page.get_by_label("Name", exact=True)).to_have_value(name)


async def test_who_goes_to_another_tab_while_the_desk_is_read_again_is_left_there(
    office: Office, opened: Any, desk: httpx.AsyncClient
) -> None:
    lift = str(office.company.asset.id)
    await reported(desk, "Late: it squeaks", asset_id=lift)
    page = await open_desk(office, opened)
    await entry(page, "Late: it squeaks").click()
    await page.get_by_text("Contract ").wait_for()
    held = await Held(page).at("**/api/desk/requests*")
    await page.get_by_role("button", name="Make the job").click()
    await page.get_by_text("has become job").first.wait_for()
    await held.waits()
    closing = page.get_by_role("tab", name="To close")
    await closing.click()
    held.go()
    await expect(closing).to_have_attribute("aria-selected", "true")
    await drawn(page)
    await page.get_by_role("tab", name="Requests").click()
    await expect(entry(page, "Late: it squeaks")).to_have_count(0)


async def test_who_opens_something_else_while_somebody_is_taken_is_not_asked_on_top_of_it(
    office: Office, opened: Any, day: RunningDay
) -> None:
    late = await day.job("Late")
    async with day.database.transaction(day.company.id) as session:
        row = await session.get(WorkOrder, (day.company.id, late.id))
        row.respond_by = day.clock() + timedelta(minutes=1)
    page = await open_board(office, opened, width=1440, height=900)
    held = await Held(page).at("**/api/board/placement-previews")
    await page.locator(f"[data-job='{late.id}']").click()
    await page.get_by_role("button", name="Who can?").click()
    first = page.get_by_role("button", name="Take ").first
    await first.click()
    await held.waits()
    await page.get_by_role("heading", name=late.number).first.wait_for()
    await page.keyboard.press("?")
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("heading", name="Keys").wait_for()
    held.go()
    await page.get_by_text("Choose “Take” again to see why.").first.wait_for()
    await expect(dialog).to_have_count(1)
    await page.keyboard.press("Escape")
    await first.click()
    await dialog.get_by_label("Reason").wait_for()
