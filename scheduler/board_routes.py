"""The dispatcher's board over HTTP: all of it at once, what a move would do, the move, pokes of change."""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

import msgspec
import pydantic
from litestar import Controller, Request, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody, QueryParameter
from litestar.response import Stream
from litestar.status_codes import HTTP_200_OK

from fsm import http
from fsm.actors import Permission
from fsm.http import Body, CurrentActor, DbSession, Instant, Line, Now, ReadOnly, needs
from fsm.work_orders.lifecycle import WrongStatus
from fsm.work_orders.views import VisitView
from scheduler.board_changes import BoardChanges, read_changes
from scheduler.board_point import POINT, Point
from scheduler.copying import Copied, copy_visits
from scheduler.day import Contradictory, TooManyPlaces
from scheduler.day_board import BoardView, read_board
from scheduler.joining import Together, join, look_together, put_together
from scheduler.live import watches_in
from scheduler.placements import (
    CannotBePlaced,
    MovedMeanwhile,
    ReasonNeeded,
    Wanted,
    as_json,
    put,
)


class PlacementBody(Body):
    """Where a visit is to go: without `visit_id` a new one of the job.

    `rev` is the visit's as the caller saw it; `ends_at` left out, it takes as long as this person needs.
    `mate_ids`: who comes to a new visit as well, each in a visit of their own at the same time.
    """

    work_order_id: UUID
    technician_id: UUID
    starts_at: Instant
    visit_id: UUID | None = None
    rev: http.Revision | None = None
    ends_at: Instant | None = None
    mate_ids: Annotated[list[UUID], pydantic.Field(max_length=9)] = []

    @pydantic.model_validator(mode="after")
    def _mates_come_to_new_visits(self) -> Self:
        if self.mate_ids and self.visit_id is not None:
            raise ValueError(
                "mate_ids are for a new visit; others join one that is there as its crew"
            )
        return self

    def wanted(self) -> Wanted:
        return Wanted(
            self.work_order_id,
            self.technician_id,
            self.starts_at,
            self.visit_id,
            self.rev,
            self.ends_at,
        )


class PlacementOrder(PlacementBody):
    """`reason` is needed where something suffers that may: a promise, the hours, another visit."""

    reason: Annotated[Line | None, pydantic.Field()] = None


class ConsequenceView(msgspec.Struct, frozen=True):
    """`said` is it in words, by language; of several people `who` is the one it is about."""

    code: str
    is_hard: bool
    asks_reason: bool
    minutes: int
    what: str
    who: str
    said: dict[str, str]


class PlacementView(msgspec.Struct, frozen=True):
    """What comes of it. The added travel is the route's, below zero where it becomes shorter.

    Of a crew: the latest end, the longest way there, the added travel of all, and in words whose each
    consequence is.
    """

    ends_at: datetime
    travel_s: int
    added_travel_s: int
    added_travel_m: int
    is_refused: bool
    asks_reason: bool
    consequences: list[ConsequenceView]

    @classmethod
    def of(cls, together: Together) -> "PlacementView":
        found = list(together.consequences)
        placements = [each.placement for each in together.looked]
        return cls(
            max(each.ends_at for each in together.looked),
            max(each.travel_s for each in placements),
            sum(each.added_s for each in placements),
            sum(each.added_m for each in placements),
            any(each.is_hard for each in found),
            any(each.asks_reason for each in found),
            [msgspec.convert(each, ConsequenceView) for each in as_json(found)],
        )


class PlacedView(VisitView, frozen=True):
    """A visit that was put somewhere; `mates` are those of who else comes, where they were asked for."""

    mates: list[VisitView]


class CrewOrder(Body):
    """Who joins a visit, each in a visit of their own at the same time. `reason` as for a placement."""

    visit_id: UUID
    technician_ids: Annotated[list[UUID], pydantic.Field(min_length=1, max_length=9)]
    reason: Annotated[Line | None, pydantic.Field()] = None


class CrewView(msgspec.Struct, frozen=True):
    """The visits of those who joined, and those that were there before and are of the same crew now."""

    joined: list[VisitView]
    bound: list[VisitView]


class CopyOrder(Body):
    """Visits to plan once more on a day: the same people at the same clocks.

    `reason` holds for each that needs one; without it such visits are left out, and the answer says why.
    """

    visit_ids: Annotated[list[UUID], pydantic.Field(min_length=1, max_length=60)]
    to_on: http.Day
    reason: Annotated[Line | None, pydantic.Field()] = None


class CopyLine(msgspec.Struct, frozen=True):
    """What became of one visit: `copy`, or what stands against it. `is_over`: its job takes no more."""

    visit_id: UUID
    number: str
    copy: VisitView | None
    is_over: bool
    asks_reason: bool
    consequences: list[ConsequenceView]

    @classmethod
    def of(cls, one: Copied) -> "CopyLine":
        facts = one.refused.facts if one.refused else {}
        return cls(
            one.old.id,
            one.work_order.number,
            None if one.new is None else VisitView.of(one.new),
            one.is_over,
            isinstance(one.refused, ReasonNeeded),
            [msgspec.convert(each, ConsequenceView) for each in facts.get("consequences", [])],
        )


class CopiesView(msgspec.Struct, frozen=True):
    lines: list[CopyLine]


class BoardController(Controller):
    path = "/api/board"
    tags = ["Board"]

    @get("/", opt=needs(Permission.PLAN), summary="People, their time, visits, and work that waits")
    async def read(
        self,
        reader: ReadOnly,
        now: Now,
        from_on: Annotated[
            http.Day | None, QueryParameter(name="from", description="Today, unless told.")
        ] = None,
        days: Annotated[int, QueryParameter(ge=1, le=7, description="How many days.")] = 1,
    ) -> BoardView:
        return await read_board(reader, now, from_on, days)

    @get(
        "/changes",
        opt=needs(Permission.PLAN),
        summary="What changed on a board since it was read, by its `as_of`",
    )
    async def changes(
        self,
        reader: ReadOnly,
        now: Now,
        since: Annotated[
            str, QueryParameter(pattern=POINT, description="`as_of` of the board, or of changes.")
        ],
        from_on: Annotated[
            http.Day | None, QueryParameter(name="from", description="Today, unless told.")
        ] = None,
        days: Annotated[int, QueryParameter(ge=1, le=7, description="How many days.")] = 1,
    ) -> BoardChanges:
        return await read_changes(reader, now, from_on, days, Point.read(since))

    @post(
        "/placement-previews",
        opt=needs(Permission.PLAN),
        status_code=HTTP_200_OK,
        responses=http.refusals(Contradictory, TooManyPlaces),
        summary="What would come of putting a visit there",
    )
    async def preview(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[PlacementBody]
    ) -> PlacementView:
        return PlacementView.of(
            await look_together(session, actor, now, data.wanted(), data.mate_ids)
        )

    @post(
        "/placements",
        opt=needs(Permission.PLAN),
        status_code=HTTP_200_OK,
        responses=http.refusals(
            CannotBePlaced, ReasonNeeded, MovedMeanwhile, WrongStatus, Contradictory, TooManyPlaces
        ),
        summary="Put a visit there, or new ones for a whole crew",
    )
    async def place(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[PlacementOrder]
    ) -> PlacedView:
        if data.mate_ids:
            visit, *mates = await put_together(
                session, actor, now, data.wanted(), data.mate_ids, data.reason
            )
        else:
            visit, mates = await put(session, actor, now, data.wanted(), data.reason), []
        own = msgspec.structs.asdict(VisitView.of(visit))
        return PlacedView(**own, mates=[VisitView.of(each) for each in mates])

    @post(
        "/crews",
        opt=needs(Permission.PLAN),
        responses=http.refusals(
            CannotBePlaced, ReasonNeeded, WrongStatus, Contradictory, TooManyPlaces
        ),
        summary="Let others join a visit",
    )
    async def join(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[CrewOrder]
    ) -> CrewView:
        crew = await join(session, actor, now, data.visit_id, data.technician_ids, data.reason)
        return CrewView(
            [VisitView.of(visit) for visit in crew.joined],
            [VisitView.of(visit) for visit in crew.bound],
        )

    @post(
        "/day-copies",
        opt=needs(Permission.PLAN),
        status_code=HTTP_200_OK,
        responses=http.refusals(Contradictory, TooManyPlaces),
        summary="Plan visits once more on another day, each that can be",
    )
    async def copy(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[CopyOrder]
    ) -> CopiesView:
        done = await copy_visits(session, actor, now, data.visit_ids, data.to_on, data.reason)
        return CopiesView([CopyLine.of(one) for one in done])

    @get(
        "/live",
        opt=needs(Permission.PLAN),
        media_type="text/event-stream",
        responses={
            200: ResponseSpec(
                data_container=str,
                description="Events `changes` (what, by whom), `people` (who looks on), `bye`",
                media_type="text/event-stream",
                generate_examples=False,
            )
        },
        summary="Pokes when something changes; what changed is fetched",
    )
    async def live(self, request: Request[Any, Any, Any], actor: CurrentActor, now: Now) -> Stream:
        return Stream(
            watches_in(request.app.state).stream(actor, now),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )


ROUTES = [BoardController]
