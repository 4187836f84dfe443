"""Visits that depend on each other are planned together by the search, or not at all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from scheduler.checks import violations
from scheduler.engine import plan_day
from scheduler.problem import Cause, Crew, DayProblem, Link, Plan, to_json
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


def searched(day: DayProblem, iterations: int = 200) -> dict[str, tuple[str, int, int]]:
    plan = plan_day(day, iterations=iterations, engine="search")
    assert violations(day, plan) == []
    return stops(plan)


TWO = (a_shift("ann"), a_shift("bob", start_place=4, end_place=4))


def test_every_link_is_kept_whatever_else_a_day_asks() -> None:
    planned = 0
    for seed in range(24):
        rng = np.random.default_rng(seed)
        day = plain(rng, days=1 + seed % 2)
        if seed % 3:
            day = with_breaks(rng, day)
        if seed % 3 == 2:
            day = with_everything(rng, with_overtime(rng, day))
        day = with_links(rng, day)
        day.validate()
        plan = plan_day(day, iterations=300, seed=seed, engine="search")
        assert violations(day, plan) == []
        again = plan_day(day, steps=plan.steps, seed=seed, engine="search")
        assert to_json(again) == to_json(plan)
        linked = {visit for crew in day.crews for visit in (crew.first, crew.second)}
        linked |= {visit for link in day.links for visit in (link.first, link.second)}
        planned += len(linked & stops(plan).keys())
    assert planned > 100


def test_a_crew_begins_together_once_both_are_there() -> None:
    day = a_day((a_visit("one", 1), a_visit("two", 1)), TWO, crews=(Crew("one", "two"),))
    found = searched(day)
    assert {found["one"][0], found["two"][0]} == {"ann", "bob"}
    assert found["one"][1] == found["two"][1] == 8 * HOUR + 30 * 60


def test_a_crew_of_three_needs_three_people() -> None:
    legs = tuple(a_visit(name, 1) for name in ("one", "two", "three"))
    crews = (Crew("one", "two"), Crew("two", "three"), Crew("one", "three"))
    two = plan_day(a_day(legs, TWO, crews=crews), iterations=100, engine="search")
    assert {each.visit for each in two.unplanned} == {"one", "two", "three"}
    three = searched(a_day(legs, (*TWO, a_shift("cid")), crews=crews))
    assert len({technician for technician, _, _ in three.values()}) == 3
    assert len({start for _, start, _ in three.values()}) == 1


def test_one_leg_that_nobody_can_do_leaves_the_other_out_as_impossible() -> None:
    legs = (a_visit("one", 1), a_visit("two", 1, skills=(("electric", 1),)), a_visit("own", 2))
    day = a_day(legs, TWO, crews=(Crew("one", "two"),))
    plan = plan_day(day, iterations=50, engine="search")
    assert violations(day, plan) == []
    assert set(stops(plan)) == {"own"}
    assert {each.visit: each.cause for each in plan.unplanned} == dict.fromkeys(
        ("one", "two"), Cause.IMPOSSIBLE
    )


def test_an_inspection_follows_the_repair_by_another_person_within_two_hours() -> None:
    repair, inspection = a_visit("repair", 1, duration_s=2 * HOUR), a_visit("inspection", 3)
    link = Link(
        "repair", "inspection", ordered=True, greatest_gap_s=4 * HOUR, other_technician=True
    )
    found = searched(a_day((repair, inspection), TWO, links=(link,)))
    assert found["repair"][0] != found["inspection"][0]
    assert found["repair"][2] <= found["inspection"][1] <= found["repair"][1] + 4 * HOUR


def test_two_trips_to_one_customer_stay_with_one_person_on_one_day() -> None:
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
    found = searched(a_day(visits, team, days=2, links=(link,)))
    assert found["first"][0] == found["second"][0]
    assert 3 * HOUR <= found["second"][1] - found["first"][1] < 9 * HOUR


def test_links_that_go_in_a_circle_leave_their_visits_out_and_nothing_else() -> None:
    visits = (a_visit("a", 1), a_visit("b", 2), a_visit("own", 3))
    links = (Link("a", "b", ordered=True), Link("b", "a", ordered=True))
    day = a_day(visits, TWO, links=links)
    found = searched(day)
    assert "own" in found
    assert len({"a", "b"} & found.keys()) == 1


def test_a_promised_crew_stays_when_the_plan_is_made_again() -> None:
    day = a_day((a_visit("one", 1), a_visit("two", 1)), TWO, crews=(Crew("one", "two"),))
    first = plan_day(day, iterations=50, engine="search")
    more = replace(day, visits=(*day.visits, a_visit("new", 3, priority=1)))
    again = plan_day(more, iterations=200, published=first, engine="search")
    assert violations(more.with_published(first), again) == []
    before, after = stops(first), stops(again)
    assert {name: after[name][0] for name in before} == {name: before[name][0] for name in before}
