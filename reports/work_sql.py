"""Figures counted from jobs: reopened ones, preventive ones done in time, those still open."""

from fsm.problems import Invalid
from reports.exposure_sql import Statement, micros_between
from reports.jobs_sql import begin, rows_of_scope, work_texts
from reports.questions import Asked
from reports.scopes import Cut


async def reopened(asked: Asked) -> Statement:
    """Find the jobs closed in the window, and those of them that were reopened soon after.

    Reopening takes the instant of closing from the job; the history has it.
    """
    statement = begin(asked)
    texts = work_texts(statement, asked)
    statement.part("told", _TOLD, **texts)
    return statement.part("candidate", _REOPENED, **texts)


async def preventive_in_time(asked: Asked) -> Statement:
    """Find the preventive work that fell due in the window, and that of it done within its tolerance."""
    statement = begin(asked)
    texts = work_texts(
        statement,
        asked,
        asset="o.asset_id",
        site="b.site_id",
        customer="b.customer_id",
        work_type="m.work_type_id",
    )
    # Under a contract falls what was done under it; under an asset and its site, what was due on it.
    of_jobs = [cut for cut, _ in asked.question.scope.parts] == [Cut.CONTRACT]
    table = "maintenance_occurrence"
    occurrences = table
    if of_jobs:
        occurrences = rows_of_scope(statement, asked, table, _OCCURRENCE, _FALLS_DUE)
    return statement.part("candidate", _DUE, **texts, occurrences=occurrences)


async def still_open(asked: Asked) -> Statement:
    """Find the jobs that were open at the end of the window, or at `as_of` where that comes first."""
    statement = begin(asked)
    texts = work_texts(statement, asked)
    variant = asked.question.variant
    is_whole = asked.cut is Cut.TENANT and not asked.question.scope.parts
    if variant == "weeks" and (not is_whole or asked.actor.customer_id is not None):
        detail = "Weeks of backlog are told of the whole company: only it has a weekly capacity."
        raise Invalid(detail, errors=[{"at": "/variant", "detail": detail}])
    statement.part(
        "candidate" if variant != "weeks" else "open_job",
        _OPEN,
        **texts,
        above=_AMOUNT.get(
            variant, micros_between("w.reported_at", "cast(:until_at as timestamptz)")
        ),
        below="0" if variant == "weeks" else "1",
    )
    if variant == "weeks":
        statement.part("candidate", _WITH_CAPACITY)
    return statement


_LOAD = "w.estimate_s * greatest(w.crew_size, 1) * 1000000::bigint"

_AMOUNT = {"count": "1", "hours": _LOAD, "weeks": _LOAD}
"""What a job adds to the backlog; to the percentiles, its age."""

# A job that is closed and never was reopened has its instant of closing; of the others the history has it.
_TOLD = """
  select e.entity_id as id, min(e.occurred_at) as at
  from $jobs w
  cross join lateral (
    select x.entity_id, x.occurred_at from event x
    where x.tenant_id = :t and x.entity = 'work_order' and x.entity_id = w.id
      and x.kind = 'work_order.closed'
      and x.received_at >= :from_at and x.occurred_at >= :from_at and x.occurred_at < :until_at$fence) e
  where (w.closed_at is null or w.reopened_at is not null)$of_tenant
  group by e.entity_id
"""

# A job that was reopened says when it last was: only of those the history is asked for the times before.
_REOPENED = """
  select $key as key, w.id, w.asset_id, c.at, r.is_reopened::int as above, 1 as below,
         null::text as reason, null::text as note, array[w.id] as job_ids
  from $jobs w
  left join told h on h.id = w.id
  cross join lateral (
    select least(h.at, case when w.closed_at >= :from_at and w.closed_at < :until_at then w.closed_at end)
      as at
  ) c
  $joins
  cross join lateral (
    select w.reopened_at is not null and (
      w.reopened_at > c.at and w.reopened_at <= c.at + :follow_up and w.reopened_at <= :as_of
      or exists (
        select from event e
        where e.tenant_id = :t and e.entity = 'work_order' and e.entity_id = w.id
          and e.kind = 'work_order.reopened' and e.occurred_at > c.at
          and e.occurred_at <= c.at + :follow_up and e.occurred_at <= :as_of)
    ) as is_reopened
  ) r
  where c.at is not null$within
"""

_OCCURRENCE = "id tenant_id plan_id asset_id work_order_id status due_at earliest_at latest_at"
_FALLS_DUE = " and x.due_at >= :from_at and x.due_at < :to_at"

_DUE = """
  select d.key, d.id, d.asset_id, d.due_at as at, (d.state = 'in_time')::int as above, 1 as below,
         case when d.state in ('covered', 'withdrawn', 'asset_retired', 'running') then d.state end
           as reason,
         case when d.state <> 'in_time' then d.state end as note, d.job_ids
  from (
    select $key as key, o.id, o.asset_id, o.due_at,
           case when o.status in ('covered', 'withdrawn') then o.status
                when b.retired_at <= o.due_at then 'asset_retired'
                when w.work_done_at <= :as_of and w.work_done_at < o.earliest_at then 'early'
                when w.work_done_at <= :as_of and w.work_done_at > o.latest_at then 'late'
                when w.work_done_at <= :as_of then 'in_time'
                when o.status = 'skipped' then 'skipped'
                when o.latest_at < :as_of then 'missed'
                else 'running' end as state,
           case when w.id is null then '{}' else array[w.id] end as job_ids
    from $occurrences o
    join maintenance_plan m on m.tenant_id = :t and m.id = o.plan_id
    join asset b on b.tenant_id = :t and b.id = o.asset_id
    left join work_order w on w.tenant_id = :t and w.id = o.work_order_id
    $joins
    where o.tenant_id = :t and o.due_at >= :from_at and o.due_at < :to_at$conditions
  ) d
"""

# A job that was reopened has lost the instant at which its work was done; the history has it.
_OPEN = """
  select $key as key, w.id, w.asset_id, w.reported_at as at, $above as above, $below as below,
         null::text as reason,
         case when :until_at - w.reported_at <= interval '168 hours' then 'up_to_7_days'
              when :until_at - w.reported_at <= interval '720 hours' then 'up_to_30_days'
              when :until_at - w.reported_at <= interval '2160 hours' then 'up_to_90_days'
              else 'over_90_days' end as note,
         array[w.id] as job_ids
  from $jobs w
  $joins
  where cast(:until_at as timestamptz) > :from_at and w.reported_at < :until_at
    and (w.cancelled_at is null or w.cancelled_at >= :until_at)
    and case when w.reopened_at is null then
               coalesce(least(w.work_done_at, w.completed_at, w.closed_at), 'infinity') >= :until_at
             else not exists (
               select from (
                 select e.occurred_at, e.kind
                 from event e
                 where e.tenant_id = :t and e.entity = 'work_order' and e.entity_id = w.id
                   and e.occurred_at < :until_at
                   and (e.kind in ('work_order.reopened', 'work_order.completed', 'work_order.closed')
                        or e.kind = 'work_order.status_changed' and e.data ->> 'after' = 'work_done')
                 order by e.occurred_at desc, e.id desc limit 1
               ) last where last.kind <> 'work_order.reopened'
             ) end$within
"""

# Net of breaks and absences, a week of the four before.
_WITH_CAPACITY = """
  select * from open_job
  union all
  select cast(:t as uuid), cast(:t as uuid), null, null, 0, c.us, null, 'capacity', '{}'
  from (
    select coalesce(sum(greatest(0,
      (select sum(extract(epoch from upper(x)) - extract(epoch from lower(x)))
       from unnest(tstzmultirange(h.during) - coalesce(
         (select range_agg(b.during) from absence b
          where b.tenant_id = :t and b.technician_id = h.technician_id and b.during && h.during), '{}')) x)
      - h.break_s)) * 250000, 0)::bigint as us
    from shift h
    where h.tenant_id = :t
      and h.during <@ tstzrange(cast(:until_at as timestamptz) - interval '672 hours', :until_at)
  ) c
"""
