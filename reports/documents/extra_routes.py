"""What the extras add to an issued document: the company's seal, and the invoice for machines."""

from datetime import date
from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, Response, get
from litestar.params import FromPath, QueryParameter

from fsm import http
from fsm.actors import Actor, Permission
from fsm.database import Session
from fsm.evidence.blobs import NoSuchBlob, StorageUnavailable, in_thread, read_all
from fsm.http import CurrentActor, DbSession, needs
from fsm.problems import NotFound
from reports.documents import queries
from reports.documents.einvoice import EinvoiceNotSetUp, Parties, embed, write_cii
from reports.documents.kinds import DocumentKind
from reports.documents.routes import PDF, pdf
from reports.documents.sealing import SealNotSetUp, seal
from reports.documents.snapshot import Snapshot, thaw
from reports.documents.tables import IssuedDocument

AnyRequest = Request[Any, Any, Any]
VatNumber = Annotated[str, QueryParameter(pattern=r"^[A-Z]{2}[A-Z0-9]{2,14}$")]
CountryCode = Annotated[str, QueryParameter(pattern=r"^[A-Z]{2}$")]
DueOn = Annotated[date | None, QueryParameter(description="By when it is to be paid.")]


class ExtraController(Controller):
    path = "/api/documents/{document_id:uuid}"
    tags = ["Documents"]

    @get(
        "/sealed",
        opt=needs(Permission.READ_WORK_ORDERS),
        media_type="application/pdf",
        responses={**PDF, **http.refusals(SealNotSetUp, NoSuchBlob, StorageUnavailable)},
        summary="The file with the company's seal appended (PAdES)",
    )
    async def sealed(
        self,
        request: AnyRequest,
        session: DbSession,
        actor: CurrentActor,
        document_id: FromPath[UUID],
    ) -> Response[bytes]:
        row = await queries.find_document(session, actor, document_id)
        content = await _file(request, actor, row)
        made = await in_thread(seal, content, request.app.state.settings.seal, row.number)
        return pdf(made, f"{row.number}-sealed")

    @get(
        "/einvoice.xml",
        opt=needs(Permission.READ_COSTS),
        media_type="application/xml",
        responses=http.refusals(EinvoiceNotSetUp),
        summary="Invoice data as EN 16931 (UN/CEFACT CII)",
    )
    async def cii(
        self,
        session: DbSession,
        actor: CurrentActor,
        document_id: FromPath[UUID],
        seller_vat: VatNumber,
        seller_country: CountryCode,
        buyer_country: CountryCode,
        due_on: DueOn = None,
    ) -> Response[bytes]:
        _, snapshot = await _invoice(session, actor, document_id)
        parties = Parties(seller_vat, seller_country, buyer_country, due_on)
        return Response(await in_thread(write_cii, snapshot, parties), media_type="application/xml")

    @get(
        "/einvoice.pdf",
        opt=needs(Permission.READ_COSTS),
        media_type="application/pdf",
        responses={**PDF, **http.refusals(EinvoiceNotSetUp, NoSuchBlob, StorageUnavailable)},
        summary="Invoice data as Factur-X: the page with EN 16931 inside",
    )
    async def facturx(
        self,
        request: AnyRequest,
        session: DbSession,
        actor: CurrentActor,
        document_id: FromPath[UUID],
        seller_vat: VatNumber,
        seller_country: CountryCode,
        buyer_country: CountryCode,
        due_on: DueOn = None,
    ) -> Response[bytes]:
        row, snapshot = await _invoice(session, actor, document_id)
        content = await _file(request, actor, row)
        parties = Parties(seller_vat, seller_country, buyer_country, due_on)
        cii = await in_thread(write_cii, snapshot, parties)
        return pdf(await in_thread(embed, content, cii), row.number)


async def _file(request: AnyRequest, actor: Actor, row: IssuedDocument) -> bytes:
    return await read_all(
        request.app.state.blobs, actor.tenant_id, row.file_sha256.hex(), row.file_size
    )


async def _invoice(
    session: Session, actor: Actor, document_id: UUID
) -> tuple[IssuedDocument, Snapshot]:
    row = await queries.find_document(session, actor, document_id)
    if DocumentKind(row.kind) is not DocumentKind.INVOICE:
        raise NotFound(f"{row.number} is no invoice data.")
    return row, thaw(row.snapshot)


ROUTES = [ExtraController]
