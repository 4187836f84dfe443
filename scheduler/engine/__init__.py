"""Engines: a problem in, a plan out. Pure; the clock is read only to keep the time limit."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from importlib.util import find_spec

from scheduler.engine.assembly import assemble, costs_of, unsearched
from scheduler.engine.crews import could_come, crews
from scheduler.engine.indexed import IndexedDay
from scheduler.engine.insertion import Draft, fits_an_empty_shift
from scheduler.engine.machine_code import is_warm
from scheduler.engine.timing import Items, Opened, within
from scheduler.engine.together import leave_out, leave_out_halves, put, settle
from scheduler.problem import DayProblem, Plan, Step

ENGINES = ("search", "or-tools", "auto")

NO_TIME = "no_time_to_plan"
"""Note of a plan whose clock had run out before anything could be put in."""

_SMALL_DAY = 60
"""Days with fewer visits are planned by OR-Tools unless told otherwise."""

_SECONDS = 10.0
_SEARCH_SHARE = 0.95
"""What is left is for the referee and the reasons."""
_FIRST_SOLUTION_SHARE = 0.4
"""A first solution that would take more of the time left is not begun: nothing stops it."""
_ROUNDS = 2
"""OR-Tools changes one visit at a time, so that a crew left out comes in between two runs of it."""
_ROUND_S = 2.0
"""The least such a run is begun for."""


def plan_day(
    problem: DayProblem,
    *,
    seconds: float | None = None,
    iterations: int | None = None,
    seed: int = 0,
    steps: Sequence[Step] | None = None,
    published: Plan | None = None,
    engine: str = "or-tools",
    processes: int = 1,
) -> Plan:
    """Return a plan of `problem` that keeps all its rules.

    Give `seconds` of wall clock (10 unless told), or `iterations`, which need no clock: the same input
    then gives the same plan. `published` is the plan in force: the search starts from it and changes
    are priced; the plan then answers `problem.with_published(published)`.

    `search` is ruin and recreate, by up to so many `processes` where the day is large: territory by
    territory for most of the time, then the whole. Its plans carry the `steps` it took: told them again,
    with the same seed, it makes the same plan to the byte, whatever clock it had then.

    `auto` is `engine_for` the problem; the plan says which it was.

    `or-tools` is guided local search; `iterations` makes it a descent that ends after that many
    improving solutions or where none is left. A plan is first built by insertion; the search's is
    taken where it is cheaper. A day too large for the first solution of OR-Tools to come in time is
    planned by insertion alone, and says so.

    A visit that fits no shift never empties the plan: it is left out before the search and named with
    its cause. Raises `ProblemInvalid` where
    the problem contradicts itself, `ValueError` for an engine or a limit that does not exist.
    """
    began = time.monotonic()
    if engine not in ENGINES:
        raise ValueError(f"There is no engine {engine!r}; there is: {', '.join(ENGINES)}.")
    if engine == "auto":
        engine = "search" if steps is not None else engine_for(problem)
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
    candidates, impossible = sorted_out(day)
    built = _in_force(day, candidates)
    if engine == "search":
        from scheduler.engine import parallel  # brings numba

        found = parallel.search(
            day,
            candidates,
            start=built,
            deadline=deadline,
            iterations=iterations,
            steps=steps,
            seed=seed,
            processes=processes,
        )
        held = {v: within(day.starts[v], bounds) for v, bounds in found.bounds.items()}
        draft, done = _timed(day, found.orders, found.items, held), found.steps
        notes = unsearched(day, engine)
    else:
        draft, notes = _routed(day, candidates, built, deadline, iterations, seed)
        done = ()
    if candidates and not draft.planned() and deadline is not None and time.monotonic() > deadline:
        notes = (*notes, NO_TIME)
    return assemble(draft, impossible=impossible, engine=engine, seed=seed, notes=notes, steps=done)


def engine_for(problem: DayProblem) -> str:
    """Return the engine to plan a day with where nobody chose.

    OR-Tools where the search is not compiled on this machine, since its first use would take minutes,
    and for small days without crews and links, in which the search finds more; else the search.
    """
    if find_spec("numba") is None:
        return "or-tools"
    linked = bool(problem.crews or problem.links)
    small = len(problem.visits) < _SMALL_DAY
    return "search" if is_warm() and (linked or not small) else "or-tools"


def _timed(
    day: IndexedDay, orders: list[list[int]], items: list[Items | None], held: Opened
) -> Draft:
    """Return a draft of these orders, each timed as the search did or better."""
    draft = Draft(day, held)
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
    _tie(built)
    _fill(built, candidates, deadline)

    from scheduler.engine import routing  # brings OR-Tools, which takes a while to import

    notes = unsearched(day, "or-tools")
    left = math.inf if deadline is None else deadline - time.monotonic()
    if routing.first_solution_s(day, candidates) > left * _FIRST_SOLUTION_SHARE:
        return built, (*notes, "too_large_to_search")
    best = built
    rounds = min(_ROUNDS, max(1, int(left / _ROUND_S))) if day.linked and deadline else 1
    for number in range(rounds):
        until = deadline
        if deadline is not None:
            now = time.monotonic()
            until = now + (deadline - now) / (rounds - number)
        orders = routing.search(
            day, candidates, start=best, deadline=until, iterations=iterations, seed=seed + number
        )
        if orders is None:
            return best, notes if number else (*notes, "search_found_nothing")
        found = _kept(day, orders)
        _tie(found)
        _fill(found, candidates, deadline)
        best = min(found, best, key=_price)
    return best, notes


def _price(draft: Draft) -> tuple[int, int]:
    """Return what to choose a plan by: first that decisions are kept, then its cost."""
    day, planned = draft.day, draft.planned()
    out = [number for number in range(len(day.visits)) if number not in planned]
    routes = [timed for timed in draft.timed if timed is not None]
    return sum(day.is_kept(number) for number in out), costs_of(day, routes, out).total


def sorted_out(day: IndexedDay) -> tuple[list[int], list[int]]:
    """Return the visits to search for, and those that fit no shift even on an empty day.

    Of a crew for which there are too few people no leg is possible.
    """
    candidates: list[int] = []
    impossible: list[int] = []
    for number in range(len(day.visits)):
        (candidates if fits_an_empty_shift(day, number) else impossible).append(number)
    for crew in crews(day):
        if not set(impossible) & set(crew) and could_come(day, crew) < len(crew):
            impossible += crew
    return _with_partners(day, candidates, impossible)


def _with_partners(
    day: IndexedDay, candidates: list[int], impossible: list[int]
) -> tuple[list[int], list[int]]:
    """Take what may not be planned without impossible visits with them."""
    never = set(impossible)
    while True:
        drawn = {
            visit
            for visit, ties in day.ties.items()
            if visit not in never and any(tie.together and tie.other in never for tie in ties)
        }
        if not drawn:
            return [each for each in candidates if each not in never], sorted(never)
        never |= drawn


def _in_force(day: IndexedDay, candidates: Iterable[int]) -> Draft:
    """Return the published plan as far as it can still be kept, fixed beginnings first."""
    allowed = set(candidates)
    prefixes = [[day.visit_no[each] for each in shift.prefix] for shift in day.shifts]
    fixed = {visit for prefix in prefixes for visit in prefix}
    # A beginning is kept whole or the shift stays empty.
    orders = [prefix if allowed.issuperset(prefix) else [] for prefix in prefixes]
    for each in sorted(day.problem.published, key=lambda each: (each.start, each.visit)):
        number, shift = (
            day.visit_no[each.visit],
            day.shift_at(each.technician, each.day, each.start),
        )
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


def _tie(draft: Draft) -> None:
    """Time visits that depend on each other together; where they cannot be, or not whole, they go."""
    day = draft.day
    if not settle(draft):
        fixed = {day.visit_no[each] for shift in day.shifts for each in shift.prefix}
        leave_out(draft, day.linked - fixed)
    leave_out_halves(draft)


def _fill(draft: Draft, candidates: Iterable[int], deadline: float | None) -> None:
    """Put visits that are still out where they cost less than leaving them out, dearest first."""
    day, planned = draft.day, draft.planned()
    out = [number for number in candidates if number not in planned]
    out.sort(key=lambda number: (not day.is_kept(number), -day.drop[number], number))
    dependent = day.linked & set(out)
    for number in out:
        if deadline is not None and time.monotonic() > deadline:
            return
        if number in dependent:
            put(draft, number, dependent)
            continue
        place = draft.best_place(number)
        if place is not None and (place.delta < day.drop[number] or day.is_kept(number)):
            draft.insert(number, place)
