"""How the app looks on a phone: nothing that axe finds, in every language and both themes, in every state."""

from datetime import timedelta
from typing import Any

import pytest

from fsm.work_orders import visits
from tests.fsm.work_orders.steps import plan_a_pick_up
from tests.mobile_api.pwa.conftest import Field, phone_in, picture
from tests.pages.conftest import BROWSER
from tests.pages.looking import assert_accessible, assert_readable_outdoors, take

pytestmark = BROWSER

expect = pytest.importorskip("playwright.async_api").expect


@pytest.mark.parametrize(("language", "dark"), [("en", False), ("ru", True), ("de", False)])
async def test_every_page_of_the_app_is_accessible(
    there: Field, chromium: Any, language: str, dark: bool
) -> None:
    job = await there.dispatched_job()
    office = there.office
    await plan_a_pick_up(office.database, office.company, office.clock(), job.visit_id, 2)
    fetch = {
        "en": "Pick up 2 × Door roller (P-1) at Main before, 09:30",
        "de": "Vorher 2 × Door roller (P-1) abholen: Main, 09:30",
        "ru": "Перед этим забрать 2 × Door roller (P-1): Main, 09:30",
    }[language]
    name = f"app-{language}-{'dark' if dark else 'light'}"
    async with phone_in(there, chromium, language=language, dark=dark) as phone:
        page = phone.page

        async def look(at: str) -> None:
            await assert_accessible(page)
            if not dark:
                await assert_readable_outdoors(page)
            await take(page, f"{name}-{at}")
            await page.set_viewport_size({"width": 320, "height": 640})
            assert await page.evaluate("document.documentElement.scrollWidth") == 320, at
            await page.set_viewport_size({"width": 360, "height": 740})

        await page.goto("/app/index")
        await page.locator("form").wait_for()
        await look("sign-in")
        await phone.sign_in()
        await page.locator(f".card[href='#/visit/{job.visit_id}']").get_by_text(fetch).wait_for()
        await look("today")
        await page.goto(f"/app/index#/visit/{job.visit_id}")
        await page.locator("nav a[aria-current]").wait_for()
        await page.get_by_text(fetch).wait_for()
        await page.locator("a[href^='geo:48.87,2.34']").wait_for()
        await page.locator(".bar button.main").click()
        await page.locator(".undo").wait_for()
        await look("job")
        main = page.locator(".bar button.main")
        for _ in ("arrived", "started"):
            said = await main.inner_text()
            await main.click()
            await expect(main).not_to_have_text(said)
        await main.click()
        await page.locator("dialog").wait_for()
        await look("finish")
        await page.locator("dialog footer button").click()
        await page.locator("ol > li").first.wait_for()
        await page.locator("input[inputmode=decimal]").fill("999")
        await page.locator("input[inputmode=decimal]").blur()
        await page.locator("input[type=file]").first.set_input_files(picture(5))
        await page.locator("img[src^='blob:']").wait_for()
        await look("checklist")
        await page.locator("li:has(img[src^='blob:']) button").first.click()
        await page.locator("dialog .row.wrap button").nth(1).click()
        await page.locator("dialog svg path").first.wait_for()
        await look("marks")
        await page.keyboard.press("Escape")
        await page.evaluate("location.hash = location.hash.replace('checklist', 'records')")
        await page.locator("textarea").first.wait_for()
        await look("records")
        await page.locator(".row.wrap button").first.click()
        await page.locator("dialog input[type=radio]").first.wait_for()
        await look("part")
        await page.keyboard.press("Escape")
        await page.evaluate("location.hash = location.hash.replace('records', 'act')")
        await page.get_by_role("article").wait_for()
        await look("act")
        await page.emulate_media(media="print")
        for pressed in (".bar", "nav", "body > #app > header", ".unprinted"):
            await expect(page.locator(pressed).first).to_be_hidden()
        await take(page, f"{name}-act-printed")
        await page.emulate_media(media="screen")
        for at in ("scan", "outbox", "me", "van"):
            await page.goto(f"/app/index#/{at}")
            await page.locator("h1").wait_for()
            await look(at)
            if at == "scan":
                company = there.office.company
                for code in ("box 17", company.part.number):
                    await page.locator("main form input").fill(code)
                    await page.locator("main form button").click()
                    await page.locator("main > section.stack").get_by_text(code).first.wait_for()
                    await look(f"scan-{code}")


async def test_the_look_is_chosen_on_the_phone_and_its_light_one_is_the_outdoor_one(
    there: Field, chromium: Any
) -> None:
    async with phone_in(there, chromium, dark=True) as phone:
        page = phone.page
        await page.goto("/app/index")
        look = page.get_by_label("Look")
        await look.wait_for()
        assert await look.locator("option").evaluate_all("all => all.map(one => one.value)") == [
            "system",
            "outdoor",
            "dark",
        ]
        ground = "getComputedStyle(document.body).backgroundColor"
        quiet = "getComputedStyle(document.querySelector('.quiet')).color"
        assert await page.evaluate(ground) == "rgb(23, 26, 31)"
        await look.select_option("outdoor")
        assert await page.evaluate("document.documentElement.dataset.theme") == "outdoor"
        outdoors = await page.evaluate(f"[{ground}, {quiet}]")
        assert outdoors == ["rgb(255, 255, 255)", "rgb(43, 43, 43)"]
        await page.reload()
        await expect(look).to_have_value("outdoor")
        await assert_readable_outdoors(page)
        await look.select_option("system")
        await page.emulate_media(color_scheme="light")
        await expect(page.locator("body")).to_have_css("background-color", outdoors[0])
        await expect(page.locator(".quiet").first).to_have_css("color", outdoors[1])


async def test_a_moved_visit_says_so_on_the_day_and_where_it_was_until_it_is_read(
    there: Field, chromium: Any
) -> None:
    await there.leave_all()
    job = await there.dispatched_job()
    office = there.office
    async with phone_in(there, chromium) as phone:
        page = phone.page
        await phone.sign_in()
        card = page.locator(f".card[href='#/visit/{job.visit_id}']")
        await card.wait_for()
        await phone.is_quiet()
        assert await card.get_by_text("The office moved").count() == 0
        async with office.database.transaction(office.company.id) as session:
            actor = office.company.actors["dispatcher"]
            visit = await visits.find_visit(session, actor, job.visit_id)
            times = {
                "planned_starts_at": visit.planned_starts_at + timedelta(hours=2),
                "planned_ends_at": visit.planned_ends_at + timedelta(hours=2),
            }
            await visits.edit_plan(session, actor, office.clock(), job.visit_id, None, times)
        await card.get_by_text("The office moved this visit. Before: 10:00–11:00.").wait_for()
        await assert_accessible(page)
        await assert_readable_outdoors(page)
        await take(page, "app-moved")
        await page.reload()
        await card.get_by_text("Before: 10:00–11:00.").wait_for()
        await card.click()
        await page.get_by_text("The office moved this visit. Before: 10:00–11:00.").wait_for()
        await page.get_by_role("button", name="Understood").click()
        await page.get_by_text("The office moved").wait_for(state="detached")
        await page.goto("/app/index#/")
        await card.wait_for()
        await expect(card.get_by_text("The office moved")).to_have_count(0)
