"""Pay by rules: by hand, frozen per period, late work in the next; contractors from the same ledger."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID

import httpx
from hypothesis import given
from hypothesis import strategies as st

from fsm.database import Database
from fsm.technicians.tables import Technician
from fsm.work_orders import field_work
from fsm.work_orders.tables import Visit
from reports.formulae.pay import Item, ItemKind, PayKind, Rule, earned, statement
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import dispatched_job
from tests.reports.plant import job, line

D = Decimal
MARCH = date(2026, 3, 1)


def rule(n: int, kind: PayKind, amount: str, **conditions: Any) -> Rule:
    return Rule(UUID(int=n), kind, D(amount), date(2026, 1, 1), None, conditions)


def item(n: int, kind: ItemKind, quantity: str = "1", **more: Any) -> Item:
    values = {"work_type": "repair", "maintenance": "corrective", "on": MARCH, **more}
    return Item(kind, UUID(int=n), values.pop("on"), D(quantity), **values)


def test_pieces_hours_kilometres_bonus_and_penalty_by_hand() -> None:
    """7.5 h at 20, 40.25 km at 0.30, two visits at 15; a bonus of 5 for the one on time, 8 off for rework."""
    rules = [
        rule(1, PayKind.HOUR, "20", cost_kinds=["labour"]),
        rule(2, PayKind.KM, "0.30"),
        rule(3, PayKind.PIECE, "15"),
        rule(4, PayKind.BONUS, "5", on_time=True),
        rule(5, PayKind.PENALTY, "8", is_rework=True),
    ]
    items = [
        item(1, ItemKind.HOUR, "7.5", cost_kind="labour"),
        item(2, ItemKind.HOUR, "2", cost_kind="travel"),
        item(3, ItemKind.KM, "40.25"),
        item(4, ItemKind.VISIT, on_time=True),
        item(5, ItemKind.VISIT, on_time=None, is_rework=True),
    ]
    paid = {key[0].int: D(0) for key in earned(rules, items, "EUR")}
    for key, (_, amount) in earned(rules, items, "EUR").items():
        paid[key[0].int] += amount
    assert paid == {1: D("150.00"), 2: D("12.08"), 3: D("30.00"), 4: D("5.00"), 5: D("-8.00")}


days = st.integers(0, 59).map(lambda n: MARCH + timedelta(n))
amounts = st.integers(-500, 500).filter(bool).map(str)
works = st.lists(st.tuples(st.uuids(), days, amounts), max_size=12, unique_by=lambda one: one[0])


@given(works, works)
def test_statements_together_pay_what_was_earned_once_however_late_it_arrived(
    early: list[Any], late: list[Any]
) -> None:
    """March is paid from what was known then, April from everything: together every item, each once."""
    rules = [rule(1, PayKind.HOUR, "10"), rule(2, PayKind.HOUR, "3", cost_kinds=["labour"])]

    def items(given_: list[Any]) -> list[Item]:
        return [
            Item(ItemKind.HOUR, id_, on, D(hours), "repair", "corrective", "labour")
            for id_, on, hours in given_
        ]

    known = {one[0] for one in early}
    late = [one for one in late if one[0] not in known]
    april, may = date(2026, 4, 1), date(2026, 5, 1)
    first = statement(earned(rules, items(early), "EUR"), {}, MARCH, april - timedelta(1))
    frozen = {
        (one.rule_id, one.item_kind, one.item_id): (one.worked_on, one.amount) for one in first
    }
    everything = earned(rules, items(early + late), "EUR")
    second = statement(everything, frozen, april, may - timedelta(1))
    assert not any(one.is_adjustment for one in first)
    assert all(one.is_adjustment == (one.worked_on < april) for one in second)
    total = sum(one.amount for one in (*first, *second))
    assert total == sum(amount for item_, amount in everything.values() if item_.on < may)
    both = {**frozen}
    for one in second:
        key = one.rule_id, one.item_kind, one.item_id
        both[key] = one.worked_on, both.get(key, (None, D(0)))[1] + one.amount
    assert statement(everything, both, may, date(2026, 5, 31)) == []


async def call(client: httpx.AsyncClient, company: Company, path: str, **body: Any) -> Any:
    answer = await client.post(path, json=body, headers=company.headers["manager"])
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_statement_is_frozen_and_a_late_correction_adjusts_the_next(
    client: httpx.AsyncClient, database: Database, company: Company, stranger: Company, clock: Clock
) -> None:
    who = str(company.technician.id)
    await call(
        client,
        company,
        "/api/pay-rules",
        code="hours",
        name="Hours",
        kind="hour",
        amount="20.00",
        starts_on="2026-01-01",
    )
    async with database.transaction(company.id) as session:
        done = await job(session, company, "W-1", clock())
        mine = {"technician_id": company.technician.id, "unit": "h"}
        first = line(done, date(2026, 3, 10), "60.00", quantity=D("3"), **mine)
        session.add(first)
    period = {"technician_id": who, "first_on": "2026-03-01", "last_on": "2026-03-15"}
    march = await call(client, company, "/api/pay-statements", **period)
    assert march["statement"]["total"] == "60.00"
    async with database.transaction(company.id) as session:
        session.add(
            line(
                done,
                date(2026, 3, 10),
                "-60.00",
                quantity=D("-3"),
                corrects_id=first.id,
                **mine,
            )
        )
        session.add(line(done, date(2026, 3, 10), "40.00", quantity=D("2"), **mine))
        session.add(line(done, date(2026, 3, 18), "20.00", quantity=D("1"), **mine))
    boss = company.headers["manager"]
    path = f"/api/pay-statements/{march['statement']['id']}"
    assert (await client.get(path, headers=boss)).json() == march
    again = await client.post("/api/pay-statements", json=period, headers=boss)
    assert again.status_code == 409
    rest = {**period, "first_on": "2026-03-16", "last_on": "2026-03-20"}
    asked = {"technician_id": who, "from": "2026-03-16", "to": "2026-03-20"}
    preview = await client.get("/api/pay-statements/preview", params=asked, headers=boss)
    assert (preview.json()["total"], preview.json()["adjustments"]) == ("0.00", "-20.00")
    second = await call(client, company, "/api/pay-statements", **rest)
    assert (second["statement"]["total"], second["statement"]["adjustments"]) == ("0.00", "-20.00")
    window = {"from": "2026-03-01T00:00:00+01:00", "to": "2026-03-20T00:00:00+01:00"}
    figure = await client.get(
        "/api/kpis/technician_pay",
        params={"scope": f"technician:{who}", **window},
        headers=boss,
    )
    assert (figure.json()["value"], figure.json()["n"]) == ("60.00", 4)
    shares = (await client.get(figure.json()["lineage"], headers=boss)).json()["items"]
    assert sum(D(share["numerator"]) for share in shares) == 60
    future = {**period, "first_on": "2026-03-21", "last_on": clock().date().isoformat()}
    assert (await client.post("/api/pay-statements", json=future, headers=boss)).status_code == 422
    for headers, status in (
        (stranger.headers["manager"], 404),
        (company.headers["dispatcher"], 403),
    ):
        assert (await client.get(path, headers=headers)).status_code == status


async def test_a_bonus_for_being_on_time_is_for_neither_early_nor_late(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    """The window is 9 to 11: early but waited, on the last stroke; begun early, late."""
    await call(
        client,
        company,
        "/api/pay-rules",
        code="punctual",
        name="Punctual",
        kind="bonus",
        amount="5.00",
        starts_on="2026-01-01",
        conditions={"on_time": True},
    )
    times = [("08:40", "09:00"), ("11:00", "11:00"), ("08:40", "08:45"), ("11:01", "11:01")]

    def at(time: str) -> datetime:
        return datetime.fromisoformat(f"2026-03-10T{time}:00+01:00")

    visits = []
    for arrived, began in times:
        done = await dispatched_job(database, company, clock)
        await done.do(field_work.start)
        await done.answer_all()
        await done.declare(digest := sha256(str(len(visits)).encode()).digest())
        await done.bytes_arrive(digest)
        await done.do(field_work.finish)
        assert (await done.row()).status == "completed"
        async with database.transaction(company.id) as session:
            visit = await session.get_one(Visit, (company.id, done.visit_id))
            visit.window_starts_at, visit.window_ends_at = at("09:00"), at("11:00")
            visit.arrived_at, visit.work_started_at = at(arrived), at(began)
            visit.finished_at = at("12:00")
        visits.append(done.visit_id)
    asked = {
        "technician_id": str(company.technician.id),
        "from": "2026-03-01",
        "to": "2026-03-31",
    }
    answer = await client.get(
        "/api/pay-statements/preview", params=asked, headers=company.headers["manager"]
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["total"] == "10.00"
    assert {line["item_id"] for line in answer.json()["lines"]} == {
        str(visit_id) for visit_id in visits[:2]
    }


async def test_a_contractors_bill_is_held_against_the_ledger(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    async with database.transaction(company.id) as session:
        who = await session.get_one(Technician, (company.id, company.technician.id))
        who.is_contractor = True
        done = await job(session, company, "W-1", clock())
        day = date(2026, 3, 10)
        mine = {"technician_id": who.id, "kind": "contractor"}
        session.add(line(done, day, "150.00", quantity=D(2), unit="h", **mine))
        session.add(line(done, day, "12.00", quantity=D(30), unit="km", **mine))
    bill = {
        "technician_id": str(company.technician.id),
        "number": "R-17",
        "first_on": "2026-03-01",
        "last_on": "2026-03-31",
        "amount": "180.00",
    }
    await call(client, company, "/api/contractors/invoices", **bill)
    boss = company.headers["manager"]
    twice = await client.post("/api/contractors/invoices", json=bill, headers=boss)
    assert twice.status_code == 409
    window = {"from": "2026-03-01", "to": "2026-03-31"}
    (found,) = (await client.get("/api/contractors/volumes", params=window, headers=boss)).json()
    assert [D(found[name]) for name in ("hours", "km", "due", "billed", "gap")] == [
        2,
        30,
        162,
        180,
        18,
    ]
