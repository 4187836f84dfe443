"""The golden figures from rows in a real database, asked for over HTTP, at a relative tolerance of 1e-9.

The keys that speak of time per asset are here; the calendar's own (`business_time_paris`) is no figure of the
registry and is held in `test_golden`. Outside data lies in the folder that FSM_TEST_DATA names.
"""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from fsm.database import Database
from tests.company import Company
from tests.reports.plant import failure, machine, outage

START = datetime(2015, 1, 1, 6, tzinfo=UTC)

exactly = {"rel": 1e-9, "abs": 0}


@pytest.fixture
def golden(test_data: Path) -> dict[str, Any]:
    return json.loads((test_data / "golden_kpi.json").read_text())


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


async def ask(client: httpx.AsyncClient, company: Company, path: str, **params: Any) -> Any:
    answer = await client.get(f"/api/kpis{path}", params=params, headers=company.headers["manager"])
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("key", ["nist_8.2.3.4", "zero_failures", "delayed_entry"])
async def test_time_between_failures(
    client: httpx.AsyncClient,
    database: Database,
    company: Company,
    golden: dict[str, Any],
    key: str,
) -> None:
    expected = golden[key]
    async with database.transaction(company.id) as session:
        asset = machine(company, key, at(expected.get("tl", 0)))
        session.add(asset)
        await session.flush()
        session.add_all(failure(asset, at(hours)) for hours in expected.get("times", []))
    found = await ask(
        client,
        company,
        "/mtbf",
        scope=f"asset:{asset.id}",
        **{"from": START.isoformat(), "to": at(expected["T"]).isoformat()},
    )
    if expected["mtbf"] is None:
        assert (found["value"], found["null_reason"]) == (None, "no_failures")
        assert found["interval"]["low"] == pytest.approx(expected["lower90"], **exactly)
        assert found["interval"]["high"] is None
    else:
        assert found["value"] == pytest.approx(expected["mtbf"], **exactly)
    if "ci90" in expected:
        bounds = [found["interval"]["low"], found["interval"]["high"]]
        assert bounds == pytest.approx(expected["ci90"], **exactly)


async def test_merged_downtime(
    client: httpx.AsyncClient, database: Database, company: Company, golden: dict[str, Any]
) -> None:
    day = datetime(2026, 3, 1, tzinfo=UTC)

    def on_day(text: str) -> datetime:
        return day + timedelta(hours=int(text[:2]), minutes=int(text[3:]))

    asked = 0
    for case in golden["downtime_merge"]:
        async with database.transaction(company.id) as session:
            asset = machine(company, case["name"], day)
            session.add(asset)
            await session.flush()
            session.add_all(
                outage(asset, on_day(begins), ends and on_day(ends)) for begins, ends in case["iv"]
            )
        begins, ends = map(on_day, case.get("window", ["00:00", "24:00"]))
        question: dict[str, Any] = {
            "scope": f"asset:{asset.id}",
            "from": begins.isoformat(),
            "to": ends.isoformat(),
        }
        expected = case.get("down_h", 9)
        if "down_h" not in case:
            question["as_of"] = on_day("17:00").isoformat()
        found = await ask(client, company, "/downtime", **question)
        assert found["value"] == pytest.approx(expected, **exactly), case["name"]
        asked += 1
    assert asked == 5


async def test_a_year_of_recorded_failures_of_a_hundred_machines(
    client: httpx.AsyncClient,
    database: Database,
    company: Company,
    golden: dict[str, Any],
    test_data: Path,
) -> None:
    """One event per machine and hour, though several components fail in it; UTC."""
    expected = golden["azure_pdm_2015"]
    with (test_data / "real" / "PdM_failures.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    async with database.transaction(company.id) as session:
        machines = {
            str(number): machine(company, f"{number}", START)
            for number in range(1, expected["machines"] + 1)
        }
        session.add_all(machines.values())
        await session.flush()
        for row in rows:
            when = datetime.fromisoformat(row["datetime"]).replace(tzinfo=UTC)
            session.add(failure(machines[row["machineID"]], when, mode=row["failure"]))
    begins, ends = expected["window"]
    asked = {"from": f"{begins}:00Z", "to": f"{ends}:00Z", "scope": f"model:{company.model.id}"}
    # The company's own asset is of the same model: let it begin after the year.
    async with database.transaction(company.id) as session:
        own = await session.get_one(type(company.asset), (company.id, company.asset.id))
        own.in_service_from = datetime(2026, 1, 1, tzinfo=UTC)

    fleet = await ask(client, company, "/mtbf", **asked)
    assert fleet["value"] == pytest.approx(expected["fleet_mtbf_h"], **exactly)
    bounds = [fleet["interval"]["low"], fleet["interval"]["high"]]
    assert bounds == pytest.approx(expected["fleet_ci90"], **exactly)
    assert fleet["n"] == expected["failure_events"]
    assert sum(fleet["excluded"].values()) + fleet["n"] == expected["failure_rows"]
    assert set(fleet["excluded"]) == {"same_instant"}
    assert fleet["numerator"]["value"] == expected["T_h"] * expected["machines"]

    table = await ask(client, company, "/mtbf/table", by="asset", limit=500, **asked)
    per_machine = {item["number"]: item["result"] for item in table["items"]}
    del per_machine["A-1"]
    assert {number: each["n"] for number, each in per_machine.items()} == expected["per_machine_n"]
    silent = [each for each in per_machine.values() if each["n"] == 0]
    assert len(silent) == expected["machines_zero"]
    assert {(each["value"], each["null_reason"]) for each in silent} == {(None, "no_failures")}
    for each in per_machine.values():
        if each["n"]:
            assert each["value"] == pytest.approx(expected["T_h"] / each["n"], **exactly)

    answer = await client.get(
        "/api/kpis/mtbf/table.csv",
        params={**asked, "by": "asset"},
        headers=company.headers["manager"],
    )
    as_text = {row["number"]: row for row in csv.DictReader(io.StringIO(answer.text, newline=""))}
    for number, each in per_machine.items():
        row = as_text[number]
        assert row["n"] == str(each["n"])
        assert row["value"] == ("" if each["value"] is None else json.dumps(each["value"]))
        assert row["interval_low"] == json.dumps(each["interval"]["low"])
    (total,) = csv.DictReader(
        io.StringIO(
            (
                await client.get(
                    "/api/kpis/mtbf/table.csv",
                    params={**asked, "by": "model"},
                    headers=company.headers["manager"],
                )
            ).text,
            newline="",
        )
    )
    assert total["value"] == json.dumps(fleet["value"])
    assert total["interval_high"] == json.dumps(fleet["interval"]["high"])
