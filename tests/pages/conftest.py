"""Debian's Chromium, one a process, and a real server, one a file; every test gets a context of its own.

What a page complains of in its console, a policy broken, a request to anywhere else: each fails the test.
"""

import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from fsm.app import compose_database
from fsm.database import Database
from fsm.embedded import APPLICATION_ROLE, OWNER_ROLE, EmbeddedPostgres
from fsm.settings import Settings, read_settings
from fsm.tenants import passwords, queries
from tests.company import Company, found_company
from tests.conftest import MORNING, TEMPLATE, Clock
from tests.mobile_api.serving import serving
from tests.pages.slowness import slow_pages
from tests.patience import PATIENCE_S
from tests.reports.plant import failure, job, line, machine, outage

playwright = pytest.importorskip("playwright.async_api", reason="Playwright is not installed")

playwright.expect.set_options(timeout=PATIENCE_S * 1_000)

BROWSER = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]
"""The marks of a test in a browser: all of them share one event loop with the server."""

PASSWORD = "a long enough password"
BUILT = Path(__file__).parents[2] / "fsm/web/built/built-from"

#: The last ones keep Chromium from calling its maker, which this has no use for and tests forbid.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass
class Office:
    """The server at `url`, and the company in it."""

    url: str
    company: Company
    database: Database
    settings: Settings
    clock: Clock

    def login(self, role: str) -> str:
        return f"{role}@{self.company.tenant.slug}"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def office(
    postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Office]:
    """A server with a company in it, whose people can sign in with `PASSWORD`. A file's tests share it."""
    if not BUILT.exists():
        pytest.skip("the pages are not built: python3 deploy/pages.py builds them")
    name = f"pages_{uuid4().hex[:12]}"
    settings = read_settings(
        {
            "FSM_DATABASE_URL": postgres.url(name, APPLICATION_ROLE),
            "FSM_OWNER_DATABASE_URL": postgres.url(name, OWNER_ROLE),
            "FSM_SECRET": "a secret of the tests, long enough",
            "FSM_PUBLIC_URL": "http://fsm.test",
            "FSM_BLOB_DIR": str(tmp_path_factory.mktemp("blobs")),
            "FSM_POOL_SIZE": "5",
        }
    )
    clock = Clock(MORNING)
    await postgres.create_database(name, template=TEMPLATE)
    database = compose_database(settings)
    company = await found_company(database, settings, clock(), slug="acme")
    password_hash = passwords.hash_now(PASSWORD)
    async with database.transaction(company.id) as session:
        for role in ("dispatcher", "administrator", "technician", "manager", "customer"):
            user = company.users[role]
            await queries.set_password(session, company.system, MORNING, user.id, password_hash)
    try:
        async with serving(settings, database, clock) as port:
            yield Office(f"http://127.0.0.1:{port}", company, database, settings, clock)
    finally:
        await database.close()
        await postgres.drop_database(name)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def plant(office: Office) -> None:
    """Two machines: one was down for 30 hours and mended for 20.00 EUR."""
    company, broke_at = office.company, MORNING - timedelta(days=10)
    async with office.database.transaction(company.id) as session:
        machines = [machine(company, f"F-{n}", MORNING - timedelta(days=200)) for n in (1, 2)]
        session.add_all(machines)
        await session.flush()
        broke = failure(machines[0], broke_at, restored_at=broke_at + timedelta(hours=30))
        session.add(broke)
        await session.flush()
        session.add(
            outage(machines[0], broke_at, broke_at + timedelta(hours=30), failure_id=broke.id)
        )
        work = await job(
            session,
            company,
            "W-DOWN",
            broke_at,
            asset_id=machines[0].id,
            failure_id=broke.id,
            contract_id=company.contract.id,
        )
        session.add(line(work, broke_at.date(), "20.00"))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Any]:
    """One browser; tests skip and say so where there is none."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("there is no Chromium here; as root, apt-get install chromium brings it")
    async with playwright.async_playwright() as driver:
        browser = await driver.chromium.launch(
            executable_path=program, args=FLAGS, timeout=PATIENCE_S * 1_000
        )
        yield browser
        await browser.close()


class Watch:
    """What pages of one context complained of and asked of strangers."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.complaints: list[str] = []
        self.strangers: list[str] = []
        self.forgiven: list[str] = []
        """Beginnings of complaints that a test means to cause."""

    def on_console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")

    def on_request(self, request: Any) -> None:
        if not request.url.startswith((self.origin, "blob:", "data:")):
            self.strangers.append(request.url)

    def check(self) -> None:
        said = [one for one in self.complaints if not any(f in one for f in self.forgiven)]
        assert said == []
        assert self.strangers == []


@pytest_asyncio.fixture(loop_scope="session")
async def opened(office: Office, chromium: Any) -> AsyncIterator[Callable[..., Any]]:
    """Open a page of a new context: `await opened(language="ru", width=320, dark=True)`."""
    async with AsyncExitStack() as stack:

        async def open_page(
            *, language: str = "en", width: int = 1280, height: int = 800, dark: bool = False
        ) -> Any:
            page, watch = await stack.enter_async_context(
                _page(office, chromium, language, width, height, dark)
            )
            stack.callback(watch.check)
            page.watch = watch
            return page

        yield open_page


@asynccontextmanager
async def _page(
    office: Office, chromium: Any, language: str, width: int, height: int, dark: bool
) -> AsyncIterator[tuple[Any, Watch]]:
    watch = Watch(office.url)
    context = await chromium.new_context(
        base_url=office.url,
        locale={"en": "en-GB"}.get(language, language),
        timezone_id="Europe/Paris",
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
    )
    try:
        context.set_default_timeout(PATIENCE_S * 1_000)
        slow_pages(context)
        await context.clock.install(time=office.clock())
        context.on("console", watch.on_console)
        context.on("weberror", lambda error: watch.complaints.append(str(error.error)))
        context.on("request", watch.on_request)
        yield await context.new_page(), watch
    finally:
        await context.close()


async def sign_in(page: Any, office: Office, role: str, to: str = "/office/board") -> None:
    """Sign in by typing, and be where one wanted to go."""
    await page.goto(to)
    await page.wait_for_url("**/office/sign-in?**")
    await page.locator("[name=login]:focus").wait_for()
    await page.keyboard.type(office.login(role))
    await page.keyboard.press("Tab")
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**{to}")
