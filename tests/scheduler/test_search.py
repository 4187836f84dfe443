"""The compiled search counts as the referee does, repeats itself when told its steps, and gets better."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numba.core.dispatcher import Dispatcher

from scheduler.checks import cost, violations
from scheduler.engine import engine_for, plan_day
from scheduler.engine.assembly import assemble
from scheduler.engine.books import enqueue, whole_cost
from scheduler.engine.columns import (
    COST,
    EVERYTHING,
    NEVER,
    NODE,
    PLAIN,
    STOPS,
    WITH_BREAKS,
    Profile,
)
from scheduler.engine.indexed import IndexedDay
from scheduler.engine.insertion import Draft, fits_an_empty_shift
from scheduler.engine.layout import layout
from scheduler.engine.places import best_place
from scheduler.engine.rides import begin_route
from scheduler.engine.search import Run, run_from, search, warm
from scheduler.engine.tails import exchange_tails
from scheduler.engine.territories import territories
from scheduler.engine.timing import as_arranged
from scheduler.problem import Crew, DayProblem, Pin, to_json
from tests.scheduler.busy import (
    TRAVEL_ALONE,
    from_one_depot,
    plain,
    with_breaks,
    with_depots,
    with_everything,
    with_links,
    with_overtime,
)
from tests.scheduler.days import HOUR, a_day, a_shift, a_visit

Added = Callable[[np.random.Generator, DayProblem], DayProblem]

KINDS: dict[str, tuple[Profile, tuple[Added, ...]]] = {
    "plain": (PLAIN, ()),
    "one depot": (PLAIN, (from_one_depot,)),
    "breaks": (WITH_BREAKS, (with_breaks,)),
    "everything": (EVERYTHING, (with_breaks, with_overtime, with_everything)),
    "depots": (EVERYTHING, (with_depots,)),
    "everything and depots": (
        EVERYTHING,
        (with_breaks, with_overtime, with_everything, with_depots),
    ),
}


def a_busy_day(kind: str, seed: int, days: int = 1) -> DayProblem:
    rng = np.random.default_rng(seed)
    day = plain(rng, days=days)
    for add in KINDS[kind][1]:
        day = add(rng, day)
    day.validate()
    return day


@pytest.mark.parametrize("kind", KINDS)
def test_the_search_counts_every_second_as_the_referee_does(kind: str) -> None:
    for seed in range(12):
        day = a_busy_day(kind, seed, days=1 + seed % 2)
        indexed = IndexedDay(day)
        everything = [
            number for number in range(len(day.visits)) if fits_an_empty_shift(indexed, number)
        ]
        assert layout(indexed, everything).profile == KINDS[kind][0]
        found = search(
            indexed,
            everything,
            start=Draft(indexed),
            deadline=None,
            iterations=400,
            steps=None,
            seed=seed,
        )
        draft = Draft(indexed)
        for number, items in enumerate(found.items):
            if items is not None:
                draft.orders[number] = found.orders[number]
                draft.timed[number] = as_arranged(indexed, number, items)
                assert draft.timed[number] is not None
        plan = assemble(draft, impossible=(), engine="search", seed=seed)
        assert violations(day, plan) == []
        impossible = set(range(len(day.visits))) - set(everything)
        left_aside = sum(indexed.drop[number] for number in impossible)
        assert found.cost + left_aside == cost(day, plan).total


@pytest.mark.parametrize("kind", KINDS)
def test_a_search_told_its_steps_makes_the_same_plan_to_the_byte(kind: str) -> None:
    day = a_busy_day(kind, 1)
    plan_day(day, iterations=1, engine="search")  # compiled before the clock runs
    first = plan_day(day, seconds=0.5, seed=7, engine="search")
    assert to_json(plan_day(day, steps=first.steps, seed=7, engine="search")) == to_json(first)


def test_what_people_decided_stays_while_everything_around_it_moves() -> None:
    day = a_busy_day("everything", 3)
    free = plan_day(day, iterations=300, engine="search")
    route = max(free.routes, key=lambda route: len(route.stops))
    done = [stop for stop in route.stops if stop.visit is not None]
    shift = next(shift for shift in day.shifts if shift.id == route.shift)
    begun, following = done[0], done[1]
    decided = replace(
        day,
        shifts=tuple(
            replace(each, prefix=(begun.visit, following.visit)) if each is shift else each
            for each in day.shifts
        ),
        pins=(
            Pin(begun.visit, shift.technician, begun.start, begun=True),
            Pin(done[-1].visit, shift.technician, done[-1].start),
        ),
    )
    plan = plan_day(decided, iterations=2_000, seed=3, engine="search")
    assert violations(decided, plan) == []
    (kept,) = (each for each in plan.routes if each.shift == route.shift)
    visits = [stop for stop in kept.stops if stop.visit is not None]
    assert [stop.visit for stop in visits[:2]] == [begun.visit, following.visit]
    assert done[-1].start in {stop.start for stop in visits if stop.visit == done[-1].visit}


def test_a_search_is_cheaper_than_the_plan_it_starts_from() -> None:
    day = a_busy_day("everything", 5)
    few = plan_day(day, iterations=1, engine="search")
    many = plan_day(day, iterations=4_000, engine="search", published=few)
    priced = day.with_published(few)
    assert violations(priced, many) == []
    assert many.costs.total < cost(priced, few).total


def test_nobody_waits_for_a_compiler_and_small_days_go_to_the_reference(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small = a_day((a_visit("a", 1), a_visit("b", 2)))
    linked = replace(small, crews=(Crew("a", "b"),))
    large = a_day(tuple(a_visit(f"v{number}", 1) for number in range(80)))
    monkeypatch.setattr("scheduler.engine.is_warm", lambda: True)
    assert [engine_for(day) for day in (small, linked, large)] == ["or-tools", "search", "search"]
    monkeypatch.setattr("scheduler.engine.is_warm", lambda: False)
    assert {engine_for(day) for day in (small, linked, large)} == {"or-tools"}


def test_a_longest_tour_is_kept_by_leaving_later_or_doing_less() -> None:
    first, last = a_visit("first", 1, duration_s=600), a_visit("last", 2, duration_s=600)
    apart = (
        replace(first, windows=((8 * HOUR, 12 * HOUR),)),
        replace(last, windows=((15 * HOUR, 15 * HOUR),)),
    )
    for engine in ("search", "or-tools"):
        short = a_day(apart, (a_shift(longest_s=4 * HOUR),))
        plan = plan_day(short, iterations=20, engine=engine)
        assert violations(short, plan) == []
        (route,) = plan.routes
        assert len(route.stops) == 2
        assert route.leave == 12 * HOUR - 600
        shorter = a_day(apart, (a_shift(longest_s=3 * HOUR),))
        assert len(plan_day(shorter, iterations=20, engine=engine).unplanned) == 1


TIMES: dict[str, tuple[Profile, int | None, int]] = {
    "plain": (PLAIN, None, 0),
    "breaks": (WITH_BREAKS, None, 0),
    "longest and waiting": (EVERYTHING, 5 * HOUR, 1_000),
    "breaks and longest": (EVERYTHING, 6 * HOUR, 0),
}
"""What a day asks of time: its profile, the longest tour, the price of waiting."""


@pytest.mark.parametrize("kind", TIMES)
def test_a_place_is_priced_as_the_route_with_the_visit_in_it(kind: str) -> None:
    profile, longest, waiting = TIMES[kind]
    compared = 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        day = plain(rng)
        if "breaks" in kind:
            day = with_breaks(rng, day)
        day = replace(
            day,
            shifts=tuple(replace(each, longest_s=longest) for each in day.shifts),
            visits=tuple(replace(each, parts=()) for each in day.visits),
            weights=replace(TRAVEL_ALONE, waiting_permille=waiting),
        )
        indexed = IndexedDay(day)
        candidates = [each for each in range(30) if fits_an_empty_shift(indexed, each)]
        run = run_from(indexed, candidates, Draft(indexed), seed)
        assert run.profile == profile
        run.build(None)
        for visit in candidates:
            shift = int(run.routes.shift_of[visit])
            if shift < 0:
                continue
            nodes = run.routes.row[shift, NODE, 1 : run.routes.sum[shift, STOPS] + 1].tolist()
            left = [each for each in nodes if each != visit]
            tried = [
                cost_of(run, shift, [*left[:at], visit, *left[at:]]) for at in range(len(nodes))
            ]
            less = cost_of(run, shift, left)
            price, _, _ = best_place(
                run.flat, run.routes, visit, run.work.shifts, shift, run.work.dice, 0.0, 0,
                run.profile,
            )  # fmt: skip
            assert price == min(tried) - less
            compared += len(left) > 1
            cost_of(run, shift, nodes)
    assert compared > 30


def cost_of(run: Run, shift: int, nodes: list[int]) -> int:
    """Return what a shift's route costs with these visits; `NEVER` where it breaks a rule."""
    order = np.array(nodes, np.int64)
    kept = begin_route(run.flat, run.routes, shift, order, run.profile)
    return int(run.routes.sum[shift, COST]) if kept else NEVER


def test_two_routes_from_one_depot_that_cross_exchange_their_ends() -> None:
    at = np.array((0, 600, 700, -600, -700))
    travel = np.abs(at[:, None] - at[None, :])
    visits = (
        a_visit("east", 1),
        a_visit("far east", 2),
        a_visit("west", 3),
        a_visit("far west", 4),
    )
    day = a_day(visits, (a_shift("ann"), a_shift("bob")), weights=TRAVEL_ALONE)
    indexed = IndexedDay(replace(day, travel_s=travel, travel_m=travel))
    crossed = Draft(indexed)
    assert crossed.set_order(0, [0, 3])
    assert crossed.set_order(1, [2, 1])
    run = run_from(indexed, range(4), crossed, 0)
    assert run.profile == PLAIN
    queued = enqueue(run.work, 0, 0)
    for _ in range(10):
        exchange_tails(run.flat, run.routes, run.work, 0, queued, run.profile)
    east, far_east, west, far_west = run.routes.shift_of.tolist()
    assert east == far_east != west == far_west
    cost = whole_cost(run.flat, run.routes, run.candidates)
    assert cost == 2 * 1_400 + 2 * day.weights.first_use


def dispatchers() -> dict[str, Any]:
    """Return every compiled function of the engine by its name."""
    return {
        f"{name}.{each}": function
        for name, module in sys.modules.items()
        if name.startswith("scheduler.engine.")
        for each, function in vars(module).items()
        if isinstance(function, Dispatcher) and function.__module__ == name
    }


def test_nothing_is_compiled_in_a_plan_once_the_search_is_warm() -> None:
    warm()
    versions = {name: list(each.signatures) for name, each in dispatchers().items()}
    assert len(versions) > 50
    for seed, kind in enumerate(KINDS):
        for days in (1, 2):
            day = a_busy_day(kind, seed, days)
            linked = with_links(np.random.default_rng(seed), day)
            empty = replace(day, visits=(), published=())
            for each in (day, linked, empty, replace(linked, shifts=())):
                plan_day(each, iterations=30, engine="search")
    assert {name: list(each.signatures) for name, each in dispatchers().items()} == versions


def a_day_of_two_territories(seed: int) -> DayProblem:
    rng = np.random.default_rng(seed)
    return with_links(rng, plain(rng, people=10, jobs=140))


def test_territories_searched_by_processes_make_one_plan_that_can_be_repeated_in_one() -> None:
    day = a_day_of_two_territories(4)
    for limit in ({"iterations": 200}, {"seconds": 4.0}):
        plan = plan_day(day, seed=3, engine="search", processes=2, **limit)
        assert violations(day, plan) == []
        assert {step.territory for step in plan.steps} >= {0, 1}
        again = plan_day(day, steps=plan.steps, seed=3, engine="search")
        assert to_json(again) == to_json(plan)


def test_every_visit_and_shift_is_in_one_territory_with_its_partners() -> None:
    day = IndexedDay(a_day_of_two_territories(5))
    everything = list(range(len(day.visits)))
    found = territories(day, everything, Draft(day), 2)
    assert sorted(visit for each in found for visit in each.visits) == everything
    assert sorted(n for each in found for n in each.shifts) == list(range(len(day.shifts)))
    assert [len(each.shifts) for each in found] == [5, 5]
    for each in found:
        here = set(each.visits)
        assert all(tie.other in here for visit in here for tie in day.ties.get(visit, ()))


def test_a_small_day_is_one_territory() -> None:
    day = IndexedDay(a_busy_day("plain", 1))
    (whole,) = territories(day, range(len(day.visits)), Draft(day), 8)
    assert whole.visits == list(range(len(day.visits)))
