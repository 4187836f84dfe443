"""The rows that the problem of some days is made of."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from fsm.actors import Actor
from fsm.database import Session
from fsm.technicians.shift_pattern import DayRange
from fsm.technicians.working_time import WorkingShift, list_working
from scheduler import rows
from scheduler.linked_jobs import LinkedJob, list_bonds, list_linked_jobs
from scheduler.linking import Bond
from scheduler.people import STANDARD, Person, list_people
from scheduler.promise_ledger.queries import list_stated
from scheduler.rows import Planned, Waiting
from scheduler.scope import Options
from scheduler.tables import VisitPin


@dataclass(frozen=True, slots=True)
class DayRows:
    """The rows of a horizon."""

    working: list[WorkingShift]
    planned: dict[UUID, list[Planned]]
    waiting: list[Waiting]
    last_places: dict[UUID, rows.LastPlace]
    pins: dict[UUID, VisitPin]
    terms: dict[UUID, rows.Terms]
    in_time_from: dict[UUID, datetime]
    expected_ends: dict[UUID, datetime]
    people: dict[UUID, Person]
    """How plans take technicians; who is not in it is taken as the standard."""
    stated: dict[UUID, float]
    """The chance told with a visit's window."""
    holds: dict[UUID, list[rows.Held]]
    vans: dict[UUID, dict[str, int]]
    promised: list[rows.Promised]
    depots: list[rows.Depot]
    pick_ups: dict[UUID, list[rows.PickUpStop]]
    """What is still to be fetched for planned visits, by visit."""
    bonds: list[Bond]
    linked: dict[UUID, LinkedJob]

    def person(self, technician_id: UUID) -> Person:
        return self.people.get(technician_id, STANDARD)


async def load_rows(
    session: Session,
    actor: Actor,
    days: DayRange,
    starts_at: datetime,
    ends_at: datetime,
    now: datetime,
    options: Options,
) -> DayRows:
    await session.flush()  # rows are read past the ORM, which may not have written all it was given
    only = options.scope.work_orders
    among = None if options.scope.among is None else {UUID(each) for each in options.scope.among}
    planned = await rows.list_planned(session, actor, starts_at, ends_at, among)
    terms = await rows.list_terms(session, actor)
    visits = [each.visit for several in planned.values() for each in several]
    begun = [visit.id for visit in visits if visit.status in rows.BEGUN]
    needs_parts = any(each.parts for each in terms.values())
    vans, depots = await rows.list_stock(session, actor) if needs_parts else ({}, [])
    waiting = await rows.list_waiting(
        session, actor, None if only is None else {UUID(each) for each in only}
    )
    jobs = {each.work_order.id for several in planned.values() for each in several}
    bonds = await list_bonds(session, actor, jobs | {each.work_order.id for each in waiting})
    linked = await list_linked_jobs(session, actor, bonds)
    begun += [visit.id for job in linked.values() for visit in job.live if visit.id not in begun]
    return DayRows(
        working=await list_working(session, actor, days, technician_ids=among),
        planned=planned,
        waiting=waiting,
        last_places=await rows.list_last_places(session, actor, now),
        pins=await rows.list_pins(session, actor, [v.id for v in visits if v.is_pinned]),
        terms=terms,
        in_time_from=await rows.list_in_time_from(session, actor, now),
        expected_ends=await rows.list_expected_ends(session, actor, begun),
        people=await list_people(session, actor),
        stated=await list_stated(
            session, actor, [v.id for v in visits if v.window_ends_at is not None]
        ),
        holds=await rows.list_holds(session, actor, starts_at, ends_at, now),
        vans=vans,
        promised=await rows.list_promised_parts(session, actor, ends_at) if vans else [],
        depots=depots,
        pick_ups=await rows.list_pick_ups(session, actor, [v.id for v in visits], now),
        bonds=bonds,
        linked=linked,
    )
