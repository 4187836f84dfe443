"""Weekly patterns over the nights the clocks change, by hand and as properties."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm.technicians.shift_pattern import (
    DayRange,
    InvalidPattern,
    PatternShift,
    expand,
    pattern_shift,
)

PARIS = ZoneInfo("Europe/Paris")
NEW_YORK = ZoneInfo("America/New_York")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
APIA = ZoneInfo("Pacific/Apia")
SAO_PAULO = ZoneInfo("America/Sao_Paulo")


def day(on: str) -> DayRange:
    return DayRange(date.fromisoformat(on), date.fromisoformat(on))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_hours_stay_on_the_wall_clock_over_both_clock_changes() -> None:
    pattern = [pattern_shift("sat", "08:00", "17:00"), pattern_shift("mon", "08:00", "17:00")]
    spring = expand(pattern, PARIS, DayRange(date(2026, 3, 28), date(2026, 3, 30)))
    autumn = expand(pattern, PARIS, DayRange(date(2026, 10, 24), date(2026, 10, 26)))
    assert [shift.starts_at for shift in spring + autumn] == [
        utc("2026-03-28T07:00"),
        utc("2026-03-30T06:00"),
        utc("2026-10-24T06:00"),
        utc("2026-10-26T07:00"),
    ]
    assert {shift.ends_at - shift.starts_at for shift in spring + autumn} == {timedelta(hours=9)}


def test_a_night_shift_is_an_hour_shorter_in_spring_and_longer_in_autumn() -> None:
    pattern = [pattern_shift("sat", "22:00", "06:00", (1800, "01:00", "04:00"))]
    (spring,) = expand(pattern, PARIS, day("2026-03-28"))
    (autumn,) = expand(pattern, PARIS, day("2026-10-24"))
    assert (spring.starts_at, spring.ends_at) == (utc("2026-03-28T21:00"), utc("2026-03-29T04:00"))
    assert (autumn.starts_at, autumn.ends_at) == (utc("2026-10-24T20:00"), utc("2026-10-25T05:00"))
    # 01:00 is before both changes; 04:00 after them, so an hour nearer in spring and farther in autumn.
    assert (spring.break_earliest_s, spring.break_latest_s) == (3 * 3600, 5 * 3600)
    assert (autumn.break_earliest_s, autumn.break_latest_s) == (3 * 3600, 7 * 3600)


def test_a_start_that_the_clocks_skip_moves_forward_and_one_that_comes_twice_is_the_first() -> None:
    pattern = [pattern_shift("sun", "02:30", "10:00")]
    (spring,) = expand(pattern, NEW_YORK, day("2026-03-08"))
    assert spring.starts_at == utc("2026-03-08T07:30")  # 03:30 EDT
    (autumn,) = expand([pattern_shift("sun", "01:30", "10:00")], NEW_YORK, day("2026-11-01"))
    assert autumn.starts_at == utc("2026-11-01T05:30")  # 01:30 EDT, not EST


def test_a_shift_that_the_clocks_skip_altogether_does_not_exist() -> None:
    assert expand([pattern_shift("sun", "02:00", "03:00")], PARIS, day("2026-03-29")) == []
    # Samoa crossed the date line: there was no Friday 30 December 2011.
    daily = [pattern_shift(name, "08:00", "16:00") for name in ("thu", "fri", "sat")]
    week = expand(daily, APIA, DayRange(date(2011, 12, 29), date(2011, 12, 31)))
    assert [shift.on for shift in week] == [date(2011, 12, 29), date(2011, 12, 31)]


def test_a_change_of_half_an_hour_counts_as_half_an_hour() -> None:
    (shift,) = expand([pattern_shift("sat", "22:00", "06:00")], LORD_HOWE, day("2026-04-04"))
    assert shift.ends_at - shift.starts_at == timedelta(hours=8, minutes=30)


def test_midnight_that_is_skipped_starts_the_day_at_one() -> None:
    (shift,) = expand([pattern_shift("sun", "00:00", "08:00")], SAO_PAULO, day("2018-11-04"))
    assert (shift.starts_at, shift.ends_at) == (utc("2018-11-04T03:00"), utc("2018-11-04T10:00"))


def test_the_longest_shift_is_never_longer_than_a_day() -> None:
    (shift,) = expand([pattern_shift("sat", "22:00", "21:00")], PARIS, day("2026-10-24"))
    assert shift.ends_at - shift.starts_at == timedelta(hours=24)


def test_days_off_have_no_shifts() -> None:
    week = DayRange(date(2026, 5, 4), date(2026, 5, 10))
    pattern = [pattern_shift(name, "08:00", "16:00") for name in ("mon", "fri")]
    shifts = expand(pattern, PARIS, week, [date(2026, 5, 8)])
    assert [shift.on for shift in shifts] == [date(2026, 5, 4)]


@pytest.mark.parametrize(
    ("line", "path"),
    [
        (("monday", "08:00", "16:00"), "/day"),
        (("mon", "8:00", "16:00"), "/starts"),
        (("mon", "08:00", "24:00"), "/ends"),
        (("mon", "08:00", "08:00"), "/ends"),
        (("mon", "08:00", "07:30"), "/ends"),
        (("mon", "08:00", "16:00", (1800, "12:00", "11:00")), "/break/latest"),
        (("mon", "08:00", "16:00", (1801, "12:00", "15:30")), "/break"),
        (("mon", "08:00", "16:00", (1800, "07:00", "12:00")), "/break/latest"),
        (("mon", "08:00", "16:00", (1800, "noon", "12:00")), "/break/earliest"),
    ],
)
def test_a_line_that_makes_no_sense_is_refused_by_its_field(
    line: tuple[Any, ...], path: str
) -> None:
    with pytest.raises(InvalidPattern) as refused:
        pattern_shift(*line)
    assert refused.value.path == path


def test_shifts_that_overlap_are_refused_with_their_day() -> None:
    pattern = [pattern_shift("mon", "22:00", "06:00"), pattern_shift("tue", "05:00", "13:00")]
    with pytest.raises(InvalidPattern, match="overlap on 2026-05-05"):
        expand(pattern, PARIS, DayRange(date(2026, 5, 4), date(2026, 5, 5)))


def test_days_that_end_before_they_start_are_refused() -> None:
    with pytest.raises(InvalidPattern):
        DayRange(date(2026, 5, 2), date(2026, 5, 1))


@st.composite
def lines(draw: st.DrawFn) -> PatternShift:
    name = draw(st.sampled_from(["mon", "tue", "wed", "thu", "fri", "sat", "sun"]))
    starts_min = draw(st.integers(0, 1439))
    length_min = draw(st.integers(90, 23 * 60))
    first = draw(st.integers(0, length_min - 60))
    last = draw(st.integers(first, length_min - 60))

    def clock(minute: int) -> str:
        return f"{minute // 60 % 24:02}:{minute % 60:02}"

    return pattern_shift(
        name,
        clock(starts_min),
        clock(starts_min + length_min),
        (3600, clock(starts_min + first), clock(starts_min + last)),
    )


@given(
    lines(),
    st.sampled_from([PARIS, NEW_YORK, LORD_HOWE, SAO_PAULO]),
    st.dates(date(2015, 1, 1), date(2030, 1, 1)),
)
def test_every_shift_starts_on_its_day_lasts_at_most_a_day_and_holds_its_break(
    line: PatternShift, zone: ZoneInfo, first_on: date
) -> None:
    days = DayRange(first_on, first_on + timedelta(days=13))
    for shift in expand([line], zone, days):
        assert shift.on == shift.starts_at.astimezone(zone).date()
        assert shift.on.weekday() == line.weekday
        assert shift.on in days
        length_s = (shift.ends_at - shift.starts_at).total_seconds()
        assert 0 < length_s <= 24 * 3600
        assert 0 <= shift.break_earliest_s <= shift.break_latest_s
        assert shift.break_latest_s + shift.break_s <= length_s
