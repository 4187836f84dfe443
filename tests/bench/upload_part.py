"""Server CPU of an upload against writing and hashing the same bytes, and what a resume sends again.

The server is `fsm serve` in a process of its own, so that its CPU is read from the kernel and holds
nothing of the client's; the database's is not counted. The peer hashes the same bytes once and writes
them in pieces of 1 MiB, without the fsync that the server does before it tells an offset.
"""

import asyncio
import hashlib
import os
import random
import re
import statistics
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
from uuid_utils.compat import uuid7

from fsm.app import compose_database
from fsm.embedded import OWNER_ROLE, EmbeddedPostgres
from fsm.evidence.s3_store import SEGMENT_SIZE
from fsm.migrations.migrate import migrate
from fsm.settings import read_settings
from fsm.tenants import queries
from tests.bench.figures import Figure, figure
from tests.company import found_company
from tests.fsm.evidence.pictures import encoded, scene

#: A short video, and a photo of an ordinary phone.
SIZES = {"48 MB": 48_000_000, "4 MB": 4_000_000}
#: What an upload may cost in all; a small one costs its requests and transactions more than its bytes.
GOALS = {"48 MB": 1.5}
PIECE = 1 << 20
TUS = {"Tus-Resumable": "1.0.0"}
BYTES = {**TUS, "Content-Type": "application/offset+octet-stream"}


@dataclass(frozen=True)
class Server:
    """A running `fsm serve` and a phone's way into it."""

    client: httpx.AsyncClient
    port: int
    pid: int
    headers: dict[str, str]

    def cpu_s(self) -> float:
        """CPU seconds of the server's threads so far, user and system, to the nanosecond."""
        threads = Path(f"/proc/{self.pid}/task").glob("*/schedstat")
        return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9

    async def create(self, content: bytes) -> str:
        """Create an upload for these bytes and return its path."""
        named = {"photo_id": str(uuid7()), "sha256": hashlib.sha256(content).hexdigest()}
        metadata = ",".join(f"{k} {b64encode(v.encode()).decode()}" for k, v in named.items())
        length = {"Upload-Length": str(len(content)), "Upload-Metadata": metadata}
        created = await self.client.post("/files", headers={**self.headers, **TUS, **length})
        created.raise_for_status()
        return httpx.URL(created.headers["Location"]).path

    async def send(self, path: str, offset: int, content: bytes) -> None:
        headers = {**self.headers, **BYTES, "Upload-Offset": str(offset)}
        sent = await self.client.patch(path, headers=headers, content=content)
        sent.raise_for_status()

    async def offset(self, path: str) -> int:
        told = await self.client.head(path, headers={**self.headers, **TUS})
        return int(told.headers["Upload-Offset"])


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Server]:
    """Run a database and `fsm serve` over it, with one phone registered."""
    with EmbeddedPostgres(folder / "pg") as postgres:
        await postgres.prepare("bench")
        await migrate(postgres.url("bench", OWNER_ROLE))
        env = {
            "FSM_DATABASE_URL": postgres.url("bench"),
            "FSM_SECRET": "a secret of the bench, long enough",
            "FSM_BLOB_DIR": str(folder / "blobs"),
        }
        settings = read_settings(env)
        database = compose_database(settings)
        now = datetime.now(UTC)
        company = await found_company(database, settings, now, slug="bench")
        async with database.transaction(company.id) as session:
            _, token = await queries.register_device(
                session, company.actors["technician"], now, install_id="bench"
            )
        await database.close()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "fsm", "serve", "--port", "0",
            env={**os.environ, **env, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            assert process.stderr is not None
            said = (await process.stderr.readline()).decode()
            found = re.search(r":(\d+) ", said)
            if found is None:
                raise RuntimeError(said + (await process.stderr.read()).decode())
            port = int(found[1])
            draining = asyncio.create_task(process.stderr.read())
            url = f"http://127.0.0.1:{port}"
            async with httpx.AsyncClient(base_url=url, timeout=60) as client:
                yield Server(client, port, process.pid, {"Authorization": f"Token {token}"})
        finally:
            process.terminate()
            await process.wait()
        await draining


def written_and_hashed(content: bytes, path: Path) -> float:
    """Return the CPU seconds of writing and hashing these bytes in pieces, without fsync."""
    began = time.process_time()
    digest = hashlib.sha256()
    with path.open("xb", buffering=0) as file:
        view = memoryview(content)
        for at in range(0, len(content), PIECE):
            piece = view[at : at + PIECE]
            digest.update(piece)
            file.write(piece)
    return time.process_time() - began


async def one_of_each(server: Server, size: int, folder: Path) -> tuple[float, float]:
    """Upload a new file and write another; return the CPU seconds of both.

    Both files are removed again, so that either side finds memory that the kernel has at hand.
    """
    photo = encoded(scene(1, (160, 120)), "JPEG")
    content = photo + os.urandom(size - len(photo))
    before = server.cpu_s()
    await server.send(await server.create(content), 0, content)
    ours = server.cpu_s() - before
    peer = folder / "peer"
    theirs = written_and_hashed(content, peer)
    for file in (peer, *folder.glob("blobs/*/objects/*/*/*")):
        file.unlink()
    return ours, theirs


async def cpu_figures(server: Server, seconds: float, folder: Path) -> list[Figure]:
    """Upload large and small files in turn for about `seconds`; the ratios are of the medians.

    The difference between the two sizes is what bytes cost; what is left is the price of an upload.
    """
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in SIZES}
    until = time.monotonic() + seconds
    while time.monotonic() < until or len(spent["48 MB"]) < 6:
        for name, size in SIZES.items():
            spent[name].append(await one_of_each(server, size, folder))
    usual = {
        # The first round also opens connections and loads code.
        name: tuple(statistics.median(side) for side in zip(*pairs[1:], strict=True))
        for name, pairs in spent.items()
    }
    (large, large_peer), (small, small_peer) = usual["48 MB"], usual["4 MB"]
    detail = {
        "uploads_of_each": len(spent["48 MB"]) - 1,
        **{
            f"{name}: {side}_cpu_ms": round(1000 * value, 1)
            for name, values in usual.items()
            for side, value in zip(("ours", "peer"), values, strict=True)
        },
    }
    per_byte = (large - small) / (large_peer - small_peer)
    beside_s = small - per_byte * small_peer
    return [
        figure("upload, CPU per byte / (write + sha256)", per_byte, "ratio", 1.33, **detail),
        figure("upload, CPU beside the bytes", 1000 * beside_s, "ms", None),
        *(
            figure(
                f"upload of {name}, all its CPU / (write + sha256)",
                ours / theirs,
                "ratio",
                GOALS.get(name),
            )
            for name, (ours, theirs) in usual.items()
        ),
    ]


async def resent(server: Server, cuts: int, seed: int) -> Figure:
    """Cut a connection at random points, resume, and count the bytes that had to be sent twice."""
    chance = random.Random(seed)
    photo = encoded(scene(2, (160, 120)), "JPEG")
    content = photo + os.urandom(SIZES["48 MB"] - len(photo))
    path = await server.create(content)
    twice: list[int] = []
    at = 0
    for _ in range(cuts):
        reach = chance.randrange(at, len(content))
        await _send_and_cut(server, path, at, content, reach)
        offset = await server.offset(path)
        twice.append(reach - offset)
        at = offset
    await server.send(path, at, content[at:])
    return figure(
        "bytes sent again after a cut, most",
        max(twice),
        "bytes",
        SEGMENT_SIZE,
        cuts=cuts,
        mean=round(sum(twice) / cuts),
    )


async def _send_and_cut(server: Server, path: str, at: int, content: bytes, reach: int) -> None:
    """Announce all that is missing, send the bytes up to `reach`, and break the line."""
    _, line = await asyncio.open_connection("127.0.0.1", server.port)
    headers = {
        **server.headers,
        **BYTES,
        "Host": "bench",
        "Upload-Offset": str(at),
        "Content-Length": str(len(content) - at),
    }
    lines = [f"PATCH {path} HTTP/1.1", *(f"{name}: {text}" for name, text in headers.items())]
    line.write("\r\n".join([*lines, "", ""]).encode())
    while at < reach:
        step = min(PIECE, reach - at)
        line.write(content[at : at + step])
        at += step
        await line.drain()
    line.transport.abort()


async def measure(seconds: float) -> list[Figure]:
    """Upload and cut for about `seconds` of wall time; return the figures.

    A few seconds more go into starting a database and a server.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with serving(folder) as server:
            figures = await cpu_figures(server, seconds, folder)
            return [*figures, await resent(server, cuts=10, seed=1)]
