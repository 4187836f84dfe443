"""The promises: contracts and the assets they cover, service levels, the calendars their clocks run on."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import DATERANGE, Range
from sqlmodel import Field, SQLModel

from fsm.contracts.coverage import Payer
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


class ContractKind(StrEnum):
    WARRANTY = "warranty"
    POST_WARRANTY = "post_warranty"
    SUBSCRIPTION = "subscription"
    TIME_AND_MATERIALS = "time_and_materials"


class Calendar(Revised, table=True):
    """Business hours under a code; its contents are versions."""

    __table_args__ = (unique("code"),)
    code: str = Field(max_length=60)
    name: str


class CalendarVersion(Row, table=True):
    """Opening hours and holidays from `effective_at` on, in the shape of `service_hours`. Never changed."""

    __tablename__ = "calendar_version"
    __table_args__ = (
        link("calendar_id", "calendar"),
        unique("calendar_id", "version"),
        lookup("calendar_version_effective_idx", "calendar_id", "effective_at"),
    )
    calendar_id: UUID
    version: int
    effective_at: datetime = instant()
    body: dict[str, Any] = document(default_factory=dict)


class Opening(SQLModel, table=True):
    """One opening of a calendar version in one zone, expanded to UTC; it lasts at most a day."""

    __table_args__ = (
        link("calendar_version_id", "calendar_version"),
        check("length", "closes_at > opens_at and closes_at <= opens_at + interval '25 hours'"),
    )
    tenant_id: UUID = Field(primary_key=True)
    calendar_version_id: UUID = Field(primary_key=True)
    zone: str = Field(primary_key=True, max_length=60)
    opens_at: datetime = instant(primary_key=True)
    closes_at: datetime = instant()


class ServiceLevel(Revised, table=True):
    """A set of promised times under a code; its contents are versions."""

    __tablename__ = "service_level"
    __table_args__ = (unique("code"), link("calendar_id", "calendar"))
    code: str = Field(max_length=60)
    name: str
    calendar_id: UUID


class ServiceLevelVersion(Row, table=True):
    """Targets and pause rules from `effective_at` on, in the shape of `service_hours`. Never changed."""

    __tablename__ = "service_level_version"
    __table_args__ = (
        link("service_level_id", "service_level"),
        unique("service_level_id", "version"),
        lookup("service_level_version_effective_idx", "service_level_id", "effective_at"),
    )
    service_level_id: UUID
    version: int
    effective_at: datetime = instant()
    body: dict[str, Any] = document(default_factory=dict)


class Contract(Revised, table=True):
    """Which work is promised to a customer, from when to when, and who pays for which kind of cost.

    `covers` and `payers` are in the shapes of `coverage`: which classes of request, kinds of maintenance and
    types of work, for the listed assets or all of the customer's; and the payer of each kind of cost.
    `credits` is in the shape of `credits`: what a broken promise gives back. `monthly_fee` is the newest of
    the fees in `contract_fee`. `availability_target` is the share of the required time that is promised, from
    0 to 1. So many days before its end somebody is warned. With `lets_customer_move` the customer takes
    another time by themselves. `follows_id` is the contract
    that this one renews. Both days belong to the contract, in the zone of the site where the work is.
    """

    __table_args__ = (
        link("customer_id", "customer"),
        link("service_level_id", "service_level"),
        link("follows_id", "contract"),
        unique("number"),
        unique("follows_id"),
        one_of("kind", ContractKind),
        check("notice", "notice_days between 0 and 730"),
        check("period", "ends_on is null or ends_on >= starts_on"),
        check("fee", "monthly_fee >= 0"),
        check("target", "availability_target > 0 and availability_target <= 1"),
        lookup("contract_customer_idx", "customer_id"),
    )
    customer_id: UUID
    number: str = Field(max_length=60)
    name: str = ""
    kind: str = Field(max_length=20)
    starts_on: date
    ends_on: date | None = None
    service_level_id: UUID | None = None
    monthly_fee: Decimal = money(default=Decimal(0))
    currency: str = Field(default="EUR", max_length=3)
    covers: dict[str, Any] = document(default_factory=dict)
    payers: dict[str, str] = document(default_factory=dict)
    credits: dict[str, Any] = document(
        default_factory=dict, sa_column_kwargs={"server_default": text("'{}'")}
    )
    notice_days: int = Field(default=60, sa_column_kwargs={"server_default": text("60")})
    lets_customer_move: bool = Field(
        default=False, sa_column_kwargs={"server_default": text("false")}
    )
    availability_target: Decimal | None = quantity(default=None, nullable=True)
    follows_id: UUID | None = None
    priority: int = 0
    created_at: datetime = instant()


class ContractFee(Row, table=True):
    """What a month of a contract costs from a day on, until the next fee begins. Never changed."""

    __tablename__ = "contract_fee"
    __table_args__ = (
        link("contract_id", "contract"),
        check("fee", "monthly >= 0"),
        lookup("contract_fee_contract_idx", "contract_id", "starts_on"),
    )
    contract_id: UUID
    starts_on: date
    monthly: Decimal = money()
    set_at: datetime = instant()


class ContractAsset(Row, table=True):
    """One asset under a contract for some days (half-open: the upper day is the first not covered).

    The fee is divided over the assets by days and `weight`.
    """

    __tablename__ = "contract_asset"
    model_config = {"arbitrary_types_allowed": True}
    __table_args__ = (
        link("contract_id", "contract"),
        link("asset_id", "asset"),
        no_overlap("contract_asset_no_overlap", "contract_id", "asset_id"),
        lookup("contract_asset_asset_idx", "asset_id"),
        check("during", "not isempty(during)"),
        check("weight", "weight > 0"),
    )
    contract_id: UUID
    asset_id: UUID
    during: Range[date] = Field(sa_type=DATERANGE)
    weight: Decimal = quantity(default=Decimal(1), sa_column_kwargs={"server_default": text("1")})


class PayerRule(Revised, table=True):
    """A company's own rule of who bears a cost, in the shape of `coverage_rules`; the lowest place first.

    A changed rule holds for lines to come: a line in the ledger keeps the payer it was posted with.
    """

    __tablename__ = "payer_rule"
    __table_args__ = (
        unique("code"),
        one_of("payer", Payer),
        check("period", "ends_on is null or ends_on >= starts_on"),
    )
    code: str = Field(max_length=50)
    name: str
    place: int = 100
    conditions: dict[str, Any] = document(default_factory=dict)
    payer: str = Field(max_length=12)
    ground: str = Field(default="", max_length=300)
    starts_on: date
    ends_on: date | None = None


refusal("payer_rule_code_key", Conflict, "There is already a rule with this code.")
refusal("payer_rule_period_check", Invalid, "A rule ends on the day it starts or later.")
refusal("contract_follows_id_key", Conflict, "This contract has been renewed already.")
refusal("contract_number_key", Conflict, "There is already a contract with this number.")
refusal(
    "contract_asset_no_overlap",
    Conflict,
    "This contract already covers the asset on some of those days.",
)
refusal("contract_period_check", Invalid, "A contract ends on the day it starts or later.")
refusal("contract_customer_id_fkey", Invalid, "There is no such customer.")
refusal("contract_service_level_id_fkey", Invalid, "There is no such service level.")
refusal("calendar_code_key", Conflict, "There is already a calendar with this code.")
refusal("service_level_code_key", Conflict, "There is already a service level with this code.")
