"""Which scopes a transaction's changes may show in: from the touched rows to `tech:<id>` and `cat:main`.

Too many is only slower; one too few would leave a phone with an old row, so each kind of row lists every
way that it can enter, change or leave a scope. Ids are looked up again in SQL, never read from the objects:
a rolled-back savepoint may have emptied those.
"""

from collections.abc import Iterable
from datetime import date
from uuid import UUID

from sqlalchemy import inspect

from fsm.assets.tables import (
    Asset,
    AssetDocument,
    AssetModel,
    Failure,
    Identifier,
    Meter,
    MeterReading,
    Passport,
)
from fsm.catalogue.tables import Reason, WorkType, WorkTypeVersion
from fsm.checklists.tables import ChecklistTemplate, ChecklistVersion
from fsm.customers.tables import Contact, Customer, Site
from fsm.database import Session, fetch
from fsm.parts.tables import Movement, Part, StockPlace
from fsm.technicians.tables import Technician
from fsm.work_orders.records import Note, PartUsed, Photo, Signature, TimeEntry
from fsm.work_orders.tables import Visit, WorkOrder

CATALOGUE = "cat:main"
OF_STOCK = frozenset({"movements", "stock_places"})
"""The kinds of rows that change what a van holds."""

_KINDS: dict[type[object], str] = {
    WorkOrder: "work_orders",
    Visit: "visits",
    Photo: "photos",
    Note: "notes",
    TimeEntry: "time_entries",
    PartUsed: "parts_used",
    Signature: "signatures",
    Customer: "customers",
    Site: "sites",
    Contact: "contacts",
    Asset: "assets",
    AssetModel: "models",
    AssetDocument: "documents",
    Identifier: "identifiers",
    Meter: "meters",
    MeterReading: "readings",
    Failure: "failures",
    Technician: "technicians",
    StockPlace: "stock_places",
}
_CATALOGUE_ROWS = (Part, Reason, WorkType, WorkTypeVersion, ChecklistTemplate, ChecklistVersion)

# `offset 0` keeps the planner to one look by index for each row: it cannot know how few the touched ones are.
_HELD = """
with touched as materialized (
  select * from unnest($2::text[], $3::uuid[]) as t (kind, id)
),
job as materialized (
  select id from touched where kind = 'work_orders'
  union
  select v.work_order_id from touched t join visit v on v.tenant_id = $1 and v.id = t.id
  where t.kind = 'visits'
  union
  select r.work_order_id from touched t join photo r on r.tenant_id = $1 and r.id = t.id
  where t.kind = 'photos'
  union
  select r.work_order_id from touched t join note r on r.tenant_id = $1 and r.id = t.id
  where t.kind = 'notes'
  union
  select r.work_order_id from touched t join time_entry r on r.tenant_id = $1 and r.id = t.id
  where t.kind = 'time_entries'
  union
  select r.work_order_id from touched t join part_used r on r.tenant_id = $1 and r.id = t.id
  where t.kind = 'parts_used'
  union
  select r.work_order_id from touched t join signature r on r.tenant_id = $1 and r.id = t.id
  where t.kind = 'signatures'
),
held (coll, id) as (
  select kind, id from touched
  union all select 'work_orders', id from job
  union all
  select 'assets', w.asset_id from job j
    join work_order w on w.tenant_id = $1 and w.id = j.id and w.asset_id is not null
  union all
  select 'assets', a.parent_id from touched t
    join asset a on a.tenant_id = $1 and a.id = t.id and a.parent_id is not null
  where t.kind = 'assets'
  union all
  select 'assets', i.asset_id from touched t
    join identifier i on i.tenant_id = $1 and i.id = t.id where t.kind = 'identifiers'
  union all
  select 'assets', m.asset_id from touched t
    join meter m on m.tenant_id = $1 and m.id = t.id where t.kind = 'meters'
  union all
  select 'assets', m.asset_id from touched t
    join meter_reading r on r.tenant_id = $1 and r.id = t.id
    join meter m on m.tenant_id = $1 and m.id = r.meter_id
  where t.kind = 'readings'
  union all
  select 'assets', f.asset_id from touched t
    join failure f on f.tenant_id = $1 and f.id = t.id where t.kind = 'failures'
  union all
  select case when d.asset_id is null then 'models' else 'assets' end,
    coalesce(d.asset_id, d.model_id)
  from touched t join asset_document d on d.tenant_id = $1 and d.id = t.id
  where t.kind = 'documents'
  union all
  select case when c.site_id is null then 'customers' else 'sites' end,
    coalesce(c.site_id, c.customer_id)
  from touched t join contact c on c.tenant_id = $1 and c.id = t.id
  where t.kind = 'contacts'
  union all
  select 'visits', v.id from touched t
    join visit v on v.tenant_id = $1 and v.technician_id = t.id where t.kind = 'technicians'
  union all
  select 'visits', f.visit_id from touched t
    join pick_up u on u.tenant_id = $1 and u.place_id = t.id
    join pick_up_part f on f.tenant_id = $1 and f.pick_up_id = u.id
  where t.kind = 'stock_places'
  union all
  select 'stock', md5(t.id::text || m.part_id::text)::uuid from touched t
    join movement m on m.tenant_id = $1 and (m.to_place_id = t.id or m.from_place_id = t.id)
  where t.kind = 'stock_places'
)
"""

_SCOPES = """
select 'tech:' || v.technician_id from job j
  cross join lateral (
    select technician_id from visit v
    where v.tenant_id = $1 and v.work_order_id = j.id and v.status <> 'planned' offset 0) v
union
select 'tech:' || id from touched where kind = 'technicians'
union
select 'tech:' || p.technician_id from touched t
  join movement m on m.tenant_id = $1 and m.id = t.id
  join stock_place p on p.tenant_id = $1 and p.id in (m.from_place_id, m.to_place_id)
    and p.technician_id is not null
where t.kind = 'movements'
union
select 'tech:' || p.technician_id from touched t
  join stock_place p on p.tenant_id = $1 and p.id = t.id and p.technician_id is not null
where t.kind = 'stock_places'
union
select r.scope from held h
  cross join lateral (
    select scope from sync_row r
    where r.tenant_id = $1 and r.coll = h.coll and r.id = h.id
      and r.op = 'put' and r.scope like 'tech:%' offset 0) r
"""

_AFFECTED = "".join((_HELD, _SCOPES))

_LOCK_AFFECTED = "".join(
    (
        _HELD,
        ", affected (scope) as (select unnest(cast($4 as text[])) union",
        _SCOPES,
        """)
select scope, window_on from sync_scope
where tenant_id = $1 and scope in (select scope from affected) order by scope for update
""",
    )
)

# Shared objects come into a scope with a job, and change at the hands of who knows nothing of the job.
_HOLD_CHANGED = "".join(
    (
        _HELD,
        """
select count(pg_advisory_xact_lock(hashtextextended($1::text || coll || id, 0)))
from (
  select distinct coll, id from held where coll in ('customers', 'sites', 'assets', 'models')
  order by coll, id) h
""",
    )
)

_HOLD_NEW = """
select count(pg_advisory_xact_lock_shared(hashtextextended($1::text || coll || id, 0)))
from (
  select distinct coll, id from sync_row
  where tenant_id = $1 and scope = any($2::text[]) and seq is null and op = 'put' and why is null
    and coll in ('customers', 'sites', 'assets', 'models')
  order by coll, id) r
"""

Touched = set[tuple[str, UUID]]


def identify(rows: Iterable[object]) -> tuple[Touched, bool]:
    """Return the touched rows that scopes may show as (kind, id), and whether the catalogue changed.

    Rows of other kinds show on no phone. A row without an identity was never written.
    """
    found: Touched = set()
    catalogue = False
    for row in rows:
        kind = _KINDS.get(type(row))
        if isinstance(row, Passport):
            if (asset_id := inspect(row).dict.get("asset_id")) is not None:
                found.add(("assets", asset_id))
        elif isinstance(row, Movement):  # appended in one go: it never had an identity
            if (movement_id := inspect(row).dict.get("id")) is not None:
                found.add(("movements", movement_id))
        elif kind is not None:
            identity = inspect(row).identity
            if identity is not None:
                found.add((kind, identity[1]))
        elif isinstance(row, _CATALOGUE_ROWS):
            catalogue = True
    return found, catalogue


async def affected_scopes(session: Session, tenant_id: UUID, touched: Touched) -> set[str]:
    """Return the technicians' scopes that hold any of these rows, or may have to, in a new snapshot."""
    if not touched:
        return set()
    rows = await fetch(session, _AFFECTED, tenant_id, *_by_column(touched))
    return {scope for (scope,) in rows}


async def lock_affected(
    session: Session, tenant_id: UUID, touched: Touched, marked: Iterable[str]
) -> dict[str, date | None]:
    """Hold those scopes and the marked ones, as far as there are such, until the commit, in sorted order.

    Returns the day of each one's window.
    """
    rows = await fetch(session, _LOCK_AFFECTED, tenant_id, *_by_column(touched), sorted(marked))
    return dict(rows)


async def hold_changed(session: Session, tenant_id: UUID, touched: Touched) -> None:
    """Hold the shared objects that this transaction changed, to be called before looking who has them.

    A scope that one of them is coming into at this moment shows to nobody yet. Whoever brings it there holds
    it too (`hold_new`), so that one of us waits for the other and sees what it did.
    """
    if touched:
        await fetch(session, _HOLD_CHANGED, tenant_id, *_by_column(touched))


async def hold_new(session: Session, tenant_id: UUID, scopes: list[str]) -> None:
    """Hold, with others, the shared objects that came into scopes; what was read of them is read again."""
    await fetch(session, _HOLD_NEW, tenant_id, scopes)


def _by_column(touched: Touched) -> tuple[list[str], list[UUID]]:
    ordered = sorted(touched)
    return [kind for kind, _ in ordered], [row_id for _, row_id in ordered]
