"""The one shape in which every figure is given: its value, what it counted, and how sure it is.

A value is null, never 0, where there is nothing to divide by; `null_reason` says which nothing.
Equal results encode to equal bytes. Money is `Decimal` and travels as a string.
"""

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

import msgspec

Number: TypeAlias = int | float | Decimal


class NullReason(StrEnum):
    """Why there is no value."""

    NO_EXPOSURE = "no_exposure"
    NO_FAILURES = "no_failures"
    NOTHING_DUE = "nothing_due"
    NO_REVENUE = "no_revenue"
    TOO_FEW = "too_few"


class ProvisionalReason(StrEnum):
    """Why a value may still change without anybody correcting anything."""

    COHORT_IMMATURE = "cohort_immature"
    COSTS_OPEN = "costs_open"
    DEVICES_NOT_SYNCED = "devices_not_synced"


class Quantity(msgspec.Struct, frozen=True):
    """A number and its unit: "h", "failure", "repair", an ISO 4217 code …"""

    value: Number
    unit: str

    def __post_init__(self) -> None:
        _finite(self.value, "A quantity")


class Interval(msgspec.Struct, frozen=True):
    """Where the value lies with confidence `level`; no `high` is a lower bound alone."""

    low: float
    high: float | None
    level: float
    method: str

    def __post_init__(self) -> None:
        _finite(self.low, "An interval")
        _finite(self.high, "An interval")


class Extremes(msgspec.Struct, frozen=True):
    """The value if every disputed candidate went one way, and if it went the other."""

    low: float
    high: float


class Provisional(msgspec.Struct, frozen=True):
    """Until when and because of what a figure may still move; `until` None: not foreseeable."""

    until: datetime | None
    because: tuple[ProvisionalReason, ...]


class Window(msgspec.Struct, frozen=True):
    """[from, to) in UTC, and the zone in which its days were meant."""

    from_at: datetime = msgspec.field(name="from")
    to_at: datetime = msgspec.field(name="to")
    zone: str = "UTC"

    def __post_init__(self) -> None:
        if not _utc(self.from_at) < _utc(self.to_at):
            raise ValueError("A window ends after it begins.")


class Share(msgspec.Struct, frozen=True):
    """One candidate of a figure: what it added to each side, or why it was left out.

    `kind` and `id` name a row: "failure", "asset", "work_order" …
    """

    kind: str
    id: str
    numerator: Number = 0
    denominator: Number = 0
    excluded: str | None = None

    def __post_init__(self) -> None:
        if self.excluded is not None and (self.numerator or self.denominator):
            raise ValueError(f"{self.kind} {self.id} is excluded and counted at once.")


class Figure(msgspec.Struct, frozen=True):
    """A figure as a formula gives it: everything but whose it is and when it was asked."""

    value: Number | None
    unit: str
    n: int
    null_reason: NullReason | None
    numerator: Quantity | None
    denominator: Quantity | None
    excluded: dict[str, int] = {}
    interval: Interval | None = None
    extremes: Extremes | None = None
    notes: tuple[str, ...] = ()
    shares: tuple[Share, ...] = ()

    def __post_init__(self) -> None:
        if (self.value is None) == (self.null_reason is None):
            raise ValueError("A figure has a value or a reason for having none, never both.")
        _finite(self.value, "A figure")


class Result(msgspec.Struct, frozen=True):
    """A figure as it is served, stored and compared; see the design's section on KPIs."""

    kpi: str
    definition: int
    value: Number | None
    unit: str
    n: int
    null_reason: NullReason | None
    numerator: Quantity | None
    denominator: Quantity | None
    excluded: dict[str, int]
    interval: Interval | None
    extremes: Extremes | None
    provisional: Provisional | None
    scope: dict[str, str]
    window: Window
    as_of: datetime
    watermark: int
    late_events: int
    notes: tuple[str, ...]
    lineage: str


def result(
    figure: Figure,
    *,
    kpi: str,
    definition: int,
    scope: dict[str, str],
    window: Window,
    as_of: datetime,
    watermark: int,
    late_events: int,
    lineage: str,
    provisional: Provisional | None = None,
) -> Result:
    """Return `figure` with its context; the lineage is served from its own address."""
    return Result(
        kpi=kpi,
        definition=definition,
        value=figure.value,
        unit=figure.unit,
        n=figure.n,
        null_reason=figure.null_reason,
        numerator=figure.numerator,
        denominator=figure.denominator,
        excluded=figure.excluded,
        interval=figure.interval,
        extremes=figure.extremes,
        provisional=provisional,
        scope=scope,
        window=window,
        as_of=_utc(as_of),
        watermark=watermark,
        late_events=late_events,
        notes=figure.notes,
        lineage=lineage,
    )


def encode(given: Result | Figure | Sequence[Result]) -> bytes:
    """Return the JSON of a result; equal results give equal bytes, whatever order dicts had."""
    return msgspec.json.encode(given, order="deterministic")


def decode(stored: bytes) -> Result:
    """Return the result of `encode`; money is told from ratios by its being a string."""
    return msgspec.json.decode(stored, type=Result)


def count_excluded(shares: Iterable[Share]) -> dict[str, int]:
    """Return how many candidates were left out for which reason, by reason."""
    counts: dict[str, int] = {}
    for share in shares:
        if share.excluded is not None:
            counts[share.excluded] = counts.get(share.excluded, 0) + 1
    return dict(sorted(counts.items()))


def ratio(
    shares: Sequence[Share],
    *,
    units: tuple[str, str],
    null_reason: NullReason,
    n: int,
    unit: str = "ratio",
    interval: Interval | None = None,
    extremes: Extremes | None = None,
    notes: tuple[str, ...] = (),
) -> Figure:
    """Return the figure whose sides are the sums of its shares; null when it would divide by 0."""
    numerator = _sum(share.numerator for share in shares)
    denominator = _sum(share.denominator for share in shares)
    return Figure(
        value=numerator / denominator if denominator else None,
        unit=unit,
        n=n,
        null_reason=None if denominator else null_reason,
        numerator=Quantity(numerator, units[0]),
        denominator=Quantity(denominator, units[1]),
        excluded=count_excluded(shares),
        interval=interval,
        extremes=extremes,
        notes=notes,
        shares=tuple(shares),
    )


def _sum(numbers: Iterable[Number]) -> float | int:
    """Add without a trace of order: whole numbers stay whole, floats are summed exactly."""
    listed = list(numbers)
    if all(isinstance(number, int) for number in listed):
        return sum(int(number) for number in listed)
    return math.fsum(float(number) for number in listed)


def _finite(number: Number | None, what: str) -> None:
    # JSON has no NaN or infinity: the encoder would write null without a reason.
    if number is not None and not math.isfinite(number):
        raise ValueError(f"{what} cannot be {number}.")


def _utc(at: datetime) -> datetime:
    if at.utcoffset() is None:
        raise ValueError(f"{at.isoformat()} has no time zone; an instant needs one.")
    return at.astimezone(UTC)
