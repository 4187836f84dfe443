"""When everything on one route happens, for a given order of its visits.

Work begins as early as it can, since no price falls when it begins later; breaks and absences go where
they let the rest begin earliest; leaving home is then delayed by what would be idle, as far as no start
becomes dearer and the last stop stays where it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from scheduler.engine import one_pause
from scheduler.engine.indexed import FIRST_DEPOT, Extra, IndexedDay, Terms
from scheduler.problem import Interval, Route, Stop, StopKind

Opened = Mapping[int, tuple[Interval, ...]]
"""Other intervals in which a visit, by number, may begin than the problem's."""

NOTHING_OPENED: Opened = {}

_MANY_EXTRAS = 4
"""With more of them a route has too many arrangements to look at each."""

# An item of a route is a visit's number, or −1 − the number of an extra or, from `FIRST_DEPOT` on, of a
# depot where parts are picked up.
Items = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Timetable:
    """One route's times and what they cost."""

    shift_no: int
    items: Items
    at_home: int
    """How many of `items` are pauses taken before leaving."""
    leave: int
    times: tuple[tuple[int, int, int], ...]
    """(arrive, start, end) of each item."""
    back: int
    drive_s: int
    waiting_s: int
    overtime_s: int
    cost: int
    """Travel, waiting, overtime, first use, fixed prices, lateness."""

    @property
    def visits(self) -> list[int]:
        return [item for item in self.items if item >= 0]


def timetable(
    day: IndexedDay,
    shift_no: int,
    order: Sequence[int],
    *,
    terms: Terms | None = None,
    opened: Opened = NOTHING_OPENED,
    below: int | None = None,
) -> Timetable | None:
    """Return the times of `order` on a shift, or None where no such route keeps the rules of time.

    In `order` are visits and stops at depots. `terms` and `opened` replace the shift's and visits' own, to
    ask what would be if they gave way. Permissions and parts are not looked at. None, too, where the
    route costs `below` or more.
    """
    terms = terms or day.terms[shift_no]
    if one_pause.is_for(terms):
        found = one_pause.cheapest(day, shift_no, terms, opened, order, below)
        return None if found is None else Timetable(shift_no, *found)
    route = _Route(day, shift_no, terms, opened)
    best: Timetable | None = None
    for home, ways in route.ways(order):
        for items in ways:
            timed = route.timed(items, home)
            if timed is not None and (
                best is None or (timed.cost, timed.back) < (best.cost, best.back)
            ):
                best = timed
    return None if best is None or (below is not None and best.cost >= below) else best


def arranged(
    day: IndexedDay,
    shift_no: int,
    order: Sequence[int],
    known: Items,
    *,
    opened: Opened = NOTHING_OPENED,
) -> Timetable | None:
    """Return the times of one arrangement of `order`, or of a cheaper one where there are few.

    Visits in `opened` depend on others and stay as they are arranged.
    """
    terms = day.terms[shift_no]
    timed = as_arranged(day, shift_no, known, opened=opened)
    if timed is not None and (
        not terms.extras or len(terms.extras) > _MANY_EXTRAS or not opened.keys().isdisjoint(order)
    ):
        return timed
    other = timetable(day, shift_no, order, opened=opened)
    if timed is None or (other is not None and other.cost < timed.cost):
        return other
    return timed


def as_arranged(
    day: IndexedDay, shift_no: int, items: Items, *, opened: Opened = NOTHING_OPENED
) -> Timetable | None:
    """Return the times of items in exactly this order, no pause of it taken before leaving."""
    return _Route(day, shift_no, day.terms[shift_no], opened).timed(items, 0)


def earliest_starts(
    day: IndexedDay, timed: Timetable, *, opened: Opened = NOTHING_OPENED
) -> list[tuple[int, int]]:
    """Return (visit, start) of an arrangement with everything at its earliest, however long the tour is."""
    terms, times = day.terms[timed.shift_no], timed.times
    if timed.at_home or timed.leave != terms.opens:
        if one_pause.is_for(terms):
            stops = [item for item in timed.items if item >= 0 or item < -FIRST_DEPOT]
            starts = one_pause.earliest(day, timed.shift_no, opened, timed.items, timed.at_home)
            if starts is not None:
                return [each for each in zip(stops, starts, strict=True) if each[0] >= 0]
        early = _Route(day, timed.shift_no, terms, opened).earliest(timed.items, timed.at_home)
        times = times if early is None else early.times
    return [
        (item, start) for item, (_, start, _) in zip(timed.items, times, strict=True) if item >= 0
    ]


def within(intervals: Sequence[Interval], bounds: Interval) -> tuple[Interval, ...]:
    """Return what of ascending intervals lies within bounds."""
    least, greatest = bounds
    return tuple(
        (max(opens, least), min(closes, greatest))
        for opens, closes in intervals
        if max(opens, least) <= min(closes, greatest)
    )


def first_start(intervals: Sequence[Interval], arrive: int) -> int | None:
    """Return the first instant from `arrive` on that lies in one of the ascending intervals."""
    for opens, closes in intervals:
        if arrive <= closes:
            return max(arrive, opens)
    return None


def last_start(intervals: Sequence[Interval], bound: int) -> int | None:
    """Return the last instant up to `bound` that lies in one of the ascending intervals."""
    for opens, closes in reversed(intervals):
        if opens <= bound:
            return min(bound, closes)
    return None


def as_route(day: IndexedDay, timed: Timetable) -> Route:
    """Write a timetable as the plan shows it."""
    terms, shift = day.terms[timed.shift_no], day.shifts[timed.shift_no]
    place, metres, work = terms.start_place, 0, 0
    stops: list[Stop] = []
    for item, (arrive, start, end) in zip(timed.items, timed.times, strict=True):
        extra = None if item >= 0 else terms.stands_for(item)
        target = day.place[item] if extra is None else extra.place
        drive_s = drive_m = 0
        if target is not None:
            drive_s, drive_m = day.drive_s[place, target], day.drive_m[place, target]
            place = target
            metres += drive_m
        if extra is None:
            work += end - start
        stops.append(
            Stop(
                kind=_kind(extra),
                place=target,
                arrive=arrive,
                start=start,
                end=end,
                visit=day.visits[item].id if extra is None else None,
                number=None if extra is None else extra.number,
                drive_s=drive_s,
                drive_m=drive_m,
            )
        )
    return Route(
        shift=shift.id,
        technician=shift.technician,
        day=shift.day,
        leave=timed.leave,
        back=timed.back,
        stops=tuple(stops),
        drive_s=timed.drive_s,
        drive_m=metres + day.drive_m[place, terms.end_place],
        work_s=work,
        waiting_s=timed.waiting_s,
        overtime_s=timed.overtime_s,
    )


def _kind(extra: Extra | None) -> StopKind:
    if extra is None:
        return StopKind.VISIT
    if extra.is_pickup:
        return StopKind.PICKUP
    return StopKind.BREAK if extra.is_break else StopKind.ABSENCE


def _pause(extra: Extra, now: int, remaining: int) -> tuple[int, int, int] | None:
    """Take a pause on the road: return (begin, drive left, idle before it), None where too late.

    Driving goes on until the pause may begin; what is then left of the leg is driven after it.
    """
    begin = max(now, extra.earliest)
    if begin > extra.latest:
        return None
    driven = min(remaining, begin - now)
    return begin, remaining - driven, begin - now - driven


def _at_home(terms: Terms) -> Iterator[tuple[int, int, Items]]:
    """Yield each way of taking pauses before leaving: (free from, extras taken as bits, items)."""

    def further(now: int, taken: int, items: Items) -> Iterator[tuple[int, int, Items]]:
        yield now, taken, items
        for number, extra in enumerate(terms.extras):
            if taken >> number & 1 or extra.place is not None:
                continue
            begin = max(now, extra.earliest)
            if begin <= extra.latest:
                end = begin + extra.length_s
                yield from further(end, taken | 1 << number, (*items, -1 - number))

    return further(terms.opens, 0, ())


@dataclass(frozen=True, slots=True)
class _Label:
    """A way to have come this far with some extras taken; fewer seconds and less cost are better."""

    now: int
    cost: int
    items: Items


class _Route:
    def __init__(self, day: IndexedDay, shift_no: int, terms: Terms, opened: Opened) -> None:
        self.day = day
        self.shift_no = shift_no
        self.terms = terms
        self.opened = opened

    def starts(self, visit_no: int) -> tuple[Interval, ...]:
        if visit_no in self.opened:
            return self.opened[visit_no]
        return self.day.starts[visit_no]

    def ways(self, order: Sequence[int]) -> Iterator[tuple[int, Iterable[Items]]]:
        """Yield arrangements of all extras among `order`, by how many pauses are taken before leaving."""
        for now, taken, home in _at_home(self.terms):
            yield len(home), self.arranged(order, now, taken, home)

    def arranged(self, order: Sequence[int], now: int, taken: int, home: Items) -> Iterator[Items]:
        """Yield the arrangements of all extras among `order` that no other one beats everywhere."""
        day = self.day
        place = self.terms.start_place
        labels: dict[int, list[_Label]] = {taken: [_Label(now, 0, home)]}
        for item in order:
            reached: dict[int, list[_Label]] = {}
            target = self._place(item)
            for mask, held in labels.items():
                for label in held:
                    for arrive, after, between in self._leg(label.now, place, target, mask):
                        start = self._first_start(item, arrive)
                        if start is None:
                            continue
                        late = day.late_cost(item, start) if item >= 0 else 0
                        _keep_best(
                            reached.setdefault(after, []),
                            _Label(
                                start + self._length_s(item),
                                label.cost + late,
                                (*label.items, *between, item),
                            ),
                        )
            labels = reached
            place = target
        everything = (1 << len(self.terms.extras)) - 1
        done: list[_Label] = []
        for mask, held in labels.items():
            for label in held:
                for arrive, after, between in self._leg(
                    label.now, place, self.terms.end_place, mask
                ):
                    if after == everything and arrive <= self.terms.last:
                        _keep_best(done, _Label(arrive, label.cost, (*label.items, *between)))
        for label in done:
            yield label.items

    def _first_start(self, item: int, arrive: int) -> int | None:
        return first_start(self.starts(item), arrive) if item >= 0 else arrive

    def _length_s(self, item: int) -> int:
        return (
            self.day.work_s(self.shift_no, item)
            if item >= 0
            else self.terms.stands_for(item).length_s
        )

    def _leg(
        self, now: int, place: int, target: int, taken: int
    ) -> Iterator[tuple[int, int, Items]]:
        """Yield the ways from `place` to `target`: (arrive, extras taken as bits, those on the way)."""
        yield from self._pauses(now, self.day.drive_s[place, target], taken, ())
        for number, extra in enumerate(self.terms.extras):
            if extra.place is None or taken >> number & 1:
                continue
            drive = self.day.drive_s[place, extra.place]
            for arrive, mask, before in self._pauses(now, drive, taken, ()):
                if arrive > extra.latest:
                    continue
                for end, after, beyond in self._leg(
                    extra.earliest + extra.length_s, extra.place, target, mask | 1 << number
                ):
                    yield end, after, (*before, -1 - number, *beyond)

    def _pauses(
        self, now: int, remaining: int, taken: int, items: Items
    ) -> Iterator[tuple[int, int, Items]]:
        yield now + remaining, taken, items
        for number, extra in enumerate(self.terms.extras):
            if extra.place is not None or taken >> number & 1:
                continue
            paused = _pause(extra, now, remaining)
            if paused is not None:
                begin, left, _ = paused
                yield from self._pauses(
                    begin + extra.length_s, left, taken | 1 << number, (*items, -1 - number)
                )

    def timed(self, items: Items, at_home: int) -> Timetable | None:
        """Return the cheapest times of these items in this order, None where they break a rule."""
        earliest = self.earliest(items, at_home)
        if earliest is None:
            return None
        leave = self._latest_leave(earliest) if earliest.waiting_s else earliest.leave
        if leave <= earliest.leave:
            return earliest if earliest.back - earliest.leave <= self.terms.longest_s else None
        return self._play(items, at_home, leave)

    def earliest(self, items: Items, at_home: int) -> Timetable | None:
        return self._play(items, at_home, self.terms.opens, provisional=True)

    def _play(
        self, items: Items, at_home: int, leave: int, *, provisional: bool = False
    ) -> Timetable | None:
        """Time the items from a departure on; a provisional timetable may last longer than allowed."""
        day, terms = self.day, self.terms
        drive_s = day.drive_s
        times: list[tuple[int, int, int]] = []
        now = terms.opens
        for item in items[:at_home]:
            home = terms.extras[-1 - item]
            begin = max(now, home.earliest)
            if begin > home.latest:
                return None
            now = begin + home.length_s
            times.append((begin, begin, now))
        leave = now = max(now, leave)
        place, driven, idle, waiting = terms.start_place, 0, 0, 0
        cost, used = 0, False
        pending: list[Extra] = []
        for item in items[at_home:]:
            extra = None if item >= 0 else terms.stands_for(item)
            if extra is not None and extra.place is None:
                pending.append(extra)
                continue
            target = day.place[item] if extra is None or extra.place is None else extra.place
            remaining = drive_s[place, target]
            driven += remaining
            for rest in pending:
                paused = _pause(rest, now, remaining)
                if paused is None:
                    return None
                begin, remaining, waited = paused
                idle += waited
                now = begin + rest.length_s
                times.append((begin, begin, now))
            pending.clear()
            arrive = now + remaining
            start: int | None
            if extra is None:
                start = first_start(self.starts(item), arrive)
                if start is None:
                    return None
                now = start + day.work_s(self.shift_no, item)
                cost += int(day.fixed[self.shift_no, item]) + day.late_cost(item, start)
                used = True
            else:
                start = max(arrive, extra.earliest) if extra.is_pickup else extra.earliest
                if arrive > start:
                    return None
                now = start + extra.length_s
            idle += start - arrive
            waiting = idle
            place = target
            times.append((arrive, start, now))
        remaining = drive_s[place, terms.end_place]
        driven += remaining
        for rest in pending:
            paused = _pause(rest, now, remaining)
            if paused is None:
                return None
            begin, remaining, _ = paused
            now = begin + rest.length_s
            times.append((begin, begin, now))
        back = now + remaining
        if back > terms.last:
            return None
        if back - leave > terms.longest_s and not provisional:
            return None
        overtime = max(0, back - terms.closes)
        weights = day.weights
        cost += (
            driven
            + waiting * weights.waiting_permille // 1000
            + overtime * weights.overtime_permille // 1000
            + (weights.first_use if used else 0)
        )
        return Timetable(
            shift_no=self.shift_no,
            items=items,
            at_home=at_home,
            leave=leave,
            times=tuple(times),
            back=back,
            drive_s=driven,
            waiting_s=waiting,
            overtime_s=overtime,
            cost=cost,
        )

    def _latest_leave(self, earliest: Timetable) -> int:
        """Return the latest departure that changes neither a price nor the last stop's beginning."""
        day, terms = self.day, self.terms
        stops = [
            (number, item)
            for number, item in enumerate(earliest.items)
            if number >= earliest.at_home
            and (item >= 0 or terms.stands_for(item).place is not None)
        ]
        by = earliest.times[stops[-1][0]][1]
        while stops:
            number, item = stops.pop()
            before = stops[-1][0] if stops else earliest.at_home - 1
            origin = self._place(stops[-1][1]) if stops else terms.start_place
            pauses = [terms.extras[-1 - rest] for rest in earliest.items[before + 1 : number]]
            left = by - day.drive_s[origin, self._place(item)]
            left -= sum(rest.length_s for rest in pauses)
            paused = 0
            for rest in pauses:
                left = min(left, rest.latest - paused)
                paused += rest.length_s
            if not stops:
                return left
            previous = stops[-1][1]
            start = earliest.times[stops[-1][0]][1]
            if previous < 0:
                extra = terms.stands_for(previous)
                by = left - extra.length_s if extra.is_pickup else start
                continue
            bound = left - day.work_s(self.shift_no, previous)
            for priced in (day.due[previous], day.promise_closes[previous]):
                if priced is not None:
                    bound = min(bound, max(priced, start))
            latest = last_start(self.starts(previous), bound)
            by = start if latest is None else latest
        return earliest.leave

    def _place(self, item: int) -> int:
        place = self.day.place[item] if item >= 0 else self.terms.stands_for(item).place
        assert place is not None
        return place


def _keep_best(labels: list[_Label], new: _Label) -> None:
    """Add a label unless another is as early and as cheap; drop those it beats."""
    if any(held.now <= new.now and held.cost <= new.cost for held in labels):
        return
    labels[:] = [held for held in labels if held.now < new.now or held.cost < new.cost]
    labels.append(new)
