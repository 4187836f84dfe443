"""The body of one request as it arrives, and who may bring it: in this process the newest request.

The lease in the upload's row does the same between processes; this spares a phone that comes back
to the same process the wait for it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol
from uuid import UUID

from fsm.evidence.blobs import UploadBusy
from mobile_api.tus import TusProblem

#: Where a server that can puts the `Direct` of a long body, among the extensions of its scope.
DIRECT_BODY = "fsm.body"

#: (tenant, user, upload): a stranger who guesses an upload's id interrupts nobody.
Key = tuple[UUID, UUID | None, UUID]

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Renew = Callable[[], Awaitable[bool]]

#: How often a request looks whether it must give way, seconds.
BEAT_S = 3.0

#: How long a connection may bring nothing before it is taken for dead, seconds.
SILENCE_S = 60.0

#: How long a newcomer waits for the writer before it; longer than a lease, seconds.
PATIENCE_S = 20.0


class UploadCut(TusProblem):
    """The connection ended or fell silent before the body was whole; what arrived is kept."""

    code, status, title = "upload-cut", 408, "The rest of the bytes did not come"

    @property
    def headers(self) -> dict[str, str]:
        return {**super().headers, "Connection": "close"}


class Direct(Protocol):
    """How a server hands over a long body without copies: see `fsm.commands.http_server.DirectBody`."""

    left: int
    is_lost: bool

    def begin(self) -> bytes: ...

    async def fill(self, into: memoryview, within_s: float) -> int: ...

    def wake(self) -> None: ...

    def end(self) -> None: ...


class Writer:
    """One request that brings bytes, until they end or somebody cuts it."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self._is_cut = False
        self._waiting: asyncio.Timeout | None = None
        self._direct: Direct | None = None

    def cut(self) -> None:
        """End the body where it is; the bytes so far are kept."""
        self._is_cut = True
        if self._waiting is not None:
            self._waiting.reschedule(asyncio.get_running_loop().time())
        if self._direct is not None:
            self._direct.wake()

    def body(
        self, receive: Receive, renew: Renew, direct: Direct | None = None
    ) -> "AsyncIterator[bytes] | DirectBytes":
        """Return the request's bytes; `renew` says whether the request may go on.

        They end with `UploadCut` when the connection breaks and `UploadBusy` when another took over.
        """
        if direct is None:
            return self._messages(receive, renew)
        self._direct = direct
        return DirectBytes(self, receive, renew, direct)

    async def _messages(self, receive: Receive, renew: Renew) -> AsyncIterator[bytes]:
        pulse = _Pulse(renew)
        is_more = True
        while is_more:
            body, is_more = await self.message(receive, pulse)
            if body:
                yield body

    async def message(self, receive: Receive, pulse: "_Pulse") -> tuple[bytes, bool]:
        """Wait for the server's next message: its bytes, and whether more follow."""
        message = None
        while message is None:
            message = await self._next(receive)
            await self.go_on(pulse, message is not None)
        if message["type"] == "http.disconnect":
            raise broken_line()
        return message.get("body", b""), message.get("more_body", False)

    async def fill(self, direct: Direct, into: memoryview) -> int:
        """Let bytes come for a beat, or until somebody wants the turn."""
        return 0 if self._is_cut else await direct.fill(into, BEAT_S)

    async def go_on(self, pulse: "_Pulse", has_heard: bool) -> None:
        """Refuse what must give way, and what brings nothing any more."""
        if self._is_cut:
            raise UploadBusy("A newer request continues this upload.")
        await pulse.beat(has_heard)

    def end(self) -> None:
        """Give up the turn, and the connection if it was taken."""
        if self._direct is not None:
            self._direct.end()
        self.ended.set()

    async def _next(self, receive: Receive) -> Mapping[str, Any] | None:
        """Return the next message, None when a beat has passed or somebody wants the turn."""
        try:
            async with asyncio.timeout(BEAT_S) as self._waiting:
                return await receive()
        except TimeoutError:
            return None
        finally:
            self._waiting = None


class _Pulse:
    """When the client was last heard of, and the database of the request."""

    def __init__(self, renew: Renew) -> None:
        self._renew = renew
        self._clock = asyncio.get_running_loop().time
        self._heard_at = self._renewed_at = self._clock()

    async def beat(self, has_heard: bool) -> None:
        now = self._clock()
        if now - self._renewed_at >= BEAT_S:
            if not await self._renew():
                raise UploadBusy("A newer request continues this upload.")
            self._renewed_at = now
        if has_heard:
            self._heard_at = now
        elif now - self._heard_at >= SILENCE_S:
            raise UploadCut("Nothing came for too long. Continue where HEAD says.")


def broken_line() -> UploadCut:
    return UploadCut("The connection ended early. Continue where HEAD says.")


class DirectBytes:
    """The bytes of a long body, put where the store wants them: a `fsm.evidence.blobs.Filling`.

    The first of them came with the request's headers, as a message like any other.
    """

    def __init__(self, writer: Writer, receive: Receive, renew: Renew, direct: Direct) -> None:
        self._writer = writer
        self._receive = receive
        self._renew = renew
        self._direct = direct
        self._pulse: _Pulse | None = None
        self._at_hand = memoryview(b"")
        self._broken: Exception | None = None
        self.has_ended = False

    async def fill(self, into: memoryview) -> int:
        if self._broken is not None:
            raise self._broken
        if self._pulse is None:
            self._pulse = _Pulse(self._renew)
            self._at_hand = await self._first(self._pulse)
        filled = min(len(into), len(self._at_hand))
        into[:filled] = self._at_hand[:filled]
        self._at_hand = self._at_hand[filled:]
        try:
            while filled < len(into) and self._direct.left:
                came = await self._writer.fill(self._direct, into[filled:])
                filled += came
                await self._writer.go_on(self._pulse, came > 0)
                if self._direct.is_lost and self._direct.left:
                    raise broken_line()
        except Exception as error:
            if not filled:
                raise
            self._broken = error
        if not self._direct.left and not self._at_hand:
            self.has_ended = True
            self._direct.end()
        return filled

    async def _first(self, pulse: _Pulse) -> memoryview:
        """Return what came with the headers, and take the connection from the server."""
        body, is_more = await self._writer.message(self._receive, pulse)
        return memoryview(body + self._direct.begin() if is_more else body)


class Writers:
    """The requests of this process that are about uploads, at most one an upload."""

    def __init__(self) -> None:
        self._present: dict[Key, Writer] = {}

    @asynccontextmanager
    async def turn(self, key: Key) -> AsyncIterator[Writer]:
        """Cut whoever is at it, wait until their bytes are safe, and be the one.

        `UploadBusy` when they do not come to an end.
        """
        try:
            async with asyncio.timeout(PATIENCE_S):
                while (present := self._present.get(key)) is not None:
                    present.cut()
                    await present.ended.wait()
        except TimeoutError:
            raise UploadBusy("Another request is writing to this upload. Try again.") from None
        writer = self._present[key] = Writer()
        try:
            yield writer
        finally:
            del self._present[key]
            writer.end()
