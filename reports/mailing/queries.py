"""All the SQL about schedules of reports."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlmodel import col, select

from fsm import events
from fsm.actors import Actor
from fsm.database import Session
from fsm.tenants.queries import find_own_tenant
from reports.mailing.periods import Every, next_due
from reports.mailing.tables import ReportDelivery, ReportSchedule

_NEWEST = 200


async def list_schedules(session: Session, actor: Actor) -> Sequence[ReportSchedule]:
    statement = (
        select(ReportSchedule)
        .where(ReportSchedule.tenant_id == actor.tenant_id)
        .order_by(col(ReportSchedule.id))
    )
    return list(await session.exec(statement))


async def find_schedule(
    session: Session, actor: Actor, schedule_id: UUID, *, lock: bool = False
) -> ReportSchedule:
    statement = select(ReportSchedule).where(
        ReportSchedule.tenant_id == actor.tenant_id, ReportSchedule.id == schedule_id
    )
    return await session.found(
        statement.with_for_update() if lock else statement, f"No schedule {schedule_id}."
    )


async def add_schedule(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    name: str,
    every: Every,
    language: str,
    recipients: list[str],
) -> ReportSchedule:
    """Add a schedule; its first report is of the period that is under way."""
    zone = (await find_own_tenant(session, actor.tenant_id)).zone
    row = ReportSchedule(
        tenant_id=actor.tenant_id,
        name=name,
        every=every,
        language=language,
        recipients=recipients,
        next_on=next_due(every, now.astimezone(ZoneInfo(zone)).date()),
        made_at=now,
        made_by=actor.name,
    )
    session.add(row)
    await session.flush()
    await events.record(
        session, actor, "report.scheduled", "report_schedule", row.id, now=now,
        every=str(every), recipients=recipients,
    )  # fmt: skip
    return row


async def end_schedule(session: Session, actor: Actor, now: datetime, schedule_id: UUID) -> None:
    row = await find_schedule(session, actor, schedule_id, lock=True)
    if row.is_active:
        row.is_active = False
        row.rev += 1
        await events.record(
            session, actor, "report.unscheduled", "report_schedule", row.id, now=now
        )


async def list_deliveries(
    session: Session, actor: Actor, schedule_id: UUID
) -> Sequence[ReportDelivery]:
    await find_schedule(session, actor, schedule_id)
    statement = (
        select(ReportDelivery)
        .where(
            ReportDelivery.tenant_id == actor.tenant_id, ReportDelivery.schedule_id == schedule_id
        )
        .order_by(col(ReportDelivery.id).desc())
        .limit(_NEWEST)
    )
    return list(await session.exec(statement))
