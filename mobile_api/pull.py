"""What a device reads: pages of changes in the feed's order, built by concatenating stored bodies."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from sqlmodel import select

from fsm.actors import Actor
from fsm.crash_points import crash_point
from fsm.database import Database, Session, raw_connection, run
from fsm.problems import Busy, Problem
from fsm.technicians.tables import Technician
from mobile_api import feed, sequencer
from mobile_api.affected import CATALOGUE
from mobile_api.feed_tokens import BadFeedToken, Position, read_token, write_token
from mobile_api.sequencer import Head

PAGE_CHANGES = 1_000
PAGE_BYTES = 1_048_576
OLDEST_SCHEMA = 1
"""Apps that speak an older schema are refused on pull; they can still send."""


class FeedEpochChanged(Problem):
    """The feed began anew; the device keeps its outbox and reconciles. `reason`: restored, expired."""

    code, status, title = "feed-epoch-changed", 410, "The feed has begun anew"


class ClientTooOld(Problem):
    """Fact `oldest` is the oldest schema that can still read."""

    code, status, title = "client-too-old", 426, "The app is too old to read"

    @property
    def headers(self) -> dict[str, str]:
        return {"Upgrade": "fsm-sync/1"}


class NotATechnician(Problem):
    """The login is not linked to an active technician, so there is nothing to take along."""

    code, status, title = "not-a-technician", 403, "Not linked to a technician"


class Digest(msgspec.Struct, frozen=True):
    """How many rows of a collection the device should hold, and the sum over their `id:rev`."""

    n: int
    sum: str


class PullHead(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything of a pull's answer but the changes."""

    epoch: UUID
    since: str
    head: int
    complete: bool
    server_time: str
    scopes: list[str]
    dropped: list[str]
    forget_upto: int
    digest: dict[str, Digest] | None = None


async def granted_scopes(session: Session, actor: Actor) -> list[str]:
    """Return the scopes that a device's user may read now; rights are computed on every call."""
    statement = select(Technician.id).where(
        Technician.tenant_id == actor.tenant_id,
        Technician.user_id == actor.user_id,
        Technician.is_active,
    )
    technician_id = (await session.exec(statement)).one_or_none()
    if technician_id is None:
        raise NotATechnician(
            "Your login is not linked to an active technician. Ask your office to link it."
        )
    return [CATALOGUE, feed.technician_scope(technician_id)]


async def answer(
    database: Database,
    key: bytes,
    actor: Actor,
    now: datetime,
    *,
    since: str | None,
    limit: int,
    outbox_empty_at: int | None,
    coll: str | None = None,
) -> bytes:
    """Return one page as JSON. Prepares and stamps in transactions of their own, reads in one snapshot.

    With `coll` the pages, and the tokens in them, are of one collection alone.
    """
    position = None if since is None else read_token(key, since)
    if position is not None and (position.tenant, position.device, position.coll) != (
        actor.tenant_id,
        actor.device_id,
        coll,
    ):
        raise BadFeedToken(
            "This 'since' was given to another device, or for other collections. Pull without it."
        )
    scopes = await prepare(database, actor, now, outbox_empty_at)
    async with snapshot(database, actor) as (session, head):
        known = await read_device(session, actor)
        problem = _unusable(position, head, scopes) if position else None
        if problem is None:
            return await _page(session, key, actor, now, head, scopes, known, position, limit, coll)
    if problem.facts["ahead"]:
        # Only a feed that was set back can be behind a token of its own: everybody reconciles.
        async with database.transaction(actor.tenant_id) as session:
            await sequencer.begin_epoch(session, actor.tenant_id, instead_of=head.epoch)
    raise problem


@asynccontextmanager
async def snapshot(database: Database, actor: Actor) -> AsyncIterator[tuple[Session, Head]]:
    """Open a transaction that sees one instant of the feed, and where it stood then."""
    async with database.transaction(actor.tenant_id) as session:
        await run(session, "set transaction isolation level repeatable read, read only")
        yield session, await sequencer.read_head(session, actor.tenant_id)


def _unusable(position: Position, head: Head, scopes: list[str]) -> FeedEpochChanged | None:
    read = [position.read.get(scope, 0) for scope in scopes]
    ahead = position.epoch == head.epoch and max(position.read.values(), default=0) > head.head
    if position.epoch != head.epoch or ahead:
        reason, said = "restored", "The server was restored from a backup."
    elif any(0 < seq < head.purged for seq in read):
        reason, said = "expired", "The device has not read for more than a year."
    else:
        return None
    return FeedEpochChanged(
        f"{said} Keep the outbox, reconcile, then pull without 'since'.",
        reason=reason,
        ahead=ahead,
    )


async def prepare(
    database: Database, actor: Actor, now: datetime, outbox_empty_at: int | None
) -> list[str]:
    """Let the scopes' windows stand at today, let go of what the outbox no longer needs, stamp."""
    async with database.transaction(actor.tenant_id) as session:
        scopes = await granted_scopes(session, actor)
        days = await feed.local_days(session, actor.tenant_id, scopes, now)
        stored = await run(
            session,
            "select scope, window_on from sync_scope"
            " where tenant_id = :t and scope = any(cast(:scopes as text[]))",
            t=actor.tenant_id,
            scopes=scopes,
        )
        standing = {row.scope: row.window_on for row in stored}
        head = await sequencer.read_head(session, actor.tenant_id)
        if late := [scope for scope in scopes if standing.get(scope) != days[scope]]:
            await feed.open_scopes(session, actor.tenant_id, late, now)
        if outbox_empty_at is not None:
            await _let_go(session, actor, scopes, min(outbox_empty_at, head.head))
        unstamped = await sequencer.has_unstamped(session, actor.tenant_id)
    if unstamped:
        await stamp_now(database, actor.tenant_id, now)
    return scopes


async def stamp_now(database: Database, tenant_id: UUID, now: datetime) -> int:
    """Stamp in a transaction of its own, which is what makes stamping safe; return the head."""
    async with database.transaction(tenant_id) as session:
        head = await sequencer.stamp(session, tenant_id, now)
    crash_point("after stamp")
    return head


async def _let_go(session: Session, actor: Actor, scopes: list[str], empty_at: int) -> None:
    """Note where the device's outbox was empty; end what all of the user's devices can spare."""
    noted = await run(
        session,
        "insert into sync_device as d (tenant_id, device_id, last_seq, outbox_empty_at,"
        " clock_offset_ms, offset_samples) values (:t, :device, 0, :empty_at, 0, '[]')"
        " on conflict (tenant_id, device_id) do update set outbox_empty_at = :empty_at"
        " where d.outbox_empty_at is distinct from :empty_at",
        t=actor.tenant_id,
        device=actor.device_id,
        empty_at=empty_at,
    )
    if not noted.rowcount:
        return
    await run(
        session,
        """
        update sync_row set op = 'gone', body = null, h = 0, rev = rev + 1, seq = null
        where tenant_id = :t and scope = any(cast(:scopes as text[])) and op = 'put'
          and why is not null and seq <= (
            select min(coalesce(s.outbox_empty_at, -1))
            from device d
            left join sync_device s on s.tenant_id = d.tenant_id and s.device_id = d.id
            where d.tenant_id = :t and d.user_id = :user and d.revoked_at is null)
        """,
        t=actor.tenant_id,
        scopes=scopes,
        user=actor.user_id,
    )


class DeviceState(msgspec.Struct, frozen=True):
    """The schema that a reading device speaks, and up to which of its intents it may forget."""

    schema: int
    forget_upto: int


async def read_device(session: Session, actor: Actor) -> DeviceState:
    result = await run(
        session,
        "select d.schema_version, coalesce(s.backed_up_seq, 0) from device d"
        " left join sync_device s on s.tenant_id = d.tenant_id and s.device_id = d.id"
        " where d.tenant_id = :t and d.id = :device",
        t=actor.tenant_id,
        device=actor.device_id,
    )
    schema, forget_upto = result.one()
    known = DeviceState(schema, forget_upto)
    if known.schema < OLDEST_SCHEMA:
        raise ClientTooOld(
            "This app is too old to read. Update it; what it still holds can be sent.",
            oldest=OLDEST_SCHEMA,
        )
    return known


# --- a page -----------------------------------------------------------------------------------------------

_CHANGES = """
select coll, id::text, rev, op, why, body, seq from sync_row
where tenant_id = $1 and scope = $2 and seq > $3 and seq <= $4
  and (seq > $5 or (op = 'put' and why is null)) and ($7::text is null or coll = $7)
order by seq limit $6
"""

_DIGEST = """
select coll, count(*), sum(('x' || encode(substring(
  sha256(convert_to(id::text || ':' || rev, 'UTF8')) from 1 for 8), 'hex'))::bit(64)::bigint),
  count(*) filter (where seq is null)
from sync_row
where tenant_id = $1 and scope = any($2::text[]) and op = 'put' and why is null
group by coll order by coll
"""


async def _page(
    session: Session,
    key: bytes,
    actor: Actor,
    now: datetime,
    head: Head,
    scopes: list[str],
    known: DeviceState,
    position: Position | None,
    limit: int,
    coll: str | None,
) -> bytes:
    read, first = {}, {}
    if position is not None and position.schema == known.schema:
        read, first = dict(position.read), dict(position.first)
    dropped = sorted(set(position.read if position else ()) - set(scopes))
    changes: list[str] = []
    size, complete = 0, True
    connection = await raw_connection(session)
    try:
        for index, scope in enumerate(scopes):
            since = read.get(scope, 0)
            if since == 0:
                first[scope] = head.head
            fresh = first.get(scope, 0)
            room = limit - len(changes)
            rows = await connection.fetch(
                _CHANGES, actor.tenant_id, scope, since, head.head, fresh, room + 1, coll
            )
            reached = head.head
            for kind, row_id, rev, op, why, body, seq in rows:
                one = change(kind, row_id, index, rev, op, why, body)
                if len(changes) == limit or (changes and size + len(one) > PAGE_BYTES):
                    complete = False
                    break
                changes.append(one)
                size += len(one)
                reached = seq
            else:
                reached = head.head
            read[scope] = reached if rows or complete else since
            if reached >= fresh:
                first.pop(scope, None)
            if not complete:
                break
        digest = None
        if complete and coll is None:
            digest = await digest_of(connection, actor.tenant_id, scopes)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise Busy("The database could not be read just now. Nothing was changed.") from error
    token = Position(
        epoch=head.epoch,
        tenant=actor.tenant_id,
        device=device_of(actor),
        read={scope: seq for scope, seq in read.items() if scope in scopes},
        schema=known.schema,
        first={scope: seq for scope, seq in first.items() if scope in scopes},
        coll=coll,
    )
    envelope = PullHead(
        epoch=head.epoch,
        since=write_token(key, token),
        head=head.head,
        complete=complete,
        server_time=iso(now),
        scopes=scopes,
        dropped=dropped,
        forget_upto=known.forget_upto,
        digest=digest,
    )
    return msgspec.json.encode(envelope)[:-1] + f',"changes":[{",".join(changes)}]}}'.encode()


def change(
    coll: str, row_id: str, scope: int, rev: int, op: str, why: str | None, body: str | None
) -> str:
    """Return one change as it goes over the wire; `scope` is its place in the answer's `scopes`."""
    start = f'{{"c":"{coll}","id":"{row_id}","s":{scope},"rev":{rev},"op":"{op}"'
    return f'{start},"d":{body}}}' if op == "put" else f'{start},"why":"{why}"}}'


async def digest_of(
    connection: Any, tenant_id: UUID, scopes: list[str]
) -> dict[str, Digest] | None:
    """Return the digest of the snapshot; None while a row is unstamped, since the device lacks that one.

    Rows that lost their grant are left out: an older device still holds them, a new one never will.
    """
    rows = await connection.fetch(_DIGEST, tenant_id, scopes)
    if any(unstamped for _, _, _, unstamped in rows):
        return None
    return {coll: Digest(n, f"{int(total) % 2**64:016x}") for coll, n, total, _ in rows}


def device_of(actor: Actor) -> UUID:
    assert actor.device_id is not None
    return actor.device_id


def iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
