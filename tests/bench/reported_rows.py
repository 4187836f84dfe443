"""What a company with years of work is written by: its size, the rows on their way, its opening hours."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from fsm.contracts.opening_hours import calendar_from_json, openings_from
from fsm.contracts.service_hours import (
    ClockHistory,
    ClockReading,
    ClockState,
    ServiceHours,
    read_clock,
)
from fsm.intervals import SECOND
from tests.company import WORKING_HOURS

ZONE = "Europe/Paris"
NOW = datetime(2026, 3, 23, 8, 0, tzinfo=UTC)
BATCH = 5_000

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Size:
    """How much happened: jobs over years, on assets, under contracts."""

    jobs: int
    assets: int
    contracts: int
    years: int = 5

    @classmethod
    def of(cls, jobs: int, years: int = 5) -> "Size":
        """Return the size of a company with so many jobs: 20 on an asset, 25 assets under a contract."""
        return cls(jobs, max(1, jobs // 20), max(1, jobs // 500), years)

    @property
    def technicians(self) -> int:
        return max(5, self.jobs // (900 * self.years))

    @property
    def batches(self) -> int:
        return -(-self.jobs // BATCH)

    @property
    def began_at(self) -> datetime:
        return NOW - timedelta(days=365 * self.years)


@dataclass(frozen=True, slots=True)
class Place:
    """An asset with whom and where it is, and the contract it is on, if it is."""

    asset_id: UUID
    customer_id: UUID
    site_id: UUID
    contract_id: UUID | None
    plan_id: UUID


@dataclass(frozen=True, slots=True)
class Founded:
    """Rows of the company that its years refer to."""

    tenant_id: UUID
    user_id: UUID
    model_id: UUID
    checklist_id: UUID
    rules_sha256: str
    level_id: UUID
    level_version_id: UUID
    calendar_version_id: UUID
    repair_id: UUID
    reasons: dict[str, UUID]


async def find_founded(connection: Any, slug: str) -> Founded:
    """Return what `found_company` made under this name."""
    row = await connection.fetchrow(_FOUNDED, slug)
    reasons = await connection.fetch(
        "select code, id from reason where tenant_id = $1 and kind = 'pause'", row["tenant_id"]
    )
    return Founded(**row, reasons={each["code"]: each["id"] for each in reasons})


class Rows:
    """Rows by table and columns, until COPY takes them."""

    def __init__(self, tenant_id: UUID) -> None:
        self._tenant_id = tenant_id
        self._kept: defaultdict[str, list[tuple[Any, ...]]] = defaultdict(list)

    def add(self, table: str, *values: Any) -> None:
        self._kept[table].append((self._tenant_id, *values))

    async def copy(self, connection: Any) -> None:
        for table, rows in self._kept.items():
            await connection.copy_records_to_table(
                table, columns=["tenant_id", *_COLUMNS[table].split()], records=rows
            )
        self._kept.clear()


class Openings:
    """When the company is open, added up once: the rule of service hours looks day by day for each clock."""

    def __init__(self, began_at: datetime) -> None:
        self._hours = ServiceHours(calendar_from_json(WORKING_HOURS), ZoneInfo(ZONE))
        self._opens: list[int] = []
        self._open_before: list[int] = [0]
        for opens, closes in openings_from(
            self._hours.calendar, self._hours.zone, began_at.date(), (NOW + 60 * _DAY).date()
        ):
            self._opens.append(opens // SECOND)
            self._open_before.append(self._open_before[-1] + (closes - opens) // SECOND)

    def read(self, history: ClockHistory) -> ClockReading:
        """Return what a clock shows at `NOW`; what was paused, reopened or cancelled is left to the rule."""
        started = history.started
        assert started is not None
        if history.pauses or history.cancelled or any(stop.reopened for stop in history.stops):
            return read_clock(self._hours, history, NOW)[-1]
        stopped_at = history.stops[0].stopped.at if history.stops else None
        open_s = self._open_s(started.at)
        due_at = self._reached(open_s + history.target_s)
        is_late = (stopped_at or NOW) > due_at
        state = "breached" if is_late else "met" if stopped_at else "running"
        return ClockReading(
            ClockState(state),
            history.target_s,
            started.at,
            stopped_at,
            due_at,
            elapsed=timedelta(seconds=self._open_s(stopped_at or NOW) - open_s),
        )

    def _open_s(self, at: datetime) -> int:
        """Return for how many seconds the company was open before an instant."""
        seconds = int(at.timestamp())
        place = bisect_right(self._opens, seconds) - 1
        if place < 0:
            return 0
        since = seconds - self._opens[place]
        return min(self._open_before[place] + since, self._open_before[place + 1])

    def _reached(self, open_s: int) -> datetime:
        """Return the first instant by which the company has been open for so long."""
        place = bisect_left(self._open_before, open_s) - 1
        return datetime.fromtimestamp(self._opens[place] + open_s - self._open_before[place], UTC)


_FOUNDED = """
select t.id as tenant_id,
       (select id from "user" where tenant_id = t.id order by id limit 1) as user_id,
       (select id from asset_model where tenant_id = t.id order by id limit 1) as model_id,
       v.id as checklist_id, v.rules_sha256, l.service_level_id as level_id, l.id as level_version_id,
       (select id from calendar_version where tenant_id = t.id order by id limit 1)
         as calendar_version_id,
       (select id from work_type where tenant_id = t.id and code = 'repair') as repair_id
from tenant t
join checklist_version v on v.tenant_id = t.id
join service_level_version l on l.tenant_id = t.id
where t.slug = $1
"""

_COLUMNS = {
    "work_type": "id rev code name is_active",
    "work_type_version": "id work_type_id version effective_at names request_class maintenance "
    "duration_s priority skills",
    "asset_model": "id rev code manufacturer name equipment",
    "maintenance_plan": "id rev code name model_id work_type_id size trigger counts_from rule "
    "starts_on due_time pauses lead_days crew_size is_active effective_at created_at",
    "customer": "id rev number name notes is_active created_at",
    "contract": "id rev customer_id number name kind starts_on ends_on service_level_id monthly_fee "
    "currency covers payers priority created_at credits",
    "site": "id rev customer_id number name address city region country zone access_notes hazards "
    "is_active created_at radius_m",
    "asset": "id rev customer_id site_id parent_id serial model_id number name place criticality "
    "in_service_from retired_at notes created_at",
    "contract_asset": "id contract_id asset_id during weight",
    "technician": "id rev number name zone territory home_address is_contractor is_active",
    "absence": "id rev technician_id during kind note",
    "work_order": "id rev number status request_id customer_id site_id asset_id contract_id "
    "failure_id work_type_id work_type_version_id request_class maintenance priority title "
    "description estimate_s crew_size skills zone is_rework follows_id reported_at work_done_at "
    "completed_at closed_at closed_by reopened_at cancelled_at respond_by restore_by "
    "service_level_version_id calendar_version_id checklist_version_id rules_sha256 facts_rev "
    "closure_id wants_more_work is_unproved created_at",
    "work_order_closure": "id work_order_id facts_rev rules_sha256 verdict unmet judged_at",
    "visit": "id rev work_order_id technician_id status planned_starts_at planned_ends_at "
    "window_starts_at window_ends_at travel_s is_pinned dispatched_at arrived_at work_started_at finished_at "
    "is_orphan created_at",
    "promise": "id work_order_id visit_id window_starts_at window_ends_at channel sent_at told_by "
    "asked_by probability",
    "time_entry": "id work_order_id visit_id technician_id kind during corrects_id needs_review "
    "recorded_at",
    "cost_line": "id work_order_id asset_id contract_id technician_id kind quantity unit_cost amount "
    "currency posted_on source_kind payer created_at price",
    "failure": "id rev asset_id failed_at detected_at restored_at mode exclusion",
    "outage": "id rev asset_id failure_id during cause is_degraded",
    "service_request": "id rev number asset_id site_id customer_id source status request_class text "
    "contact_name contact_phone contact_email language reported_at decline_reason visitor",
    "pause": "id work_order_id visit_id reason_id during stops_sla_clock stops_repair_clock by",
    "clock": "id work_order_id kind service_level_version_id calendar_version_id zone target_s "
    "started_at due_at stopped_at elapsed_s stops retargets state",
    "maintenance_occurrence": "id plan_id asset_id key status cause due_at due_lo_at earliest_at "
    "latest_at work_order_id note plan_rev created_at",
    "event": "id kind entity entity_id actor_kind actor_name occurred_at occurred_lo_at "
    "occurred_hi_at received_at data",
}
