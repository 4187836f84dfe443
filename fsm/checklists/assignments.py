"""Where checklists apply: assigned to an asset, a model, a site or a type of work; the nearest one wins."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlmodel import col, func, select

from fsm import events
from fsm.actors import Actor
from fsm.assets.queries import find_asset
from fsm.assets.tables import Asset, AssetModel
from fsm.catalogue.tables import WorkType
from fsm.checklists import templates
from fsm.checklists.queries import find_template, list_versions, none_template
from fsm.checklists.tables import ChecklistAssignment, ChecklistTemplate, ChecklistVersion
from fsm.checklists.templates import Level
from fsm.customers.tables import Site
from fsm.database import Session
from fsm.problems import Conflict, Invalid, StaleChange


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
    row = await session.found(statement, f"No assignment {assignment_id}.")
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
