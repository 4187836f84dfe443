"""Two transactions that change what one phone sees, in every order of their steps: the feed ends up right.

Each stops before every step of its refresh (look, hold, look again, write, commit); a drawn order says who
goes on. One that waits for the other's lock lets the other go on, as in life.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from uuid_utils.compat import uuid7

from fsm.assets.tables import Asset, Identifier
from fsm.database import Database, Session, touch
from fsm.settings import Settings
from fsm.work_orders import visits
from mobile_api import feed
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import Job, new_job
from tests.mobile_api.phones import Phone, feed_differences

ORDERS = 20
_LOCKED = """
select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"""

STEPS = (
    "hold_changed",
    "lock_affected",
    "affected_scopes",
    "lock_scopes",
    "_write",
    "hold_new",
)

Change = Callable[[Session], Awaitable[None]]


class Turns:
    """Lets transactions go on one step at a time, in an order drawn from `seed`."""

    def __init__(self, seed: int, looking: "asyncpg.Connection[Any]") -> None:
        self.rng = random.Random(seed)
        self.looking = looking
        self.waiting: dict[str, asyncio.Event] = {}
        self.running = 0

    async def stop(self, session: Session) -> None:
        name = session.info.get("turn")
        if name is None:
            return
        go = self.waiting[name] = asyncio.Event()
        self.running -= 1
        await go.wait()
        self.running += 1

    async def play(self, *works: Awaitable[None]) -> None:
        self.running = len(works)
        tasks = [asyncio.ensure_future(self._ended(work)) for work in works]
        while not all(task.done() for task in tasks):
            await self._settled()
            if self.waiting:
                name = self.rng.choice(sorted(self.waiting))
                self.waiting.pop(name).set()
                await asyncio.sleep(0)
        for task in tasks:
            task.result()

    async def _ended(self, work: Awaitable[None]) -> None:
        try:
            await work
        finally:
            self.running -= 1

    async def _settled(self) -> None:
        """Wait until everybody has stopped, or whoever has not waits for a lock."""
        while self.running:
            if self.waiting and await self.looking.fetchval(_LOCKED) >= self.running:
                return
            await asyncio.sleep(0.002)


@asynccontextmanager
async def stepwise(monkeypatch: pytest.MonkeyPatch, turns: Turns) -> AsyncIterator[None]:
    """Have every step of a refresh, and the commit after it, wait for its turn."""
    with monkeypatch.context() as patch:
        for name in STEPS:
            patch.setattr(feed, name, _stopping(getattr(feed, name), turns))
        commit = Session.commit

        async def commit_in_turn(self: Session) -> None:
            await turns.stop(self)
            await commit(self)

        patch.setattr(Session, "commit", commit_in_turn)
        yield


def _stopping(step: Any, turns: Turns) -> Any:
    async def stop_first(session: Session, *args: Any, **options: Any) -> Any:
        await turns.stop(session)
        return await step(session, *args, **options)

    return stop_first


class Stage:
    """A company in which an asset is edited while a job on it is dispatched."""

    def __init__(
        self,
        database: Database,
        company: Company,
        clock: Clock,
        looking: "asyncpg.Connection[Any]",
    ) -> None:
        self.database, self.company, self.clock = database, company, clock
        self.looking = looking

    async def change(self, name: str, work: Change) -> None:
        async with self.database.transaction(self.company.id) as session:
            if name:
                session.info["turn"] = name
            await work(session)

    async def planned(self) -> tuple[Asset, Job]:
        """Return an asset that no phone knows yet, and a job on it that is planned."""
        async with self.database.transaction(self.company.id) as session:
            asset = Asset(
                id=uuid7(),
                tenant_id=self.company.id,
                customer_id=self.company.customer.id,
                site_id=self.company.site.id,
                model_id=self.company.model.id,
                number=f"A-{uuid7()}",
                name="Lift",
                in_service_from=self.clock(),
                created_at=self.clock(),
            )
            session.add(asset)
        self.company.asset = asset
        return asset, await self.planned_again()

    async def planned_again(self) -> Job:
        """Return a job on the last asset that is planned."""
        job = await new_job(self.database, self.company, self.clock)
        async with self.database.transaction(self.company.id) as session:
            at = self.clock() + timedelta(hours=1)
            (visit,) = await visits.plan_visits(
                session,
                self.company.actors["dispatcher"],
                self.clock(),
                [visits.NewVisit(job.id, self.company.technician.id, at, at + timedelta(hours=1))],
            )
        job.visit_id = visit.id
        return job

    def withdraws(self, job: Job) -> Change:
        async def withdraw(session: Session) -> None:
            actor = self.company.actors["dispatcher"]
            assert job.visit_id is not None
            await visits.withdraw(session, actor, self.clock(), job.visit_id, reason="not needed")
            await session.flush()

        return withdraw

    def edits(self, asset: Asset) -> Change:
        async def edit(session: Session) -> None:
            row = await session.get(Asset, (asset.tenant_id, asset.id))
            assert row is not None
            row.place = f"Shaft {uuid7()}"
            await session.flush()
            touch(session, row)

        return edit

    def names(self, asset: Asset) -> Change:
        async def add(session: Session) -> None:
            row = Identifier(
                tenant_id=asset.tenant_id, asset_id=asset.id, scheme="serial", value=str(uuid7())
            )
            session.add(row)
            await session.flush()
            touch(session, row)

        return add

    def dispatches(self, job: Job) -> Change:
        async def dispatch(session: Session) -> None:
            assert job.visit_id is not None
            await visits.dispatch(
                session, self.company.actors["dispatcher"], self.clock(), job.visit_id
            )
            await session.flush()

        return dispatch

    async def wrong_after(
        self, monkeypatch: pytest.MonkeyPatch, kind: str, *, until_found: bool = False
    ) -> list[int]:
        """Return the orders after which the feed differs from a rebuild; each is healed."""
        wrong = []
        for seed in range(ORDERS):
            asset, job = await self.planned()
            if kind == "two edits":
                await self.change("", self.dispatches(job))
                works = (self.edits(asset), self.names(asset))
            elif kind == "leave and enter":
                await self.change("", self.dispatches(job))
                works = (self.withdraws(job), self.dispatches(await self.planned_again()))
            else:
                works = (self.edits(asset), self.dispatches(job))
            turns = Turns(seed, self.looking)
            async with stepwise(monkeypatch, turns):
                await turns.play(*(self.change(str(n), work) for n, work in enumerate(works)))
            if await feed_differences(self.database, self.company.id):
                wrong.append(seed)
                async with self.database.transaction(self.company.id) as session:
                    await feed.rebuild(session, self.company.id)
                if until_found:
                    break
        return wrong


@pytest.fixture
async def stage(
    phone: Phone, database: Database, company: Company, clock: Clock, settings: Settings
) -> AsyncIterator[Stage]:
    await phone.pull()
    looking = await asyncpg.connect(settings.database_url)
    yield Stage(database, company, clock, looking)
    await looking.close()


@pytest.mark.parametrize("kind", ["two edits", "edit and dispatch", "leave and enter"])
async def test_the_feed_is_right_after_every_order(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    assert await stage.wrong_after(monkeypatch, kind) == []


# --- mistakes that this must find ---------------------------------------------------------------------------


def _unlocked(monkeypatch: pytest.MonkeyPatch) -> None:
    run = feed.run

    async def lock_nothing(*_: Any) -> dict[str, Any]:
        """Those that are affected are left to the look after it, and to `run_unlocked`."""
        return {}

    async def run_unlocked(session: Session, sql: str, /, **values: Any) -> Any:
        if "from sync_scope" in sql:
            sql = sql.replace(" for update", "")
        return await run(session, sql, **values)

    monkeypatch.setattr(feed, "run", run_unlocked)
    monkeypatch.setattr(feed, "lock_affected", lock_nothing)
    _without_holding_objects(monkeypatch)


def _without_second_look(monkeypatch: pytest.MonkeyPatch) -> None:
    async def look_no_more(*_: Any) -> set[str]:
        """As if what was held at first had to be all."""
        return set()

    async def hold_nothing(*_: Any) -> None:
        """What is changed was held before looking: that stands in for the second look here."""

    monkeypatch.setattr(feed, "affected_scopes", look_no_more)
    monkeypatch.setattr(feed, "hold_changed", hold_nothing)


def _without_holding_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hold_nothing(*_: Any) -> None:
        """As if scopes were all that two writers could have in common."""

    monkeypatch.setattr(feed, "hold_changed", hold_nothing)


@pytest.mark.parametrize(
    ("mistake", "kind"),
    [
        (_unlocked, "leave and enter"),
        (_without_second_look, "edit and dispatch"),
        (_without_holding_objects, "edit and dispatch"),
    ],
)
async def test_this_mistake_leaves_wrong_rows(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, mistake: Any, kind: str
) -> None:
    mistake(monkeypatch)
    assert await stage.wrong_after(monkeypatch, kind, until_found=True) != []
