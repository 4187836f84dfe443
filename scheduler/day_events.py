"""What upset a running day, as facts: which visits and routes each event touches."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import col, select

from fsm import events
from fsm.actors import Actor
from fsm.appending import new_row
from fsm.database import Session
from scheduler.day import Day
from scheduler.diff import Touch
from scheduler.outcome import Happened
from scheduler.tables import DayEvent, DayEventKind


async def note(
    session: Session,
    actor: Actor,
    now: datetime,
    kind: DayEventKind,
    *,
    visit_id: UUID | None = None,
    technician_id: UUID | None = None,
    work_order_id: UUID | None = None,
    **data: Any,
) -> DayEvent:
    """Write an event of the day."""
    event = new_row(
        DayEvent,
        tenant_id=actor.tenant_id,
        kind=kind,
        visit_id=visit_id,
        technician_id=technician_id,
        work_order_id=work_order_id,
        data=data,
        noted_by=actor.name,
        noted_at=now,
    )
    session.append(event)
    await events.record(
        session,
        actor,
        f"day.{kind}",
        "day_event",
        event.id,
        now=now,
        visit_id=str(visit_id) if visit_id else None,
        technician_id=str(technician_id) if technician_id else None,
        work_order_id=str(work_order_id) if work_order_id else None,
    )
    return event


async def happened_of(
    session: Session, actor: Actor, day: Day, day_event_id: UUID | None = None
) -> list[Happened]:
    """Return the event that a plan answers; without one, all that the days of the plan have seen."""
    statement = select(DayEvent).where(DayEvent.tenant_id == actor.tenant_id)
    if day_event_id is not None:
        statement = statement.where(DayEvent.id == day_event_id)
    else:
        statement = statement.where(DayEvent.noted_at >= day.starts_at)
    statement = statement.order_by(col(DayEvent.noted_at).desc()).limit(500)
    return [happened(day, event) for event in await session.exec(statement)]


def happened(day: Day, event: DayEvent) -> Happened:
    """Return what an event touches in a problem."""
    visits = {
        key for key, work_order in day.work_orders.items() if work_order.id == event.work_order_id
    }
    visits |= {key for key, each in day.planned.items() if each.visit.id == event.visit_id}
    return Happened(
        Touch(str(event.id), frozenset(visits), frozenset(_shifts_of(day, event))), event.kind
    )


def _shifts_of(day: Day, event: DayEvent) -> Sequence[str]:
    """Return the shifts of the technician whom an event is about."""
    if event.technician_id is None:
        return ()
    technician = str(event.technician_id)
    return [shift.id for shift in day.problem.shifts if shift.technician == technician]
