"""Uploads as rows: who writes, and how far the bytes are. `received` is what the last byte sets off.

An offset is told only after its bytes are durable and its row is committed; a body takes minutes
on a bad line, so no transaction spans it. What a crash left between the bytes and the row is
settled by the next request about the upload.

Writers take turns by a lease in the row. A phone whose connection died unnoticed comes back while
the server still waits for the old one: the newcomer contests the lease, the old request stores
what it has and gives way.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlmodel import col, select
from uuid_utils.compat import uuid7

from fsm.actors import Actor, system_actor
from fsm.database import Database, Session, fetch, touch
from fsm.evidence.blobs import BlobStore, UploadBusy
from fsm.evidence.receipts import ReceiptKey
from fsm.evidence.tables import Upload
from fsm.http import wall_clock
from fsm.jobs import Job
from fsm.plain import Plain
from fsm.work_orders import field_work
from fsm.work_orders.closing_facts import PhotoState
from fsm.work_orders.records import Photo
from mobile_api import tus
from mobile_api.running_hashes import RunningHashes
from mobile_api.upload_rows import delete_upload, lock_upload, save_upload

#: How long staged bytes and the rows of uploads are kept after they were last written.
STAGING_LIFE = timedelta(days=14)

#: How long a writer may be silent towards the database before another may take its place.
LEASE = timedelta(seconds=15)

_SWEPT_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Storage:
    """What uploads need beside a session: the database, the bytes, the key that signs receipts.

    `has_trailers`: the HTTP server in front hands over request trailers, as a probe has shown.
    """

    database: Database
    blobs: BlobStore
    receipt_key: ReceiptKey
    max_size: int
    has_trailers: bool = False
    hashes: RunningHashes = field(default_factory=RunningHashes)

    @property
    def offer(self) -> tus.Offer:
        """What this server does."""
        return tus.Offer(max_size=self.max_size, has_trailers=self.has_trailers)


def state_of(upload: Upload) -> tus.Upload:
    """Return the row as the protocol sees it. A part is closed when it is whole, but never finished."""
    is_whole_part = upload.concat == tus.PARTIAL and upload.received == upload.length
    return tus.Upload(
        offset=upload.received,
        length=upload.length,
        expires_at=upload.expires_at,
        metadata=upload.upload_metadata,
        is_closed=upload.finished_at is not None or is_whole_part,
        concat=upload.concat,
        failure=upload.failure or "",
    )


# --- taking turns -----------------------------------------------------------------------------------------


async def settle(
    storage: Storage,
    session: Session | Plain,
    actor: Actor,
    now: datetime,
    upload_id: UUID,
    *,
    to_write: bool = False,
) -> Upload | None:
    """Return the upload, held, its offset true to what is stored; None while a request writes to it.

    A writer that is still at it is asked to give way. Bytes that a crash left without an offset are
    made durable and counted; an offset whose bytes are gone (a restored backup) moves back. Only who
    comes `to_write` to an upload that is new spares the look at what is stored.
    """
    upload = await lock_upload(session, actor, upload_id)
    tus.require_alive(state_of(upload) if upload else None, now)
    assert upload is not None
    if upload.finished_at is not None or upload.parts is not None:
        return upload
    if upload.writing_until is not None and upload.writing_until > wall_clock():
        upload.is_contested = True
        await save_upload(session, upload)
        return None
    is_left = upload.writer is not None
    if to_write and not (is_left or upload.last_writer or upload.received):
        return upload  # who begins needs not know of bytes that nobody was told of
    free(upload)
    staged = await storage.blobs.staged_size(actor.tenant_id, upload_id)
    is_true = staged == upload.received or (staged > upload.received and upload.is_all_or_nothing)
    if not is_true:
        if staged > upload.received:
            await storage.blobs.append(actor.tenant_id, upload_id, staged, _nothing())
        upload.received = staged if upload.length is None else min(staged, upload.length)
        upload.last_writer = None
    if is_left or not is_true:
        await save_upload(session, upload)
    return upload


async def begin_writing(
    session: Session | Plain, now: datetime, upload: Upload, continuation: tus.Continuation
) -> UUID:
    """Give a settled upload to one request and return the name of its lease."""
    upload.length = continuation.length
    upload.writer = uuid7()
    upload.writing_until = wall_clock() + LEASE
    upload.is_contested = False
    upload.is_all_or_nothing = continuation.checksum is not None or continuation.awaits_trailer
    upload.expires_at = now + STAGING_LIFE
    await save_upload(session, upload)
    return upload.writer


async def renew_lease(storage: Storage, actor: Actor, upload: Upload, writer: UUID) -> bool:
    """Keep the upload for this request; return False when it has to give way.

    By now it takes so long that somebody may look: a photo in one quick request is verified before.
    """
    async with storage.database.plain(actor.tenant_id) as session:
        renewed = await fetch(
            session,
            _RENEW,
            *(actor.tenant_id, upload.id, writer, wall_clock() + LEASE),
        )
    if renewed and renewed[0]["is_unseen"]:
        await show_uploading(storage, actor, upload)
    return bool(renewed)


_RENEW = """
update upload u set writing_until = $4
where tenant_id = $1 and id = $2 and writer = $3 and not is_contested
returning exists (
  select from photo p where p.tenant_id = u.tenant_id and p.id = u.photo_id
    and p.state in ('declared', 'corrupt')) as is_unseen
"""


async def end_writing(
    storage: Storage, actor: Actor, now: datetime, upload_id: UUID, writer: UUID, offset: int | None
) -> Upload:
    """Commit how far the durable bytes are and give the upload free.

    `offset` None: nothing this request brought counts. A request that lost its lease meanwhile is
    `UploadBusy`: its bytes belong to nobody.
    """
    async with storage.database.plain(actor.tenant_id) as session:
        upload = await lock_written(session, actor, upload_id, writer)
        if upload.finished_at is not None:
            return upload
        free(upload)
        if offset is not None:
            upload.received = offset
            upload.last_writer = writer
            upload.is_all_or_nothing = False
            upload.expires_at = now + STAGING_LIFE
        await save_upload(session, upload)
    return upload


async def lock_written(
    session: Session | Plain, actor: Actor, upload_id: UUID, writer: UUID | None
) -> Upload:
    """Return an upload, held, that is finished or still `writer`'s; with None whoever writes to it."""
    upload = await lock_upload(session, actor, upload_id)
    if upload is None:
        raise tus.NoSuchUpload("The upload was ended meanwhile. Create a new one.")
    if writer is not None and upload.finished_at is None and upload.writer != writer:
        raise taken_over()
    return upload


def taken_over() -> UploadBusy:
    return UploadBusy("Another request has taken over this upload. Ask how far it is.")


def free(upload: Upload) -> None:
    """Take the upload from whoever writes to it."""
    upload.writer = None
    upload.writing_until = None
    upload.is_contested = False


async def _nothing() -> AsyncIterator[bytes]:
    pieces: tuple[bytes, ...] = ()
    for piece in pieces:
        yield piece


async def show_uploading(storage: Storage, actor: Actor, upload: Upload) -> None:
    """Show on the declared photo, if there is one, that its bytes are on their way."""
    if upload.photo_id is not None:
        async with storage.database.transaction(actor.tenant_id) as session:
            await show_progress(session, actor, upload, PhotoState.UPLOADING)


async def show_progress(session: Session, actor: Actor, upload: Upload, state: PhotoState) -> None:
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
        await show_progress(session, actor, upload, PhotoState.DECLARED)
    await delete_upload(session, upload)


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
            await show_progress(session, actor, upload, PhotoState.DECLARED)
        await session.delete(upload)
