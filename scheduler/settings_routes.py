"""What people decide about planning: weights, pins of visits, terms of jobs and of technicians."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
import pydantic
from litestar import Controller, delete, get, put
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_200_OK, HTTP_204_NO_CONTENT

from fsm import http
from fsm.actors import Permission
from fsm.http import Body, CurrentActor, DbSession, Instant, Now, needs
from fsm.work_orders.lifecycle import WrongStatus
from scheduler import decisions, people
from scheduler.tables import Keeps, PlanningTerms, PlanningWeights, TechnicianTerms, VisitPin
from scheduler.weights import UNITS, find_weights, list_weights, set_weights

_Weight = Annotated[int, pydantic.Field(ge=0, le=100_000_000)]
_Technicians = Annotated[list[UUID], pydantic.Field(max_length=200)]


class WeightChanges(Body):
    """The prices to set; what is left out keeps its value. `units` of the answer says what each counts."""

    unplanned: Annotated[list[_Weight], pydantic.Field(min_length=5, max_length=5)] | None = None
    waiting_permille: _Weight | None = None
    overtime_permille: _Weight | None = None
    first_use: _Weight | None = None
    foreign_territory: _Weight | None = None
    surplus_level: _Weight | None = None
    promise_broken: _Weight | None = None
    promise_late_permille: _Weight | None = None
    late_permille: _Weight | None = None
    greatest_lateness_permille: _Weight | None = None
    not_preferred: _Weight | None = None
    balance_tolerance_percent: _Weight | None = None
    balance_permille: _Weight | None = None
    other_technician: _Weight | None = None
    other_day: _Weight | None = None
    dearer_labour_permille: _Weight | None = None

    def changes(self, *without: str) -> dict[str, Any]:
        sent = super().changes(*without)
        return {name: value for name, value in sent.items() if value is not None}


class WeightSetting(WeightChanges):
    """`based_on` is the version that the changes were made to; another one meanwhile is refused."""

    based_on: Annotated[int, pydantic.Field(ge=0, le=2**31 - 1)]


class WeightsView(msgspec.Struct, frozen=True):
    """The prices of a version, what each is counted in, and who set it. Version 0 is the default."""

    version: int
    weights: dict[str, Any]
    units: dict[str, str]
    set_by: str
    set_at: datetime | None

    @classmethod
    def of(cls, row: PlanningWeights) -> "WeightsView":
        return cls(row.version, row.weights, UNITS, row.set_by, row.set_at if row.version else None)


class WeightsController(Controller):
    path = "/api/planning/weights"
    tags = ["Planning"]

    @get("/", opt=needs(Permission.PLAN), summary="What things cost in plans")
    async def read(self, session: DbSession, actor: CurrentActor) -> WeightsView:
        return WeightsView.of(await find_weights(session, actor))

    @get(
        "/versions", opt=needs(Permission.PLAN), summary="The versions that were set, newest first"
    )
    async def versions(self, session: DbSession, actor: CurrentActor) -> list[WeightsView]:
        return [WeightsView.of(row) for row in await list_weights(session, actor)]

    @put(
        "/",
        opt=needs(Permission.MANAGE_CATALOGUE),
        status_code=HTTP_200_OK,
        summary="Set prices: a new version, for plans made from now on",
    )
    async def set(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[WeightSetting]
    ) -> WeightsView:
        row = await set_weights(session, actor, now, data.based_on, data.changes("based_on"))
        return WeightsView.of(row)


class PinBody(Body):
    """`technician` keeps the person (a pin), `both` person and time (a lock)."""

    keeps: Keeps = Keeps.BOTH
    reason: http.Short = ""


class PinView(msgspec.Struct, frozen=True):
    visit_id: UUID
    keeps: str
    reason: str
    set_by: str
    set_at: datetime

    @classmethod
    def of(cls, pin: VisitPin) -> "PinView":
        return cls(pin.visit_id, pin.keeps, pin.reason, pin.set_by, pin.set_at)


class PinController(Controller):
    path = "/api/planning/visits"
    tags = ["Planning"]

    @get("/{visit_id:uuid}/pin", opt=needs(Permission.PLAN), summary="Who pinned a visit, and when")
    async def read(
        self, session: DbSession, actor: CurrentActor, visit_id: FromPath[UUID]
    ) -> PinView:
        return PinView.of(await decisions.find_pin(session, actor, visit_id))

    @put(
        "/{visit_id:uuid}/pin",
        opt=needs(Permission.PLAN),
        status_code=HTTP_200_OK,
        responses=http.refusals(WrongStatus),
        summary="Pin a planned visit to its technician, or lock it with its time",
    )
    async def pin(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        visit_id: FromPath[UUID],
        data: JSONBody[PinBody],
    ) -> PinView:
        pin = await decisions.pin_visit(
            session, actor, now, visit_id, keeps=data.keeps, reason=data.reason
        )
        return PinView.of(pin)

    @delete(
        "/{visit_id:uuid}/pin",
        opt=needs(Permission.PLAN),
        status_code=HTTP_204_NO_CONTENT,
        responses=http.refusals(WrongStatus),
        summary="Let the planner move a visit again",
    )
    async def release(
        self, session: DbSession, actor: CurrentActor, now: Now, visit_id: FromPath[UUID]
    ) -> None:
        await decisions.release_visit(session, actor, now, visit_id)


class PartNeeded(Body):
    part: http.Code
    """The part's number."""
    quantity: Annotated[int, pydantic.Field(ge=1, le=10_000)] = 1


class WindowBody(Body):
    opens_at: Instant
    closes_at: Instant


class TermsBody(Body):
    """What the job asks of its planning; it replaces what was asked before.

    One of `required_ids` has to go, none of `forbidden_ids` may, `preferred_ids` are wanted. Work begins in
    one of `windows` (none: at any time) and not before `earliest_at`. `parts` must be in the van. `drop_cost`
    is what leaving the job out costs, in seconds of driving; left out, it goes by priority.
    """

    required_ids: _Technicians = []
    preferred_ids: _Technicians = []
    forbidden_ids: _Technicians = []
    parts: Annotated[list[PartNeeded], pydantic.Field(max_length=50)] = []
    windows: Annotated[list[WindowBody], pydantic.Field(max_length=20)] = []
    earliest_at: Instant | None = None
    drop_cost: _Weight | None = None


class TermsView(msgspec.Struct, frozen=True):
    work_order_id: UUID
    required_ids: list[str]
    preferred_ids: list[str]
    forbidden_ids: list[str]
    parts: list[dict[str, Any]]
    windows: list[dict[str, Any]]
    earliest_at: datetime | None
    drop_cost: int | None
    set_by: str
    set_at: datetime | None

    @classmethod
    def of(cls, terms: PlanningTerms) -> "TermsView":
        return cls(
            terms.work_order_id,
            terms.required,
            terms.preferred,
            terms.forbidden,
            terms.parts,
            terms.windows,
            terms.earliest_at,
            terms.drop_cost,
            terms.set_by,
            terms.set_at if terms.set_by else None,
        )


class TermsController(Controller):
    path = "/api/planning/work-orders"
    tags = ["Planning"]

    @get("/{work_order_id:uuid}/terms", opt=needs(Permission.PLAN), summary="What a job asks")
    async def read(
        self, session: DbSession, actor: CurrentActor, work_order_id: FromPath[UUID]
    ) -> TermsView:
        return TermsView.of(await decisions.find_terms(session, actor, work_order_id))

    @put(
        "/{work_order_id:uuid}/terms",
        opt=needs(Permission.PLAN),
        status_code=HTTP_200_OK,
        summary="Say what a job asks of its planning: people, parts, windows",
    )
    async def set(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        work_order_id: FromPath[UUID],
        data: JSONBody[TermsBody],
    ) -> TermsView:
        terms = await decisions.set_terms(
            session,
            actor,
            now,
            work_order_id,
            required=data.required_ids,
            preferred=data.preferred_ids,
            forbidden=data.forbidden_ids,
            parts={one.part: one.quantity for one in data.parts},
            windows=[(one.opens_at, one.closes_at) for one in data.windows],
            earliest_at=data.earliest_at,
            drop_cost=data.drop_cost,
        )
        return TermsView.of(terms)


_Percent = Annotated[int, pydantic.Field(ge=25, le=400)]


class PaceBody(Body):
    work_type_id: UUID
    efficiency_percent: _Percent


class PersonBody(Body):
    """How plans take a technician; it replaces what was said before.

    Work done per hour against the standard is `efficiency_percent` (at 80, an hour's work takes 75 minutes),
    at single kinds of work that of `paces`. `longest_s` is the most time between leaving and being back; left
    out, the shift's hours alone limit it. Who `stays_in_territory` gets no visit of another one.
    """

    efficiency_percent: _Percent = 100
    paces: Annotated[list[PaceBody], pydantic.Field(max_length=200)] = []
    longest_s: Annotated[int, pydantic.Field(ge=3_600, le=86_400)] | None = None
    stays_in_territory: bool = False


class PaceView(msgspec.Struct, frozen=True):
    work_type_id: UUID
    efficiency_percent: int


class PersonView(msgspec.Struct, frozen=True):
    """How plans take a technician, and who said so."""

    technician_id: UUID
    efficiency_percent: int
    paces: list[PaceView]
    longest_s: int | None
    stays_in_territory: bool
    set_by: str
    set_at: datetime | None

    @classmethod
    def of(cls, terms: TechnicianTerms) -> "PersonView":
        return cls(
            terms.technician_id,
            terms.efficiency_percent,
            msgspec.convert(terms.paces, list[PaceView]),
            terms.longest_s,
            terms.stays_in_territory,
            terms.set_by,
            terms.set_at if terms.set_by else None,
        )


class PersonController(Controller):
    path = "/api/planning/technicians"
    tags = ["Planning"]

    @get(
        "/{technician_id:uuid}/terms",
        opt=needs(Permission.PLAN),
        summary="How plans take a technician",
    )
    async def read(
        self, session: DbSession, actor: CurrentActor, technician_id: FromPath[UUID]
    ) -> PersonView:
        return PersonView.of(await people.find_terms(session, actor, technician_id))

    @put(
        "/{technician_id:uuid}/terms",
        opt=needs(Permission.EDIT_TECHNICIANS),
        status_code=HTTP_200_OK,
        summary="Say how plans take a technician: pace, longest day, territory",
    )
    async def set(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        technician_id: FromPath[UUID],
        data: JSONBody[PersonBody],
    ) -> PersonView:
        terms = await people.set_terms(
            session,
            actor,
            now,
            technician_id,
            efficiency_percent=data.efficiency_percent,
            paces=[(one.work_type_id, one.efficiency_percent) for one in data.paces],
            longest_s=data.longest_s,
            stays_in_territory=data.stays_in_territory,
        )
        return PersonView.of(terms)


ROUTES = [WeightsController, PinController, TermsController, PersonController]
