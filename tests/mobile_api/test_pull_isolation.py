"""The function that reads a page binds itself to one tenant, and row-level security holds inside it."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from fsm.database import SERVER_SETTINGS
from fsm.settings import Settings
from mobile_api.pull_sql import PULL
from tests.company import Company
from tests.mobile_api.phones import Phone


@pytest.fixture
async def application(settings: Settings) -> AsyncIterator[Any]:
    """A connection with the application's rights, bound to no tenant."""
    connection = await asyncpg.connect(settings.database_url, server_settings=SERVER_SETTINGS)
    yield connection
    await connection.close()


async def pulled(connection: Any, tenant_id: UUID, device_id: str) -> Any:
    return await connection.fetchrow(
        PULL, tenant_id, UUID(device_id), None, [], [], [], 1_000, 1_000_000, None
    )


async def test_a_pull_leaves_the_connection_bound_to_nobody(
    phone: Phone, company: Company, application: Any
) -> None:
    await phone.pull()
    found = await pulled(application, company.id, phone.device_id)
    assert found["complete"]
    assert found["changes"]
    assert not await application.fetchval("select current_setting('app.tenant', true)")
    assert await application.fetchval("select count(*) from sync_row") == 0


async def test_a_transaction_of_one_tenant_cannot_pull_for_another(
    phone: Phone, company: Company, stranger: Company, application: Any
) -> None:
    await phone.pull()
    transaction = application.transaction()
    await transaction.start()
    await application.execute(f"set local app.tenant = '{stranger.id}'")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pulled(application, company.id, phone.device_id)
    await transaction.rollback()


async def test_a_device_of_one_tenant_finds_nothing_in_another(
    phone: Phone, company: Company, stranger: Company, application: Any
) -> None:
    await phone.pull()
    assert await pulled(application, stranger.id, phone.device_id) is None
    assert await pulled(application, company.id, phone.device_id) is not None


@pytest.mark.parametrize("table", ["device", "sync_head", "sync_row"])
async def test_the_policies_bind_the_function_as_they_bind_a_statement(
    phone: Phone, company: Company, application: Any, owner_url: str, table: str
) -> None:
    """Let the database show nobody a table's rows: the function no longer finds them either."""
    shows = {
        "device": lambda found: found is not None,
        "sync_head": lambda found: found["head"] is not None,
        "sync_row": lambda found: found["changes"] is not None,
    }[table]
    await phone.pull()
    assert shows(await pulled(application, company.id, phone.device_id))
    owner = await asyncpg.connect(owner_url)
    await owner.execute(f"create policy nobody on {table} as restrictive using (false)")
    try:
        assert not shows(await pulled(application, company.id, phone.device_id))
    finally:
        await owner.execute(f"drop policy nobody on {table}")
        await owner.close()


async def test_only_the_application_may_call_the_function(owner_url: str) -> None:
    owner = await asyncpg.connect(owner_url)
    row = await owner.fetchrow(
        """
        select p.prosecdef, array(
          select grantee::regrole::text from aclexplode(p.proacl)
          where privilege_type = 'EXECUTE' and grantee <> p.proowner) as others
        from pg_proc p where p.proname = 'sync_pull'
        """
    )
    await owner.close()
    assert (row["prosecdef"], row["others"]) == (False, ["fsm_app"])
