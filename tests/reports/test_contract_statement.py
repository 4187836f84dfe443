"""A contract's statement over HTTP: fee, true cost, credits, losses; and what its customer sees of it."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlmodel import func, select

from fsm.actors import Actor
from fsm.contracts.tables import ContractAsset, ServiceLevelVersion
from fsm.database import Database, Session
from fsm.work_orders.clocks import readings_at
from fsm.work_orders.expiry import warn_of_ends
from fsm.work_orders.tables import Clock as PromiseClock
from fsm.work_orders.tables import Review, WorkOrder
from reports.ledger import contract_sql
from tests.company import Company
from tests.conftest import Clock
from tests.reports.plant import job, line, machine

D = Decimal
DAY = datetime(2026, 3, 10, 9, tzinfo=UTC)
MARCH = {"from": "2026-03-01", "to": "2026-03-31"}


@pytest.fixture
async def spent(database: Database, company: Company, clock: Clock) -> Company:
    """March: 310 € a month over two lifts, costs on both, one promise broken and one disputed."""
    clock.forward(days=30)
    async with database.transaction(company.id) as session:
        contract = await session.merge(company.contract)
        contract.monthly_fee = D("310.00")
        contract.credits = {"amounts": {"response": "15.00"}}
        second = machine(company, "M-2", datetime(2025, 1, 1, tzinfo=UTC))
        session.add(second)
        await session.flush()
        first_line = (await session.exec(select(ContractAsset))).one()
        session.add(
            ContractAsset(
                tenant_id=company.id,
                contract_id=contract.id,
                asset_id=second.id,
                during=first_line.during,
            )
        )
        on = {"contract_id": contract.id, "asset_id": company.asset.id}
        one = await job(session, company, "W-1", DAY, **on)
        two = await job(session, company, "W-2", DAY, contract_id=contract.id, asset_id=second.id)
        day = date(2026, 3, 10)
        session.add_all(
            [
                line(one, day, "200.00", payer="contract"),
                line(one, day, "60.00", payer="customer", price=D("90.00"), kind="parts"),
                line(one, day, "40.00", payer="manufacturer"),
                line(one, day, "35.00", payer="manufacturer", kind="recovery"),
                line(two, day, "10.00", payer="goodwill"),
                line(two, day, "1.00", payer="contract", currency="CHF"),
                line(two, date(2026, 4, 1), "500.00", payer="contract"),
            ]
        )
        level = (await session.exec(select(ServiceLevelVersion))).one()
        for number, (work_order, state) in enumerate(((one, "breached"), (two, "disputed"))):
            due = DAY + timedelta(hours=4)
            session.add(
                PromiseClock(
                    tenant_id=company.id,
                    work_order_id=work_order.id,
                    kind="response",
                    service_level_version_id=level.id,
                    calendar_version_id=company.calendar_version.id,
                    zone="Europe/Paris",
                    target_s=14_400,
                    started_at=DAY,
                    due_at=due,
                    stopped_at=due + timedelta(minutes=number + 5),
                    state=state,
                )
            )
    return company


async def ask(client: httpx.AsyncClient, company: Company, path: str, **params: Any) -> Any:
    answer = await client.get(path, params=params, headers=company.headers["manager"])
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_statement_has_fee_true_cost_credits_and_the_assets_that_lose(
    client: httpx.AsyncClient, spent: Company
) -> None:
    """310 + 90 billed + 35 back − 310 spent − 15 given back = 110; the first lift loses 35."""
    found = await ask(client, spent, f"/api/contract-statements/{spent.contract.id}", **MARCH)
    assert (found["fee"], found["billed"], found["recovered"]) == ("310.00", "90.00", "35.00")
    assert (found["cost"], found["credits"], found["margin"]) == ("310.00", "15.00", "110.00")
    assert found["cost_by_payer"] == {
        "contract": "200.00",
        "customer": "60.00",
        "goodwill": "10.00",
        "manufacturer": "40.00",
    }
    parts = [D(found[part]) for part in ("covered", "billable", "manufacturer", "undecided")]
    assert parts == [D("85.00"), D("30.00"), D("-5.00"), D(0)]
    margins = {asset["number"]: asset["margin"] for asset in found["assets"]}
    assert margins == {"A-1": "-35.00", "M-2": "145.00"}
    assert found["loss_making"] == [str(spent.asset.id)]
    assert [
        (one["number"], one["amount"], one["is_disputed"]) for one in found["credit_lines"]
    ] == [
        ("W-1", "15.00", False),
        ("W-2", "0", True),
    ]
    assert (found["left_out"], found["is_provisional"]) == (
        {"disputed": 1, "other_currency": 1},
        True,
    )


async def test_the_customer_sees_what_is_owed_and_nothing_of_what_it_cost(
    client: httpx.AsyncClient, spent: Company
) -> None:
    path = f"/api/contract-statements/{spent.contract.id}/customer"
    found = await ask(client, spent, path, **MARCH)
    assert (found["fee"], found["due"], found["covered_jobs"]) == ("310.00", "385.00", 2)
    (billed,) = found["billed"]
    assert (billed["number"], billed["kind"], billed["amount"]) == ("W-1", "parts", "90.00")
    assert not {"cost", "margin", "assets", "cost_by_payer"} & set(found)
    half = [
        await ask(client, spent, path, **{"from": one, "to": other})
        for one, other in (("2026-03-01", "2026-03-13"), ("2026-03-14", "2026-03-31"))
    ]
    assert sum(D(part["due"]) for part in half) == D("385.00")


async def test_what_has_no_price_or_was_taken_back_leaves_the_rest_of_a_job_billed(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    """3 h were posted unpriced, taken back and posted at a price, 2 h more have none; W-2 moved off cover."""
    clock.forward(days=30)
    day, day_off = date(2026, 3, 10), {"payer": "customer", "unit": "h"}
    async with database.transaction(company.id) as session:
        one = await job(session, company, "W-1", DAY, contract_id=company.contract.id)
        two = await job(session, company, "W-2", DAY, contract_id=company.contract.id)
        wrong = line(one, day, "90.00", quantity=D(3), **day_off)
        covered = line(two, day, "40.00", payer="contract")
        session.add_all([wrong, covered])
        await session.flush()
        session.add_all(
            [
                line(one, day, "-90.00", quantity=D(-3), corrects_id=wrong.id, **day_off),
                line(one, day, "90.00", quantity=D(3), price=D("150.00"), **day_off),
                line(one, day, "60.00", quantity=D(2), **day_off),
                line(two, day, "-40.00", quantity=D(-1), payer="contract", corrects_id=covered.id),
                line(two, day, "40.00", payer="customer", price=D("70.00")),
            ]
        )
    path = f"/api/contract-statements/{company.contract.id}/customer"
    found = await ask(client, company, path, **MARCH)
    told = [(one["number"], D(one["quantity"]), one["amount"]) for one in found["billed"]]
    assert told == [("W-1", 3, "150.00"), ("W-1", 2, None), ("W-2", 1, "70.00")]
    assert found["covered_jobs"] == 0
    wanted = {
        "first_on": MARCH["from"],
        "last_on": MARCH["to"],
        "vat_rate": "0",
        "vat_category": "Z",
    }
    issued = await client.post(
        "/api/documents/invoices",
        json={"customer_id": str(company.customer.id), **wanted},
        headers=company.headers["manager"],
    )
    assert issued.status_code == 201, issued.text
    content = (await ask(client, company, f"/api/documents/{issued.json()['id']}/snapshot"))[
        "content"
    ]
    assert (content["net"], content["unpriced"], len(content["lines"])) == ("220.00", 1, 2)


async def find_job(session: Session, number: str) -> WorkOrder:
    return (await session.exec(select(WorkOrder).where(WorkOrder.number == number))).one()


async def begin_anew(
    session: Session, spent: Company, *work_orders: WorkOrder, since: timedelta = timedelta()
) -> None:
    """Give jobs a promise of eight hours that was broken, and another after a reopening that was kept."""
    begun, stopped, reopened, again = (DAY + since + timedelta(hours=h) for h in (-24, 10, 24, 25))
    version = (await session.exec(select(func.max(ServiceLevelVersion.version)))).one()
    level = (
        await session.exec(select(ServiceLevelVersion).where(ServiceLevelVersion.version == 1))
    ).one()
    anew = ServiceLevelVersion(
        tenant_id=spent.id,
        service_level_id=level.service_level_id,
        version=version + 1,
        effective_at=level.effective_at,
        body={**level.body, "reopening": "new_clock"},
    )
    contract = await session.merge(spent.contract)
    contract.credits = {"amounts": {"response": "15.00", "restoration": "40.00"}}
    session.add(anew)
    await session.flush()
    for work_order in work_orders:
        work_order.reopened_at = reopened
        work_order.service_level_version_id = anew.id
        work_order.calendar_version_id = spent.calendar_version.id
        session.add(
            PromiseClock(
                tenant_id=spent.id,
                work_order_id=work_order.id,
                kind="restoration",
                service_level_version_id=anew.id,
                calendar_version_id=spent.calendar_version.id,
                zone="Europe/Paris",
                target_s=8 * 3_600,
                started_at=begun,
                due_at=reopened + timedelta(days=1),
                stopped_at=again,
                state="met",
                stops=[
                    {"stopped": [stopped.isoformat()] * 3, "reopened": [reopened.isoformat()] * 3},
                    {"stopped": [again.isoformat()] * 3, "reopened": None},
                ],
            )
        )


async def test_a_promise_broken_before_a_reopening_began_another_gives_back_all_the_same(
    client: httpx.AsyncClient, database: Database, spent: Company
) -> None:
    """Eight hours were promised and ran out at closing time of 9 March; after the reopening it went well."""
    found = await ask(client, spent, f"/api/contract-statements/{spent.contract.id}", **MARCH)
    before = D(found["credits"])
    async with database.transaction(spent.id) as session:
        await begin_anew(session, spent, await find_job(session, "W-1"))
    statement = await ask(client, spent, f"/api/contract-statements/{spent.contract.id}", **MARCH)
    late = [one for one in statement["credit_lines"] if one["clock"] == "restoration"]
    assert [(one["number"], one["amount"], one["due_on"]) for one in late] == [
        ("W-1", "40.00", "2026-03-09")
    ]
    assert D(statement["credits"]) == before + 40
    window = {"from": "2026-03-01T00:00:00+01:00", "to": "2026-04-01T00:00:00+02:00"}
    scope = {"scope": f"contract:{spent.contract.id}", **window}
    share = await ask(client, spent, "/api/kpis/sla_restoration", **scope)
    assert (share["n"], share["value"]) == (2, 0.5)
    listed = await ask(client, spent, "/api/kpis/contract_margin/lineage", **scope)
    margin = await ask(client, spent, "/api/kpis/contract_margin", **scope)
    assert sum(D(str(one["numerator"])) for one in listed["items"]) == D(margin["value"])
    assert len({one["id"] for one in listed["items"]}) == len(listed["items"])


async def test_what_began_anew_is_read_some_at_a_time_and_nothing_that_started_after_the_days(
    client: httpx.AsyncClient,
    database: Database,
    spent: Company,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """W-1 and W-2 fall due in March, W-3 began in May: a statement of March reads it nowhere."""
    clock.forward(days=60)
    spent.sign_in("manager", clock())
    asked: list[Sequence[UUID]] = []

    async def read(
        session: Session, actor: Actor, ids: Sequence[UUID], as_of: datetime
    ) -> list[Any]:
        asked.append(ids)
        return await readings_at(session, actor, ids, as_of)

    monkeypatch.setattr(contract_sql, "readings_at", read)
    monkeypatch.setattr(contract_sql, "CLOCKS_AT_ONCE", 1)
    async with database.transaction(spent.id) as session:
        later = await job(
            session, spent, "W-3", DAY + timedelta(days=60), contract_id=spent.contract.id
        )
        early = [await find_job(session, number) for number in ("W-1", "W-2")]
        await begin_anew(session, spent, *early)
        await begin_anew(session, spent, later, since=timedelta(days=60))
        clocks = await session.exec(
            select(PromiseClock.id).where(
                PromiseClock.kind == "restoration", PromiseClock.work_order_id != later.id
            )
        )
        of_march = set(clocks)
    path = f"/api/contract-statements/{spent.contract.id}"
    statement = await ask(client, spent, path, **MARCH)
    late = [one["number"] for one in statement["credit_lines"] if one["clock"] == "restoration"]
    assert sorted(late) == ["W-1", "W-2"]
    assert {len(ids) for ids in asked} == {1}
    assert {id_ for ids in asked for id_ in ids} == of_march
    in_may = await ask(client, spent, path, **{"from": "2026-05-01", "to": "2026-05-31"})
    assert [one["number"] for one in in_may["credit_lines"]] == ["W-3"]


async def test_margin_and_payers_are_figures_whose_lineage_adds_up(
    client: httpx.AsyncClient, spent: Company
) -> None:
    window = {"from": "2026-03-01T00:00:00+01:00", "to": "2026-04-01T00:00:00+02:00"}
    scope = {"scope": f"contract:{spent.contract.id}", **window}
    for variant in ("margin", "covered", "billable", "manufacturer", "undecided"):
        asked = {**scope, "variant": variant}
        whole = await ask(client, spent, "/api/kpis/contract_margin", **asked)
        listed = await ask(client, spent, "/api/kpis/contract_margin/lineage", **asked)
        assert sum(D(str(one["numerator"])) for one in listed["items"]) == D(whole["value"])
        rows = await ask(client, spent, "/api/kpis/contract_margin/table", by="asset", **asked)
        assert sum(D(row["result"]["value"]) for row in rows["items"]) == D(whole["value"])
    share = await ask(client, spent, "/api/kpis/contract_margin", **scope, variant="share")
    assert (share["unit"], share["value"]) == ("ratio", pytest.approx(110 / 435))
    split = {}
    for payer in ("manufacturer", "contract", "customer", "goodwill", "undecided"):
        found = await ask(client, spent, "/api/kpis/payer_split", **scope, variant=payer)
        split[payer] = D(found["numerator"]["value"])
        listed = await ask(client, spent, "/api/kpis/payer_split/lineage", **scope, variant=payer)
        shares = [D(str(one["numerator"])) for one in listed["items"]]
        assert sum(shares) == split[payer]
        left_out = Counter(one["excluded"] for one in listed["items"])
        assert found["n"] == left_out.pop(None)
        assert found["excluded"] == left_out == {"recovery": 1, "other_currency": 1}
    assert sum(split.values()) == D("310.00")
    nothing = await ask(
        client, spent, "/api/kpis/contract_margin", **scope | {"scope": "contract:none"}
    )
    assert (nothing["value"], nothing["null_reason"]) == (None, "too_few")


async def test_a_statement_needs_the_right_to_costs_and_exists_for_nobody_else(
    client: httpx.AsyncClient, spent: Company, stranger: Company
) -> None:
    path = f"/api/contract-statements/{spent.contract.id}"
    for who, at, status in (
        (stranger.headers["manager"], path, 404),
        (stranger.headers["manager"], f"{path}/customer", 404),
        (spent.headers["dispatcher"], path, 403),
        (spent.headers["customer"], path, 403),
    ):
        assert (await client.get(at, params=MARCH, headers=who)).status_code == status
    backwards = {"from": "2026-03-31", "to": "2026-03-01"}
    answer = await client.get(path, params=backwards, headers=spent.headers["manager"])
    assert answer.status_code == 422


async def test_a_fee_changed_today_moves_no_past_number(
    client: httpx.AsyncClient, company: Company, clock: Clock
) -> None:
    boss = company.headers["manager"]
    body = {
        "customer_id": str(company.customer.id),
        "number": "K-7",
        "kind": "subscription",
        "starts_on": "2026-01-01",
        "monthly_fee": "100.00",
    }
    contract = (await client.post("/api/contracts", json=body, headers=boss)).json()
    clock.forward(days=20)
    edit = {"rev": contract["rev"], "monthly_fee": "200.00", "fee_from": "2026-04-01"}
    path = f"/api/contracts/{contract['id']}"
    assert (await client.patch(path, json=edit, headers=boss)).status_code == 200
    path = f"/api/contract-statements/{contract['id']}/customer"
    fees = [
        (await ask(client, company, path, **{"from": one, "to": other}))["fee"]
        for one, other in (("2026-03-01", "2026-03-31"), ("2026-04-01", "2026-04-30"))
    ]
    assert fees == ["100.00", "200.00"]


async def test_an_end_is_warned_of_once_and_not_where_the_contract_is_renewed(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    boss = company.headers["manager"]
    body = {"customer_id": str(company.customer.id), "kind": "subscription"}
    ends = (clock().date() + timedelta(20)).isoformat()
    for number, more in (
        ("K-20", {"ends_on": ends}),
        ("K-21", {"ends_on": ends, "notice_days": 19}),
        ("K-22", {"ends_on": ends}),
    ):
        added = await client.post(
            "/api/contracts",
            json={**body, "number": number, "starts_on": "2026-01-01", **more},
            headers=boss,
        )
        assert added.status_code == 201, added.text
    renewal = f"/api/contracts/{added.json()['id']}/renewal"
    assert (await client.post(renewal, json={"number": "K-23"}, headers=boss)).status_code == 201
    twice = await client.post(renewal, json={"number": "K-24"}, headers=boss)
    assert twice.status_code == 409
    for expected in (1, 0):
        async with database.transaction(company.id) as session:
            assert await warn_of_ends(session, company.id, clock()) == expected
    async with database.transaction(company.id) as session:
        (review,) = (await session.exec(select(Review))).all()
    assert (review.kind, review.data["number"], review.data["days_left"]) == (
        "contract_ends",
        "K-20",
        20,
    )
