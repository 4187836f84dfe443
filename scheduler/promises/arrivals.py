"""When a route's technician arrives: errors of travel and work drawn through it many times over.

In each draw the route is driven as a technician does: the next trip begins when the work before it ends,
breaks are taken where the plan has them and not earlier than they may be, work does not begin before its
window opens, and where nobody is there the visit is short. A timetable puts off leaving as long as that costs
nothing; people leave when they are expected: in time for the window they promised, else as was published.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from scheduler.problem import DAY_S, DayProblem, Route, Shift, Stop, StopKind, Visit
from scheduler.promises.errors import Draws, Errors, Floats, Lots

DRAWS: Final = 500
AT_THE_DOOR_S: Final = 600
"""How long a technician waits where nobody opens."""
_SHORTEST_WORK_S: Final = 60
_SPARE_S: Final = 300
"""Less time than this before a visit is none to wait for."""

Opens = Callable[[Visit, Stop, Floats], int | None]
"""Told each visit's arrivals in the order of the route; returns when work may begin at the earliest, where
that is decided only now."""


class Forecast:
    """When a visit is reached, in seconds of the problem's clock: draws, sorted."""

    def __init__(self, arrivals: Floats) -> None:
        self.seconds = np.sort(arrivals)
        count = len(self.seconds)
        self.middle = float(self.seconds[count // 2])
        low, high = self.seconds[count // 10], self.seconds[count - 1 - count // 10]
        # From the first to the last tenth, as a standard deviation; never surer than two minutes.
        self.spread = max(120.0, float(high - low) / 2.563)


class Roads:
    """A problem's routes with the errors to expect of them."""

    def __init__(
        self,
        problem: DayProblem,
        errors: Errors,
        kinds: Mapping[str, str] | None = None,
        *,
        draws: int = DRAWS,
        seed: int = 0,
    ) -> None:
        """`kinds` is the kind of work of each visit."""
        self.problem = problem
        self.errors = errors
        self.kinds = kinds or {}
        self.draws = draws
        self.visits = {visit.id: visit for visit in problem.visits}
        self.shifts = {shift.id: shift for shift in problem.shifts}
        self.published = {each.visit: each.start for each in problem.published}
        self.begun = {pin.visit for pin in problem.pins if pin.begun}
        self._lots = Lots(draws, seed)

    def forecast(
        self, route: Route, opens: Opens | None = None, *, moved: str | None = None
    ) -> dict[str, Forecast]:
        """Return the forecast of each visit of a route; work in hand is not foreseen, it is known.

        `moved` is a visit that the route has and the published plan has elsewhere.
        """
        published = {visit: start for visit, start in self.published.items() if visit != moved}
        shift = self.shifts[route.shift]
        draws = Draws(self.errors, self._lots, route.shift)
        clock = np.full(self.draws, float(self._leave(route, shift, published)))
        held = _held(route, published)
        pauses: list[Stop] = []
        found: dict[str, Forecast] = {}
        for stop in route.stops:
            if stop.place is None:
                if stop.end > route.leave:  # else it is taken at home
                    pauses.append(stop)
                continue
            visit = None if stop.visit is None else self.visits[stop.visit]
            territory = (visit.territory if visit is not None else shift.territory) or ""
            to = stop.visit or f"{stop.kind}/{stop.number}"
            ratio = draws.travel(to, territory, _hour(stop.arrive - stop.drive_s))
            arrive = np.maximum(clock + stop.drive_s * ratio, float(self.problem.now or 0))
            for pause in pauses:
                arrive = np.maximum(arrive, _earliest(pause, shift)) + (pause.end - pause.start)
            pauses = []
            if visit is None:
                length = stop.end - stop.start
                waits = stop.start if stop.kind is StopKind.ABSENCE else 0
                clock = np.maximum(arrive, waits) + length
                continue
            clock = self._worked(stop, visit, arrive, draws, found, opens, held)
        return found

    def _worked(
        self,
        stop: Stop,
        visit: Visit,
        arrive: Floats,
        draws: Draws,
        found: dict[str, Forecast],
        opens: Opens | None,
        held: Mapping[str, int],
    ) -> Floats:
        """Return when the visit is over, and note its forecast."""
        kind, territory = self.kinds.get(visit.id, ""), visit.territory or ""
        longer = draws.work(visit.id, kind, territory)
        if visit.id in self.begun:
            still = max(_SHORTEST_WORK_S, stop.end - (self.problem.now or stop.start))
            # What is known of it already is not uncertain any more.
            share = min(1.0, still / max(1, stop.end - stop.start))
            return np.maximum(stop.end + longer * share, float(self.problem.now or stop.start))
        if visit.id in held:
            # Whoever has time to spare leaves later.
            arrive = np.maximum(arrive, held[visit.id])
        found[visit.id] = Forecast(arrive)
        earliest = max(_opening(visit, stop), held.get(visit.id, 0))
        if opens is not None and (decided := opens(visit, stop, arrive)) is not None:
            earliest = max(earliest, decided)
        begins = np.maximum(arrive, earliest)
        planned = stop.end - stop.start
        work = np.maximum(planned + longer, min(planned, _SHORTEST_WORK_S))
        return begins + np.where(draws.absent(visit.id, kind), AT_THE_DOOR_S, work)

    def _leave(self, route: Route, shift: Shift, published: Mapping[str, int]) -> int:
        """Return when a route's technician leaves, to be in time for the first stop."""
        first = next((stop for stop in route.stops if stop.place is not None), None)
        if first is None or first.visit is None:
            return route.leave
        visit = self.visits[first.visit]
        expected = published.get(visit.id, first.arrive)
        if visit.promise is not None:
            expected = min(expected, visit.promise.opens)
        earliest = max(shift.opens, self.problem.now or 0)
        return min(route.leave, max(earliest, expected - first.drive_s))


def _held(route: Route, published: Mapping[str, int]) -> dict[str, int]:
    """Return when work begins at the earliest where the plan leaves time before it.

    The published plan says so where it has the visit, else the timetable.
    """
    found: dict[str, int] = {}
    free: int | None = None
    paused = 0
    for stop in route.stops:
        if stop.place is None:
            paused += stop.end - stop.start
            continue
        start = stop.start
        if stop.visit is not None and stop.visit in published:
            start = published[stop.visit]
            if free is None or start > free + paused + stop.drive_s + _SPARE_S:
                found[stop.visit] = start
        elif stop.visit is not None and stop.start > stop.arrive:
            found[stop.visit] = start
        free, paused = start + stop.end - stop.start, 0
    return found


def _hour(second: int) -> int:
    """Return the local hour of a second; on the days clocks change it is one off after the change."""
    return second % DAY_S // 3_600


def _earliest(pause: Stop, shift: Shift) -> int:
    """Return when a break or an absence on the road may begin."""
    if pause.number is None:
        return pause.start
    if pause.kind is StopKind.BREAK:
        return shift.breaks[pause.number].earliest
    return shift.absences[pause.number].start


def _opening(visit: Visit, stop: Stop) -> int:
    """Return from when on work may begin: the window it is planned in, and its promise."""
    opens = max((a for a, _ in visit.windows if a <= stop.start), default=stop.start)
    return opens if visit.promise is None else max(opens, visit.promise.opens)
