"""A server that is the product but for one thing, which can be changed while it runs."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

Change = Callable[[dict[str, Any]], None]
"""Changes a JSON object in place."""


@dataclass(frozen=True)
class Spoil:
    """What is done to the requests whose path begins with `path`, and to their answers."""

    path: str = "/"
    methods: tuple[str, ...] = ("GET", "POST", "PATCH", "DELETE", "HEAD", "OPTIONS")
    asked: Change | None = None
    answered: Change | None = None
    said: Callable[[bytes], bytes] | None = None
    """Changes an answer's bytes, whatever they are."""
    without: tuple[str, ...] = ()
    """Headers, and members of the query, that the server never sees."""
    status: Mapping[int, int] = field(default_factory=dict)
    """Status codes, and what is answered in their place."""
    headers: Mapping[str, str | None] = field(default_factory=dict)
    """Headers of answers: another value, or none at all."""
    swallows: int = 0
    """A status to answer with at once; nothing happens."""


class Spoiled:
    """ASGI in front of `app`; `spoil` is what is wrong with it now."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.spoil: Spoil | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        spoil = self.spoil
        if (
            spoil is None
            or not scope["path"].startswith(spoil.path)
            or scope["method"] not in spoil.methods
        ):
            await self.app(scope, receive, send)
        elif spoil.swallows:
            await send({"type": "http.response.start", "status": spoil.swallows, "headers": []})
            await send({"type": "http.response.body", "body": b""})
        elif scope["path"].endswith("/stream"):
            await self.app(_asked_of(scope, spoil), receive, _events(send, spoil))
        else:
            await _exchange(self.app, _asked_of(scope, spoil), receive, send, spoil)


def _asked_of(scope: Any, spoil: Spoil) -> Any:
    # Plain answers only, so that they can be changed.
    hidden = {b"accept-encoding", *(name.encode() for name in spoil.without)}
    query = [
        one for one in parse_qsl(scope["query_string"].decode()) if one[0] not in spoil.without
    ]
    return {
        **scope,
        "headers": [pair for pair in scope["headers"] if pair[0] not in hidden],
        "query_string": urlencode(query).encode(),
    }


async def _exchange(app: Any, scope: Any, receive: Any, send: Any, spoil: Spoil) -> None:
    sent: list[Any] = []

    async def hear() -> Any:
        message = await receive()
        if spoil.asked is None or not message.get("body") or message.get("more_body"):
            return message
        return {**message, "body": _changed(message["body"], spoil.asked)}

    async def tell(message: Any) -> None:
        sent.append(message)

    await app(scope, hear, tell)
    body = b"".join(message.get("body", b"") for message in sent)
    if spoil.answered and body:
        body = _changed(body, spoil.answered)
    if spoil.said:
        body = spoil.said(body)
    status = spoil.status.get(sent[0]["status"], sent[0]["status"])
    told = {
        name.decode().lower(): value.decode() for name, value in sent[0]["headers"]
    } | spoil.headers
    if scope["method"] != "HEAD" and status != 204:
        told["content-length"] = str(len(body))
    headers = [(name.encode(), value.encode()) for name, value in told.items() if value is not None]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if status == 204 else body})


def _events(send: Any, spoil: Spoil) -> Any:
    async def tell(message: Any) -> None:
        if spoil.said and "body" in message:
            message = {**message, "body": spoil.said(message["body"])}
        status = spoil.status.get(message.get("status", 0))
        await send({**message, "status": status} if status else message)

    return tell


def _changed(body: bytes, change: Change) -> bytes:
    try:
        content = json.loads(body)
    except ValueError:
        return body
    if isinstance(content, dict):
        change(content)
    return json.dumps(content).encode()
