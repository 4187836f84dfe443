"""Programs that a bench measures from outside: the product itself, a bare framework, and their CPU time."""

import asyncio
import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from fsm.embedded import OWNER_ROLE, EmbeddedPostgres

SECRET = "a secret of the bench, long enough"

_BARE = """
import asyncio, socket, sys, uvicorn
from litestar import Litestar, get

@get("/bare")
async def bare() -> dict[str, bool]:
    return {"ok": True}

listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
print(f"Answering at http://127.0.0.1:{listener.getsockname()[1]} ", file=sys.stderr, flush=True)
app = Litestar([bare], logging_config=None, openapi_config=None)
config = uvicorn.Config(app, http="httptools", loop="uvloop", access_log=False, log_config=None)
uvicorn.Server(config).run(sockets=[listener])
"""

_STATEMENT = """
import os, socket, sys, asyncpg, msgspec, uvicorn
from uuid import UUID
from fsm.database import SERVER_SETTINGS
from mobile_api.pull_sql import PULLS

tenant, device, scopes, since = msgspec.json.decode(os.environ["PULL"])
values = UUID(tenant), [UUID(device)], [None], [1] * len(scopes), scopes, since, [0] * len(scopes)
connection = None

async def app(scope, receive, send):
    global connection
    if connection is None:
        connection = await asyncpg.connect(
            os.environ["FSM_DATABASE_URL"], server_settings=SERVER_SETTINGS
        )
    if scope["path"] == "/wait":
        await connection.fetch("select pg_sleep(0.0005)")
        body = b"{}"
    else:
        (row,) = await connection.fetch(PULLS, *values, 100, 65536, None)
        body = row["changes"]
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})

listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
print(f"Answering at http://127.0.0.1:{listener.getsockname()[1]} ", file=sys.stderr, flush=True)
config = uvicorn.Config(
    app, http="httptools", loop="uvloop", access_log=False, log_config=None, lifespan="off"
)
uvicorn.Server(config).run(sockets=[listener])
"""


@dataclass
class Program:
    """A running server."""

    process: subprocess.Popen[str]
    port: int

    def cpu_s(self) -> float:
        """Return the CPU time that the process has used, of all its threads, in seconds."""
        clock = ~self.process.pid << 3 | 2  # clock_getcpuclockid(3), as Linux numbers them
        return time.clock_gettime(clock)

    def rss_bytes(self) -> int:
        text = Path(f"/proc/{self.process.pid}/statm").read_text(encoding="ascii")
        return int(text.split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)


@contextmanager
def _running(arguments: list[str], environment: Mapping[str, str]) -> Iterator[Program]:
    process = subprocess.Popen(
        [sys.executable, "-P", *arguments],
        env={**os.environ, **environment},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if found := re.search(r"Answering at http://[^:]+:(\d+) ", line):
                break
            sys.stderr.write(line)
        else:
            raise RuntimeError(f"{arguments} ended with {process.wait()}")
        # Read on, or a program with much to say would wait for us.
        threading.Thread(target=sys.stderr.writelines, args=(process.stderr,), daemon=True).start()
        yield Program(process, int(found[1]))
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def bare_framework() -> "contextmanager[Program]":
    """Run Litestar with one handler that answers two words, under the same server as the product."""
    return _running(["-c", _BARE], {})


def bare_statement(
    server: EmbeddedPostgres, database: str, tenant_id: UUID, device_id: UUID, read: dict[str, int]
) -> "contextmanager[Program]":
    """Run an ASGI program that only puts one phone's pull to the database: no server of pulls does less.

    At /wait it does less still: it waits half a millisecond for a database that has nothing to do either.
    """
    asked = [str(tenant_id), str(device_id), list(read), list(read.values())]
    return _running(
        ["-c", _STATEMENT],
        {**environment_of(server, database), "PULL": json.dumps(asked)},
    )


def product(server: EmbeddedPostgres, database: str, **settings: str) -> "contextmanager[Program]":
    """Run `fsm serve` over a database of a private server."""
    return _running(
        ["-m", "fsm", "serve", "--port", "0"], environment_of(server, database, **settings)
    )


def environment_of(server: EmbeddedPostgres, database: str, **settings: str) -> dict[str, str]:
    """Return the settings of a program over a database of a private server."""
    return {
        "FSM_DATABASE_URL": server.url(database),
        "FSM_OWNER_DATABASE_URL": server.url(database, OWNER_ROLE),
        "FSM_SECRET": SECRET,
        "FSM_BLOB_DIR": str(Path(tempfile.gettempdir()) / "fsm-bench-blobs"),
        "FSM_LOG_LEVEL": "WARNING",
        # One device and one address ask for thousands.
        "FSM_DEVICE_REQUESTS": "0",
        "FSM_ADDRESS_REQUESTS": "0",
        **settings,
    }


def cpu_of(clock: Callable[[], float], work: Callable[[], object], times: int) -> float:
    """Return the CPU seconds that `clock` counts for one call of `work`, of `times` calls."""
    began = clock()
    for _ in range(times):
        work()
    return (clock() - began) / times


async def cpu_of_requests(
    program: Program,
    asks: Sequence[tuple[str, Mapping[str, str]]],
    times: int,
    *,
    every_s: float = 0,
) -> float:
    """Return the CPU seconds of a program for one GET, of `times`; each (path, headers) has a connection.

    They ask at once, each again as soon as it is answered, or `every_s` seconds where that is later.
    """
    left = times
    clock = asyncio.get_running_loop().time

    async def client(path: str, headers: Mapping[str, str]) -> None:
        nonlocal left
        lines = [f"GET {path} HTTP/1.1", "Host: bench", *(f"{k}: {v}" for k, v in headers.items())]
        request = ("\r\n".join(lines) + "\r\n\r\n").encode()
        reader, writer = await asyncio.open_connection("127.0.0.1", program.port)
        due = clock()
        while left > 0:
            left -= 1
            if every_s:
                await asyncio.sleep(max(0, due - clock()))
                due += every_s
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200 "):
                raise RuntimeError(f"{path} answered {head[:100]!r}")
            length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            assert length is not None
            await reader.readexactly(int(length[1]))
        writer.close()

    began = program.cpu_s()
    await asyncio.gather(*(client(path, headers) for path, headers in asks))
    return (program.cpu_s() - began) / times
