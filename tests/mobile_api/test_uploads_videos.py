"""Videos as evidence: by the same path as photos, held to the limits of their checklist item."""

import httpx
import pytest

from fsm.checklists.templates import publish
from fsm.database import Database
from fsm.work_orders.closing import verdict
from fsm.work_orders.closing_facts import PhotoState
from fsm.work_orders.facts import load_facts
from fsm.work_orders.tables import WorkOrder
from tests.company import CHECKLIST, Company
from tests.conftest import Clock
from tests.fsm.evidence.pictures import movie
from tests.mobile_api.photos import (
    Phone,
    Snap,
    add_job,
    blob_row,
    declare,
    photo_state,
    receipt_row,
    register_phone,
)

FILM = {
    "id": "run",
    "kind": "video",
    "required": True,
    "mime": ["video/mp4"],
    "max_seconds": 20,
    "max_bytes": 300_000,
    "label": {"en": "The lift running"},
}
TEMPLATE = publish({**CHECKLIST, "version": 2, "items": [FILM]})


@pytest.fixture
async def phone(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> Phone:
    return Phone(client, await register_phone(database, company, clock))


async def unmet(database: Database, company: Company, job: WorkOrder) -> list[tuple[str, str]]:
    """Return what the item still wants of the job's videos."""
    async with database.transaction(company.id) as session:
        row = await session.get(WorkOrder, (company.id, job.id))
        assert row is not None
        found = verdict(TEMPLATE, await load_facts(session, row, TEMPLATE))
    return [(one.at, str(one.code)) for one in found.unmet]


async def test_a_video_comes_in_parts_and_proves_its_step(
    phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    job, visit = await add_job(database, company, clock)
    film = Snap(movie(12.5, data=250_000))
    await declare(database, company, clock, visit, film, item="run", mime="video/mp4")
    assert await unmet(database, company, job) == [("/items/run/photos/0", "photo_pending")]
    path = await phone.start(film)
    for at in range(0, len(film.content), 100_000):
        sent = await phone.send(path, at, film.content[at : at + 100_000])
        assert sent.status_code == 204
    assert await photo_state(database, company, film) == PhotoState.VERIFIED
    assert await receipt_row(database, company, film) is not None
    blob = await blob_row(database, company, film)
    assert blob is not None
    assert (blob.mime, blob.info["seconds"]) == ("video/mp4", 12.5)
    assert await unmet(database, company, job) == []
    shown = {**phone.headers, "Range": "bytes=0-99"}
    read = await phone.client.get(f"/blobs/{film.sha256}", headers=shown)
    assert (read.status_code, read.content) == (206, film.content[:100])
    assert read.headers["Content-Type"] == "video/mp4"


@pytest.mark.parametrize(
    ("content", "mime"),
    [
        (movie(20.5), "video/mp4"),
        (movie(5, data=300_001), "video/mp4"),
        (movie(5, brand=b"qt  "), "video/quicktime"),
    ],
    ids=["too long", "too large", "of another kind"],
)
async def test_a_video_beyond_its_items_limits_is_kept_and_proves_nothing(
    phone: Phone, database: Database, company: Company, clock: Clock, content: bytes, mime: str
) -> None:
    job, visit = await add_job(database, company, clock)
    film = Snap(content)
    await declare(database, company, clock, visit, film, item="run", mime=mime)
    assert (await phone.deliver(film)).status_code == 204
    assert await photo_state(database, company, film) == PhotoState.VERIFIED
    missing = await unmet(database, company, job)
    assert missing
    assert all(at.startswith("/items/run") for at, _ in missing)


async def test_a_video_that_is_called_something_else_is_refused(
    phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    _, visit = await add_job(database, company, clock)
    film = Snap(movie(5, brand=b"qt  "))
    await declare(database, company, clock, visit, film, item="run", mime="video/mp4")
    refused = await phone.deliver(film)
    assert (refused.status_code, refused.json()["code"]) == (422, "media-mismatch")
    assert await photo_state(database, company, film) == PhotoState.CORRUPT
