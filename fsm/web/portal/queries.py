"""All the SQL behind the customer's pages. Every statement names the tenant and the customer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import col, select

from fsm.actors import Actor
from fsm.assets.tables import Asset
from fsm.customers.tables import Customer, Site
from fsm.database import Session, fetch
from fsm.problems import Forbidden, NotFound
from fsm.technicians.tables import Technician
from fsm.tenants.tables import Tenant
from fsm.work_orders.lifecycle import Status
from fsm.work_orders.lists import cursor, read_cursor
from fsm.work_orders.ratings.tables import Rating
from fsm.work_orders.scope_changes.offers import Put
from fsm.work_orders.scope_changes.tables import ScopeAnswer, ScopeOffer
from fsm.work_orders.tables import Clock, Visit, WorkOrder

OPEN = (Status.OPEN, Status.SCHEDULED, Status.DISPATCHED, Status.IN_PROGRESS)
"""To a customer a job is over once the work is done; the papers are the office's concern."""


MOST_OFFERS = 100


def customer_of(actor: Actor) -> UUID:
    """Return the customer whose user asks."""
    if actor.customer_id is None:
        raise Forbidden(
            "These pages are the customers' own. You find the same jobs on the board and under "
            "/api/work-orders."
        )
    return actor.customer_id


@dataclass(frozen=True, slots=True)
class Home:
    """The customer, and the company that serves them."""

    customer: Customer
    tenant: Tenant
    sites: Sequence[Site]


async def find_home(session: Session, actor: Actor) -> Home:
    own = customer_of(actor)
    customers = select(Customer).where(Customer.tenant_id == actor.tenant_id, Customer.id == own)
    sites = (
        select(Site)
        .where(
            Site.tenant_id == actor.tenant_id,
            Site.customer_id == own,
            col(Site.is_active).is_(True),
        )
        .order_by(col(Site.name), col(Site.id))
    )
    return Home(
        (await session.exec(customers)).one(),
        (await session.exec(select(Tenant).where(Tenant.id == actor.tenant_id))).one(),
        (await session.exec(sites)).all(),
    )


# The service level's newest version that has begun is what new work is promised today.
_CONTRACTS = """
  select c.id, c.number, c.name, c.kind, c.starts_on, c.ends_on, c.lets_customer_move,
         l.name as level, coalesce(v.body -> 'targets', '[]'::jsonb) as targets
  from contract c
  left join service_level l on l.tenant_id = c.tenant_id and l.id = c.service_level_id
  left join lateral (
    select n.body from service_level_version n
    where n.tenant_id = l.tenant_id and n.service_level_id = l.id and n.effective_at <= $3
    order by n.effective_at desc, n.version desc limit 1
  ) v on true
  where c.tenant_id = $1 and c.customer_id = $2
  order by c.ends_on is not null and c.ends_on < $3::date, c.starts_on desc, c.id
  limit 200"""


async def list_contracts(session: Session, actor: Actor, now: datetime) -> list[Any]:
    """Return the customer's contracts, those in force first, with what they promise today."""
    return await fetch(session, _CONTRACTS, actor.tenant_id, customer_of(actor), now)


_MACHINES = """
  select a.id, a.number, a.name, a.serial, a.place, a.site_id, s.name as site, s.zone,
         btrim(m.manufacturer || ' ' || m.name) as model,
         (select p.code from passport p
          where p.tenant_id = a.tenant_id and p.asset_id = a.id and p.status = 'active'
          order by p.claimed_at desc nulls last, p.code limit 1) as code,
         (select count(*) from work_order w
          where w.tenant_id = a.tenant_id and w.asset_id = a.id and w.status = any($4)) as open_jobs,
         (select max(w.work_done_at) from work_order w
          where w.tenant_id = a.tenant_id and w.asset_id = a.id and w.status <> 'cancelled'
         ) as last_done_at
  from asset a
  join site s on s.tenant_id = a.tenant_id and s.id = a.site_id
  join asset_model m on m.tenant_id = a.tenant_id and m.id = a.model_id
  where a.tenant_id = $1 and a.customer_id = $2 and a.retired_at is null
    and ($3::uuid is null or a.id > $3) and ($5::uuid is null or a.site_id = $5)
    and ($6::text is null or concat_ws(' ', a.number, a.name, a.serial, a.place, m.name, s.name)
         ilike $6)
  order by a.id limit $7"""


async def list_machines(
    session: Session,
    actor: Actor,
    *,
    after: UUID | None,
    limit: int,
    site_id: UUID | None,
    q: str | None,
) -> list[Any]:
    """Return the customer's machines in service, in order of id; retired ones are in the history alone."""
    escaped = None if not q else q.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    return await fetch(
        session,
        _MACHINES,
        actor.tenant_id,
        customer_of(actor),
        after,
        list(OPEN),
        site_id,
        None if escaped is None else f"%{escaped}%",
        limit,
    )


@dataclass(frozen=True, slots=True)
class OwnJob:
    """One of the customer's jobs. `names` are the technicians' first names by id."""

    job: WorkOrder
    site: Site
    asset: Asset | None
    visits: Sequence[Visit]
    clocks: Sequence[Clock]
    names: Mapping[UUID, str]
    stars: Mapping[UUID, int]
    """What this user said of a visit, by its id."""


async def list_jobs(
    session: Session,
    actor: Actor,
    *,
    is_open: bool,
    asset_id: UUID | None,
    after: str | None,
    limit: int,
) -> tuple[list[OwnJob], str | None]:
    """Return a page of the customer's jobs, newest report first, and where the next one begins."""
    statement = _jobs(actor).order_by(col(WorkOrder.reported_at).desc(), col(WorkOrder.id).desc())
    is_one = col(WorkOrder.status).in_(OPEN)
    statement = statement.where(is_one if is_open else ~is_one)
    if asset_id is not None:
        statement = statement.where(WorkOrder.asset_id == asset_id)
    if after is not None:
        reported_at, row_id = read_cursor(after)
        is_earlier = col(WorkOrder.reported_at) < reported_at
        is_same = (col(WorkOrder.reported_at) == reported_at) & (col(WorkOrder.id) < row_id)
        statement = statement.where(is_earlier | is_same)
    rows = list(await session.exec(statement.limit(limit + 1)))
    jobs = await _complete(session, actor, rows[:limit])
    if len(rows) <= limit:
        return jobs, None
    last = jobs[-1].job
    return jobs, cursor(last.reported_at, last.id)


async def find_job(session: Session, actor: Actor, work_order_id: UUID) -> OwnJob:
    """Return one job; another customer's is `NotFound`."""
    rows = list(await session.exec(_jobs(actor).where(WorkOrder.id == work_order_id)))
    if not rows:
        raise NotFound(f"No work order {work_order_id}.")
    return (await _complete(session, actor, rows))[0]


async def list_numbers(
    session: Session, actor: Actor, work_order_ids: Sequence[UUID]
) -> dict[UUID, str]:
    rows = await session.exec(_jobs(actor).where(col(WorkOrder.id).in_(work_order_ids)))
    return {row.id: row.number for row in rows}


async def list_offers(session: Session, actor: Actor, now: datetime) -> list[Put]:
    """Return the prices that wait for the customer's answer, those that stand the shortest first."""
    statement = (
        _offers(actor)
        .where(
            ~_answered(actor).exists(),
            col(ScopeOffer.expires_at) > now,
            col(WorkOrder.status).in_(OPEN),
        )
        .order_by(col(ScopeOffer.expires_at), col(ScopeOffer.id))
        .limit(MOST_OFFERS)
    )
    return [Put(offer, None, job) for offer, job in await session.exec(statement)]


async def find_offer(session: Session, actor: Actor, offer_id: UUID) -> Put:
    """Return one price, answered or not; another customer's is `NotFound`."""
    found = (await session.exec(_offers(actor).where(ScopeOffer.id == offer_id))).one_or_none()
    if found is None:
        raise NotFound(f"No offer {offer_id}.")
    offer, job = found
    ended = select(ScopeAnswer).where(
        ScopeAnswer.tenant_id == actor.tenant_id, ScopeAnswer.scope_offer_id == offer.id
    )
    return Put(offer, (await session.exec(ended)).one_or_none(), job)


def _offers(actor: Actor) -> Any:
    return (
        select(ScopeOffer, WorkOrder)
        .join(
            WorkOrder,
            (col(WorkOrder.tenant_id) == ScopeOffer.tenant_id)
            & (col(WorkOrder.id) == ScopeOffer.work_order_id),
        )
        .where(ScopeOffer.tenant_id == actor.tenant_id, WorkOrder.customer_id == customer_of(actor))
    )


def _answered(actor: Actor) -> Any:
    return select(ScopeAnswer.id).where(
        ScopeAnswer.tenant_id == actor.tenant_id, ScopeAnswer.scope_offer_id == ScopeOffer.id
    )


def _jobs(actor: Actor) -> Any:
    return select(WorkOrder).where(
        WorkOrder.tenant_id == actor.tenant_id, WorkOrder.customer_id == customer_of(actor)
    )


async def _complete(session: Session, actor: Actor, jobs: Sequence[WorkOrder]) -> list[OwnJob]:
    """Return jobs with all that is shown of them: a handful of statements, however many they are."""
    ids = [job.id for job in jobs]

    async def rows(table: Any, condition: Any, *order: Any) -> Sequence[Any]:
        statement = select(table).where(table.tenant_id == actor.tenant_id, condition)
        return (await session.exec(statement.order_by(*order))).all()

    visits: Sequence[Visit] = await rows(
        Visit, col(Visit.work_order_id).in_(ids), col(Visit.planned_starts_at), col(Visit.id)
    )
    clocks: Sequence[Clock] = await rows(Clock, col(Clock.work_order_id).in_(ids), col(Clock.kind))
    sites = {
        row.id: row for row in await rows(Site, col(Site.id).in_({job.site_id for job in jobs}))
    }
    assets = {
        row.id: row
        for row in await rows(
            Asset, col(Asset.id).in_({job.asset_id for job in jobs if job.asset_id is not None})
        )
    }
    people = await rows(
        Technician, col(Technician.id).in_({visit.technician_id for visit in visits})
    )
    said = await rows(
        Rating,
        col(Rating.work_order_id).in_(ids) & (col(Rating.user_id) == actor.user_id),
        col(Rating.given_at),
        col(Rating.id),
    )
    return [
        OwnJob(
            job=job,
            site=sites[job.site_id],
            asset=None if job.asset_id is None else assets[job.asset_id],
            visits=[one for one in visits if one.work_order_id == job.id],
            clocks=[one for one in clocks if one.work_order_id == job.id],
            names={one.id: one.name.split()[0] for one in people if one.name.strip()},
            stars={one.visit_id: one.stars for one in said if one.work_order_id == job.id},
        )
        for job in jobs
    ]
