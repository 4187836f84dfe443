"""What comes of putting one visit where a person wants it: said before it is done, and checked when it is.

A person may do what a planner may not: break a promise, overbook, run late, with a reason. What cannot be
done, such as work by somebody who may not do it, stays refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from scheduler.linking import Breach, Broken
from scheduler.problem import DAY_S, DayProblem, Shift, Visit


class Code(StrEnum):
    PAST = "past"
    NO_SHIFT = "no_shift"
    ABSENT = "absent"
    SKILL = "skill"
    LEVEL = "level"
    FORBIDDEN = "forbidden"
    REQUIRED = "required"
    EARLY = "early"
    """Before the shift begins."""
    OVERTIME = "overtime"
    OVERLAP = "overlap"
    ARRIVES_LATE = "arrives_late"
    """The visit before and the drive leave no time to begin then."""
    DELAYS_NEXT = "delays_next"
    PROMISE = "promise"
    WINDOW = "window"
    DUE = "due"
    PARTS = "parts"
    TERRITORY = "territory"
    NOT_PREFERRED = "not_preferred"
    NO_POSITION = "no_position"
    """Nobody knows where the site is, so drives are not known either."""
    LINK_WAITS = "link_waits"
    """It comes after a job that nobody is sent to."""
    LINK_TOO_SOON = "link_too_soon"
    LINK_TOO_LATE = "link_too_late"
    LINK_PRESSES = "link_presses"
    """What comes after it would begin too soon."""
    LINK_KEEPS_WAITING = "link_keeps_waiting"
    """What comes after it would begin too late."""
    LINK_TECHNICIAN = "link_technician"
    LINK_DAY = "link_day"


HARD = frozenset(
    {
        Code.PAST,
        Code.NO_SHIFT,
        Code.ABSENT,
        Code.SKILL,
        Code.LEVEL,
        Code.FORBIDDEN,
        Code.REQUIRED,
    }
)
MERELY_SAID = frozenset({Code.TERRITORY, Code.NOT_PREFERRED, Code.NO_POSITION})
"""Worth knowing; they ask no reason."""

OF_THE_JOB = frozenset(
    {
        Code.PAST,
        Code.PROMISE,
        Code.WINDOW,
        Code.DUE,
        Code.NO_POSITION,
        Code.LINK_WAITS,
        Code.LINK_TOO_SOON,
        Code.LINK_TOO_LATE,
        Code.LINK_PRESSES,
        Code.LINK_KEEPS_WAITING,
        Code.LINK_DAY,
    }
)
"""The same whoever of a crew it is said of."""


@dataclass(frozen=True, slots=True)
class Consequence:
    """`what` names what it is about: a skill, a part, another visit; `who` whose it is, in a crew."""

    code: Code
    minutes: int = 0
    what: str = ""
    who: str = ""

    @property
    def is_hard(self) -> bool:
        return self.code in HARD

    @property
    def asks_reason(self) -> bool:
        return self.code not in HARD | MERELY_SAID


@dataclass(frozen=True, slots=True)
class Placement:
    """`travel_s` leads here; the added travel is the route's, below zero where the new order is shorter."""

    end: int
    travel_s: int
    added_s: int
    added_m: int
    consequences: tuple[Consequence, ...]


@dataclass(frozen=True, slots=True)
class _Other:
    label: str
    place: int
    start: int
    end: int


Fetched = Mapping[str, Mapping[str, int]]
"""By visit: how much of which part is fetched for it on the way there."""


def place(
    problem: DayProblem,
    key: str,
    technician: str,
    start: int,
    end: int | None = None,
    fetched: Fetched | None = None,
) -> Placement:
    """Return what comes of visit `key` beginning at `start` with `technician`.

    `end`: None takes as long as this person needs for it. `fetched`: by this technician, for visits that
    need not find it in the van.
    """
    visit = next(each for each in problem.visits if each.id == key)
    shift = _shift(problem, technician, start)
    if end is None:
        end = start + (visit.duration_s if shift is None else shift.work_s(visit))
    found = [] if problem.now is None or start >= problem.now else [Consequence(Code.PAST)]
    found += _of_itself(visit, technician, start)
    if shift is None:
        return Placement(end, 0, 0, 0, (*found, Consequence(Code.NO_SHIFT)))
    found += _of_person(problem, visit, shift, start, end)
    found += _lacking(problem, visit, technician, fetched or {})
    others = _others(problem, key, technician, shift)
    before = [each for each in others if each.start <= start]
    after = [each for each in others if each.start > start]
    here = visit.place
    left = before[-1].place if before else shift.start_place
    right = after[0].place if after else shift.end_place
    drive, metres = problem.travel_s, problem.travel_m
    there, onward = int(drive[left, here]), int(drive[here, right])
    if before:
        found += _after(before[-1], there, start)
    elif shift.opens + there > start:
        found.append(Consequence(Code.EARLY, _minutes(shift.opens + there - start)))
    if after:
        found += _before(after[0], onward, end)
    elif end + onward > shift.closes:
        found.append(Consequence(Code.OVERTIME, _minutes(end + onward - shift.closes)))
    return Placement(
        end,
        there,
        there + onward - int(drive[left, right]),
        int(metres[left, here]) + int(metres[here, right]) - int(metres[left, right]),
        tuple(found),
    )


_BREACHES = {
    Broken.WAITS: Code.LINK_WAITS,
    Broken.TOO_SOON: Code.LINK_TOO_SOON,
    Broken.TOO_LATE: Code.LINK_TOO_LATE,
    Broken.TECHNICIAN: Code.LINK_TECHNICIAN,
    Broken.DAY: Code.LINK_DAY,
}
_OF_THE_FIRST = {
    Code.LINK_TOO_SOON: Code.LINK_PRESSES,
    Code.LINK_TOO_LATE: Code.LINK_KEEPS_WAITING,
}


def of_breach(breach: Breach, partner: str, *, is_second: bool) -> Consequence:
    """Return what a broken link means for the second of its jobs, or for the first."""
    code = _BREACHES[breach.what]
    if not is_second:
        code = _OF_THE_FIRST.get(code, code)
    return Consequence(code, _minutes(breach.seconds), partner)


def _shift(problem: DayProblem, technician: str, start: int) -> Shift | None:
    """Return the shift that an instant falls into, else the one of its day."""
    theirs = [each for each in problem.shifts if each.technician == technician]
    within = [each for each in theirs if each.opens <= start < each.closes]
    same_day = [each for each in theirs if each.day == start // DAY_S]
    return next(iter(within or same_day), None)


def _others(problem: DayProblem, key: str, technician: str, shift: Shift) -> list[_Other]:
    visits = {each.id: each for each in problem.visits}
    found = []
    for each in problem.published:
        if each.technician != technician or each.visit == key or each.day != shift.day:
            continue
        visit = visits[each.visit]
        length = shift.work_s(visit)
        found.append(_Other(visit.label, visit.place, each.start, each.start + length))
    return sorted(found, key=lambda one: (one.start, one.end))


def _of_itself(visit: Visit, technician: str, start: int) -> list[Consequence]:
    """Return what the job and its promises say of the time and the person."""
    found = []
    if visit.required and technician not in visit.required:
        found.append(Consequence(Code.REQUIRED))
    if technician in visit.forbidden:
        found.append(Consequence(Code.FORBIDDEN))
    if visit.preferred and technician not in visit.preferred:
        found.append(Consequence(Code.NOT_PREFERRED))
    promise = visit.promise
    if promise is not None and start > promise.closes:
        found.append(Consequence(Code.PROMISE, _minutes(start - promise.closes)))
    elif promise is not None and start < promise.opens:
        found.append(Consequence(Code.PROMISE, -_minutes(promise.opens - start)))
    elif promise is None and not any(a <= start <= b for a, b in visit.windows):
        found.append(Consequence(Code.WINDOW))
    if visit.due is not None and start > visit.due:
        found.append(Consequence(Code.DUE, _minutes(start - visit.due)))
    return found


def _of_person(
    problem: DayProblem, visit: Visit, shift: Shift, start: int, end: int
) -> list[Consequence]:
    found = []
    levels = dict(shift.skills)
    for skill, level in visit.skills:
        if skill not in levels:
            found.append(Consequence(Code.SKILL, what=skill))
        elif levels[skill] < level:
            found.append(Consequence(Code.LEVEL, what=skill))
    if any(each.start < end and each.end > start for each in shift.absences):
        found.append(Consequence(Code.ABSENT))
    if visit.territory and shift.territory and visit.territory != shift.territory:
        found.append(Consequence(Code.TERRITORY, what=visit.territory))
    return found


def _lacking(
    problem: DayProblem, visit: Visit, technician: str, fetched: Fetched
) -> list[Consequence]:
    """Return the parts that the van lacks beside what a person's other visits count on."""
    person = next(each for each in problem.technicians if each.id == technician)
    theirs = {each.visit for each in problem.published if each.technician == technician}
    left = Counter(dict(person.stock))
    for each in problem.visits:
        if each.id in theirs and each.id != visit.id:
            left.subtract(_from_van(each, fetched))
    return [
        Consequence(Code.PARTS, what=part)
        for part, quantity in _from_van(visit, fetched).items()
        if left[part] < quantity
    ]


def _from_van(visit: Visit, fetched: Fetched) -> Counter[str]:
    """Return what a visit takes of what is in the van; what is fetched for it does not lie there yet."""
    return +(Counter(dict(visit.parts)) - Counter(fetched.get(visit.id, {})))


def _after(before: _Other, drive_s: int, start: int) -> list[Consequence]:
    if before.end > start:
        return [Consequence(Code.OVERLAP, _minutes(before.end - start), before.label)]
    if before.end + drive_s > start:
        late = _minutes(before.end + drive_s - start)
        return [Consequence(Code.ARRIVES_LATE, late, before.label)]
    return []


def _before(after: _Other, drive_s: int, end: int) -> list[Consequence]:
    if end > after.start:
        return [Consequence(Code.OVERLAP, _minutes(end - after.start), after.label)]
    if end + drive_s > after.start:
        late = _minutes(end + drive_s - after.start)
        return [Consequence(Code.DELAYS_NEXT, late, after.label)]
    return []


def _minutes(seconds: int) -> int:
    """Whole minutes, rounded up: a minute late is late."""
    return -(-seconds // 60)
