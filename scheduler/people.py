"""How plans take each technician: their pace, their longest day, whether they may leave their territory."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

import msgspec
from sqlmodel import col, select

from fsm import events
from fsm.actors import Actor
from fsm.catalogue.tables import WorkType
from fsm.database import Session, fetch
from fsm.problems import Invalid
from fsm.technicians.queries import find_technician
from fsm.technicians.tables import RateKind
from scheduler.tables import TechnicianTerms


class Person(msgspec.Struct, frozen=True, gc=False):
    """What planning reads of a technician's terms."""

    efficiency_percent: int = 100
    paces: tuple[tuple[str, int], ...] = ()
    """By work type's id, where the pace differs."""
    longest_s: int | None = None
    stays_in_territory: bool = False

    def nominal_s(self, length_s: int, kind: str | None = None) -> int:
        """Return for how much work at the standard pace this person takes so long.

        Rounded down: a length that was rounded up from work comes out as that work again.
        """
        return length_s * dict(self.paces).get(kind or "", self.efficiency_percent) // 100


STANDARD = Person()


async def find_terms(session: Session, actor: Actor, technician_id: UUID) -> TechnicianTerms:
    """Return how plans take a technician; as the standard where nobody said."""
    await find_technician(session, actor, technician_id)
    terms = await session.get(TechnicianTerms, (actor.tenant_id, technician_id))
    return terms or TechnicianTerms(tenant_id=actor.tenant_id, technician_id=technician_id)


async def set_terms(
    session: Session,
    actor: Actor,
    now: datetime,
    technician_id: UUID,
    *,
    efficiency_percent: int,
    paces: Sequence[tuple[UUID, int]],
    longest_s: int | None,
    stays_in_territory: bool,
) -> TechnicianTerms:
    """Replace how plans take a technician. Work types must be known, each named once."""
    technician = await find_technician(session, actor, technician_id)
    if stays_in_territory and not technician.territory:
        raise Invalid(
            f"{technician.name} has no territory to stay in. Give them one first.",
            errors=[{"at": "/stays_in_territory", "detail": "the technician has no territory"}],
        )
    await _check_work_types(session, actor, [work_type_id for work_type_id, _ in paces])
    terms = await session.get(TechnicianTerms, (actor.tenant_id, technician_id))
    if terms is None:
        terms = TechnicianTerms(tenant_id=actor.tenant_id, technician_id=technician_id)
        session.add(terms)
    terms.efficiency_percent = efficiency_percent
    terms.paces = [
        {"work_type_id": str(work_type_id), "efficiency_percent": percent}
        for work_type_id, percent in paces
    ]
    terms.longest_s, terms.stays_in_territory = longest_s, stays_in_territory
    terms.set_by, terms.set_at = actor.name, now
    await session.flush()
    await events.record(
        session,
        actor,
        "technician_terms.set",
        "technician",
        technician_id,
        now=now,
        efficiency_percent=efficiency_percent,
        paces=terms.paces,
        longest_s=longest_s,
        stays_in_territory=stays_in_territory,
    )
    return terms


async def _check_work_types(session: Session, actor: Actor, wanted: Sequence[UUID]) -> None:
    if len(set(wanted)) < len(wanted):
        raise Invalid(
            "Each kind of work is named once.",
            errors=[{"at": "/paces", "detail": "a work type is named twice"}],
        )
    statement = select(WorkType.id).where(
        WorkType.tenant_id == actor.tenant_id, col(WorkType.id).in_(wanted)
    )
    known: set[UUID] = set(await session.exec(statement))
    if missing := set(wanted) - known:
        raise Invalid(
            f"There is no work type {min(missing)}.",
            errors=[{"at": "/paces", "detail": "no such work type"}],
        )


async def list_people(session: Session, actor: Actor) -> dict[UUID, Person]:
    """Return how plans take those of whom somebody said anything."""
    rows = await fetch(
        session,
        """
        select technician_id, efficiency_percent, paces::text, longest_s, stays_in_territory
        from technician_terms where tenant_id = $1
        """,
        actor.tenant_id,
    )
    return {
        technician_id: Person(efficiency, _paces(msgspec.json.decode(paces)), longest_s, stays)
        for technician_id, efficiency, paces, longest_s, stays in map(tuple, rows)
    }


def _paces(stored: Sequence[Mapping[str, str | int]]) -> tuple[tuple[str, int], ...]:
    return tuple(
        sorted((str(one["work_type_id"]), int(one["efficiency_percent"])) for one in stored)
    )


async def list_surplus_rates(
    session: Session, actor: Actor, technician_ids: Collection[UUID], currency: str, on: date
) -> dict[UUID, Decimal]:
    """Return how much more an hour's labour of these people costs than the cheapest, as a part of that.

    1 is twice as much. Who has no rate, and for whom the company has none, is left out, as are rates in
    another currency: what cannot be compared is not priced.
    """
    rows = await fetch(
        session,
        """
        select technician_id, case when currency = $3 then amount end from rate
        where tenant_id = $1 and kind = $2 and during @> cast($4 as date) and amount > 0
        """,
        actor.tenant_id,
        RateKind.LABOUR,
        currency,
        on,
    )
    rates: dict[UUID | None, Decimal | None] = dict(map(tuple, rows))
    least = min((each for each in rates.values() if each is not None), default=Decimal(0))
    theirs = {each: rates.get(each, rates.get(None)) for each in technician_ids}
    return {each: rate / least - 1 for each, rate in theirs.items() if rate is not None}
