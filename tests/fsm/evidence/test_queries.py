"""Who holds which bytes, what a receipt says, and what the worker makes of a stored photo."""

import asyncio
import hashlib
from datetime import datetime
from pathlib import Path

import pytest
from sqlmodel import col, select

from fsm import jobs
from fsm.database import Database, Session, run
from fsm.evidence import queries
from fsm.evidence.blobs import BlobStore, StoredBlob, blob_store
from fsm.evidence.jobs import BLOB_FINGERPRINTED, BLOB_STORED, make_thumbnail
from fsm.evidence.receipts import Receipt, ReceiptKey, verify_receipt
from fsm.evidence.tables import Blob
from fsm.evidence.verification import BrokenMedia, Inspection, TooManyPixels, inspect
from fsm.jobs import Job
from fsm.problems import Conflict, NotFound
from fsm.settings import Settings
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.evidence.pictures import (
    encoded,
    heic,
    jpeg_of_many_scans,
    png_claiming,
    png_with_text_bomb,
    scene,
)

JPEG = Inspection("image/jpeg", 64, 48)


def stored(content: bytes) -> StoredBlob:
    return StoredBlob(hashlib.sha256(content).hexdigest(), len(content), is_new=True)


async def queued(session: Session) -> list[tuple[str, Job]]:
    rows = await run(session, "select entrypoint, payload from pgqueuer order by id")
    return [(row.entrypoint, jobs.decode(row.payload)) for row in rows]


async def test_only_who_sent_the_bytes_holds_them(
    database: Database, company: Company, stranger: Company, clock: Clock
) -> None:
    blob = stored(b"photo")
    digest = bytes.fromhex(blob.sha256)
    technician = company.actors["technician"]
    async with database.transaction(company.id) as session:
        assert not await queries.holds(session, technician, digest)
        await queries.keep_blob(session, technician, clock(), blob, JPEG)
    async with database.transaction(company.id) as session:
        assert await queries.holds(session, technician, digest)
        assert await queries.holds(session, technician, digest, size=5, mime="image/jpg")
        assert not await queries.holds(session, technician, digest, size=6)
        assert not await queries.holds(session, technician, digest, mime="image/png")
        assert not await queries.holds(session, company.actors["dispatcher"], digest)
        assert not await queries.holds(session, company.system, digest)
    async with database.transaction(stranger.id) as session:
        assert not await queries.holds(session, stranger.actors["technician"], digest)
        with pytest.raises(NotFound):
            await queries.find_blob(session, stranger.actors["technician"], digest)


async def test_new_bytes_set_off_one_job_and_keep_their_first_row(
    database: Database, company: Company, clock: Clock
) -> None:
    blob = stored(b"photo")
    first = clock()
    for role in ("technician", "technician", "dispatcher"):
        async with database.transaction(company.id) as session:
            row = await queries.keep_blob(session, company.actors[role], clock(), blob, JPEG)
            assert row.stored_at == first
        clock.forward(minutes=1)
    async with database.transaction(company.id) as session:
        assert await queued(session) == [(BLOB_STORED, Job(company.id, {"sha256": blob.sha256}))]
        for role in ("technician", "dispatcher"):
            actor = company.actors[role]
            assert await queries.holds(session, actor, bytes.fromhex(blob.sha256))


async def test_bytes_and_a_citation_that_cross_do_not_miss_each_other(
    database: Database, company: Company, clock: Clock
) -> None:
    """The citation asks first and commits late: the bytes wait, so they can look for it."""
    blob = stored(b"photo")
    actor = company.actors["technician"]
    order: list[str] = []

    async def keep() -> None:
        async with database.transaction(company.id) as session:
            await queries.keep_blob(session, actor, clock(), blob, JPEG)
            order.append("kept")

    async with database.transaction(company.id) as session:
        assert not await queries.holds(session, actor, bytes.fromhex(blob.sha256))
        keeping = asyncio.create_task(keep())
        while not await is_somebody_waiting(database):
            await asyncio.sleep(0.01)
        order.append("cited")
    await keeping
    assert order == ["cited", "kept"]


async def is_somebody_waiting(database: Database) -> bool:
    async with database.transaction() as session:
        waiting = await run(
            session,
            "select count(*) from pg_locks where locktype = 'advisory' and not granted",
        )
        return bool(waiting.scalar_one())


async def test_a_photo_keeps_its_first_receipt(
    database: Database, company: Company, settings: Settings, clock: Clock
) -> None:
    key = ReceiptKey.from_seed(settings.receipt_key_seed)
    actor = company.actors["technician"]
    photo_id, digest = company.asset.id, bytes(32)
    clock.forward(microseconds=1_234)

    async def issue(session: Session, now: datetime, sha256: bytes) -> Receipt:
        return await queries.issue_receipt(
            session, actor, now, key, photo_id=photo_id, sha256=sha256, size=7
        )

    async with database.transaction(company.id) as session:
        assert await queries.find_receipt(session, actor, photo_id) is None
        first = await issue(session, clock(), digest)
    clock.forward(hours=1)
    async with database.transaction(company.id) as session:
        again = await issue(session, clock(), digest)
        assert (again.received_at, again.signature) == (first.received_at, first.signature)
        verify_receipt(again.to_json(), {key.kid: key.public})
        with pytest.raises(Conflict):
            await issue(session, clock(), bytes(31) + b"x")


# --- thumbnails -------------------------------------------------------------------------------------------


@pytest.fixture
def store(settings: Settings) -> BlobStore:
    return blob_store(settings)


async def shrink(
    database: Database, company: Company, store: BlobStore, content: bytes, now: datetime
) -> Blob:
    """Keep a picture and let the worker's function have it."""
    blob = await store.put_small(company.id, content)
    try:
        inspection = inspect(content)
    except (BrokenMedia, TooManyPixels):
        inspection = Inspection("image/png" if content.startswith(b"\x89PNG") else "image/jpeg")
    async with database.transaction(company.id) as session:
        await queries.keep_blob(session, company.actors["technician"], now, blob, inspection)
    job = Job(company.id, {"sha256": blob.sha256})
    for _ in range(2):  # a job may run twice
        async with database.transaction(company.id) as session:
            await make_thumbnail(session, job, store)
    async with database.transaction(company.id) as session:
        return await queries.find_blob(session, company.system, bytes.fromhex(blob.sha256))


async def test_a_photo_gets_a_small_picture_and_a_fingerprint(
    database: Database, company: Company, store: BlobStore, clock: Clock
) -> None:
    content = encoded(scene(1, (1200, 900)), "JPEG")
    blob = await shrink(database, company, store, content, clock())
    assert blob.perceptual_hash is not None
    assert blob.thumbnail_sha256 is not None
    async with database.transaction(company.id) as session:
        small = await queries.find_blob(session, company.system, blob.thumbnail_sha256)
        names = [name for name, _ in await queued(session)]
    assert small.info == {"thumbnail_of": blob.sha256.hex(), "width": 480, "height": 360}
    assert small.size == (await store.stat(company.id, small.sha256.hex())).size
    assert names == [BLOB_STORED, BLOB_FINGERPRINTED]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (png_claiming(40_000, 40_000), "too-many-pixels"),
        (jpeg_of_many_scans(), "cannot-decode"),
        (heic(4032, 3024), "cannot-decode"),
        (b"\xff\xd8\xff\xe0 and then nothing", "cannot-decode"),
    ],
    ids=["40,000 pixels a side", "500 scans", "HEIC", "broken"],
)
async def test_a_hostile_picture_is_kept_and_never_opened(
    database: Database,
    company: Company,
    store: BlobStore,
    clock: Clock,
    content: bytes,
    reason: str,
) -> None:
    blob = await shrink(database, company, store, content, clock())
    assert blob.thumbnail_sha256 is None
    assert blob.info["no_thumbnail"] == reason
    assert await store.exists(company.id, blob.sha256.hex())


async def test_a_bomb_in_a_pictures_text_does_not_go_off(
    database: Database, company: Company, store: BlobStore, clock: Clock
) -> None:
    blob = await shrink(database, company, store, png_with_text_bomb(), clock())
    assert ("no_thumbnail" in blob.info) != (blob.thumbnail_sha256 is not None)


async def test_a_file_too_large_for_the_memory_is_kept_and_not_read(
    database: Database,
    company: Company,
    store: BlobStore,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    content = encoded(scene(1), "JPEG")
    monkeypatch.setattr("fsm.evidence.jobs.MAX_BYTES", len(content) - 1)
    blob = await shrink(database, company, store, content, clock())
    assert (blob.thumbnail_sha256, blob.info["no_thumbnail"]) == (None, "too-many-bytes")
    assert await store.exists(company.id, blob.sha256.hex())


async def test_videos_and_bytes_that_are_gone_need_no_thumbnail(
    database: Database, company: Company, store: BlobStore, settings: Settings, clock: Clock
) -> None:
    video = await store.put_small(company.id, b"\0\0\0\x14ftypisom\0\0\0\0isom")
    gone = stored(b"gone")
    for blob, mime in ((video, "video/mp4"), (gone, "image/jpeg")):
        async with database.transaction(company.id) as session:
            await queries.keep_blob(session, company.system, clock(), blob, Inspection(mime))
        async with database.transaction(company.id) as session:
            await make_thumbnail(session, Job(company.id, {"sha256": blob.sha256}), store)
    async with database.transaction(company.id) as session:
        rows = await session.exec(select(Blob.mime, Blob.info).order_by(col(Blob.mime)))
        found = dict(rows.all())
    assert found["image/jpeg"]["no_thumbnail"] == "no-such-blob"
    assert "no_thumbnail" not in found["video/mp4"]
    assert not list(Path(settings.blob_dir).rglob("*.tmp"))
