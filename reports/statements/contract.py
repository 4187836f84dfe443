"""A contract's statement for some days: inside, with true cost and margin; and as its customer sees it."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from fsm.actors import Actor
from fsm.contracts.queries import find_contract
from fsm.database import Session, run
from fsm.tenants.queries import find_own_tenant
from reports.formulae.contracts import credits_of, fee_between
from reports.ledger.contract_sql import broken_promises, list_agreed
from reports.ledger.margin import Tally, tally_contracts
from reports.months import day_begins
from reports.queries import find_known
from reports.questions import Asked, Question
from reports.registry import find_definition
from reports.rows import Period
from reports.scopes import NONE, Cut, Scope


class CreditLine(msgspec.Struct, frozen=True):
    """A promise that was not kept; a disputed one gives nothing back until it is settled."""

    work_order_id: UUID
    number: str
    clock: str
    due_on: date
    amount: Decimal
    is_disputed: bool


class BilledLine(msgspec.Struct, frozen=True):
    """What a job is billed for, one line per kind of cost; what has no price stands apart, `amount` null."""

    work_order_id: UUID
    number: str
    kind: str
    quantity: Decimal
    unit: str
    amount: Decimal | None


class AssetMargin(msgspec.Struct, frozen=True):
    """What one asset brought and cost; `asset_id` is null for what is of none."""

    asset_id: UUID | None
    number: str
    name: str
    fee: Decimal
    billed: Decimal
    recovered: Decimal
    cost: Decimal
    credits: Decimal
    margin: Decimal


class CustomerStatement(msgspec.Struct, frozen=True):
    """What the customer owes for the days: the fee and what is billed, less what is given back.

    The fee is that of all the days, also of those to come.
    """

    contract_id: UUID
    number: str
    first_on: date
    last_on: date
    currency: str
    fee: Decimal
    billed: list[BilledLine]
    credits: list[CreditLine]
    covered_jobs: int
    due: Decimal


class ContractStatement(msgspec.Struct, frozen=True):
    """What the contract brought and truly cost us, on the days that had begun by `as_of`.

    `loss_making` are the assets that cost more than they brought.

    `left_out` counts lines in another currency than the contract's; `is_provisional` while a job is open.
    """

    contract_id: UUID
    number: str
    first_on: date
    last_on: date
    currency: str
    fee: Decimal
    billed: Decimal
    recovered: Decimal
    cost: Decimal
    cost_by_payer: dict[str, Decimal]
    credits: Decimal
    credit_lines: list[CreditLine]
    margin: Decimal
    margin_share: float | None
    covered: Decimal
    billable: Decimal
    manufacturer: Decimal
    undecided: Decimal
    assets: list[AssetMargin]
    loss_making: list[UUID]
    left_out: dict[str, int]
    is_provisional: bool
    as_of: datetime
    watermark: int


@dataclass(frozen=True, slots=True)
class Days:
    """Calendar days, both included."""

    first_on: date
    last_on: date

    @property
    def half_open(self) -> tuple[date, date]:
        return self.first_on, self.last_on + timedelta(1)


async def contract_statement(
    session: Session, actor: Actor, now: datetime, contract_id: UUID, days: Days
) -> ContractStatement:
    """Return what a contract brought and cost on some days, by asset too; the losses first."""
    contract = await find_contract(session, actor, contract_id)
    asked = await _asked(session, actor, now, contract_id, contract.currency, days)
    total = (await tally_contracts(asked)).get(actor.tenant_id, Tally())
    by_asset = await tally_contracts(Asked(session, actor, asked.known, asked.question, Cut.ASSET))
    labels = await _labels(session, actor, [key for key in by_asset if isinstance(key, UUID)])
    assets = sorted(
        (
            _asset_margin(None if key == NONE else key, *labels.get(key, ("", "")), tally)
            for key, tally in by_asset.items()
            if isinstance(key, UUID)
        ),
        key=lambda one: (one.margin, one.number),
    )
    found = total.margin
    return ContractStatement(
        contract_id=contract.id,
        number=contract.number,
        first_on=days.first_on,
        last_on=days.last_on,
        currency=contract.currency,
        fee=total.fee,
        billed=total.billed,
        recovered=total.recovered,
        cost=found.cost,
        cost_by_payer=dict(sorted(total.cost.items())),
        credits=total.credits,
        credit_lines=await _credit_lines(session, actor, now, contract_id, days),
        margin=found.value,
        margin_share=found.share,
        covered=found.covered,
        billable=found.billable,
        manufacturer=found.manufacturer,
        undecided=found.undecided,
        assets=assets,
        loss_making=[one.asset_id for one in assets if one.asset_id and one.margin < 0],
        left_out=dict(sorted(total.excluded.items())),
        is_provisional=await _is_open(session, actor, contract_id, days),
        as_of=now,
        watermark=asked.known.watermark,
    )


async def customer_statement(
    session: Session, actor: Actor, now: datetime, contract_id: UUID, days: Days
) -> CustomerStatement:
    """Return what a contract's customer owes for some days; nothing of it tells what the work cost us."""
    contract = await find_contract(session, actor, contract_id)
    first_on, end_on = days.half_open
    scope = Scope(((Cut.CONTRACT, contract_id),))
    agreed = await list_agreed(session, actor, scope, days.half_open)
    fee = sum((fee_between(one.fee, first_on, end_on) for one in agreed), Decimal(0))
    rows: Any = await run(
        session,
        _BILLED,
        t=actor.tenant_id,
        contract=contract_id,
        from_on=first_on,
        to_on=end_on,
        currency=contract.currency,
    )
    billed = [BilledLine(*row) for row in rows]
    given_back = await _credit_lines(session, actor, now, contract_id, days)
    covered = await run(
        session, _COVERED, t=actor.tenant_id, contract=contract_id, from_on=first_on, to_on=end_on
    )
    return CustomerStatement(
        contract_id=contract.id,
        number=contract.number,
        first_on=days.first_on,
        last_on=days.last_on,
        currency=contract.currency,
        fee=fee,
        billed=billed,
        credits=given_back,
        covered_jobs=covered.scalar_one(),
        due=fee
        + sum((line.amount or Decimal(0) for line in billed), Decimal(0))
        - sum((line.amount for line in given_back), Decimal(0)),
    )


async def _asked(
    session: Session,
    actor: Actor,
    now: datetime,
    contract_id: UUID,
    currency: str,
    days: Days,
) -> Asked:
    tenant = await find_own_tenant(session, actor.tenant_id)
    period = Period(
        day_begins(days.half_open[0], tenant.zone),
        day_begins(days.half_open[1], tenant.zone),
        now,
    )
    question = Question(
        find_definition("contract_margin"),
        "margin",
        Scope(((Cut.CONTRACT, contract_id),)),
        period,
        currency,
    )
    return Asked(session, actor, await find_known(session, actor, now), question)


async def _credit_lines(
    session: Session, actor: Actor, now: datetime, contract_id: UUID, days: Days
) -> list[CreditLine]:
    span = days.half_open
    agreed = await list_agreed(session, actor, Scope(((Cut.CONTRACT, contract_id),)), span)
    promises = await broken_promises(session, actor, [contract_id], span, now)
    given: dict[str, Decimal] = {}
    for one in agreed:
        breaches = [each.breach for each in promises if not each.is_disputed]
        given = credits_of(one.fee, one.credits, breaches, *span)
    return [
        CreditLine(
            each.work_order_id,
            each.number,
            each.breach.clock,
            each.breach.due_on,
            given.get(each.breach.id, Decimal(0)),
            each.is_disputed,
        )
        for each in promises
        if each.breach.due_on >= days.first_on
    ]


def _asset_margin(asset_id: UUID | None, number: str, name: str, tally: Tally) -> AssetMargin:
    found = tally.margin
    return AssetMargin(
        asset_id,
        number,
        name,
        tally.fee,
        tally.billed,
        tally.recovered,
        found.cost,
        tally.credits,
        found.value,
    )


async def _labels(session: Session, actor: Actor, ids: list[UUID]) -> dict[Any, tuple[str, str]]:
    rows: Any = await run(
        session,
        "select id, number, name from asset where tenant_id = :t and id = any(cast(:ids as uuid[]))",
        t=actor.tenant_id,
        ids=ids,
    )
    return {key: (number, name) for key, number, name in rows}


async def _is_open(session: Session, actor: Actor, contract_id: UUID, days: Days) -> bool:
    found = await run(
        session, _OPEN, t=actor.tenant_id, contract=contract_id, to_on=days.half_open[1]
    )
    return bool(found.scalar_one())


_BILLED = """
select w.id, w.number, l.kind, sum(l.quantity), l.unit, sum(l.price)
from cost_line l join work_order w on w.tenant_id = :t and w.id = l.work_order_id
where l.tenant_id = :t and l.contract_id = :contract and l.payer = 'customer' and l.currency = :currency
  and l.kind <> 'recovery' and l.posted_on >= :from_on and l.posted_on < :to_on
group by w.id, w.number, l.kind, l.unit, l.price is null
having sum(l.quantity) <> 0
order by w.number, l.kind, l.unit, l.price is null
"""

_COVERED = """
select count(*) from (
  select l.work_order_id from cost_line l
  where l.tenant_id = :t and l.contract_id = :contract and l.payer in ('contract', 'goodwill')
    and l.kind <> 'recovery' and l.posted_on >= :from_on and l.posted_on < :to_on
  group by l.work_order_id having sum(l.amount) <> 0 or sum(l.quantity) <> 0
) job
"""

_OPEN = """
select exists (
  select from work_order w where w.tenant_id = :t and w.contract_id = :contract
    and w.status not in ('closed', 'cancelled')
    and (w.reported_at at time zone w.zone)::date < :to_on)
"""
