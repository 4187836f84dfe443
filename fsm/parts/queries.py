"""Parts, the places that hold them, and movements: everything that touches the database.

Prices are in `price_list`; what is where, which is the sum of movements, is in `stock`.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from sqlmodel import col, or_, select

from fsm import events
from fsm.actors import Actor
from fsm.appending import new_row
from fsm.database import Session, fetch, once, revise, touch, utc
from fsm.parts.price_list import find_cost
from fsm.parts.tables import Movement, MovementKind, Part, StockPlace, StockPlaceKind
from fsm.problems import Invalid
from fsm.tenants.queries import find_zone_and_currency

# --- parts ------------------------------------------------------------------------------------------------


async def find_part(session: Session, actor: Actor, part_id: UUID) -> Part:
    statement = select(Part).where(Part.tenant_id == actor.tenant_id, Part.id == part_id)
    return await session.found(statement, f"No part {part_id}.")


async def lock_part(session: Session, actor: Actor, part_id: UUID) -> Part:
    statement = (
        select(Part).where(Part.tenant_id == actor.tenant_id, Part.id == part_id).with_for_update()
    )
    return await session.found(statement, f"No part {part_id}.")


async def list_parts(
    session: Session,
    actor: Actor,
    *,
    q: str | None = None,
    is_active: bool | None = None,
    after: UUID | None = None,
    limit: int = 100,
) -> list[Part]:
    """Return parts in order of id; `q` is text in name, number or manufacturer, in any case."""
    statement = (
        select(Part).where(Part.tenant_id == actor.tenant_id).order_by(col(Part.id)).limit(limit)
    )
    if q:
        statement = statement.where(
            or_(
                *(
                    col(column).icontains(q, autoescape=True)
                    for column in (Part.name, Part.number, Part.manufacturer)
                )
            )
        )
    if is_active is not None:
        statement = statement.where(Part.is_active == is_active)
    if after is not None:
        statement = statement.where(Part.id > after)
    return list(await session.exec(statement))


async def add_part(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    number: str,
    name: str,
    unit: str = "pc",
    manufacturer: str = "",
    is_original: bool = True,
    is_serialised: bool = False,
    lead_time_days: int | None = None,
    reorder_point: Decimal | None = None,
) -> Part:
    part = Part(
        tenant_id=actor.tenant_id,
        number=number,
        name=name,
        unit=unit,
        manufacturer=manufacturer,
        is_original=is_original,
        is_serialised=is_serialised,
        lead_time_days=lead_time_days,
        reorder_point=reorder_point,
    )
    session.add(part)
    await session.flush()
    await events.record(session, actor, "part.created", "part", part.id, now=now, number=number)
    touch(session, part)
    return part


async def edit_part(
    session: Session,
    actor: Actor,
    now: datetime,
    part_id: UUID,
    rev: int | None,
    changes: Mapping[str, Any],
) -> Part:
    """Edit a part or put it out of use. Its unit stays: past quantities were counted in it."""
    part = await lock_part(session, actor, part_id)
    if revise(part, rev, changes):
        await events.record(
            session, actor, "part.edited", "part", part_id, now=now, changes=dict(changes)
        )
        touch(session, part)
    return part


# --- places -----------------------------------------------------------------------------------------------


async def find_stock_place(session: Session, actor: Actor, place_id: UUID) -> StockPlace:
    statement = select(StockPlace).where(
        StockPlace.tenant_id == actor.tenant_id, StockPlace.id == place_id
    )
    return await session.found(statement, f"No stock place {place_id}.")


async def find_van(session: Session, actor: Actor, technician_id: UUID) -> UUID | None:
    """Return the stock place that is a technician's van; None when they drive without stock."""

    async def load() -> UUID | None:
        found = await fetch(
            session,
            "select id from stock_place where tenant_id = $1 and technician_id = $2",
            actor.tenant_id,
            technician_id,
        )
        return found[0]["id"] if found else None

    return await once(session, ("van", technician_id), load)


async def lock_stock_place(session: Session, actor: Actor, place_id: UUID) -> StockPlace:
    statement = (
        select(StockPlace)
        .where(StockPlace.tenant_id == actor.tenant_id, StockPlace.id == place_id)
        .with_for_update()
    )
    return await session.found(statement, f"No stock place {place_id}.")


async def list_stock_places(
    session: Session,
    actor: Actor,
    *,
    kind: StockPlaceKind | None = None,
    q: str | None = None,
    after: UUID | None = None,
    limit: int = 100,
) -> list[StockPlace]:
    """Return warehouses and vans in order of id; `q` is text in the name or code, in any case."""
    statement = (
        select(StockPlace)
        .where(StockPlace.tenant_id == actor.tenant_id)
        .order_by(col(StockPlace.id))
        .limit(limit)
    )
    if kind is not None:
        statement = statement.where(StockPlace.kind == kind)
    if q:
        statement = statement.where(
            or_(
                col(StockPlace.name).icontains(q, autoescape=True),
                col(StockPlace.code).icontains(q, autoescape=True),
            )
        )
    if after is not None:
        statement = statement.where(StockPlace.id > after)
    return list(await session.exec(statement))


async def add_stock_place(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    code: str,
    name: str,
    kind: StockPlaceKind,
    technician_id: UUID | None = None,
    latitude: float | None = None,
    longitude: float | None = None,
) -> StockPlace:
    """Create a warehouse, or a technician's van; a technician has at most one."""
    place = StockPlace(
        tenant_id=actor.tenant_id,
        code=code,
        name=name,
        kind=kind,
        technician_id=technician_id,
        latitude=latitude,
        longitude=longitude,
    )
    session.add(place)
    await session.flush()
    await events.record(
        session, actor, "stock_place.created", "stock_place", place.id, now=now, code=code
    )
    touch(session, place)
    return place


async def edit_stock_place(
    session: Session,
    actor: Actor,
    now: datetime,
    place_id: UUID,
    rev: int | None,
    changes: Mapping[str, Any],
) -> StockPlace:
    """Edit a place; a van may pass to another technician, with what is in it."""
    place = await lock_stock_place(session, actor, place_id)
    if revise(place, rev, changes):
        await session.flush()
        await events.record(
            session,
            actor,
            "stock_place.edited",
            "stock_place",
            place_id,
            now=now,
            changes=msgspec.to_builtins(dict(changes)),
        )
        touch(session, place)
    return place


async def delete_stock_place(session: Session, actor: Actor, now: datetime, place_id: UUID) -> None:
    """Remove a place that nothing was ever moved to or from; else `InUse`."""
    place = await lock_stock_place(session, actor, place_id)
    await session.delete(place)
    await session.flush()
    await events.record(
        session, actor, "stock_place.deleted", "stock_place", place_id, now=now, code=place.code
    )


# --- movements --------------------------------------------------------------------------------------------


def check_direction(
    kind: MovementKind, from_place_id: UUID | None, to_place_id: UUID | None
) -> None:
    """Refuse a movement whose places do not fit its kind.

    A use may come from no place of ours: the technician bought the part on the way.
    """
    if kind == MovementKind.USE and from_place_id is None and to_place_id is None:
        return
    needs = {
        MovementKind.RECEIPT: (False, True),
        MovementKind.TRANSFER: (True, True),
        MovementKind.USE: (True, False),
        MovementKind.RETURN: (False, True),
    }
    given = (from_place_id is not None, to_place_id is not None)
    if kind == MovementKind.CORRECTION:
        if given in ((True, False), (False, True)):
            return
        sentence = "A correction adds to one place or takes from one place."
    elif given == needs[kind]:
        if from_place_id != to_place_id:
            return
        sentence = "A transfer goes from one place to another."
    else:
        said = {
            (False, True): "goes to a place, from none",
            (True, True): "goes from one place to another",
            (True, False): "comes from a place, to none",
        }[needs[kind]]
        sentence = f"A {kind} {said}."
    raise Invalid(
        sentence,
        errors=[{"at": at, "detail": sentence} for at in ("/from_place_id", "/to_place_id")],
    )


async def find_movement(session: Session, actor: Actor, movement_id: UUID) -> Movement:
    statement = select(Movement).where(
        Movement.tenant_id == actor.tenant_id, Movement.id == movement_id
    )
    return await session.found(statement, f"No movement {movement_id}.")


async def record_movement(
    session: Session, actor: Actor, now: datetime, **movement: Any
) -> Movement:
    """Record a movement as `add_movement` does, so that what is read next counts it."""
    added = await add_movement(session, actor, now, **movement)
    await session.flush()
    return added


async def add_movement(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    part_id: UUID,
    kind: MovementKind,
    quantity: Decimal,
    from_place_id: UUID | None = None,
    to_place_id: UUID | None = None,
    moved_at: datetime | None = None,
    unit_cost: Decimal | None = None,
    currency: str | None = None,
    by: str | None = None,
    note: str = "",
    source: str | None = None,
    source_id: str | None = None,
) -> Movement:
    """Record that `quantity` (more than nothing, in the part's unit) moved at `moved_at` (now, unless given).

    Without `unit_cost` the movement is valued at the price list's cost of its day in the company's zone
    and `currency` (the company's, unless given); where the list has none, at zero, and its event says
    `unpriced`. (`source`, `source_id`) names what caused it: the same cause again returns the movement
    already recorded. A part or place that does not exist is `Invalid`. It is written at the next flush.
    """
    if source is not None:
        statement = select(Movement).where(
            Movement.tenant_id == actor.tenant_id,
            Movement.source == source,
            Movement.source_id == source_id,
        )
        recorded = (await session.exec(statement)).one_or_none()
        if recorded is not None:
            return recorded
    if not quantity.is_finite() or quantity <= 0:
        raise Invalid(
            "A movement is of more than nothing.",
            errors=[{"at": "/quantity", "detail": "must be more than 0"}],
        )
    check_direction(kind, from_place_id, to_place_id)
    places = (from_place_id, to_place_id)
    await once(
        session,
        ("movement", part_id, *places),
        lambda: _check_known(session, actor, part_id, *places),
    )
    own = await once(session, ("tenant",), lambda: find_zone_and_currency(session, actor.tenant_id))
    at = now if moved_at is None else utc(moved_at)
    money = currency or own.currency
    cost = unit_cost
    if cost is None:
        on = at.astimezone(ZoneInfo(own.zone)).date()
        cost = await once(
            session,
            ("cost", part_id, on, money),
            lambda: find_cost(session, actor, part_id, on, money),
        )
    movement = new_row(
        Movement,
        tenant_id=actor.tenant_id,
        part_id=part_id,
        kind=kind,
        from_place_id=from_place_id,
        to_place_id=to_place_id,
        quantity=quantity,
        unit_cost=Decimal(0) if cost is None else cost,
        currency=money,
        moved_at=at,
        by=actor.name if by is None else by,
        note=note,
        source=source,
        source_id=source_id,
    )
    session.append(movement)
    await events.record(
        session,
        actor,
        "movement.recorded",
        "movement",
        movement.id,
        now=now,
        part_id=str(part_id),
        movement_kind=str(kind),
        quantity=str(quantity),
        from_place_id=None if from_place_id is None else str(from_place_id),
        to_place_id=None if to_place_id is None else str(to_place_id),
        unit_cost=str(movement.unit_cost),
        currency=money,
        moved_at=at.isoformat(),
        unpriced=cost is None,
    )
    touch(session, movement)
    return movement


_KNOWN = """
select array(select id from part where tenant_id = $1 and id = $2)
  || array(select id from stock_place where tenant_id = $1 and id = any(cast($3 as uuid[])))
"""


async def _check_known(
    session: Session,
    actor: Actor,
    part_id: UUID,
    from_place_id: UUID | None,
    to_place_id: UUID | None,
) -> None:
    """Refuse unknown ids as values of the movement, naming the field."""
    places = [one for one in (from_place_id, to_place_id) if one is not None]
    ((known,),) = await fetch(session, _KNOWN, actor.tenant_id, part_id, places)
    for at, one, sentence in (
        ("/part_id", part_id, "No part"),
        ("/from_place_id", from_place_id, "No stock place"),
        ("/to_place_id", to_place_id, "No stock place"),
    ):
        if one is not None and one not in known:
            detail = f"{sentence} {one}."
            raise Invalid(detail, errors=[{"at": at, "detail": detail}])
