"""Prices of wider jobs put to the customer: offered, opened by their link, approved, refused, withdrawn.

An offer is the office's word at that price: the customer's approval is all that is missing, and confirms the
change. A refusal ends the offer and not the change, so that the office may offer another price.
"""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from sqlmodel import col, select
from uuid_utils.compat import uuid7

from fsm import events
from fsm.actors import Actor
from fsm.appending import new_row
from fsm.canonical import canonical_json
from fsm.database import Session, touch
from fsm.parts.tables import Part
from fsm.problems import Invalid, NotFound
from fsm.tenants.tokens import Secret, read_secret
from fsm.work_orders.lifecycle import WrongStatus
from fsm.work_orders.orders import lock_work_order
from fsm.work_orders.scope_changes import queries
from fsm.work_orders.scope_changes.queries import REFUSED, Story, divide_lines, end_offer
from fsm.work_orders.scope_changes.rules import (
    Consent,
    Line,
    Offered,
    OfferOver,
    OfferState,
    expiry,
    offer_state,
    owed,
)
from fsm.work_orders.scope_changes.tables import (
    Ending,
    ScopeAnswer,
    ScopeChange,
    ScopeOffer,
    Via,
)
from fsm.work_orders.tables import Review, WorkOrder

LINK: Final = "fsmo_"
"""Prefix of the tokens in the links of offers."""
KEY: Final = "price-offer"
"""Which of the installation's keys makes them."""


# --- the link ---------------------------------------------------------------------------------------------


def offer_token(link_key: bytes, tenant_id: UUID, offer_id: UUID) -> str:
    """Return the secret of an offer's link: derived, so that a status page can lead there.

    `link_key` is `settings.derived_key(KEY)`.
    """
    seal = hmac.new(link_key, tenant_id.bytes + offer_id.bytes, sha256).digest()
    return LINK + urlsafe_b64encode(tenant_id.bytes + seal).decode().rstrip("=")


def read_offer_token(token: str) -> Secret | None:
    return read_secret(LINK, token)


@dataclass(frozen=True, slots=True)
class Put:
    """An offer with what ended it and the job that it is about."""

    offer: ScopeOffer
    answer: ScopeAnswer | None
    work_order: WorkOrder

    def state(self, now: datetime) -> OfferState:
        outcome = None if self.answer is None else self.answer.outcome
        return offer_state(outcome, self.offer.expires_at, self.work_order.status, now)

    @property
    def lines(self) -> list[Offered]:
        return [Offered.read(one) for one in self.offer.lines]


async def find_put_without_actor(session: Session, secret: Secret) -> Put:
    """Return the offer of a link, whose transaction is bound to the link's tenant."""
    statement = select(ScopeOffer).where(
        ScopeOffer.tenant_id == secret.tenant_id, ScopeOffer.token_sha256 == secret.sha256
    )
    offer: ScopeOffer = await session.found(statement, "There is no such link.")
    return await _put(session, offer)


async def find_put(session: Session, tenant_id: UUID, offer_id: UUID) -> Put:
    statement = select(ScopeOffer).where(
        ScopeOffer.tenant_id == tenant_id, ScopeOffer.id == offer_id
    )
    offer: ScopeOffer = await session.found(statement, f"No offer {offer_id}.")
    return await _put(session, offer)


async def _put(session: Session, offer: ScopeOffer) -> Put:
    job = select(WorkOrder).where(
        WorkOrder.tenant_id == offer.tenant_id, WorkOrder.id == offer.work_order_id
    )
    ended = select(ScopeAnswer).where(
        ScopeAnswer.tenant_id == offer.tenant_id, ScopeAnswer.scope_offer_id == offer.id
    )
    return Put(offer, (await session.exec(ended)).one_or_none(), (await session.exec(job)).one())


async def list_put(session: Session, actor: Actor, work_order: WorkOrder) -> list[Put]:
    """Return the last price of each wider job that is the customer's to answer, or was answered by them."""
    statement = (
        select(ScopeOffer)
        .where(ScopeOffer.tenant_id == actor.tenant_id, ScopeOffer.work_order_id == work_order.id)
        .order_by(col(ScopeOffer.id))
    )
    last = {one.scope_change_id: one for one in await session.exec(statement)}
    found = [await _put(session, offer) for offer in last.values()]
    return [one for one in found if one.answer is None or one.answer.outcome != Ending.WITHDRAWN]


# --- offered ----------------------------------------------------------------------------------------------


async def offer(
    session: Session,
    actor: Actor,
    now: datetime,
    change_id: UUID,
    *,
    link_key: bytes,
    prices: Mapping[int, Decimal],
    expires_at: datetime | None = None,
    note: str = "",
) -> tuple[Story, str]:
    """Put a price to the customer and return the secret of its link. What was offered before is withdrawn."""
    work_order, story = await queries.lock_undecided(session, actor, change_id)
    change = story.change
    expires_at = expiry(expires_at, now)
    if offer_state(None, expires_at, work_order.status, now) is OfferState.FINISHED:
        raise WrongStatus(
            f"{work_order.number} is {work_order.status}: there is nothing left to agree to beforehand. "
            "Reopen it first, or decide on this."
        )
    lines, _, divided = await divide_lines(session, actor, work_order, change, prices)
    theirs = [owed((part.decision.payer, part.price) for part in parts) for parts in divided]
    if not sum(theirs):
        detail = "The customer would pay nothing for this: confirm it without asking them."
        raise Invalid(detail, errors=[{"at": "/prices", "detail": detail}])
    await end_offer(session, actor, now, story)
    names = await _part_names(session, change, lines)
    offer_id = uuid7()
    token = offer_token(link_key, actor.tenant_id, offer_id)
    row = ScopeOffer(
        tenant_id=actor.tenant_id,
        id=offer_id,
        scope_change_id=change.id,
        work_order_id=work_order.id,
        lines=[
            Offered(
                line.kind,
                line.text or names.get(line.part_id, ""),
                line.quantity,
                line.unit,
                to_pay,
            ).stored()
            for line, to_pay in zip(lines, theirs, strict=True)
        ],
        prices=[str(line.price) for line in lines],
        price=sum(theirs, Decimal(0)),
        currency=change.currency,
        note=note,
        token_sha256=sha256(token.encode()).digest(),
        offered_at=now,
        expires_at=expires_at,
        offered_by=actor.user_id,
        by=actor.name,
    )
    session.add(row)
    touch(session, work_order)
    await session.flush()
    await queries.settle(session, actor, now, change, (REFUSED,), "offered")
    await events.record(
        session,
        actor,
        "work_order.scope_offered",
        "work_order",
        work_order.id,
        now=now,
        scope_change_id=str(change.id),
        offer_id=str(offer_id),
        price=str(row.price),
        currency=row.currency,
        expires_at=expires_at.isoformat(),
    )
    (story,) = await queries.read_stories(session, [change])
    return story, token


async def _part_names(
    session: Session, change: ScopeChange, lines: list[Line]
) -> dict[UUID | None, str]:
    ids = {line.part_id for line in lines if line.part_id is not None}
    if not ids:
        return {}
    statement = select(Part.id, Part.name).where(
        Part.tenant_id == change.tenant_id, col(Part.id).in_(ids)
    )
    return dict((await session.exec(statement)).all())


async def withdraw(session: Session, actor: Actor, now: datetime, change_id: UUID) -> Story:
    """Withdraw a price that nobody has answered; what is withdrawn or was never offered stays so."""
    work_order, story = await queries.lock_undecided(session, actor, change_id)
    await end_offer(session, actor, now, story)
    touch(session, work_order)
    return story


# --- answered ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Said:
    """What the customer says to an offer. `wording` is what they had before their eyes or heard read out."""

    approves: bool
    name: str
    ground: str
    wording: dict[str, Any]
    visitor: str = ""
    via: Via = Via.LINK


async def answer(session: Session, actor: Actor, now: datetime, offer_id: UUID, said: Said) -> Put:
    """Keep the customer's answer with its wording; said twice it is said once.

    `OfferOver` where it was withdrawn, has expired, was answered otherwise, or the job is done.
    """
    statement = select(ScopeOffer).where(
        ScopeOffer.tenant_id == actor.tenant_id, ScopeOffer.id == offer_id
    )
    row: ScopeOffer = await session.found(statement, f"No offer {offer_id}.")
    await lock_work_order(session, actor, row.work_order_id)
    put = await _put(session, row)
    state = put.state(now)
    if state == (OfferState.APPROVED if said.approves else OfferState.REFUSED):
        return put
    if state is not OfferState.OPEN:
        raise OfferOver(f"This price is {state}; it can no longer be answered.", state=state)
    outcome = Ending.APPROVED if said.approves else Ending.REFUSED
    digest = sha256(canonical_json(said.wording)).digest()
    session.append(
        new_row(
            ScopeAnswer,
            tenant_id=actor.tenant_id,
            id=uuid7(),
            scope_offer_id=row.id,
            work_order_id=row.work_order_id,
            outcome=outcome,
            name=said.name,
            ground=said.ground,
            wording=said.wording,
            wording_sha256=digest,
            visitor=said.visitor,
            answered_at=now,
            by=actor.name,
        )
    )
    await session.flush()
    await events.record(
        session,
        actor,
        "work_order.scope_answered",
        "work_order",
        row.work_order_id,
        now=now,
        scope_change_id=str(row.scope_change_id),
        offer_id=str(row.id),
        outcome=str(outcome),
        via=str(said.via),
        name=said.name,
        price=str(row.price),
        currency=row.currency,
        wording_sha256=digest.hex(),
    )
    if said.approves:
        await queries.confirm(
            session,
            actor,
            now,
            row.scope_change_id,
            prices=dict(enumerate(map(Decimal, row.prices))),
            consent=Consent(said.name, now),
            via=said.via,
            approved=row.price,
        )
    else:
        touch(session, put.work_order)
        session.add(
            Review(
                tenant_id=actor.tenant_id,
                work_order_id=row.work_order_id,
                kind=REFUSED,
                data={
                    "intent_id": str(row.scope_change_id),
                    "price": str(row.price),
                    "currency": row.currency,
                    "name": said.name,
                    "ground": said.ground,
                },
                raised_at=now,
            )
        )
        await session.flush()
    return await _put(session, row)


async def answer_for(
    session: Session,
    actor: Actor,
    now: datetime,
    change_id: UUID,
    *,
    approves: bool,
    name: str,
    via: Via,
    ground: str = "",
) -> Story:
    """Keep what the customer told the office about the price that stands: by telephone, for instance."""
    _, story = await queries.lock_story(session, actor, change_id)
    offer = story.offer
    if offer is None:
        raise NotFound("No price has been put to the customer. Offer one, or confirm this.")
    read_out = {
        "via": str(via),
        "lines": offer.lines,
        "total": str(offer.price),
        "currency": offer.currency,
        "note": offer.note,
    }
    await answer(session, actor, now, offer.id, Said(approves, name, ground, read_out, via=via))
    (story,) = await queries.read_stories(session, [story.change])
    return story
