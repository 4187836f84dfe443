"""What a device sends: each intent stored raw, applied once in the device's order, and answered.

All goes into one transaction first, without savepoints. When something in it is refused, that transaction
is undone, the batch is stored as it came, and its intents are applied one by one, each behind a savepoint,
at most `AT_ONCE` in a transaction: a poisonous one costs itself and no other. A failing database is `Busy`:
nothing is acknowledged that was not committed.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import select

from fsm.actors import Actor, Permission
from fsm.crash_points import crash_point
from fsm.database import Database, Session, run
from fsm.http import problem_of
from fsm.problems import Busy, Forbidden, Problem
from fsm.technicians.tables import Technician
from fsm.tenants.tokens import DeviceRevoked
from fsm.work_orders.closing_sentences import ChecklistIncomplete
from fsm.work_orders.tables import Review
from mobile_api import device_time, feed, handlers, intent_store, sequencer
from mobile_api.handlers import Hand, NotYourVisit, UnknownVisit
from mobile_api.intent_store import Waiting
from mobile_api.intents import Batch, IdempotencyKeyReused, Sent, kept_beside
from mobile_api.pull import iso
from mobile_api.tables import OutcomeStatus

log = logging.getLogger("mobile_api.push")

MOST_INTENTS = 200
MOST_BYTES = 1_048_576
MOST_INFLATED = 16 * 1_048_576
AT_ONCE = 50
_TRIES = 4
_MOST_WAITING = 10_000

Result = TypeVar("Result")


@dataclass(slots=True)
class Answer:
    """A push's answer: the feed's head, the numbers that never arrived, what became of each intent."""

    head: int = 0
    want: list[int] = field(default_factory=list)
    outcomes: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class Receipt:
    """What a push found when it was stored: outcomes by position, and the intents that are still open."""

    outcomes: list[dict[str, Any] | None]
    open: dict[UUID, int] = field(default_factory=dict)


async def push(
    database: Database, actor: Actor, now: datetime, batch: Batch, barred: Problem | None
) -> Answer:
    """Store and apply a batch. With `barred` (device revoked, no right) it is stored and quarantined."""
    try:
        return await _repeatedly(lambda: _at_once(database, actor, now, batch, barred))
    except Busy:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to one intent
        log.info("a batch is applied one by one: %s", error)
    return await _one_by_one(database, actor, now, batch, barred)


async def _at_once(
    database: Database, actor: Actor, now: datetime, batch: Batch, barred: Problem | None
) -> Answer:
    async with database.transaction(actor.tenant_id) as session:
        receipt, clock = await _receive(session, actor, now, batch, barred)
        hand = await _hand(session, actor, now, clock)
        settled = await _apply_open(hand, receipt, set(), careful=False, barred=barred)
        return await _answer(session, actor, batch, receipt, settled)


async def _one_by_one(
    database: Database, actor: Actor, now: datetime, batch: Batch, barred: Problem | None
) -> Answer:
    async def store() -> Receipt:
        async with database.transaction(actor.tenant_id) as session:
            return (await _receive(session, actor, now, batch, barred))[0]

    receipt = await _repeatedly(store)
    tried: set[UUID] = set()
    settled: dict[UUID, dict[str, Any]] = {}

    async def some() -> tuple[dict[UUID, dict[str, Any]], set[UUID]]:
        seen = set(tried)
        async with database.transaction(actor.tenant_id) as session:
            clock = await intent_store.lock_device(session, actor)
            hand = await _hand(session, actor, now, clock)
            done = await _apply_open(hand, receipt, seen, careful=True, barred=barred)
        return done, seen

    while True:
        done, tried = await _repeatedly(some)
        settled |= done
        if not done:
            break

    async def answer() -> Answer:
        async with database.transaction(actor.tenant_id) as session:
            return await _answer(session, actor, batch, receipt, settled)

    return await _repeatedly(answer)


async def _repeatedly(work: Callable[[], Awaitable[Result]]) -> Result:
    """Do `work` again when the database was busy with the same rows; give up as `Busy`."""
    for attempt in range(_TRIES):
        try:
            return await work()
        except (SQLAlchemyError, OSError, Busy) as error:
            problem = problem_of(error)
            if not isinstance(problem, Busy):
                raise
            if attempt == _TRIES - 1:
                raise problem from error
            await asyncio.sleep(0.02 * 2**attempt)
    raise AssertionError  # pragma: no cover


# --- storing ----------------------------------------------------------------------------------------------


async def _receive(
    session: Session, actor: Actor, now: datetime, batch: Batch, barred: Problem | None
) -> tuple[Receipt, intent_store.DeviceClock]:
    """Store what is new, recognise what is not, and learn about the device's clock."""
    clock = await intent_store.lock_device(session, actor)
    newest = [sent.envelope.occurred_at for sent in batch.intents if sent.envelope]
    sample = device_time.sample_offset(
        now, batch.sent_at, max((at for at in newest if at is not None), default=None)
    )
    await intent_store.note_clock(session, actor, clock, sample)
    rows = []
    for sent in _distinct(batch.intents):
        problem = sent.problem or barred
        status, outcome = (
            (OutcomeStatus.WAITING, {}) if problem is None else intent_store.quarantine(problem)
        )
        rows.append((sent.id, sent, status, outcome))
    new = await intent_store.store(session, actor, now, rows)
    crash_point("after raw insert")
    if barred is not None and new:
        session.add(
            Review(
                tenant_id=actor.tenant_id,
                kind="quarantined_intents",
                data={
                    "device_id": str(actor.device_id),
                    "reason": barred.code,
                    "intents": sorted(map(str, new)),
                },
                raised_at=now,
            )
        )
    known = await intent_store.list_known(session, actor, [row_id for row_id, *_ in rows])
    receipt = Receipt([None] * len(batch.intents))
    beside = []
    for place, sent in enumerate(batch.intents):
        stored = known[sent.id]
        if stored.sha256 != sent.sha256:
            problem = IdempotencyKeyReused(
                "Another intent with this id was stored before. This one is kept beside it."
            )
            beside.append((kept_beside(sent), sent, *intent_store.quarantine(problem)))
            outcome = beside[-1][3]
            receipt.outcomes[place] = _outcome(sent, OutcomeStatus.QUARANTINED, outcome)
        elif stored.status == OutcomeStatus.WAITING and sent.id not in receipt.open:
            receipt.open[sent.id] = place
        elif sent.id in new and sent.id not in receipt.open:
            new.discard(sent.id)
            receipt.outcomes[place] = _outcome(sent, stored.status, stored.outcome)
        elif sent.id not in receipt.open:
            first = {"status": str(stored.status), **stored.outcome}
            receipt.outcomes[place] = _outcome(sent, OutcomeStatus.DUPLICATE, {"first": first})
    await intent_store.store(session, actor, now, beside)
    return receipt, await intent_store.lock_device(session, actor)


def _distinct(intents: Sequence[Sent]) -> list[Sent]:
    """Return the first intent of each id, in the device's order."""
    first: dict[UUID, Sent] = {}
    for sent in intents:
        first.setdefault(sent.id, sent)
    return sorted(first.values(), key=lambda sent: sent.seq)


# --- applying ---------------------------------------------------------------------------------------------


async def _hand(
    session: Session, actor: Actor, now: datetime, clock: intent_store.DeviceClock
) -> Hand:
    technician_id = None
    if actor.user_id is not None:
        statement = select(Technician.id).where(
            Technician.tenant_id == actor.tenant_id, Technician.user_id == actor.user_id
        )
        technician_id = (await session.exec(statement)).one_or_none()
    return Hand(
        session=session,
        actor=actor,
        now=now,
        technician_id=technician_id,
        offset=device_time.offset_of(clock.samples),
        registered_at=clock.registered_at,
    )


async def _apply_open(
    hand: Hand, receipt: Receipt, tried: set[UUID], *, careful: bool, barred: Problem | None
) -> dict[UUID, dict[str, Any]]:
    """Apply what waits and may be applied, in the device's order; return the outcomes by id.

    `careful` means behind savepoints and at most `AT_ONCE`; `tried` grows by the ids looked at.
    """
    if barred is not None:
        return {}
    session, actor = hand.session, hand.actor
    waiting = [
        one
        for one in await intent_store.list_waiting(session, actor, _MOST_WAITING)
        if one.id not in tried
    ]
    needed = {other for one in waiting for other in one.envelope.after}
    settled = await intent_store.list_settled(session, actor, sorted(needed))
    results: list[tuple[UUID, OutcomeStatus, dict[str, Any]]] = []
    progress = True
    while progress and waiting:
        progress, still = False, []
        for one in waiting:
            if set(one.envelope.after) <= settled and not (careful and len(results) >= AT_ONCE):
                status, outcome = await apply_one(hand, one, careful=careful)
                if one.id not in receipt.open:
                    outcome["settled_at"] = iso(hand.now)
                results.append((one.id, status, outcome))
                settled.add(one.id)
                tried.add(one.id)
                progress = True
            else:
                still.append(one)
        waiting = still
    await intent_store.settle(session, actor, results)
    crash_point("after apply")
    if hand.technician_id is not None and any(
        status != OutcomeStatus.APPLIED or "settled_at" in outcome for _, status, outcome in results
    ):
        feed.mark_scope(session, feed.technician_scope(hand.technician_id))
    return {row_id: {"status": str(status), **outcome} for row_id, status, outcome in results}


async def apply_one(
    hand: Hand, one: Waiting, *, careful: bool
) -> tuple[OutcomeStatus, dict[str, Any]]:
    """Apply one stored intent and return its outcome; `careful` keeps a refusal from undoing anything else.

    A failing database is `Busy`: the caller's whole transaction is to be done again.
    """
    if not careful:
        return _applied(await _take_effect(hand, one))
    session = hand.session
    touched = list(session.info.get("touched", ()))
    try:
        async with session.begin_nested():
            return _applied(await _take_effect(hand, one))
    except Exception as error:
        # One intent's bug must not hold up the queue.
        # What the savepoint undid is forgotten: objects of it hold values that never were.
        session.expunge_all()
        session.info["touched"] = touched
        problem = problem_of(error)
        if isinstance(problem, Busy):
            raise problem from error
    if isinstance(problem, ChecklistIncomplete):
        return OutcomeStatus.REJECTED, {"problem": problem.to_json()}
    if isinstance(problem, UnknownVisit | NotYourVisit):
        await _show_orphan(hand, one, problem)
    return intent_store.quarantine(problem)


def _applied(notes: list[dict[str, Any]]) -> tuple[OutcomeStatus, dict[str, Any]]:
    return OutcomeStatus.APPLIED, {"notes": notes} if notes else {}


async def _take_effect(hand: Hand, one: Waiting) -> list[dict[str, Any]]:
    known = None
    if one.envelope.base_seq is not None:
        known = await sequencer.known_since(
            hand.session, hand.actor.tenant_id, one.envelope.base_seq
        )
    occurred = device_time.estimate(
        one.envelope.occurred_at, hand.offset, known or hand.registered_at, one.received_at
    )
    return await handlers.apply(hand, one.envelope, occurred, one.received_at)


async def _show_orphan(hand: Hand, one: Waiting, problem: Problem) -> None:
    """Put work on a visit that is not known or not theirs before the office, once a visit."""
    visit_id = problem.facts["visit_id"]
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


# --- answering --------------------------------------------------------------------------------------------


async def _answer(
    session: Session,
    actor: Actor,
    batch: Batch,
    receipt: Receipt,
    settled: dict[UUID, dict[str, Any]],
) -> Answer:
    """Return the outcomes in the order of the batch, then those of earlier intents that came free."""
    known = await intent_store.list_known(session, actor, list(receipt.open))
    for row_id, place in receipt.open.items():
        sent, stored = batch.intents[place], known[row_id]
        outcome = dict(stored.outcome)
        if stored.status == OutcomeStatus.WAITING and sent.envelope is not None:
            present = await intent_store.list_settled(session, actor, sent.envelope.after)
            outcome["after"] = [str(one) for one in sent.envelope.after if one not in present]
        receipt.outcomes[place] = _outcome(sent, stored.status, outcome)
    for place, sent in enumerate(batch.intents):
        if receipt.outcomes[place] is None:  # the same intent twice in one batch
            earlier = receipt.outcomes[receipt.open[sent.id]] or {}
            first = {name: value for name, value in earlier.items() if name != "id"}
            receipt.outcomes[place] = _outcome(sent, OutcomeStatus.DUPLICATE, {"first": first})
    freed = [
        {"id": str(row_id), **outcome}
        for row_id, outcome in settled.items()
        if row_id not in receipt.open
    ]
    clock = await intent_store.lock_device(session, actor)
    want = await intent_store.find_gaps(session, actor, clock.last_seq)
    head = (await sequencer.read_head(session, actor.tenant_id)).head
    return Answer(head, want, [one for one in receipt.outcomes if one is not None] + freed)


def _outcome(sent: Sent, status: OutcomeStatus, outcome: dict[str, Any]) -> dict[str, Any]:
    """Return what the device is told; an intent without a usable id is named by its `seq` and our id."""
    if sent.sent_id is not None:
        return {"id": sent.sent_id, "status": str(status), **outcome}
    return {"id": str(sent.id), "seq": sent.seq, "status": str(status), **outcome}


def barred_by(actor: Actor) -> Problem | None:
    """Return why nothing of this device may be applied, None when it may."""
    if actor.user_id is None:
        return DeviceRevoked(
            "This device or its user was put out of use. The office decides on what it sends."
        )
    try:
        actor.must(Permission.SYNC)
    except Forbidden as problem:
        return problem
    return None
