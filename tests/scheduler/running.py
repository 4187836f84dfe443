"""A running day in the database: two technicians, jobs at several sites, visits planned by hand."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch
from uuid import UUID

import httpx
from sqlalchemy.dialects.postgresql import Range

from fsm.catalogue import queries as catalogue
from fsm.customers.tables import Site
from fsm.database import Database
from fsm.jobs import Job as QueuedJob
from fsm.technicians.tables import Shift, Technician, TechnicianSkill
from fsm.work_orders import orders, visits
from fsm.work_orders.tables import Visit, WorkOrder
from scheduler import child
from scheduler.checks import violations
from scheduler.engine import plan_day
from scheduler.jobs import list_unsolved, solve_plan
from scheduler.problem import DayProblem
from scheduler.reasons import explain
from tests.company import Company
from tests.conftest import Clock

HOME = (48.8566, 2.3522)


@dataclass
class RunningDay:
    """The company's technician (`one`) and a mate (`two`), both working 8:00 to 17:00 from the same home."""

    client: httpx.AsyncClient
    database: Database
    company: Company
    clock: Clock
    two: Technician

    @property
    def one(self) -> Technician:
        return self.company.technician

    async def job(self, name: str, *, north_km: float = 1.0, **fields: Any) -> WorkOrder:
        """Create a job at a site of its own, that many kilometres north of everybody's home."""
        async with self.database.transaction(self.company.id) as session:
            actor = self.company.actors["dispatcher"]
            site = Site(
                tenant_id=self.company.id,
                customer_id=self.company.customer.id,
                number=f"S-{name}",
                name=name,
                latitude=HOME[0] + north_km / 111.2,
                longitude=HOME[1],
                position_source="hand",
                zone="Europe/Paris",
                created_at=self.clock(),
                region=fields.pop("region", ""),
            )
            session.add(site)
            await session.flush()
            work_order = await orders.create_work_order(
                session,
                actor,
                self.clock(),
                work_type=await catalogue.find_work_type_by_code(session, actor, "repair"),
                site=site,
                title=name,
                reported_at=self.clock(),
                estimate_s=fields.pop("estimate_s", 3_600),
            )
            work_order.skills = []
            for field, value in fields.items():
                setattr(work_order, field, value)
        return work_order

    async def visit(
        self,
        work_order: WorkOrder,
        technician: Technician,
        after_h: float,
        *,
        hours: float = 1,
        **fields: Any,
    ) -> Visit:
        """Plan a visit that begins so many hours from now."""
        starts_at = self.clock() + timedelta(hours=after_h)
        async with self.database.transaction(self.company.id) as session:
            (visit,) = await visits.plan_visits(
                session,
                self.company.actors["dispatcher"],
                self.clock(),
                [
                    visits.NewVisit(
                        work_order.id,
                        technician.id,
                        starts_at,
                        starts_at + timedelta(hours=hours),
                        **fields,
                    )
                ],
            )
        return visit

    async def begin(self, visit: Visit, status: str = "on_site") -> None:
        """Let the technician be at work since now, as his phone would say."""
        async with self.database.transaction(self.company.id) as session:
            row = await visits.find_visit(session, self.company.system, visit.id)
            row.status = status
            if status == "travelling":
                row.travel_started_at = self.clock()
            else:
                row.arrived_at = row.work_started_at = self.clock()

    async def found(self, visit_id: UUID) -> Visit:
        async with self.database.transaction(self.company.id) as session:
            return await visits.find_visit(session, self.company.system, visit_id)

    async def post(self, path: str, body: Any = None, status: int = 200, **more: Any) -> Any:
        return await self.send("POST", path, body, status, **more)

    async def send(
        self, method: str, path: str, body: Any = None, status: int = 200, role: str = "dispatcher"
    ) -> Any:
        answer = await self.client.request(
            method, path, headers=self.company.headers[role], json=body
        )
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    async def plan(self, **wanted: Any) -> dict[str, Any]:
        """Ask for a plan of today, solve it as the worker would, but in this process, and return it."""
        asked = {"starts_on": self.clock().date().isoformat(), "iterations": 20, **wanted}
        made = await self.post("/api/plans", asked, 202)
        for run_id in await list_unsolved(self.database, self.company.id):
            job = QueuedJob(self.company.id, {"run_id": str(run_id)})
            with patch.object(child, "solve", solve_here):
                await solve_plan(self.database, job, self.clock())
        found: dict[str, Any] = await self.send("GET", f"/api/plans/{made['id']}")
        assert found["status"] == "ready", found["failure"]
        return found


async def running_day(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> RunningDay:
    async with database.transaction(company.id) as session:
        mate = Technician(
            tenant_id=company.id,
            number="T-2",
            name="Mate",
            zone="Europe/Paris",
            home_latitude=HOME[0],
            home_longitude=HOME[1],
        )
        session.add(mate)
        boris = await session.get(Technician, (company.id, company.technician.id))
        assert boris is not None
        boris.home_latitude, boris.home_longitude = HOME
        await session.flush()
        session.add(
            TechnicianSkill(
                tenant_id=company.id, technician_id=mate.id, skill_id=company.skill.id, level=3
            )
        )
        morning = clock() - timedelta(hours=1)
        for day in range(7):
            starts = morning + timedelta(days=day)
            session.add(
                Shift(
                    tenant_id=company.id,
                    technician_id=mate.id,
                    during=Range(starts, starts + timedelta(hours=9)),
                    break_s=1800,
                    break_earliest_s=4 * 3600,
                    break_latest_s=6 * 3600,
                )
            )
    return RunningDay(client, database, company, clock, mate)


_ITERATIONS = 500
"""Enough for the best plan of a few visits."""


async def solve_here(
    problem: DayProblem,
    *,
    seconds: float | None,
    iterations: int | None,
    seed: int,
    engine: str,
) -> child.Solved:
    """Solve as the child process does, without the second that it takes to start one.

    Not for some seconds: how good a plan becomes in them depends on what else the machine has to do.
    """
    steps = iterations or _ITERATIONS
    plan = plan_day(problem, iterations=steps, seed=seed, engine=engine)
    assert violations(problem, plan) == []
    return child.Solved(plan, tuple(explain(problem, plan)))


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
