"""From rows to a problem, and from a plan to the visits that it proposes.

Instants, zones and changes of clocks are resolved here: a problem counts whole seconds from the first
midnight of its horizon in the company's zone. Visits that are already planned stay where they are; they
are stops that their technicians make.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
from sqlmodel import col, select

from fsm.actors import Actor
from fsm.customers.tables import Site
from fsm.database import Session
from fsm.technicians.queries import list_skills
from fsm.technicians.shift_pattern import DayRange
from fsm.technicians.working_time import WorkingShift, bounds, list_working
from fsm.tenants.queries import find_own_tenant
from fsm.work_orders.lifecycle import LIVE_VISITS, Status
from fsm.work_orders.tables import Visit as PlannedVisit
from fsm.work_orders.tables import WorkOrder
from scheduler import problem as model
from scheduler.child import Solved
from scheduler.sentences import LANGUAGES, sentence
from scheduler.travel import Geodesic, TravelProvider

MOST_DAYS = 14
MOST_VISITS = 2_000

Position = tuple[float, float]

NO_POSITION = {
    "en": "{label} cannot be planned: its site has no position. Enter one, or look the address up.",
    "ru": "{label} нельзя запланировать: у площадки нет координат. Укажите их или найдите по адресу.",
}


@dataclass(slots=True)
class Day:
    """A problem with what leads back from its ids to rows."""

    problem: model.DayProblem
    starts_at: datetime
    """The instant that second 0 stands for."""
    work_orders: dict[str, WorkOrder]
    """By visit id of the problem."""
    left_out: list[dict[str, Any]] = field(default_factory=list)
    """Work that could not be put into the problem at all, with the reason."""
    notes: list[str] = field(default_factory=list)

    def instant(self, second: int) -> datetime:
        return self.starts_at + timedelta(seconds=second)


class _Places:
    """Positions as rows of the travel matrices, each once."""

    def __init__(self) -> None:
        self.positions: list[Position] = []
        self._rows: dict[Position, int] = {}

    def row(self, position: Position) -> int:
        if position not in self._rows:
            self._rows[position] = len(self.positions)
            self.positions.append(position)
        return self._rows[position]


async def build_day(
    session: Session,
    actor: Actor,
    *,
    starts_on: date,
    ends_on: date,
    now: datetime,
    travel: TravelProvider | None = None,
    weights: model.Weights | None = None,
) -> Day:
    """Return the problem of some days: open work without a visit, for the technicians who then work."""
    tenant = await find_own_tenant(session, actor.tenant_id)
    zone = ZoneInfo(tenant.zone)
    starts_at = datetime.combine(starts_on, time(), zone).astimezone(UTC)
    ends_at = datetime.combine(ends_on + timedelta(days=1), time(), zone).astimezone(UTC)
    working = await list_working(session, actor, DayRange(starts_on, ends_on))
    fixed = await _list_fixed(session, actor, starts_at, ends_at)
    waiting = await _list_waiting(session, actor)
    places = _Places()
    day = Day(_nothing(starts_at, tenant.zone, starts_on, ends_on), starts_at, {})

    shifts = _shifts(day, places, working, fixed, starts_on)
    length_s = int((ends_at - starts_at).total_seconds())
    first_s = min((shift.opens for shift in shifts), default=0)
    visits, crews = _visits(day, places, waiting, now, length_s, first_s)
    matrices = await (travel or Geodesic()).travel(np.array(places.positions or [(0.0, 0.0)]))
    skills = {skill.code for skill in await list_skills(session, actor)}
    skills |= {code for visit in visits for code, _ in visit.skills}
    skills |= {code for shift in shifts for code, _ in shift.skills}
    day.problem = replace(
        day.problem,
        travel_s=matrices.seconds,
        travel_m=matrices.metres,
        travel_source=matrices.source,
        technicians=_technicians(working),
        shifts=tuple(shifts),
        visits=tuple(visits),
        crews=tuple(crews),
        skills=tuple(sorted(skills)),
        now=max(0, int((now - starts_at).total_seconds())) if now >= starts_at else None,
        weights=weights or model.Weights(),
    )
    return day


def _nothing(starts_at: datetime, zone: str, starts_on: date, ends_on: date) -> model.DayProblem:
    return model.DayProblem(
        first_midnight=starts_at.astimezone(ZoneInfo(zone)).isoformat(),
        zone=zone,
        days=(ends_on - starts_on).days + 1,
        travel_s=np.zeros((1, 1), dtype=np.int32),
        travel_m=np.zeros((1, 1), dtype=np.int32),
        technicians=(),
        shifts=(),
        visits=(),
    )


async def _list_waiting(session: Session, actor: Actor) -> list[tuple[WorkOrder, Site]]:
    """Return jobs that need a visit and have none: the most urgent first, at most `MOST_VISITS`."""
    has_visit = (
        select(PlannedVisit.id)
        .where(
            PlannedVisit.tenant_id == WorkOrder.tenant_id,
            PlannedVisit.work_order_id == WorkOrder.id,
            col(PlannedVisit.status).in_([str(one) for one in LIVE_VISITS]),
        )
        .exists()
    )
    statement = (
        select(WorkOrder, Site)
        .join(
            Site, (col(Site.tenant_id) == WorkOrder.tenant_id) & (col(Site.id) == WorkOrder.site_id)
        )
        .where(
            WorkOrder.tenant_id == actor.tenant_id,
            (col(WorkOrder.status) == Status.OPEN)
            | ((col(WorkOrder.status) == Status.IN_PROGRESS) & col(WorkOrder.wants_more_work)),
            ~has_visit,
        )
        .order_by(col(WorkOrder.priority), col(WorkOrder.reported_at), col(WorkOrder.id))
        .limit(MOST_VISITS)
    )
    return [(work_order, site) for work_order, site in await session.exec(statement)]


async def _list_fixed(
    session: Session, actor: Actor, starts_at: datetime, ends_at: datetime
) -> dict[UUID, list[tuple[PlannedVisit, Site]]]:
    """Return the live visits of the horizon by technician, in order of time."""
    statement = (
        select(PlannedVisit, Site)
        .join(
            WorkOrder,
            (col(WorkOrder.tenant_id) == PlannedVisit.tenant_id)
            & (col(WorkOrder.id) == PlannedVisit.work_order_id),
        )
        .join(
            Site, (col(Site.tenant_id) == WorkOrder.tenant_id) & (col(Site.id) == WorkOrder.site_id)
        )
        .where(
            PlannedVisit.tenant_id == actor.tenant_id,
            PlannedVisit.planned_starts_at < ends_at,
            PlannedVisit.planned_ends_at > starts_at,
            col(PlannedVisit.status).in_([str(one) for one in LIVE_VISITS]),
        )
        .order_by(col(PlannedVisit.planned_starts_at), col(PlannedVisit.id))
    )
    found: dict[UUID, list[tuple[PlannedVisit, Site]]] = {}
    for visit, site in await session.exec(statement):
        found.setdefault(visit.technician_id, []).append((visit, site))
    return found


def _technicians(working: Iterable[WorkingShift]) -> tuple[model.Technician, ...]:
    names = {str(one.technician.id): one.technician.name for one in working}
    return tuple(model.Technician(id=key, name=name) for key, name in names.items())


def _shifts(
    day: Day,
    places: _Places,
    working: Sequence[WorkingShift],
    fixed: dict[UUID, list[tuple[PlannedVisit, Site]]],
    starts_on: date,
) -> list[model.Shift]:
    """Return the shifts that begin somewhere; one without a place is noted and left out."""
    shifts = []
    for one in working:
        start = _start_of(one)
        if start is None:
            day.notes.append(f"no_home:{one.technician.number}")
            continue
        first_at, last_at = bounds(one.shift.during)
        opens = _second(day, first_at)
        row = places.row(start)
        rest = one.shift
        breaks = (
            (
                model.Break(
                    earliest=opens + rest.break_earliest_s,
                    latest=opens + rest.break_latest_s,
                    length_s=rest.break_s,
                ),
            )
            if rest.break_s
            else ()
        )
        shifts.append(
            model.Shift(
                id=str(one.shift.id),
                technician=str(one.technician.id),
                day=(one.on - starts_on).days,
                start_place=row,
                end_place=row,
                opens=opens,
                closes=_second(day, last_at),
                overtime_limit_s=rest.overtime_s,
                territory=one.technician.territory or None,
                skills=tuple(sorted((held.code, held.level) for held in one.skills)),
                breaks=breaks,
                absences=_busy(day, places, one, fixed.get(one.technician.id, [])),
            )
        )
    return shifts


def _start_of(one: WorkingShift) -> Position | None:
    shift, technician = one.shift, one.technician
    if shift.start_latitude is not None and shift.start_longitude is not None:
        return shift.start_latitude, shift.start_longitude
    if technician.home_latitude is not None and technician.home_longitude is not None:
        return technician.home_latitude, technician.home_longitude
    return None


def _busy(
    day: Day, places: _Places, one: WorkingShift, fixed: Sequence[tuple[PlannedVisit, Site]]
) -> tuple[model.Absence, ...]:
    """Return when the technician of a shift is taken: absences, and visits that are already planned.

    Times that overlap are joined, since nobody is in two places; the first place then stands for all.
    """
    first_at, last_at = bounds(one.shift.during)
    opens, closes = _second(day, first_at), _second(day, last_at)
    taken: list[tuple[int, int, int | None]] = []
    for absence in one.absences:
        lower, upper = absence.during.lower, absence.during.upper
        starts = opens if lower is None else max(opens, _second(day, lower))
        ends = closes if upper is None else min(closes, _second(day, upper))
        taken.append((starts, ends, None))
    for visit, site in fixed:
        starts, ends = _second(day, visit.planned_starts_at), _second(day, visit.planned_ends_at)
        if starts < closes and ends > opens:
            place = (
                places.row((site.latitude, site.longitude))
                if site.latitude is not None and site.longitude is not None
                else None
            )
            taken.append((max(starts, opens), min(ends, closes), place))
    joined: list[tuple[int, int, int | None]] = []
    for starts, ends, place in sorted((each for each in taken if each[1] > each[0]), key=_begin):
        if joined and starts < joined[-1][1]:
            before = joined[-1]
            joined[-1] = (before[0], max(before[1], ends), before[2])
        else:
            joined.append((starts, ends, place))
    return tuple(model.Absence(start=s, end=e, place=p) for s, e, p in joined)


def _begin(taken: tuple[int, int, int | None]) -> tuple[int, int]:
    return taken[0], taken[1]


def _visits(
    day: Day,
    places: _Places,
    waiting: Sequence[tuple[WorkOrder, Site]],
    now: datetime,
    length_s: int,
    first_s: int,
) -> tuple[list[model.Visit], list[model.Crew]]:
    visits: list[model.Visit] = []
    crews: list[model.Crew] = []
    opens = min(max(0, _second(day, now)), length_s - 1)
    for work_order, site in waiting:
        if site.latitude is None or site.longitude is None:
            day.left_out.append(
                _left_out(
                    work_order,
                    "no_position",
                    {
                        lang: text.format(label=work_order.number)
                        for lang, text in NO_POSITION.items()
                    },
                )
            )
            continue
        place = places.row((site.latitude, site.longitude))
        legs = [
            model.Visit(
                id=str(work_order.id) if leg == 0 else f"{work_order.id}#{leg + 1}",
                place=place,
                duration_s=work_order.estimate_s,
                windows=((opens, length_s - 1),),
                priority=work_order.priority,
                due=_due(day, work_order, max(opens, first_s), length_s),
                skills=tuple(
                    sorted((str(one["skill"]), int(one["level"])) for one in work_order.skills)
                ),
                territory=site.region or None,
                label=work_order.number,
            )
            for leg in range(work_order.crew_size)
        ]
        for leg in legs:
            day.work_orders[leg.id] = work_order
        visits += legs
        crews += [model.Crew(one.id, two.id) for one, two in itertools.pairwise(legs)]
    return visits, crews


def _due(day: Day, work_order: WorkOrder, first_s: int, length_s: int) -> int | None:
    """Return by when somebody has to be there: for the response, else in time to restore.

    What is overdue already counts from `first_s`, when somebody could be there at the earliest: a job is
    never left out because it is late in any case.
    """
    due_at = work_order.respond_by
    if due_at is None and work_order.restore_by is not None:
        due_at = work_order.restore_by - timedelta(seconds=work_order.estimate_s)
    if due_at is None:
        return None
    due = max(_second(day, due_at), first_s)
    return due if due < length_s else None


def _second(day: Day, moment: datetime) -> int:
    return int((moment - day.starts_at).total_seconds())


def _left_out(work_order: WorkOrder, code: str, said: dict[str, str]) -> dict[str, Any]:
    return {
        "work_order_id": str(work_order.id),
        "number": work_order.number,
        "code": code,
        "blocking": [],
        "relaxation": None,
        "said": said,
    }


def outcome(day: Day, solved: Solved) -> dict[str, Any]:
    """Return a solved plan in the domain's terms: stops with instants, and why the rest stays out."""
    plan = solved.plan
    names = {one.id: one.name for one in day.problem.technicians}
    routes = []
    for route in plan.routes:
        stops = [
            {
                "kind": str(stop.kind),
                "work_order_id": _work_order_id(stop.visit),
                "number": day.work_orders[stop.visit].number if stop.visit else None,
                "arrives_at": day.instant(stop.arrive).isoformat(),
                "starts_at": day.instant(stop.start).isoformat(),
                "ends_at": day.instant(stop.end).isoformat(),
                "travel_s": stop.drive_s,
                "travel_m": stop.drive_m,
            }
            for stop in route.stops
        ]
        routes.append(
            {
                "shift_id": route.shift,
                "technician_id": route.technician,
                "technician": names.get(route.technician, ""),
                "leaves_at": day.instant(route.leave).isoformat(),
                "back_at": day.instant(route.back).isoformat(),
                "travel_s": route.drive_s,
                "travel_m": route.drive_m,
                "work_s": route.work_s,
                "waiting_s": route.waiting_s,
                "overtime_s": route.overtime_s,
                "stops": stops,
            }
        )
    unplanned = list(day.left_out)
    for reason in solved.reasons:
        if "#" in reason.visit:
            continue  # the second leg of a crew says the same as the first
        said = {language: sentence(reason, language) for language in LANGUAGES}
        unplanned.append(
            {
                **_left_out(day.work_orders[reason.visit], str(reason.cause), said),
                "blocking": [[str(rule) for rule in rules] for rules in reason.blocking],
                "relaxation": _relaxation(reason.relaxation),
            }
        )
    return {
        "routes": routes,
        "unplanned": unplanned,
        "costs": {
            name: getattr(plan.costs, name) for name in (*model.Costs.__dataclass_fields__, "total")
        },
        "notes": [*plan.notes, *day.notes],
        "travel_source": day.problem.travel_source,
    }


def _work_order_id(visit: str | None) -> str | None:
    return visit.partition("#")[0] if visit else None


def _relaxation(found: Any) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "way": str(found.way),
        "technician": found.technician,
        "starts_at": found.starts_at,
        "cost": found.cost,
        "metres": found.metres,
        "minutes": found.minutes,
        "rules": [str(rule) for rule in found.rules],
        "bumped": found.bumped_label,
    }
