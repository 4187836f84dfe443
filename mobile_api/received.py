"""The last byte: an upload is verified, its receipt written, and the photos that waited count."""

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
from fsm.problems import Problem
from fsm.work_orders import field_work
from fsm.work_orders.closing_facts import PhotoState
from fsm.work_orders.records import Photo
from mobile_api import tus
from mobile_api.uploads import Storage, free, lock_upload, show_progress

#: What a checklist may ask for.
TAKEN = PHOTO_TYPES | VIDEO_TYPES

#: Refusals of the bytes themselves: they are not what was declared, and never will be.
REFUSED = (WrongBytes, UnknownMedia, MediaMismatch)


async def complete(storage: Storage, actor: Actor, now: datetime, upload: Upload) -> Upload:
    """Verify an upload whose every byte is here and let the photo count; safe to run again.

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
        stored = await _store(storage, upload, name)
        crash_point("after PutObject before row")
        inspection, doubt = await look_into(storage.blobs, actor.tenant_id, name)
        async with storage.database.transaction(actor.tenant_id) as session:
            row = await lock_upload(session, actor, upload.id)
            if row is None:
                raise tus.NoSuchUpload("The upload was ended meanwhile. Create a new one.")
            if row.finished_at is None:
                # What is held here is what `finish` asks for: it need not be read again.
                _photo = await _find_declared(session, actor, row, inspection.mime)
                await field_work.lock_awaiting_jobs(session, actor, upload.sha256)
                _blob = await evidence.keep_blob(session, actor, now, stored, inspection, **doubt)
                if not await storage.blobs.exists(actor.tenant_id, name):
                    # The same bytes under a wrong name were refused meanwhile and removed (see `_fail`).
                    await _store(storage, row, name)
                await finish(storage, session, actor, now, row)
    except REFUSED as refusal:
        finished = await _fail(storage, actor, now, upload, stored, refusal)
        if finished is None:
            raise
        return finished
    await storage.blobs.discard(actor.tenant_id, upload.id)
    return row


async def _store(storage: Storage, upload: Upload, sha256: str) -> StoredBlob:
    """Make the staged bytes, or those of the parts, a blob."""
    assert upload.length is not None
    if upload.parts is not None:
        parts = [UUID(part) for part in upload.parts]
        return await storage.blobs.join(upload.tenant_id, parts, sha256, upload.length)
    found = storage.hashes.digest(upload.id, upload.last_writer, upload.length)
    return await storage.blobs.finish(
        upload.tenant_id, upload.id, sha256, upload.length, found=found
    )


async def _find_declared(session: Session, actor: Actor, upload: Upload, mime: str) -> Photo | None:
    """Return the photo that the bytes were declared as, None before; refuse another size or kind."""
    photo = await session.get(Photo, (actor.tenant_id, upload.photo_id))
    if photo is None or photo.sha256 != upload.sha256:
        return photo
    assert upload.length is not None
    if photo.size != upload.length:
        raise wrong_bytes(photo.sha256.hex(), photo.size, None, upload.length)
    if not agrees(photo.mime, mime):
        raise MediaMismatch(
            f"The file is called {photo.mime}, but its content is {mime}.",
            declared=photo.mime,
            found=mime,
        )
    return photo


async def look_into(
    blobs: BlobStore, tenant_id: UUID, name: str
) -> tuple[Inspection, dict[str, str]]:
    """Return what stored bytes are, and why that may be doubted: `{"doubt": code}` or nothing."""
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
    """Acknowledge the bytes of an upload and close it."""
    assert upload.photo_id is not None
    assert upload.sha256 is not None
    assert upload.length is not None
    free(upload)
    upload.received = upload.length
    upload.finished_at = now
    upload.failure = None
    await acknowledge(
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
    receipt = await evidence.issue_receipt(
        session, actor, now, key, photo_id=photo_id, sha256=sha256, size=size
    )
    await session.flush()
    await events.record(
        session,
        actor,
        "photo.received",
        "photo",
        photo_id,
        now=now,
        receipt=evidence.signed_form(receipt).to_json(),
    )
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
) -> Upload | None:
    """Begin an upload anew after a refusal; return it instead where it was finished meanwhile."""
    storage.hashes.forget(upload.id)
    async with storage.database.transaction(actor.tenant_id) as session:
        row = await lock_upload(session, actor, upload.id)
        if row is not None and row.finished_at is not None:
            return row
        if row is not None:
            free(row)
            row.received = 0
            row.failure = refusal.code
            row.is_all_or_nothing = True  # what is staged is known to be wrong
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
