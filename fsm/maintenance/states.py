"""What the rules decide on, read from the database: plans, assets, what is known, what counters showed."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import or_
from sqlalchemy.orm import aliased
from sqlmodel import col, select

from fsm.actors import Actor
from fsm.assets.tables import Asset
from fsm.customers.tables import Site
from fsm.database import Session, run
from fsm.maintenance.covering import OccurrenceStatus
from fsm.maintenance.decisions import Known, PlanState
from fsm.maintenance.due import LOOK_BACK, CountsFrom, Schedule, Subject, TriggerKind
from fsm.maintenance.meter_forecast import MeterHistory
from fsm.maintenance.occurrences import minute_of, read_pauses
from fsm.maintenance.queries import is_begun
from fsm.maintenance.tables import MaintenanceOccurrence, MaintenancePlan
from fsm.work_orders.lifecycle import Status
from fsm.work_orders.tables import WorkOrder

READINGS = 60
"""The newest readings of a counter that a forecast looks at."""


@dataclass(slots=True)
class Placed:
    """An asset with its site, the plans that apply to it or did, and each plan's state."""

    asset: Asset
    site: Site
    plans: dict[UUID, MaintenancePlan]
    rows: dict[tuple[UUID, str], MaintenanceOccurrence]
    jobs: dict[UUID, WorkOrder]
    states: list[PlanState]


def schedule_of(plan: MaintenancePlan) -> Schedule:
    return Schedule(
        kind=TriggerKind(plan.trigger),
        counts_from=CountsFrom(plan.counts_from),
        starts_on=plan.starts_on,
        due_min=minute_of(plan.due_time),
        ends_on=plan.ends_on,
        rule=plan.rule,
        every=plan.every_units,
        or_months=plan.or_months,
        pauses=read_pauses(plan.pauses),
        early_days=plan.early_days,
        late_days=plan.late_days,
        lead_days=plan.lead_days,
    )


async def list_planned_assets(
    session: Session,
    actor: Actor,
    *,
    plan_id: UUID | None = None,
    asset_id: UUID | None = None,
    after: UUID | None = None,
    limit: int = 500,
) -> list[UUID]:
    """Return, in order of id, the assets that a plan applies to or has open occurrences on."""
    plan = MaintenancePlan
    applies = select(plan.id).where(
        plan.tenant_id == Asset.tenant_id,
        plan.is_active,
        or_(col(plan.asset_id) == Asset.id, col(plan.model_id) == Asset.model_id),
    )
    row = MaintenanceOccurrence
    has_open = select(row.id).where(
        row.tenant_id == Asset.tenant_id,
        row.asset_id == Asset.id,
        col(row.status).in_([OccurrenceStatus.EXPECTED, OccurrenceStatus.ORDERED]),
    )
    if plan_id is not None:
        applies = applies.where(plan.id == plan_id)
        has_open = has_open.where(row.plan_id == plan_id)
    statement = (
        select(Asset.id)
        .where(Asset.tenant_id == actor.tenant_id, or_(applies.exists(), has_open.exists()))
        .order_by(col(Asset.id))
        .limit(limit)
    )
    if asset_id is not None:
        statement = statement.where(Asset.id == asset_id)
    if after is not None:
        statement = statement.where(Asset.id > after)
    return list(await session.exec(statement))


async def load(
    session: Session,
    actor: Actor,
    now: datetime,
    asset_ids: Collection[UUID],
    *,
    lock: bool = False,
) -> list[Placed]:
    """Return assets with the states of their plans; `lock` holds plans and unstarted jobs, in order of id.

    Whoever generates for the same plan takes turns, and reads what the one before has written.
    """
    placed = [
        Placed(asset, site, {}, {}, {}, [])
        for asset, site in await session.exec(
            select(Asset, Site)
            .join(Site, (col(Site.tenant_id) == Asset.tenant_id) & (col(Site.id) == Asset.site_id))
            .where(Asset.tenant_id == actor.tenant_id, col(Asset.id).in_(asset_ids))
            .order_by(col(Asset.id))
        )
    ]
    plans = await _list_plans(session, actor, placed, lock=lock)
    if not plans:
        return placed
    known = await _list_known(session, actor, now, placed, plans, lock=lock)
    counters = await _list_totals(session, actor, placed, plans)
    for one in placed:
        rows = known.get(one.asset.id, [])
        one.rows = {(row.plan_id, row.key): row for row, *_ in rows}
        one.jobs = {job.id: job for _, job, *_ in rows if job is not None}
        for plan in plans:
            its = tuple(_known(*rest) for rest in rows if rest[0].plan_id == plan.id)
            applies = plan.asset_id == one.asset.id or plan.model_id == one.asset.model_id
            if its or (applies and plan.is_active):
                one.plans[plan.id] = plan
                one.states.append(_state(plan, one, its, applies, now, counters))
    return placed


def _state(
    plan: MaintenancePlan,
    one: Placed,
    known: tuple[Known, ...],
    applies: bool,
    now: datetime,
    counters: dict[tuple[UUID, str], tuple[tuple[datetime, Decimal], ...]],
) -> PlanState:
    is_on = plan.is_active and applies and one.asset.retired_at is None
    meter = None
    if plan.meter_code is not None:
        points = counters.get((one.asset.id, plan.meter_code), ())
        meter = MeterHistory(points, plan.units_a_day)
    return PlanState(
        plan_id=plan.id,
        series=plan.series,
        size=plan.size,
        schedule=schedule_of(plan) if is_on else None,
        subject=Subject(
            zone=ZoneInfo(one.site.zone),
            in_service_at=one.asset.in_service_from,
            since_at=max(plan.effective_at, one.asset.in_service_from, now - LOOK_BACK),
            meter=meter,
        ),
        known=known,
    )


def _known(
    row: MaintenanceOccurrence,
    job: WorkOrder | None,
    coverer: MaintenanceOccurrence | None,
    covering_job: WorkOrder | None,
) -> Known:
    """Return an occurrence as the rules see it: a covered one goes the way of what covers it."""
    doing = covering_job if row.status == OccurrenceStatus.COVERED else job
    is_done_by_it = row.status in (OccurrenceStatus.ORDERED, OccurrenceStatus.COVERED)
    stands = row.status != OccurrenceStatus.COVERED or (
        coverer is not None and coverer.status == OccurrenceStatus.ORDERED
    )
    status = OccurrenceStatus(row.status)
    if status is OccurrenceStatus.ORDERED and job is not None and job.status == Status.CANCELLED:
        status = OccurrenceStatus.SKIPPED
    return Known(
        id=row.id,
        key=row.key,
        status=status,
        cause=TriggerKind(row.cause),
        due_at=row.due_at,
        earliest_at=row.earliest_at,
        latest_at=row.latest_at,
        is_begun=bool(is_done_by_it and stands and doing is not None and is_begun(doing)),
        done_at=doing.work_done_at if is_done_by_it and stands and doing is not None else None,
        meter_total=row.meter_total,
    )


async def _list_plans(
    session: Session, actor: Actor, placed: Iterable[Placed], *, lock: bool
) -> Sequence[MaintenancePlan]:
    plan = MaintenancePlan
    assets = [one.asset for one in placed]
    present = select(MaintenanceOccurrence.plan_id).where(
        MaintenanceOccurrence.tenant_id == actor.tenant_id,
        col(MaintenanceOccurrence.asset_id).in_([asset.id for asset in assets]),
    )
    statement = (
        select(plan)
        .where(
            plan.tenant_id == actor.tenant_id,
            or_(
                col(plan.asset_id).in_([asset.id for asset in assets]),
                col(plan.model_id).in_({asset.model_id for asset in assets}),
                col(plan.id).in_(present),
            ),
        )
        .order_by(col(plan.id))
    )
    if lock:
        statement = statement.with_for_update(key_share=True).execution_options(
            populate_existing=True
        )
    return (await session.exec(statement)).all()


Row = tuple[MaintenanceOccurrence, WorkOrder | None, MaintenanceOccurrence | None, WorkOrder | None]


async def _list_known(
    session: Session,
    actor: Actor,
    now: datetime,
    placed: Iterable[Placed],
    plans: Iterable[MaintenancePlan],
    *,
    lock: bool,
) -> dict[UUID, list[Row]]:
    """Return occurrences by asset: of chains all, of calendars those that may still matter."""
    row = MaintenanceOccurrence
    asset_ids = [one.asset.id for one in placed]
    if lock:
        await _lock_unstarted(session, actor, asset_ids)
    job: Any = aliased(WorkOrder)
    coverer: Any = aliased(row)
    covering_job: Any = aliased(WorkOrder)
    statement: Any = (
        select(row, job, coverer, covering_job)
        .outerjoin(job, (job.tenant_id == row.tenant_id) & (job.id == row.work_order_id))
        .outerjoin(
            coverer, (coverer.tenant_id == row.tenant_id) & (coverer.id == row.covered_by_id)
        )
        .outerjoin(
            covering_job,
            (covering_job.tenant_id == row.tenant_id) & (covering_job.id == coverer.work_order_id),
        )
        .where(
            row.tenant_id == actor.tenant_id,
            col(row.asset_id).in_(asset_ids),
            or_(
                col(row.due_at) >= now - 2 * LOOK_BACK,
                col(row.key).startswith("#"),
                col(row.status) == OccurrenceStatus.EXPECTED,
                col(job.status).in_([Status.OPEN, Status.SCHEDULED]),
            ),
        )
        .order_by(col(row.due_at), col(row.id))
        .execution_options(populate_existing=True)
    )
    found: dict[UUID, list[Row]] = {}
    for one, its, by, theirs in await session.exec(statement):
        found.setdefault(one.asset_id, []).append((one, its, by, theirs))
    return found


async def _lock_unstarted(session: Session, actor: Actor, asset_ids: list[UUID]) -> None:
    """Hold the jobs that a changed plan may change, so that nobody is sent for them meanwhile."""
    row = MaintenanceOccurrence
    statement = (
        select(WorkOrder.id)
        .join(
            row,
            (col(row.tenant_id) == WorkOrder.tenant_id) & (col(row.work_order_id) == WorkOrder.id),
        )
        .where(
            WorkOrder.tenant_id == actor.tenant_id,
            col(row.asset_id).in_(asset_ids),
            col(WorkOrder.status).in_([Status.OPEN, Status.SCHEDULED]),
            col(WorkOrder.dispatched_at).is_(None),
        )
        .order_by(col(WorkOrder.id))
        .with_for_update(of=WorkOrder, key_share=True)
    )
    await session.exec(statement)


async def _list_totals(
    session: Session,
    actor: Actor,
    placed: Iterable[Placed],
    plans: Iterable[MaintenancePlan],
) -> dict[tuple[UUID, str], tuple[tuple[datetime, Decimal], ...]]:
    """Return (asset, meter's code) → its newest readings as (instant, total run since the first of all)."""
    codes = sorted({plan.meter_code for plan in plans if plan.meter_code is not None})
    if not codes:
        return {}
    found = await run(
        session,
        """
        with shown as (
          select m.asset_id, m.code, r.meter_id, r.read_at, r.value, r.is_reset, r.is_rollover,
            m.rollover_at, lag(r.value) over (partition by r.meter_id order by r.read_at) as before
          from meter m join meter_reading r on r.tenant_id = m.tenant_id and r.meter_id = m.id
          where m.tenant_id = :tenant and m.code = any(cast(:codes as text[]))
            and m.asset_id = any(cast(:assets as uuid[]))
        ), ran as (
          select asset_id, code, read_at,
            sum(case when is_reset then value
                     when is_rollover then rollover_at - before + value
                     else value - coalesce(before, 0) end)
              over (partition by meter_id order by read_at) as total,
            row_number() over (partition by meter_id order by read_at desc) as place
          from shown)
        select asset_id, code, read_at, total from ran where place <= :most order by read_at
        """,
        tenant=actor.tenant_id,
        codes=codes,
        assets=[one.asset.id for one in placed],
        most=READINGS,
    )
    totals: dict[tuple[UUID, str], list[tuple[datetime, Decimal]]] = {}
    for one in found:
        totals.setdefault((one.asset_id, one.code), []).append((one.read_at, one.total))
    return {key: tuple(points) for key, points in totals.items()}
