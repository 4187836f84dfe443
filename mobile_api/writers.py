"""The body of one request as it arrives, and who may bring it: in this process the newest request.

The lease in the upload's row does the same between processes; this spares a phone that comes back
to the same process the wait for it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from fsm.evidence.blobs import UploadBusy
from mobile_api.tus import TusProblem

#: (tenant, user, upload): a stranger who guesses an upload's id interrupts nobody.
Key = tuple[UUID, UUID | None, UUID]

Receive = Callable[[], Awaitable[Mapping[str, Any]]]

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


class Writer:
    """One request that brings bytes, until they end or somebody cuts it."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self._is_cut = False
        self._waiting: asyncio.Timeout | None = None

    def cut(self) -> None:
        """End the body where it is; the bytes so far are kept."""
        self._is_cut = True
        if self._waiting is not None:
            self._waiting.reschedule(asyncio.get_running_loop().time())

    async def body(
        self, receive: Receive, renew: Callable[[], Awaitable[bool]]
    ) -> AsyncIterator[bytes]:
        """Yield the request's bytes; `renew` says whether the request may go on.

        Ends with `UploadCut` when the connection breaks and `UploadBusy` when another took over.
        """
        clock = asyncio.get_running_loop().time
        heard_at = renewed_at = clock()
        while True:
            message = await self._next(receive)
            now = clock()
            if self._is_cut:
                raise UploadBusy("A newer request continues this upload.")
            if now - renewed_at >= BEAT_S:
                if not await renew():
                    raise UploadBusy("A newer request continues this upload.")
                renewed_at = now
            if message is None:
                if now - heard_at >= SILENCE_S:
                    raise UploadCut("Nothing came for too long. Continue where HEAD says.")
                continue
            heard_at = now
            if message["type"] == "http.disconnect":
                raise UploadCut("The connection ended early. Continue where HEAD says.")
            if message.get("body"):
                yield message["body"]
            if not message.get("more_body", False):
                return

    async def _next(self, receive: Receive) -> Mapping[str, Any] | None:
        """Return the next message, None when a beat has passed or somebody wants the turn."""
        try:
            async with asyncio.timeout(BEAT_S) as self._waiting:
                return await receive()
        except TimeoutError:
            return None
        finally:
            self._waiting = None


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
            writer.ended.set()
