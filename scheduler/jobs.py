"""Solving a run in the background: rows to a problem, the engine in a child process, the plan stored.

Each step is a transaction of its own, so that nothing is locked while the engine searches.
"""

import asyncio
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import zstandard
from sqlmodel import col, select

from fsm import events
from fsm.actors import Actor, system_actor
from fsm.database import Database
from fsm.jobs import Job
from scheduler import child
from scheduler.day import Day, TooManyPlaces
from scheduler.day_events import happened_of
from scheduler.day_problem import build_day
from scheduler.outcome import outcome
from scheduler.problem import ProblemInvalid, digest, to_json
from scheduler.queries import lock_run
from scheduler.runs import take_up
from scheduler.scope import from_stored
from scheduler.tables import PlanRun, PlanStatus
from scheduler.versions import versions

LOST_AFTER = timedelta(minutes=10)
"""A run that has been solving for longer lost its worker; the next attempt takes it over."""

BROKEN = "The planner broke on this problem. The operator finds the reason in the worker's log."


async def solve_plan(database: Database, job: Job, now: datetime) -> None:
    """Solve a requested run; running it twice solves it once."""
    actor = system_actor(job.tenant_id, "planner")
    run_id = UUID(job.data["run_id"])
    async with database.transaction(job.tenant_id) as session:
        run = await lock_run(session, actor, run_id)
        if not take_up(run, now, lost_after=LOST_AFTER):
            return
        options = from_stored(run.options)
    try:
        async with database.transaction(job.tenant_id) as session:
            day = await build_day(
                session,
                actor,
                starts_on=run.starts_on,
                ends_on=run.ends_on,
                now=now,
                options=options,
            )
            happened = await happened_of(session, actor, day, run.day_event_id)
    except TooManyPlaces as error:
        await _store(database, actor, run_id, now, None, error.detail)
        return
    try:
        solved = await child.solve(
            day.problem,
            seconds=run.seconds if options.iterations is None else None,
            iterations=options.iterations,
            seed=run.seed,
            engine=run.engine,
        )
    except (ProblemInvalid, child.SolverFailed) as error:
        await _store(database, actor, run_id, now, day, error.sentence)
        return
    except Exception:
        # Our own bug: the job is kept for the operator, and nobody waits for a plan that will not come.
        await _store(database, actor, run_id, now, day, BROKEN)
        raise
    result = await asyncio.to_thread(outcome, day, solved, happened)
    await _store(database, actor, run_id, now, day, None, solved, result)


async def _store(
    database: Database,
    actor: Actor,
    run_id: UUID,
    now: datetime,
    day: Day | None,
    failure: str | None,
    solved: child.Solved | None = None,
    result: dict[str, Any] | None = None,
) -> None:
    async with database.transaction(actor.tenant_id) as session:
        run = await lock_run(session, actor, run_id)
        run.finished_at = now
        run.failure = failure
        run.status = PlanStatus.FAILED if solved is None else PlanStatus.READY
        if day is not None:
            keep(run, day, solved, result)
        await session.flush()
        await events.record(
            session,
            actor,
            "plan.solved" if solved else "plan.failed",
            "plan_run",
            run.id,
            now=now,
            inputs_sha256=run.inputs_sha256,
            unplanned=len(run.result["unplanned"]) if run.result else None,
        )


def keep(
    run: PlanRun, day: Day, solved: child.Solved | None, result: dict[str, Any] | None
) -> None:
    """Write into a run what was asked and what came of it."""
    run.inputs = zstandard.compress(to_json(day.problem))
    run.inputs_sha256 = digest(day.problem)
    run.versions = versions()
    run.weights_version = day.weights_version
    run.result = result
    if solved is not None:
        run.plan = zstandard.compress(to_json(solved.plan))
        run.log = {"plan": solved.plan.problem, "costs": solved.plan.costs.total}


async def list_unsolved(database: Database, tenant_id: UUID) -> list[UUID]:
    """Return the runs that still wait for the worker, oldest first."""
    async with database.transaction(tenant_id) as session:
        statement = (
            select(PlanRun.id)
            .where(
                PlanRun.tenant_id == tenant_id,
                col(PlanRun.status).in_([PlanStatus.QUEUED, PlanStatus.SOLVING]),
            )
            .order_by(col(PlanRun.id))
        )
        return list(await session.exec(statement))
