"""What the last verified backup holds of the phones' intents, and so what a phone may forget.

A phone keeps what it was told was stored until a backup that has been read back holds it too: after a
restore it sends the rest again, and nothing is missing.
"""

from collections.abc import Mapping
from uuid import UUID

from fsm.database import Session, run


async def read_held(session: Session, tenant_id: UUID) -> dict[UUID, int]:
    """Return the number up to which all intents of each device are stored.

    Run it in the database that a backup was restored to for its verification, never in the live one: that
    one is ahead of every backup.
    """
    result = await run(
        session, "select device_id, last_seq from sync_device where tenant_id = :t", t=tenant_id
    )
    return {row.device_id: row.last_seq for row in result}


async def note_verified(session: Session, tenant_id: UUID, held: Mapping[UUID, int]) -> None:
    """Note in the live database what a verified backup holds (`read_held`); it never goes back."""
    await run(
        session,
        "update sync_device s set backed_up_seq = greatest(s.backed_up_seq, h.seq)"
        " from unnest(cast(:devices as uuid[]), cast(:seqs as bigint[])) as h (device, seq)"
        " where s.tenant_id = :t and s.device_id = h.device",
        t=tenant_id,
        devices=list(held),
        seqs=list(held.values()),
    )
