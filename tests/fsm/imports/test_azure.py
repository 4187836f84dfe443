"""A company's own past becomes figures: recorded failures of a hundred machines, unedited.

The mapping is the one of `fsm/imports/README.md`; the data stays outside the project.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from fsm.database import Database, run
from fsm.imports.importing import import_file
from fsm.imports.kinds import KINDS
from fsm.imports.options import read_options
from fsm.imports.report import Report
from tests.company import Company
from tests.conftest import Clock


@pytest.fixture
def real(test_data: Path) -> Path:
    return test_data / "real"


@pytest.fixture
def golden(test_data: Path) -> dict[str, Any]:
    figures: dict[str, Any] = json.loads((test_data / "golden_kpi.json").read_text())
    return figures["azure_pdm_2015"]


async def take_file(
    database: Database, company: Company, kind: str, path: Path, **options: Any
) -> Report:
    async with database.transaction(company.id) as session:
        return await import_file(
            session,
            company.actors["administrator"],
            company.tenant.created_at,
            KINDS[kind],
            path,
            read_options(zone="UTC", source="azure", **options),
        )


async def take_machines_and_failures(database: Database, company: Company, real: Path) -> None:
    machines = await take_file(
        database,
        company,
        "assets",
        real / "PdM_machines.csv",
        columns=["machineID=number"],
        constants=["site=S-1", "manufacturer=Azure", "in_service_from=2015-01-01T06:00:00"],
    )
    assert (machines.created, machines.beside["models"]) == (100, 4)
    assert machines.warnings == ["The column 'age' means nothing here and is left out."]
    failures = await take_file(
        database,
        company,
        "failures",
        real / "PdM_failures.csv",
        columns=["machineID=asset", "datetime=failed_at", "failure=mode"],
    )
    assert (failures.created, failures.beside) == (761, {})


async def test_recorded_failures_give_exactly_the_known_mtbf(
    client: httpx.AsyncClient,
    database: Database,
    company: Company,
    clock: Clock,
    real: Path,
    golden: dict[str, Any],
) -> None:
    await take_machines_and_failures(database, company, real)
    # The company's own lift is none of the hundred.
    async with database.transaction(company.id) as session:
        await run(session, "update asset set in_service_from = :later where number = 'A-1'",
                  later=datetime(2020, 1, 1, tzinfo=UTC))  # fmt: skip
    answer = await client.get(
        "/api/kpis/mtbf",
        params={"scope": "tenant", "from": "2015-01-01T06:00:00Z", "to": "2016-01-01T06:00:00Z"},
        headers=company.headers["manager"],
    )
    assert answer.status_code == 200, answer.text
    figure = answer.json()
    assert figure["n"] == golden["failure_events"]
    assert figure["value"] == pytest.approx(golden["fleet_mtbf_h"], rel=1e-9)
    assert [figure["interval"]["low"], figure["interval"]["high"]] == pytest.approx(
        golden["fleet_ci90"], rel=1e-9
    )


async def test_each_machine_has_as_many_failures_as_were_recorded(
    database: Database, company: Company, real: Path, golden: dict[str, Any]
) -> None:
    await take_machines_and_failures(database, company, real)
    async with database.transaction(company.id) as session:
        rows = await run(
            session,
            """
            select a.number, count(distinct f.failed_at) from asset a
            left join failure f on f.tenant_id = a.tenant_id and f.asset_id = a.id
            where a.tenant_id = :t and a.number <> 'A-1' group by a.number
            """,
            t=company.id,
        )
    assert dict(tuple(row) for row in rows) == golden["per_machine_n"]


async def test_replacements_become_closed_work_and_come_in_once(
    database: Database, company: Company, real: Path
) -> None:
    await take_machines_and_failures(database, company, real)
    mapping: dict[str, Any] = {
        "columns": [
            "machineID=asset",
            "datetime=reported_at",
            "datetime=finished_at",
            "comp=title",
        ],
        "constants": ["work_type=replacement", "maintenance=preventive"],
        "create_missing": True,
    }
    path = real / "PdM_maint.csv"
    report = await take_file(database, company, "work_orders", path, **mapping)
    assert (report.created, report.beside) == (3286, {"work_types": 1, "closed": 3286})
    again = await take_file(database, company, "work_orders", path, **mapping)
    assert (again.created, again.unchanged, again.beside) == (0, 3286, {})


async def test_citizens_requests_come_in_with_american_dates(
    database: Database, company: Company, real: Path
) -> None:
    report = await take_file(
        database,
        company,
        "work_orders",
        real / "nyc311.csv",
        columns=["Unique Key=source_id", "Created Date=reported_at", "Closed Date=finished_at",
                 "Complaint Type=title", "Resolution Description=description"],
        constants=["site=S-1", "work_type=repair"],
        dates="MM/DD/YYYY hh:mm:ss AM/PM",
        keep_good=True,
    )  # fmt: skip
    async with database.transaction(company.id) as session:
        rows = await run(
            session,
            "select status, count(*) from work_order where source = 'azure' group by status",
        )
        statuses = dict(tuple(row) for row in rows)
    assert report.rows == 924
    assert report.created + report.refused == 924
    assert statuses["closed"] + statuses["open"] == report.created
    assert 0.4 < statuses["open"] / report.created < 0.55
