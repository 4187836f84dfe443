"""Everything about blobs, who sent them, and receipts that touches the database.

Bytes and declarations come in either order, from two connections of one phone. Whoever asks for
a hash here therefore holds it until the commit: without that, a photo declared in the moment its
bytes arrive would be seen by neither transaction and wait for ever.
"""

from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256 as hash_of
from typing import Any
from uuid import UUID

import msgspec
from sqlmodel import col, select

from fsm import jobs
from fsm.actors import Actor
from fsm.database import Session, fetch
from fsm.evidence import receipts
from fsm.evidence.blobs import StoredBlob
from fsm.evidence.signing_keys import publish
from fsm.evidence.tables import Blob, BlobHolder, Receipt
from fsm.evidence.verification import Inspection, agrees
from fsm.plain import Plain
from fsm.problems import Conflict, NotFound

#: The job that a new blob sets off: `{"sha256": hexadecimal}`.
BLOB_STORED = "blob.stored"


async def hold_digest(session: Session | Plain, actor: Actor, sha256: bytes) -> None:
    """Let no other transaction store or cite these bytes until this one ends."""
    await fetch(session, "select pg_advisory_xact_lock($1)", _lock_key(actor, sha256))


def _lock_key(actor: Actor, sha256: bytes) -> int:
    key = hash_of(actor.tenant_id.bytes + sha256).digest()[:8]
    return int.from_bytes(key, "big", signed=True)


async def foresee(session: Session, actor: Actor, digests: Iterable[bytes]) -> None:
    """Hold hashes that this transaction is going to cite, in one order, and look them up together.

    What `holds` says of them afterwards needs no flush before: nobody else can store or cite them now.
    """
    wanted = sorted(set(digests))
    if not wanted or actor.user_id is None:
        return
    await fetch(
        session,
        "select pg_advisory_xact_lock(k) from unnest(cast($1 as bigint[])) k order by k",
        [_lock_key(actor, one) for one in wanted],
    )
    held = await fetch(session, _HELD, actor.tenant_id, wanted, actor.user_id)
    found = {sha256: (size, mime) for sha256, size, mime in held}
    session.info["foreseen_digests"] = {one: found.get(one) for one in wanted}


_HELD = """
select b.sha256, b.size, b.mime from blob b
join blob_holder h on h.tenant_id = $1 and h.sha256 = b.sha256 and h.user_id = $3
where b.tenant_id = $1 and b.sha256 = any(cast($2 as bytea[]))
"""


def is_foreseen(session: Session, sha256: bytes) -> bool:
    return sha256 in session.info.get("foreseen_digests", ())


async def holds(
    session: Session,
    actor: Actor,
    sha256: bytes,
    *,
    size: int | None = None,
    mime: str | None = None,
) -> bool:
    """Return whether the tenant has these bytes and this very user has sent them before.

    Knowing a hash is no proof of having the photo, so others send the bytes again. `size` in
    bytes and `mime` are what the citation declares: bytes that are something else do not count.
    The hash is held until the commit: call it after flushing the row that cites it.
    """
    if actor.user_id is None:
        return False
    if is_foreseen(session, sha256):
        known = session.info["foreseen_digests"][sha256]
        return known is not None and is_as_declared(*known, size=size, mime=mime)
    await hold_digest(session, actor, sha256)
    statement = (
        select(Blob.size, Blob.mime)
        .join(
            BlobHolder,
            (col(BlobHolder.tenant_id) == Blob.tenant_id) & (col(BlobHolder.sha256) == Blob.sha256),
        )
        .where(
            Blob.tenant_id == actor.tenant_id,
            Blob.sha256 == sha256,
            BlobHolder.user_id == actor.user_id,
        )
    )
    found = (await session.exec(statement)).one_or_none()
    return found is not None and is_as_declared(*found, size=size, mime=mime)


def is_as_declared(
    found_size: int, found_mime: str, *, size: int | None = None, mime: str | None = None
) -> bool:
    """Return whether stored bytes are of the size and kind that somebody declared."""
    return (size is None or size == found_size) and (mime is None or agrees(mime, found_mime))


async def find_blob(session: Session, actor: Actor, sha256: bytes) -> Blob:
    """Return one blob's row. Whether the actor may read its bytes is for the caller to know."""
    blob = await session.get(Blob, (actor.tenant_id, sha256))
    if blob is None:
        raise NotFound(f"No file {sha256.hex()}.")
    return blob


async def keep_blob(
    session: Session,
    actor: Actor,
    now: datetime,
    stored: StoredBlob,
    inspection: Inspection,
    **info: Any,
) -> Blob:
    """Do what `write_blob` does, under a hold on the hash, and return the row."""
    await hold_digest(session, actor, bytes.fromhex(stored.sha256))
    await write_blob(session, actor, now, stored, inspection, **info)
    return await find_blob(session, actor, bytes.fromhex(stored.sha256))


async def write_blob(
    session: Session | Plain,
    actor: Actor,
    now: datetime,
    stored: StoredBlob,
    inspection: Inspection,
    **info: Any,
) -> None:
    """Write down bytes that are durably in the store; bytes known before keep their first row.

    A user who sent them becomes a holder. A new blob enqueues `BLOB_STORED`. `info` adds JSON
    members to what the header told. The caller holds the hash.
    """
    told = msgspec.json.encode({**inspection.to_json(), **info}).decode()
    new = await fetch(
        session,
        _WRITE_BLOB,
        *(actor.tenant_id, bytes.fromhex(stored.sha256), stored.size, inspection.mime, now, told),
        actor.user_id,
    )
    if new:
        await jobs.enqueue(session, BLOB_STORED, actor.tenant_id, sha256=stored.sha256)


_WRITE_BLOB = """
with holder as (
  insert into blob_holder (tenant_id, sha256, user_id, since_at)
  select $1, $2, u, $5 from cast($7 as uuid) u where u is not null
  on conflict do nothing)
insert into blob (tenant_id, sha256, size, mime, stored_at, info)
values ($1, $2, $3, $4, $5, cast(cast($6 as text) as jsonb))
on conflict do nothing returning 1
"""


async def find_receipt(
    session: Session | Plain, actor: Actor, photo_id: UUID
) -> receipts.Receipt | None:
    """Return the receipt of a photo, None before its bytes have arrived."""
    found = await fetch(session, _RECEIPT, actor.tenant_id, photo_id)
    return receipts.Receipt(**found[0]) if found else None


async def issue_receipt(
    session: Session | Plain,
    actor: Actor,
    now: datetime,
    key: receipts.ReceiptKey,
    *,
    photo_id: UUID,
    sha256: bytes,
    size: int,
) -> receipts.Receipt:
    """Sign for bytes that are durable in this transaction; a photo keeps its first receipt.

    A photo id that has a receipt over other bytes is refused.
    """
    signed = key.sign(
        photo_id=photo_id,
        sha256=sha256.hex(),
        size=size,
        device_id=actor.device_id,
        received_at=now,
    )
    new = await fetch(
        session,
        _ISSUE,
        *(actor.tenant_id, photo_id, sha256, size, actor.device_id, signed.received_at),
        *(signed.kid, signed.signature),
    )
    if not new:
        known = await find_receipt(session, actor, photo_id)
        if known is None or known.sha256 != signed.sha256:
            raise Conflict(
                "This photo id already has a receipt for other bytes. Give the photo a new id.",
                photo_id=str(photo_id),
            )
        return known
    await publish(session, actor.tenant_id, key, now)
    return signed


_RECEIPT = """
select id as photo_id, encode(sha256, 'hex') as sha256, size, device_id, received_at, kid, signature
from receipt where tenant_id = $1 and id = $2
"""
_ISSUE = """
insert into receipt (tenant_id, id, sha256, size, device_id, received_at, kid, signature)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict do nothing returning 1
"""


def signed_form(receipt: Receipt) -> receipts.Receipt:
    """Return a stored receipt as the value that was signed, for the wire and for evidence packs."""
    return receipts.Receipt(
        photo_id=receipt.id,
        sha256=receipt.sha256.hex(),
        size=receipt.size,
        device_id=receipt.device_id,
        received_at=receipt.received_at,
        kid=receipt.kid,
        signature=receipt.signature,
    )
