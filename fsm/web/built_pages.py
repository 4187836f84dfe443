"""Pages that Vite has built: read once, sent with a strict policy, loading nothing from elsewhere.

A folder of built files stands behind an address: NAME.html answers at PREFIX/NAME, everything else under its
own name. What lies in `assets/` carries its hash in its name and may be kept for ever; the rest is asked for
each time and mostly answered with 304.
"""

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from functools import cached_property
from importlib.resources.abc import Traversable
from typing import Any

from litestar import Request, Response, get, route
from litestar.enums import HttpMethod
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from fsm import http
from fsm.problems import NotFound

_POLICY = (
    "default-src 'none'",
    "connect-src 'self'",
    "font-src 'self'",
    "manifest-src 'self'",
    "style-src 'self'",
    "worker-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
)
_KEPT = "public, max-age=31536000, immutable"
_ASKED = "no-cache"
_COMPRESSED = (
    "text/",
    "application/javascript",
    "application/json",
    "image/svg",
    "application/wasm",
)


@dataclass(frozen=True)
class BuiltFile:
    """One file as it is sent."""

    media_type: str
    body: bytes
    is_kept: bool

    @cached_property
    def etag(self) -> str:
        return f'"{hashlib.sha256(self.body).hexdigest()[:32]}"'

    @cached_property
    def compressed(self) -> bytes | None:
        """The body with gzip; None for what is compressed already."""
        if not self.media_type.startswith(_COMPRESSED):
            return None
        return gzip.compress(self.body, 9, mtime=0)


class BuiltPages:
    """The files of one folder. `runs_wasm` lets its pages run WebAssembly of ours."""

    def __init__(self, prefix: str, folder: Traversable, *, runs_wasm: bool = False) -> None:
        self.prefix = prefix
        self._folder = folder
        self._files: dict[str, BuiltFile] = {}
        script = "script-src 'self' 'wasm-unsafe-eval'" if runs_wasm else "script-src 'self'"
        # blob: is what a page made itself: the picture that was taken a moment ago.
        images = "img-src 'self' blob:"
        self._policy = "; ".join((*_POLICY, script, images, "media-src 'self' blob:"))

    def find(self, path: str) -> BuiltFile:
        """Return the file of an address below the prefix, or refuse."""
        name = path if "." in path else f"{path or 'index'}.html"
        found = self._files.get(name)
        if found is None:
            found = self._files[name] = self._read(name)
        return found

    def answer(self, path: str, accepts: str, known: str) -> Response[bytes]:
        """Return a file; `accepts` and `known` are the request's Accept-Encoding and If-None-Match."""
        file = self.find(path)
        headers = {
            "Cache-Control": _KEPT if file.is_kept else _ASKED,
            "ETag": file.etag,
            "Vary": "Accept-Encoding",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
        }
        if not file.is_kept:  # pages, and scripts that run outside of them
            headers["Content-Security-Policy"] = self._policy
        if known == file.etag:
            return Response(b"", status_code=304, media_type=file.media_type, headers=headers)
        body = file.body
        if "gzip" in accepts and file.compressed is not None:
            body = file.compressed
            headers["Content-Encoding"] = "gzip"
        return Response(body, media_type=file.media_type, headers=headers)

    def _read(self, name: str) -> BuiltFile:
        parts = name.split("/")
        place = self._folder
        for part in parts:
            if part in ("", ".", "..") or "\\" in part or "\x00" in part:
                raise NotFound("There is nothing at this address.")
            place = place / part
        if not place.is_file():
            if not self._folder.is_dir():
                raise NotFound("The pages are not built here: run deploy/demo or deploy/test once.")
            raise NotFound("There is nothing at this address.")
        media_type = _TYPES.get(name.rpartition(".")[2]) or mimetypes.guess_type(name)[0]
        return BuiltFile(
            media_type or "application/octet-stream", place.read_bytes(), parts[0] == "assets"
        )


_TYPES = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "json": "application/json",
    "svg": "image/svg+xml",
    "wasm": "application/wasm",
    "webmanifest": "application/manifest+json",
    "woff2": "font/woff2",
}
"""Not every system's list knows the newer ones, and a browser refuses a module of another type."""

_FILE = {
    200: ResponseSpec(
        data_container=str,
        description="The file",
        media_type="text/html",
        generate_examples=False,
    ),
    304: ResponseSpec(data_container=None, description="It is as it was"),
}


def built_routes(pages: BuiltPages, first: str, what: str) -> list[ControllerRouterHandler]:
    """Return the routes of built pages: the prefix leads to the page `first`. `what` names them to people."""

    @route(
        pages.prefix,
        http_method=[HttpMethod.GET, HttpMethod.HEAD],
        opt=http.anyone(),
        media_type="text/plain",
        status_code=307,
        tags=["Pages"],
        summary=f"{what}: to the first page",
    )
    async def to_first() -> Response[bytes]:
        location = {"Location": f"{pages.prefix}/{first}"}
        return Response(b"", status_code=307, media_type="text/plain", headers=location)

    @get(
        f"{pages.prefix}/{{path:path}}",
        opt=http.anyone(),
        media_type="text/html",
        responses=_FILE,
        tags=["Pages"],
        summary=f"{what}: a page, or a file that pages load",
    )
    async def file(request: Request[Any, Any, Any], path: FromPath[str]) -> Response[bytes]:
        return pages.answer(
            path.strip("/"),
            request.headers.get("accept-encoding", ""),
            request.headers.get("if-none-match", ""),
        )

    return [to_first, file]
