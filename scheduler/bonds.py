"""Mending what a crew or a link binds: such visits stand, find a place, give way and move together."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from scheduler.engine.indexed import IndexedDay
from scheduler.engine.insertion import Draft
from scheduler.engine.ties import joined
from scheduler.engine.together import leave_out, leave_out_halves, put, settle

__all__ = ["bind", "close_halves", "make_room", "move", "put", "together"]

_SETS_TRIED = 12
"""How many visits, or sets of them, are tried for giving way."""


def together(day: IndexedDay, visit: int, among: Iterable[int]) -> list[int]:
    """Return a visit and those of `among` without which it is not planned, in the order to put them in."""
    return joined(day.ties, visit, among, together=True)


def bind(draft: Draft) -> None:
    """Time bound visits of routes that stand together; what is cheapest to leave out gives way.

    Where no single visit does, all that are bound go that are in the way; a fixed beginning that cannot be
    kept closes its route.
    """
    if not settle(draft):
        for members in _parts(draft):
            _bind(draft, members)
    leave_out_halves(draft)


def close_halves(draft: Draft) -> None:
    """Empty the routes whose fixed beginning is without what it may not be planned without."""
    day = draft.day
    leave_out_halves(draft)
    while True:
        halves = [
            visit
            for visit in sorted(day.linked & draft.shift_of.keys())
            if any(tie.together and tie.other not in draft.shift_of for tie in day.ties[visit])
        ]
        if not halves:
            return
        draft.set_order(draft.shift_of[halves[0]], [])
        leave_out_halves(draft)


def make_room(draft: Draft, wanted: Sequence[int]) -> None:
    """Put visits that go together where others are, if these cost less or find another place."""
    day = draft.day
    before, cost, planned = draft.snapshot(), _cost(draft), set(draft.shift_of)
    kept = any(map(day.is_kept, wanted))
    most = None if kept else _worth(day, wanted)
    best = None
    for gone in _giving_way(draft, wanted):
        leave_out(draft, gone)
        _put(draft, wanted)
        if draft.shift_of.keys() >= set(wanted):
            _put(draft, gone)
            leave_out_halves(draft)
            lost = planned - draft.shift_of.keys()
            more = _cost(draft) - cost + _worth(day, lost)
            if lost <= set(gone) and (most is None or more < most):
                best, most = draft.snapshot(), more
        draft.restore(before)
    if best is not None:
        draft.restore(best)


def move(draft: Draft, visit: int) -> None:
    """Put a planned visit elsewhere, with what is planned only with it, where that costs less."""
    day = draft.day
    fixed = _fixed(day)
    members = together(day, visit, draft.shift_of)
    if any(each in fixed or day.is_kept(each) for each in members):
        return
    before, cost, planned = draft.snapshot(), _cost(draft), set(draft.shift_of)
    leave_out(draft, members)
    put(draft, visit, members)
    if planned - draft.shift_of.keys() or _cost(draft) >= cost:
        draft.restore(before)


def _bind(draft: Draft, members: Collection[int]) -> None:
    """Time one part of the bound visits, as far as it is still planned."""
    day = draft.day
    while True:
        left = [each for each in members if each in draft.shift_of]
        if not left or settle(draft, left):
            return
        for gone in sorted(_in_the_way(draft, left), key=lambda one: (_worth(day, one), one)):
            before, planned = draft.snapshot(), set(draft.shift_of)
            leave_out(draft, gone)
            rest = [each for each in left if each in draft.shift_of]
            if planned - draft.shift_of.keys() <= set(gone) and settle(draft, rest):
                return
            draft.restore(before)
        fixed = _fixed(day)
        loose = [each for each in left if each not in fixed]
        if loose:
            free = [each for each in loose if not day.is_kept(each)] or loose
            leave_out(draft, together(day, min(free, key=lambda one: (day.drop[one], one)), loose))
            continue
        shift_no = draft.shift_of[left[0]]
        prefix = draft.orders[shift_no][: len(day.shifts[shift_no].prefix)]
        if draft.orders[shift_no] == prefix or not draft.set_order(shift_no, prefix):
            draft.set_order(shift_no, [])


def _in_the_way(draft: Draft, members: Collection[int]) -> Iterator[tuple[int, ...]]:
    """Yield what may go from the routes of bound visits: others alone, bound ones as sets; no decisions."""
    day = draft.day
    fixed, mine = _fixed(day), set(members)
    for number in sorted({draft.shift_of[each] for each in members}):
        for visit in draft.orders[number]:
            gone: tuple[int, ...] = (visit,)
            if visit in mine:
                gone = tuple(sorted(together(day, visit, draft.shift_of)))
            elif visit in day.linked:
                continue
            if not any(each in fixed or day.is_kept(each) for each in gone):
                yield gone


def _giving_way(draft: Draft, wanted: Sequence[int]) -> list[tuple[int, ...]]:
    """Return visits, bound ones as sets, whose places others may want; the cheapest, and nearest, first.

    For a visit that nothing binds only sets are looked at: one for one is tried before.
    """
    day = draft.day
    fixed, drive = _fixed(day), day.problem.travel_s
    only_sets = day.linked.isdisjoint(wanted)
    found: dict[tuple[int, ...], tuple[int, int]] = {}
    for number, order in enumerate(draft.orders):
        if not day.able[number, list(wanted)].any():
            continue
        for visit in order[len(day.shifts[number].prefix) :]:
            gone: tuple[int, ...] = (visit,)
            if visit in day.linked:
                gone = tuple(sorted(together(day, visit, draft.shift_of)))
            elif only_sets:
                continue
            if any(each in fixed or day.is_kept(each) for each in gone):
                continue
            far = min(int(drive[day.place[visit], day.place[each]]) for each in wanted)
            found[gone] = min(found.get(gone, (1 << 60, 0)), (_worth(day, gone), far))
    return sorted(found, key=lambda each: (found[each], each))[:_SETS_TRIED]


def _put(draft: Draft, visits: Sequence[int]) -> None:
    """Put visits that go together where they cost least, as far as it pays."""
    day = draft.day
    if visits[0] in day.linked:
        put(draft, visits[0], visits)
        return
    for visit in visits:
        place = draft.best_place(visit)
        if place is not None and (place.delta < day.drop[visit] or day.is_kept(visit)):
            draft.insert(visit, place)


def _parts(draft: Draft) -> list[list[int]]:
    """Return the planned visits that ties join, decisions and the dearest first."""
    day = draft.day
    left = [each for each in sorted(day.ties) if each in draft.shift_of]
    found: list[list[int]] = []
    while left:
        part = joined(day.ties, left[0], left)
        found.append(part)
        left = [each for each in left if each not in part]
    return sorted(
        found, key=lambda part: (not any(map(day.is_kept, part)), -_worth(day, part), part)
    )


def _fixed(day: IndexedDay) -> set[int]:
    return {day.visit_no[each] for shift in day.shifts for each in shift.prefix}


def _worth(day: IndexedDay, visits: Iterable[int]) -> int:
    """Return what leaving visits out costs."""
    return sum(day.drop[each] for each in visits)


def _cost(draft: Draft) -> int:
    return sum(timed.cost for timed in draft.timed if timed is not None)
