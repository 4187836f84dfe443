"""A job's status as its visits have it, and what follows when the last of them is through.

Whatever changes a visit ends here: the office that withdraws the second technician may be what finishes the
job, as much as a technician's tap.
"""

from datetime import datetime

from fsm import events
from fsm.actors import Actor
from fsm.contracts.service_levels import StopsAt
from fsm.database import Session, touch
from fsm.events import Occurrence
from fsm.work_orders import clocks, completion, restoration
from fsm.work_orders.closing import Verdict
from fsm.work_orders.corrective import open_corrective_jobs
from fsm.work_orders.lifecycle import Status, VisitStatus, derive_status
from fsm.work_orders.orders import list_visits
from fsm.work_orders.tables import Visit, WorkOrder


async def settle_status(
    session: Session,
    actor: Actor,
    work_order: WorkOrder,
    now: datetime,
    occurred: Occurrence | None = None,
) -> Verdict | None:
    """Derive a locked job's status from its visits; record the change and what follows from it.

    `occurred` is when the cause happened in the field, the present where it happened here. Return the
    verdict when the work is thereby done, None otherwise.
    """
    await session.flush()
    visits = await list_visits(session, work_order)
    before = Status(work_order.status)
    after = derive_status(
        before,
        [VisitStatus(visit.status) for visit in visits],
        more_work=work_order.wants_more_work,
    )
    if after == before:
        return None
    work_order.status = after
    work_order.rev += 1
    if after != Status.WORK_DONE:
        work_order.work_done_at = None
    await session.flush()
    if before == Status.WORK_DONE:
        await clocks.take_back_stop(session, actor, work_order, StopsAt.WORK_DONE, now)
    await events.record(
        session,
        actor,
        "work_order.status_changed",
        "work_order",
        work_order.id,
        now=now,
        occurred=occurred,
        before=str(before),
        after=str(after),
    )
    touch(session, work_order)
    if after == Status.WORK_DONE:
        return await _work_is_done(session, actor, work_order, visits, now, occurred)
    return None


async def _work_is_done(
    session: Session,
    actor: Actor,
    work_order: WorkOrder,
    visits: list[Visit],
    now: datetime,
    occurred: Occurrence | None,
) -> Verdict | None:
    """The function is back with the end of the last visit, what failed is followed up, the job is judged.

    Somebody who recorded another instant of restoration knows better.
    """
    done_at, last = max(
        (visit.finished_at, visit.id)
        for visit in visits
        if visit.status == VisitStatus.FINISHED and visit.finished_at is not None
    )
    if occurred is None or occurred.at != done_at:
        occurred = await events.find_occurrence(
            session, actor.tenant_id, "visit.finished", last, done_at
        )
    work_order.work_done_at = done_at
    if work_order.asset_id is not None:
        await restoration.restore_after_work(
            session,
            actor,
            now,
            asset_id=work_order.asset_id,
            failure_id=work_order.failure_id,
            since_at=work_order.reported_at,
            restored_at=done_at,
        )
    ends = (StopsAt.RESTORED, StopsAt.WORK_DONE)
    await clocks.stop_clocks(session, actor, work_order, ends, occurred, now)
    await open_corrective_jobs(session, actor, now, work_order)
    return await completion.count_fact(session, actor, work_order, now)
