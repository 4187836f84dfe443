"""Stored intents take effect: in the device's order, each after those it names, none holding up another."""

from collections.abc import Sequence, Set
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import col, select

from fsm import events
from fsm.actors import Actor, ActorKind, Permission
from fsm.crash_points import crash_point
from fsm.database import Session, remember, run
from fsm.http import problem_of
from fsm.problems import Busy
from fsm.tenants.tables import Device, User
from fsm.work_orders import completion, field_work
from fsm.work_orders.closing_sentences import ChecklistIncomplete
from fsm.work_orders.tables import Review
from mobile_api import device_time, feed, handlers, intent_store, sequencer
from mobile_api.device_time import Uptime
from mobile_api.hand import Hand
from mobile_api.handlers import StrayWork
from mobile_api.intent_store import DeviceClock, Waiting
from mobile_api.pull import iso
from mobile_api.tables import OutcomeStatus

AT_ONCE = 50
"""How many are applied behind savepoints in one transaction."""
_MOST_WAITING = 10_000

_AS_STORED: tuple[OutcomeStatus, dict[str, Any]] = (OutcomeStatus.APPLIED, {})

Settled = dict[UUID, dict[str, Any]]
"""What became of intents, by id."""


class Refused(Exception):
    """An intent that was applied without a savepoint failed; the transaction is lost with it."""

    def __init__(self, intent_id: UUID, why: Exception) -> None:
        super().__init__(f"{intent_id}: {why}")
        self.intent_id = intent_id


def hand_of(
    session: Session, actor: Actor, now: datetime, clock: DeviceClock, uptime: Uptime
) -> Hand:
    """Return the hand of a device, whose row is held, in a transaction that is to apply its intents."""
    return Hand(
        session=session,
        actor=actor,
        now=now,
        technician_id=clock.technician_id if actor.user_id else None,
        offset=clock.offset,
        registered_at=clock.registered_at,
        uptime=uptime,
    )


async def hand_of_device(session: Session, tenant_id: UUID, device_id: UUID, now: datetime) -> Hand:
    """Return the hand of a device's user, who may have left since: what was reported stays theirs."""
    statement = (
        select(User.id, User.name)
        .join(Device, (col(Device.tenant_id) == User.tenant_id) & (col(Device.user_id) == User.id))
        .where(Device.tenant_id == tenant_id, Device.id == device_id)
    )
    user_id, name = (await session.exec(statement)).one()
    actor = Actor(
        tenant_id=tenant_id,
        kind=ActorKind.DEVICE,
        user_id=user_id,
        device_id=device_id,
        name=name,
        permissions=frozenset({Permission.SYNC}),
    )
    clock = await intent_store.lock_device(session, actor)
    return hand_of(session, actor, now, clock, Uptime())


async def apply_open(
    hand: Hand,
    mine: set[UUID],
    tried: set[UUID],
    *,
    careful: bool,
    suspects: Set[UUID] = frozenset(),
    fresh: Sequence[Waiting] = (),
) -> Settled:
    """Apply what waits and may be applied, in the device's order; return the outcomes by id.

    `careful` means behind savepoints and at most `AT_ONCE`; `tried` grows by the ids looked at. Otherwise
    only `suspects` are applied with such care, and another one that fails is `Refused`. `mine` are
    those that somebody waits for an answer about; the others' phones learn it from the feed. `fresh` are
    those that this transaction has stored as applied already: only what turns out otherwise is written.
    """
    session, actor = hand.session, hand.actor
    remember(session)
    events.gather(session)
    if not careful:
        completion.put_off_verdicts(session)
    older = await intent_store.list_waiting(session, actor, _MOST_WAITING)
    waiting = [one for one in (*older, *fresh) if one.id not in tried]
    waiting.sort(key=lambda one: (one.envelope.seq, one.id))
    stored = dict.fromkeys((one.id for one in fresh), _AS_STORED)
    needed = {other for one in waiting for other in one.envelope.after} - stored.keys()
    settled = await intent_store.list_settled(session, actor, sorted(needed))
    results: list[tuple[UUID, OutcomeStatus, dict[str, Any]]] = []

    async def take(one: Waiting, *notes: dict[str, Any]) -> None:
        is_suspect = one.id in suspects
        status, outcome = await apply_one(hand, one, careful=careful or is_suspect)
        if is_suspect and status != OutcomeStatus.APPLIED:
            await handlers.hold_all(hand, (other.envelope for other in waiting))
        if notes:
            outcome["notes"] = [*outcome.get("notes", ()), *notes]
        if one.id not in mine:
            outcome["settled_at"] = iso(hand.now)
        results.append((one.id, status, outcome))
        settled.add(one.id)
        tried.add(one.id)

    if not careful:
        await handlers.hold_all(hand, (one.envelope for one in waiting))
    full = False
    while waiting and not full:
        progress, still = False, []
        for one in waiting:
            full = careful and len(results) >= AT_ONCE
            if not full and set(one.envelope.after) <= settled:
                await take(one)
                progress = True
            else:
                still.append(one)
        waiting = still
        if progress or full:
            continue
        first = _on_a_circle(waiting, settled)
        if first is None:
            break
        await take(first, {"code": "circle"})
        waiting = [one for one in waiting if one is not first]
    await completion.judge_counted(session)
    otherwise = [one for one in results if stored.get(one[0]) != one[1:]]
    otherwise += [(one.id, OutcomeStatus.WAITING, {}) for one in waiting if one.id in stored]
    await intent_store.settle(session, actor, otherwise)
    crash_point("after apply")
    if hand.technician_id is not None and any(
        status != OutcomeStatus.APPLIED or "settled_at" in outcome for _, status, outcome in results
    ):
        feed.mark_scope(session, feed.technician_scope(hand.technician_id))
    return {row_id: {"status": str(status), **outcome} for row_id, status, outcome in results}


def _on_a_circle(waiting: list[Waiting], settled: set[UUID]) -> Waiting | None:
    """Return the first intent that waits for itself by way of others, None where none does.

    It is applied as if it named nothing: a mistaken order is no reason to lose what happened.
    """
    missing = {one.id: set(one.envelope.after) - settled for one in waiting}
    for one in waiting:
        seen: set[UUID] = set()
        ahead = set(missing[one.id])
        while ahead:
            other = ahead.pop()
            if other == one.id:
                return one
            if other not in seen:
                seen.add(other)
                ahead |= missing.get(other, set())
    return None


async def apply_one(
    hand: Hand, one: Waiting, *, careful: bool
) -> tuple[OutcomeStatus, dict[str, Any]]:
    """Apply one stored intent and return its outcome; `careful` keeps a refusal from undoing anything else.

    Without care it is `Refused`; only stray work had no effect to undo: after a restore phones may send
    thousands of intents about visits that are no more. A failing database is `Busy`: the caller's whole
    transaction is to be done again.
    """
    if not careful:
        try:
            return _applied(await _take_effect(hand, one))
        except StrayWork as stray:
            await _show_stray(hand, one, stray)
            return intent_store.quarantine(stray)
        except Exception as error:
            if isinstance(problem_of(error), Busy):
                raise
            raise Refused(one.id, error) from error
    session = hand.session
    await completion.judge_counted(session)
    await session.flush()
    touched = list(session.info.get("touched", ()))
    gathered = events.gather(session)
    before = len(gathered)
    try:
        async with session.begin_nested():
            notes = await _take_effect(hand, one)
            await completion.judge_counted(session)
            await session.flush()
            return _applied(notes)
    except Exception as error:
        # One intent's bug must not hold up the queue.
        # What the savepoint undid is forgotten: objects of it hold values that never were.
        session.expunge_all()
        session.forget_appended()
        completion.forget_counted(session)
        hand.held.clear()
        remember(session)
        del gathered[before:]
        session.info["touched"] = touched
        problem = problem_of(error)
        if isinstance(problem, Busy):
            raise problem from error
    if isinstance(problem, ChecklistIncomplete):
        visit_id = UUID(one.envelope.data["visit_id"])
        unmet = problem.facts["unmet"]
        await field_work.ask_for_waivers(session, hand.actor, hand.now, visit_id, unmet)
        return OutcomeStatus.REJECTED, {"problem": problem.to_json()}
    if isinstance(problem, StrayWork):
        await _show_stray(hand, one, problem)
    return intent_store.quarantine(problem)


def _applied(notes: list[dict[str, Any]]) -> tuple[OutcomeStatus, dict[str, Any]]:
    return OutcomeStatus.APPLIED, {"notes": notes} if notes else {}


async def _take_effect(hand: Hand, one: Waiting) -> list[dict[str, Any]]:
    envelope = one.envelope
    occurred = device_time.estimate(
        envelope.occurred_at,
        hand.offset,
        await _known_since(hand, envelope.base_seq),
        one.received_at,
        hand.uptime.of(envelope) if one.received_at == hand.now else None,
    )
    return await handlers.apply(hand, envelope, occurred, one.received_at)


async def _known_since(hand: Hand, base_seq: int | None) -> datetime:
    """Return an instant after which the device acted: it had read the feed up to `base_seq` by then."""
    if base_seq not in hand.known_since:
        known = None
        if base_seq is not None:
            known = await sequencer.known_since(hand.session, hand.actor.tenant_id, base_seq)
        hand.known_since[base_seq] = known or hand.registered_at
    return hand.known_since[base_seq]


async def _show_stray(hand: Hand, one: Waiting, problem: StrayWork) -> None:
    """Put work on a visit that is not known or not theirs before the office, once a visit."""
    visit_id = problem.facts["visit_id"]
    if visit_id in hand.shown:
        return
    hand.shown.add(visit_id)
    known = await run(
        hand.session,
        "select 1 from review where tenant_id = :t and kind = 'orphan_visit'"
        " and settled_at is null and data ->> 'visit_id' = :visit",
        t=hand.actor.tenant_id,
        visit=visit_id,
    )
    if known.first() is None:
        hand.session.add(
            Review(
                tenant_id=hand.actor.tenant_id,
                kind="orphan_visit",
                data={
                    "visit_id": visit_id,
                    "intent_id": str(one.id),
                    "device_id": str(hand.actor.device_id),
                    "reason": problem.code,
                    "by": hand.actor.name,
                },
                raised_at=hand.now,
            )
        )
        await hand.session.flush()
