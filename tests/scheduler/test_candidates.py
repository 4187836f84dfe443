"""Places for one more visit: the fast bounds answer as the exact timetable does; repairs keep all rules."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import HealthCheck, given, settings

from scheduler.board import Asked, Board, Route, Stop
from scheduler.candidates import Fleet
from scheduler.checks import violations
from scheduler.engine import plan_day
from scheduler.engine.indexed import IndexedDay
from scheduler.engine.insertion import Draft
from scheduler.patience import Patience
from scheduler.problem import DayProblem, Promise, Published
from scheduler.repair import repair, standing
from scheduler.slots import best_slots, grid, offers
from tests.scheduler.days import HOUR, a_day, a_shift, a_visit, days
from tests.scheduler.test_diff import changed_days


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(days())
def test_the_cheapest_place_of_all_at_once_is_the_cheapest_of_each_in_turn(
    problem: DayProblem,
) -> None:
    day = IndexedDay(problem)
    draft = Draft.of(day, plan_day(problem, iterations=5, engine="or-tools"))
    fleet = Fleet(draft)
    planned = draft.planned()
    for number in range(len(day.visits)):
        if number in planned:
            continue
        exact = draft.best_place(number)
        gaps = fleet.gaps(fleet.wanted(number), day.able[:, number])
        fast = fleet.best(number, gaps)
        assert (fast is None) == (exact is None)
        if fast is not None and exact is not None:
            assert fast[0] == exact.delta
            ranked = fleet.ranked(number, len(day.shifts))
            assert ranked[0].delta == exact.delta
            assert len({place.shift_no for place in ranked}) == len(ranked)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(changed_days())
def test_a_repaired_plan_keeps_every_rule(problem: DayProblem) -> None:
    assert violations(problem, repair(problem)) == []


def published(*spots: tuple[str, str, float]) -> tuple[Published, ...]:
    return tuple(Published(visit, who, 0, int(hour * HOUR)) for visit, who, hour in spots)


def test_an_urgent_visit_takes_the_place_of_one_that_another_can_make() -> None:
    """Only Ann can do the urgent job at 9:00; the visit she has then goes to Bob."""
    nine = ((9 * HOUR, 9 * HOUR),)
    day = a_day(
        (
            a_visit("hers", 1, windows=nine),
            a_visit("urgent", 1, windows=nine, priority=1, skills=(("electric", 1),)),
        ),
        (a_shift(skills=(("electric", 1),)), a_shift("bob")),
        published=published(("hers", "ann", 9)),
    )
    plan = repair(day)
    routes = {route.technician: [s.visit for s in route.stops] for route in plan.routes}
    assert routes == {"ann": ["urgent"], "bob": ["hers"]}


def test_a_cheaper_visit_is_left_out_for_an_urgent_one_where_nobody_else_can() -> None:
    nine = ((9 * HOUR, 9 * HOUR),)
    day = a_day(
        (a_visit("hers", 1, windows=nine), a_visit("urgent", 1, windows=nine, priority=1)),
        published=published(("hers", "ann", 9)),
    )
    assert [each.visit for each in repair(day).unplanned] == ["hers"]


def test_a_promise_at_risk_is_cured_by_another_technician() -> None:
    day = a_day(
        (a_visit("a", 1, promise=Promise(9 * HOUR, 9 * HOUR + 1_800), priority=1),),
        (a_shift(opens=11 * HOUR), a_shift("bob")),
        published=published(("a", "ann", 9)),
        may_break_promises=True,
    )
    (route,) = repair(day).routes
    assert (route.technician, route.stops[0].start) == ("bob", 9 * HOUR)


def test_slots_say_what_they_do_to_the_day() -> None:
    """Ann is next door with a promise to keep; Bob comes from far and disturbs nobody."""
    day = a_day(
        (
            a_visit("promised", 1, promise=Promise(9 * HOUR, 9 * HOUR + 600), label="P"),
            a_visit("new", 1, windows=((9 * HOUR, 9 * HOUR + 300),)),
        ),
        (a_shift(), a_shift("bob", start_place=4, end_place=4)),
        published=published(("promised", "ann", 9)),
        may_break_promises=True,
    )
    first, second = best_slots(day, "new", 5)
    assert (first.technician, first.moved, first.at_risk) == ("bob", (), ())
    assert first.travel_s == 2 * 30 * 60
    assert (second.technician, second.at_risk) == ("ann", ("P",))
    assert [(each.label, each.minutes) for each in second.moved] == [("P", 60)]
    assert second.cost > first.cost


def test_windows_are_offered_where_they_cost_least_and_say_their_chance() -> None:
    day = a_day(
        (a_visit("there", 4), a_visit("new", 4)),
        published=published(("there", "ann", 13)),
    )
    pinned = replace(day.visits[0], windows=((13 * HOUR, 13 * HOUR),))
    day = replace(day, visits=(pinned, day.visits[1]))
    windows = grid(day, 2 * HOUR, 2 * HOUR)
    assert windows[0] == (8 * HOUR, 10 * HOUR)
    found = offers(day, "new", windows, 9)
    hurried = Patience(0)
    assert (offers(day, "new", windows, 9, patience=hurried), hurried.ran_out) == ([], True)
    at_ease = Patience(600)
    again = offers(day, "new", windows, 9, patience=at_ease)
    assert [each.slot for each in again] == [each.slot for each in found]
    assert not at_ease.ran_out
    assert found[0].slot.start in (12 * HOUR, 14 * HOUR), (
        "before or after the other, at the same door"
    )
    assert [each.price for each in found] == sorted(each.price for each in found)
    assert all(0 < each.probability <= 1 for each in found)
    for each in found:
        assert each.opens <= each.slot.start <= each.closes


def test_the_board_finds_who_can_and_who_is_near() -> None:
    here, far = (48.85, 2.35), (49.85, 2.35)
    busy = Stop(here, 9 * HOUR, 9 * HOUR, 7 * HOUR)

    def route(who: str, home: tuple[float, float], *stops: Stop, skill: str = "lift") -> Route:
        return Route(who, who, home, 8 * HOUR, 17 * HOUR, ((skill, 2),), None, stops)

    board = Board(
        [
            route("busy", here, busy),
            route("far", far),
            route("near", here),
            route("x", here, skill=""),
        ]
    )
    asked = Asked(here, 2 * HOUR, ((8 * HOUR, 17 * HOUR),), (("lift", 1),))
    assert [who for who, _ in board.closest(asked, 5)] == ["near", "far"]
    assert dict(board.closest(asked, 5))["near"] == 0
    assert set(board.nearest(asked, 2)) == {"busy", "near"}
    assert board.closest(replace(asked, forbidden=("near",)), 1)[0][0] == "far"
    assert Board([]).closest(asked, 3) == []


def test_what_stands_of_a_published_plan_gives_up_the_visit_that_breaks_it() -> None:
    """Two cannot both begin at nine: the one that is cheaper to leave out gives way."""
    nine = ((9 * HOUR, 9 * HOUR),)
    day = a_day(
        (a_visit("a", 1, windows=nine, priority=2), a_visit("b", 1, windows=nine, priority=4)),
        published=published(("a", "ann", 9), ("b", "ann", 9)),
    )
    draft = standing(day)
    assert [draft.day.visits[number].id for number in draft.orders[0]] == ["a"]
    assert np.all(Fleet(draft).needed_by < 1 << 40)
