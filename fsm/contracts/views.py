"""What people's clients send and get about contracts: bodies of requests, shapes of answers."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import msgspec
import pydantic

from fsm.assets.tables import Asset
from fsm.catalogue.tables import MaintenanceKind, RequestClass
from fsm.contracts import coverage
from fsm.contracts.clocks import StartedClock
from fsm.contracts.coverage import ContractTerms, Cover
from fsm.contracts.queries import CoverPreview, span_of
from fsm.contracts.tables import (
    Calendar,
    CalendarVersion,
    Contract,
    ContractAsset,
    ContractKind,
    ServiceLevel,
    ServiceLevelVersion,
)
from fsm.http import Body, Code, Currency, Day, Instant, Line, Money, Quantity, Revision, Short

Document = Annotated[dict[str, Any], pydantic.Field(max_length=100)]
Terms = Annotated[dict[str, Any], pydantic.Field(max_length=10)]
NoticeDays = Annotated[int, pydantic.Field(ge=0, le=730)]
Target = Annotated[Decimal, pydantic.Field(gt=0, le=1, max_digits=5, decimal_places=4)]
"""The share of the required time in which the equipment is to work."""
"""How many days before a contract ends somebody is warned."""
Priority = Annotated[int, pydantic.Field(ge=-1_000, le=1_000)]


# --- calendars and service levels -------------------------------------------------------------------------


class NewCalendar(Body):
    code: Code
    name: Line


class CalendarEdit(Body):
    rev: Revision
    code: Code = ""
    name: Line = ""


class NewServiceLevel(Body):
    """Its clocks run on the calendar, which must have published opening hours."""

    code: Code
    name: Line
    calendar_id: UUID


class ServiceLevelEdit(Body):
    rev: Revision
    code: Code = ""
    name: Line = ""
    calendar_id: UUID = UUID(int=0)


class NewVersion(Body):
    """Contents of the next version; without `effective_at` it is in force from now on."""

    body: Document
    effective_at: Instant | None = None


class CalendarView(msgspec.Struct, frozen=True):
    id: UUID
    rev: int
    code: str
    name: str

    @classmethod
    def of(cls, row: Calendar) -> "CalendarView":
        return cls(row.id, row.rev, row.code, row.name)


class CalendarPage(msgspec.Struct, frozen=True):
    items: list[CalendarView]
    next: str | None


class ServiceLevelView(msgspec.Struct, frozen=True):
    id: UUID
    rev: int
    code: str
    name: str
    calendar_id: UUID

    @classmethod
    def of(cls, row: ServiceLevel) -> "ServiceLevelView":
        return cls(row.id, row.rev, row.code, row.name, row.calendar_id)


class ServiceLevelPage(msgspec.Struct, frozen=True):
    items: list[ServiceLevelView]
    next: str | None


class VersionView(msgspec.Struct, frozen=True):
    id: UUID
    version: int
    effective_at: datetime
    body: dict[str, Any]

    @classmethod
    def of(cls, row: CalendarVersion | ServiceLevelVersion) -> "VersionView":
        return cls(row.id, row.version, row.effective_at, row.body)


class VersionHistory(msgspec.Struct, frozen=True):
    """All versions, the first one first."""

    items: list[VersionView]


# --- contracts --------------------------------------------------------------------------------------------


class NewContract(Body):
    """`covers` and `payers` say which work and who pays for which kind of cost; empty: all, by its kind.

    With `lets_customer_move` the customer takes another time for a visit without asking the office.
    """

    customer_id: UUID
    number: Code
    name: Short = ""
    kind: ContractKind
    starts_on: Day
    ends_on: Day | None = None
    service_level_id: UUID | None = None
    monthly_fee: Money = Decimal(0)
    currency: Currency = "EUR"
    covers: Terms = {}
    payers: Terms = {}
    credits: Terms = {}
    notice_days: NoticeDays = 60
    lets_customer_move: bool = False
    availability_target: Target | None = None
    priority: Priority = 0


class ContractEdit(Body):
    """Another `monthly_fee` counts from `fee_from` on, from today unless given."""

    rev: Revision
    number: Code = ""
    name: Short = ""
    starts_on: Day = date(1970, 1, 1)
    ends_on: Day | None = None
    service_level_id: UUID | None = None
    monthly_fee: Money = Decimal(0)
    fee_from: Day | None = None
    currency: Currency = "EUR"
    covers: Terms = {}
    payers: Terms = {}
    credits: Terms = {}
    notice_days: NoticeDays = 60
    lets_customer_move: bool = False
    availability_target: Target | None = None
    priority: Priority = 0


class Renewal(Body):
    """The same terms under another number, from the day after the last; the fee may be another."""

    number: Code
    ends_on: Day | None = None
    monthly_fee: Money | None = None


class NewContractAsset(Body):
    """Both days belong to the contract. Without `starts_on` the asset is under it from its first day."""

    asset_id: UUID
    starts_on: Day | None = None
    ends_on: Day | None = None
    weight: Quantity = Decimal(1)


class ContractAssetEnd(Body):
    ends_on: Day | None


class ContractView(msgspec.Struct, frozen=True):
    id: UUID
    rev: int
    customer_id: UUID
    number: str
    name: str
    kind: str
    starts_on: date
    ends_on: date | None
    service_level_id: UUID | None
    monthly_fee: Decimal
    currency: str
    covers: dict[str, Any]
    payers: dict[str, str]
    credits: dict[str, Any]
    notice_days: int
    lets_customer_move: bool
    availability_target: Decimal | None
    follows_id: UUID | None
    priority: int

    @classmethod
    def of(cls, row: Contract) -> "ContractView":
        return cls(
            row.id,
            row.rev,
            row.customer_id,
            row.number,
            row.name,
            row.kind,
            row.starts_on,
            row.ends_on,
            row.service_level_id,
            row.monthly_fee.quantize(Decimal("0.01")),
            row.currency,
            row.covers,
            row.payers,
            row.credits,
            row.notice_days,
            row.lets_customer_move,
            row.availability_target,
            row.follows_id,
            row.priority,
        )


class ContractPage(msgspec.Struct, frozen=True):
    items: list[ContractView]
    next: str | None


class ContractAssetView(msgspec.Struct, frozen=True):
    """`ends_on` null: as long as the contract."""

    id: UUID
    asset_id: UUID
    number: str
    name: str
    starts_on: date
    ends_on: date | None
    weight: Decimal

    @classmethod
    def of(cls, line: ContractAsset, asset: Asset) -> "ContractAssetView":
        span = span_of(line.during)
        return cls(
            line.id, asset.id, asset.number, asset.name, span.starts_on, span.ends_on, line.weight
        )


# --- cover ------------------------------------------------------------------------------------------------


class CoverQuestion(Body):
    """Some work, as it would be reported `at` (now, unless given) on an asset."""

    asset_id: UUID
    work_type: Code
    request_class: RequestClass
    maintenance: MaintenanceKind
    priority: Annotated[int, pydantic.Field(ge=1, le=5)] = 3
    at: Instant | None = None


class CoverView(msgspec.Struct, frozen=True):
    """`rule` is what decided between several: only, priority, kind, number."""

    contract_id: UUID
    number: str
    kind: str
    rule: str
    service_level_id: UUID | None
    payers: dict[str, str]

    @classmethod
    def of(cls, cover: Cover) -> "CoverView":
        return cls(
            cover.contract_id,
            cover.number,
            cover.kind,
            cover.rule,
            cover.service_level_id,
            {kind: payer.value for kind, payer in cover.payers.items()},
        )


class ConsideredView(msgspec.Struct, frozen=True):
    """A contract of the customer; `miss` is the first reason why it does not cover the work, else null."""

    contract_id: UUID
    number: str
    kind: str
    priority: int
    miss: str | None

    @classmethod
    def of(cls, terms: ContractTerms, miss: coverage.Miss | None) -> "ConsideredView":
        return cls(terms.id, terms.number, terms.kind, terms.priority, miss)


class DueView(msgspec.Struct, frozen=True):
    """A clock that would start; `due_at` is null where the calendar never opens long enough."""

    clock: str
    target_s: int
    stops_at: str
    due_at: datetime | None

    @classmethod
    def of(cls, clock: StartedClock) -> "DueView":
        return cls(clock.kind, clock.target_s, clock.stops_at, clock.due_at)


class CoverAnswer(msgspec.Struct, frozen=True):
    """`cover` is null where no contract covers the work; then the customer pays. `on` is the day there."""

    on: date
    cover: CoverView | None
    considered: list[ConsideredView]
    due: list[DueView]

    @classmethod
    def of(cls, preview: CoverPreview) -> "CoverAnswer":
        return cls(
            preview.on,
            None if preview.cover is None else CoverView.of(preview.cover),
            [ConsideredView.of(terms, missed) for terms, missed in preview.considered],
            [DueView.of(clock) for clock in preview.due],
        )
