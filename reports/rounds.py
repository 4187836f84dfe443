"""Several figures side by side: what all of them wait for goes to the database as one statement.

A figure asks for rows, reads them, and may ask again. Figures that are asked for together do so in rounds:
when each of them waits or has ended, what they wait for is sent at once. Statements that begin with the same
parts share these, as branches of a tree share its trunk, and what is asked twice is asked once.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from string import Template
from typing import Any, TypeVar

from fsm.database import Session, run

Given = TypeVar("Given")
Part = tuple[str, str]
"""A name, and all that stands after it: `as (select …)`."""

_PLACE = "rounds"
_NAMED = re.compile(r"(?<![:\w\\]):(\w+)(?!:)")


async def side_by_side(
    session: Session, works: Sequence[Callable[[], Awaitable[Given]]], *, is_joined: bool
) -> list[Given]:
    """Return what each of the works gives; they ask the database through `ask` and `alone` only.

    Unless `is_joined`, each statement goes by itself: what reads years of work should let go of one figure's
    memory before it takes the next one's.
    """
    if len(works) == 1:
        return [await works[0]()]
    rounds = session.info[_PLACE] = _Rounds(session, len(works), is_joined)
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(rounds.play(work)) for work in works]
    except BaseExceptionGroup as errors:
        raise _first(errors) from None
    finally:
        del session.info[_PLACE]
    return [task.result() for task in tasks]


async def ask(
    session: Session, parts: Sequence[Part], body: str, values: dict[str, Any]
) -> list[Any]:
    """Return the rows of one statement; several at once where figures are asked for side by side."""
    rounds = session.info.get(_PLACE)
    if rounds is None:
        return list(await run(session, written(parts, body), **values))
    return list(await rounds.ask(parts, body, values))


def is_joined(session: Session) -> bool:
    """Return whether what figures wait for goes as one statement, whose plan is made for any values."""
    rounds = session.info.get(_PLACE)
    return rounds is not None and bool(rounds.is_joined)


async def at_once(session: Session, *works: Callable[[], Awaitable[Any]]) -> list[Any]:
    """Return what each of a figure's own works gives; beside other figures, they wait in one round."""
    rounds = session.info.get(_PLACE)
    if rounds is None:
        return [await work() for work in works]
    return list(await rounds.divide(works))


@asynccontextmanager
async def alone(session: Session) -> AsyncIterator[None]:
    """Let nobody else ask meanwhile: for what is asked otherwise than by `ask`."""
    rounds = session.info.get(_PLACE)
    if rounds is None:
        yield
        return
    async with rounds.turn:
        yield


def filled(body: str, **texts: str) -> str:
    """Return SQL whose `$word`s are filled; few ways of filling it are ever asked for, and each is kept."""
    return _filled(body, tuple(texts.items()))


@lru_cache(maxsize=1024)
def _filled(body: str, texts: tuple[tuple[str, str], ...]) -> str:
    return Template(body).substitute(dict(texts))


def written(parts: Sequence[Part], body: str) -> str:
    """Return the text of one statement."""
    if not parts:
        return body
    return "with recursive " + ",\n".join(f"{name} {text}" for name, text in parts) + "\n" + body


@dataclass(slots=True)
class _Asked:
    """One statement, and how many wait for its rows."""

    parts: tuple[Part, ...]
    body: str
    values: dict[str, Any]
    rows: "asyncio.Future[list[Any]]"
    waiters: int = 0


@dataclass(slots=True)
class _Branch:
    """What follows the same parts: more of them, by name and text, and the statements that end here."""

    branches: dict[Part, "_Branch"] = field(default_factory=dict)
    ends: list[tuple[int, str]] = field(default_factory=list)


class _Rounds:
    def __init__(self, session: Session, players: int, is_joined: bool) -> None:
        self.turn = asyncio.Lock()
        self._session = session
        self._players = players
        self.is_joined = is_joined
        self._waiting: list[_Asked] = []
        self._known: dict[tuple[tuple[Part, ...], str], list[_Asked]] = {}

    async def play(self, work: Callable[[], Awaitable[Given]]) -> Given:
        given = await work()
        self._players -= 1
        await self._send_if_all_wait()
        return given

    async def divide(self, works: Sequence[Callable[[], Awaitable[Any]]]) -> list[Any]:
        """Let the works of one player play in its place; the last one to end gives it back."""
        left = len(works)
        self._players += left - 1

        async def play(work: Callable[[], Awaitable[Any]]) -> Any:
            nonlocal left
            given = await work()
            left -= 1
            if left:
                self._players -= 1
                await self._send_if_all_wait()
            return given

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(play(work)) for work in works]
        return [task.result() for task in tasks]

    async def ask(self, parts: Sequence[Part], body: str, values: dict[str, Any]) -> list[Any]:
        alike = self._known.setdefault((tuple(parts), body), [])
        asked = next((each for each in alike if each.values == values), None)
        if asked is None:
            rows = asyncio.get_running_loop().create_future()
            asked = _Asked(tuple(parts), body, values, rows)
            alike.append(asked)
            self._waiting.append(asked)
        if not asked.rows.done():
            asked.waiters += 1
            self._players -= 1
            await self._send_if_all_wait()
        return await asyncio.shield(asked.rows)

    async def _send_if_all_wait(self) -> None:
        """Send what is waited for once nobody is left who could wait for more."""
        if self._players or not self._waiting:
            return
        sent, self._waiting = self._waiting, []
        found = await (self._joined(sent) if self.is_joined else self._one_by_one(sent))
        self._players += sum(each.waiters for each in sent)
        for each, rows in zip(sent, found, strict=True):
            each.rows.set_result(rows)

    async def _one_by_one(self, sent: Sequence[_Asked]) -> list[list[Any]]:
        return [
            list(await run(self._session, written(each.parts, each.body), **each.values))
            for each in sent
        ]

    async def _joined(self, sent: Sequence[_Asked]) -> list[list[Any]]:
        if len(sent) == 1:
            return await self._one_by_one(sent)
        text, values = together([(each.parts, each.body, each.values) for each in sent])
        found: list[list[Any]] = [[] for _ in sent]
        rows: Any = await run(self._session, text, **values)
        for number, row in rows:
            found[number].append(row)
        return found


def together(
    asked: Sequence[tuple[Sequence[Part], str, dict[str, Any]]],
) -> tuple[str, dict[str, Any]]:
    """Return one statement whose rows are (number, row) of all of them, and its values."""
    values: dict[str, Any] = {}
    trunk = _Branch()
    for number, (parts, body, own) in enumerate(asked):
        names = {name: _name_for(values, name, value) for name, value in own.items()}
        renamed = {name: other for name, other in names.items() if name != other}
        branch = trunk
        for name, text in parts:
            part = name, _with_names(text, renamed)
            branch = branch.branches.setdefault(part, _Branch())
        branch.ends.append((number, _with_names(body, renamed)))
    return _grown(trunk), values


def _name_for(values: dict[str, Any], name: str, value: object) -> str:
    """Return under which name the value is given: its own, unless another one's value has that."""
    other, count = name, 1
    while other in values and values[other] != value:
        count += 1
        other = f"{name}_{count}"
    values[other] = value
    return other


def _with_names(text: str, renamed: dict[str, str]) -> str:
    return _renamed(text, tuple(renamed.items())) if renamed else text


@lru_cache(maxsize=1024)
def _renamed(text: str, names: tuple[tuple[str, str], ...]) -> str:
    renamed = dict(names)
    return _NAMED.sub(lambda found: ":" + renamed.get(found[1], found[1]), text)


def _grown(branch: _Branch) -> str:
    """Return the SQL of all that ends on a branch and beyond."""
    found = [_END.format(number=number, body=body) for number, body in branch.ends]
    for part, next_branch in branch.branches.items():
        parts = [part]
        while not next_branch.ends and len(next_branch.branches) == 1:
            ((part, next_branch),) = next_branch.branches.items()
            parts.append(part)
        found.append(_FURTHER.format(body=written(parts, _grown(next_branch))))
    return "\nunion all\n".join(found)


_END = """select {number} as number, row(x.*) as found from (
{body}
) x"""

_FURTHER = """select y.number, y.found from (
{body}
) y"""


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
