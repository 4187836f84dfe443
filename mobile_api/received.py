"""The last byte: an upload is verified, its receipt written, and the photos that waited count."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from fsm import events
from fsm.actors import Actor
from fsm.crash_points import crash_point
from fsm.database import Session, touch
from fsm.evidence import queries as evidence
from fsm.evidence.blobs import BlobStore, StoredBlob, WrongBytes, read_all, wrong_bytes
from fsm.evidence.headers import HEAD_SIZE, sniff
from fsm.evidence.receipts import ReceiptKey
from fsm.evidence.tables import Blob, Upload
from fsm.evidence.verification import (
    PHOTO_TYPES,
    VIDEO_TYPES,
    BrokenMedia,
    Inspection,
    MediaMismatch,
    TooManyPixels,
    UnknownMedia,
    agrees,
    inspect,
    with_length,
)
from fsm.plain import Plain
from fsm.problems import Problem
from fsm.work_orders import field_work
from fsm.work_orders.closing_facts import PhotoState
from fsm.work_orders.records import Photo
from mobile_api.upload_rows import lock_upload, save_upload
from mobile_api.uploads import Storage, free, lock_written, show_progress, taken_over

#: What a checklist may ask for.
TAKEN = PHOTO_TYPES | VIDEO_TYPES

#: Refusals of the bytes themselves: they are not what was declared, and never will be.
REFUSED = (WrongBytes, UnknownMedia, MediaMismatch)


@dataclass(frozen=True, slots=True)
class _Arrived:
    """Bytes in the store under their own hash, what they are, and who may say so: `writer`, if any."""

    stored: StoredBlob
    inspection: Inspection
    doubt: dict[str, str]
    writer: UUID | None

    @property
    def sha256(self) -> bytes:
        return bytes.fromhex(self.stored.sha256)


class Head:
    """The first bytes of a file as they come in, taken like a hash takes them."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._missing = HEAD_SIZE

    def update(self, data: bytes | memoryview, /) -> None:
        if self._missing:
            self._pieces.append(bytes(data[: self._missing]))
            self._missing -= len(self._pieces[-1])

    def __bytes__(self) -> bytes:
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)


async def complete(
    storage: Storage,
    actor: Actor,
    now: datetime,
    upload: Upload,
    writer: UUID | None = None,
    head: Head | None = None,
) -> Upload:
    """Verify an upload whose every byte is here and let the photo count; safe to run again.

    `writer` is the request that has just made the last of them durable and still holds the upload;
    `head` is how the file begins, where that request brought it whole.

    Bytes that are not the declared ones, or of a kind that is no photo, mark the photo corrupt and
    begin the upload anew at byte 0; the refusal says what was wrong. One that is put together from
    parts cannot begin anew and stays refused. A photo whose pixels cannot be read is kept all the
    same, with a note: its bytes are what the phone took, and decoding is no condition.
    """
    assert upload.length is not None
    assert upload.sha256 is not None
    name = upload.sha256.hex()
    stored: StoredBlob | None = None
    try:
        found = storage.hashes.digest(upload.id, upload.last_writer, upload.length)
        stored = await _store(storage, upload, name, found)
        crash_point("after PutObject before row")
        # Only what is known to have had this hash is how the stored bytes begin.
        first = bytes(head) if head is not None and found == name else None
        inspection, doubt = await look_into(storage.blobs, actor.tenant_id, name, first)
        arrived = _Arrived(stored, inspection, doubt, writer)
        row = await _count_undeclared(storage, actor, now, upload, arrived)
        if row is None:
            row = await _count_declared(storage, actor, now, upload, arrived)
    except REFUSED as refusal:
        finished = await _fail(storage, actor, now, upload, stored, refusal, writer)
        if finished is None:
            raise
        return finished
    await storage.blobs.discard(actor.tenant_id, upload.id)
    return row


async def _count_undeclared(
    storage: Storage, actor: Actor, now: datetime, upload: Upload, arrived: _Arrived
) -> Upload | None:
    """Write down bytes that came before their declaration; None where somebody waits for them.

    Whoever declares them meanwhile waits for the hash, and then finds them here.
    """
    assert upload.photo_id is not None
    async with storage.database.plain(actor.tenant_id) as session:
        row = await lock_written(session, actor, upload.id, arrived.writer)
        if row.finished_at is not None:
            return row
        await evidence.hold_digest(session, actor, arrived.sha256)
        if await field_work.is_declared(session, actor, upload.photo_id, arrived.sha256):
            return None
        await _write_down(storage, session, actor, now, row, arrived)
    return row


async def _count_declared(
    storage: Storage, actor: Actor, now: datetime, upload: Upload, arrived: _Arrived
) -> Upload:
    """Write down bytes that a photo waits for, and let it count in the same transaction."""
    async with storage.database.transaction(actor.tenant_id) as session:
        row = await lock_written(session, actor, upload.id, arrived.writer)
        if row.finished_at is None:
            await _check_declared(session, actor, row, arrived.inspection.mime)
            await field_work.lock_awaiting_jobs(session, actor, arrived.sha256)
            await evidence.hold_digest(session, actor, arrived.sha256)
            await _write_down(storage, session, actor, now, row, arrived)
            await _show(session, actor, now, row.photo_id, arrived.sha256)
    return row


async def _write_down(
    storage: Storage,
    session: Session | Plain,
    actor: Actor,
    now: datetime,
    row: Upload,
    arrived: _Arrived,
) -> None:
    """Write the rows of bytes whose hash is held, and their receipt."""
    if not await storage.blobs.exists(actor.tenant_id, arrived.stored.sha256):
        # The same bytes under a wrong name were refused meanwhile and removed (see `_fail`).
        await _store(storage, row, arrived.stored.sha256)
    await evidence.write_blob(
        session, actor, now, arrived.stored, arrived.inspection, **arrived.doubt
    )
    await _close(storage, session, actor, now, row)


async def _store(
    storage: Storage, upload: Upload, sha256: str, found: str | None = None
) -> StoredBlob:
    """Make the staged bytes, or those of the parts, a blob; `found` as in `BlobStore.finish`."""
    assert upload.length is not None
    if upload.parts is not None:
        parts = [UUID(part) for part in upload.parts]
        return await storage.blobs.join(upload.tenant_id, parts, sha256, upload.length)
    return await storage.blobs.finish(
        upload.tenant_id, upload.id, sha256, upload.length, found=found
    )


async def _check_declared(session: Session, actor: Actor, upload: Upload, mime: str) -> None:
    """Refuse bytes of another size or kind than the photo was declared with, if it has been."""
    photo = await session.get(Photo, (actor.tenant_id, upload.photo_id))
    if photo is None or photo.sha256 != upload.sha256:
        return
    assert upload.length is not None
    if photo.size != upload.length:
        raise wrong_bytes(photo.sha256.hex(), photo.size, None, upload.length)
    if not agrees(photo.mime, mime):
        raise MediaMismatch(
            f"The file is called {photo.mime}, but its content is {mime}.",
            declared=photo.mime,
            found=mime,
        )


async def look_into(
    blobs: BlobStore, tenant_id: UUID, name: str, head: bytes | None = None
) -> tuple[Inspection, dict[str, str]]:
    """Return what stored bytes are, and why that may be doubted: `{"doubt": code}` or nothing.

    `head` are the first `HEAD_SIZE` of them, where they need not be read.
    """
    if head is None:
        head = await read_all(blobs, tenant_id, name, HEAD_SIZE)
    doubt: dict[str, str] = {}
    try:
        inspection = inspect(head, allowed=TAKEN)
    except (BrokenMedia, TooManyPixels) as problem:
        inspection, doubt = Inspection(mime=sniff(head) or ""), {"doubt": problem.code}
    return await with_length(blobs, tenant_id, name, inspection), doubt


async def finish(
    storage: Storage, session: Session, actor: Actor, now: datetime, upload: Upload
) -> None:
    """Acknowledge bytes that are known already, and close the upload."""
    assert upload.sha256 is not None
    await _close(storage, session, actor, now, upload)
    await _show(session, actor, now, upload.photo_id, upload.sha256)


async def _close(
    storage: Storage, session: Session | Plain, actor: Actor, now: datetime, upload: Upload
) -> None:
    """Close an upload and sign the receipt of its bytes, whose row has been written."""
    assert upload.photo_id is not None
    assert upload.sha256 is not None
    assert upload.length is not None
    free(upload)
    upload.received = upload.length
    upload.finished_at = now
    upload.failure = None
    await save_upload(session, upload)
    await _sign(
        session,
        actor,
        now,
        storage.receipt_key,
        photo_id=upload.photo_id,
        sha256=upload.sha256,
        size=upload.length,
    )


async def acknowledge(
    session: Session,
    actor: Actor,
    now: datetime,
    key: ReceiptKey,
    *,
    photo_id: UUID,
    sha256: bytes,
    size: int,
) -> None:
    """Sign the receipt of bytes whose row has been written, and verify the photos that waited for them."""
    await _sign(session, actor, now, key, photo_id=photo_id, sha256=sha256, size=size)
    await _show(session, actor, now, photo_id, sha256)


async def _sign(
    session: Session | Plain,
    actor: Actor,
    now: datetime,
    key: ReceiptKey,
    *,
    photo_id: UUID,
    sha256: bytes,
    size: int,
) -> None:
    receipt = await evidence.issue_receipt(
        session, actor, now, key, photo_id=photo_id, sha256=sha256, size=size
    )
    told = receipt.to_json()
    await events.record(session, actor, "photo.received", "photo", photo_id, now=now, receipt=told)


async def _show(
    session: Session, actor: Actor, now: datetime, photo_id: UUID | None, sha256: bytes
) -> None:
    """Verify the photos that waited for bytes, and let phones see the new receipt."""
    await field_work.photo_bytes_arrived(session, actor, now, sha256)
    photo = await session.get(Photo, (actor.tenant_id, photo_id))
    if photo is not None:  # which may have been verified long before; its receipt is new
        touch(session, photo)


async def _fail(
    storage: Storage,
    actor: Actor,
    now: datetime,
    upload: Upload,
    stored: StoredBlob | None,
    refusal: Problem,
    writer: UUID | None,
) -> Upload | None:
    """Begin an upload anew after a refusal; return it instead where it was finished meanwhile.

    Who lost the lease meanwhile has nothing to say about bytes that are another's by now.
    """
    storage.hashes.forget(upload.id)
    async with storage.database.transaction(actor.tenant_id) as session:
        row = await lock_upload(session, actor, upload.id)
        if row is not None and row.finished_at is not None:
            return row
        if row is not None and writer is not None and row.writer != writer:
            raise taken_over()
        if row is not None:
            free(row)
            row.received = 0
            row.failure = refusal.code
            row.is_all_or_nothing = True  # what is staged is known to be wrong
            await save_upload(session, row)
            await show_progress(session, actor, row, PhotoState.CORRUPT)
            await events.record(
                session,
                actor,
                "photo.refused",
                "photo",
                row.photo_id or row.id,
                now=now,
                code=refusal.code,
                detail=refusal.detail,
            )
        if stored is not None:
            digest = bytes.fromhex(stored.sha256)
            # Held until the commit: whoever makes a row of the same bytes looks for them after it.
            await evidence.hold_digest(session, actor, digest)
            if await session.get(Blob, (actor.tenant_id, digest)) is None:
                await storage.blobs.delete(actor.tenant_id, stored.sha256)
    await storage.blobs.discard(actor.tenant_id, upload.id)
    return None
