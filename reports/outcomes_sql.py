"""Whether repairs held: solved at the first attendance, followed by another of the same kind.

A *repair* is everything done for one failure, or for one corrective request without one (see `repairs_sql`),
on one asset, else at one site. Visits whose time on site overlaps are one *attendance*. A repair falls under
the contract, type of work and technician of its first job. Its class is the failure's mode where one is
recorded, else the type of work; nothing is ever linked by the customer alone.
"""

from reports.chains_sql import add_rooted
from reports.exposure_sql import Statement
from reports.jobs_sql import begin, rows_of_scope, work_texts
from reports.questions import Asked
from reports.rounds import filled
from reports.scopes import NONE, Cut
from reports.visits_sql import VISIT


async def solved_first_time(asked: Asked) -> Statement:
    """Find the repairs whose first attendance ended in the window, and those of them that it solved."""
    statement = _repairs(asked)
    texts = work_texts(statement, asked)
    is_narrow = texts["jobs"] == "scoped"
    visits = filled(_VISITS if is_narrow else _VISITS_OF_ALL, columns=_VISIT)
    statement.part("trip", _TRIP, visits=visits)
    statement.part("attended", _ATTENDED, lately=_LATELY if is_narrow else "")
    statement.part("several", _SEVERAL)
    statement.part("since", _SINCE_ATTENDED)
    statement.part("followed", _FOLLOWED)
    statement.part("returned", _RETURNED, **texts)
    return statement.part(
        "candidate",
        _FIRST_TIME,
        **texts,
        among=_AMONG.format("c") if is_narrow else "",
        unvisited=_UNVISITED if is_narrow else "r.solved_at",
    )


async def repeated(asked: Asked) -> Statement:
    """Find the repairs restored in the window, and those of them that another one followed."""
    statement = _repairs(asked)
    statement.part("since", _SINCE_SOLVED)
    statement.part("followed", _FOLLOWED)
    texts = work_texts(statement, asked)
    among = _AMONG.format("r") if texts["jobs"] == "scoped" else ""
    return statement.part("candidate", _REPEATED, **texts, among=among)


def _repairs(asked: Asked) -> Statement:
    """Return a statement whose part `repair` holds every repair that was known by `as_of`.

    Repairs of other assets are left unread where the scope is one asset's, site's or customer's; where it is
    one contract's, those at places where nothing was done under it.
    """
    statement = begin(asked)
    rows_of_scope(statement, asked, "visit", VISIT)
    scope = dict(asked.question.scope.parts)
    seeds = ""
    for cut in (Cut.ASSET, Cut.SITE, Cut.CUSTOMER):
        if cut in scope and scope[cut] != NONE:
            seeds += f" and w.{cut}_id = :{cut}"
            statement.values[str(cut)] = scope[cut]
    jobs, within = "work_order", " and w.tenant_id = :t"
    if scope.get(Cut.CONTRACT, NONE) != NONE:
        alone = list(scope) == [Cut.CONTRACT]
        statement.part("place", _PLACE, under="scoped x" if alone else _UNDER)
        statement.fenced("near_job", _NEAR_JOB, columns=_COLUMNS)
        jobs, within = "near_job", ""
        statement.values["contract"] = scope[Cut.CONTRACT]
    if asked.actor.customer_id is not None:
        seeds += " and w.customer_id = :own"
        statement.values["own"] = asked.actor.customer_id
    add_rooted(statement, f"w.reported_at <= :as_of{within}{seeds}", _OF_JOB, jobs)
    statement.fenced("job", _JOB)
    statement.part("known", _KNOWN, only="" if jobs == "work_order" and not seeds else _OF_JOBS)
    statement.fenced("repair", _REPAIR)
    return statement


# All jobs at the places of the contract's, each found in an index, which is what `offset` sees to; and what
# was reopened at its customers' elsewhere, whose failure or request may be one of theirs.
_PLACE = """
  select distinct x.asset_id, case when x.asset_id is null then x.site_id end as site_id, x.customer_id
  from $under
"""

_UNDER = "work_order x where x.tenant_id = :t and x.contract_id = :contract"

_NEAR_JOB = """
  select y.*
  from (select distinct asset_id from place where asset_id is not null) p
  cross join lateral (
    select $columns from work_order w where w.tenant_id = :t and w.asset_id = p.asset_id offset 0) y
  union all
  select y.*
  from (select distinct site_id from place where site_id is not null) p
  cross join lateral (
    select $columns from work_order w
    where w.tenant_id = :t and w.site_id = p.site_id and w.asset_id is null offset 0) y
  union all
  select y.*
  from (select distinct customer_id from place) p
  cross join lateral (
    select $columns from work_order w
    where w.tenant_id = :t and w.customer_id = p.customer_id and w.reopened_at is not null offset 0) y
  where case when y.asset_id is not null
               then y.asset_id not in (select asset_id from place where asset_id is not null)
             else y.site_id not in (select site_id from place where site_id is not null) end
"""

_COLUMNS = """w.id, w.asset_id, w.site_id, w.customer_id, w.work_type_id, w.maintenance, w.reported_at,
  w.reopened_at, w.work_done_at, w.cancelled_at, w.failure_id, w.request_id, w.follows_id"""

_OF_JOB = """w.id, w.asset_id, w.site_id, w.work_type_id, w.maintenance, w.reported_at, w.reopened_at,
         case when w.work_done_at <= :as_of then w.work_done_at end as done_at,
         coalesce(w.cancelled_at <= :as_of, false) as is_cancelled"""

_JOB = """
  select j.id, j.asset_id, j.site_id, j.work_type_id, j.reported_at, j.reopened_at, j.done_at,
         j.is_cancelled, j.failure_id, j.repair_id
  from rooted j
  where j.maintenance = 'corrective' or j.own_failure_id is not null
"""

_KNOWN = """
  select x.id, x.detected_at, x.restored_at, x.mode, x.exclusion from failure x where x.tenant_id = :t$only
"""

_OF_JOBS = " and x.id = any(array(select failure_id from job))"

# The id of the first job names a repair, which may share its failure with one on another asset.
_REPAIR = """
  select j.repair_id, (array_agg(j.id order by j.reported_at, j.id))[1] as id, j.asset_id,
         coalesce(j.asset_id, j.site_id) as place_id,
         min(coalesce(f.detected_at, j.reported_at)) as began_at,
         coalesce(min(f.mode), 'work:' || (array_agg(j.work_type_id order by j.reported_at, j.id))[1])
           as class,
         min(f.exclusion) as exclusion, bool_and(j.is_cancelled) as is_cancelled,
         case when min(f.id::text) is not null then
                min(case when f.restored_at <= :as_of then f.restored_at end)
              when bool_and(j.done_at is not null or j.is_cancelled) then max(j.done_at) end as solved_at,
         array_agg(j.id order by j.id) as job_ids
  from job j
  left join known f on f.id = j.failure_id
  group by j.repair_id, j.asset_id, coalesce(j.asset_id, j.site_id)
"""

_VISIT = ", ".join(f"x.{column}" for column in VISIT.split())

_TRIP = """
  select r.id, v.id as visit_id, v.created_at, v.arrived_at, v.planned_starts_at, v.planned_ends_at,
         v.status, v.arrived_at <= :as_of as is_there,
         v.status = 'aborted' and coalesce(v.ended_reason, '') = 'no_access' as is_in_vain,
         tstzrange(v.arrived_at, case when v.finished_at <= :as_of then v.finished_at end, '[]') as on_site
  from $visits
  where v.status not in ('rejected', 'withdrawn')
"""

_VISITS_OF_ALL = "repair r join visit v on v.tenant_id = :t and v.work_order_id = any(r.job_ids)"

# Those of the scope's jobs have been read; nearly all repairs near them are of these alone.
_VISITS = """(select y.id, unnest(y.job_ids) as job_id from repair y) r
  join (
    select $columns from scoped_visit x
    union all
    select $columns from visit x
    where x.tenant_id = :t and x.work_order_id = any(array(
      select y.id from job y where y.id not in (select id from scoped)))
  ) v on v.work_order_id = r.job_id"""

# Touching times on site are one attendance; ends are closed, so that one without length is there at all.
_ATTENDED = """
  select t.id, t.useful is null as in_vain, t.first_planned_end,
         (select count(*) from unnest(t.useful)) as attendances,
         (select a from unnest(coalesce(t.useful, t.every)) a order by a limit 1) as first_on_site
  from (
    select id, range_agg(on_site) filter (where not is_in_vain) as useful, range_agg(on_site) as every,
           (array_agg(planned_ends_at order by is_in_vain, arrived_at, visit_id))[1] as first_planned_end
    from trip where is_there$lately group by id
  ) t
"""

# Of one contract or asset most is long over: what nobody was at since the window began is not put together.
_LATELY = " and id in (select id from trip where is_there and upper(on_site) >= :from_at)"
_UNVISITED = "case when r.id not in (select id from trip where is_there) then r.solved_at end"

# Repairs are compared through joins on what they share: looked up one by one, each would read all.
_SEVERAL = """
  select distinct x.id
  from attended x
  join trip n on n.id = x.id
  where not n.is_in_vain and n.created_at < lower(x.first_on_site)
    and n.planned_starts_at >= x.first_planned_end
"""

# Outside the window nobody asks what followed: a condition would have the planner take what is left for next
# to nothing, and compare each with all.
_SINCE_ATTENDED = """
  select r.id, r.repair_id, r.place_id, r.class,
         case when upper(t.first_on_site) >= :from_at and upper(t.first_on_site) < :until_at
              then upper(t.first_on_site) end as at
  from repair r join attended t on t.id = r.id
"""

_SINCE_SOLVED = """
  select r.id, r.repair_id, r.place_id, r.class, r.solved_at as at from repair r
"""

_FOLLOWED = """
  select distinct s.id
  from since s
  join repair n on n.place_id = s.place_id and n.class = s.class and n.id <> s.id
  where n.exclusion is null and not n.is_cancelled
    and n.began_at > s.at and n.began_at <= least(s.at + :follow_up, :as_of)
"""

_RETURNED = """
  select s.id
  from since s
  join job o on o.repair_id = s.repair_id
  where o.reopened_at > s.at and o.reopened_at <= least(s.at + :follow_up, :as_of)
  union
  select s.id
  from since s
  join job o on o.repair_id = s.repair_id
  cross join lateral (
    select x.occurred_at from event x
    where x.tenant_id = :t and x.entity = 'work_order' and x.entity_id = o.id
      and x.kind = 'work_order.reopened'$fence) e
  where s.at is not null and e.occurred_at > s.at and e.occurred_at <= least(s.at + :follow_up, :as_of)
"""

# As a test, which hashes them: as a join, the planner would go through all jobs for each of a handful.
_AMONG = " and ({}.id in (select id from scoped)) is true"

_FIRST_TIME = """
  select $key as key, c.id, c.asset_id, c.at,
         (c.attendances = 1 and c.solved_at is not null and not c.came_back)::int as above, 1 as below,
         c.reason,
         case when c.solved_at is null then 'unsolved'
              when c.attendances > 1 then 'several_attendances'
              when c.came_back then 'came_back' end as note, c.job_ids
  from (
    select r.id, r.asset_id, r.solved_at, r.job_ids, t.attendances,
           case when t.id is null then $unvisited else upper(t.first_on_site) end as at,
           case when r.exclusion is not null then r.exclusion
                when r.is_cancelled then 'cancelled'
                when t.id is null then 'remote'
                when t.in_vain then 'no_access'
                when r.id in (select id from several) then 'planned_visits' end as reason,
           r.id in (select id from followed) or r.id in (select id from returned) as came_back
    from repair r
    left join attended t on t.id = r.id
    offset 0
  ) c
  left join work_order w on w.tenant_id = :t and w.id = c.id
  $joins
  where c.at >= :from_at and c.at < :until_at$among$of_scope
"""

_REPEATED = """
  select $key as key, r.id, r.asset_id, r.solved_at as at,
         (r.id in (select id from followed))::int as above, 1 as below,
         case when r.exclusion is not null then r.exclusion
              when r.is_cancelled then 'cancelled' end as reason,
         null::text as note, r.job_ids
  from repair r
  left join work_order w on w.tenant_id = :t and w.id = r.id
  $joins
  where r.solved_at >= :from_at and r.solved_at < :until_at$among$of_scope
"""
