"""Plans of preventive work as tests make them, on the company's lift."""

import asyncio
from typing import Any
from uuid import UUID

import httpx
from sqlmodel import col, select

from fsm.catalogue import queries as catalogue
from fsm.catalogue.tables import MaintenanceKind, RequestClass
from fsm.database import Database
from fsm.maintenance.generator import generate_all
from fsm.maintenance.tables import MaintenanceOccurrence
from fsm.work_orders.tables import WorkOrder
from tests.company import Company
from tests.conftest import Clock

PLANS = "/api/maintenance-plans"
OCCURRENCES = "/api/maintenance-occurrences"

MONTHLY = {"trigger": "calendar", "rule": "FREQ=MONTHLY;BYMONTHDAY=31", "starts_on": "2026-01-31"}


async def add_inspection(database: Database, company: Company, clock: Clock) -> None:
    """Give the company a kind of preventive work."""
    async with database.transaction(company.id) as session:
        kind = await catalogue.add_work_type(
            session, company.system, clock(), code="inspection", name="Inspection"
        )
        await catalogue.publish_version(
            session,
            company.system,
            clock(),
            kind.id,
            names={"en": "Inspection"},
            request_class=RequestClass.SERVICE_REQUEST,
            maintenance=MaintenanceKind.PREVENTIVE,
            duration_s=5_400,
            priority=4,
            skills=[{"skill": "lift", "level": 1}],
        )


class Desk:
    """The office's desk: plans over HTTP, the generator as the worker runs it."""

    def __init__(
        self, client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
    ) -> None:
        self.client, self.database, self.company, self.clock = client, database, company, clock

    async def ask(
        self, method: str, path: str, body: Any = None, *, role: str = "dispatcher", **more: Any
    ) -> httpx.Response:
        headers = self.company.headers[role]
        return await self.client.request(method, path, json=body, headers=headers, **more)

    async def plan(self, code: str = "monthly", **more: Any) -> dict[str, Any]:
        body = {
            "code": code,
            "name": f"Service {code}",
            "work_type": "inspection",
            **({} if "model_id" in more else {"asset_id": str(self.company.asset.id)}),
            **more,
        }
        answer = await self.ask("POST", PLANS, body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def edit(self, plan: dict[str, Any], **changes: Any) -> dict[str, Any]:
        answer = await self.ask("PATCH", f"{PLANS}/{plan['id']}", {"rev": plan["rev"], **changes})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def generate(self, times: int = 1) -> None:
        """Generate for the whole company, by as many workers at once."""
        runs = (generate_all(self.database, self.company.id, self.clock()) for _ in range(times))
        await asyncio.gather(*runs)

    async def occurrences(self) -> dict[str, dict[str, Any]]:
        """Return what the API lists, by key."""
        answer = await self.ask("GET", OCCURRENCES, params={"limit": "500"})
        assert answer.status_code == 200, answer.text
        return {one["key"]: one for one in answer.json()["items"]}

    async def outcome(self) -> dict[str, str]:
        return {key: one["status"] for key, one in sorted((await self.occurrences()).items())}

    async def jobs(self) -> list[WorkOrder]:
        async with self.database.transaction(self.company.id) as session:
            statement = select(WorkOrder).where(WorkOrder.tenant_id == self.company.id)
            return list(await session.exec(statement.order_by(col(WorkOrder.number))))

    async def job_of(self, key: str) -> WorkOrder:
        work_order_id = UUID((await self.occurrences())[key]["work_order_id"])
        return next(job for job in await self.jobs() if job.id == work_order_id)

    async def rows(self) -> list[MaintenanceOccurrence]:
        async with self.database.transaction(self.company.id) as session:
            row = MaintenanceOccurrence
            statement = select(row).where(row.tenant_id == self.company.id)
            return list(await session.exec(statement.order_by(col(row.due_at))))
