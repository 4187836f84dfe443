"""Plans at the dispatcher's desk: ask, read with reasons, accept whole or in part, undo."""

from typing import Annotated
from uuid import UUID

import pydantic
from litestar import Controller, get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_202_ACCEPTED

from fsm import http
from fsm.actors import Permission
from fsm.http import Body, CurrentActor, DbSession, Now, needs
from fsm.problems import Invalid
from fsm.work_orders.lifecycle import WrongStatus
from fsm.work_orders.views import VisitView
from scheduler import (
    accepting,
    board_routes,
    day_routes,
    link_routes,
    queries,
    replaying,
    settings_routes,
    visit_routes,
)
from scheduler.accepting import NotAPlan
from scheduler.day import MOST_DAYS
from scheduler.engine import ENGINES
from scheduler.placements import ReasonNeeded
from scheduler.plan_views import (
    AcceptedView,
    ComparisonView,
    PlanPage,
    PlanRow,
    PlanView,
    ReasonView,
    ReplayView,
    UndoneView,
)
from scheduler.queries import PlanNotReady
from scheduler.replaying import NotReplayable
from scheduler.scope import Moves, Options, Scope, Supposed
from scheduler.settings_routes import WeightChanges

_Ids = Annotated[list[UUID], pydantic.Field(max_length=5_000)]


class ScopeBody(Body):
    """Which planned visits may move.

    `none`: they stay, and only work without a visit is planned. `selected`: those of `visit_ids`, of
    `technician_ids` or of `territory`. `all`: every one that has not begun and is not pinned.
    `work_order_ids` narrows the waiting jobs; left out, all are planned (those of `territory`, where given).
    """

    moves: Moves = Moves.NONE
    visit_ids: _Ids = []
    technician_ids: _Ids = []
    territory: http.Line | None = None
    work_order_ids: _Ids | None = None
    pulls_forward: bool = True

    def scope(self) -> Scope:
        return Scope(
            moves=self.moves,
            visits=_as_text(self.visit_ids),
            technicians=_as_text(self.technician_ids),
            territory=self.territory,
            work_orders=None if self.work_order_ids is None else _as_text(self.work_order_ids),
            pulls_forward=self.pulls_forward,
        )


class SupposedBody(Body):
    """What a simulation supposes: people who are away, jobs that fall away, visits that take longer."""

    absent_technician_ids: _Ids = []
    without_work_order_ids: _Ids = []
    longer_s: Annotated[
        dict[UUID, Annotated[int, pydantic.Field(ge=0, le=86_400)]], pydantic.Field(max_length=500)
    ] = {}
    weights: WeightChanges | None = None

    def supposed(self) -> Supposed:
        return Supposed(
            absent=_as_text(self.absent_technician_ids),
            without=_as_text(self.without_work_order_ids),
            longer_s={str(key): value for key, value in self.longer_s.items()} or None,
            weights=None if self.weights is None else self.weights.changes() or None,
        )


def _as_text(ids: list[UUID]) -> frozenset[str]:
    return frozenset(str(each) for each in ids)


class PlanRequest(Body):
    """Which days (in the company's zone), and how long the engine may think, in seconds.

    With `suppose` it is a simulation: planned, compared and explained as any other, and never accepted.
    `may_break_promises` prices the ends of promised windows instead of keeping them; left out, they are
    priced where planned visits may move, since the day may already have broken one. With `iterations` the
    clock is not looked at, and the same inputs give the same plan. `auto` chooses the engine by the day; the
    plan names the one that made it.
    """

    starts_on: http.Day
    ends_on: http.Day | None = None
    seconds: Annotated[float, pydantic.Field(ge=0.5, le=120)] = 5.0
    iterations: Annotated[int, pydantic.Field(ge=1, le=1_000_000)] | None = None
    seed: Annotated[int, pydantic.Field(ge=0, le=2**31 - 1)] = 0
    engine: Annotated[str, pydantic.Field(pattern=f"^({'|'.join(ENGINES)})$")] = "auto"
    scope: ScopeBody = pydantic.Field(default_factory=ScopeBody)
    suppose: SupposedBody = pydantic.Field(default_factory=SupposedBody)
    may_break_promises: bool | None = None

    def options(self) -> Options:
        return Options(
            self.scope.scope(), self.suppose.supposed(), self.iterations, self.may_break_promises
        )


class Acceptance(Body):
    """`groups` accepts groups of the difference by number, `work_order_ids` the groups of these jobs; left
    out, the whole plan."""

    work_order_ids: _Ids | None = None
    groups: Annotated[list[int], pydantic.Field(max_length=5_000)] | None = None


class Undoing(Body):
    """`reason` is needed where a link between jobs suffers."""

    reason: http.Line | None = None


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
            options=data.options(),
        )
        return PlanView.of(run)

    @get(
        "/",
        opt=needs(Permission.PLAN),
        summary="Plans, newest first",
        dependencies=http.pages_of(50),
    )
    async def list(self, session: DbSession, actor: CurrentActor, page: http.Page) -> PlanPage:
        runs = await queries.list_runs(session, actor, limit=page.limit, after=page.after_id)
        return PlanPage([PlanRow.of(run) for run in runs], page.next(runs))

    @get("/{plan_id:uuid}", opt=needs(Permission.PLAN), summary="One plan with its reasons")
    async def read(
        self, session: DbSession, actor: CurrentActor, plan_id: FromPath[UUID]
    ) -> PlanView:
        return PlanView.of(await queries.find_run(session, actor, plan_id))

    @get(
        "/{plan_id:uuid}/unplanned/{work_order_id:uuid}/reason",
        opt=needs(Permission.PLAN),
        responses=http.refusals(PlanNotReady),
        summary="Why a plan leaves a job out, looked at in full",
    )
    async def reason(
        self,
        session: DbSession,
        actor: CurrentActor,
        plan_id: FromPath[UUID],
        work_order_id: FromPath[UUID],
    ) -> ReasonView:
        return ReasonView.of(await queries.explain_one(session, actor, plan_id, work_order_id))

    @post(
        "/{plan_id:uuid}/acceptance",
        opt=needs(Permission.PLAN),
        status_code=HTTP_200_OK,
        responses=http.refusals(PlanNotReady, NotAPlan, WrongStatus),
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
        done = await accepting.accept(
            session, actor, now, plan_id, only=data.work_order_ids, groups=data.groups
        )
        return AcceptedView(
            done.run.id,
            done.run.status,
            [VisitView.of(visit) for visit in done.planned],
            [VisitView.of(visit) for visit in done.withdrawn],
            done.skipped,
        )

    @post(
        "/{plan_id:uuid}/undoing",
        opt=needs(Permission.PLAN),
        status_code=HTTP_200_OK,
        responses=http.refusals(ReasonNeeded, WrongStatus),
        summary="Take back what an accepted plan brought, as far as it has not begun",
    )
    async def undo(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        plan_id: FromPath[UUID],
        data: JSONBody[Undoing | None] = None,
    ) -> UndoneView:
        reason = None if data is None else data.reason
        done = await accepting.undo(session, actor, now, plan_id, reason)
        return UndoneView.of(done)

    @get(
        "/{plan_id:uuid}/comparison",
        opt=needs(Permission.PLAN),
        responses=http.refusals(PlanNotReady),
        summary="What is otherwise than in another plan",
    )
    async def compare(
        self,
        session: DbSession,
        actor: CurrentActor,
        plan_id: FromPath[UUID],
        other_id: Annotated[UUID, QueryParameter(name="with")],
    ) -> ComparisonView:
        lines = await queries.compare_runs(session, actor, plan_id, other_id)
        return ComparisonView(plan_id, other_id, lines)

    @post(
        "/{plan_id:uuid}/replay",
        opt=needs(Permission.PLAN),
        status_code=HTTP_202_ACCEPTED,
        responses=http.refusals(PlanNotReady, NotReplayable),
        summary="Have a plan made again from its stored inputs, to see that it comes out the same",
    )
    async def ask_replay(
        self, session: DbSession, actor: CurrentActor, now: Now, plan_id: FromPath[UUID]
    ) -> ReplayView:
        told = await replaying.request_replay(session, actor, now, plan_id)
        return ReplayView.of(plan_id, told)

    @get(
        "/{plan_id:uuid}/replay",
        opt=needs(Permission.PLAN),
        summary="Whether the plan came out the same when it was made again",
    )
    async def replay(
        self, session: DbSession, actor: CurrentActor, plan_id: FromPath[UUID]
    ) -> ReplayView:
        return ReplayView.of(plan_id, await replaying.find_replay(session, actor, plan_id))


ROUTES = [
    PlanController,
    *settings_routes.ROUTES,
    *link_routes.ROUTES,
    *day_routes.ROUTES,
    *board_routes.ROUTES,
    *visit_routes.ROUTES,
]
