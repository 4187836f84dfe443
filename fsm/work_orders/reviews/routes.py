"""What a person must look at, at the office's desk."""

from typing import Annotated
from uuid import UUID

from litestar import Controller, get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK

from fsm import http
from fsm.actors import Permission
from fsm.http import Body, CurrentActor, DbSession, Line, Now, needs
from fsm.work_orders.reviews import queries
from fsm.work_orders.reviews.views import ReviewPage, ReviewView, WaitingReviews


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
        kind: Annotated[list[str] | None, QueryParameter()] = None,
    ) -> ReviewPage:
        found = await queries.list_reviews(
            session, actor, settled=settled, kinds=kind, limit=page.limit, after=page.after_id
        )
        return ReviewPage(found, page.next(found))

    @get(
        "/waiting",
        opt=needs(Permission.EDIT_WORK_ORDERS),
        summary="How much a person must look at, of each kind",
    )
    async def waiting(self, session: DbSession, actor: CurrentActor) -> WaitingReviews:
        kinds = await queries.count_waiting(session, actor)
        return WaitingReviews(sum(one.count for one in kinds), kinds)

    @get(
        "/{review_id:uuid}",
        opt=needs(Permission.EDIT_WORK_ORDERS),
        summary="One thing that a person must look at, or what was made of it",
    )
    async def read(
        self, session: DbSession, actor: CurrentActor, review_id: FromPath[UUID]
    ) -> ReviewView:
        return await queries.find_review(session, actor, review_id)

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
        """Settling it again changes nothing: the answer says who did, and what they noted."""
        await queries.settle_review(session, actor, now, review_id, data.settlement)
        return await queries.find_review(session, actor, review_id)


ROUTES = [ReviewController]
