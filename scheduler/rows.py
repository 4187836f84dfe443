"""The rows that a problem is made of, each kind with one query."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import cos, radians
from typing import Any
from uuid import UUID

import msgspec
from sqlmodel import col, select

from fsm.actors import Actor
from fsm.customers.tables import Site
from fsm.database import Session, fetch, run
from fsm.maintenance.covering import OccurrenceStatus
from fsm.parts.tables import StockPlaceKind
from fsm.problems import NotFound
from fsm.technicians.positions import FRESH
from fsm.work_orders.lifecycle import LIVE_VISITS, Status, VisitStatus
from scheduler.tables import DayEvent, DayEventKind, VisitPin

MOST_VISITS = 20_000

Position = tuple[float, float]

BEGUN = (VisitStatus.TRAVELLING, VisitStatus.ON_SITE, VisitStatus.PAUSED)
"""What a technician is on the way to, or at: never moved by a plan."""

_OPEN = (Status.OPEN, Status.SCHEDULED, Status.DISPATCHED, Status.IN_PROGRESS)

_LONGEST_DAY = timedelta(hours=16)
_ACCURATE_M = 1_000.0
"""How far off a position may be that a route begins at."""


class Job(msgspec.Struct, frozen=True, gc=False):
    """What planning reads of a work order."""

    id: UUID
    number: str
    work_type_id: UUID
    priority: int
    estimate_s: int
    crew_size: int
    skills: list[dict[str, Any]]
    respond_by: datetime | None
    restore_by: datetime | None


class JobSite(msgspec.Struct, frozen=True, gc=False):
    """What planning reads of a site."""

    region: str
    latitude: float | None
    longitude: float | None


class PlannedVisit(msgspec.Struct, frozen=True, gc=False):
    """What planning reads of a visit."""

    id: UUID
    technician_id: UUID
    status: str
    planned_starts_at: datetime
    planned_ends_at: datetime
    window_starts_at: datetime | None
    window_ends_at: datetime | None
    travel_started_at: datetime | None
    arrived_at: datetime | None
    work_started_at: datetime | None
    is_pinned: bool


@dataclass(frozen=True, slots=True)
class Waiting:
    """A job that needs a visit and has none."""

    work_order: Job
    site: JobSite


@dataclass(frozen=True, slots=True)
class Planned:
    """A live visit with its job and site."""

    visit: PlannedVisit
    work_order: Job
    site: JobSite


class LastPlace(msgspec.Struct, frozen=True, gc=False):
    """Where a technician was last, by a visit that ended or (`is_seen`) by a position of theirs."""

    position: Position
    at: datetime
    is_seen: bool


class Terms(msgspec.Struct, frozen=True, gc=False):
    """What a job asks of its planning; as in `PlanningTerms`."""

    required: list[str]
    preferred: list[str]
    forbidden: list[str]
    parts: list[dict[str, Any]]
    windows: list[dict[str, str]]
    earliest_at: datetime | None
    drop_cost: int | None


class Held(msgspec.Struct, frozen=True, gc=False):
    """A slot that is held for a caller."""

    starts_at: datetime
    ends_at: datetime
    site: JobSite


@dataclass(frozen=True, slots=True)
class Depot:
    """A warehouse where parts can be picked up."""

    place_id: UUID
    name: str
    position: Position
    parts: tuple[str, ...]
    """Numbers of the parts that it has."""


def position_of(site: Site | JobSite) -> Position | None:
    if site.latitude is None or site.longitude is None:
        return None
    return site.latitude, site.longitude


_JOB = """w.id, w.number, w.work_type_id, w.priority, w.estimate_s, w.crew_size, w.skills::text,
  w.respond_by, w.restore_by, s.region, s.latitude, s.longitude"""
_VISIT = ", ".join(f"v.{name}" for name in PlannedVisit.__struct_fields__)
_AT_ITS_SITE = "site s on s.tenant_id = w.tenant_id and s.id = w.site_id"


def _job(row: Sequence[Any]) -> tuple[Job, JobSite]:
    job = [*row[:6], msgspec.json.decode(row[6]), *row[7:9]]
    return Job(*job), JobSite(*row[9:12])


async def find_job(session: Session, actor: Actor, work_order_id: UUID) -> Waiting:
    """Return a job with its site, whether or not it waits for a visit."""
    found = await fetch(
        session,
        f"select {_JOB} from work_order w join {_AT_ITS_SITE} where w.tenant_id = $1 and w.id = $2",  # noqa: S608
        actor.tenant_id,
        work_order_id,
    )
    if not found:
        raise NotFound(f"No work order {work_order_id}.")
    return Waiting(*_job(tuple(found[0])))


async def list_waiting(
    session: Session, actor: Actor, only: Collection[UUID] | None = None
) -> list[Waiting]:
    """Return jobs that need a visit and have none: the most urgent first, at most `MOST_VISITS`."""
    found = await fetch(
        session,
        f"""
        select {_JOB} from work_order w join {_AT_ITS_SITE}
        where w.tenant_id = $1
          and (w.status = $2 or (w.status = $3 and w.wants_more_work))
          and not exists (
            select from visit v where v.tenant_id = w.tenant_id and v.work_order_id = w.id
              and v.status = any($4))
          {"" if only is None else "and w.id = any($5)"}
        order by w.priority, w.reported_at, w.id limit {MOST_VISITS}
        """,  # noqa: S608 - put together from words of this file
        actor.tenant_id,
        Status.OPEN,
        Status.IN_PROGRESS,
        [str(one) for one in LIVE_VISITS],
        *(() if only is None else (list(only),)),
    )
    return [Waiting(*_job(tuple(row))) for row in found]


async def list_planned(
    session: Session,
    actor: Actor,
    starts_at: datetime,
    ends_at: datetime,
    technician_ids: Collection[UUID] | None = None,
) -> dict[UUID, list[Planned]]:
    """Return the live visits of the horizon, and all that have begun, by technician in order of time."""
    rows = await fetch(
        session,
        f"""
        select {_JOB}, {_VISIT} from visit v
        join work_order w on w.tenant_id = v.tenant_id and w.id = v.work_order_id
        join {_AT_ITS_SITE}
        where v.tenant_id = $1 and v.status = any($2)
          and ((v.planned_starts_at < $3 and v.planned_ends_at > $4) or v.status = any($5))
          {"" if technician_ids is None else "and v.technician_id = any($6)"}
        order by v.planned_starts_at, v.id
        """,  # noqa: S608 - put together from words of this file
        actor.tenant_id,
        [str(one) for one in LIVE_VISITS],
        ends_at,
        starts_at,
        [str(one) for one in BEGUN],
        *(() if technician_ids is None else (list(technician_ids),)),
    )
    found: dict[UUID, list[Planned]] = {}
    for row in map(tuple, rows):
        visit = PlannedVisit(*row[12:])
        found.setdefault(visit.technician_id, []).append(Planned(visit, *_job(row)))
    return found


async def list_crew_mates(
    session: Session,
    actor: Actor,
    starts_at: datetime,
    ends_at: datetime,
    technician_ids: Collection[UUID],
) -> set[UUID]:
    """Return who has a visit of a crew together with one of these technicians."""
    rows = await fetch(
        session,
        """
        select distinct mate.technician_id
        from visit v
        join work_order w on w.tenant_id = v.tenant_id and w.id = v.work_order_id
        join visit mate on mate.tenant_id = v.tenant_id and mate.work_order_id = v.work_order_id
        where v.tenant_id = $1 and v.technician_id = any($2) and w.crew_size > 1
          and v.status in ('planned', 'dispatched') and mate.status in ('planned', 'dispatched')
          and v.planned_starts_at < $3 and v.planned_ends_at > $4
        """,
        actor.tenant_id,
        list(technician_ids),
        ends_at,
        starts_at,
    )
    return {technician_id for (technician_id,) in rows}


async def list_last_places(session: Session, actor: Actor, now: datetime) -> dict[UUID, LastPlace]:
    """Return where each technician is as far as is known: what is newer counts.

    That is where they finished last today, or where they were seen a short while ago.
    """
    rows = await fetch(
        session,
        """
        with known as (
          select v.technician_id, s.latitude, s.longitude, v.finished_at as at, false as is_seen
          from visit v
          join work_order w on w.tenant_id = v.tenant_id and w.id = v.work_order_id
          join site s on s.tenant_id = w.tenant_id and s.id = w.site_id
          where v.tenant_id = $1 and v.finished_at between $2 and $4
            and s.latitude is not null and s.longitude is not null
          union all
          select p.technician_id, p.latitude, p.longitude, p.fixed_at, true
          from technician_position p
          join technician t on t.tenant_id = p.tenant_id and t.id = p.technician_id
          where p.tenant_id = $1 and p.fixed_at between $3 and $4
            and t.position_consent_at <= p.fixed_at and coalesce(p.accuracy_m, 0) <= $5)
        select distinct on (technician_id) technician_id, latitude, longitude, at, is_seen
        from known order by technician_id, at desc
        """,
        actor.tenant_id,
        now - _LONGEST_DAY,
        now - FRESH,
        now,
        _ACCURATE_M,
    )
    return {
        technician_id: LastPlace((latitude, longitude), at, is_seen)
        for technician_id, latitude, longitude, at, is_seen in rows
    }


async def list_pins(
    session: Session, actor: Actor, visit_ids: Collection[UUID]
) -> dict[UUID, VisitPin]:
    if not visit_ids:
        return {}
    statement = select(VisitPin).where(
        VisitPin.tenant_id == actor.tenant_id, col(VisitPin.visit_id).in_(visit_ids)
    )
    return {pin.visit_id: pin for pin in await session.exec(statement)}


async def list_skill_codes(session: Session, actor: Actor) -> set[str]:
    rows = await fetch(session, "select code from skill where tenant_id = $1", actor.tenant_id)
    return {code for (code,) in rows}


async def list_terms(
    session: Session, actor: Actor, only: Collection[UUID] | None = None
) -> dict[UUID, Terms]:
    """Return what open jobs ask of their planning, by work order; `only`: of these alone."""
    rows = await fetch(
        session,
        f"""
        select p.work_order_id, p.required::text, p.preferred::text, p.forbidden::text,
          p.parts::text, p.windows::text, p.earliest_at, p.drop_cost
        from planning_terms p
        join work_order w on w.tenant_id = p.tenant_id and w.id = p.work_order_id
        where p.tenant_id = $1 and w.status = any($2)
          {"" if only is None else "and p.work_order_id = any($3)"}
        """,  # noqa: S608 - put together from words of this file
        actor.tenant_id,
        [str(one) for one in _OPEN],
        *(() if only is None else (list(only),)),
    )
    return {
        work_order_id: Terms(*[*map(msgspec.json.decode, asked), earliest_at, drop_cost])
        for work_order_id, *asked, earliest_at, drop_cost in map(tuple, rows)
    }


async def list_in_time_from(session: Session, actor: Actor, now: datetime) -> dict[UUID, datetime]:
    """Return from when on preventive work is in time, by work order; left out is what is so already."""
    rows = await fetch(
        session,
        """
        select work_order_id, earliest_at from maintenance_occurrence
        where tenant_id = $1 and status = $2 and earliest_at > $3 and work_order_id is not null
        """,
        actor.tenant_id,
        OccurrenceStatus.ORDERED,
        now,
    )
    return dict(rows)


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
) -> dict[UUID, list[Held]]:
    """Return the slots that are held for callers, by technician."""
    rows = await fetch(
        session,
        f"""
        select h.technician_id, h.starts_at, h.ends_at, s.region, s.latitude, s.longitude
        from slot_hold h
        join work_order w on w.tenant_id = h.tenant_id and w.id = h.work_order_id
        join {_AT_ITS_SITE}
        where h.tenant_id = $1 and h.expires_at > $2 and h.ended_at is null
          and h.starts_at < $3 and h.ends_at > $4
        order by h.starts_at, h.id
        """,  # noqa: S608 - put together from words of this file
        actor.tenant_id,
        now,
        ends_at,
        starts_at,
    )
    found: dict[UUID, list[Held]] = {}
    for technician_id, starts, ends, *site in map(tuple, rows):
        found.setdefault(technician_id, []).append(Held(starts, ends, JobSite(*site)))
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
        select sp.id, sp.name, sp.technician_id, sp.kind, sp.latitude, sp.longitude, p.number,
               floor(sum(m.quantity))::bigint as quantity
        from moved m
        join stock_place sp on sp.tenant_id = :tenant and sp.id = m.place_id
        join part p on p.tenant_id = :tenant and p.id = m.part_id
        group by sp.id, sp.name, sp.technician_id, sp.kind, sp.latitude, sp.longitude, p.number
        having floor(sum(m.quantity)) > 0
        order by sp.id, p.number
        """,
        tenant=actor.tenant_id,
    )
    vans: dict[UUID, dict[str, int]] = {}
    depots: dict[UUID, Depot] = {}
    for row in rows:
        if row.kind == StockPlaceKind.VAN:
            vans.setdefault(row.technician_id, {})[row.number] = row.quantity
        elif row.latitude is not None and row.longitude is not None:
            position = row.latitude, row.longitude
            depot = depots.setdefault(row.id, Depot(row.id, row.name, position, ()))
            depots[row.id] = replace(depot, parts=(*depot.parts, row.number))
    return vans, list(depots.values())


class Promised(msgspec.Struct, frozen=True, gc=False):
    """Parts of one number that a planned visit counts on and has not used yet."""

    visit_id: UUID
    work_order_id: UUID
    technician_id: UUID
    part: str
    quantity: int


async def list_promised_parts(session: Session, actor: Actor, until: datetime) -> list[Promised]:
    """Return what live visits that begin before an instant count on having in the van, by what was asked."""
    rows = await fetch(
        session,
        """
        select v.id, v.work_order_id, v.technician_id, asked.part,
          ceil(asked.quantity - coalesce(used.quantity, 0))::int
        from visit v
        join planning_terms p on p.tenant_id = v.tenant_id and p.work_order_id = v.work_order_id
        cross join lateral jsonb_to_recordset(p.parts) as asked(part text, quantity int)
        left join lateral (
          select sum(u.quantity) as quantity from part_used u
          join part on part.tenant_id = u.tenant_id and part.id = u.part_id
          where u.tenant_id = v.tenant_id and u.visit_id = v.id and part.number = asked.part
        ) used on true
        where v.tenant_id = $1 and v.status = any($2) and v.planned_starts_at < $3
          and asked.quantity > coalesce(used.quantity, 0)
        order by v.planned_starts_at, v.id, asked.part
        """,
        actor.tenant_id,
        [str(one) for one in LIVE_VISITS],
        until,
    )
    return [Promised(*row) for row in map(tuple, rows)]


class PickUpStop(msgspec.Struct, frozen=True, gc=False):
    """Part of a stop at a warehouse that is to come: what is fetched there for a visit."""

    id: UUID
    visit_id: UUID
    starts_at: datetime
    ends_at: datetime
    latitude: float | None
    longitude: float | None
    part: str
    quantity: int


async def list_pick_ups(
    session: Session, actor: Actor, visit_ids: Collection[UUID], now: datetime
) -> dict[UUID, list[PickUpStop]]:
    """Return by visit what is to be fetched for it from now on, in order of time."""
    rows = await fetch(
        session,
        """
        select u.id, f.visit_id, u.starts_at, u.ends_at, place.latitude, place.longitude, part.number,
          f.quantity
        from pick_up_part f
        join pick_up u on u.tenant_id = $1 and u.id = f.pick_up_id and u.ends_at >= $3
        join stock_place place on place.tenant_id = $1 and place.id = u.place_id
        join part on part.tenant_id = $1 and part.id = f.part_id
        where f.tenant_id = $1 and f.visit_id = any($2)
        order by u.starts_at, u.id, part.number
        """,
        actor.tenant_id,
        list(visit_ids),
        now,
    )
    found: dict[UUID, list[PickUpStop]] = {}
    for row in rows:
        stop = PickUpStop(*tuple(row))
        found.setdefault(stop.visit_id, []).append(stop)
    return found


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
