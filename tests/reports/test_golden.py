"""Every key of the golden file against the pure rules, at a relative tolerance of 1e-9.

The file and the recorded data it speaks of lie outside the project; without them these tests skip,
and the small vectors are restated as literals beside the rules they test.
"""

import csv
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from fsm.contracts.opening_hours import AROUND_THE_CLOCK, WEEKDAYS, calendar_from_json
from fsm.contracts.service_hours import ServiceHours, business_time, due
from fsm.intervals import interval, length
from reports.formulae import TimeBase, downtime, mtbf, mtbf_trend
from reports.results import NullReason
from reports.rows import Asset, Cause, Failure, Outage, Period

PARIS = ZoneInfo("Europe/Paris")
START = datetime(2015, 1, 1, 6, tzinfo=UTC)
CALENDARS = {
    "Mo-Fr 09-18": calendar_from_json({"weekly": {d: [["09:00", "18:00"]] for d in WEEKDAYS[:5]}}),
    "24x7": AROUND_THE_CLOCK,
}

exactly = {"rel": 1e-9, "abs": 0}


@pytest.fixture(scope="module")
def folder():
    root = Path(os.environ.get("FSM_TEST_DATA", "/nonexistent"))
    if not (root / "golden_kpi.json").is_file():
        pytest.skip("FSM_TEST_DATA names no folder with golden_kpi.json")
    return root


@pytest.fixture(scope="module")
def golden(folder):
    return json.loads((folder / "golden_kpi.json").read_text())


def one_asset(hours, times, first_h=0):
    """Return an asset observed from `first_h` to `hours`, its failures, and the period."""
    period = Period(START, START + timedelta(hours=hours), START + timedelta(hours=hours))
    asset = Asset("a", ((START + timedelta(hours=first_h), None),))
    failures = [
        Failure(str(time), "a", START + timedelta(hours=time), START + timedelta(hours=time))
        for time in times
    ]
    return [asset], failures, period


def test_every_key_is_tested_here(golden):
    assert set(golden) == {
        "nist_8.2.3.4",
        "zero_failures",
        "delayed_entry",
        "azure_pdm_2015",
        "downtime_merge",
        "business_time_paris",
    }


def test_nist(golden):
    expected = golden["nist_8.2.3.4"]
    given = one_asset(expected["T"], expected["times"])
    figure = mtbf(*given)
    assert figure.value == pytest.approx(expected["mtbf"], **exactly)
    assert figure.interval.low == pytest.approx(expected["ci90"][0], **exactly)
    assert figure.interval.high == pytest.approx(expected["ci90"][1], **exactly)
    trend = mtbf_trend(*given)
    assert trend.laplace_z == pytest.approx(expected["laplace_z"], **exactly)
    assert trend.mil_hdbk_chi2 == pytest.approx(expected["milhdbk_chi2"], **exactly)
    assert trend.mil_hdbk_df == expected["df"]
    assert trend.growth.beta == pytest.approx(expected["crow_beta_mle"], **exactly)
    assert trend.growth.scale == pytest.approx(expected["crow_lambda"], **exactly)
    assert trend.growth.beta_unbiased == pytest.approx(expected["crow_beta_unbiased"], **exactly)
    assert trend.growth.instantaneous_mtbf == pytest.approx(expected["mtbf_inst_T"], **exactly)


def test_zero_failures(golden):
    expected = golden["zero_failures"]
    given = one_asset(expected["T"], [])
    figure = mtbf(*given)
    assert (figure.value, figure.n, figure.null_reason) == (None, 0, NullReason.NO_FAILURES)
    assert figure.interval.low == pytest.approx(expected["lower90"], **exactly)
    assert figure.interval.high is None
    assert mtbf(*given, level=0.6).interval.low == pytest.approx(expected["lower60"], **exactly)


def test_delayed_entry(golden):
    expected = golden["delayed_entry"]
    figure = mtbf(*one_asset(expected["T"], expected["times"], first_h=expected["tl"]))
    assert figure.value == pytest.approx(expected["mtbf"], **exactly)


def test_downtime_merge(golden):
    day = datetime(2026, 6, 1, tzinfo=UTC)

    def on_day(text):
        return None if text is None else day + timedelta(hours=int(text[:2]), minutes=int(text[3:]))

    asked = 0
    for case in golden["downtime_merge"]:
        outages = tuple(
            Outage(str(number), (on_day(begins), on_day(ends)), Cause.FAILURE)
            for number, (begins, ends) in enumerate(case["iv"])
        )
        asset = Asset("a", ((day, None),), outages)
        begins, ends = map(on_day, case.get("window", ["00:00", "24:00"]))
        if "down_h" in case:
            total = downtime([asset], Period(begins, ends, ends))["total"].value
            assert total == pytest.approx(case["down_h"], **exactly), case["name"]
        else:
            # Open: ends at the earlier of now and the window's end.
            now = on_day("17:00")
            assert downtime([asset], Period(begins, ends, now))["total"].value == 9
            noon = on_day("12:00")
            assert downtime([asset], Period(begins, noon, now))["total"].value == 4
        asked += 1
    assert asked == 5


def test_business_time_paris(golden):
    def paris(text):
        return datetime.fromisoformat(text).replace(tzinfo=PARIS)

    asked = 0
    for case in golden["business_time_paris"]:
        hours = ServiceHours(CALENDARS[case["cal"]], PARIS)
        begins = paris(case["from"])
        if "hours" in case:
            assert business_time(hours, begins, paris(case["to"])) == timedelta(hours=case["hours"])
        if "elapsed_hours" in case:
            elapsed = length([interval(begins, paris(case["to"]))])
            assert elapsed == case["elapsed_hours"] * 3_600_000_000
        if "due" in case:
            target_s = case["add_business_hours"] * 3_600
            assert due(hours, begins, target_s) == paris(case["due"])
        asked += 1
    assert asked == 5


@pytest.fixture(scope="module")
def fleet(folder, golden):
    """Return 100 machines over 2015, their failures by component, and the year."""
    expected = golden["azure_pdm_2015"]
    begins, ends = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in expected["window"])
    with (folder / "real" / "PdM_failures.csv").open(newline="") as lines:
        failures = []
        for number, row in enumerate(csv.DictReader(lines)):
            at = datetime.fromisoformat(row["datetime"]).replace(tzinfo=UTC)
            failures.append(Failure(str(number), row["machineID"], at, at))
    assets = [Asset(str(number + 1), ((begins, None),)) for number in range(expected["machines"])]
    return assets, failures, Period(begins, ends, ends)


@pytest.mark.parametrize("base", TimeBase)
def test_azure_fleet(fleet, golden, base):
    expected = golden["azure_pdm_2015"]
    figure = mtbf(*fleet, base=base)
    assert figure.value == pytest.approx(expected["fleet_mtbf_h"], **exactly)
    assert figure.interval.low == pytest.approx(expected["fleet_ci90"][0], **exactly)
    assert figure.interval.high == pytest.approx(expected["fleet_ci90"][1], **exactly)
    assert figure.numerator.value == expected["T_h"] * expected["machines"]
    assert figure.n == figure.denominator.value == expected["failure_events"]
    # Components that failed in one hour of one machine are one failure of the machine.
    rows = expected["failure_rows"]
    assert figure.excluded == {"same_instant": rows - expected["failure_events"]}
    assert sum(1 for share in figure.shares if share.kind == "failure") == rows


def test_azure_machines(fleet, golden):
    expected = golden["azure_pdm_2015"]
    assets, failures, period = fleet
    counted = {asset.id: mtbf([asset], failures, period) for asset in assets}
    assert {key: figure.n for key, figure in counted.items()} == expected["per_machine_n"]
    silent = [figure for figure in counted.values() if figure.value is None]
    assert len(silent) == expected["machines_zero"]
    assert all(figure.null_reason is NullReason.NO_FAILURES for figure in silent)


def test_azure_pooled_trend(fleet, golden):
    expected = golden["azure_pdm_2015"]
    trend = mtbf_trend(*fleet)
    assert trend.laplace_z == pytest.approx(expected["pooled_laplace_z"], **exactly)
    statistic, df = expected["pooled_milhdbk"]
    assert trend.mil_hdbk_chi2 == pytest.approx(statistic, **exactly)
    assert trend.mil_hdbk_df == df
