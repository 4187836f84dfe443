"""The HTTP server under the application: uvicorn with httptools, fewer copies of a body, probed.

uvicorn gathers each body in a growing buffer and copies it once more when it is asked for. An
upload is hundreds of pieces of a quarter of a megabyte that are fetched one by one, so both copies
are work for nothing: a piece that finds the buffer empty is handed on as it is. Small pieces that
come at once are gathered as ever.

A long body need not go through the parser at all, which has nothing to find in it: an application
that asks for it gets the bytes from the socket to where it wants them, see `DirectBody`.
"""

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import httptools
import uvicorn
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mobile_api.writers import DIRECT_BODY

#: A body that is shorter has mostly come before anybody asks for it.
_LONG = 1 << 18
_SCRATCH_SIZE = 1 << 16
_PROBE_S = 5.0


class Protocol(HttpToolsProtocol):
    """One connection."""

    #: What the parser has not yet seen of the body at hand, where it says its length.
    body_left = 0

    def on_headers_complete(self) -> None:
        """Offer a long body to be read directly; its application begins only after this."""
        super().on_headers_complete()
        scope: Any = self.scope
        if scope["method"] in ("PATCH", "POST"):
            self.body_left = _length_of(self.headers)
            if self.body_left >= _LONG:
                scope["extensions"] = {DIRECT_BODY: DirectBody(self, self.cycle)}

    def on_body(self, body: bytes) -> None:
        """Take a piece of a request's body from the parser."""
        cycle: Any = self.cycle
        self.body_left -= len(body)
        if cycle.response_complete:
            return
        if not cycle.body:
            cycle.body = body
        else:
            if isinstance(cycle.body, bytes):  # which would be copied anew with every piece
                cycle.body = bytearray(cycle.body)
            cycle.body += body
        if len(cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        cycle.message_event.set()

    def pass_over_body(self) -> None:
        """Go on with what follows a body that the parser has not seen all of."""
        self.parser = httptools.HttpRequestParser(self)  # the other one still waits for the rest
        with suppress(AttributeError):  # as uvicorn does
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.on_message_complete()

    def hear(self) -> None:
        """Count bytes that did not come through here as a sign of life."""
        self._unset_keepalive_if_required()


class DirectBody(asyncio.BufferedProtocol):
    """The rest of one request's body, read from the socket to where the application wants it.

    Through the parser each byte is copied twice more, in pieces that each cost a task's turn.
    After `begin` nobody may call the request's `receive`. Whoever began has to `end`, whether or
    not the body was read to its end: what is left of it is then read and dropped, as the server
    does with bodies that nobody asked for.
    """

    def __init__(self, connection: Protocol, cycle: Any) -> None:
        self._connection = connection
        self._cycle = cycle
        self._view = memoryview(b"")
        self._filled = 0
        self._waiting: asyncio.Future[None] | None = None
        self._has_begun = False
        self._is_dropping = False
        self.left = 0
        self.is_lost = False

    def begin(self) -> bytes:
        """Take the connection from the parser and return what it had at hand of the body.

        From now on `left` says how many bytes are still to come.
        """
        connection = self._connection
        at_hand = bytes(self._cycle.body)
        self._cycle.body = b""
        self.left = connection.body_left
        self.is_lost = self._cycle.disconnected or connection.transport.is_closing()
        if self.left and not self.is_lost:
            self._has_begun = True
            connection.flow.pause_reading()
            connection.transport.set_protocol(self)
        return at_hand

    async def fill(self, into: memoryview, within_s: float) -> int:
        """Read the next bytes and return how many came.

        Fewer than there is room for: the body has ended, the connection `is_lost`, the time is
        over, or somebody called `wake`.
        """
        if not self.left or self.is_lost:
            return 0
        connection, loop = self._connection, asyncio.get_running_loop()
        self._view, self._filled = into[: self.left], 0
        self._waiting = loop.create_future()
        timer = loop.call_later(within_s, self.wake)
        connection.flow.resume_reading()
        try:
            await self._waiting
        finally:
            timer.cancel()
            connection.flow.pause_reading()
            self._view = memoryview(b"")
        return self._filled

    def wake(self) -> None:
        """End a `fill` that waits, with what has come by now."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def end(self) -> None:
        """Give the connection back; safe to call again."""
        if not self._has_begun:
            return
        self._has_begun = False
        if self.is_lost:
            return
        if self.left:
            self._is_dropping = True
            self._view = memoryview(bytearray(min(self.left, _SCRATCH_SIZE)))
        else:
            self._hand_back()
        self._connection.flow.resume_reading()

    def _hand_back(self) -> None:
        self._connection.transport.set_protocol(self._connection)
        self._connection.pass_over_body()

    # --- what the event loop calls ------------------------------------------------------------------------

    def get_buffer(self, sizehint: int) -> memoryview:
        if self._is_dropping:
            return self._view[: self.left]
        return self._view[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        self.left -= nbytes
        if self._is_dropping:
            self._connection.hear()
            if not self.left:
                # Who reads on after this is asked anew where to.
                self._connection.flow.pause_reading()
                self._hand_back()
                self._connection.flow.resume_reading()
            return
        self._filled += nbytes
        if self._filled == len(self._view):
            self._connection.flow.pause_reading()
            self.wake()

    def eof_received(self) -> None:
        self._connection.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True
        self._connection.connection_lost(exc)
        self.wake()

    def pause_writing(self) -> None:
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        self._connection.resume_writing()


def _length_of(headers: list[tuple[bytes, bytes]]) -> int:
    """Return how long a body says it is, in bytes; 0 where it comes in chunks, or not at all."""
    named = dict(headers)
    if b"transfer-encoding" in named:
        return 0
    return int(named.get(b"content-length", b"0"))


class Server(uvicorn.Server):
    """Ends what never ends by itself, the phones' streams, before it waits for its connections."""

    def __init__(self, config: uvicorn.Config, farewell: Callable[[], Awaitable[None]]) -> None:
        super().__init__(config)
        self._farewell = farewell

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._farewell()
        await super().shutdown(sockets)


def configure(app: Any, **options: Any) -> uvicorn.Config:
    """Return how an ASGI application is served, wherever that is."""
    return uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        loop="auto" if sys.platform == "win32" else "uvloop",
        access_log=False,
        log_config=None,
        **options,
    )


async def hands_over_trailers() -> bool:
    """Return whether such a server hands the application what follows a request's body.

    ASGI says nothing about trailers, and whether they arrive differs between servers and their
    versions. So one is started for a moment and sent a request that has a trailer.
    """
    probe = _Probe()
    server = uvicorn.Server(configure(probe, lifespan="off"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        running = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            async with asyncio.timeout(_PROBE_S):
                return await probe.ask(port)
        except (OSError, TimeoutError):
            return False
        finally:
            server.should_exit = True
            await running


class _Probe:
    """An application that looks for a trailer, and the client that sends it."""

    _NAME, _VALUE = b"x-fsm-probe", b"after the body"

    def __init__(self) -> None:
        self._has_begun = asyncio.Event()
        self._found = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        is_more = True
        while is_more:
            is_more = (await receive()).get("more_body", False)
            self._has_begun.set()
        self._found = (self._NAME, self._VALUE) in scope["headers"]
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async def ask(self, port: int) -> bool:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(
                b"POST / HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n"
                b"Trailer: %b\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n.\r\n" % self._NAME
            )
            await self._has_begun.wait()  # what comes now is not among the headers it began with
            writer.write(b"0\r\n%b: %b\r\n\r\n" % (self._NAME, self._VALUE))
            await reader.read()
        finally:
            writer.close()
        return self._found
