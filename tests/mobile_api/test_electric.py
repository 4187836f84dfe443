"""Shapes of the Electric client, unmodified: each collection as a phone holds it, and as it changes."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar import Litestar

from fsm.app import say_farewell
from fsm.database import Database
from fsm.settings import Settings
from fsm.work_orders import field_work, visits
from mobile_api import pull, sequencer
from mobile_api.compat import electric
from mobile_api.feed_sql import COLLECTIONS
from mobile_api.stream import pump_in
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import Job, dispatched_job
from tests.mobile_api.phones import Phone
from tests.mobile_api.powersync_devices import cold_pull
from tests.mobile_api.serving import Line, line_to, serving
from tests.node import runtime
from tests.patience import PATIENCE_S

SHAPE = "/compat/electric/v1/shape"
SCRIPT = Path(runtime.HERE) / "electric" / "shapes.mjs"


async def ask(process: asyncio.subprocess.Process) -> dict[tuple[str, str], Any]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"\n")
    said = json.loads(await asyncio.wait_for(process.stdout.readline(), PATIENCE_S))
    assert said["failed"] == []
    return {(table, row["id"]): row for table, _, rows in said["held"] for row in rows}


async def holds(process: asyncio.subprocess.Process, expected: dict[tuple[str, str], Any]) -> None:
    """Wait until the client's shapes are these rows."""
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + PATIENCE_S
    while (held := await ask(process)) != expected:
        assert loop.time() < ends_at, (held.keys() ^ expected.keys(), held)
        await asyncio.sleep(0.1)


@pytest.fixture
async def line(
    settings: Settings, database: Database, clock: Clock
) -> AsyncIterator[tuple[Line, str]]:
    async with serving(settings, database, clock) as port, line_to(port) as made:
        yield made


async def test_the_client_holds_what_a_phone_holds_through_changes_cuts_and_a_new_epoch(
    line: tuple[Line, str],
    phone: Phone,
    database: Database,
    company: Company,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pull, "PAGE_CHANGES", 3)
    monkeypatch.setattr(electric, "LIVE_S", 2)
    job = await dispatched_job(database, company, clock)
    wire, url = line
    token = phone.headers["Authorization"].removeprefix("Bearer ")
    process = await runtime.start(SCRIPT, url, token, ",".join(COLLECTIONS))
    try:
        await holds(process, await cold_pull(phone))
        await job.do(field_work.add_note, "Roller worn")
        await holds(process, await cold_pull(phone))
        wire.hang_up()
        await job.do(field_work.add_note, "While the line was cut")
        await holds(process, await cold_pull(phone))
        async with database.transaction(company.id) as session:
            await sequencer.begin_epoch(session, company.id)
        await job.do(field_work.add_note, "After the restore")
        await holds(process, await cold_pull(phone))
        assert job.visit_id is not None
        async with database.transaction(company.id) as session:
            await visits.withdraw(
                session, company.actors["dispatcher"], clock(), job.visit_id, reason="asked to"
            )
        await phone.pull(outbox_empty_at=(await phone.pull())["head"])
        await holds(process, await cold_pull(phone))
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await asyncio.wait_for(process.wait(), PATIENCE_S)


async def shape(phone: Phone, **params: Any) -> httpx.Response:
    return await phone.client.get(SHAPE, params=params, headers=phone.headers)


@pytest.fixture
async def job(database: Database, company: Company, clock: Clock) -> Job:
    return await dispatched_job(database, company, clock)


async def test_a_shape_comes_in_parts_and_goes_on_from_its_offset(
    phone: Phone, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pull, "PAGE_CHANGES", 4)
    first = await shape(phone, table="reasons", offset="-1")
    assert len(first.json()) == 4
    assert {one["headers"]["operation"] for one in first.json()} == {"insert"}
    handle, rows = first.headers["electric-handle"], first.json()
    while rows[-1]["headers"].get("control") != "up-to-date":
        offset = rows[-1]["headers"]["offset"]
        part = await shape(phone, table="reasons", offset=offset, handle=handle)
        assert part.headers["electric-handle"] == handle
        rows += part.json()
    await phone.pull()
    assert {one["value"]["id"]: one["value"] for one in rows[:-1]} == phone.of("reasons")
    assert part.headers["electric-offset"] == f"{phone.pages[-1]['head']}_0"


async def test_a_live_answer_waits_for_a_change_of_its_table(
    phone: Phone, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(electric, "LIVE_S", 600)
    first = await shape(phone, table="work_orders", offset="-1")
    where = {"offset": first.headers["electric-offset"], "handle": first.headers["electric-handle"]}
    live = asyncio.create_task(shape(phone, table="visits", live="true", **where))
    other = asyncio.create_task(shape(phone, table="photos", live="true", **where))
    await asyncio.sleep(0.5)
    assert not live.done()
    await job.do(field_work.add_note, "Now")
    row, said = (await live).json()
    assert [note["text"] for note in row["value"]["notes"]] == ["Now"]
    assert said == {"headers": {"control": "up-to-date"}}
    assert not other.done()
    other.cancel()


async def test_a_live_answer_comes_at_once_when_the_server_stops(
    app: Litestar, phone: Phone, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(electric, "LIVE_S", 600)
    first = await shape(phone, table="visits", offset="-1")
    where = {"offset": first.headers["electric-offset"], "handle": first.headers["electric-handle"]}
    live = asyncio.create_task(shape(phone, table="visits", live="true", **where))
    while not pump_in(app.state)._listeners:
        await asyncio.sleep(0.01)
    await say_farewell(app)
    async with asyncio.timeout(PATIENCE_S):
        assert (await live).json() == [{"headers": {"control": "up-to-date"}}]


async def test_a_position_that_is_worth_nothing_is_told_where_to_begin_anew(
    phone: Phone, job: Job, database: Database, company: Company, stranger: Company
) -> None:
    first = await shape(phone, table="work_orders", offset="-1")
    good = {"offset": first.headers["electric-offset"], "handle": first.headers["electric-handle"]}
    async with database.transaction(stranger.id) as session:
        theirs = await sequencer.read_head(session, stranger.id)
    for wrong in (
        {**good, "handle": "nonsense"},
        {**good, "handle": f"tech:{stranger.technician.id}@{theirs.epoch}.0"},
        {**good, "offset": "999999_0"},
    ):
        refused = await shape(phone, table="work_orders", **wrong)
        assert (refused.status_code, refused.json()["code"]) == (409, "shape-rotated")
        again = await shape(
            phone, table="work_orders", offset="-1", handle=refused.headers["electric-handle"]
        )
        assert [one["value"]["id"] for one in again.json()[:-1]] == [str(job.id)]


async def test_what_is_no_shape_is_refused(phone: Phone, company: Company) -> None:
    for params, at in (
        ({"table": "user", "offset": "-1"}, "/table"),
        ({"table": "visits", "offset": "x"}, "/offset"),
        ({"table": "visits", "offset": "5_0"}, "/offset"),
        ({"table": "visits", "offset": "-1", "where": "1=1"}, "/where"),
        ({"table": "visits", "offset": "-1", "columns": "id"}, "/columns"),
        ({"table": "visits", "offset": "-1", "live_sse": "true"}, "/live_sse"),
    ):
        refused = await shape(phone, **params)
        assert (refused.status_code, refused.json()["errors"][0]["at"]) == (422, at), params
    person = await phone.client.get(
        SHAPE, params={"table": "visits", "offset": "-1"}, headers=company.headers["technician"]
    )
    assert (person.status_code, person.json()["code"]) == (403, "device-only")
