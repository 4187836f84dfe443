"""The cheapest times of a route with one pause or none: what `timing` finds for any, in quick passes.

Most shifts have one lunch and nothing else, and timing them is most of what an answer during the day takes.
What an order costs at least is known before its waiting is: what is too dear is not looked at further.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from scheduler.engine.indexed import Extra, IndexedDay, Terms
from scheduler.problem import Interval

_Stop = tuple[int, int, tuple[Interval, ...], int, int]
"""Drive to it, its length, when it may begin, how late without a price, its item."""
_Label = tuple[int, int, int]
"""Free from, cost so far, before which stop the pause is taken."""
_Way = tuple[int, int]
"""Before which stop the pause is taken on the road, `_NOWHERE` if it is not, and the earliest departure."""

Times = tuple[tuple[int, int, int], ...]
"""(arrive, start, end) of each item of a route."""

_NOWHERE = -1
_NEVER = 1 << 60
_ALWAYS = ((-_NEVER, _NEVER),)


def is_for(terms: Terms) -> bool:
    """Whether a shift has at most one pause, and no stop of its own."""
    extras = terms.extras
    return not extras or (len(extras) == 1 and extras[0].place is None)


class Found(NamedTuple):
    """The cheapest times of an order of stops; what each is, `timing.Timetable` says."""

    items: tuple[int, ...]
    at_home: int
    leave: int
    times: Times
    back: int
    drive_s: int
    waiting_s: int
    overtime_s: int
    cost: int


def cheapest(
    day: IndexedDay,
    shift_no: int,
    terms: Terms,
    opened: Mapping[int, tuple[Interval, ...]],
    order: Sequence[int],
    below: int | None = None,
) -> Found | None:
    """Return the cheapest times of an order of stops.

    None where no such route keeps the rules of time, or none costs less than `below`.
    """
    stops, home_s, driven, certain = _stops(day, shift_no, terms, opened, order)
    if below is None:
        below = _NEVER
    if certain >= below:
        return None
    rest = terms.extras[0] if terms.extras else None
    waiting_permille = day.weights.waiting_permille
    best: tuple[int, int] | None = None
    found: tuple[_Way, int, int] | None = None
    for way, least in _ways(day, terms, rest, stops, home_s):
        if certain + least >= below:
            continue
        at, opens = way
        run = _run(day, stops, home_s, opens, at, rest)
        if run is None or run[0] > terms.last:
            continue
        back, idle, late, begun = run
        cost = certain + late + _overtime(day, terms, back)
        if cost >= below or (best is not None and (cost, back) >= best):
            continue
        leave = opens
        if idle:
            leave = max(opens, _latest_leave(stops, begun, at, rest))
            # The last stop stays where it is, so that leaving later is so much less waiting.
            idle -= leave - opens
            cost += idle * waiting_permille // 1_000
        if back - leave > terms.longest_s or cost >= below:
            continue
        if best is None or (cost, back) < best:
            best, found = (cost, back), (way, leave, idle)
    if best is None or found is None:
        return None
    ((at, _), leave, waiting), (cost, back) = found, best
    if rest is None:
        items, at_home = tuple(order), 0
    elif at == _NOWHERE:
        items, at_home = (-1, *order), 1
    else:
        items, at_home = (*order[:at], -1, *order[at:]), 0
    times = _times(terms, rest, stops, at, leave)
    overtime = max(0, back - terms.closes)
    return Found(items, at_home, leave, times, back, driven, waiting, overtime, cost)


def earliest(
    day: IndexedDay,
    shift_no: int,
    opened: Mapping[int, tuple[Interval, ...]],
    items: Sequence[int],
    at_home: int,
) -> list[int] | None:
    """Return when each stop of an arrangement begins with everything at its earliest, the pause left out."""
    terms = day.terms[shift_no]
    order = [item for item in items if item != -1] if terms.extras else items
    stops, home_s, _, _ = _stops(day, shift_no, terms, opened, order)
    rest = terms.extras[0] if terms.extras else None
    at, opens = _NOWHERE, terms.opens
    if rest is not None and at_home:
        opens = max(opens, rest.earliest) + rest.length_s
    elif rest is not None:
        at = items.index(-1)
    run = _run(day, stops, home_s, opens, at, rest)
    return None if run is None else run[3]


def _stops(
    day: IndexedDay,
    shift_no: int,
    terms: Terms,
    opened: Mapping[int, tuple[Interval, ...]],
    order: Sequence[int],
) -> tuple[list[_Stop], int, int, int]:
    """Return the stops, the drive home, that of the whole route, and what it costs whenever things happen."""
    drive_s, fixed, places = day.drive_s, day.fixed_prices, day.place
    works, all_starts, free_until = day.works[shift_no], day.starts, day.free_until
    stops: list[_Stop] = []
    place, driven, priced, is_used = terms.start_place, 0, 0, False
    for item in order:
        if item >= 0:
            target = places[item]
            drive = drive_s[place, target]
            starts = opened[item] if item in opened else all_starts[item]
            stops.append((drive, works[item], starts, free_until[item], item))
            priced += fixed[shift_no, item]
            is_used = True
        else:
            depot = terms.stands_for(item)
            assert depot.place is not None
            target = depot.place
            drive = drive_s[place, target]
            stops.append((drive, depot.length_s, _ALWAYS, _NEVER, item))
        driven += drive
        place = target
    home_s = drive_s[place, terms.end_place]
    driven += home_s
    priced += day.weights.first_use if is_used else 0
    return stops, home_s, driven, driven + priced


def _ways(
    day: IndexedDay, terms: Terms, rest: Extra | None, stops: Sequence[_Stop], home_s: int
) -> Iterable[tuple[_Way, int]]:
    """Yield the ways of taking the pause, each with what time costs on it at least."""
    if rest is None:
        yield (_NOWHERE, terms.opens), 0
        return
    for back, late, at in _on_the_road(day, terms, rest, stops, home_s):
        yield (at, terms.opens), late + _overtime(day, terms, back)
    begin = max(terms.opens, rest.earliest)
    if begin <= rest.latest:
        yield (_NOWHERE, begin + rest.length_s), 0


def _overtime(day: IndexedDay, terms: Terms, back: int) -> int:
    return max(0, back - terms.closes) * day.weights.overtime_permille // 1_000


def _on_the_road(
    day: IndexedDay, terms: Terms, rest: Extra, stops: Sequence[_Stop], home_s: int
) -> list[_Label]:
    """Return (back, lateness, before which stop) where no other place for the pause is as good.

    The stop after the last is the way home. The pause is never taken before leaving.
    """
    earliest, latest, length = rest.earliest, rest.latest, rest.length_s
    free, spent = terms.opens, 0
    is_free = True
    taken: list[_Label] = []
    for position, (drive, work, starts, free_until, item) in enumerate(stops):
        arrivals = taken
        if arrivals:
            arrivals = [(now + drive, cost, at) for now, cost, at in arrivals]
        if is_free:
            begin = free if free > earliest else earliest
            if begin <= latest:
                left = drive - (begin - free)
                arrive = begin + length + (left if left > 0 else 0)
                arrivals = [(arrive, spent, position), *arrivals]
        taken = []
        for arrive, cost, at in arrivals:
            for opens, closes in starts:
                if arrive <= closes:
                    start = arrive if arrive > opens else opens
                    if start > free_until:
                        cost += day.late_cost(item, start)
                    if taken:
                        _keep_best(taken, (start + work, cost, at))
                    else:
                        taken.append((start + work, cost, at))
                    break
        if is_free:
            free += drive
            for opens, closes in starts:
                if free <= closes:
                    free = free if free > opens else opens
                    break
            else:
                is_free = False
            if free > free_until and is_free:
                spent += day.late_cost(item, free)
            free += work
        if not is_free and not taken:
            return []
    done: list[_Label] = []
    if is_free:
        begin = free if free > earliest else earliest
        left = home_s - (begin - free)
        back = begin + length + (left if left > 0 else 0)
        if begin <= latest and back <= terms.last:
            done.append((back, spent, len(stops)))
    for now, cost, at in taken:
        if now + home_s <= terms.last:
            _keep_best(done, (now + home_s, cost, at))
    return done


def _run(
    day: IndexedDay,
    stops: Sequence[_Stop],
    home_s: int,
    now: int,
    at: int,
    rest: Extra | None,
) -> tuple[int, int, int, list[int]] | None:
    """Return (back, idle until the last stop, lateness, beginnings) of a departure at `now`."""
    idle = late = 0
    begun: list[int] = []
    for number, (drive, work, starts, free_until, item) in enumerate(stops):
        if number == at:
            assert rest is not None
            begin = now if now > rest.earliest else rest.earliest
            if begin > rest.latest:
                return None
            left = drive - (begin - now)
            if left < 0:
                idle -= left
                left = 0
            now = begin + rest.length_s + left
        else:
            now += drive
        for opens, closes in starts:
            if now <= closes:
                if now < opens:
                    idle += opens - now
                    now = opens
                break
        else:
            return None
        if now > free_until:
            late += day.late_cost(item, now)
        begun.append(now)
        now += work
    if at == len(stops):
        assert rest is not None
        begin = now if now > rest.earliest else rest.earliest
        if begin > rest.latest:
            return None
        left = home_s - (begin - now)
        return begin + rest.length_s + (left if left > 0 else 0), idle, late, begun
    return now + home_s, idle, late, begun


def _times(terms: Terms, rest: Extra | None, stops: Sequence[_Stop], at: int, leave: int) -> Times:
    """Return the times of a departure that was found to keep all rules."""
    times: list[tuple[int, int, int]] = []
    now = leave
    if rest is not None and at == _NOWHERE:
        begin = max(terms.opens, rest.earliest)
        times.append((begin, begin, begin + rest.length_s))
    for number, (drive, work, starts, _, _) in enumerate(stops):
        if rest is not None and number == at:
            begin = max(now, rest.earliest)
            end = begin + rest.length_s
            times.append((begin, begin, end))
            now = end + max(0, drive - (begin - now))
        else:
            now += drive
        start = now
        for opens, closes in starts:
            if now <= closes:
                start = max(now, opens)
                break
        times.append((now, start, start + work))
        now = start + work
    if rest is not None and at == len(stops):
        begin = max(now, rest.earliest)
        times.append((begin, begin, begin + rest.length_s))
    return tuple(times)


def _latest_leave(stops: Sequence[_Stop], begun: Sequence[int], at: int, rest: Extra | None) -> int:
    """Return the latest departure that changes neither a price nor the last stop's beginning."""
    by = begun[-1]
    for number in range(len(stops) - 1, 0, -1):
        left = by - stops[number][0]
        if number == at and rest is not None:
            left = min(left - rest.length_s, rest.latest)
        _, work, starts, free_until, _ = stops[number - 1]
        start = begun[number - 1]
        bound = min(left - work, max(free_until, start))
        by = start
        for opens, closes in reversed(starts):
            if opens <= bound:
                by = bound if bound < closes else closes
                break
    left = by - stops[0][0]
    return min(left - rest.length_s, rest.latest) if at == 0 and rest is not None else left


def _keep_best(labels: list[_Label], new: _Label) -> None:
    """Add a label unless another is as early and as cheap; drop those it beats."""
    for held in labels:
        if held[0] <= new[0] and held[1] <= new[1]:
            return
    labels[:] = [held for held in labels if held[0] < new[0] or held[1] < new[1]]
    labels.append(new)
