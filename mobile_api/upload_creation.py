"""How an upload comes to be: a file, one part of a file, or a file put together from parts."""

from datetime import datetime

from uuid_utils.compat import uuid7

from fsm.actors import Actor
from fsm.appending import new_row
from fsm.database import Session
from fsm.evidence import queries as evidence
from fsm.evidence.tables import Upload
from fsm.plain import Plain
from fsm.problems import Conflict, Invalid
from fsm.work_orders import field_work
from mobile_api import concatenation, tus
from mobile_api.received import finish
from mobile_api.upload_rows import Named, add_upload, count_open, look_up
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
    upload = new_row(
        Upload,
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
    plain = storage.database.plain(actor.tenant_id)
    if creation.concat == tus.PARTIAL:
        async with plain as session:
            await _require_few(session, actor)
            await add_upload(session, upload)
        return upload
    reference = tus.read_photo_reference(creation.metadata)
    digest = bytes.fromhex(reference.sha256)
    upload.photo_id, upload.sha256 = reference.photo_id, digest
    if not creation.parts:
        async with plain as session:
            if not (await _check(session, actor, reference, upload)).is_held(upload.length):
                await add_upload(session, upload)
                return upload
    async with storage.database.transaction(actor.tenant_id) as session:
        if creation.parts:
            parts = await concatenation.list_parts(session, actor, creation.parts)
            upload.length = concatenation.length_of(parts, storage.max_size)
        named = await _check(session, actor, reference, upload)
        await add_upload(session, upload)
        await field_work.lock_awaiting_jobs(session, actor, digest)
        mime = named.photo[2] if named.photo else None
        is_held = await evidence.holds(session, actor, digest, size=upload.length, mime=mime)
        if is_held and await storage.blobs.exists(actor.tenant_id, reference.sha256):
            blob = await evidence.find_blob(session, actor, digest)
            upload.length = blob.size
            await finish(storage, session, actor, now, upload)
    return upload


async def _require_few(session: Session | Plain, actor: Actor) -> None:
    if await count_open(session, actor, MOST_OPEN) >= MOST_OPEN:
        raise TooManyUploads(
            f"{MOST_OPEN} uploads are open. Finish or end some of them.", limit=MOST_OPEN
        )


async def _check(
    session: Session | Plain, actor: Actor, reference: tus.PhotoReference, upload: Upload
) -> Named:
    """Return what is known of the photo; refuse what contradicts it, and one upload too many."""
    await _require_few(session, actor)
    digest = bytes.fromhex(reference.sha256)
    named = await look_up(session, actor, reference.photo_id, digest)
    if named.sha256 not in (None, digest):
        raise Conflict(
            "This photo id names other bytes. Give the photo a new id.",
            photo_id=str(reference.photo_id),
        )
    if named.photo is None:
        return named
    user_id, size, _ = named.photo
    if user_id is not None and user_id != actor.user_id:
        raise Conflict(
            "This photo was declared by somebody else, who has to send it.",
            photo_id=str(reference.photo_id),
        )
    if upload.length is not None and upload.length != size:
        raise Invalid(
            f"The photo was declared with {size} bytes, the upload has {upload.length}.",
            errors=[{"at": "/Upload-Length", "detail": f"must be {size}"}],
        )
    return named
