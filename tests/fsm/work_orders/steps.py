"""Steps of a job as tests take them: created, dispatched, worked on by a phone's user."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import insert
from uuid_utils.compat import uuid7

from fsm.assets import queries as assets
from fsm.catalogue import queries as catalogue
from fsm.customers import queries as customers
from fsm.database import Database, Session
from fsm.events import Occurrence
from fsm.evidence.tables import Blob, BlobHolder
from fsm.parts.tables import StockPlace
from fsm.work_orders import field_work, orders, pick_ups, visits
from fsm.work_orders.tables import Impact, Visit, WorkOrder
from tests.company import Company
from tests.conftest import Clock

JOBS = "/api/work-orders"
JPEG = b"\xff\xd8\xff\xe0 a photo of the door, as far as these tests look at it"
DIGEST = sha256(JPEG).digest()


@dataclass
class Job:
    """One job in the database, with what a test needs to go on with it."""

    database: Database
    company: Company
    clock: Clock
    id: UUID
    visit_id: UUID | None = None

    async def report(self, session: Session) -> field_work.Report:
        """Return what a technician's report on the visit starts from, both rows held."""
        assert self.visit_id is not None
        actor = self.company.actors["technician"]
        work_order, visit = await visits.lock_visit(session, actor, self.visit_id)
        now = self.clock()
        return field_work.Report(session, actor, now, Occurrence(now, now, now), work_order, visit)

    async def do(self, step: Any, *args: Any, **options: Any) -> field_work.Report:
        """Report one thing in a transaction of its own."""
        async with self.database.transaction(self.company.id) as session:
            report = await self.report(session)
            await step(report, *args, **options)
        return report

    async def row(self) -> WorkOrder:
        async with self.database.transaction(self.company.id) as session:
            return await orders.find_work_order(session, self.company.system, self.id)

    async def visit(self) -> Visit:
        assert self.visit_id is not None
        async with self.database.transaction(self.company.id) as session:
            return await visits.find_visit(session, self.company.system, self.visit_id)

    async def declare(
        self, digest: bytes = DIGEST, item: str = "after", slot: int = 0, **more: Any
    ) -> UUID:
        photo_id = uuid7()
        await self.do(
            field_work.declare_photo,
            photo_id=photo_id,
            item=item,
            slot=slot,
            sha256=digest,
            size=len(JPEG),
            mime="image/jpeg",
            captured_at=self.clock(),
            **more,
        )
        return photo_id

    async def bytes_arrive(self, digest: bytes = DIGEST, **info: Any) -> list[UUID]:
        """Put the photo's blob into the database, as an upload does at its last byte."""
        async with self.database.transaction(self.company.id) as session:
            actor = self.company.actors["technician"]
            await session.exec(
                insert(Blob).values(
                    tenant_id=self.company.id,
                    sha256=digest,
                    size=len(JPEG),
                    mime="image/jpeg",
                    stored_at=self.clock(),
                    info=info,
                )
            )
            await session.exec(
                insert(BlobHolder).values(
                    tenant_id=self.company.id,
                    sha256=digest,
                    user_id=actor.user_id,
                    since_at=self.clock(),
                )
            )
            return await field_work.photo_bytes_arrived(session, actor, self.clock(), digest)

    async def answer_all(self) -> None:
        await self.do(field_work.answer, "safe", True)
        await self.do(field_work.answer, "reading", 120)


async def new_job(
    database: Database, company: Company, clock: Clock, *, impact: Impact | None = Impact.STOPPED
) -> Job:
    """Create an incident on the company's asset."""
    async with database.transaction(company.id) as session:
        actor = company.actors["dispatcher"]
        asset = await assets.find_asset(session, actor, company.asset.id)
        work_order = await orders.create_work_order(
            session,
            actor,
            clock(),
            work_type=await catalogue.find_work_type_by_code(session, actor, "repair"),
            site=await customers.find_site(session, actor, company.site.id),
            asset=asset,
            title="Door does not close",
            reported_at=clock(),
            impact=impact,
        )
    return Job(database, company, clock, work_order.id)


async def dispatched_job(database: Database, company: Company, clock: Clock) -> Job:
    """Create an incident, plan a visit in an hour and release it to the technician's phone."""
    job = await new_job(database, company, clock)
    await plan_and_dispatch(job)
    return job


async def plan_and_dispatch(job: Job) -> UUID:
    async with job.database.transaction(job.company.id) as session:
        actor = job.company.actors["dispatcher"]
        (visit,) = await visits.plan_visits(
            session,
            actor,
            job.clock(),
            [
                visits.NewVisit(
                    work_order_id=job.id,
                    technician_id=job.company.technician.id,
                    starts_at=job.clock() + timedelta(hours=1),
                    ends_at=job.clock() + timedelta(hours=2),
                )
            ],
        )
        await visits.dispatch(session, actor, job.clock(), visit.id)
    job.visit_id = visit.id
    return visit.id


async def plan_a_pick_up(
    database: Database, company: Company, now: datetime, visit_id: UUID, quantity: int
) -> None:
    """Have the technician fetch rollers at the warehouse for a visit, half an hour before it."""
    async with database.transaction(company.id) as session:
        visit = await visits.find_visit(session, company.system, visit_id)
        place = await session.get(StockPlace, (company.id, company.warehouse.id))
        assert place is not None
        place.latitude, place.longitude = 48.87, 2.34
        at = visit.planned_starts_at - timedelta(minutes=30)
        fetches = (pick_ups.Fetch(visit.id, company.part.number, quantity),)
        stop = pick_ups.PlannedPickUp(visit.technician_id, place.id, at, at, 600, fetches)
        await pick_ups.plan_pick_ups(session, company.system, now, [visit.id], [stop])


async def create(
    client: httpx.AsyncClient, company: Company, role: str = "dispatcher", **body: Any
) -> httpx.Response:
    """Ask over HTTP for a repair of the company's lift; `body` adds to it or puts other values."""
    body = {
        "work_type": "repair",
        "asset_id": str(company.asset.id),
        "title": "Door does not close",
        **body,
    }
    return await client.post(JOBS, headers=company.headers[role], json=body)
