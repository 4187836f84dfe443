"""The phones' feed and the intents they sent. The feed compacts itself: one row per object and scope."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Index, LargeBinary, Text, text
from sqlmodel import Field, SQLModel
from uuid_utils.compat import uuid7

from fsm.database import check, document, instant, link, lookup, one_of


class Op(StrEnum):
    PUT = "put"
    GONE = "gone"


class OutcomeStatus(StrEnum):
    APPLIED = "applied"
    DUPLICATE = "duplicate"
    WAITING = "waiting"
    REJECTED = "rejected"
    QUARANTINED = "quarantined"


class SyncHead(SQLModel, table=True):
    """A tenant's feed: the last stamp given, the epoch it belongs to, up to where tombstones were purged."""

    __tablename__ = "sync_head"
    tenant_id: UUID = Field(primary_key=True)
    head: int = Field(default=0, sa_type=BigInteger)
    epoch: UUID = Field(default_factory=uuid7)
    purged: int = Field(default=0, sa_type=BigInteger)


class SyncStamp(SQLModel, table=True):
    """When the feed stood at `head`: a device that knew that head acted after `stamped_at`.

    Written about once a minute of stamping; older ones are cleared away.
    """

    __tablename__ = "sync_stamp"
    tenant_id: UUID = Field(primary_key=True)
    head: int = Field(primary_key=True, sa_type=BigInteger)
    stamped_at: datetime = instant()


class SyncScope(SQLModel, table=True):
    """A scope that phones read (`tech:<id>`, `cat:main`); its row lock orders refreshes.

    `window_on` is the day, where the technician lives, that the window is counted from. It is null until a
    device first reads the scope, and till then nothing is kept for it. Only that day moves the window:
    a refresh needs no clock.
    """

    __tablename__ = "sync_scope"
    tenant_id: UUID = Field(primary_key=True)
    scope: str = Field(primary_key=True, max_length=60)
    window_on: date | None = None


class SyncRow(SQLModel, table=True):
    """One object as one scope sees it. `seq` null means changed and not yet stamped.

    An object leaves a scope in two steps: `why` is set while the row is still `put` (its body says
    `"access":"revoked"`), so that a phone can send what it holds; then it is `gone` and has no body.
    `gone_at` is the day of the first step. A row without `why` is one that the scope grants.

    `h` is the first 8 bytes of the SHA-256 of `body`, signed: it tells a refresh what differs without
    comparing bodies. `counted` is what the row adds to its collection's sum in `SyncDigest` since it was last
    stamped; null when it adds nothing.
    """

    __tablename__ = "sync_row"
    __table_args__ = (
        one_of("op", Op),
        Index(
            "sync_row_seq_idx",
            "tenant_id",
            "scope",
            "seq",
            postgresql_where=text("seq is not null"),
        ),
        Index("sync_row_unstamped_idx", "tenant_id", postgresql_where=text("seq is null")),
        lookup("sync_row_object_idx", "coll", "id"),
        {"postgresql_with": {"fillfactor": "70"}},
    )
    tenant_id: UUID = Field(primary_key=True)
    scope: str = Field(primary_key=True, max_length=60)
    coll: str = Field(primary_key=True, max_length=40)
    id: UUID = Field(primary_key=True)
    rev: int = Field(default=1, sa_type=BigInteger)
    op: str = Field(default=Op.PUT, max_length=4)
    why: str | None = Field(default=None, max_length=40)
    body: str | None = Field(default=None, sa_type=Text)
    h: int = Field(default=0, sa_type=BigInteger)
    seq: int | None = Field(default=None, sa_type=BigInteger)
    gone_at: datetime | None = instant(nullable=True, default=None)
    counted: int | None = Field(default=None, sa_type=BigInteger)


class SyncDigest(SQLModel, table=True):
    """How many stamped rows a scope grants of a collection, and the sum over their `id:rev`, signed.

    Written by whoever stamps, in the same transaction, so it is as old as the head. A collection belongs to
    one kind of scope: no device reads it from two. `seq` is the head when one of its rows was last stamped.
    """

    __tablename__ = "sync_digest"
    __table_args__ = (lookup("sync_digest_seq_idx", "seq"),)
    tenant_id: UUID = Field(primary_key=True)
    scope: str = Field(primary_key=True, max_length=60)
    coll: str = Field(primary_key=True, max_length=40)
    n: int = Field(sa_type=BigInteger)
    sum: int = Field(sa_type=BigInteger)
    seq: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": text("0")})


class SyncDevice(SQLModel, table=True):
    """What the feed knows of a device: where its outbox stood, how far its clock is off.

    All its intents up to `last_seq` are stored, and those up to `backed_up_seq` are in the last verified
    backup too, so that the device may forget them. `outbox_empty_at` is the head it knew when it last had
    nothing to send. `clock_offset_ms` is server minus device, the median of `offset_samples`.
    """

    __tablename__ = "sync_device"
    __table_args__ = (link("device_id", "device"),)
    tenant_id: UUID = Field(primary_key=True)
    device_id: UUID = Field(primary_key=True)
    last_seq: int = Field(default=0, sa_type=BigInteger)
    outbox_empty_at: int | None = Field(default=None, sa_type=BigInteger)
    clock_offset_ms: int = Field(default=0, sa_type=BigInteger)
    offset_samples: list[int] = document(default_factory=list)
    backed_up_seq: int = Field(
        default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": text("0")}
    )


class Intent(SQLModel, table=True):
    """What a phone says happened, stored raw before anything is made of it, and what became of it.

    `body_sha256` is taken of the RFC 8785 form of what was sent. `outcome` is what the device is answered.
    """

    __table_args__ = (
        check("body_sha256", "octet_length(body_sha256) = 32"),
        one_of("status", OutcomeStatus),
        lookup("intent_device_idx", "device_id", "device_seq"),
        Index(
            "intent_waiting_idx",
            "tenant_id",
            "received_at",
            postgresql_where=text("status in ('waiting', 'quarantined')"),
        ),
        lookup(
            "intent_told_idx",
            "device_id",
            "received_at",
            postgresql_where=text("status <> 'applied' or outcome ? 'settled_at'"),
        ),
        Index(
            "intent_chain_idx",
            "tenant_id",
            text("(body #>> '{data,visit_id}')"),
            "device_id",
            "device_seq",
            postgresql_where=text("body ? 'chain'"),
        ),
    )
    tenant_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    device_id: UUID
    device_seq: int = Field(sa_type=BigInteger)
    type: str = Field(max_length=40)
    body: dict[str, Any] = document()
    body_sha256: bytes = Field(sa_type=LargeBinary)
    received_at: datetime = instant()
    occurred_at: datetime | None = instant(nullable=True, default=None)
    status: str = Field(max_length=12)
    outcome: dict[str, Any] = document(default_factory=dict)
