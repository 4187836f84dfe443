"""Rosters keep every rule, cost what they claim, and are the best where all can be tried."""

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings

from scheduler.engine.rostering import solve_roster
from scheduler.rosters.checks import breaches, cost, covered, violations
from scheduler.rosters.problem import (
    HOUR_S,
    Commitment,
    Need,
    Rostered,
    RosterInvalid,
    RosterProblem,
    Rule,
    Rules,
    Weights,
    Wish,
    WishKind,
    problem_from_json,
    to_json,
)
from tests.scheduler.rosters.weeks import (
    DAY,
    DAY_S,
    LATE,
    NIGHT,
    a_technician,
    a_week,
    duty,
    need,
    rosters,
)


@settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow])
@given(rosters())
def test_every_roster_keeps_every_rule_and_costs_what_it_claims(problem: RosterProblem) -> None:
    roster = solve_roster(problem, rounds=4, seed=1)
    assert violations(problem, roster) == []


@pytest.mark.long
@settings(max_examples=500, suppress_health_check=[HealthCheck.too_slow])
@given(rosters())
def test_many_rosters_keep_every_rule(problem: RosterProblem) -> None:
    assert violations(problem, solve_roster(problem, rounds=8, seed=2)) == []


def best_of_all(problem: RosterProblem) -> int:
    """Return the least cost of any roster that keeps the rules, by trying every one."""
    choices: list[list[Rostered | None]] = []
    for one in problem.technicians:
        for day in sorted({each.day for each in problem.duties}):
            there = [each.pattern for each in problem.duties if each.day == day]
            choices.append([None, *(Rostered(one.id, day, pattern) for pattern in there)])
    lowest = None
    for chosen in product(*choices):
        duties = [each for each in chosen if each is not None]
        if not breaches(problem, duties):
            total = cost(problem, duties).total
            lowest = total if lowest is None else min(lowest, total)
    assert lowest is not None
    return lowest


TINY = {
    "a late shift forbids the early one after it": a_week(
        [a_technician(0), a_technician(1, skills=())],
        days=(0, 1, 2),
        patterns=(DAY, LATE),
        needs=(need(1, {(0, 20): 1, (1, 9): 1, (2, 9): 2}),),
        rules=(Rules(daily_rest_s=12 * HOUR_S),),
    ),
    "two trades share one who knows both": a_week(
        [
            a_technician(0, skills=(("lift", 2, None), ("hvac", 1, None))),
            a_technician(1, skills=(("lift", 1, None),)),
        ],
        days=(0, 1),
        needs=(
            need(1, {(0, 9): 1, (0, 15): 1, (1, 9): 1.5}),
            need(1, {(0, 10): 0.5, (1, 9): 1}, skill="hvac"),
            need(1, {(0, 9): 1, (1, 23): 1}, level=2, price_percent=300),
        ),
    ),
    "wishes, fairness and changes weigh against each other": a_week(
        [a_technician(0), a_technician(1, share_percent=50)],
        days=(4, 5, 6),
        patterns=(DAY, NIGHT),
        needs=(need(1, {(5, 9): 1, (6, 23): 1}),),
        wishes=(
            Wish("t0", 5, WishKind.OFF),
            Wish("t1", 6, WishKind.AVOID, NIGHT, 3),
            Wish("t1", 4, WishKind.WANT, DAY, 2),
        ),
        published=(Rostered("t0", 5, DAY),),
        published_days=(5, 6),
        late_until=6,
    ),
    "hours beyond the contract cost, and the week has an end": a_week(
        [a_technician(0, contract_s=(16 * HOUR_S,)), a_technician(1, skills=(("lift", 1, 1),))],
        days=(0, 1, 2),
        patterns=(DAY,),
        needs=(need(1, {(day, hour): 1.5 for day in range(3) for hour in (9, 10)}),),
        rules=(Rules(week_longest_s=20 * HOUR_S),),
    ),
    "shifts that stand anyway leave what rest they leave": a_week(
        [
            a_technician(
                0,
                commitments=(
                    Commitment(-1, -2 * HOUR_S, 6 * HOUR_S, 8 * HOUR_S, 7 * HOUR_S),
                    Commitment(4, 4 * DAY_S, 4 * DAY_S + 8 * HOUR_S, 8 * HOUR_S, 0),
                ),
            ),
        ],
        needs=(need(1, {(day, hour): 1 for day in range(7) for hour in (9, 15, 23)}),),
        days=(0, 1, 2, 3, 5),
        rules=(Rules(days_in_a_row=3, weekly_rest_s=60 * HOUR_S),),
    ),
}


@pytest.mark.parametrize("problem", TINY.values(), ids=TINY.keys())
def test_a_tiny_roster_is_the_best_there_is_and_is_proved_to_be(problem: RosterProblem) -> None:
    roster = solve_roster(problem, rounds=200)
    assert violations(problem, roster) == []
    assert roster.costs.total == best_of_all(problem)
    assert (roster.bound, roster.search.ended) == (roster.costs.total, "proved")


def a_month(people: int = 6) -> RosterProblem:
    """Four weeks in which everything is short now and then: too large to be one model."""
    hours = {(day, hour): 1 + (day + hour) % 3 for day in range(28) for hour in range(7, 23)}
    return a_week(
        [a_technician(number, contract_s=(40 * HOUR_S,) * 4) for number in range(people)],
        weeks=4,
        needs=(need(4, hours), need(4, dict.fromkeys(hours, 1), level=2)),
    )


def test_the_same_inputs_seed_and_rounds_give_the_same_roster() -> None:
    problem = a_month()
    first = solve_roster(problem, rounds=9, seed=3)
    replayed = solve_roster(problem_from_json(to_json(problem)), rounds=9, seed=3)
    assert replayed.duties == first.duties
    assert solve_roster(problem, rounds=9, seed=4).duties != first.duties


def test_a_roster_that_time_ended_comes_out_again_with_its_rounds() -> None:
    problem = a_month(4)
    timed = solve_roster(problem, seconds=4, seed=5)
    replayed = solve_roster(problem, rounds=timed.search.rounds, seed=5)
    assert replayed.duties == timed.duties
    assert timed.bound <= timed.costs.total


def test_more_rounds_never_make_it_dearer() -> None:
    problem = a_month()
    totals = [solve_roster(problem, rounds=rounds).costs.total for rounds in (0, 6, 9, 12)]
    assert totals[1:] == sorted(totals[1:], reverse=True)
    assert totals[0] == cost(problem, []).total


def test_fixed_days_are_kept_and_those_that_contradict_the_rules_are_named() -> None:
    problem = a_week(
        [a_technician(0), a_technician(1, absences=((2 * DAY_S, 3 * DAY_S),))],
        fixed=(
            Rostered("t0", 0, LATE),
            Rostered("t0", 1, DAY),
            Rostered("t0", 3, None),
            Rostered("t0", 4, NIGHT),
            Rostered("t1", 2, DAY),
        ),
        needs=(need(1, {(3, 9): 2}),),
        rules=(Rules(daily_rest_s=12 * HOUR_S),),
    )
    roster = solve_roster(problem, rounds=3)
    assert violations(problem, roster) == []
    assert {Rostered("t0", 0, LATE), Rostered("t0", 4, NIGHT)} <= set(roster.duties)
    assert not any((one.technician, one.day) == ("t0", 3) for one in roster.duties)
    assert [(one.fixed, one.rule, one.with_fixed) for one in roster.conflicts] == [
        (Rostered("t0", 1, DAY), Rule.DAILY_REST, (Rostered("t0", 0, LATE),)),
        (Rostered("t1", 2, DAY), Rule.ABSENCE, ()),
    ]


def test_a_conflict_names_no_more_than_it_needs() -> None:
    problem = a_week(
        [a_technician(0)],
        fixed=tuple(Rostered("t0", day, DAY) for day in (0, 2, 3, 4, 5)),
        rules=(Rules(days_in_a_row=3),),
    )
    (conflict,) = solve_roster(problem, rounds=1).conflicts
    assert conflict.rule is Rule.DAYS_IN_A_ROW
    assert [each.day for each in (conflict.fixed, *conflict.with_fixed)] == [5, 2, 3, 4]


def test_a_published_roster_is_left_alone_unless_a_change_pays() -> None:
    published = tuple(Rostered("t0", day, DAY) for day in range(5))
    base = a_week([a_technician(0), a_technician(1)], published=published)
    base = replace(base, published_days=tuple(range(7)), weights=Weights(undertime=0))
    assert solve_roster(base, rounds=50).duties == published
    short = replace(base, needs=(need(1, {(0, hour): 1 for hour in range(14, 22)}),))
    changed = solve_roster(short, rounds=50)
    assert {one for one in changed.duties if one.day == 0 and one.pattern == LATE}
    assert changed.costs.changes == 120


def test_who_has_done_most_nights_this_quarter_does_the_next_one_last() -> None:
    tired = a_technician(0, done=replace(a_technician(0).done, nights=5))
    problem = a_week(
        [tired, a_technician(1)],
        days=(0, 3),
        patterns=(NIGHT,),
        needs=(need(1, {(0, 23): 1, (3, 23): 1}),),
        weights=Weights(undertime=0),
    )
    assert {one.technician for one in solve_roster(problem, rounds=50).duties} == {"t1"}


def test_the_cover_counts_somebody_once_who_knows_two_trades() -> None:
    problem = a_week(
        [a_technician(0, skills=(("lift", 1, None), ("hvac", 1, None)))],
        needs=(need(1, {(0, 9): 1}), need(1, {(0, 9): 0.5}, skill="hvac", price_percent=200)),
    )
    found = covered(problem, [Rostered("t0", 0, DAY)])
    assert [(one.need, one.served) for one in found] == [(0, 30), (1, 30)]


def test_a_trade_whose_certificate_runs_out_covers_nothing_after_it() -> None:
    problem = a_week(
        [a_technician(0, skills=(("lift", 1, 1),))], needs=(need(1, {(1, 9): 1, (2, 9): 1}),)
    )
    duties = [Rostered("t0", 1, DAY), Rostered("t0", 2, DAY)]
    assert [one.served for one in covered(problem, duties)] == [60, 0]


BROKEN = {
    Rule.ABSENCE: (
        [a_technician(0, absences=((0, DAY_S),))],
        [Rostered("t0", 0, DAY)],
        Rules(),
    ),
    Rule.DAILY_REST: (
        [a_technician(0)],
        [Rostered("t0", 0, LATE), Rostered("t0", 1, DAY)],
        Rules(daily_rest_s=11 * HOUR_S),
    ),
    Rule.REST_AFTER_NIGHTS: (
        [a_technician(0)],
        [Rostered("t0", 0, NIGHT), Rostered("t0", 2, DAY)],
        Rules(rest_after_nights_s=36 * HOUR_S),
    ),
    Rule.WEEKLY_REST: (
        [a_technician(0)],
        [Rostered("t0", day, DAY) for day in (0, 2, 6, 4)],
        Rules(weekly_rest_s=48 * HOUR_S),
    ),
    Rule.WEEK_HOURS: (
        [a_technician(0)],
        [Rostered("t0", day, DAY) for day in (0, 1, 3)],
        Rules(week_longest_s=20 * HOUR_S),
    ),
    Rule.AVERAGE_HOURS: (
        [a_technician(0, worked_s=(60 * HOUR_S,))],
        [Rostered("t0", day, DAY) for day in (0, 1, 3, 4, 5)],
        Rules(average_weeks=2),
    ),
    Rule.DAYS_IN_A_ROW: (
        [a_technician(0)],
        [Rostered("t0", day, DAY) for day in range(4)],
        Rules(days_in_a_row=3),
    ),
    Rule.NIGHTS_IN_A_ROW: (
        [a_technician(0)],
        [Rostered("t0", day, NIGHT) for day in range(3)],
        Rules(nights_in_a_row=2),
    ),
    Rule.NIGHT_LENGTH: (
        [a_technician(0)],
        [Rostered("t0", 0, NIGHT)],
        Rules(night_longest_s=7 * HOUR_S),
    ),
    Rule.SHIFT_LENGTH: (
        [a_technician(0)],
        [Rostered("t0", 0, DAY)],
        Rules(shift_longest_s=7 * HOUR_S),
    ),
    Rule.PATTERN: (
        [a_technician(0, patterns=(LATE,))],
        [Rostered("t0", 0, DAY)],
        Rules(),
    ),
    Rule.ONE_A_DAY: (
        [
            a_technician(
                0,
                commitments=(Commitment(0, 21 * HOUR_S, 23 * HOUR_S, 2 * HOUR_S, 0),),
            )
        ],
        [Rostered("t0", 0, DAY)],
        Rules(daily_rest_s=0),
    ),
}


@pytest.mark.parametrize("rule", Rule)
def test_the_referee_sees_each_rule_broken_and_nothing_when_a_duty_less_keeps_it(
    rule: Rule,
) -> None:
    technicians, duties, rules = BROKEN[rule]
    problem = a_week(technicians, rules=(rules,))
    assert {one.rule for one in breaches(problem, duties)} == {rule}
    assert breaches(problem, duties[:-1]) == []


def test_what_stands_already_and_breaks_a_rule_is_not_held_against_a_roster() -> None:
    overworked = tuple(
        Commitment(day, duty(day, DAY).start, duty(day, DAY).end, 8 * HOUR_S, 0)
        for day in range(-4, 4)
    )
    problem = a_week(
        [a_technician(0, commitments=overworked)],
        needs=(need(1, {(day, 9): 2 for day in range(7)}),),
    )
    roster = solve_roster(problem, rounds=3)
    assert violations(problem, roster) == []
    assert all(one.day > 4 for one in roster.duties)


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("horizon", replace(a_week([a_technician(0)]), midnights=(0, DAY_S))),
        ("rules", replace(a_week([a_technician(0)]), rules=())),
        ("rules", a_week([a_technician(0)], rules=(Rules(days_in_a_row=0),))),
        ("weights", a_week([a_technician(0)], weights=Weights(wish=-1))),
        ("technician_twice", a_week([a_technician(0), a_technician(0)])),
        ("duty_twice", a_week([a_technician(0)], days=(0, 0))),
        ("contract", a_week([a_technician(0, contract_s=())])),
        ("absence", a_week([a_technician(0, absences=((5, 5),))])),
        ("need", a_week([a_technician(0)], needs=(Need("lift", 1, (1,)),))),
        ("need_twice", a_week([a_technician(0)], needs=(need(1, {}), need(1, {})))),
        ("technician", a_week([a_technician(0)], fixed=(Rostered("t9", 0, DAY),))),
        ("day", a_week([a_technician(0)], published=(Rostered("t0", 9, DAY),))),
        ("wish", a_week([a_technician(0)], wishes=(Wish("t0", 0, WishKind.WANT),))),
    ],
)
def test_a_problem_that_contradicts_itself_is_refused_by_name(
    code: str, problem: RosterProblem
) -> None:
    with pytest.raises(RosterInvalid) as refused:
        solve_roster(problem, rounds=1)
    assert refused.value.code == code


def test_nobody_and_nothing_to_do_gives_an_empty_roster_that_is_proved() -> None:
    roster = solve_roster(a_week([]), rounds=5)
    assert (roster.duties, roster.costs.total, roster.search.ended) == ((), 0, "proved")
