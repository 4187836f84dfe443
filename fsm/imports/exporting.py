"""Tables as CSV files with exactly the columns that the import takes, streamed from the database.

PostgreSQL writes the CSV (COPY); only line ends pass through our hands, since RFC 4180 wants CRLF. Texts that
a spreadsheet would run as formulae get an apostrophe in front, which the import takes away again.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from fsm.actors import Actor, Permission
from fsm.database import Database, Session, raw_connection
from fsm.imports.kind import Kind
from fsm.problems import Forbidden

_WAITING_CHUNKS: Final = 8
"""Chunks of some kilobytes between the database and a slow reader."""


def check_export(actor: Actor, kind: Kind) -> None:
    """Refuse whoever may not take this table out of the house."""
    actor.must(Permission.EXPORT_DATA)
    actor.must(kind.reads)
    if actor.customer_id is not None and kind.customer is None:
        raise Forbidden(f"A customer's user cannot export {kind.name}.")


async def export_csv(
    database: Database, actor: Actor, kind: Kind, *, delimiter: str = ",", decimal: str = "."
) -> AsyncIterator[bytes]:
    """Yield the table as CSV in UTF-8, in order of creation, in one transaction of its own.

    Costs and rates are empty for people who may not read costs.
    """
    check_export(actor, kind)
    chunks: asyncio.Queue[bytes | None] = asyncio.Queue(_WAITING_CHUNKS)

    async def copy() -> None:
        try:
            async with database.transaction(actor.tenant_id) as session:
                await _copy(session, actor, kind, delimiter, decimal, chunks)
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


async def _copy(
    session: Session,
    actor: Actor,
    kind: Kind,
    delimiter: str,
    decimal: str,
    chunks: asyncio.Queue[bytes | None],
) -> None:
    raw = await raw_connection(session)
    conditions, arguments = ["t.tenant_id = $1"], [actor.tenant_id]
    if actor.customer_id is not None:
        conditions.append(f"{kind.customer} = $2")
        arguments.append(actor.customer_id)
    hidden = () if actor.may(Permission.READ_COSTS) else kind.secret
    columns = ", ".join(
        f"{'null' if column.name in hidden else _written(kind, column.name, column.cell.sql, decimal)}"
        f' as "{column.name}"'
        for column in kind.staged
    )
    await raw.copy_from_query(
        f"""select {columns} from "{kind.table}" t {kind.export_joins}
        where {" and ".join(conditions)} order by t.id""",
        *arguments,
        output=chunks.put,
        format="csv",
        header=True,
        delimiter=delimiter,
        encoding="utf-8",
    )


def _written(kind: Kind, name: str, sql: str, decimal: str) -> str:
    """Return the SQL of a column as the file writes it, by its type in the import."""
    value = kind.export[name]
    match sql:
        case "text" | "jsonb":
            return (
                rf"case when ({value}) ~ '^''*[-=+@\t\r]' then '''' || ({value}) else ({value}) end"
            )
        case "boolean":
            return f"case ({value}) when true then 'yes' when false then 'no' end"
        case "timestamptz":
            return f"""to_char(({value}) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
        case "numeric" | "double precision" if decimal != ".":
            return f"replace(({value})::text, '.', '{decimal}')"
    return f"({value})"


class LineEnds:
    """Turns line ends into CRLF outside quotes; chunks may be cut anywhere."""

    def __init__(self) -> None:
        self._in_quotes = False

    def crlf(self, chunk: bytes) -> bytes:
        pieces = chunk.split(b'"')
        for place, piece in enumerate(pieces):
            if (place % 2 == 1) == self._in_quotes:
                pieces[place] = piece.replace(b"\n", b"\r\n")
        if len(pieces) % 2 == 0:
            self._in_quotes = not self._in_quotes
        return b'"'.join(pieces)
