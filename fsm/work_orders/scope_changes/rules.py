"""What a wider job is worth: its lines by the prices of a day, and what the office may still say. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Final, Self
from uuid import UUID

from fsm.contracts.coverage import Paid, Payer
from fsm.problems import Conflict, Invalid

CENT: Final = Decimal("0.01")
MOST: Final = Decimal(10) ** 11
"""A line worth more is a slip of the finger: nobody but the office prices it."""


class ConsentMissing(Conflict):
    """The customer is to pay for something that nobody agreed to; `to_pay` says how much."""

    code, status, title = "consent-missing", 409, "The customer has not agreed"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One thing that is wanted on site: hours, a part, or anything else, in words."""

    kind: Paid
    quantity: Decimal = Decimal(1)
    part_id: UUID | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Consent:
    """Who agreed, when, and the photo of their signature where there is one."""

    by: str
    at: datetime
    signature_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A wanted thing with what it costs us and sells for, None where nothing in force says so."""

    kind: str
    quantity: Decimal
    unit: str = ""
    text: str = ""
    part_id: UUID | None = None
    is_original: bool | None = None
    unit_cost: Decimal | None = None
    unit_price: Decimal | None = None
    cost: Decimal | None = None
    price: Decimal | None = None

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self:
        """Return a line as `stored` wrote it."""
        values = dict(stored)
        for name in ("quantity", "unit_cost", "unit_price", "cost", "price"):
            values[name] = None if values[name] is None else Decimal(values[name])
        if values["part_id"] is not None:
            values["part_id"] = UUID(values["part_id"])
        return cls(**values)

    def stored(self) -> dict[str, Any]:
        """Return the line as JSON, amounts as texts."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return {
            name: value if value is None or isinstance(value, bool) else str(value)
            for name, value in values.items()
        }


def priced(line: Line) -> Line:
    """Return a line with what the whole of it costs and sells for, in whole cents, halves to the even one."""
    return replace(
        line,
        cost=_times(line.quantity, line.unit_cost),
        price=_times(line.quantity, line.unit_price),
    )


def _times(quantity: Decimal, unit: Decimal | None) -> Decimal | None:
    if unit is None or quantity * unit > MOST:
        return None
    return (quantity * unit).quantize(CENT, ROUND_HALF_EVEN)


def total(amounts: Iterable[Decimal | None]) -> Decimal | None:
    """Return the sum, None where one of the amounts is not known: what is left would be too little."""
    known = list(amounts)
    found = [amount for amount in known if amount is not None]
    return sum(found, Decimal(0)) if len(found) == len(known) else None


def agreed(lines: Sequence[Line], prices: Mapping[int, Decimal]) -> list[Line]:
    """Return the lines at the prices that the office gave by place, else at ours; each must have one."""
    if unknown := sorted(place for place in prices if place not in range(len(lines))):
        detail = f"There is no line {unknown[0]}; the first is 0."
        raise Invalid(detail, errors=[{"at": "/prices", "detail": detail}])
    found = [replace(line, price=prices.get(place, line.price)) for place, line in enumerate(lines)]
    if missing := [place for place, line in enumerate(found) if line.price is None]:
        detail = f"Nothing in force prices line {missing[0]}. Give its price."
        raise Invalid(
            detail,
            errors=[{"at": "/prices", "detail": f"no price of line {place}"} for place in missing],
        )
    return found


def check_consent(shares: Iterable[tuple[Payer, Decimal]], *, is_given: bool) -> None:
    """Refuse what the customer pays, or may have to, and did not agree to."""
    to_pay = sum(
        (price for payer, price in shares if payer in (Payer.CUSTOMER, Payer.UNDECIDED)), Decimal(0)
    )
    if to_pay and not is_given:
        raise ConsentMissing(
            "The customer is to pay for it, and nobody's consent is recorded. Ask them, and say in "
            "'consent' who agreed and when.",
            to_pay=str(to_pay),
        )
