"""What the API tells of jobs, visits and verdicts."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from fsm.work_orders import records
from fsm.work_orders.closing import Verdict
from fsm.work_orders.closing_sentences import sentence
from fsm.work_orders.lifecycle import Action, Status, allowed_actions
from fsm.work_orders.photo_marks import MarkKind
from fsm.work_orders.tables import Clock, Visit, WorkOrder

OFFICE_ACTIONS = (Action.CANCEL, Action.CLOSE, Action.REOPEN)


def office_actions(status: str) -> list[str]:
    """Return what the office can do to a job in this state."""
    return [str(one) for one in allowed_actions(Status(status)) if one in OFFICE_ACTIONS]


class ClockView(msgspec.Struct, frozen=True):
    """A service-level clock; times in seconds of business time, those of `statutory` by the calendar."""

    kind: str
    state: str
    target_s: int
    elapsed_s: int
    started_at: datetime
    due_at: datetime | None
    stopped_at: datetime | None

    @classmethod
    def of(cls, clock: Clock) -> "ClockView":
        return cls(
            clock.kind,
            clock.state,
            clock.target_s,
            clock.elapsed_s,
            clock.started_at,
            clock.due_at,
            clock.stopped_at,
        )


class VisitView(msgspec.Struct, frozen=True):
    id: UUID
    rev: int
    work_order_id: UUID
    technician_id: UUID
    status: str
    planned_starts_at: datetime
    planned_ends_at: datetime
    window_starts_at: datetime | None
    window_ends_at: datetime | None
    travel_s: int
    is_pinned: bool
    plan_run_id: UUID | None
    dispatched_at: datetime | None
    travel_started_at: datetime | None
    arrived_at: datetime | None
    work_started_at: datetime | None
    finished_at: datetime | None
    ended_reason: str | None

    @classmethod
    def of(cls, visit: Visit) -> "VisitView":
        return cls(**{name: getattr(visit, name) for name in cls.__struct_fields__})


class WorkOrderRow(msgspec.Struct, frozen=True):
    """A job as lists show it."""

    id: UUID
    number: str
    status: str
    title: str
    request_class: str
    maintenance: str
    priority: int
    customer_id: UUID
    site_id: UUID
    asset_id: UUID | None
    contract_id: UUID | None
    reported_at: datetime
    respond_by: datetime | None
    restore_by: datetime | None
    completed_at: datetime | None
    closed_at: datetime | None
    is_unproved: bool


class WorkOrderPage(msgspec.Struct, frozen=True):
    items: list[WorkOrderRow]
    next: str | None


class WorkOrderView(msgspec.Struct, frozen=True):
    """One job with its clocks and visits, and what the office can do to it now."""

    id: UUID
    rev: int
    number: str
    status: str
    title: str
    description: str
    request_class: str
    maintenance: str
    priority: int
    request_id: UUID | None
    customer_id: UUID
    site_id: UUID
    asset_id: UUID | None
    contract_id: UUID | None
    failure_id: UUID | None
    work_type_id: UUID
    work_type_version_id: UUID
    estimate_s: int
    crew_size: int
    skills: list[dict[str, Any]]
    zone: str
    is_rework: bool
    is_unproved: bool
    follows_id: UUID | None
    reported_at: datetime
    acknowledged_at: datetime | None
    dispatched_at: datetime | None
    work_started_at: datetime | None
    work_done_at: datetime | None
    completed_at: datetime | None
    closed_at: datetime | None
    closed_by: UUID | None
    reopened_at: datetime | None
    cancelled_at: datetime | None
    cancel_reason: str | None
    respond_by: datetime | None
    restore_by: datetime | None
    checklist_version_id: UUID | None
    rules_sha256: str | None
    facts_rev: int
    clocks: list[ClockView]
    visits: list[VisitView]
    allowed: list[str]

    @classmethod
    def of(cls, work_order: WorkOrder, clocks: list[Clock], visits: list[Visit]) -> "WorkOrderView":
        own = {
            name: getattr(work_order, name)
            for name in cls.__struct_fields__
            if name not in ("clocks", "visits", "allowed")
        }
        return cls(
            **own,
            clocks=[ClockView.of(clock) for clock in clocks],
            visits=[VisitView.of(visit) for visit in visits],
            allowed=office_actions(work_order.status),
        )


class VerdictView(msgspec.Struct, frozen=True):
    """The verdict on the present facts; `said` is `unmet` in words, in the asked language."""

    status: str
    rules_sha256: str
    facts_rev: int
    met: bool
    unmet: list[dict[str, Any]]
    waived: list[dict[str, Any]]
    flags: list[dict[str, Any]]
    said: list[str]

    @classmethod
    def of(cls, status: str, verdict: Verdict, template: Any, language: str) -> "VerdictView":
        return cls(
            status=status,
            said=[sentence(one, template, language) for one in verdict.unmet],
            **verdict.to_json(),
        )


class MarkView(msgspec.Struct, frozen=True):
    """A ring or an arrow; see `Mark`."""

    kind: MarkKind
    x: float
    y: float
    size: float
    angle: int


class PhotoView(msgspec.Struct, frozen=True):
    id: UUID
    visit_id: UUID
    item: str
    slot: int
    state: str
    sha256: str
    size: int
    mime: str
    captured_at: datetime
    flags: list[dict[str, Any]]
    marks: list[MarkView]
    is_retracted: bool

    @classmethod
    def of(cls, photo: records.Photo) -> "PhotoView":
        return cls(
            photo.id,
            photo.visit_id,
            photo.item,
            photo.slot,
            photo.state,
            photo.sha256.hex(),
            photo.size,
            photo.mime,
            photo.captured_at,
            photo.flags,
            [MarkView(**mark) for mark in photo.marks],
            photo.retracted_at is not None,
        )


class AnswerView(msgspec.Struct, frozen=True):
    visit_id: UUID
    item: str
    value: Any
    answered_at: datetime
    by: str

    @classmethod
    def of(cls, answer: records.Answer) -> "AnswerView":
        return cls(answer.visit_id, answer.item, answer.value, answer.answered_at, answer.by)


class TimeEntryView(msgspec.Struct, frozen=True):
    id: UUID
    technician_id: UUID
    kind: str
    from_at: datetime
    to_at: datetime
    corrects_id: UUID | None
    needs_review: bool

    @classmethod
    def of(cls, entry: records.TimeEntry) -> "TimeEntryView":
        starts, ends = entry.during.lower, entry.during.upper
        assert starts is not None
        assert ends is not None
        return cls(
            entry.id,
            entry.technician_id,
            entry.kind,
            starts,
            ends,
            entry.corrects_id,
            entry.needs_review,
        )


class PartUsedView(msgspec.Struct, frozen=True):
    part_id: UUID
    quantity: Decimal
    used_at: datetime

    @classmethod
    def of(cls, used: records.PartUsed) -> "PartUsedView":
        return cls(used.part_id, used.quantity, used.used_at)


class CostLineView(msgspec.Struct, frozen=True):
    """A line of the ledger. `corrects_id` names the line that it takes back; `price` is to be billed if paid
    by the customer; `payer_ground` is why nobody else pays."""

    id: UUID
    asset_id: UUID | None
    contract_id: UUID | None
    technician_id: UUID | None
    kind: str
    quantity: Decimal
    unit: str
    unit_cost: Decimal
    amount: Decimal
    price: Decimal | None
    currency: str
    posted_on: date
    source_kind: str
    source_id: UUID | None
    payer: str | None
    payer_rule: str | None
    payer_ground: str
    corrects_id: UUID | None
    note: str

    @classmethod
    def of(cls, line: records.CostLine) -> "CostLineView":
        return cls(**{name: getattr(line, name) for name in cls.__struct_fields__})


class NoteView(msgspec.Struct, frozen=True):
    text: str
    written_at: datetime
    by: str


class RecordView(msgspec.Struct, frozen=True):
    """Everything recorded on a job."""

    answers: list[AnswerView]
    photos: list[PhotoView]
    time: list[TimeEntryView]
    parts: list[PartUsedView]
    notes: list[NoteView]


class EventView(msgspec.Struct, frozen=True):
    """One line of history: who, what, when, from which device."""

    id: UUID
    kind: str
    entity: str
    entity_id: UUID
    actor_kind: str
    actor_name: str
    user_id: UUID | None
    device_id: UUID | None
    occurred_at: datetime
    occurred_lo_at: datetime
    occurred_hi_at: datetime
    received_at: datetime
    data: dict[str, Any]


class EventPage(msgspec.Struct, frozen=True):
    items: list[EventView]
    next: str | None
