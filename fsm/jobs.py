"""Durable background jobs, written in the caller's transaction and safe to run twice.

PgQueuer keeps the queue. Its notify trigger is left out (NOTIFY inside write transactions serialises
commits): workers poll. The queue is the one local, tenant-free table group; a job carries its tenant.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.queries import Queries

from fsm.database import Session, raw_connection
from fsm.plain import Plain


class Job(msgspec.Struct, frozen=True):
    """What a worker is given: whose, and what about."""

    tenant_id: UUID
    data: dict[str, Any]


async def enqueue(
    session: Session | Plain,
    name: str,
    tenant_id: UUID,
    *,
    priority: int = 0,
    not_before: datetime | None = None,
    now: datetime | None = None,
    **data: Any,
) -> int:
    """Write one job in this transaction and return its number. It exists exactly if the caller commits."""
    delay = max(not_before - now, timedelta(0)) if not_before and now else None
    queries = Queries(AsyncpgDriver(await raw_connection(session)))
    (number,) = await queries.enqueue(
        name, msgspec.json.encode(Job(tenant_id, data)), priority=priority, execute_after=delay
    )
    return int(number)


async def enqueue_many(
    session: Session | Plain, tenant_id: UUID, wanted: Sequence[tuple[str, dict[str, Any]]]
) -> None:
    """Write several jobs, each (name, data), in this transaction with one statement."""
    if not wanted:
        return
    queries = Queries(AsyncpgDriver(await raw_connection(session)))
    await queries.enqueue(
        [name for name, _ in wanted],
        [msgspec.json.encode(Job(tenant_id, data)) for _, data in wanted],
        [0] * len(wanted),
    )


def decode(payload: bytes | None) -> Job:
    return msgspec.json.decode(payload or b"", type=Job)
