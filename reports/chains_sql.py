"""Which repair a job belongs to: that of its failure, else of its request, else of the job that it follows.

A chain of jobs that follow one another belongs to its first one, the root. Few jobs follow another: only
those are walked, one look into an index a step; all others are their own root and are read in one go.
"""

from reports.exposure_sql import Statement


def add_rooted(
    statement: Statement, which: str, columns: str, jobs: str = "work_order"
) -> Statement:
    """Add `rooted`: the `jobs` under a condition on `w` with some of their columns and what they belong to.

    These are `failure_id` (its own, its root's, or that of another job of the root's request) and
    `repair_id`: that failure, else the request, else the root. Jobs that follow one another in a circle
    belong to nothing and are left out.
    """
    texts = {"which": which, "columns": columns, "jobs": jobs}
    statement.part("chain", _CHAIN, **texts)
    statement.part("own", _OWN, **texts)
    statement.part("requested", _REQUESTED)
    return statement.part("rooted", _ROOTED)


# Never round in circles: `union` drops what was there before. The lateral `limit` keeps each step to one look
# into the index, where a join would read every job of the company.
_CHAIN = """
  select w.id, w.id as root_id, w.failure_id, w.request_id, w.follows_id
  from $jobs w
  where w.follows_id is not null and $which
  union
  select c.id, o.id, o.failure_id, o.request_id, o.follows_id
  from chain c
  cross join lateral (
    select x.id, x.failure_id, x.request_id, x.follows_id
    from work_order x where x.tenant_id = :t and x.id = c.follows_id limit 1
  ) o
  where c.follows_id is not null
"""

_OWN = """
  select $columns, w.failure_id as own_failure_id, w.request_id, w.id as root_id
  from $jobs w
  where w.follows_id is null and $which
  union all
  select $columns, coalesce(w.failure_id, c.failure_id), c.request_id, c.root_id
  from chain c
  cross join lateral (
    select x.* from work_order x where x.tenant_id = :t and x.id = c.id limit 1
  ) w
  where c.follows_id is null
"""

# Of a request for several failures the first one's id stands for all.
_REQUESTED = """
  select distinct on (x.request_id) x.request_id, x.failure_id
  from work_order x
  where x.tenant_id = :t and x.failure_id is not null and x.request_id in (
    select request_id from own where own_failure_id is null)
  order by x.request_id, x.failure_id
"""

_ROOTED = """
  select j.*, coalesce(j.own_failure_id, q.failure_id) as failure_id,
         coalesce(j.own_failure_id, q.failure_id, j.request_id, j.root_id) as repair_id
  from own j
  left join requested q on q.request_id = j.request_id and j.own_failure_id is null
"""
