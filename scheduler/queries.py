"""Plan runs: asked for, stored with what went in, read. Accepting them is in `accepting`."""

import asyncio
from dataclasses import replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

import zstandard
from sqlmodel import col, select

from fsm import events, jobs
from fsm.actors import Actor
from fsm.database import Session
from fsm.problems import NotFound, Problem
from scheduler.outcome import compared, told_reason, told_shifts
from scheduler.problem import DayProblem, Plan, Unplanned, plan_from_json, problem_from_json
from scheduler.reasons import Explainer, Reason
from scheduler.scope import Options, to_stored
from scheduler.tables import PlanKind, PlanRun

SOLVE = "plan.solve"
"""Name of the job that solves a run."""


class PlanNotReady(Problem):
    """The plan is still being made, failed, was accepted before, or only supposes something."""

    code, status, title = "plan-not-ready", 409, "This plan cannot be accepted now"


async def request_plan(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    starts_on: date,
    ends_on: date,
    seconds: float,
    seed: int,
    engine: str,
    options: Options | None = None,
    day_event_id: UUID | None = None,
) -> PlanRun:
    """Ask for a plan of some days; the worker solves it after the commit.

    What supposes something is a simulation, and never accepted. `day_event_id` is the event that the
    plan answers.
    """
    options = options or Options()
    run = PlanRun(
        tenant_id=actor.tenant_id,
        starts_on=starts_on,
        ends_on=ends_on,
        seconds=seconds,
        seed=seed,
        engine=engine,
        kind=PlanKind.SIMULATION if options.supposed else PlanKind.PLAN,
        options=to_stored(options),
        day_event_id=day_event_id,
        requested_by=actor.name,
        requested_at=now,
    )
    session.add(run)
    await session.flush()
    await events.record(
        session,
        actor,
        "plan.requested",
        "plan_run",
        run.id,
        now=now,
        starts_on=starts_on.isoformat(),
        ends_on=ends_on.isoformat(),
    )
    await jobs.enqueue(session, SOLVE, actor.tenant_id, priority=10, run_id=str(run.id))
    return run


async def find_run(session: Session, actor: Actor, run_id: UUID) -> PlanRun:
    statement = select(PlanRun).where(PlanRun.tenant_id == actor.tenant_id, PlanRun.id == run_id)
    return await session.found(statement, f"No plan {run_id}.")


async def lock_run(session: Session, actor: Actor, run_id: UUID) -> PlanRun:
    statement = (
        select(PlanRun)
        .where(PlanRun.tenant_id == actor.tenant_id, PlanRun.id == run_id)
        .with_for_update()
    )
    return await session.found(statement, f"No plan {run_id}.")


async def list_runs(
    session: Session, actor: Actor, *, limit: int, after: UUID | None = None
) -> list[PlanRun]:
    """Return runs, newest first."""
    statement = (
        select(PlanRun)
        .where(PlanRun.tenant_id == actor.tenant_id)
        .order_by(col(PlanRun.id).desc())
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(PlanRun.id < after)
    return list(await session.exec(statement))


def stored_problem(run: PlanRun) -> DayProblem:
    """Return the inputs of a run that was solved."""
    assert run.inputs is not None
    return problem_from_json(zstandard.decompress(run.inputs))


def stored_plan(run: PlanRun) -> Plan:
    """Return the plan of a run that was solved, as the engine wrote it."""
    assert run.plan is not None
    return plan_from_json(zstandard.decompress(run.plan))


async def explain_one(
    session: Session, actor: Actor, run_id: UUID, work_order_id: UUID
) -> dict[str, Any]:
    """Return why a plan leaves a job out, looked at in full, as the plan would tell it; and shift by shift.

    Also in a plan that had the time for a brief reason only. A job that the plan makes is `NotFound` here.
    """
    run = await find_run(session, actor, run_id)
    if run.plan is None or run.result is None:
        raise PlanNotReady(
            f"Plan {run.id} is {run.status}; only a plan that is there has reasons.",
            plan_status=run.status,
            failure=run.failure,
        )
    asked = str(work_order_id)
    told = [each for each in run.result["unplanned"] if each["work_order_id"] == asked]
    if not told:
        raise NotFound(f"Plan {run.id} leaves no work order {work_order_id} out.")
    problem, plan = stored_problem(run), stored_plan(run)
    out = {each.visit: each for each in plan.unplanned}
    # Of a plan's visits a job's first leg has its id; visits that were there before have their own.
    key = told[0].get("key") or asked
    if key not in out:
        return {**told[0], "shifts": []}
    reason, shifts = await asyncio.to_thread(_looked_at, problem, plan, out[key])
    partners = {*reason.partners, *told[0].get("partners", ())}
    reason = replace(reason, among=told[0].get("among"), partners=tuple(sorted(partners)))
    return {**told_reason(reason, asked, told[0]["number"]), "shifts": shifts}


def _looked_at(
    problem: DayProblem, plan: Plan, left_out: Unplanned
) -> tuple[Reason, list[dict[str, Any]]]:
    explainer = Explainer(problem, plan)
    return explainer.reason(left_out), told_shifts(explainer.day, explainer.shifts(left_out))


async def compare_runs(
    session: Session, actor: Actor, run_id: UUID, other_id: UUID
) -> list[dict[str, Any]]:
    """Return what is otherwise in a run's plan than in another's, for the work that both plan."""
    run, other = [await find_run(session, actor, each) for each in (run_id, other_id)]
    for one in (run, other):
        if one.plan is None:
            raise PlanNotReady(
                f"Plan {one.id} is {one.status}; only plans that are there can be compared.",
                plan_status=one.status,
                failure=one.failure,
            )
    return compared(
        stored_problem(run), stored_plan(run), stored_problem(other), stored_plan(other)
    )
