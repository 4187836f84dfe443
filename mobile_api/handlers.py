"""What each type of intent does: the same functions of `field_work` that the board calls."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

import msgspec

from fsm.assets import passports
from fsm.database import run
from fsm.events import Occurrence
from fsm.problems import Forbidden, Invalid, NotFound, Problem
from fsm.work_orders import completion, field_work, records, visits
from fsm.work_orders.field_work import Report
from fsm.work_orders.photo_marks import Mark
from fsm.work_orders.scope_changes import queries as scope_changes
from fsm.work_orders.tables import Review, Visit, WorkOrder
from fsm.work_orders.threads import queries as threads
from mobile_api import feed, intents
from mobile_api.device_time import FLAGGED, claimed, corrected
from mobile_api.feed_sql import COLLECTIONS
from mobile_api.hand import Hand
from mobile_api.intents import Envelope
from mobile_api.suggestions import hold_wished, suggest
from mobile_api.wider_jobs import read_consent, read_wanted


class StrayWork(Problem):
    """Work on a visit that is not this technician's to report on. Fact `visit_id`.

    It is raised before anything of the intent took effect, so that there is nothing to undo.
    """


class UnknownVisit(StrayWork):
    """The job is not known here; the office sees what was reported and decides. Fact `visit_id`."""

    code, status, title = "unknown-visit", 404, "This visit is not known"


class NotYourVisit(StrayWork):
    """The visit belongs to another technician. Fact `visit_id`."""

    code, status, title = "not-your-visit", 403, "This visit is somebody else's"


@dataclass(frozen=True, slots=True)
class Work:
    """One intent being applied. `offset` is server minus device; `is_clock_set`: while the phone was up."""

    report: Report
    envelope: Envelope
    received_at: datetime
    offset: timedelta
    is_clock_set: bool

    def by_our_clock(self, at: datetime) -> datetime:
        return corrected(at, self.offset, self.received_at)


LATE_FACT = "late_fact"
"""The review of an intent about a closed job, held until the office reopens it (see `held`)."""


async def apply(
    hand: Hand, envelope: Envelope, occurred: Occurrence, received_at: datetime
) -> list[dict[str, Any]]:
    """Apply one intent and return the notes of its outcome; a `Problem` says why it was not applied."""
    data = intents.read_data(envelope)
    if isinstance(data, intents.AssetSuggest | intents.SiteSuggest | intents.ContactSuggest):
        return await suggest(hand, envelope, data)
    if isinstance(data, intents.StateSuggest):
        return await _suggest_state(hand, envelope, data)
    assert isinstance(data, intents.VisitData)
    if envelope.type not in _ADDS_ONLY:
        await completion.judge_counted(hand.session)
        await hand.session.flush()
    work_order, visit = await _hold(hand, data.visit_id)
    if visit.technician_id != hand.technician_id:
        raise NotYourVisit(
            "This visit is another technician's. The office sees what you reported and decides.",
            visit_id=str(visit.id),
        )
    report = Report(
        session=hand.session,
        actor=hand.actor,
        now=hand.now,
        occurred=occurred,
        work_order=work_order,
        visit=visit,
        heard_at=received_at,
        device_seq=envelope.seq,
    )
    is_clock_set = envelope.boot in hand.uptime.jumped
    if abs(hand.offset) > FLAGGED:
        report.note("clock_skew", offset_s=round(hand.offset.total_seconds()))
    elif is_clock_set:
        report.note("clock_skew", jumped=True)
    if envelope.seq in hand.reused:
        report.note("seq_reused")
    if report.is_held:
        report.note("late")
        report.review(
            LATE_FACT,
            intent_id=str(envelope.id),
            type=envelope.type,
            data=envelope.data,
            offset_ms=hand.offset // timedelta(milliseconds=1),
        )
    else:
        work = Work(report, envelope, received_at, hand.offset, is_clock_set)
        await _HANDLERS[envelope.type](work, data)
    return report.notes


async def hold_all(hand: Hand, envelopes: Iterable[Envelope]) -> None:
    """Hold what these intents change before any is applied: in one order, with few statements."""
    envelopes = list(envelopes)
    named, photos = set(), []
    for envelope in envelopes:
        data = envelope.data
        try:
            named.add(UUID(data["visit_id"]))
            if envelope.type == "photo.add":
                photos.append((UUID(data["photo_id"]), bytes.fromhex(data["sha256"])))
        except (KeyError, TypeError, ValueError, AttributeError):
            continue  # it is refused when its turn comes
    if named - hand.held.keys():
        hand.held |= await visits.lock_visits(hand.session, hand.actor, named)
        hand.unknown |= named - hand.held.keys()
    await hold_wished(hand, envelopes)
    if photos:
        await field_work.foresee_photos(hand.session, hand.actor, photos)


async def _hold(hand: Hand, visit_id: UUID) -> tuple[WorkOrder, Visit]:
    """Return a visit with its job, both held until the commit; they are read once a transaction."""
    if visit_id not in hand.held and visit_id not in hand.unknown:
        try:
            hand.held[visit_id] = await visits.lock_visit(hand.session, hand.actor, visit_id)
        except NotFound:
            hand.unknown.add(visit_id)
    if visit_id in hand.unknown:
        raise UnknownVisit(
            "This visit is not known here. The office sees what you reported and decides.",
            visit_id=str(visit_id),
        )
    return hand.held[visit_id]


async def _suggest_state(
    hand: Hand, envelope: Envelope, data: intents.StateSuggest
) -> list[dict[str, Any]]:
    """Put what a device wrote over a row of the server's before the office, and have the row sent again."""
    if data.collection not in COLLECTIONS:
        raise NotFound(f"There is no collection '{data.collection}'.")
    if hand.technician_id is None:
        raise Forbidden("Your login is not linked to a technician.")
    scope = feed.technician_scope(hand.technician_id)
    rev = await feed.mark_row(hand.session, scope, data.collection, data.row_id)
    wish = {
        "collection": data.collection,
        "row_id": str(data.row_id),
        "fields": data.fields,
        "is_deleted": data.is_deleted,
    }
    # A client that did not hear our answer wishes the same again, based on the row as it came back.
    known = await run(
        hand.session,
        "select 1 from review where tenant_id = :t and kind = 'suggestion'"
        " and settled_at is null and data @> cast(:wish as jsonb)"
        " and data -> 'fields' = cast(:wish as jsonb) -> 'fields'",
        t=hand.actor.tenant_id,
        wish=msgspec.json.encode(wish).decode(),
    )
    if known.first() is None:
        about = {"base_rev": data.base_rev, "rev": rev, "by": hand.actor.name}
        hand.session.add(
            Review(
                tenant_id=hand.actor.tenant_id,
                work_order_id=data.row_id if rev and data.collection == "work_orders" else None,
                kind="suggestion",
                data={"intent_id": str(envelope.id), **wish, **about},
                raised_at=hand.now,
            )
        )
    await hand.session.flush()
    return [{"code": "suggestion"}]


# --- one function a type ----------------------------------------------------------------------------------


def _position(position: intents.Position | None) -> dict[str, Any] | None:
    return position.model_dump(exclude_none=True) if position else None


async def _travel(work: Work, data: intents.OnTheWay) -> None:
    await field_work.travel(work.report, _position(data.position), minutes=data.minutes)


async def _arrive(work: Work, data: intents.Progress) -> None:
    await field_work.arrive(work.report, _position(data.position))


async def _start(work: Work, data: intents.Progress) -> None:
    await field_work.start(work.report, _position(data.position))


async def _delay(work: Work, data: intents.Delay) -> None:
    await field_work.delay(work.report, data.minutes, _position(data.position))


async def _pause(work: Work, data: intents.Interruption) -> None:
    await field_work.pause(work.report, data.reason, _position(data.position))


async def _resume(work: Work, data: intents.Progress) -> None:
    await field_work.resume(work.report, _position(data.position))


async def _abort(work: Work, data: intents.Abort) -> None:
    await field_work.abort(work.report, data.reason, _position(data.position))


async def _reject(work: Work, data: intents.Interruption) -> None:
    await field_work.reject(work.report, data.reason)


async def _finish(work: Work, data: intents.Finish) -> None:
    pinned = work.report.work_order.rules_sha256
    await field_work.finish(work.report)
    if data.rules_sha256 is not None and data.rules_sha256 != pinned:
        work.report.review("rules_differ", pinned=pinned, on_device=data.rules_sha256)


async def _answer(work: Work, data: intents.AnswerSet) -> None:
    await field_work.answer(work.report, data.item, data.value)


async def _note(work: Work, data: intents.NoteAdd) -> None:
    await field_work.add_note(work.report, data.text)


async def _message(work: Work, data: intents.MessageAdd) -> None:
    await threads.write_from_visit(work.report, data.text)


async def _add_time(work: Work, data: intents.TimeAdd) -> None:
    await _time(work, data.kind, data, None)


async def _correct_time(work: Work, data: intents.TimeCorrect) -> None:
    session, actor = work.report.session, work.report.actor
    old = await session.get(records.TimeEntry, (actor.tenant_id, data.of))
    if old is None:
        raise NotFound(f"No time entry {data.of} on this job.")
    kind = records.TimeKind(old.kind)
    await _time(work, kind, data, data.of)


async def _time(
    work: Work,
    kind: records.TimeKind,
    data: intents.TimeAdd | intents.TimeCorrect,
    corrects: UUID | None,
) -> None:
    from_at, to_at = data.from_at, data.to_at
    if to_at <= from_at:
        raise Invalid("Time ends after it begins.", errors=[{"at": "/data/to"}])
    claim = claimed(from_at, to_at, work.offset, work.received_at, is_clock_set=work.is_clock_set)
    await field_work.add_time(
        work.report,
        kind=kind,
        from_at=claim.starts_at,
        to_at=claim.ends_at,
        corrects=corrects,
        needs_review=claim.doubt is not None,
        distance_m=data.distance_m,
        entry_id=work.envelope.id,
    )
    if claim.doubt is not None:
        bounds = work.report.occurred
        work.report.review(
            "doubtful_time",
            entry_id=str(work.envelope.id),
            why=claim.doubt,
            claimed_from=from_at.isoformat(),
            claimed_to=to_at.isoformat(),
            offset_s=round(work.offset.total_seconds()),
            occurred_lo_at=bounds.lo_at.isoformat(),
            occurred_hi_at=bounds.hi_at.isoformat(),
        )


async def _use_part(work: Work, data: intents.PartQuantity) -> None:
    await field_work.use_part(
        work.report, part_id=data.part_id, quantity=data.qty, used_id=work.envelope.id
    )


async def _request_part(work: Work, data: intents.PartQuantity) -> None:
    await field_work.request_part(work.report, part_id=data.part_id, quantity=data.qty)


async def _sign(work: Work, data: intents.SignatureAdd) -> None:
    await field_work.sign(work.report, item=data.item, photo_id=data.photo_id, name=data.name)


async def _decline(work: Work, data: intents.SignatureDecline) -> None:
    await field_work.decline_signature(work.report, item=data.item, reason=data.reason)


async def _photo(work: Work, data: intents.PhotoAdd) -> None:
    position = data.position
    await field_work.declare_photo(
        work.report,
        photo_id=data.photo_id,
        item=data.item,
        slot=data.slot,
        sha256=bytes.fromhex(data.sha256),
        size=data.size,
        mime=data.mime,
        captured_at=work.by_our_clock(data.captured_at),
        position=(position.latitude, position.longitude) if position else None,
        accuracy_m=position.accuracy_m if position else None,
        clock_offset=work.offset,
    )


async def _retract(work: Work, data: intents.PhotoRetract) -> None:
    await field_work.retract_photo(work.report, data.photo_id, data.reason)


async def _mark(work: Work, data: intents.PhotoMarks) -> None:
    marks = [Mark(one.kind, one.x, one.y, one.size, one.angle) for one in data.marks]
    await field_work.mark_photo(work.report, data.photo_id, marks)


async def _failure(work: Work, data: intents.FailureRecord) -> None:
    failed_at, restored_at = data.failed_at, data.restored_at
    await field_work.record_failure(
        work.report,
        asset_id=data.asset_id,
        failed_at=work.by_our_clock(failed_at) if failed_at else None,
        restored_at=work.by_our_clock(restored_at) if restored_at else None,
        mode=data.mode,
        mechanism=data.mechanism,
        cause=data.cause,
    )


async def _follow_up(work: Work, data: intents.FollowUp) -> None:
    await field_work.request_follow_up(work.report, data.reason, data.skills)


async def _scope_change(work: Work, data: intents.ScopeChange) -> None:
    """The office confirms or refuses a wider job; our price of it is kept beside the one told on site."""
    consent = read_consent(data.consent, work.report.occurred.at, work.by_our_clock)
    work.report.note("suggestion")
    await scope_changes.tell(
        work.report,
        told={"lines": data.lines, "price": data.price, "consent": data.consent},
        wanted=[read_wanted(line) for line in data.lines],
        consent=consent,
        change_id=work.envelope.id,
    )


async def _claim(work: Work, data: intents.PassportClaim) -> None:
    report = work.report
    await passports.claim(report.session, report.actor, report.now, data.code, data.asset_id)


_ADDS_ONLY = frozenset({"answer.set", "note.add", "time.add", "part.use", "photo.add"})
"""Types that add a row and read none that another intent of the same push may have written."""

_HANDLERS = cast(
    dict[str, Callable[[Work, Any], Awaitable[None]]],
    {
        "visit.travel": _travel,
        "visit.arrive": _arrive,
        "visit.delay": _delay,
        "visit.start": _start,
        "visit.pause": _pause,
        "visit.resume": _resume,
        "visit.abort": _abort,
        "visit.reject": _reject,
        "visit.finish": _finish,
        "answer.set": _answer,
        "note.add": _note,
        "message.add": _message,
        "time.add": _add_time,
        "time.correct": _correct_time,
        "part.use": _use_part,
        "part.request": _request_part,
        "signature.add": _sign,
        "signature.decline": _decline,
        "photo.add": _photo,
        "photo.retract": _retract,
        "photo.mark": _mark,
        "failure.record": _failure,
        "follow_up.request": _follow_up,
        "scope.change": _scope_change,
        "passport.claim": _claim,
    },
)
