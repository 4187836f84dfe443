"""Bytes that no row speaks of: the process or its database fell after storing, before writing them down.

Or the database was set back to a backup, and the phones that sent them have their receipts and have let go of
their copies: what such photos wait for is adopted. Everything else is deleted after a month.

Whoever makes a row of bytes holds their hash from before it looks for them in the store until the commit. So
what is deleted under the same hold, with no row to be seen, is missed by nobody.
"""

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from fsm.actors import system_actor
from fsm.database import Database, Session, run
from fsm.evidence import queries as evidence
from fsm.evidence.blobs import BlobStore, NoSuchBlob, StoredBlob
from fsm.evidence.receipts import ReceiptKey
from fsm.evidence.verification import sha256_of
from fsm.work_orders import field_work
from mobile_api import sequencer
from mobile_api.received import REFUSED, acknowledge, look_into

ORPHAN_LIFE = timedelta(days=30)
"""How long they stay: a phone that was told nothing sends them again long before that."""

_UNKNOWN = """
select c.sha256 from unnest(cast(:digests as bytea[])) c (sha256)
where not exists (select from blob b where b.tenant_id = :t and b.sha256 = c.sha256)
order by c.sha256
"""
_NAMED = """
select exists (select from blob where tenant_id = :t and sha256 = :s)
  or exists (select from photo where tenant_id = :t and sha256 = :s)
  or exists (select from receipt where tenant_id = :t and sha256 = :s)
  or exists (select from upload where tenant_id = :t and sha256 = :s)
"""
"""Whether anything speaks of them, be it only a phone that has yet to send them again."""

_AWAITED = """
select p.id, p.sha256, p.size, p.device_id, p.user_id from photo p
where p.tenant_id = :t and p.state in ('declared', 'uploading') and p.retracted_at is null
  and not exists (select from blob b where b.tenant_id = p.tenant_id and b.sha256 = p.sha256)
order by p.id
"""

log = logging.getLogger("mobile_api.orphans")


async def adopt_orphans(
    database: Database, store: BlobStore, key: ReceiptKey, tenant_id: UUID, now: datetime
) -> int:
    """Let photos count whose bytes outlived their rows in the store; return how many were adopted.

    Only while the database may have been set back. That somebody declares a hash is proof enough then: this
    company's store holds bytes under it that nobody else has a row of.
    """
    async with database.transaction(tenant_id) as session:
        head = await sequencer.read_head(session, tenant_id)
        if _begun_at(head.epoch) <= now - ORPHAN_LIFE:
            return 0
        awaited = list(await run(session, _AWAITED, t=tenant_id))
    adopted = 0
    for photo in awaited:
        adopted += await _adopt(database, store, key, tenant_id, now, photo)
    return adopted


async def _adopt(
    database: Database,
    store: BlobStore,
    key: ReceiptKey,
    tenant_id: UUID,
    now: datetime,
    photo: Any,
) -> bool:
    name = photo.sha256.hex()
    try:
        if await sha256_of(await store.open(tenant_id, name)) != (name, photo.size):
            return False
        inspection, doubt = await look_into(store, tenant_id, name)
    except (NoSuchBlob, *REFUSED):
        return False
    actor = replace(
        system_actor(tenant_id, "orphans"), user_id=photo.user_id, device_id=photo.device_id
    )
    async with database.transaction(tenant_id) as session:
        await field_work.lock_awaiting_jobs(session, actor, photo.sha256)
        await evidence.hold_digest(session, actor, photo.sha256)
        if not await store.exists(tenant_id, name):  # refused under another photo's name meanwhile
            return False
        stored = StoredBlob(name, photo.size)
        await evidence.keep_blob(session, actor, now, stored, inspection, **doubt)
        await acknowledge(
            session, actor, now, key, photo_id=photo.id, sha256=photo.sha256, size=photo.size
        )
    log.info("adopted %s, which photo %s of tenant %s waits for", name, photo.id, tenant_id)
    return True


async def discard_orphans(
    database: Database, store: BlobStore, tenant_id: UUID, now: datetime
) -> int:
    """Delete a tenant's bytes that nothing speaks of and nobody wrote for `ORPHAN_LIFE`; return how many.

    Not while the database may have been set back: what is in the store may then be the last of it, until
    phones and backups have told it again.
    """
    async with database.transaction(tenant_id) as session:
        head = await sequencer.read_head(session, tenant_id)
    if _begun_at(head.epoch) > now - ORPHAN_LIFE:
        return 0
    discarded = 0
    async for names in store.list_blobs(tenant_id, now - ORPHAN_LIFE):
        digests = [bytes.fromhex(name) for name in names]
        async with database.transaction(tenant_id) as session:
            found = await run(session, _UNKNOWN, t=tenant_id, digests=digests)
            unknown = list(found.scalars())
        for digest in unknown:
            async with database.transaction(tenant_id) as session:
                discarded += await _discard(session, store, tenant_id, digest)
    return discarded


async def _discard(session: Session, store: BlobStore, tenant_id: UUID, digest: bytes) -> bool:
    await evidence.hold_digest(session, system_actor(tenant_id, "orphans"), digest)
    named = await run(session, _NAMED, t=tenant_id, s=digest)
    if named.scalar_one():
        return False
    await store.delete(tenant_id, digest.hex())
    log.info("deleted %s, which nothing of tenant %s speaks of", digest.hex(), tenant_id)
    return True


def _begun_at(epoch: UUID) -> datetime:
    """Return when an epoch began: its id is a UUIDv7."""
    return datetime.fromtimestamp((epoch.int >> 80) / 1000, UTC)
