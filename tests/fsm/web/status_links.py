"""A report that is followed: its link, and the job it became, taken as far as a test wants."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx

from fsm.database import Database
from fsm.work_orders import field_work
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import Job, plan_and_dispatch

JSON = {"Accept": "application/json"}


@dataclass
class Followed:
    """A report whose link is `path`, and its job."""

    client: httpx.AsyncClient
    path: str
    request_id: str
    job: Job

    async def status(self) -> Any:
        return (await self.client.get(self.path, headers=JSON)).json()

    async def page(self, language: str = "en") -> str:
        return (await self.client.get(self.path, params={"lang": language})).text

    async def send(
        self, form: str, *, headers: dict[str, str] | None = None, **fields: str
    ) -> httpx.Response:
        return await self.client.post(f"{self.path}/{form}", data=fields, headers=headers)


async def followed(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock, **about: Any
) -> Followed:
    """Report a problem with the lift and make a dispatched job of it."""
    body = {"text": "It rattles", "asset_id": str(company.asset.id), "impact": "degraded"} | about
    headers = company.headers["dispatcher"]
    made = (await client.post("/api/service-requests", json=body, headers=headers)).json()
    request_id = made["request"]["id"]
    accepted = await client.post(
        f"/api/service-requests/{request_id}/acceptance",
        json={"work_type": "repair"},
        headers=headers,
    )
    job = Job(database, company, clock, UUID(accepted.json()["work_order_id"]))
    await plan_and_dispatch(job)
    path = httpx.URL(made["status_url"]).path
    return Followed(client, path, request_id, job)


async def finish(followed: Followed) -> None:
    """Have the technician do the work; the photo that the checklist wants stays on their phone."""
    await followed.job.do(field_work.start)
    await followed.job.answer_all()
    await followed.job.declare()
    await followed.job.do(field_work.finish)
