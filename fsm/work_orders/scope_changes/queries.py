"""Wider jobs told of, priced, confirmed and refused. Nothing is ever changed: each step adds its rows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlmodel import SQLModel, col, select

from fsm import events
from fsm.actors import Actor
from fsm.appending import new_row
from fsm.contracts.coverage import Paid
from fsm.database import Session
from fsm.parts.price_list import find_cost, find_sale_price
from fsm.problems import Conflict, NotFound
from fsm.technicians import queries as technicians
from fsm.technicians.tables import RateKind
from fsm.tenants.queries import find_zone_and_currency
from fsm.work_orders.field_work import Report
from fsm.work_orders.ledger.posting import HOUR, PAID, Borne, Cost, divide_cost, post
from fsm.work_orders.lifecycle import Status, WrongStatus
from fsm.work_orders.lists import settle_review
from fsm.work_orders.orders import find_work_order, lock_work_order
from fsm.work_orders.records import CostKind, Photo, TimeKind
from fsm.work_orders.scope_changes.rules import (
    Consent,
    Line,
    Wanted,
    agreed,
    check_consent,
    priced,
    total,
)
from fsm.work_orders.scope_changes.tables import Outcome, ScopeChange, ScopeDecision, ScopeLine
from fsm.work_orders.tables import Review, WorkOrder

REVIEW = "scope_change"
"""The kind of the review that waits for the office's decision."""

_TIMES: Mapping[Paid, TimeKind] = {Paid.LABOUR: TimeKind.WORK, Paid.TRAVEL: TimeKind.TRAVEL}


@dataclass(slots=True)
class Story:
    """A wider job with all that came of it. `signature` is the state of its photo, None without one."""

    change: ScopeChange
    decision: ScopeDecision | None = None
    lines: list[ScopeLine] = field(default_factory=list)
    signature: str | None = None


# --- told on site -----------------------------------------------------------------------------------------


async def tell(
    report: Report,
    *,
    told: dict[str, Any],
    wanted: Sequence[Wanted],
    consent: Consent | None,
    change_id: UUID,
) -> ScopeChange:
    """Keep a wider job as it was told, with our own price of the day beside it, and ask the office.

    What nothing in force prices stays without a price: then so does the whole.
    """
    own = await find_zone_and_currency(report.session, report.actor.tenant_id)
    day = report.occurred.at.astimezone(ZoneInfo(report.work_order.zone)).date()
    lines = [await _price(report, one, day, own.currency) for one in wanted]
    change = new_row(
        ScopeChange,
        id=change_id,
        tenant_id=report.actor.tenant_id,
        work_order_id=report.work_order.id,
        visit_id=report.visit.id,
        technician_id=report.visit.technician_id,
        told=told,
        lines=[line.stored() for line in lines],
        currency=own.currency,
        priced_on=day,
        consent_by="" if consent is None else consent.by,
        consent_at=None if consent is None else consent.at,
        signature_id=None if consent is None else consent.signature_id,
        told_at=report.occurred.at,
        received_at=report.now,
        by=report.actor.name,
    )
    report.session.append(change)
    price = total(line.price for line in lines)
    report.review(
        REVIEW,
        intent_id=str(change_id),
        **told,
        reckoned=None if price is None else str(price),
        currency=own.currency,
    )
    await report.event(
        "visit.scope_change_suggested",
        intent_id=str(change_id),
        reckoned=None if price is None else str(price),
        currency=own.currency,
    )
    return change


async def _price(report: Report, wanted: Wanted, day: date, currency: str) -> Line:
    """Price one thing as the ledger would: a part by its list, an hour by the technician's rate.

    Overhead is not in the cost, and a rate in another currency is none.
    """
    session, actor = report.session, report.actor
    if wanted.kind is Paid.PARTS and wanted.part_id is not None:
        try:
            sale = await find_sale_price(session, actor, wanted.part_id, day, currency)
        except NotFound:  # a part that an old phone still lists
            return Line(CostKind.OTHER, wanted.quantity, text=wanted.text or str(wanted.part_id))
        return priced(
            Line(
                CostKind.PARTS,
                wanted.quantity,
                sale.unit,
                wanted.text,
                wanted.part_id,
                sale.is_original,
                await find_cost(session, actor, wanted.part_id, day, currency),
                sale.price,
            )
        )
    if wanted.kind not in _TIMES:
        return Line(CostKind.OTHER, wanted.quantity, text=wanted.text)
    who = report.visit.technician_id
    kind, cost_kind, price_kind = PAID[_TIMES[wanted.kind]]
    if await technicians.is_contractor(session, actor, who):
        kind = CostKind.CONTRACTOR

    async def rate(of: RateKind) -> Decimal | None:
        found = await technicians.find_rate(session, actor, who, of, day)
        return found.amount if found is not None and found.currency == currency else None

    return priced(
        Line(
            kind,
            wanted.quantity,
            HOUR,
            wanted.text,
            unit_cost=await rate(cost_kind),
            unit_price=await rate(price_kind),
        )
    )


# --- read -------------------------------------------------------------------------------------------------


async def list_changes(
    session: Session, actor: Actor, work_order_id: UUID, *, after: UUID | None, limit: int
) -> list[Story]:
    """Return a job's scope changes in order of id, each with its decision and what was agreed."""
    await find_work_order(session, actor, work_order_id)
    statement = (
        select(ScopeChange)
        .where(ScopeChange.tenant_id == actor.tenant_id, ScopeChange.work_order_id == work_order_id)
        .order_by(col(ScopeChange.id))
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(ScopeChange.id > after)
    return await _stories(session, (await session.exec(statement)).all())


async def _stories(session: Session, changes: Sequence[ScopeChange]) -> list[Story]:
    stories = {change.id: Story(change) for change in changes}
    if not stories:
        return []
    tenant_id = changes[0].tenant_id

    async def about(table: type[Any]) -> Iterable[Any]:
        statement = select(table).where(
            table.tenant_id == tenant_id, col(table.scope_change_id).in_(stories)
        )
        return (await session.exec(statement.order_by(table.id))).all()

    for decision in await about(ScopeDecision):
        stories[decision.scope_change_id].decision = decision
    for line in await about(ScopeLine):
        stories[line.scope_change_id].lines.append(line)
    for story in stories.values():
        story.lines.sort(key=lambda line: (line.place, line.id))
        if story.change.signature_id is not None:
            story.signature = await _signature_state(session, story.change)
    return list(stories.values())


async def _signature_state(session: Session, change: ScopeChange) -> str | None:
    """Return the state of a photo of this very job."""
    statement = select(Photo.state).where(
        Photo.tenant_id == change.tenant_id,
        Photo.work_order_id == change.work_order_id,
        Photo.id == change.signature_id,
    )
    return (await session.exec(statement)).one_or_none()


async def _lock(session: Session, actor: Actor, change_id: UUID) -> tuple[WorkOrder, ScopeChange]:
    """Return an undecided change with its job, whose row is held: two decisions come one after the other."""
    statement = select(ScopeChange).where(
        ScopeChange.tenant_id == actor.tenant_id, ScopeChange.id == change_id
    )
    missing = f"No scope change {change_id}."
    change: ScopeChange = await session.found(statement, missing)
    try:
        work_order = await lock_work_order(session, actor, change.work_order_id)
    except NotFound:
        raise NotFound(missing) from None
    (story,) = await _stories(session, [change])
    if story.decision is not None:
        raise Conflict(f"This wider job is {story.decision.outcome}; it is decided once.")
    return work_order, change


# --- decided ----------------------------------------------------------------------------------------------


async def confirm(
    session: Session,
    actor: Actor,
    now: datetime,
    change_id: UUID,
    *,
    prices: Mapping[int, Decimal],
    consent: Consent | None,
    note: str = "",
) -> Story:
    """Make a wider job what the job may cost and what is paid for it, by the rules of who pays.

    What is neither labour nor a part has no other way into the ledger, so it is posted here, at its price
    and without a cost; the bill for that is posted when it comes.
    """
    work_order, change = await _lock(session, actor, change_id)
    if work_order.status in (Status.CLOSED, Status.CANCELLED):
        raise WrongStatus(
            f"{work_order.number} is {work_order.status}: it cannot become wider. Reopen it first, "
            "or refuse this."
        )
    lines = agreed([Line.read(one) for one in change.lines], prices)
    costs = [_cost_of(line, change) for line in lines]
    divided = [await divide_cost(session, actor, work_order, cost) for cost in costs]
    check_consent(
        ((part.decision.payer, part.price or Decimal(0)) for parts in divided for part in parts),
        is_given=consent is not None or bool(change.consent_by) or change.signature_id is not None,
    )
    await _decide(session, actor, now, change, Outcome.CONFIRMED, note, consent)
    for place, (line, parts) in enumerate(zip(lines, divided, strict=True)):
        for part in parts:
            session.append(_agreed_row(change, place, line, part))
    for cost in costs:
        if cost.kind is CostKind.OTHER:
            await post(session, actor, work_order, cost, now)
    await session.flush()
    (story,) = await _stories(session, [change])
    await events.record(
        session,
        actor,
        "work_order.scope_confirmed",
        "work_order",
        work_order.id,
        now=now,
        scope_change_id=str(change.id),
        price=str(total(line.price for line in lines)),
        currency=change.currency,
        payers={str(line.payer): str(_paid_by(story, line.payer)) for line in story.lines},
        consent_by=consent.by if consent is not None else change.consent_by,
    )
    return story


def _paid_by(story: Story, payer: str) -> Decimal:
    return sum((line.price for line in story.lines if line.payer == payer), Decimal(0))


def _cost_of(line: Line, change: ScopeChange) -> Cost:
    return Cost(
        kind=CostKind(line.kind),
        quantity=line.quantity,
        unit=line.unit,
        unit_cost=line.unit_cost or Decimal(0),
        amount=line.cost or Decimal(0),
        currency=change.currency,
        posted_on=change.priced_on,
        source_kind="scope_change",
        source_id=change.id,
        technician_id=change.technician_id if line.unit == HOUR else None,
        price=line.price,
        is_original=line.is_original,
        note=line.text,
    )


def _agreed_row(change: ScopeChange, place: int, line: Line, part: Borne) -> SQLModel:
    return new_row(
        ScopeLine,
        tenant_id=change.tenant_id,
        scope_change_id=change.id,
        work_order_id=change.work_order_id,
        place=place,
        asset_id=part.share.asset_id,
        contract_id=part.share.contract_id,
        part_id=line.part_id,
        kind=line.kind,
        text=line.text,
        quantity=part.quantity,
        unit=line.unit,
        cost=None if line.cost is None else part.amount,
        price=part.price,
        currency=change.currency,
        payer=part.decision.payer,
        payer_rule=part.decision.rule,
        payer_ground=part.decision.ground,
    )


async def refuse(
    session: Session, actor: Actor, now: datetime, change_id: UUID, *, ground: str
) -> Story:
    """Keep the job as it was, on a stated ground."""
    work_order, change = await _lock(session, actor, change_id)
    await _decide(session, actor, now, change, Outcome.REFUSED, ground, None)
    await events.record(
        session,
        actor,
        "work_order.scope_refused",
        "work_order",
        work_order.id,
        now=now,
        scope_change_id=str(change.id),
        ground=ground,
    )
    (story,) = await _stories(session, [change])
    return story


async def _decide(
    session: Session,
    actor: Actor,
    now: datetime,
    change: ScopeChange,
    outcome: Outcome,
    ground: str,
    consent: Consent | None,
) -> None:
    """Write the decision and settle the review that asked for it."""
    session.add(
        ScopeDecision(
            tenant_id=actor.tenant_id,
            scope_change_id=change.id,
            outcome=outcome,
            ground=ground,
            consent_by="" if consent is None else consent.by,
            consent_at=None if consent is None else consent.at,
            decided_at=now,
            decided_by=actor.user_id,
            by=actor.name,
        )
    )
    await session.flush()
    waiting = select(Review.id).where(
        Review.tenant_id == actor.tenant_id,
        Review.work_order_id == change.work_order_id,
        Review.kind == REVIEW,
        col(Review.settled_at).is_(None),
        col(Review.data)["intent_id"].astext == str(change.id),
    )
    for review_id in (await session.exec(waiting)).all():
        await settle_review(session, actor, now, review_id, str(outcome))
