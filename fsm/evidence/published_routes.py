"""What anybody may have who knows a company's short name: its public keys and its signed daily roots.

Neither holds a word about a person or a job. Whoever keeps a root can prove years later that history was
not rewritten, the operator of this server included.
"""

from datetime import date
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, get
from litestar.params import FromPath, QueryParameter

from fsm import http
from fsm.database import Database, Session, enter
from fsm.evidence import daily_roots, signing_keys
from fsm.evidence.receipts import ReceiptKey
from fsm.http import anyone
from fsm.problems import NotFound, RateLimited
from fsm.tenants.directory import find_tenant
from fsm.tenants.tables import DirectoryKind

_FOR_A_DAY = "public, max-age=86400"  # a restore may have to make one anew, and says so in it
_FOR_A_WHILE = "public, max-age=300"

Slug = Annotated[
    str, QueryParameter(name="tenant", max_length=40, description="The company's short name.")
]


class PublicKeyView(msgspec.Struct, frozen=True):
    """An Ed25519 key: `key` is `ed25519:<base64url>`, `kid` the beginning of its SHA-256."""

    kid: str
    key: str


class PublicKeys(msgspec.Struct, frozen=True):
    """The key that signs now, then every one before it."""

    tenant_id: UUID
    keys: list[PublicKeyView]


class RootView(msgspec.Struct, frozen=True):
    """A signed statement: `signature` is over the RFC 8785 form of all other members.

    `root` is the RFC 6962 root over the chain hashes of the events `first` … `first + leaves - 1`, `chain`
    the chain's hash after them, `restorations` how often history had been set back to a backup by then.
    """

    type: str
    tenant_id: UUID
    date: date
    first: int
    leaves: int
    root: str
    chain: str
    restorations: int
    kid: str
    signature: str


class PublishedController(Controller):
    path = "/evidence"
    tags = ["Evidence"]

    @get(
        "/keys",
        opt=anyone(),
        responses=http.refusals(NotFound, RateLimited),
        summary="The public keys that receipts and daily roots of a company are signed with",
    )
    async def keys(self, request: Request[Any, Any, Any], tenant: Slug) -> Response[PublicKeys]:
        state = request.app.state
        present = ReceiptKey.from_seed(state.settings.receipt_key_seed)
        database: Database = state.database
        _limit(request)
        async with database.transaction() as session:
            tenant_id = await _enter(session, tenant)
            forms = await signing_keys.list_key_forms(session, tenant_id, present)
        keys = PublicKeys(tenant_id, [PublicKeyView(**form) for form in forms])
        return Response(keys, headers={"Cache-Control": _FOR_A_WHILE})

    @get(
        "/roots/{day:date}",
        opt=anyone(),
        responses=http.refusals(NotFound, RateLimited),
        summary="The signed Merkle root over all that a company recorded on one UTC day",
    )
    async def root(
        self, request: Request[Any, Any, Any], day: FromPath[date], tenant: Slug
    ) -> Response[RootView]:
        database: Database = request.app.state.database
        _limit(request)
        async with database.transaction() as session:
            tenant_id = await _enter(session, tenant)
            found = await daily_roots.find_daily_root(session, tenant_id, day)
        view = msgspec.convert(daily_roots.published_form(found), RootView)
        return Response(view, headers={"Cache-Control": _FOR_A_DAY})


def _limit(request: Request[Any, Any, Any]) -> None:
    request.app.state.published_limit.take(request.client.host if request.client else "")


async def _enter(session: Session, slug: str) -> UUID:
    """Bind the transaction to the named company."""
    tenant_id = await find_tenant(session, DirectoryKind.TENANT, slug)
    if tenant_id is None:
        raise NotFound("There is no company with this short name.")
    await enter(session, tenant_id)
    return tenant_id


ROUTES = [PublishedController]
