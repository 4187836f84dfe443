"""Tokens: short signed access tokens, rotating refresh tokens, device tokens. None is stored readable.

A refresh or device token carries its tenant, so that it is looked up inside that tenant only.
"""

import base64
import binascii
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import jwt
from sqlalchemy import update
from sqlmodel import col, select
from uuid_utils.compat import uuid7

from fsm.actors import Actor, ActorKind, Permission
from fsm.database import Reader, Session
from fsm.problems import Unauthenticated
from fsm.settings import Settings
from fsm.tenants.tables import Device, RefreshToken, Role, User

LOST_ANSWER = timedelta(seconds=30)
"""How long a client that lost the answer may renew again with the same refresh token."""


class DeviceRevoked(Unauthenticated):
    code, status, title = "device-revoked", 403, "This device has been revoked"

    @classmethod
    def of(cls, device_id: UUID) -> "DeviceRevoked":
        return cls(
            "This device may no longer read. What it still holds can be sent; the office decides on it.",
            device_id=str(device_id),
        )


# --- access tokens ----------------------------------------------------------------------------------------


def issue_access(settings: Settings, actor: Actor, now: datetime) -> str:
    """Return a signed token that says who and what is permitted, valid for `access_token_s` seconds."""
    claims: dict[str, Any] = {
        "sub": str(actor.user_id),
        "ten": str(actor.tenant_id),
        "nam": actor.name,
        "per": sorted(actor.permissions),
        "iat": int(now.timestamp()),
        "exp": int(now.timestamp()) + settings.access_token_s,
    }
    if actor.customer_id is not None:
        claims["cus"] = str(actor.customer_id)
    return jwt.encode(claims, settings.derived_key("access-token"), algorithm="HS256")


def read_access(settings: Settings, token: str, now: datetime) -> Actor:
    """Return the actor of an access token, or refuse a forged or expired one."""
    known_token = _read.get(token)
    if known_token is not None and known_token[0] is settings and known_token[1] > now.timestamp():
        return known_token[2]
    actor, expires = _verify(settings, token, now)
    if len(_read) >= 10_000:
        _read.clear()
    _read[token] = (settings, expires, actor)
    return actor


_read: dict[str, tuple[Settings, int, Actor]] = {}
"""Tokens whose signature this process has already checked: they do not change, they only expire."""


def _verify(settings: Settings, token: str, now: datetime) -> tuple[Actor, int]:
    try:
        claims = jwt.decode(
            token,
            settings.derived_key("access-token"),
            algorithms=["HS256"],
            options={"verify_exp": False, "verify_iat": False, "require": ["sub", "ten", "exp"]},
        )
        if claims["exp"] <= now.timestamp():
            raise Unauthenticated(
                "The access token has expired. Renew it at /api/sign-in/renewal.", expired=True
            )
        known = Permission._value2member_map_
        actor = Actor(
            tenant_id=UUID(claims["ten"]),
            kind=ActorKind.USER,
            user_id=UUID(claims["sub"]),
            customer_id=UUID(claims["cus"]) if "cus" in claims else None,
            name=claims.get("nam", ""),
            permissions=frozenset(Permission(p) for p in claims.get("per", ()) if p in known),
        )
        return actor, int(claims["exp"])
    except (jwt.PyJWTError, KeyError, TypeError, ValueError, AttributeError):
        raise Unauthenticated("The access token is not one of ours. Sign in again.") from None


# --- secrets that carry their tenant ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Secret:
    """A token as the client holds it, and the parts the server knows it by."""

    token: str
    tenant_id: UUID
    sha256: bytes


def new_secret(prefix: str, tenant_id: UUID, *, bits: int = 256) -> Secret:
    body = tenant_id.bytes + secrets.token_bytes(bits // 8)
    token = prefix + base64.urlsafe_b64encode(body).decode().rstrip("=")
    return Secret(token, tenant_id, sha256(token.encode()).digest())


def read_secret(prefix: str, token: str) -> Secret | None:
    """Return the parts of a token, None when it cannot be one of ours."""
    if not token.startswith(prefix) or len(token) > 200 or not token.isascii():
        return None
    text = token.removeprefix(prefix)
    try:
        body = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return None
    if len(body) < 32:
        return None
    return Secret(token, UUID(bytes=body[:16]), sha256(token.encode()).digest())


REFRESH = "fsmr_"
DEVICE = "fsmd_"


# --- refresh tokens ---------------------------------------------------------------------------------------


async def issue_refresh(
    session: Session,
    settings: Settings,
    tenant_id: UUID,
    user_id: UUID,
    now: datetime,
    family_id: UUID | None = None,
) -> str:
    """Store a new link of a family (a new family without `family_id`) and return its token."""
    secret = new_secret(REFRESH, tenant_id)
    session.add(
        RefreshToken(
            tenant_id=tenant_id,
            user_id=user_id,
            family_id=family_id or uuid7(),
            token_hash=secret.sha256,
            issued_at=now,
            expires_at=now + timedelta(seconds=settings.refresh_token_s),
        )
    )
    return secret.token


async def revoke_family(session: Session, tenant_id: UUID, family_id: UUID, now: datetime) -> None:
    await session.exec(
        update(RefreshToken)
        .where(
            col(RefreshToken.tenant_id) == tenant_id,
            col(RefreshToken.family_id) == family_id,
            col(RefreshToken.revoked_at).is_(None),
        )
        .values(revoked_at=now)
    )


async def revoke_user(session: Session, tenant_id: UUID, user_id: UUID, now: datetime) -> None:
    """End all of a user's sessions: after a change of password or a deactivation."""
    await session.exec(
        update(RefreshToken)
        .where(
            col(RefreshToken.tenant_id) == tenant_id,
            col(RefreshToken.user_id) == user_id,
            col(RefreshToken.revoked_at).is_(None),
        )
        .values(revoked_at=now)
    )


async def spend_refresh(session: Session, secret: Secret, now: datetime) -> RefreshToken | None:
    """Mark a refresh token used and return it; None when it is worth nothing.

    A token used before revokes its whole family, since two parties hold it. The exception is a client that
    lost our answer: within `LOST_ANSWER`, and as long as nobody used the token we then gave, that one is
    withdrawn and this one may be spent again. Whoever then brings the withdrawn one did get our answer, so
    two parties hold the family, and it ends. The caller commits in either case.
    """
    statement = (
        select(RefreshToken)
        .where(RefreshToken.tenant_id == secret.tenant_id, RefreshToken.token_hash == secret.sha256)
        .with_for_update()
    )
    token = (await session.exec(statement)).one_or_none()
    if token is None or token.expires_at <= now:
        return None
    if token.revoked_at is not None:
        await revoke_family(session, token.tenant_id, token.family_id, now)
        return None
    if token.used_at is not None:
        later = await session.exec(
            select(RefreshToken).where(
                RefreshToken.tenant_id == token.tenant_id,
                RefreshToken.family_id == token.family_id,
                RefreshToken.id != token.id,
                RefreshToken.issued_at >= token.used_at,
            )
        )
        unspent = list(later)
        lost = now - token.used_at <= LOST_ANSWER and all(t.used_at is None for t in unspent)
        if not lost:
            await revoke_family(session, token.tenant_id, token.family_id, now)
            return None
        for successor in unspent:
            successor.revoked_at = now
    token.used_at = now
    return token


# --- who is asking ----------------------------------------------------------------------------------------


async def find_actor(session: Session, tenant_id: UUID, user_id: UUID) -> Actor | None:
    """Return the actor of an active user with the present permissions of the role, None otherwise."""
    statement = (
        select(User.name, User.customer_id, Role.permissions)
        .join(Role, (col(Role.tenant_id) == User.tenant_id) & (col(Role.id) == User.role_id))
        .where(User.tenant_id == tenant_id, User.id == user_id, User.is_active)
    )
    row = (await session.exec(statement)).one_or_none()
    if row is None:
        return None
    known = Permission._value2member_map_
    name, customer_id, permissions = row
    return Actor(
        tenant_id=tenant_id,
        kind=ActorKind.USER,
        user_id=user_id,
        customer_id=customer_id,
        name=name,
        permissions=frozenset(Permission(p) for p in permissions if p in known),
    )


_DEVICE = """
select d.id, d.user_id, u.name, u.customer_id, d.revoked_at is null and u.is_active as may_read,
  array(select jsonb_array_elements_text(r.permissions)) as permissions
from device d
join "user" u on u.tenant_id = $1 and u.id = d.user_id
join role r on r.tenant_id = $1 and r.id = u.role_id
where d.tenant_id = $1 and d.token_hash = $2
"""


async def read_device_actor(reader: Reader, secret: Secret) -> Actor:
    """Return the same as `find_device_actor`, for the hot paths."""
    row = await reader.row(_DEVICE, secret.tenant_id, secret.sha256)
    if row is None:
        raise unknown_device()
    if not row["may_read"]:
        raise DeviceRevoked.of(row["id"])
    known = Permission._value2member_map_
    return Actor(
        tenant_id=secret.tenant_id,
        kind=ActorKind.DEVICE,
        user_id=row["user_id"],
        device_id=row["id"],
        customer_id=row["customer_id"],
        name=row["name"],
        permissions=frozenset(Permission(p) for p in row["permissions"] if p in known),
    )


def unknown_device() -> Unauthenticated:
    return Unauthenticated("The device token is not one of ours. Register the device again.")


def remember_device(secret: Secret, actor: Actor) -> None:
    """Keep who a device's token belongs to, for routes that look up its rights themselves."""
    if len(_devices) >= 10_000:
        _devices.clear()
    _devices[secret.token] = secret, actor


def remembered_device(token: str) -> tuple[Secret, Actor] | None:
    """Return what this process last saw of a device's token: who it was, not what it may do now."""
    return _devices.get(token)


_devices: dict[str, tuple[Secret, Actor]] = {}


async def find_device_actor(session: Session, secret: Secret) -> Actor:
    """Return the actor of a device token whose transaction is already bound to the token's tenant.

    A revoked device, or one whose user is no longer active, is `DeviceRevoked`; an unknown token is
    `Unauthenticated`.
    """
    statement = select(Device.id, Device.user_id, Device.revoked_at).where(
        Device.tenant_id == secret.tenant_id, Device.token_hash == secret.sha256
    )
    device = (await session.exec(statement)).one_or_none()
    if device is None:
        raise unknown_device()
    device_id, user_id, revoked_at = device
    actor = await find_actor(session, secret.tenant_id, user_id)
    if revoked_at is not None or actor is None:
        raise DeviceRevoked.of(device_id)
    return Actor(
        tenant_id=actor.tenant_id,
        kind=ActorKind.DEVICE,
        user_id=actor.user_id,
        device_id=device_id,
        customer_id=actor.customer_id,
        name=actor.name,
        permissions=actor.permissions,
    )
