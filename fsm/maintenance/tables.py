"""Plans of preventive work, and their occurrences: what fell due, what became of it."""

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import BigInteger
from sqlmodel import Field

from fsm.database import (
    Revised,
    Row,
    check,
    document,
    instant,
    link,
    lookup,
    one_of,
    quantity,
    refusal,
    unique,
)
from fsm.maintenance.covering import OccurrenceStatus
from fsm.maintenance.due import CountsFrom, TriggerKind
from fsm.problems import Conflict, Invalid


class MaintenancePlan(Revised, table=True):
    """Preventive work on an asset or on every asset of a model, and when it falls due.

    `rule` (RFC 5545, with `starts_on` as its first day) is for the calendar; `meter_code`, `every_units` and
    `or_months` are for a counter; `within_days` for work that a condition calls for. `due_time` is "HH:MM" on
    the site's clocks. `pauses` is [["11-01", "03-31"], …]. Without tolerances a tenth of the interval counts.
    Of one `series` a larger `size` covers the smaller. `effective_at` is since when the present timing holds.
    """

    __tablename__ = "maintenance_plan"
    __table_args__ = (
        unique("code"),
        link("asset_id", "asset"),
        link("model_id", "asset_model"),
        link("work_type_id", "work_type"),
        link("checklist_template_id", "checklist_template"),
        one_of("trigger", TriggerKind),
        one_of("counts_from", CountsFrom),
        check("subject", "(asset_id is null) <> (model_id is null)"),
        check(
            "timing",
            "case trigger when 'calendar' then rule is not null"
            " when 'meter' then meter_code is not null and every_units > 0"
            " else within_days >= 0 end",
        ),
        check("or_months", "or_months > 0"),
        check("size", "size between 1 and 100"),
        check("priority", "priority between 1 and 5"),
        check("estimate", "estimate_s > 0"),
        lookup("maintenance_plan_asset_idx", "asset_id"),
        lookup("maintenance_plan_model_idx", "model_id"),
    )
    code: str = Field(max_length=60)
    name: str
    asset_id: UUID | None = None
    model_id: UUID | None = None
    work_type_id: UUID
    checklist_template_id: UUID | None = None
    series: str | None = Field(default=None, max_length=60)
    size: int = 1
    trigger: str = Field(max_length=10)
    counts_from: str = Field(default=CountsFrom.PLAN, max_length=10)
    rule: str | None = None
    starts_on: date
    ends_on: date | None = None
    due_time: str = Field(default="09:00", max_length=5)
    meter_code: str | None = Field(default=None, max_length=60)
    every_units: Decimal | None = quantity(default=None, nullable=True)
    units_a_day: Decimal | None = quantity(default=None, nullable=True)
    or_months: int | None = None
    within_days: int | None = None
    pauses: list[list[str]] = document(default_factory=list)
    early_days: int | None = None
    late_days: int | None = None
    lead_days: int = 14
    estimate_s: int | None = None
    crew_size: int = 1
    priority: int | None = None
    is_active: bool = True
    effective_at: datetime = instant()
    created_at: datetime = instant()


class MaintenanceOccurrence(Row, table=True):
    """One time that a plan falls due on an asset: each is there once, whoever generates it.

    `key` names it in its plan: the local day of a calendar, a number in a chain, what called for it. Whether
    it was done in time follows from its work order, or from that of the occurrence that covered it.
    `interval_s`, the tolerance's bounds and `cause` (calendar and meter: predetermined, condition:
    condition-based) are kept as they were, for figures of the past.
    """

    __tablename__ = "maintenance_occurrence"
    __table_args__ = (
        link("plan_id", "maintenance_plan"),
        link("asset_id", "asset"),
        link("work_order_id", "work_order"),
        link("covered_by_id", "maintenance_occurrence"),
        unique("plan_id", "asset_id", "key"),
        unique("work_order_id"),
        one_of("status", OccurrenceStatus),
        one_of("cause", TriggerKind),
        check("tolerance", "earliest_at <= due_at and due_at <= latest_at"),
        check("covered", "(status = 'covered') = (covered_by_id is not null)"),
        check("ordered", "status <> 'ordered' or work_order_id is not null"),
        lookup("maintenance_occurrence_asset_idx", "asset_id", "due_at"),
        lookup("maintenance_occurrence_due_idx", "due_at"),
        lookup("maintenance_occurrence_covered_by_idx", "covered_by_id"),
    )
    plan_id: UUID
    asset_id: UUID
    key: str = Field(max_length=80)
    status: str = Field(default=OccurrenceStatus.EXPECTED, max_length=10)
    cause: str = Field(max_length=10)
    due_at: datetime = instant()
    due_lo_at: datetime = instant()
    due_hi_at: datetime | None = instant(nullable=True, default=None)
    earliest_at: datetime = instant()
    latest_at: datetime = instant()
    interval_s: int | None = None
    meter_total: Decimal | None = quantity(default=None, nullable=True)
    work_order_id: UUID | None = None
    covered_by_id: UUID | None = None
    skip_reason: str | None = None
    note: str = ""
    plan_rev: int = Field(default=1, sa_type=BigInteger)
    created_at: datetime = instant()


refusal(
    "maintenance_plan_code_key", Conflict, "There is already a maintenance plan with this code."
)
refusal("maintenance_plan_timing_check", Invalid, "The plan does not say when its work falls due.")
refusal(
    "maintenance_occurrence_plan_id_asset_id_key_key",
    Conflict,
    "This occurrence has already been generated.",
)
