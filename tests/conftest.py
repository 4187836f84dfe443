"""Real PostgreSQL for every test: one server a session, a copy of the migrated template a test."""

import asyncio
import faulthandler
import gc
import os
import pickle
import shutil
import signal
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import asyncpg
import httpx
import hypothesis
import pytest
from litestar import Litestar

from fsm.app import compose_database
from fsm.database import Database
from fsm.embedded import APPLICATION_ROLE, OWNER_ROLE, EmbeddedPostgres
from fsm.embedded.directory import SUPERUSER
from fsm.migrations.migrate import migrate
from fsm.settings import Settings, read_settings
from tests.applications import application
from tests.company import Company, found_company
from tests.patience import PATIENCE_S

TEMPLATE = "fsm_template"
SLUGS = {"company": "acme", "stranger": "other"}

MORNING = datetime(2026, 3, 23, 8, 0, tzinfo=UTC)
"""When tests begin: Monday 09:00 in Paris."""

# How long an example takes says more about the machine than about the code.
hypothesis.settings.register_profile(
    "any-machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
# What a run finds is then what the code has become, and not what was drawn; `--all` draws anew, and more.
hypothesis.settings.register_profile(
    "same-draws",
    hypothesis.settings.get_profile("any-machine"),
    max_examples=50,
    derandomize=True,
)


HANGS_S = 2 * PATIENCE_S
"""How long a test may take with all that it sets up and takes down."""

STDERR = pytest.StashKey[int]()
"""The terminal, also while pytest takes what tests write."""

LONG = (
    ("tests/chaos/",),
    ("tests/journeys/", "tests/fsm/backups/", "tests/fsm/test_every_operation.py"),
    ("tests/pages/", "tests/mobile_api/pwa/"),
    (
        "tests/mobile_api/test_conformance.py",
        "tests/mobile_api/test_every_write.py",
        "tests/mobile_api/test_powersync_sdk.py",
        "tests/mobile_api/test_rxdb.py",
        "tests/scheduler/",
    ),
)
"""Tests that take seconds each; those of a group share what they set up, or take as long as another group."""


def pytest_configure(config: pytest.Config) -> None:
    """Choose what properties are tried on: the same examples each time, and others with the long forms.

    Hear Ctrl-C, and have every program that is started hear it: a script's shell makes what it starts in
    the background deaf to it, and tests that press it would wait for ever.
    """
    config.stash[STDERR] = os.dup(2)
    hypothesis.settings.load_profile("same-draws" if config.option.markexpr else "any-machine")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    gc.disable()  # collecting makes millions of objects that stay


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """End a process whose test hangs, and say where it did: the test fails, and another process goes on."""
    _give_up_on_what_hangs(item.config)
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Do so again: pytest gives up waiting once a test has failed, and just then it is the end that hangs."""
    _give_up_on_what_hangs(item.config)


def _give_up_on_what_hangs(config: pytest.Config) -> None:
    faulthandler.dump_traceback_later(HANGS_S, exit=True, file=config.stash[STDERR])


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Say at once what failed: a run that is ended from outside says nothing more."""
    if report.failed and "PYTEST_XDIST_WORKER" not in os.environ:
        said = f"\nFAILED {report.nodeid} ({report.when})\n{report.longreprtext}"
        print(said, flush=True)  # noqa: T201


def pytest_collection_finish() -> None:
    """Keep the garbage collector from going through all modules and tests again and again."""
    gc.enable()
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have every process begin with long tests: what is shared out at the end is then short.

    xdist gives each process as many tests, one after another, as the next.
    """
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    groups = [[one for one in items if one.nodeid.startswith(names)] for names in LONG]
    long = set(chain.from_iterable(groups))
    others = [one for one in items if one not in long]
    everything, items[:] = len(items), []
    for number in range(processes):
        first = list(chain.from_iterable(groups[number::processes]))
        share = (everything - len(items)) // (processes - number)
        rest = max(0, share - len(first))
        items += first + others[:rest]
        del others[:rest]
    items += others


class Clock:
    """The server's time as a test wants it; it stands still until moved."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **delta: float) -> datetime:
        self.now += timedelta(**delta)
        return self.now


def _quick_disk() -> Path | None:
    """Return memory's own file system where it has room: dropping a database waits for the disk otherwise."""
    memory = Path("/dev/shm")
    if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 4 * 2**30:
        return memory
    return None


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """A private server, with a template database at the newest schema. Durability stays on."""
    with (
        TemporaryDirectory(prefix="fsm-tests-", dir=_quick_disk()) as folder,
        EmbeddedPostgres(Path(folder)) as server,
    ):

        async def prepare() -> None:
            await server.prepare(TEMPLATE)
            await migrate(server.url(TEMPLATE, OWNER_ROLE))

        asyncio.run(prepare())
        yield server


@dataclass(frozen=True)
class Founded:
    """A database with companies in it that tests get copies of: founding one takes longer than most tests."""

    template: str
    companies: dict[str, bytes]
    """The pickled `Company` by its slug."""

    def company(self, slug: str, settings: Settings) -> Company:
        """Return a company of a copy as its founder had it, its people signed in under these settings."""
        company: Company = pickle.loads(self.companies[slug])
        company.settings = settings
        for role in company.actors:
            company.sign_in(role, MORNING)
        return company


class Foundations:
    """What tests find in their database at `MORNING`: nothing, a company, a stranger beside it."""

    def __init__(self, postgres: EmbeddedPostgres) -> None:
        self._postgres = postgres
        self._ready = [Founded(TEMPLATE, {})]

    async def of(self, *slugs: str) -> Founded:
        while len(self._ready) <= len(slugs):
            before = self._ready[-1]
            slug = slugs[len(before.companies)]
            name = f"{before.template}_{slug}"
            await self._postgres.create_database(name, template=before.template)
            settings = _settings(self._postgres, name, Path("unused"))
            database = compose_database(settings)
            try:
                company = await found_company(database, settings, MORNING, slug=slug)
            finally:
                await database.close()
            self._ready.append(Founded(name, {**before.companies, slug: pickle.dumps(company)}))
        return self._ready[len(slugs)]


@pytest.fixture(scope="session")
def foundations(postgres: EmbeddedPostgres) -> Foundations:
    return Foundations(postgres)


@pytest.fixture
async def founded(
    request: pytest.FixtureRequest, foundations: Foundations, clock: Clock
) -> Founded:
    """What the test's database begins with. A test with a time of its own has its companies founded then."""
    slugs = [SLUGS[name] for name in ("company", "stranger") if name in request.fixturenames]
    return await foundations.of(*(slugs if clock() == MORNING else ()))


class Administrator:
    """Copies and drops databases over one connection: opening one takes as long as copying the database."""

    def __init__(self, postgres: EmbeddedPostgres) -> None:
        self._loop = asyncio.new_event_loop()
        url = postgres.url("postgres", SUPERUSER)
        self._connection = self._loop.run_until_complete(asyncpg.connect(url))

    def copy(self, template: str, name: str) -> None:
        self._do(
            f"create database {name} owner {OWNER_ROLE} template {template} strategy file_copy"
        )

    def drop(self, name: str) -> None:
        self._do(f"drop database if exists {name} with (force)")

    def close(self) -> None:
        self._loop.run_until_complete(self._connection.close())
        self._loop.close()

    def _do(self, statement: str) -> None:
        self._loop.run_until_complete(self._connection.execute(statement))


@pytest.fixture(scope="session")
def administrator(postgres: EmbeddedPostgres) -> Iterator[Administrator]:
    administrator = Administrator(postgres)
    yield administrator
    administrator.close()


@pytest.fixture
def database_name(administrator: Administrator, founded: Founded) -> Iterator[str]:
    """A database of the test's own, thrown away after it."""
    name = f"test_{uuid4().hex[:12]}"
    administrator.copy(founded.template, name)
    yield name
    administrator.drop(name)


@pytest.fixture
def owner_url(postgres: EmbeddedPostgres, database_name: str) -> str:
    return postgres.url(database_name, OWNER_ROLE)


def _settings(postgres: EmbeddedPostgres, database_name: str, folder: Path) -> Settings:
    return read_settings(
        {
            "FSM_DATABASE_URL": postgres.url(database_name, APPLICATION_ROLE),
            "FSM_OWNER_DATABASE_URL": postgres.url(database_name, OWNER_ROLE),
            "FSM_SECRET": "a secret of the tests, long enough",
            "FSM_PUBLIC_URL": "http://fsm.test",
            "FSM_BLOB_DIR": str(folder / "blobs"),
            "FSM_POOL_SIZE": "5",
        }
    )


@pytest.fixture
def settings(postgres: EmbeddedPostgres, database_name: str, tmp_path: Path) -> Settings:
    return _settings(postgres, database_name, tmp_path)


@pytest.fixture
def clock() -> Clock:
    return Clock(MORNING)


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    database = compose_database(settings)
    yield database
    await database.close()


@pytest.fixture
def app(settings: Settings, database: Database, clock: Clock) -> Litestar:
    return application(settings, database=database, clock=clock)


@pytest.fixture
async def client(app: Litestar) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a login. Our own bugs come back as 500, as they would to anybody."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://fsm.test") as client:
        yield client


@pytest.fixture
async def company(
    founded: Founded, database: Database, settings: Settings, clock: Clock
) -> Company:
    """A service company with a customer, a site, an asset, a contract, people and a checklist."""
    return await _company("company", founded, database, settings, clock)


@pytest.fixture
async def stranger(
    founded: Founded, database: Database, settings: Settings, clock: Clock, company: Company
) -> Company:
    """Another tenant in the same database, with rows of the same kinds."""
    return await _company("stranger", founded, database, settings, clock)


async def _company(
    name: str, founded: Founded, database: Database, settings: Settings, clock: Clock
) -> Company:
    if SLUGS[name] in founded.companies:
        return founded.company(SLUGS[name], settings)
    return await found_company(database, settings, clock(), slug=SLUGS[name])


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of outside data; the test skips where there is none."""
    folder = os.environ.get("FSM_TEST_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("FSM_TEST_DATA names no folder with the outside data")
    return Path(folder)
