"""The HTTP server under the application: uvicorn with httptools, one copy of a body fewer, probed.

uvicorn gathers each body in a growing buffer and copies it once more when it is asked for. An
upload is hundreds of pieces of a quarter of a megabyte that are fetched one by one, so both copies
are work for nothing: a piece that finds the buffer empty is handed on as it is. Small pieces that
come at once are gathered as ever.
"""

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_PROBE_S = 5.0


class Protocol(HttpToolsProtocol):
    """One connection."""

    def on_body(self, body: bytes) -> None:
        """Take a piece of a request's body from the parser."""
        cycle: Any = self.cycle
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
