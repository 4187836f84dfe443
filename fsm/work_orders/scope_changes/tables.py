"""What was asked for on site beyond the job, what was decided, and what was agreed."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

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
    """What the office made of a wider job, once. `ground` is why it was refused.

    `consent_by` and `consent_at` are here where the customer agreed with the office, not on site.
    """

    __tablename__ = "scope_decision"
    __table_args__ = (
        link("scope_change_id", "scope_change"),
        unique("scope_change_id"),
        one_of("outcome", Outcome),
        check("ground", "outcome <> 'refused' or ground <> ''"),
    )
    scope_change_id: UUID
    outcome: str = Field(max_length=12)
    ground: str = Field(default="", max_length=300)
    consent_by: str = ""
    consent_at: datetime | None = instant(nullable=True, default=None)
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


refusal(
    "scope_decision_scope_change_id_key",
    Conflict,
    "This wider job has been decided already. Read the job's scope changes again.",
)
