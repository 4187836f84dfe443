"""Stock, which is the sum of movements and is stored nowhere.

Movements are only ever added, so two at once need not wait for each other and none can be lost. Stock may
fall below zero: a technician offline used what was in the van, whatever the office had recorded by then. A
negative stock says that a movement is missing; it is shown, never refused.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlmodel import col, or_, select

from fsm.actors import Actor
from fsm.database import Session, run
from fsm.parts.queries import find_part
from fsm.parts.tables import Movement, MovementKind, StockPlace


@dataclass(frozen=True, slots=True)
class StockOfPart:
    """How much of a part one place holds, in the part's unit."""

    place_id: UUID
    code: str
    name: str
    kind: str
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class StockInPlace:
    """How much of one part a place holds, in the part's unit."""

    part_id: UUID
    number: str
    name: str
    unit: str
    quantity: Decimal


async def list_movements(
    session: Session,
    actor: Actor,
    *,
    part_id: UUID | None = None,
    place_id: UUID | None = None,
    kind: MovementKind | None = None,
    after: UUID | None = None,
    limit: int = 100,
) -> list[Movement]:
    """Return movements, the last recorded first; `place_id` is either end of a movement."""
    statement = (
        select(Movement)
        .where(Movement.tenant_id == actor.tenant_id)
        .order_by(col(Movement.id).desc())
        .limit(limit)
    )
    if part_id is not None:
        statement = statement.where(Movement.part_id == part_id)
    if place_id is not None:
        statement = statement.where(
            or_(Movement.from_place_id == place_id, Movement.to_place_id == place_id)
        )
    if kind is not None:
        statement = statement.where(Movement.kind == kind)
    if after is not None:
        statement = statement.where(Movement.id < after)
    return list(await session.exec(statement))


async def list_stock_of_part(session: Session, actor: Actor, part_id: UUID) -> list[StockOfPart]:
    """Return where a part is, in order of the place's code; places with none of it are left out."""
    await find_part(session, actor, part_id)
    rows = await run(
        session,
        """
        select p.id, p.code, p.name, p.kind, sum(m.quantity) as quantity
        from (
            select to_place_id as place_id, quantity from movement
            where tenant_id = :t and part_id = :part and to_place_id is not null
            union all
            select from_place_id, -quantity from movement
            where tenant_id = :t and part_id = :part and from_place_id is not null
        ) m join stock_place p on p.tenant_id = :t and p.id = m.place_id
        group by p.id, p.code, p.name, p.kind
        having sum(m.quantity) <> 0
        order by p.code
        """,
        t=actor.tenant_id,
        part=part_id,
    )
    return [StockOfPart(row.id, row.code, row.name, row.kind, row.quantity) for row in rows]


async def list_stock_in_place(
    session: Session,
    actor: Actor,
    place: StockPlace,
    *,
    after: UUID | None = None,
    limit: int = 500,
) -> list[StockInPlace]:
    """Return what a place holds in order of the part's id; parts that it has none of are left out."""
    values: dict[str, Any] = {"t": actor.tenant_id, "place": place.id, "limit": limit}
    if after is not None:
        values["after"] = after
    rows = await run(
        session,
        f"""
        select p.id, p.number, p.name, p.unit, sum(m.quantity) as quantity
        from (
            select part_id, quantity from movement where tenant_id = :t and to_place_id = :place
            union all
            select part_id, -quantity from movement where tenant_id = :t and from_place_id = :place
        ) m join part p on p.tenant_id = :t and p.id = m.part_id
        where {"true" if after is None else "p.id > :after"}
        group by p.id, p.number, p.name, p.unit
        having sum(m.quantity) <> 0
        order by p.id
        limit :limit
        """,  # noqa: S608 - the only part put in is one of two constants
        **values,
    )
    return [StockInPlace(row.id, row.number, row.name, row.unit, row.quantity) for row in rows]
