"""Files of the office: manuals and drawings, stored before anything refers to them."""

from hashlib import sha256
from typing import Any

import msgspec
from litestar import Controller, Request, post
from litestar.status_codes import HTTP_201_CREATED

from fsm import http, openapi
from fsm.actors import Permission
from fsm.evidence import queries
from fsm.evidence.blobs import BlobStore, StorageFull, StorageUnavailable
from fsm.evidence.headers import HEAD_SIZE
from fsm.evidence.verification import (
    DOCUMENT_TYPES,
    BrokenMedia,
    MediaMismatch,
    TooManyPixels,
    UnknownMedia,
    inspect,
)
from fsm.http import CurrentActor, DbSession, Now, needs
from fsm.problems import Invalid

MOST_BYTES = 32_000_000
"""The largest manual; larger files are for the uploads that resume."""


class FileView(msgspec.Struct, frozen=True):
    """A stored file by its SHA-256 (hex), with the kind that its own bytes show."""

    sha256: str
    size: int
    mime: str


class FileController(Controller):
    path = "/api/files"
    tags = ["Assets"]

    @post(
        "/",
        opt=needs(Permission.EDIT_ASSETS),
        status_code=HTTP_201_CREATED,
        request_max_body_size=MOST_BYTES,
        operation_class=openapi.takes(
            {"application/octet-stream": openapi.BYTES},
            f"A PDF or a picture, at most {MOST_BYTES:,} bytes; its kind is read from the bytes.",
        ),
        responses=http.refusals(
            UnknownMedia, MediaMismatch, BrokenMedia, TooManyPixels, StorageFull, StorageUnavailable
        ),
        summary="Store a file that documents of models and assets can name",
    )
    async def store(
        self, request: Request[Any, Any, Any], session: DbSession, actor: CurrentActor, now: Now
    ) -> FileView:
        content = await request.body()
        if not content:
            raise Invalid("There is no file in the request: send its bytes as the body.")
        inspection = inspect(content[:HEAD_SIZE], allowed=DOCUMENT_TYPES)
        blobs: BlobStore = request.app.state.blobs
        await queries.hold_digest(session, actor, sha256(content).digest())
        stored = await blobs.put_small(actor.tenant_id, content)
        blob = await queries.keep_blob(session, actor, now, stored, inspection)
        return FileView(stored.sha256, blob.size, blob.mime)


ROUTES = [FileController]
