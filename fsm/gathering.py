"""Reads that come at the same moment, put to the database as one statement.

The first that comes is asked at once, and whoever comes meanwhile goes along with the next statement. So a
lone read waits for nobody, and the busier a process is, the fewer statements it needs. Every read is
answered from a statement that began after it came: it sees all that had been committed by then.
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
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Found] = loop.create_future()
        waiting = self._waiting.get(group)
        if waiting is not None:
            waiting.append((ask, answer))
        else:
            self._waiting[group] = [(ask, answer)]
            # It begins in the loop's next turn: whoever came in this one goes along.
            task = loop.create_task(self._answer(group))
            self.under_way.add(task)
            task.add_done_callback(self.under_way.discard)
        return await answer

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
