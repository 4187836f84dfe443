"""When a route's technician arrives: errors of travel and work drawn through it many times over.

In each draw the route is driven as a technician does: the next trip begins when the work before it ends,
breaks are taken where the plan has them and not earlier than they may be, work does not begin before its
window opens, and where nobody is there the visit is short.
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
        self.begun = {pin.visit for pin in problem.pins if pin.begun}
        self._lots = Lots(draws, seed)

    def forecast(self, route: Route, opens: Opens | None = None) -> dict[str, Forecast]:
        """Return the forecast of each visit of a route; work in hand is not foreseen, it is known."""
        shift = self.shifts[route.shift]
        draws = Draws(self.errors, self._lots, route.shift)
        clock = np.full(self.draws, float(route.leave))
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
            clock = self._worked(stop, visit, arrive, draws, found, opens)
        return found

    def _worked(
        self,
        stop: Stop,
        visit: Visit,
        arrive: Floats,
        draws: Draws,
        found: dict[str, Forecast],
        opens: Opens | None,
    ) -> Floats:
        """Return when the visit is over, and note its forecast."""
        kind, territory = self.kinds.get(visit.id, ""), visit.territory or ""
        longer = draws.work(visit.id, kind, territory)
        if visit.id in self.begun:
            still = max(_SHORTEST_WORK_S, stop.end - (self.problem.now or stop.start))
            # What is known of it already is not uncertain any more.
            share = min(1.0, still / max(1, stop.end - stop.start))
            return np.maximum(stop.end + longer * share, float(self.problem.now or stop.start))
        found[visit.id] = Forecast(arrive)
        earliest = _opening(visit, stop)
        if opens is not None and (decided := opens(visit, stop, arrive)) is not None:
            earliest = max(earliest, decided)
        begins = np.maximum(arrive, earliest)
        planned = stop.end - stop.start
        work = np.maximum(planned + longer, min(planned, _SHORTEST_WORK_S))
        return begins + np.where(draws.absent(visit.id, kind), AT_THE_DOOR_S, work)


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
    """Return from when on work may begin: the window it is planned in, and its promise.

    Where the plan waits, it waits for something to open.
    """
    if stop.start > stop.arrive:
        return stop.start
    opens = max((a for a, _ in visit.windows if a <= stop.start), default=stop.start)
    return opens if visit.promise is None else max(opens, visit.promise.opens)
