"""Figures of parts, counters, targets, contractors, warranty and ratings over HTTP, each by hand."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from uuid_utils.compat import uuid7

from fsm.assets.tables import Asset, Meter, MeterReading
from fsm.database import Database
from fsm.technicians.tables import Technician
from fsm.tenants.tables import Device
from fsm.work_orders.ratings.tables import Rating
from fsm.work_orders.tables import Visit
from mobile_api.tables import SyncDevice, SyncHead
from reports.statements.tables import ContractorInvoice
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import dispatched_job
from tests.reports.plant import failure, job, line, machine, outage
from tests.reports.test_claims import CLAIMS, send, warranted

FROM = datetime(2026, 2, 1, tzinfo=UTC)


def h(hours: float) -> datetime:
    return FROM + timedelta(hours=hours)


def window(hours: float, **more: Any) -> dict[str, Any]:
    return {"scope": "tenant", "from": FROM.isoformat(), "to": h(hours).isoformat(), **more}


async def ask(client: httpx.AsyncClient, company: Company, path: str, **params: Any) -> Any:
    answer = await client.get(f"/api/kpis{path}", params=params, headers=company.headers["manager"])
    assert answer.status_code == 200, answer.text
    return answer.json()


async def lineage(client: httpx.AsyncClient, company: Company, result: Any) -> Any:
    answer = await client.get(result["lineage"], headers=company.headers["manager"])
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


def notes(result: Any) -> dict[str, str]:
    return {name: said for name, _, said in (note.partition(":") for note in result["notes"])}


async def test_merged_outages_are_one_and_belong_to_the_window_in_which_they_end(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    """−10–6 and 6–10 are one of 20 h that began before the window; 30–40 one of 10; 90 on is open."""
    async with database.transaction(company.id) as session:
        asset = machine(company, "M-1", h(-1000))
        session.add(asset)
        await session.flush()
        session.add_all(
            [
                outage(asset, h(-10), h(6), cause="planned"),
                outage(asset, h(6), h(10)),
                outage(asset, h(30), h(40)),
                outage(asset, h(32), h(34), cause="operational"),
                outage(asset, h(50), h(60), cause="external"),
                outage(asset, h(90), None),
            ]
        )
    found = await ask(client, company, "/mdt", **window(100, scope=f"asset:{asset.id}"))
    assert (found["value"], found["n"]) == ((20 + 10) / 2, 2)
    assert found["excluded"] == {"external": 1, "open": 1}
    items = await lineage(client, company, found)
    assert len(items) == 6
    assert sum(item["numerator"] for item in items) == 30
    assert sum(item["denominator"] for item in items) == 2


# --- counters ---------------------------------------------------------------------------------------------


async def test_time_between_failures_is_read_from_the_counter(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    """0.5 h an hour until 10, 1 until 20 over a reset; a week more as it last ran, then as over all."""
    async with database.transaction(company.id) as session:
        asset, without = (machine(company, f"M-{n}", FROM) for n in (1, 2))
        session.add_all([asset, without])
        await session.flush()
        meter = Meter(tenant_id=company.id, asset_id=asset.id, code="h", name="Hours", unit="h")
        starts = Meter(tenant_id=company.id, asset_id=asset.id, code="a", name="Starts", unit="pc")
        session.add_all([meter, starts])
        await session.flush()
        session.add_all(
            MeterReading(
                tenant_id=company.id,
                meter_id=meter.id,
                read_at=h(at),
                value=Decimal(value),
                is_reset=is_reset,
            )
            for at, value, is_reset in ((0, 100, False), (10, 105, False), (20, 10, True))
        )
        session.add_all([failure(asset, h(5)), failure(asset, h(15)), failure(without, h(5))])
    asked = {"variant": "meter", "scope": f"model:{company.model.id}"}
    found = await ask(client, company, "/mtbf", **window(20, **asked))
    assert (found["definition"], found["value"], found["n"]) == (2, 15 / 2, 2)
    # The company's own asset has a meter that nobody read.
    assert found["excluded"] == {"no_meter": 3}
    assert set(notes(found)) & {"extrapolated_h", "by_duty_h"} == set()
    items = await lineage(client, company, found)
    assert sum(item["numerator"] for item in items) == 15
    assert [item["excluded"] for item in items].count("no_meter") == 3
    later = await ask(client, company, "/mtbf", **window(200, **asked))
    assert later["numerator"]["value"] == pytest.approx(15 + 168 * 1 + 12 * 15 / 20)
    assert float(notes(later)["extrapolated_h"]) == pytest.approx(168)
    assert float(notes(later)["by_duty_h"]) == pytest.approx(9)
    refused = await client.get(
        "/api/kpis/mtbf/trend",
        params=window(20, variant="meter"),
        headers=company.headers["manager"],
    )
    assert (refused.status_code, refused.json()["errors"][0]["at"]) == (422, "/variant")


# --- parts ------------------------------------------------------------------------------------------------


async def test_serial_parts_last_as_long_as_they_were_installed(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    """Five failed at 100 to 500 h, one was taken out whole at 50 h, one still runs at 600 h."""
    async with database.transaction(company.id) as session:
        session.add(host := machine(company, "M-1", FROM))
        await session.flush()
        lasted = [50, 100, 200, 300, 400, 500, None]
        parts: list[Asset] = [
            machine(
                company,
                f"P-{n}",
                FROM,
                parent_id=host.id,
                serial=f"S-{n}",
                retired_at=None if hours is None else h(hours),
            )
            for n, hours in enumerate(lasted)
        ]
        session.add_all(parts)
        await session.flush()
        session.add_all(
            failure(part, h(hours - 1))
            for part, hours in zip(parts, lasted, strict=True)
            if hours is not None and hours >= 100
        )
        # Put right before it was taken out.
        session.add(failure(parts[0], h(10), restored_at=h(12)))
    asked = {"scope": f"site:{company.site.id}"}
    found = await ask(client, company, "/mttf", **window(600, **asked))
    assert (found["value"], found["n"]) == ((50 + 1500 + 600) / 5, 5)
    said = notes(found)
    assert (said["parts"], said["running"], said["other_removals"]) == ("7", "1", "1")
    assert float(said["median_h"]) == 300
    assert float(said["weibull_shape"]) > 1
    items = await lineage(client, company, found)
    assert sum(item["numerator"] for item in items) == 2150
    assert sum(item["denominator"] for item in items) == 5
    fewer = await ask(client, company, "/mttf", **window(450, **asked))
    assert (fewer["n"], "median_h" in notes(fewer)) == (4, False)
    none = await ask(client, company, "/mttf", **window(40, **asked))
    assert (none["value"], none["null_reason"]) == (None, "no_failures")


async def test_what_a_contract_promises_stands_beside_its_availability(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    """98 % of 100 h leave two to lose; one is lost."""
    async with database.transaction(company.id) as session:
        session.add(outage(company.asset, h(10), h(11)))
    path, boss = f"/api/contracts/{company.contract.id}", company.headers["manager"]
    rev = (await client.get(path, headers=boss)).json()["rev"]
    for target, status in (("1.01", 422), ("0.98", 200)):
        body = {"rev": rev, "availability_target": target}
        answer = await client.patch(path, json=body, headers=boss)
        assert answer.status_code == status, answer.text
    assert Decimal(answer.json()["availability_target"]) == Decimal("0.98")
    asked = window(100, scope=f"contract:{company.contract.id}")
    found = await ask(client, company, "/availability", **asked)
    assert found["value"] == pytest.approx(0.99)
    assert notes(found)["target"] == "0.98"
    assert float(notes(found)["downtime_left_h"]) == pytest.approx(1)
    table = await ask(client, company, "/availability/table", **window(100, by="contract"))
    (row,) = [row for row in table["items"] if row["key"] == str(company.contract.id)]
    assert row["result"]["notes"] == found["notes"]
    whole = await ask(client, company, "/availability", **window(100))
    assert "target" not in notes(whole)


# --- money ------------------------------------------------------------------------------------------------


async def test_contractors_are_counted_on_the_companys_own_days(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    """Midnight in Paris is 23:00 of the day before in UTC: that visit is March's; the last one is April's."""
    async with database.transaction(company.id) as session:
        who = await session.get_one(Technician, (company.id, company.technician.id))
        who.is_contractor = True
        done = await job(session, company, "W-1", datetime(2026, 2, 20, tzinfo=UTC))
        for at, status in (
            (datetime(2026, 2, 28, 23, tzinfo=UTC), "finished"),
            (datetime(2026, 3, 10, 9, tzinfo=UTC), "rejected"),
            (datetime(2026, 3, 11, 9, tzinfo=UTC), "withdrawn"),
            (datetime(2026, 3, 31, 22, tzinfo=UTC), "finished"),
        ):
            session.add(
                Visit(
                    tenant_id=company.id,
                    work_order_id=done.id,
                    technician_id=who.id,
                    status=status,
                    planned_starts_at=at,
                    planned_ends_at=at + timedelta(hours=1),
                    dispatched_at=datetime(2026, 2, 20, tzinfo=UTC),
                    created_at=datetime(2026, 2, 20, tzinfo=UTC),
                )
            )
        mine = {"technician_id": who.id, "kind": "contractor"}
        session.add(line(done, date(2026, 3, 10), "150.00", quantity=Decimal(2), unit="h", **mine))
        session.add(line(done, date(2026, 3, 10), "12.00", quantity=Decimal(30), unit="km", **mine))
        session.add(
            ContractorInvoice(
                tenant_id=company.id,
                technician_id=who.id,
                number="R-1",
                first_on=date(2026, 3, 1),
                last_on=date(2026, 3, 31),
                amount=Decimal("180.00"),
                currency="EUR",
                recorded_at=clock(),
            )
        )
    clock.now = datetime(2026, 4, 10, tzinfo=UTC)
    company.sign_in("manager", clock())
    asked = {
        "scope": f"contractor:{company.technician.id}",
        "from": "2026-03-01T00:00:00+01:00",
        "to": "2026-04-01T00:00:00+02:00",
    }
    expected: dict[str, tuple[float | str, str]] = {
        "accepted": (1 / 2, "ratio"),
        "hours": ("2.0000", "h"),
        "km": ("30.0000", "km"),
        "due": ("162.00", "EUR"),
        "billed": ("180.00", "EUR"),
        "gap": ("18.00", "EUR"),
    }
    for variant, (value, unit) in expected.items():
        found = await ask(client, company, "/contractor", variant=variant, **asked)
        assert (found["value"], found["unit"]) == (value, unit), variant
        items = await lineage(client, company, found)
        total = sum(Decimal(str(item["numerator"])) for item in items)
        assert total == Decimal(str(found["numerator"]["value"])), variant
        taken_back = {"withdrawn": 1} if variant == "accepted" else {}
        assert found["excluded"] == taken_back, "the contractor did not refuse it"
    days = {"from": "2026-03-01", "to": "2026-03-31"}
    boss = company.headers["manager"]
    (row,) = (await client.get("/api/contractors/volumes", params=days, headers=boss)).json()
    assert (row["offered"], row["accepted"]) == (2, 1)


async def test_warranty_comes_back_by_the_day_of_decision(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    """84 € are claimed; 70 granted, of which 50 have come; the last 20 come three days after the claim."""
    order = await dispatched_job(database, company, clock)
    await warranted(client, order)
    day = timedelta(days=1)

    async def recovery(variant: str) -> Any:
        begins = clock().replace(hour=0) - 10 * day
        asked = {"from": begins.isoformat(), "to": (begins + 40 * day).isoformat()}
        return await ask(
            client, company, "/warranty_recovery", scope="tenant", variant=variant, **asked
        )

    clock.now += day
    assert (await recovery("claimed"))["value"] == 0
    claim = await send(client, company, CLAIMS, work_order_id=str(order.id), number="WC-1")
    clock.now += timedelta(hours=1)
    assert (await recovery("claimed"))["value"] == 1
    waiting = await recovery("paid")
    assert (waiting["value"], waiting["null_reason"]) == (None, "nothing_due")
    assert waiting["excluded"] == {"open": 2}
    clock.now += timedelta(hours=23)
    path = f"{CLAIMS}/{claim['id']}"
    await send(client, company, f"{path}/decision", approved="70.00", ground="Travel is not ours")
    await send(client, company, f"{path}/payments", amount="50.00", paid_on="2026-03-24")
    clock.now += timedelta(hours=1)
    found = await recovery("paid")
    assert found["value"] == pytest.approx(50 / 84)
    assert found["denominator"] == {"value": "84.00", "unit": "EUR"}
    assert (await recovery("days"))["value"] is None
    clock.now += timedelta(hours=47)
    await send(client, company, f"{path}/payments", amount="20.00", paid_on="2026-03-26")
    clock.now += day
    assert (await recovery("paid"))["value"] == pytest.approx(70 / 84)
    lasted = await recovery("days")
    assert (lasted["value"], lasted["unit"], lasted["n"]) == (3, "d", 1)
    items = await lineage(client, company, await recovery("paid"))
    assert sum(Decimal(item["numerator"]) for item in items) == pytest.approx(Decimal(70))


# --- what customers said ----------------------------------------------------------------------------------


async def test_customers_are_counted_by_their_last_word_and_never_fewer_than_five(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    said: list[tuple[int, int | None] | None] = [
        *((5, 10), (4, 9), (4, 9), (2, 7), (1, 3), (5, None)),
        None,
    ]
    async with database.transaction(company.id) as session:
        order = await job(session, company, "W-1", FROM)
        for n, answer in enumerate(said):
            visit = Visit(
                tenant_id=company.id,
                work_order_id=order.id,
                technician_id=company.technician.id,
                status="finished",
                planned_starts_at=h(n),
                planned_ends_at=h(n + 1),
                arrived_at=h(n),
                finished_at=h(n + 1),
                created_at=FROM,
            )
            session.add(visit)
            await session.flush()
            first_thought = [(1, 0)] if n == 0 else []
            for later, (stars, nps) in enumerate(
                [*first_thought, *([] if answer is None else [answer])]
            ):
                session.add(
                    Rating(
                        tenant_id=company.id,
                        work_order_id=order.id,
                        visit_id=visit.id,
                        user_id=company.users["customer"].id,
                        stars=stars,
                        nps=nps,
                        given_at=h(n + 2 + later),
                    )
                )
    found = await ask(client, company, "/csat", **window(10))
    assert (found["value"], found["n"], found["excluded"]) == (4 / 6, 6, {"not_rated": 1})
    would = await ask(client, company, "/nps", **window(10))
    assert (would["value"], would["n"]) == ((3 - 1) / 5, 5)
    assert would["excluded"] == {"not_answered": 1, "not_rated": 1}
    few = await ask(client, company, "/csat", **window(5))
    assert (few["value"], few["null_reason"], few["n"]) == (None, "too_few", 4)
    before = await ask(client, company, "/csat", as_of=h(2.5).isoformat(), **window(10))
    assert before["numerator"]["value"] == 0


# --- phones that have not told ----------------------------------------------------------------------------


async def test_a_phone_that_is_behind_makes_the_figures_of_its_visits_provisional(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    async with database.transaction(company.id) as session:
        order = await job(session, company, "W-1", FROM, asset_id=company.asset.id)
        device = Device(
            tenant_id=company.id,
            user_id=company.users["technician"].id,
            install_id="phone",
            token_hash=b"x" * 32,
            registered_at=FROM,
        )
        visit = Visit(
            tenant_id=company.id,
            work_order_id=order.id,
            technician_id=company.technician.id,
            status="dispatched",
            planned_starts_at=h(10),
            planned_ends_at=h(11),
            created_at=FROM,
        )
        session.add_all([device, visit])
    because = {"until": None, "because": ["devices_not_synced"]}

    async def provisional(hours: float, scope: str = "tenant") -> Any:
        found = await ask(client, company, "/mtbf", **window(hours, scope=scope))
        return found["provisional"]

    assert await provisional(20) == because
    assert await provisional(20, f"asset:{company.asset.id}") == because
    assert await provisional(5) is None
    async with database.transaction(company.id) as session:
        session.add(elsewhere := machine(company, "M-2", FROM))
    assert await provisional(20, f"asset:{elsewhere.id}") is None
    async with database.transaction(company.id) as session:
        session.add(SyncHead(tenant_id=company.id, head=7, epoch=uuid7()))
        session.add(SyncDevice(tenant_id=company.id, device_id=device.id, outbox_empty_at=7))
    assert await provisional(20) is None
