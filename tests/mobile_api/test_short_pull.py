"""A pull is answered the same ahead of the framework and by the route, alone and together with others."""

import asyncio
from dataclasses import replace
from typing import Any

import httpx
import pytest
from litestar import Litestar

from fsm.database import Database, run
from fsm.settings import Settings
from mobile_api import pull
from tests.applications import application
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import dispatched_job, new_job
from tests.mobile_api.phones import Phone

BY_ROUTE = {"by": "route"}
"""A word that nobody knows: the route passes over it, and only the route."""


async def answer(phone: Phone, **params: Any) -> httpx.Response:
    return await phone.client.get("/sync/v1/pull", params=params, headers=phone.headers)


def said(answer: httpx.Response) -> tuple[int, list[tuple[str, str]], bytes]:
    return answer.status_code, sorted(answer.headers.multi_items()), answer.content


@pytest.fixture
def framework(app: Litestar, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What reached the framework: the query of each request."""
    reached: list[str] = []
    handler = app.asgi_handler

    async def noting(scope: Any, receive: Any, send: Any) -> None:
        reached.append(scope["query_string"].decode())
        await handler(scope, receive, send)

    monkeypatch.setattr(app, "asgi_handler", noting)
    return reached


async def test_the_framework_sees_a_phones_first_pull_and_what_is_not_plainly_in_order(
    phone: Phone, framework: list[str]
) -> None:
    await phone.pull()
    assert framework == [""]
    framework.clear()
    for _ in range(3):
        await phone.pull()
    await answer(phone)
    await answer(phone, since=phone.since, limit=10, outbox_empty_at=3)
    assert framework == []
    odd: list[dict[str, Any]] = [
        {"limit": 0},
        {"limit": 1_001},
        {"limit": "ten"},
        {"since": "junk"},
        {"since": ""},
        {"outbox_empty_at": -1},
        {"outbox_empty_at": 2**53 + 1},
        {"limit": 5, "since": phone.since},
        {"mood": "good"},
    ]
    for params in odd:
        await answer(phone, **params)
    assert len(framework) == len(odd)
    twice = [("Authorization", phone.headers["Authorization"])] * 2
    for method, path, headers in (
        ("GET", "/sync/v1/pull", {}),
        ("GET", "/sync/v1/pull", {"Authorization": "Bearer fsmd_unknown"}),
        ("GET", "/sync/v1/pull", twice),
        ("GET", "/sync/v1/pull/", phone.headers),
        ("POST", "/sync/v1/pull", phone.headers),
    ):
        await phone.client.request(method, path, headers=headers)
    assert len(framework) == len(odd) + 5


async def test_pages_are_the_same_byte_for_byte_on_both_ways(
    phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    await phone.pull()
    before = phone.since
    await dispatched_job(database, company, clock)
    await phone.pull()
    for params in (
        {},
        {"limit": 3},
        {"since": before},
        {"since": before, "limit": 2},
        {"since": phone.since},
        {"since": phone.since, "outbox_empty_at": 0},
    ):
        for encoding in ("zstd", "gzip", "identity"):
            phone.headers["Accept-Encoding"] = encoding
            short = await answer(phone, **params)
            assert short.status_code == 200
            assert said(short) == said(await answer(phone, **params, **BY_ROUTE))


@pytest.mark.parametrize(
    "statement",
    [
        "update device set revoked_at = now()",
        "update role set permissions = '[]'",
        "update technician set user_id = null",
        "update device set token_hash = sha256('another')",
        "update sync_head set epoch = gen_random_uuid()",
        "update sync_head set purged = head + 1",
    ],
)
async def test_refusals_are_the_same_on_both_ways(
    phone: Phone, database: Database, company: Company, clock: Clock, statement: str
) -> None:
    await dispatched_job(database, company, clock)
    await phone.pull()
    async with database.transaction(company.id) as session:
        await run(session, statement)
    refused = await answer(phone, since=phone.since)
    assert refused.status_code >= 400
    assert refused.headers["content-type"] == "application/problem+json"
    assert said(refused) == said(await answer(phone, since=phone.since, **BY_ROUTE))


async def test_a_token_of_another_device_is_refused_the_same_on_both_ways(
    phone: Phone, colleague: Phone
) -> None:
    await phone.pull()
    await colleague.pull()
    refused = await answer(phone, since=colleague.since)
    assert refused.json()["code"] == "bad-feed-token"
    assert said(refused) == said(await answer(phone, since=colleague.since, **BY_ROUTE))


async def test_both_ways_count_the_same_requests(
    phone: Phone, database: Database, settings: Settings, clock: Clock
) -> None:
    """Every second one goes the other way, and neither has an allowance of its own."""
    await phone.pull()
    app = application(replace(settings, device_requests=4), database=database, clock=clock)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://fsm.test") as client:
        phone.client = client
        statuses = [
            (await answer(phone, **(BY_ROUTE if n % 2 else {}))).status_code for n in range(4)
        ]
        assert statuses == [200] * 4
        refused = await answer(phone)
        assert (refused.status_code, refused.json()["code"]) == (429, "rate-limited")
        assert int(refused.headers["Retry-After"]) >= 1


async def test_a_bug_is_answered_with_a_reference_and_nothing_else(
    phone: Phone, monkeypatch: pytest.MonkeyPatch, framework: list[str]
) -> None:
    await phone.pull()
    framework.clear()

    async def broken(*_: Any, **__: Any) -> None:
        raise KeyError("a secret")

    monkeypatch.setattr(pull, "answer", broken)
    failed = await answer(phone)
    assert (failed.status_code, failed.json()["code"]) == (500, "internal-error")
    assert "a secret" not in failed.text
    assert framework == []


async def test_phones_that_pull_at_once_get_each_its_own(
    phone: Phone, colleague: Phone, database: Database, company: Company, clock: Clock
) -> None:
    for one in (phone, colleague):
        await one.pull()
    job = await dispatched_job(database, company, clock)
    await new_job(database, company, clock)
    await asyncio.gather(*(one.pull() for one in (phone, colleague)))
    async with database.transaction(company.id) as session:
        await run(
            session,
            "update device set revoked_at = now() where id = cast(:id as uuid)",
            id=colleague.device_id,
        )
    pages = await asyncio.gather(
        *(answer(one, since=one.since) for one in (phone, colleague, phone, colleague))
    )
    assert list(phone.of("work_orders")) == [str(job.id)]
    assert colleague.of("work_orders") == {}
    assert [page.status_code for page in pages] == [200, 403, 200, 403]
    assert pages[0].json()["scopes"][1] == f"tech:{company.technician.id}"


async def test_a_phone_far_behind_gets_a_whole_page_and_not_what_is_read_for_many(
    phone: Phone,
    database: Database,
    company: Company,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await phone.pull()
    monkeypatch.setattr(pull, "FEW_CHANGES", 3)
    await dispatched_job(database, company, clock)
    page = await phone.page()
    assert len(page["changes"]) > 3
    assert page["complete"]
