"""A job's thread over HTTP, for the office and for customers who sign in."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
import pydantic
from litestar import Controller, get, post
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_201_CREATED

from fsm import http
from fsm.actors import Permission
from fsm.http import Body, CurrentActor, DbSession, Now, Text, needs
from fsm.work_orders.lifecycle import WrongStatus
from fsm.work_orders.threads import queries
from fsm.work_orders.threads.tables import Author, Message


class NewMessage(Body):
    text: Annotated[Text, pydantic.Field(min_length=1)]


class MessageView(msgspec.Struct, frozen=True):
    """`request_id`: written through the status link of that request, without a login."""

    id: UUID
    work_order_id: UUID
    author: Author
    name: str
    text: str
    written_at: datetime
    request_id: UUID | None

    @classmethod
    def of(cls, row: Message) -> "MessageView":
        return cls(**{name: getattr(row, name) for name in cls.__struct_fields__})


class MessagePage(msgspec.Struct, frozen=True):
    items: list[MessageView]
    next: str | None


class ThreadController(Controller):
    path = "/api/work-orders/{work_order_id:uuid}/messages"
    tags = ["Messages"]

    @get(
        "/",
        opt=needs(Permission.READ_WORK_ORDERS),
        summary="What customer, technician and office said about a job, the oldest first",
    )
    async def browse(
        self,
        session: DbSession,
        actor: CurrentActor,
        work_order_id: FromPath[UUID],
        page: http.Page,
    ) -> MessagePage:
        rows = await queries.list_messages(
            session, actor, work_order_id, after=page.after_id, limit=page.limit
        )
        return MessagePage([MessageView.of(row) for row in rows], page.next(rows))

    @post(
        "/",
        opt=needs(Permission.EDIT_REQUESTS),
        status_code=HTTP_201_CREATED,
        responses=http.refusals(WrongStatus),
        summary="Say something to all on a job; who follows it through a status link reads it too",
    )
    async def write(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        work_order_id: FromPath[UUID],
        data: JSONBody[NewMessage],
    ) -> MessageView:
        return MessageView.of(await queries.write(session, actor, now, work_order_id, data.text))


ROUTES = [ThreadController]
