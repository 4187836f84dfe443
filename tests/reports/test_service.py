"""The service-level share: what counts, by when, and what staying open cannot hide."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm.contracts.service_hours import ClockReading, ClockState
from reports.formulae import Promise, sla_business_hours, sla_share
from reports.results import NullReason
from reports.rows import Period

BASE = datetime(2026, 6, 1, tzinfo=UTC)


def h(hours):
    return BASE + timedelta(hours=hours)


WINDOW = Period(h(0), h(24), h(24))
BEFORE, SECOND_HALF = Period(h(0), h(12), h(24)), Period(h(12), h(24), h(24))


def promise(name, state, due_h=None, *, stopped_h=None, elapsed_h=0):
    return Promise(
        name,
        ClockReading(
            state,
            3_600,
            h(0),
            None if stopped_h is None else h(stopped_h),
            None if due_h is None else h(due_h),
            elapsed=timedelta(hours=elapsed_h),
        ),
    )


def test_met_over_met_and_breached_of_what_was_due_in_the_window():
    figure = sla_share(
        [
            promise("kept", ClockState.MET, 5),
            promise("kept early, due later", ClockState.MET, 30),
            promise("broken", ClockState.BREACHED, 6),
            promise("running", ClockState.RUNNING, 23),
            promise("paused", ClockState.PAUSED),
            promise("cancelled", ClockState.CANCELLED, 7),
            promise("not started", ClockState.NOT_STARTED),
            Promise("no level", None),
        ],
        WINDOW,
    )
    assert (figure.value, figure.n) == (0.5, 2)
    assert figure.excluded == {
        "cancelled": 1,
        "no_service_level": 1,
        "not_started": 1,
        "paused": 1,
        "running": 1,
    }
    assert len(figure.shares) == figure.n + sum(figure.excluded.values())
    assert figure.interval.method == "wilson"
    assert figure.extremes is None


def test_disputed_promises_are_left_out_and_bound_the_value():
    figure = sla_share(
        [
            promise("kept", ClockState.MET, 5),
            promise("broken", ClockState.BREACHED, 5),
            promise("who knows", ClockState.DISPUTED, 5),
            promise("who knows either", ClockState.DISPUTED, 5),
        ],
        WINDOW,
    )
    assert (figure.value, figure.n, figure.excluded) == (0.5, 2, {"disputed": 2})
    assert (figure.extremes.low, figure.extremes.high) == (0.25, 0.75)


def test_a_promise_kept_early_counts_before_it_is_due():
    at_noon = Period(h(0), h(24), h(12))
    assert sla_share([promise("kept", ClockState.MET, 20)], at_noon).value == 1


def test_nothing_due_is_null_and_not_fully_compliant():
    figure = sla_share([promise("running", ClockState.RUNNING, 20)], WINDOW)
    assert (figure.value, figure.null_reason) == (None, NullReason.NOTHING_DUE)
    assert figure.interval is None


def test_open_and_overdue_is_not_compliant():
    assert sla_share([promise("late", ClockState.BREACHED, 5)], WINDOW).value == 0


@given(
    st.lists(
        st.tuples(
            st.sampled_from([ClockState.MET, ClockState.BREACHED, ClockState.DISPUTED]),
            st.integers(-5, 30),
        ),
        max_size=12,
    )
)
def test_windows_side_by_side_add_up(drawn):
    promises = [promise(str(number), *each) for number, each in enumerate(drawn)]
    whole, first, second = (sla_share(promises, each) for each in (WINDOW, BEFORE, SECOND_HALF))
    assert whole.n == first.n + second.n
    assert whole.numerator.value == first.numerator.value + second.numerator.value


def test_business_hours_beside_the_share_are_those_of_stopped_clocks():
    promises = [
        promise("one", ClockState.MET, 5, stopped_h=4, elapsed_h=2),
        promise("two", ClockState.BREACHED, 6, stopped_h=9, elapsed_h=4),
        promise("open", ClockState.BREACHED, 6, elapsed_h=18),
        promise("other window", ClockState.MET, 40, stopped_h=4, elapsed_h=1),
    ]
    assert sla_business_hours(promises, WINDOW) == (3, pytest.approx(3.8))
    assert sla_business_hours([], WINDOW) is None
