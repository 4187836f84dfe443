"""The leanest SQL for the figures of promises, visits, ratings and hours; see `reported_lean`."""


def length(ranges: str) -> str:
    """Return SQL for the seconds of a multirange."""
    return f"(select coalesce(sum(extract(epoch from upper(x) - lower(x))), 0) from unnest({ranges}) x)"


_CLOCKS = """
select case when c.state not in ('met', 'breached') then c.state end, count(*),
       count(*) filter (where c.state = 'met'), count(*)
from clock c
where c.tenant_id = $1 and c.kind = '{0}' and (c.due_at is null or c.due_at >= $2 and c.due_at < $3)
group by 1
union all
select 'no_service_level', count(*), 0, 0
from work_order w
left join clock c on c.tenant_id = $1 and c.work_order_id = w.id and c.kind = '{0}'
where w.tenant_id = $1 and w.reported_at >= $2 and w.reported_at < $3 and c.id is null
having count(*) > 0
"""

_PROMISED = """
with told as (
  select p.*, sum(case when p.asked_by = 'customer' then 1 else 0 end)
                over (partition by p.work_order_id order by p.sent_at, p.id) as chain
  from promise p where p.tenant_id = $1
), meant as (
  select distinct on (work_order_id, chain) *,
         min(sent_at) over (partition by work_order_id order by chain
                            range between 1 following and unbounded following) as moved_at
  from told order by work_order_id, chain, sent_at, id
), judged as (
  select m.*, case when m.moved_at <= m.window_ends_at then 'moved_by_customer'
                   when c.arrived_at > m.window_ends_at then 'late'
                   when c.began_at < m.window_starts_at then 'early'
                   when c.arrived_at is not null then 'kept'
                   when w.cancelled_at <= m.window_ends_at then 'cancelled' else 'missed' end as state
  from meant m join work_order w on w.tenant_id = $1 and w.id = m.work_order_id
  left join lateral (
    select n.arrived_at, coalesce(n.work_started_at, n.arrived_at) as began_at
    from visit n
    where n.tenant_id = $1 and n.work_order_id = m.work_order_id and n.arrived_at <= $3
      and (n.id = m.visit_id or n.arrived_at >= m.sent_at)
    order by n.id <> m.visit_id, n.arrived_at, n.id limit 1
  ) c on true
  where m.window_ends_at >= $2 and m.window_ends_at < $3
)"""

_ON_TIME = f"""
{_PROMISED}, visited as (
  select case when v.arrived_at > v.window_ends_at then 'late'
              when coalesce(v.work_started_at, v.arrived_at) < v.window_starts_at then 'early'
              when v.arrived_at is not null then 'kept'
              when w.cancelled_at <= v.window_ends_at then 'cancelled'
              when v.status in ('withdrawn', 'rejected') and exists (
                select from visit n
                where n.tenant_id = $1 and n.work_order_id = v.work_order_id
                  and n.status not in ('withdrawn', 'rejected')
                  and n.window_starts_at = v.window_starts_at and n.window_ends_at = v.window_ends_at)
              then 'replaced' else 'missed' end as state
  from visit v join work_order w on w.tenant_id = $1 and w.id = v.work_order_id
  where v.tenant_id = $1 and v.window_ends_at >= $2 and v.window_ends_at < $3
    and not exists (select from promise q where q.tenant_id = $1 and q.work_order_id = v.work_order_id)
)
select case when state in ('moved_by_customer', 'cancelled', 'replaced') then state end, count(*),
       count(*) filter (where state = 'kept'), count(*)
from (select state from judged union all select state from visited) x group by 1
"""

_CALIBRATION = f"""
{_PROMISED}
select case when state in ('moved_by_customer', 'cancelled') then state end, count(*),
       sum(round((probability - (state = 'kept')::int) ^ 2 * 1000000000)::bigint) / 1e9, count(*)
from judged group by 1
"""

_ADHERED = """
with frozen as materialized (
  select v.id as visit_id, w.id as work_order_id, v.arrived_at, x.starts_at, d.begins_at, d.ends_at
  from (
    select e.entity_id, e.kind, (e.data ->> 'starts_at')::timestamptz as starts_at, e.occurred_at as since_at,
           lead(e.occurred_at) over (partition by e.entity_id order by e.occurred_at, e.id) as until_at
    from event e
    where e.tenant_id = $1 and e.entity = 'visit'
      and e.kind in ('visit.planned', 'visit.moved', 'visit.withdrawn', 'visit.rejected')
  ) x
  join visit v on v.tenant_id = $1 and v.id = x.entity_id
  join work_order w on w.tenant_id = $1 and w.id = v.work_order_id
  cross join lateral (select (x.starts_at at time zone w.zone)::date as day) l
  cross join lateral (
    select (l.day - 1 + time '18:00') at time zone w.zone as frozen_at,
           l.day::timestamp at time zone w.zone as begins_at,
           (l.day + 1)::timestamp at time zone w.zone as ends_at
  ) d
  where x.kind in ('visit.planned', 'visit.moved') and x.starts_at >= $2 and x.starts_at < $3
    and x.since_at <= d.frozen_at
    and (x.until_at is null or x.until_at > d.frozen_at) and d.frozen_at <= $3
)
select case when ends_at > $3 and arrived_at is null then 'running' end, count(*),
       count(*) filter (where arrived_at >= begins_at and arrived_at < ends_at), count(*)
from frozen group by 1
union all
select 'break_in', count(*), 0, 0
from visit v left join frozen f on f.visit_id = v.id
where v.tenant_id = $1 and v.arrived_at >= $2 and v.arrived_at < $3 and f.visit_id is null
having count(*) > 0
"""

_REOPENED = """
with closing as (
  select c.id, min(c.at) as at from (
    select e.entity_id as id, e.occurred_at as at from event e
    where e.tenant_id = $1 and e.entity = 'work_order' and e.kind = 'work_order.closed'
      and e.occurred_at >= $2 and e.occurred_at < $3
    union all
    select id, closed_at from work_order where tenant_id = $1 and closed_at >= $2 and closed_at < $3
  ) c group by c.id
), again as (
  select distinct c.id from closing c join (
    select e.entity_id as id, e.occurred_at as at from event e
    where e.tenant_id = $1 and e.entity = 'work_order' and e.kind = 'work_order.reopened'
    union all
    select id, reopened_at from work_order where tenant_id = $1 and reopened_at is not null
  ) r on r.id = c.id and r.at > c.at and r.at <= least(c.at + interval '30 days', $3)
)
select null, count(*), count(a.id), count(*) from closing c left join again a on a.id = c.id
"""

_HOURS = f"""
with entry as (
  select e.work_order_id, e.technician_id,
         range_agg(e.during * tstzrange($2, $3)) as during
  from time_entry e
  where e.tenant_id = $1 and e.kind = 'work' and e.during && tstzrange($2, $3) and e.id not in (
    select corrects_id from time_entry where tenant_id = $1 and corrects_id is not null)
  group by e.work_order_id, e.technician_id
), reopened as (
  select entity_id as id, min(occurred_at) as at from event
  where tenant_id = $1 and entity = 'work_order' and kind = 'work_order.reopened' group by entity_id
), spent as (
  select w.id, w.maintenance, w.is_rework, w.reopened_at, {length("e.during")} as s,
         case when w.is_rework and w.reopened_at is not null then
           {length("e.during * tstzmultirange(tstzrange(coalesce(r.at, w.reopened_at), null))")}
         end as again_s
  from entry e join work_order w on w.tenant_id = $1 and w.id = e.work_order_id
  left join reopened r on r.id = w.id
)"""

_REWORK = f"""
{_HOURS}
select null, count(distinct id),
       sum(case when not is_rework then 0 when reopened_at is null then s else again_s end) / 3600,
       sum(s) / 3600
from spent
"""

_PREVENTIVE = f"""
{_HOURS}
select case when maintenance not in ('preventive', 'corrective') then maintenance end, count(distinct id),
       coalesce(sum(s) filter (where maintenance = 'preventive'), 0) / 3600, sum(s) / 3600
from spent group by 1
"""

_DUE = """
select case when state in ('covered', 'withdrawn', 'asset_retired', 'running') then state end, count(*),
       count(*) filter (where state = 'in_time'), count(*)
from (
  select case when o.status in ('covered', 'withdrawn') then o.status
              when b.retired_at <= o.due_at then 'asset_retired'
              when w.work_done_at < o.earliest_at then 'early'
              when w.work_done_at > o.latest_at then 'late'
              when w.work_done_at is not null then 'in_time'
              when o.status = 'skipped' then 'skipped'
              when o.latest_at < $3 then 'missed' else 'running' end as state
  from maintenance_occurrence o
  join asset b on b.tenant_id = $1 and b.id = o.asset_id
  left join work_order w on w.tenant_id = $1 and w.id = o.work_order_id
  where o.tenant_id = $1 and o.due_at >= $2 and o.due_at < $3
) x group by 1
"""

_OPEN = """
select null, count(*), count(*), 1
from work_order w
where w.tenant_id = $1 and $2::timestamptz < $3 and w.reported_at < $3 and w.cancelled_at is null
  and w.work_done_at is null and w.completed_at is null and w.closed_at is null
"""

_CONTACTS = """
with ended as (
  select request_id as id, max(work_done_at) as at, array_agg(id) as job_ids
  from work_order where tenant_id = $1 and request_id is not null and status <> 'cancelled'
  group by request_id
  having bool_and(work_done_at is not null) and max(work_done_at) >= $2 and max(work_done_at) < $3
), visited as (
  select distinct w.request_id as id from visit v
  join work_order w on w.tenant_id = $1 and w.id = v.work_order_id and w.request_id is not null
  where v.tenant_id = $1 and v.arrived_at is not null and w.status <> 'cancelled'
)
select null, count(*), count(*) filter (where v.id is null and not exists (
         select from service_request m
         where m.tenant_id = $1 and m.id <> q.id and m.asset_id = q.asset_id
           and m.reported_at > q.reported_at and m.reported_at <= least(n.at + interval '30 days', $3))),
       count(*)
from ended n join service_request q on q.tenant_id = $1 and q.id = n.id left join visited v on v.id = n.id
"""

_PEOPLE = f"""
with away as (
  select technician_id, range_agg(during) as during from absence
  where tenant_id = $1 and during && tstzrange($2, $3) group by technician_id
), piece as (
  select h.technician_id, h.break_s, h.during as whole,
         tstzmultirange(h.during * tstzrange($2, $3)) - coalesce(b.during, '{{}}') as during
  from shift h left join away b on b.technician_id = h.technician_id
  where h.tenant_id = $1 and h.during && tstzrange($2, $3)
), duty as (
  select p.technician_id, range_agg(p.during) as during,
         sum(x.us - div(p.break_s * 1000000::numeric * x.us,
             extract(epoch from upper(p.whole) - lower(p.whole)) * 1000000)) / 1000000 as s
  from piece p cross join lateral (select {length("p.during")} * 1000000 as us) x
  group by p.technician_id
), recorded as (
  select e.technician_id,
         range_agg(e.during * tstzrange($2, $3)) filter (where e.kind = 'work') as worked,
         range_agg(e.during * tstzrange($2, $3)) filter (where e.kind = 'travel') as travelled,
         range_agg(e.during * tstzrange($2, $3)) filter (where e.kind <> 'break') as paid
  from time_entry e
  where e.tenant_id = $1 and e.during && tstzrange($2, $3) and e.id not in (
    select corrects_id from time_entry where tenant_id = $1 and corrects_id is not null)
  group by e.technician_id
)"""

_UTILISED = f"""
{_PEOPLE}
select case when coalesce(d.s, 0) <= 0 then 'no_hours' end, count(*),
       sum({length("r.worked * d.during")}) / 3600, sum(d.s) / 3600
from duty d full join recorded r on r.technician_id = d.technician_id group by 1
"""

_BEYOND = length("coalesce(r.paid, '{}') - coalesce(d.during, '{}')")
_PAID = f"coalesce(d.s, 0) + {_BEYOND}"

_WRENCH = f"""
{_PEOPLE}
select case when {_PAID} <= 0 then 'no_hours' end, count(*),
       sum({length("r.worked")}) / 3600, sum({_PAID}) / 3600
from duty d full join recorded r on r.technician_id = d.technician_id group by 1
"""

_TRAVELLED = f"""
{_PEOPLE}
select case when {_PAID} <= 0 then 'no_hours' end, count(*),
       sum({length("r.travelled")}) / 3600, sum({_PAID}) / 3600
from duty d full join recorded r on r.technician_id = d.technician_id group by 1
"""

_SAID = """
with said as (
  select distinct on (visit_id, coalesce(request_id, user_id)) visit_id, stars, nps from rating
  where tenant_id = $1 and given_at <= $3
  order by visit_id, coalesce(request_id, user_id), given_at desc, id desc
), visited as (
  select s.stars, s.nps from visit v left join said s on s.visit_id = v.id
  where v.tenant_id = $1 and v.status = 'finished' and v.finished_at >= $2 and v.finished_at < $3
)"""

_CONTENT = f"""
{_SAID}
select case when stars is null then 'not_rated' end, count(*), count(*) filter (where stars >= 4), count(*)
from visited group by 1
"""

_RECOMMENDED = f"""
{_SAID}
select case when stars is null then 'not_rated' when nps is null then 'not_answered' end, count(*),
       count(*) filter (where nps >= 9) - count(*) filter (where nps <= 6), count(*)
from visited group by 1
"""

WORK: dict[str, str] = {
    "sla_response": _CLOCKS.format("response"),
    "sla_arrival": _CLOCKS.format("arrival"),
    "sla_restoration": _CLOCKS.format("restoration"),
    "sla_resolution": _CLOCKS.format("resolution"),
    "sla_statutory": _CLOCKS.format("statutory"),
    "on_time": _ON_TIME,
    "calibration": _CALIBRATION,
    "adherence": _ADHERED,
    "reopen": _REOPENED,
    "rework": _REWORK,
    "pm_ratio": _PREVENTIVE,
    "pm_compliance": _DUE,
    "backlog": _OPEN,
    "fcr": _CONTACTS,
    "utilisation": _UTILISED,
    "wrench": _WRENCH,
    "travel": _TRAVELLED,
    "csat": _CONTENT,
    "nps": _RECOMMENDED,
}
"""kpi → SQL."""
