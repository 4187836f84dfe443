"""`/blobs`: the bytes of photos, videos and documents, and their small pictures. They never change."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, Response, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import PathParameter
from litestar.response import Stream
from litestar.status_codes import HTTP_200_OK, HTTP_206_PARTIAL_CONTENT, HTTP_304_NOT_MODIFIED

from fsm import http
from fsm.evidence.blobs import BlobStore, NoSuchBlob, StorageUnavailable
from fsm.http import CurrentActor, DbSession, signed_in
from fsm.problems import NotFound, Problem
from mobile_api import blob_access
from mobile_api.limits import limit_requests

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")

#: Shown inside a page; everything else is offered as a file.
_SHOWN = ("image/", "video/")


class RangeNotSatisfiable(Problem):
    """The range begins beyond the end; fact `size` in bytes."""

    code, status, title = "range-not-satisfiable", 416, "There are no such bytes"

    @property
    def headers(self) -> dict[str, str]:
        return {"Content-Range": f"bytes */{self.facts['size']}", "Accept-Ranges": "bytes"}


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes `start` to `stop` (exclusive)."""

    start: int
    stop: int


def read_range(raw: str | None, size: int) -> Span | None:
    """Return the one range that is asked for, None for the whole (RFC 9110, section 14).

    Several ranges and what cannot be read mean the whole; a range beyond the end is refused.
    """
    found = _RANGE.fullmatch(raw.strip()) if raw else None
    if found is None:
        return None
    first, last = found.groups()
    if not first and not last:
        return None
    if not first:
        start, stop = max(size - int(last), 0), size
    else:
        start, stop = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return None
    if start >= stop:
        raise RangeNotSatisfiable(f"The file has {size} bytes.", size=size)
    return Span(start, stop)


def is_fresh(headers: Mapping[str, str], tag: str) -> bool:
    """Return whether the client says that it has these very bytes."""
    known = [one.strip().removeprefix("W/") for one in headers.get("if-none-match", "").split(",")]
    return tag in known or known == ["*"]


async def serve(
    request: Request[Any, Any, Any], store: BlobStore, tenant_id: UUID, sha256: str, mime: str
) -> Response[Any]:
    """Answer with a blob or a range of it.

    Whatever a stranger may have put into a file, no browser runs it: its kind is the one that was
    found in it, nothing is guessed, and scripts in it are shut in a sandbox.
    """
    tag = f'"{sha256}"'
    disposition = "inline" if mime.startswith(_SHOWN) else f'attachment; filename="{sha256[:16]}"'
    headers = {
        "ETag": tag,
        "Cache-Control": "private, max-age=31536000, immutable",
        "Accept-Ranges": "bytes",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Content-Disposition": disposition,
        "Vary": "Authorization",
    }
    if is_fresh(request.headers, tag):
        return Response(None, status_code=HTTP_304_NOT_MODIFIED, headers=headers)
    size = (await store.stat(tenant_id, sha256)).size
    wanted = request.headers.get("range")
    if request.headers.get("if-range", tag).strip() != tag:
        wanted = None
    span = read_range(wanted, size)
    if span is not None:
        headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{size}"
    else:
        span = Span(0, size)
    headers["Content-Length"] = str(span.stop - span.start)
    return Stream(
        await store.open(tenant_id, sha256, span.start, span.stop),
        status_code=HTTP_206_PARTIAL_CONTENT if "Content-Range" in headers else HTTP_200_OK,
        headers=headers,
        media_type=mime,
    )


_ANSWERS = {
    HTTP_200_OK: ResponseSpec(
        bytes, description="The bytes", media_type="application/octet-stream"
    ),
    HTTP_206_PARTIAL_CONTENT: ResponseSpec(
        bytes, description="The range asked for", media_type="application/octet-stream"
    ),
    HTTP_304_NOT_MODIFIED: ResponseSpec(None, description="You have these bytes"),
    **http.refusals(NotFound, NoSuchBlob, RangeNotSatisfiable, StorageUnavailable),
}

Digest = Annotated[
    str, PathParameter(pattern="^[0-9a-f]{64}$", description="SHA-256, lower-case hexadecimal.")
]


class BlobController(Controller):
    """Files by their SHA-256, for whoever may see what they are attached to."""

    path = "/blobs"
    tags = ["Photos"]
    guards = (limit_requests,)

    @get("/{sha256:str}", opt=signed_in(), summary="Read a file", responses=_ANSWERS)
    async def read(
        self,
        request: Request[Any, Any, Any],
        session: DbSession,
        actor: CurrentActor,
        sha256: Digest,
    ) -> Response[Any]:
        blob = await blob_access.find_readable(session, actor, bytes.fromhex(sha256))
        store: BlobStore = request.app.state.blobs
        return await serve(request, store, actor.tenant_id, sha256, blob.mime)

    @get(
        "/{sha256:str}/thumbnail",
        opt=signed_in(),
        summary="Read the small picture of a file",
        description="A JPEG of at most 480 pixels a side, without metadata. It is made a moment after "
        "the photo has arrived; videos and kinds that cannot be opened here have none.",
        responses=_ANSWERS,
    )
    async def read_thumbnail(
        self,
        request: Request[Any, Any, Any],
        session: DbSession,
        actor: CurrentActor,
        sha256: Digest,
    ) -> Response[Any]:
        blob = await blob_access.find_readable(session, actor, bytes.fromhex(sha256))
        if blob.thumbnail_sha256 is None:
            raise NotFound(
                "There is no small picture of this file, or not yet.",
                reason=blob.info.get("no_thumbnail"),
            )
        store: BlobStore = request.app.state.blobs
        name = blob.thumbnail_sha256.hex()
        return await serve(request, store, actor.tenant_id, name, "image/jpeg")


ROUTES = [BlobController]
