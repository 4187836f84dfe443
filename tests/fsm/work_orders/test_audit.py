"""The audit names a closure forged by hand, and never one that came through the door."""

from typing import Any

import asyncpg
import pytest
from sqlmodel import select
from uuid_utils.compat import uuid7

from fsm.checklists.tables import ChecklistVersion
from fsm.checklists.templates import publish
from fsm.database import Database
from fsm.work_orders import audit, field_work
from fsm.work_orders.audit import Audited, audit_closures, list_forgeries
from fsm.work_orders.tables import Review, WorkOrder
from fsm.worker import ROUNDS, Tools
from tests.company import CHECKLIST, Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import Job, dispatched_job


async def audited(
    database: Database, company: Company, clock: Clock, *, full: bool = False
) -> Audited:
    return await audit_closures(database, company.id, clock, full=full)


async def finished_job(database: Database, company: Company, clock: Clock) -> Job:
    """Return a job that came through the door: answers, photo, bytes."""
    job = await dispatched_job(database, company, clock)
    await job.do(field_work.start)
    await job.answer_all()
    await job.declare()
    await job.bytes_arrive()
    await job.do(field_work.finish)
    assert (await job.row()).status == "completed"
    return job


async def forge(owner_url: str, job: Job) -> None:
    """Complete a job past the program, as whoever owns the tables can."""
    closure = uuid7()
    verdict = '{"met": true, "unmet": [], "waived": [], "flags": [], "facts_rev": 0}'
    connection: asyncpg.Connection[Any] = await asyncpg.connect(owner_url)
    try:
        async with connection.transaction():
            await connection.execute(
                "insert into work_order_closure (tenant_id, id, work_order_id, facts_rev, rules_sha256,"
                " verdict, unmet, judged_at) select tenant_id, $2, id, facts_rev, rules_sha256, $3, '[]',"
                " now() from work_order where id = $1",
                job.id,
                closure,
                verdict,
            )
            await connection.execute(
                "update work_order set status = 'completed', closure_id = $2 where id = $1",
                job.id,
                closure,
            )
    finally:
        await connection.close()


async def test_a_forged_closure_is_named_and_put_before_a_person_once(
    database: Database, company: Company, stranger: Company, clock: Clock, owner_url: str
) -> None:
    genuine = await finished_job(database, company, clock)
    forged = await dispatched_job(database, company, clock)
    await forge(owner_url, forged)
    first = await audited(database, company, clock)
    assert first.closures == 2
    (one,) = first.forgeries
    assert one.work_order_id == forged.id != genuine.id
    assert one.findings == ("no_event", "other_facts", "not_met")
    assert set(one.findings) <= set(audit.SENTENCES)
    assert (await audited(database, company, clock)).closures == 0, "judged again already"
    assert (await audited(database, company, clock, full=True)).forgeries == [one]
    async with database.transaction(company.id) as session:
        reviews = list(await session.exec(select(Review).where(Review.kind == audit.REVIEW)))
        assert await list_forgeries(session, company.id) == [one]
    assert [review.work_order_id for review in reviews] == [forged.id]
    assert (await audited(database, stranger, clock, full=True)).closures == 0


async def test_facts_altered_after_the_job_are_found_by_a_full_audit(
    database: Database, company: Company, clock: Clock, owner_url: str
) -> None:
    job = await finished_job(database, company, clock)
    assert (await audited(database, company, clock)).forgeries == []
    connection: asyncpg.Connection[Any] = await asyncpg.connect(owner_url)
    try:
        await connection.execute("update answer set value = '999' where item = 'reading'")
        await connection.execute("delete from closure_photo")
    finally:
        await connection.close()
    (one,) = (await audited(database, company, clock, full=True)).forgeries
    assert (one.number, one.findings) == (
        (await job.row()).number,
        ("not_met", "photos_not_cited"),
    )


async def test_what_changes_after_a_job_makes_no_forgery_of_it(
    database: Database, company: Company, clock: Clock, owner_url: str
) -> None:
    """The job was judged as it was then, which the closure keeps; without that it would not stand."""
    await ask_for_a_remark_on_urgent_jobs(database, company, clock)
    job = await finished_job(database, company, clock)
    async with database.transaction(company.id) as session:
        row = await session.get(WorkOrder, (company.id, job.id))
        assert row is not None
        row.priority = 5
    assert (await audited(database, company, clock, full=True)).forgeries == []
    connection: asyncpg.Connection[Any] = await asyncpg.connect(owner_url)
    try:
        await connection.execute("update work_order_closure set context = '{}'")
    finally:
        await connection.close()
    (one,) = (await audited(database, company, clock, full=True)).forgeries
    assert one.findings == ("not_met",)


async def ask_for_a_remark_on_urgent_jobs(
    database: Database, company: Company, clock: Clock
) -> None:
    remark = {
        "id": "remark",
        "kind": "text",
        "required_if": "has(job.priority) && job.priority > 4.0",
    }
    template = publish({**CHECKLIST, "version": 2, "items": [*CHECKLIST["items"], remark]})
    async with database.transaction(company.id) as session:
        session.add(
            ChecklistVersion(
                tenant_id=company.id,
                template_id=company.checklist.template_id,
                version=2,
                sha256=template.sha256,
                rules_sha256=template.rules_sha256,
                body=dict(template.document),
                published_at=clock(),
            )
        )


async def test_every_job_is_judged_however_many_fit_at_once_and_the_worker_does_it(
    database: Database,
    company: Company,
    clock: Clock,
    owner_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(audit, "_AT_ONCE", 2)
    jobs = [await dispatched_job(database, company, clock) for _ in range(5)]
    for job in jobs:
        await forge(owner_url, job)
    await ROUNDS["audit closures"].work(Tools(company.settings, database, None, clock))  # type: ignore[arg-type]
    async with database.transaction(company.id) as session:
        found = await list_forgeries(session, company.id)
    assert {one.work_order_id for one in found} == {job.id for job in jobs}
