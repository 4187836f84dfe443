"""Arrivals, windows and the judgement on them: by hand where a person can, by counting where chance rules."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings

from scheduler.problem import DayProblem, Pin, Plan, Promise, Published, StopKind
from scheduler.promises.arrivals import Roads
from scheduler.promises.errors import (
    ASSUMED,
    LEVELS,
    PRIOR,
    Draws,
    Errors,
    Finished,
    Lots,
    digest_of,
    from_document,
    learn,
    to_document,
)
from scheduler.promises.keeping import Asker, Judged, Outcome, judge, originals, report
from scheduler.promises.windows import (
    GRID_S,
    TARGET,
    Calibration,
    Model,
    Outlook,
    Wanted,
    class_of,
    score,
)
from scheduler.repair import repair
from scheduler.slots import risks
from tests.scheduler.days import HOUR, a_day, a_shift, a_visit, days

AS_PLANNED = Errors(
    travel={("", ""): (1.0,) * len(LEVELS)}, work={("", ""): (0.0,) * len(LEVELS)}, absent={"": 0.0}
)
SLOW = Errors(
    # Trips take 1.3 times as long, work 10 minutes longer, both with a long tail; days hang together.
    travel={("", ""): tuple(1.1 + 0.2 * level + 0.6 * level**6 for level in LEVELS)},
    work={("", ""): tuple(-900 + 2_100 * level + 3_600 * level**8 for level in LEVELS)},
    absent={"": 0.05},
    travel_together=0.2,
    work_together=0.1,
)


def a_route(*promises: Promise | None, jobs: int = 6) -> DayProblem:
    """Return a day of Ann's: visits an hour long, ten minutes apart."""
    told = promises or (None,) * jobs
    visits = tuple(
        a_visit(f"v{number}", number + 1, promise=promise, windows=((8 * HOUR, 20 * HOUR),))
        for number, promise in enumerate(told)
    )
    return a_day(
        visits,
        (a_shift(overtime_limit_s=3 * HOUR),),
        minutes=tuple(range(0, 10 * len(told) + 1, 10)),
        published=tuple(
            Published(visit.id, "ann", 0, (8 + number) * HOUR)
            for number, visit in enumerate(visits)
        ),
        may_break_promises=True,
    )


def seen(truth: Errors, routes: int, seed: int) -> list[Finished]:
    """Return what visits of some routes came to, each of 20 minutes' travel and an hour's work."""
    lots = Lots(routes, seed)
    draws = Draws(truth, lots, "route")
    found = []
    for number in range(6):
        ratio, longer = draws.travel(f"{number}", "", 9), draws.work(f"{number}", "", "")
        absent = draws.absent(f"{number}", "")
        found += [
            Finished(
                route=f"{each}",
                territory="",
                hour=9,
                kind="",
                travel=(1_200.0, 1_200.0 * float(ratio[each])),
                work=(3_600.0, 3_600.0 + float(longer[each])),
                nobody_there=bool(absent[each]),
            )
            for each in range(routes)
        ]
    return found


def promised(problem: DayProblem, plan: Plan, model: Model) -> DayProblem:
    """Return the problem with the windows told that the model makes."""
    told = Outlook(problem, model, told_at=-6 * HOUR).announced(plan.routes)
    return replace(
        problem,
        visits=tuple(
            replace(
                visit,
                promise=Promise(
                    told[visit.id].opens, told[visit.id].closes, told[visit.id].probability
                ),
            )
            for visit in problem.visits
        ),
    )


def kept_of(problem: DayProblem, plan: Plan, truth: Errors, seed: int, count: int) -> list[float]:
    """Return the share of days on which each promise is kept."""
    (route,) = plan.routes
    came = Roads(problem, truth, draws=count, seed=seed).forecast(route)
    promises = {visit.id: visit.promise for visit in problem.visits}
    shares = []
    for visit, forecast in came.items():
        promise = promises[visit]
        assert promise is not None
        shares.append(float(np.mean(forecast.seconds <= promise.closes)))
    return shares


@settings(max_examples=40)
@given(days())
def test_where_nothing_goes_wrong_everybody_arrives_as_planned(problem: DayProblem) -> None:
    told_nobody = tuple(replace(visit, promise=None) for visit in problem.visits)
    problem = replace(problem, visits=told_nobody, published=())
    plan = repair(problem)
    roads = Roads(problem, AS_PLANNED, draws=2)
    for route in plan.routes:
        found = roads.forecast(route)
        for stop in route.stops:
            if stop.kind is StopKind.VISIT and stop.visit in found:
                assert found[stop.visit].seconds.tolist() == [stop.start, stop.start]


def test_stated_chances_hold_on_days_that_nobody_has_seen() -> None:
    """Learned from 300 routes that differ from all assumptions; counted on 20,000 others."""
    problem = a_route()
    plan = repair(problem)
    model = Model(learn(seen(SLOW, 300, seed=1)))
    told = promised(problem, plan, model)
    for share, visit in zip(kept_of(told, plan, SLOW, 2, 20_000), told.visits, strict=True):
        assert visit.promise is not None
        assert visit.promise.probability is not None
        # 300 routes and 500 draws know the tail this well; the count itself is far surer.
        bound = 3 * sqrt(TARGET * (1 - TARGET) / 300)
        assert share == pytest.approx(visit.promise.probability, abs=bound)
        assert share > 0.965


def test_recent_promises_correct_a_model_that_is_wrong() -> None:
    problem = a_route()
    plan = repair(problem)
    wrong = Model(ASSUMED)
    told = promised(problem, plan, wrong)
    assert min(kept_of(told, plan, SLOW, 3, 2_000)) < 0.9, "the assumptions are too good"
    (route,) = plan.routes
    expected = Roads(told, ASSUMED).forecast(route)
    came = Roads(told, SLOW, draws=200, seed=4).forecast(route)
    scores = [
        (class_of(expected[visit].middle + 6 * HOUR, expected[visit].spread), each)
        for visit in came
        for each in (
            score(expected[visit].middle, expected[visit].spread, float(second))
            for second in came[visit].seconds
        )
    ]
    corrected = promised(problem, plan, Model(ASSUMED, Calibration.of(scores)))
    assert min(kept_of(corrected, plan, SLOW, 5, 2_000)) > 0.96


def test_a_window_is_the_narrowest_on_its_grid_that_holds_the_target() -> None:
    problem = a_route()
    plan = repair(problem)
    outlook = Outlook(problem, Model(SLOW))
    (route,) = plan.routes
    for visit, window in outlook.announced(plan.routes).items():
        assert window.opens % GRID_S == window.closes % GRID_S == 0
        assert window.probability >= TARGET
        if visit == "v0":  # nothing before it waits for a window, so it can be asked for alone
            fixed = (window.opens, window.closes - GRID_S)
            closer = outlook.window(route, visit, fixed=fixed)
            assert window.width_s == GRID_S or closer.probability < TARGET
    wide = Outlook(problem, Model(SLOW, wanted=Wanted(target=0.999))).window(route, "v5")
    narrow = Outlook(problem, Model(SLOW, wanted=Wanted(target=0.8))).window(route, "v5")
    assert wide.closes > narrow.closes
    until_three = a_visit("v5", 6, windows=((8 * HOUR, 15 * HOUR),))
    within = replace(problem, visits=(*problem.visits[:5], until_three))
    assert Outlook(within, Model(SLOW)).announced(plan.routes)["v5"].closes <= 15 * HOUR


def test_few_visits_move_what_is_expected_a_little_and_many_move_it_whole() -> None:
    def median_ratio(count: int) -> float:
        one = Finished("r", "north", 8, "repair", travel=(600.0, 1_200.0))
        return learn([one] * count).of_travel("north", 8)[LEVELS.index(0.5)]

    assert learn([]).travel == ASSUMED.travel
    assert median_ratio(2) < 1.2
    assert median_ratio(50 * PRIOR) == pytest.approx(2.0, abs=0.02)
    elsewhere = learn([Finished("r", "north", 8, "", travel=(600.0, 1_200.0))] * 400)
    assert elsewhere.of_travel("south", 20) == elsewhere.travel["", ""]
    tap = learn([Finished("r", "", 8, "", travel=(600.0, 30_000.0), work=(600.0, 90_000.0))] * 99)
    assert (tap.travel, tap.work) == (ASSUMED.travel, ASSUMED.work), "a forgotten tap is no lesson"


def test_kinds_of_work_and_absent_customers_are_learned_apart() -> None:
    quick = [Finished(f"{n}", "", 9, "check", work=(1_800.0, 1_200.0)) for n in range(300)]
    slow = [
        Finished(f"{n}", "", 9, "repair", work=(1_800.0, 3_600.0), nobody_there=n % 10 == 0)
        for n in range(300)
    ]
    learned = learn(quick + slow)
    half = LEVELS.index(0.5)
    assert learned.of_work("check", "")[half] == pytest.approx(-600, abs=1)
    assert learned.of_work("repair", "")[half] == pytest.approx(1_800, abs=1)
    assert learned.of_absence("repair") > 3 * learned.of_absence("check")
    assert from_document(to_document(learned)).absent == pytest.approx(learned.absent, abs=1e-5)
    stored = to_document(learned)
    assert digest_of(stored) == digest_of(to_document(from_document(stored)))


def test_a_slow_day_is_slow_all_day() -> None:
    together = learn(seen(replace(SLOW, travel_together=0.5), 300, 6))
    alone = learn(seen(replace(SLOW, travel_together=0.0), 300, 7))
    assert together.travel_together == pytest.approx(0.5, abs=0.1)
    assert alone.travel_together < 0.1
    (route,) = repair(a_route()).routes
    spreads = [Roads(a_route(), each).forecast(route)["v5"].spread for each in (together, alone)]
    assert spreads[0] > spreads[1]


def test_work_in_hand_is_known_and_what_follows_less_sure_the_longer_it_still_takes() -> None:
    def next_spread(now: int) -> float:
        problem = a_day(
            (a_visit("begun", 1, windows=((9 * HOUR, 9 * HOUR),)), a_visit("next", 2)),
            (a_shift(opens=9 * HOUR, start_place=1, prefix=("begun",)),),
            pins=(Pin("begun", "ann", start=9 * HOUR, begun=True),),
            published=(Published("next", "ann", 0, 10 * HOUR),),
            now=now,
        )
        (route,) = repair(problem).routes
        found = Roads(problem, SLOW).forecast(route)
        assert set(found) == {"next"}
        assert found["next"].seconds[0] >= now
        return found["next"].spread

    assert next_spread(9 * HOUR + 3_000) < next_spread(9 * HOUR + 60)


def test_promises_at_risk_come_with_a_cure_that_keeps_them() -> None:
    """Ann's morning overruns; Bob next door is free, and nobody else loses by it."""
    late = a_visit("late", 2, promise=Promise(9 * HOUR, 9 * HOUR + 1_800, 0.98), label="L")
    long = a_visit("long", 1, duration_s=2 * HOUR, promise=Promise(8 * HOUR, 9 * HOUR, 0.98))
    problem = a_day(
        (long, late),
        (a_shift(), a_shift("bob", start_place=2, end_place=2)),
        published=(Published("long", "ann", 0, 8 * HOUR), Published("late", "ann", 0, 10 * HOUR)),
        may_break_promises=True,
    )
    (risk,) = risks(problem)
    assert (risk.visit, risk.stated) == ("late", 0.98)
    assert risk.chance < 0.1 < 0.9 < risk.cured
    assert risk.cure is not None
    assert (risk.cure.technician, risk.cure.at_risk) == ("bob", ())
    alone = replace(problem, shifts=problem.shifts[:1])
    assert [each.cure for each in risks(alone)] in ([None], [])


NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
TEN = NINE + timedelta(hours=1)
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("arrived", "began", "outcome"),
    [
        (NINE, NINE, Outcome.KEPT),
        (TEN, TEN + 5 * MINUTE, Outcome.KEPT),
        (NINE - 5 * MINUTE, NINE, Outcome.KEPT),
        (NINE - 5 * MINUTE, NINE - MINUTE, Outcome.EARLY),
        (NINE, None, Outcome.KEPT),
        (TEN + MINUTE, TEN + MINUTE, Outcome.LATE),
        (None, None, Outcome.MISSED),
    ],
)
def test_a_promise_is_kept_by_arriving_in_time_and_not_beginning_early(
    arrived: datetime | None, began: datetime | None, outcome: Outcome
) -> None:
    assert judge(NINE, TEN, arrived, began) is outcome


def test_only_the_customers_change_replaces_what_was_promised() -> None:
    asked = [None, Asker.COMPANY, Asker.CUSTOMER, Asker.COMPANY]
    assert originals(asked) == [0, 0, 2, 2]


def test_the_report_says_how_often_what_was_said_came_true() -> None:
    found = report([Judged(0.9, True), Judged(0.9, False), Judged(0.5, True)])
    assert (found.count, found.kept) == (3, pytest.approx(2 / 3))
    assert found.brier == pytest.approx((0.01 + 0.81 + 0.25) / 3)
    assert [(each.low, each.count, each.kept) for each in found.buckets] == [
        (0.5, 1, 1.0),
        (0.9, 2, 0.5),
    ]
    assert report([]).kept is None
