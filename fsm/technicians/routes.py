"""Technicians, what they can do and what an hour of theirs costs. Shifts and absences: `working_time_routes`.

Money is read with the permission to read costs: whoever plans the day need not know what people earn.
"""

from datetime import date
from decimal import Decimal
from typing import Annotated, Self
from uuid import UUID

import msgspec
import pydantic
from litestar import Controller, delete, get, patch, post, put
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED, HTTP_204_NO_CONTENT

from fsm import http
from fsm.actors import Permission
from fsm.http import (
    Body,
    Code,
    Currency,
    CurrentActor,
    Day,
    DbSession,
    Latitude,
    Line,
    Longitude,
    Money,
    Now,
    Phone,
    Revision,
    Short,
    Zone,
    needs,
)
from fsm.technicians import queries
from fsm.technicians.position_routes import ROUTES as POSITION_ROUTES
from fsm.technicians.queries import HeldSkill
from fsm.technicians.tables import Rate, RateKind, Skill, Technician
from fsm.technicians.working_time_routes import WORKING_TIME_ROUTES

Level = Annotated[int, pydantic.Field(ge=1, le=5)]


class NewSkill(Body):
    code: Code
    name: Line


class SkillEdit(Body):
    rev: Revision
    name: Line = ""


class TechnicianHome(Body):
    """Where the day starts and ends, in degrees WGS 84: both numbers or neither."""

    home_latitude: Latitude | None = None
    home_longitude: Longitude | None = None

    @pydantic.model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        sent = {"home_latitude", "home_longitude"} & self.model_fields_set
        if (self.home_latitude is None) != (self.home_longitude is None) or len(sent) == 1:
            raise ValueError("home_latitude and home_longitude come together")
        return self


class NewTechnician(TechnicianHome):
    """A technician; without `zone` they keep the service company's own time."""

    number: Code
    name: Line
    user_id: UUID | None = None
    phone: Phone | None = None
    zone: Zone | None = None
    territory: Short = ""
    home_address: Short = ""
    is_contractor: bool = False


class TechnicianEdit(TechnicianHome):
    rev: Revision
    number: Code = ""
    name: Line = ""
    user_id: UUID | None = None
    phone: Phone | None = None
    zone: Zone = ""
    territory: Short = ""
    home_address: Short = ""
    is_contractor: bool = False
    is_active: bool = True


class SkillGiven(Body):
    skill: Code
    level: Level = 1
    valid_until: Day | None = None


class SkillSet(Body):
    """Every skill that the technician has from now on."""

    skills: Annotated[list[SkillGiven], pydantic.Field(max_length=200)]

    @pydantic.field_validator("skills")
    @classmethod
    def _each_once(cls, skills: list[SkillGiven]) -> list[SkillGiven]:
        if len({given.skill for given in skills}) < len(skills):
            raise ValueError("a skill is named twice")
        return skills


class NewRate(Body):
    """Money an hour from `starts_on` to `ends_on`, the last day; without a technician, for everybody else."""

    technician_id: UUID | None = None
    kind: RateKind
    amount: Money
    currency: Currency | None = None
    starts_on: Day
    ends_on: Day | None = None


class RateEnd(Body):
    ends_on: Day


class SkillView(msgspec.Struct, frozen=True):
    id: UUID
    rev: int
    code: str
    name: str

    @classmethod
    def of(cls, skill: Skill) -> "SkillView":
        return cls(skill.id, skill.rev, skill.code, skill.name)


class SkillPage(msgspec.Struct, frozen=True):
    items: list[SkillView]
    next: str | None


class HeldSkillView(msgspec.Struct, frozen=True):
    skill: str
    name: str
    level: int
    valid_until: date | None

    @classmethod
    def of(cls, held: HeldSkill) -> "HeldSkillView":
        return cls(held.code, held.name, held.level, held.valid_until)


class TechnicianView(msgspec.Struct, frozen=True):
    id: UUID
    rev: int
    user_id: UUID | None
    number: str
    name: str
    phone: str | None
    zone: str
    territory: str
    home_address: str
    home_latitude: float | None
    home_longitude: float | None
    is_contractor: bool
    is_active: bool
    skills: list[HeldSkillView]

    @classmethod
    def of(cls, technician: Technician, held: list[HeldSkill]) -> "TechnicianView":
        return cls(
            technician.id,
            technician.rev,
            technician.user_id,
            technician.number,
            technician.name,
            technician.phone,
            technician.zone,
            technician.territory,
            technician.home_address,
            technician.home_latitude,
            technician.home_longitude,
            technician.is_contractor,
            technician.is_active,
            [HeldSkillView.of(skill) for skill in held],
        )


class TechnicianPage(msgspec.Struct, frozen=True):
    items: list[TechnicianView]
    next: str | None


class RateView(msgspec.Struct, frozen=True):
    """`ends_on` is the last day, null while no end is set."""

    id: UUID
    technician_id: UUID | None
    kind: RateKind
    amount: Decimal
    currency: str
    starts_on: date | None
    ends_on: date | None

    @classmethod
    def of(cls, rate: Rate) -> "RateView":
        return cls(
            rate.id,
            rate.technician_id,
            RateKind(rate.kind),
            rate.amount,
            rate.currency,
            rate.during.lower,
            http.last_day(rate.during.upper),
        )


class RatePage(msgspec.Struct, frozen=True):
    items: list[RateView]
    next: str | None


class SkillController(Controller):
    path = "/api/skills"
    tags = ["Technicians"]

    @get(
        "/",
        opt=needs(Permission.READ_TECHNICIANS),
        summary="List skills",
        dependencies=http.pages_of(500),
    )
    async def list_skills(
        self, session: DbSession, actor: CurrentActor, page: http.Page
    ) -> SkillPage:
        rows = await queries.list_skills(session, actor, after=page.after_id, limit=page.limit)
        return SkillPage([SkillView.of(skill) for skill in rows], page.next(rows))

    @post(
        "/",
        opt=needs(Permission.EDIT_TECHNICIANS),
        status_code=HTTP_201_CREATED,
        summary="Add a skill",
    )
    async def add(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[NewSkill]
    ) -> SkillView:
        skill = await queries.add_skill(session, actor, now, code=data.code, name=data.name)
        return SkillView.of(skill)

    @patch("/{skill_id:uuid}", opt=needs(Permission.EDIT_TECHNICIANS), summary="Rename a skill")
    async def edit(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        skill_id: FromPath[UUID],
        data: JSONBody[SkillEdit],
    ) -> SkillView:
        skill = await queries.edit_skill(session, actor, now, skill_id, data.rev, data.changes())
        return SkillView.of(skill)

    @delete(
        "/{skill_id:uuid}",
        opt=needs(Permission.EDIT_TECHNICIANS),
        status_code=HTTP_204_NO_CONTENT,
        summary="Remove a skill that nobody has and no work requires",
    )
    async def remove(
        self, session: DbSession, actor: CurrentActor, now: Now, skill_id: FromPath[UUID]
    ) -> None:
        await queries.delete_skill(session, actor, now, skill_id)


class TechnicianController(Controller):
    path = "/api/technicians"
    tags = ["Technicians"]

    @get("/", opt=needs(Permission.READ_TECHNICIANS), summary="List and search technicians")
    async def list_technicians(
        self,
        session: DbSession,
        actor: CurrentActor,
        page: http.Page,
        q: http.Search = None,
        is_active: http.Active = None,
    ) -> TechnicianPage:
        rows = await queries.list_technicians(
            session, actor, q=q, is_active=is_active, after=page.after_id, limit=page.limit
        )
        held = await queries.list_held_skills(session, actor, [row.id for row in rows])
        return TechnicianPage(
            [TechnicianView.of(technician, held[technician.id]) for technician in rows],
            page.next(rows),
        )

    @post(
        "/",
        opt=needs(Permission.EDIT_TECHNICIANS),
        status_code=HTTP_201_CREATED,
        summary="Add a technician",
    )
    async def add(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[NewTechnician]
    ) -> TechnicianView:
        technician = await queries.add_technician(session, actor, now, **data.model_dump())
        return TechnicianView.of(technician, [])

    @get("/{technician_id:uuid}", opt=needs(Permission.READ_TECHNICIANS), summary="One technician")
    async def one(
        self, session: DbSession, actor: CurrentActor, technician_id: FromPath[UUID]
    ) -> TechnicianView:
        technician = await queries.find_technician(session, actor, technician_id)
        held = await queries.list_held_skills(session, actor, [technician_id])
        return TechnicianView.of(technician, held[technician_id])

    @patch(
        "/{technician_id:uuid}",
        opt=needs(Permission.EDIT_TECHNICIANS),
        summary="Edit a technician or put them out of service",
    )
    async def edit(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        technician_id: FromPath[UUID],
        data: JSONBody[TechnicianEdit],
    ) -> TechnicianView:
        technician = await queries.edit_technician(
            session, actor, now, technician_id, data.rev, data.changes()
        )
        held = await queries.list_held_skills(session, actor, [technician_id])
        return TechnicianView.of(technician, held[technician_id])

    @put(
        "/{technician_id:uuid}/skills",
        opt=needs(Permission.EDIT_TECHNICIANS),
        status_code=HTTP_200_OK,
        summary="Set all skills of a technician",
    )
    async def set_skills(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        technician_id: FromPath[UUID],
        data: JSONBody[SkillSet],
    ) -> TechnicianView:
        held = await queries.set_skills(
            session,
            actor,
            now,
            technician_id,
            {given.skill: (given.level, given.valid_until) for given in data.skills},
        )
        technician = await queries.find_technician(session, actor, technician_id)
        return TechnicianView.of(technician, held)


class RateController(Controller):
    path = "/api/rates"
    tags = ["Technicians"]

    @get("/", opt=needs(Permission.READ_COSTS), summary="List hourly rates")
    async def list_rates(
        self,
        session: DbSession,
        actor: CurrentActor,
        page: http.Page,
        technician_id: Annotated[
            UUID | None, QueryParameter(description="Only this technician's own rates.")
        ] = None,
        of_company: Annotated[
            bool, QueryParameter(description="Only the rates for everybody without their own.")
        ] = False,
        on: Annotated[
            Day | None, QueryParameter(description="Only rates in force on this day.")
        ] = None,
    ) -> RatePage:
        rows = await queries.list_rates(
            session,
            actor,
            technician_id=technician_id,
            of_company=of_company,
            on=on,
            after=page.after_id,
            limit=page.limit,
        )
        return RatePage([RateView.of(rate) for rate in rows], page.next(rows))

    @post(
        "/",
        opt=needs(Permission.EDIT_TECHNICIANS),
        status_code=HTTP_201_CREATED,
        summary="Set an hourly rate; an open one before it ends",
    )
    async def add(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[NewRate]
    ) -> RateView:
        return RateView.of(await queries.add_rate(session, actor, now, **data.model_dump()))

    @post(
        "/{rate_id:uuid}/end",
        opt=needs(Permission.EDIT_TECHNICIANS),
        status_code=HTTP_200_OK,
        summary="Set the last day of a rate",
    )
    async def end(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        rate_id: FromPath[UUID],
        data: JSONBody[RateEnd],
    ) -> RateView:
        return RateView.of(await queries.end_rate(session, actor, now, rate_id, data.ends_on))

    @delete(
        "/{rate_id:uuid}",
        opt=needs(Permission.EDIT_TECHNICIANS),
        status_code=HTTP_204_NO_CONTENT,
        summary="Remove a rate set by mistake",
    )
    async def remove(
        self, session: DbSession, actor: CurrentActor, now: Now, rate_id: FromPath[UUID]
    ) -> None:
        await queries.delete_rate(session, actor, now, rate_id)


ROUTES = [
    SkillController,
    TechnicianController,
    RateController,
    *WORKING_TIME_ROUTES,
    *POSITION_ROUTES,
]
