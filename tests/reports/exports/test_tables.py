"""Tables as files: the same values as the API's, safe to open, whole, and for those who may have them."""

import csv
import io
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import openpyxl
import pytest

from fsm.database import Database, run
from reports.exports.tables import TABLES
from reports.exports.workbook import Workbook
from tests.company import Company
from tests.conftest import MORNING

ZONE = ZoneInfo("Europe/Paris")
HOSTILE = ("=1+1", "+cmd", "-2+3", "@SUM(A1)", "\tx", '=HYPERLINK("x")', 'quote " and, comma\nline')


@pytest.fixture
def get(client: httpx.AsyncClient, company: Company) -> Any:
    async def got(path: str, role: str = "manager", status: int = 200) -> httpx.Response:
        answer = await client.get(path, headers=company.headers[role])
        assert answer.status_code == status, answer.text
        return answer

    return got


def from_csv(answer: httpx.Response, **form: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.content.decode(), newline=""), **form))


def from_xlsx(answer: httpx.Response) -> list[dict[str, Any]]:
    book = openpyxl.load_workbook(io.BytesIO(answer.content))
    rows: Iterable[Any] = book.worksheets[1].iter_rows(values_only=True)
    names, *rest = rows
    return [dict(zip(names, row, strict=True)) for row in rest]


def same(told: Any, in_csv: str, in_xlsx: Any) -> bool:
    """Whether one value is the same in the API's JSON, in the CSV and in the workbook."""
    if told is None:
        return in_csv == "" and in_xlsx is None
    if isinstance(told, bool):
        return in_csv == str(told).lower() and in_xlsx is told
    if isinstance(told, int | float):
        return Decimal(in_csv) == Decimal(str(told)) == Decimal(str(in_xlsx))
    if isinstance(in_xlsx, datetime):
        at = datetime.fromisoformat(told)
        return at == datetime.fromisoformat(in_csv) == in_xlsx.replace(tzinfo=ZONE)
    return told == in_csv == ("" if in_xlsx is None else str(in_xlsx))


async def test_json_csv_and_workbook_say_the_same_of_every_job(
    get: Any, client: httpx.AsyncClient, company: Company
) -> None:
    for title in ("Door", "Лифт, «нижний»", "Žluťoučký"):
        made = await client.post(
            "/api/work-orders",
            headers=company.headers["dispatcher"],
            json={"work_type": "repair", "asset_id": str(company.asset.id), "title": title},
        )
        assert made.status_code == 201, made.text
    told = {one["id"]: one for one in (await get("/api/work-orders")).json()["items"]}
    in_csv = from_csv(await get("/api/tables/work-orders/csv"))
    in_xlsx = from_xlsx(await get("/api/tables/work-orders/xlsx"))
    assert [one["id"] for one in in_csv] == [one["id"] for one in in_xlsx] == sorted(told)
    for line, row in zip(in_csv, in_xlsx, strict=True):
        row = {name.removesuffix(" (Europe/Paris)"): value for name, value in row.items()}
        for name, value in told[line["id"]].items():
            if not isinstance(value, list | dict):
                assert same(value, line[name], row[name]), (name, value, line[name], row[name])


async def test_json_csv_and_workbook_say_the_same_of_a_figure(get: Any) -> None:
    asked = "by=asset&scope=tenant&from=2026-01-01T00:00:00Z&to=2026-03-01T00:00:00Z"
    for kpi in ("availability", "mtbf"):
        (told,) = (await get(f"/api/kpis/{kpi}/table?{asked}")).json()["items"]
        (line,) = from_csv(await get(f"/api/kpis/{kpi}/table.csv?{asked}"))
        (row,) = from_xlsx(await get(f"/api/kpis/{kpi}/table.xlsx?{asked}"))
        row = {name.removesuffix(" (Europe/Paris)"): value for name, value in row.items()}
        result = told["result"]
        for name in (
            "kpi",
            "definition",
            "value",
            "unit",
            "n",
            "null_reason",
            "as_of",
            "watermark",
        ):
            assert same(result[name], line[name], row[name]), (name, line[name], row[name])
        for side in ("numerator", "denominator"):
            assert same((result[side] or {}).get("value"), line[side], row[side])
        assert (line["number"], row["number"]) == ("A-1", "A-1")


async def test_no_text_is_run_by_a_spreadsheet_and_numbers_stay_numbers(
    get: Any, company: Company, database: Database
) -> None:
    async with database.transaction(company.id) as session:
        for place, text in enumerate(HOSTILE):
            await run(
                session,
                "insert into part (tenant_id, id, rev, number, name, unit, manufacturer, is_original,"
                " is_serialised, is_active, lead_time_days) values (:t, gen_random_uuid(), 1, :n, :x, 'pc',"
                " '', true, false, true, -3)",
                t=company.id, n=f"H-{place}", x=text,
            )  # fmt: skip
    answer = await get("/api/tables/parts/csv?separator=semicolon&decimal_sign=comma")
    assert answer.headers["content-type"].startswith("text/csv")
    listed = from_csv(answer, delimiter=";")
    found = {row["number"]: row for row in listed}
    for place, text in enumerate(HOSTILE):
        shown = found[f"H-{place}"]["name"]
        assert shown == (f"'{text}" if text[0] in "=+-@\t" else text)
        assert found[f"H-{place}"]["lead_time_days"] == "-3"
    assert b"\r\n" in answer.content
    in_book = {row["number"]: row for row in from_xlsx(await get("/api/tables/parts/xlsx"))}
    for place, text in enumerate(HOSTILE):
        assert in_book[f"H-{place}"]["name"] == text
        assert in_book[f"H-{place}"]["lead_time_days"] == -3
    await get("/api/tables/parts/csv?decimal_sign=comma", status=422)


async def test_every_table_comes_both_ways_and_its_about_sheet_says_as_of_when(get: Any) -> None:
    for name, table in TABLES.items():
        head = (await get(f"/api/tables/{name}/csv", "administrator")).content.split(b"\r\n")[0]
        assert head.decode().split(",") == [column.name for column in table.columns], name
        book = openpyxl.load_workbook(
            io.BytesIO((await get(f"/api/tables/{name}/xlsx", "administrator")).content)
        )
        about = {row[0]: row[1] for row in book["about"].iter_rows(values_only=True)}
        assert about["table"] == name
        assert about["as_of"].replace(tzinfo=ZONE) == MORNING
        assert isinstance(about["watermark"], int)
    assert len((await get("/api/tables")).json()["items"]) == len(TABLES)


async def test_a_table_is_for_those_who_may_have_it_and_holds_their_own_rows_alone(
    get: Any, client: httpx.AsyncClient, company: Company, stranger: Company
) -> None:
    for form in ("csv", "xlsx"):
        await get(f"/api/tables/assets/{form}", "dispatcher", 403)
        await get(f"/api/tables/rates/{form}", "technician", 403)
        await get(f"/api/tables/nothing/{form}", status=404)
        theirs = await client.get(f"/api/tables/assets/{form}", headers=stranger.headers["manager"])
        rows = from_csv(theirs) if form == "csv" else from_xlsx(theirs)
        assert [row["id"] for row in rows] == [str(stranger.asset.id)]


def test_a_text_that_no_cell_can_hold_is_cut_where_everybody_sees_it(tmp_path: Any) -> None:
    book = Workbook(tmp_path / "t.xlsx", "UTC")
    book.begin("texts", [("text", "text")])
    book.add([["x" * size] for size in (32_767, 32_768)])
    book.close()
    (_, (whole,), (cut,)) = openpyxl.load_workbook(tmp_path / "t.xlsx")["texts"].iter_rows(
        values_only=True
    )
    assert (whole, len(cut), cut[-2:]) == ("x" * 32_767, 32_767, "x…")


def test_what_one_sheet_cannot_hold_goes_on_in_the_next(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reports.exports.workbook.MOST_ROWS", 4)
    book = Workbook(tmp_path / "t.xlsx", "UTC")
    book.begin("numbers", [("n", "number"), ("long", "text")])
    book.add([n, 10**16 + n] for n in range(7))
    book.close()
    sheets = openpyxl.load_workbook(tmp_path / "t.xlsx").worksheets
    assert [sheet.title for sheet in sheets] == ["numbers", "numbers 2", "numbers 3"]
    found = [row for sheet in sheets for row in list(sheet.iter_rows(values_only=True))[1:]]
    assert found == [(n, str(10**16 + n)) for n in range(7)]
