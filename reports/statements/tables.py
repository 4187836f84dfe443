"""Rules of pay, the statements issued by them, and what contractors billed."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import DATERANGE, Range
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
    no_overlap,
    one_of,
    quantity,
    refusal,
    unique,
)
from fsm.problems import Conflict, Invalid
from reports.formulae.pay import ItemKind, PayKind


class PayRule(Revised, table=True):
    """What is paid for what, from day to day, in the shape of `formulae.pay`; for everybody or for one.

    Only its last day is ever set later: an amount that changes is another rule.
    """

    __tablename__ = "pay_rule"
    __table_args__ = (
        link("technician_id", "technician"),
        unique("code"),
        one_of("kind", PayKind),
        check("amount", "amount >= 0"),
        check("period", "ends_on is null or ends_on >= starts_on"),
    )
    code: str = Field(max_length=60)
    name: str
    kind: str = Field(max_length=10)
    amount: Decimal = money()
    currency: str = Field(max_length=3)
    technician_id: UUID | None = None
    conditions: dict[str, Any] = document(default_factory=dict)
    starts_on: date
    ends_on: date | None = None


class PayStatement(Row, table=True):
    """What a technician is paid for a period, frozen when it is issued."""

    __tablename__ = "pay_statement"
    model_config = {"arbitrary_types_allowed": True}
    __table_args__ = (
        link("technician_id", "technician"),
        no_overlap("pay_statement_no_overlap", "technician_id", "currency"),
        check("during", "not isempty(during) and not lower_inf(during) and not upper_inf(during)"),
    )
    technician_id: UUID
    during: Range[date] = Field(sa_type=DATERANGE)
    currency: str = Field(max_length=3)
    total: Decimal = money()
    adjustments: Decimal = money()
    issued_at: datetime = instant()
    issued_by: UUID | None = None


class PayLine(Row, table=True):
    """One item of a statement, by one rule. An adjustment is of a day before the statement's period."""

    __tablename__ = "pay_line"
    __table_args__ = (
        link("statement_id", "pay_statement"),
        link("technician_id", "technician"),
        link("rule_id", "pay_rule"),
        one_of("item_kind", ItemKind),
        unique("statement_id", "rule_id", "item_kind", "item_id"),
        lookup("pay_line_technician_idx", "technician_id", "worked_on"),
    )
    statement_id: UUID
    technician_id: UUID
    rule_id: UUID
    item_kind: str = Field(max_length=10)
    item_id: UUID
    worked_on: date
    quantity: Decimal = quantity()
    amount: Decimal = money()
    currency: str = Field(max_length=3)
    is_adjustment: bool = False


class ContractorInvoice(Row, table=True):
    """What a contractor billed for some days. Never changed: a credit note is another, below zero."""

    __tablename__ = "contractor_invoice"
    __table_args__ = (
        link("technician_id", "technician"),
        unique("technician_id", "number"),
        check("period", "last_on >= first_on"),
        lookup("contractor_invoice_days_idx", "technician_id", "last_on"),
    )
    technician_id: UUID
    number: str = Field(max_length=60)
    first_on: date
    last_on: date
    amount: Decimal = money()
    currency: str = Field(max_length=3)
    note: str = Field(default="", max_length=300)
    recorded_at: datetime = instant()


refusal("pay_rule_code_key", Conflict, "There is already a rule of pay with this code.")
refusal("pay_rule_period_check", Invalid, "A rule ends on the day it starts or later.")
refusal("pay_rule_technician_id_fkey", Invalid, "There is no such technician.")
refusal(
    "pay_statement_no_overlap",
    Conflict,
    "There is already a statement of some of those days. Late work is paid with the next one.",
)
refusal(
    "contractor_invoice_technician_id_number_key",
    Conflict,
    "This contractor's invoice has been recorded already.",
)
