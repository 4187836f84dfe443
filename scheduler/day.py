"""A problem with what leads back from its ids to rows."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from fsm.problems import Problem
from scheduler import problem as model
from scheduler.rows import Depot, Job, Planned, Position

MOST_DAYS = 14


MOST_PLACES = 12_000
"""Travel between all pairs of them is over a gigabyte."""


class TooManyPlaces(Problem):
    """More sites, homes and depots at once than travel is known between."""

    code, status, title = "too-many-places", 409, "Too many places for one plan"


class Contradictory(Problem):
    """What is stored of these days contradicts itself; `rule` says how, the sentence where."""

    code, status, title = "days-contradictory", 409, "These days cannot be planned as they are"


@dataclass(frozen=True, slots=True)
class HeldBack:
    """Work that a link keeps out of these days."""

    work_order: Job
    why: str
    """`waits_for`: nobody is sent to the job that comes before it; `bound`: that one leaves it no time."""
    partner: str
    """The other job's number."""


@dataclass(slots=True)
class Day:
    """One problem, and the rows it was made of."""

    problem: model.DayProblem
    starts_at: datetime
    """The instant that second 0 stands for."""
    work_orders: dict[str, Job]
    """By visit id of the problem."""
    planned: dict[str, Planned] = field(default_factory=dict)
    """Visits that are there already and may move, or have begun; by the same id."""
    without_position: list[Job] = field(default_factory=list)
    """Work that could not be put into the problem at all."""
    held_back: list[HeldBack] = field(default_factory=list)
    bound_to: dict[str, set[str]] = field(default_factory=dict)
    """Numbers of jobs outside the problem that leave a visit less time or fewer people; by visit id."""
    notes: list[str] = field(default_factory=list)
    weights_version: int = 0
    live: list[Planned] = field(default_factory=list)
    """Every live visit of the horizon, those that stay where they are too."""
    depots: list[Depot] = field(default_factory=list)
    """The warehouses that the problem's depots are, in its order."""

    @property
    def first_on(self) -> date:
        return datetime.fromisoformat(self.problem.first_midnight).date()

    @property
    def names(self) -> dict[str, str]:
        return {one.id: one.name for one in self.problem.technicians}

    def instant(self, second: int) -> datetime:
        return self.starts_at + timedelta(seconds=second)

    def second(self, moment: datetime) -> int:
        return int((moment - self.starts_at).total_seconds())


def checked(day: Day) -> Day:
    """Return the day, or refuse it in words: nobody at a desk is to be told of a bug where rows are wrong."""
    try:
        day.problem.validate()
    except model.ProblemInvalid as found:
        raise Contradictory(found.sentence, rule=found.code) from found
    return day


class Places:
    """Positions as rows of the travel matrices, each once."""

    def __init__(self) -> None:
        self.positions: list[Position] = []
        self._rows: dict[Position, int] = {}

    def row(self, position: Position) -> int:
        if position not in self._rows:
            self._rows[position] = len(self.positions)
            self.positions.append(position)
        return self._rows[position]
