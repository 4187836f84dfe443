"""A server that stands between an app and a real one: it passes everything on, and judges what the app sends.

With faults it is also a bad line: answers of pushes get lost, some requests are put off, pages break off,
and a digest is now and then another one.
What it does is decided by counting, so that the same traffic meets the same faults.
"""

import json
import time
from base64 import b64decode
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import zstandard

from mobile_api.conformance.adapters import intents_sent
from mobile_api.conformance.ledger import Ledger

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_OWN = {
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "keep-alive",
    "accept-encoding",
}
_LOSE_EVERY, _DELAY_EVERY, _BREAK_EVERY, _DOUBT_EVERY = 3, 7, 5, 4
_RETRY_AFTER_S = 1


class LineBroke(Exception):
    """Ends a request as a broken line does: the server closes the connection."""


class Referee:
    """An ASGI application in front of `server`. Its findings are in `ledger`."""

    def __init__(self, server: httpx.AsyncClient, *, faults: bool = False) -> None:
        self.ledger = Ledger()
        self.faults: dict[str, int] = {"lost": 0, "delayed": 0, "broken": 0, "doubted": 0}
        self._server = server
        self._unreliable = faults
        self._counts = {"push": 0, "pull": 0, "digest": 0}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body = await _body_of(receive)
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        token = headers.get("authorization", "").partition(" ")[2].strip()
        query = scope["query_string"].decode("latin-1")
        path: str = scope["path"]
        self.ledger.asked(token, f"{path}?{query}", time.monotonic())
        kind = {"/sync/v1/push": "push", "/sync/v1/pull": "pull"}.get(path, "")
        batch = _batch_of(headers, body) if kind == "push" else None
        if batch is not None:
            self.ledger.pushes(token, batch)
        if kind == "pull":
            asked = parse_qs(query)
            empty = asked.get("outbox_empty_at", [""])[0]
            since = asked.get("since", [None])[0]
            self.ledger.pulls(token, since, int(empty) if empty.isdecimal() else None)
        if path.startswith("/compat/") and scope["method"] == "POST":
            self.ledger.pushes(token, {"intents": intents_sent(path, _json_of(headers, body))})
        if self._puts_off(kind):
            self.ledger.delayed(token, time.monotonic() + _RETRY_AFTER_S)
            await _put_off(send)
            return
        await self._pass_on(scope, headers, body, token, kind, send)

    async def _pass_on(
        self, scope: Scope, headers: dict[str, str], body: bytes, token: str, kind: str, send: Send
    ) -> None:
        kept = {name: value for name, value in headers.items() if name not in _OWN}
        query = scope["query_string"].decode("latin-1")
        request = self._server.build_request(
            scope["method"],
            scope["path"] + (f"?{query}" if query else ""),
            headers={**kept, "Accept-Encoding": "identity"},
            content=body,
            timeout=httpx.Timeout(30, read=None),
        )
        answer = await self._server.send(request, stream=True)
        try:
            if answer.headers.get("content-type", "").startswith("text/event-stream"):
                await _stream(answer, send)
                return
            content = await answer.aread()
        finally:
            await answer.aclose()
        if kind and answer.is_success and self._breaks(kind):
            await _break_off(answer, content, send)
        if kind == "pull" and answer.is_success:
            content = self._doubtful(token, content)
        self._learn(token, scope["path"], headers, body, answer, content)
        await _answer(answer, content, send)

    def _learn(
        self,
        token: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        answer: httpx.Response,
        content: bytes,
    ) -> None:
        """Enter what the app is about to be told."""
        method, status = answer.request.method, answer.status_code
        method = headers.get("x-http-method-override", method)
        if "retry-after" in answer.headers and status in (429, 503):
            until = time.monotonic() + float(answer.headers["retry-after"])
            self.ledger.delayed(token, until)
        if path.startswith("/sync/v1/") and status == 410:
            self.ledger.anew(token, json.loads(content).get("reason"))
        if path.startswith("/files") and content.find(b"/problems/wrong-bytes") >= 0:
            self.ledger.breach("app.bytes", "the server found other bytes than were declared")
        if not answer.is_success:
            return
        if path == "/sync/v1/pull":
            self.ledger.page(token, json.loads(content))
        elif path == "/sync/v1/push":
            self.ledger.told(token, json.loads(content))
        elif path == "/sync/v1/reconcile":
            self.ledger.reconciled(token, json.loads(content))
        elif path.startswith("/compat/") and method == "POST":
            sent = intents_sent(path, _json_of(headers, body))
            self.ledger.stored(token, [str(one.get("id")) for one in sent])
        elif path.rstrip("/") == "/files" and method == "POST" and status == 201:
            self._learn_creation(headers, body, answer)
        elif path.startswith("/files/") and method == "PATCH" and status == 204:
            length = headers.get("upload-length")
            offset = int(headers["upload-offset"])
            self.ledger.appends(path, offset, body, int(length) if length else None)

    def _learn_creation(self, headers: dict[str, str], body: bytes, answer: httpx.Response) -> None:
        """Enter a new upload, and the bytes that came along."""
        metadata = _metadata_of(headers.get("upload-metadata", ""))
        length = headers.get("upload-length")
        offset = int(answer.headers.get("upload-offset", 0))
        path = urlsplit(answer.headers["location"]).path
        if headers.get("upload-concat", "").startswith("final"):
            length = answer.headers.get("upload-offset")  # told once all of its parts are there
        known = offset if not body else 0
        self.ledger.creates(path, metadata, int(length) if length else None, known)
        if body:
            self.ledger.appends(path, 0, body)

    def _doubtful(self, token: str, content: bytes) -> bytes:
        """Return a page, now and then with a digest that cannot be right."""
        if not self._unreliable:
            return content
        page = json.loads(content)
        if not page.get("digest"):
            return content
        self._counts["digest"] += 1
        if self._counts["digest"] % _DOUBT_EVERY:
            return content
        self.faults["doubted"] += 1
        self.ledger.doubted(token)
        for one in page["digest"].values():
            one["n"] += 1
        return json.dumps(page).encode()

    def _puts_off(self, kind: str) -> bool:
        """Count a request of one of the two kinds; whether this one is to come again later."""
        if not self._unreliable or not kind:
            return False
        self._counts[kind] += 1
        puts_off = kind == "push" and self._counts[kind] % _DELAY_EVERY == 0
        self.faults["delayed"] += puts_off
        return puts_off

    def _breaks(self, kind: str) -> bool:
        if not self._unreliable:
            return False
        every, name = (_LOSE_EVERY, "lost") if kind == "push" else (_BREAK_EVERY, "broken")
        breaks = self._counts[kind] % every == 0
        self.faults[name] += breaks
        return breaks


async def _body_of(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        part: bytes = message.get("body", b"")
        body += part
        if not message.get("more_body"):
            return body


async def _answer(answer: httpx.Response, content: bytes, send: Send) -> None:
    headers = [
        (name.lower().encode("latin-1"), value.encode("latin-1"))
        for name, value in answer.headers.multi_items()
        if name.lower() not in ("content-length", "transfer-encoding", "connection")
    ]
    if answer.request.method != "HEAD" and answer.status_code != 204:
        headers.append((b"content-length", str(len(content)).encode()))
    await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": content})


async def _break_off(answer: httpx.Response, content: bytes, send: Send) -> None:
    """Send the beginning of an answer and break the line."""
    headers = [
        (b"content-type", answer.headers["content-type"].encode("latin-1")),
        (b"content-length", str(len(content)).encode()),
    ]
    await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
    half = content[: len(content) // 2]
    await send({"type": "http.response.body", "body": half, "more_body": True})
    raise LineBroke


async def _put_off(send: Send) -> None:
    problem = {
        "type": "https://fsm.invalid/problems/busy",
        "title": "Busy",
        "status": 503,
        "detail": "The line is bad on purpose. Come again when Retry-After says.",
    }
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"retry-after", str(_RETRY_AFTER_S).encode()),
    ]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(problem).encode()})


async def _stream(answer: httpx.Response, send: Send) -> None:
    headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
    async for chunk in answer.aiter_raw():
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def _batch_of(headers: dict[str, str], body: bytes) -> dict[str, Any] | None:
    batch = _json_of(headers, body)
    return batch if isinstance(batch, dict) else None


def _json_of(headers: dict[str, str], body: bytes) -> Any:
    """Return what a body holds; None where it cannot be read."""
    encoding = headers.get("content-encoding", "")
    try:
        if encoding == "zstd":
            body = zstandard.ZstdDecompressor().decompressobj().decompress(body)
        elif encoding:
            body = httpx.Response(200, headers={"content-encoding": encoding}, content=body).content
        return json.loads(body)
    except (ValueError, zstandard.ZstdError, httpx.DecodingError):
        return None


def _metadata_of(text: str) -> dict[str, str]:
    pairs = (pair.strip().partition(" ") for pair in text.split(",") if pair.strip())
    return {key: b64decode(value).decode() for key, _, value in pairs}
