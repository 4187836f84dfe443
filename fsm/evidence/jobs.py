"""Background work on stored bytes: small pictures and fingerprints."""

from hashlib import sha256

from fsm import jobs
from fsm.actors import system_actor
from fsm.database import Session, run
from fsm.evidence import queries
from fsm.evidence.blobs import BlobStore, NoSuchBlob, in_thread, read_all
from fsm.evidence.queries import BLOB_STORED
from fsm.evidence.tables import Blob
from fsm.evidence.thumbnails import (
    MAX_BYTES,
    CannotDecode,
    Fingerprint,
    Thumbnail,
    fingerprint,
    thumbnail,
)
from fsm.evidence.verification import PHOTO_TYPES, TooManyPixels
from fsm.jobs import Job

#: The job that follows once a picture can be compared with others: `{"sha256": hexadecimal}`.
BLOB_FINGERPRINTED = "blob.fingerprinted"

__all__ = ["BLOB_FINGERPRINTED", "BLOB_STORED", "make_thumbnail"]


async def make_thumbnail(session: Session, job: Job, store: BlobStore) -> None:
    """Give a stored picture its thumbnail and perceptual hash; reacts to `BLOB_STORED`.

    A picture that cannot or must not be opened gets a note in `info["no_thumbnail"]`, the code of
    the refusal or `too-many-bytes`, and stays the evidence it is. Running twice changes nothing.
    """
    actor = system_actor(job.tenant_id, "thumbnails")
    digest = bytes.fromhex(job.data["sha256"])
    await queries.hold_digest(session, actor, digest)
    blob = await session.get(Blob, (job.tenant_id, digest), populate_existing=True)
    if blob is None or blob.mime not in PHOTO_TYPES or "thumbnail_of" in blob.info:
        return
    if blob.thumbnail_sha256 is not None or "no_thumbnail" in blob.info:
        return
    if blob.size > MAX_BYTES:
        blob.info = {**blob.info, "no_thumbnail": "too-many-bytes"}
        return
    try:
        content = await read_all(store, job.tenant_id, digest.hex(), blob.size)
        small, print_ = await in_thread(_shrink, content)
    except (CannotDecode, TooManyPixels, NoSuchBlob) as refusal:
        blob.info = {**blob.info, "no_thumbnail": refusal.code}
        return
    await queries.hold_digest(session, actor, sha256(small.jpeg).digest())
    stored = await store.put_small(job.tenant_id, small.jpeg)
    # Two pictures may shrink to one thumbnail, and a tiny JPEG may be another's thumbnail. Its row
    # is for retention alone: it has no holder and sets off no job.
    await run(
        session,
        "insert into blob (tenant_id, sha256, size, mime, stored_at, info) values "
        "(:t, :s, :n, 'image/jpeg', :at, jsonb_build_object('thumbnail_of', cast(:of as text), "
        "'width', cast(:w as int), 'height', cast(:h as int))) on conflict do nothing",
        t=job.tenant_id,
        s=bytes.fromhex(stored.sha256),
        n=stored.size,
        at=blob.stored_at,
        of=digest.hex(),
        w=small.width,
        h=small.height,
    )
    blob.thumbnail_sha256 = bytes.fromhex(stored.sha256)
    if print_ is not None:
        blob.perceptual_hash = print_.upright
        await jobs.enqueue(session, BLOB_FINGERPRINTED, job.tenant_id, sha256=digest.hex())


async def read_fingerprint(store: BlobStore, blob: Blob) -> Fingerprint | None:
    """Return the fingerprint in all eight positions, made again from the thumbnail."""
    if blob.thumbnail_sha256 is None or blob.perceptual_hash is None:
        return None
    name = blob.thumbnail_sha256.hex()
    size = (await store.stat(blob.tenant_id, name)).size
    return await in_thread(fingerprint, await read_all(store, blob.tenant_id, name, size))


def _shrink(content: bytes) -> tuple[Thumbnail, Fingerprint | None]:
    small = thumbnail(content)
    return small, fingerprint(small.jpeg)
