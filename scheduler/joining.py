"""A crew formed by hand: others join a visit, each in a visit of their own at the same time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from uuid_utils.compat import uuid7

from fsm.actors import Actor
from fsm.database import Session
from fsm.problems import Invalid
from fsm.work_orders import orders, visits
from fsm.work_orders.lifecycle import VisitStatus, WrongStatus
from fsm.work_orders.tables import Visit
from scheduler.placements import Wanted, add


@dataclass(frozen=True, slots=True)
class Joined:
    joined: list[Visit]
    """The visits of those who joined."""
    bound: list[Visit]
    """Those that were there before and are of the same crew now."""


async def join(
    session: Session,
    actor: Actor,
    now: datetime,
    visit_id: UUID,
    technicians: Sequence[UUID],
    reason: str | None,
) -> Joined:
    """Plan a visit for each who joins; the job then takes as many people as come. All of them, or refuse.

    Where the first visit is on a phone already, so are theirs.
    """
    work_order, visit = await visits.lock_visit(session, actor, visit_id)
    if VisitStatus(visit.status) not in visits.NOT_BEGUN:
        raise WrongStatus(
            f"This visit is {visit.status}: nobody joins it any more.", status=visit.status
        )
    crew = [
        each
        for each in visits.live(await orders.list_visits(session, work_order))
        if each.planned_starts_at == visit.planned_starts_at
    ]
    coming = {each.technician_id for each in crew}
    if coming & set(technicians) or len(set(technicians)) < len(technicians):
        raise Invalid(
            "Each technician comes once.",
            errors=[{"at": "/technician_ids", "detail": "named twice, or coming already"}],
        )
    size = len(crew) + len(technicians)
    if work_order.crew_size < size:
        changes = {"crew_size": size}
        await orders.edit_work_order(session, actor, now, work_order.id, work_order.rev, changes)
    crew_id = visit.crew_id or uuid7()
    bound = [each for each in crew if each.crew_id != crew_id]
    for each in bound:
        await visits.edit_plan(session, actor, now, each.id, None, {"crew_id": crew_id})
    joined = []
    for technician_id in technicians:
        like = Wanted(
            work_order.id,
            technician_id,
            visit.planned_starts_at,
            visit.id,
            None,
            visit.planned_ends_at,
        )
        new = await add(session, actor, now, like, reason, crew_id)
        if visit.status != VisitStatus.PLANNED:
            await visits.dispatch(session, actor, now, new.id)
        joined.append(new)
    return Joined(joined, bound)
