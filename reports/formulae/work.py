"""Figures counted from jobs, visits and requests: promises to arrive, plans, reopened and waiting work."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from fsm.intervals import HOUR, Micros, clip, length, micros
from reports.formulae.outcomes import FOLLOW_UP
from reports.formulae.shares import counted, proportion
from reports.results import Figure, NullReason, Quantity, Share, ratio
from reports.rows import Period, Span, closed
from reports.statistics import percentile

FREEZE = time(18)
"""Local time on the day before, after which a day's plan is frozen."""


@dataclass(frozen=True, slots=True)
class Announced:
    """A visit with the window that was announced. `is_replaced`: another one came in the same window."""

    id: str
    window_starts_at: datetime
    window_ends_at: datetime
    arrived_at: datetime | None = None
    work_started_at: datetime | None = None
    cancelled_at: datetime | None = None
    is_replaced: bool = False


def on_time(visits: Iterable[Announced], period: Period) -> Figure:
    """Return the share of announced windows kept: arrived by the end, work not begun before the start.

    Where nobody came, a cancellation after the window changes nothing.
    """
    shares: list[Share] = []
    notes: list[str] = []
    for visit in visits:
        if not _within(visit.window_ends_at, period):
            continue
        state = _arrival(visit, period.as_of)
        if state in ("cancelled", "replaced", "running"):
            shares.append(Share("visit", visit.id, excluded=state))
            continue
        shares.append(Share("visit", visit.id, int(state == "kept"), 1))
        notes += [state] if state != "kept" else []
    return proportion(shares, "visit", NullReason.NOTHING_DUE, counted(notes))


def _arrival(visit: Announced, as_of: datetime) -> str:
    if _happened(visit.arrived_at, as_of):
        assert visit.arrived_at is not None
        began = visit.work_started_at if _happened(visit.work_started_at, as_of) else None
        if micros(visit.arrived_at) > micros(visit.window_ends_at):
            return "late"
        is_early = micros(began or visit.arrived_at) < micros(visit.window_starts_at)
        return "early" if is_early else "kept"
    if _happened(visit.cancelled_at, min(as_of, visit.window_ends_at, key=micros)):
        return "cancelled"
    if visit.is_replaced:
        return "replaced"
    return "missed" if micros(visit.window_ends_at) < micros(as_of) else "running"


@dataclass(frozen=True, slots=True)
class Planned:
    """A visit and what stood in the plan for it: (since when, its start), ascending.

    Its days are those of `zone`; from `taken_back_at` on it is in no plan.
    """

    id: str
    versions: tuple[tuple[datetime, datetime], ...]
    arrived_at: datetime | None = None
    taken_back_at: datetime | None = None
    zone: str = "UTC"


def adherence(visits: Iterable[Planned], period: Period) -> Figure:
    """Return the share of visits in the plan frozen at 18:00 of the day before that took place on the day.

    Visits that broke into the plan are listed, not counted.
    """
    shares: list[Share] = []
    for visit in visits:
        frozen = list(_frozen(visit, period))
        for number, (begins, ends) in enumerate(frozen):
            name = f"{visit.id}/{number}"
            has_arrived = _happened(visit.arrived_at, period.as_of)
            if micros(ends) > micros(period.as_of) and not has_arrived:
                shares.append(Share("planned_visit", name, excluded="running"))
                continue
            is_done = (
                visit.arrived_at is not None
                and has_arrived
                and micros(begins) <= micros(visit.arrived_at) < micros(ends)
            )
            shares.append(Share("planned_visit", name, int(is_done), 1))
        if not frozen and visit.arrived_at is not None and period.holds(visit.arrived_at):
            shares.append(Share("planned_visit", visit.id, excluded="break_in"))
    return proportion(shares, "visit", NullReason.NOTHING_DUE, ())


def _frozen(visit: Planned, period: Period) -> Iterator[tuple[datetime, datetime]]:
    """Yield begin and end of each day for which the visit stood in the frozen plan."""
    zone = ZoneInfo(visit.zone)
    for number, (since, starts) in enumerate(visit.versions):
        day = starts.astimezone(zone).date()
        frozen_at = micros(datetime.combine(day - timedelta(days=1), FREEZE, zone))
        is_last = number + 1 == len(visit.versions)
        stood = micros(since) <= frozen_at and (
            is_last or micros(visit.versions[number + 1][0]) > frozen_at
        )
        is_back = visit.taken_back_at is not None and micros(visit.taken_back_at) <= frozen_at
        if stood and not is_back and frozen_at <= micros(period.as_of) and _within(starts, period):
            begins, ends = (
                datetime.combine(each, time.min, zone) for each in (day, day + timedelta(days=1))
            )
            yield begins, ends


@dataclass(frozen=True, slots=True)
class Worked:
    """A stretch of hands-on time of one person on one job; `again_from` is since when it was work again."""

    job_id: str
    person_id: str
    during: Span
    maintenance: str = "corrective"
    again_from: datetime | None = None


def rework(entries: Iterable[Worked], period: Period) -> Figure:
    """Return the person-hours worked again / person-hours worked, in the window."""
    shares = [
        Share("work_order", job_id, again / HOUR, spent / HOUR)
        for job_id, (spent, again, _) in _per_job(entries, period).items()
    ]
    return _of_hours(shares)


def preventive_share(entries: Iterable[Worked], period: Period) -> Figure:
    """Return the person-hours of preventive work / of preventive and corrective work, in the window."""
    shares = []
    for job_id, (spent, _, maintenance) in _per_job(entries, period).items():
        if maintenance in ("preventive", "corrective"):
            above = spent / HOUR if maintenance == "preventive" else 0
            shares.append(Share("work_order", job_id, above, spent / HOUR))
        else:
            shares.append(Share("work_order", job_id, excluded=maintenance))
    return _of_hours(shares)


def _per_job(entries: Iterable[Worked], period: Period) -> dict[str, tuple[Micros, Micros, str]]:
    """Return (time worked, time worked again, kind) per job; a person's overlapping entries count once."""
    stretches: defaultdict[tuple[str, str], list[Worked]] = defaultdict(list)
    for entry in entries:
        stretches[entry.job_id, entry.person_id].append(entry)
    found: dict[str, tuple[Micros, Micros, str]] = {}
    for (job_id, _), listed in stretches.items():
        parts = clip(closed(tuple(each.during for each in listed), period.until()), period.seen())
        since = listed[0].again_from
        later = clip(parts, (micros(since), max(micros(since), period.until()))) if since else ()
        if parts:
            spent, again, kind = found.get(job_id, (0, 0, listed[0].maintenance))
            found[job_id] = spent + length(parts), again + length(later), kind
    return found


def _of_hours(shares: Sequence[Share]) -> Figure:
    return ratio(
        shares,
        units=("h", "h"),
        null_reason=NullReason.NO_EXPOSURE,
        n=sum(1 for share in shares if share.excluded is None),
    )


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One time that preventive work fell due, with its tolerance. `set_aside` says why it is not wanted."""

    id: str
    due_at: datetime
    earliest_at: datetime
    latest_at: datetime
    done_at: datetime | None = None
    is_skipped: bool = False
    set_aside: str | None = None


def pm_compliance(occurrences: Iterable[Occurrence], period: Period) -> Figure:
    """Return the share of preventive work due in the window that was done within its tolerance."""
    shares: list[Share] = []
    notes: list[str] = []
    for each in occurrences:
        if not _within(each.due_at, period):
            continue
        state = each.set_aside or _upkeep(each, period.as_of)
        if each.set_aside or state == "running":
            shares.append(Share("occurrence", each.id, excluded=state))
            continue
        shares.append(Share("occurrence", each.id, int(state == "in_time"), 1))
        notes += [state] if state != "in_time" else []
    return proportion(shares, "occurrence", NullReason.NOTHING_DUE, counted(notes))


def _upkeep(each: Occurrence, as_of: datetime) -> str:
    if _happened(each.done_at, as_of):
        assert each.done_at is not None
        if micros(each.done_at) < micros(each.earliest_at):
            return "early"
        return "late" if micros(each.done_at) > micros(each.latest_at) else "in_time"
    if each.is_skipped:
        return "skipped"
    return "missed" if micros(each.latest_at) < micros(as_of) else "running"


@dataclass(frozen=True, slots=True)
class Job:
    """A job: when it was reported, and each time that its work was done, it was closed or it was reopened.

    `done_at` are the instants at which nothing was left to do, `reopened_at` those at which there was again.
    """

    id: str
    reported_at: datetime
    done_at: tuple[datetime, ...] = ()
    closed_at: tuple[datetime, ...] = ()
    reopened_at: tuple[datetime, ...] = ()
    cancelled_at: datetime | None = None
    estimate: timedelta = timedelta(hours=1)


def reopen(jobs: Iterable[Job], period: Period) -> Figure:
    """Return the share of the jobs closed in the window that were reopened within 30 days."""
    shares: list[Share] = []
    for job in jobs:
        closed = [micros(at) for at in job.closed_at if period.holds(at)]
        if not closed:
            continue
        last = min(min(closed) + FOLLOW_UP // timedelta(microseconds=1), micros(period.as_of))
        came_back = any(min(closed) < micros(at) <= last for at in job.reopened_at)
        shares.append(Share("work_order", job.id, int(came_back), 1))
    return proportion(shares, "job", NullReason.NOTHING_DUE, ())


def backlog(jobs: Iterable[Job], period: Period) -> dict[str, Figure]:
    """Return count, p50 and p90 of the age and the estimated hours of the jobs open at the end."""
    until = period.until()
    waiting = [job for job in jobs if micros(period.from_at) < until and _is_open(job, until)]
    waiting.sort(key=lambda job: micros(job.reported_at), reverse=True)
    ages = [(until - micros(job.reported_at)) / HOUR for job in waiting]
    notes = counted(_age(until - micros(job.reported_at)) for job in waiting)
    loads = [job.estimate // timedelta(microseconds=1) for job in waiting]
    n = len(waiting)

    def figure(
        value: float | None, unit: str, amounts: Iterable[float], *, has_sides: bool
    ) -> Figure:
        return Figure(
            value=value,
            unit=unit,
            n=n,
            null_reason=None if value is not None else NullReason.NOTHING_DUE,
            numerator=Quantity(value, unit) if has_sides and value is not None else None,
            denominator=None,
            notes=notes,
            shares=tuple(
                Share("work_order", job.id, amount)
                for job, amount in zip(waiting, amounts, strict=True)
            ),
        )

    return {
        "count": figure(n, "job", [1] * n, has_sides=True),
        "p50": figure(percentile(ages, 0.5) if ages else None, "h", ages, has_sides=False),
        "p90": figure(percentile(ages, 0.9) if ages else None, "h", ages, has_sides=False),
        "hours": figure(
            sum(loads) / HOUR if n else None, "h", [load / HOUR for load in loads], has_sides=True
        ),
    }


def _is_open(job: Job, until: Micros) -> bool:
    if micros(job.reported_at) >= until:
        return False
    if job.cancelled_at is not None and micros(job.cancelled_at) < until:
        return False
    done = max((at for at in map(micros, job.done_at) if at < until), default=None)
    if done is None:
        return True
    return any(done <= at < until for at in map(micros, job.reopened_at))


def _age(age: Micros) -> str:
    for days in (7, 30, 90):
        if age <= days * 24 * HOUR:
            return f"up_to_{days}_days"
    return "over_90_days"


@dataclass(frozen=True, slots=True)
class Contact:
    """A request whose work ended: whether somebody came for it, and when the caller asked again."""

    id: str
    solved_at: datetime
    visited_at: datetime | None = None
    reminded_at: tuple[datetime, ...] = ()


def first_contact(requests: Sequence[Contact], period: Period) -> Figure:
    """Return the share of requests solved without a visit and without another contact within 30 days."""
    shares: list[Share] = []
    notes: list[str] = []
    for request in requests:
        if not period.holds(request.solved_at):
            continue
        last = min(
            micros(request.solved_at) + FOLLOW_UP // timedelta(microseconds=1), micros(period.as_of)
        )
        word = None
        if _happened(request.visited_at, period.as_of):
            word = "visited"
        elif any(micros(at) <= last for at in request.reminded_at):
            word = "second_contact"
        shares.append(Share("request", request.id, int(word is None), 1))
        notes += [word] if word else []
    return proportion(shares, "request", NullReason.NOTHING_DUE, counted(notes))


def _within(at: datetime, period: Period) -> bool:
    """Say whether something due at `at` belongs to the window, whether or not that has come."""
    return micros(period.from_at) <= micros(at) < micros(period.to_at)


def _happened(at: datetime | None, as_of: datetime) -> bool:
    return at is not None and micros(at) <= micros(as_of)
