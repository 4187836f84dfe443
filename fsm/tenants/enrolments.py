"""Setting up a phone without a password: the office shows a code, who has it first is let in once.

What the code opens is worth little: access for some minutes, to register a device and nothing else. The code
itself is kept as a hash, like every token; the directory tells which company it belongs to.
"""

import secrets
import unicodedata
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Annotated, Any
from uuid import UUID

import msgspec
import pydantic
import segno
from litestar import Controller, Request, post
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED
from uuid_utils.compat import uuid7

from fsm import events, http
from fsm.actors import Permission
from fsm.database import Database, Session
from fsm.http import Body, CurrentActor, DbSession, Now, needs
from fsm.problems import Forbidden, Invalid, Unauthenticated
from fsm.settings import Settings
from fsm.tenants import directory, queries, tokens
from fsm.tenants.tables import DirectoryKind, RefreshToken, User

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's: no letter that is taken for a digit."""
LENGTH = 10
LIFE = timedelta(hours=24)
_MEANT = str.maketrans("OIL", "011")


class Enrolment(msgspec.Struct, frozen=True):
    """`code` is shown this once; `url` opens the app with it, `symbol` is the URL's QR code as SVG."""

    code: str
    url: str
    symbol: str
    expires_at: datetime


class Code(Body):
    code: Annotated[str, pydantic.Field(min_length=1, max_length=100)]


class Entrance(msgspec.Struct, frozen=True):
    """`access_token` registers a device, at once, and does nothing else."""

    access_token: str
    expires_in_s: int
    login: str
    name: str
    language: str


def new_code() -> str:
    """Return a code of 50 random bits."""
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def meant(typed: str) -> str:
    """Return the code that somebody typed: groups, small letters and o, i, l for 0, 1, 1 are understood."""
    folded = unicodedata.normalize("NFKC", typed).upper().translate(_MEANT)
    return "".join(one for one in folded if one in ALPHABET)


def _hash(code: str) -> bytes:
    return sha256(b"enrolment " + code.encode()).digest()


class EnrolmentController(Controller):
    path = ""
    tags = ["Signing in"]

    @post(
        "/api/users/{user_id:uuid}/enrolment",
        opt=needs(Permission.MANAGE_USERS),
        status_code=HTTP_201_CREATED,
        summary="Show a code with which this person sets up a phone, once",
    )
    async def issue(
        self,
        request: Request[Any, Any, Any],
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        user_id: FromPath[UUID],
    ) -> Enrolment:
        user = await queries.lock_user(session, actor, user_id)
        theirs = await tokens.find_actor(session, actor.tenant_id, user.id)
        if theirs is None:
            raise Invalid("This user is not active.")
        if not theirs.may(Permission.SYNC):
            raise Forbidden("This person's role has no phone.", needs=Permission.SYNC.value)
        settings: Settings = request.app.state.settings
        code = new_code()
        await directory.enlist(session, actor.tenant_id, DirectoryKind.ENROLMENT, [code])
        session.add(
            RefreshToken(
                tenant_id=actor.tenant_id,
                user_id=user.id,
                family_id=uuid7(),
                token_hash=_hash(code),
                issued_at=now,
                expires_at=now + LIFE,
            )
        )
        await events.record(session, actor, "user.enrolment_issued", "user", user.id, now=now)
        grouped = f"{code[:5]}-{code[5:]}"
        url = f"{settings.public_url}/app/index#enrol={grouped}"
        symbol = segno.make_qr(url).svg_inline(scale=6, border=4, dark="#000", light="#fff")
        return Enrolment(grouped, url, symbol, now + LIFE)

    @post(
        "/api/sign-in/enrolment",
        opt=http.anyone(),
        status_code=HTTP_200_OK,
        summary="Spend the code that the office showed, to register a device",
    )
    async def spend(
        self, request: Request[Any, Any, Any], data: JSONBody[Code], now: Now
    ) -> Entrance:
        settings: Settings = request.app.state.settings
        database: Database = request.app.state.database
        request.app.state.sign_in_limit.take(request.client.host if request.client else "")
        code = meant(data.code)
        async with database.transaction() as session:
            tenant_id = await directory.find_tenant(session, DirectoryKind.ENROLMENT, code)
        if tenant_id is not None:
            async with database.transaction(tenant_id) as session:
                if entrance := await _enter(session, settings, tenant_id, code, now):
                    return entrance
        raise Unauthenticated(
            "This code is spent, too old or mistyped. Ask the office for another one."
        )


async def _enter(
    session: Session, settings: Settings, tenant_id: UUID, code: str, now: datetime
) -> Entrance | None:
    secret = tokens.Secret(code, tenant_id, _hash(code))
    spent = await tokens.spend_refresh(session, secret, now)
    if spent is None:
        return None
    actor = await tokens.find_actor(session, tenant_id, spent.user_id)
    user = await session.get(User, (tenant_id, spent.user_id))
    if actor is None or user is None:
        return None
    limited = replace(actor, permissions=actor.permissions & {Permission.SYNC})
    return Entrance(
        tokens.issue_access(settings, limited, now),
        settings.access_token_s,
        user.login,
        user.name,
        user.language,
    )


ROUTES = [EnrolmentController]
