"""The ledger: windows told and looked up, what became of them, the model that the next are made with."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlmodel import col, select
from uuid_utils.compat import uuid7

from fsm import events
from fsm.actors import Actor
from fsm.database import Session, fetch, run
from scheduler.promise_ledger.tables import Channel, PromiseModel, PromiseOutcome, PromiseTold
from scheduler.promises.errors import from_document
from scheduler.promises.keeping import Asker, Outcome
from scheduler.promises.windows import Calibration, Model, Window, class_of

COMPARED: Final = timedelta(weeks=6)
"""How far back promises correct the next."""
_MOST_COMPARED: Final = 5_000


@dataclass(frozen=True, slots=True)
class Stated:
    """The chance that is seen of a window, and from which forecast."""

    probability: float
    expected_at: datetime
    spread_s: float
    model_sha256: str | None

    @staticmethod
    def of(window: Window, starts_at: datetime, model: Model) -> "Stated | None":
        """Return what is stated with a window; None where keeping it is out of the question."""
        if window.probability <= 0:
            return None
        return Stated(
            probability=window.probability,
            expected_at=starts_at + timedelta(seconds=window.foreseen.middle),
            spread_s=window.foreseen.spread,
            model_sha256=model.digest,
        )


@dataclass(frozen=True, slots=True)
class ByHand:
    """Who set a window at the desk, and why. The event is the promise's id: noted twice, it is one."""

    event_id: UUID
    name: str
    reason: str | None


async def model_of(session: Session, actor: Actor, now: datetime) -> Model:
    """Return what windows are made with now: the errors learned last, and how recent promises came out."""
    statement = (
        select(PromiseModel)
        .where(PromiseModel.tenant_id == actor.tenant_id)
        .order_by(col(PromiseModel.learned_at).desc())
        .limit(1)
    )
    learned = (await session.exec(statement)).one_or_none()
    rows = await run(
        session,
        """
        select extract(epoch from p.expected_at - p.sent_at) as ahead_s, p.spread_s, o.score
        from promise p
        join promise_outcome o on o.tenant_id = p.tenant_id and o.promise_id = p.id
        where p.tenant_id = :tenant and p.window_ends_at >= :since and o.score is not null
          and p.expected_at is not null
        order by p.window_ends_at desc, p.id limit :most
        """,
        tenant=actor.tenant_id,
        since=now - COMPARED,
        most=_MOST_COMPARED,
    )
    calibration = Calibration.of(
        (class_of(float(row.ahead_s), row.spread_s), row.score) for row in rows
    )
    if learned is None:
        return Model(calibration=calibration)
    return Model(from_document(learned.body), calibration, digest=learned.sha256)


async def tell(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    work_order_id: UUID,
    visit_id: UUID,
    window: tuple[datetime, datetime],
    channel: Channel,
    sent_at: datetime,
    asked_by: Asker | None,
    stated: Stated | None,
    by_hand: ByHand | None = None,
) -> PromiseTold:
    """Write a window that was told. Whoever asked for a first one is not noted: there was none before."""
    before = await _last_of(session, actor, work_order_id)
    row = PromiseTold(
        id=uuid7() if by_hand is None else by_hand.event_id,
        tenant_id=actor.tenant_id,
        work_order_id=work_order_id,
        visit_id=visit_id,
        window_starts_at=window[0],
        window_ends_at=window[1],
        channel=channel,
        sent_at=sent_at,
        told_by=actor.name if by_hand is None else by_hand.name,
        reason=None if by_hand is None else by_hand.reason,
        asked_by=None if before is None else asked_by or Asker.COMPANY,
        probability=None if stated is None else stated.probability,
        expected_at=None if stated is None else stated.expected_at,
        spread_s=None if stated is None else stated.spread_s,
        model_sha256=None if stated is None else stated.model_sha256,
    )
    session.add(row)
    await session.flush()
    await events.record(
        session,
        actor,
        "promise.told",
        "promise",
        row.id,
        now=now,
        work_order_id=str(work_order_id),
        visit_id=str(visit_id),
        window_starts_at=window[0].isoformat(),
        window_ends_at=window[1].isoformat(),
        channel=channel,
        asked_by=row.asked_by,
    )
    return row


async def _last_of(session: Session, actor: Actor, work_order_id: UUID) -> PromiseTold | None:
    """Return the promise that stands for a job: none where a visit has come since, or nothing was told."""
    rows = await run(
        session,
        """
        select p.id from promise p
        where p.tenant_id = :tenant and p.work_order_id = :job and not exists (
          select from visit v where v.tenant_id = p.tenant_id and v.work_order_id = p.work_order_id
            and v.arrived_at >= p.sent_at)
        order by p.sent_at desc, p.id desc limit 1
        """,
        tenant=actor.tenant_id,
        job=work_order_id,
    )
    found = rows.one_or_none()
    if found is None:
        return None
    return await session.get(PromiseTold, (actor.tenant_id, found.id))


async def list_stated(
    session: Session, actor: Actor, visit_ids: Collection[UUID]
) -> dict[UUID, float]:
    """Return the chance that was stated with the window of each visit, where the ledger knows it.

    A visit that took another's place goes on under the window that its customer was told.
    """
    if not visit_ids:
        return {}
    rows = await fetch(
        session,
        """
        select distinct on (v.id) v.id, p.probability
        from visit v
        join promise p on p.tenant_id = v.tenant_id and p.work_order_id = v.work_order_id
          and p.window_starts_at = v.window_starts_at and p.window_ends_at = v.window_ends_at
        where v.tenant_id = $1 and v.id = any($2) and p.probability is not null
        order by v.id, p.sent_at desc, p.id desc
        """,
        actor.tenant_id,
        list(visit_ids),
    )
    return dict(rows)


async def list_promises(
    session: Session,
    actor: Actor,
    *,
    limit: int,
    after: UUID | None = None,
    work_order_id: UUID | None = None,
) -> Sequence[tuple[PromiseTold, PromiseOutcome | None]]:
    """Return the ledger, newest first, each promise with what became of it."""
    statement = (
        select(PromiseTold, PromiseOutcome)
        .join(
            PromiseOutcome,
            (col(PromiseOutcome.tenant_id) == PromiseTold.tenant_id)
            & (col(PromiseOutcome.promise_id) == PromiseTold.id),
            isouter=True,
        )
        .where(PromiseTold.tenant_id == actor.tenant_id)
        .order_by(col(PromiseTold.id).desc())
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(PromiseTold.id < after)
    if work_order_id is not None:
        statement = statement.where(PromiseTold.work_order_id == work_order_id)
    return [(promise, outcome) for promise, outcome in await session.exec(statement)]


@dataclass(frozen=True, slots=True)
class Counted:
    """A promise that was kept or not, as the report needs it."""

    work_order_id: UUID
    asked_by: Asker | None
    probability: float | None
    outcome: Outcome


async def list_counted(
    session: Session, actor: Actor, from_at: datetime, to_at: datetime
) -> list[Counted]:
    """Return the judged promises whose window ended in a period, by job in the order they were told."""
    rows = await run(
        session,
        """
        select p.work_order_id, p.asked_by, p.probability, o.outcome
        from promise p
        join promise_outcome o on o.tenant_id = p.tenant_id and o.promise_id = p.id
        where p.tenant_id = :tenant and p.window_ends_at >= :from_at and p.window_ends_at < :to_at
        order by p.work_order_id, p.sent_at, p.id
        """,
        tenant=actor.tenant_id,
        from_at=from_at,
        to_at=to_at,
    )
    return [
        Counted(
            row.work_order_id,
            None if row.asked_by is None else Asker(row.asked_by),
            row.probability,
            Outcome(row.outcome),
        )
        for row in rows
    ]


async def list_at_work(
    session: Session, actor: Actor, starts_at: datetime, ends_at: datetime
) -> list[UUID]:
    """Return whose shift touches a period, neighbours beside each other as far as territories tell."""
    rows = await run(
        session,
        """
        select t.id from technician t
        where t.tenant_id = :tenant and t.is_active and exists (
          select from shift s where s.tenant_id = t.tenant_id and s.technician_id = t.id
            and s.during && tstzrange(:starts_at, :ends_at))
        order by t.territory, t.home_latitude, t.id
        """,
        tenant=actor.tenant_id,
        starts_at=starts_at,
        ends_at=ends_at,
    )
    return [row.id for row in rows]


def kinds_of(work_orders: dict[str, Any]) -> dict[str, str]:
    """Return the kind of work of each visit, by which errors are told apart."""
    return {key: str(one.work_type_id) for key, one in work_orders.items()}
