"""Parts that jobs need: asked for, reserved, ordered, issued; and the wait for them, which pauses clocks.

What is free in a place is its stock less what is reserved there. Whoever reserves holds the part's row, so
that of two who want the last one only one gets it.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import Range
from sqlmodel import col, select

from fsm import events
from fsm.actors import Actor
from fsm.catalogue.tables import Reason, ReasonKind
from fsm.database import Session, run, touch
from fsm.parts import queries as parts
from fsm.parts.tables import MovementKind
from fsm.problems import Conflict
from fsm.tenants.queries import find_zone_and_currency
from fsm.work_orders import clocks
from fsm.work_orders.lifecycle import Status
from fsm.work_orders.orders import lock_work_order
from fsm.work_orders.tables import PartRequest, PartRequestStatus, Pause, WorkOrder

OPEN = (PartRequestStatus.REQUESTED, PartRequestStatus.RESERVED, PartRequestStatus.ORDERED)
REASON = "parts"


class NotEnough(Conflict):
    """Less is free than is wanted; `free` says how much."""

    code, status, title = "not-enough-stock", 409, "Not enough in stock"


def add_request(
    session: Session,
    actor: Actor,
    work_order: WorkOrder,
    *,
    part_id: UUID,
    quantity: Decimal,
    requested_at: datetime,
    visit_id: UUID | None = None,
) -> PartRequest:
    request = PartRequest(
        tenant_id=actor.tenant_id,
        work_order_id=work_order.id,
        visit_id=visit_id,
        part_id=part_id,
        quantity=quantity,
        requested_at=requested_at,
        by=actor.name,
    )
    session.add(request)
    return request


async def list_requests(
    session: Session,
    actor: Actor,
    *,
    work_order_id: UUID | None = None,
    status: PartRequestStatus | None = None,
    after: UUID | None = None,
    limit: int = 100,
) -> Sequence[PartRequest]:
    statement = (
        select(PartRequest)
        .where(PartRequest.tenant_id == actor.tenant_id)
        .order_by(col(PartRequest.id))
        .limit(limit)
    )
    if work_order_id is not None:
        statement = statement.where(PartRequest.work_order_id == work_order_id)
    if status is not None:
        statement = statement.where(PartRequest.status == status)
    if after is not None:
        statement = statement.where(PartRequest.id > after)
    return (await session.exec(statement)).all()


async def _lock(session: Session, actor: Actor, request_id: UUID) -> PartRequest:
    """Return an open request whose job and row are held; a settled one is refused."""
    statement = select(PartRequest).where(
        PartRequest.tenant_id == actor.tenant_id, PartRequest.id == request_id
    )
    found = await session.found(statement, f"No request for a part {request_id}.")
    await lock_work_order(session, actor, found.work_order_id)
    locked = statement.with_for_update().execution_options(populate_existing=True)
    request = (await session.exec(locked)).one()
    if PartRequestStatus(request.status) not in OPEN:
        raise Conflict(f"This request is {request.status}; it cannot be changed any more.")
    return request


async def free_in_place(session: Session, actor: Actor, part_id: UUID, place_id: UUID) -> Decimal:
    """Return a place's stock of a part less what is reserved there."""
    found = await run(session, _FREE, t=actor.tenant_id, part=part_id, place=place_id)
    return Decimal(found.scalar_one())


async def reserve(
    session: Session, actor: Actor, now: datetime, request_id: UUID, place_id: UUID
) -> PartRequest:
    """Keep a place's stock for a job; refused (`NotEnough`) when too little is free."""
    request = await _lock(session, actor, request_id)
    await parts.find_stock_place(session, actor, place_id)
    await parts.lock_part(session, actor, request.part_id)
    request.status, request.place_id = PartRequestStatus.REQUESTED, None
    await session.flush()
    free = await free_in_place(session, actor, request.part_id, place_id)
    if free < request.quantity:
        raise NotEnough(
            f"Only {free.normalize():f} is free there, and {request.quantity.normalize():f} is wanted. "
            "Choose another place, or order the part.",
            free=str(free),
        )
    request.status, request.place_id = PartRequestStatus.RESERVED, place_id
    return await _changed(session, actor, now, request, "part_request.reserved")


async def order(
    session: Session,
    actor: Actor,
    now: datetime,
    request_id: UUID,
    expected_on: date | None = None,
) -> PartRequest:
    """Note that a part was ordered; it is expected after its lead time unless a day is given."""
    request = await _lock(session, actor, request_id)
    part = await parts.find_part(session, actor, request.part_id)
    if expected_on is None and part.lead_time_days is not None:
        own = await find_zone_and_currency(session, actor.tenant_id)
        today = now.astimezone(ZoneInfo(own.zone)).date()
        expected_on = today + timedelta(days=part.lead_time_days)
    request.status, request.place_id = PartRequestStatus.ORDERED, None
    request.expected_on = expected_on
    return await _changed(session, actor, now, request, "part_request.ordered")


async def issue(
    session: Session, actor: Actor, now: datetime, request_id: UUID, to_place_id: UUID
) -> PartRequest:
    """Hand a part over: what is reserved moves to the van, what was ordered has arrived there.

    What is neither comes from nowhere: booked in, it would be in stock twice.
    """
    request = await _lock(session, actor, request_id)
    if request.status == PartRequestStatus.REQUESTED:
        raise Conflict(
            "Nothing is kept for this request and nothing was ordered. Reserve it where it lies, or note "
            "that it was ordered, and then hand it over."
        )
    if request.place_id is not None and request.place_id == to_place_id:
        moves: dict[str, Any] = {}
    elif request.place_id is not None:
        moves = {"kind": MovementKind.TRANSFER, "from_place_id": request.place_id}
    else:
        moves = {"kind": MovementKind.RECEIPT}
    if moves:
        await parts.record_movement(
            session,
            actor,
            now,
            part_id=request.part_id,
            quantity=request.quantity,
            to_place_id=to_place_id,
            source="part_request",
            source_id=str(request.id),
            **moves,
        )
    request.status, request.settled_at = PartRequestStatus.READY, now
    return await _settled(session, actor, now, request, "part_request.ready")


async def cancel(
    session: Session, actor: Actor, now: datetime, request_id: UUID, reason: str
) -> PartRequest:
    """Let a request go, and what was reserved for it."""
    request = await _lock(session, actor, request_id)
    request.status, request.settled_at = PartRequestStatus.CANCELLED, now
    return await _settled(session, actor, now, request, "part_request.cancelled", reason=reason)


async def _settled(
    session: Session, actor: Actor, now: datetime, request: PartRequest, kind: str, **data: Any
) -> PartRequest:
    await _changed(session, actor, now, request, kind, **data)
    if not await _has_open(session, actor, request.work_order_id):
        work_order = await lock_work_order(session, actor, request.work_order_id)
        await end_wait(session, actor, work_order, now, now)
    return request


async def _changed(
    session: Session, actor: Actor, now: datetime, request: PartRequest, kind: str, **data: Any
) -> PartRequest:
    request.rev += 1
    await session.flush()
    await events.record(
        session,
        actor,
        kind,
        "part_request",
        request.id,
        now=now,
        work_order_id=str(request.work_order_id),
        part_id=str(request.part_id),
        quantity=str(request.quantity),
        place_id=None if request.place_id is None else str(request.place_id),
        **data,
    )
    return request


# --- the wait ---------------------------------------------------------------------------------------------


async def _has_open(session: Session, actor: Actor, work_order_id: UUID) -> bool:
    await session.flush()
    statement = (
        select(PartRequest.id)
        .where(
            PartRequest.tenant_id == actor.tenant_id,
            PartRequest.work_order_id == work_order_id,
            col(PartRequest.status).in_(OPEN),
        )
        .limit(1)
    )
    return (await session.exec(statement)).first() is not None


def _waits(actor: Actor, work_order: WorkOrder) -> Any:
    """Return the statement of a job's own pause, not a visit's, that is still open."""
    return select(Pause).where(
        Pause.tenant_id == actor.tenant_id,
        Pause.work_order_id == work_order.id,
        col(Pause.visit_id).is_(None),
        func.upper_inf(col(Pause.during)),
    )


async def begin_wait(
    session: Session, actor: Actor, work_order: WorkOrder, at: datetime, now: datetime
) -> None:
    """Pause a job that nobody is at any more while it waits for a part; which clocks, its reason says.

    Nothing happens where no request is open, the wait has begun already, or the catalogue has no such reason.
    """
    if work_order.status == Status.CANCELLED or not await _has_open(session, actor, work_order.id):
        return
    reason = (
        await session.exec(
            select(Reason).where(
                Reason.tenant_id == actor.tenant_id,
                Reason.kind == ReasonKind.PAUSE,
                Reason.code == REASON,
            )
        )
    ).one_or_none()
    if reason is None or (await session.exec(_waits(actor, work_order))).first() is not None:
        return
    session.add(
        Pause(
            tenant_id=actor.tenant_id,
            work_order_id=work_order.id,
            reason_id=reason.id,
            during=Range(at, None),
            stops_sla_clock=reason.stops_sla_clock,
            stops_repair_clock=reason.stops_repair_clock,
            by=actor.name,
        )
    )
    await clocks.refresh_clocks(session, actor, work_order, now)
    touch(session, work_order)


async def end_wait(
    session: Session, actor: Actor, work_order: WorkOrder, at: datetime, now: datetime
) -> None:
    """End the wait: the parts are there, or a technician is, who knows better."""
    await session.flush()
    still_open = list(await session.exec(_waits(actor, work_order)))
    for pause in still_open:
        starts = pause.during.lower
        assert starts is not None
        if at <= starts:
            await session.delete(pause)
        else:
            pause.during = Range(starts, at)
    if still_open:
        await clocks.refresh_clocks(session, actor, work_order, now)
        touch(session, work_order)


_FREE = """
select coalesce((select sum(quantity) from movement
                 where tenant_id = :t and part_id = :part and to_place_id = :place), 0)
     - coalesce((select sum(quantity) from movement
                 where tenant_id = :t and part_id = :part and from_place_id = :place), 0)
     - coalesce((select sum(quantity) from part_request
                 where tenant_id = :t and part_id = :part and place_id = :place and status = 'reserved'), 0)
"""
