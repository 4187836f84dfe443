"""The PowerSync SDK, unmodified, holds what a phone of ours holds, and loses nothing on the way."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from fsm.database import Database
from fsm.settings import Settings
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import dispatched_job
from tests.mobile_api.phones import feed_differences
from tests.mobile_api.powersync_devices import cold_pull, device
from tests.mobile_api.serving import Line, line_to, serving


@pytest.fixture
async def line(
    settings: Settings, database: Database, company: Company, clock: Clock
) -> AsyncIterator[tuple[Line, str]]:
    """A running server, and a line to it; the feed is audited in the end."""
    async with serving(settings, database, clock) as port, line_to(port) as made:
        yield made
    assert await feed_differences(database, company.id) == []


async def test_cold(
    line: tuple[Line, str],
    client: httpx.AsyncClient,
    database: Database,
    company: Company,
    clock: Clock,
    tmp_path: Path,
) -> None:
    job = await dispatched_job(database, company, clock)
    _, url = line
    async with device(client, company, clock, tmp_path / "one.db") as one:
        await one.connect(url)
        await one.is_as(await cold_pull(one.phone))
        note = await one.intend("note.add", clock, visit_id=str(job.visit_id), text="Roller worn")
        await one.has_sent_all()
        expected = await cold_pull(one.phone)
        assert [n["text"] for n in expected["visits", str(job.visit_id)]["notes"]] == [
            "Roller worn"
        ], note
        await one.is_as(expected)
