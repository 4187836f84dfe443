"""How long serial parts lasted: what was installed, removed and failed, as sums per key.

A serial part is an asset with a serial number that is built into another one. The figure follows from
`formulae.lives`. A removal belongs to the contract of the instant in which the part was taken out.
"""

from collections import defaultdict

from fsm.intervals import HOUR
from reports.candidates import Candidate
from reports.exposure_sql import Page, Statement, day_begins, micros_between, micros_of, subjects
from reports.formulae.lives import FEWEST, PartSums, mttf
from reports.questions import Asked, Found
from reports.scopes import Key
from reports.survival import Life


async def time_to_failure(asked: Asked) -> dict[Key, Found]:
    """Return the mean time to failure of the serial parts of each key."""
    rows = await _parts(asked).run(asked.session, _SUMS)
    sums = {
        key: PartSums(int(us) / HOUR, parts, failed, others, running)
        for key, us, parts, failed, others, running in rows
    }
    many = [key for key, found in sums.items() if found.failed >= FEWEST]
    lives = await _lives(asked, many) if many else {}
    return {
        key: (mttf(sums.get(key, PartSums()), lives.get(key, [])), None)
        for key in sums or asked.nothing()
    }


async def list_parts(asked: Asked, page: Page) -> list[Candidate]:
    """Return the next parts, in order of id, with the hours that they were installed."""
    statement = _parts(asked)
    statement.values["lines"] = page.limit
    if page.after is not None:
        statement.values["after"] = page.after
    after = "" if page.after is None else "where c.asset_id > :after"
    return [
        Candidate("part", id_, id_, removed_at, us / HOUR, int(has_failed), None, list(jobs))
        for id_, removed_at, us, has_failed, jobs in await statement.run(
            asked.session, _LINES, after=after
        )
    ]


async def _lives(asked: Asked, keys: list[Key]) -> dict[Key, list[Life]]:
    """Return the ages in hours between which each part of these keys was seen, and whether it then failed."""
    statement = _parts(asked)
    statement.values["keys"] = [str(key) for key in keys]
    lives: defaultdict[Key, list[Life]] = defaultdict(list)
    begins = micros_between("c.installed_at", "lower(p.piece)")
    ends = micros_between("c.installed_at", "upper(p.piece)")
    rows = await statement.run(asked.session, _LIVES, begins=begins, ends=ends)
    for key, begin, end, has_failed in rows:
        lives[key].append(Life(begin / HOUR, end / HOUR, has_failed))
    return dict(lives)


def _parts(asked: Asked) -> Statement:
    question = asked.question
    statement = subjects(asked.actor, question.period, question.scope, asked.cut, asked.page)
    return statement.part(
        "part",
        _PART,
        commissioned=day_begins("a.commissioned_on", "z.zone"),
        length=micros_of("s.exposed"),
    )


_PART = """
  select x.*, x.removed_at is not null and exists (
           select from failure f
           where f.tenant_id = :t and f.asset_id = x.asset_id and f.exclusion is null
             and f.detected_at <= x.removed_at
             and (f.restored_at is null or f.restored_at >= x.removed_at)) as has_failed
  from (
    select s.key, s.asset_id, s.exposed, $length as us,
           greatest(a.in_service_from, $commissioned) as installed_at,
           case when a.retired_at >= :from_at and a.retired_at < :until_at
                 and s.covered @> a.retired_at then a.retired_at end as removed_at
    from subject s
    join asset a on a.tenant_id = :t and a.id = s.asset_id
    join site z on z.tenant_id = :t and z.id = a.site_id
    where a.serial <> '' and a.parent_id is not null
  ) x
  where x.us > 0 or x.removed_at is not null
"""

_SUMS = """
select key, sum(us)::bigint, count(*), count(*) filter (where has_failed),
       count(*) filter (where removed_at is not null and not has_failed),
       count(*) filter (where removed_at is null)
from part group by key order by key
"""

_LINES = """
select c.asset_id, c.removed_at, c.us, c.has_failed,
       array(select w.id from work_order w
             where w.tenant_id = :t and w.asset_id = c.asset_id
               and w.reported_at >= :from_at and w.reported_at < :until_at order by w.id)
from part c $after order by c.asset_id limit :lines
"""

# A part on the contract now and then is seen in pieces of its life; it fails at the end of the last one.
_LIVES = """
select c.key, $begins, $ends, c.has_failed and upper(p.piece) = upper(c.exposed)
from part c cross join lateral unnest(c.exposed) as p(piece)
where cast(c.key as text) = any(cast(:keys as text[])) and lower(p.piece) >= c.installed_at
order by c.key, c.asset_id, p.piece
"""
