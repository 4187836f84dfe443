"""From a table to a file in one snapshot: CSV by the database itself, XLSX row by row."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from fsm.actors import Actor
from fsm.database import Database, Session, raw_connection, run
from fsm.evidence.blobs import in_thread
from fsm.imports.exporting import LineEnds
from fsm.tenants.queries import find_own_tenant
from reports.exports.tables import DAY, INSTANT, NUMBER, TRUTH, ExportColumn, ExportTable
from reports.exports.workbook import Workbook

_WAITING: Final = 8
"""Pieces of some kilobytes between the database and a slow reader."""
_ROWS_AT_ONCE: Final = 2_000


@asynccontextmanager
async def _snapshot(database: Database, actor: Actor) -> AsyncIterator[Session]:
    async with database.transaction(actor.tenant_id) as session:
        await run(session, "set transaction isolation level repeatable read, read only")
        yield session


async def read_csv(
    database: Database, actor: Actor, table: ExportTable, *, separator: str, decimal: str
) -> AsyncIterator[bytes]:
    """Yield a table as CSV: RFC 4180, UTF-8, UTC; text that a spreadsheet would run gets an apostrophe."""
    table.check(actor)
    chunks: asyncio.Queue[bytes | None] = asyncio.Queue(_WAITING)
    columns = ", ".join(
        f'{_csv_cell(column, decimal)} as "{column.name}"' for column in table.columns
    )
    where, values = table.conditions(actor)

    async def copy() -> None:
        try:
            async with _snapshot(database, actor) as session:
                raw = await raw_connection(session)
                await raw.copy_from_query(
                    f'select {columns} from "{table.table}" t where {where} order by {table.order}',  # noqa: S608
                    *values,
                    output=chunks.put,
                    format="csv",
                    header=True,
                    delimiter=separator,
                    encoding="utf-8",
                )
        finally:
            await chunks.put(None)

    task = asyncio.create_task(copy())
    line_ends = LineEnds()
    try:
        while (chunk := await chunks.get()) is not None:
            yield line_ends.crlf(chunk)
        await task
    finally:
        # The reader may have gone away: the copy waits for room that nobody makes any more.
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def _csv_cell(column: ExportColumn, decimal: str) -> str:
    value = f"({column.sql})"
    match column.kind:
        case "truth":
            return f"case {value} when true then 'true' when false then 'false' end"
        case "instant":
            return f"""to_char({value} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
        case "day":
            return f"{value}::text"
        case "number":
            return f"replace({value}::text, '.', '{decimal}')" if decimal != "." else value
    return rf"case when {value} ~ '^[-=+@\t\r\n]' then '''' || {value} else {value} end"


async def write_xlsx(
    database: Database, actor: Actor, now: datetime, table: ExportTable, path: Path
) -> None:
    """Write a table as XLSX to `path`: numbers as numbers, instants on the clocks of the company's zone."""
    table.check(actor)
    where, values = table.conditions(actor)
    columns = ", ".join(f'{column.sql} as "{column.name}"' for column in table.columns)
    async with _snapshot(database, actor) as session:
        tenant = await find_own_tenant(session, actor.tenant_id)
        head = (await run(session, _WATERMARK, t=actor.tenant_id)).scalar_one()
        book = await in_thread(Workbook, path, tenant.zone)
        await in_thread(
            book.about,
            {
                "table": table.name,
                "company": tenant.name,
                "as_of": now,
                "watermark": head,
                "zone": tenant.zone,
                "customer_id": str(actor.customer_id) if actor.customer_id else None,
            },
        )
        kinds = {NUMBER, TRUTH, INSTANT, DAY}
        await in_thread(
            book.begin,
            table.name,
            [
                (column.name, column.kind if column.kind in kinds else "text")
                for column in table.columns
            ],
        )
        raw = await raw_connection(session)
        rows: list[Any] = []
        query = f'select {columns} from "{table.table}" t where {where} order by {table.order}'  # noqa: S608
        async for row in raw.cursor(query, *values, prefetch=_ROWS_AT_ONCE):
            rows.append(row)
            if len(rows) == _ROWS_AT_ONCE:
                await in_thread(book.add, rows)
                rows = []
        await in_thread(book.add, rows)
        await in_thread(book.close)


_WATERMARK: Final = """
select coalesce((select number from chain_head where tenant_id = :t), 0)
"""
