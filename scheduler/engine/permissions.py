"""Who may do which visit, whatever the time of day, and what that person costs beside the driving."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from scheduler.problem import Costs, DayProblem, Pin, Published, Shift, Visit


class Rule(StrEnum):
    """What can stand between a visit and a shift."""

    SKILL = "skill"
    LEVEL = "level"
    REQUIRED = "required"
    FORBIDDEN = "forbidden"
    TERRITORY = "territory"
    PARTS = "parts"
    PIN = "pin"
    PREFIX = "prefix"
    """What is fixed at the beginning of the route cannot be kept, so that the route takes nothing."""
    WINDOW = "window"
    PROMISE = "promise"
    HOURS = "hours"
    ABSENCE = "absence"
    LENGTH = "length"
    """The tour would last longer than it may, from leaving home to being back."""
    DEPOT = "depot"
    """A depot has the parts that are missing, and the way there takes too long."""
    TRAVEL = "travel"
    ROOM = "room"
    PRICE = "price"
    PARTNER = "partner"
    """By itself it could be there, but not with the visits that it depends on, or that depend on it."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One rule that keeps a visit from a shift, with what it is about."""

    rule: Rule
    facts: tuple[tuple[str, str | int], ...] = ()


@dataclass(frozen=True, slots=True)
class Decisions:
    """What people have decided about visits, by visit id."""

    pins: dict[str, Pin]
    prefix_shift: dict[str, str]
    published: dict[str, Published]
    stock: dict[str, dict[str, int]]
    """Parts in each technician's van."""
    at_depots: frozenset[str] = frozenset()
    """Parts that can be fetched on the way."""

    @staticmethod
    def of(problem: DayProblem) -> Decisions:
        return Decisions(
            pins={pin.visit: pin for pin in problem.pins},
            prefix_shift={visit: shift.id for shift in problem.shifts for visit in shift.prefix},
            published={each.visit: each for each in problem.published},
            stock={each.id: dict(each.stock) for each in problem.technicians},
            at_depots=frozenset(part for depot in problem.depots for part in depot.parts),
        )


def failures(decisions: Decisions, shift: Shift, visit: Visit) -> Iterator[Failure]:
    """Yield each rule, the time of day apart, that keeps `visit` from `shift`."""
    pin = decisions.pins.get(visit.id)
    if pin is not None and pin.technician not in (None, shift.technician):
        yield Failure(Rule.PIN, (("technician", pin.technician or ""),))
    elif decisions.prefix_shift.get(visit.id, shift.id) != shift.id:
        yield Failure(Rule.PIN, (("shift", decisions.prefix_shift[visit.id]),))
    if pin is not None and pin.begun:
        return
    has = dict(shift.skills)
    for skill, level in visit.skills:
        if skill not in has:
            yield Failure(Rule.SKILL, (("skill", skill), ("level", level)))
        elif has[skill] < level:
            yield Failure(Rule.LEVEL, (("skill", skill), ("level", level), ("has", has[skill])))
    if visit.required and shift.technician not in visit.required:
        yield Failure(Rule.REQUIRED, (("technician", visit.required[0]),))
    if shift.technician in visit.forbidden:
        yield Failure(Rule.FORBIDDEN, (("technician", shift.technician),))
    if shift.stays_in_territory and _is_foreign(shift, visit):
        yield Failure(Rule.TERRITORY, (("territory", visit.territory or ""),))
    for part, quantity in visit.parts:
        stocked = decisions.stock[shift.technician].get(part, 0)
        if stocked < quantity and part not in decisions.at_depots:
            yield Failure(Rule.PARTS, (("part", part), ("needed", quantity), ("has", stocked)))


def prices(problem: DayProblem, decisions: Decisions, shift: Shift, visit: Visit) -> Costs:
    """Return what `visit` costs on `shift` whenever it begins; terms of time are zero."""
    weights = problem.weights
    has = dict(shift.skills)
    surplus = sum(max(0, has.get(skill, level) - level) for skill, level in visit.skills)
    before = decisions.published.get(visit.id)
    return Costs(
        rate=work_s(shift, visit) * shift.rate_permille // 1000,
        foreign_territory=weights.foreign_territory if _is_foreign(shift, visit) else 0,
        surplus_level=surplus * weights.surplus_level,
        not_preferred=(
            weights.not_preferred
            if visit.preferred and shift.technician not in visit.preferred
            else 0
        ),
        other_technician=(
            weights.other_technician
            if before is not None and before.technician != shift.technician
            else 0
        ),
        other_day=weights.other_day if before is not None and before.day != shift.day else 0,
    )


def work_s(shift: Shift, visit: Visit) -> int:
    """Return how long this person takes, rounded up to whole seconds."""
    return shift.work_s(visit)


def _is_foreign(shift: Shift, visit: Visit) -> bool:
    return (
        shift.territory is not None
        and visit.territory is not None
        and shift.territory != visit.territory
    )
