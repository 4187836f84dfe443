"""No room left, data erased, a page ended mid-tap: nothing that was done or typed is lost."""

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from fsm.work_orders.records import Answer, Note, Photo
from mobile_api.tables import Intent
from tests.fsm.work_orders.steps import Job
from tests.mobile_api.pwa.conftest import Field, Phone, phone_in, picture, settled
from tests.pages.conftest import BROWSER, FLAGS
from tests.pages.looking import assert_accessible, take
from tests.pages.slowness import slow_pages
from tests.patience import PATIENCE_S, within

pytestmark = BROWSER

browsing = pytest.importorskip("playwright.async_api")
expect = browsing.expect

OFFLINE = ["Failed to load resource", "net::ERR"]


async def stored(there: Field, table: Any, job: Job) -> list[Any]:
    office = there.office
    async with office.database.transaction(office.company.id) as session:
        return list(await session.exec(select(table).where(table.work_order_id == job.id)))


async def all_statuses(there: Field, ids: set[str]) -> list[str]:
    office = there.office
    async with office.database.transaction(office.company.id) as session:
        found = list(await session.exec(select(Intent)))
    return [one.status for one in found if str(one.id) in ids]


async def open_part(phone: Phone, job: Job, part: str) -> None:
    await phone.page.goto(f"/app/index#/visit/{job.visit_id}/{part}")
    await phone.page.locator("nav a[aria-current]").wait_for()


async def has_the_day(phone: Phone, job: Job) -> None:
    """Wait until the job is on the phone: it says that nothing waits before it has read anything."""
    await phone.page.locator(f".card[href='#/visit/{job.visit_id}']").wait_for()
    await phone.is_quiet()


def step(phone: Phone, name: str) -> Any:
    return phone.page.get_by_role("region", name=name)


async def goes_offline(phone: Phone) -> None:
    await phone.can_start_offline()
    await phone.page.context.set_offline(True)


FILL = """async () => {
  const open = indexedDB.open('filler', 1);
  open.onupgradeneeded = () => open.result.createObjectStore('things', { autoIncrement: true });
  const db = await new Promise((resolve) => { open.onsuccess = () => resolve(open.result); });
  const put = (size) => new Promise((resolve) => {
    const writing = db.transaction('things', 'readwrite');
    writing.objectStore('things').add(crypto.getRandomValues(new Uint8Array(size)));
    writing.oncomplete = () => resolve(true);
    writing.onabort = () => resolve(false);
  });
  for (const size of [65_536, 4_096, 512]) while (await put(size));
  db.close();
}"""
"""Takes all the room that there is, as other things of the phone do."""

EMPTY = """() => new Promise((resolve) => {
  indexedDB.deleteDatabase('filler').onsuccess = () => resolve(null);
})"""

ROOM = 12_000_000
"""How much the browser lets the app and the filler keep."""


class Room:
    """How much the browser lets the app keep."""

    def __init__(self, phone: Phone) -> None:
        self.phone = phone

    async def debugger(self) -> Any:
        return await self.phone.page.context.new_cdp_session(self.phone.page)

    async def bound(self) -> None:
        await (await self.debugger()).send(
            "Storage.overrideQuotaForOrigin", {"origin": self.phone.there.url, "quotaSize": ROOM}
        )

    async def fill(self) -> None:
        await within(self.phone.page.evaluate(FILL), "all the room is taken")

    async def empty(self) -> None:
        await within(self.phone.page.evaluate(EMPTY), "there is room again")

    async def erase(self, kinds: str = "all") -> None:
        await (await self.debugger()).send(
            "Storage.clearDataForOrigin",
            {"origin": self.phone.there.url, "storageTypes": kinds},
        )


def intents_of(request: Any) -> list[dict[str, Any]]:
    return request.post_data_json["intents"] if request.url.endswith("/push") else []


async def has_reserve(phone: Phone) -> bool:
    return len(await phone.kept("files")) >= 2  # the manual, and the reserve


async def is_kept(phone: Phone, words: str) -> bool:
    return any(words in str(one) for one in await phone.kept("drafts"))


async def test_a_full_phone_says_so_and_keeps_what_was_done_and_typed_until_there_is_room(
    there: Field, chromium: Any
) -> None:
    await there.leave_all()
    job = await there.dispatched_job()
    async with phone_in(there, chromium) as phone:
        phone.watch.forgiven += OFFLINE
        page = phone.page
        pushed: list[dict[str, Any]] = []
        page.on("request", lambda request: pushed.extend(intents_of(request)))
        room = Room(phone)
        await room.bound()
        await phone.sign_in()
        await phone.is_quiet()
        await settled(lambda: has_reserve(phone), "documents and reserve are brought")
        await open_part(phone, job, "checklist")
        await goes_offline(phone)
        await room.fill()
        photo = step(phone, "Photo after repair")
        dialog = page.get_by_role("dialog", name="No room left")
        await photo.get_by_text("Take a photo").locator("input").set_input_files(picture(1))
        await dialog.wait_for()
        assert await phone.kept("files") == []  # what the server has, too, went first
        await dialog.get_by_text("this step is not kept yet").wait_for()
        await dialog.get_by_text("Not kept yet: Photo").wait_for()
        await assert_accessible(page)
        await take(page, "app-full")
        await dialog.get_by_role("button", name="Try again").click()
        await dialog.get_by_text("There is still no room.").wait_for()
        assert await phone.kept("photos") == []
        await page.keyboard.press("Escape")
        await dialog.get_by_role("button", name="Close").click()
        await dialog.get_by_text("Not kept yet: Photo").wait_for()
        # Kept ten minutes later, it is still a step of the moment of the tap.
        tapped_by = await page.evaluate("performance.now()")
        await page.clock.fast_forward(600_000)
        await room.empty()
        # The app, too, tries again whenever it has looked for the server: it may be quicker.
        again = dialog.get_by_role("button", name="Try again")
        await again.evaluate_all("all => all.forEach((one) => one.click())")
        await dialog.wait_for(state="detached")
        await expect(photo.locator("img")).to_have_count(1)
        # Words for which there is no room: they stay, and are told of, also over a reload.
        await open_part(phone, job, "records")
        await room.fill()
        await page.get_by_label("Note", exact=True).fill("The sill is bent. " * 200)
        await page.get_by_text("no room left for what you are typing").wait_for()
        await take(page, "app-full-words")
        await page.reload()
        note = page.get_by_label("Note", exact=True)
        await expect(note).to_have_value("The sill is bent. " * 200)
        await room.empty()
        await page.get_by_role("button", name="Add the note").click()
        await expect(note).to_have_value("")
        await page.context.set_offline(False)
        await phone.is_quiet()
        await settled(lambda: has_reserve(phone), "with room, the reserve is kept again")
        photos = [one for one in pushed if one["type"] == "photo.add"]
        notes = [one for one in pushed if one["type"] == "note.add"]
        assert photos
        assert all(one["mono_ms"] <= tapped_by for one in photos)
        assert all(one["mono_ms"] > tapped_by for one in notes)
    assert [one.text for one in await stored(there, Note, job)] == [
        ("The sill is bent. " * 200).strip()
    ]
    assert len(await stored(there, Photo, job)) == 1


async def test_a_signature_and_a_step_without_room_may_be_left_out_on_purpose_alone(
    there: Field, chromium: Any
) -> None:
    await there.leave_all()
    job = await there.dispatched_job()
    async with phone_in(there, chromium) as phone:
        phone.watch.forgiven += OFFLINE
        page = phone.page
        room = Room(phone)
        await room.bound()
        await phone.sign_in()
        await phone.is_quiet()
        await open_part(phone, job, "checklist")
        await goes_offline(phone)
        await step(phone, "Customer").get_by_role("button", name="Let the customer sign").click()
        signing = page.get_by_role("dialog", name="Let the customer sign")
        await signing.get_by_role("textbox").fill("Mme Blanc")
        pad = await signing.locator("canvas").bounding_box()
        await page.mouse.move(pad["x"] + 30, pad["y"] + 60)
        await page.mouse.down()
        await page.mouse.move(pad["x"] + 160, pad["y"] + 30, steps=4)
        await page.mouse.up()
        await settled(lambda: is_kept(phone, "Mme Blanc"), "the name is kept as it is typed")
        await room.fill()
        await signing.get_by_role("button", name="Take the signature").click()
        full = page.get_by_role("dialog", name="No room left")
        await full.get_by_text("Not kept yet: Photo, Signature").wait_for()
        await page.keyboard.press("Escape")
        await full.get_by_text("Not kept yet: Photo, Signature").wait_for()
        await full.get_by_role("button", name="Leave this step out").click()
        await full.wait_for(state="detached")
        assert await phone.kept("outbox") == []
        # The name and the strokes are where they were.
        await room.empty()
        await signing.get_by_role("button", name="Take the signature").click()
        await page.get_by_text("Signed by Mme Blanc").wait_for()
        assert [one["type"] for one in await phone.kept("outbox")] == ["photo.add", "signature.add"]


async def test_data_erased_under_the_open_app_is_put_back_from_memory_and_sent_once(
    there: Field, chromium: Any
) -> None:
    await there.leave_all()
    job = await there.dispatched_job()
    async with phone_in(there, chromium) as phone:
        phone.watch.forgiven += OFFLINE
        page = phone.page
        await phone.sign_in()
        await phone.is_quiet()
        await open_part(phone, job, "checklist")
        await goes_offline(phone)
        await step(phone, "Lift secured").get_by_role("button", name="Yes").click()
        photo = step(phone, "Photo after repair")
        await photo.get_by_text("Take a photo").locator("input").set_input_files(picture(3))
        await photo.locator("img").wait_for()
        await open_part(phone, job, "records")
        await page.get_by_label("Note", exact=True).fill("Half a sentence")
        await settled(lambda: is_kept(phone, "Half a sentence"), "the words are kept")
        before = {one["id"] for one in await phone.kept("outbox")}
        await Room(phone).erase()
        told = page.get_by_role("alert").filter(has_text="The browser has erased")
        await told.filter(has_text="2 steps that were not sent are back").wait_for()
        await told.filter(has_text="1 photo was not sent and is lost").wait_for()
        await settled(lambda: is_kept(phone, "Half a sentence"), "the words are back")
        assert {one["id"] for one in await phone.kept("outbox")} == before
        await assert_accessible(page)
        await take(page, "app-erased")
        await page.context.set_offline(False)
        await settled(lambda: has_arrived(there, job), "the answer has arrived")
        await page.get_by_role("button", name="What has the office received?").click()
        await page.get_by_text("2 steps have arrived from this phone").wait_for()
        await take(page, "app-erased-received")
        await page.get_by_role("button", name="Understood").click()
        await told.wait_for(state="detached")
        await phone.is_quiet()  # bytes that are lost wait for nothing
        await page.reload()
        await expect(page.get_by_label("Note", exact=True)).to_have_value("Half a sentence")
        await open_part(phone, job, "checklist")
        await photo.get_by_text("Damaged on this phone: take it again").wait_for()
    assert sorted(await all_statuses(there, before)) == ["applied", "applied"]
    assert [one.value for one in await stored(there, Answer, job)] == [True]


async def has_arrived(there: Field, job: Job) -> bool:
    return len(await stored(there, Answer, job)) == 1


async def test_a_database_cleared_while_the_app_was_closed_is_noticed_and_what_was_unsent_is_back(
    there: Field, chromium: Any
) -> None:
    await there.leave_all()
    job = await there.dispatched_job()
    async with phone_in(there, chromium) as phone:
        phone.watch.forgiven += OFFLINE
        page = phone.page
        await phone.sign_in()
        await phone.is_quiet()
        await open_part(phone, job, "checklist")
        await goes_offline(phone)
        await step(phone, "Lift secured").get_by_role("button", name="Yes").click()
        await step(phone, "Lift secured").locator("[aria-pressed=true]").wait_for()
        await settled(lambda: has_spare(phone), "the second copy has it")
        before = {one["id"] for one in await phone.kept("outbox")}
        await page.goto("about:blank")
        await Room(phone).erase("indexeddb")
        await page.context.set_offline(False)
        await page.goto("/app/index")
        await (
            page.get_by_role("alert").filter(has_text="1 step that was not sent is back").wait_for()
        )
        await take(page, "app-erased-sign-in")
        await phone.sign_in()
        await settled(lambda: has_arrived(there, job), "the answer has arrived")
        assert {one["id"] for one in await phone.kept("outbox")} == before
    assert await all_statuses(there, before) == ["applied"]


async def has_spare(phone: Phone) -> bool:
    spare = """() => Object.entries(localStorage).some(
      ([name, text]) => name.startsWith('fsm.app.spare/') && JSON.parse(text).entries.length === 1)"""
    return bool(await phone.page.evaluate(spare))


UNOPENED = """(() => {
  const open = IDBFactory.prototype.open;
  IDBFactory.prototype.open = function (...wanted) {
    if (window.name === 'fails') throw new DOMException('Internal error', 'UnknownError');
    const request = open.apply(this, wanted);
    if (window.name === 'waits') request.addEventListener = () => {};
    return request;
  };
  const forbidden = { get() { throw new DOMException('Denied', 'SecurityError'); } };
  if (window.name === 'forbidden') Object.defineProperty(window, 'localStorage', forbidden);
})()"""
"""Whether the browser opens what the app keeps goes by the tab's name, which outlives a page."""


async def test_an_app_whose_data_the_browser_does_not_open_says_so_and_goes_on_when_it_does(
    there: Field, chromium: Any
) -> None:
    await there.leave_all()
    job = await there.dispatched_job()
    async with phone_in(there, chromium) as phone:
        page = phone.page
        await page.add_init_script(UNOPENED)
        await phone.sign_in()
        await has_the_day(phone, job)
        again = page.get_by_role("button", name="Try again")
        for how, title in (
            ("forbidden", "The app cannot open what it keeps on this phone"),
            ("waits", "Opening what this phone keeps takes unusually long"),
            ("fails", "The app cannot open what it keeps on this phone"),
        ):
            await page.evaluate("how => { window.name = how }", how)
            await page.reload()
            await page.get_by_role("heading", name=title).wait_for()
            await page.get_by_role("alert").filter(has_text="Do not delete").wait_for()
            await assert_accessible(page)
        await page.get_by_text("UnknownError: Internal error").wait_for()
        await take(page, "app-unopened")
        await page.evaluate("() => { window.name = '' }")
        await again.click()
        await has_the_day(phone, job)


async def test_a_page_that_is_closed_in_the_same_moment_as_the_tap_has_the_step_when_it_comes_back(
    there: Field, chromium: Any
) -> None:
    await there.leave_all()
    job = await there.dispatched_job()
    async with phone_in(there, chromium) as phone:
        phone.watch.forgiven += OFFLINE
        await phone.sign_in()
        await has_the_day(phone, job)
        await goes_offline(phone)
        context = phone.page.context
        for turn, type_ in enumerate(("visit.travel", "visit.arrive", "visit.start"), 1):
            await phone.page.goto(f"/app/index#/visit/{job.visit_id}")
            button = phone.page.locator(".bar button.main")
            await button.wait_for()
            # Tapped, and at once the page is gone: nothing of it has been waited for.
            await button.evaluate("button => { button.click(); }")
            await phone.page.close()
            phone.page = await context.new_page()
            await phone.page.goto("/app/index")
            await phone.page.locator("header .state").wait_for()
            kept = await phone.kept("outbox")
            assert [one["type"] for one in kept][turn - 1 :] == [type_]
        await context.set_offline(False)
        await phone.page.clock.fast_forward(11_000)
        await phone.is_quiet()
        sent = {one["id"] for one in await phone.kept("outbox")}
    assert len(sent) == 3
    assert await all_statuses(there, sent) == ["applied"] * 3


async def test_a_browser_killed_after_a_tap_and_a_letter_has_both_when_it_is_started_again(
    there: Field, chromium: Any, tmp_path: Path
) -> None:
    await there.leave_all()
    job = await there.dispatched_job()

    async with browsing.async_playwright() as driver:

        async def start() -> Any:
            context = await driver.chromium.launch_persistent_context(
                str(tmp_path / "profile"),
                executable_path=shutil.which("chromium"),
                args=FLAGS,
                base_url=there.url,
                timeout=PATIENCE_S * 1_000,
            )
            context.set_default_timeout(PATIENCE_S * 1_000)
            slow_pages(context)
            await context.clock.install(time=there.office.clock())
            return context.pages[0]

        phone = Phone(await start(), None, there)  # type: ignore[arg-type]
        await phone.sign_in()
        await has_the_day(phone, job)
        await phone.can_start_offline()
        await phone.page.context.close()  # a browser writes down only now and then who is signed in
        page = phone.page = await start()
        await page.context.set_offline(True)
        await page.goto(f"/app/index#/visit/{job.visit_id}/records")
        await page.get_by_label("Note", exact=True).fill("Found it, and th")
        await phone.press("Travel")
        await page.get_by_text("Set out").wait_for()
        _kill(tmp_path / "profile")
        page = phone.page = await start()
        await page.context.set_offline(True)
        await page.goto(f"/app/index#/visit/{job.visit_id}/records")
        await expect(page.get_by_label("Note", exact=True)).to_have_value("Found it, and th")
        assert [one["type"] for one in await phone.kept("outbox")] == ["visit.travel"]
        await page.context.close()


def _kill(profile: Path) -> None:
    """Kill every process of the browser that this test has started, as a battery does."""
    for process in Path("/proc").iterdir():
        try:
            said = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if f"--user-data-dir={profile}".encode() in said:
            os.kill(int(process.name), signal.SIGKILL)
