"""Photos and videos of steps: declared by the phone, verified when their bytes have arrived intact."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import update
from sqlmodel import col, select

from fsm import events
from fsm.actors import Actor
from fsm.appending import new_row
from fsm.database import Session, fetch, touch
from fsm.evidence import queries as evidence
from fsm.plain import Plain
from fsm.problems import Invalid, NotFound
from fsm.work_orders import completion, photo_flags, records
from fsm.work_orders.closing_facts import PhotoState
from fsm.work_orders.field_work.report import Report
from fsm.work_orders.lifecycle import Status
from fsm.work_orders.orders import lock_work_order
from fsm.work_orders.photo_marks import Mark, as_kept
from fsm.work_orders.tables import Visit


async def foresee_photos(
    session: Session, actor: Actor, photos: Sequence[tuple[UUID, bytes]]
) -> None:
    """Look up together what several `declare_photo` of one transaction ask; photos are (id, SHA-256).

    Bytes or ids that come twice are left to their turn: the second must see the first.
    """
    ids = Counter(photo_id for photo_id, _ in photos)
    digests = Counter(sha256 for _, sha256 in photos)
    once = {photo_id for photo_id, times in ids.items() if times == 1}
    alone = [sha256 for sha256, times in digests.items() if times == 1]
    await evidence.foresee(session, actor, alone)
    new, shown = set(once), {sha256: dict[UUID, UUID]() for sha256 in alone}
    for photo_id, visit_id, sha256 in await fetch(
        session, _ALIKE, actor.tenant_id, list(once), alone
    ):
        new.discard(photo_id)
        if sha256 in shown:
            shown[sha256].setdefault(visit_id, photo_id)
    session.info["new_photos"] = new
    session.info["shown_digests"] = shown


_ALIKE = """
select id, visit_id, sha256 from photo where tenant_id = $1 and id = any(cast($2 as uuid[]))
union
select id, visit_id, sha256 from photo where tenant_id = $1 and sha256 = any(cast($3 as bytea[]))
order by id
"""


async def declare_photo(
    report: Report,
    *,
    photo_id: UUID,
    item: str,
    slot: int,
    sha256: bytes,
    size: int,
    mime: str,
    captured_at: datetime,
    position: tuple[float, float] | None = None,
    accuracy_m: float | None = None,
    clock_offset: timedelta = timedelta(0),
) -> records.Photo:
    """Say that a photo of a step exists; it counts as verified once its bytes are here, before or after."""
    known = None
    if photo_id not in report.session.info.get("new_photos", ()):
        known = await report.session.get(records.Photo, (report.actor.tenant_id, photo_id))
    if known is not None:
        if known.sha256 != sha256 or known.work_order_id != report.work_order.id:
            raise Invalid("This photo id already names other bytes.", photo_id=str(photo_id))
        return known
    photo = new_row(
        records.Photo,
        id=photo_id,
        tenant_id=report.actor.tenant_id,
        work_order_id=report.work_order.id,
        visit_id=report.visit.id,
        item=item,
        slot=slot,
        sha256=sha256,
        size=size,
        mime=mime,
        captured_at=captured_at,
        declared_at=report.now,
        latitude=position[0] if position else None,
        longitude=position[1] if position else None,
        accuracy_m=accuracy_m,
        clock_offset_ms=clock_offset // timedelta(milliseconds=1),
        device_id=report.actor.device_id,
        user_id=report.actor.user_id,
    )
    session, actor = report.session, report.actor
    is_foreseen = evidence.is_foreseen(session, sha256)
    if not is_foreseen:
        session.add(photo)
        await session.flush()
    is_held = await evidence.holds(session, actor, sha256, size=size, mime=mime)
    # The hash is held now: of two visits that name the same bytes at once, the second sees the first.
    photo.flags = await _reuse(report, sha256)
    if is_held:
        session.add(photo)
        await mark_verified(session, actor, photo, report.visit, report.now)
    elif is_foreseen:
        session.append(photo)
    await report.counted()
    await report.event(
        "photo.declared", photo_id=str(photo_id), item=item, slot=slot, sha256=sha256.hex()
    )
    return photo


async def _reuse(report: Report, sha256: bytes) -> list[dict[str, Any]]:
    """Return the flag for bytes that another visit of the tenant has shown already, or none."""
    session = report.session
    if evidence.is_foreseen(session, sha256):
        shown = session.info["shown_digests"][sha256]
        other = next((one for visit_id, one in shown.items() if visit_id != report.visit.id), None)
    else:
        other = await _find_shown(report, sha256)
    return [{"code": photo_flags.REUSED_PHOTO, "ref": str(other)}] if other else []


async def _find_shown(report: Report, sha256: bytes) -> UUID | None:
    """Return the first photo with these bytes of another visit."""
    statement = (
        select(records.Photo.id)
        .where(
            records.Photo.tenant_id == report.actor.tenant_id,
            records.Photo.sha256 == sha256,
            records.Photo.visit_id != report.visit.id,
        )
        .order_by(col(records.Photo.id))
        .limit(1)
    )
    return (await report.session.exec(statement)).first()


async def mark_verified(
    session: Session, actor: Actor, photo: records.Photo, visit: Visit, now: datetime
) -> None:
    """Let a photo count, and flag what its header says against the visit."""
    photo.state = PhotoState.VERIFIED
    photo.verified_sha256 = photo.sha256
    photo.verified_at = now
    await photo_flags.flag_by_header(session, actor, now, [photo], visit)
    await session.flush()


async def retract_photo(report: Report, photo_id: UUID, reason: str) -> None:
    """Take a photo back; its bytes and the fact that it was there are kept."""
    photo = await _find_photo(report, photo_id)
    if photo.retracted_at is None:
        photo.retracted_at = report.now
        photo.retract_reason = reason
        await report.counted()
        await report.event("photo.retracted", photo_id=str(photo_id), reason=reason)


async def mark_photo(report: Report, photo_id: UUID, marks: Sequence[Mark]) -> None:
    """Point at something in a photo, in place of what was pointed at before; none takes all back."""
    photo = await _find_photo(report, photo_id)
    if not photo.mime.startswith("image/"):
        raise Invalid("Only pictures can be marked, not videos.", photo_id=str(photo_id))
    kept = as_kept(marks)
    if photo.marks != kept:
        photo.marks = kept
        touch(report.session, photo)
        await report.event("photo.marked", photo_id=str(photo_id), marks=kept)


async def _find_photo(report: Report, photo_id: UUID) -> records.Photo:
    photo = await report.session.get(records.Photo, (report.actor.tenant_id, photo_id))
    if photo is None or photo.work_order_id != report.work_order.id:
        raise NotFound(f"No photo {photo_id} on this job.")
    return photo


async def photo_bytes_arrived(
    session: Session, actor: Actor, now: datetime, sha256: bytes
) -> list[UUID]:
    """Verify the sender's photos with these bytes and complete the jobs that waited for nothing else.

    Called in the transaction that made the blob durable; returns the photos, in order of their jobs. A
    photo that somebody else declared waits for bytes of its own: knowing a hash is no proof of having the
    photo. One that was declared with another size or kind than the bytes have is corrupt.
    """
    blob = await evidence.find_blob(session, actor, sha256)
    arrived = []
    for work_order_id, photo_id in await _list_awaiting(session, actor, sha256):
        work_order = await lock_work_order(session, actor, work_order_id)
        photo = await session.get(
            records.Photo, (actor.tenant_id, photo_id), populate_existing=True
        )
        assert photo is not None
        if photo.state == PhotoState.VERIFIED:
            continue
        if not evidence.is_as_declared(blob.size, blob.mime, size=photo.size, mime=photo.mime):
            photo.state = PhotoState.CORRUPT
            touch(session, photo)
            continue
        visit = await session.get(Visit, (actor.tenant_id, photo.visit_id))
        assert visit is not None
        await mark_verified(session, actor, photo, visit, now)
        arrived.append(photo_id)
        await events.record(
            session,
            actor,
            "photo.verified",
            "work_order",
            work_order.id,
            now=now,
            photo_id=str(photo_id),
            sha256=sha256.hex(),
        )
        if work_order.status not in (Status.CLOSED, Status.CANCELLED):
            await completion.count_fact(session, actor, work_order, now)
        touch(session, work_order)
    return arrived


async def is_declared(
    session: Session | Plain, actor: Actor, photo_id: UUID, sha256: bytes
) -> bool:
    """Say whether anything waits for these bytes of the actor's, or shows their receipt."""
    found = await fetch(session, _DECLARED, actor.tenant_id, photo_id, sha256, actor.user_id)
    return bool(found)


_DECLARED = """
select 1 from photo where tenant_id = $1 and id = $2
union all
select 1 from photo where tenant_id = $1 and sha256 = $3 and state <> 'verified'
  and user_id is not distinct from $4
limit 1
"""


async def lock_awaiting_jobs(session: Session, actor: Actor, sha256: bytes) -> None:
    """Hold the jobs whose photos these bytes will verify, before the bytes themselves are held.

    A phone that declares a photo holds its job first and the hash second. Whoever brings the bytes takes
    them in the same order, so that the two wait for each other and do not deadlock.
    """
    held = {job for job, _ in await _list_awaiting(session, actor, sha256)}
    for work_order_id in sorted(held):
        await lock_work_order(session, actor, work_order_id)


async def _list_awaiting(session: Session, actor: Actor, sha256: bytes) -> list[tuple[UUID, UUID]]:
    """Return (job, photo) of the actor's own photos with these bytes that are not verified yet."""
    statement = (
        select(records.Photo.work_order_id, records.Photo.id)
        .where(
            records.Photo.tenant_id == actor.tenant_id,
            records.Photo.sha256 == sha256,
            records.Photo.state != PhotoState.VERIFIED,
            col(records.Photo.user_id).is_not_distinct_from(actor.user_id),
        )
        .order_by(col(records.Photo.work_order_id), col(records.Photo.id))
    )
    return [(job, photo) for job, photo in await session.exec(statement)]


async def set_photo_state(
    session: Session, actor: Actor, photo_id: UUID, state: PhotoState
) -> None:
    """Show how far a declared photo's bytes have come; `verified` is not set here."""
    assert state != PhotoState.VERIFIED
    await session.exec(
        update(records.Photo)
        .where(
            col(records.Photo.tenant_id) == actor.tenant_id,
            col(records.Photo.id) == photo_id,
            col(records.Photo.state) != PhotoState.VERIFIED,
        )
        .values(state=state)
    )
