"""The page behind a status link, put together: the same for whoever opens it and for whoever sent a form."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from litestar import Response

from fsm.database import Session
from fsm.settings import Settings
from fsm.web.languages import messages
from fsm.web.public_pages import AnyRequest, language_of, page
from fsm.web.report_form import Form
from fsm.web.status_link import Link, Rateable, find_rateable
from fsm.web.views import (
    AskedView,
    DocumentLink,
    FormProblem,
    MessageField,
    MessageLine,
    PriceLink,
    RatingField,
    RatingView,
    StatusView,
    ThreadView,
)
from fsm.work_orders.ratings.rules import asks_for_call, changeable_until
from fsm.work_orders.scope_changes import offers
from fsm.work_orders.scope_changes.offers import Put
from fsm.work_orders.scope_changes.rules import OfferState
from fsm.work_orders.threads import queries as threads
from fsm.work_orders.threads.tables import Author
from reports.documents import queries as documents
from reports.documents.kinds import DocumentKind, DocumentState
from scheduler.moving import find_asked, movable


async def status_page(
    request: AnyRequest,
    session: Session,
    link: Link,
    now: datetime,
    *,
    problems: Sequence[FormProblem] = (),
    rating: Form | None = None,
    message: Form | None = None,
) -> Response[bytes]:
    """Answer with the page; the form that was refused is shown again with what was typed."""
    story, made = link.story, link.made
    language = language_of(request)
    job = story.work_order
    asked = None if job is None else await find_asked(session, job)
    can_move = job is not None and movable(job, story.visits) is not None
    view = StatusView(
        path=link.path,
        service_name=story.service_name,
        model_name=story.model or story.root.number,
        zone=ZoneInfo(story.zone),
        current=made.current,
        reached_at=made.reached_at,
        checked_at=now,
        window=made.window,
        arrival_at=made.arrival_at,
        technician_first_name=technician_of(link),
        cancelled_at=made.cancelled_at,
        move_url=f"{link.path}/move?lang={language}" if can_move else None,
        asked=AskedView(asked.window) if asked is not None and can_move else None,
        prices=[
            PriceLink(
                state,
                messages(language).money(put.offer.price, put.offer.currency),
                f"{url}?lang={language}",
            )
            for put, state, url in await list_prices(request, session, link, now)
        ],
        documents=await list_papers(session, link),
        thread=await _thread(session, link, language, message),
        rating=_rating(link, await find_rateable(session, link), language, now, rating),
        problems=problems,
    )
    return page(request, "status", view, 422 if problems else 200)


async def list_prices(
    request: AnyRequest, session: Session, link: Link, now: datetime
) -> list[tuple[Put, OfferState, str]]:
    """Return the prices that the customer was asked for or answered, with the addresses of their pages."""
    reader, job = link.reader, link.story.work_order
    if reader is None or job is None:
        return []
    settings: Settings = request.app.state.settings
    key = settings.derived_key(offers.KEY)
    return [
        (put, put.state(now), f"/o/{offers.offer_token(key, put.offer.tenant_id, put.offer.id)}")
        for put in await offers.list_put(session, reader, job)
    ]


async def list_papers(session: Session, link: Link) -> list[DocumentLink]:
    """Return the papers of the job that count today, for whom they are for."""
    reader, job = link.reader, link.story.work_order
    if reader is None or job is None:
        return []
    found = await documents.list_documents(
        session, reader, kind=None, subject_id=job.id, after=None, limit=50
    )
    return [
        DocumentLink(
            DocumentKind(one.document.kind),
            one.document.number,
            f"{link.path}/documents/{one.document.id}",
        )
        for one in found
        if one.state is DocumentState.VALID
    ]


async def list_lines(session: Session, link: Link) -> list[MessageLine]:
    """Return what the link's holder may read of the job's thread."""
    job, reported = link.story.work_order, link.story.reported
    if job is None:
        return []
    return [
        MessageLine(
            Author(one.author), one.name, one.text, one.written_at, one.request_id == reported.id
        )
        for one in await threads.list_for_link(session, reported, job.id)
    ]


async def _thread(
    session: Session, link: Link, language: str, form: Form | None
) -> ThreadView | None:
    job = link.story.work_order
    if job is None:
        return None
    lines, is_open = await list_lines(session, link), threads.is_open(job)
    if not lines and not is_open:
        return None
    send_url = f"{link.path}/messages?lang={language}" if is_open else None
    return ThreadView(lines, send_url, form.get(MessageField.TEXT) if form else "")


def technician_of(link: Link) -> str | None:
    """Return the first name of whoever is coming."""
    known = link.made.technician_id
    return None if known is None else link.story.technicians.get(known)


def _rating(
    link: Link, found: Rateable | None, language: str, now: datetime, form: Form | None
) -> RatingView | None:
    if found is None:
        return None
    send_url = f"{link.path}/rating?lang={language}"
    given = found.given
    if form is not None:
        stars = form.get(RatingField.STARS)
        return RatingView(
            send_url=send_url,
            stars=int(stars) if stars in set("12345") else None,
            nps=form.get(RatingField.NPS),
            comment=form.get(RatingField.COMMENT),
            contact_phone=form.get(RatingField.CONTACT_PHONE),
        )
    if given is None:
        return RatingView(send_url=send_url)
    said = given.rating
    until = changeable_until(given.first_at)
    return RatingView(
        send_url=send_url,
        stars=said.stars,
        nps="" if said.nps is None else str(said.nps),
        comment=said.comment,
        changeable_until=until,
        is_closed=now >= until,
        asks_for_call=asks_for_call(said.stars),
    )
