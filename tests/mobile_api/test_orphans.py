"""Bytes that a crash left without a row are deleted after a month; whatever anything speaks of stays."""

import asyncio
import os
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import httpx
import pytest
from uuid_utils.compat import uuid7

from fsm.database import Database, run
from fsm.evidence import queries as evidence
from fsm.evidence.blobs import BlobStore, blob_store, object_path
from fsm.evidence.verification import Inspection
from fsm.settings import Settings
from mobile_api import sequencer
from mobile_api.orphans import ORPHAN_LIFE, discard_orphans
from tests.company import Company

PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"


@pytest.fixture
def store(settings: Settings) -> BlobStore:
    return blob_store(settings)


@pytest.fixture
async def later(database: Database, company: Company) -> datetime:
    """An instant at which what is written now, and the feed's epoch, are old enough."""
    async with database.transaction(company.id) as session:
        await sequencer.read_head(session, company.id)
    return datetime.now(UTC) + ORPHAN_LIFE + timedelta(hours=1)


async def test_bytes_without_a_row_go_after_a_month_and_all_others_stay(
    client: httpx.AsyncClient,
    database: Database,
    company: Company,
    stranger: Company,
    store: BlobStore,
    later: datetime,
) -> None:
    stored = await client.post("/api/files", content=PDF, headers=company.headers["administrator"])
    assert stored.status_code == 201, stored.text
    orphan = await store.put_small(company.id, b"written before the crash, its row never was")
    upload = await store.put_small(company.id, b"finished, its upload is still open")
    foreign = await store.put_small(stranger.id, b"another company's")
    async with database.transaction(company.id) as session:
        await run(
            session,
            "insert into upload (tenant_id, id, received, upload_metadata, sha256, created_at,"
            " expires_at, is_contested, is_all_or_nothing, concat)"
            " values (:t, :id, 0, '', :s, now(), now(), false, false, '')",
            t=company.id,
            id=uuid7(),
            s=bytes.fromhex(upload.sha256),
        )
    month_before = later - timedelta(hours=2)
    assert await discard_orphans(database, store, company.id, month_before) == 0
    assert await discard_orphans(database, store, company.id, later) == 1
    assert not await store.exists(company.id, orphan.sha256)
    for tenant_id, name in (
        (company.id, stored.json()["sha256"]),
        (company.id, upload.sha256),
        (stranger.id, foreign.sha256),
    ):
        assert await store.exists(tenant_id, name)


async def test_nothing_goes_for_a_month_after_the_database_was_set_back(
    database: Database, company: Company, store: BlobStore, settings: Settings, later: datetime
) -> None:
    """Rows of the bytes may be among what was lost; phones and backups tell them again."""
    orphan = await store.put_small(company.id, b"older than the restore")
    long_ago = (datetime.now(UTC) - 2 * ORPHAN_LIFE).timestamp()
    path = settings.blob_dir / str(company.id) / object_path(orphan.sha256)
    os.utime(path, (long_ago, long_ago))
    assert await discard_orphans(database, store, company.id, datetime.now(UTC)) == 0
    assert await store.exists(company.id, orphan.sha256)
    assert await discard_orphans(database, store, company.id, later) == 1


async def test_bytes_that_get_their_row_at_this_moment_stay(
    database: Database, company: Company, store: BlobStore, later: datetime
) -> None:
    """They were sent again: the row is written, but not committed when the sweep comes by."""
    content = b"sent again after a month"
    stored = await store.put_small(company.id, content)
    actor = company.actors["technician"]
    async with database.transaction(company.id) as session:
        await evidence.keep_blob(session, actor, later, stored, Inspection(mime="image/jpeg"))
        sweeping = asyncio.create_task(discard_orphans(database, store, company.id, later))
        while not await _somebody_waits(database, company):
            await asyncio.sleep(0)
    assert await sweeping == 0
    assert await store.exists(company.id, sha256(content).hexdigest())


async def _somebody_waits(database: Database, company: Company) -> bool:
    async with database.transaction(company.id) as session:
        waiting = await run(
            session,
            "select exists (select from pg_locks l join pg_database d on d.oid = l.database"
            " where d.datname = current_database() and l.locktype = 'advisory' and not l.granted)",
        )
        return bool(waiting.scalar_one())
