"""Demand from history, known work and contracts; hours and nights when the clocks change."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from scheduler.rosters.forecast import (
    ANYBODY,
    Entered,
    ForecastRules,
    Known,
    Presence,
    Worked,
    forecast,
    trade_of,
)
from scheduler.rosters.hours import (
    Night,
    PatternHours,
    contract_of,
    duties_of,
    hours_of,
    midnights,
    night_s,
)

PARIS = ZoneInfo("Europe/Paris")
KOLKATA = ZoneInfo("Asia/Kolkata")
MONDAY = date(2026, 6, 1)
HOURS = hours_of(MONDAY, 14, PARIS)
PLAIN = ForecastRules(headroom_percent=100)
LIFT = ("lift", 1)


def local(day: date, hour: int, minute: int = 0, zone: ZoneInfo = PARIS) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone).astimezone(UTC)


def on(weeks_back: int) -> date:
    return MONDAY - timedelta(weeks=weeks_back)


def wanted(
    *,
    rules: ForecastRules = PLAIN,
    day: int = 0,
    trade: tuple[str | None, int] = LIFT,
    **facts: object,
) -> dict[int, int]:
    """Return what is wanted of a trade on a day of the horizon: hour → person-minutes."""
    needs = forecast(HOURS, PARIS, rules, **facts)  # type: ignore[arg-type]
    row = next((one.minutes for one in needs if (one.skill, one.level) == trade), ())
    asked = MONDAY + timedelta(days=day)
    return {
        hour.hour: minutes
        for hour, minutes in zip(HOURS, row, strict=False)
        if hour.on == asked and minutes
    }


def test_an_hour_wants_the_average_of_past_weeks_and_younger_ones_weigh_more() -> None:
    rules = ForecastRules(headroom_percent=100, half_life_weeks=1)
    young = Worked(LIFT, local(on(1), 9), local(on(1), 10))
    old = Worked(LIFT, local(on(2), 12), local(on(2), 13))
    assert wanted(rules=rules, worked=[young]) == {9: 60}
    # The weeks weigh 1 and 1/2: 40 and 20 minutes on average, in quarters 45 and 30.
    assert wanted(rules=rules, worked=[young, old]) == {9: 45, 12: 30}


def test_work_is_counted_in_the_hours_it_lay_in_and_raised_by_the_headroom() -> None:
    worked = [Worked(LIFT, local(on(1), 9, 30), local(on(1), 11, 15))]
    assert wanted(worked=worked) == {9: 30, 10: 60, 11: 15}
    assert wanted(worked=worked, day=7) == {9: 30, 10: 60, 11: 15}
    assert wanted(worked=worked, day=1) == {}
    busy = ForecastRules(headroom_percent=150)
    assert wanted(rules=busy, worked=worked) == {9: 45, 10: 90, 11: 30}


def test_history_is_of_the_clock_so_nine_stays_nine_after_the_clocks_change() -> None:
    winter = date(2026, 3, 23)
    worked = [Worked(LIFT, local(winter, 9), local(winter, 10))]
    hours = hours_of(date(2026, 3, 30), 7, PARIS)
    (need,) = forecast(hours, PARIS, PLAIN, worked=worked)
    assert [hours[number].hour for number, minutes in enumerate(need.minutes) if minutes] == [9]
    assert hours[9].starts_at.hour == 7


def test_what_is_too_old_or_yet_to_come_is_no_history() -> None:
    rules = ForecastRules(headroom_percent=100, history_weeks=2)
    for day in (on(3), on(0)):
        assert wanted(rules=rules, worked=[Worked(LIFT, local(day, 9), local(day, 10))]) == {}


def test_preventive_work_is_spread_over_the_working_hours_of_its_days() -> None:
    known = [Known(LIFT, 18 * 3_600, MONDAY, MONDAY + timedelta(days=1))]
    assert wanted(known=known) == dict.fromkeys(range(8, 17), 60)
    assert wanted(known=known, day=1) == dict.fromkeys(range(8, 17), 60)
    assert wanted(known=known, day=2) == {}


def test_only_the_part_of_known_work_that_falls_into_the_horizon_is_counted() -> None:
    known = [Known(LIFT, 36 * 3_600, MONDAY - timedelta(days=7), MONDAY + timedelta(days=4))]
    total = sum(sum(wanted(known=known, day=day).values()) for day in range(14))
    assert total == 5 * 9 * 30  # 24 min an hour, in quarters


def test_planned_work_stands_in_its_own_hours() -> None:
    known = [Known(LIFT, starts_at=local(MONDAY, 22, 30), ends_at=local(MONDAY, 23, 30))]
    assert wanted(known=known) == {22: 30, 23: 30}


def test_a_promise_wants_somebody_while_its_calendar_is_open_whatever_history_says() -> None:
    opening = (local(MONDAY, 8), local(MONDAY, 10))
    worked = [Worked(LIFT, local(on(1), 9), local(on(1), 9, 15)) for _ in range(8)]
    found = wanted(worked=worked, presence=[Presence(LIFT, (opening,))])
    assert found == {8: 60, 9: 120}


def test_what_is_entered_replaces_what_is_reckoned_also_with_nothing() -> None:
    worked = [Worked(LIFT, local(on(1), 9), local(on(1), 11))]
    entered = [Entered(LIFT, MONDAY, 9, 0), Entered(LIFT, MONDAY, 12, 90)]
    assert wanted(worked=worked, entered=entered) == {10: 60, 12: 90}


def test_the_trade_of_work_is_the_skill_asked_at_the_highest_level() -> None:
    assert trade_of([]) == ANYBODY
    asked = [{"skill": "b", "level": 2}, {"skill": "a", "level": 2}, {"skill": "c", "level": 1}]
    assert trade_of(asked) == ("a", 2)


NIGHT = PatternHours(22 * 60, 30 * 60)


@pytest.mark.parametrize(
    ("first_on", "day", "hours", "night"),
    [
        (date(2026, 3, 23), 5, 7, 6),  # Saturday into the Sunday on which the clocks go forward
        (date(2026, 10, 19), 5, 9, 8),  # and on which they go back
        (date(2026, 6, 1), 5, 8, 7),
    ],
)
def test_a_night_over_a_change_of_the_clocks_is_paid_for_what_it_lasts(
    first_on: date, day: int, hours: int, night: int
) -> None:
    duties = duties_of([NIGHT], [PARIS], first_on, [Night()])
    duty = next(one for one in duties if one.day == day)
    assert (duty.end - duty.start, duty.paid_s) == (hours * 3_600, hours * 3_600)
    assert duty.night_s == night * 3_600


def test_a_week_with_a_change_of_the_clocks_has_an_hour_less() -> None:
    first_on = date(2026, 3, 23)
    assert midnights(first_on, 7, PARIS)[-1] == (7 * 24 - 1) * 3_600
    hours = hours_of(first_on, 7, PARIS)
    assert len(hours) == 7 * 24 - 1
    assert 2 not in {hour.hour for hour in hours if hour.on == date(2026, 3, 29)}
    autumn = [hour.hour for hour in hours_of(date(2026, 10, 19), 7, PARIS) if hour.on.day == 25]
    assert autumn.count(2) == 2


def test_somebody_elsewhere_works_by_the_clock_of_their_own_place() -> None:
    early = PatternHours(6 * 60, 14 * 60, break_s=1_800)
    paris, kolkata = duties_of([early], [PARIS, KOLKATA], MONDAY, [Night()])[::7]
    assert paris.start - kolkata.start == int(3.5 * 3_600)
    assert paris.paid_s == kolkata.paid_s == int(7.5 * 3_600)


def test_hours_that_the_clocks_skip_are_no_shift() -> None:
    skipped = PatternHours(2 * 60, 2 * 60 + 30)
    days = {one.day for one in duties_of([skipped], [PARIS], date(2026, 3, 23), [Night()])}
    assert len(days) == 7  # 02:00 to 02:30 moves to 03:00 to 03:30
    gone = PatternHours(2 * 60, 3 * 60)
    lengths = {
        one.end - one.start for one in duties_of([gone], [PARIS], date(2026, 3, 23), [Night()])
    }
    assert lengths == {3_600}


def test_the_night_of_the_rules_may_lie_within_one_day() -> None:
    night = Night(0, 5 * 60)
    starts_at = local(MONDAY, 22)
    assert night_s(starts_at, starts_at + timedelta(hours=8), PARIS, night) == 5 * 3_600
    assert night_s(starts_at, starts_at + timedelta(hours=1), PARIS, night) == 0


def test_absence_takes_a_fifth_of_the_weeks_contract_a_weekday() -> None:
    away = [MONDAY, MONDAY + timedelta(days=1), MONDAY + timedelta(days=5), on(-1)]
    assert contract_of(40 * 3_600, MONDAY, 2, away) == (24 * 3_600, 32 * 3_600)
