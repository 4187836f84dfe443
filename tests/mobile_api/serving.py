"""A real server on a loopback port, and a line to it that a test may cut or make lose an answer."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace

import uvicorn

from fsm.database import Database
from fsm.settings import Settings
from tests.applications import application
from tests.conftest import Clock
from tests.pages.slowness import slow_line
from tests.patience import PATIENCE_S


@asynccontextmanager
async def serving(settings: Settings, database: Database, clock: Clock) -> AsyncIterator[int]:
    """Serve the application by uvicorn in this very event loop; yield its port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        app = application(
            replace(settings, public_url=f"http://127.0.0.1:{port}"), database=database, clock=clock
        )
        config = uvicorn.Config(
            slow_line(app),
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        running = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield port
        finally:
            server.should_exit = True
            await asyncio.wait_for(running, PATIENCE_S)


@dataclass
class Line:
    """A TCP proxy in front of a port; what gets through it is the test's to decide.

    `stop` names requests (bytes of their first line) of which the next never arrives, `lose` those whose next
    answer the client never sees, `cut_after` those whose next answer breaks off after so many bytes;
    `is_down` refuses everybody.
    """

    port: int
    stop: set[bytes] = field(default_factory=set)
    lose: set[bytes] = field(default_factory=set)
    cut_after: dict[bytes, int] = field(default_factory=dict)
    is_down: bool = False
    lost: list[bytes] = field(default_factory=list)
    """What was lost or cut, in order."""
    asked: list[bytes] = field(default_factory=list)
    """The first line of everything that went through."""
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    def hang_up(self) -> None:
        """Cut every connection that is open now."""
        for writer in list(self._open):
            writer.transport.abort()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_down:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.port)
        except ConnectionError:  # the server was killed, or is not yet there again
            writer.transport.abort()
            return
        self._open |= {writer, far_writer}
        asked: list[bytes] = []
        there = asyncio.create_task(self._there(reader, far_writer, asked))
        try:
            await self._back(far_reader, writer, asked)
        finally:
            there.cancel()
            self._open -= {writer, far_writer}
            for one in (writer, far_writer):
                one.transport.abort()

    async def _there(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: list[bytes]
    ) -> None:
        with suppress(ConnectionError):
            while chunk := await reader.read(65_536):
                first = chunk.split(b"\r\n", 1)[0]
                if stopped := {name for name in self.stop if name in first}:
                    self.stop -= stopped
                    self.lost += stopped
                    break
                asked.append(first)
                self.asked.append(first)
                writer.write(chunk)
                await writer.drain()
            writer.transport.abort()

    async def _back(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: list[bytes]
    ) -> None:
        left: int | None = None
        with suppress(ConnectionError):
            while chunk := await reader.read(65_536):
                while asked:
                    request = asked.pop(0)
                    for name in [name for name in self.lose if name in request]:
                        self.lose.discard(name)
                        self.lost.append(name)
                        left = 0
                    for name in [name for name in self.cut_after if name in request]:
                        left = self.cut_after.pop(name)
                        self.lost.append(name)
                if left is not None:
                    chunk, left = chunk[:left], left - len(chunk)
                writer.write(chunk)
                await writer.drain()
                if left is not None and left <= 0:
                    return


@asynccontextmanager
async def line_to(port: int) -> AsyncIterator[tuple[Line, str]]:
    """Yield a line to a port, and the address at this end of it."""
    line = Line(port)
    server = await asyncio.start_server(line.carry, "127.0.0.1", 0)
    try:
        yield line, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        line.hang_up()
