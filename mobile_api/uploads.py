"""Uploads as rows: who writes, how far the bytes are, and what happens when the last one is here.

An offset is told only after its bytes are durable and its row is committed; a body takes minutes
on a bad line, so no transaction spans it. What a crash left between the bytes and the row is
settled by the next request about the upload.

Writers take turns by a lease in the row. A phone whose connection died unnoticed comes back while
the server still waits for the old one: the newcomer contests the lease, the old request stores
what it has and gives way.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import update
from sqlmodel import col, select
from uuid_utils.compat import uuid7

from fsm import events
from fsm.actors import Actor, system_actor
from fsm.crash_points import crash_point
from fsm.database import Database, Session, touch
from fsm.evidence import queries as evidence
from fsm.evidence.blobs import (
    BlobStore,
    StoredBlob,
    UploadBusy,
    WrongBytes,
    read_all,
    wrong_bytes,
)
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
    inspect,
)
from fsm.http import wall_clock
from fsm.jobs import Job
from fsm.problems import Conflict, Invalid, Problem
from fsm.work_orders import field_work
from fsm.work_orders.closing_facts import PhotoState
from fsm.work_orders.records import Photo
from mobile_api import tus

#: How long staged bytes and the rows of uploads are kept after they were last written.
STAGING_LIFE = timedelta(days=14)

#: How long a writer may be silent towards the database before another may take its place.
LEASE = timedelta(seconds=15)

#: What a checklist may ask for.
TAKEN = PHOTO_TYPES | VIDEO_TYPES

_SWEPT_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Storage:
    """What uploads need beside a session: the database, the bytes, the key that signs receipts."""

    database: Database
    blobs: BlobStore
    receipt_key: ReceiptKey
    max_size: int

    @property
    def offer(self) -> tus.Offer:
        """What this server does.

        Trailers are not among it: whether they arrive depends on the HTTP server in front.
        """
        return tus.Offer(max_size=self.max_size)


def state_of(upload: Upload) -> tus.Upload:
    """Return the row as the protocol sees it."""
    return tus.Upload(
        offset=upload.received,
        length=upload.length,
        expires_at=upload.expires_at,
        metadata=upload.upload_metadata,
        is_closed=upload.finished_at is not None,
    )


async def lock_upload(session: Session, actor: Actor, upload_id: UUID) -> Upload | None:
    """Return an upload of this very user, held; None for unknown ones and everybody else's."""
    statement = (
        select(Upload)
        .where(
            Upload.tenant_id == actor.tenant_id,
            Upload.id == upload_id,
            Upload.user_id == actor.user_id,
        )
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return (await session.exec(statement)).one_or_none()


# --- creating ---------------------------------------------------------------------------------------------


async def create_upload(
    storage: Storage, actor: Actor, now: datetime, creation: tus.Creation
) -> Upload:
    """Create an upload, finished at once where this user has sent the same bytes before.

    Refuses a photo id that names other bytes, another size, or somebody else's photo.
    """
    reference = tus.read_photo_reference(creation.metadata)
    digest = bytes.fromhex(reference.sha256)
    async with storage.database.transaction(actor.tenant_id) as session:
        photo = await _check_photo(session, actor, reference, creation.length)
        upload = Upload(
            tenant_id=actor.tenant_id,
            id=uuid7(),
            user_id=actor.user_id,
            device_id=actor.device_id,
            photo_id=reference.photo_id,
            length=creation.length,
            upload_metadata=creation.raw_metadata,
            sha256=digest,
            created_at=now,
            expires_at=now + STAGING_LIFE,
        )
        session.add(upload)
        await session.flush()
        await field_work.lock_awaiting_jobs(session, actor, digest)
        is_held = await evidence.holds(
            session, actor, digest, size=creation.length, mime=photo.mime if photo else None
        )
        if is_held and await storage.blobs.exists(actor.tenant_id, reference.sha256):
            blob = await evidence.find_blob(session, actor, digest)
            upload.length = upload.received = blob.size
            await _finish(storage, session, actor, now, upload)
    return upload


async def _check_photo(
    session: Session, actor: Actor, reference: tus.PhotoReference, length: int | None
) -> Photo | None:
    """Return the declared photo, None before its declaration; refuse what contradicts it."""
    digest = bytes.fromhex(reference.sha256)
    receipt = await evidence.find_receipt(session, actor, reference.photo_id)
    photo = await session.get(Photo, (actor.tenant_id, reference.photo_id))
    declared = photo.sha256 if photo else receipt.sha256 if receipt else digest
    if declared != digest:
        raise Conflict(
            "This photo id names other bytes. Give the photo a new id.",
            photo_id=str(reference.photo_id),
        )
    if photo is None:
        return None
    if photo.user_id is not None and photo.user_id != actor.user_id:
        raise Conflict(
            "This photo was declared by somebody else, who has to send it.", photo_id=str(photo.id)
        )
    if length is not None and length != photo.size:
        raise Invalid(
            f"The photo was declared with {photo.size} bytes, the upload has {length}.",
            errors=[{"at": "/Upload-Length", "detail": f"must be {photo.size}"}],
        )
    return photo


# --- taking turns -----------------------------------------------------------------------------------------


async def settle(
    storage: Storage, session: Session, actor: Actor, now: datetime, upload_id: UUID
) -> Upload | None:
    """Return the upload, held, its offset true to what is stored; None while a request writes to it.

    A writer that is still at it is asked to give way. Bytes that a crash left without an offset are
    made durable and counted; an offset whose bytes are gone (a restored backup) moves back.
    """
    upload = await lock_upload(session, actor, upload_id)
    tus.require_alive(state_of(upload) if upload else None, now)
    assert upload is not None
    if upload.finished_at is not None:
        return upload
    if upload.writing_until is not None and upload.writing_until > wall_clock():
        upload.is_contested = True
        return None
    _free(upload)
    staged = await storage.blobs.staged_size(actor.tenant_id, upload_id)
    if staged > upload.received and upload.is_all_or_nothing:
        return upload
    if staged != upload.received:
        if staged > upload.received:
            await storage.blobs.append(actor.tenant_id, upload_id, staged, _nothing())
        upload.received = staged if upload.length is None else min(staged, upload.length)
    return upload


async def begin_writing(
    session: Session,
    actor: Actor,
    now: datetime,
    upload: Upload,
    continuation: tus.Continuation,
) -> UUID:
    """Give a settled upload to one request and return the name of its lease."""
    upload.length = continuation.length
    upload.writer = uuid7()
    upload.writing_until = wall_clock() + LEASE
    upload.is_contested = False
    upload.is_all_or_nothing = continuation.checksum is not None
    upload.expires_at = now + STAGING_LIFE
    await _show_progress(session, actor, upload, PhotoState.UPLOADING)
    return upload.writer


async def renew_lease(storage: Storage, actor: Actor, upload_id: UUID, writer: UUID) -> bool:
    """Keep the upload for this request; return False when it has to give way."""
    async with storage.database.transaction(actor.tenant_id) as session:
        renewed = await session.exec(
            update(Upload)
            .where(
                col(Upload.tenant_id) == actor.tenant_id,
                col(Upload.id) == upload_id,
                col(Upload.writer) == writer,
                col(Upload.is_contested).is_(False),
            )
            .values(writing_until=wall_clock() + LEASE)
        )
        return bool(renewed.rowcount)


async def end_writing(
    storage: Storage, actor: Actor, now: datetime, upload_id: UUID, writer: UUID, offset: int | None
) -> Upload:
    """Commit how far the durable bytes are and give the upload free.

    `offset` None: nothing this request brought counts. A request that lost its lease meanwhile is
    `UploadBusy`: its bytes belong to nobody.
    """
    async with storage.database.transaction(actor.tenant_id) as session:
        upload = await lock_upload(session, actor, upload_id)
        if upload is None:
            raise tus.NoSuchUpload("The upload was ended meanwhile. Create a new one.")
        if upload.writer != writer:
            raise UploadBusy("Another request has taken over this upload. Ask how far it is.")
        _free(upload)
        if offset is not None:
            upload.received = offset
            upload.is_all_or_nothing = False
            upload.expires_at = now + STAGING_LIFE
    return upload


def _free(upload: Upload) -> None:
    upload.writer = None
    upload.writing_until = None
    upload.is_contested = False


async def _nothing() -> AsyncIterator[bytes]:
    pieces: tuple[bytes, ...] = ()
    for piece in pieces:
        yield piece


# --- the last byte ----------------------------------------------------------------------------------------


async def complete(storage: Storage, actor: Actor, now: datetime, upload: Upload) -> Upload:
    """Verify an upload whose every byte is here and let the photo count; safe to run again.

    Bytes that are not the declared ones, or of a kind that is no photo, mark the photo corrupt and
    begin the upload anew at byte 0; the refusal says what was wrong. A photo whose pixels cannot be
    read is kept all the same, with a note: its bytes are what the phone took, and decoding is no
    condition.
    """
    assert upload.length is not None
    assert upload.sha256 is not None
    name = upload.sha256.hex()
    stored: StoredBlob | None = None
    try:
        declared = await _declared_as(storage, actor, upload)
        stored = await storage.blobs.finish(actor.tenant_id, upload.id, name, upload.length)
        crash_point("after PutObject before row")
        head = await read_all(storage.blobs, actor.tenant_id, name, HEAD_SIZE)
        inspection, doubt = _inspect(head, declared)
    except (WrongBytes, UnknownMedia, MediaMismatch) as refusal:
        finished = await _fail(storage, actor, now, upload, stored, refusal)
        if finished is None:
            raise
        return finished
    async with storage.database.transaction(actor.tenant_id) as session:
        row = await lock_upload(session, actor, upload.id)
        if row is None:
            raise tus.NoSuchUpload("The upload was ended meanwhile. Create a new one.")
        if row.finished_at is None:
            await field_work.lock_awaiting_jobs(session, actor, upload.sha256)
            await evidence.keep_blob(session, actor, now, stored, inspection, **doubt)
            await _finish(storage, session, actor, now, row)
    await storage.blobs.discard(actor.tenant_id, upload.id)
    return row


async def _declared_as(storage: Storage, actor: Actor, upload: Upload) -> str | None:
    """Return the MIME type that the photo was declared with, None before; refuse another size."""
    async with storage.database.transaction(actor.tenant_id) as session:
        photo = await session.get(Photo, (actor.tenant_id, upload.photo_id))
    if photo is None or photo.sha256 != upload.sha256:
        return None
    assert upload.length is not None
    if photo.size != upload.length:
        raise wrong_bytes(photo.sha256.hex(), photo.size, None, upload.length)
    return photo.mime


def _inspect(head: bytes, declared: str | None) -> tuple[Inspection, dict[str, str]]:
    """Return what the first bytes say, and why it may be doubted: `{"doubt": code}` or nothing."""
    try:
        return inspect(head, declared=declared, allowed=TAKEN), {}
    except (BrokenMedia, TooManyPixels) as doubt:
        return Inspection(mime=sniff(head) or ""), {"doubt": doubt.code}


async def _finish(
    storage: Storage, session: Session, actor: Actor, now: datetime, upload: Upload
) -> None:
    """Sign the receipt, verify the photos that waited for the bytes, close the upload."""
    assert upload.photo_id is not None
    assert upload.sha256 is not None
    assert upload.length is not None
    receipt = await evidence.issue_receipt(
        session,
        actor,
        now,
        storage.receipt_key,
        photo_id=upload.photo_id,
        sha256=upload.sha256,
        size=upload.length,
    )
    _free(upload)
    upload.received = upload.length
    upload.finished_at = now
    upload.failure = None
    await session.flush()
    await events.record(
        session,
        actor,
        "photo.received",
        "photo",
        upload.photo_id,
        now=now,
        receipt=evidence.signed_form(receipt).to_json(),
    )
    await field_work.photo_bytes_arrived(session, actor, now, upload.sha256)
    photo = await session.get(Photo, (actor.tenant_id, upload.photo_id))
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
    is_stray = False
    async with storage.database.transaction(actor.tenant_id) as session:
        row = await lock_upload(session, actor, upload.id)
        if row is not None and row.finished_at is not None:
            return row
        if row is not None:
            _free(row)
            row.received = 0
            row.failure = refusal.code
            row.is_all_or_nothing = True  # what is staged is known to be wrong
            await _show_progress(session, actor, row, PhotoState.CORRUPT)
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
        if stored is not None and stored.is_new:
            digest = bytes.fromhex(stored.sha256)
            await evidence.hold_digest(session, actor, digest)
            is_stray = await session.get(Blob, (actor.tenant_id, digest)) is None
    await storage.blobs.discard(actor.tenant_id, upload.id)
    if is_stray and stored is not None:
        await storage.blobs.delete(actor.tenant_id, stored.sha256)
    return None


async def _show_progress(session: Session, actor: Actor, upload: Upload, state: PhotoState) -> None:
    """Show on the declared photo, if there is one, how far its bytes have come."""
    if upload.photo_id is None:
        return
    photo = await session.get(Photo, (actor.tenant_id, upload.photo_id))
    if (
        photo is None
        or photo.sha256 != upload.sha256
        or photo.state in (state, PhotoState.VERIFIED)
    ):
        return
    await field_work.set_photo_state(session, actor, photo.id, state)
    await session.refresh(photo)
    touch(session, photo)


# --- the end of an upload ---------------------------------------------------------------------------------


async def terminate(session: Session, actor: Actor, upload: Upload) -> None:
    """Forget a settled upload; a photo it has finished stays. The caller discards the bytes."""
    if upload.finished_at is None:
        await _show_progress(session, actor, upload, PhotoState.DECLARED)
    await session.delete(upload)


async def sweep_uploads(session: Session, job: Job, store: BlobStore, now: datetime) -> None:
    """Forget a tenant's uploads that nobody wrote to for `STAGING_LIFE`; a job on the clock.

    The bytes go first: if the commit then fails, the rows have expired all the same and the next
    run takes them. Bytes that no row speaks of are the matter of `BlobStore.sweep`.
    """
    actor = system_actor(job.tenant_id, "upload sweep")
    statement = (
        select(Upload)
        .where(Upload.tenant_id == job.tenant_id, Upload.expires_at <= now)
        .order_by(col(Upload.expires_at), col(Upload.id))
        .limit(_SWEPT_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    for upload in (await session.exec(statement)).all():
        if upload.writing_until is not None and upload.writing_until > wall_clock():
            continue
        await store.discard(job.tenant_id, upload.id)
        if upload.finished_at is None:
            await _show_progress(session, actor, upload, PhotoState.DECLARED)
        await session.delete(upload)
