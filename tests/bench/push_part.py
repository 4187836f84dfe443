"""The writing half of `sync`: a push of 50 intents against plain INSERTs of the rows that it leaves behind.

Both sides commit once a batch, on the same server with durability on, in turns. The peer is asyncpg with
prepared statements, one INSERT a row: what a program would do that already knew every row. A push also reads,
judges, orders and rewrites what phones see; rows that it changes rather than adds cost the peer nothing.
"""

import json
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
from uuid_utils.compat import uuid7

from fsm.app import compose_database, create_app
from fsm.embedded import OWNER_ROLE, EmbeddedPostgres
from fsm.migrations.migrate import migrate
from fsm.settings import Settings, read_settings
from mobile_api import feed
from tests.bench.figures import Figure, figure
from tests.company import Company, found_company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import Job, dispatched_job
from tests.mobile_api.phones import Phone, new_phone

INTENTS = 50
NOW = datetime(2026, 3, 23, 8, 0, tzinfo=UTC)

#: How many intents of each kind a batch holds: a day's paper work on three jobs.
MIX = {"answer.set": 20, "note.add": 15, "photo.add": 5, "time.add": 5, "part.use": 5}

#: What a push adds rows to.
ADDED = (
    "intent",
    "answer",
    "note",
    "photo",
    "time_entry",
    "movement",
    "part_used",
    "cost_line",
    "review",
    "event",
    "event_unsealed",
    "pgqueuer",
)


async def post(app: Any, path: str, body: bytes, headers: dict[str, str]) -> bytes:
    """Send one POST through the ASGI interface, as a server would, and return the answer's body."""
    parts: list[bytes] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        parts.append(message.get("body", b""))

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "state": {},
    }
    await app(scope, receive, send)
    return b"".join(parts)


def batch(phone: Phone, jobs: list[Job], company: Company, kinds: dict[str, int]) -> list[Any]:
    """Return a batch of new intents about the jobs in turn."""
    intents = []
    for number, kind in enumerate(kind for kind, count in kinds.items() for _ in range(count)):
        visit = str(jobs[number % len(jobs)].visit_id)
        now = phone.clock()
        data: dict[str, Any] = {
            "answer.set": {"item": "reading", "value": number},
            "note.add": {"text": f"note {number}"},
            "photo.add": {
                "photo_id": str(uuid7()),
                "item": "after",
                "slot": number % 10,
                "sha256": uuid7().hex * 2,
                "size": 1_000_000,
                "mime": "image/jpeg",
                "captured_at": now.isoformat(),
            },
            "time.add": {
                "kind": "work",
                "from": (now - timedelta(minutes=10)).isoformat(),
                "to": now.isoformat(),
            },
            "part.use": {"part_id": str(company.part.id), "qty": 1},
        }[kind]
        intents.append(phone.intent(kind, visit_id=visit, **data))
    return intents


async def prepare(settings: Settings, clock: Clock) -> tuple[Any, Any, Company, Phone]:
    database = compose_database(settings)
    company = await found_company(database, settings, clock(), slug="acme")
    app = create_app(settings, database=database, clock=clock)
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://fsm.test")
    phone = await new_phone(client, company, clock)
    await phone.pull()
    return app, database, company, phone


async def begin_jobs(database: Any, company: Company, phone: Phone) -> list[Job]:
    """Return three jobs that the technician has begun."""
    jobs = [await dispatched_job(database, company, phone.clock) for _ in range(3)]
    await phone.push(*(phone.intent("visit.start", visit_id=str(job.visit_id)) for job in jobs))
    return jobs


async def forget(owner: Any, database: Any, company: Company) -> None:
    """Empty what jobs hold, so that every batch is written to a database of the same size."""
    await owner.execute(
        "truncate answer, note, photo, time_entry, part_used, movement, cost_line, event, intent cascade"
    )
    await owner.execute("update visit set status = 'withdrawn'")
    async with database.transaction(company.id) as session:
        await feed.rebuild(session, company.id)
    await owner.execute("delete from sync_row where why is not null")
    await owner.execute("vacuum sync_row, visit, work_order")


async def counts(owner: Any) -> dict[str, int]:
    return {table: await owner.fetchval(f"select count(*) from {table}") for table in ADDED}


async def rows_of_last_push(owner: Any, before: dict[str, int]) -> list[tuple[str, list[Any]]]:
    """Return (INSERT, rows) for each table that the push before this call added to."""
    found = []
    for table in ADDED:
        more = await owner.fetchval(f"select count(*) from {table}") - before[table]
        if more == 0:
            continue
        order = "id"
        if table == "event_unsealed":
            order = "event_id"
        rows = await owner.fetch(f"select * from {table} order by {order} desc limit {more}")
        columns = list(rows[0].keys())
        places = ", ".join(f"${n + 1}" for n in range(len(columns)))
        names = ", ".join(f'"{name}"' for name in columns)
        found.append((f"insert into {table} ({names}) values ({places})", [tuple(r) for r in rows]))
    return found


def renewed(rows: list[Any], renames: dict[UUID, UUID]) -> list[Any]:
    """Return rows under new ids, the same one for the same id, so that they can be inserted again."""
    return [
        tuple(renames.get(value, value) if isinstance(value, UUID) else value for value in row)
        for row in rows
    ]


async def plain_inserts(peer: Any, added: list[tuple[str, list[Any]]]) -> float:
    """Insert the rows one by one under new ids, commit, and return the seconds it took."""
    own = {row[1] for sql, rows in added for row in rows if "pgqueuer" not in sql}
    renames = {one: uuid7() for one in own if isinstance(one, UUID)}
    ready = []
    for sql, rows in added:
        if "pgqueuer" in sql:
            # its first column is a number that the table gives
            sql = sql.replace('("id", ', "(").replace("($1, ", "(")
            width = len(rows[0])
            for n in range(2, width + 1):
                sql = sql.replace(f"${n}", f"${n - 1}", 1)
            rows = [tuple(row)[1:] for row in rows]
        ready.append((await peer.prepare(sql), renewed(rows, renames)))
    began = time.perf_counter()
    transaction = peer.transaction()
    await transaction.start()
    for statement, rows in ready:
        for row in rows:
            await statement.fetch(*row)
    await transaction.commit()
    return time.perf_counter() - began


async def measure(seconds: float) -> list[Figure]:
    """Push and insert in turns for about so many seconds; return the figure of the push."""
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedPostgres(Path(folder) / "pg") as server,
    ):
        await server.prepare("bench")
        await migrate(server.url("bench", OWNER_ROLE))
        settings = read_settings(
            {
                "FSM_DATABASE_URL": server.url("bench"),
                "FSM_OWNER_DATABASE_URL": server.url("bench", OWNER_ROLE),
                "FSM_SECRET": "a secret of the bench, long enough",
                "FSM_BLOB_DIR": f"{folder}/blobs",
            }
        )
        clock = Clock(NOW)
        app, database, company, phone = await prepare(settings, clock)
        owner = await asyncpg.connect(server.url("bench", OWNER_ROLE))
        found = {}
        kinds = {"mix": MIX, "notes": {"note.add": INTENTS}, "answers": {"answer.set": INTENTS}}
        try:
            for name, kind in kinds.items():
                found[name] = await _in_turns(
                    owner, app, database, phone, company, kind, seconds / len(kinds)
                )
        finally:
            await owner.close()
            await phone.client.aclose()
            await database.close()
    return [
        figure(
            f"push of {INTENTS} intents / plain INSERT of the same rows, one commit a batch",
            found["mix"]["ratio"],
            "ratio",
            0.6,
            better="higher",
            **found["mix"],
            mix=MIX,
            notes=found["notes"],
            answers=found["answers"],
        )
    ]


async def _in_turns(
    owner: Any,
    app: Any,
    database: Any,
    phone: Phone,
    company: Company,
    kinds: dict[str, int],
    seconds: float,
) -> dict[str, Any]:
    pushes, inserts, rows = [], [], 0
    until = time.perf_counter() + seconds
    warm = 2
    while warm or len(pushes) < 3 or time.perf_counter() < until:
        phone.clock.forward(seconds=30)
        jobs = await begin_jobs(database, company, phone)
        intents = batch(phone, jobs, company, kinds)
        before = await counts(owner)
        body = json.dumps({"device_id": phone.device_id, "intents": intents}).encode()
        began = time.perf_counter()
        answer = await post(app, "/sync/v1/push", body, phone.headers)
        took = time.perf_counter() - began
        outcomes = json.loads(answer)["outcomes"]
        if {one["status"] for one in outcomes} != {"applied"}:
            raise RuntimeError(f"not applied: {outcomes}")
        added = await rows_of_last_push(owner, before)
        rows = sum(len(of_table) for _, of_table in added)
        plain = await plain_inserts(owner, added)
        await forget(owner, database, company)
        if warm:
            warm -= 1
            continue
        pushes.append(took)
        inserts.append(plain)
    ratio = statistics.median(inserts) / statistics.median(pushes)
    return {"ratio": round(ratio, 3), "rows": rows, "batches": len(pushes)}
