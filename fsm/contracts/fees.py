"""What a month of a contract costs, from which day on. A fee changed today moves no past number."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlmodel import col, select

from fsm import events
from fsm.actors import Actor
from fsm.contracts.tables import Contract, ContractFee
from fsm.database import Session

Fees = tuple[tuple[date, Decimal], ...]


async def set_fee(
    session: Session,
    actor: Actor,
    now: datetime,
    contract: Contract,
    monthly: Decimal,
    starts_on: date,
) -> None:
    """Have a month cost so much from a day on, until the next fee that is known begins."""
    session.add(
        ContractFee(
            tenant_id=actor.tenant_id,
            contract_id=contract.id,
            starts_on=starts_on,
            monthly=monthly,
            set_at=now,
        )
    )
    await session.flush()
    await events.record(
        session,
        actor,
        "contract.fee_set",
        "contract",
        contract.id,
        now=now,
        monthly_fee=str(monthly),
        starts_on=starts_on.isoformat(),
    )


async def fees_of(
    session: Session, actor: Actor, contracts: Sequence[Contract]
) -> Mapping[UUID, Fees]:
    """Return per contract the fees by the day from which they count, the first one first.

    Of two set for the same day the later one counts. A contract of which none is known has always had the
    fee that it has now.
    """
    statement = (
        select(ContractFee)
        .where(
            ContractFee.tenant_id == actor.tenant_id,
            col(ContractFee.contract_id).in_([contract.id for contract in contracts]),
        )
        .order_by(col(ContractFee.set_at), col(ContractFee.id))
    )
    known: dict[UUID, dict[date, Decimal]] = {}
    for fee in await session.exec(statement):
        known.setdefault(fee.contract_id, {})[fee.starts_on] = fee.monthly
    return {
        contract.id: tuple(
            sorted(known.get(contract.id, {contract.starts_on: contract.monthly_fee}).items())
        )
        for contract in contracts
    }
