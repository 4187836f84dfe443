"""Several visits of one job: crews, reassignment while a phone is offline, ways a job comes to its end."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlmodel import col, select

from fsm.assets.tables import Failure, Outage
from fsm.database import Database
from fsm.events import Event, Occurrence
from fsm.problems import StaleChange
from fsm.technicians.tables import Technician
from fsm.work_orders import clocks, completion, field_work, orders, visits
from fsm.work_orders.closing_sentences import ChecklistIncomplete
from fsm.work_orders.lifecycle import WrongStatus
from fsm.work_orders.records import CostLine, TimeKind
from fsm.work_orders.tables import Impact, Review, WorkOrder
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import Job, dispatched_job, new_job, plan_and_dispatch


async def colleague(database: Database, company: Company, number: str = "T-2") -> Technician:
    """Add a technician beside the company's own."""
    async with database.transaction(company.id) as session:
        technician = Technician(
            tenant_id=company.id, number=number, name=f"Colleague {number}", zone="Europe/Paris"
        )
        session.add(technician)
    return technician


async def beside(job: Job, technician: Technician) -> Job:
    """Give the job a dispatched visit of another technician at the same time; return the job as theirs."""
    async with job.database.transaction(job.company.id) as session:
        actor = job.company.actors["dispatcher"]
        row = await orders.lock_work_order(session, actor, job.id)
        row.crew_size = 2
        (visit,) = await visits.plan_visits(
            session,
            actor,
            job.clock(),
            [
                visits.NewVisit(
                    work_order_id=job.id,
                    technician_id=technician.id,
                    starts_at=job.clock() + timedelta(hours=1),
                    ends_at=job.clock() + timedelta(hours=2),
                )
            ],
        )
        await visits.dispatch(session, actor, job.clock(), visit.id)
    return replace(job, visit_id=visit.id)


async def reassign(job: Job, technician: Technician) -> Job:
    """Give the job's visit to another technician; return the job as theirs."""
    assert job.visit_id is not None
    async with job.database.transaction(job.company.id) as session:
        actor = job.company.actors["dispatcher"]
        old = await visits.find_visit(session, actor, job.visit_id)
        moved = await visits.edit_plan(
            session, actor, job.clock(), job.visit_id, old.rev, {"technician_id": technician.id}
        )
    return replace(job, visit_id=moved.id)


Crew = tuple[Job, Job]
"""One job as each of two technicians has it."""


@pytest.fixture
async def crew(database: Database, company: Company, clock: Clock) -> Crew:
    """Two technicians dispatched to the same job at the same time."""
    first = await dispatched_job(database, company, clock)
    return first, await beside(first, await colleague(database, company))


async def kinds_of_review(database: Database, company: Company) -> list[str]:
    async with database.transaction(company.id) as session:
        return sorted(await session.exec(select(Review.kind)))


async def how_often(database: Database, company: Company, kind: str) -> int:
    async with database.transaction(company.id) as session:
        return len(list(await session.exec(select(Event.id).where(Event.kind == kind))))


# --- crews ------------------------------------------------------------------------------------------------


async def test_a_crews_job_is_done_once_and_judged_when_the_last_of_them_finishes(
    crew: Crew, database: Database, company: Company, clock: Clock
) -> None:
    first, second = crew
    await first.do(field_work.start)
    await second.do(field_work.start)
    await first.bytes_arrive()
    clock.forward(minutes=30)
    await first.do(field_work.finish)  # nothing answered: the colleague is still at it
    assert (await first.row()).status == "in_progress"
    clock.forward(minutes=10)
    with pytest.raises(ChecklistIncomplete):
        await second.do(field_work.finish)
    await second.answer_all()
    await first.declare()
    await second.do(field_work.finish)
    row = await first.row()
    assert (row.status, row.work_done_at) == ("completed", clock())
    assert await how_often(database, company, "work_order.completed") == 1


async def test_two_of_a_crew_wait_for_the_same_part(crew: Crew, clock: Clock) -> None:
    first, second = crew
    await first.do(field_work.start)
    await second.do(field_work.start)
    await first.do(field_work.pause, "parts")
    await first.do(field_work.pause, "parts")  # tapped twice
    await second.do(field_work.pause, "parts")
    clock.forward(hours=1)
    await first.do(field_work.resume)
    assert (await first.row()).restore_by is None  # the other still waits
    await second.do(field_work.resume)
    assert (await first.row()).restore_by is not None


async def test_a_follow_up_asked_for_by_one_of_a_crew_is_not_answered_by_the_other(
    crew: Crew, clock: Clock
) -> None:
    first, second = crew
    await first.do(field_work.start)
    await second.do(field_work.start)
    clock.forward(minutes=10)
    await first.do(field_work.request_follow_up, "a roller is missing", [])
    await first.do(field_work.finish)
    clock.forward(minutes=10)
    await second.do(field_work.finish)
    assert (await first.row()).status == "in_progress"
    clock.forward(days=1)
    await plan_and_dispatch(first)
    await first.do(field_work.start)
    await first.answer_all()
    await first.declare()
    await first.do(field_work.finish)
    assert (await first.row()).status == "work_done"


async def test_withdrawing_the_colleague_who_never_came_completes_what_is_done(
    crew: Crew, database: Database, company: Company, clock: Clock
) -> None:
    first, second = crew
    await first.do(field_work.start)
    await first.answer_all()
    await first.bytes_arrive()
    await first.declare()
    finished_at = clock.forward(minutes=30)
    await first.do(field_work.finish)
    assert (await first.row()).status == "in_progress"
    clock.forward(hours=1)
    async with database.transaction(company.id) as session:
        assert second.visit_id is not None
        await visits.withdraw(
            session, company.actors["dispatcher"], clock(), second.visit_id, reason="not needed"
        )
    row = await first.row()
    assert (row.status, row.work_done_at, row.completed_at) == ("completed", finished_at, clock())
    async with database.transaction(company.id) as session:
        (failure,) = list(await session.exec(select(Failure)))
    assert failure.restored_at == finished_at


async def test_a_colleague_who_gives_up_leaves_the_job_done(crew: Crew, clock: Clock) -> None:
    first, second = crew
    await first.do(field_work.start)
    await first.answer_all()
    await first.declare()
    await first.do(field_work.finish)
    await second.do(field_work.abort, "no_access")
    row = await first.row()
    assert (row.status, row.work_done_at) == ("work_done", clock())
    await first.bytes_arrive()
    assert (await first.row()).status == "completed"


# --- reassignment -----------------------------------------------------------------------------------------


async def test_who_starts_offline_keeps_the_job_and_the_new_technician_is_called_off(
    database: Database, company: Company, clock: Clock
) -> None:
    a = await dispatched_job(database, company, clock)
    mate = await beside(a, await colleague(database, company, "T-3"))
    b = await reassign(a, await colleague(database, company))
    await a.do(field_work.travel)  # setting out decides nothing yet
    assert (await b.visit()).status == "dispatched"
    await a.do(field_work.start)
    assert ((await a.visit()).status, (await b.visit()).status) == ("on_site", "withdrawn")
    assert (await mate.visit()).status == "dispatched"
    assert "duplicate_visit" not in await kinds_of_review(database, company)
    async with database.transaction(company.id) as session:
        statement = select(Event.data).where(
            Event.kind == "visit.withdrawn", Event.entity_id == b.visit_id
        )
        (data,) = list(await session.exec(statement))
    assert data["reason"] == "done_by_colleague"


async def test_when_both_have_begun_both_are_kept_and_a_person_decides(
    database: Database, company: Company, clock: Clock
) -> None:
    a = await dispatched_job(database, company, clock)
    b = await reassign(a, await colleague(database, company))
    await b.do(field_work.start)
    await a.do(field_work.start)
    assert ((await a.visit()).status, (await b.visit()).status) == ("on_site", "on_site")
    assert "duplicate_visit" in await kinds_of_review(database, company)


async def test_reassigning_what_somebody_has_moved_meanwhile_is_refused(
    database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    other = await colleague(database, company)
    actor = company.actors["dispatcher"]
    assert job.visit_id is not None
    seen = (await job.visit()).rev
    async with database.transaction(company.id) as session:
        await visits.edit_plan(session, actor, clock(), job.visit_id, seen, {"is_pinned": True})
    with pytest.raises(StaleChange):
        async with database.transaction(company.id) as session:
            await visits.edit_plan(
                session, actor, clock(), job.visit_id, seen, {"technician_id": other.id}
            )


async def test_rejecting_a_visit_that_has_begun_changes_nothing(
    database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    await job.do(field_work.start)
    report = await job.do(field_work.reject, "overload")
    assert [note["code"] for note in report.notes] == ["crossed"]
    assert (await job.visit()).ended_reason is None
    assert await how_often(database, company, "visit.rejected") == 0


# --- times told late --------------------------------------------------------------------------------------


async def told_of(job: Job, step: object, at: datetime) -> None:
    """Report a step that happened at `at`, now."""
    async with job.database.transaction(job.company.id) as session:
        report = await job.report(session)
        report.occurred = Occurrence(at, at, at)
        await step(report)  # type: ignore[operator]


async def test_the_response_is_the_first_arrival_whichever_phone_told_of_it_first(
    crew: Crew, database: Database, company: Company, clock: Clock
) -> None:
    first, second = crew
    clock.now = datetime(2026, 3, 23, 15, 0, tzinfo=UTC)
    await told_of(first, field_work.arrive, datetime(2026, 3, 23, 14, 0, tzinfo=UTC))
    await told_of(second, field_work.arrive, datetime(2026, 3, 23, 10, 0, tzinfo=UTC))
    async with database.transaction(company.id) as session:
        kinds = {one.kind: one for one in await clocks.list_clocks(session, await first.row())}
    assert kinds["response"].stopped_at == datetime(2026, 3, 23, 10, 0, tzinfo=UTC)
    assert kinds["response"].state == "met"


async def test_work_begins_when_it_began_not_when_the_phone_came_back(
    database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    clock.forward(hours=6)
    arrived, started = clock() - timedelta(hours=5), clock() - timedelta(hours=4)
    await told_of(job, field_work.arrive, arrived)
    await told_of(job, field_work.start, started)
    row = await job.row()
    assert row.work_started_at == started
    async with database.transaction(company.id) as session:
        statement = (
            select(Event)
            .where(Event.kind == "work_order.status_changed")
            .order_by(col(Event.id).desc())
            .limit(1)
        )
        changed = (await session.exec(statement)).one()
    assert (changed.data["after"], changed.occurred_at) == ("in_progress", arrived)


async def test_the_same_time_corrected_on_two_phones_is_paid_once(
    database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    await job.do(field_work.start)
    begin = clock()

    async def add(hours: int, corrects: UUID | None = None) -> UUID:
        async with database.transaction(company.id) as session:
            entry = await field_work.add_time(
                await job.report(session),
                kind=TimeKind.WORK,
                from_at=begin,
                to_at=begin + timedelta(hours=hours),
                corrects=corrects,
            )
        return entry.id

    first = await add(8)
    await add(2, corrects=first)
    await add(3, corrects=first)
    async with database.transaction(company.id) as session:
        total = sum(line.amount for line in await session.exec(select(CostLine)))
    assert total == 180


# --- cancelling and closing -------------------------------------------------------------------------------


async def cancel(job: Job) -> WorkOrder:
    async with job.database.transaction(job.company.id) as session:
        return await orders.cancel(
            session, job.company.actors["dispatcher"], job.clock(), job.id, reason="customer"
        )


async def test_a_failure_that_nobody_saw_does_not_count_once_its_job_is_cancelled(
    database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    clock.forward(hours=1)
    await cancel(job)
    async with database.transaction(company.id) as session:
        (failure,) = list(await session.exec(select(Failure)))
        outages = list(await session.exec(select(Outage)))
    assert (failure.exclusion, failure.restored_at) == ("cancelled", failure.detected_at)
    assert outages == []
    assert await how_often(database, company, "visit.withdrawn") == 1


async def test_a_failure_that_was_seen_ends_with_the_cancellation_and_counts(
    database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    await job.do(field_work.start)
    clock.forward(hours=1)
    await cancel(job)
    async with database.transaction(company.id) as session:
        (failure,) = list(await session.exec(select(Failure)))
        (outage,) = list(await session.exec(select(Outage)))
    assert (failure.exclusion, failure.restored_at) == (None, clock())
    assert outage.during.upper == clock()


async def test_a_degraded_outage_ends_with_the_cancellation(
    database: Database, company: Company, clock: Clock
) -> None:
    job = await new_job(database, company, clock, impact=Impact.DEGRADED)
    await cancel(job)  # in the very instant of the report
    async with database.transaction(company.id) as session:
        (outage,) = list(await session.exec(select(Outage)))
    assert outage.during.upper is not None


async def test_another_priority_is_a_fact_and_a_closed_job_takes_none(
    database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    actor = company.actors["dispatcher"]
    await job.do(field_work.start)
    await job.answer_all()
    await job.bytes_arrive()
    await job.declare()
    await job.do(field_work.finish)
    before = await job.row()
    async with database.transaction(company.id) as session:
        await orders.edit_work_order(session, actor, clock(), job.id, before.rev, {"priority": 1})
    after = await job.row()
    assert (after.status, after.facts_rev) == ("completed", before.facts_rev + 1)
    assert after.closure_id != before.closure_id
    async with database.transaction(company.id) as session:
        row = await orders.lock_work_order(session, actor, job.id)
        assert actor.user_id is not None
        await completion.close(session, actor, row, clock(), by=actor.user_id)
    closed = await job.row()
    with pytest.raises(WrongStatus):
        async with database.transaction(company.id) as session:
            await orders.edit_work_order(
                session, actor, clock(), job.id, closed.rev, {"priority": 2}
            )
