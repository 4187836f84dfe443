"""The leanest SQL that we know for each figure's numbers over a whole company, written by hand.

Each reads rows alone, no facts, and knows what the figures of `reports` cannot: that the window ends now,
that nobody asks for one site or one contract, that nothing has to be listed. `$1` is the tenant, `$2` to `$3`
the window; rows are (reason, count, above, below), `reason` null for what counts. The bench compares them.
"""


def _length(ranges: str) -> str:
    """Return SQL for the seconds of a multirange."""
    return f"(select coalesce(sum(extract(epoch from upper(x) - lower(x))), 0) from unnest({ranges}) x)"


_UNIT = """
unit as materialized (
  select a.id, tstzmultirange(tstzrange(greatest(a.in_service_from, $2), least(a.retired_at, $3))) as service
  from asset a
  where a.tenant_id = $1 and a.in_service_from < $3 and (a.retired_at is null or a.retired_at > $2)
)"""

_DOWN = """
down as (
  select o.asset_id,
    range_agg(o.during) filter (where o.cause = 'external') as external,
    range_agg(o.during) filter (where o.cause <> 'external') as own
  from outage o
  where o.tenant_id = $1 and o.during && tstzrange($2, $3) and not o.is_degraded
  group by o.asset_id
)"""

_OUTSIDE = """
outside as (
  select o.failure_id, case when bool_and(o.is_degraded) then 'degraded'
                            when bool_and(o.is_degraded or o.cause = 'external') then 'external' end as reason
  from outage o where o.tenant_id = $1 and o.failure_id is not null group by o.failure_id
)"""

_FAILED = """
failed as (
  select f.id, f.asset_id, coalesce(f.failed_at, f.detected_at) as at, f.failed_at, f.detected_at,
         f.restored_at, coalesce(f.exclusion, x.reason) as reason
  from failure f left join outside x on x.failure_id = f.id
  where f.tenant_id = $1
)"""

_UPTIME = f"""
with {_UNIT}, {_DOWN}
select u.id, {_length("u.service - coalesce(d.external, '{}')")} as required,
       {_length("u.service - coalesce(d.external, '{}') - coalesce(d.own, '{}')")} as up
from unit u left join down d on d.asset_id = u.id
"""

_FAILURES = """
select x.reason, count(*) as n from (
  select case when c.reason is null and row_number() over (
                partition by c.asset_id, c.at, c.reason order by c.id) > 1
              then 'same_instant' else c.reason end as reason
  from (
    select f.id, f.asset_id, f.at,
           case when f.reason is not null then f.reason
                when u.id is null or not u.service @> f.at then 'not_in_service' end as reason
    from failed f left join unit u on u.id = f.asset_id
    where f.detected_at >= $2 and f.at >= $2 and f.at < $3
  ) c
) x group by x.reason
"""

_MTBF = f"""
with {_OUTSIDE}, {_FAILED}, {_UNIT}
select reason, n, (select sum(up) / 3600 from ({_UPTIME}) t), n from ({_FAILURES}) f
"""

_JOB = """
recursive chain as (
  select w.id, w.follows_id as up_id from work_order w where w.tenant_id = $1 and w.follows_id is not null
  union all
  select c.id, o.follows_id from chain c
  join work_order o on o.tenant_id = $1 and o.id = c.up_id where o.follows_id is not null
), root as (
  select c.id, o.id as root_id, o.failure_id, o.request_id
  from chain c join work_order o on o.tenant_id = $1 and o.id = c.up_id and o.follows_id is null
), named as (
  select w.id, w.asset_id, w.site_id, w.status, w.maintenance, w.reported_at, w.work_done_at,
         w.cancelled_at, w.reopened_at, w.work_type_id, coalesce(w.failure_id, r.failure_id) as own_id,
         case when r.id is null then w.request_id else r.request_id end as request_id,
         coalesce(r.root_id, w.id) as root_id
  from work_order w left join root r on r.id = w.id
  where w.tenant_id = $1
), by_request as (
  select distinct on (request_id) request_id, failure_id from work_order
  where tenant_id = $1 and request_id is not null and failure_id is not null
  order by request_id, failure_id
), job as materialized (
  select n.*, coalesce(n.own_id, q.failure_id) as failure_id,
         coalesce(n.own_id, q.failure_id, n.request_id, n.root_id) as repair_id
  from named n left join by_request q on q.request_id = n.request_id
)"""

_REPAIR = f"""
with {_JOB}, {_OUTSIDE}, repair as materialized (
  select f.id, f.detected_at as begins_at, f.restored_at as ends_at,
         coalesce(f.exclusion, x.reason) as reason
  from failure f left join outside x on x.failure_id = f.id
  where f.tenant_id = $1 and f.restored_at >= $2 and f.restored_at < $3
  union all
  select j.repair_id, min(j.reported_at), max(j.work_done_at),
         case when max(j.work_done_at) < min(j.reported_at) then 'times_crossed' end
  from job j
  where j.failure_id is null and j.maintenance = 'corrective' and j.status <> 'cancelled'
  group by j.repair_id, j.asset_id
  having bool_and(j.work_done_at is not null) and max(j.work_done_at) >= $2 and max(j.work_done_at) < $3
)"""

_RECORDED = """
spent as (
  select j.repair_id, range_agg(e.during) as during
  from time_entry e join job j on j.id = e.work_order_id
  where e.tenant_id = $1 and e.kind = 'work' and e.id not in (
    select corrects_id from time_entry where tenant_id = $1 and corrects_id is not null)
  group by j.repair_id
), stopped as (
  select j.repair_id, range_agg(p.during) as during
  from pause p join job j on j.id = p.work_order_id
  where p.tenant_id = $1 and p.stops_repair_clock
  group by j.repair_id
)"""

_HANDS_ON = f"""
{_REPAIR}, {_RECORDED}
select x.reason, count(*), sum(case when x.reason is null then x.s end) / 3600, count(*)
from (
  select coalesce(r.reason, case when s.during is null then 'no_work_recorded' end) as reason,
         {_length("s.during * tstzmultirange(tstzrange(r.begins_at, r.ends_at)) - coalesce(p.during, '{}')")}
           as s
  from repair r left join spent s on s.repair_id = r.id left join stopped p on p.repair_id = r.id
) x group by x.reason
"""

_HELD = f"""
with {_JOB}, repair as materialized (
  select j.repair_id, j.asset_id, j.site_id, min(coalesce(f.detected_at, j.reported_at)) as began_at,
         coalesce(min(f.mode), 'work:' || (array_agg(j.work_type_id order by j.reported_at, j.id))[1])
           as class,
         min(f.exclusion) as exclusion, bool_and(j.cancelled_at is not null) as is_cancelled,
         case when min(f.id::text) is not null then min(f.restored_at)
              when bool_and(j.work_done_at is not null or j.cancelled_at is not null)
              then max(j.work_done_at) end as solved_at
  from job j left join failure f on f.tenant_id = $1 and f.id = j.failure_id
  where j.maintenance = 'corrective' or j.own_id is not null
  group by j.repair_id, j.asset_id, j.site_id
)"""

_AGAIN = """
again as (
  select distinct s.repair_id, s.asset_id
  from since s
  join repair n on n.asset_id = s.asset_id and n.class = s.class and n.repair_id <> s.repair_id
  where n.exclusion is null and not n.is_cancelled and n.began_at > s.at
    and n.began_at <= least(s.at + interval '30 days', $3)
)"""

_REPEAT = f"""
{_HELD}, since as (select r.*, r.solved_at as at from repair r), {_AGAIN}
select case when r.exclusion is not null then r.exclusion
            when r.is_cancelled then 'cancelled' end as reason,
       count(*), count(a.repair_id), count(*)
from since r left join again a on a.repair_id = r.repair_id and a.asset_id = r.asset_id
where r.solved_at >= $2 and r.solved_at < $3 group by 1
"""

_FIRST_TIME = f"""
{_HELD}, trip as materialized (
  select j.repair_id, j.asset_id, v.created_at, v.planned_starts_at, v.planned_ends_at, v.arrived_at, v.id,
         v.status = 'aborted' and coalesce(v.ended_reason, '') = 'no_access' as is_in_vain,
         tstzrange(v.arrived_at, v.finished_at, '[]') as on_site
  from visit v join job j on j.id = v.work_order_id
  where v.tenant_id = $1 and v.status not in ('rejected', 'withdrawn')
    and (j.maintenance = 'corrective' or j.own_id is not null)
), attended as (
  select repair_id, asset_id, range_agg(on_site) filter (where not is_in_vain) as useful,
         range_agg(on_site) as every,
         (array_agg(planned_ends_at order by is_in_vain, arrived_at, id))[1] as planned_ends_at
  from trip where arrived_at is not null group by repair_id, asset_id
), since as materialized (
  select r.*, t.useful, t.planned_ends_at, t.repair_id is null as is_remote, first.on_site,
         case when t.repair_id is null then r.solved_at else upper(first.on_site) end as at
  from repair r
  left join attended t on t.repair_id = r.repair_id and t.asset_id = r.asset_id
  left join lateral (
    select x as on_site from unnest(coalesce(t.useful, t.every)) x order by x limit 1) first on true
), {_AGAIN}, several as (
  select distinct s.repair_id, s.asset_id
  from since s join trip n on n.repair_id = s.repair_id and n.asset_id = s.asset_id
  where not n.is_in_vain and n.created_at < lower(s.on_site) and n.planned_starts_at >= s.planned_ends_at
), returned as (
  select distinct s.repair_id, s.asset_id
  from since s join job o on o.repair_id = s.repair_id and not s.is_remote
  left join event e on e.tenant_id = $1 and e.entity = 'work_order' and e.entity_id = o.id
    and e.kind = 'work_order.reopened'
  where o.reopened_at is not null and (
    o.reopened_at > s.at and o.reopened_at <= least(s.at + interval '30 days', $3)
    or e.occurred_at > s.at and e.occurred_at <= least(s.at + interval '30 days', $3))
)
select case when s.exclusion is not null then s.exclusion when s.is_cancelled then 'cancelled'
            when s.is_remote then 'remote' when s.useful is null then 'no_access'
            when p.repair_id is not null then 'planned_visits' end as reason,
       count(*),
       count(*) filter (where (select count(*) from unnest(s.useful)) = 1 and s.solved_at is not null
                          and a.repair_id is null and b.repair_id is null),
       count(*)
from since s
left join again a on a.repair_id = s.repair_id and a.asset_id = s.asset_id
left join several p on p.repair_id = s.repair_id and p.asset_id = s.asset_id
left join returned b on b.repair_id = s.repair_id and b.asset_id = s.asset_id
where s.at >= $2 and s.at < $3 group by 1
"""

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
         chain < max(chain) over (partition by work_order_id) as is_moved
  from told order by work_order_id, chain, sent_at, id
), judged as (
  select m.*, case when m.is_moved then 'moved_by_customer'
                   when c.arrived_at > m.window_ends_at then 'late'
                   when c.began_at < m.window_starts_at then 'early'
                   when c.arrived_at is not null then 'kept'
                   when w.cancelled_at is not null then 'cancelled' else 'missed' end as state
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
              when w.cancelled_at is not null then 'cancelled' else 'missed' end as state
  from visit v join work_order w on w.tenant_id = $1 and w.id = v.work_order_id
  where v.tenant_id = $1 and v.window_ends_at >= $2 and v.window_ends_at < $3
    and not exists (select from promise q where q.tenant_id = $1 and q.work_order_id = v.work_order_id)
)
select case when state in ('moved_by_customer', 'cancelled') then state end, count(*),
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
    select e.entity_id, (e.data ->> 'starts_at')::timestamptz as starts_at, e.occurred_at as since_at,
           lead(e.occurred_at) over (partition by e.entity_id order by e.occurred_at, e.id) as until_at
    from event e
    where e.tenant_id = $1 and e.entity = 'visit' and e.kind in ('visit.planned', 'visit.moved')
  ) x
  join visit v on v.tenant_id = $1 and v.id = x.entity_id
  join work_order w on w.tenant_id = $1 and w.id = v.work_order_id
  cross join lateral (select (x.starts_at at time zone w.zone)::date as day) l
  cross join lateral (
    select (l.day - 1 + time '18:00') at time zone w.zone as frozen_at,
           l.day::timestamp at time zone w.zone as begins_at,
           (l.day + 1)::timestamp at time zone w.zone as ends_at
  ) d
  where x.starts_at >= $2 and x.starts_at < $3 and x.since_at <= d.frozen_at
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
  select w.id, w.maintenance, w.is_rework, w.reopened_at, {_length("e.during")} as s,
         case when w.is_rework and w.reopened_at is not null then
           {_length("e.during * tstzmultirange(tstzrange(coalesce(r.at, w.reopened_at), null))")}
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
  from piece p cross join lateral (select {_length("p.during")} * 1000000 as us) x
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
       sum({_length("r.worked * d.during")}) / 3600, sum(d.s) / 3600
from duty d full join recorded r on r.technician_id = d.technician_id group by 1
"""

_BEYOND = _length("coalesce(r.paid, '{}') - coalesce(d.during, '{}')")
_PAID = f"coalesce(d.s, 0) + {_BEYOND}"

_WRENCH = f"""
{_PEOPLE}
select case when {_PAID} <= 0 then 'no_hours' end, count(*),
       sum({_length("r.worked")}) / 3600, sum({_PAID}) / 3600
from duty d full join recorded r on r.technician_id = d.technician_id group by 1
"""

_TRAVELLED = f"""
{_PEOPLE}
select case when {_PAID} <= 0 then 'no_hours' end, count(*),
       sum({_length("r.travelled")}) / 3600, sum({_PAID}) / 3600
from duty d full join recorded r on r.technician_id = d.technician_id group by 1
"""

_DAYS = """l.tenant_id = $1 and l.posted_on >= ($2::timestamptz at time zone 'Europe/Paris')::date + 1
  and l.posted_on <= ($3::timestamptz at time zone 'Europe/Paris')::date"""

_COST = f"""
select case l.kind when 'recovery' then 'recovery' end, count(*),
       coalesce(sum(l.amount) filter (where l.kind <> 'recovery'), 0), 1
from cost_line l where {_DAYS} group by 1
"""

_PAYERS = f"""
select null, count(*),
       coalesce(sum(l.amount) filter (where l.kind <> 'recovery' and l.payer = 'manufacturer'), 0),
       sum(l.amount) filter (where l.kind <> 'recovery')
from cost_line l where {_DAYS}
"""

_INHERENT = f"""
{_REPAIR}, {_FAILED}, {_UNIT}
select null, f.n, m.s, m.s + r.s
from (select reason, n from ({_FAILURES}) f where reason is null) f
cross join lateral (select sum(up) / 3600 / f.n as s from ({_UPTIME}) t) m
cross join (
  select avg(extract(epoch from ends_at - begins_at)) / 3600 as s from repair where reason is null) r
"""

LEAN: dict[str, str] = {
    "mtbf": _MTBF,
    "availability": f"select case when required = 0 then 'not_required' end, count(*), sum(up) / 3600, "
    f"sum(required) / 3600 from ({_UPTIME}) t group by 1",
    "downtime": f"select null, (select count(*) from asset where tenant_id = $1), "
    f"sum(required - up) / 3600, 1 from ({_UPTIME}) t",
    "inherent_availability": _INHERENT,
    "restoration": f"with {_OUTSIDE}, {_FAILED} select reason, count(*), "
    "sum(extract(epoch from restored_at - at)) / 3600, count(*) "
    "from failed where restored_at >= $2 and restored_at < $3 group by 1",
    "mrt": f"{_REPAIR} select reason, count(*), "
    "sum(extract(epoch from ends_at - begins_at)) / 3600, count(*) from repair group by 1",
    "mart": _HANDS_ON,
    "repair_split": _HANDS_ON,
    "first_time_fix": _FIRST_TIME,
    "repeat": _REPEAT,
    "sla_response": _CLOCKS.format("response"),
    "sla_restoration": _CLOCKS.format("restoration"),
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
    "cost": _COST,
    "payer_split": _PAYERS,
}
"""kpi → SQL. The margin of contracts is a rule month by month over fees and broken promises, not one sum."""
