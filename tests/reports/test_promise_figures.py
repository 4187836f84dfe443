"""Promises told to customers: which one counts, and whether they are kept as often as was said."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from fsm.database import Database
from fsm.work_orders.tables import Visit, WorkOrder
from scheduler.promise_ledger.tables import PromiseTold
from tests.company import Company
from tests.reports.plant import job

FROM = datetime(2026, 2, 1, tzinfo=UTC)


def h(hours: float) -> datetime:
    return FROM + timedelta(hours=hours)


async def ask(client: httpx.AsyncClient, company: Company, path: str, **params: Any) -> Any:
    asked = {"scope": "tenant", "from": FROM.isoformat(), "to": h(100).isoformat(), **params}
    answer = await client.get(f"/api/kpis{path}", params=asked, headers=company.headers["manager"])
    assert answer.status_code == 200, answer.text
    return answer.json()


def visit(company: Company, order: WorkOrder, arrived: float | None, **more: Any) -> Visit:
    return Visit(
        **{
            "tenant_id": company.id,
            "work_order_id": order.id,
            "technician_id": company.technician.id,
            "planned_starts_at": h(0),
            "planned_ends_at": h(0),
            "arrived_at": None if arrived is None else h(arrived),
            "created_at": h(0),
        }
        | more
    )


def told(at: Visit, sent: float, begins: float, ends: float, **more: Any) -> PromiseTold:
    return PromiseTold(
        tenant_id=at.tenant_id,
        work_order_id=at.work_order_id,
        visit_id=at.id,
        window_starts_at=h(begins),
        window_ends_at=h(ends),
        channel="phone",
        sent_at=h(sent),
        told_by="?",
        **more,
    )


@pytest.fixture
async def promises(database: Database, company: Company) -> None:
    """Six jobs: kept; late; moved by us, then in the new window; moved by the customer, then kept; nobody
    came; and one without a promise, whose visit kept its window."""
    async with database.transaction(company.id) as session:
        orders = [await job(session, company, f"W-{n}", h(0)) for n in range(6)]
        arrivals = [11, 13, 21, 31, None, 50.5]
        visits = [visit(company, *each) for each in zip(orders, arrivals, strict=True)]
        visits[5].window_starts_at, visits[5].window_ends_at = h(50), h(52)
        session.add_all(visits)
        await session.flush()
        session.add_all(
            [
                told(visits[0], 1, 10, 12, probability=0.9),
                told(visits[1], 1, 10, 12, probability=0.8),
                told(visits[2], 1, 10, 12, probability=0.7),
                told(visits[2], 9, 20, 22, asked_by="company", probability=0.95),
                told(visits[3], 1, 10, 12, probability=0.9),
                told(visits[3], 2, 30, 32, asked_by="customer", probability=0.6),
                told(visits[4], 1, 40, 42),
            ]
        )


@pytest.mark.usefixtures("promises")
async def test_only_the_customers_change_replaces_what_was_promised(
    client: httpx.AsyncClient, company: Company
) -> None:
    original = await ask(client, company, "/on_time")
    # Kept: the first, the customer's new one, and the visit without a promise.
    assert (original["value"], original["n"]) == (3 / 6, 6)
    assert original["excluded"] == {"moved_by_customer": 1}
    assert original["notes"][:3] == ["variant:original", "late:2", "missed:1"]
    last = await ask(client, company, "/on_time", variant="last")
    assert (last["value"], last["notes"][1:3]) == (4 / 6, ["late:1", "missed:1"])
    before = await ask(client, company, "/on_time", as_of=h(1.5).isoformat(), variant="last")
    # Not yet moved, and nobody has come: five promises and the visit's window run on.
    assert (before["value"], before["excluded"]) == (None, {"running": 6})


async def test_nothing_that_comes_after_a_window_makes_good_that_nobody_came_in_it(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    """Windows from 10 to 12. Cancelled or moved by the customer at 11, nothing was broken; at 13 it was."""
    async with database.transaction(company.id) as session:
        orders = [
            await job(session, company, f"W-{n}", h(0), cancelled_at=None if at is None else h(at))
            for n, at in enumerate((11, 13, None, None, 11, 13))
        ]
        visits = [
            visit(company, *each)
            for each in zip(orders, (None, None, 31, 31, None, None), strict=True)
        ]
        for windowed in visits[4:]:
            windowed.window_starts_at, windowed.window_ends_at = h(10), h(12)
        session.add_all(visits)
        await session.flush()
        session.add_all(told(one, 1, 10, 12, probability=0.9) for one in visits[:4])
        for one, sent in ((visits[2], 11), (visits[3], 13)):
            session.add(told(one, sent, 30, 32, asked_by="customer", probability=0.9))
    found = await ask(client, company, "/on_time")
    assert found["excluded"] == {"cancelled": 2, "moved_by_customer": 1}
    assert (found["n"], found["value"]) == (5, 2 / 5)
    assert found["notes"][1:3] == ["late:1", "missed:2"]
    kept = await ask(client, company, "/calibration", variant="kept")
    assert (kept["n"], kept["value"]) == (4, 0.5)


@pytest.mark.usefixtures("promises")
async def test_what_was_stated_stands_beside_what_was_kept(
    client: httpx.AsyncClient, company: Company
) -> None:
    """0.9 kept, 0.8 late, 0.7 late by the first window, 0.6 kept by the customer's."""
    stated = await ask(client, company, "/calibration", variant="stated")
    kept = await ask(client, company, "/calibration", variant="kept")
    brier = await ask(client, company, "/calibration")
    assert (stated["value"], kept["value"]) == (pytest.approx(0.75), 0.5)
    assert brier["value"] == pytest.approx((0.01 + 0.64 + 0.49 + 0.16) / 4)
    assert brier["excluded"] == {"moved_by_customer": 1, "no_chance_stated": 1}
    assert "stated_90_percent:1" in brier["notes"]
    listed = (await ask(client, company, "/calibration/lineage"))["items"]
    assert sum(item["numerator"] for item in listed) == pytest.approx(1.3)
    assert len(listed) == 6
    buckets = (await ask(client, company, "/calibration/buckets"))["items"]
    assert [(one["low"], one["n"], one["stated"]) for one in buckets] == [
        (0.6, 1, 0.6),
        (0.7, 1, 0.7),
        (0.8, 1, 0.8),
        (0.9, 1, 0.9),
    ]
    assert {one["kept"] for one in buckets} == {None}  # one promise proves nothing


async def test_twenty_promises_of_one_chance_show_whether_it_was_honest(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    """Ten of twenty kept where 0.9 was stated, fifteen of twenty where 0.75 was."""
    async with database.transaction(company.id) as session:
        for n in range(40):
            chance, kept = (0.9, n < 10) if n < 20 else (0.75, n < 35)
            made = visit(company, await job(session, company, f"W-{n}", h(0)), 11 if kept else 13)
            session.add(made)
            await session.flush()
            session.add(told(made, 1, 10, 12, probability=chance))
    low, high = (await ask(client, company, "/calibration/buckets"))["items"]
    assert (low["stated"], low["kept"], low["is_honest"]) == (0.75, 0.75, True)
    assert (high["stated"], high["kept"], high["is_honest"]) == (0.9, 0.5, False)
    assert high["interval"][0] < 0.5 < high["interval"][1] < 0.9
