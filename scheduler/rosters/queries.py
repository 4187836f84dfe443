"""Rosters: asked for, read, changed by hand, published as shifts, withdrawn."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import zstandard
from sqlmodel import col, select

from fsm import events, jobs
from fsm.actors import Actor
from fsm.database import Session
from fsm.problems import Invalid, NotFound, Problem, StaleChange
from fsm.technicians.queries import find_technician
from fsm.tenants.queries import find_own_tenant
from scheduler.rosters.checks import breaches
from scheduler.rosters.inputs import list_patterns, rule_set_on
from scheduler.rosters.outcome import burdens_of, outcome, said
from scheduler.rosters.problem import WEEK, Roster, Rostered, RosterProblem, problem_from_json
from scheduler.rosters.tables import (
    DutyState,
    RosterDuty,
    RosterPattern,
    RosterRun,
    RosterStatus,
)

SOLVE = "roster.solve"
"""Name of the job that solves a run."""


class RosterNotReady(Problem):
    """The roster is still being made, failed, or is over."""

    code, status, title = "roster-not-ready", 409, "This cannot be done with the roster now"


class RosterRuleBroken(Problem):
    """A change by hand would break working-time rules; `breaches` says which, in every language."""

    code, status, title = "roster-rule-broken", 409, "A working-time rule does not allow this"


async def request_roster(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    starts_on: date,
    weeks: int,
    seconds: float,
    rounds: int | None,
    seed: int,
    fixed: Sequence[dict[str, Any]],
    from_roster_id: UUID | None,
) -> RosterRun:
    """Ask for a roster; the worker solves it after the commit.

    It begins on the first day of a week. What is fixed in `from_roster_id` stays fixed, unless `fixed` says
    otherwise of that day.
    """
    first = (await rule_set_on(session, actor, starts_on)).week_starts_on
    if starts_on.weekday() != first:
        raise Invalid(
            "A roster begins on the first day of a week, as the company's rules count weeks.",
            errors=[{"at": "/starts_on", "detail": f"must be weekday {first}, 0 is Monday"}],
        )
    last_on = starts_on + timedelta(days=weeks * WEEK - 1)
    patterns = {one.id for one in await list_patterns(session, actor, is_active=True)}
    for number, one in enumerate(fixed):
        if one["pattern_id"] is not None and UUID(one["pattern_id"]) not in patterns:
            raise Invalid(
                "There is no such shift pattern in use.",
                errors=[{"at": f"/fixed/{number}/pattern_id", "detail": "unknown"}],
            )
        if not starts_on <= date.fromisoformat(one["on"]) <= last_on:
            raise Invalid(
                "What is fixed must lie within the roster.",
                errors=[{"at": f"/fixed/{number}/on", "detail": "outside the roster"}],
            )
        await find_technician(session, actor, UUID(one["technician_id"]))
    everything = {(one["technician_id"], one["on"]): one for one in fixed}
    if from_roster_id is not None:
        await find_roster(session, actor, from_roster_id)
        for duty in await list_duties(session, actor, from_roster_id):
            key = (str(duty.technician_id), duty.worked_on.isoformat())
            if duty.is_fixed and starts_on <= duty.worked_on <= last_on:
                everything.setdefault(key, fixed_of(*key, duty.pattern_id))
    run = RosterRun(
        tenant_id=actor.tenant_id,
        starts_on=starts_on,
        weeks=weeks,
        seconds=seconds,
        rounds=rounds,
        seed=seed,
        lead={"fixed": list(everything.values())},
        requested_by=actor.name,
        requested_at=now,
    )
    session.add(run)
    await session.flush()
    await events.record(
        session,
        actor,
        "roster.requested",
        "roster_run",
        run.id,
        now=now,
        starts_on=starts_on.isoformat(),
        weeks=weeks,
    )
    await jobs.enqueue(session, SOLVE, actor.tenant_id, roster_id=str(run.id))
    return run


def fixed_of(technician_id: str, on: str, pattern_id: UUID | None) -> dict[str, Any]:
    return {
        "technician_id": technician_id,
        "on": on,
        "pattern_id": None if pattern_id is None else str(pattern_id),
    }


async def find_roster(session: Session, actor: Actor, roster_id: UUID) -> RosterRun:
    return await _find(session, actor, roster_id, lock=False)


async def lock_roster(session: Session, actor: Actor, roster_id: UUID) -> RosterRun:
    return await _find(session, actor, roster_id, lock=True)


async def _find(session: Session, actor: Actor, roster_id: UUID, *, lock: bool) -> RosterRun:
    statement = select(RosterRun).where(
        RosterRun.tenant_id == actor.tenant_id, RosterRun.id == roster_id
    )
    if lock:
        statement = statement.with_for_update()
    return await session.found(statement, f"No roster {roster_id}.")


async def list_rosters(
    session: Session, actor: Actor, *, limit: int, after: UUID | None = None
) -> list[RosterRun]:
    """Return rosters, newest first."""
    statement = (
        select(RosterRun)
        .where(RosterRun.tenant_id == actor.tenant_id)
        .order_by(col(RosterRun.id).desc())
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(RosterRun.id < after)
    return list(await session.exec(statement))


async def list_duties(session: Session, actor: Actor, roster_id: UUID) -> list[RosterDuty]:
    """Return the days of a roster in order of technician and day."""
    statement = (
        select(RosterDuty)
        .where(RosterDuty.tenant_id == actor.tenant_id, RosterDuty.roster_id == roster_id)
        .order_by(col(RosterDuty.technician_id), col(RosterDuty.worked_on))
    )
    return list(await session.exec(statement))


def problem_of(run: RosterRun) -> RosterProblem:
    """Return the problem that a solved run answers."""
    if run.inputs is None:
        raise RosterNotReady(
            f"This roster is {run.status}.", roster_status=run.status, failure=run.failure
        )
    return problem_from_json(zstandard.decompress(run.inputs))


def store_duties(
    session: Session,
    run: RosterRun,
    problem: RosterProblem,
    roster: Roster,
    patterns: Sequence[RosterPattern],
) -> None:
    """Add the rows of a solved roster: its duties, and the days off that are fixed."""
    ids = {one.code: one.id for one in patterns}
    lost = {one.fixed for one in roster.conflicts}
    fixed = {each for each in problem.fixed if each not in lost}
    duties = [*roster.duties, *(each for each in fixed if each.pattern is None)]
    duties.sort(key=lambda each: (each.technician, each.day))
    session.add_all(
        RosterDuty(
            tenant_id=run.tenant_id,
            roster_id=run.id,
            technician_id=UUID(each.technician),
            worked_on=run.starts_on + timedelta(days=each.day),
            pattern_id=None if each.pattern is None else ids[problem.patterns[each.pattern].id],
            is_fixed=each in fixed,
            is_weekend=burdens["weekend"] is not None,
            is_night=burdens["is_night"],
            is_undesired=burdens["is_undesired"],
        )
        for each, burdens in zip(duties, burdens_of(problem, duties), strict=True)
    )


def rostered(
    problem: RosterProblem, run: RosterRun, duties: Iterable[RosterDuty], codes: dict[UUID, str]
) -> list[Rostered]:
    """Return rows as duties of the problem; days off are left out, and patterns it does not know."""
    numbers = {one.id: number for number, one in enumerate(problem.patterns)}
    return sorted(
        Rostered(
            str(one.technician_id),
            (one.worked_on - run.starts_on).days,
            numbers[codes[one.pattern_id]],
        )
        for one in duties
        if one.pattern_id is not None and codes.get(one.pattern_id) in numbers
    )


async def set_duty(
    session: Session,
    actor: Actor,
    now: datetime,
    roster_id: UUID,
    *,
    rev: int | None,
    technician_id: UUID,
    on: date,
    pattern_id: UUID | None,
    is_fixed: bool,
) -> RosterRun:
    """Give a technician other hours on a day of a roster that is ready, or a day off.

    What the rules do not allow is refused with the sentences; nothing is changed then. `is_fixed` keeps the
    day as it is when the roster is solved again.
    """
    run = await lock_roster(session, actor, roster_id)
    if run.status != RosterStatus.READY:
        raise RosterNotReady(
            f"This roster is {run.status}; only one that is ready can be changed by hand.",
            roster_status=run.status,
        )
    if rev is not None and rev != run.rev:
        raise StaleChange(
            "Somebody else changed this roster since you read it. Read it again.", rev=run.rev
        )
    problem = problem_of(run)
    tenant = await find_own_tenant(session, actor.tenant_id)
    day = (on - run.starts_on).days
    if not 0 <= day < problem.days or on <= now.astimezone(ZoneInfo(tenant.zone)).date():
        raise Invalid(
            "Only days of the roster that are still to come can be changed.",
            errors=[{"at": "/on", "detail": "not a day to come of this roster"}],
        )
    patterns = {one.id: one for one in await list_patterns(session, actor)}
    if pattern_id is not None and pattern_id not in patterns:
        raise NotFound(f"No shift pattern {pattern_id}.")
    codes = {one.id: one.code for one in patterns.values()}
    if str(technician_id) not in {one.id for one in problem.technicians}:
        raise NotFound(f"The technician {technician_id} is not in this roster.")
    known = {one.id: number for number, one in enumerate(problem.patterns)}
    if pattern_id is not None and codes[pattern_id] not in known:
        raise Invalid(
            "This roster was made without that shift pattern.",
            errors=[{"at": "/pattern_id", "detail": "not among the roster's patterns"}],
        )
    rows = await list_duties(session, actor, roster_id)
    changed = next(
        (one for one in rows if (one.technician_id, one.worked_on) == (technician_id, on)), None
    )
    others = rostered(problem, run, (one for one in rows if one is not changed), codes)
    duties = others
    if pattern_id is not None:
        added = Rostered(str(technician_id), day, known[codes[pattern_id]])
        before = breaches(problem, others, only=[added.technician])
        broken = [
            one
            for one in breaches(problem, [*others, added], only=[added.technician])
            if one not in before
        ]
        if broken:
            sentences = said(problem, broken)
            raise RosterRuleBroken(
                " ".join(one["said"]["en"] for one in sentences), breaches=sentences
            )
        duties = sorted([*others, added])
    await _store_change(
        session, run, problem, changed, technician_id, on, pattern_id, known, codes, is_fixed
    )
    result = await asyncio.to_thread(outcome, problem, duties)
    run.result = {**result, "conflicts": (run.result or {}).get("conflicts", [])}
    run.rev += 1
    await session.flush()
    await events.record(
        session,
        actor,
        "roster.changed",
        "roster_run",
        run.id,
        now=now,
        technician_id=str(technician_id),
        on=on.isoformat(),
        pattern=None if pattern_id is None else codes[pattern_id],
        is_fixed=is_fixed,
    )
    return run


async def _store_change(
    session: Session,
    run: RosterRun,
    problem: RosterProblem,
    row: RosterDuty | None,
    technician_id: UUID,
    on: date,
    pattern_id: UUID | None,
    known: dict[str, int],
    codes: dict[UUID, str],
    is_fixed: bool,
) -> None:
    """Write one day: a day off that is not fixed has no row."""
    if pattern_id is None and not is_fixed:
        if row is not None:
            await session.delete(row)
        return
    if row is None:
        row = RosterDuty(
            tenant_id=run.tenant_id, roster_id=run.id, technician_id=technician_id, worked_on=on
        )
    pattern = None if pattern_id is None else known[codes[pattern_id]]
    duty = Rostered(str(technician_id), (on - run.starts_on).days, pattern)
    (burdens,) = burdens_of(problem, [duty])
    row.pattern_id, row.is_fixed = pattern_id, is_fixed
    row.is_weekend = burdens["weekend"] is not None
    row.is_night, row.is_undesired = burdens["is_night"], burdens["is_undesired"]
    session.add(row)


async def lock_published(
    session: Session, actor: Actor, first_on: date, last_on: date
) -> list[RosterDuty]:
    """Return and hold the duties in force on some days, in order of technician and day."""
    statement = (
        select(RosterDuty)
        .where(
            RosterDuty.tenant_id == actor.tenant_id,
            RosterDuty.state == DutyState.PUBLISHED,
            RosterDuty.worked_on >= first_on,
            RosterDuty.worked_on <= last_on,
        )
        .order_by(
            col(RosterDuty.technician_id), col(RosterDuty.worked_on), col(RosterDuty.roster_id)
        )
        .with_for_update()
    )
    return list(await session.exec(statement))
