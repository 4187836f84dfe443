"""An urgent visit into a full day (G8): every position of every able shift, against a plain scan of them.

The scan is what anybody would write first: two loops in Python over arrays kept beside the plan.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from scheduler.candidates import Fleet
from scheduler.engine.indexed import IndexedDay
from scheduler.engine.insertion import Draft
from tests.bench.figures import Figure, figure
from tests.bench.scheduler import ours
from tests.bench.scheduler.dispatch import DispatchDay
from tests.bench.scheduler.generator import dispatch_day

Inserter = Callable[[int], int | None]
"""From a visit's number to what its cheapest place adds to the travel; None: there is none."""

_GOAL_MS = 5.0
_MEANT_FOR_IT = "every place at once"


def measure(*, is_short: bool) -> list[Figure]:
    technicians, visits, urgent, seconds = (
        (200, 1_400, 60, 4) if is_short else (1_000, 6_800, 200, 25)
    )
    whole = DispatchDay.of(dispatch_day(technicians, visits + urgent, seed=1)).problem()
    planned = replace(whole, visits=whole.visits[:visits])
    draft = Draft.of(IndexedDay(whole), ours.plan(planned, seconds))
    positions = sum(len(order) + 1 for order in draft.orders)
    scan = plain_scan(draft)
    figures = []
    for name, insert in inserters(draft).items():
        ours_ms, cpu_ms, scan_ms, unlike = [], [], [], 0
        for visit in range(visits, visits + urgent):
            spent = time.thread_time()
            mine, own = _timed(insert, visit)
            cpu_ms.append((time.thread_time() - spent) * 1_000)
            peer, other = _timed(scan, visit)
            ours_ms.append(mine)
            scan_ms.append(peer)
            unlike += own != other
        p99, scan_p99 = (float(np.percentile(each, 99)) for each in (ours_ms, scan_ms))
        detail = {
            "technicians": technicians,
            "positions": positions,
            "visits": urgent,
            "median_ms": round(float(np.median(ours_ms)), 3),
            "p99_of_the_core_ms": round(float(np.percentile(cpu_ms, 99)), 3),
            "plain_scan_p99_ms": round(scan_p99, 3),
            "answers_unlike_the_scan": unlike,
        }
        goal = _GOAL_MS if name == _MEANT_FOR_IT and not is_short else None
        figures.append(figure(f"G8 urgent visit, p99: {name}", p99, "ms", goal, **detail))
        ratio = p99 / scan_p99
        figures.append(figure(f"G8 urgent visit, p99: {name} / plain scan", ratio, "ratio", None))
    return figures


def inserters(draft: Draft) -> dict[str, Inserter]:
    """Return the ways the product has of placing one visit, made ready for this plan."""
    fleet = Fleet(draft)
    able = draft.day.able

    def at_once(visit: int) -> int | None:
        gaps = fleet.gaps(fleet.wanted(visit), able[:, visit])
        found = fleet.best(visit, gaps)
        return None if found is None else found[0]

    def one_by_one(visit: int) -> int | None:
        place = draft.best_place(visit)
        return None if place is None else place.delta

    return {"every place at once": at_once, "every place timed": one_by_one}


def plain_scan(draft: Draft) -> Inserter:
    """Return a scan of every position by two bounds each: earliest leaving before, latest arrival after."""
    day = draft.day
    drive = [row.tolist() for row in day.problem.travel_s]
    routes = []
    for number, order in enumerate(draft.orders):
        terms = day.terms[number]
        places = [terms.start_place, *(day.place[visit] for visit in order), terms.end_place]
        free = [terms.opens]
        for position, visit in enumerate(order):
            arrive = free[-1] + drive[places[position]][places[position + 1]]
            start = next(max(a, arrive) for a, b in day.starts[visit] if arrive <= b)
            free.append(start + day.work_s(number, visit))
        latest = [terms.last]
        for position in range(len(order) - 1, -1, -1):
            visit, away = order[position], drive[places[position + 1]][places[position + 2]]
            bound = latest[-1] - away - day.work_s(number, visit)
            latest.append(max(min(b, bound) for a, b in day.starts[visit] if a <= bound))
        routes.append((places, free, latest[::-1]))

    def scan(visit: int) -> int | None:
        best, where = None, day.place[visit]
        there = drive[where]
        for number, (places, free, latest) in enumerate(routes):
            if not day.able[number, visit]:
                continue
            work = day.work_s(number, visit)
            for position in range(len(places) - 1):
                before, after = places[position], places[position + 1]
                arrive = free[position] + drive[before][where]
                start = next((max(a, arrive) for a, b in day.starts[visit] if arrive <= b), None)
                if start is None or start + work + there[after] > latest[position]:
                    continue
                delta = drive[before][where] + there[after] - drive[before][after]
                if best is None or delta < best:
                    best = delta
        return best

    return scan


def _timed(insert: Inserter, visit: int) -> tuple[float, int | None]:
    began = time.perf_counter()
    answer = insert(visit)
    return (time.perf_counter() - began) * 1_000, answer
