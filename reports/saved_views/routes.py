"""Saved views over HTTP: everybody sees and changes their own."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
import pydantic
from litestar import Controller, delete, get, patch, post
from litestar.params import FromPath, JSONBody

from fsm import http
from fsm.actors import Permission
from fsm.database import revise
from fsm.http import Body, CurrentActor, DbSession, Line, Now, Revision, needs
from reports.saved_views import queries
from reports.saved_views.queries import TooManyViews
from reports.saved_views.tables import SavedView

QueryText = Annotated[
    str,
    pydantic.Field(
        max_length=2000,
        pattern=r"^[^\s?#\x00-\x1f]*$",
        description="The query string of the page, without its question mark.",
    ),
]


class NewView(Body):
    name: Line
    query: QueryText


class ViewEdit(Body):
    rev: Revision
    name: Line | None = None
    query: QueryText | None = None


class SavedViewView(msgspec.Struct, frozen=True):
    id: UUID
    rev: int
    name: str
    query: str
    saved_at: datetime

    @classmethod
    def of(cls, row: SavedView) -> "SavedViewView":
        return cls(**{name: getattr(row, name) for name in cls.__struct_fields__})


class SavedViews(msgspec.Struct, frozen=True):
    items: list[SavedViewView]


class SavedViewController(Controller):
    path = "/api/saved-views"
    tags = ["Figures"]

    @get("/", opt=needs(Permission.READ_KPIS), summary="My saved views, by name")
    async def browse(self, session: DbSession, actor: CurrentActor) -> SavedViews:
        found = await queries.list_views(session, actor)
        return SavedViews([SavedViewView.of(one) for one in found])

    @post(
        "/",
        opt=needs(Permission.READ_KPIS),
        responses=http.refusals(TooManyViews),
        summary="Save a view under a name",
    )
    async def add(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[NewView]
    ) -> SavedViewView:
        row = await queries.save_view(session, actor, now, name=data.name, query=data.query)
        return SavedViewView.of(row)

    @patch(
        "/{view_id:uuid}",
        opt=needs(Permission.READ_KPIS),
        summary="Give a view another name, or have it show something else",
    )
    async def edit(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        view_id: FromPath[UUID],
        data: JSONBody[ViewEdit],
    ) -> SavedViewView:
        row = await queries.lock_view(session, actor, view_id)
        changes = data.model_dump(exclude={"rev"}, exclude_none=True)
        if revise(row, data.rev, changes):
            row.saved_at = now
            await session.flush()
        return SavedViewView.of(row)

    @delete("/{view_id:uuid}", opt=needs(Permission.READ_KPIS), summary="Forget a view")
    async def remove(
        self, session: DbSession, actor: CurrentActor, view_id: FromPath[UUID]
    ) -> None:
        await session.delete(await queries.lock_view(session, actor, view_id))


ROUTES = [SavedViewController]
