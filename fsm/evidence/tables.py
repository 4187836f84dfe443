"""Blobs, uploads on their way, who may use a blob without sending it again, receipts."""

from datetime import date, datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import BigInteger, LargeBinary, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from fsm.database import Row, check, document, instant, lookup


class Blob(SQLModel, table=True):
    """Verified bytes in the store, one row per tenant and content.

    `info` is what the header told.
    """

    __table_args__ = (
        check("sha256", "octet_length(sha256) = 32"),
        check("size", "size >= 0"),
    )
    tenant_id: UUID = Field(primary_key=True)
    sha256: bytes = Field(primary_key=True, sa_type=LargeBinary)
    size: int = Field(sa_type=BigInteger)
    mime: str = Field(max_length=100)
    stored_at: datetime = instant()
    info: dict[str, Any] = document(default_factory=dict)
    perceptual_hash: int | None = Field(default=None, sa_type=BigInteger)
    thumbnail_sha256: bytes | None = Field(default=None, sa_type=LargeBinary)


class BlobHolder(SQLModel, table=True):
    """A user who has sent these bytes: only they may cite them without sending them again."""

    __tablename__ = "blob_holder"
    tenant_id: UUID = Field(primary_key=True)
    sha256: bytes = Field(primary_key=True, sa_type=LargeBinary)
    user_id: UUID = Field(primary_key=True)
    since_at: datetime = instant()


class Upload(Row, table=True):
    """A tus upload.

    `received` bytes are durable; that is what HEAD tells and what a client resumes from.

    `writer` is the request that is bringing bytes, alone until `writing_until` by the wall clock;
    it renews that while it runs and gives way when `is_contested`; `last_writer` is the one that
    brought the last bytes that count. `is_all_or_nothing`: what it staged beyond `received` counts
    only once its checksum was compared. `failure` is the code of the refusal after which the upload
    began anew. `concat` is the header by which it is one part of a file, or put together from
    `parts`, ids of uploads in order.
    """

    __table_args__ = (
        check("received", "received >= 0 and (length is null or received <= length)"),
        lookup("upload_expires_idx", "expires_at"),
        lookup("upload_photo_idx", "photo_id"),
        lookup("upload_open_idx", "user_id", postgresql_where=text("finished_at is null")),
    )
    user_id: UUID | None = None
    device_id: UUID | None = None
    photo_id: UUID | None = None
    length: int | None = Field(default=None, sa_type=BigInteger)
    received: int = Field(default=0, sa_type=BigInteger)
    upload_metadata: str = ""
    sha256: bytes | None = Field(default=None, sa_type=LargeBinary)
    created_at: datetime = instant()
    expires_at: datetime = instant()
    finished_at: datetime | None = instant(nullable=True, default=None)
    failure: str | None = None
    writer: UUID | None = None
    writing_until: datetime | None = instant(nullable=True, default=None)
    is_contested: bool = False
    is_all_or_nothing: bool = False
    last_writer: UUID | None = None
    concat: str = ""
    parts: list[str] | None = Field(default=None, sa_type=cast(Any, JSONB(none_as_null=True)))


class Receipt(Row, table=True):
    """The server's signature that a photo's bytes have arrived; `id` is the photo's."""

    __table_args__ = (check("sha256", "octet_length(sha256) = 32"),)
    sha256: bytes = Field(sa_type=LargeBinary)
    size: int = Field(sa_type=BigInteger)
    device_id: UUID | None = None
    received_at: datetime = instant()
    kid: str = Field(max_length=32)
    signature: bytes = Field(sa_type=LargeBinary)


class SigningKey(SQLModel, table=True):
    """A public key that has signed something for this tenant. Insert-only: an old one stays published."""

    __tablename__ = "signing_key"
    __table_args__ = (check("public_key", "octet_length(public_key) = 32"),)
    tenant_id: UUID = Field(primary_key=True)
    kid: str = Field(primary_key=True, max_length=32)
    public_key: bytes = Field(sa_type=LargeBinary)
    since_at: datetime = instant()


class DailyRoot(SQLModel, table=True):
    """The signed Merkle root over the events that were sealed on one UTC day. Insert-only.

    It covers `leaves` events from number `first` on, none on an idle day, and follows its predecessor
    without a gap. `chain_hash` is the chain's hash at the end of the day. `restorations` counts how often the
    history had been set back to a backup by then.
    """

    __tablename__ = "daily_root"
    __table_args__ = (
        check("leaves", "first > 0 and leaves >= 0"),
        check("hashes", "octet_length(root_hash) = 32 and octet_length(chain_hash) = 32"),
    )
    tenant_id: UUID = Field(primary_key=True)
    sealed_on: date = Field(primary_key=True)
    first: int = Field(sa_type=BigInteger)
    leaves: int = Field(sa_type=BigInteger)
    root_hash: bytes = Field(sa_type=LargeBinary)
    chain_hash: bytes = Field(sa_type=LargeBinary)
    restorations: int = 0
    kid: str = Field(max_length=32)
    signature: bytes = Field(sa_type=LargeBinary)
    made_at: datetime = instant()
