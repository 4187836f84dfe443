"""The result shape: null with a reason, never 0, and the same bytes for the same thing."""

import json
import math
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from reports.results import (
    Figure,
    Interval,
    NullReason,
    Provisional,
    ProvisionalReason,
    Quantity,
    Share,
    Window,
    count_excluded,
    decode,
    encode,
    ratio,
    result,
)

PARIS = ZoneInfo("Europe/Paris")
WINDOW = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC), "Europe/Paris")


def served(figure, **changes):
    """Return a result around `figure`."""
    context = {
        "kpi": "mtbf",
        "definition": 3,
        "scope": {"contract": "c1", "asset": "a1"},
        "window": WINDOW,
        "as_of": datetime(2026, 4, 1, tzinfo=UTC),
        "watermark": 48_213,
        "late_events": 4,
        "lineage": "/api/kpis/mtbf/lineage",
    }
    return result(figure, **(context | changes))


MTBF = Figure(
    value=1218.36,
    unit="h",
    n=719,
    null_reason=None,
    numerator=Quantity(876_000, "h"),
    denominator=Quantity(719, "failure"),
    excluded={"external": 3, "degraded": 12},
    interval=Interval(1145.55, 1296.87, 0.9, "poisson_exposure"),
    notes=("time_base:calendar",),
)


def test_the_json_is_the_documented_shape():
    provisional = Provisional(None, (ProvisionalReason.DEVICES_NOT_SYNCED,))
    assert json.loads(encode(served(MTBF, provisional=provisional))) == {
        "kpi": "mtbf",
        "definition": 3,
        "value": 1218.36,
        "unit": "h",
        "n": 719,
        "null_reason": None,
        "numerator": {"value": 876_000, "unit": "h"},
        "denominator": {"value": 719, "unit": "failure"},
        "excluded": {"external": 3, "degraded": 12},
        "interval": {"low": 1145.55, "high": 1296.87, "level": 0.9, "method": "poisson_exposure"},
        "extremes": None,
        "provisional": {"until": None, "because": ["devices_not_synced"]},
        "scope": {"contract": "c1", "asset": "a1"},
        "window": {
            "from": "2026-01-01T00:00:00Z",
            "to": "2026-04-01T00:00:00Z",
            "zone": "Europe/Paris",
        },
        "as_of": "2026-04-01T00:00:00Z",
        "watermark": 48_213,
        "late_events": 4,
        "notes": ["time_base:calendar"],
        "lineage": "/api/kpis/mtbf/lineage",
    }


def test_the_same_result_gives_the_same_bytes_whatever_the_order_of_its_parts():
    other = Figure(
        value=MTBF.value,
        unit="h",
        n=719,
        null_reason=None,
        numerator=MTBF.numerator,
        denominator=MTBF.denominator,
        excluded={"degraded": 12, "external": 3},
        interval=MTBF.interval,
        notes=MTBF.notes,
    )
    in_paris = datetime(2026, 4, 1, 2, tzinfo=PARIS)
    turned = served(other, scope={"asset": "a1", "contract": "c1"}, as_of=in_paris)
    assert encode(turned) == encode(served(MTBF))


def test_a_result_reads_back_money_to_the_cent():
    figure = Figure(
        value=Decimal("12345678901234567890.10"),
        unit="EUR",
        n=2,
        null_reason=None,
        numerator=None,
        denominator=None,
    )
    stored = encode(served(figure))
    assert b'"12345678901234567890.10"' in stored
    assert decode(stored) == served(figure)


def test_a_value_and_a_reason_for_having_none_exclude_each_other():
    with pytest.raises(ValueError, match="never both"):
        Figure(None, "h", 0, None, None, None)
    with pytest.raises(ValueError, match="never both"):
        Figure(1.0, "h", 0, NullReason.TOO_FEW, None, None)


@pytest.mark.parametrize("value", [math.nan, math.inf, Decimal("NaN")])
def test_what_is_no_number_cannot_slip_out_as_null(value):
    with pytest.raises(ValueError, match="cannot be"):
        Figure(value, "h", 1, None, None, None)
    with pytest.raises(ValueError, match="cannot be"):
        Quantity(value, "h")
    with pytest.raises(ValueError, match="cannot be"):
        Interval(float(value), None, 0.9, "none")


def test_a_ratio_over_nothing_is_null_and_not_zero():
    figure = ratio(
        [Share("clock", "a", excluded="running")],
        units=("clock", "clock"),
        null_reason=NullReason.NOTHING_DUE,
        n=0,
    )
    assert (figure.value, figure.null_reason) == (None, NullReason.NOTHING_DUE)
    assert figure.excluded == {"running": 1}


def test_a_candidate_is_counted_or_excluded_never_both():
    with pytest.raises(ValueError, match="excluded and counted"):
        Share("failure", "f1", denominator=1, excluded="external")
    shares = [Share("f", "1", 1, 1), Share("f", "2", excluded="b"), Share("f", "3", excluded="a")]
    assert list(count_excluded(shares).items()) == [("a", 1), ("b", 1)]


def test_a_window_needs_zones_and_a_length():
    naive = datetime(2026, 1, 1)  # noqa: DTZ001 - the point of the test
    with pytest.raises(ValueError, match="no time zone"):
        Window(naive, WINDOW.to_at)
    with pytest.raises(ValueError, match="ends after it begins"):
        Window(WINDOW.from_at, WINDOW.from_at)
