"""Files put together from parts that came side by side, as soon as all of them are whole.

A part is an upload that nobody looks into: it has no photo and no hash. The final upload has both,
names its parts in order and takes no bytes itself. It may be created before its parts are whole;
whoever completes the last of them, or asks how far the final one is, puts it together.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import update
from sqlmodel import col, select

from fsm.actors import Actor
from fsm.database import Session
from fsm.evidence.tables import Upload
from fsm.problems import Problem
from mobile_api import received, tus
from mobile_api.upload_rows import lock_upload, save_upload
from mobile_api.uploads import Storage, state_of

#: How long parts are kept once their file is finished: long enough to make it again where the
#: answer was lost, short enough not to keep every byte twice.
AFTERLIFE = timedelta(hours=1)


async def list_parts(session: Session, actor: Actor, ids: Sequence[UUID]) -> list[Upload]:
    """Return these parts of this very user in the order named, or refuse: `MissingParts`."""
    statement = select(Upload).where(
        Upload.tenant_id == actor.tenant_id,
        Upload.user_id == actor.user_id,
        Upload.concat == tus.PARTIAL,
        col(Upload.id).in_(ids),
    )
    found = {part.id: part for part in (await session.exec(statement)).all()}
    missing = [str(one) for one in ids if one not in found]
    if missing:
        raise tus.MissingParts(
            "Some of these are no parts of yours, or have expired. Send them anew.", parts=missing
        )
    return [found[one] for one in ids]


def length_of(parts: Sequence[Upload], most: int) -> int | None:
    """Return the parts' length together, None while one of them does not know its own."""
    length = 0
    for part in parts:
        if part.length is None:
            return None
        length += part.length
    if length > most:
        raise tus.UploadTooLarge(f"At most {most} bytes are taken here.", limit=most)
    return length


async def assemble(storage: Storage, actor: Actor, now: datetime, final: Upload) -> Upload:
    """Put a final upload together if all its parts are whole; else return it as it is.

    What the parts make is held to the declaration like any file; refusals of the bytes, and parts
    that are gone, are final too.
    """
    assert final.parts is not None
    async with storage.database.transaction(actor.tenant_id) as session:
        row = await lock_upload(session, actor, final.id)
        if row is None or row.finished_at is not None or row.failure:
            tus.require_alive(state_of(row) if row else None, now)
            return row or final
        try:
            parts = await list_parts(session, actor, [UUID(part) for part in final.parts])
            row.length = length_of(parts, storage.max_size)
        except (tus.MissingParts, tus.UploadTooLarge) as refusal:
            row.failure = refusal.code
            await save_upload(session, row)
            return row
        await save_upload(session, row)
        if not all(state_of(part).is_complete for part in parts):
            return row
    finished = await received.complete(storage, actor, now, row)
    await _let_go(storage, actor, now, finished)
    return finished


async def look(storage: Storage, actor: Actor, now: datetime, final: Upload) -> Upload:
    """Return a final upload as far as it can be now; one whose parts are refused is `PartsRefused`."""
    try:
        final = await assemble(storage, actor, now, final)
    except received.REFUSED as refusal:
        final.failure = refusal.code
    tus.require_alive(state_of(final), now)
    return final


async def conclude(storage: Storage, actor: Actor, now: datetime, part: Upload) -> None:
    """Put together what waited for this part, which is whole.

    The part is safe whatever becomes of the file, so a refusal is left to whoever asks about that.
    """
    for final in await _list_waiting(storage, actor):
        if str(part.id) not in (final.parts or ()):
            continue
        try:
            await assemble(storage, actor, now, final)
        except Problem:
            continue


async def _list_waiting(storage: Storage, actor: Actor) -> list[Upload]:
    statement = select(Upload).where(
        Upload.tenant_id == actor.tenant_id,
        Upload.user_id == actor.user_id,
        col(Upload.finished_at).is_(None),
        col(Upload.failure).is_(None),
        col(Upload.parts).is_not(None),
    )
    async with storage.database.transaction(actor.tenant_id) as session:
        return list((await session.exec(statement)).all())


async def _let_go(storage: Storage, actor: Actor, now: datetime, final: Upload) -> None:
    """Keep the parts of a finished file a little longer, but for those that another waits for."""
    awaited = {part for other in await _list_waiting(storage, actor) for part in other.parts or ()}
    free = [UUID(part) for part in final.parts or () if part not in awaited]
    async with storage.database.transaction(actor.tenant_id) as session:
        await session.exec(
            update(Upload)
            .where(
                col(Upload.tenant_id) == actor.tenant_id,
                col(Upload.id).in_(free),
                col(Upload.expires_at) > now + AFTERLIFE,
            )
            .values(expires_at=now + AFTERLIFE)
        )
