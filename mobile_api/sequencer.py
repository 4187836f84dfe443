"""The feed's order: a whole number per tenant, stamped when somebody reads, never when somebody writes.

Writers leave changed rows unstamped. A reader stamps what has been committed, under the lock of the
tenant's `sync_head`, in a transaction of its own (READ COMMITTED), and reads in a new snapshot. So no row
becomes visible below a number that somebody has already read past, and no writer waits for another.
"""

from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

import msgspec
from uuid_utils.compat import uuid7

from fsm.database import Session, fetch, run
from mobile_api.sequencer_sql import BEGIN_HEAD, BEGIN_ROWS, COUNT, MISCOUNTED, STAMP

BATCH = 5_000

_ROUNDS = 20
"""How many batches one reader stamps at most: what comes in meanwhile is for the next."""
_STAMP_EVERY = timedelta(minutes=1)


class Head(msgspec.Struct, frozen=True):
    """Where a tenant's feed stands; tombstones up to `purged` are gone for good."""

    epoch: UUID
    head: int
    purged: int


async def has_unstamped(session: Session, tenant_id: UUID) -> bool:
    result = await run(
        session,
        "select exists (select 1 from sync_row where tenant_id = :t and seq is null)",
        t=tenant_id,
    )
    return bool(result.scalar_one())


async def read_head(session: Session, tenant_id: UUID) -> Head:
    """Return where the feed stands; a tenant's first device begins its epoch."""
    statement = "select epoch, head, purged from sync_head where tenant_id = $1"
    found = await fetch(session, statement, tenant_id)
    if not found:
        await run(
            session,
            "insert into sync_head (tenant_id, head, epoch, purged) values (:t, 0, :epoch, 0)"
            " on conflict do nothing",
            t=tenant_id,
            epoch=uuid7(),
        )
        found = await fetch(session, statement, tenant_id)
    return Head(*found[0])


async def stamp(session: Session, tenant_id: UUID, now: datetime) -> int:
    """Number all rows that committed unstamped and return the new head. The caller commits at once."""
    await read_head(session, tenant_id)
    result = await run(
        session, "select head from sync_head where tenant_id = :t for update", t=tenant_id
    )
    before = head = int(result.scalar_one())
    connection = await session.connection()
    for _ in range(_ROUNDS):
        result = await connection.exec_driver_sql(STAMP, (tenant_id, BATCH, head))
        stamped = int(result.scalar_one())
        head += stamped
        if stamped < BATCH:
            break
    if head > before:
        await run(
            session,
            "update sync_head set head = :head where tenant_id = :t",
            head=head,
            t=tenant_id,
        )
        await run(
            session,
            "insert into sync_stamp (tenant_id, head, stamped_at)"
            " select :t, :head, :now where not exists ("
            "select 1 from sync_stamp where tenant_id = :t and stamped_at > :lately)"
            " on conflict do nothing",
            t=tenant_id,
            head=head,
            now=now,
            lately=now - _STAMP_EVERY,
        )
    return head


async def recount(session: Session, tenant_id: UUID) -> None:
    """Count anew what every scope holds, after SQL by hand; nobody stamps meanwhile."""
    await read_head(session, tenant_id)
    await run(session, "select head from sync_head where tenant_id = :t for update", t=tenant_id)
    await _count(session, tenant_id)


async def _count(session: Session, tenant_id: UUID) -> None:
    """Count what every scope holds; the caller holds the head."""
    connection = await session.connection()
    for statement in COUNT:
        await connection.exec_driver_sql(statement, (tenant_id,))


async def list_miscounted(session: Session, tenant_id: UUID) -> list[tuple[str, str]]:
    """Return the (scope, collection)s whose digest is not that of their stamped rows."""
    connection = await session.connection()
    rows = await connection.exec_driver_sql(MISCOUNTED, (tenant_id,))
    return [(row.scope, row.coll) for row in rows]


async def begin_epoch(
    session: Session, tenant_id: UUID, *, instead_of: UUID | None = None
) -> UUID | None:
    """Begin a new epoch: after a restore the numbers that devices know mean something else.

    Head and revisions go on beyond any that were given out and lost, so that no number and no revision is
    ever used for two things: a device that comes with lost ones differs, and is put right. They tell the
    instant, for one backup may be restored twice; only where the server's clock has gone back do they count
    on. Call it in the restored database before anybody else writes. With `instead_of`, only where that epoch
    still stands.
    """
    epoch: UUID = uuid7()
    begun = await run(session, BEGIN_HEAD, epoch=epoch, t=tenant_id, old=instead_of)
    if not begun.rowcount:
        return None
    await run(session, BEGIN_ROWS, t=tenant_id)
    await _count(session, tenant_id)
    return epoch


async def known_since(session: Session, tenant_id: UUID, base_seq: int) -> datetime | None:
    """Return an instant after which a device acted that knew `base_seq`; None when nothing tells."""
    ((found,),) = await fetch(
        session,
        "select max(stamped_at) from sync_stamp where tenant_id = $1 and head <= $2",
        tenant_id,
        base_seq,
    )
    return cast(datetime | None, found)
