"""Figures counted from visits and requests: the plan kept, and requests solved without a visit."""

from datetime import timedelta

from reports.exposure_sql import Statement, day_begins, micros_between
from reports.jobs_sql import begin, work_texts
from reports.questions import Asked

FREEZE = "18:00"
"""Local time on the day before, after which a day's plan is frozen."""

_PLANNED_AHEAD = "366 days"
"""How long before its day a visit is planned at most, for figures about plans."""

_LONG = timedelta(days=183)
"""From here on most of what is read of the plan lies in the window, however far ahead it was planned."""


async def adhered(asked: Asked) -> Statement:
    """Find the visits in the plan when it was frozen, and those of them that took place as planned.

    The plan of a past day is read from the history. Days are those of the site.
    """
    statement = begin(asked)
    texts = work_texts(statement, asked, "v.technician_id")
    is_hours = asked.question.variant == "hours"
    planned = micros_between("v.planned_starts_at", "v.planned_ends_at")
    period = asked.question.period
    is_long = period.to_at - period.from_at >= _LONG
    statement.part("version", _VERSION, ahead=_PLANNED_AHEAD)
    statement.part(
        "frozen",
        _FROZEN,
        freeze=FREEZE,
        within=_MOSTLY_WITHIN if is_long else _WITHIN,
        begins=day_begins("l.day", "z.zone"),
        ends=day_begins("l.day + 1", "z.zone"),
    )
    return statement.part(
        "candidate",
        _ADHERED,
        **texts,
        weight=planned if is_hours else "1",
        weight_of_frozen=planned if is_hours else "1",
    )


async def solved_at_first_contact(asked: Asked) -> Statement:
    """Find the requests whose work ended in the window, and those solved without visit or reminder."""
    statement = begin(asked)
    texts = work_texts(statement, asked)
    statement.part("ended", _ENDED)
    visited = _IS_VISITED if asked.question.scope.parts else _IS_AMONG_VISITED
    return statement.part("candidate", _FIRST_CONTACT, **texts, visited=visited)


VISIT = """id tenant_id work_order_id technician_id status window_starts_at window_ends_at arrived_at
  work_started_at finished_at ended_reason created_at planned_starts_at planned_ends_at"""
"""What figures of one scope ask of a visit: they read its visits once."""

# A visit taken back or rejected is made good by another one of the job in the same window. Every visit has a
# job: an outer join that nobody asks anything of is left out.
WINDOWS = """
  select x.key, x.id, x.asset_id, x.at, (x.state = 'kept')::int as above, 1 as below,
         case when x.state in ('cancelled', 'replaced', 'running') then x.state end as reason,
         case when x.state <> 'kept' then x.state end as note, x.job_ids
  from (
    select $key as key, v.id, $asset_id as asset_id, v.window_ends_at as at,
           array[v.work_order_id] as job_ids,
           case when v.arrived_at <= :as_of and v.arrived_at > v.window_ends_at then 'late'
                when v.arrived_at <= :as_of
                 and coalesce(case when v.work_started_at <= :as_of then v.work_started_at end,
                              v.arrived_at) < v.window_starts_at then 'early'
                when v.arrived_at <= :as_of then 'kept'
                when $cancelled_at <= least(:as_of, v.window_ends_at) then 'cancelled'
                when v.status in ('withdrawn', 'rejected') and exists (
                  select from visit n
                  where n.tenant_id = :t and n.work_order_id = v.work_order_id and n.id <> v.id
                    and n.status not in ('withdrawn', 'rejected')
                    and n.window_starts_at = v.window_starts_at
                    and n.window_ends_at = v.window_ends_at) then 'replaced'
                when v.window_ends_at < :as_of then 'missed'
                else 'running' end as state
    from $visits v
    left join work_order w on w.tenant_id = :t and w.id = v.work_order_id
    $joins
    where v.tenant_id = :t and v.window_ends_at >= :from_at and v.window_ends_at < :to_at$only$of_scope
  ) x
"""

# What stood in the plan, and from when until when: an event each time that a visit was planned or moved.
# A visit without any (an import's) stands as it is from its creation on.
_VERSION = """
  select x.visit_id, x.id, x.starts_at, x.since_at,
         lead(x.since_at) over (partition by x.visit_id order by x.since_at, x.id) as until_at
  from (
    select e.entity_id as visit_id, e.id, cast(e.data ->> 'starts_at' as timestamptz) as starts_at,
           e.occurred_at as since_at
    from event e
    where e.tenant_id = :t and e.entity = 'visit' and e.kind in ('visit.planned', 'visit.moved')
      and e.received_at >= cast(:from_at as timestamptz) - interval '$ahead'
    union all
    select v.id, v.id, v.planned_starts_at, v.created_at
    from visit v
    where v.tenant_id = :t
      and v.planned_starts_at >= :from_at and v.planned_starts_at < :to_at
      and not exists (select from event e where e.tenant_id = :t and e.entity = 'visit'
                        and e.entity_id = v.id and e.kind in ('visit.planned', 'visit.moved'))
  ) x
"""

# Of a long window the planner takes a range of what it has not seen for next to nothing, and seeks visits one
# by one; of a case it takes half.
_WITHIN = "n.starts_at >= :from_at and n.starts_at < :to_at"
_MOSTLY_WITHIN = "case when n.starts_at >= :from_at then n.starts_at < :to_at end"

_FROZEN = """
  select n.id as version_id, n.starts_at, d.begins_at, d.ends_at, v.id, v.work_order_id, v.technician_id,
         v.arrived_at, v.planned_starts_at, v.planned_ends_at
  from version n
  join visit v on v.tenant_id = :t and v.id = n.visit_id
  join work_order o on o.tenant_id = :t and o.id = v.work_order_id
  join site z on z.tenant_id = :t and z.id = o.site_id
  cross join lateral (select (n.starts_at at time zone z.zone)::date as day) l
  cross join lateral (
    select l.day, (l.day - 1 + time '$freeze') at time zone z.zone as frozen_at,
           $begins as begins_at, $ends as ends_at
  ) d
  where $within and n.since_at <= d.frozen_at and (n.until_at is null or n.until_at > d.frozen_at)
    and d.frozen_at <= :as_of
    and not exists (
      select from event e
      where e.tenant_id = :t and e.entity = 'visit' and e.entity_id = n.visit_id
        and e.kind in ('visit.withdrawn', 'visit.rejected') and e.occurred_at <= d.frozen_at)
"""

_ADHERED = """
  select $key as key, v.version_id as id, $asset_id as asset_id, v.starts_at as at,
         case when v.arrived_at >= v.begins_at and v.arrived_at < v.ends_at and v.arrived_at <= :as_of
              then $weight else 0 end as above,
         $weight_of_frozen as below,
         case when v.ends_at > :as_of and (v.arrived_at is null or v.arrived_at > :as_of)
              then 'running' end as reason,
         null::text as note, array[v.work_order_id] as job_ids
  from frozen v
  left join work_order w on w.tenant_id = :t and w.id = v.work_order_id
  $joins
  where true$conditions
  union all
  select $key, v.id, $asset_id, v.arrived_at, 0, 0, 'break_in', null, array[v.work_order_id]
  from visit v
  left join work_order w on w.tenant_id = :t and w.id = v.work_order_id
  $joins
  where v.tenant_id = :t and v.arrived_at >= :from_at and v.arrived_at < :until_at
    and v.id not in (select id from frozen)$conditions
"""

_ENDED = """
  select o.request_id as id, max(o.work_done_at) as at, array_agg(o.id order by o.id) as job_ids
  from work_order o
  where o.tenant_id = :t and o.request_id is not null and o.status <> 'cancelled'
  group by o.request_id
  having bool_and(o.work_done_at <= :as_of) and max(o.work_done_at) >= :from_at
     and max(o.work_done_at) < :until_at
"""

_IS_VISITED = """exists (
      select from visit v
      where v.tenant_id = :t and v.work_order_id = any(n.job_ids) and v.arrived_at <= :as_of)"""

# Of a whole company the visits are read in one go.
_IS_AMONG_VISITED = """q.id in (
      select o.request_id
      from work_order o
      join visit v on v.tenant_id = :t and v.work_order_id = o.id and v.arrived_at <= :as_of
      where o.tenant_id = :t and o.request_id is not null and o.status <> 'cancelled')"""

_FIRST_CONTACT = """
  select $key as key, q.id, q.asset_id, n.at,
         (not c.was_visited and not d.was_reminded)::int as above, 1 as below, null::text as reason,
         case when c.was_visited then 'visited' when d.was_reminded then 'second_contact' end as note,
         n.job_ids
  from ended n
  join service_request q on q.tenant_id = :t and q.id = n.id
  left join work_order w on w.tenant_id = :t and w.id = n.job_ids[1]
  $joins
  cross join lateral (select $visited as was_visited offset 0) c
  cross join lateral (
    select not c.was_visited and exists (
      select from service_request m
      where m.tenant_id = :t and m.id <> q.id and m.reported_at > q.reported_at
        and m.reported_at <= least(n.at + :follow_up, :as_of)
        and (m.merged_into_id = q.id or m.asset_id = q.asset_id
             or (q.asset_id is null and m.asset_id is null and m.site_id = q.site_id))
    ) as was_reminded
    offset 0
  ) d
  where true$conditions
"""
