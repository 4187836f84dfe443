"""Known problems of models over HTTP: written, approved, read."""

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

import msgspec
import pydantic
from litestar import Controller, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED, HTTP_204_NO_CONTENT

from fsm import http
from fsm.actors import Permission
from fsm.assets.knowledge import queries
from fsm.assets.knowledge.tables import HelpedAt, KnownProblem
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
from fsm.problems import NotFound

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


class HintView(msgspec.Struct, frozen=True):
    """A known problem that fits. `answers` and `approved_by` are for the service company's people alone."""

    id: UUID
    code: str
    titles: dict[str, str]
    advice: dict[str, str]
    answers: dict[str, str]
    approved_by: str | None

    @classmethod
    def of(cls, row: KnownProblem, *, is_ours: bool) -> "HintView":
        answers = row.answers if is_ours else {}
        approved_by = row.approved_by if is_ours else None
        return cls(row.id, row.code, row.titles, row.advice, answers, approved_by)


class HelpedView(msgspec.Struct, frozen=True):
    """How often the advice of one known problem helped, and when it last did."""

    known_problem_id: UUID
    passport: int
    portal: int
    last_at: datetime


Typed = Annotated[
    str | None,
    QueryParameter(
        max_length=2_000,
        description="What is being typed: those that fit, the best first. Without it: all of the model's.",
    ),
]
Since = Annotated[int, QueryParameter(ge=1, le=3_660, description="Of the last so many days.")]


class HintController(Controller):
    """What is known of the very machine that somebody is about to report on, or reads a job about."""

    path = "/api"
    tags = ["Assets"]

    @get(
        "/assets/{asset_id:uuid}/hints",
        opt=READ,
        summary="Approved answers for a machine; to customers the advice that anybody may read",
    )
    async def hints(
        self,
        session: DbSession,
        actor: CurrentActor,
        asset_id: FromPath[UUID],
        q: Typed = None,
    ) -> list[HintView]:
        is_ours = actor.customer_id is None
        found = await queries.list_hints(session, actor, asset_id, q)
        return [HintView.of(row, is_ours=is_ours) for row in found]

    @post(
        "/assets/{asset_id:uuid}/hints/{problem_id:uuid}/helped",
        opt=needs(Permission.EDIT_REQUESTS),
        status_code=HTTP_204_NO_CONTENT,
        summary="Say that the advice helped, so that there is nothing to report",
    )
    async def helped(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        asset_id: FromPath[UUID],
        problem_id: FromPath[UUID],
    ) -> None:
        found = await queries.list_hints(session, actor, asset_id, None)
        problem = next((one for one in found if one.id == problem_id), None)
        if problem is None:
            raise NotFound(f"No known problem {problem_id} of this machine.")
        await queries.note_helped(session, actor, now, asset_id, problem, HelpedAt.PORTAL)

    @get(
        "/known-problems/helped",
        opt=READ,
        summary="How often advice helped, so that nothing was reported",
    )
    async def counted(
        self, session: DbSession, actor: CurrentActor, now: Now, days: Since = 365
    ) -> list[HelpedView]:
        rows = await queries.count_helped(session, actor, now - timedelta(days=days))
        return [HelpedView(*row) for row in rows]


ROUTES = [KnownProblemController, HintController]
