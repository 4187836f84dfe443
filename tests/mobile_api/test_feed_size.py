"""A large company: one business write looks at its own job's rows, whatever the years have gathered."""

from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from fsm.database import Database, run
from fsm.work_orders import orders
from mobile_api import affected, feed, feed_sql, sequencer
from tests.bench.busy_company import Filler
from tests.company import Company
from tests.conftest import Clock
from tests.mobile_api.phones import feed_differences

TODAY = 40
"""Jobs that a technician has in his window."""


@pytest.mark.parametrize(
    ("technicians", "past"),
    [(20, 5_000), pytest.param(200, 200_000, marks=pytest.mark.long)],
)
async def test_one_change_reads_no_more_than_its_own_technicians_window(
    database: Database,
    company: Company,
    clock: Clock,
    owner_url: str,
    technicians: int,
    past: int,
) -> None:
    owner = await asyncpg.connect(owner_url)
    filler = Filler(owner, company, clock(), seed=1)
    people = [phone.technician_id for phone in await filler.phones(technicians)]
    places = await filler.places(technicians * 20)
    jobs = []
    for number, technician_id in enumerate(people):
        own = places[number * 40 : number * 40 + 40]  # everybody has a district
        await filler.jobs(
            past // technicians,
            own,
            [technician_id],
            days=(-900, -30),
            status="work_done",
            visited="finished",
            named=f"P{number}",
        )
        jobs += await filler.jobs(TODAY, own, [technician_id], days=(-5, 12), named=f"J{number}")
    changed = jobs[TODAY + 3]
    await owner.execute("analyze")
    scopes = [feed.technician_scope(technician_id) for technician_id in people]
    for start in range(0, len(scopes), 20):
        async with database.transaction(company.id) as session:
            await feed.open_scopes(session, company.id, scopes[start : start + 20], clock())
    async with database.transaction(company.id) as session:
        await sequencer.stamp(session, company.id, clock())
    await owner.execute("vacuum analyze")

    async with database.transaction(company.id) as session:
        await run(session, "select pg_stat_force_next_flush()")
    before = await rows_read(owner)
    async with database.transaction(company.id) as session:
        row = await orders.lock_work_order(session, company.system, changed)
        await orders.edit_work_order(
            session, company.system, clock(), changed, row.rev, {"title": "Changed"}
        )
        await run(session, "select pg_stat_force_next_flush()")
    after = await rows_read(owner)
    read = {table: after[table] - before.get(table, 0) for table in after}
    for table in ("work_order", "visit", "sync_row"):
        assert read[table] < 40 * TODAY, (table, {name: n for name, n in read.items() if n})

    async with database.transaction(company.id) as session:
        unread = await run(session, "select coll from sync_row where seq is null")
        assert list(unread.scalars()) == ["work_orders"]
        plans = [
            await plan_of(session, affected._AFFECTED, company.id, ["work_orders"], [changed]),
            await plan_of(
                session,
                feed_sql.WRITE_TECHNICIANS,
                company.id,
                *await feed._windows(session, company.id, {scopes[1]: clock().date()}),
                True,
            ),
        ]
    for plan in plans:
        assert {"work_order", "visit", "sync_row"}.isdisjoint(scanned_whole(plan)), plan
    await owner.close()
    assert await feed_differences(database, company.id) == []


async def rows_read(owner: Any) -> dict[str, int]:
    """Return how many rows of each table were read so far, by index or not, transactions that ended."""
    await owner.execute("select pg_stat_force_next_flush(), pg_stat_clear_snapshot()")
    rows = await owner.fetch(
        "select relname, seq_tup_read + coalesce(idx_tup_fetch, 0) as read from pg_stat_user_tables"
    )
    return {row["relname"]: row["read"] for row in rows}


async def plan_of(session: Any, statement: str, *values: object) -> dict[str, Any]:
    connection = await session.connection()
    found = await connection.exec_driver_sql("explain (format json) " + statement, values)
    (plan,) = found.scalar_one()
    return dict(plan["Plan"])


def scanned_whole(plan: dict[str, Any]) -> set[str]:
    """Return the tables that a plan reads from end to end."""
    here = {plan["Relation Name"]} if plan["Node Type"] == "Seq Scan" else set()
    return here.union(*(scanned_whole(part) for part in plan.get("Plans", ())))


async def test_a_large_company_is_rebuilt_and_slid_a_few_scopes_at_a_time(
    database: Database,
    company: Company,
    clock: Clock,
    owner_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    owner = await asyncpg.connect(owner_url)
    filler = Filler(owner, company, clock(), seed=1)
    people = [phone.technician_id for phone in await filler.phones(25)]
    places = await filler.places(10)
    await filler.jobs(100, places, people, days=(-3, 3))
    await filler.jobs(25, places, people, days=(18, 20), named="L")
    await owner.close()
    scopes = [feed.technician_scope(technician_id) for technician_id in people]
    async with database.transaction(company.id) as session:
        await feed.open_scopes(session, company.id, scopes, clock())
        await run(session, "update work_order set title = 'by hand'")
    held: list[int] = []
    lock = feed.lock_scopes

    async def counting(session: Any, tenant_id: Any, some: Any) -> Any:
        names = list(some)
        held.append(len(names))
        return await lock(session, tenant_id, names)

    monkeypatch.setattr(feed, "lock_scopes", counting)
    assert await feed.rebuild_in_steps(database, company.id) == 100
    assert await feed.rebuild_in_steps(database, company.id) == 0
    clock.now += timedelta(days=9)
    assert await feed.slide_in_steps(database, company.id, clock()) > 0
    assert max(held) <= feed.SCOPES_AT_ONCE < len(scopes)
    async with database.transaction(company.id) as session:
        assert await feed.audit_scopes(session, company.id, clock()) == []
