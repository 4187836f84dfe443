"""Requests per CPU-second of the API, against raw asyncpg and msgspec on the same rows.

Both sides are called as ASGI applications in one process, in turn, so that only what they do differs:
the product routes, authenticates, checks a permission, opens a transaction and binds it to the tenant; the
peer fetches the same rows by the same keys from a pool and encodes them with msgspec. The peer's SQL is
written by hand and its connection belongs to the owner of the tables, so row-level security costs it nothing.
"""

import argparse
import asyncio
import json
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from uuid_utils.compat import uuid7

from fsm.app import compose_database, create_app
from fsm.embedded import OWNER_ROLE, EmbeddedPostgres
from fsm.migrations.migrate import migrate
from fsm.settings import Settings, read_settings
from fsm.work_orders.views import WorkOrderPage, WorkOrderRow
from tests.bench.figures import figure, say
from tests.company import Company, found_company

ROWS = 5_000
PAGE = 500
NOW = datetime(2026, 3, 23, 8, 0, tzinfo=UTC)

App = Callable[..., Awaitable[None]]


async def call(
    app: App, path: str, query: bytes = b"", headers: dict[str, str] | None = None
) -> bytes:
    """Send one GET through the ASGI interface and return the body; anything but 200 is an error."""
    status = 0
    parts: list[bytes] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        else:
            parts.append(message.get("body", b""))

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query,
        "headers": [(k.lower().encode(), v.encode()) for k, v in (headers or {}).items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "state": {},
    }
    await app(scope, receive, send)
    if status != 200:
        raise RuntimeError(f"{path} answered {status}: {b''.join(parts)[:300]!r}")
    return b"".join(parts)


def peer(pool: asyncpg.Pool, tenant: UUID) -> App:
    """The same answers with nothing in between: asyncpg rows into msgspec."""
    columns = ", ".join(WorkOrderRow.__struct_fields__)
    page_sql = (
        f"select {columns} from work_order where tenant_id = $1 "
        "order by reported_at desc, id desc limit $2"
    )
    encode = msgspec.json.Encoder().encode

    async def respond(send: Any, body: bytes) -> None:
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"content-type", b"application/json")],
            }
        )
        await send({"type": "http.response.body", "body": body})

    async def app(scope: Any, receive: Any, send: Any) -> None:
        path: str = scope["path"]
        async with pool.acquire() as connection:
            if path == "/page":
                rows = await connection.fetch(page_sql, tenant, PAGE)
                await respond(send, encode(WorkOrderPage([WorkOrderRow(*r) for r in rows], None)))
            elif path.startswith("/one/"):
                key = UUID(path[5:])
                order = await connection.fetchrow(
                    "select * from work_order where tenant_id = $1 and id = $2", tenant, key
                )
                clocks = await connection.fetch(
                    "select * from clock where tenant_id = $1 and work_order_id = $2", tenant, key
                )
                visits = await connection.fetch(
                    "select * from visit where tenant_id = $1 and work_order_id = $2", tenant, key
                )
                answer = dict(order)
                answer["clocks"] = [dict(row) for row in clocks]
                answer["visits"] = [
                    {name: value for name, value in row.items() if name != "nonce"}
                    for row in visits
                ]
                await respond(send, encode(answer))
            else:
                passport = await connection.fetchrow(
                    "select p.*, t.passport_host from passport p join tenant t "
                    "on t.id = p.tenant_id where p.tenant_id = $1 and p.code = $2",
                    tenant,
                    path[10:],
                )
                await respond(send, encode(dict(passport)))

    return app


async def fill(connection: Any, company: Company, rng: random.Random) -> list[UUID]:
    """Insert `ROWS` jobs, each with two clocks and a visit, by COPY."""
    version = await connection.fetchval("select id from work_type_version limit 1")
    level = await connection.fetchval("select id from service_level_version limit 1")
    ids = [uuid7() for _ in range(ROWS)]
    orders, clocks, visits = [], [], []
    for number, key in enumerate(ids):
        at = NOW - timedelta(minutes=rng.randrange(500_000))
        orders.append(
            (
                company.id, key, 1, f"W-{number + 1}", "open", company.customer.id, company.site.id,
                company.asset.id, company.contract.id, company.work_type.id, version, "incident",
                "corrective", 2, "Door does not close", "", 3600, 1, [], "Europe/Paris", False, at,
                0, False, False, at, at + timedelta(hours=8),
            )
        )  # fmt: skip
        clocks += [
            (
                company.id, uuid7(), key, kind, level, company.calendar_version.id,
                "Europe/Paris", 28_800, at, 0, [], [], "running",
            )
            for kind in ("response", "restoration")
        ]  # fmt: skip
        visits.append(
            (
                company.id, uuid7(), 1, key, company.technician.id, "planned", at,
                at + timedelta(hours=1), 0, False, False, at,
            )
        )  # fmt: skip
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads
    )
    for table, columns, rows in (
        (
            "work_order",
            "tenant_id id rev number status customer_id site_id asset_id contract_id work_type_id "
            "work_type_version_id request_class maintenance priority title description estimate_s "
            "crew_size skills zone is_rework reported_at facts_rev wants_more_work is_unproved "
            "created_at restore_by",
            orders,
        ),
        (
            "clock",
            "tenant_id id work_order_id kind service_level_version_id calendar_version_id zone "
            "target_s started_at elapsed_s stops retargets state",
            clocks,
        ),
        (
            "visit",
            "tenant_id id rev work_order_id technician_id status planned_starts_at planned_ends_at "
            "travel_s is_pinned is_orphan created_at",
            visits,
        ),
    ):
        names = columns.split()
        values = ", ".join(f"${i + 1}" for i in range(len(names)))
        await connection.executemany(
            f"insert into {table} ({', '.join(names)}) values ({values})", rows
        )
    await connection.execute("analyze")
    return ids


async def measure(
    ours: Callable[[], Awaitable[bytes]],
    theirs: Callable[[], Awaitable[bytes]],
    *,
    seconds: float,
    batch: int,
) -> dict[str, Any]:
    """Call both in turn, batch by batch, for about `seconds` of CPU; return ratio and rates."""
    for _ in range(batch):
        await ours()
        await theirs()
    ratios, rates, raw = [], [], []
    began = time.process_time()
    while time.process_time() - began < seconds or len(ratios) < 5:
        spent = []
        for side in (ours, theirs):
            at = time.process_time()
            for _ in range(batch):
                await side()
            spent.append((time.process_time() - at) / batch)
        ratios.append(spent[1] / spent[0])
        rates.append(1 / spent[0])
        raw.append(1 / spent[1])
    return {
        "value": round(statistics.median(ratios), 3),
        "detail": {
            "ours_per_cpu_s": round(statistics.median(rates)),
            "raw_per_cpu_s": round(statistics.median(raw)),
            "batches": len(ratios),
            "lowest": round(min(ratios), 3),
            "highest": round(max(ratios), 3),
        },
    }


async def run(server: EmbeddedPostgres, folder: Path, seconds: float, seed: int) -> dict[str, Any]:
    rng = random.Random(seed)
    await server.prepare("bench")
    await migrate(server.url("bench", OWNER_ROLE))
    settings: Settings = read_settings(
        {
            "FSM_DATABASE_URL": server.url("bench"),
            "FSM_SECRET": "a secret of the bench, long enough",
            "FSM_BLOB_DIR": str(folder / "blobs"),
        }
    )
    database = compose_database(settings)
    app = create_app(settings, database=database, clock=lambda: NOW)
    say("founding a company and its jobs")
    company = await found_company(database, settings, NOW, slug="bench")
    owner = server.url("bench", OWNER_ROLE)
    connection = await asyncpg.connect(owner)
    ids = await fill(connection, company, rng)
    await connection.close()
    pool = await asyncpg.create_pool(owner, min_size=1, max_size=2)
    raw = peer(pool, company.id)
    headers = company.headers["dispatcher"]
    code = company.passport.code

    figures = []
    for name, goal, batch, ours, theirs in (
        (
            "one work order",
            0.35,
            100,
            lambda: call(app, f"/api/work-orders/{rng.choice(ids)}", headers=headers),
            lambda: call(raw, f"/one/{rng.choice(ids)}"),
        ),
        (
            f"a page of {PAGE} work orders",
            0.6,
            10,
            lambda: call(app, "/api/work-orders", f"limit={PAGE}".encode(), headers),
            lambda: call(raw, "/page"),
        ),
        (
            "one passport",
            0.35,
            100,
            lambda: call(app, f"/api/passports/{code}", headers=headers),
            lambda: call(raw, f"/passport/{code}"),
        ),
        (
            "the page a stranger's scan opens (rendered; logs the scan, looks for open reports)",
            None,
            50,
            lambda: call(app, f"/p/{code}/page"),
            lambda: call(raw, f"/passport/{code}"),
        ),
    ):
        say(f"measuring {name}")
        found = await measure(ours, theirs, seconds=seconds, batch=batch)
        figures.append(
            figure(
                f"{name}, requests per CPU-second / raw asyncpg + msgspec",
                found["value"],
                "ratio",
                goal,
                better="higher",
                **found["detail"],
            )
        )
    await pool.close()
    await database.close()
    return {"bench": "api", "seed": seed, "cores": 1, "figures": figures}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10, help="CPU seconds a figure (10)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        say("starting a private PostgreSQL")
        with EmbeddedPostgres(Path(folder) / "pg") as server:
            result = asyncio.run(run(server, Path(folder), options.seconds, options.seed))
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
