"""What was asked for on site beyond the job, the price put to the customer, what was decided and agreed."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import LargeBinary
from sqlmodel import Field

from fsm.database import (
    Row,
    check,
    document,
    instant,
    link,
    lookup,
    money,
    one_of,
    quantity,
    refusal,
    unique,
)
from fsm.problems import Conflict
from fsm.work_orders.records import CostKind


class Outcome(StrEnum):
    CONFIRMED = "confirmed"
    REFUSED = "refused"


class Via(StrEnum):
    """How a consent reached us; on site it is in the change itself."""

    TELEPHONE = "telephone"
    MAIL = "mail"
    IN_PERSON = "in_person"
    LINK = "link"
    PORTAL = "portal"


class Ending(StrEnum):
    """What ended an offered price before its time. An approved one is a confirmed change, too."""

    APPROVED = "approved"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


class ScopeChange(Row, table=True):
    """A wider job as it was told on site, and what we make of its price. Never changed.

    `told` is what the phone sent: its lines, its price, its consent. `lines` are ours, in the same order,
    priced on `priced_on`, a day at the site (see `rules.Line`). `consent_by` agreed at `consent_at`, and
    signed on the photo `signature_id` where there is one; its bytes may come later, or never.
    """

    __tablename__ = "scope_change"
    __table_args__ = (
        link("work_order_id", "work_order"),
        link("visit_id", "visit"),
        link("technician_id", "technician"),
        lookup("scope_change_work_order_idx", "work_order_id"),
    )
    work_order_id: UUID
    visit_id: UUID
    technician_id: UUID
    told: dict[str, Any] = document()
    lines: list[dict[str, Any]] = document()
    currency: str = Field(max_length=3)
    priced_on: date
    consent_by: str = ""
    consent_at: datetime | None = instant(nullable=True, default=None)
    signature_id: UUID | None = None
    told_at: datetime = instant()
    received_at: datetime = instant()
    by: str = ""


class ScopeDecision(Row, table=True):
    """What was made of a wider job, once. `ground` is why it was refused.

    `consent_by`, `consent_at` and `consent_via` are here where the customer agreed to an offered price or
    with the office, not on site.
    """

    __tablename__ = "scope_decision"
    __table_args__ = (
        link("scope_change_id", "scope_change"),
        unique("scope_change_id"),
        one_of("outcome", Outcome),
        one_of("consent_via", Via),
        check("ground", "outcome <> 'refused' or ground <> ''"),
    )
    scope_change_id: UUID
    outcome: str = Field(max_length=12)
    ground: str = Field(default="", max_length=300)
    consent_by: str = ""
    consent_at: datetime | None = instant(nullable=True, default=None)
    consent_via: str | None = Field(default=None, max_length=12)
    decided_at: datetime = instant()
    decided_by: UUID | None = None
    by: str = ""


class ScopeLine(Row, table=True):
    """What one asset bears of an agreed line: what it may cost us, what it sells for, who pays and why.

    `place` is the line's in the change, from 0. `price` is what the customer pays if the line is theirs.
    Labour and parts come into the ledger when they are spent, so this is no cost yet.
    """

    __tablename__ = "scope_line"
    __table_args__ = (
        link("scope_change_id", "scope_change"),
        link("work_order_id", "work_order"),
        link("asset_id", "asset"),
        link("contract_id", "contract"),
        link("part_id", "part"),
        one_of("kind", CostKind),
        lookup("scope_line_change_idx", "scope_change_id"),
        lookup("scope_line_work_order_idx", "work_order_id"),
    )
    scope_change_id: UUID
    work_order_id: UUID
    place: int
    asset_id: UUID | None = None
    contract_id: UUID | None = None
    part_id: UUID | None = None
    kind: str = Field(max_length=12)
    text: str = Field(default="", max_length=300)
    quantity: Decimal = quantity()
    unit: str = Field(default="", max_length=20)
    cost: Decimal | None = money(nullable=True, default=None)
    price: Decimal = money()
    currency: str = Field(max_length=3)
    payer: str = Field(max_length=12)
    payer_rule: str = Field(max_length=60)
    payer_ground: str = Field(default="", max_length=300)


class ScopeOffer(Row, table=True):
    """A price put to the customer behind a link of its own. Never changed: another price is another offer.

    `lines` are what the customer reads, in the order of the change's (see `rules.Offered`); `price` is what
    of them the customer is to pay. `prices` are the office's, by place, as `confirm` takes them.
    """

    __tablename__ = "scope_offer"
    __table_args__ = (
        link("scope_change_id", "scope_change"),
        link("work_order_id", "work_order"),
        unique("token_sha256"),
        check("expires", "expires_at > offered_at"),
        lookup("scope_offer_change_idx", "scope_change_id", "id"),
        lookup("scope_offer_work_order_idx", "work_order_id"),
    )
    scope_change_id: UUID
    work_order_id: UUID
    lines: list[dict[str, Any]] = document()
    prices: list[str] = document()
    price: Decimal = money()
    currency: str = Field(max_length=3)
    note: str = Field(default="", max_length=300)
    token_sha256: bytes = Field(sa_type=LargeBinary)
    offered_at: datetime = instant()
    expires_at: datetime = instant()
    offered_by: UUID | None = None
    by: str = ""


class ScopeAnswer(Row, table=True):
    """What ended an offer, once: the customer's answer, or its withdrawal.

    `wording` is what the customer had before their eyes: language, sentence, lines and price, word for word;
    `wording_sha256` is of its RFC 8785 form and stands in the sealed history too.
    """

    __tablename__ = "scope_answer"
    __table_args__ = (
        link("scope_offer_id", "scope_offer"),
        link("work_order_id", "work_order"),
        unique("scope_offer_id"),
        one_of("outcome", Ending),
        check(
            "evidence",
            "outcome = 'withdrawn' or (name <> '' and wording <> '{}' and wording_sha256 is not null)",
        ),
        lookup("scope_answer_work_order_idx", "work_order_id"),
    )
    scope_offer_id: UUID
    work_order_id: UUID
    outcome: str = Field(max_length=12)
    name: str = Field(default="", max_length=100)
    ground: str = Field(default="", max_length=2000)
    wording: dict[str, Any] = document(default_factory=dict)
    wording_sha256: bytes | None = Field(default=None, sa_type=LargeBinary)
    visitor: str = Field(default="", max_length=32)
    answered_at: datetime = instant()
    by: str = ""


refusal(
    "scope_decision_scope_change_id_key",
    Conflict,
    "This wider job has been decided already. Read the job's scope changes again.",
)
refusal(
    "scope_answer_scope_offer_id_key",
    Conflict,
    "This price has been answered already. Read it again.",
)
