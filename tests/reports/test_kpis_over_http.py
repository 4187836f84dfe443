"""Figures as a manager asks for them: over HTTP, from rows in a real database."""

import csv
import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from fsm import events
from fsm.actors import Permission
from fsm.customers.tables import Customer, Site
from fsm.database import Database
from fsm.languages import LANGUAGES
from fsm.problems import NotFound
from reports import queries
from reports.questions import Question
from reports.registry import find_definition
from reports.rows import Period
from reports.scopes import Cut, Scope
from tests.company import Company
from tests.conftest import Clock
from tests.reports.plant import failure, machine, outage

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


# --- what there is ----------------------------------------------------------------------------------------


async def test_the_registry_says_how_each_figure_is_computed_in_both_languages(
    client: httpx.AsyncClient, company: Company
) -> None:
    items = (await ask(client, company, "/"))["items"]
    assert {item["kpi"] for item in items} >= {
        *("mtbf", "restoration", "availability", "downtime", "cost", "mrt", "mart"),
    }
    for item in items:
        assert item["formula"]
        for texts in (item["names"], item["docs"]):
            assert set(texts) == set(LANGUAGES)
            assert len(set(texts.values())) == len(LANGUAGES)


async def test_mttr_is_given_as_its_three_meanings_and_never_as_one_figure(
    client: httpx.AsyncClient, company: Company
) -> None:
    found = await ask(client, company, "/mttr", **window(100))
    assert [each["kpi"] for each in found["meanings"]] == ["restoration", "mrt", "mart"]
    assert set(found["detail"]) == set(LANGUAGES)
    refused = await client.get(
        "/api/kpis/mttr/table",
        params=window(100, by="asset"),
        headers=company.headers["manager"],
    )
    assert refused.status_code == 404
    assert refused.json()["meanings"] == ["restoration", "mrt", "mart"]


# --- one figure -------------------------------------------------------------------------------------------


async def test_what_one_machine_did_adds_up_by_hand(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    """100 h: down 10–20 (failure), 40–44 (planned), 50–60 (external), degraded 70–75."""
    async with database.transaction(company.id) as session:
        asset = machine(company, "M-1", FROM - timedelta(days=30))
        session.add(asset)
        await session.flush()
        broke = failure(asset, h(10), restored_at=h(20))
        worse = failure(asset, h(70), restored_at=h(75))
        power = failure(asset, h(50), restored_at=h(60))
        session.add_all(
            [
                broke,
                worse,
                power,
                failure(asset, h(10)),
                failure(asset, h(30), exclusion="misuse"),
            ]
        )
        await session.flush()
        session.add_all(
            [
                outage(asset, h(10), h(20), failure_id=broke.id),
                outage(asset, h(40), h(44), cause="planned"),
                outage(asset, h(50), h(60), cause="external", failure_id=power.id),
                outage(asset, h(70), h(75), is_degraded=True, failure_id=worse.id),
            ]
        )
    asked = window(100, scope=f"asset:{asset.id}")
    mtbf = await ask(client, company, "/mtbf", **asked)
    assert (mtbf["value"], mtbf["n"]) == (100 - 10 - 10 - 4, 1)
    assert mtbf["excluded"] == {"degraded": 1, "external": 1, "misuse": 1, "same_instant": 1}
    assert mtbf["numerator"] == {"value": 76, "unit": "h"}
    assert mtbf["interval"]["method"] == "poisson_exposure"
    calendar = await ask(client, company, "/mtbf", variant="calendar", **asked)
    assert calendar["value"] == 100
    available = await ask(client, company, "/availability", **asked)
    assert available["value"] == pytest.approx(76 / 90)
    unplanned = await ask(client, company, "/availability", variant="planned_out", **asked)
    assert unplanned["value"] == pytest.approx(76 / 86)
    by_cause = {"total": 14, "failure": 10, "planned": 4, "operational": 0, "degraded": 5}
    for cause, hours in by_cause.items():
        down = await ask(client, company, "/downtime", variant=cause, **asked)
        assert down["value"] == hours, cause
    restored = await ask(client, company, "/restoration", **asked)
    assert (restored["value"], restored["n"]) == (10, 1)
    assert "open_faults:1" in restored["notes"]
    earlier = await ask(client, company, "/downtime", as_of=h(15).isoformat(), **asked)
    assert earlier["value"] == 5


async def test_a_figure_that_divides_by_nothing_is_null_and_says_why(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    before = {**window(100), "from": "2020-01-01T00:00:00Z", "to": "2020-02-01T00:00:00Z"}
    for kpi, reason in {
        "mtbf": "no_exposure",
        "availability": "no_exposure",
        "downtime": "no_exposure",
        "restoration": "no_failures",
        "mrt": "no_failures",
        "mart": "no_failures",
        "cost": "too_few",
    }.items():
        found = await ask(client, company, f"/{kpi}", **before)
        assert (found["value"], found["null_reason"]) == (None, reason), kpi
    quiet = await ask(client, company, "/mtbf", **window(100))
    assert (quiet["value"], quiet["null_reason"]) == (None, "no_failures")
    assert quiet["interval"]["low"] > 0
    assert quiet["interval"]["high"] is None


async def test_a_contract_that_changes_hands_divides_the_time_at_local_midnight(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    """The company's contract begins on 2025-01-01 in Paris, which is 2024-12-31 23:00 UTC."""
    asked = {"from": "2024-12-31T00:00:00Z", "to": "2025-01-02T00:00:00Z"}
    async with database.transaction(company.id) as session:
        asset = await session.get_one(type(company.asset), (company.id, company.asset.id))
        asset.in_service_from = datetime(2024, 1, 1, tzinfo=UTC)
    on = await ask(client, company, "/mtbf", scope=f"contract:{company.contract.id}", **asked)
    off = await ask(client, company, "/mtbf", scope="contract:none", **asked)
    assert (on["numerator"]["value"], off["numerator"]["value"]) == (25, 23)
    table = await ask(client, company, "/mtbf/table", by="contract", scope="tenant", **asked)
    assert [(row["key"], row["number"]) for row in table["items"]] == [
        (str(company.contract.id), "K-1"),
        ("none", ""),
    ]
    assert sum(row["result"]["numerator"]["value"] for row in table["items"]) == 48


# --- when it was true -------------------------------------------------------------------------------------


async def test_the_watermark_is_the_last_sealed_event_and_late_events_are_counted(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    before = await ask(client, company, "/mtbf", **window(100))
    assert before["watermark"] == 0
    assert any(note.startswith("unsealed_events:") for note in before["notes"])
    async with database.transaction(company.id) as session:
        sealed = await events.seal(session, company.id, clock())
    asked = window(100, as_of=clock().isoformat())
    after = await ask(client, company, "/mtbf", **asked)
    assert (after["watermark"], after["late_events"]) == (sealed, 0)
    assert after["notes"] == ["time_base:operating"]
    async with database.transaction(company.id) as session:
        occurred = clock()
        now = clock.forward(hours=2)
        await events.record(
            session,
            company.system,
            "visit.finished",
            "visit",
            uuid4(),
            now=now,
            occurred=events.Occurrence(occurred, occurred, occurred),
        )
    async with database.transaction(company.id) as session:
        await events.seal(session, company.id, now)
    again = await ask(client, company, "/mtbf", **asked)
    assert (again["watermark"], again["late_events"]) == (sealed + 1, 1)


async def test_the_same_question_gets_the_same_bytes(
    client: httpx.AsyncClient, company: Company, clock: Clock
) -> None:
    asked = window(2_000, as_of=clock().isoformat())
    first, second = [
        await client.get("/api/kpis/mtbf", params=asked, headers=company.headers["manager"])
        for _ in range(2)
    ]
    assert first.content == second.content


async def test_an_edit_in_the_middle_of_a_report_is_not_seen(
    database: Database, company: Company
) -> None:
    async with database.transaction(company.id) as session:
        await queries.begin_snapshot(session)
        before = await queries.find_known(session, company.system, FROM)
        async with database.transaction(company.id) as other:
            await events.seal(other, company.id, FROM)
        assert await queries.find_known(session, company.system, FROM) == before


async def test_the_lineage_named_by_a_figure_lists_what_it_counted(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    async with database.transaction(company.id) as session:
        session.add_all(
            [
                failure(company.asset, h(hour), exclusion=code)
                for hour, code in ((1, None), (2, "x"))
            ]
        )
    figure = await ask(client, company, "/mtbf", **window(100))
    pages: list[Any] = []
    address = f"{figure['lineage']}&limit=1"
    while address:
        answer = await client.get(address, headers=company.headers["manager"])
        assert answer.status_code == 200, answer.text
        page = answer.json()
        pages += page["items"]
        following = page["next"]
        address = following and f"{figure['lineage']}&limit=1&after={following}"
    assert [(item["kind"], item["excluded"]) for item in pages] == [
        ("asset", None),
        ("failure", None),
        ("failure", "x"),
    ]
    assert sum(item["numerator"] for item in pages) == figure["numerator"]["value"] == 100
    assert sum(item["denominator"] for item in pages) == figure["denominator"]["value"] == 1


# --- tables -----------------------------------------------------------------------------------------------


async def test_csv_has_the_numbers_of_json_and_no_formulae(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    names = ['=HYPERLINK("x")', "+1", "-1", "@x", "\tx", 'plain, "quoted"\r\nand long', "Лифт"]
    async with database.transaction(company.id) as session:
        for count, name in enumerate(names):
            asset = machine(company, f"={count}", FROM - timedelta(days=3), name=name)
            session.add(asset)
            await session.flush()
            session.add_all(failure(asset, h(hour / 7)) for hour in range(count))
    asked = window(100, by="asset")
    table = await ask(client, company, "/mtbf/table", limit=500, **asked)
    answer = await client.get(
        "/api/kpis/mtbf/table.csv", params=asked, headers=company.headers["manager"]
    )
    assert answer.headers["content-type"].startswith("text/csv; charset=utf-8")
    text = answer.content.decode()
    assert (
        text.count("\r\n") == len(names) + 1 + 1 + 1
    )  # header, the company's own asset, one inside a name
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert len(rows) == len(table["items"]) == len(names) + 1
    for row, item in zip(rows, table["items"], strict=True):
        result = item["result"]
        assert row["id"] == item["key"]
        assert row["value"] == ("" if result["value"] is None else repr(result["value"]))
        assert float(row["numerator"]) == result["numerator"]["value"]
        assert float(row["interval_low"]) == result["interval"]["low"]
        assert (row["as_of"], row["watermark"]) == (result["as_of"], str(result["watermark"]))
        assert row["definition"] == str(result["definition"])
        assert row["from"] == result["window"]["from"]
        assert row["name"].removeprefix("'") == item["name"]
    for field in ("number", "name"):
        assert not [row for row in rows if row[field].startswith(("=", "+", "-", "@", "\t"))]
    assert {row["name"] for row in rows} >= {'\'=HYPERLINK("x")', "Лифт"}


async def test_csv_for_spreadsheets_that_write_a_comma_in_numbers(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    async with database.transaction(company.id) as session:
        session.add_all(failure(company.asset, h(hour)) for hour in range(7))
    answer = await client.get(
        "/api/kpis/mtbf/table.csv",
        params=window(100, by="asset", separator="semicolon", decimal_sign="comma"),
        headers=company.headers["manager"],
    )
    (row,) = csv.DictReader(io.StringIO(answer.text, newline=""), delimiter=";")
    assert float(row["value"].replace(",", ".")) == 100 / 7
    assert "," in row["value"]


async def test_a_table_is_read_in_pages_without_a_row_lost_or_twice(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    async with database.transaction(company.id) as session:
        session.add_all(machine(company, f"M-{n}", FROM) for n in range(6))
    for kpi in ("mtbf", "restoration", "mart"):
        seen: list[str] = []
        more: dict[str, str] = {}
        while True:
            page = await ask(
                client, company, f"/{kpi}/table", by="asset", limit=3, **window(9), **more
            )
            seen += [item["key"] for item in page["items"]]
            if page["next"] is None:
                break
            more = {"after": page["next"]}
        assert len(seen) == len(set(seen)) == 7


# --- who may ask, and what is refused ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/", "/mtbf", "/mttr", "/mtbf/table", "/mtbf/table.csv", "/mtbf/lineage"]
)
async def test_whoever_may_not_read_figures_gets_none(
    client: httpx.AsyncClient, company: Company, path: str
) -> None:
    for role in ("technician", "customer"):
        answer = await client.get(
            f"/api/kpis{path}", params=window(9, by="asset"), headers=company.headers[role]
        )
        assert (answer.status_code, answer.json()["needs"]) == (403, "read_kpis")


async def test_cost_needs_a_permission_of_its_own(
    client: httpx.AsyncClient, company: Company
) -> None:
    for path in ("/cost", "/cost/table", "/cost/table.csv", "/cost/lineage"):
        answer = await client.get(
            f"/api/kpis{path}",
            params=window(9, by="asset"),
            headers=company.headers["dispatcher"],
        )
        assert (answer.status_code, answer.json()["needs"]) == (403, "read_costs")


async def test_another_companys_things_are_not_there(
    client: httpx.AsyncClient, company: Company, stranger: Company
) -> None:
    for scope in (
        f"asset:{stranger.asset.id}",
        f"contract:{stranger.contract.id}",
        f"site:{stranger.site.id}",
        f"customer:{stranger.customer.id}",
        f"model:{stranger.model.id}",
        f"asset:{uuid4()}",
    ):
        for path in ("/mtbf", "/restoration/lineage"):
            answer = await client.get(
                f"/api/kpis{path}",
                params=window(9, scope=scope),
                headers=company.headers["manager"],
            )
            assert answer.status_code == 404, scope
    own = await ask(client, company, "/mtbf/table", by="asset", **window(9))
    assert [row["number"] for row in own["items"]] == ["A-1"]


async def test_a_customers_user_who_may_read_figures_sees_only_that_customer(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    """No first role gives it; roles are data, so an administrator may."""
    async with database.transaction(company.id) as session:
        other = Customer(tenant_id=company.id, number="C-2", name="Other", created_at=FROM)
        session.add(other)
        await session.flush()
        site = Site(
            tenant_id=company.id, customer_id=other.id, number="S-2", name="Other", created_at=FROM
        )
        session.add(site)
        await session.flush()
        hidden = machine(company, "M-9", FROM, customer_id=other.id, site_id=site.id)
        session.add(hidden)
        await session.flush()
        session.add(failure(hidden, h(1)))
    actor = replace(company.actors["customer"], permissions=frozenset({Permission.READ_KPIS}))
    question = Question(find_definition("mtbf"), "operating", Scope(), Period(FROM, h(100), h(100)))
    async with database.transaction(company.id) as session:
        known = await queries.find_known(session, actor, h(100))
        rows = await queries.table(session, actor, known, question, Cut.ASSET)
        assert [row.number for row in rows] == ["A-1"]
        assert (await queries.answer(session, actor, known, question)).n == 0
        assert (await queries.answer(session, company.system, known, question)).n == 1
        for cut, key in (("asset", hidden.id), ("site", site.id), ("customer", other.id)):
            scope = Scope(((Cut(cut), key),))
            with pytest.raises(NotFound):
                await queries.check_scope(session, actor, scope)


@pytest.mark.parametrize(
    ("path", "changed", "at"),
    [
        ("/mtbf", {"from": "2026-02-01T00:00:00"}, "/from"),
        ("/mtbf", {"to": "2026-02-01"}, "/to"),
        ("/mtbf", {"from": "yesterday"}, "/from"),
        ("/mtbf", {"from": "0001-01-01T00:00:00+14:00"}, "/from"),
        ("/mtbf", {"to": "9999-12-31T23:59:59-14:00"}, "/to"),
        ("/mtbf", {"from": "2026-02-02T00:00:00Z", "to": "2026-02-01T00:00:00Z"}, "/to"),
        ("/mtbf", {"as_of": "2027-01-01T00:00:00Z"}, "/as_of"),
        ("/mtbf", {"scope": "everything"}, "/scope"),
        ("/mtbf", {"scope": "asset:17"}, "/scope"),
        ("/mtbf", {"scope": "tenant:1"}, "/scope"),
        ("/mtbf", {"scope": "site:none"}, "/scope"),
        ("/mtbf", {"scope": "asset:none,asset:none"}, "/scope"),
        ("/mtbf", {"scope": "asset:ffffffff-ffff-ffff-ffff-ffffffffffff"}, "/scope"),
        ("/mtbf", {"variant": "moon"}, "/variant"),
        ("/mtbf", {"currency": "EUR"}, "/currency"),
        ("/mtbf/table", {"by": "moon"}, "/by"),
        ("/mtbf/table", {"by": "asset", "after": "17"}, "/after"),
        ("/mtbf/lineage", {"after": "cost:17"}, "/after"),
        ("/mtbf/lineage", {"after": "asset:17"}, "/after"),
    ],
)
async def test_a_question_that_makes_no_sense_is_refused_by_name(
    client: httpx.AsyncClient, company: Company, path: str, changed: dict[str, str], at: str
) -> None:
    answer = await client.get(
        f"/api/kpis{path}", params=window(9) | changed, headers=company.headers["manager"]
    )
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["at"] == at


async def test_an_unknown_figure_is_not_found_and_the_known_ones_are_named(
    client: httpx.AsyncClient, company: Company
) -> None:
    answer = await client.get(
        "/api/kpis/happiness", params=window(9), headers=company.headers["manager"]
    )
    assert answer.status_code == 404
    assert "mtbf" in answer.json()["detail"]
