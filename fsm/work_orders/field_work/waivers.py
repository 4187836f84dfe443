"""Checklist items that the office lets go: asked for where they hold up a finish, granted with a reason."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlmodel import col, select

from fsm import events
from fsm.actors import Actor
from fsm.checklists.items import Waiver
from fsm.database import Session
from fsm.problems import Invalid, NotFound
from fsm.work_orders import completion, records
from fsm.work_orders.closing import FINISHABLE
from fsm.work_orders.facts import load_template
from fsm.work_orders.lifecycle import Status, WrongStatus
from fsm.work_orders.reviews.queries import settle_review
from fsm.work_orders.tables import Review, Visit, WorkOrder

WAIVER_ASKED: Final = "waiver_asked"
"""The kind of the review that a finish opens which nothing but items of the office's holds up."""
WAIVED: Final = "waived"
FINISHED: Final = "finished"
"""What such a review is settled with when all of it was let go, or nobody had to."""


async def waive(
    session: Session,
    actor: Actor,
    now: datetime,
    work_order: WorkOrder,
    *,
    item: str,
    reason: str,
) -> None:
    """Let an item go, as a named person with a reason; only items marked for it can be.

    Nothing is waived on a job that is closed or cancelled.
    """
    if work_order.status in (Status.CLOSED, Status.CANCELLED):
        raise WrongStatus(f"{work_order.number} is {work_order.status}; nothing is waived on it.")
    template = await load_template(session, work_order)
    known = template.by_id.get(item) if template else None
    if known is None:
        raise NotFound(f"The pinned checklist has no item '{item}'.")
    if known.waiver is not Waiver.OFFICE:
        raise Invalid(f"The item '{item}' cannot be waived.", errors=[{"at": "/item"}])
    assert actor.user_id is not None
    session.add(
        records.Waiver(
            tenant_id=actor.tenant_id,
            work_order_id=work_order.id,
            item=item,
            reason=reason,
            waived_by=actor.user_id,
            waived_by_name=actor.name,
            waived_at=now,
        )
    )
    await session.flush()
    await events.record(
        session,
        actor,
        "item.waived",
        "work_order",
        work_order.id,
        now=now,
        item=item,
        reason=reason,
    )
    await completion.count_fact(session, actor, work_order, now)
    await _settle_granted(session, actor, now, work_order)


async def ask_for_waivers(
    session: Session, actor: Actor, now: datetime, visit_id: UUID, unmet: Sequence[dict[str, Any]]
) -> None:
    """Put before the office what holds up a technician's finish, if only the office can let that go.

    `unmet` is what the refusal said. Asked again while nobody has answered, the review is brought up to date.
    """
    visit = await session.get_one(Visit, (actor.tenant_id, visit_id))
    work_order = await session.get_one(WorkOrder, (actor.tenant_id, visit.work_order_id))
    template = await load_template(session, work_order)
    missing = [one for one in unmet if one["code"] not in FINISHABLE]
    if template is None or not missing:
        return
    items: dict[str, dict[str, Any]] = {}
    for one in missing:
        item = template.by_id.get(one["at"].split("/")[2])
        if item is None or item.waiver is not Waiver.OFFICE:
            return  # the technician has something to do first
        asked = items.setdefault(item.id, {"item": item.id, "kind": str(item.kind), "texts": []})
        asked["texts"].append(one["text"])
    data = {"by": actor.name, "items": list(items.values())}
    waiting = await _list_asked(session, work_order, visit_id)
    if waiting:
        waiting[0].data = data
        await session.flush()
        return
    session.add(
        Review(
            tenant_id=actor.tenant_id,
            work_order_id=work_order.id,
            visit_id=visit.id,
            kind=WAIVER_ASKED,
            data=data,
            raised_at=now,
        )
    )
    await session.flush()
    await events.record(
        session,
        actor,
        "item.waiver_asked",
        "work_order",
        work_order.id,
        now=now,
        visit_id=str(visit.id),
        items=list(items),
    )


async def settle_asked(
    session: Session, actor: Actor, now: datetime, work_order: WorkOrder, visit_id: UUID
) -> None:
    """Rid the office of what was asked about a visit that has been finished all the same."""
    for review in await _list_asked(session, work_order, visit_id):
        await settle_review(session, actor, now, review.id, FINISHED)


async def _settle_granted(
    session: Session, actor: Actor, now: datetime, work_order: WorkOrder
) -> None:
    statement = select(records.Waiver.item).where(
        records.Waiver.tenant_id == actor.tenant_id,
        records.Waiver.work_order_id == work_order.id,
    )
    waived = set(await session.exec(statement))
    for review in await _list_asked(session, work_order):
        if {one["item"] for one in review.data["items"]} <= waived:
            await settle_review(session, actor, now, review.id, WAIVED)


async def _list_asked(
    session: Session, work_order: WorkOrder, visit_id: UUID | None = None
) -> list[Review]:
    statement = select(Review).where(
        Review.tenant_id == work_order.tenant_id,
        Review.work_order_id == work_order.id,
        Review.kind == WAIVER_ASKED,
        col(Review.settled_at).is_(None),
    )
    if visit_id is not None:
        statement = statement.where(Review.visit_id == visit_id)
    return list(await session.exec(statement))
