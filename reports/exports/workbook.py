"""A workbook written row by row: memory does not grow with rows, and no text is ever run as a formula."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import xlsxwriter

MOST_ROWS: Final = 1_048_576
"""Rows of one sheet in the format; what is more goes to further sheets."""
_MOST_TEXT: Final = 32_767
"""Characters of one cell in the format; a longer text is cut, and ends with the sign for that."""
_MOST_EXACT: Final = 10**15
"""Whole numbers from here on lose digits in a spreadsheet: they are written as text."""
_ABOUT: Final = "about"


class Workbook:
    """One table over as many sheets as it needs, and a sheet that says what it is.

    Cells have no zone: instants stand on the clocks of `zone`, and their columns' heads say so.
    """

    def __init__(self, path: Path, zone: str) -> None:
        self._zone_name, self._zone = zone, ZoneInfo(zone)
        self._book = xlsxwriter.Workbook(
            str(path),
            {
                "constant_memory": True,
                "strings_to_formulas": False,
                "strings_to_numbers": False,
                "strings_to_urls": False,
                "use_zip64": True,
            },
        )
        self._book.set_properties({"created": datetime(2000, 1, 1)})  # noqa: DTZ001 — the same bytes again
        self._strong = self._book.add_format({"bold": True, "bottom": 1})
        self._instant = self._book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        self._day = self._book.add_format({"num_format": "yyyy-mm-dd"})
        self._sheet: Any = None
        self._name = ""
        self._sheets = 0
        self._row = 0
        self._columns: list[tuple[str, str]] = []

    def about(self, said: Mapping[str, Any]) -> None:
        """Write what the table is: as of when, up to which event, narrowed to what."""
        sheet = self._book.add_worksheet(_ABOUT)
        sheet.set_column(0, 1, 24)
        for row, (name, value) in enumerate(said.items()):
            sheet.write_string(row, 0, name, self._strong)
            self._write(sheet, row, 1, value)

    def begin(self, name: str, columns: Sequence[tuple[str, str]]) -> None:
        """Begin the table; `columns` are names with the kind of their cells."""
        self._name, self._columns = name, list(columns)
        self._next_sheet()

    def add(self, rows: Iterable[Sequence[Any]]) -> None:
        for row in rows:
            if self._row == MOST_ROWS:
                self._next_sheet()
            for place, value in enumerate(row):
                self._write(self._sheet, self._row, place, value)
            self._row += 1

    def close(self) -> None:
        self._book.close()

    def _next_sheet(self) -> None:
        self._sheets += 1
        name = self._name if self._sheets == 1 else f"{self._name} {self._sheets}"
        self._sheet = self._book.add_worksheet(name[:31])
        self._sheet.freeze_panes(1, 0)
        self._sheet.set_column(0, len(self._columns), 18)
        for place, (column, kind) in enumerate(self._columns):
            head = f"{column} ({self._zone_name})" if kind == "instant" else column
            self._sheet.write_string(0, place, head, self._strong)
        self._row = 1

    def _write(self, sheet: Any, row: int, place: int, value: Any) -> None:
        match value:
            case None:
                return
            case bool():
                sheet.write_boolean(row, place, value)
            case int() if abs(value) < _MOST_EXACT:
                sheet.write_number(row, place, value)
            case float() | Decimal():
                sheet.write_number(row, place, float(value))
            case datetime():
                local = value.astimezone(self._zone).replace(tzinfo=None)
                sheet.write_datetime(row, place, local, self._instant)
            case date():
                sheet.write_datetime(row, place, value, self._day)
            case _:
                text = str(value)
                cut = f"{text[: _MOST_TEXT - 1]}…" if len(text) > _MOST_TEXT else text
                sheet.write_string(row, place, cut)
