"""What is to be rostered, and what a roster is: the plain values every part of it speaks.

Times are whole seconds from the horizon's first midnight in the company's zone; whoever builds a problem
has resolved zones and clock changes into them, so a night over the spring gap is an hour shorter here.
A *duty* is one pattern of working hours on one day: what a technician is given, at most one a day.

Costs are whole points. One point is a minute for which a technician is paid and has nothing to do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from enum import StrEnum

import msgspec

WEEK = 7
MOST_WEEKS = 8
MOST_TECHNICIANS = 2_000
MOST_PATTERNS = 24
HOUR_S = 3_600

Skill = tuple[str, int, int | None]
"""A trade, the level of it, and the last day of the horizon on which it holds (None: all of them)."""

Span = tuple[int, int]
"""[start, end) in seconds from the first midnight; either may lie outside the horizon."""


class RosterInvalid(ValueError):
    """The problem contradicts itself; nothing can be rostered until the rows behind it are mended."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence

    def __reduce__(self) -> tuple[type[RosterInvalid], tuple[str, str]]:
        return type(self), (self.code, self.sentence)


class Rule(StrEnum):
    """What a roster must keep. The first three are facts, the others are the rule set's."""

    ABSENCE = "absence"
    ONE_A_DAY = "one_a_day"
    PATTERN = "pattern"
    """Only duties that there are, and those this person may be given."""
    SHIFT_LENGTH = "shift_length"
    NIGHT_LENGTH = "night_length"
    DAILY_REST = "daily_rest"
    REST_AFTER_NIGHTS = "rest_after_nights"
    WEEKLY_REST = "weekly_rest"
    WEEK_HOURS = "week_hours"
    AVERAGE_HOURS = "average_hours"
    DAYS_IN_A_ROW = "days_in_a_row"
    NIGHTS_IN_A_ROW = "nights_in_a_row"


@dataclass(frozen=True, slots=True)
class Rules:
    """Working-time rules in force in one week: data of the company, with defaults that suit most.

    Each only ever forbids work, so a roster that keeps them still does with any shift taken out.
    """

    daily_rest_s: int = 11 * HOUR_S
    """Least time between two shifts."""
    weekly_rest_s: int = 35 * HOUR_S
    """One rest of this length, unbroken, within each week."""
    shift_longest_s: int = 12 * HOUR_S
    """Paid time of one shift."""
    week_longest_s: int = 48 * HOUR_S
    """Paid time of the shifts that begin in one week."""
    average_week_s: int = 48 * HOUR_S
    """Paid time a week on average over `average_weeks`, this one being the last of them."""
    average_weeks: int = 17
    days_in_a_row: int = 6
    night_least_s: int = 3 * HOUR_S
    """A shift with at least so much of the night in it is a night shift."""
    night_longest_s: int = 10 * HOUR_S
    """Paid time of one night shift."""
    nights_in_a_row: int = 4
    rest_after_nights_s: int = 36 * HOUR_S
    """Least time between a night shift and the next shift that is none."""


@dataclass(frozen=True, slots=True)
class Weights:
    """What things cost, in points."""

    shortage: int = 10
    """Per person-minute that is missing, at 100 % of its need's price."""
    overtime: int = 3
    """Per minute beyond the week's contract hours."""
    undertime: int = 1
    """Per minute of contract hours of the whole horizon that no shift uses."""
    wish: int = 60
    """Per unmet wish, times its weight."""
    weekend: int = 60
    """Per weekend, times the weekends this quarter above the fewest anybody has, so that they spread."""
    night: int = 30
    """Per night shift, in the same way."""
    undesired: int = 15
    """Per undesired shift, in the same way."""
    change: int = 120
    """Per technician and day on which a published roster changes."""
    late_change: int = 360
    """The same at short notice."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """Working hours that a duty may have."""

    id: str
    name: str = ""
    is_undesired: bool = False


@dataclass(frozen=True, slots=True)
class Duty:
    """A pattern on one day where one group of technicians lives."""

    pattern: int
    day: int
    zone: int
    start: int
    end: int
    paid_s: int
    """Without the unpaid break."""
    night_s: int
    """How much of it lies in the night of the rules in force."""


@dataclass(frozen=True, slots=True)
class Commitment:
    """Working time that stands whatever comes: before or after the horizon, or entered by hand."""

    day: int
    start: int
    end: int
    paid_s: int
    night_s: int


@dataclass(frozen=True, slots=True)
class Duties:
    """What this technician has done in the quarter so far, by published rosters."""

    weekends: int = 0
    nights: int = 0
    undesired: int = 0


@dataclass(frozen=True, slots=True)
class Technician:
    id: str
    name: str = ""
    zone: int = 0
    skills: tuple[Skill, ...] = ()
    contract_s: tuple[int, ...] = ()
    """Contract hours of each week of the horizon, absences already taken off."""
    share_percent: int = 100
    """Of a full position: half a position does half the weekends."""
    patterns: tuple[int, ...] | None = None
    """Those this person may be given; None: all."""
    absences: tuple[Span, ...] = ()
    commitments: tuple[Commitment, ...] = ()
    worked_s: tuple[int, ...] = ()
    """Paid time of the weeks before the horizon, the last one last."""
    done: Duties = field(default_factory=Duties)


@dataclass(frozen=True, slots=True)
class Need:
    """How many people of a trade are wanted: person-minutes in each hour of the horizon."""

    skill: str | None
    """None: anybody."""
    level: int
    minutes: tuple[int, ...]
    price_percent: int = 100


class WishKind(StrEnum):
    OFF = "off"
    """No work on the day."""
    AVOID = "avoid"
    """Not this pattern."""
    WANT = "want"
    """This pattern."""


@dataclass(frozen=True, slots=True)
class Wish:
    technician: str
    day: int
    kind: WishKind
    pattern: int | None = None
    weight: int = 1


@dataclass(frozen=True, slots=True, order=True)
class Rostered:
    """One technician's duty on one day; as something fixed, None stands for a day off."""

    technician: str
    day: int
    pattern: int | None


@dataclass(frozen=True, slots=True)
class RosterProblem:
    first_on: str
    """The first day, ISO 8601; the week begins on it."""
    zone: str
    midnights: tuple[int, ...]
    """The second of each day's midnight, and of the midnight after the last."""
    rules: tuple[Rules, ...]
    """One for each week: those in force on its first day."""
    patterns: tuple[Pattern, ...]
    duties: tuple[Duty, ...]
    technicians: tuple[Technician, ...]
    needs: tuple[Need, ...] = ()
    wishes: tuple[Wish, ...] = ()
    fixed: tuple[Rostered, ...] = ()
    published: tuple[Rostered, ...] = ()
    """Duties of the roster in force; on `published_days` a day without one is a day off."""
    published_days: tuple[int, ...] = ()
    late_until: int = 0
    """A change before this day is one at short notice."""
    first_weekday: int = 0
    """Of day 0; 0 is Monday."""
    weights: Weights = field(default_factory=Weights)

    @property
    def days(self) -> int:
        return len(self.midnights) - 1

    @property
    def weeks(self) -> int:
        return self.days // WEEK

    @property
    def hours(self) -> int:
        """How many hours the horizon lasts; with the clocks changed it is one more or less."""
        return -(-self.midnights[-1] // HOUR_S)

    def rules_on(self, day: int) -> Rules:
        """Return the rules of a day; what lies outside the horizon is judged by its nearest week."""
        return self.rules[min(max(day // WEEK, 0), self.weeks - 1)]

    def weekend_of(self, day: int) -> int | None:
        """Return the day of the Saturday whose weekend the day belongs to; None on a weekday."""
        weekday = (self.first_weekday + day) % WEEK
        return day - (weekday - 5) if weekday >= 5 else None

    def validate(self) -> None:
        """Raise `RosterInvalid` for the first thing that contradicts itself."""
        for code, sentence in _faults(self):
            raise RosterInvalid(code, sentence)


def _faults(problem: RosterProblem) -> Iterator[tuple[str, str]]:
    if problem.days % WEEK or not 1 <= problem.weeks <= MOST_WEEKS:
        yield "horizon", f"A roster covers whole weeks, 1 to {MOST_WEEKS} of them."
        return
    if any(b <= a for a, b in zip(problem.midnights, problem.midnights[1:], strict=False)):
        yield "horizon", "The midnights of the horizon do not ascend."
    if len(problem.rules) != problem.weeks:
        yield "rules", "Each week needs its rules."
    for rules in problem.rules:
        if any(getattr(rules, each.name) < 0 for each in fields(rules)):
            yield "rules", "A rule holds a negative number."
        if min(rules.average_weeks, rules.days_in_a_row, rules.nights_in_a_row) < 1:
            yield "rules", "Runs and averages are of at least one."
        if rules.weekly_rest_s > 6 * 86_400 or rules.rest_after_nights_s > 4 * 86_400:
            yield "rules", "A weekly rest lasts at most six days, the rest after nights four."
    if any(getattr(problem.weights, each.name) < 0 for each in fields(problem.weights)):
        yield "weights", "A price is negative."
    if len(problem.technicians) > MOST_TECHNICIANS:
        yield "too_large", f"A roster is for at most {MOST_TECHNICIANS} technicians."
    if len(problem.patterns) > MOST_PATTERNS:
        yield "too_large", f"A roster has at most {MOST_PATTERNS} patterns of hours."
    for what, ids in (
        ("technician", [one.id for one in problem.technicians]),
        ("pattern", [one.id for one in problem.patterns]),
    ):
        if len(set(ids)) < len(ids):
            yield f"{what}_twice", f"A {what} is there twice."
    yield from _duty_faults(problem)
    yield from _person_faults(problem)
    seen: set[tuple[str | None, int]] = set()
    for need in problem.needs:
        if (need.skill, need.level) in seen:
            yield "need_twice", f"The need for {need.skill}, level {need.level} is there twice."
        seen.add((need.skill, need.level))
        if len(need.minutes) != problem.hours or min(need.minutes, default=0) < 0:
            yield "need", "A need states minutes, none below zero, for each hour of the horizon."
        if need.price_percent < 0:
            yield "need", "A need's price is negative."


def _duty_faults(problem: RosterProblem) -> Iterator[tuple[str, str]]:
    seen: set[tuple[int, int, int]] = set()
    for duty in problem.duties:
        key = (duty.zone, duty.day, duty.pattern)
        if key in seen:
            yield "duty_twice", "A pattern has two sets of hours on one day."
        seen.add(key)
        if not (0 <= duty.pattern < len(problem.patterns) and 0 <= duty.day < problem.days):
            yield "duty", "A duty names a day or pattern that there is not."
        if not 0 < duty.paid_s <= duty.end - duty.start <= 86_400:
            yield "duty", "A duty lasts more than nothing, at most a day, and is paid within that."
        if not 0 <= duty.night_s <= duty.end - duty.start:
            yield "duty", "A duty has more night than it lasts."


def _person_faults(problem: RosterProblem) -> Iterator[tuple[str, str]]:
    known = {one.id for one in problem.technicians}
    for one in problem.technicians:
        if len(one.contract_s) != problem.weeks or min(one.contract_s, default=0) < 0:
            yield "contract", f"{one.name or one.id} needs contract hours for each week."
        if one.share_percent < 1:
            yield "contract", f"{one.name or one.id} has no share of a position."
        if one.patterns is not None and not set(one.patterns) <= set(range(len(problem.patterns))):
            yield "pattern", f"{one.name or one.id} may be given a pattern that there is not."
        if any(end <= start for start, end in one.absences):
            yield "absence", f"An absence of {one.name or one.id} ends before it begins."
        if any(each.end <= each.start for each in one.commitments):
            yield "commitment", f"A shift of {one.name or one.id} ends before it begins."
    for name, group in (("fixed", problem.fixed), ("published", problem.published)):
        if len({(each.technician, each.day) for each in group}) < len(group):
            yield f"{name}_twice", f"A technician has two {name} duties on one day."
    named: list[Rostered | Wish] = [*problem.fixed, *problem.published, *problem.wishes]
    for each in named:
        if each.technician not in known:
            yield "technician", f"There is no technician {each.technician}."
        if not 0 <= each.day < problem.days:
            yield "day", "A day lies outside the horizon."
        if each.pattern is not None and not 0 <= each.pattern < len(problem.patterns):
            yield "pattern", "A pattern is named that there is not."
    for wish in problem.wishes:
        if wish.weight < 0 or (wish.pattern is None) != (wish.kind is WishKind.OFF):
            yield "wish", "A wish is for a day off, or for or against one pattern, at a weight."


# --- what comes of it -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Costs:
    """What a roster costs, term by term, in points."""

    shortage: int = 0
    overtime: int = 0
    undertime: int = 0
    wishes: int = 0
    weekends: int = 0
    nights: int = 0
    undesired: int = 0
    changes: int = 0

    @property
    def total(self) -> int:
        return sum(getattr(self, each.name) for each in fields(self))


@dataclass(frozen=True, slots=True)
class Conflict:
    """A fixed duty that the rules do not allow, and what it contradicts.

    `with_fixed` is minimal: without any one of those duties this one could be kept. Empty: it alone, with
    what stands already, breaks the rule.
    """

    fixed: Rostered
    rule: Rule
    with_fixed: tuple[Rostered, ...] = ()


@dataclass(frozen=True, slots=True)
class Search:
    """How a roster was found. Solving again with these `rounds` and no clock gives the same roster."""

    rounds: int
    first_s: float
    """Seconds until there was a roster to improve."""
    seconds: float
    ended: str
    """`proved` (no better one exists), `rounds` or `clock`."""


@dataclass(frozen=True, slots=True)
class Roster:
    """Duties in order of technician and day, with proof of how good they are.

    No roster that keeps the rules costs less than `bound`.
    """

    problem: str
    """`digest` of the problem it answers."""
    seed: int
    duties: tuple[Rostered, ...]
    costs: Costs
    bound: int
    conflicts: tuple[Conflict, ...]
    search: Search

    @property
    def gap(self) -> float:
        """Return how far the cost may be above the best, as a share of it; 0 is proved best."""
        total = self.costs.total
        return 0.0 if total <= self.bound else (total - self.bound) / total


# --- as bytes ---------------------------------------------------------------------------------------------

_JSON = msgspec.json.Encoder(order="deterministic")
_PROBLEM = msgspec.json.Decoder(RosterProblem)


def to_json(value: RosterProblem | Roster) -> bytes:
    """Return the one canonical form: equal values give equal bytes."""
    return _JSON.encode(value)


def problem_from_json(data: bytes) -> RosterProblem:
    """Read what `to_json` wrote. Raises `RosterInvalid` (`not_a_roster`) with the path that is wrong."""
    try:
        return _PROBLEM.decode(data)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise RosterInvalid("not_a_roster", f"This is not a roster's problem: {error}.") from error


def digest(problem: RosterProblem) -> str:
    """Return the SHA-256 of the canonical form, 64 hexadecimal digits."""
    return hashlib.sha256(to_json(problem)).hexdigest()
