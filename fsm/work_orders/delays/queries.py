"""Visits that may come too late, and the notices of those that will."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlmodel import col, select

from fsm.database import Session
from fsm.events import Event
from fsm.work_orders.delays.tables import DelayNotice
from fsm.work_orders.lifecycle import VisitStatus
from fsm.work_orders.tables import ServiceRequest, Visit, WorkOrder

AHEAD: Final = timedelta(hours=4)
"""How long before its window's end a visit is watched."""
BEHIND: Final = timedelta(hours=2)
"""How long after it a customer is still told; then they know."""

_COMING = (VisitStatus.DISPATCHED, VisitStatus.TRAVELLING)


async def list_watched(
    session: Session, tenant_id: UUID, now: datetime
) -> Sequence[tuple[Visit, ServiceRequest]]:
    """Return visits near the end of their window whose caller left an address, not told of yet."""
    told = select(DelayNotice.id).where(
        DelayNotice.tenant_id == tenant_id,
        DelayNotice.visit_id == Visit.id,
        DelayNotice.window_ends_at == Visit.window_ends_at,
    )
    statement = (
        select(Visit, ServiceRequest)
        .join(
            WorkOrder,
            (col(WorkOrder.tenant_id) == Visit.tenant_id)
            & (col(WorkOrder.id) == Visit.work_order_id),
        )
        .join(
            ServiceRequest,
            (col(ServiceRequest.tenant_id) == Visit.tenant_id)
            & (col(ServiceRequest.id) == WorkOrder.request_id),
        )
        .where(
            Visit.tenant_id == tenant_id,
            col(Visit.status).in_(_COMING),
            col(Visit.window_ends_at) > now - BEHIND,
            col(Visit.window_ends_at) < now + AHEAD,
            ServiceRequest.contact_email != "",
            ~told.exists(),
        )
        .order_by(col(Visit.id))
    )
    return (await session.exec(statement)).all()


async def find_said_arrival(session: Session, visit: Visit) -> datetime | None:
    """Return when the technician last said to arrive ("20 minutes late" on the plan), else None."""
    statement = (
        select(Event.data)
        .where(
            Event.tenant_id == visit.tenant_id,
            Event.entity_id == visit.id,
            Event.kind == "visit.delayed",
        )
        .order_by(col(Event.occurred_at).desc(), col(Event.id).desc())
        .limit(1)
    )
    data = (await session.exec(statement)).first()
    if data is None:
        return None
    return visit.planned_starts_at + timedelta(minutes=data["minutes"])


async def list_unsent(session: Session, tenant_id: UUID, now: datetime) -> Sequence[UUID]:
    statement = (
        select(DelayNotice.id)
        .where(
            DelayNotice.tenant_id == tenant_id,
            col(DelayNotice.sent_at).is_(None),
            col(DelayNotice.given_up_at).is_(None),
            DelayNotice.next_try_at <= now,
        )
        .order_by(col(DelayNotice.id))
    )
    return (await session.exec(statement)).all()


async def lock_unsent(session: Session, tenant_id: UUID, notice_id: UUID) -> DelayNotice | None:
    """Return a notice and hold it; None where another worker has it, or had it."""
    statement = (
        select(DelayNotice)
        .where(
            DelayNotice.tenant_id == tenant_id,
            DelayNotice.id == notice_id,
            col(DelayNotice.sent_at).is_(None),
            col(DelayNotice.given_up_at).is_(None),
        )
        .with_for_update(skip_locked=True)
    )
    return (await session.exec(statement)).one_or_none()


async def find_visit_and_request(
    session: Session, notice: DelayNotice
) -> tuple[Visit, ServiceRequest]:
    visit = await session.get_one(Visit, (notice.tenant_id, notice.visit_id))
    return visit, await session.get_one(ServiceRequest, (notice.tenant_id, notice.request_id))


def is_coming(visit: Visit) -> bool:
    return visit.status in _COMING
