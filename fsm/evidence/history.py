"""The whole history over anything: who did what, when, from which device, and its place in the chain."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlmodel import col, select

from fsm.actors import Actor
from fsm.database import Session
from fsm.events import Event, EventSeal
from fsm.problems import Forbidden, Invalid


class HistoryEvent(msgspec.Struct, frozen=True):
    """One event. What it tells of occurred between `occurred_lo_at` and `occurred_hi_at`, most likely at
    `occurred_at`; phones tell later. `number` and `hash` (hexadecimal) are its place in the chain, null for
    the seconds until it is sealed.
    """

    id: UUID
    number: int | None
    hash: str | None
    kind: str
    entity: str
    entity_id: UUID
    actor_kind: str
    actor_name: str
    user_id: UUID | None
    device_id: UUID | None
    occurred_at: datetime
    occurred_lo_at: datetime
    occurred_hi_at: datetime
    received_at: datetime
    data: dict[str, Any]


async def list_events(
    session: Session,
    actor: Actor,
    *,
    entity: str | None,
    entity_id: UUID | None,
    device_id: UUID | None,
    limit: int,
    after: UUID | None,
) -> list[HistoryEvent]:
    """Return events in order of receipt: those of one thing, of one device, or all.

    A customer's user sees the history of their jobs there, and none here.
    """
    if actor.customer_id is not None:
        raise Forbidden("The whole history is for the service company's own people.")
    if (entity is None) != (entity_id is None):
        raise Invalid(
            "Name both, what kind of thing and which: 'entity' and 'entity_id'.",
            errors=[{"at": "/entity" if entity is None else "/entity_id"}],
        )
    statement = (
        select(Event, EventSeal.number, EventSeal.hash)
        .outerjoin(
            EventSeal,
            (col(EventSeal.tenant_id) == Event.tenant_id) & (col(EventSeal.event_id) == Event.id),
        )
        .where(Event.tenant_id == actor.tenant_id)
        .order_by(col(Event.id))
        .limit(limit)
    )
    if entity_id is not None:
        statement = statement.where(Event.entity == entity, Event.entity_id == entity_id)
    if device_id is not None:
        statement = statement.where(Event.device_id == device_id)
    if after is not None:
        statement = statement.where(Event.id > after)
    own = [name for name in HistoryEvent.__struct_fields__ if name not in ("number", "hash")]
    return [
        HistoryEvent(
            number=number,
            hash=None if digest is None else digest.hex(),
            **{name: getattr(event, name) for name in own},
        )
        for event, number, digest in await session.exec(statement)
    ]
