"""What contracts bring in and give back: their fees, the assets that share them, the promises broken."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlmodel import col, select

from fsm.actors import Actor
from fsm.contracts.fees import fees_of
from fsm.contracts.tables import Contract
from fsm.database import Session, run
from reports.formulae.contracts import Breach, CreditTerms, FeeTerms
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
            FeeTerms(contract.starts_on, contract.ends_on, fees[contract.id]),
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

    A clock that still runs past its due instant is broken as of then; one that stands still is not.
    """
    rows: Any = await run(
        session,
        _BROKEN,
        t=actor.tenant_id,
        ids=list(contract_ids),
        from_on=days[0].replace(day=1),
        to_on=days[1],
        as_of=as_of,
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

_BROKEN = """
select k.id, k.kind, (k.due_at at time zone w.zone)::date, w.asset_id, w.contract_id, w.id, w.number,
       k.stopped_at is not null and k.state = 'disputed'
from clock k
join work_order w on w.tenant_id = :t and w.id = k.work_order_id
where k.tenant_id = :t and w.contract_id = any(cast(:ids as uuid[])) and k.state <> 'cancelled'
  and k.due_at >= cast(:from_on as date) - interval '1 day'
  and k.due_at < cast(:to_on as date) + interval '32 days'
  and (k.due_at at time zone w.zone)::date >= :from_on
  and (k.due_at at time zone w.zone)::date < :to_on
  and case when k.stopped_at is null then k.due_at < :as_of else k.state in ('breached', 'disputed') end
order by 3, k.id
"""
