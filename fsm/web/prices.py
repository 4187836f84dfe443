"""What a customer reads of a price that was put to them, and the words that are kept of their answer."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from fsm.database import Session
from fsm.web.languages import Messages, messages
from fsm.web.views import PriceAnswer, PriceLine
from fsm.work_orders.request_story import model_name
from fsm.work_orders.scope_changes.offers import Put
from fsm.work_orders.scope_changes.rules import Offered, OfferState


class OfferLineBody(msgspec.Struct, frozen=True):
    """A line of the offer; `price` is what of it you would pay."""

    name: str
    quantity: Decimal
    unit: str
    price: Decimal


class OfferBody(msgspec.Struct, frozen=True):
    """The price of a job that becomes wider. `sentences` are what each answer would say."""

    number: str
    model: str | None
    state: OfferState
    lines: list[OfferLineBody]
    price: Decimal
    currency: str
    note: str
    expires_at: datetime
    sentences: dict[PriceAnswer, str]
    answered_by: str
    answered_at: datetime | None

    @classmethod
    async def of(cls, session: Session, language: str, put: Put, now: datetime) -> "OfferBody":
        offer, ended, text = put.offer, put.answer, messages(language)
        return cls(
            number=put.work_order.number,
            model=await model_name(session, offer.tenant_id, put.work_order.asset_id),
            state=put.state(now),
            lines=[
                OfferLineBody(
                    one.name or text(f"price.kind.{one.kind}"), one.quantity, one.unit, one.price
                )
                for one in put.lines
            ],
            price=offer.price,
            currency=offer.currency,
            note=offer.note,
            expires_at=offer.expires_at,
            sentences=sentences(text, put),
            answered_by=ended.name if ended else "",
            answered_at=ended.answered_at if ended and ended.name else None,
        )


def sentences(text: Messages, put: Put) -> dict[PriceAnswer, str]:
    """Return what each answer says."""
    total = text.money(put.offer.price, put.offer.currency)
    return {
        PriceAnswer.APPROVE: text("price.approve", price=total),
        PriceAnswer.REFUSE: text("price.refuse"),
    }


def line(text: Messages, offered: Offered, currency: str) -> PriceLine:
    quantity = text.number(offered.quantity)
    if offered.unit == "h":
        quantity = text("price.hours", hours=quantity)
    elif offered.unit:
        quantity = f"{quantity} {offered.unit}"
    return PriceLine(
        offered.name or text(f"price.kind.{offered.kind}"),
        "" if offered.quantity == 1 and not offered.unit else quantity,
        text.money(offered.price, currency) if offered.price else "",
    )


def wording(language: str, put: Put, chosen: PriceAnswer) -> dict[str, Any]:
    """Return everything that whoever answers had before their eyes."""
    offer, text = put.offer, messages(language)
    return {
        "language": language,
        "sentence": sentences(text, put)[chosen],
        "lines": [
            {
                "name": one.name,
                "quantity": one.quantity,
                "price": one.price or text("price.covered"),
            }
            for one in (line(text, offered, offer.currency) for offered in put.lines)
        ],
        "total": text.money(offer.price, offer.currency),
        "note": offer.note,
    }
