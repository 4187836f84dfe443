"""What waits for the office is decided: by pointer, by keys, and with a colleague who was quicker."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest_asyncio
from sqlmodel import select
from uuid_utils.compat import uuid7

from fsm.work_orders.records import Note, Waiver
from fsm.work_orders.tables import Review, Visit
from tests.company import CHECKLIST
from tests.fsm.web.status_links import JSON, Followed, finish, followed
from tests.fsm.work_orders.steps import Job, plan_and_dispatch
from tests.mobile_api.phones import Phone, new_phone
from tests.pages.conftest import BROWSER, Office, playwright, sign_in
from tests.pages.looking import assert_accessible, take
from tests.pages.test_public import LOOKS, NO_ICON
from tests.patience import PATIENCE_S

pytestmark = BROWSER

DESK = "/office/desk?part=reviews"


@pytest_asyncio.fixture(loop_scope="session")
async def client(office: Office) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=office.url, timeout=PATIENCE_S) as client:
        yield client


async def open_desk(office: Office, opened: Any, role: str = "dispatcher", **look: Any) -> Any:
    page = await opened(**look)
    page.watch.forgiven.append("401")  # nobody was signed in at first
    await sign_in(page, office, role, DESK)
    await page.get_by_role("heading", level=2).first.wait_for()
    return page


def entry(page: Any, number: str) -> Any:
    """The listed decisions about a job."""
    return page.locator("[data-review]").filter(has_text=number)


async def announced(page: Any, text: str) -> None:
    await page.locator("[aria-live]").filter(has_text=text).first.wait_for(state="attached")


async def number_of(link: Followed) -> str:
    return (await link.job.row()).number


async def review_of(job: Job, kind: str) -> Review:
    async with job.database.transaction(job.company.id) as session:
        statement = select(Review).where(
            Review.tenant_id == job.company.id, Review.work_order_id == job.id, Review.kind == kind
        )
        return (await session.exec(statement)).one()


async def report(client: httpx.AsyncClient, office: Office, text: str) -> Followed:
    about = {"text": text, "contact_name": "Zoe", "contact_phone": "+33 1 99 00"}
    return await followed(client, office.database, office.company, office.clock, **about)


async def test_a_poor_rating_arrives_at_the_desk_and_is_settled_by_clicking(
    office: Office, opened: Any, client: httpx.AsyncClient
) -> None:
    link = await report(client, office, "The lift groans")
    await finish(link)
    number = await number_of(link)
    desk = await open_desk(office, opened)

    page = await opened(**LOOKS[0])
    page.watch.forgiven.append(NO_ICON)
    await page.goto(f"{link.path}?lang=en")
    await page.get_by_label("2 ★").check()
    await page.get_by_label("What should we know?").fill("Two hours late, and no word")
    await page.get_by_role("button", name="Send the rating").click()
    await page.get_by_text("asked to call you").wait_for()

    await entry(desk, number).click()
    detail = desk.get_by_role("region", name="The decision")
    await detail.get_by_role("heading", name="Zoe gave 2 of 5 stars").wait_for()
    await detail.get_by_text("Two hours late, and no word").wait_for()
    await playwright.expect(detail.get_by_role("link", name="+33 1 99 00")).to_have_attribute(
        "href", "tel:+3319900"
    )
    await assert_accessible(desk)
    await take(desk, "desk-callback")
    async with desk.expect_popup() as coming:
        await detail.get_by_role("button", name="What the customer sees").click()
    theirs = await coming.value
    theirs_watch = desk.watch
    theirs_watch.forgiven.append(NO_ICON)
    await theirs.wait_for_url(f"**{link.path}")
    await theirs.close()
    settle = detail.get_by_role("button", name="Settle")
    await playwright.expect(settle).to_be_disabled()
    await detail.get_by_label("What was made of it").fill("Called her, a free check in May")
    await settle.click()
    await entry(desk, number).wait_for(state="detached")
    review = await review_of(link.job, "callback")
    assert review.settlement == "Called her, a free check in May"
    assert review.settled_by == office.company.users["dispatcher"].id


async def quarantined(client: httpx.AsyncClient, office: Office) -> tuple[Job, Phone]:
    """Notes of a phone that was put out of use before they came."""
    link = await report(client, office, "Stolen phone")
    phone = await new_phone(client, office.company, office.clock, f"stolen-{uuid7()}")
    headers = office.company.headers["administrator"]
    revoked = await client.post(
        f"/api/devices/{phone.device_id}/revocation", json={"reason": "stolen"}, headers=headers
    )
    assert revoked.is_success, revoked.text
    visit = str(link.job.visit_id)
    await phone.push(
        phone.intent("visit.start", visit_id=visit),
        phone.intent("note.add", visit_id=visit, text="Roller worn on the left"),
    )
    return link.job, phone


async def test_the_work_of_a_revoked_phone_is_read_and_let_in(
    office: Office, opened: Any, client: httpx.AsyncClient
) -> None:
    job, _ = await quarantined(client, office)
    page = await open_desk(office, opened, width=768, height=1024, dark=True, language="de")
    mine = page.locator("[data-review]").filter(has_text="gesperrten Telefon").last
    await mine.click()
    detail = page.get_by_role("region", name="Die Entscheidung")
    await detail.get_by_role("heading", name="2 Meldungen kamen von einem gesperrten").wait_for()
    await detail.get_by_text("Roller worn on the left").wait_for()
    await detail.get_by_text("Arbeit begonnen").wait_for()
    await detail.get_by_text(f"{(await job.row()).number} Stolen phone").wait_for()
    await assert_accessible(page)
    await take(page, "desk-quarantine-768-de-dark")
    await detail.get_by_role("button", name="Alle zulassen (2)").click()
    await announced(page, "Erledigt")
    async with office.database.transaction(office.company.id) as session:
        notes = await session.exec(select(Note.text).where(Note.work_order_id == job.id))
        assert list(notes) == ["Roller worn on the left"]


async def test_work_that_is_put_aside_needs_a_reason_and_never_counts(
    office: Office, opened: Any, client: httpx.AsyncClient
) -> None:
    job, phone = await quarantined(client, office)
    page = await open_desk(office, opened, width=360, height=740, language="ru")
    mine = page.locator("[data-review]").filter(has_text="с отозванного телефона").last
    await take(page, "desk-list-360-ru")
    await mine.click()
    detail = page.get_by_role("region", name="Решение")
    await detail.get_by_text("Roller worn on the left").wait_for()
    await assert_accessible(page)
    wide = await page.evaluate("document.documentElement.scrollWidth > innerWidth")
    assert not wide
    await take(page, "desk-quarantine-360-ru")
    aside = detail.get_by_role("button", name="Отбросить")
    await playwright.expect(aside).to_be_disabled()
    await detail.get_by_label("Почему не учитывать").fill("Это был вор")
    await aside.click()
    await announced(page, "Решено")
    async with office.database.transaction(office.company.id) as session:
        notes = await session.exec(select(Note.text).where(Note.work_order_id == job.id))
        assert list(notes) == []
    headers = office.company.headers["dispatcher"]
    query = {"device_id": phone.device_id}
    left = await client.get("/api/intents", params=query, headers=headers)
    assert left.json()["items"] == []


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def sealing(office: Office) -> str:
    """A work type whose photo the office may let go; its code."""
    code = "review-sealing"
    headers = office.company.headers["administrator"]
    contents = {"names": {"en": "Sealing"}, "request_class": "service_request"}
    items = [{**item, "waiver": "office"} for item in CHECKLIST["items"][2:]]
    document = {**CHECKLIST, "template_id": code, "version": 1, "items": items}
    async with httpx.AsyncClient(base_url=office.url, timeout=PATIENCE_S) as client:

        async def make(path: str, body: dict[str, Any]) -> Any:
            made = await client.post(path, json=body, headers=headers)
            assert made.is_success, made.text
            return made.json()

        kind = {**contents, "code": code, "name": "Sealing", "maintenance": "corrective"}
        work_type = await make("/api/work-types", kind)
        template = await make("/api/checklists", {"code": code, "name": "Sealing"})
        await make(f"/api/checklists/{template['id']}/versions", {"document": document})
        assigned = {"template_id": template["id"], "work_type_id": work_type["id"]}
        await make("/api/checklist-assignments", assigned)
    return code


async def stuck(
    client: httpx.AsyncClient, office: Office, work_type: str, title: str
) -> tuple[Job, Phone]:
    """A job whose technician cannot finish for want of a photo."""
    body = {"work_type": work_type, "asset_id": str(office.company.asset.id), "title": title}
    headers = office.company.headers["dispatcher"]
    made = await client.post("/api/work-orders", json=body, headers=headers)
    assert made.is_success, made.text
    job = Job(office.database, office.company, office.clock, UUID(made.json()["id"]))
    await plan_and_dispatch(job)
    phone = await new_phone(client, office.company, office.clock, f"stuck-{uuid7()}")
    visit = str(job.visit_id)
    await phone.push(phone.intent("visit.start", visit_id=visit))
    (refused,) = await phone.push(phone.intent("visit.finish", visit_id=visit))
    assert refused["problem"]["code"] == "checklist-incomplete"
    return job, phone


async def test_a_waiver_is_granted_by_keys_alone_and_the_technician_can_finish(
    office: Office, opened: Any, client: httpx.AsyncClient, sealing: str
) -> None:
    before, _ = await stuck(client, office, sealing, "Seal the hatch")
    job, phone = await stuck(client, office, sealing, "Seal the shaft")
    after, _ = await stuck(client, office, sealing, "Seal the door")
    page = await open_desk(office, opened)
    first, mine, last = [
        entry(page, (await one.row()).number).first for one in (before, job, after)
    ]
    await mine.wait_for()
    await page.get_by_role("heading", level=2).first.focus()
    for _ in range(20):
        await page.keyboard.press("Tab")
        if await page.locator("[data-review]:focus").count():
            break
    for _ in range(200):
        if await mine.evaluate("one => one === document.activeElement"):
            break
        await page.keyboard.press("ArrowDown")
    await page.keyboard.press("ArrowUp")
    await playwright.expect(first).to_be_focused()
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    title = page.get_by_role("heading", name="something is missing that only the office can")
    await playwright.expect(title).to_be_focused()
    reason = page.get_by_label("Reason")
    for _ in range(20):
        await page.keyboard.press("Tab")
        if await reason.evaluate("one => one === document.activeElement"):
            break
    await page.keyboard.type("The shaft was walled up")
    await assert_accessible(page)
    await take(page, "desk-waiver")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Tab")
    await playwright.expect(page.get_by_role("button", name="Let it go")).to_be_focused()
    await page.keyboard.press("Enter")
    await playwright.expect(last).to_be_focused()
    await mine.wait_for(state="detached")
    await announced(page, "Settled")
    async with office.database.transaction(office.company.id) as session:
        waiver = (await session.exec(select(Waiver).where(Waiver.work_order_id == job.id))).one()
    assert waiver.reason == "The shaft was walled up"
    assert (await review_of(job, "waiver_asked")).settlement == "waived"
    (done,) = await phone.push(phone.intent("visit.finish", visit_id=str(job.visit_id)))
    assert done["status"] == "applied"


async def test_a_waiver_is_refused_and_the_technician_reads_why(
    office: Office, opened: Any, client: httpx.AsyncClient, sealing: str
) -> None:
    job, phone = await stuck(client, office, sealing, "Seal the roof")
    page = await open_desk(office, opened, dark=True)
    mine = entry(page, (await job.row()).number)
    await mine.click()
    detail = page.get_by_role("region", name="The decision")
    await detail.get_by_text("Photo after repair").wait_for()
    await detail.get_by_label("Reason").fill("The customer wants to see the roof")
    await detail.get_by_label("Also write it to the technician").check()
    await take(page, "desk-waiver-dark")
    await detail.get_by_role("button", name="Ask for it all the same").click()
    await mine.wait_for(state="detached")
    review = await review_of(job, "waiver_asked")
    assert review.settlement == "refused: The customer wants to see the roof"
    await phone.pull()
    (told,) = phone.of("work_orders")[str(job.id)]["messages"]
    assert told["text"] == "The customer wants to see the roof"
    (again,) = await phone.push(phone.intent("visit.finish", visit_id=str(job.visit_id)))
    assert again["status"] == "rejected"


async def wish(client: httpx.AsyncClient, office: Office, text: str) -> tuple[Followed, Any]:
    """A customer who asked for another time."""
    link = await report(client, office, text)
    answer = await client.get(f"{link.path}/move", headers=JSON)
    *_, last = answer.json()["choices"]
    sent = await link.send("move", choice=last["choice"], note="I am away till then")
    assert sent.status_code == 303, sent.text
    return link, last


async def test_a_wish_for_another_time_is_booked_and_one_is_refused_with_a_word(
    office: Office, opened: Any, client: httpx.AsyncClient
) -> None:
    granted, choice = await wish(client, office, "Come later")
    page = await open_desk(office, opened)
    mine = entry(page, await number_of(granted))
    await mine.click()
    detail = page.get_by_role("region", name="The decision")
    await detail.get_by_role("heading", name="The customer wants").wait_for()
    await detail.get_by_text("I am away till then").wait_for()
    await assert_accessible(page)
    await take(page, "desk-move")
    await detail.get_by_role("button", name="Book the wished time").click()
    await mine.wait_for(state="detached")
    status = await granted.status()
    assert (status["window"]["starts_at"], status["asked"]) == (choice["opens_at"], None)

    kept, _ = await wish(client, office, "Come some other day")
    mine = entry(page, await number_of(kept))
    await mine.click()
    await detail.get_by_label("Why not").fill("Nobody is near you that day")
    await detail.get_by_role("button", name="Keep the appointment").click()
    await mine.wait_for(state="detached")
    assert "Nobody is near you that day" in await kept.page()
    async with office.database.transaction(office.company.id) as session:
        visit = await session.get_one(Visit, (office.company.id, kept.job.visit_id))
    assert visit.status == "dispatched"


async def test_who_settles_second_is_told_who_was_first_and_who_looks_on_sees_it_live(
    office: Office, opened: Any, client: httpx.AsyncClient
) -> None:
    link = await report(client, office, "Two at once")
    await finish(link)
    await link.send("rating", stars="1", comment="Never again")
    number = await number_of(link)
    review = await review_of(link.job, "callback")
    first = await open_desk(office, opened)
    second = await open_desk(office, opened, role="administrator")
    looking_on = await open_desk(office, opened, role="administrator")
    for page in (first, second, looking_on):
        await entry(page, number).click()
        await page.get_by_label("What was made of it").fill("Sent flowers")
    await first.get_by_label("What was made of it").fill("Called him")

    async def be_quicker(route: Any) -> None:
        """The colleague's click comes to the server before this one."""
        await first.get_by_role("button", name="Settle").click()
        await entry(first, number).wait_for(state="detached")
        await route.continue_()

    await second.route(f"**/api/reviews/{review.id}/settlement", be_quicker)
    await second.get_by_role("button", name="Settle").click()
    name = office.company.users["dispatcher"].name
    for page in (second, looking_on):
        await page.get_by_text(f"{name} has settled this: Called him.").first.wait_for()
        await playwright.expect(page.get_by_role("button", name="Settle")).to_have_count(0)
        await announced(page, "has settled this")
    await assert_accessible(second)
    await take(second, "desk-second")
    await second.get_by_role("button", name="Next").click()
    await entry(second, number).wait_for(state="detached")
    assert (await review_of(link.job, "callback")).settlement == "Called him"


async def test_what_was_typed_stays_when_the_server_does_not_answer(
    office: Office, opened: Any, client: httpx.AsyncClient
) -> None:
    link = await report(client, office, "Lost line")
    await finish(link)
    await link.send("rating", stars="3")
    page = await open_desk(office, opened)
    page.watch.forgiven.append("error: Failed to load resource")
    await entry(page, await number_of(link)).click()
    note = page.get_by_label("What was made of it")
    await note.fill("Called, no answer")
    await page.route("**/settlement", lambda route: route.abort())
    await page.get_by_role("button", name="Settle").click()
    await page.get_by_text("The server does not answer").first.wait_for()
    await playwright.expect(note).to_have_value("Called, no answer")
    await page.unroute("**/settlement")
    await page.get_by_role("button", name="Settle").click()
    await entry(page, await number_of(link)).wait_for(state="detached")
