"""The cost ledger: what is posted, how it is divided and corrected, and that every cut adds up to it."""

import asyncio
from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import httpx
import pytest
from sqlalchemy.dialects.postgresql import Range
from sqlmodel import select

from fsm.assets.tables import Asset, Failure
from fsm.contracts.tables import Contract
from fsm.database import Database
from fsm.parts.tables import Movement
from fsm.technicians.tables import Rate, Technician
from fsm.work_orders import field_work
from fsm.work_orders.records import CostKind, CostLine, TimeKind
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import JOBS, Job, dispatched_job, new_job

D = Decimal


async def ask(
    client: httpx.AsyncClient, company: Company, method: str, path: str, body: Any = None
) -> Any:
    answer = await client.request(method, path, json=body, headers=company.headers["manager"])
    assert answer.status_code < 400, answer.text
    return answer.json()


async def lines_of(job: Job) -> list[CostLine]:
    async with job.database.transaction(job.company.id) as session:
        statement = select(CostLine).where(CostLine.work_order_id == job.id)
        return list(await session.exec(statement.order_by(CostLine.id)))


def sums(lines: list[CostLine], by: str) -> dict[Any, Decimal]:
    found: defaultdict[Any, Decimal] = defaultdict(Decimal)
    for line in lines:
        found[getattr(line, by)] += line.amount
    return {key: amount for key, amount in found.items() if amount}


async def rates(job: Job, **amounts: int) -> None:
    async with job.database.transaction(job.company.id) as session:
        for kind, amount in amounts.items():
            session.add(
                Rate(
                    tenant_id=job.company.id,
                    kind=kind,
                    amount=amount,
                    during=Range(date(2024, 1, 1), None),
                )
            )


async def spend(job: Job, minutes: int = 60, kind: TimeKind = TimeKind.WORK, **more: Any) -> Any:
    now = job.clock()
    return await job.do(
        field_work.add_time,
        kind=kind,
        from_at=now - timedelta(minutes=minutes),
        to_at=now,
        **more,
    )


async def second_lift(job: Job, number: str = "A-2", **more: Any) -> Asset:
    company = job.company
    asset = Asset(
        tenant_id=company.id,
        customer_id=company.customer.id,
        site_id=company.site.id,
        model_id=company.model.id,
        number=number,
        name=f"Lift {number}",
        in_service_from=company.asset.in_service_from,
        created_at=job.clock(),
        **more,
    )
    async with job.database.transaction(company.id) as session:
        session.add(asset)
    return asset


async def test_time_costs_its_rate_and_brings_overhead_and_kilometres_with_it(
    database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    await rates(job, overhead=10, vehicle=2, labour_price=90)
    await spend(job, 90)
    await spend(job, 30, TimeKind.TRAVEL, distance_m=12_500)
    posted = [
        (line.kind, line.quantity, line.unit, line.amount, line.price)
        for line in await lines_of(job)
    ]
    assert posted == [
        ("labour", D("1.5"), "h", D("90.00"), D("135.00")),
        ("overhead", D("1.5"), "h", D("15.00"), None),
        ("travel", D("0.5"), "h", D("20.00"), None),
        ("overhead", D("0.5"), "h", D("5.00"), None),
        ("travel", D("12.5"), "km", D("25.00"), None),
    ]


async def test_a_contractors_time_is_a_contractors_cost_at_the_price_agreed(
    database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    async with database.transaction(company.id) as session:
        who = await session.get_one(Technician, (company.id, company.technician.id))
        who.is_contractor = True
        session.add(
            Rate(
                tenant_id=company.id,
                technician_id=who.id,
                kind="labour",
                amount=75,
                during=Range(date(2024, 1, 1), None),
            )
        )
    await spend(job)
    (line,) = await lines_of(job)
    assert (line.kind, line.amount, line.payer) == ("contractor", D("75.00"), "contract")


async def test_a_corrected_time_is_paid_once_whatever_came_with_it(
    database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    await rates(job, overhead=10)
    async with database.transaction(company.id) as session:
        entry = await field_work.add_time(
            await job.report(session),
            kind=TimeKind.WORK,
            from_at=clock() - timedelta(hours=3),
            to_at=clock(),
        )
    await spend(job, 60, corrects=entry.id)
    lines = await lines_of(job)
    assert sums(lines, "kind") == {"labour": D(60), "overhead": D(10)}
    assert sum(line.corrects_id is not None for line in lines) == 2


async def test_several_assets_bear_a_job_by_weight_each_under_its_own_contract(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    """100.00 € of labour over weights 1, 1 and 1: 33.34, 33.33 and 33.33, also what was posted before."""
    job = await dispatched_job(database, company, clock)
    await spend(job, 100)  # 60 € an hour
    others = [await second_lift(job, f"A-{n}") for n in (2, 3)]
    ids = [company.asset.id, *(asset.id for asset in others)]
    shares = await ask(
        client,
        company,
        "PUT",
        f"{JOBS}/{job.id}/assets",
        {"assets": [{"asset_id": str(one), "weight": "1"} for one in ids]},
    )
    assert {(one["asset_id"], one["contract_id"]) for one in shares} == {
        (str(company.asset.id), str(company.contract.id)),
        *((str(asset.id), None) for asset in others),
    }
    await spend(job, 100)
    lines = await lines_of(job)
    assert sorted(sums(lines, "asset_id").values()) == [D("66.66"), D("66.66"), D("66.68")]
    assert sums(lines, "contract_id")[None] == D("200.00") - sums(lines, "asset_id")[ids[0]]
    assert sums(lines, "payer")["contract"] == sums(lines, "asset_id")[ids[0]]
    hours = sum((line.quantity for line in lines), D(0))
    assert hours == D("3.3334")
    await ask(client, company, "PUT", f"{JOBS}/{job.id}/assets", {"assets": []})
    assert sums(await lines_of(job), "asset_id") == {company.asset.id: D("200.00")}


async def test_a_rule_wants_the_cause_known_and_its_finding_decides_who_pays(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    rule = {"starts_on": "2026-01-01", "name": "x"}
    misuse = {"conditions": {"causes": ["misuse"]}, "payer": "customer", "ground": "Misuse"}
    unknown = {"conditions": {"causes": ["none"]}, "payer": "undecided"}
    await ask(client, company, "POST", "/api/payer-rules", {**rule, **misuse, "code": "misuse"})
    await ask(client, company, "POST", "/api/payer-rules", {**rule, **unknown, "code": "wait"})
    job = await dispatched_job(database, company, clock)
    await spend(job)
    assert sums(await lines_of(job), "payer") == {"undecided": D("60.00")}
    await job.do(field_work.record_failure, asset_id=company.asset.id, cause="misuse")
    lines = await lines_of(job)
    assert sums(lines, "payer") == {"customer": D("60.00")}
    assert (lines[-1].payer_rule, lines[-1].payer_ground) == ("rule:misuse", "Misuse")
    async with database.transaction(company.id) as session:
        assert (await session.exec(select(Failure.cause))).one() == "misuse"


@pytest.mark.parametrize(
    ("ends_on", "payer"), [("2026-03-23", "manufacturer"), ("2026-03-22", "contract")]
)
async def test_a_warranty_holds_that_held_when_the_fault_was_reported(
    client: httpx.AsyncClient,
    database: Database,
    company: Company,
    clock: Clock,
    ends_on: str,
    payer: str,
) -> None:
    rule = {"starts_on": "2026-01-01", "name": "x", "code": "new", "payer": "manufacturer"}
    new = {**rule, "conditions": {"under_warranty": True}}
    await ask(client, company, "POST", "/api/payer-rules", new)
    async with database.transaction(company.id) as session:
        asset = await session.get_one(Asset, (company.id, company.asset.id))
        asset.warranty_ends_on = date.fromisoformat(ends_on)
    job = await dispatched_job(database, company, clock)
    clock.forward(days=3)
    await spend(job)
    assert sums(await lines_of(job), "payer") == {payer: D("60.00")}


async def test_a_decision_moves_lines_to_another_payer_with_its_ground_and_no_cent_is_lost(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    await spend(job)
    await spend(job, 30, TimeKind.TRAVEL)
    path = f"{JOBS}/{job.id}"
    listed = await ask(client, company, "GET", f"{path}/costs")
    labour = next(line["id"] for line in listed if line["kind"] == "labour")
    choice = {"payer": "goodwill", "ground": "Came twice for the same door", "line_ids": [labour]}
    await ask(client, company, "POST", f"{path}/payer-decision", choice)
    lines = await lines_of(job)
    assert sums(lines, "payer") == {"goodwill": D("60.00"), "contract": D("20.00")}
    again = await client.post(
        f"{path}/payer-decision", json=choice, headers=company.headers["manager"]
    )
    assert again.status_code == 422, "the line named no longer stands"
    await ask(client, company, "POST", f"{path}/payer-review")
    assert sums(await lines_of(job), "payer") == sums(lines, "payer"), "a person's word stands"


async def test_costs_by_hand_and_money_that_came_back(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    path = f"{JOBS}/{job.id}/costs"
    bill = {"unit_cost": "150.00", "posted_on": "2026-03-20", "note": "Crane hire 7731"}
    (crane,) = await ask(client, company, "POST", path, {**bill, "kind": "contractor"})
    assert (crane["amount"], crane["payer"], crane["currency"]) == ("150.00", "contract", "EUR")
    back = {"kind": "recovery", "unit_cost": "40.00", "posted_on": "2026-03-21"}
    refused = await client.post(path, json=back, headers=company.headers["manager"])
    assert (refused.status_code, refused.json()["errors"][0]["at"]) == (422, "/payer")
    await ask(client, company, "POST", path, {**back, "payer": "manufacturer"})
    taken = f"/api/cost-lines/{crane['id']}/taking-back"
    negative = await ask(client, company, "POST", taken, {"reason": "Billed to another job"})
    assert (negative["amount"], negative["corrects_id"]) == ("-150.00", crane["id"])
    assert sums(await lines_of(job), "kind") == {"recovery": D("40.00")}


async def test_a_line_is_taken_back_once_however_many_try(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    await spend(job)
    (line,) = await lines_of(job)
    answers = await asyncio.gather(
        *(
            client.post(
                f"/api/cost-lines/{line.id}/taking-back",
                json={"reason": "twice"},
                headers=company.headers["manager"],
            )
            for _ in range(4)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    assert sums(await lines_of(job), "kind") == {}


async def test_a_stranger_finds_neither_job_nor_line_nor_rule(
    client: httpx.AsyncClient,
    database: Database,
    company: Company,
    stranger: Company,
    clock: Clock,
) -> None:
    job = await dispatched_job(database, company, clock)
    await spend(job)
    (line,) = await lines_of(job)
    theirs = stranger.headers["administrator"]
    body = {"payer": "goodwill", "ground": "x"}
    for path, sent in (
        (f"{JOBS}/{job.id}/payer-decision", body),
        (f"{JOBS}/{job.id}/payer-review", None),
        (f"/api/cost-lines/{line.id}/taking-back", {"reason": "x"}),
    ):
        answer = await client.post(path, json=sent, headers=theirs)
        assert answer.status_code == 404, path
    assert (await client.get(f"{JOBS}/{job.id}/costs", headers=theirs)).status_code == 404


@pytest.mark.parametrize("seed", range(3))
async def test_every_cut_of_the_ledger_adds_up_to_it_whatever_happened_to_its_lines(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock, seed: int
) -> None:
    """Random work, weights, corrections and decisions; then assets = contracts = the ledger, to the cent."""
    dice = Random(seed)
    job = await dispatched_job(database, company, clock)
    await rates(job, overhead=7)
    path = f"{JOBS}/{job.id}"
    async with database.transaction(company.id) as session:
        session.add(
            Contract(
                tenant_id=company.id,
                customer_id=company.customer.id,
                number="K-2",
                kind="time_and_materials",
                starts_on=date(2025, 1, 1),
                covers={"all_assets": True},
                created_at=clock(),
            )
        )
    lifts = [company.asset, *[await second_lift(job, f"A-{n}") for n in (2, 3, 4)]]
    owed = D(0)
    for _ in range(12):
        match dice.choice(["time", "time", "weights", "hand", "back", "payer", "review"]):
            case "time":
                minutes = dice.randint(1, 400)
                await spend(job, minutes)
                hours = (D(minutes) / 60).quantize(D("0.0001"))
                owed += (hours * 60).quantize(D("0.01")) + (hours * 7).quantize(D("0.01"))
            case "weights":
                some = dice.sample(lifts, dice.randint(0, 4))
                weights = [
                    {"asset_id": str(one.id), "weight": str(dice.choice(["0.3", "1", "7"]))}
                    for one in some
                ]
                await ask(client, company, "PUT", f"{path}/assets", {"assets": weights})
            case "hand":
                amount = f"{dice.randint(1, 9_999)}.{dice.randint(0, 99):02}"
                kind = dice.choice([CostKind.OTHER, CostKind.CONTRACTOR, CostKind.OVERHEAD])
                body = {"kind": kind, "unit_cost": amount, "posted_on": "2026-03-20"}
                await ask(client, company, "POST", f"{path}/costs", body)
                owed += D(amount)
            case "back":
                lines = await lines_of(job)
                gone = {line.corrects_id for line in lines}
                standing = [
                    line for line in lines if line.corrects_id is None and line.id not in gone
                ]
                if standing:
                    line = dice.choice(standing)
                    taken = f"/api/cost-lines/{line.id}/taking-back"
                    await ask(client, company, "POST", taken, {"reason": "wrong"})
                    owed -= line.amount
            case "payer":
                choice = {"payer": dice.choice(["goodwill", "customer"]), "ground": "because"}
                await ask(client, company, "POST", f"{path}/payer-decision", choice)
            case "review":
                await ask(client, company, "POST", f"{path}/payer-review")
    lines = await lines_of(job)
    for cut in ("asset_id", "contract_id", "technician_id", "kind", "payer"):
        assert sum(sums(lines, cut).values(), D(0)) == owed, cut
    window = {"scope": "tenant", "from": "2026-01-01T00:00:00Z", "to": "2026-12-31T00:00:00Z"}
    clock.forward(days=1)
    for cut in ("asset", "contract", "site", "region", "work_type", "technician", "month"):
        answer = await client.get(
            "/api/kpis/cost/table",
            params={**window, "by": cut},
            headers=company.headers["manager"],
        )
        values = [D(row["result"]["value"] or 0) for row in answer.json()["items"]]
        assert sum(values, D(0)) == owed, cut


async def test_parts_that_come_back_are_worth_what_they_were_issued_at(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    """Three at 12 €; today's list says 99. Two come back: 24 € into the warehouse, 12 € stay on the job."""
    job = await dispatched_job(database, company, clock)
    await job.do(field_work.use_part, part_id=company.part.id, quantity=D(3))
    (issued,) = await lines_of(job)
    path = f"{JOBS}/{job.id}"
    paid = {"payer": "goodwill", "ground": "Ours to bear"}
    await ask(client, company, "POST", f"{path}/payer-decision", paid)
    prices = f"/api/parts/{company.part.id}/prices"
    clock.forward(days=1)
    new_price = {"cost": "99.00", "price": "120.00", "starts_on": clock().date().isoformat()}
    store = company.headers["administrator"]
    answer = await client.post(prices, json=new_price, headers=store)
    assert answer.status_code == 201, answer.text
    back = {"used_id": str(issued.source_id), "to_place_id": str(company.warehouse.id)}
    for _ in range(2):
        one = {**back, "quantity": 1}
        answer = await client.post(f"{path}/part-returns", json=one, headers=store)
        assert answer.status_code == 201, answer.text
    lines = await lines_of(job)
    assert sums(lines, "payer") == {"goodwill": D(12)}
    assert sum(line.quantity for line in lines) == 1
    assert {line.unit_cost for line in lines} == {D(12)}
    async with database.transaction(company.id) as session:
        moved = (await session.exec(select(Movement).where(Movement.kind == "return"))).all()
    assert [(one.unit_cost, one.to_place_id) for one in moved] == [
        (D(12), company.warehouse.id)
    ] * 2
    too_many = {**back, "quantity": 2}
    refused = await client.post(f"{path}/part-returns", json=too_many, headers=store)
    assert (refused.status_code, D(refused.json()["left"])) == (409, 1)
    elsewhere = await new_job(database, company, clock)
    wrong = f"{JOBS}/{elsewhere.id}/part-returns"
    assert (await client.post(wrong, json=too_many, headers=store)).status_code == 404
