"""A customer's own page: everything about their equipment, by pointer and by keyboard, on desk and phone."""

import re
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.fsm.web.status_links import Followed, finish, followed
from tests.pages.conftest import BROWSER, PASSWORD, Office, playwright, sign_in
from tests.pages.looking import assert_accessible, take
from tests.patience import PATIENCE_S

pytestmark = BROWSER

PAGE = "/office/portal"
PARTS = ["machines", "promises", "papers"]


async def advise(client: httpx.AsyncClient, office: Office) -> None:
    """Have something known of the lift's model that anybody may be told."""
    headers = office.company.headers["administrator"]
    body = {
        "model_id": str(office.company.model.id),
        "code": "L-3",
        "titles": {"en": "The light flickers"},
        "answers": {"en": "Change the ballast."},
        "advice": {"en": "Press the light switch in the machine room once."},
    }
    made = (await client.post("/api/known-problems", json=body, headers=headers)).json()
    path, approval = f"/api/known-problems/{made['id']}/approval", {"rev": made["rev"]}
    assert (await client.post(path, json=approval, headers=headers)).is_success


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def jobs(office: Office) -> list[Followed]:
    """A job with a visit in an hour, and one that is done and has its act."""
    company = office.company
    async with httpx.AsyncClient(base_url=office.url, timeout=PATIENCE_S) as client:
        done = await followed(client, office.database, company, office.clock, text="Door sticks")
        await finish(done)
        body = {"work_order_id": str(done.job.id)}
        issued = await client.post(
            "/api/documents/acts", json=body, headers=company.headers["dispatcher"]
        )
        assert issued.status_code == 201, issued.text
        await advise(client, office)
        coming = await followed(
            client, office.database, company, office.clock, text="It hums loudly"
        )
    return [coming, done]


async def open_portal(office: Office, opened: Any, query: str = "", **look: Any) -> Any:
    page = await opened(**look)
    page.watch.forgiven.append("401")  # nobody was signed in at first
    await sign_in(page, office, "customer", PAGE + query)
    await page.get_by_text(re.compile("^(Served by|Обслуживает|Betreut von) Acme")).wait_for()
    return page


async def loaded(page: Any) -> None:
    """Nothing on the page is still on its way."""
    waiting = page.locator("main [role=status]")
    await playwright.expect(waiting).to_have_count(0)


async def test_a_customer_comes_to_their_page_reports_moves_rates_and_takes_the_act(
    office: Office, opened: Any, jobs: list[Followed]
) -> None:
    page = await opened()
    page.watch.forgiven.append("401")
    await page.goto("/office/sign-in")
    await page.get_by_label("E-mail or login").fill(office.login("customer"))
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url("**/office/portal")
    await page.get_by_role("link", name="It hums loudly").click()
    job = page.get_by_role("region", name="The job")
    await job.get_by_text("Expected arrival:").wait_for()
    await assert_accessible(page)
    await take(page, "portal-job")

    await job.get_by_role("button", name="Ask for another time").click()
    dialog = page.get_by_role("dialog", name="Ask for another time")
    await dialog.get_by_role("radio").first.check()
    await assert_accessible(page)
    await take(page, "portal-move")
    await dialog.get_by_role("button", name="Ask the office").click()
    await job.get_by_text("The office will confirm it").wait_for()

    await page.get_by_role("link", name="Equipment", exact=True).click()
    machine = page.get_by_role("listitem").filter(has_text="Guest lift 1")
    await machine.get_by_role("button", name="Report a problem").click()
    form = page.get_by_role("dialog", name="Report a problem: Guest lift 1")
    await form.get_by_label("What is wrong?").fill("The light flickers")
    await form.get_by_text("Press the light switch").wait_for()
    assert await form.get_by_text("Change the ballast").count() == 0
    await form.get_by_label("Partly").check()
    await assert_accessible(page)
    await take(page, "portal-report")
    await form.get_by_role("button", name="Send the report").click()
    await page.get_by_text("The light flickers").wait_for()

    await page.get_by_role("button", name="Past").click()
    await page.get_by_role("link", name="Door sticks").click()
    async with page.expect_download() as coming:
        await job.get_by_role("button", name="Act of completed work ACT-1").click()
    assert (await (await coming.value).path()).read_bytes().startswith(b"%PDF-")
    await job.get_by_role("radio", name="2").check()
    await assert_accessible(page)
    await job.get_by_role("button", name="Send the rating").click()
    await job.get_by_text("The office has been asked to call you").wait_for()
    await take(page, "portal-past")


@pytest.mark.parametrize(
    ("language", "dark", "served"),
    [("ru", True, "Обслуживает Acme"), ("de", False, "Betreut von Acme")],
)
async def test_every_part_is_accessible_and_fits_a_phone(
    office: Office, opened: Any, jobs: list[Followed], language: str, dark: bool, served: str
) -> None:
    look: dict[str, Any] = {"language": language, "dark": dark, "width": 320, "height": 720}
    page = await open_portal(office, opened, **look)
    for part in ["jobs", *PARTS, f"jobs&job={jobs[0].job.id}"]:
        await page.goto(f"{PAGE}?part={part}")
        await page.get_by_text(served).wait_for()
        await loaded(page)
        await assert_accessible(page)
        wide = await page.evaluate("document.documentElement.scrollWidth > innerWidth")
        assert not wide, f"{part} is wider than the window"
        await take(page, f"portal-{part.partition('&')[2][:3] or part}-320-{language}")


async def test_desk_in_the_light_shows_how_promises_were_kept(
    office: Office, opened: Any, jobs: list[Followed]
) -> None:
    page = await open_portal(office, opened, "?part=promises")
    level = page.get_by_role("region", name=office.company.contract.number)
    await level.get_by_role("heading", name="Response in time").wait_for()
    await level.get_by_text(re.compile(r"Priority 1: \d+ h")).first.wait_for()
    await assert_accessible(page)
    await take(page, "portal-promises")
    for name, part in (("Equipment", "machines"), ("Documents", "papers")):
        await page.get_by_role("link", name=name, exact=True).focus()
        await page.keyboard.press("Enter")
        await loaded(page)
        await assert_accessible(page)
        await take(page, f"portal-{part}")


async def test_it_opens_to_customers_alone_and_to_them_nothing_else_does(
    office: Office, opened: Any
) -> None:
    page = await opened()
    page.watch.forgiven.append("401")
    await sign_in(page, office, "administrator", PAGE)
    await page.get_by_text("This page is for customers.").wait_for()
    other = await open_portal(office, opened)
    menu = other.get_by_role("navigation", name="Pages")
    await playwright.expect(menu).to_have_text("Your equipment")
    await other.goto("/office/figures")
    await other.get_by_text("Your role may not see this page.").wait_for()
