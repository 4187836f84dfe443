"""Where the only pause of a route goes: what `timing` finds for any number of them, in one quick pass.

Most shifts have one lunch and nothing else, and timing them is most of what an answer during the day takes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from scheduler.engine.indexed import IndexedDay, Terms
from scheduler.problem import Interval

_Label = tuple[int, int, int]
"""Free from, cost so far, before which item the pause is taken."""


def is_for(terms: Terms) -> bool:
    """Whether a shift has one pause, and no stop of its own."""
    return len(terms.extras) == 1 and terms.extras[0].place is None


def positions(
    day: IndexedDay,
    shift_no: int,
    terms: Terms,
    opened: Mapping[int, tuple[Interval, ...]],
    order: Sequence[int],
) -> list[int]:
    """Return before which items of `order` the pause may be taken, where no other position is as good.

    Its length stands for the way home. The pause is taken on the road, never before leaving.
    """
    rest, drive_s = terms.extras[0], day.drive_s
    earliest, latest, length = rest.earliest, rest.latest, rest.length_s
    due, promised, all_starts = day.due, day.promise_closes, day.starts
    free, spent, place = terms.opens, 0, terms.start_place
    is_free = True
    taken: list[_Label] = []
    for position, item in enumerate(order):
        if item >= 0:
            target, work = day.place[item], day.work_s(shift_no, item)
            starts = opened[item] if item in opened else all_starts[item]
            is_priced = due[item] is not None or promised[item] is not None
        else:
            depot = terms.stands_for(item)
            assert depot.place is not None
            target, work, starts, is_priced = depot.place, depot.length_s, None, False
        drive = drive_s[place, target]
        arrivals: list[_Label] = []
        if is_free:
            begin = free if free > earliest else earliest
            if begin <= latest:
                left = drive - (begin - free)
                arrivals.append((begin + length + (left if left > 0 else 0), spent, position))
        for now, cost, at in taken:
            arrivals.append((now + drive, cost, at))
        reached: list[_Label] = []
        for arrive, cost, at in arrivals:
            start = arrive
            if starts is not None:
                for opens, closes in starts:
                    if arrive <= closes:
                        start = arrive if arrive > opens else opens
                        break
                else:
                    continue
            if is_priced:
                cost += day.late_cost(item, start)
            _keep_best(reached, (start + work, cost, at))
        taken = reached
        if is_free:
            free += drive
            if starts is not None:
                for opens, closes in starts:
                    if free <= closes:
                        free = free if free > opens else opens
                        break
                else:
                    is_free = False
            if is_priced and is_free:
                spent += day.late_cost(item, free)
            free += work
        if not is_free and not taken:
            return []
        place = target
    drive = drive_s[place, terms.end_place]
    done: list[_Label] = []
    if is_free:
        begin = free if free > earliest else earliest
        left = drive - (begin - free)
        back = begin + length + (left if left > 0 else 0)
        if begin <= latest and back <= terms.last:
            done.append((back, spent, len(order)))
    for now, cost, at in taken:
        if now + drive <= terms.last:
            _keep_best(done, (now + drive, cost, at))
    return [at for _, _, at in done]


def _keep_best(labels: list[_Label], new: _Label) -> None:
    """Add a label unless another is as early and as cheap; drop those it beats."""
    for held in labels:
        if held[0] <= new[0] and held[1] <= new[1]:
            return
    labels[:] = [held for held in labels if held[0] < new[0] or held[1] < new[1]]
    labels.append(new)
