"""Reviews as the office reads them: each with the job, the visit and the names it is about; and settled."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlmodel import col, select

from fsm import events
from fsm.actors import Actor
from fsm.database import Session, run
from fsm.problems import NotFound
from fsm.work_orders.reviews.views import (
    Kept,
    ReviewedJob,
    ReviewedVisit,
    ReviewView,
    Sender,
    WaitingKind,
)
from fsm.work_orders.tables import Review, WorkOrder

_STORIES: Final = """
select r.id, r.work_order_id, r.visit_id, r.kind, r.data, r.raised_at, r.settled_at, r.settled_by,
  r.settlement, coalesce(u.name, '') as settled_by_name,
  w.number, w.title, w.status, w.zone, w.request_id, w.asset_id,
  coalesce(c.name, '') as customer, coalesce(s.name, '') as site,
  v.technician_id, coalesce(t.name, '') as technician, v.status as visit_status,
  v.planned_starts_at, v.planned_ends_at,
  d.id as device_id, coalesce(d.platform, '') as platform, coalesce(du.name, '') as device_user,
  dt.id as device_technician_id
from review r
left join "user" u on u.tenant_id = r.tenant_id and u.id = r.settled_by
left join work_order w on w.tenant_id = r.tenant_id and w.id = r.work_order_id
left join customer c on c.tenant_id = r.tenant_id and c.id = w.customer_id
left join site s on s.tenant_id = r.tenant_id and s.id = w.site_id
left join visit v on v.tenant_id = r.tenant_id and v.id = r.visit_id
left join technician t on t.tenant_id = r.tenant_id and t.id = v.technician_id
left join device d on d.tenant_id = r.tenant_id and d.id = cast(r.data ->> 'device_id' as uuid)
left join "user" du on du.tenant_id = r.tenant_id and du.id = d.user_id
left join technician dt on dt.tenant_id = r.tenant_id and dt.user_id = d.user_id
where r.tenant_id = :t and (cast(:customer as uuid) is null or w.customer_id = :customer)
"""
_NAMES: Final = """
select id, concat_ws(' ', number, name) as name from part where tenant_id = :t and id = any(:ids)
union all select id, concat_ws(' ', number, name) from asset where tenant_id = :t and id = any(:ids)
union all select id, name from site where tenant_id = :t and id = any(:ids)
union all select id, name from contact where tenant_id = :t and id = any(:ids)
union all select id, name from technician where tenant_id = :t and id = any(:ids)
union all select k.id, concat_ws(', ', k.number, c.name) from contract k
  join customer c on c.tenant_id = k.tenant_id and c.id = k.customer_id
  where k.tenant_id = :t and k.id = any(:ids)
union all select v.id, concat_ws(', ', w.number, t.name) from visit v
  join work_order w on w.tenant_id = v.tenant_id and w.id = v.work_order_id
  join technician t on t.tenant_id = v.tenant_id and t.id = v.technician_id
  where v.tenant_id = :t and v.id = any(:ids)
"""


def _own_reviews(actor: Actor) -> list[Any]:
    """Return the conditions under which a review exists for the actor."""
    conditions: list[Any] = [Review.tenant_id == actor.tenant_id]
    if actor.customer_id is not None:
        theirs = select(WorkOrder.id).where(
            WorkOrder.tenant_id == actor.tenant_id, WorkOrder.customer_id == actor.customer_id
        )
        conditions.append(col(Review.work_order_id).in_(theirs))
    return conditions


async def list_reviews(
    session: Session,
    actor: Actor,
    *,
    settled: bool,
    kinds: Sequence[str] | None,
    limit: int,
    after: UUID | None,
) -> list[ReviewView]:
    """Return a page of reviews, the oldest first."""
    where = ["r.settled_at is not null" if settled else "r.settled_at is null"]
    values: dict[str, Any] = {"limit": limit}
    if kinds:
        where.append("r.kind = any(:kinds)")
        values["kinds"] = list(kinds)
    if after is not None:
        where.append("r.id > :after")
        values["after"] = after
    return await _read(session, actor, f"and {' and '.join(where)}", values)


async def find_review(session: Session, actor: Actor, review_id: UUID) -> ReviewView:
    """Return one review, settled or not."""
    found = await _read(session, actor, "and r.id = :id", {"id": review_id, "limit": 1})
    if not found:
        raise NotFound(f"No review {review_id}.")
    return found[0]


async def count_waiting(session: Session, actor: Actor) -> list[WaitingKind]:
    """Return how many of each kind nobody has settled, and since when the oldest waits."""
    rows = await run(
        session,
        "select r.kind, count(*) as how_many, min(r.raised_at) as oldest_at from review r"
        " left join work_order w on w.tenant_id = r.tenant_id and w.id = r.work_order_id"
        " where r.tenant_id = :t and r.settled_at is null"
        " and (cast(:customer as uuid) is null or w.customer_id = :customer)"
        " group by r.kind order by r.kind",
        t=actor.tenant_id,
        customer=actor.customer_id,
    )
    return [WaitingKind(row.kind, row.how_many, row.oldest_at) for row in rows.all()]


async def settle_review(
    session: Session, actor: Actor, now: datetime, review_id: UUID, settlement: str
) -> Review:
    """Note what a person made of a review; settling it again changes nothing."""
    statement = select(Review).where(*_own_reviews(actor), Review.id == review_id).with_for_update()
    review = await session.found(statement, f"No review {review_id}.")
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


# --- putting together -------------------------------------------------------------------------------------


async def _read(
    session: Session, actor: Actor, where: str, values: dict[str, Any]
) -> list[ReviewView]:
    await session.flush()
    found = await run(
        session,
        f"{_STORIES} {where} order by r.id limit :limit",
        t=actor.tenant_id,
        customer=actor.customer_id,
        **values,
    )
    rows = found.all()
    named = await _name(session, actor, {one for row in rows for one in _ids(row.data)})
    return [_view(row, named) for row in rows]


async def _name(session: Session, actor: Actor, ids: Iterable[UUID]) -> dict[UUID, str]:
    wanted = sorted(ids)
    if not wanted:
        return {}
    rows = await run(session, _NAMES, t=actor.tenant_id, ids=wanted)
    return {row.id: row.name for row in rows.all()}


def _ids(value: Any) -> Iterator[UUID]:
    """Yield what in a review's data may be the id of something with a name. Intents have none."""
    if isinstance(value, dict):
        for name, one in value.items():
            if name != "intents":
                yield from _ids(one)
    elif isinstance(value, list):
        for one in value:
            yield from _ids(one)
    elif isinstance(value, str) and len(value) == 36:
        with suppress(ValueError):
            yield UUID(value)


def _view(row: Any, named: dict[UUID, str]) -> ReviewView:
    own = {name: getattr(row, name) for name in Kept.__struct_fields__}
    job = visit = sender = None
    if row.number is not None:
        job = ReviewedJob(
            row.work_order_id,
            row.number,
            row.title,
            row.status,
            row.customer,
            row.site,
            row.zone,
            row.asset_id,
            row.request_id,
        )
    if row.technician_id is not None:
        visit = ReviewedVisit(
            row.visit_id,
            row.technician_id,
            row.technician,
            row.visit_status,
            row.planned_starts_at,
            row.planned_ends_at,
        )
    if row.device_id is not None:
        sender = Sender(row.device_id, row.platform, row.device_user, row.device_technician_id)
    return ReviewView(
        **own,
        job=job,
        visit=visit,
        sender=sender,
        names={str(one): named[one] for one in dict.fromkeys(_ids(row.data)) if one in named},
    )
