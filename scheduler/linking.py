"""What a link between two jobs asks, whether it can be kept, and what is left for the one by the other.

Gaps run from the end of the first job's work to the beginning of the second's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo

MOST_GAP_S = 366 * 86_400


class LinkedPeople(StrEnum):
    """Who does the one of two linked jobs, seen from the other."""

    SAME = "same"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Bond:
    """A link as planning reads it."""

    id: UUID
    first_id: UUID
    second_id: UUID
    is_ordered: bool = True
    least_gap_s: int | None = None
    greatest_gap_s: int | None = None
    technician: str | None = None
    is_same_day: bool = False

    def other_of(self, work_order_id: UUID) -> UUID:
        return self.second_id if work_order_id == self.first_id else self.first_id

    @property
    def least(self) -> timedelta:
        return timedelta(seconds=self.least_gap_s or 0)

    @property
    def greatest(self) -> timedelta | None:
        return None if self.greatest_gap_s is None else timedelta(seconds=self.greatest_gap_s)


@dataclass(frozen=True, slots=True)
class Spot:
    """When and by whom a job's work is done, was done, or is to be done."""

    begins_at: datetime
    ends_at: datetime
    technicians: frozenset[str]


class Broken(StrEnum):
    """What of a link is not kept."""

    WAITS = "waits"
    """The second is planned and the first, which has to come before it, is not."""
    TOO_SOON = "too_soon"
    TOO_LATE = "too_late"
    TECHNICIAN = "technician"
    DAY = "day"


@dataclass(frozen=True, slots=True)
class Breach:
    what: Broken
    seconds: int = 0
    """By how much, where it is a matter of time."""


def breaches(bond: Bond, first: Spot | None, second: Spot | None, zone: ZoneInfo) -> list[Breach]:
    """Return what two jobs keep not of their link. None: that job has no visit."""
    if second is None:
        return []
    if first is None:
        return [Breach(Broken.WAITS)] if bond.is_ordered else []
    found = []
    if bond.is_ordered:
        gap = second.begins_at - first.ends_at
        if gap < bond.least:
            found.append(Breach(Broken.TOO_SOON, int((bond.least - gap).total_seconds())))
        if bond.greatest is not None and gap > bond.greatest:
            found.append(Breach(Broken.TOO_LATE, int((gap - bond.greatest).total_seconds())))
    share = not first.technicians.isdisjoint(second.technicians)
    if bond.technician is not None and share != (bond.technician == LinkedPeople.SAME):
        found.append(Breach(Broken.TECHNICIAN))
    days = {one.begins_at.astimezone(zone).date() for one in (first, second)}
    if bond.is_same_day and len(days) > 1:
        found.append(Breach(Broken.DAY))
    return found


@dataclass(frozen=True, slots=True)
class Room:
    """When the one of two jobs may begin, both instants included, for where the other is."""

    opens_at: datetime | None = None
    closes_at: datetime | None = None


def room_after(bond: Bond, first: Spot) -> Room:
    """Return what is left for the second."""
    if not bond.is_ordered:
        return Room()
    closes = None if bond.greatest is None else first.ends_at + bond.greatest
    return Room(first.ends_at + bond.least, closes)


def room_before(bond: Bond, second: Spot, duration_s: int) -> Room:
    """Return what is left for the first, whose work takes so long."""
    if not bond.is_ordered:
        return Room()
    last = second.begins_at - timedelta(seconds=duration_s)
    return Room(None if bond.greatest is None else last - bond.greatest, last - bond.least)


def path(bonds: Iterable[Bond], start: UUID, end: UUID) -> list[UUID] | None:
    """Return the jobs by which order leads from one to another, both included; None where it does not."""
    following: dict[UUID, list[UUID]] = {}
    for bond in bonds:
        if bond.is_ordered:
            following.setdefault(bond.first_id, []).append(bond.second_id)
    ways: dict[UUID, UUID | None] = {start: None}
    waiting = [start]
    for each in waiting:
        if each == end:
            found = [end]
            while (before := ways[found[-1]]) is not None:
                found.append(before)
            return found[::-1]
        for other in following.get(each, []):
            if other not in ways:
                ways[other] = each
                waiting.append(other)
    return None


def at_odds(bonds: Sequence[Bond]) -> Bond | None:
    """Return a link that asks for another technician between jobs that links give to one and the same."""
    team: dict[UUID, UUID] = {}

    def of(job: UUID) -> UUID:
        while (above := team.get(job, job)) != job:
            job = above
        return job

    for bond in bonds:
        if bond.technician == LinkedPeople.SAME:
            team[of(bond.first_id)] = of(bond.second_id)
    for bond in bonds:
        if bond.technician == LinkedPeople.OTHER and of(bond.first_id) == of(bond.second_id):
            return bond
    return None


@dataclass(frozen=True, slots=True)
class Reach:
    """How far what was decided on a job lets it go. None: as far as it likes, by whomever."""

    work_s: int
    opens_at: datetime | None = None
    closes_at: datetime | None = None
    """First and last instant at which work may begin."""
    technicians: frozenset[str] | None = None
    forbidden: frozenset[str] = frozenset()


def cannot_be(bond: Bond, first: Reach, second: Reach, zone: ZoneInfo) -> Broken | None:
    """Return what of a link no plan could keep for what was decided on both jobs already."""
    work = timedelta(seconds=first.work_s)
    if bond.is_ordered:
        if (
            first.opens_at is not None
            and second.closes_at is not None
            and second.closes_at < first.opens_at + work + bond.least
        ):
            return Broken.TOO_SOON
        if (
            bond.greatest is not None
            and first.closes_at is not None
            and second.opens_at is not None
            and second.opens_at > first.closes_at + work + bond.greatest
        ):
            return Broken.TOO_LATE
    if bond.technician == LinkedPeople.SAME:
        mine, theirs = first.technicians, second.technicians
        for who, not_who in ((mine, second.forbidden), (theirs, first.forbidden)):
            if who is not None and who <= not_who:
                return Broken.TECHNICIAN
        if mine is not None and theirs is not None and mine.isdisjoint(theirs):
            return Broken.TECHNICIAN
    is_one = first.technicians == second.technicians and len(first.technicians or ()) == 1
    if bond.technician == LinkedPeople.OTHER and is_one:
        return Broken.TECHNICIAN
    if bond.is_same_day and not _may_share_a_day(first, second, zone):
        return Broken.DAY
    return None


def _may_share_a_day(one: Reach, other: Reach, zone: ZoneInfo) -> bool:
    for earlier, later in ((one, other), (other, one)):
        if earlier.closes_at is not None and later.opens_at is not None:
            last = earlier.closes_at.astimezone(zone).date()
            if last < later.opens_at.astimezone(zone).date():
                return False
    return True
