"""A day on paper: everything a technician needs for it, should the phone stay dark."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import literal
from sqlalchemy.dialects.postgresql import TSTZRANGE, Range
from sqlmodel import col, select

from fsm.actors import Actor
from fsm.assets.tables import Asset, AssetModel
from fsm.checklists.tables import ChecklistVersion
from fsm.customers.tables import Contact, Customer, Site
from fsm.database import Session, run
from fsm.parts.tables import Part, StockPlace
from fsm.technicians.queries import find_technician
from fsm.technicians.tables import Shift, Technician
from fsm.work_orders.lifecycle import LIVE_VISITS, VisitStatus
from fsm.work_orders.tables import PickUp, PickUpPart, Visit, WorkOrder
from fsm.work_orders.visits import checklist_of
from scheduler.rows import list_stock
from scheduler.tables import PlanningTerms

LAST_VISITS: Final = 3
_MOST_CONTACTS: Final = 3
_SHOWN: Final = [str(status) for status in (*LIVE_VISITS, VisitStatus.FINISHED)]


@dataclass(frozen=True, slots=True)
class PastVisit:
    """An earlier visit to the same equipment, or to the site where the job names none."""

    number: str
    title: str
    technician: str
    finished_at: datetime
    notes: list[str]


@dataclass(frozen=True, slots=True)
class Take:
    """Parts of one number for the day: how many are asked for, and how many lie in the van."""

    number: str
    name: str
    unit: str
    needed: int
    in_van: int

    @property
    def missing(self) -> int:
        return max(0, self.needed - self.in_van)


@dataclass(frozen=True, slots=True)
class Stop:
    """A stop at a warehouse, with what is fetched there: parts, how many, and for which jobs."""

    place: StockPlace
    pick_up: PickUp
    fetched: list[tuple[Part, int, list[str]]]


@dataclass(slots=True)
class Line:
    """One visit with all that belongs to it."""

    visit: Visit
    job: WorkOrder
    site: Site
    customer: Customer
    contacts: list[Contact]
    asset: Asset | None
    model: AssetModel | None
    checklist: ChecklistVersion
    parts: list[tuple[Part, int]] = field(default_factory=list)
    last_visits: list[PastVisit] = field(default_factory=list)
    colleagues: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class RouteSheet:
    technician: Technician
    on: date
    shifts: list[Shift]
    lines: list[Line]
    take: list[Take]
    stops: list[Stop]


async def build_sheet(session: Session, actor: Actor, technician_id: UUID, on: date) -> RouteSheet:
    """Return a technician's visits that begin on a day of their own clocks, in order of time."""
    technician = await find_technician(session, actor, technician_id)
    zone = ZoneInfo(technician.zone)
    starts_at = datetime.combine(on, time(), zone).astimezone(UTC)
    ends_at = datetime.combine(on + timedelta(days=1), time(), zone).astimezone(UTC)
    rows = await _list_visits(session, actor, technician_id, starts_at, ends_at)
    jobs = {job.id: job for _, job, *_ in rows}
    parts = await _parts_of(session, actor, jobs)
    contacts = await _contacts_of(session, actor, [site for _, _, site, *_ in rows])
    past = await _past_of(session, actor, jobs)
    colleagues = await _colleagues_of(session, actor, technician_id, jobs)
    lines = [
        Line(
            visit,
            job,
            site,
            customer,
            contacts.get(site.id, []),
            asset,
            model,
            await checklist_of(session, actor, job),
            parts.get(job.id, []),
            past.get(job.id, []),
            colleagues.get(job.id, []),
        )
        for visit, job, site, customer, asset, model in rows
    ]
    shifts = await session.exec(
        select(Shift)
        .where(
            Shift.tenant_id == actor.tenant_id,
            Shift.technician_id == technician_id,
            col(Shift.during).op("&&")(literal(Range(starts_at, ends_at), TSTZRANGE)),
        )
        .order_by(col(Shift.during))
    )
    return RouteSheet(
        technician,
        on,
        list(shifts),
        lines,
        await _take(session, actor, technician_id, lines),
        await _stops(session, actor, lines),
    )


async def _list_visits(
    session: Session, actor: Actor, technician_id: UUID, starts_at: datetime, ends_at: datetime
) -> Sequence[tuple[Visit, WorkOrder, Site, Customer, Asset | None, AssetModel | None]]:
    statement: Any = (
        select(Visit, WorkOrder, Site, Customer, Asset, AssetModel)  # type: ignore[call-overload]
        .join(
            WorkOrder,
            (col(WorkOrder.tenant_id) == Visit.tenant_id)
            & (col(WorkOrder.id) == Visit.work_order_id),
        )
        .join(
            Site, (col(Site.tenant_id) == WorkOrder.tenant_id) & (col(Site.id) == WorkOrder.site_id)
        )
        .join(
            Customer,
            (col(Customer.tenant_id) == WorkOrder.tenant_id)
            & (col(Customer.id) == WorkOrder.customer_id),
        )
        .outerjoin(
            Asset,
            (col(Asset.tenant_id) == WorkOrder.tenant_id) & (col(Asset.id) == WorkOrder.asset_id),
        )
        .outerjoin(
            AssetModel,
            (col(AssetModel.tenant_id) == Asset.tenant_id) & (col(AssetModel.id) == Asset.model_id),
        )
        .where(
            Visit.tenant_id == actor.tenant_id,
            Visit.technician_id == technician_id,
            Visit.planned_starts_at >= starts_at,
            Visit.planned_starts_at < ends_at,
            col(Visit.status).in_(_SHOWN),
        )
        .order_by(col(Visit.planned_starts_at), col(Visit.id))
    )
    return list(await session.exec(statement))


async def _contacts_of(
    session: Session, actor: Actor, sites: Sequence[Site]
) -> dict[UUID, list[Contact]]:
    """Return some people by site: those of the site before those of the customer."""
    statement = (
        select(Contact)
        .where(
            Contact.tenant_id == actor.tenant_id,
            col(Contact.customer_id).in_({site.customer_id for site in sites}),
        )
        .order_by(col(Contact.site_id).is_(None), col(Contact.name), col(Contact.id))
    )
    people = list(await session.exec(statement))
    return {
        site.id: [
            one
            for one in people
            if one.customer_id == site.customer_id and one.site_id in (None, site.id)
        ][:_MOST_CONTACTS]
        for site in sites
    }


async def _parts_of(
    session: Session, actor: Actor, jobs: Collection[UUID]
) -> dict[UUID, list[tuple[Part, int]]]:
    """Return what each job asks for, by the terms of its planning."""
    statement = select(PlanningTerms).where(
        PlanningTerms.tenant_id == actor.tenant_id, col(PlanningTerms.work_order_id).in_(jobs)
    )
    asked = {
        terms.work_order_id: [(str(one["part"]), int(one["quantity"])) for one in terms.parts]
        for terms in await session.exec(statement)
    }
    numbers = {number for wanted in asked.values() for number, _ in wanted}
    known = {
        part.number: part
        for part in await session.exec(
            select(Part).where(Part.tenant_id == actor.tenant_id, col(Part.number).in_(numbers))
        )
    }
    return {
        job: [(known[number], quantity) for number, quantity in wanted if number in known]
        for job, wanted in asked.items()
    }


async def _take(
    session: Session, actor: Actor, technician_id: UUID, lines: Sequence[Line]
) -> list[Take]:
    """Return what the whole day needs of each part; a job that two visits serve counts once."""
    needed: Counter[str] = Counter()
    parts: dict[str, Part] = {}
    for wanted in {line.job.id: line.parts for line in lines}.values():
        for part, quantity in wanted:
            needed[part.number] += quantity
            parts[part.number] = part
    if not needed:
        return []
    vans, _ = await list_stock(session, actor)
    stock = vans.get(technician_id, {})
    return [
        Take(number, parts[number].name, parts[number].unit, needed[number], stock.get(number, 0))
        for number in sorted(needed)
    ]


async def _stops(session: Session, actor: Actor, lines: Sequence[Line]) -> list[Stop]:
    """Return where parts are fetched for these visits, in order of time."""
    numbers = {line.visit.id: line.job.number for line in lines}
    statement: Any = (
        select(PickUp, PickUpPart, StockPlace, Part)
        .join(
            PickUpPart,
            (col(PickUpPart.tenant_id) == PickUp.tenant_id)
            & (col(PickUpPart.pick_up_id) == PickUp.id),
        )
        .join(
            StockPlace,
            (col(StockPlace.tenant_id) == PickUp.tenant_id)
            & (col(StockPlace.id) == PickUp.place_id),
        )
        .join(
            Part,
            (col(Part.tenant_id) == PickUpPart.tenant_id) & (col(Part.id) == PickUpPart.part_id),
        )
        .where(PickUp.tenant_id == actor.tenant_id, col(PickUpPart.visit_id).in_(numbers))
        .order_by(col(PickUp.starts_at), col(PickUp.id), col(Part.number))
    )
    found: dict[UUID, Stop] = {}
    for pick_up, fetch, place, part in await session.exec(statement):
        stop = found.setdefault(pick_up.id, Stop(place, pick_up, []))
        number = numbers[fetch.visit_id]
        if stop.fetched and stop.fetched[-1][0].id == part.id:
            _, quantity, jobs = stop.fetched.pop()
            stop.fetched.append((part, quantity + fetch.quantity, [*jobs, number]))
        else:
            stop.fetched.append((part, fetch.quantity, [number]))
    return list(found.values())


async def _past_of(
    session: Session, actor: Actor, jobs: Mapping[UUID, WorkOrder]
) -> dict[UUID, list[PastVisit]]:
    """Return the last finished visits to each job's equipment, else to its site, the newest first."""
    rows = await run(
        session,
        """
        select j.id as job_id, past.*
        from work_order j
        cross join lateral (
          select w.number, w.title, t.name as technician, v.finished_at,
            (select coalesce(array_agg(n.text order by n.written_at, n.id), '{}') from note n
             where n.tenant_id = v.tenant_id and n.work_order_id = w.id and n.visit_id = v.id) as notes
          from work_order w
          join visit v on v.tenant_id = w.tenant_id and v.work_order_id = w.id
          join technician t on t.tenant_id = v.tenant_id and t.id = v.technician_id
          where w.tenant_id = j.tenant_id and w.id <> j.id and v.status = 'finished'
            and v.finished_at is not null
            and case when j.asset_id is null then w.site_id = j.site_id
                     else w.asset_id = j.asset_id end
          order by v.finished_at desc, v.id limit :most) past
        where j.tenant_id = :tenant and j.id = any(cast(:jobs as uuid[]))
        order by j.id, past.finished_at desc
        """,
        tenant=actor.tenant_id,
        jobs=list(jobs),
        most=LAST_VISITS,
    )
    found: dict[UUID, list[PastVisit]] = {}
    for row in rows:
        past = PastVisit(row.number, row.title, row.technician, row.finished_at, list(row.notes))
        found.setdefault(row.job_id, []).append(past)
    return found


async def _colleagues_of(
    session: Session, actor: Actor, technician_id: UUID, jobs: Collection[UUID]
) -> dict[UUID, list[str]]:
    """Return who else is planned for each job."""
    statement = (
        select(Visit.work_order_id, Technician.name)
        .join(
            Technician,
            (col(Technician.tenant_id) == Visit.tenant_id)
            & (col(Technician.id) == Visit.technician_id),
        )
        .where(
            Visit.tenant_id == actor.tenant_id,
            col(Visit.work_order_id).in_(jobs),
            Visit.technician_id != technician_id,
            col(Visit.status).in_([str(status) for status in LIVE_VISITS]),
        )
        .order_by(col(Technician.name))
    )
    found: dict[UUID, list[str]] = {}
    for job, name in await session.exec(statement):
        if name not in found.setdefault(job, []):
            found[job].append(name)
    return found
