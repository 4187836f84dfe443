"""`/compat/powersync`: what the PowerSync SDK's legacy checkpoint mode asks of a service, and our upload."""

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPIMediaType, Operation, Reference, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIType
from litestar.params import QueryParameter
from litestar.response import Stream
from litestar.status_codes import HTTP_200_OK

from fsm import http
from fsm.actors import Permission
from fsm.http import CurrentActor, Now, anyone, bearer_token, needs
from fsm.tenants import tokens
from mobile_api import pull, sequencer
from mobile_api.compat import powersync, powersync_crud
from mobile_api.compat.powersync_crud import CrudAnswer
from mobile_api.device_requests import (
    DeviceOnly,
    DeviceRevoked,
    answers_of,
    bounded_body,
    json_answer,
    must_be_device,
    pump_of,
    sender_of,
    take,
)
from mobile_api.encodings import (
    BatchTooLarge,
    BrokenEncoding,
    UnsupportedEncoding,
    best_encoding,
    gzipped,
)
from mobile_api.intents import MalformedBatch
from mobile_api.limits import limit_requests
from mobile_api.pull import ClientTooOld, NotATechnician
from mobile_api.push import MOST_INTENTS

NDJSON = "application/x-ndjson"

ClientId = Annotated[
    str | None,
    QueryParameter(
        max_length=100, description="Whose write is to be awaited; the device's own in any case."
    ),
]


class Created(msgspec.Struct, frozen=True):
    """`write_checkpoint` is streamed back once the device's writes are in what is streamed."""

    write_checkpoint: str


class WriteCheckpoint(msgspec.Struct, frozen=True):
    data: Created


# --- bodies that handlers read themselves -----------------------------------------------------------------


def _body(description: str, required: list[str], **properties: Schema | Reference) -> RequestBody:
    shape = Schema(type=OpenAPIType.OBJECT, required=required, properties=properties)
    return RequestBody(
        required=True,
        description=description,
        content={"application/json": OpenAPIMediaType(schema=shape)},
    )


_TEXT = Schema(type=OpenAPIType.STRING)


@dataclass
class StreamOperation(Operation):
    """Says in OpenAPI what opens a stream."""

    def __post_init__(self) -> None:
        bucket = Schema(
            type=OpenAPIType.OBJECT,
            required=["name", "after"],
            properties={"name": _TEXT, "after": _TEXT},
        )
        self.request_body = _body(
            "The buckets that the client holds.",
            [],
            buckets=Schema(type=OpenAPIType.ARRAY, items=bucket, max_items=powersync.MOST_BUCKETS),
            client_id=_TEXT,
        )


@dataclass
class CrudOperation(Operation):
    """Says in OpenAPI what an upload is."""

    def __post_init__(self) -> None:
        row = Schema(
            type=OpenAPIType.OBJECT,
            required=["op_id", "op", "type", "id"],
            properties={
                "op_id": Schema(type=OpenAPIType.INTEGER, minimum=1),
                "op": Schema(type=OpenAPIType.STRING, enum=["PUT", "PATCH", "DELETE"]),
                "type": _TEXT,
                "id": _TEXT,
                "data": Schema(type=[OpenAPIType.OBJECT, OpenAPIType.NULL]),
            },
        )
        name = Schema(type=OpenAPIType.STRING, min_length=1, max_length=100)
        self.request_body = _body(
            f"At most {MOST_INTENTS} rows of the upload queue.",
            ["install_id", "client_id", "batch"],
            install_id=name,
            client_id=name,
            outbox_empty_at=Schema(type=[OpenAPIType.INTEGER, OpenAPIType.NULL], minimum=0),
            batch=Schema(type=OpenAPIType.ARRAY, items=row),
        )


# --- routes -----------------------------------------------------------------------------------------------


class PowerSyncController(Controller):
    path = "/compat/powersync"
    tags = ["Other clients"]
    guards = (limit_requests,)

    @post(
        "/sync/stream",
        opt=needs(Permission.SYNC),
        status_code=HTTP_200_OK,
        media_type=NDJSON,
        operation_class=StreamOperation,
        responses={
            200: ResponseSpec(
                data_container=str,
                description="Lines of JSON: checkpoints, data, keep-alives. It does not end by itself.",
                media_type=NDJSON,
                generate_examples=False,
            ),
            **http.refusals(
                DeviceOnly,
                DeviceRevoked,
                NotATechnician,
                ClientTooOld,
                BatchTooLarge,
                BrokenEncoding,
                UnsupportedEncoding,
            ),
        },
        summary="Stream what a PowerSync client may hold, checkpoint by checkpoint",
    )
    async def follow(
        self, request: Request[Any, Any, Any], actor: CurrentActor, now: Now
    ) -> Stream:
        must_be_device(actor)
        secret = tokens.read_secret(tokens.DEVICE, bearer_token(request) or "")
        assert secret is not None
        asked = powersync.read_request(await bounded_body(request))
        talk = powersync.Conversation(asked.positions(), asked.subscriptions())
        state = request.app.state
        lines = await powersync.take_turn(talk, state.database, actor, now)
        told = powersync.stream(talk, pump_of(request), state.database, secret, state.clock, lines)
        headers = {
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
            "Vary": "Accept-Encoding",
        }
        if best_encoding(request.headers.get("accept-encoding", ""), ("gzip",)):
            headers["Content-Encoding"] = "gzip"
            told = gzipped(told)
        return Stream(told, media_type=NDJSON, status_code=HTTP_200_OK, headers=headers)

    @get(
        "/write-checkpoint2.json",
        opt=needs(Permission.SYNC),
        responses=http.refusals(DeviceOnly, DeviceRevoked, NotATechnician),
        summary="Name the checkpoint that will hold what a PowerSync client has written",
    )
    async def create_write_checkpoint(
        self,
        request: Request[Any, Any, Any],
        actor: CurrentActor,
        now: Now,
        client_id: ClientId = None,
    ) -> WriteCheckpoint:
        must_be_device(actor)
        reached = await powersync.write_checkpoint(request.app.state.database, actor, now)
        return WriteCheckpoint(Created(str(reached)))

    @post(
        "/crud",
        opt=anyone(),
        status_code=HTTP_200_OK,
        operation_class=CrudOperation,
        security=[{"bearer": []}],
        responses=answers_of(
            CrudAnswer,
            MalformedBatch,
            BrokenEncoding,
            DeviceOnly,
            DeviceRevoked,
            NotATechnician,
            BatchTooLarge,
            UnsupportedEncoding,
        ),
        summary="Take a PowerSync client's upload queue: intents, and wishes about everything else",
    )
    async def upload(self, request: Request[Any, Any, Any], now: Now) -> Response[bytes]:
        """Take rows. A device put out of use may still send: it is stored and quarantined.

        An upload without rows says that the queue is empty, and at which checkpoint (`outbox_empty_at`).
        """
        actor = await sender_of(request)
        body = powersync_crud.read_crud(await bounded_body(request))
        database = request.app.state.database
        async with database.transaction(actor.tenant_id) as session:
            standing = await powersync_crud.find_standing(session, actor)
            feed = await sequencer.read_head(session, actor.tenant_id)
        answer = await take(request, actor, now, powersync_crud.batch_of(actor, standing, body))
        if body.outbox_empty_at is not None and not body.batch and actor.user_id is not None:
            await pull.prepare(database, actor, now, body.outbox_empty_at)
        said = CrudAnswer(answer.head, feed.epoch, standing.forget_upto, answer.outcomes)
        return json_answer(request, msgspec.json.encode(said))


ROUTES = [PowerSyncController]
