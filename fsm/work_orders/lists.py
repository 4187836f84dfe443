"""Pages of jobs, visits, reviews and history: read as rows, without building objects."""

import base64
import json
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import col, select

from fsm import events
from fsm.actors import Actor
from fsm.database import Session
from fsm.problems import Invalid, NotFound
from fsm.work_orders.tables import Review, Visit, WorkOrder
from fsm.work_orders.views import WorkOrderPage, WorkOrderRow

_COLUMNS = [getattr(WorkOrder, name) for name in WorkOrderRow.__struct_fields__]


def cursor(reported_at: datetime, row_id: UUID) -> str:
    """Return where a page in order of (reported_at, id), newest first, ended."""
    text = json.dumps([reported_at.isoformat(), str(row_id)], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(after: str) -> tuple[datetime, UUID]:
    try:
        text = base64.urlsafe_b64decode(after + "=" * (-len(after) % 4))
        reported_at, row_id = json.loads(text)
        moment = datetime.fromisoformat(reported_at)
        if moment.tzinfo is None:
            raise ValueError("naive")
        return moment, UUID(row_id)
    except (ValueError, TypeError, AttributeError):
        raise Invalid(
            "'after' must be the 'next' of the page before.", errors=[{"at": "/after"}]
        ) from None


async def list_work_orders(
    session: Session,
    actor: Actor,
    *,
    after: str | None,
    limit: int,
    status: list[str] | None = None,
    asset_id: UUID | None = None,
    site_id: UUID | None = None,
    contract_id: UUID | None = None,
    due_before: datetime | None = None,
    q: str | None = None,
) -> WorkOrderPage:
    """Return a page of jobs, newest report first."""
    statement = (
        select(*_COLUMNS)
        .where(WorkOrder.tenant_id == actor.tenant_id)
        .order_by(col(WorkOrder.reported_at).desc(), col(WorkOrder.id).desc())
        .limit(limit + 1)
    )
    if actor.customer_id is not None:
        statement = statement.where(WorkOrder.customer_id == actor.customer_id)
    if after is not None:
        reported_at, row_id = read_cursor(after)
        statement = statement.where(
            (col(WorkOrder.reported_at) < reported_at)
            | ((col(WorkOrder.reported_at) == reported_at) & (col(WorkOrder.id) < row_id))
        )
    if status:
        statement = statement.where(col(WorkOrder.status).in_(status))
    for name, wanted in (
        ("asset_id", asset_id),
        ("site_id", site_id),
        ("contract_id", contract_id),
    ):
        if wanted is not None:
            statement = statement.where(getattr(WorkOrder, name) == wanted)
    if due_before is not None:
        statement = statement.where(col(WorkOrder.restore_by) < due_before)
    if q:
        pattern = "%" + q.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_") + "%"
        statement = statement.where(
            col(WorkOrder.number).ilike(pattern) | col(WorkOrder.title).ilike(pattern)
        )
    rows = (await (await session.connection()).execute(statement)).all()
    more = len(rows) > limit
    items = [WorkOrderRow(*row) for row in rows[:limit]]
    return WorkOrderPage(
        items, cursor(items[-1].reported_at, items[-1].id) if more and items else None
    )


async def list_records(session: Session, work_order: WorkOrder, table: Any) -> list[Any]:
    """Return a job's rows of one table of records, oldest first."""
    statement = (
        select(table)
        .where(table.tenant_id == work_order.tenant_id, table.work_order_id == work_order.id)
        .order_by(col(table.id))
    )
    return list(await session.exec(statement))


async def list_visits_between(
    session: Session,
    actor: Actor,
    from_at: datetime,
    to_at: datetime,
    technician_id: UUID | None = None,
    limit: int = 5_000,
) -> list[Visit]:
    """Return the visits that touch [from_at, to_at), in order of technician and time."""
    statement = (
        select(Visit)
        .where(
            Visit.tenant_id == actor.tenant_id,
            Visit.planned_starts_at < to_at,
            Visit.planned_ends_at > from_at,
        )
        .order_by(col(Visit.technician_id), col(Visit.planned_starts_at), col(Visit.id))
        .limit(limit)
    )
    if technician_id is not None:
        statement = statement.where(Visit.technician_id == technician_id)
    return list(await session.exec(statement))


async def list_reviews(
    session: Session, actor: Actor, *, settled: bool, limit: int, after: UUID | None
) -> list[Review]:
    statement = (
        select(Review)
        .where(Review.tenant_id == actor.tenant_id)
        .order_by(col(Review.id))
        .limit(limit)
    )
    is_open = col(Review.settled_at).is_(None)
    statement = statement.where(~is_open if settled else is_open)
    if after is not None:
        statement = statement.where(Review.id > after)
    return list(await session.exec(statement))


async def settle_review(
    session: Session, actor: Actor, now: datetime, review_id: UUID, settlement: str
) -> Review:
    """Note what a person made of a review; settling it again changes nothing."""
    statement = (
        select(Review)
        .where(Review.tenant_id == actor.tenant_id, Review.id == review_id)
        .with_for_update()
    )
    review = (await session.exec(statement)).one_or_none()
    if review is None:
        raise NotFound(f"No review {review_id}.")
    if review.settled_at is None:
        review.settled_at = now
        review.settled_by = actor.user_id
        review.settlement = settlement
        await session.flush()
        await events.record(
            session,
            actor,
            "review.settled",
            "review",
            review.id,
            now=now,
            review_kind=review.kind,
            settlement=settlement,
        )
    return review


async def list_history(
    session: Session, actor: Actor, work_order: WorkOrder, *, limit: int, after: UUID | None
) -> list[events.Event]:
    """Return what happened to a job and its visits, in order of receipt."""
    visits = select(Visit.id).where(
        Visit.tenant_id == actor.tenant_id, Visit.work_order_id == work_order.id
    )
    statement = (
        select(events.Event)
        .where(
            events.Event.tenant_id == actor.tenant_id,
            (col(events.Event.entity_id) == work_order.id)
            | col(events.Event.entity_id).in_(visits),
            col(events.Event.entity).in_(["work_order", "visit"]),
        )
        .order_by(col(events.Event.id))
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(events.Event.id > after)
    return list(await session.exec(statement))
