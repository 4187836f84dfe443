"""The administrator's settings: people, phones, checklists, promises, labels, files; each shown first."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from fsm.actors import Permission
from tests.fsm.web.status_links import followed
from tests.pages.conftest import BROWSER, Office, sign_in
from tests.pages.looking import assert_accessible, take
from tests.patience import PATIENCE_S

pytestmark = BROWSER

PARTS = [
    "checklists",
    "work_types",
    "known_problems",
    "service_levels",
    "calendars",
    "users",
    "roles",
    "labels",
    "imports",
]


async def open_settings(office: Office, opened: Any, part: str, **look: Any) -> Any:
    page = await opened(**look)
    page.watch.forgiven.append("401")  # nobody was signed in at first
    await sign_in(page, office, "administrator", f"/office/settings?part={part}")
    return page


async def asked(office: Office, path: str) -> Any:
    headers = office.company.headers["administrator"]
    async with httpx.AsyncClient(
        base_url=office.url, headers=headers, timeout=PATIENCE_S
    ) as client:
        answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_somebody_is_invited_given_a_phone_by_a_code_and_shut_out(
    office: Office, opened: Any
) -> None:
    page = await open_settings(office, opened, "users")
    await page.get_by_role("button", name="Invite somebody").click()
    await page.get_by_label("Name").fill("Olga Petrova")
    await page.get_by_label("Login", exact=True).fill("olga@acme.test")
    await page.get_by_label("Role", exact=True).select_option("technician")
    await page.get_by_role("button", name="Invite", exact=True).click()
    await page.get_by_role("main").get_by_text("Olga Petrova: saved").wait_for()
    await page.get_by_role("button", name="Set up a phone").click()
    dialog = page.get_by_role("dialog", name="A phone for Olga Petrova")
    code = await dialog.locator("output").inner_text()
    await dialog.locator("svg path").first.wait_for(state="attached")
    await assert_accessible(page)
    await take(page, "settings-enrolment")
    async with httpx.AsyncClient(base_url=office.url, timeout=PATIENCE_S) as client:
        entrance = await client.post("/api/sign-in/enrolment", json={"code": code})
        assert entrance.json()["name"] == "Olga Petrova"
    await dialog.get_by_role("button", name="Close").last.click()
    await page.get_by_role("button", name="Shut out").click()
    await page.get_by_text("This person cannot sign in.").wait_for()
    users = (await asked(office, "/api/users?limit=200"))["items"]
    (olga,) = [one for one in users if one["login"] == "olga@acme.test"]
    assert (olga["role"], olga["is_active"]) == ("technician", False)


async def test_a_checklist_is_tried_with_the_phones_rules_and_published_when_nothing_is_wrong(
    office: Office, opened: Any
) -> None:
    page = await open_settings(office, opened, "checklists")
    await page.get_by_role("button", name="Lift repair").click()
    phone = page.get_by_role("region", name="On the phone")
    await phone.get_by_label("Pressure").fill("900")
    await phone.get_by_text("At most 400 kPa").wait_for()
    await page.get_by_label("Kind of the new question").select_option("text")
    await page.get_by_role("button", name="Add a question").click()
    await page.get_by_label("Question, English").fill("What is leaking?")
    await page.get_by_text("Rules", exact=True).click()
    rule = page.get_by_label("Asked only if")
    await rule.fill("answers.reading.value > 300")
    await page.get_by_text("It cannot be published").wait_for()
    await take(page, "settings-checklist-errors")
    await assert_accessible(page)
    await rule.fill("has(answers.reading) && answers.reading.value > 300.0")
    await page.get_by_text("It may be published.").wait_for()
    await phone.get_by_text("What is leaking?").first.wait_for()
    await phone.get_by_label("Pressure").fill("200")
    await phone.get_by_text("1 question is not asked: What is leaking?").wait_for()
    await page.reload()  # what was typed is still there
    await page.get_by_role("button", name="4. What is leaking?").wait_for()
    await page.get_by_label("Jobs finished under an older version").check()
    await page.get_by_text("It may be published.").wait_for()
    await page.get_by_role("button", name="Publish version 2").click()
    await page.get_by_role("main").get_by_text("version 2 is published").wait_for()
    templates = (await asked(office, "/api/checklists"))["items"]
    (template,) = [one for one in templates if one["code"] == "lift-repair"]
    newest = (await asked(office, f"/api/checklists/{template['id']}/versions"))["items"][-1]
    assert (newest["version"], newest["policy"], newest["min_accepted"]) == (2, "review", 2)
    document = (await asked(office, f"/api/checklist-versions/{newest['id']}"))["document"]
    assert document["items"][-1] == {
        "id": "text",
        "kind": "text",
        "label": {"en": "What is leaking?"},
        "visible_if": "has(answers.reading) && answers.reading.value > 300.0",
    }


async def test_a_file_is_tried_row_by_row_and_stored_only_when_asked(
    office: Office, opened: Any
) -> None:
    page = await open_settings(office, opened, "imports")
    file = {"name": "c.csv", "mimeType": "text/csv"}
    bad = b"number,name,is_active\nC-700,Alpha,true\nC-701,,perhaps\n"
    await page.get_by_label("CSV file").set_input_files({**file, "buffer": bad})
    page.watch.forgiven.append("422")
    await page.get_by_role("button", name="Try the file").click()
    report = page.get_by_role("region", name="What would become of it")
    await report.get_by_text("Nothing would be stored").wait_for()
    errors = report.get_by_role("row").filter(has_text="3")
    await errors.first.wait_for()
    assert await page.get_by_role("button", name="Store it").count() == 0
    await assert_accessible(page)
    await take(page, "settings-import")
    good = b"number,name\nC-700,Alpha\n"
    await page.get_by_label("CSV file").set_input_files({**file, "buffer": good})
    await page.get_by_role("button", name="Try the file").click()
    await report.get_by_text("This would be stored.").wait_for()
    assert (await asked(office, "/api/customers?q=C-700"))["items"] == []
    await page.get_by_role("button", name="Store it").click()
    await report.get_by_text("This was stored.").wait_for()
    assert len((await asked(office, "/api/customers?q=C-700"))["items"]) == 1


async def test_new_service_hours_and_promises_are_versions_with_their_differences_shown(
    office: Office, opened: Any
) -> None:
    page = await open_settings(office, opened, "calendars", language="ru")
    await page.locator(".list li button").first.click()
    await page.get_by_role("button", name="воскресенье: добавить часы").click()
    await page.get_by_text("отличи").first.wait_for()
    await page.get_by_role("button", name="Опубликовать новую версию").click()
    await page.get_by_role("main").get_by_text("сохранено").wait_for()
    calendar = (await asked(office, "/api/calendars"))["items"][0]
    versions = (await asked(office, f"/api/calendars/{calendar['id']}/versions"))["items"]
    assert versions[-1]["body"]["weekly"]["sun"] == [["09:00", "18:00"]]
    await page.goto("/office/settings?part=service_levels")
    await page.locator(".list li button").first.click()
    await page.get_by_label("Реакция, приоритет 1, часы").fill("2")
    await page.get_by_label("Срок ремонта по закону, приоритет 1, часы").fill("1080")
    await assert_accessible(page)
    await page.get_by_role("button", name="Опубликовать новую версию").click()
    await page.get_by_role("main").get_by_text("сохранено").wait_for()
    level = (await asked(office, "/api/service-levels"))["items"][0]
    versions = (await asked(office, f"/api/service-levels/{level['id']}/versions"))["items"]
    first = {(one["clock"], one["priority"]): one for one in versions[-1]["body"]["targets"]}
    assert first["response", 1]["target_s"] == 7_200
    assert first["statutory", 1] == {
        "clock": "statutory", "priority": 1, "target_s": 1080 * 3_600, "stops_at": "restored"
    }  # fmt: skip
    assert versions[-1]["body"]["pauses"] == versions[0]["body"]["pauses"]


async def test_an_answer_is_written_approved_and_read_beside_the_job_that_it_fits(
    office: Office, opened: Any
) -> None:
    async with httpx.AsyncClient(base_url=office.url, timeout=PATIENCE_S) as client:
        about = {"text": "It whistles"}
        link = await followed(client, office.database, office.company, office.clock, **about)
    page = await open_settings(office, opened, "known_problems")
    await page.get_by_role("button", name="Write down a known problem").click()
    await page.get_by_label("Model").select_option(label="Otto LX 5")
    await page.get_by_label("Code").fill("W-9")
    await page.get_by_label("The problem in few words, English").fill("The shaft whistles")
    await page.get_by_label("The answer for technicians, English").fill("Seal the vent.")
    await page.get_by_label("Advice for anybody, English").fill("It is the wind.")
    await page.get_by_role("button", name="Save").click()
    await page.get_by_text("Nobody else is shown it until it is approved").wait_for()
    await assert_accessible(page)
    await page.get_by_role("button", name="Approve: let everybody have it").click()
    await page.get_by_text("Administrator stands for this answer").wait_for()
    await take(page, "settings-known-problem")
    job = await asked(office, f"/api/work-orders/{link.job.id}")
    await page.goto("/office/board")
    await page.get_by_role("button", name=job["number"]).first.click()
    fits = page.get_by_role("region", name="Known problems that fit")
    await fits.get_by_text("The shaft whistles").click()
    await fits.get_by_text("Seal the vent.").wait_for()
    await assert_accessible(page)
    await take(page, "board-known-problem")


async def test_labels_of_machines_come_as_a_sheet_to_print(office: Office, opened: Any) -> None:
    page = await open_settings(office, opened, "labels")
    await page.get_by_label("Machine: number, name or site").fill(office.company.asset.number)
    await page.get_by_role("button", name="Add", exact=True).click()
    await page.get_by_role("button", name="Make the sheet").click()
    link = page.get_by_role("link", name="Save the PDF")
    await link.wait_for()
    async with page.expect_download() as coming:
        await link.click()
    sheet = await (await coming.value).path()
    assert sheet.read_bytes().startswith(b"%PDF-")
    await take(page, "settings-labels")


@pytest.mark.parametrize(
    ("look", "theme", "text"),
    [
        ({"language": "ru", "dark": True, "width": 320, "height": 720}, None, 100),
        ({"language": "de", "width": 360, "height": 740}, None, 100),
        pytest.param({"width": 1280}, None, 100, marks=pytest.mark.long),
        pytest.param({"width": 820, "height": 1180}, "outdoor", 100, marks=pytest.mark.long),
        pytest.param({"width": 1280, "language": "ru"}, None, 200, marks=pytest.mark.long),
    ],
    ids=["phone", "phone-german", "desktop", "tablet-outdoor", "twice-the-text"],
)
async def test_every_part_is_accessible_and_fits_its_window(
    office: Office, opened: Any, look: dict[str, Any], theme: str | None, text: int
) -> None:
    page = await open_settings(office, opened, PARTS[0], **look)
    if theme:
        await page.evaluate("theme => localStorage.setItem('fsm.theme', theme)", theme)
    for part in PARTS:
        await page.goto(f"/office/settings?part={part}")
        await page.evaluate("size => (document.documentElement.style.fontSize = size)", f"{text}%")
        await page.locator("main :is(form, .list li)").first.wait_for()
        row = page.locator(".list li button")
        if await row.count():
            await row.first.click()
            await page.locator("main .form").first.wait_for()
        await assert_accessible(page)
        wide = await page.evaluate("document.documentElement.scrollWidth > innerWidth")
        assert not wide, f"{part} is wider than the window"
        await take(page, f"settings-{part}-{look['width']}-{theme or text}")


async def test_who_may_nothing_here_is_told_so(office: Office, opened: Any) -> None:
    page = await opened()
    page.watch.forgiven.append("401")
    await sign_in(page, office, "technician", "/office/settings")
    await page.get_by_text("Your role may not see this page.").wait_for()


async def test_every_permission_of_the_server_can_be_given_and_has_a_name() -> None:
    folder = Path(__file__).parents[2] / "fsm/web/office/settings"
    words = json.loads((folder / "messages/en.json").read_text())
    named = {key.removeprefix("permission.") for key in words if key.startswith("permission.")}
    offered = (folder / "users/permissions.ts").read_text()
    assert named == set(Permission)
    assert {one for one in Permission if f"'{one}'" in offered} == set(Permission)
