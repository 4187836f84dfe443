"""All the SQL about calendars: their addresses, and the visits in them."""

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlmodel import col, select

from fsm import events
from fsm.actors import Actor
from fsm.database import Session, run
from fsm.technicians.queries import find_technician
from fsm.technicians.tables import Technician
from fsm.tenants.tokens import Secret, new_secret
from fsm.work_orders.calendar_feed.feed import CANCELLED_FOR, KEPT_FOR, CalendarVisit
from fsm.work_orders.calendar_feed.tables import CalendarLink

PREFIX: Final = "fsmc_"


async def make_link(session: Session, actor: Actor, now: datetime, technician_id: UUID) -> Secret:
    """Return a new address of a technician's calendar; those before it stop working."""
    await revoke_links(session, actor, now, technician_id)
    secret = new_secret(PREFIX, actor.tenant_id)
    link = CalendarLink(
        tenant_id=actor.tenant_id,
        technician_id=technician_id,
        token_sha256=secret.sha256,
        made_at=now,
        made_by=actor.name,
    )
    session.add(link)
    await session.flush()
    await events.record(
        session, actor, "calendar.opened", "technician", technician_id, now=now, link=str(link.id)
    )
    return secret


async def revoke_links(session: Session, actor: Actor, now: datetime, technician_id: UUID) -> None:
    """Let no address of this technician's calendar work any more."""
    await find_technician(session, actor, technician_id)
    statement = (
        select(CalendarLink)
        .where(
            CalendarLink.tenant_id == actor.tenant_id,
            CalendarLink.technician_id == technician_id,
            col(CalendarLink.revoked_at).is_(None),
        )
        .with_for_update()
    )
    for link in list(await session.exec(statement)):
        link.revoked_at = now
        await events.record(
            session, actor, "calendar.closed", "technician", technician_id, now=now,
            link=str(link.id),
        )  # fmt: skip
    await session.flush()


async def find_technician_without_actor(session: Session, secret: Secret) -> Technician | None:
    """Return whose calendar an address opens; None where it does not or no longer works."""
    statement = (
        select(Technician)
        .join(
            CalendarLink,
            (col(CalendarLink.tenant_id) == Technician.tenant_id)
            & (col(CalendarLink.technician_id) == Technician.id),
        )
        .where(
            Technician.tenant_id == secret.tenant_id,
            CalendarLink.token_sha256 == secret.sha256,
            col(CalendarLink.revoked_at).is_(None),
            Technician.is_active,
        )
    )
    return (await session.exec(statement)).one_or_none()


async def list_calendar_without_actor(
    session: Session, technician: Technician, now: datetime
) -> list[CalendarVisit]:
    """Return what a technician was sent to: what is to come, what was lately, and what was taken back."""
    rows = await run(
        session,
        """
        select v.id, v.rev + w.rev - 2 as sequence, v.status, v.planned_starts_at, v.planned_ends_at,
          w.number, w.title, s.name, s.address, s.city, greatest(e.changed_at, v.dispatched_at) as changed_at
        from visit v
        join work_order w on w.tenant_id = v.tenant_id and w.id = v.work_order_id
        join site s on s.tenant_id = w.tenant_id and s.id = w.site_id
        cross join lateral (
          select max(received_at) as changed_at from event
          where tenant_id = v.tenant_id
            and (entity = 'visit' and entity_id = v.id or entity = 'work_order' and entity_id = w.id)) e
        where v.tenant_id = :t and v.technician_id = :technician and v.dispatched_at is not null
          and v.planned_ends_at > :kept
          and (v.status not in ('withdrawn', 'rejected') or exists (
            select from event c where c.tenant_id = v.tenant_id and c.entity = 'visit' and c.entity_id = v.id
              and c.kind in ('visit.withdrawn', 'visit.rejected') and c.received_at > :cancelled))
        order by v.planned_starts_at, v.id
        """,
        t=technician.tenant_id,
        technician=technician.id,
        kept=now - KEPT_FOR,
        cancelled=now - CANCELLED_FOR,
    )
    return [
        CalendarVisit(
            id=row.id,
            sequence=row.sequence,
            changed_at=row.changed_at,
            starts_at=row.planned_starts_at,
            ends_at=row.planned_ends_at,
            number=row.number,
            title=row.title,
            place=", ".join(part for part in (row.name, row.address, row.city) if part),
            is_cancelled=row.status in ("withdrawn", "rejected"),
        )
        for row in rows
    ]
