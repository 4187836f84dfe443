"""Why a visit is not in a plan, and what would let it in.

Codes and facts; `scheduler.sentences` says them in every language.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass

from scheduler.blocking import Fleets, Inquiry
from scheduler.bound_reasons import Together
from scheduler.closed_shifts import Closed, Failed, tally
from scheduler.engine.crews import could_come, crews
from scheduler.engine.indexed import IndexedDay
from scheduler.engine.insertion import Draft, fits_an_empty_shift
from scheduler.engine.permissions import Failure, Rule
from scheduler.engine.ties import joined
from scheduler.problem import Cause, DayProblem, Plan, Unplanned
from scheduler.relaxations import Relaxation, cheapest


@dataclass(frozen=True, slots=True)
class Reason:
    """Why one visit is left out."""

    visit: str
    label: str
    cause: Cause
    shifts: int
    """How many there are."""
    closed: tuple[Closed, ...] = ()
    """What closes them to the visit; none is without."""
    blocking: tuple[tuple[Rule, ...], ...] = ()
    """The smallest sets of rules without which it would fit, up to three rules each; empty where more
    than three stand in the way on every shift."""
    relaxation: Relaxation | None = None
    """The cheapest found."""
    partners: tuple[str, ...] = ()
    """Labels of the others it is bound to by a crew or a link. `blocking` and `relaxation` then say what
    would let it in with all that have to be planned with it."""
    people: tuple[int, int] | None = None
    """Of a crew for which there are too few: how many it needs at once, and how many of them could come."""
    among: int | None = None
    """How many people were looked at, where somebody else might still do what these could never."""
    is_brief: bool = False
    """True: the time for looking had passed. `closed` names permissions and hours, `room` or `travel`
    stands for whatever else it is, and the rest is empty; ask `explain` for this visit alone."""

    @property
    def in_any_plan(self) -> bool:
        """True: in no plan could it be done. False: in this plan it is not."""
        return self.cause is Cause.IMPOSSIBLE and self.among is None


def explain(
    problem: DayProblem,
    plan: Plan,
    *,
    seconds: float | None = None,
    visits: Collection[str] | None = None,
    day: IndexedDay | None = None,
) -> list[Reason]:
    """Return a reason for every visit `plan` leaves out, or for those of `visits`, in its order.

    After `seconds` the rest is explained in brief; visits that are dearest to leave out come first.
    The plan must be one the referee accepts. `day` is the problem where it was looked up before.
    """
    if not plan.unplanned:
        return []
    deadline = None if seconds is None else time.monotonic() + seconds
    explainer = Explainer(problem, plan, day)
    day = explainer.day
    found: dict[str, Reason] = {}
    asked = [each for each in plan.unplanned if visits is None or each.visit in visits]
    for each in sorted(asked, key=lambda each: -day.drop[day.visit_no[each.visit]]):
        in_time = deadline is None or time.monotonic() < deadline
        found[each.visit] = explainer.reason(each, in_full=in_time)
    return [found[each.visit] for each in asked]


class Explainer:
    """A plan made ready to be asked about; what all its visits share is looked up once."""

    def __init__(self, problem: DayProblem, plan: Plan, day: IndexedDay | None = None) -> None:
        self.day = day or IndexedDay(problem)
        self._fleets = Fleets(Draft.of(self.day, plan))
        self._crews = crews(self.day)

    def reason(self, left_out: Unplanned, *, in_full: bool = True) -> Reason:
        number = self.day.visit_no[left_out.visit]
        visit = self.day.visits[number]
        label = self._label(number)
        ties = self.day.ties.get(number, ())
        partners = tuple(sorted({self._label(tie.other) for tie in ties} - {label}))
        people = self._people(number) if left_out.cause is Cause.IMPOSSIBLE else None
        if not in_full:
            rest = Rule.TRAVEL if left_out.cause is Cause.IMPOSSIBLE else Rule.ROOM
            rest = Rule.PARTNER if ties else rest
            closed = self._fleets.closed.in_brief(number, Failure(rest))
            return Reason(
                *(visit.id, label, left_out.cause, len(self.day.shifts), closed),
                partners=partners,
                people=people,
                is_brief=True,
            )
        inquiry = Inquiry(self._fleets, number)
        bound = Together(self._fleets, number, self._members(number)) if ties else None
        return Reason(
            visit=visit.id,
            label=label,
            cause=left_out.cause,
            shifts=len(self.day.shifts),
            closed=tally(inquiry.failures(left_out.cause)),
            blocking=inquiry.blocking() if bound is None else bound.blocking(),
            relaxation=cheapest(inquiry) if bound is None else bound.relaxation(),
            partners=partners,
            people=people,
        )

    def shifts(self, left_out: Unplanned) -> list[Failed]:
        """Return what keeps a visit from each shift, in their order; of none it is nothing."""
        return Inquiry(self._fleets, self.day.visit_no[left_out.visit]).failures(left_out.cause)

    def _people(self, visit_no: int) -> tuple[int, int] | None:
        """Return how many a visit's crew needs and how many of them could come, where these are too few."""
        for crew in self._crews:
            if visit_no in crew and all(fits_an_empty_shift(self.day, leg) for leg in crew):
                there = could_come(self.day, crew)
                return (len(crew), there) if there < len(crew) else None
        return None

    def _members(self, visit_no: int) -> list[int]:
        """Return a visit that is left out with all that have to be planned with it."""
        out = self.day.linked - self._fleets.draft.shift_of.keys()
        return joined(self.day.ties, visit_no, out, together=True)

    def _label(self, visit_no: int) -> str:
        visit = self.day.visits[visit_no]
        return visit.label or visit.id
