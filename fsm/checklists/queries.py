"""Everything about checklists that touches the database: names, published versions, where they apply.

A version never changes once it is published (see `templates`). Two templates are the product's own:
`none`, which requires nothing and applies where nobody assigned a checklist, and `import`, under
which history from elsewhere is closed. They come into being when they are first needed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, func, select
from uuid_utils.compat import uuid7

from fsm import events
from fsm.actors import Actor
from fsm.assets.queries import find_asset
from fsm.assets.tables import Asset, AssetModel
from fsm.catalogue.tables import WorkType
from fsm.checklists import templates
from fsm.checklists.tables import ChecklistAssignment, ChecklistTemplate, ChecklistVersion
from fsm.checklists.templates import Level, Policy
from fsm.customers.tables import Site
from fsm.database import Session, revise, touch
from fsm.problems import Conflict, Invalid, NotFound, StaleChange

NONE_CODE: Final = "none"
IMPORT_CODE: Final = "import"

_OWN: Final[Mapping[str, Mapping[str, str]]] = {
    NONE_CODE: {"en": "No checklist", "ru": "Без чек-листа"},
    IMPORT_CODE: {"en": "Imported history", "ru": "Перенесённая история"},
}
"""The product's own templates: code → title."""

_SINCE: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""When the product's own versions count as published: before anything that is judged by them."""


# --- templates --------------------------------------------------------------------------------------------


async def find_template(
    session: Session, actor: Actor, template_id: UUID, *, lock: bool = False
) -> ChecklistTemplate:
    """Return one template; held until the end of the transaction when `lock` is set."""
    statement = select(ChecklistTemplate).where(
        ChecklistTemplate.tenant_id == actor.tenant_id, ChecklistTemplate.id == template_id
    )
    if lock:
        statement = statement.with_for_update(key_share=True).execution_options(
            populate_existing=True
        )
    row = (await session.exec(statement)).one_or_none()
    if row is None:
        raise NotFound(f"No checklist {template_id}.")
    return row


async def list_templates(
    session: Session, actor: Actor, *, is_active: bool | None, after: UUID | None, limit: int
) -> list[tuple[ChecklistTemplate, int | None]]:
    """Return (template, number of its newest version) in order of id."""
    newest = (
        select(func.max(ChecklistVersion.version))
        .where(
            ChecklistVersion.tenant_id == ChecklistTemplate.tenant_id,
            ChecklistVersion.template_id == ChecklistTemplate.id,
        )
        .correlate(ChecklistTemplate)
        .scalar_subquery()
    )
    statement = (
        select(ChecklistTemplate, newest)
        .where(ChecklistTemplate.tenant_id == actor.tenant_id)
        .order_by(col(ChecklistTemplate.id))
        .limit(limit)
    )
    if is_active is not None:
        statement = statement.where(ChecklistTemplate.is_active == is_active)
    if after is not None:
        statement = statement.where(ChecklistTemplate.id > after)
    return [(row, version) for row, version in await session.exec(statement)]


async def add_template(
    session: Session, actor: Actor, now: datetime, *, code: str, name: str
) -> ChecklistTemplate:
    """Name a checklist; its code is the `template_id` of every document published under it."""
    if code in _OWN:
        raise Invalid(
            f"'{code}' is the product's own checklist. Choose another code.",
            errors=[{"at": "/code", "detail": "reserved"}],
        )
    row = ChecklistTemplate(tenant_id=actor.tenant_id, code=code, name=name)
    session.add(row)
    await session.flush()
    await events.record(
        session, actor, "checklist.created", "checklist_template", row.id, now=now, code=code
    )
    touch(session, row)
    return row


async def edit_template(
    session: Session,
    actor: Actor,
    now: datetime,
    template_id: UUID,
    rev: int,
    changes: Mapping[str, Any],
) -> ChecklistTemplate:
    """Rename a checklist or take it out of use: then it is chosen for no new job, and pinned ones keep it."""
    row = await find_template(session, actor, template_id, lock=True)
    _refuse_own(row)
    if revise(row, rev, changes):
        await session.flush()
        await events.record(
            session,
            actor,
            "checklist.edited",
            "checklist_template",
            template_id,
            now=now,
            fields=sorted(changes),
        )
        touch(session, row)
    return row


def _refuse_own(row: ChecklistTemplate) -> None:
    if row.code in _OWN:
        raise Conflict(f"'{row.code}' is the product's own checklist and stays as it is.")


# --- versions ---------------------------------------------------------------------------------------------


async def find_version(session: Session, actor: Actor, version_id: UUID) -> ChecklistVersion:
    """Return one published version, also of a template that is out of use: jobs may be pinned to it."""
    statement = select(ChecklistVersion).where(
        ChecklistVersion.tenant_id == actor.tenant_id, ChecklistVersion.id == version_id
    )
    row = (await session.exec(statement)).one_or_none()
    if row is None:
        raise NotFound(f"No checklist version {version_id}.")
    return row


async def list_versions(
    session: Session, actor: Actor, template_id: UUID
) -> Sequence[ChecklistVersion]:
    """Return all published versions of a template, the first one first."""
    await find_template(session, actor, template_id)
    statement = (
        select(ChecklistVersion)
        .where(
            ChecklistVersion.tenant_id == actor.tenant_id,
            ChecklistVersion.template_id == template_id,
        )
        .order_by(col(ChecklistVersion.version))
    )
    return (await session.exec(statement)).all()


async def find_successor(
    session: Session, actor: Actor, pinned: ChecklistVersion
) -> templates.Template | None:
    """Return the newest version if it wants work under the pinned one looked at again, else None."""
    statement = (
        select(ChecklistVersion)
        .where(
            ChecklistVersion.tenant_id == actor.tenant_id,
            ChecklistVersion.template_id == pinned.template_id,
        )
        .order_by(col(ChecklistVersion.version).desc())
        .limit(1)
    )
    newest = templates.load((await session.exec(statement)).one().body)
    return newest if newest.verdict_of_age(pinned.version) is Policy.REVIEW else None


async def publish_version(
    session: Session,
    actor: Actor,
    now: datetime,
    template_id: UUID,
    document: Mapping[str, Any],
) -> ChecklistVersion:
    """Publish a document as a version for ever; publishing the same again returns what is there.

    Refused: a document with errors (`TemplateRefused` lists each), other contents under a published
    number (`VersionIsFixed`), a number below the newest (`Conflict`).
    """
    offered = templates.publish(document)
    row = await find_template(session, actor, template_id, lock=True)
    _refuse_own(row)
    if offered.template_id != row.code:
        raise Invalid(
            f"The document is of '{offered.template_id}', this checklist is '{row.code}'.",
            errors=[{"at": "/document/template_id", "detail": f"must be '{row.code}'"}],
        )
    published = await list_versions(session, actor, template_id)
    for version in published:
        if version.version == offered.version:
            templates.check_republish(templates.load(version.body), offered)
            return version
    if published and offered.version < published[-1].version:
        newest = published[-1].version
        raise Conflict(
            f"Version {newest} is already published. Publish this as version {newest + 1}.",
            newest=newest,
        )
    version = ChecklistVersion(
        tenant_id=actor.tenant_id,
        template_id=template_id,
        version=offered.version,
        sha256=offered.sha256,
        rules_sha256=offered.rules_sha256,
        body=dict(document),
        min_accepted=offered.min_accepted,
        policy=offered.policy,
        published_at=now,
        published_by=actor.name,
    )
    session.add(version)
    await session.flush()
    await events.record(
        session,
        actor,
        "checklist.version_published",
        "checklist_template",
        template_id,
        now=now,
        version=version.version,
        version_id=str(version.id),
        sha256=version.sha256,
    )
    touch(session, version)
    return version


async def _own_template(session: Session, actor: Actor, code: str) -> ChecklistVersion:
    """Return the only version of one of the product's own templates, making it where it is missing.

    Two transactions may come to make it at the same time: the later one waits for the first and
    finds its rows.
    """
    found = (
        select(ChecklistVersion)
        .join(
            ChecklistTemplate,
            (col(ChecklistTemplate.tenant_id) == ChecklistVersion.tenant_id)
            & (col(ChecklistTemplate.id) == ChecklistVersion.template_id),
        )
        .where(ChecklistVersion.tenant_id == actor.tenant_id, ChecklistTemplate.code == code)
        .order_by(col(ChecklistVersion.version))
        .limit(1)
    )
    version = (await session.exec(found)).one_or_none()
    if version is not None:
        return version
    template = templates.load(templates.empty_document(code, _OWN[code]))
    await session.exec(
        insert(ChecklistTemplate)
        .values(
            tenant_id=actor.tenant_id,
            id=uuid7(),
            rev=1,
            code=code,
            name=template.title("en"),
            is_active=True,
        )
        .on_conflict_do_nothing(index_elements=["tenant_id", "code"])
    )
    template_id = select(ChecklistTemplate.id).where(
        ChecklistTemplate.tenant_id == actor.tenant_id, ChecklistTemplate.code == code
    )
    await session.exec(
        insert(ChecklistVersion)
        .values(
            tenant_id=actor.tenant_id,
            id=uuid7(),
            template_id=(await session.exec(template_id)).one(),
            version=template.version,
            sha256=template.sha256,
            rules_sha256=template.rules_sha256,
            body=dict(template.document),
            min_accepted=template.min_accepted,
            policy=template.policy,
            published_at=_SINCE,
            published_by="",
        )
        .on_conflict_do_nothing(index_elements=["tenant_id", "template_id", "version"])
    )
    version = (await session.exec(found)).one()
    touch(session, version)
    return version


async def none_template(session: Session, actor: Actor) -> ChecklistVersion:
    """Return the version that requires nothing, for jobs where nobody assigned a checklist."""
    return await _own_template(session, actor, NONE_CODE)


async def import_template(session: Session, actor: Actor) -> ChecklistVersion:
    """Return the version under which imported history is closed: it requires nothing and proves nothing."""
    return await _own_template(session, actor, IMPORT_CODE)


# --- where they apply -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Subject:
    """Where a checklist applies: at most one of asset, model and site, there optionally for one work type."""

    asset_id: UUID | None = None
    model_id: UUID | None = None
    site_id: UUID | None = None
    work_type_id: UUID | None = None

    def level(self) -> Level:
        """Return the step of the resolution at which this subject is looked at."""
        if self.asset_id is not None:
            return Level.ASSET
        if self.model_id is not None:
            return Level.MODEL
        return Level.SITE if self.site_id is not None else Level.WORK_TYPE


_SUBJECTS: Final = (
    ("asset_id", Asset, "asset"),
    ("model_id", AssetModel, "model"),
    ("site_id", Site, "site"),
    ("work_type_id", WorkType, "work type"),
)


async def _check_subject(session: Session, actor: Actor, subject: Subject) -> None:
    places = [subject.asset_id, subject.model_id, subject.site_id]
    if len([place for place in places if place is not None]) > 1:
        raise Invalid(
            "A checklist is assigned to an asset, a model or a site, one of them.",
            errors=[{"at": "/", "detail": "more than one of asset_id, model_id, site_id"}],
        )
    if not any(getattr(subject, name) for name, _, _ in _SUBJECTS):
        raise Invalid(
            "Say where the checklist applies: an asset, a model, a site or a work type.",
            errors=[{"at": "/", "detail": "none of asset_id, model_id, site_id, work_type_id"}],
        )
    for name, table, word in _SUBJECTS:
        row_id = getattr(subject, name)
        if row_id is None:
            continue
        statement = select(table.id).where(table.tenant_id == actor.tenant_id, table.id == row_id)
        if (await session.exec(statement)).one_or_none() is None:
            raise Invalid(f"There is no {word} {row_id}.", errors=[{"at": f"/{name}"}])


async def list_assignments(
    session: Session,
    actor: Actor,
    *,
    template_id: UUID | None = None,
    after: UUID | None = None,
    limit: int = 500,
) -> list[tuple[ChecklistAssignment, str]]:
    """Return (assignment, the template's code) in order of id."""
    statement = (
        select(ChecklistAssignment, ChecklistTemplate.code)
        .join(
            ChecklistTemplate,
            (col(ChecklistTemplate.tenant_id) == ChecklistAssignment.tenant_id)
            & (col(ChecklistTemplate.id) == ChecklistAssignment.template_id),
        )
        .where(ChecklistAssignment.tenant_id == actor.tenant_id)
        .order_by(col(ChecklistAssignment.id))
        .limit(limit)
    )
    if template_id is not None:
        statement = statement.where(ChecklistAssignment.template_id == template_id)
    if after is not None:
        statement = statement.where(ChecklistAssignment.id > after)
    return [(row, code) for row, code in await session.exec(statement)]


async def assign(
    session: Session,
    actor: Actor,
    now: datetime,
    template_id: UUID,
    subject: Subject,
    *,
    replaces: UUID | None = None,
) -> tuple[ChecklistAssignment, str]:
    """Use a template at a subject from the next dispatch on; jobs that are pinned keep theirs.

    Where another is assigned, `replaces` must name that template: whoever does not know of it is
    refused (`Conflict`), whoever knows an older state as well (`StaleChange`).
    """
    template = await find_template(session, actor, template_id)
    if not template.is_active:
        raise Invalid("This checklist is out of use.", errors=[{"at": "/template_id"}])
    if not await list_versions(session, actor, template_id):
        raise Invalid(
            "This checklist has no published version yet.", errors=[{"at": "/template_id"}]
        )
    await _check_subject(session, actor, subject)
    statement = select(ChecklistAssignment).where(
        ChecklistAssignment.tenant_id == actor.tenant_id,
        *(
            col(getattr(ChecklistAssignment, name)).is_not_distinct_from(getattr(subject, name))
            for name, _, _ in _SUBJECTS
        ),
    )
    row = (await session.exec(statement.with_for_update())).one_or_none()
    if row is not None and row.template_id == template_id:
        return row, template.code
    before = None if row is None else row.template_id
    if before != replaces:
        if replaces is not None:
            raise StaleChange(
                "Somebody else changed this assignment meanwhile. Read it again.",
                template_id=None if before is None else str(before),
            )
        raise Conflict(
            "A checklist is already assigned there. Name it in 'replaces' to change it.",
            template_id=str(before),
        )
    if row is None:
        row = ChecklistAssignment(
            tenant_id=actor.tenant_id,
            template_id=template_id,
            asset_id=subject.asset_id,
            model_id=subject.model_id,
            site_id=subject.site_id,
            work_type_id=subject.work_type_id,
            assigned_at=now,
        )
        session.add(row)
    else:
        row.template_id = template_id
        row.assigned_at = now
    await session.flush()
    await _tell_assignment(session, actor, now, "checklist.assigned", row, replaced=before)
    return row, template.code


async def remove_assignment(
    session: Session, actor: Actor, now: datetime, assignment_id: UUID
) -> None:
    statement = (
        select(ChecklistAssignment)
        .where(
            ChecklistAssignment.tenant_id == actor.tenant_id,
            ChecklistAssignment.id == assignment_id,
        )
        .with_for_update()
    )
    row = (await session.exec(statement)).one_or_none()
    if row is None:
        raise NotFound(f"No assignment {assignment_id}.")
    await session.delete(row)
    await session.flush()
    await _tell_assignment(session, actor, now, "checklist.unassigned", row)


async def _tell_assignment(
    session: Session,
    actor: Actor,
    now: datetime,
    kind: str,
    row: ChecklistAssignment,
    replaced: UUID | None = None,
) -> None:
    subject = {
        name: str(getattr(row, name)) for name, _, _ in _SUBJECTS if getattr(row, name) is not None
    }
    await events.record(
        session,
        actor,
        kind,
        "checklist_template",
        row.template_id,
        now=now,
        assignment_id=str(row.id),
        subject=subject,
        replaced=None if replaced is None else str(replaced),
    )


@dataclass(frozen=True, slots=True)
class Resolution:
    """The version that applies, and the level that decided; None where nothing was assigned."""

    version: ChecklistVersion
    level: Level | None


async def resolve_with_level(
    session: Session,
    actor: Actor,
    *,
    asset_id: UUID | None,
    model_id: UUID | None,
    site_id: UUID | None,
    work_type_id: UUID | None,
) -> Resolution:
    """Return what `resolve_checklist` returns, with the level at which it was found."""
    row = ChecklistAssignment
    places = {"asset_id": asset_id, "model_id": model_id, "site_id": site_id}
    # Each place is either not part of the assignment or is this job's; so is the work type.
    fits = [
        col(getattr(row, name)).is_(None)
        if value is None
        else col(getattr(row, name)).is_(None) | (col(getattr(row, name)) == value)
        for name, value in {**places, "work_type_id": work_type_id}.items()
    ]
    newest = (
        select(func.max(ChecklistVersion.version))
        .where(
            ChecklistVersion.tenant_id == row.tenant_id,
            ChecklistVersion.template_id == row.template_id,
        )
        .correlate(row)
        .scalar_subquery()
    )
    statement = (
        select(row, ChecklistVersion)
        .join(
            ChecklistTemplate,
            (col(ChecklistTemplate.tenant_id) == row.tenant_id)
            & (col(ChecklistTemplate.id) == row.template_id),
        )
        .join(
            ChecklistVersion,
            (col(ChecklistVersion.tenant_id) == row.tenant_id)
            & (col(ChecklistVersion.template_id) == row.template_id)
            & (col(ChecklistVersion.version) == newest),
        )
        .where(row.tenant_id == actor.tenant_id, ChecklistTemplate.is_active, *fits)
    )
    candidates: dict[Level, tuple[bool, ChecklistVersion]] = {}
    for assignment, version in await session.exec(statement):
        level = Subject(
            assignment.asset_id, assignment.model_id, assignment.site_id, assignment.work_type_id
        ).level()
        is_narrow = assignment.work_type_id is not None
        best = candidates.get(level)
        # At one level there is at most one for this work type and one for any.
        if best is None or (is_narrow and not best[0]):
            candidates[level] = (is_narrow, version)
    found = templates.resolve(
        {level: (level, version) for level, (_, version) in candidates.items()}
    )
    if found is None:
        return Resolution(await none_template(session, actor), None)
    return Resolution(found[1], found[0])


async def resolve_checklist(
    session: Session,
    actor: Actor,
    *,
    asset_id: UUID | None,
    model_id: UUID | None,
    site_id: UUID | None,
    work_type_id: UUID | None,
) -> ChecklistVersion:
    """Return the version that a job dispatched now is judged by.

    Equipment before model before site before work type; at each, an assignment for this type of work
    before one for any. The first hit applies whole, in the newest published version of its template;
    without any it is the empty template `none`. Templates out of use are passed over.
    """
    resolution = await resolve_with_level(
        session,
        actor,
        asset_id=asset_id,
        model_id=model_id,
        site_id=site_id,
        work_type_id=work_type_id,
    )
    return resolution.version


async def resolve_for_asset(
    session: Session, actor: Actor, asset_id: UUID, work_type_id: UUID
) -> Resolution:
    """Return what would apply to a type of work on an asset: the preview of an assignment."""
    asset = await find_asset(session, actor, asset_id)
    return await resolve_with_level(
        session,
        actor,
        asset_id=asset.id,
        model_id=asset.model_id,
        site_id=asset.site_id,
        work_type_id=work_type_id,
    )
