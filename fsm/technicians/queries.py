"""Technicians, their skills and rates: everything that touches the database.

Shifts and absences are in `working_time`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import Date, delete, literal
from sqlalchemy.dialects.postgresql import JSONB, Range
from sqlmodel import col, or_, select

from fsm import events
from fsm.actors import Actor
from fsm.catalogue.tables import WorkTypeVersion
from fsm.database import Session, fetch, once, revise, touch
from fsm.problems import InUse, Invalid, NotFound
from fsm.technicians.tables import Rate, RateKind, Skill, Technician, TechnicianSkill
from fsm.tenants.queries import find_own_tenant
from fsm.tenants.tables import User

# --- skills -----------------------------------------------------------------------------------------------


async def list_skills(
    session: Session, actor: Actor, *, after: UUID | None = None, limit: int = 500
) -> list[Skill]:
    statement = (
        select(Skill).where(Skill.tenant_id == actor.tenant_id).order_by(col(Skill.id)).limit(limit)
    )
    if after is not None:
        statement = statement.where(Skill.id > after)
    return list(await session.exec(statement))


async def lock_skill(session: Session, actor: Actor, skill_id: UUID) -> Skill:
    statement = (
        select(Skill)
        .where(Skill.tenant_id == actor.tenant_id, Skill.id == skill_id)
        .with_for_update()
    )
    return await session.found(statement, f"No skill {skill_id}.")


async def add_skill(
    session: Session, actor: Actor, now: datetime, *, code: str, name: str
) -> Skill:
    """Create a skill. Its code stays as it is for good: work types name it."""
    skill = Skill(tenant_id=actor.tenant_id, code=code, name=name)
    session.add(skill)
    await session.flush()
    await events.record(session, actor, "skill.created", "skill", skill.id, now=now, code=code)
    touch(session, skill)
    return skill


async def edit_skill(
    session: Session,
    actor: Actor,
    now: datetime,
    skill_id: UUID,
    rev: int | None,
    changes: Mapping[str, Any],
) -> Skill:
    skill = await lock_skill(session, actor, skill_id)
    if revise(skill, rev, changes):
        await events.record(
            session, actor, "skill.edited", "skill", skill_id, now=now, changes=dict(changes)
        )
        touch(session, skill)
    return skill


async def delete_skill(session: Session, actor: Actor, now: datetime, skill_id: UUID) -> None:
    """Remove a skill that no technician has and no version of a work type requires; else `InUse`."""
    skill = await lock_skill(session, actor, skill_id)
    requiring = (
        select(WorkTypeVersion.id)
        .where(
            WorkTypeVersion.tenant_id == actor.tenant_id,
            col(WorkTypeVersion.skills).op("@>")(literal([{"skill": skill.code}], JSONB)),
        )
        .limit(1)
    )
    held = (
        select(TechnicianSkill.technician_id)
        .where(TechnicianSkill.tenant_id == actor.tenant_id, TechnicianSkill.skill_id == skill_id)
        .limit(1)
    )
    if (await session.exec(requiring)).first() is not None:
        raise InUse(f"Work types require the skill '{skill.code}'.")
    if (await session.exec(held)).first() is not None:
        raise InUse(f"Technicians have the skill '{skill.code}'. Take it from them first.")
    await session.delete(skill)
    await session.flush()
    await events.record(
        session, actor, "skill.deleted", "skill", skill_id, now=now, code=skill.code
    )


# --- technicians ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HeldSkill:
    """A skill of a technician at a level from 1 to 5; `valid_until` is its last day, None for ever."""

    code: str
    name: str
    level: int
    valid_until: date | None

    def holds_on(self, day: date) -> bool:
        return self.valid_until is None or day <= self.valid_until


async def find_technician(session: Session, actor: Actor, technician_id: UUID) -> Technician:
    statement = select(Technician).where(
        Technician.tenant_id == actor.tenant_id, Technician.id == technician_id
    )
    return await session.found(statement, f"No technician {technician_id}.")


async def lock_technician(session: Session, actor: Actor, technician_id: UUID) -> Technician:
    statement = (
        select(Technician)
        .where(Technician.tenant_id == actor.tenant_id, Technician.id == technician_id)
        .with_for_update()
    )
    return await session.found(statement, f"No technician {technician_id}.")


async def find_technician_of_user(
    session: Session, actor: Actor, user_id: UUID
) -> Technician | None:
    """Return who a user is as a technician, also one out of service; None for the office's people."""
    statement = select(Technician).where(
        Technician.tenant_id == actor.tenant_id, Technician.user_id == user_id
    )
    return (await session.exec(statement)).one_or_none()


async def list_technicians(
    session: Session,
    actor: Actor,
    *,
    q: str | None = None,
    is_active: bool | None = None,
    after: UUID | None = None,
    limit: int = 100,
) -> list[Technician]:
    """Return technicians in order of id; `q` is text in the name or number, in any case."""
    statement = (
        select(Technician)
        .where(Technician.tenant_id == actor.tenant_id)
        .order_by(col(Technician.id))
        .limit(limit)
    )
    if q:
        statement = statement.where(
            or_(
                col(Technician.name).icontains(q, autoescape=True),
                col(Technician.number).icontains(q, autoescape=True),
            )
        )
    if is_active is not None:
        statement = statement.where(Technician.is_active == is_active)
    if after is not None:
        statement = statement.where(Technician.id > after)
    return list(await session.exec(statement))


async def list_held_skills(
    session: Session, actor: Actor, technician_ids: Sequence[UUID]
) -> dict[UUID, list[HeldSkill]]:
    """Return technician → skills in order of code, expired ones among them; nobody is left out."""
    held: dict[UUID, list[HeldSkill]] = {technician_id: [] for technician_id in technician_ids}
    rows = await session.exec(
        select(TechnicianSkill, Skill)
        .join(
            Skill,
            (col(Skill.tenant_id) == TechnicianSkill.tenant_id)
            & (col(Skill.id) == TechnicianSkill.skill_id),
        )
        .where(
            TechnicianSkill.tenant_id == actor.tenant_id,
            col(TechnicianSkill.technician_id).in_(technician_ids),
        )
        .order_by(col(Skill.code))
    )
    for row, skill in rows:
        held[row.technician_id].append(
            HeldSkill(skill.code, skill.name, row.level, row.valid_until)
        )
    return held


async def _check_user(session: Session, actor: Actor, user_id: UUID) -> None:
    """Refuse a user who does not exist or belongs to a customer."""
    statement = select(User).where(User.tenant_id == actor.tenant_id, User.id == user_id)
    user = (await session.exec(statement)).one_or_none()
    if user is None or user.customer_id is not None:
        raise Invalid(
            f"No user {user_id} of your company can sign in as this technician.",
            errors=[{"at": "/user_id", "detail": "unknown user, or a customer's"}],
        )


async def add_technician(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    number: str,
    name: str,
    user_id: UUID | None = None,
    phone: str | None = None,
    zone: str | None = None,
    territory: str = "",
    home_address: str = "",
    home_latitude: float | None = None,
    home_longitude: float | None = None,
    is_contractor: bool = False,
) -> Technician:
    """Create a technician. Without a zone they keep the service company's own time."""
    if user_id is not None:
        await _check_user(session, actor, user_id)
    technician = Technician(
        tenant_id=actor.tenant_id,
        user_id=user_id,
        number=number,
        name=name,
        phone=phone,
        zone=zone or (await find_own_tenant(session, actor.tenant_id)).zone,
        territory=territory,
        home_address=home_address,
        home_latitude=home_latitude,
        home_longitude=home_longitude,
        is_contractor=is_contractor,
    )
    session.add(technician)
    await session.flush()
    await events.record(
        session,
        actor,
        "technician.created",
        "technician",
        technician.id,
        now=now,
        number=number,
        user_id=None if user_id is None else str(user_id),
    )
    touch(session, technician)
    return technician


async def edit_technician(
    session: Session,
    actor: Actor,
    now: datetime,
    technician_id: UUID,
    rev: int | None,
    changes: Mapping[str, Any],
) -> Technician:
    """Edit a technician or put them out of service. A new zone moves no shift that already exists."""
    technician = await lock_technician(session, actor, technician_id)
    if changes.get("user_id") is not None:
        await _check_user(session, actor, changes["user_id"])
    if revise(technician, rev, changes):
        await events.record(
            session,
            actor,
            "technician.edited",
            "technician",
            technician_id,
            now=now,
            fields=sorted(changes),
        )
        touch(session, technician)
    return technician


async def set_skills(
    session: Session,
    actor: Actor,
    now: datetime,
    technician_id: UUID,
    skills: Mapping[str, tuple[int, date | None]],
) -> list[HeldSkill]:
    """Give a technician exactly these skills: code → (level 1–5, last valid day). Return them."""
    technician = await lock_technician(session, actor, technician_id)
    known = {
        skill.code: skill
        for skill in await session.exec(
            select(Skill).where(
                Skill.tenant_id == actor.tenant_id, col(Skill.code).in_(list(skills))
            )
        )
    }
    if unknown := sorted(set(skills) - set(known)):
        raise Invalid(
            f"There is no skill '{unknown[0]}'.",
            errors=[{"at": "/skills", "detail": f"unknown skill '{code}'"} for code in unknown],
        )
    await session.exec(
        delete(TechnicianSkill).where(
            col(TechnicianSkill.tenant_id) == actor.tenant_id,
            col(TechnicianSkill.technician_id) == technician_id,
        )
    )
    session.add_all(
        TechnicianSkill(
            tenant_id=actor.tenant_id,
            technician_id=technician_id,
            skill_id=known[code].id,
            level=level,
            valid_until=valid_until,
        )
        for code, (level, valid_until) in skills.items()
    )
    technician.rev += 1
    await session.flush()
    await events.record(
        session,
        actor,
        "technician.skills_set",
        "technician",
        technician_id,
        now=now,
        skills=[
            {"skill": code, "level": level, "valid_until": until and until.isoformat()}
            for code, (level, until) in sorted(skills.items())
        ],
    )
    touch(session, technician)
    return (await list_held_skills(session, actor, [technician_id]))[technician_id]


# --- rates ------------------------------------------------------------------------------------------------


class HourlyRate(NamedTuple):
    """What an hour costs."""

    amount: Decimal
    currency: str


_RATE = """
select amount, currency from rate
where tenant_id = $1 and kind = $2 and during @> cast($3 as date)
  and (technician_id is null or technician_id = $4)
order by technician_id nulls last limit 1
"""


async def find_rate(
    session: Session, actor: Actor, technician_id: UUID | None, kind: RateKind, on: date
) -> HourlyRate | None:
    """Return the rate of a day: the technician's own, else the company's; None when there is neither."""

    async def load() -> HourlyRate | None:
        found = await fetch(session, _RATE, actor.tenant_id, kind, on, technician_id)
        return HourlyRate(*found[0]) if found else None

    return await once(session, ("rate", technician_id, kind, on), load)


async def is_contractor(session: Session, actor: Actor, technician_id: UUID) -> bool:
    """Say whether somebody works for us as a contractor; `NotFound` for whom we do not know."""

    async def load() -> bool:
        found = await fetch(
            session,
            "select is_contractor from technician where tenant_id = $1 and id = $2",
            actor.tenant_id,
            technician_id,
        )
        if not found:
            raise NotFound(f"No technician {technician_id}.")
        return bool(found[0][0])

    return await once(session, ("is_contractor", technician_id), load)


async def list_rates(
    session: Session,
    actor: Actor,
    *,
    technician_id: UUID | None = None,
    of_company: bool = False,
    on: date | None = None,
    after: UUID | None = None,
    limit: int = 100,
) -> list[Rate]:
    """Return rates in order of id: of everybody, of one technician, or `of_company`; in force on a day."""
    statement = (
        select(Rate).where(Rate.tenant_id == actor.tenant_id).order_by(col(Rate.id)).limit(limit)
    )
    if of_company:
        statement = statement.where(col(Rate.technician_id).is_(None))
    elif technician_id is not None:
        statement = statement.where(Rate.technician_id == technician_id)
    if on is not None:
        statement = statement.where(col(Rate.during).op("@>")(literal(on, Date)))
    if after is not None:
        statement = statement.where(Rate.id > after)
    return list(await session.exec(statement))


async def add_rate(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    kind: RateKind,
    amount: Decimal,
    starts_on: date,
    ends_on: date | None = None,
    currency: str | None = None,
    technician_id: UUID | None = None,
) -> Rate:
    """Set an hourly rate from `starts_on` to `ends_on`, its last day; without a technician, for everybody.

    An open-ended rate that began earlier ends the day before. Any other overlap is refused (`Conflict`).
    """
    if technician_id is not None:
        await find_technician(session, actor, technician_id)
    present = (
        select(Rate)
        .where(
            Rate.tenant_id == actor.tenant_id,
            Rate.kind == kind,
            col(Rate.technician_id).is_not_distinct_from(technician_id),
            col(Rate.during).op("@>")(literal(starts_on, Date)),
        )
        .with_for_update()
    )
    earlier = (await session.exec(present)).one_or_none()
    if (
        earlier is not None
        and earlier.during.upper is None
        and (earlier.during.lower is None or earlier.during.lower < starts_on)
    ):
        earlier.during = Range(earlier.during.lower, starts_on)
        await session.flush()  # before the insert, or the two would overlap
        await _record_rate(session, actor, now, "rate.ended", earlier)
    rate = Rate(
        tenant_id=actor.tenant_id,
        technician_id=technician_id,
        kind=kind,
        amount=amount,
        currency=currency or (await find_own_tenant(session, actor.tenant_id)).currency,
        during=days(starts_on, ends_on),
    )
    session.add(rate)
    await session.flush()
    await _record_rate(session, actor, now, "rate.set", rate)
    return rate


async def lock_rate(session: Session, actor: Actor, rate_id: UUID) -> Rate:
    statement = (
        select(Rate).where(Rate.tenant_id == actor.tenant_id, Rate.id == rate_id).with_for_update()
    )
    return await session.found(statement, f"No rate {rate_id}.")


async def end_rate(
    session: Session, actor: Actor, now: datetime, rate_id: UUID, ends_on: date
) -> Rate:
    """Make `ends_on` the last day of a rate."""
    rate = await lock_rate(session, actor, rate_id)
    rate.during = days(rate.during.lower, ends_on)
    await session.flush()
    await _record_rate(session, actor, now, "rate.ended", rate)
    return rate


async def delete_rate(session: Session, actor: Actor, now: datetime, rate_id: UUID) -> None:
    """Remove a rate that was set by mistake. Costs already posted keep the rate they were posted at."""
    rate = await lock_rate(session, actor, rate_id)
    await session.delete(rate)
    await session.flush()
    await _record_rate(session, actor, now, "rate.deleted", rate)


def days(starts_on: date | None, ends_on: date | None) -> Range[date]:
    """Return the half-open range of days from `starts_on` to `ends_on`, its last day (None: open)."""
    if starts_on is not None and ends_on is not None and ends_on < starts_on:
        raise Invalid(
            "The last day comes before the first.",
            errors=[{"at": "/ends_on", "detail": "before the first day"}],
        )
    return Range(starts_on, None if ends_on is None else ends_on + timedelta(days=1))


async def _record_rate(
    session: Session, actor: Actor, now: datetime, kind: str, rate: Rate
) -> None:
    await events.record(
        session,
        actor,
        kind,
        "rate",
        rate.id,
        now=now,
        **msgspec.to_builtins(
            {
                "rate_kind": rate.kind,
                "technician_id": rate.technician_id,
                "amount": rate.amount,
                "currency": rate.currency,
                "from": rate.during.lower,
                "before": rate.during.upper,
            }
        ),
    )
