"""Keeps the monthly facts: what events have touched since the last time is computed again, and no more.

An event dirties the assets that it is about, and of those every month is computed again; a month that has
passed is added for all. Whoever reads facts leaves out what later events dirtied, also those that have no
number yet, so that an answer from facts is always the answer from the rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from fsm.actors import Actor, system_actor
from fsm.database import Session, run
from fsm.tenants.queries import find_own_tenant
from reports.exposure_sql import Statement, micros_of, subjects
from reports.fact_tables import ALWAYS
from reports.months import day_begins, first_of, next_month
from reports.reliability_sql import add_spent
from reports.rows import Period
from reports.scopes import Cut, Scope
from reports.usable_facts import DIRTY, dirty_assets

_ASSETS_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True)
class Refreshed:
    """How many assets were computed again, and how many months were added for the others."""

    assets: int
    months: int


async def refresh_facts(session: Session, tenant_id: UUID, now: datetime) -> Refreshed:
    """Bring a company's facts up to the last sealed event and the last month that has passed."""
    actor = system_actor(tenant_id, "facts")
    zone = (await find_own_tenant(session, tenant_id)).zone
    first, end = await _first_month(session, tenant_id, zone), first_of(now, zone)
    if first is None or first >= end:
        return Refreshed(0, 0)
    state: Any = (await run(session, _STATE, t=tenant_id)).one_or_none()
    head = (await run(session, _HEAD, t=tenant_id)).scalar_one()
    if state is None or state.zone != zone or first < state.from_on:
        dirty = await _all_assets(session, tenant_id)
        known = Months(zone, first, first)
    else:
        dirty, is_all = await _dirty(session, tenant_id, state.watermark, head)
        dirty = await _all_assets(session, tenant_id) if is_all else dirty
        known = Months(zone, state.from_on, state.to_on)
    months = Months(zone, known.from_on, end)
    await run(session, _FORGET, t=tenant_id, ids=dirty)
    await _fill(session, actor, dirty, months)
    added = Months(zone, known.to_on, end)
    if added.days():
        others = sorted(set(await _all_assets(session, tenant_id)) - set(dirty))
        await _fill(session, actor, others, added)
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
    return Refreshed(len(dirty), len(added.days()))


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

    def period(self) -> Period:
        begins, ends = day_begins(self.from_on, self.zone), day_begins(self.to_on, self.zone)
        return Period(begins, ends, ends)


async def _fill(session: Session, actor: Actor, ids: Sequence[UUID], months: Months) -> None:
    days = months.days()
    if not days:
        return
    for begin in range(0, len(ids), _ASSETS_AT_ONCE):
        only = ids[begin : begin + _ASSETS_AT_ONCE]
        for cut in (Cut.TENANT, Cut.CONTRACT):
            statement = subjects(actor, months.period(), Scope(), cut, only=only)
            _add_months(statement, days, months.zone)
            contract = "l.key" if cut is Cut.CONTRACT else ":always"
            if cut is Cut.TENANT:
                statement.values["always"] = ALWAYS
            await run(session, statement.text(_FILL, contract=contract), **statement.values)


def _add_months(statement: Statement, days: Sequence[date], zone: str) -> None:
    statement.values |= {
        "days": list(days),
        "begins": [day_begins(day, zone) for day in days],
        "ends": [day_begins(next_month(day), zone) for day in days],
    }
    add_spent(statement)
    statement.part("month", _MONTH)
    columns = ("exposed", "required", "up", "failure", "operational", "planned", "degraded")
    statement.part(
        "lasted", _LASTED, **{name: micros_of(f"s.{name} * m.during") for name in columns}
    )


async def _first_month(session: Session, tenant_id: UUID, zone: str) -> date | None:
    first = (await run(session, _FIRST, t=tenant_id)).scalar_one()
    return None if first is None else first_of(first, zone)


async def _all_assets(session: Session, tenant_id: UUID) -> list[UUID]:
    return list((await run(session, _ALL, t=tenant_id)).scalars())


async def _dirty(
    session: Session, tenant_id: UUID, after: int, head: int
) -> tuple[list[UUID], bool]:
    """Return the assets that the events (after, head] touched, and whether they touched all."""
    rows: Any = await run(session, DIRTY + _SEALED, t=tenant_id, after=after, head=head)
    return dirty_assets(rows)


_STATE = "select watermark, zone, from_on, to_on from fact_state where tenant_id = :t for update"
_HEAD = "select coalesce((select number from chain_head where tenant_id = :t), 0)"
_ALL = "select id from asset where tenant_id = :t order by id"
_FIRST = "select min(in_service_from) from asset where tenant_id = :t"
_FORGET = "delete from asset_month where tenant_id = :t and asset_id = any(cast(:ids as uuid[]))"
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
  select m.month_on, tstzmultirange(tstzrange(m.begins_at, m.ends_at)) as during
  from unnest(cast(:days as date[]), cast(:begins as timestamptz[]), cast(:ends as timestamptz[]))
    as m(month_on, begins_at, ends_at)
"""

_LASTED = """
  select s.key, s.asset_id, m.month_on, $exposed as exposed, $required as required, $up as up,
         $failure as failure, $operational as operational, $planned as planned, $degraded as degraded
  from spent s join month m on s.exposed && m.during
"""

_FILL = """
insert into asset_month (tenant_id, asset_id, contract_id, month_on, exposed_us, required_us, up_us,
  failure_us, operational_us, planned_us, degraded_us)
select cast(:t as uuid), l.asset_id, $contract, l.month_on, l.exposed, l.required, l.up, l.failure,
       l.operational, l.planned, l.degraded
from lasted l
on conflict do nothing
"""
