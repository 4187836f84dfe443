"""The manager's page of figures: what it shows is what its files hold, down to the jobs."""

import csv
import io
from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.conftest import MORNING
from tests.pages.conftest import BROWSER, Office, sign_in
from tests.pages.looking import assert_accessible, take
from tests.patience import PATIENCE_S

pytestmark = [*BROWSER, pytest.mark.usefixtures("plant")]

PAGE = "/office/figures?period=last_90"


async def open_figures(office: Office, opened: Any, path: str = PAGE, **look: Any) -> Any:
    page = await opened(**look)
    page.watch.forgiven.append("401")  # nobody was signed in at first
    await sign_in(page, office, "manager", path)
    await page.locator("main footer").wait_for()
    return page


async def test_the_page_shows_the_very_numbers_that_its_file_holds(
    office: Office, opened: Any
) -> None:
    page = await open_figures(office, opened)
    await assert_accessible(page)
    await take(page, "figures")
    shown = dict(
        await page.locator("[data-figure]").evaluate_all(
            "all => all.map(one => "
            "[one.dataset.figure, one.querySelector('[data-value]').dataset.value])"
        )
    )
    async with page.expect_download() as download:
        await page.get_by_role("button", name="These figures as CSV").click()
    text = (await (await download.value).path()).read_text()
    rows = {row["id"]: row["value"] for row in csv.DictReader(io.StringIO(text))}
    for figure, value in shown.items():
        found = rows.get(figure) or next(rows[key] for key in rows if key.startswith(figure))
        assert (found and float(found)) == (value and float(value)), figure
    assert (shown["cost"], shown["on_time"]) == ("20.00", "")
    silent = page.locator("[data-figure=on_time]")
    assert await silent.get_by_text("not known", exact=True).is_visible()


async def test_a_figure_leads_to_its_jobs_by_keyboard_alone(office: Office, opened: Any) -> None:
    page = await open_figures(office, opened, f"{PAGE}&show=worst", dark=True)
    await page.locator("[data-list=downtime] button:has-text('F-1')").focus()
    await assert_accessible(page)
    await page.keyboard.press("Enter")
    figure = page.get_by_role("dialog", name="Downtime")
    await figure.get_by_label("Which one").wait_for()
    await page.keyboard.press("Escape")
    await page.locator("[data-list=failures] button:has-text('F-1')").focus()
    await page.keyboard.press("Enter")
    counted = page.get_by_role("dialog", name="Mean time between failures")
    below = counted.get_by_role("button", name="Below the line")
    await below.focus()
    await page.keyboard.press("Enter")
    opens = counted.get_by_role("button", name="W-DOWN")
    await opens.wait_for()
    await assert_accessible(page)
    await take(page, "figures-behind")
    await opens.focus()
    await page.keyboard.press("Enter")
    await page.get_by_role("dialog", name="W-DOWN").get_by_text("Reported").wait_for()
    await assert_accessible(page)
    await page.keyboard.press("Escape")
    await page.keyboard.press("Escape")
    await counted.wait_for(state="detached")
    await page.wait_for_url("**show=worst&period=last_90")


async def test_a_view_is_kept_and_comes_back_in_russian_on_a_phone(
    office: Office, opened: Any
) -> None:
    page = await open_figures(office, opened, language="ru", width=320, height=700)
    await page.get_by_role("button", name="Договоры").click()
    await page.get_by_role("button", name="K-1").or_(page.get_by_text("K-1 ")).first.wait_for()
    await assert_accessible(page)
    await take(page, "figures-320")
    await page.get_by_role("button", name="Сохранённые виды").click()
    dialog = page.get_by_role("dialog", name="Сохранённые виды")
    await dialog.get_by_label("Название").fill("Договоры квартала")
    await page.keyboard.press("Enter")
    await page.get_by_text("«Договоры квартала» сохранён").first.wait_for()
    await page.goto("/office/figures")
    await page.locator("main footer").wait_for()
    await page.get_by_role("button", name="Сохранённые виды").click()
    await assert_accessible(page)
    await dialog.get_by_role("button", name="Договоры квартала", exact=True).click()
    await page.get_by_text("Маржа по договорам").wait_for()
    await page.wait_for_url("**?show=contracts&period=last_90")


async def test_who_may_not_read_figures_is_told_what_is_missing(
    office: Office, opened: Any
) -> None:
    page = await opened()
    page.watch.forgiven.append("401")
    await sign_in(page, office, "technician", "/office/figures")
    await page.get_by_text("read_kpis").wait_for()
    await assert_accessible(page)


async def test_the_pack_is_a_pdf_of_the_days_shown_and_its_mail_needs_a_mail_server(
    office: Office, opened: Any
) -> None:
    page = await open_figures(office, opened)
    await page.get_by_role("button", name="PDF and mail").click()
    dialog = page.get_by_role("dialog", name="Management pack")
    async with page.expect_download() as coming:
        await dialog.get_by_role("button", name="Issue it and save the PDF").click()
    download = await coming.value
    assert (await download.path()).read_bytes().startswith(b"%PDF-")
    await dialog.get_by_text("Issued as MP-").wait_for()
    number = download.suggested_filename.removesuffix(".pdf")
    headers = office.company.headers["manager"]
    async with httpx.AsyncClient(
        base_url=office.url, headers=headers, timeout=PATIENCE_S
    ) as client:
        listed = (await client.get("/api/documents?kind=management_pack")).json()["items"]
        (pack,) = [one for one in listed if one["number"] == number]
        snapshot = (await client.get(f"/api/documents/{pack['id']}/snapshot")).json()
    shown = await page.get_by_text("The pack of").inner_text()
    last_90 = MORNING.date() - timedelta(days=89)
    assert f"{last_90:%b} {last_90.day}" in shown or f"{last_90.day} {last_90:%b}" in shown, shown
    assert str(last_90) in str(snapshot)
    page.watch.forgiven.append("409")
    await dialog.get_by_label("Name").fill("To the owners")
    await dialog.get_by_label("To", exact=True).fill("owner@example.com")
    await dialog.get_by_role("button", name="Send it by mail").click()
    await dialog.get_by_text("FSM_SMTP_URL").wait_for()
    await assert_accessible(page)
    await take(page, "figures-pack")


async def test_preventive_work_and_people_within_chance_are_shown_with_their_tables(
    office: Office, opened: Any
) -> None:
    page = await open_figures(office, opened, f"{PAGE}&show=maintenance", width=320, dark=True)
    await page.get_by_role("heading", name="Calendar").wait_for()
    await assert_accessible(page)
    await take(page, "figures-maintenance")
    await page.get_by_role("button", name="Capacity").click()
    await page.get_by_text("First-time fix by person, within the limits of chance").wait_for()
    await assert_accessible(page)
    await take(page, "figures-funnel")
