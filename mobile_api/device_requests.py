"""What every door for devices shares: who is asking, a bounded body, an answer that is already bytes."""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Annotated, Any
from uuid import UUID

from litestar import Request, Response
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter
from litestar.status_codes import HTTP_200_OK
from litestar.types import Receive, Scope, Send

from fsm import http
from fsm.actors import Actor, ActorKind, public_actor
from fsm.crash_points import crash_point
from fsm.database import Database
from fsm.http import bearer_token
from fsm.problems import Problem, Unauthenticated
from fsm.tenants import tokens
from mobile_api import stream
from mobile_api.durability import Durability
from mobile_api.encodings import BatchTooLarge, deflate, deflate_pieces, inflate
from mobile_api.intents import Batch
from mobile_api.pull import Pieces, Together, together
from mobile_api.push import MOST_BYTES, MOST_INFLATED, Answer, barred_by, push

DeviceRevoked = tokens.DeviceRevoked

EmptyAt = Annotated[
    int | None,
    QueryParameter(ge=0, le=2**53, description="The head at which the outbox was last empty."),
]
SentAt = Annotated[
    str | None,
    QueryParameter(max_length=60, description="When the device sends this, by its own clock."),
]


class DeviceOnly(Problem):
    """This address is for devices: register one at POST /sync/v1/devices and send its token."""

    code, status, title = "device-only", 403, "Only for registered devices"


def must_be_device(actor: Actor) -> None:
    if actor.kind is not ActorKind.DEVICE:
        raise DeviceOnly(
            "This address is for the app's devices. Register one at POST /sync/v1/devices "
            "and send the device's token."
        )


async def sender_of(request: Request[Any, Any, Any]) -> Actor:
    """Return the device that pushes; one put out of use too, without any rights."""
    token = bearer_token(request)
    if token is None:
        raise Unauthenticated("Send 'Authorization: Bearer …' with the device's token.")
    secret = tokens.read_secret(tokens.DEVICE, token)
    if secret is None:
        tokens.read_access(request.app.state.settings, token, request.app.state.clock())
        raise DeviceOnly("Intents come from devices: send the device's own token.")
    database: Database = request.app.state.database
    async with database.reader(public_actor(secret.tenant_id)) as reader:
        try:
            return await tokens.read_device_actor(reader, secret)
        except DeviceRevoked as refused:
            return Actor(
                tenant_id=secret.tenant_id,
                kind=ActorKind.DEVICE,
                device_id=UUID(refused.facts["device_id"]),
                name="revoked device",
            )


async def bounded_body(request: Request[Any, Any, Any]) -> bytes:
    """Return the body, inflated; at most `MOST_BYTES` as it came and `MOST_INFLATED` after."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MOST_BYTES:
            raise BatchTooLarge(
                f"At most {MOST_BYTES} bytes at once; send fewer intents or compress them.",
                limit=MOST_BYTES,
            )
        chunks.append(chunk)
    return inflate(b"".join(chunks), request.headers.get("content-encoding", ""), MOST_INFLATED)


def accept_encoding_of(request: Request[Any, Any, Any]) -> str | None:
    """Return which encodings a client takes, however many lines it says that in."""
    said = request.headers.getall("accept-encoding", [])
    return ", ".join(said) or None


def json_answer(request: Request[Any, Any, Any], content: bytes) -> Response[bytes]:
    """Answer JSON that is already bytes, in the encoding that the client likes best."""
    body, encoding = deflate(content, request.headers.get("accept-encoding"))
    headers = {"Vary": "Accept-Encoding"}
    if encoding is not None:
        headers["Content-Encoding"] = encoding
    return Response(body, media_type="application/json", headers=headers, status_code=HTTP_200_OK)


_NO_MORE: Mapping[str, str] = MappingProxyType({})
_COPIED = 65_536
"""Bytes of an answer up to which a copy costs less than writing its pieces one by one."""


class ReadyJson:
    """The same for the hottest reads: an ASGI application that sends large pieces without copying them."""

    def __init__(
        self, pieces: Pieces, accept_encoding: str | None, headers: Mapping[str, str] = _NO_MORE
    ) -> None:
        self._pieces, encoding = deflate_pieces(pieces, accept_encoding)
        self.headers = {"Content-Type": "application/json", "Vary": "Accept-Encoding"}
        if encoding is not None:
            self.headers["Content-Encoding"] = encoding
        self.headers |= headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        size = sum(map(len, self._pieces))
        headers = [*_as_sent(tuple(self.headers.items())), (b"content-length", b"%d" % size)]
        await send({"type": "http.response.start", "status": HTTP_200_OK, "headers": headers})
        *first, last = self._pieces if size > _COPIED else (b"".join(self._pieces),)
        for piece in first:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": last, "more_body": False})


@lru_cache(64)
def _as_sent(headers: tuple[tuple[str, str], ...]) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((name.lower().encode(), value.encode()) for name, value in headers)


def answers_of(shape: type[Any], *kinds: type[Problem]) -> dict[int, ResponseSpec]:
    shown = ResponseSpec(data_container=shape, generate_examples=False)
    return {200: shown, **http.refusals(*kinds)}


def pump_of(request: Request[Any, Any, Any]) -> stream.Pump:
    return stream.pump_in(request.app.state)


def together_of(state: Any) -> Together:
    """Return where the small pulls of this application join."""
    if "pulls_together" not in state:
        state["pulls_together"] = together(state.database)
    known: Together = state["pulls_together"]
    return known


async def take(
    request: Request[Any, Any, Any], actor: Actor, now: datetime, batch: Batch
) -> Answer:
    """Store and apply what `actor` sent, if this database keeps what it confirms."""
    state = request.app.state
    if "durability" not in state:
        state["durability"] = Durability()
    known: Durability = state["durability"]
    if not known.is_known:
        async with state.database.transaction(actor.tenant_id) as session:
            await known.check(session)
    answer = await push(state.database, actor, now, batch, barred_by(actor))
    crash_point("before answer")
    return answer
