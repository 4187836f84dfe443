"""What a run is asked to decide: which visits may move, and what is supposed to be otherwise than it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec


class Moves(StrEnum):
    """Which planned visits that have not begun may move."""

    NONE = "none"
    """Each stays where it is; only work without a visit is planned around them."""
    SELECTED = "selected"
    """Those of `Scope.visits`, `technicians` or `territory`."""
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Scope:
    """Ids are the rows', as text. Pinned visits stay in any case."""

    moves: Moves = Moves.NONE
    visits: frozenset[str] = frozenset()
    technicians: frozenset[str] = frozenset()
    territory: str | None = None
    among: frozenset[str] | None = None
    """Technicians whose shifts are in the problem; None: all."""
    pulls_forward: bool = True
    """Whether a planned visit may begin earlier than it was planned; inside a promise it always may."""
    moves_crews: bool = True
    """Whether visits of a crew may move, all of it together; otherwise they stay where they are."""
    splits_crews: bool = False
    """Whether a visit of a crew may move by itself: where a person decides, not a plan."""
    binds_links: bool = True
    """Whether links between jobs bind: a person who decides is told of them instead."""
    moves_partners: bool = True
    """Whether what is linked to one of `work_orders` may move; otherwise it stays where it is."""
    work_orders: frozenset[str] | None = None
    """Jobs without a visit that are to be planned; None: all."""

    def moves_visit(self, visit: str, technician: str, territory: str) -> bool:
        if self.moves is not Moves.SELECTED:
            return self.moves is Moves.ALL
        return (
            visit in self.visits
            or technician in self.technicians
            or (self.territory is not None and territory == self.territory)
        )


@dataclass(frozen=True, slots=True)
class Supposed:
    """What a simulation supposes."""

    absent: frozenset[str] = frozenset()
    """Technicians who do not work in the horizon."""
    without: frozenset[str] = frozenset()
    """Work orders that fall away, with their visits that have not begun."""
    longer_s: dict[str, int] | None = None
    """Visits that take longer, by id."""
    weights: dict[str, Any] | None = None
    """Weights other than those in force."""

    def __bool__(self) -> bool:
        return bool(self.absent or self.without or self.longer_s or self.weights)


@dataclass(frozen=True, slots=True)
class Options:
    """What a run was asked beside its days, as it is stored with it."""

    scope: Scope = Scope()
    supposed: Supposed = Supposed()
    iterations: int | None = None
    """Steps of the search instead of seconds: the same inputs then give the same plan."""
    may_break_promises: bool | None = None
    """None: where planned visits may move, since the day may already have broken one."""

    @property
    def breaks_promises(self) -> bool:
        if self.may_break_promises is None:
            return self.scope.moves is not Moves.NONE
        return self.may_break_promises


def to_stored(options: Options) -> dict[str, Any]:
    stored: dict[str, Any] = msgspec.to_builtins(options, order="deterministic")
    return stored


def from_stored(stored: dict[str, Any]) -> Options:
    return msgspec.convert(stored, Options) if stored else Options()
