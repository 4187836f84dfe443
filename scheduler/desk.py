"""The dispatcher's desk on a running day: each event noted and answered with a repaired plan at once.

A repair looks only at the people it can concern: whoever the event is about, and those whom the board shows
as nearest. The rest of the day is not read.
"""

import asyncio
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlmodel import select

from fsm.actors import Actor
from fsm.customers.tables import Site
from fsm.database import Session
from fsm.problems import Invalid
from fsm.technicians.queries import find_technician
from fsm.technicians.tables import AbsenceKind
from fsm.technicians.working_time import add_absence
from fsm.tenants.queries import find_zone_and_currency
from fsm.work_orders import orders, visits
from fsm.work_orders.lifecycle import VisitStatus, WrongStatus
from fsm.work_orders.tables import Visit, WorkOrder
from scheduler import decisions, rows
from scheduler.board import Asked
from scheduler.boards import Kept, board_of
from scheduler.checks import violations
from scheduler.child import Solved
from scheduler.day import Day, checked
from scheduler.day_events import happened, note
from scheduler.day_problem import build_day
from scheduler.engine.indexed import IndexedDay
from scheduler.jobs import keep
from scheduler.linked_jobs import list_partner_technicians
from scheduler.outcome import Happened, outcome
from scheduler.patience import Patience
from scheduler.placements import take_back
from scheduler.problem import Cause, Plan
from scheduler.reasons import explain
from scheduler.repair import ENGINE, repaired
from scheduler.rows import Job, JobSite, Position, Terms, position_of
from scheduler.scope import Moves, Options, Scope, to_stored
from scheduler.tables import DayEvent, DayEventKind, PlanKind, PlanRun, PlanStatus

_CLOSEST = 8
"""Whom a visit is looked at with: those whom it costs least …"""
_NEAREST = 4
"""… and those who are near but busy, who may hand something on."""
_MOST_TECHNICIANS = 30
_WIDEST = 48
"""How many are looked at in all where nobody of the first could ever do it."""
_MEND_S = 5.0
"""How long places are looked for; a plan that would need longer says that it was cut short."""
_REASONS_S = 1.0
_MOST_DAYS = 7


@dataclass(slots=True)
class Answer:
    """An event of the day with the plan that answers it."""

    event: DayEvent
    run: PlanRun


async def today(session: Session, actor: Actor, now: datetime) -> date:
    """Return the company's day."""
    company = await find_zone_and_currency(session, actor.tenant_id)
    return now.astimezone(ZoneInfo(company.zone)).date()


async def urgent_visit(
    session: Session, actor: Actor, now: datetime, work_order_id: UUID, days: int
) -> Answer:
    """Find a place for a job that cannot wait: in a gap, instead of a cheaper visit, or by handing one on."""
    job = await rows.find_job(session, actor, work_order_id)
    on = await today(session, actor, now)
    kept = await board_of(session, actor, now, on, days)
    where = _on_the_map(job.work_order, job.site)
    terms = await rows.list_terms(session, actor, [work_order_id])
    asked = asked_of(job.work_order, where, kept, now, days, terms.get(work_order_id))
    event = await note(session, actor, now, DayEventKind.URGENT_VISIT, work_order_id=work_order_id)
    look = Look(kept, {work_order_id: asked})
    return await _answer(session, actor, now, event, on, days, look, {work_order_id})


async def sick_call(
    session: Session,
    actor: Actor,
    now: datetime,
    technician_id: UUID,
    starts_at: datetime,
    ends_at: datetime | None,
) -> Answer:
    """Take a technician out of their days; what they had is given to others as far as that pays.

    Until further notice, or for longer than a week, is a week here: the plans of later days see the absence.
    """
    technician = await find_technician(session, actor, technician_id)
    on = await today(session, actor, now)
    company = await find_zone_and_currency(session, actor.tenant_id)
    days = _MOST_DAYS
    if ends_at is not None:
        last_on = ends_at.astimezone(ZoneInfo(company.zone)).date()
        days = min(_MOST_DAYS, max(1, (last_on - on).days + 1))
    kept = await board_of(session, actor, now, on, days)
    asked = await _asked_by(session, actor, now, technician_id, kept, days)
    absence = await add_absence(
        session,
        actor,
        now,
        technician_id=technician.id,
        starts_at=starts_at,
        ends_at=ends_at,
        kind=AbsenceKind.SICK,
    )
    event = await note(
        session,
        actor,
        now,
        DayEventKind.SICK_CALL,
        technician_id=technician_id,
        starts_at=starts_at.isoformat(),
        ends_at=ends_at.isoformat() if ends_at else None,
        absence_id=str(absence.id),
    )
    look = Look(kept, asked, {str(technician_id)})
    return await _answer(session, actor, now, event, on, days, look, ())


async def overrun(
    session: Session, actor: Actor, now: datetime, visit_id: UUID, ends_at: datetime
) -> Answer:
    """Note that work in hand takes longer; what follows is timed anew, promises at risk with a cure."""
    visit = await visits.find_visit(session, actor, visit_id)
    if visit.status not in (VisitStatus.ON_SITE, VisitStatus.PAUSED):
        raise WrongStatus(
            f"This visit is {visit.status}: only work that has begun can take longer. "
            "Move the visit instead.",
            status=visit.status,
        )
    if not now <= ends_at <= now + timedelta(hours=24):
        raise Invalid(
            "Work in hand ends within the next 24 hours.",
            errors=[{"at": "/ends_at", "detail": "not within the next 24 hours"}],
        )
    on = await today(session, actor, now)
    kept = await board_of(session, actor, now, on, 1)
    asked = await _asked_by(session, actor, now, visit.technician_id, kept, 1)
    event = await note(
        session,
        actor,
        now,
        DayEventKind.OVERRUN,
        visit_id=visit_id,
        technician_id=visit.technician_id,
        ends_at=ends_at.astimezone(UTC).isoformat(),
    )
    look = Look(kept, asked, {str(visit.technician_id)})
    return await _answer(session, actor, now, event, on, 1, look, ())


async def no_show(
    session: Session, actor: Actor, now: datetime, visit_id: UUID, rev: int | None = None
) -> Answer:
    """Close an attempt at which nobody was there; the time is offered to work that waits nearby.

    A visit that somebody changed since it was looked at (`rev`) stays as it is.
    """
    visit = await visits.find_visit(session, actor, visit_id)
    if visit.status in (VisitStatus.ON_SITE, VisitStatus.PAUSED):
        raise WrongStatus(
            "The technician has begun this visit: they give it up on their phone.",
            status=visit.status,
        )
    if VisitStatus(visit.status) not in {*visits.NOT_BEGUN, VisitStatus.ABORTED}:
        raise WrongStatus(
            f"This visit is {visit.status}: nobody is expected there any more.",
            status=visit.status,
        )
    return await _freed(session, actor, now, DayEventKind.NO_SHOW, visit, rev, reason="no_show")


async def cancel_visit(
    session: Session,
    actor: Actor,
    now: datetime,
    visit_id: UUID,
    reason: str,
    rev: int | None = None,
) -> Answer:
    """Take back a visit that is not wanted; its time is offered to work that waits nearby.

    A visit that somebody changed since it was looked at (`rev`) stays as it is.
    """
    visit = await visits.find_visit(session, actor, visit_id)
    if VisitStatus(visit.status) not in visits.NOT_BEGUN:
        raise WrongStatus(
            f"This visit is {visit.status}: only one that has not begun can be taken back.",
            status=visit.status,
        )
    return await _freed(session, actor, now, DayEventKind.CANCELLATION, visit, rev, reason=reason)


async def _freed(
    session: Session,
    actor: Actor,
    now: datetime,
    kind: DayEventKind,
    visit: Visit,
    rev: int | None,
    *,
    reason: str,
) -> Answer:
    """Take back a visit, with those of its crew, and plan what waits nearby into their days."""
    on = await today(session, actor, now)
    kept = await board_of(session, actor, now, on, 1)
    work_order = await orders.find_work_order(session, actor, visit.work_order_id)
    crew = [visit] if work_order.crew_size == 1 else await _crew_of(session, work_order, visit)
    for each in crew:
        if VisitStatus(each.status) in visits.NOT_BEGUN:
            seen = rev if each.id == visit.id else None
            await take_back(session, actor, now, each.id, seen, reason)
    event = await note(
        session,
        actor,
        now,
        kind,
        visit_id=visit.id,
        technician_id=visit.technician_id,
        work_order_id=visit.work_order_id,
        reason=reason,
    )
    near: Iterable[UUID] = ()
    if (where := position_of(await _site_of(session, work_order))) is not None:
        near = await rows.list_waiting_near(session, actor, where)
    return await _answer(
        session,
        actor,
        now,
        event,
        on,
        1,
        Look(kept, {}, {str(each.technician_id) for each in crew}),
        {each for each in near if each != work_order.id},
    )


async def _crew_of(session: Session, work_order: WorkOrder, visit: Visit) -> list[Visit]:
    """Return a visit and those that others of its crew make with it at the same time."""
    together = visits.live(await orders.list_visits(session, work_order))
    return [visit] + [
        each
        for each in together
        if each.id != visit.id and each.planned_starts_at == visit.planned_starts_at
    ]


async def late_part(
    session: Session,
    actor: Actor,
    now: datetime,
    work_order_id: UUID,
    earliest_at: datetime,
    part: str | None,
) -> Answer:
    """Note that a job cannot begin before a part is there; its visit moves behind that instant."""
    work_order = await orders.find_work_order(session, actor, work_order_id)
    on = await today(session, actor, now)
    company = await find_zone_and_currency(session, actor.tenant_id)
    days = (earliest_at.astimezone(ZoneInfo(company.zone)).date() - on).days + 2
    if not 2 <= days <= _MOST_DAYS:
        raise Invalid(
            f"A part that is late comes within {_MOST_DAYS - 2} days; plan the job anew otherwise.",
            errors=[{"at": "/earliest_at", "detail": "out of range"}],
        )
    kept = await board_of(session, actor, now, on, days)
    where = await where_of(session, work_order)
    terms = await rows.list_terms(session, actor, [work_order_id])
    asked = asked_of(work_order, where, kept, earliest_at, days, terms.get(work_order_id))
    holders = {
        str(visit.technician_id)
        for visit in visits.live(await orders.list_visits(session, work_order))
    }
    await decisions.postpone(session, actor, now, work_order_id, earliest_at)
    event = await note(
        session,
        actor,
        now,
        DayEventKind.LATE_PART,
        work_order_id=work_order_id,
        part=part,
        earliest_at=earliest_at.isoformat(),
    )
    look = Look(kept, {work_order_id: asked}, holders)
    return await _answer(session, actor, now, event, on, days, look, {work_order_id})


# --- whom it concerns -------------------------------------------------------------------------------------


async def _site_of(session: Session, work_order: WorkOrder) -> Site:
    statement = select(Site).where(
        Site.tenant_id == work_order.tenant_id, Site.id == work_order.site_id
    )
    return (await session.exec(statement)).one()


async def where_of(session: Session, work_order: WorkOrder) -> Position:
    """Return where a job is done; one whose site has no position cannot be planned."""
    return _on_the_map(work_order, await _site_of(session, work_order))


def _on_the_map(work_order: WorkOrder | Job, site: Site | JobSite) -> Position:
    where = position_of(site)
    if where is None:
        raise Invalid(
            f"{work_order.number} cannot be planned: its site has no position. "
            "Enter one, or look the address up.",
            work_order_id=str(work_order.id),
        )
    return where


def asked_of(
    work_order: WorkOrder | Job,
    where: Position,
    kept: Kept,
    from_at: datetime,
    days: int,
    terms: Terms | None,
) -> Asked:
    """Return a job as a board is asked about it, with what people decided on who may come, and when."""

    def second(moment: datetime) -> int:
        return int((moment - kept.starts_at).total_seconds())

    opens = max(0, second(from_at))
    if terms is not None and terms.earliest_at is not None:
        opens = max(opens, second(terms.earliest_at))
    last = max(opens, days * 86_400)
    windows = [
        (max(opens, second(datetime.fromisoformat(each["opens_at"]))), min(last, closes))
        for each in (() if terms is None else terms.windows)
        if opens <= (closes := second(datetime.fromisoformat(each["closes_at"])))
    ]
    return Asked(
        where=where,
        work_s=work_order.estimate_s,
        windows=tuple(each for each in windows if each[0] <= each[1]) or ((opens, last),),
        skills=tuple(sorted((str(one["skill"]), int(one["level"])) for one in work_order.skills)),
        required=frozenset(() if terms is None else terms.required),
        forbidden=frozenset(() if terms is None else terms.forbidden),
        people=work_order.crew_size,
    )


async def _asked_by(
    session: Session, actor: Actor, now: datetime, technician_id: UUID, kept: Kept, days: int
) -> dict[UUID, Asked]:
    """Return a technician's jobs that have not begun and have a place on the map, as a board is asked."""
    ends_at = kept.starts_at + timedelta(days=days)
    planned = await rows.list_planned(session, actor, now, ends_at, [technician_id])
    theirs = {
        each.work_order.id: (each.work_order, where)
        for each in planned.get(technician_id, [])
        if each.visit.status not in rows.BEGUN and (where := position_of(each.site)) is not None
    }
    terms = await rows.list_terms(session, actor, theirs.keys())
    return {
        key: asked_of(job, where, kept, now, days, terms.get(key))
        for key, (job, where) in theirs.items()
    }


def _concerned(kept: Kept, asked: Collection[Asked]) -> set[str]:
    """Return the technicians whom visits can concern: fewer for each where there are many visits.

    For a crew at least twice as many as it needs: that there are too few people is not said lightly.
    """
    share = max(2, _MOST_TECHNICIANS // max(1, len(asked)))
    found: set[str] = set()
    for one in asked:
        least = 0 if one.people == 1 else 2 * one.people
        cheap = kept.board.closest(one, max(least, min(_CLOSEST, share)))
        found |= {technician for technician, _ in cheap}
        found |= set(kept.board.nearest(one, max(least, min(_NEAREST, share))))
    return found


@dataclass(slots=True)
class Look:
    """Whom an answer looks at, and what for."""

    kept: Kept
    asked: dict[UUID, Asked]
    """Jobs that look for a place, by work order."""
    people: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.people |= _concerned(self.kept, self.asked.values())

    def widened(self, day: Day, plan: Plan) -> bool:
        """Look at more people where a job found nobody who could ever do it; whether there are any."""
        before = len(self.people)
        for job in _impossible(day, plan):
            if job in self.asked:
                able = self.kept.board.nearest(self.asked[job], _WIDEST)
                self.people |= {each for each in able if len(self.people) < _WIDEST}
        return len(self.people) > before

    def overlooked(self, day: Day, plan: Plan) -> set[UUID]:
        """Return the jobs found impossible that somebody could do who was not looked at, for all we know."""
        board = self.kept.board
        everybody = {route.technician for route in board.routes}
        return {
            job
            for job in _impossible(day, plan)
            if not self.people.issuperset(
                board.nearest(self.asked[job], len(board.routes))
                if job in self.asked
                else everybody
            )
        }


def _impossible(day: Day, plan: Plan) -> list[UUID]:
    found = (each.visit for each in plan.unplanned if each.cause is Cause.IMPOSSIBLE)
    return list(dict.fromkeys(day.work_orders[visit].id for visit in found))


# --- the answer -------------------------------------------------------------------------------------------


async def _answer(
    session: Session,
    actor: Actor,
    now: datetime,
    event: DayEvent,
    on: date,
    days: int,
    look: Look,
    work_orders: Collection[UUID],
) -> Answer:
    last_on = on + timedelta(days=days - 1)

    async def mended() -> tuple[Options, Day, IndexedDay, Plan]:
        ids = [UUID(each) for each in look.people]
        partners = await list_partner_technicians(session, actor, [*look.asked, *work_orders])
        mates = await rows.list_crew_mates(session, actor, now, now + timedelta(days=days), ids)
        options = Options(
            scope=Scope(
                moves=Moves.ALL,
                among=frozenset({*look.people, *partners, *(str(mate) for mate in mates)}),
                pulls_forward=False,
                work_orders=frozenset(str(each) for each in work_orders),
            )
        )
        day = checked(
            await build_day(session, actor, starts_on=on, ends_on=last_on, now=now, options=options)
        )
        return options, day, *await asyncio.to_thread(_mend, day)

    options, day, indexed, plan = await mended()
    if look.widened(day, plan):
        options, day, indexed, plan = await mended()
    told = happened(day, event)
    overlooked = look.overlooked(day, plan)
    solved, result = await asyncio.to_thread(_explained, day, indexed, plan, told, overlooked)
    run = PlanRun(
        tenant_id=actor.tenant_id,
        kind=PlanKind.REPAIR,
        status=PlanStatus.READY,
        starts_on=on,
        ends_on=last_on,
        engine=ENGINE,
        seconds=0,
        options=to_stored(options),
        day_event_id=event.id,
        requested_by=actor.name,
        requested_at=now,
        started_at=now,
        finished_at=now,
    )
    keep(run, day, solved, result)
    session.add(run)
    await session.flush()
    return Answer(event, run)


def _mend(day: Day) -> tuple[IndexedDay, Plan]:
    """Return the repaired plan. The referee looks at it as at every other."""
    indexed = IndexedDay(day.problem)
    plan = repaired(indexed, Patience(_MEND_S))
    if broken := violations(day.problem, plan):
        raise AssertionError("The repaired plan breaks a rule: " + " ".join(broken))
    return indexed, plan


def _explained(
    day: Day, indexed: IndexedDay, plan: Plan, told: Happened, overlooked: Collection[UUID]
) -> tuple[Solved, dict[str, object]]:
    """Return the plan with its reasons; what was found impossible among some is not said of everybody."""
    among = len(day.problem.technicians)
    reasons = [
        replace(reason, among=among)
        if reason.in_any_plan and day.work_orders[reason.visit].id in overlooked
        else reason
        for reason in explain(day.problem, plan, seconds=_REASONS_S, day=indexed)
    ]
    solved = Solved(plan, tuple(reasons))
    return solved, outcome(day, solved, [told], indexed)
