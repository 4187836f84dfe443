"""Passport and status pages in a browser: sound in every language, narrow and wide, light and dark."""

from typing import Any

import httpx
import pytest
import pytest_asyncio
from httpx import AsyncClient

from tests.fsm.web.status_links import Followed, finish, followed
from tests.pages.conftest import BROWSER, Office, playwright
from tests.pages.looking import assert_accessible, take
from tests.patience import PATIENCE_S

pytestmark = BROWSER

expect = pytest.importorskip("playwright.async_api").expect

NO_ICON = "status of 404 (Not Found)"
"""What a browser says that looks for an icon: these pages load nothing that they can do without."""

LOOKS = [
    {"language": "en", "width": 320, "height": 800},
    {"language": "ru", "width": 390, "height": 844, "dark": True},
    {"language": "ru", "width": 820, "height": 1180},
    {"language": "en", "width": 1280, "height": 800, "dark": True},
    {"language": "de", "width": 320, "height": 800},
]


async def known_problem(client: AsyncClient, office: Office) -> None:
    """Have advice for passers-by on the lift's model: two problems, of which a word tells one."""
    headers = office.company.headers["administrator"]
    for code, title, advice in (
        ("E-1", "The door does not close", "Look for a stone in the sill."),
        ("F-2", "The lamp is dark", "Nothing to do: the lift is safe."),
    ):
        body = {
            "model_id": str(office.company.model.id),
            "code": code,
            "titles": {"en": title},
            "answers": {"en": "Measure X7."},
            "advice": {"en": advice},
        }
        made = (await client.post("/api/known-problems", json=body, headers=headers)).json()
        path = f"/api/known-problems/{made['id']}/approval"
        assert (await client.post(path, json={"rev": made["rev"]}, headers=headers)).is_success


@pytest_asyncio.fixture(loop_scope="session")
async def link(office: Office) -> Any:
    async with httpx.AsyncClient(base_url=office.url, timeout=PATIENCE_S) as client:
        yield await followed(client, office.database, office.company, office.clock)


async def fits(page: Any) -> bool:
    """Whether nothing sticks out at the side."""
    return bool(await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


async def test_a_customer_follows_moves_writes_and_rates_on_any_screen(
    office: Office, opened: Any, link: Followed
) -> None:
    sizes: list[int] = []
    page = await opened(**LOOKS[0])
    page.watch.forgiven.append(NO_ICON)
    page.on("response", lambda answer: sizes.append(int(answer.headers["content-length"])))
    await page.goto(f"{link.path}?lang=en")
    await page.get_by_role("link", name="Ask for another time").click()
    await page.get_by_text("When would it suit you?").wait_for()
    await take(page, "move-320-en")
    await assert_accessible(page)
    await page.get_by_label("None of these").check()
    await page.get_by_label("Anything we should know").fill("Only on Sundays")
    await page.get_by_role("button", name="Send").click()
    await page.get_by_text("You asked for another time").wait_for()
    await page.get_by_label("Write to the technician").fill("Ring <twice>")
    await page.get_by_role("button", name="Send the message").click()
    await page.get_by_text("Ring <twice>").wait_for()
    # It looks for news by itself, and leaves alone what somebody is writing.
    await page.get_by_label("Write to the technician").fill("One more thing")
    await finish(link)
    await page.clock.fast_forward(31_000)
    await page.locator("#progress li:nth-child(4):is(.now, .reached)").wait_for()
    await expect(page.get_by_label("Write to the technician")).to_have_value("One more thing")
    await expect(page.get_by_label("3 ★")).to_have_count(0)
    await page.get_by_label("Write to the technician").fill("")
    await page.get_by_label("Write to the technician").blur()
    await page.clock.fast_forward(31_000)
    await page.get_by_label("3 ★").check()
    await page.get_by_role("button", name="Send the rating").click()
    await page.get_by_text("You gave 3 of 5").wait_for()
    assert max(sizes) <= 30_000
    for look in LOOKS:
        page = await opened(**look)
        page.watch.forgiven.append(NO_ICON)
        await page.goto(f"{link.path}?lang={look['language']}")
        await take(page, f"status-{look['width']}-{look['language']}")
        await assert_accessible(page)
        assert await fits(page), look


async def test_advice_that_fits_comes_up_while_a_problem_is_typed(
    office: Office, opened: Any, link: Followed
) -> None:
    async with httpx.AsyncClient(base_url=office.url, timeout=PATIENCE_S) as client:
        await known_problem(client, office)
    path = f"/p/{office.company.passport.code}/page"
    page = await opened(**LOOKS[0])
    page.watch.forgiven.append(NO_ICON)
    await page.goto(f"{path}?lang=en")
    await page.get_by_text("A problem was reported").wait_for()
    door, lamp = page.get_by_text("stone in the sill"), page.get_by_text("the lift is safe")
    await page.get_by_label("What is wrong?").press_sequentially("the doors")
    await door.wait_for()
    # What fits the first letters only goes as soon as the rest is looked up.
    await playwright.expect(lamp).to_be_hidden()
    await page.get_by_label("What is wrong?").fill("it says f2")
    await lamp.wait_for()
    await playwright.expect(door).to_be_hidden()
    await page.get_by_label("What is wrong?").fill("I am stuck")
    await lamp.wait_for(state="hidden")
    await page.get_by_label("What is wrong?").fill("nothing to report, this helped")
    await page.get_by_label("What is wrong?").fill("doors")
    await page.get_by_role("button", name="This helped").first.click()
    await page.get_by_text("Nothing was reported").wait_for()
    await assert_accessible(page)
    for look in LOOKS:
        page = await opened(**look)
        page.watch.forgiven.append(NO_ICON)
        await page.goto(f"{path}?lang={look['language']}")
        await page.locator("#hints summary").click()
        await take(page, f"passport-{look['width']}-{look['language']}")
        await assert_accessible(page)
        assert await fits(page), look
