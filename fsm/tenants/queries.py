"""Everything about tenants, users, roles and devices that touches the database."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import delete, update
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from uuid_utils.compat import uuid7

from fsm import events
from fsm.actors import Actor, Permission, system_actor
from fsm.database import Session, enter, fetch, revise
from fsm.problems import Invalid, NotFound, RateLimited
from fsm.tenants import directory, passwords, tokens
from fsm.tenants.roles import FIRST_ROLES
from fsm.tenants.tables import (
    NOBODY,
    Device,
    DirectoryKind,
    Role,
    SignInThrottle,
    Tenant,
    User,
)

# --- tenants ----------------------------------------------------------------------------------------------


async def create_tenant(
    session: Session,
    *,
    slug: str,
    name: str,
    now: datetime,
    zone: str = "UTC",
    language: str = "en",
    currency: str = "EUR",
    passport_host: str | None = None,
) -> Tenant:
    """Create a service company with its first roles and bind the transaction to it."""
    tenant = Tenant(
        slug=slug,
        name=name,
        zone=zone,
        language=language,
        currency=currency,
        passport_host=passport_host,
        created_at=now,
    )
    await enter(session, tenant.id)
    session.add(tenant)
    await session.flush()
    await directory.enlist(session, tenant.id, DirectoryKind.TENANT, [slug])
    for code, (title, permissions) in FIRST_ROLES.items():
        session.add(
            Role(tenant_id=tenant.id, code=code, name=title, permissions=sorted(permissions))
        )
    await session.flush()
    await events.record(
        session, system_actor(tenant.id), "tenant.created", "tenant", tenant.id, now=now, slug=slug
    )
    return tenant


async def find_own_tenant(session: Session, tenant_id: UUID) -> Tenant:
    return await session.found(
        select(Tenant).where(Tenant.id == tenant_id), "There is no such company."
    )


class ZoneAndCurrency(NamedTuple):
    zone: str
    currency: str


async def find_zone_and_currency(session: Session, tenant_id: UUID) -> ZoneAndCurrency:
    """Return by which clock and in which money a company counts."""
    found = await fetch(session, "select zone, currency from tenant where id = $1", tenant_id)
    if not found:
        raise NotFound("There is no such company.")
    return ZoneAndCurrency(*found[0])


# --- roles ------------------------------------------------------------------------------------------------


async def list_roles(session: Session, actor: Actor) -> list[Role]:
    statement = select(Role).where(Role.tenant_id == actor.tenant_id).order_by(col(Role.code))
    return list(await session.exec(statement))


async def find_role(session: Session, actor: Actor, role_id: UUID) -> Role:
    statement = select(Role).where(Role.tenant_id == actor.tenant_id, Role.id == role_id)
    return await session.found(statement, f"No role {role_id}.")


async def find_role_by_code(session: Session, actor: Actor, code: str) -> Role:
    statement = select(Role).where(Role.tenant_id == actor.tenant_id, Role.code == code)
    role = (await session.exec(statement)).one_or_none()
    if role is None:
        known = ", ".join(role.code for role in await list_roles(session, actor))
        raise Invalid(
            f"There is no role '{code}'. There are: {known}.",
            errors=[{"at": "/role", "detail": "unknown role"}],
        )
    return role


def check_permissions(actor: Actor, permissions: list[str]) -> list[str]:
    """Return known permissions sorted; nobody gives what they do not have themselves."""
    known = Permission._value2member_map_
    if unknown := sorted(set(permissions) - set(known)):
        raise Invalid(f"There is no permission '{unknown[0]}'.", unknown=unknown)
    if beyond := sorted(p for p in permissions if not actor.may(Permission(p)) and p != "sync"):
        raise Invalid(
            f"You cannot give the permission '{beyond[0]}', because you do not have it.",
            beyond=beyond,
        )
    return sorted(set(permissions))


async def add_role(
    session: Session, actor: Actor, now: datetime, *, code: str, name: str, permissions: list[str]
) -> Role:
    role = Role(
        tenant_id=actor.tenant_id,
        code=code,
        name=name,
        permissions=check_permissions(actor, permissions),
    )
    session.add(role)
    await session.flush()
    await events.record(
        session, actor, "role.created", "role", role.id, now=now, permissions=role.permissions
    )
    return role


async def edit_role(
    session: Session, actor: Actor, now: datetime, role_id: UUID, rev: int, changes: dict[str, Any]
) -> Role:
    statement = (
        select(Role).where(Role.tenant_id == actor.tenant_id, Role.id == role_id).with_for_update()
    )
    role = await session.found(statement, f"No role {role_id}.")
    if "permissions" in changes:
        changes["permissions"] = check_permissions(actor, changes["permissions"])
    if revise(role, rev, changes):
        await events.record(
            session, actor, "role.edited", "role", role.id, now=now, permissions=role.permissions
        )
    return role


# --- users ------------------------------------------------------------------------------------------------


async def add_user(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    login: str,
    name: str,
    role: Role,
    password_hash: str | None,
    email: str | None = None,
    language: str = "en",
    customer_id: UUID | None = None,
) -> User:
    """Create a user; the login is unique in the whole installation."""
    check_permissions(actor, role.permissions)
    _check_belonging(role, customer_id, "/customer_id")
    login = login.strip().casefold()
    user = User(
        tenant_id=actor.tenant_id,
        login=login,
        name=name,
        email=email,
        language=language,
        role_id=role.id,
        customer_id=customer_id,
        password_hash=password_hash,
        created_at=now,
    )
    await directory.enlist(session, actor.tenant_id, DirectoryKind.LOGIN, [login])
    session.add(user)
    await session.flush()
    await events.record(
        session, actor, "user.created", "user", user.id, now=now, login=login, role=role.code
    )
    return user


def _check_belonging(role: Role, customer_id: UUID | None, at: str) -> None:
    """Hold that the role 'customer' and belonging to a customer go together.

    Somebody with that role and no customer would see every customer's rows.
    """
    if (role.code == "customer") != (customer_id is not None):
        raise Invalid(
            "A user with the role 'customer' belongs to one customer, and nobody else does.",
            errors=[{"at": at, "detail": "role and customer do not fit together"}],
        )


async def list_users(
    session: Session, actor: Actor, *, after: UUID | None, limit: int
) -> list[tuple[User, str]]:
    """Return (user, role code) in order of id."""
    statement = (
        select(User, Role.code)
        .join(Role, (col(Role.tenant_id) == User.tenant_id) & (col(Role.id) == User.role_id))
        .where(User.tenant_id == actor.tenant_id)
        .order_by(col(User.id))
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(User.id > after)
    return [(user, code) for user, code in await session.exec(statement)]


async def lock_user(session: Session, actor: Actor, user_id: UUID) -> User:
    statement = (
        select(User).where(User.tenant_id == actor.tenant_id, User.id == user_id).with_for_update()
    )
    return await session.found(statement, f"No user {user_id}.")


async def edit_user(
    session: Session, actor: Actor, now: datetime, user_id: UUID, rev: int, changes: dict[str, Any]
) -> User:
    """Edit name, e-mail, language, role or activity.

    A deactivated user cannot renew access any more, and devices are refused at once. An access token that is
    out keeps what it was issued with, also after a change of role, until it expires: ten minutes unless
    `FSM_ACCESS_TOKEN_S` says otherwise.
    """
    user = await lock_user(session, actor, user_id)
    if "role_id" in changes:
        role = await find_role(session, actor, changes["role_id"])
        check_permissions(actor, role.permissions)
        _check_belonging(role, user.customer_id, "/role")
    if changes.get("is_active") is False and user_id == actor.user_id:
        raise Invalid(
            "You cannot deactivate yourself.",
            errors=[{"at": "/is_active", "detail": "this is you"}],
        )
    if revise(user, rev, changes):
        if not user.is_active:
            await tokens.revoke_user(session, actor.tenant_id, user_id, now)
        await events.record(
            session, actor, "user.edited", "user", user.id, now=now, fields=sorted(changes)
        )
    return user


async def set_password(
    session: Session, actor: Actor, now: datetime, user_id: UUID, password_hash: str
) -> None:
    """Replace a password; no session that was opened with the old one can be renewed."""
    user = await lock_user(session, actor, user_id)
    user.password_hash = password_hash
    user.rev += 1
    await tokens.revoke_user(session, actor.tenant_id, user_id, now)
    await events.record(session, actor, "user.password_changed", "user", user.id, now=now)


# --- signing in -------------------------------------------------------------------------------------------


async def find_login(session: Session, login: str) -> User | None:
    """Return the user of a login and bind the transaction to the user's tenant; None when there is none."""
    login = login.strip().casefold()
    tenant_id = await directory.find_tenant(session, DirectoryKind.LOGIN, login)
    if tenant_id is None:
        return None
    await enter(session, tenant_id)
    statement = select(User).where(User.tenant_id == tenant_id, User.login == login)
    return (await session.exec(statement)).one_or_none()


async def take_guess(session: Session, login: str, now: datetime) -> User | None:
    """Count one guess at a login, bind the transaction to its tenant and return its user, None for nobody.

    Counted before the password is looked at, so that guesses sent at once are worth no more than one after
    another; a right one is forgotten again (`forget_guesses`). Refused with the time left while the login is
    locked. A login that does not exist takes the same steps and is locked the same. The caller commits.
    """
    login = login.strip().casefold()
    tenant_id = await directory.find_tenant(session, DirectoryKind.LOGIN, login) or NOBODY
    await enter(session, tenant_id)
    counted = (
        insert(SignInThrottle)
        .values(
            tenant_id=tenant_id,
            login_sha256=directory.key_hash(login),
            guesses=1,
            locked_until=now,
        )
        .on_conflict_do_update(
            index_elements=["tenant_id", "login_sha256"],
            set_={"guesses": col(SignInThrottle.guesses) + 1},
        )
        .returning(col(SignInThrottle.guesses), col(SignInThrottle.locked_until))
    )
    guesses, until = (await session.exec(counted)).one()
    if until > now:
        seconds = int((until - now) / timedelta(seconds=1)) + 1
        raise RateLimited(
            f"Too many wrong passwords. Try again in {seconds} seconds.", retry_after_s=seconds
        )
    await session.exec(
        update(SignInThrottle)
        .where(
            col(SignInThrottle.tenant_id) == tenant_id,
            col(SignInThrottle.login_sha256) == directory.key_hash(login),
        )
        .values(locked_until=now + passwords.waiting_time(guesses))
    )
    statement = select(User).where(User.tenant_id == tenant_id, User.login == login)
    return (await session.exec(statement)).one_or_none()


async def forget_guesses(session: Session, user: User) -> None:
    """Begin to count anew: somebody knew the password."""
    await session.exec(
        delete(SignInThrottle).where(
            col(SignInThrottle.tenant_id) == user.tenant_id,
            col(SignInThrottle.login_sha256) == directory.key_hash(user.login),
        )
    )


async def forget_old_guesses(session: Session, tenant_id: UUID, now: datetime) -> None:
    """Drop the counts of logins at which nobody has guessed for a day; for the worker's rounds."""
    await session.exec(
        delete(SignInThrottle).where(
            col(SignInThrottle.tenant_id) == tenant_id,
            col(SignInThrottle.locked_until) < now - timedelta(days=1),
        )
    )


# --- devices ----------------------------------------------------------------------------------------------


async def register_device(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    install_id: str,
    platform: str = "",
    app: str = "",
    schema_version: int = 1,
    public_key: str | None = None,
) -> tuple[Device, str]:
    """Register an installation and return it with its token, which is shown this once.

    The same installation asking again keeps its device and gets a new token; the old one ends. A revoked
    installation stays revoked.
    """
    secret = tokens.new_secret(tokens.DEVICE, actor.tenant_id)
    statement = (
        select(Device)
        .where(
            Device.tenant_id == actor.tenant_id,
            Device.user_id == actor.user_id,
            Device.install_id == install_id,
        )
        .with_for_update()
    )
    device = (await session.exec(statement)).one_or_none()
    if device is not None and device.revoked_at is not None:
        raise tokens.DeviceRevoked(
            "This installation has been revoked. Install the app anew and register that."
        )
    if device is None:
        assert actor.user_id is not None
        device = Device(
            id=uuid7(),
            tenant_id=actor.tenant_id,
            user_id=actor.user_id,
            install_id=install_id,
            token_hash=secret.sha256,
            registered_at=now,
        )
        session.add(device)
        await session.flush()
        await events.record(
            session, actor, "device.registered", "device", device.id, now=now, platform=platform
        )
    device.token_hash = secret.sha256
    device.platform = platform
    device.app = app
    device.schema_version = schema_version
    device.public_key = public_key
    await session.flush()
    return device, secret.token


async def list_devices(
    session: Session,
    actor: Actor,
    *,
    after: UUID | None,
    limit: int,
    user_id: UUID | None = None,
) -> list[Device]:
    """Return devices in order of id, which is about that of their registration."""
    statement = (
        select(Device)
        .where(Device.tenant_id == actor.tenant_id)
        .order_by(col(Device.id))
        .limit(limit)
    )
    if user_id is not None:
        statement = statement.where(Device.user_id == user_id)
    if after is not None:
        statement = statement.where(Device.id > after)
    return list(await session.exec(statement))


async def revoke_device(
    session: Session, actor: Actor, now: datetime, device_id: UUID, reason: str
) -> Device:
    """End a device's right to read, at once and for good; what it still sends is quarantined."""
    statement = (
        select(Device)
        .where(Device.tenant_id == actor.tenant_id, Device.id == device_id)
        .with_for_update()
    )
    device = await session.found(statement, f"No device {device_id}.")
    if device.revoked_at is None:
        device.revoked_at = now
        device.revoked_reason = reason
        await events.record(
            session, actor, "device.revoked", "device", device.id, now=now, reason=reason
        )
    return device
