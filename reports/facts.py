"""Keeps the monthly facts: what events have touched since the last time is computed again, and no more.

An event dirties the assets that it is about. Of those the months that it can have changed are computed again:
an outage or a failure that was told of changes what follows its beginning, anything else may change all. A
month that has passed is added for every asset. Whoever reads facts leaves out what later events dirtied, also
those that have no number yet, so that an answer from facts is always the answer from the rows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from fsm.actors import Actor, system_actor
from fsm.database import Session, run
from fsm.tenants.queries import find_own_tenant
from reports.exposure_sql import Statement, micros_between, subjects
from reports.fact_tables import ALWAYS
from reports.months import day_begins, first_of, next_month
from reports.reliability_sql import CAUSES, SPENT
from reports.rows import Period
from reports.scopes import Cut, Scope
from reports.usable_facts import DIRTY, Touch, touches

_SPANS_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True)
class Refreshed:
    """How many assets were computed again, and how many months were added for the others."""

    assets: int
    months: int


async def refresh_facts(session: Session, tenant_id: UUID, now: datetime) -> Refreshed:
    """Bring a company's facts up to the last sealed event and the last month that has passed."""
    actor = system_actor(tenant_id, "facts")
    # A handful of assets or all of them: each time is planned for its own, and sorted in memory.
    await run(session, "set local plan_cache_mode = force_custom_plan")
    await run(session, "set local work_mem = '32MB'")
    zone = (await find_own_tenant(session, tenant_id)).zone
    first, end = await _first_month(session, tenant_id, zone), first_of(now, zone)
    if first is None or first >= end:
        return Refreshed(0, 0)
    state: Any = (await run(session, _STATE, t=tenant_id)).one_or_none()
    head = (await run(session, _HEAD, t=tenant_id)).scalar_one()
    if state is None or state.zone != zone or first < state.from_on:
        await run(session, _FORGET_ALL, t=tenant_id)
        known = Months(zone, first, first)
        dirty: Sequence[Touch] = ()
        is_all, count = False, len(await _all_assets(session, tenant_id))
    else:
        known = Months(zone, state.from_on, state.to_on)
        dirty, is_all = await _dirty(session, tenant_id, state.watermark, head)
        count = len({touch.asset_id for touch in dirty})
    months = Months(zone, known.from_on, end)
    added = Months(zone, known.to_on, end)
    spans = [span for touch in dirty if (span := known.span(touch))]
    if is_all or added.days():
        everything = await _all_assets(session, tenant_id)
        count = len(everything) if is_all else count
        whole = months if is_all else added
        spans += [
            Span(asset_id, whole.from_on, whole.to_on, is_anew=is_all) for asset_id in everything
        ]
    await _fill(session, actor, spans, months)
    await run(
        session,
        _SAVE,
        t=tenant_id,
        head=head,
        zone=zone,
        from_on=months.from_on,
        to_on=months.to_on,
        now=now,
    )
    return Refreshed(count, len(added.days()))


@dataclass(frozen=True, slots=True)
class Months:
    """The months [from_on, to_on) of a zone; both are first days."""

    zone: str
    from_on: date
    to_on: date

    def days(self) -> list[date]:
        """Return the first day of each month."""
        found = []
        day = self.from_on
        while day < self.to_on:
            found.append(day)
            day = next_month(day)
        return found

    def span(self, touch: Touch) -> "Span | None":
        """Return which of these months a touch can have changed."""
        from_on, to_on = self.from_on, self.to_on
        if touch.since_at is not None:
            from_on = max(from_on, first_of(touch.since_at, self.zone))
        if touch.until_at is not None:
            to_on = min(to_on, next_month(first_of(touch.until_at, self.zone)))
        if from_on >= to_on:
            return None
        return Span(touch.asset_id, from_on, to_on, is_anew=touch.since_at is None)

    def period(self) -> Period:
        begins, ends = day_begins(self.from_on, self.zone), day_begins(self.to_on, self.zone)
        return Period(begins, ends, ends)


@dataclass(frozen=True, slots=True)
class Span:
    """The months [from_on, to_on) of one asset; `is_anew` where one of them may no longer have any time.

    What happened to an asset changes what its time went into. Where it stands, under which contract and from
    when to when it serves changes what time there is: then what is kept goes first.
    """

    asset_id: UUID
    from_on: date
    to_on: date
    is_anew: bool = False


async def _fill(session: Session, actor: Actor, spans: Sequence[Span], months: Months) -> None:
    """Compute the months of the spans again, which may overlap."""
    ordered = sorted(spans, key=lambda span: span.asset_id)
    for some in _by_assets(ordered):
        since, until = min(span.from_on for span in some), max(span.to_on for span in some)
        within = Months(months.zone, since, until)
        only = sorted({span.asset_id for span in some})
        anew = [span for span in some if span.is_anew]
        if anew:
            await run(
                session,
                _FORGET,
                t=actor.tenant_id,
                only=sorted({span.asset_id for span in anew}),
                anew=[span.asset_id for span in anew],
                anew_from=[span.from_on for span in anew],
                anew_to=[span.to_on for span in anew],
            )
        statement = subjects(actor, within.period(), Scope(), Cut.CONTRACT, only=only)
        _add_touched(statement, some, within)
        _add_months(statement, within)
        await run(session, statement.text(_FILL), **statement.values)


def _by_assets(ordered: Sequence[Span]) -> Iterator[list[Span]]:
    """Yield the spans of some assets at a time, those of one asset together."""
    some: list[Span] = []
    for span in ordered:
        if len(some) >= _SPANS_AT_ONCE and some[-1].asset_id != span.asset_id:
            yield some
            some = []
        some.append(span)
    if some:
        yield some


def _add_touched(statement: Statement, spans: Sequence[Span], months: Months) -> None:
    """Add `again`: per asset the time that the spans cover."""
    begins = {day: day_begins(day, months.zone) for day in [*months.days(), months.to_on]}
    statement.values |= {
        "touched": [span.asset_id for span in spans],
        "touched_from": [begins[span.from_on] for span in spans],
        "touched_to": [begins[span.to_on] for span in spans],
    }
    statement.fenced("again", _AGAIN)


def _add_months(statement: Statement, months: Months) -> None:
    """Add `lasted`: what the time of each asset in `again` went into, by contract and month."""
    days = months.days()
    begins = [day_begins(day, months.zone) for day in days]
    statement.values |= {
        "always": ALWAYS,
        "days": days,
        "begins": begins,
        "ends": [*begins[1:], day_begins(months.to_on, months.zone)],
    }
    statement.part("month", _MONTH, length=micros_between("m.begins_at", "m.ends_at"))
    statement.fenced("concerned", _CONCERNED)
    statement.fenced("down", _DOWN, causes=CAUSES)
    statement.part("spent", SPENT, exposed="concerned")
    statement.part("piece", _PIECE)
    statement.part("cut", _CUT, length=micros_between("r.begins_at", "r.ends_at"))
    statement.part("lasted", _LASTED)


async def _first_month(session: Session, tenant_id: UUID, zone: str) -> date | None:
    first = (await run(session, _FIRST, t=tenant_id)).scalar_one()
    return None if first is None else first_of(first, zone)


async def _all_assets(session: Session, tenant_id: UUID) -> list[UUID]:
    return list((await run(session, _ALL, t=tenant_id)).scalars())


async def _dirty(
    session: Session, tenant_id: UUID, after: int, head: int
) -> tuple[list[Touch], bool]:
    """Return what the events (after, head] touched, and whether they touched all assets."""
    rows: Any = await run(session, DIRTY + _SEALED, t=tenant_id, after=after, head=head)
    return touches(rows)


_STATE = "select watermark, zone, from_on, to_on from fact_state where tenant_id = :t for update"
_HEAD = "select coalesce((select number from chain_head where tenant_id = :t), 0)"
_ALL = "select id from asset where tenant_id = :t order by id"
_FIRST = "select min(in_service_from) from asset where tenant_id = :t"
_FORGET_ALL = "delete from asset_month where tenant_id = :t"

_SAVE = """
insert into fact_state (tenant_id, watermark, zone, from_on, to_on, refreshed_at)
values (:t, :head, :zone, :from_on, :to_on, :now)
on conflict (tenant_id) do update set watermark = excluded.watermark, zone = excluded.zone,
  from_on = excluded.from_on, to_on = excluded.to_on, refreshed_at = excluded.refreshed_at
"""

_SEALED = """
and e.id in (select event_id from event_seal where tenant_id = :t and number > :after and number <= :head)
"""

_MONTH = """
  select m.month_on, m.begins_at, m.ends_at, m.place, $length as us
  from unnest(cast(:days as date[]), cast(:begins as timestamptz[]), cast(:ends as timestamptz[]))
    with ordinality as m(month_on, begins_at, ends_at, place)
"""

_AGAIN = """
  select x.asset_id, range_agg(tstzrange(x.begins_at, x.ends_at)) as during
  from unnest(
    cast(:touched as uuid[]), cast(:touched_from as timestamptz[]), cast(:touched_to as timestamptz[])
  ) as x(asset_id, begins_at, ends_at)
  group by x.asset_id
"""

# Each asset whatever its contract, and under each contract it was on.
_CONCERNED = """
  select s.key, s.asset_id, s.exposed * x.during as exposed
  from (
    select cast(:always as uuid) as key, u.asset_id, u.service as exposed from unit u
    union all
    select s.key, s.asset_id, s.exposed from subject s
  ) s
  join again x on x.asset_id = s.asset_id
  where s.exposed && x.during
"""

# An asset at a time: of all outages only those are looked up that the months to compute again touch.
_DOWN = """
  select x.asset_id, o.*
  from again x
  cross join lateral (
    select $causes
    from outage o
    where o.tenant_id = :t and o.asset_id = x.asset_id and o.during && x.during
  ) o
"""

# What is required is what is exposed but for what came from outside, and `up` is what the causes leave of it:
# these two are many pieces, the others few.
_PIECE = """
  select s.key, s.asset_id, x.what, unnest(x.during) as during
  from spent s
  cross join lateral (values
    ('exposed', s.exposed), ('external', s.exposed - s.required), ('failure', s.failure),
    ('operational', s.operational), ('planned', s.planned), ('degraded', s.degraded)
  ) as x(what, during)
"""

_CUT = """
  select p.key, p.asset_id, p.what, m.month_on,
         case when lower(p.during) <= m.begins_at and upper(p.during) >= m.ends_at then m.us
              else $length end as us
  from piece p
  cross join lateral generate_series(
    width_bucket(lower(p.during), cast(:begins as timestamptz[])),
    width_bucket(upper(p.during) - interval '1 microsecond', cast(:begins as timestamptz[]))
  ) as g(place)
  join month m on m.place = g.place
  cross join lateral (
    select greatest(lower(p.during), m.begins_at) as begins_at, least(upper(p.during), m.ends_at) as ends_at
  ) r
"""

_LASTED = """
  select y.*, y.exposed - y.external as required,
         y.exposed - y.external - y.failure - y.operational - y.planned as up
  from (
    select c.key, c.asset_id, c.month_on,
           coalesce(sum(c.us) filter (where c.what = 'exposed'), 0) as exposed,
           coalesce(sum(c.us) filter (where c.what = 'external'), 0) as external,
           coalesce(sum(c.us) filter (where c.what = 'failure'), 0) as failure,
           coalesce(sum(c.us) filter (where c.what = 'operational'), 0) as operational,
           coalesce(sum(c.us) filter (where c.what = 'planned'), 0) as planned,
           coalesce(sum(c.us) filter (where c.what = 'degraded'), 0) as degraded
    from cut c
    group by c.key, c.asset_id, c.month_on
  ) y
"""

# By the ids alone the index finds what may go, however little is known of how much there is.
_FORGET = """
delete from asset_month f
where f.tenant_id = :t and f.asset_id = any(cast(:only as uuid[])) and exists (
  select from unnest(cast(:anew as uuid[]), cast(:anew_from as date[]), cast(:anew_to as date[]))
    as x(asset_id, from_on, to_on)
  where f.asset_id = x.asset_id and f.month_on >= x.from_on and f.month_on < x.to_on)
"""

# What still has time is written over what is kept of it, which asks for no asset again.
_FILL = """
insert into asset_month as f (tenant_id, asset_id, contract_id, month_on, exposed_us, required_us, up_us,
  failure_us, operational_us, planned_us, degraded_us)
select cast(:t as uuid), l.asset_id, l.key, l.month_on, l.exposed, l.required, l.up, l.failure,
       l.operational, l.planned, l.degraded
from lasted l
on conflict (tenant_id, asset_id, contract_id, month_on) do update set
  exposed_us = excluded.exposed_us, required_us = excluded.required_us, up_us = excluded.up_us,
  failure_us = excluded.failure_us, operational_us = excluded.operational_us,
  planned_us = excluded.planned_us, degraded_us = excluded.degraded_us
where (f.exposed_us, f.required_us, f.up_us, f.failure_us, f.operational_us, f.planned_us, f.degraded_us)
  is distinct from (excluded.exposed_us, excluded.required_us, excluded.up_us, excluded.failure_us,
                    excluded.operational_us, excluded.planned_us, excluded.degraded_us)
"""
