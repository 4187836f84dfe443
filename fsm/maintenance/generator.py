"""Generating preventive work: decisions become occurrences and work orders, each once.

Safe under any number of workers and repeated runs: whoever generates holds the plans, reads what is there,
and writes the difference; the key (plan, asset, occurrence) is unique besides. What somebody was sent for is
never changed.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import select
from uuid_utils.compat import uuid7

from fsm import events
from fsm.actors import Actor, system_actor
from fsm.assets.tables import Asset
from fsm.catalogue import queries as catalogue
from fsm.catalogue.tables import Reason, ReasonKind
from fsm.database import Database, Session, revise, touch
from fsm.languages import by_language
from fsm.maintenance.covering import OccurrenceStatus
from fsm.maintenance.decisions import Decision, decide
from fsm.maintenance.due import TriggerKind
from fsm.maintenance.queries import check_office, find_plan, is_begun, record
from fsm.maintenance.states import Placed, list_planned_assets, load
from fsm.maintenance.tables import MaintenanceOccurrence, MaintenancePlan
from fsm.problems import Invalid
from fsm.work_orders import orders
from fsm.work_orders.lifecycle import Status
from fsm.work_orders.orders import Foreseen
from fsm.work_orders.tables import WorkOrder

ASSETS_AT_ONCE: Final = 20
"""In one transaction: it holds plans, and the counter of work orders' numbers."""

WITHDRAWN: Final = "maintenance"
"""The reason why a plan's own work orders are cancelled; made when it is first needed."""

_REASON_NAMES: Final = {
    language: said["withdrawn"]
    for language, said in by_language("fsm/maintenance/messages", "reason").items()
}


@dataclass(slots=True)
class Generated:
    """What a run changed."""

    ordered: int = 0
    moved: int = 0
    covered: int = 0
    missed: int = 0
    withdrawn: int = 0

    def add(self, other: "Generated") -> None:
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


async def generate_all(
    database: Database,
    tenant_id: UUID,
    now: datetime,
    *,
    plan_id: UUID | None = None,
    asset_id: UUID | None = None,
) -> Generated:
    """Generate for a company, for the assets of one plan, or for one asset; some assets a transaction."""
    actor = system_actor(tenant_id, "maintenance")
    all_of = Generated()
    after: UUID | None = None
    while True:
        async with database.transaction(tenant_id) as session:
            asset_ids = await list_planned_assets(
                session,
                actor,
                plan_id=plan_id,
                asset_id=asset_id,
                after=after,
                limit=ASSETS_AT_ONCE,
            )
            if asset_ids:
                all_of.add(await generate(session, actor, now, asset_ids))
        if len(asset_ids) < ASSETS_AT_ONCE:
            return all_of
        after = asset_ids[-1]


async def generate(
    session: Session, actor: Actor, now: datetime, asset_ids: Collection[UUID]
) -> Generated:
    """Bring the occurrences and work orders of some assets to what their plans say now.

    Work orders are withdrawn before new ones are made: the counter of numbers is held from then on, and
    whoever holds it waits for nothing.
    """
    done = Generated()
    steps: list[tuple[Placed, Decision]] = []
    for placed in await load(session, actor, now, asset_ids, lock=True):
        await _note_cancelled(session, actor, now, placed)
        steps += [(placed, one) for one in decide(placed.states, now)]
    for placed, one in steps:
        await _take_back(session, actor, now, placed, one)
    for placed, one in steps:
        await _write(session, actor, now, placed, one, done)
    for placed, one in steps:
        if one.status is OccurrenceStatus.ORDERED:
            row = placed.rows[one.name]
            if row.work_order_id is None:
                await _order(session, actor, now, placed, row, done)
    await session.flush()
    return done


async def call_for(
    session: Session,
    actor: Actor,
    now: datetime,
    plan_id: UUID,
    *,
    asset_id: UUID,
    key: str,
    observed_at: datetime,
    due_at: datetime,
    note: str,
) -> MaintenanceOccurrence:
    """Order the work that a condition calls for, once for each key: the same call again changes nothing.

    Telemetry, an inspection's finding, a person: whatever notices the condition comes through here, and goes
    on through the same steps as what falls due by time.
    """
    check_office(actor)
    plan = await find_plan(session, actor, plan_id)
    if plan.trigger != TriggerKind.CONDITION or not plan.is_active:
        raise Invalid("This plan is not called for by a condition, or is out of use.")
    # All plans of the asset are held, in the order in which every generator holds them.
    found = await load(session, actor, now, [asset_id], lock=True)
    if not found or not _applies(plan, found[0].asset):
        raise Invalid("The plan does not apply to this asset.", errors=[{"at": "/asset_id"}])
    placed = found[0]
    row = placed.rows.get((plan.id, f"!{key}"))
    if row is not None:
        return row
    row = MaintenanceOccurrence(
        tenant_id=actor.tenant_id,
        plan_id=plan.id,
        asset_id=asset_id,
        key=f"!{key}",
        cause=TriggerKind.CONDITION,
        due_at=due_at,
        due_lo_at=due_at,
        due_hi_at=due_at,
        earliest_at=min(observed_at, due_at),
        latest_at=due_at,
        note=note,
        plan_rev=plan.rev,
        created_at=now,
    )
    session.add(row)
    await session.flush()
    await record(session, actor, now, "maintenance.called_for", row, note=note)
    await generate(session, actor, now, [asset_id])
    return row


def _applies(plan: MaintenancePlan, asset: Asset) -> bool:
    return asset.retired_at is None and (
        plan.asset_id == asset.id or plan.model_id == asset.model_id
    )


# --- steps ------------------------------------------------------------------------------------------------


async def _note_cancelled(session: Session, actor: Actor, now: datetime, placed: Placed) -> None:
    """Record as skipped what the office has cancelled."""
    for row in placed.rows.values():
        job = placed.jobs.get(row.work_order_id) if row.work_order_id else None
        if row.status == OccurrenceStatus.ORDERED and job and job.status == Status.CANCELLED:
            row.status = OccurrenceStatus.SKIPPED
            row.skip_reason = job.cancel_reason
            await session.flush()
            await record(session, actor, now, "maintenance.skipped", row, reason=job.cancel_reason)


async def _take_back(
    session: Session, actor: Actor, now: datetime, placed: Placed, one: Decision
) -> None:
    """Cancel the work order of what is no longer to be done, or not as that kind of work."""
    row = placed.rows.get(one.name)
    job = placed.jobs.get(row.work_order_id) if row and row.work_order_id else None
    plan = placed.plans[one.plan_id]
    if row is None or job is None or is_begun(job):
        return
    is_other_work = job.work_type_id != plan.work_type_id
    if one.status is OccurrenceStatus.ORDERED and not is_other_work:
        return
    if job.status != Status.CANCELLED:
        await _name_reason(session, actor)
        await orders.cancel(session, actor, now, job.id, reason=WITHDRAWN)
    row.work_order_id = None
    row.status = OccurrenceStatus.EXPECTED


async def _write(
    session: Session, actor: Actor, now: datetime, placed: Placed, one: Decision, done: Generated
) -> None:
    """Bring an occurrence's row to the decision; an ordered one is so once its work order is made."""
    plan = placed.plans[one.plan_id]
    row = placed.rows.get(one.name)
    is_new = row is None
    if row is None:
        row = MaintenanceOccurrence(
            tenant_id=actor.tenant_id,
            plan_id=plan.id,
            asset_id=placed.asset.id,
            key=one.key,
            cause=one.due.cause if one.due else TriggerKind.CALENDAR,
            due_at=one.due_at,
            due_lo_at=one.due_at,
            due_hi_at=one.due_at,
            earliest_at=one.earliest_at,
            latest_at=one.latest_at,
            created_at=now,
        )
        placed.rows[one.name] = row
    was_due_at, was = row.due_at, OccurrenceStatus(row.status)
    if one.due is not None:
        row.cause = one.due.cause
        row.due_at, row.due_lo_at, row.due_hi_at = one.due.due_at, one.due.lo_at, one.due.hi_at
        row.earliest_at, row.latest_at = one.earliest_at, one.latest_at
        row.interval_s, row.meter_total = one.due.interval_s, one.due.meter_total
    job = placed.jobs.get(row.work_order_id) if row.work_order_id else None
    row.covered_by_id = placed.rows[one.covered_by].id if one.covered_by else None
    row.status = (
        OccurrenceStatus.EXPECTED
        if one.status is OccurrenceStatus.ORDERED and job is None
        else one.status
    )
    if is_new:
        session.add(row)
        row.plan_rev = plan.rev
    await session.flush()
    if job is not None and (row.due_at != was_due_at or row.plan_rev != plan.rev):
        await _amend(session, actor, now, plan, row, job)
        done.moved += 1
    row.plan_rev = plan.rev
    if row.status != was or is_new:
        match row.status:
            case OccurrenceStatus.COVERED:
                done.covered += 1
                by = str(row.covered_by_id)
                await record(session, actor, now, "maintenance.covered", row, covered_by_id=by)
            case OccurrenceStatus.MISSED:
                done.missed += 1
                await record(session, actor, now, "maintenance.missed", row)
            case OccurrenceStatus.WITHDRAWN:
                done.withdrawn += 1
                await record(session, actor, now, "maintenance.withdrawn", row)


async def _amend(
    session: Session,
    actor: Actor,
    now: datetime,
    plan: MaintenancePlan,
    row: MaintenanceOccurrence,
    job: WorkOrder,
) -> None:
    """Bring a work order that nobody was sent for to its plan."""
    wanted: dict[str, Any] = {"restore_by": row.latest_at}
    if row.plan_rev != plan.rev:
        version = await catalogue.find_effective_version(session, actor, plan.work_type_id, now)
        wanted |= {
            "title": plan.name,
            "estimate_s": plan.estimate_s or version.duration_s,
            "crew_size": plan.crew_size,
            "priority": plan.priority or version.priority,
            "checklist_template_id": plan.checklist_template_id,
        }
    if revise(job, None, wanted):
        await session.flush()
        await events.record(
            session,
            actor,
            "work_order.edited",
            "work_order",
            job.id,
            now=now,
            fields=sorted(wanted),
            restore_by=row.latest_at.isoformat(),
        )
        touch(session, job)


async def _order(
    session: Session,
    actor: Actor,
    now: datetime,
    placed: Placed,
    row: MaintenanceOccurrence,
    done: Generated,
) -> None:
    """Make the work order of an occurrence: the one way there is, whatever called for it."""
    plan = placed.plans[row.plan_id]
    work_order = await orders.create_work_order(
        session,
        actor,
        now,
        work_type=await catalogue.find_work_type(session, actor, plan.work_type_id),
        site=placed.site,
        asset=placed.asset,
        title=plan.name,
        description=row.note,
        reported_at=now,
        priority=plan.priority,
        estimate_s=plan.estimate_s,
        crew_size=plan.crew_size,
        foreseen=Foreseen(row.due_at, row.latest_at, plan.checklist_template_id),
    )
    row.work_order_id = work_order.id
    row.status = OccurrenceStatus.ORDERED
    row.plan_rev = plan.rev
    done.ordered += 1
    await session.flush()
    await record(session, actor, now, "maintenance.ordered", row, work_order_id=str(work_order.id))


async def _name_reason(session: Session, actor: Actor) -> None:
    """Have the reason under which plans withdraw their work, however many need it first."""
    values = {
        "tenant_id": actor.tenant_id,
        "id": uuid7(),
        "rev": 1,
        "kind": str(ReasonKind.CANCEL),
        "code": WITHDRAWN,
        "names": _REASON_NAMES,
        "stops_sla_clock": False,
        "stops_repair_clock": False,
        "is_active": True,
    }
    made = await session.exec(
        insert(Reason)
        .values(values)
        .on_conflict_do_nothing(index_elements=["tenant_id", "kind", "code"])
        .returning(Reason.id)  # type: ignore[call-overload]
    )
    if made.first() is not None:
        statement = select(Reason).where(
            Reason.tenant_id == actor.tenant_id, Reason.id == values["id"]
        )
        touch(session, (await session.exec(statement)).one())
