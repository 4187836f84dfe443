"""Preventive work is ordered once, whoever generates and however often, and follows its plan."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy.dialects.postgresql import Range
from sqlmodel import select

from fsm.assets import meters
from fsm.assets import queries as assets
from fsm.assets.tables import Asset
from fsm.checklists.tables import ChecklistTemplate, ChecklistVersion
from fsm.checklists.templates import publish
from fsm.contracts.tables import Contract, ContractAsset
from fsm.database import Database, as_problem
from fsm.maintenance.tables import MaintenanceOccurrence
from fsm.problems import Conflict
from fsm.work_orders import orders, visits
from fsm.work_orders.tables import WorkOrder
from fsm.worker import ROUNDS, Tools
from scheduler.day_problem import build_day
from tests.company import CHECKLIST, Company
from tests.conftest import Clock
from tests.fsm.maintenance.upkeep import MONTHLY, OCCURRENCES, Desk


async def dispatch(desk: Desk, work_order: WorkOrder) -> None:
    """Send the technician for a job."""
    now = desk.clock()
    async with desk.database.transaction(desk.company.id) as session:
        (visit,) = await visits.plan_visits(
            session,
            desk.company.system,
            now,
            [
                visits.NewVisit(
                    work_order.id,
                    desk.company.technician.id,
                    now + timedelta(hours=1),
                    now + timedelta(hours=2),
                )
            ],
        )
        await visits.dispatch(session, desk.company.system, now, visit.id)


async def test_a_month_end_is_ordered_under_the_contract_of_its_day(desk: Desk) -> None:
    """The contract begins after the order is made and before the work is due."""
    company = desk.company
    async with desk.database.transaction(company.id) as session:
        contract = Contract(
            tenant_id=company.id,
            customer_id=company.customer.id,
            number="K-2",
            kind="subscription",
            starts_on=date(2026, 3, 30),
            service_level_id=company.service_level.id,
            covers={"maintenance": ["preventive"]},
            created_at=desk.clock(),
        )
        session.add(contract)
        await session.flush()
        session.add(
            ContractAsset(
                tenant_id=company.id,
                contract_id=contract.id,
                asset_id=company.asset.id,
                during=Range(date(2026, 3, 30), None),
            )
        )
    await desk.plan(**MONTHLY, early_days=4, late_days=5)
    await desk.generate()
    (job,) = await desk.jobs()
    due_at = datetime(2026, 3, 31, 7, tzinfo=UTC)  # nine o'clock in summer time
    assert (job.contract_id, job.maintenance, job.title) == (
        contract.id,
        "preventive",
        "Service monthly",
    )
    assert (job.respond_by, job.restore_by) == (None, due_at + timedelta(days=5))
    assert (job.estimate_s, job.priority, job.failure_id) == (5_400, 4, None)
    assert job.reported_at == desk.clock()
    (row,) = await desk.rows()
    assert (row.due_at, row.earliest_at) == (due_at, due_at - timedelta(days=4))
    assert (row.interval_s, row.cause) == (30 * 86_400, "calendar")
    listed = (await desk.occurrences())["2026-03-31"]
    assert listed["number"] == job.number
    assert listed["said"]["en"] == f"Due on 2026-03-31, in time until 2026-04-05: job {job.number}."
    assert "допустимо до 2026-04-05" in listed["said"]["ru"]


async def test_any_number_of_workers_order_each_occurrence_once(desk: Desk) -> None:
    """Seven assets of a model, a series of two plans, four workers at once, and twice over."""
    company = desk.company
    async with desk.database.transaction(company.id) as session:
        for number in range(2, 8):
            session.add(
                Asset(
                    tenant_id=company.id,
                    customer_id=company.customer.id,
                    site_id=company.site.id,
                    model_id=company.model.id,
                    number=f"A-{number}",
                    name="Lift",
                    in_service_from=datetime(2025, 1, 1, tzinfo=UTC),
                    created_at=desk.clock(),
                )
            )
    for_model = {"model_id": str(company.model.id), "starts_on": "2026-03-24", "lead_days": 20}
    await desk.plan("week", trigger="calendar", rule="FREQ=WEEKLY", series="s", **for_model)
    await desk.plan(
        "month", trigger="calendar", rule="FREQ=MONTHLY", series="s", size=4, **for_model
    )
    await desk.generate(times=4)
    rows = await desk.rows()
    jobs = await desk.jobs()
    # 24 and 31 March, 7 April by the week; the 24th by the month, which covers the week's.
    assert len(rows) == 7 * 4
    assert len({(row.plan_id, row.asset_id, row.key) for row in rows}) == len(rows)
    assert len(jobs) == 7 * 3
    assert len({job.number for job in jobs}) == len(jobs)
    assert sorted({row.status for row in rows}) == ["covered", "ordered"]
    await desk.generate(times=4)
    assert [row.model_dump() for row in await desk.rows()] == [row.model_dump() for row in rows]
    assert await desk.jobs() == jobs
    # The database holds it too, whatever the code does.
    again = {**rows[0].model_dump(exclude={"id", "work_order_id"}), "status": "expected"}
    again["covered_by_id"] = None
    with pytest.raises(
        Exception, match="maintenance_occurrence_plan_id_asset_id_key_key"
    ) as caught:
        async with desk.database.transaction(desk.company.id) as session:
            session.add(MaintenanceOccurrence(**again))
    assert isinstance(as_problem(caught.value), Conflict)


async def test_a_changed_plan_changes_only_what_nobody_was_sent_for(desk: Desk) -> None:
    plan = await desk.plan(
        trigger="calendar", rule="FREQ=WEEKLY;BYDAY=TU", starts_on="2026-03-24", lead_days=10
    )
    await desk.generate()
    assert await desk.outcome() == {"2026-03-24": "ordered", "2026-03-31": "ordered"}
    sent, open_one = await desk.job_of("2026-03-24"), await desk.job_of("2026-03-31")
    await dispatch(desk, sent)
    plan = await desk.edit(plan, name="Weekly look", due_time="14:00", estimate_s=600)
    await desk.generate()
    same = await desk.job_of("2026-03-31")
    assert (same.id, same.title, same.estimate_s) == (open_one.id, "Weekly look", 600)
    assert (await desk.occurrences())["2026-03-31"]["due_at"].startswith("2026-03-31T12:00")
    assert (await desk.job_of("2026-03-24")).title == "Service monthly"
    assert (await desk.occurrences())["2026-03-24"]["due_at"].startswith("2026-03-24T08:00")
    plan = await desk.edit(plan, rule="FREQ=WEEKLY;BYDAY=WE")
    await desk.generate()
    assert await desk.outcome() == {
        "2026-03-24": "ordered",
        "2026-03-25": "ordered",
        "2026-03-31": "withdrawn",
        "2026-04-01": "ordered",
    }
    statuses = {job.id: (job.status, job.cancel_reason) for job in await desk.jobs()}
    assert statuses[open_one.id] == ("cancelled", "maintenance")
    assert statuses[sent.id] == ("dispatched", None)
    await desk.edit(plan, is_active=False)
    await desk.generate()
    assert (await desk.outcome())["2026-04-01"] == "withdrawn"
    assert (await desk.outcome())["2026-03-24"] == "ordered"


async def test_another_type_of_work_is_another_job_and_a_retired_asset_owes_none(
    desk: Desk,
) -> None:
    plan = await desk.plan(**MONTHLY)
    await desk.generate()
    (before,) = await desk.jobs()
    answer = await desk.ask(
        "POST",
        "/api/work-types",
        {
            "code": "test",
            "name": "Test",
            "names": {"en": "Test"},
            "request_class": "service_request",
            "maintenance": "preventive",
        },
        role="administrator",
    )
    assert answer.status_code == 201
    await desk.edit(plan, work_type="test")
    await desk.generate(times=2)
    jobs = {job.id: job.status for job in await desk.jobs()}
    after = await desk.job_of("2026-03-31")
    assert jobs == {before.id: "cancelled", after.id: "open"}
    assert after.work_type_id != before.work_type_id
    async with desk.database.transaction(desk.company.id) as session:
        asset = await assets.find_asset(session, desk.company.system, desk.company.asset.id)
        await assets.retire(
            session,
            desk.company.system,
            desk.clock(),
            asset.id,
            asset.rev,
            retired_at=desk.clock(),
            with_parts=False,
        )
    await desk.generate()
    assert await desk.outcome() == {"2026-03-31": "withdrawn"}


async def test_the_yearly_service_covers_the_monthly_one_and_gives_it_back(desk: Desk) -> None:
    await desk.plan(**MONTHLY, series="lift")
    await desk.generate()
    (monthly_job,) = await desk.jobs()
    yearly = await desk.plan(
        "yearly",
        trigger="calendar",
        rule="FREQ=YEARLY;BYMONTH=4;BYMONTHDAY=2",
        starts_on="2026-01-01",
        series="lift",
        size=12,
        early_days=7,
    )
    await desk.generate()
    assert await desk.outcome() == {"2026-03-31": "covered", "2026-04-02": "ordered"}
    covered = (await desk.occurrences())["2026-03-31"]
    large = await desk.job_of("2026-04-02")
    assert covered["number"] == large.number
    assert covered["said"]["en"] == (
        f"Due on 2026-03-31; the larger service of job {large.number} covers it."
    )
    assert [job.status for job in await desk.jobs() if job.id == monthly_job.id] == ["cancelled"]
    await desk.edit(yearly, is_active=False)
    await desk.generate()
    assert await desk.outcome() == {"2026-03-31": "ordered", "2026-04-02": "withdrawn"}
    assert (await desk.job_of("2026-03-31")).status == "open"


async def test_what_nobody_was_sent_for_before_the_next_is_missed(desk: Desk) -> None:
    await desk.plan(trigger="calendar", rule="FREQ=WEEKLY", starts_on="2026-03-24", lead_days=2)
    await desk.generate()
    first = await desk.job_of("2026-03-24")
    desk.clock.now = datetime(2026, 3, 31, 8, tzinfo=UTC)
    await desk.generate()
    assert await desk.outcome() == {"2026-03-24": "missed", "2026-03-31": "ordered"}
    assert {job.id: job.status for job in await desk.jobs()}[first.id] == "cancelled"


async def test_the_offices_cancellation_and_a_skip_stay_in_the_figures(desk: Desk) -> None:
    await desk.plan(trigger="calendar", rule="FREQ=WEEKLY", starts_on="2026-03-24", lead_days=10)
    await desk.generate()
    async with desk.database.transaction(desk.company.id) as session:
        job = await desk.job_of("2026-03-24")
        await orders.cancel(session, desk.company.system, desk.clock(), job.id, reason="customer")
    second = (await desk.occurrences())["2026-03-31"]
    skipping = f"{OCCURRENCES}/{second['id']}/skipping"
    answer = await desk.ask("POST", skipping, {"reason": "customer"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["said"]["en"] == "Was due on 2026-03-31 and was skipped: customer."
    await desk.generate(times=2)
    assert await desk.outcome() == {"2026-03-24": "skipped", "2026-03-31": "skipped"}
    assert [job.status for job in await desk.jobs()] == ["cancelled", "cancelled"]
    again = await desk.ask("POST", skipping, {"reason": "customer"})
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    await desk.plan("yearly", trigger="calendar", rule="FREQ=YEARLY", starts_on="2026-03-25")
    await desk.generate()
    job = await desk.job_of("2026-03-25")
    await dispatch(desk, job)
    sent = (await desk.occurrences())["2026-03-25"]
    refused = await desk.ask("POST", f"{OCCURRENCES}/{sent['id']}/skipping", {"reason": "customer"})
    assert (refused.status_code, refused.json()["work_order_id"]) == (409, str(job.id))


async def test_a_reading_moves_the_order_of_a_counter_over_resets_and_rollovers(
    desk: Desk,
) -> None:
    company, now = desk.company, desk.clock()

    async def read(days: int, value: int, **how: Any) -> None:
        at = now + timedelta(days=days)
        desk.clock.now = max(desk.clock.now, at)
        async with desk.database.transaction(company.id) as session:
            await meters.add_reading(
                session,
                company.system,
                desk.clock(),
                company.meter.id,
                read_at=at,
                value=Decimal(value),
                **how,
            )

    async with desk.database.transaction(company.id) as session:
        await meters.edit_meter(
            session, company.system, now, company.meter.id, 1, {"rollover_at": Decimal(1_000)}
        )
    await read(-20, 700)
    await read(-10, 900)
    await read(0, 100, is_rollover=True)  # 1,100 in all, 20 a day
    await desk.plan(
        "hours",
        trigger="meter",
        meter_code="hours",
        every_units="400",
        starts_on="2026-01-01",
        units_a_day="5",
    )
    await desk.generate()
    (row,) = await desk.rows()
    assert row.meter_total == 1_200
    assert row.due_at == now + timedelta(days=5)
    assert row.due_lo_at < row.due_at
    job = await desk.job_of("#1")
    await read(2, 10, is_reset=True)  # 1,110: less than it ran
    await desk.generate()
    (moved,) = await desk.rows()
    assert (moved.id, moved.work_order_id) == (row.id, job.id)
    assert moved.due_at > now + timedelta(days=6)
    assert (await desk.job_of("#1")).restore_by == moved.latest_at
    listed = (await desk.occurrences())["#1"]
    assert listed["cause"] == "meter"


async def test_a_plans_own_checklist_goes_before_the_assigned_ones(desk: Desk) -> None:
    company = desk.company
    document = {**CHECKLIST, "template_id": "yearly"}
    template = publish(document)
    async with desk.database.transaction(company.id) as session:
        row = ChecklistTemplate(tenant_id=company.id, code="yearly", name="Yearly")
        session.add(row)
        await session.flush()
        version = ChecklistVersion(
            tenant_id=company.id,
            template_id=row.id,
            version=1,
            sha256=template.sha256,
            rules_sha256=template.rules_sha256,
            body=document,
            published_at=desk.clock(),
        )
        session.add(version)
    await desk.plan(**MONTHLY, checklist_template_id=str(row.id))
    await desk.generate()
    await dispatch(desk, await desk.job_of("2026-03-31"))
    assert (await desk.job_of("2026-03-31")).checklist_version_id == version.id


async def test_dispatch_and_a_changed_plan_take_turns(desk: Desk) -> None:
    """Whichever comes first, a job is never both sent out and taken back."""
    plan = await desk.plan(**MONTHLY)
    await desk.generate()
    job = await desk.job_of("2026-03-31")
    await desk.edit(plan, is_active=False)
    await asyncio.gather(desk.generate(), dispatch(desk, job), return_exceptions=True)
    await desk.generate()
    after = (await desk.jobs())[0]
    outcome = (await desk.outcome())["2026-03-31"]
    assert (after.status, outcome) in (("dispatched", "ordered"), ("cancelled", "withdrawn"))


async def test_the_workers_round_generates_for_every_company(
    desk: Desk, stranger: Company, clock: Clock, database: Database
) -> None:
    await desk.plan(**MONTHLY)
    tools = Tools(stranger.settings, database, None, clock)  # type: ignore[arg-type]
    await ROUNDS["generate preventive work"].work(tools)
    assert await desk.outcome() == {"2026-03-31": "ordered"}
    async with database.transaction(stranger.id) as session:
        assert (await session.exec(select(MaintenanceOccurrence.id))).all() == []


async def test_the_planner_sends_nobody_before_work_is_in_time(desk: Desk) -> None:
    await desk.plan(**MONTHLY, early_days=4)
    await desk.generate()
    now = desk.clock()
    async with desk.database.transaction(desk.company.id) as session:

        async def window(days: int) -> list[datetime]:
            ends_on = now.date() + timedelta(days=days)
            day = await build_day(
                session, desk.company.system, starts_on=now.date(), ends_on=ends_on, now=now
            )
            return [day.instant(visit.windows[0][0]) for visit in day.problem.visits]

        assert await window(2) == []
        assert await window(7) == [datetime(2026, 3, 27, 7, tzinfo=UTC)]
