"""Photos that look like one from another visit: flagged for a person to look at, never refused.

Photos of one visit resemble each other by nature, so only pairs from two visits count. Of a pair
the photo declared later is flagged, whichever bytes came first.
"""

from datetime import datetime

from sqlmodel import col, select

from fsm import events
from fsm.actors import Actor, system_actor
from fsm.database import Session, run, touch
from fsm.evidence.blobs import BlobStore, NoSuchBlob
from fsm.evidence.jobs import read_fingerprint
from fsm.evidence.tables import Blob
from fsm.evidence.thumbnails import SIMILAR_WITHIN, CannotDecode, Fingerprint
from fsm.jobs import Job
from fsm.work_orders.records import Photo

SIMILAR_PHOTO = "similar_photo"

_MOST_LOOKALIKES = 100


async def flag_similar_photos(session: Session, job: Job, store: BlobStore, now: datetime) -> None:
    """Compare a picture with all of its tenant's and flag lookalikes of other visits.

    Reacts to `BLOB_FINGERPRINTED` and to a declaration that came after the bytes: the job's data
    names `sha256` in hexadecimal. Without a fingerprint or a declared photo yet it does nothing;
    the later of the two sets it off again. Running twice changes nothing.
    """
    actor = system_actor(job.tenant_id, "photo comparison")
    digest = bytes.fromhex(job.data["sha256"])
    blob = await session.get(Blob, (job.tenant_id, digest))
    if blob is None:
        return
    try:
        found = await read_fingerprint(store, blob)
    except (NoSuchBlob, CannotDecode):  # the thumbnail went with retention
        return
    if found is None:
        return
    own = await _lock_photos(session, actor, [digest])
    others = await _lock_photos(session, actor, await _lookalikes(session, actor, digest, found))
    for photo in own:
        for other in others:
            if other.visit_id == photo.visit_id:
                continue
            earlier, later = sorted((photo, other), key=lambda one: (one.declared_at, one.id))
            await _flag(session, actor, now, later, earlier)


async def _lookalikes(
    session: Session, actor: Actor, digest: bytes, found: Fingerprint
) -> list[bytes]:
    """Return hashes of other blobs within `SIMILAR_WITHIN` bits in one of the eight positions."""
    names = [f"h{number}" for number in range(len(found.turned))]
    distances = ", ".join(
        f"bit_count(cast(perceptual_hash # cast(:{name} as bigint) as bit(64)))" for name in names
    )
    rows = await run(
        session,
        "select sha256 from blob "  # noqa: S608 - only the names of the values are put together
        "where tenant_id = :t and sha256 <> :s and perceptual_hash is not null "
        f"and least({distances}) <= :d order by stored_at, sha256 limit :n",
        t=actor.tenant_id,
        s=digest,
        d=SIMILAR_WITHIN,
        n=_MOST_LOOKALIKES,
        **dict(zip(names, found.turned, strict=True)),
    )
    return [row.sha256 for row in rows]


async def _lock_photos(session: Session, actor: Actor, digests: list[bytes]) -> list[Photo]:
    """Return the declared photos of these blobs, held, the earliest first."""
    if not digests:
        return []
    statement = (
        select(Photo)
        .where(Photo.tenant_id == actor.tenant_id, col(Photo.sha256).in_(digests))
        .order_by(col(Photo.declared_at), col(Photo.id))
        .limit(_MOST_LOOKALIKES)
        .with_for_update()
    )
    return list(await session.exec(statement))


async def _flag(
    session: Session, actor: Actor, now: datetime, photo: Photo, earlier: Photo
) -> None:
    """Flag a photo once: the first lookalike found is reason enough to look at it."""
    if any(flag["code"] == SIMILAR_PHOTO for flag in photo.flags):
        return
    photo.flags = [*photo.flags, {"code": SIMILAR_PHOTO, "ref": str(earlier.id)}]
    await events.record(
        session,
        actor,
        "photo.flagged",
        "work_order",
        photo.work_order_id,
        now=now,
        photo_id=str(photo.id),
        code=SIMILAR_PHOTO,
        ref=str(earlier.id),
    )
    touch(session, photo)
