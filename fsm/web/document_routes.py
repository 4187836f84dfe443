"""The page behind the code on a printed document: is it one of ours, and does it still count."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from litestar import Controller, Response, get
from litestar.params import FromPath

from fsm import http
from fsm.http import DbSession
from fsm.problems import NotFound, RateLimited
from fsm.web.public_pages import (
    AnyRequest,
    address_of,
    answer_error,
    json_answer,
    page,
    page_answers,
    wants_json,
)
from fsm.web.views import DocumentView
from reports.documents.kinds import DocumentKind, DocumentState
from reports.documents.queries import read_standing_without_actor


class DocumentBody(msgspec.Struct, frozen=True):
    """What a document is worth today. `file_sha256` is of the file as it was issued."""

    company: str
    kind: DocumentKind
    number: str
    issued_at: datetime
    state: DocumentState
    file_sha256: str


class PublicDocumentController(Controller):
    path = "/d"
    tags = ["Documents"]
    exception_handlers = {Exception: answer_error}

    @get(
        "/{code:str}",
        opt=http.anyone(),
        media_type="text/html",
        responses=page_answers(RateLimited),
        summary="Is a printed document genuine and still valid: a page, or JSON",
    )
    async def show(
        self, request: AnyRequest, session: DbSession, code: FromPath[str]
    ) -> Response[Any]:
        request.app.state.published_limit.take(address_of(request))
        found = await read_standing_without_actor(session, code)
        if found is None:
            raise NotFound("There is no such document.")
        body = DocumentBody(
            found.company,
            found.kind,
            found.number,
            found.issued_at,
            found.state,
            found.file_sha256,
        )
        if wants_json(request):
            return json_answer(body, Vary="Accept")
        view = DocumentView(
            path=f"/d/{code}",
            service_name=found.company,
            kind=found.kind,
            number=found.number,
            issued_at=found.issued_at,
            zone=ZoneInfo(found.zone),
            state=found.state,
            file_sha256=found.file_sha256,
        )
        return page(request, "document", view)


ROUTES = [PublicDocumentController]
