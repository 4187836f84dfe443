"""Lines set right by other lines: taken back, divided over other assets, borne by somebody else.

Whoever corrects holds the job's row, so that two corrections at once come one after the other.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import delete, exists
from sqlalchemy.orm import aliased
from sqlmodel import col, select

from fsm import events
from fsm.actors import Actor
from fsm.appending import new_row
from fsm.assets.tables import Asset
from fsm.catalogue.tables import WorkType
from fsm.contracts import queries as contracts
from fsm.contracts.coverage import DecidedBy, Payer
from fsm.contracts.coverage_rules import Decision
from fsm.database import Session
from fsm.parts.tables import Part
from fsm.problems import Conflict, Invalid
from fsm.work_orders.ledger.posting import Cost, JobShare, cost_of, list_shares, post, who_pays
from fsm.work_orders.orders import lock_work_order
from fsm.work_orders.records import CostKind, CostLine, PartUsed
from fsm.work_orders.tables import WorkOrder, WorkOrderAsset

BY_HAND = "hand"


async def list_standing(
    session: Session,
    actor: Actor,
    work_order_id: UUID | None = None,
    *conditions: Any,
) -> list[CostLine]:
    """Return the lines that nothing has taken back and that take none back, the oldest first."""
    await session.flush()
    later = aliased(CostLine)
    taken_back = exists().where(
        col(later.tenant_id) == actor.tenant_id, col(later.corrects_id) == CostLine.id
    )
    statement = (
        select(CostLine)
        .where(
            CostLine.tenant_id == actor.tenant_id,
            col(CostLine.corrects_id).is_(None),
            ~taken_back,
            *conditions,
        )
        .order_by(col(CostLine.id))
    )
    if work_order_id is not None:
        statement = statement.where(CostLine.work_order_id == work_order_id)
    return list(await session.exec(statement))


async def take_back(
    session: Session, actor: Actor, source_kind: str, source_id: UUID, now: datetime
) -> None:
    """Post the negative of every standing line of a source that has been corrected."""
    _negate(
        session,
        await list_standing(
            session,
            actor,
            None,
            CostLine.source_kind == source_kind,
            CostLine.source_id == source_id,
        ),
        now,
    )


def _negate(session: Session, lines: Iterable[CostLine], now: datetime, note: str = "") -> None:
    for line in lines:
        session.append(
            new_row(
                CostLine,
                **line.model_dump(
                    exclude={"id", "quantity", "amount", "price", "corrects_id", "created_at"}
                )
                | ({"note": note} if note else {}),
                quantity=-line.quantity,
                amount=-line.amount,
                price=None if line.price is None else -line.price,
                corrects_id=line.id,
                created_at=now,
            )
        )


# --- by hand ----------------------------------------------------------------------------------------------


async def post_by_hand(
    session: Session,
    actor: Actor,
    now: datetime,
    work_order_id: UUID,
    *,
    kind: CostKind,
    quantity: Decimal,
    unit: str,
    unit_cost: Decimal,
    currency: str,
    posted_on: date,
    technician_id: UUID | None = None,
    price: Decimal | None = None,
    payer: Payer | None = None,
    note: str = "",
) -> list[CostLine]:
    """Post what nobody recorded on site: a contractor's bill, overhead, a fee, money that came back.

    Who bears a cost is found by the rules unless `payer` says it. What came back names who paid it.
    """
    if kind is CostKind.RECOVERY and payer in (None, Payer.UNDECIDED, Payer.GOODWILL):
        raise Invalid(
            "Say who paid it back: manufacturer, contract or customer.", errors=[{"at": "/payer"}]
        )
    work_order = await lock_work_order(session, actor, work_order_id)
    before = {line.id for line in await list_standing(session, actor, work_order_id)}
    cost = Cost(
        kind=kind,
        quantity=quantity,
        unit=unit,
        unit_cost=unit_cost,
        amount=cost_of(quantity, unit_cost, currency),
        currency=currency,
        posted_on=posted_on,
        source_kind=BY_HAND,
        source_id=None,
        technician_id=technician_id,
        price=price,
        note=note,
    )
    decided = None if payer is None else Decision(payer, DecidedBy.DECIDED, note)
    await post(session, actor, work_order, cost, now, decided=decided)
    posted = [
        line for line in await list_standing(session, actor, work_order_id) if line.id not in before
    ]
    await events.record(
        session,
        actor,
        "cost.posted",
        "work_order",
        work_order_id,
        now=now,
        line_ids=[str(line.id) for line in posted],
        cost_kind=str(kind),
        amount=str(cost.amount),
        currency=currency,
    )
    return posted


async def take_back_line(
    session: Session, actor: Actor, now: datetime, line_id: UUID, *, reason: str
) -> CostLine:
    """Post a line's negative, with the reason; what stands in its place is posted by hand."""
    line = await _find_line(session, actor, line_id)
    await lock_work_order(session, actor, line.work_order_id)
    if line.corrects_id is not None:
        raise Conflict("This line itself takes another one back. Post the right one by hand.")
    _negate(session, [line], now, reason)
    await session.flush()
    await events.record(
        session,
        actor,
        "cost.taken_back",
        "work_order",
        line.work_order_id,
        now=now,
        line_ids=[str(line.id)],
        reason=reason,
    )
    statement = select(CostLine).where(
        CostLine.tenant_id == actor.tenant_id, CostLine.corrects_id == line_id
    )
    return (await session.exec(statement)).one()


async def _find_line(session: Session, actor: Actor, line_id: UUID) -> CostLine:
    statement = select(CostLine).where(
        CostLine.tenant_id == actor.tenant_id, CostLine.id == line_id
    )
    return await session.found(statement, f"No line {line_id} in the ledger.")


# --- several assets ---------------------------------------------------------------------------------------


async def list_job_assets(session: Session, work_order: WorkOrder) -> list[JobShare]:
    """Return the assets that a job is for, with their weights and contracts."""
    return [share for share in await list_shares(session, work_order) if share.asset_id is not None]


async def set_job_assets(
    session: Session,
    actor: Actor,
    now: datetime,
    work_order_id: UUID,
    weights: Mapping[UUID, Decimal],
) -> list[JobShare]:
    """Divide a job's costs over assets of its customer by weight, those already posted too.

    Each part falls under the contract that covers the work on its asset. Without weights the job is again
    for its own asset alone.
    """
    work_order = await lock_work_order(session, actor, work_order_id)
    statement = select(Asset.id).where(
        Asset.tenant_id == actor.tenant_id,
        Asset.customer_id == work_order.customer_id,
        col(Asset.id).in_(list(weights)),
    )
    known = set(await session.exec(statement))
    if unknown := sorted(set(weights) - known, key=str):
        detail = f"The job's customer has no asset {unknown[0]}."
        raise Invalid(detail, errors=[{"at": "/assets", "detail": detail}])
    await session.exec(
        delete(WorkOrderAsset).where(
            col(WorkOrderAsset.tenant_id) == actor.tenant_id,
            col(WorkOrderAsset.work_order_id) == work_order_id,
        )
    )
    for asset_id, weight in sorted(weights.items(), key=lambda one: str(one[0])):
        session.add(
            WorkOrderAsset(
                tenant_id=actor.tenant_id,
                work_order_id=work_order_id,
                asset_id=asset_id,
                contract_id=await _contract_of(session, actor, work_order, asset_id),
                weight=weight,
            )
        )
    await session.flush()
    await events.record(
        session,
        actor,
        "work_order.assets_set",
        "work_order",
        work_order_id,
        now=now,
        weights={str(asset_id): str(weight) for asset_id, weight in weights.items()},
    )
    await _divide_again(session, actor, work_order, now)
    return await list_job_assets(session, work_order)


async def _contract_of(
    session: Session, actor: Actor, work_order: WorkOrder, asset_id: UUID
) -> UUID | None:
    """Return the contract under which this job's work on an asset falls; of its own one, the job's."""
    if asset_id == work_order.asset_id:
        return work_order.contract_id
    statement = select(WorkType.code).where(
        WorkType.tenant_id == actor.tenant_id, WorkType.id == work_order.work_type_id
    )
    cover = await contracts.find_cover(
        session,
        actor,
        asset_id=asset_id,
        customer_id=work_order.customer_id,
        at=work_order.reported_at,
        zone=work_order.zone,
        request_class=work_order.request_class,
        maintenance=work_order.maintenance,
        work_type_code=(await session.exec(statement)).one(),
    )
    return None if cover is None else cover.contract_id


async def _divide_again(
    session: Session, actor: Actor, work_order: WorkOrder, now: datetime
) -> None:
    """Take back what stands on a job and post the same costs over the assets that it is for now."""
    lines = await list_standing(session, actor, work_order.id)
    _negate(session, lines, now)
    originals = await _original_parts(session, actor, lines)
    for same in _by_cost(lines):
        amount = sum((line.amount for line in same), Decimal(0))
        quantity = sum((line.quantity for line in same), Decimal(0))
        if not amount and not quantity:
            continue
        await post(
            session,
            actor,
            work_order,
            _cost_of_lines(same, amount, quantity, originals),
            now,
            decided=decided_by_hand(same[0]),
        )
    await session.flush()


def _by_cost(lines: Sequence[CostLine]) -> list[list[CostLine]]:
    """Return lines in groups that were one cost before they were divided."""
    groups: dict[tuple[Any, ...], list[CostLine]] = {}
    for line in lines:
        key = (
            *(line.kind, line.unit, line.unit_cost, line.currency, line.posted_on),
            *(line.source_kind, line.source_id, line.technician_id, line.note),
            decided_by_hand(line),
            line.price is None,
        )
        groups.setdefault(key, []).append(line)
    return list(groups.values())


def decided_by_hand(line: CostLine) -> Decision | None:
    """Return what a person decided about a line, None where rules did."""
    if line.payer_rule != DecidedBy.DECIDED or line.payer is None:
        return None
    return Decision(Payer(line.payer), line.payer_rule, line.payer_ground)


def _cost_of_lines(
    lines: Sequence[CostLine],
    amount: Decimal,
    quantity: Decimal,
    originals: Mapping[UUID, bool],
) -> Cost:
    first = lines[0]
    prices = [line.price for line in lines if line.price is not None]
    return Cost(
        kind=CostKind(first.kind),
        quantity=quantity,
        unit=first.unit,
        unit_cost=first.unit_cost,
        amount=amount,
        currency=first.currency,
        posted_on=first.posted_on,
        source_kind=first.source_kind,
        source_id=first.source_id,
        technician_id=first.technician_id,
        price=sum(prices, Decimal(0)) if prices else None,
        is_original=None if first.source_id is None else originals.get(first.source_id),
        note=first.note,
    )


async def _original_parts(
    session: Session, actor: Actor, lines: Iterable[CostLine]
) -> dict[UUID, bool]:
    """Return of the parts that lines are for whether they are original, by the use of the part."""
    used = [line.source_id for line in lines if line.source_kind == "part_used"]
    statement = (
        select(PartUsed.id, Part.is_original)
        .join(
            Part, (col(Part.tenant_id) == PartUsed.tenant_id) & (col(Part.id) == PartUsed.part_id)
        )
        .where(PartUsed.tenant_id == actor.tenant_id, col(PartUsed.id).in_(used))
    )
    return dict((await session.exec(statement)).all())


# --- who pays ---------------------------------------------------------------------------------------------


async def assign_payer(
    session: Session,
    actor: Actor,
    now: datetime,
    work_order_id: UUID,
    *,
    payer: Payer,
    ground: str,
    line_ids: Sequence[UUID] = (),
) -> list[CostLine]:
    """Have somebody else bear lines of a job, all that stand unless some are named, on a stated ground.

    This is how a manufacturer's refusal, or our own goodwill, comes into the ledger.
    """
    await lock_work_order(session, actor, work_order_id)
    lines = await list_standing(session, actor, work_order_id)
    if unknown := set(line_ids) - {line.id for line in lines}:
        detail = f"No line {min(unknown, key=str)} stands on this job."
        raise Invalid(detail, errors=[{"at": "/line_ids", "detail": detail}])
    decision = Decision(payer, DecidedBy.DECIDED, ground)
    moved = [
        line
        for line in lines
        if (not line_ids or line.id in line_ids)
        and line.kind != CostKind.RECOVERY
        and (line.payer, line.payer_rule, line.payer_ground)
        != (decision.payer, decision.rule, decision.ground)
    ]
    await _bear_anew(session, actor, now, work_order_id, [(line, decision) for line in moved])
    return await list_standing(session, actor, work_order_id)


async def decide_again(
    session: Session, actor: Actor, now: datetime, work_order_id: UUID
) -> list[CostLine]:
    """Ask the rules again about the lines of a job that were undecided; return those that stand now."""
    work_order = await lock_work_order(session, actor, work_order_id)
    lines = await list_standing(
        session, actor, work_order_id, CostLine.payer == str(Payer.UNDECIDED)
    )
    originals = await _original_parts(session, actor, lines)
    decided = []
    for line in lines:
        share = JobShare(line.asset_id, line.contract_id)
        cost = _cost_of_lines([line], line.amount, line.quantity, originals)
        decision = await who_pays(session, actor, work_order, share, cost)
        if decision.payer is not Payer.UNDECIDED:
            decided.append((line, decision))
    await _bear_anew(session, actor, now, work_order_id, decided)
    return await list_standing(session, actor, work_order_id)


async def _bear_anew(
    session: Session,
    actor: Actor,
    now: datetime,
    work_order_id: UUID,
    decided: Sequence[tuple[CostLine, Decision]],
) -> None:
    """Take lines back and post each again with another payer, its amount untouched."""
    if not decided:
        return
    _negate(session, [line for line, _ in decided], now)
    for line, decision in decided:
        session.append(
            new_row(
                CostLine,
                **line.model_dump(
                    exclude={"id", "payer", "payer_rule", "payer_ground", "created_at"}
                ),
                payer=decision.payer,
                payer_rule=decision.rule,
                payer_ground=decision.ground,
                created_at=now,
            )
        )
    await session.flush()
    await events.record(
        session,
        actor,
        "cost.payer_decided",
        "work_order",
        work_order_id,
        now=now,
        lines=[
            {
                "line_id": str(line.id),
                "was": line.payer,
                "payer": str(decision.payer),
                "rule": decision.rule,
                "ground": decision.ground,
            }
            for line, decision in decided
        ],
    )
