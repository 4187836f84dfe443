"""What technicians earn by rules: per piece, hour and kilometre, with bonuses and penalties.

A statement pays what is earned by its last day less what statements before it have paid, item by item. So
what is frozen stays, and work that arrives late, or is corrected, adjusts the next one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, TypeAlias
from uuid import UUID

from fsm.amounts import rounded
from fsm.contracts.coverage import InvalidTerms


class PayKind(StrEnum):
    """What an amount is paid for. A bonus adds to a visit, a penalty takes from it."""

    PIECE = "piece"
    HOUR = "hour"
    KM = "km"
    BONUS = "bonus"
    PENALTY = "penalty"


class ItemKind(StrEnum):
    """What is paid: a line of the ledger in hours or kilometres, or a visit of a job that is completed."""

    HOUR = "hour"
    KM = "km"
    VISIT = "visit"


_PAYS: Final[Mapping[PayKind, ItemKind]] = {
    PayKind.PIECE: ItemKind.VISIT,
    PayKind.BONUS: ItemKind.VISIT,
    PayKind.PENALTY: ItemKind.VISIT,
    PayKind.HOUR: ItemKind.HOUR,
    PayKind.KM: ItemKind.KM,
}
_LISTS: Final = ("work_types", "maintenance", "cost_kinds")
_FLAGS: Final = ("on_time", "is_rework", "is_contractor")


@dataclass(frozen=True, slots=True)
class Item:
    """Something worked.

    `on_time` is whether a visit began neither before nor was arrived at after its window, None without one.
    """

    kind: ItemKind
    id: UUID
    on: date
    quantity: Decimal
    work_type: str
    maintenance: str
    cost_kind: str = ""
    on_time: bool | None = None
    is_rework: bool = False
    is_contractor: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """An amount for each item that it holds for, on its days; both belong to it."""

    id: UUID
    kind: PayKind
    amount: Decimal
    starts_on: date
    ends_on: date | None
    conditions: Mapping[str, Any]

    def holds(self, item: Item) -> bool:
        if _PAYS[self.kind] is not item.kind or item.on < self.starts_on:
            return False
        if self.ends_on is not None and item.on > self.ends_on:
            return False
        told = {
            "work_types": item.work_type,
            "maintenance": item.maintenance,
            "cost_kinds": item.cost_kind,
        }
        return all(
            told[name] in wanted if name in told else getattr(item, name) is wanted
            for name, wanted in self.conditions.items()
        )


Key: TypeAlias = tuple[UUID, ItemKind, UUID]
"""(rule, kind of item, item)"""


@dataclass(frozen=True, slots=True)
class PayLine:
    """What a statement pays for one item by one rule; an adjustment is of a day before its period."""

    rule_id: UUID
    item_kind: ItemKind
    item_id: UUID
    worked_on: date
    quantity: Decimal
    amount: Decimal
    is_adjustment: bool


def earned(
    rules: Iterable[Rule], items: Iterable[Item], currency: str
) -> dict[Key, tuple[Item, Decimal]]:
    """Return what each item earns by each rule that holds for it, as it is paid; see `rounded`."""
    listed = list(rules)
    found: dict[Key, tuple[Item, Decimal]] = {}
    for item in items:
        for rule in listed:
            if rule.holds(item):
                sign = -1 if rule.kind is PayKind.PENALTY else 1
                amount = rounded(sign * item.quantity * rule.amount, currency)
                found[rule.id, item.kind, item.id] = item, amount
    return found


def statement(
    found: Mapping[Key, tuple[Item, Decimal]],
    paid: Mapping[Key, tuple[date, Decimal]],
    first_on: date,
    last_on: date,
) -> list[PayLine]:
    """Return the lines of a period's statement: what is earned by its last day less what has been paid.

    What was paid and is earned no longer, because a job was reopened or a rule does not hold any more, is
    taken back. Lines come in order of day.
    """
    lines = []
    for key in {**found, **paid}:
        item, owed = found.get(key, (None, Decimal(0)))
        paid_on, before = paid.get(key, (None, Decimal(0)))
        on = item.on if item is not None else paid_on
        assert on is not None
        if on > last_on or owed == before:
            continue
        rule_id, item_kind, item_id = key
        lines.append(
            PayLine(
                rule_id,
                item_kind,
                item_id,
                on,
                item.quantity if item is not None and not before else Decimal(0),
                owed - before,
                on < first_on,
            )
        )
    return sorted(lines, key=lambda one: (one.worked_on, str(one.rule_id), str(one.item_id)))


def total(lines: Iterable[PayLine]) -> Decimal:
    """Return what lines come to."""
    return sum((line.amount for line in lines), Decimal("0.00"))


def read_conditions(stored: object) -> dict[str, Any]:
    """Return a rule's conditions in their only normal form, or raise `InvalidTerms` naming the place."""
    if not isinstance(stored, Mapping):
        raise InvalidTerms("/conditions", "an object.")
    normal: dict[str, Any] = {}
    for name, given in stored.items():
        at = f"/conditions/{name}"
        if name in _LISTS:
            if not isinstance(given, list) or not given:
                raise InvalidTerms(at, "a list of at least one word.")
            if not all(isinstance(word, str) and 0 < len(word) <= 60 for word in given):
                raise InvalidTerms(at, "words of 1 to 60 characters.")
            normal[name] = sorted(set(given))
        elif name in _FLAGS:
            if not isinstance(given, bool):
                raise InvalidTerms(at, "true or false.")
            normal[name] = given
        else:
            allowed = ", ".join((*_LISTS, *_FLAGS))
            raise InvalidTerms(at, f"unknown; allowed: {allowed}.")
    return normal
