"""What parts cost us and sell for, by day."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import msgspec
from sqlalchemy import Date, literal
from sqlalchemy.dialects.postgresql import Range
from sqlmodel import col, select

from fsm import events
from fsm.actors import Actor
from fsm.database import Session, fetch, once
from fsm.parts.tables import PartPrice
from fsm.problems import Invalid, NotFound
from fsm.tenants.queries import find_own_tenant


async def find_price(
    session: Session, actor: Actor, part_id: UUID, on: date, currency: str
) -> PartPrice | None:
    """Return the price list's line for a part on a day in a currency; None when there is none."""
    statement = select(PartPrice).where(
        PartPrice.tenant_id == actor.tenant_id,
        PartPrice.part_id == part_id,
        PartPrice.currency == currency,
        col(PartPrice.during).op("@>")(literal(on, Date)),
    )
    return (await session.exec(statement)).one_or_none()


async def find_cost(
    session: Session, actor: Actor, part_id: UUID, on: date, currency: str
) -> Decimal | None:
    """Return what one unit costs us on a day in a currency; None when no price is known for it."""
    found = await fetch(
        session,
        "select cost from part_price where tenant_id = $1 and part_id = $2 and currency = $3"
        " and during @> cast($4 as date)",
        actor.tenant_id,
        part_id,
        currency,
        on,
    )
    return found[0]["cost"] if found else None


@dataclass(frozen=True, slots=True)
class Sale:
    """What one unit sells for, None when no price is known, and what kind of part it is."""

    unit: str
    is_original: bool
    price: Decimal | None


async def find_sale_price(
    session: Session, actor: Actor, part_id: UUID, on: date, currency: str
) -> Sale:
    """Return what a part sells for on a day in a currency."""

    async def load() -> Sale:
        found = await fetch(
            session,
            "select p.unit, p.is_original, c.price from part p left join part_price c"
            " on c.tenant_id = p.tenant_id and c.part_id = p.id and c.currency = $3"
            " and c.during @> cast($4 as date) where p.tenant_id = $1 and p.id = $2",
            actor.tenant_id,
            part_id,
            currency,
            on,
        )
        if not found:
            raise NotFound(f"No part {part_id}.")
        return Sale(*found[0])

    return await once(session, ("sale", part_id, on, currency), load)


async def list_prices(
    session: Session, actor: Actor, part_id: UUID, *, after: UUID | None = None, limit: int = 100
) -> list[PartPrice]:
    """Return a part's prices, past and future ones among them, in order of id."""
    statement = (
        select(PartPrice)
        .where(PartPrice.tenant_id == actor.tenant_id, PartPrice.part_id == part_id)
        .order_by(col(PartPrice.id))
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(PartPrice.id > after)
    return list(await session.exec(statement))


async def add_price(
    session: Session,
    actor: Actor,
    now: datetime,
    part_id: UUID,
    *,
    cost: Decimal,
    price: Decimal,
    starts_on: date,
    ends_on: date | None = None,
    currency: str | None = None,
) -> PartPrice:
    """Set what one unit costs and sells for from `starts_on` to `ends_on`, its last day.

    An open-ended price in the same currency that began earlier ends the day before. Any other overlap is
    refused (`Conflict`).
    """
    currency = currency or (await find_own_tenant(session, actor.tenant_id)).currency
    earlier = await find_price(session, actor, part_id, starts_on, currency)
    if (
        earlier is not None
        and earlier.during.upper is None
        and (earlier.during.lower is None or earlier.during.lower < starts_on)
    ):
        earlier.during = Range(earlier.during.lower, starts_on)
        await session.flush()  # before the insert, or the two would overlap
        await _record_price(session, actor, now, "part_price.ended", earlier)
    row = PartPrice(
        tenant_id=actor.tenant_id,
        part_id=part_id,
        cost=cost,
        price=price,
        currency=currency,
        during=_days(starts_on, ends_on),
    )
    session.add(row)
    await session.flush()
    await _record_price(session, actor, now, "part_price.set", row)
    return row


async def lock_price(session: Session, actor: Actor, price_id: UUID) -> PartPrice:
    statement = (
        select(PartPrice)
        .where(PartPrice.tenant_id == actor.tenant_id, PartPrice.id == price_id)
        .with_for_update()
    )
    return await session.found(statement, f"No price {price_id}.")


async def end_price(
    session: Session, actor: Actor, now: datetime, price_id: UUID, ends_on: date
) -> PartPrice:
    """Make `ends_on` the last day of a price."""
    price = await lock_price(session, actor, price_id)
    price.during = _days(price.during.lower, ends_on)
    await session.flush()
    await _record_price(session, actor, now, "part_price.ended", price)
    return price


async def delete_price(session: Session, actor: Actor, now: datetime, price_id: UUID) -> None:
    """Remove a price set by mistake. Movements keep the cost they were recorded at."""
    price = await lock_price(session, actor, price_id)
    await session.delete(price)
    await session.flush()
    await _record_price(session, actor, now, "part_price.deleted", price)


def _days(starts_on: date | None, ends_on: date | None) -> Range[date]:
    if starts_on is not None and ends_on is not None and ends_on < starts_on:
        raise Invalid(
            "The last day comes before the first.",
            errors=[{"at": "/ends_on", "detail": "before the first day"}],
        )
    return Range(starts_on, None if ends_on is None else ends_on + timedelta(days=1))


async def _record_price(
    session: Session, actor: Actor, now: datetime, kind: str, price: PartPrice
) -> None:
    await events.record(
        session,
        actor,
        kind,
        "part",
        price.part_id,
        now=now,
        **msgspec.to_builtins(
            {
                "price_id": price.id,
                "cost": price.cost,
                "price": price.price,
                "currency": price.currency,
                "from": price.during.lower,
                "before": price.during.upper,
            }
        ),
    )
