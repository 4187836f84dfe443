"""Repairs keep crews and links: both or none, at one time, in order; nothing that could stay is dropped."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from scheduler import bonds
from scheduler.checks import violations
from scheduler.engine import plan_day
from scheduler.engine.indexed import IndexedDay
from scheduler.engine.insertion import Draft
from scheduler.problem import (
    Absence,
    Cause,
    Crew,
    DayProblem,
    Link,
    Pin,
    Plan,
    ProblemInvalid,
    Promise,
    Published,
)
from scheduler.repair import repair
from tests.scheduler.days import HOUR, a_day, a_shift, a_visit, fuller_days

TWO = (a_shift("ann"), a_shift("bob", start_place=4, end_place=4))
THREE = (*TWO, a_shift("cid", start_place=2, end_place=2))


def stops(plan: Plan) -> dict[str, tuple[str, int]]:
    return {
        stop.visit: (route.technician, stop.start)
        for route in plan.routes
        for stop in route.stops
        if stop.visit is not None
    }


def published(*spots: tuple[str, str, float]) -> tuple[Published, ...]:
    return tuple(Published(visit, who, 0, int(hour * HOUR)) for visit, who, hour in spots)


def mended(day: DayProblem) -> dict[str, tuple[str, int]]:
    plan = repair(day)
    assert violations(day, plan) == []
    return stops(plan)


def test_a_crew_that_loses_one_person_gets_another_and_begins_together_again() -> None:
    day = a_day(
        (a_visit("one", 1), a_visit("two", 1), a_visit("own", 3)),
        (*TWO, a_shift("cid", start_place=2, end_place=2)),
        crews=(Crew("one", "two"),),
        published=published(("one", "ann", 9), ("two", "bob", 9), ("own", "cid", 9)),
    )
    sick = replace(day.shifts[1], absences=(Absence(8 * HOUR, 17 * HOUR),))
    found = mended(replace(day, shifts=(day.shifts[0], sick, day.shifts[2])))
    assert {found["one"][0], found["two"][0]} == {"ann", "cid"}
    assert found["one"][1] == found["two"][1]
    assert found["own"][0] == "cid"


def test_both_legs_go_where_nobody_else_can_come() -> None:
    day = a_day(
        (a_visit("one", 1), a_visit("two", 1), a_visit("own", 1)),
        TWO,
        crews=(Crew("one", "two"),),
        published=published(("one", "ann", 9), ("two", "bob", 9), ("own", "ann", 11)),
    )
    sick = replace(day.shifts[1], absences=(Absence(8 * HOUR, 17 * HOUR),))
    assert mended(replace(day, shifts=(day.shifts[0], sick))).keys() == {"own"}


def test_an_overrun_pushes_what_has_to_come_after_it() -> None:
    day = a_day(
        (a_visit("first", 1, duration_s=3 * HOUR), a_visit("then", 3), a_visit("own", 2)),
        TWO,
        links=(Link("first", "then", ordered=True, greatest_gap_s=5 * HOUR),),
        published=published(("first", "ann", 9), ("then", "bob", 10), ("own", "ann", 13)),
    )
    found = mended(day)
    assert [found[visit][0] for visit in ("first", "then", "own")] == ["ann", "bob", "ann"]
    assert found["then"][1] >= found["first"][1] + 3 * HOUR


def test_one_visit_gives_way_for_a_pair_and_a_pair_for_one_visit() -> None:
    nine = {"windows": ((9 * HOUR, 9 * HOUR),)}
    legs = (a_visit("one", 1, priority=1, **nine), a_visit("two", 1, priority=1, **nine))
    crew = (Crew("one", "two"),)
    small = a_visit("small", 1, priority=5, **nine)
    day = a_day((*legs, small), TWO, crews=crew, published=published(("small", "ann", 9)))
    assert mended(day).keys() == {"one", "two"}
    cheap = tuple(replace(leg, priority=5) for leg in legs)
    urgent = replace(small, priority=1)
    where = published(("one", "ann", 9), ("two", "bob", 9))
    day = a_day((*cheap, urgent), TWO, crews=crew, published=where)
    assert mended(day).keys() == {"small"}


def test_a_pinned_pair_stays_and_what_is_loose_gives_way() -> None:
    """Its start moved to eleven, where another visit stands that fits nowhere else."""
    eleven = {"windows": ((11 * HOUR, 11 * HOUR),)}
    day = a_day(
        (a_visit("one", 1), a_visit("two", 1), a_visit("loose", 2, priority=1, **eleven)),
        TWO,
        crews=(Crew("one", "two"),),
        pins=(Pin("one", "ann", 11 * HOUR), Pin("two", "bob", 11 * HOUR)),
        published=published(("one", "ann", 11), ("two", "bob", 11), ("loose", "bob", 11)),
    )
    assert mended(day).keys() == {"one", "two"}


def test_a_promise_at_risk_moves_the_whole_pair() -> None:
    promise = {"promise": Promise(9 * HOUR, 9 * HOUR + 1_800), "priority": 1}
    late = replace(THREE[1], opens=12 * HOUR)
    day = a_day(
        (a_visit("one", 1, **promise), a_visit("two", 1, **promise)),
        (THREE[0], late, THREE[2]),
        crews=(Crew("one", "two"),),
        published=published(("one", "ann", 9), ("two", "bob", 9)),
        may_break_promises=True,
    )
    found = mended(day)
    assert {found["one"], found["two"]} == {("ann", 9 * HOUR), ("cid", 9 * HOUR)}


UPSETS = ("urgent", "sick", "overrun", "gone", "late_part")


@st.composite
def upset_days(draw: st.DrawFn) -> DayProblem:
    """A day with crews and links, its plan in force, and one of the events of a day."""
    day = draw(fuller_days())
    assume(day.shifts and len(day.visits) > 1)
    names = [visit.id for visit in day.visits]
    one, other = draw(st.permutations(names))[:2]
    if draw(st.booleans()):
        day = replace(day, crews=(*day.crews, Crew(one, other)))
    event = draw(st.sampled_from(UPSETS))
    chosen = draw(st.sampled_from(names))
    planned = day if event != "urgent" else without(day, chosen)
    try:
        planned.validate()
        day = day.with_published(plan_day(planned, iterations=3, engine="or-tools"))
        day = upset(draw, day, event, chosen)
        day.validate()
    except ProblemInvalid:
        assume(False)
    return day


def upset(draw: st.DrawFn, day: DayProblem, event: str, chosen: str) -> DayProblem:
    shift, visits = day.shifts[0], {visit.id: visit for visit in day.visits}
    if event == "urgent":
        visits[chosen] = replace(visits[chosen], priority=1, drop_cost=None)
    if event == "sick":
        at = draw(st.integers(shift.opens, shift.closes - 600))
        sick = replace(shift, absences=(Absence(at, shift.closes),), breaks=(), prefix=())
        return replace(day, shifts=(sick, *day.shifts[1:]))
    if event == "overrun":
        visits[chosen] = replace(visits[chosen], duration_s=visits[chosen].duration_s + 2 * HOUR)
    if event == "late_part":
        from_s = visits[chosen].windows[0][0] + 3 * HOUR
        windows = tuple((max(a, from_s), max(b, from_s)) for a, b in visits[chosen].windows)
        visits[chosen] = replace(visits[chosen], windows=windows[-1:], promise=None)
    if event == "gone":
        return without(day, chosen)
    return replace(day, visits=tuple(visits.values()))


def without(day: DayProblem, gone: str) -> DayProblem:
    return replace(
        day,
        visits=tuple(each for each in day.visits if each.id != gone),
        shifts=tuple(
            replace(each, prefix=tuple(one for one in each.prefix if one != gone))
            for each in day.shifts
        ),
        pins=tuple(each for each in day.pins if each.visit != gone),
        published=tuple(each for each in day.published if each.visit != gone),
        crews=tuple(each for each in day.crews if gone not in (each.first, each.second)),
        links=tuple(each for each in day.links if gone not in (each.first, each.second)),
    )


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(upset_days())
def test_a_repair_keeps_every_bond_and_drops_nothing_that_could_stay(day: DayProblem) -> None:
    hold_repaired(day)


@pytest.mark.long
@settings(max_examples=1_500, deadline=None, suppress_health_check=list(HealthCheck))
@given(upset_days())
def test_repairs_of_many_days_keep_every_bond(day: DayProblem) -> None:
    hold_repaired(day)


def hold_repaired(day: DayProblem) -> None:
    plan = repair(day)
    assert violations(day, plan) == []
    indexed = IndexedDay(day)
    out = {indexed.visit_no[one.visit] for one in plan.unplanned if one.cause is Cause.NO_ROOM}
    for number in out:
        draft = Draft.of(indexed, plan)
        if number in indexed.linked:
            bonds.put(draft, number, bonds.together(indexed, number, out))
            assert number not in draft.shift_of, indexed.visits[number].id
        else:
            place = draft.best_place(number)
            assert place is None or place.delta >= indexed.drop[number], indexed.visits[number].id
