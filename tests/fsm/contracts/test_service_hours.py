"""The service-level clock: by hand, against a wall-clock oracle, and what must never happen."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsm.contracts.opening_hours import AROUND_THE_CLOCK, WEEKDAYS, calendar_from_json
from fsm.contracts.service_hours import (
    ClockHistory,
    ClockPause,
    ClockState,
    ClockStop,
    Moment,
    NeverDue,
    Reopening,
    Retarget,
    ServiceHours,
    business_time,
    due,
    read_clock,
)

PARIS = ZoneInfo("Europe/Paris")
OFFICE = ServiceHours(
    calendar_from_json({"weekly": {day: [["09:00", "18:00"]] for day in WEEKDAYS[:5]}}), PARIS
)
ALWAYS = ServiceHours(AROUND_THE_CLOCK, PARIS)
HOUR_S = 3600


def paris(text):
    """Return "2026-03-27 16:00" as a Paris wall clock."""
    return datetime.fromisoformat(text).replace(tzinfo=PARIS)


def at(text):
    """Return an exact moment of March 2026 in Paris, "27 16:00"."""
    return Moment.exactly(paris(f"2026-03-{text}"))


def between(lo, hi):
    """Return a moment known only to lie between two; stated as the earlier."""
    return Moment(at(lo).at, at(lo).at, at(hi).at)


def read(history, as_of, hours=OFFICE, reopening=Reopening.RESUME):
    """Return the last reading at an instant of March 2026."""
    return read_clock(hours, history, paris(f"2026-03-{as_of}"), reopening)[-1]


# --- By hand -------------------------------------------------------------------------------------


def test_eight_hours_from_friday_afternoon_with_a_pause_are_due_on_monday_at_five():
    pause = (paris("2026-03-30 10:00"), paris("2026-03-30 12:00"))
    assert due(OFFICE, paris("2026-03-27 16:00"), 8 * HOUR_S, [pause]) == paris("2026-03-30 17:00")


def test_a_day_round_the_clock_ends_an_hour_later_where_an_hour_was_skipped():
    start = paris("2026-03-28 12:00")
    assert due(ALWAYS, start, 24 * HOUR_S) == paris("2026-03-29 13:00")
    assert due(ALWAYS, paris("2026-10-24 12:00"), 24 * HOUR_S) == paris("2026-10-25 11:00")


@pytest.mark.parametrize(
    ("hours", "from_at", "to_at", "expected"),
    [
        (OFFICE, "2026-03-23 00:00", "2026-03-30 00:00", 45),
        (ALWAYS, "2026-03-23 00:00", "2026-03-30 00:00", 167),
        (OFFICE, "2026-10-19 00:00", "2026-10-26 00:00", 45),
        (ALWAYS, "2026-10-19 00:00", "2026-10-26 00:00", 169),
        (ALWAYS, "2026-03-28 00:00", "2026-03-30 00:00", 47),
        (ALWAYS, "2026-03-29 00:00", "2026-03-30 00:00", 23),
    ],
)
def test_business_time_over_both_changes_of_clocks(hours, from_at, to_at, expected):
    assert business_time(hours, paris(from_at), paris(to_at)) == timedelta(hours=expected)


def test_four_hours_from_friday_at_four_are_due_on_monday_at_eleven():
    assert due(OFFICE, paris("2026-11-20 16:00"), 4 * HOUR_S) == paris("2026-11-23 11:00")


def test_a_target_that_runs_out_at_closing_time_is_due_at_closing_time():
    assert due(OFFICE, paris("2026-03-27 16:00"), 2 * HOUR_S) == paris("2026-03-27 18:00")


def test_a_target_of_nothing_is_due_at_once_even_at_night():
    assert due(OFFICE, paris("2026-03-28 03:00"), 0) == paris("2026-03-28 03:00")


def test_the_answer_is_exact_to_the_microsecond():
    start = paris("2026-03-27 17:59:59.999999")
    assert due(OFFICE, start, 1) == paris("2026-03-30 09:00:00.999999")


def test_overlapping_pauses_stop_the_clock_once():
    pauses = [
        (paris("2026-03-30 10:00"), paris("2026-03-30 12:00")),
        (paris("2026-03-30 11:00"), paris("2026-03-30 12:00")),
        (paris("2026-03-28 00:00"), paris("2026-03-29 00:00")),
    ]
    assert due(OFFICE, paris("2026-03-27 16:00"), 8 * HOUR_S, pauses) == paris("2026-03-30 17:00")


def test_a_pause_without_end_leaves_no_due_time_unless_it_came_too_late():
    start = paris("2026-03-27 09:00")
    assert due(OFFICE, start, 4 * HOUR_S, [(paris("2026-03-27 12:00"), None)]) is None
    assert due(ALWAYS, start, 4 * HOUR_S, [(paris("2026-03-27 12:00"), None)]) is None
    late = due(OFFICE, start, 4 * HOUR_S, [(paris("2026-03-27 13:00"), None)])
    assert late == paris("2026-03-27 13:00")


@pytest.mark.parametrize(
    "stored",
    [
        {},
        {"special": {"2020-01-01": [["09:00", "18:00"]]}},
        {"special": {"2026-12-24": [["09:00", "10:00"]]}},
        {"weekly": {"mon": [["09:00", "09:01"]]}},
    ],
)
def test_a_calendar_that_never_opens_long_enough_is_refused_and_not_searched_for_ever(stored):
    hours = ServiceHours(calendar_from_json(stored), PARIS)
    with pytest.raises(NeverDue, match="opening"):
        due(hours, paris("2026-03-27 16:00"), 3_000 * HOUR_S)


def test_a_calendar_of_special_days_alone_still_gives_due_times():
    hours = ServiceHours(
        calendar_from_json({"special": {"2031-05-01": [["22:00", "06:00"]]}}), PARIS
    )
    assert due(hours, paris("2026-03-27 16:00"), 8 * HOUR_S) == paris("2031-05-02 06:00")
    assert due(hours, paris("2031-05-02 05:00"), HOUR_S) == paris("2031-05-02 06:00")


def test_naive_instants_and_targets_in_the_past_are_refused():
    naive = datetime(2026, 3, 27, 16)  # noqa: DTZ001 - the point of the test
    with pytest.raises(ValueError, match="no time zone"):
        due(OFFICE, naive, HOUR_S)
    with pytest.raises(ValueError, match="no time zone"):
        business_time(OFFICE, paris("2026-03-27 16:00"), naive)
    with pytest.raises(ValueError, match="-1 s"):
        due(OFFICE, paris("2026-03-27 16:00"), -1)
    with pytest.raises(ValueError, match="cannot end"):
        business_time(OFFICE, paris("2026-03-27 16:00"), paris("2026-03-27 15:00"))


# --- Properties ----------------------------------------------------------------------------------

ZONES = ("Europe/Paris", "America/New_York", "Australia/Lord_Howe", "UTC")
CALENDARS = (
    {"weekly": {day: [["09:00", "13:00"], ["14:00", "18:00"]] for day in WEEKDAYS[:5]}},
    {"weekly": {day: [["22:00", "06:00"]] for day in WEEKDAYS}},
    {"weekly": {day: [["00:00", "24:00"]] for day in WEEKDAYS}, "holidays": ["2026-03-30"]},
    {"weekly": {"sun": [["01:00", "02:30"], ["02:45", "04:00"]], "mon": [["00:00", "00:15"]]}},
    {"around_the_clock": True},
)
hours_anywhere = st.builds(
    ServiceHours,
    st.sampled_from(CALENDARS).map(calendar_from_json),
    st.sampled_from(ZONES).map(ZoneInfo),
)
# Weeks around the changes of clocks of the zones above.
starts = st.sampled_from(
    [datetime(2026, 3, 6), datetime(2026, 3, 27), datetime(2026, 4, 3), datetime(2026, 10, 23)]  # noqa: DTZ001
)
instants = st.builds(
    lambda base, minutes: base.replace(tzinfo=UTC) + timedelta(minutes=minutes),
    starts,
    st.integers(0, 5 * 24 * 60),
)
lengths = st.integers(0, 3 * 24 * 60).map(lambda minutes: timedelta(minutes=minutes))


@st.composite
def paused(draw):
    """Return a start and pauses around it."""
    start = draw(instants)
    pauses = []
    for _ in range(draw(st.integers(0, 3))):
        begins = start + timedelta(minutes=draw(st.integers(-600, 4 * 24 * 60)))
        pauses.append((begins, begins + timedelta(minutes=draw(st.integers(0, 1_500)))))
    return start, pauses


def open_by_wall_clock(hours, moment):
    """Say whether an instant is business time by looking at the wall clock alone.

    Knows nothing of UTC openings: it is right except within a gap's width after skipped times,
    where the oracle below is not asked.
    """
    calendar = hours.calendar
    if calendar.around_the_clock:
        return True
    wall = moment.astimezone(hours.zone)
    for day, offset in ((wall.date(), 0), (wall.date() - timedelta(days=1), 24 * 60)):
        if day in calendar.holidays:
            continue
        minute = wall.hour * 60 + wall.minute + offset
        if any(o.opens_min <= minute < o.closes_min for o in calendar.weekly[day.weekday()]):
            return True
    return False


@settings(max_examples=60)
@given(
    st.sampled_from(CALENDARS[:3]).map(calendar_from_json),
    st.sampled_from(ZONES[:2] + ZONES[3:]).map(ZoneInfo),
    paused(),
    st.integers(0, 4 * 24),
)
def test_business_time_is_what_a_wall_clock_counts_quarter_by_quarter(
    calendar, zone, given_, spans
):
    hours = ServiceHours(calendar, zone)
    start, pauses = given_
    # Openings begin and end on quarters, so whole quarters are open or closed.
    begin = start.replace(minute=start.minute - start.minute % 15)
    counted = sum(
        open_by_wall_clock(hours, begin + timedelta(minutes=minute))
        for minute in range(0, spans * 60, 15)
    )
    span = business_time(hours, begin, begin + timedelta(hours=spans))
    assert span == timedelta(minutes=15) * counted
    without = business_time(hours, begin, begin + timedelta(hours=spans), pauses)
    assert without <= span


@given(hours_anywhere, paused(), lengths, lengths)
def test_business_time_is_additive(hours, given_, first, second):
    start, pauses = given_
    middle, end = start + first, start + first + second
    assert business_time(hours, start, end, pauses) == (
        business_time(hours, start, middle, pauses) + business_time(hours, middle, end, pauses)
    )


@given(hours_anywhere, paused(), st.integers(1, 40 * HOUR_S))
def test_due_is_the_smallest_instant_that_uses_the_target_up(hours, given_, target_s):
    start, pauses = given_
    end = due(hours, start, target_s, pauses)
    target = timedelta(seconds=target_s)
    assert business_time(hours, start, end, pauses) == target
    before = end - timedelta(microseconds=1)
    assert business_time(hours, start, before, pauses) == target - timedelta(microseconds=1)


@given(hours_anywhere, paused(), st.integers(1, 40 * HOUR_S), st.integers(0, 2 * 24 * 60))
def test_due_never_moves_forward_by_starting_later_or_pausing_more(hours, given_, target_s, later):
    start, pauses = given_
    end = due(hours, start, target_s, pauses)
    assert due(hours, start + timedelta(minutes=later), target_s, pauses) >= end
    assert due(hours, start, target_s, pauses[1:]) <= end


# --- Verdicts ------------------------------------------------------------------------------------


def test_a_clock_runs_then_is_met_when_stopped_at_the_due_instant():
    history = ClockHistory(4 * HOUR_S, at("27 09:00"), stops=(ClockStop(at("27 13:00")),))
    assert read(history, "27 08:59").state is ClockState.NOT_STARTED
    running = read(history, "27 11:00")
    assert (running.state, running.elapsed) == (ClockState.RUNNING, timedelta(hours=2))
    met = read(history, "27 13:00")
    assert (met.state, met.elapsed) == (ClockState.MET, timedelta(hours=4))
    assert met.due_by == met.stopped_at == paris("2026-03-27 13:00")


def test_a_clock_still_open_after_its_due_time_is_breached():
    history = ClockHistory(4 * HOUR_S, at("27 09:00"))
    assert read(history, "27 13:00").state is ClockState.RUNNING
    assert read(history, "27 13:01").state is ClockState.BREACHED


def test_a_clock_stopped_late_is_breached_even_when_the_office_was_closed_in_between():
    history = ClockHistory(2 * HOUR_S, at("27 16:00"), stops=(ClockStop(at("28 10:00")),))
    reading = read(history, "30 12:00")
    assert (reading.state, reading.elapsed) == (ClockState.BREACHED, timedelta(hours=2))


def test_a_paused_clock_has_no_due_time_until_it_goes_on():
    history = ClockHistory(
        4 * HOUR_S, at("27 09:00"), (ClockPause(at("27 10:00"), at("27 16:00")),)
    )
    paused_ = read(history, "27 12:00")
    assert (paused_.state, paused_.due_by) == (ClockState.PAUSED, None)
    assert paused_.elapsed == timedelta(hours=1)
    resumed = read(history, "27 17:00")
    assert (resumed.state, resumed.due_by) == (ClockState.RUNNING, paris("2026-03-30 10:00"))


def test_a_pause_begun_after_the_due_time_repairs_nothing():
    history = ClockHistory(HOUR_S, at("27 09:00"), (ClockPause(at("27 11:00")),))
    assert read(history, "30 12:00").state is ClockState.BREACHED


def test_a_clock_stopped_during_a_pause_is_met_and_has_a_due_time():
    history = ClockHistory(
        4 * HOUR_S,
        at("27 09:00"),
        (ClockPause(at("27 10:00")),),
        (ClockStop(between("27 15:00", "27 16:00")),),
    )
    reading = read(history, "30 12:00")
    assert reading.state is ClockState.MET
    assert reading.due_by == paris("2026-03-30 10:00")
    assert reading.elapsed == timedelta(hours=1)


@pytest.mark.parametrize(
    ("stop", "state"),
    [
        (("27 12:00", "27 13:00"), ClockState.MET),
        (("27 12:00", "27 13:01"), ClockState.DISPUTED),
        (("27 13:00", "27 15:00"), ClockState.DISPUTED),
        (("27 13:01", "27 15:00"), ClockState.BREACHED),
    ],
)
def test_bounds_of_the_stop_decide_or_leave_it_disputed(stop, state):
    history = ClockHistory(4 * HOUR_S, at("27 09:00"), stops=(ClockStop(between(*stop)),))
    assert read(history, "30 12:00").state is state


def test_bounds_of_start_and_pauses_pass_into_the_due_time():
    history = ClockHistory(
        4 * HOUR_S,
        between("27 09:00", "27 09:10"),
        (ClockPause(between("27 10:00", "27 10:05"), between("27 11:00", "27 11:20")),),
        (ClockStop(at("27 14:00")),),
    )
    reading = read(history, "30 12:00")
    assert reading.earliest_due_by == paris("2026-03-27 13:55")
    assert reading.latest_due_by == paris("2026-03-27 14:30")
    assert reading.state is ClockState.DISPUTED


def test_an_open_clock_between_its_due_times_is_disputed():
    history = ClockHistory(4 * HOUR_S, between("27 09:00", "27 10:00"))
    states = [read(history, f"27 {time}").state for time in ("13:00", "13:30", "14:00", "14:01")]
    assert states == [
        ClockState.RUNNING,
        ClockState.DISPUTED,
        ClockState.DISPUTED,
        ClockState.BREACHED,
    ]


def test_reopening_resumes_with_the_time_already_used():
    history = ClockHistory(
        4 * HOUR_S,
        at("27 09:00"),
        stops=(ClockStop(at("27 11:00"), at("27 15:00")), ClockStop(at("27 17:30"))),
    )
    assert read(history, "27 12:00").state is ClockState.MET
    open_again = read(history, "27 16:00")
    assert (open_again.state, open_again.elapsed) == (ClockState.RUNNING, timedelta(hours=3))
    final = read(history, "30 09:00")
    assert (final.state, final.due_by) == (ClockState.BREACHED, paris("2026-03-27 17:00"))


def test_reopening_with_a_new_clock_keeps_the_first_verdict():
    history = ClockHistory(
        4 * HOUR_S,
        at("27 09:00"),
        stops=(ClockStop(at("27 14:00"), at("27 15:00")), ClockStop(at("27 17:30"))),
    )
    readings = read_clock(OFFICE, history, paris("2026-03-30 09:00"), Reopening.NEW_CLOCK)
    assert [reading.state for reading in readings] == [ClockState.BREACHED, ClockState.MET]
    assert readings[1].due_by == paris("2026-03-30 10:00")


def test_a_cancelled_clock_counts_for_nothing_unless_it_was_breached_already():
    history = ClockHistory(HOUR_S, at("27 09:00"), cancelled=at("27 09:30"))
    assert read(history, "27 12:00").state is ClockState.CANCELLED
    late = ClockHistory(HOUR_S, at("27 09:00"), cancelled=at("27 11:00"))
    assert read(late, "27 10:30").state is ClockState.BREACHED
    assert read(late, "27 12:00").state is ClockState.BREACHED


def test_another_priority_measures_the_whole_clock_anew_unless_it_comes_too_late():
    in_time = ClockHistory(
        HOUR_S, at("27 09:00"), retargets=(Retarget(paris("2026-03-27 09:30"), 4 * HOUR_S),)
    )
    assert read(in_time, "27 12:00").due_by == paris("2026-03-27 13:00")
    too_late = ClockHistory(
        HOUR_S, at("27 09:00"), retargets=(Retarget(paris("2026-03-27 10:30"), 4 * HOUR_S),)
    )
    reading = read(too_late, "27 12:00")
    assert (reading.state, reading.target_s) == (ClockState.BREACHED, HOUR_S)


def test_a_sharper_priority_can_be_overdue_at_once():
    history = ClockHistory(
        8 * HOUR_S, at("27 09:00"), retargets=(Retarget(paris("2026-03-27 12:00"), 2 * HOUR_S),)
    )
    assert read(history, "27 11:59").state is ClockState.RUNNING
    assert read(history, "27 12:00").state is ClockState.BREACHED


@st.composite
def histories(draw):
    """Return a clock's history of about a week of March 2026, with doubts about every time."""
    base = datetime(2026, 3, 26, 8, tzinfo=UTC)

    def moment(earliest=0):
        first = earliest + draw(st.integers(0, 1_500))
        spread = draw(st.just(0) | st.integers(0, 90))
        lo = base + timedelta(minutes=first)
        hi = lo + timedelta(minutes=spread)
        return Moment(draw(st.sampled_from([lo, hi])), lo, hi), first + spread

    started, after = moment()
    pauses = []
    for _ in range(draw(st.integers(0, 2))):
        began, later = moment(after)
        pauses.append(ClockPause(began, draw(st.none() | st.just(moment(later)[0]))))
    stops = []
    for _ in range(draw(st.integers(0, 3))):
        stopped, after = moment(after)
        reopened, after = moment(after)
        stops.append(ClockStop(stopped, reopened))
    if stops and draw(st.booleans()):
        stops[-1] = ClockStop(stops[-1].stopped)
    retargets = tuple(
        Retarget(base + timedelta(minutes=draw(st.integers(0, 4_000))), target_s)
        for target_s in draw(st.lists(st.integers(60, 20 * HOUR_S), max_size=2))
    )
    cancelled = draw(st.none() | st.just(moment(after)[0]))
    return ClockHistory(
        draw(st.integers(60, 20 * HOUR_S)),
        started,
        tuple(pauses),
        tuple(stops),
        retargets,
        cancelled,
    )


@settings(max_examples=300)
@given(
    histories(),
    st.sampled_from([OFFICE, ALWAYS]),
    st.sampled_from(Reopening),
    st.lists(st.integers(0, 9_000), min_size=2, max_size=6),
)
def test_a_later_look_never_takes_a_breach_back(history, hours, reopening, minutes):
    base = datetime(2026, 3, 26, 8, tzinfo=UTC)
    breached = set()
    for minute in sorted(minutes):
        readings = read_clock(hours, history, base + timedelta(minutes=minute), reopening)
        now = {i for i, each in enumerate(readings) if each.state is ClockState.BREACHED}
        assert breached <= now
        breached = now


@given(histories(), st.sampled_from([OFFICE, ALWAYS]), st.integers(0, 9_000))
def test_the_stated_due_time_lies_within_its_bounds(history, hours, minute):
    as_of = datetime(2026, 3, 26, 8, tzinfo=UTC) + timedelta(minutes=minute)
    for reading in read_clock(hours, history, as_of):
        if reading.due_by and reading.latest_due_by:
            assert reading.earliest_due_by <= reading.due_by <= reading.latest_due_by
        if reading.state is ClockState.MET:
            assert reading.due_by is None or reading.stopped_at <= reading.due_by


def test_a_moment_outside_its_bounds_and_a_second_stop_without_reopening_are_refused():
    with pytest.raises(ValueError, match="outside its bounds"):
        Moment(at("27 09:00").at, at("27 10:00").at, at("27 11:00").at)
    with pytest.raises(ValueError, match="cannot stop again"):
        ClockHistory(
            60, at("27 09:00"), stops=(ClockStop(at("27 10:00")), ClockStop(at("27 11:00")))
        )
    with pytest.raises(ValueError, match="after it was reopened"):
        ClockHistory(
            60,
            at("27 09:00"),
            stops=(ClockStop(at("27 10:00"), at("27 12:00")), ClockStop(at("27 11:00"))),
        )


def test_a_working_day_of_the_site_is_not_one_of_the_office():
    tokyo = ServiceHours(OFFICE.calendar, ZoneInfo("Asia/Tokyo"))
    monday = datetime(2026, 3, 30, tzinfo=UTC)
    assert due(tokyo, monday, HOUR_S) == monday + timedelta(hours=1)
    assert due(OFFICE, monday, HOUR_S) == monday + timedelta(hours=8)
    assert date(2026, 3, 30).weekday() == 0
