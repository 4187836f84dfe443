"""A finish that only the office can let through asks the office; what it waives lets the next try through."""

from typing import Any

import httpx
import pytest_asyncio
from sqlmodel import col, select

from fsm.database import Database
from fsm.work_orders.tables import Review
from tests.company import CHECKLIST, Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import Job, dispatched_job
from tests.mobile_api.phones import Phone


@pytest_asyncio.fixture
async def job(client: httpx.AsyncClient, database: Database, company: Company, clock: Clock) -> Job:
    """A job whose pressure and photo the office may let go, and whose first question it may not."""
    first, *others = CHECKLIST["items"]
    document = {
        **CHECKLIST,
        "version": 2,
        "items": [first, *({**item, "waiver": "office"} for item in others)],
    }
    published = await client.post(
        f"/api/checklists/{company.checklist.template_id}/versions",
        json={"document": document},
        headers=company.headers["administrator"],
    )
    assert published.status_code == 201, published.text
    return await dispatched_job(database, company, clock)


async def asked(job: Job) -> list[Review]:
    async with job.database.transaction(job.company.id) as session:
        statement = select(Review).where(Review.kind == "waiver_asked")
        return list(await session.exec(statement.order_by(col(Review.id))))


async def waive(client: httpx.AsyncClient, job: Job, item: str) -> None:
    answer = await client.post(
        f"/api/work-orders/{job.id}/waivers",
        json={"item": item, "reason": "the door is walled up"},
        headers=job.company.headers["dispatcher"],
    )
    assert answer.status_code == 201, answer.text


async def tap(phone: Phone, job: Job, kind: str, **data: Any) -> dict[str, Any]:
    (outcome,) = await phone.push(phone.intent(kind, visit_id=str(job.visit_id), **data))
    return outcome


async def test_what_only_the_office_can_let_go_is_asked_once_and_waived_the_work_is_done(
    phone: Phone, client: httpx.AsyncClient, job: Job
) -> None:
    await tap(phone, job, "visit.start")
    await tap(phone, job, "answer.set", item="safe", value=True)
    for _ in range(2):
        assert (await tap(phone, job, "visit.finish"))["status"] == "rejected"
    (review,) = await asked(job)
    assert [one["item"] for one in review.data["items"]] == ["reading", "after"]
    assert (review.visit_id, review.settled_at) == (job.visit_id, None)
    assert "Photo after repair" in review.data["items"][1]["texts"][0]

    await waive(client, job, "reading")
    assert (await asked(job))[0].settled_at is None
    await waive(client, job, "after")
    (review,) = await asked(job)
    assert (review.settlement, review.settled_by) == (
        "waived",
        job.company.users["dispatcher"].id,
    )
    assert (await tap(phone, job, "visit.finish"))["status"] == "applied"


async def test_what_the_technician_can_do_themselves_is_not_asked_of_the_office(
    phone: Phone, job: Job
) -> None:
    await tap(phone, job, "visit.start")
    assert (await tap(phone, job, "visit.finish"))["status"] == "rejected"
    assert await asked(job) == []


async def test_what_was_asked_is_gone_when_the_work_is_finished_all_the_same(
    phone: Phone, job: Job
) -> None:
    await tap(phone, job, "visit.start")
    await tap(phone, job, "answer.set", item="safe", value=True)
    await tap(phone, job, "visit.finish")
    assert len((await asked(job))[0].data["items"]) == 2
    await tap(phone, job, "answer.set", item="reading", value=120)
    await tap(phone, job, "visit.finish")
    (review,) = await asked(job)
    assert [one["item"] for one in review.data["items"]] == ["after"]
    await job.declare()
    assert (await tap(phone, job, "visit.finish"))["status"] == "applied"
    assert (await asked(job))[0].settlement == "finished"
