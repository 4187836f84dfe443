"""Times of phones: never before what the phone already knew, never after the server heard of it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobile_api.device_time import (
    FLAGGED,
    SAMPLES,
    Doubt,
    claimed,
    corrected,
    estimate,
    offset_of,
    sample_offset,
    uptime_of,
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


HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("span_h", "offset", "is_clock_set", "booked_h", "doubt"),
    [
        ((-3, -1), timedelta(0), False, (-3, -1), None),
        ((-99, -90), timedelta(0), False, (-99, -90), None),  # written down days later
        ((-1, 0.05), timedelta(0), False, (-1, 0), None),  # three minutes ahead, as clocks are
        ((-1, 2), timedelta(0), False, (-1, 0), Doubt.NOT_YET_OVER),
        ((1, 3), timedelta(0), False, (-2, 0), Doubt.NOT_YET_OVER),  # the length stands
        ((1, 3), -4 * HOUR, False, (-3, -1), None),  # moved by what the clock is off
        ((1, 6), -4 * HOUR, False, (-3, 0), Doubt.NOT_YET_OVER),
        ((21, 23), -24 * HOUR, False, (-3, -1), None),
        ((22, 24), -25 * HOUR, False, (-3, -1), Doubt.CLOCK_OFF),
        ((-3, -1), timedelta(0), True, (-3, -1), Doubt.CLOCK_SET),
    ],
)
def test_a_claimed_time_that_the_clock_cannot_vouch_for_is_booked_as_far_as_it_can_be_true(
    span_h: tuple[float, float],
    offset: timedelta,
    is_clock_set: bool,
    booked_h: tuple[float, float],
    doubt: Doubt | None,
) -> None:
    from_at, to_at = (NOON + hours * HOUR for hours in span_h)
    claim = claimed(from_at, to_at, offset, NOON, is_clock_set=is_clock_set)
    assert (claim.starts_at, claim.ends_at) == tuple(NOON + hours * HOUR for hours in booked_h)
    assert claim.doubt == doubt


@dataclass(frozen=True)
class Said:
    """What an intent says of its time, `at` by the clock on the wall and `up` by uptime."""

    occurred_at: datetime | None
    mono_ms: int | None
    boot: str | None = "b1"


def at(hours: float, up: float, boot: str = "b1") -> Said:
    return Said(NOON + timedelta(hours=hours), int(up * 3_600_000), boot)


HOUR = timedelta(hours=1)


def test_uptime_tells_when_things_happened_whatever_was_done_to_the_clock() -> None:
    """Sent at noon, three hours after the start; the clock was set back by a day in between."""
    told = [at(-2, 1), at(-1 - 24, 2)]
    uptime = uptime_of(told, NOON, "b1", 3 * 3_600_000, timedelta(0))
    assert [uptime.of(one) for one in told] == [NOON - 2 * HOUR, NOON - HOUR]
    assert uptime.jumped == {"b1"}


def test_a_clock_set_while_the_phone_was_up_is_measured_by_its_last_setting() -> None:
    """The sending does not say its uptime; the last setting is the one that the offset is known of."""
    told = [at(-26, 1), at(-25, 2), at(0, 3)]
    uptime = uptime_of(told, NOON + HOUR, None, None, timedelta(0))
    assert [uptime.of(one) for one in told] == [NOON - 2 * HOUR, NOON - HOUR, NOON]
    assert uptime.jumped == {"b1"}


def test_a_reboot_begins_uptime_anew_and_a_clock_left_alone_is_believed() -> None:
    told = [at(-5, 30, "b1"), at(-4, 31, "b1"), at(-1, 0.5, "b2")]
    uptime = uptime_of(told, NOON, "b2", int(1.5 * 3_600_000), timedelta(0))
    assert [uptime.of(one) for one in told] == [None, None, NOON - HOUR]
    assert uptime.jumped == frozenset()


def test_the_night_the_clocks_change_changes_nothing() -> None:
    """02:30 comes twice in Paris: an instant with its offset names one of them."""
    summer = datetime.fromisoformat("2026-10-25T02:30:00+02:00")
    winter = datetime.fromisoformat("2026-10-25T02:30:00+01:00")
    told = [Said(summer, 0), Said(winter, 3_600_000)]
    received = winter + HOUR
    assert uptime_of(told, received, None, None, timedelta(0)).jumped == frozenset()
    known = summer - HOUR
    first, second = (estimate(one.occurred_at, timedelta(0), known, received) for one in told)
    assert second.at - first.at == HOUR


@given(
    st.lists(
        st.builds(
            Said,
            st.none() | st.datetimes(timezones=st.just(UTC)),
            st.none() | st.integers(0, 2**53),
            st.sampled_from([None, "b1", "b2"]),
        ),
        max_size=8,
    ),
    st.none() | st.integers(0, 2**53),
    spans,
)
def test_whatever_a_phone_says_of_its_uptime_the_bounds_are_ours(
    told: list[Said], mono_ms: int | None, offset: timedelta
) -> None:
    uptime = uptime_of(told, NOON, "b1", mono_ms, offset)
    known = NOON - 5 * HOUR
    for one in told:
        when = estimate(NOON, offset, known, NOON, uptime.of(one))
        assert (when.lo_at, when.hi_at) == (known, NOON)
        assert known <= when.at <= NOON


@given(st.lists(st.integers(0, 10**7), min_size=2, max_size=8), spans)
def test_within_one_start_uptime_keeps_the_order(ups: list[int], jump: timedelta) -> None:
    told = [
        Said(NOON + timedelta(milliseconds=up) + (jump if n % 2 else timedelta(0)), up)
        for n, up in enumerate(sorted(ups))
    ]
    uptime = uptime_of(told, NOON + 9 * HOUR, "b1", 10**7, timedelta(0))
    found = [estimate(None, timedelta(0), NOON, NOON + 9 * HOUR, uptime.of(one)).at for one in told]
    assert found == sorted(found)
