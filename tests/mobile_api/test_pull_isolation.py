"""The function that reads pages binds itself to one tenant, row-level security holds inside it, and each
device gets what is its own."""

from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from fsm.database import SERVER_SETTINGS, Database
from fsm.settings import Settings
from mobile_api.pull_sql import PULLS
from tests.company import Company
from tests.fsm.work_orders.steps import dispatched_job
from tests.mobile_api.phones import Phone, new_phone


@pytest.fixture
async def application(settings: Settings) -> AsyncIterator[Any]:
    """A connection with the application's rights, bound to no tenant."""
    connection = await asyncpg.connect(settings.database_url, server_settings=SERVER_SETTINGS)
    yield connection
    await connection.close()


async def pulled(connection: Any, tenant_id: UUID, device_id: str) -> Any:
    return (await pulled_together(connection, tenant_id, device_id)).get(1)


async def pulled_together(
    connection: Any, tenant_id: UUID, *device_ids: str, hashes: Sequence[bytes | None] = ()
) -> dict[int, Any]:
    """Return what is found by the place of each device, counted from 1."""
    devices = [UUID(device_id) for device_id in device_ids]
    known = hashes or [None] * len(devices)
    rows = await connection.fetch(
        PULLS, tenant_id, devices, known, [], [], [], [], 1_000, 1_000_000, None
    )
    return {row["ask"]: row for row in rows}


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


async def test_devices_read_together_get_each_its_own_and_strangers_among_them_nothing(
    phone: Phone,
    colleague: Phone,
    database: Database,
    company: Company,
    stranger: Company,
    application: Any,
) -> None:
    """Their own rows, limits and order, as if each had asked alone; twice, if it asks twice."""
    await dispatched_job(database, company, phone.clock)
    foreign = await new_phone(phone.client, stranger, phone.clock)
    for one in (phone, colleague, foreign):
        await one.pull()
    ours, theirs = phone.device_id, colleague.device_id
    alone = {id_: await pulled(application, company.id, id_) for id_ in (ours, theirs)}
    assert alone[ours]["changes"] != alone[theirs]["changes"]
    together = await pulled_together(
        application,
        company.id,
        *(ours, foreign.device_id, theirs, ours, theirs),
        hashes=[None, None, None, bytes(32), None],
    )
    told = {ask: {**row, "ask": 1} for ask, row in together.items()}
    assert told == {1: dict(alone[ours]), 3: dict(alone[theirs]), 5: dict(alone[theirs])}


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
        from pg_proc p where p.proname = 'sync_pulls'
        """
    )
    await owner.close()
    assert (row["prosecdef"], row["others"]) == (False, ["fsm_app"])
