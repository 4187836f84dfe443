"""Which of the kept monthly facts serve a window, and what later events have made of them."""

from dataclasses import dataclass
from datetime import date, datetime
from string import Template
from typing import Any
from uuid import UUID

from fsm.actors import Actor
from fsm.database import Session
from fsm.intervals import instant, micros
from reports.fact_tables import ALWAYS
from reports.months import day_begins, first_of, next_month
from reports.rounds import ask, is_joined
from reports.rows import Period


@dataclass(frozen=True, slots=True)
class State:
    """Up to which event the facts are kept, and of which months of a zone."""

    watermark: int
    zone: str
    from_on: date
    to_on: date


@dataclass(frozen=True, slots=True)
class Usable:
    """The facts that serve a window: months [from_on, to_on), but not those of the dirty assets.

    [begins_at, ends_at) is the time that those months cover.
    """

    from_on: date
    to_on: date
    begins_at: datetime
    ends_at: datetime
    dirty: list[UUID]


async def find_usable(session: Session, actor: Actor, period: Period) -> Usable | None:
    """Return the facts that serve the part of a window that has passed, None where there are none."""
    rows: list[Any] | None = None
    if is_joined(session):
        found = await ask(session, (), _READ_BOTH, {"t": actor.tenant_id})
        states, rows = [row[:4] for row in found], [row[4:] for row in found]
    else:
        states = await ask(session, (), _READ_STATE, {"t": actor.tenant_id})
    if not states:
        return None
    state = State(*states[0])
    begins, until = (instant(us) for us in period.seen())
    from_on = first_of(begins, state.zone)
    if micros(day_begins(from_on, state.zone)) < micros(begins):
        from_on = next_month(from_on)
    from_on = max(from_on, state.from_on)
    to_on = min(first_of(until, state.zone), state.to_on)
    if from_on >= to_on:
        return None
    if rows is None:
        values = {"t": actor.tenant_id, "after": state.watermark}
        rows = await ask(session, (), DIRTY + _SINCE, values)
    dirty, is_all = touches(rows)
    if is_all:
        return None
    return Usable(
        from_on,
        to_on,
        day_begins(from_on, state.zone),
        day_begins(to_on, state.zone),
        sorted({touch.asset_id for touch in dirty}),
    )


@dataclass(frozen=True, slots=True)
class Touch:
    """What an event can have changed of an asset's time: from `since_at` to `until_at`, None for no limit."""

    asset_id: UUID
    since_at: datetime | None
    until_at: datetime | None


def touches(rows: Any) -> tuple[list[Touch], bool]:
    """Return what rows of `DIRTY` name, and whether they name all assets."""
    found = [Touch(*row) for row in rows if row[0] is not None]
    named = [touch for touch in found if touch.asset_id != ALWAYS]
    return named, len(named) < len(found)


_READ_STATE = "select watermark, zone, from_on, to_on from fact_state where tenant_id = :t"

# What an event is about, as assets: a contract and a site are about all that stand behind them, an import
# about everything. What was opened or closed leaves alone what came before it, and what has an end is over
# then; a correction may have moved it from anywhere.
DIRTY = """
select distinct case
  when e.entity = 'asset' then e.entity_id
  when e.entity = 'import' then cast('00000000-0000-0000-0000-000000000000' as uuid)
  else x.asset_id end as asset_id, x.since_at, x.until_at
from event e
left join lateral (
  select cast(e.data ->> 'asset_id' as uuid) as asset_id,
         case e.kind when 'outage.opened' then cast(e.data ->> 'from_at' as timestamptz)
                     when 'outage.closed' then cast(e.data ->> 'to_at' as timestamptz)
                     when 'failure.recorded' then
                       cast(coalesce(e.data ->> 'failed_at', e.data ->> 'detected_at') as timestamptz)
                     when 'failure.restored' then (
                       select coalesce(f.failed_at, f.detected_at) from failure f
                       where f.tenant_id = :t and f.id = e.entity_id)
                     end as since_at,
         case e.kind when 'outage.opened' then cast(e.data ->> 'to_at' as timestamptz)
                     when 'failure.recorded' then cast(e.data ->> 'restored_at' as timestamptz)
                     end as until_at
  where e.entity in ('outage', 'failure', 'contract') and e.data ->> 'asset_id' is not null
  union all
  select o.asset_id, null, null from outage o
  where e.entity = 'outage' and e.data ->> 'asset_id' is null and o.tenant_id = :t and o.id = e.entity_id
  union all
  select f.asset_id, null, null from failure f
  where e.entity = 'failure' and e.data ->> 'asset_id' is null and f.tenant_id = :t and f.id = e.entity_id
  union all
  select ca.asset_id, null, null from contract_asset ca
  where e.entity = 'contract' and ca.tenant_id = :t and ca.contract_id = e.entity_id
  union all
  select a.id, null, null from contract c
  join asset a on a.tenant_id = c.tenant_id and a.customer_id = c.customer_id
  where e.entity = 'contract' and c.tenant_id = :t and c.id = e.entity_id
  union all
  select a.id, null, null from asset a
  where e.entity = 'site' and a.tenant_id = :t and a.site_id = e.entity_id
) x on true
where e.tenant_id = :t and e.entity in ('asset', 'outage', 'failure', 'contract', 'site', 'import')
"""

_SINCE = """
and e.id in (select event_id from event_seal where tenant_id = :t and number > :after
             union all select event_id from event_unsealed where tenant_id = :t)
"""

# Of a plan for any values the new events would be a third of all: each is looked up, which `offset` sees to.
_NEW = """from (
  select event_id from event_seal where tenant_id = :t and number > f.watermark
  union all select event_id from event_unsealed where tenant_id = :t
) n
cross join lateral (select x.* from event x where x.tenant_id = :t and x.id = n.event_id offset 0) e
"""

_READ_BOTH = Template("""
select f.watermark, f.zone, f.from_on, f.to_on, d.asset_id, d.since_at, d.until_at
from fact_state f
left join lateral ($dirty) d on true
where f.tenant_id = :t
""").substitute(dirty=DIRTY.replace("from event e\n", _NEW))
