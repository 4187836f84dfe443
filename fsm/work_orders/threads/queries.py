"""Messages written and read. Whoever is on the job reads them on the phone, without anybody in between."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlmodel import col, or_, select
from uuid_utils.compat import uuid7

from fsm import events
from fsm.actors import Actor
from fsm.assets.visitor_limits import Limit, check_limits
from fsm.database import Session, touch
from fsm.work_orders.field_work import Report
from fsm.work_orders.lifecycle import Status, VisitStatus, WrongStatus
from fsm.work_orders.orders import find_work_order, list_visits, lock_work_order
from fsm.work_orders.tables import RequestSource, Review, ServiceRequest, WorkOrder
from fsm.work_orders.threads.tables import Author, Message

UNREAD: Final = "message_unread"
"""The kind of the review that a customer's message opens while no technician has the job."""

CALLERS_LIMITS = (
    Limit("request_id", 10, timedelta(minutes=10)),
    Limit("request_id", 60, timedelta(days=1)),
)
"""What may be written through one link."""

_WITH_A_TECHNICIAN = frozenset(
    {VisitStatus.DISPATCHED, VisitStatus.TRAVELLING, VisitStatus.ON_SITE, VisitStatus.PAUSED}
)
_ENDED = (Status.CLOSED, Status.CANCELLED)


async def list_messages(
    session: Session, actor: Actor, work_order_id: UUID, *, after: UUID | None, limit: int
) -> Sequence[Message]:
    """Return a job's messages in the order in which they came."""
    await find_work_order(session, actor, work_order_id)
    statement = (
        select(Message)
        .where(Message.tenant_id == actor.tenant_id, Message.work_order_id == work_order_id)
        .order_by(col(Message.id))
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(Message.id > after)
    return (await session.exec(statement)).all()


async def list_for_link(
    session: Session, reported: ServiceRequest, work_order_id: UUID, limit: int = 50
) -> list[Message]:
    """Return the last messages that the holder of a status link may read.

    A passer-by, who came by a label, reads the office's and the technician's answers and their own words:
    what the customer wrote is not theirs.
    """
    statement = (
        select(Message)
        .where(Message.tenant_id == reported.tenant_id, Message.work_order_id == work_order_id)
        .order_by(col(Message.id).desc())
        .limit(limit)
    )
    if reported.source == RequestSource.PASSPORT:
        own = col(Message.request_id) == reported.id
        statement = statement.where(or_(Message.author != Author.CUSTOMER, own))
    return list(reversed((await session.exec(statement)).all()))


async def write(
    session: Session,
    actor: Actor,
    now: datetime,
    work_order_id: UUID,
    text: str,
    *,
    reported: ServiceRequest | None = None,
) -> Message:
    """Write as the office, as a customer's user, or (`reported`) as the holder of a status link.

    While nobody has the job on a phone, a customer's message waits before the office; its answer settles
    that.
    """
    work_order = await lock_work_order(session, actor, work_order_id)
    check_open(work_order)
    is_customer = reported is not None or actor.customer_id is not None
    if reported is not None:
        limited = {"request_id": reported.id}
        await check_limits(
            session, Message, "written_at", CALLERS_LIMITS, limited, actor.tenant_id, now
        )
    message = Message(
        tenant_id=actor.tenant_id,
        id=uuid7(),
        work_order_id=work_order.id,
        request_id=None if reported is None else reported.id,
        user_id=actor.user_id,
        author=Author.CUSTOMER if is_customer else Author.OFFICE,
        name=actor.name if reported is None else reported.contact_name,
        text=text,
        written_at=now,
        received_at=now,
    )
    session.add(message)
    await session.flush()
    await _tell(session, actor, work_order, message, now)
    if is_customer:
        await _await_office(session, work_order, now)
    else:
        await _answered(session, actor, work_order, now)
    return message


async def write_from_visit(report: Report, text: str) -> None:
    """Write as the technician of a visit.

    The id is made here, not by the phone: it says when the message came to be read, whatever the phone's
    clock says.
    """
    actor = report.actor
    message_id = uuid7()
    report.session.add(
        Message(
            tenant_id=actor.tenant_id,
            id=message_id,
            work_order_id=report.work_order.id,
            visit_id=report.visit.id,
            user_id=actor.user_id,
            author=Author.TECHNICIAN,
            name=actor.name,
            text=text,
            written_at=report.occurred.at,
            received_at=report.received_at,
        )
    )
    await report.event("message.added", message_id=str(message_id))
    touch(report.session, report.work_order)


def is_open(work_order: WorkOrder) -> bool:
    """Whether anybody still reads what is written."""
    return work_order.status not in _ENDED


def check_open(work_order: WorkOrder) -> None:
    if not is_open(work_order):
        raise WrongStatus(
            f"{work_order.number} is {work_order.status}; nobody reads its messages any more. "
            "Report a new problem instead."
        )


async def _tell(
    session: Session, actor: Actor, work_order: WorkOrder, message: Message, now: datetime
) -> None:
    # What was said stays out of the history, which nobody can ever edit.
    await events.record(
        session,
        actor,
        "message.added",
        "work_order",
        work_order.id,
        now=now,
        message_id=str(message.id),
        author=message.author,
    )
    touch(session, work_order)


async def _await_office(session: Session, work_order: WorkOrder, now: datetime) -> None:
    of_job = await list_visits(session, work_order)
    if any(visit.status in _WITH_A_TECHNICIAN for visit in of_job):
        return
    if await _find_unread(session, work_order) is None:
        session.add(
            Review(
                tenant_id=work_order.tenant_id,
                work_order_id=work_order.id,
                kind=UNREAD,
                raised_at=now,
            )
        )
        await session.flush()


async def _answered(session: Session, actor: Actor, work_order: WorkOrder, now: datetime) -> None:
    unread = await _find_unread(session, work_order)
    if unread is not None:
        unread.settled_at, unread.settled_by, unread.settlement = now, actor.user_id, "answered"
        await session.flush()


async def _find_unread(session: Session, work_order: WorkOrder) -> Review | None:
    statement = select(Review).where(
        Review.tenant_id == work_order.tenant_id,
        Review.work_order_id == work_order.id,
        Review.kind == UNREAD,
        col(Review.settled_at).is_(None),
    )
    return (await session.exec(statement)).first()
