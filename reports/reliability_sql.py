"""What assets did with their time, and what failed, as sums per key: computed by PostgreSQL from multiranges.

The rules are those of `formulae.reliability`, which tests hold these statements to.
"""

from collections import defaultdict
from dataclasses import dataclass, field

from fsm.actors import Actor
from fsm.database import Session
from reports.exposure_sql import Page, Statement, micros_of, subjects
from reports.fact_tables import ALWAYS
from reports.rounds import is_joined
from reports.rows import Period
from reports.scopes import Cut, Key, Scope
from reports.usable_facts import find_usable


@dataclass(frozen=True, slots=True)
class TimeSums:
    """Microseconds summed over the assets of one key; causes are disjoint, `degraded` is part of `up`.

    `idle` counts the assets of which nothing was required; `unplanned_idle` those of which nothing is left
    when planned outages are taken out.
    """

    assets: int = 0
    exposed: int = 0
    required: int = 0
    up: int = 0
    failure: int = 0
    operational: int = 0
    planned: int = 0
    degraded: int = 0
    idle: int = 0
    unplanned_idle: int = 0


@dataclass(slots=True)
class EventSums:
    """Candidates of one key: `n` counted, `undated` of them without `failed_at`, and the rest by reason.

    `total` sums the microseconds of those counted, where they have a length.
    """

    n: int = 0
    undated: int = 0
    total: int = 0
    excluded: dict[str, int] = field(default_factory=dict)


async def time_sums(
    session: Session,
    actor: Actor,
    period: Period,
    scope: Scope,
    cut: Cut,
    page: Page | None = None,
) -> dict[Key, TimeSums]:
    """Return the time of each key's assets, in the order of keys.

    Months that have passed are taken from the facts that are kept of them; what no fact serves, and what
    events have touched since, is read from the intervals.
    """
    statement = subjects(actor, period, scope, cut, page)
    usable = await find_usable(session, actor, period)
    if usable is None:
        _add_lasted(statement)
    else:
        statement.values |= {
            "facts_begin": usable.begins_at,
            "facts_end": usable.ends_at,
            "months_from": usable.from_on,
            "months_to": usable.to_on,
            "dirty": usable.dirty,
        }
        statement.part("unserved", _UNSERVED)
        _add_lasted(statement, "unserved", _NOT_IN_FACTS)
        statement.part("kept", _KEPT, contract=_contract_of_facts(statement, scope, cut))
    rows = await statement.run(session, _SUMS, source="lasted" if usable is None else "kept")
    return {key: TimeSums(*sums) for key, *sums in rows}


def add_spent(statement: Statement, exposed: str = "subject", condition: str = "") -> Statement:
    """Add `spent`: per subject of `exposed` the disjoint sets of what its time went into.

    Only outages under the condition on `o` are read.
    """
    statement.part("down", _DOWN, causes=CAUSES, condition=condition)
    return statement.part("spent", SPENT, exposed=exposed)


def _add_lasted(statement: Statement, exposed: str = "subject", condition: str = "") -> None:
    """Add `lasted`: the lengths of what `add_spent` finds.

    Most assets know one or two causes of outages, so what a cause leaves is reckoned for those that have it.
    What is left after all causes is many pieces and needs no measuring: it is what they do not take.
    """
    statement.part("down", _DOWN, causes=CAUSES, condition=condition)
    lengths = {"exposed": micros_of("s.exposed")}
    left = "s.exposed"
    for cause in ("external", "failure", "operational", "planned", "degraded"):
        length = micros_of(f"({left}) * w.{cause}")
        lengths[cause] = f"case when w.{cause} is null then 0 else {length} end"
        left += f" - coalesce(w.{cause}, '{{}}')"
    statement.part("lasted", _LASTED, source=exposed, **lengths)


def _contract_of_facts(statement: Statement, scope: Scope, cut: Cut) -> str:
    """Return SQL for the contract of the facts that belong to a subject `s`."""
    if cut is Cut.CONTRACT:
        return "s.key"
    statement.values["facts_of"] = scope.get(Cut.CONTRACT) or ALWAYS
    return "cast(:facts_of as uuid)"


async def failure_sums(
    session: Session,
    actor: Actor,
    period: Period,
    scope: Scope,
    cut: Cut,
    page: Page | None = None,
) -> dict[Key, EventSums]:
    """Return each key's failures in the window: how many count, and why the others do not."""
    statement = subjects(actor, period, scope, cut, page)
    add_failures(statement, is_shared=is_joined(session))
    sums: defaultdict[Key, EventSums] = defaultdict(EventSums)
    for key, reason, count, undated in await statement.run(session, _COUNTS):
        if reason is None:
            sums[key].n, sums[key].undated = count, undated
        else:
            sums[key].excluded[reason] = count
    return dict(sums)


async def failure_clocks(
    session: Session,
    actor: Actor,
    period: Period,
    scope: Scope,
    cut: Cut,
    page: Page | None = None,
    *,
    is_operating: bool,
) -> dict[Key, list[tuple[int, list[int]]]]:
    """Return per key its assets' clocks: how long each ran, and at which of its µs a failure happened.

    A clock begins with the asset's exposure and, on the operating base, stands still while it is down. An
    asset that never ran has none; a failure at the beginning happens after a second.
    """
    statement = add_failures(subjects(actor, period, scope, cut, page))
    add_spent(statement)
    statement.part(
        "clock", _CLOCK, length=micros_of("k.running"), running="up" if is_operating else "exposed"
    )
    before = "k.running * tstzmultirange(tstzrange(null, c.happened_at))"
    rows = await statement.run(session, _CLOCKS, run=micros_of(before))
    clocks: defaultdict[Key, list[tuple[int, list[int]]]] = defaultdict(list)
    for key, end, times in rows:
        clocks[key].append((end, list(times)))
    return dict(clocks)


def add_failures(statement: Statement, *, is_shared: bool = False) -> Statement:
    """Add `candidate`: the failures of the subjects in the window, with `reason` null when they count.

    Components that fail in one instant are one failure of their asset: that with the smallest id counts.
    """
    # A failure happens when it is detected or earlier, so the index on detection bounds the search below.
    only = add_events(
        statement,
        "f.detected_at >= :from_at and coalesce(f.failed_at, f.detected_at) >= :from_at"
        " and coalesce(f.failed_at, f.detected_at) < :until_at",
        is_shared=is_shared,
    )
    return statement.part("candidate", _CANDIDATE, only=only)


def add_events(statement: Statement, condition: str, *, is_shared: bool = False) -> str:
    """Add `happened`: each subject's failures under a condition on `f`, with `exclusion`.

    Excluded is what the failure itself says, and one whose outages were all degraded (then nothing failed) or
    all external (then something else did).

    With `is_shared` they are all that any figure of the window asks for, the same for all of them, so that
    figures side by side read them once. Returned is what stands after `happened h` then, for the condition.
    """
    statement.part("chosen", _CHOSEN, condition=_OF_WINDOW if is_shared else condition)
    statement.fenced("happened", _HAPPENED)
    return f" where {condition.replace('f.', 'h.')}" if is_shared else ""


CAUSES = """
    range_agg(o.during) filter (where o.cause = 'external' and not o.is_degraded) as external,
    range_agg(o.during) filter (where o.cause = 'failure' and not o.is_degraded) as failure,
    range_agg(o.during) filter (where o.cause = 'operational' and not o.is_degraded) as operational,
    range_agg(o.during) filter (where o.cause = 'planned' and not o.is_degraded) as planned,
    range_agg(o.during) filter (where o.is_degraded) as degraded"""
"""What outages `o` come to, cause by cause."""

_DOWN = """
  select o.asset_id, $causes
  from outage o
  where o.tenant_id = :t and o.during && tstzrange(:from_at, :until_at)
    and o.asset_id in (select asset_id from subject)$condition
  group by o.asset_id
"""

# Each step takes what is left by the one before: required, then failure before operational before planned.
SPENT = """
  select s.key, s.asset_id, s.exposed, a.required, a.required * d.failure as failure,
         b.rest * d.operational as operational, c.rest * d.planned as planned,
         c.rest - d.planned as up, (c.rest - d.planned) * d.degraded as degraded
  from $exposed s
  left join down w on w.asset_id = s.asset_id
  cross join lateral (
    select coalesce(w.external, '{}') as external, coalesce(w.failure, '{}') as failure,
           coalesce(w.operational, '{}') as operational, coalesce(w.planned, '{}') as planned,
           coalesce(w.degraded, '{}') as degraded
  ) d
  cross join lateral (select s.exposed - d.external as required) a
  cross join lateral (select a.required - d.failure as rest) b
  cross join lateral (select b.rest - d.operational as rest) c
"""

# Of an asset whose facts hold, only what lies outside their months is left to read.
_UNSERVED = """
  select s.key, s.asset_id,
         case when s.asset_id = any(cast(:dirty as uuid[])) then s.exposed
              else s.exposed - tstzmultirange(tstzrange(:facts_begin, :facts_end)) end as exposed
  from subject s
"""

_NOT_IN_FACTS = """
    and (not o.during <@ tstzrange(:facts_begin, :facts_end) or o.asset_id = any(cast(:dirty as uuid[])))"""

_KEPT = """
  select x.key, sum(x.exposed)::bigint as exposed, sum(x.required)::bigint as required,
         sum(x.up)::bigint as up, sum(x.failure)::bigint as failure,
         sum(x.operational)::bigint as operational, sum(x.planned)::bigint as planned,
         sum(x.degraded)::bigint as degraded
  from (
    select l.* from lasted l
    union all
    select s.key, s.asset_id, f.exposed_us, f.required_us, f.up_us, f.failure_us, f.operational_us,
           f.planned_us, f.degraded_us
    from subject s
    join asset_month f on f.tenant_id = :t and f.asset_id = s.asset_id and f.contract_id = $contract
    where f.month_on >= :months_from and f.month_on < :months_to
      and s.asset_id <> all(cast(:dirty as uuid[]))
  ) x
  group by x.key, x.asset_id
"""

# Measured once, which is what `offset` sees to.
_LASTED = """
  select x.key, x.asset_id, x.exposed, x.exposed - x.external as required,
         x.exposed - x.external - x.failure - x.operational - x.planned as up,
         x.failure, x.operational, x.planned, x.degraded
  from (
    select s.key, s.asset_id, $exposed as exposed, $external as external, $failure as failure,
           $operational as operational, $planned as planned, $degraded as degraded
    from $source s
    left join down w on w.asset_id = s.asset_id
    offset 0
  ) x
"""

_SUMS = """
select key, count(*), sum(exposed)::bigint, sum(required)::bigint, sum(up)::bigint, sum(failure)::bigint,
       sum(operational)::bigint, sum(planned)::bigint, sum(degraded)::bigint,
       count(*) filter (where required = 0), count(*) filter (where required = planned)
from $source group by key order by key
"""

# Joined as tables and not as parts: however few failures the planner expects, each finds its own in an index.
_CHOSEN = """
  select f.id, f.asset_id, f.failed_at, f.detected_at, f.restored_at,
         coalesce(f.exclusion, case when bool_and(o.is_degraded) then 'degraded'
                                    when bool_and(o.is_degraded or o.cause = 'external') then 'external'
                                    end) as exclusion
  from failure f
  left join outage o on o.tenant_id = :t and o.failure_id = f.id
  where f.tenant_id = :t and f.asset_id in (select asset_id from subject) and ($condition)
  group by f.tenant_id, f.id
"""

# Those over before the window are nobody's.
_OF_WINDOW = "f.detected_at >= :from_at or f.restored_at >= :from_at or f.restored_at is null"

_HAPPENED = """
  select s.key, s.covered, s.exposed, f.*, coalesce(f.failed_at, f.detected_at) as happened_at
  from subject s join chosen f on f.asset_id = s.asset_id
"""

_CANDIDATE = """
  select c.key, c.id, c.asset_id, c.failed_at, c.happened_at,
         case when c.reason is null and row_number() over (
                partition by c.key, c.asset_id, c.happened_at, c.reason order by c.id) > 1
              then 'same_instant' else c.reason end as reason
  from (
    select h.key, h.id, h.asset_id, h.failed_at, h.happened_at,
           case when h.exclusion is not null then h.exclusion
                when not h.exposed @> h.happened_at then 'not_in_service' end as reason
    from happened h$only
  ) c
"""

_CLOCK = """
  select k.key, k.asset_id, k.running, $length as us
  from (select key, asset_id, $running as running from spent) k
"""

_CLOCKS = """
select k.key, k.us, coalesce(f.times, '{}')
from clock k
left join lateral (
  select array_agg(greatest(t.us, 1000000) order by t.us) as times
  from candidate c cross join lateral (select $run as us) t
  where c.key = k.key and c.asset_id = k.asset_id and c.reason is null
) f on true
where k.us > 1000000
order by k.key, k.asset_id
"""

_COUNTS = """
select key, reason, count(*), count(*) filter (where failed_at is null)
from candidate group by key, reason order by key, reason
"""
