"""What was recorded on a job: answers, signatures, notes, time, parts, failures."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import Range
from sqlmodel import col, select
from uuid_utils.compat import uuid7

from fsm.appending import new_row
from fsm.assets import failures
from fsm.contracts.service_levels import StopsAt
from fsm.database import touch
from fsm.events import Occurrence
from fsm.parts import queries as parts
from fsm.parts.tables import MovementKind
from fsm.problems import Invalid, NotFound
from fsm.work_orders import clocks, ledger, part_requests, records, restoration
from fsm.work_orders.field_work.report import Report


async def answer(report: Report, item: str, value: Any) -> None:
    """Answer a checklist item; the answer before stays as history."""
    report.session.append(
        new_row(
            records.Answer,
            id=uuid7(),
            tenant_id=report.actor.tenant_id,
            work_order_id=report.work_order.id,
            visit_id=report.visit.id,
            item=item,
            value=value,
            answered_at=report.occurred.at,
            received_at=report.received_at,
            device_id=report.actor.device_id,
            device_seq=report.device_seq,
            by=report.actor.name,
        )
    )
    await report.counted()
    await report.event("answer.set", item=item, value=value)


async def sign(report: Report, *, item: str, photo_id: UUID, name: str) -> None:
    """Record who signed; the image is a declared photo of the same job."""
    photo = await report.session.get(records.Photo, (report.actor.tenant_id, photo_id))
    if photo is None or photo.work_order_id != report.work_order.id:
        raise NotFound(f"No photo {photo_id} on this job: declare the signature's image first.")
    await _signature(report, item, photo_id=photo_id, name=name)


async def decline_signature(report: Report, *, item: str, reason: str) -> None:
    """Record why nobody signed."""
    await _signature(report, item, declined_reason=reason)


async def _signature(report: Report, item: str, **values: Any) -> None:
    report.session.append(
        new_row(
            records.Signature,
            id=uuid7(),
            tenant_id=report.actor.tenant_id,
            work_order_id=report.work_order.id,
            visit_id=report.visit.id,
            item=item,
            signed_at=report.occurred.at,
            **values,
        )
    )
    await report.counted()
    await report.event(
        "signature.added" if "photo_id" in values else "signature.declined", item=item
    )


async def add_note(report: Report, text: str) -> None:
    report.session.append(
        new_row(
            records.Note,
            id=uuid7(),
            tenant_id=report.actor.tenant_id,
            work_order_id=report.work_order.id,
            visit_id=report.visit.id,
            text=text,
            written_at=report.occurred.at,
            received_at=report.received_at,
            by=report.actor.name,
        )
    )
    await report.event("note.added")
    touch(report.session, report.work_order)


async def add_time(
    report: Report,
    *,
    kind: records.TimeKind,
    from_at: datetime,
    to_at: datetime,
    corrects: UUID | None = None,
    needs_review: bool = False,
    distance_m: int | None = None,
    entry_id: UUID | None = None,
) -> records.TimeEntry:
    """Record time spent and post its cost; a correction takes the corrected entry's cost back."""
    if to_at <= from_at:
        raise Invalid("Time ends after it begins.", errors=[{"at": "/to"}])
    if corrects is not None:
        corrects = await _last_correction(report, corrects)
        await ledger.take_back(report.session, report.actor, "time_entry", corrects, report.now)
    entry = new_row(
        records.TimeEntry,
        id=entry_id or uuid7(),
        tenant_id=report.actor.tenant_id,
        work_order_id=report.work_order.id,
        visit_id=report.visit.id,
        technician_id=report.visit.technician_id,
        kind=kind,
        during=Range(from_at, to_at),
        corrects_id=corrects,
        needs_review=needs_review,
        distance_m=distance_m,
        recorded_at=report.now,
    )
    report.session.append(entry)
    await ledger.post_time(report.session, report.actor, report.work_order, entry, report.now)
    await report.event(
        "time.corrected" if corrects else "time.added",
        entry_id=str(entry.id),
        time_kind=str(kind),
        from_at=from_at.isoformat(),
        to_at=to_at.isoformat(),
    )
    touch(report.session, report.work_order)
    return entry


async def _last_correction(report: Report, entry_id: UUID) -> UUID:
    """Return the entry that stands for a technician's time entry now: its last correction, else itself.

    Two phones may correct the same entry; the second then corrects what the first has made of it, so that
    the time is paid once.
    """
    entry = await report.session.get(records.TimeEntry, (report.actor.tenant_id, entry_id))
    if (
        entry is None
        or entry.work_order_id != report.work_order.id
        or entry.technician_id != report.visit.technician_id
    ):
        raise NotFound(f"No time entry {entry_id} of yours on this job.")
    while True:
        statement = select(records.TimeEntry.id).where(
            records.TimeEntry.tenant_id == report.actor.tenant_id,
            records.TimeEntry.work_order_id == report.work_order.id,
            records.TimeEntry.corrects_id == entry_id,
        )
        later = (await report.session.exec(statement.order_by(col(records.TimeEntry.id)))).first()
        if later is None:
            return entry_id
        entry_id = later


async def use_part(
    report: Report, *, part_id: UUID, quantity: Decimal, used_id: UUID | None = None
) -> records.PartUsed:
    """Use a part from the technician's van at its cost of that moment; stock may go below zero.

    The part is in the machine whatever the books say, so a van that runs short is a matter for review.
    """
    van = await parts.find_van(report.session, report.actor, report.visit.technician_id)
    movement = await parts.add_movement(
        report.session,
        report.actor,
        report.now,
        part_id=part_id,
        kind=MovementKind.USE,
        from_place_id=van,
        to_place_id=None,
        quantity=quantity,
        moved_at=report.occurred.at,
        note=report.work_order.number,
    )
    used = new_row(
        records.PartUsed,
        id=used_id or uuid7(),
        tenant_id=report.actor.tenant_id,
        work_order_id=report.work_order.id,
        visit_id=report.visit.id,
        part_id=part_id,
        movement_id=movement.id,
        quantity=quantity,
        used_at=report.occurred.at,
    )
    report.session.append(used)
    await ledger.post_part(
        report.session, report.actor, report.work_order, used, movement, report.now
    )
    await report.counted()
    await report.event("part.used", part_id=str(part_id), quantity=str(quantity))
    return used


async def request_part(report: Report, *, part_id: UUID, quantity: Decimal) -> None:
    """Ask the office for a part: once the technicians have left, the job waits for it."""
    await parts.find_part(report.session, report.actor, part_id)
    part_requests.add_request(
        report.session,
        report.actor,
        report.work_order,
        part_id=part_id,
        quantity=quantity,
        visit_id=report.visit.id,
        requested_at=report.occurred.at,
    )
    report.review("part_request", part_id=str(part_id), quantity=str(quantity))
    await report.event("part.requested", part_id=str(part_id), quantity=str(quantity))


async def record_failure(
    report: Report,
    *,
    asset_id: UUID,
    failed_at: datetime | None = None,
    restored_at: datetime | None = None,
    mode: str | None = None,
    mechanism: str | None = None,
    cause: str | None = None,
) -> None:
    """Record what failed, when and why; on the job's own failure it fills in what was not known."""
    work_order = report.work_order
    if work_order.failure_id is not None and asset_id == work_order.asset_id:
        failure = await restoration.describe_failure(
            report.session,
            report.actor,
            report.now,
            work_order.failure_id,
            failed_at=failed_at,
            restored_at=restored_at,
            mode=mode,
            mechanism=mechanism,
            cause=cause,
        )
    else:
        failure = await failures.record_failure(
            report.session,
            report.actor,
            report.now,
            asset_id=asset_id,
            detected_at=max(failed_at, work_order.reported_at)
            if failed_at
            else work_order.reported_at,
            failed_at=failed_at,
            restored_at=restored_at,
            mode=mode,
            mechanism=mechanism,
            cause=cause,
        )
        if asset_id == work_order.asset_id:
            work_order.failure_id = failure.id
    if restored_at is not None and asset_id == work_order.asset_id:
        occurred = Occurrence(restored_at, restored_at, restored_at)
        await clocks.stop_clocks(
            report.session, report.actor, work_order, (StopsAt.RESTORED,), occurred, report.now
        )
    await ledger.decide_again(report.session, report.actor, report.now, work_order.id)
    await report.event("failure.reported", failure_id=str(failure.id))
    touch(report.session, work_order)
