"""The desk: what came in is answered, what is done is closed, a job is made by hand; on any screen."""

from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any

import httpx
import pytest
import pytest_asyncio
from sqlmodel import select

from fsm.evidence.blobs import blob_store
from fsm.work_orders import field_work
from fsm.work_orders.photo_marks import Mark, MarkKind
from fsm.work_orders.records import Photo
from tests.fsm.evidence.pictures import encoded, scene
from tests.fsm.work_orders.steps import Job, dispatched_job
from tests.pages.conftest import BROWSER, Office, sign_in
from tests.pages.looking import assert_accessible, take
from tests.patience import PATIENCE_S

pytestmark = BROWSER

expect = pytest.importorskip("playwright.async_api").expect

LOOKS = [
    {"language": "en", "width": 360, "height": 740},
    {"language": "ru", "width": 768, "height": 1024, "dark": True},
    {"language": "de", "width": 1280, "height": 800},
]


@pytest_asyncio.fixture(loop_scope="session")
async def desk(office: Office) -> AsyncIterator[httpx.AsyncClient]:
    headers = office.company.headers["dispatcher"]
    async with httpx.AsyncClient(
        base_url=office.url, headers=headers, timeout=PATIENCE_S
    ) as client:
        yield client


async def reported(client: httpx.AsyncClient, text: str, **about: Any) -> Any:
    body = {"text": text, "impact": "degraded", **about}
    answer = await client.post("/api/service-requests", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()["request"]


async def open_desk(office: Office, opened: Any, part: str = "", **look: Any) -> Any:
    page = await opened(**look)
    page.watch.forgiven.append("401")  # nobody was signed in at first
    await sign_in(page, office, "dispatcher", f"/office/desk{part}")
    await page.get_by_role("tab").first.wait_for()
    return page


async def completed(office: Office, seed: int) -> Job:
    """A job with everything that its checklist wants, the photo's bytes too."""
    content = encoded(scene(seed, (320, 240)), "JPEG")
    digest = sha256(content).digest()
    job = await dispatched_job(office.database, office.company, office.clock)
    await job.do(field_work.start)
    await job.answer_all()
    await job.declare(digest)
    await job.do(field_work.finish)
    await blob_store(office.settings).put_small(office.company.id, content)
    await job.bytes_arrive(digest)
    return job


async def fits(page: Any) -> bool:
    """Whether nothing sticks out at the side."""
    return bool(await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def entry(page: Any, words: str) -> Any:
    return page.locator("[data-entry]", has_text=words)


async def test_a_request_becomes_a_job_under_the_promise_shown_before(
    office: Office, opened: Any, desk: httpx.AsyncClient
) -> None:
    lift = str(office.company.asset.id)
    request = await reported(
        desk, "Desk: door jams\nsince noon", asset_id=lift, impact="stopped", contact_name="Zoe"
    )
    page = await open_desk(office, opened)
    await entry(page, "Desk: door jams").click()
    await page.get_by_text("does not work").last.wait_for()
    await page.get_by_text("Contract ").wait_for()
    await page.get_by_text("running by").wait_for()
    await assert_accessible(page)
    await take(page, "desk-request")
    await page.get_by_label("In a few words").fill("Door jams on 3")
    await page.get_by_label("Priority").select_option("1")
    await page.get_by_role("button", name="Make the job").click()
    await page.get_by_text(f"Request {request['number']} has become job").wait_for()
    await expect(entry(page, "Desk: door jams")).to_have_count(0)
    dossier = (await desk.get(f"/api/service-requests/{request['id']}")).json()
    (made,) = dossier["work_order_ids"]
    job = (await desk.get(f"/api/work-orders/{made}")).json()
    assert (job["title"], job["priority"]) == ("Door jams on 3", 1)
    assert job["description"] == "Desk: door jams\nsince noon"
    assert dossier["request"]["status"] == "accepted"


async def test_a_request_is_refused_by_keyboard_alone(
    office: Office, opened: Any, desk: httpx.AsyncClient
) -> None:
    lift = str(office.company.asset.id)
    first = await reported(desk, "Desk: no coffee", asset_id=lift)
    page = await open_desk(office, opened)
    await page.get_by_role("tab", name="Requests").focus()
    await page.keyboard.press("ArrowRight")
    await expect(page.get_by_role("tab", name="Reviews")).to_be_focused()
    await page.keyboard.press("ArrowLeft")
    await page.locator("[data-entry][tabindex='0']").focus()
    await page.keyboard.press("End")
    await expect(entry(page, "Desk: no coffee")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name=f"Request {first['number']}")).to_be_focused()
    await page.get_by_role("radio", name="Make a job of it").focus()
    await page.keyboard.press("ArrowUp")  # round to the last one
    await page.keyboard.press("Tab")
    await page.keyboard.type("We serve lifts only")
    await page.keyboard.press("Enter")
    await page.get_by_text(f"Request {first['number']} was refused").wait_for()
    read = (await desk.get(f"/api/service-requests/{first['id']}")).json()["request"]
    assert (read["status"], read["decline_reason"]) == ("declined", "We serve lifts only")


async def test_what_is_known_already_is_added_to_the_job_that_is_open(
    office: Office, opened: Any, desk: httpx.AsyncClient
) -> None:
    lift = str(office.company.asset.id)
    known = await reported(desk, "Desk: light flickers", asset_id=lift)
    accepted = await desk.post(
        f"/api/service-requests/{known['id']}/acceptance", json={"work_type": "repair"}
    )
    again = await reported(desk, "Desk: lamp nearly dark", asset_id=lift)
    page = await open_desk(office, opened)
    await entry(page, "Desk: lamp nearly dark").click()
    await page.get_by_role("radio", name="It is known already").check()
    await page.get_by_role("radio", name=accepted.json()["number"]).check()
    await page.get_by_role("button", name="Add it there").click()
    await page.get_by_text(f"was added to {accepted.json()['number']}").wait_for()
    read = (await desk.get(f"/api/service-requests/{again['id']}")).json()["request"]
    assert (read["status"], read["merged_into_id"]) == ("merged", known["id"])


async def test_who_answered_first_is_told_to_the_second_who_keeps_what_was_typed(
    office: Office, opened: Any, desk: httpx.AsyncClient
) -> None:
    lift = str(office.company.asset.id)
    request = await reported(desk, "Desk: two of us", asset_id=lift)
    page = await open_desk(office, opened)
    await entry(page, "Desk: two of us").click()
    await page.get_by_label("In a few words").fill("Mine, typed")
    page.watch.forgiven.append("409")
    declined = await desk.post(
        f"/api/service-requests/{request['id']}/declining", json={"reason": "by another"}
    )
    assert declined.is_success
    await page.get_by_role("button", name="Make the job").click()
    await page.get_by_text(f"Cannot accept request {request['number']}").first.wait_for()
    await expect(page.get_by_label("In a few words")).to_have_value("Mine, typed")


async def test_a_part_that_an_update_took_away_says_so_and_is_there_when_the_page_is_loaded_again(
    office: Office, opened: Any
) -> None:
    page = await open_desk(office, opened)
    page.watch.forgiven.append("404")

    async def is_gone(route: Any) -> None:
        await route.fulfill(status=404, body="gone")

    for where in ("desk", "board"):
        await page.goto(f"/office/{where}")
        await page.route("**/assets/NewJob-*.js", is_gone)
        await page.get_by_role("button", name="New job").click()
        dialog = page.get_by_role("dialog", name="New job")
        said = dialog.get_by_text("This part of the page could not be fetched.")
        await said.wait_for()
        await assert_accessible(page)
        await take(page, f"part-not-fetched-{where}")
        await page.unroute("**/assets/NewJob-*.js")
        await page.get_by_role("button", name="Load the page again").click()
        await said.wait_for(state="detached")
        await page.get_by_role("button", name="New job").click()
        await dialog.get_by_label("Machine or site").wait_for()


async def test_a_job_is_made_by_hand_from_the_desk_and_from_the_boards_queue(
    office: Office, opened: Any, desk: httpx.AsyncClient
) -> None:
    page = await open_desk(office, opened)
    for title, where in (("Desk: by hand", "desk"), ("Desk: from the board", "board")):
        if where == "board":
            await page.goto("/office/board")
        await page.get_by_role("button", name="New job").click()
        dialog = page.get_by_role("dialog", name="New job")
        await dialog.get_by_label("Machine or site").fill(office.company.asset.name)
        await dialog.get_by_role("button", name=f"Machine: {office.company.asset.name}").click()
        await dialog.get_by_label("Kind of work").select_option(label="Repair")
        await dialog.get_by_label("In a few words").fill(title)
        await dialog.get_by_label("Minutes of work").fill("45")
        await dialog.get_by_text("Contract ").wait_for()
        await assert_accessible(page)
        await take(page, f"new-job-{where}")
        await dialog.get_by_role("button", name="Make the job").click()
        await page.get_by_text("waits for a visit").first.wait_for()
        (found,) = (await desk.get("/api/work-orders", params={"q": title})).json()["items"]
        job = (await desk.get(f"/api/work-orders/{found['id']}")).json()
        assert job["estimate_s"] == 2_700
        assert job["asset_id"] == str(office.company.asset.id)
    await page.locator(f"[data-job='{found['id']}'][aria-pressed='true']").wait_for()


async def test_a_completed_job_is_closed_and_another_sent_back(
    office: Office, opened: Any, desk: httpx.AsyncClient
) -> None:
    closed = await completed(office, 61)
    async with office.database.transaction(office.company.id) as session:
        photo = (await session.exec(select(Photo).where(Photo.work_order_id == closed.id))).one()
    marks = [Mark(MarkKind.RING, 0.3, 0.6, 0.25), Mark(MarkKind.ARROW, 0.7, 0.4, 0.3, 30)]
    await closed.do(field_work.mark_photo, photo.id, marks)
    back = await completed(office, 62)
    first, second = [(await job.row()).number for job in (closed, back)]
    page = await open_desk(office, opened, "?part=closing")
    page.watch.forgiven.append("404")  # the worker has made no small pictures: the large ones serve
    await entry(page, first).click()
    await page.get_by_role("img", name="Photo 1: after").wait_for()
    await page.get_by_text("Everything required is here.").wait_for()
    await assert_accessible(page)
    await take(page, "desk-closing")
    # What the technician points at is in the picture, small and large.
    await page.get_by_role("button", name="Photo 1: after, 2 marks in it").click()
    large = page.get_by_role("dialog", name="Photo 1: after")
    await large.locator("svg path.line").nth(1).wait_for()
    await assert_accessible(page)
    await take(page, "desk-closing-marked")
    await page.keyboard.press("Escape")
    await large.wait_for(state="detached")
    await page.get_by_role("button", name="Close the job").click()
    await page.get_by_text(f"Job {first} is closed.").wait_for()
    await entry(page, second).focus()
    await page.keyboard.press("Enter")
    await page.get_by_label("Why it is not done").select_option(index=1)
    await page.get_by_role("button", name="Send back to work").focus()
    await page.keyboard.press("Enter")
    await page.get_by_text(f"Job {second} is in progress again.").wait_for()
    assert (await closed.row()).status == "closed"
    assert (await back.row()).status == "in_progress"


@pytest.mark.parametrize("has_watcher", [True, False])
async def test_escape_closes_a_dialog_and_nothing_beneath_it_wherever_the_focus_is(
    office: Office, opened: Any, desk: httpx.AsyncClient, has_watcher: bool
) -> None:
    """Not every browser has what hears Escape for dialogs, and the focus may be nowhere."""
    lift = str(office.company.asset.id)
    words = f"Desk: escape {has_watcher}"
    await reported(desk, words, asset_id=lift, impact="stopped", contact_name="Zoe")
    page = await open_desk(office, opened)
    if not has_watcher:
        await page.add_init_script("delete globalThis.CloseWatcher")
        await page.reload()
    await entry(page, words).click()
    answer = page.get_by_role("button", name="Make the job")
    await answer.wait_for()
    dialog = page.get_by_role("dialog", name="New job")
    for leaves_focus in (False, True):
        await page.get_by_role("button", name="New job").click()
        await dialog.wait_for()
        if leaves_focus:
            await page.evaluate("document.activeElement.blur()")
        await page.keyboard.press("Escape")
        await dialog.wait_for(state="detached")
        await expect(answer).to_be_visible()


async def test_what_is_still_missing_is_said_and_the_job_cannot_be_closed(
    office: Office, opened: Any
) -> None:
    job = await dispatched_job(office.database, office.company, office.clock)
    await job.do(field_work.start)
    await job.answer_all()
    await job.declare()  # the photo itself has not come
    await job.do(field_work.finish)
    page = await open_desk(office, opened, "?part=closing")
    await entry(page, (await job.row()).number).click()
    await page.get_by_text("Still missing:").wait_for()
    await expect(page.get_by_role("button", name="Close the job")).to_be_disabled()
    await take(page, "desk-missing")


async def test_the_desk_is_sound_on_any_screen_and_shows_the_callers_photo(
    office: Office, opened: Any, desk: httpx.AsyncClient
) -> None:
    async with httpx.AsyncClient(base_url=office.url, timeout=PATIENCE_S) as stranger:
        sent = await stranger.post(
            f"/p/{office.company.passport.code}/report",
            data={"text": "Desk: with a photo", "impact": "degraded"},
            files={"photo": ("a.jpg", encoded(scene(5, (640, 480)), "JPEG"), "image/jpeg")},
        )
        assert sent.status_code < 400, sent.text
    for look in LOOKS:
        page = await open_desk(office, opened, **look)
        await entry(page, "Desk: with a photo").wait_for()
        await take(page, f"desk-{look['width']}-{look['language']}")
        assert await fits(page), look
        await entry(page, "Desk: with a photo").click()
        await page.locator("section.detail img").wait_for()
        await assert_accessible(page)
        await take(page, f"desk-open-{look['width']}-{look['language']}")
        assert await fits(page), look


async def test_the_desk_says_when_the_line_is_lost_and_finds_back(
    office: Office, opened: Any
) -> None:
    page = await open_desk(office, opened)
    page.watch.forgiven += ["Failed to load resource", "net::ERR"]
    await page.route("**/api/desk/**", lambda route: route.abort())
    await page.get_by_role("tab", name="Requests").wait_for()
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    await page.get_by_text("The server does not answer.").first.wait_for()
    await page.unroute("**/api/desk/**")
    await page.get_by_role("button", name="Try again").click()
    await page.get_by_text("The server does not answer.").first.wait_for(state="hidden")
