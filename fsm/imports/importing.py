"""A file becomes rows: staged, checked and stored by whole sets, in the caller's transaction.

The file is read once, in steps, into the temporary table `incoming`; memory does not grow with it. All or
nothing is stored, unless the good rows of a bad file are asked for. A dry run does everything and takes it
back, so that every constraint has been tried.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from uuid_utils.compat import uuid7

from fsm import events
from fsm.actors import Actor, Permission
from fsm.database import Session, raw_connection, run, touch_all
from fsm.imports.csv_file import CsvFile
from fsm.imports.history import in_steps
from fsm.imports.kind import Check, Kind, Run
from fsm.imports.options import Options
from fsm.imports.report import MOST_LISTED, Difference, Report, RowError
from fsm.imports.rows import Reader, Refused
from fsm.problems import Forbidden, Problem
from fsm.tenants.queries import find_own_tenant

STEP: Final = 2_000
"""Rows of the file in memory at a time."""


class ImportRefused(Problem):
    """The file has bad rows and only all of it was wanted; nothing was stored. `report` names them."""

    code, status, title = "import-refused", 422, "The file has rows that cannot be taken"

    def __init__(self, detail: str, /, report: Report) -> None:
        super().__init__(detail, report=msgspec.to_builtins(report))
        self.report = report


async def import_file(
    session: Session, actor: Actor, now: datetime, kind: Kind, path: Path, options: Options
) -> Report:
    """Import a CSV file and return the report; `ImportRefused` where bad rows stopped it.

    Running it again changes nothing. Problems of the file as a whole, such as a missing column, are raised
    before anything is stored.
    """
    actor.must(Permission.IMPORT_DATA)
    if actor.customer_id is not None:
        raise Forbidden("Imports belong to the service company; a customer's user has none.")
    report = Report(kind.name, options.dry_run, stored=False)
    report.sha256 = await asyncio.to_thread(_digest, path)
    savepoint = await session.begin_nested()
    touched = list(session.info.get("touched", ()))
    one = await _begin(session, actor, now, kind, options)
    await _stage(one, path, report)
    stored = await _store(one, report)
    if options.dry_run or not stored:
        await savepoint.rollback()
        session.info["touched"] = touched
        report.stored = False
        if not options.dry_run:
            raise _refusal(report)
        return report
    await savepoint.commit()
    report.stored = True
    await events.record(
        session,
        actor,
        "import.finished",
        "import",
        uuid7(),
        now=now,
        file=kind.name,
        sha256=report.sha256,
        **{name: getattr(report, name) for name in _COUNTS},
        beside=report.beside,
    )
    return report


_COUNTS: Final = ("rows", "created", "updated", "unchanged", "differ", "refused")


def _refusal(report: Report) -> ImportRefused:
    count = report.error_count
    first = report.errors[0]
    return ImportRefused(
        f"Nothing was stored: {report.refused} of {report.rows} rows cannot be taken. "
        f"Line {first.line}{f', {first.column}' if first.column else ''}: {first.reason}."
        + (f" {count - 1} more reasons are in 'report'." if count > 1 else ""),
        report,
    )


def _digest(path: Path) -> str:
    digest = sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


# --- the file, into `incoming` ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Import:
    kind: Kind
    options: Options
    run: Run
    present: set[str]
    """The columns that the file has, once its first line has been read."""


async def _begin(
    session: Session, actor: Actor, now: datetime, kind: Kind, options: Options
) -> _Import:
    """Make the empty tables `incoming` and `refused` of this transaction."""
    tenant = await find_own_tenant(session, actor.tenant_id)
    columns = {
        "line": "integer primary key",
        "id": "uuid not null",
        "found": "uuid",
        **{column.name: column.cell.sql for column in kind.staged},
        **kind.own,
    }
    listed = ", ".join(f'"{name}" {sql}' for name, sql in columns.items())
    for statement in (
        "drop table if exists pg_temp.incoming, pg_temp.refused",
        f"create temporary table incoming ({listed}) on commit drop",
        'create temporary table refused (line integer, "column" text, reason text) on commit drop',
    ):
        await run(session, statement)
    zone = options.zone.key if options.zone else tenant.zone
    values = {
        "tenant": actor.tenant_id,
        "now": now,
        "today": now.astimezone(ZoneInfo(zone)).date(),
        "zone": zone,
        "currency": tenant.currency,
        "actor": actor.name,
    }
    return _Import(
        kind,
        options,
        Run(session, actor, now, values, options.create_missing, options.update),
        set(),
    )


async def _stage(one: _Import, path: Path, report: Report) -> None:
    """Put every row that can be read into `incoming`, and every reason against the others into the report."""
    raw = await raw_connection(one.run.session)
    names = [
        "line",
        "id",
        *(column.name for column in one.kind.staged),
        *one.kind.own,
    ]
    with path.open("rb") as file:
        reader = await asyncio.to_thread(_open, one, file)
        one.present.update(reader.present)
        report.warnings = reader.warnings
        rows = reader.read()
        while True:
            good, bad, count = await asyncio.to_thread(_next_step, rows, names)
            if not count:
                break
            report.rows += count
            report.refused += len({refused.line for refused in bad})
            report.error_count += len(bad)
            room = MOST_LISTED - len(report.errors)
            report.errors += [RowError(r.line, r.column, r.reason) for r in bad[:room]]
            if good:
                await raw.copy_records_to_table("incoming", records=good, columns=names)
    await run(one.run.session, "analyze incoming")


def _open(one: _Import, file: Any) -> Reader:
    csv_file = CsvFile(file, one.options.delimiter)
    return Reader(one.kind, csv_file, one.options, one.run.now)


def _next_step(
    rows: Iterator[dict[str, Any] | list[Refused]], names: list[str]
) -> tuple[list[tuple[Any, ...]], list[Refused], int]:
    good: list[tuple[Any, ...]] = []
    bad: list[Refused] = []
    count = 0
    for row in islice(rows, STEP):
        count += 1
        if isinstance(row, dict):
            good.append(tuple(row[name] for name in names))
        else:
            bad += row
    return good, bad, count


# --- checks -----------------------------------------------------------------------------------------------


def _rows(kind: Kind) -> str:
    """Return the FROM of a kind's SQL: incoming rows, the stored ones they match, what they refer to."""
    return f"""incoming i left join "{kind.table}" t on t.tenant_id = :tenant and t.id = i.found
        {kind.joins}"""


async def _match(one: _Import) -> None:
    for condition in one.kind.matches:
        await run(
            one.run.session,
            f"""
            update incoming i set found = t.id from "{one.kind.table}" t
            where t.tenant_id = :tenant and i.found is null and {condition}
            """,
            tenant=one.run.actor.tenant_id,
        )


async def _check(one: _Import, report: Report) -> None:
    """Name every row that cannot be stored, and take it out of `incoming`."""
    session, kind = one.run.session, one.kind
    for key in (*kind.keys, "i.found"):
        column = kind.columns[0].name if key == "i.found" else key.rpartition(".")[2].strip("() ")
        await run(
            session,
            f"""
            insert into refused
            select line, :column, 'is the same as on line ' || first from (
              select i.line, min(i.line) over (partition by {key}) as first, {key} as key
              from incoming i) as rows
            where line > first and (key) is not null
            """,
            column=column,
        )
    if kind.checks:
        listed = ", ".join(_as_values(check) for check in kind.checks)
        await run(
            session,
            f"""
            insert into refused
            select i.line, finding.name, finding.reason from {_rows(kind)}
            cross join lateral (values {listed}) as finding(name, is_bad, reason)
            where finding.is_bad
            """,
            tenant=one.run.actor.tenant_id,
        )
    await _fall_with_parents(one)
    counts = (
        await run(session, "select count(*) as reasons, count(distinct line) as rows from refused")
    ).one()
    if not counts.reasons:
        return
    listed_errors = await run(
        session,
        'select distinct line, "column", reason from refused order by line, "column", reason limit :most',
        most=MOST_LISTED,
    )
    errors = [RowError(row.line, row.column, row.reason) for row in listed_errors]
    report.errors = sorted(
        report.errors + errors, key=lambda error: (error.line, error.column or "")
    )
    report.errors = report.errors[:MOST_LISTED]
    report.error_count += counts.reasons
    report.refused += counts.rows
    await run(session, "delete from incoming where line in (select line from refused)")


def _as_values(check: Check) -> str:
    # The reason is worked out only for bad rows: it may hold a subquery.
    return f"('{check.column}', {check.where}, case when {check.where} then {check.reason} end)"


async def _fall_with_parents(one: _Import) -> None:
    """Refuse assets whose whole is in the file and is refused itself, to any depth."""
    if "parent" not in {column.name for column in one.kind.columns}:
        return
    await run(
        one.run.session,
        """
        with recursive fallen(number) as (
          select number from incoming where line in (select line from refused) and found is null
          union
          select i.number from incoming i join fallen on i.parent = fallen.number
          where i.found is null
        )
        insert into refused
        select i.line, 'parent', 'the row of ''' || i.parent || ''' is refused' from incoming i
        join fallen on fallen.number = i.parent
        where i.line not in (select line from refused)
        """,
    )


# --- storing ----------------------------------------------------------------------------------------------


async def _store(one: _Import, report: Report) -> bool:
    """Check and store what is in `incoming`; return whether the file, or its good part, was stored."""
    await _match(one)
    await _step(one, report, one.kind.before)
    await _check(one, report)
    # A dry run goes on with the good rows: what else is wrong with the file should show at once.
    if report.refused and not one.options.keep_good and not one.options.dry_run:
        return False
    await _compare(one, report)
    await _remark(one, report)
    await _step(one, report, one.kind.ready)
    await _insert(one, report)
    if one.options.update and not one.kind.is_history:
        await _update(one, report)
    await _step(one, report, one.kind.after)
    if report.created or report.updated or report.beside:
        touch_all(one.run.session)
    if report.refused and not one.options.keep_good:
        report.created = report.updated = 0
        report.beside = {}
    return True


async def _step(one: _Import, report: Report, step: Any) -> None:
    if step is not None:
        for name, count in (await step(one.run)).items():
            if count:
                report.beside[name] = report.beside.get(name, 0) + count


def _comparisons(one: _Import) -> list[tuple[str, str, str, str]]:
    """Return (column, condition that it differs, SQL of the stored text, SQL of the file's text)."""
    found = []
    for field in one.kind.fields:
        if any(name in one.present for name in field.of):
            stored = field.stored or f't."{field.target}"'
            found.append(
                (field.of[0], f"{stored} is distinct from {field.value}",
                 f"({stored})::text", f"({field.value})::text")
            )  # fmt: skip
    return found + [
        (compare.column, compare.differs, compare.there, compare.here)
        for compare in one.kind.compares
        if compare.column in one.present
    ]


async def _compare(one: _Import, report: Report) -> None:
    """Count the rows that are there already, and name those that differ. These get `incoming.differs`."""
    session = one.run.session
    await run(session, "alter table incoming add column differs boolean not null default false")
    comparisons = _comparisons(one)
    if comparisons:
        listed = ", ".join(
            f"('{column}', {differs}, case when {differs} then left({there}, 200) end,"
            f" case when {differs} then left({here}, 200) end)"
            for column, differs, there, here in comparisons
        )
        await run(
            session,
            f"""
            create temporary table differing on commit drop as
            select i.line, finding.name, finding.stored, finding.in_file from {_rows(one.kind)}
            cross join lateral (values {listed}) as finding(name, differs, stored, in_file)
            where i.found is not null and finding.differs
            """,
            **one.run.values,
        )
        await run(
            session, "update incoming set differs = true where line in (select line from differing)"
        )
        named = await run(
            session,
            "select line, name, stored, in_file from differing order by line, name limit :most",
            most=MOST_LISTED,
        )
        report.differences = [Difference(*tuple(row)) for row in named]
        await run(session, "drop table differing")
    there = (
        await run(
            session,
            "select count(*) filter (where differs) as differ,"
            " count(*) filter (where not differs) as same from incoming where found is not null",
        )
    ).one()
    report.differ, report.unchanged = there.differ, there.same


async def _remark(one: _Import, report: Report) -> None:
    for remark in one.kind.remarks:
        rows = await run(
            one.run.session,
            "select count(*) as rows, min(line) as line from incoming i"
            f" where i.found is null and {remark.where}",
        )
        found = rows.one()
        if found.rows:
            sentence = remark.sentence.format(count=found.rows, line=found.line)
            report.warnings.append(sentence)


async def _insert(one: _Import, report: Report) -> None:
    """Store the rows that are new, in one statement, so that they may refer to each other."""
    kind = one.kind
    values = {field.target: field.value for field in kind.fields} | dict(kind.fixed)
    columns = ", ".join(f'"{name}"' for name in ("tenant_id", "id", "rev", *values))
    made = await run(
        one.run.session,
        f"""
        insert into "{kind.table}" ({columns})
        select :tenant, i.id, 1, {", ".join(values.values())} from {_rows(kind)}
        where i.found is null order by i.line
        """,
        **one.run.values,
    )
    report.created = made.rowcount


async def _update(one: _Import, report: Report) -> None:
    """Let the stored rows that differ follow the file in the columns that it has."""
    kind, session = one.kind, one.run.session
    changed = [field for field in kind.fields if any(name in one.present for name in field.of)]
    settings = ", ".join(f'"{field.target}" = new."{field.target}"' for field in changed)
    values = ", ".join(f'{field.value} as "{field.target}"' for field in changed)
    await run(
        session,
        f"""
        update "{kind.table}" as stored set {settings}, rev = stored.rev + 1
        from (select i.found, {values} from {_rows(kind)} where i.differs) as new
        where stored.tenant_id = :tenant and stored.id = new.found
        """,
        **one.run.values,
    )
    report.updated, report.differ = report.differ, 0
    async for rows in in_steps(one.run, "select line, found from incoming where differs"):
        ids = [row.found for row in rows]
        await events.record_many(
            session,
            one.run.actor,
            f"{kind.entity}.edited",
            kind.entity,
            [(row_id, one.run.now, {"by": "import"}) for row_id in ids],
            now=one.run.now,
        )
