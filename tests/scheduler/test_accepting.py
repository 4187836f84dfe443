"""Accepting a plan into a world that has changed, and a planner that breaks."""

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select
from uuid_utils.compat import uuid7

from fsm.database import Database
from fsm.jobs import Job as QueuedJob
from fsm.technicians.tables import Technician
from fsm.work_orders import orders, visits
from scheduler import accepting, child, queries
from scheduler.jobs import solve_plan
from scheduler.tables import PlanRun, PlanStatus
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import Job, new_job


async def mate(database: Database, company: Company) -> Technician:
    async with database.transaction(company.id) as session:
        technician = Technician(
            tenant_id=company.id, number="T-2", name="Mate", zone="Europe/Paris"
        )
        session.add(technician)
    return technician


async def ready_plan(
    database: Database, company: Company, clock: Clock, job: Job, *technicians: Technician
) -> PlanRun:
    """Store a plan that sends these technicians to the job together."""
    starts, ends = clock() + timedelta(hours=1), clock() + timedelta(hours=2)
    keys = [f"{job.id}#{leg}" for leg in range(len(technicians))]
    routes: list[dict[str, Any]] = [
        {
            "technician_id": str(one.id),
            "stops": [
                {
                    "kind": "visit",
                    "key": key,
                    "starts_at": starts.isoformat(),
                    "ends_at": ends.isoformat(),
                    "travel_s": 600,
                }
            ],
        }
        for one, key in zip(technicians, keys, strict=True)
    ]
    lines = [
        {
            "key": key,
            "work_order_id": str(job.id),
            "number": "W-1",
            "visit_id": None,
            "kind": "added",
            "before": None,
            "after": {"technician_id": str(one.id), "starts_at": starts.isoformat()},
        }
        for one, key in zip(technicians, keys, strict=True)
    ]
    groups = [{"group": 0, "visits": keys}]
    async with database.transaction(company.id) as session:
        run = PlanRun(
            id=uuid7(),
            tenant_id=company.id,
            starts_on=clock().date(),
            ends_on=clock().date(),
            seconds=1.0,
            seed=0,
            engine="or-tools",
            requested_by="test",
            requested_at=clock(),
            status=PlanStatus.READY,
            result={
                "routes": routes,
                "unplanned": [],
                "difference": {"lines": lines, "groups": groups},
                "seen": {},
            },
        )
        session.add(run)
        row = await orders.lock_work_order(session, company.system, job.id)
        row.crew_size = len(technicians)
    return run


async def test_a_crew_that_is_half_planned_by_hand_gets_the_other_half(
    database: Database, company: Company, clock: Clock
) -> None:
    job = await new_job(database, company, clock)
    other = await mate(database, company)
    run = await ready_plan(database, company, clock, job, company.technician, other)
    actor = company.actors["dispatcher"]
    async with database.transaction(company.id) as session:
        await visits.plan_visits(
            session,
            actor,
            clock(),
            [
                visits.NewVisit(
                    job.id, other.id, clock() + timedelta(hours=1), clock() + timedelta(hours=2)
                )
            ],
        )
        done = await accepting.accept(session, actor, clock(), run.id)
    assert len(done.planned) == 1
    assert done.skipped == [{"number": "W-1", "why": "has_visit"}]


async def test_who_has_left_since_is_skipped_and_said(
    database: Database, company: Company, clock: Clock
) -> None:
    job = await new_job(database, company, clock)
    other = await mate(database, company)
    run = await ready_plan(database, company, clock, job, company.technician, other)
    actor = company.actors["dispatcher"]
    async with database.transaction(company.id) as session:
        left = await session.get(Technician, (company.id, other.id))
        assert left is not None
        left.is_active = False
        await session.flush()
        done = await accepting.accept(session, actor, clock(), run.id)
    assert [one.technician_id for one in done.planned] == [company.technician.id]
    assert done.skipped == [{"number": "W-1", "why": "technician_left"}]


async def test_nobody_waits_for_a_plan_that_broke(
    database: Database, company: Company, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def break_down(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(child, "solve", break_down)
    async with database.transaction(company.id) as session:
        run = await queries.request_plan(
            session,
            company.actors["dispatcher"],
            clock(),
            starts_on=clock().date(),
            ends_on=clock().date(),
            seconds=1.0,
            seed=0,
            engine="or-tools",
        )
    with pytest.raises(ZeroDivisionError):
        await solve_plan(database, QueuedJob(company.id, {"run_id": str(run.id)}), clock())
    async with database.transaction(company.id) as session:
        row = (await session.exec(select(PlanRun).where(PlanRun.id == run.id))).one()
    assert row.status == PlanStatus.FAILED
    assert "operator" in (row.failure or "")
