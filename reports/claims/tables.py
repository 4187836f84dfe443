"""Claims, and the lines of the ledger that each of them is for."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import LargeBinary
from sqlmodel import Field

from fsm.database import (
    Revised,
    Row,
    check,
    document,
    instant,
    link,
    lookup,
    money,
    one_of,
    refusal,
    unique,
)
from fsm.problems import Conflict


class ClaimStatus(StrEnum):
    CLAIMED = "claimed"
    APPROVED = "approved"
    REFUSED = "refused"
    REIMBURSED = "reimbursed"


class WarrantyClaim(Revised, table=True):
    """What a manufacturer is asked for one job: the pack as it was sent, and what became of it.

    `pack` never changes; `pack_sha256` is of its RFC 8785 form. A refusal, whole or in part, has a `ground`.
    """

    __tablename__ = "warranty_claim"
    __table_args__ = (
        link("work_order_id", "work_order"),
        unique("number"),
        one_of("status", ClaimStatus),
        check("amounts", "claimed > 0 and approved between 0 and claimed and paid >= 0"),
        check("digest", "octet_length(pack_sha256) = 32"),
        check("decided", "(status = 'claimed') = (decided_at is null)"),
        check("ground", "approved is null or approved = claimed or ground <> ''"),
        lookup("warranty_claim_work_order_idx", "work_order_id"),
    )
    number: str = Field(max_length=60)
    work_order_id: UUID
    manufacturer: str
    status: str = Field(default=ClaimStatus.CLAIMED, max_length=12)
    currency: str = Field(max_length=3)
    claimed: Decimal = money()
    approved: Decimal | None = money(default=None, nullable=True)
    paid: Decimal = money(default=Decimal(0))
    ground: str = Field(default="", max_length=300)
    pack: dict[str, Any] = document(default_factory=dict)
    pack_sha256: bytes = Field(sa_type=LargeBinary)
    claimed_at: datetime = instant()
    decided_at: datetime | None = instant(nullable=True, default=None)
    paid_on: date | None = None


class ClaimLine(Row, table=True):
    """A line of the ledger that a claim is for; a line is claimed once."""

    __tablename__ = "claim_line"
    __table_args__ = (
        link("claim_id", "warranty_claim"),
        link("cost_line_id", "cost_line"),
        unique("cost_line_id"),
        lookup("claim_line_claim_idx", "claim_id"),
    )
    claim_id: UUID
    cost_line_id: UUID


refusal("warranty_claim_number_key", Conflict, "There is already a claim with this number.")
refusal("claim_line_cost_line_id_key", Conflict, "These costs have been claimed already.")
