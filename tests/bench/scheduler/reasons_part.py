"""Why each visit is left out (G10): what a whole reason takes, visit by visit."""

from __future__ import annotations

import time

from scheduler.engine.insertion import Draft
from scheduler.reasons import Explainer
from tests.bench.figures import Figure, figure
from tests.bench.scheduler import ours
from tests.bench.scheduler.dispatch import DispatchDay
from tests.bench.scheduler.generator import dispatch_day

_GOAL_MS = 20.0
_VISITS = 40


def measure(*, is_short: bool) -> list[Figure]:
    sizes = ((50, 400, 3),) if is_short else ((50, 400, 10), (200, 2_000, 20))
    return [each for size in sizes for each in _measured(*size)]


def _measured(technicians: int, visits: int, seconds: float) -> list[Figure]:
    problem = DispatchDay.of(dispatch_day(technicians, visits, seed=1)).problem()
    plan = ours.plan(problem, seconds)
    asked = plan.unplanned[:_VISITS]
    if not asked:
        return []
    began = time.process_time()
    explainer = Explainer(problem, plan)
    # Looking the problem up is done once for all visits of a plan, so it is no visit's own.
    lookup = (time.process_time() - began) * 1_000
    draft = Draft.of(explainer.day, plan)
    numbers = [explainer.day.visit_no[each.visit] for each in asked]
    each_ms = sorted(_timed_ms(lambda visit=visit: explainer.reason(visit)) for visit in asked)
    scan_ms = sorted(
        _timed_ms(lambda number=number: draft.best_place(number)) for number in numbers
    )
    median, scan = each_ms[len(each_ms) // 2], scan_ms[len(scan_ms) // 2]
    name = f"G10 a reason for a visit left out, {technicians} technicians"
    return [
        figure(
            f"{name}: worst",
            each_ms[-1],
            "ms",
            _GOAL_MS,
            median_ms=round(median, 2),
            lookup_ms=round(lookup, 1),
            visits=len(asked),
            left_out=len(plan.unplanned),
            in_full=not any(explainer.reason(each).is_brief for each in asked[:5]),
        ),
        figure(
            f"{name}: median / one plain scan of every place",
            median / scan,
            "ratio",
            None,
            plain_scan_ms=round(scan, 2),
        ),
    ]


def _timed_ms(work) -> float:
    began = time.process_time()
    work()
    return (time.process_time() - began) * 1_000
