"""What rosters are made of, as people enter it: patterns, rules, terms, wishes, demand by the hour."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlmodel import col, delete, func, select

from fsm import events
from fsm.actors import Actor
from fsm.database import Session, revise
from fsm.problems import Invalid
from fsm.technicians.queries import find_technician, list_skills
from scheduler.rosters.inputs import FULL_WEEK_S
from scheduler.rosters.rule_set import RuleSet, to_stored
from scheduler.rosters.tables import (
    RosterDemand,
    RosterPattern,
    RosterRules,
    RosterTerms,
    RosterWish,
)

# --- patterns ---------------------------------------------------------------------------------------------


async def lock_pattern(session: Session, actor: Actor, pattern_id: UUID) -> RosterPattern:
    statement = (
        select(RosterPattern)
        .where(RosterPattern.tenant_id == actor.tenant_id, RosterPattern.id == pattern_id)
        .with_for_update(key_share=True)
    )
    return await session.found(statement, f"No shift pattern {pattern_id}.")


async def add_pattern(
    session: Session, actor: Actor, now: datetime, values: Mapping[str, Any]
) -> RosterPattern:
    """Create a pattern. Its code and hours stay for good: rosters of the past were made with them."""
    pattern = RosterPattern(tenant_id=actor.tenant_id, **values)
    session.add(pattern)
    await session.flush()
    await events.record(
        session,
        actor,
        "roster_pattern.created",
        "roster_pattern",
        pattern.id,
        now=now,
        code=pattern.code,
    )
    return pattern


async def edit_pattern(
    session: Session,
    actor: Actor,
    now: datetime,
    pattern_id: UUID,
    rev: int | None,
    changes: Mapping[str, Any],
) -> RosterPattern:
    pattern = await lock_pattern(session, actor, pattern_id)
    if revise(pattern, rev, changes):
        await session.flush()
        await events.record(
            session,
            actor,
            "roster_pattern.edited",
            "roster_pattern",
            pattern_id,
            now=now,
            changes=dict(changes),
        )
    return pattern


# --- rules ------------------------------------------------------------------------------------------------


async def set_rules(
    session: Session, actor: Actor, now: datetime, *, effective_on: date, rule_set: RuleSet
) -> RosterRules:
    """Publish a rule set from a day on. Versions are numbered in the order in which they are set."""
    statement = select(func.max(RosterRules.version)).where(
        RosterRules.tenant_id == actor.tenant_id
    )
    last = (await session.exec(statement)).one() or 0
    rules = RosterRules(
        tenant_id=actor.tenant_id,
        version=last + 1,
        effective_on=effective_on,
        body=to_stored(rule_set),
        set_by=actor.name,
        set_at=now,
    )
    session.add(rules)
    await session.flush()
    await events.record(
        session,
        actor,
        "roster_rules.set",
        "tenant",
        actor.tenant_id,
        now=now,
        version=rules.version,
        effective_on=effective_on.isoformat(),
    )
    return rules


async def list_rules(session: Session, actor: Actor) -> list[RosterRules]:
    """Return the versions, the newest first."""
    statement = (
        select(RosterRules)
        .where(RosterRules.tenant_id == actor.tenant_id)
        .order_by(col(RosterRules.version).desc())
        .limit(500)
    )
    return list(await session.exec(statement))


# --- terms ------------------------------------------------------------------------------------------------


async def set_terms(
    session: Session,
    actor: Actor,
    now: datetime,
    technician_id: UUID,
    *,
    week_s: int,
    share_percent: int,
    patterns: Sequence[str] | None,
) -> RosterTerms:
    """Say how many hours a week a technician owes, and which patterns they may be given (None: all)."""
    await find_technician(session, actor, technician_id)
    if patterns is not None:
        await _check_codes(session, actor, patterns)
    terms = await _find_terms(session, actor, technician_id)
    values: dict[str, Any] = {
        "week_s": week_s,
        "share_percent": share_percent,
        "patterns": None if patterns is None else sorted(set(patterns)),
    }
    if terms is None:
        terms = RosterTerms(tenant_id=actor.tenant_id, id=technician_id, **values)
        session.add(terms)
    elif not revise(terms, None, values):
        return terms
    await session.flush()
    await events.record(
        session, actor, "roster_terms.set", "technician", technician_id, now=now, **values
    )
    return terms


async def find_terms(session: Session, actor: Actor, technician_id: UUID) -> RosterTerms:
    """Return a technician's terms, those of a full position where none have been entered."""
    await find_technician(session, actor, technician_id)
    terms = await _find_terms(session, actor, technician_id)
    return terms or RosterTerms(
        tenant_id=actor.tenant_id, id=technician_id, rev=0, week_s=FULL_WEEK_S
    )


async def _find_terms(session: Session, actor: Actor, technician_id: UUID) -> RosterTerms | None:
    statement = (
        select(RosterTerms)
        .where(RosterTerms.tenant_id == actor.tenant_id, RosterTerms.id == technician_id)
        .with_for_update()
    )
    return (await session.exec(statement)).one_or_none()


async def _check_codes(session: Session, actor: Actor, codes: Sequence[str]) -> None:
    statement = select(RosterPattern.code).where(
        RosterPattern.tenant_id == actor.tenant_id, col(RosterPattern.code).in_(codes)
    )
    known = set(await session.exec(statement))
    for number, code in enumerate(codes):
        if code not in known:
            raise Invalid(
                f"There is no shift pattern '{code}'.",
                errors=[{"at": f"/patterns/{number}", "detail": "unknown"}],
            )


# --- wishes -----------------------------------------------------------------------------------------------


async def add_wish(
    session: Session, actor: Actor, now: datetime, values: Mapping[str, Any]
) -> RosterWish:
    await find_technician(session, actor, values["technician_id"])
    wish = RosterWish(tenant_id=actor.tenant_id, **values)
    session.add(wish)
    await session.flush()
    await _record_wish(session, actor, now, "roster_wish.noted", wish)
    return wish


async def list_wishes(
    session: Session,
    actor: Actor,
    first_on: date,
    last_on: date,
    *,
    after: UUID | None = None,
    limit: int = 500,
) -> list[RosterWish]:
    statement = (
        select(RosterWish)
        .where(
            RosterWish.tenant_id == actor.tenant_id,
            RosterWish.wished_on >= first_on,
            RosterWish.wished_on <= last_on,
        )
        .order_by(col(RosterWish.id))
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(RosterWish.id > after)
    return list(await session.exec(statement))


async def remove_wish(session: Session, actor: Actor, now: datetime, wish_id: UUID) -> None:
    statement = (
        select(RosterWish)
        .where(RosterWish.tenant_id == actor.tenant_id, RosterWish.id == wish_id)
        .with_for_update()
    )
    wish = await session.found(statement, f"No wish {wish_id}.")
    await session.delete(wish)
    await session.flush()
    await _record_wish(session, actor, now, "roster_wish.removed", wish)


async def _record_wish(
    session: Session, actor: Actor, now: datetime, kind: str, wish: RosterWish
) -> None:
    await events.record(
        session,
        actor,
        kind,
        "roster_wish",
        wish.id,
        now=now,
        technician_id=str(wish.technician_id),
        on=wish.wished_on.isoformat(),
    )


# --- demand -----------------------------------------------------------------------------------------------


async def set_demand(
    session: Session,
    actor: Actor,
    now: datetime,
    first_on: date,
    last_on: date,
    lines: Sequence[Mapping[str, Any]],
) -> int:
    """Replace what is entered for some days; return how many hours. None: everything is reckoned again."""
    known = {one.code for one in await list_skills(session, actor)}
    for number, line in enumerate(lines):
        if not first_on <= line["wanted_on"] <= last_on:
            raise Invalid(
                "Demand must lie within the days that it is entered for.",
                errors=[{"at": f"/lines/{number}/on", "detail": "outside the days"}],
            )
        if line["skill"] and line["skill"] not in known:
            raise Invalid(
                f"There is no skill '{line['skill']}'.",
                errors=[{"at": f"/lines/{number}/skill", "detail": "unknown"}],
            )
    await session.exec(
        delete(RosterDemand).where(
            col(RosterDemand.tenant_id) == actor.tenant_id,
            col(RosterDemand.wanted_on) >= first_on,
            col(RosterDemand.wanted_on) <= last_on,
        )
    )
    keys = {(one["wanted_on"], one["hour"], one["skill"], one["level"]) for one in lines}
    if len(keys) < len(lines):
        raise Invalid(
            "An hour of a trade and level is entered twice.",
            errors=[{"at": "/lines", "detail": "twice"}],
        )
    session.add_all(RosterDemand(tenant_id=actor.tenant_id, **one) for one in lines)
    await session.flush()
    await events.record(
        session,
        actor,
        "roster_demand.set",
        "tenant",
        actor.tenant_id,
        now=now,
        first_on=first_on.isoformat(),
        last_on=last_on.isoformat(),
        lines=len(lines),
    )
    return len(lines)
