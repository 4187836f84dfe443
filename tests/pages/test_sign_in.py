"""Signing in: by keyboard, in both languages and every look, nothing kept where a script could read it."""

from typing import Any

from tests.pages.conftest import BROWSER, PASSWORD, Office, playwright, sign_in
from tests.pages.looking import assert_accessible, take

pytestmark = BROWSER


async def test_who_signs_in_stays_signed_in_over_a_reload_and_no_script_can_read_why(
    office: Office, opened: Any
) -> None:
    page = await opened()
    page.watch.forgiven.append("401")  # nobody was signed in at first
    await sign_in(page, office, "dispatcher")
    await page.get_by_text("Dispatcher").wait_for()
    await page.reload()
    await page.get_by_text("Dispatcher").wait_for()
    kept = await page.evaluate("JSON.stringify([localStorage, sessionStorage, document.cookie])")
    assert "eyJ" not in kept
    assert "fsmr_" not in kept
    (cookie,) = await page.context.cookies(f"{office.url}/api/sign-in/browser")
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (
        True,
        "Strict",
        "/api/sign-in/browser",
    )
    await page.get_by_text("Dispatcher").click()
    await page.get_by_role("button", name="Sign out").click()
    await page.wait_for_url("**/office/sign-in**")
    await page.goto("/office/board")
    await page.wait_for_url("**/office/sign-in**")


async def test_who_asked_for_no_page_comes_to_the_first_that_the_role_opens(
    office: Office, opened: Any
) -> None:
    page = await opened()
    page.watch.forgiven.append("401")
    await page.goto("/office/sign-in")
    await page.get_by_label("E-mail or login").fill(office.login("manager"))
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url("**/office/figures")
    menu = page.get_by_role("navigation", name="Pages")
    await playwright.expect(menu).to_have_text("Figures")


async def test_a_wrong_password_is_said_and_what_was_typed_stays(
    office: Office, opened: Any
) -> None:
    page = await opened(language="ru", width=320, dark=True)
    page.watch.forgiven.append("401")
    await page.goto("/office/sign-in")
    await page.get_by_label("Эл. почта или логин").fill(office.login("dispatcher"))
    await page.get_by_label("Пароль", exact=True).fill("wrong")
    await page.get_by_role("button", name="Войти").click()
    await page.get_by_role("alert").get_by_text("Неверный логин или пароль.").wait_for()
    assert await page.get_by_label("Эл. почта или логин").input_value() == office.login(
        "dispatcher"
    )
    await assert_accessible(page)
    await take(page, "sign-in-ru-320-dark")


async def test_the_page_is_accessible_in_every_look(opened: Any) -> None:
    page = await opened()
    await page.goto("/office/sign-in")
    for look in ("light", "dark", "outdoor"):
        await page.get_by_label("Look").select_option(look)
        await assert_accessible(page)
        await take(page, f"sign-in-{look}")
