"""What a phone may no longer see leaves in two steps: once none of its user's devices has work on it."""

import asyncio
from uuid import UUID

import asyncpg
import httpx

from fsm.actors import Actor, ActorKind, Permission
from fsm.database import Database
from fsm.settings import Settings
from mobile_api import pull
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import dispatched_job
from tests.mobile_api.phones import Phone, new_phone

_LOCKED = """
select exists (select from pg_stat_activity
  where datname = current_database() and wait_event_type = 'Lock')"""


def actor_of(company: Company, phone: Phone) -> Actor:
    technician = company.actors["technician"]
    return Actor(
        tenant_id=company.id,
        kind=ActorKind.DEVICE,
        user_id=technician.user_id,
        device_id=UUID(phone.device_id),
        name=technician.name,
        permissions=frozenset({Permission.SYNC}),
    )


async def test_rows_leave_when_two_devices_report_at_the_same_moment_that_they_are_through(
    phone: Phone,
    client: httpx.AsyncClient,
    database: Database,
    settings: Settings,
    company: Company,
    clock: Clock,
) -> None:
    """Each would take the other for one that may still hold unsent work, and neither reports again."""
    job = await dispatched_job(database, company, clock)
    tablet = await new_phone(client, company, clock, "tablet")
    for device in (phone, tablet):
        await device.pull()
    cancelled = await client.post(
        f"/api/work-orders/{job.id}/cancellation",
        headers=company.headers["dispatcher"],
        json={"reason": "customer"},
    )
    assert cancelled.status_code == 200
    for device in (phone, tablet):
        page = await device.pull()
        assert device.of("work_orders")[str(job.id)]["access"] == "revoked"

    async def report(device: Phone) -> None:
        async with database.transaction(company.id) as session:
            await pull.note_empty(session, actor_of(company, device), page["head"])

    looking = await asyncpg.connect(settings.database_url)
    try:
        async with database.transaction(company.id) as session:
            await pull.note_empty(session, actor_of(company, phone), page["head"])
            second = asyncio.create_task(report(tablet))
            while not second.done() and not await looking.fetchval(_LOCKED):
                await asyncio.sleep(0.002)
        await second
    finally:
        await looking.close()
    for device in (phone, tablet):
        await device.pull()
        assert device.of("work_orders") == {}
