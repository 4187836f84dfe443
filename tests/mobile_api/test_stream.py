"""Connected phones are told that there is something to pull, and nothing else."""

import asyncio
import json
from collections.abc import AsyncIterator

import httpx

from fsm.database import Database
from mobile_api import feed, sequencer
from mobile_api.stream import Pump, events
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import dispatched_job
from tests.mobile_api.phones import Phone


async def next_event(stream: AsyncIterator[bytes]) -> tuple[str, dict[str, object]]:
    while True:
        text = (await asyncio.wait_for(anext(stream), 20)).decode()
        if not text.startswith(":"):
            lines = dict(line.split(": ", 1) for line in text.strip().splitlines())
            return lines["event"], json.loads(lines["data"])


async def test_a_phone_is_poked_when_its_scope_moves_and_not_for_others(
    phone: Phone, database: Database, company: Company, stranger: Company, clock: Clock
) -> None:
    await phone.pull()
    pump = Pump(database, clock)
    scope = feed.technician_scope(company.technician.id)
    mine = events(pump, company.id, [scope], None)
    nobodys = events(pump, company.id, ["tech:none"], None, lifetime_s=3, keep_alive_s=1)
    kind, hello = await next_event(mine)
    assert (kind, hello["head"]) == ("hello", phone.pages[-1]["head"])
    assert (await next_event(nobodys))[0] == "hello"
    await dispatched_job(database, company, clock)
    kind, poke = await next_event(mine)
    assert kind == "poke"
    page = await phone.pull()
    assert poke == {"head": page["head"]}
    assert (await next_event(nobodys))[0] == "bye"
    await mine.aclose()  # type: ignore[attr-defined]
    await nobodys.aclose()  # type: ignore[attr-defined]
    assert pump._task is None


async def test_a_stream_that_broke_off_goes_on_from_its_last_event(
    phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    await dispatched_job(database, company, clock)
    page = await phone.pull()
    pump = Pump(database, clock)
    for last, expected in (("0", ["hello", "poke"]), (str(page["head"] + 9), ["hello", "resync"])):
        stream = events(pump, company.id, page["scopes"], last)
        assert [(await next_event(stream))[0] for _ in range(2)] == expected
        await stream.aclose()  # type: ignore[attr-defined]
    stream = events(pump, company.id, page["scopes"], None)
    await next_event(stream)
    async with database.transaction(company.id) as session:
        await sequencer.begin_epoch(session, company.id)
    assert (await next_event(stream))[0] == "resync"
    await stream.aclose()  # type: ignore[attr-defined]


async def test_only_a_device_listens(client: httpx.AsyncClient, company: Company) -> None:
    refused = await client.get("/sync/v1/stream", headers=company.headers["technician"])
    assert (refused.status_code, refused.json()["code"]) == (403, "device-only")
