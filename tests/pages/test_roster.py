"""The roster: asked for, read in people, hours and sentences, changed by hand within the rules, published."""

from datetime import date, timedelta
from typing import Any

import httpx
import pytest_asyncio

from fsm.jobs import Job
from scheduler.rosters.jobs import list_unsolved, solve_roster
from tests.pages.conftest import BROWSER, Office, playwright, sign_in
from tests.pages.looking import assert_accessible, take
from tests.patience import PATIENCE_S

pytestmark = BROWSER

STARTS_ON = date(2026, 4, 6)
EARLY = {"code": "early", "name": "Early", "starts_min": 420, "ends_min": 900}
NIGHT = {"code": "night", "name": "Night", "starts_min": 1320, "ends_min": 1800}


@pytest_asyncio.fixture(loop_scope="session")
async def roster(office: Office) -> str:
    """The id of a ready roster of two weeks, in which one technician is wanted twice over."""
    headers = office.company.headers["administrator"]
    async with httpx.AsyncClient(
        base_url=office.url, headers=headers, timeout=PATIENCE_S
    ) as client:
        for pattern in (EARLY, NIGHT):
            answer = await client.post("/api/roster-patterns", json=pattern)
            assert answer.status_code in (201, 409), answer.text
        last_on = (STARTS_ON + timedelta(days=13)).isoformat()
        lines = [
            {"on": (STARTS_ON + timedelta(days=day)).isoformat(), "hour": hour, "skill": "lift",
             "level": 1, "people": 2}
            for day in range(3)
            for hour in range(8, 14)
        ]  # fmt: skip
        span = {"first_on": STARTS_ON.isoformat(), "last_on": last_on}
        (await client.put("/api/roster-demand", json={**span, "lines": lines})).raise_for_status()
        asked = {"starts_on": STARTS_ON.isoformat(), "weeks": 2, "rounds": 1}
        made = (await client.post("/api/rosters", json=asked)).raise_for_status()
    await solve(office)
    return str(made.json()["id"])


async def solve(office: Office) -> None:
    """Do the worker's part."""
    for one in await list_unsolved(office.database, office.company.id):
        job = Job(office.company.id, {"roster_id": str(one)})
        await solve_roster(office.database, job, office.clock())


async def open_roster(office: Office, opened: Any, roster: str, **look: Any) -> Any:
    page = await opened(**look)
    page.watch.forgiven.append("401")  # nobody was signed in at first
    await sign_in(page, office, "dispatcher", f"/office/roster?roster={roster}")
    await page.locator("[data-cell='0 0']").wait_for()
    return page


async def test_a_roster_tells_what_is_missing_and_is_changed_by_keyboard_within_the_rules(
    office: Office, opened: Any, roster: str
) -> None:
    page = await open_roster(office, opened, roster)
    name = office.company.technician.name
    await page.locator("[data-cell='0 0']").focus()
    await page.keyboard.press("ArrowRight")
    await page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name=name)
    await dialog.get_by_label("Shift").select_option(label="Night (22:00–06:00)")
    await assert_accessible(page)
    await take(page, "roster-day")
    page.watch.forgiven.append("409")
    await dialog.get_by_role("button", name="Save").click()
    await dialog.get_by_role("alert").get_by_text("rest before the shift on").wait_for()
    await dialog.get_by_label("Shift").select_option(label="free")
    await dialog.get_by_role("button", name="Save").click()
    await dialog.wait_for(state="detached")
    free = page.get_by_role("button", name="Boris, Tue, Apr 7, free, fixed")
    await free.wait_for()
    await free.click()
    await dialog.get_by_role("button", name="Note the wish").click()
    await dialog.get_by_role("button", name="Take it back").wait_for()
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="What is missing").click()
    await page.get_by_text("missing for lift, level 1").first.wait_for()
    await page.get_by_role("button", name="Demand and cover").click()
    await page.get_by_label("Trade").select_option(label="lift, level 1")
    tuesday = page.get_by_role("row").filter(has_text="Tue, Apr 7")
    await playwright.expect(tuesday).to_contain_text("0/2")
    await take(page, "roster-cover")
    await assert_accessible(page)
    await page.get_by_role("button", name="Enter demand for Tue, Apr 7").press("Enter")
    demand = page.get_by_role("dialog", name="Enter demand")
    await demand.get_by_label("To the day").fill("2026-04-08")
    await demand.get_by_label("Begins").select_option("09:00")
    await demand.get_by_label("Ends").select_option("11:00")
    await demand.get_by_label("People").fill("3")
    await assert_accessible(page)
    await take(page, "roster-demand")
    await demand.get_by_label("People").press("Enter")
    await demand.wait_for(state="detached")
    later = tuesday.get_by_text("2 → 3")
    await playwright.expect(later).to_have_count(2)  # the roster was made without it
    await page.get_by_role("button", name="Enter demand for Tue, Apr 7").click()
    await demand.get_by_label("Begins").select_option("08:00")
    await demand.get_by_label("Ends").select_option("24:00")
    await demand.get_by_label("As it is reckoned").check()
    await demand.get_by_role("button", name="Save").click()
    await demand.wait_for(state="detached")
    headers = office.company.headers["dispatcher"]
    async with httpx.AsyncClient(
        base_url=office.url, headers=headers, timeout=PATIENCE_S
    ) as client:
        days = {"first_on": "2026-04-07", "last_on": "2026-04-08"}
        lines = (await client.get("/api/roster-demand", params=days)).json()["lines"]
    assert {one["on"] for one in lines} == {"2026-04-08"}  # Tuesday is reckoned again
    assert [one["people"] for one in lines if one["hour"] in (8, 9, 10, 11)] == [2, 3, 3, 2]


async def test_a_shift_is_dragged_to_a_free_day_and_back_where_a_rule_forbids_it(
    office: Office, opened: Any, roster: str
) -> None:
    page = await open_roster(office, opened, roster)
    shift = page.get_by_role("button", name="Boris, Mon, Apr 6, Early")
    await shift.drag_to(page.get_by_role("button", name="Boris, Sun, Apr 12"))
    await page.get_by_role("button", name="Boris, Sun, Apr 12, Early, fixed").wait_for()
    await page.get_by_role("button", name="Boris, Mon, Apr 6, free").wait_for()
    headers = office.company.headers["dispatcher"]
    async with httpx.AsyncClient(
        base_url=office.url, headers=headers, timeout=PATIENCE_S
    ) as client:
        night = next(
            one["id"]
            for one in (await client.get("/api/roster-patterns")).json()
            if one["code"] == "night"
        )
        for on, pattern in (("2026-04-17", None), ("2026-04-16", night)):
            rev = (await client.get(f"/api/rosters/{roster}")).json()["rev"]
            technician = office.company.technician.id
            path = f"/api/rosters/{roster}/technicians/{technician}/days/{on}"
            changed = await client.put(path, json={"rev": rev, "pattern_id": pattern})
            assert changed.status_code == 200, changed.text
    await page.reload()
    page.watch.forgiven.append("409")
    await page.get_by_role("button", name="Boris, Sun, Apr 12, Early").drag_to(
        page.get_by_role("button", name="Boris, Fri, Apr 17, free")
    )
    await page.get_by_role("main").get_by_text("rest before the shift on").wait_for()
    await page.get_by_role("button", name="Boris, Sun, Apr 12, Early, fixed").wait_for()


async def test_publishing_shows_its_changes_and_makes_shifts(
    office: Office, opened: Any, roster: str
) -> None:
    page = await open_roster(office, opened, roster, language="ru", dark=True)
    await page.get_by_role("button", name="Опубликовать…").click()
    dialog = page.get_by_role("dialog", name="Опубликовать…")
    await dialog.get_by_text("Новых смен:").wait_for()
    await assert_accessible(page)
    await dialog.get_by_role("button", name="Опубликовать", exact=True).click()
    await page.get_by_text("опубликован").first.wait_for()
    await dialog.wait_for(state="detached")
    await page.get_by_role("button", name="Составить график").click()
    await page.get_by_role("button", name="Составить", exact=True).click()
    await page.get_by_text("График составляется").first.wait_for()
    await solve(office)
    await page.clock.fast_forward(10_000)  # it asks by itself until the roster is there
    await page.locator("[data-cell='0 0']").wait_for()
    await page.locator("[data-cell='0 0']").click()
    await page.get_by_role("dialog").get_by_label("Смена").select_option(label="выходной")
    await page.get_by_role("dialog").get_by_role("button", name="Сохранить").click()
    await page.get_by_role("dialog").wait_for(state="detached")
    await page.get_by_role("button", name="Опубликовать…").click()
    await dialog.get_by_text("Цена изменений").wait_for()  # people were told otherwise by now
    await take(page, "roster-publish-ru")
    await assert_accessible(page)


async def test_the_roster_is_whole_on_a_small_window(
    office: Office, opened: Any, roster: str
) -> None:
    page = await open_roster(office, opened, roster, width=320, height=700)
    for view in ("People", "Demand and cover", "What is missing", "Wishes"):
        await page.get_by_role("button", name=view).click()
        await assert_accessible(page)
        wide = await page.evaluate("document.documentElement.scrollWidth > innerWidth")
        assert not wide, view
        await take(page, f"roster-320-{view.split()[0]}")
    await page.get_by_role("button", name="Demand and cover").click()
    await page.get_by_role("button", name="Enter demand…").click()
    await page.get_by_role("dialog").get_by_label("To the day").fill("2026-04-12")
    await assert_accessible(page)
    await take(page, "roster-320-demand")
