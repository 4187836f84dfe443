"""Schedules of reports over HTTP."""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
import pydantic
from litestar import Controller, Request, delete, get, post
from litestar.params import FromPath, JSONBody

from fsm import http
from fsm.actors import Permission
from fsm.http import Body, CurrentActor, DbSession, Email, Line, Now, needs
from fsm.languages import FIRST, Language
from fsm.problems import Problem
from reports.mailing import queries
from reports.mailing.periods import Every
from reports.mailing.tables import ReportDelivery, ReportSchedule


class MailNotSetUp(Problem):
    """The installation has no mail server."""

    code, status, title = "mail-not-set-up", 409, "There is no mail server"


class NewSchedule(Body):
    name: Line
    every: Every
    recipients: Annotated[list[Email], pydantic.Field(min_length=1, max_length=50)]
    language: Language = FIRST


class DeliveryView(msgspec.Struct, frozen=True):
    """`sent_at` is null while the mail server has not taken it for everybody; `last_error` says why.

    `taken` are those for whom it has meanwhile.
    """

    document_id: UUID
    first_on: date
    last_on: date
    recipients: list[str]
    taken: list[str]
    attempts: int
    last_error: str
    sent_at: datetime | None

    @classmethod
    def of(cls, row: ReportDelivery) -> "DeliveryView":
        return cls(**{name: getattr(row, name) for name in cls.__struct_fields__})


class ScheduleView(msgspec.Struct, frozen=True):
    """`next_on`: the day on which the period before it is reported."""

    id: UUID
    name: str
    every: str
    language: str
    recipients: list[str]
    next_on: date
    is_active: bool

    @classmethod
    def of(cls, row: ReportSchedule) -> "ScheduleView":
        return cls(**{name: getattr(row, name) for name in cls.__struct_fields__})


class Schedules(msgspec.Struct, frozen=True):
    items: list[ScheduleView]


class Deliveries(msgspec.Struct, frozen=True):
    items: list[DeliveryView]


class ScheduleController(Controller):
    path = "/api/report-schedules"
    tags = ["Documents"]

    @get("/", opt=needs(Permission.READ_COSTS), summary="Who gets the management pack by mail")
    async def browse(self, session: DbSession, actor: CurrentActor) -> Schedules:
        found = await queries.list_schedules(session, actor)
        return Schedules([ScheduleView.of(one) for one in found])

    @post(
        "/",
        opt=needs(Permission.READ_COSTS),
        responses=http.refusals(MailNotSetUp),
        summary="Have the management pack sent by mail from the next period on",
    )
    async def add(
        self,
        request: Request[Any, Any, Any],
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        data: JSONBody[NewSchedule],
    ) -> ScheduleView:
        if request.app.state.settings.mail is None:
            raise MailNotSetUp("The operator sets FSM_SMTP_URL and FSM_MAIL_FROM first.")
        row = await queries.add_schedule(
            session,
            actor,
            now,
            name=data.name,
            every=data.every,
            language=data.language,
            recipients=list(dict.fromkeys(data.recipients)),
        )
        return ScheduleView.of(row)

    @delete(
        "/{schedule_id:uuid}",
        opt=needs(Permission.READ_COSTS),
        summary="Stop sending; what was sent stays listed",
    )
    async def end(
        self, session: DbSession, actor: CurrentActor, now: Now, schedule_id: FromPath[UUID]
    ) -> None:
        await queries.end_schedule(session, actor, now, schedule_id)

    @get(
        "/{schedule_id:uuid}/deliveries",
        opt=needs(Permission.READ_COSTS),
        summary="What was sent, the newest first",
    )
    async def deliveries(
        self, session: DbSession, actor: CurrentActor, schedule_id: FromPath[UUID]
    ) -> Deliveries:
        found = await queries.list_deliveries(session, actor, schedule_id)
        return Deliveries([DeliveryView.of(one) for one in found])


ROUTES = [ScheduleController]
