"""A registered phone of the company's technician; every test of the feed ends with an audit of it."""

from collections.abc import AsyncIterator

import httpx
import pytest

from fsm.database import Database
from tests.company import Company
from tests.conftest import Clock
from tests.mobile_api.phones import Phone, feed_differences, new_phone


@pytest.fixture
async def phone(
    client: httpx.AsyncClient, company: Company, clock: Clock, database: Database
) -> AsyncIterator[Phone]:
    yield await new_phone(client, company, clock)
    assert await feed_differences(database, company.id) == []
