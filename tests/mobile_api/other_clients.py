"""Other people's clients, run by Node against a real server, over a line that a test can cut."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import uvicorn
from sqlmodel import select

from fsm.database import Database
from fsm.settings import Settings
from fsm.work_orders import orders
from tests.applications import application
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import Job
from tests.mobile_api.phones import Phone, new_phone
from tests.node import runtime
from tests.patience import PATIENCE_S


class Line:
    """A TCP proxy before the server. It may be down, or lose a request or an answer on its way."""

    def __init__(self, port: int) -> None:
        self._server_port = port
        self._is_up = True
        self._cuts: list[tuple[bytes, int]] = []
        self._drops: dict[bytes, int] = {}
        self._open: set[asyncio.StreamWriter] = set()
        self.lost: list[bytes] = []
        """The beginnings of the requests that were lost, or whose answers were."""

    def leads_to(self, port: int) -> None:
        """Lead what connects from now on to another server."""
        self._server_port = port

    def lose(self, request: str, after: int = 0) -> None:
        """Cut the next answer to a request that begins so, after that many bytes of it."""
        self._cuts.append((request.encode(), after))

    def drop(self, request: str, number: int) -> None:
        """Cut the first, second, … request from now that begins so, before the server hears of it."""
        self._drops[request.encode()] = number

    def down(self) -> None:
        self._is_up = False
        for writer in list(self._open):
            writer.transport.abort()

    def up(self) -> None:
        self._is_up = True

    def _is_dropped(self, chunk: bytes) -> bool:
        for request in [one for one in self._drops if chunk.startswith(one)]:
            self._drops[request] -= 1
            if not self._drops[request]:
                del self._drops[request]
                self.lost.append(request)
                return True
        return False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._is_up:
            writer.transport.abort()
            return
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._server_port)
        except ConnectionError:  # the server was killed, or is not yet there again
            writer.transport.abort()
            return
        self._open |= {writer, back}
        doomed: list[tuple[bytes, int]] = []

        async def upward() -> None:
            while chunk := await reader.read(65_536):
                if self._is_dropped(chunk):
                    writer.transport.abort()
                    back.transport.abort()
                    return
                for cut in self._cuts:
                    if chunk.startswith(cut[0]):
                        doomed.append(cut)
                        self._cuts.remove(cut)
                        break
                back.write(chunk)
                await back.drain()
            back.close()

        async def downward() -> None:
            while chunk := await there.read(65_536):
                if doomed:
                    request, after = doomed[0]
                    writer.write(chunk[:after])
                    if len(chunk) > after:
                        await writer.drain()
                        self.lost.append(request)
                        writer.transport.abort()
                        return
                    doomed[0] = (request, after - len(chunk))
                else:
                    writer.write(chunk)
                await writer.drain()
            writer.close()

        try:
            await asyncio.gather(upward(), downward())
        except OSError:
            pass
        finally:
            for one in (writer, back):
                one.transport.abort()
                self._open.discard(one)


@dataclass
class Client:
    """One process of somebody else's client; `ask("rows", collection="visits")` returns what it answers."""

    process: asyncio.subprocess.Process

    async def ask(self, action: str, **about: Any) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"do": action, **about}).encode() + b"\n")
        line = await asyncio.wait_for(self.process.stdout.readline(), PATIENCE_S)
        answer = json.loads(line or b'{"error": "the client ended"}')
        assert "error" not in answer, answer["error"]
        return answer["ok"]


@dataclass
class Field:
    """A running server behind a line, and the means to put devices and clients on it."""

    url: str
    line: Line
    http: httpx.AsyncClient
    """Past the line: the office, and a phone of the native protocol."""
    company: Company
    clock: Clock
    _clients: list[Client] = field(default_factory=list)

    async def device(self, install_id: str) -> Phone:
        return await new_phone(self.http, self.company, self.clock, install_id)

    async def client(self, script: str, phone: Phone, *arguments: str) -> Client:
        token = phone.headers["Authorization"].removeprefix("Bearer ")
        started = await runtime.start(runtime.HERE / script, self.url, token, *arguments)
        client = Client(started)
        self._clients.append(client)
        return client

    async def close(self) -> None:
        for client in self._clients:
            client.process.kill()
            await client.process.wait()


@asynccontextmanager
async def in_the_field(
    settings: Settings, database: Database, company: Company, clock: Clock
) -> AsyncIterator[Field]:
    """Serve the application by uvicorn on loopback, in this very event loop, behind a line."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        app = application(
            replace(settings, public_url=f"http://127.0.0.1:{port}"), database=database, clock=clock
        )
        config = uvicorn.Config(app, http="httptools", ws="none", lifespan="off", log_config=None)
        server = uvicorn.Server(config)
        running = asyncio.create_task(server.serve(sockets=[listening]))
        line = Line(port)
        proxy = await asyncio.start_server(line.serve, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S
        ) as http:
            there = Field(url, line, http, company, clock)
            yield there
            await there.close()
        line.down()
        proxy.close()
        server.should_exit = True
        await asyncio.wait_for(running, PATIENCE_S)


async def until(condition: Callable[[], Awaitable[bool]], what: str) -> None:
    """Wait until something has come true that nothing tells us of."""
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + PATIENCE_S
    while not await condition():
        assert loop.time() < ends_at, f"in vain: {what}"
        await asyncio.sleep(0.05)


# --- what the server has ----------------------------------------------------------------------------------

Rows = dict[tuple[str, str], Any]
"""(collection, id) → revision and members"""


async def cold(phone: Phone) -> Rows:
    """Return what a cold native pull brings to the same device."""
    fresh = Phone(phone.client, phone.headers, phone.device_id, phone.clock)
    await fresh.pull()
    return {key: (change["rev"], change["d"]) for key, change in fresh.rows.items()}


async def stored(database: Database, company: Company, table: Any) -> list[Any]:
    async with database.transaction(company.id) as session:
        return list(await session.exec(select(table)))


async def retitle(database: Database, company: Company, clock: Clock, job: Job, title: str) -> None:
    row = await job.row()
    async with database.transaction(company.id) as session:
        actor = company.actors["dispatcher"]
        await orders.edit_work_order(session, actor, clock(), job.id, row.rev, {"title": title})
