"""Reads that come at the same moment, put to the database as one statement.

The first that comes is asked at once, and whoever comes meanwhile goes along with the next statement. So a
lone read waits for nobody and costs what it would cost without this, and the busier a process is, the fewer
statements it needs. Every read is answered from a statement that began after it came: it sees all that had
been committed by then.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, TypeVar

Ask = TypeVar("Ask")
Found = TypeVar("Found")
Group = TypeVar("Group", bound=Hashable)


class Gathering(Generic[Group, Ask, Found]):
    """Asks of a group, such as a tenant's, go together, `most` at once; `read` answers them in order."""

    def __init__(
        self, read: Callable[[Group, Sequence[Ask]], Awaitable[Sequence[Found]]], most: int
    ) -> None:
        self._read = read
        self._most = most
        self._waiting: dict[Group, list[tuple[Ask, asyncio.Future[Found]]]] = {}
        self.under_way: set[asyncio.Task[None]] = set()

    async def ask(self, group: Group, ask: Ask) -> Found:
        """Return what `read` finds for this ask; what it raises is raised to all it was asked for."""
        waiting = self._waiting.get(group)
        if waiting is not None:
            answer: asyncio.Future[Found] = asyncio.get_running_loop().create_future()
            waiting.append((ask, answer))
            return await answer
        self._waiting[group] = waiting = []
        try:
            (found,) = await self._read(group, [ask])
        finally:
            # Who has left meanwhile needs no read; when the program ends, that is everybody.
            if any(not answer.done() for _, answer in waiting):
                self._begin(group)
            else:
                del self._waiting[group]
        return found

    def _begin(self, group: Group) -> None:
        task = asyncio.get_running_loop().create_task(self._answer(group))
        self.under_way.add(task)
        task.add_done_callback(self.under_way.discard)

    async def _answer(self, group: Group) -> None:
        """Answer all that wait, and those who come while the others are answered."""
        going: list[tuple[Ask, asyncio.Future[Found]]] = []
        try:
            while waiting := self._waiting[group]:
                going, self._waiting[group] = waiting[: self._most], waiting[self._most :]
                await self._answer_these(group, going)
        finally:
            # Nobody is left, unless the program ends meanwhile.
            for _, answer in [*going, *self._waiting.pop(group)]:
                answer.cancel()

    async def _answer_these(
        self, group: Group, going: Sequence[tuple[Ask, asyncio.Future[Found]]]
    ) -> None:
        try:
            found = await self._read(group, [ask for ask, _ in going])
        except Exception as error:  # noqa: BLE001  # theirs who asked
            for _, answer in going:
                if not answer.done():
                    answer.set_exception(error)
            return
        for (_, answer), one in zip(going, found, strict=True):
            if not answer.done():
                answer.set_result(one)
