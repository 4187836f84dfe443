"""Checklists in the database: their names and their published versions.

A version never changes once it is published (see `templates`). Two templates are the product's own:
`none`, which requires nothing and applies where nobody assigned a checklist, and `import`, under
which history from elsewhere is closed. They come into being when they are first needed.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, func, select
from uuid_utils.compat import uuid7

from fsm import events
from fsm.actors import Actor
from fsm.checklists import templates
from fsm.checklists.tables import ChecklistTemplate, ChecklistVersion
from fsm.checklists.templates import Policy
from fsm.database import Session, revise, touch
from fsm.problems import Conflict, Invalid

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
    return await session.found(statement, f"No checklist {template_id}.")


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
    return await session.found(statement, f"No checklist version {version_id}.")


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
