"""Solving a roster in the background: rows to a problem, a child process, the roster stored.

Each step is a transaction of its own, so that nothing is locked while the engine searches.
"""

from datetime import datetime, timedelta
from importlib.metadata import version
from uuid import UUID

import zstandard
from sqlmodel import col, select

from fsm import events
from fsm.actors import Actor, system_actor
from fsm.database import Database
from fsm.jobs import Job
from scheduler.child import SolverFailed
from scheduler.rosters import child
from scheduler.rosters.inputs import Horizon, build
from scheduler.rosters.problem import RosterInvalid, digest, to_json
from scheduler.rosters.queries import lock_roster, store_duties
from scheduler.rosters.tables import RosterRun, RosterStatus
from scheduler.runs import take_up

LOST_AFTER = timedelta(minutes=30)
"""A run that has been solving for longer lost its worker; the next attempt takes it over."""

BROKEN = "The planner broke on this roster. The operator finds the reason in the worker's log."


async def solve_roster(database: Database, job: Job, now: datetime) -> None:
    """Solve a requested roster; running it twice solves it once."""
    actor = system_actor(job.tenant_id, "planner")
    roster_id = UUID(job.data["roster_id"])
    async with database.transaction(job.tenant_id) as session:
        run = await lock_roster(session, actor, roster_id)
        if not take_up(run, now, lost_after=LOST_AFTER):
            return
    async with database.transaction(job.tenant_id) as session:
        horizon = await build(
            session,
            actor,
            starts_on=run.starts_on,
            weeks=run.weeks,
            fixed=run.lead["fixed"],
            now=now,
        )
    try:
        solved = await child.solve(
            horizon.problem, seconds=run.seconds, rounds=run.rounds, seed=run.seed
        )
    except (RosterInvalid, SolverFailed) as error:
        await _store(database, actor, roster_id, now, horizon, error.sentence)
        return
    except Exception:
        # Our own bug: the job is kept for the operator, and nobody waits for what will not come.
        await _store(database, actor, roster_id, now, horizon, BROKEN)
        raise
    await _store(database, actor, roster_id, now, horizon, None, solved)


async def _store(
    database: Database,
    actor: Actor,
    roster_id: UUID,
    now: datetime,
    horizon: Horizon,
    failure: str | None,
    solved: child.Solved | None = None,
) -> None:
    async with database.transaction(actor.tenant_id) as session:
        run = await lock_roster(session, actor, roster_id)
        if run.status != RosterStatus.SOLVING:
            return  # it was withdrawn meanwhile
        run.inputs = zstandard.compress(to_json(horizon.problem))
        run.inputs_sha256 = digest(horizon.problem)
        run.versions = {name: version(name) for name in ("ortools", "numpy")}
        run.finished_at = now
        run.failure = failure
        if solved is None:
            run.status = RosterStatus.FAILED
        else:
            run.status = RosterStatus.READY
            run.result = solved.result
            store_duties(session, run, horizon.problem, solved.roster, horizon.patterns)
        run.rev += 1
        await session.flush()
        await events.record(
            session,
            actor,
            "roster.solved" if solved else "roster.failed",
            "roster_run",
            run.id,
            now=now,
            inputs_sha256=run.inputs_sha256,
            cost=solved.roster.costs.total if solved else None,
            bound=solved.roster.bound if solved else None,
        )


async def list_unsolved(database: Database, tenant_id: UUID) -> list[UUID]:
    """Return the rosters that still wait for the worker, oldest first."""
    async with database.transaction(tenant_id) as session:
        statement = (
            select(RosterRun.id)
            .where(
                RosterRun.tenant_id == tenant_id,
                col(RosterRun.status).in_([RosterStatus.QUEUED, RosterStatus.SOLVING]),
            )
            .order_by(col(RosterRun.id))
        )
        return list(await session.exec(statement))
