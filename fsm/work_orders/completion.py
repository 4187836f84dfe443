"""The one door to `completed` and `closed`: board, phone, import and generated jobs all come through here.

Nothing else in the product writes those two words (a test reads the syntax tree for it), and the database
refuses them without a closure: a verdict with nothing unmet on the job's present facts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import insert
from sqlmodel import col, select
from uuid_utils.compat import uuid7

from fsm import events
from fsm.actors import Actor
from fsm.checklists import templates
from fsm.checklists.queries import import_template
from fsm.database import Session, run, touch
from fsm.problems import Problem
from fsm.work_orders import clocks, closing, records
from fsm.work_orders.closing import Verdict
from fsm.work_orders.closing_facts import Facts
from fsm.work_orders.closing_sentences import incomplete
from fsm.work_orders.facts import judge, judge_facts, load_template
from fsm.work_orders.lifecycle import Action, Status, WrongStatus, next_status
from fsm.work_orders.tables import WorkOrder


class FactsMoved(Problem):
    """The caller judged an older revision of the facts; `facts_rev` is the present one."""

    code, status, title = "facts-moved", 409, "New facts have arrived meanwhile"


@dataclass(frozen=True, slots=True)
class _Unjudged:
    """A job whose work is done and that has new facts; `completed_at` where it was completed before them."""

    actor: Actor
    work_order: WorkOrder
    now: datetime
    completed_at: datetime | None


def put_off_verdicts(session: Session) -> None:
    """Have what `count_fact_later` counts in this transaction judged by `judge_counted`.

    For a transaction that brings many facts of one job: judging each would cost as much as all before it.
    """
    session.info.setdefault("unjudged", {})


async def judge_counted(session: Session) -> None:
    """Judge the jobs whose verdicts were put off, each once for all its new facts."""
    unjudged: dict[UUID, _Unjudged] = session.info.get("unjudged", {})
    while unjudged:
        _, one = unjudged.popitem()
        await _judge(session, one)


def forget_counted(session: Session) -> None:
    """Let go of the verdicts that were put off: a savepoint took their facts back."""
    session.info.get("unjudged", {}).clear()


async def count_fact_later(
    session: Session, actor: Actor, work_order: WorkOrder, now: datetime
) -> None:
    """Take one more fact into account as `count_fact` does; judge the job later where verdicts are put off.

    Until then it is `work_done`, were it completed before.
    """
    counted = _count(session, actor, work_order, now)
    unjudged: dict[UUID, _Unjudged] | None = session.info.get("unjudged")
    if counted is None:
        return
    if unjudged is None:
        await _judge(session, counted)
    else:
        unjudged.setdefault(work_order.id, counted)


async def count_fact(
    session: Session, actor: Actor, work_order: WorkOrder, now: datetime
) -> Verdict | None:
    """Take one more fact (answer, photo, waiver, …) into account on a locked job, and judge it anew.

    Work that is done becomes completed when nothing is missing. A completed job stays completed under a new
    closure, or returns to `work_done` when the fact left something unmet. Return the verdict, None while the
    work is not done. Facts about a closed job are not counted: callers hold them for review.
    """
    counted = _count(session, actor, work_order, now)
    return None if counted is None else await _judge(session, counted)


def _count(
    session: Session, actor: Actor, work_order: WorkOrder, now: datetime
) -> _Unjudged | None:
    """Count a fact; return what is to be judged, None while the work is not done."""
    completed_at = work_order.completed_at
    work_order.facts_rev += 1
    touch(session, work_order)
    match Status(work_order.status):
        case Status.COMPLETED:
            work_order.status = next_status(Status.COMPLETED, Action.WITHDRAW_COMPLETION)
            work_order.completed_at = None
            work_order.closure_id = None
            return _Unjudged(actor, work_order, now, completed_at)
        case Status.WORK_DONE:
            return _Unjudged(actor, work_order, now, None)
        case _:
            return None


async def _judge(session: Session, counted: _Unjudged) -> Verdict | None:
    actor, work_order, now = counted.actor, counted.work_order, counted.now
    await session.flush()
    verdict = await try_complete(session, actor, work_order, now, completed_at=counted.completed_at)
    if counted.completed_at is not None and verdict is not None and not verdict.met:
        await events.record(
            session,
            actor,
            "work_order.completion_withdrawn",
            "work_order",
            work_order.id,
            now=now,
            unmet=[one.to_json() for one in verdict.unmet],
        )
    return verdict


async def try_complete(
    session: Session,
    actor: Actor,
    work_order: WorkOrder,
    now: datetime,
    *,
    completed_at: datetime | None = None,
) -> Verdict | None:
    """Complete a locked job if its work is done and nothing is missing; return the verdict.

    None while the work is not done, which is not judged: each fact of a long visit would cost as much as all
    before it. None too without a pinned checklist: such a job was never dispatched. `completed_at` is when
    it was completed before, or elsewhere; the present otherwise.
    """
    if work_order.status != Status.WORK_DONE:
        return None
    judged = await judge_facts(session, work_order)
    if judged is None:
        return None
    verdict, facts = judged
    if not verdict.met:
        return verdict
    await _attach_closure(session, work_order, verdict, facts, now)
    work_order.status = next_status(Status.WORK_DONE, Action.COMPLETE)
    work_order.completed_at = completed_at or now
    await session.flush()
    await events.record(
        session,
        actor,
        "work_order.completed",
        "work_order",
        work_order.id,
        now=now,
        facts_rev=verdict.facts_rev,
        closure_id=str(work_order.closure_id),
        is_unproved=work_order.is_unproved,
    )
    touch(session, work_order)
    return verdict


async def close(
    session: Session,
    actor: Actor,
    work_order: WorkOrder,
    now: datetime,
    *,
    by: UUID,
    facts_rev: int | None = None,
    closed_at: datetime | None = None,
    language: str = "en",
) -> Verdict | None:
    """Close a completed, locked job as the named user, after the office's final check.

    Refuses with what is missing when it is not completed, and with `FactsMoved` when `facts_rev` is not
    the revision that the caller looked at. `closed_at` is for history that was closed elsewhere.
    """
    if facts_rev is not None and facts_rev != work_order.facts_rev:
        raise FactsMoved(
            "New facts have arrived since you looked. Read the job again.",
            facts_rev=work_order.facts_rev,
        )
    verdict = await judge(session, work_order)
    if work_order.status == Status.WORK_DONE and verdict is not None and not verdict.met:
        template = await load_template(session, work_order)
        assert template is not None
        raise incomplete(verdict, template, language)
    work_order.status = next_status(Status(work_order.status), Action.CLOSE)
    work_order.closed_at = closed_at or now
    work_order.closed_by = by
    work_order.rev += 1
    await session.flush()
    await events.record(
        session,
        actor,
        "work_order.closed",
        "work_order",
        work_order.id,
        now=now,
        closed_by=str(by),
        facts_rev=work_order.facts_rev,
    )
    touch(session, work_order)
    return verdict


async def close_imported(
    session: Session,
    actor: Actor,
    now: datetime,
    closed_at: Mapping[UUID, datetime],
    *,
    by: UUID,
) -> int:
    """Complete and close finished jobs of the past as the named user; return how many, which is all of them.

    `closed_at` gives the instant of each. They hold the import checklist, which requires nothing, and no
    facts, so one verdict is every job's; they stay marked as unproved. A job that has done no work, holds
    another checklist, has facts or is not marked is refused with all the others.
    """
    version = await import_template(session, actor)
    judged = closing.verdict(templates.load(version.body), Facts(facts_rev=0))
    assert judged.met, "the import checklist requires nothing"
    ids = list(closed_at)
    fit = await run(
        session,
        """
        select count(*) from work_order where tenant_id = :tenant and id = any(cast(:ids as uuid[]))
          and status = :work_done and is_unproved and facts_rev = 0 and checklist_version_id = :version
        """,
        tenant=actor.tenant_id,
        ids=ids,
        work_done=str(Status.WORK_DONE),
        version=version.id,
    )
    if fit.scalar_one() != len(ids):
        raise WrongStatus("Only finished jobs under the import checklist are closed as imported.")
    closures = {work_order_id: uuid7() for work_order_id in ids}
    await session.exec(
        insert(records.WorkOrderClosure),
        params=[
            {
                "tenant_id": actor.tenant_id,
                "id": closure_id,
                "work_order_id": work_order_id,
                "facts_rev": judged.facts_rev,
                "rules_sha256": judged.rules_sha256,
                "verdict": judged.to_json(),
                "unmet": [],
                "context": {},
                "judged_at": now,
            }
            for work_order_id, closure_id in closures.items()
        ],
    )
    completed = next_status(Status.WORK_DONE, Action.COMPLETE)
    await run(
        session,
        """
        update work_order w set status = :closed, closure_id = one.closure_id,
          completed_at = coalesce(w.work_done_at, one.at), closed_at = one.at, closed_by = :by
        from unnest(cast(:ids as uuid[]), cast(:closures as uuid[]), cast(:times as timestamptz[]))
          as one(id, closure_id, at)
        where w.tenant_id = :tenant and w.id = one.id
        """,
        tenant=actor.tenant_id,
        closed=str(next_status(completed, Action.CLOSE)),
        by=by,
        ids=ids,
        closures=[closures[work_order_id] for work_order_id in ids],
        times=[closed_at[work_order_id] for work_order_id in ids],
    )
    await events.record_many(
        session,
        actor,
        "work_order.closed",
        "work_order",
        [
            (
                work_order_id,
                at,
                {
                    "closed_by": str(by),
                    "closure_id": str(closures[work_order_id]),
                    "facts_rev": judged.facts_rev,
                    "is_unproved": True,
                },
            )
            for work_order_id, at in closed_at.items()
        ],
        now=now,
    )
    return len(ids)


async def reopen(
    session: Session, actor: Actor, work_order: WorkOrder, now: datetime, *, reason: str
) -> None:
    """Return a completed or closed, locked job to the field, with who and why."""
    work_order.status = next_status(Status(work_order.status), Action.REOPEN)
    work_order.reopened_at = now
    work_order.work_done_at = None
    work_order.completed_at = None
    work_order.closed_at = None
    work_order.closed_by = None
    work_order.closure_id = None
    work_order.wants_more_work = True
    work_order.is_rework = True
    work_order.rev += 1
    await session.flush()
    await events.record(
        session,
        actor,
        "work_order.reopened",
        "work_order",
        work_order.id,
        now=now,
        reason=reason,
    )
    occurred = events.Occurrence(now, now, now)
    await clocks.reopen_clocks(session, actor, work_order, occurred, now)
    touch(session, work_order)


async def _attach_closure(
    session: Session, work_order: WorkOrder, verdict: Verdict, facts: Facts, now: datetime
) -> None:
    """Store the verdict with the verified photos that it rests on, and point the job at it."""
    assert verdict.met
    closure_id = uuid7()
    await session.exec(
        insert(records.WorkOrderClosure).values(
            tenant_id=work_order.tenant_id,
            id=closure_id,
            work_order_id=work_order.id,
            facts_rev=verdict.facts_rev,
            rules_sha256=verdict.rules_sha256,
            verdict=verdict.to_json(),
            unmet=[],
            context=facts.context(),
            judged_at=now,
        )
    )
    statement = select(records.Photo.id, records.Photo.verified_sha256).where(
        records.Photo.tenant_id == work_order.tenant_id,
        records.Photo.work_order_id == work_order.id,
        records.Photo.state == "verified",
        col(records.Photo.retracted_at).is_(None),
    )
    cited = [
        {
            "tenant_id": work_order.tenant_id,
            "closure_id": closure_id,
            "photo_id": photo_id,
            "work_order_id": work_order.id,
            "sha256": sha256,
        }
        for photo_id, sha256 in await session.exec(statement)
    ]
    if cited:
        await session.exec(insert(records.ClosurePhoto), params=cited)
    work_order.closure_id = closure_id
