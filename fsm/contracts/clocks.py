"""The promises a job starts with: its pinned versions, and when each clock would run out.

`service_hours` knows time and `service_levels` knows promises; this brings the two together. What
happens to a clock afterwards is for `service_hours.read_clock`, from the history kept with the job.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from fsm.contracts.opening_hours import AROUND_THE_CLOCK, Calendar
from fsm.contracts.service_hours import NeverDue, ServiceHours, due
from fsm.contracts.service_levels import ClockKind, ServiceLevel, StopsAt


@dataclass(frozen=True, slots=True)
class PinnedPolicy:
    """The versions that a job's clocks were started under; they never change for it."""

    service_level_version_id: UUID
    calendar_version_id: UUID
    service_level: ServiceLevel
    calendar: Calendar


@dataclass(frozen=True, slots=True)
class StartedClock:
    """A clock as it starts. `due_at` is None where the calendar never opens long enough."""

    kind: ClockKind
    target_s: int
    stops_at: StopsAt
    started_at: datetime
    due_at: datetime | None


def hours_of(kind: ClockKind, calendar: Calendar, zone: str) -> ServiceHours:
    """Return the hours on which a clock runs: the contract's, but for a period that the law sets."""
    open_hours = AROUND_THE_CLOCK if kind is ClockKind.STATUTORY else calendar
    return ServiceHours(open_hours, ZoneInfo(zone))


def start_clocks(
    policy: PinnedPolicy, zone: str, priority: int, started_at: datetime
) -> tuple[StartedClock, ...]:
    """Return a clock for each promise that the policy makes at `priority`; it may make none.

    `zone` is the IANA name of the site's zone, `started_at` an aware instant.
    """
    clocks: list[StartedClock] = []
    for kind in ClockKind:
        target = policy.service_level.target(kind, priority)
        if target is None:
            continue
        try:
            due_at = due(hours_of(kind, policy.calendar, zone), started_at, target.target_s)
        except NeverDue:
            due_at = None
        clocks.append(StartedClock(kind, target.target_s, target.stops_at, started_at, due_at))
    return tuple(clocks)
