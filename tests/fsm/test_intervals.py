"""Interval sets against the plainest oracle there is: sets of whole microseconds."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm.intervals import (
    HOUR,
    clip,
    contains,
    instant,
    intersect,
    interval,
    length,
    micros,
    subtract,
    union,
)

PARIS = ZoneInfo("Europe/Paris")

parts = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 12)).map(lambda pair: (pair[0], sum(pair))),
    max_size=8,
)


def points(intervals):
    return {point for begins, ends in intervals for point in range(begins, ends)}


@given(parts, parts)
def test_set_operations_agree_with_sets_of_points(left, right):
    assert points(union(left)) == points(left)
    assert points(intersect(left, right)) == points(left) & points(right)
    assert points(subtract(left, right)) == points(left) - points(right)
    assert length(left) == len(points(left))


@given(parts, parts)
def test_every_result_is_in_normal_form(left, right):
    for result in (union(left), intersect(left, right), subtract(left, right)):
        assert result == union(result)
        assert all(begins < ends for begins, ends in result)
        assert all(one[1] < other[0] for one, other in pairwise(result))


@given(parts, st.randoms(use_true_random=False))
def test_order_and_empty_parts_change_nothing(left, random):
    shuffled = [*left, (7, 7)]
    random.shuffle(shuffled)
    assert union(shuffled) == union(left)


@given(parts, st.integers(0, 60))
def test_clips_of_adjoining_windows_add_up(left, at):
    assert length(clip(left, (0, at))) + length(clip(left, (at, 60))) == length(left)


def test_an_interval_holds_its_beginning_and_not_its_end():
    assert contains([(5, 9)], 5)
    assert not contains([(5, 9)], 9)


def test_a_day_on_which_the_clocks_go_forward_has_23_hours():
    begins = datetime(2026, 3, 29, tzinfo=PARIS)
    ends = datetime(2026, 3, 30, tzinfo=PARIS)
    assert ends - begins == timedelta(hours=24), "Python subtracts wall clocks within one zone"
    assert length([interval(begins, ends)]) == 23 * HOUR


@given(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)))  # noqa: DTZ001 - made aware below
def test_instants_survive_to_the_microsecond(naive):
    at = naive.replace(tzinfo=UTC)
    assert instant(micros(at)) == at


def test_a_naive_instant_is_refused():
    with pytest.raises(ValueError, match=r"2026-03-29T00:00:00 has no time zone"):
        micros(datetime(2026, 3, 29))  # noqa: DTZ001 - the point of the test


@pytest.mark.parametrize("act", [lambda: union([(2, 1)]), lambda: subtract([(0, 9)], [(2, 1)])])
def test_an_interval_that_ends_before_it_begins_is_refused(act):
    with pytest.raises(ValueError, match="ends before it begins"):
        act()
    with pytest.raises(ValueError, match="cannot end"):
        interval(datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC))
