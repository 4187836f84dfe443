"""What becomes of each occurrence on an asset: wanted, covered by a larger service, missed or withdrawn.

Plans of one series are services of one kind in several sizes, such as monthly, quarterly and yearly. The
larger covers the smaller ones that fall due within its tolerance.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class OccurrenceStatus(StrEnum):
    """expected → ordered, its work order made; whether it was done in time is the work order's to say."""

    EXPECTED = "expected"
    ORDERED = "ordered"
    COVERED = "covered"
    SKIPPED = "skipped"
    MISSED = "missed"
    WITHDRAWN = "withdrawn"


Name = tuple[UUID, str]
"""A plan and the key of an occurrence on the asset at hand."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An occurrence as it is known or falls due. `is_begun`: somebody was sent for it, or it is done."""

    name: Name
    series: str | None
    size: int
    due_at: datetime
    earliest_at: datetime
    latest_at: datetime
    is_begun: bool = False
    is_fixed: bool = True
    """Counted from the plan: the next one falls due whether or not this one was done."""


def covering(entries: Iterable[Entry]) -> dict[Name, Name]:
    """Return smaller occurrence → the larger one that covers it: the largest, of those the nearest.

    What has been begun on its own account is not covered, and what is covered covers nothing itself: its
    larger service would then do so directly.
    """
    all_of = list(entries)
    covered: dict[Name, Name] = {}
    for small in all_of:
        if small.is_begun or small.series is None:
            continue
        larger = [
            one
            for one in all_of
            if one.series == small.series
            and one.size > small.size
            and one.earliest_at <= small.due_at <= one.latest_at
        ]
        if larger:
            best = min(
                larger, key=lambda one: (-one.size, abs(one.due_at - small.due_at), one.name)
            )
            covered[small.name] = best.name
    # The largest of all covers directly, else what it covers in turn would be done by nobody.
    return {
        small: large if large not in covered else _end(large, covered)
        for small, large in covered.items()
    }


def _end(name: Name, covered: Mapping[Name, Name]) -> Name:
    while name in covered:
        name = covered[name]
    return name


def missed(entries: Iterable[Entry], covered: Mapping[Name, Name], now: datetime) -> set[Name]:
    """Return what nobody was sent for before the next of its plan fell due."""
    all_of = list(entries)
    newest: dict[UUID, datetime] = {}
    for one in all_of:
        if one.due_at <= now:
            plan = one.name[0]
            newest[plan] = max(one.due_at, newest.get(plan, one.due_at))
    return {
        one.name
        for one in all_of
        if one.is_fixed
        and not one.is_begun
        and one.name not in covered
        and one.due_at < newest.get(one.name[0], one.due_at)
    }
