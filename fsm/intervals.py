"""Sets of half-open intervals [a, b) of UTC instants, exact to the microsecond.

An instant is a whole number of microseconds since 1970-01-01T00:00Z. Whole numbers of UTC make
three mistakes impossible: rounding, subtracting two aware datetimes of one zone (Python then
ignores the change of clocks between them), and counting an overlap twice.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

Micros: TypeAlias = int
"""Microseconds: since the epoch for an instant, plain for a length."""

Interval: TypeAlias = tuple[Micros, Micros]
"""[a, b) with a <= b; empty when equal."""

Intervals: TypeAlias = tuple[Interval, ...]
"""A set in its only normal form: sorted, none empty, none overlapping or touching another."""

SECOND: Micros = 1_000_000
HOUR: Micros = 3_600 * SECOND
DAY: Micros = 24 * HOUR

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def micros(at: datetime) -> Micros:
    """Return an aware instant as microseconds since the epoch; a naive one is a `ValueError`."""
    if at.utcoffset() is None:
        raise ValueError(f"{at.isoformat()} has no time zone; an instant needs one.")
    # Both sides in UTC: within one zone Python subtracts wall clocks, not time.
    return (at.astimezone(UTC) - _EPOCH) // _MICROSECOND


def instant(at: Micros) -> datetime:
    """Return the aware UTC datetime of `at`; the inverse of `micros`."""
    return _EPOCH + timedelta(microseconds=at)


def interval(from_at: datetime, to_at: datetime) -> Interval:
    """Return [from_at, to_at); refused (`ValueError`) when it ends before it begins."""
    begins, ends = micros(from_at), micros(to_at)
    if ends < begins:
        raise ValueError(f"An interval from {from_at.isoformat()} cannot end {to_at.isoformat()}.")
    return begins, ends


def union(parts: Iterable[Interval]) -> Intervals:
    """Return the normal form of `parts`, which may overlap, touch, be empty and in any order."""
    merged: list[Interval] = []
    for begins, ends in sorted(parts):
        if ends < begins:
            raise ValueError(f"[{begins}, {ends}) ends before it begins.")
        if ends == begins:
            continue
        if merged and begins <= merged[-1][1]:
            if ends > merged[-1][1]:
                merged[-1] = (merged[-1][0], ends)
        else:
            merged.append((begins, ends))
    return tuple(merged)


def intersect(left: Iterable[Interval], right: Iterable[Interval]) -> Intervals:
    """Return what lies in both sets."""
    one, other = union(left), union(right)
    both: list[Interval] = []
    i = j = 0
    while i < len(one) and j < len(other):
        begins = max(one[i][0], other[j][0])
        ends = min(one[i][1], other[j][1])
        if begins < ends:
            both.append((begins, ends))
        if one[i][1] < other[j][1]:
            i += 1
        else:
            j += 1
    return tuple(both)


def subtract(left: Iterable[Interval], right: Iterable[Interval]) -> Intervals:
    """Return what lies in `left` and not in `right`."""
    holes = union(right)
    rest: list[Interval] = []
    first = 0
    for begins, ends in union(left):
        # Both sides ascend: a hole that ends before this part ends before all later ones.
        while first < len(holes) and holes[first][1] <= begins:
            first += 1
        cursor = begins
        for hole_begins, hole_ends in holes[first:]:
            if hole_begins >= ends:
                break
            if hole_begins > cursor:
                rest.append((cursor, hole_begins))
            cursor = max(cursor, hole_ends)
        if cursor < ends:
            rest.append((cursor, ends))
    return tuple(rest)


def clip(parts: Iterable[Interval], window: Interval) -> Intervals:
    """Return what of `parts` lies in `window`."""
    return intersect(parts, (window,))


def length(parts: Iterable[Interval]) -> Micros:
    """Return how long the set is: overlaps count once, touching parts add up."""
    return sum(ends - begins for begins, ends in union(parts))


def contains(parts: Iterable[Interval], at: Micros) -> bool:
    """Say whether `at` lies in the set; an interval holds its beginning and not its end."""
    return any(begins <= at < ends for begins, ends in parts)
