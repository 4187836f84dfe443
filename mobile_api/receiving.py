"""A push as it is stored: what is new, what is known, what was never sent, and what its device's clock says.

Nothing is judged here but whether it can be read and whose it is: everything authentic is kept as it came.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from fsm.actors import Actor
from fsm.crash_points import crash_point
from fsm.database import Session, run
from fsm.problems import Problem
from fsm.work_orders.tables import Review
from mobile_api import device_time, feed, intent_store
from mobile_api.device_time import Uptime
from mobile_api.intent_store import DeviceClock, Known, Storing
from mobile_api.intents import Batch, IdempotencyKeyReused, Sent, kept_beside
from mobile_api.tables import OutcomeStatus

CLONED = "cloned_device"
"""The review of a device that used a number for two intents: two installations go by one token."""


@dataclass(slots=True)
class Receipt:
    """What a push found when it was stored.

    `outcomes` goes by position, with None for what is still open; `open` are the ids to be applied, with
    their positions; `fresh` those that were not known before. `reused` are numbers of the device that name
    another intent too. `clock` is the device's row, held until the commit.
    """

    clock: DeviceClock
    uptime: Uptime
    outcomes: list[dict[str, Any] | None]
    open: dict[UUID, int] = field(default_factory=dict)
    fresh: set[UUID] = field(default_factory=set)
    reused: set[int] = field(default_factory=set)


async def receive(
    session: Session,
    actor: Actor,
    now: datetime,
    batch: Batch,
    barred: Problem | None,
    expected: OutcomeStatus = OutcomeStatus.WAITING,
) -> Receipt:
    """Store what is new, recognise what is not, and learn about the device's clock.

    With `barred` everything new is quarantined, and a person is told. What can be applied is stored as
    `expected`: a caller that applies it in this same transaction says `applied`, and writes only of those
    that turn out otherwise.
    """
    clock = await _read_clock(session, actor, now, batch)
    envelopes = [sent.envelope for sent in batch.intents if sent.envelope]
    uptime = device_time.uptime_of(envelopes, now, batch.boot, batch.mono_ms, clock.offset)
    receipt = Receipt(clock, uptime, [None] * len(batch.intents))
    rows = []
    for sent in _distinct(batch.intents):
        problem = sent.problem or barred
        status, outcome = (
            (OutcomeStatus.WAITING, {}) if problem is None else intent_store.quarantine(problem)
        )
        rows.append((sent.id, sent, status, outcome))
    as_expected = [
        (row_id, sent, expected if status == OutcomeStatus.WAITING else status, outcome)
        for row_id, sent, status, outcome in rows
    ]
    new = receipt.fresh = await intent_store.store(session, actor, now, as_expected)
    crash_point("after raw insert")
    if barred is not None and new:
        _show_quarantined(session, actor, now, barred, new)
    receipt.reused = await intent_store.find_reused(
        session,
        actor,
        {row_id: sent.seq for row_id, sent, *_ in rows if row_id in new and sent.seq},
    )
    if receipt.reused:
        await _show_clone(session, actor, now, receipt.reused)
    known = {
        row_id: Known(row_id, sent.sha256, status, outcome)
        for row_id, sent, status, outcome in rows
        if row_id in new
    }
    if older := [row_id for row_id, *_ in rows if row_id not in new]:
        known |= await intent_store.list_known(session, actor, older)
    beside = _sort(batch, receipt, known, new)
    await intent_store.store(session, actor, now, beside)
    if beside or any(status != OutcomeStatus.WAITING for _, _, status, _ in rows):
        await _mark_outcomes(session, actor)
    return receipt


async def _mark_outcomes(session: Session, actor: Actor) -> None:
    """Have the feed show what was put aside to the person whose device it is, put out of use or not."""
    result = await run(
        session,
        "select t.id from device d"
        " join technician t on t.tenant_id = d.tenant_id and t.user_id = d.user_id"
        " where d.tenant_id = :t and d.id = :device",
        t=actor.tenant_id,
        device=actor.device_id,
    )
    for technician_id in result.scalars():
        feed.mark_scope(session, feed.technician_scope(technician_id))


async def _read_clock(session: Session, actor: Actor, now: datetime, batch: Batch) -> DeviceClock:
    clock = await intent_store.lock_device(session, actor)
    newest = [sent.envelope.occurred_at for sent in batch.intents if sent.envelope]
    sample = device_time.sample_offset(
        now, batch.sent_at, max((at for at in newest if at is not None), default=None)
    )
    if sample is not None:
        clock = await intent_store.note_clock(session, actor, clock, sample)
    if batch.from_seq is not None and batch.from_seq - 1 > clock.last_seq:
        # What the device no longer has went with an older installation; it is not asked for again.
        clock = await intent_store.note_stored(session, actor, clock, batch.from_seq - 1)
    return clock


def _sort(
    batch: Batch, receipt: Receipt, known: dict[UUID, Known], new: set[UUID]
) -> list[Storing]:
    """Answer what is not to be applied; return what is to be kept beside an intent of the same id."""
    answered = set(new)
    beside: list[Storing] = []
    for place, sent in enumerate(batch.intents):
        stored = known[sent.id]
        if stored.sha256 != sent.sha256:
            problem = IdempotencyKeyReused(
                "Another intent with this id was stored before. This one is kept beside it."
            )
            beside.append((kept_beside(sent), sent, *intent_store.quarantine(problem)))
            outcome = beside[-1][3]
            receipt.outcomes[place] = outcome_of(sent, OutcomeStatus.QUARANTINED, **outcome)
        elif stored.status == OutcomeStatus.WAITING and sent.id not in receipt.open:
            receipt.open[sent.id] = place
        elif sent.id in answered and sent.id not in receipt.open:
            answered.discard(sent.id)
            receipt.outcomes[place] = outcome_of(sent, stored.status, **stored.outcome)
        elif sent.id not in receipt.open:
            first = {"status": str(stored.status), **stored.outcome}
            receipt.outcomes[place] = outcome_of(sent, OutcomeStatus.DUPLICATE, first=first)
    return beside


def _distinct(intents: Sequence[Sent]) -> list[Sent]:
    """Return the first intent of each id, in the device's order."""
    first: dict[UUID, Sent] = {}
    for sent in intents:
        first.setdefault(sent.id, sent)
    return sorted(first.values(), key=lambda sent: sent.seq)


def _show_quarantined(
    session: Session, actor: Actor, now: datetime, barred: Problem, new: set[UUID]
) -> None:
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


async def _show_clone(session: Session, actor: Actor, now: datetime, numbers: set[int]) -> None:
    """Put a device that counts twice before a person, once until that person has settled it.

    What it sends is applied all the same: two copies of an app are two hands that did the work.
    """
    known = await run(
        session,
        "select 1 from review where tenant_id = :t and kind = :kind and settled_at is null"
        " and data ->> 'device_id' = :device",
        t=actor.tenant_id,
        kind=CLONED,
        device=str(actor.device_id),
    )
    if known.first() is None:
        session.add(
            Review(
                tenant_id=actor.tenant_id,
                kind=CLONED,
                data={
                    "device_id": str(actor.device_id),
                    "by": actor.name,
                    "numbers": sorted(numbers)[:20],
                },
                raised_at=now,
            )
        )


def outcome_of(sent: Sent, status: str, **outcome: Any) -> dict[str, Any]:
    """Return what the device is told; an intent without a usable id is named by its `seq` and our id."""
    if sent.sent_id is not None:
        return {"id": sent.sent_id, "status": str(status), **outcome}
    return {"id": str(sent.id), "seq": sent.seq, "status": str(status), **outcome}
