"""How a visit moves on: travelling, on site, working, paused, finished; and the ways it can fail."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import Range
from sqlmodel import col, func, select

from fsm import events
from fsm.catalogue import queries as catalogue
from fsm.catalogue.tables import ReasonKind
from fsm.contracts.service_levels import StopsAt
from fsm.database import touch
from fsm.work_orders import clocks, completion, part_requests, photo_flags, pick_ups
from fsm.work_orders.closing import FINISHABLE, Verdict
from fsm.work_orders.closing_sentences import incomplete, sentence
from fsm.work_orders.facts import judge, judge_by_successor, load_template
from fsm.work_orders.field_work import waivers
from fsm.work_orders.field_work.report import Report
from fsm.work_orders.lifecycle import (
    Status,
    VisitAction,
    VisitStatus,
    WrongStatus,
    next_visit_status,
)
from fsm.work_orders.orders import list_visits
from fsm.work_orders.settling import settle_status
from fsm.work_orders.tables import Pause, Review, Visit
from fsm.work_orders.visits import NOT_BEGUN

OVER = frozenset({VisitStatus.FINISHED, VisitStatus.ABORTED})

GONE = frozenset({VisitStatus.WITHDRAWN, VisitStatus.REJECTED, VisitStatus.PLANNED})
"""What the office, or the technician, has taken off the phone, or never put there."""

_ONLY_BEFORE_WORK = frozenset({VisitAction.TRAVEL, VisitAction.ARRIVE, VisitAction.REJECT})


async def travel(
    report: Report, position: dict[str, Any] | None = None, *, minutes: int | None = None
) -> None:
    """The technician has set out.

    Setting out for a visit that was taken back is a fact, but the visit is not yet made: whoever has it now
    keeps it until this technician arrives.
    """
    if VisitStatus(report.visit.status) in GONE:
        report.note("late")
        report.visit.travel_started_at = report.visit.travel_started_at or report.occurred.at
        report.visit.rev += 1
        await report.event(
            "visit.travel_started",
            position=position,
            minutes=minutes,
            visit_was=report.visit.status,
        )
        touch(report.session, report.visit)
    elif await _advance(report, VisitAction.TRAVEL):
        report.visit.travel_started_at = report.visit.travel_started_at or report.occurred.at
        await _advanced(report, "visit.travel_started", position=position, minutes=minutes)


async def arrive(report: Report, position: dict[str, Any] | None = None) -> None:
    """The technician is on site: clocks that wait for arrival stop."""
    if await _advance(report, VisitAction.ARRIVE):
        await _be_on_site(report)
        await _advanced(report, "visit.arrived", position=position)


async def start(report: Report, position: dict[str, Any] | None = None) -> None:
    """Work begins; arriving need not have been reported."""
    if await _advance(report, VisitAction.START):
        await _be_on_site(report)
        _begin_work(report, report.occurred.at)
        await _advanced(report, "visit.started", position=position)


async def pause(report: Report, reason_code: str, position: dict[str, Any] | None = None) -> None:
    """Work is interrupted for a coded reason, which decides the clocks that stop."""
    reason = await catalogue.find_reason(
        report.session, report.actor, ReasonKind.PAUSE, reason_code
    )
    if await _advance(report, VisitAction.PAUSE):
        await _open_pause(report, reason.id, reason.stops_sla_clock, reason.stops_repair_clock)
        await _advanced(report, "visit.paused", reason=reason_code, position=position)


async def resume(report: Report, position: dict[str, Any] | None = None) -> None:
    if await _advance(report, VisitAction.RESUME):
        await _close_pauses(report)
        await _advanced(report, "visit.resumed", position=position)


async def abort(
    report: Report, reason_code: str | None, position: dict[str, Any] | None = None
) -> None:
    """The visit is given up before the work is done: nobody at home, wrong part, no access."""
    if reason_code is not None:
        await catalogue.find_reason(report.session, report.actor, ReasonKind.ABORT, reason_code)
    if await _advance(report, VisitAction.ABORT):
        report.visit.finished_at = report.occurred.at
        report.visit.ended_reason = reason_code
        await _close_pauses(report)
        await part_requests.begin_wait(
            report.session, report.actor, report.work_order, report.occurred.at, report.now
        )
        await _advanced(report, "visit.aborted", reason=reason_code, position=position)


async def reject(report: Report, reason_code: str) -> None:
    """The technician cannot take the visit; the office plans it anew."""
    await catalogue.find_reason(report.session, report.actor, ReasonKind.REJECT, reason_code)
    if await _advance(report, VisitAction.REJECT):
        report.visit.ended_reason = reason_code
        await _advanced(report, "visit.rejected", reason=reason_code)


async def delay(report: Report, minutes: int, position: dict[str, Any] | None = None) -> None:
    """The technician will be late by so many minutes; customers are told from this event."""
    await report.event("visit.delayed", minutes=minutes, position=position)


async def request_follow_up(report: Report, reason: str, skills: list[dict[str, Any]]) -> None:
    """This visit will not be enough: the job waits for another one and may be left unfinished."""
    report.work_order.wants_more_work = True
    report.review(
        "follow_up", reason=reason, skills=skills, occurred_at=report.occurred.at.isoformat()
    )
    await report.event("visit.follow_up_requested", reason=reason)
    await _settle(report)
    touch(report.session, report.work_order)


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
    _begin_work(report, visit.work_started_at or visit.arrived_at or report.occurred.at)
    work_order.finished_visit_id = visit.id
    work_order.wants_more_work = await _wants_more(report)
    await _close_pauses(report)
    if work_order.wants_more_work:
        await part_requests.begin_wait(
            report.session, report.actor, work_order, report.occurred.at, report.now
        )
    await photo_flags.flag_visits_photos(report.session, report.actor, report.now, visit)
    await waivers.settle_asked(report.session, report.actor, report.now, work_order, visit.id)
    verdict = await _advanced(report, "visit.finished")
    if verdict is None and work_order.status in (Status.WORK_DONE, Status.COMPLETED):
        # A colleague had finished the job before: this visit's end is one more fact about it.
        verdict = await completion.count_fact(report.session, report.actor, work_order, report.now)
    if verdict is not None and not verdict.met:
        report.note("photos_pending", unmet=[one.to_json() for one in verdict.unmet])
    if work_order.status in (Status.WORK_DONE, Status.COMPLETED):
        await _compare_with_successor(report)


async def _compare_with_successor(report: Report) -> None:
    """Show the office what a checklist published since would have asked for; the finish stays valid."""
    found = await judge_by_successor(report.session, report.actor, report.work_order)
    if found is None:
        return
    successor, verdict = found
    missing = [one for one in verdict.unmet if one.code not in FINISHABLE]
    if missing:
        report.review(
            "superseded_checklist",
            template_id=successor.template_id,
            version=successor.version,
            min_accepted=successor.min_accepted,
            missing=[
                {**one.to_json(), "text": sentence(one, successor, report.language)}
                for one in missing
            ],
        )


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
    if others or await _wants_more(report):
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
    if before in GONE:
        if action in (VisitAction.ABORT, VisitAction.REJECT):
            report.note("late")
            return False
        await _revive(report)
        before = VisitStatus(visit.status)
    try:
        visit.status = next_visit_status(before, action)
    except WrongStatus:
        if before in OVER or action in _ONLY_BEFORE_WORK:
            report.note("crossed", status=str(before))
            return False
        # A tap that the phone skipped or lost: finishing from a dispatched visit, resuming twice.
        visit.status = {
            VisitAction.FINISH: VisitStatus.FINISHED,
            VisitAction.PAUSE: VisitStatus.PAUSED,
            VisitAction.START: VisitStatus.ON_SITE,
            VisitAction.RESUME: VisitStatus.ON_SITE,
        }[action]
        report.note("crossed", status=str(before))
    visit.rev += 1
    if visit.status in (VisitStatus.ABORTED, VisitStatus.REJECTED):
        await report.session.flush()
        await pick_ups.leave(report.session, report.actor, [visit.id])
    if work_order.status == Status.CANCELLED:
        report.note("late")
        if not await _is_under_review(report, "work_on_cancelled_job"):
            report.review("work_on_cancelled_job", action=str(action))
    return True


async def _is_under_review(report: Report, kind: str) -> bool:
    """Return whether a person has this kind of thing about the visit before them already."""
    statement = select(Review.id).where(
        Review.tenant_id == report.actor.tenant_id,
        Review.visit_id == report.visit.id,
        Review.kind == kind,
        col(Review.settled_at).is_(None),
    )
    await report.session.flush()
    return (await report.session.exec(statement)).first() is not None


async def _revive(report: Report) -> None:
    """Count a visit that the office took back, because the technician made it all the same.

    A colleague who has not begun is withdrawn in turn; one who has is kept too, and a person decides.
    """
    report.note("late")
    visit = report.visit
    visit.status = VisitStatus.DISPATCHED
    visit.ended_reason = None
    for other in _taking_its_place(report, await list_visits(report.session, report.work_order)):
        if VisitStatus(other.status) in NOT_BEGUN:
            other.status = VisitStatus.WITHDRAWN
            other.ended_reason = "done_by_colleague"
            other.rev += 1
            await events.record(
                report.session,
                report.actor,
                "visit.withdrawn",
                "visit",
                other.id,
                now=report.now,
                reason=other.ended_reason,
                done_in=str(visit.id),
            )
            await report.session.flush()
            await pick_ups.leave(report.session, report.actor, [other.id])
            touch(report.session, other)
        elif VisitStatus(other.status) in (
            VisitStatus.ON_SITE,
            VisitStatus.PAUSED,
            VisitStatus.FINISHED,
        ):
            report.review("duplicate_visit", other_visit_id=str(other.id))


def _taking_its_place(report: Report, visits: list[Visit]) -> list[Visit]:
    """Return the colleagues' visits that the office planned instead of the one reported about.

    Those are the visits that it was reassigned to, one after another; for a job of one technician also what
    was planned anew at the same time. A crew's visits start together, and none stands in for another.
    """
    visit = report.visit
    heirs = {visit.id}
    for other in sorted(visits, key=lambda one: one.created_at):
        if other.follows_id in heirs:
            heirs.add(other.id)
    alone = report.work_order.crew_size == 1
    return [
        other
        for other in visits
        if other.technician_id != visit.technician_id
        and (other.id in heirs or (alone and other.planned_starts_at == visit.planned_starts_at))
    ]


async def _be_on_site(report: Report) -> None:
    if report.visit.arrived_at is None:
        report.visit.arrived_at = report.occurred.at
        await part_requests.end_wait(
            report.session, report.actor, report.work_order, report.occurred.at, report.now
        )
        await clocks.stop_clocks(
            report.session,
            report.actor,
            report.work_order,
            (StopsAt.FIRST_CONTACT, StopsAt.ARRIVAL),
            report.occurred,
            report.now,
        )


def _begin_work(report: Report, at: datetime) -> None:
    """Keep the first instant of work, on the visit and on the job; phones may tell of it in any order."""
    visit, work_order = report.visit, report.work_order
    visit.work_started_at = min(visit.work_started_at or at, at)
    work_order.work_started_at = min(work_order.work_started_at or at, at)


async def _advanced(report: Report, kind: str, **data: Any) -> Verdict | None:
    await report.session.flush()
    await report.event(kind, **{name: value for name, value in data.items() if value is not None})
    verdict = await _settle(report)
    touch(report.session, report.visit)
    return verdict


async def _settle(report: Report) -> Verdict | None:
    return await settle_status(
        report.session, report.actor, report.work_order, report.now, report.occurred
    )


async def _wants_more(report: Report) -> bool:
    """Return whether the job needs another visit after this one.

    A visit answers the wishes that were there when it began: a follow-up that it, or a colleague's beside
    it, has asked for since is still to be made, and so is what the office reopened the job for.
    """
    work_order, visit = report.work_order, report.visit
    if not work_order.wants_more_work:
        return False
    began = visit.work_started_at or visit.arrived_at or report.occurred.at
    if work_order.reopened_at is not None and began < work_order.reopened_at:
        return True
    await report.session.flush()
    statement = select(Review.visit_id, Review.raised_at, Review.data).where(
        Review.tenant_id == report.actor.tenant_id,
        Review.work_order_id == work_order.id,
        Review.kind == "follow_up",
        col(Review.settled_at).is_(None),
    )
    for visit_id, raised_at, data in await report.session.exec(statement):
        told = data.get("occurred_at")
        asked_at = datetime.fromisoformat(told) if told else raised_at
        if visit_id == visit.id or asked_at > began:
            return True
    return False


async def _open_pause(
    report: Report, reason_id: UUID, stops_sla_clock: bool, stops_repair_clock: bool
) -> None:
    """Open a pause of this visit; one for the same reason that is still open, or lies later, goes on."""
    statement = select(Pause).where(
        Pause.tenant_id == report.actor.tenant_id,
        Pause.visit_id == report.visit.id,
        Pause.reason_id == reason_id,
        col(Pause.during).op("&&")(Range(report.occurred.at, None)),
    )
    if (await report.session.exec(statement)).first() is not None:
        return
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
        func.upper_inf(col(Pause.during)),
    )
    still_open = list(await report.session.exec(statement))
    for pause in still_open:
        starts = pause.during.lower
        assert starts is not None
        if report.occurred.at <= starts:
            await report.session.delete(pause)
        else:
            pause.during = Range(starts, report.occurred.at)
    if still_open:
        await clocks.refresh_clocks(report.session, report.actor, report.work_order, report.now)
