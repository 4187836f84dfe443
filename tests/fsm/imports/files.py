"""Small CSV files and ways to import them, for the tests of imports."""

from pathlib import Path
from typing import Any

from fsm.actors import Actor
from fsm.database import Database
from fsm.imports.importing import import_file
from fsm.imports.kinds import KINDS
from fsm.imports.options import read_options
from fsm.imports.report import Report
from tests.company import Company


async def take(
    database: Database,
    company: Company,
    kind: str,
    text: str | bytes,
    folder: Path,
    *,
    actor: Actor | None = None,
    now: Any = None,
    **options: Any,
) -> Report:
    """Import a text as a file of `kind`, as the company's administrator, and commit."""
    path = folder / f"{kind}.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    async with database.transaction(company.id) as session:
        return await import_file(
            session,
            actor or company.actors["administrator"],
            now or company.tenant.created_at,
            KINDS[kind],
            path,
            read_options(**options),
        )


async def count(database: Database, company: Company, table: str) -> int:
    from fsm.database import run

    async with database.transaction(company.id) as session:
        rows = await run(
            session, f'select count(*) from "{table}" where tenant_id = :t', t=company.id
        )
        return int(rows.scalar_one())
