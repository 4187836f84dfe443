"""Manuals and drawings of models and of single assets: rows over bytes that were stored before."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import or_
from sqlmodel import col, select

from fsm import events
from fsm.actors import Actor
from fsm.assets import queries
from fsm.assets.tables import Asset, AssetDocument, AssetModel
from fsm.database import Session, run, touch
from fsm.problems import Invalid


async def list_documents(
    session: Session, actor: Actor, *, asset_id: UUID | None = None, model_id: UUID | None = None
) -> Sequence[AssetDocument]:
    """Return the documents of one model, or of one asset together with those of its model."""
    if asset_id is not None:
        asset = await queries.find_asset(session, actor, asset_id)
        subject = or_(
            col(AssetDocument.asset_id) == asset_id, col(AssetDocument.model_id) == asset.model_id
        )
    elif model_id is not None:
        await queries.find_model(session, actor, model_id)
        subject = col(AssetDocument.model_id) == model_id
    else:
        raise ValueError("The documents of an asset or of a model.")
    statement = (
        select(AssetDocument)
        .where(AssetDocument.tenant_id == actor.tenant_id, subject)
        .order_by(col(AssetDocument.title), col(AssetDocument.id))
    )
    return (await session.exec(statement)).all()


async def add_document(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    sha256: bytes,
    title: str,
    language: str,
    asset_id: UUID | None = None,
    model_id: UUID | None = None,
) -> AssetDocument:
    """Attach stored bytes to an asset or to a model. Type and size are what the bytes were found to be."""
    if asset_id is not None:
        await queries.find_asset(session, actor, asset_id)
    elif model_id is not None:
        queries.check_office(actor)
        await queries.find_model(session, actor, model_id)
    # `evidence` lies above this package; siblings and layers meet in rows.
    blob = (
        await run(
            session,
            "select mime, size from blob where tenant_id = :tenant and sha256 = :sha256",
            tenant=actor.tenant_id,
            sha256=sha256,
        )
    ).one_or_none()
    if blob is None:
        raise Invalid(
            "There are no stored bytes with this SHA-256. Upload the file first.",
            errors=[{"at": "/sha256"}],
        )
    row = AssetDocument(
        tenant_id=actor.tenant_id,
        asset_id=asset_id,
        model_id=model_id,
        title=title,
        language=language,
        sha256=sha256,
        mime=blob.mime,
        size=blob.size,
        added_at=now,
    )
    session.add(row)
    await session.flush()
    subject = ("asset", asset_id) if asset_id is not None else ("asset_model", model_id)
    await events.record(
        session,
        actor,
        "document.added",
        subject[0],
        subject[1] or row.id,
        now=now,
        document_id=str(row.id),
        sha256=sha256.hex(),
        title=title,
    )
    touch(session, row)
    return row


async def remove_document(session: Session, actor: Actor, now: datetime, document_id: UUID) -> None:
    """Detach a document; its bytes stay as long as anything else needs them."""
    statement = select(AssetDocument).where(
        AssetDocument.tenant_id == actor.tenant_id, AssetDocument.id == document_id
    )
    row = await session.found(statement, f"No document {document_id}.")
    if row.asset_id is not None:
        subject: Asset | AssetModel = await queries.find_asset(session, actor, row.asset_id)
    else:
        queries.check_office(actor)
        subject = await queries.find_model(session, actor, row.model_id or row.id)
    await session.delete(row)
    await session.flush()
    await events.record(
        session,
        actor,
        "document.removed",
        "asset" if row.asset_id is not None else "asset_model",
        subject.id,
        now=now,
        document_id=str(document_id),
        sha256=row.sha256.hex(),
    )
    touch(session, subject)
