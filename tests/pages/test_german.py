"""The office in German, whose words are long: nothing sticks out of a phone's window or a tablet's."""

from typing import Any

import pytest

from tests.pages.conftest import BROWSER, Office
from tests.pages.looking import assert_accessible, take
from tests.pages.test_board import job, open_board
from tests.pages.test_figures import PAGE, open_figures
from tests.pages.test_roster import open_roster, roster

pytestmark = BROWSER

__all__ = ["job", "roster"]  # fixtures

WIDTHS = pytest.mark.parametrize(("width", "height"), [(360, 740), (768, 1024)])


async def assert_fits(page: Any, what: str) -> None:
    wide = await page.evaluate("document.documentElement.scrollWidth > innerWidth")
    assert not wide, f"{what} is wider than the window"


@WIDTHS
async def test_the_board_fits(
    office: Office, opened: Any, job: str, width: int, height: int
) -> None:
    page = await open_board(office, opened, language="de", width=width, height=height)
    if width < 768:
        await page.get_by_role("button", name="Wartend").first.click()
    await take(page, f"board-de-{width}-queue")
    await page.locator("#search").fill(
        job
    )  # other tests' jobs wait too: only those in sight are drawn
    waiting = page.locator(f"[data-job]:has-text('{job}')").first
    await waiting.click()
    if width >= 768:  # the queue, the day and what is selected are seen together
        assert await waiting.is_visible()
        assert await page.locator("[data-technician]").first.is_visible()
    await page.get_by_role("region", name="Einzelheiten").wait_for()
    await assert_fits(page, "the job")
    await take(page, f"board-de-{width}-job")
    await page.keyboard.press("m")
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Beginn").fill("14:00")
    await (
        dialog.get_by_text("Jede Zusage wird gehalten.")
        .or_(dialog.get_by_text("Braucht einen Grund:"))
        .first.wait_for()
    )
    await assert_accessible(page)
    await assert_fits(page, "the dialog")
    await take(page, f"board-de-{width}-move")
    await page.keyboard.press("Escape")
    for view in ("table", "map"):
        await page.goto(f"/office/board?view={view}")
        await page.get_by_text("Europe/Paris").wait_for()
        await assert_accessible(page)
        await assert_fits(page, view)
        await take(page, f"board-de-{width}-{view}")


@WIDTHS
async def test_the_figures_fit(
    office: Office, opened: Any, plant: None, width: int, height: int
) -> None:
    page = await open_figures(office, opened, language="de", width=width, height=height)
    for part in ("overview", "contracts", "worst", "backlog", "capacity", "maintenance"):
        await page.goto(f"{PAGE}&show={part}")
        await page.locator("main footer").wait_for()
        await assert_fits(page, part)
        await take(page, f"figures-de-{width}-{part}")
    await assert_accessible(page)


@WIDTHS
async def test_the_roster_fits(
    office: Office, opened: Any, roster: str, width: int, height: int
) -> None:
    page = await open_roster(office, opened, roster, language="de", width=width, height=height)
    for view in ("Personen", "Bedarf und Besetzung", "Was fehlt", "Wünsche"):
        await page.get_by_role("button", name=view).click()
        await assert_fits(page, view)
        await take(page, f"roster-de-{width}-{view.split()[0]}")
    await assert_accessible(page)
