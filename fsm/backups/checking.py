"""What a restored database must be: its history whole, every verified photo's bytes there."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from uuid import UUID

from sqlmodel import select

from fsm.app import compose_database
from fsm.backups.folder import TenantInBackup
from fsm.database import Database, run
from fsm.events import GENESIS, ChainHead, find_broken_link
from fsm.evidence.daily_roots import find_wrong_root
from fsm.settings import Settings, asyncpg_dsn
from fsm.tenants.directory import list_tenants
from mobile_api.backups import read_held

HasBytes = Callable[[UUID, str, int], Awaitable[bool]]
"""(tenant, SHA-256, size) → whether the object is there"""

_AT_ONCE = 5_000
_MOST_NAMED = 10


@dataclass(slots=True)
class Checked:
    """What was found. `faults` are sentences; `held` says up to where each device's intents are there."""

    tenants: list[TenantInBackup] = field(default_factory=list)
    held: dict[UUID, dict[UUID, int]] = field(default_factory=dict)
    photos: int = 0
    faults: list[str] = field(default_factory=list)


def open_recovered(settings: Settings, url: str) -> Database:
    """Return the database behind a recovered server's socket, seen as the application sees it."""
    return compose_database(replace(settings, database_url=asyncpg_dsn(url)))


async def check_database(database: Database, has_bytes: HasBytes) -> Checked:
    """Follow every company's chain and roots, and look for the bytes of every verified photo.

    `has_bytes(tenant, sha256, size)` says whether an object is there, whole. Bounded in memory.
    """
    checked = Checked()
    async with database.transaction() as session:
        tenants = await list_tenants(session)
    for tenant_id in tenants:
        async with database.transaction(tenant_id) as session:
            broken = await find_broken_link(session, tenant_id)
            day = await find_wrong_root(session, tenant_id)
            statement = select(ChainHead.number, ChainHead.hash).where(
                ChainHead.tenant_id == tenant_id
            )
            number, digest = (await session.exec(statement)).one_or_none() or (0, GENESIS)
            held = await read_held(session, tenant_id)
        if broken is not None:
            checked.faults.append(f"{tenant_id}: history is broken from event {broken} on")
        if day is not None:
            checked.faults.append(f"{tenant_id}: the root of {day} is not that of the chain")
        checked.held[tenant_id] = held
        checked.tenants.append(TenantInBackup(tenant_id, number, digest.hex(), len(held)))
        missing: list[str] = []
        async for sha256, size in verified_photos(database, tenant_id):
            checked.photos += 1
            if not await has_bytes(tenant_id, sha256, size):
                missing.append(sha256)
        if missing:
            named = ", ".join(missing[:_MOST_NAMED])
            checked.faults.append(
                f"{tenant_id}: the bytes of {len(missing)} verified photos are missing: {named}"
            )
    return checked


async def verified_photos(database: Database, tenant_id: UUID) -> AsyncIterator[tuple[str, int]]:
    """Yield hash and size of the bytes of every verified photo, some thousands in memory at a time."""
    after = UUID(int=0)
    while True:
        async with database.transaction(tenant_id) as session:
            rows = (
                await run(
                    session,
                    "select id, encode(verified_sha256, 'hex') as sha256, size from photo"
                    " where tenant_id = :t and id > :after and verified_sha256 is not null"
                    " order by id limit :most",
                    t=tenant_id,
                    after=after,
                    most=_AT_ONCE,
                )
            ).all()
        for row in rows:
            yield row.sha256, row.size
        if len(rows) < _AT_ONCE:
            return
        after = rows[-1].id
