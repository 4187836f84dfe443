"""Figures of what customers said: the last rating of each rater of a finished visit.

A visit belongs to the window in which it was finished. One that nobody has rated is left out and counted, so
that the answers can be held against the visits.
"""

from reports.exposure_sql import Statement
from reports.jobs_sql import begin, work_texts
from reports.questions import Asked

FEWEST_ANSWERS = 5
"""Below so many answers there is no value: one customer's mood is no figure."""


async def content(asked: Asked) -> Statement:
    """Find the ratings, and those of them with four stars or five."""
    return _answers(asked, above="(r.stars >= 4)::int", unanswered="null")


async def recommending(asked: Asked) -> Statement:
    """Find the answers whether somebody would recommend us: 1 for 9 and 10, −1 for 0 to 6."""
    return _answers(
        asked,
        above="case when r.nps >= 9 then 1 when r.nps <= 6 then -1 else 0 end",
        unanswered="case when r.nps is null then 'not_answered' end",
    )


def _answers(asked: Asked, *, above: str, unanswered: str) -> Statement:
    statement = begin(asked)
    texts = work_texts(statement, asked, "v.technician_id")
    rated = _RATED if asked.question.scope.parts else _RATED_OF_ALL
    return statement.part(
        "candidate", _ANSWERS, above=above, unanswered=unanswered, rated=rated, **texts
    )


# Every visit has a job: an outer join that nobody asks anything of is left out.
_ANSWERS = """
  select $key as key, coalesce(r.id, v.id) as id, $asset_id as asset_id, v.finished_at as at, $above as above,
         1 as below, case when r.id is null then 'not_rated' else $unanswered end as reason,
         null::text as note, array[v.work_order_id] as job_ids
  from visit v
  left join work_order w on w.tenant_id = :t and w.id = v.work_order_id
  $joins
  $rated
  where v.tenant_id = :t and v.status = 'finished'
    and v.finished_at >= :from_at and v.finished_at < :until_at$conditions
"""

_RATED = """left join lateral (
    select distinct on (coalesce(g.request_id, g.user_id)) g.id, g.stars, g.nps
    from rating g
    where g.tenant_id = :t and g.visit_id = v.id and g.given_at <= :as_of
    order by coalesce(g.request_id, g.user_id), g.given_at desc, g.id desc
  ) r on true"""

# Of a whole company the ratings are read in one go.
_RATED_OF_ALL = """left join (
    select distinct on (g.visit_id, coalesce(g.request_id, g.user_id)) g.visit_id, g.id, g.stars, g.nps
    from rating g
    where g.tenant_id = :t and g.given_at <= :as_of
    order by g.visit_id, coalesce(g.request_id, g.user_id), g.given_at desc, g.id desc
  ) r on r.visit_id = v.id"""
