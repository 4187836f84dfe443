"""Who may read which bytes. Staff may; everybody else only what their work or their assets show them."""

from sqlalchemy import ColumnElement, exists, or_
from sqlmodel import col, select

from fsm.actors import Actor, Permission
from fsm.assets.tables import Asset, AssetDocument
from fsm.database import Session
from fsm.evidence.tables import Blob, BlobHolder
from fsm.technicians.tables import Technician
from fsm.work_orders.lifecycle import VisitStatus
from fsm.work_orders.records import Photo
from fsm.work_orders.tables import RequestAttachment, ServiceRequest, Visit, WorkOrder

_NOT_THEIRS = (VisitStatus.PLANNED, VisitStatus.REJECTED, VisitStatus.WITHDRAWN)


async def find_readable(session: Session, actor: Actor, sha256: bytes) -> Blob:
    """Return a blob that the actor may read; any other is `NotFound`.

    The service company's staff reads all with `READ_WORK_ORDERS`. A technician reads what they
    sent, photos of jobs that they visit, and documents of equipment. A customer's user reads
    photos of that customer's jobs and requests and documents of its assets and their models.
    """
    ways = [
        _is_held(actor),
        *([_is_on_own_job(actor)] if actor.may(Permission.SYNC) else []),
        *([_is_document(actor)] if actor.may(Permission.READ_ASSETS) else []),
    ]
    if actor.customer_id is not None:
        if actor.may(Permission.READ_WORK_ORDERS):
            ways.append(_is_on_customers_job(actor))
        if actor.may(Permission.READ_REQUESTS):
            ways.append(_is_on_customers_request(actor))
    statement = select(Blob).where(Blob.tenant_id == actor.tenant_id, Blob.sha256 == sha256)
    if actor.customer_id is not None or not actor.may(Permission.READ_WORK_ORDERS):
        statement = statement.where(or_(*ways))
    return await session.found(statement, f"No file {sha256.hex()}.")


def _is_held(actor: Actor) -> ColumnElement[bool]:
    return exists().where(
        col(BlobHolder.tenant_id) == actor.tenant_id,
        col(BlobHolder.sha256) == Blob.sha256,
        col(BlobHolder.user_id) == actor.user_id,
    )


def _is_on_own_job(actor: Actor) -> ColumnElement[bool]:
    """A job that the office has released to this technician's phone and not taken back."""
    return exists().where(
        col(Photo.tenant_id) == actor.tenant_id,
        col(Photo.verified_sha256) == Blob.sha256,
        col(Visit.tenant_id) == actor.tenant_id,
        col(Visit.work_order_id) == Photo.work_order_id,
        col(Visit.status).not_in(_NOT_THEIRS),
        col(Technician.tenant_id) == actor.tenant_id,
        col(Technician.id) == Visit.technician_id,
        col(Technician.user_id) == actor.user_id,
    )


def _is_document(actor: Actor) -> ColumnElement[bool]:
    document = exists().where(
        col(AssetDocument.tenant_id) == actor.tenant_id,
        col(AssetDocument.sha256) == Blob.sha256,
    )
    if actor.customer_id is None:
        return document
    return document.where(
        col(Asset.tenant_id) == actor.tenant_id,
        col(Asset.customer_id) == actor.customer_id,
        or_(col(Asset.id) == AssetDocument.asset_id, col(Asset.model_id) == AssetDocument.model_id),
    )


def _is_on_customers_job(actor: Actor) -> ColumnElement[bool]:
    return exists().where(
        col(Photo.tenant_id) == actor.tenant_id,
        col(Photo.verified_sha256) == Blob.sha256,
        col(WorkOrder.tenant_id) == actor.tenant_id,
        col(WorkOrder.id) == Photo.work_order_id,
        col(WorkOrder.customer_id) == actor.customer_id,
    )


def _is_on_customers_request(actor: Actor) -> ColumnElement[bool]:
    return exists().where(
        col(RequestAttachment.tenant_id) == actor.tenant_id,
        col(RequestAttachment.sha256) == Blob.sha256,
        col(ServiceRequest.tenant_id) == actor.tenant_id,
        col(ServiceRequest.id) == RequestAttachment.request_id,
        col(ServiceRequest.customer_id) == actor.customer_id,
    )
