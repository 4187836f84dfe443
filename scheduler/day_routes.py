"""A running day over HTTP: events answered with a repaired plan, slots and windows for a caller, holds."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Annotated, Any
from uuid import UUID

import msgspec
import pydantic
from litestar import Controller, delete, get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_201_CREATED, HTTP_204_NO_CONTENT

from fsm import http
from fsm.actors import Permission
from fsm.http import Body, CurrentActor, DbSession, Instant, Line, Now, needs
from fsm.languages import LANGUAGES
from fsm.problems import Invalid
from fsm.work_orders.lifecycle import WrongStatus
from fsm.work_orders.views import VisitView
from scheduler import booking, desk, moving
from scheduler.booking import Found, HoldOver, SlotTaken
from scheduler.day import Contradictory, TooManyPlaces
from scheduler.moving import WishAnswered
from scheduler.placements import MovedMeanwhile
from scheduler.plan_views import PlanView
from scheduler.sentences import offer_sentence, slot_sentence
from scheduler.slots import Slot
from scheduler.tables import DayEvent, SlotHold


class DayEventView(msgspec.Struct, frozen=True):
    """`data` is what was said of it; of a sick call also the absence that was noted (`absence_id`)."""

    id: UUID
    kind: str
    visit_id: UUID | None
    technician_id: UUID | None
    work_order_id: UUID | None
    data: dict[str, Any]
    noted_by: str
    noted_at: datetime

    @classmethod
    def of(cls, event: DayEvent) -> "DayEventView":
        return cls(**{name: getattr(event, name) for name in cls.__struct_fields__})


class AnswerView(msgspec.Struct, frozen=True):
    """An event of the day, noted, and the repaired plan: accept it whole, in groups, or not at all."""

    event: DayEventView
    plan: PlanView

    @classmethod
    def of(cls, answer: desk.Answer) -> "AnswerView":
        return cls(DayEventView.of(answer.event), PlanView.of(answer.run))


class UrgentVisitBody(Body):
    """`days`: today alone, or some days from today."""

    work_order_id: UUID
    days: Annotated[int, pydantic.Field(ge=1, le=7)] = 1


class SickCallBody(Body):
    """Away from `starts_at` (now, unless told) until `ends_at` (until further notice, unless told)."""

    technician_id: UUID
    starts_at: Instant | None = None
    ends_at: Instant | None = None


class OverrunBody(Body):
    visit_id: UUID
    ends_at: Instant
    """When the work is now expected to end."""


class NoShowBody(Body):
    """`rev` is the visit's, as it was looked at; without one it is taken as it is now."""

    visit_id: UUID
    rev: http.Revision | None = None


class VisitCancellation(Body):
    """`rev` is the visit's, as it was looked at; without one it is taken as it is now."""

    visit_id: UUID
    rev: http.Revision | None = None
    reason: Line


class LatePartBody(Body):
    work_order_id: UUID
    earliest_at: Instant
    """Work begins no earlier."""
    part: http.Code | None = None


_PLAN = needs(Permission.PLAN)
_noted = partial(
    post,
    opt=_PLAN,
    status_code=HTTP_201_CREATED,
    responses=http.refusals(Contradictory, TooManyPlaces),
)
"""An event of the day, answered with a plan."""
_noted_in_time = partial(_noted, responses=http.refusals(WrongStatus, Contradictory, TooManyPlaces))
"""One that comes too late for some visits."""
_called_off = partial(
    _noted,
    responses=http.refusals(WrongStatus, MovedMeanwhile, Contradictory, TooManyPlaces),
)
"""One that ends a visit, which somebody else may have changed."""


class DayController(Controller):
    path = "/api/day"
    tags = ["Running day"]

    @_noted("/urgent-visits", summary="A job that cannot wait")
    async def urgent_visit(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[UrgentVisitBody]
    ) -> AnswerView:
        return AnswerView.of(
            await desk.urgent_visit(session, actor, now, data.work_order_id, data.days)
        )

    @_noted("/sick-calls", summary="A technician falls out")
    async def sick_call(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[SickCallBody]
    ) -> AnswerView:
        actor.must(Permission.EDIT_TECHNICIANS)
        starts_at = data.starts_at or now
        return AnswerView.of(
            await desk.sick_call(session, actor, now, data.technician_id, starts_at, data.ends_at)
        )

    @_noted_in_time("/overruns", summary="Work in hand takes longer")
    async def overrun(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[OverrunBody]
    ) -> AnswerView:
        return AnswerView.of(await desk.overrun(session, actor, now, data.visit_id, data.ends_at))

    @_called_off("/no-shows", summary="Nobody was there")
    async def no_show(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[NoShowBody]
    ) -> AnswerView:
        return AnswerView.of(await desk.no_show(session, actor, now, data.visit_id, data.rev))

    @_called_off("/cancellations", summary="A visit is not wanted any more")
    async def cancel(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[VisitCancellation]
    ) -> AnswerView:
        return AnswerView.of(
            await desk.cancel_visit(session, actor, now, data.visit_id, data.reason, data.rev)
        )

    @_noted("/late-parts", summary="A part comes too late")
    async def late_part(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[LatePartBody]
    ) -> AnswerView:
        return AnswerView.of(
            await desk.late_part(
                session, actor, now, data.work_order_id, data.earliest_at, data.part
            )
        )


class MovedView(msgspec.Struct, frozen=True):
    number: str
    minutes: int
    """Later; below zero: earlier."""


class MateView(msgspec.Struct, frozen=True):
    """Who comes as well, where it takes a crew."""

    technician_id: UUID
    technician: str


class SlotView(msgspec.Struct, frozen=True):
    """A place for a job. `cost` is that of the whole change in seconds of driving; travel and overtime are
    what comes on top; `said` is the reason for its rank, by language. Where it takes a crew, `mates` come at
    the same time, and what is on top is that of all of them."""

    rank: int
    technician_id: UUID
    technician: str
    mates: list[MateView]
    starts_at: datetime
    ends_at: datetime
    cost: int
    travel_s: int
    travel_m: int
    overtime_s: int
    late_s: int
    promises_at_risk: list[str]
    moves: list[MovedView]
    said: dict[str, str]

    @classmethod
    def of(cls, found: Found, rank: int, slot: Slot, first: Slot) -> "SlotView":
        names = found.day.names
        name = names.get(slot.technician, "")
        mates = [MateView(UUID(each), names.get(each, "")) for each in slot.mates]
        return cls(
            rank=rank,
            technician_id=UUID(slot.technician),
            technician=name,
            mates=mates,
            starts_at=found.day.instant(slot.start),
            ends_at=found.day.instant(slot.end),
            cost=slot.cost,
            travel_s=slot.travel_s,
            travel_m=slot.travel_m,
            overtime_s=slot.overtime_s,
            late_s=slot.late_s,
            promises_at_risk=list(slot.at_risk),
            moves=[MovedView(each.label, each.minutes) for each in slot.moved],
            said={
                each: slot_sentence(
                    name, slot, rank, first, each, [mate.technician for mate in mates]
                )
                for each in LANGUAGES
            },
        )


class SlotsView(msgspec.Struct, frozen=True):
    """The slots of a job, the cheapest first; none where it fits nowhere in these days."""

    work_order_id: UUID
    slots: list[SlotView]
    notes: list[str]


class OfferView(msgspec.Struct, frozen=True):
    """A window to offer: what it costs with the capacity it takes from later callers (`price`), and the
    chance that work begins inside it."""

    window_starts_at: datetime
    window_ends_at: datetime
    price: int
    capacity: int
    probability: float
    slot: SlotView
    said: dict[str, str]


class OffersView(msgspec.Struct, frozen=True):
    work_order_id: UUID
    windows: list[OfferView]
    notes: list[str]


_Days = Annotated[int, QueryParameter(ge=1, le=14, description="Days from today.")]
_Most = Annotated[int, QueryParameter(ge=1, le=20, description="How many at most.")]


class SlotController(Controller):
    path = "/api/planning/work-orders"
    tags = ["Running day"]

    @get(
        "/{work_order_id:uuid}/slots",
        opt=_PLAN,
        responses=http.refusals(WrongStatus, Contradictory, TooManyPlaces),
        summary="Who can, and when: ranked, with what each does to the day",
    )
    async def slots(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        work_order_id: FromPath[UUID],
        days: _Days = 1,
        most: _Most = 5,
    ) -> SlotsView:
        found = await booking.list_slots(session, actor, now, work_order_id, days=days, most=most)
        slots = found.slots
        return SlotsView(
            work_order_id,
            [SlotView.of(found, rank, slot, slots[0]) for rank, slot in enumerate(slots, 1)],
            found.day.notes,
        )

    @get(
        "/{work_order_id:uuid}/windows",
        opt=_PLAN,
        responses=http.refusals(WrongStatus, Contradictory, TooManyPlaces),
        summary="Windows to offer a customer on the phone",
    )
    async def windows(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        work_order_id: FromPath[UUID],
        days: _Days = 5,
        most: _Most = 5,
        minutes: Annotated[
            int | None,
            QueryParameter(
                ge=30,
                le=480,
                description="Length of a window; left out, each is as narrow as holds the target.",
            ),
        ] = None,
    ) -> OffersView:
        found = await booking.list_offers(
            session,
            actor,
            now,
            work_order_id,
            days=days,
            most=most,
            length_s=None if minutes is None else minutes * 60,
        )
        return OffersView(
            work_order_id,
            [
                OfferView(
                    window_starts_at=found.day.instant(offer.opens),
                    window_ends_at=found.day.instant(offer.closes),
                    price=offer.price,
                    capacity=offer.capacity,
                    probability=offer.probability,
                    slot=SlotView.of(found, rank, offer.slot, found.offers[0].slot),
                    said={each: offer_sentence(offer, each) for each in LANGUAGES},
                )
                for rank, offer in enumerate(found.offers, 1)
            ],
            found.day.notes,
        )


class HoldBody(Body):
    """The slot to keep, the window announced with it, and for how long the caller may think.

    Where it takes a crew everybody's time is kept: that of `mate_ids`, or of whom it suits best.
    """

    work_order_id: UUID
    technician_id: UUID
    mate_ids: Annotated[list[UUID], pydantic.Field(max_length=20)] = []
    starts_at: Instant
    window_starts_at: Instant
    window_ends_at: Instant
    minutes: Annotated[int, pydantic.Field(ge=1, le=120)] = 15


class HoldView(msgspec.Struct, frozen=True):
    id: UUID
    work_order_id: UUID
    technician_id: UUID
    mate_ids: list[UUID]
    starts_at: datetime
    ends_at: datetime
    window_starts_at: datetime
    window_ends_at: datetime
    held_by: str
    expires_at: datetime

    @classmethod
    def of(cls, holds: Sequence[SlotHold]) -> "HoldView":
        first, *mates = holds
        own = {name: getattr(first, name) for name in cls.__struct_fields__ if name != "mate_ids"}
        return cls(**own, mate_ids=[each.technician_id for each in mates])


class HoldController(Controller):
    path = "/api/planning/holds"
    tags = ["Running day"]

    @post(
        "/",
        opt=_PLAN,
        status_code=HTTP_201_CREATED,
        responses=http.refusals(WrongStatus, SlotTaken, Contradictory, TooManyPlaces),
        summary="Keep a slot while the caller thinks it over",
    )
    async def hold(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[HoldBody]
    ) -> HoldView:
        if not data.window_starts_at <= data.starts_at <= data.window_ends_at:
            raise Invalid(
                "The visit begins inside its window.",
                errors=[{"at": "/starts_at", "detail": "outside the window"}],
            )
        if not 0 <= (data.starts_at - now).total_seconds() < 12 * 86_400:
            raise Invalid(
                "A slot lies within the next 12 days.",
                errors=[{"at": "/starts_at", "detail": "out of range"}],
            )
        rows = await booking.hold(
            session,
            actor,
            now,
            work_order_id=data.work_order_id,
            technician_id=data.technician_id,
            mate_ids=data.mate_ids,
            starts_at=data.starts_at,
            window=(data.window_starts_at, data.window_ends_at),
            minutes=data.minutes,
        )
        return HoldView.of(rows)

    @post(
        "/{hold_id:uuid}/booking",
        opt=_PLAN,
        status_code=HTTP_201_CREATED,
        responses=http.refusals(WrongStatus, HoldOver, SlotTaken),
        summary="Turn a hold into a visit with its window, a crew's into a visit for each",
    )
    async def book(
        self, session: DbSession, actor: CurrentActor, now: Now, hold_id: FromPath[UUID]
    ) -> VisitView:
        return VisitView.of(await booking.book(session, actor, now, hold_id))

    @delete(
        "/{hold_id:uuid}",
        opt=_PLAN,
        status_code=HTTP_204_NO_CONTENT,
        responses=http.refusals(HoldOver),
        summary="Let go of a hold",
    )
    async def release(
        self, session: DbSession, actor: CurrentActor, now: Now, hold_id: FromPath[UUID]
    ) -> None:
        await booking.release(session, actor, now, hold_id)


class MoveRefusal(Body):
    """`reason` is what the customer reads."""

    reason: Line


class MoveController(Controller):
    path = "/api/planning/moves"
    tags = ["Running day"]

    @post(
        "/{review_id:uuid}/refusal",
        opt=_PLAN,
        status_code=HTTP_204_NO_CONTENT,
        responses=http.refusals(WishAnswered),
        summary="Leave an appointment that a customer wants moved as it is, and tell them why",
    )
    async def refuse(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        review_id: FromPath[UUID],
        data: JSONBody[MoveRefusal],
    ) -> None:
        await moving.refuse(session, actor, now, review_id, data.reason)


ROUTES = [DayController, SlotController, HoldController, MoveController]
