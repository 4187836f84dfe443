"""A problem survives the wire unchanged, and a contradiction in it is named."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from scheduler.engine import plan_day
from scheduler.problem import (
    Absence,
    Break,
    Crew,
    DayProblem,
    Depot,
    Link,
    Pin,
    ProblemInvalid,
    Promise,
    Published,
    Technician,
    Weights,
    digest,
    plan_from_json,
    problem_from_json,
    to_json,
)
from tests.scheduler.days import HOUR, a_day, a_shift, a_visit, days


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(days())
def test_a_problem_and_its_plan_come_back_from_json_as_they_were(day: DayProblem) -> None:
    again = problem_from_json(to_json(day))
    assert to_json(again) == to_json(day)
    assert digest(again) == digest(day)
    plan = plan_day(day, iterations=1)
    assert plan_from_json(to_json(plan)) == plan


def test_the_digest_is_of_the_values_alone_and_does_not_change_with_versions() -> None:
    day = a_day((a_visit("a", 1),))
    wide = replace(day, travel_s=day.travel_s.astype(np.int64), travel_m=day.travel_m[:, :])
    assert digest(wide) == digest(day)
    assert digest(day) == "3842ffde8cc8cfb836b67da3c1358303afb99f4a988e812063a554fce7183c23"
    assert digest(replace(day, now=1)) != digest(day)


def test_a_problem_cannot_be_changed_behind_its_digest() -> None:
    day = a_day(())
    with pytest.raises(ValueError, match="read-only"):
        day.travel_s[0, 1] = 1


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[1]",
        b'{"days": "x"}',
        b"\xff",
        to_json(a_day(())).replace(b'"int32":"', b'"int32":"!'),
    ],
)
def test_what_is_no_problem_is_refused_as_such(data: bytes) -> None:
    with pytest.raises(ProblemInvalid) as refused:
        problem_from_json(data)
    assert refused.value.code == "not_a_problem"
    with pytest.raises(ProblemInvalid) as refused:
        plan_from_json(data)
    assert refused.value.code == "not_a_plan"


def _visit(**fields: object) -> Callable[[DayProblem], DayProblem]:
    return lambda day: replace(day, visits=(replace(day.visits[0], **fields), *day.visits[1:]))  # type: ignore[arg-type]


def _shift(**fields: object) -> Callable[[DayProblem], DayProblem]:
    return lambda day: replace(day, shifts=(replace(day.shifts[0], **fields),))  # type: ignore[arg-type]


def _with(**fields: object) -> Callable[[DayProblem], DayProblem]:
    return lambda day: replace(day, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (_with(days=0), "horizon"),
        (_with(days=15), "horizon"),
        (_with(first_midnight="2026-03-02T00:00:00"), "first_midnight"),
        (_with(first_midnight="tomorrow"), "first_midnight"),
        (_with(zone="Mars/Olympus"), "zone"),
        (_with(zone="../etc/passwd"), "zone"),
        (_with(travel_s=np.zeros((2, 3))), "matrix_shape"),
        (_with(travel_s=np.zeros((2, 2))), "matrix_shape"),
        (_with(travel_s=np.full((5, 5), -1)), "matrix_negative"),
        (_with(travel_m=np.ones((5, 5))), "matrix_diagonal"),
        (_with(weights=Weights(first_use=-1)), "negative_weight"),
        (_with(weights=Weights(unplanned=(1, 1, 1, 1, -1))), "negative_weight"),
        (_with(technicians=()), "unknown_technician"),
        (_with(technicians=(Technician("ann"), Technician("ann"))), "duplicate_id"),
        (_with(technicians=(Technician("ann", stock=(("belt", -1),)),)), "negative_quantity"),
        (_with(technicians=(Technician("ann", target_work_s=-1),)), "negative_target"),
        (_with(visits=(a_visit("a", 1), a_visit("a", 1))), "duplicate_id"),
        (_with(shifts=(a_shift(), a_shift(id="again"))), "overlapping_shifts"),
        (_with(depots=(Depot(9, ()),)), "unknown_place"),
        (_with(depots=(Depot(0, (), -1),)), "negative_duration"),
        (_shift(start_place=5), "unknown_place"),
        (_shift(end_place=-1), "unknown_place"),
        (_shift(day=1), "shift_day"),
        (_shift(closes=7 * HOUR), "reversed_hours"),
        (_shift(opens=-1), "shift_outside_horizon"),
        (_shift(closes=60 * HOUR), "shift_outside_horizon"),
        (_shift(overtime_limit_s=-1), "negative_overtime"),
        (_shift(efficiency_percent=0), "bad_efficiency"),
        (_shift(efficiency_by_kind=(("wiring", 0),)), "bad_efficiency"),
        (_shift(efficiency_by_kind=(("wiring", 80), ("wiring", 90))), "duplicate_kind"),
        (_shift(rate_permille=-1), "negative_weight"),
        (_shift(skills=(("magic", 1),)), "unknown_skill"),
        (_shift(skills=(("electric", 0),)), "bad_level"),
        (_shift(breaks=(Break(12 * HOUR, 11 * HOUR, 60),)), "reversed_break"),
        (_shift(breaks=(Break(12 * HOUR, 13 * HOUR, 0),)), "negative_duration"),
        (_shift(breaks=(Break(5 * HOUR, 6 * HOUR, 60),)), "break_outside_shift"),
        (_shift(absences=(Absence(12 * HOUR, 12 * HOUR),)), "reversed_absence"),
        (_shift(absences=(Absence(7 * HOUR, 9 * HOUR),)), "absence_outside_shift"),
        (_shift(absences=(Absence(9 * HOUR, 10 * HOUR, 77),)), "unknown_place"),
        (_shift(prefix=("x",)), "unknown_visit"),
        (_shift(prefix=("a", "a")), "duplicate_id"),
        (_visit(place=5), "unknown_place"),
        (_visit(duration_s=-1), "negative_duration"),
        (_visit(windows=()), "no_window"),
        (_visit(windows=((2, 1),)), "reversed_window"),
        (_visit(windows=((5, 6), (1, 2))), "window_order"),
        (_visit(windows=((1, 5), (5, 6))), "window_order"),
        (_visit(promise=Promise(2, 1)), "reversed_promise"),
        (_visit(priority=0), "bad_priority"),
        (_visit(priority=6), "bad_priority"),
        (_visit(drop_cost=-1), "negative_weight"),
        (_visit(skills=(("magic", 1),)), "unknown_skill"),
        (_visit(parts=(("belt", 1), ("belt", 2))), "duplicate_id"),
        (_with(pins=(Pin("a", "ann"), Pin("a", start=1))), "duplicate_pin"),
        (_with(pins=(Pin("a"),)), "empty_pin"),
        (_with(pins=(Pin("x", "ann"),)), "unknown_visit"),
        (_with(pins=(Pin("a", "eve"),)), "unknown_technician"),
        (_with(pins=(Pin("a", "ann", begun=True),)), "begun_without_start"),
        (_with(crews=(Crew("a", "a"),)), "linked_to_itself"),
        (_with(crews=(Crew("a", "x"),)), "unknown_visit"),
        (_with(links=(Link("a", "a"),)), "linked_to_itself"),
        (_with(links=(Link("a", "b", least_gap_s=2, greatest_gap_s=1),)), "reversed_gap"),
        (
            _with(links=(Link("a", "b", same_technician=True, other_technician=True),)),
            "contradictory_link",
        ),
        (_with(published=(Published("x", "ann", 0, 0),)), "unknown_visit"),
    ],
)
def test_a_contradiction_is_named(spoil: Callable[[DayProblem], DayProblem], code: str) -> None:
    day = a_day((a_visit("a", 1), a_visit("b", 2)))
    day.validate()
    with pytest.raises(ProblemInvalid) as refused:
        spoil(day).validate()
    assert refused.value.code == code
    assert refused.value.sentence.endswith(".")


def test_a_beginning_pinned_to_somebody_else_is_named() -> None:
    day = a_day(
        (a_visit("a", 1),), (a_shift(prefix=("a",)), a_shift("bob")), pins=(Pin("a", "bob"),)
    )
    with pytest.raises(ProblemInvalid) as refused:
        day.validate()
    assert refused.value.code == "prefix_against_pin"


def test_reading_problems_and_asking_for_plans_does_not_import_the_solver() -> None:
    code = (
        "import sys, scheduler.problem, scheduler.checks, scheduler.travel, scheduler.engine,"
        "scheduler.reasons, scheduler.sentences, scheduler.child;"
        "sys.exit(any(name.split('.')[0] == 'ortools' for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
