"""Crews formed by hand: several come to a job at once, each in a visit of their own, or others join one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from uuid_utils.compat import uuid7

from fsm.actors import Actor
from fsm.database import Session
from fsm.problems import Invalid
from fsm.technicians.queries import find_technician
from fsm.work_orders import orders, visits
from fsm.work_orders.lifecycle import VisitStatus, WrongStatus
from fsm.work_orders.tables import Visit, WorkOrder
from scheduler.placements import Looked, Wanted, look, note_despite, settle
from scheduler.placing import OF_THE_JOB, Consequence


@dataclass(frozen=True, slots=True)
class Joined:
    joined: list[Visit]
    """The visits of those who joined."""
    bound: list[Visit]
    """Those that were there before and are of the same crew now."""


@dataclass(frozen=True, slots=True)
class Together:
    """What comes of visits at one time: of each, in the order asked, and of all."""

    looked: list[Looked]
    consequences: tuple[Consequence, ...]


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
    crew = await _there(session, work_order, visit.planned_starts_at)
    _each_once("/technician_ids", crew, technicians)
    crew_id, bound = await _grown(session, actor, now, work_order, crew, len(technicians))
    like = Wanted(
        work_order.id,
        visit.technician_id,
        visit.planned_starts_at,
        visit.id,
        None,
        visit.planned_ends_at,
    )
    wanted = [replace(like, technician_id=each) for each in technicians]
    joined = await _plan(session, actor, now, wanted, reason, crew_id)
    if visit.status != VisitStatus.PLANNED:
        for each in joined:
            await visits.dispatch(session, actor, now, each.id)
    return Joined(joined, bound)


async def look_together(
    session: Session, actor: Actor, now: datetime, wanted: Wanted, mates: Sequence[UUID]
) -> Together:
    """Return what comes of a new visit there, and of one at the same time for each of the mates."""
    people = [wanted.technician_id, *mates]
    _each_once("/mate_ids", (), people)
    return await _look(
        session, actor, now, [replace(wanted, technician_id=each) for each in people]
    )


async def put_together(
    session: Session,
    actor: Actor,
    now: datetime,
    wanted: Wanted,
    mates: Sequence[UUID],
    reason: str | None,
) -> list[Visit]:
    """Plan a new visit there, and one at the same time for each of the mates: all of them, or refuse.

    The first visit is that of the one whom it is wanted for. The job takes as many people as come.
    """
    work_order = await orders.lock_work_order(session, actor, wanted.work_order_id)
    people = [wanted.technician_id, *mates]
    crew = await _there(session, work_order, wanted.starts_at)
    _each_once("/mate_ids", crew, people)
    crew_id, _ = await _grown(session, actor, now, work_order, crew, len(people))
    everybody = [replace(wanted, technician_id=each) for each in people]
    return await _plan(session, actor, now, everybody, reason, crew_id)


async def _there(session: Session, work_order: WorkOrder, starts_at: datetime) -> list[Visit]:
    """Return the visits of those who come to a job then."""
    return [
        each
        for each in visits.live(await orders.list_visits(session, work_order))
        if each.planned_starts_at == starts_at
    ]


def _each_once(at: str, crew: Sequence[Visit], people: Sequence[UUID]) -> None:
    if {each.technician_id for each in crew} & set(people) or len(set(people)) < len(people):
        raise Invalid(
            "Each technician comes once.",
            errors=[{"at": at, "detail": "named twice, or coming already"}],
        )


async def _grown(
    session: Session,
    actor: Actor,
    now: datetime,
    work_order: WorkOrder,
    crew: Sequence[Visit],
    more: int,
) -> tuple[UUID, list[Visit]]:
    """Return the crew's id for so many more, and the visits that had another; their job takes them all."""
    size = len(crew) + more
    if work_order.crew_size < size:
        changes = {"crew_size": size}
        await orders.edit_work_order(session, actor, now, work_order.id, work_order.rev, changes)
    crew_id = next((each.crew_id for each in crew if each.crew_id), None) or uuid7()
    bound = [each for each in crew if each.crew_id != crew_id]
    for each in bound:
        await visits.edit_plan(session, actor, now, each.id, None, {"crew_id": crew_id})
    return crew_id, bound


async def _look(
    session: Session, actor: Actor, now: datetime, wanted: Sequence[Wanted]
) -> Together:
    """Return what comes of visits at one time, each said of its person, and what they share said once."""
    looked = [await look(session, actor, now, each) for each in wanted]
    if len(wanted) == 1:
        return Together(looked, looked[0].placement.consequences)
    found: list[Consequence] = []
    for one, each in zip(wanted, looked, strict=True):
        name = (await find_technician(session, actor, one.technician_id)).name
        for told in each.placement.consequences:
            said = told if told.code in OF_THE_JOB else replace(told, who=name)
            if said not in found:
                found.append(said)
    return Together(looked, tuple(found))


async def _plan(
    session: Session,
    actor: Actor,
    now: datetime,
    wanted: Sequence[Wanted],
    reason: str | None,
    crew_id: UUID,
) -> list[Visit]:
    together = await _look(session, actor, now, wanted)
    settle(together.consequences, reason)
    planned = []
    for one, looked in zip(wanted, together.looked, strict=True):
        new = visits.NewVisit(
            work_order_id=one.work_order_id,
            technician_id=one.technician_id,
            starts_at=one.starts_at,
            ends_at=looked.ends_at,
            travel_s=looked.placement.travel_s,
            crew_id=crew_id,
        )
        (visit,) = await visits.plan_visits(session, actor, now, [new])
        despite = [each for each in looked.placement.consequences if each.asks_reason]
        await note_despite(session, actor, now, visit, despite, reason)
        planned.append(visit)
    return planned
