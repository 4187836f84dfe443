"""Why each visit is left out (G10): what a whole reason takes, visit by visit."""

from __future__ import annotations

import time

from scheduler.reasons import explain
from tests.bench.figures import Figure, figure
from tests.bench.scheduler import ours
from tests.bench.scheduler.dispatch import DispatchDay
from tests.bench.scheduler.generator import dispatch_day

_GOAL_MS = 20.0
_VISITS = 40


def measure(*, is_short: bool) -> list[Figure]:
    sizes = ((50, 400, 3),) if is_short else ((50, 400, 10), (200, 2_000, 20))
    return [each for size in sizes if (each := _measured(*size)) is not None]


def _measured(technicians: int, visits: int, seconds: float) -> Figure | None:
    problem = DispatchDay.of(dispatch_day(technicians, visits, seed=1)).problem()
    plan = ours.plan(problem, seconds)
    asked = [each.visit for each in plan.unplanned][:_VISITS]
    if not asked:
        return None
    # Looking the problem up is done once for all visits of a plan, so it is no visit's own.
    lookup = min(_timed_ms(lambda: explain(problem, plan, visits=())) for _ in range(3))
    each_ms = sorted(
        _timed_ms(lambda visit=visit: explain(problem, plan, visits=(visit,))) - lookup
        for visit in asked
    )
    explained = explain(problem, plan, visits=asked[:5])
    return figure(
        f"G10 a reason for a visit left out, {technicians} technicians: worst",
        each_ms[-1],
        "ms",
        _GOAL_MS,
        median_ms=round(each_ms[len(each_ms) // 2], 2),
        lookup_ms=round(lookup, 1),
        visits=len(asked),
        left_out=len(plan.unplanned),
        in_full=sum(not each.is_brief for each in explained) == len(explained),
    )


def _timed_ms(work) -> float:
    began = time.process_time()
    work()
    return (time.process_time() - began) * 1_000
