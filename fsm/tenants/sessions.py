"""A person's session: opened by a password, renewed by a token that is spent, ended.

Single sign-on will be another way to `open_session`.
"""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
import pydantic
from litestar import Request

from fsm.database import Database, Session
from fsm.http import Body
from fsm.problems import Unauthenticated
from fsm.settings import Settings
from fsm.tenants import passwords, queries, tokens
from fsm.tenants.tables import User

Password = Annotated[str, pydantic.Field(min_length=1, max_length=200)]


class SignIn(Body):
    login: Annotated[str, pydantic.Field(min_length=1, max_length=200)]
    password: Password


class Renewal(Body):
    refresh_token: Annotated[str, pydantic.Field(min_length=10, max_length=200)]


class SessionView(msgspec.Struct, frozen=True):
    """Access for `expires_in_s` seconds, and the token to renew it with once.

    `is_customer`: a customer's user, who finds that customer's rows only.
    """

    access_token: str
    expires_in_s: int
    refresh_token: str
    name: str
    language: str
    permissions: list[str]
    is_customer: bool


async def open_session(
    session: Session, settings: Settings, user: User, now: datetime, family_id: UUID | None = None
) -> SessionView:
    """Return access and refresh tokens for a user who has proved who they are, in whichever way."""
    actor = await tokens.find_actor(session, user.tenant_id, user.id)
    if actor is None:
        raise Unauthenticated("This user is not active.")
    refresh = await tokens.issue_refresh(session, settings, user.tenant_id, user.id, now, family_id)
    return SessionView(
        access_token=tokens.issue_access(settings, actor, now),
        expires_in_s=settings.access_token_s,
        refresh_token=refresh,
        name=user.name,
        language=user.language,
        permissions=sorted(actor.permissions),
        is_customer=actor.customer_id is not None,
    )


async def sign_in(request: Request[Any, Any, Any], data: SignIn, now: datetime) -> SessionView:
    """Return a new session, or refuse.

    Guesses are counted in a transaction of their own, because a refusal undoes the request's.
    """
    settings: Settings = request.app.state.settings
    database: Database = request.app.state.database
    request.app.state.sign_in_limit.take(request.client.host if request.client else "")
    async with database.transaction() as session:
        user = await queries.take_guess(session, data.login, now)
    right = await passwords.is_right(data.password, user.password_hash if user else None)
    if user is None or not right or not user.is_active:
        raise Unauthenticated("Login or password is wrong.")
    async with database.transaction(user.tenant_id) as session:
        await queries.forget_guesses(session, user)
        return await open_session(session, settings, user, now)


async def renew_session(
    request: Request[Any, Any, Any], refresh_token: str, now: datetime
) -> SessionView:
    """Spend a refresh token and return the session that goes on, or refuse."""
    settings: Settings = request.app.state.settings
    database: Database = request.app.state.database
    secret = tokens.read_secret(tokens.REFRESH, refresh_token)
    if secret is not None:
        async with database.transaction(secret.tenant_id) as session:
            spent = await tokens.spend_refresh(session, secret, now)
            if spent is not None:
                user = await session.get(User, (spent.tenant_id, spent.user_id))
                if user is not None and user.is_active:
                    return await open_session(session, settings, user, now, spent.family_id)
    raise Unauthenticated("This refresh token is spent or unknown. Sign in again.")


async def end_session(request: Request[Any, Any, Any], refresh_token: str, now: datetime) -> None:
    """End the session of a refresh token. One that is worth nothing ends nothing."""
    database: Database = request.app.state.database
    secret = tokens.read_secret(tokens.REFRESH, refresh_token)
    if secret is not None:
        async with database.transaction(secret.tenant_id) as session:
            token = await tokens.spend_refresh(session, secret, now)
            if token is not None:
                await tokens.revoke_family(session, token.tenant_id, token.family_id, now)
