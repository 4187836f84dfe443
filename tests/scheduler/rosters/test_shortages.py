"""Why people are missing in an hour of a roster: one case for each thing that keeps somebody away."""

from collections.abc import Sequence

import pytest

from fsm.languages import LANGUAGES
from scheduler.rosters.problem import HOUR_S, Commitment, Rostered, Rule, Rules, Technician
from scheduler.rosters.sentences import shortage_sentence
from scheduler.rosters.shortages import Reason, Shortage, Why, shortages
from tests.scheduler.rosters.weeks import DAY, DAY_S, LATE, NIGHT, a_technician, a_week, need

AT_NINE = {(1, 9): 1.0}
"""One person on Tuesday from nine to ten, in an ordinary day's shift."""


def missing(
    people: Sequence[Technician],
    duties: Sequence[Rostered] = (),
    wanted: dict[tuple[int, int], float] | None = None,
    **different: object,
) -> list[Shortage]:
    problem = a_week(list(people), needs=(need(1, wanted or AT_NINE),), **different)  # type: ignore[arg-type]
    return shortages(problem, duties)


BUSY = Commitment(1, DAY_S + 9 * HOUR_S, DAY_S + 10 * HOUR_S, HOUR_S, 0)
TWO_AT_NINE = {(1, 9): 2.0}

CASES = {
    Why.NOBODY: (missing([a_technician(0, skills=(("hvac", 2, None),))]), (), True),
    Why.EXPIRED: (missing([a_technician(0, skills=(("lift", 1, 0),))]), ("t0",), True),
    Why.WORKS: (
        missing([a_technician(0)], [Rostered("t0", 1, DAY)], TWO_AT_NINE),
        ("t0",),
        True,
    ),
    Why.OTHER_HOURS: (missing([a_technician(0)], [Rostered("t0", 1, LATE)]), ("t0",), False),
    Why.NO_PATTERN: (missing([a_technician(0, patterns=(NIGHT,))]), ("t0",), True),
    Why.FIXED: (
        missing([a_technician(0)], [Rostered("t0", 1, LATE)], fixed=(Rostered("t0", 1, LATE),)),
        ("t0",),
        True,
    ),
    Why.PRICE: (missing([a_technician(0)]), ("t0",), False),
}
"""What is missing, whom it names, and whether no roster of these people could fill it."""


@pytest.mark.parametrize("why", Why)
def test_each_thing_that_keeps_people_away_is_named_with_whom_and_when(why: Why) -> None:
    found, who, is_certain = CASES[why]
    (short,) = found
    assert short.reasons == (Reason(why, who),)
    assert (short.first_hour, short.last_hour, short.minutes) == (33, 33, 60)
    assert short.is_certain is is_certain
    said = {shortage_sentence(short, "lift", 1, "Tue 9:00", each) for each in LANGUAGES}
    assert len(said) == len(LANGUAGES)


def test_a_shift_that_stands_anyway_is_work_too() -> None:
    problem = [a_technician(0, commitments=(BUSY,))]
    (short,) = missing(problem, wanted=TWO_AT_NINE)
    assert short.reasons[0] == Reason(Why.WORKS, ("t0",))


def test_a_rule_is_named_where_one_more_duty_would_break_it() -> None:
    (short,) = missing(
        [a_technician(0)],
        [Rostered("t0", 0, LATE)],
        rules=(Rules(daily_rest_s=11 * HOUR_S),),
    )
    assert short.reasons == (Reason(Rule.DAILY_REST, ("t0",)),)
    assert not short.is_certain, "the day before might be another's"
    (away,) = missing([a_technician(0, absences=((DAY_S, 2 * DAY_S),))])
    assert (away.reasons, away.is_certain) == ((Reason(Rule.ABSENCE, ("t0",)),), True)


def test_the_commonest_reason_comes_first_and_hours_alike_are_told_together() -> None:
    people = [a_technician(0), *(a_technician(number, patterns=(NIGHT,)) for number in (1, 2))]
    hours = {(1, 9): 1.0, (1, 10): 1.0, (1, 15): 1.0}
    first, later = missing(people, wanted=hours)
    assert [each.code for each in first.reasons] == [Why.NO_PATTERN, Why.PRICE]
    assert first.reasons[0].technicians == ("t1", "t2")
    assert (first.first_hour, first.last_hour, first.minutes) == (33, 34, 120)
    assert (later.first_hour, later.last_hour) == (39, 39)
