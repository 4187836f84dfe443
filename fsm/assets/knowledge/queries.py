"""Known problems written, approved and looked up. Phones get those of their machines' models."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func
from sqlmodel import col, select

from fsm import events
from fsm.actors import Actor
from fsm.assets import queries as assets
from fsm.assets.knowledge.matching import ranked
from fsm.assets.knowledge.tables import AnswerHelped, HelpedAt, KnownProblem
from fsm.assets.tables import Asset
from fsm.assets.visitor_limits import Limit, check_limits
from fsm.database import Session, revise, touch
from fsm.problems import Conflict


async def list_problems(
    session: Session,
    actor: Actor,
    *,
    model_id: UUID | None,
    only_approved: bool,
    after: UUID | None,
    limit: int,
) -> Sequence[KnownProblem]:
    assets.check_office(actor)
    statement = (
        select(KnownProblem)
        .where(KnownProblem.tenant_id == actor.tenant_id)
        .order_by(col(KnownProblem.id))
        .limit(limit)
    )
    if model_id is not None:
        statement = statement.where(KnownProblem.model_id == model_id)
    if only_approved:
        statement = statement.where(
            KnownProblem.is_active, col(KnownProblem.approved_at).is_not(None)
        )
    if after is not None:
        statement = statement.where(KnownProblem.id > after)
    return (await session.exec(statement)).all()


async def _lock(session: Session, actor: Actor, problem_id: UUID) -> KnownProblem:
    statement = (
        select(KnownProblem)
        .where(KnownProblem.tenant_id == actor.tenant_id, KnownProblem.id == problem_id)
        .with_for_update()
    )
    return await session.found(statement, f"No known problem {problem_id}.")


async def add_problem(
    session: Session, actor: Actor, now: datetime, model_id: UUID, values: dict[str, Any]
) -> KnownProblem:
    await _touch_model(session, actor, model_id)
    assets.check_office(actor)
    problem = KnownProblem(
        tenant_id=actor.tenant_id,
        model_id=model_id,
        written_at=now,
        written_by=actor.name,
        **values,
    )
    session.add(problem)
    await session.flush()
    await _record(session, actor, now, "known_problem.written", problem)
    return problem


async def edit_problem(
    session: Session,
    actor: Actor,
    now: datetime,
    problem_id: UUID,
    rev: int,
    changes: dict[str, Any],
) -> KnownProblem:
    """Change an answer; whoever approved the old one has not approved this."""
    assets.check_office(actor)
    problem = await _lock(session, actor, problem_id)
    revise(problem, rev, changes)
    problem.approved_at = problem.approved_by = None
    problem.written_at, problem.written_by = now, actor.name
    await session.flush()
    await _touch_model(session, actor, problem.model_id)
    await _record(session, actor, now, "known_problem.written", problem)
    return problem


async def approve(
    session: Session, actor: Actor, now: datetime, problem_id: UUID, rev: int
) -> KnownProblem:
    """Stand for an answer as it is in revision `rev`; from now on phones have it."""
    assets.check_office(actor)
    problem = await _lock(session, actor, problem_id)
    if problem.approved_at is not None:
        raise Conflict(f"{problem.approved_by} has already approved this answer.")
    revise(problem, rev, {})
    problem.approved_at, problem.approved_by = now, actor.name
    await session.flush()
    await _touch_model(session, actor, problem.model_id)
    await _record(session, actor, now, "known_problem.approved", problem)
    return problem


async def _touch_model(session: Session, actor: Actor, model_id: UUID) -> None:
    touch(session, await assets.find_model(session, actor, model_id))


async def _record(
    session: Session, actor: Actor, now: datetime, kind: str, problem: KnownProblem
) -> None:
    await events.record(
        session,
        actor,
        kind,
        "known_problem",
        problem.id,
        now=now,
        model_id=str(problem.model_id),
        code=problem.code,
        rev=problem.rev,
    )


async def list_of_asset(session: Session, tenant_id: UUID, asset_id: UUID) -> list[KnownProblem]:
    """Return the approved answers for an asset's model, by code."""
    statement = (
        select(KnownProblem)
        .join(
            Asset,
            (col(Asset.tenant_id) == KnownProblem.tenant_id)
            & (col(Asset.model_id) == KnownProblem.model_id),
        )
        .where(
            KnownProblem.tenant_id == tenant_id,
            Asset.id == asset_id,
            KnownProblem.is_active,
            col(KnownProblem.approved_at).is_not(None),
        )
        .order_by(col(KnownProblem.code))
    )
    return list(await session.exec(statement))


async def list_hints(
    session: Session, actor: Actor, asset_id: UUID, typed: str | None
) -> list[KnownProblem]:
    """Return the approved answers for one of the actor's machines, to customers those with advice.

    Those that fit what is typed, the best first; all of them when nothing is asked for.
    """
    asset = await assets.find_asset(session, actor, asset_id)
    found = await list_of_asset(session, actor.tenant_id, asset.id)
    if actor.customer_id is not None:
        found = [one for one in found if one.advice]
    return found if typed is None else fitting(found, typed)


HELP_LIMITS = (
    Limit("visitor", 10, timedelta(minutes=10)),
    Limit("visitor", 60, timedelta(days=1)),
)
"""How often a stranger may say that advice helped."""


async def note_helped(
    session: Session,
    actor: Actor,
    now: datetime,
    asset_id: UUID,
    problem: KnownProblem,
    place: HelpedAt,
    visitor: str = "",
) -> None:
    """Count that somebody read the advice and reports nothing."""
    limited = {"visitor": visitor}
    await check_limits(
        session, AnswerHelped, "helped_at", HELP_LIMITS, limited, actor.tenant_id, now
    )
    session.add(
        AnswerHelped(
            tenant_id=actor.tenant_id,
            known_problem_id=problem.id,
            asset_id=asset_id,
            place=place,
            visitor=visitor,
            user_id=actor.user_id,
            helped_at=now,
        )
    )


async def count_helped(session: Session, actor: Actor, since: datetime) -> Sequence[Any]:
    """Return (known problem, on passports, on customers' pages, the last time), by known problem."""
    assets.check_office(actor)
    on = col(AnswerHelped.place)
    statement = (
        select(
            AnswerHelped.known_problem_id,
            func.count().filter(on == HelpedAt.PASSPORT),
            func.count().filter(on == HelpedAt.PORTAL),
            func.max(AnswerHelped.helped_at),
        )
        .where(AnswerHelped.tenant_id == actor.tenant_id, AnswerHelped.helped_at >= since)
        .group_by(col(AnswerHelped.known_problem_id))
        .order_by(col(AnswerHelped.known_problem_id))
    )
    return (await session.exec(statement)).all()


def in_language(sentences: dict[str, str], language: str) -> str:
    """Return a sentence in a language, else in English, else in whatever it was written in."""
    return sentences.get(language) or sentences.get("en") or next(iter(sentences.values()), "")


def fitting(problems: Sequence[KnownProblem], typed: str, most: int = 5) -> list[KnownProblem]:
    """Return the known problems that fit what is being typed, the best first."""
    known = [
        (one, one.code, " ".join([*one.titles.values(), *one.answers.values()])) for one in problems
    ]
    return ranked(typed, known, most)
