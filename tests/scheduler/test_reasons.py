"""Every visit left out comes with a reason, and what is said to let it in does."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings

from fsm.languages import LANGUAGES
from scheduler.engine import plan_day
from scheduler.engine.permissions import Decisions, Failure, Rule, failures
from scheduler.problem import Absence, Cause, DayProblem, Depot, Link, Pin, Promise
from scheduler.reasons import Explainer, Reason, explain
from scheduler.relaxations import Way
from scheduler.sentences import sentence, shift_sentence
from tests.scheduler.days import HOUR, a_day, a_shift, a_visit, days


def reason_of(day: DayProblem, visit: str) -> Reason:
    plan = plan_day(day, iterations=10)
    (found,) = [each for each in explain(day, plan) if each.visit == visit]
    return found


def against_the_first(day: DayProblem, visit: str) -> tuple[Failure, ...]:
    """Return what keeps a visit from the first shift of a plan that leaves it out."""
    plan = plan_day(day, iterations=10)
    (left_out,) = [each for each in plan.unplanned if each.visit == visit]
    return Explainer(day, plan).shifts(left_out)[0]


def rules(reason: Reason) -> set[Rule]:
    return {closed.rule for closed in reason.closed}


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(days())
def test_every_visit_left_out_has_a_reason_that_can_be_said(day: DayProblem) -> None:
    plan = plan_day(day, iterations=10)
    reasons = explain(day, plan)
    assert [each.visit for each in reasons] == [each.visit for each in plan.unplanned]
    for reason in reasons:
        for language in LANGUAGES:
            assert reason.label in sentence(reason, language)
            assert "{" not in sentence(reason, language)
        assert sum(closed.shifts for closed in reason.closed) >= reason.shifts == len(day.shifts)
        if reason.cause is Cause.IMPOSSIBLE:
            assert rules(reason).isdisjoint({Rule.ROOM, Rule.PRICE})
            assert all(Rule.PRICE not in each and each != (Rule.ROOM,) for each in reason.blocking)
    assert msgspec.json.decode(msgspec.json.encode(reasons), type=list[Reason]) == reasons


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(days())
def test_in_brief_each_visit_is_held_against_each_shift_by_itself(day: DayProblem) -> None:
    plan = plan_day(day, iterations=10)
    decisions = Decisions.of(day)
    visits = {visit.id: visit for visit in day.visits}
    for reason in explain(day, plan, seconds=0):
        assert reason.is_brief
        closes = Counter(
            rule
            for shift in day.shifts
            for rule in {each.rule for each in failures(decisions, shift, visits[reason.visit])}
        )
        said = {closed.rule: closed.shifts for closed in reason.closed}
        assert {rule: said.pop(rule) for rule in closes} == closes
        assert said.keys() <= NOT_OF_PERMISSION


NOT_OF_PERMISSION = {
    *(Rule.WINDOW, Rule.PROMISE, Rule.HOURS, Rule.PREFIX),
    *(Rule.TRAVEL, Rule.ROOM, Rule.PARTNER),
}


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"skills": (("hydraulic", 1),)}, Rule.SKILL),
        ({"skills": (("electric", 3),)}, Rule.LEVEL),
        ({"required": ("bob",)}, Rule.REQUIRED),
        ({"forbidden": ("ann",)}, Rule.FORBIDDEN),
        ({"territory": "south"}, Rule.TERRITORY),
        ({"parts": (("belt", 1),)}, Rule.PARTS),
        ({"windows": ((2 * HOUR, 3 * HOUR),)}, Rule.HOURS),
        ({"promise": Promise(0, 7 * HOUR)}, Rule.PROMISE),
        ({"windows": ((8 * HOUR, 8 * HOUR),)}, Rule.TRAVEL),
        ({"windows": ((12 * HOUR, 12 * HOUR),)}, Rule.ABSENCE),
    ],
)
def test_the_rule_that_fails_is_named_and_holds_in_any_plan(
    fields: dict[str, object], rule: Rule
) -> None:
    shift = a_shift(
        skills=(("electric", 2),),
        territory="north",
        stays_in_territory=True,
        absences=(Absence(11 * HOUR, 13 * HOUR),),
    )
    reason = reason_of(a_day((a_visit("a", 1, **fields),), (shift,)), "a")
    assert reason.in_any_plan
    assert rules(reason) == {rule}


def test_a_pin_to_a_day_off_is_the_pin_s_fault() -> None:
    day = a_day((a_visit("a", 1),), (a_shift(), a_shift("bob")))
    day = replace(day, shifts=day.shifts[:1], pins=(Pin("a", "bob"),))
    assert rules(reason_of(day, "a")) == {Rule.PIN}


def test_a_fixed_beginning_that_cannot_be_kept_closes_the_route_and_is_named() -> None:
    early = {"windows": ((8 * HOUR, 8 * HOUR),)}
    day = a_day(
        (a_visit("a", 0, **early), a_visit("b", 0, **early), a_visit("c", 1, label="WO-3")),
        (a_shift(prefix=("a", "b")), a_shift("bob", closes=9 * HOUR)),
    )
    for visit in "abc":
        reason = reason_of(day, visit)
        assert against_the_first(day, visit)[-1].rule is Rule.PREFIX
        assert (Rule.PREFIX,) in reason.blocking
    reason = reason_of(day, "c")
    assert rules(reason) == {Rule.PREFIX, Rule.TRAVEL}
    assert "without the fixed beginning of the route" in sentence(reason, "en")
    assert "без закреплённого начала маршрута" in sentence(reason, "ru")


def test_the_smallest_set_of_rules_in_the_way_is_found() -> None:
    both = a_visit("a", 1, skills=(("electric", 1),), required=("bob",))
    reason = reason_of(a_day((both,)), "a")
    assert reason.blocking == ((Rule.SKILL, Rule.REQUIRED),)
    assert "without the skill asked for and the required person" in sentence(reason, "en")


def test_a_full_day_says_in_this_plan_and_names_who_could_make_room() -> None:
    big = {"duration_s": 4 * HOUR, "windows": ((8 * HOUR, 13 * HOUR),)}
    day = a_day(
        (a_visit("a", 1, **big), a_visit("b", 1, **big), a_visit("c", 1, label="WO-3", **big))
    )
    day = replace(day, weights=replace(day.weights, overtime_permille=9_000))
    reason = reason_of(day, "c")
    assert not reason.in_any_plan
    assert rules(reason) == {Rule.ROOM}
    assert (Rule.ROOM,) in reason.blocking
    assert sentence(reason, "en").startswith("WO-3 is not in this plan: the route is full")
    assert sentence(reason, "ru").startswith("WO-3 не вошёл в этот план: маршрут заполнен")


def test_a_window_that_opens_earlier_is_offered_in_minutes() -> None:
    late = a_visit("a", 1, windows=((16 * HOUR + 1_200, 17 * HOUR),))
    relaxation = reason_of(a_day((late,)), "a").relaxation
    assert relaxation is not None
    assert (relaxation.way, relaxation.minutes) == (Way.WINDOW, -30)
    assert relaxation.starts_at == "15:50"
    assert relaxation.metres == 2 * 600 * 10
    assert relaxation.cost == 1_200 + 900


def test_overtime_is_offered_where_windows_are_promised() -> None:
    late = a_visit("a", 1, promise=Promise(16 * HOUR + 1_200, 17 * HOUR), windows=((0, 20 * HOUR),))
    relaxation = reason_of(a_day((late,)), "a").relaxation
    assert relaxation is not None
    assert (relaxation.way, relaxation.minutes) == (Way.OVERTIME, 30)


def test_a_waiver_names_the_person_and_the_rule() -> None:
    reason = reason_of(a_day((a_visit("a", 1, skills=(("electric", 1),)),)), "a")
    assert reason.relaxation is not None
    assert (reason.relaxation.way, reason.relaxation.rules) == (Way.WAIVER, (Rule.SKILL,))
    assert "Ann" in sentence(reason, "en")


def test_the_least_wanted_visit_makes_room_where_nothing_else_can() -> None:
    fixed = {"duration_s": 8 * HOUR, "promise": Promise(8 * HOUR, 9 * HOUR)}
    day = a_day((a_visit("a", 1, **fixed), a_visit("b", 1, **fixed)))
    reason = reason_of(day, "b")
    assert reason.relaxation is not None
    assert (reason.relaxation.way, reason.relaxation.bumped) == (Way.BUMP, "a")


def test_another_day_is_offered_where_there_is_one() -> None:
    shifts = (a_shift(day=1, opens=32 * HOUR, closes=41 * HOUR),)
    reason = reason_of(a_day((a_visit("a", 1),), shifts, days=2), "a")
    assert reason.relaxation is not None
    assert reason.relaxation.way is Way.OTHER_DAY
    assert reason.relaxation.starts_at == "03.03 08:10"


def test_a_tour_that_may_not_last_so_long_is_named() -> None:
    reason = reason_of(a_day((a_visit("a", 1),), (a_shift(longest_s=HOUR),)), "a")
    assert rules(reason) == {Rule.LENGTH}
    assert (Rule.LENGTH,) in reason.blocking
    assert "without the longest tour allowed" in sentence(reason, "en")
    assert "без предела длины маршрута" in sentence(reason, "ru")


def test_the_way_to_a_depot_is_named_where_only_that_takes_too_long() -> None:
    belt = a_visit("a", 1, parts=(("belt", 1),))
    short = a_shift(closes=9 * HOUR + 1_800)
    day = a_day((belt,), (short,), depots=(Depot(4, ("belt",), 300),))
    reason = reason_of(day, "a")
    assert rules(reason) == {Rule.DEPOT}
    assert (Rule.DEPOT,) in reason.blocking
    assert "there is no time to fetch the parts" in sentence(reason, "en")
    assert "нет времени заехать за деталями" in sentence(reason, "ru")


def test_a_visit_dearer_than_leaving_it_out_says_so() -> None:
    reason = reason_of(a_day((a_visit("a", 4, drop_cost=10),)), "a")
    assert rules(reason) == {Rule.PRICE}
    assert reason.blocking == ((Rule.PRICE,),)
    assert "cost more than leaving it out" in sentence(reason, "en")


def test_times_are_local_also_after_the_clocks_have_changed() -> None:
    # 29 March 2026, Berlin: 02:00 becomes 03:00, so second 8 h is 09:00 on the wall.
    day = a_day((a_visit("a", 1, windows=((2 * HOUR, 3 * HOUR),)),))
    day = replace(day, first_midnight="2026-03-29T00:00:00+01:00")
    said = shift_sentence("Ann", against_the_first(day, "a"), "en")
    assert said.startswith("Ann: ")
    assert said.endswith("(09:00 to 18:00).")


def test_a_visit_that_only_its_partner_keeps_out_names_the_partner() -> None:
    night = {"windows": ((2 * HOUR, 3 * HOUR),)}
    day = a_day(
        (a_visit("a", 1), a_visit("b", 1, label="WO-7", **night)),
        links=(Link("a", "b", all_or_none=True),),
    )
    reason = reason_of(day, "a")
    assert rules(reason) == {Rule.PARTNER}
    assert reason.partners == ("WO-7",)
    assert (Rule.PARTNER,) in reason.blocking
    assert reason.relaxation is None, "neither hours nor windows give way by that much"
    assert "or without what it is bound to. It is bound to WO-7." in sentence(reason, "en")
    assert "либо без того, с чем он связан. Он связан с WO-7." in sentence(reason, "ru")
    assert rules(reason_of(day, "b")) == {Rule.HOURS}


def test_looking_for_ways_in_ends_with_the_time_given() -> None:
    day = a_day((a_visit("a", 1, skills=(("electric", 1),)),))
    (reason,) = explain(day, plan_day(day, iterations=1), seconds=0)
    assert reason.is_brief
    assert rules(reason) == {Rule.SKILL}
    said = "a skill is missing: electric, level 1 (1 of 1 shifts). There was no time to look for a way in."
    assert sentence(reason, "en").endswith(said)


def test_one_visit_can_be_asked_about_alone() -> None:
    day = a_day(tuple(a_visit(name, 1, skills=(("electric", 1),)) for name in "abc"))
    (reason,) = explain(day, plan_day(day, iterations=1), visits={"b"})
    assert (reason.visit, reason.is_brief) == ("b", False)
