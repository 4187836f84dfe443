"""What is to be planned, and what a plan is: the plain values every part of the scheduler speaks.

All times are whole seconds from the horizon's first midnight (`DayProblem.first_midnight`); whoever
builds a problem has resolved instants, time zones and clock changes into them. All costs are whole
seconds of driving: one second behind the wheel costs 1.

A *shift* is one technician on one day and owns one route. A *place* is a row of the travel matrices.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

DAY_S = 86_400

Level = tuple[str, int]
"""A trade and the level of it, as (skill, level); levels begin at 1."""

Quantity = tuple[str, int]
"""A part and how many of it."""

Interval = tuple[int, int]
"""First and last second, both included, in which something may *begin*."""


class ProblemInvalid(ValueError):
    """The problem contradicts itself; nothing can be planned until the rows behind it are mended."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence

    def __reduce__(self) -> tuple[type[ProblemInvalid], tuple[str, str]]:
        return type(self), (self.code, self.sentence)


@dataclass(frozen=True, slots=True)
class Weights:
    """What things cost, in seconds of driving. `_permille`: thousandths of that per second.

    A price per second is rounded down once per thing it is charged for (a route's waiting, a visit's
    lateness), never per second, so a cost is the same whole number wherever it is computed.
    """

    unplanned: tuple[int, int, int, int, int] = (72_000, 36_000, 18_000, 7_200, 3_600)
    """Once per visit left out, by priority 1 … 5, where the visit names no drop cost of its own."""
    waiting_permille: int = 200
    """Per second idle between leaving and the last stop."""
    overtime_permille: int = 1_000
    """Per second on the road or at work after the shift's hours, beside everything else."""
    first_use: int = 900
    """Once per shift that is given any visit."""
    foreign_territory: int = 1_200
    """Once per visit outside the shift's territory."""
    surplus_level: int = 60
    """Per level of a skill above the level asked."""
    promise_broken: int = 14_400
    """Once per promise whose end is missed, where the run may relax promises."""
    promise_late_permille: int = 2_000
    """Per second after that end, in addition."""
    late_permille: int = 500
    """Per second a visit begins after its service level's due instant; at most its drop cost."""
    greatest_lateness_permille: int = 0
    """Per second of the greatest such lateness of the plan, in addition."""
    not_preferred: int = 600
    """Once per visit that has preferred people and is given to somebody else."""
    balance_tolerance_percent: int = 15
    """Work this far from a technician's target costs nothing."""
    balance_permille: int = 200
    """Per second of work beyond that tolerance, on either side."""
    other_technician: int = 1_800
    """Once per visit taken from the technician the published plan named."""
    other_day: int = 7_200
    """Once per visit moved to another day than the published plan named."""
    dearer_labour_permille: int = 0
    """Per second of work by somebody at twice the lowest labour rate, by others in proportion; who makes a
    problem of rows turns it into each shift's `rate_permille`. Zero: what people cost is not looked at."""


@dataclass(frozen=True, slots=True)
class Technician:
    """A person, for the whole horizon."""

    id: str
    name: str = ""
    stock: tuple[Quantity, ...] = ()
    """Parts in the van when the horizon begins."""
    target_work_s: int | None = None
    """Work wanted over the horizon; None: no balance is asked of this person."""


@dataclass(frozen=True, slots=True)
class Break:
    """A rest every used route takes once: on the road or at a stop, never inside a visit."""

    earliest: int
    latest: int
    """Last second in which it may begin."""
    length_s: int


@dataclass(frozen=True, slots=True)
class Absence:
    """Time the technician is not available. With a place it is a stop the route makes, else a pause."""

    start: int
    end: int
    place: int | None = None


@dataclass(frozen=True, slots=True)
class Shift:
    """One technician on one day."""

    id: str
    technician: str
    day: int
    """0 is the horizon's first day."""
    start_place: int
    end_place: int
    opens: int
    """Nobody leaves earlier."""
    closes: int
    """Back by then, or overtime begins."""
    overtime_limit_s: int = 0
    longest_s: int | None = None
    """Most time between leaving and being back; None: its hours alone limit it."""
    efficiency_percent: int = 100
    """Work done per hour against the standard: at 80, an hour's work takes 75 minutes."""
    efficiency_by_kind: tuple[tuple[str, int], ...] = ()
    """The same for kinds of work at which it differs, each kind once."""
    rate_permille: int = 0
    """Price of a second of this person's work above everybody's; for choosing between people."""
    territory: str | None = None
    stays_in_territory: bool = False
    """True: visits of another territory are not allowed, rather than priced."""
    skills: tuple[Level, ...] = ()
    """Valid on this day."""
    breaks: tuple[Break, ...] = ()
    absences: tuple[Absence, ...] = ()
    prefix: tuple[str, ...] = ()
    """Visits that are this route's first, in this order."""

    @property
    def paces(self) -> tuple[object, ...]:
        """Return all that says how long work takes; shifts with equal ones take equally long."""
        return self.efficiency_percent, self.efficiency_by_kind

    def pace(self, kind: str | None) -> int:
        """Return the efficiency at a kind of work, in per cent."""
        for each, percent in self.efficiency_by_kind:
            if each == kind:
                return percent
        return self.efficiency_percent

    def work_s(self, visit: Visit) -> int:
        """Return how long this person takes, rounded up to whole seconds."""
        return -(-visit.duration_s * 100 // self.pace(visit.kind))


@dataclass(frozen=True, slots=True)
class Promise:
    """A window told to the customer. Its opening is always kept."""

    opens: int
    closes: int
    probability: float | None = None
    """The chance that was stated with it."""


@dataclass(frozen=True, slots=True)
class Visit:
    """Work at a place, done by one person at most once."""

    id: str
    place: int
    duration_s: int
    """At an efficiency of 100 %."""
    windows: tuple[Interval, ...]
    """Work begins inside one of them. In ascending order."""
    priority: int = 3
    """1 is the most urgent, 5 the least."""
    drop_cost: int | None = None
    """Price of leaving it out; None: by priority."""
    promise: Promise | None = None
    due: int | None = None
    """The service level's instant; beginning later is late."""
    required: tuple[str, ...] = ()
    """Technicians, one of whom it must be; empty: anybody."""
    forbidden: tuple[str, ...] = ()
    preferred: tuple[str, ...] = ()
    skills: tuple[Level, ...] = ()
    parts: tuple[Quantity, ...] = ()
    territory: str | None = None
    kind: str | None = None
    """What sort of work it is, where people are quicker at some than at others."""
    label: str = ""
    """What a person calls it, such as the work order's number."""


@dataclass(frozen=True, slots=True)
class Pin:
    """A decision the planner keeps: who, when, or both."""

    visit: str
    technician: str | None = None
    start: int | None = None
    begun: bool = False
    """Work began at `start` by `technician`: windows, promise and permissions are settled, and the
    visit stays in the plan."""


@dataclass(frozen=True, slots=True)
class Crew:
    """Two visits that are the legs of one job: they begin together, with two people, or not at all."""

    first: str
    second: str


@dataclass(frozen=True, slots=True)
class Link:
    """A condition between two visits, wherever both are planned."""

    first: str
    second: str
    ordered: bool = False
    """The second begins no earlier than the first ends."""
    least_gap_s: int | None = None
    """From the beginning of the first to the beginning of the second."""
    greatest_gap_s: int | None = None
    same_technician: bool = False
    other_technician: bool = False
    same_day: bool = False
    all_or_none: bool = False
    needs_first: bool = False
    """The second is only planned where the first is."""


@dataclass(frozen=True, slots=True)
class Depot:
    """Where parts can be picked up, in any number of those it has."""

    place: int
    parts: tuple[str, ...]
    service_s: int = 0


@dataclass(frozen=True, slots=True)
class Published:
    """Where the plan in force has a visit; moving it has a price."""

    visit: str
    technician: str
    day: int
    """Of the shift, also where work begins after its midnight."""
    start: int


@dataclass(frozen=True, slots=True, eq=False)
class DayProblem:
    """Everything a plan depends on. Compare two by `digest`.

    Refuses nothing on construction; call `validate` once.
    """

    first_midnight: str
    """The instant second 0 stands for, ISO 8601 with offset."""
    zone: str
    """IANA zone in which people read the plan."""
    days: int
    travel_s: npt.NDArray[np.int32]
    """Shape (places, places), whole seconds from row to column, zero diagonal."""
    travel_m: npt.NDArray[np.int32]
    """The same in whole metres."""
    technicians: tuple[Technician, ...]
    shifts: tuple[Shift, ...]
    visits: tuple[Visit, ...]
    skills: tuple[str, ...] = ()
    """Every trade the company knows."""
    pins: tuple[Pin, ...] = ()
    crews: tuple[Crew, ...] = ()
    links: tuple[Link, ...] = ()
    depots: tuple[Depot, ...] = ()
    published: tuple[Published, ...] = ()
    now: int | None = None
    """None where the day has not begun."""
    may_break_promises: bool = False
    """Whether ends of promises are priced instead of kept."""
    travel_source: str = "geodesic"
    weights: Weights = field(default_factory=Weights)

    def __post_init__(self) -> None:
        for name in ("travel_s", "travel_m"):
            matrix = np.ascontiguousarray(getattr(self, name), dtype=np.int32).view()
            matrix.flags.writeable = False
            object.__setattr__(self, name, matrix)

    def validate(self) -> None:
        """Raise `ProblemInvalid` on the first contradiction found."""
        from scheduler.validation import validate  # it knows this module; here is its front door

        validate(self)

    def drop_cost(self, visit: Visit) -> int:
        """Return what leaving `visit` out costs."""
        if visit.drop_cost is not None:
            return visit.drop_cost
        return self.weights.unplanned[visit.priority - 1]

    def with_published(self, plan: Plan) -> DayProblem:
        """Return this problem with `plan` as the plan in force; visits unknown here are left away."""
        known = {visit.id for visit in self.visits}
        published = tuple(
            Published(stop.visit, route.technician, route.day, stop.start)
            for route in plan.routes
            for stop in route.stops
            if stop.visit is not None and stop.visit in known
        )
        return replace(self, published=published)


# --- The result ----------------------------------------------------------------------------------


class StopKind(StrEnum):
    VISIT = "visit"
    BREAK = "break"
    ABSENCE = "absence"
    PICKUP = "pickup"


@dataclass(frozen=True, slots=True)
class Stop:
    """Something a route does. A break, or an absence without place, happens on the way to the next stop."""

    kind: StopKind
    place: int | None
    """None: wherever the technician is then."""
    arrive: int
    start: int
    end: int
    visit: str | None = None
    number: int | None = None
    """Of a break, an absence or a depot: its index among the shift's, or the problem's."""
    drive_s: int = 0
    """From the last stop that has a place, or from the shift's start."""
    drive_m: int = 0


@dataclass(frozen=True, slots=True)
class Route:
    """One shift's timetable, in the order things happen."""

    shift: str
    technician: str
    day: int
    """Both are the shift's; they outlive it where the plan is published and the shift then cancelled."""
    leave: int
    """From the shift's start place. A break before it is taken at home."""
    back: int
    """At the shift's end place, with everything done, a last break included."""
    stops: tuple[Stop, ...]
    drive_s: int
    drive_m: int
    work_s: int
    waiting_s: int
    """Idle between `leave` and the beginning of the last stop with a place."""
    overtime_s: int


@dataclass(frozen=True, slots=True)
class Costs:
    """What a plan costs, term by term, in seconds of driving."""

    travel: int = 0
    waiting: int = 0
    overtime: int = 0
    first_use: int = 0
    rate: int = 0
    foreign_territory: int = 0
    surplus_level: int = 0
    not_preferred: int = 0
    promise: int = 0
    late: int = 0
    greatest_lateness: int = 0
    balance: int = 0
    other_technician: int = 0
    other_day: int = 0
    unplanned: int = 0

    @property
    def total(self) -> int:
        return sum(getattr(self, each.name) for each in fields(self))


class Cause(StrEnum):
    """Why a visit is not in a plan."""

    IMPOSSIBLE = "impossible"
    """It fits no shift, even an empty one: in no plan."""
    NO_ROOM = "no_room"
    """It fits an empty shift, and the search found no place worth its price in this plan."""


@dataclass(frozen=True, slots=True)
class Unplanned:
    visit: str
    cause: Cause


@dataclass(frozen=True, slots=True)
class Step:
    """So many iterations of a search at one temperature; below zero: visits put in one by one."""

    iterations: int
    temperature: float
    territory: int = -1
    """Which of several territories it was taken in; below zero: in the whole."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A timetable for every shift that has visits, and the visits that found none."""

    problem: str
    """`digest` of the problem it answers, with the published plan it was priced against."""
    engine: str
    seed: int
    routes: tuple[Route, ...]
    unplanned: tuple[Unplanned, ...]
    costs: Costs
    notes: tuple[str, ...] = ()
    """What the reader should know of the search, as codes: `not_searched:greatest_lateness` (priced in
    `costs`, unseen by OR-Tools), `search_found_nothing` and `too_large_to_search` (the plan is built by
    insertion alone), `repair_cut_short` (there was no time to try all that is left out), `no_time_to_plan`
    (nor for any of it)."""
    steps: tuple[Step, ...] = ()
    """What the search did, as its clock had it: doing it again on the same problem, with the same
    seed, gives the same plan. Empty where the engine cannot be told."""


# --- As bytes ------------------------------------------------------------------------------------


def _encode(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return {
            "shape": list(value.shape),
            "int32": base64.b64encode(value.astype("<i4").tobytes()).decode("ascii"),
        }
    raise TypeError(f"{type(value).__name__} has no place in a problem")


def _decode(kind: type, value: Any) -> Any:
    if kind is not np.ndarray and getattr(kind, "__origin__", None) is not np.ndarray:
        raise TypeError(f"{kind!r} has no place in a problem")
    try:
        raw = base64.b64decode(value["int32"], validate=True)
        return np.frombuffer(raw, dtype="<i4").reshape(value["shape"]).astype(np.int32)
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise ValueError("a matrix is {shape: [rows, columns], int32: base64}") from error


def _fingerprint(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        plain = np.ascontiguousarray(value, dtype="<i4")
        return {"shape": list(value.shape), "sha256": hashlib.sha256(plain.data).hexdigest()}
    raise TypeError(f"{type(value).__name__} has no place in a problem")


_DIGEST_JSON = msgspec.json.Encoder(enc_hook=_fingerprint, order="deterministic")
_JSON = msgspec.json.Encoder(enc_hook=_encode, order="deterministic")
_PROBLEM = msgspec.json.Decoder(DayProblem, dec_hook=_decode)
_PLAN = msgspec.json.Decoder(Plan)


def to_json(value: DayProblem | Plan) -> bytes:
    """Return the one canonical form: equal values give equal bytes."""
    return _JSON.encode(value)


def problem_from_json(data: bytes) -> DayProblem:
    """Read what `to_json` wrote. Raises `ProblemInvalid` (`not_a_problem`) with the path that is wrong."""
    try:
        return _PROBLEM.decode(data)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise ProblemInvalid("not_a_problem", f"This is not a problem to plan: {error}.") from error


def plan_from_json(data: bytes) -> Plan:
    """Read what `to_json` wrote. Raises `ProblemInvalid` (`not_a_plan`) with the path that is wrong."""
    try:
        return _PLAN.decode(data)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise ProblemInvalid("not_a_plan", f"This is not a plan: {error}.") from error


def digest(problem: DayProblem) -> str:
    """Return the SHA-256 of the canonical form with each matrix's SHA-256 in its place: 64 hex digits.

    The form itself of a day with 10,000 places would take gigabytes.
    """
    return hashlib.sha256(_DIGEST_JSON.encode(problem)).hexdigest()


def by_id(things: Sequence[Any]) -> dict[str, int]:
    """Return the index of each thing by its id."""
    return {thing.id: index for index, thing in enumerate(things)}
