"""Each kind of promise on one job: when it is due, what stops it, what is made of work told late."""

from datetime import UTC, datetime, timedelta

import pytest

from fsm.contracts import versions
from fsm.database import Database
from fsm.events import Occurrence
from fsm.work_orders import clocks, completion, field_work, orders
from fsm.work_orders.tables import Clock as JobClock
from tests.company import EVERY_PROMISE, Company
from tests.conftest import MORNING, Clock
from tests.fsm.work_orders.steps import Job, dispatched_job, plan_and_dispatch

# Reported on Monday at 09:00 in Paris, where the office is open from 9 to 18; UTC as everywhere.
DUE = {
    "response": MORNING + timedelta(hours=1),
    "arrival": MORNING + timedelta(hours=4),
    "restoration": MORNING + timedelta(hours=8),
    "resolution": datetime(2026, 3, 24, 15, tzinfo=UTC),
    "statutory": MORNING + timedelta(hours=48),
}


@pytest.fixture
async def job(database: Database, company: Company, clock: Clock) -> Job:
    """A job on a visit, under a service level with every promise there is."""
    async with database.transaction(company.id) as session:
        await versions.publish_service_level(
            session, company.system, clock(), company.service_level.id, body=EVERY_PROMISE
        )
    return await dispatched_job(database, company, clock)


def h(hours: float) -> datetime:
    return MORNING + timedelta(hours=hours)


async def told(job: Job, step: object, hours: float, doubt_h: float = 0) -> None:
    """Report now a step that happened so many hours after the report, give or take the phone's doubt."""
    at, doubt = h(hours), timedelta(hours=doubt_h)
    async with job.database.transaction(job.company.id) as session:
        report = await job.report(session)
        report.occurred = Occurrence(at, at - doubt, at + doubt)
        await step(report)  # type: ignore[operator]


async def finish(job: Job, hours: float) -> None:
    """Report now that the work was done so many hours after the report, its checklist complete."""
    await job.answer_all()
    await job.declare()
    await told(job, field_work.finish, hours)


async def kinds(job: Job) -> dict[str, JobClock]:
    """Return the job's clocks as they are by now."""
    async with job.database.transaction(job.company.id) as session:
        row = await orders.lock_work_order(session, job.company.system, job.id)
        await clocks.refresh_clocks(session, job.company.system, row, job.clock())
        return {one.kind: one for one in await clocks.list_clocks(session, row)}


async def states(job: Job) -> dict[str, str]:
    return {kind: one.state for kind, one in (await kinds(job)).items()}


async def test_each_promise_has_its_own_clock_and_the_job_shows_what_is_due_next(job: Job) -> None:
    found = await kinds(job)
    assert {kind: one.due_at for kind, one in found.items()} == DUE
    row = await job.row()
    # The request was acknowledged when the job was made of it.
    assert (found["response"].state, row.respond_by) == ("met", DUE["arrival"])
    assert row.restore_by == DUE["restoration"]


async def test_work_told_late_is_judged_by_when_it_was_done(job: Job, clock: Clock) -> None:
    clock.now = h(60)
    late = {"response": "met", **dict.fromkeys(list(DUE)[1:], "breached")}
    assert await states(job) == late
    await told(job, field_work.arrive, 3, doubt_h=0.5)
    await told(job, field_work.start, 3)
    await finish(job, 7)
    found = await kinds(job)
    assert {one.state for one in found.values()} == {"met"}
    stopped = {"arrival": h(3), "restoration": h(7), "resolution": h(7), "statutory": h(7)}
    assert {kind: found[kind].stopped_at for kind in stopped} == stopped
    row = await job.row()
    assert (row.respond_by, row.restore_by) == (DUE["response"], DUE["restoration"])


async def test_an_arrival_that_may_have_been_in_time_or_late_is_disputed(
    job: Job, clock: Clock
) -> None:
    clock.now = h(60)
    await told(job, field_work.arrive, 3.5, doubt_h=1)
    assert (await states(job))["arrival"] == "disputed"


async def test_no_pause_stops_the_period_that_the_law_sets(job: Job, clock: Clock) -> None:
    await told(job, field_work.start, 0)
    await told(job, lambda report: field_work.pause(report, "parts"), 2)
    clock.now = h(24)
    found = await kinds(job)
    assert (found["restoration"].state, found["resolution"].state) == ("paused", "paused")
    assert (found["statutory"].state, found["statutory"].due_at) == ("running", DUE["statutory"])
    assert found["statutory"].elapsed_s == 24 * 3600
    assert (await job.row()).restore_by == DUE["statutory"]
    clock.now = h(49)
    assert (await states(job))["statutory"] == "breached"


async def test_the_work_is_done_with_its_last_visit_though_the_function_was_back_before(
    job: Job, clock: Clock
) -> None:
    clock.now = h(6)
    await told(job, field_work.start, 3)
    await finish(job, 5)
    await plan_and_dispatch(job)
    found = await kinds(job)
    assert (found["restoration"].state, found["resolution"].state) == ("met", "running")
    assert (await job.row()).restore_by == DUE["resolution"]
    clock.now = h(26)
    await told(job, field_work.start, 25)
    await finish(job, 26)
    found = await kinds(job)
    assert (found["restoration"].stopped_at, found["resolution"].stopped_at) == (h(5), h(26))
    assert (found["resolution"].state, found["resolution"].elapsed_s) == ("met", 11 * 3600)


async def test_a_reopened_job_goes_on_with_every_promise_to_have_it_working(
    job: Job, clock: Clock
) -> None:
    await told(job, field_work.start, 1)
    clock.now = h(2)
    await finish(job, 2)
    await job.bytes_arrive()
    assert (await job.row()).status == "completed"
    clock.now = h(3)
    async with job.database.transaction(job.company.id) as session:
        row = await orders.lock_work_order(session, job.company.system, job.id)
        await completion.reopen(session, job.company.system, row, clock(), reason="not_fixed")
    still_open = ("restoration", "resolution", "statutory")
    assert await states(job) == {
        "response": "met", "arrival": "met", **dict.fromkeys(still_open, "running"),
    }  # fmt: skip
