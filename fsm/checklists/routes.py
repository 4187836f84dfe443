"""Checklists over HTTP: templates, their published versions, where they apply, and checks for authors."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
import pydantic
from litestar import Controller, delete, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED, HTTP_204_NO_CONTENT

from fsm import http
from fsm.actors import Permission
from fsm.checklists import answers, assignments, queries, templates
from fsm.checklists.assignments import Resolution, Subject
from fsm.checklists.items import CODE_PATTERN
from fsm.checklists.tables import ChecklistAssignment, ChecklistTemplate, ChecklistVersion
from fsm.checklists.templates import TemplateRefused, VersionIsFixed
from fsm.http import Body, CurrentActor, DbSession, Line, Now, Revision, needs
from fsm.problems import Conflict, Invalid

READ = needs(Permission.READ_ASSETS)
MANAGE = needs(Permission.MANAGE_CATALOGUE)

TemplateCode = Annotated[str, pydantic.Field(max_length=60, pattern=CODE_PATTERN)]
Document = dict[str, Any]


class NewTemplate(Body):
    """`code` is the `template_id` of every document published under it."""

    code: TemplateCode
    name: Line


class TemplateEdit(Body):
    rev: Revision
    name: Line = ""
    is_active: bool = True


class Draft(Body):
    """A whole template document, as its JSON Schema describes it."""

    document: Document


class NewAssignment(Body):
    """`replaces`: the template that is assigned there now, to change it."""

    template_id: UUID
    asset_id: UUID | None = None
    model_id: UUID | None = None
    site_id: UUID | None = None
    work_type_id: UUID | None = None
    replaces: UUID | None = None


class TemplateView(msgspec.Struct, frozen=True):
    """`newest` is the number of the version published last, null while there is none."""

    id: UUID
    rev: int
    code: str
    name: str
    is_active: bool
    newest: int | None

    @classmethod
    def of(cls, row: ChecklistTemplate, newest: int | None) -> "TemplateView":
        return cls(row.id, row.rev, row.code, row.name, row.is_active, newest)


class TemplatePage(msgspec.Struct, frozen=True):
    items: list[TemplateView]
    next: str | None


class VersionLine(msgspec.Struct, frozen=True):
    """A published version without its document."""

    id: UUID
    template_id: UUID
    version: int
    sha256: str
    rules_sha256: str
    min_accepted: int
    policy: str
    published_at: datetime
    published_by: str

    @classmethod
    def of(cls, row: ChecklistVersion) -> "VersionLine":
        return cls(
            row.id,
            row.template_id,
            row.version,
            row.sha256,
            row.rules_sha256,
            row.min_accepted,
            row.policy,
            row.published_at,
            row.published_by,
        )


class VersionView(msgspec.Struct, frozen=True):
    """A published version whole; `sha256` is over the RFC 8785 form of `document`."""

    id: UUID
    template_id: UUID
    version: int
    sha256: str
    rules_sha256: str
    published_at: datetime
    published_by: str
    document: dict[str, Any]

    @classmethod
    def of(cls, row: ChecklistVersion) -> "VersionView":
        return cls(
            row.id,
            row.template_id,
            row.version,
            row.sha256,
            row.rules_sha256,
            row.published_at,
            row.published_by,
            row.body,
        )


class VersionHistory(msgspec.Struct, frozen=True):
    """All versions, the first one first."""

    items: list[VersionLine]


class DraftError(msgspec.Struct, frozen=True):
    """One reason not to publish; `at` is a JSON pointer into the document."""

    at: str
    code: str
    detail: str


class DraftAnswer(msgspec.Struct, frozen=True):
    """What publishing would say. The hashes are null while there are errors."""

    errors: list[DraftError]
    sha256: str | None
    rules_sha256: str | None

    @classmethod
    def of(cls, document: Document) -> "DraftAnswer":
        errors = templates.publishing_errors(document)
        if errors:
            return cls([DraftError(e.at, e.code, e.detail) for e in errors], None, None)
        template = templates.load(document)
        return cls([], template.sha256, template.rules_sha256)


class AssignmentView(msgspec.Struct, frozen=True):
    id: UUID
    template_id: UUID
    code: str
    asset_id: UUID | None
    model_id: UUID | None
    site_id: UUID | None
    work_type_id: UUID | None
    assigned_at: datetime

    @classmethod
    def of(cls, row: ChecklistAssignment, code: str) -> "AssignmentView":
        return cls(
            row.id,
            row.template_id,
            code,
            row.asset_id,
            row.model_id,
            row.site_id,
            row.work_type_id,
            row.assigned_at,
        )


class AssignmentPage(msgspec.Struct, frozen=True):
    items: list[AssignmentView]
    next: str | None


class ResolutionView(msgspec.Struct, frozen=True):
    """`level` is asset, model, site or work_type; null where nothing is assigned."""

    level: str | None
    version: VersionLine

    @classmethod
    def of(cls, resolution: Resolution) -> "ResolutionView":
        return cls(resolution.level, VersionLine.of(resolution.version))


class ChecklistController(Controller):
    path = "/api/checklists"
    tags = ["Checklists"]

    @get("/", opt=READ, summary="List checklists")
    async def browse(
        self,
        session: DbSession,
        actor: CurrentActor,
        page: http.Page,
        is_active: http.Active = None,
    ) -> TemplatePage:
        rows = await queries.list_templates(
            session, actor, is_active=is_active, after=page.after_id, limit=page.limit
        )
        return TemplatePage(
            [TemplateView.of(row, newest) for row, newest in rows],
            page.next([first for first, _ in rows]),
        )

    @post("/", opt=MANAGE, status_code=HTTP_201_CREATED, summary="Name a checklist")
    async def add(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[NewTemplate]
    ) -> TemplateView:
        row = await queries.add_template(session, actor, now, code=data.code, name=data.name)
        return TemplateView.of(row, None)

    @get("/schema", opt=READ, summary="The JSON Schema of a template document")
    async def document_schema(self, actor: CurrentActor) -> dict[str, Any]:
        return templates.template_schema()

    @post(
        "/validation",
        opt=MANAGE,
        status_code=HTTP_200_OK,
        summary="Say what publishing a document would say, without publishing it",
    )
    async def validate(self, actor: CurrentActor, data: JSONBody[Draft]) -> DraftAnswer:
        return DraftAnswer.of(data.document)

    @get(
        "/resolution",
        opt=needs(Permission.READ_WORK_ORDERS),
        summary="Which checklist applies to a type of work on an asset",
    )
    async def resolve(
        self,
        session: DbSession,
        actor: CurrentActor,
        asset_id: FromQuery[UUID],
        work_type_id: FromQuery[UUID],
    ) -> ResolutionView:
        return ResolutionView.of(
            await assignments.resolve_for_asset(session, actor, asset_id, work_type_id)
        )

    @patch("/{template_id:uuid}", opt=MANAGE, summary="Rename a checklist or take it out of use")
    async def edit(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        template_id: FromPath[UUID],
        data: JSONBody[TemplateEdit],
    ) -> TemplateView:
        row = await queries.edit_template(
            session, actor, now, template_id, data.rev, data.changes()
        )
        versions = await queries.list_versions(session, actor, template_id)
        return TemplateView.of(row, versions[-1].version if versions else None)

    @get("/{template_id:uuid}/versions", opt=READ, summary="List the versions of a checklist")
    async def list_versions(
        self, session: DbSession, actor: CurrentActor, template_id: FromPath[UUID]
    ) -> VersionHistory:
        rows = await queries.list_versions(session, actor, template_id)
        return VersionHistory([VersionLine.of(row) for row in rows])

    @post(
        "/{template_id:uuid}/versions",
        opt=MANAGE,
        status_code=HTTP_201_CREATED,
        summary="Publish a version, for ever",
        responses=http.refusals(TemplateRefused, Invalid, VersionIsFixed, Conflict),
    )
    async def publish(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        template_id: FromPath[UUID],
        data: JSONBody[Draft],
    ) -> VersionView:
        return VersionView.of(
            await queries.publish_version(session, actor, now, template_id, data.document)
        )


class VersionController(Controller):
    path = "/api/checklist-versions"
    tags = ["Checklists"]

    @get("/{version_id:uuid}", opt=READ, summary="Read a published version")
    async def read(
        self, session: DbSession, actor: CurrentActor, version_id: FromPath[UUID]
    ) -> VersionView:
        return VersionView.of(await queries.find_version(session, actor, version_id))

    @get(
        "/{version_id:uuid}/answers-schema",
        opt=READ,
        summary="The JSON Schema of the answers to a version",
    )
    async def answers_schema(
        self, session: DbSession, actor: CurrentActor, version_id: FromPath[UUID]
    ) -> dict[str, Any]:
        version = await queries.find_version(session, actor, version_id)
        return answers.answers_schema(templates.load(version.body))


class AssignmentController(Controller):
    path = "/api/checklist-assignments"
    tags = ["Checklists"]

    @get("/", opt=MANAGE, summary="List where checklists apply")
    async def browse(
        self,
        session: DbSession,
        actor: CurrentActor,
        page: http.Page,
        template_id: FromQuery[UUID | None] = None,
    ) -> AssignmentPage:
        rows = await assignments.list_assignments(
            session, actor, template_id=template_id, after=page.after_id, limit=page.limit
        )
        return AssignmentPage(
            [AssignmentView.of(row, code) for row, code in rows],
            page.next([first for first, _ in rows]),
        )

    @post(
        "/",
        opt=MANAGE,
        status_code=HTTP_201_CREATED,
        summary="Use a checklist for an asset, a model, a site or a work type",
    )
    async def assign(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[NewAssignment]
    ) -> AssignmentView:
        subject = Subject(data.asset_id, data.model_id, data.site_id, data.work_type_id)
        row, code = await assignments.assign(
            session, actor, now, data.template_id, subject, replaces=data.replaces
        )
        return AssignmentView.of(row, code)

    @delete(
        "/{assignment_id:uuid}",
        opt=MANAGE,
        status_code=HTTP_204_NO_CONTENT,
        summary="Use no checklist there any more",
    )
    async def remove(
        self, session: DbSession, actor: CurrentActor, now: Now, assignment_id: FromPath[UUID]
    ) -> None:
        await assignments.remove_assignment(session, actor, now, assignment_id)


ROUTES = [ChecklistController, VersionController, AssignmentController]
