"""What is odd about a photo: flagged for a person to look at, never refused.

It looks like one from another visit, or what the camera wrote into it does not fit the visit.

Photos of one visit resemble each other by nature, so only pairs from two visits count. Of a pair
the photo declared later is flagged, whichever bytes came first.

Time and place in a file are the camera's word: anybody can write them, and phones strip the place
when a picture is picked from the gallery. So their absence says nothing, and where the app told its
own position, that alone is compared with the site.
"""

import math
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlmodel import col, select

from fsm import events
from fsm.actors import Actor, system_actor
from fsm.customers.tables import Site
from fsm.database import Session, run, touch
from fsm.evidence.blobs import BlobStore, NoSuchBlob
from fsm.evidence.exif import Exif
from fsm.evidence.jobs import read_fingerprint
from fsm.evidence.tables import Blob
from fsm.evidence.thumbnails import SIMILAR_WITHIN, CannotDecode, Fingerprint
from fsm.jobs import Job
from fsm.work_orders.closing_facts import PhotoState
from fsm.work_orders.records import Photo
from fsm.work_orders.tables import Visit, WorkOrder

REUSED_PHOTO = "reused_photo"
SIMILAR_PHOTO = "similar_photo"
EXIF_TIME = "exif_time"
EXIF_POSITION = "exif_position"

#: How long before the start and after the end of a visit its photos may have been taken.
SLACK = timedelta(hours=1)

#: A fix less sure than this many metres tells nothing.
WORST_ACCURACY_M = 5_000.0

_MOST_LOOKALIKES = 100


# --- the camera's word ------------------------------------------------------------------------------------


def is_outside_visit(taken_at: datetime, began_at: datetime, ended_at: datetime) -> bool:
    """Return whether a photo was taken more than `SLACK` before or after; all aware instants."""
    return not began_at - SLACK <= taken_at <= ended_at + SLACK


def is_away_from_site(
    site: tuple[float, float], radius_m: float, fix: tuple[float, float], accuracy_m: float
) -> bool:
    """Return whether a position lies beyond the site's radius, however its inaccuracy fell."""
    return _metres(site, fix) > radius_m + accuracy_m


def _metres(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Return the distance on a sphere (haversine): within 0.6 % of the ellipsoid's."""
    (south, west), (north, east) = ((math.radians(a), math.radians(o)) for a, o in (one, other))
    half = (
        math.sin((north - south) / 2) ** 2
        + math.cos(south) * math.cos(north) * math.sin((east - west) / 2) ** 2
    )
    return 2 * 6_371_008.8 * math.asin(math.sqrt(min(half, 1.0)))


async def flag_by_header(
    session: Session, actor: Actor, now: datetime, photos: Iterable[Photo], visit: Visit
) -> None:
    """Flag verified photos of one visit whose own time or position does not fit it.

    Runs when the bytes are verified and again when the visit is finished, whichever comes last; a
    visit that has not begun judges no time.
    """
    site = await _site(session, visit)
    for photo in photos:
        blob = await session.get(Blob, (photo.tenant_id, photo.sha256))
        exif = Exif.from_json((blob.info if blob else {}).get("exif", {}))
        if _has_odd_time(photo, visit, exif, site):
            await _flag(session, actor, now, photo, EXIF_TIME)
        if site is not None and _has_odd_place(photo, exif, site):
            await _flag(session, actor, now, photo, EXIF_POSITION)


async def flag_visits_photos(session: Session, actor: Actor, now: datetime, visit: Visit) -> None:
    """Look at a visit's verified photos again, now that its end is known."""
    statement = (
        select(Photo)
        .where(
            Photo.tenant_id == actor.tenant_id,
            Photo.work_order_id == visit.work_order_id,
            Photo.visit_id == visit.id,
            Photo.state == PhotoState.VERIFIED,
        )
        .order_by(col(Photo.id))
    )
    await flag_by_header(session, actor, now, await session.exec(statement), visit)


async def _site(session: Session, visit: Visit) -> Site | None:
    job = await session.get(WorkOrder, (visit.tenant_id, visit.work_order_id))
    if job is None or job.site_id is None:
        return None
    return await session.get(Site, (visit.tenant_id, job.site_id))


def _has_odd_time(photo: Photo, visit: Visit, exif: Exif, site: Site | None) -> bool:
    known = [at for at in (visit.arrived_at, visit.work_started_at) if at is not None]
    if exif.taken_at is None or not known:
        return False
    taken_at = exif.taken_at
    if taken_at.tzinfo is None:  # the camera showed the time of where it was
        taken_at = taken_at.replace(tzinfo=ZoneInfo(site.zone if site else "UTC"))
    taken_at += timedelta(milliseconds=photo.clock_offset_ms)
    return is_outside_visit(taken_at, min(known), visit.finished_at or photo.declared_at)


def _has_odd_place(photo: Photo, exif: Exif, site: Site) -> bool:
    if site.latitude is None or site.longitude is None:
        return False
    for latitude, longitude, accuracy_m in (
        (photo.latitude, photo.longitude, photo.accuracy_m or 0.0),
        (exif.latitude, exif.longitude, exif.accuracy_m or 0.0),
    ):
        if latitude is not None and longitude is not None and accuracy_m <= WORST_ACCURACY_M:
            here = (site.latitude, site.longitude)
            return is_away_from_site(here, site.radius_m, (latitude, longitude), accuracy_m)
    return False


# --- lookalikes -------------------------------------------------------------------------------------------


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
            await _flag(session, actor, now, later, SIMILAR_PHOTO, earlier)


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
    session: Session,
    actor: Actor,
    now: datetime,
    photo: Photo,
    code: str,
    other: Photo | None = None,
) -> None:
    """Flag a photo once for each reason: the first lookalike found is enough to look at it."""
    if any(flag["code"] == code for flag in photo.flags):
        return
    ref: dict[str, Any] = {} if other is None else {"ref": str(other.id)}
    photo.flags = [*photo.flags, {"code": code, **ref}]
    await events.record(
        session,
        actor,
        "photo.flagged",
        "work_order",
        photo.work_order_id,
        now=now,
        photo_id=str(photo.id),
        code=code,
        **ref,
    )
    touch(session, photo)
