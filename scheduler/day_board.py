"""Everything that a board of some days shows, read in one go: people, their time, visits, work that waits."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from fsm.database import Reader
from scheduler.board_point import find_point

MOST_VISITS = 5_000
MOST_WAITING = 2_000

_TENANT = "select zone, name from tenant where id = $1"

_TECHNICIANS = """
select t.id, t.number, t.name, t.territory, t.phone, t.home_latitude as latitude,
  t.home_longitude as longitude,
  coalesce((select array_agg(k.code order by k.code) from technician_skill h
    join skill k on k.tenant_id = h.tenant_id and k.id = h.skill_id
    where h.tenant_id = t.tenant_id and h.technician_id = t.id), '{}') as skills
from technician t where t.tenant_id = $1 and t.is_active
order by t.territory, t.name, t.id
"""

_SHIFTS = """
select technician_id, lower(during) as starts_at, upper(during) as ends_at, break_s,
  lower(during) + break_earliest_s * interval '1 second' as break_at
from shift where tenant_id = $1 and during && tstzrange($2, $3)
order by technician_id, during
"""

_ABSENCES = """
select technician_id, lower(during) as starts_at, upper(during) as ends_at, kind
from absence where tenant_id = $1 and during && tstzrange($2, $3)
order by technician_id, during
"""

_JOB = """
  w.id as work_order_id, w.number, w.title, w.priority, w.status as job_status, w.estimate_s,
  w.respond_by, w.restore_by, w.request_class, w.crew_size,
  coalesce((select array_agg(x.value ->> 'skill') from jsonb_array_elements(w.skills) x), '{}')
    as skills,
  c.name as customer, s.name as site, s.address, s.city, s.region as territory, s.zone as site_zone,
  s.latitude, s.longitude, a.name as asset
"""

_AROUND = """
join site s on s.tenant_id = w.tenant_id and s.id = w.site_id
join customer c on c.tenant_id = w.tenant_id and c.id = w.customer_id
left join asset a on a.tenant_id = w.tenant_id and a.id = w.asset_id
"""

_PICK_UPS = """
(select jsonb_agg(jsonb_build_object(
    'id', u.id, 'place', place.name, 'latitude', place.latitude, 'longitude', place.longitude,
    'starts_at', u.starts_at, 'ends_at', u.ends_at, 'travel_s', u.travel_s,
    'part', part.number, 'name', part.name, 'quantity', f.quantity)
    order by u.starts_at, u.id, part.number)
  from pick_up_part f
  join pick_up u on u.tenant_id = f.tenant_id and u.id = f.pick_up_id
  join stock_place place on place.tenant_id = u.tenant_id and place.id = u.place_id
  join part on part.tenant_id = f.tenant_id and part.id = f.part_id
  where f.tenant_id = v.tenant_id and f.visit_id = v.id)
"""

_SAID_LATE = """
case when v.status in ('planned', 'dispatched', 'travelling') then (
  select (e.data ->> 'minutes')::int from event e
  where e.tenant_id = v.tenant_id and e.entity = 'visit' and e.entity_id = v.id
    and e.kind in ('visit.delayed', 'visit.moved')
  order by e.received_at desc, e.id desc limit 1) end
"""
"""What the technician last said of being late on the plan; null again once the plan was changed after it."""

_VISITS = f"""
select v.id, v.rev, v.technician_id, v.status, v.planned_starts_at as starts_at,
  v.planned_ends_at as ends_at, v.window_starts_at, v.window_ends_at, v.travel_s, v.is_pinned,
  v.crew_id, v.arrived_at, v.finished_at, {_PICK_UPS} as pick_ups, {_SAID_LATE} as late_min,
  {_JOB}
from visit v
join work_order w on w.tenant_id = v.tenant_id and w.id = v.work_order_id
{_AROUND}
where v.tenant_id = $1 and v.planned_starts_at < $3 and v.planned_ends_at > $2
  and v.status not in ('withdrawn', 'rejected')
  and ($4::uuid[] is null or v.work_order_id = any($4))
order by v.technician_id, v.planned_starts_at, v.id
limit {MOST_VISITS + 1}
"""  # noqa: S608 (put together from words of this file)

_WAITING = f"""
select {_JOB}, w.reported_at
from work_order w
{_AROUND}
where w.tenant_id = $1 and w.status in ('open', 'in_progress')
  and ($2::uuid[] is null or w.id = any($2))
  and not exists (select from visit v where v.tenant_id = w.tenant_id and v.work_order_id = w.id
    and v.status in ('planned', 'dispatched', 'travelling', 'on_site', 'paused'))
order by coalesce(w.respond_by, w.restore_by) nulls last, w.priority, w.reported_at, w.id
limit {MOST_WAITING + 1}
"""  # noqa: S608 (put together from words of this file)


class BoardTechnician(msgspec.Struct, frozen=True):
    id: UUID
    number: str
    name: str
    territory: str
    phone: str | None
    latitude: float | None
    longitude: float | None
    skills: list[str]


class BoardShift(msgspec.Struct, frozen=True):
    technician_id: UUID
    starts_at: datetime
    ends_at: datetime
    break_s: int
    break_at: datetime
    """When the break may begin at the earliest; it is taken somewhere after that."""


class BoardAbsence(msgspec.Struct, frozen=True):
    technician_id: UUID
    starts_at: datetime
    ends_at: datetime | None
    kind: str


class _Job(msgspec.Struct, frozen=True, kw_only=True):
    """What the board shows of a job, with a visit or without."""

    work_order_id: UUID
    number: str
    title: str
    priority: int
    job_status: str
    estimate_s: int
    respond_by: datetime | None
    restore_by: datetime | None
    request_class: str
    crew_size: int
    skills: list[str]
    customer: str
    site: str
    address: str
    city: str
    territory: str
    site_zone: str
    latitude: float | None
    longitude: float | None
    asset: str | None


class BoardJob(_Job, frozen=True, kw_only=True):
    """Work without a visit."""

    reported_at: datetime


class BoardPickUp(msgspec.Struct, frozen=True, kw_only=True):
    """Parts of one number that are fetched for a visit, with the stop at a warehouse that it takes.

    A stop that is for several parts or visits stands with each of them, under one `id`.
    """

    id: UUID
    place: str
    latitude: float | None
    longitude: float | None
    starts_at: datetime
    ends_at: datetime
    travel_s: int
    part: str
    name: str
    quantity: int


class BoardVisit(_Job, frozen=True, kw_only=True):
    """A visit with its job. `late_min`: by how much its technician has said to be late on the plan.

    `risks`: what it misses as it is planned and said: late, promise, respond, restore.
    """

    id: UUID
    rev: int
    technician_id: UUID
    status: str
    starts_at: datetime
    ends_at: datetime
    window_starts_at: datetime | None
    window_ends_at: datetime | None
    travel_s: int
    is_pinned: bool
    crew_id: UUID | None
    arrived_at: datetime | None
    finished_at: datetime | None
    pick_ups: list[BoardPickUp]
    late_min: int | None
    risks: list[str]


class BoardView(msgspec.Struct, frozen=True):
    """`is_cut`: more work waits than is listed; the list holds what is due first.

    `as_of` is how far history had come: what changed since is asked for by it.
    """

    as_of: str
    company: str
    zone: str
    now: datetime
    starts_at: datetime
    ends_at: datetime
    technicians: list[BoardTechnician]
    shifts: list[BoardShift]
    absences: list[BoardAbsence]
    visits: list[BoardVisit]
    waiting: list[BoardJob]
    is_cut: bool


@dataclass(frozen=True, slots=True)
class Days:
    """The days of a board on the clocks of the company, from midnight to midnight."""

    tenant_id: UUID
    company: str
    zone: str
    starts_at: datetime
    ends_at: datetime


async def read_board(reader: Reader, now: datetime, first_on: date | None, days: int) -> BoardView:
    """Return the board of some days on the company's clocks; None begins today."""
    of = await find_days(reader, now, first_on, days)
    point = await find_point(reader)
    visits, waiting = await list_work(reader, of, None)
    shifts, absences = await list_times(reader, of)
    return BoardView(
        as_of=str(point),
        company=of.company,
        zone=of.zone,
        now=now,
        starts_at=of.starts_at,
        ends_at=of.ends_at,
        technicians=[
            BoardTechnician(**dict(row)) for row in await reader.rows(_TECHNICIANS, of.tenant_id)
        ],
        shifts=shifts,
        absences=absences,
        visits=visits[:MOST_VISITS],
        waiting=waiting[:MOST_WAITING],
        is_cut=len(waiting) > MOST_WAITING or len(visits) > MOST_VISITS,
    )


async def find_days(reader: Reader, now: datetime, first_on: date | None, days: int) -> Days:
    """Return which instants some days span; None begins today."""
    tenant = await reader.row(_TENANT, reader.actor.tenant_id)
    assert tenant is not None
    zone = ZoneInfo(tenant["zone"])
    first_on = first_on or now.astimezone(zone).date()
    starts_at = datetime.combine(first_on, time(), zone).astimezone(UTC)
    ends_at = datetime.combine(first_on + timedelta(days=days), time(), zone).astimezone(UTC)
    return Days(reader.actor.tenant_id, tenant["name"], tenant["zone"], starts_at, ends_at)


async def list_work(
    reader: Reader, of: Days, work_orders: Collection[UUID] | None
) -> tuple[list[BoardVisit], list[BoardJob]]:
    """Return the visits of these days and the jobs that wait, of some work orders or of all."""
    only = None if work_orders is None else list(work_orders)
    visits = await reader.rows(_VISITS, of.tenant_id, of.starts_at, of.ends_at, only)
    waiting = await reader.rows(_WAITING, of.tenant_id, only)
    return (
        [
            BoardVisit(**{**dict(row), "pick_ups": _pick_ups(row)}, risks=_risks(row))
            for row in visits
        ],
        [BoardJob(**dict(row)) for row in waiting],
    )


async def list_times(reader: Reader, of: Days) -> tuple[list[BoardShift], list[BoardAbsence]]:
    """Return when people work in these days, and when they are away."""
    span = of.tenant_id, of.starts_at, of.ends_at
    return (
        [BoardShift(**dict(row)) for row in await reader.rows(_SHIFTS, *span)],
        [BoardAbsence(**dict(row)) for row in await reader.rows(_ABSENCES, *span)],
    )


def _pick_ups(row: Any) -> list[BoardPickUp]:
    found = row["pick_ups"]
    return [] if found is None else msgspec.json.decode(found, type=list[BoardPickUp])


def _risks(row: Any) -> list[str]:
    """Return which promises a visit misses where it is; those of work that has begun are settled."""
    if row["status"] not in ("planned", "dispatched", "travelling"):
        return []
    late = timedelta(minutes=row["late_min"] or 0)
    starts_at, ends_at = row["starts_at"] + late, row["ends_at"] + late
    missed = {
        "late": late > timedelta(0),
        "promise": row["window_ends_at"] is not None and starts_at > row["window_ends_at"],
        "respond": row["respond_by"] is not None and starts_at > row["respond_by"],
        "restore": row["restore_by"] is not None and ends_at > row["restore_by"],
    }
    return [name for name, is_missed in missed.items() if is_missed]
