"""Time per failure and repair: the split by hand, and what belongs to which window."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm.intervals import HOUR
from reports.formulae import mart, mean_split, mrt, restoration, split
from reports.results import NullReason
from reports.rows import Failure, Period, Repair

DAY = datetime(2026, 6, 1, tzinfo=UTC)


def at(text):
    """Return "13:40" of the day, "1d 08:00" of the next."""
    days, _, clock = text.rpartition("d ")
    return DAY + timedelta(days=int(days or 0), hours=int(clock[:2]), minutes=int(clock[3:]))


def spans(*texts):
    return tuple(tuple(at(part) for part in text.split("-")) for text in texts)


def until(text, as_of=None):
    return Period(DAY, at(text), at(as_of or text))


WHOLE_DAY = until("24:00")
REPAIR = Repair(
    "r",
    "a",
    at("08:00"),
    at("15:00"),
    work=spans("09:30-11:00", "13:40-15:00", "14:00-15:00"),
    travel=spans("09:00-09:30", "13:00-13:40", "13:30-14:00"),
)


def hm(hours, minutes):
    return (hours * 60 + minutes) * HOUR // 60


def test_the_split_by_hand():
    parts = split(REPAIR)
    assert (parts.hands_on, parts.travel, parts.wait) == (hm(2, 50), hm(1, 10), hm(3, 0))
    assert parts.mrt == hm(7, 0)


def test_hands_on_is_a_union_and_not_person_hours_and_pauses_leave_it():
    paused = Repair(
        "r",
        "a",
        REPAIR.detected_at,
        REPAIR.restored_at,
        REPAIR.work,
        REPAIR.travel,
        spans("10:00-10:30", "14:30-15:00"),
    )
    assert split(paused).hands_on == hm(1, 50)
    assert split(paused).wait == hm(4, 0)


def test_work_outside_the_repair_is_no_repair():
    paperwork = Repair("r", "a", at("08:00"), at("10:00"), work=spans("09:00-12:00"))
    assert split(paperwork).hands_on == hm(1, 0)


def test_means_of_the_split_add_up_to_the_mean_repair_time():
    other = Repair("s", "a", at("16:00"), at("18:00"), work=spans("17:00-18:00"))
    repairs = [REPAIR, other]
    parts = mean_split(repairs, WHOLE_DAY)
    whole = mrt(repairs, WHOLE_DAY)
    assert whole.value == pytest.approx(4.5)
    assert sum(figure.value for figure in parts.values()) == pytest.approx(whole.value)
    assert mart(repairs, WHOLE_DAY).value == pytest.approx((2 + 50 / 60 + 1) / 2)


quarter = st.integers(0, 96).map(lambda k: DAY + timedelta(minutes=15 * k))
drawn_spans = st.lists(st.tuples(quarter, quarter).map(lambda p: tuple(sorted(p))), max_size=5)


@given(st.tuples(quarter, quarter).map(sorted), drawn_spans, drawn_spans, drawn_spans)
def test_the_split_sums_and_no_part_is_negative(span, work, travel, pauses):
    parts = split(Repair("r", "a", *span, tuple(work), tuple(travel), tuple(pauses)))
    assert parts.hands_on + parts.travel + parts.wait == parts.mrt
    assert min(parts.hands_on, parts.travel, parts.wait) >= 0


def failed(name, failed_at, detected, restored=None, exclusion=None):
    return Failure(
        name,
        "a",
        at(detected),
        failed_at and at(failed_at),
        restored and at(restored),
        exclusion,
    )


def test_restoration_belongs_to_the_window_that_ended_it_and_keeps_its_length():
    before = Failure("b", "a", DAY - timedelta(hours=9), None, at("01:00"))
    figures = restoration(
        [
            before,
            failed("one", "06:00", "07:00", "08:00"),
            failed("two", None, "07:00", "10:00"),
            failed("out", "06:00", "06:00", "09:00", "external"),
            failed("later", "20:00", "20:00", "1d 02:00"),
        ],
        until("24:00", "1d 12:00"),
    )
    assert figures.mean.value == pytest.approx((10 + 2 + 3) / 3)
    assert figures.mean.n == 3
    assert figures.mean.excluded == {"external": 1}
    assert figures.mean.notes == ("failed_at_unknown:2",)
    assert (figures.p50.value, figures.p90.value) == (3, pytest.approx(8.6))
    assert figures.p50.interval is None, "three values bound no median at 90 %"
    assert figures.open_ages_h == (4,)


def test_enough_restorations_bound_the_median():
    failures = [failed(str(k), "01:00", "01:00", f"{k:02d}:00") for k in range(2, 22)]
    interval = restoration(failures, WHOLE_DAY).p50.interval
    assert (interval.low, interval.high, interval.method) == (6, 15, "order_statistics")


def test_faults_still_open_pull_the_median_up():
    quick = [failed(str(k), None, "01:00", f"{k + 2:02d}:00") for k in range(3)]
    stuck = [failed(f"stuck{k}", None, "02:00") for k in range(3)]
    closed_alone = restoration(quick, WHOLE_DAY)
    figures = restoration([*quick, *stuck], WHOLE_DAY)
    assert figures.mean.value == closed_alone.mean.value == 2
    assert closed_alone.detected_median_h == 2
    assert figures.detected_median_h == 3
    assert figures.open_ages_h == (22, 22, 22)


def test_what_happens_after_as_of_has_not_happened():
    fault = failed("f", "06:00", "06:00", "10:00")
    figures = restoration([fault], until("24:00", "09:00"))
    assert (figures.mean.value, figures.mean.null_reason) == (None, NullReason.NO_FAILURES)
    assert figures.open_ages_h == (3,)


def test_a_repair_under_a_day_is_not_nothing():
    assert restoration([failed("f", "06:00", "06:00", "06:30")], WHOLE_DAY).mean.value == 0.5


def test_open_and_excluded_repairs_enter_no_mean():
    repairs = [
        Repair("open", "a", at("08:00")),
        Repair("out", "a", at("08:00"), at("09:00"), exclusion="external"),
    ]
    figure = mrt(repairs, WHOLE_DAY)
    assert (figure.value, figure.n, figure.excluded) == (None, 0, {"external": 1})
    assert split(repairs[0]) is None
