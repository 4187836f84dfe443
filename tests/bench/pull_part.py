"""What reading the feed costs: CPU of the server's process against raw fetches and a bare framework, bytes.

`fsm serve` runs as it does for people, and is asked over HTTP. The CPU of its process is compared with that
of asyncpg fetching the same rows, and with that of a server which does nothing but answer. PostgreSQL's own
CPU is in figures of its own: the product has it put pages together, which the raw fetch leaves to others.
"""

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from http.client import HTTPResponse
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import psutil
import uvloop

from fsm.app import compose_database
from fsm.database import Database
from fsm.embedded import OWNER_ROLE, EmbeddedPostgres
from fsm.migrations.migrate import migrate
from fsm.settings import read_settings
from fsm.work_orders import orders
from mobile_api.feed_tokens import read_token
from tests.bench.busy_company import Filler, Phone
from tests.bench.figures import Figure, figure
from tests.bench.processes import (
    Program,
    bare_framework,
    bare_statement,
    cpu_of,
    cpu_of_requests,
    environment_of,
    product,
)
from tests.company import Company, found_company

JOBS = 500
SITES = 120
PARTS = 300
BATCH = 1_000
CHANGED = 5
"""Jobs of each phone that the office changes between two pulls: what a poke is about."""
PHONES = 16
"""Phones of one company that ask at once, each for its own technician's changes."""
PACE_S = 0.01
"""How often a phone that is alone asks, and how often the bare framework is asked beside it. Back to back a
server that has nothing to wait for is never idle, and one that waits for a database always is in between:
waking up with cold caches is then more than half of what it costs."""
PACED = 100

_RAW = """
select coll, id::text, rev, op, why, body, seq from sync_row
where tenant_id = $1 and scope = any($2::text[]) and op = 'put' order by scope, seq
"""


class Reader:
    """A phone's connection to a server."""

    def __init__(self, program: Program, phone: Phone, encoding: str) -> None:
        self.program = program
        self._connection = program.connect()
        self._headers = {**phone.headers, "Accept-Encoding": encoding}
        self.bytes = 0

    def page(self, since: str | None) -> dict[str, Any]:
        path = "/sync/v1/pull" if since is None else f"/sync/v1/pull?since={since}"
        return json.loads(self._get(path))

    def _get(self, path: str) -> bytes:
        try:
            answer = self._ask(path)
        except ConnectionError:  # the server lets go of a line that was idle for some seconds
            self._connection.close()
            answer = self._ask(path)
        body = answer.read()
        self.bytes += len(body)
        if answer.status != 200:
            raise RuntimeError(f"{path} answered {answer.status}: {body[:300]!r}")
        if answer.headers["Content-Encoding"] == "zstd":
            import zstandard

            return zstandard.ZstdDecompressor().decompressobj().decompress(body)
        return body

    def _ask(self, path: str) -> HTTPResponse:
        self._connection.request("GET", path, headers=self._headers)
        return self._connection.getresponse()

    def cold(self) -> tuple[str, int, int]:
        """Read everything; return the token, how many pages and how many changes."""
        since, pages, changes = None, 0, 0
        while True:
            page = self.page(since)
            since, pages, changes = page["since"], pages + 1, changes + len(page["changes"])
            if page["complete"]:
                return since, pages, changes

    def again(self, since: str) -> bytes:
        """Read on from a token, without looking at what comes."""
        return self._get(f"/sync/v1/pull?since={since}")


def postgres_cpu_s(server: EmbeddedPostgres) -> float:
    """Return the CPU time of all of a private server's processes that still run."""
    assert server.pid is not None
    top = psutil.Process(server.pid)
    times = [one.cpu_times() for one in [top, *top.children(recursive=True)]]
    return sum(one.user + one.system for one in times)


async def retitle(database: Database, company: Company, jobs: list[UUID], title: str) -> None:
    """Change jobs as the office does: the feed's rows are written in the same transaction."""
    for job_id in jobs:
        async with database.transaction(company.id) as session:
            row = await orders.lock_work_order(session, company.system, job_id)
            await orders.edit_work_order(
                session, company.system, datetime.now(UTC), job_id, row.rev, {"title": title}
            )


async def raw_fetch_cpu_s(
    url: str,
    company: Company,
    phone: Phone,
    times: int,
    clock: Callable[[], float] = time.process_time,
) -> float:
    """Return the CPU seconds of fetching a phone's rows by asyncpg under uvloop, nothing done with them."""
    connection = await asyncpg.connect(url)
    scopes = ["cat:main", f"tech:{phone.technician_id}"]
    for _ in range(3):
        await connection.fetch(_RAW, company.id, scopes)
    began = clock()
    for _ in range(times):
        await connection.fetch(_RAW, company.id, scopes)
    spent = (clock() - began) / times
    await connection.close()
    return spent


async def measure(seconds: float) -> list[Figure]:
    """Measure for about `seconds` of the server's CPU time; return the figures."""
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
    filler = Filler(connection, company, now, seed=1)
    phones = await filler.phones(PHONES)
    places = await filler.places(SITES)
    await filler.parts(PARTS)
    changed = []
    for number, phone in enumerate(phones):
        count = CHANGED if number else JOBS
        jobs = await filler.jobs(
            count, places, [phone.technician_id], days=(-6, 13), named=f"J{number}"
        )
        changed += jobs[:CHANGED]
    await connection.execute("analyze")
    await connection.close()
    with product(server, "bench") as ours, bare_framework() as bare:
        Reader(ours, phones[0], "identity").cold()
        await retitle(database, company, changed[:CHANGED], "Changed before")
        figures = await asyncio.to_thread(_cold, server, ours, company, phones[0], seconds / 2)
        read = {phone: Reader(ours, phone, "identity").cold()[0] for phone in phones}
        await retitle(database, company, changed, "Changed after")
        alone = read_token(settings.sync_token_key, read[phones[0]])
        with bare_statement(server, "bench", company.id, alone.device, alone.read) as statement:
            figures += await _delta(server, ours, bare, statement, read, seconds / 2)
    await database.close()
    return figures


def _cold(
    server: EmbeddedPostgres, ours: Program, company: Company, phone: Phone, seconds: float
) -> list[Figure]:
    plain, packed = Reader(ours, phone, "identity"), Reader(ours, phone, "zstd")
    _, pages, changes = plain.cold()
    plain_bytes = plain.bytes
    packed.cold()
    packed_bytes = packed.bytes
    url = server.url("bench", OWNER_ROLE)
    plain_ratios, packed_ratios, raws = [], [], []
    began, rounds = ours.cpu_s(), 0
    while ours.cpu_s() - began < seconds or len(raws) < 5:
        raw = uvloop.run(raw_fetch_cpu_s(url, company, phone, 5))
        plain_ratios.append(cpu_of(ours.cpu_s, plain.cold, 3) / raw)
        packed_ratios.append(cpu_of(ours.cpu_s, packed.cold, 3) / raw)
        raws.append(raw)
        rounds += 6
    detail = {
        "pages": pages,
        "changes": changes,
        "raw_fetch_ms": round(statistics.median(raws) * 1e3, 2),
        "rounds": len(raws),
    }

    def with_postgres_s() -> float:
        return time.process_time() + postgres_cpu_s(server)

    many = 200  # PostgreSQL's processes are counted in hundredths of a second
    served = cpu_of(lambda: ours.cpu_s() + postgres_cpu_s(server), plain.cold, many)
    raw = uvloop.run(raw_fetch_cpu_s(url, company, phone, many, with_postgres_s))
    return [
        figure(
            f"cold sync of {JOBS} jobs, server CPU / raw asyncpg fetch of the same rows",
            statistics.median(plain_ratios), "ratio", 2.0, **detail,
        ),
        figure(
            f"cold sync of {JOBS} jobs, CPU of server and PostgreSQL / of raw asyncpg fetch and PostgreSQL",
            served / raw, "ratio", None, raw_ms=round(raw * 1e3, 2), served_ms=round(served * 1e3, 2),
        ),
        figure(
            f"cold sync of {JOBS} jobs with zstd, server CPU / raw asyncpg fetch of the same rows",
            statistics.median(packed_ratios), "ratio", 3.0, **detail,
        ),
        figure(f"cold sync of {JOBS} jobs with zstd, on the wire", packed_bytes / 1e3, "kB", 200),
        figure(
            f"cold sync of {JOBS} jobs, zstd / plain JSON", packed_bytes / plain_bytes, "ratio", 0.25,
            plain_bytes=plain_bytes,
        ),
    ]  # fmt: skip


async def _delta(
    server: EmbeddedPostgres,
    ours: Program,
    bare: Program,
    statement: Program,
    read: dict[Phone, str],
    seconds: float,
) -> list[Figure]:
    """Compare with a bare framework under as many connections: of all phones at once, and of one alone.

    The one alone is compared at the same pace, and back to back beside what a mere wait costs there.
    """

    def pulls(since: dict[Phone, str]) -> list[tuple[str, dict[str, str]]]:
        return [(f"/sync/v1/pull?since={token}", phone.headers) for phone, token in since.items()]

    changes, latest = set(), {}
    for phone, since in read.items():
        page = json.loads(Reader(ours, phone, "identity").again(since))
        changes.add(len(page["changes"]))
        latest[phone] = page["since"]
    delta, idle = pulls(read), pulls(latest)
    nothing: list[tuple[str, dict[str, str]]] = [("/bare", {})]
    wait: list[tuple[str, dict[str, str]]] = [("/wait", {})]
    times: dict[str, list[float]] = {}

    async def spend(name: str, program: Program, asks: list[tuple[str, dict[str, str]]]) -> None:
        times.setdefault(name, []).append(await cpu_of_requests(program, asks, BATCH))

    async def spend_paced(
        name: str, program: Program, asks: list[tuple[str, dict[str, str]]]
    ) -> None:
        spent = await cpu_of_requests(program, asks, PACED, every_s=PACE_S)
        times.setdefault(name, []).append(spent)

    began = ours.cpu_s()
    while ours.cpu_s() - began < seconds or len(times["bare"]) < 5:
        await spend("bare", bare, nothing * PHONES)
        await spend("idle", ours, idle)
        before = postgres_cpu_s(server)
        await spend("delta", ours, delta)
        times.setdefault("postgres", []).append((postgres_cpu_s(server) - before) / BATCH)
        await spend_paced("bare_paced", bare, nothing)
        await spend_paced("delta_paced", ours, delta[:1])
        await spend_paced("statement_paced", statement, nothing)
        await spend("bare_alone", bare, nothing)
        await spend("delta_alone", ours, delta[:1])
        await spend("statement_alone", statement, nothing)
        await spend("wait_alone", statement, wait)
    detail = {
        "phones": PHONES,
        "changes": sorted(changes),
        **{f"{name}_us": round(statistics.median(of) * 1e6, 1) for name, of in times.items()},
        "rounds": len(times["bare"]),
    }
    return [
        figure(
            f"{name}, server CPU / bare framework request",
            statistics.median(
                ours_s / bare_s for ours_s, bare_s in zip(times[of], times[bare_of], strict=True)
            ),
            "ratio",
            goal,
            **detail,
        )
        for name, of, bare_of, goal in (
            ("delta pull", "delta", "bare", 2.5),
            ("pull of nothing new", "idle", "bare", 2.5),
            ("lone delta pull, at its pace", "delta_paced", "bare_paced", 2.5),
            ("its statement and HTTP alone, at its pace", "statement_paced", "bare_paced", None),
            ("lone delta pull, back to back", "delta_alone", "bare_alone", 2.5),
            ("its statement and HTTP alone, back to back", "statement_alone", "bare_alone", None),
            ("a wait of 0.5 ms and HTTP alone, back to back", "wait_alone", "bare_alone", None),
        )
    ]
