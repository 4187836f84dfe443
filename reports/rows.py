"""The rows the formulae read: what `fsm` stores, as plain values without a database.

Instants are aware datetimes; spans are half-open (from, to), `to` None while still going on.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

from fsm.intervals import Interval, Intervals, Micros, interval, micros, union

Span: TypeAlias = tuple[datetime, datetime | None]


class Cause(StrEnum):
    """Why an asset was down, the more telling first: where two overlap, the first one counts."""

    FAILURE = "failure"
    OPERATIONAL = "operational"
    PLANNED = "planned"
    EXTERNAL = "external"


@dataclass(frozen=True, slots=True)
class Period:
    """The window [from_at, to_at) and how far time had run: nothing is known after `as_of`."""

    from_at: datetime
    to_at: datetime
    as_of: datetime

    def __post_init__(self) -> None:
        if micros(self.to_at) <= micros(self.from_at):
            raise ValueError("A window ends after it begins.")

    def seen(self) -> Interval:
        """Return the part of the window that had passed by `as_of`, perhaps empty."""
        begins = micros(self.from_at)
        return begins, max(begins, self.until())

    def until(self) -> Micros:
        """Return min(as_of, to): where what is still going on ends for this window."""
        return min(micros(self.as_of), micros(self.to_at))

    def holds(self, at: datetime) -> bool:
        """Say whether something that happened at `at` belongs to this window."""
        begins, ends = self.seen()
        return begins <= micros(at) < ends


@dataclass(frozen=True, slots=True)
class Outage:
    """An asset was down, or worked badly when `is_degraded`."""

    id: str
    during: Span
    cause: Cause
    is_degraded: bool = False


@dataclass(frozen=True, slots=True)
class Asset:
    """An asset with what bears on its time.

    `required` is when it had to work, None for always; `on_contract` when the contract in scope
    covered it, None without such a scope.
    """

    id: str
    in_service: tuple[Span, ...]
    outages: tuple[Outage, ...] = ()
    required: tuple[Span, ...] | None = None
    on_contract: tuple[Span, ...] | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """The event of failing; `exclusion` is the code of why it does not count, if so."""

    id: str
    asset_id: str
    detected_at: datetime
    failed_at: datetime | None = None
    restored_at: datetime | None = None
    exclusion: str | None = None


@dataclass(frozen=True, slots=True)
class Repair:
    """Everything done for one failure, over any number of visits and people.

    `pauses` are those that stop the repair clock. Spans may overlap: several people.
    """

    id: str
    asset_id: str
    detected_at: datetime
    restored_at: datetime | None = None
    work: tuple[Span, ...] = ()
    travel: tuple[Span, ...] = ()
    pauses: tuple[Span, ...] = ()
    exclusion: str | None = None


@dataclass(frozen=True, slots=True)
class Cost:
    """One line of the cost ledger: net of tax, never changed, corrected by another line.

    `keys` says which cuts it falls under, e.g. {"work_order": "…", "customer": "…"}, as pairs.
    `assets` weighs the assets it was for; empty where none was named.
    """

    id: str
    posted_on: date
    amount: Decimal
    currency: str
    keys: tuple[tuple[str, str], ...] = ()
    assets: tuple[tuple[str, Decimal], ...] = ()
    is_recovery: bool = False


def closed(spans: tuple[Span, ...], until: Micros) -> Intervals:
    """Return the union of `spans`; what is open ends at `until`, what begins later is left out."""
    parts: list[Interval] = []
    for from_at, to_at in spans:
        begins = micros(from_at)
        if to_at is not None:
            parts.append(interval(from_at, to_at))
        elif begins < until:
            parts.append((begins, until))
    return union(parts)
