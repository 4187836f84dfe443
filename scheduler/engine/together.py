"""Visits that depend on each other in a draft: put in together, timed together, or left out together.

A planned visit of that kind may begin in what `Draft.held` says: no earlier than it does now, no later than
the present beginnings of its partners allow. Both can then only move later, so that no tie is broken by
whatever else is put into their routes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from types import MappingProxyType

import numpy as np

from scheduler.engine.indexed import IndexedDay
from scheduler.engine.insertion import Draft, Place, Snapshot
from scheduler.engine.ties import NEVER, Tie, joined
from scheduler.engine.timing import earliest_starts, timetable, within
from scheduler.problem import Interval

_ROUNDS = 60
"""Joint timing that has not settled after so many rounds goes in a circle."""
_NEAREST = 16
"""Shifts that are tried first for a visit with partners; all others only where these have no place."""
_FIRST_PLACES = 5
"""Of the first of several visits so many places are followed up, on as many shifts."""


# --- timing --------------------------------------------------------------------------------------


def settle(
    draft: Draft,
    visits: Collection[int] | None = None,
    floors: Mapping[int, int] = MappingProxyType({}),
) -> bool:
    """Time the routes of planned visits that depend on others, each as early as its ties allow.

    `visits`: those that may move, all unless told; `floors`: before when they cannot begin as it is. False,
    and nothing changed, where no timetable keeps all their ties.
    """
    day, planned = draft.day, draft.shift_of
    asked = day.ties if visits is None else visits
    moving = sorted(each for each in set(asked) if each in day.ties and each in planned)
    if not moving:
        return True
    floors = {each: floors.get(each, -NEVER) for each in moving}
    shifts = sorted({planned[each] for each in moving})
    partners = {tie.other for each in moving for tie in day.ties[each]}
    begun = {
        visit: _start_of(draft, visit)
        for visit in partners
        if visit in planned and planned[visit] not in shifts
    }
    wanted = set(shifts)
    for _ in range(_ROUNDS):
        held = draft.held | {
            each: within(day.starts[each], (floors[each], NEVER)) for each in moving
        }
        for number in sorted(wanted):
            timed = timetable(day, number, _stops(draft, number), opened=held)
            if timed is None:
                return False
            starts = earliest_starts(day, timed, opened=held)
            begun |= {visit: start for visit, start in starts if visit in day.ties}
        wanted = {planned[each] for each in _pushed(draft, moving, planned, begun, floors)}
        if not wanted:
            break
    else:
        return False
    if not all(_keeps(day, planned, begun, each) for each in moving):
        return False
    before = draft.snapshot()
    for each in moving:
        _, latest = _bounds(day, planned, begun, each, planned[each])
        draft.held[each] = within(day.starts[each], (begun[each], latest))
    if all(draft.set_order(number, _stops(draft, number)) for number in shifts):
        return True
    draft.restore(before)
    return False


def _start_of(draft: Draft, visit: int) -> int:
    timed = draft.timed[draft.shift_of[visit]]
    assert timed is not None, "it is planned there"
    return timed.times[timed.items.index(visit)][1]


def _stops(draft: Draft, shift_no: int) -> list[int]:
    """Return a route's visits with its stops at depots."""
    timed, extras = draft.timed[shift_no], len(draft.day.terms[shift_no].extras)
    return [] if timed is None else [each for each in timed.items if not -1 - extras < each < 0]


def _pushed(
    draft: Draft,
    moving: Iterable[int],
    planned: Mapping[int, int],
    begun: Mapping[int, int],
    floors: dict[int, int],
) -> list[int]:
    """Raise the floors of those that begin too early for their partners; return them."""
    day = draft.day
    found = []
    for each in moving:
        least, _ = _bounds(day, planned, begun, each, planned[each])
        if begun[each] < least and floors[each] < least:
            floors[each] = least
            found.append(each)
    return found


def _bounds(
    day: IndexedDay, planned: Mapping[int, int], begun: Mapping[int, int], visit: int, shift_no: int
) -> Interval:
    """Return in what a visit may begin on a shift for its planned partners, by their present beginnings."""
    least, greatest = -NEVER, NEVER
    for tie in day.ties[visit]:
        if tie.other not in planned:
            continue
        other = begun[tie.other]
        least = max(least, other - tie.greatest)
        greatest = min(greatest, other - tie.least)
        if tie.order < 0:
            least = max(least, other + day.work_s(planned[tie.other], tie.other))
        elif tie.order > 0:
            greatest = min(greatest, other - day.work_s(shift_no, visit))
    return least, greatest


def _keeps(
    day: IndexedDay, planned: Mapping[int, int], begun: Mapping[int, int], visit: int
) -> bool:
    least, greatest = _bounds(day, planned, begun, visit, planned[visit])
    return least <= begun[visit] <= greatest and all(
        may_share(day, tie, planned[visit], planned[tie.other])
        for tie in day.ties[visit]
        if tie.other in planned
    )


def may_share(day: IndexedDay, tie: Tie, mine: int, theirs: int) -> bool:
    """Whether a tie allows two shifts for its two visits."""
    one, other = day.shifts[mine], day.shifts[theirs]
    same = one.technician == other.technician
    return not (
        (tie.one_person and not same)
        or (tie.two_people and same)
        or (tie.same_day and one.day != other.day)
    )


# --- putting in ----------------------------------------------------------------------------------


def put(draft: Draft, visit: int, out: Collection[int]) -> None:
    """Put a visit and those of `out` that depend on it where they cost least, as far as it pays.

    Visits of which all or none is planned go in together; each such set stands for itself.
    """
    tried: set[int] = set()
    for each in joined(draft.day.ties, visit, out):
        if each not in tried and each not in draft.shift_of:
            left = set(out) - draft.shift_of.keys()
            members = joined(draft.day.ties, each, left, together=True)
            tried.update(members)
            _put_set(draft, members)


def each_way_in(draft: Draft, members: list[int], most: int) -> Iterator[None]:
    """Put visits that go together in and out again, the first on one shift after another, at most `most`.

    At each step all of them are in the draft, wherever that costs least with the first where it is.
    """
    before, shifts = draft.snapshot(), len(draft.day.shifts)
    for place in _first_places(draft, members, shifts, most):
        if _put_all(draft, members, place, shifts):
            yield
        draft.restore(before)


def leave_out(draft: Draft, visits: Collection[int]) -> None:
    """Take visits out of their routes; one that cannot do without them keeps its fixed beginning alone."""
    for number in sorted({draft.shift_of[each] for each in visits if each in draft.shift_of}):
        rest = [each for each in draft.orders[number] if each not in visits]
        fixed = rest[: len(draft.day.shifts[number].prefix)]
        if not draft.set_order(number, rest) and not draft.set_order(number, fixed):
            draft.set_order(number, [])


def leave_out_halves(draft: Draft) -> None:
    """Take out what is planned without all that have to be planned with it; fixed beginnings stay."""
    day = draft.day
    fixed = {day.visit_no[each] for shift in day.shifts for each in shift.prefix}
    while True:
        halves = {
            visit
            for visit, ties in day.ties.items()
            if visit in draft.shift_of
            and visit not in fixed
            and any(tie.together and tie.other not in draft.shift_of for tie in ties)
        }
        if not halves:
            return
        leave_out(draft, halves)


def _put_set(draft: Draft, members: list[int]) -> None:
    day = draft.day
    before, cost = draft.snapshot(), _routes_cost(draft)
    best: tuple[int, Snapshot] | None = None
    able = int(day.able[:, members].sum(axis=0).max())
    for most in (_NEAREST, able) if able > _NEAREST else (_NEAREST,):
        for place in _first_places(draft, members, most):
            if _put_all(draft, members, place, most):
                more = _routes_cost(draft) - cost
                if best is None or more < best[0]:
                    best = more, draft.snapshot()
            draft.restore(before)
        if best is not None:
            break
    draft.restore(before)
    worth = sum(day.drop[each] for each in members)
    if best is not None and (best[0] < worth or any(map(day.is_kept, members))):
        draft.restore(best[1])


def _routes_cost(draft: Draft) -> int:
    return sum(timed.cost for timed in draft.timed if timed is not None)


def _first_places(
    draft: Draft, members: list[int], most: int, followed: int = _FIRST_PLACES
) -> list[Place]:
    """Return the cheapest place on each shift for the first of several visits, the cheapest few."""
    visit = members[0]
    found: list[Place] = []
    for number in _shifts(draft, visit, members, most):
        if draft.has_parts(number, visit):
            opened = _opened(draft, visit, number)
            found += list(draft.places(number, visit, opened=opened, falling=True))[-1:]
    found.sort(key=lambda each: (each.delta, each.shift_no))
    return found[: followed if len(members) > 1 else 1]


def _put_all(draft: Draft, members: list[int], first: Place, most: int) -> bool:
    """Put the first of several visits into a place and the others where that allows."""
    draft.held[members[0]] = _opened(draft, members[0], first.shift_no)
    if not draft.insert(members[0], first):
        return False
    _hold(draft, members[0])
    return all(
        _put_one(draft, each, members, most) or _put_one(draft, each, members, most, waits=True)
        for each in members[1:]
    )


def _put_one(
    draft: Draft, visit: int, members: list[int], most: int, *, waits: bool = False
) -> bool:
    """Put a visit where its planned partners allow; where one `waits`, all of them may begin later."""
    paces: dict[int, list[int]] = {}
    for number in _shifts(draft, visit, members, most):
        paces.setdefault(draft.day.work_s(number, visit), []).append(number)
    places = (
        draft.best_place(visit, shifts, opened=_opened(draft, visit, shifts[0], later=waits))
        for shifts in paces.values()
    )
    place = min(filter(None, places), key=lambda each: each.delta, default=None)
    if place is None:
        return False
    draft.held[visit] = _opened(draft, visit, place.shift_no, later=waits)
    if not draft.insert(visit, place):
        return False
    if waits:
        return settle(draft, members)
    _hold(draft, visit)
    return True


def _opened(
    draft: Draft, visit: int, shift_no: int, *, later: bool = False
) -> tuple[Interval, ...]:
    """Return when a visit may begin on a shift by its own windows and its partners' present beginnings.

    These are held where they are, since the visit may come into the route of one of them.
    """
    begun = _begun(draft, visit)
    draft.held |= {each: ((start, start),) for each, start in begun.items()}
    least, greatest = _bounds(draft.day, draft.shift_of, begun, visit, shift_no)
    return within(draft.day.starts[visit], (least, NEVER if later else greatest))


def _begun(draft: Draft, visit: int) -> dict[int, int]:
    """Return when a visit and its partners begin, as far as they are planned."""
    found: dict[int, int] = {}
    for each in (visit, *(tie.other for tie in draft.day.ties[visit])):
        if each in draft.shift_of:
            found[each] = _start_of(draft, each)
    return found


def _hold(draft: Draft, visit: int) -> None:
    """Let a planned visit and its partners begin only where no tie between them breaks."""
    day = draft.day
    for each in (visit, *(tie.other for tie in day.ties[visit])):
        if each in draft.shift_of:
            begun = _begun(draft, each)
            _, latest = _bounds(day, draft.shift_of, begun, each, draft.shift_of[each])
            draft.held[each] = within(day.starts[each], (begun[each], latest))


def _shifts(draft: Draft, visit: int, members: Collection[int], most: int) -> list[int]:
    """Return the nearest able shifts that a visit's partners allow, planned ones and those to come."""
    day = draft.day
    able = np.flatnonzero(day.able[:, visit])
    drives = day.problem.travel_s[day.start_places[able], day.place[visit]]
    found: list[int] = []
    for number in able[np.argsort(drives, kind="stable")].tolist():
        if len(found) == most:
            break
        if all(_allows(draft, tie, number, members) for tie in day.ties[visit]):
            found.append(number)
    return found


def _allows(draft: Draft, tie: Tie, shift_no: int, members: Collection[int]) -> bool:
    """Whether a partner that is planned, or will have to be, can share a tie with this shift."""
    day = draft.day
    if tie.other in draft.shift_of:
        return may_share(day, tie, shift_no, draft.shift_of[tie.other])
    if tie.other not in members or not (tie.one_person or tie.same_day):
        return True
    return any(
        may_share(day, tie, shift_no, int(theirs))
        for theirs in np.flatnonzero(day.able[:, tie.other])
    )
