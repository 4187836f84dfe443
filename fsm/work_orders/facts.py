"""From rows to the plain facts that a closing verdict is given on."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import col, select

from fsm.actors import Actor
from fsm.assets.tables import Asset, AssetModel, Identifier, Meter, MeterReading, Passport
from fsm.catalogue.tables import WorkType
from fsm.checklists import templates
from fsm.checklists.queries import find_successor, find_version
from fsm.checklists.tables import ChecklistVersion
from fsm.database import Session
from fsm.evidence.tables import Blob
from fsm.intervals import micros
from fsm.parts.tables import Part
from fsm.work_orders import closing_facts, records
from fsm.work_orders.closing import Verdict, verdict
from fsm.work_orders.closing_facts import Facts
from fsm.work_orders.tables import WorkOrder


async def load_template(session: Session, work_order: WorkOrder) -> templates.Template | None:
    """Return the checklist version that the job is judged by, None before dispatch."""
    if work_order.checklist_version_id is None:
        return None
    version = await session.get(
        ChecklistVersion, (work_order.tenant_id, work_order.checklist_version_id)
    )
    assert version is not None
    return templates.load(version.body)


async def judge(
    session: Session, work_order: WorkOrder, *, finishing_visit: UUID | None = None
) -> Verdict | None:
    """Return the verdict on the job's present facts, None before a checklist is pinned.

    With `finishing_visit` the facts are taken as they would be once that visit is finished.
    """
    judged = await judge_facts(session, work_order, finishing_visit=finishing_visit)
    return None if judged is None else judged[0]


async def judge_facts(
    session: Session, work_order: WorkOrder, *, finishing_visit: UUID | None = None
) -> tuple[Verdict, Facts] | None:
    """Return the verdict with the facts that it was given on, None before a checklist is pinned."""
    template = await load_template(session, work_order)
    if template is None:
        return None
    facts = await load_facts(session, work_order, template, finishing_visit)
    return verdict(template, facts), facts


async def load_judged_facts(
    session: Session,
    work_order: WorkOrder,
    template: templates.Template,
    closure: records.WorkOrderClosure | None,
) -> Facts:
    """Return a job's facts with the context in which its closure was judged.

    Meters run on and machines change hands after a job: judged with those, it would come out otherwise.
    Closures from before contexts were kept, and jobs without one, take the present.
    """
    facts = await load_facts(session, work_order, template)
    if closure is None or not closure.context:
        return facts
    return Facts.from_json({**facts.to_json(), **closure.context})


async def judge_by_successor(
    session: Session, actor: Actor, work_order: WorkOrder
) -> tuple[templates.Template, Verdict] | None:
    """Return what a newer version says of the job, where that one wants such work looked at again."""
    assert work_order.checklist_version_id is not None
    pinned = await find_version(session, actor, work_order.checklist_version_id)
    successor = await find_successor(session, actor, pinned)
    if successor is None:
        return None
    return successor, verdict(successor, await load_facts(session, work_order, successor))


async def load_facts(
    session: Session,
    work_order: WorkOrder,
    template: templates.Template,
    finishing_visit: UUID | None = None,
) -> Facts:
    """Read every counted fact of a job. Pending changes of the session are written first."""
    await session.flush()
    finishing = finishing_visit or work_order.finished_visit_id
    photos = await _of(session, work_order, records.Photo)
    signatures = await _of(session, work_order, records.Signature)
    waivers = await _of(session, work_order, records.Waiver)
    kinds = {item.kind for item in template.items}
    return Facts(
        facts_rev=work_order.facts_rev,
        finishing_visit=str(finishing) if finishing else None,
        answers=tuple(_newest(await _of(session, work_order, records.Answer))),
        photos=tuple(
            closing_facts.Photo(
                photo_id=str(photo.id),
                visit=str(photo.visit_id),
                item=photo.item,
                slot=photo.slot,
                state=closing_facts.PhotoState(photo.state),
                mime=photo.mime,
                size=photo.size,
                seconds=seconds,
                flags=tuple(
                    closing_facts.PhotoFlag(flag["code"], flag.get("ref", ""))
                    for flag in photo.flags
                ),
            )
            for photo, seconds in await _with_lengths(session, work_order, photos)
        ),
        signatures=tuple(
            closing_facts.Signature(
                one.item, str(one.visit_id), str(one.photo_id), one.name, micros(one.signed_at)
            )
            for one in signatures
            if one.photo_id is not None
        ),
        declines=tuple(
            closing_facts.Decline(
                one.item, str(one.visit_id), one.declined_reason, micros(one.signed_at)
            )
            for one in signatures
            if one.declined_reason is not None
        ),
        waivers=tuple(
            closing_facts.Waiver(one.item, str(one.waived_by), one.reason, one.waived_by_name)
            for one in waivers
        ),
        last_readings=await _last_readings(session, work_order) if "meter" in kinds else {},
        asset_codes=await _asset_codes(session, work_order) if "barcode" in kinds else frozenset(),
        part_codes=await _part_codes(session, work_order) if "barcode" in kinds else frozenset(),
        job=await _job(session, work_order),
        asset=await _asset(session, work_order),
    )


async def _of(session: Session, work_order: WorkOrder, table: Any) -> list[Any]:
    """Return a job's rows of a table of records, to be read only; retracted photos are not counted."""
    statement = select(*table.__table__.columns).where(
        table.tenant_id == work_order.tenant_id, table.work_order_id == work_order.id
    )
    if table is records.Photo:
        statement = statement.where(col(records.Photo.retracted_at).is_(None))
    return list(await session.exec(statement.order_by(col(table.id))))


def _newest(answers: Iterable[records.Answer]) -> Iterable[closing_facts.Answer]:
    """Return one answer per visit and item: the last of each device, then the one received last."""
    by_device: dict[tuple[str, UUID], dict[UUID | None, records.Answer]] = defaultdict(dict)
    for answer in answers:
        held = by_device[answer.item, answer.visit_id]
        before = held.get(answer.device_id)
        if before is None or _device_order(answer) > _device_order(before):
            held[answer.device_id] = answer
    for (item, visit), held in by_device.items():
        newest = max(held.values(), key=lambda one: (one.received_at, str(one.id)))
        yield closing_facts.Answer(item, str(visit), newest.value, micros(newest.received_at))


def _device_order(answer: records.Answer) -> tuple[int, datetime, str]:
    return (answer.device_seq, answer.received_at, str(answer.id))


async def _with_lengths(
    session: Session, work_order: WorkOrder, photos: list[records.Photo]
) -> list[tuple[records.Photo, float | None]]:
    """Pair photos with a video's length in seconds, where its header told one."""
    digests = {photo.verified_sha256 for photo in photos if photo.mime.startswith("video/")}
    known: dict[bytes, float] = {}
    if wanted := [digest for digest in digests if digest is not None]:
        statement = select(Blob.sha256, Blob.info).where(
            Blob.tenant_id == work_order.tenant_id, col(Blob.sha256).in_(wanted)
        )
        for digest, info in await session.exec(statement):
            if isinstance(info.get("seconds"), int | float):
                known[digest] = float(info["seconds"])
    return [
        (photo, known.get(photo.verified_sha256) if photo.verified_sha256 else None)
        for photo in photos
    ]


async def _last_readings(session: Session, work_order: WorkOrder) -> dict[str, float]:
    if work_order.asset_id is None:
        return {}
    statement = (
        select(Meter.code, col(MeterReading.value))
        .join(
            MeterReading,
            (col(MeterReading.tenant_id) == Meter.tenant_id)
            & (col(MeterReading.meter_id) == Meter.id),
        )
        .where(Meter.tenant_id == work_order.tenant_id, Meter.asset_id == work_order.asset_id)
        .order_by(col(MeterReading.read_at))
    )
    return {code: float(value) for code, value in await session.exec(statement)}


async def _asset_codes(session: Session, work_order: WorkOrder) -> frozenset[str]:
    if work_order.asset_id is None:
        return frozenset()
    tenant, asset_id = work_order.tenant_id, work_order.asset_id
    identifiers = await session.exec(
        select(Identifier.value).where(
            Identifier.tenant_id == tenant, Identifier.asset_id == asset_id
        )
    )
    passports = await session.exec(
        select(Passport.code).where(Passport.tenant_id == tenant, Passport.asset_id == asset_id)
    )
    asset = await session.get(Asset, (tenant, asset_id))
    own = {asset.number, asset.serial} if asset else set()
    return frozenset({*identifiers, *passports, *(code for code in own if code)})


async def _part_codes(session: Session, work_order: WorkOrder) -> frozenset[str]:
    statement = (
        select(Part.number)
        .join(
            records.PartUsed,
            (col(records.PartUsed.tenant_id) == Part.tenant_id)
            & (col(records.PartUsed.part_id) == Part.id),
        )
        .where(
            records.PartUsed.tenant_id == work_order.tenant_id,
            records.PartUsed.work_order_id == work_order.id,
        )
    )
    return frozenset(await session.exec(statement))


async def _job(session: Session, work_order: WorkOrder) -> dict[str, Any]:
    """Return what rules see as `job`."""
    work_type = await session.get(WorkType, (work_order.tenant_id, work_order.work_type_id))
    return {
        "priority": work_order.priority,
        "request_class": work_order.request_class,
        "maintenance": work_order.maintenance,
        "work_type": work_type.code if work_type else "",
        "is_rework": work_order.is_rework,
    }


async def _asset(session: Session, work_order: WorkOrder) -> dict[str, Any]:
    """Return what rules see as `asset`; empty for a job without one."""
    if work_order.asset_id is None:
        return {}
    asset = await session.get(Asset, (work_order.tenant_id, work_order.asset_id))
    if asset is None:
        return {}
    model = await session.get(AssetModel, (work_order.tenant_id, asset.model_id))
    return {
        "number": asset.number,
        "serial": asset.serial or "",
        "criticality": asset.criticality,
        "model": model.code if model else "",
        "manufacturer": model.manufacturer if model else "",
        "equipment": model.equipment if model else "",
    }
