"""What keeps out visits that a crew or a link binds, and what would let them in, found for all as one.

The oracle alters the problem itself and tries every position of every pair of shifts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations, product

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from fsm.languages import LANGUAGES
from scheduler.checks import violations
from scheduler.engine import plan_day
from scheduler.engine.assembly import assemble
from scheduler.engine.indexed import IndexedDay
from scheduler.engine.insertion import Draft
from scheduler.engine.permissions import Rule
from scheduler.engine.ties import joined
from scheduler.engine.together import settle
from scheduler.problem import Cause, Crew, DayProblem, Link, Plan, ProblemInvalid, Promise, StopKind
from scheduler.reasons import Reason, explain
from scheduler.relaxations import Relaxation, Way
from scheduler.sentences import sentence
from tests.scheduler.days import HOUR, a_day, a_shift, a_visit, fuller_days
from tests.scheduler.test_reasons_hold import altered, longer_hours, relaxed

TWO = (a_shift("ann"), a_shift("bob", start_place=4, end_place=4))


@st.composite
def bound_days(draw: st.DrawFn) -> DayProblem:
    """A small day in which two visits are a crew, or go together in order."""
    day = draw(fuller_days())
    assume(1 < len(day.shifts) <= 4 and len(day.visits) > 1)
    one, other = day.visits[-2].id, day.visits[-1].id
    if draw(st.booleans()):
        bound = replace(day, crews=(Crew(one, other),), links=())
    else:
        link = Link(one, other, ordered=True, all_or_none=True, greatest_gap_s=4 * HOUR)
        bound = replace(day, links=(link,), crews=())
    try:
        bound.validate()
    except ProblemInvalid:
        assume(False)
    return bound


def together(problem: DayProblem, plan: Plan, visit: str) -> list[int]:
    day = IndexedDay(problem)
    out = {day.visit_no[each.visit] for each in plan.unplanned}
    return joined(day.ties, day.visit_no[visit], out, together=True)


def ways_in(
    problem: DayProblem, plan: Plan, members: Sequence[int], rules: Iterable[Rule] = ()
) -> Iterator[tuple[IndexedDay, Draft]]:
    """Yield the plan with all of `members` in it, in every way there is without these rules."""
    gone = frozenset(rules)
    at_depots = {part for depot in problem.depots for part in depot.parts}
    ids = {problem.visits[each].id for each in members}
    if Rule.PARTNER in gone:
        problem = replace(
            problem,
            crews=tuple(c for c in problem.crews if not ids & {c.first, c.second}),
            links=tuple(k for k in problem.links if not ids & {k.first, k.second}),
        )
    for chosen in product(range(len(problem.shifts)), repeat=len(members)):
        visits = list(problem.visits)
        for each, number in zip(members, chosen, strict=True):
            visits[each] = altered(visits[each], problem.shifts[number], gone, at_depots)
        shifts = list(problem.shifts)
        for number in range(len(shifts)):
            if Rule.HOURS in gone:
                shifts[number] = longer_hours(shifts[number])
            if Rule.ABSENCE in gone:
                shifts[number] = replace(shifts[number], absences=())
            if Rule.LENGTH in gone:
                shifts[number] = replace(shifts[number], longest_s=None)
        pins = tuple(p for p in problem.pins if not (Rule.PIN in gone and p.visit in ids))
        day = IndexedDay(replace(problem, visits=tuple(visits), shifts=tuple(shifts), pins=pins))
        if not all(day.able[n, each] for each, n in zip(members, chosen, strict=True)):
            continue
        yield from _placed(
            day, _planned(day, plan, chosen if Rule.ROOM in gone else ()), members, chosen
        )


def _planned(day: IndexedDay, plan: Plan, emptied: Sequence[int]) -> Draft:
    """Return the plan, as far as its routes are not emptied; bound visits begin when they do."""
    starts = {
        day.visit_no[stop.visit]: ((stop.start, stop.start),)
        for route in plan.routes
        for stop in route.stops
        if stop.visit is not None
    }
    draft = Draft(day, {each: starts[each] for each in day.linked & starts.keys()})
    for route in plan.routes:
        number = day.shift_no[route.shift]
        order = [day.visit_no[s.visit] for s in route.stops if s.kind is StopKind.VISIT and s.visit]
        if number in emptied:
            order = order[: len(day.shifts[number].prefix)]
        draft.set_order(number, order)
    return draft


def _placed(
    day: IndexedDay, draft: Draft, members: Sequence[int], chosen: Sequence[int]
) -> Iterator[tuple[IndexedDay, Draft]]:
    if not members:
        if settle(draft, {each for each in draft.shift_of if each not in draft.held}):
            yield day, draft
        return
    before, number = draft.snapshot(), chosen[0]
    order = draft.orders[number]
    for position in range(len(day.shifts[number].prefix), len(order) + 1):
        if draft.set_order(number, [*order[:position], members[0], *order[position:]]):
            yield from _placed(day, draft, members[1:], chosen[1:])
        draft.restore(before)


def reasons(problem: DayProblem) -> tuple[Plan, list[Reason]]:
    plan = plan_day(problem, iterations=3, engine="or-tools")
    bound = {each for crew in problem.crews for each in (crew.first, crew.second)}
    bound |= {each for link in problem.links for each in (link.first, link.second)}
    fixed = {each for shift in problem.shifts for each in shift.prefix}
    found = explain(problem, plan, visits=bound - fixed)
    return plan, found[:1]


SOME = settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
MANY = settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))


@SOME
@given(bound_days())
def test_no_smaller_set_of_rules_lets_a_pair_in(problem: DayProblem) -> None:
    hold_smallest_sets(problem)


@SOME
@given(bound_days())
def test_a_relaxation_lets_the_whole_pair_in(problem: DayProblem) -> None:
    hold_relaxations(problem)


@pytest.mark.long
@MANY
@given(bound_days())
def test_no_smaller_set_lets_many_pairs_in(problem: DayProblem) -> None:
    hold_smallest_sets(problem)


@pytest.mark.long
@MANY
@given(bound_days())
def test_relaxations_let_many_pairs_in(problem: DayProblem) -> None:
    hold_relaxations(problem)


def hold_smallest_sets(problem: DayProblem) -> None:
    plan, found = reasons(problem)
    for reason in found:
        members = together(problem, plan, reason.visit)
        own = [number for number, each in enumerate(problem.visits) if each.id == reason.visit]
        for language in LANGUAGES:
            assert "{" not in sentence(reason, language)
        if not reason.blocking:
            continue
        if reason.blocking == ((Rule.PRICE,),):
            assert any(True for _ in ways_in(problem, plan, members)), "only the price"
            continue
        size = len(reason.blocking[0])
        for rules in reason.blocking:
            assert len(rules) == size
            wanted = own if Rule.PARTNER in rules else members
            assert any(True for _ in ways_in(problem, plan, wanted, rules)), rules
        others = {Rule.PRICE, Rule.TRAVEL, Rule.PREFIX}
        for smaller in range(size):
            for few in combinations(sorted(set(Rule) - others), smaller):
                wanted = own if Rule.PARTNER in few else members
                assert not any(True for _ in ways_in(problem, plan, wanted, few)), few


def hold_relaxations(problem: DayProblem) -> None:
    plan, found = reasons(problem)
    for reason in found:
        if reason.relaxation is None:
            continue
        members = together(problem, plan, reason.visit)
        day = changed(problem, members, reason.relaxation)
        rules = set(reason.relaxation.rules)
        for altered_day, draft in ways_in(day, plan, members, rules):
            mine = draft.shift_of[altered_day.visit_no[reason.visit]]
            if altered_day.shifts[mine].id == reason.relaxation.shift:
                judged = assemble(draft, impossible=(), engine="oracle", seed=0)
                assert violations(altered_day.problem, judged) == []
                break
        else:
            pytest.fail(f"{reason.relaxation} lets nobody in")


def changed(problem: DayProblem, members: Sequence[int], found: Relaxation) -> DayProblem:
    """Return the problem with what the relaxation says made true for all of them."""
    if found.way is Way.OVERTIME:
        seconds = found.minutes * 60
        longer = [
            replace(each, overtime_limit_s=each.overtime_limit_s + seconds)
            for each in problem.shifts
        ]
        return replace(problem, shifts=tuple(longer))
    if found.way is Way.WINDOW:
        for each in members:
            problem = relaxed(problem, problem.visits[each].id, found)
    return problem


def reason_of(day: DayProblem, visit: str) -> Reason:
    (found,) = explain(day, plan_day(day, iterations=5, engine="or-tools"), visits={visit})
    return found


def test_a_crew_that_lacks_one_skill_says_which_rule_and_who_could_come() -> None:
    skilled = {"skills": (("electric", 1),)}
    legs = (a_visit("one", 1, label="W-1"), a_visit("two", 1, label="W-1", **skilled))
    reason = reason_of(a_day(legs, TWO, crews=(Crew("one", "two"),)), "one")
    assert reason.blocking == ((Rule.SKILL,), (Rule.PARTNER,))
    relaxation = reason.relaxation
    assert relaxation is not None
    assert (relaxation.way, relaxation.rules) == (Way.WAIVER, (Rule.SKILL,))
    assert set(relaxation.technician.split(", ")) == {"Ann", "Bob"}
    assert "without the skill asked for, or without what it is bound to" in sentence(reason, "en")
    assert "либо без того, с чем он связан" in sentence(reason, "ru")


def test_a_crew_larger_than_those_who_can_do_it_is_told_how_many_could_come() -> None:
    electric = {"skills": (("electric", 1),), "label": "W-1"}
    legs = tuple(a_visit(name, 1, **electric) for name in ("one", "two", "three"))
    crews = (Crew("one", "two"), Crew("two", "three"))
    able = {"skills": (("electric", 1),)}
    people = (a_shift("ann", **able), a_shift("bob", **able), a_shift("cid"))
    reason = reason_of(a_day((*legs, a_visit("own", 2)), people, crews=crews), "two")
    assert (reason.cause, reason.people) == (Cause.IMPOSSIBLE, (3, 2))
    assert "needs 3 people at once, and only 2 could come" in sentence(reason, "en")
    assert "нужно исполнителей: 3, приехать могли бы: 2" in sentence(reason, "ru")
    enough = a_day(legs, (*people, a_shift("dan", **able)), crews=crews)
    assert plan_day(enough, iterations=5, engine="or-tools").unplanned == ()


def test_two_shifts_of_one_person_are_no_crew() -> None:
    legs = tuple(a_visit(name, 1, label="W-1") for name in ("one", "two"))
    split = (a_shift(closes=12 * HOUR, id="early"), a_shift(opens=13 * HOUR, id="late"))
    day = a_day(legs, split, crews=(Crew("one", "two"),))
    assert reason_of(day, "one").people == (2, 1)
    # Each leg has one person, and it is the same one.
    only_ann = {"required": ("ann",)}
    legs = tuple(a_visit(name, 1, **only_ann) for name in ("one", "two"))
    assert reason_of(a_day(legs, TWO, crews=(Crew("one", "two"),)), "one").people == (2, 1)
    # Who could do either hands one on to whoever can do only that.
    legs = (a_visit("one", 1), a_visit("two", 1, **only_ann))
    day = a_day(legs, TWO, crews=(Crew("one", "two"),))
    assert plan_day(day, iterations=5, engine="or-tools").unplanned == ()


def test_a_pair_that_misses_its_hour_is_let_in_by_overtime_of_both() -> None:
    late = {"promise": Promise(16 * HOUR + 1_800, 17 * HOUR)}
    day = a_day(
        (a_visit("one", 1, **late), a_visit("two", 1, **late)), TWO, crews=(Crew("one", "two"),)
    )
    reason = reason_of(day, "two")
    assert (Rule.HOURS,) in reason.blocking
    assert reason.relaxation is not None
    assert (reason.relaxation.way, reason.relaxation.minutes) == (Way.OVERTIME, 60)


def test_a_pair_too_dear_for_what_it_is_worth_says_so() -> None:
    cheap = {"drop_cost": 10}
    day = a_day(
        (a_visit("one", 1, **cheap), a_visit("two", 1, **cheap)), TWO, crews=(Crew("one", "two"),)
    )
    assert reason_of(day, "one").blocking == ((Rule.PRICE,),)
