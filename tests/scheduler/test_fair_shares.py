"""A fair share of the work, worked out by hand."""

from __future__ import annotations

from scheduler.fair_shares import fair_shares
from scheduler.problem import Absence, Break
from tests.scheduler.days import HOUR, a_shift, a_visit


def test_who_is_there_twice_as_long_is_to_have_twice_as_much() -> None:
    ann = a_shift(closes=17 * HOUR, breaks=(Break(12 * HOUR, 13 * HOUR, HOUR),))
    bob = a_shift("bob", closes=12 * HOUR)
    visits = [a_visit(name, 1) for name in "abcdef"]
    assert fair_shares([ann, bob], visits) == {"ann": 4 * HOUR, "bob": 2 * HOUR}


def test_what_is_fixed_in_a_day_counts_and_an_absence_does_not() -> None:
    ann = a_shift(absences=(Absence(9 * HOUR, 11 * HOUR, place=1),))
    bob = a_shift("bob", closes=18 * HOUR, absences=(Absence(9 * HOUR, 10 * HOUR),))
    visits = [a_visit(name, 1) for name in "abcd"]
    assert fair_shares([ann, bob], visits) == {"ann": HOUR, "bob": 3 * HOUR}


def test_nobody_is_to_have_more_work_than_hours_and_one_alone_shares_with_nobody() -> None:
    visits = [a_visit(f"v{number}", 1) for number in range(90)]
    ann, bob = a_shift(), a_shift("bob", opens=16 * HOUR)
    assert fair_shares([ann, bob], visits) == {"ann": 9 * HOUR, "bob": HOUR}
    assert fair_shares([ann], visits) == {}
    assert fair_shares([], visits) == {}
