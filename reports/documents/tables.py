"""Issued documents, the pictures in them, and which were withdrawn. Facts: nothing here is ever changed."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKeyConstraint, LargeBinary
from sqlmodel import Field, SQLModel

from fsm.database import Row, check, document, instant, link, lookup, one_of, refusal, unique
from fsm.problems import Conflict
from reports.documents.kinds import DocumentKind


class IssuedDocument(Row, table=True):
    """A document as it was issued: what it was made of, by what, and the file.

    `snapshot` is the RFC 8785 form that `snapshot_sha256` is of. `statement` is signed by the server. A
    correction is another document that names this one in its `replaces_id`.
    """

    __tablename__ = "issued_document"
    __table_args__ = (
        one_of("kind", DocumentKind),
        unique("kind", "serial"),
        unique("replaces_id"),
        link("replaces_id", "issued_document"),
        ForeignKeyConstraint(["tenant_id", "file_sha256"], ["blob.tenant_id", "blob.sha256"]),
        check("serial", "serial > 0"),
        check("hashes", "octet_length(snapshot_sha256) = 32 and octet_length(file_sha256) = 32"),
        check("replaces", "replaces_id <> id"),
        lookup("issued_document_subject_idx", "subject_kind", "subject_id"),
        lookup("issued_document_customer_idx", "customer_id"),
    )
    kind: str = Field(max_length=20)
    serial: int = Field(sa_type=BigInteger)
    number: str = Field(max_length=40)
    language: str = Field(max_length=10)
    template: str = Field(max_length=60)
    renderer: str = Field(max_length=100)
    standard: str = Field(max_length=10)
    snapshot: bytes = Field(sa_type=LargeBinary)
    snapshot_sha256: bytes = Field(sa_type=LargeBinary)
    file_sha256: bytes = Field(sa_type=LargeBinary)
    file_size: int = Field(sa_type=BigInteger)
    statement: dict[str, Any] = document()
    missing_glyphs: int = 0
    subject_kind: str = Field(max_length=20)
    subject_id: UUID | None = None
    customer_id: UUID | None = None
    replaces_id: UUID | None = None
    issued_at: datetime = instant()
    issued_by: str = ""
    user_id: UUID | None = None


class DocumentImage(SQLModel, table=True):
    """A picture that is in a document: its bytes stay as long as the document does."""

    __tablename__ = "document_image"
    __table_args__ = (
        link("document_id", "issued_document"),
        ForeignKeyConstraint(["tenant_id", "sha256"], ["blob.tenant_id", "blob.sha256"]),
    )
    tenant_id: UUID = Field(primary_key=True)
    document_id: UUID = Field(primary_key=True)
    sha256: bytes = Field(primary_key=True, sa_type=LargeBinary)


class DocumentWithdrawal(SQLModel, table=True):
    """A document that no longer counts. Its number stays, and so does the file."""

    __tablename__ = "document_withdrawal"
    __table_args__ = (link("document_id", "issued_document"),)
    tenant_id: UUID = Field(primary_key=True)
    document_id: UUID = Field(primary_key=True)
    reason: str
    withdrawn_at: datetime = instant()
    withdrawn_by: str = ""
    user_id: UUID | None = None


refusal(
    "issued_document_replaces_id_key",
    Conflict,
    "Another document already stands in this one's place. Correct that one.",
)
refusal("document_withdrawal_pkey", Conflict, "This document has already been withdrawn.")
