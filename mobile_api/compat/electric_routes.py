"""`/compat/electric`: shapes for the Electric client, to be read and never written."""

from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, Response, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter

from fsm import http
from fsm.actors import Permission
from fsm.http import CurrentActor, Now, needs
from mobile_api.compat import electric
from mobile_api.compat.electric import ShapeRotated
from mobile_api.device_requests import (
    DeviceOnly,
    DeviceRevoked,
    json_answer,
    must_be_device,
    pump_of,
)
from mobile_api.limits import limit_requests
from mobile_api.pull import ClientTooOld, NotATechnician

Table = Annotated[str, QueryParameter(max_length=40, description="A collection.")]
Offset = Annotated[
    str, QueryParameter(max_length=40, description="-1, or where the client stands.")
]
Handle = Annotated[
    str | None, QueryParameter(max_length=200, description="The last answer's `electric-handle`.")
]
Live = Annotated[bool, QueryParameter(description="Hold the answer back until something changes.")]
Unsupported = Annotated[
    str | None, QueryParameter(max_length=2_000, description="Not supported: shapes are whole.")
]


class Message(msgspec.Struct, frozen=True):
    """A row (`key`, `value`, `headers.operation`) or a word of control (`headers.control`)."""

    headers: dict[str, str]
    key: str | None = None
    value: dict[str, Any] | None = None


class ElectricController(Controller):
    path = "/compat/electric/v1"
    tags = ["Other clients"]
    guards = (limit_requests,)

    @get(
        "/shape",
        opt=needs(Permission.SYNC),
        responses={
            200: ResponseSpec(data_container=list[Message], generate_examples=False),
            **http.refusals(DeviceOnly, DeviceRevoked, NotATechnician, ShapeRotated, ClientTooOld),
        },
        summary="Read a collection as an Electric shape, then as it changes",
    )
    async def read_shape(
        self,
        request: Request[Any, Any, Any],
        actor: CurrentActor,
        now: Now,
        table: Table,
        offset: Offset,
        handle: Handle = None,
        live: Live = False,
        where: Unsupported = None,
        columns: Unsupported = None,
        live_sse: Unsupported = None,
    ) -> Response[bytes]:
        must_be_device(actor)
        electric.must_be_whole(where=where, columns=columns, live_sse=live_sse)
        asked = electric.read_asked(table, offset, handle)
        database = request.app.state.database
        if live:
            part = await electric.wait_for_part(pump_of(request), database, actor, now, asked)
        else:
            part = await electric.read_part(database, actor, now, asked)
        answer = json_answer(request, part.content)
        answer.headers.update(part.headers)
        return answer


ROUTES = [ElectricController]
