"""Parts that a job did not need after all: back into stock, out of its costs, at the price of their issue."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlmodel import select

from fsm import events
from fsm.actors import Actor
from fsm.database import Session, fetch
from fsm.parts import queries as parts
from fsm.parts.tables import Movement, MovementKind
from fsm.problems import Conflict
from fsm.work_orders.ledger.correcting import decided_by_hand, list_standing, take_back
from fsm.work_orders.ledger.posting import post_part
from fsm.work_orders.orders import lock_work_order
from fsm.work_orders.records import CostLine, PartUsed

SOURCE = "part_return"
"""What caused such a movement; its id is that of the use, with how often something of it came back."""


async def return_part(
    session: Session,
    actor: Actor,
    now: datetime,
    work_order_id: UUID,
    used_id: UUID,
    *,
    quantity: Decimal,
    to_place_id: UUID,
    note: str = "",
) -> Movement:
    """Take parts of a job back into a place, no more than were used and have not come back yet.

    What the price list says today does not matter: a part that comes back is worth what it was issued at. The
    job's lines for it are taken back, and what stayed in the machine is posted again on its old day; who was
    decided to pay for it still does.
    """
    work_order = await lock_work_order(session, actor, work_order_id)
    used = await session.found(
        select(PartUsed).where(
            PartUsed.tenant_id == actor.tenant_id,
            PartUsed.work_order_id == work_order_id,
            PartUsed.id == used_id,
        ),
        f"No part {used_id} was used on {work_order.number}.",
    )
    issued = await parts.find_movement(session, actor, used.movement_id)
    ((times, returned),) = await fetch(session, _RETURNED, actor.tenant_id, SOURCE, f"{used_id}#%")
    rest = used.quantity - returned - quantity
    if rest < 0:
        raise Conflict(
            f"{used.quantity - returned:f} of these parts can still come back, not {quantity:f}.",
            left=str(used.quantity - returned),
        )
    movement = await parts.record_movement(
        session,
        actor,
        now,
        part_id=used.part_id,
        kind=MovementKind.RETURN,
        quantity=quantity,
        to_place_id=to_place_id,
        unit_cost=issued.unit_cost,
        currency=issued.currency,
        note=note or work_order.number,
        source=SOURCE,
        source_id=f"{used_id}#{times + 1}",
    )
    lines = await list_standing(
        session,
        actor,
        work_order.id,
        CostLine.source_kind == "part_used",
        CostLine.source_id == used.id,
    )
    await take_back(session, actor, "part_used", used.id, now)
    if rest:
        said = {decided_by_hand(line) for line in lines}
        decided = said.pop() if len(said) == 1 else None
        await post_part(
            session, actor, work_order, used, issued, now, quantity=rest, decided=decided
        )
    await events.record(
        session,
        actor,
        "part.returned",
        "work_order",
        work_order.id,
        now=now,
        used_id=str(used_id),
        part_id=str(used.part_id),
        quantity=str(quantity),
        to_place_id=str(to_place_id),
        unit_cost=str(issued.unit_cost),
        currency=issued.currency,
    )
    return movement


_RETURNED = """
select count(*), coalesce(sum(quantity), 0) from movement
where tenant_id = $1 and source = $2 and source_id like $3
"""
