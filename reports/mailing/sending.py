"""The round that makes the reports that are due and hands them to the mail server.

A report is issued once per schedule and period, whatever becomes of the mail; the mail is tried again, ever
more seldom, for those who have not got it, under one Message-ID, so that a mailbox that gets it twice can
tell.
"""

import logging
from collections.abc import Awaitable, Callable
from datetime import date, datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlmodel import col, select

from fsm import events
from fsm.actors import Actor, system_actor
from fsm.database import Database, Session
from fsm.evidence.blobs import read_all
from fsm.languages import spoken
from fsm.settings import MailSettings
from fsm.tenants.directory import list_tenants
from fsm.tenants.queries import find_own_tenant
from reports.documents import issuing
from reports.documents.contents.figures import collect_management_pack
from reports.documents.kinds import DocumentKind
from reports.documents.tables import IssuedDocument
from reports.documents.wording import words
from reports.mailing.periods import Every, days_before, next_due
from reports.mailing.smtp import MailRefused, send
from reports.mailing.tables import ReportDelivery, ReportSchedule
from reports.queries import begin_snapshot

_LONGEST_WAIT: Final = timedelta(hours=6)
_FIRST_WAIT: Final = timedelta(minutes=5)

log = logging.getLogger("reports.mailing")


async def mail_reports(
    database: Database,
    tools: issuing.Tools,
    mail: MailSettings | None,
    clock: Callable[[], datetime],
) -> None:
    """Make and send what is due, every company's. Without a mail server nothing is made."""
    if mail is None:
        return
    async with database.transaction() as session:
        tenants = await list_tenants(session)
    for tenant_id in tenants:
        try:
            await _of_tenant(database, tools, mail, tenant_id, clock())
        except Exception as error:  # one company's trouble is not another's
            log.error("reports not mailed", extra={"tenant": str(tenant_id)}, exc_info=error)


async def _of_tenant(
    database: Database, tools: issuing.Tools, mail: MailSettings, tenant_id: UUID, now: datetime
) -> None:
    actor = system_actor(tenant_id, "schedule")
    async with database.transaction(tenant_id) as session:
        zone = (await find_own_tenant(session, tenant_id)).zone
        today = now.astimezone(ZoneInfo(zone)).date()
        due = await session.exec(
            select(ReportSchedule.id).where(
                ReportSchedule.tenant_id == tenant_id,
                ReportSchedule.is_active,
                ReportSchedule.next_on <= today,
            )
        )
        schedules = list(due)
    for schedule_id in schedules:
        await _alone(schedule_id, _make(database, tools, actor, now, today, schedule_id))
    async with database.transaction(tenant_id) as session:
        waiting = await session.exec(
            select(ReportDelivery.id)
            .where(
                ReportDelivery.tenant_id == tenant_id,
                col(ReportDelivery.sent_at).is_(None),
                ReportDelivery.next_try_at <= now,
            )
            .order_by(col(ReportDelivery.id))
        )
        deliveries = list(waiting)
    for delivery_id in deliveries:
        await _alone(delivery_id, _deliver(database, tools, mail, actor, now, delivery_id))


async def _alone(id_: UUID, work: Awaitable[None]) -> None:
    """Do what one report needs; its trouble is not the next one's."""
    try:
        await work
    except Exception as error:
        log.error("report not mailed", extra={"report": str(id_)}, exc_info=error)


async def _make(
    database: Database,
    tools: issuing.Tools,
    actor: Actor,
    now: datetime,
    today: date,
    schedule_id: UUID,
) -> None:
    """Issue the report of the last period that is over; periods missed while nobody ran are not made up."""
    async with database.transaction(actor.tenant_id) as session:
        schedule = (
            await session.exec(
                select(ReportSchedule)
                .where(
                    ReportSchedule.tenant_id == actor.tenant_id, ReportSchedule.id == schedule_id
                )
                .with_for_update(skip_locked=True)
            )
        ).one_or_none()
        if schedule is None or not schedule.is_active or schedule.next_on > today:
            return  # another worker has it, or had it
        every = Every(schedule.every)
        following = next_due(every, today)
        first_on, last_on = days_before(every, days_before(every, following)[0])
        # One whose files are no longer all there since the wish must not keep the report back.
        language = spoken(schedule.language)
        async with database.transaction(actor.tenant_id) as reading:
            await begin_snapshot(reading)
            collected = await collect_management_pack(
                reading, actor, now, first_on, last_on, language
            )
        wish = issuing.Wish(language)
        row = await issuing.issue(
            session, tools, actor, now, DocumentKind.MANAGEMENT_PACK, collected, wish
        )
        session.add(
            ReportDelivery(
                tenant_id=actor.tenant_id,
                schedule_id=schedule.id,
                document_id=row.id,
                first_on=first_on,
                last_on=last_on,
                recipients=schedule.recipients,
                next_try_at=now,
            )
        )
        schedule.next_on = following
        schedule.rev += 1


async def _deliver(
    database: Database,
    tools: issuing.Tools,
    mail: MailSettings,
    actor: Actor,
    now: datetime,
    delivery_id: UUID,
) -> None:
    async with database.transaction(actor.tenant_id) as session:
        delivery = (
            await session.exec(
                select(ReportDelivery)
                .where(
                    ReportDelivery.tenant_id == actor.tenant_id,
                    ReportDelivery.id == delivery_id,
                    col(ReportDelivery.sent_at).is_(None),
                )
                .with_for_update(skip_locked=True)
            )
        ).one_or_none()
        if delivery is None:
            return
        message = await _message(session, tools, mail, actor, now, delivery)
        delivery.attempts += 1
        waiting = [each for each in delivery.recipients if each not in delivery.taken]
        try:
            await send(mail, message, waiting)
        except MailRefused as error:
            if error.left is not None:
                got = [each for each in waiting if each not in error.left]
                delivery.taken = [*delivery.taken, *got]
            delivery.last_error = str(error)
            wait = min(_FIRST_WAIT * 2 ** (delivery.attempts - 1), _LONGEST_WAIT)
            delivery.next_try_at = now + wait
            log.warning("report not taken", extra={"delivery": str(delivery_id), "why": str(error)})
            return
        delivery.taken, delivery.sent_at, delivery.last_error = delivery.recipients, now, ""
        await events.record(
            session,
            actor,
            "report.mailed",
            "issued_document",
            delivery.document_id,
            now=now,
            recipients=delivery.recipients,
        )


async def _message(
    session: Session,
    tools: issuing.Tools,
    mail: MailSettings,
    actor: Actor,
    now: datetime,
    delivery: ReportDelivery,
) -> EmailMessage:
    row = await session.get_one(IssuedDocument, (actor.tenant_id, delivery.document_id))
    tenant = await find_own_tenant(session, actor.tenant_id)
    content = await read_all(tools.store, actor.tenant_id, row.file_sha256.hex(), row.file_size)
    text = words(spoken(row.language), tenant.zone)
    days = text(
        "report.days",
        first=text.day(delivery.first_on.isoformat()),
        last=text.day(delivery.last_on.isoformat()),
    )
    message = EmailMessage()
    service = " ".join(tenant.name.split())
    message["Subject"] = f"{service}: {text('kind.management_pack')} {row.number}, {days}"
    message["From"] = mail.sender
    message["To"] = ", ".join(delivery.recipients)
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{delivery.id}@{mail.sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text("mail.body", number=row.number, days=days))
    message.add_attachment(
        content, maintype="application", subtype="pdf", filename=f"{row.number}.pdf"
    )
    return message
