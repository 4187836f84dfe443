"""Where a crew could go: a place for every leg, all of them beginning at once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from copy import copy

from scheduler.engine.insertion import Draft, Place
from scheduler.engine.ties import joined
from scheduler.engine.timing import within
from scheduler.engine.together import each_way_in
from scheduler.problem import Interval


def legs_of(draft: Draft, visit_no: int) -> list[int]:
    """Return a visit that is not planned and those that are only planned with it, itself first."""
    out = draft.day.linked - draft.shift_of.keys()
    legs = joined(draft.day.ties, visit_no, out, together=True)
    return [visit_no, *(leg for leg in legs if leg != visit_no)]


def crew_places(
    draft: Draft, legs: Sequence[int], most: int, windows: Collection[Interval] | None = None
) -> list[dict[int, Place]]:
    """Return places for all legs, by leg: the best crew with each person, the cheapest first.

    `most` people are looked at, and each crew is named once. `windows`: all begin inside one of them. The
    draft is left as it was.
    """
    day = copy(draft.day)
    if windows is not None:
        day.starts = list(day.starts)
        for leg in legs:
            day.starts[leg] = tuple(
                part for window in windows for part in within(day.starts[leg], window)
            )
    tried = Draft(day)
    tried.restore(draft.snapshot())
    found: dict[frozenset[int], tuple[int, dict[int, Place]]] = {}
    for _ in each_way_in(tried, list(legs), most):
        places = {leg: _place(draft, tried, leg) for leg in legs}
        cost = sum(place.delta for place in places.values())
        people = frozenset(place.shift_no for place in places.values())
        if people not in found or cost < found[people][0]:
            found[people] = cost, places
    return [places for _, places in sorted(found.values(), key=lambda each: each[0])]


def _place(before: Draft, after: Draft, leg: int) -> Place:
    shift_no = after.shift_of[leg]
    timed = after.timed[shift_no]
    assert timed is not None, "it was put there"
    position = after.orders[shift_no].index(leg)
    return Place(shift_no, position, timed, timed.cost - before.cost_of(shift_no))
