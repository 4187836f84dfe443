"""Preventive maintenance over HTTP: plans, what falls due, what is coming, and the door for conditions."""

from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED

from fsm import http
from fsm.actors import Actor, Permission
from fsm.catalogue import queries as catalogue
from fsm.database import Session, utc
from fsm.http import CurrentActor, DbSession, Now, needs
from fsm.maintenance import generator, outlook, queries, views
from fsm.maintenance.covering import OccurrenceStatus
from fsm.problems import Invalid
from fsm.work_orders.lifecycle import WrongStatus

READ = needs(Permission.READ_WORK_ORDERS)
EDIT = needs(Permission.EDIT_WORK_ORDERS)

Weeks = Annotated[int, QueryParameter(ge=1, le=104, description="How many weeks, this one first.")]
DueFrom = Annotated[
    datetime | None, QueryParameter(description="Only what is due then or later, with its zone.")
]
DueBefore = Annotated[
    datetime | None, QueryParameter(description="Only what is due before, with its zone.")
]
Statuses = Annotated[list[OccurrenceStatus] | None, QueryParameter(max_items=6)]


async def _values(session: Session, actor: Actor, sent: dict[str, Any]) -> dict[str, Any]:
    """Return what was sent with the work type's id instead of its code."""
    if "work_type" not in sent:
        return sent
    work_type = await catalogue.find_work_type_by_code(session, actor, sent.pop("work_type"))
    return sent | {"work_type_id": work_type.id}


class PlanController(Controller):
    path = "/api/maintenance-plans"
    tags = ["Maintenance"]

    @get("/", opt=READ, summary="List maintenance plans")
    async def browse(
        self,
        session: DbSession,
        actor: CurrentActor,
        page: http.Page,
        q: http.Search = None,
        asset_id: FromQuery[UUID | None] = None,
        is_active: http.Active = None,
    ) -> views.PlanPage:
        rows = await queries.list_plans(
            session,
            actor,
            after=page.after_id,
            limit=page.limit,
            asset_id=asset_id,
            is_active=is_active,
            q=q,
        )
        return views.PlanPage([views.PlanView.of(row) for row in rows], page.next(rows))

    @post("/", opt=EDIT, status_code=HTTP_201_CREATED, summary="Add a maintenance plan")
    async def add(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[views.NewPlan]
    ) -> views.PlanView:
        values = await _values(session, actor, data.model_dump())
        return views.PlanView.of(await queries.add_plan(session, actor, now, values))

    @get("/{plan_id:uuid}", opt=READ, summary="Read a maintenance plan")
    async def read(
        self, session: DbSession, actor: CurrentActor, plan_id: FromPath[UUID]
    ) -> views.PlanView:
        return views.PlanView.of(await queries.find_plan(session, actor, plan_id))

    @patch(
        "/{plan_id:uuid}",
        opt=EDIT,
        summary="Edit a maintenance plan for what nobody has been sent for",
    )
    async def edit(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        plan_id: FromPath[UUID],
        data: JSONBody[views.PlanEdit],
    ) -> views.PlanView:
        changes = await _values(session, actor, data.changes())
        plan = await queries.edit_plan(session, actor, now, plan_id, data.rev, changes)
        return views.PlanView.of(plan)

    @get("/{plan_id:uuid}/coming", opt=READ, summary="When a plan falls due in the next weeks")
    async def coming(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        plan_id: FromPath[UUID],
        weeks: Weeks = 52,
        asset_id: FromQuery[UUID | None] = None,
    ) -> list[views.ComingView]:
        queries.check_office(actor)
        await queries.find_plan(session, actor, plan_id)
        to_at = now + timedelta(weeks=weeks)
        found = await outlook.list_coming(
            session, actor, now, to_at, plan_id=plan_id, asset_id=asset_id
        )
        return [views.ComingView.of(one) for one in found]

    @post(
        "/{plan_id:uuid}/conditions",
        opt=EDIT,
        status_code=HTTP_201_CREATED,
        summary="Call for the work of a plan because something was noticed; once for each key",
    )
    async def call_for(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        plan_id: FromPath[UUID],
        data: JSONBody[views.Condition],
    ) -> views.OccurrenceView:
        plan = await queries.find_plan(session, actor, plan_id)
        observed_at = utc(data.observed_at or now)
        if observed_at > now:
            raise Invalid("Nothing is noticed in the future.", errors=[{"at": "/observed_at"}])
        row = await generator.call_for(
            session,
            actor,
            now,
            plan.id,
            asset_id=data.asset_id,
            key=data.key,
            observed_at=observed_at,
            due_at=observed_at + timedelta(days=plan.within_days or 0),
            note=data.note,
        )
        return views.OccurrenceView.of(await queries.find_listed(session, actor, row.id), now)


class OccurrenceController(Controller):
    path = "/api/maintenance-occurrences"
    tags = ["Maintenance"]

    @get("/", opt=READ, summary="List what fell or falls due, and what became of it")
    async def browse(
        self,
        session: DbSession,
        actor: CurrentActor,
        page: http.Page,
        now: Now,
        plan_id: FromQuery[UUID | None] = None,
        asset_id: FromQuery[UUID | None] = None,
        status: Statuses = None,
        due_from: DueFrom = None,
        due_before: DueBefore = None,
    ) -> views.OccurrencePage:
        rows = await queries.list_occurrences(
            session,
            actor,
            after=page.after_id,
            limit=page.limit,
            plan_id=plan_id,
            asset_id=asset_id,
            status=status,
            due_from=None if due_from is None else utc(due_from),
            due_before=None if due_before is None else utc(due_before),
        )
        return views.OccurrencePage(
            [views.OccurrenceView.of(row, now) for row in rows],
            page.next([row.occurrence for row in rows]),
        )

    @post(
        "/{occurrence_id:uuid}/skipping",
        opt=EDIT,
        status_code=HTTP_200_OK,
        responses=http.refusals(WrongStatus),
        summary="Pass over an occurrence that nobody has been sent for",
    )
    async def skip(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        occurrence_id: FromPath[UUID],
        data: JSONBody[views.Skipping],
    ) -> views.OccurrenceView:
        row = await queries.skip(session, actor, now, occurrence_id, reason=data.reason)
        return views.OccurrenceView.of(await queries.find_listed(session, actor, row.id), now)


class OutlookController(Controller):
    path = "/api/maintenance-outlook"
    tags = ["Maintenance"]

    @get(
        "/",
        opt=needs(Permission.PLAN),
        summary="Hours of preventive work to come, by week and trade",
    )
    async def look(
        self, session: DbSession, actor: CurrentActor, now: Now, weeks: Weeks = 13
    ) -> views.OutlookView:
        return views.OutlookView.of(await outlook.look(session, actor, now, weeks=weeks))


ROUTES = [PlanController, OccurrenceController, OutlookController]
