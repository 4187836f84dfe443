"""Whatever people call CSV: bytes in, numbered records out, and one sentence where it cannot be read. Pure.

Memory does not grow with the file: a physical line, a cell and the number of columns are bounded.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final

from fsm.problems import Problem

LONGEST_LINE: Final = 1_000_000
"""Bytes of one physical line; a longer one is no table that a person made."""
LONGEST_CELL: Final = 131_072
"""Characters of one cell, the csv module's own bound."""
MOST_COLUMNS: Final = 500

DELIMITERS: Final = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}

_BOMS: Final = {
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
    b"PK\x03\x04": "a spreadsheet or a ZIP archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"%PDF": "a PDF",
    b"\x1f\x8b": "a gzip archive",
}


_SAID: Final = re.compile(r"(?i:sep)=([,;\t|])\r?\n")


class UnreadableFile(Problem):
    """The file as a whole is no CSV in UTF-8; `line` is where reading stopped, if anywhere."""

    code, status, title = "unreadable-file", 422, "This is not a CSV file in UTF-8"


@dataclass(frozen=True, slots=True)
class Record:
    """One row of the table. `line` is the physical line that it begins on, the header's being 1."""

    line: int
    cells: Sequence[str]


class CsvFile:
    """An open CSV file: `header` at once, then the records one by one.

    Raises `UnreadableFile` for what is no such file, at once or at the line where that shows.
    """

    def __init__(self, file: BinaryIO, delimiter: str | None = None) -> None:
        self._file = file
        self._line = 0
        first = self._first_line()
        if said := _SAID.fullmatch(first):
            # A spreadsheet's own first line, before the header.
            delimiter, self._line = delimiter or said[1], 1
            first = self._decode(file.readline(LONGEST_LINE + 1), 2)
        self.delimiter = delimiter or sniff(first)
        # Not csv.field_size_limit(): that is one number for the whole process, and already this one.
        self._reader = csv.reader(self._lines(first), delimiter=self.delimiter, strict=True)
        self.header = self._read_header()

    def __iter__(self) -> Iterator[Record]:
        """Yield the records that hold anything at all."""
        while (record := self._next()) is not None:
            if any(record.cells):
                yield record

    def _read_header(self) -> list[str]:
        record = self._next()
        if record is None or not any(cell.strip() for cell in record.cells):
            raise UnreadableFile(
                "The first line must name the columns, and it is empty.", line=self._line or 1
            )
        if len(record.cells) > MOST_COLUMNS:
            raise UnreadableFile(
                f"The first line names {len(record.cells)} columns; at most {MOST_COLUMNS} are read.",
                line=1,
            )
        names = [cell.strip() for cell in record.cells]
        if any("\x00" in name for name in names):
            raise UnreadableFile("The first line holds NUL characters.", line=1)
        while (
            names and not names[-1]
        ):  # a delimiter at the end of every line is common and harmless
            names.pop()
        seen: dict[str, str] = {}
        for name in names:
            if name and (known := seen.get(plain(name))) is not None:
                raise UnreadableFile(
                    f"The first line names the column '{name[:80]}' twice"
                    + (f" (as '{known[:80]}' too)." if known != name else "."),
                    line=1,
                )
            seen[plain(name)] = name
        return names

    def _next(self) -> Record | None:
        began = self._line + 1
        try:
            cells = next(self._reader)
        except StopIteration:
            return None
        except csv.Error as error:
            raise UnreadableFile(_sentence(error, began), line=began) from None
        return Record(began, cells)

    def _first_line(self) -> str:
        raw = self._file.readline(LONGEST_LINE + 1)
        for magic, what in _BOMS.items():
            if raw.startswith(magic):
                raise UnreadableFile(
                    f"This looks like {what}. Save the table as 'CSV UTF-8' and try again.", line=1
                )
        if not raw:
            raise UnreadableFile("The file is empty.", line=1)
        return self._decode(raw.removeprefix(b"\xef\xbb\xbf"), 1)

    def _lines(self, first: str) -> Iterator[str]:
        self._line += 1
        yield first
        while raw := self._file.readline(LONGEST_LINE + 1):
            self._line += 1
            yield self._decode(raw, self._line)

    def _decode(self, raw: bytes, line: int) -> str:
        if len(raw) > LONGEST_LINE:
            raise UnreadableFile(
                f"Line {line} is longer than {LONGEST_LINE:,} bytes. "
                "Is this a table, with one row on each line?",
                line=line,
            )
        try:
            return raw.decode()
        except UnicodeDecodeError:
            hint = "UTF-16" if raw.count(0) > len(raw) // 4 else "Windows-1252 or another encoding"
            raise UnreadableFile(
                f"Line {line} is not UTF-8, perhaps {hint}. Save the table as 'CSV UTF-8'.",
                line=line,
            ) from None


def plain(name: str) -> str:
    """Return a column's name as it is compared: without case, spaces, underscores and the like."""
    return re.sub(r"[\W_]+", "", name.casefold())


def sniff(first_line: str) -> str:
    """Return the delimiter that the header's line uses most outside quotes; a comma where it has none."""
    outside = "".join(first_line.split('"')[::2])
    return max(DELIMITERS.values(), key=outside.count)


def _sentence(error: csv.Error, line: int) -> str:
    said = str(error)
    if "field larger" in said:
        return (
            f"A cell that begins on line {line} is longer than {LONGEST_CELL:,} characters. "
            "Is a closing quote missing?"
        )
    if "unexpected end of data" in said:
        return f"The quote that is opened on line {line} is never closed."
    if "expected after" in said:
        return f'On line {line} something follows a closing quote. Write a quote in a text as "".'
    if "new-line character" in said:
        return f"Line {line} ends with CR alone. Save the file with usual line ends (LF or CRLF)."
    return f"Line {line} cannot be read: {said}."
