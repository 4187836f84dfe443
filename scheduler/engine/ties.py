"""What visits ask of each other, crews and links alike, seen from each of the two."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from scheduler.problem import DayProblem

NEVER = 1 << 40
"""Later than any instant; its negative is earlier."""


@dataclass(frozen=True, slots=True)
class Tie:
    """A condition between one visit and another; gaps are from its beginning to the other's."""

    other: int
    least: int = -NEVER
    greatest: int = NEVER
    order: int = 0
    """1: the other begins after this one ends; -1: this one after the other ends."""
    one_person: bool = False
    two_people: bool = False
    same_day: bool = False
    together: bool = False
    """This one is only planned where the other is."""
    is_needed: bool = False
    """The other is only planned where this one is."""

    @property
    def comes_after(self) -> bool:
        """Whether the other has to be there before this one can be."""
        return self.order < 0 or self.greatest <= 0 < -self.least

    def seen_from_the_other(self, one: int) -> Tie:
        return Tie(
            one,
            -self.greatest,
            -self.least,
            -self.order,
            self.one_person,
            self.two_people,
            self.same_day,
            self.is_needed,
            self.together,
        )


def ties_of(problem: DayProblem, visit_no: Mapping[str, int]) -> dict[int, list[Tie]]:
    """Return the ties of each visit that depends on others, each tie from both its ends."""
    found: dict[int, list[Tie]] = {}

    def add(one: int, tie: Tie) -> None:
        found.setdefault(one, []).append(tie)
        found.setdefault(tie.other, []).append(tie.seen_from_the_other(one))

    for crew in problem.crews:
        other = visit_no[crew.second]
        add(visit_no[crew.first], Tie(other, 0, 0, two_people=True, together=True, is_needed=True))
    for link in problem.links:
        tie = Tie(
            other=visit_no[link.second],
            least=-NEVER if link.least_gap_s is None else link.least_gap_s,
            greatest=NEVER if link.greatest_gap_s is None else link.greatest_gap_s,
            order=int(link.ordered),
            one_person=link.same_technician,
            two_people=link.other_technician,
            same_day=link.same_day,
            together=link.all_or_none,
            is_needed=link.all_or_none or link.needs_first,
        )
        add(visit_no[link.first], tie)
    return found


def joined(
    ties: Mapping[int, list[Tie]],
    visit: int,
    among: Iterable[int],
    *,
    together: bool = False,
) -> list[int]:
    """Return a visit and all of `among` that ties join to it; with `together` only what it cannot be without.

    What has to be there before others stands before them, as far as ties do not go in a circle.
    """
    allowed, found = set(among), [visit]
    for each in found:
        found += [
            tie.other
            for tie in dict.fromkeys(ties.get(each, ()))
            if tie.other in allowed and tie.other not in found and (tie.together or not together)
        ]
    return _in_order(ties, list(dict.fromkeys(found)))


def _in_order(ties: Mapping[int, list[Tie]], visits: list[int]) -> list[int]:
    ordered: list[int] = []
    left = list(visits)
    while left:
        waiting = set(left)
        free = (
            each
            for each in left
            if not any(tie.comes_after and tie.other in waiting for tie in ties.get(each, ()))
        )
        chosen = next(free, left[0])
        ordered.append(chosen)
        left.remove(chosen)
    return ordered
