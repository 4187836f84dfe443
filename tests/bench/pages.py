"""What pages weigh and how soon they show: sizes, the board against other timelines, a slow machine's clicks.

    deploy/bench pages --seed 1 --rounds 5

Three timelines are given the same day in one browser, in turns: our built board (its answers come from here
instead of a server), vis-timeline and EventCalendar, unmodified. From the moment the data is at hand to the
frame after which nothing changed any more; the median of the rounds. Ours and
vis-timeline draw what is in sight, EventCalendar draws all. Sizes are those of the built pages and of the
passport as a server sends it. A change is seen with a frame, of which there are 60 a second: how much work it
makes tells more than when it is seen. Times under other load are told as ratios alone.
"""

import argparse
import asyncio
import json
import mimetypes
import os
import re
import shutil
import statistics
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from playwright.async_api import async_playwright

from fsm.app import compose_database
from fsm.embedded import APPLICATION_ROLE, OWNER_ROLE, EmbeddedPostgres
from fsm.migrations.migrate import migrate
from fsm.settings import read_settings
from tests.applications import application
from tests.bench.board_world import NOW, day, moved
from tests.bench.figures import Figure, figure, say
from tests.company import found_company
from tests.conftest import Clock
from tests.node import runtime

ROOT = Path(__file__).parents[2]
OFFICE = ROOT / "fsm/web/built"
APP = ROOT / "mobile_api/pwa/built"
TIMELINES = Path(__file__).parent / "timelines"
ORIGIN = "https://bench.test"
"""Nobody is there: every request is answered here. Secure, as the pages' sessions ask for."""

TECHNICIANS, VISITS, WAITING = 100, 800, 200
PEERS = ("vis", "event-calendar")
MOVES = 5
"""Visits of different people, one after another; their median counts."""
FIRST_RENDER, UPDATE = 5.0, 2.0
"""At least so many times faster than the faster of the others."""
SLOWER = 4
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"),
    # Frames as soon as they are ready, as far as a browser without a screen heeds it.
    *("--disable-frame-rate-limit", "--disable-gpu-vsync"),
]


class Answers:
    """Answers every request of a page: our built files, the others' packages, a board without a server."""

    def __init__(self, board: dict[str, Any]) -> None:
        self.board = board
        self.changes: dict[str, Any] = {}
        self.poked = asyncio.Event()
        self.given = asyncio.Event()
        self.is_over = False

    def end(self) -> None:
        self.is_over = True
        self.poked.set()
        self.given.set()

    async def give(self, route: Any) -> None:
        path = route.request.url.removeprefix(ORIGIN).partition("?")[0]
        if path == "/api/sign-in/browser/renewal":
            await route.fulfill(json=SESSION)
        elif path == "/api/board":
            await self.given.wait()
            await route.fulfill(json=self.board)
        elif path == "/api/board/changes":
            await route.fulfill(json=self.changes)
        elif path == "/api/board/live":
            await self.poked.wait()
            if self.is_over:
                await route.abort()
                return
            self.poked.clear()
            event = f"id: 1\nevent: changes\ndata: {json.dumps([CHANGE])}\n\n"
            await route.fulfill(body=event, content_type="text/event-stream")
        elif path.startswith("/api/"):
            await route.fulfill(status=404, json={"status": 404, "code": "bench", "detail": "none"})
        else:
            file = self.file(path)
            if file.is_file():
                kind = mimetypes.guess_type(file.name)[0] or "text/html"
                await route.fulfill(body=file.read_bytes(), content_type=kind)
            else:
                await route.fulfill(status=404, body="")

    def file(self, path: str) -> Path:
        if path.startswith("/timelines/"):
            return TIMELINES / "node_modules" / path.removeprefix("/timelines/")
        if path.startswith("/peer/"):
            return TIMELINES / f"{path.removeprefix('/peer/')}.html"
        name = path.removeprefix("/office/")
        return OFFICE / (name if "." in name else f"{name}.html")


SESSION = {
    "access_token": "bench",
    "expires_in_s": 3600,
    "name": "Bench",
    "language": "en",
    "permissions": ["plan", "read_kpis"],
}
CHANGE = {
    "kind": "visit.moved",
    "entity_id": "x",
    "by": "Olga",
    "user_id": "y",
    "at": NOW.isoformat(),
}


async def opened(browser: Any, answers: Answers, path: str) -> Any:
    context = await browser.new_context(base_url=ORIGIN, viewport={"width": 1440, "height": 900})
    context.set_default_timeout(120_000)
    await context.add_init_script(path=str(TIMELINES / "painting.js"))
    await context.route("**/*", answers.give)
    page = await context.new_page()
    await page.goto(path)
    return page


class Worked:
    """What a page's main thread did between two looks at it: CPU time, which other load hardly changes."""

    def __init__(self, debugger: Any) -> None:
        self._debugger = debugger
        self._last = 0.0

    @classmethod
    async def of(cls, page: Any) -> "Worked":
        debugger = await page.context.new_cdp_session(page)
        await debugger.send("Performance.enable", {"timeDomain": "threadTicks"})
        worked = cls(debugger)
        await worked.ms()
        return worked

    async def ms(self) -> float:
        """Return the milliseconds since the last look."""
        found = (await self._debugger.send("Performance.getMetrics"))["metrics"]
        now = next(one["value"] for one in found if one["name"] == "TaskDuration") * 1000
        passed, self._last = now - self._last, now
        return float(passed)


class Looking:
    """What looking at each frame costs by itself, which is no work of the page's."""

    def __init__(self, page: Any, worked: Worked) -> None:
        self._page, self._worked = page, worked
        self._per_frame = 0.0
        self._frames = 0

    @classmethod
    async def at(cls, page: Any, worked: Worked) -> "Looking":
        looking = cls(page, worked)
        await page.evaluate("bench.still(20)")
        await worked.ms()
        await page.evaluate("bench.still(60)")
        looking._per_frame = await worked.ms() / 60
        looking._frames = await page.evaluate("bench.looked.frames")
        await worked.ms()
        return looking

    async def ms_besides(self) -> float:
        """Return the work since the last look, without that of looking."""
        worked = await self._worked.ms()
        frames = await self._page.evaluate("bench.looked.frames")
        passed, self._frames = frames - self._frames, frames
        await self._worked.ms()
        return max(0.1, worked - passed * self._per_frame)


async def ours(browser: Any, board: dict[str, Any]) -> dict[str, float]:
    """Return what our board's first render, and one visit moved by somebody else, took."""
    answers = Answers(board)
    page = await opened(browser, answers, "/office/board")
    await page.get_by_text("Loading").wait_for()
    worked = await Worked.of(page)
    drawing = asyncio.create_task(page.evaluate(_FIRST))
    answers.given.set()
    first = await drawing
    assert first["empty"] == 0, first
    found = {"first": first["ms"], "drawn": first["drawn"], "first_cpu": await worked.ms()}
    looking = await Looking.at(page, worked)
    updates = []
    for number in range(MOVES):
        answers.changes, visit = moved(board, number)
        await page.evaluate("bench.given.isHeld = true")
        answers.poked.set()
        await page.wait_for_function("bench.given.go !== null")
        await page.wait_for_timeout(600)  # it listens again: here each poke ends its stream
        await looking.ms_besides()
        after = await page.evaluate(_MOVED, f'[data-visit="{visit["id"]}"]')
        updates.append((after, await looking.ms_besides()))
    found |= _of_updates(updates)
    answers.end()
    await page.context.close()
    return found


async def peer(browser: Any, board: dict[str, Any], name: str) -> dict[str, float]:
    page = await opened(browser, Answers(board), f"/peer/{name}")
    worked = await Worked.of(page)
    first = await page.evaluate("data => draw(data)", board)
    found = {"first": first["ms"], "drawn": first["drawn"], "first_cpu": await worked.ms()}
    looking = await Looking.at(page, worked)
    updates = []
    for number in range(MOVES):
        _, visit = moved(board, number)
        update = await page.evaluate("visit => move(visit)", visit)
        updates.append((update["ms"], await looking.ms_besides()))
    found |= _of_updates(updates)
    await page.context.close()
    return found


def _of_updates(updates: list[tuple[float, float]]) -> dict[str, float]:
    times, work = zip(*updates, strict=True)
    return {"update": statistics.median(times), "update_cpu": statistics.median(work)}


_FIRST = """async () => {
  const { at, seen } = await bench.arrived('count', '[data-visit]', 0)
  const pane = document.querySelector('[data-pane]').getBoundingClientRect()
  const isSeen = one => {
    const { top, bottom } = one.getBoundingClientRect()
    return top < pane.bottom && bottom > pane.top
  }
  const rows = [...document.querySelectorAll('[data-technician]')].filter(isSeen)
  const empty = rows.filter(one => one.querySelectorAll('[data-visit]').length === 0).length
  return { ms: at - bench.given.at, drawn: seen, empty: rows.length ? empty : -1 }
}"""
_MOVED = """async selector => {
  const { go } = bench.given
  Object.assign(bench.given, { isHeld: false, go: null })
  go()
  const { at } = await bench.arrived('place', selector, bench.looks.place(selector))
  return at - bench.given.at
}"""


async def race(browser: Any, seed: int, rounds: int) -> list[Figure]:
    board = day(TECHNICIANS, VISITS, 0, seed)
    found: dict[str, list[dict[str, float]]] = {name: [] for name in ("ours", *PEERS)}
    for turn in range(rounds + 1):
        found["ours"].append(await ours(browser, board))
        for name in PEERS:
            found[name].append(await peer(browser, board, name))
        say(
            f"  round {turn}: "
            + ", ".join(
                f"{k} {v[-1]['first']:.0f} ms, {v[-1]['first_cpu']:.0f} of work"
                for k, v in found.items()
            )
        )
    median = {
        (name, what): statistics.median(one[what] for one in runs[1:])
        for name, runs in found.items()
        for what in ("first", "update", "first_cpu", "update_cpu")
    }
    figures = []
    for what, said, goal in (
        ("first", "first render", FIRST_RENDER),
        ("update", "one visit moved, seen with the next frame", None),
        ("first_cpu", "first render in CPU time of the main thread", None),
        ("update_cpu", "one visit moved in CPU time of the main thread", UPDATE),
    ):
        mine = median["ours", what]
        times = {name: median[name, what] / mine for name in PEERS}
        figures.append(
            figure(
                f"board {TECHNICIANS} × {VISITS}: {said}, times faster than the faster of the others",
                min(times.values()),
                "ratio",
                goal,
                better="higher",
                ours_ms=round(mine, 1),
                **{f"times_{name}": round(ratio, 2) for name, ratio in times.items()},
                drawn={name: runs[-1]["drawn"] for name, runs in found.items()},
                rounds=rounds,
            )
        )
    return figures


async def clicks(browser: Any, seed: int) -> list[Figure]:
    """Interact as a dispatcher does, on a machine four times slower; list the waiting jobs."""
    board = day(TECHNICIANS, VISITS, WAITING, seed)
    answers = Answers(board)
    answers.given.set()
    page = await opened(browser, answers, "/office/board")
    await page.evaluate(_FIRST)
    quick = await listed(page)
    debugger = await page.context.new_cdp_session(page)
    await debugger.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    slow = await listed(page)
    await page.evaluate("bench.interactions.clear()")
    by_kind: dict[str, float] = {}
    for kind, act in _ACTS:
        await act(page)
        await page.wait_for_timeout(400)
        worst = await page.evaluate("Math.max(0, ...bench.interactions.values())")
        by_kind[kind] = max(worst, by_kind.get(kind, 0))
        await page.evaluate("bench.interactions.clear()")
    answers.end()
    await page.context.close()
    worst = max(by_kind.values())
    limit = 100
    return [
        figure(f"board: INP with {SLOWER}× CPU throttle", worst, "ms", 200, by_interaction=by_kind),
        figure(f"list of {WAITING} jobs", quick, "ms", limit),
        figure(f"list of {WAITING} jobs with {SLOWER}× CPU throttle", slow, "ms", limit),
    ]


async def listed(page: Any) -> float:
    """Return the median milliseconds from emptying the search to the list painted as far as it is seen."""
    return statistics.median([await page.evaluate(_LISTED, WAITING) for _ in range(5)])


_LISTED = """async many => {
  const search = document.getElementById('search')
  const type = text => { search.value = text; search.dispatchEvent(new Event('input', { bubbles: true })) }
  type('nothing like it')
  await bench.arrived('count', 'body:not(:has([data-job]))', 0)
  const begun = performance.now()
  type('')
  const { at } = await bench.arrived('count', '[data-job]', 0)
  const jobs = [...document.querySelectorAll('[data-job]')].map(one => one.closest('li'))
  const pane = jobs[0].parentElement.getBoundingClientRect()
  const listed = Number(jobs[0].ariaSetSize)
  if (listed !== many) throw new Error(`${listed} of ${many} jobs are listed`)
  if (jobs.at(-1).getBoundingClientRect().bottom < pane.bottom) throw new Error('the list is not full')
  return at - begun
}"""


async def _click_visit(page: Any) -> None:
    await page.locator("[data-visit]").nth(2).click()


async def _key(page: Any, key: str) -> None:
    await page.keyboard.press(key)


async def _type(page: Any) -> None:
    await page.locator("#search").click()
    await page.keyboard.type("W-08", delay=150)
    await page.keyboard.press("Escape")


def _view(name: str) -> Any:
    async def act(page: Any) -> None:
        await page.get_by_role("button", name=name, exact=True).click()

    return act


_ACTS: tuple[tuple[str, Any], ...] = (
    ("select a visit", _click_visit),
    ("next visit by arrow", lambda page: _key(page, "ArrowRight")),
    ("row below by arrow", lambda page: _key(page, "ArrowDown")),
    ("open the move dialog", lambda page: _key(page, "m")),
    ("close it", lambda page: _key(page, "Escape")),
    ("let go of the visit", lambda page: _key(page, "Escape")),
    ("search the queue", _type),
    ("table view", _view("Table")),
    ("timeline view", _view("Timeline")),
)


def sizes() -> list[Figure]:
    app = json.loads((APP / "sizes.json").read_text())["index"]
    found = [figure("technician's app: first-load script, gzip", app["script"], "byte", 120_000)]
    for page, size in json.loads((OFFICE / "sizes.json").read_text()).items():
        name = f"office, {page}: first-load script, gzip"
        found.append(figure(name, size["script"], "byte", size["limit"]))
    return found


async def passport() -> Figure:
    """Weigh everything that a browser loads for a passport page, as sent to one that takes gzip."""
    with (
        TemporaryDirectory(prefix="fsm-bench-") as folder,
        EmbeddedPostgres(Path(folder)) as server,
    ):
        await server.prepare("pages")
        await migrate(server.url("pages", OWNER_ROLE))
        settings = read_settings(
            {
                "FSM_DATABASE_URL": server.url("pages", APPLICATION_ROLE),
                "FSM_OWNER_DATABASE_URL": server.url("pages", OWNER_ROLE),
                "FSM_SECRET": "a secret of the bench, long enough",
                "FSM_PUBLIC_URL": "http://fsm.test",
                "FSM_BLOB_DIR": f"{folder}/blobs",
            }
        )
        database = compose_database(settings)
        try:
            company = await found_company(database, settings, NOW, slug="bench")
            app = application(settings, database=database, clock=Clock(NOW))
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://fsm.test", follow_redirects=True
            ) as client:
                sent = await _sent(client, f"/p/{company.passport.code}")
        finally:
            await database.close()
    return figure(
        "passport page: everything it loads", sum(sent.values()), "byte", 30_000, sent=sent
    )


async def _sent(client: httpx.AsyncClient, path: str) -> dict[str, int]:
    """Return the bytes of a page and of each style, script and picture that it names."""
    page = await client.get(path, headers={"Accept": "text/html"})
    assert page.status_code == 200, (page.status_code, page.text)
    sent = {path: await _weight(client, path)}
    for tag in re.findall(r"<(?:link|script|img)\b[^>]*>", page.text):
        if "alternate" in tag or "canonical" in tag:
            continue
        for named in re.findall(r'(?:href|src)="([^"]+)"', tag):
            address = named.removeprefix("http://fsm.test")
            if not address.startswith("data:"):
                sent[address] = await _weight(client, address)
    return sent


async def _weight(client: httpx.AsyncClient, path: str) -> int:
    headers = {"Accept": "text/html, */*", "Accept-Encoding": "gzip"}
    async with client.stream("GET", path, headers=headers) as answer:
        assert answer.status_code == 200, path
        return sum([len(piece) async for piece in answer.aiter_raw()])


async def measure(seed: int, rounds: int) -> list[Figure]:
    figures = sizes()
    say("passport")
    figures.append(await passport())
    program = shutil.which("chromium")
    if program is None:
        say("no Chromium here: what is timed in a browser is left out")
        return figures
    await asyncio.to_thread(runtime.install, TIMELINES)
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=program, args=FLAGS)
        say("the board against others")
        figures += await race(browser, seed, rounds)
        say("a dispatcher's clicks")
        figures += await clicks(browser, seed)
        await browser.close()
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(prog="deploy/bench pages", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5, help="after one that is not counted")
    options = parser.parse_args()
    figures = asyncio.run(measure(options.seed, options.rounds))
    for one in figures:
        met = {True: "met", False: "missed", None: ""}[one["met"]]
        say(f"{one['name']}: {one['value']} {one['unit']} (goal {one['goal']}) {met}")
    load = round(os.getloadavg()[0], 1)
    answer = {"bench": "pages", "seed": options.seed, "cores": os.cpu_count(), "load": load}
    print(json.dumps({**answer, "figures": figures}))


if __name__ == "__main__":
    main()
