"""How an upload comes to be: a file, one part of a file, or a file put together from parts."""

from datetime import datetime

from sqlalchemy import func
from sqlmodel import col, select
from uuid_utils.compat import uuid7

from fsm.actors import Actor
from fsm.database import Session
from fsm.evidence import queries as evidence
from fsm.evidence.tables import Upload
from fsm.problems import Conflict, Invalid
from fsm.work_orders import field_work
from fsm.work_orders.records import Photo
from mobile_api import concatenation, tus
from mobile_api.received import finish
from mobile_api.uploads import STAGING_LIFE, Storage

#: How many uploads one user may have begun and not finished; a season of photos is fewer.
MOST_OPEN = 1_000


class TooManyUploads(tus.TusProblem):
    """This user has begun more uploads than anybody needs; fact `limit`."""

    code, status, title = "too-many-uploads", 429, "Finish or end earlier uploads first"

    @property
    def headers(self) -> dict[str, str]:
        return {**super().headers, "Retry-After": "3600"}


async def create_upload(
    storage: Storage, actor: Actor, now: datetime, creation: tus.Creation
) -> Upload:
    """Create an upload, finished at once where this user has sent the same bytes before.

    Refuses a photo id that names other bytes, another size, or somebody else's photo.
    """
    upload = Upload(
        tenant_id=actor.tenant_id,
        id=uuid7(),
        user_id=actor.user_id,
        device_id=actor.device_id,
        length=creation.length,
        upload_metadata=creation.raw_metadata,
        concat=creation.concat,
        parts=[str(part) for part in creation.parts] or None,
        created_at=now,
        expires_at=now + STAGING_LIFE,
    )
    if creation.concat == tus.PARTIAL:
        async with storage.database.transaction(actor.tenant_id) as session:
            await _require_few(session, actor)
            session.add(upload)
        return upload
    reference = tus.read_photo_reference(creation.metadata)
    digest = bytes.fromhex(reference.sha256)
    async with storage.database.transaction(actor.tenant_id) as session:
        await _require_few(session, actor)
        if creation.parts:
            parts = await concatenation.list_parts(session, actor, creation.parts)
            upload.length = concatenation.length_of(parts, storage.max_size)
        photo = await _check_photo(session, actor, reference, upload.length)
        upload.photo_id = reference.photo_id
        upload.sha256 = digest
        session.add(upload)
        await session.flush()
        await field_work.lock_awaiting_jobs(session, actor, digest)
        is_held = await evidence.holds(
            session, actor, digest, size=upload.length, mime=photo.mime if photo else None
        )
        if is_held and await storage.blobs.exists(actor.tenant_id, reference.sha256):
            blob = await evidence.find_blob(session, actor, digest)
            upload.length = upload.received = blob.size
            await finish(storage, session, actor, now, upload)
    return upload


async def _require_few(session: Session, actor: Actor) -> None:
    statement = select(func.count()).where(
        col(Upload.tenant_id) == actor.tenant_id,
        col(Upload.user_id) == actor.user_id,
        col(Upload.finished_at).is_(None),
    )
    if (await session.exec(statement)).one() >= MOST_OPEN:
        raise TooManyUploads(
            f"{MOST_OPEN} uploads are open. Finish or end some of them.", limit=MOST_OPEN
        )


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
