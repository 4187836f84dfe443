"""Connected phones are told over HTTP that there is something to pull, and nothing else."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx
import pytest
from litestar import Litestar

from fsm.app import say_farewell
from fsm.commands.http_server import Server, configure
from fsm.database import Database, run
from mobile_api import feed, sequencer, stream
from mobile_api.affected import CATALOGUE
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import dispatched_job
from tests.mobile_api.phones import Phone, new_phone
from tests.patience import PATIENCE_S


@dataclass
class Events:
    """An open stream, event by event."""

    _parts: AsyncIterator[bytes]
    _rest: bytes = b""

    async def next(self) -> tuple[str, dict[str, Any]]:
        """Return the next event and its data; a comment is ("", {})."""
        while b"\n\n" not in self._rest:
            self._rest += await asyncio.wait_for(anext(self._parts), PATIENCE_S)
        text, self._rest = self._rest.split(b"\n\n", 1)
        if text.startswith(b":"):
            return "", {}
        lines = dict(line.split(": ", 1) for line in text.decode().splitlines())
        return lines["event"], json.loads(lines["data"])

    async def is_over(self) -> bool:
        try:
            await asyncio.wait_for(anext(self._parts), PATIENCE_S)
        except StopAsyncIteration:
            return True
        return False


@pytest.fixture
async def server(app: Litestar) -> AsyncIterator[Server]:
    """The application behind uvicorn on a loopback port, as `fsm serve` runs it."""
    config = configure(app, lifespan="off", timeout_graceful_shutdown=20)
    server = Server(config, partial(say_farewell, app))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        running = asyncio.create_task(server._serve(sockets=[listener]))
        while not server.started:
            await asyncio.sleep(0.01)
        yield server
        server.should_exit = True
        await running


@pytest.fixture
async def served(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the server."""
    host, port = server.servers[0].sockets[0].getsockname()
    async with httpx.AsyncClient(base_url=f"http://{host}:{port}", timeout=PATIENCE_S) as client:
        yield client


@asynccontextmanager
async def listening(
    served: httpx.AsyncClient, phone: Phone, last: int | None = None
) -> AsyncIterator[Events]:
    headers = phone.headers if last is None else {**phone.headers, "Last-Event-ID": str(last)}
    async with served.stream("GET", "/sync/v1/stream", headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/event-stream"
        assert answer.headers["cache-control"] == "no-store"
        yield Events(answer.aiter_bytes())


async def test_a_phone_is_poked_when_its_scope_moves_and_not_for_others(
    served: httpx.AsyncClient,
    phone: Phone,
    client: httpx.AsyncClient,
    database: Database,
    company: Company,
    stranger: Company,
    clock: Clock,
) -> None:
    page = await phone.pull()
    other = await new_phone(client, stranger, clock)
    await other.pull()
    async with listening(served, phone) as mine, listening(served, other) as others:
        assert await mine.next() == ("hello", {"head": page["head"], "epoch": page["epoch"]})
        assert (await others.next())[0] == "hello"
        await dispatched_job(database, company, clock)
        kind, poke = await mine.next()
        page = await phone.pull()
        assert (kind, poke) == ("poke", {"head": page["head"]})
        await dispatched_job(database, stranger, clock)
        kind, poke = await others.next()
        assert (kind, poke) == ("poke", {"head": (await other.pull())["head"]})


async def test_a_phone_is_not_poked_for_a_colleagues_job(
    served: httpx.AsyncClient,
    app: Litestar,
    phone: Phone,
    database: Database,
    company: Company,
    clock: Clock,
) -> None:
    await phone.pull()
    async with listening(served, phone) as events:
        await events.next()
        listener = await app.state.feed_pump.join(company.id, ["tech:colleague"])
        async with database.transaction(company.id) as session:
            await feed.open_scopes(session, company.id, [CATALOGUE], clock())
            await run(
                session,
                "insert into sync_row (tenant_id, scope, coll, id, rev, op, body, h)"
                " values (:t, 'tech:colleague', 'work_orders', :t, 1, 'put', '{}', 0)",
                t=company.id,
            )
        await asyncio.wait_for(listener.moved.wait(), PATIENCE_S)
        await dispatched_job(database, company, clock)
        (_, poke), colleague = await events.next(), listener.head.head
        assert poke["head"] > colleague
        app.state.feed_pump.leave(listener)
    async with database.transaction(company.id) as session:
        await run(session, "delete from sync_row where scope = 'tech:colleague'")
        await sequencer.recount(session, company.id)


async def test_a_stream_that_broke_off_goes_on_from_its_last_event(
    served: httpx.AsyncClient, phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    await dispatched_job(database, company, clock)
    head = (await phone.pull())["head"]
    for last, expected in ((0, ["hello", "poke"]), (head + 9, ["hello", "resync"])):
        async with listening(served, phone, last) as events:
            assert [(await events.next())[0] for _ in range(2)] == expected
    async with listening(served, phone, head) as events:
        assert (await events.next())[0] == "hello"
        async with database.transaction(company.id) as session:
            await sequencer.begin_epoch(session, company.id)
        assert (await events.next())[0] == "resync"


async def test_many_changes_at_once_are_few_pokes_and_the_last_names_the_head(
    served: httpx.AsyncClient, phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    await phone.pull()
    async with listening(served, phone) as events:
        await events.next()
        began = asyncio.get_running_loop().time()
        for _ in range(12):
            await dispatched_job(database, company, clock)
        head = (await phone.pull())["head"]
        heads = [0]
        while heads[-1] < head:
            heads.append((await events.next())[1]["head"])
        took = asyncio.get_running_loop().time() - began
        assert heads == sorted(set(heads))
        assert len(heads) - 1 <= 2 + took / stream.POKE_EVERY_S


@pytest.mark.parametrize("ended_by", ["device", "user", "technician"])
async def test_a_stream_ends_when_the_device_may_no_longer_read(
    served: httpx.AsyncClient,
    phone: Phone,
    client: httpx.AsyncClient,
    database: Database,
    company: Company,
    ended_by: str,
) -> None:
    await phone.pull()
    async with listening(served, phone) as events:
        await events.next()
        async with database.transaction(company.id) as session:
            statement = {
                "device": "update device set revoked_at = now()",
                "user": """update "user" set is_active = false where login like 'technician%'""",
                "technician": "update technician set is_active = false",
            }[ended_by]
            await run(session, statement)
        kind, bye = await events.next()
        assert (kind, list(bye)) == ("bye", ["retry_ms"])
        assert await events.is_over()
    for path in ("/sync/v1/stream", "/sync/v1/pull"):
        refused = await client.get(path, headers=phone.headers)
        code = "not-a-technician" if ended_by == "technician" else "device-revoked"
        assert (refused.status_code, refused.json()["code"]) == (403, code)
    async with database.transaction(company.id) as session:
        await run(session, "update technician set is_active = true")


async def test_a_quiet_stream_shows_that_it_lives_and_says_goodbye_after_its_time(
    served: httpx.AsyncClient, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        stream.EventStream.__init__, "__kwdefaults__", {"lifetime_s": 0.5, "keep_alive_s": 0.1}
    )
    await phone.pull()
    async with listening(served, phone) as events:
        said = [(await events.next())[0] for _ in range(3)]
        while said[-1] != "bye":
            said.append((await events.next())[0])
        assert said[0] == "hello"
        assert set(said[1:-1]) == {""}
        assert await events.is_over()


async def test_a_server_that_stops_says_goodbye_and_does_not_wait_for_the_phones(
    served: httpx.AsyncClient, server: Server, phone: Phone
) -> None:
    await phone.pull()
    async with listening(served, phone) as events:
        assert (await events.next())[0] == "hello"
        server.should_exit = True
        assert (await events.next())[0] == "bye"
        assert await events.is_over()
    async with asyncio.timeout(PATIENCE_S):
        while server.server_state.tasks:
            await asyncio.sleep(0.05)


async def test_a_stream_that_comes_while_the_server_stops_is_sent_away(
    served: httpx.AsyncClient, app: Litestar, phone: Phone
) -> None:
    await phone.pull()
    async with listening(served, phone):
        await say_farewell(app)
        async with listening(served, phone) as late:
            assert [(await late.next())[0] for _ in range(2)] == ["hello", "bye"]


async def test_a_phone_that_reads_no_more_does_not_hold_up_the_end(
    app: Litestar, database: Database, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "FAREWELL_S", 0.1)
    stuck = asyncio.Event()

    async def send(message: Any) -> None:
        if b"event: bye" in message.get("body", b""):
            stuck.set()
            await asyncio.Event().wait()

    pump = stream.pump_in(app.state)
    events = stream.EventStream(pump, company.actors["technician"], [CATALOGUE], None)
    talking = asyncio.create_task(events({}, asyncio.Event().wait, send))  # type: ignore[arg-type]
    while not pump._listeners:
        await asyncio.sleep(0.01)
    async with asyncio.timeout(PATIENCE_S):
        await say_farewell(app)
    assert stuck.is_set()
    talking.cancel()


async def test_the_pump_rests_when_nobody_listens(
    served: httpx.AsyncClient, app: Litestar, phone: Phone
) -> None:
    await phone.pull()
    async with listening(served, phone) as events:
        await events.next()
        assert app.state.feed_pump._task is not None
    async with asyncio.timeout(PATIENCE_S):
        while app.state.feed_pump._task is not None:
            await asyncio.sleep(0.05)


async def test_only_a_device_listens(client: httpx.AsyncClient, company: Company) -> None:
    refused = await client.get("/sync/v1/stream", headers=company.headers["technician"])
    assert (refused.status_code, refused.json()["code"]) == (403, "device-only")
