"""What finished visits teach: how far plans are off, and which promises were kept. Done on the clock."""

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select

from fsm.database import Session, run
from scheduler.promise_ledger.tables import PromiseModel, PromiseOutcome, PromiseTold
from scheduler.promises.errors import Finished, digest_of, learn, to_document
from scheduler.promises.keeping import Outcome, judge
from scheduler.promises.windows import score

LEARNED_FROM: Final = timedelta(days=180)
_MOST_VISITS: Final = 100_000
WAITED_FOR: Final = timedelta(hours=12)
"""How long after a window's end a phone may still tell that somebody came in it."""
JUDGED_FOR: Final = timedelta(days=30)
_AT_ONCE: Final = 5_000


async def relearn(session: Session, tenant_id: UUID, now: datetime) -> str | None:
    """Learn how far a company's plans are off; return the digest of what was learned.

    None where no visit is finished. What no promise was made with, and is not the newest, is let go.
    """
    finished = await list_finished(session, tenant_id, now)
    if not finished:
        return None
    body = to_document(learn(finished))
    sha256 = digest_of(body)
    row = {"body": body, "visits": len(finished), "learned_at": now}
    await session.exec(
        insert(PromiseModel)
        .values(tenant_id=tenant_id, sha256=sha256, **row)
        .on_conflict_do_update(
            index_elements=["tenant_id", "sha256"],
            set_={"learned_at": now, "visits": len(finished)},
        )
    )
    in_use = select(PromiseTold.model_sha256).where(
        PromiseTold.tenant_id == tenant_id, col(PromiseTold.model_sha256).is_not(None)
    )
    await session.exec(
        delete(PromiseModel).where(
            col(PromiseModel.tenant_id) == tenant_id,
            col(PromiseModel.sha256) != sha256,
            col(PromiseModel.sha256).not_in(in_use),
        )
    )
    return sha256


async def list_finished(session: Session, tenant_id: UUID, now: datetime) -> list[Finished]:
    """Return the visits of the last half year that are over, planned against actual.

    Time that a visit was paused is not work; nobody was there where it was given up before work began.
    """
    rows = await run(
        session,
        """
        select v.technician_id, v.travel_s, v.travel_started_at, v.arrived_at, v.work_started_at,
          v.finished_at, v.status, w.work_type_id, w.zone, s.region,
          coalesce(v.travel_started_at, v.arrived_at) as left_at,
          extract(epoch from v.planned_ends_at - v.planned_starts_at) as planned_s,
          coalesce((
            select sum(extract(epoch from upper(p.during) - lower(p.during))) from pause p
            where p.tenant_id = v.tenant_id and p.visit_id = v.id and not upper_inf(p.during)
          ), 0) as paused_s
        from visit v
        join work_order w on w.tenant_id = v.tenant_id and w.id = v.work_order_id
        join site s on s.tenant_id = w.tenant_id and s.id = w.site_id
        where v.tenant_id = :tenant and v.planned_starts_at >= :since and v.arrived_at is not null
          and v.status in ('finished', 'aborted')
        order by v.planned_starts_at desc, v.id limit :most
        """,
        tenant=tenant_id,
        since=now - LEARNED_FROM,
        most=_MOST_VISITS,
    )
    found = []
    for row in rows:
        left_at = row.left_at.astimezone(ZoneInfo(row.zone))
        travel = work = None
        if row.travel_started_at is not None and row.arrived_at > row.travel_started_at:
            travel = (float(row.travel_s), (row.arrived_at - row.travel_started_at).total_seconds())
        if (
            row.status == "finished"
            and row.work_started_at is not None
            and row.finished_at is not None
        ):
            lasted = (row.finished_at - row.work_started_at).total_seconds()
            work = (float(row.planned_s), max(0.0, lasted - float(row.paused_s)))
        found.append(
            Finished(
                route=f"{row.technician_id}/{left_at.date()}",
                territory=row.region,
                hour=left_at.hour,
                kind=str(row.work_type_id),
                travel=travel,
                work=work,
                nobody_there=row.status == "aborted" and row.work_started_at is None,
            )
        )
    return found


async def judge_promises(session: Session, tenant_id: UUID, now: datetime) -> int:
    """Judge the promises that are over, and those that seemed missed once more; return how many were.

    The visit that was promised counts, or the one that took its place. Void is what the customer had moved
    before its window ended, and what was called off by then, by whom ever: the job was cancelled, or the
    office took the visit back and nobody came or is planned since. Called off later, it stays missed; planned
    anew after it was void, it is judged again.

    Where there are too many for one run, those without an outcome come first, the oldest of them before the
    others; of those judged before, the newest, which phones most likely still have something to tell of.
    """
    rows = await run(
        session,
        """
        select p.id, p.window_starts_at, p.window_ends_at, p.expected_at, p.spread_s,
          came.arrived_at, came.work_started_at, o.outcome as before,
          exists (
            select from promise q where q.tenant_id = p.tenant_id
              and q.work_order_id = p.work_order_id and q.asked_by = 'customer'
              and q.sent_at > p.sent_at and q.sent_at <= p.window_ends_at
          ) as was_moved,
          (w.status = 'cancelled' and coalesce(w.cancelled_at, p.sent_at) <= p.window_ends_at)
          or exists (
            select from day_event e where e.tenant_id = p.tenant_id and e.visit_id = v.id
              and (e.kind = 'no_show' or (e.kind = 'cancellation' and e.noted_at <= p.window_ends_at))
          ) as was_called_off,
          v.status = 'withdrawn' and not exists (
            select from visit other where other.tenant_id = v.tenant_id
              and other.work_order_id = v.work_order_id
              and (other.arrived_at >= p.sent_at
                or other.status in ('planned', 'dispatched', 'travelling', 'on_site', 'paused'))
          ) and exists (
            select from event e where e.tenant_id = v.tenant_id and e.entity_id = v.id
              and e.kind = 'visit.withdrawn' and e.occurred_at <= p.window_ends_at
          ) as was_taken_back
        from promise p
        join visit v on v.tenant_id = p.tenant_id and v.id = p.visit_id
        join work_order w on w.tenant_id = p.tenant_id and w.id = p.work_order_id
        left join promise_outcome o on o.tenant_id = p.tenant_id and o.promise_id = p.id
        left join lateral (
          select c.arrived_at, c.work_started_at from visit c
          where c.tenant_id = p.tenant_id and c.work_order_id = p.work_order_id
            and c.arrived_at >= p.sent_at
            and (c.id = v.id or v.status in ('withdrawn', 'rejected'))
          order by c.arrived_at limit 1) came on true
        where p.tenant_id = :tenant and p.sent_at <= :now and p.window_ends_at >= :since
          and (o.outcome is null or o.outcome in ('missed', 'void'))
        order by (o.outcome is not null), case when o.outcome is null then p.window_ends_at end,
          p.window_ends_at desc, p.id limit :most
        """,
        tenant=tenant_id,
        now=now,
        since=now - JUDGED_FOR,
        most=_AT_ONCE,
    )
    judged = 0
    for row in rows:
        outcome = _outcome(row)
        may_change = outcome is Outcome.MISSED or (outcome is Outcome.VOID and not _is_off(row))
        is_open = may_change and now < row.window_ends_at + WAITED_FOR
        if is_open or outcome == row.before:
            continue
        values = {
            "outcome": outcome,
            "arrived_at": row.arrived_at,
            "began_at": row.work_started_at,
            "score": None if outcome is Outcome.VOID else _score(row),
            "judged_at": now,
        }
        key = {"tenant_id": tenant_id, "promise_id": row.id}
        await session.exec(
            insert(PromiseOutcome)
            .values(**key, **values)
            .on_conflict_do_update(index_elements=list(key), set_=values)
        )
        judged += 1
    return judged


def _is_off(row: Any) -> bool:
    """Whether a promise is void for good."""
    return bool(row.was_moved or (row.was_called_off and row.arrived_at is None))


def _outcome(row: Any) -> Outcome:
    if _is_off(row) or (row.was_taken_back and row.arrived_at is None):
        return Outcome.VOID
    return judge(row.window_starts_at, row.window_ends_at, row.arrived_at, row.work_started_at)


def _score(row: Any) -> float | None:
    """Return how late an arrival was, in spreads of its forecast; None where one of the two is not known."""
    if row.arrived_at is None or row.expected_at is None:
        return None
    return score(0.0, row.spread_s, (row.arrived_at - row.expected_at).total_seconds())
