"""Files become rows by whole sets: all or nothing, once, and never another tenant's."""

import csv
import io
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from fsm.database import Database, run
from fsm.imports.exporting import export_csv
from fsm.imports.importing import ImportRefused
from fsm.imports.kinds import KINDS
from fsm.problems import Forbidden, Invalid
from tests.company import Company
from tests.fsm.imports.files import count, take

ASSETS = "number,site,model,manufacturer,in_service_from,parent,identifiers\n"
JOBS = (
    "number,asset,work_type,reported_at,started_at,finished_at,technician,restored_at,failure_mode,"
    "cost_labour,cost_parts,contract,status\n"
)
JOB = (
    "2024-1,A-1,repair,2025-06-02T08:00Z,2025-06-02T09:00Z,2025-06-02T11:00Z,T-1,2025-06-02T10:30Z,door,"
    "120.00,12.50,K-1,\n"
)


async def rows_of(database: Database, company: Company, sql: str) -> list[tuple[Any, ...]]:
    async with database.transaction(company.id) as session:
        return [tuple(row) for row in await run(session, sql, t=company.id)]


async def refusals(
    database: Database, company: Company, kind: str, text: str, folder: Path, **options: Any
) -> list[tuple[int, str | None, str]]:
    with pytest.raises(ImportRefused) as refused:
        await take(database, company, kind, text, folder, **options)
    return [(error.line, error.column, error.reason) for error in refused.value.report.errors]


async def exported(database: Database, company: Company, kind: str) -> bytes:
    actor = company.actors["administrator"]
    return b"".join([chunk async for chunk in export_csv(database, actor, KINDS[kind])])


# --- references -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "text", "column", "said"),
    [
        ("sites", "number,customer,name\nS-9,C-99,X\n", "customer", "no customer 'C-99'"),
        ("sites", "number,customer,name,latitude\nS-9,C-1,X,4\n", "latitude", "come together"),
        ("assets", ASSETS + "A-9,S-99,M,,2024-01-01T00:00Z,,\n", "site", "no site 'S-99'"),
        ("assets", ASSETS + "A-9,S-1,LX-5,Acme,2024-01-01T00:00Z,,\n", "manufacturer", "made by 'Otto'"),
        ("assets", ASSETS + "A-9,S-1,LX-5,,2024-01-01T00:00Z,A-99,\n", "parent", "no asset 'A-99'"),
        ("assets", ASSETS + "A-9,S-1,LX-5,,2024-01-01T00:00Z,A-9,\n", "parent", "part of itself"),
        ("assets", ASSETS + "A-9,S-1,LX-5,,2024-01-01T00:00Z,,serial=OT-0001234\n", "identifiers",
         "another asset"),
        ("contracts", "number,customer,kind,starts_on,assets\nK-9,C-1,warranty,2024-01-01,A-99\n",
         "assets", "no asset 'A-99'"),
        ("contracts", "number,customer,kind,starts_on,service_level\nK-9,C-1,warranty,2024-01-01,iron\n",
         "service_level", "no service level 'iron'"),
        ("technicians", "number,name,skills\nT-9,Eva,flying:2\n", "skills", "no skill 'flying'"),
        ("parts", "number,name,stock\nP-9,Bolt,moon=3\n", "stock", "no stock place 'moon'"),
        ("failures", "asset,failed_at\nA-99,2025-01-01T00:00Z\n", "asset", "no asset 'A-99'"),
        ("work_orders", "asset,work_type,reported_at\nA-1,magic,2025-06-02T08:00Z\n", "work_type",
         "no work type 'magic'"),
        ("work_orders", "asset,work_type,reported_at,technician\nA-1,repair,2025-06-02T08:00Z,T-99\n",
         "technician", "no technician 'T-99'"),
        ("work_orders", "work_type,reported_at\nrepair,2025-06-02T08:00Z\n", "site", "or asset"),
        ("work_orders",
         "asset,work_type,reported_at,finished_at\nA-1,repair,2025-06-02T08:00Z,2025-06-01T08:00Z\n",
         "finished_at", "earlier than reported_at"),
    ],
)  # fmt: skip
async def test_a_row_that_does_not_fit_is_named_with_line_column_and_reason(
    database: Database,
    company: Company,
    tmp_path: Path,
    kind: str,
    text: str,
    column: str,
    said: str,
) -> None:
    ((line, named, reason),) = await refusals(database, company, kind, text, tmp_path)
    assert (line, named) == (2, column)
    assert said in reason


async def test_another_tenants_numbers_do_not_exist(
    database: Database, company: Company, stranger: Company, tmp_path: Path
) -> None:
    await take(database, stranger, "customers", "number,name\nC-77,Theirs\n", tmp_path)
    found = await refusals(
        database, company, "sites", "number,customer,name\nS-9,C-77,X\n", tmp_path
    )
    assert found == [(2, "customer", "there is no customer 'C-77'")]


async def test_two_rows_with_one_number_are_refused(
    database: Database, company: Company, tmp_path: Path
) -> None:
    text = "number,name\nC-5,A\nC-6,B\nC-5,C\n"
    found = await refusals(database, company, "customers", text, tmp_path)
    assert found == [(4, "number", "is the same as on line 2")]


async def test_parts_of_each_other_are_refused_and_a_bad_wholes_parts_fall_with_it(
    database: Database, company: Company, tmp_path: Path
) -> None:
    ring = ASSETS + "".join(
        f"{one},S-1,LX-5,,2024-01-01T00:00Z,{whole},\n" for one, whole in (("X", "Y"), ("Y", "X"))
    )
    assert [
        (line, column)
        for line, column, _ in await refusals(database, company, "assets", ring, tmp_path)
    ] == [(2, "parent"), (3, "parent")]
    fallen = ASSETS + (
        "X,S-99,LX-5,,2024-01-01T00:00Z,,\n"
        "Y,S-1,LX-5,,2024-01-01T00:00Z,X,\n"
        "Z,S-1,NEW,,2024-01-01T00:00Z,Y,\n"
        "Q,S-1,LX-5,,2024-01-01T00:00Z,A-1,\n"
    )
    report = await take(database, company, "assets", fallen, tmp_path, keep_good=True)
    assert (report.created, report.refused) == (1, 3)
    assert await count(database, company, "asset_model") == 1, "no model for a row that fell"


async def test_an_end_that_an_open_job_cannot_have_is_left_out_aloud(
    database: Database, company: Company, tmp_path: Path
) -> None:
    text = "asset,work_type,reported_at,finished_at,status\n" + "".join(
        f"A-1,repair,2025-06-0{day}T08:00Z,{end},{status}\n"
        for day, end, status in (
            (1, "", "open"),
            (2, "2025-06-03T08:00Z", "pending"),
            (3, "2025-06-03T09:00Z", "closed"),
            (4, "2025-06-05T08:00Z", "open"),
        )
    )
    for dry_run in (True, False):
        report = await take(database, company, "work_orders", text, tmp_path, dry_run=dry_run)
        (warning,) = report.warnings
        assert "that of 2 is left out, the first on line 3" in warning
    again = await take(database, company, "work_orders", text, tmp_path)
    assert (again.warnings, again.unchanged) == ([], 4)


async def test_errors_are_all_counted_and_a_thousand_listed(
    database: Database, company: Company, tmp_path: Path
) -> None:
    text = "number,name\n" + "C-9,\n" * 1_500
    report = await take(database, company, "customers", text, tmp_path, dry_run=True)
    assert (report.error_count, report.refused, len(report.errors)) == (1500, 1500, 1000)


# --- once, and again --------------------------------------------------------------------------------------


async def test_master_data_that_differs_is_named_and_follows_the_file_only_when_asked(
    database: Database, company: Company, tmp_path: Path
) -> None:
    text = "number,name\nC-1,Grandest Hotel\n"
    report = await take(database, company, "customers", text, tmp_path)
    assert (report.differ, report.updated, report.unchanged) == (1, 0, 0)
    (difference,) = report.differences
    assert (difference.stored, difference.in_file) == ("Grand Hotel", "Grandest Hotel")
    report = await take(database, company, "customers", text, tmp_path, update=True)
    assert (report.differ, report.updated) == (0, 1)
    found = await rows_of(
        database, company, "select name, email, rev from customer where tenant_id = :t"
    )
    assert found == [("Grandest Hotel", "hotel@example.com", 2)], "a column left out stays"
    report = await take(database, company, "customers", text, tmp_path, update=True)
    assert (report.unchanged, report.updated) == (1, 0)


async def test_a_new_price_ends_the_old_one_the_day_before(
    database: Database, company: Company, tmp_path: Path
) -> None:
    text = "number,name,price,price_from\nP-1,Door roller,25.00,2026-01-01\n"
    report = await take(database, company, "parts", text, tmp_path, update=True)
    assert report.updated == 1
    found = await rows_of(
        database,
        company,
        "select cost, price, during::text from part_price where tenant_id = :t order by during",
    )
    assert [(str(cost), str(price), during) for cost, price, during in found] == [
        ("12.00", "20.00", "[2024-01-01,2026-01-01)"),
        ("12.00", "25.00", "[2026-01-01,)"),
    ]


async def test_an_import_is_one_event_with_its_counts_and_the_files_digest(
    database: Database, company: Company, tmp_path: Path
) -> None:
    report = await take(database, company, "customers", "number,name\nC-5,A\n", tmp_path)
    (data,) = (
        await rows_of(
            database,
            company,
            "select data from event where tenant_id = :t and kind = 'import.finished'",
        )
    )[0]
    assert (data["file"], data["created"], data["sha256"]) == ("customers", 1, report.sha256)


# --- history ----------------------------------------------------------------------------------------------


async def test_past_work_is_closed_through_the_door_and_stays_unproved(
    database: Database, company: Company, tmp_path: Path
) -> None:
    report = await take(database, company, "work_orders", JOBS + JOB, tmp_path)
    assert report.beside == {
        "failures": 1, "outages": 1, "visits": 1, "time_entries": 1, "cost_lines": 2, "closed": 1,
    }  # fmt: skip
    (job,) = await rows_of(
        database,
        company,
        """
        select w.number, w.status, w.is_unproved, w.closed_by, c.unmet, k.number, t.code, w.work_done_at
        from work_order w
        join work_order_closure c on c.tenant_id = w.tenant_id and c.id = w.closure_id
        join contract k on k.tenant_id = w.tenant_id and k.id = w.contract_id
        join checklist_version v on v.tenant_id = w.tenant_id and v.id = w.checklist_version_id
        join checklist_template t on t.tenant_id = w.tenant_id and t.id = v.template_id
        where w.tenant_id = :t
        """,
    )
    assert job[:3] == ("2024-1", "closed", True)
    assert job[3:7] == (company.users["administrator"].id, [], "K-1", "import")
    lines = await rows_of(
        database,
        company,
        "select kind, amount, payer, posted_on::text from cost_line where tenant_id = :t order by kind",
    )
    assert [(kind, str(amount), payer, on) for kind, amount, payer, on in lines] == [
        ("labour", "120.00", "contract", "2025-06-02"),
        ("parts", "12.50", "customer", "2025-06-02"),
    ]
    ((length,),) = await rows_of(
        database,
        company,
        "select extract(epoch from upper(during) - lower(during)) from outage where tenant_id = :t",
    )
    assert int(length) == 9_000
    kinds = await rows_of(
        database,
        company,
        "select kind from event where tenant_id = :t and entity = 'work_order' order by kind",
    )
    assert kinds == [("work_order.closed",), ("work_order.imported",)]
    again = await take(database, company, "work_orders", JOBS + JOB, tmp_path)
    assert (again.created, again.unchanged, again.differ, again.beside) == (0, 1, 0, {})


async def test_nobody_is_no_closer_of_past_work(
    database: Database, company: Company, tmp_path: Path
) -> None:
    with pytest.raises(Invalid, match="--as LOGIN"):
        await take(database, company, "work_orders", JOBS + JOB, tmp_path, actor=company.system)
    assert await count(database, company, "work_order") == 0


async def test_a_customers_user_imports_nothing_whatever_the_role_says(
    database: Database, company: Company, tmp_path: Path
) -> None:
    for role in ("customer", "dispatcher"):
        with pytest.raises(Forbidden):
            await take(
                database, company, "customers", "number,name\nX,Y\n", tmp_path, actor=company.actors[role]
            )  # fmt: skip


async def test_numbers_of_ours_go_on_above_those_brought_along(
    database: Database, company: Company, tmp_path: Path
) -> None:
    text = "number,asset,work_type,reported_at\nW-41,A-1,repair,2025-06-02T08:00Z\n"
    await take(database, company, "work_orders", text, tmp_path)
    text = "source_id,asset,work_type,reported_at\nx,A-1,repair,2025-06-03T08:00Z\n"
    await take(database, company, "work_orders", text, tmp_path)
    found = await rows_of(
        database, company, "select number from work_order where tenant_id = :t order by number"
    )
    assert found == [("W-41",), ("W-42",)]


# --- there and back ---------------------------------------------------------------------------------------


async def test_every_export_imports_into_another_company_and_exports_the_same(
    database: Database, company: Company, stranger: Company, tmp_path: Path
) -> None:
    for kind, text in {
        "customers": 'number,name,phone,notes\nC-2,"=cmd|\'/C calc\'!A0",+33 1 22,"a ""b""\nc"\n',
        "sites": "number,customer,name,latitude,longitude,zone\nS-2,C-2,Zwei,50.1,14.4,Europe/Prague\n",
        "assets": ASSETS + "A-2,S-2,M-1,Böhm,2024-01-01T00:00Z,,serial=7;link=https://x.test/a\n"
        "A-3,S-2,M-1,Böhm,2024-01-01T00:00Z,A-2,\n",
        "contracts": "number,customer,kind,starts_on,ends_on,assets,payers,request_classes\n"
        "K-2,C-2,warranty,2024-01-01,2026-12-31,A-2;A-3@2024-06-01,labour=manufacturer,incident\n",
        "technicians": "number,name,skills,labour_rate,rates_from\nT-2,Eva,lift:4,55.50,2024-01-01\n",
        "parts": "number,name,cost,price,price_from,stock\nP-2,Bolt,0.50,1.00,2024-01-01,main=7.5\n",
        "failures": "asset,failed_at,restored_at,mode,source_id\n"
        "A-2,2025-01-01T10:00Z,2025-01-01T12:00Z,door,f-1\n",
        "work_orders": JOBS + JOB,
    }.items():
        await take(database, company, kind, text, tmp_path)
    for kind in KINDS:
        there = await exported(database, company, kind)
        report = await take(database, stranger, kind, there, tmp_path, update=True, keep_good=False)
        assert report.refused == 0, (kind, report.errors)
        back = await exported(database, stranger, kind)
        assert _sorted(back) == _sorted(there), kind
        same = await take(database, company, kind, there, tmp_path)
        assert (same.created, same.differ) == (0, 0), (kind, same.differences)


async def test_a_fee_that_an_import_changes_counts_from_the_companys_own_today(
    database: Database, company: Company, tmp_path: Path
) -> None:
    """At 22:30 UTC on the last of May it is June in Paris. The fee of the months before stays what it was."""
    head = "number,customer,kind,starts_on,monthly_fee\n"
    await take(
        database, company, "contracts", head + "K-7,C-1,subscription,2026-01-01,100\n", tmp_path
    )
    late = datetime(2026, 5, 31, 22, 30, tzinfo=UTC)
    changed = head + "K-7,C-1,subscription,2026-01-01,150\n"
    for _ in range(2):
        await take(database, company, "contracts", changed, tmp_path, now=late, update=True)
    fees = await rows_of(
        database,
        company,
        "select f.starts_on, f.monthly from contract_fee f join contract c on c.tenant_id = :t"
        " and c.id = f.contract_id where f.tenant_id = :t and c.number = 'K-7' order by f.starts_on",
    )
    assert fees == [(date(2026, 1, 1), 100), (date(2026, 6, 1), 150)]


def _sorted(table: bytes) -> list[tuple[str, ...]]:
    return sorted(tuple(row) for row in csv.reader(io.StringIO(table.decode(), newline="")))
