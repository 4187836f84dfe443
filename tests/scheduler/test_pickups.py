"""A van that lacks a part stops at a depot first, where and only where that is needed."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from scheduler.checks import cost, violations
from scheduler.engine import plan_day
from scheduler.fetching import fetched
from scheduler.problem import (
    Cause,
    DayProblem,
    Depot,
    Plan,
    Quantity,
    StopKind,
    Technician,
    Weights,
    to_json,
)
from tests.scheduler.busy import plain, with_breaks, with_depots, with_everything, with_links
from tests.scheduler.days import HOUR, a_day, a_shift, a_visit

TRAVEL_ONLY = Weights(waiting_permille=0, first_use=0, surplus_level=0)
BELT: tuple[Quantity, ...] = (("belt", 1),)


@pytest.fixture(params=["search", "or-tools"])
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def planned(day: DayProblem, engine: str, iterations: int = 50) -> Plan:
    plan = plan_day(day, iterations=iterations, engine=engine)
    assert violations(day, plan) == []
    assert plan.costs == cost(day, plan)
    return plan


def stops(plan: Plan) -> list[str]:
    """Return what the only route does, visits by their names."""
    (route,) = plan.routes
    return [stop.visit or stop.kind for stop in route.stops]


def a_day_with_a_depot(
    *parts: tuple[Quantity, ...], stock: int = 0, **fields: object
) -> DayProblem:
    """Return visits at 10, 20, 30 … minutes that need these parts, and a depot at 15 that has belts."""
    visits = tuple(a_visit(f"v{n}", n + 1, parts=each) for n, each in enumerate(parts))
    ann = Technician("ann", stock=(("belt", stock),))
    return a_day(
        visits,
        minutes=(0, 10, 20, 30, 15),
        technicians=(ann,),
        depots=(Depot(4, ("belt",), 600),),
        weights=TRAVEL_ONLY,
        **fields,
    )


def test_the_depot_lies_on_the_way_to_the_first_visit_that_lacks_a_part(engine: str) -> None:
    plan = planned(a_day_with_a_depot((), BELT, BELT), engine)
    assert stops(plan).index("pickup") < stops(plan).index("v1")
    assert stops(plan).count(StopKind.PICKUP) == 1
    assert plan.costs.total == 60 * 60, "there and back once: the depot is on the road"
    (pickup,) = (stop for stop in plan.routes[0].stops if stop.kind is StopKind.PICKUP)
    assert (pickup.number, pickup.end - pickup.start) == (0, 600)


def test_nobody_stops_for_what_the_van_carries(engine: str) -> None:
    assert stops(planned(a_day_with_a_depot(BELT, BELT, stock=2), engine)) in (
        ["v0", "v1"],
        ["v1", "v0"],
    )


def test_a_part_that_no_depot_has_is_still_missing(engine: str) -> None:
    day = a_day_with_a_depot(BELT, (("fan", 1),))
    plan = planned(day, engine)
    assert [(each.visit, each.cause) for each in plan.unplanned] == [("v1", Cause.IMPOSSIBLE)]


def test_a_stop_that_costs_the_window_is_not_made(engine: str) -> None:
    day = a_day_with_a_depot(BELT)
    hasty = replace(day.visits[0], windows=((8 * HOUR, 8 * HOUR + 29 * 60),))
    late = planned(replace(day, visits=(hasty,)), engine)
    assert [each.visit for each in late.unplanned] == ["v0"], "by the depot it is 30 minutes"
    patient = replace(hasty, windows=((8 * HOUR, 8 * HOUR + 30 * 60),))
    assert stops(planned(replace(day, visits=(patient,)), engine)) == ["pickup", "v0"]


def test_each_route_of_a_technician_is_refilled_for_itself_or_shares_the_van(engine: str) -> None:
    day = a_day_with_a_depot(BELT, BELT, stock=1)
    tomorrow = a_shift(day=1, opens=32 * HOUR, closes=41 * HOUR)
    second = replace(day.visits[1], windows=((32 * HOUR, 40 * HOUR),))
    two = replace(day, days=2, shifts=(*day.shifts, tomorrow), visits=(day.visits[0], second))
    plan = planned(two, engine)
    assert plan.unplanned == ()
    kinds = [stop.kind for route in plan.routes for stop in route.stops]
    assert kinds.count(StopKind.PICKUP) == 1


def test_refills_keep_every_rule_and_repeat_themselves() -> None:
    pickups = 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        day = plain(rng, days=1 + seed % 2)
        if seed % 3:
            day = with_breaks(rng, day)
        if seed % 3 == 2:
            day = with_everything(rng, day)
        if seed % 4 == 3:
            day = with_links(rng, day)
        day = with_depots(rng, day)
        day.validate()
        for engine, iterations in (("search", 300), ("or-tools", 2)):
            plan = plan_day(day, iterations=iterations, seed=seed, engine=engine)
            assert violations(day, plan) == []
            assert cost(day, plan) == plan.costs
            pickups += sum(
                stop.kind is StopKind.PICKUP for route in plan.routes for stop in route.stops
            )
            if plan.steps:
                again = plan_day(day, steps=plan.steps, seed=seed, engine=engine)
                assert to_json(again) == to_json(plan)
                again = plan_day(day, iterations=20, published=plan, engine=engine)
                assert violations(day.with_published(plan), again) == []
    assert pickups > 20


@pytest.mark.parametrize("seed", range(6))
def test_what_is_fetched_is_what_the_vans_lack(seed: int) -> None:
    rng = np.random.default_rng(seed)
    day = with_depots(rng, plain(rng, days=1 + seed % 2))
    plan = planned(day, "search", 300)
    stops = fetched(day, plan)
    pickups = {
        (route.shift, number)
        for route in plan.routes
        for number, stop in enumerate(route.stops)
        if stop.kind is StopKind.PICKUP
    }
    assert pickups
    assert stops.keys() == pickups
    assert all(stops.values()), "no stop for nothing"
    parts = {visit.id: visit.parts for visit in day.visits}
    for technician in day.technicians:
        van = Counter(dict(technician.stock))
        routes = [route for route in plan.routes if route.technician == technician.id]
        for route in sorted(routes, key=lambda each: each.leave):
            for number, stop in enumerate(route.stops):
                for need in stops.get((route.shift, number), ()):
                    assert need.part in day.depots[stop.number or 0].parts
                    van[need.part] += need.quantity
                van.subtract(dict(parts.get(stop.visit or "", ())))
                assert min(van.values(), default=0) >= 0


def test_a_van_gives_what_it_carries_before_more_is_fetched() -> None:
    day = a_day_with_a_depot((("belt", 1),), (("belt", 3),), stock=2)
    plan = planned(day, "search")
    (needs,) = fetched(day, plan).values()
    assert sum(need.quantity for need in needs) == 2, "four are needed, two are in the van"


def test_a_stop_for_which_another_route_left_enough_is_for_all_behind_it() -> None:
    day = a_day_with_a_depot((("belt", 1),), stock=0)
    plan = planned(day, "search")
    richer = replace(day, technicians=(Technician("ann", stock=(("belt", 5),)),))
    ((need,),) = fetched(richer, plan).values()
    assert (need.visit, need.quantity) == ("v0", 1)
