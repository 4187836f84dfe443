"""Windows that people set by hand, at the desk or through the API, entered in the ledger as what they are."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlmodel import select

from fsm.actors import system_actor
from fsm.database import Session
from fsm.events import Event
from fsm.jobs import Job
from fsm.work_orders import visits
from scheduler.promise_ledger.queries import ByHand, tell
from scheduler.promise_ledger.tables import Channel, PromiseTold
from scheduler.promise_ledger.telling import LONGEST, stated_of
from scheduler.promises.keeping import Asker


async def note_window(session: Session, job: Job) -> None:
    """Enter a window that a person set: who, when, why. What is longer than a window is no promise.

    Who set it stands in the event; noting it twice enters it once.
    """
    actor = system_actor(job.tenant_id, "promises")
    event_id = UUID(job.data["event_id"])
    opens_at, closes_at = (
        datetime.fromisoformat(job.data[name]) for name in ("window_starts_at", "window_ends_at")
    )
    if not timedelta(0) < closes_at - opens_at <= LONGEST:
        return
    visit = await visits.find_visit(session, actor, UUID(job.data["entity_id"]))
    await visits.lock_visit(session, actor, visit.id)
    if await session.get(PromiseTold, (actor.tenant_id, event_id)) is not None:
        return
    statement = select(Event).where(Event.tenant_id == actor.tenant_id, Event.id == event_id)
    event = (await session.exec(statement)).one()
    window = opens_at, closes_at
    stated = await stated_of(session, actor, event.received_at, [(visit, window)])
    await tell(
        session,
        actor,
        event.received_at,
        work_order_id=visit.work_order_id,
        visit_id=visit.id,
        window=window,
        channel=Channel.OFFICE,
        sent_at=event.received_at,
        asked_by=Asker.CUSTOMER if job.data["asked_by_customer"] else Asker.COMPANY,
        stated=stated.get(visit.id),
        by_hand=ByHand(event_id, event.actor_name, job.data["reason"]),
    )
