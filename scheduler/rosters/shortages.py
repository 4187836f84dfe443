"""Why somebody is missing in an hour: for each who could have come, what keeps them away.

Like the reasons of a plan: *in this roster* where another roster might do it, *in any* where even with
everybody free too few can be there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from scheduler.rosters.checks import breaches_of, covered, day_of, serves, table_of
from scheduler.rosters.problem import HOUR_S, Duty, Rostered, RosterProblem, Rule, Technician

MOST = 500
"""Shortages that are explained, the dearest first; the others are in the cover all the same."""


class Why(StrEnum):
    """What keeps somebody from an hour beside the rules."""

    NOBODY = "nobody"
    """Nobody has the trade at that level."""
    EXPIRED = "expired"
    """The certificate has run out by then."""
    WORKS = "works"
    """Is at work, and wanted for something else."""
    OTHER_HOURS = "other_hours"
    """Works other hours of that day."""
    NO_PATTERN = "no_pattern"
    """No hours this person may be given cover it."""
    FIXED = "fixed"
    """Something else is fixed for the day."""
    PRICE = "price"
    """Could come, and it would cost more than the gap."""


@dataclass(frozen=True, slots=True)
class Reason:
    """A rule, or a `Why`, and whom it keeps away."""

    code: str
    technicians: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Shortage:
    """Hours on end in which people are missing for one need, for the same reasons; commonest reason first.

    `minutes` are person-minutes missing in all. `is_certain`: no roster of these people fills it.
    """

    need: int
    first_hour: int
    last_hour: int
    minutes: int
    reasons: tuple[Reason, ...]
    is_certain: bool


def shortages(problem: RosterProblem, duties: Iterable[Rostered]) -> list[Shortage]:
    """Return what is missing, in order of time; at most `MOST`, the dearest."""
    given = list(duties)
    looking = _Looking(problem, given)
    short = [one for one in covered(problem, given) if one.served < one.wanted]
    short.sort(key=lambda one: (one.need, one.hour))
    found: list[Shortage] = []
    for one in short:
        reasons, is_certain = looking.reasons(one.need, one.hour, one.wanted)
        last = found[-1] if found else None
        if (
            last is not None
            and (last.need, last.last_hour + 1) == (one.need, one.hour)
            and (last.reasons, last.is_certain) == (reasons, is_certain)
        ):
            minutes = last.minutes + one.wanted - one.served
            found[-1] = Shortage(one.need, last.first_hour, one.hour, minutes, reasons, is_certain)
        else:
            found.append(
                Shortage(one.need, one.hour, one.hour, one.wanted - one.served, reasons, is_certain)
            )
    dearest = sorted(
        found, key=lambda each: -each.minutes * problem.needs[each.need].price_percent
    )[:MOST]
    return sorted(dearest, key=lambda each: (each.first_hour, each.need))


class _Looking:
    def __init__(self, problem: RosterProblem, duties: Sequence[Rostered]) -> None:
        self.problem, self.table = problem, table_of(problem)
        self.mine: dict[str, dict[int, Rostered]] = defaultdict(dict)
        for each in duties:
            self.mine[each.technician][each.day] = each
        self.fixed = {(each.technician, each.day): each.pattern for each in problem.fixed}
        self.covering: dict[tuple[int, int], list[Duty]] = defaultdict(list)
        for duty in problem.duties:
            for hour in range(max(0, duty.start // HOUR_S), -(-duty.end // HOUR_S)):
                self.covering[duty.zone, hour].append(duty)
        self._with: dict[tuple[str, int, int], tuple[Rule, ...]] = {}
        self._alone: dict[tuple[str, int, int], bool] = {}

    def reasons(self, need: int, hour: int, wanted: int) -> tuple[tuple[Reason, ...], bool]:
        day = day_of(self.problem, hour)
        why: dict[str, list[str]] = defaultdict(list)
        could = 0
        for one in self.problem.technicians:
            if need not in serves(self.problem, one, -1):
                continue
            if need not in serves(self.problem, one, day):
                why[Why.EXPIRED].append(one.id)
                continue
            code, alone = self._of(one, hour)
            could += alone
            why[code].append(one.id)
        if not why:
            return (Reason(Why.NOBODY),), True
        counted = sorted(why.items(), key=lambda each: (-len(each[1]), each[0]))
        return tuple(Reason(code, tuple(those)) for code, those in counted), could * 60 < wanted

    def _of(self, one: Technician, hour: int) -> tuple[str, bool]:
        """Return what keeps a person from an hour, and whether alone in the world they could be there."""
        instant = hour * HOUR_S
        if any(each.start < instant + HOUR_S and each.end > instant for each in one.commitments):
            return Why.WORKS, True
        duties = [
            duty
            for duty in self.covering.get((one.zone, hour), ())
            if one.patterns is None or duty.pattern in one.patterns
        ]
        if not duties:
            return Why.NO_PATTERN, False
        works = any(
            (mine := self.mine[one.id].get(duty.day)) is not None and mine.pattern == duty.pattern
            for duty in duties
        )
        if works:
            return Why.WORKS, True
        loose = [
            duty
            for duty in duties
            if self.fixed.get((one.id, duty.day), duty.pattern) == duty.pattern
        ]
        if not loose:
            return Why.FIXED, False
        alone = any(self._possible(one, duty) for duty in loose)
        best = min((self._broken(one, duty) for duty in loose), key=len)
        if best:
            return best[0], alone
        if any(duty.day in self.mine[one.id] for duty in loose):
            return Why.OTHER_HOURS, alone
        return Why.PRICE, alone

    def _broken(self, one: Technician, duty: Duty) -> tuple[Rule, ...]:
        """Return the rules that the person would break with this duty in place of the day's own."""
        key = (one.id, duty.day, duty.pattern)
        if key not in self._with:
            others = [each for day, each in self.mine[one.id].items() if day != duty.day]
            added = Rostered(one.id, duty.day, duty.pattern)
            found = breaches_of(self.problem, self.table, one, [*others, added])
            self._with[key] = tuple(dict.fromkeys(each.rule for each in found))
        return self._with[key]

    def _possible(self, one: Technician, duty: Duty) -> bool:
        key = (one.id, duty.day, duty.pattern)
        if key not in self._alone:
            added = [Rostered(one.id, duty.day, duty.pattern)]
            self._alone[key] = not breaches_of(self.problem, self.table, one, added)
        return self._alone[key]
