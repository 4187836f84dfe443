"""Reads that come together go together; nobody gets another's answer, an old one, or another's trouble."""

import asyncio
from collections.abc import Sequence

import pytest

from fsm.gathering import Gathering


class Source:
    """What is asked: it notes who was asked for together, and answers when it is let."""

    def __init__(self, most: int = 100) -> None:
        self.asked: list[tuple[str, list[int]]] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.begun = asyncio.Event()
        self.fails = False
        self.reads: Gathering[str, int, str] = Gathering(self._read, most)

    async def _read(self, group: str, asks: Sequence[int]) -> list[str]:
        self.asked.append((group, list(asks)))
        self.begun.set()
        await self.may_answer.wait()
        if self.fails:
            raise ConnectionError("gone")
        return [f"{group} {ask}" for ask in asks]

    def ask(self, ask: int, group: str = "a") -> "asyncio.Task[str]":
        return asyncio.create_task(self.reads.ask(group, ask))

    async def hold(self) -> "asyncio.Task[str]":
        """Have one read begun that does not end before `may_answer`."""
        self.may_answer.clear()
        first = self.ask(0)
        await self.begun.wait()
        return first


async def test_who_is_alone_reads_at_once_and_needs_nobody_for_it() -> None:
    source = Source()
    assert [await source.reads.ask("a", n) for n in range(2)] == ["a 0", "a 1"]
    assert source.asked == [("a", [0]), ("a", [1])]
    assert not source.reads.under_way


async def test_who_comes_while_a_read_is_under_way_is_answered_by_the_next_one() -> None:
    """The one under way may have begun before what they must see was committed."""
    source = Source()
    first = await source.hold()
    later = [source.ask(1), source.ask(2)]
    await asyncio.sleep(0)
    source.may_answer.set()
    assert await asyncio.gather(first, *later) == ["a 0", "a 1", "a 2"]
    assert source.asked == [("a", [0]), ("a", [1, 2])]


async def test_groups_neither_mix_nor_wait_for_each_other() -> None:
    source = Source()
    first = await source.hold()
    other = source.ask(7, "b")
    while ("b", [7]) not in source.asked:
        await asyncio.sleep(0)
    source.may_answer.set()
    assert await asyncio.gather(first, other) == ["a 0", "b 7"]


async def test_no_read_is_for_more_than_it_may_and_none_is_left_out() -> None:
    source = Source(most=3)
    asks = [await source.hold(), *(source.ask(n) for n in range(1, 9))]
    await asyncio.sleep(0)
    source.may_answer.set()
    assert await asyncio.gather(*asks) == [f"a {n}" for n in range(9)]
    assert [len(asks) for _, asks in source.asked] == [1, 3, 3, 2]


async def test_a_failed_read_fails_those_it_was_for_and_nobody_after_them() -> None:
    source = Source()
    first = await source.hold()
    with_it = source.ask(1)
    await asyncio.sleep(0)
    source.fails = True
    source.may_answer.set()
    found = await asyncio.gather(first, with_it, return_exceptions=True)
    assert [type(one) for one in found] == [ConnectionError, ConnectionError]
    source.fails = False
    assert await source.ask(2) == "a 2"


async def test_who_stops_waiting_takes_nothing_from_the_others() -> None:
    source = Source()
    first = await source.hold()
    leaving, staying = source.ask(1), source.ask(2)
    await asyncio.sleep(0)
    first.cancel()
    leaving.cancel()
    source.may_answer.set()
    assert await staying == "a 2"
    with pytest.raises(asyncio.CancelledError):
        await leaving


async def test_when_the_program_ends_nobody_is_left_waiting() -> None:
    source = Source()
    first = await source.hold()
    second = source.ask(1)
    await asyncio.sleep(0)
    first.cancel()
    while ("a", [1]) not in source.asked:
        await asyncio.sleep(0)
    (reading,) = source.reads.under_way
    reading.cancel()
    found = await asyncio.gather(first, second, return_exceptions=True)
    assert [type(one) for one in found] == [asyncio.CancelledError, asyncio.CancelledError]
    source.may_answer.set()
    assert await source.ask(3) == "a 3"


async def test_for_those_who_have_all_left_nothing_is_read() -> None:
    source = Source()
    asks = [await source.hold(), source.ask(1), source.ask(2)]
    await asyncio.sleep(0)
    for one in asks:
        one.cancel()
    found = await asyncio.gather(*asks, return_exceptions=True)
    assert [type(one) for one in found] == [asyncio.CancelledError] * 3
    source.may_answer.set()
    assert await source.ask(3) == "a 3"
    assert source.asked == [("a", [0]), ("a", [3])]
