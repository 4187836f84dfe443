"""From the records of a file to rows of a kind: which of its columns is which of ours, cell by cell. Pure."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from uuid_utils.compat import uuid7

from fsm.imports.cells import BadCell, Wall
from fsm.imports.csv_file import DELIMITERS, CsvFile, Record, plain
from fsm.imports.kind import Column, Kind
from fsm.imports.options import Options
from fsm.problems import Problem


class ColumnsDoNotFit(Problem):
    """Columns are missing, or a mapping names what is not there; nothing was read."""

    code, status, title = "columns-do-not-fit", 422, "The columns do not fit"


_NAMES: Final = {delimiter: name for name, delimiter in DELIMITERS.items()}


@dataclass(frozen=True, slots=True)
class Refused:
    """One reason why a row is not taken; `column` is ours, None where it is about the whole row."""

    line: int
    column: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class _Where:
    """Where a column's text comes from: a place in the record, else the same text for every row."""

    column: Column
    place: int | None
    constant: str = ""


@dataclass(frozen=True, slots=True)
class _Given:
    """What `Kind.complete` is told beside the row."""

    source: str
    now: datetime


class Reader:
    """Reads a file as one kind: `read` yields a row's values by column, or the reasons against it."""

    def __init__(self, kind: Kind, file: CsvFile, options: Options, now: datetime) -> None:
        self._kind, self._file, self._options = kind, file, options
        self._given = _Given(options.source, now)
        self._width = len(file.header)
        self._where, self.unknown = _places(kind, file.header, options, file.delimiter)
        self.present = frozenset(where.column.name for where in self._where)
        # The columns that say how other cells are meant are read first.
        self._where.sort(key=lambda where: where.column.staged)
        self._blank = {column.name: None for column in kind.columns} | dict.fromkeys(kind.own)

    @property
    def warnings(self) -> list[str]:
        """Return what a person should know of the file as a whole."""
        return [
            f"The column '{name[:80]}' means nothing here and is left out." for name in self.unknown
        ]

    def read(self) -> Iterator[dict[str, Any] | list[Refused]]:
        for record in self._file:
            yield self._row(record)

    def _row(self, record: Record) -> dict[str, Any] | list[Refused]:
        cells = record.cells
        if len(cells) > self._width and any(cells[self._width :]):
            return [_count(record, self._width)]
        if len(cells) < self._width:
            return [_count(record, self._width)]
        row: dict[str, Any] = {**self._blank, "line": record.line, "id": uuid7()}
        refused: list[Refused] = []
        wall = Wall(self._options.zone)
        for where in self._where:
            column = where.column
            text = (where.constant if where.place is None else cells[where.place]).strip()
            if not text:
                if column.required:
                    refused.append(Refused(record.line, column.name, "is empty, but needed"))
                continue
            try:
                row[column.name] = value = column.cell.read(text, self._options.form, wall)
            except BadCell as error:
                refused.append(Refused(record.line, column.name, str(error)))
                continue
            if not column.staged:
                wall = _wall(wall, column.name, value)
        if not refused and self._kind.complete is not None:
            try:
                self._kind.complete(row, self._given)
            except BadCell as error:
                refused.append(Refused(record.line, error.column, str(error)))
        return refused or row


def _wall(wall: Wall, name: str, value: Any) -> Wall:
    return Wall(ZoneInfo(value), wall.fold) if name == "zone" else Wall(wall.zone, value)


def _count(record: Record, width: int) -> Refused:
    return Refused(
        record.line,
        None,
        f"has {len(record.cells)} cells where the first line names {width} columns"
        "; is a delimiter or a quote missing?",
    )


def _places(
    kind: Kind, header: Sequence[str], options: Options, delimiter: str
) -> tuple[list[_Where], list[str]]:
    """Return where each of our columns is found, and the columns of the file that nobody asked for."""
    ours = {column.name: column for column in kind.columns}
    places = {plain(name): place for place, name in enumerate(header) if name}
    found: dict[str, _Where] = {}
    used: set[int] = set()
    for theirs, name in options.columns:
        place = places.get(plain(theirs))
        if place is None:
            raise ColumnsDoNotFit(
                f"The file has no column '{theirs[:80]}'. It has: {_list(header)}.",
                columns=list(header),
            )
        column = _ours(ours, kind, name)
        if column.name in found:
            raise ColumnsDoNotFit(f"Two columns are mapped to '{column.name}'.")
        found[column.name] = _Where(column, place)
        used.add(place)
    for name, text in options.constants.items():
        column = _ours(ours, kind, name)
        if column.name in found:
            raise ColumnsDoNotFit(f"'{column.name}' is both mapped and set.")
        found[column.name] = _Where(column, None, text)
        if (place := places.get(plain(column.name))) is not None:
            used.add(place)
    for column in kind.columns:
        if column.name in found:
            continue
        for spelling in (column.name, *column.aliases):
            place = places.get(plain(spelling))
            if place is not None and place not in used:
                found[column.name] = _Where(column, place)
                used.add(place)
                break
    if lacking := [
        column.name for column in kind.columns if column.required and column.name not in found
    ]:
        raise ColumnsDoNotFit(
            f"The file lacks the column{'s' if len(lacking) > 1 else ''} {_list(lacking)} "
            f"that {kind.name} need. It has: {_list(header)}. "
            "Map a column of another name, or set the same text for every row. "
            f"If that is not how the line divides, say its delimiter: it was read with {_NAMES[delimiter]}.",
            missing=lacking,
            columns=list(header),
        )
    unknown = [name for place, name in enumerate(header) if name and place not in used]
    return list(found.values()), unknown


def _ours(ours: Mapping[str, Column], kind: Kind, name: str) -> Column:
    known = ours.get(name.strip())
    if known is None:
        near = difflib.get_close_matches(name, ours, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else f" They have: {_list(list(ours))}."
        raise ColumnsDoNotFit(f"{kind.name} have no column '{name[:80]}'.{hint}")
    return known


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(name[:60] or "(no name)" for name in names[:40])
    return f"{shown} and {len(names) - 40} more" if len(names) > 40 else shown
