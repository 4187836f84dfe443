"""Maintenance plans and their occurrences in the database: made, edited, read.

A customer's user sees the plans that apply to that customer's assets, and can change none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import exists, or_
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from fsm import events
from fsm.actors import Actor
from fsm.assets.tables import Asset, AssetModel
from fsm.catalogue import queries as catalogue
from fsm.catalogue.tables import MaintenanceKind, ReasonKind
from fsm.checklists.queries import find_template
from fsm.customers.tables import Site
from fsm.database import Session, revise
from fsm.maintenance import occurrences
from fsm.maintenance.covering import OccurrenceStatus
from fsm.maintenance.due import CountsFrom, TriggerKind
from fsm.maintenance.occurrences import RuleRefused
from fsm.maintenance.tables import MaintenanceOccurrence, MaintenancePlan
from fsm.problems import Conflict, Forbidden, Invalid, NotFound
from fsm.work_orders.lifecycle import Status
from fsm.work_orders.orders import cancel, lock_work_order
from fsm.work_orders.tables import WorkOrder

PLAN_CHANGED = "maintenance_plan.changed"
"""A plan was made or edited: the worker generates for its assets."""

_TIMING = frozenset(
    {
        "trigger",
        "counts_from",
        "rule",
        "starts_on",
        "ends_on",
        "due_time",
        "meter_code",
        "every_units",
        "or_months",
        "within_days",
        "pauses",
    }
)

# --- plans ------------------------------------------------------------------------------------------------


def _visible(actor: Actor) -> SelectOfScalar[MaintenancePlan]:
    plan = MaintenancePlan
    statement = select(plan).where(plan.tenant_id == actor.tenant_id)
    if actor.customer_id is not None:
        theirs = exists().where(
            col(Asset.tenant_id) == plan.tenant_id,
            col(Asset.customer_id) == actor.customer_id,
            or_(col(Asset.id) == plan.asset_id, col(Asset.model_id) == plan.model_id),
        )
        statement = statement.where(theirs)
    return statement


def check_office(actor: Actor) -> None:
    if actor.customer_id is not None:
        raise Forbidden("Maintenance plans are kept by the service company.")


async def find_plan(session: Session, actor: Actor, plan_id: UUID) -> MaintenancePlan:
    statement = _visible(actor).where(MaintenancePlan.id == plan_id)
    return await session.found(statement, f"No maintenance plan {plan_id}.")


async def lock_plan(session: Session, actor: Actor, plan_id: UUID) -> MaintenancePlan:
    """Return a plan whose row is held: generators of it wait."""
    statement = (
        _visible(actor)
        .where(MaintenancePlan.id == plan_id)
        .with_for_update(of=MaintenancePlan, key_share=True)
    )
    statement = statement.execution_options(populate_existing=True)
    return await session.found(statement, f"No maintenance plan {plan_id}.")


async def list_plans(
    session: Session,
    actor: Actor,
    *,
    after: UUID | None,
    limit: int,
    asset_id: UUID | None = None,
    is_active: bool | None = None,
    q: str | None = None,
) -> Sequence[MaintenancePlan]:
    """Return plans in order of id; of an asset, its own and its model's."""
    plan = MaintenancePlan
    statement = _visible(actor).order_by(col(plan.id)).limit(limit)
    if after is not None:
        statement = statement.where(plan.id > after)
    if is_active is not None:
        statement = statement.where(plan.is_active == is_active)
    if asset_id is not None:
        statement = statement.where(
            exists().where(
                col(Asset.tenant_id) == plan.tenant_id,
                col(Asset.id) == asset_id,
                or_(col(Asset.id) == plan.asset_id, col(Asset.model_id) == plan.model_id),
            )
        )
    if q:
        statement = statement.where(
            or_(
                col(plan.code).icontains(q, autoescape=True),
                col(plan.name).icontains(q, autoescape=True),
            )
        )
    return (await session.exec(statement)).all()


async def add_plan(
    session: Session, actor: Actor, now: datetime, values: Mapping[str, Any]
) -> MaintenancePlan:
    """Add a plan for an asset or a model's assets; its work orders are generated after the commit."""
    check_office(actor)
    checked = await _check(session, actor, now, values)
    plan = MaintenancePlan(tenant_id=actor.tenant_id, created_at=now, effective_at=now, **checked)
    session.add(plan)
    await session.flush()
    await _tell(session, actor, now, plan, sorted(values))
    return plan


async def edit_plan(
    session: Session,
    actor: Actor,
    now: datetime,
    plan_id: UUID,
    rev: int,
    changes: Mapping[str, Any],
) -> MaintenancePlan:
    """Change a plan for what nobody has been sent for yet. New timing holds from now on."""
    check_office(actor)
    plan = await lock_plan(session, actor, plan_id)
    whole = {**plan.model_dump(), **changes}
    checked = await _check(session, actor, now, whole)
    wanted = {name: checked[name] for name in {*changes, *_TIMING}}
    if any(getattr(plan, name) != wanted[name] for name in _TIMING):
        wanted["effective_at"] = now
    if revise(plan, rev, wanted):
        await session.flush()
        await _tell(session, actor, now, plan, sorted(changes))
    return plan


async def _tell(
    session: Session, actor: Actor, now: datetime, plan: MaintenancePlan, fields: list[str]
) -> None:
    await events.record(
        session,
        actor,
        PLAN_CHANGED,
        "maintenance_plan",
        plan.id,
        now=now,
        code=plan.code,
        rev=plan.rev,
        fields=fields,
    )


async def _check(
    session: Session, actor: Actor, now: datetime, values: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a plan's values in the form that is kept, or refuse them with the place at fault."""
    checked = {
        name: value
        for name, value in values.items()
        if name not in ("tenant_id", "id", "rev", "created_at", "effective_at")
    }
    if (checked.get("asset_id") is None) == (checked.get("model_id") is None):
        raise Invalid(
            "A plan is for one asset or for one model.",
            errors=[{"at": "/asset_id"}, {"at": "/model_id"}],
        )
    for name, table in (("asset_id", Asset), ("model_id", AssetModel)):
        if (row_id := checked.get(name)) is not None:
            statement = select(table.id).where(
                table.tenant_id == actor.tenant_id, table.id == row_id
            )
            if (await session.exec(statement)).one_or_none() is None:
                raise Invalid(f"There is no such {name[:-3]}.", errors=[{"at": f"/{name}"}])
    if checked.get("checklist_template_id") is not None:
        try:
            await find_template(session, actor, checked["checklist_template_id"])
        except NotFound as error:
            raise Invalid(error.detail, errors=[{"at": "/checklist_template_id"}]) from None
    version = await catalogue.seek_effective_version(session, actor, checked["work_type_id"], now)
    if version is None:
        raise Invalid("This type of work has no version yet.", errors=[{"at": "/work_type"}])
    if version.maintenance == MaintenanceKind.CORRECTIVE:
        raise Invalid(
            "This type of work is corrective. A plan makes work that prevents failures or improves.",
            errors=[{"at": "/work_type"}],
        )
    _check_timing(checked)
    return checked


def _check_timing(checked: dict[str, Any]) -> None:
    """Leave exactly what the trigger uses, in normal form."""
    kind = TriggerKind(checked["trigger"])
    needed = {
        TriggerKind.CALENDAR: ("rule",),
        TriggerKind.METER: ("meter_code", "every_units"),
        TriggerKind.CONDITION: ("within_days",),
    }[kind]
    for name in needed:
        if checked.get(name) is None:
            raise Invalid(
                f"A plan by {kind} needs '{name}'.",
                errors=[{"at": f"/{name}", "detail": "is needed"}],
            )
    optional = ("units_a_day", "or_months") if kind is TriggerKind.METER else ()
    for name in ("rule", "meter_code", "every_units", "units_a_day", "or_months", "within_days"):
        if name not in (*needed, *optional):
            checked[name] = None
    ends_on = checked.get("ends_on")
    if ends_on is not None and ends_on < checked["starts_on"]:
        raise Invalid("A plan ends after it starts.", errors=[{"at": "/ends_on"}])
    at = "/pauses"
    try:
        checked["pauses"] = [list(one) for one in checked.get("pauses") or ()]
        occurrences.read_pauses(checked["pauses"])
        at = "/rule"
        if kind is TriggerKind.CALENDAR:
            if checked["counts_from"] == CountsFrom.COMPLETION:
                checked["rule"] = occurrences.read_step(checked["rule"])
            else:
                checked["rule"] = occurrences.read_rule(checked["rule"], checked["starts_on"])
    except RuleRefused as error:
        raise Invalid(str(error), errors=[{"at": at, "detail": str(error)}]) from None


# --- occurrences ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Listed:
    """An occurrence with what names it to people, and its job, or that of what covered it."""

    occurrence: MaintenanceOccurrence
    plan_name: str
    asset_number: str
    zone: str
    number: str | None
    done_at: datetime | None


async def list_occurrences(
    session: Session,
    actor: Actor,
    *,
    after: UUID | None,
    limit: int,
    plan_id: UUID | None = None,
    asset_id: UUID | None = None,
    occurrence_id: UUID | None = None,
    status: Sequence[OccurrenceStatus] | None = None,
    due_from: datetime | None = None,
    due_before: datetime | None = None,
) -> list[Listed]:
    """Return stored occurrences in order of id."""
    row = MaintenanceOccurrence
    statement = (
        select(row, MaintenancePlan.name, Asset.number, Site.zone)
        .join(
            MaintenancePlan,
            (col(MaintenancePlan.tenant_id) == row.tenant_id)
            & (col(MaintenancePlan.id) == row.plan_id),
        )
        .join(Asset, (col(Asset.tenant_id) == row.tenant_id) & (col(Asset.id) == row.asset_id))
        .join(Site, (col(Site.tenant_id) == Asset.tenant_id) & (col(Site.id) == Asset.site_id))
        .where(row.tenant_id == actor.tenant_id)
        .order_by(col(row.id))
        .limit(limit)
    )
    if actor.customer_id is not None:
        statement = statement.where(Asset.customer_id == actor.customer_id)
    wanted = ((row.plan_id, plan_id), (row.asset_id, asset_id), (row.id, occurrence_id))
    for column, value in wanted:
        if value is not None:
            statement = statement.where(col(column) == value)
    if after is not None:
        statement = statement.where(row.id > after)
    if status:
        statement = statement.where(col(row.status).in_(status))
    if due_from is not None:
        statement = statement.where(row.due_at >= due_from)
    if due_before is not None:
        statement = statement.where(row.due_at < due_before)
    found: list[tuple[MaintenanceOccurrence, str, str, str]] = [
        (one, plan, asset, zone) for one, plan, asset, zone in await session.exec(statement)
    ]
    jobs = await _jobs_of(session, actor, [one for one, *_ in found])
    listed = []
    for one, plan, asset, zone in found:
        number, done_at = jobs.get(one.id, (None, None))
        listed.append(Listed(one, plan, asset, zone, number, done_at))
    return listed


async def _jobs_of(
    session: Session, actor: Actor, rows: Sequence[MaintenanceOccurrence]
) -> dict[UUID, tuple[str | None, datetime | None]]:
    """Return occurrence → (its job's number, when the work was done); a covered one has its coverer's."""
    wanted = [row.id for row in rows] + [row.covered_by_id for row in rows if row.covered_by_id]
    statement = (
        select(MaintenanceOccurrence.id, WorkOrder.number, WorkOrder.work_done_at)
        .join(
            WorkOrder,
            (col(WorkOrder.tenant_id) == MaintenanceOccurrence.tenant_id)
            & (col(WorkOrder.id) == MaintenanceOccurrence.work_order_id),
        )
        .where(
            MaintenanceOccurrence.tenant_id == actor.tenant_id,
            col(MaintenanceOccurrence.id).in_(wanted),
        )
    )
    jobs: dict[UUID, tuple[str | None, datetime | None]] = {
        row_id: (number, done_at) for row_id, number, done_at in await session.exec(statement)
    }
    return jobs | {
        row.id: jobs[row.covered_by_id]
        for row in rows
        if row.covered_by_id is not None and row.covered_by_id in jobs
    }


async def find_listed(session: Session, actor: Actor, occurrence_id: UUID) -> Listed:
    found = await list_occurrences(session, actor, after=None, limit=1, occurrence_id=occurrence_id)
    if not found:
        raise NotFound(f"No occurrence {occurrence_id}.")
    return found[0]


async def _find_occurrence(
    session: Session, actor: Actor, occurrence_id: UUID
) -> MaintenanceOccurrence:
    row = MaintenanceOccurrence
    statement = select(row).where(row.tenant_id == actor.tenant_id, row.id == occurrence_id)
    if actor.customer_id is not None:
        theirs = select(Asset.id).where(
            Asset.tenant_id == actor.tenant_id, Asset.customer_id == actor.customer_id
        )
        statement = statement.where(col(row.asset_id).in_(theirs))
    return await session.found(statement, f"No occurrence {occurrence_id}.")


async def skip(
    session: Session, actor: Actor, now: datetime, occurrence_id: UUID, *, reason: str
) -> MaintenanceOccurrence:
    """Pass over an occurrence that nobody has been sent for; its work order is cancelled.

    It stays in the figures as skipped. `reason` is the code of a reason for cancelling work.
    """
    check_office(actor)
    row = await _find_occurrence(session, actor, occurrence_id)
    await lock_plan(session, actor, row.plan_id)
    await session.refresh(row)
    if row.status not in (OccurrenceStatus.EXPECTED, OccurrenceStatus.ORDERED):
        raise Conflict(f"This occurrence is {row.status}; there is nothing to skip.")
    await catalogue.find_reason(session, actor, ReasonKind.CANCEL, reason)
    if row.work_order_id is not None:
        work_order = await lock_work_order(session, actor, row.work_order_id)
        if is_begun(work_order):
            raise Conflict(
                f"Somebody has been sent for {work_order.number} already. Cancel that job instead.",
                work_order_id=str(work_order.id),
            )
        if work_order.status != Status.CANCELLED:
            await cancel(session, actor, now, work_order.id, reason=reason)
    row.status = OccurrenceStatus.SKIPPED
    row.skip_reason = reason
    await session.flush()
    await record(session, actor, now, "maintenance.skipped", row, reason=reason)
    return row


def is_begun(work_order: WorkOrder) -> bool:
    """Say whether anybody was ever sent for a job: then no plan changes it any more."""
    return work_order.dispatched_at is not None or work_order.status not in (
        Status.OPEN,
        Status.SCHEDULED,
        Status.CANCELLED,
    )


async def record(
    session: Session,
    actor: Actor,
    now: datetime,
    kind: str,
    row: MaintenanceOccurrence,
    **data: Any,
) -> None:
    await events.record(
        session,
        actor,
        kind,
        "maintenance_occurrence",
        row.id,
        now=now,
        plan_id=str(row.plan_id),
        asset_id=str(row.asset_id),
        key=row.key,
        due_at=row.due_at.isoformat(),
        **data,
    )
