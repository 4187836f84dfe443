"""Plans as they were made, and what people decide: weights, pins, terms, held slots, events of the day."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, LargeBinary
from sqlmodel import Field, SQLModel

from fsm.database import Row, check, document, instant, link, lookup, one_of, unique
from scheduler.linking import LinkedPeople


class PlanStatus(StrEnum):
    QUEUED = "queued"
    SOLVING = "solving"
    READY = "ready"
    FAILED = "failed"
    ACCEPTED = "accepted"
    UNDONE = "undone"


class PlanKind(StrEnum):
    PLAN = "plan"
    """Asked for by a dispatcher."""
    REPAIR = "repair"
    """The answer to an event of the day."""
    SIMULATION = "simulation"
    """What would be; it is never accepted."""


class PlanRun(Row, table=True):
    """One solve: inputs (canonical JSON, zstd) and their digest, versions, seed, log, result with reasons.

    `result` is the plan, its reasons and its difference from what was published, in the domain's terms;
    replaying the inputs gives the plan. `plan` is the same plan as the engine wrote it (canonical JSON,
    zstd): what is accepted in part is timed from it anew. `options` says which visits might move and what
    was supposed; `applied` what accepting it changed, so that it can be undone.
    """

    __tablename__ = "plan_run"
    __table_args__ = (
        one_of("status", PlanStatus),
        one_of("kind", PlanKind),
        check("horizon", "ends_on >= starts_on"),
        lookup("plan_run_requested_idx", "requested_at"),
    )
    status: str = Field(default=PlanStatus.QUEUED, max_length=10)
    kind: str = Field(default=PlanKind.PLAN, max_length=10)
    starts_on: date
    ends_on: date
    engine: str = Field(default="auto", max_length=20)
    seconds: float = 5.0
    seed: int = Field(default=0, sa_type=BigInteger)
    options: dict[str, Any] = document(default_factory=dict)
    inputs: bytes | None = Field(default=None, sa_type=LargeBinary)
    inputs_sha256: str | None = Field(default=None, max_length=64)
    plan: bytes | None = Field(default=None, sa_type=LargeBinary)
    versions: dict[str, str] = document(default_factory=dict)
    weights_version: int = 0
    result: dict[str, Any] | None = document(nullable=True, default=None)
    log: dict[str, Any] = document(default_factory=dict)
    applied: list[dict[str, Any]] | None = document(nullable=True, default=None)
    failure: str | None = None
    day_event_id: UUID | None = None
    requested_by: str = ""
    requested_at: datetime = instant()
    started_at: datetime | None = instant(nullable=True, default=None)
    finished_at: datetime | None = instant(nullable=True, default=None)
    accepted_at: datetime | None = instant(nullable=True, default=None)
    accepted_by: str | None = None


class PlanningWeights(SQLModel, table=True):
    """What things cost in plans from an instant on: a version, never changed. Version 0 is the default."""

    __tablename__ = "planning_weights"
    tenant_id: UUID = Field(primary_key=True)
    version: int = Field(primary_key=True)
    weights: dict[str, Any] = document(default_factory=dict)
    set_by: str = ""
    set_at: datetime = instant()


class Keeps(StrEnum):
    """What a pin keeps of a planned visit."""

    TECHNICIAN = "technician"
    """A pin: this person, at another time if need be."""
    BOTH = "both"
    """A lock: this person at this time."""


class VisitPin(SQLModel, table=True):
    """A dispatcher's decision that the planner may not move a visit, with who and when."""

    __tablename__ = "visit_pin"
    __table_args__ = (link("visit_id", "visit"), one_of("keeps", Keeps))
    tenant_id: UUID = Field(primary_key=True)
    visit_id: UUID = Field(primary_key=True)
    keeps: str = Field(max_length=12)
    reason: str = ""
    set_by: str = ""
    set_at: datetime = instant()


class PlanningTerms(SQLModel, table=True):
    """What a job asks of its planning beside skills and service level.

    `required`, `preferred`, `forbidden` are technicians' ids; `parts` is [{"part": number, "quantity": n}];
    `windows` is [{"opens_at", "closes_at"}], in which the customer takes the work's beginning; nothing begins
    before `earliest_at` (a part that is late). `drop_cost` is the price of leaving it out, in seconds of
    driving; null: by priority.
    """

    __tablename__ = "planning_terms"
    __table_args__ = (link("work_order_id", "work_order"), check("drop_cost", "drop_cost >= 0"))
    tenant_id: UUID = Field(primary_key=True)
    work_order_id: UUID = Field(primary_key=True)
    required: list[str] = document(default_factory=list)
    preferred: list[str] = document(default_factory=list)
    forbidden: list[str] = document(default_factory=list)
    parts: list[dict[str, Any]] = document(default_factory=list)
    windows: list[dict[str, Any]] = document(default_factory=list)
    earliest_at: datetime | None = instant(nullable=True, default=None)
    drop_cost: int | None = None
    set_by: str = ""
    set_at: datetime = instant()


class TechnicianTerms(SQLModel, table=True):
    """How plans take a technician: their pace against the standard, the longest day, whether they may leave
    their territory. `paces` is [{"work_type_id", "efficiency_percent"}], where it is another at that work.
    """

    __tablename__ = "technician_terms"
    __table_args__ = (
        link("technician_id", "technician"),
        check("efficiency", "efficiency_percent between 25 and 400"),
        check("longest", "longest_s between 3600 and 86400"),
    )
    tenant_id: UUID = Field(primary_key=True)
    technician_id: UUID = Field(primary_key=True)
    efficiency_percent: int = 100
    paces: list[dict[str, Any]] = document(default_factory=list)
    longest_s: int | None = None
    stays_in_territory: bool = False
    set_by: str = ""
    set_at: datetime = instant()


class WorkOrderLink(Row, table=True):
    """What one job asks of the planning of another: that it comes after it, when, by whom.

    Both gaps are from the end of the first job's work to the beginning of the second's, and only there where
    the link is ordered. A link is made and removed, never changed; history tells of both.
    """

    __tablename__ = "work_order_link"
    __table_args__ = (
        link("first_id", "work_order"),
        link("second_id", "work_order"),
        unique("first_id", "second_id"),
        lookup("work_order_link_second_idx", "second_id"),
        one_of("technician", LinkedPeople),
        check("apart", "first_id <> second_id"),
        check("gaps", "is_ordered or (least_gap_s is null and greatest_gap_s is null)"),
        check("span", "least_gap_s >= 0 and greatest_gap_s >= coalesce(least_gap_s, 0)"),
        check("says", "is_ordered or is_same_day or technician is not null"),
    )
    first_id: UUID
    second_id: UUID
    is_ordered: bool = True
    least_gap_s: int | None = None
    greatest_gap_s: int | None = None
    technician: str | None = Field(default=None, max_length=5)
    is_same_day: bool = False
    set_by: str = ""
    set_at: datetime = instant()


class DayEventKind(StrEnum):
    URGENT_VISIT = "urgent_visit"
    SICK_CALL = "sick_call"
    OVERRUN = "overrun"
    NO_SHOW = "no_show"
    CANCELLATION = "cancellation"
    LATE_PART = "late_part"


class DayEvent(Row, table=True):
    """Something that upset a running day: what it was about, who told the office, and when."""

    __tablename__ = "day_event"
    __table_args__ = (
        one_of("kind", DayEventKind),
        link("visit_id", "visit"),
        link("technician_id", "technician"),
        link("work_order_id", "work_order"),
        lookup("day_event_visit_idx", "visit_id"),
        lookup("day_event_noted_idx", "noted_at"),
    )
    kind: str = Field(max_length=20)
    visit_id: UUID | None = None
    technician_id: UUID | None = None
    work_order_id: UUID | None = None
    data: dict[str, Any] = document(default_factory=dict)
    noted_by: str = ""
    noted_at: datetime = instant()


class SlotHold(Row, table=True):
    """Time of a technician kept for a caller who still thinks it over; it expires by itself.

    Where it takes a crew each of them has a row, all with the `crew_id` that is the id of the first.
    """

    __tablename__ = "slot_hold"
    __table_args__ = (
        link("work_order_id", "work_order"),
        link("technician_id", "technician"),
        check("times", "ends_at >= starts_at and window_ends_at >= window_starts_at"),
        lookup("slot_hold_expires_idx", "expires_at"),
        lookup("slot_hold_crew_idx", "crew_id"),
    )
    work_order_id: UUID
    technician_id: UUID
    crew_id: UUID | None = None
    starts_at: datetime = instant()
    ends_at: datetime = instant()
    window_starts_at: datetime = instant()
    window_ends_at: datetime = instant()
    travel_s: int = 0
    held_by: str = ""
    held_at: datetime = instant()
    expires_at: datetime = instant()
    ended_at: datetime | None = instant(nullable=True, default=None)
    """Booked or let go; None: it stands until it expires."""


class TravelModel(Row, table=True):
    """What recorded trips have taught about the roads of a territory ("" for all) in a band of hours.

    `speeds` is [[road metres up to, km/h], …], the last without an end (null). It is data: learned anew each
    night, and read by the planner. `trips` began around the position.
    """

    __tablename__ = "travel_model"
    __table_args__ = (
        unique("territory", "hours"),
        check("detour", "detour >= 1"),
        check("trips", "trips >= 0"),
    )
    territory: str
    hours: str = Field(max_length=10)
    detour: float
    speeds: list[list[float | None]] = document(default_factory=list)
    trips: int
    latitude: float
    longitude: float
    learned_at: datetime = instant()
