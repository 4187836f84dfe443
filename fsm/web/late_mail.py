"""The mail that says "we are late" before the customer has to ask: the same estimate as the status page.

A notice is written once per visit and window; the mail is tried again until the server takes it, the
technician is there, or the window is long over.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from fsm import events
from fsm.actors import system_actor
from fsm.database import Database, Session
from fsm.settings import MailSettings, Settings
from fsm.tenants.directory import list_tenants
from fsm.web.arrivals import with_arrival
from fsm.web.languages import choose_language, messages
from fsm.web.progress import progress
from fsm.work_orders import requests
from fsm.work_orders.delays import queries
from fsm.work_orders.delays.tables import DelayNotice
from fsm.work_orders.request_story import Story, read_story_without_actor
from fsm.work_orders.tables import ServiceRequest, Visit
from reports.mailing.smtp import MailRefused, send

GRACE: Final = timedelta(minutes=5)
"""A delay that nobody at the door would notice."""
_WAIT: Final = timedelta(minutes=2)

log = logging.getLogger("fsm.web.late_mail")


async def tell_of_delays(
    database: Database, settings: Settings, clock: Callable[[], datetime]
) -> None:
    """Notice what will be late and mail it, every company's. Without a mail server nothing is noticed."""
    mail = settings.mail
    if mail is None:
        return
    async with database.transaction() as session:
        tenants = await list_tenants(session)
    for tenant_id in tenants:
        try:
            await _of_tenant(database, settings, mail, tenant_id, clock())
        except Exception as error:  # one company's trouble is not another's
            log.error("delays not mailed", extra={"tenant": str(tenant_id)}, exc_info=error)


async def _of_tenant(
    database: Database, settings: Settings, mail: MailSettings, tenant_id: UUID, now: datetime
) -> None:
    async with database.transaction(tenant_id) as session:
        for visit, request in await queries.list_watched(session, tenant_id, now):
            await _notice(session, visit, request, now)
    async with database.transaction(tenant_id) as session:
        unsent = await queries.list_unsent(session, tenant_id, now)
    for notice_id in unsent:
        async with database.transaction(tenant_id) as session:
            notice = await queries.lock_unsent(session, tenant_id, notice_id)
            if notice is not None:
                await _deliver(session, settings, mail, notice, now)


async def _expected(
    session: Session, visit: Visit, request: ServiceRequest, now: datetime
) -> tuple[Story, datetime | None]:
    """Return a report's story and when the technician of this visit is expected, None where unknown.

    Whoever has not set out by now arrives after the drive at the earliest; what they said themselves counts.
    """
    story = await read_story_without_actor(session, request)
    made = await with_arrival(session, story, progress(story), now)
    if made.arrival_at is None or made.technician_id != visit.technician_id:
        return story, None
    drive = timedelta(seconds=visit.travel_s if visit.travel_started_at is None else 0)
    said = await queries.find_said_arrival(session, visit)
    return story, max(made.arrival_at, now + drive, said or now)


async def _notice(session: Session, visit: Visit, request: ServiceRequest, now: datetime) -> None:
    _, expected_at = await _expected(session, visit, request, now)
    assert visit.window_ends_at is not None, "only visits with a window are watched"
    if expected_at is None or expected_at <= visit.window_ends_at + GRACE:
        return
    session.add(
        DelayNotice(
            tenant_id=visit.tenant_id,
            visit_id=visit.id,
            request_id=request.id,
            recipient=request.contact_email,
            window_ends_at=visit.window_ends_at,
            expected_at=expected_at,
            noticed_at=now,
            next_try_at=now,
        )
    )


async def _deliver(
    session: Session, settings: Settings, mail: MailSettings, notice: DelayNotice, now: datetime
) -> None:
    visit, request = await queries.find_visit_and_request(session, notice)
    story, expected_at = await _expected(session, visit, request, now)
    is_stale = now >= notice.window_ends_at + queries.BEHIND
    if is_stale or expected_at is None or not queries.is_coming(visit):
        notice.given_up_at = now
        return
    notice.expected_at = expected_at
    notice.attempts += 1
    try:
        await send(mail, _message(settings, mail, notice, visit, request, story, now))
    except MailRefused as error:
        notice.last_error, notice.next_try_at = str(error), now + _WAIT
        log.warning("notice not taken", extra={"notice": str(notice.id), "why": str(error)})
        return
    notice.sent_at, notice.last_error = now, ""
    await events.record(
        session,
        system_actor(notice.tenant_id, "notices"),
        "customer.told_of_delay",
        "visit",
        visit.id,
        now=now,
        notice_id=str(notice.id),
        expected_at=expected_at.isoformat(),
    )


def _message(
    settings: Settings,
    mail: MailSettings,
    notice: DelayNotice,
    visit: Visit,
    request: ServiceRequest,
    story: Story,
    now: datetime,
) -> EmailMessage:
    language = choose_language(None, request.language)
    text, zone = messages(language), ZoneInfo(story.zone)
    assert visit.window_starts_at is not None, "a window has both ends"
    key = settings.derived_key("status-link")
    token = requests.status_token(key, request.tenant_id, request.id)
    message = EmailMessage()
    message["Subject"] = text("mail.late.subject", service=_line(story.service_name))
    message["From"] = mail.sender
    message["To"] = notice.recipient
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{notice.id}@{mail.sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(
        text(
            "mail.late.body",
            window=text.window(visit.window_starts_at, notice.window_ends_at, zone),
            what=_line(story.model or request.number),
            arrival=text.moment(notice.expected_at, zone),
            city=text.city(zone),
            link=f"{settings.public_url}/s/{token}?lang={language}",
        )
        + "\n"
    )
    return message


def _line(text: str) -> str:
    """Return a name as one line: a header takes no other."""
    return " ".join(text.split())
