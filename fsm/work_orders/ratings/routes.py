"""Ratings over HTTP: the office reads them, a customer's user gives them."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
import pydantic
from litestar import Controller, get, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from litestar.status_codes import HTTP_201_CREATED

from fsm import http
from fsm.actors import Permission
from fsm.http import Body, CurrentActor, DbSession, Now, Text, needs
from fsm.problems import Forbidden
from fsm.work_orders.ratings import queries
from fsm.work_orders.ratings.queries import Given, Rater, Said
from fsm.work_orders.ratings.rules import (
    MOST_STARS,
    NothingToRate,
    RatingSettled,
    Scale,
    changeable_until,
)
from fsm.work_orders.ratings.tables import Rating

Stars = Annotated[int, pydantic.Field(ge=1, le=MOST_STARS)]
AtMost = Annotated[
    int | None, QueryParameter(ge=1, le=MOST_STARS, description="Only ratings of so many or fewer.")
]
Replaced = Annotated[bool, QueryParameter(description="Also ratings that were changed later.")]


class NewRating(Body):
    stars: Stars
    nps: Annotated[int, pydantic.Field(ge=0, le=10)] | None = None
    comment: Text = ""


class RatingView(msgspec.Struct, frozen=True):
    """What was said of one visit, by the holder of a request's link or by a customer's user."""

    id: UUID
    work_order_id: UUID
    visit_id: UUID
    request_id: UUID | None
    user_id: UUID | None
    scale: Scale
    stars: int
    nps: int | None
    comment: str
    given_at: datetime

    @classmethod
    def of(cls, row: Rating) -> "RatingView":
        return cls(**{name: getattr(row, name) for name in cls.__struct_fields__})


class RatingPage(msgspec.Struct, frozen=True):
    items: list[RatingView]
    next: str | None


class GivenView(msgspec.Struct, frozen=True):
    """The rating that counts now, and until when it can be changed."""

    rating: RatingView
    changeable_until: datetime

    @classmethod
    def of(cls, given: Given) -> "GivenView":
        return cls(RatingView.of(given.rating), changeable_until(given.first_at))


class RatingController(Controller):
    path = "/api"
    tags = ["Ratings"]

    @get(
        "/ratings",
        opt=needs(Permission.READ_WORK_ORDERS),
        summary="What customers said of visits, the latest first",
    )
    async def browse(
        self,
        session: DbSession,
        actor: CurrentActor,
        page: http.Page,
        work_order_id: FromQuery[UUID | None] = None,
        technician_id: FromQuery[UUID | None] = None,
        most_stars: AtMost = None,
        with_replaced: Replaced = False,
    ) -> RatingPage:
        if technician_id is not None:
            actor.must(Permission.READ_TECHNICIANS)
        rows = await queries.list_ratings(
            session,
            actor,
            after=page.after_id,
            limit=page.limit,
            work_order_id=work_order_id,
            technician_id=technician_id,
            most_stars=most_stars,
            with_replaced=with_replaced,
        )
        return RatingPage([RatingView.of(row) for row in rows], page.next(rows))

    @post(
        "/work-orders/{work_order_id:uuid}/ratings",
        opt=needs(Permission.EDIT_REQUESTS),
        status_code=HTTP_201_CREATED,
        responses=http.refusals(NothingToRate, RatingSettled),
        summary="Rate the last finished visit of a job, as its customer",
    )
    async def rate(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        work_order_id: FromPath[UUID],
        data: JSONBody[NewRating],
    ) -> GivenView:
        if actor.customer_id is None:
            raise Forbidden(
                "Only the customer rates. What a customer tells you goes into the job's notes."
            )
        said = Said(data.stars, Scale.STARS, data.nps, data.comment)
        rater = Rater(user_id=actor.user_id)
        return GivenView.of(await queries.rate(session, actor, now, work_order_id, rater, said))


ROUTES = [RatingController]
