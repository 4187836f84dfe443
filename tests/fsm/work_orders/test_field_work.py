"""From report to closure: what a phone reports, and what becomes of the job."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from sqlmodel import select

from fsm.assets.tables import Failure, Outage
from fsm.database import Database
from fsm.events import Event, find_broken_link, seal
from fsm.problems import Invalid
from fsm.work_orders import clocks, completion, field_work, orders, visits
from fsm.work_orders.closing_sentences import ChecklistIncomplete
from fsm.work_orders.lifecycle import WrongStatus
from fsm.work_orders.records import CostLine, PartUsed, TimeKind
from fsm.work_orders.tables import Impact, Review
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import Job, dispatched_job, new_job, plan_and_dispatch


async def test_an_incident_comes_under_its_contract_with_due_times_in_business_hours(
    database: Database, company: Company, clock: Clock
) -> None:
    clock.now = datetime(2026, 3, 27, 15, 0, tzinfo=UTC)  # Friday 16:00 in Paris
    job = await new_job(database, company, clock)
    row = await job.row()
    paris = ZoneInfo("Europe/Paris")
    assert row.contract_id == company.contract.id
    assert row.respond_by is not None
    assert row.restore_by is not None
    # 2 h on Friday, the rest on Monday after the change to summer time
    assert row.respond_by.astimezone(paris).isoformat() == "2026-03-30T11:00:00+02:00"
    assert row.restore_by.astimezone(paris).isoformat() == "2026-03-30T15:00:00+02:00"


async def test_a_stopped_machine_is_a_failure_with_an_outage_and_a_degraded_one_is_not(
    database: Database, company: Company, clock: Clock
) -> None:
    await new_job(database, company, clock, impact=Impact.STOPPED)
    await new_job(database, company, clock, impact=Impact.DEGRADED)
    await new_job(database, company, clock, impact=Impact.RUNNING)
    async with database.transaction(company.id) as session:
        failures = list(await session.exec(select(Failure)))
        outages = list(await session.exec(select(Outage)))
    assert len(failures) == 1
    assert sorted(outage.is_degraded for outage in outages) == [False, True]
    assert all(outage.during.upper is None for outage in outages)


async def test_dispatch_pins_the_checklist_once_and_gives_each_visit_a_nonce(
    database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    row = await job.row()
    assert row.status == "dispatched"
    assert row.checklist_version_id == company.checklist.id
    assert row.rules_sha256 == company.checklist.rules_sha256
    nonce = (await job.visit()).nonce
    assert nonce is not None
    assert len(nonce) == 32
    await plan_and_dispatch(job)
    assert (await job.row()).checklist_version_id == row.checklist_version_id
    assert (await job.visit()).nonce not in (None, nonce)


async def test_finishing_is_refused_with_exactly_what_is_missing_and_everything_stays(
    database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    await job.do(field_work.start)
    await job.do(field_work.answer, "safe", True)
    with pytest.raises(ChecklistIncomplete) as refused:
        await job.do(field_work.finish)
    assert [(one["at"], one["code"]) for one in refused.value.facts["unmet"]] == [
        ("/items/reading", "required"),
        ("/items/after/photos/0", "photo_missing"),
    ]
    assert (await job.row()).status == "in_progress"
    await job.do(field_work.answer, "reading", 401)
    await job.declare()
    with pytest.raises(ChecklistIncomplete) as refused:
        await job.do(field_work.finish)
    assert [one["code"] for one in refused.value.facts["unmet"]] == ["limit", "photo_pending"]


async def test_work_is_done_while_the_photo_is_on_its_way_and_completed_at_its_last_byte(
    database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    await job.do(field_work.start)
    await job.answer_all()
    photo_id = await job.declare()
    report = await job.do(field_work.finish)
    assert [note["code"] for note in report.notes] == ["photos_pending"]
    row = await job.row()
    assert (row.status, row.completed_at) == ("work_done", None)
    clock.forward(hours=3)
    assert await job.bytes_arrive() == [photo_id]
    row = await job.row()
    assert (row.status, row.completed_at) == ("completed", clock())


async def test_a_photo_that_arrived_before_its_declaration_counts(
    database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    await job.bytes_arrive()
    await job.do(field_work.start)
    await job.answer_all()
    await job.declare()
    await job.do(field_work.finish)
    assert (await job.row()).status == "completed"


async def completed_job(database: Database, company: Company, clock: Clock) -> Job:
    job = await dispatched_job(database, company, clock)
    await job.do(field_work.start)
    await job.answer_all()
    await job.declare()
    clock.forward(minutes=30)
    await job.do(field_work.finish)
    await job.bytes_arrive()
    return job


async def close(job: Job) -> None:
    async with job.database.transaction(job.company.id) as session:
        actor = job.company.actors["dispatcher"]
        row = await orders.lock_work_order(session, actor, job.id)
        assert actor.user_id is not None
        await completion.close(
            session, actor, row, job.clock(), by=actor.user_id, facts_rev=row.facts_rev
        )


async def test_a_later_fact_that_keeps_the_verdict_gets_a_new_closure(
    database: Database, company: Company, clock: Clock
) -> None:
    job = await completed_job(database, company, clock)
    before = await job.row()
    await job.do(field_work.answer, "reading", 130)
    after = await job.row()
    assert (after.status, after.completed_at) == ("completed", before.completed_at)
    assert after.facts_rev == before.facts_rev + 1
    assert after.closure_id != before.closure_id


async def test_a_later_fact_that_leaves_something_unmet_takes_completion_back(
    database: Database, company: Company, clock: Clock
) -> None:
    job = await completed_job(database, company, clock)
    await job.do(field_work.answer, "reading", 500)
    row = await job.row()
    assert (row.status, row.completed_at, row.closure_id) == ("work_done", None, None)
    await job.do(field_work.answer, "reading", 100)
    assert (await job.row()).status == "completed"


async def test_only_a_completed_job_is_closed_and_its_facts_are_then_held(
    database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    await job.do(field_work.start)
    await job.answer_all()
    await job.declare()
    await job.do(field_work.finish)
    with pytest.raises(ChecklistIncomplete):
        await close(job)
    await job.bytes_arrive()
    await close(job)
    row = await job.row()
    assert row.status == "closed"
    async with database.transaction(company.id) as session:
        assert (await job.report(session)).is_held


async def test_closing_what_somebody_else_has_since_changed_is_refused(
    database: Database, company: Company, clock: Clock
) -> None:
    job = await completed_job(database, company, clock)
    async with database.transaction(company.id) as session:
        actor = company.actors["dispatcher"]
        row = await orders.lock_work_order(session, actor, job.id)
        assert actor.user_id is not None
        with pytest.raises(completion.FactsMoved):
            await completion.close(
                session, actor, row, clock(), by=actor.user_id, facts_rev=row.facts_rev - 1
            )


async def test_a_reopened_job_goes_back_to_the_field_and_its_clock_runs_on(
    database: Database, company: Company, clock: Clock
) -> None:
    job = await completed_job(database, company, clock)
    await close(job)
    async with database.transaction(company.id) as session:
        actor = company.actors["dispatcher"]
        row = await orders.lock_work_order(session, actor, job.id)
        await completion.reopen(session, actor, row, clock(), reason="not_fixed")
    row = await job.row()
    assert (row.status, row.closure_id, row.is_rework) == ("in_progress", None, True)
    async with database.transaction(company.id) as session:
        states = {one.kind: one.state for one in await clocks.list_clocks(session, row)}
    assert states["restoration"] == "running"


async def test_the_end_of_the_work_restores_the_function_unless_somebody_knows_better(
    database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    await job.do(field_work.start)
    restored = clock.forward(minutes=20)
    await job.do(
        field_work.record_failure,
        asset_id=company.asset.id,
        restored_at=restored,
        mode="stuck",
        cause="wear",
    )
    clock.forward(minutes=40)
    await job.answer_all()
    await job.declare()
    await job.do(field_work.finish)
    async with database.transaction(company.id) as session:
        (failure,) = list(await session.exec(select(Failure)))
        (outage,) = list(await session.exec(select(Outage)))
        kinds = {one.kind: one for one in await clocks.list_clocks(session, await job.row())}
    assert (failure.restored_at, failure.mode, failure.cause) == (restored, "stuck", "wear")
    assert outage.during.upper == restored
    assert kinds["restoration"].stopped_at == restored
    assert kinds["restoration"].state == "met"


async def test_time_and_parts_cost_what_rates_and_prices_of_the_day_say(
    database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    await job.do(field_work.start)
    begin = clock()
    await job.do(
        field_work.add_time,
        kind=TimeKind.WORK,
        from_at=begin,
        to_at=begin + timedelta(minutes=90),
    )
    await job.do(
        field_work.add_time,
        kind=TimeKind.TRAVEL,
        from_at=begin - timedelta(minutes=30),
        to_at=begin,
    )
    await job.do(field_work.use_part, part_id=company.part.id, quantity=Decimal(2))
    async with database.transaction(company.id) as session:
        lines = {line.kind: line for line in await session.exec(select(CostLine))}
        used = list(await session.exec(select(PartUsed)))
    assert {kind: line.amount for kind, line in lines.items()} == {
        "labour": Decimal("90.00"),
        "travel": Decimal("20.00"),
        "parts": Decimal("24.00"),
    }
    assert {kind: line.payer for kind, line in lines.items()} == {
        "labour": "contract",
        "travel": "contract",
        "parts": "customer",
    }
    assert len(used) == 1


async def test_a_corrected_time_entry_takes_its_cost_back(
    database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    await job.do(field_work.start)
    begin = clock()
    async with database.transaction(company.id) as session:
        report = await job.report(session)
        entry = await field_work.add_time(
            report, kind=TimeKind.WORK, from_at=begin, to_at=begin + timedelta(hours=8)
        )
    await job.do(
        field_work.add_time,
        kind=TimeKind.WORK,
        from_at=begin,
        to_at=begin + timedelta(hours=1),
        corrects=entry.id,
    )
    async with database.transaction(company.id) as session:
        amounts = [line.amount for line in await session.exec(select(CostLine))]
    assert sorted(amounts) == [Decimal("-480.00"), Decimal("60.00"), Decimal("480.00")]


async def test_waiting_for_a_part_stops_the_restoration_clock_alone(
    database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    before = await job.row()
    await job.do(field_work.start)
    await job.do(field_work.pause, "parts")
    assert (await job.row()).restore_by is None
    clock.forward(hours=2)
    await job.do(field_work.resume)
    after = await job.row()
    # 17:00 in Paris before; one of the two hours fits in before 18:00, the other is tomorrow's first
    assert before.restore_by == datetime(2026, 3, 23, 16, 0, tzinfo=UTC)
    assert after.restore_by == datetime(2026, 3, 24, 9, 0, tzinfo=UTC)
    assert after.respond_by == before.respond_by


async def test_a_withdrawn_visit_that_was_made_all_the_same_counts(
    database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    async with database.transaction(company.id) as session:
        assert job.visit_id is not None
        await visits.withdraw(
            session, company.actors["dispatcher"], clock(), job.visit_id, reason="replanned"
        )
    assert (await job.row()).status == "open"
    report = await job.do(field_work.start)
    assert {"code": "late"} in report.notes
    assert (await job.visit()).status == "on_site"
    assert (await job.row()).status == "in_progress"


async def test_work_on_a_cancelled_job_is_kept_and_put_before_a_person(
    database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    await job.do(field_work.start)
    async with database.transaction(company.id) as session:
        await orders.cancel(
            session, company.actors["dispatcher"], clock(), job.id, reason="customer"
        )
    await job.answer_all()
    await job.do(field_work.finish)
    assert (await job.row()).status == "cancelled"
    assert (await job.visit()).status == "finished"
    async with database.transaction(company.id) as session:
        kinds = [review.kind for review in await session.exec(select(Review))]
    assert "work_on_cancelled_job" in kinds


async def test_a_follow_up_lets_a_visit_end_and_the_next_one_carries_the_answers_on(
    database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    await job.do(field_work.start)
    await job.do(field_work.answer, "safe", True)
    await job.do(field_work.request_follow_up, "a roller is missing", [])
    await job.do(field_work.finish)
    assert (await job.row()).status == "in_progress"
    clock.forward(days=1)
    await plan_and_dispatch(job)
    await job.do(field_work.start)
    await job.do(field_work.answer, "reading", 90)
    await job.bytes_arrive()
    await job.declare()
    await job.do(field_work.finish)
    assert (await job.row()).status == "completed"


async def test_a_cancelled_job_takes_no_visit(
    database: Database, company: Company, clock: Clock
) -> None:
    job = await new_job(database, company, clock)
    async with database.transaction(company.id) as session:
        await orders.cancel(
            session, company.actors["dispatcher"], clock(), job.id, reason="customer"
        )
    with pytest.raises(WrongStatus):
        await plan_and_dispatch(job)


async def test_an_item_is_waived_only_where_its_template_lets_the_office(
    database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    async with database.transaction(company.id) as session:
        actor = company.actors["dispatcher"]
        row = await orders.lock_work_order(session, actor, job.id)
        with pytest.raises(Invalid):
            await field_work.waive(session, actor, clock(), row, item="after", reason="no camera")


async def test_everything_that_happened_is_sealed_into_an_unbroken_chain(
    database: Database, company: Company, clock: Clock
) -> None:
    await completed_job(database, company, clock)
    async with database.transaction(company.id) as session:
        there = len(list(await session.exec(select(Event.id))))
        assert await seal(session, company.id, clock()) == there
    async with database.transaction(company.id) as session:
        assert await seal(session, company.id, clock()) == 0
        assert await find_broken_link(session, company.id) is None
