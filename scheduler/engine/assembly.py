"""From orders of visits to a plan: times, prices, and the visits that found no place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields

from scheduler.engine.indexed import IndexedDay
from scheduler.engine.insertion import Draft
from scheduler.engine.timing import Timetable, as_route
from scheduler.problem import Cause, Costs, Plan, Step, Unplanned, digest


def assemble(
    draft: Draft,
    *,
    impossible: Iterable[int],
    engine: str,
    seed: int,
    notes: tuple[str, ...] = (),
    steps: tuple[Step, ...] = (),
) -> Plan:
    """Write the draft as a plan, priced term by term."""
    day = draft.day
    planned = draft.planned()
    never = set(impossible)
    unplanned = [
        Unplanned(visit.id, Cause.IMPOSSIBLE if number in never else Cause.NO_ROOM)
        for number, visit in enumerate(day.visits)
        if number not in planned
    ]
    routes = [timed for timed in draft.timed if timed is not None]
    return Plan(
        problem=digest(day.problem),
        engine=engine,
        seed=seed,
        routes=tuple(as_route(day, timed) for timed in routes),
        unplanned=tuple(unplanned),
        costs=costs_of(day, routes, [day.visit_no[each.visit] for each in unplanned]),
        notes=notes,
        steps=steps,
    )


def costs_of(day: IndexedDay, routes: Iterable[Timetable], unplanned: Iterable[int]) -> Costs:
    """Return every term of a plan with these routes and these visits left out."""
    weights = day.weights
    terms = dict.fromkeys((each.name for each in fields(Costs)), 0)
    worked: dict[str, int] = {each.id: 0 for each in day.problem.technicians}
    greatest = 0
    for timed in routes:
        terms["travel"] += timed.drive_s
        terms["waiting"] += timed.waiting_s * weights.waiting_permille // 1000
        terms["overtime"] += timed.overtime_s * weights.overtime_permille // 1000
        terms["first_use"] += weights.first_use
        for item, (_, start, end) in zip(timed.items, timed.times, strict=True):
            if item < 0:
                continue
            worked[day.shifts[timed.shift_no].technician] += end - start
            fixed = day.prices(timed.shift_no, item)
            for name in terms:
                terms[name] += getattr(fixed, name)
            terms["late"] += day.lateness_cost(item, start)
            terms["promise"] += day.promise_cost(item, start)
            due = day.due[item]
            if due is not None:
                greatest = max(greatest, start - due)
    terms["greatest_lateness"] = greatest * weights.greatest_lateness_permille // 1000
    for technician in day.problem.technicians:
        if technician.target_work_s is None:
            continue
        free = technician.target_work_s * weights.balance_tolerance_percent // 100
        beyond = max(0, abs(worked[technician.id] - technician.target_work_s) - free)
        terms["balance"] += beyond * weights.balance_permille // 1000
    terms["unplanned"] = sum(day.drop[number] for number in unplanned)
    return Costs(**terms)


def unsearched(day: IndexedDay, engine: str) -> tuple[str, ...]:
    """Return notes on what is in the costs, or would be allowed, and this engine does not look at."""
    notes = []
    if (
        engine == "or-tools"
        and day.weights.greatest_lateness_permille
        and any(each is not None for each in day.due)
    ):
        notes.append("not_searched:greatest_lateness")
    return tuple(notes)
