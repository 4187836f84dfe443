"""Service requests: reported by a stranger, a customer or the office, found, followed by their caller.

A merged request keeps its text and photos; whoever reads the request that it was added to sees them there,
and its own status link follows that one.
"""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, or_
from sqlmodel import col, select
from uuid_utils.compat import uuid7

from fsm import events
from fsm.actors import Actor
from fsm.assets import queries as assets
from fsm.assets.tables import Asset
from fsm.assets.visitor_limits import Limit, check_limits
from fsm.catalogue.tables import RequestClass
from fsm.customers.tables import Customer, Site
from fsm.database import Session, run
from fsm.evidence import queries as evidence
from fsm.evidence.blobs import StoredBlob
from fsm.evidence.verification import Inspection
from fsm.problems import Conflict, Invalid, NotFound
from fsm.tenants.tokens import Secret, read_secret
from fsm.work_orders.numbers import Series, next_number
from fsm.work_orders.tables import (
    Impact,
    RequestAttachment,
    RequestSource,
    RequestStatus,
    ServiceRequest,
    WorkOrder,
)
from fsm.work_orders.usual_work import usual_work_type

STATUS = "fsms_"
"""Prefix of the tokens in status links."""

LINK_LIVES = timedelta(days=365)
"""How long a status link works at most, from the report on."""

STRANGERS_LIMITS = (
    Limit("visitor", 10, timedelta(minutes=10)),
    Limit("visitor", 100, timedelta(days=1)),
    Limit("passport_code", 20, timedelta(hours=1)),
    Limit("asset_id", 30, timedelta(hours=1)),
    Limit("asset_id", 100, timedelta(days=1)),
)
"""What strangers may report. A hotel's guests share an address, so a visitor is given some room."""


def proposed_class(impact: Impact) -> RequestClass:
    """Return the class that a caller's words propose: interrupted or degraded service is an incident."""
    if impact in (Impact.STOPPED, Impact.DEGRADED):
        return RequestClass.INCIDENT
    return RequestClass.SERVICE_REQUEST


# --- the status link --------------------------------------------------------------------------------------


def status_token(link_key: bytes, tenant_id: UUID, request_id: UUID) -> str:
    """Return the secret of a request's status link.

    It is derived, not drawn: the same form sent twice is given the same link, and only its hash is stored.
    `link_key` is `settings.derived_key("status-link")`.
    """
    seal = hmac.new(link_key, tenant_id.bytes + request_id.bytes, sha256).digest()
    return STATUS + urlsafe_b64encode(tenant_id.bytes + seal).decode().rstrip("=")


def read_status_token(token: str) -> Secret | None:
    return read_secret(STATUS, token)


async def find_reported_without_actor(session: Session, secret: Secret) -> ServiceRequest | None:
    """Return the request of a status link, whose transaction is bound to the link's tenant; else None."""
    statement = select(ServiceRequest).where(
        ServiceRequest.tenant_id == secret.tenant_id,
        ServiceRequest.status_token_sha256 == secret.sha256,
    )
    return (await session.exec(statement)).one_or_none()


# --- reading ----------------------------------------------------------------------------------------------


def _own(actor: Actor) -> list[ColumnElement[bool]]:
    """Return the conditions under which a request exists for the actor."""
    conditions = [col(ServiceRequest.tenant_id) == actor.tenant_id]
    if actor.customer_id is not None:
        conditions.append(col(ServiceRequest.customer_id) == actor.customer_id)
    return conditions


async def find_request(session: Session, actor: Actor, request_id: UUID) -> ServiceRequest:
    statement = select(ServiceRequest).where(*_own(actor), col(ServiceRequest.id) == request_id)
    return await session.found(statement, f"No service request {request_id}.")


async def lock_request(session: Session, actor: Actor, request_id: UUID) -> ServiceRequest:
    """Return a request and hold its row; strangers may add to it meanwhile."""
    statement = (
        select(ServiceRequest)
        .where(*_own(actor), col(ServiceRequest.id) == request_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    return await session.found(statement, f"No service request {request_id}.")


async def list_requests(
    session: Session,
    actor: Actor,
    *,
    after: UUID | None,
    limit: int,
    status: RequestStatus | None = None,
    request_class: RequestClass | None = None,
    asset_id: UUID | None = None,
    q: str | None = None,
) -> Sequence[ServiceRequest]:
    """Return requests, the latest first; `q` is looked for in number, text and the caller's name."""
    statement = (
        select(ServiceRequest)
        .where(*_own(actor))
        .order_by(col(ServiceRequest.id).desc())
        .limit(limit)
    )
    if status is not None:
        statement = statement.where(ServiceRequest.status == status)
    if request_class is not None:
        statement = statement.where(ServiceRequest.request_class == request_class)
    if asset_id is not None:
        statement = statement.where(ServiceRequest.asset_id == asset_id)
    if after is not None:
        statement = statement.where(col(ServiceRequest.id) < after)
    if q:
        columns = (ServiceRequest.number, ServiceRequest.text, ServiceRequest.contact_name)
        statement = statement.where(
            or_(*(col(column).icontains(q, autoescape=True) for column in columns))
        )
    return (await session.exec(statement)).all()


@dataclass(frozen=True, slots=True)
class Dossier:
    """A request with what was added to it: merged requests, all their photos, the jobs it led to.

    `usual_work_type` is the code of what its machine's repairs mostly were.
    """

    request: ServiceRequest
    additions: Sequence[ServiceRequest]
    attachments: Sequence[RequestAttachment]
    work_order_ids: Sequence[UUID]
    usual_work_type: str | None


async def read_dossier(session: Session, actor: Actor, request_id: UUID) -> Dossier:
    request = await find_request(session, actor, request_id)
    family = await _additions(session, request)
    additions: Sequence[ServiceRequest] = ()
    if family:
        statement = select(ServiceRequest).where(*_own(actor), col(ServiceRequest.id).in_(family))
        additions = (await session.exec(statement.order_by(col(ServiceRequest.id)))).all()
    ids = [request.id, *(addition.id for addition in additions)]
    attachments = await session.exec(
        select(RequestAttachment)
        .where(
            RequestAttachment.tenant_id == actor.tenant_id,
            col(RequestAttachment.request_id).in_(ids),
        )
        .order_by(col(RequestAttachment.id))
    )
    work_orders = await session.exec(
        select(WorkOrder.id)
        .where(WorkOrder.tenant_id == actor.tenant_id, WorkOrder.request_id == request.id)
        .order_by(col(WorkOrder.id))
    )
    usual = await usual_work_type(session, actor, request.asset_id)
    return Dossier(request, additions, attachments.all(), work_orders.all(), usual)


async def _additions(session: Session, request: ServiceRequest) -> list[UUID]:
    """Return the ids of all requests merged into this one, directly or through another."""
    rows = await run(
        session,
        """with recursive added as (
             select id from service_request where tenant_id = :tenant and merged_into_id = :id
             union
             select r.id from service_request r join added a on r.merged_into_id = a.id
             where r.tenant_id = :tenant
           ) select id from added""",
        tenant=request.tenant_id,
        id=request.id,
    )
    return [row.id for row in rows]


async def find_attachment(
    session: Session, actor: Actor, request_id: UUID, attachment_id: UUID
) -> RequestAttachment:
    """Return a photo of a request or of one that was added to it."""
    request = await find_request(session, actor, request_id)
    ids = [request.id, *await _additions(session, request)]
    statement = select(RequestAttachment).where(
        RequestAttachment.tenant_id == actor.tenant_id,
        RequestAttachment.id == attachment_id,
        col(RequestAttachment.request_id).in_(ids),
    )
    return await session.found(statement, f"No attachment {attachment_id} on this request.")


async def find_root(session: Session, request: ServiceRequest) -> ServiceRequest:
    """Return the request that this one was added to, through however many steps; itself otherwise."""
    seen = {request.id}
    while request.merged_into_id is not None and request.merged_into_id not in seen:
        seen.add(request.merged_into_id)
        statement = select(ServiceRequest).where(
            ServiceRequest.tenant_id == request.tenant_id,
            ServiceRequest.id == request.merged_into_id,
        )
        request = (await session.exec(statement)).one()
    return request


async def list_open_reports(
    session: Session, actor: Actor, asset_id: UUID, limit: int = 20
) -> Sequence[ServiceRequest]:
    """Return the reports on an asset that are still open, the latest first.

    Open is a new one, and an accepted one while a job of its is not done. Merged and declined ones are not
    what a caller means by "already reported".
    """
    rows = await run(
        session,
        """select r.id from service_request r
           where r.tenant_id = :tenant and r.asset_id = :asset and (
             r.status = 'new' or (r.status = 'accepted' and exists (
               select from work_order w where w.tenant_id = :tenant and w.request_id = r.id
               and w.status in ('open', 'scheduled', 'dispatched', 'in_progress'))))
           order by r.reported_at desc, r.id desc limit :limit""",
        tenant=actor.tenant_id,
        asset=asset_id,
        limit=limit,
    )
    statement = (
        select(ServiceRequest)
        .where(*_own(actor), col(ServiceRequest.id).in_([row.id for row in rows]))
        .order_by(col(ServiceRequest.reported_at).desc(), col(ServiceRequest.id).desc())
    )
    return (await session.exec(statement)).all()


# --- reporting --------------------------------------------------------------------------------------------


class Reported(NamedTuple):
    """A request and the secret of its status link. `is_new` is False where it had come before."""

    request: ServiceRequest
    status_token: str
    is_new: bool


async def report(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    link_key: bytes,
    source: RequestSource,
    text: str,
    impact: Impact | None = None,
    request_class: RequestClass | None = None,
    asset_id: UUID | None = None,
    site_id: UUID | None = None,
    customer_id: UUID | None = None,
    contact_name: str = "",
    contact_phone: str = "",
    contact_email: str = "",
    language: str = "en",
    passport_code: str | None = None,
    visitor: str = "",
    request_id: UUID | None = None,
    add_to_id: UUID | None = None,
) -> Reported:
    """Take a report. The class is the given one, else what `impact` proposes; one of them is needed.

    The same `request_id` twice is one request, whatever the second says. `add_to_id` names an open report
    on the same asset: this one is merged into it. `STRANGERS_LIMITS` hold for what
    comes from a passport.
    """
    place = await _place(session, actor, asset_id, site_id, customer_id)
    request_id = request_id or uuid7()
    token = status_token(link_key, actor.tenant_id, request_id)
    known = await session.get(ServiceRequest, (actor.tenant_id, request_id))
    if known is not None:
        if (known.asset_id, known.source) != (asset_id, source):
            raise Conflict("Another request already has this id.")
        return Reported(known, token, False)
    if source is RequestSource.PASSPORT:
        values = {"visitor": visitor, "passport_code": passport_code, "asset_id": asset_id}
        await check_limits(
            session,
            ServiceRequest,
            "reported_at",
            STRANGERS_LIMITS,
            values,
            actor.tenant_id,
            now,
        )
    if request_class is None:
        if impact is None:
            raise Invalid(
                "Say how the equipment is affected, or give a class.", errors=[{"at": "/impact"}]
            )
        request_class = proposed_class(impact)
    target = await _open_target(session, actor, asset_id, add_to_id)
    (number,) = await next_number(session, actor, Series.REQUEST)
    request = ServiceRequest(
        tenant_id=actor.tenant_id,
        id=request_id,
        number=number,
        asset_id=asset_id,
        site_id=place.site_id,
        customer_id=place.customer_id,
        source=source,
        status=RequestStatus.NEW if target is None else RequestStatus.MERGED,
        request_class=request_class,
        impact=impact,
        text=text,
        contact_name=contact_name,
        contact_phone=contact_phone,
        contact_email=contact_email,
        language=language,
        reported_at=now,
        merged_into_id=None if target is None else target.id,
        status_token_sha256=sha256(token.encode()).digest(),
        status_link_expires_at=now + LINK_LIVES,
        passport_code=passport_code,
        visitor=visitor,
    )
    session.add(request)
    await session.flush()
    await record(
        session,
        actor,
        "request.reported",
        request,
        now,
        number=number,
        source=str(source),
        request_class=str(request_class),
        asset_id=None if asset_id is None else str(asset_id),
    )
    if target is not None:
        await record(
            session, actor, "request.merged", request, now, into_id=str(target.id), by="caller"
        )
    return Reported(request, token, True)


class _Place(NamedTuple):
    site_id: UUID | None
    customer_id: UUID | None


async def _place(
    session: Session,
    actor: Actor,
    asset_id: UUID | None,
    site_id: UUID | None,
    customer_id: UUID | None,
) -> _Place:
    """Return where a report belongs; the asset's row is held, so that reports on it take turns.

    What is given must agree. A customer's user reports for their own company only.
    """
    if asset_id is not None:
        asset = await lock_named_asset(session, actor, asset_id)
        for name, given, true in (
            ("site_id", site_id, asset.site_id),
            ("customer_id", customer_id, asset.customer_id),
        ):
            if given is not None and given != true:
                raise Invalid("The asset stands elsewhere.", errors=[{"at": f"/{name}"}])
        return _Place(asset.site_id, asset.customer_id)
    if site_id is not None:
        statement = select(Site.customer_id).where(
            Site.tenant_id == actor.tenant_id, Site.id == site_id
        )
        owner = (await session.exec(statement)).one_or_none()
        if owner is None or actor.customer_id not in (None, owner):
            raise Invalid(f"There is no site {site_id}.", errors=[{"at": "/site_id"}])
        if customer_id not in (None, owner):
            raise Invalid("The site is another customer's.", errors=[{"at": "/customer_id"}])
        return _Place(site_id, owner)
    if actor.customer_id is not None:
        if customer_id not in (None, actor.customer_id):
            raise Invalid("There is no such customer.", errors=[{"at": "/customer_id"}])
        return _Place(None, actor.customer_id)
    if customer_id is not None:
        found = select(Customer.id).where(
            Customer.tenant_id == actor.tenant_id, Customer.id == customer_id
        )
        if (await session.exec(found)).one_or_none() is None:
            raise Invalid("There is no such customer.", errors=[{"at": "/customer_id"}])
    return _Place(None, customer_id)


async def lock_named_asset(session: Session, actor: Actor, asset_id: UUID) -> Asset:
    try:
        return await assets.lock_asset(session, actor, asset_id)
    except NotFound as missing:
        raise Invalid(missing.detail, errors=[{"at": "/asset_id"}]) from None


async def _open_target(
    session: Session, actor: Actor, asset_id: UUID | None, add_to_id: UUID | None
) -> ServiceRequest | None:
    """Return the report to add to; None when it is not open any more, which makes a report of its own."""
    if add_to_id is None:
        return None
    statement = select(ServiceRequest).where(
        *_own(actor),
        col(ServiceRequest.id) == add_to_id,
        col(ServiceRequest.asset_id) == asset_id,
    )
    named = (await session.exec(statement)).one_or_none()
    if named is None:
        return None
    root = await find_root(session, named)
    open_ones = (RequestStatus.NEW, RequestStatus.ACCEPTED)
    return root if root.status in open_ones and root.asset_id == asset_id else None


async def attach(
    session: Session,
    actor: Actor,
    now: datetime,
    request: ServiceRequest,
    stored: StoredBlob,
    inspection: Inspection,
) -> RequestAttachment:
    """Put a photo that is durably stored beside a request; the same photo twice is there once."""
    digest = bytes.fromhex(stored.sha256)
    await evidence.keep_blob(session, actor, now, stored, inspection)
    statement = select(RequestAttachment).where(
        RequestAttachment.tenant_id == request.tenant_id,
        RequestAttachment.request_id == request.id,
        RequestAttachment.sha256 == digest,
    )
    already = (await session.exec(statement)).first()
    if already is not None:
        return already
    attachment = RequestAttachment(
        tenant_id=request.tenant_id,
        request_id=request.id,
        sha256=digest,
        mime=inspection.mime,
        size=stored.size,
        added_at=now,
    )
    session.add(attachment)
    await session.flush()
    await record(
        session,
        actor,
        "request.photo_added",
        request,
        now,
        attachment_id=str(attachment.id),
        sha256=stored.sha256,
    )
    return attachment


async def record(
    session: Session, actor: Actor, kind: str, request: ServiceRequest, now: datetime, **data: Any
) -> None:
    """Write an event of a request."""
    await events.record(session, actor, kind, "service_request", request.id, now=now, **data)
