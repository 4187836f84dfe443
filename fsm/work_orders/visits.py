"""Trips as the office sees them: planned, moved, released to a phone, taken back, followed up."""

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, literal
from sqlmodel import col, select
from uuid_utils.compat import uuid7

from fsm import events
from fsm.actors import Actor
from fsm.assets.tables import Asset
from fsm.checklists.assignments import resolve_checklist
from fsm.checklists.queries import find_template, find_version, list_versions
from fsm.checklists.tables import ChecklistVersion
from fsm.database import Session, fetch, revise, touch
from fsm.problems import Invalid, NotFound
from fsm.technicians.tables import Technician
from fsm.work_orders import pick_ups
from fsm.work_orders.lifecycle import (
    LIVE_VISITS,
    Status,
    VisitAction,
    VisitStatus,
    WrongStatus,
    next_visit_status,
)
from fsm.work_orders.orders import lock_work_order, lock_work_orders
from fsm.work_orders.settling import settle_status
from fsm.work_orders.tables import Visit, WorkOrder

WINDOW_ANNOUNCED: Final = "visit.window_announced"
"""The kind of the event that a person set a window."""

NOT_BEGUN = frozenset({VisitStatus.PLANNED, VisitStatus.DISPATCHED, VisitStatus.TRAVELLING})


@dataclass(frozen=True, slots=True)
class NewVisit:
    """A trip to plan: who, when (aware instants), how long the way takes, and what was announced."""

    work_order_id: UUID
    technician_id: UUID
    starts_at: datetime
    ends_at: datetime
    travel_s: int = 0
    window_starts_at: datetime | None = None
    window_ends_at: datetime | None = None
    is_pinned: bool = False
    crew_id: UUID | None = None


def own_visits(actor: Actor) -> list[Any]:
    """Return the conditions under which a visit exists for the actor."""
    conditions: list[Any] = [Visit.tenant_id == actor.tenant_id]
    if actor.customer_id is not None:
        theirs = select(WorkOrder.id).where(
            WorkOrder.tenant_id == actor.tenant_id, WorkOrder.customer_id == actor.customer_id
        )
        conditions.append(col(Visit.work_order_id).in_(theirs))
    return conditions


async def find_visit(session: Session, actor: Actor, visit_id: UUID) -> Visit:
    """Return one visit; to a customer's user those for other customers do not exist."""
    statement = select(Visit).where(*own_visits(actor), Visit.id == visit_id)
    return await session.found(statement, f"No visit {visit_id}.")


async def lock_visit(session: Session, actor: Actor, visit_id: UUID) -> tuple[WorkOrder, Visit]:
    """Return a visit with its job, both held: the job first, so that all writers queue in one order."""
    visit = await find_visit(session, actor, visit_id)
    work_order = await lock_work_order(session, actor, visit.work_order_id)
    statement = (
        select(Visit)
        .where(Visit.tenant_id == actor.tenant_id, Visit.id == visit_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return work_order, (await session.exec(statement)).one()


async def lock_visits(
    session: Session, actor: Actor, ids: Collection[UUID]
) -> dict[UUID, tuple[WorkOrder, Visit]]:
    """Return visits with their jobs by the visit's id, all held, the jobs first; unknown ids are left out."""
    named = "select work_order_id from visit where tenant_id = $1 and id = any(cast($2 as uuid[]))"
    found = await fetch(session, named, actor.tenant_id, list(ids))
    jobs = await lock_work_orders(session, actor, {job_id for (job_id,) in found})
    held = await session.exec(
        select(Visit)
        .where(*own_visits(actor), col(Visit.id) == any_(literal(list(ids), ARRAY(Uuid))))
        .order_by(col(Visit.id))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return {visit.id: (jobs[visit.work_order_id], visit) for visit in held}


async def plan_visits(
    session: Session,
    actor: Actor,
    now: datetime,
    new: Sequence[NewVisit],
    *,
    plan_run_id: UUID | None = None,
) -> list[Visit]:
    """Plan trips; jobs are locked in order of id. A job that is over takes no visit (`WrongStatus`)."""
    planned = []
    await _check_technicians(session, actor, {one.technician_id for one in new})
    for one in sorted(new, key=lambda visit: (visit.work_order_id, visit.starts_at)):
        work_order = await lock_work_order(session, actor, one.work_order_id)
        if Status(work_order.status) in (Status.COMPLETED, Status.CLOSED, Status.CANCELLED):
            raise WrongStatus(
                f"{work_order.number} is {work_order.status}; it takes no more visits.",
                work_order_id=str(work_order.id),
            )
        if one.ends_at < one.starts_at:
            raise Invalid("A visit ends after it starts.", errors=[{"at": "/ends_at"}])
        visit = Visit(
            id=uuid7(),
            tenant_id=actor.tenant_id,
            work_order_id=work_order.id,
            technician_id=one.technician_id,
            planned_starts_at=one.starts_at,
            planned_ends_at=one.ends_at,
            window_starts_at=one.window_starts_at,
            window_ends_at=one.window_ends_at,
            travel_s=one.travel_s,
            is_pinned=one.is_pinned,
            crew_id=one.crew_id,
            plan_run_id=plan_run_id,
            created_at=now,
        )
        session.add(visit)
        await session.flush()
        await events.record(
            session,
            actor,
            "visit.planned",
            "visit",
            visit.id,
            now=now,
            work_order_id=str(work_order.id),
            technician_id=str(one.technician_id),
            starts_at=one.starts_at.isoformat(),
            plan_run_id=str(plan_run_id) if plan_run_id else None,
        )
        await settle_status(session, actor, work_order, now)
        touch(session, visit)
        planned.append(visit)
    return planned


async def _check_technicians(session: Session, actor: Actor, wanted: set[UUID]) -> None:
    statement = select(Technician.id).where(
        Technician.tenant_id == actor.tenant_id,
        col(Technician.id).in_(wanted),
        Technician.is_active,
    )
    active: set[UUID] = set(await session.exec(statement))
    if missing := wanted - active:
        raise NotFound(f"No active technician {min(missing)}.")


async def edit_plan(
    session: Session,
    actor: Actor,
    now: datetime,
    visit_id: UUID,
    rev: int | None,
    changes: dict[str, Any],
) -> Visit:
    """Change a visit's plan columns (times, window, pin, technician) while it has not begun.

    Another technician means another visit: this one is withdrawn and the new one returned, dispatched at
    once where this one was. A stale `rev` is refused in either case.
    """
    work_order, visit = await lock_visit(session, actor, visit_id)
    changes = dict(changes)
    if VisitStatus(visit.status) not in NOT_BEGUN:
        raise WrongStatus(
            f"This visit is {visit.status}: its plan can no longer be changed.", status=visit.status
        )
    technician_id = changes.pop("technician_id", visit.technician_id)
    if technician_id != visit.technician_id:
        revise(visit, rev, {})
        return await _reassign(session, actor, now, work_order, visit, technician_id, changes)
    if revise(visit, rev, changes):
        if visit.planned_ends_at < visit.planned_starts_at:
            raise Invalid("A visit ends after it starts.", errors=[{"at": "/planned_ends_at"}])
        await session.flush()
        await events.record(
            session,
            actor,
            "visit.moved",
            "visit",
            visit.id,
            now=now,
            fields=sorted(changes),
            starts_at=visit.planned_starts_at.isoformat(),
        )
        await pick_ups.leave(session, actor, [visit.id])
        touch(session, visit, work_order)
    return visit


@dataclass(frozen=True, slots=True)
class WindowSaid:
    """Why a person made a visit's window another one."""

    reason: str | None = None
    asked_by_customer: bool = False


async def edit_by_hand(
    session: Session,
    actor: Actor,
    now: datetime,
    visit_id: UUID,
    rev: int | None,
    changes: dict[str, Any],
    said: WindowSaid,
) -> Visit:
    """Change a visit as `edit_plan` does; a window that is another than before is announced."""
    _, before = await lock_visit(session, actor, visit_id)
    window = before.window_starts_at, before.window_ends_at
    visit = await edit_plan(session, actor, now, visit_id, rev, changes)
    if (visit.window_starts_at, visit.window_ends_at) != window:
        await announce_window(session, actor, now, visit, said)
    return visit


async def announce_window(
    session: Session, actor: Actor, now: datetime, visit: Visit, said: WindowSaid | None = None
) -> None:
    """Note that a person set the window of a visit, where it has both ends: it is a promise."""
    said = said or WindowSaid()
    if visit.window_starts_at is not None and visit.window_ends_at is not None:
        await events.record(
            session,
            actor,
            WINDOW_ANNOUNCED,
            "visit",
            visit.id,
            now=now,
            window_starts_at=visit.window_starts_at.isoformat(),
            window_ends_at=visit.window_ends_at.isoformat(),
            reason=said.reason,
            asked_by_customer=said.asked_by_customer,
        )


async def _reassign(
    session: Session,
    actor: Actor,
    now: datetime,
    work_order: WorkOrder,
    visit: Visit,
    technician_id: UUID,
    changes: dict[str, Any],
) -> Visit:
    was_released = visit.status != VisitStatus.PLANNED
    await _withdraw(session, actor, now, visit, "reassigned")
    (moved,) = await plan_visits(
        session,
        actor,
        now,
        [
            NewVisit(
                work_order_id=work_order.id,
                technician_id=technician_id,
                starts_at=changes.get("planned_starts_at", visit.planned_starts_at),
                ends_at=changes.get("planned_ends_at", visit.planned_ends_at),
                window_starts_at=changes.get("window_starts_at", visit.window_starts_at),
                window_ends_at=changes.get("window_ends_at", visit.window_ends_at),
                is_pinned=changes.get("is_pinned", visit.is_pinned),
                crew_id=visit.crew_id,
            )
        ],
        plan_run_id=visit.plan_run_id,
    )
    moved.follows_id = visit.id
    await session.flush()
    if was_released:
        await dispatch(session, actor, now, moved.id)
    return moved


async def withdraw(
    session: Session,
    actor: Actor,
    now: datetime,
    visit_id: UUID,
    *,
    reason: str,
    rev: int | None = None,
) -> Visit:
    """Take back a visit that has not begun; the phone is told why. A stale `rev` is refused."""
    work_order, visit = await lock_visit(session, actor, visit_id)
    next_visit_status(VisitStatus(visit.status), VisitAction.WITHDRAW)
    revise(visit, rev, {})
    await _withdraw(session, actor, now, visit, reason)
    await settle_status(session, actor, work_order, now)
    return visit


async def _withdraw(
    session: Session, actor: Actor, now: datetime, visit: Visit, reason: str
) -> None:
    visit.status = next_visit_status(VisitStatus(visit.status), VisitAction.WITHDRAW)
    visit.ended_reason = reason
    visit.rev += 1
    await session.flush()
    await pick_ups.leave(session, actor, [visit.id])
    await events.record(
        session, actor, "visit.withdrawn", "visit", visit.id, now=now, reason=reason
    )
    touch(session, visit)


async def dispatch(session: Session, actor: Actor, now: datetime, visit_id: UUID) -> Visit:
    """Release a planned visit to its technician's phone; the first one pins the job's checklist."""
    work_order, visit = await lock_visit(session, actor, visit_id)
    visit.status = next_visit_status(VisitStatus(visit.status), VisitAction.DISPATCH)
    visit.dispatched_at = now
    visit.nonce = secrets.token_bytes(32)
    visit.rev += 1
    await pin_checklist(session, actor, work_order, now)
    await session.flush()
    await events.record(
        session,
        actor,
        "visit.dispatched",
        "visit",
        visit.id,
        now=now,
        work_order_id=str(work_order.id),
        checklist_version_id=str(work_order.checklist_version_id),
    )
    await settle_status(session, actor, work_order, now)
    touch(session, visit, work_order)
    return visit


async def dispatch_all(
    session: Session, actor: Actor, now: datetime, visit_ids: Collection[UUID]
) -> list[Visit]:
    """Release visits, all or none; their jobs are locked in order of id."""
    statement = (
        select(Visit.id)
        .where(*own_visits(actor), col(Visit.id).in_(visit_ids))
        .order_by(col(Visit.work_order_id), col(Visit.id))
    )
    found = list(await session.exec(statement))
    if missing := set(visit_ids) - set(found):
        raise NotFound(f"No visit {min(missing)}.")
    return [await dispatch(session, actor, now, visit_id) for visit_id in found]


async def pin_checklist(
    session: Session, actor: Actor, work_order: WorkOrder, now: datetime
) -> None:
    """Pin the checklist version that a locked job is judged by, once."""
    if work_order.checklist_version_id is not None:
        return
    version = await checklist_of(session, actor, work_order)
    work_order.checklist_version_id = version.id
    work_order.rules_sha256 = version.rules_sha256
    work_order.dispatched_at = work_order.dispatched_at or now
    work_order.rev += 1


async def checklist_of(session: Session, actor: Actor, work_order: WorkOrder) -> ChecklistVersion:
    """Return the version that a job is judged by; before its dispatch, the one that it would be now."""
    if work_order.checklist_version_id is not None:
        return await find_version(session, actor, work_order.checklist_version_id)
    own = await _own_checklist(session, actor, work_order)
    if own is not None:
        return own
    asset = (
        await session.get(Asset, (actor.tenant_id, work_order.asset_id))
        if work_order.asset_id
        else None
    )
    return await resolve_checklist(
        session,
        actor,
        asset_id=work_order.asset_id,
        model_id=asset.model_id if asset else None,
        site_id=work_order.site_id,
        work_type_id=work_order.work_type_id,
    )


async def _own_checklist(
    session: Session, actor: Actor, work_order: WorkOrder
) -> ChecklistVersion | None:
    """Return the newest version of the checklist that the job was made with; None once it is out of use."""
    if work_order.checklist_template_id is None:
        return None
    template = await find_template(session, actor, work_order.checklist_template_id)
    versions = await list_versions(session, actor, template.id)
    return versions[-1] if template.is_active and versions else None


def live(visits: Sequence[Visit]) -> list[Visit]:
    return [visit for visit in visits if VisitStatus(visit.status) in LIVE_VISITS]
