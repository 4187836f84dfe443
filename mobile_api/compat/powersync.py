"""What the PowerSync SDK reads: one endless answer of JSON lines, checkpoint by checkpoint.

A bucket is a scope of the feed; an operation's id is its row's `seq`. The feed keeps one row an object, so it
is a bucket that is always compacted, which zero checksums allow. A checkpoint names the buckets and how far
they go, data follows, and `checkpoint_complete` lets the client apply all of it at once: the last page of
each is read in the very snapshot that the checkpoint tells, so what the client shows once stood in the
database, together.

Where a device's position has become worthless it is given a bucket of another name (see `buckets`), and
drops the old one by itself.

A write checkpoint is the highest `seq` of the device's scopes once everything is stamped: a checkpoint that
goes that far holds what the device wrote before it asked. Nothing has to be remembered for it.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from sqlalchemy.exc import SQLAlchemyError

from fsm.actors import Actor, Permission
from fsm.database import DRIVER_ERRORS, Database, raw_connection, run
from fsm.problems import Busy, Malformed, Problem
from fsm.tenants import tokens
from fsm.tenants.tokens import Secret
from mobile_api import pull
from mobile_api.compat.buckets import Bucket, is_number, place, read
from mobile_api.sequencer import Head
from mobile_api.stream import POKE_EVERY_S, Listener, Pump

log = logging.getLogger("mobile_api.compat.powersync")

KEEP_ALIVE_S = 20.0
LIFETIME_S = 3_600.0
"""After this a stream ends. `token_expires_in` counts down to it, so that the client comes back in time."""
STREAM = "all"
PRIORITY = 3
MOST_BUCKETS = 200


# --- what a client asks -----------------------------------------------------------------------------------


class AskedBucket(msgspec.Struct, frozen=True):
    """A bucket that the client holds, and the operation up to which it does."""

    name: str
    after: str


class AskedStream(msgspec.Struct, frozen=True):
    stream: str


class AskedStreams(msgspec.Struct, frozen=True):
    include_defaults: bool = True
    subscriptions: list[AskedStream] = []


class StreamRequest(msgspec.Struct, frozen=True):
    """What the SDK sends to open a stream, as far as it matters here; the rest is ignored."""

    buckets: list[AskedBucket] = []
    streams: AskedStreams = AskedStreams()

    def positions(self) -> dict[str, int]:
        """Return bucket → operation; a position that is no number counts as none."""
        return {one.name: int(one.after) if is_number(one.after) else 0 for one in self.buckets}

    def subscriptions(self) -> list[dict[str, int]]:
        """Return what the client's buckets are subscribed by; empty when it wants none of them."""
        wanted = [
            {"sub": place}
            for place, one in enumerate(self.streams.subscriptions)
            if one.stream == STREAM
        ]
        return [{"default": 0}, *wanted] if self.streams.include_defaults else wanted


def read_request(content: bytes) -> StreamRequest:
    """Return the request in a JSON body; `Malformed` says what is wrong with it."""
    try:
        request = msgspec.json.decode(content, type=StreamRequest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"The body is not what the PowerSync SDK sends: {error}.") from None
    if len(request.buckets) > MOST_BUCKETS:
        raise Malformed(f"At most {MOST_BUCKETS} buckets; there are never more than a few.")
    return request


# --- lines ------------------------------------------------------------------------------------------------


class Operation(msgspec.Struct, frozen=True, omit_defaults=True):
    """One row as it stands; `data` is JSON text. A REMOVE has none."""

    op_id: str
    op: str
    object_type: str
    object_id: str
    checksum: int
    data: str | None = None


@dataclass(slots=True)
class Conversation:
    """One client's stream: what it held when it came, and what it has been told since."""

    asked: Mapping[str, int]
    subscriptions: Sequence[Mapping[str, int]]
    buckets: dict[str, Bucket] = field(default_factory=dict)
    """By scope."""
    told: int | None = None
    """The head of the last checkpoint; None before the first."""
    is_complete: bool = True

    def settle(self, scopes: Sequence[str], head: Head) -> tuple[list[Bucket], list[str]]:
        """Have a bucket for each scope and for no other; return the new ones, and the names of the old."""
        before = self.buckets
        held = {bucket.name: bucket.after for bucket in before.values()} or self.asked
        self.buckets, added = {}, []
        for scope in scopes:
            bucket = place(held, scope, head)
            known = before.get(scope)
            if known is not None and known.name == bucket.name:
                bucket = known
            else:
                added.append(bucket)
            self.buckets[scope] = bucket
        kept = {bucket.name for bucket in self.buckets.values()}
        return added, [bucket.name for bucket in before.values() if bucket.name not in kept]

    def checkpoint(self, head: Head, changed: Sequence[Bucket], removed: Sequence[str]) -> bytes:
        """Return the line that says how far the buckets go: all of them at first, then what changed."""
        goes_to = {"last_op_id": str(head.head), "write_checkpoint": str(head.head)}
        described = [
            {
                "bucket": bucket.name,
                "checksum": 0,
                "count": bucket.count,
                "priority": PRIORITY,
                "subscriptions": self.subscriptions,
            }
            for bucket in changed
        ]
        if self.told is None:
            streams = [{"name": STREAM, "is_default": True, "errors": []}]
            return _line(checkpoint={**goes_to, "buckets": described, "streams": streams})
        return _line(
            checkpoint_diff={
                **goes_to,
                "updated_buckets": described,
                "removed_buckets": list(removed),
            }
        )


def _line(**members: Any) -> bytes:
    return msgspec.json.encode(members) + b"\n"


# --- a turn -----------------------------------------------------------------------------------------------

# $1 tenant, $2 scopes
_COUNTS = """
select scope, sum(n)::bigint from sync_digest
where tenant_id = $1 and scope = any($2::text[]) group by scope
"""


async def take_turn(
    talk: Conversation, database: Database, actor: Actor, now: datetime
) -> list[bytes]:
    """Return the lines of one page: checkpoint, data, and completion once the client has everything.

    No lines when there is nothing to tell. Rights are computed anew, as on every pull. While
    `talk.is_complete` is false more pages follow: take another turn.
    """
    scopes = await pull.prepare(database, actor, now, None)
    async with pull.snapshot(database, actor) as (session, head):
        await pull.read_device(session, actor)
        connection = await raw_connection(session)
        try:
            wanted = scopes if talk.subscriptions else []
            return await _page(talk, connection, actor.tenant_id, wanted, head)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            raise Busy("The database could not be read just now. Nothing was changed.") from error


async def _page(
    talk: Conversation, connection: Any, tenant_id: UUID, scopes: Sequence[str], head: Head
) -> list[bytes]:
    was_complete = talk.is_complete
    added, removed = talk.settle(scopes, head)
    if added:
        counts = await connection.fetch(_COUNTS, tenant_id, [bucket.scope for bucket in added])
        by_scope = dict(counts)
        for bucket in added:
            bucket.count = by_scope.get(bucket.scope, 0)
    changed, data = list(added), []
    room, size = pull.PAGE_CHANGES, 0
    for bucket in talk.buckets.values():
        found = await read(connection, tenant_id, bucket, head, room=room, size=size)
        page = [_operation(*row) for row in found.rows]
        room, size = room - len(page), found.size
        talk.is_complete = found.whole
        reached = head.head if found.whole else int(page[-1].op_id) if page else bucket.after
        if page:
            data.append(_data(bucket, page, reached, has_more=not talk.is_complete))
            if bucket not in changed:
                bucket.count += len(page)
                changed.append(bucket)
        bucket.after = reached
        if not talk.is_complete:
            break
    lines = []
    has_news = bool(changed or removed or not was_complete)
    if talk.told is None or (has_news and (talk.told != head.head or added or removed)):
        lines.append(talk.checkpoint(head, changed, removed))
        talk.told, has_news = head.head, True
    if has_news and talk.is_complete:
        data.append(_line(checkpoint_complete={"last_op_id": str(head.head)}))
    return lines + data


def _operation(seq: int, op: str, coll: str, row_id: str, body: str | None) -> Operation:
    kind = "PUT" if op == "put" else "REMOVE"
    return Operation(str(seq), kind, coll, row_id, 0, body)


def _data(bucket: Bucket, page: list[Operation], reached: int, *, has_more: bool) -> bytes:
    return _line(
        data={
            "bucket": bucket.name,
            "after": str(bucket.after),
            "next_after": str(reached),
            "has_more": has_more,
            "data": page,
        }
    )


# --- the stream -------------------------------------------------------------------------------------------


async def find_reader(database: Database, secret: Secret) -> Actor:
    """Return the device as it stands now, or raise why it may no longer read."""
    async with database.transaction(secret.tenant_id) as session:
        actor = await tokens.find_device_actor(session, secret)
    actor.must(Permission.SYNC)
    return actor


async def stream(
    talk: Conversation,
    pump: Pump,
    database: Database,
    secret: Secret,
    clock: Callable[[], datetime],
    lines: Sequence[bytes],
) -> AsyncIterator[bytes]:
    """Yield `lines`, then what comes after, until the device may no longer read or the stream is old.

    Whenever the feed moves, and with each keep-alive, the device's rights are looked at again. A stream that
    meets a failing database ends; the client comes back and goes on where it was.
    """
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + LIFETIME_S
    for line in lines:
        yield line
    listener: Listener | None = None
    try:
        while True:
            try:
                if listener is None or listener.scopes != talk.buckets.keys():
                    if listener is not None:
                        pump.leave(listener)
                    listener = await pump.join(secret.tenant_id, list(talk.buckets))
                actor = await find_reader(database, secret)
                lines = await take_turn(talk, database, actor, clock())
            except (Problem, SQLAlchemyError, *DRIVER_ERRORS, OSError) as error:
                log.info("a stream ends: %s", error)
                return
            for line in lines:
                yield line
            if not talk.is_complete or listener.scopes != talk.buckets.keys():
                continue
            has_moved = await _moved(listener, ends_at)
            if pump.is_closing:
                return
            if not has_moved:
                left_s = max(0, int(ends_at - loop.time()))
                yield _line(token_expires_in=left_s)
                if left_s == 0:
                    return
    finally:
        if listener is not None:
            pump.leave(listener)


async def _moved(listener: Listener, ends_at: float) -> bool:
    """Wait until the feed moves; false when it is time for a keep-alive, or for the end."""
    left_s = max(0.0, ends_at - asyncio.get_running_loop().time())
    with suppress(TimeoutError):
        await asyncio.wait_for(listener.moved.wait(), min(KEEP_ALIVE_S, left_s))
        await asyncio.sleep(POKE_EVERY_S)
        listener.moved.clear()
        return True
    return False


# --- write checkpoints ------------------------------------------------------------------------------------


async def write_checkpoint(database: Database, actor: Actor, now: datetime) -> int:
    """Return the operation that a checkpoint must reach to hold all that the device has written."""
    scopes = await pull.prepare(database, actor, now, None)
    async with database.transaction(actor.tenant_id) as session:
        result = await run(
            session,
            "select coalesce(max(newest.seq), 0) from unnest(cast(:scopes as text[])) s (scope)"
            " cross join lateral (select max(r.seq) as seq from sync_row r"
            " where r.tenant_id = :t and r.scope = s.scope) newest",
            t=actor.tenant_id,
            scopes=scopes,
        )
        return int(result.scalar_one())
