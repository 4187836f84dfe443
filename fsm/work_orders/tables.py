"""Requests, work orders and visits. What a technician recorded on them is in `records`."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, LargeBinary, text
from sqlalchemy.dialects.postgresql import TSTZRANGE, Range
from sqlmodel import Field, SQLModel

from fsm.catalogue.tables import MaintenanceKind, RequestClass
from fsm.contracts.service_levels import ClockKind
from fsm.database import (
    Revised,
    Row,
    check,
    document,
    instant,
    link,
    lookup,
    no_overlap,
    one_of,
    quantity,
    refusal,
    unique,
)
from fsm.problems import Conflict, Invalid
from fsm.work_orders.lifecycle import Status, VisitStatus


class RequestSource(StrEnum):
    PASSPORT = "passport"
    OFFICE = "office"
    API = "api"
    IMPORT = "import"


class RequestStatus(StrEnum):
    NEW = "new"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    MERGED = "merged"


class Impact(StrEnum):
    """What the caller says about the machine; it proposes the class."""

    STOPPED = "stopped"
    DEGRADED = "degraded"
    RUNNING = "running"
    QUESTION = "question"


class Counter(SQLModel, table=True):
    """The last number given out per tenant and kind of paper (`request`, `work_order`)."""

    tenant_id: UUID = Field(primary_key=True)
    name: str = Field(primary_key=True, max_length=20)
    value: int = Field(default=0, sa_type=BigInteger)


class ServiceRequest(Revised, table=True):
    """What a caller reports. `merged_into_id` names the request that it was added to.

    `status_token_sha256` is the hash of the link under which the caller follows it. `passport_code` is what
    was scanned and `visitor` a keyed hash of the scanner's address: limits are counted over both.
    """

    __tablename__ = "service_request"
    __table_args__ = (
        unique("number"),
        link("asset_id", "asset"),
        link("site_id", "site"),
        link("customer_id", "customer"),
        link("merged_into_id", "service_request"),
        one_of("status", RequestStatus),
        one_of("source", RequestSource),
        one_of("request_class", RequestClass),
        check("impact", "impact is null or impact in ('stopped','degraded','running','question')"),
        check("merged", "(status = 'merged') = (merged_into_id is not null)"),
        lookup("service_request_asset_idx", "asset_id", "reported_at"),
        lookup("service_request_status_idx", "status", "reported_at"),
        lookup("service_request_visitor_idx", "visitor", "reported_at"),
        lookup("service_request_passport_code_idx", "passport_code", "reported_at"),
        lookup("service_request_merged_into_idx", "merged_into_id"),
        Index(
            "service_request_status_token_idx",
            "tenant_id",
            "status_token_sha256",
            unique=True,
            postgresql_where=text("status_token_sha256 is not null"),
        ),
    )
    number: str = Field(max_length=60)
    asset_id: UUID | None = None
    site_id: UUID | None = None
    customer_id: UUID | None = None
    source: str = Field(max_length=12)
    status: str = Field(default=RequestStatus.NEW, max_length=12)
    request_class: str = Field(max_length=20)
    impact: str | None = Field(default=None, max_length=12)
    text: str
    contact_name: str = ""
    contact_phone: str = ""
    contact_email: str = ""
    language: str = Field(default="en", max_length=10)
    reported_at: datetime = instant()
    acknowledged_at: datetime | None = instant(nullable=True, default=None)
    decline_reason: str = ""
    merged_into_id: UUID | None = None
    status_token_sha256: bytes | None = Field(default=None, sa_type=LargeBinary)
    status_link_expires_at: datetime | None = instant(nullable=True, default=None)
    passport_code: str | None = Field(default=None, max_length=255)
    visitor: str = Field(default="", max_length=64)


class RequestAttachment(Row, table=True):
    """A stranger's photo: a blob beside a request, never evidence of work."""

    __tablename__ = "request_attachment"
    __table_args__ = (
        link("request_id", "service_request"),
        ForeignKeyConstraint(["tenant_id", "sha256"], ["blob.tenant_id", "blob.sha256"]),
        lookup("request_attachment_request_idx", "request_id"),
    )
    request_id: UUID
    sha256: bytes = Field(sa_type=LargeBinary)
    mime: str = Field(max_length=100)
    size: int = Field(sa_type=BigInteger)
    added_at: datetime = instant()


class WorkOrder(Revised, table=True):
    """The job from report to closure.

    `completed` and `closed` are written by `completion` alone; the constraints below hold it whatever the
    code does. `facts_rev` rises with each counted fact, so a closure judged before cannot stay attached.
    Field times are bounded in `event`; the instants here are best estimates.
    """

    __tablename__ = "work_order"
    __table_args__ = (
        unique("number"),
        unique("source", "source_id"),
        link("request_id", "service_request"),
        link("customer_id", "customer"),
        link("site_id", "site"),
        link("asset_id", "asset"),
        link("contract_id", "contract"),
        link("failure_id", "failure"),
        link("work_type_id", "work_type"),
        link("work_type_version_id", "work_type_version"),
        link("service_level_version_id", "service_level_version"),
        link("calendar_version_id", "calendar_version"),
        link("checklist_template_id", "checklist_template"),
        link("follows_id", "work_order"),
        ForeignKeyConstraint(
            ["tenant_id", "checklist_version_id", "rules_sha256"],
            [
                "checklist_version.tenant_id",
                "checklist_version.id",
                "checklist_version.rules_sha256",
            ],
            name="work_order_pinned_rules_fkey",
        ),
        ForeignKeyConstraint(
            ["tenant_id", "id", "closure_id", "facts_rev", "rules_sha256"],
            [
                "work_order_closure.tenant_id",
                "work_order_closure.work_order_id",
                "work_order_closure.id",
                "work_order_closure.facts_rev",
                "work_order_closure.rules_sha256",
            ],
            name="work_order_closure_fkey",
            use_alter=True,
        ),
        one_of("status", Status),
        one_of("request_class", RequestClass),
        one_of("maintenance", MaintenanceKind),
        check(
            "completed",
            "status not in ('completed','closed') or (closure_id is not null and rules_sha256 is not null)",
        ),
        check("closed", "status <> 'closed' or (closed_by is not null and closed_at is not null)"),
        check("pinned", "(checklist_version_id is null) = (rules_sha256 is null)"),
        check("priority", "priority between 1 and 5"),
        lookup("work_order_status_idx", "status", "restore_by"),
        lookup("work_order_asset_idx", "asset_id", "reported_at"),
        lookup("work_order_contract_idx", "contract_id", "reported_at"),
        lookup("work_order_customer_idx", "customer_id", "reported_at"),
        lookup("work_order_site_idx", "site_id"),
        lookup("work_order_request_idx", "request_id"),
        lookup("work_order_failure_idx", "failure_id"),
        lookup("work_order_reported_idx", "reported_at", "id"),
        lookup(
            "work_order_follows_idx",
            "follows_id",
            postgresql_where=text("follows_id is not null"),
        ),
        lookup(
            "work_order_reopened_idx",
            "customer_id",
            postgresql_where=text("reopened_at is not null"),
        ),
    )
    number: str = Field(max_length=60)
    status: str = Field(default=Status.OPEN, max_length=12)
    request_id: UUID | None = None
    customer_id: UUID
    site_id: UUID
    asset_id: UUID | None = None
    contract_id: UUID | None = None
    failure_id: UUID | None = None
    work_type_id: UUID
    work_type_version_id: UUID
    request_class: str = Field(max_length=20)
    maintenance: str = Field(max_length=20)
    priority: int = 3
    title: str
    description: str = ""
    estimate_s: int = 3_600
    crew_size: int = 1
    skills: list[dict[str, Any]] = document(default_factory=list)
    zone: str = "UTC"
    is_rework: bool = False
    follows_id: UUID | None = None
    reported_at: datetime = instant()
    acknowledged_at: datetime | None = instant(nullable=True, default=None)
    dispatched_at: datetime | None = instant(nullable=True, default=None)
    work_started_at: datetime | None = instant(nullable=True, default=None)
    work_done_at: datetime | None = instant(nullable=True, default=None)
    completed_at: datetime | None = instant(nullable=True, default=None)
    closed_at: datetime | None = instant(nullable=True, default=None)
    closed_by: UUID | None = None
    reopened_at: datetime | None = instant(nullable=True, default=None)
    cancelled_at: datetime | None = instant(nullable=True, default=None)
    cancel_reason: str | None = None
    respond_by: datetime | None = instant(nullable=True, default=None)
    restore_by: datetime | None = instant(nullable=True, default=None)
    service_level_version_id: UUID | None = None
    calendar_version_id: UUID | None = None
    checklist_template_id: UUID | None = None
    checklist_version_id: UUID | None = None
    rules_sha256: str | None = Field(default=None, max_length=64)
    facts_rev: int = Field(default=0, sa_type=BigInteger)
    closure_id: UUID | None = None
    finished_visit_id: UUID | None = None
    wants_more_work: bool = False
    is_unproved: bool = False
    source: str | None = Field(default=None, max_length=60)
    source_id: str | None = Field(default=None, max_length=200)
    created_at: datetime = instant()


class WorkOrderAsset(SQLModel, table=True):
    """One of several assets that a job is for, and its share of the costs: `weight` among all of them.

    `contract_id` is what the asset's part of the work falls under. A job without such rows is for its one
    asset alone.
    """

    __tablename__ = "work_order_asset"
    __table_args__ = (
        link("work_order_id", "work_order"),
        link("asset_id", "asset"),
        link("contract_id", "contract"),
        check("weight", "weight > 0"),
    )
    tenant_id: UUID = Field(primary_key=True)
    work_order_id: UUID = Field(primary_key=True)
    asset_id: UUID = Field(primary_key=True)
    contract_id: UUID | None = None
    weight: Decimal = quantity()


class Visit(Revised, table=True):
    """One technician's trip for a job.

    The office writes the plan columns (technician, planned times, window, pin); the technician's intents
    alone write the progress columns (status from dispatched on, the instants below it). `nonce` is 32 random
    bytes given at dispatch: the phone's chain of records on this visit begins with it.
    """

    __table_args__ = (
        link("work_order_id", "work_order"),
        link("technician_id", "technician"),
        link("follows_id", "visit"),
        unique("work_order_id", "id"),
        one_of("status", VisitStatus),
        check("planned", "planned_ends_at >= planned_starts_at"),
        check("window", "window_ends_at is null or window_ends_at >= window_starts_at"),
        lookup("visit_work_order_idx", "work_order_id"),
        lookup("visit_technician_idx", "technician_id", "planned_starts_at"),
        lookup("visit_window_idx", "window_ends_at"),
        lookup("visit_arrived_idx", "arrived_at"),
        lookup(
            "visit_finished_idx",
            "finished_at",
            postgresql_where=text("finished_at is not null"),
        ),
        lookup(
            "visit_open_idx",
            "technician_id",
            "planned_starts_at",
            postgresql_where=text("status in ('dispatched', 'travelling', 'on_site', 'paused')"),
        ),
    )
    work_order_id: UUID
    technician_id: UUID
    status: str = Field(default=VisitStatus.PLANNED, max_length=12)
    planned_starts_at: datetime = instant()
    planned_ends_at: datetime = instant()
    window_starts_at: datetime | None = instant(nullable=True, default=None)
    window_ends_at: datetime | None = instant(nullable=True, default=None)
    travel_s: int = 0
    is_pinned: bool = False
    crew_id: UUID | None = None
    plan_run_id: UUID | None = None
    follows_id: UUID | None = None
    dispatched_at: datetime | None = instant(nullable=True, default=None)
    travel_started_at: datetime | None = instant(nullable=True, default=None)
    arrived_at: datetime | None = instant(nullable=True, default=None)
    work_started_at: datetime | None = instant(nullable=True, default=None)
    finished_at: datetime | None = instant(nullable=True, default=None)
    ended_reason: str | None = None
    is_orphan: bool = False
    nonce: bytes | None = Field(default=None, sa_type=LargeBinary)
    created_at: datetime = instant()


class Pause(Row, table=True):
    """A reasoned pause of a job's clocks; open while its upper end is unbounded.

    Two technicians of a crew may wait for the same thing at the same time, each in a visit of their own.
    """

    model_config = {"arbitrary_types_allowed": True}
    __table_args__ = (
        link("work_order_id", "work_order"),
        link("visit_id", "visit"),
        link("reason_id", "reason"),
        check("during", "not isempty(during) and not lower_inf(during)"),
        no_overlap("pause_no_overlap", "visit_id", "reason_id"),
        lookup("pause_work_order_idx", "work_order_id"),
    )
    work_order_id: UUID
    visit_id: UUID | None = None
    reason_id: UUID
    during: Range[datetime] = Field(sa_type=TSTZRANGE)
    stops_sla_clock: bool = False
    stops_repair_clock: bool = False
    by: str = ""


class Clock(Row, table=True):
    """A service-level clock of a job, with the versions that it was started under.

    `due_at` is null while the clock stands still. `stops` is [{"stopped": [at, lo, hi], "reopened": …}] with
    the bounds of field times; `retargets` is [{"since_at": …, "target_s": …}]; `service_hours` reads both.
    """

    __table_args__ = (
        link("work_order_id", "work_order"),
        link("service_level_version_id", "service_level_version"),
        link("calendar_version_id", "calendar_version"),
        unique("work_order_id", "kind"),
        one_of("kind", ClockKind),
        check("target", "target_s > 0"),
        lookup("clock_due_idx", "due_at"),
    )
    work_order_id: UUID
    kind: str = Field(max_length=12)
    service_level_version_id: UUID
    calendar_version_id: UUID
    zone: str = Field(max_length=60)
    target_s: int
    started_at: datetime = instant()
    due_at: datetime | None = instant(nullable=True, default=None)
    stopped_at: datetime | None = instant(nullable=True, default=None)
    elapsed_s: int = 0
    stops: list[dict[str, Any]] = document(default_factory=list)
    retargets: list[dict[str, Any]] = document(default_factory=list)
    state: str = Field(default="running", max_length=12)


class PartRequestStatus(StrEnum):
    REQUESTED = "requested"
    RESERVED = "reserved"
    ORDERED = "ordered"
    READY = "ready"
    CANCELLED = "cancelled"


class PartRequest(Revised, table=True):
    """A part that a job needs and has not got yet.

    While it is reserved, `quantity` of what `place_id` holds is spoken for. `expected_on` is when an ordered
    one arrives. A job whose technicians have left waits while a request of it is open.
    """

    __tablename__ = "part_request"
    __table_args__ = (
        link("work_order_id", "work_order"),
        link("visit_id", "visit"),
        link("part_id", "part"),
        link("place_id", "stock_place"),
        one_of("status", PartRequestStatus),
        check("quantity", "quantity > 0"),
        check("reserved", "status <> 'reserved' or place_id is not null"),
        lookup("part_request_work_order_idx", "work_order_id"),
        lookup("part_request_part_idx", "part_id", "status"),
    )
    work_order_id: UUID
    visit_id: UUID | None = None
    part_id: UUID
    quantity: Decimal = quantity()
    status: str = Field(default=PartRequestStatus.REQUESTED, max_length=12)
    place_id: UUID | None = None
    expected_on: date | None = None
    requested_at: datetime = instant()
    settled_at: datetime | None = instant(nullable=True, default=None)
    by: str = ""


class PickUp(Row, table=True):
    """A stop that a plan has a technician make at a warehouse, for parts that the van lacks."""

    __tablename__ = "pick_up"
    __table_args__ = (
        link("technician_id", "technician"),
        link("place_id", "stock_place"),
        check("times", "ends_at >= starts_at"),
        check("travel", "travel_s >= 0"),
        lookup("pick_up_technician_idx", "technician_id", "starts_at"),
        lookup("pick_up_place_idx", "place_id"),
    )
    technician_id: UUID
    place_id: UUID
    starts_at: datetime = instant()
    ends_at: datetime = instant()
    travel_s: int = 0
    """The way there, from the stop before."""
    plan_run_id: UUID | None = None
    planned_at: datetime = instant()


class PickUpPart(SQLModel, table=True):
    """Parts of one kind to be picked up for one visit. A pick-up without any is none."""

    __tablename__ = "pick_up_part"
    __table_args__ = (
        link("pick_up_id", "pick_up"),
        link("visit_id", "visit"),
        link("part_id", "part"),
        check("quantity", "quantity > 0"),
        lookup("pick_up_part_visit_idx", "visit_id"),
    )
    tenant_id: UUID = Field(primary_key=True)
    pick_up_id: UUID = Field(primary_key=True)
    visit_id: UUID = Field(primary_key=True)
    part_id: UUID = Field(primary_key=True)
    quantity: int


class Review(Row, table=True):
    """Something that a person must look at: late or crossed field work, a clash, a doubtful time."""

    __table_args__ = (
        link("work_order_id", "work_order"),
        link("visit_id", "visit"),
        lookup("review_open_idx", "settled_at", "raised_at"),
    )
    work_order_id: UUID | None = None
    visit_id: UUID | None = None
    kind: str = Field(max_length=40)
    data: dict[str, Any] = document(default_factory=dict)
    raised_at: datetime = instant()
    settled_at: datetime | None = instant(nullable=True, default=None)
    settled_by: UUID | None = None
    settlement: str = ""


refusal("work_order_number_key", Conflict, "There is already a work order with this number.")
refusal("work_order_source_source_id_key", Conflict, "This work order has already been imported.")
refusal("pause_no_overlap", Conflict, "The visit is already paused for this reason in that time.")
refusal(
    "work_order_completed_check",
    Invalid,
    "A work order becomes completed only through a verdict with nothing missing.",
)
refusal(
    "work_order_closure_fkey",
    Invalid,
    "A work order becomes completed only through the verdict on its present facts.",
)
refusal("work_order_closed_check", Invalid, "A closed work order names who closed it, and when.")
