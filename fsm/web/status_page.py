"""The page behind a status link, put together: the same for whoever opens it and for whoever sent a form."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from litestar import Response

from fsm.database import Session
from fsm.web.public_pages import AnyRequest, language_of, page
from fsm.web.report_form import Form
from fsm.web.status_link import Link, Rateable, find_rateable
from fsm.web.views import FormProblem, RatingField, RatingView, StatusView
from fsm.work_orders.ratings.rules import asks_for_call, changeable_until


async def status_page(
    request: AnyRequest,
    session: Session,
    link: Link,
    now: datetime,
    *,
    problems: Sequence[FormProblem] = (),
    form: Form | None = None,
) -> Response[bytes]:
    """Answer with the page; a form that was refused is shown again with what was typed."""
    story, made = link.story, link.made
    language = language_of(request)
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
        rating=_rating(link, await find_rateable(session, link), language, now, form),
        problems=problems,
    )
    return page(request, "status", view, 422 if problems else 200)


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
