"""A stored file as an answer: streamed, under its own type, and harmless to a browser."""

from collections.abc import AsyncIterator
from typing import Any

from litestar.response import Stream
from litestar.response.base import ASGIResponse


class BlobStream(Stream):
    """The bytes of a blob. Whatever they hold, a browser runs nothing of it.

    The type said is the content's own; the framework's `Stream` would let the route's declaration win.
    """

    def __init__(
        self, pieces: AsyncIterator[bytes], *, mime: str, headers: dict[str, str] | None = None
    ) -> None:
        safe = {"Content-Security-Policy": "default-src 'none'; sandbox"}
        super().__init__(pieces, media_type=mime, headers=safe | (headers or {}))

    def to_asgi_response(self, *arguments: Any, **options: Any) -> ASGIResponse:
        return super().to_asgi_response(*arguments, **(options | {"media_type": self.media_type}))
