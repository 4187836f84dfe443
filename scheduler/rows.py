"""The rows that a problem is made of, each kind with one query."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import cos, radians
from uuid import UUID

from sqlmodel import col, or_, select

from fsm.actors import Actor
from fsm.customers.tables import Site
from fsm.database import Session, run
from fsm.maintenance.covering import OccurrenceStatus
from fsm.maintenance.tables import MaintenanceOccurrence
from fsm.parts.tables import StockPlaceKind
from fsm.work_orders.lifecycle import LIVE_VISITS, Status, VisitStatus
from fsm.work_orders.tables import Visit, WorkOrder
from scheduler.tables import DayEvent, DayEventKind, PlanningTerms, SlotHold, VisitPin

MOST_VISITS = 20_000

Position = tuple[float, float]

BEGUN = (VisitStatus.TRAVELLING, VisitStatus.ON_SITE, VisitStatus.PAUSED)
"""What a technician is on the way to, or at: never moved by a plan."""

_LONGEST_DAY = timedelta(hours=16)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A job that needs a visit and has none."""

    work_order: WorkOrder
    site: Site


@dataclass(frozen=True, slots=True)
class Planned:
    """A live visit with its job and site."""

    visit: Visit
    work_order: WorkOrder
    site: Site


@dataclass(frozen=True, slots=True)
class Depot:
    position: Position
    parts: tuple[str, ...]
    """Numbers of the parts that it has."""


def position_of(site: Site) -> Position | None:
    if site.latitude is None or site.longitude is None:
        return None
    return site.latitude, site.longitude


async def list_waiting(
    session: Session, actor: Actor, only: Collection[UUID] | None = None
) -> list[Waiting]:
    """Return jobs that need a visit and have none: the most urgent first, at most `MOST_VISITS`."""
    has_visit = (
        select(Visit.id)
        .where(
            Visit.tenant_id == WorkOrder.tenant_id,
            Visit.work_order_id == WorkOrder.id,
            col(Visit.status).in_([str(one) for one in LIVE_VISITS]),
        )
        .exists()
    )
    statement = (
        select(WorkOrder, Site)
        .join(
            Site, (col(Site.tenant_id) == WorkOrder.tenant_id) & (col(Site.id) == WorkOrder.site_id)
        )
        .where(
            WorkOrder.tenant_id == actor.tenant_id,
            (col(WorkOrder.status) == Status.OPEN)
            | ((col(WorkOrder.status) == Status.IN_PROGRESS) & col(WorkOrder.wants_more_work)),
            ~has_visit,
        )
        .order_by(col(WorkOrder.priority), col(WorkOrder.reported_at), col(WorkOrder.id))
        .limit(MOST_VISITS)
    )
    if only is not None:
        statement = statement.where(col(WorkOrder.id).in_(only))
    return [Waiting(work_order, site) for work_order, site in await session.exec(statement)]


async def list_planned(
    session: Session,
    actor: Actor,
    starts_at: datetime,
    ends_at: datetime,
    technician_ids: Collection[UUID] | None = None,
) -> dict[UUID, list[Planned]]:
    """Return the live visits of the horizon, and all that have begun, by technician in order of time."""
    statement = (
        select(Visit, WorkOrder, Site)
        .join(
            WorkOrder,
            (col(WorkOrder.tenant_id) == Visit.tenant_id)
            & (col(WorkOrder.id) == Visit.work_order_id),
        )
        .join(
            Site, (col(Site.tenant_id) == WorkOrder.tenant_id) & (col(Site.id) == WorkOrder.site_id)
        )
        .where(
            Visit.tenant_id == actor.tenant_id,
            col(Visit.status).in_([str(one) for one in LIVE_VISITS]),
            or_(
                (col(Visit.planned_starts_at) < ends_at) & (col(Visit.planned_ends_at) > starts_at),
                col(Visit.status).in_([str(one) for one in BEGUN]),
            ),
        )
        .order_by(col(Visit.planned_starts_at), col(Visit.id))
    )
    if technician_ids is not None:
        statement = statement.where(col(Visit.technician_id).in_(technician_ids))
    found: dict[UUID, list[Planned]] = {}
    for visit, work_order, site in await session.exec(statement):
        found.setdefault(visit.technician_id, []).append(Planned(visit, work_order, site))
    return found


async def list_crew_mates(
    session: Session,
    actor: Actor,
    starts_at: datetime,
    ends_at: datetime,
    technician_ids: Collection[UUID],
) -> set[UUID]:
    """Return who has a visit of a crew together with one of these technicians."""
    rows = await run(
        session,
        """
        select distinct mate.technician_id
        from visit v
        join work_order w on w.tenant_id = v.tenant_id and w.id = v.work_order_id
        join visit mate on mate.tenant_id = v.tenant_id and mate.work_order_id = v.work_order_id
        where v.tenant_id = :tenant and v.technician_id = any(:technicians) and w.crew_size > 1
          and v.status in ('planned', 'dispatched') and mate.status in ('planned', 'dispatched')
          and v.planned_starts_at < :ends_at and v.planned_ends_at > :starts_at
        """,
        tenant=actor.tenant_id,
        technicians=list(technician_ids),
        starts_at=starts_at,
        ends_at=ends_at,
    )
    return {row.technician_id for row in rows}


async def list_last_places(session: Session, actor: Actor, now: datetime) -> dict[UUID, Position]:
    """Return where each technician finished last today: there they still are, as far as is known."""
    rows = await run(
        session,
        """
        select distinct on (v.technician_id) v.technician_id, s.latitude, s.longitude
        from visit v
        join work_order w on w.tenant_id = v.tenant_id and w.id = v.work_order_id
        join site s on s.tenant_id = w.tenant_id and s.id = w.site_id
        where v.tenant_id = :tenant and v.finished_at between :since and :now
          and s.latitude is not null and s.longitude is not null
        order by v.technician_id, v.finished_at desc
        """,
        tenant=actor.tenant_id,
        since=now - _LONGEST_DAY,
        now=now,
    )
    return {row.technician_id: (row.latitude, row.longitude) for row in rows}


async def list_pins(
    session: Session, actor: Actor, visit_ids: Collection[UUID]
) -> dict[UUID, VisitPin]:
    if not visit_ids:
        return {}
    statement = select(VisitPin).where(
        VisitPin.tenant_id == actor.tenant_id, col(VisitPin.visit_id).in_(visit_ids)
    )
    return {pin.visit_id: pin for pin in await session.exec(statement)}


async def list_terms(session: Session, actor: Actor) -> dict[UUID, PlanningTerms]:
    """Return what open jobs ask of their planning, by work order."""
    statement = (
        select(PlanningTerms)
        .join(
            WorkOrder,
            (col(WorkOrder.tenant_id) == PlanningTerms.tenant_id)
            & (col(WorkOrder.id) == PlanningTerms.work_order_id),
        )
        .where(
            PlanningTerms.tenant_id == actor.tenant_id,
            col(WorkOrder.status).in_(
                [Status.OPEN, Status.SCHEDULED, Status.DISPATCHED, Status.IN_PROGRESS]
            ),
        )
    )
    return {terms.work_order_id: terms for terms in await session.exec(statement)}


async def list_in_time_from(session: Session, actor: Actor, now: datetime) -> dict[UUID, datetime]:
    """Return from when on preventive work is in time, by work order; left out is what is so already."""
    occurrence = MaintenanceOccurrence
    statement = select(occurrence.work_order_id, occurrence.earliest_at).where(
        occurrence.tenant_id == actor.tenant_id,
        occurrence.status == OccurrenceStatus.ORDERED,
        occurrence.earliest_at > now,
    )
    return {
        work_order_id: earliest_at
        for work_order_id, earliest_at in await session.exec(statement)
        if work_order_id is not None
    }


async def list_expected_ends(
    session: Session, actor: Actor, visit_ids: Collection[UUID]
) -> dict[UUID, datetime]:
    """Return when begun visits are now expected to end, where somebody said so; the last word counts."""
    if not visit_ids:
        return {}
    statement = (
        select(DayEvent)
        .where(
            DayEvent.tenant_id == actor.tenant_id,
            DayEvent.kind == DayEventKind.OVERRUN,
            col(DayEvent.visit_id).in_(visit_ids),
        )
        .order_by(col(DayEvent.noted_at), col(DayEvent.id))
    )
    return {
        event.visit_id: datetime.fromisoformat(event.data["ends_at"])
        for event in await session.exec(statement)
        if event.visit_id is not None
    }


async def list_holds(
    session: Session, actor: Actor, starts_at: datetime, ends_at: datetime, now: datetime
) -> dict[UUID, list[tuple[SlotHold, Site]]]:
    """Return the slots that are held for callers, by technician."""
    statement = (
        select(SlotHold, Site)
        .join(
            WorkOrder,
            (col(WorkOrder.tenant_id) == SlotHold.tenant_id)
            & (col(WorkOrder.id) == SlotHold.work_order_id),
        )
        .join(
            Site, (col(Site.tenant_id) == WorkOrder.tenant_id) & (col(Site.id) == WorkOrder.site_id)
        )
        .where(
            SlotHold.tenant_id == actor.tenant_id,
            SlotHold.expires_at > now,
            col(SlotHold.ended_at).is_(None),
            SlotHold.starts_at < ends_at,
            SlotHold.ends_at > starts_at,
        )
        .order_by(col(SlotHold.starts_at), col(SlotHold.id))
    )
    found: dict[UUID, list[tuple[SlotHold, Site]]] = {}
    for hold, site in await session.exec(statement):
        found.setdefault(hold.technician_id, []).append((hold, site))
    return found


async def list_stock(
    session: Session, actor: Actor
) -> tuple[dict[UUID, dict[str, int]], list[Depot]]:
    """Return what each van holds (whole units, by part number), and the warehouses that have a position."""
    rows = await run(
        session,
        """
        with moved as (
          select part_id, to_place_id as place_id, quantity from movement where tenant_id = :tenant
          union all
          select part_id, from_place_id, -quantity from movement where tenant_id = :tenant
        )
        select sp.technician_id, sp.kind, sp.latitude, sp.longitude, p.number,
               floor(sum(m.quantity))::bigint as quantity
        from moved m
        join stock_place sp on sp.tenant_id = :tenant and sp.id = m.place_id
        join part p on p.tenant_id = :tenant and p.id = m.part_id
        group by sp.id, sp.technician_id, sp.kind, sp.latitude, sp.longitude, p.number
        having floor(sum(m.quantity)) > 0
        order by sp.id, p.number
        """,
        tenant=actor.tenant_id,
    )
    vans: dict[UUID, dict[str, int]] = {}
    depots: dict[Position, list[str]] = {}
    for row in rows:
        if row.kind == StockPlaceKind.VAN:
            vans.setdefault(row.technician_id, {})[row.number] = row.quantity
        elif row.latitude is not None and row.longitude is not None:
            depots.setdefault((row.latitude, row.longitude), []).append(row.number)
    return vans, [Depot(position, tuple(sorted(set(has)))) for position, has in depots.items()]


async def list_waiting_near(
    session: Session, actor: Actor, where: Position, *, most: int = 30
) -> list[UUID]:
    """Return the jobs without a visit that are nearest to a place, at most within about 40 km."""
    rows = await run(
        session,
        """
        select w.id from work_order w
        join site s on s.tenant_id = w.tenant_id and s.id = w.site_id
        where w.tenant_id = :tenant
          and (w.status = 'open' or (w.status = 'in_progress' and w.wants_more_work))
          and w.crew_size = 1
          and s.latitude between :lat - 0.36 and :lat + 0.36
          and s.longitude between :lon - 0.36 / :narrow and :lon + 0.36 / :narrow
          and not exists (
            select from visit v where v.tenant_id = w.tenant_id and v.work_order_id = w.id
              and v.status in ('planned', 'dispatched', 'travelling', 'on_site', 'paused'))
        order by w.priority, (s.latitude - :lat) ^ 2 + ((s.longitude - :lon) * :narrow) ^ 2, w.id
        limit :most
        """,
        tenant=actor.tenant_id,
        lat=where[0],
        lon=where[1],
        narrow=max(0.1, cos(radians(where[0]))),
        most=most,
    )
    return [row.id for row in rows]
