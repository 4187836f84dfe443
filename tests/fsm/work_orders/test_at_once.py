"""Two transactions at the same job: whichever comes first, what is left fits together."""

import asyncio
from collections.abc import Awaitable
from hashlib import sha256
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import select
from uuid_utils.compat import uuid7

from fsm.actors import Actor, Permission
from fsm.database import Database, as_problem
from fsm.events import Event
from fsm.evidence import queries as evidence
from fsm.evidence.blobs import StoredBlob
from fsm.evidence.verification import Inspection
from fsm.problems import Problem
from fsm.tenants import queries as tenants
from fsm.work_orders import completion, field_work, orders
from fsm.work_orders.lifecycle import WrongStatus
from fsm.work_orders.records import Photo
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import Job, dispatched_job

ROUNDS = 4


def content_of(number: int) -> bytes:
    return b"\xff\xd8\xff\xe0 photo number %d" % number


async def bring_bytes(job: Job, content: bytes, actor: Actor | None = None) -> list[UUID]:
    """Do what an upload does in the transaction of its last byte."""
    actor = actor or job.company.actors["technician"]
    digest = sha256(content).digest()
    async with job.database.transaction(job.company.id) as session:
        await field_work.lock_awaiting_jobs(session, actor, digest)
        await evidence.keep_blob(
            session,
            actor,
            job.clock(),
            StoredBlob(digest.hex(), len(content), True),
            Inspection(mime="image/jpeg"),
        )
        return await field_work.photo_bytes_arrived(session, actor, job.clock(), digest)


async def declare(job: Job, content: bytes) -> UUID:
    photo_id = uuid7()
    await job.do(
        field_work.declare_photo,
        photo_id=photo_id,
        item="after",
        slot=0,
        sha256=sha256(content).digest(),
        size=len(content),
        mime="image/jpeg",
        captured_at=job.clock(),
    )
    return photo_id


async def outcome(work: Awaitable[Any]) -> Any:
    """Return what work comes to, or the problem that a client would be told of."""
    try:
        return await work
    except (Problem, SQLAlchemyError) as error:
        return as_problem(error) or error


async def ready_job(database: Database, company: Company, clock: Clock) -> Job:
    job = await dispatched_job(database, company, clock)
    await job.do(field_work.start)
    await job.answer_all()
    return job


async def test_bytes_that_arrive_while_their_photo_is_declared_are_found_by_one_of_the_two(
    database: Database, company: Company, clock: Clock
) -> None:
    job = await ready_job(database, company, clock)
    for number in range(ROUNDS):
        content = content_of(number)
        results = await asyncio.gather(
            outcome(declare(job, content)), outcome(bring_bytes(job, content))
        )
        assert not [one for one in results if isinstance(one, Exception)]
        async with database.transaction(company.id) as session:
            photo = (await session.exec(select(Photo).where(Photo.id == results[0]))).one()
        assert photo.state == "verified"


async def test_bytes_that_come_again_do_not_deadlock_with_what_is_declared_meanwhile(
    database: Database, company: Company, clock: Clock
) -> None:
    """One order for both: the job, then the hash. The other way round, each would wait for the other."""
    job = await ready_job(database, company, clock)
    content = content_of(0)
    await declare(job, content)
    digest = sha256(content).digest()
    actor = company.actors["technician"]
    declaring = asyncio.Event()

    async def declare_slowly() -> None:
        async with database.transaction(company.id) as session:
            report = await job.report(session)
            declaring.set()
            await asyncio.sleep(0.3)
            await field_work.declare_photo(
                report,
                photo_id=uuid7(),
                item="after",
                slot=1,
                sha256=digest,
                size=len(content),
                mime="image/jpeg",
                captured_at=clock(),
            )

    async def arrive() -> list[UUID]:
        await declaring.wait()
        return await bring_bytes(job, content, actor)

    results = await asyncio.gather(outcome(declare_slowly()), outcome(arrive()))
    assert not [one for one in results if isinstance(one, Exception)]
    async with database.transaction(company.id) as session:
        states = set(await session.exec(select(Photo.state)))
    assert states == {"verified"}


async def test_a_job_is_completed_whether_its_bytes_or_its_finish_come_first(
    database: Database, company: Company, clock: Clock
) -> None:
    for number in range(ROUNDS):
        job = await ready_job(database, company, clock)
        content = content_of(number)
        await declare(job, content)
        results = await asyncio.gather(
            outcome(job.do(field_work.finish)), outcome(bring_bytes(job, content))
        )
        assert not [one for one in results if isinstance(one, Exception)]
        assert (await job.row()).status == "completed"
    async with database.transaction(company.id) as session:
        done = list(
            await session.exec(select(Event.id).where(Event.kind == "work_order.completed"))
        )
    assert len(done) == ROUNDS


async def test_closing_while_a_fact_arrives_leaves_a_closed_job_or_a_counted_fact(
    database: Database, company: Company, clock: Clock
) -> None:
    office = company.actors["dispatcher"]
    assert office.user_id is not None
    user_id = office.user_id

    for number in range(ROUNDS):
        job = await ready_job(database, company, clock)
        content = content_of(number)
        await declare(job, content)
        await job.do(field_work.finish)
        await bring_bytes(job, content)
        before = await job.row()

        async def close(job: Job = job, facts_rev: int = before.facts_rev) -> None:
            async with database.transaction(company.id) as session:
                row = await orders.lock_work_order(session, office, job.id)
                await completion.close(
                    session, office, row, clock(), by=user_id, facts_rev=facts_rev
                )

        async def answer(job: Job = job) -> bool:
            async with database.transaction(company.id) as session:
                report = await job.report(session)
                if not report.is_held:
                    await field_work.answer(report, "reading", 130)
                return report.is_held

        closed, held = await asyncio.gather(outcome(close()), outcome(answer()))
        after = await job.row()
        if held is True:
            assert (after.status, closed, after.facts_rev) == ("closed", None, before.facts_rev)
        else:
            assert (after.status, after.facts_rev) == ("completed", before.facts_rev + 1)
            assert isinstance(closed, completion.FactsMoved)


async def test_two_people_who_decide_at_once_are_told_who_was_first(
    database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    office = company.actors["dispatcher"]

    async def cancel() -> None:
        async with database.transaction(company.id) as session:
            await orders.cancel(session, office, clock(), job.id, reason="customer")

    results = await asyncio.gather(*(outcome(cancel()) for _ in range(3)))
    assert [one is None for one in results].count(True) == 1
    assert [isinstance(one, WrongStatus) for one in results].count(True) == 2


# --- whose bytes ------------------------------------------------------------------------------------------


@pytest.fixture
async def colleague(database: Database, company: Company, clock: Clock) -> Actor:
    """Another person with a phone."""
    async with database.transaction(company.id) as session:
        role = await tenants.find_role_by_code(session, company.system, "technician")
        user = await tenants.add_user(
            session,
            company.system,
            clock(),
            login="second@acme",
            name="Second",
            role=role,
            password_hash=None,
        )
    mine = company.actors["technician"]
    return Actor(
        tenant_id=company.id,
        kind=mine.kind,
        user_id=user.id,
        name="Second",
        permissions=frozenset({Permission.SYNC}),
    )


async def test_knowing_the_hash_of_a_colleagues_photo_proves_nothing(
    database: Database, company: Company, clock: Clock, colleague: Actor
) -> None:
    job = await ready_job(database, company, clock)
    content = content_of(0)
    photo_id = await declare(job, content)
    await job.do(field_work.finish)
    assert await bring_bytes(job, content, colleague) == []
    assert (await job.row()).status == "work_done"
    assert await bring_bytes(job, content) == [photo_id]
    assert (await job.row()).status == "completed"
