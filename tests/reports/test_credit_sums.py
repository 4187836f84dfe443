"""What broken promises give back, summed in SQL, against the rule promise by promise."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from sqlalchemy.dialects.postgresql import Range
from sqlmodel import select

from fsm.assets.tables import Asset
from fsm.contracts.tables import Contract, ContractAsset, ContractFee, ServiceLevelVersion
from fsm.database import Database, Session, enter
from fsm.work_orders.tables import Clock, WorkOrder
from reports.ledger.margin import Tally, list_entries, tally_contracts
from reports.questions import Asked, Known, Question
from reports.registry import find_definition
from reports.rows import Period
from reports.scopes import Cut, Key, Scope
from tests.company import Company
from tests.reports.plant import job, machine

D = Decimal
KNOWN = Known("Europe/Paris", "EUR", 1, 0, 0)
JANUARY = datetime(2026, 1, 1, tzinfo=UTC)

TERMS = [
    {"amounts": {"response": "15.00"}, "shares": {"restoration": "0.0333"}},
    {"amounts": {"response": "40", "restoration": "25.50"}, "cap_share": "0.2"},
    {"shares": {"response": "0.055", "restoration": "0.1"}, "cap_share": "0.33"},
    {"amounts": {"response": "10"}, "shares": {"response": "0.01"}, "cap_share": "0"},
    {},
]
CURRENCIES = ["EUR", "EUR", "EUR", "EUR", "CHF"]
STATES = ["breached", "breached", "breached", "disputed", "met", "cancelled", None]
"""None: it runs."""

PERIODS = [
    Period(JANUARY, JANUARY + timedelta(days=90), JANUARY + timedelta(days=200)),
    Period(
        JANUARY + timedelta(days=13, hours=5),
        JANUARY + timedelta(days=50),
        JANUARY + timedelta(days=44),
    ),
    Period(
        JANUARY + timedelta(days=40),
        JANUARY + timedelta(days=41),
        JANUARY + timedelta(days=60),
    ),
]


async def promise(
    session: Session, company: Company, rng: Random, number: int, on: dict[str, Any]
) -> None:
    work_order: WorkOrder = await job(session, company, f"W-{number}", JANUARY, **on)
    work_order.zone = rng.choice(["Europe/Paris", "Pacific/Auckland", "America/Los_Angeles"])
    level = (await session.exec(select(ServiceLevelVersion))).one()
    for kind in ("response", "restoration"):
        state = rng.choice(STATES)
        due = JANUARY + timedelta(hours=rng.randrange(100 * 24))
        session.add(
            Clock(
                tenant_id=company.id,
                work_order_id=work_order.id,
                kind=kind,
                service_level_version_id=level.id,
                calendar_version_id=company.calendar_version.id,
                zone=work_order.zone,
                target_s=3_600,
                started_at=JANUARY,
                due_at=due,
                stopped_at=None if state is None else due + timedelta(hours=1),
                state=state or "running",
            )
        )


async def promises(session: Session, company: Company, rng: Random) -> list[Contract]:
    """Five contracts on three machines; fees that change, one that ends, and eighty jobs' promises."""
    machines: list[Asset] = [machine(company, f"M-{n}", JANUARY) for n in range(3)]
    session.add_all(machines)
    contracts = [
        Contract(
            tenant_id=company.id,
            customer_id=company.customer.id,
            number=f"C-{n}",
            kind="subscription",
            starts_on=date(2026, 1, 10 * n + 1) if n < 3 else date(2025, 1, 1),
            ends_on=date(2026, 2, 20) if n == 1 else None,
            monthly_fee=D("271.35") * (n + 1),
            currency=CURRENCIES[n],
            credits=terms,
            created_at=JANUARY,
        )
        for n, terms in enumerate(TERMS)
    ]
    session.add_all(contracts)
    await session.flush()
    for contract in contracts:
        session.add_all(
            ContractAsset(
                tenant_id=company.id,
                contract_id=contract.id,
                asset_id=asset.id,
                during=Range(date(2025, 1, 1), None),
            )
            for asset in machines[:2]
        )
    for day, monthly in ((contracts[2].starts_on, "310"), (date(2026, 2, 11), "455.55")):
        fee = {"starts_on": day, "monthly": D(monthly), "set_at": JANUARY}
        session.add(ContractFee(tenant_id=company.id, contract_id=contracts[2].id, **fee))
    for number in range(80):
        asset = rng.choice([*machines, None])
        on = {
            "contract_id": rng.choice(contracts).id,
            "asset_id": None if asset is None else asset.id,
        }
        await promise(session, company, rng, number, on)
    await session.flush()
    return contracts


async def one_by_one(asked: Asked) -> dict[Key, Tally]:
    tallies: dict[Key, Tally] = {key: Tally() for key in asked.nothing()}
    for entry in await list_entries(asked):
        tally = tallies.setdefault(entry.key, Tally())
        if entry.reason is not None:
            tally.leave_out(entry.reason)
        elif entry.kind == "contract":
            tally.n, tally.fee = tally.n + 1, tally.fee + entry.amount
        else:
            tally.n, tally.credits = tally.n + 1, tally.credits + entry.amount
    return tallies


@pytest.mark.parametrize("seed", [1, 2])
async def test_sums_in_sql_are_those_of_the_rule(
    database: Database, company: Company, seed: int
) -> None:
    async with Session(database.engine, expire_on_commit=False, autoflush=False) as session:
        await enter(session, company.id)
        contracts = await promises(session, company, Random(seed))
        asset_id = (await session.exec(select(Asset.id).where(Asset.number == "M-1"))).one()
        scopes = [
            Scope(),
            Scope(((Cut.CONTRACT, contracts[2].id),)),
            Scope(((Cut.ASSET, asset_id),)),
        ]
        given, disputed = D(0), 0
        for period in PERIODS:
            for scope in scopes:
                question = Question(find_definition("contract_margin"), "margin", scope, period)
                for cut in (Cut.TENANT, Cut.CONTRACT, Cut.CUSTOMER, Cut.ASSET):
                    asked = Asked(session, company.system, KNOWN, question, cut)
                    summed = await tally_contracts(asked)
                    assert summed == await one_by_one(asked), (period, scope, cut)
                    given += sum(tally.credits for tally in summed.values())
                    disputed += sum(t.excluded.get("disputed", 0) for t in summed.values())
        assert given > 0
        assert disputed > 0
        await session.rollback()
