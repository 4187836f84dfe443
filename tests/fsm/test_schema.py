"""The migrated schema is the models', every key starts with the tenant, and isolation is the database's."""

import uuid
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from sqlalchemy import ForeignKeyConstraint, Table
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from fsm.database import Database
from fsm.embedded import OWNER_ROLE, EmbeddedPostgres
from fsm.migrations.schema import metadata
from fsm.settings import Settings
from tests.company import Company

#: Tables whose keys do not start with `tenant_id`, with the reason. The job queue's are not ours.
EXCEPTIONS = {
    "directory": "it leads from a login or a code to the tenant, before there is one",
    "tenant": "its id is the tenant",
}

TENANT_TABLES = sorted(
    table.name for table in metadata.sorted_tables if table.name not in EXCEPTIONS
)

INSERT_ONLY = (
    "answer",
    "checklist_version",
    "closure_photo",
    "cost_line",
    "event",
    "event_seal",
    "movement",
    "service_level_version",
    "time_entry",
    "work_order_closure",
)
"""Facts and published versions: a few that everything rests on, spelled out once more."""

CATALOG = {
    "columns": """
        select table_name || '.' || column_name as name,
               data_type || ' ' || coalesce(character_maximum_length::text, '') || ' '
               || coalesce(numeric_precision::text || ',' || numeric_scale::text, '') || ' '
               || is_nullable || ' ' || coalesce(column_default, '') as body
        from information_schema.columns where table_schema = 'public'""",
    "constraints": """
        select conrelid::regclass::text || '.' || conname as name, pg_get_constraintdef(oid) as body
        from pg_constraint where connamespace = 'public'::regnamespace and contype <> 'n'""",
    "indexes": "select indexname as name, indexdef as body from pg_indexes where schemaname = 'public'",
}


async def catalogue_of(url: str) -> dict[str, dict[str, str]]:
    connection = await asyncpg.connect(url)
    try:
        return {
            part: {row["name"]: row["body"] for row in await connection.fetch(query)}
            for part, query in CATALOG.items()
        }
    finally:
        await connection.close()


@pytest.fixture
async def models_url(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """A database made from the models alone, without a migration."""
    name = f"models_{uuid.uuid4().hex[:12]}"
    await postgres.create_database(name)
    url = postgres.url(name, OWNER_ROLE)
    engine = create_async_engine(
        url.replace("postgresql://", "postgresql+asyncpg://", 1), poolclass=NullPool
    )
    async with engine.begin() as connection:
        await connection.exec_driver_sql("create extension if not exists btree_gist")
        await connection.run_sync(metadata.create_all)
    await engine.dispose()
    yield url
    await postgres.drop_database(name)


async def test_the_migrated_schema_equals_the_models(owner_url: str, models_url: str) -> None:
    migrated, modelled = await catalogue_of(owner_url), await catalogue_of(models_url)
    for part, expected in modelled.items():
        ours = {
            name: body
            for name, body in migrated[part].items()
            if "pgqueuer" not in name and "alembic" not in name
        }
        assert ours == expected, part


@pytest.mark.parametrize("table", metadata.sorted_tables, ids=lambda table: table.name)
def test_every_key_starts_with_the_tenant(table: Table) -> None:
    if table.name in EXCEPTIONS:
        return
    keys: list[list[str]] = [[column.name for column in table.primary_key.columns]]
    for constraint in table.constraints:
        if isinstance(constraint, ForeignKeyConstraint):
            keys.append(list(constraint.column_keys))
            target = next(element.target_fullname for element in constraint.elements)
            assert target.endswith((".tenant_id", "tenant.id")), constraint.name
        elif isinstance(constraint, ExcludeConstraint):
            keys.append([str(expression) for expression, _, _ in constraint._render_exprs])
        elif constraint.__visit_name__ == "unique_constraint":
            keys.append([column.name for column in constraint.columns])
    keys += [[column.name for column in index.columns] for index in table.indexes if index.unique]
    assert all(key[0].endswith("tenant_id") for key in keys), keys


async def test_there_are_no_triggers_of_ours(owner_url: str) -> None:
    connection = await asyncpg.connect(owner_url)
    try:
        triggers = await connection.fetch("select tgname from pg_trigger where not tgisinternal")
    finally:
        await connection.close()
    assert triggers == []


async def application(settings: Settings) -> "asyncpg.Connection[Any]":
    return await asyncpg.connect(settings.database_url)


async def test_the_application_is_neither_owner_nor_superuser(settings: Settings) -> None:
    connection = await application(settings)
    try:
        row = await connection.fetchrow(
            "select rolsuper, rolbypassrls, rolcreaterole from pg_roles where rolname = current_user"
        )
        owned = await connection.fetchval(
            "select count(*) from pg_tables where tableowner = current_user"
        )
    finally:
        await connection.close()
    assert tuple(row) == (False, False, False)
    assert owned == 0


async def test_another_tenants_rows_do_not_exist_even_without_a_filter(
    settings: Settings, owner_url: str, company: Company, stranger: Company
) -> None:
    """Ask every table for everything, with the tenant filter of the query taken away."""
    owner = await asyncpg.connect(owner_url)
    connection = await application(settings)
    filled = set()
    try:
        for table in TENANT_TABLES:
            mine, theirs = [
                await owner.fetchval(f'select count(*) from "{table}" where tenant_id = $1', tenant)
                for tenant in (company.id, stranger.id)
            ]
            filled |= {table} if theirs else set()
            assert await connection.fetchval(f'select count(*) from "{table}"') == 0, table
            for tenant, expected in ((company.id, mine), (stranger.id, theirs)):
                async with connection.transaction():
                    await connection.execute(f"set local app.tenant = '{tenant}'")
                    rows = await connection.fetch(f'select tenant_id from "{table}"')
                    assert len(rows) == expected, table
                    assert {row["tenant_id"] for row in rows} <= {tenant}, table
    finally:
        await connection.close()
        await owner.close()
    assert len(filled) > 20, "the two companies hold too little to prove anything"


async def test_every_table_has_the_tenants_policy_and_no_other(owner_url: str) -> None:
    connection = await asyncpg.connect(owner_url)
    try:
        for table in TENANT_TABLES:
            policies = await connection.fetch(
                "select qual, with_check from pg_policies where tablename = $1", table
            )
            enabled = await connection.fetchval(
                "select relrowsecurity from pg_class where oid = to_regclass($1)", f'"{table}"'
            )
            assert enabled, table
            ((qual, with_check),) = policies
            assert qual == with_check, table
            assert "app.tenant" in qual, table
    finally:
        await connection.close()


async def test_a_row_for_another_tenant_cannot_be_written(
    settings: Settings, company: Company, stranger: Company
) -> None:
    connection = await application(settings)
    try:
        async with connection.transaction():
            await connection.execute(f"set local app.tenant = '{company.id}'")
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(
                    "insert into skill (tenant_id, id, rev, code, name) values ($1, $2, 1, 'x', 'x')",
                    stranger.id,
                    uuid.uuid4(),
                )
    finally:
        await connection.close()


async def test_facts_can_be_added_but_neither_changed_nor_removed(settings: Settings) -> None:
    connection = await application(settings)
    try:
        for table in INSERT_ONLY:
            for statement in (
                f"update {table} set tenant_id = tenant_id",
                f"delete from {table}",
                f"truncate {table}",
            ):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(statement)
    finally:
        await connection.close()


async def test_the_directory_holds_hashes_alone_and_is_written_only_by_its_tenant(
    settings: Settings, company: Company, stranger: Company, database: Database
) -> None:
    connection = await application(settings)
    try:
        rows = await connection.fetch("select * from directory")
        assert {row["tenant_id"] for row in rows} == {company.id, stranger.id}
        assert all(len(row["key_hash"]) == 32 for row in rows)
        async with connection.transaction():
            await connection.execute(f"set local app.tenant = '{company.id}'")
            removed = await connection.execute("delete from directory")
        assert removed == f"DELETE {sum(row['tenant_id'] == company.id for row in rows)}"
    finally:
        await connection.close()
