"""What the office decides about a request: it becomes a job, is declined, classed anew, added to another."""

from datetime import datetime
from uuid import UUID

from sqlmodel import select

from fsm.actors import Actor
from fsm.assets.tables import Asset
from fsm.catalogue import queries as catalogue
from fsm.catalogue.tables import ReasonKind, RequestClass
from fsm.customers.tables import Site
from fsm.database import Session
from fsm.problems import Forbidden, Invalid, NotFound, Problem
from fsm.work_orders import orders
from fsm.work_orders.requests import find_request, find_root, lock_named_asset, lock_request, record
from fsm.work_orders.tables import Impact, RequestStatus, ServiceRequest, WorkOrder


class WrongRequestStatus(Problem):
    """The request has already been dealt with; `request_status` says how."""

    code, status, title = "wrong-request-status", 409, "The request has been dealt with"


def _check_office(actor: Actor) -> None:
    if actor.customer_id is not None:
        raise Forbidden("The service company decides about requests.")


def _must_be_new(request: ServiceRequest, what: str) -> None:
    if request.status != RequestStatus.NEW:
        raise WrongRequestStatus(
            f"Cannot {what} request {request.number}: it is {request.status}.",
            request_status=request.status,
        )


async def accept(
    session: Session,
    actor: Actor,
    now: datetime,
    request_id: UUID,
    *,
    work_type: str,
    title: str | None = None,
    priority: int | None = None,
    request_class: RequestClass | None = None,
    asset_id: UUID | None = None,
    site_id: UUID | None = None,
) -> WorkOrder:
    """Make a job of a request, under the contract and on the clocks that follow from its report.

    `work_type` is a code. `asset_id` and `site_id` say where, for a request that came without a place. A
    `request_class` other than the request's is the office's judgement and is recorded with the acceptance.
    """
    _check_office(actor)
    request = await lock_request(session, actor, request_id)
    _must_be_new(request, "accept")
    kind = await catalogue.find_work_type_by_code(session, actor, work_type)
    if not kind.is_active:
        raise Invalid(f"'{kind.name}' is out of use.", errors=[{"at": "/work_type"}])
    asset, site = await _whereabouts(session, actor, request, asset_id, site_id)
    before = request.request_class
    the_class = request_class or RequestClass(request.request_class)
    work_order = await orders.create_work_order(
        session,
        actor,
        now,
        work_type=kind,
        site=site,
        asset=asset,
        request=request,
        title=title or first_line(request.text),
        description=request.text,
        reported_at=request.reported_at,
        request_class=the_class,
        impact=None if request.impact is None else Impact(request.impact),
        priority=priority,
    )
    request.status = RequestStatus.ACCEPTED
    request.request_class = the_class
    request.asset_id = asset.id if asset else None
    request.site_id, request.customer_id = site.id, site.customer_id
    request.acknowledged_at = now
    request.rev += 1
    await session.flush()
    await record(
        session,
        actor,
        "request.accepted",
        request,
        now,
        work_order_id=str(work_order.id),
        work_order_number=work_order.number,
        class_before=before,
        class_after=str(the_class),
    )
    return work_order


async def _whereabouts(
    session: Session,
    actor: Actor,
    request: ServiceRequest,
    asset_id: UUID | None,
    site_id: UUID | None,
) -> tuple[Asset | None, Site]:
    """Return the asset, if any, and the site of the job."""
    if None not in (asset_id, request.asset_id) and asset_id != request.asset_id:
        raise Invalid("The request names another asset.", errors=[{"at": "/asset_id"}])
    asset_id = asset_id or request.asset_id
    asset = None if asset_id is None else await lock_named_asset(session, actor, asset_id)
    if asset is not None:
        if site_id not in (None, asset.site_id):
            raise Invalid("The asset stands at another site.", errors=[{"at": "/site_id"}])
        site_id = asset.site_id
    site_id = site_id or request.site_id
    if site_id is None:
        raise Invalid(
            "Say where: this request came without an asset or site.",
            errors=[{"at": "/site_id"}, {"at": "/asset_id"}],
        )
    statement = select(Site).where(Site.tenant_id == actor.tenant_id, Site.id == site_id)
    site = (await session.exec(statement)).one_or_none()
    if site is None:
        raise Invalid(f"There is no site {site_id}.", errors=[{"at": "/site_id"}])
    if request.customer_id not in (None, site.customer_id):
        raise Invalid("The site is another customer's.", errors=[{"at": "/site_id"}])
    return asset, site


def first_line(text: str, longest: int = 120) -> str:
    """Return the beginning of a caller's words as a title, cut at a word."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    if len(line) <= longest:
        return line
    return line[:longest].rsplit(" ", 1)[0].rstrip(" ,;:") + " …"


async def reclass(
    session: Session,
    actor: Actor,
    now: datetime,
    request_id: UUID,
    *,
    request_class: RequestClass,
    reason: str,
) -> ServiceRequest:
    """Change incident to service request or back before it is accepted; afterwards its job is reclassed."""
    _check_office(actor)
    request = await lock_request(session, actor, request_id)
    _must_be_new(request, "reclass")
    await catalogue.find_reason(session, actor, ReasonKind.RECLASS, reason)
    before = request.request_class
    if before != request_class:
        request.request_class = request_class
        request.rev += 1
        await session.flush()
        await record(
            session,
            actor,
            "request.reclassed",
            request,
            now,
            before=before,
            after=str(request_class),
            reason=reason,
        )
    return request


async def decline(
    session: Session, actor: Actor, now: datetime, request_id: UUID, *, reason: str
) -> ServiceRequest:
    """Close a request without a job. Who may read the request sees why; its status link says only that."""
    _check_office(actor)
    request = await lock_request(session, actor, request_id)
    _must_be_new(request, "decline")
    request.status = RequestStatus.DECLINED
    request.decline_reason = reason
    request.acknowledged_at = now
    request.rev += 1
    await session.flush()
    await record(session, actor, "request.declined", request, now, reason=reason)
    return request


async def merge(
    session: Session, actor: Actor, now: datetime, request_id: UUID, *, into_id: UUID
) -> ServiceRequest:
    """Add a request to another one that is open: the same trouble, told twice."""
    _check_office(actor)
    root = await find_root(session, await _named_target(session, actor, into_id))
    # Both rows in order of their ids, so that two merges that cross each other wait instead of dying.
    locked = {
        each: await lock_request(session, actor, each) for each in sorted({request_id, root.id})
    }
    request, root = locked[request_id], locked[root.id]
    if request.id == root.id:
        raise Invalid("A request cannot be added to itself.", errors=[{"at": "/into_id"}])
    if request.status == RequestStatus.MERGED and request.merged_into_id == root.id:
        return request
    _must_be_new(request, "merge")
    if root.status not in (RequestStatus.NEW, RequestStatus.ACCEPTED):
        raise WrongRequestStatus(
            f"Request {root.number} is {root.status}; nothing can be added to it.",
            request_status=root.status,
        )
    owners = {request.customer_id, root.customer_id} - {None}
    if len(owners) > 1:
        raise Invalid("The requests are of two customers.", errors=[{"at": "/into_id"}])
    request.status = RequestStatus.MERGED
    request.merged_into_id = root.id
    request.acknowledged_at = now
    request.rev += 1
    await session.flush()
    await record(session, actor, "request.merged", request, now, into_id=str(root.id), by="office")
    return request


async def _named_target(session: Session, actor: Actor, into_id: UUID) -> ServiceRequest:
    try:
        return await find_request(session, actor, into_id)
    except NotFound as missing:
        raise Invalid(missing.detail, errors=[{"at": "/into_id"}]) from None
