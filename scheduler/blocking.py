"""What stands between one visit and each shift of a plan, and the smallest sets of rules that do.

Everything here is found by insertion: the visit is put at every position of every shift with some rules
taken away, and the whole route is timed as the plan's own routes are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from copy import copy
from dataclasses import replace
from itertools import combinations

import numpy as np

from scheduler.candidates import Fleet, Gaps, Mask, longer
from scheduler.closed_shifts import ClosedShifts, Failed
from scheduler.engine.indexed import Terms
from scheduler.engine.insertion import Draft, fits_alone
from scheduler.engine.permissions import Failure, Rule
from scheduler.engine.timing import first_start
from scheduler.problem import DAY_S, Cause, Interval

LATER_S = 4 * 3_600
"""How far a window or the end of a shift is moved at most, for asking what would be."""

_MOST_RULES = 3
_TIMED_SHIFTS = 12
_TIMED_GAPS = 3
"""How many shifts, and gaps of each, are timed exactly for a visit."""
_ANY_LENGTH_S = 1 << 40
_OF_TERMS = frozenset({Rule.HOURS, Rule.ABSENCE, Rule.LENGTH})
"""Rules of shifts, which change what holds on them."""
_ANY_TIME: tuple[Interval, ...] = ((0, 1 << 40),)


class Fleets:
    """The gaps of a plan's routes with some rules of shifts taken away; looked up once for all visits."""

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self.day = draft.day
        absences = [bool(shift.absences) for shift in self.day.shifts]
        self.has_absences = np.array(absences, dtype=bool)
        limited = [terms.longest_s < _ANY_LENGTH_S for terms in self.day.terms]
        self.has_length = np.array(limited, dtype=bool)
        people = {shift.technician: number for number, shift in enumerate(self.day.shifts)}
        self.person = np.array([people[shift.technician] for shift in self.day.shifts])
        self.on_day = np.array([shift.day for shift in self.day.shifts])
        self.has_visits = np.array([bool(order) for order in draft.orders], dtype=bool)
        keeps_prefix = [draft.keeps_prefix(number) for number in range(len(self.day.shifts))]
        self.closed = ClosedShifts(self.day, keeps_prefix)
        self._built: dict[tuple[bool, ...], Fleet] = {}
        self._terms: dict[frozenset[Rule], list[Terms]] = {}
        self._longer: dict[int, list[Terms]] = {}
        self.drops = np.array(self.day.drop, dtype=np.int64)
        self.longer = Fleet(draft, terms=lambda number: longer(self.day.terms[number], LATER_S))
        for waived in ((), (Rule.ROOM,), (Rule.HOURS,), (Rule.ABSENCE,)):
            self.without(waived)

    def without(self, waived: Iterable[Rule]) -> Fleet:
        rules = set(waived)
        absence = Rule.ABSENCE in rules and bool(self.has_absences.any())
        key = Rule.HOURS in rules, absence, Rule.ROOM in rules, Rule.PREFIX in rules
        if key not in self._built:
            self._built[key] = Fleet(
                self.draft,
                terms=lambda number: self.terms(number, rules),
                alone=Rule.ROOM in rules,
                without_prefix=Rule.PREFIX in rules,
            )
        return self._built[key]

    def all_terms(self, waived: Collection[Rule]) -> list[Terms]:
        """Return what holds of each shift without these rules; not to be changed."""
        key = frozenset(_OF_TERMS.intersection(waived))
        if key not in self._terms:
            self._terms[key] = [self.terms(number, key) for number in range(len(self.day.shifts))]
        return self._terms[key]

    def longer_terms(self, seconds: int) -> list[Terms]:
        """Return what holds of each shift that ends so much later; not to be changed."""
        if seconds not in self._longer:
            self._longer[seconds] = [longer(terms, seconds) for terms in self.day.terms]
        return self._longer[seconds]

    def terms(self, shift_no: int, waived: Collection[Rule]) -> Terms:
        terms = self.day.terms[shift_no]
        midnight = self.day.shifts[shift_no].day * DAY_S
        if Rule.ABSENCE in waived:
            terms = replace(terms, extras=tuple(each for each in terms.extras if each.is_break))
        if Rule.HOURS in waived:
            opens = min(terms.opens, max(midnight, self.day.problem.now or 0))
            last = max(terms.last, midnight + DAY_S)
            terms = replace(terms, opens=opens, closes=last, last=last)
        if Rule.LENGTH in waived:
            terms = replace(terms, longest_s=_ANY_LENGTH_S)
        return terms


class Inquiry:
    """One visit held against every shift of one plan."""

    def __init__(self, fleets: Fleets, visit_no: int) -> None:
        self.fleets = fleets
        self.draft = fleets.draft
        self.day = fleets.day
        self.visit_no = visit_no
        self.visit = self.day.visits[visit_no]
        self.permission = fleets.closed.permissions(visit_no)
        self.permitted = np.array([not failed for failed in self.permission], dtype=bool)
        self._by_failed: dict[frozenset[Rule], Mask] | None = None
        self.carries = np.ones(len(self.day.shifts), dtype=bool)
        if self.visit.parts:
            self.carries[:] = [
                self.draft.has_parts(number, visit_no) for number in range(len(self.day.shifts))
            ]
        self.wanted = fleets.without(()).wanted(visit_no)
        depots = self.day.decisions.at_depots
        self.fetches = any(part in depots for part, _ in self.visit.parts)
        """Whether a technician may have to fetch something for it on the way."""

    # --- what fails ---

    def failures(self, cause: Cause) -> list[Failed]:
        """Return what keeps the visit from each shift; of none it is nothing."""
        failed = self._failures()
        if self.visit_no in self.day.ties:
            # What is full or dear for one alone may be neither; in no plan is it the others that fail.
            alone = {Rule.PRICE} if cause is Cause.NO_ROOM else {Rule.PRICE, Rule.ROOM}
            failed = [
                (Failure(Rule.PARTNER),) if {each.rule for each in one} <= alone else one
                for one in failed
            ]
        return failed

    def _failures(self) -> list[Failed]:
        """Return for each shift what keeps the visit from it.

        Of shifts on which it would cost too much, the cheapest dozen are timed; of the others the bounds
        say what it costs at least.
        """
        alone = self._gaps({Rule.ROOM}, self.permitted)
        present = self._gaps({Rule.ROOM, Rule.ABSENCE}, self.permitted)
        fits_alone = self._by_shift(self.fleets.without({Rule.ROOM}), alone)
        fits_present = self._by_shift(self.fleets.without({Rule.ROOM, Rule.ABSENCE}), present)
        costs = self._costs()
        parts = (
            Failure(Rule.PARTS, (("part", self.visit.parts[0][0]),)) if self.visit.parts else None
        )
        found: list[Failed] = []
        for number, closed in enumerate(self.fleets.closed.failed(self.visit_no)):
            if closed:
                found.append(closed)
            elif not (fits_alone[number] and self._stands_alone(number)):
                fails = Rule.TRAVEL
                if fits_present[number]:
                    fails = self._missing(number, (Rule.ABSENCE, Rule.LENGTH, Rule.DEPOT), fails)
                found.append((Failure(fails),))
            elif parts is not None and not self.carries[number]:
                found.append((parts,))
            elif number not in costs:
                found.append((Failure(Rule.ROOM),))
            else:
                drop = self.day.drop[self.visit_no]
                found.append((Failure(Rule.PRICE, (("cost", costs[number]), ("drop", drop))),))
        return found

    def _missing(self, shift_no: int, rules: Sequence[Rule], otherwise: Rule) -> Rule:
        """Return the rule without which an empty shift would take the visit."""
        only = self._only(shift_no)
        for rule in rules:
            if rule in self.rules_of_time(only) and self._fits(only, {rule, Rule.ROOM}):
                return rule
        return otherwise

    def _stands_alone(self, shift_no: int) -> bool:
        """Whether a shift with only this visit keeps a timetable, where the bounds do not refuse it."""
        terms = self.day.terms[shift_no]
        if self.fleets.has_length[shift_no] or self.fetches:
            return fits_alone(self.day, shift_no, self.visit_no)
        if not terms.extras:
            return True
        place, work = self.visit.place, self.day.work_s(shift_no, self.visit_no)
        back = self.day.drive_s[place, terms.end_place]
        if len(terms.extras) == 1 and terms.extras[0].is_break and not self._prefix(shift_no):
            rest = terms.extras[0]
            there = self.day.drive_s[terms.start_place, place]
            starts = self.day.starts[self.visit_no]
            start = first_start(starts, terms.opens + there)
            if start is not None:
                then = max(start + work, rest.earliest)
                if then <= rest.latest and then + rest.length_s + back <= terms.last:
                    return True
            before = max(terms.opens, rest.earliest)
            start = first_start(starts, before + rest.length_s + there)
            if start is not None and before <= rest.latest and start + work + back <= terms.last:
                return True
        return fits_alone(self.day, shift_no, self.visit_no)

    def _prefix(self, shift_no: int) -> tuple[str, ...]:
        return self.day.shifts[shift_no].prefix

    def _costs(self) -> dict[int, int]:
        """Return what the visit costs in this plan on each shift that has a gap for it."""
        fleet = self.fleets.without(())
        gaps = fleet.gaps(self.wanted, self.permitted & self.carries)
        costs: dict[int, int] = {}
        timed: dict[int, int] = {}
        for gap, least in fleet.in_order(gaps):
            number = int(fleet.shift[gap])
            if number in costs:
                continue
            if timed.setdefault(number, 0) >= _TIMED_GAPS:
                continue
            if len(costs) >= _TIMED_SHIFTS:
                costs[number] = least
                continue
            timed[number] += 1
            place = fleet.timed(gap, self.visit_no)
            if place is not None:
                costs[number] = place.delta
        return costs

    # --- with rules taken away ---

    def _gaps(self, waived: Collection[Rule], allowed: Mask) -> Gaps:
        fleet = self.fleets.without(waived)
        return fleet.gaps(replace(self.wanted, starts=self.starts(set(waived))), allowed)

    def _by_shift(self, fleet: Fleet, gaps: Gaps) -> Mask:
        """Return which shifts have a gap that fits."""
        fits = np.zeros(len(self.day.shifts), dtype=bool)
        fits[fleet.shift[gaps.fits]] = True
        return fits

    def _only(self, shift_no: int) -> Mask:
        mask = np.zeros(len(self.day.shifts), dtype=bool)
        mask[shift_no] = True
        return mask

    def _fits(self, allowed: Mask, waived: Collection[Rule]) -> bool:
        """Whether one of these shifts takes the visit, at any price, with these rules taken away.

        The bounds refuse most; what they do not refuse is timed, the widest gap first.
        """
        if not {Rule.PARTS, Rule.ROOM} & set(waived):
            allowed = allowed & self.carries
        fleet = self.fleets.without(waived)
        gaps = self._gaps(waived, allowed)
        fits = np.flatnonzero(gaps.fits)
        if not len(fits):
            return False
        shift = fleet.shift[fits]
        slack = fleet.needed_by[fits] - gaps.start[fits] - self.wanted.work_s[shift]
        slack -= self.wanted.back_s[fleet.after[fits]]
        opened = self.starts(set(waived))
        changed = bool({Rule.HOURS, Rule.ABSENCE, Rule.LENGTH} & set(waived))
        bare = self._without_parts(set(waived))
        for index in np.argsort(-slack, kind="stable"):
            number = int(shift[index])
            terms = self.fleets.terms(number, waived) if changed else None
            if fleet.timed(int(fits[index]), self.visit_no, opened=opened, terms=terms, draft=bare):
                return True
        return False

    def parts_without(self, waived: set[Rule]) -> tuple[tuple[str, int], ...]:
        """Return the parts that are left where the need for some is taken away."""
        depots = self.day.decisions.at_depots
        return tuple(
            each
            for each in self.visit.parts
            if (Rule.DEPOT if each[0] in depots else Rule.PARTS) not in waived
        )

    def _without_parts(self, waived: set[Rule]) -> Draft | None:
        """Return the plan as if the visit needed fewer parts; None where what is waived are not parts."""
        left = self.parts_without(waived)
        if len(left) == len(self.visit.parts):
            return None
        day = copy(self.day)
        visits = list(day.visits)
        visits[self.visit_no] = replace(self.visit, parts=left)
        day.visits = tuple(visits)
        draft = Draft(day)
        draft.restore(self.draft.snapshot())
        return draft

    def able_without(self, waived: Collection[Rule]) -> Mask:
        """Return the shifts that nothing but these rules keeps the visit from."""
        able = np.zeros(len(self.day.shifts), dtype=bool)
        for failed, mask in self.shifts_by_failed().items():
            if failed <= set(waived):
                able |= mask
        return able

    def shifts_by_failed(self) -> dict[frozenset[Rule], Mask]:
        """Return the shifts, by the rules of permission that fail on them."""
        if self._by_failed is None:
            groups: dict[frozenset[Rule], list[int]] = {}
            for number, failed in enumerate(self.permission):
                groups.setdefault(frozenset(each.rule for each in failed), []).append(number)
            self._by_failed = {}
            for rules, numbers in groups.items():
                self._by_failed[rules] = np.zeros(len(self.day.shifts), dtype=bool)
                self._by_failed[rules][numbers] = True
        return self._by_failed

    # --- the smallest set ---

    def blocking(self) -> tuple[tuple[Rule, ...], ...]:
        masks = self.shifts_by_failed()
        for size in range(_MOST_RULES + 1):
            found: set[frozenset[Rule]] = set()
            for failed_rules, mask in masks.items():
                if len(failed_rules) > size:
                    continue
                for more in combinations(self.rules_of_time(mask), size - len(failed_rules)):
                    rules = failed_rules.union(more)
                    if len(rules) == size and rules not in found and self._fits(mask, rules):
                        found.add(rules)
            if found:
                if size == 0:
                    return ((Rule.PRICE,),)
                order = list(Rule)
                return tuple(sorted(tuple(sorted(each, key=order.index)) for each in found))
        return ()

    def rules_of_time(self, mask: Mask) -> Iterator[Rule]:
        """Yield the rules that can be taken away from these shifts, or from the visit on them."""
        yield Rule.WINDOW
        if self.visit.promise is not None:
            yield Rule.PROMISE
        pin = self.day.decisions.pins.get(self.visit.id)
        if pin is not None and pin.start is not None:
            yield Rule.PIN
        yield Rule.HOURS
        if (self.fleets.has_absences & mask).any():
            yield Rule.ABSENCE
        if (self.fleets.has_length & mask).any():
            yield Rule.LENGTH
        if self.fetches:
            yield Rule.DEPOT
        if any(part not in self.day.decisions.at_depots for part, _ in self.visit.parts):
            yield Rule.PARTS
        if (self.fleets.has_visits & mask).any():
            yield Rule.ROOM

    def starts(self, waived: set[Rule]) -> tuple[Interval, ...]:
        if not waived & {Rule.WINDOW, Rule.PROMISE, Rule.PIN}:
            return self.day.starts[self.visit_no]
        pin = self.day.decisions.pins.get(self.visit.id)
        starts = self.day.starts_of(
            replace(
                self.visit,
                windows=_ANY_TIME if Rule.WINDOW in waived else self.visit.windows,
                promise=None if Rule.PROMISE in waived else self.visit.promise,
            ),
            ignore_pin=Rule.PIN in waived or pin is None,
        )
        now = self.day.problem.now
        if now is None:
            return starts
        return tuple((max(now, opens), closes) for opens, closes in starts if closes >= now)
