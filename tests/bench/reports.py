"""Figures over years of work against the leanest SQL: the whole set, a report, a refresh, memory, a document.

The default is a tenth of a large company; `--full` is all of it: 1,000,000 jobs on 50,000 assets under 2,000
contracts in five years. `--folder` keeps the company for the next time, and goes on where loading stopped;
`--only` measures some parts. What a part found is said when it is done, and all of it is printed at the end,
also when a later part fails or the bench is stopped.
"""

import argparse
import asyncio
import json
import os
import signal
import statistics
import sys
import tempfile
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from fsm import events
from fsm.actors import Actor, system_actor
from fsm.app import compose_database
from fsm.assets import failures
from fsm.contracts.coverage import Payer
from fsm.database import SERVER_SETTINGS, Database, Session, enter, run
from fsm.embedded import OWNER_ROLE, EmbeddedPostgres
from fsm.embedded.directory import SUPERUSER
from fsm.migrations.migrate import migrate
from fsm.settings import read_settings
from reports import queries, registry
from reports.documents.contents.figures import OF_CONTRACT
from reports.facts import refresh_facts
from reports.questions import Question
from reports.results import Result
from reports.rows import Period
from reports.scopes import Cut, Scope
from tests.bench import document_part
from tests.bench.figures import Figure, figure, say
from tests.bench.reported_company import Years
from tests.bench.reported_lean import LEAN
from tests.bench.reported_rows import NOW, Size, find_founded
from tests.company import found_company

FULL_JOBS = 1_000_000
DOCUMENTS = "documents"
PARTS = ("refresh", "reports", "set", "memory", DOCUMENTS)
VARIANTS = {"payer_split": str(Payer.MANUFACTURER)}
"""What is asked for where it is not the first variant."""


@dataclass(frozen=True, slots=True)
class World:
    """A loaded company: the product's database under row-level security, and the tables' owner without it."""

    database: Database
    owner: Any
    tenant_id: UUID
    size: Size

    @property
    def actor(self) -> Actor:
        return system_actor(self.tenant_id)

    @property
    def period(self) -> Period:
        return Period(self.size.began_at, NOW, NOW)

    async def ask(self, session: Session, kpi: str, scope: Scope, period: Period) -> Result:
        """Return one figure as a request for it does, from its snapshot's beginning on."""
        definition = registry.find_definition(kpi)
        variant = definition.variant(VARIANTS.get(kpi))
        known = await queries.find_known(session, self.actor, period.as_of)
        question = Question(definition, variant, scope, period)
        return await queries.answer(session, self.actor, known, question)

    async def report(self, session: Session, scope: Scope, period: Period) -> list[Result]:
        """Return the figures of a service report as one request for them does."""
        known = await queries.find_known(session, self.actor, period.as_of)
        asked = [registry.find_definition(kpi) for kpi in OF_CONTRACT]
        questions = [Question(each, each.variant(None), scope, period) for each in asked]
        return await queries.answers(session, self.actor, known, questions)

    async def reading(self, work: Callable[[Session], Awaitable[Any]]) -> Any:
        """Return what is read in one snapshot."""
        async with Session(
            self.database.engine, expire_on_commit=False, autoflush=False
        ) as session:
            await queries.begin_snapshot(session)
            await enter(session, self.tenant_id)
            return await work(session)


class WrongNumbers(Exception):
    """The lean SQL and a figure do not have the same numbers."""


def _agree(kpi: str, result: Result, rows: Sequence[Any]) -> None:
    """Raise where the lean SQL gives other numbers than the figure."""
    counted = [row for row in rows if row[0] is None]
    n = sum(row[1] for row in counted)
    above = sum(float(row[2] or 0) for row in counted)
    below = sum(float(row[3] or 0) for row in counted)
    excluded = {row[0]: row[1] for row in rows if row[0] is not None}
    value = above / below if below else None
    same = result.n == n and (excluded == result.excluded or kpi == "inherent_availability")
    if value is None or result.value is None:
        same = same and result.value is None
    else:
        same = same and abs(float(result.value) - value) <= 1e-9 * max(1.0, abs(value))
    if not same:
        raise WrongNumbers(
            f"{kpi}: the figure has n={result.n}, {result.value}, {result.excluded}; "
            f"the lean SQL n={n}, {value}, {excluded}"
        )


async def measure_set(world: World, rounds: int) -> list[Figure]:
    """Time every figure of the company over all its years, and the lean SQL beside it, in turn."""
    ours: dict[str, float] = {}
    theirs: dict[str, float] = {}
    differing: list[str] = []
    kpis = sorted({definition.kpi for definition in registry.DEFINITIONS})
    for kpi in kpis:
        mine, lean = [], []
        for _ in range(rounds):
            began = time.perf_counter()
            result = await world.reading(
                lambda session, kpi=kpi: world.ask(session, kpi, Scope(), world.period)
            )
            mine.append(time.perf_counter() - began)
            began = time.perf_counter()
            rows = await world.owner.fetch(
                LEAN[kpi], world.tenant_id, world.period.from_at, world.period.to_at
            )
            lean.append(time.perf_counter() - began)
            try:
                _agree(kpi, result, rows)
            except WrongNumbers as wrong:
                say(f"  {wrong}")
                differing.append(kpi)
        ours[kpi], theirs[kpi] = statistics.median(mine), statistics.median(lean)
        say(f"  {kpi}: {ours[kpi]:.3f} s, {ours[kpi] / theirs[kpi]:.2f} x lean")
    if differing:
        raise WrongNumbers(f"The lean SQL has other numbers of {', '.join(differing)}.")
    return [
        figure(
            "full set of figures over all years / leanest SQL with the same numbers",
            sum(ours.values()) / sum(theirs.values()),
            "ratio",
            1.2,
            seconds=round(sum(ours.values()), 3),
            lean_seconds=round(sum(theirs.values()), 3),
            rounds=rounds,
            each={kpi: round(ours[kpi] / theirs[kpi], 2) for kpi in kpis},
            seconds_each={kpi: round(ours[kpi], 3) for kpi in kpis},
        )
    ]


async def measure_reports(world: World, count: int) -> list[Figure]:
    """Time the reports of single assets and contracts over their last year."""
    found = []
    period = Period(NOW - timedelta(days=365), NOW, NOW)
    for cut in (Cut.ASSET, Cut.CONTRACT):
        ids = [
            row["id"]
            for row in await world.owner.fetch(
                f"select id from {cut} where tenant_id = $1 order by md5(id::text) limit $2",
                world.tenant_id,
                count,
            )
        ]
        spent, limits = [], []
        warming = ids[:5]
        for place, key in enumerate([*warming, *ids]):
            scope = Scope(((cut, key),))

            began = time.perf_counter()
            await world.reading(lambda session, scope=scope: world.report(session, scope, period))
            took = time.perf_counter() - began
            began = time.perf_counter()
            await world.owner.fetch(_LIMIT[cut], world.tenant_id, period.from_at, period.to_at, key)
            if place >= len(warming):
                spent.append(took)
                limits.append(time.perf_counter() - began)
        share = [mine / limit for mine, limit in zip(spent, limits, strict=True)]
        found += [
            figure(
                f"one {cut}'s report ({len(OF_CONTRACT)} figures, last year), p99",
                1000 * _quantile(spent, 0.99),
                "ms",
                50,
                reports=len(spent),
                p50_ms=round(1000 * _quantile(spent, 0.5), 1),
                single_query_p50_ms=round(1000 * _quantile(limits, 0.5), 2),
                single_query_p99_ms=round(1000 * _quantile(limits, 0.99), 2),
            ),
            *(
                figure(
                    f"one {cut}'s report / its single-query limit, p{100 * at:.0f}",
                    _quantile(share, at),
                    "ratio",
                    None,
                    of_figures=len(OF_CONTRACT),
                )
                for at in (0.5, 0.99)
            ),
        ]
    return found


def _quantile(numbers: Sequence[float], at: float) -> float:
    return sorted(numbers)[min(len(numbers) - 1, int(len(numbers) * at))]


async def measure_refresh(world: World, changes: int) -> list[Figure]:
    """Time the facts' refresh after some changes, against computing all of them."""
    async with world.database.transaction(world.tenant_id) as session:
        await run(session, "delete from fact_state where tenant_id = :t", t=world.tenant_id)
        began = time.perf_counter()
        await refresh_facts(session, world.tenant_id, NOW)
        full = time.perf_counter() - began
    say(f"  all facts: {full:.2f} s")
    await world.owner.execute("analyze asset_month")
    ids = [
        row["id"]
        for row in await world.owner.fetch(
            "select id from asset where tenant_id = $1 and in_service_from < $2 and retired_at is null "
            "order by md5(id::text) limit $3",
            world.tenant_id,
            NOW - timedelta(days=60),
            changes,
        )
    ]
    async with world.database.transaction(world.tenant_id) as session:
        for number in range(changes):
            begins = NOW - timedelta(days=20 + number % 30, hours=number % 7)
            await failures.open_outage(
                session,
                world.actor,
                NOW,
                asset_id=ids[number % len(ids)],
                from_at=begins,
                to_at=begins + timedelta(hours=2),
                cause="operational",
            )
        while await events.seal(session, world.tenant_id, NOW):
            pass
    took = []
    async with world.database.transaction(world.tenant_id) as session:
        for _ in range(3):
            async with session.begin_nested() as savepoint:
                began = time.perf_counter()
                refreshed = await refresh_facts(session, world.tenant_id, NOW)
                took.append(time.perf_counter() - began)
                if len(took) < 3:
                    await savepoint.rollback()
    if refreshed.assets != len(ids):
        raise RuntimeError(f"{refreshed} after changes to {len(ids)} assets")
    return [
        figure(
            f"refresh after {changes} changes / computing all facts",
            statistics.median(took) / full,
            "ratio",
            0.01,
            changed_assets=len(ids),
            assets=world.size.assets,
            refresh_ms=round(1000 * statistics.median(took), 1),
            full_s=round(full, 2),
        )
    ]


async def measure_memory(world: World) -> list[Figure]:
    """Compare what the process needs at most for the set over half of the years and over all of them."""
    middle = NOW - (NOW - world.size.began_at) / 2
    grown = []
    for period in (Period(middle, NOW, NOW), world.period):
        before = _peak_bytes(reset=True)
        for kpi in sorted({definition.kpi for definition in registry.DEFINITIONS}):
            await world.reading(
                lambda session, kpi=kpi, period=period: world.ask(session, kpi, Scope(), period)
            )
        grown.append(_peak_bytes() - before)
    base = _peak_bytes()
    return [
        figure(
            "peak memory of the process, set over all years / over half of them",
            base / (base - max(0, grown[1] - grown[0])),
            "ratio",
            1.05,
            grew_mb=[round(each / 2**20, 1) for each in grown],
            peak_mb=round(base / 2**20, 1),
        )
    ]


def _peak_bytes(*, reset: bool = False) -> int:
    """Return the most memory that was resident since the last reset."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("This system does not tell how much memory a process has used.")


async def load(server: EmbeddedPostgres, folder: Path, size: Size, seed: int) -> World:
    """Return the company in the server's database, loading what of it is missing."""
    await server.prepare("bench")
    await migrate(server.url("bench", OWNER_ROLE))
    settings = read_settings(
        {
            "FSM_DATABASE_URL": server.url("bench"),
            "FSM_SECRET": "a secret of the bench, long enough",
            "FSM_BLOB_DIR": str(folder / "blobs"),
        }
    )
    database = compose_database(settings)
    slug = f"bench-{size.jobs}-{seed}"
    connection = await asyncpg.connect(server.url("bench", SUPERUSER))
    if not await connection.fetchval("select exists (select from tenant where slug = $1)", slug):
        await found_company(database, settings, NOW, slug=slug)
    founded = await find_founded(connection, slug)
    began = time.perf_counter()
    await Years(connection, founded, size, seed).write()
    say(f"  loaded in {time.perf_counter() - began:.0f} s")
    await connection.close()
    without_role = {key: value for key, value in SERVER_SETTINGS.items() if key != "role"}
    owner = await asyncpg.connect(server.url("bench", OWNER_ROLE), server_settings=without_role)
    return World(database, owner, founded.tenant_id, size)


@dataclass(slots=True)
class Found:
    """What has been found so far, and what could not be measured."""

    figures: list[Figure] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    async def take(self, part: str, work: Callable[[], Awaitable[list[Figure]]]) -> None:
        """Keep what a part finds; when it fails, say so and leave the other parts be."""
        began = time.perf_counter()
        say(f"{part}: begun, load {os.getloadavg()[0]:.1f}")
        try:
            figures = await work()
        except Exception as error:  # noqa: BLE001 — whatever it is, the other parts count
            say(traceback.format_exc())
            self.failed[part] = f"{type(error).__name__}: {error}"
            return
        self.figures += figures
        say(f"{part}: {json.dumps(figures)}")
        say(f"{part}: {time.perf_counter() - began:.0f} s, load {os.getloadavg()[0]:.1f}")


async def measure(
    server: EmbeddedPostgres, folder: Path, size: Size, options: argparse.Namespace, found: Found
) -> None:
    say(f"loading {size.jobs} jobs of {size.years} years on {size.assets} assets")
    world = await load(server, folder, size, options.seed)
    parts: dict[str, Callable[[], Awaitable[list[Figure]]]] = {
        "refresh": lambda: measure_refresh(world, options.changes),
        "reports": lambda: measure_reports(world, options.reports),
        "set": lambda: measure_set(world, options.rounds),
        "memory": lambda: measure_memory(world),
    }
    try:
        if "refresh" not in options.only:
            async with world.database.transaction(world.tenant_id) as session:
                await refresh_facts(session, world.tenant_id, NOW)
        for part, work in parts.items():
            if part in options.only:
                await found.take(part, work)
    finally:
        await world.owner.close()
        await world.database.close()


async def measure_documents() -> list[Figure]:
    return await asyncio.to_thread(document_part.measure)


_LIMIT = {
    Cut.ASSET: "select count(*), sum(work_done_at - reported_at) from work_order "
    "where tenant_id = $1 and reported_at >= $2 and reported_at < $3 and asset_id = $4",
    Cut.CONTRACT: "select count(*), sum(work_done_at - reported_at) from work_order "
    "where tenant_id = $1 and reported_at >= $2 and reported_at < $3 and contract_id = $4",
}
"""One query that finds the jobs of the report at all: no report of theirs is quicker."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="the whole company, not a tenth")
    parser.add_argument("--jobs", type=int, help="another number of jobs")
    parser.add_argument("--folder", type=Path, help="where the company is kept for the next time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3, help="times a figure (3)")
    parser.add_argument(
        "--reports", type=int, default=200, help="assets and contracts reported on (200)"
    )
    parser.add_argument("--changes", type=int, default=1000, help="before the refresh (1000)")
    parser.add_argument(
        "--only", nargs="+", choices=PARTS, default=PARTS, help="which parts (all)", metavar="PART"
    )
    options = parser.parse_args(arguments)
    jobs = options.jobs or (FULL_JOBS if options.full else FULL_JOBS // 10)
    found = Found()
    began = time.perf_counter()
    try:
        _measure_all(options, jobs, found)
    finally:
        result = {
            "bench": "reports",
            "seed": options.seed,
            "cores": os.cpu_count(),
            "jobs": jobs,
            "subset": "full" if jobs == FULL_JOBS else f"{jobs} of {FULL_JOBS} jobs",
            "parts": list(options.only),
            "seconds": round(time.perf_counter() - began),
            "failed": found.failed,
            "figures": found.figures,
        }
        print(json.dumps(result, indent=1), flush=True)
    if found.failed:
        sys.exit(f"Not measured: {', '.join(found.failed)}.")


def _measure_all(options: argparse.Namespace, jobs: int, found: Found) -> None:
    if set(options.only) != {DOCUMENTS}:
        with tempfile.TemporaryDirectory() as temporary:
            folder = options.folder or Path(temporary)
            say("starting a private PostgreSQL")
            with EmbeddedPostgres(folder / "pg", fast=True) as server:
                asyncio.run(measure(server, folder, Size.of(jobs), options, found))
    if DOCUMENTS in options.only:
        asyncio.run(found.take(DOCUMENTS, measure_documents))


if __name__ == "__main__":
    # Whoever stops the bench still gets what it has found.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    main()
