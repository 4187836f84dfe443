"""Routes with at most one pause are timed in a quick pass, which finds what any arrangement finds."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import patch

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scheduler.engine import one_pause
from scheduler.engine.indexed import FIRST_DEPOT, IndexedDay
from scheduler.engine.timing import timetable
from scheduler.problem import Break, DayProblem
from tests.scheduler.busy import plain, with_depots, with_everything, with_overtime
from tests.scheduler.days import HOUR


def with_at_most_a_lunch(rng: np.random.Generator) -> DayProblem:
    """Return a day of prices of every kind on which most people have lunch, some when they begin."""
    day = plain(rng, people=3, jobs=14)
    for further in (with_overtime, with_everything, with_depots):
        day = further(rng, day)
    shifts = []
    for shift in day.shifts:
        opens = shift.opens + int(rng.integers(0, 3)) * HOUR
        lunch = Break(opens, opens + int(rng.integers(0, 3)) * HOUR, 1_800)
        shifts.append(replace(shift, breaks=(lunch,) if rng.random() < 0.7 else ()))
    weights = replace(day.weights, waiting_permille=200, overtime_permille=1_000)
    return replace(day, shifts=tuple(shifts), weights=weights)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 1 << 32))
def test_the_quick_pass_finds_what_every_arrangement_finds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    day = IndexedDay(with_at_most_a_lunch(rng))
    for _ in range(20):
        shift_no = int(rng.integers(0, len(day.shifts)))
        order = [int(each) for each in rng.permutation(len(day.visits))[: rng.integers(0, 7)]]
        order.sort(key=lambda visit: day.starts[visit][:1])
        if rng.random() < 0.3:
            order.insert(int(rng.integers(0, len(order) + 1)), -1 - FIRST_DEPOT)
        quick = timetable(day, shift_no, order)
        with patch.object(one_pause, "is_for", lambda terms: False):
            slow = timetable(day, shift_no, order)
        if quick is None or slow is None:
            assert quick == slow
            continue
        assert (quick.cost, quick.back) == (slow.cost, slow.back)
        assert timetable(day, shift_no, order, below=quick.cost) is None
        assert timetable(day, shift_no, order, below=quick.cost + 1) == quick
