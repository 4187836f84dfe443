"""From rows to a pack: one snapshot of a job and everything that proves it, then the bytes that go along."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO
from uuid import UUID

from sqlmodel import SQLModel, col, select

from fsm.actors import Actor
from fsm.assets.tables import Asset
from fsm.checklists.tables import ChecklistVersion
from fsm.customers.tables import Customer, Site
from fsm.database import Database, Session, run
from fsm.events import GENESIS, Event, EventSeal, canonical_form, seal
from fsm.evidence import daily_roots, queries, signing_keys, statements
from fsm.evidence.blobs import BlobStore, NoSuchBlob
from fsm.evidence.receipts import ReceiptKey, encoded
from fsm.evidence.tables import Receipt
from fsm.problems import Problem
from fsm.technicians.tables import Technician
from fsm.tenants.queries import find_own_tenant
from fsm.tenants.tables import Device, User
from fsm.work_orders import lists, records
from fsm.work_orders.closing import verdict
from fsm.work_orders.facts import load_judged_facts, load_template
from fsm.work_orders.history import belonging_to
from fsm.work_orders.orders import find_work_order, list_visits
from fsm.work_orders.tables import Visit, WorkOrder
from reports.documents import queries as documents
from reports.documents.kinds import DocumentKind
from reports.packs import form
from reports.packs.container import PackRefused, PackWriter
from reports.packs.scope import list_scope
from reports.packs.values import chosen, row_of

_SEALED_AT_ONCE = 5_000
_MOST_ACTS = 1_000


class NothingToProve(Problem):
    """The job was never dispatched: no checklist is pinned, so nothing was to be done yet."""

    code, status, title = "nothing-to-prove", 409, "The job was never dispatched"


class PackTooLarge(Problem):
    """The job's photos and videos do not fit into one archive."""

    code, status, title = "pack-too-large", 413, "Too much for one file"


class EvidenceDamaged(Problem):
    """Stored bytes no longer have the hash that they were kept under; `sha256` names it."""

    code, status, title = "evidence-damaged", 503, "A stored file is damaged"


@dataclass(frozen=True, slots=True)
class Packed:
    """A written pack: the job's number, the archive's length in bytes."""

    number: str
    size: int


@dataclass(frozen=True, slots=True)
class _Contents:
    tenant: dict[str, str]
    work_order: dict[str, str]
    documents: Mapping[str, Any]
    photos: list[dict[str, Any]]
    acts: list[dict[str, Any]]
    numbers: list[int]


async def write_pack(
    database: Database,
    store: BlobStore,
    key: ReceiptKey,
    actor: Actor,
    now: datetime,
    work_order_id: UUID,
    file: BinaryIO,
) -> Packed:
    """Write a job's pack into a seekable file. The same snapshot gives the same bytes.

    What has happened so far is sealed first. Raises `NothingToProve`, `PackTooLarge`, and `EvidenceDamaged`
    rather than putting other bytes into a pack than were received.
    """
    async with database.transaction(actor.tenant_id) as session:
        await find_work_order(session, actor, work_order_id)
    await _seal_all(database, key, actor.tenant_id, now)
    async with database.transaction(actor.tenant_id) as session:
        await run(session, "set transaction isolation level repeatable read, read only")
        contents = await _collect(session, key, actor, work_order_id)
    try:
        size = await _write(contents, store, key, actor.tenant_id, file)
    except PackRefused as refused:
        raise PackTooLarge(f"{contents.work_order['number']}: {refused}") from None
    return Packed(contents.work_order["number"], size)


async def _write(
    contents: _Contents, store: BlobStore, key: ReceiptKey, tenant_id: UUID, file: BinaryIO
) -> int:
    writer = PackWriter(file)
    files = [_listed(form.README, writer, form.READ_ME.encode())]
    photos, acts = [], []
    for photo in contents.photos:
        member = await _write_photo(writer, store, tenant_id, photo)
        photos.append({**photo, "member": member["name"] if member else None})
        files += [member] if member else []
    for act in contents.acts:
        member = await _write_act(writer, store, tenant_id, act)
        acts.append({**act, "member": member["name"] if member else None})
        files += [member] if member else []
    bodies = {**contents.documents, form.PHOTOS: photos, form.ACTS: acts}
    files += [_listed(name, writer, form.document(bodies[name])) for name in form.DOCUMENTS]
    manifest = statements.sign(
        key,
        type=form.PACK,
        tenant=contents.tenant,
        work_order=contents.work_order,
        events=contents.numbers,
        files=sorted(files, key=lambda one: str(one["name"])),
    )
    writer.add(form.MANIFEST, form.document(manifest))
    return writer.close()


def _listed(name: str, writer: PackWriter, content: bytes) -> dict[str, Any]:
    return {"name": name, "sha256": writer.add(name, content), "size": len(content)}


async def _write_photo(
    writer: PackWriter, store: BlobStore, tenant_id: UUID, photo: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Copy a photo's bytes; None where they were never verified, retracted, or are no longer kept."""
    if photo["state"] != "verified" or photo["retracted_at"] is not None:
        return None
    return await _copy(
        writer,
        store,
        tenant_id,
        form.photo_member(photo["photo_id"], photo["mime"]),
        photo["sha256"],
        photo["size"],
        f"photo {photo['photo_id']}",
    )


async def _write_act(
    writer: PackWriter, store: BlobStore, tenant_id: UUID, act: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Copy an act's file; None where it is no longer kept."""
    told = act["statement"]
    file, name = told["file"], form.act_member(told["number"])
    return await _copy(
        writer, store, tenant_id, name, file["sha256"], file["size"], f"act {told['number']}"
    )


async def _copy(
    writer: PackWriter,
    store: BlobStore,
    tenant_id: UUID,
    name: str,
    sha256: str,
    size: int,
    what: str,
) -> dict[str, Any] | None:
    """Copy stored bytes into a member and return how it is listed; None where they are no longer kept."""
    try:
        pieces = await store.open(tenant_id, sha256)
    except NoSuchBlob:
        return None
    with writer.open(name) as member:
        async for piece in pieces:
            member.write(piece)
    if (member.sha256, member.size) != (sha256, size):
        raise EvidenceDamaged(
            f"The stored bytes of {what} are not those that were kept. Tell the operator: a backup "
            "still has them.",
            sha256=sha256,
        )
    return {"name": name, "sha256": member.sha256, "size": member.size}


async def _seal_all(database: Database, key: ReceiptKey, tenant_id: UUID, now: datetime) -> None:
    sealed = _SEALED_AT_ONCE
    while sealed == _SEALED_AT_ONCE:
        async with database.transaction(tenant_id) as session:
            sealed = await seal(session, tenant_id, now, limit=_SEALED_AT_ONCE)
            await signing_keys.publish(session, tenant_id, key, now)


# --- one snapshot -----------------------------------------------------------------------------------------


async def _collect(
    session: Session, key: ReceiptKey, actor: Actor, work_order_id: UUID
) -> _Contents:
    work_order = await find_work_order(session, actor, work_order_id)
    template = await load_template(session, work_order)
    if template is None:
        raise NothingToProve(
            f"{work_order.number} was never dispatched, so there is nothing to prove yet.",
            status=work_order.status,
        )
    tenant = await find_own_tenant(session, actor.tenant_id)
    closure = None
    if work_order.closure_id is not None:
        closure = await session.get(
            records.WorkOrderClosure, (actor.tenant_id, work_order.closure_id)
        )
    facts = await load_judged_facts(session, work_order, template, closure)
    version = await session.get(
        ChecklistVersion, (actor.tenant_id, work_order.checklist_version_id)
    )
    assert version is not None
    visits = await list_visits(session, work_order)
    photos = await lists.list_records(session, work_order, records.Photo)
    events, numbers = await _events(session, work_order)
    proofs = await daily_roots.prove(session, actor.tenant_id, key, numbers)
    chains, devices = await _device_chains(session, actor.tenant_id, visits)
    return _Contents(
        tenant={"id": str(tenant.id), "slug": tenant.slug, "name": tenant.name},
        work_order={"id": str(work_order.id), "number": work_order.number},
        numbers=numbers,
        acts=await _acts(session, actor, work_order),
        photos=[
            {
                "photo_id": str(photo.id),
                "sha256": photo.sha256.hex(),
                **chosen(photo, _PHOTO),
            }
            for photo in photos
        ],
        documents={
            form.JOB: await _job(session, work_order, visits),
            form.TEMPLATE: {
                "template_id": template.template_id,
                "version": template.version,
                "sha256": version.sha256,
                "rules_sha256": version.rules_sha256,
                "document": version.body,
            },
            form.FACTS: facts.to_json(),
            form.VERDICT: {
                "verdict": verdict(template, facts).to_json(),
                "closure": None if closure is None else row_of(closure),
            },
            form.RECORDS: {
                name: [row_of(one) for one in await lists.list_records(session, work_order, table)]
                for name, table in _RECORDS.items()
            }
            | await list_scope(session, actor, work_order),
            form.RECEIPTS: await _receipts(
                session, actor.tenant_id, [photo.id for photo in photos]
            ),
            form.EVENTS: events,
            form.PROOFS: {
                "roots": proofs.roots,
                "proofs": {str(number): proof for number, proof in proofs.by_number.items()},
            },
            form.DEVICE_CHAIN: chains,
            form.KEYS: {
                "server": await signing_keys.list_key_forms(session, actor.tenant_id, key),
                "devices": devices,
            },
        },
    )


_RECORDS: Mapping[str, type[SQLModel]] = {
    "answers": records.Answer,
    "signatures": records.Signature,
    "waivers": records.Waiver,
    "times": records.TimeEntry,
    "parts": records.PartUsed,
    "notes": records.Note,
}


_PHOTO = (
    "visit_id", "item", "slot", "size", "mime", "state", "captured_at", "verified_at",
    "retracted_at", "device_id", "flags",
)  # fmt: skip
_JOB = (
    "id", "number", "status", "title", "description", "request_class", "maintenance", "priority",
    "reported_at", "dispatched_at", "work_started_at", "work_done_at", "completed_at", "closed_at",
    "closed_by", "reopened_at", "rules_sha256", "facts_rev", "closure_id", "is_rework", "is_unproved",
)  # fmt: skip
_VISIT = (
    "id", "technician_id", "status", "planned_starts_at", "planned_ends_at", "dispatched_at",
    "travel_started_at", "arrived_at", "work_started_at", "finished_at", "ended_reason",
)  # fmt: skip


async def _job(session: Session, work_order: WorkOrder, visits: list[Visit]) -> dict[str, Any]:
    tenant = work_order.tenant_id
    customer = await session.get_one(Customer, (tenant, work_order.customer_id))
    site = await session.get_one(Site, (tenant, work_order.site_id))
    asset = await session.get(Asset, (tenant, work_order.asset_id)) if work_order.asset_id else None
    closer = (
        await session.get(User, (tenant, work_order.closed_by)) if work_order.closed_by else None
    )
    statement = select(Technician.id, Technician.name).where(
        Technician.tenant_id == tenant,
        col(Technician.id).in_({visit.technician_id for visit in visits}),
    )
    names = dict((await session.exec(statement)).all())
    return {
        **chosen(work_order, _JOB),
        "closed_by_name": closer.name if closer else None,
        "customer": chosen(customer, ("number", "name")),
        "site": chosen(site, ("number", "name")),
        "asset": chosen(asset, ("number", "name", "serial")) if asset else None,
        "visits": [
            {
                **chosen(visit, _VISIT),
                "technician": names[visit.technician_id],
                "nonce": None if visit.nonce is None else encoded(visit.nonce),
            }
            for visit in visits
        ],
    }


async def _receipts(
    session: Session, tenant_id: UUID, photo_ids: list[UUID]
) -> list[dict[str, Any]]:
    statement = (
        select(Receipt)
        .where(Receipt.tenant_id == tenant_id, col(Receipt.id).in_(photo_ids))
        .order_by(col(Receipt.id))
    )
    return [queries.signed_form(one).to_json() for one in await session.exec(statement)]


async def _acts(session: Session, actor: Actor, work_order: WorkOrder) -> list[dict[str, Any]]:
    """Return the acts issued about a job in order of issue, withdrawn and replaced ones among them."""
    issued = await documents.list_documents(
        session, actor, kind=None, subject_id=work_order.id, after=None, limit=_MOST_ACTS
    )
    return [
        {
            "state": str(one.state),
            "withdrawn": one.withdrawal.reason if one.withdrawal else None,
            "statement": one.document.statement,
        }
        for one in issued
        if one.document.kind in (DocumentKind.ACT, DocumentKind.TECHNICAL_ACT)
    ]


async def _events(
    session: Session, work_order: WorkOrder
) -> tuple[list[dict[str, Any]], list[int]]:
    """Return the job's sealed events in the order of their numbers, each with the hash before it."""
    belongs = await belonging_to(session, work_order)
    statement = (
        select(EventSeal.number, EventSeal.hash, Event)
        .join(
            Event,
            (col(Event.tenant_id) == EventSeal.tenant_id) & (col(Event.id) == EventSeal.event_id),
        )
        .where(belongs)
        .order_by(col(EventSeal.number))
    )
    found = (await session.exec(statement)).all()
    before = select(EventSeal.number, EventSeal.hash).where(
        EventSeal.tenant_id == work_order.tenant_id,
        col(EventSeal.number).in_([number - 1 for number, _, _ in found]),
    )
    previous = dict((await session.exec(before)).all())
    events = [
        {
            "number": number,
            "previous": previous.get(number - 1, GENESIS).hex(),
            "hash": digest.hex(),
            "event": canonical_form(event),
        }
        for number, digest, event in found
    ]
    return events, [number for number, _, _ in found]


async def _device_chains(
    session: Session, tenant_id: UUID, visits: list[Visit]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return what each phone sent about each visit, in its order, and the keys of those phones.

    Phones whose apps keep no chain are in the events alone.
    """
    chains = []
    for visit in visits:
        rows = await run(
            session,
            """
            select i.device_id, i.body from (
              select device_id, min(device_seq) as first, max(device_seq) as last from intent
              where tenant_id = :t and body #>> '{data,visit_id}' = :visit and body ? 'chain'
              group by device_id) c
            join intent i on i.tenant_id = :t and i.device_id = c.device_id
              and i.device_seq between c.first and c.last and i.body #>> '{data,visit_id}' = :visit
            order by i.device_id, i.device_seq, i.id
            """,
            t=tenant_id,
            visit=str(visit.id),
        )
        sent: dict[UUID, list[Any]] = {}
        for row in rows:
            sent.setdefault(row.device_id, []).append(row.body)
        chains += [
            {"visit_id": str(visit.id), "device_id": str(device_id), "records": bodies}
            for device_id, bodies in sent.items()
        ]
    wanted = {UUID(str(one["device_id"])) for one in chains}
    statement = (
        select(Device.id, Device.public_key)
        .where(Device.tenant_id == tenant_id, col(Device.id).in_(wanted))
        .order_by(col(Device.id))
    )
    devices = [
        {"device_id": str(device_id), "key": key}
        for device_id, key in await session.exec(statement)
    ]
    return chains, devices
