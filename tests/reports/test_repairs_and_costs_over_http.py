"""Repair times and costs from jobs, time entries, pauses and the ledger, over HTTP."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy.dialects.postgresql import Range

from fsm.database import Database
from fsm.work_orders.records import TimeEntry
from fsm.work_orders.tables import Pause, Visit, WorkOrder
from tests.company import Company
from tests.reports.plant import failure, job, line, machine, worked

DAY = datetime(2026, 3, 10, tzinfo=UTC)
MARCH = {"from": "2026-03-01T00:00:00+01:00", "to": "2026-03-23T00:00:00+01:00"}


def at(hour: int, minute: int = 0) -> datetime:
    return DAY + timedelta(hours=hour, minutes=minute)


async def ask(client: httpx.AsyncClient, company: Company, path: str, **params: Any) -> Any:
    answer = await client.get(
        f"/api/kpis{path}", params=MARCH | params, headers=company.headers["manager"]
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_the_design_page_example_by_hand(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    """Detected 8:00, restored 15:00; work 9:30–11:00, 13:40–15:00 and 14:00–15:00 → 2 h 50 min hands-on.

    A wrong entry of twelve hours has been corrected, a pause that stops the repair clock takes ten minutes,
    the follow-up job is part of the same repair, and paperwork after restoration is none of it.
    """
    async with database.transaction(company.id) as session:
        broke = failure(company.asset, at(7), detected_at=at(8), restored_at=at(15))
        session.add(broke)
        await session.flush()
        first = await job(
            session, company, "W-1", at(8), asset_id=company.asset.id, failure_id=broke.id
        )
        second = await job(
            session, company, "W-2", at(12), asset_id=company.asset.id, follows_id=first.id
        )
        wrong = worked(company, first, at(3), at(15))
        session.add(wrong)
        await session.flush()
        session.add_all(
            [
                worked(company, first, at(9, 30), at(11), corrects_id=wrong.id),
                worked(company, first, at(9), at(9, 30), kind="travel"),
                worked(company, second, at(13, 40), at(15)),
                worked(company, second, at(14), at(15, 45)),
                Pause(
                    tenant_id=company.id,
                    work_order_id=first.id,
                    reason_id=company.reasons["parts"].id,
                    during=Range(at(10), at(10, 10)),
                    stops_repair_clock=True,
                ),
            ]
        )
    asked = {"scope": f"contract:{company.contract.id}"}
    assert (await ask(client, company, "/restoration", **asked))["value"] == 8
    assert (await ask(client, company, "/mrt", **asked))["value"] == 7
    active = await ask(client, company, "/mart", **asked)
    assert active["value"] == pytest.approx((170 - 10) / 60)
    (candidate,) = (await ask(client, company, "/mart/lineage", **asked))["items"]
    assert candidate["id"] == str(broke.id)
    assert set(candidate["work_order_ids"]) == {str(first.id), str(second.id)}
    assert candidate["numerator"] == active["numerator"]["value"]


async def test_work_that_nobody_recorded_is_left_out_of_active_time_and_not_taken_for_0(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    async with database.transaction(company.id) as session:
        session.add(failure(company.asset, at(8), restored_at=at(10)))
    found = await ask(client, company, "/mart", scope="tenant")
    assert (found["value"], found["excluded"]) == (None, {"no_work_recorded": 1})
    assert (await ask(client, company, "/mrt", scope="tenant"))["value"] == 2


async def test_corrective_work_without_a_failure_is_a_repair_and_preventive_work_is_none(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    async with database.transaction(company.id) as session:
        on = {"asset_id": company.asset.id}
        await job(session, company, "W-1", at(8), work_done_at=at(11), **on)
        await job(
            session, company, "W-2", at(8), work_done_at=at(20), maintenance="preventive", **on
        )
        await job(session, company, "W-3", at(8), work_done_at=at(20), status="cancelled", **on)
        await job(session, company, "W-4", at(8), **on)
    found = await ask(client, company, "/mrt", scope=f"asset:{company.asset.id}")
    assert (found["value"], found["n"], found["excluded"]) == (3, 1, {})
    broken = await ask(client, company, "/restoration", scope="tenant")
    assert (broken["value"], broken["null_reason"]) == (None, "no_failures")


async def test_costs_add_up_to_the_ledger_by_every_cut(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    async with database.transaction(company.id) as session:
        asset = machine(company, "M-1", DAY)
        session.add(asset)
        await session.flush()
        covered = {"asset_id": company.asset.id, "contract_id": company.contract.id}
        one = await job(session, company, "W-1", at(8), **covered)
        two = await job(session, company, "W-2", at(8), asset_id=asset.id)
        three = await job(session, company, "W-3", at(8))
        day = date(2026, 3, 10)
        lines = [
            line(one, day, "100.10"),
            line(one, day, "20.05", kind="parts"),
            line(one, day, "-0.15"),
            line(two, day, "7.77"),
            line(three, day, "1.01"),
            line(three, day, "5.00", currency="CHF"),
            line(one, date(2026, 2, 28), "1000.00"),
            line(one, date(2026, 3, 23), "1000.00"),
        ]
        session.add_all(lines)
    total = await ask(client, company, "/cost", scope="tenant")
    assert (total["value"], total["unit"], total["n"]) == ("128.78", "EUR", 5)
    assert total["excluded"] == {"other_currency": 1}
    assert total["provisional"] == {"until": None, "because": ["costs_open"]}
    for cut in ("asset", "contract", "site", "customer", "model", "work_order", "tenant"):
        rows = (await ask(client, company, "/cost/table", scope="tenant", by=cut))["items"]
        cents = [round(float(row["result"]["value"] or 0) * 100) for row in rows]
        assert sum(cents) == 12878, cut
        for row in rows:
            again = await client.get(row["result"]["lineage"], headers=company.headers["manager"])
            shares = [item["numerator"] for item in again.json()["items"] if not item["excluded"]]
            assert round(sum(float(share) for share in shares) * 100) in cents
        if cut == "work_order":
            assert [row["number"] for row in rows] == ["W-1", "W-2", "W-3"]
    alone = await ask(client, company, "/cost", scope=f"work_order:{one.id}")
    assert (alone["value"], alone["n"]) == ("120.00", 3)
    largest = await ask(client, company, "/cost/largest", scope="tenant", by="work_order")
    assert [row["number"] for row in largest["items"]] == ["W-1", "W-2", "W-3"]
    none = await ask(client, company, "/cost", scope="asset:none")
    assert (none["value"], none["n"]) == ("1.01", 1)
    parts = await ask(client, company, "/cost", scope=f"asset:{company.asset.id}", variant="parts")
    assert parts["value"] == "20.05"
    francs = await ask(client, company, "/cost", scope="tenant", currency="CHF")
    assert (francs["value"], francs["excluded"]) == ("5.00", {"other_currency": 5})
    one_day = {"from": "2026-03-10T00:00:00+01:00", "to": "2026-03-11T00:00:00+01:00"}
    assert (await ask(client, company, "/cost", scope="tenant", **one_day))["value"] == "128.78"


async def test_kilometres_are_of_the_visits_of_which_somebody_said_how_far_it_was(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    """12.5 + 7.5 km to the first visit, 10 to the second, nobody said of the third → 15 km a visit."""
    async with database.transaction(company.id) as session:
        made = await job(session, company, "W-1", at(8), asset_id=company.asset.id)
        first, second, third = (went(company, made, at(hour)) for hour in (9, 12, 15))
        session.add_all([first, second, third])
        await session.flush()
        wrong = drove(company, made, first, at(7), 900_000)
        session.add(wrong)
        await session.flush()
        session.add_all(
            [
                drove(company, made, first, at(8), 12_500, corrects_id=wrong.id),
                drove(company, made, first, at(8, 30), 7_500),
                drove(company, made, second, at(11), 10_000),
                drove(company, made, third, at(14), None),
            ]
        )
    asked = {"scope": "tenant", "variant": "km_per_visit"}
    found = await ask(client, company, "/travel", **asked)
    assert (found["value"], found["unit"], found["definition"]) == (15, "km", 2)
    assert found["numerator"] == {"value": 30, "unit": "km"}
    assert found["denominator"] == {"value": 2, "unit": "visit"}
    assert "some_distances_unsaid:1" in found["notes"]
    (row,) = (await ask(client, company, "/travel/table", by="technician", **asked))["items"]
    assert (row["result"]["value"], row["key"]) == (15, str(company.technician.id))
    late = {"from": "2026-03-10T15:00:00+01:00"}
    unsaid = await ask(client, company, "/travel", **asked, **late)
    assert (unsaid["value"], unsaid["excluded"]) == (None, {"no_distance": 1})


def went(company: Company, made: WorkOrder, arrived_at: datetime) -> Visit:
    return Visit(
        tenant_id=company.id,
        work_order_id=made.id,
        technician_id=company.technician.id,
        status="finished",
        planned_starts_at=arrived_at,
        planned_ends_at=arrived_at + timedelta(hours=1),
        arrived_at=arrived_at,
        finished_at=arrived_at + timedelta(hours=1),
        created_at=DAY,
    )


def drove(
    company: Company,
    made: WorkOrder,
    visit: Visit,
    since: datetime,
    metres: int | None,
    **more: Any,
) -> TimeEntry:
    entry = worked(company, made, since, since + timedelta(minutes=20), kind="travel", **more)
    entry.visit_id, entry.distance_m = visit.id, metres
    return entry


async def test_costs_are_final_when_every_job_is_closed_or_cancelled(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    async with database.transaction(company.id) as session:
        cancelled = await job(session, company, "W-1", at(8), status="cancelled")
        session.add(line(cancelled, date(2026, 3, 10), "3.00"))
    found = await ask(client, company, "/cost", scope="tenant")
    assert (found["value"], found["provisional"]) == ("3.00", None)
