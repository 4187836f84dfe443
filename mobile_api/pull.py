"""What a device reads: pages of changes in the feed's order, built by concatenating stored bodies."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import select

from fsm.actors import Actor
from fsm.crash_points import crash_point
from fsm.database import DRIVER_ERRORS, Database, Session, as_problem, run
from fsm.gathering import Gathering
from fsm.problems import Busy, Forbidden, Problem
from fsm.technicians.tables import Technician
from fsm.tenants import tokens
from mobile_api import feed, sequencer
from mobile_api.affected import CATALOGUE
from mobile_api.feed_tokens import BadFeedToken, Position, read_token, write_token
from mobile_api.pull_sql import Ask, read_pages
from mobile_api.sequencer import Head

PAGE_CHANGES = 1_000
PAGE_BYTES = 1_048_576
FEW_CHANGES, FEW_BYTES = 100, 65_536
"""The largest page that is read together with those of others; a device with more is read for alone."""
MOST_TOGETHER = 32
_WAITS, _WAIT_MS = 3, 1_000
"""How often a page waits for whoever is changing its rows, and how long each time."""
OLDEST_SCHEMA = 1
"""Apps that speak an older schema are refused on pull; they can still send."""


Pieces = tuple[bytes, ...]
"""A document in pieces, so that a megabyte of changes is not copied to put a few words around it."""


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


def _not_a_technician() -> NotATechnician:
    return NotATechnician(
        "Your login is not linked to an active technician. Ask your office to link it."
    )


async def granted_scopes(session: Session, actor: Actor) -> list[str]:
    """Return the scopes that a device's user may read now; rights are computed on every call."""
    statement = select(Technician.id).where(
        Technician.tenant_id == actor.tenant_id,
        Technician.user_id == actor.user_id,
        Technician.is_active,
    )
    technician_id = (await session.exec(statement)).one_or_none()
    if technician_id is None:
        raise _not_a_technician()
    return [CATALOGUE, feed.technician_scope(technician_id)]


Together = Gathering[UUID, Ask, Any]
"""The small pulls of this process, those of one tenant together."""


def together(database: Database) -> Together:
    """Return where pulls join; a page of theirs is small, so that nobody waits for another's long one."""

    async def read(tenant_id: UUID, asks: Sequence[Ask]) -> Sequence[Any]:
        return await read_pages(database, tenant_id, asks, changes=FEW_CHANGES, size=FEW_BYTES)

    return Gathering(read, most=MOST_TOGETHER)


async def answer(
    database: Database,
    key: bytes,
    actor: Actor,
    now: datetime,
    *,
    token_hash: bytes | None = None,
    since: str | None,
    limit: int,
    outbox_empty_at: int | None,
    coll: str | None = None,
    others: Together | None = None,
) -> Pieces:
    """Return one page as pieces of JSON; `token_hash` is of a token that nobody has looked up yet.

    An up-to-date feed is read in one statement, which looks at the device's rights again; with `others` it
    is asked for them too. Only when the feed is not up to date (rows to stamp, a window of yesterday, news
    of the outbox) are these seen to first. With `coll` the pages, and the tokens in them, are of one
    collection alone.
    """
    position = None if since is None else read_token(key, since)
    if position is not None and (position.tenant, position.coll) != (actor.tenant_id, coll):
        raise _strange_token()
    asked = _Asked(database, actor, token_hash, limit, coll, others)
    found = await asked.look(position)
    # Before anything is stamped: that could bring the head of a feed that was set back past the token.
    await _check_epoch(database, actor, position, found)
    if position is not None and position.device != actor.device_id:
        # Only now: an app that had to register anew, because its device was lost with the database, must
        # hear of the restore, or it never sends again what had been confirmed to it.
        raise _strange_token()
    if _needs_preparing(found, now, outbox_empty_at):
        await prepare(database, actor, now, outbox_empty_at)
        found = await asked.look(position)
        await _check_epoch(database, actor, position, found)
        for _ in range(_WAITS):
            if not found["is_unstamped"]:
                break
            await _stamp_after_writers(database, actor, _scopes_of(found), now)
            found = await asked.look(position)
            await _check_epoch(database, actor, position, found)
    if position is not None and position.schema != found["schema_version"]:
        # The app was updated and reads other bodies: everything anew, under the scopes' old names.
        position = msgspec.structs.replace(position, read=dict.fromkeys(position.read, 0), first={})
        found = await asked.look(position)
        await _check_epoch(database, actor, position, found)
    return _page(key, actor, now, position, since, coll, found)


def _strange_token() -> BadFeedToken:
    return BadFeedToken(
        "This 'since' was given to another device, or for other collections. Pull without it."
    )


async def _check_epoch(
    database: Database, actor: Actor, position: Position | None, found: Any
) -> None:
    """Refuse a position that the feed cannot go on from; one ahead of the feed begins a new epoch."""
    if position is None or found["head"] is None:
        return
    read = position.read.values()
    first, last = min(read, default=0), max(read, default=0)
    if position.epoch == found["epoch"] and found["purged"] <= first <= last <= found["head"]:
        return
    head = Head(found["epoch"], found["head"], found["purged"])
    problem = _unusable(position, head, _scopes_of(found))
    if problem is None:
        return
    if problem.facts["ahead"]:
        # Only a feed that was set back can be behind a token of its own: everybody reconciles.
        async with database.transaction(actor.tenant_id) as session:
            await sequencer.begin_epoch(session, actor.tenant_id, instead_of=head.epoch)
    raise problem


def _scopes_of(found: Any) -> list[str]:
    return [CATALOGUE, feed.technician_scope(found["technician_id"])]


class _Asked(msgspec.Struct, frozen=True):
    """A device's request for a page."""

    database: Database
    actor: Actor
    token_hash: bytes | None
    limit: int
    coll: str | None
    others: Together | None

    async def look(self, position: Position | None) -> Any:
        """Return what the pull's statement finds, or refuse a device that may not read."""
        found = await self._find(position)
        if found is None:
            raise tokens.unknown_device()
        if not found["may_read"]:
            raise tokens.DeviceRevoked.of(device_of(self.actor))
        if not found["may_sync"]:
            raise Forbidden(
                "This needs the permission 'sync', which your role no longer has. Ask your office.",
                needs="sync",
            )
        if found["technician_id"] is None:
            raise _not_a_technician()
        _check_schema(found["schema_version"])
        return found

    async def _find(self, position: Position | None) -> Any | None:
        ask = Ask(device_of(self.actor), self.token_hash, position)
        tenant_id = self.actor.tenant_id
        if self.others is not None and self._is_small(position):
            found = await self.others.ask(tenant_id, ask)
            if found is None or found["complete"]:
                return found
        (found,) = await read_pages(
            self.database, tenant_id, [ask], changes=self.limit, size=PAGE_BYTES, coll=self.coll
        )
        return found

    def _is_small(self, position: Position | None) -> bool:
        """Whether little may be expected: the device has read everything there was before."""
        return (
            position is not None
            and not position.first
            and all(position.read.values())
            and self.limit >= FEW_CHANGES
            and self.coll is None
        )


def _needs_preparing(found: Any, now: datetime, outbox_empty_at: int | None) -> bool:
    """Whether anything must be written before this device reads."""
    if found["head"] is None or found["is_unstamped"]:
        return True
    days = [now.astimezone(UTC).date(), now.astimezone(ZoneInfo(found["zone"])).date()]
    if found["windows"] != days:
        return True
    return outbox_empty_at is not None and found["outbox_empty_at"] != min(
        outbox_empty_at, found["head"]
    )


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


async def _stamp_after_writers(
    database: Database, actor: Actor, scopes: list[str], now: datetime
) -> None:
    """Stamp when nobody is changing these scopes, so that nothing of them is left out.

    Stamping passes over a row that somebody has changed and somebody else is changing again. Without it a
    page could say that a job is completed, and not yet with which answers. Who changes a scope holds it until
    the commit, which is soon; where it is not, the page is read as things are.
    """
    try:
        async with database.transaction(actor.tenant_id) as session:
            await run(session, f"set local lock_timeout = '{_WAIT_MS}ms'")
            await run(
                session,
                "select from sync_scope where tenant_id = :t and scope = any(cast(:scopes as text[]))"
                " order by scope for share",
                t=actor.tenant_id,
                scopes=scopes,
            )
            await sequencer.stamp(session, actor.tenant_id, now)
    except (SQLAlchemyError, *DRIVER_ERRORS) as error:
        if not isinstance(as_problem(error), Busy):
            raise


async def note_empty(session: Session, actor: Actor, outbox_empty_at: int) -> None:
    """Note the head that a device knew when it had nothing to send, as its push says."""
    try:
        scopes = await granted_scopes(session, actor)
    except NotATechnician:
        return  # who may not read has nothing to let go of
    head = await sequencer.read_head(session, actor.tenant_id)
    await _let_go(session, actor, scopes, min(outbox_empty_at, head.head))


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
    # Of two devices that report at once the second sees the first: neither would say it a second time.
    await run(
        session,
        "select from device where tenant_id = :t and user_id = :user order by id for no key update",
        t=actor.tenant_id,
        user=actor.user_id,
    )
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
        "select d.schema_version, coalesce(s.backed_up_seq, 0) as forget_upto from device d"
        " left join sync_device s on s.tenant_id = d.tenant_id and s.device_id = d.id"
        " where d.tenant_id = :t and d.id = :device",
        t=actor.tenant_id,
        device=actor.device_id,
    )
    row = result.one()
    _check_schema(row.schema_version)
    return DeviceState(row.schema_version, row.forget_upto)


def _check_schema(schema: int) -> None:
    if schema < OLDEST_SCHEMA:
        raise ClientTooOld(
            "This app is too old to read. Update it; what it still holds can be sent.",
            oldest=OLDEST_SCHEMA,
        )


_DIGEST = """
select null as coll, count(*) as n, 0::bigint as sum from (
  select from sync_row
  where tenant_id = $1 and scope = any($2::text[]) and seq is null limit 1) r
union all
select coll, n, sum from sync_digest
where tenant_id = $1 and scope = any($2::text[]) and n > 0
"""


# --- a page -----------------------------------------------------------------------------------------------


def _page(
    key: bytes,
    actor: Actor,
    now: datetime,
    position: Position | None,
    since: str | None,
    coll: str | None,
    found: Any,
) -> Pieces:
    """Put the answer together around the changes, which are JSON already."""
    head, scopes = found["head"], _scopes_of(found)
    complete, schema = found["complete"], found["schema_version"]
    read, first = _read_so_far(position, found, scopes)
    stands = None if position is None else (position.read, position.first, position.schema)
    if since is None or stands != (read, first, schema):
        since = write_token(
            key,
            Position(
                epoch=found["epoch"],
                tenant=actor.tenant_id,
                device=device_of(actor),
                read=read,
                schema=schema,
                first=first,
                coll=coll,
            ),
        )
    envelope = PullHead(
        epoch=found["epoch"],
        since=since,
        head=head,
        complete=complete,
        server_time=iso(now),
        scopes=scopes,
        dropped=[] if position is None else sorted(position.read.keys() - read.keys()),
        forget_upto=found["forget_upto"],
    )
    before = msgspec.json.encode(envelope)[:-1]
    if complete and coll is None and not found["is_unstamped"]:
        before += f',"digest":{{{found["digest"] or ""}}}'.encode()
    return before + b',"changes":[', found["changes"] or b"", b"]}"


def _read_so_far(
    position: Position | None, found: Any, scopes: list[str]
) -> tuple[dict[str, int], dict[str, int]]:
    """Return where a page ends in each scope, and at which head those began that are not read whole yet."""
    if found["complete"]:
        return dict.fromkeys(scopes, found["head"]), {}
    was = position.read if position else {}
    began = position.first if position else {}
    read: dict[str, int] = {}
    first: dict[str, int] = {}
    for n, scope in enumerate(scopes):
        start = was.get(scope, 0)
        if n < found["last_scope"]:
            read[scope] = found["head"]
        elif n == found["last_scope"]:
            read[scope] = found["last_seq"]
        else:
            read[scope] = start
        from_head = began.get(scope, 0) if start else found["head"]
        if read[scope] < from_head:
            first[scope] = from_head
    return read, first


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
    unstamped, *rows = await connection.fetch(_DIGEST, tenant_id, scopes)
    if unstamped["n"]:
        return None
    return {coll: Digest(n, f"{total % 2**64:016x}") for coll, n, total in rows}


def device_of(actor: Actor) -> UUID:
    assert actor.device_id is not None
    return actor.device_id


def iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
