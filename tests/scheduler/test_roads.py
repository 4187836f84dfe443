"""A company's visits become trips, trips a model, and the model every plan's travel times."""

import asyncio
from datetime import timedelta

import numpy as np
import pytest
from sqlmodel import select

from fsm.customers.tables import Site
from fsm.database import Database
from fsm.work_orders.tables import Visit
from scheduler.roads import list_learned, list_trips, relearn, roads_of
from scheduler.tables import TravelModel
from scheduler.travel import geodesic_m, geodesic_travel
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import new_job

HOME = (48.8, 2.3)


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
            session.add(
                Visit(
                    tenant_id=company.id,
                    work_order_id=job.id,
                    technician_id=company.technician.id,
                    status="aborted",
                    planned_starts_at=left_at,
                    planned_ends_at=left_at + timedelta(hours=1),
                    travel_started_at=left_at,
                    arrived_at=left_at + timedelta(minutes=45),
                    created_at=left_at,
                )
            )
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
