"""Jobs at the office's desk: created, read, edited, judged, closed, reopened, cancelled."""

from typing import Annotated, Any
from uuid import UUID

import pydantic
from litestar import Controller, Request, get, patch, post
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED

from fsm import http
from fsm.actors import Actor, Permission
from fsm.assets import queries as assets
from fsm.assets.tables import Asset
from fsm.catalogue import queries as catalogue
from fsm.catalogue.tables import RequestClass
from fsm.customers import queries as customers
from fsm.database import Session
from fsm.http import Body, Code, CurrentActor, DbSession, Instant, Line, Now, ReadOnly, Text, needs
from fsm.languages import LANGUAGES
from fsm.negotiation import best_language
from fsm.problems import Invalid
from fsm.work_orders import clocks, completion, history, lists, orders, records
from fsm.work_orders.closing_sentences import ChecklistIncomplete
from fsm.work_orders.completion import FactsMoved
from fsm.work_orders.facts import judge, load_template
from fsm.work_orders.field_work import waive
from fsm.work_orders.lifecycle import WrongStatus
from fsm.work_orders.tables import Impact, WorkOrder
from fsm.work_orders.views import (
    AnswerView,
    EventPage,
    EventView,
    NoteView,
    PartUsedView,
    PhotoView,
    RecordView,
    TimeEntryView,
    VerdictView,
    WorkOrderPage,
    WorkOrderView,
)

Priority = Annotated[int, pydantic.Field(ge=1, le=5)]
Duration = Annotated[int, pydantic.Field(ge=60, le=30 * 86_400)]


class NewWorkOrder(Body):
    work_type: Code
    site_id: UUID | None = None
    asset_id: UUID | None = None
    title: Line
    description: Text = ""
    reported_at: Instant | None = None
    request_class: RequestClass | None = None
    impact: Impact | None = None
    priority: Priority | None = None
    estimate_s: Duration | None = None
    crew_size: Annotated[int, pydantic.Field(ge=1, le=10)] = 1
    follows_id: UUID | None = None


class WorkOrderEdit(Body):
    rev: http.Revision
    title: Line = ""
    description: Text = ""
    priority: Priority = 3
    estimate_s: Duration = 3_600
    crew_size: Annotated[int, pydantic.Field(ge=1, le=10)] = 1


class Because(Body):
    """A coded reason."""

    reason: Code


class Reclassing(Body):
    request_class: RequestClass
    reason: Code


class Closure(Body):
    """`facts_rev` is the revision that the person looked at before closing."""

    facts_rev: Annotated[int, pydantic.Field(ge=0)]


class NewWaiver(Body):
    item: Code
    reason: Line


def language_of(request: Request[Any, Any, Any]) -> str:
    """Return the language in which a refusal or verdict is worded: English unless Russian is preferred."""
    return best_language(request.headers.get("accept-language", ""), LANGUAGES) or "en"


async def view(session: Session, work_order: WorkOrder) -> WorkOrderView:
    await session.flush()
    return WorkOrderView.of(
        work_order,
        await clocks.list_clocks(session, work_order),
        await orders.list_visits(session, work_order),
    )


async def _place(session: Session, actor: Actor, data: NewWorkOrder) -> tuple[Any, Asset | None]:
    """Return site and asset of a new job: the asset's own site where none is named."""
    asset = await assets.find_asset(session, actor, data.asset_id) if data.asset_id else None
    site_id = data.site_id or (asset.site_id if asset else None)
    if site_id is None:
        raise Invalid(
            "A work order needs an asset or a site.",
            errors=[{"at": "/asset_id"}, {"at": "/site_id"}],
        )
    return await customers.find_site(session, actor, site_id), asset


class WorkOrderController(Controller):
    path = "/api/work-orders"
    tags = ["Work orders"]

    @get("/", opt=needs(Permission.READ_WORK_ORDERS), summary="List work orders, newest first")
    async def list(
        self,
        reader: ReadOnly,
        limit: http.PageSize = 100,
        after: http.After = None,
        status: Annotated[list[str] | None, QueryParameter(max_items=8)] = None,
        asset_id: Annotated[UUID | None, QueryParameter()] = None,
        site_id: Annotated[UUID | None, QueryParameter()] = None,
        contract_id: Annotated[UUID | None, QueryParameter()] = None,
        q: Annotated[str | None, QueryParameter(max_length=100)] = None,
    ) -> WorkOrderPage:
        return await lists.list_work_orders(
            reader,
            after=after,
            limit=limit,
            status=status,
            asset_id=asset_id,
            site_id=site_id,
            contract_id=contract_id,
            q=q,
        )

    @post(
        "/",
        opt=needs(Permission.EDIT_WORK_ORDERS),
        status_code=HTTP_201_CREATED,
        summary="Create a work order",
    )
    async def create(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[NewWorkOrder]
    ) -> WorkOrderView:
        site, asset = await _place(session, actor, data)
        reported_at = data.reported_at or now
        if reported_at > now:
            raise Invalid("A job is not reported in the future.", errors=[{"at": "/reported_at"}])
        follows = (
            await orders.find_work_order(session, actor, data.follows_id)
            if data.follows_id
            else None
        )
        work_order = await orders.create_work_order(
            session,
            actor,
            now,
            work_type=await catalogue.find_work_type_by_code(session, actor, data.work_type),
            site=site,
            asset=asset,
            title=data.title,
            description=data.description,
            reported_at=reported_at,
            request_class=data.request_class,
            impact=data.impact,
            priority=data.priority,
            estimate_s=data.estimate_s,
            crew_size=data.crew_size,
            follows=follows,
        )
        return await view(session, work_order)

    @get("/{work_order_id:uuid}", opt=needs(Permission.READ_WORK_ORDERS), summary="One work order")
    async def read(self, reader: ReadOnly, work_order_id: FromPath[UUID]) -> WorkOrderView:
        return await lists.read_work_order(reader, work_order_id)

    @patch(
        "/{work_order_id:uuid}",
        opt=needs(Permission.EDIT_WORK_ORDERS),
        responses=http.refusals(WrongStatus),
        summary="Edit a work order; its status is not edited, it follows from what happens",
    )
    async def edit(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        work_order_id: FromPath[UUID],
        data: JSONBody[WorkOrderEdit],
    ) -> WorkOrderView:
        work_order = await orders.edit_work_order(
            session, actor, now, work_order_id, data.rev, data.changes()
        )
        return await view(session, work_order)

    @post(
        "/{work_order_id:uuid}/cancellation",
        opt=needs(Permission.CANCEL_WORK_ORDER),
        status_code=HTTP_200_OK,
        responses=http.refusals(WrongStatus),
        summary="Cancel a work order",
    )
    async def cancel(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        work_order_id: FromPath[UUID],
        data: JSONBody[Because],
    ) -> WorkOrderView:
        work_order = await orders.cancel(session, actor, now, work_order_id, reason=data.reason)
        return await view(session, work_order)

    @post(
        "/{work_order_id:uuid}/reclassing",
        opt=needs(Permission.EDIT_WORK_ORDERS),
        status_code=HTTP_200_OK,
        responses=http.refusals(WrongStatus),
        summary="Change incident to service request, or back",
    )
    async def reclass(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        work_order_id: FromPath[UUID],
        data: JSONBody[Reclassing],
    ) -> WorkOrderView:
        work_order = await orders.reclass(
            session,
            actor,
            now,
            work_order_id,
            request_class=data.request_class,
            reason=data.reason,
        )
        return await view(session, work_order)

    @get(
        "/{work_order_id:uuid}/verdict",
        opt=needs(Permission.READ_WORK_ORDERS),
        responses=http.refusals(WrongStatus),
        summary="What stands between the job and its completion",
    )
    async def verdict(
        self,
        request: Request[Any, Any, Any],
        session: DbSession,
        actor: CurrentActor,
        work_order_id: FromPath[UUID],
    ) -> VerdictView:
        work_order = await orders.find_work_order(session, actor, work_order_id)
        template = await load_template(session, work_order)
        judged = await judge(session, work_order)
        if judged is None or template is None:
            raise WrongStatus(
                "This job has no checklist yet: one is pinned when its first visit is dispatched."
            )
        return VerdictView.of(work_order.status, judged, template, language_of(request))

    @post(
        "/{work_order_id:uuid}/closure",
        opt=needs(Permission.CLOSE_WORK_ORDER),
        status_code=HTTP_200_OK,
        responses=http.refusals(WrongStatus, ChecklistIncomplete, FactsMoved),
        summary="Close a completed work order after the office's check",
    )
    async def close(
        self,
        request: Request[Any, Any, Any],
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        work_order_id: FromPath[UUID],
        data: JSONBody[Closure],
    ) -> WorkOrderView:
        work_order = await orders.lock_work_order(session, actor, work_order_id)
        if actor.user_id is None:
            raise Invalid("A job is closed by a person.")
        await completion.close(
            session,
            actor,
            work_order,
            now,
            by=actor.user_id,
            facts_rev=data.facts_rev,
            language=language_of(request),
        )
        return await view(session, work_order)

    @post(
        "/{work_order_id:uuid}/reopening",
        opt=needs(Permission.REOPEN_WORK_ORDER),
        status_code=HTTP_200_OK,
        responses=http.refusals(WrongStatus),
        summary="Reopen a completed or closed work order",
    )
    async def reopen(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        work_order_id: FromPath[UUID],
        data: JSONBody[Because],
    ) -> WorkOrderView:
        work_order = await orders.lock_work_order(session, actor, work_order_id)
        await orders.check_reopening(session, actor, data.reason)
        await completion.reopen(session, actor, work_order, now, reason=data.reason)
        return await view(session, work_order)

    @post(
        "/{work_order_id:uuid}/waivers",
        opt=needs(Permission.WAIVE_ITEM),
        status_code=HTTP_201_CREATED,
        responses=http.refusals(WrongStatus),
        summary="Let a checklist item go, with a name and a reason",
    )
    async def waive(
        self,
        request: Request[Any, Any, Any],
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        work_order_id: FromPath[UUID],
        data: JSONBody[NewWaiver],
    ) -> VerdictView:
        work_order = await orders.lock_work_order(session, actor, work_order_id)
        await waive(session, actor, now, work_order, item=data.item, reason=data.reason)
        template = await load_template(session, work_order)
        judged = await judge(session, work_order)
        assert judged is not None
        return VerdictView.of(work_order.status, judged, template, language_of(request))

    @get(
        "/{work_order_id:uuid}/records",
        opt=needs(Permission.READ_WORK_ORDERS),
        summary="What was recorded on a job",
    )
    async def records(
        self, session: DbSession, actor: CurrentActor, work_order_id: FromPath[UUID]
    ) -> RecordView:
        job = await orders.find_work_order(session, actor, work_order_id)
        # Notes are written among colleagues; what a customer is told goes other ways.
        is_ours = actor.customer_id is None
        notes = await lists.list_records(session, job, records.Note) if is_ours else []
        return RecordView(
            answers=[
                AnswerView.of(one) for one in await lists.list_records(session, job, records.Answer)
            ],
            photos=[
                PhotoView.of(one) for one in await lists.list_records(session, job, records.Photo)
            ],
            time=[
                TimeEntryView.of(one)
                for one in await lists.list_records(session, job, records.TimeEntry)
            ],
            parts=[
                PartUsedView.of(one)
                for one in await lists.list_records(session, job, records.PartUsed)
            ],
            notes=[NoteView(one.text, one.written_at, one.by) for one in notes],
        )

    @get(
        "/{work_order_id:uuid}/history",
        opt=needs(Permission.READ_HISTORY),
        summary="Who did what to a job, when, from which device",
        dependencies=http.pages_of(200),
    )
    async def history(
        self,
        session: DbSession,
        actor: CurrentActor,
        page: http.Page,
        work_order_id: FromPath[UUID],
    ) -> EventPage:
        job = await orders.find_work_order(session, actor, work_order_id)
        found = await history.list_history(
            session, actor, job, limit=page.limit, after=page.after_id
        )
        items = [
            EventView(**{name: getattr(event, name) for name in EventView.__struct_fields__})
            for event in found
        ]
        return EventPage(items, page.next(found))


ROUTES = [WorkOrderController]
