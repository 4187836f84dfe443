"""The bench of reports: it loads a company, its lean SQL has the figures' numbers, it reports every goal."""

import json
import random
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from fsm.contracts.opening_hours import calendar_from_json
from fsm.contracts.service_hours import ClockHistory, ClockStop, Moment, ServiceHours, read_clock
from reports import registry
from tests.bench import reports as bench
from tests.bench.reported_rows import NOW, ZONE, Openings, Size
from tests.company import WORKING_HOURS

SMALL = ["--jobs", "400", "--rounds", "1", "--reports", "2", "--changes", "3"]


def test_a_small_company_is_measured_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """Numbers that differ from the lean SQL's would end it as failed."""
    bench.main(SMALL)
    report = json.loads(capsys.readouterr().out)
    figures = {each["name"].partition(" ")[0]: each for each in report["figures"]}
    assert set(figures) == {"full", "one", "refresh", "peak", "two-page"}
    assert len(report["figures"]) == 10
    assert all(each["value"] > 0 for each in report["figures"])
    assert report["failed"] == {}
    every = {definition.kpi for definition in registry.DEFINITIONS}
    assert set(figures["full"]["detail"]["each"]) == every
    assert report["subset"] == "400 of 1000000 jobs"


def test_clocks_of_the_bench_are_read_as_the_rule_reads_them() -> None:
    size, rng = Size.of(400), random.Random(3)
    openings = Openings(size.began_at)
    hours = ServiceHours(calendar_from_json(WORKING_HOURS), ZoneInfo(ZONE))
    for _ in range(30):
        started = NOW - timedelta(minutes=rng.randrange(100_000))
        stopped = started + timedelta(minutes=rng.randrange(10_000))
        stops = (ClockStop(Moment.exactly(stopped)),) if stopped < NOW else ()
        history = ClockHistory(4 * 3600, Moment.exactly(started), (), stops)
        quick, slow = openings.read(history), read_clock(hours, history, NOW)[-1]
        assert (quick.state, quick.due_by, quick.stopped_at, quick.elapsed) == (
            slow.state,
            slow.due_by,
            slow.stopped_at,
            slow.elapsed,
        )
