"""What a device sends: each intent stored raw, applied once in the device's order, and answered.

All goes into one transaction first, without savepoints. When an intent in it is refused, that transaction
is undone and done again with that one behind a savepoint, and so on for a few. When it is not known whose
mistake it was, or they are many, the batch is stored as it came, and its intents are applied one by one, each
behind a savepoint, at most `applying.AT_ONCE` in a transaction: a poisonous one costs itself and no other. A
failing database is `Busy`: nothing is acknowledged that was not committed.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from fsm.actors import Actor, Permission
from fsm.database import DRIVER_ERRORS, Database, Session
from fsm.http import problem_of
from fsm.languages import FIRST
from fsm.problem_words import in_language
from fsm.problems import Busy, Forbidden, Problem
from fsm.tenants.tokens import DeviceRevoked
from mobile_api import intent_store, pull, sequencer
from mobile_api.applying import Refused, Settled, apply_open, hand_of
from mobile_api.intent_store import Waiting
from mobile_api.intents import Batch
from mobile_api.receiving import Receipt, outcome_of, receive
from mobile_api.tables import OutcomeStatus

log = logging.getLogger("mobile_api.push")

MOST_INTENTS = 200
MOST_BYTES = 1_048_576
MOST_INFLATED = 16 * 1_048_576
_MOST_SUSPECTS = 4
"""How many intents of a batch may be refused before each of them is taken with care."""
_TRIES = 4

Result = TypeVar("Result")


@dataclass(slots=True)
class Answer:
    """A push's answer: the feed's head, the numbers that never arrived, what became of each intent."""

    head: int = 0
    want: list[int] = field(default_factory=list)
    outcomes: list[dict[str, Any]] = field(default_factory=list)


def in_words_of(answer: Answer, language: str) -> Answer:
    """Return an answer whose refusals are said in a language; what is stored stays English."""
    if language == FIRST:
        return answer
    return replace(answer, outcomes=[_said(outcome, language) for outcome in answer.outcomes])


def _said(outcome: dict[str, Any], language: str) -> dict[str, Any]:
    if "first" in outcome:  # of a duplicate: what became of it then
        return outcome | {"first": _said(outcome["first"], language)}
    if "problem" in outcome:
        return outcome | {"problem": in_language(outcome["problem"], language)}
    return outcome


async def push(
    database: Database, actor: Actor, now: datetime, batch: Batch, barred: Problem | None
) -> Answer:
    """Store and apply a batch. With `barred` (device revoked, no right) it is stored and quarantined."""
    suspects: set[UUID] = set()
    while len(suspects) <= _MOST_SUSPECTS:
        try:
            return await _repeatedly(
                lambda: _at_once(database, actor, now, batch, barred, suspects)
            )
        except Busy:
            raise
        except Refused as refused:
            suspects.add(refused.intent_id)
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to one intent
            log.info("a batch is applied one by one: %s", error)
            break
    return await _one_by_one(database, actor, now, batch, barred)


async def _at_once(
    database: Database,
    actor: Actor,
    now: datetime,
    batch: Batch,
    barred: Problem | None,
    suspects: set[UUID],
) -> Answer:
    """Store and apply a batch in one transaction, the `suspects` with care; any other may be `Refused`."""
    async with database.transaction(actor.tenant_id) as session:
        receipt = await receive(session, actor, now, batch, barred, OutcomeStatus.APPLIED)
        settled: Settled = {}
        if barred is None:
            hand = hand_of(session, actor, now, receipt.clock, receipt.uptime)
            hand.reused = receipt.reused
            fresh = [
                Waiting(row_id, sent.envelope, now)
                for row_id, place in receipt.open.items()
                if row_id in receipt.fresh and (sent := batch.intents[place]).envelope
            ]
            settled = await apply_open(
                hand,
                set(receipt.open),
                set(),
                careful=False,
                suspects=suspects,
                fresh=fresh,
            )
            if batch.outbox_empty_at is not None:
                await pull.note_empty(session, actor, batch.outbox_empty_at)
        return await _answer(session, actor, batch, receipt, settled)


async def _one_by_one(
    database: Database, actor: Actor, now: datetime, batch: Batch, barred: Problem | None
) -> Answer:
    async def store() -> Receipt:
        async with database.transaction(actor.tenant_id) as session:
            return await receive(session, actor, now, batch, barred)

    receipt = await _repeatedly(store)
    tried: set[UUID] = set()
    settled: Settled = {}

    async def some() -> tuple[Settled, set[UUID]]:
        seen = set(tried)
        async with database.transaction(actor.tenant_id) as session:
            clock = await intent_store.lock_device(session, actor)
            hand = hand_of(session, actor, now, clock, receipt.uptime)
            hand.reused = receipt.reused
            done = await apply_open(hand, set(receipt.open), seen, careful=True)
        return done, seen

    while barred is None:
        done, tried = await _repeatedly(some)
        settled |= done
        if not done:
            break

    async def answer() -> Answer:
        async with database.transaction(actor.tenant_id) as session:
            receipt.clock = await intent_store.lock_device(session, actor)
            if batch.outbox_empty_at is not None and barred is None:
                await pull.note_empty(session, actor, batch.outbox_empty_at)
            return await _answer(session, actor, batch, receipt, settled)

    return await _repeatedly(answer)


async def _repeatedly(work: Callable[[], Awaitable[Result]]) -> Result:
    """Do `work` again when the database was busy with the same rows; give up as `Busy`."""
    for attempt in range(_TRIES):
        try:
            return await work()
        except (SQLAlchemyError, *DRIVER_ERRORS, OSError, Busy) as error:
            problem = problem_of(error)
            if not isinstance(problem, Busy):
                raise
            if attempt == _TRIES - 1:
                raise problem from error
            await asyncio.sleep(0.02 * 2**attempt)
    raise AssertionError  # pragma: no cover


async def _answer(
    session: Session, actor: Actor, batch: Batch, receipt: Receipt, settled: Settled
) -> Answer:
    """Return the outcomes in the order of the batch, then those of earlier intents that came free."""
    outcomes = list(receipt.outcomes)
    unsettled = [row_id for row_id in receipt.open if row_id not in settled]
    known = await intent_store.list_known(session, actor, unsettled) if unsettled else {}
    for row_id, place in receipt.open.items():
        sent = batch.intents[place]
        if row_id in settled:
            outcomes[place] = outcome_of(sent, **settled[row_id])
            continue
        stored = known[row_id]
        outcome = dict(stored.outcome)
        if stored.status == OutcomeStatus.WAITING and sent.envelope is not None:
            present = await intent_store.list_settled(session, actor, sent.envelope.after)
            outcome["after"] = [str(one) for one in sent.envelope.after if one not in present]
        outcomes[place] = outcome_of(sent, stored.status, **outcome)
    for place, sent in enumerate(batch.intents):
        if outcomes[place] is None:  # the same intent twice in one batch
            earlier = outcomes[receipt.open[sent.id]] or {}
            first = {name: value for name, value in earlier.items() if name != "id"}
            outcomes[place] = outcome_of(sent, OutcomeStatus.DUPLICATE, first=first)
    freed = [
        {"id": str(row_id), **outcome}
        for row_id, outcome in settled.items()
        if row_id not in receipt.open
    ]
    want = await intent_store.find_gaps(
        session, actor, receipt.clock, {sent.seq for sent in batch.intents}
    )
    head = (await sequencer.read_head(session, actor.tenant_id)).head
    return Answer(head, want, [one for one in outcomes if one is not None] + freed)


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
