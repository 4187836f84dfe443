"""Signing in, users, roles and devices."""

import time
from collections import deque
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
import pydantic
from litestar import Controller, Request, delete, get, patch, post, put
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED, HTTP_204_NO_CONTENT

from fsm import http
from fsm.actors import Actor, Permission, public_actor
from fsm.http import Body, Code, CurrentActor, DbSession, Line, Now, needs, signed_in
from fsm.problems import Invalid, RateLimited
from fsm.tenants import browser_routes, enrolments, passwords, queries, tokens
from fsm.tenants.sessions import (
    Password,
    Renewal,
    SessionView,
    SignIn,
    end_session,
    renew_session,
    sign_in,
)
from fsm.tenants.tables import Device, Role, User


class PasswordChange(Body):
    old_password: Password
    new_password: Password


class NewUser(Body):
    login: Annotated[
        str, pydantic.Field(min_length=3, max_length=200, pattern=r"^[^\s\x00-\x1f]+$")
    ]
    name: Line
    role: Code
    password: Password | None = None
    email: Annotated[str, pydantic.Field(max_length=200)] | None = None
    language: Annotated[str, pydantic.Field(pattern="^[a-z]{2}$")] = "en"
    customer_id: UUID | None = None


class UserEdit(Body):
    rev: http.Revision
    name: Line = ""
    email: Annotated[str, pydantic.Field(max_length=200)] | None = None
    language: Annotated[str, pydantic.Field(pattern="^[a-z]{2}$")] = "en"
    role: Code = ""
    is_active: bool = True


class NewRole(Body):
    code: Code
    name: Line
    permissions: Annotated[list[str], pydantic.Field(max_length=200)]


class RoleEdit(Body):
    rev: http.Revision
    name: Line = ""
    permissions: Annotated[list[str], pydantic.Field(max_length=200)] = []


class Revocation(Body):
    reason: Line


class ActorView(msgspec.Struct, frozen=True):
    tenant_id: UUID
    user_id: UUID | None
    customer_id: UUID | None
    device_id: UUID | None
    name: str
    permissions: list[str]


class UserView(msgspec.Struct, frozen=True):
    id: UUID
    rev: int
    login: str
    name: str
    email: str | None
    language: str
    role: str
    customer_id: UUID | None
    is_active: bool

    @classmethod
    def of(cls, user: User, role: str) -> "UserView":
        return cls(
            user.id,
            user.rev,
            user.login,
            user.name,
            user.email,
            user.language,
            role,
            user.customer_id,
            user.is_active,
        )


class UserPage(msgspec.Struct, frozen=True):
    items: list[UserView]
    next: str | None


class RoleView(msgspec.Struct, frozen=True):
    id: UUID
    rev: int
    code: str
    name: str
    permissions: list[str]

    @classmethod
    def of(cls, role: Role) -> "RoleView":
        return cls(role.id, role.rev, role.code, role.name, role.permissions)


class DeviceView(msgspec.Struct, frozen=True):
    """`differed_count`: how often its rows did not add up to the server's, and were put right."""

    id: UUID
    user_id: UUID
    install_id: str
    platform: str
    app: str
    registered_at: datetime
    last_seen_at: datetime | None
    differed_count: int
    differed_at: datetime | None
    revoked_at: datetime | None
    revoked_reason: str | None

    @classmethod
    def of(cls, device: Device) -> "DeviceView":
        return cls(
            device.id,
            device.user_id,
            device.install_id,
            device.platform,
            device.app,
            device.registered_at,
            device.last_seen_at,
            device.differed_count,
            device.differed_at,
            device.revoked_at,
            device.revoked_reason,
        )


class DevicePage(msgspec.Struct, frozen=True):
    items: list[DeviceView]
    next: str | None


class AddressLimit:
    """At most `most` tries a minute from one address, counted in this process."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._tries: dict[str, deque[float]] = {}

    def take(self, address: str) -> None:
        now = time.monotonic()
        if len(self._tries) > 10_000:
            self._tries = {a: t for a, t in self._tries.items() if t and t[-1] > now - 60}
        tries = self._tries.setdefault(address, deque())
        while tries and tries[0] <= now - 60:
            tries.popleft()
        if len(tries) >= self._most:
            raise RateLimited(
                "Too many tries from this address. Wait a minute.",
                retry_after_s=int(60 - (now - tries[0])) + 1,
            )
        tries.append(now)


class SignInController(Controller):
    path = "/api/sign-in"
    tags = ["Signing in"]

    @post("/", opt=http.anyone(), status_code=HTTP_200_OK, summary="Sign in with a password")
    async def sign_in(
        self, request: Request[Any, Any, Any], data: JSONBody[SignIn], now: Now
    ) -> SessionView:
        return await sign_in(request, data, now)

    @post(
        "/renewal",
        opt=http.anyone(),
        status_code=HTTP_200_OK,
        summary="Renew access, once per token",
    )
    async def renew(
        self, request: Request[Any, Any, Any], data: JSONBody[Renewal], now: Now
    ) -> SessionView:
        return await renew_session(request, data.refresh_token, now)

    @delete("/", opt=http.anyone(), status_code=HTTP_204_NO_CONTENT, summary="Sign out")
    async def sign_out(
        self, request: Request[Any, Any, Any], data: JSONBody[Renewal], now: Now
    ) -> None:
        await end_session(request, data.refresh_token, now)


class MeController(Controller):
    path = "/api/me"
    tags = ["Signing in"]

    @get("/", opt=signed_in(), summary="Who am I, and what may I do")
    async def me(self, actor: CurrentActor) -> ActorView:
        return ActorView(
            actor.tenant_id,
            actor.user_id,
            actor.customer_id,
            actor.device_id,
            actor.name,
            sorted(actor.permissions),
        )

    @put(
        "/password", opt=signed_in(), status_code=HTTP_204_NO_CONTENT, summary="Change my password"
    )
    async def change_password(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[PasswordChange]
    ) -> None:
        passwords.check_strength(data.new_password)
        if actor.user_id is None or actor.device_id is not None:
            raise Invalid(
                "A password is changed by the person who signs in with it, not by a device."
            )
        user = await queries.lock_user(session, actor, actor.user_id)
        if not await passwords.is_right(data.old_password, user.password_hash):
            raise Invalid(
                "The old password is wrong.",
                errors=[{"at": "/old_password", "detail": "wrong"}],
            )
        hashed = await passwords.hash_password(data.new_password)
        await queries.set_password(session, actor, now, actor.user_id, hashed)


class UserController(Controller):
    path = "/api/users"
    tags = ["Users and roles"]

    @get("/", opt=needs(Permission.MANAGE_USERS), summary="List users")
    async def list(self, session: DbSession, actor: CurrentActor, page: http.Page) -> UserPage:
        rows = await queries.list_users(session, actor, after=page.after_id, limit=page.limit)
        return UserPage(
            [UserView.of(user, role) for user, role in rows],
            page.next([first for first, _ in rows]),
        )

    @post(
        "/", opt=needs(Permission.MANAGE_USERS), status_code=HTTP_201_CREATED, summary="Add a user"
    )
    async def add(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[NewUser]
    ) -> UserView:
        role = await queries.find_role_by_code(session, actor, data.role)
        hashed = None
        if data.password is not None:
            passwords.check_strength(data.password)
            hashed = await passwords.hash_password(data.password)
        user = await queries.add_user(
            session,
            actor,
            now,
            login=data.login,
            name=data.name,
            role=role,
            password_hash=hashed,
            email=data.email,
            language=data.language,
            customer_id=data.customer_id,
        )
        return UserView.of(user, role.code)

    @patch("/{user_id:uuid}", opt=needs(Permission.MANAGE_USERS), summary="Edit a user")
    async def edit(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        user_id: FromPath[UUID],
        data: JSONBody[UserEdit],
    ) -> UserView:
        changes = data.changes("role")
        if "role" in data.model_fields_set:
            changes["role_id"] = (await queries.find_role_by_code(session, actor, data.role)).id
        user = await queries.edit_user(session, actor, now, user_id, data.rev, changes)
        role = await queries.find_role(session, actor, user.role_id)
        return UserView.of(user, role.code)


class RoleController(Controller):
    path = "/api/roles"
    tags = ["Users and roles"]

    @get("/", opt=needs(Permission.MANAGE_USERS), summary="List roles")
    async def list(self, session: DbSession, actor: CurrentActor) -> list[RoleView]:
        return [RoleView.of(role) for role in await queries.list_roles(session, actor)]

    @post(
        "/", opt=needs(Permission.MANAGE_USERS), status_code=HTTP_201_CREATED, summary="Add a role"
    )
    async def add(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[NewRole]
    ) -> RoleView:
        role = await queries.add_role(
            session, actor, now, code=data.code, name=data.name, permissions=data.permissions
        )
        return RoleView.of(role)

    @patch("/{role_id:uuid}", opt=needs(Permission.MANAGE_USERS), summary="Edit a role")
    async def edit(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        role_id: FromPath[UUID],
        data: JSONBody[RoleEdit],
    ) -> RoleView:
        role = await queries.edit_role(session, actor, now, role_id, data.rev, data.changes())
        return RoleView.of(role)


class DeviceController(Controller):
    path = "/api/devices"
    tags = ["Users and roles"]

    @get("/", opt=needs(Permission.MANAGE_USERS), summary="List registered devices")
    async def list(
        self,
        session: DbSession,
        actor: CurrentActor,
        page: http.Page,
        user_id: Annotated[UUID | None, QueryParameter()] = None,
    ) -> DevicePage:
        found = await queries.list_devices(
            session, actor, after=page.after_id, limit=page.limit, user_id=user_id
        )
        return DevicePage([DeviceView.of(device) for device in found], page.next(found))

    @post(
        "/{device_id:uuid}/revocation",
        opt=needs(Permission.MANAGE_USERS),
        status_code=HTTP_200_OK,
        summary="Revoke a lost or stolen device",
    )
    async def revoke(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        device_id: FromPath[UUID],
        data: JSONBody[Revocation],
    ) -> DeviceView:
        device = await queries.revoke_device(session, actor, now, device_id, data.reason)
        return DeviceView.of(device)


async def authenticate(token: str, connection: Any) -> Actor:
    """Return the actor behind a bearer token: a signed access token, or a device's own."""
    state = connection.app.state
    opt = connection.route_handler.opt
    rechecks = opt.get("rechecks", False)
    if rechecks and (known := tokens.remembered_device(token)):
        connection.scope["state"]["device_secret"] = known[0]
        return known[1]
    secret = tokens.read_secret(tokens.DEVICE, token)
    if secret is None:
        return tokens.read_access(state.settings, token, state.clock())
    connection.scope["state"]["device_secret"] = secret
    async with state.database.reader(public_actor(secret.tenant_id)) as reader:
        actor = await tokens.read_device_actor(reader, secret)
    if rechecks and actor.may(opt["needs"]):
        tokens.remember_device(secret, actor)
    return actor


ROUTES = [
    SignInController,
    *browser_routes.ROUTES,
    *enrolments.ROUTES,
    MeController,
    UserController,
    RoleController,
    DeviceController,
]
