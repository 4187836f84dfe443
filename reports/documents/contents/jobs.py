"""From rows to what an act says of a job: everything that was recorded, as plain values."""

from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

from sqlalchemy.dialects.postgresql import distinct_on
from sqlmodel import col, select

from fsm.actors import Actor, Permission
from fsm.assets.tables import Asset, AssetModel, Failure, Meter, MeterReading
from fsm.catalogue.tables import Reason, ReasonKind, WorkTypeVersion
from fsm.checklists.items import Item, localized
from fsm.checklists.templates import Template
from fsm.contracts.tables import Contract
from fsm.customers.tables import Customer, Site
from fsm.database import Session
from fsm.evidence.verification import PHOTO_TYPES
from fsm.intervals import micros
from fsm.parts.tables import Part
from fsm.problems import Problem
from fsm.technicians.tables import Technician
from fsm.tenants.queries import find_own_tenant
from fsm.work_orders import records
from fsm.work_orders.closing import verdict
from fsm.work_orders.closing_facts import Answer, Facts, PhotoState
from fsm.work_orders.facts import load_facts, load_template
from fsm.work_orders.ledger.posting import hours_of
from fsm.work_orders.lifecycle import Status
from fsm.work_orders.lists import list_records
from fsm.work_orders.orders import find_work_order, list_visits
from fsm.work_orders.tables import ServiceRequest, Visit, WorkOrder
from reports.documents.contents.collected import Collected

MOST_PHOTOS: Final = 60
"""Pictures in one document; further photos are named with their hashes."""

DONE: Final = frozenset({Status.WORK_DONE, Status.COMPLETED, Status.CLOSED})


class WorkNotDone(Problem):
    """An act says that work was done; this job's is not."""

    code, status, title = "work-not-done", 409, "The work is not done yet"


async def collect_job(
    session: Session, actor: Actor, work_order_id: UUID, language: str, *, must_be_done: bool
) -> Collected:
    """Return what is known of a job now, in the words of `language` where there are several."""
    job = await find_work_order(session, actor, work_order_id)
    if must_be_done and Status(job.status) not in DONE:
        raise WorkNotDone(
            f"{job.number} is {job.status}. An act is issued once the work is done; "
            "a technical act tells what is known so far.",
            status=job.status,
        )
    template = await load_template(session, job)
    facts = None if template is None else await load_facts(session, job, template)
    visits = await list_visits(session, job)
    names = await _names(session, actor, visits, job)
    signatures = await _signatures(session, actor, job, template, language)
    shown = [
        photo
        for photo in await list_records(session, job, records.Photo)
        if photo.retracted_at is None
    ]
    signed = {one["photo_id"] for one in signatures}
    photos = [
        _photo(photo, template, language)
        for photo in shown
        if photo.state == PhotoState.VERIFIED and str(photo.id) not in signed
    ]
    tenant = await find_own_tenant(session, actor.tenant_id)
    content = {
        "company": tenant.name,
        "issued_by": actor.name,
        **await _around(session, actor, job, language),
        "visits": [_visit(visit, names) for visit in visits if visit.arrived_at is not None],
        "times": await _times(session, job),
        "parts": await _parts(session, actor, job),
        "answers": _answers(
            facts, template, await list_records(session, job, records.Answer), language
        ),
        "meters": await _meters(session, actor, job),
        "notes": [
            {"text": note.text, "by": note.by, "written_at": note.written_at}
            for note in await list_records(session, job, records.Note)
        ],
        "photos": photos,
        "photos_on_their_way": sum(photo.state != PhotoState.VERIFIED for photo in shown),
        "signatures": signatures,
        "waivers": [
            {"label": _label(template, one.item, language), "reason": one.reason,
             "name": one.waived_by_name}
            for one in await list_records(session, job, records.Waiver)
        ],
        "failure": await _failure(session, actor, job),
        "missing": (
            None if template is None or facts is None else len(verdict(template, facts).unmet)
        ),
        "costs": await _costs(session, job) if actor.may(Permission.READ_COSTS) else None,
    }  # fmt: skip
    wanted = [*photos[:MOST_PHOTOS], *(one for one in signatures if one["sha256"])]
    return Collected(content, job.zone, "work_order", job.id, job.customer_id, wanted)


async def _around(session: Session, actor: Actor, job: WorkOrder, language: str) -> dict[str, Any]:
    """Return the job itself, and whose it is, where and on what."""
    tenant = actor.tenant_id
    customer = await session.get_one(Customer, (tenant, job.customer_id))
    site = await session.get_one(Site, (tenant, job.site_id))
    asset = await session.get(Asset, (tenant, job.asset_id)) if job.asset_id else None
    model = await session.get_one(AssetModel, (tenant, asset.model_id)) if asset else None
    contract = await session.get(Contract, (tenant, job.contract_id)) if job.contract_id else None
    kind = await session.get_one(WorkTypeVersion, (tenant, job.work_type_version_id))
    return {
        "job": _chosen(
            job, "id", "number", "title", "description", "status", "priority", "request_class",
            "maintenance", "reported_at", "work_started_at", "work_done_at", "completed_at",
            "closed_at", "restore_by", "respond_by", "is_rework",
        ),
        "work_type": localized(kind.names, language) or "",
        "customer": _chosen(customer, "number", "name", "tax_number"),
        "site": _chosen(site, "number", "name", "address", "city", "country"),
        "asset": asset
        and {
            **_chosen(asset, "number", "name", "serial", "place", "warranty_ends_on"),
            "model": f"{model.manufacturer} {model.name}".strip() if model else "",
        },
        "contract": contract and _chosen(contract, "number", "name", "kind"),
    }  # fmt: skip


async def _names(
    session: Session, actor: Actor, visits: Iterable[Visit], job: WorkOrder
) -> dict[UUID, str]:
    statement = select(Technician.id, Technician.name).where(
        Technician.tenant_id == actor.tenant_id,
        col(Technician.id).in_({visit.technician_id for visit in visits}),
    )
    return dict((await session.exec(statement)).all())


def _visit(visit: Visit, names: dict[UUID, str]) -> dict[str, Any]:
    return {
        **_chosen(visit, "id", "status", "arrived_at", "work_started_at", "finished_at"),
        "technician": names[visit.technician_id],
    }


async def _times(session: Session, job: WorkOrder) -> list[dict[str, Any]]:
    """Return the entries that count: one that another corrects is left out."""
    entries = await list_records(session, job, records.TimeEntry)
    corrected = {entry.corrects_id for entry in entries}
    return [
        {
            "visit_id": entry.visit_id,
            "kind": entry.kind,
            "from": entry.during.lower,
            "to": entry.during.upper,
            "hours": hours_of(entry.during.upper - entry.during.lower),
        }
        for entry in entries
        if entry.id not in corrected
    ]


async def _parts(session: Session, actor: Actor, job: WorkOrder) -> list[dict[str, Any]]:
    used = await list_records(session, job, records.PartUsed)
    statement = select(Part).where(
        Part.tenant_id == actor.tenant_id, col(Part.id).in_({one.part_id for one in used})
    )
    known = {part.id: part for part in await session.exec(statement)}
    return [
        {
            **_chosen(known[one.part_id], "number", "name", "unit", "manufacturer", "is_original"),
            "quantity": one.quantity,
            "used_at": one.used_at,
        }
        for one in used
    ]


def _answers(
    facts: Facts | None,
    template: Template | None,
    rows: Iterable[records.Answer],
    language: str,
) -> list[dict[str, Any]]:
    """Return the answer that counts last for each item, in the checklist's order, choices by their names."""
    if facts is None or template is None:
        return []
    given: dict[str, Answer] = {}
    for answer in facts.answers:
        before = given.get(answer.item)
        if before is None or answer.order >= before.order:
            given[answer.item] = answer
    told = {(row.item, str(row.visit_id), micros(row.received_at)): row for row in rows}
    listed = []
    for item in template.items:
        counts = given.get(item.id)
        if counts is None or counts.value is None:
            continue
        row = told[counts.item, counts.visit, counts.order]
        listed.append(
            {
                "item": item.id,
                "kind": item.kind,
                "label": item.title(language),
                "value": _said(item, counts.value, language),
                "unit": item.unit,
                "least": item.minimum,
                "most": item.maximum,
                "answered_at": row.answered_at,
                "by": row.by,
            }
        )
    return listed


def _said(item: Item, value: Any, language: str) -> Any:
    def name(code: str) -> str:
        return localized(item.choice_labels.get(code, {}), language) or code

    if item.codes and isinstance(value, str):
        return name(value)
    if item.codes and isinstance(value, list):
        return [name(str(code)) for code in value]
    return value


async def _signatures(
    session: Session, actor: Actor, job: WorkOrder, template: Template | None, language: str
) -> list[dict[str, Any]]:
    signed = await list_records(session, job, records.Signature)
    statement = select(Reason.code, Reason.names).where(
        Reason.tenant_id == actor.tenant_id, Reason.kind == ReasonKind.NO_SIGNATURE
    )
    reasons = dict((await session.exec(statement)).all())
    photos = {photo.id: photo for photo in await list_records(session, job, records.Photo)}
    listed = []
    for one in signed:
        photo = photos.get(one.photo_id) if one.photo_id else None
        is_here = photo is not None and photo.state == PhotoState.VERIFIED
        declined = one.declined_reason
        listed.append(
            {
                "item": one.item,
                "label": _label(template, one.item, language),
                "name": one.name,
                "signed_at": one.signed_at,
                "declined_reason": declined
                and (localized(reasons.get(declined, {}), language) or declined),
                "photo_id": None if photo is None else str(photo.id),
                "sha256": photo.sha256.hex() if photo is not None and is_here else None,
                "size": photo.size if photo is not None else None,
                "mime": photo.mime if photo is not None else None,
                "image": None,
            }
        )
    return listed


def _photo(photo: records.Photo, template: Template | None, language: str) -> dict[str, Any]:
    told = {
        "photo_id": str(photo.id),
        "item": photo.item,
        "label": _label(template, photo.item, language),
        "slot": photo.slot,
        "captured_at": photo.captured_at,
        "sha256": photo.sha256.hex(),
        "size": photo.size,
        "mime": photo.mime,
        "image": None,
    }
    # Documents of before know no marks, and nothing of a photo without any has changed.
    return told | {"marks": photo.marks} if photo.marks else told


def can_be_shown(photo: dict[str, Any]) -> bool:
    return photo["mime"] in PHOTO_TYPES


async def _meters(session: Session, actor: Actor, job: WorkOrder) -> list[dict[str, Any]]:
    """Return the newest reading of each of the equipment's counters."""
    if job.asset_id is None:
        return []
    statement = (
        select(Meter, MeterReading)
        .join(
            MeterReading,
            (col(MeterReading.tenant_id) == Meter.tenant_id)
            & (col(MeterReading.meter_id) == Meter.id),
        )
        .where(Meter.tenant_id == actor.tenant_id, Meter.asset_id == job.asset_id)
        .ext(distinct_on(col(Meter.code)))
        .order_by(col(Meter.code), col(MeterReading.read_at).desc())
    )
    return [
        {
            **_chosen(meter, "code", "name", "unit"),
            "value": reading.value,
            "read_at": reading.read_at,
        }
        for meter, reading in await session.exec(statement)
    ]


async def _failure(session: Session, actor: Actor, job: WorkOrder) -> dict[str, Any] | None:
    if job.failure_id is None:
        return None
    failure = await session.get_one(Failure, (actor.tenant_id, job.failure_id))
    request = (
        await session.get(ServiceRequest, (actor.tenant_id, job.request_id))
        if job.request_id
        else None
    )
    return {
        **_chosen(failure, "mode", "mechanism", "cause", "failed_at", "detected_at", "restored_at"),
        "symptom": request.text if request else job.title,
    }


async def _costs(session: Session, job: WorkOrder) -> list[dict[str, Any]]:
    return [
        {
            **_chosen(line, "kind", "payer", "amount", "currency", "quantity", "posted_on"),
            "rule": line.payer_rule,
        }
        for line in await list_records(session, job, records.CostLine)
    ]


def _label(template: Template | None, item_id: str, language: str) -> str:
    for item in () if template is None else template.items:
        if item.id == item_id:
            return item.title(language)
    return item_id


def _chosen(row: Any, *names: str) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names}
