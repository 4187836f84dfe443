"""Reports, statements, invoice data and route sheets: the figures of the API, on paper and as tables."""

import csv
import io
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import openpyxl
import pypdfium2
import pytest

from fsm.database import Database
from fsm.work_orders.records import CostLine
from tests.company import Company
from tests.conftest import MORNING, Clock
from tests.fsm.work_orders.steps import plan_a_pick_up
from tests.reports.documents.office import Office, text_of
from tests.reports.packs.proved_job import ProvedJob, prove_job

DAYS = {"first_on": "2026-03-01", "last_on": "2026-03-31"}


@pytest.fixture
async def proved(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> ProvedJob:
    """A job done and billed: 2 h of labour at 60, a part without a price."""
    proved = await prove_job(client, database, company, clock)
    clock.forward(hours=30)
    line = {
        "tenant_id": company.id,
        "work_order_id": proved.job.id,
        "asset_id": company.asset.id,
        "contract_id": company.contract.id,
        "currency": "EUR",
        "posted_on": date(2026, 3, 23),
        "source_kind": "test",
        "payer": "customer",
        "payer_rule": "kind",
        "created_at": clock(),
    }
    two, hour = Decimal(2), Decimal(60)
    async with database.transaction(company.id) as session:
        session.add_all(
            [
                CostLine(**line, kind="labour", quantity=two, unit="h", unit_cost=Decimal(40),
                         amount=Decimal(80), price=two * hour),
                CostLine(**line, kind="parts", quantity=Decimal(1), unit="pc", unit_cost=Decimal(9),
                         amount=Decimal(9), price=None),
            ]
        )  # fmt: skip
    return proved


@pytest.fixture
def manager(client: httpx.AsyncClient, company: Company) -> Office:
    return Office(client, company, "administrator")


async def tables(office: Office, issued: dict[str, Any]) -> tuple[list[dict[str, str]], list[Any]]:
    """Return a document's table as CSV and as XLSX have it."""
    answer = await office.call("GET", f"/{issued['id']}/table.csv")
    book = openpyxl.load_workbook(
        io.BytesIO((await office.call("GET", f"/{issued['id']}/table.xlsx")).content)
    )
    names, *rows = book.worksheets[1].iter_rows(values_only=True)
    lines = list(csv.DictReader(io.StringIO(answer.content.decode(), newline="")))
    return lines, [dict(zip(names, row, strict=True)) for row in rows]


async def test_a_service_level_report_holds_the_figures_of_the_api_on_paper_and_as_tables(
    manager: Office, proved: ProvedJob, company: Company, client: httpx.AsyncClient
) -> None:
    contract = str(company.contract.id)
    issued = (
        await manager.call("POST", "/service-reports", 201, contract_id=contract, **DAYS)
    ).json()
    snapshot = (await manager.call("GET", f"/{issued['id']}/snapshot")).json()
    content = snapshot["content"]
    assert issued["number"] == "SLR-1"
    said = text_of((await manager.call("GET", f"/{issued['id']}/file")).content)
    lines, rows = await tables(manager, issued)
    assert [one["kpi"] for one in content["figures"]] == [line["kpi"] for line in lines]
    for one, line, row in zip(content["figures"], lines, rows, strict=True):
        told = await client.get(
            f"/api/kpis/{one['kpi']}",
            headers=company.headers["administrator"],
            params={
                "scope": f"contract:{contract}",
                "from": "2026-02-28T23:00:00Z",
                "to": "2026-03-31T22:00:00Z",
                "as_of": content["as_of"],
            },
        )
        value = told.json()["value"]
        assert one["result"]["value"] == value
        assert (line["value"], row["value"]) == (
            ("", None) if value is None else (line["value"], pytest.approx(float(value)))
        )
        if value is not None:
            assert Decimal(line["value"]) == Decimal(str(value))
        assert (int(line["n"]), row["n"]) == (one["result"]["n"], one["result"]["n"])
        assert one["name"].split(" ")[0] in said
    assert "As reported on" in said
    preview = {"contract_id": contract, **DAYS, "language": "ru"}
    shown = await manager.call("POST", "/service-reports/preview", **preview)
    assert "Нарушенные сроки" in text_of(shown.content)


async def test_statements_and_invoice_data_add_up_to_the_cent_everywhere(
    manager: Office, proved: ProvedJob, company: Company
) -> None:
    contract, customer = str(company.contract.id), str(company.customer.id)
    outward = {"contract_id": contract, **DAYS}
    inside = (
        await manager.call("POST", "/contract-statements", 201, **outward, is_internal=True)
    ).json()
    said = (await manager.call("GET", f"/{inside['id']}/snapshot")).json()["content"]["statement"]
    lines, rows = await tables(manager, inside)
    for name in ("cost", "fee", "billed", "margin"):
        total = Decimal(said[name])
        assert sum(Decimal(line[name]) for line in lines) == total
        assert Decimal(str(sum(row[name] for row in rows))) == total
    theirs = (await manager.call("POST", "/contract-statements", 201, **outward)).json()
    paper = text_of((await manager.call("GET", f"/{theirs['id']}/file")).content)
    assert "120.00" in paper
    assert "80.00" not in paper, "what the work cost us is not the customer's to know"

    wanted = {"customer_id": customer, **DAYS, "vat_rate": "20"}
    invoice = (await manager.call("POST", "/invoices", 201, **wanted)).json()
    content = (await manager.call("GET", f"/{invoice['id']}/snapshot")).json()["content"]
    assert [content[name] for name in ("net", "vat", "gross", "unpriced")] == [
        "120.00", "24.00", "144.00", 1,
    ]  # fmt: skip
    lines, rows = await tables(manager, invoice)
    assert [Decimal(line["net"]) for line in lines] == [Decimal(120)]
    assert [(row["net"], row["quantity"], row["vat_category"]) for row in rows] == [(120, 2, "S")]
    assert "144.00" in text_of((await manager.call("GET", f"/{invoice['id']}/file")).content)
    about = "seller_vat=FR98765432109&seller_country=FR&buyer_country=FR"
    cii = await manager.call("GET", f"/{invoice['id']}/einvoice.xml?{about}")
    assert b"144.00" in cii.content
    whole = await manager.call("GET", f"/{invoice['id']}/einvoice.pdf?{about}")
    inside_page = pypdfium2.PdfDocument(whole.content).get_attachment(0)
    assert inside_page.get_name() == "factur-x.xml"
    assert b"144.00" in bytes(inside_page.get_data())
    await manager.call("GET", f"/{inside['id']}/einvoice.xml?{about}", 404)
    unsealed = await manager.call("GET", f"/{invoice['id']}/sealed", 409)
    assert unsealed.json()["code"] == "seal-not-set-up"
    await manager.call("POST", "/invoices", 422, **{**wanted, "vat_category": "Z"})
    empty = {**wanted, "first_on": "2026-01-01", "last_on": "2026-01-31"}
    refused = await manager.call("POST", "/invoices", 409, **empty)
    assert refused.json()["code"] == "nothing-to-bill"


async def test_a_management_pack_stands_beside_the_days_before_and_is_the_managers_alone(
    manager: Office, proved: ProvedJob, company: Company, client: httpx.AsyncClient
) -> None:
    issued = (await manager.call("POST", "/management-packs", 201, **DAYS)).json()
    content = (await manager.call("GET", f"/{issued['id']}/snapshot")).json()["content"]
    named = [one["kpi"] for one in content["figures"]]
    for one, other in (("first_time_fix", "repeat"), ("sla_restoration", "reopen")):
        assert named.index(other) == named.index(one) + 1
    cost = next(one for one in content["figures"] if one["kpi"] == "cost")
    assert Decimal(cost["result"]["value"]) == 89
    assert cost["before"]["window"]["to"] == cost["result"]["window"]["from"]
    said = text_of((await manager.call("GET", f"/{issued['id']}/file")).content)
    assert "As reported on" in said
    dispatcher = Office(client, company, "dispatcher")
    await dispatcher.call("GET", f"/{issued['id']}/file", 404)
    await dispatcher.call("POST", "/management-packs", 403, **DAYS)
    later = {"first_on": "2027-01-01", "last_on": "2027-01-31"}
    await manager.call("POST", "/management-packs", 422, **later)


async def test_a_route_sheet_has_a_page_a_visit_with_boxes_for_every_question(
    client: httpx.AsyncClient, company: Company, database: Database, clock: Clock
) -> None:
    office = Office(client, company)

    async def made(path: str, **body: Any) -> dict[str, Any]:
        answer = await client.post(path, headers=company.headers["dispatcher"], json=body)
        assert answer.is_success, answer.text
        found: dict[str, Any] = answer.json()
        return found

    ids = []
    for hour in (1, 3):
        job = await made(
            "/api/work-orders", work_type="repair", asset_id=str(company.asset.id), title="Двери"
        )
        starts = MORNING + timedelta(hours=hour)
        visit = await made(
            "/api/visits",
            work_order_id=job["id"],
            technician_id=str(company.technician.id),
            starts_at=starts.isoformat(),
            ends_at=(starts + timedelta(hours=1)).isoformat(),
        )
        ids.append(visit["id"])
    sheet = {"technician_id": str(company.technician.id), "on": "2026-03-23"}
    issued = (await office.call("POST", "/route-sheets", 201, **sheet)).json()
    said = text_of((await office.call("GET", f"/{issued['id']}/file")).content)
    for expected in ("1. 10:00", "2. 12:00", "Anne Martin", "Lift secured", "Work began at"):
        assert expected in said
    assert "Parts to fetch" not in said
    content = (await office.call("GET", f"/{issued['id']}/snapshot")).json()["content"]
    assert [one["visit_id"] for one in content["visits"]] == ids
    await plan_a_pick_up(database, company, clock(), UUID(ids[1]), 2)
    number = content["visits"][1]["work_order"]["number"]
    for language, heading in (("en", "Parts to fetch on the way"), ("ru", "Забрать запчасти")):
        wanted = {**sheet, "language": language}
        issued = (await office.call("POST", "/route-sheets", 201, **wanted)).json()
        said = text_of((await office.call("GET", f"/{issued['id']}/file")).content)
        for expected in (heading, "11:30", "Main", "2 × P-1 Door roller", number):
            assert expected in said, expected
    await office.call("GET", f"/{issued['id']}/table.csv", 404)
