"""The status link: how far a report has come, for whoever holds its unguessable address."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from litestar import Controller, Response, get
from litestar.params import FromPath

from fsm import http
from fsm.assets.passport_code import BadPassportCode, normalise_code
from fsm.database import Session
from fsm.evidence.blobs import BlobStore, NoSuchBlob, StorageUnavailable, read_all
from fsm.http import Now
from fsm.problems import NotFound
from fsm.web.public_pages import (
    AnyRequest,
    answer_error,
    json_answer,
    language_of,
    megabytes,
    page,
    page_answers,
    wants_json,
)
from fsm.web.status_link import Link, LinkExpired, find_rateable, opened_link
from fsm.web.status_page import (
    list_lines,
    list_papers,
    list_prices,
    status_page,
    technician_of,
)
from fsm.web.views import FormProblem, StepName, ThanksKind, ThanksView
from fsm.work_orders.ratings.queries import Given
from fsm.work_orders.ratings.rules import changeable_until
from fsm.work_orders.request_story import Story
from fsm.work_orders.scope_changes.rules import OfferState
from fsm.work_orders.threads.tables import Author
from reports.documents import queries as documents
from reports.documents.kinds import DocumentKind
from reports.documents.routes import PDF, pdf
from scheduler.moving import find_asked, movable


class StepBody(msgspec.Struct, frozen=True):
    name: StepName
    reached_at: datetime | None
    is_reached: bool


class WindowBody(msgspec.Struct, frozen=True):
    starts_at: datetime
    ends_at: datetime


class RatingBody(msgspec.Struct, frozen=True):
    """What the holder of the link last said of the last visit."""

    stars: int
    nps: int | None
    comment: str
    given_at: datetime
    changeable_until: datetime

    @classmethod
    def of(cls, given: Given) -> "RatingBody":
        said = given.rating
        until = changeable_until(given.first_at)
        return cls(said.stars, said.nps, said.comment, said.given_at, until)


class AskedBody(msgspec.Struct, frozen=True):
    """A move that was asked for; without a window none of the offered ones suited."""

    window: WindowBody | None


class PriceBody(msgspec.Struct, frozen=True):
    """What a job that becomes wider would cost you; `url` is where it is approved or refused."""

    state: OfferState
    price: Decimal
    currency: str
    url: str


class PaperBody(msgspec.Struct, frozen=True):
    kind: DocumentKind
    number: str
    url: str


class MessageBody(msgspec.Struct, frozen=True):
    """`is_own`: written through this very link."""

    author: Author
    name: str
    text: str
    written_at: datetime
    is_own: bool


class StatusBody(msgspec.Struct, frozen=True):
    """How far a report has come. Instants are UTC; `zone` is where the equipment stands.

    `may_move` while the appointment can be moved, `asked` when the office has yet to agree to a move;
    `may_rate` while there is a finished visit and nobody is at it again.
    """

    model: str
    current: StepName
    steps: list[StepBody]
    window: WindowBody | None
    arrival_at: datetime | None
    technician_first_name: str | None
    cancelled_at: datetime | None
    zone: str
    checked_at: datetime
    may_move: bool
    asked: AskedBody | None
    prices: list[PriceBody]
    documents: list[PaperBody]
    messages: list[MessageBody]
    may_rate: bool
    rating: RatingBody | None


async def _body(request: AnyRequest, session: Session, link: Link, now: datetime) -> StatusBody:
    story, made = link.story, link.made
    job = story.work_order
    asked = None if job is None else await find_asked(session, job)
    found = await find_rateable(session, link)
    order = list(StepName)
    reached = order.index(made.current)
    given = None if found is None else found.given
    return StatusBody(
        model=story.model or story.root.number,
        current=made.current,
        steps=[
            StepBody(name, made.reached_at.get(name), number <= reached)
            for number, name in enumerate(order)
        ],
        window=None if made.window is None else WindowBody(*made.window),
        arrival_at=made.arrival_at,
        technician_first_name=technician_of(link),
        cancelled_at=made.cancelled_at,
        zone=story.zone,
        checked_at=now,
        may_move=job is not None and movable(job, story.visits) is not None,
        asked=None if asked is None else AskedBody(asked.window and WindowBody(*asked.window)),
        prices=[
            PriceBody(state, put.offer.price, put.offer.currency, url)
            for put, state, url in await list_prices(request, session, link, now)
        ],
        documents=[
            PaperBody(one.kind, one.number, one.url) for one in await list_papers(session, link)
        ],
        messages=[
            MessageBody(one.author, one.name, one.text, one.written_at, one.is_own)
            for one in await list_lines(session, link)
        ],
        may_rate=found is not None,
        rating=None if given is None else RatingBody.of(given),
    )


class StatusController(Controller):
    path = "/s"
    tags = ["Public passports"]
    exception_handlers = {Exception: answer_error}

    @get(
        "/{token:str}",
        opt=http.anyone(),
        media_type="text/html",
        responses=page_answers(LinkExpired),
        summary="How far a report has come: a page, or JSON",
    )
    async def show(self, request: AnyRequest, now: Now, token: FromPath[str]) -> Response[Any]:
        async with opened_link(request, token, now) as (session, link):
            if not wants_json(request):
                return await status_page(request, session, link, now)
            body = await _body(request, session, link, now)
        return json_answer(body, Vary="Accept")

    @get(
        "/{token:str}/documents/{document_id:uuid}",
        opt=http.anyone(),
        media_type="application/pdf",
        responses=page_answers(LinkExpired, NoSuchBlob, StorageUnavailable) | PDF,
        summary="A paper of the job, byte for byte as it was issued",
    )
    async def paper(
        self, request: AnyRequest, now: Now, token: FromPath[str], document_id: FromPath[UUID]
    ) -> Response[bytes]:
        async with opened_link(request, token, now) as (session, link):
            reader, job = link.reader, link.story.work_order
            if reader is None or job is None:
                raise NotFound("There is no such document here.")
            row = await documents.find_document(session, reader, document_id)
            if row.subject_id != job.id:
                raise NotFound("There is no such document here.")
        store: BlobStore = request.app.state.blobs
        content = await read_all(store, row.tenant_id, row.file_sha256.hex(), row.file_size)
        return pdf(content, row.number)

    @get(
        "/{token:str}/thanks/{kind:str}/{photo:str}",
        opt=http.anyone(),
        media_type="text/html",
        responses=page_answers(LinkExpired),
        summary="After a report was taken",
    )
    async def thanks(
        self,
        request: AnyRequest,
        now: Now,
        token: FromPath[str],
        kind: FromPath[str],
        photo: FromPath[str],
    ) -> Response[bytes]:
        async with opened_link(request, token, now) as (_, link):
            story = link.story
        if kind not in (ThanksKind.REPORT, ThanksKind.ADDITION):
            raise NotFound("There is nothing at this address.")
        problem = FormProblem(photo) if photo in set(FormProblem) else None
        view = ThanksView(
            path=f"/s/{token}/thanks/{kind}/{problem or ('stored' if photo == 'stored' else 'none')}",
            service_name=story.service_name,
            kind=ThanksKind(kind),
            status_url=f"/s/{token}?lang={language_of(request)}",
            photo_stored=False if problem else (True if photo == "stored" else None),
            photo_problem=problem,
            most_photo_mb=megabytes(request),
            back_url=_passport_page(story),
        )
        return page(request, "thanks", view)


def _passport_page(story: Story) -> str | None:
    """Return the page of the code that was scanned, None where it was another kind of label."""
    try:
        return f"/p/{normalise_code(story.reported.passport_code or '')}/page"
    except BadPassportCode:
        return None


ROUTES = [StatusController]
