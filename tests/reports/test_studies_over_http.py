"""Figures beside each other over HTTP, figures about people, and who may read which."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy.dialects.postgresql import Range

from fsm.database import Database
from fsm.technicians.tables import Shift, Technician
from fsm.work_orders.tables import Visit
from reports.registry import DEFINITIONS
from tests.company import Company
from tests.reports.plant import failure, job, machine, outage, worked

FROM = datetime(2026, 2, 1, tzinfo=UTC)


def h(hours: float) -> datetime:
    return FROM + timedelta(hours=hours)


def window(hours: float, **more: Any) -> dict[str, Any]:
    return {"scope": "tenant", "from": FROM.isoformat(), "to": h(hours).isoformat(), **more}


async def ask(
    client: httpx.AsyncClient, company: Company, path: str, role: str = "manager", **params: Any
) -> Any:
    answer = await client.get(f"/api/kpis{path}", params=params, headers=company.headers[role])
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_every_figure_is_null_or_zero_with_a_reason_where_nothing_is_there(
    client: httpx.AsyncClient, company: Company
) -> None:
    before = {**window(1), "from": "2020-01-01T00:00:00Z", "to": "2020-02-01T00:00:00Z"}
    for definition in DEFINITIONS:
        for variant in definition.variants or (None,):
            asked = before | ({"variant": variant} if variant else {})
            found = await ask(client, company, f"/{definition.kpi}", **asked)
            assert (found["value"] is None) == (found["null_reason"] is not None)
            # Nothing was open: that is known.
            is_count = (definition.kpi, variant) == ("backlog", "count")
            assert found["value"] == (0 if is_count else None), definition.kpi


async def test_every_table_has_the_cuts_that_its_definition_names(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    async with database.transaction(company.id) as session:
        order = await job(session, company, "W-1", h(1), asset_id=company.asset.id)
        session.add(visit(company, order.id, company.technician.id, h(2), h(3)))
        session.add(worked(company, order, h(2), h(3)))
    for definition in {each.kpi: each for each in DEFINITIONS}.values():
        for by in ("asset", "region", "work_type", "contractor", "month"):
            answer = await client.get(
                f"/api/kpis/{definition.kpi}/table",
                params=window(9, by=by),
                headers=company.headers["manager"],
            )
            allowed = by in [str(cut) for cut in definition.cuts]
            assert answer.status_code == (200 if allowed else 422), (definition.kpi, by)
            if not allowed:
                assert answer.json()["errors"][0]["at"] == "/by"
            elif by == "month":
                assert [row["key"] for row in answer.json()["items"]] == ["2026-02"]


def visit(
    company: Company, job_id: Any, technician_id: Any, arrived: datetime, left: datetime
) -> Visit:
    return Visit(
        tenant_id=company.id,
        work_order_id=job_id,
        technician_id=technician_id,
        status="finished",
        planned_starts_at=arrived,
        planned_ends_at=left,
        window_starts_at=arrived,
        window_ends_at=left,
        arrived_at=arrived,
        finished_at=left,
        created_at=arrived,
    )


async def test_a_month_is_compared_with_the_month_before(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    async with database.transaction(company.id) as session:
        asset = machine(company, "M-1", h(-2000))
        session.add(asset)
        await session.flush()
        session.add_all([outage(asset, h(10), h(20)), outage(asset, h(-40), h(-35))])
    asked = {
        "scope": f"asset:{asset.id}",
        "from": "2026-02-01T00:00:00+01:00",
        "to": "2026-03-01T00:00:00+01:00",
    }
    found = await ask(client, company, "/downtime/comparison", **asked)
    assert (found["present"]["value"], found["before"]["value"], found["change"]) == (10, 5, 5)
    assert found["before"]["window"]["from"] == "2025-12-31T23:00:00Z"
    assert found["before"]["as_of"] == found["present"]["as_of"]
    assert found["is_clear"] is None
    none = await ask(client, company, "/mtbf/comparison", **asked)
    assert (none["change"], none["is_clear"]) == (None, None)


async def test_failures_that_crowd_at_the_end_are_found_among_many_assets(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    """1,000 h: ten failures in the last hundred on one machine, even ones on another, none on a third."""
    async with database.transaction(company.id) as session:
        worse, even, idle = (machine(company, f"M-{n}", FROM) for n in range(3))
        session.add_all([worse, even, idle])
        await session.flush()
        session.add_all(failure(worse, h(900 + 10 * n)) for n in range(10))
        session.add_all(failure(even, h(95 * (n + 1))) for n in range(10))
    found = await ask(client, company, "/mtbf/trend", **window(1000, by="asset"))
    by_key = {item["key"]: item for item in found["items"]}
    assert by_key[str(worse.id)]["direction"] == "deteriorating"
    assert by_key[str(even.id)]["direction"] == "no_trend"
    assert by_key[str(even.id)]["laplace_z"] == pytest.approx(0.25, abs=0.05)
    assert (by_key[str(idle.id)]["n"], by_key[str(idle.id)]["direction"]) == (0, None)
    assert by_key[str(worse.id)]["adjusted_p"] == pytest.approx(2 * by_key[str(worse.id)]["p"])
    assert by_key[str(worse.id)]["present_mtbf_h"] < 20
    whole = await ask(client, company, "/mtbf/trend", **window(1000))
    assert [item["n"] for item in whole["items"]] == [20]
    assert whole["items"][0]["direction"] == "deteriorating"


async def test_where_repair_time_goes_adds_up_and_leaves_the_inherent_availability(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    """Detected 8:00, restored 15:00; the split that the design works out by hand."""
    async with database.transaction(company.id) as session:
        asset = machine(company, "M-1", FROM)
        session.add(asset)
        await session.flush()
        broke = failure(asset, h(8), restored_at=h(15))
        session.add_all([broke, failure(asset, h(60))])
        await session.flush()
        order = await job(session, company, "W-1", h(8), asset_id=asset.id, failure_id=broke.id)
        for begins, ends, kind in (
            (9, 9.5, "travel"),
            (9.5, 11, "work"),
            (13, 13 + 2 / 3, "travel"),
            (13 + 2 / 3, 15, "work"),
            (13.5, 14, "travel"),
            (14, 15, "work"),
        ):
            session.add(worked(company, order, h(begins), h(ends), kind=kind))
    asked = window(100, scope=f"asset:{asset.id}")
    split = {
        part: (await ask(client, company, "/repair_split", variant=part, **asked))["value"]
        for part in ("hands_on", "travel", "wait")
    }
    expected = {"hands_on": 2 + 5 / 6, "travel": 1 + 1 / 6, "wait": 3}
    assert split == pytest.approx(expected)
    inherent = await ask(client, company, "/inherent_availability", **asked)
    assert inherent["value"] == pytest.approx(50 / 57)
    lineage = await ask(client, company, "/inherent_availability/lineage", **asked)
    sides = [sum(item[side] for item in lineage["items"]) for side in ("numerator", "denominator")]
    assert sides == pytest.approx([50, 57])
    notes = (await ask(client, company, "/restoration", **asked))["notes"]
    # One restored after 7 h, one still open after 40 h: half are over after 7.
    assert "detected_median_h:7.0" in notes


# --- people -----------------------------------------------------------------------------------------------


async def employ(database: Database, company: Company, count: int) -> list[Technician]:
    """Add people with a shift of 8 h, of which they work n hours."""
    async with database.transaction(company.id) as session:
        people = [
            Technician(tenant_id=company.id, number=f"N-{n}", name=f"N {n}") for n in range(count)
        ]
        session.add_all(people)
        order = await job(session, company, "W-1", h(0))
        for n, person in enumerate(people):
            session.add(
                Shift(tenant_id=company.id, technician_id=person.id, during=Range(h(8), h(16)))
            )
            session.add(worked(company, order, h(8), h(9 + n), technician_id=person.id))
    return people


async def test_the_figures_of_a_person_need_a_permission_of_their_own(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    people = await employ(database, company, 3)
    for path, more in (
        ("/utilisation/table", {"by": "technician"}),
        ("/utilisation/table.csv", {"by": "technician"}),
        ("/first_time_fix/table", {"by": "contractor"}),
        ("/on_time", {"scope": f"technician:{people[0].id}"}),
        ("/on_time/comparison", {"scope": f"technician:{people[0].id}"}),
        ("/utilisation/lineage", {}),
        ("/on_time/funnel", {}),
    ):
        answer = await client.get(
            f"/api/kpis{path}", params=window(24) | more, headers=company.headers["dispatcher"]
        )
        assert (answer.status_code, answer.json().get("needs")) == (403, "read_person_kpis"), path
    # Of three people together the figure would tell of each.
    few = await ask(client, company, "/utilisation", role="dispatcher", **window(24))
    assert (few["value"], few["null_reason"], few["numerator"]) == (None, "too_few", None)
    open_to_manager = await ask(client, company, "/utilisation", **window(24))
    assert open_to_manager["value"] == pytest.approx((1 + 2 + 3) / 24)


async def test_of_five_people_together_everybody_who_reads_figures_may_know(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    await employ(database, company, 5)
    found = await ask(client, company, "/utilisation", role="dispatcher", **window(24))
    assert found["value"] == pytest.approx((1 + 2 + 3 + 4 + 5) / 40)


async def test_people_stand_in_a_funnel_and_in_no_order_of_merit(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    """One person misses all of 12 windows that forty of others are kept in."""
    people = await employ(database, company, 3)
    async with database.transaction(company.id) as session:
        order = await job(session, company, "W-2", h(0))
        for n in range(12):
            late = visit(company, order.id, people[1].id, h(n), h(n) + timedelta(minutes=5))
            late.arrived_at, late.finished_at = h(n + 1), h(n + 2)
            session.add(late)
        for n in range(40):
            session.add(visit(company, order.id, people[n % 2 * 2].id, h(n / 2), h(n / 2 + 1)))
    found = await ask(client, company, "/on_time/funnel", **window(24))
    assert found["share"] == pytest.approx(40 / 52)
    outside = {item["key"]: item["is_outside"] for item in found["items"]}
    assert outside == {str(p.id): n == 1 for n, p in enumerate(people)}
    assert list(outside) == sorted(outside)
    refused = await client.get(
        "/api/kpis/utilisation/funnel", params=window(24), headers=company.headers["manager"]
    )
    assert (refused.status_code, refused.json()["errors"][0]["at"]) == (422, "/kpi")


@pytest.mark.parametrize(
    "path", ["/on_time/comparison", "/mtbf/trend", "/on_time/funnel", "/utilisation"]
)
async def test_a_strangers_people_and_work_are_not_there(
    client: httpx.AsyncClient, company: Company, stranger: Company, path: str
) -> None:
    scopes = ["technician", "work_type"] if path != "/mtbf/trend" else ["asset", "customer"]
    for cut in scopes if path != "/utilisation" else ["technician"]:
        answer = await client.get(
            f"/api/kpis{path}",
            params=window(9, scope=f"{cut}:{getattr(stranger, cut).id}"),
            headers=company.headers["manager"],
        )
        assert answer.status_code == 404, (path, cut)
