"""What tus 1.0.0 asks of a server, numbered, one test each: `rule` and what those tests stand on.

The list follows the specification (core and extensions, 2016-03-25) from top to bottom. It is in the
decorators of `test_tus_core.py`, `test_tus_creation.py` and `test_tus_extensions.py`: number, section,
MUST, SHOULD or MAY, and the requirement in our words. All tests of a module share one server and one
company; each makes uploads of its own.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any, TypeVar
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio

from fsm.app import compose_database
from fsm.database import Database
from fsm.embedded import APPLICATION_ROLE, OWNER_ROLE, EmbeddedPostgres
from fsm.settings import Settings, read_settings
from tests.company import Company, found_company
from tests.conftest import TEMPLATE, Clock
from tests.mobile_api.live import Live, serving
from tests.mobile_api.photos import BYTES, TUS, Phone, Snap, path_of, snap, upload_metadata

_Test = TypeVar("_Test", bound=Callable[..., Any])


@dataclass(frozen=True)
class Rule:
    """One requirement."""

    number: int
    section: str
    level: str
    sentence: str


RULES: dict[int, Rule] = {}


def rule(number: int, section: str, level: str, sentence: str) -> Callable[[_Test], _Test]:
    """Say which requirement a test is about."""
    assert level in ("MUST", "SHOULD", "MAY")
    assert number not in RULES, f"{number} is taken"
    RULES[number] = Rule(number, section, level, sentence)

    def keep(test: _Test) -> _Test:
        test.__doc__ = f"{number} ({section}, {level}) {sentence}"
        return test

    return keep


@dataclass
class Server:
    """A server with the headers that a client of tus knows, and photos that nobody has sent yet."""

    live: Live
    settings: Settings
    database: Database
    company: Company
    clock: Clock
    _seeds: Any

    @property
    def phone(self) -> Phone:
        return self.live.phone

    def photo(self) -> Snap:
        """Return a new photo."""
        return Snap(snap(next(self._seeds), (64, 48)).content)

    async def options(self, **headers: str) -> httpx.Response:
        return await self.phone.client.options("/files", headers=headers)

    async def extensions(self) -> list[str]:
        return (await self.options()).headers["Tus-Extension"].split(",")

    async def post(self, content: bytes = b"", **headers: str) -> httpx.Response:
        """Create with these headers alone; `_` in a name stands for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        own = {**self.phone.headers, **(BYTES if content else TUS), **named}
        return await self.phone.client.post("/files", headers=own, content=content)

    async def begun(self, sent: int = 0) -> tuple[Snap, str]:
        """Return a photo and the path of its upload, of which the first bytes are there."""
        photo = self.photo()
        path = await self.phone.start(photo)
        if sent:
            answer = await self.phone.send(path, 0, photo.content[:sent])
            assert answer.status_code == 204
        return photo, path

    async def finished(self) -> tuple[Snap, str]:
        """Return a photo and the path of its upload, all of which is there."""
        photo = self.photo()
        path = await self.phone.start(photo)
        assert (await self.phone.send(path, 0, photo.content)).status_code == 204
        return photo, path

    async def offset(self, path: str) -> int:
        return int((await self.phone.look(path)).headers["Upload-Offset"])

    async def part(self, content: bytes, length: int | None = None, **headers: str) -> str:
        """Create a part, some of whose bytes come along, and return its path."""
        size = str(len(content) if length is None else length)
        created = await self.post(content, Upload_Concat="partial", Upload_Length=size, **headers)
        assert created.status_code == 201, created.text
        return path_of(created)

    async def final(self, photo: Snap, *parts: str, **headers: str) -> httpx.Response:
        metadata = upload_metadata(photo.metadata)
        concat = "final;" + " ".join(parts)
        return await self.post(Upload_Concat=concat, **{"Upload-Metadata": metadata, **headers})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(
    postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Server]:
    name = f"test_{uuid4().hex[:12]}"
    await postgres.create_database(name, template=TEMPLATE)
    settings = read_settings(
        {
            "FSM_DATABASE_URL": postgres.url(name, APPLICATION_ROLE),
            "FSM_OWNER_DATABASE_URL": postgres.url(name, OWNER_ROLE),
            "FSM_SECRET": "a secret of the tests, long enough",
            "FSM_BLOB_DIR": str(tmp_path_factory.mktemp("blobs")),
            "FSM_POOL_SIZE": "5",
        }
    )
    clock = Clock(datetime(2026, 3, 23, 8, 0, tzinfo=UTC))
    database = compose_database(settings)
    company = await found_company(database, settings, clock(), slug="acme")
    async with serving(settings, database, company, clock) as live:
        yield Server(live, settings, database, company, clock, count(1))
    await database.close()
    await postgres.drop_database(name)
