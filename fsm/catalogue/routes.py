"""What administrators define: work types in versions, and reasons.

Reading needs the permission to read work orders: whoever sees a job sees what kind of work it is.
"""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
import pydantic
from litestar import Controller, get, patch, post
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_201_CREATED

from fsm import http
from fsm.actors import Permission
from fsm.catalogue import queries
from fsm.catalogue.tables import (
    MaintenanceKind,
    Reason,
    ReasonKind,
    RequestClass,
    WorkType,
    WorkTypeVersion,
)
from fsm.database import utc
from fsm.http import Body, Code, CurrentActor, DbSession, Instant, Line, Names, Now, Revision, needs

At = Annotated[
    datetime | None,
    QueryParameter(description="The instant to look at, with its zone; now, unless given."),
]


class RequiredSkill(Body):
    skill: Code
    level: Annotated[int, pydantic.Field(ge=1, le=5)] = 1


class NewVersion(Body):
    """What the kind of work means: `duration_s` on site, `priority` from 1, the most urgent, to 5."""

    names: Names
    request_class: RequestClass
    maintenance: MaintenanceKind
    duration_s: Annotated[int, pydantic.Field(ge=60, le=30 * 86_400)] = 3_600
    priority: Annotated[int, pydantic.Field(ge=1, le=5)] = 3
    skills: Annotated[list[RequiredSkill], pydantic.Field(max_length=50)] = []
    effective_at: Instant | None = None

    def contents(self) -> dict[str, Any]:
        return {
            "names": self.names,
            "request_class": self.request_class,
            "maintenance": self.maintenance,
            "duration_s": self.duration_s,
            "priority": self.priority,
            "skills": [{"skill": need.skill, "level": need.level} for need in self.skills],
            "effective_at": None if self.effective_at is None else utc(self.effective_at),
        }


class NewWorkType(NewVersion):
    """A work type with its first version. `name` is what the office calls it."""

    code: Code
    name: Line


class WorkTypeEdit(Body):
    rev: Revision
    name: Line = ""
    is_active: bool = True


class NewReason(Body):
    kind: ReasonKind
    code: Code
    names: Names
    stops_sla_clock: bool = False
    stops_repair_clock: bool = False


class ReasonEdit(Body):
    rev: Revision
    names: Names = {}
    stops_sla_clock: bool = False
    stops_repair_clock: bool = False
    is_active: bool = True


class RequiredSkillView(msgspec.Struct, frozen=True):
    skill: str
    level: int


class VersionView(msgspec.Struct, frozen=True):
    id: UUID
    version: int
    effective_at: datetime
    names: dict[str, str]
    request_class: RequestClass
    maintenance: MaintenanceKind
    duration_s: int
    priority: int
    skills: list[RequiredSkillView]

    @classmethod
    def of(cls, version: WorkTypeVersion) -> "VersionView":
        return cls(
            version.id,
            version.version,
            version.effective_at,
            version.names,
            RequestClass(version.request_class),
            MaintenanceKind(version.maintenance),
            version.duration_s,
            version.priority,
            [RequiredSkillView(need["skill"], need["level"]) for need in version.skills],
        )


class WorkTypeView(msgspec.Struct, frozen=True):
    """A work type; `version` is the one in force at the instant asked for, null before its first."""

    id: UUID
    rev: int
    code: str
    name: str
    is_active: bool
    version: VersionView | None

    @classmethod
    def of(cls, work_type: WorkType, version: WorkTypeVersion | None) -> "WorkTypeView":
        return cls(
            work_type.id,
            work_type.rev,
            work_type.code,
            work_type.name,
            work_type.is_active,
            None if version is None else VersionView.of(version),
        )


class WorkTypePage(msgspec.Struct, frozen=True):
    items: list[WorkTypeView]
    next: str | None


class VersionHistory(msgspec.Struct, frozen=True):
    """Every version of one work type, the first one first."""

    items: list[VersionView]


class ReasonView(msgspec.Struct, frozen=True):
    id: UUID
    rev: int
    kind: ReasonKind
    code: str
    names: dict[str, str]
    stops_sla_clock: bool
    stops_repair_clock: bool
    is_active: bool

    @classmethod
    def of(cls, reason: Reason) -> "ReasonView":
        return cls(
            reason.id,
            reason.rev,
            ReasonKind(reason.kind),
            reason.code,
            reason.names,
            reason.stops_sla_clock,
            reason.stops_repair_clock,
            reason.is_active,
        )


class ReasonPage(msgspec.Struct, frozen=True):
    items: list[ReasonView]
    next: str | None


class WorkTypeController(Controller):
    path = "/api/work-types"
    tags = ["Catalogue"]

    @get("/", opt=needs(Permission.READ_WORK_ORDERS), summary="List work types as of an instant")
    async def list_work_types(
        self,
        session: DbSession,
        actor: CurrentActor,
        page: http.Page,
        now: Now,
        at: At = None,
        is_active: http.Active = None,
    ) -> WorkTypePage:
        rows = await queries.list_work_types(
            session,
            actor,
            now if at is None else utc(at),
            is_active=is_active,
            after=page.after_id,
            limit=page.limit,
        )
        return WorkTypePage(
            [WorkTypeView.of(work_type, version) for work_type, version in rows],
            page.next([first for first, _ in rows]),
        )

    @post(
        "/",
        opt=needs(Permission.MANAGE_CATALOGUE),
        status_code=HTTP_201_CREATED,
        summary="Add a work type with its first version",
    )
    async def add(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[NewWorkType]
    ) -> WorkTypeView:
        work_type = await queries.add_work_type(session, actor, now, code=data.code, name=data.name)
        version = await queries.publish_version(
            session, actor, now, work_type.id, **data.contents()
        )
        return WorkTypeView.of(work_type, version)

    @get(
        "/{work_type_id:uuid}",
        opt=needs(Permission.READ_WORK_ORDERS),
        summary="One work type as of an instant",
    )
    async def one(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        work_type_id: FromPath[UUID],
        at: At = None,
    ) -> WorkTypeView:
        work_type = await queries.find_work_type(session, actor, work_type_id)
        version = await queries.seek_effective_version(
            session, actor, work_type_id, now if at is None else utc(at)
        )
        return WorkTypeView.of(work_type, version)

    @patch(
        "/{work_type_id:uuid}",
        opt=needs(Permission.MANAGE_CATALOGUE),
        summary="Rename a work type or put it out of use",
    )
    async def edit(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        work_type_id: FromPath[UUID],
        data: JSONBody[WorkTypeEdit],
    ) -> WorkTypeView:
        work_type = await queries.edit_work_type(
            session, actor, now, work_type_id, data.rev, data.changes()
        )
        version = await queries.seek_effective_version(session, actor, work_type_id, now)
        return WorkTypeView.of(work_type, version)

    @get(
        "/{work_type_id:uuid}/versions",
        opt=needs(Permission.READ_WORK_ORDERS),
        summary="Every version of a work type",
    )
    async def history(
        self, session: DbSession, actor: CurrentActor, work_type_id: FromPath[UUID]
    ) -> VersionHistory:
        versions = await queries.list_versions(session, actor, work_type_id)
        return VersionHistory([VersionView.of(version) for version in versions])

    @post(
        "/{work_type_id:uuid}/versions",
        opt=needs(Permission.MANAGE_CATALOGUE),
        status_code=HTTP_201_CREATED,
        summary="Publish the next version of a work type",
    )
    async def publish(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        work_type_id: FromPath[UUID],
        data: JSONBody[NewVersion],
    ) -> VersionView:
        version = await queries.publish_version(
            session, actor, now, work_type_id, **data.contents()
        )
        return VersionView.of(version)


class ReasonController(Controller):
    path = "/api/reasons"
    tags = ["Catalogue"]

    @get(
        "/",
        opt=needs(Permission.READ_WORK_ORDERS),
        summary="List reasons",
        dependencies=http.pages_of(500),
    )
    async def list_reasons(
        self,
        session: DbSession,
        actor: CurrentActor,
        page: http.Page,
        kind: Annotated[
            ReasonKind | None, QueryParameter(description="Only reasons of this kind.")
        ] = None,
        is_active: http.Active = None,
    ) -> ReasonPage:
        rows = await queries.list_reasons(
            session,
            actor,
            kind=kind,
            is_active=is_active,
            after=page.after_id,
            limit=page.limit,
        )
        return ReasonPage([ReasonView.of(reason) for reason in rows], page.next(rows))

    @post(
        "/",
        opt=needs(Permission.MANAGE_CATALOGUE),
        status_code=HTTP_201_CREATED,
        summary="Add a reason",
    )
    async def add(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[NewReason]
    ) -> ReasonView:
        reason = await queries.add_reason(
            session,
            actor,
            now,
            kind=data.kind,
            code=data.code,
            names=data.names,
            stops_sla_clock=data.stops_sla_clock,
            stops_repair_clock=data.stops_repair_clock,
        )
        return ReasonView.of(reason)

    @patch(
        "/{reason_id:uuid}",
        opt=needs(Permission.MANAGE_CATALOGUE),
        summary="Edit a reason or put it out of use",
    )
    async def edit(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        reason_id: FromPath[UUID],
        data: JSONBody[ReasonEdit],
    ) -> ReasonView:
        reason = await queries.edit_reason(session, actor, now, reason_id, data.rev, data.changes())
        return ReasonView.of(reason)


ROUTES = [WorkTypeController, ReasonController]
