"""Plans at the dispatcher's desk: ask, read with reasons, accept whole or in part, undo."""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
import pydantic
from litestar import Controller, get, post
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_200_OK, HTTP_202_ACCEPTED

from fsm import http
from fsm.actors import Permission
from fsm.http import Body, CurrentActor, DbSession, Now, needs
from fsm.problems import Invalid
from fsm.work_orders.lifecycle import WrongStatus
from fsm.work_orders.views import VisitView
from scheduler import queries
from scheduler.day import MOST_DAYS
from scheduler.queries import PlanNotReady
from scheduler.tables import PlanRun


class PlanRequest(Body):
    """Which days (in the company's zone), and how long the engine may think, in seconds."""

    starts_on: date
    ends_on: date | None = None
    seconds: Annotated[float, pydantic.Field(ge=0.5, le=120)] = 5.0
    seed: Annotated[int, pydantic.Field(ge=0, le=2**31 - 1)] = 0
    engine: Annotated[str, pydantic.Field(pattern="^or-tools$")] = "or-tools"


class Acceptance(Body):
    """`work_order_ids` accepts a part; left out, the whole plan."""

    work_order_ids: Annotated[list[UUID], pydantic.Field(max_length=5_000)] | None = None


class PlanRow(msgspec.Struct, frozen=True):
    id: UUID
    status: str
    starts_on: date
    ends_on: date
    requested_by: str
    requested_at: datetime
    finished_at: datetime | None
    accepted_at: datetime | None
    failure: str | None

    @classmethod
    def of(cls, run: PlanRun) -> "PlanRow":
        return cls(**{name: getattr(run, name) for name in cls.__struct_fields__})


class PlanView(msgspec.Struct, frozen=True):
    """A plan with its routes, what it costs term by term (seconds of driving), and why work stays out.

    `unplanned` carries a code, the smallest sets of rules in the way, the cheapest change that would let
    the visit in, and the same in words (`said`, by language).
    """

    id: UUID
    status: str
    starts_on: date
    ends_on: date
    engine: str
    seconds: float
    seed: int
    requested_by: str
    requested_at: datetime
    finished_at: datetime | None
    accepted_at: datetime | None
    accepted_by: str | None
    failure: str | None
    inputs_sha256: str | None
    versions: dict[str, str]
    routes: list[dict[str, Any]]
    unplanned: list[dict[str, Any]]
    costs: dict[str, int]
    notes: list[str]
    travel_source: str | None

    @classmethod
    def of(cls, run: PlanRun) -> "PlanView":
        result = run.result or {}
        own = {name: getattr(run, name) for name in cls.__struct_fields__ if hasattr(run, name)}
        return cls(
            **own,
            routes=result.get("routes", []),
            unplanned=result.get("unplanned", []),
            costs=result.get("costs", {}),
            notes=result.get("notes", []),
            travel_source=result.get("travel_source"),
        )


class AcceptedView(msgspec.Struct, frozen=True):
    """The visits that came of a plan, and the jobs skipped because they had changed meanwhile."""

    id: UUID
    status: str
    visits: list[VisitView]
    skipped: list[dict[str, Any]]


class UndoneView(msgspec.Struct, frozen=True):
    id: UUID
    status: str
    withdrawn: int
    kept: int


class PlanPage(msgspec.Struct, frozen=True):
    items: list[PlanRow]
    next: str | None


class PlanController(Controller):
    path = "/api/plans"
    tags = ["Planning"]

    @post(
        "/",
        opt=needs(Permission.PLAN),
        status_code=HTTP_202_ACCEPTED,
        summary="Ask for a plan; it is ready when its status says so",
    )
    async def request(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[PlanRequest]
    ) -> PlanView:
        ends_on = data.ends_on or data.starts_on
        if not 0 <= (ends_on - data.starts_on).days < MOST_DAYS:
            raise Invalid(
                f"A plan covers 1 to {MOST_DAYS} days.",
                errors=[{"at": "/ends_on", "detail": "out of range"}],
            )
        if abs((data.starts_on - now.date()).days) > 366:
            raise Invalid(
                "A plan is made for days near today.",
                errors=[{"at": "/starts_on", "detail": "too far away"}],
            )
        run = await queries.request_plan(
            session,
            actor,
            now,
            starts_on=data.starts_on,
            ends_on=ends_on,
            seconds=data.seconds,
            seed=data.seed,
            engine=data.engine,
        )
        return PlanView.of(run)

    @get("/", opt=needs(Permission.PLAN), summary="Plans, newest first")
    async def list(
        self,
        session: DbSession,
        actor: CurrentActor,
        limit: http.PageSize = 50,
        after: http.After = None,
    ) -> PlanPage:
        runs = await queries.list_runs(session, actor, limit=limit, after=http.cursor_id(after))
        return PlanPage([PlanRow.of(run) for run in runs], http.next_id(runs, limit))

    @get("/{plan_id:uuid}", opt=needs(Permission.PLAN), summary="One plan with its reasons")
    async def read(
        self, session: DbSession, actor: CurrentActor, plan_id: FromPath[UUID]
    ) -> PlanView:
        return PlanView.of(await queries.find_run(session, actor, plan_id))

    @post(
        "/{plan_id:uuid}/acceptance",
        opt=needs(Permission.PLAN),
        status_code=HTTP_200_OK,
        responses=http.refusals(PlanNotReady, WrongStatus),
        summary="Turn a plan into visits",
    )
    async def accept(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        plan_id: FromPath[UUID],
        data: JSONBody[Acceptance],
    ) -> AcceptedView:
        only = None if data.work_order_ids is None else frozenset(data.work_order_ids)
        run, planned, skipped = await queries.accept(session, actor, now, plan_id, only)
        return AcceptedView(run.id, run.status, [VisitView.of(visit) for visit in planned], skipped)

    @post(
        "/{plan_id:uuid}/undoing",
        opt=needs(Permission.PLAN),
        status_code=HTTP_200_OK,
        responses=http.refusals(WrongStatus),
        summary="Take back what an accepted plan brought, as far as it has not begun",
    )
    async def undo(
        self, session: DbSession, actor: CurrentActor, now: Now, plan_id: FromPath[UUID]
    ) -> UndoneView:
        run, withdrawn, kept = await queries.undo(session, actor, now, plan_id)
        return UndoneView(run.id, run.status, withdrawn, kept)


ROUTES = [PlanController]
