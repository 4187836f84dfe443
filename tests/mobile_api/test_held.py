"""What phones report on a closed job waits for its reopening, and then takes effect."""

import pytest
from sqlmodel import select

from fsm.database import Database
from fsm.work_orders import completion, field_work, orders
from fsm.work_orders.records import Answer, Note
from fsm.work_orders.tables import Review
from fsm.worker import REACTIONS
from mobile_api.held import SETTLEMENT, apply_held
from mobile_api.tables import Intent
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import Job, dispatched_job
from tests.mobile_api.phones import Phone


@pytest.fixture
async def job(phone: Phone, database: Database, company: Company, clock: Clock) -> Job:
    """A closed job."""
    job = await dispatched_job(database, company, clock)
    await job.do(field_work.start)
    await job.answer_all()
    await job.declare()
    await job.bytes_arrive()
    clock.forward(minutes=10)
    await job.do(field_work.finish)
    await close(job)
    return job


async def close(job: Job) -> None:
    async with job.database.transaction(job.company.id) as session:
        actor = job.company.actors["dispatcher"]
        assert actor.user_id is not None
        row = await orders.lock_work_order(session, actor, job.id)
        await completion.close(session, actor, row, job.clock(), by=actor.user_id)


async def reopen(job: Job) -> None:
    async with job.database.transaction(job.company.id) as session:
        actor = job.company.actors["dispatcher"]
        row = await orders.lock_work_order(session, actor, job.id)
        await completion.reopen(session, actor, row, job.clock(), reason="not_fixed")


async def go_on(job: Job) -> int:
    async with job.database.transaction(job.company.id) as session:
        return await apply_held(session, job.company.id, job.id, job.clock())


async def open_reviews(job: Job) -> list[str]:
    async with job.database.transaction(job.company.id) as session:
        rows = await session.exec(select(Review).where(Review.kind == "late_fact"))
        return [row.settlement for row in rows]


async def test_what_was_held_takes_effect_once_in_the_order_it_came(
    job: Job, phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    visit = str(job.visit_id)
    told_at = clock.forward(hours=1)
    await phone.push(
        phone.intent("answer.set", visit_id=visit, item="reading", value=9),
        phone.intent("note.add", visit_id=visit, text="the spring is weak"),
        phone.intent("answer.set", visit_id=visit, item="reading", value=11),
    )
    assert await go_on(job) == 0  # still closed
    clock.forward(hours=1)
    await reopen(job)
    assert await go_on(job) == 3
    assert await go_on(job) == 0
    async with database.transaction(company.id) as session:
        row = await orders.find_work_order(session, company.system, job.id)
        readings = [
            (one.value, one.received_at, one.by)
            for one in await session.exec(select(Answer).where(Answer.item == "reading"))
        ]
        notes = list(await session.exec(select(Note.text)))
        outcomes = list(await session.exec(select(Intent.status)))
    assert row.status == "in_progress"
    assert sorted(readings, key=lambda one: one[0])[:2] == [
        (9, told_at, "Technician"),
        (11, told_at, "Technician"),
    ]
    assert notes == ["the spring is weak"]
    assert set(outcomes) == {"applied"}
    assert await open_reviews(job) == [SETTLEMENT] * 3


async def test_what_is_refused_stays_before_a_person_and_holds_up_nothing(
    job: Job, phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    visit = str(job.visit_id)
    part = "0197f3a2-0000-7000-8000-000000000000"
    await phone.push(
        phone.intent("part.use", visit_id=visit, part_id=part, qty="1"),
        phone.intent("note.add", visit_id=visit, text="the spring is weak"),
    )
    await reopen(job)
    assert await go_on(job) == 1
    assert sorted(await open_reviews(job)) == ["", SETTLEMENT]
    async with database.transaction(company.id) as session:
        statuses = {one.type: one.status for one in await session.exec(select(Intent))}
    assert statuses == {"part.use": "quarantined", "note.add": "applied"}


async def test_the_worker_reacts_to_every_reopening() -> None:
    assert "work_order.reopened" in REACTIONS
