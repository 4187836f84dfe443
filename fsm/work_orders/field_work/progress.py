"""How a visit moves on: travelling, on site, working, paused, finished; and the ways it can fail."""

from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import Range
from sqlmodel import col, select

from fsm.catalogue import queries as catalogue
from fsm.catalogue.tables import ReasonKind
from fsm.contracts.service_levels import StopsAt
from fsm.database import touch
from fsm.work_orders import clocks, completion, restoration
from fsm.work_orders.closing_sentences import incomplete
from fsm.work_orders.facts import judge, load_template
from fsm.work_orders.field_work.report import Report
from fsm.work_orders.lifecycle import (
    Status,
    VisitAction,
    VisitStatus,
    WrongStatus,
    next_visit_status,
)
from fsm.work_orders.orders import list_visits
from fsm.work_orders.tables import Pause, Review
from fsm.work_orders.visits import NOT_BEGUN, settle_status

OVER = frozenset({VisitStatus.FINISHED, VisitStatus.ABORTED})


async def travel(report: Report, position: dict[str, Any] | None = None) -> None:
    """The technician has set out."""
    if await _advance(report, VisitAction.TRAVEL):
        report.visit.travel_started_at = report.visit.travel_started_at or report.occurred.at
        await _advanced(report, "visit.travel_started", position=position)


async def arrive(report: Report, position: dict[str, Any] | None = None) -> None:
    """The technician is on site: a response clock that waits for arrival stops."""
    if await _advance(report, VisitAction.ARRIVE):
        await _be_on_site(report)
        await _advanced(report, "visit.arrived", position=position)


async def start(report: Report, position: dict[str, Any] | None = None) -> None:
    """Work begins; arriving need not have been reported."""
    if await _advance(report, VisitAction.START):
        await _be_on_site(report)
        report.visit.work_started_at = report.visit.work_started_at or report.occurred.at
        report.work_order.work_started_at = report.work_order.work_started_at or report.occurred.at
        await _advanced(report, "visit.started", position=position)


async def pause(report: Report, reason_code: str) -> None:
    """Work is interrupted for a coded reason, which decides the clocks that stop."""
    reason = await catalogue.find_reason(
        report.session, report.actor, ReasonKind.PAUSE, reason_code
    )
    if await _advance(report, VisitAction.PAUSE):
        await open_pause(report, reason.id, reason.stops_sla_clock, reason.stops_repair_clock)
        await _advanced(report, "visit.paused", reason=reason_code)


async def resume(report: Report) -> None:
    if await _advance(report, VisitAction.RESUME):
        await _close_pauses(report)
        await _advanced(report, "visit.resumed")


async def abort(report: Report, reason_code: str) -> None:
    """The visit is given up before the work is done: nobody at home, wrong part, no access."""
    await catalogue.find_reason(report.session, report.actor, ReasonKind.ABORT, reason_code)
    if await _advance(report, VisitAction.ABORT):
        report.visit.finished_at = report.occurred.at
        report.visit.ended_reason = reason_code
        await _close_pauses(report)
        await _advanced(report, "visit.aborted", reason=reason_code)


async def reject(report: Report, reason_code: str) -> None:
    """The technician cannot take the visit; the office plans it anew."""
    await catalogue.find_reason(report.session, report.actor, ReasonKind.REJECT, reason_code)
    if await _advance(report, VisitAction.REJECT):
        report.visit.ended_reason = reason_code
        await _advanced(report, "visit.rejected", reason=reason_code)


async def delay(report: Report, minutes: int) -> None:
    """The technician will be late by so many minutes; customers are told from this event."""
    await report.event("visit.delayed", minutes=minutes)


async def request_follow_up(report: Report, reason: str, skills: list[dict[str, Any]]) -> None:
    """This visit will not be enough: the job waits for another one and may be left unfinished."""
    report.work_order.wants_more_work = True
    report.review("follow_up", reason=reason, skills=skills)
    await report.event("visit.follow_up_requested", reason=reason)
    await settle_status(report.session, report.actor, report.work_order, report.now)


async def finish(report: Report) -> None:
    """The technician is through; refused (`ChecklistIncomplete`) while more than bytes is missing.

    A visit that leaves the job unfinished anyway, because a follow-up was asked for or others are still at
    it, is not held to the checklist; the job is, by its last visit.
    """
    work_order, visit = report.work_order, report.visit
    await check_finish(report)
    if not await _advance(report, VisitAction.FINISH):
        return
    await _be_on_site(report)
    visit.finished_at = report.occurred.at
    visit.work_started_at = visit.work_started_at or visit.arrived_at or report.occurred.at
    work_order.finished_visit_id = visit.id
    await _close_pauses(report)
    await _advanced(report, "visit.finished")
    if work_order.status == Status.WORK_DONE:
        work_order.work_done_at = report.occurred.at
        await _restore_function(report)
        verdict = await completion.count_fact(report.session, report.actor, work_order, report.now)
        if verdict is not None and not verdict.met:
            report.note("photos_pending", unmet=[one.to_json() for one in verdict.unmet])


async def check_finish(report: Report) -> None:
    """Refuse a finish that leaves something missing; what is recorded stays recorded."""
    work_order, visit = report.work_order, report.visit
    if work_order.status in (Status.CANCELLED, Status.COMPLETED):
        return
    others = [
        one
        for one in await list_visits(report.session, work_order)
        if one.id != visit.id
        and VisitStatus(one.status) in (VisitStatus.ON_SITE, VisitStatus.PAUSED)
    ]
    if others or (work_order.wants_more_work and await _asked_for_more(report)):
        return
    verdict = await judge(report.session, work_order, finishing_visit=visit.id)
    if verdict is None:
        raise WrongStatus("This visit was never dispatched, so it has no checklist to finish.")
    if not verdict.finish_allowed:
        template = await load_template(report.session, work_order)
        assert template is not None
        raise incomplete(verdict, template, report.language)


async def _advance(report: Report, action: VisitAction) -> bool:
    """Move the visit on; return whether there is anything to write down.

    What the state machine would refuse to the office is still a fact when a phone reports it: a withdrawn
    visit that was made counts, and a step reported twice or out of order changes nothing.
    """
    visit, work_order = report.visit, report.work_order
    before = VisitStatus(visit.status)
    if before in (VisitStatus.WITHDRAWN, VisitStatus.REJECTED, VisitStatus.PLANNED):
        if action in (VisitAction.ABORT, VisitAction.REJECT):
            report.note("late")
            return False
        await _revive(report)
        before = VisitStatus(visit.status)
    try:
        visit.status = next_visit_status(before, action)
    except WrongStatus:
        if before in OVER or action in (VisitAction.TRAVEL, VisitAction.ARRIVE):
            report.note("crossed", status=str(before))
            return False
        # A tap that the phone skipped or lost: finishing from a dispatched visit, resuming twice.
        visit.status = {
            VisitAction.FINISH: VisitStatus.FINISHED,
            VisitAction.PAUSE: VisitStatus.PAUSED,
            VisitAction.START: VisitStatus.ON_SITE,
            VisitAction.RESUME: VisitStatus.ON_SITE,
        }.get(action, before)
        report.note("crossed", status=str(before))
    visit.rev += 1
    if work_order.status == Status.CANCELLED:
        report.note("late")
        report.review("work_on_cancelled_job", action=str(action))
    return True


async def _revive(report: Report) -> None:
    """Count a visit that the office took back, because the technician made it all the same.

    A colleague who has not begun is withdrawn in turn; one who has is kept too, and a person decides.
    """
    report.note("late")
    visit = report.visit
    visit.status = VisitStatus.DISPATCHED
    visit.ended_reason = None
    for other in await list_visits(report.session, report.work_order):
        if other.id == visit.id or other.technician_id == visit.technician_id:
            continue
        if other.follows_id != visit.id and other.planned_starts_at != visit.planned_starts_at:
            continue
        if VisitStatus(other.status) in NOT_BEGUN:
            other.status = VisitStatus.WITHDRAWN
            other.ended_reason = "done_by_colleague"
            other.rev += 1
            touch(report.session, other)
        elif VisitStatus(other.status) in (
            VisitStatus.ON_SITE,
            VisitStatus.PAUSED,
            VisitStatus.FINISHED,
        ):
            report.review("duplicate_visit", other_visit_id=str(other.id))


async def _be_on_site(report: Report) -> None:
    if report.visit.arrived_at is None:
        report.visit.arrived_at = report.occurred.at
        for happened in (StopsAt.FIRST_CONTACT, StopsAt.ARRIVAL):
            await clocks.stop_clocks(
                report.session,
                report.actor,
                report.work_order,
                happened,
                report.occurred,
                report.now,
            )


async def _advanced(report: Report, kind: str, **data: Any) -> None:
    await report.session.flush()
    await report.event(kind, **{name: value for name, value in data.items() if value is not None})
    if report.visit.status == VisitStatus.FINISHED and report.work_order.wants_more_work:
        # A finished visit answers an earlier wish for more work unless this very visit asked for it.
        asked = await _asked_for_more(report)
        report.work_order.wants_more_work = asked
    await settle_status(report.session, report.actor, report.work_order, report.now)
    touch(report.session, report.visit)


async def _asked_for_more(report: Report) -> bool:
    statement = select(Review.id).where(
        Review.tenant_id == report.actor.tenant_id,
        Review.visit_id == report.visit.id,
        Review.kind == "follow_up",
        col(Review.settled_at).is_(None),
    )
    return (await report.session.exec(statement)).first() is not None


async def _restore_function(report: Report) -> None:
    """When the work is done, the function is back, unless somebody recorded another instant."""
    work_order = report.work_order
    if work_order.asset_id is not None:
        await restoration.restore_after_work(
            report.session,
            report.actor,
            report.now,
            asset_id=work_order.asset_id,
            failure_id=work_order.failure_id,
            since_at=work_order.reported_at,
            restored_at=report.occurred.at,
        )
    await clocks.stop_clocks(
        report.session,
        report.actor,
        work_order,
        StopsAt.RESTORED,
        report.occurred,
        report.now,
    )


async def open_pause(
    report: Report, reason_id: UUID, stops_sla_clock: bool, stops_repair_clock: bool
) -> None:
    report.session.add(
        Pause(
            tenant_id=report.actor.tenant_id,
            work_order_id=report.work_order.id,
            visit_id=report.visit.id,
            reason_id=reason_id,
            during=Range(report.occurred.at, None),
            stops_sla_clock=stops_sla_clock,
            stops_repair_clock=stops_repair_clock,
            by=report.actor.name,
        )
    )
    await clocks.refresh_clocks(report.session, report.actor, report.work_order, report.now)


async def _close_pauses(report: Report) -> None:
    statement = select(Pause).where(
        Pause.tenant_id == report.actor.tenant_id,
        Pause.visit_id == report.visit.id,
        col(Pause.during).op("@>")(report.now),
    )
    closed = False
    for open_one in await report.session.exec(statement):
        if open_one.during.upper is None:
            starts = open_one.during.lower
            assert starts is not None
            ends = max(report.occurred.at, starts)
            if ends == starts:
                await report.session.delete(open_one)
            else:
                open_one.during = Range(starts, ends)
            closed = True
    if closed:
        await clocks.refresh_clocks(report.session, report.actor, report.work_order, report.now)
