"""Rules in the site's own time: month ends, leap years, both changes of clocks, seasons, any window."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm.maintenance.occurrences import (
    RuleRefused,
    due_at,
    expand,
    is_paused,
    list_days,
    minute_of,
    next_day,
    read_pauses,
    read_rule,
    read_step,
    resumes_on,
    step_of,
)

PARIS = ZoneInfo("Europe/Paris")
SANTIAGO = ZoneInfo("America/Santiago")
CAIRO = ZoneInfo("Africa/Cairo")
TOKYO = ZoneInfo("Asia/Tokyo")


def days(rule: str, starts: str, last: str) -> list[str]:
    """Return the days of a rule as somebody writes it, up to `last`."""
    starts_on = date.fromisoformat(starts)
    found = list_days(read_rule(rule, starts_on), starts_on, starts_on, date.fromisoformat(last))
    return [day.isoformat() for day in found]


def test_the_31st_is_the_last_day_of_shorter_months() -> None:
    kept = "FREQ=MONTHLY;BYMONTHDAY=28,29,30,31;BYSETPOS=-1"
    assert read_rule("freq=monthly;bymonthday=31", date(2026, 1, 1)) == kept
    assert read_rule("RRULE:FREQ=MONTHLY", date(2026, 1, 31)) == kept
    assert days("FREQ=MONTHLY", "2026-01-31", "2026-06-30") == [
        "2026-01-31",
        "2026-02-28",
        "2026-03-31",
        "2026-04-30",
        "2026-05-31",
        "2026-06-30",
    ]


def test_the_30th_is_kept_where_the_month_has_it() -> None:
    assert days("FREQ=MONTHLY;BYMONTHDAY=30", "2028-01-01", "2028-04-30") == [
        "2028-01-30",
        "2028-02-29",
        "2028-03-30",
        "2028-04-30",
    ]


def test_a_day_in_the_month_stands_beside_its_end() -> None:
    assert days("FREQ=MONTHLY;BYMONTHDAY=15,31", "2026-02-01", "2026-03-31") == [
        "2026-02-15",
        "2026-02-28",
        "2026-03-15",
        "2026-03-31",
    ]


def test_29_february_is_the_28th_in_other_years() -> None:
    assert days("FREQ=YEARLY", "2024-02-29", "2028-12-31") == [
        "2024-02-29",
        "2025-02-28",
        "2026-02-28",
        "2027-02-28",
        "2028-02-29",
    ]


def test_the_end_of_several_months_of_a_year() -> None:
    found = days("FREQ=YEARLY;BYMONTH=2,8;BYMONTHDAY=31", "2026-01-01", "2027-03-01")
    assert found == ["2026-02-28", "2026-08-31", "2027-02-28"]


def test_other_rules_mean_what_rfc_5545_says() -> None:
    assert days("FREQ=MONTHLY;BYDAY=-1FR", "2026-01-01", "2026-03-31") == [
        "2026-01-30",
        "2026-02-27",
        "2026-03-27",
    ]
    assert days("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH", "2026-01-05", "2026-01-25") == [
        "2026-01-05",
        "2026-01-08",
        "2026-01-19",
        "2026-01-22",
    ]
    assert days("FREQ=DAILY;COUNT=2", "2026-01-05", "2026-02-25") == ["2026-01-05", "2026-01-06"]
    assert days("FREQ=DAILY;UNTIL=20260106", "2026-01-05", "2026-02-25") == [
        "2026-01-05",
        "2026-01-06",
    ]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("FREQ=HOURLY", "FREQ must be one of"),
        ("", "FREQ must be one of"),
        ("FREQ=MONTHLY;BYHOUR=9", "the time of day stands beside it"),
        ("FREQ=MONTHLY;FREQ=DAILY", "twice"),
        ("FREQ=MONTHLY;INTERVAL=121", "INTERVAL must be from 1 to 120"),
        ("FREQ=MONTHLY;INTERVAL=x", "whole numbers"),
        ("FREQ=MONTHLY;BYMONTHDAY=30,31", "one day after the 28th"),
        ("FREQ=MONTHLY;BYMONTHDAY=28,31", "same day in February"),
        ("FREQ=MONTHLY;BYMONTHDAY=-31", "-1 is the last"),
        ("FREQ=MONTHLY;BYMONTHDAY=0", "BYMONTHDAY must be"),
        ("FREQ=DAILY;BYMONTHDAY=3", "belongs to FREQ=MONTHLY"),
        ("FREQ=DAILY;INTERVAL=7;BYDAY=MO", "may never meet"),
        ("FREQ=WEEKLY;BYDAY=1MO", "belongs to a month"),
        ("FREQ=MONTHLY;BYDAY=XX", "weekdays such as MO"),
        ("FREQ=MONTHLY;COUNT=1;UNTIL=20270101", "not both"),
        ("FREQ=MONTHLY;UNTIL=20270101T000000Z", "a day such as"),
        ("FREQ=MONTHLY;UNTIL=20250101", "ends before its first date"),
        ("FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30;BYSETPOS=1", "no date in 50 years"),
        ("FREQ=MONTHLY;INTERVAL=12;BYMONTH=2", "no date in 50 years"),
        ("FREQ=YEARLY;INTERVAL=2;BYMONTH=2,8;BYMONTHDAY=31", "needs FREQ=MONTHLY"),
    ],
)
def test_a_rule_that_cannot_be_followed_is_refused_with_what_to_write(rule: str, said: str) -> None:
    with pytest.raises(RuleRefused, match=said):
        read_rule(rule, date(2026, 1, 1))


@pytest.mark.parametrize(
    ("zone", "day", "clock", "instant"),
    [
        # Paris skips 2:00 to 3:00 on 29 March and has it twice on 25 October.
        (PARIS, "2026-03-28", "02:30", "2026-03-28T01:30Z"),
        (PARIS, "2026-03-29", "02:30", "2026-03-29T01:30Z"),  # 3:30 in summer time
        (PARIS, "2026-03-30", "02:30", "2026-03-30T00:30Z"),
        (PARIS, "2026-10-25", "02:30", "2026-10-25T00:30Z"),  # the first of the two
        (PARIS, "2026-10-26", "02:30", "2026-10-26T01:30Z"),
        (PARIS, "2026-03-29", "09:00", "2026-03-29T07:00Z"),
        # Tokyo changes nothing.
        (TOKYO, "2026-03-29", "02:30", "2026-03-28T17:30Z"),
        # Santiago and Cairo skip the hour after midnight.
        (SANTIAGO, "2026-09-06", "00:00", "2026-09-06T04:00Z"),  # 1:00 in summer time
        (SANTIAGO, "2026-09-07", "00:00", "2026-09-07T03:00Z"),
        (SANTIAGO, "2026-04-04", "23:30", "2026-04-05T02:30Z"),  # the first of the two
        (CAIRO, "2026-04-24", "00:15", "2026-04-23T22:15Z"),  # 1:15 in summer time
        (CAIRO, "2026-10-29", "23:30", "2026-10-29T20:30Z"),  # the first of the two
    ],
)
def test_a_skipped_time_moves_forward_and_of_two_the_first_is_meant(
    zone: ZoneInfo, day: str, clock: str, instant: str
) -> None:
    found = due_at(date.fromisoformat(day), minute_of(clock), zone)
    assert found == datetime.fromisoformat(instant)
    rule = read_rule("FREQ=DAILY", date(2026, 1, 1))
    hour = timedelta(hours=1)
    expanded = expand(rule, date(2026, 1, 1), minute_of(clock), zone, found - hour, found + hour)
    assert expanded == [(date.fromisoformat(day), found)]


RULES = st.sampled_from(
    [
        "FREQ=DAILY",
        "FREQ=DAILY;INTERVAL=3",
        "FREQ=WEEKLY;BYDAY=MO,SU",
        "FREQ=MONTHLY;BYMONTHDAY=31",
        "FREQ=MONTHLY;BYDAY=-1SU",
        "FREQ=MONTHLY;INTERVAL=2;BYMONTHDAY=15,31",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29",
        "FREQ=DAILY;COUNT=40",
        "FREQ=MONTHLY;UNTIL=20261231",
    ]
)
MOMENTS = st.integers(0, 3 * 365 * 1_440).map(
    lambda minutes: datetime(2025, 6, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)


@given(
    rule=RULES,
    clock=st.sampled_from(["00:00", "00:30", "02:30", "12:00", "23:59"]),
    zone=st.sampled_from([PARIS, SANTIAGO, CAIRO, TOKYO]),
    moments=st.tuples(MOMENTS, MOMENTS, MOMENTS).map(sorted),
)
def test_two_windows_that_touch_give_what_their_union_gives(
    rule: str, clock: str, zone: ZoneInfo, moments: list[datetime]
) -> None:
    begins, middle, ends = moments
    starts_on = date(2026, 1, 31)
    kept, minute = read_rule(rule, starts_on), minute_of(clock)

    def window(from_at: datetime, to_at: datetime) -> list[tuple[date, datetime]]:
        return expand(kept, starts_on, minute, zone, from_at, to_at)

    whole = window(begins, ends)
    assert window(begins, middle) + window(middle, ends) == whole
    assert all(begins <= at < ends for _, at in whole)
    assert [at for _, at in whole] == sorted({at for _, at in whole})


@given(rule=RULES, after=st.dates(date(2026, 1, 1), date(2027, 1, 1)))
def test_the_next_day_is_the_first_of_those_listed_after(rule: str, after: date) -> None:
    starts_on = date(2026, 1, 31)
    kept = read_rule(rule, starts_on)
    later = list_days(kept, starts_on, after + timedelta(days=1), after + timedelta(days=1_500))
    assert next_day(kept, starts_on, after) == (later[0] if later else None)


@given(rule=RULES, starts_on=st.dates(date(2024, 1, 1), date(2026, 11, 30)))
def test_the_kept_form_of_a_rule_is_its_own(rule: str, starts_on: date) -> None:
    kept = read_rule(rule, starts_on)
    assert read_rule(kept, starts_on) == kept


def test_a_rule_that_leaves_the_day_to_its_start_goes_on_doing_so() -> None:
    kept = read_rule("FREQ=MONTHLY;INTERVAL=3", date(2026, 1, 15))
    assert kept == "FREQ=MONTHLY;INTERVAL=3"
    assert list_days(kept, date(2026, 1, 20), date(2026, 1, 1), date(2026, 4, 30)) == (
        date(2026, 1, 20),
        date(2026, 4, 20),
    )


def test_a_step_from_a_completion_keeps_to_the_end_of_months() -> None:
    assert date(2026, 8, 31) + step_of(read_step("FREQ=MONTHLY;INTERVAL=6")) == date(2027, 2, 28)
    assert date(2024, 2, 29) + step_of(read_step("FREQ=YEARLY")) == date(2025, 2, 28)
    assert date(2026, 1, 1) + step_of(read_step("FREQ=WEEKLY;INTERVAL=2")) == date(2026, 1, 15)
    with pytest.raises(RuleRefused, match="without BYDAY"):
        read_step("FREQ=MONTHLY;BYDAY=1MO")
    with pytest.raises(RuleRefused, match="FREQ must be"):
        read_step("INTERVAL=2")


def test_a_pause_may_go_over_new_year() -> None:
    pauses = read_pauses([["11-01", "03-31"]])
    held = [is_paused(pauses, date(2026, m, d)) for m, d in ((10, 31), (11, 1), (2, 28), (4, 1))]
    assert held == [False, True, True, False]
    assert resumes_on(pauses, date(2026, 12, 24)) == date(2027, 4, 1)
    assert resumes_on(pauses, date(2026, 6, 1)) == date(2026, 6, 1)
    both = read_pauses([["11-01", "03-31"], ["04-01", "04-15"]])
    assert resumes_on(both, date(2026, 12, 24)) == date(2027, 4, 16)
    assert is_paused(read_pauses([["02-29", "02-29"]]), date(2028, 2, 29))


@pytest.mark.parametrize(
    ("pauses", "said"),
    [
        ([["13-01", "03-31"]], "write MM-DD"),
        ([["02-30", "03-31"]], "write MM-DD"),
        ([["x", "03-31"]], "write MM-DD"),
        ([["01-01", "12-31"]], "no day of the year"),
        ([["07-01", "06-30"]], "no day of the year"),
    ],
)
def test_pauses_that_say_nothing_or_leave_nothing_are_refused(
    pauses: list[list[str]], said: str
) -> None:
    with pytest.raises(RuleRefused, match=said):
        read_pauses(pauses)
