"""The status link: how far a report has come, for whoever holds its unguessable address."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from litestar import Controller, Response, get
from litestar.params import FromPath

from fsm import http
from fsm.assets.passport_code import BadPassportCode, normalise_code
from fsm.database import Database
from fsm.http import Now
from fsm.problems import NotFound, Problem
from fsm.web.arrivals import with_arrival
from fsm.web.progress import Progress, progress
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
from fsm.web.views import (
    FormProblem,
    StatusView,
    StepName,
    ThanksKind,
    ThanksView,
)
from fsm.work_orders import requests
from fsm.work_orders.request_story import Story, read_story_without_actor


class LinkExpired(Problem):
    """The link was good once; the report is in the office's records, not here any more."""

    code, status, title = "status-link-expired", 410, "This link no longer works"


class StepBody(msgspec.Struct, frozen=True):
    name: StepName
    reached_at: datetime | None
    is_reached: bool


class WindowBody(msgspec.Struct, frozen=True):
    starts_at: datetime
    ends_at: datetime


class StatusBody(msgspec.Struct, frozen=True):
    """How far a report has come. Instants are UTC; `zone` is where the equipment stands."""

    model: str
    current: StepName
    steps: list[StepBody]
    window: WindowBody | None
    arrival_at: datetime | None
    technician_first_name: str | None
    cancelled_at: datetime | None
    zone: str
    checked_at: datetime


async def _find_story(request: AnyRequest, token: str, now: datetime) -> tuple[Story, Progress]:
    """Return the story behind a link, and how far it has come.

    `NotFound` for a link of nobody's, `LinkExpired` after its time.
    """
    database: Database = request.app.state.database
    secret = requests.read_status_token(token)
    if secret is None:
        raise NotFound("There is no such link.")
    async with database.transaction(secret.tenant_id) as session:
        reported = await requests.find_reported_without_actor(session, secret)
        if reported is None:
            raise NotFound("There is no such link.")
        story = await read_story_without_actor(session, reported)
        made = await with_arrival(session, story, progress(story), now)
    if story.is_over(now):
        raise LinkExpired(
            "Status links expire. Scan the label on the equipment to report a problem."
        )
    return story, made


def _view(story: Story, made: Progress, token: str, now: datetime) -> StatusView:
    return StatusView(
        path=f"/s/{token}",
        service_name=story.service_name,
        model_name=story.model or story.root.number,
        zone=ZoneInfo(story.zone),
        current=made.current,
        reached_at=made.reached_at,
        checked_at=now,
        window=made.window,
        arrival_at=made.arrival_at,
        technician_first_name=(
            story.technicians.get(made.technician_id) if made.technician_id else None
        ),
        cancelled_at=made.cancelled_at,
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
        story, made = await _find_story(request, token, now)
        view = _view(story, made, token, now)
        if not wants_json(request):
            return page(request, "status", view)
        window = None if view.window is None else WindowBody(*view.window)
        body = StatusBody(
            model=view.model_name,
            current=view.current,
            steps=[StepBody(s.name, s.reached_at, view.is_reached(s.name)) for s in view.steps],
            window=window,
            arrival_at=view.arrival_at,
            technician_first_name=view.technician_first_name,
            cancelled_at=view.cancelled_at,
            zone=story.zone,
            checked_at=now,
        )
        return json_answer(body, Vary="Accept")

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
        story, _ = await _find_story(request, token, now)
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
