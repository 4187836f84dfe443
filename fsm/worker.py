"""The background worker: which event sets off what, and what happens on the clock. A composition root."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final
from uuid import UUID

import asyncpg
import structlog
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.core.qm import QueueManager
from pgqueuer.domain.errors import RetryRequested
from pgqueuer.domain.models import Job as QueuedJob

from fsm.actors import system_actor
from fsm.database import APPLICATION_ROLE, Database, Session, as_problem
from fsm.events import seal
from fsm.evidence.blobs import BlobStore
from fsm.evidence.daily_roots import make_daily_roots
from fsm.evidence.jobs import BLOB_FINGERPRINTED, BLOB_STORED, make_thumbnail
from fsm.evidence.receipts import ReceiptKey
from fsm.jobs import Job, decode
from fsm.maintenance.generator import generate_all
from fsm.maintenance.queries import PLAN_CHANGED
from fsm.problems import Busy, Problem
from fsm.settings import Settings
from fsm.technicians.positions import forget_positions
from fsm.tenants.directory import list_tenants
from fsm.tenants.queries import forget_old_guesses
from fsm.tenants.tables import NOBODY
from fsm.web.late_mail import tell_of_delays
from fsm.web.price_mail import mail_price
from fsm.work_orders.audit import audit_closures
from fsm.work_orders.expiry import warn_of_ends
from fsm.work_orders.photo_flags import flag_similar_photos
from fsm.work_orders.visits import WINDOW_ANNOUNCED
from mobile_api import quarantine
from mobile_api.device_chains import check_visit
from mobile_api.feed import slide_in_steps
from mobile_api.held import apply_held
from mobile_api.orphans import adopt_orphans, discard_orphans
from mobile_api.uploads import STAGING_LIFE, sweep_uploads
from reports.documents import issuing
from reports.documents.drawers import DRAWERS
from reports.facts import refresh_facts
from reports.mailing.sending import mail_reports
from scheduler.jobs import solve_plan
from scheduler.promise_ledger import learning as promises
from scheduler.promise_ledger.announced import note_window
from scheduler.queries import SOLVE
from scheduler.replaying import REPLAY, replay_plan
from scheduler.roads import relearn
from scheduler.rosters import queries as rosters
from scheduler.rosters.jobs import solve_roster

log = logging.getLogger("fsm.worker")


@dataclass(frozen=True, slots=True)
class Tools:
    """What background work may use."""

    settings: Settings
    database: Database
    store: BlobStore
    clock: Callable[[], datetime]


Reaction = Callable[[Tools, Job], Awaitable[None]]
"""One job's work; safe to run twice, since a worker may die between the work and its last word."""


def in_transaction(work: Callable[[Session, Job, Tools], Awaitable[None]]) -> Reaction:
    """Return the reaction that does its work in one transaction bound to the job's tenant."""

    async def react(tools: Tools, job: Job) -> None:
        async with tools.database.transaction(job.tenant_id) as session:
            await work(session, job, tools)

    return react


async def _compare_photos(session: Session, job: Job, tools: Tools) -> None:
    await flag_similar_photos(session, job, tools.store, tools.clock())


async def _apply_held(session: Session, job: Job, tools: Tools) -> None:
    await apply_held(session, job.tenant_id, UUID(job.data["entity_id"]), tools.clock())


async def _check_device_chains(session: Session, job: Job, tools: Tools) -> None:
    await check_visit(session, job.tenant_id, UUID(job.data["entity_id"]), tools.clock())


async def _mail_price(session: Session, job: Job, tools: Tools) -> None:
    await mail_price(session, job, tools.settings, tools.clock())


async def _generate_plan(tools: Tools, job: Job) -> None:
    plan_id = UUID(job.data["entity_id"])
    await generate_all(tools.database, job.tenant_id, tools.clock(), plan_id=plan_id)


async def _generate_asset(tools: Tools, job: Job) -> None:
    asset_id = UUID(job.data["entity_id"])
    await generate_all(tools.database, job.tenant_id, tools.clock(), asset_id=asset_id)


async def _solve(tools: Tools, job: Job) -> None:
    await solve_plan(tools.database, job, tools.clock())


async def _replay(tools: Tools, job: Job) -> None:
    await replay_plan(tools.database, job, tools.clock())


async def _solve_roster(tools: Tools, job: Job) -> None:
    await solve_roster(tools.database, job, tools.clock())


REACTIONS: Mapping[str, Reaction] = MappingProxyType(
    {
        BLOB_STORED: in_transaction(
            lambda session, job, tools: make_thumbnail(session, job, tools.store)
        ),
        # Bytes and declaration come in either order; whichever is second finds the other there.
        BLOB_FINGERPRINTED: in_transaction(_compare_photos),
        "photo.declared": in_transaction(_compare_photos),
        "visit.finished": in_transaction(_check_device_chains),
        WINDOW_ANNOUNCED: in_transaction(lambda session, job, tools: note_window(session, job)),
        "work_order.reopened": in_transaction(_apply_held),
        "work_order.scope_offered": in_transaction(_mail_price),
        PLAN_CHANGED: _generate_plan,
        # What is due by a counter is foreseen anew with each of its readings.
        "meter.read": _generate_asset,
        SOLVE: _solve,
        REPLAY: _replay,
        rosters.SOLVE: _solve_roster,
    }
)
"""event or job name → what the worker does"""


# --- on the clock -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Round:
    """Work that comes round every so many seconds, by each worker: safe to do twice, or at once."""

    every_s: float
    work: Callable[[Tools], Awaitable[None]]


def each_tenant(
    work: Callable[[Session, UUID, Tools], Awaitable[object]],
    *,
    and_nobody: bool = False,
) -> Callable[[Tools], Awaitable[None]]:
    """Return the round that does its work for every tenant, each in a transaction of its own.

    `and_nobody` takes in the rows that belong to no company.
    """

    async def go(tools: Tools) -> None:
        async with tools.database.transaction() as session:
            tenants = await list_tenants(session)
        for tenant_id in [*tenants, NOBODY] if and_nobody else tenants:
            try:
                async with tools.database.transaction(tenant_id) as session:
                    await work(session, tenant_id, tools)
            except Exception as error:  # noqa: BLE001  # one tenant's trouble is not another's
                _say_failed(error, tenant=str(tenant_id))

    return go


async def _audit_closures(tools: Tools) -> None:
    async with tools.database.transaction() as session:
        tenants = await list_tenants(session)
    for tenant_id in tenants:
        try:
            audited = await audit_closures(tools.database, tenant_id, tools.clock)
        except Exception as error:  # noqa: BLE001  # one tenant's trouble is not another's
            _say_failed(error, tenant=str(tenant_id))
            continue
        for one in audited.forgeries:
            log.error(
                "a closure does not stand",
                extra={"tenant": str(tenant_id), "job_number": one.number, "why": one.findings},
            )


async def _generate(tools: Tools) -> None:
    async with tools.database.transaction() as session:
        tenants = await list_tenants(session)
    for tenant_id in tenants:
        try:
            await generate_all(tools.database, tenant_id, tools.clock())
        except Exception as error:  # noqa: BLE001  # one tenant's trouble is not another's
            _say_failed(error, tenant=str(tenant_id))


async def _slide_windows(tools: Tools) -> None:
    """Each company in many small transactions: people are at work when it is midnight somewhere."""
    async with tools.database.transaction() as session:
        tenants = await list_tenants(session)
    for tenant_id in tenants:
        try:
            await slide_in_steps(tools.database, tenant_id, tools.clock())
        except Exception as error:  # noqa: BLE001  # one tenant's trouble is not another's
            _say_failed(error, tenant=str(tenant_id))


async def _discard_orphans(tools: Tools) -> None:
    await tools.store.sweep(tools.clock() - STAGING_LIFE)
    async with tools.database.transaction() as session:
        tenants = await list_tenants(session)
    for tenant_id in tenants:
        try:
            await discard_orphans(tools.database, tools.store, tenant_id, tools.clock())
        except Exception as error:  # noqa: BLE001  # one tenant's trouble is not another's
            _say_failed(error, tenant=str(tenant_id))


async def _adopt_orphans(tools: Tools) -> None:
    key = ReceiptKey.from_seed(tools.settings.receipt_key_seed)
    async with tools.database.transaction() as session:
        tenants = await list_tenants(session)
    for tenant_id in tenants:
        try:
            await adopt_orphans(tools.database, tools.store, key, tenant_id, tools.clock())
        except Exception as error:  # noqa: BLE001  # one tenant's trouble is not another's
            _say_failed(error, tenant=str(tenant_id))


async def _tell_of_delays(tools: Tools) -> None:
    await tell_of_delays(tools.database, tools.settings, tools.clock)


async def _mail_reports(tools: Tools) -> None:
    key = ReceiptKey.from_seed(tools.settings.receipt_key_seed)
    drawing = issuing.Tools(tools.store, DRAWERS, key, tools.settings.public_url)
    await mail_reports(tools.database, drawing, tools.settings.mail, tools.clock)


ROUNDS: Mapping[str, Round] = MappingProxyType(
    {
        "seal events": Round(
            2, each_tenant(lambda session, tenant, tools: seal(session, tenant, tools.clock()))
        ),
        "sign daily roots": Round(
            300,
            each_tenant(
                lambda session, tenant, tools: make_daily_roots(
                    session,
                    tenant,
                    ReceiptKey.from_seed(tools.settings.receipt_key_seed),
                    tools.clock(),
                )
            ),
        ),
        "sweep uploads": Round(
            3_600,
            each_tenant(
                lambda session, tenant, tools: sweep_uploads(
                    session, Job(tenant, {}), tools.store, tools.clock()
                )
            ),
        ),
        "forget old guesses": Round(
            3_600,
            each_tenant(
                lambda session, tenant, tools: forget_old_guesses(session, tenant, tools.clock()),
                and_nobody=True,
            ),
        ),
        "audit closures": Round(86_400, _audit_closures),
        "adopt orphaned bytes": Round(60, _adopt_orphans),
        "discard orphaned bytes": Round(86_400, _discard_orphans),
        "go on with waiting intents": Round(
            60,
            each_tenant(
                lambda session, tenant, tools: quarantine.go_on(session, tenant, tools.clock())
            ),
        ),
        "forget quarantined intents": Round(
            86_400,
            each_tenant(
                lambda session, tenant, tools: quarantine.forget(
                    session, system_actor(tenant, "retention"), tools.clock()
                )
            ),
        ),
        "mail reports": Round(300, _mail_reports),
        "tell customers of delays": Round(60, _tell_of_delays),
        "slide sync windows": Round(3_600, _slide_windows),
        "generate preventive work": Round(3_600, _generate),
        "warn of contracts that end": Round(
            3_600,
            each_tenant(
                lambda session, tenant, tools: warn_of_ends(session, tenant, tools.clock())
            ),
        ),
        "forget positions": Round(
            3_600,
            each_tenant(
                lambda session, tenant, tools: forget_positions(session, tenant, tools.clock())
            ),
        ),
        "keep facts for figures": Round(
            600,
            each_tenant(
                lambda session, tenant, tools: refresh_facts(session, tenant, tools.clock())
            ),
        ),
        "learn travel times": Round(
            86_400,
            each_tenant(lambda session, tenant, tools: relearn(session, tenant, tools.clock())),
        ),
        "learn how far plans are off": Round(
            86_400,
            each_tenant(
                lambda session, tenant, tools: promises.relearn(session, tenant, tools.clock())
            ),
        ),
        "judge promises": Round(
            600,
            each_tenant(
                lambda session, tenant, tools: promises.judge_promises(
                    session, tenant, tools.clock()
                )
            ),
        ),
    }
)
"""name → what is done how often"""


# --- running ----------------------------------------------------------------------------------------------

POLL_S: Final = 1.0
"""How often an idle worker looks for jobs: nothing notifies it, so that no commit waits for NOTIFY."""

ROUND_GRACE_S = 5.0
"""How long a round that is under way may go on when the worker is to stop."""

MOST_ATTEMPTS: Final = 8
_LONGEST_WAIT_S: Final = 300


async def run_worker(tools: Tools, stop: asyncio.Event) -> None:
    """Do jobs and rounds until `stop` is set.

    Jobs that have begun are finished first. A round is broken off after `ROUND_GRACE_S`: it is safe to do
    again, and judging a year's closures must not hold up the end of the program.
    """
    rounds = [
        asyncio.create_task(_go_round(name, one, tools, stop)) for name, one in ROUNDS.items()
    ]
    wait_s = 1.0
    try:
        while not stop.is_set():
            try:
                await _do_jobs(tools, stop)
                wait_s = 1.0
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("the job queue cannot be reached, trying again", extra=_about(error))
                await _sleep(wait_s, stop)
                wait_s = min(wait_s * 2, 30.0)
    finally:
        stop.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(ROUND_GRACE_S):
                await asyncio.gather(*rounds)


async def _do_jobs(tools: Tools, stop: asyncio.Event) -> None:
    """Take jobs from the queue over one connection until `stop` is set or the connection is lost."""
    connection = await asyncpg.connect(
        tools.settings.database_url,
        timeout=10,
        server_settings={"role": APPLICATION_ROLE, "timezone": "UTC"},
    )
    manager = QueueManager(Queries(AsyncpgDriver(connection)))
    connection.add_termination_listener(lambda _: manager.shutdown.set())
    for name, reaction in REACTIONS.items():
        manager.entrypoint(name, on_failure="hold")(_handler(name, reaction, tools))

    async def pass_on() -> None:
        await stop.wait()
        manager.shutdown.set()

    stopping = asyncio.create_task(pass_on())
    try:
        await manager.run(dequeue_timeout=timedelta(seconds=POLL_S), batch_size=10)
    finally:
        stopping.cancel()
        with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
            await connection.close(timeout=5)
    if not stop.is_set():
        raise ConnectionError("the connection of the job queue was closed")


def _handler(name: str, reaction: Reaction, tools: Tools) -> Callable[[QueuedJob], Awaitable[None]]:
    """Return what the queue calls: the reaction, tried again later while the database is busy.

    A job that fails is logged with its number and stays in the queue, marked as failed, for a person.
    """

    async def handle(queued: QueuedJob) -> None:
        about = {"job": int(queued.id), "name_of_job": name, "attempt": queued.attempts + 1}
        try:
            job = decode(queued.payload)
            await reaction(tools, job)
        except Exception as error:
            problem = _problem_of(error)
            if isinstance(problem, Busy) and queued.attempts + 1 < MOST_ATTEMPTS:
                delay = min(2**queued.attempts, _LONGEST_WAIT_S)
                log.info("job postponed, the database is busy", extra={**about, "delay_s": delay})
                raise RetryRequested(timedelta(seconds=delay), problem.detail) from error
            log.error("job failed and is kept", extra=about, exc_info=error)
            raise
        log.debug("job done", extra=about)

    return handle


async def _go_round(name: str, one: Round, tools: Tools, stop: asyncio.Event) -> None:
    while not stop.is_set():
        with structlog.contextvars.bound_contextvars(round=name):
            try:
                await one.work(tools)
            except Exception as error:  # noqa: BLE001  # the next time may go better
                _say_failed(error)
        await _sleep(one.every_s, stop)


def _say_failed(error: Exception, **about: str) -> None:
    if isinstance(_problem_of(error), Busy):
        log.info("round postponed", extra={**about, **_about(error)})
    else:
        log.error("round failed", extra=about, exc_info=error)


async def _sleep(seconds: float, stop: asyncio.Event) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


def _problem_of(error: BaseException) -> Problem | None:
    if isinstance(error, ConnectionError | TimeoutError):
        return Busy("The database cannot be reached just now.")
    return as_problem(error)


def _about(error: BaseException) -> dict[str, str]:
    return {"error": f"{type(error).__name__}: {error}"}
