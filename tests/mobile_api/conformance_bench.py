"""A server on a loopback port for the conformance kit, with an office that does what the kit asks."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import httpx
import uvicorn
from litestar import Litestar

from fsm.database import Database
from fsm.settings import Settings
from fsm.technicians.tables import Technician
from mobile_api import sequencer
from mobile_api.conformance import kit
from mobile_api.conformance.device import Bench
from mobile_api.conformance.referee import Referee
from mobile_api.conformance.requirement import CannotTry, Result
from tests.applications import application
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import Job, dispatched_job
from tests.mobile_api.other_clients import Field
from tests.patience import PATIENCE_S


@asynccontextmanager
async def listening(serve: Callable[[str], Any]) -> AsyncIterator[str]:
    """Serve what `serve` makes for an address on a loopback port; yield the address."""
    with socket.create_server(("127.0.0.1", 0)) as port:
        url = f"http://127.0.0.1:{port.getsockname()[1]}"
        config = uvicorn.Config(
            serve(url),
            http="httptools",
            lifespan="off",
            log_config=None,
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        running = asyncio.create_task(server.serve(sockets=[port]))
        yield url
        server.should_exit = True
        await asyncio.wait_for(running, PATIENCE_S)


@dataclass
class Served:
    """The product on a loopback port, with a dispatched job."""

    url: str
    app: Litestar
    """Past the line, and past what wraps it."""
    database: Database
    company: Company
    clock: Clock
    job: Job

    def bench(self, client: httpx.AsyncClient, **options: Any) -> Bench:
        bearer = self.company.headers["technician"]["Authorization"]
        return Bench(client, bearer.removeprefix("Bearer "), **options)

    def whole_bench(self, client: httpx.AsyncClient) -> Bench:
        """Return a bench whose owner may do everything."""
        return self.bench(client, change=self.retitle, may_finish=True, office=self.office)

    async def office(self, act: str, about: str = "") -> None:
        """Do what the kit asks of an office."""
        acts = {
            "dispatch": partial(dispatched_job, self.database, self.company, self.clock),
            "withdraw": partial(
                self._ask, "POST", f"/api/visits/{about}/withdrawal", reason="not needed"
            ),
            "reassign": partial(self._reassign, about),
            "revoke": partial(
                self._ask, "POST", f"/api/devices/{about}/revocation", reason="stolen"
            ),
            "restore": self._begin_anew,
        }
        await acts[act]()

    async def _ask(self, method: str, path: str, **body: Any) -> Any:
        there = httpx.ASGITransport(app=self.app)
        headers = self.company.headers["administrator"]
        async with httpx.AsyncClient(transport=there, base_url=self.url, headers=headers) as office:
            answer = await office.request(method, path, json=body or None)
        if answer.status_code == 404:
            raise CannotTry(f"the office knows nothing of {path}")
        assert answer.status_code < 300, answer.text
        return answer.json()

    async def _reassign(self, visit_id: str) -> None:
        async with self.database.transaction(self.company.id) as session:
            other = Technician(tenant_id=self.company.id, number="T-2", name="Clara", zone="UTC")
            session.add(other)
        rev = (await self._ask("GET", f"/api/visits/{visit_id}"))["rev"]
        await self._ask("PATCH", f"/api/visits/{visit_id}", rev=rev, technician_id=str(other.id))

    async def _begin_anew(self) -> None:
        """Do what a restore does to the feed."""
        async with self.database.transaction(self.company.id) as session:
            head = await sequencer.read_head(session, self.company.id)
            await sequencer.begin_epoch(session, self.company.id, instead_of=head.epoch)

    async def retitle(self) -> None:
        """Change something that the technician sees, as the office does."""
        path = f"/api/sites/{self.company.site.id}"
        rev = (await self._ask("GET", path))["rev"]
        await self._ask("PATCH", path, rev=rev, access_notes=f"Ring twice ({rev})")


@asynccontextmanager
async def being_served(
    settings: Settings, database: Database, company: Company, clock: Clock, wrap: Any = None
) -> AsyncIterator[Served]:
    """Serve the product, inside another application if `wrap` makes one, with a dispatched job."""

    apps: list[Litestar] = []

    def serve(url: str) -> Any:
        apps.append(application(replace(settings, public_url=url), database=database))
        return wrap(apps[0]) if wrap else apps[0]

    job = await dispatched_job(database, company, clock)
    async with listening(serve) as url:
        yield Served(url, apps[0], database, company, clock, job)


async def results(bench: Bench, only: str = "") -> dict[str, Result]:
    return {one.key: one async for one in kit.conform(bench, only)}


@asynccontextmanager
async def judged(there: Field, *found: str, faults: bool = False) -> AsyncIterator[Referee]:
    """Lead the line through a referee, which must find that what goes over it breaks these rules alone."""
    server = there.http.base_url
    async with httpx.AsyncClient(base_url=server, timeout=PATIENCE_S) as client:
        referee = Referee(client, faults=faults)
        async with listening(lambda _: referee) as url:
            port = httpx.URL(url).port
            assert port is not None
            there.line.leads_to(port)
            yield referee
            assert server.port is not None
            there.line.leads_to(server.port)
        assert {one.rule for one in referee.ledger.close()} == {*found}, referee.ledger.breaches
        assert referee.ledger.intents > 0
