"""Connections without the ORM: few, kept open, and handed out without a round trip or a wrapper.

asyncpg's own pool wraps each connection anew and shields each release, which costs as much as a small query.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg

WAIT_S = 10.0
"""How long one waits for a connection before the database counts as busy."""


class ConnectionPool:
    """At most `size` connections. Who waits longest is served first; a broken connection is replaced."""

    def __init__(self, connect: Callable[[], Awaitable[Any]], size: int) -> None:
        self._connect = connect
        self._places = size
        self._idle: list[Any] = []
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._closed = False

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        """Lend a connection; one that comes back inside a transaction, or broken, is thrown away."""
        connection = await self.take()
        try:
            yield connection
        finally:
            self.give_back(connection)

    async def take(self) -> Any:
        """Take a connection, which must be given back whatever happens: see `connection`."""
        if self._places == 0:
            await self._wait()
        self._places -= 1
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        try:
            return await self._connect()
        except BaseException:
            self._free_place()
            raise

    async def _wait(self) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await asyncio.wait_for(turn, WAIT_S)
        except BaseException:
            if turn.done() and not turn.cancelled():
                self._free_place()  # it was given to us when we had already left
            with suppress(ValueError):
                self._waiting.remove(turn)
            raise
        # Whoever freed the place left it counted as taken, so that nobody else could step in.
        self._places += 1

    def give_back(self, connection: Any) -> None:
        if self._closed or connection.is_closed() or connection.is_in_transaction():
            connection.terminate()
        else:
            self._idle.append(connection)
        self._free_place()

    def _free_place(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._places += 1

    async def close(self) -> None:
        """Close what is idle; what is lent is closed when it comes back."""
        self._closed = True
        while self._idle:
            connection = self._idle.pop()
            with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await connection.close(timeout=5)
