"""A company's visits become trips, trips a model, and the model every plan's travel times."""

import asyncio
from datetime import datetime, timedelta
from uuid import UUID

import numpy as np
import pytest
from sqlmodel import select

from fsm.customers.tables import Site
from fsm.database import Database
from fsm.technicians.tables import Technician, TechnicianPosition
from fsm.work_orders.tables import Visit
from scheduler.roads import list_learned, list_trips, relearn, roads_of
from scheduler.tables import TravelModel
from scheduler.travel import geodesic_m, geodesic_travel
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import new_job

HOME = (48.8, 2.3)


def a_trip(company: Company, work_order_id: UUID, left_at: datetime, lasted: timedelta) -> Visit:
    return Visit(
        tenant_id=company.id,
        work_order_id=work_order_id,
        technician_id=company.technician.id,
        status="aborted",
        planned_starts_at=left_at,
        planned_ends_at=left_at + timedelta(hours=1),
        travel_started_at=left_at,
        arrived_at=left_at + lasted,
        created_at=left_at,
    )


async def test_visits_teach_a_company_its_roads_and_no_other(
    database: Database, company: Company, stranger: Company, clock: Clock
) -> None:
    job = await new_job(database, company, clock)
    now = clock()
    async with database.transaction(company.id) as session:
        site = (await session.exec(select(Site).where(Site.tenant_id == company.id))).one()
        site.region = "Centre"
        for number in range(40):
            left_at = now - timedelta(days=2 * number, hours=20 - number % 3)
            session.add(a_trip(company, job.id, left_at, timedelta(minutes=45)))
    async with database.transaction(company.id) as session:
        trips = await list_trips(session, company.id, now)
        assert len(trips) == 40
        assert {(trip.territory, trip.seconds) for trip in trips} == {("Centre", 2_700.0)}
        straight_m = geodesic_m(np.array([HOME]), np.array([[site.latitude, site.longitude]]))[0, 0]
        assert trips[0].straight_m == pytest.approx(straight_m)
        assert {trip.hour for trip in trips} <= set(range(10, 17)), "on the site's clocks"

    async def learn() -> int:
        async with database.transaction(company.id) as session:
            return await relearn(session, company.id, now)

    assert await asyncio.gather(learn(), learn()) == [10, 10]
    places = np.array([HOME, (site.latitude, site.longitude)])
    assumed = geodesic_travel(places).seconds[0, 1]
    async with database.transaction(company.id) as session:
        learned = await list_learned(session, company.id)
        assert [one.territory for one in learned] == [""] * 5 + ["Centre"] * 5
        travel = await (await roads_of(session, company.id)).travel(places)
        assert travel.source == "geodesic, learned"
        assert assumed < travel.seconds[0, 1] < 2_700
        assert travel.seconds[0, 1] > assumed + 0.6 * (2_700 - assumed)
        assert await relearn(session, company.id, now + timedelta(days=400)) == 0
        assert (await session.exec(select(TravelModel.id))).all() == []
    async with database.transaction(stranger.id) as session:
        assert await list_trips(session, stranger.id, now) == []
        assert (await (await roads_of(session, stranger.id)).travel(places)).source == "geodesic"


async def test_positions_on_the_way_tell_how_long_the_road_was(
    database: Database, company: Company, clock: Clock
) -> None:
    """Three trips over the same corner: one traced whole, one with a gap, one with three fixes."""
    job = await new_job(database, company, clock)
    corner = (company.site.latitude, HOME[1])
    arrived_at = clock() - timedelta(hours=1)
    async with database.transaction(company.id) as session:
        boris = (await session.exec(select(Technician).where(Technician.number == "T-1"))).one()
        boris.position_consent_at = clock() - timedelta(days=30)
        for number, minutes in enumerate(
            ([1, 3, 5, 7, 9, 11], [1, 2, 3, 4, 5, 9, 11], [3, 6, 9]), start=1
        ):
            left_at = arrived_at - timedelta(days=number, minutes=12)
            session.add(a_trip(company, job.id, left_at, timedelta(minutes=12)))
            for minute in minutes:
                session.add(
                    TechnicianPosition(
                        tenant_id=company.id,
                        technician_id=company.technician.id,
                        fixed_at=left_at + timedelta(minutes=minute),
                        latitude=corner[0],
                        longitude=corner[1],
                        received_at=left_at,
                    )
                )
    async with database.transaction(company.id) as session:
        trips = await list_trips(session, company.id, clock())
    site = (company.site.latitude, company.site.longitude)
    places = np.array([HOME, corner, site])
    over_the_corner = geodesic_m(places, places)[0, 1] + geodesic_m(places, places)[1, 2]
    assert [trip.road_m for trip in trips] == [pytest.approx(over_the_corner), None, None]
    assert trips[0].straight_m < over_the_corner
