"""Windows to announce, and chances of keeping them, corrected by how recent promises came out.

A technician who is early waits at the door, and work then begins inside the window; so a window is kept when
they arrive before it closes. It is the narrowest on a grid that holds the target, and whose opening at most
`EARLY` of all arrivals would have to wait for: a later opening would narrow it at the price of paid waiting.

*Correction*: of each recent promise the error is known, in spreads of its own forecast. The distribution used
is those errors with the draws' own, which count for `PRIOR` of them, and one more that was worse than all:
the split-conformal step, by which a new promise is kept as often as said if it is like the recent ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from scheduler.problem import DayProblem, Route, Stop, Visit
from scheduler.promises.arrivals import Forecast, Roads
from scheduler.promises.errors import ASSUMED, Errors, Floats

GRID_S: Final = 900
TARGET: Final = 0.985
"""A little above what is to be reached: a share is itself measured with error."""
EARLY: Final = 0.1
PRIOR: Final = 40
"""Recent promises that a forecast's own draws count for."""
ENOUGH: Final = 150
"""Recent promises of one class that are looked at by themselves."""
_SPREADS: Final = (480.0, 1_200.0, 2_100.0)
_FARTHEST: Final = 8.0
"""In spreads: where the error that was worse than all is put."""

_ALL: Final = ""
_NONE: Final = np.zeros(0)


def class_of(ahead_s: float, spread: float) -> str:
    """Return with which promises one is compared: told as far ahead, and as sure.

    The first stops of a day and the last are off in other ways, and so are those told on the day itself.
    """
    told = "hours" if ahead_s < 4 * 3_600 else "day" if ahead_s < 24 * 3_600 else "days"
    return f"{told}/{sum(spread >= each for each in _SPREADS)}"


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """How recent promises came out: errors of arrival in spreads of their forecasts, sorted, by class."""

    scores: Mapping[str, Floats] = field(default_factory=dict)

    @staticmethod
    def of(scores: Iterable[tuple[str, float]]) -> Calibration:
        """Return the calibration of promises as (class, score)."""
        by_class: dict[str, list[float]] = {_ALL: []}
        for name, score in scores:
            by_class[_ALL].append(score)
            by_class.setdefault(name, []).append(score)
        return Calibration(
            {
                name: np.sort(np.array(several))
                for name, several in by_class.items()
                if name == _ALL or len(several) >= ENOUGH
            }
        )

    def of_class(self, name: str) -> Floats:
        """Return the scores of a class, of all where there are too few."""
        return self.scores.get(name, self.scores.get(_ALL, _NONE))

    def __len__(self) -> int:
        return len(self.scores.get(_ALL, _NONE))


def score(middle: float, spread: float, arrived: float) -> float:
    """Return an arrival's error in spreads of its forecast."""
    return (arrived - middle) / spread


class Corrected:
    """A forecast as recent promises correct it."""

    def __init__(self, forecast: Forecast, calibration: Calibration, ahead_s: float) -> None:
        self.middle, self.spread = forecast.middle, forecast.spread
        self._recent = calibration.of_class(class_of(ahead_s, self.spread))
        self._own = forecast.seconds
        self._weight = PRIOR / len(self._own)
        # The one that was worse than all is in the sum and never reached.
        self._sum = len(self._recent) + PRIOR + bool(len(self._recent))

    def chance_by(self, second: float) -> float:
        """Return the chance to arrive by a second."""
        recent = np.searchsorted(self._recent, (second - self.middle) / self.spread, side="right")
        own = np.searchsorted(self._own, second, side="right")
        return float(recent + own * self._weight) / self._sum

    def second(self, share: float) -> float:
        """Return the first second by which arrivals of that share have come."""
        seconds = np.concatenate([self.middle + self._recent * self.spread, self._own])
        weights = np.concatenate(
            [np.ones(len(self._recent)), np.full(len(self._own), self._weight)]
        )
        order = np.argsort(seconds, kind="stable")
        reached = np.cumsum(weights[order]) / self._sum
        at = int(np.searchsorted(reached, share - 1e-9))
        if at < len(order):
            return float(seconds[order[at]])
        return max(float(seconds[order[-1]]), self.middle + _FARTHEST * self.spread)


@dataclass(frozen=True, slots=True)
class Window:
    """A window with the chance that work begins inside it, and the forecast it was made from."""

    opens: int
    closes: int
    probability: float
    foreseen: Corrected

    @property
    def width_s(self) -> int:
        return self.closes - self.opens


@dataclass(frozen=True, slots=True)
class Wanted:
    """What windows are made like."""

    target: float = TARGET
    early: float = EARLY
    grid_s: int = GRID_S
    width_s: int | None = None
    """A length to keep instead of the narrowest; its chance is then what it is."""


def window_of(
    forecast: Corrected,
    wanted: Wanted,
    *,
    not_before: int = 0,
    within: tuple[int, int] | None = None,
) -> Window:
    """Return the window to announce; `within` is when the customer takes the work's beginning."""
    grid = wanted.grid_s
    opens = int(forecast.second(wanted.early) // grid * grid)
    opens = max(opens, -(-not_before // grid) * grid)
    if wanted.width_s is None:
        closes = int(-(-forecast.second(wanted.target) // grid) * grid)
    else:
        closes = opens + wanted.width_s
    closes = max(closes, opens + grid)
    if within is not None:
        opens = max(within[0], min(opens, within[1]))
        closes = max(opens, min(closes, within[1]))
    return stated(forecast, opens, closes)


def stated(forecast: Corrected, opens: int, closes: int) -> Window:
    """Return a window with the chance that it is kept; never said to be certain."""
    chance = round(min(forecast.chance_by(closes), 0.9999), 4)
    return Window(opens, closes, chance, forecast)


@dataclass(frozen=True, slots=True)
class Model:
    """Everything that windows and chances depend on beside the plan."""

    errors: Errors = ASSUMED
    calibration: Calibration = field(default_factory=Calibration)
    wanted: Wanted = Wanted()
    digest: str | None = None
    """Of the errors; None: those assumed."""


class Outlook:
    """What is to be expected of the routes of a problem."""

    def __init__(
        self,
        problem: DayProblem,
        model: Model | None = None,
        kinds: Mapping[str, str] | None = None,
        *,
        told_at: float | None = None,
    ) -> None:
        """`kinds` is the kind of work of each visit; `told_at` the second of the problem that it is now,
        below zero where the problem's first day has not come.
        """
        self.problem = problem
        self.model = model or Model()
        self.told_at = float(problem.now or 0) if told_at is None else told_at
        self._roads = Roads(problem, self.model.errors, kinds)
        self._chances: dict[tuple[Route, str | None], dict[str, float]] = {}

    def announced(
        self, routes: Iterable[Route], only: Iterable[str] | None = None
    ) -> dict[str, Window]:
        """Return a window for each visit of routes that was promised none; `only` narrows that to some.

        A window is decided in the order of its route: a technician who has to wait for it to open is late
        less often at what follows.
        """
        among = None if only is None else set(only)
        found: dict[str, Window] = {}

        def opens(visit: Visit, stop: Stop, arrive: Floats) -> int | None:
            if visit.promise is not None or (among is not None and visit.id not in among):
                return None
            within = _taken_in(visit, stop)
            window = self._window(Forecast(arrive), within, self.model.wanted)
            found[visit.id] = window
            return window.opens

        for route in routes:
            self._roads.forecast(route, opens)
        return found

    def window(
        self, route: Route, visit: str, *, not_before: int = 0, fixed: tuple[int, int] | None = None
    ) -> Window:
        """Return the window to announce for one visit put into a route, opening no earlier than told.

        With `fixed` it is that one, and the chance says how good it is.
        """
        forecast = self._roads.forecast(route, moved=visit)[visit]
        if fixed is not None:
            return stated(self._corrected(forecast), *fixed)
        stop = next(stop for stop in route.stops if stop.visit == visit)
        within = _taken_in(self._roads.visits[visit], stop)
        return self._window(forecast, within, self.model.wanted, not_before)

    def stated(self, route: Route, visit: str, window: tuple[int, int]) -> Window:
        """Return a window told for a visit where it stands, with the chance that it is kept."""
        return stated(self._corrected(self._roads.forecast(route)[visit]), *window)

    def chances(self, route: Route, *, moved: str | None = None) -> dict[str, float]:
        """Return the chance that each promise of a route is kept, as things stand.

        `moved` is a visit that the route has and the published plan has elsewhere.
        """
        key = (route, moved)
        if key not in self._chances:
            self._chances[key] = {
                visit: self._corrected(forecast).chance_by(promise.closes)
                for visit, forecast in self._roads.forecast(route, moved=moved).items()
                if (promise := self._roads.visits[visit].promise) is not None
            }
        return self._chances[key]

    def _corrected(self, forecast: Forecast) -> Corrected:
        return Corrected(forecast, self.model.calibration, forecast.middle - self.told_at)

    def _window(
        self,
        forecast: Forecast,
        within: tuple[int, int] | None,
        wanted: Wanted,
        not_before: int = 0,
    ) -> Window:
        earliest = max(not_before, self.problem.now or 0)
        return window_of(self._corrected(forecast), wanted, not_before=earliest, within=within)


def _taken_in(visit: Visit, stop: Stop) -> tuple[int, int] | None:
    """Return the customer's window in which the visit is planned."""
    return next(
        ((opens, closes) for opens, closes in visit.windows if opens <= stop.start <= closes), None
    )
