"""Why a visit is not in a plan, and what would let it in.

Codes and facts; `scheduler.sentences` says them in English and Russian. Everything here is found by
insertion: the visit is put at every position of every shift with some rules taken away, and the whole
route is timed as the plan's own routes are.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import combinations
from zoneinfo import ZoneInfo

import numpy as np

from scheduler.candidates import NEVER, Fleet, Gaps, Mask, longer
from scheduler.engine.indexed import IndexedDay, Terms
from scheduler.engine.insertion import Draft, Place, fits_alone
from scheduler.engine.permissions import Failure, Rule, failures
from scheduler.engine.timing import as_route, first_start
from scheduler.problem import DAY_S, Cause, DayProblem, Interval, Plan, Unplanned, Visit

_MOST_RULES = 3
_TIMED_SHIFTS = 12
_TIMED_GAPS = 3
_TRIED = 40
_TRIED_BUMPS = 5
"""How many shifts, gaps of each, gaps for a relaxation and places of others are timed exactly for a visit."""
_LATER_S = 4 * 3_600
_GRID_S = 300
_WAIVER = 3_600
"""What waiving a rule about people counts for when relaxations are compared; a second that a window
is opened earlier or closed later counts 1."""

_WAIVABLE = {Rule.SKILL, Rule.LEVEL, Rule.REQUIRED, Rule.FORBIDDEN, Rule.TERRITORY, Rule.PARTS}
_ANY_TIME: tuple[Interval, ...] = ((0, 1 << 40),)


class Way(StrEnum):
    """How a rule could give way."""

    WINDOW = "window"
    OVERTIME = "overtime"
    WAIVER = "waiver"
    BUMP = "bump"
    OTHER_DAY = "other_day"


@dataclass(frozen=True, slots=True)
class ShiftReason:
    """What keeps the visit from one shift; never empty."""

    shift: str
    technician: str
    """Their name, or id where they have none."""
    failures: tuple[Failure, ...]


@dataclass(frozen=True, slots=True)
class Relaxation:
    """A change that was tried and lets the visit in, with what it would do to the plan."""

    way: Way
    shift: str
    technician: str
    starts_at: str
    """Local time of beginning, `HH:MM`, with the day before it where the horizon has several."""
    cost: int
    """Of the plan, in seconds of driving; what leaving the visit out costs is not deducted."""
    metres: int
    """Driven more than now; below zero where less."""
    minutes: int = 0
    """A window opened earlier (below zero) or closed later, or the end of the shift moved."""
    rules: tuple[Rule, ...] = ()
    """What is waived."""
    bumped: str | None = None
    """The visit that makes room, by id."""
    bumped_label: str | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """Why one visit is left out."""

    visit: str
    label: str
    cause: Cause
    shifts: tuple[ShiftReason, ...] = ()
    blocking: tuple[tuple[Rule, ...], ...] = ()
    """The smallest sets of rules without which it would fit, up to three rules each; empty where more
    than three stand in the way on every shift."""
    relaxation: Relaxation | None = None
    """The cheapest found."""
    conditions: tuple[str, ...] = ()
    """Of an unsupported visit: `crew`, `link`."""
    is_brief: bool = False
    """True: the time for looking had passed. `shifts` names permissions and hours, `room` or `travel`
    stands for whatever else it is, and the rest is empty; ask `explain` for this visit alone."""

    @property
    def in_any_plan(self) -> bool:
        """True: in no plan could it be done. False: in this plan it is not."""
        return self.cause is Cause.IMPOSSIBLE


def explain(
    problem: DayProblem,
    plan: Plan,
    *,
    seconds: float | None = None,
    visits: Collection[str] | None = None,
) -> list[Reason]:
    """Return a reason for every visit `plan` leaves out, or for those of `visits`, in its order.

    After `seconds` the rest is explained in brief; visits that are dearest to leave out come first.
    The plan must be one the referee accepts.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    explainer = Explainer(problem, plan)
    day = explainer.day
    found: dict[str, Reason] = {}
    asked = [each for each in plan.unplanned if visits is None or each.visit in visits]
    for each in sorted(asked, key=lambda each: -day.drop[day.visit_no[each.visit]]):
        in_time = deadline is None or time.monotonic() < deadline
        found[each.visit] = explainer.reason(each, in_full=in_time)
    return [found[each.visit] for each in asked]


class Explainer:
    """A plan made ready to be asked about; what all its visits share is looked up once."""

    def __init__(self, problem: DayProblem, plan: Plan) -> None:
        self.day = IndexedDay(problem)
        self._fleets = _Fleets(Draft.of(self.day, plan))

    def reason(self, left_out: Unplanned, *, in_full: bool = True) -> Reason:
        number = self.day.visit_no[left_out.visit]
        visit = self.day.visits[number]
        if left_out.cause is Cause.UNSUPPORTED:
            label = visit.label or visit.id
            return Reason(visit.id, label, left_out.cause, conditions=left_out.conditions)
        inquiry = _Inquiry(self._fleets, number)
        return inquiry.reason(left_out.cause) if in_full else inquiry.brief(left_out.cause)


class _Fleets:
    """The gaps of a plan's routes with some rules of shifts taken away; looked up once for all visits."""

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self.day = draft.day
        absences = [bool(shift.absences) for shift in self.day.shifts]
        self.has_absences = np.array(absences, dtype=bool)
        self.has_visits = np.array([bool(order) for order in draft.orders], dtype=bool)
        self._built: dict[tuple[bool, bool, bool], Fleet] = {}
        self.drops = np.array(self.day.drop, dtype=np.int64)
        self.longer = Fleet(draft, terms=lambda number: longer(self.day.terms[number], _LATER_S))
        for waived in ((), (Rule.ROOM,), (Rule.HOURS,), (Rule.ABSENCE,)):
            self.without(waived)

    def without(self, waived: Iterable[Rule]) -> Fleet:
        rules = set(waived)
        absence = Rule.ABSENCE in rules and bool(self.has_absences.any())
        key = Rule.HOURS in rules, absence, Rule.ROOM in rules
        if key not in self._built:
            self._built[key] = Fleet(
                self.draft,
                terms=lambda number: self.terms(number, rules),
                alone=Rule.ROOM in rules,
            )
        return self._built[key]

    def terms(self, shift_no: int, waived: Collection[Rule]) -> Terms:
        terms = self.day.terms[shift_no]
        midnight = self.day.shifts[shift_no].day * DAY_S
        if Rule.ABSENCE in waived:
            terms = replace(terms, extras=tuple(each for each in terms.extras if each.is_break))
        if Rule.HOURS in waived:
            opens = min(terms.opens, max(midnight, self.day.problem.now or 0))
            last = max(terms.last, midnight + DAY_S)
            terms = replace(terms, opens=opens, closes=last, last=last)
        return terms


class _Inquiry:
    """One visit held against every shift of one plan."""

    def __init__(self, fleets: _Fleets, visit_no: int) -> None:
        self.fleets = fleets
        self.draft = fleets.draft
        self.day = fleets.day
        self.visit_no = visit_no
        self.visit = self.day.visits[visit_no]
        self.permission = self._permissions()
        self.permitted = np.array([not failed for failed in self.permission], dtype=bool)
        self.carries = np.ones(len(self.day.shifts), dtype=bool)
        if self.visit.parts:
            self.carries[:] = [
                self.draft.has_parts(number, visit_no) for number in range(len(self.day.shifts))
            ]
        self.wanted = fleets.without(()).wanted(visit_no)

    def _permissions(self) -> list[tuple[Failure, ...]]:
        """Return what keeps the visit from each shift; shifts that are able fail at nothing."""
        day = self.day
        able = day.able[:, self.visit_no]
        return [
            () if able[number] else tuple(failures(day.decisions, shift, self.visit))
            for number, shift in enumerate(day.shifts)
        ]

    def _named(self, failed: Sequence[tuple[Failure, ...]]) -> tuple[ShiftReason, ...]:
        return tuple(
            ShiftReason(shift.id, self._name(number), each)
            for number, (shift, each) in enumerate(zip(self.day.shifts, failed, strict=True))
        )

    def brief(self, cause: Cause) -> Reason:
        """Return what permissions and hours say, without putting the visit anywhere."""
        rest = (Failure(Rule.TRAVEL if cause is Cause.IMPOSSIBLE else Rule.ROOM),)
        static = [self._static(number) or rest for number in range(len(self.day.shifts))]
        return Reason(
            visit=self.visit.id,
            label=self.visit.label or self.visit.id,
            cause=cause,
            shifts=self._named(static),
            is_brief=True,
        )

    def reason(self, cause: Cause) -> Reason:
        return Reason(
            visit=self.visit.id,
            label=self.visit.label or self.visit.id,
            cause=cause,
            shifts=self._named(self._failures()),
            blocking=self._blocking(),
            relaxation=self._cheapest(),
        )

    # --- what fails ---

    def _static(self, shift_no: int) -> tuple[Failure, ...]:
        """Return the rules that fail wherever the technician comes from."""
        failed = self.permission[shift_no]
        terms = self.day.terms[shift_no]
        starts = self.day.starts[self.visit_no]
        if not starts:
            return (*failed, Failure(Rule.PROMISE if self.visit.promise else Rule.WINDOW))
        latest = terms.last - self.day.work_s(shift_no, self.visit_no)
        if not any(max(opens, terms.opens) <= min(closes, latest) for opens, closes in starts):
            hours = (("opens", self._clock(terms.opens)), ("closes", self._clock(terms.closes)))
            return (*failed, Failure(Rule.HOURS, hours))
        return failed

    def _failures(self) -> list[tuple[Failure, ...]]:
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
        found: list[tuple[Failure, ...]] = []
        for number in range(len(self.day.shifts)):
            failed = self._static(number)
            if failed:
                found.append(failed)
            elif not (fits_alone[number] and self._stands_alone(number)):
                absent = fits_present[number] and self._fits(
                    self._only(number), {Rule.ABSENCE, Rule.ROOM}
                )
                found.append((Failure(Rule.ABSENCE if absent else Rule.TRAVEL),))
            elif parts is not None and not self.carries[number]:
                found.append((parts,))
            elif number not in costs:
                found.append((Failure(Rule.ROOM),))
            else:
                drop = self.day.drop[self.visit_no]
                found.append((Failure(Rule.PRICE, (("cost", costs[number]), ("drop", drop))),))
        return found

    def _stands_alone(self, shift_no: int) -> bool:
        """Whether a shift with only this visit keeps a timetable, where the bounds do not refuse it."""
        terms = self.day.terms[shift_no]
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
        return fleet.gaps(replace(self.wanted, starts=self._starts(set(waived))), allowed)

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
        opened = self._starts(set(waived))
        changed = bool({Rule.HOURS, Rule.ABSENCE} & set(waived))
        for index in np.argsort(-slack, kind="stable"):
            number = int(shift[index])
            terms = self.fleets.terms(number, waived) if changed else None
            if fleet.timed(int(fits[index]), self.visit_no, opened=opened, terms=terms):
                return True
        return False

    # --- the smallest set ---

    def _blocking(self) -> tuple[tuple[Rule, ...], ...]:
        groups: dict[frozenset[Rule], list[int]] = {}
        for number, failed in enumerate(self.permission):
            groups.setdefault(frozenset(each.rule for each in failed), []).append(number)
        masks = {}
        for failed_rules, numbers in groups.items():
            masks[failed_rules] = np.zeros(len(self.day.shifts), dtype=bool)
            masks[failed_rules][numbers] = True
        for size in range(_MOST_RULES + 1):
            found: set[frozenset[Rule]] = set()
            for failed_rules, mask in masks.items():
                if len(failed_rules) > size:
                    continue
                for more in combinations(self._rules_of_time(mask), size - len(failed_rules)):
                    rules = failed_rules.union(more)
                    if len(rules) == size and rules not in found and self._fits(mask, rules):
                        found.add(rules)
            if found:
                if size == 0:
                    return ((Rule.PRICE,),)
                order = list(Rule)
                return tuple(sorted(tuple(sorted(each, key=order.index)) for each in found))
        return ()

    def _rules_of_time(self, mask: Mask) -> Iterator[Rule]:
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
        if self.visit.parts:
            yield Rule.PARTS
        if (self.fleets.has_visits & mask).any():
            yield Rule.ROOM

    def _starts(self, waived: set[Rule]) -> tuple[Interval, ...]:
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

    # --- what would let it in ---

    def _cheapest(self) -> Relaxation | None:
        best: tuple[int, Relaxation] | None = None
        for attempt in (self._window, self._overtime, self._waiver, self._bump, self._other_day):
            for price, relaxation in attempt():
                if best is None or price < best[0]:
                    best = price, relaxation
        return None if best is None else best[1]

    def _window(self) -> Iterator[tuple[int, Relaxation]]:
        """Open or close the windows by as little as does, to five minutes."""
        if self.visit.promise is not None or self.visit.id in self.day.decisions.pins:
            return
        fleet, wanted = self.fleets.without(()), self.wanted
        allowed = self.permitted & self.carries
        floor = self.day.problem.now or 0
        there, back = wanted.there_s[fleet.before], wanted.back_s[fleet.after]
        earliest = np.maximum(fleet.free_from + there, floor)
        latest = fleet.needed_by - back - wanted.work_s[fleet.shift]
        off = np.full(len(fleet), NEVER, dtype=np.int64)
        for opens, closes in self.visit.windows:
            off = np.minimum(off, np.maximum(0, np.maximum(opens - latest, earliest - closes)))
        fits = allowed[fleet.shift] & (earliest <= latest) & (off <= _LATER_S)
        gaps = Gaps(earliest, fits, fleet.gaps(wanted, allowed).least)
        best: tuple[int, Place, int] | None = None
        for tried, (gap, least) in enumerate(fleet.in_order(gaps, off)):
            if tried >= _TRIED or (best is not None and least >= best[0]):
                break
            enough = -(-max(1, int(off[gap])) // _GRID_S) * _GRID_S
            opened = _merged(
                (max(floor, opens - enough), max(floor, closes + enough))
                for opens, closes in self.visit.windows
            )
            place = fleet.timed(gap, self.visit_no, opened=opened)
            if place is None:
                continue
            beside = _outside(self._start(place), self.visit.windows)
            price = place.delta + abs(beside)
            if beside and (best is None or price < best[0]):
                best = price, place, beside
        if best is not None:
            price, place, beside = best
            minutes = -(-abs(beside) // 60) * (1 if beside > 0 else -1)
            yield price, self._relaxed(Way.WINDOW, place, minutes=minutes)

    def _overtime(self) -> Iterator[tuple[int, Relaxation]]:
        def over(place: Place) -> int:
            return max(0, place.timed.back - self.day.terms[place.shift_no].last)

        fleet = self.fleets.longer
        gaps = fleet.gaps(self.wanted, self.permitted & self.carries)
        found = fleet.best(
            self.visit_no,
            gaps,
            price=over,
            terms=lambda number: longer(self.day.terms[number], _LATER_S),
            most=_TRIED,
        )
        if found is not None and over(found[1]) > 0:
            minutes = -(-over(found[1]) // 60)
            yield found[0], self._relaxed(Way.OVERTIME, found[1], minutes=minutes)

    def _waiver(self) -> Iterator[tuple[int, Relaxation]]:
        groups: dict[frozenset[Rule], list[int]] = {}
        for shift_no, failed in enumerate(self.permission):
            rules = frozenset(failure.rule for failure in failed)
            if rules and rules <= _WAIVABLE:
                groups.setdefault(rules, []).append(shift_no)
        fleet = self.fleets.without(())
        for rules, shifts in groups.items():
            mask = np.zeros(len(self.day.shifts), dtype=bool)
            mask[shifts] = True
            found = fleet.best(
                self.visit_no,
                fleet.gaps(self.wanted, mask),
                has_parts=Rule.PARTS not in rules,
                most=_TRIED,
            )
            if found is not None:
                order = tuple(sorted(rules, key=list(Rule).index))
                yield (
                    found[0] + _WAIVER * len(rules),
                    self._relaxed(Way.WAIVER, found[1], rules=order),
                )

    def _bump(self) -> Iterator[tuple[int, Relaxation]]:
        """Leave out one planned visit that costs no more to leave out, and take its place."""
        fleet, wanted = self.fleets.without(()), self.wanted
        one = np.arange(len(fleet) - 1) if len(fleet) > 1 else np.zeros(0, dtype=np.int64)
        two = one + 1
        shift = fleet.shift[one]
        next_door = (shift == fleet.shift[two]) & (fleet.position[one] < fleet.position[two])
        one, two = one[next_door & self.permitted[shift]], two[next_door & self.permitted[shift]]
        if not len(one):
            return
        shift = fleet.shift[one]
        gone = np.array(
            [self.draft.orders[n][p] for n, p in zip(shift, fleet.position[one], strict=True)]
        )
        drop = self.fleets.drops[gone]
        there, back = wanted.there_s[fleet.before[one]], wanted.back_s[fleet.after[two]]
        arrive = fleet.free_from[one] + there
        start = np.full(len(one), NEVER, dtype=np.int64)
        for opens, closes in reversed(wanted.starts):
            start = np.where(arrive <= closes, np.maximum(arrive, opens), start)
        fits = start + wanted.work_s[shift] + back <= fleet.needed_by[two]
        fits &= drop <= self.day.drop[self.visit_no]
        legs = fleet.leg_s[one] + fleet.leg_s[two]
        least = there + back - legs + wanted.fixed[shift] + drop
        least = least - self.day.fixed[shift, gone]
        best: tuple[int, Place, int] | None = None
        tried = 0
        for index in np.argsort(np.where(fits, least, NEVER), kind="stable"):
            number, visit = int(shift[index]), int(gone[index])
            if not fits[index] or tried >= _TRIED_BUMPS:
                break
            if self.day.is_kept(visit) or not self._has_parts_after(number, visit):
                continue
            tried += 1
            rest = [each for each in self.draft.orders[number] if each != visit]
            for place in self.draft.places(number, self.visit_no, order=rest):
                cost = place.timed.cost - self.draft.cost_of(number) + self.day.drop[visit]
                if best is None or cost < best[0]:
                    best = cost, replace(place, delta=cost), visit
        if best is not None:
            cost, place, visit = best
            yield cost, self._relaxed(Way.BUMP, place, bumped=self.day.visits[visit])

    def _other_day(self) -> Iterator[tuple[int, Relaxation]]:
        """Move the windows by whole days inside the horizon."""
        days = self.day.problem.days
        if days == 1 or self.visit.promise is not None:
            return
        floor = self.day.problem.now or 0
        moved = _merged(
            (max(floor, opens + by * DAY_S), closes + by * DAY_S)
            for opens, closes in self.visit.windows
            for by in range(-days, days + 1)
            if by and closes + by * DAY_S >= floor
        )
        if self.visit.id not in self.day.decisions.pins:
            fleet = self.fleets.without(())
            gaps = fleet.gaps(replace(self.wanted, starts=moved), self.permitted)
            found = fleet.best(self.visit_no, gaps, opened=moved, most=_TRIED)
            if found is not None and _outside(self._start(found[1]), self.visit.windows):
                price = found[0] + self.day.weights.other_day
                yield price, self._relaxed(Way.OTHER_DAY, found[1])

    def _has_parts_after(self, shift_no: int, gone: int) -> bool:
        vans = self.draft.left[self.day.shifts[shift_no].technician]
        freed = dict(self.day.visits[gone].parts)
        return all(
            vans.get(part, 0) + freed.get(part, 0) >= quantity
            for part, quantity in self.visit.parts
        )

    def _relaxed(
        self,
        way: Way,
        place: Place,
        *,
        minutes: int = 0,
        rules: tuple[Rule, ...] = (),
        bumped: Visit | None = None,
    ) -> Relaxation:
        now = self.draft.timed[place.shift_no]
        before = 0 if now is None else as_route(self.day, now).drive_m
        return Relaxation(
            way=way,
            shift=self.day.shifts[place.shift_no].id,
            technician=self._name(place.shift_no),
            starts_at=self._clock(self._start(place)),
            cost=place.delta,
            metres=as_route(self.day, place.timed).drive_m - before,
            minutes=minutes,
            rules=rules,
            bumped=None if bumped is None else bumped.id,
            bumped_label=None if bumped is None else bumped.label or bumped.id,
        )

    def _start(self, place: Place) -> int:
        return place.timed.times[place.timed.items.index(self.visit_no)][1]

    def _name(self, shift_no: int) -> str:
        technician = self.day.shifts[shift_no].technician
        return self.day.names.get(technician, technician)

    def _clock(self, second: int) -> str:
        problem = self.day.problem
        midnight = datetime.fromisoformat(problem.first_midnight)
        # Seconds are elapsed time: the zone is applied after them, so clock changes come out right.
        zone = ZoneInfo(problem.zone)
        local = (midnight.astimezone(ZoneInfo("UTC")) + timedelta(seconds=second)).astimezone(zone)
        return local.strftime("%H:%M" if problem.days == 1 else "%d.%m %H:%M")


def _merged(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    """Return the same instants as ascending intervals that do not touch."""
    merged: list[Interval] = []
    for opens, closes in sorted(intervals):
        if merged and opens <= merged[-1][1] + 1:
            merged[-1] = merged[-1][0], max(merged[-1][1], closes)
        else:
            merged.append((opens, closes))
    return tuple(merged)


def _outside(start: int, windows: Iterable[Interval]) -> int:
    """Return how far `start` is from the nearest window: below zero where it is too early."""
    distances = [
        0 if opens <= start <= closes else start - (opens if start < opens else closes)
        for opens, closes in windows
    ]
    return min(distances, key=abs)
