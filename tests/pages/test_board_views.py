"""The board as a table and as a map: gone through by keyboard, looked at from near, nothing over another."""

from typing import Any

from tests.bench.board_world import day
from tests.pages.conftest import BROWSER, Office, playwright, sign_in
from tests.pages.looking import assert_accessible, assert_colours_tell, drawn, take

pytestmark = BROWSER

SIZES = """all => all.map(one => one.getBoundingClientRect())
    .filter(box => box.width && (box.width < 31.5 || box.height < 31.5)).length"""
COVERED = """all => {
  const boxes = all.map(one => one.getBoundingClientRect())
  return boxes.filter((a, n) => boxes.some((b, m) => m > n
    && a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom)).length
}"""


async def open_day(office: Office, opened: Any, world: dict[str, Any], view: str) -> Any:
    page = await opened(width=1440, height=900)
    # Nobody was signed in at first, and the server knows none of these jobs.
    page.watch.forgiven += ["401", "404"]
    await page.route("**/api/board?*", lambda route: route.fulfill(json=world))
    await sign_in(page, office, "dispatcher", f"/office/board?view={view}")
    return page


async def test_the_table_is_one_stop_of_the_tab_key_and_arrows_go_through_it(
    office: Office, opened: Any
) -> None:
    page = await open_day(office, opened, day(20, 120, 2, 1), "table")
    table = page.locator("table[aria-rowcount='121']")
    focused = page.locator(":focus")

    async def at(row: int) -> None:
        await table.locator(f"[aria-rowindex='{row + 1}'] [data-row]:focus").wait_for()
        assert await table.locator("[tabindex='0']").count() == 1

    await table.locator("[data-row][tabindex='0']").focus()
    await at(1)
    for key, row in (("ArrowDown", 2), ("End", 120), ("ArrowUp", 119), ("Home", 1)):
        await page.keyboard.press(key)
        await at(row)
        await table.locator("tr.on [data-row]:focus").wait_for()  # and its details are shown
    await page.keyboard.press("PageDown")
    await table.locator("[aria-rowindex='2'] [data-row]:not(:focus)").wait_for(state="attached")
    assert int(await focused.locator("xpath=ancestor::tr").get_attribute("aria-rowindex")) > 10
    await page.keyboard.press("Home")
    await at(1)
    # Up from there is what puts the rows in order.
    await page.keyboard.press("ArrowUp")
    await table.get_by_role("button", name="Technician").and_(focused).wait_for()
    await page.keyboard.press("ArrowLeft")
    await page.keyboard.press("Enter")
    await table.locator("th[aria-sort] button:focus").get_by_text("Number").wait_for()
    await page.keyboard.press("ArrowDown")
    await table.locator("[data-row]:focus").wait_for()
    assert await table.locator("button").evaluate_all(SIZES) == 0
    await assert_accessible(page)
    await take(page, "board-table-keys")


async def test_the_map_is_looked_at_from_near_and_nothing_lies_over_another(
    office: Office, opened: Any
) -> None:
    world = day(4, 24, 2, 1)
    few, many = world["visits"][:3], world["visits"][3:15]
    for group in (few, many):
        for one in group:
            one.update(site="One", latitude=group[0]["latitude"], longitude=group[0]["longitude"])
    page = await open_day(office, opened, world, "map")
    pane, focused = page.get_by_role("group", name="Map", exact=True), page.locator(":focus")
    marks = pane.locator("[data-mark]")
    details = page.get_by_role("region", name="Details")
    scale = pane.locator("text")
    heap = pane.get_by_role("button", name="12 here")
    await heap.wait_for()
    at_one = ", ".join(f"[data-mark='{one['id']}']" for one in few)
    assert await pane.locator(at_one).count() == 3
    assert await pane.locator(at_one).evaluate_all(COVERED) == 0
    assert await pane.get_by_role("button").evaluate_all(SIZES) == 0
    assert await marks.and_(page.locator("[tabindex='0']")).count() == 1
    await assert_accessible(page)
    await take(page, "board-map-keys")

    # From mark to mark, west to east; Enter leads to the details.
    await marks.and_(page.locator("[tabindex='0']")).focus()
    await page.keyboard.press("End")
    last = await focused.get_attribute("data-mark")
    for key, is_last in (("ArrowLeft", False), ("ArrowRight", True), ("Home", False)):
        await page.keyboard.press(key)
        assert (await focused.get_attribute("data-mark") == last) == is_last
    first = await focused.get_attribute("data-mark")
    await page.keyboard.press("ArrowDown")
    below = await focused.get_attribute("data-mark")
    if below == first:  # nothing lies farther south
        await page.keyboard.press("ArrowUp")
    assert await focused.get_attribute("data-mark") != first
    await page.keyboard.press("Enter")
    await details.get_by_role("button", name="Close").wait_for()
    await pane.locator("[data-mark].on:focus").wait_for()
    await page.keyboard.press("Escape")
    await details.wait_for(state="detached")

    # Too many for one place are listed.
    await heap.focus()
    await page.keyboard.press("Enter")
    listed = pane.get_by_role("region", name="12 here").get_by_role("listitem")
    await listed.first.get_by_role("button").and_(focused).wait_for()
    assert await listed.count() == 12
    await assert_accessible(page)
    await take(page, "board-map-list")
    number = many[0]["number"]
    await listed.filter(has_text=number).get_by_role("button").press("Enter")
    await details.get_by_text(number).first.wait_for()
    await listed.filter(has_text=number).get_by_role("button").focus()
    await page.keyboard.press("Escape")
    await heap.and_(focused).wait_for()
    await details.get_by_role("button", name="Close").click()
    await details.wait_for(state="detached")

    # Nearer and farther, to one side and back: by buttons, keys, wheel and dragging.
    whole, mark = await scale.text_content() or "", marks.first
    where = await mark.bounding_box()

    async def becomes(check: Any) -> None:
        """Wait until the mark lies otherwise than it did, and say how."""
        nonlocal where
        await page.wait_for_function(
            "([mark, x, y]) => { const now = mark.getBoundingClientRect();"
            " return Math.abs(now.x - x) + Math.abs(now.y - y) > 1 }",
            arg=[await mark.element_handle(), where["x"], where["y"]],
        )
        now = await mark.bounding_box()
        assert check(now, where)
        where = now

    await pane.get_by_role("button", name="Zoom in").click()
    await pane.get_by_role("button", name="Zoom in").click()
    await playwright.expect(scale).not_to_have_text(whole)
    where = await mark.bounding_box()
    await pane.get_by_role("button", name="Look east").click()
    await becomes(lambda now, was: now["x"] < was["x"] and now["y"] == was["y"])
    await page.keyboard.press("Shift+ArrowUp")
    await becomes(lambda now, was: now["y"] > was["y"])
    await page.keyboard.press("0")
    await playwright.expect(scale).to_have_text(whole)
    where = await mark.bounding_box()
    box = await pane.bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] - 12
    await page.mouse.move(*middle)
    await page.mouse.wheel(0, -300)
    await becomes(lambda now, was: now["y"] < was["y"])  # all goes away from the pointer
    await page.mouse.down()
    await page.mouse.move(middle[0] + 50, middle[1], steps=3)
    await page.mouse.up()
    await becomes(lambda now, was: abs(now["x"] - was["x"] - 50) < 1.5)
    await pane.get_by_role("button", name="Show all").click()
    await playwright.expect(scale).to_have_text(whole)
    await page.emulate_media(color_scheme="dark")
    await drawn(page)
    await assert_colours_tell(page)
    await take(page, "board-map-dark")
