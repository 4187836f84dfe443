"""`/compat/rxdb`: what RxDB's replication asks for; `connectors/rxdb.mjs` is the client's side of it."""

from contextlib import suppress
from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.openapi.spec import Schema
from litestar.openapi.spec.enums import OpenAPIType
from litestar.params import FromPath, QueryParameter
from litestar.status_codes import HTTP_200_OK

from fsm.actors import Permission
from fsm.http import CurrentActor, Now, anyone, needs
from fsm.openapi import takes
from mobile_api import pull
from mobile_api.compat import delivery, rows, rxdb
from mobile_api.compat.rxdb import Checkpoint, Document, Page
from mobile_api.device_requests import (
    DeviceOnly,
    DeviceRevoked,
    EmptyAt,
    SentAt,
    answers_of,
    bounded_body,
    json_answer,
    must_be_device,
    sender_of,
)
from mobile_api.encodings import BatchTooLarge, BrokenEncoding, UnsupportedEncoding
from mobile_api.feed_tokens import BadFeedToken
from mobile_api.intents import MalformedBatch
from mobile_api.limits import limit_requests
from mobile_api.pull import ClientTooOld, FeedEpochChanged, NotATechnician
from mobile_api.push import barred_by

Cp = Annotated[
    str | None, QueryParameter(max_length=8_192, description="The `t` of the last checkpoint.")
]
Limit = Annotated[
    int, QueryParameter(ge=1, le=pull.PAGE_CHANGES, description="How many documents, exactly.")
]

_DOCUMENT = Schema(type=OpenAPIType.OBJECT, required=["id"])
_ROWS = Schema(
    type=OpenAPIType.ARRAY,
    items=Schema(
        type=OpenAPIType.OBJECT,
        required=["newDocumentState"],
        properties={
            "newDocumentState": _DOCUMENT,
            "assumedMasterState": Schema(type=[OpenAPIType.OBJECT, OpenAPIType.NULL]),
        },
    ),
)


class RxdbController(Controller):
    path = "/compat/rxdb"
    tags = ["Other clients"]
    guards = (limit_requests,)

    @get(
        "/{collection:str}/pull",
        opt=needs(Permission.SYNC),
        responses=answers_of(
            Page,
            BadFeedToken,
            DeviceOnly,
            DeviceRevoked,
            NotATechnician,
            FeedEpochChanged,
            ClientTooOld,
        ),
        summary="Documents of a collection, or of all as `state`, after a checkpoint",
    )
    async def read_documents(
        self,
        request: Request[Any, Any, Any],
        actor: CurrentActor,
        now: Now,
        collection: FromPath[str],
        cp: Cp = None,
        limit: Limit = 100,
        outbox_empty_at: EmptyAt = None,
    ) -> Response[bytes]:
        must_be_device(actor)
        coll = rxdb.collection_of(collection)
        state = request.app.state
        found = await rows.read(
            state.database,
            state.settings.sync_token_key,
            actor,
            now,
            since=cp,
            coll=coll,
            most=limit,
            outbox_empty_at=outbox_empty_at,
        )
        documents = [rxdb.document(collection, change) for change in found.changes]
        token = found.since if documents else cp
        page = Page(
            documents,
            checkpoint=None if token is None else Checkpoint(token),
            head=found.head if found.complete else None,
        )
        return json_answer(request, msgspec.json.encode(page))

    @post(
        "/{collection:str}/push",
        opt=anyone(),
        status_code=HTTP_200_OK,
        operation_class=takes(
            {"application/json": _ROWS}, "RxDB's rows; zstd, gzip by Content-Encoding."
        ),
        security=[{"bearer": []}],
        responses=answers_of(
            list[Document],
            MalformedBatch,
            BrokenEncoding,
            DeviceOnly,
            BatchTooLarge,
            UnsupportedEncoding,
        ),
        summary="Documents that a client wrote: intents, or suggestions that are answered with what is",
    )
    async def take_documents(
        self,
        request: Request[Any, Any, Any],
        now: Now,
        collection: FromPath[str],
        sent_at: SentAt = None,
    ) -> Response[bytes]:
        """Take documents. A device put out of use may still send: it is stored and quarantined."""
        actor = await sender_of(request)
        pushed = rxdb.read_rows(await bounded_body(request))
        answer: list[Document] = []
        if collection == delivery.INTENTS:
            await delivery.deliver(request, actor, now, rxdb.read_intents(pushed), sent_at)
        else:
            written = rxdb.read_written(collection, pushed)
            wishes = [one.suggestion(actor) for one in written]
            await delivery.deliver(request, actor, now, [wish for wish in wishes if wish], sent_at)
            if barred_by(actor) is None:
                with suppress(NotATechnician):  # nothing is theirs to see; what they sent is kept
                    keys = [one.key for one in written]
                    masters = await rows.current(request.app.state.database, actor, keys)
                    answer = rxdb.conflicts(collection, written, masters)
        return json_answer(request, msgspec.json.encode(answer))


ROUTES = [RxdbController]
