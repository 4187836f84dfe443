"""Travel over real roads, from an OSRM server's `/table`: in blocks, remembered, never waited for long.

A router that is late, down or talks nonsense is replaced by the straight line's estimate, which the plan
says; after that it is left alone for a minute, so that nobody waits for it again and again. Legs that the
router cannot answer (a place far from its roads, no way between two) are estimated one by one.
"""

import asyncio
import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Final

import httpx
import msgspec
import numpy as np
import numpy.typing as npt

from scheduler.travel import Geodesic, Travel, TravelProvider

log = logging.getLogger("scheduler.osrm")

PLACES_AT_ONCE: Final = 100
"""The most coordinates of one request: what osrm-routed takes unless its operator raises it."""

TIMEOUT_S: Final = 5.0
"""How long all requests of one matrix may take together, and how long their turn is waited for before."""

REST_S: Final = 60.0
"""How long a router that has failed is left alone."""

KEPT_S: Final = 6 * 3_600.0
"""How long answers are believed where the map has no version of its own."""

MOST_CELLS: Final = 2_000
"""Cells remembered: two matrices of 16 MB."""

FARTHEST_SNAP_M: Final = 2_000.0
"""A place farther from the nearest road than this is not on the map."""

_CELL: Final = 1e4
"""Cells in a degree: about 11 m from north to south."""
_AT_A_TIME: Final = 4
_UNKNOWN: Final = -1
_UNREACHABLE: Final = -2

Matrix = npt.NDArray[np.int32]
Cell = tuple[int, int]


class RouterFailed(Exception):
    """The router cannot be relied on just now; `note` says why, for the plan."""

    def __init__(self, note: str, why: str) -> None:
        super().__init__(why)
        self.note = note


class _Waypoint(msgspec.Struct):
    distance: float = 0.0


class _Table(msgspec.Struct):
    """What is read of an answer; everything else in it is passed over."""

    code: str
    durations: list[list[float | None]] = []
    distances: list[list[float | None]] = []
    sources: list[_Waypoint | None] = []
    destinations: list[_Waypoint | None] = []
    data_version: str = ""


@dataclass(slots=True)
class _Memory:
    """Answers by cell: a matrix that grows, and gives up the cell used longest ago when it is full."""

    version: str | None = None
    believed_until: float = 0.0
    rows: dict[Cell, int] = field(default_factory=dict)
    seconds: Matrix = field(default_factory=lambda: np.full((64, 64), _UNKNOWN, dtype=np.int32))
    metres: Matrix = field(default_factory=lambda: np.full((64, 64), _UNKNOWN, dtype=np.int32))

    def take_in(self, cells: Sequence[Cell]) -> npt.NDArray[np.intp]:
        """Return the row of each cell, the last used last; all of them stay while they are asked for."""
        for cell in dict.fromkeys(cells):
            row = self.rows.pop(cell, None)
            self.rows[cell] = self._free_row() if row is None else row
        return np.array([self.rows[cell] for cell in cells], dtype=np.intp)

    def _free_row(self) -> int:
        count = len(self.rows)
        if count >= MOST_CELLS:
            row = self.rows.pop(next(iter(self.rows)))
            for matrix in (self.seconds, self.metres):
                matrix[row, :] = matrix[:, row] = _UNKNOWN
            return row
        if count >= len(self.seconds):
            self.seconds, self.metres = _grown(self.seconds), _grown(self.metres)
        return count

    def forget(self) -> None:
        self.rows.clear()
        self.seconds.fill(_UNKNOWN)
        self.metres.fill(_UNKNOWN)


def _grown(matrix: Matrix) -> Matrix:
    size = min(2 * len(matrix), MOST_CELLS)
    larger = np.full((size, size), _UNKNOWN, dtype=np.int32)
    larger[: len(matrix), : len(matrix)] = matrix
    return larger


class Osrm:
    """A `TravelProvider` before another one, which answers where the router does not.

    A road map knows no hours of the day: the router's times are those of free roads at every hour, unless
    its operator's speeds say otherwise, and one memory serves all hours.
    """

    def __init__(
        self,
        url: str,
        fallback: TravelProvider | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        rest_s: float = REST_S,
    ) -> None:
        self.url = url.rstrip("/")
        self.fallback = fallback or Geodesic()
        self.requests = 0
        self._timeout_s, self._rest_s = timeout_s, rest_s
        self._memory = _Memory()
        self._turn = asyncio.Lock()
        self._rests_until = 0.0
        self._rest_note = ""

    def before(self, fallback: TravelProvider) -> "TravelProvider":
        """Return this router with another provider behind it: a company's own roads."""
        return _Before(self, fallback)

    async def travel(self, places: npt.NDArray[np.float64], hour: int | None = None) -> Travel:
        return await self.improve(await self.fallback.travel(places, hour), places)

    async def improve(self, estimated: Travel, places: npt.NDArray[np.float64]) -> Travel:
        """Return an estimate with the router's answers in its place, or with a note why they are not."""
        count = len(places)
        if count < 2:
            return estimated
        if time.monotonic() < self._rests_until:
            return _with_note(estimated, self._rest_note)
        if count > MOST_CELLS:
            return _with_note(estimated, "router_too_many_places")
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._turn.acquire()  # another's cells must not push out ours meanwhile
        except TimeoutError:
            # Others' questions are in front of ours: nothing is known against the router.
            return _with_note(estimated, "router_busy")
        try:
            return await self._in_turn(estimated, places)
        finally:
            self._turn.release()

    async def _in_turn(self, estimated: Travel, places: npt.NDArray[np.float64]) -> Travel:
        if time.monotonic() < self._rests_until:  # it failed those in front of us
            return _with_note(estimated, self._rest_note)
        try:
            async with asyncio.timeout(self._timeout_s):
                seconds, metres = await self._matrices(np.asarray(places, dtype=np.float64))
        except TimeoutError:
            return self._give_up(estimated, RouterFailed("router_late", "no answer in time"))
        except RouterFailed as failure:
            return self._give_up(estimated, failure)
        is_gap = seconds < 0
        gaps = int(np.count_nonzero(is_gap))
        both = replace(
            estimated,
            seconds=np.where(is_gap, estimated.seconds, seconds).astype(np.int32),
            metres=np.where(is_gap, estimated.metres, metres).astype(np.int32),
            source="osrm",
        )
        return _with_note(both, f"router_gaps:{gaps}") if gaps else both

    def _give_up(self, estimated: Travel, failure: RouterFailed) -> Travel:
        log.warning("the router failed: %s", failure)
        self._rests_until = time.monotonic() + self._rest_s
        self._rest_note = failure.note
        return _with_note(estimated, failure.note)

    async def _matrices(self, places: npt.NDArray[np.float64]) -> tuple[Matrix, Matrix]:
        """Return seconds and metres, shape (n, n); what the router cannot answer is negative."""
        memory = self._memory
        if time.monotonic() >= memory.believed_until:
            memory.forget()
            memory.believed_until = time.monotonic() + KEPT_S
        cells: list[Cell] = [(int(a), int(b)) for a, b in np.rint(places * _CELL).astype(np.int64)]
        rows = memory.take_in(cells)
        await self._fetch(dict(zip(cells, rows.tolist(), strict=True)))
        seconds, metres = memory.seconds[np.ix_(rows, rows)], memory.metres[np.ix_(rows, rows)]
        np.fill_diagonal(seconds, 0)
        np.fill_diagonal(metres, 0)
        return seconds, metres

    async def _fetch(self, wanted: dict[Cell, int]) -> None:
        """Ask for the blocks in which anything is unknown, some at a time."""
        cells = list(wanted)
        size = PLACES_AT_ONCE if len(cells) <= PLACES_AT_ONCE else PLACES_AT_ONCE // 2
        blocks = [cells[first : first + size] for first in range(0, len(cells), size)]
        unknown = [
            (sources, targets)
            for sources in blocks
            for targets in blocks
            if self._lacks([wanted[one] for one in sources], [wanted[one] for one in targets])
        ]
        if not unknown:
            return
        gate = asyncio.Semaphore(_AT_A_TIME)
        async with httpx.AsyncClient(timeout=self._timeout_s, trust_env=False) as client:

            async def ask(sources: list[Cell], targets: list[Cell]) -> None:
                async with gate:
                    table = await self._ask(client, sources, targets)
                self._keep(
                    table, [wanted[one] for one in sources], [wanted[one] for one in targets]
                )

            await _all(ask(sources, targets) for sources, targets in unknown)

    def _lacks(self, sources: list[int], targets: list[int]) -> bool:
        block = self._memory.seconds[np.ix_(sources, targets)].copy()
        same = np.equal.outer(sources, targets)
        return bool(np.any((block == _UNKNOWN) & ~same))

    async def _ask(
        self, client: httpx.AsyncClient, sources: list[Cell], targets: list[Cell]
    ) -> _Table:
        coordinates = sources if sources == targets else [*sources, *targets]
        path = ";".join(f"{b / _CELL:.4f},{a / _CELL:.4f}" for a, b in coordinates)
        params = {"annotations": "duration,distance"}
        if coordinates is not sources:
            count = len(sources)
            params["sources"] = ";".join(map(str, range(count)))
            params["destinations"] = ";".join(map(str, range(count, len(coordinates))))
        self.requests += 1
        try:
            answer = await client.get(f"{self.url}/table/v1/driving/{path}", params=params)
            table = msgspec.json.decode(answer.content, type=_Table)
        except httpx.TimeoutException as error:
            raise RouterFailed("router_late", repr(error)) from error
        except httpx.HTTPError as error:
            raise RouterFailed("router_down", repr(error)) from error
        except msgspec.MsgspecError as error:
            raise RouterFailed("router_unreadable", str(error)) from error
        if table.code != "Ok":
            raise RouterFailed("router_refused", f"{answer.status_code} {table.code[:60]}")
        shapes = {
            (len(matrix), *{len(row) for row in matrix})
            for matrix in (table.durations, table.distances)
        }
        if shapes != {(len(sources), len(targets))}:
            raise RouterFailed("router_unreadable", f"a table of another shape: {shapes}")
        return table

    def _keep(self, table: _Table, sources: list[int], targets: list[int]) -> None:
        memory = self._memory
        if memory.version is not None and table.data_version != memory.version:
            # A new map: what is remembered of the old one would be mixed with it.
            memory.believed_until = 0.0
            memory.version = None
            raise RouterFailed("router_map_changed", "the map was replaced during a question")
        memory.version = table.data_version
        off_map = np.logical_or.outer(
            [_is_off(one) for one in table.sources], [_is_off(one) for one in table.destinations]
        )
        for matrix, values in ((memory.seconds, table.durations), (memory.metres, table.distances)):
            found = np.array(values, dtype=np.float64)  # null is nan
            whole = np.where(np.isnan(found) | off_map, _UNREACHABLE, np.rint(found))
            matrix[np.ix_(sources, targets)] = np.clip(whole, _UNREACHABLE, 2**31 - 1)


def _is_off(waypoint: _Waypoint | None) -> bool:
    return waypoint is None or waypoint.distance > FARTHEST_SNAP_M


async def _all(work: Iterable[Any]) -> None:
    """Do everything at once; the first that fails ends the others and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            for one in work:
                group.create_task(one)
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None


def _with_note(travel: Travel, note: str) -> Travel:
    return replace(travel, notes=(*travel.notes, note))


@dataclass(frozen=True, slots=True)
class _Before:
    """A router that companies share, before the roads of one of them."""

    router: Osrm
    fallback: TravelProvider

    async def travel(self, places: npt.NDArray[np.float64], hour: int | None = None) -> Travel:
        return await self.router.improve(await self.fallback.travel(places, hour), places)


@cache
def memory_of(url: str, purpose: str = "plans", timeout_s: float = TIMEOUT_S) -> Osrm:
    """Return this process's router at an address: what it has learnt serves everybody with that purpose."""
    return Osrm(url, timeout_s=timeout_s)
