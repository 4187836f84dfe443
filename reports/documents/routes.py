"""Documents over HTTP: what was issued, its file and proof; previews, issue and withdrawal."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, Response, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody, QueryParameter

from fsm import http
from fsm.actors import Permission
from fsm.evidence.blobs import NoSuchBlob, StorageFull, StorageUnavailable, read_all
from fsm.evidence.receipts import ReceiptKey
from fsm.http import Body, CurrentActor, DbSession, Line, Now, needs
from fsm.languages import FIRST, Language
from reports.documents import issuing, queries
from reports.documents.contents.collected import Collected
from reports.documents.contents.jobs import WorkNotDone, collect_job
from reports.documents.drawers import DRAWERS, DrawingFailed
from reports.documents.kinds import DocumentKind
from reports.documents.views import DocumentPage, DocumentView

AnyRequest = Request[Any, Any, Any]

_READ = needs(Permission.READ_WORK_ORDERS)
PDF: dict[int, ResponseSpec] = {
    200: ResponseSpec(
        data_container=bytes,
        description="The document.",
        media_type="application/pdf",
        generate_examples=False,
    ),
}
DRAWING_REFUSALS = http.refusals(DrawingFailed, StorageFull, StorageUnavailable)


class Wanted(Body):
    """`replaces_id`: the document that this one corrects. `has_attachment`: PDF/A-3 with its data inside."""

    language: Language = FIRST
    replaces_id: UUID | None = None
    has_attachment: bool = False

    def wish(self) -> issuing.Wish:
        return issuing.Wish(self.language, self.replaces_id, self.has_attachment)


class WantedAct(Wanted):
    work_order_id: UUID


class Withdrawal(Body):
    reason: Line


def tools_of(request: AnyRequest) -> issuing.Tools:
    state = request.app.state
    key = ReceiptKey.from_seed(state.settings.receipt_key_seed)
    return issuing.Tools(state.blobs, DRAWERS, key, state.settings.public_url)


def pdf(content: bytes, name: str) -> Response[bytes]:
    return Response(
        content,
        media_type="application/pdf",
        headers={"Content-Disposition": f'inline; filename="{name}.pdf"'},
    )


class DocumentController(Controller):
    path = "/api/documents"
    tags = ["Documents"]

    @get("/", opt=_READ, summary="What was issued, withdrawn and replaced documents among it")
    async def browse(
        self,
        session: DbSession,
        actor: CurrentActor,
        page: http.Page,
        kind: Annotated[DocumentKind | None, QueryParameter()] = None,
        subject_id: Annotated[
            UUID | None, QueryParameter(description="The job, contract … that it is about.")
        ] = None,
    ) -> DocumentPage:
        found = await queries.list_documents(
            session,
            actor,
            kind=kind,
            subject_id=subject_id,
            after=page.after_id,
            limit=page.limit,
        )
        return DocumentPage(
            [DocumentView.of(one) for one in found], page.next([row.document for row in found])
        )

    @get("/{document_id:uuid}", opt=_READ, summary="One document")
    async def read(
        self, session: DbSession, actor: CurrentActor, document_id: FromPath[UUID]
    ) -> DocumentView:
        return DocumentView.of(await queries.find_standing(session, actor, document_id))

    @get(
        "/{document_id:uuid}/file",
        opt=_READ,
        media_type="application/pdf",
        responses={**PDF, **http.refusals(NoSuchBlob, StorageUnavailable)},
        summary="The file, byte for byte as it was issued",
    )
    async def file(
        self,
        request: AnyRequest,
        session: DbSession,
        actor: CurrentActor,
        document_id: FromPath[UUID],
    ) -> Response[bytes]:
        row = await queries.find_document(session, actor, document_id)
        content = await read_all(
            request.app.state.blobs, actor.tenant_id, row.file_sha256.hex(), row.file_size
        )
        return pdf(content, row.number)

    @get(
        "/{document_id:uuid}/snapshot",
        opt=_READ,
        media_type="application/json",
        responses={
            200: ResponseSpec(
                data_container=dict[str, Any],
                description="RFC 8785 JSON.",
                media_type="application/json",
                generate_examples=False,
            )
        },
        summary="What the document was made of, in the bytes that its hash is of",
    )
    async def snapshot(
        self, session: DbSession, actor: CurrentActor, document_id: FromPath[UUID]
    ) -> Response[bytes]:
        row = await queries.find_document(session, actor, document_id)
        return Response(row.snapshot, media_type="application/json")

    @get(
        "/{document_id:uuid}/statement",
        opt=_READ,
        summary="The server's signature on the document: `fsm evidence verify FILE --statement …`",
    )
    async def statement(
        self, session: DbSession, actor: CurrentActor, document_id: FromPath[UUID]
    ) -> dict[str, Any]:
        return (await queries.find_document(session, actor, document_id)).statement

    @post(
        "/{document_id:uuid}/withdrawal",
        opt=needs(Permission.CLOSE_WORK_ORDER),
        summary="Say that a document no longer counts; its number stays",
    )
    async def withdraw(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        document_id: FromPath[UUID],
        data: JSONBody[Withdrawal],
    ) -> DocumentView:
        return DocumentView.of(
            await queries.withdraw(session, actor, now, document_id, data.reason)
        )


async def issued(
    request: AnyRequest,
    session: DbSession,
    actor: CurrentActor,
    now: Now,
    kind: DocumentKind,
    collected: Collected,
    wanted: Wanted,
) -> DocumentView:
    row = await issuing.issue(
        session, tools_of(request), actor, now, kind, collected, wanted.wish()
    )
    return DocumentView.of(queries.Standing(row, None, None, None))


async def previewed(
    request: AnyRequest,
    session: DbSession,
    actor: CurrentActor,
    now: Now,
    kind: DocumentKind,
    collected: Collected,
    wanted: Wanted,
) -> Response[bytes]:
    content = await issuing.preview(
        session, tools_of(request), actor, now, kind, collected, wanted.wish()
    )
    return pdf(content, "preview")


class ActController(Controller):
    """Acts about a job: of completed work once it is done, technical ones at any time."""

    path = "/api/documents"
    tags = ["Documents"]

    @post(
        "/acts",
        opt=needs(Permission.CLOSE_WORK_ORDER),
        responses={**DRAWING_REFUSALS, **http.refusals(WorkNotDone)},
        summary="Issue an act of completed work",
    )
    async def act(
        self,
        request: AnyRequest,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        data: JSONBody[WantedAct],
    ) -> DocumentView:
        collected = await _job(session, actor, data, must_be_done=True)
        return await issued(request, session, actor, now, DocumentKind.ACT, collected, data)

    @post(
        "/acts/preview",
        opt=_READ,
        status_code=200,
        media_type="application/pdf",
        responses={**PDF, **DRAWING_REFUSALS, **http.refusals(WorkNotDone)},
        summary="See an act of completed work before it is issued",
    )
    async def act_preview(
        self,
        request: AnyRequest,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        data: JSONBody[WantedAct],
    ) -> Response[bytes]:
        collected = await _job(session, actor, data, must_be_done=True)
        return await previewed(request, session, actor, now, DocumentKind.ACT, collected, data)

    @post(
        "/technical-acts",
        opt=needs(Permission.CLOSE_WORK_ORDER),
        responses=DRAWING_REFUSALS,
        summary="Issue a technical act",
    )
    async def technical(
        self,
        request: AnyRequest,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        data: JSONBody[WantedAct],
    ) -> DocumentView:
        kind = DocumentKind.TECHNICAL_ACT
        collected = await _job(session, actor, data, must_be_done=False)
        return await issued(request, session, actor, now, kind, collected, data)

    @post(
        "/technical-acts/preview",
        opt=_READ,
        status_code=200,
        media_type="application/pdf",
        responses={**PDF, **DRAWING_REFUSALS},
        summary="See a technical act before it is issued",
    )
    async def technical_preview(
        self,
        request: AnyRequest,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        data: JSONBody[WantedAct],
    ) -> Response[bytes]:
        kind = DocumentKind.TECHNICAL_ACT
        collected = await _job(session, actor, data, must_be_done=False)
        return await previewed(request, session, actor, now, kind, collected, data)


async def _job(
    session: DbSession, actor: CurrentActor, data: WantedAct, *, must_be_done: bool
) -> Collected:
    return await collect_job(
        session, actor, data.work_order_id, data.language, must_be_done=must_be_done
    )


ROUTES = [DocumentController, ActController]
