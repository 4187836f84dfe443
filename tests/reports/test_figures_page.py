"""What the page of figures stands on: sheets and their files, the worst rows, saved views."""

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from openpyxl import load_workbook

from fsm.database import Database
from tests.company import Company
from tests.reports.plant import failure, job, line, machine, outage

FROM = datetime(2026, 2, 1, tzinfo=UTC)
KPIS = ["mtbf", "downtime", "backlog:p90", "sla_response", "cost"]


def h(hours: float) -> datetime:
    return FROM + timedelta(hours=hours)


def window(**more: Any) -> dict[str, Any]:
    return {"scope": "tenant", "from": FROM.isoformat(), "to": h(480).isoformat(), **more}


@pytest.fixture
async def plant(company: Company, database: Database) -> list[str]:
    """Three machines down for 5, 30 and 0 hours; two jobs, 40.00 EUR."""
    async with database.transaction(company.id) as session:
        machines = [machine(company, f"M-{n}", FROM - timedelta(days=90)) for n in (1, 2, 3)]
        session.add_all(machines)
        await session.flush()
        for asset, hours in zip(machines, (5, 30), strict=False):
            broke = failure(asset, h(100), restored_at=h(100 + hours))
            session.add(broke)
            await session.flush()
            session.add(outage(asset, h(100), h(100 + hours), failure_id=broke.id))
            work = await job(
                session,
                company,
                f"W-{asset.number}",
                h(100),
                asset_id=asset.id,
                failure_id=broke.id,
            )
            session.add(line(work, h(110).date(), "20.00"))
    return [str(asset.id) for asset in machines]


async def ask(client: httpx.AsyncClient, company: Company, path: str, **params: Any) -> Any:
    answer = await client.get(path, params=params, headers=company.headers["manager"])
    assert answer.status_code == 200, answer.text
    return answer.json() if "json" in answer.headers["content-type"] else answer.content


async def test_a_sheet_and_its_files_hold_the_very_numbers_of_each_figure(
    client: httpx.AsyncClient, company: Company, plant: list[str]
) -> None:
    asked = window(kpi=KPIS)
    sheet = await ask(client, company, "/api/kpi-sheets", **asked)
    asked["as_of"] = sheet["as_of"]
    text = (await ask(client, company, "/api/kpi-sheets/csv", **asked)).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    book = load_workbook(
        io.BytesIO(await ask(client, company, "/api/kpi-sheets/xlsx", **asked, language="ru"))
    )
    head, *cells = [list(row) for row in book["figures"].iter_rows(values_only=True)]
    assert len(rows) == len(cells) == len(KPIS)
    for one, row, cell in zip(sheet["items"], rows, cells, strict=True):
        present = one["comparison"]["present"]
        alone = await ask(
            client,
            company,
            f"/api/kpis/{one['kpi']}",
            **window(as_of=sheet["as_of"], variant=one["variant"] or None),
        )
        assert alone == present
        value = present["value"]
        assert row["value"] == ("" if value is None else str(value))
        found = dict(zip(head, cell, strict=True))
        assert found["value"] == (None if value is None else pytest.approx(float(value)))
        assert int(row["n"]) == found["n"] == present["n"]
    assert rows[4]["value"] == "40.00"
    assert rows[3]["value"] == ""  # nothing was promised: not known, never 0
    assert cells[0][2] == "Средняя наработка между отказами"


async def test_the_worst_assets_come_first_with_the_whole_beside_them(
    client: httpx.AsyncClient, company: Company, plant: list[str]
) -> None:
    found = await ask(client, company, "/api/kpis/downtime/largest", **window(by="asset"))
    assert [(row["number"], row["result"]["value"]) for row in found["items"]] == [
        ("M-2", 30),
        ("M-1", 5),
    ]
    assert (found["whole"]["value"], found["of"]) == (35, 2)
    failing = await ask(
        client, company, "/api/kpis/mtbf/largest", **window(by="asset", order="n", limit=1)
    )
    assert (len(failing["items"]), failing["of"]) == (1, 2)
    refused = await client.get(
        "/api/kpis/backlog/largest",
        params=window(by="technician"),
        headers=company.headers["manager"],
    )
    assert refused.status_code == 422
    assert "technician" in refused.json()["detail"]


async def test_lineage_calls_its_jobs_and_assets_as_people_do(
    client: httpx.AsyncClient, company: Company, plant: list[str]
) -> None:
    page = await ask(client, company, "/api/kpis/mtbf/lineage", **window())
    counted = [one for one in page["items"] if one["kind"] == "failure"]
    numbers = {
        (page["labels"][one["asset_id"]]["number"], page["labels"][job_id]["number"])
        for one in counted
        for job_id in one["work_order_ids"]
    }
    assert numbers == {("M-1", "W-M-1"), ("M-2", "W-M-2")}


async def test_a_saved_view_is_its_owners_alone(
    client: httpx.AsyncClient, company: Company, stranger: Company
) -> None:
    mine = company.headers["manager"]
    body = {"name": "Lifts in Lyon", "query": "period=last_month&scope=region:Lyon"}
    added = await client.post("/api/saved-views", json=body, headers=mine)
    assert added.status_code == 201, added.text
    view = added.json()
    again = await client.post("/api/saved-views", json=body, headers=mine)
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    address = f"/api/saved-views/{view['id']}"
    for others in (company.headers["dispatcher"], stranger.headers["manager"]):
        assert (await client.get("/api/saved-views", headers=others)).json() == {"items": []}
        assert (await client.delete(address, headers=others)).status_code == 404
        edit = {"rev": 1, "name": "Taken"}
        assert (await client.patch(address, json=edit, headers=others)).status_code == 404
    changed = await client.patch(address, json={"rev": 1, "query": "period=year"}, headers=mine)
    assert changed.json()["query"] == "period=year"
    stale = await client.patch(address, json={"rev": 1, "name": "Late"}, headers=mine)
    assert stale.json()["code"] == "stale-change"
    assert (await client.delete(address, headers=mine)).status_code == 204
    refused = await client.get("/api/saved-views", headers=company.headers["technician"])
    assert refused.status_code == 403
