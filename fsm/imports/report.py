"""What became of a file: counts, and every row that was not taken, with the reason."""

from collections.abc import Sequence
from typing import Final

import msgspec

MOST_LISTED: Final = 1_000
"""Errors and differences that a report lists; all are counted."""


class RowError(msgspec.Struct, frozen=True):
    """A row that was not taken. `line` is the physical line it begins on; `column` None: the whole row."""

    line: int
    column: str | None
    reason: str


class Difference(msgspec.Struct, frozen=True):
    """A stored row that says something else than the file."""

    line: int
    column: str
    stored: str | None
    in_file: str | None


class Report(msgspec.Struct):
    """The result of one import. In a dry run, and where nothing was stored, the counts say what would be."""

    kind: str
    dry_run: bool
    stored: bool
    rows: int = 0
    """Rows of the file that hold anything."""
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    differ: int = 0
    """Rows that are there already and say something else; left as they were."""
    refused: int = 0
    """Rows that were not taken."""
    error_count: int = 0
    errors: list[RowError] = []
    differences: list[Difference] = []
    warnings: list[str] = []
    beside: dict[str, int] = {}
    """What else was made, by name."""
    sha256: str = ""
    """Digest of the file."""


def as_table(report: Report) -> str:
    """Return the report as people read it on a terminal."""
    done = (
        "Would be stored" if report.dry_run else "Stored" if report.stored else "Nothing was stored"
    )
    lines = [
        f"{report.kind}: {report.rows} rows read.",
        f"{done}: {report.created} created, {report.updated} updated, {report.unchanged} unchanged, "
        f"{report.differ} there already but different, {report.refused} refused.",
    ]
    if beside := ", ".join(
        f"{count} {name.replace('_', ' ')}" for name, count in report.beside.items()
    ):
        lines.append(f"Beside them: {beside}.")
    lines += [f"Note: {warning}" for warning in report.warnings]
    if report.errors:
        lines += ["", *_columns([("line", "column", "reason")] + [
            (str(error.line), error.column or "-", error.reason) for error in report.errors
        ])]  # fmt: skip
        if report.error_count > len(report.errors):
            lines.append(f"… and {report.error_count - len(report.errors)} more.")
    if report.differences:
        lines += ["", *_columns([("line", "column", "stored", "in the file")] + [
            (str(one.line), one.column, one.stored or "-", one.in_file or "-")
            for one in report.differences
        ])]  # fmt: skip
        if not report.updated and report.differ:
            lines.append(
                "Rows that differ stay as they are. Master data follows the file with 'update'."
            )
    return "\n".join(_printable(line) for line in lines)


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [min(40, max(len(row[place]) for row in rows)) for place in range(len(rows[0]) - 1)]
    return [
        "  ".join(
            [*(cell[:40].ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]
        )
        for row in rows
    ]


def _printable(line: str) -> str:
    """Return the line without what would steer a terminal: a file's text is a stranger's."""
    return "".join(character if character.isprintable() else "�" for character in line)
