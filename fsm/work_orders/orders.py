"""Work orders: found, listed, created under the right contract, cancelled, classed anew."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, literal
from sqlmodel import col, select

from fsm import events
from fsm.actors import Actor
from fsm.assets.tables import Asset
from fsm.catalogue import queries as catalogue
from fsm.catalogue.tables import MaintenanceKind, ReasonKind, RequestClass, WorkType
from fsm.contracts import queries as contracts
from fsm.contracts.service_levels import StopsAt
from fsm.customers.tables import Site
from fsm.database import Session, revise, touch
from fsm.events import Occurrence
from fsm.problems import Invalid
from fsm.work_orders import clocks, completion, pick_ups
from fsm.work_orders.lifecycle import (
    LIVE_VISITS,
    Action,
    Status,
    VisitStatus,
    WrongStatus,
    next_status,
)
from fsm.work_orders.numbers import Series, next_number
from fsm.work_orders.restoration import end_with_cancellation, record_incident
from fsm.work_orders.tables import Impact, ServiceRequest, Visit, WorkOrder

# --- reading ----------------------------------------------------------------------------------------------


def _own(actor: Actor) -> list[Any]:
    """Return the conditions under which a work order exists for the actor."""
    conditions: list[Any] = [WorkOrder.tenant_id == actor.tenant_id]
    if actor.customer_id is not None:
        conditions.append(WorkOrder.customer_id == actor.customer_id)
    return conditions


async def find_work_order(session: Session, actor: Actor, work_order_id: UUID) -> WorkOrder:
    statement = select(WorkOrder).where(*_own(actor), WorkOrder.id == work_order_id)
    return await session.found(statement, f"No work order {work_order_id}.")


async def lock_work_order(session: Session, actor: Actor, work_order_id: UUID) -> WorkOrder:
    """Return a work order whose row is held until the commit: every change of its facts starts here.

    Pending changes are written first, because reading the row anew would undo them.
    """
    await session.flush()
    statement = (
        select(WorkOrder)
        .where(*_own(actor), WorkOrder.id == work_order_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return await session.found(statement, f"No work order {work_order_id}.")


async def lock_work_orders(
    session: Session, actor: Actor, ids: Collection[UUID]
) -> dict[UUID, WorkOrder]:
    """Return work orders by id, held in one order; those that are not the actor's are left out."""
    await session.flush()
    # An array: the statement is prepared once, however many there are.
    statement = (
        select(WorkOrder)
        .where(*_own(actor), col(WorkOrder.id) == any_(literal(list(ids), ARRAY(Uuid))))
        .order_by(col(WorkOrder.id))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return {one.id: one for one in await session.exec(statement)}


async def list_visits(session: Session, work_order: WorkOrder) -> list[Visit]:
    statement = (
        select(Visit)
        .where(Visit.tenant_id == work_order.tenant_id, Visit.work_order_id == work_order.id)
        .order_by(col(Visit.planned_starts_at), col(Visit.id))
    )
    return list(await session.exec(statement))


# --- creating ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What a job has that nobody reported: when it falls due, and until when it is in time.

    `checklist_template_id` goes before the checklists assigned to its equipment and kind of work.
    """

    due_at: datetime
    latest_at: datetime
    checklist_template_id: UUID | None = None


async def create_work_order(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    work_type: WorkType,
    site: Site,
    asset: Asset | None = None,
    request: ServiceRequest | None = None,
    title: str,
    description: str = "",
    reported_at: datetime,
    request_class: RequestClass | None = None,
    impact: Impact | None = None,
    priority: int | None = None,
    estimate_s: int | None = None,
    crew_size: int = 1,
    follows: WorkOrder | None = None,
    foreseen: Foreseen | None = None,
) -> WorkOrder:
    """Create a job: its work type's version in force, the contract that covers it, its clocks, its failure.

    An incident on an asset that has stopped is a failure with an outage; on one that runs degraded it is a
    degraded outage and no failure. `follows` is the job that this one results from. What is `foreseen` falls
    under the contract of the day on which it is due, and is to be done by then: it starts no clock and is no
    failure, since nothing was reported.
    """
    if asset is not None and asset.site_id != site.id:
        raise Invalid("The asset stands at another site.", errors=[{"at": "/asset_id"}])
    version = await catalogue.find_effective_version(session, actor, work_type.id, reported_at)
    the_class = request_class or RequestClass(version.request_class)
    cover = await contracts.find_cover(
        session,
        actor,
        asset_id=asset.id if asset else None,
        customer_id=site.customer_id,
        at=foreseen.due_at if foreseen else reported_at,
        zone=site.zone,
        request_class=the_class,
        maintenance=MaintenanceKind(version.maintenance),
        work_type_code=work_type.code,
    )
    (number,) = await next_number(session, actor, Series.WORK_ORDER)
    work_order = WorkOrder(
        tenant_id=actor.tenant_id,
        number=number,
        request_id=request.id if request else None,
        customer_id=site.customer_id,
        site_id=site.id,
        asset_id=asset.id if asset else None,
        contract_id=cover.contract_id if cover else None,
        work_type_id=work_type.id,
        work_type_version_id=version.id,
        request_class=the_class,
        maintenance=version.maintenance,
        priority=priority or version.priority,
        title=title,
        description=description,
        estimate_s=estimate_s or version.duration_s,
        crew_size=crew_size,
        skills=version.skills,
        zone=site.zone,
        follows_id=follows.id if follows else None,
        reported_at=reported_at,
        acknowledged_at=now,
        created_at=now,
        restore_by=foreseen.latest_at if foreseen else None,
        checklist_template_id=foreseen.checklist_template_id if foreseen else None,
    )
    if foreseen is None and cover is not None and cover.service_level_id is not None:
        policy = await contracts.pinned_policy(session, actor, cover.service_level_id, reported_at)
        if policy is not None:
            work_order.service_level_version_id = policy.service_level_version_id
            work_order.calendar_version_id = policy.calendar_version_id
    session.add(work_order)
    await session.flush()
    if foreseen is None and the_class is RequestClass.INCIDENT and asset is not None:
        await _record_incident(session, actor, work_order, asset, impact, now)
    await clocks.start_clocks(session, actor, work_order, now)
    await clocks.stop_clocks(
        session, actor, work_order, (StopsAt.ACKNOWLEDGED,), Occurrence(now, now, now), now
    )
    await events.record(
        session,
        actor,
        "work_order.created",
        "work_order",
        work_order.id,
        now=now,
        number=number,
        request_class=str(the_class),
        contract_id=str(cover.contract_id) if cover else None,
        cover_rule=cover.rule if cover else None,
        respond_by=work_order.respond_by.isoformat() if work_order.respond_by else None,
        restore_by=work_order.restore_by.isoformat() if work_order.restore_by else None,
    )
    touch(session, work_order)
    return work_order


async def _record_incident(
    session: Session,
    actor: Actor,
    work_order: WorkOrder,
    asset: Asset,
    impact: Impact | None,
    now: datetime,
) -> None:
    if impact in (Impact.RUNNING, Impact.QUESTION):
        return
    failure = await record_incident(
        session,
        actor,
        now,
        asset_id=asset.id,
        reported_at=work_order.reported_at,
        is_degraded=impact is Impact.DEGRADED,
    )
    work_order.failure_id = failure.id if failure else None


# --- changing ---------------------------------------------------------------------------------------------


async def edit_work_order(
    session: Session,
    actor: Actor,
    now: datetime,
    work_order_id: UUID,
    rev: int,
    changes: dict[str, Any],
) -> WorkOrder:
    """Edit what the office may change: title, description, priority, estimate, crew size.

    A change of priority measures the clocks against the new targets from now on; closing rules may ask for
    it, so that it counts as a fact. A closed job is final until it is reopened.
    """
    work_order = await lock_work_order(session, actor, work_order_id)
    check_not_closed(work_order)
    before = work_order.priority
    if revise(work_order, rev, changes):
        await session.flush()
        await events.record(
            session,
            actor,
            "work_order.edited",
            "work_order",
            work_order.id,
            now=now,
            fields=sorted(changes),
        )
        if work_order.priority != before:
            await clocks.retarget_clocks(session, actor, work_order, now, now)
            await completion.count_fact(session, actor, work_order, now)
        touch(session, work_order)
    return work_order


async def reclass(
    session: Session,
    actor: Actor,
    now: datetime,
    work_order_id: UUID,
    *,
    request_class: RequestClass,
    reason: str,
) -> WorkOrder:
    """Change incident to service request or back, with who and why; clocks keep what they measured.

    Closing rules may ask for the class, so that it counts as a fact.
    """
    work_order = await lock_work_order(session, actor, work_order_id)
    check_not_closed(work_order)
    await catalogue.find_reason(session, actor, ReasonKind.RECLASS, reason)
    before = work_order.request_class
    if before != request_class:
        work_order.request_class = request_class
        work_order.rev += 1
        await session.flush()
        await events.record(
            session,
            actor,
            "work_order.reclassed",
            "work_order",
            work_order.id,
            now=now,
            before=before,
            after=str(request_class),
            reason=reason,
        )
        await completion.count_fact(session, actor, work_order, now)
        touch(session, work_order)
    return work_order


async def cancel(
    session: Session, actor: Actor, now: datetime, work_order_id: UUID, *, reason: str
) -> WorkOrder:
    """Cancel a job that is not complete.

    Visits that have not begun are withdrawn, and the failure and the outages that its report opened end.
    """
    work_order = await lock_work_order(session, actor, work_order_id)
    await catalogue.find_reason(session, actor, ReasonKind.CANCEL, reason)
    work_order.status = next_status(Status(work_order.status), Action.CANCEL)
    work_order.cancelled_at = now
    work_order.cancel_reason = reason
    work_order.rev += 1
    begun = {VisitStatus.ON_SITE, VisitStatus.PAUSED}
    visits = await list_visits(session, work_order)
    for visit in visits:
        if visit.status in LIVE_VISITS and visit.status not in begun:
            visit.status = VisitStatus.WITHDRAWN
            visit.ended_reason = "cancelled"
            visit.rev += 1
            await events.record(
                session, actor, "visit.withdrawn", "visit", visit.id, now=now, reason="cancelled"
            )
            touch(session, visit)
    await session.flush()
    await pick_ups.leave(session, actor, [visit.id for visit in visits])
    await events.record(
        session, actor, "work_order.cancelled", "work_order", work_order.id, now=now, reason=reason
    )
    await clocks.refresh_clocks(session, actor, work_order, now)
    if work_order.asset_id is not None:
        await end_with_cancellation(
            session,
            actor,
            now,
            asset_id=work_order.asset_id,
            failure_id=work_order.failure_id,
            since_at=work_order.reported_at,
            was_seen=any(visit.arrived_at is not None for visit in visits),
        )
    touch(session, work_order)
    return work_order


def check_not_closed(work_order: WorkOrder) -> None:
    """Refuse to change a job that the office has checked and closed."""
    if work_order.status == Status.CLOSED:
        raise WrongStatus(
            f"{work_order.number} is closed. Reopen it first.", allowed=[str(Action.REOPEN)]
        )


async def check_reopening(session: Session, actor: Actor, reason: str) -> None:
    """Refuse a reason for reopening that the catalogue does not know."""
    await catalogue.find_reason(session, actor, ReasonKind.REOPEN, reason)
