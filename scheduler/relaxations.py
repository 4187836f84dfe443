"""What would let a visit into a plan that leaves it out, the cheapest first.

Every way is tried: the visit is put where the change would let it, and the whole route is timed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from scheduler.blocking import LATER_S, Inquiry
from scheduler.candidates import NEVER, Gaps, longer
from scheduler.engine.insertion import Place
from scheduler.engine.permissions import Rule
from scheduler.engine.timing import as_route
from scheduler.problem import DAY_S, Interval, Visit

_TRIED = 40
_TRIED_BUMPS = 5
"""How many gaps, and places of others, are timed exactly for one way in."""
_GRID_S = 300
WAIVER_S = 3_600
"""What waiving a rule about people counts for when ways are compared; a second that a window
is opened earlier or closed later counts 1."""

WAIVABLE = {Rule.SKILL, Rule.LEVEL, Rule.REQUIRED, Rule.FORBIDDEN, Rule.TERRITORY, Rule.PARTS}


class Way(StrEnum):
    """How a rule could give way."""

    WINDOW = "window"
    OVERTIME = "overtime"
    WAIVER = "waiver"
    BUMP = "bump"
    OTHER_DAY = "other_day"


@dataclass(frozen=True, slots=True)
class Relaxation:
    """A change that was tried and lets the visit in, with what it would do to the plan."""

    way: Way
    shift: str
    technician: str
    """Their name; of visits that are bound the names of all who would come."""
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


def cheapest(asked: Inquiry) -> Relaxation | None:
    best: tuple[int, Relaxation] | None = None
    for attempt in (_window, _overtime, _waiver, _bump, _other_day):
        for price, relaxation in attempt(asked):
            if best is None or price < best[0]:
                best = price, relaxation
    return None if best is None else best[1]


def _window(asked: Inquiry) -> Iterator[tuple[int, Relaxation]]:
    """Open or close the windows by as little as does, to five minutes."""
    if asked.visit.promise is not None or asked.visit.id in asked.day.decisions.pins:
        return
    fleet, wanted = asked.fleets.without(()), asked.wanted
    allowed = asked.permitted & asked.carries
    floor = asked.day.problem.now or 0
    there, back = wanted.there_s[fleet.before], wanted.back_s[fleet.after]
    earliest = np.maximum(fleet.free_from + there, floor)
    latest = fleet.needed_by - back - wanted.work_s[fleet.shift]
    off = np.full(len(fleet), NEVER, dtype=np.int64)
    for opens, closes in asked.visit.windows:
        off = np.minimum(off, np.maximum(0, np.maximum(opens - latest, earliest - closes)))
    fits = allowed[fleet.shift] & (earliest <= latest) & (off <= LATER_S)
    gaps = Gaps(earliest, fits, fleet.gaps(wanted, allowed).least)
    best: tuple[int, Place, int] | None = None
    for tried, (gap, least) in enumerate(fleet.in_order(gaps, off)):
        if tried >= _TRIED or (best is not None and least >= best[0]):
            break
        enough = -(-max(1, int(off[gap])) // _GRID_S) * _GRID_S
        opened = merged(
            (max(floor, opens - enough), max(floor, closes + enough))
            for opens, closes in asked.visit.windows
        )
        place = fleet.timed(gap, asked.visit_no, opened=opened)
        if place is None:
            continue
        beside = _outside(_start(asked, place), asked.visit.windows)
        price = place.delta + abs(beside)
        if beside and (best is None or price < best[0]):
            best = price, place, beside
    if best is not None:
        price, place, beside = best
        minutes = -(-abs(beside) // 60) * (1 if beside > 0 else -1)
        yield price, _relaxed(asked, Way.WINDOW, place, minutes=minutes)


def _overtime(asked: Inquiry) -> Iterator[tuple[int, Relaxation]]:
    def over(place: Place) -> int:
        return max(0, place.timed.back - asked.day.terms[place.shift_no].last)

    fleet = asked.fleets.longer
    gaps = fleet.gaps(asked.wanted, asked.permitted & asked.carries)
    found = fleet.best(
        asked.visit_no,
        gaps,
        price=over,
        terms=lambda number: longer(asked.day.terms[number], LATER_S),
        most=_TRIED,
    )
    if found is not None and over(found[1]) > 0:
        minutes = -(-over(found[1]) // 60)
        yield found[0], _relaxed(asked, Way.OVERTIME, found[1], minutes=minutes)


def _waiver(asked: Inquiry) -> Iterator[tuple[int, Relaxation]]:
    groups: dict[frozenset[Rule], list[int]] = {}
    for shift_no, failed in enumerate(asked.permission):
        rules = frozenset(failure.rule for failure in failed)
        if rules and rules <= WAIVABLE:
            groups.setdefault(rules, []).append(shift_no)
    fleet = asked.fleets.without(())
    for rules, shifts in groups.items():
        mask = np.zeros(len(asked.day.shifts), dtype=bool)
        mask[shifts] = True
        found = fleet.best(
            asked.visit_no,
            fleet.gaps(asked.wanted, mask),
            has_parts=Rule.PARTS not in rules,
            most=_TRIED,
        )
        if found is not None:
            order = tuple(sorted(rules, key=list(Rule).index))
            yield (
                found[0] + WAIVER_S * len(rules),
                _relaxed(asked, Way.WAIVER, found[1], rules=order),
            )


def _bump(asked: Inquiry) -> Iterator[tuple[int, Relaxation]]:
    """Leave out one planned visit that costs no more to leave out, and take its place."""
    fleet, wanted = asked.fleets.without(()), asked.wanted
    one = np.arange(len(fleet) - 1) if len(fleet) > 1 else np.zeros(0, dtype=np.int64)
    two = one + 1
    shift = fleet.shift[one]
    next_door = (shift == fleet.shift[two]) & (fleet.position[one] < fleet.position[two])
    one, two = one[next_door & asked.permitted[shift]], two[next_door & asked.permitted[shift]]
    if not len(one):
        return
    shift = fleet.shift[one]
    gone = np.array(
        [asked.draft.orders[n][p] for n, p in zip(shift, fleet.position[one], strict=True)]
    )
    drop = asked.fleets.drops[gone]
    there, back = wanted.there_s[fleet.before[one]], wanted.back_s[fleet.after[two]]
    arrive = fleet.free_from[one] + there
    start = np.full(len(one), NEVER, dtype=np.int64)
    for opens, closes in reversed(wanted.starts):
        start = np.where(arrive <= closes, np.maximum(arrive, opens), start)
    fits = start + wanted.work_s[shift] + back <= fleet.needed_by[two]
    fits &= drop <= asked.day.drop[asked.visit_no]
    legs = fleet.leg_s[one] + fleet.leg_s[two]
    least = there + back - legs + wanted.fixed[shift] + drop
    least = least - asked.day.fixed[shift, gone]
    best: tuple[int, Place, int] | None = None
    tried = 0
    for index in np.argsort(np.where(fits, least, NEVER), kind="stable"):
        number, visit = int(shift[index]), int(gone[index])
        if not fits[index] or tried >= _TRIED_BUMPS:
            break
        if visit in asked.day.linked:
            continue  # what it is bound to would have to go as well
        if asked.day.is_kept(visit) or not _has_parts_after(asked, number, visit):
            continue
        tried += 1
        rest = [each for each in asked.draft.orders[number] if each != visit]
        for place in asked.draft.places(number, asked.visit_no, order=rest):
            cost = place.timed.cost - asked.draft.cost_of(number) + asked.day.drop[visit]
            if best is None or cost < best[0]:
                best = cost, replace(place, delta=cost), visit
    if best is not None:
        cost, place, visit = best
        yield cost, _relaxed(asked, Way.BUMP, place, bumped=asked.day.visits[visit])


def _other_day(asked: Inquiry) -> Iterator[tuple[int, Relaxation]]:
    """Move the windows by whole days inside the horizon."""
    days = asked.day.problem.days
    if days == 1 or asked.visit.promise is not None:
        return
    floor = asked.day.problem.now or 0
    moved = merged(
        (max(floor, opens + by * DAY_S), closes + by * DAY_S)
        for opens, closes in asked.visit.windows
        for by in range(-days, days + 1)
        if by and closes + by * DAY_S >= floor
    )
    if asked.visit.id not in asked.day.decisions.pins:
        fleet = asked.fleets.without(())
        gaps = fleet.gaps(replace(asked.wanted, starts=moved), asked.permitted)
        found = fleet.best(asked.visit_no, gaps, opened=moved, most=_TRIED)
        if found is not None and _outside(_start(asked, found[1]), asked.visit.windows):
            price = found[0] + asked.day.weights.other_day
            yield price, _relaxed(asked, Way.OTHER_DAY, found[1])


def _has_parts_after(asked: Inquiry, shift_no: int, gone: int) -> bool:
    vans = asked.draft.left[asked.day.shifts[shift_no].technician]
    freed = dict(asked.day.visits[gone].parts)
    return all(
        vans.get(part, 0) + freed.get(part, 0) >= quantity for part, quantity in asked.visit.parts
    )


def _relaxed(
    asked: Inquiry,
    way: Way,
    place: Place,
    *,
    minutes: int = 0,
    rules: tuple[Rule, ...] = (),
    bumped: Visit | None = None,
) -> Relaxation:
    now = asked.draft.timed[place.shift_no]
    before = 0 if now is None else as_route(asked.day, now).drive_m
    return Relaxation(
        way=way,
        shift=asked.day.shifts[place.shift_no].id,
        technician=asked.fleets.closed.name(place.shift_no),
        starts_at=asked.fleets.closed.clock(_start(asked, place)),
        cost=place.delta,
        metres=as_route(asked.day, place.timed).drive_m - before,
        minutes=minutes,
        rules=rules,
        bumped=None if bumped is None else bumped.id,
        bumped_label=None if bumped is None else bumped.label or bumped.id,
    )


def _start(asked: Inquiry, place: Place) -> int:
    return place.timed.times[place.timed.items.index(asked.visit_no)][1]


def merged(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
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
