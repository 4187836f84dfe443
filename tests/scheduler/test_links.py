"""Visits that depend on each other are planned together by every engine, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations, product

import numpy as np
import pytest

from scheduler.checks import cost, violations
from scheduler.engine import books, plan_day, search, sorted_out
from scheduler.engine.indexed import IndexedDay
from scheduler.engine.insertion import Draft
from scheduler.problem import Cause, Crew, DayProblem, Link, Plan, Weights, to_json
from tests.scheduler.busy import plain, with_breaks, with_everything, with_links, with_overtime
from tests.scheduler.days import HOUR, a_day, a_shift, a_visit


def stops(plan: Plan) -> dict[str, tuple[str, int, int]]:
    """Return technician, beginning and end of each planned visit."""
    return {
        stop.visit: (route.technician, stop.start, stop.end)
        for route in plan.routes
        for stop in route.stops
        if stop.visit is not None
    }


@pytest.fixture(params=["search", "or-tools"])
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def planned(day: DayProblem, engine: str) -> dict[str, tuple[str, int, int]]:
    plan = plan_day(day, iterations=200, engine=engine)
    assert violations(day, plan) == []
    assert plan.costs == cost(day, plan)
    return stops(plan)


TWO = (a_shift("ann"), a_shift("bob", start_place=4, end_place=4))


def busy_and_linked(seed: int, people: int = 4, jobs: int = 30) -> tuple[DayProblem, set[str]]:
    """Return a day with more work than hours, and its visits that depend on others."""
    rng = np.random.default_rng(seed)
    day = plain(rng, people, jobs, days=1 + seed % 2)
    if seed % 3:
        day = with_breaks(rng, day)
    if seed % 3 == 2:
        day = with_everything(rng, with_overtime(rng, day))
    day = with_links(rng, day)
    day.validate()
    linked = {visit for crew in day.crews for visit in (crew.first, crew.second)}
    return day, linked | {visit for link in day.links for visit in (link.first, link.second)}


def test_every_link_is_kept_whatever_else_a_day_asks() -> None:
    planned = 0
    for seed in range(24):
        day, linked = busy_and_linked(seed)
        plan = plan_day(day, iterations=300, seed=seed, engine="search")
        assert violations(day, plan) == []
        again = plan_day(day, steps=plan.steps, seed=seed, engine="search")
        assert to_json(again) == to_json(plan)
        planned += len(linked & stops(plan).keys())
    assert planned > 100


@pytest.mark.parametrize("seed", [8, 23, 32])
def test_the_cheapest_plan_is_read_back_as_the_search_found_it(seed: int) -> None:
    """Its routes take pauses where the links of that moment want them."""
    problem, _ = busy_and_linked(seed, people=8, jobs=60)
    day = IndexedDay(problem)
    candidates, _ = sorted_out(day)
    run = search.run_from(day, candidates, Draft(day), seed)
    run.build(None)
    run.iterate(2_000)
    found = run.found()
    assert books.whole_cost(run.flat, run.routes, run.candidates) == run.work.total[books.BEST]
    plan = plan_day(problem, steps=found.steps, seed=seed, engine="search")
    assert violations(problem, plan) == []


def test_the_reference_keeps_every_link_and_builds_plans_with_them_before_it_searches() -> None:
    planned = 0
    for seed in range(8):
        day, linked = busy_and_linked(seed)
        plan = plan_day(day, iterations=3, seed=seed, engine="or-tools")
        assert violations(day, plan) == []
        assert plan.costs == cost(day, plan)
        planned += len(linked & stops(plan).keys())
    assert planned > 50


def test_a_day_too_large_to_search_still_has_all_its_crews(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("scheduler.engine.routing.first_solution_s", lambda *_: 1e9)
    rng = np.random.default_rng(1)
    travel = rng.integers(60, 1_800, (300, 300))
    np.fill_diagonal(travel, 0)
    team = tuple(
        a_shift(f"t{number}", start_place=number, end_place=number) for number in range(40)
    )
    jobs = tuple(a_visit(f"v{number}", number, duration_s=1_800) for number in range(240))
    legs = tuple(f"v{number}" for number in range(60))
    crews = tuple(Crew(one, two) for one, two in zip(legs[::2], legs[1::2], strict=True))
    day = replace(a_day(jobs, team, crews=crews), travel_s=travel, travel_m=travel)
    plan = plan_day(day, seconds=120, engine="or-tools")
    assert violations(day, plan) == []
    assert "too_large_to_search" in plan.notes
    assert set(legs) <= stops(plan).keys()


def test_a_crew_begins_together_once_both_are_there(engine: str) -> None:
    day = a_day((a_visit("one", 1), a_visit("two", 1)), TWO, crews=(Crew("one", "two"),))
    found = planned(day, engine)
    assert {found["one"][0], found["two"][0]} == {"ann", "bob"}
    assert found["one"][1] == found["two"][1] == 8 * HOUR + 30 * 60


def test_a_crew_of_three_needs_three_people(engine: str) -> None:
    legs = tuple(a_visit(name, 1) for name in ("one", "two", "three"))
    crews = (Crew("one", "two"), Crew("two", "three"), Crew("one", "three"))
    two = plan_day(a_day(legs, TWO, crews=crews), iterations=100, engine=engine)
    assert {each.visit for each in two.unplanned} == {"one", "two", "three"}
    three = planned(a_day(legs, (*TWO, a_shift("cid")), crews=crews), engine)
    assert len({technician for technician, _, _ in three.values()}) == 3
    assert len({start for _, start, _ in three.values()}) == 1


def test_one_leg_that_nobody_can_do_leaves_the_other_out_as_impossible(engine: str) -> None:
    legs = (a_visit("one", 1), a_visit("two", 1, skills=(("electric", 1),)), a_visit("own", 2))
    day = a_day(legs, TWO, crews=(Crew("one", "two"),))
    plan = plan_day(day, iterations=50, engine=engine)
    assert violations(day, plan) == []
    assert set(stops(plan)) == {"own"}
    assert {each.visit: each.cause for each in plan.unplanned} == dict.fromkeys(
        ("one", "two"), Cause.IMPOSSIBLE
    )


def test_an_inspection_follows_the_repair_by_another_person_within_two_hours(engine: str) -> None:
    repair, inspection = a_visit("repair", 1, duration_s=2 * HOUR), a_visit("inspection", 3)
    link = Link(
        "repair", "inspection", ordered=True, greatest_gap_s=4 * HOUR, other_technician=True
    )
    found = planned(a_day((repair, inspection), TWO, links=(link,)), engine)
    assert found["repair"][0] != found["inspection"][0]
    assert found["repair"][2] <= found["inspection"][1] <= found["repair"][1] + 4 * HOUR


@pytest.mark.parametrize("percent", [50, 80, 130])
def test_a_narrow_gap_is_planned_whatever_the_pace_of_people(engine: str, percent: int) -> None:
    screed, paint = a_visit("screed", 1), a_visit("paint", 2)
    link = Link("screed", "paint", ordered=True, least_gap_s=HOUR, greatest_gap_s=HOUR + 1_800)
    day = a_day(
        (screed, paint), (TWO[0], replace(TWO[1], efficiency_percent=percent)), links=(link,)
    )
    found = planned(day, engine)
    assert HOUR <= found["paint"][1] - found["screed"][1] <= HOUR + 1_800


def test_two_trips_to_one_customer_stay_with_one_person_on_one_day(engine: str) -> None:
    whole_week = tuple(
        (day * 24 * HOUR + 8 * HOUR, day * 24 * HOUR + 16 * HOUR) for day in range(2)
    )
    visits = (a_visit("first", 1, windows=whole_week), a_visit("second", 3, windows=whole_week))
    team = tuple(
        a_shift(name, day=day, opens=(24 * day + 8) * HOUR, closes=(24 * day + 17) * HOUR)
        for name in ("ann", "bob")
        for day in range(2)
    )
    link = Link("first", "second", same_technician=True, same_day=True, least_gap_s=3 * HOUR)
    found = planned(a_day(visits, team, days=2, links=(link,)), engine)
    assert found["first"][0] == found["second"][0]
    assert 3 * HOUR <= found["second"][1] - found["first"][1] < 9 * HOUR


def test_what_needs_another_is_not_planned_without_it_but_that_one_is(engine: str) -> None:
    screed, paint = a_visit("screed", 1, duration_s=HOUR), a_visit("paint", 2, duration_s=HOUR)
    link = Link("screed", "paint", ordered=True, needs_first=True)
    day = a_day((screed, paint, a_visit("own", 3)), TWO, links=(link,))
    assert set(planned(day, engine)) == {"screed", "paint", "own"}
    wet = replace(screed, skills=(("screed", 1),))
    wet_day = replace(day, skills=("screed",), visits=(wet, *day.visits[1:]))
    assert set(planned(wet_day, engine)) == {"own"}
    late = replace(paint, windows=((23 * HOUR, 23 * HOUR),))
    assert set(planned(replace(day, visits=(screed, late)), engine)) == {"screed"}


def test_links_that_go_in_a_circle_leave_their_visits_out_and_nothing_else(engine: str) -> None:
    visits = (a_visit("a", 1), a_visit("b", 2), a_visit("own", 3))
    links = (Link("a", "b", ordered=True), Link("b", "a", ordered=True))
    day = a_day(visits, TWO, links=links)
    found = planned(day, engine)
    assert "own" in found
    assert len({"a", "b"} & found.keys()) == 1


def test_a_promised_crew_stays_when_the_plan_is_made_again(engine: str) -> None:
    day = a_day((a_visit("one", 1), a_visit("two", 1)), TWO, crews=(Crew("one", "two"),))
    first = plan_day(day, iterations=50, engine=engine)
    more = replace(day, visits=(*day.visits, a_visit("new", 3, priority=1)))
    again = plan_day(more, iterations=200, published=first, engine=engine)
    assert violations(more.with_published(first), again) == []
    before, after = stops(first), stops(again)
    assert {name: after[name][0] for name in before} == {name: before[name][0] for name in before}


# --- held against trying everything ---------------------------------------------------------------


def a_tiny_linked_day(seed: int) -> DayProblem:
    rng = np.random.default_rng(seed)
    travel = rng.integers(0, 4_000, (4, 4))
    np.fill_diagonal(travel, 0)
    jobs = []
    for number in range(4):
        opens = int(rng.integers(8, 12)) * HOUR
        jobs.append(
            a_visit(
                f"v{number}",
                int(rng.integers(0, 4)),
                windows=((opens, opens + int(rng.integers(1, 5)) * HOUR),),
                duration_s=int(rng.integers(1, 3)) * HOUR,
                priority=int(rng.integers(2, 6)),
            )
        )
    link = (
        Link("v2", "v3", ordered=True, same_technician=bool(seed % 2)),
        Link("v2", "v3", least_gap_s=HOUR, greatest_gap_s=2 * HOUR, other_technician=True),
        Link("v2", "v3", ordered=True, all_or_none=True),
    )[seed % 3]
    team = (a_shift("ann", closes=15 * HOUR), a_shift("bob", start_place=1, end_place=2))
    weights = Weights(waiting_permille=0, first_use=0, surplus_level=0)
    day = a_day(tuple(jobs), team, crews=(Crew("v0", "v1"),), links=(link,), weights=weights)
    return replace(day, travel_s=travel, travel_m=travel)


def cheapest_by_hand(day: DayProblem) -> int:
    """Return the least cost of all ways to give the visits to shifts in some order."""
    return min(
        travel + sum(day.drop_cost(visit) for visit in day.visits if visit.id not in begins)
        for orders in _ways(day)
        for begins, travel in _timed(day, orders)
        if _are_kept(day, orders, begins)
    )


def _ways(day: DayProblem) -> Iterator[list[tuple[int, ...]]]:
    numbers = range(len(day.visits))
    for owners in product((None, *range(len(day.shifts))), repeat=len(day.visits)):
        mine = [[n for n in numbers if owners[n] == shift] for shift in range(len(day.shifts))]
        yield from (list(orders) for orders in product(*map(permutations, mine)))


def _timed(day: DayProblem, orders: list[tuple[int, ...]]) -> Iterator[tuple[dict[str, int], int]]:
    """Yield the one earliest timetable that routes, crews and links allow together, if there is one."""
    works = {
        day.visits[number].id: shift.work_s(day.visits[number])
        for shift, order in zip(day.shifts, orders, strict=True)
        for number in order
    }
    after = [(c.first, c.second, 0) for c in day.crews] + [
        (c.second, c.first, 0) for c in day.crews
    ]
    for link in day.links:
        if link.ordered and link.first in works:
            after.append((link.first, link.second, works[link.first]))
        if link.least_gap_s is not None:
            after.append((link.first, link.second, link.least_gap_s))
        if link.greatest_gap_s is not None:
            after.append((link.second, link.first, -link.greatest_gap_s))
    begins, travel = {}, 0
    last: list[tuple[str, int]] = []
    for shift, order in zip(day.shifts, orders, strict=True):
        place, before = shift.start_place, None
        for visit in (day.visits[number] for number in order):
            drive = int(day.travel_s[place, visit.place])
            travel += drive
            begins[visit.id] = max(visit.windows[0][0], shift.opens + drive)
            if before is not None:
                after.append((before.id, visit.id, works[before.id] + drive))
            place, before = visit.place, visit
        home = int(day.travel_s[place, shift.end_place]) if before else 0
        travel += home
        if before is not None:
            last.append((before.id, shift.closes - home - works[before.id]))
    for _ in range(9):
        for one_id, other, gap in after:
            if one_id in begins and other in begins:
                begins[other] = max(begins[other], begins[one_id] + gap)
    closes = {visit.id: visit.windows[0][1] for visit in day.visits}
    settled = all(
        begins[other] >= begins[one_id] + gap
        for one_id, other, gap in after
        if one_id in begins and other in begins
    )
    if (
        settled
        and all(start <= closes[name] for name, start in begins.items())
        and all(begins[name] <= by for name, by in last)
    ):
        yield begins, travel


def _are_kept(day: DayProblem, orders: list[tuple[int, ...]], begins: dict[str, int]) -> bool:
    """Whether a plan's people are those its crews and links ask for, and nothing is planned by half."""
    who = {day.visits[n].id: number for number, order in enumerate(orders) for n in order}
    for crew in day.crews:
        if (crew.first in begins) != (crew.second in begins):
            return False
        if crew.first in begins and who[crew.first] == who[crew.second]:
            return False
    for link in day.links:
        both = link.first in begins and link.second in begins
        if link.all_or_none and (link.first in begins) != (link.second in begins):
            return False
        if both and link.same_technician and who[link.first] != who[link.second]:
            return False
        if both and link.other_technician and who[link.first] == who[link.second]:
            return False
    return True


def a_tiny_day_of_links(seed: int) -> DayProblem:
    """Return such a day with two links of any kind, on three visits in a row or two by two."""
    rng = np.random.default_rng(seed)
    day = a_tiny_linked_day(seed)
    gaps = (
        {},
        {"least_gap_s": 2 * HOUR},
        {"greatest_gap_s": 3 * HOUR},
        {"least_gap_s": HOUR // 2, "greatest_gap_s": 2 * HOUR},
    )

    def link(first: str, second: str) -> Link:
        kind, person = int(rng.integers(0, 4)), int(rng.integers(0, 3))
        return Link(
            first,
            second,
            ordered=kind in (0, 2),
            same_technician=person == 1,
            other_technician=person == 2,
            all_or_none=bool(rng.random() < 0.5),
            **gaps[kind],
        )

    return replace(day, crews=(), links=(link("v0", "v1"), link(f"v{1 + seed % 2}", "v3")))


def with_paces(day: DayProblem, *percents: int) -> DayProblem:
    """Return the day with one technician after the other at such a pace."""
    paced = zip(day.shifts, percents, strict=True)
    return replace(
        day, shifts=tuple(replace(shift, efficiency_percent=each) for shift, each in paced)
    )


def test_a_tiny_linked_day_is_planned_as_cheaply_as_trying_everything_finds() -> None:
    days = [a_tiny_linked_day(seed) for seed in range(30)]
    days += [a_tiny_day_of_links(seed) for seed in range(12)]
    days += [with_paces(a_tiny_linked_day(seed), 130, 50 + seed) for seed in range(30)]
    days += [with_paces(a_tiny_day_of_links(seed), 50 + seed, 110) for seed in range(12)]
    for seed, day in enumerate(days):
        plan = plan_day(day, iterations=300, seed=seed, engine="search")
        assert violations(day, plan) == []
        assert (seed, plan.costs.total) == (seed, cheapest_by_hand(day))


def test_the_reference_comes_near_to_that_and_never_below() -> None:
    found = best = 0
    for seed in range(0, 30, 3):
        day = a_tiny_linked_day(seed)
        plan = plan_day(day, seconds=0.4, seed=seed, engine="or-tools")
        assert violations(day, plan) == []
        assert plan.costs.total >= cheapest_by_hand(day)
        found, best = found + plan.costs.total, best + cheapest_by_hand(day)
    assert found <= 1.1 * best


def test_one_more_technician_never_makes_the_best_plan_of_a_tiny_day_worse() -> None:
    for seed in range(12):
        day = a_tiny_linked_day(seed)
        more = a_day(
            day.visits,
            (*day.shifts, a_shift("cid", start_place=3, end_place=3)),
            crews=day.crews,
            links=day.links,
            weights=day.weights,
        )
        more = replace(more, travel_s=day.travel_s, travel_m=day.travel_m)
        few, many = (plan_day(each, iterations=300, engine="search") for each in (day, more))
        assert many.costs.total <= few.costs.total
