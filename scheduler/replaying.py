"""A stored plan made again from its stored inputs: the same bytes, or which part of it is otherwise."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

import zstandard

from fsm import events, jobs
from fsm.actors import Actor, system_actor
from fsm.database import Database, Session
from fsm.jobs import Job
from fsm.problems import NotFound, Problem
from scheduler import child
from scheduler.engine import NO_TIME
from scheduler.jobs import BROKEN, LOST_AFTER
from scheduler.problem import (
    DayProblem,
    Plan,
    ProblemInvalid,
    digest,
    plan_from_json,
    to_json,
)
from scheduler.queries import PlanNotReady, find_run, lock_run, stored_plan, stored_problem
from scheduler.repair import CUT_SHORT
from scheduler.repair import ENGINE as REPAIR
from scheduler.scope import from_stored
from scheduler.tables import PlanRun
from scheduler.versions import versions

REPLAY: Final = "plan.replay"
"""Name of the job that makes a plan again."""

PARTS: Final = ("problem", "engine", "seed", "routes", "unplanned", "costs", "notes", "steps")

_BY_THE_CLOCK: Final = frozenset({CUT_SHORT, NO_TIME})
"""Notes of plans that a clock cut short, whatever engine made them."""


class NotReplayable(Problem):
    """The plan was made against the clock by an engine that cannot be told what it did."""

    code, status, title = "plan-not-replayable", 409, "This plan cannot be made again"


def differing(plan: Plan, again: Plan) -> list[str]:
    """Return which parts of a plan are otherwise the second time."""
    return [name for name in PARTS if getattr(plan, name) != getattr(again, name)]


def check_is_there(run: PlanRun) -> None:
    """Raise `PlanNotReady` where a run has no plan that could be made again."""
    if run.inputs is None or run.plan is None:
        raise PlanNotReady(
            f"Plan {run.id} is {run.status}; only a plan that is there can be made again.",
            plan_status=run.status,
            failure=run.failure,
        )


def check_is_clockless(run: PlanRun) -> None:
    """Raise `NotReplayable` where a clock ended what made the plan."""
    plan = stored_plan(run)
    iterations = from_stored(run.options).iterations
    is_clockless = plan.engine in ("search", REPAIR) or iterations is not None
    if not is_clockless or not _BY_THE_CLOCK.isdisjoint(plan.notes):
        raise NotReplayable(
            f"Plan {run.id} was made by {plan.engine} and ended by the clock, which cannot be repeated. "
            "Ask for a plan with `iterations`, or with the engine `search` and more time.",
            engine=plan.engine,
        )


@dataclass(frozen=True, slots=True)
class Again:
    """A stored plan, and what its stored inputs give now; both also as they are written."""

    problem: DayProblem
    plan: Plan
    again: Plan
    first: bytes
    second: bytes
    inputs_are_whole: bool
    """Whether the stored inputs still have the digest that they were stored with."""

    @property
    def is_same(self) -> bool:
        return self.first == self.second

    @property
    def differs(self) -> list[str]:
        return differing(self.plan, self.again)


async def made_again(run: PlanRun) -> Again:
    """Make a plan that is there again, in a child process. Raises as `child.replay`."""
    assert run.plan is not None
    first = zstandard.decompress(run.plan)
    problem, plan = stored_problem(run), plan_from_json(first)
    again = await child.replay(problem, plan, iterations=from_stored(run.options).iterations)
    is_whole = digest(problem) == run.inputs_sha256
    return Again(problem, plan, again, first, to_json(again), is_whole)


async def request_replay(
    session: Session, actor: Actor, now: datetime, run_id: UUID
) -> dict[str, Any]:
    """Ask for a plan to be made again; the worker does it after the commit.

    Who asks while it waits for the worker is told of that; after `LOST_AFTER` it is asked for anew.
    """
    run = await lock_run(session, actor, run_id)
    check_is_there(run)
    waiting: dict[str, Any] | None = run.log.get("replay")
    if (
        waiting is not None
        and waiting["status"] == "queued"
        and now - datetime.fromisoformat(waiting["requested_at"]) < LOST_AFTER
    ):
        return waiting
    check_is_clockless(run)
    told = {
        "status": "queued",
        "requested_by": actor.name,
        "requested_at": now.isoformat(),
        "versions": run.versions,
    }
    run.log = {**run.log, "replay": told}
    await session.flush()
    await events.record(session, actor, "plan.replay_requested", "plan_run", run.id, now=now)
    await jobs.enqueue(session, REPLAY, actor.tenant_id, run_id=str(run.id))
    return told


async def find_replay(session: Session, actor: Actor, run_id: UUID) -> Mapping[str, Any]:
    """Return what the last replay came to, or that it still waits for the worker."""
    run = await find_run(session, actor, run_id)
    if "replay" not in run.log:
        raise NotFound(f"Nobody asked for plan {run_id} to be made again.")
    found: Mapping[str, Any] = run.log["replay"]
    return found


async def replay_plan(database: Database, job: Job, now: datetime) -> None:
    """Make a plan again in a child process, and write what came of it beside the plan."""
    actor = system_actor(job.tenant_id, "planner")
    async with database.transaction(job.tenant_id) as session:
        run = await find_run(session, actor, UUID(job.data["run_id"]))
    try:
        found = await _compared(run)
    except Exception:
        # Our own bug: the job is kept for the operator, and nobody waits for an answer that will not come.
        await _store(database, actor, run.id, now, _failed(BROKEN))
        raise
    await _store(database, actor, run.id, now, found)


async def _store(
    database: Database, actor: Actor, run_id: UUID, now: datetime, found: dict[str, Any]
) -> None:
    async with database.transaction(actor.tenant_id) as session:
        run = await lock_run(session, actor, run_id)
        asked = run.log.get("replay", {})
        told = {**asked, **found, "finished_at": now.isoformat(), "versions_now": versions()}
        run.log = {**run.log, "replay": told}
        await session.flush()
        await events.record(
            session,
            actor,
            "plan.replayed",
            "plan_run",
            run.id,
            now=now,
            is_same=told["is_same"],
            differs=told["differs"],
        )


async def _compared(run: PlanRun) -> dict[str, Any]:
    try:
        made = await made_again(run)
    except (ProblemInvalid, child.SolverFailed) as error:
        return _failed(error.sentence)
    return {
        "status": "done",
        "is_same": made.is_same,
        "differs": made.differs,
        "inputs_are_whole": made.inputs_are_whole,
        "plan_sha256": sha256(made.first).hexdigest(),
        "again_sha256": sha256(made.second).hexdigest(),
        "failure": None,
    }


def _failed(failure: str) -> dict[str, Any]:
    return {"status": "failed", "is_same": None, "differs": [], "failure": failure}
