"""A dispatcher's own hand: a visit put somewhere, with what comes of it said before and checked when done."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from fsm import events
from fsm.actors import Actor
from fsm.database import Session, fetch
from fsm.languages import LANGUAGES
from fsm.problems import Invalid, Problem, StaleChange
from fsm.technicians.queries import find_technician
from fsm.tenants.queries import find_own_tenant
from fsm.work_orders import orders, visits
from fsm.work_orders.pick_ups import list_to_fetch
from fsm.work_orders.tables import Visit, WorkOrder
from scheduler.day import MOST_DAYS, checked
from scheduler.day_problem import build_day
from scheduler.linked_jobs import list_breaches
from scheduler.placing import Code, Consequence, Placement, of_breach, place
from scheduler.placing_sentences import consequence_sentence
from scheduler.scope import Moves, Options, Scope


class CannotBePlaced(Problem):
    """Something stands against it that a reason does not settle; `consequences` says what."""

    code, status, title = "cannot-be-placed", 409, "The visit cannot go there"


class ReasonNeeded(Problem):
    """It can be done, but something suffers; give a reason, which history keeps."""

    code, status, title = "reason-needed", 409, "This needs a reason"


class MovedMeanwhile(StaleChange):
    """Somebody else changed the visit: `by` whom, `changed_at`, and where it is now."""

    code, status, title = "moved-meanwhile", 409, "Somebody else was quicker"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where a visit is to go. `visit_id` is None for a new one; `rev` is what the caller saw of it."""

    work_order_id: UUID
    technician_id: UUID
    starts_at: datetime
    visit_id: UUID | None = None
    rev: int | None = None
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Looked:
    """A placement in the terms of people."""

    work_order: WorkOrder
    ends_at: datetime
    placement: Placement


async def look(session: Session, actor: Actor, now: datetime, wanted: Wanted) -> Looked:
    """Return what comes of putting a visit there."""
    work_order = await orders.find_work_order(session, actor, wanted.work_order_id)
    await find_technician(session, actor, wanted.technician_id)
    held = None
    if wanted.visit_id is not None:
        held = await visits.find_visit(session, actor, wanted.visit_id)
        if held.work_order_id != work_order.id:
            raise Invalid("The visit belongs to another job.", errors=[{"at": "/visit_id"}])
    length = timedelta(seconds=work_order.estimate_s)
    if held is not None:
        length = held.planned_ends_at - held.planned_starts_at
    if wanted.ends_at is not None and wanted.ends_at <= wanted.starts_at:
        raise Invalid("A visit ends after it starts.", errors=[{"at": "/ends_at"}])
    first, last = await _days(session, actor, wanted, held)
    people = {str(wanted.technician_id)} | ({str(held.technician_id)} if held else set())
    day = await build_day(
        session,
        actor,
        starts_on=first,
        ends_on=last,
        now=now,
        options=Options(
            scope=Scope(
                moves=Moves.ALL,
                among=frozenset(people),
                pulls_forward=True,
                splits_crews=True,
                binds_links=False,
                work_orders=frozenset({str(work_order.id)}),
            )
        ),
    )
    checked(day)
    key = str(work_order.id if held is None else held.id)
    if all(each.id != key for each in day.problem.visits):
        past = [Consequence(Code.PAST)] if wanted.starts_at < now else []
        lost = (*past, Consequence(Code.NO_POSITION))
        ends_at = wanted.ends_at or wanted.starts_at + length
        return Looked(work_order, ends_at, Placement(0, 0, 0, 0, lost))
    start = day.second(wanted.starts_at)
    end = None if wanted.ends_at is None else day.second(wanted.ends_at)
    moved = None if held is None else (held.id, wanted.starts_at)
    to_fetch = await list_to_fetch(session, actor, now, wanted.technician_id, moved)
    fetched = {str(visit_id): parts for visit_id, parts in to_fetch.items()}
    placement = place(day.problem, key, str(wanted.technician_id), start, end, fetched)
    ends_at = day.instant(placement.end)
    there = (wanted.technician_id, wanted.starts_at, ends_at)
    broken = await list_breaches(session, actor, work_order.id, wanted.visit_id, there)
    found = [of_breach(each, other, is_second=second) for each, other, second in broken]
    placement = replace(placement, consequences=(*placement.consequences, *found))
    return Looked(work_order, ends_at, placement)


async def put(
    session: Session, actor: Actor, now: datetime, wanted: Wanted, reason: str | None
) -> Visit:
    """Put a visit there, or refuse; a reason that was given is kept in history."""
    if wanted.visit_id is None:
        return await add(session, actor, now, wanted, reason)
    looked = await look(session, actor, now, wanted)
    despite = settle(looked.placement.consequences, reason)
    visit = await _move(session, actor, now, wanted, looked)
    await note_despite(session, actor, now, visit, despite, reason)
    return visit


async def add(
    session: Session,
    actor: Actor,
    now: datetime,
    wanted: Wanted,
    reason: str | None,
    crew_id: UUID | None = None,
) -> Visit:
    """Plan a visit there, or refuse. With `visit_id` it is one more like that visit, which stays."""
    looked = await look(session, actor, now, wanted)
    despite = settle(looked.placement.consequences, reason)
    new = visits.NewVisit(
        work_order_id=wanted.work_order_id,
        technician_id=wanted.technician_id,
        starts_at=wanted.starts_at,
        ends_at=looked.ends_at,
        travel_s=looked.placement.travel_s,
        crew_id=crew_id,
    )
    (visit,) = await visits.plan_visits(session, actor, now, [new])
    await note_despite(session, actor, now, visit, despite, reason)
    return visit


def settle(found: Sequence[Consequence], reason: str | None) -> list[Consequence]:
    """Return what suffers for a given reason; refuse what none settles, and where none is given."""
    hard = [each for each in found if each.is_hard]
    soft = [each for each in found if each.asks_reason]
    if hard:
        raise CannotBePlaced(_said(hard), consequences=as_json(hard))
    if soft and reason is None:
        raise ReasonNeeded(f"{_said(soft)} Give a reason.", consequences=as_json(soft))
    return soft


async def note_despite(
    session: Session,
    actor: Actor,
    now: datetime,
    visit: Visit,
    despite: list[Consequence],
    reason: str | None,
) -> None:
    """Keep a reason that was given in history."""
    if reason is not None:
        await events.record(
            session,
            actor,
            "visit.placed_despite",
            "visit",
            visit.id,
            now=now,
            reason=reason,
            despite=[str(each.code) for each in despite],
        )


async def _move(
    session: Session, actor: Actor, now: datetime, wanted: Wanted, looked: Looked
) -> Visit:
    assert wanted.visit_id is not None
    changes = {
        "technician_id": wanted.technician_id,
        "planned_starts_at": wanted.starts_at,
        "planned_ends_at": looked.ends_at,
    }
    try:
        return await visits.edit_plan(session, actor, now, wanted.visit_id, wanted.rev, changes)
    except StaleChange as stale:
        raise await _moved_meanwhile(session, actor, now, wanted.visit_id, stale) from None


async def take_back(
    session: Session, actor: Actor, now: datetime, visit_id: UUID, rev: int | None, reason: str
) -> Visit:
    """Take back a visit as the caller saw it: one that somebody moved meanwhile stays where it is."""
    try:
        return await visits.withdraw(session, actor, now, visit_id, reason=reason, rev=rev)
    except StaleChange as stale:
        raise await _moved_meanwhile(session, actor, now, visit_id, stale) from None


async def _moved_meanwhile(
    session: Session, actor: Actor, now: datetime, visit_id: UUID, stale: StaleChange
) -> MovedMeanwhile:
    visit = await visits.find_visit(session, actor, visit_id)
    by, at = await _last_change(session, actor, visit)
    return MovedMeanwhile(
        f"{by or 'Somebody'} changed this visit {_ago(now, at)}. Look again, and decide.",
        by=by,
        changed_at=None if at is None else at.isoformat(),
        **stale.facts,
    )


async def _last_change(session: Session, actor: Actor, visit: Visit) -> tuple[str, datetime | None]:
    rows = await fetch(
        session,
        "select actor_name, received_at from event where tenant_id = $1 and entity = 'visit' "
        "and entity_id = $2 order by received_at desc, id desc limit 1",
        actor.tenant_id,
        visit.id,
    )
    for name, at in rows:
        return name, at
    return "", None


async def _days(
    session: Session, actor: Actor, wanted: Wanted, held: Visit | None
) -> tuple[date, date]:
    """Return the days a look covers: that of the new place, and that where the visit is now."""
    zone = ZoneInfo((await find_own_tenant(session, actor.tenant_id)).zone)
    days = [wanted.starts_at.astimezone(zone).date()]
    if held is not None:
        days.append(held.planned_starts_at.astimezone(zone).date())
    if (max(days) - min(days)).days >= MOST_DAYS:
        raise Invalid(
            f"A visit is moved by less than {MOST_DAYS} days at once.",
            errors=[{"at": "/starts_at", "detail": "too far away"}],
        )
    return min(days), max(days)


def as_json(found: list[Consequence]) -> list[dict[str, object]]:
    return [
        {
            "code": str(each.code),
            "is_hard": each.is_hard,
            "asks_reason": each.asks_reason,
            "minutes": each.minutes,
            "what": each.what,
            "who": each.who,
            "said": {language: consequence_sentence(each, language) for language in LANGUAGES},
        }
        for each in found
    ]


def _said(found: list[Consequence]) -> str:
    return " ".join(consequence_sentence(each, "en") for each in found)


def _ago(now: datetime, at: datetime | None) -> str:
    if at is None:
        return "meanwhile"
    seconds = max(0, int((now - at).total_seconds()))
    return f"{seconds} s ago" if seconds < 120 else f"{seconds // 60} min ago"
