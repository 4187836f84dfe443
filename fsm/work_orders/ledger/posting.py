"""What a job costs, line by line: time at the rate of the day, kilometres, parts at their cost of issue."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

from fsm.actors import Actor
from fsm.amounts import allocate, divide, rounded
from fsm.appending import new_row
from fsm.contracts import payers
from fsm.contracts.coverage_rules import Charge, Decision
from fsm.database import Session, fetch, once
from fsm.parts.price_list import find_sale_price
from fsm.parts.tables import Movement
from fsm.technicians import queries as technicians
from fsm.technicians.tables import RateKind
from fsm.work_orders.records import CostKind, CostLine, PartUsed, TimeEntry, TimeKind
from fsm.work_orders.tables import Review, WorkOrder

PAID: Mapping[TimeKind, tuple[CostKind, RateKind, RateKind]] = {
    TimeKind.WORK: (CostKind.LABOUR, RateKind.LABOUR, RateKind.LABOUR_PRICE),
    TimeKind.WAIT: (CostKind.LABOUR, RateKind.LABOUR, RateKind.LABOUR_PRICE),
    TimeKind.ADMIN: (CostKind.LABOUR, RateKind.LABOUR, RateKind.LABOUR_PRICE),
    TimeKind.TRAVEL: (CostKind.TRAVEL, RateKind.TRAVEL, RateKind.TRAVEL_PRICE),
}
"""How each kind of time is paid, and sold; breaks are not. A contractor's time is a contractor's cost."""

QUANTITY_DIGITS = 4
HOUR, KM = "h", "km"


@dataclass(frozen=True, slots=True)
class Cost:
    """A cost of a job before it is divided over assets and somebody is found to bear it.

    `price` is what the whole of it is sold for, None where there is none; `is_original` is a part's.
    """

    kind: CostKind
    quantity: Decimal
    unit: str
    unit_cost: Decimal
    amount: Decimal
    currency: str
    posted_on: date
    source_kind: str
    source_id: UUID | None
    technician_id: UUID | None = None
    price: Decimal | None = None
    is_original: bool | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class JobShare:
    """What one asset bears of a job's costs, and the contract that this part falls under."""

    asset_id: UUID | None
    contract_id: UUID | None
    weight: Decimal = Decimal(1)


@dataclass(frozen=True, slots=True)
class Borne:
    """What one asset bears of a cost, and who pays that."""

    share: JobShare
    amount: Decimal
    quantity: Decimal
    price: Decimal | None
    decision: Decision


def cost_of(quantity: Decimal, rate: Decimal, currency: str) -> Decimal:
    """Return quantity × rate as it is paid; see `rounded`."""
    return rounded(quantity * rate, currency)


def hours_of(length: timedelta) -> Decimal:
    """Return a length in hours with four decimals, as a line keeps it."""
    seconds = Decimal(length // timedelta(microseconds=1)) / 1_000_000
    return (seconds / 3600).quantize(Decimal("0.0001"), ROUND_HALF_EVEN)


async def post_time(
    session: Session, actor: Actor, work_order: WorkOrder, entry: TimeEntry, now: datetime
) -> None:
    """Post a time entry's cost, with the overhead and the kilometres that come with it.

    Where no rate of the time itself is known, say so instead of posting nothing silently.
    """
    if TimeKind(entry.kind) not in PAID:
        return
    kind, rate_kind, price_kind = PAID[TimeKind(entry.kind)]
    who, starts, ends = entry.technician_id, entry.during.lower, entry.during.upper
    assert starts is not None
    assert ends is not None
    day = starts.astimezone(ZoneInfo(work_order.zone)).date()
    rate = await technicians.find_rate(session, actor, who, rate_kind, day)
    if rate is None:
        _ask_for_rate(session, actor, work_order, entry, rate_kind, day, now)
        return
    if await technicians.is_contractor(session, actor, who):
        kind = CostKind.CONTRACTOR
    hours = hours_of(ends - starts)
    sold = await technicians.find_rate(session, actor, who, price_kind, day)
    costs = [
        Cost(
            kind=kind,
            quantity=hours,
            unit=HOUR,
            unit_cost=rate.amount,
            amount=cost_of(hours, rate.amount, rate.currency),
            currency=rate.currency,
            posted_on=day,
            source_kind="time_entry",
            source_id=entry.id,
            technician_id=who,
            price=(
                cost_of(hours, sold.amount, sold.currency)
                if sold is not None and sold.currency == rate.currency
                else None
            ),
        )
    ]
    more = [(CostKind.OVERHEAD, RateKind.OVERHEAD, hours, HOUR)]
    if entry.distance_m:
        driven = Decimal(entry.distance_m) / 1000
        more.append((kind, RateKind.VEHICLE, driven, KM))
    for what, on_top, quantity, unit in more:
        found = await technicians.find_rate(session, actor, who, on_top, day)
        if found is not None:
            costs.append(
                Cost(
                    kind=what,
                    quantity=quantity,
                    unit=unit,
                    unit_cost=found.amount,
                    amount=cost_of(quantity, found.amount, found.currency),
                    currency=found.currency,
                    posted_on=day,
                    source_kind="time_entry",
                    source_id=entry.id,
                    technician_id=who,
                )
            )
        elif unit == KM:
            _ask_for_rate(session, actor, work_order, entry, on_top, day, now)
    for cost in costs:
        await post(session, actor, work_order, cost, now)


def _ask_for_rate(
    session: Session,
    actor: Actor,
    work_order: WorkOrder,
    entry: TimeEntry,
    kind: RateKind,
    day: date,
    now: datetime,
) -> None:
    session.add(
        Review(
            tenant_id=actor.tenant_id,
            work_order_id=work_order.id,
            visit_id=entry.visit_id,
            kind="no_rate",
            data={"rate": str(kind), "on": day.isoformat(), "entry_id": str(entry.id)},
            raised_at=now,
        )
    )


async def post_part(
    session: Session,
    actor: Actor,
    work_order: WorkOrder,
    used: PartUsed,
    movement: Movement,
    now: datetime,
    *,
    quantity: Decimal | None = None,
    decided: Decision | None = None,
) -> None:
    """Post a used part at the cost that its movement froze; `quantity` is what of it stayed, else all."""
    day = used.used_at.astimezone(ZoneInfo(work_order.zone)).date()
    part = await find_sale_price(session, actor, used.part_id, day, movement.currency)
    quantity = movement.quantity if quantity is None else quantity
    await post(
        session,
        actor,
        work_order,
        Cost(
            kind=CostKind.PARTS,
            quantity=quantity,
            unit=part.unit,
            unit_cost=movement.unit_cost,
            amount=cost_of(quantity, movement.unit_cost, movement.currency),
            currency=movement.currency,
            posted_on=day,
            source_kind="part_used",
            source_id=used.id,
            price=None if part.price is None else cost_of(quantity, part.price, movement.currency),
            is_original=part.is_original,
        ),
        now,
        decided=decided,
    )


async def post(
    session: Session,
    actor: Actor,
    work_order: WorkOrder,
    cost: Cost,
    now: datetime,
    *,
    decided: Decision | None = None,
) -> None:
    """Post a cost as a line for each asset that the job is for, each with who bears it.

    `decided` names the payer of all of them.
    """
    for part in await divide_cost(session, actor, work_order, cost, decided=decided):
        session.append(
            new_row(
                CostLine,
                tenant_id=actor.tenant_id,
                work_order_id=work_order.id,
                asset_id=part.share.asset_id,
                contract_id=part.share.contract_id,
                technician_id=cost.technician_id,
                kind=cost.kind,
                quantity=part.quantity,
                unit=cost.unit,
                unit_cost=cost.unit_cost,
                amount=part.amount,
                price=part.price,
                currency=cost.currency,
                posted_on=cost.posted_on,
                source_kind=cost.source_kind,
                source_id=cost.source_id,
                payer=part.decision.payer,
                payer_rule=part.decision.rule,
                payer_ground=part.decision.ground,
                note=cost.note,
                created_at=now,
            )
        )


async def divide_cost(
    session: Session,
    actor: Actor,
    work_order: WorkOrder,
    cost: Cost,
    *,
    decided: Decision | None = None,
) -> list[Borne]:
    """Return what each asset that the job is for bears of a cost, and who pays that.

    The parts add up to the cost, to the cent: largest remainder.
    """
    shares = await list_shares(session, work_order)
    weights = [share.weight for share in shares]
    amounts = allocate(cost.amount, weights, cost.currency)
    quantities = divide(cost.quantity, weights, QUANTITY_DIGITS)
    prices: Sequence[Decimal | None] = (
        [None] * len(shares) if cost.price is None else allocate(cost.price, weights, cost.currency)
    )
    return [
        Borne(
            share,
            amount,
            quantity,
            price,
            decided or await who_pays(session, actor, work_order, share, cost),
        )
        for share, amount, quantity, price in zip(shares, amounts, quantities, prices, strict=True)
        if len(shares) == 1 or amount or quantity
    ]


# --- shares and payers ------------------------------------------------------------------------------------

_SHARES = """
select asset_id, contract_id, weight from work_order_asset
where tenant_id = $1 and work_order_id = $2 order by asset_id
"""

_FACTS = """
select t.code, f.cause, coalesce(m.manufacturer, ''), a.warranty_ends_on
from work_type t
left join failure f on f.tenant_id = t.tenant_id and f.id = $3
left join asset a on a.tenant_id = t.tenant_id and a.id = $4
left join asset_model m on m.tenant_id = t.tenant_id and m.id = a.model_id
where t.tenant_id = $1 and t.id = $2
"""


async def list_shares(session: Session, work_order: WorkOrder) -> list[JobShare]:
    """Return what each asset bears of a job, in order of asset; the job's own alone where there is one."""

    async def load() -> list[JobShare]:
        rows = await fetch(session, _SHARES, work_order.tenant_id, work_order.id)
        return [JobShare(*row) for row in rows]

    several = await once(session, ("shares", work_order.id), load)
    return several or [JobShare(work_order.asset_id, work_order.contract_id)]


async def who_pays(
    session: Session, actor: Actor, work_order: WorkOrder, share: JobShare, cost: Cost
) -> Decision:
    """Return who bears one asset's part of a cost; the facts are read only where a rule may ask for them.

    A warranty is asked whether it held when the fault was reported, not on the day that somebody came.
    """
    reported_on = work_order.reported_at.astimezone(ZoneInfo(work_order.zone)).date()
    work_type, cause, manufacturer, warranty_ends_on = "", None, "", None
    if await payers.list_rules_in_force(session, actor):
        ((work_type, cause, manufacturer, warranty_ends_on),) = await fetch(
            session,
            _FACTS,
            actor.tenant_id,
            work_order.work_type_id,
            work_order.failure_id,
            share.asset_id,
        )
    charge = Charge(
        kind=cost.kind,
        on=cost.posted_on,
        request_class=work_order.request_class,
        maintenance=work_order.maintenance,
        work_type=work_type,
        manufacturer=manufacturer,
        cause=cause,
        under_warranty=warranty_ends_on is not None and reported_on <= warranty_ends_on,
        is_rework=work_order.is_rework,
        is_original=cost.is_original,
    )
    return await payers.decide_payer(session, actor, share.contract_id, charge)
