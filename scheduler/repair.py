"""Mending a plan that something upset, without a search: what stands stays, what lost its place gets another.

A visit without a place goes where it costs least: into a gap, into the place of a cheaper visit, or into
that of one that another route takes over. A visit that would now miss its promise is tried elsewhere. Visits
that a crew or a link binds stand, move and go together (`scheduler.bonds`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from scheduler import bonds
from scheduler.candidates import NEVER, Fleet, Gaps
from scheduler.engine import sorted_out
from scheduler.engine.assembly import assemble
from scheduler.engine.indexed import IndexedDay
from scheduler.engine.insertion import Draft, Place
from scheduler.engine.timing import first_start, timetable
from scheduler.patience import Patience
from scheduler.problem import DayProblem, Plan

ENGINE = "repair"
CUT_SHORT = "repair_cut_short"
"""The note of a plan for which there was no more time: some of what is left out might find a place."""

_SHIFTS_TRIED = 8
"""Of the cheapest shifts, in how many a visit may take another's place."""
_ROUNDS = 3
"""What one visit leaves behind may be room for another, so that those still out are tried so often."""
_ROOM_MADE = 24
"""For how many visits others are looked for that could give way as a set; the dearest first."""


def repair(problem: DayProblem) -> Plan:
    """Return a plan near the published one that keeps all rules. Raises `ProblemInvalid`."""
    problem.validate()
    return repaired(IndexedDay(problem))


def repaired(day: IndexedDay, patience: Patience | None = None) -> Plan:
    """Return the same for a problem that was looked up, and validated, before.

    What stands is always kept; once `patience` is over no further visit is placed or moved, and the plan has
    the note `repair_cut_short`.
    """
    return _Repair(day, patience).plan()


def standing(problem: DayProblem) -> Draft:
    """Return the published plan as far as its routes still keep a timetable. Raises `ProblemInvalid`."""
    problem.validate()
    repair = _Repair(IndexedDay(problem))
    repair.stand()
    return repair.draft


@dataclass(frozen=True, slots=True)
class _Step:
    """A way of placing a visit: orders of the shifts it changes, and what that costs."""

    cost: int
    orders: dict[int, list[int]]
    dropped: int | None = None


@dataclass(frozen=True, slots=True)
class _Swap:
    """A visit in the place of another: the route it makes, and what the change costs there at least."""

    shift_no: int
    position: int
    gone: int
    order: tuple[int, ...]
    gaps: Gaps
    """Where else the other may go."""
    onward: int
    """What it costs at least to be rid of the other."""
    least: int


class _Repair:
    def __init__(self, day: IndexedDay, patience: Patience | None = None) -> None:
        self.day = day
        self.patience = patience
        self.draft = Draft(day)
        candidates, self.impossible = sorted_out(day)
        self.possible = set(candidates)
        self.room_made = _ROOM_MADE

    def plan(self) -> Plan:
        self.stand()
        self._fill()
        self._cure()
        self._fill()
        if self.day.linked:
            bonds.close_halves(self.draft)
        cut_short = self.patience is not None and self.patience.ran_out
        notes = (CUT_SHORT,) if cut_short else ()
        return assemble(self.draft, impossible=self.impossible, engine=ENGINE, seed=0, notes=notes)

    def _is_over(self) -> bool:
        return self.patience is not None and self.patience.is_over()

    def _fill(self) -> None:
        """Place what is out, the dearest first, until nothing more finds a place."""
        day = self.day
        for round_ in range(_ROUNDS):
            out = self.possible - self.draft.shift_of.keys()
            for number in sorted(out, key=lambda one: (not day.is_kept(one), -day.drop[one], one)):
                if self._is_over():
                    return
                if number not in self.draft.shift_of:
                    self._place(number, into_gaps=round_ > 0)
            if not out & self.draft.shift_of.keys():
                return

    # --- what stands ---

    def stand(self) -> None:
        """Put every published visit where it is, as far as its route still keeps a timetable."""
        day = self.day
        prefixes = [[day.visit_no[each] for each in shift.prefix] for shift in day.shifts]
        fixed = {visit for prefix in prefixes for visit in prefix}
        # A beginning is kept whole or the shift stays empty.
        whole = [self.possible.issuperset(prefix) for prefix in prefixes]
        orders = [
            list(prefix) if kept else [] for prefix, kept in zip(prefixes, whole, strict=True)
        ]
        for each in sorted(day.problem.published, key=lambda one: (one.start, one.visit)):
            visit, shift = (
                day.visit_no[each.visit],
                day.shift_at(each.technician, each.day, each.start),
            )
            if shift is None or visit in fixed or visit not in self.possible:
                continue
            if whole[shift] and day.able[shift, visit]:
                orders[shift].append(visit)
        for number, order in enumerate(orders):
            self._settle(number, order, len(prefixes[number]))
        if day.linked:
            bonds.bind(self.draft)

    def _settle(self, number: int, order: list[int], fixed: int) -> None:
        """Keep as much of a route as can be kept; what is cheapest to leave out goes first."""
        day = self.day
        while order and not self.draft.set_order(number, order):
            loose = [visit for visit in order[fixed:] if not day.is_kept(visit)] or order[fixed:]
            if not loose:
                return
            order.remove(self._gives_way(number, order, loose))

    def _gives_way(self, number: int, order: list[int], loose: list[int]) -> int:
        """Return the visit without which the route works, else the one that is cheapest to leave out."""
        day = self.day
        ranked = sorted(loose, key=lambda visit: (day.drop[visit], visit))
        for visit in ranked:
            rest = [each for each in order if each != visit]
            if not rest or self.draft.set_order(number, rest):
                self.draft.set_order(number, [])
                return visit
        return ranked[0]

    # --- what lost its place ---

    def _place(self, visit: int, *, into_gaps: bool) -> None:
        """Put a visit, with all it needs, where that costs least, unless leaving it out costs less.

        `into_gaps`: nobody else moves for it.
        """
        day = self.day
        needed = [visit]
        if visit in day.linked:
            out = (self.possible & day.linked) - self.draft.shift_of.keys()
            needed = bonds.together(day, visit, out)
            bonds.put(self.draft, visit, out)
        else:
            best = self._plainly(visit) if into_gaps else self._best(visit)
            if best is not None and (best.cost < day.drop[visit] or day.is_kept(visit)):
                self._take(best)
        if visit not in self.draft.shift_of and day.linked and not into_gaps and self.room_made:
            self.room_made -= 1
            bonds.make_room(self.draft, needed)

    def _plainly(self, visit: int) -> _Step | None:
        places = Fleet(self.draft).ranked(visit, 1)
        return self._plain(places[0], visit) if places else None

    def _take(self, step: _Step) -> None:
        # Emptied first: a van's parts go with the visit that is handed on.
        for number in step.orders:
            self.draft.set_order(number, self.draft.orders[number][:0])
        for number, order in step.orders.items():
            done = self.draft.set_order(number, order)
            assert done, "a step was timed before it is taken"

    def _best(self, visit: int) -> _Step | None:
        """Return the cheapest way to place a visit; what costs more than leaving it out is not looked for."""
        fleet = Fleet(self.draft)
        plain = [self._plain(place, visit) for place in fleet.ranked(visit, 1)]
        best = plain[0] if plain else None
        most = NEVER if self.day.is_kept(visit) else self.day.drop[visit]
        for swap in self._swaps(visit, fleet):
            known = most if best is None else min(most, best.cost)
            if swap.least >= known:
                break
            step = self._swapped(swap, visit, fleet, known)
            if step is not None and (best is None or step.cost < best.cost):
                best = step
        return best

    def _plain(self, place: Place, visit: int) -> _Step:
        order = list(self.draft.orders[place.shift_no])
        order.insert(place.position, visit)
        return _Step(place.delta, {place.shift_no: order})

    def _swaps(self, visit: int, fleet: Fleet) -> list[_Swap]:
        """Return the places of others that time allows a visit to take, the least cost first."""
        day = self.day
        wanted = fleet.wanted(visit)
        direct = wanted.fixed + wanted.there_s[[t.start_place for t in day.terms]]
        able = [number for number in range(len(day.shifts)) if day.able[number, visit]]
        found: list[_Swap] = []
        for number in sorted(able, key=lambda each: int(direct[each]))[:_SHIFTS_TRIED]:
            order = self.draft.orders[number]
            for gone in order[len(day.shifts[number].prefix) :]:
                if day.is_kept(gone) or gone in day.linked:
                    continue
                others = day.able[:, gone].copy()
                others[number] = False
                gaps = fleet.gaps(fleet.wanted(gone), others)
                onward = int(gaps.least[gaps.fits].min(initial=NEVER))
                if day.drop[gone] < day.drop[visit]:
                    onward = min(onward, day.drop[gone])
                if onward < NEVER:
                    found += self._swaps_in(number, gone, visit, gaps, onward)
        return sorted(found, key=lambda each: (each.least, each.shift_no, each.position))

    def _swaps_in(
        self, number: int, gone: int, visit: int, gaps: Gaps, onward: int
    ) -> Iterator[_Swap]:
        """Yield the positions in one route."""
        day, terms = self.day, self.day.terms[number]
        rest = [each for each in self.draft.orders[number] if each != gone]
        bounds = self.draft.bounds(number, rest)
        places = [terms.start_place, *(day.place[each] for each in rest), terms.end_place]
        where, work = day.place[visit], day.work_s(number, visit)
        # Work that is late, waiting and overtime cost nothing at best; driving and what is fixed is certain.
        certain = sum(int(day.fixed[number, each]) for each in (*rest, visit))
        certain += day.weights.first_use + sum(
            int(day.drive_s[one, other]) for one, other in pairwise(places)
        )
        certain += onward - self.draft.cost_of(number)
        for position in range(len(day.shifts[number].prefix), len(rest) + 1):
            before, after = places[position], places[position + 1]
            there, back = day.drive_s[before, where], day.drive_s[where, after]
            least = -NEVER
            if bounds is not None:
                start = first_start(day.starts[visit], bounds.free_from[position] + there)
                if start is None or start + work + back > bounds.needed_by[position]:
                    continue
                least = certain + int(there + back - day.drive_s[before, after])
            mine = (*rest[:position], visit, *rest[position:])
            yield _Swap(number, position, gone, mine, gaps, onward, least)

    def _swapped(self, swap: _Swap, visit: int, fleet: Fleet, known: int) -> _Step | None:
        """Return what it costs to take another's place, which is handed on or left out; None: not below."""
        day, number, gone = self.day, swap.shift_no, swap.gone
        now = self.draft.cost_of(number)
        below = now + known - swap.onward
        timed = timetable(day, number, swap.order, opened=self.draft.held, below=below)
        if timed is None:
            return None
        cost = timed.cost - now
        limit = min(known - cost, day.drop[gone])
        found = fleet.best(gone, swap.gaps, below=limit)
        orders = {number: list(swap.order)}
        if found is not None:
            theirs = list(self.draft.orders[found[1].shift_no])
            theirs.insert(found[1].position, gone)
            step = _Step(cost + found[0], {**orders, found[1].shift_no: theirs})
        elif day.drop[gone] < day.drop[visit] and cost + day.drop[gone] < known:
            step = _Step(cost + day.drop[gone], orders, dropped=gone)
        else:
            return None
        return step if self._carries(number, orders[number]) else None

    def _carries(self, number: int, order: list[int]) -> bool:
        """Whether the van holds the parts of a route in place of its present one."""
        kept = list(self.draft.orders[number])
        done = self.draft.set_order(number, order)
        self.draft.set_order(number, kept)
        return done

    # --- promises ---

    def _cure(self) -> None:
        """Try each visit that would miss its promise elsewhere; it moves where that costs less."""
        day = self.day
        at_risk = [
            (number, item)
            for number, timed in enumerate(self.draft.timed)
            if timed is not None
            for item, (_, start, _) in zip(timed.items, timed.times, strict=True)
            if item >= 0 and day.promise_cost(item, start) and not day.is_kept(item)
        ]
        for number, visit in at_risk:
            if self._is_over():
                return
            before = list(self.draft.orders[number])
            if visit not in before:
                continue
            if visit in day.linked:
                bonds.move(self.draft, visit)
                continue
            cost = self.draft.cost_of(number)
            if not self.draft.set_order(number, [each for each in before if each != visit]):
                continue
            saved = cost - self.draft.cost_of(number)
            best = self._best(visit)
            if best is not None and best.cost < saved:
                self._take(best)
            else:
                self.draft.set_order(number, before)
