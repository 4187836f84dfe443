"""What is wrong with numbers that writers take, in the one order of steps that shows it every time.

The runner has to come by that order by chance, which its long form does (`test_controls.py`).
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext

import asyncpg
import httpx
import pytest

from fsm.app import compose_database
from fsm.database import Database
from fsm.settings import Settings
from fsm.work_orders import orders
from mobile_api import feed
from tests.chaos.test_armed import applied
from tests.company import Company
from tests.conftest import Clock, application
from tests.fsm.work_orders.steps import dispatched_job
from tests.mobile_api.phones import Phone, new_phone


@asynccontextmanager
async def broken(
    control: str | None, settings: Settings, company: Company, clock: Clock, owner_url: str
) -> AsyncIterator[tuple[Phone, httpx.AsyncClient, Database]]:
    """The product with one mistake or none, and a phone that reads it."""
    owner = await asyncpg.connect(owner_url)
    await owner.execute("create sequence control_seq start 1000000")
    await owner.execute("grant usage on sequence control_seq to fsm_app")
    await owner.close()
    with applied(control) if control else nullcontext():
        database = compose_database(settings)
        app = application(settings, database=database, clock=clock)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://fsm.test") as client:
            yield await new_phone(client, company, clock), client, database
        await database.close()


@pytest.mark.parametrize(
    ("control", "is_passed_over"),
    [(None, False), ("sequence_cursor", True), ("updated_at_cursor", True)],
)
async def test_a_row_is_passed_over_when_who_took_the_lower_number_commits_last(
    control: str | None,
    is_passed_over: bool,
    settings: Settings,
    company: Company,
    clock: Clock,
    owner_url: str,
) -> None:
    async with broken(control, settings, company, clock, owner_url) as (phone, client, database):
        job = await dispatched_job(database, company, clock)
        await phone.pull()
        async with database.transaction(company.id) as slow:
            row = await orders.lock_work_order(slow, company.system, job.id)
            await orders.edit_work_order(
                slow, company.system, clock(), job.id, row.rev, {"title": "Slow"}
            )
            await slow.flush()
            await feed.refresh(slow)
            quick = await client.patch(
                f"/api/parts/{company.part.id}",
                json={"rev": 1, "name": "Quick"},
                headers=company.headers["administrator"],
            )
            assert quick.status_code == 200
            await phone.pull()
            assert phone.of("parts")[str(company.part.id)]["name"] == "Quick"
        await phone.pull()
        title = phone.of("work_orders")[str(job.id)]["title"]
        assert (title != "Slow") == is_passed_over
