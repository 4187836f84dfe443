"""Why visits that a crew or a link binds are not in a plan, and what would let them in: all of them as one.

Each is put wherever the bounds allow, and the routes are timed together. Looking ends after so many timings:
what was found by then is so, and of the rest nothing is said.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from scheduler.blocking import Fleets, Inquiry
from scheduler.engine.indexed import IndexedDay
from scheduler.engine.insertion import Draft
from scheduler.engine.permissions import Rule
from scheduler.engine.ties import NEVER
from scheduler.engine.timing import as_route
from scheduler.engine.together import may_share, put, settle
from scheduler.problem import Interval
from scheduler.relaxations import WAIVABLE, WAIVER_S, Relaxation, Way, merged

_MOST_RULES = 3
_TIMED = 150
"""How many places are timed for one visit and its partners."""
_NEAREST = 6
"""On how many shifts each of them is tried for the cheapest way in."""
_MINUTES = (15, 60, 240)
"""By how much windows and shifts are made longer."""
_AT_ANY_PRICE = 1 << 40


class _LookedLongEnough(Exception):
    """So many places were timed that the rest is not looked at."""


@dataclass(frozen=True, slots=True)
class _Spot:
    """A place on a route, and between which instants a visit could begin there at most."""

    shift: int
    position: int
    begins: Interval


class Together:
    """A bound visit held against a plan, with all that has to be planned with it."""

    def __init__(self, fleets: Fleets, visit_no: int, members: Sequence[int]) -> None:
        self.fleets, self.day = fleets, fleets.day
        self.visit_no, self.members = visit_no, tuple(members)
        self.asked = {each: Inquiry(fleets, each) for each in {visit_no, *members}}
        self.before = fleets.draft.snapshot()
        self.left = _TIMED

    # --- the smallest set ---

    def blocking(self) -> tuple[tuple[Rule, ...], ...]:
        """Return the smallest sets of rules without which all of them fit; `partner` is what binds them."""
        if not all(self.fleets.closed.keeps_prefix):
            return ()
        rules = sorted(self._rules(), key=list(Rule).index)
        for size in range(_MOST_RULES + 1):
            found: list[tuple[Rule, ...]] = []
            try:
                found.extend(few for few in combinations(rules, size) if self._fits(few))
            except _LookedLongEnough:
                return tuple(found)
            if found:
                return tuple(found) if size else ((Rule.PRICE,),)
        return ()

    def _rules(self) -> set[Rule]:
        everywhere = np.ones(len(self.day.shifts), dtype=bool)
        rules = {Rule.PARTNER}
        for asked in self.asked.values():
            rules.update(failure.rule for failed in asked.permission for failure in failed)
            rules.update(asked.rules_of_time(everywhere))
        return rules

    def _fits(self, rules: Collection[Rule]) -> bool:
        members = (self.visit_no,) if Rule.PARTNER in rules else self.members
        draft = Draft(self._without(members, rules))
        draft.restore(self.before)
        return self._fit(draft, members, rules, {})

    def _fit(
        self,
        draft: Draft,
        members: Sequence[int],
        rules: Collection[Rule],
        put_in: Mapping[int, _Spot],
    ) -> bool:
        """Whether the rest of the members find places in which all can be timed together."""
        if not members:
            return settle(draft, self.members)
        visit, rest = members[0], members[1:]
        touched = {spot.shift for spot in put_in.values()}
        for spot in self._places(draft, visit, rules, touched):
            if not self._may_meet(draft.day, visit, spot, put_in):
                continue
            shift_no, position = spot.shift, spot.position
            if not self.left:
                raise _LookedLongEnough
            self.left -= 1
            before, timed = draft.orders[shift_no], draft.timed[shift_no]
            order = list(before)
            if Rule.ROOM in rules and shift_no not in touched:
                order = order[: len(self.day.shifts[shift_no].prefix)]
            order.insert(position, visit)
            if draft.set_order(shift_no, order):
                if self._fit(draft, rest, rules, {**put_in, visit: spot}):
                    return True
                draft.put_back(shift_no, before, timed)
        return False

    def _places(
        self, draft: Draft, visit: int, rules: Collection[Rule], touched: Collection[int]
    ) -> Iterator[_Spot]:
        """Yield the places that the bounds allow, the widest first, and all of routes that have changed."""
        day, fleet, asked = draft.day, self.fleets.without(rules), self.asked[visit]
        allowed = day.able[:, visit].copy()
        there = [tie for tie in day.ties.get(visit, ()) if tie.other in draft.shift_of]
        for number in np.flatnonzero(allowed).tolist() if there else ():
            allowed[number] = all(
                may_share(day, tie, number, draft.shift_of[tie.other]) for tie in there
            )
        gaps = fleet.gaps(replace(asked.wanted, starts=day.starts[visit]), allowed)
        fits = np.flatnonzero(gaps.fits)
        shift = fleet.shift[fits]
        slack = fleet.needed_by[fits] - gaps.start[fits] - asked.wanted.work_s[shift]
        slack -= asked.wanted.back_s[fleet.after[fits]]
        seen: set[tuple[int, int]] = set()
        for index in np.argsort(-slack, kind="stable"):
            place = int(shift[index]), int(fleet.position[fits[index]])
            if place[0] not in touched and place not in seen:
                seen.add(place)
                earliest = int(gaps.start[fits[index]])
                yield _Spot(*place, (earliest, earliest + int(slack[index])))
        for number in sorted(touched):
            if allowed[number]:
                first = len(day.shifts[number].prefix)
                for position in range(first, len(draft.orders[number]) + 1):
                    yield _Spot(number, position, (-NEVER, NEVER))

    def _may_meet(
        self, day: IndexedDay, visit: int, spot: _Spot, put_in: Mapping[int, _Spot]
    ) -> bool:
        """Whether there the visit can begin when its partners' places ask for it: if not, none is timed."""
        least, greatest = spot.begins
        for tie in day.ties.get(visit, ()):
            other = put_in.get(tie.other)
            if other is None or other.shift == spot.shift:
                continue
            first, last = other.begins
            least, greatest = max(least, first - tie.greatest), min(greatest, last - tie.least)
            if tie.order < 0:
                least = max(least, first + day.work_s(other.shift, tie.other))
            elif tie.order > 0:
                greatest = min(greatest, last - day.work_s(spot.shift, visit))
        return least <= greatest

    def _without(self, members: Sequence[int], rules: Collection[Rule]) -> IndexedDay:
        """Return the day as if these rules did not bind these visits, or any shift."""
        day = copy(self.day)
        day.able, day.starts, visits = day.able.copy(), list(day.starts), list(day.visits)
        for each in members:
            asked = self.asked[each]
            day.starts[each] = asked.starts(set(rules))
            visits[each] = replace(asked.visit, parts=asked.parts_without(set(rules)))
            day.able[:, each] = asked.able_without(rules)
        day.visits = tuple(visits)
        if not {Rule.HOURS, Rule.ABSENCE, Rule.LENGTH}.isdisjoint(rules):
            day.terms = self.fleets.all_terms(rules)
        if Rule.PARTNER in rules:
            day.ties = {
                one: [tie for tie in ties if tie.other not in members]
                for one, ties in day.ties.items()
                if one not in members
            }
            day.linked = day.ties.keys()
        return day

    # --- the cheapest way in ---

    def relaxation(self) -> Relaxation | None:
        """Return the cheapest change found that lets all of them in; each was tried, timed and priced."""
        best: tuple[int, Relaxation] | None = None
        for way, minutes, rules, day in self._ways():
            draft = self._put_in(day)
            if draft is None:
                continue
            over = self._over(draft) if way is Way.OVERTIME else 0
            if way is Way.OVERTIME and not over:
                continue
            found = self._said(draft, way, over or minutes, rules)
            price = found.cost + abs(found.minutes) * 60 + WAIVER_S * len(rules)
            if best is None or price < best[0]:
                best = price, found
        return None if best is None else best[1]

    def _ways(self) -> Iterator[tuple[Way, int, tuple[Rule, ...], IndexedDay]]:
        held = [
            self.day.visits[each].promise is not None
            or self.day.visits[each].id in self.day.decisions.pins
            for each in self.members
        ]
        for minutes in _MINUTES:
            for signed in () if any(held) else (-minutes, minutes):
                yield Way.WINDOW, signed, (), self._opened(signed * 60)
            day = self._without(self.members, ())
            day.terms = self.fleets.longer_terms(minutes * 60)
            yield Way.OVERTIME, minutes, (), day
        waived = sorted(self._rules() & WAIVABLE, key=list(Rule).index)
        for size in (1, 2):
            for rules in combinations(waived, size):
                yield Way.WAIVER, 0, rules, self._without(self.members, rules)

    def _opened(self, seconds: int) -> IndexedDay:
        """Return the day with the windows of all of them opened earlier (below zero) or closed later."""
        day, floor = self._without(self.members, ()), self.day.problem.now or 0
        for each in self.members:
            windows: list[Interval] = [
                (max(floor, opens + min(0, seconds)), max(floor, closes + max(0, seconds)))
                for opens, closes in self.day.visits[each].windows
            ]
            day.starts[each] = merged(windows)
        return day

    def _put_in(self, day: IndexedDay) -> Draft | None:
        """Return the plan with all of them in it, whatever that costs; None where they find no place."""
        day.drop = list(day.drop)
        for each in self.members:
            day.drop[each] = _AT_ANY_PRICE
            able = np.flatnonzero(day.able[:, each])
            drives = day.problem.travel_s[day.start_places[able], day.place[each]]
            day.able[:, each] = False
            day.able[able[np.argsort(drives, kind="stable")][:_NEAREST], each] = True
        draft = Draft(day)
        draft.restore(self.before)
        put(draft, self.members[0], self.members)
        return draft if draft.shift_of.keys() >= set(self.members) else None

    def _over(self, draft: Draft) -> int:
        """Return by how many minutes the longest of their shifts is exceeded."""
        over = 0
        for each in self.members:
            number = draft.shift_of[each]
            timed = draft.timed[number]
            assert timed is not None, "it was put there"
            over = max(over, timed.back - self.day.terms[number].last)
        return -(-over // 60)

    def _said(self, draft: Draft, way: Way, minutes: int, rules: tuple[Rule, ...]) -> Relaxation:
        shift_no = draft.shift_of[self.visit_no]
        cost = metres = 0
        for now, then in zip(self.before.timed, draft.timed, strict=True):
            if now is not then:
                cost += (0 if then is None else then.cost) - (0 if now is None else now.cost)
                metres += 0 if then is None else as_route(self.day, then).drive_m
                metres -= 0 if now is None else as_route(self.day, now).drive_m
        timed = draft.timed[shift_no]
        assert timed is not None, "it was put there"
        people = [shift_no, *(draft.shift_of[each] for each in self.members)]
        return Relaxation(
            way=way,
            shift=self.day.shifts[shift_no].id,
            technician=", ".join(dict.fromkeys(map(self.fleets.closed.name, people))),
            starts_at=self.fleets.closed.clock(timed.times[timed.items.index(self.visit_no)][1]),
            cost=cost,
            metres=metres,
            minutes=minutes,
            rules=rules,
        )
