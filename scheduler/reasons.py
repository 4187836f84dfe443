"""Why a visit is not in a plan, and what would let it in.

Codes and facts; `scheduler.sentences` says them in English and Russian. Everything here is found by
insertion: the visit is put at every position of every shift with some rules taken away, and the whole
route is timed as the plan's own routes are.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import combinations
from zoneinfo import ZoneInfo

from scheduler.engine.indexed import IndexedDay, Terms
from scheduler.engine.insertion import Draft, Place, fits_alone
from scheduler.engine.permissions import Failure, Rule, failures
from scheduler.engine.timing import as_route
from scheduler.problem import DAY_S, Cause, DayProblem, Interval, Plan, Visit

_MOST_RULES = 3
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
    The plan must be one the referee accepts. A full reason takes about 10 ms with 50 shifts.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    day = IndexedDay(problem)
    draft = Draft.of(day, plan)
    found: dict[str, Reason] = {}
    asked = [each for each in plan.unplanned if visits is None or each.visit in visits]
    for each in sorted(asked, key=lambda each: -day.drop[day.visit_no[each.visit]]):
        visit = day.visits[day.visit_no[each.visit]]
        if each.cause is Cause.UNSUPPORTED:
            found[each.visit] = Reason(
                visit.id, visit.label or visit.id, each.cause, conditions=each.conditions
            )
            continue
        inquiry = _Inquiry(draft, day.visit_no[each.visit])
        in_time = deadline is None or time.monotonic() < deadline
        found[each.visit] = inquiry.reason(each.cause) if in_time else inquiry.brief(each.cause)
    return [found[each.visit] for each in asked]


class _Inquiry:
    """One visit held against every shift of one plan."""

    def __init__(self, draft: Draft, visit_no: int) -> None:
        self.draft = draft
        self.day = draft.day
        self.visit_no = visit_no
        self.visit = self.day.visits[visit_no]
        self.permission = [
            tuple(failures(self.day.decisions, shift, self.visit)) for shift in self.day.shifts
        ]

    def brief(self, cause: Cause) -> Reason:
        """Return what permissions and hours say, without putting the visit anywhere."""
        rest = (Failure(Rule.TRAVEL if cause is Cause.IMPOSSIBLE else Rule.ROOM),)
        return Reason(
            visit=self.visit.id,
            label=self.visit.label or self.visit.id,
            cause=cause,
            shifts=tuple(
                ShiftReason(shift.id, self._name(number), self._static(number) or rest)
                for number, shift in enumerate(self.day.shifts)
            ),
            is_brief=True,
        )

    def reason(self, cause: Cause) -> Reason:
        return Reason(
            visit=self.visit.id,
            label=self.visit.label or self.visit.id,
            cause=cause,
            shifts=tuple(
                ShiftReason(shift.id, self._name(number), self._failures(number))
                for number, shift in enumerate(self.day.shifts)
            ),
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

    def _failures(self, shift_no: int) -> tuple[Failure, ...]:
        failed = self._static(shift_no)
        if failed:
            return failed
        if not fits_alone(self.day, shift_no, self.visit_no):
            present = self._fits(shift_no, {Rule.ABSENCE, Rule.ROOM})
            return (Failure(Rule.ABSENCE if present else Rule.TRAVEL),)
        if not self.draft.has_parts(shift_no, self.visit_no):
            return (Failure(Rule.PARTS, (("part", self.visit.parts[0][0]),)),)
        cheapest = min(
            (place.delta for place in self.draft.places(shift_no, self.visit_no)), default=None
        )
        if cheapest is None:
            return (Failure(Rule.ROOM),)
        return (Failure(Rule.PRICE, (("cost", cheapest), ("drop", self.day.drop[self.visit_no]))),)

    # --- the smallest set ---

    def _blocking(self) -> tuple[tuple[Rule, ...], ...]:
        static = [{failure.rule for failure in failed} for failed in self.permission]
        for size in range(_MOST_RULES + 1):
            found: set[frozenset[Rule]] = set()
            for shift_no, failed in enumerate(static):
                if len(failed) > size:
                    continue
                for more in combinations(self._rules_of_time(shift_no), size - len(failed)):
                    rules = frozenset(failed.union(more))
                    if len(rules) == size and rules not in found and self._fits(shift_no, rules):
                        found.add(rules)
            if found:
                if size == 0:
                    return ((Rule.PRICE,),)
                order = list(Rule)
                return tuple(sorted(tuple(sorted(each, key=order.index)) for each in found))
        return ()

    def _rules_of_time(self, shift_no: int) -> Iterator[Rule]:
        yield Rule.WINDOW
        if self.visit.promise is not None:
            yield Rule.PROMISE
        pin = self.day.decisions.pins.get(self.visit.id)
        if pin is not None and pin.start is not None:
            yield Rule.PIN
        yield Rule.HOURS
        if self.day.shifts[shift_no].absences:
            yield Rule.ABSENCE
        if self.visit.parts:
            yield Rule.PARTS
        if self.draft.orders[shift_no]:
            yield Rule.ROOM

    def _fits(self, shift_no: int, without: Iterable[Rule]) -> bool:
        """Whether a shift takes the visit, at any price, with these rules taken away."""
        waived = set(without)
        if any(failure.rule not in waived for failure in self.permission[shift_no]):
            return False
        if not waived & {Rule.PARTS, Rule.ROOM} and not self.draft.has_parts(
            shift_no, self.visit_no
        ):
            return False
        intervals = self._starts(waived)
        terms = self._terms(shift_no, waived)
        order = None
        if Rule.ROOM in waived:
            order = [self.day.visit_no[each] for each in self.day.shifts[shift_no].prefix]
        places = self.draft.places(
            shift_no, self.visit_no, opened=intervals, terms=terms, order=order
        )
        return next(iter(places), None) is not None

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

    def _terms(self, shift_no: int, waived: set[Rule]) -> Terms | None:
        if not waived & {Rule.HOURS, Rule.ABSENCE}:
            return None
        terms, midnight = self.day.terms[shift_no], self.day.shifts[shift_no].day * DAY_S
        if Rule.ABSENCE in waived:
            terms = replace(terms, extras=tuple(each for each in terms.extras if each.is_break))
        if Rule.HOURS in waived:
            opens = min(terms.opens, max(midnight, self.day.problem.now or 0))
            last = max(terms.last, midnight + DAY_S)
            terms = replace(terms, opens=opens, closes=last, last=last)
        return terms

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

        def opened_by(seconds: int) -> tuple[Interval, ...]:
            floor = self.day.problem.now or 0
            return _merged(
                (max(floor, opens - seconds), max(floor, closes + seconds))
                for opens, closes in self.visit.windows
            )

        least, enough = 0, _GRID_S
        while self.draft.best_place(self.visit_no, opened=opened_by(enough)) is None:
            if enough >= _LATER_S:
                return
            least, enough = enough, min(2 * enough, _LATER_S)
        while enough - least > _GRID_S:
            middle = (least + enough) // (2 * _GRID_S) * _GRID_S
            if self.draft.best_place(self.visit_no, opened=opened_by(middle)) is None:
                least = middle
            else:
                enough = middle
        place = self.draft.best_place(self.visit_no, opened=opened_by(enough))
        assert place is not None, "the last interval tried let the visit in"
        off = _outside(self._start(place), self.visit.windows)
        if off:
            minutes = -(-abs(off) // 60) * (1 if off > 0 else -1)
            yield place.delta + abs(off), self._relaxed(Way.WINDOW, place, minutes=minutes)

    def _overtime(self) -> Iterator[tuple[int, Relaxation]]:
        def longer(shift_no: int) -> Terms:
            terms = self.day.terms[shift_no]
            return replace(terms, last=terms.last + _LATER_S)

        place = self.draft.best_place(self.visit_no, terms=longer)
        if place is not None:
            over = place.timed.back - self.day.terms[place.shift_no].last
            if over > 0:
                minutes = -(-over // 60)
                yield place.delta + over, self._relaxed(Way.OVERTIME, place, minutes=minutes)

    def _waiver(self) -> Iterator[tuple[int, Relaxation]]:
        groups: dict[frozenset[Rule], list[int]] = {}
        for shift_no, failed in enumerate(self.permission):
            rules = frozenset(failure.rule for failure in failed)
            if rules and rules <= _WAIVABLE:
                groups.setdefault(rules, []).append(shift_no)
        for rules, shifts in groups.items():
            place = self.draft.best_place(self.visit_no, shifts, ignore_parts=Rule.PARTS in rules)
            if place is not None:
                order = tuple(sorted(rules, key=list(Rule).index))
                yield (
                    place.delta + _WAIVER * len(rules),
                    self._relaxed(Way.WAIVER, place, rules=order),
                )

    def _bump(self) -> Iterator[tuple[int, Relaxation]]:
        """Leave out one planned visit that costs no more to leave out, on the same shift."""
        best: tuple[int, Place, int] | None = None
        for shift_no, order in enumerate(self.draft.orders):
            if self.permission[shift_no]:
                continue
            for gone in order:
                if self.day.is_kept(gone) or self.day.drop[gone] > self.day.drop[self.visit_no]:
                    continue
                if not self._has_parts_after(shift_no, gone):
                    continue
                rest = [each for each in order if each != gone]
                for place in self.draft.places(shift_no, self.visit_no, order=rest):
                    cost = place.timed.cost - self.draft.cost_of(shift_no) + self.day.drop[gone]
                    if best is None or cost < best[0]:
                        best = cost, replace(place, delta=cost), gone
        if best is not None:
            cost, place, gone = best
            yield cost, self._relaxed(Way.BUMP, place, bumped=self.day.visits[gone])

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
            place = self.draft.best_place(self.visit_no, opened=moved)
            if place is not None and _outside(self._start(place), self.visit.windows):
                price = place.delta + self.day.weights.other_day
                yield price, self._relaxed(Way.OTHER_DAY, place)

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
