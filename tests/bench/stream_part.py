"""What connected phones cost: memory of a stream, and how long a poke takes with thousands of them.

`fsm serve` holds every stream in one process; this process holds the other ends. A poke's time is from the
commit of a change to the event in the phone's hands, the pump's look every 200 ms included.
"""

import asyncio
import re
import resource
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import asyncpg

from fsm.app import compose_database
from fsm.database import Database, run
from fsm.embedded import OWNER_ROLE, EmbeddedPostgres
from fsm.migrations.migrate import migrate
from fsm.settings import read_settings
from mobile_api import feed, sequencer
from mobile_api.affected import CATALOGUE
from tests.bench.busy_company import Filler, Phone
from tests.bench.figures import Figure, figure
from tests.bench.processes import Program, environment_of, product
from tests.company import Company, found_company

DEVICES = 5_000
AT_ONCE = 100


class Line:
    """A phone's open stream: the time and head of the last poke."""

    def __init__(self, phone: Phone) -> None:
        self.phone = phone
        self.head = -1
        self.told_at = 0.0
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None
        self._told = asyncio.Event()

    async def open(self, port: int) -> None:
        # A small buffer: thousands of them are this process's memory, which is not measured.
        reader, self._writer = await asyncio.open_connection("127.0.0.1", port, limit=4_096)
        token = f"Authorization: Bearer {self.phone.token}"
        self._writer.write(
            f"GET /sync/v1/stream HTTP/1.1\r\nHost: bench\r\n{token}\r\n\r\n".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(f"the stream was answered {head[:200]!r}")
        self._task = asyncio.create_task(self._listen(reader))
        await asyncio.wait_for(self._told.wait(), 60)

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            if found := re.search(rb'"head":(\d+)', line):
                self.head, self.told_at = int(found[1]), time.monotonic()
                self._told.set()

    async def reach(self, head: int) -> float:
        """Wait until the phone has been told of a head; return when."""
        while self.head < head:
            self._told.clear()
            await asyncio.wait_for(self._told.wait(), 120)
        return self.told_at

    def close(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()


async def measure(seconds: float) -> list[Figure]:
    """Open the streams, and poke for about `seconds`; return the figures."""
    wanted = DEVICES + 500
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (wanted, max(hard, wanted))
        )  # children inherit it
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder) / "pg") as server:
        return await _measure(server, seconds)


async def _measure(server: EmbeddedPostgres, seconds: float) -> list[Figure]:
    await server.prepare("bench")
    await migrate(server.url("bench", OWNER_ROLE))
    settings = read_settings(environment_of(server, "bench"))
    database = compose_database(settings)
    now = datetime.now(UTC)
    company = await found_company(database, settings, now, slug="bench")
    connection = await asyncpg.connect(server.url("bench", OWNER_ROLE))
    phones = await Filler(connection, company, now, seed=1).phones(DEVICES)
    await connection.execute("analyze")
    await connection.close()
    async with database.transaction(company.id) as session:
        await feed.open_scopes(session, company.id, [CATALOGUE], now)
    try:
        with product(server, "bench") as program:
            return await _with_streams(program, database, company, phones, seconds)
    finally:
        await database.close()


async def _with_streams(
    program: Program, database: Database, company: Company, phones: list[Phone], seconds: float
) -> list[Figure]:
    warm = [Line(phone) for phone in phones[:AT_ONCE]]
    await asyncio.gather(*(line.open(program.port) for line in warm))
    before = program.rss_bytes()
    lines = []
    for first in range(AT_ONCE, DEVICES, AT_ONCE):
        more = [Line(phone) for phone in phones[first : first + AT_ONCE]]
        await asyncio.gather(*(line.open(program.port) for line in more))
        lines += more
    a_stream = (program.rss_bytes() - before) / len(lines)
    lines += warm
    cpu_s = program.cpu_s()
    await asyncio.sleep(3)
    idle = (program.cpu_s() - cpu_s) / 3
    one = [await _poke_one(database, company, lines, number) for number in range(int(seconds * 2))]
    everybody = [
        took
        for _ in range(max(1, int(seconds / 5)))
        for took in await _poke_all(database, company, lines)
    ]
    for line in lines:
        line.close()
    detail = {"devices": len(lines)}
    return [
        figure(
            f"memory of a stream, {len(lines)} on one process", a_stream / 1_024, "KiB", 40,
            rss_mib=round(program.rss_bytes() / 2**20), idle_cpu=round(idle, 3), **detail,
        ),
        figure(
            "poke of one phone after a commit, p99", _percentile(one, 99), "s", None,
            median=round(statistics.median(one), 3), pokes=len(one), **detail,
        ),
        figure(
            "poke of every phone after a commit, p99", _percentile(everybody, 99), "s", None,
            median=round(statistics.median(everybody), 3), pokes=len(everybody), **detail,
        ),
    ]  # fmt: skip


def _percentile(values: list[float], which: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[which - 1]


async def _poke_one(database: Database, company: Company, lines: list[Line], number: int) -> float:
    """Change what one phone sees; return the seconds from the commit to its poke."""
    line = lines[number * 37 % len(lines)]
    known = line.head
    async with database.transaction(company.id) as session:
        await feed.open_scopes(
            session,
            company.id,
            [feed.technician_scope(line.phone.technician_id)],
            datetime.now(UTC),
        )
        await run(
            session,
            "insert into sync_row (tenant_id, scope, coll, id, rev, op, body, h)"
            " values (:t, :scope, 'work_orders', gen_random_uuid(), 1, 'put', '{}', 0)",
            t=company.id,
            scope=feed.technician_scope(line.phone.technician_id),
        )
    committed_at = time.monotonic()
    return await line.reach(known + 1) - committed_at


async def _poke_all(database: Database, company: Company, lines: list[Line]) -> list[float]:
    """Change the catalogue, which every phone sees; return the seconds to each one's poke."""
    async with database.transaction(company.id) as session:
        head = (await sequencer.read_head(session, company.id)).head
        await run(
            session,
            "update sync_row set rev = rev + 1, seq = null"
            " where tenant_id = :t and scope = :scope and coll = 'parts'",
            t=company.id,
            scope=CATALOGUE,
        )
    committed_at = time.monotonic()
    return [
        at - committed_at for at in await asyncio.gather(*(one.reach(head + 1) for one in lines))
    ]
