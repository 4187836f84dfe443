"""Where one more visit could go: ranked slots with what each does to the day, and windows for a caller."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scheduler.candidates import Fleet
from scheduler.engine.insertion import Draft, Place
from scheduler.engine.timing import Timetable, as_route
from scheduler.problem import DAY_S, DayProblem, Interval
from scheduler.repair import standing

_MINUTE_S = 60

TRAVEL_SPREAD = 0.22
WORK_SPREAD = 0.30
FIXED_SPREAD_S = 480.0
"""How far travel, work and everything else are off, as shares and seconds (standard deviations): assumed
until the company's own trips say better."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A visit that would begin at another time."""

    label: str
    minutes: int
    """Later; below zero: earlier."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for a visit, and what taking it does."""

    technician: str
    shift: str
    start: int
    end: int
    cost: int
    """Of the whole change, in seconds of driving."""
    travel_s: int
    travel_m: int
    overtime_s: int
    """All three: more than without the visit."""
    late_s: int
    """After the service level's instant."""
    at_risk: tuple[str, ...]
    """Labels of visits whose promise would then be missed."""
    moved: tuple[Moved, ...]


@dataclass(frozen=True, slots=True)
class Offer:
    """A window to offer, with the best slot in it."""

    opens: int
    closes: int
    slot: Slot
    capacity: int
    """What the time it takes is worth to later callers, in seconds of driving."""
    probability: float
    """That work begins inside the window."""

    @property
    def price(self) -> int:
        return self.slot.cost + self.capacity


def best_slots(problem: DayProblem, visit: str, most: int) -> list[Slot]:
    """Return the cheapest slot of each shift for a visit, the cheapest first."""
    draft, number = _without(problem, visit)
    return [_slot(draft, place, number) for place in Fleet(draft).ranked(number, most)]


def offers(problem: DayProblem, visit: str, windows: Sequence[Interval], most: int) -> list[Offer]:
    """Return the windows in which the visit fits, the best to give away first."""
    draft, number = _without(problem, visit)
    day = draft.day
    fleet = Fleet(draft)
    found = []
    for opens, closes in windows:
        starts = tuple(
            (max(a, opens), min(b, closes))
            for a, b in day.starts[number]
            if max(a, opens) <= min(b, closes)
        )
        if not starts:
            continue
        gaps = fleet.gaps(fleet.wanted(number, starts), day.able[:, number])
        best = fleet.best(number, gaps, opened=starts)
        if best is None:
            continue
        slot = _slot(draft, best[1], number)
        found.append(
            Offer(
                opens,
                closes,
                slot,
                _capacity(draft, best[1], number),
                _kept(best[1].timed, number, closes),
            )
        )
    return sorted(found, key=lambda offer: (offer.price, offer.opens))[:most]


def _without(problem: DayProblem, visit: str) -> tuple[Draft, int]:
    """Return the plan in force with the visit taken out of it, where it is in."""
    draft = standing(problem)
    number = draft.day.visit_no[visit]
    shift = draft.planned().get(number)
    if shift is not None:
        draft.set_order(shift, [each for each in draft.orders[shift] if each != number])
    return draft, number


def _slot(draft: Draft, place: Place, number: int) -> Slot:
    day, shift = draft.day, draft.day.shifts[place.shift_no]
    before, after = draft.timed[place.shift_no], place.timed
    was = {} if before is None else _starts(before)
    is_ = _starts(after)
    start = is_.pop(number)
    due = day.due[number]
    routes = [None if each is None else as_route(day, each) for each in (before, after)]
    metres = [0 if route is None else route.drive_m for route in routes]
    return Slot(
        technician=shift.technician,
        shift=shift.id,
        start=start,
        end=start + day.work_s(place.shift_no, number),
        cost=place.delta,
        travel_s=after.drive_s - (0 if before is None else before.drive_s),
        travel_m=metres[1] - metres[0],
        overtime_s=after.overtime_s - (0 if before is None else before.overtime_s),
        late_s=0 if due is None else max(0, start - due),
        at_risk=tuple(
            day.visits[each].label or day.visits[each].id
            for each, then in is_.items()
            if _misses(draft, each, then) and not _misses(draft, each, was[each])
        ),
        moved=tuple(
            Moved(day.visits[each].label or day.visits[each].id, round((then - was[each]) / 60))
            for each, then in is_.items()
            if abs(then - was[each]) >= _MINUTE_S
        ),
    )


def _starts(timed: Timetable) -> dict[int, int]:
    return {
        item: start
        for item, (_, start, _) in zip(timed.items, timed.times, strict=True)
        if item >= 0
    }


def _misses(draft: Draft, visit: int, start: int) -> bool:
    promise = draft.day.visits[visit].promise
    return promise is not None and start > promise.closes


def _capacity(draft: Draft, place: Place, number: int) -> int:
    """Return what the time is worth to others: nothing on an empty day, half of itself on a full one."""
    day = draft.day
    on = day.shifts[place.shift_no].day
    there = booked = 0
    for no, shift in enumerate(day.shifts):
        if shift.day == on and day.able[no, number]:
            there += shift.closes - shift.opens
            timed = draft.timed[no]
            if timed is not None:
                booked += timed.drive_s + sum(day.work_s(no, visit) for visit in timed.visits)
            booked += sum(absence.end - absence.start for absence in shift.absences)
    load = min(1.0, booked / there) if there else 1.0
    before = draft.timed[place.shift_no]
    taken = place.timed.drive_s - (0 if before is None else before.drive_s)
    taken += day.work_s(place.shift_no, number)
    return round(max(0, taken) * load * load / 2)


def _kept(timed: Timetable, number: int, closes: int) -> float:
    """Return the chance that work begins by `closes`: what comes before it is off independently."""
    work = drive = 0
    clock = timed.leave
    start = closes
    for item, (arrive, begins, ends) in zip(timed.items, timed.times, strict=True):
        drive += max(0, arrive - clock)
        if item == number:
            start = begins
            break
        work += ends - begins
        clock = ends
    spread = math.hypot(
        TRAVEL_SPREAD * drive, WORK_SPREAD * math.sqrt(work * 3_600), FIXED_SPREAD_S
    )
    return round(0.5 * (1 + math.erf((closes - start) / spread / math.sqrt(2))), 3)


def grid(problem: DayProblem, length_s: int, step_s: int) -> list[Interval]:
    """Return windows of a length on a grid over the hours in which anybody works."""
    windows = []
    for day in range(problem.days):
        hours = [(shift.opens, shift.closes) for shift in problem.shifts if shift.day == day]
        if not hours:
            continue
        first = min(opens for opens, _ in hours)
        last = max(closes for _, closes in hours)
        begins = day * DAY_S + -(-(first - day * DAY_S) // step_s) * step_s
        while begins + length_s <= last:
            if begins >= (problem.now or 0):
                windows.append((begins, begins + length_s))
            begins += step_s
    return windows
