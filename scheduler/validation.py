"""Refusals of problems that contradict themselves. Reached through `DayProblem.validate`.

A problem that passes can still be one in which no visit fits: that is an answer, not an error.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import fields
from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from scheduler.problem import DAY_S, DayProblem, ProblemInvalid, Shift, Visit

_LONGEST_HORIZON_DAYS = 14


def validate(problem: DayProblem) -> None:
    """Raise `ProblemInvalid` on the first contradiction found."""
    _horizon(problem)
    _matrices(problem)
    _weights(problem)
    for kind, things in (
        ("technician", problem.technicians),
        ("shift", problem.shifts),
        ("visit", problem.visits),
    ):
        _unique(kind, (thing.id for thing in things))
    technicians = {technician.id for technician in problem.technicians}
    for technician in problem.technicians:
        _quantities(f"Technician {technician.id}", technician.stock)
        if technician.target_work_s is not None and technician.target_work_s < 0:
            raise ProblemInvalid(
                "negative_target", f"Technician {technician.id} has a target of less than no work."
            )
    for shift in problem.shifts:
        if shift.technician not in technicians:
            raise ProblemInvalid(
                "unknown_technician",
                f"Shift {shift.id} belongs to technician {shift.technician}, who is not there.",
            )
        _shift(problem, shift)
    _no_overlap(problem)
    for visit in problem.visits:
        _visit(problem, visit)
    for number, depot in enumerate(problem.depots):
        _place(problem, f"Depot {number}", depot.place)
        if depot.service_s < 0:
            raise ProblemInvalid(
                "negative_duration", f"A stop at depot {number} lasts less than 0 s."
            )
    _relations(problem, technicians)


def _horizon(problem: DayProblem) -> None:
    if not 1 <= problem.days <= _LONGEST_HORIZON_DAYS:
        raise ProblemInvalid(
            "horizon", f"A horizon has 1 to {_LONGEST_HORIZON_DAYS} days, not {problem.days}."
        )
    try:
        midnight = datetime.fromisoformat(problem.first_midnight)
    except ValueError:
        midnight = None
    if midnight is None or midnight.tzinfo is None:
        raise ProblemInvalid(
            "first_midnight",
            f"First midnight {problem.first_midnight!r} is no ISO 8601 instant with an offset.",
        )
    try:
        ZoneInfo(problem.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ProblemInvalid("zone", f"{problem.zone!r} is no IANA time zone.") from None


def _matrices(problem: DayProblem) -> None:
    for name, matrix in (("times", problem.travel_s), ("distances", problem.travel_m)):
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
            raise ProblemInvalid("matrix_shape", f"The matrix of travel {name} is not square.")
        if matrix.size and int(matrix.min()) < 0:
            raise ProblemInvalid("matrix_negative", f"The matrix of travel {name} goes below zero.")
        if np.any(np.diagonal(matrix)):
            raise ProblemInvalid(
                "matrix_diagonal", f"The matrix of travel {name} has a place away from itself."
            )
    if problem.travel_s.shape != problem.travel_m.shape:
        raise ProblemInvalid("matrix_shape", "Travel times and distances are of different places.")


def _weights(problem: DayProblem) -> None:
    for each in fields(problem.weights):
        value = getattr(problem.weights, each.name)
        if min(value if isinstance(value, tuple) else (value,)) < 0:
            raise ProblemInvalid("negative_weight", f"The price {each.name} is below zero.")


def _unique(kind: str, ids: Iterable[str]) -> None:
    for name, count in Counter(ids).items():
        if count > 1:
            raise ProblemInvalid("duplicate_id", f"There are {count} {kind}s with the id {name}.")


def _place(problem: DayProblem, what: str, place: int) -> None:
    if not 0 <= place < problem.travel_s.shape[0]:
        raise ProblemInvalid(
            "unknown_place",
            f"{what} is at place {place}, and the matrix has {problem.travel_s.shape[0]}.",
        )


def _quantities(what: str, parts: tuple[tuple[str, int], ...]) -> None:
    for part, quantity in parts:
        if quantity < 0:
            raise ProblemInvalid("negative_quantity", f"{what} has {quantity} of part {part}.")
    _unique("part", (part for part, _ in parts))


def _skills(problem: DayProblem, what: str, skills: tuple[tuple[str, int], ...]) -> None:
    for skill, level in skills:
        if skill not in problem.skills:
            raise ProblemInvalid("unknown_skill", f"{what} names the skill {skill}, unknown here.")
        if level < 1:
            raise ProblemInvalid(
                "bad_level", f"{what} has level {level} of {skill}; 1 is the least."
            )
    _unique("skill", (skill for skill, _ in skills))


def _shift(problem: DayProblem, shift: Shift) -> None:
    what = f"Shift {shift.id}"
    _place(problem, what, shift.start_place)
    _place(problem, what, shift.end_place)
    _skills(problem, what, shift.skills)
    if not 0 <= shift.day < problem.days:
        raise ProblemInvalid("shift_day", f"{what} is on day {shift.day} of {problem.days}.")
    if shift.closes < shift.opens:
        raise ProblemInvalid("reversed_hours", f"{what} closes before it opens.")
    last = shift.closes + shift.overtime_limit_s
    if shift.opens < 0 or last > (problem.days + 1) * DAY_S:
        raise ProblemInvalid("shift_outside_horizon", f"{what} lies outside the horizon.")
    if shift.overtime_limit_s < 0:
        raise ProblemInvalid("negative_overtime", f"{what} has an overtime limit below zero.")
    if shift.longest_s is not None and shift.longest_s < 0:
        raise ProblemInvalid("negative_duration", f"{what} may last less than 0 s.")
    if shift.rate_permille < 0:
        raise ProblemInvalid("negative_weight", f"{what} has a rate below zero.")
    if not 10 <= shift.efficiency_percent <= 1_000:
        raise ProblemInvalid(
            "bad_efficiency", f"{what} has an efficiency of {shift.efficiency_percent} %."
        )
    kinds = [kind for kind, _ in shift.efficiency_by_kind]
    if len(set(kinds)) < len(kinds):
        raise ProblemInvalid("duplicate_kind", f"{what} has two efficiencies at one kind of work.")
    for kind, percent in shift.efficiency_by_kind:
        if not 10 <= percent <= 1_000:
            raise ProblemInvalid(
                "bad_efficiency", f"{what} has an efficiency of {percent} % at {kind}."
            )
    for rest in shift.breaks:
        if rest.latest < rest.earliest:
            raise ProblemInvalid("reversed_break", f"{what} has a break that ends its span first.")
        if rest.length_s <= 0:
            raise ProblemInvalid("negative_duration", f"{what} has a break without length.")
        if rest.latest < shift.opens or rest.earliest + rest.length_s > last:
            raise ProblemInvalid("break_outside_shift", f"{what} has a break outside its hours.")
    for absence in shift.absences:
        if absence.end <= absence.start:
            raise ProblemInvalid("reversed_absence", f"{what} has an absence that ends first.")
        if absence.start < shift.opens or absence.end > last:
            raise ProblemInvalid(
                "absence_outside_shift", f"{what} has an absence outside its hours."
            )
        if absence.place is not None:
            _place(problem, f"An absence of shift {shift.id}", absence.place)


def _no_overlap(problem: DayProblem) -> None:
    hours: dict[str, list[Shift]] = {}
    for shift in problem.shifts:
        hours.setdefault(shift.technician, []).append(shift)
    for technician, shifts in hours.items():
        shifts.sort(key=lambda each: each.opens)
        for earlier, later in pairwise(shifts):
            if later.opens < earlier.closes + earlier.overtime_limit_s:
                raise ProblemInvalid(
                    "overlapping_shifts",
                    f"Technician {technician} has shifts {earlier.id} and {later.id} at one time.",
                )


def _visit(problem: DayProblem, visit: Visit) -> None:
    what = f"Visit {visit.id}"
    _place(problem, what, visit.place)
    _skills(problem, what, visit.skills)
    _quantities(what, visit.parts)
    if visit.duration_s < 0:
        raise ProblemInvalid("negative_duration", f"{what} lasts {visit.duration_s} s.")
    if not visit.windows:
        raise ProblemInvalid("no_window", f"{what} has no window in which it may begin.")
    for opens, closes in visit.windows:
        if closes < opens:
            raise ProblemInvalid("reversed_window", f"{what} has a window that closes first.")
    for earlier, later in pairwise(visit.windows):
        if later[0] <= earlier[1]:
            raise ProblemInvalid(
                "window_order", f"{what} has windows that overlap or are out of order."
            )
    if visit.promise is not None and visit.promise.closes < visit.promise.opens:
        raise ProblemInvalid("reversed_promise", f"{what} has a promise that closes first.")
    if not 1 <= visit.priority <= 5:
        raise ProblemInvalid("bad_priority", f"{what} has priority {visit.priority}, not 1 to 5.")
    if visit.drop_cost is not None and visit.drop_cost < 0:
        raise ProblemInvalid("negative_weight", f"{what} has a drop cost below zero.")


def _relations(problem: DayProblem, technicians: set[str]) -> None:
    visits = {visit.id for visit in problem.visits}

    def known(what: str, *ids: str) -> None:
        for each in ids:
            if each not in visits:
                raise ProblemInvalid("unknown_visit", f"{what} names visit {each}, unknown here.")

    pins = {pin.visit: pin for pin in problem.pins}
    if len(pins) < len(problem.pins):
        twice = Counter(pin.visit for pin in problem.pins).most_common(1)[0][0]
        raise ProblemInvalid("duplicate_pin", f"Visit {twice} is pinned more than once.")
    for pin in problem.pins:
        known("A pin", pin.visit)
        if pin.technician is not None and pin.technician not in technicians:
            raise ProblemInvalid(
                "unknown_technician",
                f"Visit {pin.visit} is pinned to technician {pin.technician}, who is not there.",
            )
        if pin.begun and (pin.technician is None or pin.start is None):
            raise ProblemInvalid(
                "begun_without_start", f"Visit {pin.visit} has begun; by whom or when is missing."
            )
        if pin.technician is None and pin.start is None:
            raise ProblemInvalid("empty_pin", f"The pin of visit {pin.visit} says nothing.")
    _unique("prefix place", (visit for shift in problem.shifts for visit in shift.prefix))
    for shift in problem.shifts:
        known(f"The prefix of shift {shift.id}", *shift.prefix)
        for visit in shift.prefix:
            held = pins.get(visit)
            if held is not None and held.technician not in (None, shift.technician):
                raise ProblemInvalid(
                    "prefix_against_pin",
                    f"Visit {visit} is first on shift {shift.id} and pinned to {held.technician}.",
                )
    for crew in problem.crews:
        known("A crew", crew.first, crew.second)
        if crew.first == crew.second:
            raise ProblemInvalid("linked_to_itself", f"Visit {crew.first} is a crew of itself.")
    for link in problem.links:
        known("A link", link.first, link.second)
        if link.first == link.second:
            raise ProblemInvalid("linked_to_itself", f"Visit {link.first} is linked to itself.")
        if link.same_technician and link.other_technician:
            raise ProblemInvalid(
                "contradictory_link",
                f"Visits {link.first} and {link.second} ask for the same and for another person.",
            )
        least, greatest = link.least_gap_s, link.greatest_gap_s
        if least is not None and greatest is not None and greatest < least:
            raise ProblemInvalid(
                "reversed_gap",
                f"Visits {link.first} and {link.second} have a greatest gap below the least.",
            )
    _unique("published place", (each.visit for each in problem.published))
    known("The published plan", *(each.visit for each in problem.published))
