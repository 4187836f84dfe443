"""Parts that jobs need: reserved once whoever wants them, and a wait that pauses the clocks it should."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
from sqlmodel import select

from fsm.database import Database
from fsm.work_orders import field_work
from fsm.work_orders.tables import Clock as PromiseClock
from fsm.work_orders.tables import Pause
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import Job, dispatched_job, plan_and_dispatch

REQUESTS = "/api/part-requests"


async def send(client: httpx.AsyncClient, company: Company, path: str, **body: Any) -> Any:
    answer = await client.post(path, json=body, headers=company.headers["dispatcher"])
    assert answer.status_code < 300, answer.text
    return answer.json()


async def receive(client: httpx.AsyncClient, company: Company, quantity: int) -> None:
    await send(
        client,
        company,
        "/api/movements",
        part_id=str(company.part.id),
        kind="receipt",
        to_place_id=str(company.warehouse.id),
        quantity=quantity,
    )


async def wanted(client: httpx.AsyncClient, job: Job, quantity: int = 1) -> str:
    made = await send(
        client,
        job.company,
        REQUESTS,
        work_order_id=str(job.id),
        part_id=str(job.company.part.id),
        quantity=quantity,
    )
    return str(made["id"])


async def test_the_last_parts_are_reserved_once_however_many_want_them_at_the_same_time(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    """Seven are there and ten requests want two each at once: three get theirs, one is left."""
    job = await dispatched_job(database, company, clock)
    await receive(client, company, 7)
    ids = [await wanted(client, job, 2) for _ in range(10)]
    place = {"place_id": str(company.warehouse.id)}
    van = {"to_place_id": str(company.van.id)}
    early = await client.post(
        f"{REQUESTS}/{ids[0]}/issue", json=van, headers=company.headers["dispatcher"]
    )
    assert early.status_code == 409, "neither kept nor ordered, it would come from nowhere"
    answers = await asyncio.gather(
        *(
            client.post(
                f"{REQUESTS}/{one}/reservation", json=place, headers=company.headers["dispatcher"]
            )
            for one in ids
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200] * 3 + [409] * 7
    refusals = [answer.json() for answer in answers if answer.status_code == 409]
    assert {refusal["code"] for refusal in refusals} == {"not-enough-stock"}
    assert {Decimal(refusal["free"]) for refusal in refusals} <= {1, 3, 5, 7}
    issued = next(
        one for one, answer in zip(ids, answers, strict=True) if answer.status_code == 200
    )
    assert (await send(client, company, f"{REQUESTS}/{issued}/issue", **van))["status"] == "ready"
    again = await client.post(
        f"{REQUESTS}/{issued}/issue", json=van, headers=company.headers["dispatcher"]
    )
    assert again.status_code == 409
    held = await client.get(
        f"/api/parts/{company.part.id}/stock", headers=company.headers["dispatcher"]
    )
    stock = {item["code"]: Decimal(item["quantity"]) for item in held.json()["items"]}
    assert stock == {"main": 5, "van-1": 2}


async def due(job: Job) -> dict[str, Any]:
    async with job.database.transaction(job.company.id) as session:
        statement = select(PromiseClock).where(PromiseClock.work_order_id == job.id)
        return {one.kind: one for one in await session.exec(statement)}


async def test_waiting_for_a_part_pauses_the_clock_that_the_promise_says_and_no_other(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    """By the service level `parts` stops restoration alone. Two hours of waiting put 17:00 off to 10:00.

    Paris is open from 9 to 18: one of the two hours is left today, the other is tomorrow's first.
    """
    job = await dispatched_job(database, company, clock)
    response = (await due(job))["response"].due_at
    await job.do(field_work.arrive)
    await job.do(field_work.start)
    before = (await due(job))["restoration"].due_at
    await job.do(field_work.request_part, part_id=company.part.id, quantity=Decimal(1))
    await job.do(field_work.request_follow_up, "the roller is missing", [])
    clock.forward(minutes=10)
    assert before == datetime(2026, 3, 23, 16, tzinfo=UTC)
    assert (await due(job))["restoration"].due_at == before, "a technician is still at it"
    await job.do(field_work.finish)
    clock.forward(hours=2)
    waiting = await due(job)
    assert (waiting["restoration"].state, waiting["restoration"].due_at) == ("paused", None)
    assert (waiting["response"].state, waiting["response"].due_at) == ("met", response)
    (request,) = (
        await client.get(
            REQUESTS, params={"work_order_id": str(job.id)}, headers=company.headers["dispatcher"]
        )
    ).json()["items"]
    await send(client, company, f"{REQUESTS}/{request['id']}/order", expected_on="2026-03-25")
    await send(
        client, company, f"{REQUESTS}/{request['id']}/issue", to_place_id=str(company.van.id)
    )
    after = (await due(job))["restoration"]
    assert (after.state, after.due_at) == ("running", datetime(2026, 3, 24, 9, tzinfo=UTC))


async def test_a_technician_who_comes_ends_the_wait_whatever_the_books_say(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    await job.do(field_work.arrive)
    await job.do(field_work.request_part, part_id=company.part.id, quantity=Decimal(1))
    await job.do(field_work.abort, "no_access")
    await plan_and_dispatch(job)
    clock.forward(hours=1)
    await job.do(field_work.arrive)
    async with database.transaction(company.id) as session:
        (pause,) = (await session.exec(select(Pause))).all()
    assert pause.visit_id is None
    assert pause.during.upper - pause.during.lower == timedelta(hours=1)


async def test_a_part_is_to_be_ordered_when_too_little_of_it_is_free(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    boss = company.headers["administrator"]
    path = f"/api/parts/{company.part.id}"
    edit = {"rev": 1, "reorder_point": "4", "lead_time_days": 5}
    assert (await client.patch(path, json=edit, headers=boss)).status_code == 200
    await receive(client, company, 6)
    assert (await client.get("/api/parts-to-order", headers=boss)).json() == []
    job = await dispatched_job(database, company, clock)
    one = await wanted(client, job, 3)
    (low,) = (await client.get("/api/parts-to-order", headers=boss)).json()
    assert [Decimal(low[name]) for name in ("stock", "wanted", "free", "missing")] == [6, 3, 3, 1]
    ordered = await send(client, company, f"{REQUESTS}/{one}/order")
    assert ordered["expected_on"] == (clock().date() + timedelta(5)).isoformat()
    assert (await client.get("/api/parts-to-order", headers=boss)).json() == []
    await send(client, company, f"{REQUESTS}/{one}/cancellation", reason="repaired instead")
    assert (await client.get("/api/parts-to-order", headers=boss)).json() == []


async def test_a_stranger_finds_no_request(
    client: httpx.AsyncClient,
    database: Database,
    company: Company,
    stranger: Company,
    clock: Clock,
) -> None:
    job = await dispatched_job(database, company, clock)
    one = await wanted(client, job)
    theirs = stranger.headers["administrator"]
    assert (await client.get(REQUESTS, headers=theirs)).json()["items"] == []
    body = {"reason": "x"}
    answer = await client.post(f"{REQUESTS}/{one}/cancellation", json=body, headers=theirs)
    assert answer.status_code == 404
