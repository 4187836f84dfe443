"""What phones reported on a closed job, applied when the office reopens it.

A closed job is final, so that what still comes is stored, answered `late` and put before a person. When the
job is reopened, each such intent takes effect as if it came now, in the name of who sent it and by the
device's clock of that time; the person is rid of it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlmodel import col, select

from fsm import events
from fsm.actors import Actor, system_actor
from fsm.database import Session, run, touch
from fsm.work_orders.lifecycle import Status
from fsm.work_orders.orders import lock_work_order
from fsm.work_orders.tables import Review
from mobile_api import feed, intent_store
from mobile_api.applying import apply_one, hand_of_device
from mobile_api.handlers import LATE_FACT
from mobile_api.intent_store import Waiting
from mobile_api.intents import Envelope
from mobile_api.tables import Intent, OutcomeStatus

SETTLEMENT = "applied_on_reopening"


async def apply_held(session: Session, tenant_id: UUID, work_order_id: UUID, now: datetime) -> int:
    """Apply what is held of a reopened job, in the order it was received; return how much took effect.

    What is refused keeps its review, and its device learns why. Running it again finds nothing left; a job
    that has been closed again meanwhile waits for its next reopening.
    """
    actor = system_actor(tenant_id, "reopening")
    held = await _list_held(session, tenant_id, work_order_id)
    if not held:
        return 0
    # In the order of a push: the devices first, then the job.
    hands = {}
    for device_id in sorted({intent.device_id for _, intent in held}):
        hands[device_id] = await hand_of_device(session, tenant_id, device_id, now)
    work_order = await lock_work_order(session, actor, work_order_id)
    if work_order.status == Status.CLOSED:
        return 0
    applied = 0
    for review, intent in await _list_held(session, tenant_id, work_order_id):
        hand = hands.get(intent.device_id)
        if (
            hand is None
        ):  # sent while we waited for the job; its own push held it, the next run takes it
            continue
        hand.offset = timedelta(milliseconds=int(review.data.get("offset_ms", 0)))
        envelope = Envelope.model_validate(intent.body)
        status, outcome = await apply_one(
            hand, Waiting(intent.id, envelope, intent.received_at), careful=True
        )
        outcome["settled_at"] = now.isoformat()
        await intent_store.settle(session, hand.actor, [(intent.id, status, outcome)])
        if hand.technician_id is not None:
            feed.mark_scope(session, feed.technician_scope(hand.technician_id))
        if status == OutcomeStatus.APPLIED:
            applied += 1
            await _settle(session, actor, now, review)
    touch(session, await lock_work_order(session, actor, work_order_id))
    return applied


async def _list_held(
    session: Session, tenant_id: UUID, work_order_id: UUID
) -> Sequence[tuple[Review, Intent]]:
    reviews = {
        UUID(review.data["intent_id"]): review
        for review in await session.exec(
            select(Review).where(
                Review.tenant_id == tenant_id,
                Review.work_order_id == work_order_id,
                Review.kind == LATE_FACT,
                col(Review.settled_at).is_(None),
            )
        )
    }
    statement = (
        select(Intent)
        .where(Intent.tenant_id == tenant_id, col(Intent.id).in_(reviews))
        .order_by(col(Intent.received_at), col(Intent.device_seq), col(Intent.id))
    )
    return [(reviews[intent.id], intent) for intent in await session.exec(statement)]


async def _settle(session: Session, actor: Actor, now: datetime, review: Review) -> None:
    await run(
        session,
        "update review set settled_at = :now, settlement = :settlement"
        " where tenant_id = :t and id = :id and settled_at is null",
        t=actor.tenant_id,
        id=review.id,
        now=now,
        settlement=SETTLEMENT,
    )
    await events.record(
        session,
        actor,
        "review.settled",
        "review",
        review.id,
        now=now,
        review_kind=LATE_FACT,
        settlement=SETTLEMENT,
    )
