"""A device that asks without end is told when to come again; one that works hard is not."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID

import httpx
import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute

from fsm.database import Database
from fsm.problems import RateLimited
from fsm.settings import Settings, read_settings
from mobile_api.limits import Allowance
from tests.applications import application
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import dispatched_job
from tests.mobile_api.phones import Phone, new_phone


def test_an_allowance_comes_back_with_time_and_is_each_ones_own() -> None:
    now = 0.0
    allowance = Allowance(60, clock=lambda: now)
    for _ in range(60):
        allowance.take("one")
    with pytest.raises(RateLimited) as refused:
        allowance.take("one")
    assert refused.value.headers == {"Retry-After": "1"}
    allowance.take("other")
    now = 2.0
    allowance.take("one")
    allowance.take("one")
    with pytest.raises(RateLimited):
        allowance.take("one")


def test_no_allowance_means_no_limit() -> None:
    allowance = Allowance(0)
    for _ in range(10_000):
        allowance.take("one")


async def limited(
    database: Database, settings: Settings, clock: Clock, **limits: int
) -> httpx.AsyncClient:
    app = application(replace(settings, **limits), database=database, clock=clock)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://fsm.test")


def doors(client: httpx.AsyncClient) -> list[tuple[str, str]]:
    """Return every route that a device is served at, but those that count the address or are its own."""
    assert isinstance(client._transport, httpx.ASGITransport)
    app = client._transport.app
    assert isinstance(app, Litestar)
    found = [
        (method, re.sub(r"\{[^}]*\}", lambda found: VALUES[found[0]], route.path))
        for route in app.routes
        if isinstance(route, HTTPRoute)
        and route.path.startswith(("/sync/", "/compat/", "/files", "/blobs/"))
        for method in sorted(route.methods - {"OPTIONS"})
    ]
    assert {path.split("/")[1] for _, path in found} == {"sync", "compat", "files", "blobs"}
    return found


VALUES = {
    "{upload_id:uuid}": str(UUID(int=1)),
    "{intent_id:uuid}": str(UUID(int=1)),
    "{sha256:str}": "0" * 64,
    "{collection:str}": "state",
}


async def test_every_door_of_a_device_says_when_to_come_again(
    database: Database, settings: Settings, company: Company, clock: Clock
) -> None:
    async with await limited(database, settings, clock, device_requests=3) as client:
        phone = await new_phone(client, company, clock)
        tablet = await new_phone(client, company, clock, "tablet")
        for _ in range(3):
            assert (await phone.send()).status_code == 200
        for method, path in doors(client):
            refused = await client.request(method, path, headers=phone.headers, json={"have": {}})
            # Nobody reads a problem of HEAD.
            code = None if method == "HEAD" else refused.json()["code"]
            assert (refused.status_code, code) in ((429, "rate-limited"), (429, None)), path
            assert int(refused.headers["Retry-After"]) >= 1
        await tablet.pull()


async def test_every_door_of_a_device_refuses_a_body_without_end(
    phone: Phone, client: httpx.AsyncClient
) -> None:
    """Files are bounded by `Tus-Max-Size` and the length that each has named (see `test_tus_core`)."""
    chunk = b" " * 100_000

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            sent.append(chunk)
            yield chunk

    takers = {"POST", "PUT", "PATCH"}
    paths = [path for method, path in doors(client) if method in takers and "/files" not in path]
    assert len(paths) >= 7
    headers = {**phone.headers, "Content-Type": "application/json"}
    for path in paths:
        sent: list[bytes] = []
        refused = await client.post(path, content=endless(), headers=headers)
        assert (refused.status_code, refused.json()["status"]) == (413, 413), path
        assert len(sent) < 25, path


async def test_an_address_and_its_registrations_have_limits_of_their_own(
    database: Database, settings: Settings, company: Company, clock: Clock
) -> None:
    async with await limited(database, settings, clock, device_registrations=2) as client:
        for name in ("one", "two"):
            await new_phone(client, company, clock, name)
        body = {"install_id": "three", "schema": 5}
        refused = await client.post(
            "/sync/v1/devices", json=body, headers=company.headers["technician"]
        )
        assert (refused.status_code, refused.json()["code"]) == (429, "rate-limited")
    async with await limited(database, settings, clock, address_requests=2) as client:
        for status in (401, 401, 429):
            answer = await client.post("/sync/v1/push", json={})
            assert answer.status_code == status


async def test_a_cold_start_and_a_week_of_full_pushes_pass_at_once(
    phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    for _ in range(3):
        notes = [phone.intent("note.add", visit_id=str(job.visit_id), text="x") for _ in range(200)]
        outcomes = await phone.push(*notes)
        assert {one["status"] for one in outcomes} == {"applied"}
    await phone.pull(limit=10)
    assert len(phone.pages) > 2


def test_limits_are_settings() -> None:
    env = {
        "FSM_DATABASE_URL": "postgresql://x/y",
        "FSM_SECRET": "x" * 32,
        "FSM_DEVICE_REQUESTS": "0",
    }
    settings = read_settings(env)
    assert (settings.device_requests, settings.address_requests) == (0, 60_000)


async def test_a_database_that_cannot_be_reached_is_busy_and_nothing_is_acknowledged(
    phone: Phone, settings: Settings, company: Company, clock: Clock
) -> None:
    gone = replace(settings, database_url="postgresql://nobody@127.0.0.1:1/none")
    unreachable = Database(gone)
    app = application(gone, database=unreachable, clock=clock)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://fsm.test") as client:
        for method, path in (("POST", "push"), ("GET", "pull"), ("GET", "stream")):
            answer = await client.request(
                method,
                f"/sync/v1/{path}",
                headers=phone.headers,
                json={"device_id": phone.device_id, "intents": []},
            )
            assert (answer.status_code, answer.json()["code"]) == (503, "busy"), path
            assert answer.headers["Retry-After"] == "1"
