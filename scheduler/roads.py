"""The roads as a company's own trips have shown them: learned anew each night, read for every plan."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
from sqlalchemy import delete, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col
from uuid_utils.compat import uuid7

from fsm.database import Session, fetch, run
from fsm.technicians.positions import KEPT
from scheduler.osrm import memory_of
from scheduler.tables import TravelModel
from scheduler.travel import RoadModel, Travel, TravelProvider, geodesic_m
from scheduler.trips import LearnedGeodesic, LearnedRoad, Trip, learn, shares_of

LEARNED_FROM: Final = timedelta(days=180)
PATIENCE_S: Final = 1.0
"""How long the router may take for a trip that somebody waits to read of, once others' are answered."""
_LONGEST_TRIP: Final = timedelta(hours=4)
_SAME_DAY: Final = timedelta(hours=12)
_MOST_TRIPS: Final = 200_000
_FEWEST_FIXES: Final = 5
_LONGEST_GAP: Final = timedelta(minutes=3)
_ACCURATE_M: Final = 50.0
"""What a trace must have to tell how long the road was."""


async def relearn(session: Session, tenant_id: UUID, now: datetime) -> int:
    """Learn a company's roads from the trips of the last half year; return how many groups there are.

    Workers that do so at once write the same, one row after the other.
    """
    learned = learn(await list_trips(session, tenant_id, now))
    present = [(one.territory, one.hours) for one in learned]
    await session.exec(
        delete(TravelModel).where(
            col(TravelModel.tenant_id) == tenant_id,
            tuple_(col(TravelModel.territory), col(TravelModel.hours)).not_in(present),
        )
    )
    for one in sorted(learned, key=lambda each: (each.territory, each.hours)):
        values = {
            "detour": one.road.detour,
            "speeds": [[None if np.isinf(m) else m, km_h] for m, km_h in one.road.bands],
            "trips": one.trips,
            "latitude": one.latitude,
            "longitude": one.longitude,
            "learned_at": now,
        }
        key = {"tenant_id": tenant_id, "territory": one.territory, "hours": one.hours}
        await session.exec(
            insert(TravelModel)
            .values(id=uuid7(), **key, **values)
            .on_conflict_do_update(index_elements=list(key), set_=values)
        )
    return len(learned)


async def list_trips(session: Session, tenant_id: UUID, now: datetime) -> list[Trip]:
    """Return the recorded trips whose beginning is known, each in its site's region and local hour.

    A trip begins where the technician finished last on that day, else at home. When it did so the phone's
    taps tell, else the travel time that was written down; how long the road was, the technician's positions.
    """
    rows = await run(
        session,
        """
        with trip as (
          select v.id, v.technician_id, w.site_id, w.zone,
            coalesce(v.travel_started_at, lower(noted.during)) as left_at,
            case when v.travel_started_at is null then upper(noted.during)
                 else v.arrived_at end as arrived_at
          from visit v
          join work_order w on w.tenant_id = v.tenant_id and w.id = v.work_order_id
          left join lateral (
            select t.during from time_entry t
            where t.tenant_id = v.tenant_id and t.work_order_id = v.work_order_id
              and t.visit_id = v.id and t.kind = 'travel'
              and not exists (
                select from time_entry c where c.tenant_id = t.tenant_id
                  and c.work_order_id = t.work_order_id and c.corrects_id = t.id)
            order by lower(t.during) limit 1) noted on true
          where v.tenant_id = :tenant and v.planned_starts_at >= :since and v.arrived_at is not null)
        select trip.id, s.region, trip.zone, trip.left_at, trip.arrived_at, s.latitude, s.longitude,
          coalesce(before.latitude, p.home_latitude) as from_latitude,
          coalesce(before.longitude, p.home_longitude) as from_longitude
        from trip
        join site s on s.tenant_id = :tenant and s.id = trip.site_id
        join technician p on p.tenant_id = :tenant and p.id = trip.technician_id
        left join lateral (
          select bs.latitude, bs.longitude
          from visit b
          join work_order bw on bw.tenant_id = b.tenant_id and bw.id = b.work_order_id
          join site bs on bs.tenant_id = bw.tenant_id and bs.id = bw.site_id
          where b.tenant_id = :tenant and b.technician_id = trip.technician_id and b.id <> trip.id
            and b.finished_at <= trip.left_at
            and b.finished_at > trip.left_at - cast(:same_day as interval)
          order by b.finished_at desc limit 1) before on true
        where trip.arrived_at > trip.left_at
          and trip.arrived_at - trip.left_at < cast(:longest as interval)
          and s.latitude is not null and s.longitude is not null
          and coalesce(before.latitude, p.home_latitude) is not null
          and coalesce(before.longitude, p.home_longitude) is not null
        order by trip.left_at desc limit :most
        """,
        tenant=tenant_id,
        since=now - LEARNED_FROM,
        same_day=_SAME_DAY,
        longest=_LONGEST_TRIP,
        most=_MOST_TRIPS,
    )
    found = rows.all()
    traces = await _list_traces(session, tenant_id, now)
    begins = np.array([(one.from_latitude, one.from_longitude) for one in found]).reshape(-1, 2)
    ends = np.array([(one.latitude, one.longitude) for one in found]).reshape(-1, 2)
    return [
        Trip(
            territory=one.region,
            hour=one.left_at.astimezone(ZoneInfo(one.zone)).hour,
            straight_m=_length_m(begins[place], ends[place]),
            seconds=(one.arrived_at - one.left_at).total_seconds(),
            latitude=one.from_latitude,
            longitude=one.from_longitude,
            road_m=_length_m(begins[place], *traces[one.id], ends[place])
            if len(traces.get(one.id, ())) >= _FEWEST_FIXES
            else None,
        )
        for place, one in enumerate(found)
    ]


def _length_m(*places: Sequence[float]) -> float:
    """Return the length of a line through places in degrees, in metres."""
    points = np.array(places)
    return float(np.trace(geodesic_m(points[:-1], points[1:])))


async def _list_traces(
    session: Session, tenant_id: UUID, now: datetime
) -> dict[UUID, list[tuple[float, float]]]:
    """Return where technicians were on their way to visits, as far as they let us know; one gap spoils it."""
    rows = await run(
        session,
        """
        select v.id, p.latitude, p.longitude,
          p.fixed_at - coalesce(lag(p.fixed_at) over its, v.travel_started_at) > :gap
            or coalesce(lead(p.fixed_at) over its, v.arrived_at) - p.fixed_at > :gap as is_spoilt
        from visit v
        join technician_position p on p.tenant_id = v.tenant_id and p.technician_id = v.technician_id
          and p.fixed_at between v.travel_started_at and v.arrived_at
        where v.tenant_id = :tenant and v.arrived_at >= :since
          and coalesce(p.accuracy_m, 0) <= :accuracy
        window its as (partition by v.id order by p.fixed_at)
        order by v.id, p.fixed_at
        """,
        tenant=tenant_id,
        since=now - KEPT,
        gap=_LONGEST_GAP,
        accuracy=_ACCURATE_M,
    )
    traces: dict[UUID, list[tuple[float, float]]] = {}
    spoilt = set()
    for row in rows:
        traces.setdefault(row.id, []).append((row.latitude, row.longitude))
        if row.is_spoilt:
            spoilt.add(row.id)
    return {visit: trace for visit, trace in traces.items() if visit not in spoilt}


async def list_learned(session: Session, tenant_id: UUID) -> list[LearnedRoad]:
    rows = await fetch(
        session,
        """
        select territory, hours, detour, speeds::text, trips, latitude, longitude
        from travel_model where tenant_id = $1 order by territory, hours
        """,
        tenant_id,
    )
    return [
        LearnedRoad(
            territory=territory,
            hours=hours,
            road=RoadModel(
                detour=detour,
                bands=tuple(
                    (float("inf") if metres is None else metres, km_h or 0.0)
                    for metres, km_h in msgspec.json.decode(speeds)
                ),
            ),
            trips=trips,
            latitude=latitude,
            longitude=longitude,
        )
        for territory, hours, detour, speeds, trips, latitude, longitude in rows
    ]


async def roads_of(session: Session, tenant_id: UUID, hours: Iterable[int] = ()) -> TravelProvider:
    """Return what answers for a company's travel: the router where there is one, before its learned roads.

    `hours` are the local ones that the trips lie in: the learned roads are as fast as then, at the mean.
    """
    learned = LearnedGeodesic(await list_learned(session, tenant_id), shares_of(hours))
    router_url: str | None = session.info.get("router_url")
    return learned if router_url is None else memory_of(router_url).before(learned)


async def drive_between(
    session: Session,
    tenant_id: UUID,
    start: tuple[float, float],
    end: tuple[float, float],
    hour: int,
) -> Travel:
    """Return the one trip that is under way, from the same source as plans; row 0, column 1.

    A page waits for it: a router that takes longer, or is busy that long with other pages' questions, is left
    out, which the notes say. What it answers is remembered apart from plans, whose places would otherwise be
    pushed out by positions on the road.
    """
    places = np.array([start, end])
    estimated = LearnedGeodesic(await list_learned(session, tenant_id)).estimate(places, hour)
    router_url: str | None = session.info.get("router_url")
    if router_url is None:
        return estimated
    router = memory_of(router_url, "on the way", PATIENCE_S)
    return await router.improve(estimated, places)
