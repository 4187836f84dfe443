"""Issuing a document: freeze, number, draw, store, sign — in one transaction, or not at all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col
from uuid_utils.compat import uuid7

from fsm import events
from fsm.actors import Actor
from fsm.database import Session, run
from fsm.evidence import queries as evidence
from fsm.evidence import signing_keys, statements
from fsm.evidence.blobs import BlobStore, NoSuchBlob, in_thread, read_all
from fsm.evidence.receipts import ReceiptKey
from fsm.evidence.thumbnails import MAX_BYTES, CannotDecode, thumbnail
from fsm.evidence.verification import PHOTO_TYPES, TooManyPixels
from fsm.tenants import directory
from fsm.tenants.queries import find_own_tenant
from fsm.tenants.tables import DirectoryKind
from fsm.work_orders.photo_marks import Mark
from fsm.work_orders.tables import Counter
from reports.documents.composing import template_of, typeset
from reports.documents.contents.collected import Collected
from reports.documents.drawers import Drawers
from reports.documents.drawing import Attachment, renderer, standard_of
from reports.documents.kinds import DocumentKind, number_of
from reports.documents.marking import marked
from reports.documents.queries import find_document
from reports.documents.snapshot import TYPE, Snapshot, code_of, freeze, instant, thaw
from reports.documents.statement import STATEMENT
from reports.documents.tables import DocumentImage, IssuedDocument

IMAGE_SIZE = 900
"""Longest side of a picture in a document, pixels: 150 and more per inch at the size it is shown."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What issuing needs besides the database. `public_url`: where the printed address leads."""

    store: BlobStore
    drawers: Drawers
    key: ReceiptKey
    public_url: str


@dataclass(frozen=True, slots=True)
class Wish:
    """How a document is wanted. `has_attachment`: its snapshot lies inside it, readable by programs."""

    language: str
    replaces_id: UUID | None = None
    has_attachment: bool = False


async def preview(
    session: Session,
    tools: Tools,
    actor: Actor,
    now: datetime,
    kind: DocumentKind,
    collected: Collected,
    wish: Wish,
) -> bytes:
    """Return what a document would look like; nothing is numbered, stored or signed."""
    images = await _images(tools, actor, collected)
    snapshot = await _freeze(session, tools, actor, now, kind, collected, wish, UUID(int=0), 0)
    page = typeset(snapshot, is_preview=True)
    return await tools.drawers.draw(page.page, {name: images[name] for name in page.images})


async def issue(
    session: Session,
    tools: Tools,
    actor: Actor,
    now: datetime,
    kind: DocumentKind,
    collected: Collected,
    wish: Wish,
) -> IssuedDocument:
    """Issue a document and return its row.

    The number is taken last before drawing: whoever issues the same kind meanwhile waits for this one, and a
    number that did not come to a document does not exist.
    """
    replaced = None
    if wish.replaces_id is not None:
        replaced = await find_document(session, actor, wish.replaces_id)
    images = await _images(tools, actor, collected)
    document_id = uuid7()
    serial = await _next_serial(session, actor, kind)
    snapshot = await _freeze(
        session, tools, actor, now, kind, collected, wish, document_id, serial, replaced
    )
    page = typeset(snapshot)
    attachment = None
    if wish.has_attachment:
        attachment = Attachment("snapshot.json", snapshot.frozen.decode(), "application/json")
    shown = {name: images[name] for name in page.images}
    pdf = await tools.drawers.draw(page.page, shown, attachment)
    for content in shown.values():
        await _keep(session, tools, actor, now, content, "image/jpeg")
    await _keep(session, tools, actor, now, pdf, "application/pdf")
    number = snapshot.data["number"]
    statement = statements.sign(
        tools.key,
        type=STATEMENT,
        tenant={"id": str(actor.tenant_id), "name": snapshot.data["company"]["name"]},
        document_id=str(document_id),
        kind=str(kind),
        number=number,
        issued_at=snapshot.data["issued_at"],
        replaces=snapshot.data["replaces"],
        snapshot_sha256=snapshot.sha256,
        file={"sha256": sha256(pdf).hexdigest(), "size": len(pdf)},
        template=snapshot.data["template"],
        renderer=renderer(),
        public_key=tools.key.to_json()["key"],
    )
    await signing_keys.publish(session, actor.tenant_id, tools.key, now)
    row = IssuedDocument(
        tenant_id=actor.tenant_id,
        id=document_id,
        kind=kind,
        serial=serial,
        number=number,
        language=wish.language,
        template=snapshot.data["template"],
        renderer=renderer(),
        standard=standard_of(attachment),
        snapshot=snapshot.frozen,
        snapshot_sha256=bytes.fromhex(snapshot.sha256),
        file_sha256=sha256(pdf).digest(),
        file_size=len(pdf),
        statement=statement,
        missing_glyphs=page.missing_glyphs,
        subject_kind=collected.subject_kind,
        subject_id=collected.subject_id,
        customer_id=collected.customer_id,
        replaces_id=wish.replaces_id,
        issued_at=now,
        issued_by=actor.name,
        user_id=actor.user_id,
    )
    session.add(row)
    await session.flush()
    session.add_all(
        DocumentImage(
            tenant_id=actor.tenant_id, document_id=document_id, sha256=bytes.fromhex(name)
        )
        for name in shown
    )
    code = code_of(document_id, snapshot.sha256)
    await directory.enlist(session, actor.tenant_id, DirectoryKind.DOCUMENT, [code])
    await events.record(
        session,
        actor,
        "document.issued",
        "issued_document",
        document_id,
        now=now,
        paper=str(kind),
        number=number,
        snapshot_sha256=snapshot.sha256,
        file_sha256=sha256(pdf).hexdigest(),
        subject_kind=collected.subject_kind,
        subject_id=str(collected.subject_id) if collected.subject_id else None,
        replaces_id=str(wish.replaces_id) if wish.replaces_id else None,
    )
    return row


async def draw_again(session: Session, tools: Tools, actor: Actor, row: IssuedDocument) -> bytes:
    """Return the file drawn anew from its snapshot: the same bytes for the same template and renderer."""
    snapshot = thaw(row.snapshot)
    page = typeset(snapshot)
    images = {
        name: await read_all(tools.store, actor.tenant_id, name, MAX_BYTES) for name in page.images
    }
    attachment = None
    if row.standard != standard_of(None):
        attachment = Attachment("snapshot.json", snapshot.frozen.decode(), "application/json")
    return await tools.drawers.draw(page.page, images, attachment)


async def _freeze(
    session: Session,
    tools: Tools,
    actor: Actor,
    now: datetime,
    kind: DocumentKind,
    collected: Collected,
    wish: Wish,
    document_id: UUID,
    serial: int,
    replaced: IssuedDocument | None = None,
) -> Snapshot:
    tenant = await find_own_tenant(session, actor.tenant_id)
    data: Mapping[str, Any] = {
        "type": TYPE,
        "id": document_id,
        "kind": kind,
        "number": number_of(kind, serial),
        "language": wish.language,
        "zone": collected.zone,
        "issued_at": instant(now),
        "issued_by": actor.name,
        "company": {"id": tenant.id, "name": tenant.name},
        "replaces": None if replaced is None else {"id": replaced.id, "number": replaced.number},
        "template": template_of(kind),
        "verify_url": f"{tools.public_url}/d",
        "content": collected.content,
    }
    return freeze(data)


async def _next_serial(session: Session, actor: Actor, kind: DocumentKind) -> int:
    """Return the next number of a kind, held until the commit: never given twice, and none is skipped."""
    statement = (
        insert(Counter)
        .values(tenant_id=actor.tenant_id, name=kind, value=1)
        .on_conflict_do_update(
            index_elements=["tenant_id", "name"], set_={"value": col(Counter.value) + 1}
        )
        .returning(col(Counter.value))
    )
    return int((await session.exec(statement)).scalar_one())


async def _images(tools: Tools, actor: Actor, collected: Collected) -> dict[str, bytes]:
    """Return the pictures as small JPEG files without metadata, and name each in the content.

    A picture that cannot be opened here stays without one: the document names it by its hash.
    """
    made: dict[str, bytes] = {}
    for photo in collected.photos:
        if photo["mime"] not in PHOTO_TYPES or photo["size"] > MAX_BYTES:
            continue
        try:
            content = await read_all(tools.store, actor.tenant_id, photo["sha256"], photo["size"])
            small = await in_thread(_shrink, content, photo.get("marks", ()))
        except (CannotDecode, TooManyPixels, NoSuchBlob):
            continue
        name = sha256(small).hexdigest()
        photo["image"] = name
        made[name] = small
    return made


def _shrink(content: bytes, marks: Sequence[Mapping[str, Any]]) -> bytes:
    small = thumbnail(content, longest=IMAGE_SIZE).jpeg
    return marked(small, [Mark.read(mark) for mark in marks]) if marks else small


async def _keep(
    session: Session,
    tools: Tools,
    actor: Actor,
    now: datetime,
    content: bytes,
    mime: str,
) -> None:
    """Store bytes of our own making with a row that holds them: nobody's upload, and no work follows."""
    digest = sha256(content).digest()
    await evidence.hold_digest(session, actor, digest)
    stored = await tools.store.put_small(actor.tenant_id, content)
    await run(
        session,
        "insert into blob (tenant_id, sha256, size, mime, stored_at, info) "
        "values (:t, :s, :n, :mime, :at, '{\"made_here\": true}') on conflict do nothing",
        t=actor.tenant_id,
        s=digest,
        n=stored.size,
        mime=mime,
        at=now,
    )
