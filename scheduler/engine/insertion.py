"""Putting one visit into a plan: every position of every able shift, timed as a plan would time it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from scheduler.engine import pickups
from scheduler.engine.indexed import FIRST_DEPOT, IndexedDay, Terms
from scheduler.engine.timing import (
    NOTHING_OPENED,
    Items,
    Opened,
    Timetable,
    arranged,
    first_start,
    last_start,
    timetable,
)
from scheduler.problem import Interval, Plan, StopKind


@dataclass(frozen=True, slots=True)
class Place:
    """A position found for a visit, and the route it would make."""

    shift_no: int
    position: int
    timed: Timetable
    delta: int
    """What the route costs more than without the visit."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of a route without breaks: what one insertion may use at each position, checked in O(1)."""

    free_from: list[int]
    """Earliest instant the technician can leave the stop before each position."""
    needed_by: list[int]
    """Latest arrival at the stop after each position that keeps the rest."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A draft as it was."""

    held: Opened
    orders: list[list[int]]
    timed: list[Timetable | None]
    left: dict[str, dict[str, int]]
    shift_of: dict[int, int]


class Draft:
    """A plan being put together: one order of visits per shift, and what vans have left."""

    def __init__(
        self, day: IndexedDay, held: Opened | None = None, *, like: Draft | None = None
    ) -> None:
        """`like`: a draft that has been looked at; routes that are the same there need not be again."""
        self.day = day
        self._like = None if like is None or like.day.terms is not day.terms else like
        self.held = dict(held or {})
        """When visits that depend on others may begin in this plan."""
        self.orders: list[list[int]] = [[] for _ in day.shifts]
        self.timed: list[Timetable | None] = [None for _ in day.shifts]
        self.left = self._left_of(day.decisions.stock)
        self.shift_of: dict[int, int] = {}
        """The shift of each visit that has one."""
        self._bounds: dict[int, Bounds] = {}

    @staticmethod
    def of(day: IndexedDay, plan: Plan) -> Draft:
        """Return the draft of a plan's orders. Raises `ValueError` where one cannot be timed."""
        starts = {
            day.visit_no[stop.visit]: ((stop.start, stop.start),)
            for route in plan.routes
            for stop in route.stops
            if stop.visit is not None
        }
        draft = Draft(day, {number: starts[number] for number in day.linked & starts.keys()})
        for route in plan.routes:
            stops = [
                day.visit_no[stop.visit] if stop.visit is not None else _at_depot(stop.number)
                for stop in route.stops
                if stop.kind in (StopKind.VISIT, StopKind.PICKUP)
            ]
            if not draft.set_order(day.shift_no[route.shift], stops):
                raise ValueError(f"The route of shift {route.shift} keeps no timetable.")
        return draft

    def copy(self) -> Draft:
        """Return a draft that can be changed without this one."""
        other = Draft(self.day)
        other.restore(self.snapshot())
        return other

    def set_order(self, shift_no: int, order: Sequence[int], known: Items | None = None) -> bool:
        """Replace a shift's route; False, and nothing changed, where time or parts do not allow it.

        Stops at depots are made where they are in `order`, and where the van runs out. `known` is an
        arrangement of it that can be kept; the route is timed so, or better.
        """
        timed = None
        if order and known is None:
            timed = self.time(shift_no, order)
        elif order and known is not None:
            stops = [item for item in known if item >= 0 or item < -FIRST_DEPOT]
            timed = arranged(self.day, shift_no, stops, known, opened=self.held)
        if order and timed is None:
            return False
        vans = self.left[self.day.shifts[shift_no].technician]
        before, after = self._taken(self.timed[shift_no]), self._taken(timed)
        if any(vans.get(part, 0) + before.get(part, 0) < used for part, used in after.items()):
            return False
        self._put(shift_no, [each for each in order if each >= 0], timed)
        return True

    def put_back(self, shift_no: int, order: list[int], timed: Timetable | None) -> None:
        """Give a shift the route again that it had before, the other routes being what they were then."""
        self._put(shift_no, order, timed)

    def _put(self, shift_no: int, order: list[int], timed: Timetable | None) -> None:
        vans = self.left[self.day.shifts[shift_no].technician]
        before, after = self._taken(self.timed[shift_no]), self._taken(timed)
        for part in before.keys() | after.keys():
            vans[part] = vans.get(part, 0) + before.get(part, 0) - after.get(part, 0)
        for each in self.orders[shift_no]:
            if self.shift_of.get(each) == shift_no:
                del self.shift_of[each]
        self.orders[shift_no] = order
        self.shift_of |= dict.fromkeys(order, shift_no)
        self.timed[shift_no] = timed
        self._bounds.pop(shift_no, None)

    def keeps_prefix(self, shift_no: int) -> bool:
        """Whether the route begins with what is fixed; one that does not takes no visit at all."""
        prefix = [self.day.visit_no[each] for each in self.day.shifts[shift_no].prefix]
        return self.orders[shift_no][: len(prefix)] == prefix

    def time(
        self,
        shift_no: int,
        order: Sequence[int],
        *,
        terms: Terms | None = None,
        opened: Opened = NOTHING_OPENED,
        below: int | None = None,
    ) -> Timetable | None:
        """Return the times of a route in place of the present one, with the stops at depots it needs.

        None, too, where it costs `below` or more.
        """
        day = self.day
        changes = {**self.held, **opened} if opened else self.held
        if not day.decisions.at_depots:
            return timetable(day, shift_no, order, terms=terms, opened=changes, below=below)
        van = dict(self.left[day.shifts[shift_no].technician])
        for part, used in self._taken(self.timed[shift_no]).items():
            van[part] = van.get(part, 0) + used
        timed = pickups.timed(day, shift_no, order, van, terms=terms, opened=changes)
        return None if timed is None or (below is not None and timed.cost >= below) else timed

    def snapshot(self) -> Snapshot:
        """Return what `restore` makes it again; orders are never changed in place."""
        left = self._left_of(self.left)
        return Snapshot(
            dict(self.held), list(self.orders), list(self.timed), left, dict(self.shift_of)
        )

    def restore(self, before: Snapshot) -> None:
        for number, timed in enumerate(before.timed):
            if self.timed[number] is not timed:
                self._bounds.pop(number, None)
        self.held = dict(before.held)
        self.orders, self.timed = list(before.orders), list(before.timed)
        self.left = self._left_of(before.left)
        self.shift_of = dict(before.shift_of)

    def _left_of(self, left: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
        """Return a copy to change; what no visit takes from is never changed."""
        return {name: dict(vans) for name, vans in left.items()} if self.day.needs_parts else left

    def cost_of(self, shift_no: int) -> int:
        timed = self.timed[shift_no]
        return 0 if timed is None else timed.cost

    def planned(self) -> dict[int, int]:
        """Return the shift of each visit that has one."""
        return {visit: number for number, order in enumerate(self.orders) for visit in order}

    def has_parts(self, shift_no: int, visit_no: int) -> bool:
        """Whether the van has the parts of one more visit, or a depot has those that are missing."""
        vans = self.left[self.day.shifts[shift_no].technician]
        return all(
            vans.get(part, 0) >= quantity or part in self.day.decisions.at_depots
            for part, quantity in self.day.visits[visit_no].parts
        )

    def best_place(
        self,
        visit_no: int,
        shifts: Iterable[int] | None = None,
        *,
        opened: tuple[Interval, ...] | None = None,
        terms: Callable[[int], Terms] | None = None,
        ignore_parts: bool = False,
        price: Callable[[Place], int] | None = None,
    ) -> Place | None:
        """Return the cheapest position for a visit that is in no route, None where there is none.

        `shifts`: those to try, each of which has to be permitted; None: all that are able. `opened`,
        `terms` and `ignore_parts` ask what would be if windows, shifts or stocks gave way; `price`
        adds what giving way costs.
        """
        if shifts is None:
            shifts = [
                number for number in range(len(self.orders)) if self.day.able[number, visit_no]
            ]
        best: tuple[int, Place] | None = None
        for shift_no in shifts:
            if not ignore_parts and not self.has_parts(shift_no, visit_no):
                continue
            for place in self.places(
                shift_no,
                visit_no,
                opened=opened,
                terms=None if terms is None else terms(shift_no),
                below=None if best is None or price is not None else best[0],
                falling=price is None,
            ):
                cost = place.delta + (0 if price is None else price(place))
                if best is None or cost < best[0]:
                    best = cost, place
        return None if best is None else best[1]

    def places(
        self,
        shift_no: int,
        visit_no: int,
        *,
        opened: tuple[Interval, ...] | None = None,
        terms: Terms | None = None,
        below: int | None = None,
        falling: bool = False,
        order: Sequence[int] | None = None,
    ) -> Iterable[Place]:
        """Yield each position of a route that time allows; `order` replaces the route's.

        `below`: positions that are not cheaper may be left out; `falling`: each that is not cheaper than all
        before it is.
        """
        day = self.day
        intervals = day.starts[visit_no] if opened is None else opened
        if not intervals:
            return
        if order is None:
            order, now = self.orders[shift_no], self.timed[shift_no]
        else:
            now = self.time(shift_no, order, terms=terms) if order else None
        now_cost, waiting = (0, 0) if now is None else (now.cost, now.waiting_s)
        changes: Opened = NOTHING_OPENED if opened is None else {visit_no: opened}
        bounds = None
        if terms is None and order is self.orders[shift_no]:
            bounds = self._bounds_of(shift_no)
        saved = waiting * day.weights.waiting_permille // 1000 + 1
        work, fixed = day.work_s(shift_no, visit_no), int(day.fixed[shift_no, visit_no])
        own = day.terms[shift_no] if terms is None else terms
        where = day.place[visit_no]
        asked = {part for part, _ in day.visits[visit_no].parts}
        depots = [depot.place for depot in day.problem.depots if not asked.isdisjoint(depot.parts)]
        for position in range(len(day.shifts[shift_no].prefix), len(order) + 1):
            before = day.place[order[position - 1]] if position else own.start_place
            after = day.place[order[position]] if position < len(order) else own.end_place
            there, back = day.drive_s[before, where], day.drive_s[where, after]
            for depot in depots:  # on some roads the way by a depot is the shorter one
                there = min(there, day.drive_s[before, depot] + day.drive_s[depot, where])
            if bounds is not None:
                start = first_start(intervals, bounds.free_from[position] + there)
                if start is None or start + work + back > bounds.needed_by[position]:
                    continue
                detour = there + back - day.drive_s[before, after] + fixed
                if below is not None and detour - saved >= below:
                    continue
            timed = self.time(
                shift_no,
                [*order[:position], visit_no, *order[position:]],
                terms=terms,
                opened=changes,
                below=None if below is None else now_cost + below,
            )
            if timed is not None:
                delta = timed.cost - now_cost
                if falling:
                    below = delta
                yield Place(shift_no, position, timed, delta)

    def insert(self, visit_no: int, place: Place) -> bool:
        """Put a visit where `best_place` found room; False where the route no longer allows it."""
        order = list(self.orders[place.shift_no])
        order.insert(place.position, visit_no)
        return self.set_order(place.shift_no, order)

    def _starts(self, visit_no: int) -> tuple[Interval, ...]:
        return self.held.get(visit_no, self.day.starts[visit_no])

    def _taken(self, timed: Timetable | None) -> dict[str, int]:
        if timed is None or not self.day.needs_parts:
            return {}
        return pickups.taken(self.day, timed.items)

    def _bounds_of(self, shift_no: int) -> Bounds | None:
        """Return the bounds of a route as it is; None where the shift has stops of its own."""
        timed = self.timed[shift_no]
        if timed is not None and any(item < -FIRST_DEPOT for item in timed.items):
            return None
        if self._like is not None and timed is self._like.timed[shift_no]:
            return self._like._bounds_of(shift_no)
        if shift_no not in self._bounds:
            bounds = self.bounds(shift_no, self.orders[shift_no])
            if bounds is None:
                return None
            self._bounds[shift_no] = bounds
        return self._bounds[shift_no]

    def bounds(self, shift_no: int, order: Sequence[int]) -> Bounds | None:
        """Return the bounds of an order of visits as if it had no pauses: with them it is only tighter.

        None where the order keeps no timetable, or where the shift has stops of its own, whose places lie
        between those of the visits.
        """
        day, terms = self.day, self.day.terms[shift_no]
        if any(extra.place is not None for extra in terms.extras):
            return None
        free_from, place = [terms.opens], terms.start_place
        for visit_no in order:
            arrive = free_from[-1] + day.drive_s[place, day.place[visit_no]]
            start = first_start(self._starts(visit_no), arrive)
            if start is None:
                return None
            free_from.append(start + day.work_s(shift_no, visit_no))
            place = day.place[visit_no]
        needed_by, place = [terms.last], terms.end_place
        for visit_no in reversed(order):
            leave_by = needed_by[-1] - day.drive_s[day.place[visit_no], place]
            bound = leave_by - day.work_s(shift_no, visit_no)
            latest = last_start(self._starts(visit_no), bound)
            if latest is None:
                return None
            needed_by.append(latest)
            place = day.place[visit_no]
        needed_by.reverse()
        return Bounds(free_from, needed_by)


def fits_an_empty_shift(day: IndexedDay, visit_no: int) -> bool:
    """Whether some able shift could do this visit if it did nothing else but what is fixed in it."""
    able = np.flatnonzero(day.able[:, visit_no])
    # The nearest first: it mostly can, and timing a route takes long.
    drives = day.problem.travel_s[day.start_places[able], day.place[visit_no]]
    nearest = able[np.argsort(drives, kind="stable")]
    return any(fits_alone(day, int(number), visit_no) for number in nearest)


def fits_alone(day: IndexedDay, shift_no: int, visit_no: int) -> bool:
    """Whether an able shift could do this visit with nothing else but its fixed beginning."""
    if not day.able[shift_no, visit_no] or not day.starts[visit_no]:
        return False
    prefix = [day.visit_no[each] for each in day.shifts[shift_no].prefix]
    order = prefix if visit_no in prefix else [*prefix, visit_no]
    van = day.decisions.stock[day.shifts[shift_no].technician]
    if all(part not in day.decisions.at_depots for part, _ in day.visits[visit_no].parts):
        return timetable(day, shift_no, order) is not None
    return pickups.timed(day, shift_no, order, van) is not None


def _at_depot(number: int | None) -> int:
    return -1 - FIRST_DEPOT - (number or 0)
