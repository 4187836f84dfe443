"""A customer's login and a stranger's company: neither finds anything of others in any figure or route."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import httpx
import pytest
from litestar import Litestar

from fsm.actors import Actor, Permission
from fsm.assets.tables import Meter, MeterReading
from fsm.customers.tables import Customer
from fsm.database import Database, Session, enter
from fsm.problems import Invalid
from fsm.work_orders.ratings.tables import Rating
from fsm.work_orders.tables import Visit
from reports import queries
from reports.lineage import list_candidates
from reports.questions import Known, Question
from reports.registry import DEFINITIONS, Definition, find_definition
from reports.rows import Period
from reports.scopes import Cut, Scope
from tests.company import Company
from tests.reports.plant import failure, job, line, machine, outage
from tests.reports.working_life import Drawing, h

KNOWN = Known("Europe/Paris", "EUR", 1, 0, 0)
PERIOD = Period(h(0), h(60 * 24), h(200 * 24))

NEWEST: tuple[Definition, ...] = tuple(
    find_definition(kpi) for kpi in sorted({each.kpi for each in DEFINITIONS})
)


def questions() -> list[Question]:
    return [
        Question(definition, variant, Scope(), PERIOD)
        for definition in NEWEST
        for variant in definition.variants or ("",)
    ]


@asynccontextmanager
async def a_busy_customer(database: Database, company: Company) -> AsyncIterator[Session]:
    """Give a transaction with two months of work for one customer in it, and leave nothing behind."""
    async with Session(database.engine, expire_on_commit=False, autoflush=False) as session:
        await enter(session, company.id)
        await Drawing(session, company, 5).live()
        host = machine(company, "H-1", h(0))
        session.add(host)
        await session.flush()
        part = machine(
            company, "H-2", h(0), parent_id=host.id, serial="S-1", retired_at=h(300), name="Pump"
        )
        meter = Meter(tenant_id=company.id, asset_id=host.id, code="h", name="Hours", unit="h")
        session.add_all([part, meter])
        await session.flush()
        session.add_all([failure(part, h(299)), failure(host, h(20), restored_at=h(30))])
        session.add_all([outage(host, h(20), h(30)), outage(host, h(40), h(50), cause="planned")])
        session.add_all(
            MeterReading(tenant_id=company.id, meter_id=meter.id, read_at=h(at), value=Decimal(at))
            for at in (0, 500)
        )
        order = await job(
            session,
            company,
            "B-1",
            h(10),
            asset_id=host.id,
            contract_id=company.contract.id,
            work_done_at=h(30),
        )
        for payer in ("contract", "customer", "manufacturer", "undecided", "goodwill"):
            session.add(line(order, date(2026, 9, 10), "10.00", payer=payer, price=Decimal(20)))
        visits = [
            Visit(
                tenant_id=company.id,
                work_order_id=order.id,
                technician_id=company.technician.id,
                status="finished",
                planned_starts_at=h(n),
                planned_ends_at=h(n + 1),
                window_starts_at=h(n),
                window_ends_at=h(n + 2),
                dispatched_at=h(n),
                arrived_at=h(n),
                finished_at=h(n + 1),
                created_at=h(0),
            )
            for n in range(20, 26)
        ]
        session.add_all(visits)
        await session.flush()
        session.add_all(
            Rating(
                tenant_id=company.id,
                work_order_id=order.id,
                visit_id=visit.id,
                user_id=company.users["customer"].id,
                stars=5,
                nps=10,
                given_at=h(40),
            )
            for visit in visits
        )
        await session.flush()
        yield session


async def another_customers_user(session: Session, company: Company) -> Actor:
    """Return somebody with every permission there is, who belongs to a customer without any work."""
    other = Customer(tenant_id=company.id, number="C-2", name="Other", created_at=h(0))
    session.add(other)
    await session.flush()
    return replace(
        company.actors["customer"], customer_id=other.id, permissions=frozenset(Permission)
    )


async def test_a_customers_login_finds_its_own_work_and_nothing_of_another_in_any_figure(
    database: Database, company: Company
) -> None:
    """The company has one busy customer: its login sees what the company sees, another's sees nothing."""
    seen = set()
    async with a_busy_customer(database, company) as session:
        insider = replace(company.actors["customer"], permissions=frozenset(Permission))
        outsider = await another_customers_user(session, company)
        for question in questions():
            kpi, name = question.definition.kpi, f"{question.definition.kpi} {question.variant}"
            if name == "backlog weeks":
                with pytest.raises(Invalid, match="whole company"):
                    await queries.answer(session, insider, KNOWN, question)
                continue
            whole = await queries.answer(session, company.system, KNOWN, question)
            if whole.n or whole.excluded:
                seen.add(kpi)
            if Cut.CUSTOMER in question.definition.cuts:
                assert await queries.answer(session, insider, KNOWN, question) == whole, name
            found = await queries.answer(session, outsider, KNOWN, question)
            assert (found.n, found.excluded, found.provisional) == (0, {}, None), name
            assert not found.value, name
            assert await list_candidates(session, outsider, KNOWN, question, None, 9) == [], name
            cut = Cut.ASSET if Cut.ASSET in question.definition.cuts else Cut.CONTRACTOR
            assert await queries.table(session, outsider, KNOWN, question, cut) == [], name
    # What the company itself sees of this work: nothing above was empty for want of rows.
    unseen = {definition.kpi for definition in NEWEST} - seen
    assert unseen <= {"calibration", "contractor", "technician_pay"}


async def test_no_route_of_figures_tells_a_stranger_of_anothers_machine(
    app: Litestar, client: httpx.AsyncClient, company: Company, stranger: Company
) -> None:
    paths = {
        route.path_format for route in app.routes if route.path_format.startswith("/api/kpis/")
    }
    assert len(paths) >= 9
    for path in sorted(paths):
        kpi = "first_time_fix" if "funnel" in path else "mtbf"
        for owner, status in ((company, 200), (stranger, 404)):
            answer = await client.get(
                path.replace("{kpi}", kpi),
                params={
                    "scope": f"asset:{owner.asset.id}",
                    "by": "asset",
                    "from": h(0).isoformat(),
                    "to": (h(0) + timedelta(days=1)).isoformat(),
                    "as_of": "2026-01-01T00:00:00Z",
                },
                headers=company.headers["manager"],
            )
            assert answer.status_code == status, (path, answer.text)
