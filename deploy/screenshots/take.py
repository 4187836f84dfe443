"""Take the README's pictures anew: `.venv/bin/python deploy/screenshots/take.py` (see `--help`).

Starts a demonstration of its own in a folder that is thrown away, signs in as the people who use each page,
and keeps each picture as WebP beside this file. Needs Chromium and the packages of the tests.
"""

import argparse
import asyncio
import io
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.async_api import async_playwright

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
DESK = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 780}
TABLET = {"width": 820, "height": 1180}
LONGEST_START_S = 300
LONGEST_ANSWER_S = 180
MOST_BYTES = 700_000
"""All pictures together: a checkout stays small."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--into", type=Path, default=HERE, help="folder of the pictures")
    into: Path = parser.parse_args().into
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("There is no Chromium here; as root, apt-get install chromium brings it.")
    with tempfile.TemporaryDirectory(prefix="fsm-pictures-") as folder:
        port = _free_port()
        command = [sys.executable, "-P", "-m", "fsm", "demo", "--data", folder, "--port", str(port)]
        demo = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        try:
            passport = _wait(demo)
            password = json.loads((Path(folder) / "people.json").read_text())["password"]
            asyncio.run(_take(chromium, f"http://127.0.0.1:{port}", password, passport, into))
        finally:
            demo.terminate()
            demo.wait()
    size = sum(one.stat().st_size for one in into.glob("*.webp"))
    print(f"{size / 1000:.0f} kB in all")
    if size > MOST_BYTES:
        sys.exit(f"That is more than {MOST_BYTES / 1000:.0f} kB.")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(demo: "subprocess.Popen[str]") -> str:
    """Return the path of the passport that the demonstration names once it is ready."""
    until = time.monotonic() + LONGEST_START_S
    assert demo.stdout is not None
    for line in demo.stdout:
        if "/p/" in line:
            return line.strip().partition("/p/")[2]
        if time.monotonic() > until:
            break
    sys.exit("The demonstration did not start.")


async def _take(chromium: str, url: str, password: str, code: str, into: Path) -> None:
    flags = ["--no-sandbox", "--disable-gpu"]
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=chromium, args=flags)

        async def opened(size: dict[str, int], **more: Any) -> Any:
            context = await browser.new_context(
                base_url=url, viewport=size, locale="en-GB", reduced_motion="reduce", **more
            )
            context.set_default_timeout(LONGEST_ANSWER_S * 1000)
            return await context.new_page()

        async def keep(page: Any, name: str) -> None:
            png = await page.screenshot()
            image = Image.open(io.BytesIO(png)).convert("RGB")
            image.save(into / f"{name}.webp", "WEBP", quality=80, method=6)
            print(f"{name}: {(into / f'{name}.webp').stat().st_size / 1000:.0f} kB", flush=True)

        day = _working_day()
        page = await opened(DESK)
        await _sign_in(page, "dispatcher", password, f"/office/board?day={day}")
        await _plan(page)
        visit = page.locator("[data-visit]").nth(2)
        await visit.click()
        await page.get_by_role("region", name="Details").wait_for()
        await keep(page, "board")

        phone = await opened(PHONE, is_mobile=True, has_touch=True)
        await _enrol(phone, password, day)
        await keep(phone, "app")
        await _go_to_checklist(phone)
        await keep(phone, "checklist")

        page = await opened(TABLET, has_touch=True)
        await _sign_in(page, "manager", password, "/office/figures?period=last_90")
        await page.locator("main footer").wait_for()
        await page.get_by_text("Loading").first.wait_for(state="hidden")
        await keep(page, "figures")

        page = await opened(PHONE, is_mobile=True, has_touch=True)
        await page.goto(f"/p/{code}")
        await page.get_by_label("What is wrong?").fill("The door does not close")
        await page.get_by_label("Partly").check()
        await keep(page, "report")
        await page.get_by_role("button", name="Send the report").click()
        await page.get_by_role("link", name="Follow the report").click()
        await page.get_by_role("heading", name="Your report").wait_for()
        await keep(page, "status")
        await browser.close()


def _working_day() -> str:
    """The next day on which technicians have their shifts."""
    day = datetime.now(UTC).date() + timedelta(days=1)
    while day.weekday() > 4:
        day += timedelta(days=1)
    return day.isoformat()


async def _plan(page: Any) -> None:
    """Find a plan for what waits, and accept all of it."""
    await page.get_by_role("button", name="Optimise").click()
    await page.get_by_role("button", name="Look for a plan").click()
    await page.get_by_role("button", name="Accept all").click()
    await page.locator("[data-visit]").nth(2).wait_for()


async def _enrol(page: Any, password: str, day: str) -> None:
    """Send the busiest technician's visits to a phone, set it up, and wait until they are there."""
    office = page.request
    body = {"login": "administrator@demo", "password": password}
    signed_in = await (await office.post("/api/sign-in", data=body)).json()
    headers = {"Authorization": f"Bearer {signed_in['access_token']}"}
    board = await (await office.get(f"/api/board?from={day}", headers=headers)).json()
    counted = Counter(one["technician_id"] for one in board["visits"])
    busiest = counted.most_common(1)[0][0]
    theirs = [one["id"] for one in board["visits"] if one["technician_id"] == busiest]
    await office.post("/api/visits/dispatching", headers=headers, data={"visit_ids": theirs})
    person = await (await office.get(f"/api/technicians/{busiest}", headers=headers)).json()
    path = f"/api/users/{person['user_id']}/enrolment"
    issued = await (await office.post(path, headers=headers)).json()
    await page.goto("/app/index")
    await page.locator("input[autocomplete=one-time-code]").fill(issued["code"].lower())
    await page.locator("button[type=submit]").click()
    await page.get_by_text("Nothing waits here").wait_for()
    await page.locator("main a, main button").first.wait_for()


async def _go_to_checklist(page: Any) -> None:
    """Begin the first visit, and answer one step of its checklist."""
    await page.locator("main a[href^='#/visit/']").first.click()
    for name in ("Travel", "Arrive", "Start work"):
        await page.get_by_role("button", name=name).click()
    await page.get_by_role("link", name="Checklist").last.click()
    await page.get_by_role("button", name="Yes").first.click()


async def _sign_in(page: Any, who: str, password: str, to: str) -> None:
    await page.goto(to)
    await page.locator("[name=login]").fill(f"{who}@demo")
    await page.locator("[name=password]").fill(password)
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**{to}")


if __name__ == "__main__":
    main()
