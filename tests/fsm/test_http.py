"""The edge: one request, one transaction; what a broken constraint, a deadlock or a lost database answers."""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from litestar import Litestar, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromQuery
from sqlalchemy import QueuePool
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from fsm import http
from fsm.app import create_app
from fsm.customers.tables import Customer
from fsm.database import Database, Session, as_problem, run
from fsm.http import CurrentActor, DbSession, Now, ReadOnly, signed_in
from fsm.problems import Busy, Conflict, InUse, Invalid, Problem
from fsm.settings import Settings
from tests.applications import application
from tests.company import Company
from tests.conftest import Clock

RENAME = "update customer set notes = :notes where tenant_id = :tenant and id = :id"


async def count(database: Database, company: Company, table: str) -> int:
    async with database.transaction(company.id) as session:
        return int((await run(session, f"select count(*) from {table}")).scalar_one())


# --- one request, one transaction -------------------------------------------------------------------------


@post("/refused-late", opt=signed_in())
async def refused_late(session: DbSession, actor: CurrentActor, now: Now) -> None:
    """Write, and only then find that it cannot be done."""
    session.add(Customer(tenant_id=actor.tenant_id, number="LATE", name="Too late", created_at=now))
    await session.flush()
    raise Conflict("Not like this.")


@post("/broken-late", opt=signed_in())
async def broken_late(session: DbSession, actor: CurrentActor, now: Now) -> None:
    session.add(Customer(tenant_id=actor.tenant_id, number="LATE", name="Too late", created_at=now))
    await session.flush()
    raise ZeroDivisionError("a secret of ours")


def app_with(settings: Settings, database: Database, clock: Clock, *handlers: Any) -> Litestar:
    """Return the program with a few routes more, each under /api/test."""
    app = create_app(settings, database=database, clock=clock)
    for handler in handlers:
        app.register(handler)
    return app


def client_of(app: Litestar) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://fsm.test")


async def test_a_refusal_after_a_write_leaves_nothing(
    settings: Settings, database: Database, clock: Clock, company: Company
) -> None:
    before = await count(database, company, "customer")
    async with client_of(app_with(settings, database, clock, refused_late)) as client:
        answer = await client.post("/refused-late", headers=company.headers["manager"])
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert await count(database, company, "customer") == before


async def refuse(session: DbSession) -> None:
    await run(session, "select 1")
    raise Invalid("Not asked like this.")


@get("/refused-beside", opt=signed_in(), dependencies={"refused": Provide(refuse)})
async def refused_beside(refused: NamedDependency[None]) -> None: ...


async def test_a_refusal_beside_an_open_transaction_leaves_no_connection_behind(
    settings: Settings, database: Database, clock: Clock, company: Company
) -> None:
    async with client_of(app_with(settings, database, clock, refused_beside)) as client:
        answer = await client.get("/refused-beside", headers=company.headers["manager"])
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-value")
    assert isinstance(database.engine.pool, QueuePool)
    assert database.engine.pool.checkedout() == 0


async def test_our_own_bug_looks_like_one_and_tells_nothing_but_a_reference(
    settings: Settings,
    database: Database,
    clock: Clock,
    company: Company,
    caplog: pytest.LogCaptureFixture,
) -> None:
    before = await count(database, company, "customer")
    with caplog.at_level(logging.ERROR, "fsm.http"):
        async with client_of(app_with(settings, database, clock, broken_late)) as client:
            answer = await client.post("/broken-late", headers=company.headers["manager"])
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (500, "internal-error")
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text
    assert "ZeroDivision" not in answer.text
    assert any(problem["reference"] in record.getMessage() for record in caplog.records)
    assert any(record.exc_info for record in caplog.records), "the log has the traceback"
    assert await count(database, company, "customer") == before


async def test_a_failing_hook_undoes_the_whole_request(
    settings: Settings, clock: Clock, company: Company
) -> None:
    """Hooks run last, inside the transaction, before the answer is sent."""
    seen: list[bool] = []

    async def fail(session: Session) -> None:
        rows = await run(session, "select count(*) from customer where number = 'HOOK'")
        seen.append(rows.scalar_one() == 1)
        raise RuntimeError("the feed cannot be written")

    database = Database(settings, before_commit=[fail])
    try:
        async with client_of(application(settings, database=database, clock=clock)) as client:
            answer = await client.post(
                "/api/customers",
                headers=company.headers["administrator"],
                json={"number": "HOOK", "name": "x"},
            )
        assert (answer.status_code, answer.json()["code"]) == (500, "internal-error")
        assert seen == [True], "the hook sees what the request wrote"
        async with database.engine.connect() as connection:
            await connection.exec_driver_sql(f"set local app.tenant = '{company.id}'")
            rows = await connection.exec_driver_sql("select 1 from customer where number = 'HOOK'")
            assert rows.all() == []
    finally:
        await database.close()


async def test_what_was_answered_with_201_is_committed(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    before = await count(database, company, "customer")
    answer = await client.post(
        "/api/customers",
        headers=company.headers["administrator"],
        json={"number": "KEPT", "name": "x"},
    )
    assert answer.status_code == 201
    assert await count(database, company, "customer") == before + 1


# --- what the database says -------------------------------------------------------------------------------


async def broken(session: Session, sql: str, **values: Any) -> Problem:
    """Return the problem that a statement's error stands for."""
    with pytest.raises(Exception) as caught:
        await run(session, sql, **values)
    problem = http.problem_of(caught.value)
    assert not isinstance(problem, http.problems.InternalError), caught.value
    return problem


@pytest.mark.parametrize(
    ("sql", "kind", "sentence"),
    [
        (
            "insert into customer select (jsonb_populate_record(c, "
            "jsonb_build_object('id', gen_random_uuid()))).* from customer c",
            Conflict,
            "number",
        ),
        ("delete from customer", InUse, "refer"),
        ("update site set customer_id = gen_random_uuid()", Invalid, "customer"),
        ("update customer set name = null", Invalid, "'name' is needed"),
        ("update site set latitude = 1e30", Invalid, "fit together"),
        ("select 1 / 0", Invalid, "cannot be stored"),
        ("select 'x'::uuid", Invalid, "cannot be stored"),
        ("select 99999999999999999999::bigint", Invalid, "too large"),
    ],
)
async def test_a_broken_constraint_is_a_sentence(
    database: Database, company: Company, sql: str, kind: type[Problem], sentence: str
) -> None:
    async with database.transaction(company.id) as session:
        problem = await broken(session, sql)
        await session.rollback()
    assert type(problem) is kind, problem.detail
    assert sentence in problem.detail


async def test_a_deadlock_is_busy_and_may_be_tried_again(
    settings: Settings, database: Database, clock: Clock, company: Company
) -> None:
    """Two requests take two rows in opposite order; PostgreSQL ends one of them."""
    ids = [company.customer.id]
    async with database.transaction(company.id) as session:
        other = Customer(tenant_id=company.id, number="C-2", name="Other", created_at=clock())
        session.add(other)
        ids.append(other.id)
    gate = asyncio.Barrier(2)

    @post("/cross", opt=signed_in())
    async def cross(session: DbSession, actor: CurrentActor, first: FromQuery[int]) -> None:
        for which in (first, 1 - first):
            await run(session, RENAME, notes=str(first), tenant=actor.tenant_id, id=ids[which])
            if which == first:
                await gate.wait()

    async with client_of(app_with(settings, database, clock, cross)) as client:
        answers = await asyncio.gather(
            *(
                client.post("/cross", params={"first": first}, headers=company.headers["manager"])
                for first in (0, 1)
            )
        )
    done, busy = sorted(answers, key=lambda answer: answer.status_code)
    assert (done.status_code, busy.status_code) == (201, 503)
    assert busy.json()["code"] == "busy"
    assert busy.headers["retry-after"] == "1"
    winner = answers.index(done)
    async with database.transaction(company.id) as session:
        rows = await run(session, "select notes from customer where id = any(:ids)", ids=ids)
        assert [row.notes for row in rows] == [str(winner)] * 2, "the other wrote nothing"


@get("/lost-in-session", opt=signed_in())
async def lost_in_session(session: DbSession) -> None:
    """Be a request whose connection ends in the middle, as when the database restarts."""
    await run(session, "select pg_terminate_backend(pg_backend_pid())")


@get("/lost-in-reader", opt=signed_in())
async def lost_in_reader(reader: ReadOnly) -> None:
    await reader.row("select pg_terminate_backend(pg_backend_pid())")


@pytest.mark.parametrize("path", ["/lost-in-session", "/lost-in-reader"])
async def test_a_lost_connection_is_busy_and_the_next_request_has_a_new_one(
    settings: Settings, database: Database, clock: Clock, company: Company, path: str
) -> None:
    app = app_with(settings, database, clock, lost_in_session, lost_in_reader)
    async with client_of(app) as client:
        answer = await client.get(path, headers=company.headers["manager"])
        assert (answer.status_code, answer.json()["code"]) == (503, "busy")
        assert answer.headers["retry-after"] == "1"
        for again in ("/api/customers", f"/api/work-orders?limit={settings.pool_size}"):
            answer = await client.get(again, headers=company.headers["administrator"])
            assert answer.status_code == 200, answer.text


async def test_a_database_that_is_not_there_is_busy(
    settings: Settings, clock: Clock, company: Company
) -> None:
    nowhere = replace(settings, database_url="postgresql://fsm_app:x@127.0.0.1:1/none")
    database = Database(nowhere)
    try:
        async with client_of(application(nowhere, database=database, clock=clock)) as client:
            for path in ("/health", "/api/customers", "/api/work-orders"):
                answer = await client.get(path, headers=company.headers["administrator"])
                assert (answer.status_code, answer.json()["code"]) == (503, "busy"), path
    finally:
        await database.close()


def test_more_requests_than_connections_are_busy_and_no_bug() -> None:
    assert isinstance(as_problem(PoolTimeoutError("QueuePool limit")), Busy)
    assert isinstance(as_problem(asyncpg.InterfaceError("connection is closed")), Busy)
    assert isinstance(as_problem(asyncpg.InternalClientError("cannot switch to state 12")), Busy)
    assert as_problem(asyncpg.InterfaceError("the server expects 2 arguments")) is None


def test_an_error_of_the_file_system_is_not_the_databases() -> None:
    assert as_problem(FileNotFoundError("a template")) is None
    assert as_problem(ZeroDivisionError()) is None


# --- every answer -----------------------------------------------------------------------------------------

SECURITY = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cache-control": "no-store",
}


@pytest.mark.parametrize(
    "path", ["/health", "/api/me", "/api/customers", "/api/nothing", "/api/openapi/openapi.json"]
)
async def test_answers_are_neither_guessed_at_nor_framed_nor_kept(
    client: httpx.AsyncClient, company: Company, path: str
) -> None:
    for headers in ({}, company.headers["administrator"]):
        answer = await client.get(path, headers=headers)
        assert {name: answer.headers.get(name) for name in SECURITY} == SECURITY


async def test_a_refusal_before_the_body_is_read_costs_nothing(
    client: httpx.AsyncClient, company: Company
) -> None:
    """Whoever may not write is told so without their two megabytes being taken in."""
    taken = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal taken
        for _ in range(100):
            taken += 1
            yield b" " * 20_000

    answer = await client.post(
        "/api/customers", headers=company.headers["technician"], content=body()
    )
    assert answer.status_code == 403
    assert taken <= 1


async def test_a_body_without_a_length_is_cut_at_the_limit(
    settings: Settings, client: httpx.AsyncClient, company: Company
) -> None:
    taken = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 100_000
            yield b" " * 100_000

    answer = await client.post(
        "/api/customers", headers=company.headers["administrator"], content=body()
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "too-large")
    assert taken <= settings.max_request_bytes + 300_000


async def test_a_method_that_is_not_taken_names_those_that_are(
    client: httpx.AsyncClient, company: Company
) -> None:
    answer = await client.put("/api/customers", headers=company.headers["administrator"])
    assert (answer.status_code, answer.json()["code"]) == (405, "method-not-allowed")
    assert {"GET", "POST"} <= {one.strip() for one in answer.headers["allow"].split(",")}


@pytest.mark.parametrize(
    ("wished", "language", "title", "detail"),
    [
        ("ru-KZ, en;q=0.3", "ru", "Не найдено", "Наряда {id} нет."),
        ("de", "de", "Nicht gefunden", "Es gibt keinen Auftrag {id}."),
        ("fr", None, "Not found", "No work order {id}."),
        (None, None, "Not found", "No work order {id}."),
    ],
)
async def test_a_refusal_is_said_in_the_language_asked_for(
    client: httpx.AsyncClient,
    company: Company,
    wished: str | None,
    language: str | None,
    title: str,
    detail: str,
) -> None:
    headers = company.headers["dispatcher"] | ({"Accept-Language": wished} if wished else {})
    nobodys = uuid4()
    answer = await client.get(f"/api/work-orders/{nobodys}", headers=headers)
    assert answer.status_code == 404
    assert answer.headers.get("content-language") == language
    assert answer.json() == {
        "type": "/problems/not-found",
        "code": "not-found",
        "status": 404,
        "title": title,
        "detail": detail.format(id=nobodys),
    }
