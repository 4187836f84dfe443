"""When a device and the feed may differ: a check that costs little, and a comparison row by row.

A device whose rows do not add up to the digest is a bug of ours or its own: it is counted and logged.
"""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from fsm.actors import Actor
from fsm.database import Database, raw_connection, run
from mobile_api import pull
from mobile_api.feed_tokens import Position, write_token
from mobile_api.pull import Digest

log = logging.getLogger("mobile_api.repair")

DIFFERS = "digest"
REASONS = frozenset({DIFFERS, "restored", "expired"})
"""Why a device compares, as far as we know the word."""

_ROWS = """
select coll, id::text, rev, scope, why from sync_row
where tenant_id = $1 and scope = any($2::text[]) and op = 'put' and seq is not null
order by seq
"""

_BODIES = """
select coll, id::text, rev, scope, body from sync_row
where tenant_id = $1 and scope = any($2::text[]) and op = 'put' and seq is not null
  and (coll, id) in (select * from unnest($3::text[], $4::uuid[]))
order by seq
"""

Have = Mapping[str, Sequence[tuple[UUID, int]]]
"""collection → (id, rev) of every row that the device holds"""


class DigestAnswer(msgspec.Struct, frozen=True):
    """`digest` is null while changes are on their way that no device has read yet."""

    epoch: UUID
    head: int
    digest: dict[str, Digest] | None


async def read_digest(database: Database, actor: Actor, now: datetime) -> DigestAnswer:
    """Return the digest that an up-to-date device of this user has."""
    scopes = await pull.prepare(database, actor, now, None)
    async with pull.snapshot(database, actor) as (session, head):
        connection = await raw_connection(session)
        digest = await pull.digest_of(connection, actor.tenant_id, scopes)
    return DigestAnswer(head.epoch, head.head, digest)


async def reconcile(
    database: Database,
    key: bytes,
    actor: Actor,
    now: datetime,
    have: Have,
    reason: str | None = None,
) -> bytes:
    """Return what a device must put and drop to hold what it may, as JSON.

    Rows that lost their grant are left to a device that has them; it is told `gone` once its outbox no
    longer needs them. Without `complete` the device applies the page and asks again with what it has then;
    only a complete answer has the `since` to go on from.
    """
    scopes = await pull.prepare(database, actor, now, None)
    held = {(coll, str(row_id)): rev for coll, rows in have.items() for row_id, rev in rows}
    async with pull.snapshot(database, actor) as (session, head):
        known = await pull.read_device(session, actor)
        connection = await raw_connection(session)
        wanted: list[tuple[str, str]] = []
        kept: set[tuple[str, str]] = set()
        for coll, row_id, rev, _, why in await connection.fetch(_ROWS, actor.tenant_id, scopes):
            there = held.get((coll, row_id))
            kept.add((coll, row_id))
            if there != rev and (why is None or there is not None):
                wanted.append((coll, row_id))
        page = wanted[: pull.PAGE_CHANGES]
        rows = await connection.fetch(
            _BODIES,
            actor.tenant_id,
            scopes,
            [coll for coll, _ in page],
            [UUID(row_id) for _, row_id in page],
        )
    put: list[str] = []
    size = 0
    for coll, row_id, rev, scope, body in rows:
        change = pull.change(coll, row_id, scopes.index(scope), rev, "put", None, body)
        if put and size + len(change) > pull.PAGE_BYTES:
            break
        put.append(change)
        size += len(change)
    complete = len(put) == len(wanted)
    gone: dict[str, list[str]] = {}
    for coll, row_id in sorted(held.keys() - kept):
        gone.setdefault(coll, []).append(row_id)
    if reason is not None:
        await _tell(
            database,
            actor,
            now,
            reason,
            differing=len(wanted),
            foreign=sum(map(len, gone.values())),
        )
    position = Position(
        epoch=head.epoch,
        tenant=actor.tenant_id,
        device=pull.device_of(actor),
        read=dict.fromkeys(scopes, head.head),
        schema=known.schema,
    )
    rest: dict[str, Any] = {
        "epoch": head.epoch,
        "head": head.head,
        "scopes": scopes,
        "gone": gone,
        "since": write_token(key, position) if complete else None,
        "complete": complete,
        "forget_upto": known.forget_upto,
        "server_time": pull.iso(now),
    }
    return msgspec.json.encode(rest)[:-1] + f',"put":[{",".join(put)}]}}'.encode()


async def _tell(
    database: Database, actor: Actor, now: datetime, reason: str, *, differing: int, foreign: int
) -> None:
    """Log why a device compares and how much differed; count where its sum did."""
    log.log(
        logging.WARNING if reason == DIFFERS else logging.INFO,
        "a device compares its rows with the feed",
        extra={
            "tenant": str(actor.tenant_id),
            "device": str(actor.device_id),
            "reason": reason if reason in REASONS else "other",
            "differing": differing,
            "foreign": foreign,
        },
    )
    if reason == DIFFERS:
        async with database.transaction(actor.tenant_id) as session:
            await run(
                session,
                "update device set differed_count = differed_count + 1, differed_at = :now"
                " where tenant_id = :t and id = :device",
                t=actor.tenant_id,
                device=actor.device_id,
                now=now,
            )
