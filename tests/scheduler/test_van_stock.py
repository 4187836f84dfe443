"""A part in a van is promised to one visit only, also where that visit stays where it is."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from fsm.database import Database
from fsm.parts.tables import Movement
from fsm.work_orders.records import PartUsed
from fsm.work_orders.tables import WorkOrder
from tests.company import Company
from tests.conftest import Clock
from tests.scheduler.running import RunningDay, running_day


@pytest.fixture
async def day(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> RunningDay:
    """Return a running day with one roller in the first technician's van."""
    day = await running_day(client, database, company, clock)
    receipt = {
        "part_id": str(company.part.id),
        "kind": "receipt",
        "quantity": "1",
        "to_place_id": str(company.van.id),
    }
    await day.send("POST", "/api/movements", receipt, 201, role="administrator")
    return day


async def needing(day: RunningDay, name: str, **fields: Any) -> WorkOrder:
    job = await day.job(name, **fields)
    terms = {"parts": [{"part": day.company.part.number, "quantity": 1}]}
    await day.send("PUT", f"/api/planning/work-orders/{job.id}/terms", terms)
    return job


async def test_the_part_of_a_visit_that_stays_is_not_promised_to_another(day: RunningDay) -> None:
    first, second = await needing(day, "First"), await needing(day, "Second", north_km=1.1)
    visit = await day.visit(first, day.one, 2)
    (left,) = (await day.plan())["unplanned"]
    assert (left["number"], left["blocking"]) == (second.number, [["parts"]])
    await day.post("/api/day/cancellations", {"visit_id": str(visit.id), "reason": "away"}, 201)
    planned = [
        stop["number"]
        for route in (await day.plan())["routes"]
        for stop in route["stops"]
        if stop["kind"] == "visit"
    ]
    assert len(planned) == 1, "one part, one visit"


async def test_a_visit_of_these_days_counts_on_the_van_and_a_later_one_does_not(
    day: RunningDay,
) -> None:
    first, second = await needing(day, "First"), await needing(day, "Second", north_km=1.1)
    await day.visit(first, day.one, 26)
    plan = await day.plan()
    assert plan["unplanned"] == []
    assert plan["routes"][0]["technician_id"] == str(day.one.id)
    tomorrow = (day.clock() + timedelta(days=1)).date().isoformat()
    (left,) = (await day.plan(ends_on=tomorrow))["unplanned"]
    assert left["number"] == second.number


async def test_what_a_visit_has_used_already_it_counts_on_no_longer(day: RunningDay) -> None:
    first, second = await needing(day, "First"), await needing(day, "Second", north_km=1.1)
    visit = await day.visit(first, day.one, 0)
    await day.begin(visit)
    (left,) = (await day.plan())["unplanned"]
    assert left["number"] == second.number
    company, now = day.company, day.clock()
    bought, used = (
        Movement(
            tenant_id=company.id,
            part_id=company.part.id,
            kind=kind,
            quantity=Decimal(1),
            unit_cost=Decimal(12),
            moved_at=now,
            **{place: company.van.id},
        )
        for kind, place in (("receipt", "to_place_id"), ("use", "from_place_id"))
    )
    async with day.database.transaction(company.id) as session:
        session.add_all([bought, used])
        await session.flush()
        session.add(
            PartUsed(
                tenant_id=company.id,
                work_order_id=first.id,
                visit_id=visit.id,
                part_id=company.part.id,
                movement_id=used.id,
                quantity=Decimal(1),
                used_at=now,
            )
        )
    assert (await day.plan())["unplanned"] == []


async def test_a_hand_that_gives_the_same_part_twice_is_told(day: RunningDay) -> None:
    first, second = await needing(day, "First"), await needing(day, "Second", north_km=1.1)
    await day.visit(first, day.one, 4)
    wanted = {
        "work_order_id": str(second.id),
        "technician_id": str(day.one.id),
        "starts_at": (day.clock() + timedelta(hours=2)).isoformat(),
    }
    refused = await day.post("/api/board/placements", wanted, 409)
    assert refused["code"] == "reason-needed"
    assert [(each["code"], each["what"]) for each in refused["consequences"]] == [
        ("parts", day.company.part.number)
    ]
