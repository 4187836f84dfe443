"""What a plan changes: each line with its cause, and groups that can be taken alone or left out alone."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from scheduler.acceptance import NotTogether, choose, grouped
from scheduler.checks import cost, violations
from scheduler.diff import Change, Kind, Line, Touch, Why, after_of, before_of, compare
from scheduler.engine import plan_day
from scheduler.problem import DayProblem, Plan, ProblemInvalid, Promise, Published
from tests.scheduler.days import HOUR, a_day, a_shift, a_visit, days


def published(*spots: tuple[str, str, float]) -> tuple[Published, ...]:
    return tuple(Published(visit, who, 0, int(hour * HOUR)) for visit, who, hour in spots)


def lines_of(day: DayProblem, plan: Plan, *events: Touch) -> dict[str, Line]:
    return {line.visit: line for line in compare(day, before_of(day), after_of(plan), events)}


TWO = (a_shift(), a_shift("bob"))


def test_a_sick_call_stands_behind_what_its_route_loses_and_what_that_displaces() -> None:
    """Ann is sick: her promised visit takes the time of one of Bob's, who then has no time for it."""
    nine = Promise(9 * HOUR, 9 * HOUR)
    day = a_day(
        (
            a_visit("hers", 1, promise=nine, priority=1),
            a_visit("his", 1, windows=((9 * HOUR, 9 * HOUR),), priority=4),
        ),
        TWO,
        published=published(("hers", "ann", 9), ("his", "bob", 9)),
    )
    sick = replace(day, shifts=day.shifts[1:])
    lines = lines_of(sick, plan_day(sick, iterations=10), Touch("sick", frozenset({"hers"})))
    hers, his = lines["hers"], lines["his"]
    assert (hers.kind, hers.changes) == (Kind.MOVED, (Change.TECHNICIAN,))
    assert (hers.cause.why, hers.cause.event, hers.cause.by) == (Why.EVENT, "sick", None)
    assert (his.kind, his.cause.event, his.cause.by) == (Kind.DROPPED, "sick", "hers")
    assert hers.price == day.weights.other_technician


def test_a_visit_that_only_begins_later_says_who_came_before_it() -> None:
    day = a_day(
        (
            a_visit("old", 1, windows=((9 * HOUR, 17 * HOUR),)),
            a_visit("new", 1, windows=((9 * HOUR, 9 * HOUR),)),
        ),
        published=published(("old", "ann", 9)),
    )
    line = lines_of(day, plan_day(day, iterations=10))["old"]
    assert (line.kind, line.changes) == (Kind.RETIMED, (Change.START,))
    assert (line.cause.why, line.cause.by) == (Why.DISPLACED, "new")


def test_what_nothing_asked_for_is_an_improvement_with_its_saving() -> None:
    """Both drive 40 minutes for visits that one of them can make."""
    day = a_day(
        (a_visit("a", 4), a_visit("b", 4)),
        TWO,
        published=published(("a", "ann", 9), ("b", "bob", 9)),
    )
    plan = plan_day(day, iterations=20)
    lines = lines_of(day, plan)
    (moved,) = [line for line in lines.values() if line.kind is Kind.MOVED]
    assert moved.cause.why is Why.IMPROVEMENT
    groups = grouped(day, plan, list(lines.values()))
    (group,) = [group for group in groups if moved.visit in group.visits]
    stays = choose(day, plan, list(lines.values()), ())
    assert group.saving == stays.plan.costs.total - plan.costs.total > 0


def test_a_promise_that_is_missed_has_a_price_and_a_risk() -> None:
    day = a_day(
        (a_visit("a", 1, promise=Promise(9 * HOUR, 10 * HOUR), priority=1),),
        (a_shift(opens=11 * HOUR),),
        published=published(("a", "ann", 9)),
        may_break_promises=True,
    )
    line = lines_of(day, plan_day(day, iterations=5))["a"]
    assert line.is_at_risk
    late = 70 * 60
    weights = day.weights
    assert line.price == weights.promise_broken + late * weights.promise_late_permille // 1_000


def test_two_visits_that_change_places_need_each_other() -> None:
    """Each route has room for one of the long visits only: neither can move without the other."""
    long = {"duration_s": 4 * HOUR}
    day = a_day(
        (a_visit("near ann", 1, **long), a_visit("near bob", 3, **long), a_visit("new", 2)),
        (a_shift(start_place=0, end_place=0), a_shift("bob", start_place=4, end_place=4)),
        minutes=(0, 10, 60, 110, 120),
        published=published(("near ann", "bob", 9), ("near bob", "ann", 9)),
    )
    plan = plan_day(day, iterations=50)
    lines = list(lines_of(day, plan).values())
    swapped = {"near ann", "near bob"}
    assert swapped <= {line.visit for line in lines if line.kind is Kind.MOVED}
    (group,) = [group for group in grouped(day, plan, lines) if "near ann" in group.visits]
    assert swapped <= set(group.visits)
    assert (group.saving or 0) > 0


@st.composite
def changed_days(draw: st.DrawFn) -> DayProblem:
    """A day with a plan in force, and something that upset it afterwards."""
    day = draw(days())
    assume(day.shifts and day.visits)
    in_force = plan_day(day, iterations=3)
    upset = day.with_published(in_force)
    shift = upset.shifts[0]
    shorter = max(shift.opens, shift.closes - draw(st.sampled_from((0, HOUR, 3 * HOUR))))
    cut = replace(shift, closes=shorter, breaks=(), absences=())
    upset = replace(upset, shifts=(cut, *upset.shifts[1:]))
    try:
        upset.validate()
    except ProblemInvalid:
        assume(False)
    return upset


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(changed_days(), st.randoms(use_true_random=False))
def test_every_group_can_be_taken_alone_and_left_out_alone(day: DayProblem, random: object) -> None:
    plan = plan_day(day, iterations=10)
    lines = compare(day, before_of(day), after_of(plan))
    groups = grouped(day, plan, lines)
    structural = [line.visit for line in lines if line.kind is not Kind.RETIMED]
    assert sorted(visit for group in groups for visit in group.visits) == sorted(structural)
    for group in groups:
        for accepted in (set(group.visits), set(structural) - set(group.visits)):
            chosen = choose(day, plan, lines, accepted).plan
            where = after_of(chosen)
            for line in lines:
                if line.visit in accepted and line.after is not None:
                    assert where[line.visit].route == line.after.route
                if line.visit in accepted and line.after is None:
                    assert line.visit not in where
    everything = choose(day, plan, lines, structural)
    assert everything.stays_broken == ()
    assert {v: s.route for v, s in after_of(everything.plan).items()} == {
        v: s.route for v, s in after_of(plan).items()
    }
    assert everything.plan.costs == cost(day, everything.plan)
    picked = {visit for visit in structural if random.random() < 0.5}  # type: ignore[attr-defined]
    try:
        some = choose(day, plan, lines, picked)
    except NotTogether:
        pass  # combinations are not promised; what is not refused is a plan
    else:
        left = set(some.stays_broken)
        judged = replace(
            day,
            visits=tuple(each for each in day.visits if each.id not in left),
            pins=tuple(each for each in day.pins if each.visit not in left),
            published=tuple(each for each in day.published if each.visit not in left),
            crews=tuple(c for c in day.crews if not left & {c.first, c.second}),
            links=tuple(k for k in day.links if not left & {k.first, k.second}),
        )
        assert violations(judged, some.plan) == []
