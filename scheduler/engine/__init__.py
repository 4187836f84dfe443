"""Engines: a problem in, a plan out. Pure; the clock is read only to keep the time limit."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence

from scheduler.engine.assembly import assemble, unsearched
from scheduler.engine.indexed import IndexedDay
from scheduler.engine.insertion import Draft, fits_an_empty_shift
from scheduler.engine.timing import Items
from scheduler.problem import DayProblem, Plan, Step

ENGINES = ("search", "or-tools")

_SECONDS = 10.0
_SEARCH_SHARE = 0.95
"""What is left is for the referee and the reasons."""
_FIRST_SOLUTION_SHARE = 0.4
"""A first solution that would take more of the time left is not begun: nothing stops it."""


def plan_day(
    problem: DayProblem,
    *,
    seconds: float | None = None,
    iterations: int | None = None,
    seed: int = 0,
    steps: Sequence[Step] | None = None,
    published: Plan | None = None,
    engine: str = "or-tools",
) -> Plan:
    """Return a plan of `problem` that keeps all its rules.

    Give `seconds` of wall clock (10 unless told), or `iterations`, which need no clock: the same input
    then gives the same plan. `published` is the plan in force: the search starts from it and changes
    are priced; the plan then answers `problem.with_published(published)`.

    `search` is ruin and recreate. Its plans carry the `steps` it took: told them again, with the same
    seed, it makes the same plan to the byte, whatever clock it had then.

    `or-tools` is guided local search; `iterations` makes it a descent that ends after that many
    improving solutions or where none is left. A plan is first built by insertion; the search's is
    taken where it is cheaper. A day too large for the first solution of OR-Tools to come in time is
    planned by insertion alone, and says so.

    A visit that fits no shift, or carries a condition this engine cannot keep, never empties the
    plan: it is left out before the search and named with its cause. Raises `ProblemInvalid` where
    the problem contradicts itself, `ValueError` for an engine or a limit that does not exist.
    """
    began = time.monotonic()
    if engine not in ENGINES:
        raise ValueError(f"There is no engine {engine!r}; there is: {', '.join(ENGINES)}.")
    if sum(limit is not None for limit in (seconds, iterations, steps)) > 1:
        raise ValueError(
            "A run is limited by seconds, by iterations or by steps, not by two of them."
        )
    if steps is not None and engine != "search":
        raise ValueError(f"The engine {engine!r} cannot be told its steps.")
    if (seconds is not None and seconds <= 0) or (iterations is not None and iterations < 1):
        raise ValueError("A limit is above zero.")
    deadline = None
    if iterations is None and steps is None:
        deadline = began + (_SECONDS if seconds is None else seconds) * _SEARCH_SHARE
    if published is not None:
        problem = problem.with_published(published)
    problem.validate()
    day = IndexedDay(problem)
    candidates, impossible = _sorted_out(day)
    built = _in_force(day, candidates)
    if engine == "search":
        from scheduler.engine.search import search  # brings numba

        found = search(
            day,
            candidates,
            start=built,
            deadline=deadline,
            iterations=iterations,
            steps=steps,
            seed=seed,
        )
        draft, done = _timed(day, found.orders, found.items), found.steps
        notes = unsearched(day, engine)
    else:
        draft, notes = _routed(day, candidates, built, deadline, iterations, seed)
        done = ()
    return assemble(draft, impossible=impossible, engine=engine, seed=seed, notes=notes, steps=done)


def _timed(day: IndexedDay, orders: list[list[int]], items: list[Items | None]) -> Draft:
    """Return a draft of these orders, each timed as the search did or better."""
    draft = Draft(day)
    for number, (order, known) in enumerate(zip(orders, items, strict=True)):
        if order:
            draft.set_order(number, order, known)
    return draft


def _routed(
    day: IndexedDay,
    candidates: list[int],
    built: Draft,
    deadline: float | None,
    iterations: int | None,
    seed: int,
) -> tuple[Draft, tuple[str, ...]]:
    """Return what OR-Tools finds or insertion built, whichever is cheaper, and notes on it."""
    _fill(built, candidates, deadline)

    from scheduler.engine import routing  # brings OR-Tools, which takes a while to import

    notes = unsearched(day, "or-tools")
    left = math.inf if deadline is None else deadline - time.monotonic()
    if routing.first_solution_s(day, candidates) > left * _FIRST_SOLUTION_SHARE:
        return built, (*notes, "too_large_to_search")
    orders = routing.search(
        day, candidates, start=built, deadline=deadline, iterations=iterations, seed=seed
    )
    if orders is None:
        return built, (*notes, "search_found_nothing")
    found = _kept(day, orders)
    _fill(found, candidates, deadline)
    return min(found, built, key=_price), notes


def _price(draft: Draft) -> tuple[int, int]:
    """Return what to choose a plan by: first that decisions are kept, then its cost."""
    day, planned = draft.day, draft.planned()
    out = [number for number in range(len(day.visits)) if number not in planned]
    cost = sum(draft.cost_of(number) for number in range(len(day.shifts)))
    return sum(day.is_kept(number) for number in out), cost + sum(day.drop[n] for n in out)


def _sorted_out(day: IndexedDay) -> tuple[list[int], list[int]]:
    """Return the visits to search for, and those that fit no shift even on an empty day."""
    candidates: list[int] = []
    impossible: list[int] = []
    for number in range(len(day.visits)):
        if number in day.unsupported:
            continue
        (candidates if fits_an_empty_shift(day, number) else impossible).append(number)
    return candidates, impossible


def _in_force(day: IndexedDay, candidates: Iterable[int]) -> Draft:
    """Return the published plan as far as it can still be kept, fixed beginnings first."""
    allowed = set(candidates)
    prefixes = [[day.visit_no[each] for each in shift.prefix] for shift in day.shifts]
    fixed = {visit for prefix in prefixes for visit in prefix}
    # A beginning is kept whole or the shift stays empty.
    orders = [prefix if allowed.issuperset(prefix) else [] for prefix in prefixes]
    shift_of = {(shift.technician, shift.day): number for number, shift in enumerate(day.shifts)}
    for each in sorted(day.problem.published, key=lambda each: (each.start, each.visit)):
        number, shift = day.visit_no[each.visit], shift_of.get((each.technician, each.day))
        if shift is None or number not in allowed or number in fixed:
            continue
        if day.able[shift, number] and len(orders[shift]) >= len(prefixes[shift]):
            orders[shift].append(number)
    return _kept(day, orders)


def _kept(day: IndexedDay, orders: list[list[int]]) -> Draft:
    """Return a draft of these orders; from a route that keeps no timetable the cheapest visits go."""
    draft = Draft(day)
    for number, wanted in enumerate(orders):
        order = list(wanted)
        while order and not draft.set_order(number, order):
            fixed = len(day.shifts[number].prefix)
            loose = [visit for visit in order[fixed:] if not day.is_kept(visit)] or order[fixed:]
            if not loose:
                break
            order.remove(min(loose, key=lambda visit: (day.drop[visit], visit)))
    return draft


def _fill(draft: Draft, candidates: Iterable[int], deadline: float | None) -> None:
    """Put visits that are still out where they cost less than leaving them out, dearest first."""
    day, planned = draft.day, draft.planned()
    out = [number for number in candidates if number not in planned]
    out.sort(key=lambda number: (not day.is_kept(number), -day.drop[number], number))
    for number in out:
        if deadline is not None and time.monotonic() > deadline:
            return
        place = draft.best_place(number)
        if place is not None and (place.delta < day.drop[number] or day.is_kept(number)):
            draft.insert(number, place)
