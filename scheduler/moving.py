"""A customer who moves their own appointment: windows that fit, one taken at once or asked for.

Where the contract lets the customer move it, the window is booked. Elsewhere the time is held and the office
is asked (`Review`); booking the hold answers that.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final
from uuid import UUID

import msgspec
from sqlmodel import col, select

from fsm.actors import Actor
from fsm.contracts.tables import Contract
from fsm.database import Session
from fsm.problems import Conflict
from fsm.work_orders import orders, visits
from fsm.work_orders.lifecycle import VisitStatus
from fsm.work_orders.reviews.queries import settle_review
from fsm.work_orders.tables import Review, Visit, WorkOrder
from fsm.work_orders.threads import queries as threads
from scheduler import booking
from scheduler.booking import MOVE_ASKED, SlotTaken
from scheduler.promise_ledger.tables import Channel
from scheduler.tables import SlotHold

DAYS: Final = 7
MOST: Final = 5
NOTICE: Final = timedelta(hours=2)
"""Nearer than this nothing is offered: somebody may be under way to others by then."""
REFUSED: Final = "refused"
"""How the settlement of a wish begins that was not granted."""
HELD_FOR: Final = timedelta(hours=24)
"""How long a time is kept for the office to agree."""

_SEAL_BYTES: Final = 16
_MOVABLE = (VisitStatus.PLANNED, VisitStatus.DISPATCHED)


class NotMovable(Conflict):
    """No visit is planned, the technician is under way, or a crew is coming."""

    code, status, title = "not-movable", 409, "This appointment cannot be moved here"


class WishAnswered(Conflict):
    """Somebody of the office has answered the customer before."""

    code, status, title = "wish-answered", 409, "Answered already"


class Choice(msgspec.Struct, frozen=True, array_like=True):
    """A time that was offered for one job. Sealed, it comes back as it was given out or not at all."""

    work_order_id: UUID
    technician_id: UUID
    starts_at: datetime
    opens_at: datetime
    closes_at: datetime

    def sealed(self, key: bytes) -> str:
        body = msgspec.json.encode(self)
        return urlsafe_b64encode(_seal(key, body) + body).decode().rstrip("=")


def read_choice(key: bytes, sealed: str, work_order_id: UUID) -> Choice:
    """Return the time behind a seal. `SlotTaken` for one that was never offered for this job."""
    try:
        whole = urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
        seal, body = whole[:_SEAL_BYTES], whole[_SEAL_BYTES:]
        if hmac.compare_digest(seal, _seal(key, body)):
            choice = msgspec.json.decode(body, type=Choice)
            if choice.work_order_id == work_order_id:
                return choice
    except (ValueError, msgspec.DecodeError):
        pass
    raise SlotTaken("This time was not offered for this appointment. Choose one of the list.")


def _seal(key: bytes, body: bytes) -> bytes:
    return hmac.new(key, body, sha256).digest()[:_SEAL_BYTES]


@dataclass(frozen=True, slots=True)
class Asked:
    """A move that waits for the office's word. No window: none of the offered ones suited."""

    window: tuple[datetime, datetime] | None
    note: str


def movable(work_order: WorkOrder, of_job: Sequence[Visit]) -> Visit | None:
    """Return the visit that its customer may move: the only one that is to come, before anybody sets out."""
    coming = visits.live(of_job)
    if work_order.crew_size != 1 or len(coming) != 1 or coming[0].status not in _MOVABLE:
        return None
    return coming[0]


async def list_choices(
    session: Session, actor: Actor, now: datetime, work_order_id: UUID
) -> list[Choice]:
    """Return the windows that fit over the next days, in order of time."""
    found = await booking.list_offers(
        session, actor, now, work_order_id, days=DAYS, length_s=None, most=MOST
    )
    choices = [
        Choice(
            work_order_id,
            UUID(offer.slot.technician),
            found.day.instant(offer.slot.start),
            found.day.instant(offer.opens),
            found.day.instant(offer.closes),
        )
        for offer in found.offers
    ]
    near = now + NOTICE
    return sorted((one for one in choices if one.opens_at >= near), key=lambda one: one.opens_at)


async def is_taken_at_once(session: Session, work_order: WorkOrder) -> bool:
    """Whether the job's contract lets the customer move an appointment without asking."""
    statement = select(Contract.lets_customer_move).where(
        Contract.tenant_id == work_order.tenant_id, Contract.id == work_order.contract_id
    )
    return bool((await session.exec(statement)).one_or_none())


async def move(
    session: Session,
    actor: Actor,
    now: datetime,
    work_order_id: UUID,
    choice: Choice | None,
    note: str,
) -> bool:
    """Take a window, or ask the office for it; return whether it was taken.

    A second wish takes the place of the first, whose time is let go.
    """
    work_order = await orders.lock_work_order(session, actor, work_order_id)
    visit = movable(work_order, await orders.list_visits(session, work_order))
    if visit is None:
        raise NotMovable("The appointment can no longer be moved here. Please call the office.")
    earlier = await _find_wish(session, work_order)
    if earlier is not None and (hold_id := earlier.data["hold_id"]) is not None:
        await _let_go(session, actor, now, UUID(hold_id))
    held = None
    if choice is not None:
        if choice.opens_at < now + NOTICE:
            raise SlotTaken("This time is too near by now. Choose another one.")
        held = await _hold(session, actor, now, choice)
        if await is_taken_at_once(session, work_order):
            await booking.book(session, actor, now, held.id, channel=Channel.PORTAL)
            if earlier is not None:
                await settle_review(session, actor, now, earlier.id, booking.BOOKED)
            return True
    wish = earlier or Review(
        tenant_id=work_order.tenant_id,
        work_order_id=work_order.id,
        visit_id=visit.id,
        kind=MOVE_ASKED,
        raised_at=now,
    )
    wish.data = {
        "hold_id": None if held is None else str(held.id),
        "window": None
        if choice is None
        else [choice.opens_at.isoformat(), choice.closes_at.isoformat()],
        "note": note,
    }
    session.add(wish)
    await session.flush()
    return False


async def refuse(
    session: Session, actor: Actor, now: datetime, review_id: UUID, reason: str
) -> None:
    """Leave an appointment as it is: the time that was held is let go, and the customer is told why.

    Refused with `WishAnswered` once somebody has answered, so that nobody is told two things.
    """
    statement = select(Review).where(
        Review.tenant_id == actor.tenant_id, Review.id == review_id, Review.kind == MOVE_ASKED
    )
    wish = await session.found(statement, f"Nobody asked for another time under {review_id}.")
    assert wish.work_order_id is not None
    work_order = await orders.lock_work_order(session, actor, wish.work_order_id)
    await session.refresh(wish, with_for_update=True)
    if wish.settled_at is not None:
        raise WishAnswered(f"The customer of {work_order.number} has been answered already.")
    if wish.data["hold_id"] is not None:
        await _let_go(session, actor, now, UUID(wish.data["hold_id"]))
    await settle_review(session, actor, now, review_id, f"{REFUSED}: {reason}")
    if threads.is_open(work_order):
        await threads.write(session, actor, now, work_order.id, reason)


async def _hold(session: Session, actor: Actor, now: datetime, choice: Choice) -> SlotHold:
    until = min(now + HELD_FOR, choice.opens_at - NOTICE / 2)
    (held,) = await booking.hold(
        session,
        actor,
        now,
        work_order_id=choice.work_order_id,
        technician_id=choice.technician_id,
        starts_at=choice.starts_at,
        window=(choice.opens_at, choice.closes_at),
        minutes=max(1, int((until - now).total_seconds() // 60)),
    )
    return held


async def _let_go(session: Session, actor: Actor, now: datetime, hold_id: UUID) -> None:
    try:
        await booking.release(session, actor, now, hold_id)
    except booking.HoldOver:
        return  # it has let go by itself


async def _find_wish(session: Session, work_order: WorkOrder) -> Review | None:
    statement = (
        select(Review)
        .where(
            Review.tenant_id == work_order.tenant_id,
            Review.work_order_id == work_order.id,
            Review.kind == MOVE_ASKED,
            col(Review.settled_at).is_(None),
        )
        .order_by(col(Review.id).desc())
    )
    return (await session.exec(statement)).first()


async def find_asked(session: Session, work_order: WorkOrder) -> Asked | None:
    """Return the move that the customer has asked for and nobody has answered yet."""
    wish = await _find_wish(session, work_order)
    if wish is None:
        return None
    window = wish.data["window"]
    if window is None:
        return Asked(None, wish.data["note"])
    opens, closes = (datetime.fromisoformat(each) for each in window)
    return Asked((opens, closes), wish.data["note"])
