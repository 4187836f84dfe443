"""A technician's day in the app: no line, a dead server, a reload, an update; nothing is lost or doubled."""

from collections import Counter
from typing import Any

import pytest
from sqlmodel import select

from fsm.evidence.tables import Receipt
from fsm.web import app_pages
from fsm.work_orders.lifecycle import Status
from fsm.work_orders.records import Answer, PartUsed, Photo, Signature, TimeEntry
from fsm.work_orders.scope_changes.tables import ScopeChange
from fsm.work_orders.tables import Visit
from mobile_api.tables import Intent
from tests.fsm.work_orders.steps import Job
from tests.mobile_api.pwa.conftest import MANUAL, Field, Phone, phone_in, picture, settled
from tests.pages.conftest import BROWSER
from tests.pages.looking import take
from tests.patience import within

pytestmark = BROWSER

browsing = pytest.importorskip("playwright.async_api")
expect = browsing.expect


async def rows(there: Field, table: Any, job: Job) -> list[Any]:
    """Return what the server holds of a job in a table."""
    office = there.office
    async with office.database.transaction(office.company.id) as session:
        return list(await session.exec(select(table).where(table.work_order_id == job.id)))


async def open_job(phone: Phone, job: Job) -> None:
    await phone.page.goto(f"/app/index#/visit/{job.visit_id}/checklist")
    await phone.page.get_by_role("heading", name="Lift secured").wait_for()


def step(phone: Phone, name: str) -> Any:
    return phone.page.get_by_role("region", name=name)


async def fill_checklist(phone: Phone, title: str = "Door does not close") -> None:
    """Answer everything, with a photo taken twice; the customer reads what was done, and signs."""
    page = phone.page
    await step(phone, "Lift secured").get_by_role("button", name="Yes").click()
    await step(phone, "Cause found").get_by_role("button", name="Unknown").click()
    await step(phone, "What was observed").get_by_role("textbox").fill("Roller worn out")
    await step(phone, "Pressure").get_by_role("textbox").fill("999")
    await step(phone, "Pressure").get_by_role("textbox").blur()
    await page.get_by_text("At most 400 kPa").wait_for()
    await step(phone, "Pressure").get_by_role("textbox").fill("142.5")
    await step(phone, "Pressure").get_by_role("textbox").blur()
    photo = step(phone, "Photo after repair")
    await photo.get_by_text("Take a photo").locator("input").set_input_files(picture(1))
    await photo.get_by_text("Take again").locator("input").set_input_files(picture(2))
    await point_at(phone, photo)
    await step(phone, "Customer").get_by_role("link", name="What was done").click()
    act = page.get_by_role("article")
    for read in ("Roller worn out", "142.5 kPa", "Photo after repair", title):
        await act.get_by_text(read).first.wait_for()
    assert await act.get_by_text("999").count() == 0  # what was corrected is not shown
    await act.get_by_role("button", name="Let the customer sign").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("textbox").fill("Mme Blanc")
    pad = await dialog.locator("canvas").bounding_box()
    await page.mouse.move(pad["x"] + 30, pad["y"] + 60)
    await page.mouse.down()
    await page.mouse.move(pad["x"] + 160, pad["y"] + 30, steps=4)
    await page.mouse.up()
    await dialog.get_by_role("button", name="Take the signature").click()
    await act.get_by_text("Signed by Mme Blanc").wait_for()
    await act.get_by_role("img", name="Signature").wait_for()
    await take(page, "app-offline-act")
    await page.get_by_role("link", name="Checklist", exact=True).last.click()
    await page.get_by_text("Everything required is here.").wait_for()


async def point_at(phone: Phone, photo: Any) -> None:
    """Point at two things in a step's photo: one by finger, the other with the buttons alone."""
    page = phone.page
    await photo.get_by_role("button", name="Mark", exact=True).click()
    dialog = page.get_by_role("dialog", name="What to look at")
    box = await dialog.get_by_role("img", name="Photo").bounding_box()
    await page.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 2)
    await page.mouse.down()
    await page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=3)
    await page.mouse.up()
    await dialog.get_by_role("button", name="Ring 1").wait_for()
    await dialog.get_by_role("button", name="Arrow").press("Enter")
    chosen = dialog.get_by_role("group", name="The chosen mark")
    for name in ("Up", "To the left", "Larger", "Turn"):
        await chosen.get_by_role("button", name=name).press("Enter")
    await take(page, "app-offline-marks")
    await dialog.get_by_role("button", name="Keep the marks").press("Enter")
    await photo.get_by_text("2 marks").wait_for()


async def finish(phone: Phone) -> None:
    """Finish the visit, with a thumb that taps twice."""
    await phone.press("Finish")
    button = phone.page.get_by_role("button", name="Finish the visit")
    await button.evaluate("button => { button.click(); button.click(); }")
    await phone.page.get_by_text("Visit finished").wait_for()


async def ask_for_more(phone: Phone, job: Job) -> None:
    """Ask for a wider job: typed, reloaded, sent off."""
    page = phone.page
    await page.goto(f"/app/index#/visit/{job.visit_id}/records")
    await page.get_by_label("What else is needed").fill("New sill\nPaint")
    await page.get_by_label("Hours of work on top").fill("1.5")
    await settled(lambda: has_draft_of(phone, "1.5"), "the form is kept as it is filled in")
    await page.reload()
    await page.get_by_label("Who agreed here").fill("Mme Blanc")
    await page.get_by_role("button", name="Ask the office").click()
    await page.get_by_text("New sill, Paint, 1.5 h of work").wait_for()
    await page.get_by_text("Not sent yet.").wait_for()
    await take(page, "app-offline-wider")
    await open_job(phone, job)


async def write_time(phone: Phone, job: Job) -> None:
    """Write down an hour and a half of paperwork, and find it in the own hours."""
    page = phone.page
    await page.goto(f"/app/index#/visit/{job.visit_id}/records")
    await page.locator("form.times select").select_option("admin")
    await page.get_by_label("From", exact=True).fill("07:00")
    await page.get_by_label("To", exact=True).fill("08:30")
    await page.get_by_role("button", name="Add time").click()
    await page.goto("/app/index#/me")
    await page.get_by_text("My hours").wait_for()
    await page.get_by_text("Paperwork").wait_for()
    await expect(page.get_by_text("1 h 30 min")).to_have_count(2)  # of the day, and of its kind
    await take(page, "app-offline-hours")
    await open_job(phone, job)


async def begin_by_scanning(phone: Phone, job: Job) -> None:
    """Hold the camera at the machine: the job opens, its dangers first, and the work has started."""
    page = phone.page
    await page.goto("/app/index#/scan")
    await phone.sees(f"https://id.acme.example/p/{phone.there.office.company.passport.code}")
    await phone.press("Scan with the camera")
    await page.wait_for_url(f"**/app/index#/visit/{job.visit_id}")
    await page.get_by_text("Live parts behind the left door.").wait_for()
    await page.get_by_role("status").filter(has_text="Work started").wait_for()
    await page.get_by_role("timer").filter(has_text="Working since").wait_for()
    await take(page, "app-offline-scanned")


async def read_of_the_machine(phone: Phone) -> None:
    """Read on the open job's page what was done before, and open the manual."""
    page = phone.page
    await page.get_by_text("Left roller replaced, the right one is next").wait_for()
    async with page.expect_download() as loading:
        await page.get_by_role("button", name="Door drive manual").click()
    path = await (await loading.value).path()
    assert path.read_bytes() == MANUAL.content


async def take_part(phone: Phone, job: Job) -> None:
    """Look up a code that nobody knows, then a part's, and use the part: so many are left in the van."""
    page = phone.page
    held = await rollers_in_van(phone)
    await page.goto("/app/index#/scan")
    await page.get_by_label("Or type the code").fill("box 17")
    await phone.press("Look up")
    await page.get_by_text("box 17 is not known on this phone.").wait_for()
    await page.get_by_text("ask the office for a visit at this machine").wait_for()
    await expect(page.get_by_role("button", name="Give this code to")).to_have_count(0)
    await page.get_by_label("Or type the code").fill("p-1")
    await phone.press("Look up")
    await phone.press("Use it for “Door does not close”")
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_role("radio")).to_be_checked()
    await dialog.get_by_role("spinbutton").fill("2")
    await dialog.get_by_role("button", name="Add", exact=True).click()
    await page.wait_for_url(f"**/app/index#/visit/{job.visit_id}/records")
    await page.get_by_text("Door roller").wait_for()
    assert await rollers_in_van(phone) == held - 2


async def rollers_in_van(phone: Phone) -> int:
    """Go from the own page to the van, and look the rollers up there."""
    page = phone.page
    await page.goto("/app/index#/me")
    await page.get_by_role("link", name="1 kind of part").click()
    await page.get_by_label("Name or number").fill("rol")
    line = page.locator("main li", has_text="Door roller")
    await line.wait_for()
    await take(page, "app-offline-van")
    return int((await line.locator(".strong").inner_text()).split()[0])


async def has_all_for_the_day(phone: Phone) -> bool:
    """Tell whether the scanner and the manual have been brought, neither of which was asked for."""
    has_manual = any(one["mime"] == "application/pdf" for one in await phone.kept("files"))
    return has_manual and bool(await within(phone.page.evaluate(HAS_SCANNER), "caches are read"))


async def has_draft_of(phone: Phone, text: str) -> bool:
    return any(text in str(one) for one in await phone.kept("drafts"))


async def has_draft(phone: Phone, text: str) -> bool:
    return text in await phone.kept("drafts")


async def is_completed(there: Field, job: Job) -> bool:
    return (await job.row()).status == Status.COMPLETED


HAS_SCANNER = """async () => {
  const caught = await Promise.all((await caches.keys()).map(async name => (await caches.open(name)).keys()));
  const paths = caught.flat().map(({ url }) => url);
  return [/[.]wasm$/, /reader.*[.]js$/].every(kind => paths.some(path => kind.test(path)));
}"""


async def test_a_whole_day_without_a_line_arrives_once_though_page_and_server_die(
    there: Field, chromium: Any
) -> None:
    await there.leave_all()
    job = await there.dispatched_job()
    async with phone_in(there, chromium) as phone:
        phone.watch.forgiven += ["Failed to load resource", "net::ERR"]  # there is no line
        page = phone.page
        await phone.sign_in()
        await page.get_by_role("link", name="Door does not close").first.wait_for()
        await phone.can_start_offline()
        await phone.is_quiet()
        await settled(lambda: has_all_for_the_day(phone), "what the day needs is brought ahead")
        await page.context.set_offline(True)
        await there.kill()
        await open_job(phone, job)
        for name in ("Travel", "Arrive"):
            await phone.press(name)
        await begin_by_scanning(phone, job)
        await read_of_the_machine(phone)
        await take_part(phone, job)
        await open_job(phone, job)
        await step(phone, "Lift secured").get_by_role("button", name="No").click()
        await page.locator("header", has_text="No connection").wait_for()
        await ask_for_more(phone, job)
        await write_time(phone, job)
        # Typed and not left: the page goes, the words stay.
        await step(phone, "Cause found").get_by_role("button", name="Unknown").click()
        observed = step(phone, "What was observed").get_by_role("textbox")
        await observed.fill("Roller worn")
        await settled(
            lambda: has_draft(phone, "Roller worn"), "the words are kept as they are typed"
        )
        await page.reload()
        await expect(observed).to_have_value("Roller worn")
        await step(phone, "Cause found").get_by_role("button", name="Wear").click()
        await fill_checklist(phone)
        await take(page, "app-offline-checklist")
        await finish(phone)
        await take(page, "app-offline-finished")
        await page.clock.fast_forward(11_000)
        await page.reload()
        await page.get_by_text("Work done, photos 0 of 2 arrived.").wait_for()
        kept = await phone.kept("outbox")
        await there.start()
        await page.context.set_offline(False)
        await settled(lambda: is_completed(there, job), "the job is completed")
        await phone.is_quiet()
        await page.get_by_text("The job is complete").wait_for()
        assert await phone.kept("bytes") == []
        await page.goto(f"/app/index#/visit/{job.visit_id}/records")
        await page.get_by_text("The office is looking at it.").wait_for()
        sent = await phone.kept("outbox")

    async with there.office.database.transaction(there.office.company.id) as session:
        stored = list(await session.exec(select(Intent)))
    mine = {str(one.id): one for one in stored if str(one.id) in {entry["id"] for entry in sent}}
    assert {entry["id"] for entry in kept} == {entry["id"] for entry in sent} == set(mine)
    assert sorted(one.device_seq for one in mine.values()) == list(range(1, len(sent) + 1))
    assert Counter(one.status for one in mine.values()) == {"applied": len(sent)}
    assert sum(one["type"] == "visit.finish" for one in sent) == 1
    assert [one.name for one in await rows(there, Signature, job)] == ["Mme Blanc"]
    assert [one.marks for one in await rows(there, Photo, job) if one.marks] == [
        [
            {"kind": "ring", "x": 0.5, "y": 0.5, "size": 0.2, "angle": 0},
            {"kind": "arrow", "x": 0.48, "y": 0.48, "size": 0.25, "angle": 60},
        ]
    ]
    assert [float(one.quantity) for one in await rows(there, PartUsed, job)] == [2]
    (wider,) = await rows(there, ScopeChange, job)
    assert [line["text"] for line in wider.lines] == ["New sill", "Paint", ""]
    assert (wider.lines[2]["quantity"], wider.consent_by) == ("1.5", "Mme Blanc")
    (visit,) = await rows(there, Visit, job)
    assert visit.status == "finished"
    newest = {}
    for answer in sorted(await rows(there, Answer, job), key=lambda one: one.device_seq):
        newest[answer.item] = answer.value
    assert newest == {
        "safe": True,
        "cause": "unknown",
        "observed": "Roller worn out",
        "reading": 142.5,
    }
    photos = await rows(there, Photo, job)
    assert Counter(one.state for one in photos) == {"verified": 3}
    assert sum(one.retracted_at is not None for one in photos) == 1
    async with there.office.database.transaction(there.office.company.id) as session:
        receipts = list(await session.exec(select(Receipt)))
    assert {one.id for one in photos} <= {one.id for one in receipts}
    assert len(await rows(there, TimeEntry, job)) == len(
        [one for one in sent if one["type"] == "time.add"]
    )


NEWER_WAITS = """async () => {
  const registration = await navigator.serviceWorker.getRegistration();
  await registration.update();
  const worker = registration.installing ?? registration.waiting;
  while (worker.state !== 'installed') {
    await new Promise(resolve => worker.addEventListener('statechange', resolve, { once: true }));
  }
}"""


WORKERS = """async () => {
  const { installing, waiting, active } = await navigator.serviceWorker.getRegistration();
  const dialogs = document.querySelectorAll('dialog[open]').length;
  return { installing: installing?.state, waiting: waiting?.state, active: active?.state, dialogs };
}"""


async def test_an_update_waits_for_an_idle_moment_and_loses_nothing_unsent(
    there: Field, chromium: Any
) -> None:
    job = await there.dispatched_job()
    worker = app_pages.PAGES.find("sw.js")
    newer = type(worker)(worker.media_type, worker.body + b"\n// newer", worker.is_kept)
    async with phone_in(there, chromium) as phone:
        phone.watch.forgiven += ["Failed to load resource", "net::ERR"]
        page = phone.page
        await phone.enrol()
        await phone.can_start_offline()
        await page.reload()
        await open_job(phone, job)
        there.line.is_down = True
        there.line.hang_up()
        await step(phone, "What was observed").wait_for(state="detached")
        await step(phone, "Lift secured").get_by_role("button", name="Yes").click()
        await page.locator("header", has_text="No connection").wait_for()
        before = await phone.kept("outbox")
        app_pages.PAGES._files["sw.js"] = newer
        try:
            there.line.is_down = False
            there.line.lose.add(b"POST /sync/v1/push")
            await (
                step(phone, "Customer").get_by_role("button", name="Let the customer sign").click()
            )
            await within(page.evaluate(NEWER_WAITS), "the newer app is installed")
            await page.clock.fast_forward(60_000)
            assert await page.get_by_role("dialog").is_visible()  # somebody is signing
            await page.keyboard.press("Escape")
            try:
                async with page.expect_event("load"):
                    await page.clock.fast_forward(60_000)
            except browsing.TimeoutError:
                pytest.fail(f"the update was not taken: {await page.evaluate(WORKERS)}")
            await phone.is_quiet()
        finally:
            app_pages.PAGES._files["sw.js"] = worker
        after = await phone.kept("outbox")
        assert [one["id"] for one in after] == [one["id"] for one in before]
        assert [one.value for one in await rows(there, Answer, job)] == [True]
