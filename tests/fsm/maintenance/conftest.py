"""A desk at a company that does preventive work."""

import httpx
import pytest

from fsm.database import Database
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.maintenance.upkeep import Desk, add_inspection


@pytest.fixture
async def desk(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> Desk:
    await add_inspection(database, company, clock)
    return Desk(client, database, company, clock)
