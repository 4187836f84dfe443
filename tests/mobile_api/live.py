"""A running server and a phone registered with it, for what only a real connection shows."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass, replace

import httpx
import uvicorn

from fsm.commands.http_server import configure
from fsm.database import Database
from fsm.settings import S3Settings, Settings
from tests.applications import application
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.evidence.s3_faults import Line, bad_line
from tests.mobile_api.photos import Phone, register_phone
from tests.patience import PATIENCE_S


@dataclass
class Live:
    """Where the server listens, and a phone's way into it.

    `url` is the server's public address. It leads over `line`, which fails when it is told to;
    `port` and `phone` reach the server directly.
    """

    url: str
    port: int
    phone: Phone
    line: Line

    async def ask(self, method: str, path: str, *pieces: bytes, **headers: str) -> "Answer":
        """Send one request as it is told, piece by piece, and return the answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(self.head(method, path, Connection="close", **headers))
            for piece in pieces:
                await writer.drain()
                await asyncio.sleep(0.02)  # so that the server has seen what came before
                writer.write(piece)
            return Answer.read(await reader.read())
        finally:
            writer.close()

    def head(self, method: str, path: str, **headers: str) -> bytes:
        """Return the first lines of a request of the phone's; `_` in a name stands for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        all_headers = {"Host": "fsm.test", **self.phone.headers, **named}
        lines = [f"{method} {path} HTTP/1.1", *(f"{k}: {v}" for k, v in all_headers.items())]
        return "\r\n".join([*lines, "", ""]).encode()


@dataclass
class Answer:
    """An answer as it came over the line."""

    status: int
    headers: dict[str, str]
    body: bytes

    @classmethod
    def read(cls, raw: bytes) -> "Answer":
        head, _, body = raw.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        return cls(int(first.split()[1]), headers, body)


def chunked(*pieces: bytes, **trailers: str) -> list[bytes]:
    """Return the pieces in chunked coding; the last holds the end and the trailers."""
    coded = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces]
    ends = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in trailers.items())
    return [*coded, f"0\r\n{ends}\r\n".encode()]


@asynccontextmanager
async def serving(
    settings: Settings, database: Database, company: Company, clock: Clock
) -> AsyncIterator[Live]:
    """Serve the application on a loopback port as `fsm serve` does, in this very event loop."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        _line_to(listening.getsockname()[1]) as line,
    ):
        port = listening.getsockname()[1]
        url = str(line.settings.endpoint_url)
        here = replace(settings, public_url=url)
        app = application(here, database=database, clock=clock, has_trailers=True)
        server = uvicorn.Server(configure(app, lifespan="off"))
        running = asyncio.create_task(server.serve(sockets=[listening]))
        direct = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=direct, timeout=PATIENCE_S) as client:
            headers = await register_phone(database, company, clock)
            yield Live(url, port, Phone(client, headers), line)
        server.should_exit = True
        await asyncio.wait_for(running, PATIENCE_S)


def _line_to(port: int) -> AbstractContextManager[Line]:
    return bad_line(S3Settings("", f"http://127.0.0.1:{port}", "", None, None))
