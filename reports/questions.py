"""What is asked for, what was known when it was answered, and what is given back for it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import TypeAlias
from urllib.parse import urlencode

from fsm.actors import Actor
from fsm.database import Session
from reports.exposure_sql import Page
from reports.registry import Definition
from reports.results import Figure, Provisional, Result
from reports.rows import Period
from reports.scopes import Cut, Key, Scope


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: which figure, in which variant, of what, over which time, in which money."""

    definition: Definition
    variant: str
    scope: Scope
    period: Period
    currency: str | None = None

    def within(self, period: Period) -> "Question":
        """Return the same question about another time."""
        return replace(self, period=period)

    def query(self) -> str:
        """Return the query string that asks the same again, with the same `as_of`."""
        asked = {}
        if self.variant:
            asked["variant"] = self.variant
        if self.currency is not None:
            asked["currency"] = self.currency
        place = _place_query(self.scope, self.period)
        return f"{place}&{urlencode(asked, safe=':,')}" if asked else place


@dataclass(frozen=True, slots=True)
class Known:
    """What was known when an answer was read, and the company's own settings.

    `late` events tell of a time before `as_of` and arrived after it; `unsealed` ones have no number yet, so
    the watermark does not cover them although their rows are counted.
    """

    zone: str
    currency: str
    watermark: int
    late: int
    unsealed: int


@dataclass(frozen=True, slots=True)
class Answered:
    """One row of a table: the key's number and name for people, and its figure."""

    key: Key
    number: str
    name: str
    result: Result


@dataclass(frozen=True, slots=True)
class Asked:
    """A question in the transaction that answers it: a figure per key of `cut`, those of `page` alone.

    `is_listed` where the candidates themselves are wanted, with their assets, not their sums alone.
    """

    session: Session
    actor: Actor
    known: Known
    question: Question
    cut: Cut = Cut.TENANT
    page: Page | None = None
    is_listed: bool = False

    def nothing(self) -> list[Key]:
        """Return the keys that have a figure even where nothing is there."""
        return [self.actor.tenant_id] if self.cut is Cut.TENANT else []


Found: TypeAlias = tuple[Figure, Provisional | None]
Figures: TypeAlias = Callable[[Asked], Awaitable[dict[Key, Found]]]
"""Returns a figure per key, in the order of keys."""


@lru_cache(maxsize=64)
def _place_query(scope: Scope, period: Period) -> str:
    """Return what the queries of all figures of a report begin with."""
    asked = {
        "scope": str(scope),
        "from": _written(period.from_at),
        "to": _written(period.to_at),
        "as_of": _written(period.as_of),
    }
    return urlencode(asked, safe=":,")


def _written(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
