"""A problem with everything looked up: shifts and visits are numbers, their rules and prices arrays."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, cast

import numpy as np

from scheduler.engine.permissions import Decisions, failures, prices, work_s
from scheduler.engine.ties import ties_of
from scheduler.problem import (
    Costs,
    DayProblem,
    Interval,
    Shift,
    Visit,
    by_id,
)

if TYPE_CHECKING:
    from typing_extensions import Buffer


FIRST_DEPOT = 1 << 16
"""In the numbers of what a route does beside visits, depots come after all extras of a shift."""


@dataclass(frozen=True, slots=True)
class Extra:
    """Something a shift must do beside visits. Without a place it is a pause."""

    is_break: bool
    number: int
    earliest: int
    latest: int
    length_s: int
    place: int | None
    is_pickup: bool = False
    """A stop at a depot, at any time: never a must."""


@dataclass(frozen=True, slots=True)
class Terms:
    """A shift as its timetable sees it."""

    opens: int
    closes: int
    last: int
    start_place: int
    end_place: int
    extras: tuple[Extra, ...]
    longest_s: int = 1 << 40
    depots: tuple[Extra, ...] = ()

    def stands_for(self, item: int) -> Extra:
        """Return what an item of a route below zero stands for."""
        number = -1 - item
        return self.depots[number - FIRST_DEPOT] if number >= FIRST_DEPOT else self.extras[number]

    @staticmethod
    def of(shift: Shift, depots: tuple[Extra, ...] = ()) -> Terms:
        last = shift.closes + shift.overtime_limit_s
        breaks = tuple(
            Extra(
                is_break=True,
                number=number,
                earliest=max(rest.earliest, shift.opens),
                latest=min(rest.latest, last - rest.length_s),
                length_s=rest.length_s,
                place=None,
            )
            for number, rest in enumerate(shift.breaks)
        )
        absences = tuple(
            Extra(
                is_break=False,
                number=number,
                earliest=absence.start,
                latest=absence.start,
                length_s=absence.end - absence.start,
                place=absence.place,
            )
            for number, absence in enumerate(shift.absences)
        )
        return Terms(
            opens=shift.opens,
            closes=shift.closes,
            last=last,
            start_place=shift.start_place,
            end_place=shift.end_place,
            extras=breaks + absences,
            longest_s=1 << 40 if shift.longest_s is None else shift.longest_s,
            depots=depots,
        )


class IndexedDay:
    """What the engine asks of a problem again and again. Read-only once built."""

    def __init__(self, problem: DayProblem) -> None:
        self.problem = problem
        self.shifts = problem.shifts
        self.visits = problem.visits
        self.weights = problem.weights
        self.shift_no = by_id(problem.shifts)
        self.visit_no = by_id(problem.visits)
        self._shifts_of: dict[tuple[str, int], list[int]] | None = None
        # Plain indexing of a numpy array from Python costs five times as much.
        self.drive_s = memoryview(cast("Buffer", problem.travel_s))
        self.drive_m = memoryview(cast("Buffer", problem.travel_m))
        self.names = {each.id: each.name for each in problem.technicians if each.name}
        depots = tuple(
            Extra(False, number, 0, 1 << 40, depot.service_s, depot.place, is_pickup=True)
            for number, depot in enumerate(problem.depots)
        )
        self.terms = [Terms.of(shift, depots) for shift in problem.shifts]
        self.decisions = Decisions.of(problem)
        self.start_places = np.array([shift.start_place for shift in problem.shifts], dtype=np.intp)
        self.needs_parts = any(visit.parts for visit in problem.visits)
        self.place = [visit.place for visit in problem.visits]
        self.drop = [problem.drop_cost(visit) for visit in problem.visits]
        self.starts = [self.starts_of(visit) for visit in problem.visits]
        self.due = [visit.due for visit in problem.visits]
        self.promise_closes = [
            visit.promise.closes
            if visit.promise is not None and problem.may_break_promises and not self._begun(visit)
            else None
            for visit in problem.visits
        ]
        self.free_until = [
            min((priced for priced in both if priced is not None), default=1 << 60)
            for both in zip(self.due, self.promise_closes, strict=True)
        ]
        """How late a visit may begin without a price."""
        self.ties = ties_of(problem, self.visit_no)
        """What visits that depend on others ask of them."""
        self.linked = self.ties.keys()
        self._permit()

    def starts_of(self, visit: Visit, *, ignore_pin: bool = False) -> tuple[Interval, ...]:
        """Return the intervals in which work may begin: windows, promise and pin together."""
        pin = None if ignore_pin else self.decisions.pins.get(visit.id)
        if pin is not None and pin.begun and pin.start is not None:
            return ((pin.start, pin.start),)
        least, greatest = 0, 1 << 40
        if visit.promise is not None:
            least = visit.promise.opens
            if not self.problem.may_break_promises:
                greatest = visit.promise.closes
        if pin is not None and pin.start is not None:
            least, greatest = max(least, pin.start), min(greatest, pin.start)
        return tuple(
            (max(opens, least), min(closes, greatest))
            for opens, closes in visit.windows
            if max(opens, least) <= min(closes, greatest)
        )

    def shift_at(self, technician: str, day: int, start: int) -> int | None:
        """Return the shift that work at an instant belongs to: of a split day the last that has opened."""
        if self._shifts_of is None:
            self._shifts_of = {}
            for number in sorted(range(len(self.shifts)), key=lambda each: self.shifts[each].opens):
                shift = self.shifts[number]
                self._shifts_of.setdefault((shift.technician, shift.day), []).append(number)
        parts = self._shifts_of.get((technician, day))
        if parts is None:
            return None
        begun = [number for number in parts if self.shifts[number].opens <= start]
        return begun[-1] if begun else parts[0]

    def work_s(self, shift_no: int, visit_no: int) -> int:
        return self.works[shift_no][visit_no]

    def late_cost(self, visit_no: int, start: int) -> int:
        """Return the price of beginning at `start`: its service level and its promise."""
        return self.lateness_cost(visit_no, start) + self.promise_cost(visit_no, start)

    def lateness_cost(self, visit_no: int, start: int) -> int:
        due = self.due[visit_no]
        if due is None or start <= due:
            return 0
        return min((start - due) * self.weights.late_permille // 1000, self.drop[visit_no])

    def promise_cost(self, visit_no: int, start: int) -> int:
        closes = self.promise_closes[visit_no]
        if closes is None or start <= closes:
            return 0
        late = (start - closes) * self.weights.promise_late_permille // 1000
        return self.weights.promise_broken + late

    def prices(self, shift_no: int, visit_no: int) -> Costs:
        """Return the terms that `fixed` sums up."""
        return prices(self.problem, self.decisions, self.shifts[shift_no], self.visits[visit_no])

    def is_kept(self, visit_no: int) -> bool:
        """Whether people have decided on this visit: it is dropped only where nothing else goes."""
        visit = self.visits[visit_no].id
        return visit in self.decisions.pins or visit in self.decisions.prefix_shift

    def _begun(self, visit: Visit) -> bool:
        pin = self.decisions.pins.get(visit.id)
        return pin is not None and pin.begun

    def _permit(self) -> None:
        """Fill `able` (bool) and `fixed` (int64), both of shape (shifts, visits).

        `fixed` also says what a visit would cost where it is not allowed.

        Shifts that answer alike are asked once: a company has few profiles of people, many shifts.
        """
        shape = (len(self.shifts), len(self.visits))
        self.able = np.zeros(shape, dtype=bool)
        self.fixed = np.zeros(shape, dtype=np.int64)
        self.works: list[list[int]] = []
        paces: dict[tuple[object, ...], list[int]] = {}
        asked: dict[tuple[object, ...], int] = {}
        personal = [
            number for number, visit in enumerate(self.visits) if self._names_somebody(visit)
        ]
        for number, shift in enumerate(self.shifts):
            if shift.paces not in paces:
                paces[shift.paces] = [work_s(shift, each) for each in self.visits]
            self.works.append(paces[shift.paces])
            like = asked.setdefault(self._profile(shift), number)
            if like == number:
                wanted: Iterable[int] = range(len(self.visits))
            else:
                self.able[number] = self.able[like]
                self.fixed[number] = self.fixed[like]
                wanted = personal
            for other in wanted:
                visit = self.visits[other]
                self.able[number, other] = not any(failures(self.decisions, shift, visit))
                terms = prices(self.problem, self.decisions, shift, visit)
                self.fixed[number, other] = sum(getattr(terms, each) for each in _FIXED_TERMS)
        self._price_changes()
        self.fixed_prices = memoryview(cast("Buffer", self.fixed))

    def _price_changes(self) -> None:
        """Add to `fixed` what it costs that a visit is not with whom, and when, it was published."""
        technicians = np.array([shift.technician for shift in self.shifts], dtype=object)
        days = np.array([shift.day for shift in self.shifts])
        for visit, before in self.decisions.published.items():
            column = self.fixed[:, self.visit_no[visit]]
            column += (technicians != before.technician) * self.weights.other_technician
            column += (days != before.day) * self.weights.other_day

    def _names_somebody(self, visit: Visit) -> bool:
        """Whether the answer for this visit depends on who is asked, not only on what they are."""
        decisions = self.decisions
        return (
            bool(visit.required or visit.forbidden or visit.preferred)
            or visit.id in decisions.pins
            or visit.id in decisions.prefix_shift
        )

    def _profile(self, shift: Shift) -> tuple[object, ...]:
        """Return all of a shift that visits naming nobody look at."""
        return (
            shift.skills,
            shift.territory,
            shift.stays_in_territory,
            shift.paces,
            shift.rate_permille,
            tuple(sorted(self.decisions.stock[shift.technician].items())),
        )


_FIXED_TERMS = [
    each.name
    for each in fields(Costs)
    if each.name in {"rate", "foreign_territory", "surplus_level", "not_preferred"}
]
"""Prices that are the same for all who are alike; what a change of the published plan costs is not."""
