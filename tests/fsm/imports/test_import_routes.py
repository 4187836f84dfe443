"""Files in and out over HTTP."""

import csv
import io

import httpx
import pytest

from fsm.database import Database
from tests.company import Company
from tests.fsm.imports.files import count

CUSTOMERS = "number,name,phone\nC-7,=Sum & Söhne,+49 30 1234\n"


async def post(
    client: httpx.AsyncClient, company: Company, kind: str, text: str | bytes, role: str = "administrator",
    **params: str | list[str],
) -> httpx.Response:  # fmt: skip
    headers = {**company.headers[role], "Content-Type": "text/csv"}
    return await client.post(f"/api/imports/{kind}", content=text, params=params, headers=headers)


async def test_a_body_of_csv_is_imported_and_the_report_says_so(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    answer = await post(client, company, "customers", CUSTOMERS)
    assert answer.status_code == 200, answer.text
    report = answer.json()
    assert (report["stored"], report["created"], report["rows"]) == (True, 1, 1)
    assert await count(database, company, "customer") == 2


async def test_a_form_with_the_file_is_imported_as_well(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    answer = await client.post(
        "/api/imports/customers",
        files={"file": ("customers.csv", CUSTOMERS.encode(), "text/csv")},
        headers=company.headers["administrator"],
    )
    assert answer.status_code == 200, answer.text
    assert await count(database, company, "customer") == 2


async def test_a_dry_run_checks_and_changes_nothing(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    before = await count(database, company, "event")
    answer = await post(client, company, "customers", CUSTOMERS, dry_run="true")
    assert (answer.status_code, answer.json()["stored"], answer.json()["created"]) == (
        200,
        False,
        1,
    )
    assert await count(database, company, "customer") == 1
    assert await count(database, company, "event") == before


async def test_bad_rows_are_a_problem_with_the_report_and_nothing_is_stored(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    answer = await post(client, company, "customers", CUSTOMERS + "C-8,,\n")
    assert (answer.status_code, answer.json()["code"]) == (422, "import-refused")
    assert answer.json()["report"]["errors"] == [
        {"line": 3, "column": "name", "reason": "is empty, but needed"}
    ]
    assert await count(database, company, "customer") == 1
    kept = await post(client, company, "customers", CUSTOMERS + "C-8,,\n", keep_good="true")
    assert (kept.status_code, kept.json()["created"], kept.json()["refused"]) == (200, 1, 1)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/imports/customers?zone=Mars", 422, "invalid-value"),
        ("/api/imports/customers?dates=YYYY", 422, "invalid-value"),
        ("/api/imports/customers?map=nonsense", 422, "invalid-value"),
        ("/api/imports/customers?map=a=b", 422, "columns-do-not-fit"),
        ("/api/imports/customers?source=fsm", 422, "invalid-value"),
        ("/api/imports/customers?delimiter=dot", 422, "invalid-value"),
    ],
)
async def test_wishes_that_cannot_be_read_are_named(
    client: httpx.AsyncClient, company: Company, path: str, status: int, code: str
) -> None:
    headers = {**company.headers["administrator"], "Content-Type": "text/csv"}
    answer = await client.post(path, content=CUSTOMERS, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


async def test_an_unknown_kind_and_an_unknown_file_are_refused(
    client: httpx.AsyncClient, company: Company
) -> None:
    assert (await post(client, company, "elephants", CUSTOMERS)).status_code in (404, 422)
    answer = await client.get("/api/exports/elephants.csv", headers=company.headers["manager"])
    assert answer.status_code == 404


async def test_a_body_that_is_no_file_is_refused(
    client: httpx.AsyncClient, company: Company
) -> None:
    answer = await client.post(
        "/api/imports/customers", json={"a": 1}, headers=company.headers["administrator"]
    )
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported-type")
    empty = await client.post(
        "/api/imports/customers",
        files={"other": ("x.csv", b"number,name\n", "text/csv")},
        headers=company.headers["administrator"],
    )
    assert (empty.status_code, empty.json()["code"]) == (400, "malformed-request")


async def test_a_dispatcher_neither_imports_nor_exports(
    client: httpx.AsyncClient, company: Company
) -> None:
    refused = await post(client, company, "customers", CUSTOMERS, role="dispatcher")
    assert (refused.status_code, refused.json()["needs"]) == (403, "import_data")
    refused = await client.get("/api/exports/customers.csv", headers=company.headers["dispatcher"])
    assert (refused.status_code, refused.json()["needs"]) == (403, "export_data")


async def test_an_export_holds_ones_own_rows_in_rfc_4180_and_runs_in_no_spreadsheet(
    client: httpx.AsyncClient, database: Database, company: Company, stranger: Company
) -> None:
    await post(
        client, company, "customers", 'number,name,notes\nC-7,"=1+1","two\nlines, ""quoted"""\n'
    )
    await post(client, stranger, "customers", "number,name\nC-9,Theirs\n")
    answer = await client.get("/api/exports/customers.csv", headers=company.headers["manager"])
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/csv")
    assert "customers.csv" in answer.headers["content-disposition"]
    body = answer.content.decode()
    assert body.splitlines(keepends=True)[0].endswith("\r\n")
    rows = list(csv.DictReader(io.StringIO(body, newline="")))
    assert [row["number"] for row in rows] == ["C-1", "C-7"]
    assert rows[1]["name"] == "'=1+1"
    assert rows[1]["notes"] == 'two\nlines, "quoted"'


async def test_costs_leave_the_house_only_with_the_permission_to_read_them(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    answer = await client.get("/api/exports/parts.csv", headers=company.headers["manager"])
    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert (row["cost"], row["price"]) == ("12.00", "20.00")
    semicolons = await client.get(
        "/api/exports/parts.csv",
        params={"delimiter": "semicolon", "decimal": "comma"},
        headers=company.headers["manager"],
    )
    (row,) = csv.DictReader(io.StringIO(semicolons.text), delimiter=";")
    assert row["cost"] == "12,00"
    clash = await client.get(
        "/api/exports/parts.csv", params={"decimal": "comma"}, headers=company.headers["manager"]
    )
    assert clash.status_code == 422
