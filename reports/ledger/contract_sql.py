"""What contracts bring in and give back: their fees, the assets that share them, the promises broken."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

from sqlmodel import col, select

from fsm.actors import Actor
from fsm.contracts.fees import fees_of
from fsm.contracts.service_hours import ClockReading, ClockState
from fsm.contracts.service_levels import Reopening
from fsm.contracts.tables import Contract
from fsm.database import Session, run
from fsm.work_orders.clocks import readings_at
from reports.clocks_sql import CLOCKS_AT_ONCE
from reports.formulae.contracts import (
    Breach,
    CreditTerms,
    FeeTerms,
    caps_between,
    owed_between,
)
from reports.scopes import NONE, Cut, Scope


@dataclass(frozen=True, slots=True)
class Agreed:
    """A contract with what it costs and what its broken promises give back."""

    contract: Contract
    fee: FeeTerms
    credits: CreditTerms


async def list_agreed(
    session: Session, actor: Actor, scope: Scope, days: tuple[date, date]
) -> list[Agreed]:
    """Return the contracts of a scope that run on some of the days, in order of id."""
    statement = (
        select(Contract)
        .where(
            Contract.tenant_id == actor.tenant_id,
            Contract.starts_on < days[1],
            col(Contract.ends_on).is_(None) | (col(Contract.ends_on) >= days[0]),
        )
        .order_by(col(Contract.id))
    )
    if actor.customer_id is not None:
        statement = statement.where(Contract.customer_id == actor.customer_id)
    for cut, key in scope.parts:
        if cut is Cut.CONTRACT:
            statement = statement.where(Contract.id == key)
        elif cut is Cut.CUSTOMER:
            statement = statement.where(Contract.customer_id == key)
    if scope.get(Cut.CONTRACT) == NONE or scope.get(Cut.ASSET) == NONE:
        return []
    contracts = (await session.exec(statement)).all()
    fees = await fees_of(session, actor, contracts)
    return [
        Agreed(
            contract,
            FeeTerms(contract.starts_on, contract.ends_on, fees[contract.id], contract.currency),
            _credit_terms(contract),
        )
        for contract in contracts
    ]


def _credit_terms(contract: Contract) -> CreditTerms:
    stored = contract.credits
    cap = stored.get("cap_share")
    return CreditTerms(
        {clock: Decimal(amount) for clock, amount in stored.get("amounts", {}).items()},
        {clock: Decimal(share) for clock, share in stored.get("shares", {}).items()},
        None if cap is None else Decimal(cap),
    )


async def asset_weights(
    session: Session, actor: Actor, contract_ids: Sequence[UUID], days: tuple[date, date]
) -> Mapping[UUID, list[tuple[UUID, Decimal]]]:
    """Return per contract its assets with weight × days under it, the assets in order."""
    rows: Any = await run(
        session,
        _WEIGHTS,
        t=actor.tenant_id,
        ids=list(contract_ids),
        from_on=days[0],
        to_on=days[1],
    )
    found: dict[UUID, list[tuple[UUID, Decimal]]] = {}
    for contract_id, asset_id, weight in rows:
        found.setdefault(contract_id, []).append((asset_id, weight))
    return found


@dataclass(frozen=True, slots=True)
class BrokenPromise:
    """A clock whose promise was broken, or may have been: then it is disputed and gives nothing back."""

    contract_id: UUID
    work_order_id: UUID
    number: str
    breach: Breach
    is_disputed: bool


async def broken_promises(
    session: Session,
    actor: Actor,
    contract_ids: Sequence[UUID],
    days: tuple[date, date],
    as_of: datetime,
) -> list[BrokenPromise]:
    """Return what fell due in the months that the days touch and was not kept, in order of due day.

    A clock that still runs past its due instant is broken as of then; one that stands still is not. Where a
    reopening began a new promise, the one before it counts as well.
    """
    rows: Any = await run(
        session,
        _BROKEN,
        t=actor.tenant_id,
        ids=list(contract_ids),
        from_on=days[0].replace(day=1),
        to_on=days[1],
        as_of=as_of,
        **await _begun_anew(session, actor, contract_ids, days[1], as_of),
    )
    return [
        BrokenPromise(
            contract_id,
            work_order_id,
            number,
            Breach(str(clock_id), kind, due_on, None if asset_id is None else str(asset_id)),
            is_disputed,
        )
        for clock_id, kind, due_on, asset_id, contract_id, work_order_id, number, is_disputed in rows
    ]


async def _begun_anew(
    session: Session, actor: Actor, contract_ids: Sequence[UUID], to_on: date, as_of: datetime
) -> dict[str, list[Any]]:
    """Return the clocks that reopenings began anew, and as columns what each promise of theirs came to.

    The row of such a clock tells of its last promise alone. What started later falls due after `to_on`.
    """
    asked = {"t": actor.tenant_id, "resume": str(Reopening.RESUME)}
    rows: Any = await run(session, _BEGIN_ANEW, **asked)
    versions = [version_id for (version_id,) in rows]
    ids: list[UUID] = []
    if versions:
        listed = {"t": actor.tenant_id, "ids": list(contract_ids), "versions": versions}
        rows = await run(session, _ANEW, to_on=to_on, **listed)
        ids = [clock_id for (clock_id,) in rows]
    read = []
    for place in range(0, len(ids), CLOCKS_AT_ONCE):
        some = ids[place : place + CLOCKS_AT_ONCE]
        read += await readings_at(session, actor, some, as_of)
    told = [
        (
            clock.id if number == len(readings) else uuid5(clock.id, str(number)),
            clock.kind,
            reading.due_by,
            clock.work_order_id,
            reading.stopped_at is not None and reading.state is ClockState.DISPUTED,
        )
        for clock, readings in read
        for number, reading in enumerate(readings, start=1)
        if _is_broken(reading, as_of)
    ]
    return {"anew": ids, **_columns("told", told, 5)}


def _is_broken(reading: ClockReading, as_of: datetime) -> bool:
    if reading.due_by is None or reading.state is ClockState.CANCELLED:
        return False
    if reading.stopped_at is None:
        return reading.due_by < as_of
    return reading.state in (ClockState.BREACHED, ClockState.DISPUTED)


# --- what they give back ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Credited:
    """How many broken promises of a contract's asset there are, and what they give back together."""

    contract_id: UUID
    asset_id: UUID | None
    is_disputed: bool
    count: int
    amount: Decimal


async def sum_credits(
    session: Session,
    actor: Actor,
    agreed: Sequence[Agreed],
    days: tuple[date, date],
    as_of: datetime,
    *,
    by_asset: bool,
) -> list[Credited]:
    """Return what `credits_of` gives back for `broken_promises` on these days, summed where they are.

    Per contract, and per asset too if asked. The terms go along as rows, so that rounding stays the rule's.
    """
    first = days[0].replace(day=1)
    owed = [
        (one.contract.id, each.clock, each.from_on, each.to_on, each.amount)
        for one in agreed
        for each in owed_between(one.fee, one.credits, first, days[1])
    ]
    caps = [
        (one.contract.id, month, cap)
        for one in agreed
        for month, cap in caps_between(one.fee, one.credits, first, days[1])
    ]
    rows: Any = await run(
        session,
        _CREDITED,
        t=actor.tenant_id,
        ids=[one.contract.id for one in agreed],
        from_on=first,
        to_on=days[1],
        counted_from=days[0],
        as_of=as_of,
        by_asset=by_asset,
        **await _begun_anew(session, actor, [one.contract.id for one in agreed], days[1], as_of),
        **_columns("owed", owed, 5),
        **_columns("cap", caps, 3),
    )
    return [Credited(*row) for row in rows]


def _columns(name: str, rows: Sequence[tuple[Any, ...]], width: int) -> dict[str, list[Any]]:
    """Return rows as an array a column, for `unnest`."""
    return {f"{name}_{place}": [row[place] for row in rows] for place in range(width)}


_WEIGHTS = """
select x.contract_id, x.asset_id, x.weight * (upper(x.days) - lower(x.days))
from (
  select l.contract_id, l.asset_id, l.weight,
         l.during * daterange(c.starts_on, c.ends_on, '[]') * daterange(:from_on, :to_on) as days
  from contract_asset l join contract c on c.tenant_id = :t and c.id = l.contract_id
  where l.tenant_id = :t and l.contract_id = any(cast(:ids as uuid[]))
) x
where not isempty(x.days)
order by x.contract_id, x.asset_id, x.days
"""

_BREACH = """
select k.id, k.kind, (k.due_at at time zone w.zone)::date as due_on, w.asset_id, w.contract_id,
       w.id as work_order_id, w.number, k.stopped_at is not null and k.state = 'disputed' as is_disputed
from clock k
join work_order w on w.tenant_id = :t and w.id = k.work_order_id
where k.tenant_id = :t and w.contract_id = any(cast(:ids as uuid[])) and k.state <> 'cancelled'
  and k.due_at >= cast(:from_on as date) - interval '1 day'
  and k.due_at < cast(:to_on as date) + interval '32 days'
  and (k.due_at at time zone w.zone)::date >= :from_on
  and (k.due_at at time zone w.zone)::date < :to_on
  and case when k.stopped_at is null then k.due_at < :as_of else k.state in ('breached', 'disputed') end
  and k.id <> all(cast(:anew as uuid[]))
union all
select r.id, r.kind, (r.due_at at time zone w.zone)::date, w.asset_id, w.contract_id, w.id, w.number,
       r.is_disputed
from unnest(
  cast(:told_0 as uuid[]), cast(:told_1 as text[]), cast(:told_2 as timestamptz[]), cast(:told_3 as uuid[]),
  cast(:told_4 as bool[])
) as r(id, kind, due_at, work_order_id, is_disputed)
join work_order w on w.tenant_id = :t and w.id = r.work_order_id
where (r.due_at at time zone w.zone)::date >= :from_on and (r.due_at at time zone w.zone)::date < :to_on
"""

_BROKEN = f"""
{_BREACH}
order by due_on, id
"""

_BEGIN_ANEW = """
select id from service_level_version where tenant_id = :t and body ->> 'reopening' <> :resume
"""

_ANEW = """
select k.id
from work_order w
join clock k on k.tenant_id = :t and k.work_order_id = w.id
where w.tenant_id = :t and w.contract_id = any(cast(:ids as uuid[])) and w.reopened_at is not null
  and k.service_level_version_id = any(cast(:versions as uuid[]))
  and k.stops -> 0 ->> 'reopened' is not null
  and k.started_at < cast(:to_on as date) + interval '2 days'
"""

_CREDITED = f"""
with breach as materialized (
  {_BREACH}
), term as materialized (
  select * from unnest(
    cast(:owed_0 as uuid[]), cast(:owed_1 as text[]), cast(:owed_2 as date[]), cast(:owed_3 as date[]),
    cast(:owed_4 as numeric[])
  ) as x(contract_id, clock, from_on, to_on, amount)
), cap as materialized (
  select * from unnest(cast(:cap_0 as uuid[]), cast(:cap_1 as date[]), cast(:cap_2 as numeric[]))
    as x(contract_id, month, amount)
), owed as (
  select b.id, b.contract_id, b.asset_id, b.is_disputed, b.due_on,
         date_trunc('month', b.due_on)::date as month,
         case when b.is_disputed then 0 else coalesce(m.amount, 0) end as amount
  from breach b
  left join term m on m.contract_id = b.contract_id and m.clock = b.kind
    and b.due_on >= m.from_on and b.due_on < m.to_on
), given as (
  select o.contract_id, o.asset_id, o.is_disputed, o.due_on,
         case when c.amount is null then o.amount
              else greatest(0, least(o.amount, c.amount - (sum(o.amount) over earlier - o.amount)))
         end as amount
  from owed o
  left join cap c on c.contract_id = o.contract_id and c.month = o.month
  window earlier as (partition by o.contract_id, o.month order by o.due_on, o.id
                     rows between unbounded preceding and current row)
)
select contract_id, case when :by_asset then asset_id end, is_disputed, count(*), sum(amount)
from given where due_on >= :counted_from
group by 1, 2, 3 order by 1, 2, 3
"""  # noqa: S608 — our own words
"""A month's cap is used up in the order in which promises fell due: what is left of it is the cap less what
was owed before."""
