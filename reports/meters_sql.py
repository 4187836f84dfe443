"""How far the counters of hours ran, and the failures of the assets that have one: sums per key.

The rule is `formulae.meters`, which tests hold these statements to. An asset's counter is that of its meters
in hours whose code comes first. An asset with fewer than two readings by then has no counter: it is left out,
and so are its failures.
"""

from collections import defaultdict
from dataclasses import dataclass, field

from fsm.intervals import HOUR
from reports.candidates import Candidate
from reports.exposure_sql import Page, Statement, micros_between, micros_of, subjects
from reports.questions import Asked
from reports.reliability_sql import EventSums, add_failures
from reports.scopes import Key

NO_METER = "no_meter"


@dataclass(slots=True)
class MeterSums:
    """Microseconds run by the counters of one key's assets; `without` counts the assets that have none."""

    us: float = 0
    extrapolated: float = 0
    by_duty: float = 0
    assets: int = 0
    without: int = 0
    failures: EventSums = field(default_factory=EventSums)


async def meter_sums(asked: Asked) -> dict[Key, MeterSums]:
    sums: defaultdict[Key, MeterSums] = defaultdict(MeterSums)
    for key, us, extrapolated, by_duty, assets, without in await _counters(asked).run(
        asked.session, _SUMS
    ):
        sums[key] = MeterSums(float(us), float(extrapolated), float(by_duty), assets, without)
    statement = _failures(asked)
    for key, reason, count, undated in await statement.run(asked.session, _FAILURES):
        events = sums[key].failures
        if reason is None:
            events.n, events.undated = count, undated
        else:
            events.excluded[reason] = count
    for found in sums.values():
        if found.without:
            left_out = found.failures.excluded
            left_out[NO_METER] = left_out.get(NO_METER, 0) + found.without
    return dict(sums)


async def list_metered(asked: Asked, page: Page) -> list[Candidate]:
    """Return the next assets, in order of id, with the hours that their counters ran."""
    rows = await _page(_counters(asked), page).run(asked.session, _ASSETS, after=_after(page))
    return [
        Candidate("asset", id_, id_, None, float(us or 0) / HOUR, 0, reason, [])
        for id_, us, reason in rows
    ]


async def list_failures(asked: Asked, page: Page) -> list[Candidate]:
    """Return the next failures, in order of id; those of assets without a counter are left out."""
    rows = await _page(_failures(asked), page).run(asked.session, _LINES, after=_after(page))
    return [
        Candidate("failure", id_, asset_id, at, 0, 0 if reason else 1, reason, list(jobs))
        for id_, asset_id, at, reason, jobs in rows
    ]


def _page(statement: Statement, page: Page) -> Statement:
    statement.values["lines"] = page.limit
    if page.after is not None:
        statement.values["after"] = page.after
    return statement


def _after(page: Page) -> str:
    return "" if page.after is None else "where c.id > :after"


def _statement(asked: Asked) -> Statement:
    """Return a statement whose part `metered` holds the counter of each asset that has one."""
    question = asked.question
    statement = subjects(asked.actor, question.period, question.scope, asked.cut, asked.page)
    statement.values["as_of"] = question.period.as_of
    statement.part("counter", _COUNTER)
    ran = micros_between("r.before_at", "r.read_at")
    statement.part("reading", _READING, between=ran)
    return statement.fenced("metered", _METERED)


def _counters(asked: Asked) -> Statement:
    statement = _statement(asked)
    statement.part("segment", _SEGMENT)
    during = "(s.exposed * tstzmultirange(g.during))"
    return statement.part("ran", _RAN, us=micros_of(during))


def _failures(asked: Asked) -> Statement:
    return add_failures(_statement(asked)).part("counted", _COUNTED)


_COUNTER = """
  select distinct on (m.asset_id) m.asset_id, m.id as meter_id, m.rollover_at
  from meter m
  where m.tenant_id = :t and m.unit = 'h' and m.asset_id in (select asset_id from subject)
  order by m.asset_id, m.code
"""

_READING = """
  select r.asset_id, r.read_at, r.before_at, $between as us, r.ran * 3600000000 as ran_us
  from (
    select c.asset_id, r.read_at, lag(r.read_at) over own as before_at,
           case when r.is_reset then r.value
                when r.is_rollover then c.rollover_at - lag(r.value) over own + r.value
                else greatest(r.value - lag(r.value) over own, 0) end as ran
    from counter c
    join meter_reading r on r.tenant_id = :t and r.meter_id = c.meter_id
    where r.read_at <= :as_of
    window own as (partition by c.asset_id order by r.read_at)
  ) r
"""

_METERED = """
  select r.asset_id, min(r.before_at) as first_at, max(r.read_at) as last_at,
         sum(r.ran_us) / sum(r.us) as duty,
         (array_agg(r.ran_us / r.us order by r.read_at))[1] as first_rate,
         (array_agg(r.ran_us / r.us order by r.read_at desc))[1] as last_rate
  from reading r where r.before_at is not null group by r.asset_id
"""

_SEGMENT = """
  select r.asset_id, 'read' as kind, tstzrange(r.before_at, r.read_at) as during, r.ran_us / r.us as rate
  from reading r
  where r.before_at is not null and tstzrange(r.before_at, r.read_at) && tstzrange(:from_at, :until_at)
  union all
  select m.asset_id, x.kind, x.during, x.rate
  from metered m
  cross join lateral (values
    ('duty', tstzrange(null, m.first_at - interval '168 hours'), m.duty),
    ('extrapolated', tstzrange(m.first_at - interval '168 hours', m.first_at), m.first_rate),
    ('extrapolated', tstzrange(m.last_at, m.last_at + interval '168 hours'), m.last_rate),
    ('duty', tstzrange(m.last_at + interval '168 hours', null), m.duty)
  ) as x(kind, during, rate)
  where x.during && tstzrange(:from_at, :until_at)
"""

_RAN = """
  select s.key, s.asset_id as id, m.asset_id is null as has_none,
         sum(l.us * g.rate) as us,
         sum(l.us * g.rate) filter (where g.kind = 'extrapolated') as extrapolated,
         sum(l.us * g.rate) filter (where g.kind = 'duty') as by_duty
  from subject s
  left join metered m on m.asset_id = s.asset_id
  left join segment g on g.asset_id = s.asset_id
  cross join lateral (select coalesce($us, 0) as us) l
  group by s.key, s.asset_id, m.asset_id
"""

_SUMS = """
select key, coalesce(sum(us), 0), coalesce(sum(extrapolated), 0), coalesce(sum(by_duty), 0),
       count(*) filter (where not has_none), count(*) filter (where has_none)
from ran group by key order by key
"""

_ASSETS = """
select c.id, c.us, case when c.has_none then 'no_meter' end
from ran c $after order by c.id limit :lines
"""

_COUNTED = """
  select c.key, c.id, c.asset_id, c.failed_at, c.happened_at,
         case when m.asset_id is null then 'no_meter' else c.reason end as reason
  from candidate c left join metered m on m.asset_id = c.asset_id
"""

_FAILURES = """
select key, reason, count(*), count(*) filter (where failed_at is null)
from counted group by key, reason order by key, reason
"""

_LINES = """
select c.id, c.asset_id, c.happened_at, c.reason,
       array(select w.id from work_order w where w.tenant_id = :t and w.failure_id = c.id order by w.id)
from counted c $after order by c.id limit :lines
"""
