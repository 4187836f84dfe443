"""How long failures lasted and repairs took, as sums and percentiles per key.

The rules are those of `formulae.repairs`, which tests hold these statements to. A figure belongs to the
window in which the function came back, and to the contract that the asset was on at that instant.

A *repair* is everything done for one failure: its jobs, those of the same request and those that follow from
them. Corrective work without a failure is a repair per request (else per first job), from the report to the
end of the last job's work.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from fsm.actors import Actor
from fsm.database import Session
from fsm.intervals import HOUR
from reports.chains_sql import add_rooted
from reports.exposure_sql import Page, Statement, key_type, micros_between, micros_of, subjects
from reports.reliability_sql import EventSums, add_events
from reports.rounds import is_joined
from reports.rows import Period
from reports.scopes import Cut, Key, Scope

NO_WORK = "no_work_recorded"
"""Why a repair is left out of active time: nobody recorded any, which does not make it 0."""


class RepairPart(StrEnum):
    """What of a repair's time is asked for; the last three add up to the whole."""

    WHOLE = "whole"
    HANDS_ON = "hands_on"
    TRAVEL = "travel"
    WAIT = "wait"


@dataclass(slots=True)
class Restored:
    """What became of the faults of one key.

    `lasted` is about those restored in the window, `open_faults` and `oldest_us` about those open at the end
    of what is counted. `detected_median_h` is the Kaplan–Meier median of those detected in the window, if
    there is one: the open ones have lasted at least so long.
    """

    lasted: EventSums = field(default_factory=EventSums)
    open_faults: int = 0
    oldest_us: int = 0
    detected_median_h: float | None = None


async def restoration_sums(
    session: Session,
    actor: Actor,
    period: Period,
    scope: Scope,
    cut: Cut,
    page: Page | None = None,
) -> dict[Key, Restored]:
    """Return per key what became of its faults: these are read once for all that is told of them.

    None are open where the window has not begun by `as_of`.
    """
    statement = subjects(actor, period, scope, cut, page)
    add_events(statement, _CONCERNED_FAULTS, is_shared=is_joined(session))
    statement.part(
        "candidate",
        _RESTORED,
        length=micros_between("h.happened_at", "h.restored_at"),
        only=f" where {_RESTORED_IN_TIME.replace('f.', 'h.')}",
    )
    found: defaultdict[Key, Restored] = defaultdict(Restored)
    rows = await statement.run(
        session,
        _FAULTS,
        age=micros_between("min(h.detected_at)", "cast(:until_at as timestamptz)"),
        lasted=micros_between("h.detected_at", "least(h.restored_at, :until_at)"),
    )
    for what, key, reason, count, undated, us in rows:
        each = found[key]
        if what == "open":
            each.open_faults, each.oldest_us = count, us
        elif what == "median":
            each.detected_median_h = us / HOUR
        elif reason is None:
            each.lasted.n, each.lasted.undated, each.lasted.total = count, undated, us
        else:
            each.lasted.excluded[reason] = count
    return dict(found)


async def repair_sums(
    session: Session,
    actor: Actor,
    period: Period,
    scope: Scope,
    cut: Cut,
    page: Page | None = None,
    *,
    part: RepairPart,
) -> dict[Key, EventSums]:
    """Return count and length of the repairs that ended in the window, of one part of their time."""
    statement = subjects(actor, period, scope, cut, page)
    add_repairs(statement, part, is_shared=is_joined(session))
    return await _sums(session, statement)


async def restoration_order(
    session: Session,
    actor: Actor,
    period: Period,
    scope: Scope,
    cut: Cut,
    page: Page | None = None,
    *,
    share: float,
    ranks: Mapping[Key, tuple[int, int]],
) -> dict[Key, tuple[float, float | None, float | None]]:
    """Return per key the percentile `share` of the hours, and those at the two ranks (from 1) of the key."""
    statement = add_restored(subjects(actor, period, scope, cut, page))
    statement.values |= {
        "share": share,
        "keys": list(ranks),
        "lows": [low for low, _ in ranks.values()],
        "highs": [high for _, high in ranks.values()],
    }
    rows = await statement.run(session, _ORDER, type=key_type(cut))
    return {key: (value, low, high) for key, value, low, high in rows}


def add_restored(statement: Statement) -> Statement:
    """Add `candidate`: failures restored in the window, their length `us`, `reason` null when they count."""
    add_events(statement, _RESTORED_IN_TIME)
    return statement.part(
        "candidate", _RESTORED, length=micros_between("h.happened_at", "h.restored_at"), only=""
    )


def add_repairs(statement: Statement, part: RepairPart, *, is_shared: bool = False) -> Statement:
    """Add `candidate`: repairs that ended in the window, their length `us`, `reason` null when they count.

    Where nobody recorded work, only the whole length is known.
    """
    only = add_events(statement, _RESTORED_IN_TIME, is_shared=is_shared)
    add_rooted(statement, _OF_SUBJECTS, _OF_JOB)
    statement.fenced("job", _JOB)
    statement.fenced("repair", _REPAIR, only=only)
    whole = micros_between("r.detected_at", "r.restored_at")
    if part is RepairPart.WHOLE:
        return statement.part(
            "candidate",
            _CANDIDATE,
            length=whole,
            worked="",
            no_work="",
        )
    statement.part("concerned", _CONCERNED)
    statement.part("recorded", _RECORDED)
    statement.part("paused", _PAUSED)
    span = "tstzmultirange(tstzrange(r.detected_at, r.restored_at))"
    hands_on = f"(w.worked * {span} - coalesce(p.during, '{{}}'))"
    travel = f"coalesce(w.travelled, '{{}}') * {span} - {hands_on}"
    lengths = {
        RepairPart.HANDS_ON: micros_of(hands_on),
        RepairPart.TRAVEL: micros_of(travel),
        RepairPart.WAIT: f"{whole} - {micros_of(hands_on)} - {micros_of(travel)}",
    }
    return statement.part(
        "candidate",
        _CANDIDATE,
        length=lengths[part],
        worked=_SPENT,
        no_work=f" when w.worked is null then '{NO_WORK}'",
    )


async def _sums(session: Session, statement: Statement) -> dict[Key, EventSums]:
    sums: defaultdict[Key, EventSums] = defaultdict(EventSums)
    for key, reason, count, undated, total in await statement.run(session, _COUNTS):
        if reason is None:
            sums[key].n, sums[key].undated, sums[key].total = count, undated, total
        else:
            sums[key].excluded[reason] = count
    return dict(sums)


_RESTORED = """
  select h.key, h.id, h.asset_id, h.failed_at, h.restored_at as ended_at, $length as us,
         case when h.exclusion is not null then h.exclusion
              when not h.covered @> h.restored_at then 'not_on_contract' end as reason
  from happened h$only
"""

_RESTORED_IN_TIME = "f.restored_at >= :from_at and f.restored_at < :until_at"

# Restored in the window, open at the end of it, detected in it.
_CONCERNED_FAULTS = """f.restored_at >= :from_at and f.restored_at < :until_at
      or f.detected_at < :until_at and (f.restored_at is null or f.restored_at >= :until_at)
      or f.detected_at >= :from_at and f.detected_at < :until_at"""

_OF_SUBJECTS = "w.tenant_id = :t and w.asset_id in (select asset_id from subject)"
_OF_JOB = "w.id, w.asset_id, w.status, w.maintenance, w.reported_at, w.work_done_at"

_JOB = """
  select j.id, j.asset_id, j.status, j.maintenance, j.reported_at, j.work_done_at, j.failure_id, j.repair_id
  from rooted j
"""

_REPAIR = """
  select h.key, h.covered, h.id, h.asset_id, h.detected_at, h.restored_at, h.exclusion
  from happened h$only
  union all
  select s.key, s.covered, d.id, d.asset_id, d.reported_at, d.work_done_at,
         case when d.work_done_at < d.reported_at then 'times_crossed' end
  from (
    select j.repair_id as id, j.asset_id, min(j.reported_at) as reported_at,
           max(j.work_done_at) as work_done_at
    from job j
    where j.failure_id is null and j.maintenance = 'corrective' and j.status <> 'cancelled'
    group by j.repair_id, j.asset_id
    having bool_and(j.work_done_at is not null)
       and max(j.work_done_at) >= :from_at and max(j.work_done_at) < :until_at
  ) d
  join subject s on s.asset_id = d.asset_id
"""

# A corrected entry stays in the table; the entry that names it counts instead.
_RECORDED = """
  select j.repair_id, range_agg(e.during) filter (where e.kind = 'work') as worked,
         range_agg(e.during) filter (where e.kind = 'travel') as travelled
  from concerned j
  join time_entry e on e.tenant_id = :t and e.work_order_id = j.id
  left join time_entry c on c.tenant_id = :t and c.corrects_id = e.id and c.corrects_id is not null
    and c.work_order_id = e.work_order_id
  where e.kind in ('work', 'travel') and c.id is null
  group by j.repair_id
"""

_PAUSED = """
  select j.repair_id, range_agg(p.during) as during
  from concerned j
  join pause p on p.tenant_id = :t and p.work_order_id = j.id and p.stops_repair_clock
  group by j.repair_id
"""

_CONCERNED = """
  select j.id, j.repair_id from job j where j.repair_id in (select id from repair)
"""

_SPENT = """ left join recorded w on w.repair_id = r.id left join paused p on p.repair_id = r.id"""

_CANDIDATE = """
  select c.key, c.id, c.asset_id, c.failed_at, c.restored_at as ended_at, c.reason,
         case when c.reason is null then c.us end as us
  from (
    select r.key, r.id, r.asset_id, r.detected_at as failed_at, r.restored_at,
           case when r.exclusion is not null then r.exclusion
                when not r.covered @> r.restored_at then 'not_on_contract'$no_work end as reason,
           case when r.restored_at >= r.detected_at then $length end as us
    from repair r$worked
  ) c
"""

_COUNTS = """
select key, reason, count(*), count(*) filter (where failed_at is null), coalesce(sum(us), 0)::bigint
from candidate group by key, reason order by key, reason
"""

# Survival is a product of fractions, taken as a sum of logarithms; it misses one half by the last bit.
_FAULTS = """
select 'restored' as what, c.key, c.reason, count(*) as n,
       count(*) filter (where c.failed_at is null) as undated, coalesce(sum(c.us), 0)::bigint as us
from candidate c group by c.key, c.reason
union all
select 'open', h.key, null, count(*), 0, $age
from happened h
where h.exclusion is null and h.covered @> (cast(:until_at as timestamptz) - interval '1 microsecond')
  and h.detected_at < :until_at and (h.restored_at is null or h.restored_at >= :until_at)
  and cast(:until_at as timestamptz) > :from_at
group by h.key
union all
select 'median', x.key, null, 0, 0, min(x.us)
from (
  select y.key, y.us, bool_or(y.left_over = 0) over w as is_over,
         sum(ln(case when y.left_over = 0 then 1 else y.left_over / y.at_risk end)) over w as log_survival
  from (
    select g.key, g.us, g.ended, g.at_risk::float8 as at_risk, (g.at_risk - g.ended)::float8 as left_over
    from (
      select d.key, d.us, sum(d.is_over) as ended,
             sum(count(*)) over (partition by d.key order by d.us desc) as at_risk
      from (
        select h.key, $lasted as us, (h.restored_at < :until_at)::int as is_over
        from happened h
        where h.exclusion is null and h.detected_at >= :from_at and h.detected_at < :until_at
      ) d
      group by d.key, d.us
    ) g where g.ended > 0
  ) y
  window w as (partition by y.key order by y.us)
) x
where x.is_over or x.log_survival <= ln(0.5::float8) + 1e-12
group by x.key
order by 1, 2, 3
"""

# Linear interpolation in double precision, as the rule does it.
_ORDER = """
select o.key, percentile_cont(:share) within group (order by o.hours),
       min(o.hours) filter (where o.rank = k.low), min(o.hours) filter (where o.rank = k.high)
from (
  select key, us::float8 / 3600000000 as hours,
         row_number() over (partition by key order by us) as rank
  from candidate where reason is null
) o
join unnest(cast(:keys as $type[]), cast(:lows as int[]), cast(:highs as int[])) as k(key, low, high)
  on k.key = o.key
group by o.key order by o.key
"""
