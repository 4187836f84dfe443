"""How long assets were down at a time: merged outages, as sums per key.

The rule is `formulae.mean_downtime`, which tests hold these statements to.
"""

from collections import defaultdict

from fsm.intervals import HOUR
from reports.candidates import Candidate
from reports.exposure_sql import Page, Statement, micros_between, subjects
from reports.questions import Asked
from reports.reliability_sql import EventSums
from reports.scopes import Cut, Key


async def outage_sums(asked: Asked) -> dict[Key, EventSums]:
    """Return count and length of the merged outages that ended in the window, per key."""
    sums: defaultdict[Key, EventSums] = defaultdict(EventSums)
    for key, reason, outages, merged, total in await _candidates(asked).run(asked.session, _COUNTS):
        if reason is None:
            sums[key].n, sums[key].total = merged, total
        else:
            sums[key].excluded[reason] = outages
    return dict(sums)


async def list_outages(asked: Asked, page: Page) -> list[Candidate]:
    """Return the next outages in order of id; those of one merged outage share its length equally."""
    statement = _candidates(asked)
    statement.values["lines"] = page.limit
    if page.after is not None:
        statement.values["after"] = page.after
    after = "" if page.after is None else "where c.id > :after"
    found = []
    for id_, asset_id, at, reason, us, members, jobs in await statement.run(
        asked.session, _LINES, after=after
    ):
        above, below = (0, 0) if reason else (us / members / HOUR, 1 / members)
        found.append(Candidate("outage", id_, asset_id, at, above, below, reason, list(jobs)))
    return found


def _candidates(asked: Asked) -> Statement:
    question = asked.question
    cut = asked.cut if asked.cut is not Cut.MONTH else Cut.TENANT
    statement = subjects(asked.actor, question.period, question.scope, cut, asked.page)
    statement.part("reach", _REACH, counts=_COUNTS_AS_DOWN)
    statement.part("stretch", _STRETCH, counts=_COUNTS_AS_DOWN)
    statement.part("merged", _MERGED)
    length = micros_between("m.begins", "m.ends")
    return statement.part("candidate", _CANDIDATE, counts=_COUNTS_AS_DOWN, length=length)


_COUNTS_AS_DOWN = "o.cause <> 'external' and not o.is_degraded"

# A merged outage begins where no other one reaches back any further: outages that overlap or touch. All
# that touch the window are read first, so that only what began before it can reach back to others.
_REACH = """
  select o.asset_id, min(lower(o.during)) as begins
  from outage o
  where o.tenant_id = :t and $counts and o.asset_id in (select asset_id from subject)
    and o.during && tstzrange(cast(:from_at as timestamptz) - interval '1 microsecond', :until_at)
  group by o.asset_id
  union all
  select r.asset_id, e.begins
  from reach r
  cross join lateral (
    select lower(o.during) as begins
    from outage o
    where o.tenant_id = :t and o.asset_id = r.asset_id and $counts and lower(o.during) < r.begins
      and o.during && tstzrange(r.begins - interval '1 microsecond', r.begins)
    order by 1 limit 1
  ) e
  where r.begins < :from_at
"""

# In the order of their beginnings, a new stretch begins where all before it have ended.
_STRETCH = """
  select y.*, count(*) filter (where y.begins > y.before) over (
           partition by y.asset_id order by y.begins, y.id) as place
  from (
    select o.id, o.asset_id, o.failure_id, x.begins, x.ends,
           max(x.ends) over (partition by o.asset_id order by x.begins, o.id
                             rows between unbounded preceding and 1 preceding) as before
    from (select asset_id, min(begins) as begins from reach group by asset_id) r
    join outage o on o.tenant_id = :t and o.asset_id = r.asset_id
    cross join lateral (
      select lower(o.during) as begins, least(upper(o.during), cast(:until_at as timestamptz)) as ends
    ) x
    where $counts and o.during && tstzrange(r.begins, :until_at)
  ) y
"""

_MERGED = """
  select z.id, z.asset_id, z.failure_id, min(z.begins) over same as begins, max(z.ends) over same as ends
  from stretch z
  window same as (partition by z.asset_id, z.place)
"""

_CANDIDATE = """
  select x.key, x.id, x.asset_id, x.failure_id, x.ended_at, x.us, x.reason,
         count(*) over same as members,
         row_number() over (partition by x.key, x.asset_id, x.ended_at, x.reason order by x.id) = 1
           as is_first
  from (
    select s.key, m.id, m.asset_id, m.failure_id, m.ends as ended_at, $length as us,
           case when m.ends = :until_at then 'open'
                when not s.covered @> m.ends then 'not_on_contract' end as reason
    from subject s
    join merged m on m.asset_id = s.asset_id
    where m.ends >= :from_at
    union all
    select s.key, o.id, o.asset_id, o.failure_id, upper(o.during), 0,
           case when o.is_degraded then 'degraded' else 'external' end
    from subject s
    join outage o on o.tenant_id = :t and o.asset_id = s.asset_id
    where not ($counts)
      and o.during && tstzrange(cast(:from_at as timestamptz) - interval '1 microsecond', :until_at)
  ) x
  window same as (partition by x.key, x.asset_id, x.ended_at, x.reason)
"""

_COUNTS = """
select key, reason, count(*), count(*) filter (where is_first),
       coalesce(sum(us) filter (where is_first), 0)::bigint
from candidate group by key, reason order by key, reason
"""

_LINES = """
select c.id, c.asset_id, c.ended_at, c.reason, c.us, c.members,
       array(select w.id from work_order w
             where w.tenant_id = :t and w.failure_id = c.failure_id order by w.id)
from candidate c $after order by c.id limit :lines
"""
