"""A customer on the phone: slots and windows for a job, held while they think it over, booked."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from uuid import UUID

from sqlmodel import col, select

from fsm import events
from fsm.actors import Actor
from fsm.database import Session
from fsm.problems import Problem
from fsm.work_orders import orders, visits
from fsm.work_orders.lifecycle import WrongStatus
from fsm.work_orders.tables import Review, Visit, WorkOrder
from scheduler.boards import board_of
from scheduler.day import Day, checked
from scheduler.day_problem import build_day
from scheduler.desk import asked_of, today, where_of
from scheduler.linked_jobs import list_partner_technicians
from scheduler.patience import Patience
from scheduler.problem import Interval
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
    starts_at: datetime,
    window: tuple[datetime, datetime],
    minutes: int,
) -> SlotHold:
    """Keep a technician's time for a caller. Refused where the visit no longer fits there (`SlotTaken`).

    Of a crew each one's time is kept by itself.
    """
    work_order = await orders.lock_work_order(session, actor, work_order_id)
    _check_open(work_order)
    await where_of(session, work_order)
    on = await today(session, actor, now)
    days = (starts_at - now).days + 2
    day, key = await _days_of(session, actor, now, work_order_id, on, days, [str(technician_id)])
    at = day.second(starts_at)
    alone = partial(offers, alone=True)
    found = await asyncio.to_thread(alone, day.problem, key, [(at, at)], 1) if key else []
    if not found:
        raise SlotTaken(
            f"{work_order.number} no longer fits there. Ask for slots again.",
            work_order_id=str(work_order_id),
        )
    slot = found[0].slot
    row = SlotHold(
        tenant_id=actor.tenant_id,
        work_order_id=work_order_id,
        technician_id=technician_id,
        starts_at=starts_at,
        ends_at=day.instant(slot.end),
        window_starts_at=window[0],
        window_ends_at=window[1],
        travel_s=max(0, slot.travel_s),
        held_by=actor.name,
        held_at=now,
        expires_at=now + timedelta(minutes=minutes),
    )
    session.add(row)
    await session.flush()
    await _record(session, actor, now, "slot.held", row)
    return row


async def lock_hold(session: Session, actor: Actor, now: datetime, hold_id: UUID) -> SlotHold:
    """Return a hold that still stands, held; the job comes first, as for all writers."""
    statement = select(SlotHold).where(
        SlotHold.tenant_id == actor.tenant_id, SlotHold.id == hold_id
    )
    row = await session.found(statement, f"No hold {hold_id}.")
    await orders.lock_work_order(session, actor, row.work_order_id)
    row = (
        await session.exec(statement.with_for_update().execution_options(populate_existing=True))
    ).one()
    if row.ended_at is not None or row.expires_at <= now:
        raise HoldOver("This hold is over. Ask for slots again.")
    return row


async def book(
    session: Session,
    actor: Actor,
    now: datetime,
    hold_id: UUID,
    channel: Channel = Channel.PHONE,
) -> Visit:
    """Turn a hold into a visit with its announced window; a customer who asked for it has their answer."""
    row = await lock_hold(session, actor, now, hold_id)
    work_order = await orders.find_work_order(session, actor, row.work_order_id)
    for visit in visits.live(await orders.list_visits(session, work_order)):
        if visit.status in visits.NOT_BEGUN and work_order.crew_size == 1:
            await visits.withdraw(session, actor, now, visit.id, reason="rebooked")
    (booked,) = await visits.plan_visits(
        session,
        actor,
        now,
        [
            visits.NewVisit(
                work_order_id=row.work_order_id,
                technician_id=row.technician_id,
                starts_at=row.starts_at,
                ends_at=row.ends_at,
                travel_s=row.travel_s,
                window_starts_at=row.window_starts_at,
                window_ends_at=row.window_ends_at,
            )
        ],
    )
    row.ended_at = now
    await session.flush()
    await _record(session, actor, now, "slot.booked", row)
    if row.window_ends_at > row.window_starts_at:
        window = (row.window_starts_at, row.window_ends_at)
        await tell_window(
            session, actor, now, booked, window, channel=channel, asked_by=Asker.CUSTOMER
        )
    wishes = select(Review).where(
        Review.tenant_id == actor.tenant_id,
        Review.work_order_id == row.work_order_id,
        Review.kind == MOVE_ASKED,
        col(Review.settled_at).is_(None),
        col(Review.data)["hold_id"].astext == str(hold_id),
    )
    for wish in await session.exec(wishes):
        settle_wish(wish, actor, now)
    return booked


def settle_wish(wish: Review, actor: Actor, now: datetime) -> None:
    """Note that a customer has got a time."""
    wish.settled_at, wish.settled_by, wish.settlement = now, actor.user_id, "booked"


async def release(session: Session, actor: Actor, now: datetime, hold_id: UUID) -> None:
    """Let go of a hold before it expires."""
    row = await lock_hold(session, actor, now, hold_id)
    row.ended_at = now
    await session.flush()
    await _record(session, actor, now, "slot.released", row)


async def _record(session: Session, actor: Actor, now: datetime, kind: str, row: SlotHold) -> None:
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
