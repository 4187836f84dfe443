"""Known problems of models over HTTP: written, approved, read."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
import pydantic
from litestar import Controller, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED

from fsm import http
from fsm.actors import Permission
from fsm.assets.knowledge import queries
from fsm.assets.knowledge.tables import KnownProblem
from fsm.http import (
    Body,
    Code,
    CurrentActor,
    DbSession,
    Language,
    Names,
    Now,
    Revision,
    Text,
    needs,
)

READ = needs(Permission.READ_ASSETS)
EDIT = needs(Permission.EDIT_ASSETS)

Texts = Annotated[
    dict[Language, Annotated[Text, pydantic.Field(min_length=1)]],
    pydantic.Field(min_length=1, max_length=20),
]
Advice = Annotated[
    dict[Language, Annotated[Text, pydantic.Field(min_length=1, max_length=500)]],
    pydantic.Field(max_length=20),
]
"""What may be said to anybody who stands before the machine; empty: nothing."""

Approved = Annotated[bool, QueryParameter(description="Only answers that phones are given.")]


class NewKnownProblem(Body):
    """`code` is what the display shows, or a short word; `answers` is for technicians alone."""

    model_id: UUID
    code: Code
    titles: Names
    answers: Texts
    advice: Advice = {}


class KnownProblemEdit(Body):
    rev: Revision
    code: Code = ""
    titles: Names = {}
    answers: Texts = {}
    advice: Advice = {}
    is_active: bool = True


class Approval(Body):
    """The revision that was read: another one is not approved by it."""

    rev: Revision


class KnownProblemView(msgspec.Struct, frozen=True):
    id: UUID
    rev: int
    model_id: UUID
    code: str
    titles: dict[str, str]
    answers: dict[str, str]
    advice: dict[str, str]
    is_active: bool
    written_at: datetime
    written_by: str
    approved_at: datetime | None
    approved_by: str | None

    @classmethod
    def of(cls, row: KnownProblem) -> "KnownProblemView":
        return cls(**{name: getattr(row, name) for name in cls.__struct_fields__})


class KnownProblemPage(msgspec.Struct, frozen=True):
    items: list[KnownProblemView]
    next: str | None


class KnownProblemController(Controller):
    path = "/api/known-problems"
    tags = ["Assets"]

    @get("/", opt=READ, summary="Error codes and known problems of models, with their answers")
    async def browse(
        self,
        session: DbSession,
        actor: CurrentActor,
        page: http.Page,
        model_id: FromQuery[UUID | None] = None,
        only_approved: Approved = False,
    ) -> KnownProblemPage:
        rows = await queries.list_problems(
            session,
            actor,
            model_id=model_id,
            only_approved=only_approved,
            after=page.after_id,
            limit=page.limit,
        )
        return KnownProblemPage([KnownProblemView.of(row) for row in rows], page.next(rows))

    @post("/", opt=EDIT, status_code=HTTP_201_CREATED, summary="Write an answer to an error code")
    async def add(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[NewKnownProblem]
    ) -> KnownProblemView:
        values = data.model_dump(exclude={"model_id"})
        return KnownProblemView.of(
            await queries.add_problem(session, actor, now, data.model_id, values)
        )

    @patch("/{problem_id:uuid}", opt=EDIT, summary="Change an answer; it needs approval again")
    async def edit(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        problem_id: FromPath[UUID],
        data: JSONBody[KnownProblemEdit],
    ) -> KnownProblemView:
        return KnownProblemView.of(
            await queries.edit_problem(session, actor, now, problem_id, data.rev, data.changes())
        )

    @post(
        "/{problem_id:uuid}/approval",
        opt=needs(Permission.MANAGE_CATALOGUE),
        status_code=HTTP_200_OK,
        summary="Stand for an answer; from now on phones have it",
    )
    async def approve(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        problem_id: FromPath[UUID],
        data: JSONBody[Approval],
    ) -> KnownProblemView:
        return KnownProblemView.of(await queries.approve(session, actor, now, problem_id, data.rev))


ROUTES = [KnownProblemController]
