"""Stops at a warehouse for parts that a van lacks: planned with a plan's visits, dropped when those leave."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlmodel import col, select

from fsm import events
from fsm.actors import Actor
from fsm.database import Session, fetch, touch
from fsm.parts.tables import Part
from fsm.work_orders.tables import PickUp, PickUpPart, Visit


@dataclass(frozen=True, slots=True)
class Fetch:
    """Parts of one number for one visit."""

    visit_id: UUID
    part: str
    quantity: int


@dataclass(frozen=True, slots=True)
class PlannedPickUp:
    """Who fetches what, where and when (aware instants), and how long the way there takes."""

    technician_id: UUID
    place_id: UUID
    starts_at: datetime
    ends_at: datetime
    travel_s: int
    fetches: tuple[Fetch, ...]
    plan_run_id: UUID | None = None


# A pick-up serves a visit of the same person that begins after it, on that day or in the night that follows.
# A visit that a plan would move by less than a minute is left where it is.
_SERVES: Final = """(
  v.technician_id = u.technician_id
  and v.status not in ('withdrawn', 'rejected', 'aborted')
  and v.planned_starts_at > u.starts_at - interval '1 minute'
  and (v.planned_starts_at < u.starts_at + interval '12 hours'
    or (v.planned_starts_at at time zone t.zone)::date = (u.starts_at at time zone t.zone)::date)
)"""

_TO_COME = """
select v.id from visit v
where v.tenant_id = $1 and v.id = any($2) and v.status in ('planned', 'dispatched')
order by v.id for share
"""

_HOLD = """
select u.id from pick_up u
where u.tenant_id = $1 and exists (
  select from pick_up_part p
  where p.tenant_id = $1 and p.pick_up_id = u.id and p.visit_id = any($2))
order by u.id for update
"""

_DROP = f"""
delete from pick_up_part p using pick_up u, visit v, technician t
where p.tenant_id = $1 and p.visit_id = any($2)
  and u.tenant_id = $1 and u.id = p.pick_up_id
  and v.tenant_id = $1 and v.id = p.visit_id
  and t.tenant_id = $1 and t.id = u.technician_id
  and not {_SERVES}
"""  # noqa: S608 - put together from words of this file

_DROP_ALL = "delete from pick_up_part p where p.tenant_id = $1 and p.visit_id = any($2)"

_DROP_EMPTY = """
delete from pick_up u where u.tenant_id = $1 and u.id = any($2)
  and not exists (select from pick_up_part p where p.tenant_id = $1 and p.pick_up_id = u.id)
"""

_TO_FETCH = f"""
select p.visit_id, part.number, sum(p.quantity)::int as quantity
from pick_up u
join technician t on t.tenant_id = $1 and t.id = u.technician_id
join pick_up_part p on p.tenant_id = $1 and p.pick_up_id = u.id
join part on part.tenant_id = $1 and part.id = p.part_id
join lateral (
  select v.status,
    case when v.id = $4::uuid then $2 else v.technician_id end as technician_id,
    case when v.id = $4::uuid then $5::timestamptz else v.planned_starts_at end as planned_starts_at
  from visit v where v.tenant_id = $1 and v.id = p.visit_id
) v on true
where u.tenant_id = $1 and u.technician_id = $2 and u.ends_at >= $3 and {_SERVES}
group by p.visit_id, part.number
"""  # noqa: S608 - put together from words of this file


async def leave(session: Session, actor: Actor, visit_ids: Iterable[UUID]) -> None:
    """Drop what was to be fetched for visits that are not made any more, or not by that person after it.

    The visits are held and flushed by the caller, who also tells the phones of them.
    """
    await _drop(session, actor, list(visit_ids), _DROP)


async def _drop(session: Session, actor: Actor, visit_ids: list[UUID], statement: str) -> None:
    # Held, so that of two who take away the last two visits of a pick-up one takes away the pick-up.
    held = await fetch(session, _HOLD, actor.tenant_id, visit_ids)
    if held:
        await fetch(session, statement, actor.tenant_id, visit_ids)
        await fetch(session, _DROP_EMPTY, actor.tenant_id, [row["id"] for row in held])


async def list_pick_ups(
    session: Session, actor: Actor, visit_ids: Collection[UUID]
) -> list[PlannedPickUp]:
    """Return the pick-ups for these visits, each with what is fetched for them, in order of time."""
    rows = await fetch(
        session,
        """
        select u.id, u.technician_id, u.place_id, u.starts_at, u.ends_at, u.travel_s, u.plan_run_id,
          p.visit_id, part.number, p.quantity
        from pick_up_part p
        join pick_up u on u.tenant_id = $1 and u.id = p.pick_up_id
        join part on part.tenant_id = $1 and part.id = p.part_id
        where p.tenant_id = $1 and p.visit_id = any($2)
        order by u.starts_at, u.id, p.visit_id, part.number
        """,
        actor.tenant_id,
        list(visit_ids),
    )
    found: dict[UUID, PlannedPickUp] = {}
    for row in map(tuple, rows):
        id_, technician_id, place_id, starts_at, ends_at, travel_s, run_id, *one = row
        pick_up = found.setdefault(
            id_, PlannedPickUp(technician_id, place_id, starts_at, ends_at, travel_s, (), run_id)
        )
        found[id_] = replace(pick_up, fetches=(*pick_up.fetches, Fetch(*one)))
    return list(found.values())


async def list_to_fetch(
    session: Session,
    actor: Actor,
    now: datetime,
    technician_id: UUID,
    moved: tuple[UUID, datetime] | None = None,
) -> dict[UUID, dict[str, int]]:
    """Return how much of which part somebody is still to fetch, by the visit that it is for.

    `moved`: as if that visit began then with this technician; a stop that would not serve it there is none.
    """
    visit_id, starts_at = moved or (None, None)
    rows = await fetch(session, _TO_FETCH, actor.tenant_id, technician_id, now, visit_id, starts_at)
    found: dict[UUID, dict[str, int]] = {}
    for row in rows:
        found.setdefault(row["visit_id"], {})[row["number"]] = row["quantity"]
    return found


async def plan_pick_ups(
    session: Session,
    actor: Actor,
    now: datetime,
    visit_ids: Collection[UUID],
    planned: Sequence[PlannedPickUp],
) -> None:
    """Let these pick-ups take the place of what was to be fetched for some visits.

    What has begun keeps what was fetched for it, and of what is planned only that is kept which serves a
    visit where it is now. Phones and history are told where something else is to be fetched than before.
    """
    await session.flush()
    asked = {*visit_ids, *(one.visit_id for each in planned for one in each.fetches)}
    rows = await fetch(session, _TO_COME, actor.tenant_id, list(asked))
    ids = [row["id"] for row in rows]
    before = await list_pick_ups(session, actor, ids)
    await _drop(session, actor, ids, _DROP_ALL)
    numbers = {one.part for each in planned for one in each.fetches}
    parts = await session.exec(
        select(Part.number, Part.id).where(
            Part.tenant_id == actor.tenant_id, col(Part.number).in_(numbers)
        )
    )
    known = dict(parts.all())
    for each in planned:
        _add(session, actor, now, each, known, set(ids))
    await session.flush()
    await leave(session, actor, ids)
    after = await list_pick_ups(session, actor, ids)
    was, then = _by_visit(before), _by_visit(after)
    changed = [each for each in ids if was.get(each) != then.get(each)]
    visits = await session.exec(
        select(Visit).where(Visit.tenant_id == actor.tenant_id, col(Visit.id).in_(changed))
    )
    for visit in visits:
        touch(session, visit)
    for visit_id in changed:
        await events.record(
            session,
            actor,
            "visit.pick_ups_planned",
            "visit",
            visit_id,
            now=now,
            pick_ups=then.get(visit_id, []),
        )


def _add(
    session: Session,
    actor: Actor,
    now: datetime,
    one: PlannedPickUp,
    known: dict[str, UUID],
    to_come: set[UUID],
) -> None:
    fetches = [each for each in one.fetches if each.part in known and each.visit_id in to_come]
    if not fetches:
        return
    pick_up = PickUp(
        tenant_id=actor.tenant_id,
        technician_id=one.technician_id,
        place_id=one.place_id,
        starts_at=one.starts_at,
        ends_at=one.ends_at,
        travel_s=one.travel_s,
        plan_run_id=one.plan_run_id,
        planned_at=now,
    )
    session.append(pick_up)
    for each in fetches:
        session.append(
            PickUpPart(
                tenant_id=actor.tenant_id,
                pick_up_id=pick_up.id,
                visit_id=each.visit_id,
                part_id=known[each.part],
                quantity=each.quantity,
            )
        )


def _by_visit(pick_ups: Iterable[PlannedPickUp]) -> dict[UUID, list[dict[str, Any]]]:
    """Return what is fetched for each visit, as history tells it."""
    found: dict[UUID, list[dict[str, Any]]] = {}
    for each in pick_ups:
        for one in each.fetches:
            found.setdefault(one.visit_id, []).append(
                {
                    "technician_id": str(each.technician_id),
                    "place_id": str(each.place_id),
                    "starts_at": each.starts_at.isoformat(),
                    "part": one.part,
                    "quantity": one.quantity,
                }
            )
    return found


def to_stored(one: PlannedPickUp) -> dict[str, Any]:
    stored: dict[str, Any] = msgspec.to_builtins(one)
    return stored


def from_stored(stored: dict[str, Any]) -> PlannedPickUp:
    return msgspec.convert(stored, PlannedPickUp)
