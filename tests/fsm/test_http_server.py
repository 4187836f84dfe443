"""Long bodies straight from the socket, on the event loop that the server runs on and on Python's own."""

import asyncio
import hashlib
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
import uvloop

from fsm.commands.http_server import DirectBody, configure
from mobile_api.writers import DIRECT_BODY
from tests.patience import PATIENCE_S

CONTENT = random.Random(5).randbytes(3_000_017)
PIECE = 300_001

Handle = Callable[[DirectBody | None, Any], Awaitable[bytes]]
"""(what the request offers, receive) → the text of the answer."""
Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    chosen: Run = request.param
    return chosen


@asynccontextmanager
async def served(handle: Handle) -> AsyncIterator[int]:
    """Serve an application and give its port."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        said = await handle((scope.get("extensions") or {}).get(DIRECT_BODY), receive)
        length = [(b"content-length", b"%d" % len(said))]
        await send({"type": "http.response.start", "status": 200, "headers": length})
        await send({"type": "http.response.body", "body": said})

    server = uvicorn.Server(configure(app, lifespan="off"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        running = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            async with asyncio.timeout(PATIENCE_S):
                yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            await running


async def first_bytes(direct: DirectBody, receive: Any) -> bytes:
    """Take a request over from the server and return what has come of it."""
    return (await receive())["body"] + direct.begin()


async def rest_of(direct: DirectBody, most: int = len(CONTENT)) -> bytes:
    """Read on, piece by piece into one buffer, until the body ends or the line breaks."""
    buffer, read = bytearray(PIECE), b""
    while direct.left and not direct.is_lost and len(read) < most:
        filled = await direct.fill(memoryview(buffer), PATIENCE_S)
        read += buffer[:filled]
    return read


def patch(content: bytes, *lines: str, sent: int | None = None) -> bytes:
    """Return a request with this body, or with the first bytes of it."""
    head = ["PATCH / HTTP/1.1", "Host: test", f"Content-Length: {len(content)}", *lines]
    return "\r\n".join([*head, "", ""]).encode() + content[:sent]


LAST = b"GET /next HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"


async def said_to(port: int, *pieces: bytes) -> list[bytes]:
    """Send pieces over one line and return the texts it is answered with."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0.01)
    raw = await reader.read()
    writer.close()
    return [one.partition(b"\r\n\r\n")[2] for one in raw.split(b"HTTP/1.1 ")[1:]]


def test_a_long_body_comes_whole_and_the_next_request_is_answered(run: Run) -> None:
    async def handle(direct: DirectBody | None, receive: Any) -> bytes:
        if direct is None:
            return b"next"
        content = await first_bytes(direct, receive) + await rest_of(direct)
        direct.end()
        return hashlib.sha256(content).hexdigest().encode()

    async def scenario() -> None:
        async with served(handle) as port:
            whole = patch(CONTENT)
            sha256 = hashlib.sha256(CONTENT).hexdigest().encode()
            assert await said_to(port, whole + whole + LAST) == [sha256, sha256, b"next"]
            cut = [*(whole[at : at + 700_000] for at in range(0, len(whole), 700_000)), LAST]
            assert await said_to(port, *cut) == [sha256, b"next"]

    run(scenario())


@pytest.mark.parametrize("taken", [0, PIECE])
def test_what_is_left_of_a_body_is_dropped_and_the_line_goes_on(run: Run, taken: int) -> None:
    async def handle(direct: DirectBody | None, receive: Any) -> bytes:
        if direct is None:
            return b"next"
        await first_bytes(direct, receive)
        await rest_of(direct, most=taken)
        assert direct.left
        direct.end()
        return b"enough"

    async def scenario() -> None:
        async with served(handle) as port:
            whole = patch(CONTENT)
            assert await said_to(port, whole + LAST) == [b"enough", b"next"]
            half = len(whole) // 2
            assert await said_to(port, whole[:half], whole[half:], LAST) == [b"enough", b"next"]

    run(scenario())


def test_a_line_that_breaks_gives_what_has_come_and_says_so(run: Run) -> None:
    async def scenario() -> None:
        told: asyncio.Future[tuple[bytes, bool, int]] = asyncio.Future()

        async def handle(direct: DirectBody | None, receive: Any) -> bytes:
            assert direct is not None
            content = await first_bytes(direct, receive) + await rest_of(direct)
            told.set_result((content, direct.is_lost, direct.left))
            assert await direct.fill(memoryview(bytearray(9)), PATIENCE_S) == 0
            direct.end()
            return b"nobody hears this"

        async with served(handle) as port:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(patch(CONTENT, sent=1_000_000))
            await writer.drain()
            writer.close()
            content, is_lost, left = await told
            assert (content, is_lost) == (CONTENT[: len(content)], True)
            assert len(content) + left == len(CONTENT)

    run(scenario())


def test_who_waits_for_bytes_can_be_woken_and_waits_no_longer_than_said(run: Run) -> None:
    async def scenario() -> None:
        is_woken = asyncio.Event()

        async def handle(direct: DirectBody | None, receive: Any) -> bytes:
            assert direct is not None
            content, buffer = await first_bytes(direct, receive), bytearray(len(CONTENT))
            while len(content) < 1_000_000:
                filled = await direct.fill(memoryview(buffer), 0.01)
                content += buffer[:filled]
            asyncio.get_running_loop().call_soon(direct.wake)
            assert await direct.fill(memoryview(buffer), PATIENCE_S) == 0
            is_woken.set()
            content += await rest_of(direct)
            direct.end()
            return hashlib.sha256(content).hexdigest().encode()

        async with served(handle) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(patch(CONTENT, "Connection: close", sent=1_000_000))
            await is_woken.wait()
            writer.write(CONTENT[1_000_000:])
            assert (await reader.read()).endswith(hashlib.sha256(CONTENT).hexdigest().encode())
            writer.close()

    run(scenario())


def test_a_body_in_chunks_or_a_short_one_is_left_to_the_server(run: Run) -> None:
    async def handle(direct: DirectBody | None, receive: Any) -> bytes:
        read, is_more = 0, True
        while is_more:
            message = await receive()
            read, is_more = read + len(message["body"]), message["more_body"]
        return b"%d %s" % (read, b"offered" if direct else b"kept")

    async def scenario() -> None:
        async with served(handle) as port:
            chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(CONTENT), CONTENT)
            head = b"PATCH / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"
            told = await said_to(
                port, head + chunks + patch(CONTENT[:9_000]) + patch(CONTENT) + LAST
            )
            size = b"%d" % len(CONTENT)
            assert told == [size + b" kept", b"9000 kept", size + b" offered", b"0 kept"]

    run(scenario())


def test_who_asks_late_for_a_body_takes_nothing_of_the_request_behind_it(run: Run) -> None:
    async def scenario() -> None:
        has_begun, may_go_on = asyncio.Event(), asyncio.Event()

        async def handle(direct: DirectBody | None, receive: Any) -> bytes:
            if direct is None:
                return b"next"
            is_first = not has_begun.is_set()
            content = (await receive())["body"]
            has_begun.set()
            if is_first:
                await may_go_on.wait()
            content += direct.begin() + await rest_of(direct)
            direct.end()
            return hashlib.sha256(content).hexdigest().encode()

        async with served(handle) as port:
            short = CONTENT[:300_000]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(patch(short, sent=1_000))
            await has_begun.wait()
            # All that is missing, and the beginning of another long body, while the first waits.
            writer.write(short[1_000:] + patch(CONTENT, sent=2_000))
            await asyncio.sleep(0.3)
            may_go_on.set()
            await asyncio.sleep(0.1)
            writer.write(CONTENT[2_000:] + LAST)
            raw = await reader.read()
            writer.close()
        told = [one.partition(b"\r\n\r\n")[2] for one in raw.split(b"HTTP/1.1 ")[1:]]
        sums = [hashlib.sha256(one).hexdigest().encode() for one in (short, CONTENT)]
        assert told == [*sums, b"next"]

    run(scenario())
