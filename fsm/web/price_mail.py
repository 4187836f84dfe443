"""The mail that brings a price to the customer: what more is needed, what it would cost, where to answer.

It goes to the customer's own address, since who answers binds the customer to pay; else to whoever reported,
if the customer is known to have that address: anybody who stands before the machine may report and type one.
A server that does not take it is asked again, ever more seldom, until the price is answered, withdrawn or
over.
"""

import logging
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlmodel import col, func, select

from fsm import events, jobs
from fsm.actors import system_actor
from fsm.customers.tables import Contact, Customer
from fsm.database import Session
from fsm.jobs import Job
from fsm.settings import MailSettings, Settings
from fsm.tenants.queries import find_own_tenant
from fsm.tenants.tables import User
from fsm.web import prices
from fsm.web.languages import Messages, choose_language, messages
from fsm.work_orders.scope_changes import offers
from fsm.work_orders.scope_changes.offers import Put
from fsm.work_orders.scope_changes.rules import OfferState
from fsm.work_orders.tables import ServiceRequest, WorkOrder
from reports.mailing.smtp import MailRefused, send

MAILED: Final = "customer.sent_price"
MAIL: Final = "work_order.scope_offered"
"""The event that has a price mailed, and the job that tries again."""

_FIRST_WAIT: Final = timedelta(minutes=5)
_LONGEST_WAIT: Final = timedelta(hours=6)

log = logging.getLogger("fsm.web.price_mail")


async def mail_price(session: Session, job: Job, settings: Settings, now: datetime) -> None:
    """Mail the price that was put to the customer; without a mail server or address, nothing.

    What was sent is not sent again, unless the worker dies before that is written down: both mails have one
    Message-ID, so that a mailbox that gets it twice can tell.
    """
    mail = settings.mail
    put = await offers.find_put(session, job.tenant_id, UUID(job.data["offer_id"]))
    offer = put.offer
    if mail is None or put.state(now) is not OfferState.OPEN:
        return
    if await events.is_recorded(session, job.tenant_id, MAILED, "scope_offer", offer.id):
        return
    recipient, language = await _recipient(session, put)
    if not recipient:
        return
    message = _message(
        settings, mail, put, (await find_own_tenant(session, job.tenant_id)).name, language, now
    )
    message["To"] = recipient
    try:
        await send(mail, message)
    except MailRefused as error:
        await _try_again(session, job, now)
        log.warning("price not taken", extra={"offer": str(offer.id), "why": str(error)})
        return
    actor = system_actor(job.tenant_id, "notices")
    about = str(put.work_order.id)
    await events.record(
        session, actor, MAILED, "scope_offer", offer.id, now=now, work_order_id=about
    )


async def _try_again(session: Session, job: Job, now: datetime) -> None:
    tries = int(job.data.get("tries", 0))
    wait = min(_FIRST_WAIT * 2 ** min(tries, 10), _LONGEST_WAIT)
    about = {"offer_id": job.data["offer_id"], "tries": tries + 1}
    await jobs.enqueue(session, MAIL, job.tenant_id, not_before=now + wait, now=now, **about)


async def _recipient(session: Session, put: Put) -> tuple[str, str]:
    """Return the address to write to, empty where none is known, and the language to write in."""
    work_order = put.work_order
    own = select(Customer.email).where(
        Customer.tenant_id == work_order.tenant_id, Customer.id == work_order.customer_id
    )
    address = (await session.exec(own)).one()
    if address:
        tenant = await find_own_tenant(session, work_order.tenant_id)
        return address, choose_language(None, tenant.language)
    reported = select(ServiceRequest).where(
        ServiceRequest.tenant_id == work_order.tenant_id,
        ServiceRequest.id == work_order.request_id,
    )
    request = (await session.exec(reported)).one_or_none()
    if request is None or not await _is_known(session, work_order, request.contact_email):
        return "", ""
    return request.contact_email, choose_language(None, request.language)


async def _is_known(session: Session, work_order: WorkOrder, address: str) -> bool:
    """Return whether the address is a contact's of the job's customer, or of who signs in for them."""
    if not address:
        return False
    contacts = select(Contact.id).where(
        Contact.tenant_id == work_order.tenant_id,
        Contact.customer_id == work_order.customer_id,
        func.lower(Contact.email) == address.lower(),
    )
    users = select(User.id).where(
        User.tenant_id == work_order.tenant_id,
        User.customer_id == work_order.customer_id,
        col(User.is_active),
        (func.lower(User.email) == address.lower()) | (func.lower(User.login) == address.lower()),
    )
    if (await session.exec(contacts)).first() is not None:
        return True
    return (await session.exec(users)).first() is not None


def _message(
    settings: Settings, mail: MailSettings, put: Put, service: str, language: str, now: datetime
) -> EmailMessage:
    offer, work_order = put.offer, put.work_order
    text = messages(language)
    token = offers.offer_token(settings.derived_key(offers.KEY), offer.tenant_id, offer.id)
    message = EmailMessage()
    message["Subject"] = text(
        "mail.price.subject", service=" ".join(service.split()), number=work_order.number
    )
    message["From"] = mail.sender
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{offer.id}@{mail.sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(
        text(
            "mail.price.body",
            number=work_order.number,
            lines="\n".join(_line(text, put, place) for place in range(len(put.lines))),
            total=text.money(offer.price, offer.currency),
            note=f"\n{offer.note}\n\n" if offer.note else "\n",
            until=text.moment(offer.expires_at, ZoneInfo(work_order.zone)),
            link=f"{settings.public_url}/o/{token}?lang={language}",
        )
        + "\n"
    )
    return message


def _line(text: Messages, put: Put, place: int) -> str:
    line = prices.line(text, put.lines[place], put.offer.currency)
    name = f"{line.name}, {line.quantity}" if line.quantity else line.name
    return f"- {name}: {line.price or text('price.covered')}"
