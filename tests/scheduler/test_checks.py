"""The referee finds every kind of lie a plan can tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from scheduler.checks import violations
from scheduler.engine import plan_day
from scheduler.problem import (
    Absence,
    Break,
    Cause,
    Costs,
    Crew,
    DayProblem,
    Link,
    Pin,
    Plan,
    Promise,
    Route,
    Stop,
    Unplanned,
    digest,
)
from tests.scheduler.days import HOUR, a_day, a_shift, a_visit

LUNCH = Break(11 * HOUR, 13 * HOUR, 1_800)


def a_plan() -> tuple[DayProblem, Plan]:
    """Return a good plan: Ann does v1 then v2 with lunch between, Bob does v3."""
    day = a_day(
        (
            a_visit("v1", 1, windows=((9 * HOUR, 9 * HOUR),), required=("ann",)),
            a_visit("v2", 2, windows=((14 * HOUR, 15 * HOUR),), required=("ann",)),
            a_visit("v3", 3, required=("bob",)),
        ),
        (
            a_shift("ann", breaks=(LUNCH,)),
            a_shift("bob", start_place=4, end_place=4, overtime_limit_s=HOUR),
        ),
    )
    plan = plan_day(day, iterations=5)
    assert violations(day, plan) == []
    assert [len(route.stops) for route in plan.routes] == [3, 1]
    return day, plan


def with_stop(plan: Plan, visit: str, change: Callable[[Stop], Stop]) -> Plan:
    return replace(
        plan,
        routes=tuple(
            replace(
                route,
                stops=tuple(change(s) if (s.visit or s.kind) == visit else s for s in route.stops),
            )
            for route in plan.routes
        ),
    )


def shifted(seconds: int) -> Callable[[Stop], Stop]:
    return lambda stop: replace(stop, start=stop.start + seconds, end=stop.end + seconds)


def ann(plan: Plan, change: Callable[[Route], Route]) -> Plan:
    return replace(plan, routes=(change(plan.routes[0]), *plan.routes[1:]))


LIES: list[tuple[str, Callable[[Plan], Plan], str]] = [
    ("another problem", lambda p: replace(p, problem="0" * 64), "another problem"),
    ("outside its window", lambda p: with_stop(p, "v1", shifted(60)), "outside its windows"),
    ("before arrival", lambda p: with_stop(p, "v3", shifted(-3 * HOUR)), "before it is there"),
    (
        "work cut short",
        lambda p: with_stop(p, "v3", lambda s: replace(s, end=s.end - 1)),
        "at a wrong time",
    ),
    (
        "an arrival made up",
        lambda p: with_stop(p, "v2", lambda s: replace(s, arrive=s.arrive - 1)),
        "is at v2 at",
    ),
    (
        "a drive made up",
        lambda p: with_stop(p, "v2", lambda s: replace(s, drive_s=0)),
        "a wrong drive",
    ),
    ("elsewhere", lambda p: with_stop(p, "v3", lambda s: replace(s, place=4)), "is elsewhere"),
    ("nowhere", lambda p: with_stop(p, "v3", lambda s: replace(s, place=99)), "nowhere"),
    ("lunch too late", lambda p: with_stop(p, "break", shifted(3 * HOUR)), "outside its span"),
    (
        "lunch too short",
        lambda p: with_stop(p, "break", lambda s: replace(s, end=s.end - 60)),
        "length or place",
    ),
    (
        "no lunch",
        lambda p: ann(p, lambda r: replace(r, stops=tuple(s for s in r.stops if s.visit))),
        "has 1 of break",
    ),
    (
        "lunch inside a visit",
        lambda p: ann(p, lambda r: replace(r, stops=(r.stops[1], r.stops[0], r.stops[2]))),
        "Shift ann-0",
    ),
    ("leaves too early", lambda p: ann(p, lambda r: replace(r, leave=7 * HOUR)), "before it opens"),
    ("back made up", lambda p: ann(p, lambda r: replace(r, back=r.back + 1)), "is back at"),
    ("waiting made up", lambda p: ann(p, lambda r: replace(r, waiting_s=0)), "waiting_s"),
    ("distance made up", lambda p: ann(p, lambda r: replace(r, drive_m=0)), "drive_m"),
    ("no such shift", lambda p: ann(p, lambda r: replace(r, shift="x")), "does not exist"),
    ("somebody else", lambda p: ann(p, lambda r: replace(r, technician="x")), "another technician"),
    (
        "the wrong person",
        lambda p: replace(
            p,
            routes=tuple(
                replace(r, shift=s, technician=t)
                for r, s, t in zip(p.routes, ("bob-0", "ann-0"), ("bob", "ann"), strict=True)
            ),
        ),
        "requires",
    ),
    ("twice", lambda p: replace(p, routes=(*p.routes, p.routes[0])), "planned twice"),
    ("two routes", lambda p: replace(p, routes=(*p.routes, p.routes[0])), "two routes"),
    ("an empty route", lambda p: ann(p, lambda r: replace(r, stops=())), "without a visit"),
    ("forgotten", lambda p: replace(p, routes=p.routes[:1]), "neither planned nor left out"),
    (
        "both ways",
        lambda p: replace(p, unplanned=(Unplanned("v1", "no_room"),)),  # type: ignore[arg-type]
        "both planned and left out",
    ),
    (
        "unknown",
        lambda p: with_stop(p, "v1", lambda s: replace(s, visit="x")),
        "Visit x does not exist",
    ),
    ("a cost made up", lambda p: replace(p, costs=Costs(travel=1)), "says its travel costs 1"),
]


@pytest.mark.parametrize(("lie", "sentence"), [each[1:] for each in LIES], ids=[e[0] for e in LIES])
def test_a_plan_that_lies_is_found_out(lie: Callable[[Plan], Plan], sentence: str) -> None:
    day, plan = a_plan()
    assert any(sentence in each for each in violations(day, lie(plan)))


RULES: list[tuple[str, Callable[[DayProblem], DayProblem], str]] = [
    ("skill", lambda d: _visit(d, 0, skills=(("electric", 1),)), "needs electric 1"),
    ("forbidden", lambda d: _visit(d, 0, forbidden=("ann",)), "forbids technician ann"),
    (
        "territory",
        lambda d: _shift(_visit(d, 0, territory="n"), territory="s", stays_in_territory=True),
        "outside the territory",
    ),
    ("promise opens", lambda d: _visit(d, 0, promise=Promise(10 * HOUR, 11 * HOUR)), "opens"),
    ("promise closes", lambda d: _visit(d, 0, promise=Promise(0, HOUR)), "after its promise"),
    ("pinned person", lambda d: replace(d, pins=(Pin("v1", "bob"),)), "pinned to technician bob"),
    ("pinned start", lambda d: replace(d, pins=(Pin("v1", start=0),)), "pinned to 0"),
    (
        "begun and forgotten",
        lambda d: replace(
            d, visits=(*d.visits, a_visit("v4", 1)), pins=(Pin("v4", "bob", 9 * HOUR, begun=True),)
        ),
        "has begun and is not in the plan",
    ),
    ("parts", lambda d: _visit(d, 0, parts=(("belt", 1),)), "has no belt left"),
    ("prefix", lambda d: _shift(d, prefix=("v2",)), "does not begin with v2"),
    ("absence", lambda d: _shift(d, absences=(Absence(8 * HOUR, 9 * HOUR),)), "1 of absence"),
    ("shorter day", lambda d: _shift(d, closes=12 * HOUR), "12"),
    ("crew apart", lambda d: replace(d, crews=(Crew("v1", "v3"),)), "do not begin together"),
    ("crew of one", lambda d: replace(d, crews=(Crew("v1", "v2"),)), "need two people"),
    ("order", lambda d: replace(d, links=(Link("v2", "v1", ordered=True),)), "out of order"),
    (
        "needed",
        lambda d: replace(d, links=(Link("v9", "v1", needs_first=True),)),
        "which it needs",
    ),
    ("gap short", lambda d: replace(d, links=(Link("v1", "v2", least_gap_s=99_999),)), "less than"),
    ("gap long", lambda d: replace(d, links=(Link("v1", "v2", greatest_gap_s=1),)), "more than"),
    (
        "same person",
        lambda d: replace(d, links=(Link("v1", "v3", same_technician=True),)),
        "one technician",
    ),
    (
        "other person",
        lambda d: replace(d, links=(Link("v1", "v2", other_technician=True),)),
        "two technicians",
    ),
]


def _visit(day: DayProblem, number: int, **fields: object) -> DayProblem:
    jobs = list(day.visits)
    jobs[number] = replace(jobs[number], **fields)  # type: ignore[arg-type]
    return replace(day, visits=tuple(jobs))


def _shift(day: DayProblem, **fields: object) -> DayProblem:
    return replace(day, shifts=(replace(day.shifts[0], **fields), *day.shifts[1:]))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("add", "sentence"), [each[1:] for each in RULES], ids=[e[0] for e in RULES]
)
def test_a_rule_the_plan_did_not_know_is_missed(
    add: Callable[[DayProblem], DayProblem], sentence: str
) -> None:
    day, plan = a_plan()
    stricter = add(day)
    found = violations(stricter, replace(plan, problem=digest(stricter)))
    assert any(sentence in each for each in found)


def test_all_or_none_is_missed_where_one_is_left_out() -> None:
    day, plan = a_plan()
    linked = replace(
        day,
        visits=(*day.visits, a_visit("v4", 1)),
        links=(Link("v1", "v4", all_or_none=True),),
        crews=(Crew("v4", "v3"),),
    )
    left_out = (Unplanned("v4", Cause.NO_ROOM),)
    found = violations(linked, replace(plan, problem=digest(linked), unplanned=left_out))
    assert any("go together" in each for each in found)
    assert any("are a crew; one is left out" in each for each in found)
