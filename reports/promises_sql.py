"""Promises as they were told to customers: were they kept, and as often as was said.

A customer's own change takes the place of what was promised; the company's leaves the first promise standing.
Neither a change nor a cancellation after the promised window makes good that nobody came in it.
A job without any promise in the ledger counts by the windows of its visits.
"""

from reports.exposure_sql import Statement
from reports.jobs_sql import begin, rows_of_scope, work_texts
from reports.questions import Asked
from reports.visits_sql import VISIT, WINDOWS

PARTS_OF_ONE = 10**9
"""Chances are counted in whole billionths, so that sums do not depend on an order."""


async def kept_promises(asked: Asked) -> Statement:
    """Find the promises whose window ended in the window of the figure, and those that were kept."""
    statement = begin(asked)
    texts = work_texts(statement, asked, "v.technician_id")
    visits = rows_of_scope(statement, asked, "visit", VISIT)
    is_narrow = _add_judged(statement, asked, asked.question.variant)
    statement.part("promised", _PROMISED, **texts)
    statement.part(
        "visited",
        WINDOWS,
        **texts,
        visits=visits,
        only=_NOT_AMONG_PROMISED if is_narrow else _WITHOUT_PROMISE,
        cancelled_at=_CANCELLED_AT.format("v") if is_narrow else "w.cancelled_at",
    )
    return statement.part("candidate", "select * from promised union all select * from visited")


async def stated_chances(asked: Asked) -> Statement:
    """Find the promises that were decided, with the chance that was stated when they were told."""
    statement = begin(asked)
    texts = work_texts(statement, asked, "v.technician_id")
    _add_judged(statement, asked, "original")
    above = {
        "brier": "(x.probability - (x.state = 'kept')::int) ^ 2",
        "stated": "x.probability",
        "kept": "(x.state = 'kept')::int",
    }[asked.question.variant]
    return statement.part("candidate", _STATED, **texts, above=above, parts=str(PARTS_OF_ONE))


async def chances_by_tenth(asked: Asked) -> list[tuple[int, int, float, int]]:
    """Return per tenth of the stated chance how many promises were decided, its mean, how many were kept."""
    statement = begin(asked)
    texts = work_texts(statement, asked, "v.technician_id")
    _add_judged(statement, asked, "original")
    statement.part("candidate", _STATED, **texts, above="x.probability", parts=str(PARTS_OF_ONE))
    rows = await statement.run(asked.session, _BY_TENTH, parts=str(PARTS_OF_ONE))
    return [(tenth, n, float(stated), kept) for tenth, n, stated, kept in rows]


def _add_judged(statement: Statement, asked: Asked, variant: str) -> bool:
    """Add `judged`: of each chain of promises the first, or the last, and what became of it by `as_of`.

    Return whether promises were read for the jobs of the scope only.
    """
    promises = rows_of_scope(statement, asked, "promise", _PROMISE)
    statement.part("told", _TOLD, promises=promises)
    order = "" if variant == "original" else " desc"
    statement.part("meant", _MEANT, order=order)
    is_narrow = promises != "promise"
    statement.part(
        "judged",
        _JUDGED,
        job="" if is_narrow else _JOB,
        cancelled_at=_CANCELLED_AT.format("m") if is_narrow else "j.cancelled_at",
    )
    return is_narrow


_PROMISE = """id tenant_id work_order_id visit_id asked_by sent_at window_starts_at window_ends_at
  probability"""

_WITHOUT_PROMISE = """
      and not exists (select from promise q where q.tenant_id = :t and q.work_order_id = w.id)"""

_NOT_AMONG_PROMISED = """
      and v.work_order_id not in (select q.work_order_id from scoped_promise q)"""

# Of a scope's promises few are left to ask when the job was cancelled; of a company's, all jobs are read.
_CANCELLED_AT = """(
                  select y.cancelled_at from work_order y
                  where y.tenant_id = :t and y.id = {}.work_order_id)"""
_JOB = "join work_order j on j.tenant_id = :t and j.id = m.work_order_id"

# A chain is a promise and what the company made of it; the customer's change begins another.
_TOLD = """
  select p.*, sum(case when p.asked_by = 'customer' then 1 else 0 end)
                over (partition by p.work_order_id order by p.sent_at, p.id) as chain
  from $promises p
  where p.tenant_id = :t and p.sent_at <= :as_of and p.work_order_id in (
    select q.work_order_id from $promises q
    where q.tenant_id = :t and q.window_ends_at >= :from_at and q.window_ends_at < :to_at)
"""

_MEANT = """
  select distinct on (o.work_order_id, o.chain) o.*,
         min(o.sent_at) over (partition by o.work_order_id order by o.chain
                              range between 1 following and unbounded following) as replaced_at
  from told o
  order by o.work_order_id, o.chain, o.sent_at$order, o.id$order
"""

_JUDGED = """
  select m.*, case when m.replaced_at <= m.window_ends_at then 'moved_by_customer'
                   when c.arrived_at > m.window_ends_at then 'late'
                   when c.began_at < m.window_starts_at then 'early'
                   when c.arrived_at is not null then 'kept'
                   when $cancelled_at <= least(:as_of, m.window_ends_at) then 'cancelled'
                   when m.window_ends_at < :as_of then 'missed'
                   else 'running' end as state
  from meant m
  $job
  left join lateral (
    select n.arrived_at,
           coalesce(case when n.work_started_at <= :as_of then n.work_started_at end, n.arrived_at)
             as began_at
    from visit n
    where n.tenant_id = :t and n.work_order_id = m.work_order_id and n.arrived_at <= :as_of
      and (n.id = m.visit_id or n.arrived_at >= m.sent_at)
    order by n.id <> m.visit_id, n.arrived_at, n.id limit 1
  ) c on true
  where m.window_ends_at >= :from_at and m.window_ends_at < :to_at
"""

# Every promise has a job and a visit: an outer join that nobody asks anything of is left out.
_PROMISED = """
  select $key as key, x.id, $asset_id as asset_id, x.window_ends_at as at, (x.state = 'kept')::int as above,
         1 as below,
         case when x.state in ('moved_by_customer', 'cancelled', 'running') then x.state end as reason,
         case when x.state in ('late', 'early', 'missed') then x.state end as note,
         array[x.work_order_id] as job_ids
  from judged x
  left join work_order w on w.tenant_id = :t and w.id = x.work_order_id
  left join visit v on v.tenant_id = :t and v.id = x.visit_id
  $joins
  where true$of_scope
"""

_STATED = """
  select $key as key, x.id, $asset_id as asset_id, x.window_ends_at as at,
         case when x.probability is null then 0 else round(($above) * $parts)::bigint end as above,
         $parts as below,
         case when x.state in ('moved_by_customer', 'cancelled', 'running') then x.state
              when x.probability is null then 'no_chance_stated' end as reason,
         'stated_' || least(floor(x.probability * 10) * 10, 90) || '_percent' as note,
         array[x.work_order_id] as job_ids
  from judged x
  left join work_order w on w.tenant_id = :t and w.id = x.work_order_id
  left join visit v on v.tenant_id = :t and v.id = x.visit_id
  $joins
  where true$of_scope
"""

_BY_TENTH = """
select least(div(c.above * 10, $parts), 9)::int as tenth, count(*), avg(c.above) / $parts,
       count(*) filter (where x.state = 'kept')
from candidate c join judged x on x.id = c.id
where c.reason is null group by tenth order by tenth
"""
