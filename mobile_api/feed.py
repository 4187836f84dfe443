"""The phones' feed: what each scope holds is written in the transaction that changed it.

`refresh` is the hook that every process runs last before a commit. It locks the affected scopes in one
order, looks again under the lock until no further scope turns up, and writes the rows that differ. It is
idempotent, so whatever a bug leaves behind heals on the next call; `audit_scopes` finds it before that.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from sqlmodel import col, select

from fsm.database import Database, Session, fetch, run, touched, touched_all
from mobile_api import feed_sql, sequencer
from mobile_api.affected import (
    CATALOGUE,
    OF_STOCK,
    affected_scopes,
    hold_changed,
    hold_new,
    identify,
    lock_affected,
)
from mobile_api.tables import SyncScope

DAYS_BACK = 7
DAYS_AHEAD = 14
REVOKED_FOR = timedelta(days=30)
"""How long a phone that does not report may hold what it has lost access to."""
TOMBSTONES_FOR = timedelta(days=400)
SCOPES_AT_ONCE = 10


class Difference(msgspec.Struct, frozen=True):
    """A row of the feed that a rebuild would write otherwise: `missing`, `stale` or `extra`.

    `miscounted` is a collection whose digest is not that of its rows; it has no id.
    """

    scope: str
    coll: str
    id: UUID | None
    what: str


def technician_scope(technician_id: UUID) -> str:
    return f"tech:{technician_id}"


def mark_scope(session: Session, scope: str) -> None:
    """Have the next refresh rebuild a scope whatever rows were touched."""
    session.info.setdefault("sync_scopes", set()).add(scope)


async def mark_row(session: Session, scope: str, coll: str, row_id: UUID) -> int | None:
    """Have the next refresh send a row again as it is: a device wrote over its copy of it.

    Returns the row's revision. One that neither the scope nor the catalogue holds goes out as gone: None.
    """
    held = await run(
        session,
        "select scope, rev from sync_row where tenant_id = :t and coll = :coll and id = :id"
        " and scope in (:scope, :catalogue) and op = 'put'",
        t=session.info["tenant_id"],
        coll=coll,
        id=row_id,
        scope=scope,
        catalogue=CATALOGUE,
    )
    row = held.one_or_none()
    holder = row.scope if row else scope
    session.info.setdefault("sync_rows", set()).add((holder, coll, row_id))
    mark_scope(session, holder)
    return row.rev if row else None


# --- refreshing -------------------------------------------------------------------------------------------


async def refresh(session: Session) -> None:
    """Before-commit hook: bring every scope that this transaction's touched rows show in up to date."""
    marked: set[str] = session.info.pop("sync_scopes", set())
    again: set[tuple[str, str, UUID]] = session.info.pop("sync_rows", set())
    rows, catalogue = identify(touched(session))
    if touched_all(session):
        marked |= await _list_open(session, session.info["tenant_id"])
    if not rows and not catalogue and not marked:
        return
    tenant_id: UUID = session.info["tenant_id"]
    wanted = marked | ({CATALOGUE} if catalogue else set())
    await hold_changed(session, tenant_id, rows)
    locked = await lock_affected(session, tenant_id, rows, wanted)
    while more := (wanted | await affected_scopes(session, tenant_id, rows)) - locked.keys():
        locked |= await lock_scopes(session, tenant_id, more)
    moves = bool(marked) or any(kind in OF_STOCK for kind, _ in rows)
    await _write(session, tenant_id, locked, with_stock=moves)
    if again:
        await _send_again(session, tenant_id, again)


async def _list_open(session: Session, tenant_id: UUID) -> set[str]:
    """Return the scopes that somebody reads."""
    statement = select(SyncScope.scope).where(
        SyncScope.tenant_id == tenant_id, col(SyncScope.window_on).is_not(None)
    )
    return set(await session.exec(statement))


async def refresh_scopes(session: Session, tenant_id: UUID, scopes: Iterable[str]) -> int:
    """Bring scopes up to date and return how many rows were written; doing it again writes none."""
    return await _write(session, tenant_id, await lock_scopes(session, tenant_id, scopes))


async def rebuild(session: Session, tenant_id: UUID) -> int:
    """Bring every scope of a tenant up to date, after SQL by hand; return how many rows were wrong."""
    statement = select(SyncScope.scope).where(SyncScope.tenant_id == tenant_id)
    wrong = await refresh_scopes(session, tenant_id, list(await session.exec(statement)))
    await sequencer.recount(session, tenant_id)
    return wrong


async def rebuild_in_steps(database: Database, tenant_id: UUID) -> int:
    """Do the same for a company at work: a few scopes a transaction, so that nobody waits for all of them."""
    wrong = await _in_steps(database, tenant_id, partial(refresh_scopes, tenant_id=tenant_id))
    async with database.transaction(tenant_id) as session:
        await sequencer.recount(session, tenant_id)
    return wrong


async def _in_steps(
    database: Database, tenant_id: UUID, work: Callable[..., Awaitable[int]]
) -> int:
    """Do `work(session, scopes=…)` for all scopes, a few in a transaction; return the sum."""
    async with database.transaction(tenant_id) as session:
        statement = select(SyncScope.scope).where(SyncScope.tenant_id == tenant_id)
        scopes = list(await session.exec(statement))
    done = 0
    for some in _batches(scopes):
        async with database.transaction(tenant_id) as session:
            done += await work(session, scopes=some)
    return done


async def lock_scopes(
    session: Session, tenant_id: UUID, scopes: Iterable[str]
) -> dict[str, date | None]:
    """Hold scopes until the commit, in sorted order; return the day of each one's window.

    A scope that nobody reads yet is created and held too: whoever reads it first waits for us, and we
    for them, so no change falls between.
    """
    names = sorted(scopes)
    if not names:
        return {}
    await run(
        session,
        "insert into sync_scope (tenant_id, scope)"
        " select :t, s from unnest(cast(:names as text[])) s order by s on conflict do nothing",
        t=tenant_id,
        names=names,
    )
    held = await run(
        session,
        "select scope, window_on from sync_scope"
        " where tenant_id = :t and scope = any(cast(:names as text[])) order by scope for update",
        t=tenant_id,
        names=names,
    )
    return {row.scope: row.window_on for row in held}


async def _write(
    session: Session,
    tenant_id: UUID,
    locked: dict[str, date | None],
    *,
    with_stock: bool = True,
) -> int:
    connection = await session.connection()
    written = 0
    read = {scope: day for scope, day in locked.items() if day is not None}
    catalogue_day = read.pop(CATALOGUE, None)
    if catalogue_day is not None:
        at = datetime.combine(catalogue_day, time.min, UTC)
        result = await connection.exec_driver_sql(
            feed_sql.WRITE_CATALOGUE, (tenant_id, [CATALOGUE], at)
        )
        written += result.scalar_one()
    for scopes in _batches(read):
        windows = await _windows(session, tenant_id, {scope: read[scope] for scope in scopes})
        values = (tenant_id, *windows, with_stock)
        shared = 1
        while shared:
            result = await connection.exec_driver_sql(feed_sql.WRITE_TECHNICIANS, values)
            added, shared = tuple(result.one())
            written += added
            if shared:  # whoever changes these just now does not see that we have them
                await hold_new(session, tenant_id, scopes)
    return written


def _batches(scopes: Iterable[str]) -> Iterator[list[str]]:
    """Yield scopes in their order, so many that one statement stays small on the largest tenant."""
    rest = sorted(scopes)
    for start in range(0, len(rest), SCOPES_AT_ONCE):
        yield rest[start : start + SCOPES_AT_ONCE]


async def _send_again(
    session: Session, tenant_id: UUID, rows: Iterable[tuple[str, str, UUID]]
) -> None:
    """Give rows of held scopes a new revision; what a scope never held goes out as gone."""
    scopes, colls, ids = zip(*sorted(rows), strict=True)
    await run(
        session,
        feed_sql.SEND_AGAIN,
        t=tenant_id,
        scopes=list(scopes),
        colls=list(colls),
        ids=list(ids),
    )


async def _windows(
    session: Session, tenant_id: UUID, days: dict[str, date]
) -> tuple[list[str], list[UUID], list[datetime], list[datetime]]:
    """Return scopes, technicians, and the window of each: −7…+14 days, midnights where they live."""
    scopes = sorted(days)
    technicians = [UUID(scope.removeprefix("tech:")) for scope in scopes]
    zones = await _zones(session, tenant_id, technicians)
    from_at, to_at = [], []
    for scope, technician_id in zip(scopes, technicians, strict=True):
        zone = zones.get(technician_id, ZoneInfo("UTC"))
        midnight = datetime.combine(days[scope], time.min, zone)
        from_at.append((midnight - timedelta(days=DAYS_BACK)).astimezone(UTC))
        to_at.append((midnight + timedelta(days=DAYS_AHEAD + 1)).astimezone(UTC))
    return scopes, technicians, from_at, to_at


async def _zones(
    session: Session, tenant_id: UUID, technicians: list[UUID]
) -> dict[UUID, ZoneInfo]:
    found = await fetch(
        session,
        "select id, zone from technician where tenant_id = $1 and id = any(cast($2 as uuid[]))",
        tenant_id,
        technicians,
    )
    return {technician_id: ZoneInfo(zone) for technician_id, zone in found}


# --- the window -------------------------------------------------------------------------------------------


async def open_scopes(
    session: Session, tenant_id: UUID, scopes: Iterable[str], now: datetime
) -> int:
    """Have the scopes' windows counted from today and their rows written; return how many were.

    Called when a device reads: the first time fills the scope, and a worker that sleeps past midnight
    leaves no phone with yesterday's window.
    """
    locked = await lock_scopes(session, tenant_id, scopes)
    today = await local_days(session, tenant_id, locked, now)
    late = {scope: day for scope, day in today.items() if locked[scope] != day}
    for scope, day in late.items():
        await run(
            session,
            "update sync_scope set window_on = :day where tenant_id = :t and scope = :scope",
            day=day,
            t=tenant_id,
            scope=scope,
        )
    return await _write(session, tenant_id, dict(late))


async def local_days(
    session: Session, tenant_id: UUID, scopes: Iterable[str], now: datetime
) -> dict[str, date]:
    """Return which day it is for each scope; the catalogue keeps the day it was first read."""
    technicians = {
        scope: UUID(scope.removeprefix("tech:")) for scope in scopes if scope != CATALOGUE
    }
    zones = await _zones(session, tenant_id, list(technicians.values()))
    days = {
        scope: now.astimezone(zones.get(technician_id, ZoneInfo("UTC"))).date()
        for scope, technician_id in technicians.items()
    }
    if CATALOGUE in set(scopes):
        days[CATALOGUE] = now.astimezone(UTC).date()
    return days


async def slide_in_steps(database: Database, tenant_id: UUID, now: datetime) -> int:
    """Do what `slide_windows` does for a company at work: a few scopes a transaction."""
    slide = partial(_slide, tenant_id=tenant_id, now=now)
    written = await _in_steps(database, tenant_id, slide)
    async with database.transaction(tenant_id) as session:
        return written + await _let_go(session, tenant_id, now)


async def slide_windows(session: Session, tenant_id: UUID, now: datetime) -> int:
    """Move the windows of all scopes in use to today and let go of what is long over.

    A job for every hour, since technicians' midnights differ; returns how many rows were written.
    """
    statement = select(SyncScope.scope).where(SyncScope.tenant_id == tenant_id)
    scopes = list(await session.exec(statement))
    written = await _slide(session, tenant_id, scopes, now)
    return written + await _let_go(session, tenant_id, now)


async def _slide(session: Session, tenant_id: UUID, scopes: list[str], now: datetime) -> int:
    """Open those of the scopes that somebody reads and that stand at another day."""
    found = await run(
        session,
        "select scope, window_on from sync_scope where tenant_id = :t"
        " and scope = any(cast(:scopes as text[])) and window_on is not null",
        t=tenant_id,
        scopes=scopes,
    )
    standing = {row.scope: row.window_on for row in found}
    days = await local_days(session, tenant_id, standing, now)
    late = [scope for scope, day in standing.items() if day != days[scope]]
    return await open_scopes(session, tenant_id, late, now)


async def _let_go(session: Session, tenant_id: UUID, now: datetime) -> int:
    """End what nobody reported for long enough, and forget what ended long ago."""
    late = await run(
        session,
        "update sync_row set op = 'gone', body = null, h = 0, rev = rev + 1, seq = null"
        " where tenant_id = :t and op = 'put' and why is not null and gone_at < :long_ago",
        t=tenant_id,
        long_ago=now - REVOKED_FOR,
    )
    await _purge(session, tenant_id, now)
    return late.rowcount


async def _purge(session: Session, tenant_id: UUID, now: datetime) -> None:
    """Delete old tombstones and remember up to where: an older token must reconcile."""
    purged = await run(
        session,
        "with old as (delete from sync_row where tenant_id = :t and op = 'gone'"
        " and seq is not null and gone_at < :long_ago returning seq)"
        " select max(seq) from old",
        t=tenant_id,
        long_ago=now - TOMBSTONES_FOR,
    )
    if (highest := purged.scalar()) is not None:
        await run(
            session,
            "update sync_head set purged = greatest(purged, :seq) where tenant_id = :t",
            seq=highest,
            t=tenant_id,
        )
    await run(
        session,
        "delete from sync_stamp where tenant_id = :t and stamped_at < :long_ago",
        t=tenant_id,
        long_ago=now - TOMBSTONES_FOR,
    )


# --- checking ---------------------------------------------------------------------------------------------


async def audit_scopes(
    session: Session, tenant_id: UUID, now: datetime | None = None
) -> list[Difference]:
    """Rebuild every scope in use beside the feed and return where the two differ; writes nothing.

    Windows are counted from the day of `now`, or from the day that each scope stands at.
    """
    standing = await run(
        session,
        "select scope, window_on from sync_scope where tenant_id = :t and window_on is not null",
        t=tenant_id,
    )
    days: dict[str, date] = {row.scope: row.window_on for row in standing}
    if now is not None:
        days = await local_days(session, tenant_id, days, now)
    connection = await session.connection()
    found: list[Any] = []
    if days.pop(CATALOGUE, None) is not None:
        found += await connection.exec_driver_sql(
            feed_sql.AUDIT_CATALOGUE, (tenant_id, [CATALOGUE])
        )
    for scopes in _batches(days):
        windows = await _windows(session, tenant_id, {scope: days[scope] for scope in scopes})
        found += await connection.exec_driver_sql(
            feed_sql.AUDIT_TECHNICIANS, (tenant_id, *windows, True)
        )
    miscounted = await sequencer.list_miscounted(session, tenant_id)
    return [
        *(Difference(*row) for row in found),
        *(Difference(scope, coll, None, "miscounted") for scope, coll in miscounted),
    ]
