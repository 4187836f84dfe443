"""Bringing a database to the newest schema, and asking how far it is."""

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from fsm.problems import Problem


class NotMigrated(Problem):
    """The database is not at the schema that this program needs."""

    code, status, title = "not-migrated", 503, "The database needs 'fsm migrate'"


def configuration() -> Config:
    config = Config()
    config.set_main_option("script_location", "fsm:migrations")
    return config


def newest_revision() -> str:
    return ScriptDirectory.from_config(configuration()).get_current_head() or ""


async def migrate(owner_url: str) -> None:
    """Run every missing migration in one transaction as the owner of the tables."""
    engine = create_async_engine(
        owner_url.replace("postgresql://", "postgresql+asyncpg://", 1), poolclass=NullPool
    )

    def upgrade(connection: object) -> None:
        config = configuration()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    try:
        async with engine.begin() as connection:
            await connection.run_sync(upgrade)
    finally:
        await engine.dispose()


async def check_revision(url: str) -> None:
    """Refuse (`NotMigrated`) unless the database is at this program's revision."""
    connection = await asyncpg.connect(url, timeout=10)
    try:
        there = await connection.fetchval("select to_regclass('alembic_version') is not null")
        revision = (
            await connection.fetchval("select version_num from alembic_version") if there else None
        )
    finally:
        await connection.close()
    if revision != newest_revision():
        raise NotMigrated(
            f"The database is at revision {revision or 'none'}, this program needs "
            f"{newest_revision()}. Run 'fsm migrate' as the owner of the tables."
        )
