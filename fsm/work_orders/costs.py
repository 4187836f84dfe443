"""What a job costs, line by line: labour and travel at the rate of the day, parts at their cost of issue.

A line is frozen when it is posted. A correction takes the old line back with its negative and posts another.
"""

from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlmodel import col, select

from fsm.actors import Actor
from fsm.appending import new_row
from fsm.contracts import queries as contracts
from fsm.database import Session
from fsm.parts.tables import Movement
from fsm.technicians import queries as technicians
from fsm.technicians.tables import RateKind
from fsm.work_orders.records import CostKind, CostLine, PartUsed, TimeEntry, TimeKind
from fsm.work_orders.tables import Review, WorkOrder

PAID = {
    TimeKind.WORK: (CostKind.LABOUR, RateKind.LABOUR),
    TimeKind.WAIT: (CostKind.LABOUR, RateKind.LABOUR),
    TimeKind.ADMIN: (CostKind.LABOUR, RateKind.LABOUR),
    TimeKind.TRAVEL: (CostKind.TRAVEL, RateKind.TRAVEL),
}
"""How each kind of time is paid; breaks are not."""

CENT = Decimal("0.01")


def cost_of(hours: Decimal, rate: Decimal) -> Decimal:
    """Return hours × rate in whole cents, halves to the even cent."""
    return (hours * rate).quantize(CENT, ROUND_HALF_EVEN)


def hours_of(length: timedelta) -> Decimal:
    """Return a length in hours with four decimals, as a line keeps it."""
    seconds = Decimal(length // timedelta(microseconds=1)) / 1_000_000
    return (seconds / 3600).quantize(Decimal("0.0001"), ROUND_HALF_EVEN)


async def post_time(
    session: Session, actor: Actor, work_order: WorkOrder, entry: TimeEntry, now: datetime
) -> None:
    """Post a time entry's cost; where no rate is known, say so instead of posting nothing silently."""
    if TimeKind(entry.kind) not in PAID:
        return
    kind, rate_kind = PAID[TimeKind(entry.kind)]
    starts, ends = entry.during.lower, entry.during.upper
    assert starts is not None
    assert ends is not None
    day = starts.astimezone(ZoneInfo(work_order.zone)).date()
    rate = await technicians.find_rate(session, actor, entry.technician_id, rate_kind, day)
    if rate is None:
        session.add(
            Review(
                tenant_id=actor.tenant_id,
                work_order_id=work_order.id,
                visit_id=entry.visit_id,
                kind="no_rate",
                data={"rate": str(rate_kind), "on": day.isoformat(), "entry_id": str(entry.id)},
                raised_at=now,
            )
        )
        return
    hours = hours_of(ends - starts)
    await _post(
        session,
        actor,
        work_order,
        kind=kind,
        quantity=hours,
        unit_cost=rate.amount,
        amount=cost_of(hours, rate.amount),
        currency=rate.currency,
        posted_on=day,
        technician_id=entry.technician_id,
        source_kind="time_entry",
        source_id=entry.id,
        now=now,
    )


async def post_part(
    session: Session,
    actor: Actor,
    work_order: WorkOrder,
    used: PartUsed,
    movement: Movement,
    now: datetime,
) -> None:
    """Post a used part at the cost that its movement froze."""
    await _post(
        session,
        actor,
        work_order,
        kind=CostKind.PARTS,
        quantity=used.quantity,
        unit_cost=movement.unit_cost,
        amount=cost_of(used.quantity, movement.unit_cost),
        currency=movement.currency,
        posted_on=used.used_at.astimezone(ZoneInfo(work_order.zone)).date(),
        technician_id=None,
        source_kind="part_used",
        source_id=used.id,
        now=now,
    )


async def take_back(
    session: Session, actor: Actor, source_kind: str, source_id: UUID, now: datetime
) -> None:
    """Post the negative of every line of a source that has been corrected."""
    statement = select(CostLine).where(
        CostLine.tenant_id == actor.tenant_id,
        CostLine.source_kind == source_kind,
        CostLine.source_id == source_id,
    )
    for line in await session.exec(statement.order_by(col(CostLine.id))):
        session.add(
            CostLine(
                **line.model_dump(exclude={"id", "quantity", "amount", "created_at"}),
                quantity=-line.quantity,
                amount=-line.amount,
                created_at=now,
            )
        )


async def _post(
    session: Session,
    actor: Actor,
    work_order: WorkOrder,
    *,
    now: datetime,
    kind: CostKind,
    **line: Any,
) -> None:
    payer, rule = await contracts.payer_of(session, actor, work_order.contract_id, kind)
    session.append(
        new_row(
            CostLine,
            tenant_id=actor.tenant_id,
            work_order_id=work_order.id,
            asset_id=work_order.asset_id,
            contract_id=work_order.contract_id,
            kind=kind,
            payer=payer,
            payer_rule=rule,
            created_at=now,
            **line,
        )
    )
