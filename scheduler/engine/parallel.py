"""A large day searched by territory, each in a process of its own, and then as a whole.

The processes are forks: they share the travel matrix, which is most of the memory, and the compiled code.
Territories are cut the same way for the same problem, so that a run can be told its steps again, in one
process and one territory after another.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection

from scheduler.engine.indexed import IndexedDay
from scheduler.engine.insertion import Draft
from scheduler.engine.search import BUILD, Found, run_from
from scheduler.engine.territories import Territory, territories
from scheduler.engine.timing import within
from scheduler.problem import Step

_SHARE = 0.7
"""Of the time, for the territories; the rest is for the whole, across their borders."""
_GRACE_S = 1.0
"""How much later than its territory's end an answer is waited for."""


@dataclass(frozen=True, slots=True)
class _Limit:
    """How far to search: by one of the three."""

    deadline: float | None = None
    iterations: int | None = None
    steps: tuple[Step, ...] | None = None


def search(
    day: IndexedDay,
    candidates: Sequence[int],
    *,
    start: Draft,
    deadline: float | None,
    iterations: int | None,
    steps: Sequence[Step] | None,
    seed: int,
    processes: int,
) -> Found:
    """Return the cheapest plan found as `engine.search.search` does, on several cores.

    Where a process ends without an answer its territory stays as it was in `start`. Steps that were
    taken by territories say so, and how many there were: `processes` is then not looked at.
    """
    if steps is not None:
        processes = 1 + max((each.territory for each in steps), default=-1)
    parts = territories(day, candidates, start, processes) if processes > 1 else []
    merged, done = start, []
    if len(parts) > 1:
        found = _found(day, parts, start, _limits(parts, deadline, iterations, steps), seed)
        merged = _merged(day, parts, start, found)
        for number, each in enumerate(found):
            # Every territory has a step, so that whoever is told them again knows how many there were.
            taken = each.steps if each is not None and each.steps else (Step(0, BUILD),)
            done += [replace(step, territory=number) for step in taken]
    run = run_from(day, candidates, merged, seed)
    if steps is not None:
        for step in steps:
            if step.territory < 0:
                run.step(step)
    else:
        run.build(deadline)
        cooled = _SHARE if done else 0.0
        if deadline is not None:
            run.until(deadline, cooled=cooled)
        else:
            run.iterate(max(1, round((iterations or 1) * (1 - cooled))), cooled=cooled)
    whole = run.found()
    return replace(whole, steps=(*done, *whole.steps))


def _limits(
    parts: list[Territory],
    deadline: float | None,
    iterations: int | None,
    steps: Sequence[Step] | None,
) -> list[_Limit]:
    if steps is not None:
        return [
            _Limit(steps=tuple(step for step in steps if step.territory == number))
            for number in range(len(parts))
        ]
    if deadline is not None:
        now = time.monotonic()
        return [_Limit(deadline=now + (deadline - now) * _SHARE)] * len(parts)
    visits = sum(len(part.visits) for part in parts)
    return [
        _Limit(iterations=round((iterations or 1) * _SHARE * len(part.visits) / max(1, visits)))
        for part in parts
    ]


def _found(
    day: IndexedDay, parts: list[Territory], start: Draft, limits: list[_Limit], seed: int
) -> list[Found | None]:
    """Return what is found in each territory: the first here, the others beside it where there is a clock."""
    if limits[0].deadline is None:
        return [
            _search_one(day, part, start, limit, seed + number)
            for number, (part, limit) in enumerate(zip(parts, limits, strict=True))
        ]
    forks = multiprocessing.get_context("fork")
    others = []
    for number in range(1, len(parts)):
        here, there = forks.Pipe(duplex=False)
        process = forks.Process(
            target=_answer,
            args=(there, day, parts[number], start, limits[number], seed + number),
            daemon=True,
        )
        process.start()
        there.close()
        others.append((here, process))
    found: list[Found | None] = [_search_one(day, parts[0], start, limits[0], seed)]
    for here, process in others:
        try:
            found.append(here.recv() if here.poll(_GRACE_S) else None)
        except EOFError:
            found.append(None)
        process.kill()
        process.join()
        process.close()
        here.close()
    return found


def _answer(
    there: Connection, day: IndexedDay, part: Territory, start: Draft, limit: _Limit, seed: int
) -> None:
    there.send(_search_one(day, part, start, limit, seed))
    there.close()


def _search_one(day: IndexedDay, part: Territory, start: Draft, limit: _Limit, seed: int) -> Found:
    elsewhere = set(range(len(day.shifts))) - set(part.shifts)
    run = run_from(day, part.visits, start.copy(), seed, elsewhere)
    if limit.steps is not None:
        for step in limit.steps:
            run.step(step)
    elif limit.deadline is not None:
        run.build(limit.deadline)
        run.until(limit.deadline)
    else:
        run.build(None)
        run.iterate(max(1, limit.iterations or 1))
    return run.found()


def _merged(
    day: IndexedDay, parts: list[Territory], start: Draft, found: list[Found | None]
) -> Draft:
    """Return one draft of all territories; one that has no answer stays as it was."""
    held = dict(start.held)
    for each in found:
        if each is not None:
            held |= {visit: within(day.starts[visit], to) for visit, to in each.bounds.items()}
    merged = Draft(day, held)
    for part, each in zip(parts, found, strict=True):
        for number in part.shifts:
            if each is None:
                timed = start.timed[number]
                order, items = start.orders[number], None if timed is None else timed.items
            else:
                order, items = each.orders[number], each.items[number]
            if order:
                merged.set_order(number, order, items)
    return merged
