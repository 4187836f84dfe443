"""Time per asset: what adds up, what changes nothing, and mistakes read in other people's code."""

import math
from datetime import UTC, datetime, timedelta
from itertools import combinations
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm.assets.tables import OutageCause
from fsm.intervals import HOUR, length, union
from reports.formulae import (
    Availability,
    TimeBase,
    asset_time,
    availability,
    downtime,
    downtime_left_h,
    inherent_availability,
    mean_downtime,
    mtbf,
    mtbf_trend,
)
from reports.results import NullReason
from reports.rows import Asset, Cause, Failure, Outage, Period

DAY0 = datetime(2026, 6, 1, tzinfo=UTC)


def h(hours):
    """Return the instant so many hours after DAY0."""
    return DAY0 + timedelta(hours=hours)


def period(from_h=0, to_h=100, as_of_h=None):
    return Period(h(from_h), h(to_h), h(to_h if as_of_h is None else as_of_h))


def span(begins, ends):
    return h(begins), None if ends is None else h(ends)


def outage(begins, ends, cause=Cause.FAILURE, *, degraded=False, name=None):
    return Outage(name or f"{begins}-{ends}-{cause}", span(begins, ends), cause, degraded)


def asset(*outages, name="a", service=((0, None),), required=None, contract=None):
    def spans(parts):
        return None if parts is None else tuple(span(*part) for part in parts)

    return Asset(name, spans(service), outages, spans(required), spans(contract))


def failure(at_h, name=None, *, asset_id="a", exclusion=None, detected_h=None):
    return Failure(
        name or f"f{at_h}",
        asset_id,
        h(at_h if detected_h is None else detected_h),
        h(at_h) if detected_h is None else None,
        exclusion=exclusion,
    )


def test_the_words_for_causes_are_those_of_the_outages():
    assert {cause.value for cause in Cause} == {cause.value for cause in OutageCause}


# --- By hand -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outages", "window", "down_h"),
    [
        ([(8, 10), (9, 12)], (0, 24), 4),
        ([(8, 16), (9, 10)], (0, 24), 8),
        ([(8, 9), (9, 10)], (0, 24), 2),
        ([(8, 10), (10.5, 20)], (9, 11), 1.5),
        ([(8, None)], (0, 24), 16),
    ],
    ids=["overlap", "nested", "touching", "clip", "open"],
)
def test_downtime_merges_clips_and_ends_what_is_open(outages, window, down_h):
    down = downtime([asset(*(outage(*each) for each in outages))], period(*window))
    assert down["total"].value == down_h


def test_an_open_outage_ends_where_time_has_run_to():
    assert downtime([asset(outage(8, None))], period(0, 24, as_of_h=11))["total"].value == 3
    assert downtime([asset(outage(8, 90))], period(0, 24, as_of_h=11))["total"].value == 3


def test_overlapping_causes_count_once_failure_first_planned_last():
    outages = (
        outage(0, 10, Cause.PLANNED),
        outage(4, 8, Cause.OPERATIONAL),
        outage(6, 12, Cause.FAILURE),
        outage(20, 30, degraded=True),
        outage(11, 21, Cause.FAILURE, degraded=True),
    )
    down = downtime([asset(*outages)], period())
    assert {name: figure.value for name, figure in down.items()} == {
        "failure": 6,
        "operational": 2,
        "planned": 4,
        "total": 12,
        "degraded": 18,
    }


def test_external_outages_are_time_not_required_and_stop_no_calendar():
    machine = asset(outage(10, 30, Cause.EXTERNAL), outage(20, 40))
    failures = [failure(20)]
    assert mtbf([machine], failures, period()).value == 70
    assert mtbf([machine], failures, period(), TimeBase.CALENDAR).value == 100
    figure = availability([machine], period())
    assert (figure.numerator.value, figure.denominator.value) == (70, 80)


def test_time_counts_from_installation_within_contract_and_required_time():
    machine = asset(
        outage(45, 55), service=((20, None),), required=((0, 60),), contract=((40, 90),)
    )
    time = asset_time(machine, period())
    assert length(time.exposed) == 50 * HOUR
    assert length(time.required) == 20 * HOUR
    assert length(time.up) == 10 * HOUR


def test_planned_outages_leave_both_sides_of_the_variant():
    machine = asset(outage(0, 20, Cause.PLANNED), outage(10, 30))
    assert availability([machine], period()).value == 0.7
    # Hours 10 to 20 are both: the failure accounts for them, so they stay in.
    figure = availability([machine], period(), Availability.PLANNED_OUT)
    assert (figure.numerator.value, figure.denominator.value) == (70, 90)


def test_availability_over_nothing_required_is_null():
    figure = availability([asset(service=((200, None),))], period())
    assert (figure.value, figure.null_reason) == (None, NullReason.NO_EXPOSURE)
    assert figure.excluded == {"not_required": 1}


def test_the_downtime_left_under_a_target():
    figure = availability([asset(outage(0, 4))], period())
    assert downtime_left_h(figure, 0.95) == pytest.approx(1)
    assert downtime_left_h(figure, 0.99) == pytest.approx(-3)
    with pytest.raises(ValueError, match="between 0 and 1"):
        downtime_left_h(figure, 99)


def test_inherent_availability_needs_both_times():
    assert inherent_availability(90, 10) == 0.9
    assert inherent_availability(None, 10) is None
    assert inherent_availability(90, None) is None


def test_failures_that_do_not_count_are_listed_with_the_reason():
    machine = asset(service=((10, None),))
    failures = [
        failure(5),
        failure(20, "a"),
        failure(20, "b"),
        failure(30, exclusion="external"),
        failure(40, exclusion="degraded"),
        failure(40, "counts"),
        failure(50, "undated", detected_h=50),
        failure(120),
        failure(60, asset_id="stranger"),
    ]
    figure = mtbf([machine], failures, period())
    assert (figure.value, figure.n) == (30, 3)
    assert figure.excluded == {"degraded": 1, "external": 1, "not_in_service": 1, "same_instant": 1}
    assert figure.notes == ("time_base:operating", "failed_at_unknown:1")
    counted = [share.id for share in figure.shares if share.kind == "failure"]
    assert counted == ["f5", "a", "b", "f30", "f40", "counts", "undated"]


def test_lineage_sums_to_the_result():
    assets = [asset(outage(3, 10), name="a"), asset(name="b", service=((50.5, None),))]
    figure = mtbf(assets, [failure(3), failure(60, asset_id="b")], period())
    assert sum(share.numerator for share in figure.shares) == figure.numerator.value == 142.5
    assert sum(share.denominator for share in figure.shares) == figure.denominator.value == 2
    candidates = [share for share in figure.shares if share.kind == "failure"]
    assert len(candidates) == figure.n + sum(figure.excluded.values())


def test_an_asset_down_for_the_whole_window_has_no_exposure():
    figure = mtbf([asset(outage(0, None))], [failure(0)], period())
    assert (figure.value, figure.null_reason, figure.interval) == (
        None,
        NullReason.NO_EXPOSURE,
        None,
    )


def test_a_trend_runs_on_the_operating_clock():
    machine = asset(outage(0, 50))
    failures = [failure(50 + k) for k in (0, 1, 2, 3, 4)]
    trend = mtbf_trend([machine], failures, period())
    assert trend.direction == "improving"
    calendar = mtbf_trend([machine], failures, period(), TimeBase.CALENDAR)
    assert abs(calendar.laplace_z) < abs(trend.laplace_z)
    assert mtbf_trend([machine], failures[:4], period()) is None


def test_a_failure_at_the_first_instant_is_set_to_one_second():
    failures = [failure(k) for k in (0, 20, 40, 60, 80)]
    trend = mtbf_trend([asset()], failures, period())
    logs = [math.log(100 / t) for t in (1 / 3_600, 20, 40, 60, 80)]
    assert trend.mil_hdbk_chi2 == pytest.approx(2 * sum(logs))


def test_mean_downtime_takes_merged_outages_whole_by_their_end():
    machine = asset(
        outage(-10, 2, name="began before"),
        outage(10, 12, name="one"),
        outage(11, 14, Cause.PLANNED, name="merged"),
        outage(20, 21, Cause.EXTERNAL, name="external"),
        outage(22, 23, degraded=True, name="degraded"),
        outage(90, 110, name="ends later"),
        outage(95, None, name="open"),
        service=((-50, None),),
    )
    figure = mean_downtime([machine], period(0, 100, as_of_h=200))
    assert (figure.value, figure.n) == (8, 2)
    assert figure.excluded == {"degraded": 1, "external": 1, "open": 2}
    assert sum(share.numerator for share in figure.shares) == figure.numerator.value == 16
    assert sum(share.denominator for share in figure.shares) == 2
    nothing = mean_downtime([asset()], period())
    assert (nothing.value, nothing.null_reason) == (None, NullReason.NO_FAILURES)


# --- Properties ----------------------------------------------------------------------------------

minutes = st.integers(-60, 7_000)
spans = st.tuples(minutes, st.none() | st.integers(0, 3_000)).map(
    lambda pair: (pair[0] / 60, None if pair[1] is None else (pair[0] + pair[1]) / 60)
)
outages_ = st.lists(
    st.builds(
        lambda during, cause, degraded: outage(*during, cause, degraded=degraded),
        spans,
        st.sampled_from(Cause),
        st.booleans(),
    ),
    max_size=6,
)


@st.composite
def fleets(draw):
    fleet = []
    for number in range(draw(st.integers(1, 3))):
        optional = st.none() | st.lists(spans, max_size=2).map(tuple)
        fleet.append(
            asset(
                *draw(outages_),
                name=f"a{number}",
                service=tuple(draw(st.lists(spans, min_size=1, max_size=2))),
                required=draw(optional),
                contract=draw(optional),
            )
        )
    failures = [
        failure(
            draw(minutes) / 60,
            f"f{number}",
            asset_id=f"a{draw(st.integers(0, 2))}",
            exclusion=draw(st.sampled_from([None, None, "external"])),
        )
        for number in range(draw(st.integers(0, 6)))
    ]
    return fleet, failures


def micros_of(figure):
    return round(figure.numerator.value * HOUR)


@given(fleets(), st.integers(1, 99))
def test_splitting_the_window_adds_up(given_, at_h):
    fleet, failures = given_
    whole, first, second = (
        period(*bounds, as_of_h=100) for bounds in ((0, 100), (0, at_h), (at_h, 100))
    )
    for base in TimeBase:
        figures = [mtbf(fleet, failures, each, base) for each in (whole, first, second)]
        assert micros_of(figures[0]) == micros_of(figures[1]) + micros_of(figures[2])
        # Components failing in one instant fall into one window together.
        assert figures[0].n == figures[1].n + figures[2].n
    downs = [downtime(fleet, each) for each in (whole, first, second)]
    for name in downs[0]:
        assert micros_of(downs[0][name]) == micros_of(downs[1][name]) + micros_of(downs[2][name])
    counts = [mean_downtime(fleet, each).n for each in (whole, first, second)]
    assert counts[0] == counts[1] + counts[2]


@given(fleets(), st.randoms(use_true_random=False))
def test_order_and_empty_and_touching_outages_change_nothing(given_, random):
    fleet, failures = given_
    turned = []
    for each in fleet:
        parts = []
        for one in each.outages:
            begins, ends = one.during
            if ends is not None and ends - begins > timedelta(minutes=2):
                middle = begins + timedelta(minutes=1)
                parts.append(Outage("x", (begins, middle), one.cause, one.is_degraded))
                parts.append(Outage("y", (middle, ends), one.cause, one.is_degraded))
            else:
                parts.append(one)
        parts += [outage(k, k, cause) for k in (7, 50) for cause in Cause]
        random.shuffle(parts)
        turned.append(
            Asset(each.id, each.in_service, tuple(parts), each.required, each.on_contract)
        )
    random.shuffle(turned)
    random.shuffle(failures)
    assert mtbf(turned, failures, period()).value == mtbf(fleet, failures, period()).value
    assert availability(turned, period()).value == availability(fleet, period()).value
    one, other = downtime(turned, period()), downtime(fleet, period())
    assert {key: each.value for key, each in one.items()} == {
        key: each.value for key, each in other.items()
    }
    one, other = mean_downtime(turned, period()), mean_downtime(fleet, period())
    assert (one.n, one.value) == (other.n, other.value and pytest.approx(other.value))


def test_an_outage_that_has_not_begun_is_no_candidate():
    assert mean_downtime([asset(outage(60, None))], period(0, 100, as_of_h=50)).shares == ()


@given(fleets())
def test_up_and_down_are_the_required_time_and_nothing_is_counted_twice(given_):
    for each in given_[0]:
        time = asset_time(each, period())
        down = [intervals for _, intervals in time.down]
        assert union((*time.up, *(part for intervals in down for part in intervals))) == (
            time.required
        )
        assert length(time.up) + sum(length(part) for part in down) == length(time.required)
        assert all(
            length((*one, *other)) == length(one) + length(other)
            for one, other in combinations(down, 2)
        )


@given(fleets(), st.integers(1, 500))
def test_moving_everything_by_a_constant_changes_nothing(given_, days):
    by = timedelta(days=days)

    def moved(spans_):
        return None if spans_ is None else tuple((a + by, b and b + by) for a, b in spans_)

    fleet, failures = given_
    there = [
        Asset(
            each.id,
            moved(each.in_service),
            tuple(
                Outage(one.id, moved([one.during])[0], one.cause, one.is_degraded)
                for one in each.outages
            ),
            moved(each.required),
            moved(each.on_contract),
        )
        for each in fleet
    ]
    later = [
        Failure(f.id, f.asset_id, f.detected_at + by, f.failed_at + by, exclusion=f.exclusion)
        for f in failures
    ]
    then = Period(h(0) + by, h(100) + by, h(100) + by)
    assert mtbf(there, later, then).value == mtbf(fleet, failures, period()).value
    assert availability(there, then).value == availability(fleet, period()).value


def test_a_window_of_local_days_has_the_hours_they_had():
    paris = ZoneInfo("Europe/Paris")
    for month, day, hours in ((3, 29, 23), (10, 25, 25)):
        begins = datetime(2026, month, day, tzinfo=paris)
        ends = datetime(2026, month, day + 1, tzinfo=paris)
        machine = Asset("a", ((datetime(2020, 1, 1, tzinfo=UTC), None),))
        assert mtbf([machine], [], Period(begins, ends, ends)).numerator.value == hours


def test_windows_and_instants_without_sense_are_refused():
    with pytest.raises(ValueError, match="ends after it begins"):
        Period(h(1), h(1), h(1))
    with pytest.raises(ValueError, match="no time zone"):
        Period(datetime(2026, 1, 1), h(1), h(1))  # noqa: DTZ001 - the point of the test
    with pytest.raises(ValueError, match="cannot end"):
        downtime([asset(outage(5, 4))], period())


# --- Mistakes read in other people's code --------------------------------------------------------


def test_one_failure_is_enough_for_a_mean_and_none_is_not_zero():
    assert mtbf([asset()], [failure(50)], period()).value == 100
    nothing = mtbf([asset()], [], period())
    assert (nothing.value, nothing.null_reason) == (None, NullReason.NO_FAILURES)
    assert nothing.interval.low == pytest.approx(43.43, abs=0.01)


def test_the_gaps_at_both_ends_count_and_nothing_is_cut_to_whole_days():
    # Mean gap between failures would be 0.5 h; in whole days, 0.
    assert mtbf([asset()], [failure(50), failure(50.5)], period()).value == 50


def test_planned_downtime_is_no_failure():
    machine = asset(outage(10, 20, Cause.PLANNED), outage(50, 60, Cause.PLANNED))
    assert mtbf([machine], [], period()).n == 0


def test_a_fleet_is_not_one_machine():
    fleet = [asset(name=f"m{number}") for number in range(100)]
    failures = [failure(number, asset_id=f"m{number}") for number in range(100)]
    # The mean gap over the pooled fleet would be 1 h.
    assert mtbf(fleet, failures, period()).value == 100


def test_an_outage_begun_before_the_window_is_not_lost_and_one_past_its_end_is_clipped():
    down = downtime([asset(outage(-20, 10), outage(95, 500), service=((-50, None),))], period())
    assert down["total"].value == 15


def test_no_assets_are_not_fully_available():
    assert availability([], period()).value is None
    assert mtbf([], [], period()).null_reason is NullReason.NO_EXPOSURE
