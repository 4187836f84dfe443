"""Which of the kept monthly facts serve a window, and what later events have made of them."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from fsm.actors import Actor
from fsm.database import Session, run
from fsm.intervals import instant, micros
from reports.fact_tables import ALWAYS
from reports.months import day_begins, first_of, next_month
from reports.rows import Period


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
    state: Any = (await run(session, _READ_STATE, t=actor.tenant_id)).one_or_none()
    if state is None:
        return None
    begins, until = (instant(us) for us in period.seen())
    from_on = first_of(begins, state.zone)
    if micros(day_begins(from_on, state.zone)) < micros(begins):
        from_on = next_month(from_on)
    from_on = max(from_on, state.from_on)
    to_on = min(first_of(until, state.zone), state.to_on)
    if from_on >= to_on:
        return None
    rows: Any = await run(session, DIRTY + _SINCE, t=actor.tenant_id, after=state.watermark)
    dirty, is_all = dirty_assets(rows)
    if is_all:
        return None
    return Usable(
        from_on, to_on, day_begins(from_on, state.zone), day_begins(to_on, state.zone), dirty
    )


def dirty_assets(rows: Any) -> tuple[list[UUID], bool]:
    """Return the assets that rows of `DIRTY` name, and whether they name all."""
    ids = {asset_id for (asset_id,) in rows}
    return sorted(ids - {None, ALWAYS}), ALWAYS in ids


_READ_STATE = "select watermark, zone, from_on, to_on from fact_state where tenant_id = :t"

# What an event is about, as assets: a contract and a site are about all that stand behind them, an import
# about everything.
DIRTY = """
select distinct case
  when e.entity = 'asset' then e.entity_id
  when e.entity = 'import' then cast('00000000-0000-0000-0000-000000000000' as uuid)
  else x.asset_id end
from event e
left join lateral (
  select o.asset_id from outage o where e.entity = 'outage' and o.tenant_id = :t and o.id = e.entity_id
  union all
  select cast(e.data ->> 'asset_id' as uuid)
  where e.entity in ('outage', 'failure', 'contract') and e.data ->> 'asset_id' is not null
  union all
  select ca.asset_id from contract_asset ca
  where e.entity = 'contract' and ca.tenant_id = :t and ca.contract_id = e.entity_id
  union all
  select f.asset_id from failure f where e.entity = 'failure' and f.tenant_id = :t and f.id = e.entity_id
  union all
  select a.id from contract c join asset a on a.tenant_id = c.tenant_id and a.customer_id = c.customer_id
  where e.entity = 'contract' and c.tenant_id = :t and c.id = e.entity_id
  union all
  select a.id from asset a where e.entity = 'site' and a.tenant_id = :t and a.site_id = e.entity_id
) x on true
where e.tenant_id = :t and e.entity in ('asset', 'outage', 'failure', 'contract', 'site', 'import')
"""

_SINCE = """
and e.id in (select event_id from event_seal where tenant_id = :t and number > :after
             union all select event_id from event_unsealed where tenant_id = :t)
"""
