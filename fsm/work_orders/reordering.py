"""Parts to be ordered: those of which too little is free once what is on its way has come."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from fsm.actors import Actor
from fsm.database import Session, run


class PartToOrder(msgspec.Struct, frozen=True):
    """A part at its reorder point or below. `free` is what all places hold less what jobs want.

    `on_order` has been ordered for jobs that wait; `missing` is what lacks to the reorder point.
    """

    part_id: UUID
    number: str
    name: str
    unit: str
    stock: Decimal
    wanted: Decimal
    on_order: Decimal
    free: Decimal
    reorder_point: Decimal
    missing: Decimal
    lead_time_days: int | None


async def list_to_order(session: Session, actor: Actor) -> list[PartToOrder]:
    """Return the parts to be ordered, in order of their numbers."""
    rows: Any = await run(session, _TO_ORDER, t=actor.tenant_id)
    return [PartToOrder(*row) for row in rows]


_TO_ORDER = """
select x.id, x.number, x.name, x.unit, x.stock, x.wanted, x.on_order, x.stock + x.on_order - x.wanted,
       x.reorder_point, x.reorder_point - (x.stock + x.on_order - x.wanted), x.lead_time_days
from (
  select p.id, p.number, p.name, p.unit, p.reorder_point, p.lead_time_days,
    coalesce((select sum(case when m.to_place_id is null then 0 else m.quantity end
                       - case when m.from_place_id is null then 0 else m.quantity end)
              from movement m where m.tenant_id = :t and m.part_id = p.id), 0) as stock,
    coalesce((select sum(r.quantity) from part_request r where r.tenant_id = :t and r.part_id = p.id
              and r.status in ('requested', 'reserved', 'ordered')), 0) as wanted,
    coalesce((select sum(r.quantity) from part_request r where r.tenant_id = :t and r.part_id = p.id
              and r.status = 'ordered'), 0) as on_order
  from part p
  where p.tenant_id = :t and p.is_active and p.reorder_point is not null
) x
where x.stock + x.on_order - x.wanted <= x.reorder_point
order by x.number
"""
