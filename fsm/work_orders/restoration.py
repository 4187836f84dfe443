"""What a job does to the failure and the outages of its asset."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlmodel import col, select

from fsm.actors import Actor
from fsm.assets import failures
from fsm.assets.tables import Failure, Outage, OutageCause
from fsm.database import Session

CANCELLED = "cancelled"
"""The exclusion of a failure that was reported and whose job was cancelled before anybody saw it."""


async def record_incident(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    asset_id: UUID,
    reported_at: datetime,
    is_degraded: bool,
) -> Failure | None:
    """Record a reported incident: a failure with its outage; a machine that runs badly has no failure."""
    if is_degraded:
        await failures.open_outage(
            session,
            actor,
            now,
            asset_id=asset_id,
            from_at=reported_at,
            cause=OutageCause.FAILURE,
            is_degraded=True,
        )
        return None
    return await failures.record_failure(
        session, actor, now, asset_id=asset_id, detected_at=reported_at
    )


async def describe_failure(
    session: Session, actor: Actor, now: datetime, failure_id: UUID, **known: Any
) -> Failure:
    """Fill in what a technician found out about a job's failure; None leaves a field as it is."""
    failure = await failures.find_failure(session, actor, failure_id, lock=True)
    changes = {name: value for name, value in known.items() if value is not None}
    return await failures.edit_failure(session, actor, now, failure_id, failure.rev, changes)


async def restore_after_work(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    asset_id: UUID,
    failure_id: UUID | None,
    since_at: datetime,
    restored_at: datetime,
) -> None:
    """Take the end of the work for the return of the function, where nobody has recorded another instant.

    Open degraded outages that the job began (from `since_at`, its report) end with it as well.
    """
    if failure_id is not None:
        failure = await failures.find_failure(session, actor, failure_id, lock=True)
        if failure.restored_at is None:
            await failures.restore_failure(
                session,
                actor,
                now,
                failure_id,
                restored_at=max(restored_at, failure.detected_at),
            )
    await _end_degraded(session, actor, now, asset_id, since_at, restored_at)


async def end_with_cancellation(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    asset_id: UUID,
    failure_id: UUID | None,
    since_at: datetime,
    was_seen: bool,
) -> None:
    """End what a job opened at its report, because nobody will come to restore it any more.

    A failure that no technician saw and nobody described is only a report: it gets the exclusion
    `cancelled` and no time down. One that was seen counts, and is over with the cancellation. What somebody
    has recorded as restored stays as it is.
    """
    if failure_id is not None:
        failure = await failures.find_failure(session, actor, failure_id, lock=True)
        known = (failure.failed_at, failure.mode, failure.mechanism, failure.cause)
        if failure.restored_at is None and not was_seen and not any(known):
            changes = {"restored_at": failure.detected_at, "exclusion": CANCELLED}
            await failures.edit_failure(session, actor, now, failure_id, failure.rev, changes)
        elif failure.restored_at is None:
            await failures.restore_failure(
                session, actor, now, failure_id, restored_at=max(now, failure.detected_at)
            )
    await _end_degraded(session, actor, now, asset_id, since_at, now)


async def _end_degraded(
    session: Session,
    actor: Actor,
    now: datetime,
    asset_id: UUID,
    since_at: datetime,
    to_at: datetime,
) -> None:
    """Close the degraded outages that began with a job's report and are still open."""
    statement = select(Outage).where(
        Outage.tenant_id == actor.tenant_id,
        Outage.asset_id == asset_id,
        col(Outage.failure_id).is_(None),
        Outage.cause == OutageCause.FAILURE,
        Outage.is_degraded,
    )
    for outage in list(await session.exec(statement)):
        if outage.during.upper is None and outage.during.lower == since_at:
            # an interval is never empty, and work may end in the instant of its report
            ends_at = max(to_at, since_at + timedelta(microseconds=1))
            await failures.close_outage(session, actor, now, outage.id, to_at=ends_at)
