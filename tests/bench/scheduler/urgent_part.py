"""An urgent job through the API (G8): a company at work, one more job, and the answer with its plan and diff.

Asked of `fsm serve` in a process of its own, one request after another: what a dispatcher waits for, without
a line in between.
"""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import numpy as np

from fsm.app import compose_database
from fsm.embedded import OWNER_ROLE, EmbeddedPostgres
from fsm.migrations.migrate import migrate
from fsm.settings import read_settings
from tests.bench.busy_company import Filler
from tests.bench.figures import Figure, figure
from tests.bench.processes import Program, environment_of, product
from tests.company import Company, found_company

_GOAL_MS = 50.0
_EACH = 7
"""Visits of a technician, 70 minutes apart: a full day."""
_WARM = 5


def measure(*, is_short: bool) -> list[Figure]:
    technicians, urgent = (100, 15) if is_short else (1_000, 105)
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder) / "pg") as server:
        return asyncio.run(_measure(server, technicians, urgent, has_goal=not is_short))


async def _measure(
    server: EmbeddedPostgres, technicians: int, urgent: int, *, has_goal: bool
) -> list[Figure]:
    await server.prepare("bench")
    await migrate(server.url("bench", OWNER_ROLE))
    settings = read_settings(environment_of(server, "bench"))
    database = compose_database(settings)
    now = datetime.now(UTC)
    company = await found_company(database, settings, now, slug="bench")
    connection = await asyncpg.connect(server.url("bench", OWNER_ROLE))
    await _fill(connection, company, now, technicians)
    await connection.close()
    await database.close()
    with product(server, "bench") as program:
        wall_ms, cpu_ms, placed = await asyncio.to_thread(_ask, program, company, urgent)
    wall, cpu = (np.percentile(each[_WARM:], (50, 99)) for each in (wall_ms, cpu_ms))
    return [
        figure(
            "G8 urgent visit through the API, p99",
            float(wall[1]),
            "ms",
            _GOAL_MS if has_goal else None,
            median_ms=round(float(wall[0]), 1),
            server_cpu_median_ms=round(float(cpu[0]), 1),
            server_cpu_p99_ms=round(float(cpu[1]), 1),
            technicians=technicians,
            visits=technicians * _EACH,
            requests=urgent,
            placed=placed,
        )
    ]


async def _fill(connection: Any, company: Company, now: datetime, technicians: int) -> None:
    """Put everybody an hour into a shift of nine, with visits near home, where it is nine o'clock now."""
    zone = f"Etc/GMT{(now.hour - 9 + 12) % 24 - 12:+d}"
    filler = Filler(connection, company, now, seed=1)
    for number, phone in enumerate(await filler.phones(technicians)):
        places = await filler.places(4, named=f"L{number}")
        await filler.jobs(
            _EACH,
            places,
            [phone.technician_id],
            days=(0, 0),
            status="scheduled",
            visited="planned",
            named=f"J{number}",
        )
    for statement in _DAY:
        await connection.execute(statement.replace(":zone", f"'{zone}'"), company.id)
    await connection.execute("analyze")


_DAY = (
    "update tenant set zone = :zone where id = $1",
    """
    update technician set zone = :zone, home_latitude = 47.8 + random() * 2,
      home_longitude = 1.4 + random() * 2
    where tenant_id = $1
    """,
    """
    delete from shift where tenant_id = $1
    """,
    """
    insert into shift (tenant_id, id, rev, technician_id, during, break_s, break_earliest_s, break_latest_s,
      overtime_s)
    select $1, gen_random_uuid(), 1, id, tstzrange(now() - interval '1 hour', now() + interval '8 hours'),
      1800, 14400, 21600, 3600
    from technician where tenant_id = $1
    """,
    """
    update site s set zone = :zone, latitude = t.home_latitude + (random() - 0.5) * 0.3,
      longitude = t.home_longitude + (random() - 0.5) * 0.3
    from work_order w join visit v on v.tenant_id = w.tenant_id and v.work_order_id = w.id
      join technician t on t.tenant_id = v.tenant_id and t.id = v.technician_id
    where w.tenant_id = $1 and s.tenant_id = $1 and s.id = w.site_id
    """,
    "update work_order set zone = :zone, estimate_s = 2400, restore_by = null where tenant_id = $1",
    """
    update visit v set planned_starts_at = p.at, planned_ends_at = p.at + interval '40 minutes',
      travel_s = 600, window_starts_at = p.at - interval '15 minutes',
      window_ends_at = p.at + interval '90 minutes'
    from (
      select id, now() + interval '70 minutes' * row_number() over (partition by technician_id order by id)
        - interval '60 minutes' as at
      from visit where tenant_id = $1
    ) p
    where v.tenant_id = $1 and v.id = p.id
    """,
)
"""A day of seven promised visits for everybody, $1 the company's; the rows are the filler's."""


def _ask(program: Program, company: Company, urgent: int) -> tuple[list[float], list[float], int]:
    """Ask where drawn jobs can go; return the clock's ms, the server's, how many have a place."""
    rng = random.Random(1)
    wall_ms, cpu_ms, placed = [], [], 0
    sites = _send(program, company, "GET", "/api/assets?limit=200")["items"]
    for _ in range(urgent):
        job = _send(
            program,
            company,
            "POST",
            "/api/work-orders",
            {"work_type": "repair", "asset_id": rng.choice(sites)["id"], "title": "Door is stuck"},
        )
        cpu, began = program.cpu_s(), time.perf_counter()
        answer = _send(
            program, company, "POST", "/api/day/urgent-visits", {"work_order_id": job["id"]}
        )
        wall_ms.append((time.perf_counter() - began) * 1_000)
        cpu_ms.append((program.cpu_s() - cpu) * 1_000)
        placed += not answer["plan"]["unplanned"]
    return wall_ms, cpu_ms, placed


def _send(
    program: Program, company: Company, method: str, path: str, body: object = None
) -> dict[str, Any]:
    connection = program.connect()
    headers = {**company.headers["dispatcher"], "Content-Type": "application/json"}
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    if answer.status not in (200, 201):
        raise RuntimeError(f"{path} answered {answer.status} {content[:300]!r}")
    found: dict[str, Any] = json.loads(content)
    return found
