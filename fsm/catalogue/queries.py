"""Work types with their versions, and reasons: everything that touches the database."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlmodel import and_, col, select

from fsm import events
from fsm.actors import Actor
from fsm.catalogue.tables import (
    MaintenanceKind,
    Reason,
    ReasonKind,
    RequestClass,
    WorkType,
    WorkTypeVersion,
)
from fsm.database import Session, revise, touch
from fsm.problems import Invalid, NotFound

# --- work types -------------------------------------------------------------------------------------------


async def find_work_type(session: Session, actor: Actor, work_type_id: UUID) -> WorkType:
    statement = select(WorkType).where(
        WorkType.tenant_id == actor.tenant_id, WorkType.id == work_type_id
    )
    return await session.found(statement, f"No work type {work_type_id}.")


async def find_work_type_by_code(session: Session, actor: Actor, code: str) -> WorkType:
    """Return the work type of a code, also one that is out of use; an unknown code is `Invalid`."""
    statement = select(WorkType).where(WorkType.tenant_id == actor.tenant_id, WorkType.code == code)
    work_type = (await session.exec(statement)).one_or_none()
    if work_type is None:
        raise Invalid(
            f"There is no work type '{code}'.",
            errors=[{"at": "/work_type", "detail": "unknown work type"}],
        )
    return work_type


async def lock_work_type(session: Session, actor: Actor, work_type_id: UUID) -> WorkType:
    statement = (
        select(WorkType)
        .where(WorkType.tenant_id == actor.tenant_id, WorkType.id == work_type_id)
        .with_for_update()
    )
    return await session.found(statement, f"No work type {work_type_id}.")


async def list_work_types(
    session: Session,
    actor: Actor,
    at: datetime,
    *,
    is_active: bool | None = None,
    after: UUID | None = None,
    limit: int = 500,
) -> list[tuple[WorkType, WorkTypeVersion | None]]:
    """Return work types in order of id, each with its version in force at `at`; None before its first."""
    in_force = (
        select(WorkTypeVersion.id)
        .where(
            WorkTypeVersion.tenant_id == WorkType.tenant_id,
            WorkTypeVersion.work_type_id == WorkType.id,
            WorkTypeVersion.effective_at <= at,
        )
        .order_by(col(WorkTypeVersion.version).desc())
        .limit(1)
        .correlate(WorkType)
        .scalar_subquery()
    )
    statement = (
        select(WorkType, WorkTypeVersion)
        .outerjoin(
            WorkTypeVersion,
            and_(
                col(WorkTypeVersion.tenant_id) == col(WorkType.tenant_id),
                col(WorkTypeVersion.id) == in_force,
            ),
        )
        .where(WorkType.tenant_id == actor.tenant_id)
        .order_by(col(WorkType.id))
        .limit(limit)
    )
    if is_active is not None:
        statement = statement.where(WorkType.is_active == is_active)
    if after is not None:
        statement = statement.where(WorkType.id > after)
    return [(work_type, version) for work_type, version in await session.exec(statement)]


async def find_effective_version(
    session: Session, actor: Actor, work_type_id: UUID, at: datetime
) -> WorkTypeVersion:
    """Return the version in force at an instant: of those effective by then, the one published last.

    Since versions are never published into the past, the answer for a past instant never changes.
    `NotFound` before the first version's time.
    """
    version = await seek_effective_version(session, actor, work_type_id, at)
    if version is None:
        work_type = await find_work_type(session, actor, work_type_id)
        raise NotFound(f"The work type '{work_type.code}' had no version yet at {at.isoformat()}.")
    return version


async def seek_effective_version(
    session: Session, actor: Actor, work_type_id: UUID, at: datetime
) -> WorkTypeVersion | None:
    """Return what `find_effective_version` returns, or None before the first version's time."""
    statement = (
        select(WorkTypeVersion)
        .where(
            WorkTypeVersion.tenant_id == actor.tenant_id,
            WorkTypeVersion.work_type_id == work_type_id,
            WorkTypeVersion.effective_at <= at,
        )
        .order_by(col(WorkTypeVersion.version).desc())
        .limit(1)
    )
    return (await session.exec(statement)).one_or_none()


async def list_versions(
    session: Session, actor: Actor, work_type_id: UUID
) -> list[WorkTypeVersion]:
    """Return all versions of a work type, the first one first."""
    await find_work_type(session, actor, work_type_id)
    statement = (
        select(WorkTypeVersion)
        .where(
            WorkTypeVersion.tenant_id == actor.tenant_id,
            WorkTypeVersion.work_type_id == work_type_id,
        )
        .order_by(col(WorkTypeVersion.version))
    )
    return list(await session.exec(statement))


async def add_work_type(
    session: Session, actor: Actor, now: datetime, *, code: str, name: str
) -> WorkType:
    """Create a work type; it means something from its first version on (`publish_version`)."""
    work_type = WorkType(tenant_id=actor.tenant_id, code=code, name=name)
    session.add(work_type)
    await session.flush()
    await events.record(
        session, actor, "work_type.created", "work_type", work_type.id, now=now, code=code
    )
    touch(session, work_type)
    return work_type


async def edit_work_type(
    session: Session,
    actor: Actor,
    now: datetime,
    work_type_id: UUID,
    rev: int | None,
    changes: Mapping[str, Any],
) -> WorkType:
    """Rename a work type or put it out of use; what it means changes by `publish_version` alone."""
    work_type = await lock_work_type(session, actor, work_type_id)
    if revise(work_type, rev, changes):
        await events.record(
            session,
            actor,
            "work_type.edited",
            "work_type",
            work_type_id,
            now=now,
            changes=msgspec.to_builtins(dict(changes)),
        )
        touch(session, work_type)
    return work_type


async def publish_version(
    session: Session,
    actor: Actor,
    now: datetime,
    work_type_id: UUID,
    *,
    names: Mapping[str, str],
    request_class: RequestClass,
    maintenance: MaintenanceKind,
    duration_s: int,
    priority: int,
    skills: Sequence[Mapping[str, Any]] = (),
    effective_at: datetime | None = None,
) -> WorkTypeVersion:
    """Publish the next version of a work type, in force from `effective_at` (now, unless given).

    The first version may reach back, so that a company's own past can be recorded under it. A later one
    may not: what was in force at a past instant would change. A version that waits for its time is
    replaced by publishing another one for the same time.
    """
    await lock_work_type(session, actor, work_type_id)
    published = await list_versions(session, actor, work_type_id)
    starts_at = now if effective_at is None else effective_at
    if published and starts_at < now:
        raise Invalid(
            "Only the first version may take effect in the past; "
            "a later one would change what past work orders were.",
            errors=[{"at": "/effective_at", "detail": "in the past"}],
        )
    required = [str(skill["skill"]) for skill in skills]
    if len(set(required)) < len(required):
        raise Invalid(
            "A skill is required twice.",
            errors=[{"at": "/skills", "detail": "a skill is repeated"}],
        )
    version = WorkTypeVersion(
        tenant_id=actor.tenant_id,
        work_type_id=work_type_id,
        version=published[-1].version + 1 if published else 1,
        effective_at=starts_at,
        names=dict(names),
        request_class=request_class,
        maintenance=maintenance,
        duration_s=duration_s,
        priority=priority,
        skills=[{"skill": skill["skill"], "level": skill["level"]} for skill in skills],
    )
    session.add(version)
    await session.flush()
    await events.record(
        session,
        actor,
        "work_type.version_published",
        "work_type",
        work_type_id,
        now=now,
        version=version.version,
        version_id=str(version.id),
        effective_at=starts_at.isoformat(),
    )
    touch(session, version)
    return version


# --- reasons ----------------------------------------------------------------------------------------------


async def find_reason(session: Session, actor: Actor, kind: ReasonKind, code: str) -> Reason:
    """Return the reason of a kind and code, also one that is out of use; an unknown one is `Invalid`.

    A phone that was offline may name a reason that the office has put out of use meanwhile.
    """
    statement = select(Reason).where(
        Reason.tenant_id == actor.tenant_id, Reason.kind == kind, Reason.code == code
    )
    reason = (await session.exec(statement)).one_or_none()
    if reason is None:
        active = await list_reasons(session, actor, kind=kind, is_active=True)
        known = [reason.code for reason in active]
        raise Invalid(
            f"There is no {kind} reason '{code}'."
            + (f" There are: {', '.join(known)}." if known else ""),
            errors=[{"at": "/reason", "detail": "unknown reason"}],
            known=known,
        )
    return reason


async def list_reasons(
    session: Session,
    actor: Actor,
    *,
    kind: ReasonKind | None = None,
    is_active: bool | None = None,
    after: UUID | None = None,
    limit: int = 500,
) -> list[Reason]:
    """Return reasons in order of id."""
    statement = (
        select(Reason)
        .where(Reason.tenant_id == actor.tenant_id)
        .order_by(col(Reason.id))
        .limit(limit)
    )
    if kind is not None:
        statement = statement.where(Reason.kind == kind)
    if is_active is not None:
        statement = statement.where(Reason.is_active == is_active)
    if after is not None:
        statement = statement.where(Reason.id > after)
    return list(await session.exec(statement))


def _check_clocks(kind: str, stops: bool) -> None:
    if stops and kind != ReasonKind.PAUSE:
        raise Invalid(
            "Only the reason of a pause stops clocks.",
            errors=[{"at": "/kind", "detail": f"a {kind} reason stops no clock"}],
        )


async def add_reason(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    kind: ReasonKind,
    code: str,
    names: Mapping[str, str],
    stops_sla_clock: bool = False,
    stops_repair_clock: bool = False,
) -> Reason:
    """Create a reason. Kind and code stay as they are for good: jobs and contracts refer to them."""
    _check_clocks(kind, stops_sla_clock or stops_repair_clock)
    reason = Reason(
        tenant_id=actor.tenant_id,
        kind=kind,
        code=code,
        names=dict(names),
        stops_sla_clock=stops_sla_clock,
        stops_repair_clock=stops_repair_clock,
    )
    session.add(reason)
    await session.flush()
    await events.record(
        session,
        actor,
        "reason.created",
        "reason",
        reason.id,
        now=now,
        kind_of_reason=str(kind),
        code=code,
        stops_sla_clock=stops_sla_clock,
        stops_repair_clock=stops_repair_clock,
    )
    touch(session, reason)
    return reason


async def edit_reason(
    session: Session,
    actor: Actor,
    now: datetime,
    reason_id: UUID,
    rev: int | None,
    changes: Mapping[str, Any],
) -> Reason:
    """Edit a reason's names, its effect on clocks, or put it out of use."""
    statement = (
        select(Reason)
        .where(Reason.tenant_id == actor.tenant_id, Reason.id == reason_id)
        .with_for_update()
    )
    reason = await session.found(statement, f"No reason {reason_id}.")
    _check_clocks(
        reason.kind, bool(changes.get("stops_sla_clock") or changes.get("stops_repair_clock"))
    )
    if revise(reason, rev, changes):
        await events.record(
            session,
            actor,
            "reason.edited",
            "reason",
            reason_id,
            now=now,
            changes=msgspec.to_builtins(dict(changes)),
        )
        touch(session, reason)
    return reason
