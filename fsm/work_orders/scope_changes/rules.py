"""What a wider job is worth: its lines by the prices of a day, and what the office may still say. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, Self
from uuid import UUID

from fsm.amounts import rounded
from fsm.contracts.coverage import Paid, Payer
from fsm.problems import Conflict, Invalid
from fsm.work_orders.lifecycle import Status

MOST: Final = Decimal(10) ** 11
"""A line worth more is a slip of the finger: nobody but the office prices it."""


OFFER_LIVES: Final = timedelta(days=3)
LONGEST_OFFER: Final = timedelta(days=30)
"""How long a price stands that was put to the customer, unless the office says otherwise, and at most."""

_FINISHED: Final = (Status.WORK_DONE, Status.COMPLETED, Status.CLOSED, Status.CANCELLED)


class ConsentMissing(Conflict):
    """The customer is to pay for something that nobody agreed to; `to_pay` says how much."""

    code, status, title = "consent-missing", 409, "The customer has not agreed"


class OfferOver(Conflict):
    """The price can no longer be approved or refused; fact `state` says why."""

    code, status, title = "offer-over", 409, "This price can no longer be answered"


class OfferState(StrEnum):
    OPEN = "open"
    APPROVED = "approved"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    FINISHED = "finished"  # the work was done, or the job called off, without an answer


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


def priced(line: Line, currency: str) -> Line:
    """Return a line with what the whole of it costs and sells for, as it is paid; see `rounded`."""
    return replace(
        line,
        cost=_times(line.quantity, line.unit_cost, currency),
        price=_times(line.quantity, line.unit_price, currency),
    )


def _times(quantity: Decimal, unit: Decimal | None, currency: str) -> Decimal | None:
    if unit is None or quantity * unit > MOST:
        return None
    return rounded(quantity * unit, currency)


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


def owed(shares: Iterable[tuple[Payer, Decimal | None]]) -> Decimal:
    """Return what the customer pays, or may have to where nothing decided who does."""
    theirs = (price for payer, price in shares if payer in (Payer.CUSTOMER, Payer.UNDECIDED))
    return sum((price for price in theirs if price is not None), Decimal(0))


def check_consent(to_pay: Decimal, *, is_given: bool) -> None:
    """Refuse what the customer pays, or may have to, and did not agree to."""
    if to_pay and not is_given:
        raise ConsentMissing(
            "The customer is to pay for it, and nobody's consent is recorded. Ask them, and say in "
            "'consent' who agreed and when.",
            to_pay=str(to_pay),
        )


@dataclass(frozen=True, slots=True)
class Offered:
    """A line as the customer reads it: what it is, how much of it, and what of its price they would pay."""

    kind: str
    name: str
    quantity: Decimal
    unit: str
    price: Decimal

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self:
        numbers = {name: Decimal(stored[name]) for name in ("quantity", "price")}
        return cls(**{**stored, **numbers})

    def stored(self) -> dict[str, Any]:
        """Return the line as JSON, numbers as texts."""
        return {name: str(getattr(self, name)) for name in self.__slots__}


def offer_state(
    outcome: str | None, expires_at: datetime, job: Status | str, now: datetime
) -> OfferState:
    """Return where an offer stands: what ended it, `outcome`, comes before everything that time does."""
    if outcome is not None:
        return OfferState(outcome)
    if job in _FINISHED:
        return OfferState.FINISHED
    return OfferState.EXPIRED if expires_at <= now else OfferState.OPEN


def expiry(wanted: datetime | None, now: datetime) -> datetime:
    """Return until when an offer stands; refuses a time that is past, or too far off."""
    if wanted is None:
        return now + OFFER_LIVES
    if not now < wanted <= now + LONGEST_OFFER:
        detail = f"A price stands until a time to come, at most {LONGEST_OFFER.days} days."
        raise Invalid(detail, errors=[{"at": "/expires_at", "detail": detail}])
    return wanted
