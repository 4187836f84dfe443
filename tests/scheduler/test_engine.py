"""Plans keep what they promise, claim what they cost, and are as good as they can be where that is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scheduler.checks import cost, violations
from scheduler.engine import plan_day
from scheduler.engine.indexed import IndexedDay
from scheduler.engine.insertion import Draft
from scheduler.problem import (
    Absence,
    Break,
    Cause,
    DayProblem,
    Link,
    Pin,
    Plan,
    ProblemInvalid,
    Promise,
    Shift,
    StopKind,
    Visit,
    Weights,
    to_json,
)
from tests.scheduler.days import HOUR, a_day, a_shift, a_visit, days, dispatch_day, fuller_days

TRAVEL_ONLY = Weights(waiting_permille=0, first_use=0, surplus_level=0)


def planned(plan: Plan) -> dict[str, str]:
    """Return the shift of each planned visit."""
    return {stop.visit: route.shift for route in plan.routes for stop in route.stops if stop.visit}


def starts(plan: Plan) -> dict[str, int]:
    return {stop.visit: stop.start for route in plan.routes for stop in route.stops if stop.visit}


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(fuller_days())
def test_every_plan_keeps_every_promise(day: DayProblem) -> None:
    plan = plan_day(day, iterations=20)
    assert violations(day, plan) == []
    assert cost(day, plan) == plan.costs
    left_out = {each.visit for each in plan.unplanned}
    assert left_out.isdisjoint(planned(plan))
    assert left_out | set(planned(plan)) == {visit.id for visit in day.visits}


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(fuller_days(), st.integers(0, 3))
def test_the_same_input_without_a_clock_gives_the_same_plan(day: DayProblem, seed: int) -> None:
    one, other = (plan_day(day, iterations=10, seed=seed) for _ in range(2))
    assert to_json(one) == to_json(other)


def cheapest_by_hand(day: DayProblem) -> int:
    """Return the least cost by trying every order on every shift, beginning everything at once."""
    best = 10**9
    owners = [None, *range(len(day.shifts))]
    for choice in product(owners, repeat=len(day.visits)):
        total = sum(
            day.drop_cost(visit)
            for visit, owner in zip(day.visits, choice, strict=True)
            if owner is None
        )
        for number, shift in enumerate(day.shifts):
            mine = [v for v, owner in zip(day.visits, choice, strict=True) if owner == number]
            costs = [_drive(day, shift, order) for order in permutations(mine)] if mine else [0]
            total += min(costs)
        best = min(best, total)
    return best


def _drive(day: DayProblem, shift: Shift, order: tuple[Visit, ...]) -> int:
    now, place, driven = shift.opens, shift.start_place, 0
    for visit in order:
        now += int(day.travel_s[place, visit.place])
        driven += int(day.travel_s[place, visit.place])
        start = min((max(now, o) for o, c in visit.windows if now <= c), default=None)
        if start is None or not dict(visit.skills).items() <= dict(shift.skills).items():
            return 10**9
        now, place = start + visit.duration_s, visit.place
    home = int(day.travel_s[place, shift.end_place])
    return driven + home if now + home <= shift.closes else 10**9


@st.composite
def tiny_days(draw: st.DrawFn) -> DayProblem:
    cells = st.integers(0, 4_000)
    travel = np.array([[draw(cells) for _ in range(4)] for _ in range(4)])
    np.fill_diagonal(travel, 0)
    jobs = []
    for number in range(4):
        opens = draw(st.integers(8, 14)) * HOUR
        windows = [(opens, opens + draw(st.integers(0, 2)) * HOUR)]
        if draw(st.booleans()):
            windows.append((opens + 3 * HOUR, opens + 4 * HOUR))
        skills = (("electric", 1),) if draw(st.booleans()) else ()
        jobs.append(
            a_visit(
                f"v{number}",
                draw(st.integers(0, 3)),
                windows=tuple(windows),
                skills=skills,
                priority=draw(st.integers(3, 5)),
                duration_s=draw(st.integers(1, 3)) * HOUR,
            )
        )
    team = (
        a_shift("ann", skills=(("electric", 1),), closes=13 * HOUR),
        a_shift("bob", end_place=1),
    )
    day = a_day(tuple(jobs), team, minutes=(0, 1, 2, 3), weights=TRAVEL_ONLY)
    return replace(day, travel_s=travel, travel_m=travel)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(tiny_days())
def test_a_tiny_day_is_planned_as_cheaply_as_trying_everything_finds(day: DayProblem) -> None:
    plan = plan_day(day, seconds=0.4)
    assert violations(day, plan) == []
    assert plan.costs.total == cheapest_by_hand(day)


def test_leaving_home_is_delayed_until_nothing_is_idle_that_need_not_be() -> None:
    day = a_day((a_visit("late", 1, windows=((12 * HOUR, 13 * HOUR),)),))
    (route,) = plan_day(day, iterations=5).routes
    assert route.leave == 12 * HOUR - 600
    assert (route.waiting_s, route.back) == (0, 13 * HOUR + 600)


def test_leaving_later_never_makes_a_visit_late() -> None:
    early = a_visit("early", 1, due=9 * HOUR)
    late = a_visit("late", 2, windows=((14 * HOUR, 15 * HOUR),))
    plan = plan_day(a_day((early, late)), iterations=5)
    assert starts(plan) == {"early": 9 * HOUR, "late": 14 * HOUR}
    assert plan.costs.late == 0
    assert plan.routes[0].waiting_s == 4 * HOUR - 600


def test_lunch_is_taken_on_the_road_and_the_rest_of_the_road_driven_after_it() -> None:
    lunch = Break(10 * HOUR, 10 * HOUR, 1_800)
    far = a_visit("far", 1, windows=((8 * HOUR, 11 * HOUR),), duration_s=600)
    day = a_day((far,), (a_shift(opens=9 * HOUR, breaks=(lunch,)),), minutes=(0, 70, 0, 0, 0))
    plan = plan_day(day, iterations=5)
    rest, visit = plan.routes[0].stops
    assert (rest.kind, rest.place, rest.start) == (StopKind.BREAK, None, 10 * HOUR)
    assert visit.arrive == 9 * HOUR + 70 * 60 + 1_800
    assert violations(day, plan) == []


def test_lunch_never_interrupts_a_visit() -> None:
    lunch = Break(12 * HOUR, 12 * HOUR + 1_800, 1_800)
    long = a_visit("long", 1, duration_s=3 * HOUR)
    day = a_day((long,), (a_shift(opens=10 * HOUR, closes=18 * HOUR, breaks=(lunch,)),))
    plan = plan_day(day, iterations=5)
    assert violations(day, plan) == []
    assert starts(plan)["long"] >= 12 * HOUR + 1_800


def test_an_absence_with_a_place_is_a_stop_between_visits() -> None:
    training = Absence(11 * HOUR, 13 * HOUR, place=4)
    day = a_day(
        (a_visit("a", 1), a_visit("b", 3)), (a_shift(absences=(training,)),), weights=TRAVEL_ONLY
    )
    plan = plan_day(day, iterations=5)
    assert violations(day, plan) == []
    assert [stop.kind for stop in plan.routes[0].stops].count(StopKind.ABSENCE) == 1
    assert plan.routes[0].drive_s == 80 * 60


def test_an_impossible_visit_is_named_and_never_empties_the_plan() -> None:
    day = a_day(
        (
            a_visit("fine", 1),
            a_visit("skilled", 1, skills=(("electric", 1),)),
            a_visit("endless", 1, duration_s=10 * HOUR),
            a_visit("nightly", 1, windows=((2 * HOUR, 3 * HOUR),)),
        )
    )
    plan = plan_day(day, iterations=5)
    assert set(planned(plan)) == {"fine"}
    assert {each.visit: each.cause for each in plan.unplanned} == dict.fromkeys(
        ("skilled", "endless", "nightly"), Cause.IMPOSSIBLE
    )


def test_a_day_without_technicians_leaves_everything_out() -> None:
    day = replace(a_day((a_visit("a", 1),)), shifts=(), technicians=())
    plan = plan_day(day, iterations=5)
    assert plan.routes == ()
    assert [each.cause for each in plan.unplanned] == [Cause.IMPOSSIBLE]


def test_a_fixed_visit_whose_partner_fits_nowhere_closes_its_route_alone() -> None:
    day = a_day(
        (a_visit("a", 1), a_visit("b", 1, windows=((2 * HOUR, 3 * HOUR),)), a_visit("c", 2)),
        (a_shift(prefix=("a",)), a_shift("bob")),
        links=(Link("a", "b", all_or_none=True),),
    )
    for engine in ("or-tools", "search"):
        plan = plan_day(day, iterations=5, engine=engine)
        assert violations(day, plan) == []
        assert planned(plan) == {"c": "bob-0"}


def test_the_dearest_visits_are_kept_when_not_all_fit() -> None:
    jobs = tuple(
        a_visit(f"p{number}", 1, duration_s=4 * HOUR, priority=number) for number in range(1, 6)
    )
    plan = plan_day(a_day(jobs), iterations=20)
    assert set(planned(plan)) == {"p1", "p2"}


def test_a_visit_is_done_where_its_pin_says() -> None:
    day = a_day(
        (a_visit("a", 1), a_visit("b", 2, priority=5)),
        (a_shift("ann"), a_shift("bob", start_place=4, end_place=4)),
        pins=(Pin("a", technician="bob"), Pin("b", technician="ann", start=11 * HOUR)),
    )
    plan = plan_day(day, iterations=5)
    assert planned(plan) == {"a": "bob-0", "b": "ann-0"}
    assert starts(plan)["b"] == 11 * HOUR


def test_work_that_has_begun_stays_first_whatever_its_window_was() -> None:
    begun = a_visit("begun", 0, windows=((6 * HOUR, 7 * HOUR),), skills=(("electric", 3),))
    day = a_day(
        (begun, a_visit("next", 1)),
        (a_shift(prefix=("begun",)),),
        pins=(Pin("begun", technician="ann", start=8 * HOUR + 60, begun=True),),
    )
    plan = plan_day(day, iterations=5)
    assert violations(day, plan) == []
    assert list(starts(plan)) == ["begun", "next"]


def test_a_van_gives_no_more_parts_than_it_carries() -> None:
    jobs = tuple(a_visit(f"v{number}", 1, parts=(("belt", 2),)) for number in range(3))
    day = a_day(jobs, (a_shift(), a_shift(day=1, opens=32 * HOUR, closes=41 * HOUR)), days=2)
    anytime = tuple(replace(job, windows=((8 * HOUR, 40 * HOUR),)) for job in jobs)
    stocked = tuple(replace(each, stock=(("belt", 5),)) for each in day.technicians)
    day = replace(day, visits=anytime, technicians=stocked)
    plan = plan_day(day, iterations=20)
    assert violations(day, plan) == []
    assert len(planned(plan)) == 2


def test_a_published_plan_is_left_alone_unless_changing_it_pays() -> None:
    day = a_day((a_visit("a", 2),), (a_shift("ann"), a_shift("bob", start_place=4, end_place=4)))
    first = plan_day(replace(day, pins=(Pin("a", technician="ann"),)), iterations=5)
    nearer = replace(
        day, shifts=(day.shifts[0], replace(day.shifts[1], start_place=3, end_place=3))
    )
    again = plan_day(nearer, iterations=5, published=first)
    assert planned(again) == {"a": "ann-0"}
    assert planned(plan_day(nearer, iterations=5)) == {"a": "bob-0"}
    sick = replace(nearer, shifts=nearer.shifts[1:])
    moved = plan_day(sick, iterations=5, published=first)
    assert planned(moved) == {"a": "bob-0"}
    assert violations(sick.with_published(first), moved) == []
    assert moved.costs.other_technician == sick.weights.other_technician


def test_a_promise_is_broken_only_where_the_run_may_and_is_priced() -> None:
    promise = Promise(8 * HOUR, 8 * HOUR + 600)
    far = a_visit("far", 4, promise=promise, windows=((8 * HOUR, 12 * HOUR),), priority=1)
    strict = a_day((far,))
    assert [each.cause for each in plan_day(strict, iterations=5).unplanned] == [Cause.IMPOSSIBLE]
    relaxed = replace(strict, may_break_promises=True)
    plan = plan_day(relaxed, iterations=5)
    assert violations(relaxed, plan) == []
    assert plan.costs.promise == 14_400 + 2 * 1_800


def test_nobody_works_against_a_limit_that_makes_no_sense() -> None:
    day = a_day((a_visit("a", 1),))
    for wrong in (
        {"seconds": 0},
        {"iterations": 0},
        {"seconds": 1, "iterations": 1},
        {"engine": "x"},
    ):
        with pytest.raises(ValueError):
            plan_day(day, **wrong)  # type: ignore[arg-type]
    with pytest.raises(ProblemInvalid):
        plan_day(replace(day, days=0), iterations=1)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(days())
def test_a_cheap_check_never_hides_a_place_that_exists(day: DayProblem) -> None:
    plan = plan_day(day, iterations=5)
    indexed = IndexedDay(day)
    draft = Draft.of(indexed, plan)
    for each in plan.unplanned:
        number = indexed.visit_no[each.visit]
        for shift_no, order in enumerate(draft.orders):
            if not indexed.able[shift_no, number]:
                continue
            found = {place.position: place.delta for place in draft.places(shift_no, number)}
            assert found == dict(_by_timing(indexed, draft, shift_no, number, order))


def _by_timing(
    day: IndexedDay, draft: Draft, shift_no: int, number: int, order: list[int]
) -> Iterator[tuple[int, int]]:
    for position in range(len(day.shifts[shift_no].prefix), len(order) + 1):
        timed = draft.time(shift_no, [*order[:position], number, *order[position:]])
        if timed is not None:
            yield position, timed.cost - draft.cost_of(shift_no)


def test_a_published_instance_is_planned_without_a_broken_rule() -> None:
    day = dispatch_day("50x400-s1")
    plan = plan_day(day, seconds=3)
    assert violations(day, plan) == []
    everything_left_out = sum(day.drop_cost(visit) for visit in day.visits)
    assert plan.costs.total < everything_left_out / 3


def test_a_day_too_large_for_its_limit_is_planned_by_insertion_and_says_so() -> None:
    rng = np.random.default_rng(1)
    travel = rng.integers(60, 1_800, (400, 400))
    np.fill_diagonal(travel, 0)
    team = tuple(
        a_shift(f"t{number}", start_place=number, end_place=number) for number in range(40)
    )
    jobs = tuple(a_visit(f"v{number}", number) for number in range(400))
    day = replace(a_day(jobs, team), travel_s=travel, travel_m=travel)
    plan = plan_day(day, seconds=0.5)
    assert "too_large_to_search" in plan.notes
    assert violations(day, plan) == []
