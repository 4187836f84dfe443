"""Which shifts permissions and hours close to a visit, wherever the technician comes from.

A crowded day leaves out thousands of visits, and many ask for the same: what they share is found once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from scheduler.engine.indexed import IndexedDay, Terms
from scheduler.engine.permissions import Failure, Rule, failures

Failed = tuple[Failure, ...]


_OF_THE_VISIT = frozenset({Rule.SKILL, Rule.LEVEL, Rule.PARTS})
"""What other rules are about differs from shift to shift; these are about what the visit asks for."""


@dataclass(frozen=True, slots=True)
class Closed:
    """A rule, how many shifts it closes to the visit, and what of it is missing there."""

    rule: Rule
    shifts: int
    about: tuple[Failure, ...] = ()


def tally(failed: Iterable[Failed]) -> tuple[Closed, ...]:
    """Sum up what fails on each shift: the commonest rule first."""
    closes: Counter[Rule] = Counter()
    about: dict[Rule, dict[Failure, None]] = {}
    for each in failed:
        closes.update({failure.rule for failure in each})
        for failure in each:
            if failure.rule in _OF_THE_VISIT and failure.facts:
                about.setdefault(failure.rule, {})[failure] = None
    order = list(Rule)
    return tuple(
        Closed(rule, closes[rule], tuple(about.get(rule, ())))
        for rule in sorted(closes, key=lambda rule: (-closes[rule], order.index(rule)))
    )


class ClosedShifts:
    """A day's shifts, asked about one visit after the other."""

    def __init__(self, day: IndexedDay, keeps_prefix: Iterable[bool]) -> None:
        self.day = day
        self.keeps_prefix = list(keeps_prefix)
        self._paces = list({id(works): works for works in day.works}.values())
        self._permissions: dict[object, list[Failed]] = {}
        self._hours: dict[object, list[Failed]] = {}
        self._said: dict[tuple[int, int], Failed] = {}
        self._in_brief: dict[object, tuple[Closed, ...]] = {}

    def permissions(self, visit_no: int) -> list[Failed]:
        """Return what keeps a visit from each shift whatever the time of day; not to be changed."""
        key = self._asks(visit_no)
        if key not in self._permissions:
            visit = self.day.visits[visit_no]
            self._permissions[key] = [
                (*failures(self.day.decisions, shift, visit), *(() if keeps else _PREFIX))
                for shift, keeps in zip(self.day.shifts, self.keeps_prefix, strict=True)
            ]
        return self._permissions[key]

    def failed(self, visit_no: int) -> list[Failed]:
        """Return what permissions and hours have against a visit on each shift; not to be changed."""
        key = self._key(visit_no)
        if key not in self._hours:
            self._hours[key] = self._with_hours(visit_no)
        return self._hours[key]

    def in_brief(self, visit_no: int, rest: Failure) -> tuple[Closed, ...]:
        """Sum up what permissions and hours say, and `rest` of the shifts that they leave open."""
        key = (*self._key(visit_no), rest)
        if key not in self._in_brief:
            self._in_brief[key] = tally(each or (rest,) for each in self.failed(visit_no))
        return self._in_brief[key]

    def name(self, shift_no: int) -> str:
        """Return the technician's name, or id where they have none."""
        technician = self.day.shifts[shift_no].technician
        return self.day.names.get(technician, technician)

    def clock(self, second: int) -> str:
        """Return the time on the clocks of the day's zone, with the date where there are several days."""
        problem = self.day.problem
        midnight = datetime.fromisoformat(problem.first_midnight)
        # Seconds are elapsed time: the zone is applied after them, so clock changes come out right.
        zone = ZoneInfo(problem.zone)
        local = (midnight.astimezone(ZoneInfo("UTC")) + timedelta(seconds=second)).astimezone(zone)
        return local.strftime("%H:%M" if problem.days == 1 else "%d.%m %H:%M")

    def _asks(self, visit_no: int) -> tuple[object, ...]:
        """Return all of a visit that permissions look at; its id where somebody decided about it."""
        day, visit = self.day, self.day.visits[visit_no]
        is_decided = visit.id in day.decisions.pins or visit.id in day.decisions.prefix_shift
        return (
            visit.skills,
            visit.required,
            visit.forbidden,
            visit.territory,
            visit.parts,
            visit.id if is_decided else None,
        )

    def _key(self, visit_no: int) -> tuple[object, ...]:
        """Return all of a visit that permissions and hours look at."""
        return (
            *self._asks(visit_no),
            self.day.starts[visit_no],
            self.day.visits[visit_no].promise is None,
            *(works[visit_no] for works in self._paces),
        )

    def _with_hours(self, visit_no: int) -> list[Failed]:
        permissions = self.permissions(visit_no)
        starts = self.day.starts[visit_no]
        if not starts:
            promise = self.day.visits[visit_no].promise
            closed = (Failure(Rule.PROMISE if promise else Rule.WINDOW),)
            return [(*failed, *closed) for failed in permissions]
        return [
            failed + self._closed(terms, starts, works[visit_no])
            for failed, terms, works in zip(
                permissions, self.day.terms, self.day.works, strict=True
            )
        ]

    def _closed(self, terms: Terms, starts: tuple[tuple[int, int], ...], work_s: int) -> Failed:
        """Return what a shift's hours have against a visit with these times to begin at."""
        latest = terms.last - work_s
        for opens, closes in starts:
            if max(opens, terms.opens) <= min(closes, latest):
                return ()
        key = terms.opens, terms.closes
        if key not in self._said:
            hours = (("opens", self.clock(terms.opens)), ("closes", self.clock(terms.closes)))
            self._said[key] = (Failure(Rule.HOURS, hours),)
        return self._said[key]


_PREFIX = (Failure(Rule.PREFIX),)
