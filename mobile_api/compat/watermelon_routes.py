"""`/compat/watermelondb`: what `synchronize()` asks for; its side of it is `connectors/watermelondb.mjs`."""

from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.openapi.spec import Schema
from litestar.openapi.spec.enums import OpenAPIType
from litestar.params import QueryParameter
from litestar.status_codes import HTTP_200_OK

from fsm.actors import Permission
from fsm.http import CurrentActor, Now, anyone, needs
from fsm.openapi import takes
from mobile_api.compat import delivery, watermelon
from mobile_api.device_requests import (
    DeviceOnly,
    DeviceRevoked,
    SentAt,
    answers_of,
    bounded_body,
    json_answer,
    must_be_device,
    sender_of,
)
from mobile_api.encodings import BatchTooLarge, BrokenEncoding, UnsupportedEncoding
from mobile_api.intents import MalformedBatch
from mobile_api.limits import limit_requests
from mobile_api.pull import ClientTooOld, NotATechnician

LastPulledAt = Annotated[
    int | None,
    QueryParameter(ge=1, le=2**53, description="The `timestamp` of the last pull; none at first."),
]
SchemaVersion = Annotated[
    int | None, QueryParameter(ge=1, le=2**31, description="The version of the app's schema.")
]
Migration = Annotated[
    str | None, QueryParameter(max_length=4_000, description="`migration`, as JSON.")
]
HasUnsynced = Annotated[
    bool, QueryParameter(description="Whether the app holds changes that were not pushed.")
]


class Changes(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """`timestamp` is a number to come back with; `experimentalStrategy` is 'replacement' or not there."""

    changes: watermelon.Tables
    timestamp: int
    head: int
    experimental_strategy: str | None = None


class Taken(msgspec.Struct, frozen=True):
    """Everything was stored: nothing is ever refused row by row, an outcome says what became of it."""


_PUSH = Schema(
    type=OpenAPIType.OBJECT,
    required=["changes"],
    properties={
        "changes": Schema(
            type=OpenAPIType.OBJECT, additional_properties=Schema(type=OpenAPIType.OBJECT)
        ),
        "lastPulledAt": Schema(type=[OpenAPIType.INTEGER, OpenAPIType.NULL]),
    },
)


class WatermelonController(Controller):
    path = "/compat/watermelondb"
    tags = ["Other clients"]
    guards = (limit_requests,)

    @get(
        "/sync",
        opt=needs(Permission.SYNC),
        responses=answers_of(Changes, DeviceOnly, DeviceRevoked, NotATechnician, ClientTooOld),
        summary="Everything that changed since a pull; after a restore all there is",
    )
    async def read_changes(
        self,
        request: Request[Any, Any, Any],
        actor: CurrentActor,
        now: Now,
        last_pulled_at: LastPulledAt = None,
        schema_version: SchemaVersion = None,
        migration: Migration = None,
        has_unsynced: HasUnsynced = True,
    ) -> Response[bytes]:
        must_be_device(actor)
        state = request.app.state
        pulled = await watermelon.pull_changes(
            state.database,
            state.settings.sync_token_key,
            actor,
            now,
            last_pulled_at=last_pulled_at,
            migrated=watermelon.read_migration(migration),
            has_unsynced=has_unsynced,
        )
        strategy = "replacement" if pulled.is_whole else None
        answer = Changes(pulled.changes, pulled.timestamp, pulled.head, strategy)
        return json_answer(request, msgspec.json.encode(answer))

    @post(
        "/sync",
        opt=anyone(),
        status_code=HTTP_200_OK,
        operation_class=takes(
            {"application/json": _PUSH}, "What pushChanges gets; zstd, gzip by Content-Encoding."
        ),
        security=[{"bearer": []}],
        responses=answers_of(
            Taken, MalformedBatch, BrokenEncoding, DeviceOnly, BatchTooLarge, UnsupportedEncoding
        ),
        summary="Rows that an app wrote: intents, or suggestions",
    )
    async def take_changes(
        self, request: Request[Any, Any, Any], now: Now, sent_at: SentAt = None
    ) -> Response[bytes]:
        """Take rows. A device put out of use may still send: it is stored and quarantined."""
        actor = await sender_of(request)
        sent = watermelon.read_changes(actor, await bounded_body(request))
        await delivery.deliver(request, actor, now, sent, sent_at)
        return json_answer(request, msgspec.json.encode(Taken()))


ROUTES = [WatermelonController]
