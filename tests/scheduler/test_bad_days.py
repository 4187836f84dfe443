"""A bad problem gets a precise refusal, or a plan in which every visit left out has a reason."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fsm.languages import LANGUAGES
from scheduler.checks import violations
from scheduler.engine import plan_day
from scheduler.engine.indexed import IndexedDay
from scheduler.patience import Patience
from scheduler.problem import Cause, DayProblem, Pin, Plan, ProblemInvalid, Published, Visit
from scheduler.reasons import explain
from scheduler.repair import repair, repaired
from scheduler.sentences import sentence
from scheduler.travel import geodesic_travel
from tests.scheduler.days import HOUR, a_day, a_shift, a_visit


@pytest.mark.parametrize(
    ("day", "code"),
    [
        (a_day((a_visit("a", 1, windows=((10 * HOUR, 9 * HOUR),)),)), "reversed_window"),
        (a_day((a_visit("a", 1, duration_s=-60),)), "negative_duration"),
        (a_day((a_visit("a", 1, skills=(("magic", 1),)),)), "unknown_skill"),
        (
            a_day((a_visit("a", 1),), pins=(Pin("a", "ann"), Pin("a", start=9 * HOUR))),
            "duplicate_pin",
        ),
        (a_day((a_visit("a", 1), a_visit("a", 2))), "duplicate_id"),
        (a_day((a_visit("a", 99),)), "unknown_place"),
    ],
)
def test_what_contradicts_itself_is_refused_by_name(day: DayProblem, code: str) -> None:
    for plan in (repair, lambda problem: plan_day(problem, iterations=1, engine="or-tools")):
        with pytest.raises(ProblemInvalid) as refused:
            plan(day)
        assert refused.value.code == code
        assert refused.value.sentence.endswith(".")


def test_a_day_without_technicians_is_a_plan_with_a_reason_each() -> None:
    day = replace(a_day((a_visit("a", 1), a_visit("b", 2))), shifts=(), technicians=())
    plan = repair(day)
    assert violations(day, plan) == []
    assert [each.cause for each in plan.unplanned] == [Cause.IMPOSSIBLE] * 2
    for reason in explain(day, plan):
        assert "there is no shift" in sentence(reason, "en")
        assert "нет ни одной смены" in sentence(reason, "ru")


def test_a_place_in_the_gulf_of_guinea_is_left_out_alone() -> None:
    """A site at 0,0 is a slip; it never empties the plan."""
    berlin = [(52.52, 13.40), (52.53, 13.41)]
    travel = geodesic_travel(np.array([*berlin, (0.0, 0.0)]))
    day = a_day((a_visit("real", 1), a_visit("slip", 2, label="W-7")))
    day = replace(day, travel_s=travel.seconds, travel_m=travel.metres)
    plan = repair(day)
    assert [(each.visit, each.cause) for each in plan.unplanned] == [("slip", Cause.IMPOSSIBLE)]
    (reason,) = explain(day, plan)
    assert sentence(reason, "en").startswith("W-7 fits into no plan")
    assert "it cannot be reached in time" in sentence(reason, "en")


def crowded(people: int, places: int) -> DayProblem:
    """Return 20,000 jobs all over a town, a third of them for a trade or a level that nobody has."""
    lot = np.random.default_rng(20_000)
    travel = geodesic_travel(np.array([52.5, 13.4]) + lot.normal(0, 0.2, (places, 2)))
    shifts = tuple(
        replace(
            a_shift(f"t{n}"),
            start_place=n,
            end_place=n,
            skills=((("lift", "wiring")[n % 2], 1 + n % 2),),
        )
        for n in range(people)
    )
    opens = lot.integers(8, 15, 20_000).tolist()
    visits = tuple(
        Visit(
            f"v{n}",
            n % places,
            (900, 1_800, HOUR)[n % 3],
            ((begins * HOUR, (begins + 2) * HOUR),),
            priority=1 + n % 5,
            skills=((("lift", "wiring")[n % 2], 1 + n % 3),),
            label=f"W-{n}",
        )
        for n, begins in enumerate(opens)
    )
    day = replace(a_day(visits, shifts), skills=("lift", "wiring"))
    return replace(day, travel_s=travel.seconds, travel_m=travel.metres)


def account_for(day: DayProblem, plan: Plan) -> None:
    """Check that each of 20,000 jobs is planned, or left out with a reason that can be said."""
    assert violations(day, plan) == []
    planned = {stop.visit for route in plan.routes for stop in route.stops if stop.visit}
    indexed = IndexedDay(day)
    reasons = explain(day, plan, seconds=0, day=indexed)
    assert len(planned) + len(reasons) == 20_000
    assert planned.isdisjoint(reason.visit for reason in reasons)
    beyond_everybody = {visit.id for visit in day.visits if visit.skills[0][1] == 3}
    impossible = {reason.visit for reason in reasons if reason.cause is Cause.IMPOSSIBLE}
    assert beyond_everybody <= impossible
    assert len(impossible) < 10_000
    (whole,) = explain(day, plan, visits={plan.unplanned[-1].visit}, day=indexed)
    assert [reason.is_brief for reason in (reasons[0], reasons[-1], whole)] == [True, True, False]
    for reason in (reasons[0], reasons[-1], whole):
        for language in LANGUAGES:
            assert reason.label in sentence(reason, language)


def test_twenty_thousand_visits_are_a_plan_in_which_each_is_accounted_for() -> None:
    """However little time there is: a plan with nothing in it says that there was none."""
    day = crowded(people=2, places=300)
    plan = plan_day(day, seconds=0.5, engine="or-tools")
    account_for(day, plan)
    assert plan.routes or "no_time_to_plan" in plan.notes


@pytest.mark.long
def test_twenty_thousand_visits_for_many_people_fill_their_days() -> None:
    day = crowded(people=60, places=1_500)
    plan = plan_day(day, iterations=200, engine="search")
    account_for(day, plan)
    assert len(plan.routes) == 60
    assert min(route.work_s for route in plan.routes) > 2 * HOUR


def test_a_plan_for_which_there_was_no_time_at_all_says_so() -> None:
    plan = plan_day(a_day((a_visit("a", 1),)), seconds=1e-9, engine="or-tools")
    assert (plan.routes, plan.notes[-1]) == ((), "no_time_to_plan")


def test_a_repair_without_time_left_keeps_what_stands_and_says_that_it_was_cut_short() -> None:
    day = a_day((a_visit("a", 1), a_visit("b", 2)))
    done = repair(day)
    assert (len(done.unplanned), done.notes) == (0, ())
    only_a = replace(day, published=(Published("a", "ann", 0, 9 * HOUR),))
    cut = repaired(IndexedDay(only_a), Patience(0))
    assert violations(only_a, cut) == []
    assert [each.visit for each in cut.unplanned] == ["b"]
    assert cut.notes == ("repair_cut_short",)
    assert repaired(IndexedDay(only_a), Patience(60)).notes == ()
