"""Visits of a day planned once more on another: the same people, the same clocks, as far as each can be.

Work that takes days, or is done again, is carried on where it was. A job that is over takes no more visits.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from fsm.actors import Actor
from fsm.database import Session
from fsm.problems import Problem
from fsm.tenants.queries import find_zone_and_currency
from fsm.work_orders import visits
from fsm.work_orders.lifecycle import LIVE_VISITS, Status, VisitStatus
from fsm.work_orders.tables import Visit, WorkOrder
from scheduler.placements import CannotBePlaced, ReasonNeeded, Wanted, add

OVER = frozenset({Status.WORK_DONE, Status.COMPLETED, Status.CLOSED, Status.CANCELLED})


@dataclass(frozen=True, slots=True)
class Copied:
    """What became of one visit: a new one, or what stands against it."""

    work_order: WorkOrder
    old: Visit
    new: Visit | None
    refused: Problem | None = None

    @property
    def is_over(self) -> bool:
        """The job is over, so that it was not tried."""
        return self.new is None and self.refused is None


async def copy_visits(
    session: Session,
    actor: Actor,
    now: datetime,
    visit_ids: Collection[UUID],
    to_on: date,
    reason: str | None,
) -> list[Copied]:
    """Plan visits once more on a day, each that can be, in order of time. Unknown ones are left out."""
    zone = ZoneInfo((await find_zone_and_currency(session, actor.tenant_id)).zone)
    held = await visits.lock_visits(session, actor, visit_ids)
    return [
        await _copy(session, actor, now, work_order, visit, to_on, zone, reason)
        for work_order, visit in sorted(
            held.values(), key=lambda one: (one[1].planned_starts_at, one[1].id)
        )
    ]


async def _copy(
    session: Session,
    actor: Actor,
    now: datetime,
    work_order: WorkOrder,
    visit: Visit,
    to_on: date,
    zone: ZoneInfo,
    reason: str | None,
) -> Copied:
    if Status(work_order.status) in OVER:
        return Copied(work_order, visit, None)
    clock = visit.planned_starts_at.astimezone(zone)
    starts_at = datetime.combine(to_on, clock.time(), zone).astimezone(UTC)
    wanted = Wanted(
        work_order.id,
        visit.technician_id,
        starts_at,
        visit.id if VisitStatus(visit.status) in LIVE_VISITS else None,
        None,
        starts_at + (visit.planned_ends_at - visit.planned_starts_at),
    )
    try:
        return Copied(work_order, visit, await add(session, actor, now, wanted, reason))
    except (CannotBePlaced, ReasonNeeded) as refused:
        return Copied(work_order, visit, None, refused)
