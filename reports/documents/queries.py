"""All the SQL about issued documents: finding, listing, withdrawing, and what the public page is told."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import aliased
from sqlmodel import col, select

from fsm import events
from fsm.actors import Actor
from fsm.database import Session, enter
from fsm.problems import Conflict
from fsm.tenants.directory import find_tenant
from fsm.tenants.tables import DirectoryKind, Tenant
from reports.documents.kinds import TERMS, DocumentKind, DocumentState, state_of
from reports.documents.snapshot import read_code
from reports.documents.tables import DocumentWithdrawal, IssuedDocument


@dataclass(frozen=True, slots=True)
class Standing:
    """A document, whether it was withdrawn, and what stands in its place."""

    document: IssuedDocument
    withdrawal: DocumentWithdrawal | None
    replaced_by_id: UUID | None
    replaced_by_number: str | None

    @property
    def state(self) -> DocumentState:
        return state_of(
            is_withdrawn=self.withdrawal is not None, is_replaced=self.replaced_by_id is not None
        )


def _own(actor: Actor) -> list[Any]:
    """Return the conditions under which a document exists for the actor: of kinds that they may have."""
    kinds = [
        str(kind)
        for kind, terms in TERMS.items()
        if actor.may(terms.reads) and (actor.customer_id is None or terms.is_for_customer)
    ]
    conditions: list[Any] = [
        IssuedDocument.tenant_id == actor.tenant_id,
        col(IssuedDocument.kind).in_(kinds),
    ]
    if actor.customer_id is not None:
        conditions.append(IssuedDocument.customer_id == actor.customer_id)
    return conditions


async def find_document(session: Session, actor: Actor, document_id: UUID) -> IssuedDocument:
    """Return one document; a kind that the actor may not have does not exist for them."""
    statement = select(IssuedDocument).where(*_own(actor), IssuedDocument.id == document_id)
    return await session.found(statement, f"No document {document_id}.")


async def find_standing(session: Session, actor: Actor, document_id: UUID) -> Standing:
    await find_document(session, actor, document_id)
    (found,) = await _standings(session, [*_own(actor), IssuedDocument.id == document_id], 1)
    return found


async def list_documents(
    session: Session,
    actor: Actor,
    *,
    kind: DocumentKind | None,
    subject_id: UUID | None,
    after: UUID | None,
    limit: int,
) -> list[Standing]:
    """Return documents in order of issue, withdrawn and replaced ones among them."""
    conditions = _own(actor)
    if kind is not None:
        conditions.append(IssuedDocument.kind == kind)
    if subject_id is not None:
        conditions.append(IssuedDocument.subject_id == subject_id)
    if after is not None:
        conditions.append(IssuedDocument.id > after)
    return await _standings(session, conditions, limit)


async def _standings(session: Session, conditions: Sequence[Any], limit: int) -> list[Standing]:
    newer: Any = aliased(IssuedDocument)
    statement = (
        select(IssuedDocument, DocumentWithdrawal, newer.id, newer.number)
        .outerjoin(
            DocumentWithdrawal,
            (col(DocumentWithdrawal.tenant_id) == IssuedDocument.tenant_id)
            & (col(DocumentWithdrawal.document_id) == IssuedDocument.id),
        )
        .outerjoin(
            newer,
            (newer.tenant_id == col(IssuedDocument.tenant_id))
            & (newer.replaces_id == col(IssuedDocument.id)),
        )
        .where(*conditions)
        .order_by(col(IssuedDocument.id))
        .limit(limit)
    )
    return [Standing(*row) for row in await session.exec(statement)]


async def withdraw(
    session: Session, actor: Actor, now: datetime, document_id: UUID, reason: str
) -> Standing:
    """Say that a document no longer counts. Its number and its file stay."""
    standing = await find_standing(session, actor, document_id)
    if standing.withdrawal is not None:
        raise Conflict(f"{standing.document.number} has already been withdrawn.")
    session.add(
        DocumentWithdrawal(
            tenant_id=actor.tenant_id,
            document_id=document_id,
            reason=reason,
            withdrawn_at=now,
            withdrawn_by=actor.name,
            user_id=actor.user_id,
        )
    )
    await session.flush()
    await events.record(
        session,
        actor,
        "document.withdrawn",
        "issued_document",
        document_id,
        now=now,
        number=standing.document.number,
        reason=reason,
    )
    return await find_standing(session, actor, document_id)


@dataclass(frozen=True, slots=True)
class PublicStanding:
    """What anybody is told who holds the paper: nothing of its contents."""

    company: str
    zone: str
    kind: DocumentKind
    number: str
    issued_at: datetime
    state: DocumentState
    file_sha256: str


async def read_standing_without_actor(session: Session, code: str) -> PublicStanding | None:
    """Return what a printed address is about; None for one that we never printed."""
    named = read_code(code)
    if named is None:
        return None
    tenant_id = await find_tenant(session, DirectoryKind.DOCUMENT, code)
    if tenant_id is None:
        return None
    await enter(session, tenant_id)
    conditions = [IssuedDocument.tenant_id == tenant_id, IssuedDocument.id == named[0]]
    found = await _standings(session, conditions, 1)
    tenant = (await session.exec(select(Tenant).where(Tenant.id == tenant_id))).one()
    if not found:
        return None
    document = found[0].document
    return PublicStanding(
        tenant.name,
        tenant.zone,
        DocumentKind(document.kind),
        document.number,
        document.issued_at,
        found[0].state,
        document.file_sha256.hex(),
    )
