"""Calendars: what is stored, what is refused, and where openings lie in UTC."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm.contracts.opening_hours import (
    AROUND_THE_CLOCK,
    WEEKDAYS,
    Calendar,
    Hours,
    InvalidCalendar,
    calendar_from_json,
    calendar_to_json,
    expand,
    expand_rows,
)
from fsm.intervals import DAY, HOUR, length

PARIS = ZoneInfo("Europe/Paris")
OFFICE = {"weekly": {day: [["09:00", "18:00"]] for day in WEEKDAYS[:5]}}


def local(calendar, zone, first_on, last_on=None):
    """Return the openings as local wall-clock texts, for reading."""
    return [
        tuple(at.astimezone(zone).strftime("%d %H:%M %z") for at in row)
        for row in expand_rows(calendar, zone, first_on, last_on or first_on)
    ]


def test_office_hours_follow_the_wall_clock_over_the_change_of_clocks():
    rows = expand_rows(calendar_from_json(OFFICE), PARIS, date(2026, 3, 27), date(2026, 3, 30))
    assert rows == [
        (datetime(2026, 3, 27, 8, tzinfo=UTC), datetime(2026, 3, 27, 17, tzinfo=UTC)),
        (datetime(2026, 3, 30, 7, tzinfo=UTC), datetime(2026, 3, 30, 16, tzinfo=UTC)),
    ]


def test_a_holiday_is_closed_and_a_special_day_has_its_own_hours():
    calendar = calendar_from_json(
        OFFICE
        | {
            "holidays": ["2026-12-25"],
            "special": {"2026-12-24": [["09:00", "13:00"]], "2026-12-26": [["10:00", "11:00"]]},
        }
    )
    assert local(calendar, PARIS, date(2026, 12, 24), date(2026, 12, 27)) == [
        ("24 09:00 +0100", "24 13:00 +0100"),
        ("26 10:00 +0100", "26 11:00 +0100"),
    ]


def test_a_special_day_without_hours_is_closed():
    calendar = calendar_from_json(OFFICE | {"special": {"2026-12-31": []}})
    assert local(calendar, PARIS, date(2026, 12, 31)) == []


def test_a_night_shift_belongs_to_the_day_it_starts_even_before_a_holiday():
    calendar = calendar_from_json(
        {
            "weekly": {"thu": [["22:00", "06:00"]], "fri": [["22:00", "06:00"]]},
            "holidays": ["2026-05-01"],
        }
    )
    assert local(calendar, PARIS, date(2026, 4, 30), date(2026, 5, 2)) == [
        ("30 22:00 +0200", "01 06:00 +0200")
    ]


def test_a_skipped_time_moves_forward_over_the_gap():
    calendar = calendar_from_json({"weekly": {"sun": [["02:30", "05:00"]]}})
    assert local(calendar, PARIS, date(2026, 3, 29)) == [("29 03:30 +0200", "29 05:00 +0200")]
    closing = calendar_from_json({"weekly": {"sun": [["01:00", "02:30"]]}})
    assert local(closing, PARIS, date(2026, 3, 29)) == [("29 01:00 +0100", "29 03:30 +0200")]


def test_an_opening_that_the_gap_turns_round_is_dropped():
    calendar = calendar_from_json({"weekly": {"sun": [["02:30", "03:15"]]}})
    assert local(calendar, PARIS, date(2026, 3, 29)) == []


def test_of_a_time_that_comes_twice_the_first_is_meant():
    calendar = calendar_from_json({"weekly": {"sun": [["02:30", "04:00"]]}})
    assert local(calendar, PARIS, date(2026, 10, 25)) == [("25 02:30 +0200", "25 04:00 +0100")]
    [(opens, closes)] = expand(calendar, PARIS, date(2026, 10, 25), date(2026, 10, 25))
    assert closes - opens == 2.5 * HOUR


def test_the_day_of_25_hours_comes_in_parts_of_at_most_24():
    calendar = calendar_from_json({"weekly": {"sun": [["00:00", "24:00"]]}})
    openings = expand(calendar, PARIS, date(2026, 10, 25), date(2026, 10, 25))
    assert [closes - opens for opens, closes in openings] == [DAY, HOUR]
    assert openings[0][1] == openings[1][0]


@pytest.mark.parametrize(
    ("zone", "first_on", "last_on", "hours"),
    [
        ("Europe/Paris", date(2026, 3, 28), date(2026, 3, 29), 47),
        ("Europe/Paris", date(2026, 10, 24), date(2026, 10, 25), 49),
        ("Australia/Lord_Howe", date(2026, 10, 4), date(2026, 10, 4), 23.5),
        # Midnight itself is skipped in one and comes twice in the other.
        ("Africa/Cairo", date(2026, 4, 23), date(2026, 4, 24), 47),
        ("America/Havana", date(2026, 11, 1), date(2026, 11, 1), 25),
        # Samoa went to bed on the 29th and rose on the 31st.
        ("Pacific/Apia", date(2011, 12, 29), date(2011, 12, 31), 48),
    ],
)
def test_around_the_clock_has_neither_hole_nor_overlap(zone, first_on, last_on, hours):
    openings = expand(AROUND_THE_CLOCK, ZoneInfo(zone), first_on, last_on)
    assert all(one[1] == other[0] for one, other in pairwise(openings))
    assert sum(closes - opens for opens, closes in openings) == hours * HOUR


def test_a_day_that_never_was_has_no_opening():
    calendar = calendar_from_json({"weekly": {"fri": [["09:00", "18:00"]]}})
    assert expand(calendar, ZoneInfo("Pacific/Apia"), date(2011, 12, 30), date(2011, 12, 30)) == ()


def test_the_night_before_a_morning_opening_is_counted_once():
    calendar = calendar_from_json(
        {"weekly": {"mon": [["20:00", "08:00"]], "tue": [["06:00", "12:00"]]}}
    )
    openings = expand(calendar, PARIS, date(2026, 6, 1), date(2026, 6, 2))
    assert sum(closes - opens for opens, closes in openings) == 16 * HOUR == length(openings)


times = st.integers(0, 23 * 60 + 59)


@st.composite
def calendars(draw):
    weekly = []
    for _ in range(7):
        marks = sorted(set(draw(st.lists(times, max_size=4))))
        weekly.append(tuple(Hours(a, b) for a, b in zip(marks[::2], marks[1::2], strict=False)))
    night = draw(st.none() | st.tuples(st.integers(0, 6), st.integers(18 * 60, 23 * 60)))
    if night:
        day, opens = night
        weekly[day] = (Hours(opens, 24 * 60 + draw(st.integers(0, opens - 1))),)
    days = st.dates(date(2026, 1, 1), date(2026, 12, 31))
    holidays = draw(st.frozensets(days, max_size=3))
    special = draw(st.dictionaries(days, st.just((Hours(600, 660),)) | st.just(()), max_size=3))
    return Calendar(
        tuple(weekly),
        holidays,
        tuple(sorted((day, hours) for day, hours in special.items() if day not in holidays)),
    )


@given(calendars())
def test_a_calendar_reads_back_as_it_was_stored(calendar):
    assert calendar_from_json(calendar_to_json(calendar)) == calendar


@given(calendars(), st.sampled_from(["Europe/Paris", "America/St_Johns", "Asia/Tokyo"]))
def test_openings_ascend_without_overlap_and_last_at_most_a_day(calendar, zone):
    openings = expand(calendar, ZoneInfo(zone), date(2026, 1, 1), date(2026, 12, 31))
    assert all(0 < closes - opens <= DAY for opens, closes in openings)
    assert all(one[1] <= other[0] for one, other in pairwise(openings))


@given(calendars(), st.dates(date(2026, 2, 1), date(2026, 11, 1)), st.integers(0, 40))
def test_expanding_in_two_goes_covers_the_same_time(calendar, first_on, days):
    middle = first_on + timedelta(days=days)
    last_on = middle + timedelta(days=9)
    whole = expand(calendar, PARIS, first_on, last_on)
    halves = (
        *expand(calendar, PARIS, first_on, middle),
        *expand(calendar, PARIS, middle + timedelta(days=1), last_on),
    )
    assert length(whole) == length(halves)


@pytest.mark.parametrize(
    ("stored", "path", "says"),
    [
        ([], "", "must be an object"),
        ({"week": {}}, "week", "unknown; allowed: weekly"),
        ({"weekly": []}, "weekly", "must be an object"),
        ({"weekly": {"monday": []}}, "weekly.monday", "allowed: mon, tue"),
        ({"weekly": {"mon": "09-18"}}, "weekly.mon", "list of"),
        ({"weekly": {"mon": [["09:00"]]}}, "weekly.mon[0]", "must be a pair"),
        ({"weekly": {"mon": [["9:00", "18:00"]]}}, "weekly.mon[0][0]", "'9:00' is not a time"),
        ({"weekly": {"mon": [["24:00", "06:00"]]}}, "weekly.mon[0][0]", "00:00 to 23:59"),
        ({"weekly": {"mon": [["09:00", "24:01"]]}}, "weekly.mon[0][1]", "00:00 to 24:00"),
        ({"weekly": {"mon": [["09:00", 18]]}}, "weekly.mon[0][1]", "18 is not a time"),
        ({"weekly": {"mon": [["٠٩:00", "18:00"]]}}, "weekly.mon[0][0]", "not a time"),
        ({"weekly": {"mon": [["09:00", "09:00"]]}}, "weekly.mon[0]", "a whole day is"),
        (
            {"weekly": {"mon": [["09:00", "13:00"], ["12:00", "18:00"]]}},
            "weekly.mon[1]",
            "before the opening above it has closed",
        ),
        (
            {"weekly": {"mon": [["22:00", "06:00"], ["23:00", "24:00"]]}},
            "weekly.mon[1]",
            "before the opening above",
        ),
        ({"holidays": "2026-01-01"}, "holidays", "list of days"),
        ({"holidays": ["2026-02-30"]}, "holidays[0]", "write YYYY-MM-DD"),
        ({"holidays": ["20260101"]}, "holidays[0]", "write YYYY-MM-DD"),
        ({"holidays": ["2026-01-01", "2026-01-01"]}, "holidays[1]", "listed twice"),
        ({"special": {"24 Dec": []}}, "special.24 Dec", "is not a day"),
        ({"special": {"2026-12-24": [["09:00", ""]]}}, "special.2026-12-24[0][1]", "not a time"),
        ({"special": {"2026-12-24": []}, "holidays": ["2026-12-24"]}, "special.2026-12-24", "too"),
        ({"around_the_clock": 1}, "around_the_clock", "true or false"),
        ({"around_the_clock": True, "holidays": ["2026-01-01"]}, "around_the_clock", "00:00"),
    ],
)
def test_a_calendar_at_fault_is_refused_with_the_path(stored, path, says):
    with pytest.raises(InvalidCalendar) as refused:
        calendar_from_json(stored)
    assert refused.value.path == path
    assert says in str(refused.value)


@pytest.mark.parametrize(("opens", "closes"), [(-1, 60), (1440, 1500), (60, 60), (60, 1501)])
def test_an_opening_of_more_than_a_day_or_of_nothing_cannot_be_made(opens, closes):
    with pytest.raises(ValueError, match="An opening"):
        Hours(opens, closes)
