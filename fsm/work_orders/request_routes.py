"""Service requests for the office, for customers who sign in, and for other programs."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
import pydantic
from litestar import Controller, Request, Response, get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED

from fsm import http
from fsm.actors import Permission
from fsm.catalogue.tables import RequestClass
from fsm.evidence import queries as evidence
from fsm.evidence.blobs import BlobStore, NoSuchBlob, StorageUnavailable, in_thread, read_all
from fsm.evidence.streams import BlobStream
from fsm.evidence.thumbnails import CannotDecode, thumbnail
from fsm.evidence.verification import TooManyPixels
from fsm.http import (
    Body,
    Code,
    CurrentActor,
    DbSession,
    Email,
    Line,
    Now,
    Phone,
    Short,
    Text,
    needs,
)
from fsm.problems import Forbidden
from fsm.settings import Settings
from fsm.work_orders import request_decisions, requests
from fsm.work_orders.request_decisions import WrongRequestStatus
from fsm.work_orders.requests import Dossier
from fsm.work_orders.tables import (
    Impact,
    RequestAttachment,
    RequestSource,
    RequestStatus,
    ServiceRequest,
    WorkOrder,
)

AnyRequest = Request[Any, Any, Any]

Report = Annotated[Text, pydantic.Field(min_length=1)]
"""What the caller says, in their own words."""

#: More than any thumbnail takes.
_LARGEST_THUMBNAIL = 4_000_000


class NewRequest(Body):
    """What a caller reports. `impact` proposes the class; `request_class` settles it instead.

    With an `id` of its own a program may send the same request twice. `add_to_id` names an open request on
    the same asset that this one belongs to.
    """

    id: UUID | None = None
    text: Report
    impact: Impact | None = None
    request_class: RequestClass | None = None
    asset_id: UUID | None = None
    site_id: UUID | None = None
    customer_id: UUID | None = None
    contact_name: Short = ""
    contact_phone: Phone | None = None
    contact_email: Email | None = None
    language: http.Language = "en"
    add_to_id: UUID | None = None


class Acceptance(Body):
    """`work_type` is a code. A place is needed only where the request names none."""

    work_type: Code
    title: Line | None = None
    priority: Annotated[int, pydantic.Field(ge=1, le=5)] | None = None
    request_class: RequestClass | None = None
    asset_id: UUID | None = None
    site_id: UUID | None = None


class Reclassing(Body):
    """`reason` is the code of a reason of the kind `reclass`."""

    request_class: RequestClass
    reason: Code


class Declining(Body):
    reason: Line


class Merging(Body):
    into_id: UUID


class RequestView(msgspec.Struct, frozen=True):
    """A service request; `status_link_expires_at` is when its caller's link ends at the latest."""

    id: UUID
    rev: int
    number: str
    status: RequestStatus
    request_class: RequestClass
    impact: Impact | None
    source: RequestSource
    text: str
    asset_id: UUID | None
    site_id: UUID | None
    customer_id: UUID | None
    contact_name: str
    contact_phone: str
    contact_email: str
    language: str
    reported_at: datetime
    acknowledged_at: datetime | None
    decline_reason: str
    merged_into_id: UUID | None
    status_link_expires_at: datetime | None

    @classmethod
    def of(cls, row: ServiceRequest) -> "RequestView":
        return cls(
            row.id,
            row.rev,
            row.number,
            RequestStatus(row.status),
            RequestClass(row.request_class),
            None if row.impact is None else Impact(row.impact),
            RequestSource(row.source),
            row.text,
            row.asset_id,
            row.site_id,
            row.customer_id,
            row.contact_name,
            row.contact_phone,
            row.contact_email,
            row.language,
            row.reported_at,
            row.acknowledged_at,
            row.decline_reason,
            row.merged_into_id,
            row.status_link_expires_at,
        )


class RequestPage(msgspec.Struct, frozen=True):
    items: list[RequestView]
    next: str | None


class StatusLinkView(msgspec.Struct, frozen=True):
    """`path` is at this server; `url` is the address that callers are given."""

    path: str
    url: str


class NewRequestView(msgspec.Struct, frozen=True):
    """The request, and the address under which its caller follows it without signing in."""

    request: RequestView
    status_url: str


class AttachmentView(msgspec.Struct, frozen=True):
    """A photo: `request_id` is the request it came with, which may have been added to this one."""

    id: UUID
    request_id: UUID
    sha256: str
    mime: str
    size: int
    added_at: datetime
    url: str
    thumbnail_url: str

    @classmethod
    def of(cls, row: RequestAttachment, shown_at: UUID) -> "AttachmentView":
        url = f"/api/service-requests/{shown_at}/attachments/{row.id}"
        return cls(
            row.id,
            row.request_id,
            row.sha256.hex(),
            row.mime,
            row.size,
            row.added_at,
            url,
            f"{url}/thumbnail",
        )


class DossierView(msgspec.Struct, frozen=True):
    """A request with everything that was added to it, and the jobs it led to.

    `usual_work_type` is the code of what repairs of its machine, else of its model, mostly were.
    """

    request: RequestView
    additions: list[RequestView]
    attachments: list[AttachmentView]
    work_order_ids: list[UUID]
    usual_work_type: str | None

    @classmethod
    def of(cls, dossier: Dossier) -> "DossierView":
        return cls(
            RequestView.of(dossier.request),
            [RequestView.of(row) for row in dossier.additions],
            [AttachmentView.of(row, dossier.request.id) for row in dossier.attachments],
            list(dossier.work_order_ids),
            dossier.usual_work_type,
        )


class AcceptanceView(msgspec.Struct, frozen=True):
    """The job that a request became, with the promise that applies to it."""

    work_order_id: UUID
    number: str
    request_class: RequestClass
    contract_id: UUID | None
    respond_by: datetime | None
    restore_by: datetime | None

    @classmethod
    def of(cls, work_order: WorkOrder) -> "AcceptanceView":
        return cls(
            work_order.id,
            work_order.number,
            RequestClass(work_order.request_class),
            work_order.contract_id,
            work_order.respond_by,
            work_order.restore_by,
        )


WithStatus = Annotated[
    RequestStatus | None, QueryParameter(description="Only requests in this state.")
]
OfClass = Annotated[
    RequestClass | None, QueryParameter(description="Only incidents, or only service requests.")
]
OnAsset = Annotated[UUID | None, QueryParameter(description="Only requests about this asset.")]


def _file_name(attachment: RequestAttachment) -> str:
    kind = attachment.mime.rpartition("/")[2].replace("jpeg", "jpg")
    return f"{attachment.id}.{kind}"


class RequestController(Controller):
    path = "/api/service-requests"
    tags = ["Service requests"]

    @get("/", opt=needs(Permission.READ_REQUESTS), summary="List service requests")
    async def list(
        self,
        session: DbSession,
        actor: CurrentActor,
        page: http.Page,
        status: WithStatus = None,
        request_class: OfClass = None,
        asset_id: OnAsset = None,
        q: http.Search = None,
    ) -> RequestPage:
        rows = await requests.list_requests(
            session,
            actor,
            after=page.after_id,
            limit=page.limit,
            status=status,
            request_class=request_class,
            asset_id=asset_id,
            q=q,
        )
        return RequestPage([RequestView.of(row) for row in rows], page.next(rows))

    @post(
        "/",
        opt=needs(Permission.EDIT_REQUESTS),
        status_code=HTTP_201_CREATED,
        summary="Report a problem or a wish",
    )
    async def report(
        self,
        request: AnyRequest,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        data: JSONBody[NewRequest],
    ) -> NewRequestView:
        settings: Settings = request.app.state.settings
        is_customer = actor.customer_id is not None
        reported = await requests.report(
            session,
            actor,
            now,
            link_key=settings.derived_key("status-link"),
            source=RequestSource.API if is_customer else RequestSource.OFFICE,
            text=data.text,
            impact=data.impact,
            request_class=data.request_class,
            asset_id=data.asset_id,
            site_id=data.site_id,
            customer_id=data.customer_id,
            contact_name=data.contact_name,
            contact_phone=data.contact_phone or "",
            contact_email=data.contact_email or "",
            language=data.language,
            request_id=data.id,
            add_to_id=data.add_to_id,
        )
        return NewRequestView(
            RequestView.of(reported.request), f"{settings.public_url}/s/{reported.status_token}"
        )

    @get(
        "/{request_id:uuid}",
        opt=needs(Permission.READ_REQUESTS),
        summary="Read a request with its photos and what was added to it",
    )
    async def read(
        self, session: DbSession, actor: CurrentActor, request_id: FromPath[UUID]
    ) -> DossierView:
        return DossierView.of(await requests.read_dossier(session, actor, request_id))

    @get(
        "/{request_id:uuid}/status-link",
        opt=needs(Permission.EDIT_REQUESTS),
        summary="Where the caller follows the request, to be told to them again",
    )
    async def status_link(
        self,
        request: AnyRequest,
        session: DbSession,
        actor: CurrentActor,
        request_id: FromPath[UUID],
    ) -> StatusLinkView:
        """Whoever has the link speaks in its caller's name: colleagues of theirs are not given it."""
        if actor.customer_id is not None:
            raise Forbidden(
                "A status link is its caller's; only the service company tells it again."
            )
        settings: Settings = request.app.state.settings
        row = await requests.find_request(session, actor, request_id)
        key = settings.derived_key("status-link")
        token = requests.status_token(key, actor.tenant_id, row.id)
        return StatusLinkView(f"/s/{token}", f"{settings.public_url}/s/{token}")

    @get(
        "/{request_id:uuid}/attachments/{attachment_id:uuid}",
        opt=needs(Permission.READ_REQUESTS),
        media_type="application/octet-stream",
        responses=http.refusals(NoSuchBlob, StorageUnavailable),
        summary="A photo as its sender sent it",
    )
    async def attachment(
        self,
        request: AnyRequest,
        session: DbSession,
        actor: CurrentActor,
        request_id: FromPath[UUID],
        attachment_id: FromPath[UUID],
    ) -> BlobStream:
        row = await requests.find_attachment(session, actor, request_id, attachment_id)
        store: BlobStore = request.app.state.blobs
        pieces: AsyncIterator[bytes] = await store.open(row.tenant_id, row.sha256.hex())
        return BlobStream(
            pieces,
            mime=row.mime,
            headers={
                "Content-Length": str(row.size),
                "Content-Disposition": f'inline; filename="{_file_name(row)}"',
            },
        )

    @get(
        "/{request_id:uuid}/attachments/{attachment_id:uuid}/thumbnail",
        opt=needs(Permission.READ_REQUESTS),
        media_type="image/jpeg",
        responses=http.refusals(NoSuchBlob, StorageUnavailable, CannotDecode, TooManyPixels),
        summary="A photo in small",
    )
    async def attachment_thumbnail(
        self,
        request: AnyRequest,
        session: DbSession,
        actor: CurrentActor,
        request_id: FromPath[UUID],
        attachment_id: FromPath[UUID],
    ) -> Response[bytes]:
        row = await requests.find_attachment(session, actor, request_id, attachment_id)
        blob = await evidence.find_blob(session, actor, row.sha256)
        store: BlobStore = request.app.state.blobs
        if blob.thumbnail_sha256 is not None:
            kept = blob.thumbnail_sha256.hex()
            jpeg = await read_all(store, row.tenant_id, kept, _LARGEST_THUMBNAIL)
        else:
            content = await read_all(store, row.tenant_id, row.sha256.hex(), row.size)
            jpeg = (await in_thread(thumbnail, content)).jpeg
        return Response(jpeg, media_type="image/jpeg")

    @post(
        "/{request_id:uuid}/acceptance",
        opt=needs(Permission.EDIT_WORK_ORDERS),
        status_code=HTTP_201_CREATED,
        responses=http.refusals(WrongRequestStatus),
        summary="Make a work order of a request",
    )
    async def accept(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        request_id: FromPath[UUID],
        data: JSONBody[Acceptance],
    ) -> AcceptanceView:
        work_order = await request_decisions.accept(
            session,
            actor,
            now,
            request_id,
            work_type=data.work_type,
            title=data.title,
            priority=data.priority,
            request_class=data.request_class,
            asset_id=data.asset_id,
            site_id=data.site_id,
        )
        return AcceptanceView.of(work_order)

    @post(
        "/{request_id:uuid}/reclassing",
        opt=needs(Permission.EDIT_WORK_ORDERS),
        status_code=HTTP_200_OK,
        responses=http.refusals(WrongRequestStatus),
        summary="Change incident to service request, or back",
    )
    async def reclass(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        request_id: FromPath[UUID],
        data: JSONBody[Reclassing],
    ) -> RequestView:
        row = await request_decisions.reclass(
            session,
            actor,
            now,
            request_id,
            request_class=data.request_class,
            reason=data.reason,
        )
        return RequestView.of(row)

    @post(
        "/{request_id:uuid}/declining",
        opt=needs(Permission.EDIT_WORK_ORDERS),
        status_code=HTTP_200_OK,
        responses=http.refusals(WrongRequestStatus),
        summary="Close a request without a job",
    )
    async def decline(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        request_id: FromPath[UUID],
        data: JSONBody[Declining],
    ) -> RequestView:
        row = await request_decisions.decline(session, actor, now, request_id, reason=data.reason)
        return RequestView.of(row)

    @post(
        "/{request_id:uuid}/merging",
        opt=needs(Permission.EDIT_WORK_ORDERS),
        status_code=HTTP_200_OK,
        responses=http.refusals(WrongRequestStatus),
        summary="Add a request to another one",
    )
    async def merge(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        request_id: FromPath[UUID],
        data: JSONBody[Merging],
    ) -> RequestView:
        row = await request_decisions.merge(session, actor, now, request_id, into_id=data.into_id)
        return RequestView.of(row)


ROUTES = [RequestController]
