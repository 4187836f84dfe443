"""A customer on the phone: slots and windows for a job, held while they think it over, booked."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial
from uuid import UUID

from sqlmodel import and_, col, or_, select
from uuid_utils.compat import uuid7

from fsm import events
from fsm.actors import Actor
from fsm.database import Session
from fsm.problems import Invalid, Problem
from fsm.technicians.tables import Technician
from fsm.work_orders import orders, visits
from fsm.work_orders.lifecycle import LIVE_VISITS, WrongStatus
from fsm.work_orders.reviews.queries import settle_review
from fsm.work_orders.tables import Review, Visit, WorkOrder
from scheduler.boards import board_of
from scheduler.day import Day, checked
from scheduler.day_problem import build_day
from scheduler.desk import asked_of, today, where_of
from scheduler.linked_jobs import list_partner_technicians
from scheduler.patience import Patience
from scheduler.problem import DayProblem, Interval
from scheduler.promise_ledger.tables import Channel
from scheduler.promise_ledger.telling import outlook_of, tell_window
from scheduler.promises.keeping import Asker
from scheduler.rows import list_terms
from scheduler.scope import Moves, Options, Scope
from scheduler.slots import Offer, Slot, best_slots, grid, offers
from scheduler.tables import SlotHold

_LOOKED_AT = 3
"""How many times as many people are timed exactly as slots are wanted."""
_WIDEST = 48
"""How many, where none of the first has the time: absences and breaks show only then."""
_PATIENCE_S = 10.0
"""How long windows are looked for; what was found by then is offered, with the note `windows_cut_short`."""
_LOOKED_FOR_S = 7_200
"""A place is looked for in each two hours of the days; its window is then as narrow as can be promised."""
MOVE_ASKED = "move_asked"
"""The kind of the review by which a customer asks for a time that is held for them."""
BOOKED = "booked"
"""What it is settled with when they got a time."""
_OPEN = ("open", "scheduled", "dispatched", "in_progress")


class SlotTaken(Problem):
    """Somebody else was quicker, or the day has changed; ask for slots again."""

    code, status, title = "slot-taken", 409, "This time is no longer free"


class HoldOver(Problem):
    """The hold has expired, was booked or was let go."""

    code, status, title = "hold-over", 409, "This time is no longer held"


@dataclass(frozen=True, slots=True)
class Found:
    """Slots or windows of a job, in the terms of a day."""

    day: Day
    work_order: WorkOrder
    slots: Sequence[Slot] = ()
    offers: Sequence[Offer] = ()


async def list_slots(
    session: Session, actor: Actor, now: datetime, work_order_id: UUID, *, days: int, most: int
) -> Found:
    """Return the cheapest slots for a job over some days, one for each shift, the cheapest first."""

    async def among(people: int) -> Found:
        work_order, day, key = await _around(session, actor, now, work_order_id, days, people)
        if key is None:
            return Found(day, work_order)
        outlook = await outlook_of(session, actor, day, now)
        found = await asyncio.to_thread(best_slots, day.problem, key, most, outlook)
        return Found(day, work_order, slots=found)

    first = await among(_LOOKED_AT * most)
    return first if first.slots else await among(max(_LOOKED_AT * most, _WIDEST))


async def list_offers(
    session: Session,
    actor: Actor,
    now: datetime,
    work_order_id: UUID,
    *,
    days: int,
    length_s: int | None,
    most: int,
) -> Found:
    """Return the windows to offer a caller, the best to give away first.

    Without a length each is as narrow as it can be while the target is held.
    """

    async def among(people: int) -> Found:
        work_order, day, key = await _around(session, actor, now, work_order_id, days, people)
        if key is None:
            return Found(day, work_order)
        outlook = await outlook_of(session, actor, day, now)
        step_s = length_s or _LOOKED_FOR_S
        windows: list[Interval] = grid(day.problem, step_s, step_s)
        patience = Patience(_PATIENCE_S)
        look = partial(offers, fixed=length_s is not None, patience=patience)
        found = await asyncio.to_thread(look, day.problem, key, windows, most, outlook)
        if patience.ran_out:
            day.notes.append("windows_cut_short")
        return Found(day, work_order, offers=found)

    first = await among(2 * _LOOKED_AT * most)
    return first if first.offers else await among(max(2 * _LOOKED_AT * most, _WIDEST))


async def _around(
    session: Session, actor: Actor, now: datetime, work_order_id: UUID, days: int, people: int
) -> tuple[WorkOrder, Day, str | None]:
    """Return a job with the days of so many who could do it, and its id there (None: nobody could)."""
    work_order = await orders.find_work_order(session, actor, work_order_id)
    _check_open(work_order)
    on = await today(session, actor, now)
    where = await where_of(session, work_order)
    terms = await list_terms(session, actor, [work_order_id])
    kept = await board_of(session, actor, now, on, days)
    asked = asked_of(work_order, where, kept, now, days, terms.get(work_order_id))
    names = {each for each, _ in kept.board.closest(asked, people)}
    names |= await list_partner_technicians(session, actor, [work_order_id])
    names |= {
        str(visit.technician_id)
        for visit in visits.live(await orders.list_visits(session, work_order))
    }
    day, key = await _days_of(session, actor, now, work_order_id, on, days, names)
    day.notes += [f"{each.why}:{each.partner}" for each in day.held_back]
    return work_order, day, key


async def _days_of(
    session: Session,
    actor: Actor,
    now: datetime,
    work_order_id: UUID,
    on: date,
    days: int,
    people: Iterable[str],
) -> tuple[Day, str | None]:
    """Return these people's days with a job to be planned, and its id there (None: nothing of it is)."""
    scope = Scope(
        moves=Moves.ALL,
        among=frozenset(people),
        pulls_forward=False,
        moves_partners=False,
        work_orders=frozenset({str(work_order_id)}),
    )
    day = await build_day(
        session,
        actor,
        starts_on=on,
        ends_on=on + timedelta(days=days - 1),
        now=now,
        options=Options(scope=scope),
    )
    checked(day)
    keys = [key for key, one in day.work_orders.items() if one.id == work_order_id]
    return day, keys[0] if keys else None


def _check_open(work_order: WorkOrder) -> None:
    if work_order.status not in _OPEN:
        raise WrongStatus(
            f"{work_order.number} is {work_order.status}; it takes no more visits.",
            work_order_id=str(work_order.id),
        )


# --- holding ----------------------------------------------------------------------------------------------


async def hold(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    work_order_id: UUID,
    technician_id: UUID,
    mate_ids: Sequence[UUID] = (),
    starts_at: datetime,
    window: tuple[datetime, datetime],
    minutes: int,
) -> list[SlotHold]:
    """Keep a technician's time for a caller. Refused where the visit no longer fits there (`SlotTaken`).

    Where it takes a crew the time of all of them is kept, that of `mate_ids` or of those whom it suits best;
    or of none, and the refusal says who is not free. The technician's own hold comes first.
    """
    work_order = await orders.lock_work_order(session, actor, work_order_id)
    _check_open(work_order)
    _check_crew(work_order, [technician_id, *mate_ids])
    where = await where_of(session, work_order)
    on = await today(session, actor, now)
    days = (starts_at - now).days + 2
    people = {str(each) for each in (technician_id, *mate_ids)}
    if len(people) < work_order.crew_size:
        terms = await list_terms(session, actor, [work_order_id])
        kept = await board_of(session, actor, now, on, days)
        asked = asked_of(work_order, where, kept, now, days, terms.get(work_order_id))
        people |= {each for each, _ in kept.board.closest(asked, _WIDEST)}
    day, key = await _days_of(session, actor, now, work_order_id, on, days, people)
    at = day.second(starts_at)
    slot = None
    if key is not None:
        slot = await asyncio.to_thread(_slot_at, day.problem, key, str(technician_id), at)
    if slot is None:
        asked_for = [str(each) for each in (technician_id, *mate_ids)]
        busy = await asyncio.to_thread(_busy_at, day, key, asked_for, at)
        raise SlotTaken(_no_longer(work_order, day, busy), work_order_id=str(work_order_id))
    coming = [slot.technician, *slot.mates]
    crew_id = uuid7() if slot.mates else None
    rows = [
        SlotHold(
            id=crew_id if number == 0 and crew_id else uuid7(),
            tenant_id=actor.tenant_id,
            work_order_id=work_order_id,
            technician_id=UUID(technician),
            crew_id=crew_id,
            starts_at=starts_at,
            ends_at=day.instant(end),
            window_starts_at=window[0],
            window_ends_at=window[1],
            travel_s=max(0, travel_s),
            held_by=actor.name,
            held_at=now,
            expires_at=now + timedelta(minutes=minutes),
        )
        for number, (technician, travel_s, end) in enumerate(
            zip(
                coming,
                slot.each_travel_s or (slot.travel_s,),
                slot.each_end or (slot.end,),
                strict=True,
            )
        )
    ]
    session.add_all(rows)
    await session.flush()
    await _record(session, actor, now, "slot.held", rows)
    return rows


def _check_crew(work_order: WorkOrder, people: Sequence[UUID]) -> None:
    if len(set(people)) < len(people):
        raise Invalid(
            "Each technician comes once.",
            errors=[{"at": "/mate_ids", "detail": "named twice"}],
        )
    if len(people) > 1 and len(people) != work_order.crew_size:
        raise Invalid(
            f"{work_order.number} takes {work_order.crew_size}, and {len(people)} are named.",
            errors=[{"at": "/mate_ids", "detail": "not as many as the job takes"}],
        )


def _slot_at(problem: DayProblem, key: str, technician: str, at: int) -> Slot | None:
    """Return the slot that begins then with this technician, and with all others whom the job takes."""
    visits_ = tuple(
        replace(visit, required=(technician,))
        if visit.id == key and (not visit.required or technician in visit.required)
        else visit
        for visit in problem.visits
    )
    found = offers(replace(problem, visits=visits_), key, [(at, at)], 1)
    slot = found[0].slot if found else None
    return slot if slot is not None and slot.technician == technician else None


def _busy_at(day: Day, key: str | None, people: Sequence[str], at: int) -> list[str]:
    """Return those of some people who could not begin a job then, even alone."""
    if key is None:
        return []
    alone = replace(day.problem, crews=(), links=())
    return [each for each in people if _slot_at(alone, key, each, at) is None]


def _no_longer(work_order: WorkOrder, day: Day, busy: Sequence[str]) -> str:
    said = f"{work_order.number} no longer fits there"
    if work_order.crew_size > 1 and busy:
        names = ", ".join(day.names.get(each) or "one of the crew" for each in busy)
        said += f": not free then: {names}"
    elif work_order.crew_size > 1:
        said += f": there are no {work_order.crew_size} who could begin together then"
    return f"{said}. Ask for slots again."


async def lock_hold(session: Session, actor: Actor, now: datetime, hold_id: UUID) -> list[SlotHold]:
    """Return a hold that still stands, with those of its crew, held; the job comes first, as for all."""
    row = await session.found(
        select(SlotHold).where(SlotHold.tenant_id == actor.tenant_id, SlotHold.id == hold_id),
        f"No hold {hold_id}.",
    )
    await orders.lock_work_order(session, actor, row.work_order_id)
    statement = (
        select(SlotHold)
        .where(
            SlotHold.tenant_id == actor.tenant_id,
            SlotHold.id == hold_id if row.crew_id is None else SlotHold.crew_id == row.crew_id,
        )
        .order_by(col(SlotHold.id) != row.crew_id, col(SlotHold.id))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    rows = list(await session.exec(statement))
    if any(each.ended_at is not None or each.expires_at <= now for each in rows):
        raise HoldOver("This hold is over. Ask for slots again.")
    return rows


async def book(
    session: Session,
    actor: Actor,
    now: datetime,
    hold_id: UUID,
    channel: Channel = Channel.PHONE,
) -> Visit:
    """Turn a hold into a visit with its announced window; a customer who asked for it has their answer.

    Where it takes a crew each of them gets a visit, or nobody does and the refusal says who is not free. The
    visit of the one whom the slot was for is returned.
    """
    rows = await lock_hold(session, actor, now, hold_id)
    row = rows[0]
    work_order = await orders.find_work_order(session, actor, row.work_order_id)
    if len(rows) != work_order.crew_size:
        raise SlotTaken(
            f"{work_order.number} takes {work_order.crew_size} by now, and the time of {len(rows)} is "
            "held. Ask for slots again."
        )
    live = visits.live(await orders.list_visits(session, work_order))
    if any(visit.status not in visits.NOT_BEGUN for visit in live):
        raise WrongStatus(
            f"Work on {work_order.number} has begun since its time was held. Let the hold go, and ask for "
            "slots again when those who are there have finished.",
            work_order_id=str(work_order.id),
        )
    for visit in live:
        await visits.withdraw(session, actor, now, visit.id, reason="rebooked")
    await _check_free(session, actor, rows)
    booked = await visits.plan_visits(
        session,
        actor,
        now,
        [
            visits.NewVisit(
                work_order_id=each.work_order_id,
                technician_id=each.technician_id,
                starts_at=each.starts_at,
                ends_at=each.ends_at,
                travel_s=each.travel_s,
                window_starts_at=each.window_starts_at,
                window_ends_at=each.window_ends_at,
            )
            for each in rows
        ],
    )
    for each in rows:
        each.ended_at = now
    await session.flush()
    await _record(session, actor, now, "slot.booked", rows)
    if row.window_ends_at > row.window_starts_at:
        window = (row.window_starts_at, row.window_ends_at)
        await tell_window(
            session, actor, now, booked[0], window, channel=channel, asked_by=Asker.CUSTOMER
        )
    wishes = select(Review).where(
        Review.tenant_id == actor.tenant_id,
        Review.work_order_id == row.work_order_id,
        Review.kind == MOVE_ASKED,
        col(Review.settled_at).is_(None),
        col(Review.data)["hold_id"].astext == str(hold_id),
    )
    for wish in await session.exec(wishes):
        await settle_review(session, actor, now, wish.id, BOOKED)
    return booked[0]


async def _check_free(session: Session, actor: Actor, rows: Sequence[SlotHold]) -> None:
    """Refuse where somebody of a crew was given other work in their time, or no longer works here."""
    if len(rows) == 1:
        return  # a person who put something there by hand has decided that
    statement = (
        select(Technician.name, col(Technician.is_active), WorkOrder.number)
        .join(
            SlotHold,
            and_(
                SlotHold.tenant_id == actor.tenant_id,
                SlotHold.technician_id == Technician.id,
                col(SlotHold.id).in_([each.id for each in rows]),
            ),
        )
        .outerjoin(
            Visit,
            and_(
                Visit.tenant_id == actor.tenant_id,
                Visit.technician_id == Technician.id,
                col(Visit.status).in_([str(each) for each in LIVE_VISITS]),
                Visit.planned_starts_at < SlotHold.ends_at,
                Visit.planned_ends_at > SlotHold.starts_at,
            ),
        )
        .outerjoin(
            WorkOrder,
            and_(WorkOrder.tenant_id == actor.tenant_id, WorkOrder.id == Visit.work_order_id),
        )
        .where(
            Technician.tenant_id == actor.tenant_id,
            or_(col(Visit.id).is_not(None), col(Technician.is_active).is_(False)),
        )
        .order_by(Technician.name, WorkOrder.number)
    )
    busy = [
        f"{name} is at {number}" if is_active else f"{name} no longer works here"
        for name, is_active, number in await session.exec(statement)
    ]
    if busy:
        raise SlotTaken(f"Not everybody is free then: {', '.join(busy)}. Ask for slots again.")


async def release(session: Session, actor: Actor, now: datetime, hold_id: UUID) -> None:
    """Let go of a hold, with those of its crew, before it expires."""
    rows = await lock_hold(session, actor, now, hold_id)
    for row in rows:
        row.ended_at = now
    await session.flush()
    await _record(session, actor, now, "slot.released", rows)


async def _record(
    session: Session, actor: Actor, now: datetime, kind: str, rows: Sequence[SlotHold]
) -> None:
    for row in rows:
        await events.record(
            session,
            actor,
            kind,
            "slot_hold",
            row.id,
            now=now,
            work_order_id=str(row.work_order_id),
            technician_id=str(row.technician_id),
            starts_at=row.starts_at.isoformat(),
        )
