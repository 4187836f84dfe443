"""Background jobs are done once, tried again while the database is busy, and kept when they fail."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from fsm import jobs, worker
from fsm.database import Database, Session, run
from fsm.evidence.local_store import LocalBlobStore
from fsm.jobs import Job
from fsm.logs import blotted
from fsm.problems import Busy
from fsm.settings import Settings
from fsm.tenants import queries
from fsm.worker import Round, Tools, each_tenant, in_transaction, run_worker
from tests.company import Company
from tests.conftest import Clock
from tests.patience import PATIENCE_S


@pytest.fixture
def tools(settings: Settings, database: Database, clock: Clock, tmp_path: Path) -> Tools:
    return Tools(settings, database, LocalBlobStore(tmp_path / "blobs"), clock)


async def work_until(tools: Tools, done: asyncio.Event) -> None:
    """Run the worker until `done` is set, then let it finish in order."""
    stop = asyncio.Event()
    working = asyncio.create_task(run_worker(tools, stop))
    async with asyncio.timeout(PATIENCE_S):
        await done.wait()
        stop.set()
        await working


async def enqueue(
    database: Database, company: Company, name: str, *, is_plain: bool = False
) -> int:
    begin = database.plain if is_plain else database.transaction
    async with begin(company.id) as session:
        return await jobs.enqueue(session, name, company.id, what="this")


async def statuses(database: Database) -> list[str]:
    async with database.transaction() as session:
        return [row.status for row in await run(session, "select status::text from pgqueuer")]


@pytest.mark.parametrize("is_plain", [False, True])
async def test_a_job_is_done_in_its_tenants_transaction_and_leaves_the_queue(
    tools: Tools,
    company: Company,
    stranger: Company,
    monkeypatch: pytest.MonkeyPatch,
    is_plain: bool,
) -> None:
    seen: list[str] = []
    done = asyncio.Event()

    async def look(session: Session, job: Job, _: Tools) -> None:
        tenant = await queries.find_own_tenant(session, job.tenant_id)
        seen.append(f"{tenant.slug} {job.data['what']}")
        done.set()

    monkeypatch.setattr(worker, "REACTIONS", {"look": in_transaction(look)})
    monkeypatch.setattr(worker, "ROUNDS", {})
    await enqueue(tools.database, stranger, "look", is_plain=is_plain)
    await work_until(tools, done)
    assert seen == ["other this"]
    assert await statuses(tools.database) == []


async def test_a_job_that_finds_the_database_busy_is_tried_again(
    tools: Tools, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = asyncio.Event()
    tries = 0

    async def stumble(_: Tools, __: Job) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise Busy("A deadlock.")
        done.set()

    monkeypatch.setattr(worker, "REACTIONS", {"stumble": stumble})
    monkeypatch.setattr(worker, "ROUNDS", {})
    await enqueue(tools.database, company, "stumble")
    await work_until(tools, done)
    assert tries == 2
    assert await statuses(tools.database) == []


async def test_a_job_that_fails_is_logged_with_its_number_and_kept(
    tools: Tools,
    company: Company,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    done = asyncio.Event()

    async def fail(_: Tools, __: Job) -> None:
        done.set()
        raise LookupError("our own bug")

    monkeypatch.setattr(worker, "REACTIONS", {"fail": fail})
    monkeypatch.setattr(worker, "ROUNDS", {})
    number = await enqueue(tools.database, company, "fail")
    with caplog.at_level(logging.ERROR, "fsm.worker"):
        await work_until(tools, done)
    assert await statuses(tools.database) == ["failed"]
    (line,) = [one for one in caplog.records if one.name == "fsm.worker"]
    assert vars(line)["job"] == number


async def test_a_rounds_trouble_with_one_tenant_is_not_anothers(
    tools: Tools, company: Company, stranger: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = asyncio.Event()
    seen: set[str] = set()

    def round_of(trouble: Company) -> Callable[[Tools], Awaitable[None]]:
        async def visit(session: Session, tenant_id: object, _: Tools) -> None:
            if tenant_id == trouble.id:
                raise LookupError("our own bug")
            seen.add(str(tenant_id))
            if len(seen) == 2:
                done.set()

        return each_tenant(visit)

    monkeypatch.setattr(worker, "REACTIONS", {})
    monkeypatch.setattr(
        worker,
        "ROUNDS",
        {"one": Round(600, round_of(company)), "two": Round(600, round_of(stranger))},
    )
    await work_until(tools, done)
    assert seen == {str(company.id), str(stranger.id)}


async def test_history_is_sealed_while_the_worker_runs(tools: Tools, company: Company) -> None:
    done = asyncio.Event()

    async def watch() -> None:
        while not done.is_set():
            async with tools.database.transaction(company.id) as session:
                left = await run(session, "select count(*) from event_unsealed")
                if left.scalar_one() == 0:
                    done.set()
            await asyncio.sleep(0.1)

    watching = asyncio.create_task(watch())
    await work_until(tools, done)
    await watching


def test_secrets_never_reach_the_log() -> None:
    said = blotted("postgresql://fsm:hush@db/fsm and Bearer abcdefghijklmnopqrstuvwxyz")
    assert said == "postgresql://fsm:***@db/fsm and Bearer ***"


async def test_a_long_round_is_broken_off_when_the_worker_is_to_stop(
    tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def go_on_for_ever(_: Tools) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    monkeypatch.setattr(worker, "REACTIONS", {})
    monkeypatch.setattr(worker, "ROUNDS", {"long": Round(60, go_on_for_ever)})
    monkeypatch.setattr(worker, "ROUND_GRACE_S", 0.1)
    await work_until(tools, begun)
    assert ended.is_set()
