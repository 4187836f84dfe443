"""One running program over one database for many requests: what tests of hundreds of them stand on.

The database outlives the single test, so its event loop does too: everything runs on the program's own
runner, and tests that use it are plain functions.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx

from fsm.app import compose_database
from fsm.database import Database
from fsm.embedded import APPLICATION_ROLE, OWNER_ROLE, EmbeddedPostgres
from fsm.settings import read_settings
from tests.applications import application
from tests.company import Company, found_company
from tests.conftest import TEMPLATE, Clock
from tests.mobile_api.phones import Phone, new_phone

_EACH_TABLE = """
select relname from pg_class join pg_namespace n on n.oid = relnamespace
where n.nspname = 'public' and relkind = 'r' order by relname"""


@dataclass
class Program:
    """The program, a company, another tenant, the company's phone, and a way to look at every row."""

    runner: asyncio.Runner
    client: httpx.AsyncClient
    database: Database
    clock: Clock
    company: Company
    stranger: Company
    phone: Phone
    owner: "asyncpg.Connection[Any]"
    _read: tuple[str, dict[str, str]] = field(default=("", {}), init=False)
    """The rows as they were read last, with the transactions that had written by then."""

    def send(self, request: httpx.Request) -> httpx.Response:
        return self.runner.run(self.client.send(request))

    def rows(self) -> dict[str, str]:
        """Return how many rows each table holds and the hash of all of them, by table.

        They are read again only where a transaction has written since.
        """
        return self.runner.run(self._rows())

    async def _rows(self) -> dict[str, str]:
        written = await self.owner.fetchval("select pg_current_snapshot()::text")
        if written != self._read[0]:
            self._read = written, await self._read_rows()
        return self._read[1]

    async def _read_rows(self) -> dict[str, str]:
        tables = [row[0] for row in await self.owner.fetch(_EACH_TABLE)]
        each = " union all ".join(
            f"select '{table}', count(*) || ' ' || coalesce(md5(string_agg(t::text, '|' "
            f"order by t::text)), '') from \"{table}\" t"
            for table in tables
        )
        return {row[0]: row[1] for row in await self.owner.fetch(each)}


@contextmanager
def one_program(postgres: EmbeddedPostgres, folder: Path) -> Iterator[Program]:
    """Run a program over a new copy of the template database; both are gone afterwards."""
    name = f"one_{uuid4().hex[:12]}"
    settings = read_settings(
        {
            "FSM_DATABASE_URL": postgres.url(name, APPLICATION_ROLE),
            "FSM_SECRET": "a secret of the tests, long enough",
            "FSM_PUBLIC_URL": "http://fsm.test",
            "FSM_BLOB_DIR": str(folder / "blobs"),
            "FSM_POOL_SIZE": "5",
        }
    )
    clock = Clock(datetime(2026, 3, 23, 8, 0, tzinfo=UTC))
    with asyncio.Runner() as runner:
        runner.run(postgres.create_database(name, template=TEMPLATE))
        database = compose_database(settings)
        app = application(settings, database=database, clock=clock)
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        client = httpx.AsyncClient(transport=transport, base_url="http://fsm.test")

        async def settle() -> tuple[Company, Company, Phone, Any]:
            company = await found_company(database, settings, clock(), slug="acme")
            stranger = await found_company(database, settings, clock(), slug="other")
            phone = await new_phone(client, company, clock)
            return company, stranger, phone, await asyncpg.connect(postgres.url(name, OWNER_ROLE))

        company, stranger, phone, owner = runner.run(settle())
        yield Program(runner, client, database, clock, company, stranger, phone, owner)
        runner.run(owner.close())
        runner.run(client.aclose())
        runner.run(database.close())
        runner.run(postgres.drop_database(name))
