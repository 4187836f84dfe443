"""What dispatchers decide about single visits and jobs: pins with who and when, and terms of planning."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from uuid import UUID

from sqlmodel import col, select

from fsm import events
from fsm.actors import Actor
from fsm.database import Session
from fsm.parts.tables import Part
from fsm.problems import Invalid, NotFound
from fsm.technicians.tables import Technician
from fsm.work_orders import visits
from fsm.work_orders.lifecycle import VisitStatus, WrongStatus
from fsm.work_orders.orders import find_work_order, lock_work_order
from scheduler.tables import Keeps, PlanningTerms, VisitPin

# --- pins -------------------------------------------------------------------------------------------------


async def find_pin(session: Session, actor: Actor, visit_id: UUID) -> VisitPin:
    statement = select(VisitPin).where(
        VisitPin.tenant_id == actor.tenant_id, VisitPin.visit_id == visit_id
    )
    return await session.found(statement, f"Nobody pinned visit {visit_id}.")


async def pin_visit(
    session: Session,
    actor: Actor,
    now: datetime,
    visit_id: UUID,
    *,
    keeps: Keeps,
    reason: str = "",
) -> VisitPin:
    """Pin a visit that has not begun; pinning it again replaces what was kept, by whom and why."""
    _, visit = await visits.lock_visit(session, actor, visit_id)
    if VisitStatus(visit.status) not in visits.NOT_BEGUN:
        raise WrongStatus(
            f"This visit is {visit.status}: only one that has not begun can be pinned.",
            status=visit.status,
        )
    pin = await session.get(VisitPin, (actor.tenant_id, visit_id))
    if pin is None:
        pin = VisitPin(tenant_id=actor.tenant_id, visit_id=visit_id, keeps=keeps)
        session.add(pin)
    pin.keeps, pin.reason = keeps, reason
    pin.set_by, pin.set_at = actor.name, now
    await session.flush()
    await events.record(
        session,
        actor,
        "visit.pinned",
        "visit",
        visit_id,
        now=now,
        keeps=str(keeps),
        reason=reason,
    )
    await visits.edit_plan(session, actor, now, visit_id, None, {"is_pinned": True})
    return pin


async def release_visit(session: Session, actor: Actor, now: datetime, visit_id: UUID) -> None:
    """Let the planner move a visit again; doing it twice is doing it once."""
    _, visit = await visits.lock_visit(session, actor, visit_id)
    if VisitStatus(visit.status) not in visits.NOT_BEGUN:
        raise WrongStatus(
            f"This visit is {visit.status}: its plan can no longer be changed.", status=visit.status
        )
    pin = await session.get(VisitPin, (actor.tenant_id, visit_id))
    if pin is not None:
        await session.delete(pin)
        await session.flush()
    if pin is not None or visit.is_pinned:
        await events.record(session, actor, "visit.released", "visit", visit_id, now=now)
    await visits.edit_plan(session, actor, now, visit_id, None, {"is_pinned": False})


# --- terms ------------------------------------------------------------------------------------------------


async def find_terms(session: Session, actor: Actor, work_order_id: UUID) -> PlanningTerms:
    """Return what a job asks; nothing at all where nobody said."""
    await find_work_order(session, actor, work_order_id)
    terms = await session.get(PlanningTerms, (actor.tenant_id, work_order_id))
    return terms or PlanningTerms(tenant_id=actor.tenant_id, work_order_id=work_order_id)


async def set_terms(
    session: Session,
    actor: Actor,
    now: datetime,
    work_order_id: UUID,
    *,
    required: Sequence[UUID],
    preferred: Sequence[UUID],
    forbidden: Sequence[UUID],
    parts: dict[str, int],
    windows: Sequence[tuple[datetime, datetime]],
    earliest_at: datetime | None,
    drop_cost: int | None = None,
) -> PlanningTerms:
    """Replace what a job asks of its planning. People and parts must be known, windows lie apart."""
    await lock_work_order(session, actor, work_order_id)
    await _check_people(session, actor, {*required, *preferred, *forbidden})
    if set(required) and not set(required) - set(forbidden):
        raise Invalid(
            "Everybody who is required is also forbidden.",
            errors=[{"at": "/required_ids", "detail": "contradicts forbidden_ids"}],
        )
    await _check_parts(session, actor, set(parts))
    ordered = sorted(windows)
    for opens_at, closes_at in ordered:
        if closes_at < opens_at:
            raise Invalid(
                "A window closes after it opens.",
                errors=[{"at": "/windows", "detail": "closes before it opens"}],
            )
    for (_, closes_at), (opens_at, _) in pairwise(ordered):
        if opens_at <= closes_at + timedelta(seconds=1):
            raise Invalid(
                "Windows lie apart from each other.",
                errors=[{"at": "/windows", "detail": "two windows overlap or touch"}],
            )
    terms = await session.get(PlanningTerms, (actor.tenant_id, work_order_id))
    if terms is None:
        terms = PlanningTerms(tenant_id=actor.tenant_id, work_order_id=work_order_id)
        session.add(terms)
    terms.required = [str(each) for each in required]
    terms.preferred = [str(each) for each in preferred]
    terms.forbidden = [str(each) for each in forbidden]
    terms.parts = [{"part": part, "quantity": quantity} for part, quantity in parts.items()]
    terms.windows = [
        {"opens_at": opens_at.isoformat(), "closes_at": closes_at.isoformat()}
        for opens_at, closes_at in ordered
    ]
    terms.earliest_at, terms.drop_cost = earliest_at, drop_cost
    terms.set_by, terms.set_at = actor.name, now
    await session.flush()
    await events.record(
        session,
        actor,
        "planning_terms.set",
        "work_order",
        work_order_id,
        now=now,
        parts=terms.parts,
        windows=terms.windows,
        earliest_at=earliest_at.isoformat() if earliest_at else None,
        drop_cost=drop_cost,
    )
    return terms


async def postpone(
    session: Session, actor: Actor, now: datetime, work_order_id: UUID, earliest_at: datetime
) -> PlanningTerms:
    """Let a job begin no earlier than then; what else it asks stays."""
    await lock_work_order(session, actor, work_order_id)
    terms = await session.get(PlanningTerms, (actor.tenant_id, work_order_id))
    if terms is None:
        terms = PlanningTerms(tenant_id=actor.tenant_id, work_order_id=work_order_id)
        session.add(terms)
    terms.earliest_at = earliest_at
    terms.set_by, terms.set_at = actor.name, now
    await session.flush()
    return terms


async def _check_people(session: Session, actor: Actor, wanted: set[UUID]) -> None:
    statement = select(Technician.id).where(
        Technician.tenant_id == actor.tenant_id, col(Technician.id).in_(wanted)
    )
    known: set[UUID] = set(await session.exec(statement))
    if missing := wanted - known:
        raise NotFound(f"No technician {min(missing)}.")


async def _check_parts(session: Session, actor: Actor, numbers: set[str]) -> None:
    statement = select(Part.number).where(
        Part.tenant_id == actor.tenant_id, col(Part.number).in_(numbers)
    )
    known: set[str] = set(await session.exec(statement))
    if missing := numbers - known:
        raise Invalid(
            f"There is no part {min(missing)}.",
            errors=[{"at": "/parts", "detail": "no such part"}],
        )
