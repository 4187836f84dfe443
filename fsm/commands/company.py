"""What commands on a company's data begin with: settings, a ready database, the company and who acts."""

import argparse
import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import UUID

from sqlmodel import select

from fsm.actors import Actor, ActorKind, Permission, system_actor
from fsm.app import compose_database
from fsm.commands.asking import CannotRun
from fsm.database import Database, Session
from fsm.migrations.migrate import check_revision
from fsm.settings import Settings, read_settings
from fsm.tenants import queries
from fsm.tenants.directory import find_tenant, list_tenants
from fsm.tenants.tables import DirectoryKind, Role

Work = Callable[[Database, Settings], Awaitable[int]]


def with_database(work: Work) -> int:
    """Run a command's work over the configured database, which must be at this program's schema."""
    settings = read_settings()

    async def go() -> int:
        await check_revision(settings.database_url)
        async with _database(settings) as database:
            return await work(database, settings)

    return asyncio.run(go())


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[Database]:
    database = compose_database(settings)
    try:
        yield database
    finally:
        await database.close()


async def find_company(session: Session, slug: str | None) -> UUID:
    """Return the company meant by --tenant, else the only one there is."""
    if slug is not None:
        tenant_id = await find_tenant(session, DirectoryKind.TENANT, slug)
        if tenant_id is None:
            raise CannotRun(f"There is no company '{slug}'. Add it with 'fsm tenant add {slug}'.")
        return tenant_id
    tenants = await list_tenants(session)
    if not tenants:
        raise CannotRun("There is no company yet. Add one with 'fsm tenant add SLUG --name NAME'.")
    if len(tenants) > 1:
        raise CannotRun(f"There are {len(tenants)} companies; choose one with --tenant SLUG.")
    return tenants[0]


async def list_companies(database: Database, slug: str | None) -> list[UUID]:
    """Return the company meant by --tenant, else every company there is."""
    async with database.transaction() as session:
        if slug is not None:
            return [await find_company(session, slug)]
        return list(await list_tenants(session))


async def who_acts(database: Database, arguments: argparse.Namespace) -> Actor:
    """Return the actor: the user of --as with that user's permissions, else the company's system."""
    async with database.transaction() as session:
        tenant_id = await find_company(session, arguments.tenant)
    login = getattr(arguments, "login", None)
    if login is None:
        return system_actor(tenant_id, "command line")
    async with database.transaction() as session:
        user = await queries.find_login(session, login)
        if user is None or user.tenant_id != tenant_id or not user.is_active:
            raise CannotRun(f"This company has no active user '{login}'.")
        role = (
            await session.exec(
                select(Role).where(Role.tenant_id == user.tenant_id, Role.id == user.role_id)
            )
        ).one()
    known = {str(permission) for permission in Permission}
    return Actor(
        tenant_id=tenant_id,
        kind=ActorKind.USER,
        user_id=user.id,
        customer_id=user.customer_id,
        name=user.name,
        permissions=frozenset(Permission(one) for one in role.permissions if one in known),
    )
