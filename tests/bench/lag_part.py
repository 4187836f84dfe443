"""How long a change takes to reach a phone, with and without somebody else's long transaction.

A cursor over xids or commit times waits for the oldest transaction of the database. Here a foreign one has
written, holds a snapshot and stays open; the lag is from the office's commit to the end of the pull that
brought the change.
"""

import asyncio
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import asyncpg

from fsm.app import compose_database
from fsm.database import Database
from fsm.embedded import OWNER_ROLE, EmbeddedPostgres
from fsm.migrations.migrate import migrate
from fsm.settings import read_settings
from tests.bench.busy_company import Filler
from tests.bench.processes import environment_of, product
from tests.bench.pull_part import Reader, figure, retitle
from tests.company import Company, found_company

FOREIGN_S = 60.0
"""How old the foreign transaction is at its last change."""
CHANGES = 10
"""Changes in a round, after each of which the phone pulls."""


async def measure(seconds: float) -> dict[str, object]:
    """Measure rounds without the foreign transaction and with it, `FOREIGN_S` at least; return the figure."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder) / "pg") as server:
        await server.prepare("bench")
        await migrate(server.url("bench", OWNER_ROLE))
        settings = read_settings(environment_of(server, "bench"))
        database = compose_database(settings)
        now = datetime.now(UTC)
        company = await found_company(database, settings, now, slug="bench")
        foreign = await asyncpg.connect(server.url("bench", OWNER_ROLE))
        filler = Filler(foreign, company, now, seed=1)
        (phone,) = await filler.phones(1)
        places = await filler.places(10)
        jobs = await filler.jobs(20, places, [phone.technician_id], days=(0, 3))
        with product(server, "bench") as program:
            reader = Reader(program, phone, "zstd")
            since = (await asyncio.to_thread(reader.cold))[0]
            without: list[float] = []
            until = time.monotonic() + seconds / 2
            while len(without) < 3 * CHANGES or time.monotonic() < until:
                lags, since = await _round(database, company, jobs, reader, since)
                without += lags
            with_it: list[float] = []
            async with foreign.transaction(isolation="repeatable_read"):
                await foreign.execute("update part set unit = 'piece'")
                until = time.monotonic() + max(seconds / 2, FOREIGN_S)
                while time.monotonic() < until:
                    lags, since = await _round(database, company, jobs, reader, since)
                    with_it += lags
        await foreign.close()
        await database.close()
    medians = statistics.median(with_it), statistics.median(without)
    return figure(
        f"feed lag with a foreign transaction of {FOREIGN_S:.0f} s / without",
        medians[0] / medians[1],
        "ratio",
        1.2,
        with_ms=round(medians[0] * 1e3, 1),
        without_ms=round(medians[1] * 1e3, 1),
        longest_with_ms=round(max(with_it) * 1e3, 1),
        longest_without_ms=round(max(without) * 1e3, 1),
        changes=len(with_it) + len(without),
    )


async def _round(
    database: Database, company: Company, jobs: list[UUID], reader: Reader, since: str
) -> tuple[list[float], str]:
    """Change and pull in turns; return the seconds that each took, and the token reached."""
    lags = []
    for number in range(CHANGES):
        title = f"Changed at {time.monotonic()}"
        await retitle(database, company, [jobs[number % len(jobs)]], title)
        committed_at = time.monotonic()
        while True:
            page = await asyncio.to_thread(reader.page, since)
            since = page["since"]
            if any(change["d"].get("title") == title for change in page["changes"]):
                break
        lags.append(time.monotonic() - committed_at)
    return lags, since
