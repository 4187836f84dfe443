"""Contracts that end soon, put before a person in time: the warning is a review like any other."""

from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlmodel import col, select

from fsm import events
from fsm.actors import system_actor
from fsm.contracts.tables import Contract
from fsm.database import Session
from fsm.tenants.queries import find_zone_and_currency
from fsm.work_orders.tables import Review

KIND = "contract_ends"


async def warn_of_ends(session: Session, tenant_id: UUID, now: datetime) -> int:
    """Raise a review for each contract that ends within its notice and is not renewed; return how many.

    Once per contract and last day: an end that is put off and comes near again is warned of again.
    """
    own = await find_zone_and_currency(session, tenant_id)
    today = now.astimezone(ZoneInfo(own.zone)).date()
    renewed = select(Contract.follows_id).where(
        Contract.tenant_id == tenant_id, col(Contract.follows_id).is_not(None)
    )
    ending = select(Contract).where(
        Contract.tenant_id == tenant_id,
        col(Contract.ends_on) >= today,
        col(Contract.ends_on) - today <= Contract.notice_days,
        col(Contract.id).not_in(renewed),
    )
    known = select(Review.data).where(Review.tenant_id == tenant_id, Review.kind == KIND)
    warned = {(data["contract_id"], data["ends_on"]) for data in await session.exec(known)}
    raised = 0
    for contract in await session.exec(ending.order_by(col(Contract.number))):
        assert contract.ends_on is not None
        about = {"contract_id": str(contract.id), "ends_on": contract.ends_on.isoformat()}
        if (about["contract_id"], about["ends_on"]) in warned:
            continue
        days = (contract.ends_on - today).days
        session.add(
            Review(
                tenant_id=tenant_id,
                kind=KIND,
                data={**about, "number": contract.number, "days_left": days},
                raised_at=now,
            )
        )
        await events.record(
            session,
            system_actor(tenant_id, "contracts"),
            "contract.ends_soon",
            "contract",
            contract.id,
            now=now,
            ends_on=about["ends_on"],
            days_left=days,
        )
        raised += 1
    return raised
