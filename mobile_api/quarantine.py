"""Intents that a person of the office decides on: kept as they came, released or discarded, then forgotten.

Released, an intent takes effect as if it came now, in the name of who sent it and by the device's clock of
that time. What waits for something that never came is released the same way. Nothing is decided by silence
before `KEPT_FOR` is over.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, cast
from uuid import UUID

from sqlmodel import col, not_, select

from fsm import events
from fsm.actors import Actor
from fsm.database import Session, run
from fsm.problems import Invalid, NotFound
from fsm.technicians.tables import Technician
from fsm.tenants.tables import Device, User
from fsm.tenants.tokens import DeviceRevoked
from fsm.work_orders.tables import Review
from mobile_api import feed, intent_store
from mobile_api.applying import AT_ONCE, apply_one, apply_open, hand_of_device
from mobile_api.intent_store import Waiting
from mobile_api.intents import Sent, read_intent
from mobile_api.tables import Intent, OutcomeStatus

KEPT_FOR = timedelta(days=90)
"""How long an intent that nobody released is kept."""
PATIENCE = timedelta(days=3)
"""How long an intent waits for another before a person is told."""
DECIDED = "decided"
WAITS = "waiting_intents"
_AT_ONCE = 500


async def list_undecided(
    session: Session,
    actor: Actor,
    *,
    status: OutcomeStatus,
    device_id: UUID | None,
    limit: int,
    after: UUID | None,
) -> list[Intent]:
    """Return intents of a status in order of id, without those that were discarded."""
    statement = (
        select(Intent)
        .where(
            Intent.tenant_id == actor.tenant_id,
            Intent.status == status,
            not_(cast(Any, col(Intent.outcome)).has_key("discarded_at")),
        )
        .order_by(col(Intent.id))
        .limit(limit)
    )
    if device_id is not None:
        statement = statement.where(Intent.device_id == device_id)
    if after is not None:
        statement = statement.where(Intent.id > after)
    return list(await session.exec(statement))


async def release(
    session: Session,
    actor: Actor,
    now: datetime,
    ids: Sequence[UUID],
    *,
    visit_id: UUID | None = None,
) -> list[Intent]:
    """Let quarantined or waiting intents take effect; return them with their new outcomes.

    `visit_id` puts work on a visit that was not known onto one that is. What is refused again stays in
    quarantine with the new reason, and costs no other.
    """
    found = await _lock(session, actor, ids)
    for device_id, group in groupby(found, key=lambda intent: intent.device_id):
        hand = await hand_of_device(session, actor.tenant_id, device_id, now)
        for intent in group:
            waiting = _as_waiting(intent, visit_id)
            if isinstance(waiting, Sent):
                continue
            status, outcome = await apply_one(hand, waiting, careful=True)
            outcome |= {"settled_at": now.isoformat(), "released_by": actor.name}
            await intent_store.settle(session, actor, [(intent.id, status, outcome)])
            await events.record(
                session,
                actor,
                "intent.released",
                "intent",
                intent.id,
                now=now,
                status=str(status),
                visit_id=None if visit_id is None else str(visit_id),
            )
        if hand.technician_id is not None:
            feed.mark_scope(session, feed.technician_scope(hand.technician_id))
    await _settle_reviews(session, actor, now)
    return await _read(session, actor, ids)


def _as_waiting(intent: Intent, visit_id: UUID | None) -> Waiting | Sent:
    """Return a stored intent as one that may be applied, or what cannot be understood of it today either.

    One that was kept beside another of the same id goes by the id that it is kept under.
    """
    sent = read_intent(intent.body)
    if sent.envelope is None:
        return sent
    changes: dict[str, Any] = {"id": intent.id}
    if visit_id is not None and "visit_id" in sent.envelope.data:
        changes["data"] = {**sent.envelope.data, "visit_id": str(visit_id)}
    return Waiting(intent.id, sent.envelope.model_copy(update=changes), intent.received_at)


async def discard(
    session: Session, actor: Actor, now: datetime, ids: Sequence[UUID], *, reason: str
) -> list[Intent]:
    """Decide that quarantined or waiting intents are not to take effect; they are kept as long as others."""
    for intent in await _lock(session, actor, ids):
        outcome = {
            **intent.outcome,
            "discarded_at": now.isoformat(),
            "discarded_by": actor.name,
            "reason": reason,
        }
        status = OutcomeStatus.QUARANTINED
        await intent_store.settle(session, actor, [(intent.id, status, outcome)])
        await events.record(
            session, actor, "intent.discarded", "intent", intent.id, now=now, reason=reason
        )
        await _tell(session, actor, intent.device_id)
    await _settle_reviews(session, actor, now)
    return await _read(session, actor, ids)


async def _tell(session: Session, actor: Actor, device_id: UUID) -> None:
    """Have the phones of whoever sent it see what became of it."""
    statement = (
        select(Technician.id)
        .join(
            Device,
            (col(Device.tenant_id) == Technician.tenant_id)
            & (col(Device.user_id) == Technician.user_id),
        )
        .where(Device.tenant_id == actor.tenant_id, Device.id == device_id)
    )
    for technician_id in await session.exec(statement):
        feed.mark_scope(session, feed.technician_scope(technician_id))


async def _lock(session: Session, actor: Actor, ids: Sequence[UUID]) -> list[Intent]:
    """Hold intents that somebody may decide on, in order of their devices and of the devices' numbers.

    The devices are held first, as a push does.
    """
    wanted = set(ids)
    statement = select(Intent).where(Intent.tenant_id == actor.tenant_id, col(Intent.id).in_(ids))
    known = {intent.id: intent.device_id for intent in await session.exec(statement)}
    if missing := wanted - known.keys():
        raise NotFound(f"No intent {min(missing)}.")
    for device_id in sorted(set(known.values())):
        await intent_store.lock_device_of(session, actor.tenant_id, device_id)
    statement = (
        statement.order_by(col(Intent.device_id), col(Intent.device_seq), col(Intent.id))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    found = list(await session.exec(statement))
    for intent in found:
        is_open = intent.status in (OutcomeStatus.QUARANTINED, OutcomeStatus.WAITING)
        if not is_open or "discarded_at" in intent.outcome:
            raise Invalid(
                f"The intent {intent.id} is {intent.status} and already decided.",
                errors=[{"at": "/intent_ids", "detail": "already decided"}],
            )
    return found


async def _read(session: Session, actor: Actor, ids: Sequence[UUID]) -> list[Intent]:
    statement = (
        select(Intent)
        .where(Intent.tenant_id == actor.tenant_id, col(Intent.id).in_(ids))
        .order_by(col(Intent.device_id), col(Intent.device_seq), col(Intent.id))
        .execution_options(populate_existing=True)
    )
    return list(await session.exec(statement))


async def _settle_reviews(session: Session, actor: Actor, now: datetime) -> None:
    """Rid the office of reviews whose intents are all decided."""
    await session.flush()
    settled = await run(
        session,
        """
        with open as (
          select id, outcome, body from intent where tenant_id = :t and status in ('quarantined', 'waiting')
            and not outcome ? 'discarded_at')
        update review r set settled_at = :now, settled_by = :by, settlement = :settlement
        where r.tenant_id = :t and r.settled_at is null and (
          (r.kind in ('quarantined_intents', 'waiting_intents') and not exists (
            select 1 from open where r.data -> 'intents' ? cast(open.id as text)))
          or (r.kind = 'orphan_visit' and not exists (
            select 1 from open where open.body #>> '{data,visit_id}' = r.data ->> 'visit_id')))
        returning r.id, r.kind
        """,
        t=actor.tenant_id,
        now=now,
        by=actor.user_id,
        settlement=DECIDED,
    )
    for review in settled.all():
        await events.record(
            session,
            actor,
            "review.settled",
            "review",
            review.id,
            now=now,
            review_kind=review.kind,
            settlement=DECIDED,
        )


# --- on the clock -----------------------------------------------------------------------------------------


async def go_on(session: Session, tenant_id: UUID, now: datetime) -> int:
    """Apply what waited for another device's intents and can go on; return how much took effect.

    What has waited for `PATIENCE` is put before a person. A device that was revoked meanwhile is treated as
    if it sent now: the office decides.
    """
    ready = await run(
        session,
        """
        select distinct i.device_id from intent i
        where i.tenant_id = :t and i.status = 'waiting' and not exists (
          select 1 from jsonb_array_elements_text(i.body -> 'after') a (id)
          where not exists (
            select 1 from intent d
            where d.tenant_id = :t and d.id = a.id::uuid and d.status <> 'waiting'))
        order by i.device_id limit :most
        """,
        t=tenant_id,
        most=AT_ONCE,
    )
    done = 0
    for device_id in list(ready.scalars()):
        hand = await hand_of_device(session, tenant_id, device_id, now)
        if await _is_in_use(session, tenant_id, device_id):
            done += len(await apply_open(hand, set(), set(), careful=True))
        else:
            problem = DeviceRevoked("This device or its user was put out of use.")
            waiting = await intent_store.list_waiting(session, hand.actor, _AT_ONCE)
            rows = [(one.id, *intent_store.quarantine(problem)) for one in waiting]
            await intent_store.settle(session, hand.actor, rows)
            await _tell(session, hand.actor, device_id)
    await _show_waiting(session, tenant_id, now)
    return done


async def _is_in_use(session: Session, tenant_id: UUID, device_id: UUID) -> bool:
    statement = (
        select(Device.id)
        .join(User, (col(User.tenant_id) == Device.tenant_id) & (col(User.id) == Device.user_id))
        .where(
            Device.tenant_id == tenant_id,
            Device.id == device_id,
            col(Device.revoked_at).is_(None),
            User.is_active,
        )
    )
    return (await session.exec(statement)).first() is not None


async def _show_waiting(session: Session, tenant_id: UUID, now: datetime) -> None:
    """Put what has waited for long before a person, once a device until that is settled."""
    late = await run(
        session,
        """
        select i.device_id, jsonb_agg(i.id order by i.id) as ids from intent i
        where i.tenant_id = :t and i.status = 'waiting' and i.received_at < :long_ago
          and not exists (
            select 1 from review r where r.tenant_id = :t and r.kind = :kind and r.settled_at is null
              and r.data -> 'intents' ? cast(i.id as text))
        group by i.device_id
        """,
        t=tenant_id,
        long_ago=now - PATIENCE,
        kind=WAITS,
    )
    for row in late.all():
        session.add(
            Review(
                tenant_id=tenant_id,
                kind=WAITS,
                data={"device_id": str(row.device_id), "intents": row.ids},
                raised_at=now,
            )
        )


async def forget(session: Session, actor: Actor, now: datetime) -> int:
    """Delete what has lain in quarantine for `KEPT_FOR`, and record what it was; return how much."""
    gone = await run(
        session,
        """
        delete from intent where tenant_id = :t and id in (
          select id from intent where tenant_id = :t and status = 'quarantined' and received_at < :long_ago
          order by received_at limit :most)
        returning id, device_id, type
        """,
        t=actor.tenant_id,
        long_ago=now - KEPT_FOR,
        most=_AT_ONCE,
    )
    rows = gone.all()
    for device_id in {row.device_id for row in rows}:
        await _tell(session, actor, device_id)
    for row in rows:
        await events.record(
            session,
            actor,
            "intent.forgotten",
            "intent",
            row.id,
            now=now,
            device_id=str(row.device_id),
            type=row.type,
        )
    return len(rows)
