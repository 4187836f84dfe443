"""Figures that are sums over candidates, each counted or left out with a reason.

The SQL of such a figure gives one part, `candidate`, with a row per candidate and key:

    key, id, asset_id, at, above, below, reason, note, job_ids

`above` and `below` are its shares of both sides, whole numbers (time in microseconds); of one that is left
out, `reason` says why and the shares do not count. `note` is a word that is counted beside the value, such as
late. Sums, percentiles and lineage are read from the same rows, so that they cannot disagree.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from string import Template
from typing import Protocol
from uuid import UUID

from fsm.actors import Permission
from fsm.intervals import HOUR
from reports.candidates import Candidate
from reports.exposure_sql import Page, Statement, key_type
from reports.questions import Asked, Found
from reports.results import (
    Extremes,
    Figure,
    Interval,
    NullReason,
    Provisional,
    ProvisionalReason,
    Quantity,
)
from reports.scopes import Cut, Key
from reports.statistics import LEVEL, median_ranks, wilson_interval

DISPUTED = "disputed"
"""The reason of candidates that could go either way: they bound the value instead of counting."""

UNREAD = "unread"
"""The reason of candidates of which a rule must tell first; what it is to read stands in their note."""

SIDE = "capacity"
"""The note of a candidate that adds to the denominator without being one of the things counted."""

FEWEST_PEOPLE = 5
"""A figure over fewer people tells about each of them, and needs the permission for that."""


class Shape(StrEnum):
    """How a value follows from the candidates.

    proportion: counted candidates are hits or not; ratio: any two sums; sum and count: the numerator, or how
    many there are, alone; p50 and p90: of the candidates' numerators.
    """

    PROPORTION = "proportion"
    RATIO = "ratio"
    SUM = "sum"
    COUNT = "count"
    P50 = "p50"
    P90 = "p90"


_SHARES = {Shape.P50: 0.5, Shape.P90: 0.9}


@dataclass(frozen=True, slots=True)
class Measure:
    """How a figure is read from its sums; `scale` is what one unit of the numerator is in `above`."""

    shape: Shape
    units: tuple[str, str]
    null_reason: NullReason
    unit: str = "ratio"
    scale: int = 1
    below_scale: int = 1
    fewest: int = 1

    @classmethod
    def hours(cls, shape: Shape, counted: str, null_reason: NullReason) -> "Measure":
        """Return a measure in hours per thing counted, or a sum or percentile of hours."""
        return cls(shape, ("h", counted), null_reason, "h", HOUR)


@dataclass(slots=True)
class Sums:
    """The candidates of one key: `n` counted, their shares, and the rest by reason and by note."""

    n: int = 0
    above: int = 0
    below: int = 0
    latest: datetime | None = None
    excluded: dict[str, int] = field(default_factory=dict)
    notes: dict[str, int] = field(default_factory=dict)
    unread: list[UUID] = field(default_factory=list)


class Parted(Protocol):
    """Finds candidates at once but for the `UNREAD` ones, and these later."""

    async def at_once(self, asked: Asked) -> Statement: ...

    async def unread(self, asked: Asked, ids: list[UUID]) -> Statement: ...


@dataclass(frozen=True, slots=True)
class Counted:
    """How one figure is counted: its candidates' kind, the SQL that finds them, how a variant is read.

    `matures_after`: until then what was counted may still turn out otherwise. `is_personal`: its candidates
    are people. `parted` finds the same candidates for their sums in fewer looks.
    """

    kind: str
    candidates: Callable[[Asked], Awaitable[Statement]]
    measure: Callable[[str], Measure]
    matures_after: timedelta | None = None
    is_personal: bool = False
    parted: Parted | None = None

    async def figures(self, asked: Asked) -> dict[Key, Found]:
        """Return the figure of each key that has candidates, in the order of keys."""
        measure = self.measure(asked.question.variant)
        sums = await self._sums(asked)
        order: dict[Key, tuple[float, float | None, float | None]] = {}
        if measure.shape in _SHARES:
            order = await _order(asked, await self.candidates(asked), measure, sums)
        figures: dict[Key, Found] = {}
        for key in sums or asked.nothing():
            found = sums.get(key, Sums())
            figure = _figure(found, measure, order.get(key), asked.question.variant)
            if self.is_personal:
                figure = _veiled(figure, asked)
            figures[key] = figure, self._provisional(asked, found)
        return figures

    async def page(self, asked: Asked, page: Page) -> list[Candidate]:
        """Return the next candidates in the order of ids."""
        if self.is_personal:
            asked.actor.must(Permission.READ_PERSON_KPIS)
        measure = self.measure(asked.question.variant)
        statement = await self.candidates(replace(asked, is_listed=True))
        statement.values["lines"] = page.limit
        after = ""
        if page.after is not None:
            statement.values["after"] = page.after
            after = "where c.id > :after"
        found = []
        for id_, asset_id, at, above, below, reason, jobs in await statement.run(
            asked.session, _PAGE, after=after
        ):
            shares = (0, 0) if reason else (above, below)
            found.append(
                Candidate(
                    self.kind,
                    id_,
                    asset_id,
                    at,
                    _scaled(shares[0], measure.scale),
                    _scaled(shares[1], measure.below_scale),
                    reason,
                    list(jobs),
                )
            )
        return found

    async def _sums(self, asked: Asked) -> dict[Key, Sums]:
        if self.parted is None or asked.cut is not Cut.TENANT:
            return await _sums(asked, await self.candidates(asked))
        sums = await _sums(asked, await self.parted.at_once(asked))
        unread = sorted(id_ for found in sums.values() for id_ in found.unread)
        if unread:
            return await _sums(asked, await self.parted.unread(asked, unread), sums)
        return sums

    def _provisional(self, asked: Asked, found: Sums) -> Provisional | None:
        if self.matures_after is None or found.latest is None:
            return None
        until = found.latest + self.matures_after
        if until <= asked.question.period.as_of:
            return None
        return Provisional(until, (ProvisionalReason.COHORT_IMMATURE,))


def _figure(
    found: Sums,
    measure: Measure,
    order: tuple[float, float | None, float | None] | None,
    variant: str,
) -> Figure:
    notes = (
        *((f"variant:{variant}",) if variant else ()),
        *(f"{word}:{count}" for word, count in sorted(found.notes.items())),
    )
    excluded = dict(sorted(found.excluded.items()))
    above = _scaled(found.above, measure.scale)
    below = _scaled(found.below, measure.below_scale)
    if measure.shape in _SHARES:
        value, low, high = order or (None, None, None)
        bounds = None if low is None or high is None else (low, high)
        return Figure(
            value=value,
            unit=measure.unit,
            n=found.n,
            null_reason=measure.null_reason if value is None else None,
            numerator=None,
            denominator=None,
            excluded=excluded,
            interval=Interval(*bounds, LEVEL, "order_statistics") if bounds else None,
            notes=notes,
        )
    if measure.shape in (Shape.SUM, Shape.COUNT):
        total = found.n if measure.shape is Shape.COUNT else above
        is_known = found.n > 0 or measure.shape is Shape.COUNT
        return Figure(
            value=total if is_known else None,
            unit=measure.unit,
            n=found.n,
            null_reason=None if is_known else measure.null_reason,
            numerator=Quantity(total, measure.unit) if is_known else None,
            denominator=None,
            excluded=excluded,
            notes=notes,
        )
    has_value = found.below > 0 and found.n >= measure.fewest
    reason = None if has_value else NullReason.TOO_FEW if found.below else measure.null_reason
    is_share = measure.shape is Shape.PROPORTION and found.below > 0
    disputed = found.excluded.get(DISPUTED, 0) if measure.shape is Shape.PROPORTION else 0
    return Figure(
        value=above / below if has_value else None,
        unit=measure.unit,
        n=found.n,
        null_reason=reason,
        numerator=Quantity(above, measure.units[0]),
        denominator=Quantity(below, measure.units[1]),
        excluded=excluded,
        interval=(
            Interval(*wilson_interval(found.above, found.below), LEVEL, "wilson")
            if is_share
            else None
        ),
        extremes=_extremes(found, disputed) if disputed else None,
        notes=notes,
    )


def _extremes(found: Sums, disputed: int) -> Extremes:
    of = found.below + disputed
    return Extremes(found.above / of, (found.above + disputed) / of)


def _veiled(figure: Figure, asked: Asked) -> Figure:
    """Return the figure, without its numbers where it is about few people and the reader may not know."""
    if figure.n >= FEWEST_PEOPLE or asked.actor.may(Permission.READ_PERSON_KPIS):
        return figure
    reason = NullReason.TOO_FEW if figure.n else figure.null_reason or NullReason.TOO_FEW
    return Figure(None, figure.unit, figure.n, reason, None, None, notes=("few_people",))


def _scaled(number: int, scale: int) -> int | float:
    return number if scale == 1 else number / scale


async def _sums(
    asked: Asked, statement: Statement, before: Mapping[Key, Sums] | None = None
) -> dict[Key, Sums]:
    """Return the sums of the candidates by key, on top of those that were there before."""
    sums: defaultdict[Key, Sums] = defaultdict(Sums, before or {})
    rows = await statement.run(asked.session, _SUMS, page=_of_page(asked, statement))
    for key, reason, note, count, above, below, latest in rows:
        found = sums[key]
        if note == SIDE:
            found.below += int(below)
            continue
        if reason == UNREAD:
            found.unread.append(UUID(note))
            continue
        if reason is not None:
            found.excluded[reason] = found.excluded.get(reason, 0) + count
            continue
        found.n += count
        found.above += int(above)
        found.below += int(below)
        found.latest = max(filter(None, (found.latest, latest)), default=None)
        if note is not None:
            found.notes[note] = found.notes.get(note, 0) + count
    return dict(sums)


async def _order(
    asked: Asked, statement: Statement, measure: Measure, sums: dict[Key, Sums]
) -> dict[Key, tuple[float, float | None, float | None]]:
    """Return per key the percentile and, of a median, the ends of its interval."""
    is_median = measure.shape is Shape.P50
    ranks = {
        key: (median_ranks(found.n) if is_median else None) or (0, 0) for key, found in sums.items()
    }
    statement.values |= {
        "share": _SHARES[measure.shape],
        "scale": measure.scale,
        "keys": list(ranks),
        "lows": [low for low, _ in ranks.values()],
        "highs": [high for _, high in ranks.values()],
    }
    rows = await statement.run(asked.session, _ORDER, type=key_type(asked.cut))
    return {key: (value, low, high) for key, value, low, high in rows}


def _of_page(asked: Asked, statement: Statement) -> str:
    if asked.page is None:
        return ""
    after = ""
    statement.values["page_limit"] = asked.page.limit
    if asked.page.after is not None:
        statement.values["page_after"] = asked.page.after
        after = " where key > :page_after"
    return Template(_OF_PAGE).substitute(after=after)


_OF_PAGE = "where key in (select distinct key from candidate$after order by key limit :page_limit)"

_SUMS = """
select key, reason, note, count(*), coalesce(sum(above), 0), coalesce(sum(below), 0), max(at)
from candidate $page group by key, reason, note order by key, reason, note
"""

_PAGE = """
select c.id, c.asset_id, c.at, c.above, c.below, c.reason, c.job_ids
from candidate c $after order by c.id limit :lines
"""

_ORDER = """
select o.key, percentile_cont(:share) within group (order by o.amount),
       min(o.amount) filter (where o.rank = k.low), min(o.amount) filter (where o.rank = k.high)
from (
  select key, above::float8 / cast(:scale as bigint) as amount,
         row_number() over (partition by key order by above) as rank
  from candidate where reason is null
) o
join unnest(cast(:keys as $type[]), cast(:lows as int[]), cast(:highs as int[])) as k(key, low, high)
  on k.key = o.key
group by o.key order by o.key
"""
