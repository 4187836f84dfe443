"""Plans and occurrences as the API takes and shows them."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import pydantic

from fsm import http
from fsm.http import Body, Code, Day, Instant, Line, Short
from fsm.maintenance.covering import OccurrenceStatus
from fsm.maintenance.due import CountsFrom, TriggerKind
from fsm.maintenance.outlook import Coming, Outlook
from fsm.maintenance.queries import Listed
from fsm.maintenance.sentences import said
from fsm.maintenance.tables import MaintenancePlan

Clock = Annotated[str, pydantic.Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
MonthDay = Annotated[str, pydantic.Field(pattern=r"^[0-9]{2}-[0-9]{2}$")]
Rule = Annotated[str, pydantic.Field(min_length=1, max_length=300)]
Days = Annotated[int, pydantic.Field(ge=0, le=3_650)]
Pauses = Annotated[
    list[Annotated[list[MonthDay], pydantic.Field(min_length=2, max_length=2)]],
    pydantic.Field(max_length=12),
]
Months = Annotated[int, pydantic.Field(ge=1, le=120)]
Size = Annotated[int, pydantic.Field(ge=1, le=100)]
Priority = Annotated[int, pydantic.Field(ge=1, le=5)]
Crew = Annotated[int, pydantic.Field(ge=1, le=10)]
Estimate = Annotated[int, pydantic.Field(ge=60, le=30 * 86_400)]


class _Terms(Body):
    """What a plan is made with and what an edit may change."""

    checklist_template_id: UUID | None = None
    series: Code | None = None
    size: Size = 1
    counts_from: CountsFrom = CountsFrom.PLAN
    rule: Rule | None = None
    ends_on: Day | None = None
    due_time: Clock = "09:00"
    meter_code: Code | None = None
    every_units: http.Quantity | None = None
    units_a_day: http.Quantity | None = None
    or_months: Months | None = None
    within_days: Days | None = None
    pauses: Pauses = []
    early_days: Days | None = None
    late_days: Days | None = None
    lead_days: Annotated[int, pydantic.Field(ge=0, le=366)] = 14
    estimate_s: Estimate | None = None
    crew_size: Crew = 1
    priority: Priority | None = None


class NewPlan(_Terms):
    """Preventive work for `asset_id`, or for every asset of `model_id`.

    By the calendar: `rule` (RFC 5545, without a time) from `starts_on`; counted from the completion it is
    FREQ and INTERVAL alone, and `starts_on` is the first due date. By a counter: `every_units` of the meter
    `meter_code`, or `or_months`, whichever comes first. By a condition: `within_days` of its being noticed.
    `due_time` is on the site's clocks. In `pauses` nothing falls due. Without `early_days` and `late_days` a
    tenth of the interval is tolerated. In one `series` a larger `size` covers the smaller. Work orders are
    made `lead_days` before they are due.
    """

    code: Code
    name: Line
    asset_id: UUID | None = None
    model_id: UUID | None = None
    work_type: Code
    trigger: TriggerKind
    starts_on: Day


class PlanEdit(_Terms):
    rev: http.Revision
    name: Line = ""
    work_type: Code = ""
    trigger: TriggerKind = TriggerKind.CALENDAR
    starts_on: Day = date(2000, 1, 1)
    is_active: bool = True


class Skipping(Body):
    """The code of a reason for cancelling work."""

    reason: Code


class Condition(Body):
    """What was noticed on an asset. `key` is the caller's own: the same key is the same condition."""

    asset_id: UUID
    key: Annotated[Code, pydantic.Field(max_length=60)]
    observed_at: Instant | None = None
    note: Short = ""


class PlanView(msgspec.Struct, frozen=True):
    id: UUID
    rev: int
    code: str
    name: str
    asset_id: UUID | None
    model_id: UUID | None
    work_type_id: UUID
    checklist_template_id: UUID | None
    series: str | None
    size: int
    trigger: TriggerKind
    counts_from: CountsFrom
    rule: str | None
    starts_on: date
    ends_on: date | None
    due_time: str
    meter_code: str | None
    every_units: Decimal | None
    units_a_day: Decimal | None
    or_months: int | None
    within_days: int | None
    pauses: list[list[str]]
    early_days: int | None
    late_days: int | None
    lead_days: int
    estimate_s: int | None
    crew_size: int
    priority: int | None
    is_active: bool
    effective_at: datetime

    @classmethod
    def of(cls, plan: MaintenancePlan) -> "PlanView":
        values: dict[str, Any] = {name: getattr(plan, name) for name in cls.__struct_fields__}
        return cls(
            **values
            | {"trigger": TriggerKind(plan.trigger), "counts_from": CountsFrom(plan.counts_from)}
        )


class PlanPage(msgspec.Struct, frozen=True):
    items: list[PlanView]
    next: str | None


class OccurrenceView(msgspec.Struct, frozen=True):
    """One time that a plan falls due on an asset, and what became of it (`said`, by language).

    `due_lo_at` and `due_hi_at` bound a forecast with probability 0.9; without `due_hi_at` it may never come.
    `number` and `done_at` are those of its work order, or of the larger service that covers it.
    """

    id: UUID
    plan_id: UUID
    plan: str
    asset_id: UUID
    asset: str
    key: str
    status: OccurrenceStatus
    cause: TriggerKind
    due_at: datetime
    due_lo_at: datetime
    due_hi_at: datetime | None
    earliest_at: datetime
    latest_at: datetime
    interval_s: int | None
    meter_total: Decimal | None
    work_order_id: UUID | None
    covered_by_id: UUID | None
    skip_reason: str | None
    note: str
    number: str | None
    done_at: datetime | None
    said: dict[str, str]

    @classmethod
    def of(cls, listed: Listed, now: datetime) -> "OccurrenceView":
        row = listed.occurrence
        values = {name: getattr(row, name) for name in cls.__struct_fields__ if hasattr(row, name)}
        status, cause = OccurrenceStatus(row.status), TriggerKind(row.cause)
        return cls(
            **values | {"status": status, "cause": cause},
            plan=listed.plan_name,
            asset=listed.asset_number,
            number=listed.number,
            done_at=listed.done_at,
            said=said(
                status,
                cause,
                ZoneInfo(listed.zone),
                now,
                due_at=row.due_at,
                lo_at=row.due_lo_at,
                hi_at=row.due_hi_at,
                latest_at=row.latest_at,
                meter_total=row.meter_total,
                number=listed.number,
                done_at=listed.done_at,
                reason=row.skip_reason,
            ),
        )


class OccurrencePage(msgspec.Struct, frozen=True):
    items: list[OccurrenceView]
    next: str | None


class ComingView(msgspec.Struct, frozen=True):
    """A service to come, as the plan, the readings and the completions foresee it now."""

    plan_id: UUID
    asset_id: UUID
    asset: str
    key: str
    cause: TriggerKind
    due_at: datetime
    due_lo_at: datetime
    due_hi_at: datetime | None
    meter_total: Decimal | None

    @classmethod
    def of(cls, one: Coming) -> "ComingView":
        due = one.due
        return cls(
            one.plan.id,
            one.asset_id,
            one.asset_number,
            due.key,
            due.cause,
            due.due_at,
            due.lo_at,
            due.hi_at,
            due.meter_total,
        )


class LoadView(msgspec.Struct, frozen=True):
    """Hours of one person, in a week that begins on a Monday, of jobs that ask for all of `skills`.

    `unsure_hours` are those of forecasts that may as well fall into another week.
    """

    week_on: date
    skills: list[str]
    jobs: int
    hours: Decimal
    unsure_hours: Decimal


class OutlookView(msgspec.Struct, frozen=True):
    first_on: date
    weeks: int
    zone: str
    loads: list[LoadView]

    @classmethod
    def of(cls, outlook: Outlook) -> "OutlookView":
        return cls(
            outlook.first_on,
            outlook.weeks,
            outlook.zone,
            [
                LoadView(
                    week,
                    list(trade),
                    load.jobs,
                    _hours(load.work_s),
                    _hours(load.unsure_s),
                )
                for (week, trade), load in sorted(outlook.loads.items())
            ],
        )


def _hours(seconds: int) -> Decimal:
    return (Decimal(seconds) / 3_600).quantize(Decimal("0.01"))
