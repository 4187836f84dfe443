"""Looking at what a phone chained of a visit, once it is over: a break is shown, and refuses nothing."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import select

from fsm.database import Session, run
from fsm.evidence.device_chain import Break, breaks
from fsm.evidence.receipts import public_key
from fsm.tenants.tables import Device
from fsm.work_orders.tables import Review, Visit

REVIEW = "device_chain_broken"
_MOST_SHOWN = 20


async def check_visit(session: Session, tenant_id: UUID, visit_id: UUID, now: datetime) -> None:
    """Check each phone's chain on a finished visit; put what is broken before a person, once a phone.

    A record whose number says that one before it is still on its way is not judged: the pack will.
    """
    visit = await session.get(Visit, (tenant_id, visit_id))
    if visit is None:
        return
    for device_id, (numbers, bodies) in (await _list_sent(session, tenant_id, visit_id)).items():
        device = await session.get_one(Device, (tenant_id, device_id))
        key = None if device.public_key is None else public_key(device.public_key)
        whole = await _whole_up_to(session, tenant_id, device_id, numbers)
        found = [
            one
            for one in breaks(visit.nonce, bodies, key)
            if one.code not in ("out_of_line", "wrong_start") or one.seq <= whole
        ]
        if found and not await _is_shown(session, visit, device_id):
            session.add(_review(visit, device_id, found, now))


async def _list_sent(
    session: Session, tenant_id: UUID, visit_id: UUID
) -> dict[UUID, tuple[list[int], list[dict[str, Any]]]]:
    """Return per phone what it sent about the visit from its first link to its last, in its order."""
    rows = await run(
        session,
        """
        select i.device_id, i.device_seq, i.body from (
          select device_id, min(device_seq) as first, max(device_seq) as last from intent
          where tenant_id = :t and body #>> '{data,visit_id}' = :visit and body ? 'chain'
          group by device_id) c
        join intent i on i.tenant_id = :t and i.device_id = c.device_id
          and i.device_seq between c.first and c.last and i.body #>> '{data,visit_id}' = :visit
        order by i.device_id, i.device_seq, i.id
        """,
        t=tenant_id,
        visit=str(visit_id),
    )
    sent: dict[UUID, tuple[list[int], list[dict[str, Any]]]] = {}
    for row in rows:
        numbers, bodies = sent.setdefault(row.device_id, ([], []))
        numbers.append(row.device_seq)
        bodies.append(row.body)
    return sent


async def _whole_up_to(
    session: Session, tenant_id: UUID, device_id: UUID, numbers: list[int]
) -> int:
    """Return the number up to which nothing that the phone sent since the first of these is missing."""
    result = await run(
        session,
        "select coalesce(min(n), :last) from generate_series(cast(:first as bigint),"
        " cast(:last as bigint)) n where not exists (select 1 from intent i where i.tenant_id = :t"
        " and i.device_id = :device and i.device_seq = n)",
        t=tenant_id,
        device=device_id,
        first=numbers[0],
        last=numbers[-1],
    )
    return int(result.scalar_one())


async def _is_shown(session: Session, visit: Visit, device_id: UUID) -> bool:
    statement = select(Review.data).where(
        Review.tenant_id == visit.tenant_id, Review.visit_id == visit.id, Review.kind == REVIEW
    )
    return str(device_id) in {data["device_id"] for data in await session.exec(statement)}


def _review(visit: Visit, device_id: UUID, found: list[Break], now: datetime) -> Review:
    return Review(
        tenant_id=visit.tenant_id,
        work_order_id=visit.work_order_id,
        visit_id=visit.id,
        kind=REVIEW,
        data={
            "device_id": str(device_id),
            "breaks": [one.to_json() for one in found[:_MOST_SHOWN]],
            "how_many": len(found),
        },
        raised_at=now,
    )
