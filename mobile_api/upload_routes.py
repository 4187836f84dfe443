"""`/files`: tus 1.0.0 over HTTP. What the headers mean is in `tus`, what the rows do in `uploads`."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from litestar import Controller, Request, Response, delete, head, post, route
from litestar.enums import HttpMethod
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED, HTTP_204_NO_CONTENT

from fsm import http
from fsm.actors import Permission
from fsm.crash_points import crash_point
from fsm.database import Session
from fsm.evidence.blobs import (
    Appended,
    Hash,
    LongerThanDeclared,
    StagedBytesMissing,
    StorageFull,
    StorageUnavailable,
    UploadBusy,
    WrongBytes,
)
from fsm.evidence.tables import Upload
from fsm.evidence.verification import MediaMismatch, UnknownMedia
from fsm.http import HotRoute, needs
from fsm.plain import Plain
from fsm.problems import MethodNotAllowed
from mobile_api import concatenation, received, tus, upload_openapi, uploads
from mobile_api.limits import limit_requests
from mobile_api.upload_creation import TooManyUploads, create_upload
from mobile_api.uploads import Storage, state_of
from mobile_api.writers import DIRECT_BODY, PATIENCE_S, UploadCut, Writer, Writers

Begun = TypeVar("Begun", Session, Plain)

#: How often a newcomer looks whether the writer in another process has ended, seconds.
CONTESTED_S = 0.2

_REFUSALS = http.refusals(
    tus.MalformedUpload,
    tus.MissingParts,
    tus.UnsupportedChecksum,
    tus.UploadClosed,
    tus.UploadIsFinal,
    tus.NoSuchUpload,
    UploadCut,
    tus.OffsetMismatch,
    StagedBytesMissing,
    tus.UploadExpired,
    tus.PartsRefused,
    tus.UnsupportedTusVersion,
    tus.UploadTooLarge,
    LongerThanDeclared,
    tus.WrongUploadType,
    UnknownMedia,
    WrongBytes,
    MediaMismatch,
    UploadBusy,
    TooManyUploads,
    tus.ChecksumMismatch,
    StorageUnavailable,
    StorageFull,
)


def answer_problem(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Answer a refusal like everywhere, with the header that every answer of tus carries."""
    response = http.answer_problem(request, error)
    response.headers.update(tus.RESUMABLE)
    return response


def _response(answer: tus.Answer) -> Response[None]:
    # Empty in bytes: None would be written out as JSON's null wherever a status allows a body.
    empty: Any = b""
    return Response(
        empty, status_code=answer.status, headers=answer.headers, media_type="text/plain"
    )


def _headers(request: Request[Any, Any, Any]) -> dict[str, str]:
    """Return the headers, and the trailers that have come by now; of a name's values the first."""
    headers: dict[str, str] = {}
    for name, value in request.scope["headers"]:
        headers.setdefault(name.decode("latin-1"), value.decode("latin-1"))
    return headers


class Exchange:
    """One request about uploads: what came, who asks, and the steps that several methods share."""

    def __init__(self, request: Request[Any, Any, Any]) -> None:
        self.request = request
        self.actor = http.actor_of(request)
        self.headers = _headers(request)
        self.storage: Storage = request.app.state.uploads
        self.method = tus.effective_method(request.method, self.headers)
        tus.require_version(self.method, self.headers)

    @property
    def now(self) -> datetime:
        """The server's time at this step; a body may have taken minutes."""
        clock: Callable[[], datetime] = self.request.app.state.clock
        return clock()

    def turn(self, upload_id: UUID) -> AbstractAsyncContextManager[Writer]:
        """Be the only request of this process about an upload."""
        present: Writers = self.request.app.state.upload_writers
        return present.turn((self.actor.tenant_id, self.actor.user_id, upload_id))

    async def create(self) -> tus.Answer:
        """Create an upload, and take the bytes that came along."""
        creation = tus.read_creation(self.headers, self.storage.offer)
        upload = await create_upload(self.storage, self.actor, self.now, creation)
        if upload.finished_at is None and creation.parts:
            upload = await concatenation.assemble(self.storage, self.actor, self.now, upload)
        elif upload.finished_at is None and (creation.has_body or creation.length == 0):
            async with self.turn(upload.id) as writer:
                upload = await self._write(writer, upload.id, _whole_body(creation))
        location = f"{self.request.app.state.settings.public_url}/files/{upload.id}"
        had_body = creation.has_body or upload.finished_at is not None
        return tus.answer_creation(location, state_of(upload), had_body=had_body)

    async def look(self, upload_id: UUID) -> tus.Answer:
        """Say how far an upload is, once nobody writes to it and its bytes are settled."""
        async with self.turn(upload_id):
            async with self._settled(self.storage.database.plain, upload_id) as (_, upload):
                pass
            if upload.finished_at is None and upload.parts is not None:
                upload = await concatenation.look(self.storage, self.actor, self.now, upload)
            elif upload.finished_at is None and state_of(upload).is_complete:
                # The last bytes came, and then the server or the line broke.
                upload = await self._complete(upload)
        return tus.answer_head(state_of(upload))

    async def append(self, upload_id: UUID) -> tus.Answer:
        """Take more bytes; a request that writes to the upload already is cut."""
        async with self.turn(upload_id) as writer:
            upload = await self._write(writer, upload_id, self._continuation)
        return tus.answer_continuation(state_of(upload))

    async def terminate(self, upload_id: UUID) -> tus.Answer:
        """Forget an upload."""
        async with self.turn(upload_id):
            begin = self.storage.database.transaction
            async with self._settled(begin, upload_id) as (session, upload):
                await uploads.terminate(session, self.actor, upload)
            await self.storage.blobs.discard(self.actor.tenant_id, upload_id)
        return tus.answer_termination()

    def _continuation(self, upload: tus.Upload) -> tus.Continuation:
        return tus.read_continuation(self.headers, upload, self.storage.offer)

    @asynccontextmanager
    async def _settled(
        self,
        begin: Callable[[UUID], AbstractAsyncContextManager[Begun]],
        upload_id: UUID,
        *,
        to_write: bool = False,
    ) -> AsyncIterator[tuple[Begun, Upload]]:
        """Open a transaction in which the upload is held and no request writes to it."""
        clock = asyncio.get_running_loop().time
        until = clock() + PATIENCE_S
        while True:
            async with begin(self.actor.tenant_id) as session:
                upload = await uploads.settle(
                    self.storage, session, self.actor, self.now, upload_id, to_write=to_write
                )
                if upload is not None:
                    yield session, upload
                    return
            if clock() >= until:
                raise UploadBusy("Another request is writing to this upload. Try again.")
            await asyncio.sleep(CONTESTED_S)

    async def _write(
        self, writer: Writer, upload_id: UUID, read: Callable[[tus.Upload], tus.Continuation]
    ) -> Upload:
        """Take the request's bytes as `read` says, commit how far they are, finish if all are here."""
        begin = self.storage.database.plain
        async with self._settled(begin, upload_id, to_write=True) as (session, upload):
            continuation = read(state_of(upload))
            if upload.finished_at is not None:
                return upload
            lease = await uploads.begin_writing(session, self.now, upload, continuation)
            digest = head = None  # nobody wants to know a part's
            if not upload.concat:
                digest = self.storage.hashes.resume(
                    upload_id, upload.last_writer, continuation.offset
                )
                head = received.Head() if continuation.offset == 0 else None
        try:
            appended = await self._store(writer, upload, continuation, lease, digest, head)
            crash_point("after fsync before offset row")
        except Exception as error:
            # Only a gap says something about the bytes before: they end where it begins.
            offset = error.facts["offset"] if isinstance(error, StagedBytesMissing) else None
            await self._end_writing(upload, lease, offset)
            raise
        if appended.offset == upload.length and upload.concat != tus.PARTIAL:
            return await self._arrive(upload, lease, head)
        upload = await self._end_writing(upload, lease, appended.offset)
        if state_of(upload).is_complete:
            return await self._complete(upload)
        await uploads.show_uploading(self.storage, self.actor, upload)
        if appended.cut is not None:
            raise appended.cut
        return upload

    async def _arrive(self, upload: Upload, lease: UUID, head: received.Head | None) -> Upload:
        """Finish a file whose last byte is durable; its offset and its receipt become rows together.

        A crash before that leaves the lease, and the next request counts what is staged.
        """
        assert upload.length is not None
        upload.last_writer = lease
        try:
            return await received.complete(self.storage, self.actor, self.now, upload, lease, head)
        except received.REFUSED:
            raise  # and it has begun anew
        except Exception:
            # They are here all the same; whoever asks next finishes them.
            await self._end_writing(upload, lease, upload.length)
            raise

    async def _end_writing(self, upload: Upload, lease: UUID, offset: int | None) -> Upload:
        return await uploads.end_writing(
            self.storage, self.actor, self.now, upload.id, lease, offset
        )

    async def _store(
        self,
        writer: Writer,
        upload: Upload,
        continuation: tus.Continuation,
        lease: UUID,
        digest: Hash | None,
        head: Hash | None,
    ) -> Appended:
        """Make the bytes durable; with a checksum that does not fit, none of them.

        `digest` is the SHA-256 of the bytes before them, where this process knows it; `head` takes
        how they begin.
        """
        upload_id = upload.id
        renew = partial(uploads.renew_lease, self.storage, self.actor, upload, lease)
        extensions: Mapping[str, Any] = self.request.scope.get("extensions") or {}
        body = writer.body(self.request.receive, renew, extensions.get(DIRECT_BODY))
        check = None
        if continuation.checksum is not None or continuation.awaits_trailer:
            check = tus.BodyCheck(continuation.checksum)
        tenant_id, blobs = self.actor.tenant_id, self.storage.blobs
        appended = await blobs.append(
            tenant_id,
            upload_id,
            continuation.offset,
            body,
            limit=self.storage.max_size if continuation.length is None else continuation.length,
            hashes=[
                *(one for one in (digest, head) if one is not None),
                *(check.hashes.values() if check else ()),
            ],
        )
        if check is not None:
            try:
                check.require(_headers(self.request), is_cut=appended.cut is not None)
            except tus.TusProblem:
                await blobs.truncate(tenant_id, upload_id, continuation.offset)
                raise
        if digest is not None:
            self.storage.hashes.keep(upload_id, lease, appended.offset, digest)
        return appended

    async def _complete(self, upload: Upload) -> Upload:
        """Do what the last byte sets off, for a file or for one part of it."""
        if upload.concat == tus.PARTIAL:
            await concatenation.conclude(self.storage, self.actor, self.now, upload)
            return upload
        return await received.complete(self.storage, self.actor, self.now, upload)


def _whole_body(creation: tus.Creation) -> Callable[[tus.Upload], tus.Continuation]:
    return lambda _: tus.Continuation(
        0, creation.length, creation.checksum, creation.awaits_trailer
    )


class UploadController(Controller):
    """Uploads of photos: created, continued, looked at, ended.

    The body of PATCH and POST is `application/offset+octet-stream` and streams to the store.
    """

    path = "/files"
    tags = ["Photos"]
    guards = (limit_requests,)
    request_max_body_size = None  # bounded by Tus-Max-Size and the upload's own length
    exception_handlers = {Exception: answer_problem}

    # Litestar registers handlers by name and answers OPTIONS itself unless ours comes first.
    @route(
        ["/", "/{upload_id:uuid}"],
        http_method=HttpMethod.OPTIONS,
        opt=http.anyone(),
        status_code=HTTP_200_OK,
        operation_class=upload_openapi.ABOUT,
        summary="What this server understands of tus",
    )
    async def about(self, request: Request[Any, Any, Any]) -> Response[None]:
        storage: Storage = request.app.state.uploads
        return _response(tus.answer_options(storage.offer))

    @HotRoute(
        "/",
        http_method=HttpMethod.POST,
        opt=needs(Permission.SYNC),
        status_code=HTTP_201_CREATED,
        operation_class=upload_openapi.CREATE,
        summary="Create an upload (tus)",
        description="`Upload-Length` or `Upload-Defer-Length: 1`, and `Upload-Metadata` with "
        "`photo_id` and `sha256` (hexadecimal), in base64 each. Answers `Location`; bytes that this "
        "user has sent before need not be sent again: `Upload-Offset` is then the whole length. "
        "With `Upload-Concat: partial` it is a part, which needs no metadata; `final;` and the "
        "addresses of parts put them together, now or as soon as they are whole.",
        responses=_REFUSALS
        | {HTTP_200_OK: ResponseSpec(None, description="`X-HTTP-Method-Override: OPTIONS`")},
    )
    async def create(self, request: Request[Any, Any, Any]) -> Response[None]:
        exchange = Exchange(request)
        if exchange.method == "OPTIONS":
            return _response(tus.answer_options(exchange.storage.offer))
        if exchange.method != "POST":
            raise _not_here(exchange.method, "POST, OPTIONS")
        return _response(await exchange.create())

    @head(
        "/{upload_id:uuid}",
        opt=needs(Permission.SYNC),
        operation_class=upload_openapi.LOOK,
        summary="How far an upload is (tus)",
        description="A file that is put together from parts has no `Upload-Offset` until all of them are "
        "whole; 410 when they do not make the declared file.",
        responses=_REFUSALS,
    )
    async def look(
        self, request: Request[Any, Any, Any], upload_id: FromPath[UUID]
    ) -> Response[None]:
        return await _answer(request, upload_id)

    @HotRoute(
        "/{upload_id:uuid}",
        http_method=HttpMethod.PATCH,
        opt=needs(Permission.SYNC),
        status_code=HTTP_204_NO_CONTENT,
        operation_class=upload_openapi.APPEND,
        summary="Continue an upload (tus)",
        description="Answers 204 once the bytes are durable. `Upload-Checksum` (sha256 or sha1) makes "
        "the bytes of this request count all together or not at all. With the last byte the photo's "
        "SHA-256, size and kind are checked, and its receipt is written.",
        responses=_REFUSALS,
    )
    async def append(
        self, request: Request[Any, Any, Any], upload_id: FromPath[UUID]
    ) -> Response[None]:
        return await _answer(request, upload_id)

    @delete(
        "/{upload_id:uuid}",
        opt=needs(Permission.SYNC),
        status_code=HTTP_204_NO_CONTENT,
        operation_class=upload_openapi.TERMINATE,
        summary="End an upload (tus)",
        responses=_REFUSALS,
    )
    async def terminate(
        self, request: Request[Any, Any, Any], upload_id: FromPath[UUID]
    ) -> Response[None]:
        return await _answer(request, upload_id)

    @post(
        "/{upload_id:uuid}",
        opt=needs(Permission.SYNC),
        status_code=HTTP_204_NO_CONTENT,
        operation_class=upload_openapi.OVERRIDE,
        summary="HEAD, PATCH or DELETE for clients that can only POST (tus)",
        description="`X-HTTP-Method-Override` names the method.",
        responses=_REFUSALS | {HTTP_200_OK: ResponseSpec(None, description="The answer to HEAD")},
    )
    async def override(
        self, request: Request[Any, Any, Any], upload_id: FromPath[UUID]
    ) -> Response[None]:
        return await _answer(request, upload_id)


async def _answer(request: Request[Any, Any, Any], upload_id: UUID) -> Response[None]:
    """Answer a request about one upload, by the method that counts."""
    exchange = Exchange(request)
    match exchange.method:
        case "HEAD":
            return _response(await exchange.look(upload_id))
        case "PATCH":
            return _response(await exchange.append(upload_id))
        case "DELETE":
            return _response(await exchange.terminate(upload_id))
        case "OPTIONS":
            return _response(tus.answer_options(exchange.storage.offer))
        case other:
            raise _not_here(other, "HEAD, PATCH, DELETE, OPTIONS")


def _not_here(method: str, allowed: str) -> MethodNotAllowed:
    return MethodNotAllowed(f"{method} is not for this address. It takes {allowed}.")


ROUTES = [UploadController]
