"""A planned visit dragged with the pointer, with each key that holds a part of it; two who move one."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest_asyncio

from tests.pages.conftest import BROWSER, Office, playwright, sign_in
from tests.pages.looking import assert_accessible, take
from tests.pages.test_board import open_board
from tests.patience import PATIENCE_S

pytestmark = BROWSER


@dataclass
class Planned:
    """A job with a visit from 11:00 to 12:00 with Boris; Dora could do it too, Emil has not learned it."""

    number: str
    boris: str
    dora: str
    emil: str


@pytest_asyncio.fixture(loop_scope="session")
async def planned(office: Office) -> AsyncIterator[Planned]:
    """What is made of it goes with the test: its visits, and the two who came for it."""
    starts_at = office.clock() + timedelta(hours=2)
    headers = office.company.headers["administrator"]
    async with httpx.AsyncClient(
        base_url=office.url, headers=headers, timeout=PATIENCE_S
    ) as client:

        async def made(path: str, about: dict[str, Any]) -> dict[str, Any]:
            answer = await client.post(path, json=about)
            assert answer.is_success, answer.text
            told: dict[str, Any] = answer.json()
            return told

        people = []
        for name, skills in (("Dora", [{"skill": "lift", "level": 3}]), ("Emil", [])):
            about = {"number": f"T-{name}", "name": name, "zone": "Europe/Paris"}
            home = {"home_latitude": 48.8, "home_longitude": 2.3}
            known = (await client.get("/api/technicians", params={"q": name})).json()["items"]
            one = known[0] if known else await made("/api/technicians", {**about, **home})
            hers = f"/api/technicians/{one['id']}"
            if known:
                back = await client.patch(hers, json={"rev": one["rev"], "is_active": True})
                assert back.is_success, back.text
            else:
                weekly = [{"day": "mon", "starts": "08:00", "ends": "17:00"}]
                days = {"first_on": "2026-03-23", "last_on": "2026-03-23", "weekly": weekly}
                await made(f"{hers}/shifts", days)
                learned = await client.put(f"{hers}/skills", json={"skills": skills})
                assert learned.is_success, learned.text
            people.append(one["id"])
        job = await made(
            "/api/work-orders",
            {"work_type": "repair", "asset_id": str(office.company.asset.id), "title": "Drag"},
        )
        where = {
            "work_order_id": job["id"],
            "technician_id": str(office.company.technician.id),
            "starts_at": starts_at.isoformat(),
            "ends_at": (starts_at + timedelta(hours=1)).isoformat(),
        }
        await made("/api/board/placements", where)
        yield Planned(job["number"], where["technician_id"], *people)
        board = (await client.get("/api/board")).json()
        for visit in board["visits"]:
            if visit["work_order_id"] == job["id"]:
                await made(f"/api/visits/{visit['id']}/withdrawal", {"reason": "over"})
        for each in people:
            rev = (await client.get(f"/api/technicians/{each}")).json()["rev"]
            gone = await client.patch(
                f"/api/technicians/{each}", json={"rev": rev, "is_active": False}
            )
            assert gone.is_success, gone.text


@dataclass
class Hand:
    """A pointer that takes the visit and holds it somewhere."""

    page: Any
    planned: Planned

    async def bar(self, who: str, clock: str) -> Any:
        """The visit's bar, once it stands in that row at that time."""
        row = self.page.locator(f"[data-technician='{who}']")
        bar = row.locator(
            f"[data-visit][aria-label*='{self.planned.number} '][aria-label*=' {clock}']"
        )
        await bar.wait_for()
        return bar

    async def hold(self, who: str, clock: str, over: str, minutes: int, *, key: str = "") -> Any:
        """Take the visit of `who` at `clock` and hold it over a row, later by minutes; what is said of it."""
        box = await (await self.bar(who, clock)).bounding_box()
        track = self.page.locator(f"[data-technician='{over}'] [data-track]")
        row = await track.bounding_box()
        x, y = box["x"] + box["width"] / 3, box["y"] + box["height"] / 2
        if key:
            await self.page.keyboard.down(key)
        await self.page.mouse.move(x, y)
        await self.page.mouse.down()
        far = x + box["width"] * minutes / 60
        await self.page.mouse.move(far, row["y"] + row["height"] / 2, steps=4)
        return self.page.locator(".ghost")

    async def drop(self, *, key: str = "") -> None:
        await self.page.mouse.up()
        if key:
            await self.page.keyboard.up(key)


async def test_a_visit_is_dragged_whole_to_another_technician_alone_and_to_another_time_alone(
    office: Office, opened: Any, planned: Planned
) -> None:
    page = await open_board(office, opened, width=1900)
    hand, boris, dora = Hand(page, planned), planned.boris, planned.dora
    ghost = await hand.hold(boris, "11:00–12:00", boris, -56)  # to 10:04: the quarter is nearest
    await ghost.get_by_text("Boris, 10:00").wait_for()
    await ghost.get_by_text("Driving").wait_for()  # what comes of it, before it is let go of
    await ghost.get_by_text("Every promise is kept.").wait_for()
    await hand.bar(boris, "11:00–12:00")  # nothing has been done yet
    await take(page, "board-drag-visit")
    await hand.drop()
    await hand.bar(boris, "10:00–11:00")
    ghost = await hand.hold(boris, "10:00–11:00", boris, 34, key="Control")
    await ghost.get_by_text("Boris, 10:35").wait_for()
    await ghost.get_by_text("Every promise is kept.").wait_for()
    await hand.drop(key="Control")
    ghost = await hand.hold(boris, "10:35–11:35", dora, 50, key="Shift")
    await ghost.get_by_text("Dora, 10:35").wait_for()
    await ghost.get_by_text("Every promise is kept.").wait_for()
    await hand.drop(key="Shift")
    ghost = await hand.hold(dora, "10:35–11:35", boris, 40, key="Alt")
    await ghost.get_by_text("Dora, 11:15").wait_for()
    await ghost.get_by_text("Every promise is kept.").wait_for()
    await hand.drop(key="Alt")
    await hand.bar(dora, "11:15–12:15")
    ghost = await hand.hold(dora, "11:15–12:15", boris, 15)
    await ghost.get_by_text("Boris, 11:30").wait_for()
    await page.keyboard.press("Escape")  # let go of: nothing moves
    await ghost.wait_for(state="detached")
    await page.mouse.up()
    for who, clock in ((dora, "10:35"), (boris, "10:35"), (boris, "10:00"), (boris, "11:00")):
        await page.keyboard.press("u")
        await hand.bar(who, f"{clock}–")


async def test_a_drop_that_breaks_a_promise_asks_why_and_one_that_cannot_be_says_why_not(
    office: Office, opened: Any, planned: Planned
) -> None:
    page = await open_board(office, opened, width=1900)
    hand, boris = Hand(page, planned), planned.boris
    dialog = page.get_by_role("dialog")
    move = dialog.get_by_role("button", name="Move", exact=True)
    ghost = await hand.hold(boris, "11:00–12:00", planned.emil, 0)
    await ghost.locator(".hard").get_by_text("lift").wait_for()
    await hand.drop()
    await dialog.locator(".hard").get_by_text("lift").wait_for()
    await playwright.expect(move).to_be_disabled()
    assert await dialog.get_by_label("Reason").count() == 0  # no reason settles it
    await assert_accessible(page)
    await page.keyboard.press("Escape")
    await hand.bar(boris, "11:00–12:00")
    ghost = await hand.hold(boris, "11:00–12:00", planned.dora, 240)  # the service level: by 13:00
    await ghost.locator(".soft").first.wait_for()
    await take(page, "board-drag-soft")
    await hand.drop()
    reason = dialog.get_by_label("Reason")
    await reason.wait_for()
    await playwright.expect(move).to_be_disabled()
    await hand.bar(boris, "11:00–12:00")
    await reason.fill("The customer is away until three")
    await move.click()
    await hand.bar(planned.dora, "15:00–16:00")


async def test_who_moves_a_visit_that_another_moved_meanwhile_is_told_who_and_overwrites_nothing(
    office: Office, opened: Any, planned: Planned
) -> None:
    mine = await open_board(office, opened, width=1900)
    hers = await opened(width=1900)
    hers.watch.forgiven.append("401")  # nobody was signed in at first
    await sign_in(hers, office, "administrator", "/office/board")
    mine.watch.forgiven.append("409")  # the refusal this is about
    bar = await Hand(mine, planned).bar(planned.boris, "11:00–12:00")
    await bar.focus()
    await bar.press("Enter")
    await mine.keyboard.press("m")
    dialog = mine.get_by_role("dialog")
    await dialog.get_by_label("Begins").fill("11:45")
    await dialog.get_by_text("Every promise is kept.").wait_for()
    hand = Hand(hers, planned)
    ghost = await hand.hold(planned.boris, "11:00–12:00", planned.boris, -60)
    await ghost.get_by_text("Every promise is kept.").wait_for()
    await hand.drop()
    await hand.bar(planned.boris, "10:00–11:00")
    await dialog.get_by_role("button", name="Move", exact=True).click()
    name = office.company.users["administrator"].name
    await dialog.get_by_text(f"{name} changed this visit").wait_for()
    begins = dialog.get_by_label("Begins")
    await playwright.expect(begins).to_have_value("11:45")  # what was typed is kept
    await assert_accessible(mine)
    await dialog.get_by_text("10:00–11:00").wait_for()
    await dialog.get_by_role("button", name="Leave it there").wait_for()
    await take(mine, "board-clash")
    await Hand(mine, planned).bar(planned.boris, "10:00–11:00")  # hers stands, and is seen here
    await hand.bar(planned.boris, "10:00–11:00")
    await dialog.get_by_role("button", name="Move it from there").click()
    await dialog.get_by_text("Every promise is kept.").wait_for()
    await dialog.get_by_role("button", name="Move", exact=True).click()
    await hand.bar(planned.boris, "11:45–12:45")
