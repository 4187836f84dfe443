"""Equipment a customer relies on, its passports, meters, documents, failures and outages."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, LargeBinary
from sqlalchemy.dialects.postgresql import TSTZRANGE, Range
from sqlmodel import Field, SQLModel

from fsm.database import (
    Revised,
    Row,
    check,
    instant,
    link,
    lookup,
    one_of,
    quantity,
    refusal,
    unique,
)
from fsm.problems import Conflict, Invalid


class PassportStatus(StrEnum):
    UNCLAIMED = "unclaimed"
    ACTIVE = "active"
    RETIRED = "retired"
    FORWARDED = "forwarded"


class LabelReason(StrEnum):
    """Why somebody says that a label is wrong."""

    OTHER_MACHINE = "other_machine"
    UNREADABLE = "unreadable"
    OTHER = "other"


class OutageCause(StrEnum):
    """Why an asset was down; where causes overlap, the first of failure, operational, planned counts."""

    FAILURE = "failure"
    PLANNED = "planned"
    EXTERNAL = "external"
    OPERATIONAL = "operational"


class AssetModel(Revised, table=True):
    """A manufacturer's model."""

    __tablename__ = "asset_model"
    __table_args__ = (unique("code"), unique("manufacturer", "name"))
    code: str = Field(max_length=60)
    manufacturer: str
    name: str
    equipment: str = ""
    gtin: str | None = None
    service_life_months: int | None = None
    photo_sha256: bytes | None = Field(default=None, sa_type=LargeBinary)


class Asset(Revised, table=True):
    """One piece of equipment, in a tree of any depth (`parent_id`).

    It counts in KPIs from the later of commissioning and `in_service_from` on; `retired_at` ends that.
    """

    __table_args__ = (
        link("customer_id", "customer"),
        link("site_id", "site", "customer_id"),
        link("parent_id", "asset"),
        link("model_id", "asset_model"),
        unique("number"),
        lookup("asset_site_idx", "site_id"),
        lookup("asset_customer_idx", "customer_id"),
        lookup("asset_model_idx", "model_id"),
        lookup("asset_parent_idx", "parent_id"),
        check("criticality", "criticality between 1 and 5"),
        check("parent", "parent_id <> id"),
        check("service", "retired_at is null or retired_at > in_service_from"),
    )
    customer_id: UUID
    site_id: UUID
    parent_id: UUID | None = None
    model_id: UUID
    number: str = Field(max_length=60)
    name: str
    serial: str | None = Field(default=None, max_length=100)
    place: str = ""
    criticality: int = 3
    in_service_from: datetime = instant()
    retired_at: datetime | None = instant(nullable=True, default=None)
    commissioned_on: date | None = None
    handed_over_on: date | None = None
    warranty_ends_on: date | None = None
    service_life_ends_on: date | None = None
    notes: str = ""
    created_at: datetime = instant()


class Identifier(Row, table=True):
    """Another name by which a scan finds the asset: gs1:8004, gs1:01+21, serial, nfc, code128, link."""

    __table_args__ = (
        link("asset_id", "asset"),
        unique("scheme", "value"),
        lookup("identifier_asset_idx", "asset_id"),
    )
    asset_id: UUID
    scheme: str = Field(max_length=20)
    value: str = Field(max_length=255)


class Passport(SQLModel, table=True):
    """Our own code: printed once, claimed for an asset, never reused. `code` is 16 Crockford characters."""

    __table_args__ = (
        link("asset_id", "asset"),
        lookup("passport_asset_idx", "asset_id"),
        lookup("passport_batch_idx", "batch"),
        one_of("status", PassportStatus),
        # a lost roll of labels is retired before anybody claimed it
        check("unclaimed", "status <> 'unclaimed' or asset_id is null"),
        check("active", "status <> 'active' or asset_id is not null"),
        check("forwarded", "(status = 'forwarded') = (forward_url is not null)"),
    )
    tenant_id: UUID = Field(primary_key=True)
    code: str = Field(primary_key=True, max_length=16)
    asset_id: UUID | None = None
    status: str = Field(default=PassportStatus.UNCLAIMED, max_length=12)
    batch: str = Field(default="", max_length=60)
    forward_url: str | None = None
    created_at: datetime = instant()
    claimed_at: datetime | None = instant(nullable=True, default=None)
    claimed_by: UUID | None = None


class PassportScan(Row, table=True):
    """One scan. The visitor's address is kept as a keyed hash; a position only with consent."""

    __tablename__ = "passport_scan"
    __table_args__ = (
        lookup("passport_scan_code_idx", "code", "scanned_at"),
        check("position", "(latitude is null) = (longitude is null)"),
    )
    code: str = Field(max_length=255)
    asset_id: UUID | None = None
    scanned_at: datetime = instant()
    visitor: str = Field(default="", max_length=64)
    latitude: float | None = None
    longitude: float | None = None


class LabelComplaint(Row, table=True):
    """Somebody said that a label is wrong: the sticker of another machine, or a dead code.

    `code` is what stood on the label, known to us or not; the visitor's address is kept as a keyed hash.
    """

    __tablename__ = "label_complaint"
    __table_args__ = (
        one_of("reason", LabelReason),
        lookup("label_complaint_code_idx", "code", "received_at"),
        lookup("label_complaint_visitor_idx", "visitor", "received_at"),
        check("settled", "(settled_at is null) = (settled_by is null)"),
    )
    code: str = Field(max_length=255)
    asset_id: UUID | None = None
    reason: str = Field(default=LabelReason.OTHER, max_length=20)
    text: str = ""
    contact_phone: str = ""
    visitor: str = Field(default="", max_length=64)
    received_at: datetime = instant()
    settled_at: datetime | None = instant(nullable=True, default=None)
    settled_by: UUID | None = None
    settlement: str = ""


class Meter(Revised, table=True):
    """A counter on an asset: hours, cycles, kilometres. `rollover_at` is the value where it starts again."""

    __table_args__ = (link("asset_id", "asset"), unique("asset_id", "code"))
    asset_id: UUID
    code: str = Field(max_length=60)
    name: str
    unit: str = Field(max_length=20)
    rollover_at: Decimal | None = quantity(default=None, nullable=True)


class MeterReading(Row, table=True):
    """A reading. A lower value than before needs `is_reset` or `is_rollover`, else it is refused."""

    __tablename__ = "meter_reading"
    __table_args__ = (
        link("meter_id", "meter"),
        unique("meter_id", "read_at"),
        check("value", "value >= 0"),
        check("kind", "not (is_reset and is_rollover)"),
    )
    meter_id: UUID
    read_at: datetime = instant()
    value: Decimal = quantity()
    is_reset: bool = False
    is_rollover: bool = False
    source: str = Field(default="hand", max_length=20)


class AssetDocument(Row, table=True):
    """A manual or drawing of a model or of one asset; the bytes are a blob."""

    __tablename__ = "asset_document"
    __table_args__ = (
        link("asset_id", "asset"),
        link("model_id", "asset_model"),
        ForeignKeyConstraint(["tenant_id", "sha256"], ["blob.tenant_id", "blob.sha256"]),
        check("subject", "(asset_id is null) <> (model_id is null)"),
        lookup("asset_document_model_idx", "model_id"),
        lookup("asset_document_asset_idx", "asset_id"),
    )
    asset_id: UUID | None = None
    model_id: UUID | None = None
    title: str
    language: str = Field(default="", max_length=10)
    sha256: bytes = Field(sa_type=LargeBinary)
    mime: str = Field(max_length=100)
    size: int
    added_at: datetime = instant()


class Failure(Revised, table=True):
    """The event of failing, apart from the outage interval. Mode, mechanism and cause are separate codes.

    `restored_at` is when the function was back, which is not when a job was closed. `exclusion` is the code
    of the reason why figures leave it out.
    """

    __table_args__ = (
        link("asset_id", "asset"),
        lookup("failure_asset_idx", "asset_id", "detected_at"),
        lookup("failure_restored_idx", "restored_at"),
        check("order", "failed_at is null or failed_at <= detected_at"),
        check("restored", "restored_at is null or restored_at >= detected_at"),
        unique("source", "source_id"),
    )
    asset_id: UUID
    failed_at: datetime | None = instant(nullable=True, default=None)
    detected_at: datetime = instant()
    restored_at: datetime | None = instant(nullable=True, default=None)
    mode: str | None = Field(default=None, max_length=60)
    mechanism: str | None = Field(default=None, max_length=60)
    cause: str | None = Field(default=None, max_length=60)
    exclusion: str | None = Field(default=None, max_length=60)
    source: str | None = Field(default=None, max_length=60)
    source_id: str | None = Field(default=None, max_length=200)


class Outage(Revised, table=True):
    """The interval an asset was down or degraded; open while its upper end is unbounded.

    The outage that a failure keeps for itself has the failure's own id (see `failures`).
    """

    model_config = {"arbitrary_types_allowed": True}
    __table_args__ = (
        link("asset_id", "asset"),
        link("failure_id", "failure"),
        one_of("cause", OutageCause),
        lookup("outage_during_idx", "asset_id", "during", postgresql_using="gist"),
        lookup("outage_failure_idx", "failure_id"),
        check("during", "not isempty(during) and lower(during) is not null"),
    )
    asset_id: UUID
    failure_id: UUID | None = None
    during: Range[datetime] = Field(sa_type=TSTZRANGE)
    cause: str = Field(default=OutageCause.FAILURE, max_length=12)
    is_degraded: bool = False


refusal("asset_number_key", Conflict, "There is already an asset with this number.")
refusal("asset_model_code_key", Conflict, "There is already a model with this code.")
refusal("identifier_scheme_value_key", Conflict, "Another asset already carries this identifier.")
refusal("meter_asset_id_code_key", Conflict, "This asset already has a meter with this code.")
refusal(
    "meter_reading_meter_id_read_at_key", Conflict, "There is already a reading at this instant."
)
refusal("asset_site_id_customer_id_fkey", Invalid, "This site belongs to another customer.")
refusal("asset_document_sha256_fkey", Invalid, "There are no stored bytes with this SHA-256.")
refusal("failure_order_check", Invalid, "A failure is detected when it happens or later.")
refusal("failure_restored_check", Invalid, "A failure is restored after it was detected.")
refusal("asset_service_check", Invalid, "An asset is retired after it went into service.")
refusal(
    "asset_model_manufacturer_name_key",
    Conflict,
    "There is already a model of this name by this manufacturer.",
)
refusal("failure_source_source_id_key", Conflict, "This failure has already been imported.")
