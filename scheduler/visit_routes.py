"""Visits at the office's desk: listed, planned and moved plainly, taken back, released to phones.

They stand here since planning and moving one tells of links between jobs.
"""

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
from fsm.work_orders import lists, visits
from fsm.work_orders.lifecycle import WrongStatus
from fsm.work_orders.views import VisitView
from scheduler import by_hand
from scheduler.placements import MovedMeanwhile, ReasonNeeded, take_back


class NewVisitBody(Body):
    """A trip to plan by hand; `window_*` is what was announced to the customer.

    `reason` is needed where a link between jobs suffers.
    """

    work_order_id: UUID
    technician_id: UUID
    starts_at: Instant
    ends_at: Instant
    window_starts_at: Instant | None = None
    window_ends_at: Instant | None = None
    is_pinned: bool = False
    reason: Line | None = None


class VisitEdit(Body):
    """`window_reason` and `window_asked_by_customer` say why a window becomes another, and who asked.

    `reason` is needed where a link between jobs suffers.
    """

    rev: http.Revision
    technician_id: UUID | None = None
    planned_starts_at: Instant | None = None
    planned_ends_at: Instant | None = None
    window_starts_at: Instant | None = None
    window_ends_at: Instant | None = None
    window_reason: Line | None = None
    window_asked_by_customer: bool = False
    is_pinned: bool = False
    reason: Line | None = None


class Withdrawal(Body):
    """`rev` is the visit's as the caller saw it: with it, what somebody moved meanwhile is not taken."""

    reason: Line
    rev: http.Revision | None = None


class Dispatching(Body):
    """The visits to release, at most a day's."""

    visit_ids: Annotated[list[UUID], pydantic.Field(min_length=1, max_length=2_000)]


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

    @post(
        "/",
        opt=needs(Permission.PLAN),
        status_code=HTTP_201_CREATED,
        responses=http.refusals(ReasonNeeded, WrongStatus),
        summary="Plan a visit",
    )
    async def plan(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[NewVisitBody]
    ) -> VisitView:
        new = visits.NewVisit(**data.model_dump(exclude={"reason"}))
        return VisitView.of(await by_hand.plan_visit(session, actor, now, new, data.reason))

    @get("/{visit_id:uuid}", opt=needs(Permission.READ_WORK_ORDERS), summary="One visit")
    async def read(
        self, session: DbSession, actor: CurrentActor, visit_id: FromPath[UUID]
    ) -> VisitView:
        return VisitView.of(await visits.find_visit(session, actor, visit_id))

    @patch(
        "/{visit_id:uuid}",
        opt=needs(Permission.PLAN),
        responses=http.refusals(ReasonNeeded, WrongStatus),
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
        reason = changes.pop("reason", None)
        said = visits.WindowSaid(
            changes.pop("window_reason", None), changes.pop("window_asked_by_customer", False)
        )
        visit = await by_hand.edit_visit(
            session, actor, now, visit_id, data.rev, changes, said, reason
        )
        return VisitView.of(visit)

    @post(
        "/{visit_id:uuid}/withdrawal",
        opt=needs(Permission.PLAN),
        status_code=HTTP_200_OK,
        responses=http.refusals(WrongStatus, MovedMeanwhile),
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
        return VisitView.of(await take_back(session, actor, now, visit_id, data.rev, data.reason))

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


ROUTES = [VisitController]
