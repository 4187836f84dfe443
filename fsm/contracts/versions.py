"""Calendars and service levels: names whose contents are versions, published and never changed.

A version is in force from its `effective_at` on. What was in force at a past instant never changes:
only the first version may reach back, so that a company's own past can be recorded under it.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select

from fsm import events
from fsm.actors import Actor
from fsm.catalogue.queries import list_reasons
from fsm.catalogue.tables import ReasonKind
from fsm.contracts.opening_hours import (
    InvalidCalendar,
    calendar_from_json,
    calendar_to_json,
    expand_rows,
    resolve,
)
from fsm.contracts.service_levels import (
    InvalidServiceLevel,
    service_level_from_json,
    service_level_to_json,
)
from fsm.contracts.service_levels import (
    ServiceLevel as Promises,
)
from fsm.contracts.tables import (
    Calendar,
    CalendarVersion,
    Opening,
    ServiceLevel,
    ServiceLevelVersion,
)
from fsm.database import Session, revise
from fsm.intervals import instant
from fsm.problems import Invalid, NotFound

MOST_DAYS = 20 * 366
"""Days whose openings are laid out at a time."""

Named = TypeVar("Named", Calendar, ServiceLevel)


def pointer(path: str, under: str = "/body") -> str:
    """Return `weekly.mon[0][1]` as the JSON pointer `/body/weekly/mon/0/1`."""
    steps = re.sub(r"\[(\d+)\]", r".\1", path).split(".") if path else []
    return under + "".join(f"/{step.replace('~', '~0').replace('/', '~1')}" for step in steps)


# --- names ------------------------------------------------------------------------------------------------


async def _find(
    session: Session, actor: Actor, kind: type[Named], row_id: UUID, *, lock: bool = False
) -> Named:
    statement = select(kind).where(kind.tenant_id == actor.tenant_id, kind.id == row_id)
    if lock:
        statement = statement.with_for_update(key_share=True).execution_options(
            populate_existing=True
        )
    row = (await session.exec(statement)).one_or_none()
    if row is None:
        what = "calendar" if kind is Calendar else "service level"
        raise NotFound(f"No {what} {row_id}.")
    return row


async def find_calendar(session: Session, actor: Actor, calendar_id: UUID) -> Calendar:
    return await _find(session, actor, Calendar, calendar_id)


async def find_service_level(session: Session, actor: Actor, level_id: UUID) -> ServiceLevel:
    return await _find(session, actor, ServiceLevel, level_id)


async def list_calendars(
    session: Session, actor: Actor, *, after: UUID | None, limit: int
) -> Sequence[Calendar]:
    statement = (
        select(Calendar)
        .where(Calendar.tenant_id == actor.tenant_id)
        .order_by(col(Calendar.id))
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(Calendar.id > after)
    return (await session.exec(statement)).all()


async def list_service_levels(
    session: Session, actor: Actor, *, after: UUID | None, limit: int
) -> Sequence[ServiceLevel]:
    statement = (
        select(ServiceLevel)
        .where(ServiceLevel.tenant_id == actor.tenant_id)
        .order_by(col(ServiceLevel.id))
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(ServiceLevel.id > after)
    return (await session.exec(statement)).all()


async def add_calendar(
    session: Session, actor: Actor, now: datetime, *, code: str, name: str
) -> Calendar:
    calendar = Calendar(tenant_id=actor.tenant_id, code=code, name=name)
    session.add(calendar)
    await session.flush()
    await events.record(
        session, actor, "calendar.created", "calendar", calendar.id, now=now, code=code
    )
    return calendar


async def edit_calendar(
    session: Session,
    actor: Actor,
    now: datetime,
    calendar_id: UUID,
    rev: int,
    changes: Mapping[str, Any],
) -> Calendar:
    calendar = await _find(session, actor, Calendar, calendar_id, lock=True)
    if revise(calendar, rev, changes):
        await session.flush()
        await events.record(
            session,
            actor,
            "calendar.edited",
            "calendar",
            calendar_id,
            now=now,
            fields=sorted(changes),
        )
    return calendar


async def _check_calendar(session: Session, actor: Actor, calendar_id: UUID) -> None:
    """Refuse a calendar that does not exist or has no opening hours yet: no clock could run on it."""
    statement = (
        select(CalendarVersion.id)
        .where(
            CalendarVersion.tenant_id == actor.tenant_id,
            CalendarVersion.calendar_id == calendar_id,
        )
        .limit(1)
    )
    if (await session.exec(statement)).first() is None:
        raise Invalid(
            f"There is no calendar {calendar_id} with published opening hours.",
            errors=[{"at": "/calendar_id", "detail": "unknown, or nothing published"}],
        )


async def add_service_level(
    session: Session, actor: Actor, now: datetime, *, code: str, name: str, calendar_id: UUID
) -> ServiceLevel:
    await _check_calendar(session, actor, calendar_id)
    level = ServiceLevel(tenant_id=actor.tenant_id, code=code, name=name, calendar_id=calendar_id)
    session.add(level)
    await session.flush()
    await events.record(
        session, actor, "service_level.created", "service_level", level.id, now=now, code=code
    )
    return level


async def edit_service_level(
    session: Session,
    actor: Actor,
    now: datetime,
    level_id: UUID,
    rev: int,
    changes: Mapping[str, Any],
) -> ServiceLevel:
    """Rename a service level or give it another calendar; clocks that have started keep theirs."""
    if "calendar_id" in changes:
        await _check_calendar(session, actor, changes["calendar_id"])
    level = await _find(session, actor, ServiceLevel, level_id, lock=True)
    if revise(level, rev, changes):
        await session.flush()
        await events.record(
            session,
            actor,
            "service_level.edited",
            "service_level",
            level_id,
            now=now,
            fields=sorted(changes),
        )
    return level


# --- versions ---------------------------------------------------------------------------------------------


async def list_calendar_versions(
    session: Session, actor: Actor, calendar_id: UUID
) -> Sequence[CalendarVersion]:
    """Return all versions of a calendar, the first one first."""
    await find_calendar(session, actor, calendar_id)
    statement = (
        select(CalendarVersion)
        .where(
            CalendarVersion.tenant_id == actor.tenant_id,
            CalendarVersion.calendar_id == calendar_id,
        )
        .order_by(col(CalendarVersion.version))
    )
    return (await session.exec(statement)).all()


async def list_service_level_versions(
    session: Session, actor: Actor, level_id: UUID
) -> Sequence[ServiceLevelVersion]:
    """Return all versions of a service level, the first one first."""
    await find_service_level(session, actor, level_id)
    statement = (
        select(ServiceLevelVersion)
        .where(
            ServiceLevelVersion.tenant_id == actor.tenant_id,
            ServiceLevelVersion.service_level_id == level_id,
        )
        .order_by(col(ServiceLevelVersion.version))
    )
    return (await session.exec(statement)).all()


def _takes_effect(published: Sequence[object], now: datetime, given: datetime | None) -> datetime:
    starts_at = now if given is None else given
    if published and starts_at < now:
        raise Invalid(
            "Only the first version may take effect in the past; "
            "a later one would change what was promised then.",
            errors=[{"at": "/effective_at", "detail": "in the past"}],
        )
    return starts_at


async def publish_calendar(
    session: Session,
    actor: Actor,
    now: datetime,
    calendar_id: UUID,
    *,
    body: object,
    effective_at: datetime | None = None,
) -> CalendarVersion:
    """Publish opening hours (see `opening_hours`) as the next version, in force from now or as given.

    Refused with the place at fault; so is a calendar that never opens, for nothing could become due.
    """
    try:
        hours = calendar_from_json(body)
    except InvalidCalendar as error:
        at = pointer(error.path)
        raise Invalid(
            f"{at}: {error.reason}", errors=[{"at": at, "detail": error.reason}]
        ) from None
    if not hours.opens_every_week and hours.last_special_on is None:
        raise Invalid(
            "This calendar never opens.", errors=[{"at": "/body", "detail": "no opening hours"}]
        )
    calendar = await _find(session, actor, Calendar, calendar_id, lock=True)
    published = await list_calendar_versions(session, actor, calendar_id)
    row = CalendarVersion(
        tenant_id=actor.tenant_id,
        calendar_id=calendar.id,
        version=published[-1].version + 1 if published else 1,
        effective_at=_takes_effect(published, now, effective_at),
        body=calendar_to_json(hours),
    )
    session.add(row)
    await session.flush()
    await events.record(
        session,
        actor,
        "calendar.version_published",
        "calendar",
        calendar_id,
        now=now,
        version=row.version,
        version_id=str(row.id),
        effective_at=row.effective_at.isoformat(),
    )
    return row


async def publish_service_level(
    session: Session,
    actor: Actor,
    now: datetime,
    level_id: UUID,
    *,
    body: object,
    effective_at: datetime | None = None,
) -> ServiceLevelVersion:
    """Publish promised times (see `service_levels`) as the next version, in force from now or as given.

    Refused with the place at fault; each pause must be a reason of the catalogue.
    """
    try:
        promises = service_level_from_json(body)
    except InvalidServiceLevel as error:
        at = pointer(error.path)
        raise Invalid(
            f"{at}: {error.reason}", errors=[{"at": at, "detail": error.reason}]
        ) from None
    await _check_pauses(session, actor, promises)
    level = await _find(session, actor, ServiceLevel, level_id, lock=True)
    published = await list_service_level_versions(session, actor, level_id)
    row = ServiceLevelVersion(
        tenant_id=actor.tenant_id,
        service_level_id=level.id,
        version=published[-1].version + 1 if published else 1,
        effective_at=_takes_effect(published, now, effective_at),
        body=service_level_to_json(promises),
    )
    session.add(row)
    await session.flush()
    await events.record(
        session,
        actor,
        "service_level.version_published",
        "service_level",
        level_id,
        now=now,
        version=row.version,
        version_id=str(row.id),
        effective_at=row.effective_at.isoformat(),
    )
    return row


async def _check_pauses(session: Session, actor: Actor, promises: Promises) -> None:
    known = {reason.code for reason in await list_reasons(session, actor, kind=ReasonKind.PAUSE)}
    errors = [
        {"at": f"/body/pauses/{code}", "detail": "not a reason for a pause"}
        for code, _ in promises.pauses
        if code not in known
    ]
    if errors:
        raise Invalid(
            f"The catalogue has no such reason for a pause. There are: {', '.join(sorted(known))}.",
            errors=errors,
        )


async def seek_calendar_version(
    session: Session, actor: Actor, calendar_id: UUID, at: datetime
) -> CalendarVersion | None:
    """Return the version in force at an instant: of those effective by then, the one published last."""
    statement = (
        select(CalendarVersion)
        .where(
            CalendarVersion.tenant_id == actor.tenant_id,
            CalendarVersion.calendar_id == calendar_id,
            CalendarVersion.effective_at <= at,
        )
        .order_by(col(CalendarVersion.version).desc())
        .limit(1)
    )
    return (await session.exec(statement)).one_or_none()


async def seek_service_level_version(
    session: Session, actor: Actor, level_id: UUID, at: datetime
) -> ServiceLevelVersion | None:
    """Return the version in force at an instant: of those effective by then, the one published last."""
    statement = (
        select(ServiceLevelVersion)
        .where(
            ServiceLevelVersion.tenant_id == actor.tenant_id,
            ServiceLevelVersion.service_level_id == level_id,
            ServiceLevelVersion.effective_at <= at,
        )
        .order_by(col(ServiceLevelVersion.version).desc())
        .limit(1)
    )
    return (await session.exec(statement)).one_or_none()


# --- openings ---------------------------------------------------------------------------------------------


async def ensure_openings(
    session: Session,
    actor: Actor,
    calendar_version_id: UUID,
    zone: str,
    first_on: date,
    last_on: date,
) -> None:
    """See to it that `opening` holds a calendar version's openings in `zone` for these local days.

    Both days are included. Doing it again, for overlapping days or twice at the same time, adds
    nothing: an opening is the same row whatever the days it was laid out with.
    """
    if not 0 <= (last_on - first_on).days < MOST_DAYS:
        raise ValueError(f"No openings are laid out for the days {first_on} to {last_on}.")
    statement = select(CalendarVersion.body).where(
        CalendarVersion.tenant_id == actor.tenant_id, CalendarVersion.id == calendar_version_id
    )
    body = await session.found(statement, f"No calendar version {calendar_version_id}.")
    calendar, where = calendar_from_json(body), ZoneInfo(zone)
    # An opening that runs past midnight pushes the next day's first one back, so the day before is
    # laid out too; what it begins before `first_on` is not for this call to write.
    since_at = instant(resolve(first_on, 0, where))
    rows = [
        (opens_at, closes_at)
        for opens_at, closes_at in expand_rows(
            calendar, where, first_on - timedelta(days=2), last_on
        )
        if opens_at >= since_at
    ]
    known = select(Opening.opens_at).where(
        Opening.tenant_id == actor.tenant_id,
        Opening.calendar_version_id == calendar_version_id,
        Opening.zone == zone,
        Opening.opens_at >= since_at,
    )
    there = set(await session.exec(known))
    missing = [row for row in rows if row[0] not in there]
    if missing:
        await session.exec(
            insert(Opening).on_conflict_do_nothing(),
            params=[
                {
                    "tenant_id": actor.tenant_id,
                    "calendar_version_id": calendar_version_id,
                    "zone": zone,
                    "opens_at": opens_at,
                    "closes_at": closes_at,
                }
                for opens_at, closes_at in missing
            ],
        )
