"""A timesheet as a table: a row per line, one per day after its lines, one for the month at the end."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from fsm.evidence.blobs import in_thread
from reports.exports.workbook import Workbook
from reports.timesheets.month import Hours, Timesheet, TimesheetLine

_HOURS: Final = Hours.__struct_fields__
_OF_LINE: Final = (
    "entry_id", "work_order_id", "number", "visit_id", "needs_review", "is_overlapping",
)  # fmt: skip
COLUMNS: Final = ("row", "on", "starts_at", "ends_at", *_HOURS, *_OF_LINE)
_CELLS: Final = {
    "on": "day",
    "starts_at": "instant",
    "ends_at": "instant",
    **dict.fromkeys(_HOURS, "number"),
}


def rows_of(sheet: Timesheet) -> Iterator[list[Any]]:
    """Yield what stands in the `COLUMNS`, as values; a line has its seconds under its kind alone."""
    for day in sheet.days:
        for line in day.lines:
            spent = [line.seconds if name == f"{line.kind}_s" else None for name in _HOURS]
            yield ["line", day.on, line.starts_at, line.ends_at, *spent, *_of_line(line)]
        yield ["day", day.on, None, None, *msgspec.structs.astuple(day.hours), *_EMPTY]
    yield [
        "month",
        None,
        sheet.from_at,
        sheet.to_at,
        *msgspec.structs.astuple(sheet.hours),
        *_EMPTY,
    ]


async def write_xlsx(path: Path, sheet: Timesheet) -> None:
    """Write a workbook: instants on the clocks of the technician's zone, and beside them what it is."""
    book = await in_thread(Workbook, path, sheet.zone)
    await in_thread(
        book.about,
        {
            "technician": f"{sheet.number} {sheet.name}",
            "month": sheet.month,
            "zone": sheet.zone,
            "as_of": sheet.as_of,
            "watermark": sheet.watermark,
            "late_events": sheet.late_events,
            "null_reason": sheet.null_reason,
            "provisional": " ".join(sheet.provisional.because) if sheet.provisional else None,
        },
    )
    await in_thread(book.begin, "timesheet", [(name, _CELLS.get(name, "text")) for name in COLUMNS])
    await in_thread(book.add, list(rows_of(sheet)))
    await in_thread(book.close)


_EMPTY: Final = [None] * len(_OF_LINE)


def _of_line(line: TimesheetLine) -> list[Any]:
    return [getattr(line, name) for name in _OF_LINE]
