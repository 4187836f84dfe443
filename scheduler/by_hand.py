"""Visits that the API plans and moves plainly, without a look at the day: links between jobs are told of.

A person may decide against a link, with a reason that history keeps, as on the board.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from fsm.actors import Actor
from fsm.database import Session
from fsm.work_orders import orders, visits
from fsm.work_orders.tables import Visit
from scheduler.linked_jobs import list_breaches
from scheduler.placements import note_despite, settle
from scheduler.placing import of_breach


async def plan_visit(
    session: Session, actor: Actor, now: datetime, new: visits.NewVisit, reason: str | None
) -> Visit:
    """Plan a visit; raises `ReasonNeeded` where it breaks a link and there is no reason for that."""
    await orders.find_work_order(session, actor, new.work_order_id)
    (visit,) = await visits.plan_visits(session, actor, now, [new])
    await _answer_for(session, actor, now, visit, reason)
    await visits.announce_window(session, actor, now, visit)
    return visit


async def edit_visit(
    session: Session,
    actor: Actor,
    now: datetime,
    visit_id: UUID,
    rev: int | None,
    changes: dict[str, Any],
    said: visits.WindowSaid,
    reason: str | None,
) -> Visit:
    """Change a visit; raises `ReasonNeeded` where its new place breaks a link and there is no reason."""
    was = _place(await visits.find_visit(session, actor, visit_id))
    visit = await visits.edit_by_hand(session, actor, now, visit_id, rev, changes, said)
    if _place(visit) != was:
        await _answer_for(session, actor, now, visit, reason)
    return visit


def _place(visit: Visit) -> tuple[UUID, datetime, datetime]:
    return visit.technician_id, visit.planned_starts_at, visit.planned_ends_at


async def _answer_for(
    session: Session, actor: Actor, now: datetime, visit: Visit, reason: str | None
) -> None:
    """Refuse what was just done where a link asks a reason for it, and keep the reason otherwise."""
    await session.flush()
    broken = await list_breaches(session, actor, visit.work_order_id, visit.id, _place(visit))
    found = [of_breach(each, other, is_second=second) for each, other, second in broken]
    despite = settle(found, reason)
    await note_despite(session, actor, now, visit, despite, reason)
