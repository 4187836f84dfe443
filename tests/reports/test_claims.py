"""Warranty claims: the pack with its proofs, what is granted, what comes back, each cost claimed once."""

import asyncio
from datetime import date
from decimal import Decimal
from hashlib import sha256
from typing import Any

import httpx
from sqlmodel import select

from fsm.canonical import canonical_json
from fsm.database import Database
from fsm.work_orders import field_work
from fsm.work_orders.records import CostLine
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import JOBS, Job, dispatched_job

CLAIMS = "/api/warranty-claims"


async def warranted(client: httpx.AsyncClient, job: Job) -> None:
    """A job with an hour, a part and a photo, all of which the manufacturer bears."""
    now = job.clock()
    await job.do(
        field_work.add_time,
        kind="work",
        from_at=now.replace(hour=now.hour - 1),
        to_at=now,
    )
    await job.do(field_work.use_part, part_id=job.company.part.id, quantity=Decimal(2))
    await job.declare()
    answer = await client.post(
        f"{JOBS}/{job.id}/payer-decision",
        json={"payer": "manufacturer", "ground": "Within two years"},
        headers=job.company.headers["manager"],
    )
    assert answer.status_code == 200, answer.text


async def send(client: httpx.AsyncClient, company: Company, path: str, **body: Any) -> Any:
    answer = await client.post(path, json=body, headers=company.headers["manager"])
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


async def test_a_claim_goes_from_its_pack_to_what_was_granted_and_reimbursed(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    """60 € of labour and 24 € of parts are claimed, 70 are granted, and 50 and 20 come back."""
    job = await dispatched_job(database, company, clock)
    await warranted(client, job)
    claim = await send(client, company, CLAIMS, work_order_id=str(job.id), number="WC-1")
    assert (claim["claimed"], claim["status"]) == ("84.00", "claimed")
    boss = company.headers["manager"]
    pack = (await client.get(f"{CLAIMS}/{claim['id']}", headers=boss)).json()["pack"]
    assert [one["serial"] for one in pack["assets"]] == ["OT-0001234"]
    assert [(one["number"], one["is_original"]) for one in pack["parts"]] == [("P-1", True)]
    assert len(pack["failures"]) == 1
    assert [len(one["sha256"]) for one in pack["photos"]] == [64]
    assert {one["kind"] for one in pack["lines"]} == {"labour", "parts"}
    assert sha256(canonical_json(pack)).hexdigest() == claim["pack_sha256"]
    path = f"{CLAIMS}/{claim['id']}"
    silent = await client.post(f"{path}/decision", json={"approved": "70"}, headers=boss)
    assert (silent.status_code, silent.json()["errors"][0]["at"]) == (422, "/ground")
    early = {"amount": "50.00", "paid_on": "2026-03-23"}
    assert (await client.post(f"{path}/payments", json=early, headers=boss)).status_code == 409
    await send(client, company, f"{path}/decision", approved="70.00", ground="Travel is not ours")
    assert (await send(client, company, f"{path}/payments", **early))["status"] == "approved"
    too_much = {"amount": "20.01", "paid_on": "2026-03-23"}
    assert (await client.post(f"{path}/payments", json=too_much, headers=boss)).status_code == 422
    paid = await send(client, company, f"{path}/payments", amount="20.00", paid_on="2026-03-23")
    assert (paid["status"], paid["paid"]) == ("reimbursed", "70.00")
    async with database.transaction(company.id) as session:
        back = (await session.exec(select(CostLine).where(CostLine.kind == "recovery"))).all()
    assert [(line.amount, line.payer, line.posted_on) for line in back] == [
        (Decimal(50), "manufacturer", date(2026, 3, 23)),
        (Decimal(20), "manufacturer", date(2026, 3, 23)),
    ]


async def test_costs_are_claimed_once_however_many_try(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    await warranted(client, job)
    answers = await asyncio.gather(
        *(
            client.post(
                CLAIMS,
                json={"work_order_id": str(job.id), "number": f"WC-{n}"},
                headers=company.headers["manager"],
            )
            for n in range(4)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [201, 422, 422, 422]


async def test_a_stranger_finds_no_claim_and_a_dispatcher_may_not_look(
    client: httpx.AsyncClient,
    database: Database,
    company: Company,
    stranger: Company,
    clock: Clock,
) -> None:
    job = await dispatched_job(database, company, clock)
    await warranted(client, job)
    claim = await send(client, company, CLAIMS, work_order_id=str(job.id), number="WC-1")
    path = f"{CLAIMS}/{claim['id']}"
    assert (await client.get(path, headers=stranger.headers["manager"])).status_code == 404
    assert (await client.get(path, headers=company.headers["dispatcher"])).status_code == 403
    foreign = {"work_order_id": str(job.id), "number": "X"}
    answer = await client.post(CLAIMS, json=foreign, headers=stranger.headers["manager"])
    assert answer.status_code == 404
