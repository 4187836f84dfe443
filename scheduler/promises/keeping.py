"""Whether promises were kept, and whether they were kept as often as was said.

Kept: arrived by the window's end and began no earlier than its opening. Where the customer was not there, or
work never began, the arrival alone counts. What the customer called off, or asked to have moved, is void.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Outcome(StrEnum):
    KEPT = "kept"
    EARLY = "early"
    """Work began before the window opened."""
    LATE = "late"
    MISSED = "missed"
    """Nobody came."""
    VOID = "void"
    """The customer called it off or had it moved: neither kept nor broken."""


class Asker(StrEnum):
    """Who wanted a promise to be another than the one before."""

    CUSTOMER = "customer"
    COMPANY = "company"


def judge(
    opens_at: datetime,
    closes_at: datetime,
    arrived_at: datetime | None,
    began_at: datetime | None,
    *,
    tolerance: timedelta = timedelta(0),
) -> Outcome:
    """Return what became of a promise whose visit is over."""
    if arrived_at is None:
        return Outcome.MISSED
    if arrived_at > closes_at + tolerance:
        return Outcome.LATE
    if began_at is not None and began_at < opens_at:
        return Outcome.EARLY
    return Outcome.KEPT


def originals(askers: Sequence[Asker | None]) -> list[int]:
    """Return, for each promise of one job in the order they were told, the number of the one it counts for.

    Only the customer's change replaces what was promised at first; the company's own leaves it standing.
    """
    found: list[int] = []
    for number, asker in enumerate(askers):
        starts_anew = not found or asker == Asker.CUSTOMER
        found.append(number if starts_anew else found[-1])
    return found


@dataclass(frozen=True, slots=True)
class Judged:
    """A stated probability and what became of it."""

    stated: float
    is_kept: bool


@dataclass(frozen=True, slots=True)
class Bucket:
    """Promises whose stated probability lay in a tenth."""

    low: float
    high: float
    count: int
    stated: float
    """Mean of what was said."""
    kept: float
    """Share kept."""


@dataclass(frozen=True, slots=True)
class Report:
    """How promises were kept; shares are None where there are none."""

    count: int
    kept: float | None
    stated: float | None
    brier: float | None
    """Mean of (stated − kept)²: 0 at best."""
    buckets: tuple[Bucket, ...]


def report(judged: Sequence[Judged]) -> Report:
    """Return the share kept, the Brier score and the calibration by tenths of the stated probability."""
    if not judged:
        return Report(0, None, None, None, ())
    tenths: dict[int, list[Judged]] = {}
    for one in judged:
        tenths.setdefault(min(9, int(one.stated * 10)), []).append(one)
    return Report(
        count=len(judged),
        kept=_kept(judged),
        stated=_stated(judged),
        brier=sum((one.stated - one.is_kept) ** 2 for one in judged) / len(judged),
        buckets=tuple(
            Bucket(tenth / 10, (tenth + 1) / 10, len(some), _stated(some), _kept(some))
            for tenth, some in sorted(tenths.items())
        ),
    )


def _kept(judged: Sequence[Judged]) -> float:
    return sum(one.is_kept for one in judged) / len(judged)


def _stated(judged: Sequence[Judged]) -> float:
    return sum(one.stated for one in judged) / len(judged)
