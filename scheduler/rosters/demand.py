"""What a forecast is made of: past work, preventive work to come, promises of contracts, what was entered."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlmodel import col, or_, select

from fsm.actors import Actor
from fsm.catalogue.queries import seek_effective_version
from fsm.catalogue.tables import MaintenanceKind, WorkType
from fsm.contracts.opening_hours import calendar_from_json, expand_rows
from fsm.contracts.service_levels import ANSWERS, service_level_from_json
from fsm.contracts.tables import Contract, ServiceLevel
from fsm.contracts.versions import seek_calendar_version, seek_service_level_version
from fsm.database import Session
from fsm.maintenance.outlook import list_coming
from fsm.maintenance.tables import MaintenanceOccurrence
from fsm.work_orders.lifecycle import LIVE_VISITS, Status
from fsm.work_orders.tables import Visit, WorkOrder
from scheduler.rosters.forecast import (
    ANYBODY,
    Entered,
    Known,
    Presence,
    Trade,
    Worked,
    forecast,
    trade_of,
)
from scheduler.rosters.hours import Hour
from scheduler.rosters.problem import Need
from scheduler.rosters.rule_set import RuleSet
from scheduler.rosters.tables import RosterDemand

_OPEN = (Status.OPEN, Status.SCHEDULED, Status.DISPATCHED, Status.IN_PROGRESS)


async def reckon(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    hours: Sequence[Hour],
    zone: ZoneInfo,
    rule_set: RuleSet,
) -> tuple[Need, ...]:
    """Return the needs of a horizon."""
    first_on, last_on = hours[0].on, hours[-1].on
    since = hours[0].starts_at - timedelta(weeks=rule_set.forecast.history_weeks)
    known = [
        *await _preventive_due(session, actor, now, hours, zone),
        *await _preventive_ordered(session, actor, now, hours, zone),
    ]
    return forecast(
        hours,
        zone,
        rule_set.forecast,
        worked=await _past_work(session, actor, since),
        known=known,
        presence=await _promised(session, actor, now, first_on, last_on, zone, rule_set),
        entered=await list_entered(session, actor, first_on, last_on),
        prices=dict(rule_set.prices),
    )


async def _past_work(session: Session, actor: Actor, since: datetime) -> list[Worked]:
    """Return the finished visits of unplanned work, with the drive there."""
    statement = (
        select(Visit, WorkOrder.skills)
        .join(
            WorkOrder,
            (col(WorkOrder.tenant_id) == Visit.tenant_id)
            & (col(WorkOrder.id) == Visit.work_order_id),
        )
        .where(
            Visit.tenant_id == actor.tenant_id,
            Visit.status == "finished",
            col(Visit.planned_starts_at) >= since - timedelta(days=7),
            WorkOrder.maintenance != MaintenanceKind.PREVENTIVE,
        )
        .order_by(col(Visit.planned_starts_at), col(Visit.id))
    )
    found = []
    for visit, skills in await session.exec(statement):
        starts_at = visit.work_started_at or visit.planned_starts_at
        ends_at = visit.finished_at or visit.planned_ends_at
        if ends_at > starts_at:
            begins = starts_at - timedelta(seconds=visit.travel_s)
            found.append(Worked(trade_of(skills), begins, ends_at))
    return found


async def _preventive_due(
    session: Session, actor: Actor, now: datetime, hours: Sequence[Hour], zone: ZoneInfo
) -> list[Known]:
    """Return the services that plans make fall due by the end of the horizon."""
    to_at = hours[-1].starts_at + timedelta(hours=1)
    if to_at <= now:
        return []
    contents: dict[UUID, tuple[Trade, int]] = {}
    found = []
    for one in await list_coming(session, actor, now, to_at):
        plan = one.plan
        if plan.work_type_id not in contents:
            version = await seek_effective_version(session, actor, plan.work_type_id, now)
            contents[plan.work_type_id] = (
                (ANYBODY, 0) if version is None else (trade_of(version.skills), version.duration_s)
            )
        trade, lasts = contents[plan.work_type_id]
        due_on = max(one.due.due_at, now).astimezone(zone).date()
        monday = due_on - timedelta(days=due_on.weekday())
        first_on = max(monday, now.astimezone(zone).date())
        work_s = (plan.estimate_s or lasts) * plan.crew_size
        found.append(Known(trade, work_s, first_on, max(first_on, monday + timedelta(days=4))))
    return found


async def _preventive_ordered(
    session: Session, actor: Actor, now: datetime, hours: Sequence[Hour], zone: ZoneInfo
) -> list[Known]:
    """Return preventive jobs that no plan stands behind: at their visits, or until they are due."""
    planned = (
        select(MaintenanceOccurrence.id)
        .where(
            MaintenanceOccurrence.tenant_id == WorkOrder.tenant_id,
            MaintenanceOccurrence.work_order_id == WorkOrder.id,
        )
        .exists()
    )
    statement = (
        select(WorkOrder, Visit)
        .join(
            Visit,
            (col(Visit.tenant_id) == WorkOrder.tenant_id)
            & (col(Visit.work_order_id) == WorkOrder.id)
            & col(Visit.status).in_([str(one) for one in LIVE_VISITS]),
            isouter=True,
        )
        .where(
            WorkOrder.tenant_id == actor.tenant_id,
            WorkOrder.maintenance == MaintenanceKind.PREVENTIVE,
            col(WorkOrder.status).in_([str(one) for one in _OPEN]),
            ~planned,
        )
        .order_by(col(WorkOrder.id), col(Visit.id))
    )
    found = []
    today = max(hours[0].on, now.astimezone(zone).date())
    rows: list[tuple[WorkOrder, Visit | None]] = list(await session.exec(statement))
    for work_order, visit in rows:
        trade = trade_of(work_order.skills)
        if visit is not None:
            starts_at = visit.planned_starts_at - timedelta(seconds=visit.travel_s)
            found.append(Known(trade, starts_at=starts_at, ends_at=visit.planned_ends_at))
            continue
        due = work_order.restore_by
        last_on = hours[-1].on if due is None else max(today, due.astimezone(zone).date())
        work_s = work_order.estimate_s * work_order.crew_size
        found.append(Known(trade, work_s, today, last_on))
    return found


async def _promised(
    session: Session,
    actor: Actor,
    now: datetime,
    first_on: date,
    last_on: date,
    zone: ZoneInfo,
    rule_set: RuleSet,
) -> list[Presence]:
    """Return when contracts promise a response soon, for the trades of the work that they cover."""
    below_s = rule_set.forecast.presence_below_s
    if not below_s:
        return []
    statement = (
        select(Contract, ServiceLevel)
        .join(
            ServiceLevel,
            (col(ServiceLevel.tenant_id) == Contract.tenant_id)
            & (col(ServiceLevel.id) == Contract.service_level_id),
        )
        .where(
            Contract.tenant_id == actor.tenant_id,
            Contract.starts_on <= last_on,
            or_(col(Contract.ends_on).is_(None), col(Contract.ends_on) >= first_on),
        )
        .order_by(col(Contract.id))
    )
    trades = await _trades(session, actor, now)
    openings: dict[UUID, tuple[tuple[datetime, datetime], ...]] = {}
    found: dict[tuple[UUID, Trade], Presence] = {}
    for contract, level in await session.exec(statement):
        if level.id not in openings:
            openings[level.id] = await _openings(
                session, actor, now, level, first_on, last_on, zone, below_s
            )
        if not openings[level.id]:
            continue
        covered = contract.covers.get("work_types")
        for code, trade in trades.items():
            if covered is None or code in covered:
                found.setdefault((level.id, trade), Presence(trade, openings[level.id]))
    return list(found.values())


async def _trades(session: Session, actor: Actor, now: datetime) -> dict[str, Trade]:
    """Return the trade of each active type of unplanned work, by code; of work for anybody there is none."""
    statement = select(WorkType).where(
        WorkType.tenant_id == actor.tenant_id, col(WorkType.is_active)
    )
    found = {}
    for work_type in list(await session.exec(statement)):
        version = await seek_effective_version(session, actor, work_type.id, now)
        if version is not None and version.maintenance == MaintenanceKind.CORRECTIVE:
            found[work_type.code] = trade_of(version.skills)
    return {code: trade for code, trade in sorted(found.items()) if trade != ANYBODY}


async def _openings(
    session: Session,
    actor: Actor,
    now: datetime,
    level: ServiceLevel,
    first_on: date,
    last_on: date,
    zone: ZoneInfo,
    below_s: int,
) -> tuple[tuple[datetime, datetime], ...]:
    """Return when a service level's calendar is open, if it promises an answer that soon."""
    version = await seek_service_level_version(session, actor, level.id, now)
    calendar = await seek_calendar_version(session, actor, level.calendar_id, now)
    if version is None or calendar is None:
        return ()
    promises = service_level_from_json(version.body)
    soon = any(
        target.clock in ANSWERS and target.target_s <= below_s for target in promises.targets
    )
    if not soon:
        return ()
    return tuple(expand_rows(calendar_from_json(calendar.body), zone, first_on, last_on))


async def list_entered(
    session: Session, actor: Actor, first_on: date, last_on: date
) -> list[Entered]:
    """Return what administrators want instead of what is reckoned, in order of time."""
    statement = (
        select(RosterDemand)
        .where(
            RosterDemand.tenant_id == actor.tenant_id,
            RosterDemand.wanted_on >= first_on,
            RosterDemand.wanted_on <= last_on,
        )
        .order_by(
            col(RosterDemand.wanted_on),
            col(RosterDemand.hour),
            col(RosterDemand.skill),
            col(RosterDemand.level),
        )
    )
    return [
        Entered((one.skill or None, one.level), one.wanted_on, one.hour, one.minutes)
        for one in await session.exec(statement)
    ]
