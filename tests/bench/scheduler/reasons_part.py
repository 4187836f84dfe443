"""Why each visit is left out (G10): what a whole reason takes, visit by visit."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from scheduler.engine.insertion import Draft
from scheduler.problem import Crew, DayProblem, Link, Unplanned
from scheduler.reasons import Explainer
from tests.bench.figures import Figure, figure
from tests.bench.scheduler import ours
from tests.bench.scheduler.dispatch import DispatchDay
from tests.bench.scheduler.generator import dispatch_day

_GOAL_MS = 20.0
_VISITS = 40
_GREATEST_GAP_S = 4 * 3_600


def measure(*, is_short: bool) -> list[Figure]:
    sizes = ((50, 400, 3),) if is_short else ((50, 400, 10), (200, 2_000, 20))
    found = []
    for technicians, visits, seconds in sizes:
        problem = DispatchDay.of(dispatch_day(technicians, visits, seed=1)).problem()
        found += _measured(problem, seconds, f"{technicians} technicians")
        found += _measured(_bound(problem), seconds, f"{technicians} technicians, crews and links")
    return found


def _bound(problem: DayProblem) -> DayProblem:
    """Return the day with a fifth of its visits in twos: half come as a crew, half one after the other."""
    visits = {each.id: each for each in problem.visits}
    names = list(visits)
    random.Random(1).shuffle(names)
    twos = list(zip(names[0::2], names[1::2], strict=False))[: len(names) // 10]
    crews, links = twos[0::2], twos[1::2]
    for one, other in crews:
        alike = visits[one]
        visits[other] = replace(
            visits[other],
            place=alike.place,
            windows=alike.windows,
            duration_s=alike.duration_s,
            skills=alike.skills,
        )
    return replace(
        problem,
        visits=tuple(visits.values()),
        crews=tuple(Crew(*two) for two in crews),
        links=tuple(
            Link(*two, ordered=True, all_or_none=True, greatest_gap_s=_GREATEST_GAP_S)
            for two in links
        ),
    )


def _measured(problem: DayProblem, seconds: float, what: str) -> list[Figure]:
    plan = ours.plan(problem, seconds)
    asked = _asked(problem, plan.unplanned)
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
    name = f"G10 a reason for a visit left out, {what}"
    return [
        figure(
            f"{name}: worst",
            each_ms[-1],
            "ms",
            _GOAL_MS,
            median_ms=round(median, 2),
            p90_ms=round(each_ms[int(0.9 * len(each_ms))], 2),
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


def _asked(problem: DayProblem, left_out: Sequence[Unplanned]) -> list[Unplanned]:
    """Return some of what is left out; where visits are bound to each other, of those alone."""
    bound = {name for two in (*problem.crews, *problem.links) for name in (two.first, two.second)}
    return [each for each in left_out if not bound or each.visit in bound][:_VISITS]


def _timed_ms(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return (time.process_time() - began) * 1_000
