"""What a reason says is so: a relaxation lets the visit in, and no smaller set of rules would do.

The oracle alters the problem itself and tries every position of every shift, one after another.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from itertools import chain, combinations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from scheduler.engine import plan_day
from scheduler.engine.indexed import IndexedDay
from scheduler.engine.insertion import Draft
from scheduler.engine.permissions import Rule
from scheduler.problem import (
    DAY_S,
    Break,
    DayProblem,
    Depot,
    Plan,
    Shift,
    StopKind,
    Visit,
)
from scheduler.reasons import explain
from scheduler.relaxations import Relaxation, Way
from tests.scheduler.days import HOUR, a_day, a_shift, a_visit, fuller_days


def altered(
    visit: Visit, shift: Shift, rules: Iterable[Rule], at_depots: Collection[str] = ()
) -> Visit:
    """Return the visit as if these rules did not bind it on this shift."""
    has, gone = dict(shift.skills), set(rules)
    kept = tuple(
        (skill, level)
        for skill, level in visit.skills
        if not (Rule.SKILL in gone and skill not in has)
        and not (Rule.LEVEL in gone and 0 < has.get(skill, 0) < level)
    )
    return replace(
        visit,
        skills=kept,
        required=() if Rule.REQUIRED in gone else visit.required,
        forbidden=() if Rule.FORBIDDEN in gone else visit.forbidden,
        territory=None if Rule.TERRITORY in gone else visit.territory,
        parts=tuple(
            each
            for each in visit.parts
            if (Rule.DEPOT if each[0] in at_depots else Rule.PARTS) not in gone
        ),
        windows=((0, 1 << 40),) if Rule.WINDOW in gone else visit.windows,
        promise=None if Rule.PROMISE in gone else visit.promise,
    )


def longer_hours(shift: Shift) -> Shift:
    midnight = shift.day * DAY_S
    last = max(shift.closes + shift.overtime_limit_s, midnight + DAY_S)
    return replace(shift, opens=min(shift.opens, midnight), closes=last, overtime_limit_s=0)


def takes(
    problem: DayProblem, plan: Plan, visit: str, number: int, rules: frozenset[Rule] = frozenset()
) -> bool:
    """Whether a shift takes the visit, beside what the plan has there, without these rules."""
    shift = problem.shifts[number]
    at_depots = {part for depot in problem.depots for part in depot.parts}
    changed = longer_hours(shift) if Rule.HOURS in rules else shift
    if Rule.ABSENCE in rules:
        changed = replace(changed, absences=())
    if Rule.LENGTH in rules:
        changed = replace(changed, longest_s=None)
    if Rule.PREFIX in rules and not any(route.shift == shift.id for route in plan.routes):
        changed = replace(changed, prefix=())
    shifts = tuple(changed if n == number else each for n, each in enumerate(problem.shifts))
    visits = tuple(
        altered(each, shift, rules, at_depots) if each.id == visit else each
        for each in problem.visits
    )
    pins = tuple(pin for pin in problem.pins if not (Rule.PIN in rules and pin.visit == visit))
    day = IndexedDay(replace(problem, shifts=shifts, visits=visits, pins=pins))
    # What a link or a crew binds stays when it is: its others count on it.
    bound = {
        day.visit_no[stop.visit]: ((stop.start, stop.start),)
        for route in plan.routes
        for stop in route.stops
        if stop.visit is not None and day.visit_no[stop.visit] in day.linked
    }
    draft = Draft(day, bound)
    for route in plan.routes:
        order = [day.visit_no[stop.visit] for stop in route.stops if stop.kind is StopKind.VISIT]
        if route.shift == shift.id and Rule.ROOM in rules:
            order = [day.visit_no[each] for each in shift.prefix]
        assert draft.set_order(day.shift_no[route.shift], order)
    visit_no = day.visit_no[visit]
    return (
        bool(day.able[number, visit_no])
        and (Rule.ROOM in rules or draft.has_parts(number, visit_no))
        and any(True for _ in draft.places(number, visit_no))
    )


def anybody_takes(
    problem: DayProblem, plan: Plan, visit: str, rules: frozenset[Rule] = frozenset()
) -> bool:
    return any(takes(problem, plan, visit, n, rules) for n in range(len(problem.shifts)))


def relaxed(problem: DayProblem, visit: str, found: Relaxation) -> DayProblem:
    """Return the problem with what the relaxation says made true."""
    visits, shifts = list(problem.visits), list(problem.shifts)
    number = next(n for n, each in enumerate(visits) if each.id == visit)
    shift_no = next(n for n, each in enumerate(shifts) if each.id == found.shift)
    seconds = found.minutes * 60
    if found.way is Way.WINDOW:
        windows = [(a + min(0, seconds), b + max(0, seconds)) for a, b in visits[number].windows]
        joined: list[tuple[int, int]] = []
        for opens, closes in windows:
            if joined and opens <= joined[-1][1]:
                joined[-1] = joined[-1][0], max(closes, joined[-1][1])
            else:
                joined.append((opens, closes))
        visits[number] = replace(visits[number], windows=tuple(joined))
    elif found.way is Way.OVERTIME:
        shift = shifts[shift_no]
        limit = shift.overtime_limit_s + seconds
        shifts[shift_no] = replace(shift, overtime_limit_s=limit)
    elif found.way is Way.WAIVER:
        visits[number] = altered(visits[number], shifts[shift_no], found.rules)
    elif found.way is Way.OTHER_DAY:
        windows = [
            (opens + by * DAY_S, closes + by * DAY_S)
            for by in range(-problem.days, problem.days + 1)
            if by
            for opens, closes in visits[number].windows
        ]
        merged: list[tuple[int, int]] = []
        for opens, closes in sorted(each for each in windows if each[1] >= 0):
            if merged and opens <= merged[-1][1] + 1:
                merged[-1] = merged[-1][0], max(closes, merged[-1][1])
            else:
                merged.append((max(0, opens), closes))
        visits[number] = replace(visits[number], windows=tuple(merged))
    return replace(problem, visits=tuple(visits), shifts=tuple(shifts))


@settings(max_examples=12, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(fuller_days())
def test_a_relaxation_that_is_proposed_lets_the_visit_in(problem: DayProblem) -> None:
    hold_relaxations(problem)


@pytest.mark.long
@settings(max_examples=1_500, deadline=None, suppress_health_check=list(HealthCheck))
@given(fuller_days())
def test_every_relaxation_of_many_days_lets_the_visit_in(problem: DayProblem) -> None:
    hold_relaxations(problem)


def hold_relaxations(problem: DayProblem) -> None:
    plan = plan_day(problem, iterations=5, engine="or-tools")
    for reason in explain(problem, plan):
        found = reason.relaxation
        if found is None or reason.partners:  # of those test_bound_reasons tells
            continue
        day = relaxed(problem, reason.visit, found)
        left = plan
        if found.bumped is not None:
            day = replace(day, visits=tuple(v for v in day.visits if v.id != found.bumped))
            without = [
                replace(r, stops=tuple(s for s in r.stops if s.visit != found.bumped))
                for r in plan.routes
            ]
            left = replace(plan, routes=tuple(without))
            day = without_decisions(day, found.bumped)
        number = next(n for n, each in enumerate(day.shifts) if each.id == found.shift)
        ignored = {Rule.PARTS} if Rule.PARTS in found.rules else set()
        assert takes(day, left, reason.visit, number, frozenset(ignored)), found


def without_decisions(problem: DayProblem, visit: str) -> DayProblem:
    return replace(
        problem,
        pins=tuple(each for each in problem.pins if each.visit != visit),
        published=tuple(each for each in problem.published if each.visit != visit),
        crews=tuple(each for each in problem.crews if visit not in (each.first, each.second)),
        links=tuple(each for each in problem.links if visit not in (each.first, each.second)),
    )


@settings(max_examples=8, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(fuller_days())
def test_no_smaller_set_of_rules_lets_the_visit_in(problem: DayProblem) -> None:
    hold_smallest_sets(problem)


@pytest.mark.long
@settings(max_examples=1_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(fuller_days())
def test_no_smaller_set_does_on_many_days(problem: DayProblem) -> None:
    hold_smallest_sets(problem)


def hold_smallest_sets(problem: DayProblem) -> None:
    plan = plan_day(problem, iterations=5, engine="or-tools")
    for reason in explain(problem, plan):
        fixed = any(reason.visit in shift.prefix for shift in problem.shifts)
        if not reason.blocking or fixed or reason.partners:  # of those test_bound_reasons tells
            continue
        if reason.blocking == ((Rule.PRICE,),):
            assert anybody_takes(problem, plan, reason.visit), "only the price is in the way"
            continue
        size = len(reason.blocking[0])
        assert all(len(rules) == size for rules in reason.blocking)
        for rules in reason.blocking:
            assert anybody_takes(problem, plan, reason.visit, frozenset(rules)), rules
        named = {*chain.from_iterable(reason.blocking), *(closed.rule for closed in reason.closed)}
        candidates = named | {Rule.WINDOW, Rule.HOURS, Rule.ROOM, Rule.LENGTH, Rule.DEPOT}
        for smaller in range(size):
            for few in combinations(sorted(candidates - {Rule.PRICE, Rule.TRAVEL}), smaller):
                assert not anybody_takes(problem, plan, reason.visit, frozenset(few)), few


def test_a_part_can_be_fetched_on_a_route_whose_fixed_beginning_is_supposed_away() -> None:
    at_once = ((8 * HOUR, 8 * HOUR),)
    jobs = (
        a_visit("v1", 0, windows=at_once),
        a_visit("v2", 0, windows=at_once),
        a_visit("v3", 0, windows=at_once, parts=(("belt", 1),)),
    )
    shift = a_shift(
        prefix=("v1", "v2"), breaks=(Break(earliest=8 * HOUR, latest=8 * HOUR, length_s=900),)
    )
    depots = (Depot(place=1, parts=("belt",), service_s=300),)
    day = a_day(jobs, (shift,), depots=depots)
    hold_smallest_sets(day)
    reasons = {each.visit: each for each in explain(day, plan_day(day, iterations=5))}
    assert reasons["v3"].blocking == ((Rule.PREFIX, Rule.WINDOW),)


def test_a_way_by_the_depot_that_is_shorter_than_the_straight_one_is_taken() -> None:
    job = a_visit("v1", 1, windows=((8 * HOUR, 8 * HOUR),), parts=(("belt", 1),))
    shift = a_shift(breaks=(Break(earliest=8 * HOUR, latest=8 * HOUR, length_s=900),))
    day = a_day((job,), (shift,), depots=(Depot(place=2, parts=("belt",), service_s=300),))
    travel = np.zeros_like(day.travel_s)
    travel[shift.start_place, 1] = 1_201
    day = replace(day, travel_s=travel, travel_m=travel)
    hold_relaxations(day)
    (reason,) = explain(day, plan_day(day, iterations=5))
    assert reason.relaxation is not None
    assert (reason.relaxation.way, reason.relaxation.minutes) == (Way.WINDOW, 20)
