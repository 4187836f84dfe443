"""What happened to a job, who did it, when, and from which device: the events of all that belongs to it."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_
from sqlmodel import col, select

from fsm import events
from fsm.actors import Actor
from fsm.database import Session
from fsm.events import Event
from fsm.work_orders.records import Photo
from fsm.work_orders.tables import Review, Visit, WorkOrder


async def list_history(
    session: Session, actor: Actor, work_order: WorkOrder, *, limit: int, after: UUID | None
) -> list[events.Event]:
    """Return what happened to a job and all that belongs to it, in order of receipt."""
    belongs = await belonging_to(session, work_order)
    statement = select(Event).where(belongs).order_by(col(Event.id)).limit(limit)
    if after is not None:
        statement = statement.where(Event.id > after)
    return list(await session.exec(statement))


async def belonging_to(session: Session, work_order: WorkOrder) -> ColumnElement[bool]:
    """Return the condition under which an event belongs to a job's story.

    The job itself, its visits, its photos (their bytes may have come before they were declared), what a
    person had to look at, and the request that it came from. The ids are read first: each is then found by
    the index, however long the company's history.
    """
    entities: dict[str, Sequence[UUID]] = {
        "work_order": [work_order.id],
        "visit": await _ids(session, Visit, work_order),
        "photo": await _ids(session, Photo, work_order),
        "review": await _ids(session, Review, work_order),
        "service_request": [work_order.request_id] if work_order.request_id else [],
    }
    return and_(
        col(Event.tenant_id) == work_order.tenant_id,
        or_(
            *(
                and_(col(Event.entity) == entity, col(Event.entity_id).in_(ids))
                for entity, ids in entities.items()
                if ids
            )
        ),
    )


async def _ids(session: Session, table: type[Any], work_order: WorkOrder) -> list[UUID]:
    statement = select(table.id).where(
        table.tenant_id == work_order.tenant_id, table.work_order_id == work_order.id
    )
    return list(await session.exec(statement))
