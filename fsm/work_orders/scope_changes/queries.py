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
from fsm.database import Session, touch
from fsm.parts.price_list import find_cost, find_sale_price
from fsm.problems import Conflict, NotFound
from fsm.technicians import queries as technicians
from fsm.technicians.tables import RateKind
from fsm.tenants.queries import find_zone_and_currency
from fsm.work_orders.field_work import Report
from fsm.work_orders.ledger.posting import HOUR, PAID, Borne, Cost, divide_cost, post
from fsm.work_orders.lifecycle import Status, WrongStatus
from fsm.work_orders.orders import find_work_order, lock_work_order
from fsm.work_orders.records import CostKind, Photo, TimeKind
from fsm.work_orders.reviews.queries import settle_review
from fsm.work_orders.scope_changes.rules import (
    Consent,
    Line,
    OfferOver,
    Wanted,
    agreed,
    check_consent,
    owed,
    priced,
    total,
)
from fsm.work_orders.scope_changes.tables import (
    Ending,
    Outcome,
    ScopeAnswer,
    ScopeChange,
    ScopeDecision,
    ScopeLine,
    ScopeOffer,
    Via,
)
from fsm.work_orders.tables import Review, WorkOrder

REVIEW = "scope_change"
"""The kind of the review that waits for the office's decision."""
REFUSED = "scope_price_refused"
"""The kind of the review that says that the customer refused the price which they were offered."""

_TIMES: Mapping[Paid, TimeKind] = {Paid.LABOUR: TimeKind.WORK, Paid.TRAVEL: TimeKind.TRAVEL}


@dataclass(slots=True)
class Story:
    """A wider job with all that came of it. `signature` is the state of its photo, None without one.

    `offer` is the last price that was put to the customer, `answer` what ended that.
    """

    change: ScopeChange
    decision: ScopeDecision | None = None
    lines: list[ScopeLine] = field(default_factory=list)
    signature: str | None = None
    offer: ScopeOffer | None = None
    answer: ScopeAnswer | None = None


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
    touch(report.session, report.work_order)
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
            ),
            currency,
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
        ),
        currency,
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
    return await read_stories(session, (await session.exec(statement)).all())


async def read_stories(session: Session, changes: Sequence[ScopeChange]) -> list[Story]:
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
    for offer in await about(ScopeOffer):  # in order of id: the last one counts
        stories[offer.scope_change_id].offer = offer
    offers = {one.offer.id: one for one in stories.values() if one.offer is not None}
    if offers:
        ended = select(ScopeAnswer).where(
            ScopeAnswer.tenant_id == tenant_id, col(ScopeAnswer.scope_offer_id).in_(offers)
        )
        for answer in await session.exec(ended):
            offers[answer.scope_offer_id].answer = answer
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


async def lock_story(session: Session, actor: Actor, change_id: UUID) -> tuple[WorkOrder, Story]:
    """Return a change with its job, whose row is held: what is said of it comes one after the other."""
    statement = select(ScopeChange).where(
        ScopeChange.tenant_id == actor.tenant_id, ScopeChange.id == change_id
    )
    missing = f"No scope change {change_id}."
    change: ScopeChange = await session.found(statement, missing)
    try:
        work_order = await lock_work_order(session, actor, change.work_order_id)
    except NotFound:
        raise NotFound(missing) from None
    (story,) = await read_stories(session, [change])
    return work_order, story


async def lock_undecided(
    session: Session, actor: Actor, change_id: UUID
) -> tuple[WorkOrder, Story]:
    """Return a change that is still to be decided, as `lock_story` does."""
    work_order, story = await lock_story(session, actor, change_id)
    if story.decision is not None:
        raise Conflict(f"This wider job is {story.decision.outcome}; it is decided once.")
    return work_order, story


# --- decided ----------------------------------------------------------------------------------------------


async def confirm(
    session: Session,
    actor: Actor,
    now: datetime,
    change_id: UUID,
    *,
    prices: Mapping[int, Decimal],
    consent: Consent | None,
    via: Via | None = None,
    approved: Decimal | None = None,
    note: str = "",
) -> Story:
    """Make a wider job what the job may cost and what is paid for it, by the rules of who pays.

    Prices that are not given are those of a standing offer, else ours. `approved` is what the customer has
    agreed to pay by that: refused if by now it would be something else. What is neither labour nor a part
    has no other way into the ledger, so it is posted here, at its price and without a cost; the bill for that
    is posted when it comes.
    """
    work_order, story = await lock_undecided(session, actor, change_id)
    change = story.change
    if work_order.status in (Status.CLOSED, Status.CANCELLED):
        raise WrongStatus(
            f"{work_order.number} is {work_order.status}: it cannot become wider. Reopen it first, "
            "or refuse this."
        )
    if story.offer is not None and story.answer is None:
        prices = dict(enumerate(map(Decimal, story.offer.prices))) | dict(prices)
    lines, costs, divided = await divide_lines(session, actor, work_order, change, prices)
    to_pay = _to_pay(divided)
    if approved is not None and to_pay != approved:
        raise OfferOver(
            "Who pays for this has changed since the price was offered. Please ask for a new price.",
            state="withdrawn",
        )
    check_consent(to_pay, is_given=consent is not None or _is_agreed_on_site(story))
    await end_offer(session, actor, now, story)
    await decide(session, actor, now, change, Outcome.CONFIRMED, note, consent, via)
    touch(session, work_order)
    for place, (line, parts) in enumerate(zip(lines, divided, strict=True)):
        for part in parts:
            session.append(_agreed_row(change, place, line, part))
    for cost in costs:
        if cost.kind is CostKind.OTHER:
            await post(session, actor, work_order, cost, now)
    await session.flush()
    (story,) = await read_stories(session, [change])
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
        consent_via=via,
    )
    return story


async def divide_lines(
    session: Session,
    actor: Actor,
    work_order: WorkOrder,
    change: ScopeChange,
    prices: Mapping[int, Decimal],
) -> tuple[list[Line], list[Cost], list[list[Borne]]]:
    """Return a change's lines at these prices or ours, each as a cost, and who bears what of it today."""
    lines = agreed([Line.read(one) for one in change.lines], prices)
    costs = [_cost_of(line, change) for line in lines]
    return lines, costs, [await divide_cost(session, actor, work_order, cost) for cost in costs]


def _is_agreed_on_site(story: Story) -> bool:
    """Whether the consent told on site still holds: who refuses the price later has taken it back."""
    if story.answer is not None and story.answer.outcome == Ending.REFUSED:
        return False
    return bool(story.change.consent_by) or story.change.signature_id is not None


def _to_pay(divided: Iterable[Iterable[Borne]]) -> Decimal:
    return owed((part.decision.payer, part.price) for parts in divided for part in parts)


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
    work_order, story = await lock_undecided(session, actor, change_id)
    change = story.change
    await end_offer(session, actor, now, story)
    await decide(session, actor, now, change, Outcome.REFUSED, ground, None, None)
    touch(session, work_order)
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
    (story,) = await read_stories(session, [change])
    return story


async def decide(
    session: Session,
    actor: Actor,
    now: datetime,
    change: ScopeChange,
    outcome: Outcome,
    ground: str,
    consent: Consent | None,
    via: Via | None,
) -> None:
    """Write the decision and settle the reviews that asked for it."""
    session.add(
        ScopeDecision(
            tenant_id=actor.tenant_id,
            scope_change_id=change.id,
            outcome=outcome,
            ground=ground,
            consent_by="" if consent is None else consent.by,
            consent_at=None if consent is None else consent.at,
            consent_via=None if consent is None else via,
            decided_at=now,
            decided_by=actor.user_id,
            by=actor.name,
        )
    )
    await session.flush()
    await settle(session, actor, now, change, (REVIEW, REFUSED), str(outcome))


async def settle(
    session: Session,
    actor: Actor,
    now: datetime,
    change: ScopeChange,
    kinds: Sequence[str],
    settlement: str,
) -> None:
    """Settle the open reviews of these kinds about a change."""
    waiting = select(Review.id).where(
        Review.tenant_id == actor.tenant_id,
        Review.work_order_id == change.work_order_id,
        col(Review.kind).in_(kinds),
        col(Review.settled_at).is_(None),
        col(Review.data)["intent_id"].astext == str(change.id),
    )
    for review_id in (await session.exec(waiting)).all():
        await settle_review(session, actor, now, review_id, settlement)


async def end_offer(session: Session, actor: Actor, now: datetime, story: Story) -> None:
    """Withdraw the price that the customer could still approve, if there is one."""
    offer = story.offer
    if offer is None or story.answer is not None:
        return
    story.answer = ScopeAnswer(
        tenant_id=actor.tenant_id,
        scope_offer_id=offer.id,
        work_order_id=offer.work_order_id,
        outcome=Ending.WITHDRAWN,
        answered_at=now,
        by=actor.name,
    )
    session.add(story.answer)
    await session.flush()
    await events.record(
        session,
        actor,
        "work_order.scope_offer_withdrawn",
        "work_order",
        offer.work_order_id,
        now=now,
        scope_change_id=str(offer.scope_change_id),
        offer_id=str(offer.id),
    )
