"""What people's clients send and get about equipment: bodies of requests, shapes of answers."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

import msgspec
import pydantic

from fsm.assets.failures import HistoryLine
from fsm.assets.queries import AssetLine, AssetSummary
from fsm.assets.tables import (
    Asset,
    AssetDocument,
    AssetModel,
    Failure,
    Identifier,
    Meter,
    MeterReading,
    Outage,
    OutageCause,
)
from fsm.assets.tree import TreeLine
from fsm.http import Body, Code, Instant, Line, Revision, Text

UNSAID = datetime(1, 1, 1, tzinfo=UTC)
"""Stands for an instant that an edit leaves alone; it is never stored."""

Serial = Annotated[str, pydantic.Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]+$")]
Place = Annotated[str, pydantic.Field(max_length=300, pattern=r"^[^\x00-\x1f]*$")]
Criticality = Annotated[int, pydantic.Field(ge=1, le=5)]
Gtin = Annotated[str, pydantic.Field(pattern=r"^[0-9]{8}([0-9]{4,6})?$")]
Months = Annotated[int, pydantic.Field(ge=1, le=1_200)]
Sha256 = Annotated[str, pydantic.Field(pattern="^[0-9a-f]{64}$")]
Scheme = Annotated[str, pydantic.Field(max_length=20, pattern=r"^[a-z][a-z0-9:+._-]*$")]
Value = Annotated[
    str, pydantic.Field(min_length=1, max_length=255, pattern=r"^[^\s\x00-\x1f][^\x00-\x1f]*$")
]
Shown = Annotated[Decimal, pydantic.Field(ge=0, lt=Decimal(10) ** 10, decimal_places=4)]
Language = Annotated[str, pydantic.Field(max_length=10, pattern="^([a-z]{2,3}(-[A-Z]{2})?)?$")]


# --- models -----------------------------------------------------------------------------------------------


class NewModel(Body):
    code: Code
    manufacturer: Line
    name: Line
    equipment: Place = ""
    gtin: Gtin | None = None
    service_life_months: Months | None = None


class ModelEdit(Body):
    rev: Revision
    code: Code = ""
    manufacturer: Line = ""
    name: Line = ""
    equipment: Place = ""
    gtin: Gtin | None = None
    service_life_months: Months | None = None


class ModelView(msgspec.Struct, frozen=True):
    id: UUID
    rev: int
    code: str
    manufacturer: str
    name: str
    equipment: str
    gtin: str | None
    service_life_months: int | None
    photo_sha256: str | None

    @classmethod
    def of(cls, model: AssetModel) -> "ModelView":
        return cls(
            model.id,
            model.rev,
            model.code,
            model.manufacturer,
            model.name,
            model.equipment,
            model.gtin,
            model.service_life_months,
            None if model.photo_sha256 is None else model.photo_sha256.hex(),
        )


class ModelPage(msgspec.Struct, frozen=True):
    items: list[ModelView]
    next: str | None


# --- assets -----------------------------------------------------------------------------------------------


class NewAsset(Body):
    """The customer is the site's. Without `in_service_from` the asset counts from now on."""

    id: UUID | None = None
    site_id: UUID
    model_id: UUID
    parent_id: UUID | None = None
    number: Code
    name: Line
    serial: Serial | None = None
    place: Place = ""
    criticality: Criticality = 3
    in_service_from: Instant | None = None
    commissioned_on: date | None = None
    handed_over_on: date | None = None
    warranty_ends_on: date | None = None
    service_life_ends_on: date | None = None
    notes: Text = ""


class AssetEdit(Body):
    rev: Revision
    model_id: UUID = UUID(int=0)
    number: Code = ""
    name: Line = ""
    serial: Serial | None = None
    place: Place = ""
    criticality: Criticality = 3
    in_service_from: Instant = UNSAID
    commissioned_on: date | None = None
    handed_over_on: date | None = None
    warranty_ends_on: date | None = None
    service_life_ends_on: date | None = None
    notes: Text = ""


class Move(Body):
    """`parent_id` null makes it a root. Without `site_id` it stays where it stands."""

    rev: Revision
    parent_id: UUID | None
    site_id: UUID | None = None


class Retirement(Body):
    rev: Revision
    retired_at: Instant
    with_parts: bool = False


class Return(Body):
    """`returned_at` null: the retirement was a mistake and never was."""

    rev: Revision
    returned_at: Instant | None


class AssetPage(msgspec.Struct, frozen=True):
    items: list[AssetLine]
    next: str | None


class TreeView(msgspec.Struct, frozen=True):
    """The asset and everything below it, each part right after its whole."""

    items: list[TreeLine]


class AssetView(msgspec.Struct, frozen=True):
    id: UUID
    rev: int
    number: str
    name: str
    serial: str | None
    place: str
    criticality: int
    parent_id: UUID | None
    customer_id: UUID
    customer: str
    site_id: UUID
    site: str
    zone: str
    model_id: UUID
    manufacturer: str
    model: str
    in_service_from: datetime
    retired_at: datetime | None
    commissioned_on: date | None
    handed_over_on: date | None
    warranty_ends_on: date | None
    service_life_ends_on: date | None
    notes: str

    @classmethod
    def of(cls, summary: AssetSummary) -> "AssetView":
        asset: Asset = summary.asset
        return cls(
            asset.id,
            asset.rev,
            asset.number,
            asset.name,
            asset.serial,
            asset.place,
            asset.criticality,
            asset.parent_id,
            asset.customer_id,
            summary.customer.name,
            asset.site_id,
            summary.site.name,
            summary.site.zone,
            asset.model_id,
            summary.model.manufacturer,
            summary.model.name,
            asset.in_service_from,
            asset.retired_at,
            asset.commissioned_on,
            asset.handed_over_on,
            asset.warranty_ends_on,
            asset.service_life_ends_on,
            asset.notes,
        )


# --- identifiers and documents ----------------------------------------------------------------------------


class NewIdentifier(Body):
    """`scheme` such as serial, nfc, code128, link, gs1:8004, gs1:01+21."""

    scheme: Scheme
    value: Value


class IdentifierView(msgspec.Struct, frozen=True):
    id: UUID
    scheme: str
    value: str

    @classmethod
    def of(cls, row: Identifier) -> "IdentifierView":
        return cls(row.id, row.scheme, row.value)


class NewDocument(Body):
    """Bytes that were uploaded before, named by their SHA-256 in lower-case hex."""

    sha256: Sha256
    title: Line
    language: Language = ""


class DocumentView(msgspec.Struct, frozen=True):
    id: UUID
    asset_id: UUID | None
    model_id: UUID | None
    title: str
    language: str
    sha256: str
    mime: str
    size: int
    added_at: datetime

    @classmethod
    def of(cls, row: AssetDocument) -> "DocumentView":
        return cls(
            row.id,
            row.asset_id,
            row.model_id,
            row.title,
            row.language,
            row.sha256.hex(),
            row.mime,
            row.size,
            row.added_at,
        )


# --- meters -----------------------------------------------------------------------------------------------


class NewMeter(Body):
    """`rollover_at`: the value after which the counter shows zero again, 100000 for five digits."""

    code: Code
    name: Line
    unit: Annotated[str, pydantic.Field(min_length=1, max_length=20, pattern=r"^[^\x00-\x1f]+$")]
    rollover_at: Annotated[Shown, pydantic.Field(gt=0)] | None = None


class MeterEdit(Body):
    rev: Revision
    name: Line = ""
    rollover_at: Annotated[Shown, pydantic.Field(gt=0)] | None = None


class NewReading(Body):
    id: UUID | None = None
    read_at: Instant
    value: Shown
    is_reset: bool = False
    is_rollover: bool = False


class ReadingView(msgspec.Struct, frozen=True):
    """`ran` is how far the counter ran since the reading before; null for the first of all."""

    id: UUID
    read_at: datetime
    value: Decimal
    is_reset: bool
    is_rollover: bool
    source: str
    ran: Decimal | None = None

    @classmethod
    def of(cls, row: MeterReading, ran: Decimal | None = None) -> "ReadingView":
        return cls(row.id, row.read_at, row.value, row.is_reset, row.is_rollover, row.source, ran)


class ReadingPage(msgspec.Struct, frozen=True):
    items: list[ReadingView]
    next: str | None


class MeterView(msgspec.Struct, frozen=True):
    id: UUID
    rev: int
    asset_id: UUID
    code: str
    name: str
    unit: str
    rollover_at: Decimal | None
    last: ReadingView | None

    @classmethod
    def of(cls, meter: Meter, last: MeterReading | None) -> "MeterView":
        return cls(
            meter.id,
            meter.rev,
            meter.asset_id,
            meter.code,
            meter.name,
            meter.unit,
            meter.rollover_at,
            None if last is None else ReadingView.of(last),
        )


# --- failures and outages ---------------------------------------------------------------------------------


class NewFailure(Body):
    """The failure's own outage runs from `failed_at`, else `detected_at`, to `restored_at`."""

    id: UUID | None = None
    detected_at: Instant
    failed_at: Instant | None = None
    restored_at: Instant | None = None
    mode: Code | None = None
    mechanism: Code | None = None
    cause: Code | None = None
    exclusion: Code | None = None
    is_degraded: bool = False


class FailureEdit(Body):
    rev: Revision
    detected_at: Instant = UNSAID
    failed_at: Instant | None = None
    restored_at: Instant | None = None
    mode: Code | None = None
    mechanism: Code | None = None
    cause: Code | None = None
    exclusion: Code | None = None


class Restoration(Body):
    restored_at: Instant


class FailureView(msgspec.Struct, frozen=True):
    id: UUID
    rev: int
    asset_id: UUID
    failed_at: datetime | None
    detected_at: datetime
    restored_at: datetime | None
    mode: str | None
    mechanism: str | None
    cause: str | None
    exclusion: str | None

    @classmethod
    def of(cls, row: Failure) -> "FailureView":
        return cls(
            row.id,
            row.rev,
            row.asset_id,
            row.failed_at,
            row.detected_at,
            row.restored_at,
            row.mode,
            row.mechanism,
            row.cause,
            row.exclusion,
        )


class FailurePage(msgspec.Struct, frozen=True):
    items: list[FailureView]
    next: str | None


class NewOutage(Body):
    """Without `to_at` it lasts until it is closed. Only a planned outage may lie ahead."""

    from_at: Instant
    to_at: Instant | None = None
    cause: OutageCause
    is_degraded: bool = False
    failure_id: UUID | None = None


class OutageEdit(Body):
    rev: Revision
    from_at: Instant = UNSAID
    to_at: Instant | None = None
    cause: OutageCause = OutageCause.FAILURE
    is_degraded: bool = False


class OutageEnd(Body):
    to_at: Instant


class OutageView(msgspec.Struct, frozen=True):
    """`to_at` is null while it lasts."""

    id: UUID
    rev: int
    asset_id: UUID
    failure_id: UUID | None
    from_at: datetime | None
    to_at: datetime | None
    cause: str
    is_degraded: bool

    @classmethod
    def of(cls, row: Outage) -> "OutageView":
        return cls(
            row.id,
            row.rev,
            row.asset_id,
            row.failure_id,
            row.during.lower,
            row.during.upper,
            row.cause,
            row.is_degraded,
        )


class HistoryPage(msgspec.Struct, frozen=True):
    items: list[HistoryLine]
    next: str | None
