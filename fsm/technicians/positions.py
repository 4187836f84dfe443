"""Where technicians are during their shifts: with their consent, for a short time, and for nothing else.

A position is kept exactly if its technician had agreed by then, was in a shift (its overtime included)
and not absent. It is forgotten after `KEPT`, and at once when the consent is taken back. It says when the
customer may expect the technician, tells the dispatcher where somebody is now, and plans of the rest of a day
begin there; nobody reads a track.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select

from fsm import events
from fsm.actors import Actor
from fsm.database import Session, run
from fsm.problems import NotFound, Problem
from fsm.technicians.queries import find_technician_of_user, lock_technician
from fsm.technicians.tables import Technician, TechnicianPosition

KEPT: Final = timedelta(days=7)
FRESH: Final = timedelta(minutes=15)
"""How old a position may be and still say where somebody is."""
_AHEAD: Final = timedelta(minutes=5)


class NoConsent(Problem):
    """The technician has not agreed that positions are kept, or no longer does."""

    code, status, title = "no-position-consent", 409, "Positions are kept with consent only"


class Ignored(StrEnum):
    """Why a position was not kept."""

    BEFORE_CONSENT = "before_consent"
    NOT_IN_SHIFT = "not_in_shift"
    TOO_OLD = "too_old"
    FROM_THE_FUTURE = "from_the_future"


@dataclass(frozen=True, slots=True)
class Fix:
    """A position in degrees WGS 84 at an aware instant, within `accuracy_m` metres where that is known."""

    fixed_at: datetime
    latitude: float
    longitude: float
    accuracy_m: float | None = None


async def find_own(session: Session, actor: Actor) -> Technician:
    """Return the technician who the actor is; whoever is none has nothing here."""
    technician = None
    if actor.user_id is not None:
        technician = await find_technician_of_user(session, actor, actor.user_id)
    if technician is None:
        raise NotFound("You are not signed in as a technician.")
    return technician


async def set_consent(
    session: Session, actor: Actor, now: datetime, *, granted: bool
) -> Technician:
    """Note that the technician agrees from now on, or no longer does: then every position is forgotten."""
    technician = await lock_technician(session, actor, (await find_own(session, actor)).id)
    if granted == (technician.position_consent_at is not None):
        return technician
    technician.position_consent_at = now if granted else None
    if not granted:
        await session.exec(
            delete(TechnicianPosition).where(
                col(TechnicianPosition.tenant_id) == actor.tenant_id,
                col(TechnicianPosition.technician_id) == technician.id,
            )
        )
    await session.flush()
    kind = "technician.position_consent_given" if granted else "technician.position_consent_ended"
    await events.record(session, actor, kind, "technician", technician.id, now=now)
    return technician


async def add_positions(
    session: Session, actor: Actor, now: datetime, fixes: Sequence[Fix]
) -> tuple[int, Counter[Ignored]]:
    """Keep what may be kept of a technician's own positions; return how many, and why others were not.

    The same instant again is the one that is there: phones repeat themselves.
    """
    technician = await find_own(session, actor)
    consent_at = technician.position_consent_at
    if consent_at is None:
        raise NoConsent(
            "Positions are kept once you agree to it: PUT /api/me/position-consent.", granted=False
        )
    at_work = await _at_work(session, actor, technician.id, [fix.fixed_at for fix in fixes])
    kept: dict[datetime, Fix] = {}
    ignored: Counter[Ignored] = Counter()
    for fix in fixes:
        if fix.fixed_at < now - KEPT:
            ignored[Ignored.TOO_OLD] += 1
        elif fix.fixed_at > now + _AHEAD:
            ignored[Ignored.FROM_THE_FUTURE] += 1
        elif fix.fixed_at < consent_at:
            ignored[Ignored.BEFORE_CONSENT] += 1
        elif fix.fixed_at not in at_work:
            ignored[Ignored.NOT_IN_SHIFT] += 1
        else:
            kept[fix.fixed_at] = fix
    if kept:
        await session.exec(
            insert(TechnicianPosition)
            .values(
                [
                    {
                        "tenant_id": actor.tenant_id,
                        "technician_id": technician.id,
                        "fixed_at": fix.fixed_at,
                        "latitude": fix.latitude,
                        "longitude": fix.longitude,
                        "accuracy_m": fix.accuracy_m,
                        "received_at": now,
                    }
                    for _, fix in sorted(kept.items())
                ]
            )
            .on_conflict_do_nothing()
        )
    return len(kept), ignored


async def _at_work(
    session: Session, actor: Actor, technician_id: UUID, instants: Sequence[datetime]
) -> set[datetime]:
    """Return those instants at which the technician was in a shift and not absent."""
    rows = await run(
        session,
        """
        select one.at from unnest(cast(:instants as timestamptz[])) as one(at)
        where exists (
          select from shift s where s.tenant_id = :tenant and s.technician_id = :technician
            and s.during && tstzrange(one.at - interval '36 hours', one.at, '[]')
            and lower(s.during) <= one.at
            and one.at < upper(s.during) + s.overtime_s * interval '1 second')
          and not exists (
            select from absence a where a.tenant_id = :tenant and a.technician_id = :technician
              and a.during @> one.at)
        """,
        tenant=actor.tenant_id,
        technician=technician_id,
        instants=list(instants),
    )
    return {row.at for row in rows}


async def last_position(
    session: Session, actor: Actor, technician_id: UUID, now: datetime
) -> TechnicianPosition | None:
    """Return where a technician is: the newest position, if it is fresh and the consent still stands."""
    row = TechnicianPosition
    statement = (
        select(row)
        .join(
            Technician,
            (col(Technician.tenant_id) == row.tenant_id)
            & (col(Technician.id) == row.technician_id),
        )
        .where(
            row.tenant_id == actor.tenant_id,
            row.technician_id == technician_id,
            row.fixed_at > now - FRESH,
            row.fixed_at <= now + _AHEAD,
            col(Technician.position_consent_at) <= row.fixed_at,
        )
        .order_by(col(row.fixed_at).desc())
        .limit(1)
    )
    found = (await session.exec(statement)).one_or_none()
    if found is None or not await _at_work(session, actor, technician_id, [now]):
        return None
    return found


async def forget_positions(session: Session, tenant_id: UUID, now: datetime) -> int:
    """Delete what has been kept long enough, and what was kept of people who no longer agree."""
    gone = await run(
        session,
        """
        delete from technician_position p where p.tenant_id = :tenant and (
          p.fixed_at < :before or not exists (
            select from technician t where t.tenant_id = :tenant and t.id = p.technician_id
              and t.position_consent_at <= p.fixed_at))
        """,
        tenant=tenant_id,
        before=now - KEPT,
    )
    return gone.rowcount
