"""Visits and reviews at the office's desk."""

from datetime import datetime, timedelta
from typing import Annotated, TypeAlias
from uuid import UUID

import pydantic
from litestar import Controller, get, patch, post
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED

from fsm import http
from fsm.actors import Permission
from fsm.database import utc
from fsm.http import Body, CurrentActor, DbSession, Instant, Line, Now, needs
from fsm.problems import Invalid
from fsm.work_orders import lists, orders, visits
from fsm.work_orders.lifecycle import WrongStatus
from fsm.work_orders.views import ReviewPage, ReviewView, VisitView


class NewVisitBody(Body):
    """A trip to plan by hand; `window_*` is what was announced to the customer."""

    work_order_id: UUID
    technician_id: UUID
    starts_at: Instant
    ends_at: Instant
    window_starts_at: Instant | None = None
    window_ends_at: Instant | None = None
    is_pinned: bool = False


class VisitEdit(Body):
    """`window_reason` and `window_asked_by_customer` say why a window becomes another, and who asked."""

    rev: http.Revision
    technician_id: UUID | None = None
    planned_starts_at: Instant | None = None
    planned_ends_at: Instant | None = None
    window_starts_at: Instant | None = None
    window_ends_at: Instant | None = None
    window_reason: Line | None = None
    window_asked_by_customer: bool = False
    is_pinned: bool = False


class Withdrawal(Body):
    reason: Line


class Dispatching(Body):
    """The visits to release, at most a day's."""

    visit_ids: Annotated[list[UUID], pydantic.Field(min_length=1, max_length=2_000)]


class Settlement(Body):
    settlement: Line


Visits: TypeAlias = list[VisitView]


class VisitController(Controller):
    path = "/api/visits"
    tags = ["Visits"]

    @get("/", opt=needs(Permission.READ_WORK_ORDERS), summary="Visits of a span of time")
    async def list(
        self,
        session: DbSession,
        actor: CurrentActor,
        from_at: Annotated[datetime, QueryParameter(name="from")],
        to_at: Annotated[datetime, QueryParameter(name="to")],
        technician_id: Annotated[UUID | None, QueryParameter()] = None,
    ) -> Visits:
        from_at, to_at = utc(from_at), utc(to_at)
        if not timedelta(0) < to_at - from_at <= timedelta(days=31):
            raise Invalid("Ask for a span of up to 31 days.", errors=[{"at": "/to"}])
        found = await lists.list_visits_between(session, actor, from_at, to_at, technician_id)
        return [VisitView.of(visit) for visit in found]

    @post("/", opt=needs(Permission.PLAN), status_code=HTTP_201_CREATED, summary="Plan a visit")
    async def plan(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[NewVisitBody]
    ) -> VisitView:
        await orders.find_work_order(session, actor, data.work_order_id)
        (visit,) = await visits.plan_visits(
            session, actor, now, [visits.NewVisit(**data.model_dump())]
        )
        await visits.announce_window(session, actor, now, visit)
        return VisitView.of(visit)

    @get("/{visit_id:uuid}", opt=needs(Permission.READ_WORK_ORDERS), summary="One visit")
    async def read(
        self, session: DbSession, actor: CurrentActor, visit_id: FromPath[UUID]
    ) -> VisitView:
        return VisitView.of(await visits.find_visit(session, actor, visit_id))

    @patch(
        "/{visit_id:uuid}",
        opt=needs(Permission.PLAN),
        responses=http.refusals(WrongStatus),
        summary="Move a visit that has not begun; another technician makes another visit",
    )
    async def edit(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        visit_id: FromPath[UUID],
        data: JSONBody[VisitEdit],
    ) -> VisitView:
        needed = ("technician_id", "planned_starts_at", "planned_ends_at")
        changes = {
            name: value
            for name, value in data.changes().items()
            if value is not None or name not in needed
        }
        said = visits.WindowSaid(
            changes.pop("window_reason", None), changes.pop("window_asked_by_customer", False)
        )
        return VisitView.of(
            await visits.edit_by_hand(session, actor, now, visit_id, data.rev, changes, said)
        )

    @post(
        "/{visit_id:uuid}/withdrawal",
        opt=needs(Permission.PLAN),
        status_code=HTTP_200_OK,
        responses=http.refusals(WrongStatus),
        summary="Take back a visit that has not begun",
    )
    async def withdraw(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        visit_id: FromPath[UUID],
        data: JSONBody[Withdrawal],
    ) -> VisitView:
        return VisitView.of(
            await visits.withdraw(session, actor, now, visit_id, reason=data.reason)
        )

    @post(
        "/dispatching",
        opt=needs(Permission.PLAN),
        status_code=HTTP_200_OK,
        responses=http.refusals(WrongStatus),
        summary="Release planned visits to their technicians' phones",
    )
    async def dispatch(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[Dispatching]
    ) -> Visits:
        released = await visits.dispatch_all(session, actor, now, set(data.visit_ids))
        return [VisitView.of(visit) for visit in released]


class ReviewController(Controller):
    path = "/api/reviews"
    tags = ["Visits"]

    @get("/", opt=needs(Permission.EDIT_WORK_ORDERS), summary="What a person must look at")
    async def list(
        self,
        session: DbSession,
        actor: CurrentActor,
        page: http.Page,
        settled: Annotated[bool, QueryParameter()] = False,
    ) -> ReviewPage:
        found = await lists.list_reviews(
            session, actor, settled=settled, limit=page.limit, after=page.after_id
        )
        return ReviewPage([ReviewView.of(review) for review in found], page.next(found))

    @post(
        "/{review_id:uuid}/settlement",
        opt=needs(Permission.EDIT_WORK_ORDERS),
        status_code=HTTP_200_OK,
        summary="Note what was made of it",
    )
    async def settle(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        review_id: FromPath[UUID],
        data: JSONBody[Settlement],
    ) -> ReviewView:
        return ReviewView.of(
            await lists.settle_review(session, actor, now, review_id, data.settlement)
        )


ROUTES = [VisitController, ReviewController]
