"""Judging closures again: what the constraints cannot hold, a closure forged by hand, is named here.

Whoever may write to the database past the program can insert a closure with invented contents. It then rests
on facts that do not meet the checklist, cites no photos, and no event tells of it. Each night judges the
closures that were not judged again yet, whatever their age; a full audit judges all, so that facts altered
later are found too. Some jobs are in memory at a time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
from sqlmodel import col, select

from fsm import events
from fsm.actors import system_actor
from fsm.database import Database, Session, run
from fsm.work_orders import records
from fsm.work_orders.closing import verdict
from fsm.work_orders.facts import load_judged_facts, load_template
from fsm.work_orders.tables import Review, WorkOrder

REVIEW = "forged_closure"

SENTENCES: Final = {
    "no_event": "no event tells that the job was completed so",
    "other_rules": "it was not judged by the checklist that the job is pinned to",
    "other_facts": "its stored verdict is not about the facts that it names, or lists something missing",
    "not_met": "the facts do not meet the checklist",
    "other_waivers": "its stored verdict lists other waivers than there are",
    "photos_not_cited": "it does not cite every photo that had been verified",
}
"""finding → what it means, after "The closure of W-1: …\""""

_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Forgery:
    """A closure that does not stand; `findings` are keys of `SENTENCES`."""

    work_order_id: UUID
    number: str
    closure_id: UUID
    findings: tuple[str, ...]


@dataclass(slots=True)
class Audited:
    """How many closures were judged again, and those that do not stand."""

    closures: int = 0
    forgeries: list[Forgery] = field(default_factory=list)


async def audit_closures(
    database: Database, tenant_id: UUID, clock: Callable[[], datetime], *, full: bool = False
) -> Audited:
    """Judge a company's closures again: those not judged again before, or all with `full`.

    What does not stand is put before a person, once, and into the history. Safe to run again and at once.
    """
    audited = Audited()
    after = UUID(int=0)
    while True:
        async with database.transaction(tenant_id) as session:
            await run(session, "set transaction isolation level repeatable read, read only")
            jobs = await _list_jobs(session, tenant_id, after, full)
            found = await _judge_again(session, tenant_id, jobs)
        async with database.transaction(tenant_id) as session:
            await _note(session, tenant_id, clock(), found)
        audited.closures += len(found)
        audited.forgeries += [one for one in found if one.findings]
        if len(jobs) < _AT_ONCE:
            return audited
        after = jobs[-1].id


async def _list_jobs(
    session: Session, tenant_id: UUID, after: UUID, full: bool
) -> Sequence[WorkOrder]:
    audit = records.ClosureAudit
    statement = (
        select(WorkOrder)
        .where(
            WorkOrder.tenant_id == tenant_id,
            WorkOrder.id > after,
            col(WorkOrder.status).in_(["completed", "closed"]),
        )
        .order_by(col(WorkOrder.id))
        .limit(_AT_ONCE)
    )
    if not full:
        known = select(audit.closure_id).where(
            audit.tenant_id == tenant_id, audit.closure_id == WorkOrder.closure_id
        )
        statement = statement.where(~known.exists())
    return (await session.exec(statement)).all()


async def _judge_again(
    session: Session, tenant_id: UUID, jobs: Sequence[WorkOrder]
) -> list[Forgery]:
    told = await _list_told(session, tenant_id, [job.id for job in jobs])
    found = []
    for job in jobs:
        closure = await session.get(records.WorkOrderClosure, (tenant_id, job.closure_id))
        assert closure is not None
        findings = await _findings(session, job, closure)
        if str(closure.id) not in told:
            findings.insert(0, "no_event")
        found.append(Forgery(job.id, job.number, closure.id, tuple(findings)))
    return found


async def _list_told(session: Session, tenant_id: UUID, job_ids: list[UUID]) -> set[str]:
    """Return the ids of the closures that the history of these jobs tells of."""
    result = await run(
        session,
        "select data ->> 'closure_id' as closure_id from event where tenant_id = :t"
        " and entity = 'work_order' and entity_id = any(cast(:ids as uuid[]))"
        " and kind in ('work_order.completed', 'work_order.closed') and data ? 'closure_id'",
        t=tenant_id,
        ids=job_ids,
    )
    return set(result.scalars())


async def _findings(
    session: Session, job: WorkOrder, closure: records.WorkOrderClosure
) -> list[str]:
    template = await load_template(session, job)
    assert template is not None
    findings = []
    stored = closure.verdict
    if template.rules_sha256 != closure.rules_sha256:
        findings.append("other_rules")
    named = (stored.get("rules_sha256"), stored.get("facts_rev"), stored.get("unmet"))
    if named != (closure.rules_sha256, closure.facts_rev, []):
        findings.append("other_facts")
    judged = verdict(template, await load_judged_facts(session, job, template, closure))
    if not judged.met:
        findings.append("not_met")
    # Their codes may change as bytes arrive; who waived what, and why, may not.
    waived = {(one.at, one.by, one.reason) for one in judged.waived}
    listed = {(one["at"], one["by"], one["reason"]) for one in stored.get("waived", ())}
    if waived != listed:
        findings.append("other_waivers")
    if await _is_uncited(session, closure):
        findings.append("photos_not_cited")
    return findings


async def _is_uncited(session: Session, closure: records.WorkOrderClosure) -> bool:
    """Return whether the closure leaves out a photo that had been verified when it was judged."""
    result = await run(
        session,
        "select exists (select 1 from photo p where p.tenant_id = :t and p.work_order_id = :job"
        " and p.verified_at <= :judged and p.retracted_at is null and not exists ("
        "select 1 from closure_photo c where c.tenant_id = :t and c.closure_id = :closure"
        " and c.photo_id = p.id))",
        t=closure.tenant_id,
        job=closure.work_order_id,
        judged=closure.judged_at,
        closure=closure.id,
    )
    return bool(result.scalar_one())


# --- what comes of it -------------------------------------------------------------------------------------


async def _note(session: Session, tenant_id: UUID, now: datetime, found: Sequence[Forgery]) -> None:
    values = {
        "t": tenant_id,
        "now": now,
        "ids": [one.closure_id for one in found],
        "findings": [msgspec.json.encode(one.findings).decode() for one in found],
    }
    # Of several audits at once only one inserts, or finds a row to change.
    added = await run(
        session,
        "insert into closure_audit (tenant_id, closure_id, audited_at, findings)"
        " select :t, f.id, cast(:now as timestamptz), cast(f.findings as jsonb)"
        " from unnest(cast(:ids as uuid[]), cast(:findings as text[])) as f (id, findings)"
        " order by f.id on conflict do nothing returning closure_id",
        **values,
    )
    changed = await run(
        session,
        "update closure_audit a set audited_at = :now, findings = cast(f.findings as jsonb)"
        " from unnest(cast(:ids as uuid[]), cast(:findings as text[])) as f (id, findings)"
        " where a.tenant_id = :t and a.closure_id = f.id"
        " and a.findings <> cast(f.findings as jsonb) returning a.closure_id",
        **values,
    )
    news = {*added.scalars(), *changed.scalars()}
    for one in found:
        if one.findings and one.closure_id in news:
            await _raise(session, tenant_id, now, one)


async def _raise(session: Session, tenant_id: UUID, now: datetime, forgery: Forgery) -> None:
    findings = list(forgery.findings)
    session.add(
        Review(
            tenant_id=tenant_id,
            work_order_id=forgery.work_order_id,
            kind=REVIEW,
            data={"closure_id": str(forgery.closure_id), "findings": findings},
            raised_at=now,
        )
    )
    await events.record(
        session,
        system_actor(tenant_id, "audit"),
        "work_order.audit_failed",
        "work_order",
        forgery.work_order_id,
        now=now,
        forged_closure_id=str(forgery.closure_id),
        findings=findings,
    )


async def list_forgeries(session: Session, tenant_id: UUID) -> list[Forgery]:
    """Return the closures that jobs rest on and that did not stand when they were last judged again."""
    statement = (
        select(
            WorkOrder.id,
            WorkOrder.number,
            records.ClosureAudit.closure_id,
            records.ClosureAudit.findings,
        )
        .join(
            records.ClosureAudit,
            (col(records.ClosureAudit.tenant_id) == WorkOrder.tenant_id)
            & (col(records.ClosureAudit.closure_id) == WorkOrder.closure_id),
        )
        .where(WorkOrder.tenant_id == tenant_id, col(records.ClosureAudit.findings) != [])
        .order_by(col(WorkOrder.number))
    )
    return [
        Forgery(job_id, number, closure_id, tuple(findings))
        for job_id, number, closure_id, findings in await session.exec(statement)
    ]
