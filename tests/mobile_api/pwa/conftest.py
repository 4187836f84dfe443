"""A technician's phone in a browser, before a server that a test may kill and start again at its address."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
import segno
from sqlmodel import col, select

from fsm.assets import documents
from fsm.checklists import queries as checklists
from fsm.checklists.assignments import Subject, assign
from fsm.customers.tables import Site
from fsm.evidence.blobs import StoredBlob, blob_store
from fsm.evidence.queries import keep_blob
from fsm.evidence.verification import Inspection
from fsm.parts.queries import add_movement
from fsm.parts.tables import MovementKind
from fsm.work_orders import field_work
from fsm.work_orders.lifecycle import VisitStatus
from fsm.work_orders.tables import Visit
from tests.conftest import Clock
from tests.fsm.evidence.pictures import encoded, scene
from tests.fsm.work_orders.steps import Job, dispatched_job
from tests.mobile_api.photos import Snap
from tests.mobile_api.serving import Line, line_to, serving
from tests.pages.conftest import PASSWORD, Office, Watch, chromium, office
from tests.pages.slowness import slow_pages
from tests.patience import PATIENCE_S, within

__all__ = ["chromium", "office"]

BUILT = Path(__file__).parents[3] / "mobile_api/pwa/built/built-from"

PUBLIC = ("/app/", "/sync/v1/", "/files", "/blobs/", "/api/sign-in", "/api/users/")
"""What the app may talk to: itself, the public sync API, the doors to sign in. The last is the test's own."""

MANUAL = Snap(b"%PDF-1.7 how to set the door drive of an LX 5")

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

    async def leave_all(self) -> None:
        """End what other tests have left the technician at work on."""
        office = self.office
        begun = (VisitStatus.TRAVELLING, VisitStatus.ON_SITE, VisitStatus.PAUSED)
        async with office.database.transaction(office.company.id) as session:
            found = list(await session.exec(select(Visit).where(col(Visit.status).in_(begun))))
        for one in found:
            job = Job(office.database, office.company, office.clock, one.work_order_id, one.id)
            await job.do(field_work.abort, None)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def standing(office: Office) -> AsyncIterator[Field]:
    """A server of its own, a dangerous site, and a checklist with a step of most kinds.

    The machine has a manual, and was repaired three weeks ago; the van is full of rollers.
    """
    if not BUILT.exists():
        pytest.skip("the app is not built: python3 deploy/pages.py builds it")
    company, now = office.company, office.clock()
    await _repaired_before(office)
    await blob_store(office.settings).put_small(company.id, MANUAL.content)
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
        await add_movement(
            session,
            actor,
            now,
            part_id=company.part.id,
            kind=MovementKind.CORRECTION,
            quantity=Decimal(40),
            to_place_id=company.van.id,
        )
        stored = StoredBlob(MANUAL.sha256, len(MANUAL.content), is_new=True)
        await keep_blob(session, company.system, now, stored, Inspection("application/pdf"))
        await documents.add_document(
            session,
            actor,
            now,
            model_id=company.model.id,
            sha256=MANUAL.digest,
            title="Door drive manual",
            language="en",
        )
    async with line_to(0) as (line, url):
        field = Field(office, url, line)
        await field.start()
        yield field
        await field.kill()


@pytest_asyncio.fixture(loop_scope="session")
async def there(standing: Field) -> AsyncIterator[Field]:
    """The same for a file's tests; one that fails while the server is down leaves it to others as it was."""
    yield standing
    if standing.line.is_down:
        await standing.start()


async def _repaired_before(office: Office) -> None:
    earlier = await dispatched_job(
        office.database, office.company, Clock(office.clock() - timedelta(days=20))
    )
    await earlier.do(field_work.start)
    await earlier.answer_all()
    await earlier.declare()
    await earlier.do(field_work.add_note, "Left roller replaced, the right one is next")
    await earlier.do(field_work.finish)


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

    async def sees(self, text: str) -> None:
        """Hold a printed code before the camera, until the page is loaded anew."""
        code = segno.make_qr(text)
        await self.page.evaluate(_CAMERA, [[bool(dark) for dark in row] for row in code.matrix])

    async def is_quiet(self) -> None:
        """Wait until the app says that nothing is left to send."""
        await (
            self.page.locator("header .words", has_text="Online")
            .filter(has_text="Nothing waits here")
            .wait_for()
        )

    async def kept(self, store: str) -> list[dict[str, Any]]:
        """Return what lies in a store of the app's database, bytes left out."""
        return list(await within(self.page.evaluate(_ALL, store), f"{store} is read"))

    async def can_start_offline(self) -> None:
        """Wait until what starts the app without a line is on the phone."""
        ready = self.page.evaluate("navigator.serviceWorker.ready.then(() => null)")
        await within(ready, "the service worker is ready")


_CAMERA = """rows => {
  // A camera that looks at a printed code: a canvas, whose stream stands for the camera's.
  const size = 8, edge = 4, side = (rows.length + 2 * edge) * size;
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = side;
  const pen = canvas.getContext('2d');
  const draw = () => {
    pen.fillStyle = '#fff';
    pen.fillRect(0, 0, side, side);
    pen.fillStyle = '#000';
    rows.forEach((row, y) => row.forEach((dark, x) => {
      if (dark) pen.fillRect((x + edge) * size, (y + edge) * size, size, size);
    }));
  };
  setInterval(draw, 50);
  draw();
  navigator.mediaDevices.getUserMedia = async () => canvas.captureStream(20);
  delete globalThis.BarcodeDetector;
}"""


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
        locale={"en": "en-GB"}.get(language, language),
        timezone_id="Europe/Paris",
        viewport={"width": 360, "height": 740},
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
        has_touch=True,
        is_mobile=True,
    )
    try:
        context.set_default_timeout(PATIENCE_S * 1_000)
        slow_pages(context)
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


async def settled(check: Any, what: str) -> None:
    """Wait until something has come true on the server that the page does not tell of."""
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + PATIENCE_S
    while not await check():
        assert loop.time() < ends_at, f"in vain: {what}"
        await asyncio.sleep(0.1)
