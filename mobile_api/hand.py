"""Whose intents are being applied, and what one transaction has looked up for them."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from fsm.actors import Actor
from fsm.database import Session
from fsm.work_orders.tables import Visit, WorkOrder
from mobile_api.device_time import Uptime


@dataclass(slots=True)
class Hand:
    """Whose intents are applied, in which transaction; `offset` is server minus device.

    `held` are the jobs and visits that this transaction holds already, `unknown` those it looked for in vain,
    `shown` the visits whose stray work is before the office, `known_since` what was looked up of the feed's
    numbers. `reused` are numbers of the device that name more than one intent.
    """

    session: Session
    actor: Actor
    now: datetime
    technician_id: UUID | None
    offset: timedelta
    registered_at: datetime
    uptime: Uptime = field(default_factory=Uptime)
    reused: set[int] = field(default_factory=set)
    held: dict[UUID, tuple[WorkOrder, Visit]] = field(default_factory=dict)
    unknown: set[UUID] = field(default_factory=set)
    shown: set[str] = field(default_factory=set)
    known_since: dict[int | None, datetime] = field(default_factory=dict)
