"""Tenants, their people, roles and devices, and the one table that is read before a tenant is known."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import LargeBinary, String, text
from sqlmodel import Field, SQLModel
from uuid_utils.compat import uuid7

from fsm.database import Revised, Row, document, instant, link, lookup, one_of, refusal, unique
from fsm.problems import Conflict, Invalid


class DirectoryKind(StrEnum):
    """What may arrive before its tenant is known. Tokens are not among them: they carry their tenant."""

    TENANT = "tenant"
    LOGIN = "login"
    PASSPORT = "passport"
    PASSPORT_HOST = "passport_host"
    GS1_PREFIX = "gs1_prefix"
    DOCUMENT = "document"
    ENROLMENT = "enrolment"


class Directory(SQLModel, table=True):
    """(kind, SHA-256 of the key) → tenant. It holds nothing else."""

    __table_args__ = (one_of("kind", DirectoryKind), lookup("directory_tenant_idx", "kind"))
    kind: str = Field(primary_key=True, sa_type=String(20))
    key_hash: bytes = Field(primary_key=True, sa_type=LargeBinary)
    tenant_id: UUID


class Tenant(SQLModel, table=True):
    """A service company using this installation. `id` is every other table's `tenant_id`."""

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    slug: str = Field(max_length=40)
    name: str
    zone: str = "UTC"
    language: str = "en"
    currency: str = Field(default="EUR", max_length=3)
    passport_host: str | None = None
    gs1_prefix: str | None = None
    created_at: datetime = instant()


class Role(Revised, table=True):
    """Permissions under a name, changed by an administrator."""

    __table_args__ = (unique("code"),)
    code: str = Field(max_length=60)
    name: str
    permissions: list[str] = document(default_factory=list)


class User(Revised, table=True):
    """A person who signs in. `customer_id` makes it a customer's user, who sees that customer only.

    `password_hash` is None for people who sign in elsewhere (single sign-on).
    """

    __table_args__ = (
        unique("login"),
        link("role_id", "role"),
        link("customer_id", "customer"),
    )
    login: str = Field(max_length=200)
    name: str
    email: str | None = None
    language: str = "en"
    role_id: UUID
    customer_id: UUID | None = None
    password_hash: str | None = None
    is_active: bool = True
    created_at: datetime = instant()


class SignInThrottle(SQLModel, table=True):
    """Guesses in a row per login, by its hash; a locked one is refused without looking at the password.

    Logins that nobody has are counted the same under the tenant `NOBODY`: being locked tells nothing.
    """

    __tablename__ = "sign_in_throttle"
    tenant_id: UUID = Field(primary_key=True)
    login_sha256: bytes = Field(primary_key=True, sa_type=LargeBinary)
    guesses: int = 0
    locked_until: datetime = instant()


NOBODY = UUID(int=0)
"""The tenant of what is nobody's; no company ever has this id."""


class RefreshToken(Row, table=True):
    """One link in a family of rotating refresh tokens; using one twice revokes its family."""

    __tablename__ = "refresh_token"
    __table_args__ = (
        link("user_id", "user"),
        unique("token_hash"),
        lookup("refresh_token_family_idx", "family_id"),
    )
    user_id: UUID
    family_id: UUID
    token_hash: bytes = Field(sa_type=LargeBinary)
    issued_at: datetime = instant()
    expires_at: datetime = instant()
    used_at: datetime | None = instant(nullable=True, default=None)
    revoked_at: datetime | None = instant(nullable=True, default=None)


class Device(Row, table=True):
    """An installation of the technician's app, with a token of its own that can be revoked."""

    __table_args__ = (
        link("user_id", "user"),
        unique("token_hash"),
        unique("user_id", "install_id"),
    )
    user_id: UUID
    install_id: str = Field(max_length=100)
    platform: str = Field(default="", max_length=60)
    app: str = Field(default="", max_length=60)
    schema_version: int = 1
    public_key: str | None = None
    token_hash: bytes = Field(sa_type=LargeBinary)
    registered_at: datetime = instant()
    last_seen_at: datetime | None = instant(nullable=True, default=None)
    differed_count: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    differed_at: datetime | None = instant(nullable=True, default=None)
    revoked_at: datetime | None = instant(nullable=True, default=None)
    revoked_reason: str | None = None
    info: dict[str, Any] = document(default_factory=dict)


refusal("user_login_key", Conflict, "Somebody already signs in with this login.")
refusal("directory_pkey", Conflict, "This login or code is already taken.")
refusal("user_customer_id_fkey", Invalid, "There is no such customer.")
refusal("role_code_key", Conflict, "There is already a role with this code.")
