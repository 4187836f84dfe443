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
from scheduler.candidates import Ints, Mask
from scheduler.engine.indexed import IndexedDay
from scheduler.engine.insertion import Draft
from scheduler.engine.permissions import Rule
from scheduler.engine.ties import NEVER, Tie
from scheduler.engine.timing import as_route, earliest_starts
from scheduler.engine.together import put, settle
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
_ANY_TIME: Interval = (-NEVER, NEVER)


class _LookedLongEnough(Exception):
    """So many places were timed that the rest is not looked at."""


@dataclass(frozen=True, slots=True)
class _Spot:
    """A place on a route, and between which instants a visit could begin there at most."""

    shift: int
    position: int
    begins: Interval


@dataclass(frozen=True, slots=True)
class _Spots:
    """Many of them, in their order: `first` and `last` are between what a visit could begin."""

    shift: Ints
    position: Ints
    first: Ints
    last: Ints

    @staticmethod
    def anywhere(shift_no: int, first: int, end: int) -> _Spots:
        """Return the positions [first, end) of one route, at any time."""
        position = np.arange(first, end)
        always = np.full(len(position), NEVER)
        return _Spots(np.full(len(position), shift_no), position, -always, always)

    def at(self, indices: Ints) -> _Spots:
        return _Spots(
            self.shift[indices], self.position[indices], self.first[indices], self.last[indices]
        )

    def __getitem__(self, index: int) -> _Spot:
        begins = int(self.first[index]), int(self.last[index])
        return _Spot(int(self.shift[index]), int(self.position[index]), begins)


def _asked_for(day: IndexedDay, tie: Tie, other: _Spot) -> tuple[int, int, int]:
    """Return from when and until when a tie lets a visit begin, and by when it has to end."""
    first, last = other.begins
    opens = first - tie.greatest
    if tie.order < 0:
        opens = max(opens, first + day.work_s(other.shift, tie.other))
    return opens, last - tie.least, last if tie.order > 0 else 2 * NEVER


class Together:
    """A bound visit held against a plan, with all that has to be planned with it."""

    def __init__(self, fleets: Fleets, visit_no: int, members: Sequence[int]) -> None:
        self.fleets, self.day = fleets, fleets.day
        self.visit_no, self.members = visit_no, tuple(members)
        self.asked = {each: Inquiry(fleets, each) for each in {visit_no, *members}}
        self.before = fleets.draft.snapshot()
        self.left = _TIMED
        self.spots: dict[tuple[int, frozenset[Rule]], _Spots] = {}

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
            floors = {each: self._begins(draft.day, each, put_in)[0] for each in put_in}
            return settle(draft, self.members, floors)
        visit, rest = members[0], members[1:]
        touched = {spot.shift for spot in put_in.values()}
        for spot in self._places(draft, visit, rules, put_in):
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
                there = self._as_timed(draft, {**put_in, visit: spot}, visit)
                least, greatest = self._begins(draft.day, visit, there)
                if least <= greatest and self._fit(draft, rest, rules, there):
                    return True
                draft.put_back(shift_no, before, timed)
        return False

    def _as_timed(
        self, draft: Draft, put_in: Mapping[int, _Spot], visit: int
    ) -> Mapping[int, _Spot]:
        """Return the places with that of a visit just put there: it begins no earlier than its route has it.

        Of several on one route nothing is known: with another order its pause may be taken elsewhere.
        """
        spot = put_in[visit]
        mates = [each for each, other in put_in.items() if other.shift == spot.shift]
        if len(mates) > 1:
            return {**put_in, **{each: replace(put_in[each], begins=_ANY_TIME) for each in mates}}
        timed = draft.timed[spot.shift]
        assert timed is not None, "it was put there"
        begins = dict(earliest_starts(draft.day, timed, opened=draft.held))[visit]
        begun = replace(spot, begins=(max(begins, spot.begins[0]), spot.begins[1]))
        return {**put_in, visit: begun}

    def _places(
        self, draft: Draft, visit: int, rules: Collection[Rule], put_in: Mapping[int, _Spot]
    ) -> Iterator[_Spot]:
        """Yield the places where a visit can begin when its partners' places ask for it: no other is timed.

        First those that the bounds allow, the widest first, then all of routes that have changed.
        """
        day, spots = draft.day, self._spots(draft.day, visit, rules)
        may = self._shared(draft, visit, put_in)
        fits = may[spots.shift] & self._may_meet(day, visit, spots, put_in)
        touched = sorted({spot.shift for spot in put_in.values()})
        fits &= ~np.isin(spots.shift, touched)
        for index in np.flatnonzero(fits).tolist():
            yield spots[index]
        for number in touched:
            if may[number] and day.able[number, visit]:
                first = len(day.shifts[number].prefix)
                there = _Spots.anywhere(number, first, len(draft.orders[number]) + 1)
                for index in np.flatnonzero(self._may_meet(day, visit, there, put_in)).tolist():
                    yield there[index]

    def _spots(self, day: IndexedDay, visit: int, rules: Collection[Rule]) -> _Spots:
        """Return the places that the bounds allow a visit in the plan, the widest first."""
        known = self.spots.get((visit, frozenset(rules)))
        if known is not None:
            return known
        fleet, asked = self.fleets.without(rules), self.asked[visit]
        gaps = fleet.gaps(replace(asked.wanted, starts=day.starts[visit]), day.able[:, visit])
        fits = np.flatnonzero(gaps.fits)
        shift, start = fleet.shift[fits], gaps.start[fits]
        slack = fleet.needed_by[fits] - start - asked.wanted.work_s[shift]
        slack -= asked.wanted.back_s[fleet.after[fits]]
        order = np.argsort(-slack, kind="stable")
        found = _Spots(shift, fleet.position[fits], start, start + slack).at(order)
        _, first = np.unique(found.shift * len(day.visits) + found.position, return_index=True)
        return self.spots.setdefault((visit, frozenset(rules)), found.at(np.sort(first)))

    def _shared(self, draft: Draft, visit: int, put_in: Mapping[int, _Spot]) -> Mask:
        """Return the shifts that may have a visit beside its partners where these are."""
        may = np.ones(len(draft.day.shifts), dtype=bool)
        for tie in draft.day.ties.get(visit, ()):
            spot = put_in.get(tie.other)
            theirs = draft.shift_of.get(tie.other) if spot is None else spot.shift
            if theirs is None:
                continue
            same = self.fleets.person == self.fleets.person[theirs]
            if tie.one_person:
                may &= same
            if tie.two_people:
                may &= ~same
            if tie.same_day:
                may &= self.fleets.on_day == self.fleets.on_day[theirs]
        return may

    def _may_meet(
        self, day: IndexedDay, visit: int, spots: _Spots, put_in: Mapping[int, _Spot]
    ) -> Mask:
        """Return the places where the visit can begin when its partners' places ask for it."""
        least, greatest = spots.first, spots.last
        work_s = self.asked[visit].wanted.work_s[spots.shift]
        for tie in day.ties.get(visit, ()):
            other = put_in.get(tie.other)
            if other is None:
                continue
            opens, closes, ends = _asked_for(day, tie, other)
            latest = np.minimum(closes, ends - work_s)
            elsewhere = spots.shift != other.shift
            least = np.where(elsewhere, np.maximum(least, opens), least)
            greatest = np.where(elsewhere, np.minimum(greatest, latest), greatest)
        return least <= greatest

    def _begins(self, day: IndexedDay, visit: int, put_in: Mapping[int, _Spot]) -> Interval:
        """Return between which instants a visit that has been put there could begin at most."""
        spot = put_in[visit]
        least, greatest = spot.begins
        for tie in day.ties.get(visit, ()):
            other = put_in.get(tie.other)
            if other is None or other.shift == spot.shift:
                continue
            opens, closes, ends = _asked_for(day, tie, other)
            least = max(least, opens)
            greatest = min(greatest, closes, ends - day.work_s(spot.shift, visit))
        return least, greatest

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
            if best is not None and way is Way.WINDOW and abs(minutes) * 60 >= best[0]:
                continue  # that alone counts for more
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
        whole = self._at_any_price(())
        for minutes in _MINUTES:
            for signed in () if any(held) else (-minutes, minutes):
                yield Way.WINDOW, signed, (), self._opened(whole, signed * 60)
            day = copy(whole)
            day.terms = self.fleets.longer_terms(minutes * 60)
            yield Way.OVERTIME, minutes, (), day
        waived = sorted(self._rules() & WAIVABLE, key=list(Rule).index)
        for size in (1, 2):
            for rules in combinations(waived, size):
                yield Way.WAIVER, 0, rules, self._at_any_price(rules)

    def _opened(self, whole: IndexedDay, seconds: int) -> IndexedDay:
        """Return the day with the windows of all of them opened earlier (below zero) or closed later."""
        day, floor = copy(whole), self.day.problem.now or 0
        day.starts = list(day.starts)
        for each in self.members:
            windows: list[Interval] = [
                (max(floor, opens + min(0, seconds)), max(floor, closes + max(0, seconds)))
                for opens, closes in self.day.visits[each].windows
            ]
            day.starts[each] = merged(windows)
        return day

    def _at_any_price(self, rules: Collection[Rule]) -> IndexedDay:
        """Return the day without these rules for them, on which they have to be done by who is near."""
        day = self._without(self.members, rules)
        day.drop = list(day.drop)
        for each in self.members:
            day.drop[each] = _AT_ANY_PRICE
            able = np.flatnonzero(day.able[:, each])
            drives = day.problem.travel_s[day.start_places[able], day.place[each]]
            day.able[:, each] = False
            day.able[able[np.argsort(drives, kind="stable")][:_NEAREST], each] = True
        return day

    def _put_in(self, day: IndexedDay) -> Draft | None:
        """Return the plan with all of them in it, whatever that costs; None where they find no place."""
        draft = Draft(day, like=self.fleets.draft)
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
