"""Times of phones: never before what the phone already knew, never after the server heard of it."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from mobile_api.device_time import (
    FLAGGED,
    SAMPLES,
    corrected,
    estimate,
    offset_of,
    sample_offset,
    with_sample,
)

NOON = datetime(2026, 3, 23, 12, tzinfo=UTC)
spans = st.timedeltas(timedelta(days=-1000), timedelta(days=1000))


@given(spans, spans, spans)
def test_an_estimate_lies_between_its_bounds_whatever_the_clock_says(
    occurred: timedelta, offset: timedelta, known: timedelta
) -> None:
    when = estimate(NOON + occurred, offset, NOON + known, NOON)
    assert when.lo_at <= when.at <= when.hi_at == NOON


def test_a_right_clock_is_believed_and_a_wrong_one_moved() -> None:
    hour = timedelta(hours=1)
    known = NOON - 5 * hour
    assert estimate(NOON - hour, timedelta(0), known, NOON).at == NOON - hour
    assert estimate(NOON + 23 * hour, -24 * hour, known, NOON).at == NOON - hour
    assert estimate(NOON - 9 * hour, timedelta(0), known, NOON).at == known
    assert estimate(NOON + hour, timedelta(0), known, NOON).at == NOON
    assert estimate(None, timedelta(0), known, NOON).at == NOON


def test_one_odd_sample_does_not_move_the_offset() -> None:
    samples: list[int] = []
    for seconds in (10, 11, 9, 86_400, 10):
        samples = with_sample(samples, timedelta(seconds=seconds))
    assert offset_of(samples) == timedelta(seconds=10)
    for _ in range(20):
        samples = with_sample(samples, timedelta(seconds=5))
    assert samples == [5_000] * SAMPLES
    assert with_sample(samples, None) == samples
    assert offset_of([]) == timedelta(0)


def test_a_device_that_does_not_say_when_it_sent_is_still_caught_ahead() -> None:
    minute = timedelta(minutes=1)
    assert sample_offset(NOON, NOON + minute, None) == -minute
    assert sample_offset(NOON, None, NOON + minute) == -minute
    assert sample_offset(NOON, None, NOON - minute) is None
    assert sample_offset(NOON, None, None) is None


def test_times_that_were_entered_stay_as_entered_while_the_clock_is_about_right() -> None:
    ten = NOON - timedelta(hours=2)
    assert corrected(ten, FLAGGED, NOON) == ten
    assert corrected(ten, timedelta(hours=1), NOON) == ten + timedelta(hours=1)
    assert corrected(NOON + timedelta(hours=1), timedelta(0), NOON) == NOON
