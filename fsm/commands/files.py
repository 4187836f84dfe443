"""`fsm import`, `fsm export`: files in and out."""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from fsm.commands.asking import CannotRun, add_company
from fsm.commands.company import who_acts, with_database
from fsm.database import Database
from fsm.imports.csv_file import DELIMITERS
from fsm.imports.exporting import export_csv
from fsm.imports.importing import ImportRefused, import_file
from fsm.imports.kind import Kind
from fsm.imports.kinds import KINDS
from fsm.imports.options import DECIMALS, read_options
from fsm.imports.report import Report, as_table
from fsm.settings import Settings

_IMPORT_EXAMPLES = """examples:
  fsm import customers --columns                    what such a file holds
  fsm import assets machines.csv --dry-run          try it, change nothing
  fsm import assets machines.csv --keep-good        take the good rows of a bad file
  fsm import failures PdM_failures.csv --zone UTC --map machineID=asset \\
      --map datetime=failed_at --map failure=mode   somebody else's columns
  fsm import work_orders old.csv --zone Europe/Paris --as anna@example.com

Running an import again changes nothing. Every column is described in fsm/imports/README.md."""

_EXPORT_EXAMPLES = """examples:
  fsm export assets assets.csv
  fsm export work_orders --delimiter semicolon --decimal comma > jobs.csv

The columns are those that 'fsm import' takes."""


def add_commands(commands: Any) -> None:
    taking = commands.add_parser(
        "import",
        description="Take in a CSV file. All of it or nothing is stored, unless you say --keep-good.",
        epilog=_IMPORT_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    taking.add_argument("kind", choices=KINDS, metavar="KIND", help=", ".join(KINDS))
    taking.add_argument("file", nargs="?", type=Path, metavar="FILE", help="the CSV file, in UTF-8")
    taking.add_argument(
        "--columns", action="store_true", help="say which columns KIND has, and stop"
    )
    add_company(taking, acts=True)
    becomes = taking.add_argument_group("what becomes of it")
    becomes.add_argument("--dry-run", action="store_true", help="check everything, change nothing")
    becomes.add_argument(
        "--keep-good", action="store_true", help="store the good rows of a bad file"
    )
    becomes.add_argument(
        "--update",
        action="store_true",
        help="let stored master data follow the file where they differ",
    )
    becomes.add_argument(
        "--create-missing", action="store_true", help="create skills and work types that rows name"
    )
    becomes.add_argument("--json", action="store_true", help="print the report as JSON")
    reading = taking.add_argument_group("how it is read")
    reading.add_argument(
        "--map", action="append", metavar="THEIRS=OURS", help="a column of the file is one of ours"
    )
    reading.add_argument(
        "--set", action="append", metavar="OURS=TEXT", help="the same text for every row"
    )
    reading.add_argument("--zone", help="zone of times that have none, such as Europe/Paris")
    reading.add_argument(
        "--dates",
        metavar="FORM",
        help='form of times, such as "MM/DD/YYYY hh:mm:ss AM/PM"; else ISO 8601',
    )
    reading.add_argument("--delimiter", choices=DELIMITERS, help="guessed unless said")
    reading.add_argument("--decimal", choices=("point", "comma"), default="point")
    reading.add_argument(
        "--source", default="import", help="name of the system that history comes from"
    )
    taking.set_defaults(run=_import)

    giving = commands.add_parser(
        "export",
        description="Write a table as CSV, to a file or to standard output.",
        epilog=_EXPORT_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    giving.add_argument("table", choices=KINDS, metavar="TABLE", help=", ".join(KINDS))
    giving.add_argument("file", nargs="?", type=Path, metavar="FILE", help="else standard output")
    add_company(giving, acts=True)
    giving.add_argument("--delimiter", choices=DELIMITERS, default="comma")
    giving.add_argument("--decimal", choices=("point", "comma"), default="point")
    giving.set_defaults(run=_export)


def _import(arguments: argparse.Namespace) -> int:
    kind = KINDS[arguments.kind]
    if arguments.columns:
        print(columns_of(kind))
        return 0
    if arguments.file is None:
        raise CannotRun("Name the file to import; --columns says what it should hold.")
    options = read_options(
        delimiter=arguments.delimiter,
        decimal=arguments.decimal,
        dates=arguments.dates,
        zone=arguments.zone,
        columns=arguments.map,
        constants=arguments.set,
        source=arguments.source,
        dry_run=arguments.dry_run,
        keep_good=arguments.keep_good,
        update=arguments.update,
        create_missing=arguments.create_missing,
    )
    with arguments.file.open("rb"):
        pass  # a missing file is said before the database is asked for anything

    async def work(database: Database, settings: Settings) -> int:
        actor = await who_acts(database, arguments)
        try:
            async with database.transaction(actor.tenant_id) as session:
                report = await import_file(
                    session, actor, datetime.now(UTC), kind, arguments.file, options
                )
        except ImportRefused as refused:
            _say(arguments, refused.report)
            print(f"fsm: {refused.detail}", file=sys.stderr)
            return 1
        _say(arguments, report)
        return 1 if report.refused and not arguments.keep_good else 0

    return with_database(work)


def _say(arguments: argparse.Namespace, report: Report) -> None:
    print(msgspec.json.encode(report).decode() if arguments.json else as_table(report))


def columns_of(kind: Kind) -> str:
    """Return a table of a kind's columns for a terminal."""
    lines = [f"{kind.name}: {kind.about}", ""]
    for column in kind.columns:
        needed = " (needed)" if column.required else ""
        about = f"{column.about}; " if column.about else ""
        lines.append(f"  {column.name:<22}{about}{column.cell.words}{needed}")
        if column.example:
            lines.append(f"  {'':<22}such as {column.example}")
    return "\n".join(lines)


def _export(arguments: argparse.Namespace) -> int:
    if DELIMITERS[arguments.delimiter] == DECIMALS[arguments.decimal]:
        raise CannotRun("With a decimal comma, choose another delimiter, such as semicolon.")

    async def work(database: Database, settings: Settings) -> int:
        actor = await who_acts(database, arguments)
        chunks = export_csv(
            database,
            actor,
            KINDS[arguments.table],
            delimiter=DELIMITERS[arguments.delimiter],
            decimal=DECIMALS[arguments.decimal],
        )
        if arguments.file is None:
            async for chunk in chunks:
                sys.stdout.buffer.write(chunk)
            sys.stdout.flush()
            return 0
        with arguments.file.open("wb") as target:
            async for chunk in chunks:
                target.write(chunk)
        return 0

    return with_database(work)
