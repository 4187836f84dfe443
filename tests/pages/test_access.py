"""Every page, dialog and state, in English and in Russian, light, dark and outdoors: axe finds nothing.

A page is looked through whole in the light; dark and outdoors change colours alone, so only those are looked
at again. Then the pages hold at 320 px with text of twice the size: nothing sticks out at the side.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import httpx
import pytest
import pytest_asyncio

from fsm.languages import plain_sentences
from reports.documents.snapshot import code_of
from tests.fsm.web.status_links import finish, followed
from tests.pages.conftest import BROWSER, Office, playwright
from tests.pages.looking import assert_accessible, assert_colours_tell, drawn, take
from tests.pages.test_board import job, open_board
from tests.pages.test_desk import completed, entry, open_desk, reported
from tests.pages.test_figures import open_figures
from tests.pages.test_portal import open_portal
from tests.pages.test_public import NO_ICON
from tests.pages.test_roster import open_roster, roster
from tests.pages.test_settings import PARTS, open_settings
from tests.patience import PATIENCE_S

pytestmark = [*BROWSER, pytest.mark.usefixtures("plant")]

__all__ = ["job", "roster"]  # fixtures

LANGUAGES = ("en", "ru")
LONGER = "ru"
"""Where pages of many parts are held at twice the text: its words need more room."""
IN_EACH = pytest.mark.parametrize("language", LANGUAGES)
OFFICE = "fsm/web/office"


def words(language: str, *parts: str) -> dict[str, str]:
    """Return what the office's pages say: the shared words and those of `parts`."""
    folders = ["fsm/web/common/messages", f"{OFFICE}/messages"]
    folders += [f"{OFFICE}/{part}/messages" for part in parts]
    return {
        key: one for folder in folders for key, one in plain_sentences(folder, language).items()
    }


async def assert_sound(page: Any, name: str) -> None:
    """Nothing that axe finds on the page as it stands, in light and dark."""
    await assert_accessible(page)
    await page.emulate_media(color_scheme="dark")
    await drawn(page)
    await assert_colours_tell(page)
    await take(page, f"access-{name}-dark")
    await page.emulate_media(color_scheme="light")
    await drawn(page)


async def assert_sound_outdoors(page: Any) -> None:
    await page.evaluate("document.documentElement.dataset.theme = 'outdoor'")
    await drawn(page)
    await assert_colours_tell(page)
    await page.evaluate("delete document.documentElement.dataset.theme")
    await drawn(page)


async def assert_holds_twice_the_text(page: Any, name: str) -> None:
    """Nothing sticks out at the side of 320 px with text of twice the size."""
    before = page.viewport_size
    await page.set_viewport_size({"width": 320, "height": 800})
    await page.evaluate("document.documentElement.style.fontSize = '200%'")
    wide = await page.evaluate(
        """() => document.documentElement.scrollWidth <= innerWidth ? [] :
        [...document.querySelectorAll('body *')]
            .filter(one => one.getBoundingClientRect().right > innerWidth + 1)
            .slice(0, 5).map(one => one.outerHTML.slice(0, 120))"""
    )
    await take(page, f"access-{name}-320")
    assert wide == [], f"{name} is wider than the window"
    await page.evaluate("document.documentElement.style.fontSize = ''")
    await page.set_viewport_size(before)


@asynccontextmanager
async def dialog_of(page: Any, opener: Any) -> AsyncIterator[Any]:
    """Open a dialog by what opens it, and leave it by Escape."""
    if isinstance(opener, str):
        await page.keyboard.press(opener)
    else:
        await opener.click()
    dialog = page.get_by_role("dialog")
    await dialog.wait_for()
    await playwright.expect(
        dialog.locator("[role=status]:visible, [aria-busy=true]")
    ).to_have_count(0)
    yield dialog
    await page.keyboard.press("Escape")
    await dialog.wait_for(state="detached")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def links(office: Office) -> dict[str, str]:
    """Addresses that strangers come to, by what is there."""
    company = office.company
    async with httpx.AsyncClient(base_url=office.url, timeout=PATIENCE_S) as client:
        coming = await followed(client, office.database, company, office.clock, text="It shakes")
        done = await followed(client, office.database, company, office.clock, text="It sticks")
        await finish(done)
        act = await client.post(
            "/api/documents/acts",
            json={"work_order_id": str(done.job.id)},
            headers=company.headers["dispatcher"],
        )
        batch = await client.post(
            "/api/passport-batches",
            json={"batch": "access", "count": 1},
            headers=company.headers["administrator"],
        )
        assert (act.status_code, batch.status_code) == (201, 201), act.text + batch.text
    passport = f"/p/{company.passport.code}"
    free = batch.json()["codes"][0]
    return {
        "passport": f"{passport}/page",
        "wrong-label": f"{passport}/wrong-label",
        "thanks": f"{passport}/thanks",
        "helped": f"{passport}/thanks/helped",
        "unclaimed": f"/p/{free}/page",
        "missing": f"/p/{'2' * len(free)}/page",
        "status": coming.path,
        "move": f"{coming.path}/move",
        "done": done.path,
        "thanks-for-photo": f"{done.path}/thanks/created/stored",
        "expired": "/s/nobody-ever-got-this-one",
        "document": f"/d/{code_of(UUID(act.json()['id']), act.json()['snapshot_sha256'])}",
        "no-document": "/d/nobody-ever-got-this-one",
    }


@IN_EACH
async def test_what_strangers_see(opened: Any, links: dict[str, str], language: str) -> None:
    page = await opened(language=language)
    page.watch.forgiven += [NO_ICON, "status of 4"]
    for name, path in links.items():
        await page.goto(f"{path}?lang={language}")
        await page.locator("main h1, body h1").first.wait_for()
        for folded in await page.locator("details:not([open]) > summary").all():
            await folded.click()
        await assert_sound(page, f"{name}-{language}")
        if language == LONGER:
            await assert_holds_twice_the_text(page, name)


@IN_EACH
async def test_signing_in(opened: Any, language: str) -> None:
    said = words(language)
    page = await opened(language=language)
    page.watch.forgiven.append("401")
    await page.goto("/office/sign-in")
    await page.locator("[name=login]").fill("nobody@nowhere")
    await assert_sound(page, f"sign-in-{language}")
    await page.locator("[name=password]").fill("not the password")
    await page.get_by_role("button", name=said["sign_in.submit"]).click()
    await page.get_by_role("alert").first.wait_for()
    await assert_sound(page, f"sign-in-refused-{language}")
    await assert_sound_outdoors(page)
    await assert_holds_twice_the_text(page, f"sign-in-{language}")


@IN_EACH
async def test_the_board(office: Office, opened: Any, job: str, language: str) -> None:
    said = words(language)
    page = await open_board(office, opened, language=language)
    await page.locator("#search").fill(job)
    await page.locator(f"[data-job]:has-text('{job}')").first.click()
    await page.get_by_text(job).nth(1).wait_for()
    await assert_sound(page, f"board-{language}")
    await assert_sound_outdoors(page)
    await page.locator(f"[data-job]:has-text('{job}')").first.focus()
    for key in ("m", "g", "c", "?"):
        async with dialog_of(page, key):
            await assert_sound(page, f"board-{key if key != '?' else 'help'}-{language}")
    async with dialog_of(page, page.get_by_role("button", name=said["board.optimise"])):
        await assert_sound(page, f"board-optimise-{language}")
    for view in ("table", "map"):
        await page.goto(f"/office/board?view={view}")
        await page.get_by_text("Europe/Paris").wait_for()
        await assert_sound(page, f"board-{view}-{language}")
    await assert_holds_twice_the_text(page, f"board-{language}")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk_work(office: Office, links: dict[str, str]) -> str:
    """A request beside what is open for its machine, a poor rating, and a job to close. Its words."""
    company, words = office.company, "Access: it smells of oil"
    headers = company.headers["dispatcher"]
    async with httpx.AsyncClient(base_url=office.url, timeout=PATIENCE_S) as client:
        client.headers.update(headers)
        await reported(client, words, asset_id=str(company.asset.id), contact_phone="+33 1 99 00")
        said = {"stars": "1", "comment": "No word"}
        rated = await client.post(
            f"{links['done']}/rating", data=said, headers={"Accept": "application/json"}
        )
        assert rated.status_code == 201, rated.text
    await completed(office, seed=61)
    return words


@IN_EACH
async def test_the_desk(office: Office, opened: Any, desk_work: str, language: str) -> None:
    said = words(language)
    page = await open_desk(office, opened, language=language)
    page.watch.forgiven.append("404")  # small pictures are made by a worker
    await entry(page, desk_work).first.click()
    detail = page.locator("section.detail")
    for answer in ("join", "decline", "accept"):
        await detail.get_by_label(said[f"desk.answer.{answer}"], exact=True).check()
        await assert_sound(page, f"desk-{answer}-{language}")
    await assert_sound_outdoors(page)
    await assert_holds_twice_the_text(page, f"desk-request-{language}")
    for part, listed in (("reviews", "[data-review]"), ("closing", "[data-entry]")):
        await page.goto(f"/office/desk?part={part}")
        await page.locator(listed).first.click()
        await detail.locator("form").first.wait_for()
        await assert_sound(page, f"desk-{part}-{language}")
        await assert_holds_twice_the_text(page, f"desk-{part}-{language}")
    async with dialog_of(page, page.get_by_role("button", name=said["new_job.open"])) as dialog:
        await dialog.locator("select").first.wait_for()
        await assert_sound(page, f"desk-new-job-{language}")


@IN_EACH
async def test_the_roster(office: Office, opened: Any, roster: str, language: str) -> None:
    said = words(language, "roster")
    page = await open_roster(office, opened, roster, language=language)
    await assert_sound(page, f"roster-{language}")
    await assert_sound_outdoors(page)
    for key in ("patterns", "ask", "publish"):
        async with dialog_of(page, page.get_by_role("button", name=said[f"roster.{key}"])):
            await assert_sound(page, f"roster-{key}-{language}")
    async with dialog_of(page, page.locator("[data-cell='0 0']")):
        await assert_sound(page, f"roster-day-{language}")
    for view in ("cover", "unmet", "wishes"):
        await page.get_by_role("button", name=said[f"roster.view.{view}"], exact=True).click()
        await assert_sound(page, f"roster-{view}-{language}")
    await assert_holds_twice_the_text(page, f"roster-{language}")


@IN_EACH
async def test_the_figures(office: Office, opened: Any, language: str) -> None:
    said = words(language, "figures")
    page = await open_figures(office, opened, language=language)
    for section in ("contracts", "worst", "backlog", "maintenance", "capacity", "overview"):
        name = said[f"figures.section.{section}"]
        await page.get_by_role("button", name=name, exact=True).click()
        await playwright.expect(page.locator("main > [role=status]")).to_have_count(0)
        await assert_sound(page, f"figures-{section}-{language}")
    await assert_sound_outdoors(page)
    for key in ("views.title", "pack.open"):
        async with dialog_of(page, page.get_by_role("button", name=said[key])):
            await assert_sound(page, f"figures-{key}-{language}")
    async with dialog_of(page, page.locator("[data-figure] button").first):
        await assert_sound(page, f"figures-figure-{language}")
    await assert_holds_twice_the_text(page, f"figures-{language}")


@IN_EACH
async def test_the_settings(office: Office, opened: Any, language: str) -> None:
    said = words(language, "settings")
    page = await open_settings(office, opened, PARTS[0], language=language)
    for part in PARTS:
        await page.goto(f"/office/settings?part={part}")
        await page.locator("main :is(form, .list li)").first.wait_for()
        row = page.locator(".list li button")
        if await row.count():
            await row.first.click()
            await page.locator("main .form").first.wait_for()
        await assert_sound(page, f"settings-{part}-{language}")
        if language == LONGER:
            await assert_holds_twice_the_text(page, f"settings-{part}")
    await assert_sound_outdoors(page)
    await page.goto("/office/settings?part=users")
    await page.get_by_role("button", name=said["users.add"]).click()
    submit = page.locator("form").get_by_role("button", name=said["users.add_submit"], exact=True)
    await submit.wait_for()
    await assert_sound(page, f"settings-invite-{language}")


@IN_EACH
async def test_the_customers_own_page(
    office: Office, opened: Any, links: dict[str, str], language: str
) -> None:
    said = words(language, "portal")
    page = await open_portal(office, opened, language=language)
    for part in ("jobs", "promises", "papers", "machines"):
        await page.goto(f"/office/portal?part={part}")
        await page.get_by_text("Acme").first.wait_for()
        await playwright.expect(page.locator("main [role=status]")).to_have_count(0)
        await assert_sound(page, f"portal-{part}-{language}")
        if language == LONGER:
            await assert_holds_twice_the_text(page, f"portal-{part}")
    await assert_sound_outdoors(page)
    async with dialog_of(page, page.get_by_role("button", name=said["portal.report"]).first):
        await assert_sound(page, f"portal-report-{language}")
