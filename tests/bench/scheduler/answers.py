"""What a solver is asked and what it answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from scheduler.problem import DayProblem


class NotMadeForThis(ValueError):
    """The solver has no way to state this day's rules."""


def _nothing() -> tuple[str, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class Question:
    problem: DayProblem
    longest_s: int | None
    """The longest a route may last; None: only hours limit it."""
    serves_all: bool
    """Whether a plan that leaves a visit out is none."""
    seconds: float
    seed: int
    began: float = field(default_factory=time.monotonic)
    """The clock runs from here: building the solver's own model is part of the time."""

    @property
    def left_s(self) -> float:
        return max(0.01, self.began + self.seconds - time.monotonic())

    @property
    def passed_s(self) -> float:
        return time.monotonic() - self.began


@dataclass(frozen=True, slots=True)
class Answer:
    tours: dict[int, list[int]]
    first_s: float | None = None
    """When the first solution was there; None where the solver does not tell."""
    notes: tuple[str, ...] = ()
    complaints: Callable[[], tuple[str, ...]] = _nothing
    """Asked after the clock has stopped: what the solver's own referee says."""
