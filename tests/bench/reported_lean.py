"""The leanest SQL that we know for each figure's numbers over a whole company, written by hand.

Each reads rows alone, no facts, and knows what the figures of `reports` cannot: that the window ends now,
that nobody asks for one site or one contract, that nothing has to be listed. `$1` is the tenant, `$2` to `$3`
the window; rows are (reason, count, above, below), `reason` null for what counts. The bench compares them.
"""

from tests.bench.reported_lean_money import MONEY
from tests.bench.reported_lean_work import WORK, length

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
select u.id, {length("u.service - coalesce(d.external, '{}')")} as required,
       {length("u.service - coalesce(d.external, '{}') - coalesce(d.own, '{}')")} as up
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
         {length("s.during * tstzmultirange(tstzrange(r.begins_at, r.ends_at)) - coalesce(p.during, '{}')")}
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

_INHERENT = f"""
{_REPAIR}, {_FAILED}, {_UNIT}
select null, f.n, m.s, m.s + r.s
from (select reason, n from ({_FAILURES}) f where reason is null) f
cross join lateral (select sum(up) / 3600 / f.n as s from ({_UPTIME}) t) m
cross join (
  select avg(extract(epoch from ends_at - begins_at)) / 3600 as s from repair where reason is null) r
"""

_MTTF = f"""
with {_UNIT}, part as (
  select x.s, x.removed_at is not null and exists (
           select from failure f
           where f.tenant_id = $1 and f.asset_id = x.id and f.exclusion is null
             and f.detected_at <= x.removed_at
             and (f.restored_at is null or f.restored_at >= x.removed_at)) as has_failed
  from (
    select a.id, coalesce({length("u.service")}, 0) as s,
           case when a.retired_at >= $2 and a.retired_at < $3 then a.retired_at end as removed_at
    from asset a left join unit u on u.id = a.id
    where a.tenant_id = $1 and a.serial <> '' and a.parent_id is not null
  ) x
)
select null, count(*) filter (where has_failed), sum(s) / 3600, count(*) filter (where has_failed) from part
"""

_MDT = """
with merged as materialized (
  select o.asset_id, unnest(range_agg(tstzrange(lower(o.during), least(upper(o.during), $3)))) as piece
  from outage o
  where o.tenant_id = $1 and o.cause <> 'external' and not o.is_degraded and lower(o.during) < $3
  group by o.asset_id
)
select null as reason, count(*), sum(extract(epoch from upper(piece) - lower(piece))) / 3600, count(*)
from merged where upper(piece) >= $2 and upper(piece) < $3
union all
select 'open', count(*), 0, 0
from merged m join outage o on o.tenant_id = $1 and o.asset_id = m.asset_id and o.during && m.piece
where upper(m.piece) = $3 and o.cause <> 'external' and not o.is_degraded having count(*) > 0
union all
select case when o.is_degraded then 'degraded' else 'external' end, count(*), 0, 0
from outage o
where o.tenant_id = $1 and (o.is_degraded or o.cause = 'external')
  and o.during && tstzrange($2::timestamptz - interval '1 microsecond', $3)
group by 1
"""

LEAN: dict[str, str] = {
    "mtbf": _MTBF,
    "availability": f"select case when coalesce(t.required, 0) = 0 then 'not_required' end, count(*), "
    "sum(t.up) / 3600, sum(t.required) / 3600 "
    f"from asset a left join ({_UPTIME}) t on t.id = a.id where a.tenant_id = $1 group by 1",
    "downtime": f"select null, (select count(*) from asset where tenant_id = $1), "
    f"sum(required - up) / 3600, 1 from ({_UPTIME}) t",
    "mttf": _MTTF,
    "mdt": _MDT,
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
    **WORK,
    **MONEY,
}
"""kpi → SQL."""
