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
from tests.bench.figures import Figure, figure
from tests.bench.processes import environment_of, product
from tests.bench.pull_part import Reader, retitle
from tests.company import Company, found_company

FOREIGN_S = 60.0
"""How old the foreign transaction is at its last change."""
PACE_S = 0.5
"""From one change to the next: what a company of hundreds makes. Row versions that the foreign snapshot keeps
alive make every look longer, so the ratio grows with the number of changes while it is open.
"""


async def measure(seconds: float) -> list[Figure]:
    """Measure with the foreign transaction for `seconds`, `FOREIGN_S` at least, and as long without."""
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
        jobs = await filler.jobs(60, places, [phone.technician_id], days=(0, 3))
        with product(server, "bench") as program:
            reader = Reader(program, phone, "zstd")
            since = (await asyncio.to_thread(reader.cold))[0]
            lags: dict[bool, list[float]] = {True: [], False: []}

            async def go(for_s: float, *, is_foreign_open: bool) -> None:
                nonlocal since
                until = time.monotonic() + for_s
                while time.monotonic() < until:
                    job_id = jobs[len(lags[True] + lags[False]) % len(jobs)]
                    lag, since = await _change_and_pull(database, company, job_id, reader, since)
                    lags[is_foreign_open].append(lag)
                    await asyncio.sleep(PACE_S)

            # Before and after, so that a machine which grows busier counts on both sides.
            await go(FOREIGN_S / 2, is_foreign_open=False)
            async with foreign.transaction(isolation="repeatable_read"):
                await foreign.execute("update part set unit = 'piece'")
                await go(max(seconds, FOREIGN_S), is_foreign_open=True)
            await go(FOREIGN_S / 2, is_foreign_open=False)
        await foreign.close()
        await database.close()
    with_it, without = lags[True], lags[False]
    medians = statistics.median(with_it), statistics.median(without)
    return [
        figure(
            f"feed lag with a foreign transaction of {FOREIGN_S:.0f} s / without",
            medians[0] / medians[1],
            "ratio",
            1.2,
            with_ms=round(medians[0] * 1e3, 1),
            without_ms=round(medians[1] * 1e3, 1),
            longest_with_ms=round(max(with_it) * 1e3, 1),
            longest_without_ms=round(max(without) * 1e3, 1),
            changes=len(with_it) + len(without),
            pace_s=PACE_S,
        )
    ]


async def _change_and_pull(
    database: Database, company: Company, job_id: UUID, reader: Reader, since: str
) -> tuple[float, str]:
    """Change a job and pull until it comes; return the seconds from the commit on, and the token reached."""
    title = f"Changed at {time.monotonic()}"
    await retitle(database, company, [job_id], title)
    committed_at = time.monotonic()
    while True:
        page = await asyncio.to_thread(reader.page, since)
        since = page["since"]
        if any(change["d"].get("title") == title for change in page["changes"]):
            return time.monotonic() - committed_at, since
