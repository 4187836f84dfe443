"""A customer's own pages over HTTP: nothing here is answered to anybody else, or about anybody else."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import pydantic
from litestar import Controller, get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_201_CREATED

from fsm import http
from fsm.actors import Actor, Permission
from fsm.database import Session
from fsm.http import Body, CurrentActor, DbSession, Now, Text, needs
from fsm.problems import Invalid
from fsm.settings import Settings
from fsm.web.arrivals import with_arrival_at
from fsm.web.portal import queries
from fsm.web.portal.kept import read_kept
from fsm.web.portal.queries import OwnJob
from fsm.web.portal.views import (
    HomeView,
    JobLine,
    JobPage,
    JobView,
    KeptOf,
    MachineLine,
    MachinePage,
    SaidLine,
)
from fsm.web.progress import Progress, progress_of_job
from fsm.web.public_pages import AnyRequest
from fsm.web.status_forms import ChoiceBody, ChoicesBody, MovedBody
from fsm.web.status_routes import MessageBody, PaperBody, StepBody, WindowBody
from fsm.web.views import StepName
from fsm.work_orders.ratings import queries as ratings
from fsm.work_orders.ratings.queries import Rater
from fsm.work_orders.ratings.rules import rateable
from fsm.work_orders.threads import queries as threads
from fsm.work_orders.threads.tables import Author
from reports.documents import queries as documents
from reports.documents.kinds import DocumentKind, DocumentState
from reports.statements.routes import FirstOn, LastOn, read_days
from scheduler import moving
from scheduler.booking import SlotTaken
from scheduler.moving import NotMovable

READ = needs(Permission.READ_WORK_ORDERS)

IsOpen = Annotated[
    bool, QueryParameter(description="Jobs under way (the default), or those that are over.")
]


class Wish(Body):
    """`choice` is one of the offered windows, as it was given out; without one, `note` says when it suits."""

    choice: Annotated[str, pydantic.Field(max_length=1_000)] | None = None
    note: Text = ""


class PortalController(Controller):
    path = "/api/portal"
    tags = ["Customer's pages"]

    @get("/", opt=READ, summary="The customer, their sites, and what their contracts promise")
    async def home(self, session: DbSession, actor: CurrentActor, now: Now) -> HomeView:
        home = await queries.find_home(session, actor)
        return HomeView.of(home, await queries.list_contracts(session, actor, now))

    @get(
        "/machines",
        opt=needs(Permission.READ_ASSETS),
        summary="The customer's machines in service, with their labels' pages",
    )
    async def machines(
        self,
        session: DbSession,
        actor: CurrentActor,
        page: http.Page,
        site_id: Annotated[UUID | None, QueryParameter()] = None,
        q: http.Search = None,
    ) -> MachinePage:
        rows = await queries.list_machines(
            session, actor, after=page.after_id, limit=page.limit, site_id=site_id, q=q
        )
        lines = [MachineLine.of(row) for row in rows]
        return MachinePage(lines, page.next(lines))

    @get("/jobs", opt=READ, summary="The customer's jobs and how far each has come, newest first")
    async def jobs(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        limit: http.PageSize = 50,
        after: http.After = None,
        is_open: IsOpen = True,
        asset_id: Annotated[UUID | None, QueryParameter()] = None,
    ) -> JobPage:
        found, further = await queries.list_jobs(
            session, actor, is_open=is_open, asset_id=asset_id, after=after, limit=limit
        )
        lines = [JobLine.of(own, await _made(session, own, now)) for own in found]
        return JobPage(lines, further)

    @get("/jobs/{work_order_id:uuid}", opt=READ, summary="One job as its customer may know it")
    async def job(
        self, session: DbSession, actor: CurrentActor, now: Now, work_order_id: FromPath[UUID]
    ) -> JobView:
        own = await queries.find_job(session, actor, work_order_id)
        made = await _made(session, own, now)
        asked = await moving.find_asked(session, own.job)
        order = list(StepName)
        reached = order.index(made.current)
        may_move = moving.movable(own.job, own.visits) is not None
        return JobView(
            job=JobLine.of(own, made),
            description=own.job.description,
            steps=[
                StepBody(name, made.reached_at.get(name), number <= reached)
                for number, name in enumerate(order)
            ],
            may_move=may_move,
            asked=asked is not None and may_move,
            asked_window=WindowBody(*asked.window) if asked and asked.window and may_move else None,
            documents=await _papers(session, actor, own),
            messages=await _messages(session, actor, own),
            may_write=threads.is_open(own.job),
            rating=await _said(session, actor, own),
            checked_at=now,
        )

    @get(
        "/jobs/{work_order_id:uuid}/windows",
        opt=READ,
        responses=http.refusals(NotMovable),
        summary="Windows that the appointment can be moved to",
    )
    async def windows(
        self,
        request: AnyRequest,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        work_order_id: FromPath[UUID],
    ) -> ChoicesBody:
        own = await queries.find_job(session, actor, work_order_id)
        if moving.movable(own.job, own.visits) is None:
            raise NotMovable("The appointment can no longer be moved here. Please call the office.")
        key = _key(request)
        return ChoicesBody(
            [
                ChoiceBody(one.sealed(key), one.opens_at, one.closes_at)
                for one in await moving.list_choices(session, actor, now, own.job.id)
            ],
            await moving.is_taken_at_once(session, own.job),
        )

    @post(
        "/jobs/{work_order_id:uuid}/moves",
        opt=needs(Permission.EDIT_REQUESTS),
        status_code=HTTP_201_CREATED,
        responses=http.refusals(NotMovable, SlotTaken),
        summary="Move the appointment to an offered window, or ask the office for another time",
    )
    async def move(
        self,
        request: AnyRequest,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        work_order_id: FromPath[UUID],
        data: JSONBody[Wish],
    ) -> MovedBody:
        own = await queries.find_job(session, actor, work_order_id)
        if data.choice is None and not data.note.strip():
            raise Invalid(
                "Choose one of the times, or say when it would suit you.",
                errors=[{"at": "/choice", "detail": "needed without a note"}],
            )
        choice = moving.read_choice(_key(request), data.choice, own.job.id) if data.choice else None
        return MovedBody(await moving.move(session, actor, now, own.job.id, choice, data.note))

    @get(
        "/promises",
        opt=READ,
        summary="How the promises of the customer's contracts were kept on some days",
    )
    async def promises(
        self, session: DbSession, actor: CurrentActor, now: Now, first_on: FirstOn, last_on: LastOn
    ) -> KeptOf:
        days = read_days(first_on, last_on)
        return await read_kept(session, actor, now, days.first_on, days.last_on)


def _key(request: AnyRequest) -> bytes:
    settings: Settings = request.app.state.settings
    return settings.derived_key("move-choice")


async def _made(session: Session, own: OwnJob, now: datetime) -> Progress:
    made = progress_of_job(own.job, own.visits, own.job.reported_at)
    return await with_arrival_at(session, own.job, own.site.zone, made, now)


async def _papers(session: Session, actor: Actor, own: OwnJob) -> list[PaperBody]:
    """Return the papers of the job that count today."""
    found = await documents.list_documents(
        session, actor, kind=None, subject_id=own.job.id, after=None, limit=50
    )
    return [
        PaperBody(
            DocumentKind(one.document.kind),
            one.document.number,
            f"/api/documents/{one.document.id}/file",
        )
        for one in found
        if one.state is DocumentState.VALID
    ]


async def _messages(session: Session, actor: Actor, own: OwnJob) -> list[MessageBody]:
    rows = await threads.list_messages(session, actor, own.job.id, after=None, limit=200)
    return [
        MessageBody(
            Author(one.author), one.name, one.text, one.written_at, one.user_id == actor.user_id
        )
        for one in rows
    ]


async def _said(session: Session, actor: Actor, own: OwnJob) -> SaidLine | None:
    visit = rateable(own.visits)
    if visit is None:
        return None
    rater = Rater(user_id=actor.user_id)
    given = await ratings.find_given(session, actor.tenant_id, rater, visit.id)
    return None if given is None else SaidLine.of(given)


ROUTES = [PortalController]
