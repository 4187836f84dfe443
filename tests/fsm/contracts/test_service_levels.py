"""The policy a contract pins: what is stored, and what is refused with its path."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from fsm.contracts.clocks import PinnedPolicy, start_clocks
from fsm.contracts.opening_hours import calendar_from_json
from fsm.contracts.service_levels import (
    ClockKind,
    InvalidServiceLevel,
    Reopening,
    StopsAt,
    service_level_from_json,
    service_level_to_json,
)

RESPONSE = {"clock": "response", "priority": 1, "target_s": 14_400, "stops_at": "arrival"}
RESTORATION = {"clock": "restoration", "priority": 1, "target_s": 28_800}
GOLD = {
    "targets": [RESTORATION, RESPONSE],
    "pauses": {"parts": ["restoration"], "customer_access": ["restoration", "response"]},
    "reopening": "new_clock",
}


def test_a_policy_answers_by_clock_and_priority():
    level = service_level_from_json(GOLD)
    response = level.target(ClockKind.RESPONSE, 1)
    assert (response.target_s, response.stops_at) == (14_400, StopsAt.ARRIVAL)
    assert level.target(ClockKind.RESTORATION, 1).stops_at is StopsAt.RESTORED
    assert level.target(ClockKind.RESPONSE, 2) is None
    assert level.reopening is Reopening.NEW_CLOCK


def test_a_pause_stops_only_the_clocks_its_reason_names():
    level = service_level_from_json(GOLD)
    assert level.stops("parts", ClockKind.RESTORATION)
    assert not level.stops("parts", ClockKind.RESPONSE)
    assert not level.stops("weather", ClockKind.RESTORATION)


def test_a_policy_reads_back_as_it_was_stored_whatever_the_order():
    level = service_level_from_json(GOLD)
    stored = service_level_to_json(level)
    assert service_level_from_json(stored) == level
    turned = GOLD | {"targets": [RESPONSE, RESTORATION]}
    assert service_level_to_json(service_level_from_json(turned)) == stored


@pytest.mark.parametrize(
    ("clock", "ends"),
    [("arrival", "arrival"), ("resolution", "work_done"), ("statutory", "restored")],
)
def test_a_promise_with_one_end_need_not_name_it_and_can_have_no_other(clock, ends):
    target = {"clock": clock, "priority": 1, "target_s": 60}
    level = service_level_from_json({"targets": [target]})
    assert level.target(ClockKind(clock), 1).stops_at == ends
    assert service_level_to_json(level)["targets"] == [target | {"stops_at": ends}]
    with pytest.raises(InvalidServiceLevel, match=f"{clock} stops at {ends} only"):
        service_level_from_json({"targets": [target | {"stops_at": "acknowledged"}]})


def test_the_period_that_the_law_sets_runs_through_nights_and_the_change_of_clocks():
    """Reported in Paris on the Saturday before the clocks go forward: 45 days are 45 times 24 hours."""
    targets = [
        {"clock": "statutory", "priority": 1, "target_s": 45 * 86_400},
        {"clock": "arrival", "priority": 1, "target_s": 4 * 3_600},
    ]
    office = {"weekly": {day: [["09:00", "18:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}}
    policy = PinnedPolicy(
        UUID(int=1),
        UUID(int=2),
        service_level_from_json({"targets": targets}),
        calendar_from_json(office),
    )
    saturday = datetime(2026, 3, 28, 12, tzinfo=UTC)
    due = {one.kind: one.due_at for one in start_clocks(policy, "Europe/Paris", 1, saturday)}
    assert due == {
        ClockKind.ARRIVAL: datetime(2026, 3, 30, 11, tzinfo=UTC),
        ClockKind.STATUTORY: saturday + timedelta(days=45),
    }


def test_a_reopened_clock_resumes_unless_the_policy_says_otherwise():
    assert service_level_from_json({"targets": [RESPONSE]}).reopening is Reopening.RESUME


@pytest.mark.parametrize(
    ("stored", "path", "says"),
    [
        (None, "", "must be an object"),
        ({}, "targets", "missing"),
        ({"targets": []}, "targets", "at least one"),
        ({"targets": [RESPONSE], "pause": {}}, "pause", "allowed: targets, pauses"),
        ({"targets": [RESPONSE, RESPONSE]}, "targets[1]", "has a target already"),
        ({"targets": [RESPONSE | {"clock": "repair"}]}, "targets[0].clock", "allowed: response"),
        ({"targets": [RESPONSE | {"priority": 0}]}, "targets[0].priority", "from 1 to 99"),
        ({"targets": [RESPONSE | {"priority": True}]}, "targets[0].priority", "whole number"),
        ({"targets": [RESPONSE | {"target_s": 3.5}]}, "targets[0].target_s", "whole number"),
        ({"targets": [RESPONSE | {"target_s": 10**12}]}, "targets[0].target_s", "whole number"),
        (
            {"targets": [RESPONSE | {"stops_at": "restored"}]},
            "targets[0].stops_at",
            "response stops",
        ),
        ({"targets": [RESTORATION | {"stops_at": "arrival"}]}, "targets[0].stops_at", "only"),
        (
            {"targets": [{"clock": "response", "priority": 1, "target_s": 60}]},
            "targets[0].stops_at",
            "missing; allowed: acknowledged",
        ),
        ({"targets": [RESPONSE], "pauses": []}, "pauses", "object of reason codes"),
        ({"targets": [RESPONSE], "pauses": {"No!": []}}, "pauses.No!", "lower-case"),
        ({"targets": [RESPONSE], "pauses": {"parts": "all"}}, "pauses.parts", "list of the clocks"),
        ({"targets": [RESPONSE], "pauses": {"parts": ["x"]}}, "pauses.parts[0]", "'x' is not"),
        ({"targets": [RESPONSE], "pauses": {"parts": ["statutory"]}}, "pauses.parts", "no pause"),
        ({"targets": [RESPONSE], "reopening": None}, "reopening", "allowed: resume, new_clock"),
    ],
)
def test_a_policy_at_fault_is_refused_with_the_path(stored, path, says):
    with pytest.raises(InvalidServiceLevel) as refused:
        service_level_from_json(stored)
    assert refused.value.path == path
    assert says in str(refused.value)
