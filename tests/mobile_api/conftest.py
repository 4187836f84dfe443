"""Devices of the company's technicians; every test of the feed ends with an audit of it."""

from collections.abc import AsyncIterator

import httpx
import pytest
from sqlmodel import select

from fsm.database import Database
from fsm.settings import Settings
from fsm.technicians.tables import Technician
from fsm.tenants.tables import User
from tests.company import Company
from tests.conftest import Clock
from tests.mobile_api import photos
from tests.mobile_api.other_clients import Field, in_the_field
from tests.mobile_api.phones import Phone, feed_differences, new_phone


@pytest.fixture
async def phone(
    client: httpx.AsyncClient, company: Company, clock: Clock, database: Database
) -> AsyncIterator[Phone]:
    """A registered phone of the company's technician."""
    yield await new_phone(client, company, clock)
    assert await feed_differences(database, company.id) == []


@pytest.fixture
async def there(
    settings: Settings, database: Database, company: Company, clock: Clock
) -> AsyncIterator[Field]:
    """A server and a worker that clients of other people's making reach over a line which loses answers."""
    async with in_the_field(settings, database, company, clock) as there:
        yield there
    assert await feed_differences(database, company.id) == []


@pytest.fixture
async def colleague(
    phone: Phone, client: httpx.AsyncClient, company: Company, clock: Clock, database: Database
) -> Phone:
    """The phone of the company's other technician."""
    headers = await photos.hire(database, company, clock)
    async with database.transaction(company.id) as session:
        user = (await session.exec(select(User).where(User.name == "Second"))).one()
        session.add(
            Technician(
                tenant_id=company.id, user_id=user.id, number="T-2", name="Clara", zone="UTC"
            )
        )
    registered = await client.post(
        "/sync/v1/devices", headers=headers, json={"install_id": "second", "schema": 5}
    )
    body = registered.json()
    return Phone(client, {"Authorization": f"Bearer {body['token']}"}, body["device_id"], clock)


@pytest.fixture
async def camera(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> photos.Camera:
    phone = photos.Phone(client, await photos.register_phone(database, company, clock))
    job = await photos.add_job(database, company, clock)
    return photos.Camera(phone, database, company, clock, *job)
