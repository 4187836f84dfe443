"""What people scanned, found; and what strangers said of labels that are wrong."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK

from fsm import http
from fsm.actors import Permission
from fsm.assets import label_complaints, scan_search
from fsm.assets.scan_search import Found, Match
from fsm.assets.tables import LabelComplaint, LabelReason
from fsm.http import Body, CurrentActor, DbSession, Line, Now, needs

AnyRequest = Request[Any, Any, Any]


class Settlement(Body):
    settlement: Line


class MatchView(msgspec.Struct, frozen=True):
    """An asset that the scan may mean, and the reading that found it."""

    asset_id: UUID
    number: str
    name: str
    serial: str | None
    scheme: str
    value: str
    passport_status: str | None

    @classmethod
    def of(cls, match: Match) -> "MatchView":
        asset = match.asset
        return cls(
            asset.id,
            asset.number,
            asset.name,
            asset.serial,
            match.scheme,
            match.value,
            match.passport_status,
        )


class ScanView(msgspec.Struct, frozen=True):
    """What a scan may mean; `unclaimed` codes wait for an asset."""

    matches: list[MatchView]
    unclaimed: list[str]

    @classmethod
    def of(cls, found: Found) -> "ScanView":
        return cls([MatchView.of(match) for match in found.matches], found.unclaimed)


class ComplaintView(msgspec.Struct, frozen=True):
    id: UUID
    code: str
    asset_id: UUID | None
    reason: LabelReason
    text: str
    contact_phone: str
    received_at: datetime
    settled_at: datetime | None
    settled_by: UUID | None
    settlement: str

    @classmethod
    def of(cls, row: LabelComplaint) -> "ComplaintView":
        return cls(
            row.id,
            row.code,
            row.asset_id,
            LabelReason(row.reason),
            row.text,
            row.contact_phone,
            row.received_at,
            row.settled_at,
            row.settled_by,
            row.settlement,
        )


class ComplaintPage(msgspec.Struct, frozen=True):
    items: list[ComplaintView]
    next: str | None


class ScanController(Controller):
    path = "/api/scan"
    tags = ["Passports"]

    @get("/", opt=needs(Permission.READ_ASSETS), summary="Find what a scanned text means")
    async def scan(
        self,
        session: DbSession,
        actor: CurrentActor,
        text: Annotated[
            str,
            QueryParameter(
                min_length=1,
                max_length=2_000,
                description="As scanned or typed: a URL, a GS1 element string, a code, a serial, an NFC UID.",
            ),
        ],
    ) -> ScanView:
        return ScanView.of(await scan_search.find_scanned(session, actor, text))


class ComplaintController(Controller):
    path = "/api/label-complaints"
    tags = ["Passports"]

    @get("/", opt=needs(Permission.EDIT_ASSETS), summary="List what people say of labels")
    async def list(
        self,
        session: DbSession,
        actor: CurrentActor,
        page: http.Page,
        is_settled: Annotated[
            bool | None, QueryParameter(description="Only those settled, or only those open.")
        ] = None,
    ) -> ComplaintPage:
        rows = await label_complaints.list_complaints(
            session, actor, is_settled=is_settled, after=page.after_id, limit=page.limit
        )
        return ComplaintPage([ComplaintView.of(row) for row in rows], page.next(rows))

    @post(
        "/{complaint_id:uuid}/settlement",
        opt=needs(Permission.EDIT_ASSETS),
        status_code=HTTP_200_OK,
        summary="Say what was done about a label",
    )
    async def settle(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        complaint_id: FromPath[UUID],
        data: JSONBody[Settlement],
    ) -> ComplaintView:
        row = await label_complaints.settle(
            session, actor, now, complaint_id, settlement=data.settlement
        )
        return ComplaintView.of(row)


ROUTES = [ScanController, ComplaintController]
