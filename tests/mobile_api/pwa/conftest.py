"""A technician's phone in a browser, before a server that a test may kill and start again at its address."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from sqlmodel import select

from fsm.checklists import queries as checklists
from fsm.checklists.assignments import Subject, assign
from fsm.customers.tables import Site
from tests.fsm.evidence.pictures import encoded, scene
from tests.fsm.work_orders.steps import Job, dispatched_job
from tests.mobile_api.serving import Line, line_to, serving
from tests.pages.conftest import PASSWORD, Office, Watch, chromium, office

__all__ = ["chromium", "office"]

BUILT = Path(__file__).parents[3] / "mobile_api/pwa/built/built-from"

PUBLIC = ("/app/", "/sync/v1/", "/files", "/blobs/", "/api/sign-in", "/api/users/")
"""What the app may talk to: itself, the public sync API, the doors to sign in. The last is the test's own."""

CHECKLIST: dict[str, Any] = {
    "template_id": "lift-repair-full",
    "version": 1,
    "title": {"en": "Lift repair", "ru": "Ремонт лифта"},
    "items": [
        {
            "id": "safe",
            "kind": "yesno",
            "required": True,
            "label": {"en": "Lift secured", "ru": "Лифт обесточен"},
            "help": {"en": "Lock and tag the main switch.", "ru": "Заблокируйте рубильник."},
        },
        {
            "id": "cause",
            "kind": "choice",
            "required": True,
            "choices": [
                {"code": "wear", "label": {"en": "Wear", "ru": "Износ"}},
                {"code": "unknown", "label": {"en": "Unknown", "ru": "Неизвестно"}},
            ],
            "label": {"en": "Cause found", "ru": "Найденная причина"},
        },
        {
            "id": "observed",
            "kind": "text",
            "visible_if": 'has(answers.cause) && answers.cause.value == "unknown"',
            "required": True,
            "label": {"en": "What was observed", "ru": "Что наблюдалось"},
        },
        {
            "id": "reading",
            "kind": "number",
            "unit": "kPa",
            "min": 0,
            "max": 400,
            "required": True,
            "label": {"en": "Pressure", "ru": "Давление"},
        },
        {
            "id": "after",
            "kind": "photo",
            "photos_required": "1.0",
            "label": {"en": "Photo after repair", "ru": "Фото после ремонта"},
        },
        {
            "id": "customer",
            "kind": "signature",
            "required": True,
            "decline": True,
            "label": {"en": "Customer", "ru": "Клиент"},
        },
    ],
}


@dataclass
class Field:
    """The office with a machine to repair, and the address under which phones know the server."""

    office: Office
    url: str
    line: Line
    _serving: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def start(self) -> None:
        """Start a server; phones reach it where they reached the one before."""
        office = self.office
        self.line.port = await self._serving.enter_async_context(
            serving(office.settings, office.database, office.clock)
        )
        self.line.is_down = False

    async def kill(self) -> None:
        """End the server while phones are connected to it."""
        self.line.is_down = True
        self.line.hang_up()
        await self._serving.aclose()

    async def dispatched_job(self) -> Job:
        return await dispatched_job(self.office.database, self.office.company, self.office.clock)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def there(office: Office) -> AsyncIterator[Field]:
    """A server of its own, a dangerous site, and a checklist with a step of most kinds."""
    if not BUILT.exists():
        pytest.skip("the app is not built: python3 deploy/pages.py builds it")
    company, now = office.company, office.clock()
    async with office.database.transaction(company.id) as session:
        site = (await session.exec(select(Site).where(Site.id == company.site.id))).one()
        site.hazards = "Live parts behind the left door. Wear a helmet in the shaft."
        site.access_notes = "Key at the reception, ask for Mr Blanc."
        actor = company.actors["administrator"]
        template = await checklists.add_template(
            session, actor, now, code=CHECKLIST["template_id"], name="Lift repair"
        )
        await checklists.publish_version(session, actor, now, template.id, CHECKLIST)
        await assign(session, actor, now, template.id, Subject(site_id=company.site.id))
    async with line_to(0) as (line, url):
        field = Field(office, url, line)
        await field.start()
        yield field
        await field.kill()


@dataclass
class Phone:
    """The app in a page of its own context."""

    page: Any
    watch: Watch
    there: Field
    asked: set[str] = field(default_factory=set)
    """The paths of everything that the app has asked for."""

    async def sign_in(self) -> None:
        await self.page.goto("/app/index")
        await self.page.locator(".ways button").nth(1).click()
        await self.page.locator("input[autocomplete=username]").fill(
            self.there.office.login("technician")
        )
        await self.page.locator("input[type=password]").fill(PASSWORD)
        await self.page.locator("button[type=submit]").click()
        await self.page.locator("h1").wait_for()
        await self.page.locator("header .state").wait_for()

    async def enrol(self) -> None:
        """Set the phone up with a code that the office shows, typed as people type."""
        office = self.there.office
        issued = await self.page.request.post(
            f"/api/users/{office.company.users['technician'].id}/enrolment",
            headers=office.company.headers["administrator"],
        )
        await self.page.goto("/app/index")
        code = (await issued.json())["code"]
        await self.page.locator("input[autocomplete=one-time-code]").fill(code.lower())
        await self.page.locator("button[type=submit]").click()
        await self.page.locator("header .state").wait_for()

    async def press(self, name: str) -> None:
        await self.page.get_by_role("button", name=name, exact=True).click()

    async def is_quiet(self) -> None:
        """Wait until the app says that nothing is left to send."""
        await (
            self.page.locator("header .words", has_text="Online")
            .filter(has_text="Nothing waits here")
            .wait_for()
        )

    async def kept(self, store: str) -> list[dict[str, Any]]:
        """Return what lies in a store of the app's database, bytes left out."""
        return list(await self.page.evaluate(_ALL, store))


_ALL = """async store => {
  const name = localStorage.getItem('fsm.app.account');
  const open = indexedDB.open(name);
  const db = await new Promise((resolve, reject) => {
    open.onsuccess = () => resolve(open.result);
    open.onerror = () => reject(open.error);
  });
  const asked = db.transaction(store).objectStore(store).getAll();
  const rows = await new Promise(resolve => { asked.onsuccess = () => resolve(asked.result); });
  db.close();
  return JSON.parse(JSON.stringify(rows));
}"""


@asynccontextmanager
async def phone_in(
    there: Field, browser: Any, *, language: str = "en", dark: bool = False
) -> AsyncIterator[Phone]:
    """Open the app on a phone's screen in a context of its own; what it complains of fails the test."""
    watch = Watch(there.url)
    context = await browser.new_context(
        base_url=there.url,
        locale={"en": "en-GB", "ru": "ru-RU"}[language],
        timezone_id="Europe/Paris",
        viewport={"width": 360, "height": 740},
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
        has_touch=True,
        is_mobile=True,
    )
    try:
        context.set_default_timeout(30_000)
        await context.clock.install(time=there.office.clock())
        context.on("console", watch.on_console)
        context.on("weberror", lambda error: watch.complaints.append(str(error.error)))
        context.on("request", watch.on_request)
        phone = Phone(await context.new_page(), watch, there)

        def ask(request: Any) -> None:
            if not request.url.startswith("blob:"):  # what the page made itself
                phone.asked.add(urlsplit(request.url).path)

        context.on("request", ask)
        yield phone
        watch.check()
        assert [path for path in phone.asked if not path.startswith(PUBLIC)] == []
    finally:
        await context.close()


def picture(seed: int) -> dict[str, Any]:
    """Return a photo as a file chooser gives it, larger than what is sent."""
    content = encoded(scene(seed, (2_400, 1_800)), "JPEG")
    return {"name": f"{seed}.jpg", "mimeType": "image/jpeg", "buffer": content}


async def settled(check: Any, what: str, patience_s: float = 60) -> None:
    """Wait until something has come true on the server that the page does not tell of."""
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + patience_s
    while not await check():
        assert loop.time() < ends_at, f"in vain: {what}"
        await asyncio.sleep(0.1)
