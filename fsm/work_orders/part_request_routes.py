"""Parts that jobs need, over HTTP, and what is to be ordered."""

from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Annotated, TypeAlias
from uuid import UUID

import msgspec
from litestar import Controller, get, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED

from fsm import http
from fsm.actors import Permission
from fsm.http import Body, CurrentActor, Day, DbSession, Line, Now, Quantity, needs
from fsm.parts.queries import find_part
from fsm.work_orders import part_requests, reordering
from fsm.work_orders.orders import lock_work_order
from fsm.work_orders.reordering import PartToOrder
from fsm.work_orders.tables import PartRequest, PartRequestStatus

READ = needs(Permission.READ_PARTS)
EDIT = needs(Permission.EDIT_PARTS)

OneStatus = Annotated[
    PartRequestStatus | None, QueryParameter(description="Only requests in this state.")
]


class NewPartRequest(Body):
    work_order_id: UUID
    part_id: UUID
    quantity: Quantity = Decimal(1)


class Reservation(Body):
    place_id: UUID


class Order(Body):
    """Without a day it is expected after the part's lead time."""

    expected_on: Day | None = None


class Issue(Body):
    """The van, or other place, that the part is handed to."""

    to_place_id: UUID


class Cancelling(Body):
    reason: Line


class PartRequestView(msgspec.Struct, frozen=True):
    id: UUID
    rev: int
    work_order_id: UUID
    visit_id: UUID | None
    part_id: UUID
    quantity: Decimal
    status: str
    place_id: UUID | None
    expected_on: date | None
    requested_at: datetime
    settled_at: datetime | None
    by: str

    @classmethod
    def of(cls, row: PartRequest) -> "PartRequestView":
        return cls(**{name: getattr(row, name) for name in cls.__struct_fields__})


class PartRequestPage(msgspec.Struct, frozen=True):
    items: list[PartRequestView]
    next: str | None


PartsToOrder: TypeAlias = list[PartToOrder]


_step = partial(post, opt=EDIT, status_code=HTTP_200_OK)
"""A step of a request that is there: it is changed, not made."""


class PartRequestController(Controller):
    path = "/api/part-requests"
    tags = ["Parts"]

    @get("/", opt=READ, summary="List the parts that jobs need")
    async def browse(
        self,
        session: DbSession,
        actor: CurrentActor,
        page: http.Page,
        work_order_id: FromQuery[UUID | None] = None,
        status: OneStatus = None,
    ) -> PartRequestPage:
        rows = await part_requests.list_requests(
            session,
            actor,
            work_order_id=work_order_id,
            status=status,
            after=page.after_id,
            limit=page.limit,
        )
        return PartRequestPage([PartRequestView.of(row) for row in rows], page.next(rows))

    @post("/", opt=EDIT, status_code=HTTP_201_CREATED, summary="Ask for a part that a job needs")
    async def add(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[NewPartRequest]
    ) -> PartRequestView:
        work_order = await lock_work_order(session, actor, data.work_order_id)
        await find_part(session, actor, data.part_id)
        request = part_requests.add_request(
            session,
            actor,
            work_order,
            part_id=data.part_id,
            quantity=data.quantity,
            requested_at=now,
        )
        await session.flush()
        return PartRequestView.of(request)

    @_step("/{request_id:uuid}/reservation", summary="Keep a place's stock for a job")
    async def reserve(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        request_id: FromPath[UUID],
        data: JSONBody[Reservation],
    ) -> PartRequestView:
        return PartRequestView.of(
            await part_requests.reserve(session, actor, now, request_id, data.place_id)
        )

    @_step(
        "/{request_id:uuid}/order", summary="Note that a part was ordered, and when it is expected"
    )
    async def order(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        request_id: FromPath[UUID],
        data: JSONBody[Order],
    ) -> PartRequestView:
        return PartRequestView.of(
            await part_requests.order(session, actor, now, request_id, data.expected_on)
        )

    @_step("/{request_id:uuid}/issue", summary="Hand a part over to a van; the job waits no longer")
    async def issue(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        request_id: FromPath[UUID],
        data: JSONBody[Issue],
    ) -> PartRequestView:
        return PartRequestView.of(
            await part_requests.issue(session, actor, now, request_id, data.to_place_id)
        )

    @_step(
        "/{request_id:uuid}/cancellation", summary="Let a request go, and what was reserved for it"
    )
    async def cancel(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        request_id: FromPath[UUID],
        data: JSONBody[Cancelling],
    ) -> PartRequestView:
        return PartRequestView.of(
            await part_requests.cancel(session, actor, now, request_id, data.reason)
        )


class ReorderController(Controller):
    path = "/api/parts-to-order"
    tags = ["Parts"]

    @get("/", opt=READ, summary="Parts of which too little is free, by what is still to come")
    async def browse(self, session: DbSession, actor: CurrentActor) -> PartsToOrder:
        return await reordering.list_to_order(session, actor)


ROUTES = [PartRequestController, ReorderController]
