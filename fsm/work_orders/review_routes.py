"""What a person must look at, at the office's desk."""

from typing import Annotated
from uuid import UUID

from litestar import Controller, get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK

from fsm import http
from fsm.actors import Permission
from fsm.http import Body, CurrentActor, DbSession, Line, Now, needs
from fsm.work_orders import lists
from fsm.work_orders.views import ReviewPage, ReviewView


class Settlement(Body):
    settlement: Line


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


ROUTES = [ReviewController]
