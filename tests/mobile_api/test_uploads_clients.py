"""Other people's tus clients, unmodified, against our server over a line that fails: tus-js-client, tuspy."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select
from tusclient.client import TusClient
from tusclient.exceptions import TusUploadFailed
from tusclient.uploader import Uploader

from fsm.database import Database
from fsm.settings import Settings
from fsm.technicians.tables import Technician
from fsm.work_orders.lifecycle import VisitStatus
from fsm.work_orders.records import Photo
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.evidence.s3_faults import (
    Exchange,
    cuts_the_request,
    damages_the_request,
    loses_the_answer,
)
from tests.fsm.work_orders.steps import Job, dispatched_job
from tests.mobile_api.live import Live, serving
from tests.mobile_api.phones import new_phone
from tests.mobile_api.photos import Snap, receipt_row, snap, upload_row
from tests.node import runtime

README = Path(__file__).parents[2] / "mobile_api/compat/README.md"
SCRIPT = runtime.HERE / "tus.mjs"
PART = 20_000


@pytest.fixture
async def live(
    settings: Settings, database: Database, company: Company, clock: Clock
) -> AsyncIterator[Live]:
    async with serving(settings, database, company, clock) as live:
        yield live


@pytest.fixture
def photo() -> Snap:
    """A photo of some parts of `PART` bytes."""
    return Snap(snap(1, (640, 480)).content + bytes(5 * PART))


@dataclass
class JavaScript:
    """An app with tus-js-client and the files it keeps between its runs."""

    live: Live
    folder: Path

    async def upload(self, photo: Snap, *, options: Any = None, **job: Any) -> dict[str, Any]:
        """Run the app once: it goes on where an earlier run stopped, and says what it did."""
        file = self.folder / photo.sha256
        if not file.exists():
            file.write_bytes(photo.content)
        given = {
            "endpoint": f"{self.live.url}/files",
            "headers": self.live.phone.headers,
            "metadata": photo.metadata,
            "file": str(file),
            "storage": str(self.folder / "uploads.json"),
            "options": {"chunkSize": PART, **(options or {})},
            **job,
        }
        said = await asyncio.to_thread(runtime.run, SCRIPT, given=json.dumps(given))
        outcome: dict[str, Any] = json.loads(said)
        return outcome


@pytest.fixture
def app(live: Live, tmp_path: Path) -> JavaScript:
    (tmp_path / "app").mkdir()
    return JavaScript(live, tmp_path / "app")


def offsets(outcome: dict[str, Any]) -> list[int]:
    """Return where the requests with bytes began."""
    return [int(offset) for method, offset in outcome["requests"] if method == "PATCH"]


# --- tus-js-client ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"uploadDataDuringCreation": True},
        {"uploadLengthDeferred": True},
        {"overridePatchMethod": True},
        {"parallelUploads": 3},
        {"chunkSize": 10_000_000},
    ],
    ids=lambda options: next(iter(options), "plain"),
)
async def test_tus_js_client_uploads(
    app: JavaScript, database: Database, company: Company, photo: Snap, options: dict[str, Any]
) -> None:
    outcome = await app.upload(photo, options=options)
    assert outcome["url"].startswith(f"{app.live.url}/files/"), outcome
    assert await receipt_row(database, company, photo) is not None


async def test_tus_js_client_goes_on_in_another_run_where_it_was_stopped(
    app: JavaScript, database: Database, company: Company, photo: Snap
) -> None:
    first = await app.upload(photo, stopAfter=2 * PART)
    second = await app.upload(photo)
    assert second["url"] == first["url"]
    assert second["requests"][0][0] == "HEAD"
    assert min(offsets(second)) >= 2 * PART
    assert await receipt_row(database, company, photo) is not None


@pytest.mark.parametrize(
    ("fault", "befallen", "parallel"),
    [
        (cuts_the_request, "PATCH", 1),
        (cuts_the_request, "PATCH", 3),
        (loses_the_answer, "PATCH", 3),
        (loses_the_answer, "POST", 1),
        (loses_the_answer, "HEAD", 1),
    ],
)
async def test_tus_js_client_gets_through_a_line_that_breaks(
    app: JavaScript,
    database: Database,
    company: Company,
    photo: Snap,
    fault: Callable[[Exchange], None],
    befallen: str,
    parallel: int,
) -> None:
    if befallen == "HEAD":  # it asks only after something else went wrong
        app.live.line.fail(cuts_the_request, "PATCH")
    app.live.line.fail(fault, befallen)
    outcome = await app.upload(photo, options={"parallelUploads": parallel})
    assert "url" in outcome, outcome
    assert app.live.line.happened
    assert await receipt_row(database, company, photo) is not None


async def test_tus_js_client_sends_no_byte_again_that_was_acknowledged(
    app: JavaScript, photo: Snap
) -> None:
    app.live.line.fail(loses_the_answer, "PATCH")
    outcome = await app.upload(photo)
    assert offsets(outcome) == list(range(0, len(photo.content), PART))


async def test_tus_js_client_learns_from_the_lost_last_answer_that_all_is_there(
    app: JavaScript, database: Database, company: Company, photo: Snap
) -> None:
    app.live.line.fail(loses_the_answer, "PATCH")
    outcome = await app.upload(photo, options={"chunkSize": 10_000_000})
    assert [method for method, _ in outcome["requests"]] == ["POST", "PATCH", "HEAD"]
    assert "url" in outcome
    assert await receipt_row(database, company, photo) is not None


async def test_tus_js_client_repeats_the_order_of_parts_whose_answer_was_lost(
    app: JavaScript, database: Database, company: Company, photo: Snap
) -> None:
    def the_fourth_post(exchange: Exchange) -> Callable[[Exchange], None] | None:
        posts.append(exchange.request) if exchange.request.startswith("POST") else None
        return loses_the_answer if len(posts) == 4 and not app.live.line.happened else None

    posts: list[str] = []
    app.live.line.choose = the_fourth_post
    options = {"parallelUploads": 3}
    lost = await app.upload(photo, options=options)
    assert "error" in lost, "it leaves this retry to the app"
    again = await app.upload(photo, options=options)
    assert "url" in again
    assert offsets(again) == [], "the parts are still there"
    assert await receipt_row(database, company, photo) is not None


@pytest.mark.parametrize("parallel", [1, 2])
async def test_tus_js_client_ends_an_upload(
    app: JavaScript, database: Database, company: Company, photo: Snap, parallel: int
) -> None:
    ended = await app.upload(
        photo, stopAfter=PART, terminate=True, options={"parallelUploads": parallel}
    )
    assert [method for method, _ in ended["requests"]].count("DELETE") == parallel
    if parallel == 1:
        assert await upload_row(database, company, ended["url"]) is None
    assert await receipt_row(database, company, photo) is None


async def test_tus_js_client_finds_that_bytes_sent_before_need_not_be_sent_again(
    app: JavaScript, database: Database, company: Company, photo: Snap
) -> None:
    await app.upload(photo)
    again = Snap(photo.content)
    (app.folder / "uploads.json").unlink()
    outcome = await app.upload(again)
    assert "url" in outcome
    # It begins at 0 without looking at the creation's answer, is told, asks, and is done.
    assert [method for method, _ in outcome["requests"]] == ["POST", "PATCH", "HEAD"]
    assert await receipt_row(database, company, again) is not None


async def test_tus_js_client_is_told_when_the_bytes_are_not_the_photo(
    app: JavaScript, database: Database, company: Company, photo: Snap
) -> None:
    other = Snap(photo.content[:-1] + b"!")
    outcome = await app.upload(photo, metadata=other.metadata)
    assert outcome["status"] == 422
    assert await receipt_row(database, company, other) is None


# --- tuspy ------------------------------------------------------------------------------------------------


def uploader(live: Live, photo: Snap, **options: Any) -> Uploader:
    client = TusClient(f"{live.url}/files", headers=dict(live.phone.headers))
    return client.uploader(
        file_stream=BytesIO(photo.content),
        **{"metadata": photo.metadata, "chunk_size": PART, "retry_delay": 0, **options},
    )


@pytest.mark.parametrize(("chunk_size", "upload_checksum"), [(PART, True), (10_000_000, False)])
async def test_tuspy_uploads(
    live: Live,
    database: Database,
    company: Company,
    photo: Snap,
    chunk_size: int,
    upload_checksum: bool,
) -> None:
    options = {"chunk_size": chunk_size, "upload_checksum": upload_checksum}
    await asyncio.to_thread(lambda: uploader(live, photo, **options).upload())
    assert await receipt_row(database, company, photo) is not None


async def test_tuspy_goes_on_in_another_run_that_knows_only_the_address(
    live: Live, database: Database, company: Company, photo: Snap
) -> None:
    def send_some() -> str:
        first = uploader(live, photo, upload_checksum=True)
        first.upload(stop_at=2 * PART)
        return str(first.url)

    def send_rest(url: str) -> None:
        second = uploader(live, photo, url=url, upload_checksum=True)
        assert second.offset == 2 * PART
        second.upload()

    await asyncio.to_thread(send_rest, await asyncio.to_thread(send_some))
    assert await receipt_row(database, company, photo) is not None


@pytest.mark.parametrize(
    ("fault", "upload_checksum"),
    [(cuts_the_request, True), (cuts_the_request, False), (loses_the_answer, True)],
)
async def test_tuspy_gets_through_a_line_that_breaks(
    live: Live,
    database: Database,
    company: Company,
    photo: Snap,
    fault: Callable[[Exchange], None],
    upload_checksum: bool,
) -> None:
    live.line.fail(fault, "PATCH", times=2)
    options = {"retries": 3, "upload_checksum": upload_checksum}
    await asyncio.to_thread(lambda: uploader(live, photo, **options).upload())
    assert len(live.line.happened) == 2
    assert await receipt_row(database, company, photo) is not None


async def test_tuspy_sends_again_what_its_checksum_shows_was_damaged(
    live: Live, database: Database, company: Company, photo: Snap
) -> None:
    live.line.fail(damages_the_request, "PATCH", times=2)
    options = {"retries": 3, "upload_checksum": True}
    await asyncio.to_thread(lambda: uploader(live, photo, **options).upload())
    assert await receipt_row(database, company, photo) is not None


async def test_tuspy_is_told_when_the_bytes_are_not_the_photo(live: Live, photo: Snap) -> None:
    live.line.fail(damages_the_request, "PATCH")
    with pytest.raises(TusUploadFailed) as refusal:
        await asyncio.to_thread(lambda: uploader(live, photo).upload())
    assert refusal.value.status_code == 422


# --- a visit that was given away meanwhile ----------------------------------------------------------------


@pytest.mark.parametrize("client", ["tus-js-client", "tuspy"])
async def test_a_photo_of_a_visit_reassigned_while_the_phone_was_offline_still_arrives(
    client: str,
    app: JavaScript,
    live: Live,
    database: Database,
    company: Company,
    clock: Clock,
    photo: Snap,
) -> None:
    job = await dispatched_job(database, company, clock)
    phone = await new_phone(live.phone.client, company, clock)
    taken = phone.intent(
        "photo.add",
        **photo.metadata,
        visit_id=str(job.visit_id),
        item="after",
        slot=0,
        size=len(photo.content),
        mime="image/jpeg",
        captured_at=clock().isoformat(),
    )
    await give_away(live, database, company, job)
    (outcome,) = await phone.push(taken)
    assert outcome["status"] == "applied", outcome
    live.phone.headers = phone.headers
    if client == "tuspy":
        await asyncio.to_thread(as_published, live, photo)
    else:
        assert "url" in await app.upload(photo)
    assert await receipt_row(database, company, photo) is not None
    async with database.transaction(company.id) as session:
        (stored,) = await session.exec(select(Photo).where(Photo.work_order_id == job.id))
    assert (stored.visit_id, stored.state) == (job.visit_id, "verified")


def as_published(live: Live, photo: Snap) -> None:
    """Upload by the lines that app authors are told to copy."""
    (lines,) = re.findall("```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    token = live.phone.headers["Authorization"].removeprefix("Bearer ")
    about = {"url": live.url, "token": token, "stream": BytesIO(photo.content), **photo.metadata}
    exec(lines, {"TusClient": TusClient, **about})


async def give_away(live: Live, database: Database, company: Company, job: Job) -> None:
    """Have the office give the job's visit to another technician."""
    async with database.transaction(company.id) as session:
        other = Technician(tenant_id=company.id, number="T-2", name="Clara", zone="UTC")
        session.add(other)
    answer = await live.phone.client.patch(
        f"/api/visits/{job.visit_id}",
        headers=company.headers["dispatcher"],
        json={"rev": (await job.visit()).rev, "technician_id": str(other.id)},
    )
    assert answer.status_code == 200, answer.text
    assert (await job.visit()).status == VisitStatus.WITHDRAWN
