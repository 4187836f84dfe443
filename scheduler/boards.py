"""Boards kept in memory, each as old as the last event that can have changed it.

A company's events are counted with what is sealed and what waits for it: every commit shows. Only kinds that
change who is where make a board anew; photos and answers do not.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from weakref import WeakKeyDictionary
from zoneinfo import ZoneInfo

from fsm.actors import Actor
from fsm.database import Session, run
from fsm.tenants.queries import find_zone_and_currency
from scheduler.board import Board, Route, Stop
from scheduler.problem import DAY_S, Level

_MOST = 64
"""Boards in memory, over all companies."""

_CHANGING = (
    "visit.",
    "shift",
    "absence.",
    "technician",
    "skill",
    "work_order.cancelled",
    "site.",
    "import",
)
"""How the kinds of events begin that change who is where."""


@dataclass(slots=True)
class Kept:
    """A board with how far history had come when it was read."""

    board: Board
    starts_at: datetime
    sealed: int
    waiting: frozenset[UUID]
    read_at: datetime


_boards: WeakKeyDictionary[object, OrderedDict[tuple[UUID, date, int], Kept]] = WeakKeyDictionary()
"""By database engine: a process may serve several, and one company may be in two of them."""

FRESH_FOR = timedelta(minutes=5)
"""A board read longer ago is read again: time alone moves where people are."""


async def board_of(
    session: Session, actor: Actor, now: datetime, first_on: date, days: int
) -> Kept:
    """Return the board of some days, from memory where nothing on it has changed.

    Ask before a transaction writes: what it goes back on must not be remembered.
    """
    key = (actor.tenant_id, first_on, days)
    boards = _boards.setdefault(session.get_bind(), OrderedDict())
    kept = boards.get(key)
    sealed, waiting, kinds = await _history(session, actor, kept)
    if (
        kept is not None
        and timedelta(0) <= now - kept.read_at < FRESH_FOR
        and not any(kind.startswith(_CHANGING) for kind in kinds)
    ):
        kept.sealed, kept.waiting = sealed, waiting
        boards.move_to_end(key)
        return kept
    kept = await _read(session, actor, now, first_on, days, sealed, waiting)
    boards[key] = kept
    boards.move_to_end(key)
    while len(boards) > _MOST:
        boards.popitem(last=False)
    return kept


async def _history(
    session: Session, actor: Actor, kept: Kept | None
) -> tuple[int, frozenset[UUID], list[str]]:
    """Return the last sealed number, the events that wait for one, and the kinds of what is new."""
    rows = (
        await run(
            session,
            """
            select null as kind, null as event_id, coalesce(max(number), 0) as number
            from chain_head where tenant_id = :tenant
            union all
            select e.kind, e.id, null from event_unsealed u
            join event e on e.tenant_id = u.tenant_id and e.id = u.event_id
            where u.tenant_id = :tenant
            union all
            select e.kind, e.id, s.number from event_seal s
            join event e on e.tenant_id = s.tenant_id and e.id = s.event_id
            where s.tenant_id = :tenant and s.number > :seen
            """,
            tenant=actor.tenant_id,
            seen=2**62 if kept is None else kept.sealed,
        )
    ).all()
    sealed = next(row.number for row in rows if row.kind is None)
    waiting = frozenset(row.event_id for row in rows if row.kind and row.number is None)
    before = frozenset() if kept is None else kept.waiting
    return sealed, waiting, [row.kind for row in rows if row.kind and row.event_id not in before]


async def _read(
    session: Session,
    actor: Actor,
    now: datetime,
    first_on: date,
    days: int,
    sealed: int,
    waiting: frozenset[UUID],
) -> Kept:
    company = await find_zone_and_currency(session, actor.tenant_id)
    zone = ZoneInfo(company.zone)
    starts_at = datetime.combine(first_on, time(), zone).astimezone(UTC)
    ends_at = datetime.combine(first_on + timedelta(days=days), time(), zone).astimezone(UTC)
    now_s = int((now - starts_at).total_seconds())
    visits = await _visits(session, actor, starts_at, ends_at, now_s)
    skills = await _skills(session, actor)
    rows = await run(
        session,
        """
        select s.id, s.technician_id, t.territory,
               coalesce(s.start_latitude, t.home_latitude) as latitude,
               coalesce(s.start_longitude, t.home_longitude) as longitude,
               extract(epoch from lower(s.during) - cast(:starts_at as timestamptz)) as opens,
               extract(epoch from upper(s.during) - cast(:starts_at as timestamptz)) as closes,
               s.overtime_s
        from shift s join technician t on t.tenant_id = s.tenant_id and t.id = s.technician_id
        where s.tenant_id = :tenant and t.is_active
          and s.during && tstzrange(:starts_at, :ends_at)
          and coalesce(s.start_latitude, t.home_latitude) is not null
          and not exists (
            select from absence a where a.tenant_id = s.tenant_id
              and a.technician_id = s.technician_id and a.during @> s.during)
        order by s.technician_id, s.during
        """,
        tenant=actor.tenant_id,
        starts_at=starts_at,
        ends_at=ends_at,
    )
    routes = []
    for row in rows:
        opens, last = int(row.opens), int(row.closes) + row.overtime_s
        if last <= now_s:
            continue
        mine = tuple(
            stop
            for stop in visits.get(row.technician_id, ())
            if stop.opens < last and stop.opens + stop.work_s > opens
        )
        routes.append(
            Route(
                technician=str(row.technician_id),
                shift=str(row.id),
                home=(row.latitude, row.longitude),
                opens=max(opens, now_s),
                last=last,
                skills=skills.get(row.technician_id, ()),
                territory=row.territory or None,
                stops=mine,
            )
        )
    return Kept(Board(routes), starts_at, sealed, waiting, now)


async def _visits(
    session: Session, actor: Actor, starts_at: datetime, ends_at: datetime, now_s: int
) -> Mapping[UUID, list[Stop]]:
    rows = await run(
        session,
        """
        select v.technician_id, v.status, s.latitude, s.longitude,
               extract(epoch from v.planned_starts_at - cast(:starts_at as timestamptz)) as starts,
               extract(epoch from v.planned_ends_at - cast(:starts_at as timestamptz)) as ends,
               extract(epoch from v.window_ends_at - cast(:starts_at as timestamptz)) as closes
        from visit v
        join work_order w on w.tenant_id = v.tenant_id and w.id = v.work_order_id
        join site s on s.tenant_id = w.tenant_id and s.id = w.site_id
        where v.tenant_id = :tenant
          and v.status in ('planned', 'dispatched', 'travelling', 'on_site', 'paused')
          and v.planned_starts_at < :ends_at and v.planned_ends_at > :starts_at
          and s.latitude is not null and s.longitude is not null
        order by v.technician_id, v.planned_starts_at, v.id
        """,
        tenant=actor.tenant_id,
        starts_at=starts_at,
        ends_at=ends_at,
    )
    found: dict[UUID, list[Stop]] = {}
    for row in rows:
        starts, ends = int(row.starts), int(row.ends)
        if row.status in ("on_site", "paused"):
            ends = max(ends, now_s)
        closes = max(starts, int(row.closes)) if row.closes is not None else starts + DAY_S
        found.setdefault(row.technician_id, []).append(
            Stop((row.latitude, row.longitude), starts, closes, ends - starts)
        )
    return found


async def _skills(session: Session, actor: Actor) -> dict[UUID, tuple[Level, ...]]:
    """Return what each technician can do, certificates that end soon included: it is timed exactly later."""
    rows = await run(
        session,
        """
        select h.technician_id, k.code, h.level from technician_skill h
        join skill k on k.tenant_id = h.tenant_id and k.id = h.skill_id
        where h.tenant_id = :tenant order by h.technician_id, k.code
        """,
        tenant=actor.tenant_id,
    )
    found: dict[UUID, list[Level]] = {}
    for row in rows:
        found.setdefault(row.technician_id, []).append((row.code, row.level))
    return {technician: tuple(levels) for technician, levels in found.items()}
